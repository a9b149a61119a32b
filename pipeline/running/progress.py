"""The progress of a stage's jobs: a bar if the output is a terminal, and always one line for each epoch.

Bar and lines show the time left for all jobs of the stage. One line before the end of the first epoch estimates it.
"""

import multiprocessing
import sys
import time
from dataclasses import dataclass
from types import TracebackType

from tqdm import tqdm

from pipeline.running.clock import clock

LINE_COLUMNS = 100
MEASURED_STEPS, MEASURED_SHARE = 10, 0.1  # of the first epoch, after the first step, which compiles the program
BAR = "{desc} {percentage:3.0f}%|{bar}|"


@dataclass(frozen=True)
class Turn:
    """The place of a job in a stage that runs its jobs in turns."""

    index: int = 0  # from 0
    count: int = 1
    work: str = ""  # only of the first job: what its estimate is about, such as "m: 3 folds of 10 epochs"


ALONE = Turn()


class Progress:
    """The display of one job: `epoch_begins`, `steps_done` and `epoch_ends` are called in this order."""

    def __init__(self, title: str, epochs: int, turn: Turn) -> None:
        """Start the clock.

        Args:
            title: of the job. Its last part, after two spaces, begins each line.
            epochs: of each job of the stage.
            turn: the job's place in the stage.
        """
        self.name, self.epochs, self.turn = title.rpartition("  ")[2], epochs, turn
        self.bar: tqdm | None = None
        self.started = time.monotonic()
        self.first_step_time = self.last_step_time = self.first_epoch_time = 0.0
        self.first_epoch, self.first_steps = 0, 0
        self.epoch, self.steps, self.step = 0, 1, 0
        self.is_estimated = not turn.work

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.close()

    def epoch_begins(self, epoch: int, steps: int) -> None:
        """Note that the epoch, counted from 0, begins and has so many steps. The bar appears with the first epoch."""
        self.epoch, self.steps, self.step = epoch, steps, 0
        if self.bar is None:
            self.first_epoch = epoch
            shares_terminal = multiprocessing.parent_process() is not None
            self.bar = tqdm(
                total=self.turn.count * self.epochs * steps,
                initial=(self.turn.index * self.epochs + epoch) * steps,
                desc=self._place(),
                bar_format=BAR,
                leave=False,
                disable=shares_terminal or None,
            )

    def steps_done(self, count: int) -> None:
        """Note that the epoch's first `count` steps are done. After some steps, print the estimate for the stage."""
        assert self.bar is not None
        done, self.step = count - self.step, count
        self.last_step_time = time.monotonic()
        if not self.first_steps:
            self.first_steps, self.first_step_time = count, self.last_step_time
        is_compiling = self.epoch == self.first_epoch and count == self.first_steps
        description = self._place() if is_compiling else f"{self._place()}  {self._left_text()}"
        self.bar.set_description_str(description, refresh=False)
        self.bar.update(done)
        least = max(MEASURED_STEPS, round(MEASURED_SHARE * self.steps))
        if count > max(self.first_steps, min(least, self.steps - 1)):
            self._show_estimate()

    def epoch_ends(self, figures: str, shown: bool = True) -> None:
        """Print the epoch's figures and the time left for the stage, in one line of at most 100 columns."""
        self.epoch, self.step = self.epoch + 1, 0
        self.first_epoch_time = self.first_epoch_time or time.monotonic()
        self._show_estimate()
        if shown:
            count = f"epoch {self.epoch:>{len(str(self.epochs))}}/{self.epochs}"
            write_line(fitted(self.name, f"  {count}  {figures}  {self._left_text()}"))

    def _show_estimate(self) -> None:
        if not self.is_estimated:
            self.is_estimated = True
            write_line(f"{self.turn.work}, about {self._left_text()}")

    def _place(self) -> str:
        return f"{self.name}  epoch {self.epoch + 1}/{self.epochs}"

    def _left_text(self) -> str:
        return f"{clock(self._seconds_left())} left"

    def _seconds_left(self) -> float:
        """Return the time that is left for this turn and the later ones, which begin with the same preparations."""
        epoch_seconds = self._epoch_seconds()
        preparation_end = self.first_epoch_time - epoch_seconds if self.first_epoch_time else self.first_step_time
        turn_seconds = max(0.0, preparation_end - self.started) + self.epochs * epoch_seconds
        own_epochs = self.epochs - self.epoch - self.step / self.steps
        return own_epochs * epoch_seconds + (self.turn.count - self.turn.index - 1) * turn_seconds

    def _epoch_seconds(self) -> float:
        """Return the mean seconds of the epochs so far, without the first steps and first validation, which compile."""
        done, now = self.epoch + self.step / self.steps - self.first_epoch, time.monotonic()
        if done > 1:
            return (now - self.first_epoch_time) / (done - 1)
        measured = done - self.first_steps / self.steps
        step_seconds = self.last_step_time - self.first_step_time
        return step_seconds / measured if measured > 0 else (now - self.started) / done


def fold_figures(row: dict, is_best: bool) -> str:
    """Return the figures of a row of a fold's history as text. A star marks the best epoch so far.

    If the row has a metric other than accuracy, it is shown instead of accuracy.
    """
    loss, accuracy = f"loss {row['loss']:.4f}", f"accuracy {row['accuracy']:.4f}"
    if "val_loss" not in row:
        return f"{loss}  {accuracy}"
    mark = "*" if is_best else " "
    metric = next((name for name in row if name.startswith("val_") and name not in ("val_loss", "val_accuracy")), None)
    score = f"{accuracy}  val {row['val_accuracy']:.4f}"
    if metric is not None:
        score = f"{metric.removeprefix('val_')}  val {row[metric]:.4f}"
    return f"{loss}  val {row['val_loss']:.4f}  {score} {mark}"


def gan_figures(row: dict) -> str:
    """Return the figures of a row of a GAN's history as text."""
    return f"discriminator loss {row['discriminator_loss']:.4f}  generator loss {row['generator_loss']:.4f}"


def fitted(head: str, rest: str) -> str:
    """Return a line of at most 100 columns, in which `head` is cut if necessary, and always has 8 columns."""
    return head[: max(8, LINE_COLUMNS - len(rest))] + rest


def write_line(text: str) -> None:
    """Print a line at once, above the bar if there is one."""
    tqdm.write(text)
    sys.stdout.flush()
