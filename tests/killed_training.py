"""Training that dies between two epochs, as by a kill, and goes on."""

import shutil

from pipeline import train as training_stage
from pipeline.storage import checkpoint as resume
from pipeline.storage import paths
from pipeline.training import callbacks


class Killed(BaseException):
    """Stands for a kill between two epochs."""


def train_with_kills(params, monkeypatch, epochs_between_kills):
    """Train `m`, dying again and again right after some epochs' state was saved; return how often."""
    shutil.rmtree(paths.resume("blobs", "m"), ignore_errors=True)
    saved, save = [0], resume.save_state

    def dying(*arguments):
        save(*arguments)
        saved[0] += 1
        if saved[0] % epochs_between_kills == 0:
            raise Killed

    monkeypatch.setattr(callbacks, "save_state", dying)
    monkeypatch.setattr(callbacks, "SAVE_SECONDS", 0)
    kills = 0
    while True:
        try:
            training_stage.train(params, "m")
            monkeypatch.setattr(callbacks, "save_state", save)
            return kills, saved[0]
        except Killed:
            kills += 1
