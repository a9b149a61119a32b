"""A task of nine images in the working folder, its raw files in the forms in which users bring them."""

import pickle
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from pipeline.config.schema import load_params
from pipeline.ingest import ingest
from pipeline.storage import paths
from pipeline.storage.files import BadInput

ROOT = Path(__file__).parents[1]


PIXELS = np.random.default_rng(0).integers(0, 256, (9, 4, 4)).astype(np.uint8)


TRAIN, TEST = PIXELS[:6], PIXELS[6:]


LABELS = np.array([7, 5, 6, 5, 6, 7])


TEST_IDS = [31, 30, 32]


def sample(ids, name="sample.csv"):
    pd.DataFrame({"Id": ids, "Label": 5}).to_csv(Path("raw", name), index=False)


def pixel_csv(name, images, **columns):
    frame = pd.DataFrame(images.reshape(len(images), -1)).add_prefix("p")
    for position, (column, values) in enumerate(columns.items()):
        frame.insert(position, column, values)
    frame.to_csv(Path("raw", name), index=False)
    return name


def label_csv(name="labels.csv", ids=range(6), labels=LABELS):
    pd.DataFrame({"id": ids, "class": labels}).to_csv(Path("raw", name), index=False)
    return name


def pickled(name, images):
    Path("raw", name).write_bytes(pickle.dumps(images, 2))
    return name


def good_csvs():
    pixel_csv("train.csv", TRAIN, Id=range(6), Label=LABELS)
    pixel_csv("test.csv", TEST, Id=TEST_IDS)


def params(train="train.csv", test="test.csv", **options):
    def split(value):
        return value if isinstance(value, dict) else {"images": value}

    block = {
        "folder": "raw",
        "train": split(train),
        "test": split(test),
        "sample_submission": "sample.csv",
        **options,
    }
    task = {"ingest": block, "prepare": {}, "split": {}, "predict": {}, "ensemble": {}}
    Path("params.yaml").write_text(yaml.safe_dump({"tasks": {"t": task}, "members": {}}))
    return load_params(Path("params.yaml"))


def arrays():
    return {path.stem: np.load(path) for path in paths.arrays("t").glob("*.npy")}


def refused(match, *arguments, **options):
    with pytest.raises(BadInput, match=match) as caught:
        ingest(params(*arguments, **options), "t")
    assert "\n" not in str(caught.value)
    assert list(Path().glob("artifacts/t/*")) == []


def command(*limits):
    """Run the stage as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline.ingest", "t"],
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},  # a file size limit would cut compiled code
        capture_output=True,
        text=True,
        preexec_fn=lambda: [resource.setrlimit(*limit) for limit in limits],
    )


def save_images(folder, names, images):
    for name, image in zip(names, images, strict=True):
        path = Path("raw", folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def labelled_csvs(labels, cells):
    pixel_csv("train.csv", TRAIN, Id=range(6), Label=labels)
    pixel_csv("test.csv", TEST, Id=TEST_IDS)
    pd.DataFrame({"Id": TEST_IDS, "Label": cells}).to_csv("raw/sample.csv", index=False)
