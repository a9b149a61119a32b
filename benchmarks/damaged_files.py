"""Does the next stage end in one sentence if a file that an earlier stage left is damaged?

    nice python -m benchmarks.damaged_files FOLDER

FOLDER is a finished project of `faults.yaml`, such as `undisturbed/project` of `benchmarks.kills`. Each of its files is
replaced by an empty one, by two thirds of itself, by random bytes, by `{}`, `[]`, `5` and by a CSV with another header.
Then each stage that reads the file runs. A damage passes if the stage refuses it in one sentence that names the file.
If the stage runs without an error (some files are only for people), the damage counts as accepted.
"""

import argparse
import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.results import write
from pipeline.config.errors import BadInput
from pipeline.config.schema import load_params
from pipeline.storage import paths

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "truncated": lambda whole: whole[: len(whole) * 2 // 3],
    "random": lambda whole: np.random.default_rng(0).bytes(max(8, len(whole))),
    "{}": lambda whole: b"{}\n",
    "[]": lambda whole: b"[]\n",
    "5": lambda whole: b"5\n",
    "other header": lambda whole: b"name,value\na,1\nb,2\n",
}
TRAINING = ["tune tiny-tuned", "train tiny-generated", "predict tiny-generated"]
READERS = {  # the stages that read a folder's files, and their keys
    "data/replica/tiny": ["ingest tiny", "score tiny"],
    "artifacts/tiny/arrays": ["prepare tiny"],
    "artifacts/tiny/images": ["split tiny", "ensemble tiny", *TRAINING],
    "artifacts/tiny/folds.csv": ["ensemble tiny", *TRAINING],
    "artifacts/entries/tasks/tiny": ["ensemble tiny", "score tiny", "generate tiny"],
    "artifacts/tiny/generated": ["train tiny-generated"],
    "artifacts/tiny/tuning/tiny-generated.json": ["train tiny-generated", "predict tiny-generated"],
    "artifacts/tiny/members/tiny-generated": ["predict tiny-generated", "report"],
    "artifacts/tiny/predictions/tiny-generated": ["ensemble tiny", "score tiny", "train tiny-student", "report"],
    "artifacts/tiny/ensemble": ["submission tiny", "score tiny", "report"],
    "artifacts/tiny/score.json": ["report"],
    "submissions/tiny.csv": ["score tiny"],
}


def outcome(project: Path, stage: str, path: Path, damage: str) -> tuple[str, str]:
    """Return how a stage reacts to a damaged file (`refused`, `unnamed`, `accepted` or `traceback`), and its error.

    The file is restored afterwards. The working directory must be the project's.
    """
    name, *key = stage.split()
    function = getattr(importlib.import_module(f"pipeline.{name}"), name)
    whole = path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole))
    try:
        function(load_params(paths.PARAMS), *key)
    except BadInput as error:
        return ("refused" if path.name in str(error) else "unnamed"), str(error)
    except OSError as error:
        return ("refused" if path.name in str(error.filename) else "unnamed"), str(error)
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}"
    finally:
        path.write_bytes(whole)
    return "accepted", ""


def outcomes(project: Path, stages: list[str] | None = None) -> Iterator[dict]:
    """Yield a row for each file, damage and stage that reads it."""
    for place, readers in READERS.items():
        target = project / place
        for path in sorted(target.iterdir()) if target.is_dir() else [target]:
            for stage in readers:
                for damage in DAMAGES if stages is None or stage in stages else ():
                    kind, words = outcome(project, stage, path, damage)
                    yield {"stage": stage, "path": str(path.relative_to(project)), "damage": damage} | {
                        "outcome": kind,
                        "words": words,
                    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stages", nargs="*")
    parser.add_argument("--publish", action="store_true", help="write the counts into benchmarks/results/")
    arguments = parser.parse_args()
    os.chdir(arguments.folder)
    rows = []
    for row in outcomes(Path.cwd(), arguments.stages):
        rows.append(row)
        if row["outcome"] != "refused":
            print(*row.values(), sep=" | ", flush=True)
    table = pd.DataFrame(rows).groupby(["stage", "outcome"]).size().unstack(fill_value=0)
    print(table.to_string())
    if arguments.publish:
        counts = table.reset_index().rename(columns={"stage": "member"}).assign(task="tiny")
        passed = sum(row["outcome"] in ("refused", "accepted") for row in rows)
        print(write("damaged_files", counts.to_dict("records")))
        print(write("faults", [{"task": "tiny", "member": "damaged files", "faults": len(rows), "passed": passed}]))


if __name__ == "__main__":
    main()
