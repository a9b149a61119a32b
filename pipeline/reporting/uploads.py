"""The uploads to Kaggle: whether their public scores agree with their out-of-fold scores."""

import math
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup
from matplotlib.figure import Figure

from features.labels.intervals import bounds
from features.labels.metrics.metric import Metric
from pipeline.reporting.charts import FAINT, INK, SERIES, chart
from pipeline.reporting.section import Finding
from pipeline.reporting.task_run import TaskRun
from pipeline.reporting.texts import short
from pipeline.storage import paths
from pipeline.storage.files import blame
from submissions.rules.uploads import Entry, agreement, read_uploads

TITLE = "Uploads"
PUBLIC_SHARE = 0.3  # of the test rows, if the answers are not known here
MOST_NUMBERS = 30  # of points in the chart
WORSE_ACTION = (
    "Look for rows that belong together in different folds (docs/leaks.md), and for test images that differ: "
    "python -m pipeline adversarial {task}."
)
BETTER_ACTION = "Choose uploads by the out-of-fold score all the same: the public score is of fewer rows."


@dataclass(frozen=True)
class Score:
    """A score with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Upload:
    """A submission that was sent to Kaggle."""

    number: int  # from 1, in the order of time
    entry: Entry
    out_of_fold: Score | None  # by the task's metric
    public: Score | None
    verdict: str = ""

    @property
    def difference(self) -> float | None:
        """The public score minus the out-of-fold score."""
        return self.public.value - self.out_of_fold.value if self.public and self.out_of_fold else None


@dataclass(frozen=True)
class Uploads:
    """The uploads of a task."""

    task: str
    metric: str
    uploads: tuple[Upload, ...]
    agreement: str
    chart: Markup | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Whether the last upload with both scores has a public score that chance does not explain."""
        last = next((upload for upload in reversed(self.uploads) if upload.verdict), None)
        if last is None or last.out_of_fold is None or last.public is None or last.verdict == "agrees":
            return ()
        own = last.out_of_fold
        text = (
            f"The public {self.metric} of upload {last.number}, {last.public.value:.4f}, is {last.verdict} than out of "
            f"fold, {own.value:.4f} ({own.low:.4f} to {own.high:.4f}), by more than chance explains."
        )
        return (Finding(text, WORSE_ACTION.format(task=self.task) if last.verdict == "worse" else BETTER_ACTION),)


def load(run: TaskRun) -> Uploads | None:
    """Return the uploads, or None if there are none or the task has no metric yet."""
    with blame(paths.LEDGER):
        entries = [entry for entry in read_uploads(paths.LEDGER) if entry.task == run.task]
        if not entries or run.metric is None:
            return None
        rows = _rows(run)
        uploads = tuple(_upload(run, number, entry, rows) for number, entry in enumerate(entries, 1))
        judged = [upload for upload in uploads if upload.verdict]
        line = agreement([upload.entry for upload in judged]) if judged else ""
    return Uploads(
        run.task,
        run.metric.name,
        uploads,
        line,
        chart(
            f"{run.task}-uploads",
            "The public score of each upload against its out-of-fold score, with 95 % intervals.",
            partial(_draw, judged, run.metric.name),
            (5.2, 3.4),
        )
        if judged
        else None,
    )


def _rows(run: TaskRun) -> tuple[int, int] | None:
    """Return the number of rows of the out-of-fold score and of the public one, or None before there are any."""
    rows = next((metrics["rows"] for metrics in run.metrics.values() if metrics.get("rows")), None)
    if rows is None or run.data is None:
        return None
    known = run.scores.get("public", {}).get("rows")
    return rows, known or max(1, round(PUBLIC_SHARE * len(run.data.test_ids)))


def _upload(run: TaskRun, number: int, entry: Entry, rows: tuple[int, int] | None) -> Upload:
    """Return an upload with its verdict, which is empty if one of its scores is not known or by another metric."""
    assert run.metric is not None
    is_comparable = entry.metric in ("", run.metric.name) and entry.out_of_fold and entry.low and entry.public
    if not is_comparable or rows is None:
        return Upload(number, entry, None, None)
    own = Score(float(entry.out_of_fold), float(entry.low), float(entry.high))
    public = _public(run.metric, own, float(entry.public), *rows)
    verdict = "agrees"
    if public.high < own.low or public.low > own.high:
        verdict = "better" if run.metric.gain(public.value, own.value) > 0 else "worse"
    return Upload(number, entry, own, public, verdict)


def _public(metric: Metric, own: Score, value: float, rows: int, public_rows: int) -> Score:
    """Return a public score with its interval: Wilson's for a share of right rows, else the other one's, widened."""
    if metric.hits is not None:
        return Score(value, **bounds(value, public_rows))
    half_width = math.sqrt(rows / public_rows) * (own.high - own.low) / 2
    return Score(value, value - half_width, value + half_width)


def _draw(uploads: list[Upload], metric: str, figure: Figure) -> None:
    axes = figure.subplots()
    for upload in uploads:
        own, public = upload.out_of_fold, upload.public
        assert own is not None and public is not None
        colour = SERIES[0] if upload.verdict == "agrees" else SERIES[1]
        axes.plot([own.low, own.high], [public.value] * 2, color=colour, linewidth=2, alpha=0.4)
        axes.plot([own.value] * 2, [public.low, public.high], color=colour, linewidth=2, alpha=0.4)
        axes.plot(own.value, public.value, "o", color=colour, markersize=5)
        if len(uploads) <= MOST_NUMBERS:
            point = (own.value, public.value)
            axes.annotate(str(upload.number), point, (5, 4), textcoords="offset points", color=INK)
    low, high = min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot([low, high], [low, high], "--", color=FAINT, zorder=0)
    axes.set_xlabel(f"out-of-fold {short(metric)}")
    axes.set_ylabel("public")
