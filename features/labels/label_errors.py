"""Suspected label errors, by confident learning on out-of-fold probabilities.

Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", 2021: the confident joint
estimates how many labels are wrong, and the rows with the lowest probability of their label are suspected
(`benchmarks/label_errors.py`). The authors' package cleanlab counts as many; it is not a dependency, because to import
it takes much longer than to compute this.
"""

from dataclasses import dataclass

import numpy as np

from features.labels.targets import as_binary


@dataclass(frozen=True)
class LabelQuality:
    """How well each row's label fits its out-of-fold probabilities."""

    score: np.ndarray  # (n,) 0..1, the probability of the label, of label sets that of the worst label
    column: np.ndarray  # (n,) the class that the row more likely has, or the label to add to a set or to take from it
    is_suspect: np.ndarray  # bool (n,), the rows with the lowest scores, as many as the confident joint counts

    @property
    def order(self) -> np.ndarray:
        """The rows (n,), the most suspicious first."""
        return np.argsort(self.score, kind="stable")


def label_quality(probabilities: np.ndarray, labels: np.ndarray) -> LabelQuality:
    """Return the quality of each row's label.

    A class's threshold is the mean probability of the class over the rows with that label: the self-confidence that is
    normal for it. A row counts as of another class if the class's probability reaches its threshold, and is the highest
    among the classes that do, and higher than that of the label. So a class that the model always doubts does not fill
    the list with its rows.

    Args:
        probabilities: (n, classes), of models that were not trained on the rows.
        labels: class indices (n,), or indicators of label sets (n, classes), each column of which is judged by itself.
    """
    if labels.ndim == 1:
        return _of_classes(probabilities, labels)
    count = labels.shape[1]
    columns = [_of_classes(as_binary(probabilities[:, [i]]), labels[:, i].astype(int)) for i in range(count)]
    scores = np.stack([column.score for column in columns], axis=1)
    suspects = np.stack([column.is_suspect for column in columns], axis=1)
    worst = np.where(suspects, scores - 1, scores).argmin(axis=1)  # a suspect column before any other
    rows = np.arange(len(labels))
    return LabelQuality(scores[rows, worst], worst, suspects[rows, worst])


def _of_classes(probabilities: np.ndarray, labels: np.ndarray) -> LabelQuality:
    rows, count = np.arange(len(labels)), probabilities.shape[1]
    own = probabilities[rows, labels]
    sizes = np.bincount(labels, minlength=count)
    with np.errstate(invalid="ignore"):
        thresholds = np.bincount(labels, weights=own, minlength=count) / sizes  # NaN for a class without rows
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    likely = confident.argmax(axis=1)
    others = probabilities.astype(np.float64)
    others[rows, labels] = -1  # leaves the other classes
    best_other = others.argmax(axis=1)
    is_doubted = own < others[rows, best_other]
    count = int(((confident[rows, likely] >= 0) & (likely != labels) & is_doubted).sum())
    is_suspect = np.zeros(len(labels), bool)
    is_suspect[np.argsort(np.where(is_doubted, own, np.inf), kind="stable")[:count]] = True
    return LabelQuality(own, best_other, is_suspect)
