"""The recipes that `benchmarks/ingredients.py` compares: a baseline, and variants of it."""

from dataclasses import dataclass, field
from typing import Any

from features.augmentation.augment import Augment


@dataclass(frozen=True)
class Recipe:
    """The baseline: the default without Dirac initialisation, which was added because of this comparison."""

    stem_filters: int = 16
    filters: tuple[int, ...] = (16, 32, 64)
    activation: str = "relu"
    whitening: bool = False  # a frozen stem of the eigenvectors of 2x2 patches, and their negatives
    dirac: bool = False  # convolutions that start as copies of their first channels
    residual: bool = False  # a third convolution a group, with a shortcut past the last two
    squeeze: bool = False  # squeeze and excitation: a small network weighs the channels by their means
    pooling: str = "max"  # at the end; "none" keeps the last grid's places apart
    learnt_share: float = 1.0  # of the rows, mostly the hardest ones, in all epochs except the first and the last tenth
    resnet: dict[str, Any] = field(default_factory=dict)  # options of that network, in place of this one
    precision: str = "auto"
    training_images: int = 50_000
    norm_momentum: float = 0.9
    norm_gamma: bool = True
    epochs: int = 4
    batch_size: int = 128
    optimiser: str = "muon"
    momentum: float = 0.9
    learning_rate: float = 1e-2
    schedule: str = "one_cycle"
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    ema_momentum: float = 0.0
    lookahead: bool = False
    augment: Augment = field(default_factory=lambda: Augment(flip=True, shift_pixels=1))


def _augment(**changes: Any) -> dict[str, Augment]:
    return {"augment": Recipe().augment.model_copy(update=changes)}


FULL_SIZE = {"stem_filters": 32, "filters": (32, 64, 128), "epochs": 10}
LONG = {**FULL_SIZE, "dirac": True, "epochs": 20}
LONGER = {**LONG, "epochs": 100}
FORTY = {**LONG, "epochs": 40, **_augment(erase_probability=0.5)}
WIDER = {**LONGER, "stem_filters": 48, "filters": (48, 96, 192)}
FEW = {**LONGER, "training_images": 10_000}

VARIANTS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "AdamW, learning rate 4e-3": {"optimiser": "adamw", "learning_rate": 4e-3},
    "SGD, learning rate 0.1": {"optimiser": "sgd", "learning_rate": 0.1},
    "whitening": {"whitening": True},
    "dirac initialisation": {"dirac": True},
    "whitening and dirac initialisation": {"whitening": True, "dirac": True},
    "three convolutions and a shortcut": {"residual": True},
    "mean instead of maximum at the end": {"pooling": "mean"},
    "float32": {"precision": "float32"},
    "batch normalisation: momentum 0.6, no gamma": {"norm_momentum": 0.6, "norm_gamma": False},
    "cosine without warm-up": {"schedule": "cosine"},
    "no weight decay": {"weight_decay": 0.0},
    "no label smoothing": {"label_smoothing": 0.0},
    "moving average of weights, 0.99": {"ema_momentum": 0.99},
    "Lookahead": {"lookahead": True},
    "no flips": _augment(flip=False),
    "alternating flips": _augment(flip=False, alternating_flip=True),
    "no shifts": _augment(shift_pixels=0),
    "shifts of 2": _augment(shift_pixels=2),
    "cutout of 8": _augment(cutout_pixels=8),
    "random erasing, 0.5": _augment(erase_probability=0.5),
    "dirac: three convolutions and a shortcut": {"dirac": True, "residual": True},
    "dirac: squeeze and excitation": {"dirac": True, "squeeze": True},
    "dirac: SiLU instead of ReLU": {"dirac": True, "activation": "silu"},
    "dirac: GELU instead of ReLU": {"dirac": True, "activation": "gelu"},
    "dirac: a stem of 8 filters": {"dirac": True, "stem_filters": 8},
    "dirac: a stem of 24 filters": {"dirac": True, "stem_filters": 24},
    "dirac: label smoothing 0.2": {"dirac": True, "label_smoothing": 0.2},
    "dirac: a stem of 8 filters, three convolutions and a shortcut": {
        "dirac": True,
        "stem_filters": 8,
        "residual": True,
    },
    "dirac: no pooling at the end": {"dirac": True, "pooling": "none"},
    "dirac: last group of 96 filters": {"dirac": True, "filters": (16, 32, 96)},
    "dirac: momentum 0.8": {"dirac": True, "momentum": 0.8},
    "dirac: momentum 0.95": {"dirac": True, "momentum": 0.95},
    "dirac: eight epochs": {"dirac": True, "epochs": 8},
    "dirac: sixteen epochs of the harder rows": {"dirac": True, "epochs": 16, "learnt_share": 0.27},
    "dirac: batches of 256": {"dirac": True, "batch_size": 256},
    "dirac: batches of 256, learning rate 1.4e-2": {"dirac": True, "batch_size": 256, "learning_rate": 1.4e-2},
    "dirac: batches of 256, learning rate 2e-2": {"dirac": True, "batch_size": 256, "learning_rate": 2e-2},
    "dirac: batches of 512, learning rate 2e-2": {"dirac": True, "batch_size": 512, "learning_rate": 2e-2},
    "dirac: batches of 512, learning rate 4e-2": {"dirac": True, "batch_size": 512, "learning_rate": 4e-2},
    "full size": FULL_SIZE,
    "full size, dirac initialisation": {**FULL_SIZE, "dirac": True},
    "full size, twenty epochs of the harder rows": {**LONG, "learnt_share": 0.27},
    "full size, whitening and dirac initialisation": {**FULL_SIZE, "whitening": True, "dirac": True},
    "twenty epochs": LONG,
    "twenty epochs, weight decay 0.1": {**LONG, "weight_decay": 0.1},
    "twenty epochs, weight decay 0.1, random erasing, 0.5": {
        **LONG,
        "weight_decay": 0.1,
        **_augment(erase_probability=0.5),
    },
    "twenty epochs, shifts of 2": {**LONG, **_augment(shift_pixels=2)},
    "twenty epochs, random erasing, 0.5": {**LONG, **_augment(erase_probability=0.5)},
    "twenty epochs, three convolutions and a shortcut": {**LONG, "residual": True},
    "twenty epochs, no pooling at the end": {**LONG, "pooling": "none"},
    "forty-five epochs of the harder rows": {**LONG, "epochs": 45, "learnt_share": 0.27},
    "thirty epochs of the harder half": {**LONG, "epochs": 30, "learnt_share": 0.5},
    "twenty epochs, width 1.5": {**LONG, "stem_filters": 48, "filters": (48, 96, 192)},
    "a hundred epochs": LONGER,
    "a hundred epochs, random erasing, 0.5": {**LONGER, **_augment(erase_probability=0.5)},
    "a hundred epochs, random erasing, 0.5, shifts of 2": {**LONGER, **_augment(erase_probability=0.5, shift_pixels=2)},
    "a hundred epochs, mixup 1, shifts of 2": {**LONGER, **_augment(mixup_alpha=1.0, shift_pixels=2)},
    "a hundred epochs, mixup 0.2, random erasing, 0.5, shifts of 2": {
        **LONGER,
        **_augment(mixup_alpha=0.2, erase_probability=0.5, shift_pixels=2),
    },
    "a hundred epochs, CutMix 0.2": {**LONGER, **_augment(cutmix_alpha=0.2)},
    "a hundred epochs, width 1.5, random erasing, 0.5": {**WIDER, **_augment(erase_probability=0.5)},
    "a hundred epochs, width 1.5, CutMix 1": {**WIDER, **_augment(cutmix_alpha=1.0)},
    "forty epochs, random erasing, 0.5": FORTY,
    "forty epochs, random erasing, 0.5, resnet": {
        **FORTY,
        "resnet": {"stem_filters": 16, "filters": [32, 64, 128], "blocks": 2},
    },
    "forty epochs, random erasing, 0.5, resnet, its first stage at the images' size": {
        **FORTY,
        "resnet": {"stem_filters": 16, "filters": [16, 32, 64], "blocks": 2, "first_stride_pixels": 1},
    },
    "10 000 images, a hundred epochs": FEW,
    "10 000 images, random erasing, 0.5": {**FEW, **_augment(erase_probability=0.5)},
    "10 000 images, mixup 0.2": {**FEW, **_augment(mixup_alpha=0.2)},
    "10 000 images, mixup 1": {**FEW, **_augment(mixup_alpha=1.0)},
    "10 000 images, CutMix 1": {**FEW, **_augment(cutmix_alpha=1.0)},
    "10 000 images, CutMix 0.2": {**FEW, **_augment(cutmix_alpha=0.2)},
    "10 000 images, CutMix 1, random erasing, 0.5": {**FEW, **_augment(cutmix_alpha=1.0, erase_probability=0.5)},
    "10 000 images, twenty epochs": {**FEW, "epochs": 20},
    "10 000 images, twenty epochs, random erasing, 0.5": {**FEW, "epochs": 20, **_augment(erase_probability=0.5)},
    "10 000 images, twenty epochs, CutMix 1": {**FEW, "epochs": 20, **_augment(cutmix_alpha=1.0)},
}
