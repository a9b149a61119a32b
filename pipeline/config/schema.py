"""`params.yaml`, the only configuration, as frozen dataclasses: a task's blocks are named after the stages."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from features.augmentation.augment import Augment
from pipeline.config.checks import check
from pipeline.config.errors import BadInput
from pipeline.config.parsing import parse
from pipeline.config.presets import with_presets

Label = int | str


@dataclass(frozen=True)
class Replica:
    """A competition's raw files made from a labelled image set (stage `replica`)."""

    form: Literal["fashion", "price_sum", "item_kinds"]
    source: Literal["digits", "fashion-mnist"] = "digits"
    train_rows: int | None = None  # None: all that the source has; composed, 60 000 and 10 000
    test_rows: int | None = None
    pool: Literal["shared", "disjoint"] = "shared"  # of items, where images are composed of them
    items_per_class: int | None = None  # in that pool, of a composed replica; None: all that the source has
    seed: int = 0


@dataclass(frozen=True)
class Split:
    """Where the rows of one split lie, relative to the task's folder. What is None is inferred."""

    images: str  # CSV, pickle, npz, or a folder of images, plain or as gzip or zip
    labels: str | None = None  # a CSV, where the labels do not lie with the images
    id_column: int | str | None = None
    label_column: int | str | None = None
    label_separator: str | None = None  # " " where an image has a set of labels, written in one cell; may be empty
    images_key: str | None = None  # of an npz
    labels_key: str | None = None


@dataclass(frozen=True)
class Ingest:
    """The raw files of a competition."""

    folder: str
    train: Split
    test: Split
    sample_submission: str
    image: tuple[int, ...] | None = None  # (height, width) or (height, width, channels)
    classes: tuple[Label, ...] | None = None  # 5..13, or a list; inferred from the training labels
    pixel_scale: float = 1.0  # 255 where the raw pixels are 0..1


@dataclass(frozen=True)
class Items:
    """Every image shows `count` items, and its label is the sum of their prices."""

    count: int
    prices: tuple[int, ...]  # one a kind of item
    size_pixels: tuple[int, int] | None = None  # (height, width) of one item; None: items that cannot be located


@dataclass(frozen=True)
class Prepare:
    """What is done to every image once, before any model sees it."""

    resize_pixels: tuple[int, int] | None = None  # (height, width), bilinear
    pad_pixels: tuple[int, int] | None = None  # (height, width), black around the centred image
    items: Items | None = None


@dataclass(frozen=True)
class Folds:
    """The split into folds."""

    preset: str | None = None  # of presets.yaml
    count: int = 5
    holdout_share: float = 0.2  # used where count is 1
    seed: int = 0


@dataclass(frozen=True)
class Predict:
    """Test-time augmentation: the views whose probabilities are averaged."""

    flip: bool = False  # each view also mirrored left to right
    shift_pixels: int = 0  # also each view moved up-left and down-right by so much


@dataclass(frozen=True)
class Ensemble:
    """How members become one, see docs/ensembling.md."""

    method: Literal["mean", "greedy", "convex", "stacking", "auto"] = "greedy"
    rounds: int = 50  # of greedy selection
    bags: int = 10  # of greedy selection, each of a random half of the members
    seed: int = 0


@dataclass(frozen=True)
class Generate:
    """A conditional GAN a fold, whose images members may train on beside the real ones."""

    epochs: int = 30  # some thousand batches in all; fewer rows need more epochs
    batch_size: int = 64
    learning_rate: float = 5e-4
    latent_units: int = 64  # of the noise that an image is made of
    filters: int = 32  # of the generator's last layers; the earlier ones have up to four times as many
    images_per_class: int = 500
    seed: int = 0


@dataclass(frozen=True)
class Task:
    """A competition."""

    ingest: Ingest
    prepare: Prepare
    split: Folds
    predict: Predict
    ensemble: Ensemble
    generate: Generate | None = None
    competition: str | None = None  # Kaggle's name for it; the commands of submissions/ use it, no stage does


@dataclass(frozen=True)
class Training:
    """How a member is trained."""

    epochs: int = 10
    batch_size: int = 128
    optimiser: Literal["sgd", "adam", "adamw", "rmsprop", "muon"] = "adamw"
    loss: Literal["cross_entropy", "nll", "binary_cross_entropy"] = "cross_entropy"  # of one label an image
    learning_rate: float = 1e-3  # the peak, where the schedule has one
    schedule: Literal["constant", "plateau", "cosine", "one_cycle", "inverse_time"] = "one_cycle"
    learning_rate_decay: float = 0.0  # a step, of inverse_time
    plateau_factor: float = 0.316
    plateau_patience_epochs: int = 3
    minimum_learning_rate: float = 5e-7
    momentum: float = 0.9  # of sgd and muon
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    ema_momentum: float = 0.0  # 0: no exponential moving average of the weights
    monitor: Literal["val_loss", "val_accuracy", "none"] = "val_loss"  # says which epoch is kept; none: the last one
    early_stopping_patience_epochs: int = 0  # 0: none
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16", "auto"] = "float32"  # auto: the faster one
    frozen_epochs: int = 0  # the first ones, in which of a pretrained network only the last layer learns
    tuned_layers: int = 4  # convolutions of a pretrained network that learn after them, the last ones
    tuned_learning_rate: float = 1e-5  # after them
    train_on_all: bool = False  # a last model on all rows makes the test predictions
    seed: int = 0


@dataclass(frozen=True)
class Tune:
    """What is spent on finding a member's options; with no trials and no seconds they are those of its entry."""

    trials: int = 0  # in all, of every run and process together; 0: no such limit
    seconds: int = 0  # of trials in all, counted once where `jobs` run at a time; 0: no such limit
    jobs: int = 1  # trials at a time on a CPU; several GPUs get one each
    pruner: Literal["median", "hyperband", "none"] = "median"
    storage: str | None = None  # a journal's path or an Optuna URL, $NAME from the environment; None: .studies/
    space: dict[str, dict[str, Any]] = field(default_factory=dict)  # laid over the architecture's, see docs/tuning.md


@dataclass(frozen=True)
class PseudoLabels:
    """What makes a member a student: test images with its teacher's probabilities as labels, see docs/ensembling.md."""

    teacher: str  # an entry of members, of the same task
    share: float = 0.3  # of the images of an epoch, which test images take the place of
    least_confidence: float = 0.8  # of the teacher; one that was trained with label smoothing is never quite sure


@dataclass(frozen=True)
class Member:
    """One model competing for a place in its task's ensemble."""

    task: str
    architecture: str
    preset: str | None = None  # of presets.yaml; what the entry says itself goes before
    options: dict[str, Any] = field(default_factory=dict)  # of the architecture
    input: Literal["images", "items"] = "images"
    head: Literal["whole", "grid"] = "whole"  # grid: each cell of the last feature grid shows an item, or nothing
    normalise: Literal["standardise", "unit", "pixel_mean"] = "standardise"
    resize_pixels: tuple[int, int] | None = None  # (height, width) that the network sees, bilinear
    augment: Augment = field(default_factory=Augment)
    generated_share: float = 0.0  # of the images of an epoch, which generated ones of the fold take the place of
    pseudo_labels: PseudoLabels | None = None  # of an entry of students
    training: Training = Training()
    tune: Tune = field(default_factory=Tune)


@dataclass(frozen=True)
class Params:
    """All of `params.yaml`."""

    tasks: dict[str, Task]
    members: dict[str, Member]  # once loaded, students among them
    replicas: dict[str, Replica] = field(default_factory=dict)
    students: dict[str, Member] = field(default_factory=dict)  # apart, so that dvc.yaml knows whose teacher comes first


def load_params(path: Path) -> Params:
    """Read and check the whole configuration.

    Raises:
        BadInput: an unknown or missing key, a value of the wrong kind, or a name that leads nowhere.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from error
    try:
        params = parse(Params, with_presets(tree), "")
        check(params)
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from error
    return replace(params, members=params.members | params.students)
