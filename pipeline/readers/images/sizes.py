"""The refusal of a folder whose images have several sizes: which sizes there are, and the line that resizes them."""

from pathlib import Path

import numpy as np

from pipeline.readers.images.content import Places, content_of
from pipeline.readers.images.decoding import look
from pipeline.readers.raw import Form
from pipeline.storage.files import BadInput

_MOST_PIXELS = 256  # of the longer side in the line to write: what networks for photos are mostly given
_MOST_FILES = 20_000  # whose headers are read


def mixed_sizes(
    folder: Path,
    name: str,
    size: tuple[int, ...],
    expected: tuple[int, int],
    files: tuple[str, ...],
    form: Form,
    places: Places,
) -> BadInput:
    """Return the error about an image of another size, (height, width), than expected.

    It says how large the images of the folder are, from their headers, and which line makes them equal.
    """
    sizes = _sizes(folder, files, form, places)
    median = _median(sizes)
    scale = min(1.0, _MOST_PIXELS / max(median))
    line = f"image: [{max(1, round(median[0] * scale))}, {max(1, round(median[1] * scale))}]"
    smallest, largest = (_times(choose(sizes, key=lambda size: (size[0] * size[1], size))) for choose in (min, max))
    return BadInput(
        f"{folder / name}: the image is {_times(size)}, others {_times(expected)} ({folder.name}: {smallest} to "
        f"{largest}, median {_times(median)}); to resize all while they are read, write {line} into the task's ingest "
        "block"
    )


def _sizes(folder: Path, files: tuple[str, ...], form: Form, places: Places) -> list[tuple[int, int]]:
    sizes = []
    for name in files[:: -(-len(files) // _MOST_FILES)]:
        try:
            sizes.append(look(folder / name, form, content_of(folder, name, places)).size_pixels)
        except (BadInput, OSError):  # another error than this one, for later
            continue
    return sizes


def _median(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """Return the median of the heights and that of the widths."""
    height, width = np.median(np.array(sizes), axis=0).round().astype(int).tolist()
    return height, width


def _times(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
