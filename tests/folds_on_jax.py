"""Run under KERAS_BACKEND=jax: train a fold in one of WAYS without and with a kill, and print the results as JSON.

The results also say whether the epochs ran on the device or in Python.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from pipeline.storage import checkpoint, paths
from pipeline.training import callbacks, epoch_jax, fold
from pipeline.training.fold_jobs import fold_jobs
from tests.events import scalars
from tests.projects import member, to_folds, write_blobs

WAYS = {
    "on_device": {
        "augment": {
            "flip": True,
            "alternating_flip": True,
            "shift_pixels": 1,
            "erase_probability": 0.2,
            "area_crop_share": 0.3,
            "brightness_share": 0.1,
            "trivial_augment": True,
            "mixup_alpha": 0.2,
        },
        "training": {
            "epochs": 4,
            "optimiser": "muon",
            "ema_momentum": 0.8,
            "label_smoothing": 0.1,
            "gradient_accumulation_steps": 2,
            "global_clipnorm": 1.0,
            "imbalance": "class_weights",
        },
    },
    "by_python": {
        "augment": {"ricap_beta": 0.3},
        "training": {
            "epochs": 4,
            "schedule": "plateau",
            "plateau_patience_epochs": 1,
            "early_stopping_patience_epochs": 3,
            "ema_momentum": 0.8,
        },
    },
}


class Killed(Exception):
    pass


def train(job, killed_after=0):
    def save_and_stop(*arguments):
        checkpoint.save_state(*arguments)
        if len(arguments[1]) == killed_after:
            raise Killed

    callbacks.save_state = save_and_stop
    try:
        fold.train_fold(job)
    except Killed:
        fold.train_fold(job)
    weights = keras.saving.load_model(job.folder / "model.keras").get_weights()
    return pd.read_csv(job.folder / "history.csv").drop(columns="seconds"), weights


def main(way):
    write_blobs(Path("raw"), rows=120)
    entry = member("blobs", **WAYS[way]) | {"options": {"width": 0.25, "dropout": 0.1}}
    params = to_folds({"m": entry}, split={"count": 2})
    epoch_jax.image_limit_bytes = lambda: 1e9  # as if this were no CPU
    callbacks.SAVE_SECONDS = 0
    fit_on_device, device_fits = epoch_jax.fit, []
    epoch_jax.fit = lambda *arguments, **options: device_fits.append(1) or fit_on_device(*arguments, **options)
    job = replace(fold_jobs(params.members["m"], "m", paths.resume("blobs", "m"))[0], trackers=("tensorboard",))
    (history, weights), (history_after_kill, weights_after_kill) = (
        train(replace(job, folder=job.folder / str(killed_after)), killed_after) for killed_after in (0, 2)
    )
    results = {
        "on the device": bool(device_fits),
        "losses": history["loss"].tolist(),
        "tracked": scalars(paths.TENSORBOARD / "blobs/m/2")["loss"],  # of the run that was killed
        "same history": history.equals(history_after_kill),
        "same weights": all(map(np.array_equal, weights, weights_after_kill)),
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
