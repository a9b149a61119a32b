"""Run several variants and seeds. Each run is saved as a line of a file, so a killed comparison can resume."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd


def run_all(path: Path, variants: Iterable[str], seeds: int, figures: Callable[[str, int], dict]) -> pd.DataFrame:
    """Return the figures of every variant and seed, in the columns `variant`, `seed` and those of the figures.

    Runs that the JSON lines in `path` contain are not repeated. Lines of other variants are returned, too.
    """
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(row["variant"], row["seed"]) for row in rows}
    variants = list(variants)
    for seed in range(seeds):
        for name in variants:
            if (name, seed) not in known:
                rows.append({"variant": name, "seed": seed, **figures(name, seed)})
                with path.open("a") as file:
                    print(json.dumps(rows[-1]), file=file)
    return pd.DataFrame(rows)
