"""Arrays in files of any packing come back whole, and a damaged file is refused in one sentence."""

import gzip
import io
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.storage.files import BadInput
from tests.raw_files import PACKINGS, QUICK, read, saved, write, zipped


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
    packed = zipped(saved(images), "x.npy") if packing == "zip" else PACKINGS[packing](saved(images))
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
        "a.npy": saved(images),
        "a.csv.gz": gzip.compress(csv),
        "a.csv.zip": zipped(csv, "a.csv"),
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


@pytest.mark.parametrize(
    ("shape", "image", "complaint"),
    [
        ((3, 4, 5), (4, 4), "4x5x1, expected 4x4"),
        ((3, 4, 4, 2), None, "1 or 3 channels"),
        ((3,), None, r"shape \(3,\)"),
        ((0, 4, 4), None, r"shape \(0, 4, 4\)"),
        ((3, 10), None, "10 pixels a row .*declare image"),
    ],
)
def test_a_wrong_shape_is_an_error(tmp_path, shape, image, complaint):
    path = write(tmp_path / "shape.pkl", pickle.dumps(np.zeros(shape, np.uint8)))
    with pytest.raises(BadInput, match=rf"shape\.pkl.*{complaint}"):
        read(path, image=image)
