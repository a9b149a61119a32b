"""Arrays in files of any packing come back whole, and a damaged file is refused in one sentence."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import zipfile
import zlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.schema import Split
from pipeline.readers.csv_labels import read_labels
from pipeline.readers.formats import read_label_file
from pipeline.storage.files import BadInput
from tests.raw_files import PACKINGS, QUICK, npy_bytes, read, write, zip_bytes


@QUICK
@given(data=st.binary(min_size=1, max_size=200), suffix=st.sampled_from([".csv", ".pkl", ".npz"]))
def test_any_bytes_are_read_or_refused_in_one_sentence(folder, data, suffix):
    path = write(folder / f"wild{suffix}", data)
    try:
        raw = read(path, labelled=True)
    except BadInput as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
    else:
        assert raw.images.dtype == np.uint8 and raw.images.ndim == 4


@pytest.mark.parametrize("packing", sorted(PACKINGS))
def test_npy(tmp_path, packing):
    images = np.arange(12, dtype=np.int32).reshape(3, 2, 2)
    packed = zip_bytes(npy_bytes(images), "x.npy") if packing == "zip" else PACKINGS[packing](npy_bytes(images))
    np.testing.assert_array_equal(read(write(tmp_path / "x", packed)).images[..., 0], images)


def test_npz_keys_are_found_or_declared(tmp_path):
    images, labels = np.zeros((3, 2, 2), np.uint8), np.array([5, 6, 5])
    np.savez(tmp_path / "a.npz", x=images, y=labels, ids=[7, 8, 9])
    raw = read(tmp_path / "a.npz")
    assert raw.labels.tolist() == [5, 6, 5] and raw.ids.tolist() == [7, 8, 9]
    np.savez_compressed(tmp_path / "b.npz", x=images, z=images + 1, kinds=labels)
    with pytest.raises(BadInput, match=r"b\.npz: 2 arrays .*declare images_key"):
        read(tmp_path / "b.npz")
    raw = read(tmp_path / "b.npz", images_key="z")
    assert raw.images.max() == 1 and raw.labels.tolist() == [5, 6, 5]
    with pytest.raises(BadInput, match=r"b\.npz: images_key 'w'.*x \(3, 2, 2\)"):
        read(tmp_path / "b.npz", images_key="w")


def whole_files():
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4)).astype(np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=images, y=np.arange(20))
    csv = pd.DataFrame(images.reshape(20, 16)).add_prefix("p").to_csv().encode()
    return {
        "a.npz": buffer.getvalue(),
        "a.npy": npy_bytes(images),
        "a.csv.gz": gzip.compress(csv),
        "a.csv.zip": zip_bytes(csv, "a.csv"),
        "a.pkl.gz": gzip.compress(pickle.dumps(images)),
    }


@pytest.mark.parametrize("name", sorted(whole_files()))
def test_a_truncated_file_is_an_error(tmp_path, name):
    whole = whole_files()[name]
    assert read(write(tmp_path / name, whole)).images.shape == (20, 4, 4, 1)
    for share in (0.3, 0.6, 0.95):
        with pytest.raises(BadInput, match=name):
            read(write(tmp_path / name, whole[: int(share * len(whole))]))


@pytest.mark.parametrize("name", ["a.npz", "a.csv.zip", "a.csv.gz"])
def test_a_file_with_a_flipped_byte_is_an_error(tmp_path, name):
    data = bytearray(whole_files()[name])
    data[len(data) // 3] ^= 0xFF
    with pytest.raises(BadInput, match=name):
        read(write(tmp_path / name, bytes(data)))


def test_a_zip_of_two_files_is_an_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "label,p0\n")
        archive.writestr("b.csv", "label,p0\n")
    with pytest.raises(BadInput, match=r"two\.zip: the zip holds 2 files"):
        read(tmp_path / "two.zip")


def test_channels_may_come_first(tmp_path):
    images = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    np.save(tmp_path / "a.npy", images)
    np.testing.assert_array_equal(read(tmp_path / "a.npy").images, np.moveaxis(images, 1, 3))


@pytest.mark.parametrize(
    ("shape", "image", "complaint"),
    [
        ((3, 4, 5), (4, 4), "4x5x1, expected 4x4"),
        ((3, 40, 40, 20), None, "1 to 16 channels"),
        ((3,), None, r"shape \(3,\)"),
        ((0, 4, 4), None, r"shape \(0, 4, 4\)"),
        ((3, 10), None, "10 pixels a row .*declare image"),
    ],
)
def test_a_wrong_shape_is_an_error(tmp_path, shape, image, complaint):
    path = write(tmp_path / "shape.pkl", pickle.dumps(np.zeros(shape, np.uint8)))
    with pytest.raises(BadInput, match=rf"shape\.pkl.*{complaint}"):
        read(path, image=image)


@pytest.mark.parametrize("name", ["a.csv", "a.pkl", "a.npy"])
def test_a_gzip_bomb_is_not_read_to_its_end(tmp_path, name, monkeypatch):
    monkeypatch.setattr("pipeline.readers.compressed.ALLOWED_BYTES", 1 << 20)
    start = {
        "a.csv": b"label,p0\n",
        "a.pkl": b"\x80\x04B\xff\xff\xff\x7f",
        "a.npy": npy_bytes(np.zeros((1, 1 << 26), "u1")),
    }
    bomb = gzip.compress(start[name] + b"0" * (1 << 25))
    with pytest.raises(BadInput, match=rf"{name}.gz: decompresses to more than 200 times its size"):
        read(write(tmp_path / f"{name}.gz", bomb))


@pytest.mark.parametrize("name", ["a.zip", "a.npz"])
def test_a_zip_bomb_is_not_read_at_all(tmp_path, name, monkeypatch):
    monkeypatch.setattr("pipeline.readers.compressed.ALLOWED_BYTES", 1 << 20)
    bomb = zip_bytes(npy_bytes(np.zeros((1 << 10, 1 << 13), np.uint8)), "a.npy")
    with pytest.raises(BadInput, match=rf"{name}: decompresses to more than 200 times its size"):
        read(write(tmp_path / name, bomb))


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "endless.csv").symlink_to("/dev/zero")
    (tmp_path / "folder.csv").mkdir()
    for name, kind in (("pipe", "a named pipe"), ("endless", "a device"), ("folder", "a folder")):
        with pytest.raises(BadInput, match=rf"{name}\.csv: {kind}, expected a regular file"):
            read_label_file(tmp_path / f"{name}.csv", Split(images="x"))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("name", ["a.csv", "a.npy"])
def test_damage_in_any_compression_names_the_file(tmp_path, method, name):
    images = np.random.default_rng(0).integers(0, 256, (50, 16)).astype(np.uint8)
    plain = {"a.csv": pd.DataFrame(images).add_prefix("p").to_csv().encode(), "a.npy": npy_bytes(images)}[name]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, plain)
    path, data = tmp_path / "a.zip", bytearray(buffer.getvalue())
    assert len(read(write(path, bytes(data))).images) == 50
    for place in range(60, 200, 7):
        spoilt = data.copy()
        spoilt[place] ^= 0xFF
        with pytest.raises(BadInput, match=r"a\.zip: (truncated or corrupt|no header)"):
            read(write(path, bytes(spoilt)))


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 2",
        b"{'descr': " + b"(" * 500 + b"}",
        b"{'descr': 5, 'fortran_order': False, 'shape': (2, 2)}",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 2)}",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (True, 2)}",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (2, 2)}",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999, 2)}",
        b"\xff\xfe\x00 not Python",
        b"{1: 2}",
    ],
)
@pytest.mark.parametrize("packing", ["npy", "npz"])
def test_a_numpy_header_that_does_not_parse_is_refused(tmp_path, header, packing):
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)
    path = tmp_path / f"bad.{packing}"
    with pytest.raises(BadInput, match=rf"bad\.{packing}: (no header of|an array of)"):
        read(write(path, data if packing == "npy" else zip_bytes(data, "x.npy")))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"images": [[1, 2]]}', "a JSON file.*CSV"),
        (b"\xef\xbb\xbf [[1, 2]]", "a JSON file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "an HDF5 file.*numpy.save"),
        (b"PAR1" + bytes(90), "a Parquet file.*CSV"),
        ((70).to_bytes(8, "little") + b"abcd\x0a" + bytes(90), "a TFRecord file"),
        (zlib.compress(pickle.dumps(np.zeros(9)), 3), "compressed by zlib, as joblib does.*numpy.save"),
        (bz2.compress(b"a,b"), "compressed by bzip2.*unpack"),
        (lzma.compress(b"a,b"), "compressed by xz.*unpack"),
        (b"<!DOCTYPE html><p>Log in", "a web page.*download"),
        (b"\x89PNG\r\n\x1a\n" + bytes(90), "one image.*folder"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".pkl"])
@pytest.mark.parametrize("packing", sorted(PACKINGS))
def test_a_foreign_format_is_named_with_what_to_do(tmp_path, data, expected, suffix, packing):
    path = write(tmp_path / f"a{suffix}", PACKINGS[packing](data))
    with pytest.raises(BadInput, match=rf"a\{suffix}: {expected}"):
        read(path)
    if suffix == ".csv":
        with pytest.raises(BadInput, match=rf"a\.csv: {expected}"):
            read_labels(path, Split(images="x"))


def test_an_excel_workbook_is_no_mere_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.csv", "w") as archive:
        archive.writestr("[Content_Types].xml", "")
        archive.writestr("xl/workbook.xml", "")
    with pytest.raises(BadInput, match=r"a\.csv: an Excel workbook, .*save it as CSV"):
        read(tmp_path / "a.csv")


def test_numbers_that_overflow_are_refused_without_a_warning(tmp_path, recwarn):
    np.save(tmp_path / "a.npy", np.full((2, 2, 2), 1e308))
    with pytest.raises(BadInput, match=r"a\.npy: image 0 .*is not a whole number"):
        read(tmp_path / "a.npy", scale=255.0)
    assert not recwarn.list
