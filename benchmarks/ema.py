"""Measure the gain of a moving average of the weights, and of airbench's Lookahead, for the `fast` network.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.ema RESULTS.jsonl

The baseline of `benchmarks/ingredients.py` on 10 000 training images of Fashion-MNIST, four epochs, two seeds, scored
on 10 000 other training images. A run takes half a minute on one core. Runs that RESULTS.jsonl contains are skipped.
"""

import sys
from dataclasses import replace
from pathlib import Path

from pipeline.running.backend import keras  # noqa: F401  before what imports Keras itself

# isort: split
from benchmarks import results, runs
from benchmarks.ingredient_recipes import Recipe
from benchmarks.ingredients import train_and_judge
from pipeline.readers.image_sets import load_source

SEEDS, IMAGES, SETTING = 2, 10_000, "half width, four epochs, 10 000 images"
VARIANTS = {
    "no average": {},
    "moving average, 0.9": {"ema_momentum": 0.9},
    "moving average, 0.98": {"ema_momentum": 0.98},
    "moving average, 0.99": {"ema_momentum": 0.99},
    "Lookahead": {"lookahead": True},
}


def main() -> None:
    """Train what is missing, then write the rows."""
    images = load_source("fashion-mnist").train

    def figures(name: str, seed: int) -> dict[str, float]:
        recipe = replace(Recipe(), training_images=IMAGES, precision="float32", **VARIANTS[name])
        return train_and_judge(images, recipe, seed)

    figures_by_seed = runs.run_all(Path(sys.argv[1]), VARIANTS, SEEDS, figures)
    shared = {"task": "fashion", "setting": SETTING, "rows": "held out", "epoch_selection": "last epoch", "views": 1}
    rows = []
    for name, seeds in figures_by_seed.groupby("variant", sort=False):
        cost = {"pflop": seeds["TFLOP"].mean() / 1000, "seconds": seeds["seconds"].mean()}
        rows.append({**shared, "member": name, **cost, **results.mean_and_error(seeds["accuracy"])})
    results.write("ema", rows)


if __name__ == "__main__":
    main()
