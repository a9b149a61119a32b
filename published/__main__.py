"""`python -m published REPORT`: repeat a published report, from raw files to its tables beside the published figures.

REPORT is a, b, c, d or e. Everything runs in `.published/REPORT`, which gets a copy of the code, and does not touch
the project's own results. A killed run continues where it stopped. With `--small` it uses 250 images and one
epoch a system, in `.published/REPORT-small`: this checks that everything runs, and its scores mean nothing. `--plan`
only prints what would run, and how long.

Example: python -m published c --small
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.tree import read_tree
from published.plan import plan
from published.tables import write_tables

ROOT = Path(__file__).parent.parent
REPORTS = tuple(sorted(path.parent.name for path in Path(__file__).parent.glob("*/params.yaml")))
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
SMALL_ROWS = {"train_rows": 200, "test_rows": 50}


def small(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a report's entries with 250 images, one epoch a system, and no download of weights."""
    members = {
        name: member | {"training": _one_epoch(member.get("training", {}))} for name, member in tree["members"].items()
    }
    for member in members.values():
        if member["architecture"] == "pretrained":
            member["options"] = member["options"] | {"weights": None}
    tasks = dict(tree["tasks"])
    for name, task in tasks.items():
        if "generate" in task:
            tasks[name] = task | {"generate": {"epochs": 1, "images_per_class": 5}}
    ablations = {}
    for name, ablation in tree["ablations"].items():
        variants = [{key: value for key, value in v.items() if key != "training.epochs"} for v in ablation["variants"]]
        ablations[name] = {"member": ablation["member"], "variants": variants}
    replicas = {name: replica | SMALL_ROWS for name, replica in tree["replicas"].items()}
    return {"replicas": replicas, "tasks": tasks, "members": members, "ablations": ablations}


def _one_epoch(training: dict[str, Any]) -> dict[str, Any]:
    frozen_epochs = training.get("frozen_epochs", 0)
    return training | {"epochs": 1, "frozen_epochs": int(frozen_epochs > 0 and frozen_epochs == training["epochs"])}


def folder_of(report: str, is_small: bool) -> Path:
    """Return the folder in which a report runs, with the code and the entries as they are now."""
    folder = ROOT / ".published" / (f"{report}-small" if is_small else report)
    folder.mkdir(parents=True, exist_ok=True)
    for name in CODE:
        source, copy = ROOT / name, folder / name
        if source.is_dir():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
    entries = Path(__file__).parent / report / "params.yaml"
    if is_small:
        tree = small(read_tree(entries.read_text(encoding="utf-8")).value)
        (folder / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    else:
        shutil.copy2(entries, folder)
    if not (folder / ".dvc").exists():
        subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=folder, check=True)
    return folder


def environment() -> dict[str, str]:
    """Return the environment of the stages: image sets that lie in the project are not downloaded again."""
    folders = {name: ROOT / "data" / place for name, place in SETS.items() if (ROOT / "data" / place).is_dir()}
    set_by_user = {name: Path(os.environ[name]).resolve() for name in SETS if os.environ.get(name)}
    return os.environ | {name: str(folder) for name, folder in (folders | set_by_user).items()} | {"PYTHONPATH": ""}


def main() -> None:
    """Run the stages and the ablations, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m published", description=__doc__)
    parser.add_argument("report", choices=REPORTS)
    parser.add_argument("--small", action="store_true", help="250 images and one epoch a system")
    parser.add_argument("--plan", action="store_true", help="print what would run, and how long it takes")
    options = parser.parse_args()
    small_line = f"Report {options.report.upper()} (small): at most 250 images and one epoch a system"
    print(small_line if options.small else plan(options.report), flush=True)
    if options.plan:
        return
    folder = folder_of(options.report, options.small)
    names = read_tree((folder / "params.yaml").read_text(encoding="utf-8")).value["ablations"]
    commands = [["pipeline", "repro"], *(["pipeline.ablate", name] for name in names)]
    for module, *arguments in commands:
        status = subprocess.run([sys.executable, "-m", module, *arguments], cwd=folder, env=environment()).returncode
        if status:
            sys.exit(status)
    print(write_tables(options.report, folder, options.small))


if __name__ == "__main__":
    main()
