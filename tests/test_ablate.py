"""The command that compares variants of a member."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from pipeline import ablate, tune
from pipeline.config.changes import value_at, with_changes
from pipeline.config.schema import Member, load_params
from pipeline.config.tree import Fault
from pipeline.reporting.ablations import PANELS, interval, summary, text_table, title_of, write_figure
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.training import fold as fit
from tests.projects import member, task, to_folds, write_blobs, write_params


@pytest.fixture
def blobs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    compared = {"member": "m", "epoch": 1, "seeds": 2}
    compared["variants"] = [{"training.optimiser": "sgd", "training.momentum": 0}, {"training.optimiser": "adam"}]
    params = to_folds(
        {"m": member("blobs", training={"epochs": 2})}, {"ablations": {"opt": compared}}, split={"count": 2}
    )
    tune.tune(params, "m")


@pytest.mark.slow
def test_a_row_a_value_and_nothing_trained_twice(blobs, monkeypatch, capsys):
    ablate.main(["m", "training.learning_rate", "1e-3", "1e30"])
    table = pd.read_csv("ablations/m-training.learning_rate.csv")
    assert table["training.learning_rate"].tolist() == [1e-3, 1e30]
    assert table["validation accuracy"].notna().tolist() == [True, False]
    assert "diverged" in (paths.ABLATIONS / "m-training.learning_rate.md").read_text()
    monkeypatch.setattr(fit, "fit", None)  # any further epoch would fail
    capsys.readouterr()
    ablate.main(["m", "training.learning_rate", "1e-3"])
    assert "finished before, kept" in capsys.readouterr().out


@pytest.mark.slow
def test_the_figures_of_an_epoch_are_beside_the_best(blobs):
    ablate.main(["opt"])
    table = pd.read_csv("ablations/opt.csv")
    assert table["training.optimiser"].tolist() == ["sgd", "adam"] and table["training.momentum"].tolist() == [0, 0.9]
    assert table["seeds"].tolist() == [2, 2] and table["epochs"].tolist() == [2, 2]
    for row in table.to_dict("records"):
        assert row["validation accuracy"] >= row["validation accuracy, epoch 1"]
        low, high = (row[f"validation accuracy, epoch 1 {end}"] for end in ("low", "high"))
        assert low <= row["validation accuracy, epoch 1"] <= high
    assert (paths.ABLATIONS / "opt.svg").read_text().startswith("<?xml")


@pytest.mark.slow
def test_a_key_of_the_task_makes_its_own_folds(blobs):
    ablate.main(["m", "split.count=1,split.holdout_share=0.25", "split.count=2"])
    table = pd.read_csv("ablations/m-split.count-split.holdout_share.csv")
    assert table["split.holdout_share"].tolist() == [0.25, 0.2]
    (folds,) = (paths.resume("blobs", "ablated-data")).glob(f"*/{paths.folds('blobs')}")
    assert (pd.read_csv(folds)["fold"] == 0).sum() == 15  # of 60 rows
    assert (pd.read_csv(paths.folds("blobs"))["fold"] == 0).sum() == 30


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["n", "training.optimiser", "adam"], "members has no entry 'n'"),
        (["m"], "m: expected a setting and its values, or an entry of ablations; these are opt"),
        (["m", "optimiser", "adam"], "members.m: 'optimiser' is no setting; expected a key of a member such as"),
        (["m", "training.optimiser"], "training.optimiser: no value, expected one at least"),
        (["m", "training.optimiser", "lion"], "members.m: training.optimiser: 'lion' is not one of sgd, adam"),
        (["m", "options.activation", "relu", "swirl"], "members.m: options.activation: 'swirl' is not one of relu"),
        (["m", "options.breadth", "3"], "members.m: options.breadth: unknown key; legal are"),
        (["m", "split.count", "0"], "members.m: split.count: 0, expected at least 1"),
        (["m", "training.optimiser", "adam", "--epoch", "3"], "--epoch 3: expected at most 2, the epochs of m"),
        (["m", "training.optimiser", "adam", "--seeds", "0"], "seeds: 0, expected at least 1"),
    ],
)
def test_a_wrong_argument_is_one_sentence(blobs, capsys, arguments, expected):
    with pytest.raises(SystemExit, match="1"):
        ablate.main(arguments)
    printed = capsys.readouterr().err
    assert re.search(expected, printed) and printed.count("\n") == 1
    assert not paths.ABLATIONS.exists()


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, {"t": task("raw")}, {"m": member("t")})
    return load_params(paths.PARAMS)


def test_a_variant_changes_several_settings(params):
    changes = {
        "training.optimiser": "sgd",
        "training.momentum": 0,
        "normalise": "unit",
        "split.count": 1,
        "augment": {},
    }
    changed, changed_task = with_changes(params.members["m"], params.tasks["t"], changes)
    assert (changed.training.optimiser, changed.training.momentum, changed.normalise) == ("sgd", 0, "unit")
    assert changed.training.epochs == params.members["m"].training.epochs and changed_task.split.count == 1
    assert value_at(changed, changed_task, "options.width") == 0.25  # of the entry
    assert value_at(changed, changed_task, "options.activation") == "relu"  # by default
    assert with_changes(params.members["m"], params.tasks["t"], {"generate.epochs": 3})[1].generate.epochs == 3


@pytest.mark.parametrize("path", ["task", "preset", "ingest.folder", "tune.trials", "epochs"])
def test_some_keys_are_no_settings(params, path):
    with pytest.raises(Fault, match=rf"'{path}' is no setting"):
        with_changes(params.members["m"], params.tasks["t"], {path: 1})


@pytest.mark.parametrize(
    ("ablation", "expected"),
    [
        ({"member": "x", "variants": [{}]}, r"ablations\.a\.member: 'x' is not a member; known are m"),
        ({"member": "m", "variants": []}, r"ablations\.a\.variants: .*expected at least 1 values"),
        ({"member": "m", "variants": [{}, {"options.depth": 3}]}, r"a\.variants\[1\]: options\.depth: unknown key"),
        ({"member": "m", "variants": [{"size": 3}]}, r"a\.variants\[0\]: 'size' is no setting"),
        ({"member": "m", "variants": [{}], "epoch": 3}, r"a\.epoch: 3, expected at most 2, the epochs of a variant"),
    ],
)
def test_a_wrong_entry_is_one_sentence(tmp_path, ablation, expected):
    write_params(tmp_path, {"t": task("raw")}, {"m": member("t")}, ablations={"a": ablation})
    with pytest.raises(BadInput, match=expected):
        load_params(tmp_path / "params.yaml")


def test_a_list_is_one_value():
    words = "options.units=[128, 64],training.epochs=3"
    assert dict(ablate._assignment(text) for text in ablate.SEPARATOR.split(words)) == {
        "options.units": [128, 64],
        "training.epochs": 3,
    }


def test_means_and_intervals_are_over_seeds():
    values = [0.8, 0.9, 0.85]
    rows = pd.DataFrame({"variant": ["a"] * 3 + ["b"] * 3, "seed": [0, 1, 2] * 2, "epochs": [2.0] * 4 + [np.nan] * 2})
    rows["score"] = [*values, 0.7, np.nan, np.nan]
    table = summary(rows, ["score"])
    bounds = ttest_1samp(values, 0).confidence_interval(0.95)
    assert table.loc[0, ["score", "score low", "score high"]].tolist() == pytest.approx([0.85, bounds.low, bounds.high])
    assert table["seeds"].tolist() == [3, 1] and math.isnan(table.loc[1, "score low"])
    assert text_table(table)["score"].tolist() == [f"0.8500 ± {bounds.high - 0.85:.4f}", "0.7"]
    assert all(map(math.isnan, interval(pd.Series([1.0]))))
    assert [title_of(name) for name in ("val_roc_auc", "loss")] == ["validation roc_auc", "training loss"]


def test_the_figure_has_a_curve_for_each_training_and_a_point_for_each_variant(tmp_path):
    table = pd.DataFrame({"score": [0.8, np.nan], "score low": [0.7, np.nan], "score high": [0.9, np.nan]})
    history = pd.DataFrame({"epoch": [1, 2], **{name: [0.5, 0.8] for name in PANELS}})
    write_figure(tmp_path / "a.svg", table, ["first", "second"], [[history, history], []], ["score", "other"])
    drawn = (tmp_path / "a.svg").read_text()
    assert drawn.count("line2d_") > 2 and "<!-- first -->" in drawn and "<!-- second -->" in drawn


def test_an_ablation_keeps_what_it_does_not_name(params):
    changed, _ = with_changes(params.members["m"], params.tasks["t"], {})
    assert isinstance(changed, Member) and changed == params.members["m"]
