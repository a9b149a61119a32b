"""`python -m published.measure NAME...`: train the reports' systems and ablations as far as two cores can.

NAME is a member such as d-dense, an ablation such as d.optimiser, or a report (a to e). By default all of them run, in
the order of `measure.yaml`, which has their epochs and images. Each writes its rows to
`benchmarks/results/five_reports.csv`, and its figures by epoch to `five_reports_curves.csv`. What has rows is not
trained again. A killed run continues at its last epoch, in `.published/measured-REPORT`, with the code with which it
began. `--list` only prints what is missing.

Example: nice -n 15 python -m published.measure d-dense d.optimiser
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from scipy.stats import t

from benchmarks import results
from pipeline.config.schema import load_params
from pipeline.storage import paths
from published.folder import COMMIT, entries, prepared_folder, run, write_params
from published.plan import image_seconds, load_figures

QUEUE = Path(__file__).with_name("measure.yaml")
QUESTION, CURVES = "five_reports", "five_reports_curves"
WORDS = {"training": "training", "out of fold": "validation", "test": "test"}  # of the figures, by the judged rows
LONGEST_CURVE = 40  # epochs of a curve that are kept


@dataclass(frozen=True)
class Item:
    """A system or an ablation, with its size."""

    name: str
    epochs: int
    train_rows: int
    test_rows: int
    seeds: int = 1

    @property
    def report(self) -> str:
        """The letter of the report."""
        return self.name[0]

    @property
    def ablation(self) -> str:
        """The name of the ablation in the report's entries; an empty text for a system."""
        return self.name.partition(".")[2]

    @property
    def setting(self) -> str:
        """The size in words, which identifies the rows of the results."""
        return f"{self.train_rows} images, {self.epochs} epochs"


def queue(path: Path) -> list[Item]:
    """Return all items of a file such as `measure.yaml`, in their order."""
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [Item(name, **tree["rows"] | size) for part in ("systems", "ablations") for name, size in tree[part].items()]


def is_measured(item: Item) -> bool:
    """Return whether the results have rows of the item, at its size."""
    rows = results.read(QUESTION)
    name = rows["ablation"] if item.ablation else rows["member"].where(rows["ablation"] == "")
    return bool(((name == item.name) & (rows["setting"] == item.setting)).any())


def tree_of(item: Item) -> dict[str, Any]:
    """Return the report's entries with this item alone, at its size."""
    tree = entries(item.report)
    ablations = {item.ablation: tree["ablations"][item.ablation]} if item.ablation else {}
    name = ablations[item.ablation]["member"] if ablations else item.name
    member = tree["members"][name]
    training = member.get("training", {}) | {"epochs": item.epochs}
    if training.get("frozen_epochs", 0) > item.epochs:
        training["frozen_epochs"] = item.epochs
    for key, ablation in ablations.items():
        variants = [
            {path: value for path, value in v.items() if path != "training.epochs"} for v in ablation["variants"]
        ]
        ablations[key] = {"member": name, "seeds": item.seeds, "variants": variants}
    task = dict(tree["tasks"][member["task"]])
    if "generated_share" not in json.dumps(ablations):
        task.pop("generate", None)
    replica = Path(task["ingest"]["folder"]).name
    rows = {"train_rows": item.train_rows, "test_rows": item.test_rows}
    return {
        "replicas": {replica: tree["replicas"][replica] | rows},
        "tasks": {member["task"]: task},
        "members": {name: member | {"training": training}},
        "ablations": ablations,
    }


def hours(item: Item) -> str:
    """Return how many trainings the item has, and their hours on one core as far as they are known."""
    tree = tree_of(item)
    (name,) = tree["members"]
    trainings = item.seeds * len(tree["ablations"][item.ablation]["variants"]) if item.ablation else 1
    seconds = image_seconds().get(name, 0) * item.train_rows * item.epochs * trainings
    known = f"about {seconds / 3600:.1f} hours of one core" if seconds else "hours not known"
    return f"{trainings} training{'s' * (trainings > 1)}, {known}"


def measure(item: Item) -> None:
    """Train the item and write its rows. A killed run continues.

    Raises:
        SystemExit: a stage failed.
    """
    folder = prepared_folder(f"measured-{item.report}", keep_code=True)
    write_params(folder, tree_of(item))
    steps = (
        (["pipeline", "repro", "generate"], ["pipeline.ablate", item.ablation])
        if item.ablation
        else (["pipeline", "repro"],)
    )
    for step in steps:
        status = run(folder, *step)
        if status:
            sys.exit(status)
    results.write(QUESTION, ablation_rows(item, folder) if item.ablation else system_rows(item, folder))
    if not item.ablation:
        results.write(CURVES, curve_rows(item, folder))


def system_rows(item: Item, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a row for the training, the validation and the test images of a system.

    The standard error is that of a share of the judged rows.
    """
    row = pd.read_csv(folder / "report" / "comparison.csv").set_index("member").loc[item.name]
    shared = _shared(item, folder, item.name)
    held_out = item.train_rows * _holdout_share(folder)
    judged = {"out of fold": held_out, "test": item.test_rows}
    for rows, word in WORDS.items():
        accuracy = row["test score" if word == "test" else f"{word} accuracy"]
        yield {
            **shared,
            "rows": rows,
            "accuracy": accuracy,
            "log_loss": row.get(f"{word} loss"),
            "standard_error": (accuracy * (1 - accuracy) / judged[rows]) ** 0.5 if rows in judged else None,
            "parameters": row["parameters"],
            "epochs": row["epochs"],
        }


def ablation_rows(item: Item, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield two rows for each variant: the means over the seeds on training and validation images.

    They are those of the last epoch if the published table has those of a certain epoch, else of the best one. A
    variant whose trainings all diverged has no accuracy.
    """
    table = pd.read_csv(folder / "ablations" / f"{item.ablation}.csv")
    figures = load_figures(item.report)
    is_last = figures.loc[figures["ablation"] == item.ablation, "figure"].str.contains(",").any()
    suffix = ", last epoch" if is_last else ""
    (member,) = load_params(folder / "params.yaml").members
    for variant, row in enumerate(table.to_dict("records")):
        for rows in ("training", "out of fold"):
            figure = f"{WORDS[rows]} accuracy{suffix}"
            reach = row.get(f"{figure} high", float("nan")) - row.get(figure, float("nan"))
            yield {
                **_shared(item, folder, member),
                "ablation": item.name,
                "variant": variant,
                "rows": rows,
                "accuracy": row.get(figure),
                "log_loss": row.get(f"{WORDS[rows]} loss{suffix}"),
                "standard_error": reach / t.ppf(0.975, item.seeds - 1) if item.seeds > 1 else None,
                "seeds": item.seeds,
                "epochs": row.get("epochs"),
                "epoch_selection": "last epoch" if is_last else "best held-out epoch",
            }


def curve_rows(item: Item, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield two rows for each epoch of a system: training and validation. A long curve is thinned."""
    history = pd.read_csv(folder / paths.models(_task(folder), item.name) / "fold-0.csv")
    step = -(-len(history) // LONGEST_CURVE)
    for row in history[(history.index % step == 0) | (history.index == len(history) - 1)].to_dict("records"):
        for rows, prefix in (("training", ""), ("out of fold", "val_")):
            yield {
                **_shared(item, folder, item.name),
                "rows": rows,
                "epochs": int(row["epoch"]),
                "accuracy": row[f"{prefix}accuracy"],
                "log_loss": row[f"{prefix}loss"],
            }


def _shared(item: Item, folder: Path, member: str) -> dict[str, Any]:
    params = load_params(folder / "params.yaml")
    (task,) = params.tasks.values()
    source = json.loads((folder / task.ingest.folder / paths.REPLICA_SOURCE).read_text(encoding="utf-8"))
    return {
        "task": _task(folder),
        "source": f"python -m published.measure {item.name}",
        "member": member,
        "setting": item.setting,
        "images": item.train_rows,
        "seeds": 1,
        "commit": (folder / COMMIT).read_text(encoding="utf-8").strip(),
        "release": "published files" if source["is_original"] else "other files with this name",
        "epoch_selection": "last epoch"
        if params.members[member].training.kept_epoch == "last"
        else "best held-out epoch",
    }


def _task(folder: Path) -> str:
    (task,) = load_params(folder / "params.yaml").tasks
    return task


def _holdout_share(folder: Path) -> float:
    (task,) = load_params(folder / "params.yaml").tasks.values()
    return task.split.holdout_share


def main() -> None:
    """Train what is missing, one item after another."""
    parser = argparse.ArgumentParser(prog="python -m published.measure", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help="a member, an ablation or a report; default: all")
    parser.add_argument("--queue", type=Path, default=QUEUE, help="another file in place of measure.yaml")
    parser.add_argument("--list", action="store_true", help="print what is missing, and train nothing")
    options = parser.parse_args()
    items = queue(options.queue)
    unknown = set(options.names) - {item.name for item in items} - {item.report for item in items}
    if unknown:
        parser.error(f"{min(unknown)}: expected a report, or one of {', '.join(item.name for item in items)}")
    selection = [item for item in items if not options.names or {item.name, item.report} & {*options.names}]
    for item in selection:
        if is_measured(item):
            continue
        print(f"{item.name}: {item.setting}, {hours(item)}", flush=True)
        if not options.list:
            measure(item)


if __name__ == "__main__":
    main()
