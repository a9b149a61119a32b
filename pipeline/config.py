"""`params.yaml`, the only configuration, as frozen dataclasses: a task's blocks are named after the stages."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from features.augment import Augment
from models import ARCHITECTURES
from pipeline.contracts import BadInput
from pipeline.parsing import parse
from pipeline.presets import with_presets

Label = int | str


@dataclass(frozen=True)
class Replica:
    """A competition's raw files made from a labelled image set (stage `replica`)."""

    form: Literal["fashion", "price_sum", "item_kinds"]
    source: Literal["digits", "fashion-mnist"] = "digits"
    train_rows: int | None = None  # None: all that the source has; composed, 60 000 and 10 000
    test_rows: int | None = None
    pool: Literal["shared", "disjoint"] = "shared"  # of items, where images are composed of them
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
    size_pixels: tuple[int, int]  # (height, width) of one item
    prices: tuple[int, ...]  # one a kind of item


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
    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    early_stopping_patience_epochs: int = 0  # 0: none
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
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
        _check(params)
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from error
    return replace(params, members=params.members | params.students)


def _check(params: Params) -> None:
    for name, member in params.members.items():
        _check_member(f"members.{name}", member, params.tasks)
        if member.pseudo_labels:
            raise ValueError(f"members.{name}.pseudo_labels: expected in an entry of students, not of members")
    for name, student in params.students.items():
        _check_member(f"students.{name}", student, params.tasks)
        _check_student(f"students.{name}", student, params.members)
        if name in params.members:
            raise ValueError(f"students.{name}: another name is expected, as members has an entry of this one")
    if "generate" in params.members | params.students:
        raise ValueError("members.generate: another name is expected, as .resume/TASK/generate is the stage's own")
    for name, task in params.tasks.items():
        if name == "ledger":
            raise ValueError("tasks.ledger: another name is expected, as submissions/ledger.csv records the uploads")
        if task.split.count < 1 or not 0 < task.split.holdout_share < 1:
            raise ValueError(f"tasks.{name}.split: expected count >= 1 and 0 < holdout_share < 1")
        made = task.generate
        if made and min(made.epochs, made.batch_size, made.latent_units, made.filters, made.images_per_class) < 1:
            raise ValueError(f"tasks.{name}.generate: only learning_rate and seed may be below 1")


def _check_member(where: str, member: Member, tasks: dict[str, Task]) -> None:
    if member.task not in tasks:
        raise ValueError(f"{where}.task: {member.task!r} is not a task; known are {', '.join(tasks)}")
    if member.architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ValueError(f"{where}.architecture: {member.architecture!r} is unknown; known are {known}")
    if member.input == "items" and tasks[member.task].prepare.items is None:
        raise ValueError(f"{where}.input: 'items' needs tasks.{member.task}.prepare.items, which is missing")
    _check_generated_share(where, member, tasks[member.task])
    if member.architecture == "pretrained" and member.normalise != "unit":
        raise ValueError(f"{where}.normalise: {member.normalise!r}, expected 'unit' for a pretrained network")
    if member.training.frozen_epochs and member.architecture != "pretrained":
        raise ValueError(f"{where}.training.frozen_epochs: needs architecture 'pretrained'")
    if min(member.training.epochs, member.training.batch_size) < 1:
        raise ValueError(f"{where}.training: expected epochs and batch_size of at least 1")
    if member.tune.jobs < 1:
        raise ValueError(f"{where}.tune: expected jobs of at least 1")


def _check_generated_share(where: str, member: Member, task: Task) -> None:
    share = member.generated_share
    if share >= 1:
        raise ValueError(f"{where}.generated_share: {share:g}, expected 0 or more and less than 1")
    if share and task.generate is None:
        raise ValueError(f"{where}.generated_share: needs tasks.{member.task}.generate, which is missing")
    if share and member.input != "images":
        raise ValueError(f"{where}.generated_share: needs input 'images', not {member.input!r}")


def _check_student(where: str, student: Member, members: dict[str, Member]) -> None:
    taught = student.pseudo_labels
    if taught is None:
        raise ValueError(f"{where}.pseudo_labels: missing key, expected in every such entry")
    able = [n for n, each in members.items() if each.task == student.task and not each.training.train_on_all]
    if taught.teacher not in able:
        raise ValueError(
            f"{where}.pseudo_labels.teacher: {taught.teacher!r} is none of the entries of members for task "
            f"{student.task} without train_on_all; these are {', '.join(able) or 'none'}"
        )
    if not 0 < taught.share < 1 - student.generated_share:
        raise ValueError(f"{where}.pseudo_labels.share: {taught.share:g}, expected above 0, and real images left over")
    if taught.least_confidence > 1:
        raise ValueError(f"{where}.pseudo_labels.least_confidence: {taught.least_confidence:g}, expected at most 1")
    if student.tune.trials or student.tune.seconds:
        raise ValueError(f"{where}.tune: a student is not tuned; expected the options in its entry")
