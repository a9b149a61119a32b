"""What happens around an epoch, as callbacks for `fit`, in the order in which a fold lists them.

While an epoch is judged and its weights are kept, the model may have other values than while it trains: averaged
weights, and statistics of batch normalisation that fit them. The callbacks that put these in take them out again before
the next epoch, and when `fit` ends.
"""

import math
import time
from pathlib import Path

import keras
import numpy as np

from features.labels.metrics import accuracy, log_loss
from features.labels.targets import probabilities
from models.parts import batch_norm
from pipeline.running.progress import Progress
from pipeline.storage.checkpoint import save_state
from pipeline.storage.files import BadInput
from pipeline.training.batches import TrainingBatches
from pipeline.training.network import predict_logits
from pipeline.training.seeding import Purpose, copies, reseed, set_variables, stream

SAVE_SECONDS = 10  # from one save to the next: a large network's takes half as long as an epoch on a GPU
STATISTICS_ROWS = 2_000  # of batch normalisation: for 60 000 rows a hundredth of an epoch's work
ROW = ("epoch", "learning_rate", "loss", "accuracy", "seconds", "val_loss", "val_accuracy")  # of the history


class SeedEpoch(keras.callbacks.Callback):
    """Gives each epoch its own seeds, so that it is the same after a restart."""

    def __init__(self, batches: TrainingBatches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Shuffle the rows, and reseed the layers: the first `fit` of a process may have drawn numbers before."""
        self.batches.begin_epoch(epoch)
        reseed(self.model, self.batches.epoch_seeds)


class EpochFigures(keras.callbacks.Callback):
    """Adds `epoch` (from 1), `learning_rate` and `seconds` of training to the logs, and ends a diverging training."""

    def __init__(self, title: str, learning_rate: float) -> None:
        """Take what an error names: the fold's title and the setting."""
        super().__init__()
        self.title, self.learning_rate = title, learning_rate

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Add the figures.

        Raises:
            BadInput: the loss is not finite.
        """
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        logs |= {"epoch": epoch + 1, "learning_rate": rate, "seconds": round(time.monotonic() - self.started, 3)}
        if not np.isfinite(logs["loss"]):
            raise BadInput(
                f"{self.title}: the loss is {logs['loss']} in epoch {epoch + 1}, expected a finite number; "
                f"lower learning_rate, now {self.learning_rate:g}"
            )


class Swap(keras.callbacks.Callback):
    """Base of what gives some variables other values while an epoch is judged."""

    def __init__(self, variables: list) -> None:
        super().__init__()
        self.variables, self.training_values = variables, None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Put the other values in."""
        self.training_values = copies(self.variables)
        self.put_in()

    def put_in(self) -> None:
        """Assign the values with which the model is judged."""
        raise NotImplementedError

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Take them out: training goes on from where it was."""
        if self.training_values is not None:
            set_variables(self.variables, self.training_values)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Take them out, and what `fit` itself put in: it ends with the averages in the model."""
        self.on_epoch_begin(0)


class SwapEMAWeights(Swap):
    """Judges and keeps the moving average of the weights, as Keras's own with `swap_on_epoch`, but swaps exactly."""

    def put_in(self) -> None:
        """Assign the averages."""
        self.model.optimizer.finalize_variable_values(self.variables)
        set_variables(self.variables, copies(self.variables))  # else they are the optimiser's own on JAX, and freed


class BatchNormStatistics(Swap):
    """Judges and keeps statistics of batch normalisation that are estimated for the weights as they are."""

    def __init__(self, model: keras.Model, batches: TrainingBatches) -> None:
        """Draw the rows whose real images, as they are, the estimates are taken over."""
        super().__init__(batch_norm.statistics(model))
        self.images, self.estimated = batches.images, batch_norm.estimator(model)
        self.rows = stream(batches.seeds, Purpose.STATISTICS).permutation(batches.rows)[:STATISTICS_ROWS]

    def put_in(self) -> None:
        """Assign the estimates."""
        order = self.rows.argsort()
        drawn = self.images[self.rows[order]][order.argsort()]  # read in the disk's order, which may be by class
        set_variables(self.variables, self.estimated(drawn))


class Validation(keras.callbacks.Callback):
    """Adds `val_loss`, the log-loss whatever the training's loss is, and `val_accuracy` to the logs."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> None:
        super().__init__()
        self.images, self.labels, self.rows = images, labels[rows], rows

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Judge the model on the rows."""
        logits = predict_logits(self.model, self.images, self.rows)
        found = probabilities(logits, multi_label=self.labels.ndim == 2)
        logs |= {"val_loss": log_loss(found, self.labels), "val_accuracy": accuracy(found, self.labels)}


class Replay(keras.callbacks.Callback):
    """Brings callbacks that count epochs to where they were before a restart, as `fit` begins by resetting them."""

    def __init__(self, callbacks: list[keras.callbacks.Callback], history: list[dict]) -> None:
        """Take the callbacks, and the rows of the phase's epochs so far."""
        super().__init__()
        self.callbacks, self.history = callbacks, list(history)

    def stops(self, model: keras.Model) -> bool:
        """Return whether one of them ends the training after those epochs."""
        self.set_model(model)
        model.stop_training = False
        self.on_train_begin()
        return model.stop_training

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Give them those epochs, each at its own learning rate, and leave the rate as it is."""
        for callback in self.callbacks:
            callback.set_model(self.model)
            callback.on_train_begin()
            lowers_rate = isinstance(callback, keras.callbacks.ReduceLROnPlateau)
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            for epoch, row in enumerate(self.history):
                if lowers_rate:
                    self.model.optimizer.learning_rate = row["learning_rate"]
                callback.on_epoch_end(epoch, dict(row))
            if lowers_rate:
                self.model.optimizer.learning_rate = rate


class BestWeights(keras.callbacks.Callback):
    """Appends each epoch's row to the history, and keeps the weights of the best one by `monitor`."""

    def __init__(self, monitor: str, history: list[dict], weights: list[np.ndarray] | None) -> None:
        super().__init__()
        self.monitor, self.history, self.weights = monitor, history, weights

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Keep what is better than all before."""
        self.history.append({name: logs[name] for name in ROW if name in logs})
        if best_epoch(self.history, self.monitor) == epoch:
            self.weights = copies(self.model.weights)


class Backup(keras.callbacks.Callback):
    """Saves what a restart needs: at most every SAVE_SECONDS, and when `fit` ends."""

    def __init__(self, path: Path, best: BestWeights) -> None:
        super().__init__()
        self.path, self.best = path, best
        self.saved_at, self.saved_epochs = -math.inf, len(best.history)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Save the epochs before, as the model now has its training weights again."""
        if time.monotonic() - self.saved_at >= SAVE_SECONDS:
            self.on_train_end()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Save the last epoch."""
        if len(self.best.history) == self.saved_epochs:
            return
        weights, optimiser = copies(self.model.weights), copies(self.model.optimizer.variables)
        groups = {"weights": weights, "optimiser": optimiser, "best": self.best.weights}
        save_state(self.path, self.best.history, groups)
        self.saved_at, self.saved_epochs = time.monotonic(), len(self.best.history)


class ShowProgress(keras.callbacks.Callback):
    """Shows the steps and the epochs to a person."""

    def __init__(self, progress: Progress, best: BestWeights) -> None:
        super().__init__()
        self.progress, self.best = progress, best

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Begin a new bar."""
        self.show_steps, self.steps = self.progress.epoch_begun(), 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Move the bar to the end of a batch, which may be one of several since the last call."""
        self.show_steps(batch + 1 - self.steps, logs)
        self.steps = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Print a line."""
        self.progress.epoch_done(self.best.history[-1], best_epoch(self.best.history, self.best.monitor) == epoch)


def best_epoch(history: list[dict], monitor: str) -> int:
    """Return the epoch with the best validation figure, the first of equals; the last one where there is no figure."""
    if monitor not in history[-1]:
        return len(history) - 1
    values = np.array([row[monitor] for row in history])
    return int(values.argmax() if monitor.endswith("accuracy") else np.nan_to_num(values, nan=np.inf).argmin())
