"""`python -m pipeline.generate TASK`: train a GAN on each fold's training rows, and generate labelled images.

For a task without a `generate` block the stage generates nothing.
"""

import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pipeline.config.schema import Generate, Params
from pipeline.reporting.samples import picture
from pipeline.running.stage import run, task_of
from pipeline.storage import paths
from pipeline.storage.checkpoint import deleting_damage, digest, keep_only, training_files
from pipeline.storage.files import BadInput, load_array, load_json, save_json, writing
from pipeline.storage.task_data import TaskData

STATE = "generate"  # a folder in .resume/, beside those of the members


def generate(params: Params, key: str) -> str:
    """Train the task's GANs, each from its last checkpoint, and write their images, a picture and `about.json`.

    The images stay in `.resume` until data, options or code change. So nothing is trained again when DVC runs the stage
    after other edits.

    Raises:
        BadInput: the task's images have label sets.
    """
    options = task_of(params, key).generate
    if options is None:
        with writing(paths.generated(key)) as part:
            part.mkdir()
            save_json(part / "about.json", {"digest": None, "sets": {}})
        _save_seconds(key, {})
        return ""
    if TaskData(key).has_label_sets:
        raise BadInput(f"{paths.PARAMS}: tasks.{key}.generate: expected one label an image, not label sets")
    state = paths.resume(key, STATE)
    state.mkdir(parents=True, exist_ok=True)
    folder, rows = state / _key(options, key), _rows(key)
    _train(options, key, folder, rows)
    keep_only(folder)
    count = _publish(key, folder, rows)
    return f"{count} images from {len(rows)} GAN(s)"


def _key(options: Generate, task: str) -> str:
    """Return a hash of everything that the images depend on: data, folds, options, code and library."""
    return digest([options.model_dump(), version("keras")], training_files("gan", task))


def _rows(task: str) -> dict[str, np.ndarray]:
    """Return the training rows of each GAN: those of each fold, and all rows if a model on all rows needs images."""
    data = TaskData(task)
    rows = {f"fold-{fold}": data.training_rows(fold) for fold in range(data.fold_count)}
    return rows | ({"all": np.arange(len(data.labels))} if load_json(paths.all_rows(task), bool) else {})


def _train(options: Generate, task: str, folder: Path, rows: dict[str, np.ndarray]) -> None:
    unfinished = [name for name in rows if not _is_finished(folder / name)]
    if not unfinished:
        return
    from pipeline.running.backend import print_device
    from pipeline.running.jobs import run_jobs, turns
    from pipeline.running.progress import ALONE
    from pipeline.training.gan_fold import GanJob, train_gan

    places = turns(unfinished, f"{task}: {len(unfinished)} GAN(s) of {options.epochs} epochs")
    jobs = [
        GanJob(options, task, rows[name], number, f"{task}  {name}", folder / name, places.get(name, ALONE))
        for number, name in enumerate(rows)
    ]
    print_device(task)
    run_jobs(train_gan, jobs, paths.job_inputs(task))


def _is_finished(folder: Path) -> bool:
    """Return whether a GAN's images are there, which are its last file. They are deleted if a file is damaged."""
    path = folder / "images.npy"
    if path.exists():
        with deleting_damage(path):
            if len(load_array(path)) != len(load_array(folder / "labels.npy")):
                raise BadInput(f"{path}: the number of images and labels differs")
            load_json(folder / "run.json", {"images": int, "seconds": float})
            return True
    return False


def _publish(task: str, folder: Path, rows: dict[str, np.ndarray]) -> int:
    """Write the stage's folder, and return the number of images in it."""
    data, files = TaskData(task), []
    sets = {name: {"source": data.source(rows[name]), **load_json(folder / name / "run.json")} for name in rows}
    _save_seconds(task, {name: image_set.pop("seconds") for name, image_set in sets.items()})
    with writing(paths.generated(task)) as part:
        part.mkdir()
        for name in rows:
            for kind in ("images", "labels"):
                files.append(Path(shutil.copy(folder / name / f"{kind}.npy", part / f"{name}_{kind}.npy")))
        first, labels = (load_array(part / f"fold-0_{kind}.npy") for kind in ("images", "labels"))
        picture(first, labels, data.classes).save(part / "samples.png", optimize=True)
        sources = {name: image_set["source"] for name, image_set in sets.items()}
        save_json(part / "about.json", {"digest": digest([sources], files), "sets": sets})
    return sum(image_set["images"] for image_set in sets.values())


def _save_seconds(task: str, seconds: dict[str, float]) -> None:
    """Write the training time of each GAN. Unlike the images, these times differ from run to run."""
    with writing(paths.times(task, STATE)) as part:
        save_json(part, {"seconds": seconds})


if __name__ == "__main__":
    run("generate", generate)
