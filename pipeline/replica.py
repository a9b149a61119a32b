"""`python -m pipeline.replica REPLICA`: write the raw files of a synthetic competition, from labelled images."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from features.items.composing import Composition, compose, paint
from pipeline.config.schema import Params, Replica
from pipeline.readers.image_sets import Images, Source, load_source
from pipeline.running.stage import run
from pipeline.storage import paths
from pipeline.storage.files import BadInput, blame, save_json, writing

# The images of the price-sum competition, and its numbers of rows.
CANVAS_PIXELS = (64, 128)  # height, width
ITEMS = 3
SUMS = tuple(range(5, 14))
TRAIN_ROWS, TEST_ROWS = 60_000, 10_000

PUBLIC_SHARE = 0.3  # of the test rows
PICKLE_PROTOCOL = 5  # the first that writes a large array without copying it
CSV_CHUNK_ROWS = 2048
PIXEL_TEXTS = np.array([f",{value}" for value in range(256)], "S4")


def replica(params: Params, key: str) -> str:
    """Write the raw files of `params.replicas[key]`. The same seed gives the same bytes."""
    if key not in params.replicas:
        known = ", ".join(params.replicas) or "none"
        raise BadInput(f"{paths.PARAMS}: replicas has no entry {key!r}; it has {known}")
    options = params.replicas[key]
    source = load_source(options.source)
    rng = np.random.default_rng(options.seed)
    with writing(paths.replica(key)) as folder, blame(f"{paths.PARAMS}: replicas.{key}"):
        folder.mkdir()
        train_rows, test_rows = FORMS[options.form](folder, options, source, rng)
        save_json(folder / paths.REPLICA_SOURCE, {"source": options.source, "is_original": source.is_original})
    others = "" if source.is_original else f", of other images than {options.source}'s: no published score compares"
    return f"{train_rows} training and {test_rows} test images in {paths.replica(key)}{others}"


def _fashion(folder: Path, options: Replica, source: Source, rng: np.random.Generator) -> tuple[int, int]:
    if options.items_per_class is not None:
        raise ValueError(f"items_per_class: {options.items_per_class}, expected none: this form shows no items")
    missing = set(options.labels or ()) - set(source.train.labels.tolist())
    if missing:
        raise ValueError(f"labels: {min(missing)} is no label of the source")
    train = _sample(_with_labels(source.train, options.labels), options.train_rows, rng, "train_rows")
    test = _sample(_with_labels(source.test, options.labels), options.test_rows, rng, "test_rows")
    write_pixels(folder / "train.csv", train.pixels, {"Id": np.arange(len(train.labels)), "Label": train.labels})
    write_pixels(folder / "testX.csv", test.pixels, {"Id": np.arange(len(test.labels))})
    guesses = rng.choice(np.unique(train.labels), len(test.labels))
    _write_answers(folder, "sample_submission.csv", ("Id", "Label"), guesses, test.labels, rng)
    return len(train.labels), len(test.labels)


def _with_labels(images: Images, labels: tuple[int, ...] | None) -> Images:
    """Return the images with one of the labels, or all images if it is None."""
    if labels is None:
        return images
    takes_part = np.isin(images.labels, labels)
    return Images(images.pixels[takes_part], images.labels[takes_part])


def _sample(images: Images, rows: int | None, rng: np.random.Generator, name: str) -> Images:
    """Return `rows` of the images in a random order, or all images if it is None."""
    available = len(images.labels)
    rows = available if rows is None else rows
    if not 1 <= rows <= available:
        raise ValueError(f"{name}: {rows} is not within 1..{available}, the images that the source has")
    order = rng.permutation(available)[:rows]
    return Images(images.pixels[order], images.labels[order])


def write_pixels(path: Path, pixels: np.ndarray, first_columns: dict[str, np.ndarray]) -> None:
    """Write a CSV of whole numbers: `first_columns`, then `pixel1` and so on, one column for each pixel, row-major.

    It looks up each value in a table of 256 texts, which is ten times as fast as pandas.

    Args:
        path: the file.
        pixels: uint8 (n, height, width), or (n, height, width, channels) with the channels of a pixel side by side.
        first_columns: ints (n,) by name.
    """
    flat = pixels.reshape(len(pixels), -1)
    first = pd.DataFrame(first_columns).astype(str).agg(",".join, axis=1).to_numpy(dtype="S")
    names = [*first_columns, *(f"pixel{number}" for number in range(1, flat.shape[1] + 1))]
    with path.open("wb") as file:
        file.write(",".join(names).encode() + b"\n")
        for start in range(0, len(flat), CSV_CHUNK_ROWS):
            rows = slice(start, start + CSV_CHUNK_ROWS)
            cells = PIXEL_TEXTS[flat[rows]].view(np.uint8)  # (rows, 4 a pixel), short texts padded with zeros
            starts = first[rows].view(np.uint8).reshape(len(cells), -1)
            ends = np.full((len(cells), 1), ord("\n"), np.uint8)
            file.write(np.hstack([starts, cells, ends]).tobytes().translate(None, b"\0"))


def _price_sum(folder: Path, options: Replica, source: Source, rng: np.random.Generator) -> tuple[int, int]:
    return _write_item_competition(folder, options, source, rng, "class", lambda composition, pool: composition.sums)


def _item_kinds(folder: Path, options: Replica, source: Source, rng: np.random.Generator) -> tuple[int, int]:
    """Write a competition with label sets: the kinds of items in price-sum images."""
    return _write_item_competition(folder, options, source, rng, "labels", _kinds)


def _kinds(composition: Composition, pool: Images) -> np.ndarray:
    """Return the label set (n,) of each image's items as a text: every label once, in order."""
    return np.array([" ".join(map(str, np.unique(row))) for row in pool.labels[composition.items]], object)


def _write_item_competition(
    folder: Path,
    options: Replica,
    source: Source,
    rng: np.random.Generator,
    label_column: str,
    labels_of: Callable[[Composition, Images], np.ndarray],
) -> tuple[int, int]:
    if not source.price_of:
        raise ValueError(f"form: {options.form!r}, expected 'fashion': the images of {options.source} have no prices")
    if options.labels is not None:
        raise ValueError(f"labels: {list(options.labels)}, expected none: this form shows the items that have prices")
    train_rows = TRAIN_ROWS if options.train_rows is None else options.train_rows
    test_rows = TEST_ROWS if options.test_rows is None else options.test_rows
    if min(train_rows, test_rows) < 1:
        raise ValueError(f"train_rows and test_rows are {train_rows} and {test_rows}, expected at least 1")
    train = _first_per_class(_priced(source.train, source.price_of), options.items_per_class)
    test = train if options.pool == "shared" else _priced(source.test, source.price_of)
    labels = labels_of(_write_composed(folder / "Train.pkl", train_rows, train, source.price_of, rng), train)
    _write_csv(folder / "TrainLabels.csv", {"id": np.arange(train_rows), label_column: labels})
    answers = labels_of(_write_composed(folder / "Test.pkl", test_rows, test, source.price_of, rng), test)
    guesses = rng.choice(np.unique(answers), test_rows)
    _write_answers(folder, "ExampleSubmissionRandom.csv", ("id", label_column), guesses, answers, rng)
    return train_rows, test_rows


def _priced(images: Images, price_of: dict[int, int]) -> Images:
    has_price = np.isin(images.labels, list(price_of))
    return Images(images.pixels[has_price], images.labels[has_price])


def _first_per_class(images: Images, count: int | None) -> Images:
    """Return the first `count` images of each class, or all images if it is None."""
    if count is None:
        return images
    rows_by_class = [np.flatnonzero(images.labels == label) for label in np.unique(images.labels)]
    available = min(map(len, rows_by_class))
    if not 1 <= count <= available:
        raise ValueError(f"items_per_class: {count} is not within 1..{available}, the items that every class has")
    first_rows = np.sort(np.concatenate([rows[:count] for rows in rows_by_class]))
    return Images(images.pixels[first_rows], images.labels[first_rows])


def _write_composed(
    path: Path, rows: int, pool: Images, price_of: dict[int, int], rng: np.random.Generator
) -> Composition:
    """Write a pickle of images, uint8 (rows, height, width), composed from the pool, and return their composition."""
    prices = np.array([price_of[label] for label in pool.labels.tolist()])
    composition = compose(rng, rows, prices, SUMS, ITEMS, pool.pixels.shape[1:], CANVAS_PIXELS)
    with path.open("wb") as file:
        pickle.dump(paint(composition, pool.pixels, CANVAS_PIXELS), file, protocol=PICKLE_PROTOCOL)
    return composition


def _write_answers(
    folder: Path,
    sample: str,
    columns: tuple[str, str],
    guesses: np.ndarray,
    answers: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Write the sample submission, and the solution with a column for public and private rows."""
    ids = np.arange(len(answers))
    usage = np.full(len(answers), "Private", object)
    usage[rng.permutation(len(answers))[: round(PUBLIC_SHARE * len(answers))]] = "Public"
    _write_csv(folder / sample, {columns[0]: ids, columns[1]: guesses})
    _write_csv(folder / "solution.csv", {columns[0]: ids, columns[1]: answers, "Usage": usage})


def _write_csv(path: Path, columns: dict[str, np.ndarray]) -> None:
    pd.DataFrame(columns).to_csv(path, index=False, lineterminator="\n")


FORMS: dict[str, Callable[..., tuple[int, int]]] = {
    "fashion": _fashion,
    "price_sum": _price_sum,
    "item_kinds": _item_kinds,
}


if __name__ == "__main__":
    run("replica", replica)
