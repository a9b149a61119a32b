"""Files of predictions: what is no probabilities of the task's rows is refused where it is read, in one sentence."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import ensemble
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.storage.predictions import (
    Predictions,
    fold_test,
    load_aligned,
    load_predictions,
    load_test_models,
    save_predictions,
)
from tests.projects import environment, member, to_folds, write_blobs

IDS = np.array([10, 11, 12])
EVEN = np.full((3, 2), 0.5, np.float32)


def changed(row: int, values: list[float]) -> np.ndarray:
    probabilities = EVEN.copy()
    probabilities[row] = values
    return probabilities


def written(path: Path, probabilities: np.ndarray, **others: np.ndarray) -> Path:
    np.savez(path, **{"ids": IDS, "probabilities": probabilities, "classes": np.array(["a", "b"])} | others)
    return path


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        (changed(1, [np.nan, 0.5]), "id 11 has probability nan of class a, expected a number within 0..1"),
        (changed(2, [1.5, -0.5]), "id 12 has probability 1.5 of class a, expected a number within 0..1"),
        (changed(0, [0.5, -0.25]), "id 10 has probability -0.25 of class b, expected a number within 0..1"),
        (changed(0, [np.inf, 0]), "id 10 has probability inf of class a"),
        (changed(1, [0.5, 0.25]), "the probabilities of id 11 sum to 0.7500, expected 1"),
        (EVEN[:2], r"probabilities of shape \(2, 2\), expected \(3, 2\), a row for each id"),
        (np.full((3, 3), 1 / 3), r"probabilities of shape \(3, 3\), expected \(3, 2\)"),
        (EVEN[0], r"probabilities of shape \(2,\), expected \(3, 2\)"),
        (np.full((3, 2), "0.5"), "probabilities are of type <U3, expected float32"),
    ],
)
def test_rows_that_are_no_probabilities_are_refused(tmp_path, probabilities, expected):
    path = written(tmp_path / "test.npz", probabilities)
    with pytest.raises(BadInput, match=rf"test\.npz: {expected}") as error:
        load_predictions(path, label_sets=False)
    assert len(str(error.value).replace(str(path), "")) < 200


def test_label_sets_need_not_sum_to_one(tmp_path):
    path = written(tmp_path / "test.npz", changed(1, [0.5, 0.25]))
    assert load_predictions(path, label_sets=True).probabilities[1].tolist() == [0.5, 0.25]
    with pytest.raises(BadInput, match=r"id 11 has probability 1\.25 of class b"):
        load_predictions(written(path, changed(1, [0.5, 1.25])), label_sets=True)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x00" * 100, b"\x80\x04."])
def test_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "test.npz"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"test\.npz: not a predictions file"):
        load_predictions(path, label_sets=False)


def test_every_cut_of_a_file_is_refused(tmp_path):
    path = tmp_path / "test.npz"
    whole = written(path, EVEN).read_bytes()
    for size in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:size])
        with pytest.raises(BadInput, match="not a predictions file"):
            load_predictions(path, label_sets=False)


def test_an_array_alone_is_refused(tmp_path):
    path = tmp_path / "test.npz"
    with path.open("wb") as file:
        np.save(file, EVEN)
    with pytest.raises(BadInput, match="not a predictions file"):
        load_predictions(path, label_sets=False)


@pytest.mark.parametrize(
    ("ids", "classes", "expected"),
    [
        ([10, 11, 13], ["a", "b"], "id 13 is missing"),
        ([10, 11, 12], ["a", "c"], r"class 1 \(counted from 0\) is 'b', expected 'c' as in the task"),
        ([10, 11, 12], ["a"], "2 classes, expected the 1 of the task"),
        ([10, 11, 12, 13], ["a", "b"], "id 13 is missing"),
    ],
)
def test_rows_and_columns_are_those_of_the_task(tmp_path, ids, classes, expected):
    path = written(tmp_path / "test.npz", EVEN)
    with pytest.raises(BadInput, match=rf"test\.npz: {expected}"):
        load_aligned(path, np.array(ids), classes, label_sets=False)


def test_the_models_of_a_member_come_in_the_order_of_their_folds(tmp_path):
    shares = np.linspace(0, 1, 12)
    for fold, share in enumerate(shares):
        fold_predictions = Predictions(IDS[::-1], np.tile([share, 1 - share], (3, 1)), ["a", "b"])
        save_predictions(tmp_path / fold_test(fold), fold_predictions)
    save_predictions(tmp_path / "test.npz", Predictions(IDS, EVEN, ["a", "b"]))
    models = load_test_models(tmp_path, IDS, ["a", "b"], label_sets=False)
    assert models[:, 0, 0] == pytest.approx(shares, abs=1e-6)
    for fold in range(12):
        (tmp_path / fold_test(fold)).unlink()
    assert load_test_models(tmp_path, IDS, ["a", "b"], label_sets=False).shape == (1, 3, 2)


def test_the_stage_refuses_a_members_bad_row_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(Path("raw"))
    params = to_folds({"m": member("blobs")})
    folder = paths.images("blobs")
    train_ids, test_ids = (np.load(folder / f"{split}_ids.npy") for split in ("train", "test"))
    folds = np.genfromtxt(paths.folds("blobs"), delimiter=",", skip_header=1, dtype=int)[:, 1]
    oof = np.full((len(train_ids), 3), 1 / 3)
    save_predictions(paths.predictions("blobs", "m") / "oof.npz", Predictions(train_ids, oof, [0, 1, 2], folds))
    test = Predictions(test_ids, np.full((len(test_ids), 3), 1 / 3), [0, 1, 2])
    save_predictions(paths.predictions("blobs", "m") / "test.npz", test)
    assert "honest out-of-fold accuracy" in ensemble.ensemble(params, "blobs")
    before = (paths.ensemble("blobs") / "ensemble.json").read_bytes()
    oof[4] = [np.nan, 0, 0]
    save_predictions(paths.predictions("blobs", "m") / "oof.npz", Predictions(train_ids, oof, [0, 1, 2], folds))
    process = subprocess.run(
        [sys.executable, "-m", "pipeline.ensemble", "blobs"], capture_output=True, text=True, env=environment()
    )
    sentence = f"m/oof.npz: id {train_ids[4]} has probability nan of class 0, expected a number within 0..1"
    assert process.returncode == 1 and sentence in process.stderr and len(process.stderr.splitlines()) == 1
    assert (paths.ensemble("blobs") / "ensemble.json").read_bytes() == before
