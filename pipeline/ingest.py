"""`python -m pipeline.ingest TASK`: read a competition's raw files to arrays of images, labels and ids."""

import math
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from features.labels.metrics.metric import Metric
from pipeline.config.errors import SENTENCE_CHARACTERS, one_line, quote
from pipeline.config.schema import Ingest, Label, Params, Task
from pipeline.readers import classes as class_reader
from pipeline.readers.raw import Form, Images
from pipeline.readers.rows import Rows, read_test_rows, read_training_rows, warn
from pipeline.readers.submissions import Sample, read_sample, submission_form
from pipeline.running.stage import run, task_of
from pipeline.storage import paths
from pipeline.storage.columns import ANSWER, save_columns
from pipeline.storage.disk import check_space
from pipeline.storage.files import BadInput, save_array, save_chunks, save_json, writing
from submissions.rules.cells import shortened
from submissions.rules.forms import COLUMNS, LABEL, LABEL_SET, PROBABILITY, TOP_K
from submissions.rules.forms import Form as SubmissionForm

MOST_NAMES = 20  # of unused columns, in a line


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
        train, classes, form = read_training_rows(task, _declared_form(entry), sample, entry.predict.group)
        label_sets = train.labels is not None and train.labels.ndim == 2
        submission, metric = submission_form(key, entry, sample, classes, label_sets)
        classes = _as_in_sample(key, task, classes, sample, submission)
        if entry.submission.form is None:
            _check_metric(sample, submission, metric)
        shape = train.images.shape[1:]
        rows = len(train.ids) + len(sample.ids)
        print(f"ingest {key}: {check_space(paths.arrays(key), rows * math.prod(shape))}", flush=True)
        _name_unused_columns(key, entry, train)
        train_rows, remark = _save(part, "train", train)
        remark = train.remark + remark
        del train  # what a reader has in memory, one split at a time
        form = replace(form, image=task.image or shape[:2], channels=shape[2])
        test = read_test_rows(task, form, shape, sample, entry.predict.group)
        test_rows, test_remark = _save(part, "test", test)
        save_json(part / "about.json", {"classes": classes, "image": list(shape)})
    size = "x".join(map(str, shape))
    counts = f"{train_rows} train and {test_rows} test images of {size}, {len(classes)} classes"
    return f"{counts}, submission: {submission.line()}{remark}{test.remark}{test_remark}"


def _declared_form(entry: Task) -> Form:
    task = entry.ingest
    return Form(
        task.image,
        task.pixel_scale,
        task.layout,
        task.background,
        fit=None if task.image is None else task.resize,
        limits=(task.limits,) if isinstance(task.limits, tuple) else task.limits,
        skips_damaged=task.damaged == "skip",
        all_pictures=entry.predict.group is not None,
    )


def _as_in_sample(key: str, task: Ingest, classes: list[Label], sample: Sample, form: SubmissionForm) -> list[Label]:
    """Return the classes in the sample submission's spelling: a submission in another spelling would score 0.

    Raises:
        BadInput: the sample spells some classes differently, but not only as numbers such as `1` and `1.0`, and the
            entry does not declare its classes.
    """
    if form.kind not in (LABEL, LABEL_SET, TOP_K):
        return classes
    path, source = sample.path, Path(task.folder, task.train.labels or task.train.images)
    cells, separator = sample.table[form.columns[0]].tolist(), None if form.kind == LABEL else form.separator
    spellings, is_one_value = class_reader.sample_spellings(classes, cells, separator)
    if not spellings:
        if stranger := class_reader.stranger(classes, cells, separator):
            warn(f"{path}: no label is a class of {source}, for example {quote(stranger)}")
        return classes
    if task.classes is None and class_reader.are_numbers(spellings):
        return class_reader.respelled(classes, spellings)
    (label, spelling), line = next(iter(spellings.items())), class_reader.classes_line(classes, spellings)
    sentence = f"{path}: {quote(spelling)} is {quote(label)} of {source} in another spelling"
    if is_one_value or task.classes is not None:
        warn(f"{sentence}; submissions are written with {quote(label)}")
        return classes
    advice = f"{sentence}; to write it as in {path.name}, put this line into tasks.{key}.ingest: {line}"
    if len(advice) > SENTENCE_CHARACTERS:
        print(line)
        advice = f"{sentence}; to write it as in {path.name}, put the line above into tasks.{key}.ingest"
    raise BadInput(advice)


def _check_metric(sample: Sample, form: SubmissionForm, metric: Metric) -> None:
    """Warn if the sample has probabilities, but the metric judges labels, as the default does."""
    if form.kind in (PROBABILITY, COLUMNS) and metric.judges == "decisions" and not form.label_sets:
        warn(
            f"{sample.path}: it has probabilities, but metric {metric.name} judges classes; if the competition judges "
            "probabilities, write its metric into the entry, such as `metric: log_loss` or `metric: roc_auc`"
        )


def _name_unused_columns(key: str, entry: Task, train: Rows) -> None:
    """Print which columns of the training images no block of the entry uses."""
    group = entry.predict.group
    used = {ANSWER, entry.split.group_column, entry.split.time_column, *(group.columns if group else ())}
    patterns, names = entry.prepare.columns or (), [] if train.columns is None else train.columns.columns.tolist()
    unused = [n for n in names if n not in used and not any(fnmatchcase(n, pattern) for pattern in patterns)]
    if unused:
        line = f"ingest {key}: {len(unused)} columns are not used: {shortened(unused, MOST_NAMES)}"
        print(one_line(f"{line}; prepare.columns would join them to the images"), flush=True)


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
    warn(f"{len(damaged)} damaged {split} images are {remedy}, for example {next(iter(damaged.values()))}")
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
