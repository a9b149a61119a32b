"""The result of tuning: the best options next to the defaults, and Optuna's own plots of the search."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from pipeline.reporting.charts import FAINT, INK, STYLE, as_svg
from pipeline.reporting.section import Finding
from pipeline.reporting.task_run import TaskRun
from pipeline.reporting.texts import short
from pipeline.storage import paths
from pipeline.storage.files import load_json, reading

if TYPE_CHECKING:
    import optuna

TITLE = "Tuning"
LEAST_TRIALS = 3  # complete trials from which plots are useful
SIZE_INCHES = (6.4, 3.6)
COLOURS = "cool"  # of scores: all of them can be seen on white and on black


@dataclass(frozen=True)
class Option:
    """An option that was tuned."""

    name: str
    best: str
    default: str


@dataclass(frozen=True)
class Study:
    """A member's search."""

    member: str
    metric: str
    counts: str  # of trials by state
    best_number: int
    best_score: float
    default_score: float | None
    options: tuple[Option, ...]
    reasons: tuple[tuple[str, str], ...]  # why trials ended early
    plots: tuple[Markup, ...]


@dataclass(frozen=True)
class Tuning:
    """The searches of all members."""

    studies: tuple[Study, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Whether the defaults are still best."""
        same = [study.member for study in self.studies if study.best_score == study.default_score]
        if not same:
            return ()
        return (
            Finding(
                f"Tuning found nothing better than the options of params.yaml for {', '.join(same)}.",
                "Raise tune.trials, or widen its space.",
            ),
        )


def load(run: TaskRun) -> Tuning | None:
    """Return the searches, or None if no member was tuned."""
    studies = tuple(_study(run, name) for name in run.names if (paths.study(run.task, name) / "trials.json").exists())
    return Tuning(studies) if studies else None


def _study(run: TaskRun, name: str) -> Study:
    folder = paths.study(run.task, name)
    summary = load_json(folder / "study.json", {"metric": str, "trials": dict, "best": dict, "reasons": dict})
    trials = load_json(folder / "trials.json", {"direction": str, "trials": list})
    best, defaults = summary["best"], summary.get("defaults") or {}
    options = [
        Option(key, _text(value), _text(defaults.get("options", {}).get(key))) for key, value in best["options"].items()
    ]
    with reading(folder / "trials.json", "the trials of a study"):
        plots = tuple(_plots(f"{run.task}-{name}", trials)) if summary["trials"]["complete"] >= LEAST_TRIALS else ()
    return Study(
        name,
        summary["metric"],
        ", ".join(f"{count} {state}" for state, count in summary["trials"].items()),
        best["number"],
        best["validation_score"],
        defaults.get("validation_score"),
        tuple(options),
        tuple(summary["reasons"].items()),
        plots,
    )


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else short(value)


def _plots(name: str, trials: dict[str, Any]) -> Iterator[Markup]:
    """Yield Optuna's plots of a study."""
    matplotlib.use("agg")
    from matplotlib import pyplot
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.visualization import matplotlib as plots

    study = _rebuilt(trials)
    draw: tuple[tuple[str, Callable[..., Any], dict[str, Any]], ...] = (
        ("history", plots.plot_optimization_history, {}),
        ("intermediate values", plots.plot_intermediate_values, {}),
        ("parallel coordinates", plots.plot_parallel_coordinate, {}),
        ("importances", plots.plot_param_importances, {"evaluator": FanovaImportanceEvaluator(seed=0)}),
    )
    for kind, plot, options in draw:
        if kind == "intermediate values" and not any(trial["intermediate_values"] for trial in trials["trials"]):
            continue
        with warnings.catch_warnings(), matplotlib.rc_context():
            warnings.simplefilter("ignore")  # the plots are marked as experimental
            figure = plot(study, **options).figure
        _restyle(figure)
        with matplotlib.rc_context(STYLE | {"savefig.bbox": "tight"}):
            yield as_svg(figure, f"{name}-{kind.replace(' ', '-')}", f"Optuna's plot of the search: {kind}.")
        pyplot.close(figure)


def _rebuilt(trials: dict[str, Any]) -> "optuna.Study":
    """Return a study in memory with the trials that `tune` wrote."""
    import optuna
    from optuna.distributions import json_to_distribution
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=trials["direction"])
    for trial in trials["trials"]:
        study.add_trial(
            create_trial(
                state=TrialState[trial["state"]],
                value=trial["value"],
                params=trial["params"],
                distributions={key: json_to_distribution(text) for key, text in trial["distributions"].items()},
                intermediate_values={int(step): value for step, value in trial["intermediate_values"].items()},
            )
        )
    return study


def _restyle(figure: Figure) -> None:
    """Use the page's colours for a figure in Matplotlib's style ggplot."""
    figure.set_size_inches(*SIZE_INCHES)
    figure.patch.set_alpha(0)
    for lines in figure.findobj(LineCollection):
        lines.set_cmap(COLOURS)
    for text in figure.findobj(Text):
        text.set_color(INK)
        text.set_fontsize(min(text.get_fontsize(), 9))
    for axes in figure.axes:
        axes.patch.set_alpha(0)
        axes.tick_params(colors=INK)
        for artist in (*axes.spines.values(), *axes.get_xgridlines(), *axes.get_ygridlines()):
            _colour(artist, FAINT)
        if legend := axes.get_legend():
            legend.get_frame().set_alpha(0)


def _colour(artist: Artist, colour: str) -> None:
    artist.set(**{"edgecolor" if hasattr(artist, "set_edgecolor") else "color": colour})
