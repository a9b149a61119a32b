"""Charts as inline SVG: small, with texts as texts, and in the colours of the page, light or dark."""

import io
import re
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
from cycler import cycler
from markupsafe import Markup
from matplotlib.figure import Figure

from pipeline.reporting.texts import printable

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
INK, FAINT, PANEL = "#000001", "#000002", "#000003"  # colours that become variables of the page's style
SERIES = tuple(f"#0000{10 + index}" for index in range(8))
VARIABLES = {INK: "--ink", FAINT: "--line", PANEL: "--panel"} | {
    colour: f"--series-{index}" for index, colour in enumerate(SERIES)
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "podium",  # equal charts are equal files
    "text.parse_math": False,  # a class may be named $x$
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=SERIES),
}
LEAST_SCALE = 0.58  # of a chart on a narrow screen, which scrolls sideways rather than shrinks its texts further
MOST_POINTS = 120  # of a line
_COLOUR, _REFERENCE = re.compile(r"#[0-9a-f]{6}\b"), re.compile(r"url\(#([^)]+)\)")
_FAMILY = re.compile(r"font: ([0-9.]+px)[^;]*|font-family:[^;]*;?")

ElementTree.register_namespace("", SVG[1:-1])


def chart(
    name: str, description: str, draw: Callable[[Figure], None], size: tuple[float, float] = (6.4, 2.8)
) -> Markup:
    """Return the SVG of a figure.

    Args:
        name: unique in the page; it is part of the ids inside the SVG.
        description: what it shows, for those who cannot see it.
        draw: draws into the empty figure.
        size: (width, height) in inches of 72 points.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        return as_svg(figure, name, description)


def as_svg(figure: Figure, name: str, description: str) -> Markup:
    """Return a figure as SVG. See `chart` for the arguments."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for extra in [*root.findall(f"{SVG}metadata"), *root.findall(f"{SVG}defs")[:1]]:  # Matplotlib's style for all SVG
        root.remove(extra)
    width = root.attrib.pop("width", "").removesuffix("pt")
    root.attrib.pop("height", None)
    root.attrib |= {
        "class": "chart",
        "role": "img",
        "aria-label": printable(description),
        "style": f"max-width:{float(width):.0f}pt;min-width:{LEAST_SCALE * float(width):.0f}pt",
    }
    _rewrite(root, name)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _rewrite(root: ElementTree.Element, name: str) -> None:
    """Give ids the chart's name, delete those that nothing refers to, and use the page's fonts and colours."""
    used = set(_references(root))
    for element in root.iter():
        attributes = element.attrib
        identity = attributes.pop("id", None)
        if identity in used:
            attributes["id"] = f"{name}-{identity}"
        if (target := attributes.pop(f"{XLINK}href", None)) is not None:
            attributes["href"] = f"#{name}-{target[1:]}" if target.startswith("#") else target
        for key in ("style", "clip-path", "fill", "stroke", "mask", "filter"):
            if key in attributes:
                attributes[key] = _themed(_REFERENCE.sub(rf"url(#{name}-\1)", attributes[key]))


def _references(root: ElementTree.Element) -> Iterator[str]:
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == f"{XLINK}href":
                yield value.removeprefix("#")
            else:
                yield from _REFERENCE.findall(value)


def _themed(style: str) -> str:
    style = _FAMILY.sub(lambda match: f"font-size: {match[1]}" if match[1] else "", style)
    return _COLOUR.sub(lambda match: f"var({VARIABLES[match[0]]})" if match[0] in VARIABLES else match[0], style)


def thinned(count: int, most: int = MOST_POINTS) -> np.ndarray:
    """Return the indices (k,) of at most `most` points out of `count`, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
