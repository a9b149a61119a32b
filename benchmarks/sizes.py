"""Measure how the price-sum accuracy falls with fewer images, and with fewer items in the pool.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.sizes WORK

The member `price_sum-fast` of benchmarks/params.yaml trains on the first 1 000 to 60 000 training images of a pool of
6 000 items for each class, and on 20 000 images of smaller pools. It is scored on 10 000 test images of the same pool,
and on 10 000 whose items occur in no training image. With fewer images there are more epochs: the member's epochs times
the root of 60 000 / images. It takes about half an hour on two cores. A killed run resumes. The folder WORK gets
sizes.png.
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import yaml

from benchmarks import results
from benchmarks.records import right_classes, train_model
from benchmarks.stages import ROOT, prepare_tasks
from pipeline.config.schema import Member, Params
from pipeline.reporting.tables import markdown
from pipeline.storage import paths
from pipeline.storage.files import load_array
from pipeline.training.network import predict_logits

matplotlib.use("agg")
from matplotlib import pyplot as plt

MEMBER, DISJOINT = "price_sum-fast", "price_sum_disjoint"
IMAGES, POOLS, POOL_IMAGES, ALL_ITEMS = (1000, 5000, 20_000, 60_000), (30, 200, 1000), 20_000, 6000


def main() -> None:
    """Train the missing models, then draw the curves and print the table."""
    params = prepare_tasks(Path(sys.argv[1]), yaml.safe_dump(_params(), sort_keys=False))
    member = params.members[MEMBER]
    sizes = [("price_sum", rows, ALL_ITEMS) for rows in IMAGES]
    sizes += [(f"price_sum_{items}", POOL_IMAGES, items) for items in POOLS]
    table = pd.DataFrame([_figures(params, member, *size) for size in sizes])
    results.write("sizes", _rows(table))
    _draw(table)
    print(markdown(table.map(lambda value: f"{value:,}" if isinstance(value, int) else f"{value:.2f}")))


def _params() -> dict:
    """Return benchmarks/params.yaml with only the price-sum tasks, and one more task for each smaller pool."""
    tree = yaml.safe_load((ROOT / "benchmarks/params.yaml").read_text())
    shared, replica = tree["tasks"]["price_sum"], tree["replicas"]["price_sum"]
    tasks = {name: tree["tasks"][name] for name in ("price_sum", DISJOINT)}
    replicas = {name: tree["replicas"][name] for name in tasks}
    for items in POOLS:
        key = f"price_sum_{items}"
        tasks[key] = shared | {"ingest": shared["ingest"] | {"folder": f"data/replica/{key}"}}
        replicas[key] = replica | {"items_per_class": items, "train_rows": POOL_IMAGES}
    return {"replicas": replicas, "tasks": tasks, "members": {MEMBER: tree["members"][MEMBER]}}


def _figures(params: Params, member: Member, task: str, rows: int, items: int) -> dict[str, float]:
    epochs = round(member.training.epochs * (60_000 / rows) ** 0.5)
    member = member.model_copy(update={"task": task, "training": member.training.model_copy(update={"epochs": epochs})})
    model = train_model(member, f"sizes-{rows}", np.arange(rows))
    row = {"images": rows, "items a class": items, "epochs": epochs}
    for name, test_task in (("same pool", task), ("disjoint pool", DISJOINT)):
        test = load_array(paths.images(test_task) / f"test_{member.input}.npy")
        logits = predict_logits(model, test, np.arange(len(test)))
        row[name] = 100 * float((logits.argmax(axis=1) == right_classes(params, test_task)).mean())
    return row


def _rows(table: pd.DataFrame) -> list[dict]:
    """Return the rows of results, one for each test set."""
    shared = {"task": "price_sum", "member": MEMBER, "views": 1, "seeds": 1, "epoch_selection": "last epoch"}
    names = {"same pool": "test", "disjoint pool": "disjoint test"}
    return [
        {
            **shared,
            "rows": rows,
            "images": line["images"],
            "items_per_class": line["items a class"],
            "epochs": line["epochs"],
            "accuracy": line[column] / 100,
        }
        for line in table.to_dict("records")
        for column, rows in names.items()
    ]


def _draw(table: pd.DataFrame) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
    whole = table["items a class"] == ALL_ITEMS
    by_pool = table[table["images"] == POOL_IMAGES].sort_values("items a class")
    for panel, rows, axis in ((panels[0], table[whole], "images"), (panels[1], by_pool, "items a class")):
        for name in ("same pool", "disjoint pool"):
            panel.plot(rows[axis], rows[name], marker="o", label=f"test images of the {name}")
        panel.set(xscale="log", xlabel=f"training {axis}")
        panel.grid(alpha=0.3)
    panels[0].set(title=f"{ALL_ITEMS:,} items a class", ylabel="accuracy, %")
    panels[1].set(title=f"{POOL_IMAGES:,} images")
    panels[0].legend()
    figure.savefig("sizes.png", dpi=120)


if __name__ == "__main__":
    main()
