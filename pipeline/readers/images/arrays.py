"""One image in a `.npy` file, with any number of channels."""

from pathlib import Path

import numpy as np

from pipeline.readers.npz import read_npy
from pipeline.readers.raw import DamagedImage
from pipeline.storage.files import BadInput

MOST_CHANNELS = 256


def read_image_array(path: Path, channels: int | None) -> np.ndarray:
    """Return an image (height, width, channels) in its own dtype.

    The file contains (h, w), (h, w, c) or (c, h, w). Without declared `channels`, these are the shorter one of the
    first and the last axis.

    Raises:
        DamagedImage: the file is truncated or no array of numbers.
        BadInput: the array is no image, or has another number of channels.
    """
    try:
        array = read_npy(path)
    except BadInput as error:
        raise DamagedImage(str(error)) from error
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.ndim != 3 or 0 in array.shape or array.dtype.kind not in "biuf":
        raise BadInput(f"{path}: {array.dtype} of shape {array.shape}, expected numbers (h, w), (h, w, c) or (c, h, w)")
    is_first = array.shape[0] == channels != array.shape[2] if channels else array.shape[0] < array.shape[2]
    image = np.moveaxis(array, 0, -1) if is_first else array
    if image.shape[2] > MOST_CHANNELS or (channels and image.shape[2] not in (1, channels)):
        raise BadInput(f"{path}: shape {array.shape}, expected {channels or f'at most {MOST_CHANNELS}'} channels")
    return image
