"""Training of one GAN: its two networks in turn, batch by batch, with a checkpoint after each epoch."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.config.schema import Generate
from pipeline.running.backend import keras  # before the modules that import Keras directly
from pipeline.running.devices import is_out_of_memory
from pipeline.running.jobs import report_epoch, report_state
from pipeline.running.progress import ALONE, Progress, Turn, gan_figures
from pipeline.storage.checkpoint import load_state, save_state
from pipeline.storage.files import BadInput, save_array, save_chunks, save_json, writing
from pipeline.storage.paths import PARAMS
from pipeline.storage.task_data import TaskData
from pipeline.training.batches import steps_per_epoch
from pipeline.training.device_memory import full_memory
from pipeline.training.gan import Gan, build_gan, train_on
from pipeline.training.seeding import Purpose, seed_of, stream
from pipeline.training.variables import copies, reseed, set_variables

LINES = 20  # most lines of the log; a terminal also shows a bar


@dataclass(frozen=True)
class GanJob:
    """The input of training one GAN, picklable."""

    options: Generate
    task: str
    rows: np.ndarray  # the training images that the GAN reads
    number: int  # the GAN's number in its task, for the seeds
    title: str  # of the progress display
    folder: Path  # gets state.npz while training, run.json, labels.npy and images.npy when done
    turn: Turn = ALONE  # among the jobs of its stage, for the progress display


def train_gan(job: GanJob) -> None:
    """Train the job's GAN from its last checkpoint, and write its images and labels, unless they are already there."""
    if (job.folder / "images.npy").exists():
        print(f"{job.title}  finished before, kept", flush=True)
        return
    try:
        _train_networks(job)
        return
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    # After the `except`, because the error refers to arrays on the device.
    size = min(job.options.batch_size, len(job.rows))
    raise full_memory(f"{PARAMS}: tasks.{job.task}.generate.batch_size", size, partial(_train_step, job))


def _train_step(job: GanJob, size: int) -> None:
    """Train new networks for one step with `size` images."""
    networks = build_gan(TaskData(job.task), job.options)
    with Progress(job.title, 1, ALONE) as progress:
        _epoch(replace(job, rows=job.rows[:size]), networks, 0, progress)


def _train_networks(job: GanJob) -> None:
    progress = Progress(job.title, job.options.epochs, job.turn)
    keras.utils.clear_session()
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(seed_of((job.options.seed, job.number), Purpose.WEIGHTS))
    networks = build_gan(TaskData(job.task), job.options)
    history, groups = load_state(job.folder / "state.npz") or ([], {})
    for name, variables in networks.groups().items():
        if history:
            set_variables(variables, groups[name])
    with progress:
        for epoch in range(len(history), job.options.epochs):
            history.append(_epoch(job, networks, epoch, progress))
            report_epoch(history[-1])
            save_state(job.folder / "state.npz", history, {name: copies(v) for name, v in networks.groups().items()})
            report_state(job.folder / "state.npz")
            shown = (epoch + 1) % -(-job.options.epochs // LINES) == 0
            progress.epoch_ends(gan_figures(history[-1]), shown)
    _finish(job, networks, history)


def _epoch(job: GanJob, networks: Gan, epoch: int, progress: Progress) -> dict:
    seeds, started = (job.options.seed, job.number, epoch), time.monotonic()
    reseed(networks.discriminator, seeds)
    rng = stream(seeds, Purpose.BATCH)
    data = TaskData(job.task)
    images, labels = data.images("train"), data.labels
    size = min(job.options.batch_size, len(job.rows))
    steps = steps_per_epoch(len(job.rows), size)
    order = np.resize(rng.permutation(job.rows), steps * size)
    for step in (networks.discriminator_step, networks.generator_step):
        step.reset_metrics()
    progress.epoch_begins(epoch, steps)
    for index in range(steps):
        rows = np.sort(order[index * size : (index + 1) * size])  # in the disk's order
        noise = rng.standard_normal((2, size, job.options.latent_units), np.float32)
        losses = train_on(networks, images[rows], labels[rows].astype(np.int32), noise)
        progress.steps_done(index + 1)
    if not np.isfinite(losses).all():
        raise BadInput(
            f"{job.title}: losses {losses[0]:g} and {losses[1]:g} in epoch {epoch + 1}, expected finite numbers; "
            f"lower learning_rate, now {job.options.learning_rate:g}"
        )
    seconds = round(time.monotonic() - started, 3)
    return {"epoch": epoch + 1, "discriminator_loss": losses[0], "generator_loss": losses[1], "seconds": seconds}


def _finish(job: GanJob, networks: Gan, history: list[dict]) -> None:
    """Write the images of the averaged generator. `images.npy` is written last: if it exists, all files do."""
    networks.generator_step.optimizer.finalize_variable_values(networks.generator.trainable_variables)
    classes = np.unique(TaskData(job.task).labels[job.rows])  # no images of a class without training images
    labels = np.repeat(classes, job.options.images_per_class).astype(np.int64)
    with writing(job.folder / "labels.npy") as part:
        save_array(part, labels)
    last = {name: value for name, value in history[-1].items() if name.endswith("_loss")}
    run = {"images": len(labels), "epochs": len(history), "seconds": round(sum(row["seconds"] for row in history), 1)}
    with writing(job.folder / "run.json") as part:
        save_json(part, {**run, **last})
    shape = (len(labels), *networks.generator.output_shape[1:])
    with writing(job.folder / "images.npy") as part:
        save_chunks(part, shape, np.dtype(np.uint8), generated_images(job, networks.generator, classes))
    (job.folder / "state.npz").unlink()


def generated_images(job: GanJob, generator: keras.Model, classes: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the uint8 images, one class after the other."""
    rng = stream((job.options.seed, job.number), Purpose.IMAGES)
    for label in classes:
        noise = rng.standard_normal((job.options.images_per_class, job.options.latent_units), np.float32)
        pixels = generator.predict([noise, np.full(len(noise), label, np.int32)], batch_size=256, verbose=0)
        yield np.clip(np.rint((pixels + 1) * 127.5), 0, 255).astype(np.uint8)
