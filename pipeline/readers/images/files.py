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

from pipeline.readers.images.content import Places, content_of
from pipeline.readers.images.decoding import decode
from pipeline.readers.images.sizes import mixed_sizes
from pipeline.readers.raw import DamagedImage, Form, Part

_PARTS_AHEAD = 2  # parts that are decoded while the caller works on an earlier one
_PART_BYTES = 1 << 22  # what a processor's cache holds: the pixels are written to disk from there
_MOST_JOB_FILES = 8
_KEPT_BYTES = (1 << 25) - (1 << 16)  # glibc's largest threshold, less its own needs


@dataclass(frozen=True)
class FileImages:
    """The images of a folder's files. All cores decode them; Pillow frees Python's lock while it does."""

    folder: Path
    files: tuple[str, ...]  # n paths, relative to the folder
    form: Form
    image_shape: tuple[int, int, int]  # height, width, channels
    places: Places = None  # of the images, if the folder is one large file

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
            BadInput: an image is damaged and the form does not skip those, has another size, or has colours although
                others are grey.
        """
        _keep_freed_memory()
        cores = cpu_count()
        count = max(cores, _PART_BYTES // math.prod(self.image_shape))
        step = min(_MOST_JOB_FILES, -(-count // (2 * cores)))
        buffers = [np.empty((count, *self.image_shape), np.uint8) for _ in range(_PARTS_AHEAD + 1)]
        with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(cores) as pool:
            ahead: deque[tuple[np.ndarray, list[Future[list[str | None]]]]] = deque()
            try:
                for number, start in enumerate(range(0, len(self.files), count)):
                    names = self.files[start : start + count]
                    pixels = buffers[number % len(buffers)][: len(names)]
                    jobs = [
                        pool.submit(self._read_all, names[first : first + step], pixels[first : first + step])
                        for first in range(0, len(names), step)
                    ]
                    ahead.append((pixels, jobs))
                    if len(ahead) > _PARTS_AHEAD:
                        yield _finished(*ahead.popleft())
                while ahead:
                    yield _finished(*ahead.popleft())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _read_all(self, names: tuple[str, ...], rows: np.ndarray) -> list[str | None]:
        return [self._read(name, row) for name, row in zip(names, rows, strict=True)]

    def _read(self, name: str, row: np.ndarray) -> str | None:
        """Decode one file into its row (height, width, channels) of a part. Return what is wrong if it is damaged."""
        height, width, channels = self.image_shape
        try:
            content = content_of(self.folder, name, self.places)
            pixels = decode(self.folder / name, self.form, channels, content)
        except DamagedImage as error:
            if not self.form.skips_damaged:
                raise
            row[:] = 0
            return str(error)
        if pixels.shape != row.shape:
            raise mixed_sizes(self.folder, name, pixels.shape[:2], (height, width), self.files, self.form, self.places)
        row[:] = pixels
        return None


def _keep_freed_memory() -> None:
    """Let glibc use the memory of one image for the next one, which nearly halves the time to decode large images.

    By default it returns an image's memory to the kernel at once, which then clears all pages of the next image. Its
    thresholds grow to the largest block that was freed (mallopt(3), M_MMAP_THRESHOLD). Other systems are not affected.
    """
    np.empty(_KEPT_BYTES, np.uint8)


def _finished(pixels: np.ndarray, jobs: list[Future[list[str | None]]]) -> Part:
    complaints = [complaint for job in jobs for complaint in job.result()]
    return Part(pixels, {row: complaint for row, complaint in enumerate(complaints) if complaint is not None})
