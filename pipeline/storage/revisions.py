"""The results of a git revision or of a DVC experiment, copied from git and from DVC's cache."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pipeline.storage import paths
from pipeline.storage.files import BadInput, blame

LOCK_FILE = "dvc.lock"


def members_of(params: dict[str, Any]) -> dict[str, list[str]]:
    """Return the names of each task's members, from the content of a params.yaml of any version."""
    entries = {**params.get("members", {}), **params.get("students", {})}
    return {task: [name for name, entry in entries.items() if entry.get("task") == task] for task in params["tasks"]}


def load_tree(path: Path) -> dict[str, Any]:
    """Return the content of a `params.yaml`, which may be older than the code, so that it is not checked.

    Raises:
        BadInput: it has no tasks.
    """
    with blame(path):
        try:
            tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError("not readable as YAML") from error
        if not isinstance(tree, dict) or not isinstance(tree.get("tasks"), dict):
            raise ValueError("it has no tasks")
    return tree


def copy_results(revision: str, folder: Path) -> None:
    """Copy params.yaml and the out-of-fold predictions of a revision, with what is needed to score them.

    Args:
        revision: a git revision or the name of a DVC experiment.
        folder: gets the files, at their usual paths.

    Raises:
        BadInput: the project is not in git, or there is no such revision, or its results are unknown or not in the
            cache.
    """
    from dvc.api import DVCFileSystem  # here, because DVC is slow to import
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import NoSCM, resolve_rev
    from scmrepo.exceptions import SCMError

    try:
        repository = Repo().scm
        if isinstance(repository, NoSCM):
            raise BadInput(f"{revision}: this folder is no git repository, so it has no revisions")
        files = DVCFileSystem(str(Path.cwd()), rev=resolve_rev(repository, revision))
        if not files.isfile(LOCK_FILE):
            raise BadInput(
                f"{revision}: {LOCK_FILE} is not in this revision, so its results are unknown; commit {LOCK_FILE} with "
                "the results, or make them with `dvc exp run`"
            )
        _copy(files, paths.PARAMS, folder)
        for path in _needed(load_tree(folder / paths.PARAMS)):
            if files.isfile(str(path)):
                _copy(files, path, folder)
    except (DvcException, SCMError) as error:
        raise BadInput(f"{revision}: {error}") from error
    except FileNotFoundError as error:
        raise BadInput(
            f"{revision}: {error.filename or error} is not in DVC's cache; with a remote, run `dvc fetch --all-commits`"
        ) from error


def _copy(files: Any, path: Path, folder: Path) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    files.get_file(str(path), str(folder / path))


def _needed(params: dict[str, Any]) -> Iterator[Path]:
    """Yield the paths of all files that scores of out-of-fold predictions depend on. Some may not exist."""
    for task, members in members_of(params).items():
        yield paths.entry("tasks", task, "metric")
        yield from (paths.images(task) / name for name in ("about.json", "train_labels.npy", "train_ids.npy"))
        yield paths.arrays(task) / "train_columns.csv"
        yield paths.folds(task)
        yield from (paths.predictions(task, member) / "oof.npz" for member in members)
        yield paths.ensemble(task) / "oof.npz"
