import errno
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.storage import paths
from pipeline.storage.checkpoint import load_state, save_state
from pipeline.storage.files import BadInput, align, blame, load_array, load_json, save_array, writing
from pipeline.storage.predictions import Predictions, load_predictions, save_predictions
from pipeline.storage.task_data import TaskData


@given(st.lists(st.integers(-50, 50), unique=True, min_size=1), st.randoms())
def test_align_finds_every_id(ids, random):
    wanted_ids = ids.copy()
    random.shuffle(wanted_ids)
    assert (np.array(ids)[align(np.array(wanted_ids), np.array(ids))] == wanted_ids).all()


def test_align_joins_numbers_and_texts():
    assert align(np.array(["2", "1"]), np.array([1, 2])).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("wanted_ids", "ids", "sentence"),
    [
        ([1, 2, 3], [1, 2], "id 3 is missing"),
        ([1, 2], [1, 2, 3], "id 3 is not expected"),
        ([1, 2], [1, 1], "id 1 occurs twice among the ids"),
        ([2, 2], [1, 2], "id 2 occurs twice among the expected ids"),
    ],
)
def test_align_refuses_all_else(wanted_ids, ids, sentence):
    with pytest.raises(ValueError, match=sentence):
        align(np.array(wanted_ids), np.array(ids))


def test_writing_leaves_all_or_nothing(tmp_path):
    path = tmp_path / "out"
    with pytest.raises(RuntimeError), writing(path) as part:
        part.mkdir()
        (part / "half").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    for text in ("first", "second"):
        with writing(path) as part:
            part.mkdir()
            (part / text).write_text(text)
    assert [file.name for file in path.iterdir()] == ["second"]


def test_a_full_disk_is_named_with_the_file(tmp_path):
    with pytest.raises(OSError, match="No space left on device") as error, writing(tmp_path / "file") as part:
        part.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert error.value.filename == str(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(0, 3), (7,), (5, 4, 3, 1)])
def test_arrays_survive_the_disk(tmp_path, shape):
    array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    save_array(tmp_path / "a.npy", array)
    back = load_array(tmp_path / "a.npy")
    assert back.dtype == array.dtype
    assert (back == array).all()
    assert back.shape == shape


def test_blame_names_the_file():
    with pytest.raises(BadInput, match=r"^some\.csv: no good$"), blame("some.csv"):
        raise ValueError("no good")


@pytest.mark.parametrize("error", [EOFError("No data left in file"), zipfile.BadZipFile("no zip"), EOFError()])
def test_blame_names_the_file_over_damaged_data(error):
    with pytest.raises(BadInput, match=r"^a\.npz: (No data left in file|no zip|EOFError)$"), blame("a.npz"):
        raise error


DAMAGES = {
    "empty": lambda whole: b"",
    "truncated": lambda whole: whole[: len(whole) * 2 // 3],
    "random": lambda whole: np.random.default_rng(0).bytes(len(whole)),
    "object": lambda whole: b"{}",
    "list": lambda whole: b"[]",
    "number": lambda whole: b"5",
    "other header": lambda whole: b"a,b\n1,2\n",
}
LOADERS = {
    "array.npy": load_array,
    "predictions.npz": load_predictions,
    "about.json": lambda path: TaskData("t").classes,
    "statistics.json": lambda path: TaskData("t").statistics(),
    "roster.json": lambda path: load_json(path, list),
    "folds.csv": lambda path: TaskData("t").folds,
}


@pytest.fixture
def artifacts(tmp_path, monkeypatch):
    """One sound file of each kind, by name."""
    monkeypatch.chdir(tmp_path)
    ids = np.arange(3)
    files = {name: tmp_path / name for name in LOADERS} | {"folds.csv": paths.folds("t")}
    files |= {name: paths.images("t") / name for name in ("about.json", "statistics.json")}
    paths.images("t").mkdir(parents=True)
    save_array(paths.images("t") / "train_ids.npy", ids)
    files["folds.csv"].write_text("id,fold\n0,1\n1,0\n2,1\n")
    save_array(files["array.npy"], ids)
    save_predictions(files["predictions.npz"], Predictions(ids, np.eye(3), ["a", "b", "c"]))
    files["about.json"].write_text('{"classes": ["a", "b", "c"], "image": [4, 4, 1]}')
    files["statistics.json"].write_text('{"images": {"mean": [0.5], "std": [0.1]}}')
    files["roster.json"].write_text('["m"]')
    return files


@pytest.mark.parametrize("name", LOADERS)
def test_a_damaged_artifact_is_one_sentence_that_names_it(artifacts, name):
    path, load = artifacts[name], LOADERS[name]
    load(path)
    whole = path.read_bytes()
    for kind, damage in DAMAGES.items():
        if (name, kind) == ("roster.json", "list"):
            continue  # sound
        path.write_bytes(damage(whole))
        with pytest.raises(BadInput) as error:
            load(path)
        sentence = str(error.value)
        assert path.name in sentence, (kind, sentence)
        assert "run `dvc repro` to make it again" in sentence
        assert len(sentence) <= 300


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_checkpoint_is_dropped_in_one_line(tmp_path, capsys, kind):
    path = tmp_path / "state.npz"
    save_state(path, [{"epoch": 1}], {"weights": [np.ones(200)]})
    history, groups = load_state(path)
    assert history == [{"epoch": 1}]
    assert (groups["weights"][0] == 1).all()
    path.write_bytes(DAMAGES[kind](path.read_bytes()))
    assert load_state(path) is None
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert f"{path}: a damaged checkpoint, now deleted" in printed
    assert not path.exists()


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    path, synchronised = tmp_path / "out", []

    def note(descriptor):
        synchronised.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, path.exists()))

    monkeypatch.setattr(os, "fsync", note)
    with writing(path) as part:
        part.write_text("content")
    assert synchronised == [("out.part", False), (tmp_path.name, True)]


@pytest.mark.parametrize("kind", ["link", "file", "folder"])
def test_an_out_of_another_kind_is_named_and_left_alone(tmp_path, kind):
    path, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("kept")
    if kind == "link":
        path.symlink_to(elsewhere)
    elif kind == "folder":
        elsewhere.rename(path)
    else:
        path.write_text("kept")
    with (
        pytest.raises(BadInput, match=rf"^{re.escape(str(path))}: a (link to a folder|file|folder), expected"),
        writing(path) as part,
    ):
        part.write_text("new") if kind == "folder" else part.mkdir()
    assert "kept" in (path.read_text() if kind == "file" else (path / "mine").read_text())
    assert not path.with_name("out.part").exists()


def test_errors_name_the_file_and_not_its_temporary_name(tmp_path):
    with pytest.raises(OSError) as error, writing(tmp_path / "out") as part:
        os.open(part / "sub" / "file", os.O_RDONLY)
    assert error.value.filename == str(tmp_path / "out" / "sub" / "file")
