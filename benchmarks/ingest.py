"""Time the readers on files of full size: `python -m benchmarks.ingest [FOLDER]`. It needs 1.5 GB of disk in FOLDER.

Each reader runs in its own process. Its seconds and its peak resident memory are printed.
"""

import functools
import multiprocessing
import pickle
import resource
import struct
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import results
from pipeline.config.schema import Split
from pipeline.readers.formats import read_split
from pipeline.readers.raw import Form

ROWS = 60_000


def write_csv(path: Path) -> None:
    """Write 60,000 rows of label and 784 pixels, half of them background."""
    pixels = np.random.default_rng(0).integers(-255, 256, (ROWS, 784)).clip(0)
    with path.open("w") as file:
        file.write(",".join(["label", *(f"pixel{index}" for index in range(1, 785))]) + "\n")
        for row, values in enumerate(pixels.tolist()):
            file.write(f"{row % 10},{','.join(map(str, values))}\n")


def write_pickle(path: Path, protocol: int) -> None:
    """Write 60,000 images of 64x128 as Python 3 pickles them, a tenth of the pixels clothes, as in the competition."""
    images = np.zeros((ROWS, 64, 128), np.uint8)
    images[:, :29, :28] = np.random.default_rng(0).integers(0, 256, (29, 28))
    with path.open("wb") as file:
        pickle.dump(images, file, protocol=protocol)


def write_python2_pickle(path: Path) -> None:
    """Write the same as Python 2 pickles it with protocol 2: the pixels are one BINSTRING."""
    head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    shape = b"J" + struct.pack("<i", ROWS) + b"K@K\x80\x87"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    pixels = np.zeros((ROWS, 64, 128), np.uint8)
    with path.open("wb") as file:
        file.write(head + b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", pixels.nbytes))
        file.write(pixels.data)
        file.write(b"tb.")


def measure(path: Path) -> None:
    """Read one file and print its time and memory."""
    started = time.monotonic()
    raw = read_split(path, Split(images=path.name), Form(), labelled=path.suffix == ".csv")
    for _ in raw.images.parts():
        pass
    seconds = time.monotonic() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    mib = path.stat().st_size / 2**20
    print(f"{path.name}: {raw.images.shape}, {mib:.0f} MiB, {seconds:.1f} s, peak {peak_mib:.0f} MiB", flush=True)
    results.write("parts", [{"member": path.name, "seconds": seconds, "peak_gib": peak_mib / 1024}])


def main() -> None:
    """Write the files one after the other and measure each in a fresh process."""
    writers = {
        "label_pixels.csv": write_csv,
        "protocol2.pkl": functools.partial(write_pickle, protocol=2),
        "protocol4.pkl": functools.partial(write_pickle, protocol=4),
        "protocol5.pkl": functools.partial(write_pickle, protocol=5),
        "python2_protocol2.pkl": write_python2_pickle,
    }
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        for name, write in writers.items():
            path = Path(folder, name)
            for step in (write, measure):  # in fresh processes, because a peak includes the parent's memory
                process = multiprocessing.get_context("spawn").Process(target=step, args=(path,))
                process.start()
                process.join()
            path.unlink()


if __name__ == "__main__":
    main()
