"""The layers of each member's network: a picture, and a table with shapes, parameters and FLOPs."""

from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.reporting.charts import INK, SERIES, chart
from pipeline.reporting.section import Finding
from pipeline.reporting.task_run import TaskRun
from pipeline.storage import paths
from pipeline.storage.files import load_json

TITLE = "Architecture"
MOST_LAYERS, MOST_BLOCKS = 120, 16
ROW = {"kind": str, "shape": list, "parameters": int, "flops": int}
COLOURS = {"Conv": SERIES[0], "Dense": SERIES[1], "Pool": SERIES[2]}  # by a part of a layer's kind


@dataclass(frozen=True)
class Layer:
    """A layer of a network."""

    kind: str
    shape: str
    parameters: int
    flops: int


@dataclass(frozen=True)
class Block:
    """Consecutive layers whose outputs have one shape."""

    shape: tuple[int, ...]
    main_kind: str
    layers: int
    flops: int


@dataclass(frozen=True)
class Network:
    """The network of one or more members."""

    members: str
    architecture: str
    layers: tuple[Layer, ...]
    hidden_layers: int
    parameters: int
    flops: int
    picture: Markup


@dataclass(frozen=True)
class Architecture:
    """All different networks of the task."""

    networks: tuple[Network, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Nothing that a reader must not miss."""
        return ()


def load(run: TaskRun) -> Architecture | None:
    """Return the networks, or None before any member was trained."""
    members: dict[str, list[str]] = {}
    rows: dict[str, list[dict[str, Any]]] = {}
    for name in run.runs:
        path = paths.models(run.task, name) / "layers.json"
        if path.exists():
            rows[name] = load_json(path, list)
            first = next((other for other in members if rows[other] == rows[name]), name)
            members.setdefault(first, []).append(name)
    if not members:
        return None
    return Architecture(tuple(_network(run, names, rows[first]) for first, names in members.items()))


def _network(run: TaskRun, names: list[str], rows: list[dict[str, Any]]) -> Network:
    layers = [Layer(row["kind"], " x ".join(map(str, row["shape"])), row["parameters"], row["flops"]) for row in rows]
    blocks = _blocks(rows)
    return Network(
        ", ".join(names),
        run.runs[names[0]]["architecture"],
        tuple(layers[:MOST_LAYERS]),
        max(0, len(layers) - MOST_LAYERS),
        sum(layer.parameters for layer in layers),
        sum(layer.flops for layer in layers),
        chart(
            f"{run.task}-{names[0]}-layers",
            f"The blocks of layers of {names[0]}, with the shapes of their outputs.",
            partial(_draw, blocks),
            (9.4, 2.6),
        ),
    )


def _blocks(rows: list[dict[str, Any]]) -> list[Block]:
    """Return runs of layers with outputs of one shape, and of many runs those with most FLOPs."""
    blocks = []
    for shape, group in groupby(rows, key=lambda row: tuple(row["shape"])):
        layers = list(group)
        costliest = max(layers, key=lambda row: (row["flops"], row["parameters"]))
        blocks.append(Block(shape, costliest["kind"], len(layers), sum(row["flops"] for row in layers)))
    costly = sorted(np.argsort([-block.flops for block in blocks], kind="stable")[: MOST_BLOCKS - 2].tolist())
    return blocks if len(blocks) <= MOST_BLOCKS else [blocks[place] for place in sorted({0, *costly, len(blocks) - 1})]


def _draw(blocks: list[Block], figure: Figure) -> None:
    """Draw a box for each block: its height grows with the image's side, its width with the channels."""
    axes = figure.subplots()
    sides = [np.log2(1 + block.shape[0]) if len(block.shape) > 1 else 1.0 for block in blocks]
    widths = [0.35 + 0.12 * np.log2(1 + block.shape[-1]) if block.shape else 0.4 for block in blocks]
    tallest, left = max(sides), 0.0
    for block, side, width in zip(blocks, sides, widths, strict=True):
        colour = next((value for part, value in COLOURS.items() if part in block.main_kind), SERIES[7])
        corner = (left, (tallest - side) / 2)
        axes.add_patch(Rectangle(corner, width, side, facecolor=colour, alpha=0.3, edgecolor=colour))
        centre = left + width / 2
        text = "x".join(map(str, block.shape))
        axes.text(centre, -0.35, text, ha="right", va="top", rotation=40, fontsize=8, rotation_mode="anchor", color=INK)
        axes.text(centre, tallest / 2, str(block.layers), ha="center", va="center", fontsize=9, color=INK)
        left += width + 0.25
    axes.set_xlim(-1.2, left)
    axes.set_ylim(-3, tallest + 0.1)
    axes.axis("off")
