"""How should photos reach a pretrained network whose features are fitted? EfficientNet-Lite0, by out-of-fold scores.

    nice python -m benchmarks.photo_views DATA [SET ...]

DATA contains ants-bees.tar and cifar-10-jpeg.tar.xz. Each variant computes the features of a set's training photos, and
scores logistic regression in five folds, which are repeated with other folds. It uses no held-out photo, so that the
defaults could be chosen by it. It takes a quarter of an hour on two cores.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.model_selection import StratifiedKFold

from pipeline.running.backend import keras  # noqa: F401  before what imports Keras itself

# isort: split
from benchmarks import results
from benchmarks.leaks import read_pictures
from features.images.fitting import Fit, fit_picture
from features.labels.metrics.losses import log_loss
from features.labels.metrics.shares import accuracy
from features.labels.targets import one_hot, probabilities
from models.backbones.extraction import Extraction, extractor
from pipeline.training.logistic_regression import Rows, fit

BACKBONE, FOLDS, BATCH = "efficientnet_lite0", 5, 32
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_IMAGES = 200  # of each class


@dataclass(frozen=True)
class View:
    """How a photo reaches the network."""

    size: tuple[int, int]  # (height, width) of the stored image
    fit: Fit
    side_pixels: int | None = None  # of the network's image; None: 224
    flip: bool = False


CROP, LARGE_CROP = (192, 256), (224, 296)
PHOTOS = {
    "stretched to 224x224": View((224, 224), "stretch"),
    "cropped to 192x256": View(CROP, "crop"),
    "cropped to 192x256, mirrored too": View(CROP, "crop", flip=True),
    "cropped to 224x296": View(LARGE_CROP, "crop", 257),
}


def _enlarged(pixels: int) -> dict[str, View]:
    return {
        f"enlarged to {side}x{side}{', mirrored too' if flip else ''}": View((pixels, pixels), "stretch", side, flip)
        for side in (128, 192, 224)
        for flip in (False, True)
    }


SETS = {  # views, and how often the folds are repeated
    "ants and bees": (PHOTOS, 10),
    "ants and bees, 64x64": (_enlarged(64), 10),
    "CIFAR-10, 2 000 images": (_enlarged(32), 1),
}


def main(data: Path, names: Iterable[str]) -> None:
    """Measure the sets and write their rows."""
    for name in names or SETS:
        views, repeats = SETS[name]
        pictures, labels = _read(data, name)
        rows = []
        for member, view in views.items():
            images = np.stack([np.asarray(fit_picture(picture, view.size, view.fit, "black")) for picture in pictures])
            rows.append({"task": name, "member": member, **_scores(_features(images, view), labels, repeats)})
            print(rows[-1], flush=True)
        results.write("photo_views", rows)


def _read(data: Path, name: str) -> tuple[list[Image.Image], np.ndarray]:
    """Return the pictures and the numbers of their classes."""
    if name.startswith("CIFAR"):
        pictures = list(read_pictures(data / "cifar-10-jpeg.tar.xz", CIFAR, CIFAR_IMAGES, "train"))
    else:
        pictures = list(read_pictures(data / "ants-bees.tar", ("ants", "bees"), part="train"))
    labels = np.unique([label for label, _ in pictures], return_inverse=True)[1]
    small = (64, 64) if name.endswith("64x64") else None
    return [picture.resize(small) if small else picture for _, picture in pictures], labels


def _features(images: np.ndarray, view: View) -> np.ndarray:
    model = extractor(images.shape[1:], Extraction(BACKBONE, "imagenet", view.side_pixels, view.flip))
    return model.predict(images, batch_size=BATCH, verbose=0)


def _scores(vectors: np.ndarray, labels: np.ndarray, repeats: int) -> dict[str, Any]:
    """Return the mean out-of-fold scores, with the standard error over the photos."""
    targets, accuracies, losses = one_hot(labels, labels.max() + 1), [], []
    for repeat in range(repeats):
        folds, logits = np.zeros(len(labels), int), np.zeros(targets.shape)
        splits = StratifiedKFold(FOLDS, shuffle=True, random_state=repeat).split(vectors, labels)
        for fold, (_, rows) in enumerate(splits):
            folds[rows] = fold
        for fold in range(FOLDS):
            rows = folds != fold
            regression = fit(
                Rows(vectors[rows], targets[rows], np.ones(rows.sum(), np.float32)), folds[rows], None, False
            )
            logits[~rows] = vectors[~rows] @ regression.kernel + regression.bias
        predicted = probabilities(logits, multi_label=False)
        accuracies.append(accuracy(predicted, labels))
        losses.append(log_loss(predicted, labels))
    share = float(np.mean(accuracies))
    error = (share * (1 - share) / len(labels)) ** 0.5
    return {
        "rows": "out of fold",
        "images": len(labels),
        "accuracy": share,
        "standard_error": error,
        "log_loss": float(np.mean(losses)),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
