"""Image files as one array, which is read part by part."""

import math
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from joblib import cpu_count

from pipeline.readers.images.decoding import decode
from pipeline.readers.images.sizes import mixed_sizes
from pipeline.readers.raw import Form, Part
from pipeline.storage.files import BadInput, chunk_rows

_PARTS_AHEAD = 2  # parts that are decoded while the caller works on an earlier one


@dataclass(frozen=True)
class FileImages:
    """The images of a folder's files. All cores decode them; Pillow frees Python's lock while it does."""

    folder: Path
    files: tuple[str, ...]  # n paths, relative to the folder
    form: Form
    image_shape: tuple[int, int, int]  # height, width, channels

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the whole array: n, height, width, channels."""
        return (len(self.files), *self.image_shape)

    def take(self, rows: np.ndarray) -> "FileImages":
        """Return the images of these rows (k,), in their order."""
        return replace(self, files=tuple(self.files[row] for row in rows.tolist()))

    def parts(self) -> Iterator[Part]:
        """Yield all images in order.

        Raises:
            BadInput: an image is damaged, has another size, or has colours although others are grey.
        """
        count = chunk_rows(math.prod(self.image_shape))
        with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(cpu_count()) as pool:
            ahead: deque[tuple[np.ndarray, list[Future[None]]]] = deque()
            try:
                for start in range(0, len(self.files), count):
                    names = self.files[start : start + count]
                    pixels = np.empty((len(names), *self.image_shape), np.uint8)
                    jobs = [pool.submit(self._read, name, row) for name, row in zip(names, pixels, strict=True)]
                    ahead.append((pixels, jobs))
                    if len(ahead) > _PARTS_AHEAD:
                        yield _finished(*ahead.popleft())
                while ahead:
                    yield _finished(*ahead.popleft())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _read(self, name: str, row: np.ndarray) -> None:
        """Decode one file into its row (height, width, channels) of a part."""
        path, (height, width, channels) = self.folder / name, self.image_shape
        picture = decode(path, self.form)
        if channels == 1 and picture.mode != "L" and not self.form.declares_channels:
            raise BadInput(f"{path}: a colour image, but others are grey; declare image: [height, width, 3]")
        if picture.size != (width, height):
            raise mixed_sizes(path, picture.size[::-1], (height, width), self.folder, self.files)
        mode = "L" if channels == 1 else "RGB"
        row[:] = np.asarray(picture if picture.mode == mode else picture.convert(mode)).reshape(row.shape)


def _finished(pixels: np.ndarray, jobs: list[Future[None]]) -> Part:
    for job in jobs:
        job.result()
    return Part(pixels)
