"""Run with several devices of JAX: train a fold on one and on all of them in a WAY, and print the results as JSON."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.training import epoch_jax, fold
from pipeline.training.fold_jobs import fold_jobs
from tests.projects import member, to_folds, write_blobs


def refusal(job):
    try:
        fold.train_fold(job)
    except BadInput as error:
        return str(error)
    return ""


def main(way):
    write_blobs(Path("raw"), rows=63)  # 42 to train, and 21 to validate: no multiple of two
    members = {name: member("blobs", devices=name) for name in ("one", "all")}
    members["odd"] = member("blobs", devices="all", training={"batch_size": 15})
    params = to_folds(members)
    if way == "on_device":
        epoch_jax.image_limit_bytes = lambda: 1e9  # as if this were no CPU
    jobs = {name: fold_jobs(params.members[name], name, paths.resume("blobs", name))[0] for name in members}
    histories, weights, spread = {}, {}, []
    fit = fold.fit

    def noting_fit(trainer, *arguments, **options):
        fit(trainer, *arguments, **options)
        spread.append(len(trainer.trainable_variables[0].value.sharding.device_set))

    fold.fit = noting_fit
    for name in ("one", "all"):
        fold.train_fold(jobs[name])
        histories[name] = pd.read_csv(jobs[name].folder / "history.csv").drop(columns="seconds")
        weights[name] = keras.saving.load_model(jobs[name].folder / "model.keras").get_weights()
    pairs = zip(weights["one"], weights["all"], strict=True)
    results = {
        "devices of the weights": spread,
        "learnt": float(np.ptp(histories["all"]["loss"])),
        "history": float((histories["one"] - histories["all"]).abs().max(axis=None)),
        "weights": max(float(np.abs(one - several).max()) for one, several in pairs),
        "odd": refusal(jobs["odd"]),
        "scope after": keras.distribution.distribution() is not None,
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
