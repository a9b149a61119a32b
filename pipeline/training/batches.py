"""Memory-mapped uint8 images to batches for Keras: shuffled, augmented and seeded by (seed, fold, epoch)."""

import keras
import numpy as np

from features.augmentation.augment import Augment, augmented, mixed
from features.augmentation.warps import alternating
from features.images.views import view

# Keras's own threads: its other way on TensorFlow is an autotuned tf.data pipeline, whose thread sleeps for doubling
# pauses, and an epoch's end sometimes waits until it wakes, up to a minute.
FEEDING = {"workers": 2, "max_queue_size": 16}


class TrainingBatches(keras.utils.PyDataset):
    """One epoch of (uint8 images, float32 targets); rows that fill no whole batch wait for the next epoch.

    The last of `seeds` is the epoch.
    """

    def __init__(
        self,
        images: np.ndarray,
        targets: np.ndarray,
        rows: np.ndarray,
        batch_size: int,
        augment: Augment,
        seeds: tuple[int, ...],
    ) -> None:
        super().__init__(**FEEDING)
        self.images, self.targets, self.augment, self.seeds = images, targets, augment, seeds
        self.batch_size = min(batch_size, len(rows))
        self.order = np.random.default_rng(seeds).permutation(rows)
        self.mirrored = alternating(len(images), seeds[:-1], seeds[-1]) if augment.alternating_flip else None

    def __len__(self) -> int:
        return steps_per_epoch(len(self.order), self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.sort(self.order[index * self.batch_size : (index + 1) * self.batch_size])  # in the disk's order
        rng = np.random.default_rng((*self.seeds, index))
        mirrored = None if self.mirrored is None else self.mirrored[rows]
        changed = augmented(self.images[rows], self.augment, rng, mirrored)
        return mixed(changed, self.targets[rows], self.augment, rng)


class PredictionBatches(keras.utils.PyDataset):
    """Batches (uint8 images,) of some rows in order, in one view of test-time augmentation."""

    def __init__(
        self,
        images: np.ndarray,
        rows: np.ndarray,
        batch_size: int,
        mirrored: bool = False,
        by_pixels: int = 0,
    ) -> None:
        super().__init__(**FEEDING)
        self.images, self.rows, self.batch_size = images, rows, batch_size
        self.mirrored, self.by_pixels = mirrored, by_pixels

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray]:
        rows = self.rows[index * self.batch_size : (index + 1) * self.batch_size]
        return (np.ascontiguousarray(view(self.images[rows], self.mirrored, self.by_pixels)),)


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """Return how many whole batches an epoch has, at least one."""
    return max(1, rows // batch_size)
