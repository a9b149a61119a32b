"""How long a report takes, and which scores to expect."""

from functools import cache
from pathlib import Path

import pandas as pd

from pipeline.config.schema import Member, Params, Replica, load_params
from pipeline.reporting.tables import markdown

HERE = Path(__file__).parent
MEASURED = HERE.parent / "benchmarks" / "results" / "five_reports.csv"
OTHER_LAYERS = ("c-modified-resnet-27", "d-resnet", "d-inception")  # than the measured member with that name
SOURCE_ROWS, SOURCE_LABELS = {"fashion-mnist": 60_000, "mnist": 60_000, "cifar-10": 50_000}, 10
TEST_ROWS = 10_000


def plan(report: str) -> str:
    """Return a table of a report's systems: epochs, hours by what one epoch took, and the published scores.

    The entry of the report repeats it at its top.
    """
    params, figures = load_params(HERE / report / "params.yaml"), load_figures(report)
    rows = []
    for name, member in params.members.items():
        seconds = image_seconds().get(name, 0) * _images(params, member) * member.training.epochs
        rows.append(
            {
                "member": name,
                "epochs": member.training.epochs,
                "hours": f"{seconds / 3600:.1f}" if seconds else "not measured",
                **{figure: _published(figures, name, figure) for figure in ("validation accuracy", "test score")},
            }
        )
    hours = pd.to_numeric(pd.DataFrame(rows)["hours"], errors="coerce").sum()
    return "\n".join(
        [
            f"Report {report.upper()}: at most {hours:.0f} hours on one core, without the ablations. Early stopping",
            "ends many trainings sooner. The hours are from an AMD EPYC without AVX-512 (column epoch_seconds of",
            f"benchmarks/results/{MEASURED.name}). On a GPU these systems have not been measured.",
            "",
            markdown(pd.DataFrame(rows)),
        ]
    )


@cache
def image_seconds() -> dict[str, float]:
    """Return the seconds of training for each image of an epoch, on one core, by the members of the reports' entries.

    Only members whose network was measured are in it.
    """
    table = pd.read_csv(MEASURED).dropna(subset=["member", "epoch_seconds"])
    table = table[table["setting"].isna()]  # the measurements on one core
    measured = dict(zip(table["member"], table["epoch_seconds"] / table["images"], strict=True))
    names = [name for path in HERE.glob("*/params.yaml") for name in load_params(path).members]
    alike = {name: [other for other in measured if f"{name}-".startswith(f"{other}-")] for name in names}
    return {
        name: measured[max(others, key=len)] for name, others in alike.items() if others and name not in OTHER_LAYERS
    }


def load_figures(report: str) -> pd.DataFrame:
    """Return the published figures of a report, one a row, as texts."""
    return pd.read_csv(HERE / report / "figures.csv", dtype=str, keep_default_na=False)


def is_of_images(figure: str) -> bool:
    """Return whether a figure is an accuracy or a loss, which depends on the images."""
    return figure.partition(",")[0].endswith(("accuracy", "loss", "score"))


def _published(figures: pd.DataFrame, member: str, figure: str) -> str:
    """Return a published figure of a member, or an empty text."""
    rows = figures[(figures["member"] == member) & (figures["figure"] == figure)]
    return rows["published"].iloc[0] if len(rows) else ""


def judged_rows(params: Params, name: str, figure: str) -> float:
    """Return the number of rows on which a published figure of a member was measured: test rows or validation rows.

    The test rows are those of the replica, also where the report's figure is Kaggle's, which names no number.
    """
    member = params.members[name]
    if figure.startswith("test"):
        return _replica(params, member).test_rows or TEST_ROWS
    return _rows(params, member) * params.tasks[member.task].split.holdout_share


def _images(params: Params, member: Member) -> float:
    """Return the number of training images in an epoch."""
    return _rows(params, member) * (1 - params.tasks[member.task].split.holdout_share)


def _rows(params: Params, member: Member) -> float:
    """Return the number of training and validation images."""
    replica = _replica(params, member)
    labels = len(replica.labels) if replica.labels else SOURCE_LABELS
    return replica.train_rows or (
        SOURCE_ROWS[replica.source] * labels / SOURCE_LABELS if replica.form == "fashion" else 60_000
    )


def _replica(params: Params, member: Member) -> Replica:
    return params.replicas[Path(params.tasks[member.task].ingest.folder).name]
