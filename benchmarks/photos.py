"""Compare Podium's default member for photos with twenty lines of Python, on real photos.

    pip install -e ".[photos]"
    python -m benchmarks.photos [--rounds 3] [--strong] DATA WORK [SET ...]

DATA contains ants-bees.tar (from PyTorch's tutorial on transfer learning) and cifar-10-jpeg.tar.xz, with
train/CLASS/*.jpg. For each set, `pipeline.new` writes the entry, whose strong member is left out, and
`python -m pipeline repro` goes from the raw files to the score. The seconds are those of all its stages, and of
`benchmarks/twenty_lines.py` as a process of its own: the median over the rounds, in which both take turns. Each round
has other folds, and accuracies are means. A round takes ten minutes on two cores. `--strong` also trains the strong
member alone, for as few epochs as two cores can: half an hour for ants and bees.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from benchmarks import results
from benchmarks.tiny_project import ROOT, copy_code, environment
from pipeline.reporting.tables import markdown
from pipeline.storage import paths

TASK = "photos"
SMALL_PIXELS = 64


@dataclass(frozen=True)
class Pictures:
    """A set of real photos."""

    archive: str
    test_folder: str  # in the archive
    rows: tuple[int, int]  # of each class for training and for the test; 0: all
    side_pixels: int  # of the images, which are made square; 0: as they are
    reference_pixels: int  # side of the images in the twenty lines


Run = Callable[[Path, Pictures, int], tuple[float, float]]  # a folder, its photos and a seed

SETS = {
    "ants and bees": Pictures("ants-bees.tar", "val", (0, 0), 0, 224),
    "ants and bees, 64x64": Pictures("ants-bees.tar", "val", (0, 0), SMALL_PIXELS, 192),
    "CIFAR-10, 5 000 images": Pictures("cifar-10-jpeg.tar.xz", "test", (500, 100), 0, 192),
}


def main() -> None:
    """Measure the sets, print the table and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="SET")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--strong", action="store_true")
    options = parser.parse_args()
    members = MEMBERS | (STRONG if options.strong else {})
    measured = [
        row | {"member": member}
        for number in range(options.rounds)
        for name in options.sets
        for member, run in members.items()
        for row in _measure(options.data, options.work / _file_name(name, member, number), name, run, number)
    ]
    groups = pd.DataFrame(measured).groupby(["setting", "member", "rows"], sort=False)
    rows = groups.agg({"accuracy": "mean", "standard_error": "mean", "seconds": "median"}).reset_index()
    print(markdown(rows))
    results.write("photos", [{"task": TASK, **row} for row in rows.to_dict("records")])


def _file_name(*parts: object) -> str:
    return re.sub(r"\W+", "-", " ".join(map(str, parts)))


def _measure(data: Path, folder: Path, name: str, run: Run, seed: int) -> Iterator[dict]:
    """Write a set's photos into an empty folder, and return a member's accuracies there with its seconds."""
    shutil.rmtree(folder, ignore_errors=True)
    copy_code(folder)
    _write_raw(data, folder / paths.raw(TASK), folder / "classes", SETS[name])
    started = time.monotonic()
    accuracies = run(folder, SETS[name], seed)
    seconds = time.monotonic() - started
    for rows, part, accuracy in zip(("out of fold", "held out"), ("train", "test"), accuracies, strict=True):
        count = len(list((folder / "classes" / part).glob("*/*")))
        error = (accuracy * (1 - accuracy) / count) ** 0.5
        yield {"setting": name, "rows": rows, "accuracy": accuracy, "standard_error": error, "seconds": seconds}


def _write_raw(data: Path, raw: Path, classes: Path, pictures: Pictures) -> None:
    """Write the photos for the twenty lines into folders of classes, and as a competition's raw files."""
    for split, folder, most in zip(("train", "test"), ("train", pictures.test_folder), pictures.rows, strict=True):
        _unpack(data / pictures.archive, folder, classes / split, most, pictures.side_pixels)
    shutil.copytree(classes / "train", raw / "train")
    (raw / "test").mkdir()
    files = sorted((classes / "test").glob("*/*"))
    order = np.random.default_rng(0).permutation(len(files))
    answers = pd.DataFrame({"id": range(len(files)), "label": [files[index].parent.name for index in order]})
    for row, index in enumerate(order):
        shutil.copy(files[index], raw / "test" / f"{row}{files[index].suffix}")
    answers.assign(label=answers["label"].min()).to_csv(raw / "sample_submission.csv", index=False)
    answers.to_csv(raw / "solution.csv", index=False)


def _unpack(archive: Path, folder: str, target: Path, most: int, side_pixels: int) -> None:
    """Write the first `most` images of each class of a folder in an archive, 0 for all of them."""
    with tarfile.open(archive) as members:
        files = [member for member in members if member.isfile() and Path(member.name).parts[0] == folder]
        counts: dict[str, int] = {}
        for member in sorted(files, key=lambda member: member.name):
            label = Path(member.name).parts[1]
            counts[label] = counts.get(label, 0) + 1
            if most and counts[label] > most:
                continue
            path = target / label / Path(member.name).name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = members.extractfile(member)
            assert content is not None
            if side_pixels:
                square = Image.open(content).convert("RGB").resize((side_pixels, side_pixels))
                square.save(path.with_suffix(".png"))
            else:
                path.write_bytes(content.read())


def _podium(
    folder: Path, _: Pictures, seed: int, kind: str = "quick", training: dict | None = None
) -> tuple[float, float]:
    """Return the accuracy out of fold and on the held-out photos, from raw files to the score of one member."""
    _run(folder, "pipeline.new", TASK, str(paths.raw(TASK)))
    params, name = folder / paths.PARAMS, f"{TASK}-{kind}"
    tree = yaml.safe_load(params.read_text())
    tree["members"] = {name: tree["members"][name] | ({"training": training} if training else {})}
    tree["tasks"][TASK]["split"]["seed"] = seed
    params.write_text(yaml.safe_dump(tree, sort_keys=False))
    _run(folder, "pipeline", "repro")
    ensemble = json.loads((folder / paths.decision(TASK)).read_text())
    return ensemble["honest_score"], json.loads((folder / paths.score(TASK)).read_text())["all"]["score"]


def _twenty_lines(folder: Path, pictures: Pictures, seed: int) -> tuple[float, float]:
    arguments = str((folder / "classes").absolute()), str(pictures.reference_pixels), str(seed)
    out_of_fold, held_out = _run(ROOT, "benchmarks.twenty_lines", *arguments).split()[-2:]
    return float(out_of_fold), float(held_out)


def _run(folder: Path, module: str, *arguments: str) -> str:
    """Run a module of this checkout in a folder and return what it prints."""
    command = [sys.executable, "-m", module, *arguments]
    variables = environment() | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    return subprocess.run(command, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True, check=True).stdout


MEMBERS: dict[str, Run] = {"twenty lines": _twenty_lines, "Podium's default": _podium}
STRONG: dict[str, Run] = {
    "Podium's strong member, 4 epochs": partial(_podium, kind="strong", training={"epochs": 4, "frozen_epochs": 1})
}


if __name__ == "__main__":
    main()
