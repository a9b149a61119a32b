"""Trials that train nothing, for workers that need no Keras."""

import os
import signal
import sys
import time

from pipeline.running.jobs import report_epoch
from pipeline.tuning.space import space_of

SPACE = {"options": {"filters": [[8, 8], [16, 16]], "dropout": {"low": 0.0, "high": 0.5}}}


def build(image_shape, outputs, *, filters=(8, 8), dropout=0.0, depth=3, stem_filters=4, activation="gelu"):
    raise AssertionError("nothing is built")


def describe(job):
    return space_of(job.member, sys.modules[__name__])


def score(job):
    """Return a score that is best at a learning rate of 0.005, after three reports."""
    value = 1 - abs(job.member.training.learning_rate - 0.005) * 10
    for epoch in (1, 2, 3):
        report_epoch({"epoch": epoch, "score": value, "val_accuracy": value})
    return value


def fail_or_score(job):
    """Fail in one of the ways in which a trial can, chosen by its number, or return its score."""
    kind = int(job.title.split()[-1])
    if kind == 1:
        raise MemoryError("no room for 3 GiB")
    if kind == 2:
        raise ValueError("resnet cannot be built for images of shape (4, 4, 1)")
    return score(job)


def kill_or_score(job):
    """Kill the process in the fourth trial, or return the score slowly."""
    if job.title.endswith(" 3"):
        os.kill(os.getpid(), signal.SIGKILL)
    return score_slowly(job)


def raise_error(job):
    raise ValueError("the loss is nan in epoch 1")


def score_slowly(job):
    time.sleep(0.3)
    return score(job)


def run_forever(job):
    report_epoch({"epoch": 1, "score": 0.5, "val_accuracy": 0.5})
    time.sleep(600)
