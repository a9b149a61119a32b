"""Pictures whose class a small network can see, and names for them that look like those of real competitions."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32


def pixels(kinds: Iterable[int], rng: np.random.Generator, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """Return an image, uint8 (height, width, 3), with a bright square for each kind, 0 to 15."""
    image = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
    for kind in kinds:
        top, left = (kind // 4) * height // 4, (kind % 4) * width // 4
        image[top : top + height // 4, left : left + width // 4, kind % 3] = 255
    return image


def write_picture(
    path: Path, kind: int | list[int], rng: np.random.Generator, mixed: bool = True, mode: str = "RGB"
) -> None:
    """Write an image, of a random size if `mixed`, in the format of the path's suffix. A kind can be a set of kinds."""
    height, width = rng.integers(SIDE - 8, SIDE + 24, 2).tolist() if mixed else (SIDE, SIDE)
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = kind if isinstance(kind, list) else [kind]
    Image.fromarray(pixels(kinds, rng, height, width)).convert(mode).save(path)


def write_pictures(
    folder: Path,
    path: str,
    ids: Sequence,
    kinds: Sequence,
    rng: np.random.Generator,
    mixed: bool = True,
    mode: str = "RGB",
) -> None:
    """Write an image for each id, at `path` with the id in place of {}."""
    for image_id, kind in zip(ids, kinds, strict=True):
        write_picture(folder / path.format(image_id), kind, rng, mixed, mode)


def names(prefix: str, count: int, start: int = 0, suffix: str = "") -> list[str]:
    """Return unlike ids, as hexadecimal digests look."""
    return [f"{prefix}{(start + row) * 2654435761 % 2**32:08x}{suffix}" for row in range(count)]


def cycle(count: int, classes: int) -> list[int]:
    """Return class indices, each class as often as every other."""
    return [row % classes for row in range(count)]


def sets(count: int, classes: int, rng: np.random.Generator) -> list[list[int]]:
    """Return sets of one to three class indices, each class about as often as every other."""
    return [sorted({row % classes, *rng.integers(0, classes, rng.integers(0, 3)).tolist()}) for row in range(count)]
