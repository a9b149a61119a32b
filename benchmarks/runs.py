"""Runs of several variants and seeds, each kept as a line of a file, so that a killed comparison goes on."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd


def run_all(path: Path, variants: Iterable[str], seeds: int, figures: Callable[[str, int], dict]) -> pd.DataFrame:
    """Return the figures of every variant and seed, in the columns `variant`, `seed` and theirs, seed by seed.

    A run that the JSON lines in `path` hold is not made again; what they hold of other variants is returned too.
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
