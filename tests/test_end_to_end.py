"""The whole pipeline as its users run it: `dvc repro` in a repository of its own, on a tiny replica.

Each test gets a copy of one repository in which everything is up to date.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.projects import ROOT, TINY
from tests.repositories import commit, edit, ran, repository_environment, run

pytestmark = pytest.mark.slow

FILES = ("pipeline", "features", "models", "submissions", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore")
AROUND = {"roster", "report"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A fresh copy of the project under git and DVC, with both tasks made tiny and brought up to date."""
    root = tmp_path_factory.mktemp("podium")
    for name in FILES:
        source = ROOT / name
        shutil.copytree(source, root / name) if source.is_dir() else shutil.copy(source, root / name)
    (root / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy(ROOT / ".dvc" / name, root / ".dvc" / name)
    edit(root, make_tiny)
    run(root, "git", "init", "--quiet")
    commit(root, "state")
    run(root, "dvc", "repro")
    return root


@pytest.fixture
def repository(finished, tmp_path):
    """A copy of the repository that a test may change."""
    return shutil.copytree(finished, tmp_path / "podium", symlinks=True)


def make_tiny(params):
    del params["members"]["price_sum-resnet"]
    params["replicas"]["fashion"] |= {"train_rows": 90, "test_rows": 30}
    params["replicas"]["price_sum"] |= {"train_rows": 90, "test_rows": 30}
    for entry in params["tasks"].values():
        entry["split"]["count"] = 2
    for entry in params["members"].values():
        entry["options"] = TINY[entry["architecture"]]
        entry["training"] |= {"epochs": 1, "batch_size": 32, "optimiser": "adam"}
        entry.pop("tune", None)


def behind(task):
    return {f"ensemble@{task}", f"submission@{task}", f"score@{task}", *AROUND}


def stages_of(member, kind=""):
    return {f"{stage}{kind}@{member}" for stage in ("tune", "train", "predict")}


def history(root, member, fold):
    task = member.partition("-")[0]
    return pd.read_csv(root / f"artifacts/{task}/members/{member}/fold-{fold}.csv")


def test_one_command_makes_both_submissions(repository):
    fashion = pd.read_csv(repository / "submissions/fashion.csv")
    sample = pd.read_csv(repository / "data/replica/fashion/sample_submission.csv")
    assert list(fashion.columns) == list(sample.columns) == ["Id", "Label"]
    assert (fashion["Id"] == sample["Id"]).all()
    prices = pd.read_csv(repository / "submissions/price_sum.csv")
    assert list(prices.columns) == ["id", "class"]
    assert prices["class"].between(5, 13).all()
    score = json.loads((repository / "artifacts/price_sum/score.json").read_text())
    solution = pd.read_csv(repository / "data/replica/price_sum/solution.csv")
    assert score["all"]["score"] == pytest.approx((solution["class"] == prices["class"]).mean())
    summary = (repository / "report/summary.md").read_text()
    for text in ("fashion-fast", "fashion-resnet", "price_sum-fast", "private score"):
        assert text in summary
    assert summary.count("ensemble (greedy)") == 2
    comparison = pd.read_csv(repository / "report/comparison.csv").set_index("member")
    assert len(comparison) == 3
    assert comparison.notna().all(axis=None)
    assert (comparison[["layers", "parameters", "MFLOPs per image", "training loss", "F1"]] > 0).all(axis=None)
    on_test = score["members"]["price_sum-fast"]["score"]
    assert comparison.loc["price_sum-fast", "test score"] == pytest.approx(on_test)


@pytest.mark.nightly
def test_the_stages_that_train_run_on_jax_too(repository, monkeypatch):
    def change(params):
        params["tasks"]["fashion"]["generate"] = {"epochs": 1, "latent_units": 4, "filters": 4, "images_per_class": 2}
        params["members"]["fashion-fast"] |= {"tune": {"trials": 2}, "generated_share": 0.1}

    monkeypatch.setenv("KERAS_BACKEND", "jax")
    edit(repository, change)
    output = run(repository, "dvc", "repro", "submission@fashion")
    stages = {"generate@fashion", "tune@fashion-fast", "train@fashion-fast", "predict@fashion-fast"}
    assert stages <= ran(output)
    assert "fashion-fast  computes on the CPU" in output and "with JAX" in output
    assert "trials: 2 complete" in output


def test_again_nothing_runs(repository):
    assert ran(run(repository, "dvc", "repro")) == set()
    run(repository, "dvc", "status", "--quiet")


def test_a_changed_option_reruns_its_member_and_what_follows(repository):
    edit(repository, lambda p: p["members"]["fashion-fast"]["training"].update(learning_rate=1e-3))
    run(repository, "dvc", "repro", "roster")
    stages = ran(run(repository, "dvc", "repro", "--dry", "--force-downstream"))
    assert stages == stages_of("fashion-fast") | behind("fashion") - {"roster"}


@pytest.mark.nightly
def test_members_come_and_go(repository):
    def add(params):
        entry = {**params["members"]["fashion-fast"], "normalise": "unit"}
        pseudo = {"pseudo_labels": {"teacher": "fashion-second", "least_confidence": 0.1}}
        params["members"]["fashion-second"], params["students"] = entry, {"fashion-student": entry | pseudo}

    def remove(params):
        del params["members"]["fashion-second"], params["students"]

    edit(repository, add)
    output = run(repository, "dvc", "repro")
    stages, new = ran(output), stages_of("fashion-second") | stages_of("fashion-student", "-student")
    assert new | {"ensemble@fashion"} <= stages
    assert stages <= new | behind("fashion")
    assert "fashion-second is sure enough of 30 of 30 test images" in output
    ensemble = repository / "artifacts/fashion/ensemble/ensemble.json"
    assert {"fashion-second", "fashion-student"} <= set(json.loads(ensemble.read_text())["weights"])

    edit(repository, remove)
    stages = ran(run(repository, "dvc", "repro"))
    assert "ensemble@fashion" in stages
    assert stages <= behind("fashion")
    assert not {"fashion-second", "fashion-student"} & set(json.loads(ensemble.read_text())["weights"])
    assert not re.search("fashion-(second|student)", (repository / "report/summary.md").read_text())


@pytest.mark.nightly
def test_single_stages_and_what_follows_them(repository):
    assert ran(run(repository, "dvc", "repro", "--force", "-s", "split@fashion")) == {"split@fashion"}
    edit(repository, lambda p: p["tasks"]["fashion"]["ensemble"].update(method="mean"))
    run(repository, "dvc", "repro", "roster")
    stages = ran(run(repository, "dvc", "repro", "--downstream", "ensemble@fashion"))
    assert "ensemble@fashion" in stages
    assert stages <= behind("fashion")


@pytest.mark.nightly
def test_an_experiment_sets_an_option(repository):
    run(repository, "dvc", "exp", "run", "-S", "tasks.fashion.ensemble.method=mean")
    assert json.loads((repository / "artifacts/fashion/ensemble/ensemble.json").read_text())["method"] == "mean"


@pytest.mark.nightly
def test_two_members_train_at_once(repository):
    names = ("fashion-resnet", "price_sum-fast")
    for name in names:
        edit(repository, lambda p, name=name: p["members"][name]["training"].update(epochs=2))
        run(repository, "dvc", "repro", f"tune@{name}")
    command = ["dvc", "--wait-for-lock", "repro", "-s"]
    both = [
        subprocess.Popen([*command, f"train@{name}"], cwd=repository, env=repository_environment()) for name in names
    ]
    assert [process.wait(300) for process in both] == [0, 0]
    assert len(history(repository, "fashion-resnet", 0)) == len(history(repository, "price_sum-fast", 1)) == 2


@pytest.mark.nightly
def test_a_killed_run_goes_on_where_it_was(repository):
    edit(repository, lambda p: p["members"]["fashion-fast"]["training"].update(epochs=12, batch_size=4))
    state = repository / ".resume/fashion/fashion-fast"
    shutil.rmtree(state)  # the finished folds of the options before
    with (repository / "first.log").open("w") as log:
        first = subprocess.Popen(
            ["dvc", "repro", "train@fashion-fast"],
            cwd=repository,
            env=repository_environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    wait_for(lambda: list(state.glob("*/fold-0/model.keras")) and list(state.glob("*/fold-1/state.npz")), first)
    os.kill(first.pid, signal.SIGKILL)  # dvc alone: what it started must end by itself
    first.wait()
    wait_for(lambda: not group_lives(first.pid), None)
    (finished,) = state.glob("*/fold-0/model.keras")
    written = finished.stat().st_mtime_ns
    trained = lines_of((repository / "first.log").read_text())
    assert ("1", "12") in trained
    assert not (repository / "artifacts/fashion/members/fashion-fast").exists()

    again = lines_of(run(repository, "dvc", "repro", "train@fashion-fast"))
    assert not {epoch for fold, epoch in again if fold == "1"}, "a finished fold was trained again"
    assert ("2", "1") not in again, "the first epoch was saved, and lost"
    assert finished.stat().st_mtime_ns == written
    assert [len(history(repository, "fashion-fast", fold)) for fold in range(2)] == [12, 12]


def wait_for(condition, process, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        assert process is None or process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def lines_of(output):
    """Return (fold, epoch) of each epoch that a log tells of."""
    return re.findall(r"fold (\d)/2 +epoch +(\d+)/12", output)


@pytest.mark.nightly
def test_generated_images_retrain_who_uses_them_and_nobody_else(repository):
    both = ("dvc", "repro", "train@fashion-fast", "train@fashion-resnet")
    small = {"epochs": 1, "filters": 2, "images_per_class": 5}
    edit(repository, lambda p: p["members"]["fashion-fast"].update(generated_share=0.5))
    edit(repository, lambda p: p["tasks"]["fashion"].update(generate=small))
    trained = {"generate@fashion", "train@fashion-fast", "train@fashion-resnet"}
    assert ran(run(repository, *both)) & trained == {"generate@fashion", "train@fashion-fast"}
    edit(repository, lambda p: p["tasks"]["fashion"]["generate"].update(seed=1))
    assert ran(run(repository, *both)) & trained == {"generate@fashion", "train@fashion-fast"}
    edit(repository, lambda p: p["tasks"]["fashion"]["predict"].update(flip=True))  # of the same entry
    output = run(repository, *both)
    assert ran(output) & trained == set()


@pytest.mark.nightly
def test_a_new_competition_is_one_entry(repository):
    rng = np.random.default_rng(0)
    kinds = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu"]
    raw = repository / "data/raw/animals"
    for index in range(7 * 9):
        folder = raw / "train" / kinds[index % 7]
        save_animal(folder / f"{index}.png", index % 7, rng)
    for index in range(14):
        save_animal(raw / "test" / f"t{index}.png", index % 7, rng)
    sample = pd.DataFrame({"file": [f"t{i}.png" for i in range(14)], "animal": "ant"})
    sample.to_csv(raw / "sample.csv", index=False)

    def add(params):
        params["tasks"]["animals"] = {
            "ingest": {
                "folder": "data/raw/animals",
                "train": {"images": "train"},
                "test": {"images": "test"},
                "sample_submission": "sample.csv",
            },
            "split": {"count": 2},
        }
        params["members"]["animals-cnn"] = {
            "task": "animals",
            "architecture": "fast",
            "options": TINY["fast"],
            "training": {"epochs": 12, "batch_size": 8, "learning_rate": 5e-3},
        }

    edit(repository, add)
    run(repository, "dvc", "repro", "submission@animals", "score@animals")
    submission = pd.read_csv(repository / "submissions/animals.csv")
    assert list(submission.columns) == ["file", "animal"]
    assert (submission["file"] == sample["file"]).all()
    assert (submission["animal"] == [kinds[i % 7] for i in range(14)]).mean() > 0.5
    assert "unknown" in (repository / "artifacts/animals/score.json").read_text()


def save_animal(path, kind, rng):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 60, (20, 24, 3), dtype=np.uint8)
    pixels[2 * kind : 2 * kind + 6, :, kind % 3] += 180
    Image.fromarray(pixels).save(path)


def test_a_message_edit_trains_no_epoch(repository):
    path = repository / "pipeline/running/stage.py"
    path.write_text(path.read_text() + "# a message\n")
    output = run(repository, "dvc", "repro", "--single-item", "train@fashion-resnet")
    assert ran(output) == {"train@fashion-resnet"}
    assert "finished before, kept" in output and " epoch " not in output


@pytest.mark.nightly
def test_an_edit_reruns_what_it_changes(repository):
    path = repository / "pipeline/split.py"
    path.write_text(path.read_text() + "# the same folds\n")
    assert ran(run(repository, "dvc", "repro")) == {"split@fashion", "split@price_sum"}
    text = path.read_text()
    path.write_text(text.replace("options.holdout_share, seed)", "options.holdout_share, seed + 1)"))
    assert path.read_text() != text
    stages = ran(run(repository, "dvc", "repro", "ensemble@price_sum"))
    before = {"split@price_sum", "generate@price_sum"}  # generate writes that nothing is generated
    assert stages == before | stages_of("price_sum-fast") | {"ensemble@price_sum"}


@pytest.mark.nightly
def test_a_new_architecture_reruns_no_other_member(repository):
    shutil.copy(repository / "models/lenet.py", repository / "models/other.py")
    new = {"architecture": "other", "options": {"filters": [4, 8], "units": 16}}
    edit(repository, lambda p: p["members"].update({"fashion-other": p["members"]["fashion-fast"] | new}))
    stages = ran(run(repository, "dvc", "repro"))
    assert stages_of("fashion-other") <= stages
    assert stages <= stages_of("fashion-other") | behind("fashion")


@pytest.mark.nightly
def test_a_colleague_pulls_the_results_and_reruns_nothing(repository, tmp_path):
    remote, colleague = tmp_path / "remote", tmp_path / "colleague"
    run(repository, "dvc", "remote", "add", "--default", "team", str(remote))
    run(repository, "dvc", "push")
    run(repository, "git", "add", "dvc.lock", "metrics", "params.yaml", ".dvc/config")
    run(repository, "git", "commit", "--quiet", "--message", "results")
    run(tmp_path, "git", "clone", "--quiet", str(repository), str(colleague))
    run(colleague, "dvc", "pull")
    for task in ("fashion", "price_sum"):
        path = f"submissions/{task}.csv"
        assert (colleague / path).read_bytes() == (repository / path).read_bytes()
    assert ran(run(colleague, "dvc", "repro")) == set()
    edit(colleague, lambda p: p["tasks"]["fashion"]["ensemble"].update(method="mean"))
    assert ran(run(colleague, "dvc", "repro")) <= behind("fashion")


def test_a_copy_without_git_works(repository, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(repository, copy, ignore=shutil.ignore_patterns(".git", "tmp"))
    assert "core.no_scm" in (ROOT / "README.md").read_text()
    run(copy, "dvc", "config", "--local", "core.no_scm", "true")
    assert ran(run(copy, "dvc", "repro", "--force", "-s", "roster")) == {"roster"}


def test_bad_input_stops_the_run_with_one_sentence(repository):
    edit(repository, lambda p: p["members"]["fashion-fast"].update(epochs=3))
    output = run(repository, "dvc", "repro", check=False)
    assert "members.fashion-fast.epochs: unknown key; legal are task, architecture" in output
    assert "Traceback" not in output
