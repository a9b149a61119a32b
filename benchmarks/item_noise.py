"""Does locating items survive noise, JPEG compression and dark items? Writes `benchmarks/results/item_noise.csv`.

FASHION_MNIST_DIR=... python -m benchmarks.item_noise [images]

Images of three items of five kinds on 64x128 black pixels are composed and then disturbed. `accuracy` is the share of
images in which every box overlaps the box in the clean image by four fifths (intersection over union). It uses the
black threshold that `features.items.black` chooses; `accuracy_at_0` uses the threshold 0. Seconds are processor time.
"""

import io
import sys
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from benchmarks import results
from features.images.audit import unlocated_rows
from features.items.black import black_threshold
from features.items.composing import compose, paint
from features.items.locating import crop_items, locate_items
from pipeline.readers.image_sets import load_source

ITEM, CANVAS, COUNT, SUMS = (28, 28), (64, 128), 3, tuple(range(5, 14))
IMAGES, IMAGES_AT_0 = 1500, 100
OVERLAP = 0.8  # of two boxes, intersection over union
DARK = 0.1  # of the brightness of dark items


def main(n: int = IMAGES) -> None:
    """Measure every variant and write its row."""
    for name, brightness, spoil in VARIANTS:
        clean = _compose(n, brightness)
        row = {"member": name, "images": n, **_measure(clean, spoil(clean))}
        results.write("item_noise", [row])
        print(row, flush=True)


def _compose(n: int, brightness: float) -> np.ndarray:
    """Return images, uint8 (n, height, width, 1). Their items are darkened to that share, but no pixel becomes 0."""
    source = load_source("fashion-mnist")
    rows = np.isin(source.train.labels, list(source.price_of))
    prices = np.array([source.price_of[label] for label in source.train.labels[rows].tolist()])
    pool = np.ceil(source.train.pixels[rows] * brightness).astype(np.uint8)
    return paint(compose(np.random.default_rng(0), n, prices, SUMS, COUNT, ITEM, CANVAS), pool, CANVAS)[..., None]


def _measure(clean: np.ndarray, images: np.ndarray) -> dict[str, float]:
    expected = locate_items(clean, COUNT, ITEM)
    started = time.process_time()
    black = black_threshold(images, COUNT, ITEM)
    threshold_seconds = time.process_time()
    boxes = locate_items(images, COUNT, ITEM, black)
    located = time.process_time()
    at_0 = locate_items(images[:IMAGES_AT_0], COUNT, ITEM)
    ended = time.process_time()
    unlocated = np.union1d(*unlocated_rows([(images, crop_items(images, COUNT, ITEM, black))], black))
    return {
        "black": black,
        "accuracy": float(_boxes_match(boxes, expected).mean()),
        "accuracy_at_0": float(_boxes_match(at_0, expected[:IMAGES_AT_0]).mean()),
        "identical_boxes_share": float((boxes == expected).all(axis=(1, 2)).mean()),
        "unlocated_share": len(unlocated) / len(images),
        "seconds_to_choose": threshold_seconds - started,
        "milliseconds_an_image": (located - threshold_seconds) / len(images) * 1000,
        "milliseconds_an_image_at_0": (ended - located) / len(at_0) * 1000,
    }


def _boxes_match(boxes: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return whether each image's boxes, int (n, count, 4), overlap the expected ones, bool (n,)."""
    inner = np.minimum(boxes[..., 2:], expected[..., 2:]) - np.maximum(boxes[..., :2], expected[..., :2])
    shared = np.maximum(inner, 0).prod(axis=-1)
    areas = [(corners[..., 2:] - corners[..., :2]).prod(axis=-1) for corners in (boxes, expected)]
    return (shared >= OVERLAP * (areas[0] + areas[1] - shared)).all(axis=1)


def _uniform(low: int, high: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda images: _add_noise(images, np.random.default_rng(1).integers(low, high + 1, images.shape))


def _normal(sigma: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda images: _add_noise(images, np.random.default_rng(1).normal(0, sigma, images.shape))


def _add_noise(images: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return np.clip(np.round(images + noise), 0, 255).astype(np.uint8)


def _jpeg(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    def encode_and_decode(image: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return lambda images: np.stack([encode_and_decode(image) for image in images[..., 0]])[..., None]


VARIANTS = (  # name, brightness of the items, disturbance of the images
    ("clean", 1, np.copy),
    ("clean, dark items", DARK, np.copy),
    ("0 or 1 added", 1, _uniform(0, 1)),
    ("-1, 0 or 1 added", 1, _uniform(-1, 1)),
    ("0 or 1 added, dark items", DARK, _uniform(0, 1)),
    ("normal noise, sigma 1", 1, _normal(1)),
    ("normal noise, sigma 3", 1, _normal(3)),
    ("normal noise, sigma 10", 1, _normal(10)),
    ("JPEG, quality 95", 1, _jpeg(95)),
    ("JPEG, quality 75", 1, _jpeg(75)),
    ("JPEG, quality 95, dark items", DARK, _jpeg(95)),
)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
