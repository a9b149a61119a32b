"""Results are data: rows are written whole, and the pages show what the rows say."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks import readme, report_rows, results
from pipeline.storage import paths
from submissions.rules.published import published_results
from tests.projects import ROOT, write_params
from tests.projects import member as a_member
from tests.projects import task as a_task

IMPORTS = """
import importlib, sys
import pipeline.running.backend

for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":  # which is an extra
            raise
"""
CSVS = sorted(results.FOLDER.glob("*.csv"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    return tmp_path


def test_the_pages_show_the_data():
    for path, text in readme.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run python -m benchmarks.readme"


def test_the_page_of_results_is_short_and_its_links_lead_to_files():
    page = ROOT / "benchmarks" / "README.md"
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    for target in readme.LINK.findall(text):
        assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("path", CSVS, ids=lambda path: path.stem)
def test_rows_are_distinct_figures_in_documented_columns(path):
    rows, columns = results.read(path.stem), results.questions()["columns"]
    assert tuple(rows.columns[: len(results.COLUMNS)]) == results.COLUMNS
    assert set(rows.columns) <= set(columns)
    assert (rows["question"] == path.stem).all() and (rows["source"] != "").all()
    assert not rows.duplicated(results.key_of(path.stem)).any()
    accuracies = pd.to_numeric(rows["accuracy"]).dropna()
    assert accuracies.between(0, 1).all()


def test_a_row_replaces_the_one_with_its_key_and_others_stay(folder):
    row = {"task": "t", "member": "a", "rows": "test"}
    results.write("q", [row | {"accuracy": 0.5}, row | {"member": "b", "accuracy": 0.25}])
    results.write(
        "q", [row | {"accuracy": np.float32(0.75), "epochs": 3}, row | {"rows": "held out", "accuracy": None}]
    )
    rows = results.read("q")
    assert rows["member"].tolist() == ["a", "b", "a"]
    assert rows["accuracy"].tolist() == ["0.75", "0.25", ""]
    assert rows["epochs"].tolist() == ["3", "", ""]
    assert rows["source"].str.startswith("python -m ").all()


def test_rows_that_cannot_be_written_leave_the_file_as_it_was(folder, monkeypatch):
    before = results.write("q", [{"member": "a", "accuracy": 0.5}]).read_bytes()
    monkeypatch.setattr(pd.DataFrame, "to_csv", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        results.write("q", [{"member": "a", "accuracy": 0.75}])
    assert (folder / "q.csv").read_bytes() == before and {path.name for path in folder.iterdir()} == {"q.csv", "q.lock"}


def test_the_mean_of_seeds_has_the_standard_error_of_a_mean():
    assert results.mean_and_error([0.5, 0.6, 0.7]) == pytest.approx(
        {"accuracy": 0.6, "standard_error": 0.1 / 3**0.5, "seeds": 3}
    )
    assert results.mean_and_error([0.5])["standard_error"] is None


def test_a_table_has_a_column_for_each_value_that_it_spreads(folder):
    shared = {"member": "a", "seconds": 120, "seeds": 2}
    results.write("q", [shared | {"views": 2, "accuracy": 0.9}, shared | {"views": 1, "accuracy": 0.8}])
    entry = {"file": "q", "where": {"views": [1, 2]}, "show": ["member", "accuracy", "seconds"], "spread": "views"}
    assert readme.table("q", entry, results.questions()["columns"]).splitlines() == [
        "| member | 1 view  | 2 views | time  |",
        "|--------|---------|---------|-------|",
        "| a      | 80.00 % | 90.00 % | 2 min |",
    ]


def test_the_figures_of_a_report_are_rows(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["report_rows", "q"])
    write_params(tmp_path, {"t": a_task("raw")}, {"m": a_member("t", training={"monitor": "none"})})
    paths.images("t").mkdir(parents=True)
    np.save(paths.images("t") / "train_ids.npy", np.arange(4))
    paths.folds("t").write_text("id,fold\n0,0\n1,0\n2,1\n3,1\n")
    (tmp_path / "report").mkdir()
    ends = "out-of-fold score low,out-of-fold score high"
    (tmp_path / "report/summary.csv").write_text(
        f"task,member,out-of-fold score,{ends}\nt,m,0.75,0.3,0.95\nt,ensemble (mean),0.5,0.15,0.85\n"
    )
    (tmp_path / "report/comparison.csv").write_text(
        f"task,member,MFLOPs per image,parameters,epochs,seconds per epoch,out-of-fold score,{ends}\n"
        "t,m,1000,7,2,5,0.75,0.3,0.95\n"
    )
    report_rows.main()
    rows = results.read("q").set_index("member")
    member = rows.loc["m", ["rows", "accuracy", "low", "pflop", "seconds", "epoch_selection"]].tolist()
    assert member == ["out of fold", "0.75", "0.3", "2.4e-05", "20", "last epoch"]  # 8 images seen, 20 s
    assert rows.loc["ensemble (mean)", ["accuracy", "pflop"]].tolist() == ["0.5", ""]


def test_what_a_question_keeps_survives_a_new_measurement(folder):
    row = {"task": "fashion", "member": "a-cnn", "rows": "test"}
    results.write("five_reports", [row | {"accuracy": 0.5, "published": "91.26 test"}])
    results.write("five_reports", [row | {"accuracy": 0.75}])
    assert results.read("five_reports")[["accuracy", "published"]].to_numpy().tolist() == [["0.75", "91.26 test"]]


def test_medals_compare_with_the_published_figures_that_the_pages_show():
    rows = results.read("published").set_index(["task", "system"])
    for form in ("fashion", "price_sum"):
        for result in published_results(form, "fashion-mnist", "shared"):
            row = rows.loc[(form, result.system)]
            shown = (float(row["accuracy"]), row["release"], int(row["seeds"]), row["epoch_selection"])
            assert shown == (result.accuracy, result.release, result.seeds, result.epoch_selection)


def test_every_published_figure_says_its_release_its_seeds_and_its_epoch():
    assert (results.read("published")[["release", "seeds", "epoch_selection", "source"]] != "").all(axis=None)
    rows = results.read("five_reports")
    assert (rows.loc[rows["published"] != "", "published_source"] != "").all()


def test_questions_name_columns_and_rows_that_are_there():
    tree = yaml.safe_load(results.QUESTIONS.read_text(encoding="utf-8"))
    for name, entry in (tree["questions"] | tree["tables"]).items():
        assert set(entry.get("show", ())) <= set(tree["columns"]), name
        file = entry.get("file", name)
        if not results.path_of(file).exists():
            continue  # not measured yet
        rows = results.read(file)
        for column, values in entry.get("where", {}).items():
            expected_values = {str(value) for value in (values if isinstance(values, list) else [values])}
            assert expected_values <= set(rows[column]), (name, column, expected_values - set(rows[column]))


@pytest.mark.slow
def test_every_benchmark_imports():
    names = [f"benchmarks.{path.stem}" for path in sorted((ROOT / "benchmarks").glob("*.py"))]
    process = subprocess.run([sys.executable, "-c", IMPORTS, *names], cwd=ROOT, capture_output=True, text=True)
    assert not process.returncode, process.stderr
