"""Competitions of measured values instead of photos."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tests.competitions.pictures import cycle, names
from tests.competitions.tables import TEST_ROWS, TRAIN_ROWS, one_column, with_sample, write_csv


def seti(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Every image is an array of six spectrograms, float16."""
    table = one_column("id", "target")
    train = table(names("", TRAIN_ROWS), cycle(TRAIN_ROWS, 2))
    test = table(names("", TEST_ROWS, 99), cycle(TEST_ROWS, 2))
    for split, images in (("train", train), ("test", test)):
        for image_id, kind in images.itertuples(index=False):
            path = folder / split / image_id[0] / f"{image_id}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            signal = rng.normal(0, 1, (6, 24, 20))
            signal[::2, 4:8] += 8 * kind
            np.save(path, signal.astype(np.float16))
    write_csv(train, folder / "train_labels.csv")
    return with_sample(test, folder / "sample_submission.csv", 0.5)


def statoil(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Two radar bands of 75x75 decibels, below zero, as JSON numbers."""
    kinds, truth = cycle(TRAIN_ROWS, 2), cycle(TEST_ROWS, 2)
    train, test = names("d", TRAIN_ROWS), names("5", TEST_ROWS, 99)
    records = [_record(name, kind, rng) | {"is_iceberg": kind} for name, kind in zip(train, kinds, strict=True)]
    (folder / "train.json").write_text(json.dumps(records))
    records = [_record(name, kind, rng) for name, kind in zip(test, truth, strict=True)]
    (folder / "test.json").write_text(json.dumps(records))
    return with_sample(one_column("id", "is_iceberg")(test, truth), folder / "sample_submission.csv", 0.5)


def _record(name: str, kind: int, rng: np.random.Generator) -> dict:
    bands = rng.normal(-25, 2, (2, 75, 75))
    bands[:, 30:45, 30:45] += 20 * kind + 5
    flat = {f"band_{number}": band.ravel().round(4).tolist() for number, band in enumerate(bands, 1)}
    return {"id": name, **flat, "inc_angle": "na" if rng.random() < 0.1 else round(rng.uniform(30, 45), 4)}


WRITERS = {"seti-breakthrough-listen": seti, "statoil-iceberg-classifier-challenge": statoil}
