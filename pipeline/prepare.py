"""`python -m pipeline.prepare TASK`: write the images for all models, their statistics and their audit."""

import hashlib
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from features.images import audit
from features.images.audit_warnings import audit_warnings
from features.images.pixels import pad, resize
from features.images.statistics import image_statistics
from features.labels.targets import distinct_labels
from pipeline.config.errors import quote
from pipeline.config.schema import Items, Params, Prepare
from pipeline.running.stage import run, task_of
from pipeline.storage import paths
from pipeline.storage.columns import load_table
from pipeline.storage.disk import check_space
from pipeline.storage.files import (
    BadInput,
    blame,
    chunks,
    link,
    load_array,
    load_json,
    save_array,
    save_chunks,
    save_json,
    writing,
)

SPLITS = ("train", "test")
NEAR_COPIES_FROM_PIXELS = 64  # hashes of smaller images join what is different


def prepare(params: Params, key: str) -> str:
    """Reshape the images of a task, compute statistics of the training images, and write `paths.images(key)`.

    Raises:
        BadInput: the arrays are missing or damaged, or do not match the task's `prepare` block.
        OSError: the disk is full.
    """
    task, arrays = task_of(params, key).prepare, paths.arrays(key)
    about = load_json(arrays / "about.json", {"classes": list})
    new_bytes = _new_bytes(arrays, task)
    if new_bytes:
        print(f"prepare {key}: {check_space(paths.images(key), new_bytes)}", flush=True)
    with writing(paths.images(key)) as part:
        part.mkdir()
        with blame(arrays):
            _reshape(arrays, part, task)
            items = None if task.items is None else task.items.model_dump() | _crop(part, task.items)
        shape = list(load_array(part / "train_images.npy").shape[1:])
        columns = {} if task.columns is None else {"columns": _write_columns(key, part, task.columns)}
        save_json(part / "about.json", {"classes": about["classes"], "image": shape, "items": items, **columns})
        save_json(part / "statistics.json", _statistics(part))
        near_copies = _near_copies(arrays, part) if _look_for_near_copies(params, key) else {}
        audit_report = _audit(part, about["classes"], items, near_copies)
    for warning in audit_report["warnings"]:
        print(f"prepare: warning: {paths.images(key) / 'audit.json'}: {warning}", file=sys.stderr, flush=True)
    copies = audit_report["duplicates_within_train"]["rows"]
    warning_note = f", {len(audit_report['warnings'])} warning(s) above" if audit_report["warnings"] else ""
    black = items and items.get("black")
    noise = f", pixels up to {black} count as black between items" if black else ""
    size = "x".join(map(str, shape))
    return f"images of {size}{noise}, {copies} training images have a copy among them{warning_note}"


def _new_bytes(arrays: Path, task: Prepare) -> int:
    """Return the size of the images and items that are written, and not linked."""
    size_bytes = 0
    for split in SPLITS:
        images = load_array(arrays / f"{split}_images.npy")
        rows, _, _, channels = images.shape
        new_size = task.pad_pixels or task.resize_pixels
        if new_size is not None:
            size_bytes += rows * math.prod(new_size) * channels
        if task.items is not None and task.items.size_pixels is not None:
            size_bytes += rows * task.items.count * math.prod(task.items.size_pixels) * channels
    return size_bytes


def _reshape(arrays: Path, folder: Path, task: Prepare) -> None:
    for name in ("train_ids", "train_labels", "test_ids"):
        save_array(folder / f"{name}.npy", load_array(arrays / f"{name}.npy"))
    for split in SPLITS:
        images = load_array(arrays / f"{split}_images.npy")
        if task.pad_pixels is None and task.resize_pixels is None:
            link(arrays / f"{split}_images.npy", folder / f"{split}_images.npy")
            continue
        sizes = (task.pad_pixels, task.resize_pixels, images.shape[1:3])
        height, width = next(size for size in sizes if size is not None)
        shape = (len(images), height, width, images.shape[3])
        save_chunks(folder / f"{split}_images.npy", shape, images.dtype, _reshaped(images, task))


def _reshaped(images: np.ndarray, task: Prepare) -> Iterator[np.ndarray]:
    for part in chunks(images):
        if task.resize_pixels is not None:
            part = resize(part, task.resize_pixels)
        if task.pad_pixels is not None:
            part = pad(part, task.pad_pixels)
        yield part


def _crop(folder: Path, task: Items) -> dict[str, int]:
    """Write the items of every image, uint8 (n, count, h, w, c), if items have a size, and return the key `black`."""
    if task.size_pixels is None:
        return {}
    from features.items.black import black_threshold
    from features.items.locating import crop_items

    black = black_threshold(load_array(folder / "train_images.npy"), task.count, task.size_pixels)
    for split in SPLITS:
        images = load_array(folder / f"{split}_images.npy")
        shape = (len(images), task.count, *task.size_pixels, images.shape[3])
        items = (crop_items(part, task.count, task.size_pixels, black) for part in chunks(images))
        save_chunks(folder / f"{split}_items.npy", shape, images.dtype, items)
    return {"black": black}


def _write_columns(key: str, folder: Path, patterns: Sequence[str]) -> dict[str, Any]:
    """Write the table's columns, float32 (n, columns), for each split, and return their names and categories."""
    from features.table import read_table

    frames = [load_table(key, split, patterns, load_array(folder / f"{split}_ids.npy")) for split in SPLITS]
    lacking = [name for name in frames[0] if name not in frames[1]]
    if lacking:
        raise BadInput(
            f"{paths.arrays(key) / 'test_columns.csv'}: no column {quote(lacking[0])}, which train has and "
            "prepare.columns names; declare test.labels"
        )
    with blame(paths.arrays(key) / "train_columns.csv"):
        table = read_table(frames[0], frames[1][list(frames[0])])
    save_array(folder / "train_columns.npy", table.train)
    save_array(folder / "test_columns.npy", table.test)
    digest = hashlib.blake2b(table.train.tobytes(), digest_size=16).hexdigest()
    return {"names": table.names, "categories": table.categories, "digest": digest}


def _statistics(folder: Path) -> dict[str, Any]:
    """Write the per-pixel means, and return the content of `statistics.json`. Both use training images only."""
    statistics: dict[str, Any] = {}
    for name in ("images", "items"):
        path = folder / f"train_{name}.npy"
        if not path.exists():
            continue
        with blame(path):
            mean, std, pixel_mean = image_statistics(
                part.reshape(-1, *part.shape[-3:]) for part in chunks(load_array(path))
            )
        save_array(folder / f"{name}_mean.npy", pixel_mean.astype(np.float32))
        statistics[name] = {"mean": mean.tolist(), "std": std.tolist()}
    return {**statistics, "digest": _digest(folder)}


def _digest(folder: Path) -> str:
    """Return one digest of the training images, labels and ids."""
    digest = hashlib.blake2b(digest_size=16)
    for name in ("images", "labels", "ids"):
        array = load_array(folder / f"train_{name}.npy")
        digest.update(f"{name} {array.shape} {array.dtype.str}".encode())
        for part in chunks(array):
            digest.update(np.ascontiguousarray(part).view(np.uint8).data)
    return digest.hexdigest()


def _look_for_near_copies(params: Params, key: str) -> bool:
    task, shape = task_of(params, key), load_array(paths.arrays(key) / "train_images.npy").shape
    if task.split.near_copies is not None:
        return task.split.near_copies
    return min(shape[1:3]) >= NEAR_COPIES_FROM_PIXELS and task.prepare.items is None


def _near_copies(arrays: Path, folder: Path) -> dict[str, Any]:
    """Write the groups of near-copies among the training images, and return the audit's entries about near-copies."""
    from features.images.near_copies import fingerprints, least_correlation, near_copies, near_copy_groups

    images = {split: load_array(arrays / f"{split}_images.npy") for split in SPLITS}
    ids = {split: load_array(folder / f"{split}_ids.npy") for split in SPLITS}
    copies = audit.groups_of(audit.row_digests(chunks(images["train"])))
    firsts = np.unique(copies)
    train, test = (fingerprints(chunks(images[split])) for split in SPLITS)
    train, least = train.take(firsts), least_correlation(train)
    leaders = firsts[near_copy_groups(train, least)][np.searchsorted(firsts, copies)]
    save_array(folder / "train_near_copies.npy", leaders)
    test_rows, train_rows, _ = near_copies(test, train, least)
    return {
        "near_copies_within_train": {"correlation": least, **audit.near_copies_within(leaders, copies, ids["train"])},
        "near_copies_across_train_and_test": audit.near_copies_across(
            firsts[train_rows], ids["train"], test_rows, ids["test"]
        ),
    }


def _audit(
    folder: Path, classes: list[int | str], items: dict[str, Any] | None, near_copies: dict[str, Any]
) -> dict[str, Any]:
    """Write the audit and the groups of identical training images, and return the audit."""
    images = {split: load_array(folder / f"{split}_images.npy") for split in SPLITS}
    ids = {split: load_array(folder / f"{split}_ids.npy") for split in SPLITS}
    labels = load_array(folder / "train_labels.npy")
    digests = {split: audit.row_digests(chunks(images[split])) for split in SPLITS}
    constant = {split: audit.constant_rows(chunks(images[split])) for split in SPLITS}
    report: dict[str, Any] = {
        "rows": {split: len(images[split]) for split in SPLITS},
        "balance": audit.balance(labels, classes),
        **({"labels_per_image": audit.labels_per_image(labels)} if labels.ndim == 2 else {}),
        "duplicates_within_train": audit.duplicates_within(digests["train"], ids["train"]),
        "duplicates_across_train_and_test": audit.duplicates_across(
            digests["train"], ids["train"], digests["test"], ids["test"]
        ),
        **near_copies,
        "conflicting_labels": audit.label_conflicts(digests["train"], ids["train"], *distinct_labels(labels, classes)),
        "constant_images": {
            split: {"rows": len(rows), "examples": ids[split][rows[: audit.EXAMPLES]].tolist()}
            for split, rows in constant.items()
        },
    }
    if items is not None and "black" in items:
        report["unlocated_items"] = _unlocated(folder, ids, items["black"])
        # With noise every item is unique, so equal pixels have no meaning.
        report["known_items"] = _known(folder) if items["black"] == 0 else None
    report["warnings"] = audit_warnings(report)
    save_json(folder / "audit.json", report)
    save_array(folder / "train_groups.npy", audit.groups_of(digests["train"]))
    return report


def _unlocated(folder: Path, ids: dict[str, np.ndarray], black: int) -> dict[str, Any]:
    """Return the audit's entry about images whose items could not be located."""
    entries = {}
    for split in SPLITS:
        lacking, dropped = audit.unlocated_rows(_with_items(folder, split), black)
        rows = np.union1d(lacking, dropped)
        entries[split] = {
            "rows": len(rows),
            "rows_lacking_items": len(lacking),
            "rows_with_pixels_in_no_item": len(dropped),
            "examples": ids[split][rows[: audit.EXAMPLES]].tolist(),
        }
    return entries


def _known(folder: Path) -> dict[str, Any]:
    """Return the audit's entry about images all of whose items also occur in another training image."""
    items = [load_array(folder / f"{split}_items.npy") for split in SPLITS]
    rows = audit.rows_of_known_items(*audit.item_numbers(*items))
    return {split: {"rows": len(split_rows)} for split, split_rows in zip(SPLITS, rows, strict=True)}


def _with_items(folder: Path, split: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    items, start = load_array(folder / f"{split}_items.npy"), 0
    for part in chunks(load_array(folder / f"{split}_images.npy")):
        yield part, items[start : start + len(part)]
        start += len(part)


if __name__ == "__main__":
    run("prepare", prepare)
