"""What DVC's own commands show of a run, in a repository under git: metrics, plots and experiments, and `compare`."""

import json
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import yaml

from benchmarks import tiny_project
from tests.projects import environment, member, task, write_blobs, write_params

pytestmark = pytest.mark.slow

MEMBERS = {"shapes-fast": member("shapes"), "shapes-resnet": member("shapes", "resnet")}
NAMES = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A repository with two commits, each with results: 2 epochs, then 12."""
    root = tmp_path_factory.mktemp("dvc") / "project"
    tiny_project.make(root)
    (root / ".dvc/config.local").unlink()
    write_blobs(root / "raw", rows=90)
    write_params(root, {"shapes": task("raw", split={"count": 2})}, MEMBERS)
    run(root, "git", "init", "--quiet")
    run(root, "dvc", "repro")
    commit(root)
    change_epochs(root, 12)
    run(root, "dvc", "repro")
    commit(root)
    return root


def run(root, *command, check=True):
    variables = {k: v for k, v in environment().items() if k != "PYTHONPATH"} | NAMES | {"COLUMNS": "200"}
    done = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout if check else done.stdout + done.stderr


def commit(root):
    run(root, "git", "add", "--all")
    run(root, "git", "commit", "--quiet", "--message", "results")


def change_epochs(root, epochs):
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["members"]["shapes-fast"]["training"]["epochs"] = epochs
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def compare(root, *revisions, check=True):
    return run(root, sys.executable, "-m", "pipeline.compare", *revisions, check=check)


def points(plots, name):
    """Return the rows of a plot of DVC's page, with the revision and the column of each."""
    (plot,) = plots[f"plots/{name}"]
    return pd.DataFrame(json.loads(plot["content"])["data"]["values"])


def metrics_of(root, name):
    return json.loads((root / "metrics" / f"{name}.json").read_text())


def test_metrics_are_kept_by_a_commit_and_shown_with_their_names(root):
    tracked = run(root, "git", "ls-files", "metrics").split()
    assert tracked == ["metrics/members/shapes-fast.json", "metrics/members/shapes-resnet.json", "metrics/shapes.json"]
    shown = json.loads(run(root, "dvc", "metrics", "show", "--json"))[""]["data"]
    assert sorted(shown) == tracked
    of_task, of_member = (shown[f"metrics/{name}.json"]["data"] for name in ("shapes", "members/shapes-fast"))
    ensemble = json.loads((root / "artifacts/shapes/ensemble/ensemble.json").read_text())
    score = json.loads((root / "artifacts/shapes/score.json").read_text())
    assert of_task["out_of_fold"] == ensemble["honest_score"] and of_task["private"] == score["private"]["score"]
    assert of_member["test"] == score["members"]["shapes-fast"]["score"]
    costs = [shown[f"metrics/members/{name}.json"]["data"] for name in MEMBERS]
    assert of_task["PFLOP"] == pytest.approx(sum(cost["PFLOP"] for cost in costs))
    flops = json.loads((root / "artifacts/shapes/members/shapes-fast/run.json").read_text())["flops"]
    assert of_member["PFLOP"] == pytest.approx(3 * flops * 2 * 45 * 12 / 1e15)  # two folds, each with half of 90 images


def test_the_difference_of_two_commits_is_that_of_the_changed_member(root):
    changed = json.loads(run(root, "dvc", "metrics", "diff", "HEAD~1", "--json"))["diff"]
    fast = changed["metrics/members/shapes-fast.json"]
    assert fast["PFLOP"]["new"] == pytest.approx(6 * fast["PFLOP"]["old"])
    assert fast["out_of_fold"]["new"] > fast["out_of_fold"]["old"]
    assert "metrics/members/shapes-resnet.json" not in changed


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


def test_an_experiment_is_a_row_with_what_it_changed(root):
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
    text = compare(root, "HEAD", "slow-rate")
    assert f"{setting}: 0.005 -> 0.0001" in text
    line = next(line for line in text.splitlines() if line.startswith("| shapes | shapes-fast"))
    old, new = (float(score) for score in re.findall(r"\| (0\.\d{4}|1\.0000) ", line))
    assert old == pytest.approx(metrics_of(root, "members/shapes-fast")["out_of_fold"], abs=1e-4) or old > new
    run(root, "git", "checkout", "--quiet", "--", ".")
    run(root, "dvc", "checkout")


def test_two_commits_side_by_side_with_paired_intervals(root):
    text = compare(root, "HEAD~1", "HEAD")
    fast, resnet = (next(x for x in text.splitlines() if f"| shapes-{name} " in x) for name in ("fast", "resnet"))
    assert fast.rstrip(" |").endswith("better")
    assert "+0.0000 (+0.0000 to +0.0000)" in resnet
    assert "members.shapes-fast.training.epochs: 2 -> 12" in text
    assert "shapes-resnet.training" not in text
    assert "no change" in compare(root, "HEAD")  # against the workspace


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
def test_a_revision_without_results_is_one_sentence(root, revision, sentence):
    if revision == "before":
        run(root, "git", "branch", "--force", "before")
        tree = run(root, "git", "commit-tree", "-m", "before", empty_tree(root)).strip()
        run(root, "git", "branch", "--force", "before", tree)
    output = compare(root, revision, check=False)
    assert output.startswith(sentence)
    assert output.count("\n") == 1


def empty_tree(root):
    return run(root, "git", "hash-object", "-t", "tree", "/dev/null").strip()
