"""Seeds and streams of random numbers, which make an epoch after a restart equal to one without a restart."""

import enum

import numpy as np


class Purpose(enum.IntEnum):
    """The purpose of random numbers. Each purpose has its own stream, whatever the seeds are."""

    WEIGHTS = 0
    ORDER = 1
    BATCH = 2
    EXCHANGE = 3
    FLIPS = 4
    LAYERS = 5
    STATISTICS = 6
    IMAGES = 7
    CLASSES = 8


def stream(seeds: tuple[int, ...], purpose: Purpose, index: int = 0) -> np.random.Generator:
    """Return NumPy's stream for some seeds, a purpose and the index of a batch."""
    return np.random.default_rng(sequence(seeds, purpose, index))


def seed_of(seeds: tuple[int, ...], purpose: Purpose, index: int = 0) -> int:
    """Return one seed (32 bits) for several numbers and a purpose."""
    return int(sequence(seeds, purpose, index).generate_state(1)[0])


def sequence(seeds: tuple[int, ...], purpose: Purpose, index: int) -> np.random.SeedSequence:
    """Return entropy that is different for different arguments: (1, 2) and (1, 2, 0) alone give NumPy the same one."""
    return np.random.SeedSequence(seeds, spawn_key=(len(seeds), purpose, index))
