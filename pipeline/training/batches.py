"""Memory-mapped uint8 images to batches for Keras: shuffled, augmented and seeded by (seed, fold, epoch)."""

from collections.abc import Sequence

import keras
import numpy as np

from features.augmentation.augment import Augment, augment_images, mix_images
from features.augmentation.views import view
from features.augmentation.warps import alternating
from pipeline.training.joined_images import Extra, Joined, exchanged
from pipeline.training.seeding import Purpose, stream

# Keras's own threads: its other way on TensorFlow is an autotuned tf.data pipeline, whose thread sleeps for doubling
# pauses, and an epoch's end sometimes waits until it wakes, up to a minute.
FEEDING = {"workers": 2, "max_queue_size": 16}

SMALLEST_BATCH, LARGEST_BATCH = 16, 128  # that are chosen where none is named
FEWEST_STEPS = 20  # of an epoch with a chosen batch, where there are rows enough


class TrainingBatches(keras.utils.PyDataset):
    """Epochs of (uint8 images, float32 targets): each has all rows, and a few twice to fill the last batch.

    `begin_epoch` shuffles them. It is for a callback to call: Keras's threads make the first batches of an epoch
    before Keras calls a dataset's own `on_epoch_begin`.
    """

    def __init__(
        self,
        images: np.ndarray | Joined,
        targets: np.ndarray,
        rows: np.ndarray,
        batch_size: int,
        augment: Augment,
        seeds: tuple[int, ...],
        extras: Sequence[Extra] = (),
    ) -> None:
        """Prepare the first epoch.

        Args:
            images: uint8 (n, ..., height, width, channels), the real ones and then those of `extras`.
            targets: float32 (n, classes).
            rows: of the real images, those to learn from.
            batch_size: images in a batch; there are fewer if there are fewer rows.
            augment: the random changes.
            seeds: (seed, fold).
            extras: images of which some take the place of rows.
        """
        super().__init__(**FEEDING)
        self.images, self.targets, self.augment, self.seeds = images, targets, augment, seeds
        self.rows, self.extras, self.batch_size = rows, extras, min(batch_size, len(rows))
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int) -> None:
        """Draw the order of the rows, and which images an alternating flip mirrors."""
        self.epoch_seeds, rows = (*self.seeds, epoch), self.rows
        if self.extras:
            real = len(self.images) - sum(len(extra.images) for extra in self.extras)
            rows = exchanged(rows, real, self.extras, self.epoch_seeds)
        shuffled = stream(self.epoch_seeds, Purpose.ORDER).permutation(rows)
        self.order = np.resize(shuffled, len(self) * self.batch_size)
        flips = stream(self.seeds, Purpose.FLIPS)
        self.mirrored = alternating(len(self.images), flips, epoch) if self.augment.alternating_flip else None

    def __len__(self) -> int:
        return steps_per_epoch(len(self.rows), self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.sort(self.order[index * self.batch_size : (index + 1) * self.batch_size])  # in the disk's order
        rng = stream(self.epoch_seeds, Purpose.BATCH, index)
        mirrored = None if self.mirrored is None else self.mirrored[rows]
        changed = augment_images(self.images[rows], self.augment, rng, mirrored)
        return mix_images(changed, self.targets[rows], self.augment, rng)


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
    """Return how many batches an epoch has; rows that fill no whole batch are in one more."""
    return -(-rows // batch_size)


def batch_size_for(rows: int, batch_size: int | None = None) -> int:
    """Return `batch_size` or, where it is None, one with enough steps an epoch: 16 for 200 rows, 128 for 60 000."""
    if batch_size is not None:
        return batch_size
    fitting = [LARGEST_BATCH >> halvings for halvings in range(8) if LARGEST_BATCH >> halvings >= SMALLEST_BATCH]
    return next((size for size in fitting if size * FEWEST_STEPS <= rows), SMALLEST_BATCH)
