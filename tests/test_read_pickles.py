"""Pickles of every protocol come back as the array that was written, and nothing in them is run."""

import os
import pickle
import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.readers.pickles import read_pickle
from pipeline.storage.files import BadInput
from tests.raw_files import PACKINGS, QUICK, peak_memory, read, write

# What Python 2 and its numpy wrote for array([[1, 2], [3, 200]], uint8).
PYTHON2_PROTOCOL0 = (
    b"cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\nRp5\n"
    b"(I1\n(I2\nI2\ntp6\ncnumpy\ndtype\np7\n(S'u1'\np8\nI0\nI1\ntp9\nRp10\n"
    b"(I3\nS'|'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\nS'\\x01\\x02\\x03\\xc8'\np13\ntp14\nb."
)
PYTHON2_PROTOCOL2 = (
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01K\x02K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
    b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x04\x00\x00\x00\x01\x02\x03\xc8tb."
)


ARRAYS = hnp.arrays(
    st.sampled_from([np.uint8, np.dtype(">u2"), np.int64, np.float32, bool]),
    hnp.array_shapes(min_dims=3, max_dims=4, max_side=5),
)


@QUICK
@given(array=ARRAYS, protocol=st.integers(0, 5), fortran=st.booleans(), packing=st.sampled_from(sorted(PACKINGS)))
def test_pickles_of_every_protocol_come_back(folder, array, protocol, fortran, packing):
    array = np.asfortranarray(array) if fortran else array
    result = read_pickle(write(folder / "any.pkl", PACKINGS[packing](pickle.dumps(array, protocol))))
    assert result.dtype == array.dtype
    np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize("protocol", range(1, 6))
def test_large_pixels_are_not_held_in_memory(tmp_path, protocol):
    array = np.zeros((600, 100, 200), np.uint8)
    array[:, :50, :50] = np.random.default_rng(0).integers(0, 256, (50, 50))
    path = write(tmp_path / "large.pkl", pickle.dumps(array, protocol))
    with peak_memory() as peak:
        result = read_pickle(path)
    assert peak.size_bytes < array.nbytes
    np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize("end", [3 << 20, -2])
def test_a_large_pickle_that_is_cut_is_an_error(tmp_path, end):
    path = write(tmp_path / "cut.pkl", pickle.dumps(np.full((4, 1000, 1000), 200, np.uint8), 2)[:end])
    with pytest.raises(BadInput, match=r"cut\.pkl: truncated or corrupt pickle"):
        read_pickle(path)


@pytest.mark.parametrize("data", [PYTHON2_PROTOCOL0, PYTHON2_PROTOCOL2])
def test_pickles_of_python_2_come_back(tmp_path, data):
    raw = read(write(tmp_path / "Train.pkl", data), image=(2, 1))
    np.testing.assert_array_equal(raw.images, np.array([[[[1]], [[2]]], [[[3]], [[200]]]], np.uint8))


class Malicious:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_run_a_command_does_not(tmp_path, protocol):
    trace = tmp_path / "it-ran"
    path = write(tmp_path / "evil.pkl", pickle.dumps(Malicious(f"touch {trace}"), protocol))
    with pytest.raises(BadInput, match=r"evil\.pkl: the pickle holds '(posix|nt)\.system', expected a numpy array"):
        read(path)
    assert not trace.exists()
    with path.open("rb") as file:  # the same bytes are live to the ordinary unpickler
        pickle.load(file)
    assert trace.exists()


@pytest.mark.parametrize(
    ("thing", "result"),
    [
        ({"images": 1}, "a dict"),
        ([[[[np.zeros((2, 2))]]]], "a list without arrays"),
        ({"images": 1.5}, "a float"),
        (pd.DataFrame({"a": [1]}), "pandas"),
        (np.array([{}, []], object), "dtype 'O8'"),
        (np.array(["a", "b"]), "dtype 'U1'"),
        (np.float64(3), "scalar"),
        (np.ma.masked_array([1]), "numpy.ma"),
        ("touch", "a str"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_a_pickle_of_anything_else_is_named(tmp_path, thing, result, protocol):
    with pytest.raises(BadInput, match=rf"other\.pkl: the pickle holds .*{result}"):
        read(write(tmp_path / "other.pkl", pickle.dumps(thing, protocol)))


def test_only_latin_1_may_be_encoded(tmp_path):
    path = write(tmp_path / "rot.pkl", b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.")
    with pytest.raises(BadInput, match=r"rot\.pkl: .*'rot13'"):
        read(path)


@pytest.mark.parametrize("protocol", range(6))
def test_a_truncated_pickle_is_an_error_wherever_it_ends(tmp_path, protocol):
    whole = pickle.dumps(np.arange(48, dtype=np.uint8).reshape(3, 4, 4), protocol)
    for end in range(1, len(whole)):
        with pytest.raises(BadInput, match=r"cut\.pkl"):
            read(write(tmp_path / "cut.pkl", whole[:end]))


@QUICK
@given(protocol=st.integers(0, 5), place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
@example(protocol=5, place=0.25, value=ord("\n"))  # inside the name of a function
def test_a_pickle_with_a_wrong_byte_is_read_or_refused(folder, protocol, place, value):
    data = bytearray(pickle.dumps(np.arange(48, dtype=np.uint8).reshape(3, 4, 4), protocol))
    data[int(place * len(data))] = value
    path = write(folder / "wrong.pkl", bytes(data))
    try:
        result = read_pickle(path)
    except BadInput as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
    else:
        assert result.dtype.kind in "biuf"


def test_a_pickle_that_lies_about_its_shape_is_an_error(tmp_path):
    data = PYTHON2_PROTOCOL2.replace(b"K\x02K\x02\x86", b"K\x02" + b"J" + struct.pack("<i", 10**6) + b"\x86")
    with pytest.raises(BadInput, match=r"lie\.pkl: truncated or corrupt pickle"):
        read(write(tmp_path / "lie.pkl", data))


def test_npz_and_npy_never_unpickle(tmp_path):
    objects = np.array([Malicious("true"), None], object)
    np.savez(tmp_path / "o.npz", x=objects.reshape(2, 1))
    np.save(tmp_path / "o.npy", objects)
    for name in ("o.npz", "o.npy"):
        with pytest.raises(BadInput, match=rf"{name}.*[Oo]bject"):
            read(tmp_path / name)


def doubled(times: int = 60) -> bytes:
    """Return instructions that push a tuple of tuples, doubled so often that it can be neither hashed nor printed."""
    return b")" + b"q\x01h\x01\x86" * times


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04}" + doubled() + b"K\x01s.",  # a key
        b"\x80\x04}(" + doubled() + b"K\x01u.",  # one of several keys
        b"\x80\x04(" + doubled() + b"K\x01d.",
        b"\x80\x04\x8f(" + doubled() + b"\x90.",  # of a set
        b"\x80\x04(" + doubled() + b"\x91.",
        b"\x80\x04cnumpy\ndtype\n" + doubled() + b"\x85R.",  # the name of a dtype
        b"\x80\x04cnumpy\ndtype\nU\x02u1\x85R(K\x03" + doubled() + b"tb.",  # its byte order
        b"\x80\x04c_codecs\nencode\nX\x01\x00\x00\x00a" + doubled() + b"\x86R.",  # an encoding
        b"\x80\x04cnumpy.core.multiarray\n_reconstruct\n)R(K\x01" + doubled() + b"NNNtb.",  # a shape
        doubled() + b".",
        b"\x80\x04" + b"N" * 2000 + b".",
    ],
)
def test_a_pickle_that_would_take_for_ever_is_refused(tmp_path, data):
    with pytest.raises(BadInput, match=r"slow\.pkl: the pickle holds .*expected"):
        read_pickle(write(tmp_path / "slow.pkl", data))


def test_a_pickle_cannot_change_what_stands_for_numpy(tmp_path):
    state = b"cnumpy.core.multiarray\n_reconstruct\n(NccodecsX\nencode\nN}tb."
    with pytest.raises(BadInput, match=r"sly\.pkl"):
        read_pickle(write(tmp_path / "sly.pkl", state))
    with pytest.raises(BadInput, match=r"sly\.pkl: the pickle holds a state of a function"):
        read_pickle(write(tmp_path / "sly.pkl", b"cnumpy.core.multiarray\n_reconstruct\n(NNtb."))


@pytest.mark.parametrize(
    "data", [b"\x80\x02X\xff\xff\xff\xfeab", b"\x80\x03B\xff\xff\xff\xfeab", b"\x80\x02T\xff\xff\xff\x7eab"]
)
def test_a_short_pickle_that_claims_to_be_long_takes_no_memory(tmp_path, data):
    path = write(tmp_path / "claim.pkl", data)
    with peak_memory() as peak, pytest.raises(BadInput, match=r"claim\.pkl: truncated"):
        read_pickle(path)
    assert peak.size_bytes < 1 << 24
