"""Ranks of rows among their peers, and values in the order of other values."""

import numpy as np
import pandas as pd


def ranks(values: np.ndarray, peers: np.ndarray) -> np.ndarray:
    """Return the rank of each value among those of its peers, from 0 to 1. Equal values get the mean of their ranks.

    Args:
        values: float (members, n).
        peers: (n,) int from 0; rows with the same number are ranked together.
    """
    return ((_places(values.T, peers) + 0.5) / np.bincount(peers)[peers, None]).T.astype(values.dtype)


def in_order_of(values: np.ndarray, order: np.ndarray, peers: np.ndarray) -> np.ndarray:
    """Return `values` (n,), exchanged among peers (n,) so that they rise as `order` (n,) does.

    So the peers keep their distribution of values (quantile normalisation: Bolstad et al., "A comparison of
    normalization methods for high density oligonucleotide array data", 2003). Rows that are equal in `order` get one
    value, so that nothing depends on the order in which the rows are stored.
    """
    ends = np.bincount(peers).cumsum()
    places = (ends - np.bincount(peers))[peers] + _places(order[:, None], peers)[:, 0]
    return np.interp(places, np.arange(len(values)), values[np.lexsort((values, peers))]).astype(values.dtype)


def _places(values: np.ndarray, peers: np.ndarray) -> np.ndarray:
    """Return the place (n, columns) of each value among its peers, from 0."""
    return pd.DataFrame(values).groupby(peers).rank().to_numpy() - 1
