"""Losses of logits by name, also for classes of unequal frequency."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

FOCAL_GAMMA = 2.0  # of Lin et al. ("Focal Loss for Dense Object Detection", 2017)
Loss = Callable[[keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]  # of targets and logits, for each image


def loss(
    *, binary: bool, label_smoothing: float = 0.0, imbalance: str = "none", prior: np.ndarray | None = None
) -> keras.losses.Loss | Loss:
    """Return the loss of logits (batch, classes) and targets of the same shape.

    The network's output includes `prior`, so its probabilities are those of the training rows. `class_weights` and
    `balanced_sampling` train what is left without it: the logits for equally frequent classes. `logit_adjustment`
    (Menon et al., "Long-tail learning via logit adjustment", 2021) is the plain loss of an output with the prior.

    Args:
        binary: each class against all others; else a softmax, for which the negative log-likelihood is the same.
        label_smoothing: of the targets.
        imbalance: the `training.imbalance` of a member.
        prior: float32 (classes,), the logarithm of each class's share, or of its odds with `binary`.
    """
    options = {"from_logits": True, "label_smoothing": label_smoothing}
    if imbalance == "focal":
        if binary:
            return keras.losses.BinaryFocalCrossentropy(gamma=FOCAL_GAMMA, **options)
        return keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=FOCAL_GAMMA, **options)
    kind = keras.losses.BinaryCrossentropy if binary else keras.losses.CategoricalCrossentropy
    if imbalance not in ("class_weights", "balanced_sampling"):
        return kind(**options)
    assert prior is not None
    plain = kind(**options, reduction=None)
    if imbalance == "balanced_sampling":
        return _without_prior(plain, prior)
    return _label_weighted(plain, prior) if binary else _class_weighted(plain, prior)


def _without_prior(plain: keras.losses.Loss, prior: np.ndarray) -> Loss:
    def without_prior(targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        return plain(targets, logits - prior)

    return without_prior


def _class_weighted(plain: keras.losses.Loss, prior: np.ndarray) -> Loss:
    """Return a loss in which all classes weigh the same: an image counts 1 / (classes * share of its class)."""
    weights = np.exp(-prior) / len(prior)

    def weighted(targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        return plain(targets, logits - prior) * ops.sum(targets * weights, axis=-1)

    return weighted


def _label_weighted(plain: keras.losses.Loss, prior: np.ndarray) -> Loss:
    """Return a loss in which the images with a label weigh as much as those without it, for each label."""
    with_label, without_label = (1 + np.exp(-prior)) / 2, (1 + np.exp(prior)) / 2

    def weighted(targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        losses = plain(targets[..., None], (logits - prior)[..., None])  # (batch, labels)
        return ops.mean(losses * (targets * with_label + (1 - targets) * without_label), axis=-1)

    return weighted
