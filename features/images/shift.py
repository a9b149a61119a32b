"""Adversarial validation: whether a model can tell training images from test images."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from features.labels.intervals import Z

SIDE_PIXELS = 8  # of the thumbnails that the model gets
FOLDS = 5


@dataclass(frozen=True)
class Separation:
    """How well a model tells training images from test images."""

    auc: float  # ROC AUC on images that it was not fitted on; 0.5 is chance
    low: float  # 95 % interval
    high: float
    test_likeness: np.ndarray  # of each training image (n,), the probability that it is a test image

    @property
    def is_by_chance(self) -> bool:
        """Whether the interval includes 0.5."""
        return self.low <= 0.5


def describe(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Return features (n, k) float32 of images: a thumbnail, and mean, spread and sharpness of each channel.

    Args:
        parts: uint8 (rows, height, width, channels), one after the other.
    """
    return np.concatenate([_describe(part.astype(np.float32)) for part in parts])


def _describe(images: np.ndarray) -> np.ndarray:
    rows, columns = (np.array_split(np.arange(side), min(SIDE_PIXELS, side)) for side in images.shape[1:3])
    bands = np.stack([images[:, band].mean(axis=1) for band in rows], axis=1)
    thumbnails = np.stack([bands[:, :, band].mean(axis=2) for band in columns], axis=2)
    sharpness = [np.abs(np.diff(images, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
    statistics = [images.mean(axis=(1, 2)), images.std(axis=(1, 2)), *sharpness]
    return np.concatenate([thumbnails.reshape(len(images), -1), *statistics], axis=1)


def separation(train: np.ndarray, test: np.ndarray, groups: np.ndarray, seed: int = 0) -> Separation:
    """Return how well gradient boosting tells training images from test images by their features.

    Every image is judged by a model that was fitted on other images. The interval is that of Hanley and McNeil, "The
    Meaning and Use of the Area under a Receiver Operating Characteristic (ROC) Curve", 1982.

    Args:
        train: features (n, k), see `describe`.
        test: features (m, k).
        groups: (n,), equal for training images that must not be split, such as copies.
        seed: of the folds and the model.

    Raises:
        ValueError: there are fewer than five training groups or test images.
    """
    if len(np.unique(groups)) < FOLDS or len(test) < FOLDS:
        raise ValueError(f"{len(train)} training and {len(test)} test images, expected {FOLDS} different ones of each")
    is_test = np.repeat([0, 1], [len(train), len(test)])
    all_groups = np.concatenate([groups, groups.max() + 1 + np.arange(len(test))])
    model = HistGradientBoostingClassifier(max_iter=60, class_weight="balanced", random_state=seed)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    features = np.concatenate([train, test])
    with threadpool_limits(1):  # on a busy machine, threads that wait for each other take minutes
        likeness = cross_val_predict(model, features, is_test, groups=all_groups, cv=folds, method="predict_proba")[
            :, 1
        ]
    auc = float(roc_auc_score(is_test, likeness))
    spread = Z * _standard_error(auc, len(test), len(train))
    return Separation(auc, max(0.0, auc - spread), min(1.0, auc + spread), likeness[: len(train)])


def _standard_error(auc: float, positives: int, negatives: int) -> float:
    both_positive, both_negative = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (both_positive - auc**2) + (negatives - 1) * (both_negative - auc**2)
    return math.sqrt(max(0.0, variance) / (positives * negatives))
