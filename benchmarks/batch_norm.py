"""Compare the running statistics of batch normalisation with estimated ones, after few steps of training.

    python -m benchmarks.batch_norm

Trains four networks with three seeds: 30 steps of AdamW on 400 of scikit-learn's digits. They are scored on 600 others.
This takes a few minutes.
"""

import time

import numpy as np
from sklearn.datasets import load_digits

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
import models
from benchmarks import results
from models.parts import batch_norm
from models.parts.compiling import jit_compile
from models.parts.optimisers import optimiser, schedule
from pipeline.training.variables import set_variables

SEEDS, TRAINING_IMAGES, JUDGED_IMAGES, EPOCHS, BATCH = 3, 400, 600, 3, 40
NETWORKS = {
    "deep_resnet": ("deep_resnet", {}),
    "vgg": ("vgg", {"batch_norm": True, "units": [512]}),
    "convnet": ("convnet", {}),
    "fast": ("fast", {}),
}


def main() -> None:
    """Train each network and write its two accuracies."""
    for name, (architecture, options) in NETWORKS.items():
        runs = [_accuracies(architecture, options, seed) for seed in range(SEEDS)]
        for index, setting in enumerate(("running statistics", "statistics estimated anew")):
            figures = results.mean_and_error([accuracies[index] for accuracies, _ in runs])
            seconds = np.mean([seconds for _, seconds in runs])
            shared = {"task": "digits", "rows": "held out", "views": 1, "epoch_selection": "last epoch"}
            row = {**shared, "member": name, "setting": setting, "seconds": seconds, **figures}
            print(row, flush=True)
            results.write("batch_norm", [row])


def _accuracies(architecture: str, options: dict, seed: int) -> tuple[list[float], float]:
    """Return the accuracy with each kind of statistics, and the seconds of training."""
    digits = load_digits()
    pixels = np.kron(digits.images, np.ones((1, 2, 2)))[
        ..., None
    ]  # 16x16, because deep networks would shrink 8x8 to a single pixel
    order = np.random.default_rng(seed).permutation(len(pixels))
    rows, validation_rows = order[:TRAINING_IMAGES], order[-JUDGED_IMAGES:]
    images = ((pixels - pixels[rows].mean()) / pixels[rows].std()).astype("float32")
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = models.build(architecture, images.shape[1:], 10, options)
    steps = EPOCHS * TRAINING_IMAGES // BATCH
    model.compile(
        optimiser("adamw", schedule("one_cycle", 1e-3, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile(),
    )
    started = time.monotonic()
    model.fit(images[rows], digits.target[rows], batch_size=BATCH, epochs=EPOCHS, verbose=0)
    seconds = time.monotonic() - started

    def accuracy() -> float:
        return float(
            (model.predict(images[validation_rows], verbose=0).argmax(axis=1) == digits.target[validation_rows]).mean()
        )

    running = accuracy()
    set_variables(batch_norm.statistics(model), batch_norm.estimator(model)(images[rows]))
    return [running, accuracy()], seconds


if __name__ == "__main__":
    main()
