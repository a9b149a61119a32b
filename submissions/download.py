"""`python -m submissions.download TASK`: download a competition's files and unpack them where the task reads them."""

import argparse
import shutil
import zipfile
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from pipeline.config.schema import Ingest, Params
from pipeline.running.usage import parser_of
from pipeline.storage import paths
from pipeline.storage.files import BadInput, blame
from submissions import client, unpack
from submissions.command import competition_of, run

LISTED_FILES = 8


def download(params: Params, arguments: argparse.Namespace) -> None:
    """Download the files of a task's competition, and print which lines of `params.yaml` to change.

    The archive stays in a temporary folder until every file is in place, so an interrupted download can resume.

    Raises:
        BadInput: the archive is broken, or one of the user's files differs from Kaggle's.
        KaggleError: Kaggle cannot be reached, or refuses the files.
    """
    key = arguments.task
    competition, target = competition_of(params, key), paths.raw(key)
    download_folder = target.resolve().with_name(f".{key}.download")  # on the same disk as the target
    download_folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(download_folder.with_suffix(".lock")).acquire(timeout=0)
    except Timeout:
        raise BadInput(f"another download to {target} is running; wait for its end") from None
    with lock:
        client.download(competition, download_folder)
        files = _unpack(competition, download_folder)
        moved_count = _move(files, target, arguments.overwrite)
        shutil.rmtree(download_folder)
    names = [str(path) for path in unpack.files_of(target)]
    examples = ", ".join(names[:LISTED_FILES]) + (", ..." if len(names) > LISTED_FILES else "")
    print(f"download {key}: {len(names)} files in {target} ({examples}), {moved_count} of them new")
    print(advice(paths.PARAMS.read_text(encoding="utf-8"), key, params.tasks[key].ingest, target))


def _unpack(competition: str, download_folder: Path) -> Path:
    """Return the folder of the competition's files. Kaggle sends a zip of them, or the file itself if it is alone."""
    files = download_folder / "files"
    archives = [path for path in download_folder.glob(f"{competition}.*") if path.suffix != ".kaggle-partial"]
    if len(archives) != 1:
        shutil.rmtree(download_folder)
        raise BadInput(f"{download_folder}: {len(archives)} archives, expected one; nothing was kept")
    archive = archives[0]
    if archive.suffix != ".zip" and not zipfile.is_zipfile(archive):
        names = client.file_names(competition)
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        shutil.copy(archive, files / (Path(names[0]).name if len(names) == 1 else archive.name))
        return files
    try:
        with blame(download_folder):
            unpack.unpack(archive, files)
    except BadInput as error:
        shutil.rmtree(download_folder)
        raise BadInput(f"{error}; nothing was kept") from error
    return files


def _move(files: Path, target: Path, overwrite: bool) -> int:
    differing = unpack.differing(files, target)
    if differing and not overwrite:
        more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
        raise BadInput(
            f"{target / differing[0]}{more}: not the same as Kaggle's, and nothing was replaced; "
            "move it away, or let --overwrite replace it"
        )
    return unpack.move(files, target)


def advice(text: str, key: str, task: Ingest, target: Path) -> str:
    """Return which lines of `params.yaml` (its text) to change so that the task reads the files in `target`."""
    changes = []
    if Path(task.folder) != target:
        changes.append(f"{_line(text, key, 'folder')}: change {task.folder} to {target}")
    file_names = {
        ("train", "images"): task.train.images,
        ("train", "labels"): task.train.labels,
        ("test", "images"): task.test.images,
        ("sample_submission",): task.sample_submission,
    }
    for place, name in file_names.items():
        if name is not None and not (target / name).exists():
            changes.append(f"{_line(text, key, *place)}: {name} is not among the files; write the name of one that is")
    if not changes:
        return f"the task reads them already; `dvc repro submission@{key}` makes the submission"
    return "\n".join([f"to use them, `dvc repro submission@{key}` after this in {paths.PARAMS}:", *changes])


def _line(text: str, key: str, *place: str) -> str:
    """Return a key of the task's `ingest` block with its line, or with the line of its nearest parent in the text."""
    node, steps = yaml.compose(text), ("tasks", key, "ingest", *place)
    line = 0
    for step in steps:
        pairs = [pair for pair in getattr(node, "value", ()) if isinstance(pair, tuple) and pair[0].value == step]
        if not pairs:  # it comes from an anchor elsewhere
            break
        line, node = pairs[0][0].start_mark.line + 1, pairs[0][1]
    return f"  line {line}, {'.'.join(steps)}"


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("task", metavar="TASK", help="an entry under tasks in params.yaml")
    parser.add_argument("--overwrite", action="store_true", help="replace files that differ from Kaggle's")
    run("download", download, parser.parse_args(arguments))


if __name__ == "__main__":
    main()
