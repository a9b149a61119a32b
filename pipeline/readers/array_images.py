"""Images that a reader returns as one array of raw values, which become uint8 while they are read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from features.images.limits import Limits, robust_limits, to_scale
from features.images.pixels import image_and_pixel, to_pixels
from pipeline.readers.raw import Form, Part, Raw
from pipeline.storage.files import blame, chunk_rows
from pipeline.storage.scratch import on_disk

_SAMPLED_IMAGES = 1000  # from which the limits of measured values are taken


@dataclass(frozen=True)
class ArrayImages:
    """Images that are an array already."""

    path: Path
    array: np.ndarray  # (all, height, width, channels), numbers
    rows: np.ndarray  # (n,) those of the array that count, in this order
    scale: float = 1.0
    limits: Limits | None = None  # instead of the scale, of measured values

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the whole array: n, height, width, channels."""
        _, height, width, channels = self.array.shape
        return len(self.rows), height, width, channels

    def take(self, rows: np.ndarray) -> "ArrayImages":
        """Return the images of these rows (k,), in their order."""
        return replace(self, rows=self.rows[rows])

    def parts(self) -> Iterator[Part]:
        """Yield all images in order.

        Raises:
            BadInput: there are no limits, and a pixel is no whole number in 0..255.
        """
        count = chunk_rows(self.array[:1].nbytes)
        with blame(self.path):
            for start in range(0, len(self.rows), count):
                yield Part(self._pixels(self.rows[start : start + count]))

    def _pixels(self, rows: np.ndarray) -> np.ndarray:
        if self.limits is not None:
            return np.rint(to_scale(self.array[rows], self.limits)).astype(np.uint8)
        return to_pixels(self.array[rows], self.scale, lambda index: image_and_pixel(rows[index[0]], index))


def array_images(path: Path, array: np.ndarray, form: Form) -> ArrayImages:
    """Return the images of a whole array (n, height, width, channels) of the file `path`, read by the form."""
    limits = form.limits if isinstance(form.limits, tuple) else None
    return ArrayImages(path, array, np.arange(len(array)), form.scale, limits)


def with_limits(form: Form, array: np.ndarray) -> Form:
    """Return the form with the limits of `array` (n, height, width, channels), if the form wants robust ones."""
    if form.limits != "robust":
        return form
    sample = array[:: -(-len(array) // _SAMPLED_IMAGES)]
    return replace(form, limits=robust_limits(list(sample)))


def joined(path: Path, raws: Sequence[Raw]) -> Raw:
    """Return the rows of several files, one after the other.

    Raises:
        ValueError: the files have images of several shapes, or only some have ids or labels.
    """
    shapes = {raw.images.shape[1:] for raw in raws}
    if len(shapes) > 1:
        raise ValueError(f"files with images of {' and '.join(map(str, sorted(shapes)))}, expected one shape")
    pixels = on_disk(part.pixels for raw in raws for part in raw.images.parts())
    ids, labels = (_concatenated([getattr(raw, name) for raw in raws], name) for name in ("ids", "labels"))
    images = ArrayImages(path, pixels, np.arange(len(pixels)))
    return replace(raws[0], images=images, ids=ids, labels=labels, columns=_common_columns(raws))


def _common_columns(raws: Sequence[Raw]) -> pd.DataFrame | None:
    """Return the columns that all files have."""
    frames = [raw.columns for raw in raws if raw.columns is not None]
    if len(frames) < len(raws):
        return None
    common = pd.concat(frames, join="inner", ignore_index=True)
    return common if common.shape[1] else None


def _concatenated(columns: list[np.ndarray | None], name: str) -> np.ndarray | None:
    present = [column for column in columns if column is not None]
    if not present:
        return None
    if len(present) < len(columns) or len({column.dtype.kind for column in present}) > 1:
        raise ValueError(f"only some of the {len(columns)} files have {name}, or they have {name} of several types")
    return np.concatenate(present)
