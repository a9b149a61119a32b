"""The data of DVC's plots: how labels, errors and confidence are counted, and which file has only a part of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.reporting import dvc_plots
from pipeline.storage import paths
from pipeline.storage.predictions import Predictions, save_predictions
from tests.projects import write_task

SETS = np.array([[1, 0], [1, 1], [0, 0]])
SURE = np.array([[0.9, 0.1], [0.2, 0.6], [0.7, 0.4]])


def test_label_sets_count_each_label_that_is_there_or_predicted():
    answers = dvc_plots.label_answers(SURE, SETS, ["cat", "dog"])
    assert answers.to_numpy().tolist() == [
        ["cat", "found"],
        ["cat", "missed"],
        ["dog", "found"],
        ["cat", "false alarm"],
    ]
    assert dvc_plots.label_counts(SETS, ["cat", "dog"]).to_numpy().tolist() == [["cat", 2], ["dog", 1]]


def test_single_labels_have_a_row_for_each_image():
    answers = dvc_plots.label_answers(SURE, np.array([0, 0, 1]), [5, 13])
    assert answers.to_dict("list") == {"actual": [5, 5, 13], "predicted": [5, 13, 5]}
    assert dvc_plots.label_counts(np.array([1, 1, 0]), [5, 13]).to_numpy().tolist() == [[13, 2], [5, 1]]


def test_reliability_compares_the_mean_confidence_of_a_bin_with_its_share_of_right_rows():
    probabilities = np.array([[0.94, 0.06], [0.96, 0.04], [0.4, 0.6], [0.5, 0.5]])
    table = dvc_plots.reliability(probabilities, np.array([0, 1, 1, 1]))
    # Bins of a fifteenth: 0.5 is in the eighth, 0.6 in the tenth, 0.94 and 0.96 in the last one.
    assert table["confidence"].tolist() == pytest.approx([0.5, 0.6, 0.95])
    assert table["right"].tolist() == [0, 1, 0.5]
    assert table["rows"].tolist() == [1, 1, 2]
    by_label = dvc_plots.reliability(SURE, SETS)
    assert by_label["rows"].sum() == 6
    assert by_label.iloc[-1][["confidence", "right"]].tolist() == pytest.approx([0.9, 1])


def test_a_file_that_has_only_a_part_says_so_in_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dvc_plots, "MOST_ROWS", 30)
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.arange(70), rng.integers(0, 70, 20)])
    write_task("t", list(range(70)), labels)
    np.save(paths.images("t") / "train_ids.npy", np.arange(90))
    pd.DataFrame({"id": np.arange(90), "fold": np.arange(90) % 2}).to_csv(paths.folds("t"), index=False)
    paths.ensemble("t").mkdir(parents=True)
    probabilities = np.full((90, 70), 1 / 70)
    save_predictions(
        paths.ensemble("t") / "oof.npz", Predictions(np.arange(90), probabilities, list(range(70)), np.arange(90) % 2)
    )
    for folder in ("first", "second"):
        Path(folder).mkdir()
        dvc_plots.save_plots(Path(folder), {"t": []})
    files = sorted(str(path) for path in Path("first").rglob("*.json"))
    assert files == [
        "first/confusion/t, 30 of 90 rows.json",
        "first/labels/t, 60 of 70 classes.json",
        "first/reliability/t.json",
    ]
    sample = json.loads(Path(files[0]).read_text())
    assert len(sample) == 30 and sample == json.loads(Path(files[0].replace("first", "second")).read_text())
    counts = [row["images"] for row in json.loads(Path(files[1]).read_text())]
    assert counts == sorted(counts, reverse=True)
