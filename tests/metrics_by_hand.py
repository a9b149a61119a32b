"""Every metric written by hand, slowly, and random cases with absent classes, ties and constants."""

from itertools import pairwise

import numpy as np

from features.labels.metrics.decisions import Decision


def single_case(rng, classes=None):
    """Return probabilities and labels with few rows and coarse values, so that ties and absent classes happen."""
    rows, classes = rng.integers(1, 12), classes or rng.integers(2, 6)
    shares = rng.integers(0, 4, (rows, classes)).astype(float) + (rng.random() < 0.3)
    shares[shares.sum(axis=1) == 0] = 1
    return shares / shares.sum(axis=1, keepdims=True), rng.integers(0, rng.integers(1, classes + 1), rows)


def set_case(rng):
    shape = rng.integers(1, 12), rng.integers(2, 6)
    labels = rng.random(shape) < rng.choice([0, 0.2, 0.5, 1], shape[1])
    return rng.integers(0, 5, shape) / 4, labels.astype(np.uint8)


def f1(predicted, true):
    right, total = sum(p and t for p, t in zip(predicted, true, strict=True)), sum(predicted) + sum(true)
    return 2 * right / total if total else 0.0


def macro_f1(predicted, labels):
    classes = sorted({*predicted.tolist(), *labels.tolist()})
    return np.mean([f1((predicted == c).tolist(), (labels == c).tolist()) for c in classes])


def balanced_accuracy(predicted, labels):
    return np.mean([(predicted[labels == c] == c).mean() for c in np.unique(labels)])


def kappa(predicted, labels):
    classes = sorted({*predicted.tolist(), *labels.tolist()})  # scikit-learn numbers the classes that occur
    predicted, labels = np.searchsorted(classes, predicted), np.searchsorted(classes, labels)
    observed = np.mean((predicted - labels) ** 2)
    by_chance = np.mean([(a - b) ** 2 for a in predicted for b in labels])
    return 1 - observed / by_chance if by_chance else 0.0


def log_loss(probabilities, labels):
    total = 0.0
    for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True):
        total -= np.log(min(max(row[label] / sum(row), 1e-15), 1 - 1e-15))
    return total / len(labels)


def area(scores, true):
    """Return how often a true row has a higher score than another one, ties counting half (Mann and Whitney)."""
    return np.mean([(a > b) + (a == b) / 2 for a in scores[true] for b in scores[~true]])


def roc_auc(probabilities, labels):
    true = labels.astype(bool) if labels.ndim == 2 else labels[:, None] == np.arange(probabilities.shape[1])
    areas = [area(p, t) for p, t in zip(probabilities.T, true.T, strict=True) if t.any() and not t.all()]
    return np.mean(areas) if areas else 0.5


def weighted_roc_auc(probabilities, labels):
    """Return the area by summing thin horizontal slices of the ROC curve, exactly: its corners are slice borders."""
    scores, true = probabilities[:, 1], labels == 1
    if true.all() or not true.any():
        return 0.5
    cuts = [np.inf, *np.unique(scores)[::-1]]
    fpr, tpr = ([(scores[rows] >= cut).mean() for cut in cuts] for rows in (~true, true))
    borders = sorted({*tpr, 0.4})
    total = 0.0
    for low, high in pairwise(borders):
        middle = (low + high) / 2
        at = next(i for i in range(1, len(tpr)) if tpr[i - 1] <= middle <= tpr[i] and tpr[i] > tpr[i - 1])
        x = fpr[at - 1] + (fpr[at] - fpr[at - 1]) * (middle - tpr[at - 1]) / (tpr[at] - tpr[at - 1])
        total += (2 if middle < 0.4 else 1) * (high - low) * (1 - x)
    return total / 1.4


def probabilistic_f1(probabilities, labels):
    true = sum(p for p, label in zip(probabilities[:, 1], labels, strict=True) if label)
    false = sum(p for p, label in zip(probabilities[:, 1], labels, strict=True) if not label)
    if not true:
        return 0.0
    precision, recall = true / (true + false), true / labels.sum()
    return 2 * precision * recall / (precision + recall)


def average_precision(scores, true):
    """Return the sum over thresholds of precision times the step in recall."""
    total, before = 0.0, 0.0
    for cut in np.unique(scores)[::-1]:
        is_positive = scores >= cut
        recall = true[is_positive].sum() / true.sum()
        total += true[is_positive].mean() * (recall - before)
        before = recall
    return total


def mean_average_precision(probabilities, labels):
    true = labels.astype(bool) if labels.ndim == 2 else labels[:, None] == np.arange(probabilities.shape[1])
    values = [average_precision(p, t) for p, t in zip(probabilities.T, true.T, strict=True) if t.any()]
    return np.mean(values) if values else 0.0


def named(ranking, label):
    return [name == label for name in ranking]


def map_at_k(rankings, labels):
    return np.mean(
        [sum(hit / (i + 1) for i, hit in enumerate(named(*row))) for row in zip(rankings, labels, strict=True)]
    )


BY_HAND = {
    ("accuracy", "single"): lambda predicted, labels: np.mean(predicted == labels),
    ("balanced_accuracy", "single"): balanced_accuracy,
    ("macro_f1", "single"): macro_f1,
    ("micro_f1", "single"): lambda predicted, labels: np.mean(predicted == labels),
    ("quadratic_kappa", "single"): kappa,
    ("log_loss", "single"): log_loss,
    ("roc_auc", "single"): roc_auc,
    ("mean_average_precision", "single"): mean_average_precision,
    ("map_at_k", "single"): map_at_k,
    ("top_k_accuracy", "single"): lambda rankings, labels: np.mean(
        [any(named(*row)) for row in zip(rankings, labels, strict=True)]
    ),
    ("log_loss", "binary"): log_loss,
    ("roc_auc", "binary"): lambda probabilities, labels: roc_auc(probabilities[:, 1:], labels[:, None]),
    ("weighted_roc_auc", "binary"): weighted_roc_auc,
    ("probabilistic_f1", "binary"): probabilistic_f1,
    ("accuracy", "sets"): lambda sets, labels: np.mean(
        [p.any() and not (p > t).any() for p, t in zip(sets, labels, strict=True)]
    ),
    ("macro_f1", "sets"): lambda sets, labels: np.mean(
        [f1(*pair) for pair in zip(sets.T.tolist(), labels.T.tolist(), strict=True)]
    ),
    ("micro_f1", "sets"): lambda sets, labels: f1(sets.ravel().tolist(), labels.ravel().tolist()),
    ("sample_f1", "sets"): lambda sets, labels: np.mean(
        [f1(*pair) for pair in zip(sets.tolist(), labels.tolist(), strict=True)]
    ),
    ("log_loss", "sets"): lambda p, labels: np.mean(
        [log_loss(np.stack([1 - a, a], 1), b) for a, b in zip(p, labels, strict=True)]
    ),
    ("roc_auc", "sets"): roc_auc,
    ("mean_average_precision", "sets"): mean_average_precision,
}


def predictions(metric, kind, rng):
    """Return random predictions in the form that a metric judges, and labels."""
    probabilities, labels = set_case(rng) if kind == "sets" else single_case(rng, 2 if kind == "binary" else None)
    if metric.judges == "probabilities":
        return probabilities, labels
    if metric.judges == "rankings":
        return Decision("ranked", (rng.integers(1, 6),))(probabilities), labels
    return (probabilities >= 0.5 if kind == "sets" else probabilities.argmax(axis=1)), labels
