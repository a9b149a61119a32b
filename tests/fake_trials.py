"""Trials that train nothing, for workers that need no Keras."""

import os
import signal
import sys
import time

import optuna

from pipeline.tuning.space import space_of
from pipeline.tuning.study import open_study

SPACE = {"options": {"filters": [[8, 8], [16, 16]], "dropout": {"low": 0.0, "high": 0.5}}}


def build(image_shape, outputs, *, filters=(8, 8), dropout=0.0, depth=3, stem_filters=4, activation="gelu"):
    raise AssertionError("nothing is built")


def describe(member):
    return space_of(member, sys.modules[__name__])


def score(job):
    """Return a score that is best at a learning rate of 0.005, after three reports."""
    trial = optuna.trial.Trial(open_study(job.storage, job.study, job.pruner, 3), job.trial_id)
    value = 1 - abs(job.member.training.learning_rate - 0.005) * 10
    for epoch in (1, 2, 3):
        trial.report(value, epoch)
        if trial.should_prune():
            return None
    return value


def fail_or_score(job):
    """Fail in one of the ways in which a trial can, chosen by its number, or return its score."""
    kind = int(job.title.split()[-1])
    if kind == 1:
        raise MemoryError("no room for 3 GiB")
    if kind == 2:
        raise ValueError("resnet cannot be built for images of shape (4, 4, 1)")
    if kind == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return score(job)


def raise_error(job):
    raise ValueError("the loss is nan in epoch 1")


def score_slowly(job):
    time.sleep(0.3)
    return score(job)


def run_forever(job):
    optuna.trial.Trial(open_study(job.storage, job.study, job.pruner, 3), job.trial_id).report(0.5, 1)
    time.sleep(600)


def environment(name):
    return os.environ.get(name)
