"""Stage `replica`: a competition's own files, balanced, seeded, whole or not there at all."""

import gzip
import hashlib
import json
import pickle
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from features.items.locating import crop_items
from pipeline.config.schema import Params, Replica
from pipeline.readers import image_sets as sources
from pipeline.readers import published_sets
from pipeline.readers.published_sets import CIFAR_10, CIFAR_10_BATCHES, FASHION_MNIST, IDX_FILES
from pipeline.replica import replica, write_pixels
from pipeline.storage.files import BadInput

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable in ("CIFAR10_DIR", "FASHION_MNIST_DIR", "MNIST_DIR"):
        monkeypatch.delenv(variable, raising=False)


def _make(key="made", **options) -> Path:
    replica(Params(tasks={}, members={}, replicas={key: Replica(**options)}), key)
    return Path("data/replica", key)


def _items_of(folder: Path, name: str) -> set[bytes]:
    images = pickle.loads(Path(folder, name).read_bytes())
    crops = crop_items(images[..., None], 3, (28, 28)).reshape(-1, 28 * 28)
    return {crop.tobytes() for crop in crops}


def test_price_sum_has_the_competitions_files():
    folder = _make(form="price_sum", train_rows=92, test_rows=20)
    names = ["ExampleSubmissionRandom.csv", "Test.pkl", "Train.pkl", "TrainLabels.csv", "solution.csv", "source.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    train, test = (pickle.loads(Path(folder, name).read_bytes()) for name in ("Train.pkl", "Test.pkl"))
    assert (train.shape, test.shape, train.dtype) == ((92, 64, 128), (20, 64, 128), np.uint8)
    labels = pd.read_csv(folder / "TrainLabels.csv")
    assert labels["id"].tolist() == list(range(92))
    assert labels["class"].value_counts().sort_index().to_dict() == {5: 11, 6: 11, **dict.fromkeys(range(7, 14), 10)}
    assert (folder / "TrainLabels.csv").read_bytes().startswith(b"id,class\n0,")
    solution, sample = (pd.read_csv(folder / name) for name in ("solution.csv", "ExampleSubmissionRandom.csv"))
    assert list(solution) == ["id", "class", "Usage"] and list(sample) == ["id", "class"]
    assert solution["Usage"].value_counts().to_dict() == {"Private": 14, "Public": 6}
    assert set(sample["class"]) <= set(range(5, 14)) and (sample["class"] != solution["class"]).any()


@pytest.mark.parametrize(("pool", "shares"), [("shared", True), ("disjoint", False)])
def test_pools(pool, shares):
    folder = _make(form="price_sum", train_rows=900, test_rows=200, pool=pool)
    common = _items_of(folder, "Train.pkl") & _items_of(folder, "Test.pkl")
    assert (len(common) > 100) == shares


def test_a_pool_of_few_items_a_class():
    folder = _make(form="price_sum", train_rows=300, test_rows=60, items_per_class=4)
    assert len(_items_of(folder, "Train.pkl") | _items_of(folder, "Test.pkl")) == 4 * 5


def test_a_pool_larger_than_the_source_is_refused():
    with pytest.raises(BadInput, match=r"replicas.made: items_per_class: 1000 is not within 1..\d+, the items"):
        _make(form="price_sum", train_rows=9, test_rows=9, items_per_class=1000)


def test_only_composed_images_have_a_pool_of_items():
    with pytest.raises(BadInput, match="items_per_class: 5, expected none: this form shows no items"):
        _make(form="fashion", items_per_class=5)


def test_fashion_has_the_competitions_files():
    folder = _make(form="fashion", train_rows=50)
    train, test, sample, solution = (
        pd.read_csv(folder / name) for name in ("train.csv", "testX.csv", "sample_submission.csv", "solution.csv")
    )
    assert list(train)[:3] == ["Id", "Label", "pixel1"] and train.shape == (50, 786)
    assert list(test)[:2] == ["Id", "pixel1"] and test.shape == (360, 785)  # all that the source has
    assert list(sample) == ["Id", "Label"] and list(solution) == ["Id", "Label", "Usage"]
    assert test["Id"].tolist() == sample["Id"].tolist() == solution["Id"].tolist()
    digits = sources.load_source("digits")
    known = {image.tobytes(): label for image, label in zip(digits.train.pixels, digits.train.labels, strict=True)}
    images = train.iloc[:, 2:].to_numpy(np.uint8)
    assert [known[image.tobytes()] for image in images] == train["Label"].tolist()


def test_only_some_labels_can_take_part():
    folder = _make(form="fashion", labels=[0, 1, 2, 3, 4])
    for name in ("train.csv", "sample_submission.csv", "solution.csv"):
        assert set(pd.read_csv(folder / name)["Label"]) == set(range(5))
    with pytest.raises(BadInput, match=r"labels: \[0, 1\], expected none: this form shows the items that have prices"):
        _make("other", form="price_sum", labels=[0, 1])


def test_a_seed_gives_the_same_bytes_and_another_seed_others():
    options = {"form": "price_sum", "train_rows": 30, "test_rows": 10}
    first, again, other = _make("a", **options), _make("b", **options), _make("c", seed=1, **options)
    for path in first.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()
    assert (first / "Train.pkl").read_bytes() != (other / "Train.pkl").read_bytes()


def test_pixels_are_written_as_pandas_would(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (11, 3, 5)).astype(np.uint8)
    write_pixels(tmp_path / "fast.csv", pixels, {"Id": np.arange(11), "Label": np.arange(11) % 3})
    frame = pd.DataFrame(pixels.reshape(11, 15), columns=[f"pixel{i}" for i in range(1, 16)])
    frame.insert(0, "Id", range(11))
    frame.insert(1, "Label", np.arange(11) % 3)
    assert (tmp_path / "fast.csv").read_text() == frame.to_csv(index=False)


def test_digits_are_split_for_good_and_by_class():
    digits = sources.load_source("digits")
    assert len(digits.train.labels) + len(digits.test.labels) == 1797
    shares = np.bincount(digits.test.labels) / np.bincount(digits.train.labels)
    assert shares.min() > 0.23 and shares.max() < 0.27
    assert digits.train.pixels.max() > 240 and (digits.train.pixels == 0).mean() > 0.3


def _command(key: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pipeline.replica", key]
    return subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, check=False)


@pytest.mark.slow
def test_the_command_names_an_unknown_key_and_form():
    Path("params.yaml").write_text("tasks: {}\nmembers: {}\nreplicas: {a: {form: fashion, train_rows: 10}}\n")
    known_output, unknown = _command("a"), _command("b")
    assert known_output.returncode == 0 and known_output.stdout.startswith("replica a: 10 training and 360 test images")
    assert unknown.returncode == 1 and "has no entry 'b'; it has a" in unknown.stderr
    Path("params.yaml").write_text("tasks: {}\nmembers: {}\nreplicas: {a: {form: cubes}}\n")
    form = _command("a")
    assert form.returncode == 1 and "'cubes' is not one of fashion, price_sum" in form.stderr
    assert "Traceback" not in unknown.stderr + form.stderr


def test_rows_that_the_source_lacks_leave_nothing():
    with pytest.raises(BadInput, match=r"replicas.made: train_rows: 1438 is not within 1..1437"):
        _make(form="fashion", train_rows=1438)
    assert not list(Path("data/replica").iterdir())


def _idx(data: np.ndarray) -> bytes:
    return bytes([0, 0, 8, data.ndim]) + np.array(data.shape, ">u4").tobytes() + data.tobytes()


def _write_fashion_mnist(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    for name in IDX_FILES:
        images = rng.integers(1, 256, (rows, 28, 28)).astype(np.uint8)
        data = images if "images" in name else (np.arange(rows) % 10).astype(np.uint8)
        Path(folder, name).write_bytes(gzip.compress(_idx(data)))


def test_fashion_mnist_from_a_folder(tmp_path, monkeypatch):
    _write_fashion_mnist(tmp_path, 20)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(tmp_path))
    folder = _make(form="fashion", source="fashion-mnist")
    assert pd.read_csv(folder / "train.csv")["Label"].value_counts().to_dict() == dict.fromkeys(range(10), 2)
    assert json.loads((folder / "source.json").read_text()) == {"source": "fashion-mnist", "is_original": False}
    composed = _make("p", form="price_sum", source="fashion-mnist", train_rows=9, test_rows=9)
    assert len(pickle.loads((composed / "Test.pkl").read_bytes())) == 9


def test_the_content_says_whether_images_are_the_original_whatever_the_compression(tmp_path, monkeypatch):
    _write_fashion_mnist(tmp_path, 20)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(tmp_path))
    source = sources.load_source("fashion-mnist")
    assert not source.is_original
    release = []
    for name in IDX_FILES:
        data = gzip.decompress((tmp_path / name).read_bytes())
        release.append(hashlib.md5(data).hexdigest())
        (tmp_path / name).unlink()
        (tmp_path / name).with_suffix("").write_bytes(data)
    monkeypatch.setattr(sources, "FASHION_MNIST", replace(FASHION_MNIST, releases=(tuple(release),)))
    plain = sources.load_source("fashion-mnist")
    assert plain.is_original and np.array_equal(plain.train.pixels, source.train.pixels)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (gzip.compress(_idx(np.zeros((20, 28, 28), np.uint8))[:-7]), "holds 15673 values, expected 15680"),
        (gzip.compress(_idx(np.zeros((20, 28, 28), np.uint8)))[:-9], "truncated or corrupt"),
        (gzip.compress(b"hello"), "starts with 68656c6c, expected 00000803"),
        (gzip.compress(_idx(np.zeros(20, np.uint8))), "starts with 00000801, expected 00000803"),
        (b"no gzip", "starts with 6e6f2067, expected 00000803"),
        (gzip.compress(_idx(np.zeros((19, 28, 28), np.uint8))), "20 labels, expected one for each of 19"),
    ],
)
def test_a_broken_idx_file_is_named(tmp_path, monkeypatch, data, expected):
    _write_fashion_mnist(tmp_path, 20)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(data)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(tmp_path))
    with pytest.raises(BadInput, match=expected) as caught:
        _make(form="fashion", source="fashion-mnist")
    assert "ubyte.gz: " in str(caught.value) and not Path("data/replica").exists()


@pytest.mark.parametrize(
    ("name", "module", "constant"),
    [
        ("fashion-mnist", sources, "FASHION_MNIST"),
        ("mnist", sources, "MNIST"),
        ("cifar-10", published_sets, "CIFAR_10"),
    ],
)
def test_no_internet_says_what_to_set(monkeypatch, name, module, constant):
    published = replace(getattr(module, constant), url="http://127.0.0.1:9")
    monkeypatch.setattr(module, constant, published)
    with pytest.raises(BadInput, match=f"set {published.variable} to a folder"):
        sources.load_source(name)
    assert not list(published.folder.iterdir())


def test_another_download_is_not_kept(tmp_path, monkeypatch):
    _write_fashion_mnist(tmp_path, 20)
    monkeypatch.setattr(sources, "FASHION_MNIST", replace(FASHION_MNIST, url=tmp_path.as_uri()))
    with pytest.raises(BadInput, match=r"expected 11790711787b.*nothing was kept"):
        sources.load_source("fashion-mnist")
    assert not list(FASHION_MNIST.folder.iterdir())


def test_mnist_is_digits_with_the_digits_prices(tmp_path, monkeypatch):
    _write_fashion_mnist(tmp_path, 20)
    monkeypatch.setenv("MNIST_DIR", str(tmp_path))
    source = sources.load_source("mnist")
    assert source.price_of == {1: 1, 2: 2, 3: 3, 4: 4, 5: 5} and not source.is_original
    assert "of other images than mnist's" in replica(
        Params(tasks={}, members={}, replicas={"m": Replica(form="fashion", source="mnist")}), "m"
    )


COLOURS = np.random.default_rng(1).integers(0, 256, (12, 32, 32, 3)).astype(np.uint8)


def _write_batches(folder: Path) -> None:
    """Write CIFAR-10's six batches, of two images each: rows of three planes, with keys of bytes."""
    folder.mkdir(parents=True)
    for number, name in enumerate(CIFAR_10_BATCHES):
        rows = slice(2 * number, 2 * number + 2)
        planes = np.moveaxis(COLOURS[rows], -1, 1).reshape(2, -1)
        (folder / name).write_bytes(pickle.dumps({b"data": planes, b"labels": [number, 9]}, protocol=2))


def test_cifar_10_from_its_batches(tmp_path, monkeypatch):
    _write_batches(tmp_path / "cifar-10-batches-py")
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path))
    source = sources.load_source("cifar-10")
    assert np.array_equal(source.train.pixels, COLOURS[:10]) and np.array_equal(source.test.pixels, COLOURS[10:])
    assert source.train.labels.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9] and not source.is_original
    folder = _make(form="fashion", source="cifar-10", labels=[0, 9], test_rows=1)
    rows = pd.read_csv(folder / "train.csv")
    assert sorted(rows["Label"]) == [0, 9, 9, 9, 9, 9]
    first = rows.loc[rows["Label"] == 0].iloc[0, 2:].to_numpy(np.uint8)
    assert np.array_equal(first.reshape(32, 32, 3), COLOURS[0])
    with pytest.raises(BadInput, match="form: 'price_sum', expected 'fashion': the images of cifar-10 have no prices"):
        _make("p", form="price_sum", source="cifar-10")
    with pytest.raises(BadInput, match="labels: 7 is no label of the source"):
        _make("q", form="fashion", source="cifar-10", labels=[0, 7])


def test_cifar_10_from_a_download_is_the_original(tmp_path, monkeypatch):
    _write_batches(tmp_path / "cifar-10-batches-py")
    md5s = [
        hashlib.md5((tmp_path / "cifar-10-batches-py" / name).read_bytes()).hexdigest() for name in CIFAR_10_BATCHES
    ]
    (archive_name,) = CIFAR_10.sha256
    with tarfile.open(tmp_path / archive_name, "w:gz") as archive:
        archive.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")
    sha256 = {archive_name: hashlib.sha256((tmp_path / archive_name).read_bytes()).hexdigest()}
    published = replace(CIFAR_10, url=tmp_path.as_uri(), sha256=sha256, releases=(tuple(md5s),))
    monkeypatch.setattr(published_sets, "CIFAR_10", published)
    assert sources.load_source("cifar-10").is_original
    (tmp_path / archive_name).unlink()
    assert np.array_equal(sources.load_source("cifar-10").train.pixels, COLOURS[:10])  # kept, not downloaded again


def test_cifar_10_from_folders_of_images(tmp_path, monkeypatch):
    for number, name in enumerate(["train/cat", "train/bird", "test/bird", "test/cat"]):
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(COLOURS[number]).save(tmp_path / name / "0000.png")
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path))
    source = sources.load_source("cifar-10")
    assert source.train.labels.tolist() == [0, 1] and not source.is_original  # bird, cat
    assert np.array_equal(source.train.pixels, COLOURS[[1, 0]]) and np.array_equal(source.test.pixels, COLOURS[2:4])


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ({b"data": np.zeros((2, 3072), np.uint8)}, "holds data, expected data and labels"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}, "1 labels, expected one for each of 2 images"),
        ({b"data": np.zeros((2, 3071), np.uint8), b"labels": [1, 2]}, "cannot reshape"),
    ],
)
def test_a_broken_batch_is_named(tmp_path, monkeypatch, batch, expected):
    _write_batches(tmp_path / "c")
    (tmp_path / "c" / "data_batch_3").write_bytes(pickle.dumps(batch, protocol=2))
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path / "c"))
    with pytest.raises(BadInput, match=f"data_batch_3: .*{expected}"):
        sources.load_source("cifar-10")
