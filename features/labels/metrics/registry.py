"""All metrics by name, and the metric of a task."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from features.labels.metrics import f_scores, fitting, kappa, losses, rankings, shares
from features.labels.metrics.metric import Kind, Metric

SINGLE: frozenset[Kind] = frozenset({"single"})
SETS: frozenset[Kind] = frozenset({"sets"})
BINARY: frozenset[Kind] = frozenset({"binary"})
DEFAULT_K = 5

METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            lambda predicted, labels: float(shares.label_hits(predicted, labels).mean()),
            "decisions",
            SINGLE | SETS,
            fitting.most_probable,
            hits=shares.label_hits,
            has_log_loss_weights=True,
        ),
        Metric("balanced_accuracy", f_scores.balanced_accuracy, "decisions", SINGLE, fitting.for_balanced_accuracy),
        Metric("macro_f1", f_scores.macro_f1, "decisions", SINGLE | SETS, fitting.for_macro_f1),
        Metric("micro_f1", f_scores.micro_f1, "decisions", SINGLE | SETS, fitting.one_threshold),
        Metric("sample_f1", f_scores.sample_f1, "decisions", SETS, fitting.sample_threshold),
        Metric("quadratic_kappa", kappa.quadratic_kappa, "decisions", SINGLE, fitting.cut_points),
        Metric(
            "log_loss",
            losses.kaggle_log_loss,
            "probabilities",
            SINGLE | SETS | BINARY,
            fitting.as_probabilities,
            higher_is_better=False,
            has_log_loss_weights=True,
        ),
        Metric(
            "roc_auc",
            rankings.roc_auc,
            "probabilities",
            SINGLE | SETS | BINARY,
            fitting.as_probabilities,
            judges_row_order=True,
        ),
        Metric(
            "weighted_roc_auc",
            rankings.weighted_roc_auc,
            "probabilities",
            BINARY,
            fitting.as_probabilities,
            judges_row_order=True,
        ),
        Metric("probabilistic_f1", f_scores.probabilistic_f1, "probabilities", BINARY, fitting.present_or_absent),
        Metric(
            "mean_average_precision",
            rankings.mean_average_precision,
            "probabilities",
            SINGLE | SETS,
            fitting.as_probabilities,
            judges_row_order=True,
        ),
        Metric("map_at_k", rankings.map_at_k, "rankings", SINGLE, partial(fitting.ranked, DEFAULT_K), k=DEFAULT_K),
        Metric(
            "top_k_accuracy",
            lambda ranked, labels: float(shares.ranking_hits(ranked, labels).mean()),
            "rankings",
            SINGLE,
            partial(fitting.ranked, DEFAULT_K),
            hits=shares.ranking_hits,
            k=DEFAULT_K,
        ),
    )
}
ACCURACY = METRICS["accuracy"]


def metric_of(name: str, classes: int, label_sets: bool, positive: Sequence[int] = (), k: int | None = None) -> Metric:
    """Return the metric of a task.

    Args:
        name: one of METRICS.
        classes: their number.
        label_sets: whether an image can have several labels.
        positive: the indices of the classes that are judged against all others, if any.
        k: the length of a ranking, by default DEFAULT_K.

    Raises:
        ValueError: the metric does not fit the labels.
    """
    metric = METRICS[name]
    kind: Kind = "sets" if label_sets else "single"
    if metric.kinds == BINARY and (label_sets or not positive):
        raise ValueError(f"metric {name} judges one class against the others, which submission.positive names")
    if metric.kinds != BINARY and kind not in metric.kinds:
        labels = "one label for each image" if kind == "sets" else "label sets"
        raise ValueError(f"metric {name} is for {labels}; for this task's labels use {', '.join(_names(kind))}")
    if metric.k is not None:
        k = min(k or DEFAULT_K, classes)
        return replace(metric, fit_decision=partial(fitting.ranked, k), k=k)
    if name == "micro_f1" and not label_sets:  # it equals accuracy
        return replace(metric, hits=shares.label_hits, has_log_loss_weights=True)
    return replace(metric, positive=tuple(positive) if "binary" in metric.kinds and not label_sets else ())


def _names(kind: Kind) -> list[str]:
    return [name for name, metric in METRICS.items() if kind in metric.kinds]
