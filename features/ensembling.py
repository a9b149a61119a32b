"""Weights of an ensemble, and a score of it that its own fitting did not touch."""

import numpy as np

LEAST_PROBABILITY = 1e-7


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative log-probability of the true class; probabilities (n, classes), labels (n,)."""
    true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, LEAST_PROBABILITY)).mean())


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of rows whose largest probability is that of the true class."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def fit_weights(probabilities: np.ndarray, labels: np.ndarray, method: str, rounds: int) -> np.ndarray:
    """Return the weight (members,) of each member, summing to one.

    Args:
        probabilities: (members, n, classes).
        labels: class indices (n,).
        method: `mean`, or `greedy`: selection with replacement on log-loss (Caruana et al., "Ensemble selection from
            libraries of models", 2004).
        rounds: how many selections greedy makes; the best prefix of them counts.
    """
    members = len(probabilities)
    if method == "mean":
        return np.full(members, 1 / members)
    true = probabilities[:, np.arange(len(labels)), labels].astype(np.float64)  # (members, n)
    total, chosen = np.zeros(len(labels)), np.zeros(members)
    best_loss, best = np.inf, chosen
    for size in range(1, rounds + 1):
        losses = -np.log(np.maximum((total + true) / size, LEAST_PROBABILITY)).mean(axis=1)
        winner = int(losses.argmin())
        total, chosen = total + true[winner], chosen + np.eye(members)[winner]
        if losses[winner] < best_loss:
            best_loss, best = losses[winner], chosen
    return best / best.sum()


def blend(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean float32 (n, classes) of members' probabilities (members, n, classes)."""
    return np.tensordot(weights, probabilities, axes=1).astype(np.float32)


def honest_blend(
    probabilities: np.ndarray, labels: np.ndarray, parts: np.ndarray, method: str, rounds: int
) -> np.ndarray:
    """Return the ensemble's probabilities (n, classes), each part's with weights fitted on the other parts.

    Args:
        parts: (n,), the fold of each row; with a single part the rows are dealt out to five.
    """
    if len(np.unique(parts)) == 1:
        parts = np.arange(len(labels)) % 5
    out = np.empty(probabilities.shape[1:], np.float32)
    for part in np.unique(parts):
        held_out = parts == part
        weights = fit_weights(probabilities[:, ~held_out], labels[~held_out], method, rounds)
        out[held_out] = blend(probabilities[:, held_out], weights)
    return out
