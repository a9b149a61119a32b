"""`python -m pipeline.ingest TASK`: read a competition's raw files to arrays of images, labels and ids."""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from features.labels.metrics.metric import Metric
from pipeline.config.errors import SENTENCE_CHARACTERS, one_line, quoted
from pipeline.config.schema import Ingest, Label, Params, Split
from pipeline.readers import classes as class_reader
from pipeline.readers.folders import refuse_splits
from pipeline.readers.formats import read_label_file, read_split
from pipeline.readers.id_spellings import Match, check_unique, match_ids
from pipeline.readers.raw import Form, Images, Raw, tidy
from pipeline.readers.submissions import Sample, read_sample, submission_form
from pipeline.running.stage import run, task_of
from pipeline.storage import paths
from pipeline.storage.columns import save_columns
from pipeline.storage.disk import check_space
from pipeline.storage.files import BadInput, blame, save_array, save_chunks, save_json, writing
from submissions.rules.forms import COLUMNS, LABEL, LABEL_SET, PROBABILITY, TOP_K
from submissions.rules.forms import Form as SubmissionForm


@dataclass(frozen=True)
class Rows:
    """The checked rows of one split."""

    images: Images
    ids: np.ndarray  # (n,) int64 or text
    labels: np.ndarray | None  # (n,) int64 indices into the classes, or (n, classes) uint8 indicators of label sets
    remark: str  # for the stage's last line
    columns: pd.DataFrame | None = None  # n texts a column: what the label file has besides ids and labels


def ingest(params: Params, key: str) -> str:
    """Read and check the raw files of a task and write `paths.arrays(key)`.

    Raises:
        BadInput: a file does not match the task's `ingest` block or the other files.
        OSError: a file is missing, or the disk is full.
    """
    entry = task_of(params, key)
    task, sample = entry.ingest, read_sample(entry)
    with writing(paths.arrays(key)) as part:
        part.mkdir()
        train, classes, form = _train(task, _declared_form(task))
        label_sets = train.labels is not None and train.labels.ndim == 2
        submission, metric = submission_form(key, entry, sample, classes, label_sets)
        _check_spellings(key, task, classes, sample, submission)
        if entry.submission.form is None:
            _check_metric(sample, submission, metric)
        shape = train.images.shape[1:]
        rows = len(train.ids) + len(sample.ids)
        print(f"ingest {key}: {check_space(paths.arrays(key), rows * math.prod(shape))}", flush=True)
        train_rows, remark = _save(part, "train", train)
        remark = train.remark + remark
        del train  # what a reader has in memory, one split at a time
        test = _test(task, replace(form, image=task.image or shape[:2], channels=shape[2]), shape, sample)
        test_rows, test_remark = _save(part, "test", test)
        save_json(part / "about.json", {"classes": classes, "image": list(shape)})
    size = "x".join(map(str, shape))
    counts = f"{train_rows} train and {test_rows} test images of {size}, {len(classes)} classes"
    return f"{counts}, submission: {submission.line()}{remark}{test.remark}{test_remark}"


def _declared_form(task: Ingest) -> Form:
    return Form(
        task.image,
        task.pixel_scale,
        task.layout,
        task.background,
        fit=None if task.image is None else task.resize,
        limits=(task.limits,) if isinstance(task.limits, tuple) else task.limits,
        skips_damaged=task.damaged == "skip",
    )


def _train(task: Ingest, form: Form) -> tuple[Rows, list[Label], Form]:
    """Return the training rows, the classes, and the form with which the test rows must be read."""
    path = Path(task.folder, task.train.images)
    raw, remark, columns = read_split(path, task.train, form, labelled=task.train.labels is None), "", None
    source = path if task.train.labels is None else Path(task.folder, task.train.labels)
    if task.train.labels is not None:
        ids, labels, columns, remark = _labelled(raw, path, source, task.train)
    elif raw.labels is None:
        raise BadInput(f"{path}: no labels in it; declare train.labels, label_column or labels_key")
    else:
        ids, labels = _own_ids(raw), raw.labels
        if raw.files is not None:
            refuse_splits(path, labels, task.classes)
    if len(labels) != raw.images.shape[0]:
        raise BadInput(f"{source}: {len(labels)} labels for the {raw.images.shape[0]} images of {path}")
    with blame(path):
        check_unique(ids)
    with blame(source):
        if task.train.label_separator is None:
            classes, labels = class_reader.class_indices(labels, task.classes)
        else:
            classes, labels = class_reader.label_set_indicators(labels, task.classes, task.train.label_separator)
    for warning in class_reader.class_warnings(classes):
        _warn(f"{source}: {warning}")
    if raw.form.layout == "planes":
        remark += "; colours read plane by plane"
    return Rows(raw.images, ids, labels, remark + raw.remark, columns), classes, raw.form


def _labelled(
    raw: Raw, path: Path, source: Path, split: Split
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame | None, str]:
    """Return ids, labels, other columns and a remark, in the order of the images.

    A label file without ids must have this order already.
    """
    table = read_label_file(source, split)
    if table.ids is None:
        return _own_ids(raw), table.labels, table.columns, ""
    with blame(f"{source}, whose ids are joined to those of {path}"):
        match = match_ids(_written_ids(raw), table.ids)
    columns = None if table.columns is None else table.columns.iloc[match.rows]
    return table.ids[match.rows], table.labels[match.rows], columns, _remark("train", match)


def _check_spellings(key: str, task: Ingest, classes: list[Label], sample: Sample, form: SubmissionForm) -> None:
    """Compare the classes with the sample submission's labels: a submission in another spelling would score 0.

    Raises:
        BadInput: the sample spells some classes differently, and the entry does not declare its classes.
    """
    if form.kind not in (LABEL, LABEL_SET, TOP_K):
        return
    path, source = sample.path, Path(task.folder, task.train.labels or task.train.images)
    cells, separator = sample.table[form.columns[0]].tolist(), None if form.kind == LABEL else form.separator
    spellings, is_one_value = class_reader.sample_spellings(classes, cells, separator)
    if not spellings:
        if stranger := class_reader.stranger(classes, cells, separator):
            _warn(f"{path}: no label is a class of {source}, for example {quoted(stranger)}")
        return
    (label, spelling), line = next(iter(spellings.items())), class_reader.classes_line(classes, spellings)
    sentence = f"{path}: {quoted(spelling)} is {quoted(label)} of {source} in another spelling"
    if is_one_value or task.classes is not None:
        _warn(f"{sentence}; submissions are written with {quoted(label)}")
        return
    advice = f"{sentence}; to write it as in {path.name}, put this line into tasks.{key}.ingest: {line}"
    if len(advice) > SENTENCE_CHARACTERS:
        print(line)
        advice = f"{sentence}; to write it as in {path.name}, put the line above into tasks.{key}.ingest"
    raise BadInput(advice)


def _check_metric(sample: Sample, form: SubmissionForm, metric: Metric) -> None:
    """Warn if the sample has probabilities, but the metric judges labels, as the default does."""
    if form.kind in (PROBABILITY, COLUMNS) and metric.judges == "decisions" and not form.label_sets:
        _warn(
            f"{sample.path}: it has probabilities, but metric {metric.name} judges classes; if the competition judges "
            "probabilities, write its metric into the entry, such as `metric: log_loss` or `metric: roc_auc`"
        )


def _test(task: Ingest, form: Form, shape: tuple[int, ...], sample: Sample) -> Rows:
    """Return the test rows with the ids of the sample submission."""
    path, sample_path = Path(task.folder, task.test.images), sample.path
    raw = read_split(path, task.test, form, labelled=False)
    if raw.images.shape[1:] != shape:
        sizes = ["x".join(map(str, size)) for size in (raw.images.shape[1:], shape)]
        raise BadInput(f"{path}: images of {sizes[0]}, expected {sizes[1]} as in train; declare image")
    remark = raw.remark + (f"; dropped {raw.label_column} of {path.name}" if raw.label_column else "")
    if raw.ids is not None or raw.files is not None:
        with blame(f"{path}, whose ids are compared with those of {sample_path}"):
            match = match_ids(sample.ids, _written_ids(raw))
        ids = np.empty_like(sample.ids)
        ids[match.rows] = sample.ids
        return Rows(raw.images, ids, None, remark + _remark("test", match))
    if raw.images.shape[0] != len(sample.ids):
        raise BadInput(
            f"{sample_path}: {len(sample.ids)} ids for the {raw.images.shape[0]} images of {path}, "
            "which has no ids of its own"
        )
    return Rows(raw.images, sample.ids, None, remark)


def _remark(split: str, match: Match) -> str:
    return "" if match.is_as_written else f"; {split} ids match {match.spelling}"


def _written_ids(raw: Raw) -> np.ndarray:
    """Return the unchanged ids (n,) of the images: their own, or the paths of their files, or row numbers."""
    if raw.ids is not None:
        return raw.ids
    return np.arange(raw.images.shape[0]) if raw.files is None else np.array(raw.files)


def _own_ids(raw: Raw) -> np.ndarray:
    """Return the ids (n,) of images without a label file: their own, or file names without suffix if these differ."""
    if raw.ids is not None or raw.files is None:
        return _written_ids(raw)
    bare = [str(Path(name).with_suffix("").as_posix()) for name in raw.files]
    return tidy(np.array(bare if len(set(bare)) == len(bare) else raw.files))


def _warn(sentence: str) -> None:
    print(f"ingest: warning: {one_line(sentence)}", file=sys.stderr, flush=True)


def _save(folder: Path, split: str, rows: Rows) -> tuple[int, str]:
    """Write the rows of a split, and return how many there are, with a remark about damaged images.

    Damaged training images are left out. Damaged test images stay, in black, since every test row needs an answer.
    """
    damaged: dict[int, str] = {}
    parts = _parts(rows.images, damaged, drops_damaged=split == "train")
    save_chunks(folder / f"{split}_images.npy", rows.images.shape, np.dtype(np.uint8), parts)
    keep = np.ones(len(rows.ids), bool)
    if damaged and split == "train":
        keep[list(damaged)] = False
    if not keep.any():
        raise BadInput(f"all {len(keep)} images of {split} are damaged, for example {next(iter(damaged.values()))}")
    save_array(folder / f"{split}_ids.npy", rows.ids[keep])
    if rows.labels is not None:
        save_array(folder / f"{split}_labels.npy", rows.labels[keep])
    if rows.columns is not None:
        save_columns(folder / f"{split}_columns.csv", rows.ids[keep], rows.columns[keep])
    if not damaged:
        return len(keep), ""
    remedy = "left out" if split == "train" else "black"
    _warn(f"{len(damaged)} damaged {split} images are {remedy}, for example {next(iter(damaged.values()))}")
    return int(keep.sum()), f"; {len(damaged)} damaged {split} images {remedy}"


def _parts(images: Images, damaged: dict[int, str], drops_damaged: bool) -> Iterator[np.ndarray]:
    """Yield the pixels of all parts, and collect in `damaged` what is wrong with which row."""
    start = 0
    for part in images.parts():
        damaged.update({start + row: complaint for row, complaint in part.damaged.items()})
        start += len(part.pixels)
        yield np.delete(part.pixels, list(part.damaged), axis=0) if drops_damaged and part.damaged else part.pixels


if __name__ == "__main__":
    run("ingest", ingest)
