"""`params.yaml`, the only configuration, as frozen models. A task's blocks have the names of the stages."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from features.augmentation.options import Augment
from models import ARCHITECTURES
from pipeline.config.ablations import Ablation
from pipeline.config.checks import check
from pipeline.config.errors import BadInput
from pipeline.config.fields import (
    BatchSize,
    Block,
    Epochs,
    GroupColumns,
    Label,
    Name,
    Prices,
    Rate,
    Seed,
    Share,
    ShareBelowOne,
    Size,
    TableColumns,
    Text,
    by_first_key,
)
from pipeline.config.folds import Folds
from pipeline.config.metric import Metric, Submission
from pipeline.config.parsing import parse
from pipeline.config.presets import with_presets
from pipeline.config.raw_files import Ingest, Split
from pipeline.config.replicas import Replica
from pipeline.config.training import Training
from pipeline.config.tree import Fault, Tree, read_tree

__all__ = ["Label", "Split", "Training", "load_params"]
MOST_BYTES = 1 << 20


class Items(Block):
    """Every image shows `count` items, and its label is the sum of their prices."""

    count: int = Field(ge=1, le=255)
    prices: Prices = Field(description="one for each kind of item")
    size_pixels: Size | None = Field(
        None, description="[height, width] of one item; null: items that cannot be located"
    )


class Prepare(Block):
    """The preparation of every image, done once for all members."""

    resize_pixels: Size | None = Field(None, description="[height, width], bilinear")
    pad_pixels: Size | None = Field(None, description="[height, width], black around the centred image")
    items: Items | None = None
    columns: TableColumns | None = Field(
        None,
        description="of the label files, such as age: numbers or categories that join each network before its last "
        "layer; * stands for any characters",
    )


class AnswerGroup(Block):
    """Several images with one answer, such as the slices of a patient."""

    column: GroupColumns = Field(
        description="of the label files or of path_pattern; or a list of columns, whose values are joined by _"
    )
    by: Literal["mean", "max"] = Field(
        "mean", description="of the images' probabilities; max: of the last class, if there are two"
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that name an answer together."""
        return (self.column,) if isinstance(self.column, str) else self.column


class Predict(Block):
    """Test-time augmentation: the views whose probabilities are averaged."""

    flip: bool = Field(False, description="add each view mirrored left to right")
    shift_pixels: int = Field(
        0, ge=0, le=4096, description="add each view moved up-left and down-right by this many pixels"
    )
    group: AnswerGroup | None = Field(None, description="the images that have one answer together")


class Ensemble(Block):
    """The combination of members, see docs/ensembling.md."""

    method: Literal["best_member", "mean", "greedy", "convex", "stacking", "rank", "auto"] = "greedy"
    rounds: int = Field(50, ge=1, le=10_000, description="of greedy selection")
    bags: int = Field(10, ge=1, le=1000, description="of greedy selection, each of a random half of the members")
    seed: Seed = 0


class Generate(Block):
    """A conditional GAN for each fold. Members may train on its images in addition to the real ones."""

    epochs: Epochs = Field(30, description="enough for some thousand batches: fewer rows need more epochs")
    batch_size: BatchSize = 64
    learning_rate: Rate = 5e-4
    latent_units: int = Field(64, ge=1, le=65_536, description="size of the noise vector of an image")
    filters: int = Field(
        32, ge=1, le=4096, description="in the generator's last layers; earlier layers have up to 4 times as many"
    )
    images_per_class: int = Field(500, ge=1, le=1_000_000)
    seed: Seed = 0


class Task(Block):
    """A competition."""

    ingest: Ingest
    metric: Annotated[Metric, by_first_key("name")] = Metric()
    submission: Annotated[Submission, by_first_key("form")] = Submission()
    prepare: Prepare = Prepare()
    split: Folds = Folds()
    predict: Predict = Predict()
    ensemble: Ensemble = Ensemble()
    generate: Generate | None = None
    competition: Name | None = Field(
        None, description="Kaggle's name of the competition, for the commands of submissions/"
    )


class Tune(Block):
    """The search for a member's options. Without trials and seconds, the member uses the options of its entry."""

    trials: int = Field(0, ge=0, le=1_000_000, description="limit for all runs and processes together; 0: no limit")
    seconds: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="limit for all trials together, where parallel trials count once; 0: no limit",
    )
    jobs: int = Field(1, ge=1, le=1024, description="old name of the environment variable JOBS")
    pruner: Literal["median", "hyperband", "none"] = "median"
    storage: Text | None = Field(
        None, description="a journal's path or an Optuna URL; $NAME is an environment variable"
    )
    space: dict[str, dict[str, Any]] = Field({}, description="overrides the architecture's space, see docs/tuning.md")


class PseudoLabels(Block):
    """A student's extra data: test images with its teacher's probabilities as labels, see docs/ensembling.md."""

    teacher: Name = Field(description="an entry of members with the same task")
    share: float = Field(0.3, gt=0, lt=1, description="share of test images in an epoch")
    least_confidence: Share = Field(
        0.8, description="of the teacher, for an image to be used; label smoothing lowers confidence"
    )


class Member(Block):
    """A model that competes for a place in its task's ensemble."""

    task: Name
    architecture: Literal[*ARCHITECTURES]  # type: ignore[valid-type]  # the names of the files in models/
    preset: str | None = Field(None, description="of presets.yaml; the entry's own settings override it")
    options: dict[str, Any] = Field({}, description="of the architecture")
    input: Literal["images", "items"] = "images"
    head: Literal["whole", "grid"] = Field(
        "whole", description="grid: each cell of the last feature grid predicts an item or nothing"
    )
    normalise: Literal["standardise", "unit", "pixel_mean"] = "standardise"
    resize_pixels: Size | None = Field(None, description="[height, width] of the network's input, bilinear")
    columns: bool = Field(True, description="join the task's prepare.columns; false: images alone")
    augment: Augment = Augment()
    devices: Literal["one", "all"] = Field(
        "one", description="all: split each batch among all devices, see docs/devices.md"
    )
    generated_share: ShareBelowOne = Field(0.0, description="share of generated images in an epoch")
    generated_adds: bool = Field(
        False, description="generated images enlarge an epoch with all real images; false: they replace some"
    )
    pseudo_labels: PseudoLabels | None = Field(None, description="only for students")
    training: Training = Training()
    tune: Tune = Tune()
    # Excluded from dumps: no file that a stage depends on and no key of finished training contains it.
    callbacks: list[Literal["tensorboard", "mlflow", "wandb"]] = Field(
        [], exclude=True, description="trackers that get the figures of every epoch; a change trains nothing again"
    )

    @model_validator(mode="before")
    @classmethod
    def _normalise_as_the_backbone(cls, value: Any) -> Any:
        """With a pretrained network, whose preprocessing starts from 0..1, that is the default."""
        is_pretrained = isinstance(value, dict) and value.get("architecture") in ("features", "pretrained")
        return {"normalise": "unit", **value} if is_pretrained else value


class Params(Block):
    """The whole of `params.yaml`."""

    tasks: dict[Name, Task]
    members: dict[Name, Member]  # after loading, with the students
    replicas: dict[Name, Replica] = Field({})
    students: dict[Name, Member] = Field({})  # apart, so that DVC runs their teachers first
    ablations: dict[Name, Ablation] = Field({})  # for `python -m pipeline.ablate`; no stage reads them


def load_params(path: Path) -> Params:
    """Read and check the whole configuration.

    Raises:
        BadInput: an entry is not legal. The message names the line, the key, the value and the legal values.
    """
    if path.exists() and not path.is_file():
        raise BadInput(f"{path}: a folder or a device, expected a file")  # reading a pipe would never end
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise BadInput(f"{path}: expected at most {MOST_BYTES} bytes")
    tree = Tree(None, {})
    try:
        tree = read_tree(data.decode("utf-8-sig"))
        params = parse(Params, with_presets(tree.value))
        check(params)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{path}, line {line}: byte 0x{data[error.start]:02x} is no UTF-8 text") from None
    except Fault as fault:
        raise BadInput(f"{path}, line {fault.line or tree.line_of(fault.path)}: {fault}") from None
    return params.model_copy(update={"members": params.members | params.students})
