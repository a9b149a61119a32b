"""Measure how fast batches of images come from an array on disk: `python -m benchmarks.mapped_images [FOLDER]`.

The same batches of 64 shuffled images of 224x224 are read from memory, from a memory-mapped file that the kernel has in
memory (warm), and from one that it must read from the disk (cold). It needs 1 GB of disk in FOLDER, and a minute.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import results
from features.augmentation.options import Augment
from pipeline.storage.files import load_array, save_chunks

IMAGES, PIXELS, BATCH = 6000, 224, 64


def main() -> None:
    """Measure each way in turn, three times, and keep the fastest."""
    from pipeline.running import backend  # noqa: F401  # before Keras

    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        path = Path(folder, "images.npy")
        part = np.random.default_rng(0).integers(0, 256, (100, PIXELS, PIXELS, 3), np.uint8)
        save_chunks(path, (IMAGES, *part.shape[1:]), part.dtype, (part for _ in range(IMAGES // len(part))))
        for _ in range(3):
            for name in ("in memory", "mapped, warm", "mapped, cold"):
                speed = _images_per_second(path, name)
                best[name] = max(best.get(name, 0), speed)
                print(f"{name}: {speed:.0f} images/s", flush=True)
    rows = [{"member": name, "images": IMAGES, "pixels": f"{PIXELS}x{PIXELS}"} for name in best]
    results.write("mapped_images", [row | {"images_per_second": best[row["member"]]} for row in rows])


def _images_per_second(path: Path, name: str) -> float:
    from pipeline.training.batches import TrainingBatches

    images = load_array(path)
    if name == "in memory":
        images = np.array(images)
    if name == "mapped, cold":
        del images
        _forget(path)
        images = load_array(path)
    batches = TrainingBatches(images, np.zeros((IMAGES, 2), np.float32), np.arange(IMAGES), BATCH, Augment(), (0, 0))
    started = time.monotonic()
    for index in range(len(batches)):
        batches[index]
    return len(batches) * BATCH / (time.monotonic() - started)


def _forget(path: Path) -> None:
    """Let the kernel drop a file from its memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
