"""What a sample of image files shows about all of them: their size, their channels, the limits of measured values."""

from dataclasses import replace
from pathlib import Path

from features.images.limits import Limits, robust_limits
from pipeline.readers.images.content import Places, content_of
from pipeline.readers.images.decoding import Look, look
from pipeline.readers.images.files import FileImages
from pipeline.readers.raw import DamagedImage, Form
from pipeline.storage.files import BadInput, blame

_SAMPLED_FILES = 64


def open_images(folder: Path, files: tuple[str, ...], form: Form, places: Places = None) -> FileImages:
    """Return the images of files in a folder, or at `places` of one large file, ready to be read.

    With a fit, all images get the form's size. Without one they must have it, or the first image's if none is declared.
    A sample of them shows how many channels they have, unless the form says it.

    Raises:
        BadInput: an image of the sample is damaged.
    """
    looks = _sample(folder, files, form, places)
    height, width = form.image[:2] if form.image else looks[0].size_pixels
    channels = form.declared_channels or form.channels or max(one.channels for one in looks)
    form = replace(form, channels=channels, limits=_limits(folder, looks, form))
    return FileImages(folder, files, form, (height, width, channels), places)


def _sample(folder: Path, files: tuple[str, ...], form: Form, places: Places) -> list[Look]:
    """Return what the first file and others at equal distances show."""
    looks = []
    for name in files[:: -(-len(files) // _SAMPLED_FILES)]:
        try:
            looks.append(look(folder / name, form, content_of(folder, name, places)))
        except DamagedImage:
            if not form.skips_damaged:
                raise
    if not looks:
        raise BadInput(f"{folder}: every image of a sample is damaged, for example {files[0]}")
    return looks


def _limits(folder: Path, looks: list[Look], form: Form) -> Limits | None:
    """Return the limits of measured values: the declared ones, or else those of the sample."""
    values = [one.values for one in looks if one.values is not None]
    if isinstance(form.limits, tuple) or not values:
        return form.limits if isinstance(form.limits, tuple) else None
    if form.scale != 1:
        return ((0, 255 / form.scale),)
    with blame(folder):
        return robust_limits(values)
