"""Run under KERAS_BACKEND=jax: folds of the task `blobs`, trained whole and with a kill; prints JSON.

Beside them, how their epochs were made: on the device, or by Python.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from pipeline.storage import checkpoint as resume
from pipeline.storage import paths
from pipeline.training import callbacks
from pipeline.training import epoch_jax as on_device
from pipeline.training import fold as fit
from pipeline.training.fold_jobs import fold_jobs
from tests.projects import member, to_folds, write_blobs

WAYS = {
    "on_device": {
        "augment": {
            "flip": True,
            "alternating_flip": True,
            "shift_pixels": 1,
            "erase_probability": 0.2,
            "mixup_alpha": 0.2,
        },
        "training": {"epochs": 4, "optimiser": "muon", "ema_momentum": 0.8, "label_smoothing": 0.1},
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


def trained(job, killed_after=0):
    def saving(*arguments):
        resume.save_state(*arguments)
        if len(arguments[1]) == killed_after:
            raise Killed

    callbacks.save_state = saving
    try:
        fit.train_fold(job)
    except Killed:
        fit.train_fold(job)
    weights = keras.saving.load_model(job.folder / "model.keras").get_weights()
    return pd.read_csv(job.folder / "history.csv").drop(columns="seconds"), weights


def main():
    write_blobs(Path("raw"), rows=120)
    entries = {name: member("blobs", **changes) for name, changes in WAYS.items()}
    for entry in entries.values():
        entry["options"] = {"width": 0.25, "dropout": 0.1}
    params = to_folds(entries, split={"count": 2})
    on_device.image_limit_bytes = lambda: 1e9  # as if this were no CPU
    callbacks.SAVE_SECONDS = 0
    fit_on_device, device_fits = on_device.fit, []
    on_device.fit = lambda *arguments, **options: device_fits.append(name) or fit_on_device(*arguments, **options)
    found = {}
    for name in WAYS:
        job = fold_jobs(params.members[name], name, paths.resume("blobs", name))[0]
        (history, weights), (again, weights_again) = (
            trained(replace(job, folder=job.folder / str(killed_after)), killed_after) for killed_after in (0, 2)
        )
        found[name] = {
            "on the device": name in device_fits,
            "losses": history["loss"].tolist(),
            "val_accuracy": history["val_accuracy"].tolist(),
            "same history": history.equals(again),
            "same weights": all(map(np.array_equal, weights, weights_again)),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
