"""Batches for Keras from memory-mapped uint8 images: shuffled, augmented and seeded by (seed, fold, epoch)."""

from collections.abc import Sequence

import keras
import numpy as np

from features.augmentation.augment import Augment, augment_images, mix_images
from features.augmentation.views import view
from features.augmentation.warps import alternating
from pipeline.training.class_shares import balanced_rows
from pipeline.training.joined_images import Extra, Images, exchange_rows
from pipeline.training.seeding import Purpose, stream

# Keras's threads prepare the batches. The alternative on TensorFlow is an autotuned tf.data pipeline, whose thread
# sleeps for ever longer pauses: the end of an epoch then waits up to a minute.
FEEDING = {"workers": 2, "max_queue_size": 16}

SMALLEST_BATCH, LARGEST_BATCH = 16, 128  # range of the automatic batch size
Inputs = np.ndarray | tuple[np.ndarray, np.ndarray]  # of a network: images, or images and columns of a table
FEWEST_STEPS = 20  # in an epoch with the automatic batch size, if there are enough rows


class TrainingBatches(keras.utils.PyDataset):
    """Batches of (uint8 images, float32 targets). Each epoch has all rows, and a few twice to fill the last batch.

    With `balanced`, an epoch has equally many rows of each class instead.

    A callback calls `begin_epoch`, which shuffles the rows. The dataset's own `on_epoch_begin` would be too late: Keras
    calls it after its threads have prepared the first batches of the epoch.
    """

    def __init__(
        self,
        images: Images,
        targets: np.ndarray,
        rows: np.ndarray,
        batch_size: int,
        augment: Augment,
        seeds: tuple[int, ...],
        extras: Sequence[Extra] = (),
        columns: Images | None = None,
        balanced: bool = False,
    ) -> None:
        """Prepare the first epoch.

        Args:
            images: uint8 (n, ..., height, width, channels), the real images and then those of `extras`.
            targets: float32 (n, classes).
            rows: the real images to train on.
            batch_size: images in a batch. There are fewer if there are fewer rows.
            augment: the augmentation.
            seeds: (seed, fold).
            extras: images that replace a share of the rows, or enlarge an epoch.
            columns: of a table, float32 (n, columns), in the order of `images`.
            balanced: whether an epoch has equally many rows of each class.
        """
        super().__init__(**FEEDING)
        self.images, self.targets, self.augment, self.seeds = images, targets, augment, seeds
        self.rows, self.extras, self.batch_size = rows, extras, min(batch_size, len(rows))
        self.columns, self.balanced = columns, balanced
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int) -> None:
        """Shuffle the rows, and choose the images that an alternating flip mirrors."""
        self.epoch_seeds, rows = (*self.seeds, epoch), self.rows
        if self.extras:
            real_images = len(self.images) - sum(len(extra.images) for extra in self.extras)
            rows = exchange_rows(rows, real_images, self.extras, self.epoch_seeds)
        self.images_per_epoch = len(rows)
        if self.balanced:
            classes = self.targets[rows].argmax(axis=1)
            rows = balanced_rows(rows, classes, stream(self.epoch_seeds, Purpose.CLASSES))
        shuffled = stream(self.epoch_seeds, Purpose.ORDER).permutation(rows)
        self.order = np.resize(shuffled, len(self) * self.batch_size)
        flips = stream(self.seeds, Purpose.FLIPS)
        self.mirrored = alternating(len(self.images), flips, epoch) if self.augment.alternating_flip else None

    def __len__(self) -> int:
        return steps_per_epoch(self.images_per_epoch, self.batch_size)

    def __getitem__(self, index: int) -> tuple[Inputs, np.ndarray]:
        rows = np.sort(self.order[index * self.batch_size : (index + 1) * self.batch_size])  # in the disk's order
        rng = stream(self.epoch_seeds, Purpose.BATCH, index)
        mirrored = None if self.mirrored is None else self.mirrored[rows]
        changed = augment_images(self.images[rows], self.augment, rng, mirrored)
        mixed, targets = mix_images(changed, self.targets[rows], self.augment, rng)
        return with_columns(mixed, self.columns, rows), targets


class PredictionBatches(keras.utils.PyDataset):
    """Batches (uint8 images,) of some rows in order, in one view of test-time augmentation."""

    def __init__(
        self,
        images: Images,
        rows: np.ndarray,
        batch_size: int,
        mirrored: bool = False,
        by_pixels: int = 0,
        columns: Images | None = None,
    ) -> None:
        super().__init__(**FEEDING)
        self.images, self.rows, self.batch_size = images, rows, batch_size
        self.mirrored, self.by_pixels, self.columns = mirrored, by_pixels, columns

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Inputs]:
        rows = self.rows[index * self.batch_size : (index + 1) * self.batch_size]
        images = np.ascontiguousarray(view(self.images[rows], self.mirrored, self.by_pixels))
        return (with_columns(images, self.columns, rows),)


def with_columns(images: np.ndarray, columns: Images | None, rows: np.ndarray) -> Inputs:
    """Return the inputs of a network: images, and if there are columns of a table, those of the rows (n,), too."""
    return images if columns is None else (images, columns[rows])


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """Return the number of batches in an epoch. The last one may be partly filled."""
    return -(-rows // batch_size)


def batch_size_for(rows: int, batch_size: int | None = None) -> int:
    """Return `batch_size`, or if it is None a size with enough steps in an epoch: 16 for 200 rows, 128 for 60 000."""
    if batch_size is not None:
        return batch_size
    fitting = [LARGEST_BATCH >> halvings for halvings in range(8) if LARGEST_BATCH >> halvings >= SMALLEST_BATCH]
    return next((size for size in fitting if size * FEWEST_STEPS <= rows), SMALLEST_BATCH)
