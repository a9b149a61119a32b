"""The page: a part for each task, with its sections. To add a section, add a module and its name to SECTIONS."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.reporting import (
    architecture,
    curves,
    data,
    ensemble,
    errors,
    galleries,
    items,
    leaderboard,
    suspects,
    texts,
    tuning,
    uploads,
)
from pipeline.reporting.section import Content, Finding, Section
from pipeline.reporting.sprites import Sprites
from pipeline.reporting.task_run import TaskRun

SECTIONS: tuple[Section, ...] = (
    leaderboard,
    curves,
    errors,
    galleries,
    suspects,
    ensemble,
    uploads,
    items,
    tuning,
    data,
    architecture,
)
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Fragment:
    """A section of the page."""

    name: str
    title: str
    anchor: str
    html: Markup


@dataclass(frozen=True)
class TaskPart:
    """A task's part of the page."""

    task: str
    findings: tuple[Finding, ...]
    notices: tuple[str, ...]  # about what the page leaves out
    fragments: tuple[Fragment, ...]
    contents: dict[str, Content]  # of the sections, by their names
    sprites: tuple[Sprites, ...]


def task_part(run: TaskRun) -> TaskPart:
    """Return a task's part, with the sections for which the run has data."""
    contents: dict[str, Content] = {}
    fragments = []
    for section in SECTIONS:
        name = section.__name__.rpartition(".")[2]
        content = section.load(run)
        if content is not None:
            contents[name] = content
            anchor = f"{run.task}-{name}"
            html = Markup(_environment().get_template(f"{name}.html").render(content=content, anchor=anchor))
            fragments.append(Fragment(name, section.TITLE, anchor, html))
    ordered = sorted(contents, key=lambda name: name == "curves")  # which has some for each member
    findings = tuple(finding for name in ordered for finding in contents[name].findings)
    sprites = tuple(sheet for sheet in run.sheets if sheet.images)
    return TaskPart(run.task, findings, run.left_out, tuple(fragments), contents, sprites)


def page(parts: Sequence[TaskPart]) -> str:
    """Return the whole page, one self-contained HTML file."""
    files = {name: Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("style.css", "filter.js")}
    template = _environment().get_template("page.html")
    return template.render(parts=parts, style=files["style.css"], script=files["filter.js"])


@cache
def _environment() -> Environment:
    """Return the environment of the templates. It escapes all values except SVG and finished fragments."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else texts.printable(value),
    )
    functions = (texts.number, texts.signed, texts.short, texts.interval, texts.amount, texts.duration, texts.plural)
    environment.filters |= {function.__name__: function for function in functions}
    return environment
