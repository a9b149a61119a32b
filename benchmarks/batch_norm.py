"""Compare the running statistics of batch normalisation with estimated ones, after short and after long training.

    python -m benchmarks.batch_norm

Trains four networks with three seeds on 400 of scikit-learn's digits: 30 steps as they are, and 400 steps with strong
augmentation. They are scored on 600 other digits. The estimates use the training images without augmentation, as in
Podium's training. This takes some minutes.
"""

import time

import numpy as np
from sklearn.datasets import load_digits

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
import models
from benchmarks import results
from features.augmentation.options import Augment
from models.parts import batch_norm, wrap
from models.parts.compiling import jit_compile
from models.parts.optimisers import optimiser, schedule
from pipeline.training.batches import TrainingBatches
from pipeline.training.callbacks import SeedEpoch
from pipeline.training.epoch import fit
from pipeline.training.variables import set_variables

SEEDS, TRAINING_IMAGES, JUDGED_IMAGES, BATCH = 3, 400, 600, 40
NETWORKS = {
    "deep_resnet": ("deep_resnet", {}),
    "vgg": ("vgg", {"batch_norm": True, "units": [512]}),
    "convnet": ("convnet", {}),
    "fast": ("fast", {}),
}
STRONG = Augment(
    rotation_degrees=20, rescale_share=0.3, shear_degrees=10, shift_pixels=3, erase_probability=0.5, cutmix_alpha=1.0
)
TRAININGS = {"batch_norm": (3, Augment()), "batch_norm_augmented": (40, STRONG)}  # epochs, augmentation


def main() -> None:
    """Train each network and write its two accuracies."""
    for question, (epochs, augment) in TRAININGS.items():
        for name, (architecture, options) in NETWORKS.items():
            runs = [_accuracies(architecture, options, epochs, augment, seed) for seed in range(SEEDS)]
            for index, setting in enumerate(("running statistics", "statistics estimated anew")):
                figures = results.mean_and_error([accuracies[index] for accuracies, _ in runs])
                seconds = np.mean([seconds for _, seconds in runs])
                shared = {"task": "digits", "rows": "held out", "views": 1, "epoch_selection": "last epoch"}
                row = {**shared, "member": name, "setting": setting, "seconds": seconds, **figures}
                print(question, row, flush=True)
                results.write(question, [row])


def _accuracies(
    architecture: str, options: dict, epochs: int, augment: Augment, seed: int
) -> tuple[list[float], float]:
    """Return the accuracy with each kind of statistics, and the seconds of training."""
    digits = load_digits()
    # 16x16, because deep networks would shrink 8x8 to a single pixel
    images = np.kron(digits.images * 255 / 16, np.ones((1, 2, 2)))[..., None].astype(np.uint8)
    order = np.random.default_rng(seed).permutation(len(images))
    rows, judged_rows = order[:TRAINING_IMAGES], order[-JUDGED_IMAGES:]
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    shape, sample = images.shape[1:], images[rows]
    scale, offset = wrap.affine("standardise", [sample.mean()], [sample.std()], sample.mean(axis=0))
    model = wrap.on_images(models.build(architecture, shape, 10, options), shape, scale, offset)
    batches = TrainingBatches(images, np.eye(10, dtype="float32")[digits.target], rows, BATCH, augment, (seed,))
    model.compile(
        optimiser("adamw", schedule("one_cycle", 1e-3, epochs * len(batches))),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile(),
    )
    started = time.monotonic()
    fit(model, batches, [SeedEpoch(batches)], epochs=epochs)
    seconds = time.monotonic() - started

    def accuracy() -> float:
        predictions = model.predict(images[judged_rows], verbose=0).argmax(axis=1)
        return float((predictions == digits.target[judged_rows]).mean())

    running = accuracy()
    set_variables(batch_norm.statistics(model), batch_norm.estimator(model)(sample))
    return [running, accuracy()], seconds


if __name__ == "__main__":
    main()
