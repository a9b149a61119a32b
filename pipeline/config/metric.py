"""The blocks of `params.yaml` about a competition's metric and its submission."""

from typing import Literal

from pydantic import Field

from pipeline.config.fields import Block, SomeClasses

ROW_ORDER = ("roc_auc", "weighted_roc_auc", "mean_average_precision")  # judge the order of rows alone


class Metric(Block):
    """The competition's metric, which drives every choice, see docs/metrics.md."""

    name: Literal[
        "accuracy",
        "balanced_accuracy",
        "log_loss",
        "roc_auc",
        "weighted_roc_auc",
        "macro_f1",
        "micro_f1",
        "sample_f1",
        "quadratic_kappa",
        "map_at_k",
        "top_k_accuracy",
        "probabilistic_f1",
        "mean_average_precision",
    ] = "accuracy"
    k: int = Field(5, ge=1, le=1000, description="of map_at_k and top_k_accuracy: labels for each image")


class Submission(Block):
    """The form of a submission. A setting that is null is read from the sample submission."""

    form: Literal["label", "label_set", "probability", "columns", "top_k"] | None = Field(
        None,
        description="a class, a set, the probability of the positive class, one for each class, or k classes",
    )
    positive: SomeClasses | None = Field(
        None, description="the class, or classes, whose probability is submitted; null: 1, true, yes or positive"
    )
    k: int | None = Field(None, ge=1, le=1000, description="of form top_k: labels in a cell; null: as in metric")
