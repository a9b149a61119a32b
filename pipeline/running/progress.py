"""The progress of a fold: a bar if the output is a terminal, and always one line for each epoch."""

import multiprocessing
import time
from collections.abc import Callable
from types import TracebackType

from tqdm import tqdm

from pipeline.running.clock import clock


class Progress:
    """The display of one fold: `epoch_begun` starts a bar, `epoch_done` prints a line."""

    def __init__(self, title: str, epochs: int, steps: int) -> None:
        self.title, self.epochs, self.steps = title, epochs, steps
        self.bar = tqdm(disable=True)  # until the first epoch
        self.started, self.done = time.monotonic(), 0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.close()

    def epoch_begun(self) -> Callable[[int, dict | None], None]:
        """Start a bar, and return the function that moves it by a number of steps and shows the metrics so far.

        The bar is shown only on a terminal, and only in the main process.
        """
        shares_terminal = multiprocessing.parent_process() is not None
        self.bar = tqdm(total=self.steps, desc=self.title, unit="batch", leave=False, disable=shares_terminal or None)
        return self._done

    def _done(self, steps: int, logs: dict | None) -> None:
        self.bar.update(steps)
        if logs and not self.bar.disable:
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}", accuracy=f"{logs['accuracy']:.3f}", refresh=False)

    def epoch_done(self, row: dict, is_best: bool) -> None:
        """Print the epoch's metrics and the remaining time of the fold."""
        self.bar.close()
        self.done += 1
        left = (time.monotonic() - self.started) / self.done * (self.epochs - row["epoch"])
        validation = ""
        if "val_loss" in row:
            mark = "*" if is_best else " "
            validation = f" | validation loss {row['val_loss']:.4f} accuracy {row['val_accuracy']:.4f} {mark}"
        tqdm.write(
            f"{self.title}  epoch {row['epoch']:>3}/{self.epochs} | loss {row['loss']:.4f} "
            f"accuracy {row['accuracy']:.4f}{validation} | rate {row['learning_rate']:.1e} "
            f"| {row['seconds']:.1f} s, {clock(left)} left"
        )
