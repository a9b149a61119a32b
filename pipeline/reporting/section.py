"""What every section of the page is: a module with a title, and a function from a task's run to the content."""

from dataclasses import dataclass
from typing import Protocol

from pipeline.reporting.task_run import TaskRun


@dataclass(frozen=True)
class Finding:
    """A sentence that the page repeats at its top, and what a reader can do about it."""

    text: str
    action: str = ""


class Content(Protocol):
    """A frozen model of what a section shows. The template with the section's name draws it."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a reader should not miss, most important first."""


class Section(Protocol):
    """A module of this package, such as `leaderboard`."""

    __name__: str
    TITLE: str

    def load(self, run: TaskRun) -> Content | None:
        """Return the content, or None if the run has no data for it yet."""
