"""The command that varies one setting of a member."""

import pandas as pd
import pytest

from pipeline import ablate, tune
from pipeline.storage import paths
from pipeline.training import fold as fit
from tests.projects import member, to_folds, write_blobs

pytestmark = pytest.mark.slow


@pytest.fixture
def blobs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    params = to_folds({"m": member("blobs", training={"epochs": 2})}, split={"count": 2})
    tune.tune(params, "m")


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


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["n", "training.optimiser", "adam"], "members has no entry 'n'"),
        (["m", "optimiser", "adam"], "members.m: 'optimiser' is no setting; expected options.NAME"),
        (["m", "training.optimiser", "lion"], "members.m: training.optimiser: 'lion' is not one of sgd, adam"),
        (["m", "options.activation", "relu", "swirl"], "members.m: fast cannot be built .*swirl"),
        (["m", "options.breadth", "3"], "members.m: option 'breadth' of fast is unknown; legal are"),
    ],
)
def test_a_wrong_argument_is_one_sentence(blobs, capsys, arguments, expected):
    import re

    with pytest.raises(SystemExit, match="1"):
        ablate.main(arguments)
    printed = capsys.readouterr().err
    assert re.search(expected, printed) and printed.count("\n") == 1
    assert not paths.ABLATIONS.exists()
