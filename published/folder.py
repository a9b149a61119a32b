"""A report's entries, and the folder in which it runs with a copy of the code, apart from the project's results."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from benchmarks.results import commit
from pipeline.config.tree import read_tree

HERE = Path(__file__).parent
ROOT = HERE.parent
REPORTS = tuple(sorted(path.parent.name for path in HERE.glob("*/params.yaml")))
CODE = (
    "features",
    "models",
    "pipeline",
    "submissions/__init__.py",
    "submissions/ledger.csv",
    "submissions/rules",
    "dvc.yaml",
    ".dvcignore",
)
SETS = {"FASHION_MNIST_DIR": "fashion-mnist", "MNIST_DIR": "mnist", "CIFAR10_DIR": "cifar-10"}
COMMIT = "commit.txt"  # of the code in the folder


def entries(report: str) -> dict[str, Any]:
    """Return the entries of a report as a tree."""
    return read_tree((HERE / report / "params.yaml").read_text(encoding="utf-8")).value


def prepared_folder(name: str, *, keep_code: bool) -> Path:
    """Return the folder `.published/NAME` with a copy of the code, ready for DVC.

    With `keep_code`, an older copy stays. So a long run continues with the code with which it began, and another commit
    does not train its finished members again.
    """
    folder = ROOT / ".published" / name
    folder.mkdir(parents=True, exist_ok=True)
    if not keep_code or not (folder / COMMIT).exists():
        for part in CODE:
            _copy(ROOT / part, folder / part)
        (folder / COMMIT).write_text((commit() or "unknown") + "\n", encoding="utf-8")
    if not (folder / ".dvc").exists():
        subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=folder, check=True)
    return folder


def write_params(folder: Path, tree: dict[str, Any]) -> None:
    """Write the entries of a run."""
    (folder / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")


def run(folder: Path, module: str, *arguments: str) -> int:
    """Run a module of the folder's own code, and return its exit status."""
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=folder, env=_environment()).returncode


def _copy(source: Path, copy: Path) -> None:
    if source.is_dir():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy)


def _environment() -> dict[str, str]:
    """Return the environment of the stages: image sets that lie in the project are not downloaded again."""
    folders = {name: ROOT / "data" / place for name, place in SETS.items() if (ROOT / "data" / place).is_dir()}
    set_by_user = {name: Path(os.environ[name]).resolve() for name in SETS if os.environ.get(name)}
    return os.environ | {name: str(folder) for name, folder in (folders | set_by_user).items()} | {"PYTHONPATH": ""}
