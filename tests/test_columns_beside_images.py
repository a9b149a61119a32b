"""A table with images has other columns too, such as patients, and folds keep these together."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import ingest, prepare, split
from pipeline.config.schema import load_params
from pipeline.storage import paths
from pipeline.storage.columns import load_column
from pipeline.storage.task_data import TaskData
from tests.projects import member, task, write_params

ROWS = 24
PIXELS = np.random.default_rng(0).integers(0, 256, (ROWS, 5, 5)).astype(np.uint8)
LABELS = np.arange(ROWS) % 2
PATIENTS = np.array([f"patient {row // 3}" for row in range(ROWS)])
TABLE = pd.DataFrame({"patient": PATIENTS, "label": LABELS})


def write_pixel_columns(path):
    pixels = pd.DataFrame(PIXELS.reshape(ROWS, -1)).add_prefix("pixel")
    TABLE.join(pixels).to_csv(path, index=False)


def write_pixel_cells(path):
    cells = [" ".join(map(str, image.ravel())) for image in PIXELS]
    TABLE.assign(pixels=cells).to_csv(path, index=False)


def write_json(path):
    images = [{"band": image.ravel().tolist()} for image in PIXELS]
    path.write_text(json.dumps([row | image for row, image in zip(TABLE.to_dict("records"), images, strict=True)]))


def write_npz(path):
    with path.open("wb") as file:
        np.savez(file, x=PIXELS, label=LABELS, patient=PATIENTS)


def write_pickle(path):
    batch = {b"data": PIXELS, b"label": LABELS.tolist(), b"patient": [name.encode() for name in PATIENTS]}
    path.write_bytes(pickle.dumps(batch, 2))


@pytest.mark.parametrize("write", [write_pixel_columns, write_pixel_cells, write_json, write_npz, write_pickle])
@pytest.mark.parametrize("files", ["train", "train_*"])
def test_patients_in_the_table_of_the_images_stay_in_one_fold(tmp_path, monkeypatch, write, files):
    monkeypatch.chdir(tmp_path)
    Path("raw").mkdir()
    for name in ["train"] if files == "train" else ["train_1", "train_2"]:
        write(Path("raw", name))
    write(Path("raw/test"))
    pd.DataFrame({"id": range(ROWS), "label": 0}).to_csv("raw/sample.csv", index=False)
    keys = {"images_key": "x"} if write is write_npz else {}
    block = {"folder": "raw", "train": {"images": files, **keys}, "test": {"images": "test", **keys}}
    block |= {"sample_submission": "sample.csv", "limits": "robust" if write is write_json else None}
    tasks = {"t": task("raw", ingest=block, split={"count": 4, "group_column": "patient"})}
    write_params(Path(), tasks, {"m": member("t")})
    params = load_params(paths.PARAMS)
    for run in (ingest.ingest, prepare.prepare, split.split):
        line = run(params, "t")
    assert "; 8 groups of patient stay together" in line
    data = TaskData("t")
    patients = load_column("t", "train", "patient", data.train_ids)
    assert patients.tolist() == [*PATIENTS] * (len(patients) // ROWS)
    assert (pd.Series(data.folds).groupby(patients).nunique() == 1).all()
    assert load_column("t", "test", "patient", data.test_ids).tolist() == [*PATIENTS]
