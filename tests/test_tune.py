"""Stage `tune`: what it leaves behind, with fake trials where training is beside the point, and its commands."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from optuna.trial import TrialState

from features.labels.intervals import bounds, with_bounds
from models import ARCHITECTURES
from pipeline import ingest, prepare, report, roster, split, tune
from pipeline.config.options import decode, options_model
from pipeline.config.parsing import parse
from pipeline.config.schema import Member, Tune, load_params
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.storage.tuned_options import load_tuned
from pipeline.tuning.search import TrialJob
from pipeline.tuning.study import DEFAULTS, OWNER, REASON, open_study
from tests import fake_trials
from tests.kaggle_project import hear_ctrl_c
from tests.projects import environment, member, task, write_blobs, write_params

SMALL = {
    "options": {
        "stem_filters": [4, 6],
        "filters": [[8, 8], [4, 4]],
        "blocks": None,
        "activation": None,
        "dropout": None,
    }
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes member `m` of the task `blobs`, which has its folds."""
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")

    def with_member(**changes):
        write_params(tmp_path, {"blobs": task("raw")}, {"m": member("blobs", "resnet", **changes)})
        return load_params(paths.PARAMS)

    params = with_member()
    roster.roster(params)
    for run in (ingest.ingest, prepare.prepare, split.split):
        run(params, "blobs")
    return with_member


@pytest.fixture
def fake_runs(monkeypatch):
    """Let the trials train nothing, and Keras alone."""
    monkeypatch.setattr(tune, "_describe", fake_trials.describe)
    monkeypatch.setattr(tune, "_run_trial", fake_trials.score)


def study_json():
    return json.loads((paths.study("blobs", "m") / "study.json").read_text())


def all_trials(name):
    return open_study(str(paths.journal("blobs", "m")), name, "none", 1).trials


def test_without_trials_the_entry_is_passed_on(project):
    params = project()
    assert tune.tune(params, "m") == "", "a stage without work prints no line"
    assert load_tuned("blobs", "m") == params.members["m"]
    assert not paths.journal("blobs", "m").parent.exists()


@pytest.mark.slow
def test_the_best_trial_is_handed_on_and_more_trials_go_on(project, fake_runs):
    params = project(tune={"trials": 5, "space": SMALL})
    summary_line = tune.tune(params, "m")
    study_summary, tuned = study_json(), load_tuned("blobs", "m")
    assert study_summary["trials"]["complete"] + study_summary["trials"]["pruned"] == 5
    assert study_summary["defaults"]["options"]["training.learning_rate"] == 5e-3
    assert (
        study_summary["best"]["validation_score"] == study_summary["defaults"]["validation_score"] == 1.0
    )  # the first of equals
    assert with_bounds(1.0, **bounds(1.0, study_summary["validation_rows"])) in summary_line
    assert tuned == params.members["m"].model_copy(update={"tune": Tune()})  # the defaults, as the entry has them
    options_before = paths.tuning("blobs", "m").read_bytes()
    tune.tune(project(tune={"trials": 7, "space": SMALL}), "m")
    assert study_json()["study"] == study_summary["study"]
    assert sum(study_json()["trials"].values()) == 7
    assert paths.tuning("blobs", "m").read_bytes() == options_before  # so that nothing is trained again


@pytest.mark.slow
def test_options_better_than_the_defaults_are_handed_on(project, fake_runs):
    space = SMALL | {"training": {"label_smoothing": None, "weight_decay": None}}
    tune.tune(project(training={"learning_rate": 0.02}, tune={"trials": 5, "space": space}), "m")
    study_summary, tuned = study_json(), load_tuned("blobs", "m")
    assert study_summary["best"]["validation_score"] > study_summary["defaults"]["validation_score"]
    assert tuned.training.learning_rate == study_summary["best"]["options"]["training.learning_rate"] < 0.02
    assert tuned.options["filters"] == study_summary["best"]["options"]["options.filters"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_has_a_space_of_its_own(architecture):
    from pipeline.tuning.trial import describe

    space = describe(TrialJob(Member(task="blobs", architecture=architecture), "m"))
    assert any(name.startswith("options.") for name in space.own)
    assert ("training.learning_rate" in space.own) == (architecture != "features")  # whose fit has no steps
    for name, distribution in space.distributions.items():
        assert not distribution.single(), name
        values = getattr(distribution, "choices", None) or (distribution.low, distribution.high)
        for value in values if name.startswith("options.") else ():
            parse(options_model(architecture), {name.removeprefix("options."): decode(value)})


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"tune": {"trials": 3, "space": SMALL | {"training": {"weight_decay": None}}}},
        pytest.param({"tune": {"trials": 3, "space": SMALL}, "augment": {"flip": True}}, marks=pytest.mark.nightly),
        pytest.param({"tune": {"trials": 3, "space": SMALL}, "training": {"epochs": 3}}, marks=pytest.mark.nightly),
    ],
)
def test_another_space_or_entry_starts_another_study(project, fake_runs, changes):
    tune.tune(project(tune={"trials": 3, "space": SMALL}), "m")
    before = study_json()
    tune.tune(project(**changes), "m")
    assert study_json()["study"] != before["study"]
    assert sum(study_json()["trials"].values()) == 3
    assert len(all_trials(before["study"])) == 3


@pytest.mark.slow
def test_the_report_shows_tables_and_plots(project, fake_runs):
    params = project(tune={"trials": 8, "space": SMALL})
    tune.tune(params, "m")
    report.report(params)
    page = paths.PAGE.read_text()
    for text in ("Optimization History", "Parallel Coordinate", "Hyperparameter Importances", "Intermediate Values"):
        assert text in page
    for text in ("params.yaml</th>", "validation accuracy", "options.filters", "too good"):
        assert text in page


def test_a_study_without_a_score_is_one_sentence(project, fake_runs, monkeypatch):
    monkeypatch.setattr(tune, "_run_trial", fake_trials.raise_error)
    sentence = r"members\.m\.tune: no trial came to its end; the first: the loss is nan in epoch 1"
    with pytest.raises(BadInput, match=sentence):
        tune.tune(project(tune={"trials": 2, "space": SMALL}), "m")
    assert not paths.tuning("blobs", "m").exists()


@pytest.mark.parametrize("name", ["about.json", "statistics.json", "train_images.npy", "train_labels.npy", "folds.csv"])
def test_damaged_data_is_one_sentence_and_no_trial_of_the_study(project, name):
    params = project(tune={"trials": 2, "space": SMALL})
    path = paths.images("blobs") / name if name != "folds.csv" else paths.folds("blobs")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(BadInput, match=name):
        tune.tune(params, "m")
    assert not paths.journal("blobs", "m").exists()


def test_a_bad_space_is_one_sentence(project):
    with pytest.raises(
        BadInput, match=r"params\.yaml, line \d+: members\.m\.tune\.space\.options\.width: unknown key; legal are"
    ):
        tune.tune(project(tune={"trials": 2, "space": {"options": {"width": [1, 2]}}}), "m")


@pytest.mark.slow
def test_the_network_breaks_and_diverges_and_the_study_goes_on(project):
    space = {
        "options": {
            "filters": [[8, 8], [8, 8, 8, 8]],
            "stem_filters": None,
            "blocks": None,
            "activation": None,
            "dropout": None,
        },
        "training": {"learning_rate": [0.01, 1e30], "weight_decay": None, "label_smoothing": None},
    }
    settings = {"optimiser": "sgd", "learning_rate": 1e30, "schedule": "constant", "epochs": 1}
    tune.tune(project(training=settings, tune={"trials": 5, "space": space, "pruner": "none"}), "m")
    trials = all_trials(study_json()["study"])
    kinds = set()
    for trial in trials:
        broken, diverges = (
            len(json.loads(trial.params["options.filters"])) == 4,
            trial.params["training.learning_rate"] > 1,
        )
        kinds.add((broken, diverges))
        if broken:
            assert "resnet cannot be built for images of shape (12, 12, 1)" in trial.user_attrs[REASON]
        elif diverges:
            assert "the loss is" in trial.user_attrs[REASON]
        assert trial.state == (TrialState.PRUNED if broken or diverges else TrialState.COMPLETE)
    assert {(False, False), (False, True)} < kinds, "the draw shows too little"
    assert load_tuned("blobs", "m").training.learning_rate == 0.01


def start(folder):
    command = [sys.executable, "-m", "pipeline.tune", "m"]
    return subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True)


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.nightly
def test_two_commands_share_a_study_of_which_one_is_killed(project, tmp_path):
    project(training={"epochs": 4}, tune={"trials": 2, "space": SMALL, "pruner": "none"})
    first, second = start(tmp_path), start(tmp_path)
    journal = paths.journal("blobs", "m")

    def reports_of_first():
        owners = [json.loads(line) for line in journal.read_text().splitlines() if f'"{OWNER}"' in line]
        mine = [line["trial_id"] for line in owners if line["user_attr"][OWNER]["pid"] == first.pid]
        return any(f'"trial_id":{trial},"step":1,' in journal.read_text() for trial in mine)

    wait_for(lambda: journal.exists() and reports_of_first())
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    printed = second.communicate(timeout=120)[0]
    assert second.returncode == 0
    assert "2/2 done" in printed
    trials = all_trials(study_json()["study"])
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert len(complete) == 2
    assert sum(DEFAULTS in trial.user_attrs for trial in complete) == 1
    assert "its process ended before it did" in [trial.user_attrs.get(REASON) for trial in trials]
    assert load_tuned("blobs", "m").training.epochs == 4


ENDLESS = """
from pipeline.running import stage
from pipeline import tune
from tests import fake_trials
tune._describe, tune._run_trial = fake_trials.describe, fake_trials.run_forever
stage.run("tune", tune.tune)
"""


@pytest.mark.slow
def test_ctrl_c_ends_in_one_line_and_the_next_run_goes_on(project, fake_runs, tmp_path):
    params = project(tune={"trials": 2, "space": SMALL, "pruner": "none"})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command, session = [sys.executable, "-c", ENDLESS, "m"], {"start_new_session": True, "preexec_fn": hear_ctrl_c}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), **pipes, **session)
    journal = paths.journal("blobs", "m")
    wait_for(lambda: journal.exists() and '"step":1,' in journal.read_text())
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the command and its workers
    printed = process.communicate(timeout=60)[0]
    assert printed.splitlines()[1:] == ["tune: interrupted; the same command may be run again"]
    assert process.returncode == 130
    tune.tune(params, "m")
    trials = all_trials(study_json()["study"])
    assert [trial.state for trial in trials] == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    assert trials[0].user_attrs[REASON] == "interrupted"
