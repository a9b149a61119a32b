"""Write, pack and read raw files as users have them."""

import gzip
import io
import tracemalloc
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from hypothesis import settings

from pipeline.config.schema import Split
from pipeline.readers.formats import read_split
from pipeline.readers.raw import Form

QUICK = settings(max_examples=100)


def read(path, labelled=False, image=None, scale=1.0, layout=None, background="white", **options):
    form_options = {name: options.pop(name) for name in ("fit", "limits", "all_pictures") if name in options}
    form = Form(image, scale, layout, background, **form_options)
    raw = read_split(Path(path), Split(images=str(path), **options), form, labelled)
    return replace(raw, images=np.concatenate([part.pixels.copy() for part in raw.images.parts()]))


def write(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def zip_bytes(data, name="data"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def npy_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@dataclass
class Peak:
    size_bytes: int = 0


@contextmanager
def peak_memory():
    """Yield an object that has the peak of the memory of Python and NumPy after the block."""
    peak = Peak()
    tracemalloc.start()
    try:
        yield peak
        peak.size_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


PACKINGS = {"plain": bytes, "gzip": gzip.compress, "zip": zip_bytes}
