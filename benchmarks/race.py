"""Compare accuracy by minute: published systems and Podium's members, trained equally long on the same machine.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.race WORK [--minutes 20] [MEMBER ...]

Trains the members of benchmarks/race.yaml one after another on all training rows. Each is scored on test images ten
times during the training, in one view, and at the end also in its task's views. Scoring does not count as time;
compiling does. On the JAX backend, members are scored after whole epochs. If a member's schedule has an end, its number
of epochs is chosen by the speed of its first steps so that it fits the time. The published recipes keep their epochs.
The folder WORK gets the curves as CSVs, and at the end race.png and a table. The same command resumes.
"""

import argparse
import time
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from benchmarks import results
from benchmarks.records import right_classes
from benchmarks.stages import ROOT, prepare_tasks
from benchmarks.step import learner, new_trainer, speed
from features.augmentation.views import views
from features.labels.targets import one_hot
from pipeline.config.schema import Member, Predict
from pipeline.reporting.tables import markdown
from pipeline.running.backend import keras  # before what imports Keras itself
from pipeline.storage import paths
from pipeline.storage.files import load_array, writing
from pipeline.storage.task_data import TaskData
from pipeline.training.batches import TrainingBatches, batch_size_for, steps_per_epoch
from pipeline.training.callbacks import SeedEpoch
from pipeline.training.epoch import fit
from pipeline.training.network import averaged_probabilities, predict_logits

matplotlib.use("agg")
from matplotlib import pyplot as plt

MARKS, JUDGED_ROWS = 10, 2000
USED_SHARE = 0.95  # of the budget, by schedules that end: speeds vary
ENDLESS = ("constant", "plateau")
IN_VIEWS = "accuracy in the task's views"


def main() -> None:
    """Train the members without a curve in WORK, then draw all curves and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("members", nargs="*", metavar="MEMBER")
    parser.add_argument("--minutes", type=float, default=20)
    options = parser.parse_intermixed_args()
    params = prepare_tasks(options.work, (ROOT / "benchmarks/race.yaml").read_text())
    for name in options.members or params.members:
        curve = Path(f"{name}.csv")
        if not curve.exists():
            member = params.members[name]
            predict = params.tasks[member.task].predict
            marks = _race(name, member, predict, right_classes(params, member.task), 60 * options.minutes)
            with writing(curve) as part:
                marks.to_csv(part, index=False)
            shared = {"task": member.task, "member": name, "setting": f"{options.minutes:g} minutes", "seeds": 1}
            results.write(
                "race",
                [{**shared, **row} for row in _rows(marks, len(views(predict.flip, predict.shift_pixels)))],
            )
    _show({name: pd.read_csv(f"{name}.csv") for name in params.members if Path(f"{name}.csv").exists()}, params.members)


def _race(name: str, member: Member, predict: Predict, right: np.ndarray, budget_seconds: float) -> pd.DataFrame:
    """Train for the budget and return minutes and accuracy at every mark, the last one on all test rows."""
    images, training = paths.images(member.task), member.training
    pixels = load_array(images / f"train_{member.input}.npy")
    targets = one_hot(load_array(images / "train_labels.npy"), len(TaskData(member.task).classes))
    rows, batch_size = np.arange(len(targets)), batch_size_for(len(targets), training.batch_size)
    steps = steps_per_epoch(len(targets), batch_size)
    epochs = training.epochs
    if training.schedule not in ENDLESS:
        start_seconds, step_seconds = speed(learner(member, pixels, targets))
        epochs = max(1, int((USED_SHARE * budget_seconds - start_seconds) / (steps * step_seconds)))
    print(f"{name}: {epochs} epochs of {steps} steps at most", flush=True)
    keras.utils.set_random_seed(training.seed)
    trainer = new_trainer(member, epochs, steps)
    clock = Clock(name, trainer, load_array(images / f"test_{member.input}.npy"), right, budget_seconds)
    batches = TrainingBatches(pixels, targets, rows, batch_size, member.augment, (training.seed, 0))
    watching = keras.callbacks.LambdaCallback(on_train_batch_end=clock.steps_done, on_epoch_end=clock.epoch_done)
    fit(trainer, batches, [SeedEpoch(batches), watching], epochs=epochs)
    clock.judge(len(right))
    probabilities = averaged_probabilities(trainer, clock.test, np.arange(len(right)), predict, multi_label=False)
    in_views = float((probabilities.argmax(axis=1) == right).mean())
    return pd.DataFrame(clock.marks).assign(**{IN_VIEWS: [*[np.nan] * (len(clock.marks) - 1), in_views]})


def _rows(curve: pd.DataFrame, view_count: int) -> list[dict]:
    """Return the rows of results: a row for each mark, and one for the end in all views."""
    *on_the_way, end = curve.to_dict("records")
    rows = [
        {"rows": f"{row['images']} of test", "views": 1, "mark": mark, **row}
        for mark, row in enumerate(on_the_way, start=1)
    ]
    rows.append({"rows": "test", "views": 1, "mark": "end", **end})
    rows.append({**rows[-1], "views": view_count, "accuracy": end[IN_VIEWS]})
    return [{name: row[name] for name in ("rows", "views", "mark", "minutes", "accuracy")} for row in rows]


class Clock:
    """Count only the seconds of training, score at every mark, and stop at the end of the budget."""

    def __init__(
        self, name: str, trainer: keras.Model, test: np.ndarray, right: np.ndarray, budget_seconds: float
    ) -> None:
        self.name, self.trainer, self.test, self.right, self.budget_seconds = name, trainer, test, right, budget_seconds
        self.seconds, self.marks, self.last = 0.0, [], time.monotonic()

    @property
    def is_over(self) -> bool:
        return self.seconds >= self.budget_seconds

    def steps_done(self, *_: object) -> None:
        """Count the time since the last call. Stop at the end of the budget, and score at a mark."""
        self._count()
        if self.is_over:
            self.trainer.stop_training = True
        elif keras.backend.backend() != "jax":  # with JAX, the variables are not available before an epoch ends
            self._judge_at_mark()

    def epoch_done(self, *_: object) -> None:
        """Count the time since the last steps, and score at a mark."""
        self._count()
        if not self.is_over:
            self._judge_at_mark()

    def _count(self) -> None:
        now = time.monotonic()
        self.seconds, self.last = self.seconds + now - self.last, now

    def _judge_at_mark(self) -> None:
        if self.seconds >= (len(self.marks) + 1) * self.budget_seconds / MARKS:
            self.judge(JUDGED_ROWS)

    def judge(self, rows: int) -> None:
        """Record the accuracy on the first test rows, and restart the clock."""
        logits = predict_logits(self.trainer, self.test, np.arange(min(rows, len(self.test))))
        accuracy = float((logits.argmax(axis=1) == self.right[: len(logits)]).mean())
        self.marks.append({"minutes": self.seconds / 60, "accuracy": accuracy, "images": len(logits)})
        print(f"{self.name}: {self.seconds / 60:5.1f} min  accuracy {accuracy:.4f} of {len(logits)}", flush=True)
        self.last = time.monotonic()


def _show(curves: dict[str, pd.DataFrame], members: dict[str, Member]) -> None:
    tasks = list(dict.fromkeys(members[name].task for name in curves))
    figure, panels = plt.subplots(1, len(tasks), figsize=(6 * len(tasks), 4), squeeze=False, layout="constrained")
    for task, panel in zip(tasks, panels[0], strict=True):
        for name, curve in curves.items():
            if members[name].task == task:
                panel.plot(curve["minutes"], 1 - curve["accuracy"], marker=".", label=name)
        panel.set(title=f"{task} replica", xlabel="minutes of training", ylabel="error on test images", yscale="log")
        panel.legend()
    figure.savefig("race.png", dpi=120)
    rows = [
        {
            "member": name,
            "minutes": f"{curve['minutes'].iloc[-1]:.1f}",
            "half-way": f"{np.interp(curve['minutes'].iloc[-1] / 2, curve['minutes'], curve['accuracy']):.4f}",
            "accuracy": f"{curve['accuracy'].iloc[-1]:.4f}",
            "error": f"{1 - curve['accuracy'].iloc[-1]:.4f}",
            "error in the task's views": f"{1 - curve[IN_VIEWS].iloc[-1]:.4f}",
        }
        for name, curve in curves.items()
    ]
    print(markdown(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
