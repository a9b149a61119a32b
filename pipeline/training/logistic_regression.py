"""Logistic regression on feature vectors, for labels that may be soft or sets.

It minimises scikit-learn's objective, whose LogisticRegression takes one hard label for each row.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

STRENGTHS = [10 ** (exponent / 2) for exponent in range(-10, 3)]  # values of c to choose from: 1e-5 to 10
HELD_OUT_ROWS = 1000  # enough to choose c
MOST_STEPS = 300
LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Regression:
    """Weights for vectors as they are: logits are `vectors @ kernel + bias`."""

    kernel: np.ndarray  # float32 (units, classes)
    bias: np.ndarray  # float32 (classes,)
    c: float


@dataclass(frozen=True)
class Rows:
    """Rows to fit on."""

    vectors: np.ndarray  # float32 (n, units)
    targets: np.ndarray  # float32 (n, classes): probabilities, or indicators of a label set
    weights: np.ndarray  # float32 (n,)

    def take(self, rows: np.ndarray) -> "Rows":
        """Return some of the rows."""
        return Rows(self.vectors[rows], self.targets[rows], self.weights[rows])


def fit(rows: Rows, parts: np.ndarray, c: float | None, multi_label: bool) -> Regression:
    """Return the regression on standardised vectors.

    Args:
        rows: the training rows.
        parts: int (n,), for the choice of c: rows of a part are held out together. -1: rows that are never held out.
        c: inverse strength of the penalty; None: the best one of STRENGTHS by log-loss on rows that are held out.
        multi_label: whether targets are label sets.
    """
    mean, spread = rows.vectors.mean(axis=0), np.maximum(rows.vectors.std(axis=0), LEAST_SPREAD)
    standardised = (rows.vectors - mean) / spread
    basis = _basis(standardised)
    reduced = Rows(standardised if basis is None else standardised @ basis, rows.targets, rows.weights)
    if c is None:
        c = _best_strength(reduced, parts, multi_label)
    weights = _minimise(reduced, c, multi_label, None)
    kernel = (weights[:-1] if basis is None else basis @ weights[:-1]) / spread[:, None]
    return Regression(kernel.astype(np.float32), (weights[-1] - mean @ kernel).astype(np.float32), c)


def _basis(vectors: np.ndarray) -> np.ndarray | None:
    """Return an orthonormal basis (units, n) of the rows if there are fewer rows than units, else None.

    The best kernel lies in the space of the rows, and has the same length there. So the fit is the same, and faster.
    """
    return np.linalg.qr(vectors.T)[0] if len(vectors) < vectors.shape[1] else None


def _best_strength(rows: Rows, parts: np.ndarray, multi_label: bool) -> float:
    losses, held_out_rows = np.zeros(len(STRENGTHS)), 0
    for part in np.unique(parts[parts >= 0]):
        held_out = parts == part
        losses += held_out.sum() * _losses(rows.take(~held_out), rows.take(held_out), multi_label)
        held_out_rows += held_out.sum()
        if held_out_rows >= HELD_OUT_ROWS:
            break
    return STRENGTHS[int(np.argmin(losses))]


def _losses(training: Rows, held_out: Rows, multi_label: bool) -> np.ndarray:
    """Return the log-loss on held-out rows for each strength; infinite from the second one that makes it worse."""
    losses, weights = np.full(len(STRENGTHS), np.inf), None
    for index, c in enumerate(STRENGTHS):
        weights = _minimise(training, c, multi_label, weights)
        logits = held_out.vectors @ weights[:-1] + weights[-1]
        losses[index] = _errors(logits, held_out.targets, multi_label)[0].mean()
        if index > 1 and losses[index] > losses[index - 1] > losses[index - 2]:
            break
    return losses


def _minimise(rows: Rows, c: float, multi_label: bool, start: np.ndarray | None) -> np.ndarray:
    """Return the weights (units + 1, classes) with the least loss; the last row is the bias."""
    shape, total = (rows.vectors.shape[1] + 1, rows.targets.shape[1]), rows.weights.sum()
    penalty = 1 / (c * total)

    def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape).astype(np.float32)
        logits = rows.vectors @ weights[:-1] + weights[-1]
        losses, errors = _errors(logits, rows.targets, multi_label)
        errors *= rows.weights[:, None] / total
        gradient = np.concatenate([rows.vectors.T @ errors + penalty * weights[:-1], errors.sum(axis=0)[None]])
        loss = rows.weights @ losses / total + penalty / 2 * np.square(weights[:-1], dtype=float).sum()
        return float(loss), gradient.ravel().astype(float)

    start = np.zeros(shape) if start is None else start
    solution = minimize(
        loss_and_gradient, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS, "ftol": 1e-7}
    )
    return solution.x.reshape(shape)


def _errors(logits: np.ndarray, targets: np.ndarray, multi_label: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the losses (n,) and their gradients (n, classes) by the logits."""
    if multi_label:
        return (np.logaddexp(0, logits) - targets * logits).sum(axis=1), expit(logits) - targets
    return -(targets * log_softmax(logits, axis=1)).sum(axis=1), softmax(logits, axis=1) - targets
