"""Files with several arrays, idx files, JSON records and pixels in one cell come back as images, labels and ids."""

import gzip
import io
import json
import pickle

import numpy as np
import pytest

from pipeline import ingest
from pipeline.config.schema import Split, load_params
from pipeline.readers import json_records, unpickling
from pipeline.readers.formats import read_label_file, read_split
from pipeline.readers.pickles import read_pickled_arrays
from pipeline.readers.raw import Form
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from tests.projects import write_params
from tests.raw_files import PACKINGS, npy_bytes, peak_memory, read, write

PLANES = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 4)).astype(np.uint8)  # red, green, blue
LABELS = [3, 1, 0, 1, 2]
FLAT = PLANES.reshape(5, -1)


def cifar(start=0, stop=5, labels="labels"):
    """Return a batch of CIFAR's Python files, whose keys are bytes when Python 3 reads them."""
    names = [f"{number}.png".encode() for number in range(start, stop)]
    batch = {b"batch_label": b"batch 1", b"data": FLAT[start:stop], b"filenames": names}
    return {**batch, labels.encode(): LABELS[start:stop]}


@pytest.mark.parametrize("protocol", range(6))
def test_a_batch_of_cifar(tmp_path, protocol):
    raw = read(write(tmp_path / "batch.pkl", pickle.dumps(cifar(), protocol)), labelled=True, layout="planes")
    np.testing.assert_array_equal(raw.images, np.moveaxis(PLANES, 1, -1))
    assert raw.labels.tolist() == LABELS


def test_all_files_of_a_pattern_are_one_split(tmp_path):
    for number, (start, stop) in enumerate([(0, 2), (2, 3), (3, 5)]):
        write(tmp_path / f"data_batch_{number + 9}", pickle.dumps(cifar(start, stop), 2))  # 9, 10, 11
    raw = read(tmp_path / "data_batch_*", labelled=True, layout="planes")
    np.testing.assert_array_equal(raw.images, np.moveaxis(PLANES, 1, -1))
    assert raw.labels.tolist() == LABELS
    with pytest.raises(BadInput, match=r"other_\*: no file matches"):
        read(tmp_path / "other_*")


def test_an_ambiguous_label_is_asked_for(tmp_path):
    batch = cifar(labels="fine_labels") | {b"coarse_labels": [0] * 5}
    path = write(tmp_path / "train", pickle.dumps(batch, 2))
    with pytest.raises(BadInput, match=r"fine_labels.*may each be the labels; declare labels_key"):
        read(path, labelled=True)
    assert read(path).labels is None  # nobody needs them
    assert read(path, labelled=True, labels_key="fine_labels").labels.tolist() == LABELS


def test_tuples_of_arrays(tmp_path):
    mnist = ((PLANES[:3, 0], np.array(LABELS[:3])), (PLANES[3:, 0], np.array(LABELS[3:])))
    path = write(tmp_path / "mnist.pkl.gz", gzip.compress(pickle.dumps(mnist)))
    raw = read(path, labelled=True, images_key="1.0", labels_key="1.1")
    np.testing.assert_array_equal(raw.images[..., 0], PLANES[3:, 0])
    assert raw.labels.tolist() == LABELS[3:]
    pair = read(write(tmp_path / "pair.pkl", pickle.dumps(mnist[0])), labelled=True)
    assert pair.labels.tolist() == LABELS[:3]
    stack = read(write(tmp_path / "list.pkl", pickle.dumps(list(PLANES[:, 0]))))
    np.testing.assert_array_equal(stack.images[..., 0], PLANES[:, 0])


def test_a_pickle_of_many_instructions_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(unpickling, "MOST_INSTRUCTIONS", 1000)
    with pytest.raises(BadInput, match="more than 1000 instructions"):
        read_pickled_arrays(write(tmp_path / "long.pkl", b"\x80\x04" + b"N" * 2000 + b"."))
    call = b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    calls = b"\x80\x02" + (b"cnumpy.core.multiarray\n_reconstruct\n" + call) * 2000 + b"N."
    monkeypatch.setattr(unpickling, "MOST_INSTRUCTIONS", 1 << 20)
    with pytest.raises(BadInput, match="more than 1000 calls"):
        read_pickled_arrays(write(tmp_path / "calls.pkl", calls))


@pytest.mark.parametrize("packing", sorted(PACKINGS))
@pytest.mark.parametrize("code, dtype", [(8, "u1"), (11, ">i2"), (13, ">f4")])
def test_idx_files(tmp_path, packing, code, dtype):
    head = bytes([0, 0, code, 3]) + np.array([5, 4, 4], ">u4").tobytes()
    path = write(tmp_path / "images-idx3", PACKINGS[packing](head + PLANES[:, 0].astype(dtype).tobytes()))
    np.testing.assert_array_equal(read(path).images[..., 0], PLANES[:, 0])
    with pytest.raises(BadInput, match=r"holds .* values, expected 80"):
        read(write(path, head + bytes(7)))


def large_files(images):
    """Return the bytes of files of each kind with one large array."""
    idx = bytes([0, 0, 8, 3]) + np.array(images.shape, ">u4").tobytes() + images.tobytes()
    npz, compressed_npz = io.BytesIO(), io.BytesIO()
    np.savez(npz, x=images)
    np.savez_compressed(compressed_npz, x=np.asfortranarray(images))
    return {
        "a.npz": npz.getvalue(),
        "compressed.npz": compressed_npz.getvalue(),
        "a.npy.gz": gzip.compress(npy_bytes(images), 1),
        "a-idx3-ubyte": idx,
        "a-idx3-ubyte.gz": gzip.compress(idx, 1),
    }


def test_large_arrays_are_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.zeros((600, 100, 200), np.uint8)
    images[:, :20, :20] = np.random.default_rng(0).integers(0, 256, (20, 20))
    for name, data in large_files(images).items():
        path = write(tmp_path / name, data)
        with peak_memory() as peak:
            raw = read_split(path, Split(images=name), Form(), labelled=False)
        assert peak.size_bytes < images.nbytes, name
        pixels = np.concatenate([part.pixels.copy() for part in raw.images.parts()])
        np.testing.assert_array_equal(pixels.reshape(images.shape), images)
        path.unlink()


def test_an_npz_of_both_splits(tmp_path):
    grey = PLANES[:, 0]
    np.savez(tmp_path / "mnist.npz", x_train=grey, y_train=LABELS, x_test=grey[:2], y_test=LABELS[:2])
    train = read(tmp_path / "mnist.npz", labelled=True, images_key="x_train", labels_key="y_train")
    assert train.labels.tolist() == LABELS
    test = read(tmp_path / "mnist.npz", images_key="x_test")
    assert test.labels is None and len(test.images) == 2


def test_pixels_in_one_cell(tmp_path):
    rows = [
        f"{label},{' '.join(map(str, image.ravel()))},Training"
        for label, image in zip(LABELS, PLANES[:, 0], strict=True)
    ]
    path = write(tmp_path / "fer.csv", "\n".join(["emotion,pixels,Usage", *rows]))
    raw = read(path, labelled=True, label_column="emotion")
    np.testing.assert_array_equal(raw.images[..., 0], PLANES[:, 0])
    assert raw.labels.tolist() == LABELS
    with pytest.raises(BadInput, match=r"columns 'emotion', 'Usage' may be the label; declare label_column"):
        read(path, labelled=True)
    broken = [rows[0].removesuffix(",Training"), "1,2 3"]
    with pytest.raises(BadInput, match=r"row 1 \(counted from 0\) has 2 pixels, others 16"):
        read(write(path, "\n".join(["emotion,pixels", *broken])), labelled=True)


def icebergs(count=6):
    rng = np.random.default_rng(0)
    bands = rng.normal([[-20], [-30]], 3, (count, 2, 25)).round(4).tolist()
    return [
        {"id": f"ab{number}", "band_1": first, "band_2": second, "inc_angle": 43.9, "is_iceberg": number % 2}
        for number, (first, second) in enumerate(bands)
    ]


def test_json_records_with_two_bands(tmp_path, monkeypatch):
    records = icebergs()
    path = write(tmp_path / "train.json", json.dumps(records))
    with pytest.raises(BadInput, match=r"'inc_angle', 'is_iceberg' may be the label; declare label_column"):
        read(path, labelled=True)
    monkeypatch.setattr(json_records, "_PIECE_BYTES", 100)  # records that span pieces
    raw = read(path, labelled=True, label_column="is_iceberg", limits=((-40, 0),))
    expected = [[record["band_1"], record["band_2"]] for record in records]
    expected = np.moveaxis(np.array(expected).reshape(6, 2, 5, 5), 1, -1)
    assert np.abs(raw.images - (expected + 40) * 255 / 40).max() <= 0.51
    assert raw.ids.tolist() == [f"ab{number}" for number in range(6)] and raw.labels.tolist() == [0, 1] * 3


def test_json_values_are_scaled_by_their_own_limits(tmp_path):
    records = icebergs()
    raw = read(write(tmp_path / "train.json", json.dumps(records)))
    values = np.array([[record["band_1"], record["band_2"]] for record in records])
    for channel in range(2):
        assert raw.form.limits[channel] == pytest.approx(np.percentile(values[:, channel], [0.5, 99.5]), abs=1e-4)


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("[]", "an empty list"),
        ("[1]", "a JSON file with a list of int"),
        ('[{"a": 1}]', "no list of 16 numbers"),
        ('[{"a": ' + str([1] * 16) + "}", "truncated or damaged JSON"),
        ('[{"a": ' + str([1] * 16) + '}, {"b": 1}]', r"record 1 \(counted from 0\) is not like the first"),
        ('[{"a": ' + str([1] * 16) + '}, {"a": [1]}]', r"record 1 .*has shape"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_other_json_is_refused(tmp_path, text, complaint):
    with pytest.raises(BadInput, match=rf"a\.json: .*{complaint}"):
        read(write(tmp_path / "a.json", text))


@pytest.mark.parametrize(
    ("write_file", "train", "test"),
    [
        (
            lambda path, array: np.savez(path.with_suffix(".npz"), array),  # as KMNIST: one array named arr_0
            {"images": "kmnist-train-imgs.npz", "labels": "kmnist-train-labels.npz"},
            {"images": "kmnist-test-imgs.npz"},
        ),
        (
            lambda path, array: path.write_bytes(gzip.compress(idx(array))),  # as MNIST
            {"images": "train-images-idx3-ubyte.gz", "labels": "train-labels-idx1-ubyte.gz"},
            {"images": "t10k-images-idx3-ubyte.gz"},
        ),
    ],
)
def test_an_entry_reads_published_sets_as_they_are(tmp_path, monkeypatch, write_file, train, test):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28)).astype(np.uint8)
    labels = (np.arange(20) % 10).astype(np.uint8)
    for name, array in zip([*train.values(), *test.values()], [images[:20], labels, images[20:]], strict=True):
        write_file(tmp_path / "raw" / name, array)
    (tmp_path / "raw" / "sample.csv").write_text("id,label\n" + "".join(f"{row},0\n" for row in range(10)))
    ingested = {"folder": "raw", "train": train, "test": test, "sample_submission": "sample.csv"}
    write_params(tmp_path, {"t": {"ingest": ingested}}, {"m": {"task": "t", "architecture": "fast"}})
    ingest.ingest(load_params(paths.PARAMS), "t")
    arrays = paths.arrays("t")
    assert np.array_equal(np.load(arrays / "train_images.npy")[..., 0], images[:20])
    assert np.array_equal(np.load(arrays / "test_images.npy")[..., 0], images[20:])
    assert np.load(arrays / "train_labels.npy").tolist() == labels.tolist()


def idx(array):
    """Return an array of bytes as the content of an idx file."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def test_a_label_file_with_several_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "labels.npz", a=np.arange(3), b=np.arange(3))
    with pytest.raises(BadInput, match=r"labels\.npz: the file holds 2 arrays \(a \(3,\), b \(3,\)\), expected one"):
        read_label_file(tmp_path / "labels.npz", Split(images="images.npz"))
