"""Build a submission from probabilities, in the form and with the rows of the sample submission."""

import numpy as np
import pandas as pd

from features.labels.metrics.decisions import Decision
from features.labels.metrics.losses import LEAST_PROBABILITY
from features.labels.metrics.metric import Metric
from submissions.rules.cells import number_texts
from submissions.rules.forms import COLUMNS, LABEL, LABEL_SET, PROBABILITY, Form, metric_of_form

MOST_PROBABLE = Decision("most_probable")


def build(
    sample: pd.DataFrame, form: Form, probabilities: np.ndarray, metric: Metric, decision: Decision
) -> pd.DataFrame:
    """Return the sample with each row's cells replaced by the decisions or by probabilities.

    Probabilities are written if the metric judges them, or if the decision is the most probable class. Other decisions
    are written as 0 and 1 where the form has numbers.

    Args:
        sample: texts; names and order of the columns, ids and order of the rows are kept.
        form: of the sample.
        probabilities: float (rows, classes), in the order of the sample.
        metric: of the task.
        decision: fitted to out-of-fold rows.

    Raises:
        ValueError: the sample has no rows, or the probabilities are not finite or of another shape.
    """
    metric = metric_of_form(metric, form)
    if sample.empty:
        raise ValueError("no rows below the header, expected one for each test image")
    if probabilities.shape != (len(sample), len(form.classes)):
        raise ValueError(f"probabilities of shape {probabilities.shape}, expected {(len(sample), len(form.classes))}")
    not_finite = ~np.isfinite(probabilities).all(axis=1)
    if not_finite.any():
        id_ = sample[form.id_column].iloc[not_finite.argmax()]
        raise ValueError(f"a probability of id {id_} is not a finite number")
    if form.kind == PROBABILITY:
        shares = _positive_share(form, probabilities, metric, decision)
        return sample.assign(**{form.columns[0]: number_texts(shares)})
    if form.kind == COLUMNS:
        shares = _class_shares(form, probabilities, metric, decision)
        pairs = zip(form.columns, form.order, strict=True)
        return sample.assign(**{name: number_texts(shares[:, index]) for name, index in pairs})
    return sample.assign(**{form.columns[0]: _label_texts(form, metric.decide(decision, probabilities))})


def _label_texts(form: Form, decisions: np.ndarray) -> list[str]:
    names = np.array([str(value) for value in form.classes], object)
    if form.kind == LABEL:
        return names[decisions].tolist()
    if form.kind == LABEL_SET:
        return [form.separator.join(names[row]) for row in decisions.astype(bool)]
    return [form.separator.join(names[row]) for row in decisions]


def _positive_share(form: Form, probabilities: np.ndarray, metric: Metric, decision: Decision) -> np.ndarray:
    if metric.judges == "probabilities":
        present = metric.decide(decision, probabilities)[:, 1].astype(np.float64)
    elif decision == MOST_PROBABLE:
        present = probabilities[:, list(form.positive)].sum(axis=1, dtype=np.float64)
    else:
        return np.isin(metric.decide(decision, probabilities), form.positive).astype(float)
    return _clipped(present, metric)


def _class_shares(form: Form, probabilities: np.ndarray, metric: Metric, decision: Decision) -> np.ndarray:
    if metric.judges == "decisions" and decision != MOST_PROBABLE:
        decisions = metric.decide(decision, probabilities)
        return (decisions if form.label_sets else np.eye(len(form.classes))[decisions]).astype(float)
    shares = _clipped(probabilities.astype(np.float64), metric)
    return shares if form.label_sets else shares / shares.sum(axis=1, keepdims=True)


def _clipped(shares: np.ndarray, metric: Metric) -> np.ndarray:
    """Return shares within 0..1. For log-loss none is certain, because one wrong row would then cost 34."""
    least = LEAST_PROBABILITY if metric.name == "log_loss" else 0.0
    return np.clip(shares, least, 1 - least)
