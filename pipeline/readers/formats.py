"""The choice of a reader for a raw file: by its bytes, and by its name if the bytes do not decide."""

from dataclasses import replace
from pathlib import Path

from features.images.layouts import as_images, colour_layout
from pipeline.config.schema import Split
from pipeline.readers import products
from pipeline.readers.array_images import array_images, joined, with_limits
from pipeline.readers.coco import read_coco
from pipeline.readers.compressed import is_npz, open_decompressed
from pipeline.readers.csv_labels import read_labels, read_rows
from pipeline.readers.csv_pixels import read_csv_pixels
from pipeline.readers.folders import natural, read_folder
from pipeline.readers.foreign import HEAD_BYTES, refuse_foreign
from pipeline.readers.idx import is_idx, read_idx
from pipeline.readers.json_records import is_json, read_json_records
from pipeline.readers.label_table import LabelTable
from pipeline.readers.named_arrays import NamedArrays, by_role
from pipeline.readers.npz import read_npy, read_npz, read_npz_array
from pipeline.readers.pickles import read_pickle, read_pickled_arrays
from pipeline.readers.raw import Form, Raw, tidy
from pipeline.storage.files import BadInput, blame


def read_split(path: Path, split: Split, form: Form, labelled: bool) -> Raw:
    """Return the rows of one split: of a folder of images, or of a file or all files of a pattern such as `batch_*`.

    If `labelled`, a table must have a label column, even if no column name says which one.

    Raises:
        BadInput: from the reader.
        OSError: the file is missing or not readable.
    """
    if "*" not in path.name or path.exists():
        return _read_one(path, split, form, labelled)
    files = sorted(path.parent.glob(path.name), key=lambda file: natural(file.name))
    if not files:
        raise BadInput(f"{path}: no file matches this pattern")
    raws = []
    for file in files:
        raws.append(_read_one(file, split, form, labelled))
        form = raws[0].form
    with blame(path):
        return joined(path, raws)


def _read_one(path: Path, split: Split, form: Form, labelled: bool) -> Raw:
    if path.is_dir():
        return read_folder(path, form)
    if path.suffix.lower() == products.SUFFIX:
        return products.read_bson_products(path, split, form, labelled)
    kind = _kind(path)
    if kind == "csv":
        return read_csv_pixels(path, split, form, labelled)
    if kind == "json":
        return read_json_records(path, split, form, labelled)
    with blame(path):
        arrays = _arrays(path, kind, split, labelled)
        form = replace(form, layout=form.layout or colour_layout(arrays.images, form.image))
        images = as_images(arrays.images, form.image, form.layout)
        return Raw(
            array_images(path, images, form := with_limits(form, images)),
            ids=None if arrays.ids is None else tidy(arrays.ids),
            labels=None if arrays.labels is None else tidy(arrays.labels),
            label_column=None if arrays.labels is None else "labels",
            form=form,
            columns=arrays.columns,
        )


def _arrays(path: Path, kind: str, split: Split, labelled: bool) -> NamedArrays:
    if kind == "npz":
        return read_npz(path, split, labelled)
    if kind == "pickle":
        arrays = read_pickled_arrays(path)
        return by_role({name: array.shape for name, array in arrays.items()}, arrays.__getitem__, split, labelled)
    return NamedArrays(read_npy(path) if kind == "npy" else read_idx(path), None, None, None)


def read_label_file(
    path: Path, split: Split, sample_columns: tuple[str, ...] = (), labelled: bool = True
) -> LabelTable:
    """Return the rows of a CSV or of COCO's JSON, or of a pickle, npy, npz or idx file of only labels.

    Args:
        path: the file.
        split: the settings of its split.
        sample_columns: the names of the sample submission's columns, which are the roles of columns of equal names.
        labelled: whether it has labels; if not, it describes test images.
    """
    kind = _kind(path)
    if kind == "json":
        return read_coco(path, split.label_separator is not None)
    read = {"npy": read_npy, "npz": read_npz_array, "pickle": read_pickle, "idx": read_idx}.get(kind)
    if read is None:
        return read_labels(path, split, sample_columns) if labelled else read_rows(path, split, sample_columns)
    with blame(path):
        return LabelTable(None, tidy(read(path)))


def _kind(path: Path) -> str:
    if is_npz(path):
        return "npz"
    with open_decompressed(path) as stream:
        head = stream.read(HEAD_BYTES)
    if is_idx(head):
        return "idx"
    if is_json(head):
        return "json"
    refuse_foreign(path, head)
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    # From protocol 2 on, a pickle begins with 0x80. An older one is text that begins with the array's module.
    has_pickle_suffix = {suffix.lower() for suffix in path.suffixes} & {".pkl", ".pickle"}
    if has_pickle_suffix or head.startswith((b"\x80", b"cnumpy")):
        return "pickle"
    return "csv"
