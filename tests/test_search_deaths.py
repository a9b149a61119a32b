"""The search of options without Keras: processes share a study, and none is lost with a process that dies."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState

from pipeline.running.jobs import InProcess
from pipeline.tuning import search, study
from pipeline.tuning.search import Search
from pipeline.tuning.space import space_of, suggest
from pipeline.tuning.study import DEFAULTS, OWNER, REASON, claim, counted_trials, end, give_up, open_study
from tests import fake_trials
from tests.projects import environment
from tests.searching import space_with, tuned


def run_one_more(path, ready):
    """Search in a process of its own, from the moment that all are ready."""
    finished_study = open_study(path, "m", "none", 3)
    ready.wait()
    member = tuned(trials=12, pruner="none")
    search.run_search(
        Search(finished_study, member, space_of(member, fake_trials), fake_trials.score_slowly, "score", "m"),
        InProcess(),
    )


@pytest.mark.slow
def test_processes_share_a_study_and_survive_a_kill(tmp_path):
    path = str(tmp_path / "m.journal")
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(3)
    processes = [context.Process(target=run_one_more, args=(path, ready)) for _ in range(3)]
    for process in processes:
        process.start()
    while len(open_study(path, "m", "none", 3).trials) < 5:
        time.sleep(0.05)
    os.kill(processes[0].pid, signal.SIGKILL)
    for process in processes:
        process.join(120)  # a process may die with the journal locked, or before its trial has its name
    assert [process.exitcode for process in processes] == [-signal.SIGKILL, 0, 0]
    trials = open_study(path, "m", "none", 3).trials
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert len(complete) == 12
    assert sum(DEFAULTS in trial.user_attrs for trial in complete) == 1
    assert len({json.dumps(trial.params) for trial in complete}) == 12
    lost = [trial.user_attrs[REASON] for trial in trials if trial.state == TrialState.FAIL]
    assert lost.count("its process ended before it did") <= 1
    assert set(lost) <= {"its process ended before it did", "another process was faster"}
    assert len(complete) + len(lost) == len(trials)


@pytest.mark.slow
def test_a_trial_of_another_machine_is_given_up_when_it_falls_silent(tmp_path, monkeypatch):
    finished_study = open_study(str(tmp_path / "m.journal"), "m", "none", 3)
    trial = finished_study.ask()
    trial.set_user_attr(OWNER, {"host": "elsewhere", "pid": os.getpid(), "started": 0})
    clock, signs = [0.0], {}
    monkeypatch.setattr(study.time, "monotonic", lambda: clock[0])
    assert study.give_up_dead_trials(finished_study, signs) == []
    clock[0] = study.SILENT_SECONDS
    study.attach(finished_study, 0, study.BEAT, 1)
    assert study.give_up_dead_trials(finished_study, signs) == []
    clock[0] += study.SILENT_SECONDS
    assert study.give_up_dead_trials(finished_study, signs) == []
    clock[0] += 1
    assert study.give_up_dead_trials(finished_study, signs) == [0]
    assert counted_trials(finished_study) == []


def test_a_reused_process_number_is_not_the_owner(tmp_path):
    finished_study = open_study(str(tmp_path / "m.journal"), "m", "none", 3)
    mine = study._this_process()
    finished_study.ask().set_user_attr(OWNER, mine)
    finished_study.ask().set_user_attr(OWNER, {**mine, "started": mine["started"] - 60})
    assert study.give_up_dead_trials(finished_study, {}) == [1]


def test_a_journal_torn_by_a_crash_is_mended(tmp_path):
    path = tmp_path / "m.journal"
    finished_study = open_study(str(path), "m", "none", 3)
    finished_study.tell(finished_study.ask(), 0.5)
    with path.open("a") as file:
        file.write('{"op_code": 4, "wor')
    again = open_study(str(path), "m", "none", 3)
    again.tell(again.ask(), 0.7)
    assert [trial.value for trial in open_study(str(path), "m", "none", 3).trials] == [0.5, 0.7]


OPEN = """
import sys, time
from pipeline.tuning.study import open_study
print("ready", flush=True)
sys.stdin.readline()
open_study(sys.argv[1], "s", "none", 3)
"""


@pytest.mark.nightly
def test_several_processes_open_a_new_database_at_once(tmp_path):
    command = [sys.executable, "-c", OPEN, f"sqlite:///{tmp_path}/new.db"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, env=environment(), **pipes) for _ in range(4)]
    for process in processes:
        process.stdout.readline()
    assert [process.communicate("\n", timeout=60) for process in processes] == [("", "")] * 4


KILLED = """
import os, signal, sys
from optuna.storages.journal._file import get_lock_file
from pipeline.tuning.study import open_study
study = open_study(sys.argv[1], "s", "none", 3)
with get_lock_file(study._storage._backend._lock):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["file", "link"])
def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.tuning.study.LOCK_SECONDS", 1)
    journal = Path("studies", "m.journal")
    lock = journal.with_name("m.journal.lock")
    if kind == "file":
        subprocess.run([sys.executable, "-c", KILLED, str(journal)], env=environment(), check=False)
    else:  # of an earlier version: from a relative path, so that it leads nowhere
        journal.parent.mkdir()
        lock.symlink_to(journal)
    assert os.path.lexists(lock)
    opened = open_study(str(journal), "s", "none", 3)
    opened.ask()
    assert not os.path.lexists(lock)
    assert len(opened.get_trials()) == 1


def test_a_killed_trial_is_tried_again_with_the_same_values(tmp_path):
    space = space_with({"options": {"dropout": {"low": 0.0, "high": 0.9}}})

    def values(name, killed):
        opened = open_study(str(tmp_path / f"{name}.journal"), "s", "none", 3)
        for place in range(4):
            for _ in range(1 + (place in killed)):
                trial = claim(opened, space, 4, seed=7)
                suggest(trial, space)
                if place in killed:
                    give_up(opened, trial.number, "killed")
                    killed = killed - {place}
                    continue
                end(opened, trial.number, 0.5)
        return [trial.params for trial in counted_trials(opened)]

    undisturbed = values("a", set())
    assert len({tuple(choices.items()) for choices in undisturbed}) == 4
    assert values("b", {0, 1, 3}) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_a_killed_study_prunes_the_trials_that_an_undisturbed_one_prunes(tmp_path, pruner):
    space = space_with({"options": {"dropout": {"low": 0.0, "high": 0.9}}})
    trials, epochs = 14, 9

    def ends(name, killed):
        opened, killed = open_study(str(tmp_path / f"{name}.journal"), "s", pruner, epochs), set(killed)
        while trial := claim(opened, space, trials, seed=3):
            value = 1 - abs(suggest(trial, space)["options.dropout"] - 0.4)
            for epoch in range(1, epochs + 1):
                trial.report(value * epoch / epochs, epoch)
                is_low = trial.should_prune()
                if (is_killed := (trial.user_attrs["place"], epoch) in killed) or is_low:
                    break
            if is_killed:
                killed.remove((trial.user_attrs["place"], epoch))
                give_up(opened, trial.number, "killed")
            else:
                end(opened, trial.number, None if is_low else value)
        by_place = sorted(counted_trials(opened), key=lambda trial: trial.user_attrs["place"])
        return [(trial.params, trial.state, trial.last_step) for trial in by_place]

    undisturbed = ends("a", [])
    assert {state for _, state, _ in undisturbed} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert ends("b", [(0, 4), (2, 1), (5, 1), (9, 1)]) == undisturbed
