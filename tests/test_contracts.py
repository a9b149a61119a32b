import errno

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.storage.files import BadInput, align, blame, load_array, save_array, writing


@given(st.lists(st.integers(-50, 50), unique=True, min_size=1), st.randoms())
def test_align_finds_every_id(ids, random):
    wanted = ids.copy()
    random.shuffle(wanted)
    assert (np.array(ids)[align(np.array(wanted), np.array(ids))] == wanted).all()


def test_align_joins_numbers_and_texts():
    assert align(np.array(["2", "1"]), np.array([1, 2])).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("wanted", "ids", "sentence"),
    [
        ([1, 2, 3], [1, 2], "id 3 is missing"),
        ([1, 2], [1, 2, 3], "id 3 is not expected"),
        ([1, 2], [1, 1], "id 1 stands twice among the ids"),
        ([2, 2], [1, 2], "id 2 stands twice among the wanted ids"),
    ],
)
def test_align_refuses_all_else(wanted, ids, sentence):
    with pytest.raises(ValueError, match=sentence):
        align(np.array(wanted), np.array(ids))


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
