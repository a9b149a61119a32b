"""Stages that outlive the dvc that started them, shown with real processes."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from tests.projects import ROOT, environment

SLEEPER = """
import time
import pipeline.running.orphans
time.sleep({wait})
pipeline.running.orphans.end_with_dvc()
print("on", flush=True)
time.sleep(60)
"""
PARENT = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", sys.argv[1]]).pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def start():
    """Return a function that starts a stage below a parent that plays dvc; what is left is killed."""
    started = []

    def parent_and_child(wait, **variables):
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, SLEEPER.format(wait=wait)],
            cwd=ROOT,
            env={**environment(), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        child = psutil.Process(int(parent.stdout.readline()))
        started.extend([psutil.Process(parent.pid), child])
        return parent, child

    yield parent_and_child
    for process in started:
        if process.is_running():
            process.kill()


def ends(process, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_a_stage_ends_with_its_dvc(start):
    parent, child = start(0, DVC_STAGE="train@x")
    assert parent.stdout.readline() == "on\n"
    parent.kill()
    assert ends(child)


def test_a_stage_that_starts_after_its_dvc_died_ends_at_once(start):
    parent, child = start(1.5, DVC_STAGE="train@x")
    parent.kill()
    parent.wait()
    printed = parent.stdout.read() if ends(child) else "still there"
    assert printed == ""


def test_a_stage_run_by_hand_is_left_alone(start):
    assert "DVC_STAGE" not in os.environ
    parent, child = start(0)
    assert parent.stdout.readline() == "on\n"
    parent.kill()
    parent.wait()
    assert not ends(child, 1.5)
