"""cdiscount: products with pictures in a BSON file."""

import io
import struct
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests.competitions.pictures import cycle, pixels
from tests.competitions.tables import TEST_ROWS, TRAIN_ROWS, one_column, with_sample


def cdiscount(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """A product is a document with a category and up to four pictures."""
    categories = (1000000237, 1000004141, 1000010653)
    kinds, truth = cycle(TRAIN_ROWS // 2, 3), cycle(TEST_ROWS, 3)
    train, test = [3 * row for row in range(len(kinds))], [10 + 7 * row for row in range(len(truth))]
    labelled = [
        {"_id": i, "category_id": categories[k], "imgs": _pictures(k, rng)} for i, k in zip(train, kinds, strict=True)
    ]
    (folder / "train.bson").write_bytes(b"".join(map(bson, labelled)))
    others = [{"_id": i, "imgs": _pictures(k, rng)} for i, k in zip(test, truth, strict=True)]
    (folder / "test.bson").write_bytes(b"".join(map(bson, others)))
    answers = one_column("_id", "category_id", categories.__getitem__)(test, truth)
    return with_sample(answers, folder / "sample_submission.csv", categories[0])


def _pictures(kind: int, rng: np.random.Generator) -> list[dict[str, bytes]]:
    pictures = []
    for _ in range(rng.integers(1, 4)):
        file = io.BytesIO()
        Image.fromarray(pixels([kind], rng)).save(file, "JPEG")
        pictures.append({"picture": file.getvalue()})
    return pictures


def bson(document: dict | list) -> bytes:
    """Return a document as BSON (bsonspec.org, version 1.1), with integers, bytes, documents and arrays."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    body = b"".join(_element(str(name), value) for name, value in items)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _element(name: str, value: object) -> bytes:
    key = name.encode() + b"\0"
    if isinstance(value, int):
        return b"\x10" + key + struct.pack("<i", value)
    if isinstance(value, bytes):
        return b"\x05" + key + struct.pack("<i", len(value)) + b"\0" + value
    assert isinstance(value, dict | list)
    return (b"\x03" if isinstance(value, dict) else b"\x04") + key + bson(value)


WRITERS = {"cdiscount-image-classification-challenge": cdiscount}
