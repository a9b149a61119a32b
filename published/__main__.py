"""`python -m published REPORT`: repeat a published report, from raw files to its tables beside the published figures.

REPORT is a, b, c, d or e. Everything runs in `.published/REPORT`, with a copy of the code, and does not touch the
project's own results. A killed run continues where it stopped, with the code with which it began; delete the folder to
begin anew. With `--small` it uses 250 images and one epoch a system, in `.published/REPORT-small`: this checks that
everything runs, and its scores mean nothing. `--plan` only prints what would run, and how long.

Example: python -m published c --small
"""

import argparse
import sys
from typing import Any

from published.folder import COMMIT, REPORTS, entries, prepared_folder, run, write_params
from published.plan import plan
from published.tables import write_tables

SMALL_ROWS = {"train_rows": 200, "test_rows": 50}


def small(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a report's entries with 250 images, one epoch a system, and no download of weights."""
    members = {
        name: member | {"training": _one_epoch(member.get("training", {}))} for name, member in tree["members"].items()
    }
    for member in members.values():
        if member["architecture"] == "pretrained":
            member["options"] = member["options"] | {"weights": None}
    tasks = dict(tree["tasks"])
    for name, task in tasks.items():
        if "generate" in task:
            tasks[name] = task | {"generate": {"epochs": 1, "images_per_class": 5}}
    ablations = {}
    for name, ablation in tree["ablations"].items():
        variants = [{key: value for key, value in v.items() if key != "training.epochs"} for v in ablation["variants"]]
        ablations[name] = {"member": ablation["member"], "variants": variants}
    replicas = {name: replica | SMALL_ROWS for name, replica in tree["replicas"].items()}
    return {"replicas": replicas, "tasks": tasks, "members": members, "ablations": ablations}


def _one_epoch(training: dict[str, Any]) -> dict[str, Any]:
    frozen_epochs = training.get("frozen_epochs", 0)
    return training | {"epochs": 1, "frozen_epochs": int(frozen_epochs > 0 and frozen_epochs == training["epochs"])}


def main() -> None:
    """Run the stages and the ablations, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m published", description=__doc__)
    parser.add_argument("report", choices=REPORTS)
    parser.add_argument("--small", action="store_true", help="250 images and one epoch a system")
    parser.add_argument("--plan", action="store_true", help="print what would run, and how long it takes")
    options = parser.parse_args()
    small_line = f"Report {options.report.upper()} (small): at most 250 images and one epoch a system"
    print(small_line if options.small else plan(options.report), flush=True)
    if options.plan:
        return
    tree = entries(options.report)
    folder = prepared_folder(
        f"{options.report}-small" if options.small else options.report, keep_code=not options.small
    )
    print(f"{folder}: code of commit {(folder / COMMIT).read_text().strip()}", flush=True)
    write_params(folder, small(tree) if options.small else tree)
    for command in (["pipeline", "repro"], *(["pipeline.ablate", name] for name in tree["ablations"])):
        status = run(folder, *command)
        if status:
            sys.exit(status)
    print(write_tables(options.report, folder, options.small))


if __name__ == "__main__":
    main()
