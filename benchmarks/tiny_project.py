"""Write the project of `faults.yaml` into a folder, and digest its stages' outputs without times and dates."""

import hashlib
import io
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
PARAMS = Path(__file__).with_name("faults.yaml")
OUTPUTS = ("artifacts", "data/replica", "metrics", "plots", "report", "submissions")
STATE = (".resume", ".studies")
COPIED = ("pipeline", "features", "models", "submissions", "dvc.yaml", ".dvcignore", ".gitignore")
MEMBERS = ("tiny-tuned", "tiny-generated", "tiny-student")
STAGES = (  # in the order of dvc.yaml
    "roster",
    "replica tiny",
    "ingest tiny",
    "prepare tiny",
    "split tiny",
    "generate tiny",
    *(f"{stage} {member}" for member in MEMBERS for stage in ("tune", "train", "predict")),
    "ensemble tiny",
    "submission tiny",
    "score tiny",
    "report",
)
UNSTEADY = (
    "second",
    "trials",
    "number",
    "reasons",
    "date",
)  # a value is ignored if its name contains one of these, because a second run changes it


def make(folder: Path, epochs: int = 1) -> None:
    """Write the project into an empty folder: the code, as dependencies for DVC, and `faults.yaml` with `epochs`."""
    copy_code(folder)
    tree = yaml.safe_load(PARAMS.read_text())
    for entry in (*tree["members"].values(), *tree["students"].values()):
        entry["training"]["epochs"] = epochs
    (folder / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))


def copy_code(folder: Path) -> None:
    """Write the code, as dependencies for DVC, and DVC's settings into an empty folder."""
    folder.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.csv", "*.lock")
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.exists():
            shutil.copy(source, folder / name)
    ledger = Path("submissions/ledger.csv")
    shutil.copy(ROOT / ledger, folder / ledger)
    (folder / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    shutil.copytree(ROOT / ".dvc" / "plots", folder / ".dvc" / "plots")
    (folder / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")


def environment() -> dict[str, str]:
    """Return the environment of stages, in which they use this interpreter and the project's copy of the code."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": "", "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}


def contents(folder: Path) -> dict[str, str]:
    """Return a digest of each output's content, by path."""
    files = [path for name in OUTPUTS for path in sorted((folder / name).rglob("*")) if path.is_file()]
    code = {folder / path.relative_to(ROOT) for path in (ROOT / "submissions").rglob("*")}
    return {str(path.relative_to(folder)): _digest(path) for path in files if path not in code}


def _digest(path: Path) -> str:
    if path.is_relative_to("report") or path.parts[-2] == "report":
        return "there"  # its tables contain seconds
    value = READERS.get(path.suffix, Path.read_bytes)(path)
    content = value if isinstance(value, bytes) else repr(value).encode()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _json(path: Path) -> Any:
    return _steady(json.loads(path.read_text()))


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _steady(v) for k, v in value.items() if not any(part in k for part in UNSTEADY)}
    return [_steady(item) for item in value] if isinstance(value, list) else value


def _csv(path: Path) -> str:
    table = pd.read_csv(path, dtype=str)
    return table[[name for name in table if "second" not in name]].to_csv(index=False)


def _npz(path: Path) -> list:
    with np.load(path) as arrays:
        return [(name, arrays[name].dtype.str, arrays[name].tobytes()) for name in sorted(arrays.files)]


def _keras(path: Path) -> list:
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
        names: list[str] = []
        weights.visit(names.append)
        arrays = [(name, weights[name][()].tobytes()) for name in names if isinstance(weights[name], h5py.Dataset)]
    return arrays  # the configuration has names that count the layers of the whole process


READERS: dict[str, Callable[[Path], Any]] = {
    ".json": _json,
    ".csv": _csv,
    ".npz": _npz,
    ".keras": _keras,
    ".html": lambda path: "there",
}
