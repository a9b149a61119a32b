"""Measure time and memory of full-size replicas, and speed and success of locating items.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.replica

Needs the four Fashion-MNIST files, 1 GB of disk in the temporary folder, and about two minutes on one core.
"""

import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import results
from features.items.locating import crop_items
from pipeline.readers.image_sets import SIDE_PIXELS
from pipeline.replica import ITEMS

ROOT = Path(__file__).parents[1]
PARAMS = """
tasks: {}
members: {}
replicas:
  fashion: {form: fashion, source: fashion-mnist}
  price_sum: {form: price_sum, source: fashion-mnist}
"""
CHUNK_IMAGES = 10_000


def main() -> None:
    """Print one line for each measurement."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "params.yaml").write_text(PARAMS, encoding="utf-8")
        for key in ("fashion", "price_sum"):
            _time_replica(folder, key)
        for name in ("Train.pkl", "Test.pkl"):
            _time_items(pickle.loads(Path(folder, "data/replica/price_sum", name).read_bytes()), name)


def _time_replica(folder: str, key: str) -> None:
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "pipeline.replica", key], cwd=folder, env=environment, check=True)
    peak_gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # of the largest child so far
    seconds = time.monotonic() - started
    print(f"replica {key}: {seconds:.1f} s with start-up, peak {peak_gib:.2f} GiB")
    row = {"member": f"replica {key}, 60 000 + 10 000", "seconds": seconds, "peak_gib": peak_gib}
    results.write("parts", [row])


def _time_items(images: np.ndarray, name: str) -> None:
    seconds, whole = 0.0, 0
    for start in range(0, len(images), CHUNK_IMAGES):
        chunk = images[start : start + CHUNK_IMAGES, ..., None]
        started = time.process_time()
        crops = crop_items(chunk, ITEMS, (SIDE_PIXELS, SIDE_PIXELS))
        seconds += time.process_time() - started
        whole += int((np.count_nonzero(chunk, (1, 2, 3)) == np.count_nonzero(crops, (1, 2, 3, 4))).sum())
    print(f"items {name}: {len(images) / seconds:.0f} images/s a core, {100 * whole / len(images):.3f} % whole")
    results.write("parts", [{"member": "locating items", "images_per_second": len(images) / seconds}])


if __name__ == "__main__":
    main()
