"""Members made one: each calibrated by its temperature, then averaged by weight or combined by a stacked regression."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from features.labels.metrics import LEAST_PROBABILITY

MOST_TEMPERATURE = 20.0
METHODS = ("mean", "greedy", "convex", "stacking")
LEAST_BAG = 4  # members, below which a bag would be too poor


@dataclass(frozen=True)
class Greedy:
    """Settings of greedy selection."""

    rounds: int = 50
    bags: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Blend:
    """The calibrated members' average by weight."""

    temperatures: np.ndarray  # (members,)
    weights: np.ndarray  # (members,), summing to one

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the blended probabilities float32 (n, classes) of (members, n, classes)."""
        return self.combine(calibrated(probabilities, self.temperatures))

    def combine(self, members: np.ndarray) -> np.ndarray:
        """Return the same of members that are calibrated already."""
        return np.tensordot(self.weights.astype(members.dtype), members, axes=1).astype(np.float32)


@dataclass(frozen=True)
class Stack:
    """A multinomial logistic regression on the calibrated members' logits."""

    temperatures: np.ndarray  # (members,)
    regression: LogisticRegression

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the stacked probabilities float32 (n, classes) of (members, n, classes)."""
        return self.combine(calibrated(probabilities, self.temperatures))

    def combine(self, members: np.ndarray) -> np.ndarray:
        """Return the same of members that are calibrated already; a class that the fit had no row of gets none."""
        out = np.zeros(members.shape[1:], np.float32)
        out[:, self.regression.classes_] = self.regression.predict_proba(_features(members))
        return out

    @property
    def weights(self) -> np.ndarray:
        """Each member's share (members,) of the coefficients' absolute sum."""
        sizes = np.abs(self.regression.coef_).sum(axis=0).reshape(len(self.temperatures), -1).sum(axis=1)
        return sizes / sizes.sum() if sizes.any() else np.full(len(sizes), 1 / len(sizes))


def calibrate(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities (n, classes) as if the logits had been divided by `temperature`."""
    return softmax(_logs(probabilities) / temperature, axis=1)


def calibrated(probabilities: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """Return the members' probabilities (members, n, classes), each calibrated by its temperature."""
    return np.stack([calibrate(each, t) for each, t in zip(probabilities, temperatures.tolist(), strict=True)])


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the least log-loss (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    Below one it sharpens what label smoothing and averaged views made too modest, so that members can be compared.
    """
    logs, bound = _logs(probabilities), np.log(MOST_TEMPERATURE)
    logs -= logs.max(axis=1, keepdims=True)  # so that no row of exponentials sums to zero
    true = logs[np.arange(len(labels)), labels]
    found = minimize_scalar(
        lambda log_t: np.mean(np.log(np.exp(logs / np.exp(log_t)).sum(axis=1)) - true / np.exp(log_t)),
        bounds=(-bound, bound),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return float(np.exp(found.x))


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))


def fit_blends(
    probabilities: np.ndarray, labels: np.ndarray, methods: Sequence[str], greedy: Greedy
) -> dict[str, Blend | Stack]:
    """Return the ensemble of each method, all of the same members calibrated first.

    Args:
        probabilities: (members, n, classes).
        labels: class indices (n,).
        methods: of METHODS: `mean`; `greedy`, selection with replacement on log-loss (Caruana et al., "Ensemble
            selection from libraries of models", 2004); `convex`, the weights with the least log-loss; `stacking`
            (Wolpert, "Stacked generalization", 1992).
        greedy: settings of that method.
    """
    temperatures = np.array([fit_temperature(each, labels) for each in probabilities])
    members = calibrated(probabilities, temperatures)
    true = members[:, np.arange(len(labels)), labels]  # (members, n)
    made: dict[str, Blend | Stack] = {}
    for method in methods:
        if method == "mean":
            made[method] = Blend(temperatures, np.full(len(members), 1 / len(members)))
        elif method == "greedy":
            made[method] = Blend(temperatures, _bagged(true, greedy))
        elif method == "convex":
            made[method] = Blend(temperatures, _convex(true))
        else:
            made[method] = Stack(temperatures, _regression(members, labels))
    return made


def _bagged(true: np.ndarray, greedy: Greedy) -> np.ndarray:
    """Return the mean of the weights (members,) that selection finds among random halves of the members."""
    count, rng = len(true), np.random.default_rng(greedy.seed)
    drawn = max(-(-count // 2), min(count, LEAST_BAG))
    if drawn == count:
        return _selected(true, greedy.rounds)
    weights = np.zeros(count)
    for _ in range(greedy.bags):
        bag = rng.choice(count, drawn, replace=False)
        weights[bag] += _selected(true[bag], greedy.rounds)
    return weights / weights.sum()


def _selected(true: np.ndarray, rounds: int) -> np.ndarray:
    """Return the weights (members,) from every member's probabilities (members, n) of the true class.

    Selection starts from the best of the ensembles of the one, two, three... best members; of what follows, the best
    ensemble counts.
    """
    order = _losses(true).argsort()
    prefixes = np.cumsum(true[order], axis=0)
    size = 1 + int(_losses(prefixes / np.arange(1, len(true) + 1, dtype=true.dtype)[:, None]).argmin())
    total, chosen = prefixes[size - 1], np.bincount(order[:size], minlength=len(true))
    best_loss, best = _losses(total[None] / size)[0], chosen
    for _ in range(rounds):
        size += 1
        losses = _losses((total + true) / size)
        winner = int(losses.argmin())
        total, chosen = total + true[winner], chosen + np.eye(len(true), dtype=int)[winner]
        if losses[winner] < best_loss:
            best_loss, best = losses[winner], chosen
    return best / best.sum()


def _losses(true: np.ndarray) -> np.ndarray:
    return -np.log(np.maximum(true, LEAST_PROBABILITY)).mean(axis=1, dtype=np.float64)


def _convex(true: np.ndarray) -> np.ndarray:
    """Return the weights (members,), none negative and summing to one, with the least log-loss; it has one minimum."""
    members = np.maximum(true, LEAST_PROBABILITY).astype(np.float64)
    count, rows = members.shape

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = weights @ members
        return -np.log(mixed).mean(), -(members @ (1 / mixed)) / rows

    found = minimize(
        loss,
        np.full(count, 1 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones_like(w)},
        options={"ftol": 1e-7},
    )
    weights = np.clip(found.x, 0, None)
    return weights / weights.sum()


def _regression(members: np.ndarray, labels: np.ndarray) -> LogisticRegression:
    return LogisticRegression(tol=1e-3, max_iter=200).fit(_features(members), labels)


def _features(members: np.ndarray) -> np.ndarray:
    """Return the logits float32 (n, members * classes) of (members, n, classes), centred in each row of a member.

    They are divided by the number of members: coefficients of one make their mean, and the penalty on coefficients
    means the same for few members as for many.
    """
    logits = np.log(np.maximum(members, LEAST_PROBABILITY)).astype(np.float32)
    logits = (logits - logits.mean(axis=2, keepdims=True)) / len(members)
    return logits.transpose(1, 0, 2).reshape(logits.shape[1], -1)
