"""The rows of the two splits: images joined with their ids, labels and other columns, and checked."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.errors import one_line, quote
from pipeline.config.schema import AnswerGroup, Ingest, Label, Split
from pipeline.readers import classes as class_reader
from pipeline.readers.folders import refuse_splits
from pipeline.readers.formats import read_label_file, read_split
from pipeline.readers.id_spellings import Match, check_unique, match_ids, match_most
from pipeline.readers.joining import join_rows
from pipeline.readers.label_table import LabelTable
from pipeline.readers.path_patterns import LABEL, path_fields
from pipeline.readers.raw import Form, Images, Raw, tidy
from pipeline.readers.submissions import Sample
from pipeline.storage.columns import ANSWER
from pipeline.storage.files import BadInput, blame
from submissions.rules.forms import id_position


@dataclass(frozen=True)
class Rows:
    """The checked rows of one split."""

    images: Images
    ids: np.ndarray  # (n,) int64 or text
    labels: np.ndarray | None  # (n,) int64 indices into the classes, or (n, classes) uint8 indicators of label sets
    remark: str  # for the stage's last line
    columns: pd.DataFrame | None = None  # n texts a column: what else is known of an image, such as its patient


def read_training_rows(
    task: Ingest, form: Form, sample: Sample, group: AnswerGroup | None
) -> tuple[Rows, list[Label], Form]:
    """Return the training rows, the classes, and the form with which the test rows must be read.

    Raises:
        BadInput: a file does not match the task's `ingest` block or the other files.
    """
    path = Path(task.folder, task.train.images)
    raw = read_split(path, task.train, form, labelled=task.train.labels is None)
    fields = _fields(raw, path, task.train)
    if task.train.labels is not None:
        source = Path(task.folder, task.train.labels)
        rows, table = _rows_of_label_file(raw, path, source, task, sample, fields)
    else:
        source, (rows, table) = path, _rows_of_images(raw, path, task, fields)
    assert rows.labels is not None
    with blame(path):
        check_unique(rows.ids)
    with blame(source):
        declared = task.classes or table.classes
        if table.separator is None:
            classes, labels = class_reader.class_indices(rows.labels, declared)
        else:
            classes, labels = class_reader.label_set_indicators(rows.labels, declared, table.separator)
        columns = rows.columns
        if group is not None:
            columns = _with_answers(columns, group)
            _check_answers(columns[ANSWER].to_numpy(object), labels)
    for warning in class_reader.class_warnings(classes):
        warn(f"{source}: {warning}")
    remark = rows.remark + ("; colours read plane by plane" if raw.form.layout == "planes" else "") + raw.remark
    return replace(rows, labels=labels, columns=columns, remark=remark), classes, raw.form


def read_test_rows(task: Ingest, form: Form, shape: tuple[int, ...], sample: Sample, group: AnswerGroup | None) -> Rows:
    """Return the test rows. Their ids are those of the sample submission, or with groups their own.

    Raises:
        BadInput: a file does not match the task's `ingest` block, the training images' `shape` or the sample.
    """
    path = Path(task.folder, task.test.images)
    raw = read_split(path, task.test, form, labelled=False)
    if raw.images.shape[1:] != shape:
        sizes = ["x".join(map(str, size)) for size in (raw.images.shape[1:], shape)]
        raise BadInput(f"{path}: images of {sizes[0]}, expected {sizes[1]} as in train; declare image")
    remark = raw.remark + (f"; dropped {raw.label_column} of {path.name}" if raw.label_column else "")
    if raw.ids is None and raw.files is None:
        if raw.images.shape[0] != len(sample.ids):
            raise BadInput(
                f"{sample.path}: {len(sample.ids)} ids for the {raw.images.shape[0]} images of {path}, "
                "which has no ids of its own"
            )
        return Rows(raw.images, sample.ids, None, remark, raw.columns)
    images, ids, columns = _described_test_images(raw, path, task, sample)
    is_shared = path == Path(task.folder, task.train.images)
    with blame(f"{path}, whose ids are compared with those of {sample.path}"):
        if group is not None:
            columns = _with_answers(columns, group)
            columns[ANSWER], spelling = _in_sample_spelling(sample.ids, columns[ANSWER].to_numpy(object))
            ids = ids if task.test.labels is not None else _own_ids(raw)[images]
            return Rows(raw.images.take(images), ids, None, remark + _remark("test", spelling), columns)
        match = match_most(sample.ids, ids)
        left_out = len(ids) - len(sample.ids)
        if (match.rows < 0).any() or (left_out and not is_shared and task.missing == "refuse"):
            match_ids(sample.ids, ids)  # raises, with an example of each side
    order = np.argsort(match.rows)
    images, remark = images[match.rows[order]], remark + _remark("test", match)
    if left_out and not is_shared:
        remark += f"; left out {left_out} test images that the sample does not name"
    columns = None if columns is None else columns.iloc[match.rows[order]]
    return Rows(raw.images.take(images), sample.ids[order], None, remark, columns)


def warn(sentence: str) -> None:
    """Print a warning of the stage."""
    print(f"ingest: warning: {one_line(sentence)}", file=sys.stderr, flush=True)


def _sample_columns(sample: Sample) -> tuple[str, ...]:
    """Return the names of the sample's columns, that of its ids first."""
    names = [str(name) for name in sample.table.columns]
    return names.pop(id_position(sample.table)), *names


def _fields(raw: Raw, path: Path, split: Split) -> pd.DataFrame | None:
    """Return what the images' paths say by the split's pattern, or None without one."""
    if split.path_pattern is None:
        return None
    if raw.files is None:
        raise BadInput(f"{path}: no folder of images, which path_pattern needs")
    with blame(path):
        return path_fields(split.path_pattern, raw.files)


def _rows_of_images(raw: Raw, path: Path, task: Ingest, fields: pd.DataFrame | None) -> tuple[Rows, LabelTable]:
    """Return the rows of images that have labels of their own: in their file, their folder or their name."""
    labels, in_pattern = raw.labels, fields is not None and LABEL in fields
    if fields is not None and in_pattern:
        labels, fields = tidy(fields[LABEL].to_numpy(), "label"), fields.drop(columns=LABEL)
    if labels is None:
        raise BadInput(f"{path}: no labels in it; declare train.labels, label_column, path_pattern or labels_key")
    if len(labels) != raw.images.shape[0]:
        raise BadInput(f"{path}: {len(labels)} labels for its {raw.images.shape[0]} images")
    images = _outside_test_folder(raw, path, task)
    if raw.files is not None and not in_pattern:
        refuse_splits(path, labels[images], task.classes)
    columns = _beside(images, raw.columns, fields)
    table = LabelTable(None, labels, separator=task.train.label_separator)
    return Rows(raw.images.take(images), _own_ids(raw)[images], labels[images], "", columns), table


def _rows_of_label_file(
    raw: Raw, path: Path, source: Path, task: Ingest, sample: Sample, fields: pd.DataFrame | None
) -> tuple[Rows, LabelTable]:
    """Return the rows that have an image and a label, in the order of the images, and the label file.

    A label file without ids must have this order already.
    """
    table = read_label_file(source, task.train, _sample_columns(sample))
    if table.labels is None:
        raise BadInput(f"{source}: no annotations in it, expected those of the training images")
    if table.ids is None:
        if len(table.labels) != raw.images.shape[0]:
            raise BadInput(f"{source}: {len(table.labels)} labels for the {raw.images.shape[0]} images of {path}")
        columns = _joined(table.columns, raw.columns, fields)
        return Rows(raw.images, _own_ids(raw), table.labels, "", columns), table
    images = _outside_test_folder(raw, path, task)
    keys, is_field = _keys(raw, fields, table)
    others = len(sample.ids) if path == Path(task.folder, task.test.images) else 0
    with blame(f"{source}, whose ids are joined to those of {path}"):
        names = table.ids if table.files is None else table.files
        join = join_rows(keys[images], names, task.missing == "skip", others, shared=is_field)
    if join.complaint:
        warn(f"{source} and {path}: {join.complaint}")
    images = images[join.images]
    ids = _own_ids(raw)[images] if is_field else table.ids[join.rows]
    columns = _joined(_beside(join.rows, table.columns), _beside(images, raw.columns, fields))
    remark = _remark("train", join.spelling) + (f"; {join.complaint}" if join.complaint else "")
    return Rows(raw.images.take(images), ids, table.labels[join.rows], remark, columns), table


def _described_test_images(
    raw: Raw, path: Path, task: Ingest, sample: Sample
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame | None]:
    """Return the test images (k,), their ids and their columns, from the file `test.labels` if there is one."""
    fields = _fields(raw, path, task.test)
    images = np.arange(raw.images.shape[0])
    if task.test.labels is None:
        return images, _written_ids(raw), _beside(images, raw.columns, fields)
    source = Path(task.folder, task.test.labels)
    table = read_label_file(source, task.test, _sample_columns(sample), labelled=False)
    keys, is_field = _keys(raw, fields, table)
    assert table.ids is not None
    with blame(f"{source}, whose ids are joined to those of {path}"):
        join = join_rows(keys, table.ids if table.files is None else table.files, skip=True, shared=is_field)
    images = join.images
    columns = _joined(_beside(join.rows, table.columns), _beside(images, raw.columns, fields))
    return images, _own_ids(raw)[images] if is_field else table.ids[join.rows], columns


def _keys(raw: Raw, fields: pd.DataFrame | None, table: LabelTable) -> tuple[np.ndarray, bool]:
    """Return what joins each image to its row, and whether it is a field of its path, which images can share."""
    if fields is not None and table.id_name is not None and table.id_name in fields:
        return fields[table.id_name].to_numpy(str), True
    return _written_ids(raw), False


def _outside_test_folder(raw: Raw, path: Path, task: Ingest) -> np.ndarray:
    """Return the images (k,) that do not lie in the folder of the test images."""
    test = Path(task.folder, task.test.images)
    if raw.files is None or path == test or not test.is_relative_to(path):
        return np.arange(raw.images.shape[0])
    prefix = f"{test.relative_to(path).as_posix()}/"
    return np.flatnonzero([not name.startswith(prefix) for name in raw.files])


def _beside(rows: np.ndarray, *frames: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return these rows of all frames, side by side."""
    return _joined(*(None if frame is None else frame.iloc[rows] for frame in frames))


def _joined(*frames: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return frames of equal length side by side. Of two columns with one name, the first one counts."""
    known: Iterable[pd.DataFrame] = [frame.reset_index(drop=True) for frame in frames if frame is not None]
    columns = {name: frame[name] for frame in reversed(list(known)) for name in frame}
    return pd.DataFrame(columns) if columns else None


def _with_answers(columns: pd.DataFrame | None, group: AnswerGroup) -> pd.DataFrame:
    """Return the columns and ANSWER, the text that names the answer to which each image belongs."""
    columns = pd.DataFrame() if columns is None else columns
    missing = [name for name in group.columns if name not in columns]
    if missing:
        known = ", ".join(map(quote, columns.columns.tolist()[:6])) or "none"
        raise ValueError(f"no column {quote(missing[0])} for predict.group; the columns are {known}")
    return columns.assign(**{ANSWER: columns[list(group.columns)].agg("_".join, axis=1)})


def _check_answers(answers: np.ndarray, labels: np.ndarray) -> None:
    """Raise ValueError if images with one answer have different labels."""
    _, firsts, inverse = np.unique(answers.astype(str), return_index=True, return_inverse=True)
    differs = labels != labels[firsts[inverse]]
    differs = differs.any(axis=1) if labels.ndim == 2 else differs
    if differs.any():
        raise ValueError(f"the images of {quote(answers[differs.argmax()])} have different labels, expected one answer")


def _in_sample_spelling(sample_ids: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, Match]:
    """Return the id (n,) text of the sample to which each answer (n,) belongs, and the spelling."""
    names, inverse = np.unique(answers.astype(str), return_inverse=True)
    match = match_ids(sample_ids, names)
    ids = np.empty(len(names), object)
    ids[match.rows] = sample_ids.astype(str)
    return ids[inverse], match


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
