"""The search of options without Keras: spaces, budgets, several processes, deaths."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from pipeline.config.options import with_values
from pipeline.config.schema import Member, Training, Tune
from pipeline.running import workers
from pipeline.storage.files import BadInput
from pipeline.tuning import search, study
from pipeline.tuning.search import Search, best_of, ended_trials
from pipeline.tuning.space import space_of, suggest
from pipeline.tuning.study import DEFAULTS, OWNER, REASON, claim, counted_trials, end, give_up, open_study
from tests import fake_trials
from tests.projects import environment

MEMBER = Member(task="blobs", architecture="resnet", training=Training(epochs=3), tune=Tune(trials=6))


def space_with(space, **changes):
    return space_of(MEMBER.model_copy(update={"tune": Tune(space=space), **changes}), fake_trials)


def test_an_entry_narrows_widens_and_takes_out():
    space = space_with(
        {
            "options": {"dropout": [0.0, 0.9], "filters": None, "depth": {"low": 2, "high": 5}},
            "training": {"learning_rate": {"low": "1e-5", "high": "1e-4", "log": True}, "weight_decay": None},
            "augment": {"shift_pixels": [0, 1, 2]},
        }
    )
    assert set(space.own) == {
        *("options.dropout", "options.depth", "augment.shift_pixels"),
        *("training.learning_rate", "training.label_smoothing"),
    }
    assert space.distributions["options.dropout"].choices == (0.0, 0.9)
    assert (space.distributions["options.depth"].low, space.distributions["options.depth"].high) == (2, 5)
    rate = space.distributions["training.learning_rate"]
    assert (rate.low, rate.high, rate.log) == (1e-5, 1e-3, True)  # as wide as the entry's own 1e-3 needs


def test_what_the_entry_says_itself_is_a_choice():
    space = space_with({}, options={"filters": [4, 4]})
    assert space.own["options.filters"] == "[4, 4]"
    assert space.distributions["options.filters"].choices == ("[8, 8]", "[16, 16]", "[4, 4]")
    changed = with_values(MEMBER, {"options.filters": "[16, 16]", "training.learning_rate": 0.1})
    assert (changed.options, changed.training.learning_rate) == ({"filters": [16, 16]}, 0.1)
    assert with_values(changed, space_with({}).own).training == MEMBER.training


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ({"option": {"dropout": [0]}}, r"option: unknown key; legal are options, training, augment"),
        ({"options": {"droput": [0]}}, r"options\.droput: unknown key; legal are filters, dropout, depth"),
        ({"training": {"optimiser": ["lion"]}}, r"training\.optimiser|optimiser: 'lion' is not one of"),
        ({"options": {"dropout": 0.3}}, r"options\.dropout: 0\.3 is not a list of choices or a range of low, high"),
        ({"options": {"dropout": {"low": 0}}}, r"is not a list of choices or a range"),
        ({"options": {"filters": {"low": 0, "high": 1}}}, r"is not a list of choices, which '\[8, 8\]' needs"),
        ({"training": {"weight_decay": {"low": 1e-4, "high": 1, "log": True}}}, r"own 0\.0 lies in no logarithmic"),
        ({"training": {"epochs": {"low": 1, "high": 9, "log": True, "step": 2}}}, r"training\.epochs: .* is no range"),
        ({"augment": {"shift_pixels": [-1, 0]}}, r"augment\.shift_pixels: -1, expected at least 0"),
        (
            {
                "options": {"dropout": None, "filters": None},
                "training": dict.fromkeys(("learning_rate", "weight_decay", "label_smoothing")),
            },
            "nothing is left to tune",
        ),
    ],
)
def test_a_bad_space_is_one_sentence(space, sentence):
    with pytest.raises(ValueError, match=sentence):
        space_with(space)


@pytest.fixture
def searched(tmp_path):
    """Return a function that searches with fake trials, and the path of the journal."""

    def run(function, member=MEMBER, name="m", at_once=1, storage=str(tmp_path / "m.journal")):
        finished_study = open_study(storage, name, member.tune.pruner, 3)
        space = space_of(member, fake_trials)
        handles = [workers.start({}) for _ in range(at_once)]
        try:
            search.run_search(Search(finished_study, storage, member, space, function, "m"), handles)
        finally:
            for worker in handles:
                workers.stop(worker)
        return finished_study

    return run


def states(finished_study):
    return [trial.state for trial in finished_study.trials]


def tuned(**limits):
    return MEMBER.model_copy(update={"tune": Tune(**limits)})


def test_the_defaults_are_the_first_trial_and_more_trials_go_on(searched, capsys):
    finished_study = searched(fake_trials.score)
    assert len(finished_study.trials) == 6
    assert finished_study.trials[0].params["training.learning_rate"] == MEMBER.training.learning_rate
    assert [DEFAULTS in trial.user_attrs for trial in finished_study.trials] == [True, *[False] * 5]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert re.fullmatch(r"trial 5: .* in \d+s  best 0\.\d{4} \(trial \d\)  6/6 done, \d pruned  0s left", lines[-1])
    first = [trial.params for trial in finished_study.trials]
    again = searched(fake_trials.score, tuned(trials=8))
    assert [trial.params for trial in again.trials][:6] == first
    assert len(again.trials) == 8
    assert best_of(again).value == max(trial.value for trial in again.trials)
    elsewhere = searched(fake_trials.score, tuned(trials=8), name="another")
    assert [trial.params for trial in elsewhere.trials] == [trial.params for trial in again.trials]  # seeded


def test_trials_that_fail_are_recorded_and_the_study_goes_on(searched):
    finished_study = searched(fake_trials.fail_or_score)
    assert [finished_study.trials[number].state for number in (1, 2, 3)] == [TrialState.PRUNED] * 3
    assert len(finished_study.trials) == 6
    reasons = [finished_study.trials[number].user_attrs[REASON] for number in (1, 2, 3)]
    assert reasons == [
        "MemoryError: no room for 3 GiB",
        "resnet cannot be built for images of shape (4, 4, 1)",
        "its process was ended by SIGKILL, perhaps because memory ran out",
    ]


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
def test_workers_side_by_side_keep_the_budget(searched):
    finished_study = searched(fake_trials.score_slowly, tuned(trials=7), at_once=3)
    assert len(finished_study.trials) == 7
    assert len({json.dumps(trial.params) for trial in finished_study.trials}) == 7


def run_one_more(path, ready):
    """Search in a process of its own, from the moment that all are ready."""
    finished_study = open_study(path, "m", "none", 3)
    handles = [workers.start({})]
    ready.wait()
    member = tuned(trials=12, pruner="none")
    search.run_search(
        Search(finished_study, path, member, space_of(member, fake_trials), fake_trials.score_slowly, "m"), handles
    )
    workers.stop(handles[0])


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


@pytest.mark.slow
def test_a_database_is_a_storage_too(searched, tmp_path, monkeypatch):
    monkeypatch.setenv("STUDIES", str(tmp_path / "studies.db"))
    finished_study = searched(fake_trials.fail_or_score, tuned(trials=5), at_once=2, storage="sqlite:///$STUDIES")
    assert (tmp_path / "studies.db").exists()
    assert [finished_study.trials[number].state for number in (1, 2, 3)] == [TrialState.PRUNED] * 3
    assert len(finished_study.trials) == 5


def test_a_password_is_not_told(monkeypatch):
    monkeypatch.setenv("PASSWORD", "s3cret")
    with pytest.raises(BadInput) as error:
        open_study("nosuch://me:$PASSWORD@host/studies", "m", "none", 3)
    assert "s3cret" not in str(error.value)
    assert "me:" not in str(error.value)


@pytest.mark.parametrize(
    ("gpus", "jobs", "expected"),
    [
        ("0,1", 1, [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]),
        ("0", 4, [{}]),
        ("", 1, [{}]),
    ],
)
def test_a_gpu_has_one_trial_at_a_time(monkeypatch, gpus, jobs, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    assert workers.environments(jobs) == expected


def test_jobs_share_the_threads_of_a_cpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    worker_environments = workers.environments(3)
    assert worker_environments == [{"TF_NUM_INTRAOP_THREADS": "2", "OMP_NUM_THREADS": "2"}] * 3
    worker = workers.start(worker_environments[0])
    workers.submit(worker, fake_trials.environment, "TF_NUM_INTRAOP_THREADS")
    assert workers.result(worker) == "2"
    workers.stop(worker)


def test_ctrl_c_is_not_a_workers_matter_from_its_first_moment(monkeypatch):
    monkeypatch.setenv("PODIUM_NAME", "x")
    worker = workers.start({})
    for _ in range(20):  # while it starts
        os.kill(worker.process.pid, signal.SIGINT)
        time.sleep(0.01)
    workers.submit(worker, fake_trials.environment, "PODIUM_NAME")
    assert workers.result(worker) == "x"
    workers.stop(worker)


def test_optuna_stays_quiet():
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING


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
