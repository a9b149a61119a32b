"""Find out why a network gives the same answer to every image: measure how much its layers vary with the image.

    python -m benchmarks.collapse MEMBER ...

Run it in a folder where `dvc repro` has trained the members. It uses the validation images of their first fold. A unit
that is zero for all of them is dead. The varying share of a layer's output is its standard deviation over the images,
divided by its root mean square, both for the whole layer.
"""

import sys

import numpy as np
import pandas as pd

from benchmarks import results
from pipeline.config.schema import load_params
from pipeline.reporting.tables import markdown
from pipeline.running.backend import keras  # before what imports Keras itself
from pipeline.storage import paths
from pipeline.storage.files import load_array
from pipeline.storage.task_data import TaskData

IMAGES = 500


def main() -> None:
    """Print a table for each member, with a row for each layer that has weights."""
    members = load_params(paths.PARAMS).members
    for key in sys.argv[1:]:
        task, input_ = members[key].task, members[key].input
        rows = np.flatnonzero(TaskData(task).folds == 0)[:IMAGES]
        images = load_array(paths.images(task) / f"train_{input_}.npy")[rows]
        model = keras.saving.load_model(paths.models(task, key) / "fold-0.keras")
        table = _table(model, images)
        text_table = table.assign(dead=table["dead"].map("{:.0%}".format), varies=table["varies"].map("{:.1%}".format))
        print(f"{key}, {len(rows)} images\n\n{markdown(text_table)}\n")
        results.write("collapse", [{"task": task, "member": key, **row} for row in _rows(table)])


def _table(model: keras.Model, images: np.ndarray) -> pd.DataFrame:
    at, network = next((at, layer) for at, layer in enumerate(model.layers) if isinstance(layer, keras.Model))
    normalised_images = keras.Model(model.inputs, model.layers[at - 1].output).predict(images, verbose=0)
    weighted = [layer for layer in network.layers if layer.weights]
    outputs = keras.Model(network.inputs, [layer.output for layer in weighted]).predict(normalised_images, verbose=0)
    rows = []
    for layer, output in zip(weighted, outputs, strict=True):
        units = output.reshape(len(images), -1)
        size = np.sqrt(np.mean(units**2))
        varying = np.sqrt(units.var(axis=0).mean()) / size if size else 0.0
        dead = np.mean(~units.any(axis=0))
        kind = "convolution" if isinstance(layer, keras.layers.Conv2D) else "dense"
        rows.append({"layer": layer.name, "kind": kind, "units": units.shape[1], "dead": dead, "varies": varying})
    return pd.DataFrame(rows)


def _rows(table: pd.DataFrame) -> list[dict]:
    """Return the rows of results: the last convolution, the first dense layer and the logits."""
    layers = {
        "last convolution": table[table["kind"] == "convolution"].iloc[-1],
        "first dense layer": table[table["kind"] == "dense"].iloc[0],
        "logits": table.iloc[-1],
    }
    return [
        {"layer": name, "dead_share": layer["dead"], "varying_share": layer["varies"]} for name, layer in layers.items()
    ]


if __name__ == "__main__":
    main()
