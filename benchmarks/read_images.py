"""Measure how fast folders of JPEGs are read, and with how much memory.

    python -m benchmarks.read_images [FOLDER [SCALE]]

It writes 200 photo-like pictures, hard-linked under many names, and runs the stage `ingest` on them. Memory is the peak
of the anonymous memory of all its processes together. The speed is compared with plain Pillow, which decodes a sample
of the same files to arrays in a process for each core, before and after the stage; and with writing alone, since
Pillow alone writes nothing. It needs 17 GB of disk in FOLDER, and half an hour on two cores. SCALE divides the numbers
of images.
"""

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import yaml
from joblib import cpu_count
from PIL import Image

from benchmarks import results
from benchmarks.stages import ROOT
from pipeline.storage.files import save_chunks

SIZES = ((20_000, 512), (25_000, 224), (50_000, 224), (100_000, 224))  # images, pixels a side
DISTINCT, SAMPLE, POLL_SECONDS = 200, 4000, 0.05
PART_BYTES = 1 << 22
MILLION = 1_000_000


def main() -> None:
    """Measure each size, and extrapolate to a million images of 224x224."""
    work, scale = (sys.argv[1] if len(sys.argv) > 1 else None), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rows = []
    for images, pixels in SIZES:
        with tempfile.TemporaryDirectory(dir=work) as folder:
            row = {"images": images // scale, "pixels": f"{pixels}x{pixels}"}
            row |= _measure(Path(folder), images // scale, pixels)
            print(row, flush=True)
            results.write("read_images", [{"member": "ingest", **row}])
            rows.append(row)
    small = [row for row in rows if row["pixels"] == "224x224"]
    counts = [row["images"] for row in small]
    million = {
        name: float(np.polyval(np.polyfit(counts, [row[name] for row in small], 1), MILLION))
        for name in ("seconds", "cpu_seconds", "peak_gib")
    }
    results.write("read_images", [{"member": "extrapolated", "images": MILLION, "pixels": "224x224", **million}])
    print(million)


def _measure(folder: Path, images: int, pixels: int) -> dict[str, float]:
    paths = _write_files(folder, images, pixels)
    before = _plain(paths)
    started, process = time.monotonic(), _stage(folder)
    peak_bytes = 0
    while process.poll() is None:
        peak_bytes = max(peak_bytes, _anonymous_bytes(process.pid))
        time.sleep(POLL_SECONDS)
    seconds, usage = time.monotonic() - started, os.times()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    cpu_seconds = usage.children_user + usage.children_system - before["end"]
    after = _plain(paths)
    plain = {name: (before[name] + after[name]) / 2 * images / len(paths) for name in ("seconds", "cpu_seconds")}
    return {
        "seconds": seconds,
        "plain_seconds": plain["seconds"],
        "write_seconds": _write_alone(folder / "copy.npy", (images, pixels, pixels, 3)),
        "cpu_seconds": cpu_seconds,
        "plain_cpu_seconds": plain["cpu_seconds"],
        "peak_gib": peak_bytes / 2**30,
        "images_per_second": images / seconds,
    }


def _write_files(folder: Path, images: int, pixels: int) -> list[Path]:
    """Write the raw files and return the paths of a sample of the training images."""
    raw, rng = folder / "raw", np.random.default_rng(0)
    for name in ("distinct", "raw/train", "raw/test"):
        (folder / name).mkdir(parents=True)
    for number in range(DISTINCT):
        _picture(rng, pixels).save(folder / f"distinct/{number}.jpg", quality=90)
    for number in range(images):
        os.link(folder / f"distinct/{number % DISTINCT}.jpg", raw / f"train/{number}.jpg")
    os.link(folder / "distinct/0.jpg", raw / "test/0.jpg")
    (raw / "labels.csv").write_text("id,label\n" + "".join(f"{number}.jpg,{number % 2}\n" for number in range(images)))
    (raw / "sample.csv").write_text("id,label\n0.jpg,0\n")
    splits = {"train": {"images": "train", "labels": "labels.csv"}, "test": {"images": "test"}}
    task = {"ingest": {"folder": "raw", "sample_submission": "sample.csv", "image": [pixels, pixels], **splits}}
    (folder / "params.yaml").write_text(yaml.safe_dump({"tasks": {"photos": task}, "members": {}}))
    return [raw / f"train/{number}.jpg" for number in range(min(SAMPLE, images))]


def _picture(rng: np.random.Generator, pixels: int) -> Image.Image:
    """Return a picture whose details have the spectrum of a photo: half the amplitude at twice the frequency."""
    total = np.zeros((pixels, pixels, 3))
    for octave in range(2, 9):
        grid = rng.normal(size=(2**octave, 2**octave, 3)) * 90 / 2 ** (octave - 2)
        planes = [Image.fromarray(grid[..., channel].astype(np.float32)) for channel in range(3)]
        total += np.stack([plane.resize((pixels, pixels), Image.Resampling.BICUBIC) for plane in planes], axis=-1)
    return Image.fromarray((total + 128).clip(0, 255).astype(np.uint8))


def _stage(folder: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "pipeline.ingest", "photos"], cwd=folder, env=environment)


def _anonymous_bytes(pid: int) -> int:
    """Return the anonymous memory of a process and its children, as the kernel counts it."""
    try:
        parent = psutil.Process(pid)
        pids = [pid, *(child.pid for child in parent.children(recursive=True))]
    except psutil.NoSuchProcess:
        return 0
    return sum(_rollup(pid) for pid in pids)


def _rollup(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:  # it ended
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Anonymous:"))


def _plain(paths: Iterable[Path]) -> dict[str, float]:
    """Return the seconds and processor seconds of plain Pillow on all cores, and the sum of the latter so far."""
    before, started = os.times(), time.monotonic()
    with ProcessPoolExecutor(cpu_count()) as pool:
        for _ in pool.map(_decode, paths, chunksize=50):
            pass
    seconds, after = time.monotonic() - started, os.times()
    end = after.children_user + after.children_system
    return {"seconds": seconds, "cpu_seconds": end - before.children_user - before.children_system, "end": end}


def _write_alone(path: Path, shape: tuple[int, ...]) -> float:
    """Return the seconds in which an array of this shape is written as the stage does it, when nothing is decoded."""
    part = np.zeros((max(1, PART_BYTES // math.prod(shape[1:])), *shape[1:]), np.uint8)
    started = time.monotonic()
    save_chunks(path, shape, part.dtype, (part[: shape[0] - start] for start in range(0, shape[0], len(part))))
    seconds = time.monotonic() - started
    path.unlink()
    return seconds


def _decode(path: Path) -> None:
    with Image.open(path) as image:
        np.asarray(image)


if __name__ == "__main__":
    main()
