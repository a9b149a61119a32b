"""The callbacks of a fold for `fit`, in the order in which they run.

For validation and for saving, the model may have other values than in training: averaged weights, and statistics of
batch normalisation that match them. The callbacks that assign these values restore the training values before the next
epoch and when `fit` ends.
"""

import math
import time
from pathlib import Path

import keras
import numpy as np

from features.labels.metrics.losses import log_loss
from features.labels.metrics.metric import Metric
from features.labels.metrics.shares import accuracy
from features.labels.targets import probabilities
from models.parts import batch_norm
from pipeline.running.jobs import report_state
from pipeline.running.progress import Progress, fold_figures
from pipeline.storage.checkpoint import save_state
from pipeline.storage.files import BadInput
from pipeline.storage.histories import metric_column
from pipeline.training.batches import TrainingBatches
from pipeline.training.joined_images import Images
from pipeline.training.monitor import Monitor, best_epoch, best_epochs
from pipeline.training.network import predict_logits
from pipeline.training.seeding import Purpose, stream
from pipeline.training.variables import copies, reseed, set_variables

SAVE_SECONDS = 10  # least time between two saves: for a large network on a GPU, a save takes half an epoch's time
LEAST_STATISTICS_ROWS, MOST_STATISTICS_ROWS = 256, 2_000  # for batch normalisation; between them, a tenth of the rows
ROW = ("epoch", "learning_rate", "loss", "accuracy", "seconds")  # columns of the history, before those of validation
BEST = "best-"  # how the names of a checkpoint's groups with the weights of the best epochs start
VALIDATION = "val_"  # how the names of the others start


class SeedEpoch(keras.callbacks.Callback):
    """Seeds each epoch, so that it is the same after a restart."""

    def __init__(self, batches: TrainingBatches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Shuffle the rows, and reseed the layers, which may have used random numbers before."""
        self.batches.begin_epoch(epoch)
        reseed(self.model, self.batches.epoch_seeds)


class EpochFigures(keras.callbacks.Callback):
    """Adds `epoch` (from 1), `learning_rate` and `seconds` of training to the logs, and ends a diverging training."""

    def __init__(self, title: str, learning_rate: float) -> None:
        """Store the values for an error message: the fold's title and the setting."""
        super().__init__()
        self.title, self.learning_rate = title, learning_rate

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Add the values to the logs.

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
    """Base of callbacks that assign other values to some variables for validation and saving."""

    def __init__(self, variables: list) -> None:
        super().__init__()
        self.variables = variables
        self.training_values: list[np.ndarray] | None = None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Copy the training values, and assign the other ones."""
        self.training_values = copies(self.variables)
        self.assign_values()

    def assign_values(self) -> None:
        """Assign the values for validation and saving."""
        raise NotImplementedError

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Restore the training values."""
        if self.training_values is not None:
            set_variables(self.variables, self.training_values)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Restore the training values, as Keras's `fit` ends with the averages in the model."""
        self.on_epoch_begin(0)


class SwapEMAWeights(Swap):
    """Validates and saves the moving average of the weights.

    Keras's callback of this name with `swap_on_epoch` does the same, but its swap rounds. This one is exact.
    """

    def assign_values(self) -> None:
        """Assign the averages."""
        self.model.optimizer.finalize_variable_values(self.variables)
        # On JAX the variables now share the optimiser's arrays, which the next step frees: assign copies.
        set_variables(self.variables, copies(self.variables))


def sample_of(rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return random rows from which the statistics are estimated. Their cost is about 3 % of an epoch's time."""
    return generator.permutation(rows)[: max(LEAST_STATISTICS_ROWS, min(len(rows) // 10, MOST_STATISTICS_ROWS))]


class BatchNormStatistics(Swap):
    """Validates and saves with statistics of batch normalisation that are estimated for the current weights."""

    def __init__(self, model: keras.Model, batches: TrainingBatches) -> None:
        """Choose random rows: the estimates use their real images without augmentation."""
        super().__init__(batch_norm.statistics(model))
        self.images, self.columns, self.estimate = batches.images, batches.columns, batch_norm.estimator(model)
        self.rows = sample_of(batches.rows, stream(batches.seeds, Purpose.STATISTICS))

    def assign_values(self) -> None:
        """Assign the estimates."""
        order = self.rows.argsort()
        arrays = [self.images] if self.columns is None else [self.images, self.columns]
        # Rows are read in the order of the file, then shuffled again.
        samples = [array[self.rows[order]][order.argsort()] for array in arrays]
        set_variables(self.variables, self.estimate(*samples))


class Validation(keras.callbacks.Callback):
    """Adds `val_loss`, `val_accuracy` and the task's metric to the logs.

    `val_loss` is the log-loss, whatever the training loss is. The metric's decisions are fitted to the same rows.
    """

    def __init__(
        self, images: Images, labels: np.ndarray, rows: np.ndarray, metric: Metric, columns: Images | None = None
    ) -> None:
        super().__init__()
        self.images, self.labels, self.rows, self.metric, self.columns = images, labels[rows], rows, metric, columns

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Validate the model on the rows."""
        logits = predict_logits(self.model, self.images, self.rows, columns=self.columns)
        predictions = probabilities(logits, multi_label=self.labels.ndim == 2)
        logs |= {"val_loss": log_loss(predictions, self.labels), "val_accuracy": accuracy(predictions, self.labels)}
        if metric_column(self.metric) not in logs:
            logs[metric_column(self.metric)] = self.metric.best(predictions, self.labels)


class Replay(keras.callbacks.Callback):
    """Restores the state of callbacks that count epochs, because `fit` resets them when it begins.

    It calls them once for each epoch of the phase that was trained before the restart.
    """

    def __init__(self, callbacks: list[keras.callbacks.Callback], history: list[dict]) -> None:
        """Store the callbacks, and the history rows of the phase's epochs so far."""
        super().__init__()
        self.callbacks, self.history = callbacks, list(history)

    def stops(self, model: keras.Model) -> bool:
        """Return whether one of the callbacks ends the training after those epochs."""
        self.set_model(model)
        model.stop_training = False
        self.on_train_begin()
        return model.stop_training

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Call the callbacks with those epochs, each at its own learning rate, and restore the rate afterwards."""
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
    """Appends each epoch's row to the history, and copies the weights of the best epochs by `monitor`."""

    def __init__(
        self, monitor: Monitor, history: list[dict], groups: dict[str, list[np.ndarray]], count: int = 1
    ) -> None:
        """Continue with the groups of a checkpoint, if there is one, and keep the weights of `count` epochs."""
        super().__init__()
        self.monitor, self.history, self.count = monitor, history, count
        self.weights = {int(name.removeprefix(BEST)): group for name, group in groups.items() if name.startswith(BEST)}

    @property
    def groups(self) -> dict[str, list[np.ndarray]]:
        """The weights for a checkpoint, those of the best epoch first."""
        return {f"{BEST}{epoch}": weights for epoch, weights in self.weights.items()}

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Append the row, and copy the weights if the epoch is among the best ones so far."""
        names = [name for name in (*ROW, *logs) if name in ROW or name.startswith(VALIDATION)]
        self.history.append({name: logs[name] for name in names if name in logs})
        best = best_epochs(self.history, self.monitor, self.count)
        if epoch in best:
            self.weights[epoch] = copies(self.model.weights)
        self.weights = {number: self.weights[number] for number in best}


class Backup(keras.callbacks.Callback):
    """Saves a checkpoint for a restart: at most once in SAVE_SECONDS, and when `fit` ends."""

    def __init__(self, path: Path, best: BestWeights) -> None:
        super().__init__()
        self.path, self.best = path, best
        self.saved_at, self.saved_epochs = -math.inf, len(best.history)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Save the epochs so far: now the model has its training weights again."""
        if time.monotonic() - self.saved_at >= SAVE_SECONDS:
            self.on_train_end()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Save the epochs so far, if there are new ones."""
        if len(self.best.history) == self.saved_epochs:
            return
        weights, optimiser = copies(self.model.weights), copies(self.model.optimizer.variables)
        groups = {"weights": weights, "optimiser": optimiser, **self.best.groups}
        save_state(self.path, self.best.history, groups)
        report_state(self.path)
        self.saved_at, self.saved_epochs = time.monotonic(), len(self.best.history)


class ShowProgress(keras.callbacks.Callback):
    """Shows the steps and the epochs to a person."""

    def __init__(self, progress: Progress, best: BestWeights) -> None:
        super().__init__()
        self.progress, self.best = progress, best

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Show the number of the epoch."""
        self.progress.epoch_begins(epoch, self.params["steps"])

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Move the bar to the end of a batch. There may be several batches since the last call."""
        self.progress.steps_done(batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Print a line."""
        is_best = best_epoch(self.best.history, self.best.monitor) == epoch
        self.progress.epoch_ends(fold_figures(self.best.history[-1], is_best))
