"""What DVC's own commands show of a run, in a repository under git: metrics, plots and experiments, and `compare`."""

import json
import shutil
from contextlib import chdir

import pandas as pd
import pytest

from benchmarks import tiny_project
from pipeline import (
    compare,
    ensemble,
    generate,
    ingest,
    predict,
    prepare,
    report,
    roster,
    score,
    split,
    submission,
    train,
    tune,
)
from pipeline.config.schema import load_params
from pipeline.storage import paths
from tests.projects import member, task, write_blobs, write_params
from tests.repositories import commit, run

pytestmark = pytest.mark.nightly

MEMBERS = ("shapes-fast", "shapes-slow")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A repository with two commits, each with results: of 2 epochs, then of 12.

    Its stages run in this process, and `dvc commit` records their results: that is faster than `dvc repro`.
    """
    root = tmp_path_factory.mktemp("dvc") / "project"
    tiny_project.make(root)
    (root / ".dvc/config.local").unlink()
    run(root, "git", "init", "--quiet")
    write_blobs(root / "raw", rows=90)
    for epochs in (2, 12):
        members = {"shapes-fast": member("shapes", training={"epochs": epochs}), "shapes-slow": member("shapes")}
        write_params(root, {"shapes": task("raw", split={"count": 2})}, members)
        with chdir(root):
            run_stages()
        run(root, "dvc", "commit", "--force")
        commit(root, f"{epochs} epochs")
    return root


def run_stages():
    params = load_params(paths.PARAMS)
    roster.roster(params)
    for stage in (ingest.ingest, prepare.prepare, split.split, generate.generate):
        stage(params, "shapes")
    for name in params.members:
        for stage in (tune.tune, train.train, predict.predict):
            stage(params, name)
    for stage in (ensemble.ensemble, submission.submission, score.score):
        stage(params, "shapes")
    report.report(params)


@pytest.fixture
def compared(root, monkeypatch, capsys):
    """Return a function that compares revisions and returns what is printed."""
    monkeypatch.chdir(root)

    def text_of(*revisions):
        compare.main(list(revisions))
        return capsys.readouterr().out

    return text_of


def points(plots, name):
    """Return the rows of a plot of DVC's page, with the revision and the column of each."""
    (plot,) = plots[f"plots/{name}"]
    return pd.DataFrame(plot["content"]["data"]["values"])


def test_metrics_are_kept_by_a_commit_and_shown_with_their_names(root):
    tracked = run(root, "git", "ls-files", "metrics").split()
    assert tracked == ["metrics/members/shapes-fast.json", "metrics/members/shapes-slow.json", "metrics/shapes.json"]
    shown = json.loads(run(root, "dvc", "metrics", "show", "--json"))[""]["data"]
    assert sorted(shown) == tracked
    of_task, of_member = (shown[f"metrics/{name}.json"]["data"] for name in ("shapes", "members/shapes-fast"))
    summary = json.loads((root / "artifacts/shapes/ensemble/ensemble.json").read_text())
    graded = json.loads((root / "artifacts/shapes/score.json").read_text())
    assert of_task["out_of_fold"] == summary["honest_score"] and of_task["private"] == graded["private"]["score"]
    assert of_member["test"] == graded["members"]["shapes-fast"]["score"]
    costs = [shown[f"metrics/members/{name}.json"]["data"] for name in MEMBERS]
    assert of_task["PFLOP"] == pytest.approx(sum(cost["PFLOP"] for cost in costs))
    flops = json.loads((root / "artifacts/shapes/members/shapes-fast/run.json").read_text())["flops"]
    assert of_member["PFLOP"] == pytest.approx(3 * flops * 2 * 45 * 12 / 1e15)  # two folds, each with half of 90 images


def test_the_difference_of_two_commits_is_that_of_the_changed_member(root):
    changed = json.loads(run(root, "dvc", "metrics", "diff", "HEAD~1", "--json"))
    fast = changed["metrics/members/shapes-fast.json"]
    assert fast["PFLOP"]["new"] == pytest.approx(6 * fast["PFLOP"]["old"])
    assert fast["out_of_fold"]["new"] > fast["out_of_fold"]["old"]
    assert "metrics/members/shapes-slow.json" not in changed


def test_plots_are_drawn_from_the_files_of_a_run(root):
    output = run(root, "dvc", "plots", "diff", "HEAD~1", "--json")
    plots = json.loads(output)
    assert "errors" not in plots
    titles = plots["data"]
    assert set(titles) == {
        *(f"plots/{kind}/{name}.json" for kind in ("loss", "score") for name in MEMBERS),
        *(f"plots/{kind}/shapes.json" for kind in ("labels", "confusion", "reliability")),
    }
    loss, confusion, labels = (
        points(titles, f"{name}.json") for name in ("loss/shapes-fast", "confusion/shapes", "labels/shapes")
    )
    assert loss.groupby("rev")["epoch"].max().to_dict() == {"HEAD~1": 2, "workspace": 12}
    assert set(loss["field"]) == {"training", "validation"}
    assert confusion.groupby("rev")[["actual", "predicted"]].count().to_numpy().tolist() == [[90, 90], [90, 90]]
    assert labels["images"].tolist() == [30] * 6
    run(root, "dvc", "plots", "show", "--out", "page")
    assert "plots/reliability/shapes.json" in (root / "page/index.html").read_text()
    shutil.rmtree(root / "page")


def test_an_experiment_is_a_row_with_what_it_changed(root, compared):
    setting = "members.shapes-fast.training.learning_rate"
    run(root, "dvc", "exp", "run", "--name", "slow-rate", "-S", f"{setting}=0.0001")
    header, *rows = run(
        root, "dvc", "exp", "show", "--only-changed", "--drop", "artifacts|submissions", "--csv"
    ).splitlines()
    columns = header.split(",")
    assert setting in columns
    assert "metrics/members/shapes-fast.json:out_of_fold" in columns
    assert len(columns) < 30, columns
    assert not [name for name in columns if name.startswith(("tasks.", "replicas.", "features", "pipeline", "models"))]
    (row,) = (line for line in rows if "slow-rate" in line)
    assert ",0.0001," in row
    text = compared("HEAD", "slow-rate")
    assert f"{setting}: 0.005 -> 0.0001" in text
    assert next(line for line in text.splitlines() if "| shapes-fast" in line).rstrip(" |").endswith("worse")
    run(root, "git", "checkout", "--quiet", "--", ".")
    run(root, "dvc", "checkout")


def test_two_commits_side_by_side_with_paired_intervals(compared):
    text = compared("HEAD~1", "HEAD")
    fast, slow = (next(x for x in text.splitlines() if f"| shapes-{name} " in x) for name in ("fast", "slow"))
    assert fast.rstrip(" |").endswith("better")
    assert slow.rstrip(" |").endswith("equal")
    assert "members.shapes-fast.training.epochs: 2 -> 12" in text
    assert "shapes-slow.training" not in text
    assert "no change" in compared("HEAD")  # against the workspace


@pytest.mark.parametrize(
    ("revision", "sentence"),
    [
        ("nonsuch", "compare: error: nonsuch: "),
        (
            "before",
            "compare: error: before: dvc.lock is not in this revision, so its results are unknown; commit dvc.lock",
        ),
    ],
)
def test_a_revision_without_results_is_one_sentence(root, compared, capsys, revision, sentence):
    if revision == "before":
        run(root, "git", "branch", "--force", "before")
        tree = run(root, "git", "commit-tree", "-m", "before", empty_tree(root)).strip()
        run(root, "git", "branch", "--force", "before", tree)
    with pytest.raises(SystemExit, match="1"):
        compared(revision)
    output, errors = capsys.readouterr()
    assert errors.startswith(sentence)
    assert errors.count("\n") == 1 and not output


def empty_tree(root):
    return run(root, "git", "hash-object", "-t", "tree", "/dev/null").strip()
