"""What a person watches while a fold trains: a bar on a terminal, a line an epoch everywhere."""

import multiprocessing
import time
from collections.abc import Callable
from types import TracebackType

from tqdm import tqdm

from pipeline.running.clock import clock


class Progress:
    """The display of one fold: `epoch_begun()` returns what moves the bar, `epoch_done` prints a line."""

    def __init__(self, title: str, epochs: int, steps: int) -> None:
        self.title, self.epochs, self.steps = title, epochs, steps
        self.bar: tqdm | None = None
        self.started, self.done = time.monotonic(), 0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.close()

    def epoch_begun(self) -> Callable[[int, dict], None]:
        """Return what is told of steps done, and of the figures so far; only a terminal shows them, of one process."""
        shares_terminal = multiprocessing.parent_process() is not None
        self.bar = tqdm(total=self.steps, desc=self.title, unit="batch", leave=False, disable=shares_terminal or None)
        return self._done

    def _done(self, steps: int, logs: dict) -> None:
        self.bar.update(steps)
        if logs and not self.bar.disable:
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}", accuracy=f"{logs['accuracy']:.3f}", refresh=False)

    def epoch_done(self, row: dict, is_best: bool) -> None:
        """Print the epoch's figures and the time that the fold still takes."""
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
