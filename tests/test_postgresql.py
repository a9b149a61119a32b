"""Processes that share a study in PostgreSQL, on a server that the tests start."""

import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState

from pipeline.tuning.study import DEFAULTS, OWNER, open_study
from tests.needs import need_module, need_program
from tests.projects import environment
from tests.test_search_deaths import OPEN, run_one_more

pytestmark = pytest.mark.nightly

PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # of Debian's packages, which are not in PATH


@pytest.fixture(scope="module")
def server():
    """Return the URL of a new database on a server of its own."""
    need_module("psycopg", "pip install 'psycopg[binary]'")
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, PLACES)])
    initdb, pg_ctl = (need_program(name, "apt-get install postgresql") for name in ("initdb", "pg_ctl"))
    folder = Path(tempfile.mkdtemp(prefix="podium-postgresql-"))
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # the server refuses to run as root
    if user:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-h 127.0.0.1 -p {port} -k {folder}"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*user, initdb, "-D", f"{folder}/data", "-U", "podium", "-A", "trust"], **quiet)
    start = [pg_ctl, "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options, "-w", "start"]
    subprocess.run([*user, *start], **quiet)
    yield f"postgresql+psycopg://podium@127.0.0.1:{port}/postgres"
    subprocess.run([*user, pg_ctl, "-D", f"{folder}/data", "-m", "immediate", "stop"], **quiet)
    shutil.rmtree(folder)


def test_a_new_study_is_opened_by_several_processes_at_once(server):
    command = [sys.executable, "-c", OPEN, server]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, env=environment(), **pipes) for _ in range(4)]
    for process in processes:
        process.stdout.readline()
    assert [process.communicate("\n", timeout=120) for process in processes] == [("", "")] * 4


def test_two_processes_share_a_study_and_no_trial_is_lost_or_doubled_when_one_is_killed(server):
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(2)
    processes = [context.Process(target=run_one_more, args=(server, ready)) for _ in range(2)]
    for process in processes:
        process.start()
    study = open_study(server, "m", "none", 3)

    def trials_of(pid):
        return [trial for trial in study.get_trials() if trial.user_attrs.get(OWNER, {}).get("pid") == pid]

    end = time.monotonic() + 120
    while not [trial for trial in trials_of(processes[0].pid) if trial.state == TrialState.RUNNING]:
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(processes[0].pid, signal.SIGKILL)
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [-signal.SIGKILL, 0]
    complete = [trial for trial in study.get_trials() if trial.state == TrialState.COMPLETE]
    assert len(complete) == 12
    assert len({json.dumps(trial.params) for trial in complete}) == 12
    assert sum(DEFAULTS in trial.user_attrs for trial in complete) == 1
    assert {trial.state for trial in study.get_trials()} == {TrialState.COMPLETE, TrialState.FAIL}
