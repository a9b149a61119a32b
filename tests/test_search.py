"""The search of options without Keras: budgets, workers, storages."""

import io
import json
import re
import sys

import optuna
import pytest
from optuna.trial import TrialState

from pipeline.running.jobs import InProcess
from pipeline.running.schedulers import local_cluster
from pipeline.storage.files import BadInput
from pipeline.tuning import search
from pipeline.tuning.search import Search, best_of, ended_trials
from pipeline.tuning.space import space_of
from pipeline.tuning.study import DEFAULTS, REASON, open_study
from tests import fake_trials
from tests.searching import MEMBER, tuned


@pytest.fixture
def searched(tmp_path):
    """Return a function that searches with fake trials, and the path of the journal."""

    def run(function, member=MEMBER, name="m", storage=str(tmp_path / "m.journal"), engine=None):
        finished_study = open_study(storage, name, member.tune.pruner, 3)
        space = space_of(member, fake_trials)
        search.run_search(Search(finished_study, member, space, function, "score", "m"), engine or InProcess())
        return finished_study

    return run


def states(finished_study):
    return [trial.state for trial in finished_study.trials]


def test_the_defaults_are_the_first_trial_and_more_trials_go_on(searched, capsys):
    finished_study = searched(fake_trials.score)
    assert len(finished_study.trials) == 6
    assert finished_study.trials[0].params["training.learning_rate"] == MEMBER.training.learning_rate
    assert [DEFAULTS in trial.user_attrs for trial in finished_study.trials] == [True, *[False] * 5]
    estimate, *lines = capsys.readouterr().out.splitlines()
    assert estimate == "m: trials of 3 epochs, about 0s left"
    assert len(lines) == 6
    assert re.fullmatch(r"trial 5: .* in \d+s  best 0\.\d{4} \(trial \d\)  6/6 done, \d pruned  0s left", lines[-1])
    first = [trial.params for trial in finished_study.trials]
    again = searched(fake_trials.score, tuned(trials=8))
    assert [trial.params for trial in again.trials][:6] == first
    assert len(again.trials) == 8
    assert best_of(again).value == max(trial.value for trial in again.trials)
    elsewhere = searched(fake_trials.score, tuned(trials=8), name="another")
    assert [trial.params for trial in elsewhere.trials] == [trial.params for trial in again.trials]  # seeded


def test_a_bar_begins_with_the_trials_of_an_earlier_run(searched, monkeypatch):
    searched(fake_trials.score, tuned(trials=2))
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    searched(fake_trials.score, tuned(trials=3))
    counts = re.findall(r"m  (\d)/3 trials", terminal.getvalue())
    assert counts[0] == "2" and "/s" not in terminal.getvalue()


def test_trials_that_fail_are_recorded_and_the_study_goes_on(searched):
    finished_study = searched(fake_trials.fail_or_score)
    assert [finished_study.trials[number].state for number in (1, 2)] == [TrialState.PRUNED] * 2
    assert len(finished_study.trials) == 6
    reasons = [finished_study.trials[number].user_attrs[REASON] for number in (1, 2)]
    assert reasons == ["MemoryError: no room for 3 GiB", "resnet cannot be built for images of shape (4, 4, 1)"]


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_trials_that_lag_behind_are_pruned(searched, pruner):
    finished_study = searched(fake_trials.score, tuned(trials=25, pruner=pruner))
    assert states(finished_study).count(TrialState.PRUNED) >= 2
    assert best_of(finished_study).value > 0.97


def test_a_limit_of_seconds_ends_a_search(searched):
    finished_study = searched(fake_trials.score_slowly, tuned(seconds=2, pruner="none"))
    spent = [trial.duration.total_seconds() for trial in ended_trials(finished_study)]
    assert sum(spent[:-1]) < 2 <= sum(spent)
    assert set(states(finished_study)) == {TrialState.COMPLETE}


@pytest.mark.slow
def test_trials_in_other_processes_keep_the_budget_and_survive_a_worker(searched, capsys):
    with local_cluster([{}] * 2) as engine:
        finished_study = searched(fake_trials.kill_or_score, tuned(trials=7, pruner="median"), engine=engine)
    assert len(finished_study.trials) == 7
    assert len({json.dumps(trial.params) for trial in finished_study.trials}) == 7
    assert "4 workers died" in finished_study.trials[3].user_attrs[REASON]
    assert [trial.state for trial in finished_study.trials].count(TrialState.COMPLETE) >= 3
    assert {tuple(trial.intermediate_values) for trial in finished_study.trials} <= {(), (1,), (1, 2), (1, 2, 3)}


@pytest.mark.slow
def test_a_database_is_a_storage_too(searched, tmp_path, monkeypatch):
    monkeypatch.setenv("STUDIES", str(tmp_path / "studies.db"))
    finished_study = searched(fake_trials.fail_or_score, tuned(trials=5), storage="sqlite:///$STUDIES")
    assert (tmp_path / "studies.db").exists()
    assert [finished_study.trials[number].state for number in (1, 2)] == [TrialState.PRUNED] * 2
    assert len(finished_study.trials) == 5


def test_a_password_is_not_told(monkeypatch):
    monkeypatch.setenv("PASSWORD", "s3cret")
    with pytest.raises(BadInput) as error:
        open_study("nosuch://me:$PASSWORD@host/studies", "m", "none", 3)
    assert "s3cret" not in str(error.value)
    assert "me:" not in str(error.value)


def test_optuna_stays_quiet():
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING
