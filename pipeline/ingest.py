"""`python -m pipeline.ingest TASK`: read a competition's raw files to arrays of images, labels and ids."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config.schema import Ingest, Label, Params, Split
from pipeline.readers.csv_labels import read_sample_ids
from pipeline.readers.formats import read_label_file, read_split
from pipeline.readers.raw import Raw, tidy
from pipeline.running.stage import run, task_of
from pipeline.storage import paths
from pipeline.storage.files import BadInput, align, blame, save_array, save_json, writing


@dataclass(frozen=True)
class Rows:
    """One split, checked."""

    images: np.ndarray  # (n, height, width, channels) uint8
    ids: np.ndarray  # (n,) int64 or text
    labels: np.ndarray | None  # (n,) int64 indices into the classes, or (n, classes) uint8 indicators of label sets


def ingest(params: Params, key: str) -> str:
    """Read and check the raw files of a task and write `paths.arrays(key)`.

    Raises:
        BadInput: a file is not what the task's `ingest` block says or what its neighbours imply.
        OSError: a file is missing, or the disk is full.
    """
    task = task_of(params, key).ingest
    if task.image is not None and len(task.image) not in (2, 3):
        found = list(task.image)
        raise BadInput(f"{paths.PARAMS}: tasks.{key}.ingest.image: {found} is not [height, width] or with channels")
    sample = Path(task.folder, task.sample_submission)
    sample_ids = read_sample_ids(sample)
    with writing(paths.arrays(key)) as part:
        part.mkdir()
        train, classes = _train(task)
        shape = train.images.shape[1:]
        train_rows = _save(part, "train", train)
        del train  # one split in memory at a time
        test, dropped = _test(task, shape, sample, sample_ids)
        test_rows = _save(part, "test", test)
        save_json(part / "about.json", {"classes": classes, "image": list(shape)})
    size = "x".join(map(str, shape))
    return f"{train_rows} train and {test_rows} test images of {size}, {len(classes)} classes{dropped}"


def _train(task: Ingest) -> tuple[Rows, list[Label]]:
    path = Path(task.folder, task.train.images)
    raw = read_split(path, task.train, task.image, task.pixel_scale, labelled=task.train.labels is None)
    if task.train.labels is not None:
        source = Path(task.folder, task.train.labels)
        ids, labels = _join(raw, path, source, task.train)
    else:
        source, labels = path, raw.labels
        ids = _own_ids(raw)
        if labels is None:
            raise BadInput(f"{path}: no labels in it; declare train.labels, label_column or labels_key")
    if len(labels) != len(raw.images):
        raise BadInput(f"{source}: {len(labels)} labels for the {len(raw.images)} images of {path}")
    with blame(path):
        align(ids, ids)
    with blame(source):
        if task.train.label_separator is None:
            classes, labels = _classes(labels, task.classes)
        else:
            classes, labels = _label_sets(labels, task.classes, task.train.label_separator)
    return Rows(raw.images, ids, labels), classes


def _join(raw: Raw, path: Path, source: Path, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and labels in the order of the images; a label file without ids is in that order already."""
    label_ids, labels = read_label_file(source, split)
    if label_ids is None:
        return _own_ids(raw), labels
    ids = _own_ids(raw, label_ids)
    with blame(f"{source}, whose ids are joined to those of {path}"):
        return ids, labels[align(ids, label_ids)]


def _classes(labels: np.ndarray, declared: tuple[Label, ...] | None) -> tuple[list[Label], np.ndarray]:
    """Return the classes, sorted, and the index (n,) int64 of each label among them."""
    if declared is None:
        classes, indices = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"every label is {classes[0]}, expected 2 classes or more")
        return classes.tolist(), indices.astype(np.int64)
    numeric = all(isinstance(label, int) for label in declared)
    classes = sorted(set(declared) if numeric else {str(label) for label in declared})
    order = {label: index for index, label in enumerate(classes)}
    values = labels.tolist() if numeric else labels.astype(str).tolist()
    for row, label in enumerate(values):
        if label not in order:
            listed = ", ".join(map(str, classes))
            raise ValueError(f"label {label} in row {row} (counted from 0) is not among the classes {listed}")
    return classes, np.array([order[label] for label in values], np.int64)


def _label_sets(
    texts: np.ndarray, declared: tuple[Label, ...] | None, separator: str
) -> tuple[list[Label], np.ndarray]:
    """Return the classes, sorted, and indicators (n, classes) uint8 of those that each row names."""
    sets = [[name.strip() for name in text.split(separator) if name.strip()] for text in texts.tolist()]
    rows = np.repeat(np.arange(len(sets)), [len(names) for names in sets])
    if not len(rows):
        raise ValueError("every label set is empty, expected labels")
    classes, indices = _classes(tidy(np.array([name for names in sets for name in names])), declared)
    indicators = np.zeros((len(sets), len(classes)), np.uint8)
    np.add.at(indicators, (rows, indices), 1)
    if indicators.max() > 1:
        row, index = np.argwhere(indicators > 1)[0]
        raise ValueError(f"label {classes[index]} stands twice in row {row} (counted from 0)")
    return classes, indicators


def _test(task: Ingest, shape: tuple[int, ...], sample: Path, sample_ids: np.ndarray) -> tuple[Rows, str]:
    """Return the test rows, and what is to be said about labels that lay with them."""
    path = Path(task.folder, task.test.images)
    raw = read_split(path, task.test, task.image or shape[:2], task.pixel_scale, labelled=False)
    if raw.images.shape[1:] != shape:
        sizes = ["x".join(map(str, size)) for size in (raw.images.shape[1:], shape)]
        raise BadInput(f"{path}: images of {sizes[0]}, expected {sizes[1]} as in train; declare image")
    if raw.ids is None and raw.files is None:
        if len(raw.images) != len(sample_ids):
            raise BadInput(
                f"{sample}: {len(sample_ids)} ids for the {len(raw.images)} images of {path}, "
                "which has no ids of its own"
            )
        ids = sample_ids
    else:
        ids = _own_ids(raw, sample_ids)
        with blame(f"{path}, whose ids are compared with those of {sample}"):
            align(sample_ids, ids)
    dropped = f"; dropped {raw.label_column} of {path.name}" if raw.label_column else ""
    return Rows(raw.images, ids, None), dropped


def _own_ids(raw: Raw, wanted: np.ndarray | None = None) -> np.ndarray:
    """Return the ids (n,) of the images: their own, or file names as `wanted` has them, or row numbers."""
    if raw.ids is not None:
        return raw.ids
    if raw.files is None:
        return np.arange(len(raw.images))
    return _file_ids(raw.files, wanted)


def _file_ids(files: tuple[str, ...], wanted: np.ndarray | None) -> np.ndarray:
    """Return file names as ids: path or bare name, with or without extension, whichever `wanted` uses."""
    spelled = [
        [str(Path(name).with_suffix("").as_posix()) for name in files],
        list(files),
        [Path(name).name for name in files],
        [Path(name).stem for name in files],
    ]
    if wanted is None:
        unique = next(names for names in spelled if len(set(names)) == len(files))
        return tidy(np.array(unique))
    texts = set(wanted.astype(str).tolist())
    best = max(spelled, key=lambda names: (len(set(names)) == len(files), len(texts.intersection(names))))
    whole = wanted.dtype.kind == "i" and texts.issuperset(best)
    return np.array(best).astype(np.int64) if whole else np.array(best)


def _save(folder: Path, split: str, rows: Rows) -> int:
    save_array(folder / f"{split}_images.npy", rows.images)
    save_array(folder / f"{split}_ids.npy", rows.ids)
    if rows.labels is not None:
        save_array(folder / f"{split}_labels.npy", rows.labels)
    return len(rows.images)


if __name__ == "__main__":
    run("ingest", ingest)
