"""Bring a picture of any size to a given size."""

from typing import Literal

import numpy as np
from PIL import Image

Fit = Literal["stretch", "pad", "crop"]
_FILTER = Image.Resampling.BILINEAR  # Pillow widens it when it shrinks, so nothing is aliased
_GAP = 2.0  # a picture may first be shrunk by averaging whole pixels, down to this many times its final size


def fit_picture(picture: Image.Image, size_pixels: tuple[int, int], fit: Fit, background: str | float) -> Image.Image:
    """Return a picture of `size_pixels`, (height, width), in its own mode.

    `stretch` changes the aspect ratio. `pad` keeps it and centres the whole picture on `background`, a colour of
    Pillow. `crop` keeps it and cuts off what is too wide or too high, on both sides alike.
    """
    height, width = size_pixels
    if picture.size == (width, height):
        return picture
    if fit == "pad":
        inner = inner_size(picture.size, (width, height))
        resized = picture.resize(inner, _FILTER, reducing_gap=_GAP)
        canvas = Image.new(picture.mode, (width, height), background)
        canvas.paste(resized, ((width - inner[0]) // 2, (height - inner[1]) // 2))
        return canvas
    if fit == "crop":
        return picture.resize((width, height), _FILTER, centre_box(picture.size, (width, height)), reducing_gap=_GAP)
    return picture.resize((width, height), _FILTER, reducing_gap=_GAP)


def fit_channels(pixels: np.ndarray, size_pixels: tuple[int, int], fit: Fit, background: str) -> np.ndarray:
    """Return an image (h, w, c) of float32 on the scale 0..255 as `fit_picture` does, with any number of channels."""
    value = {"white": 255.0, "black": 0.0}[background]
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(pixels, -1, 0)]
    return np.stack([np.asarray(fit_picture(plane, size_pixels, fit, value)) for plane in planes], axis=-1)


def least_size(size: tuple[int, int], target: tuple[int, int], fit: Fit) -> tuple[int, int]:
    """Return the smallest (width, height) to which a decoder may shrink a picture of `size` before `fit_picture`.

    Both sides are at least twice as long as those that the fit needs, so that the result looks the same.
    """
    if fit == "stretch":
        sides = (float(target[0]), float(target[1]))
    else:
        scales = (target[0] / size[0], target[1] / size[1])
        scale = min(scales) if fit == "pad" else max(scales)
        sides = (size[0] * scale, size[1] * scale)
    return max(1, round(_GAP * sides[0])), max(1, round(_GAP * sides[1]))


def inner_size(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """Return the largest (width, height) with the aspect ratio of `size` inside `target`."""
    scale = min(target[0] / size[0], target[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def centre_box(size: tuple[int, int], target: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the largest centred box (left, top, right, bottom) of `size` with the aspect ratio of `target`."""
    scale = min(size[0] / target[0], size[1] / target[1])
    width, height = min(size[0], target[0] * scale), min(size[1], target[1] * scale)  # which rounding may exceed
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return left, top, min(size[0], left + width), min(size[1], top + height)
