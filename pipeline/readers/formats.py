"""The choice of a reader for a raw file: by its bytes, and by its name if the bytes do not decide."""

from dataclasses import replace
from pathlib import Path

from features.images.layouts import as_images, colour_layout
from pipeline.config.schema import Split
from pipeline.readers.compressed import is_npz, open_decompressed
from pipeline.readers.csv_labels import LabelTable, read_labels
from pipeline.readers.csv_pixels import read_csv_pixels
from pipeline.readers.folders import read_folder
from pipeline.readers.foreign import HEAD_BYTES, refuse_foreign
from pipeline.readers.npz import read_npy, read_npz
from pipeline.readers.pickles import read_pickle
from pipeline.readers.raw import Form, Raw, array_images, tidy
from pipeline.storage.files import blame


def read_split(path: Path, split: Split, form: Form, labelled: bool) -> Raw:
    """Return the rows of one split from a folder of images, a CSV, a pickle, an npy or an npz file.

    If `labelled`, a table must have a label column, even if no column name says which one.

    Raises:
        BadInput: from the reader.
        OSError: the file is missing or not readable.
    """
    if path.is_dir():
        return read_folder(path, form)
    kind = _kind(path)
    if kind == "csv":
        return read_csv_pixels(path, split, form, labelled)
    labels = ids = None
    if kind == "npz":
        array, labels, ids = read_npz(path, split)
    else:
        array = read_npy(path) if kind == "npy" else read_pickle(path)
    with blame(path):
        layout = form.layout or colour_layout(array, form.image)
        return Raw(
            array_images(path, as_images(array, form.image, layout), form.scale),
            ids=None if ids is None else tidy(ids),
            labels=None if labels is None else tidy(labels),
            label_column=None if labels is None else "labels",
            form=replace(form, layout=layout),
        )


def read_label_file(path: Path, split: Split) -> LabelTable:
    """Return the rows of a CSV, or of a pickle or npy file of only labels."""
    kind = _kind(path)
    if kind not in ("npy", "pickle"):
        return read_labels(path, split)
    with blame(path):
        return LabelTable(None, tidy(read_npy(path) if kind == "npy" else read_pickle(path)))


def _kind(path: Path) -> str:
    if is_npz(path):
        return "npz"
    with open_decompressed(path) as stream:
        head = stream.read(HEAD_BYTES)
    refuse_foreign(path, head)
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    # From protocol 2 on, a pickle begins with 0x80. An older one is text that begins with the array's module.
    has_pickle_suffix = {suffix.lower() for suffix in path.suffixes} & {".pkl", ".pickle"}
    if has_pickle_suffix or head.startswith((b"\x80", b"cnumpy")):
        return "pickle"
    return "csv"
