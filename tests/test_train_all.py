"""`train_all` leaves what the stages leave, so that they train nothing."""

import shutil
from dataclasses import replace

import pytest

from pipeline import train
from pipeline.training import fold, train_all
from tests.projects import member, models_of, to_tuned_members, write_blobs


@pytest.mark.slow
def test_the_stages_find_the_models_of_one_pool_and_train_no_epoch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    training = {"epochs": 1, "train_on_all": True}
    params = to_tuned_members({"m": member("blobs", training=training), "n": member("blobs")}, split={"count": 2})
    pools = []

    def noted(function, jobs, inputs):
        pools.append([job.title for job in jobs])
        return [function(replace(job, epochs=1)) for job in jobs]

    monkeypatch.setattr(train_all, "run_jobs", noted)
    assert train_all.train_members(params.members) == 5
    assert pools[0][0] == "m  m fold 1/2"
    assert [len(titles) for titles in pools] == [4, 1], "the model on all rows needs the folds' best epochs"
    assert train_all.train_members(params.members) == 5
    assert pools[2:] == [[], []], "nothing is left"
    monkeypatch.setattr(fold, "fit", None)  # any further epoch would fail
    train.train(params, "m")
    assert sorted(name for name in models_of() if name.endswith(".keras")) == [
        "all.keras",
        "fold-0.keras",
        "fold-1.keras",
    ]
    shutil.rmtree(tmp_path / ".resume")


def test_stages_run_before_and_after_each_pool(monkeypatch):
    steps = []
    monkeypatch.setattr(train_all, "_repro", steps.append)
    monkeypatch.setattr(train_all, "train_members", lambda members: steps.append(list(members)) or 2)
    entry = member("blobs")
    params = train_all.Params.model_construct(members={"m": entry}, students={"s": entry})
    assert train_all.train_all(params) == "4 model(s) of 2 member(s)"
    assert steps == ["tune", ["m"], "train", "tune-student", ["s"], "train-student"]
