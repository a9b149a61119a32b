"""A soup: one network whose weights are the mean over several epochs.

Source: Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
increasing inference time", 2022. Weights of different folds are not averaged: each row has trained some of them, so no
row could score their mean.
"""

from collections.abc import Callable, Sequence

import numpy as np

Weights = list[np.ndarray]


def mean_weights(ingredients: Sequence[Weights]) -> Weights:
    """Return the mean of each weight. Whole numbers, such as the state of a random generator, are the first ones."""
    return [
        np.mean(values, axis=0, dtype=np.float64).astype(values[0].dtype) if values[0].dtype.kind == "f" else values[0]
        for values in zip(*ingredients, strict=True)
    ]


def greedy_soup(ingredients: Sequence[Weights], score: Callable[[Weights], float]) -> list[int]:
    """Return the indices of the ingredients whose mean has the best score.

    The first ingredient is the best one. Each other one, in turn, is added if the score does not fall.
    """
    soup, best = [0], score(ingredients[0])
    for index in range(1, len(ingredients)):
        value = score(mean_weights([ingredients[place] for place in (*soup, index)]))
        if value >= best:
            soup, best = [*soup, index], value
    return soup
