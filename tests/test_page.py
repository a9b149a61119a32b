"""The page `report/index.html`: each section says what the run's numbers mean, and shows what there is so far."""

import contextlib
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from features.labels.label_errors import label_quality
from pipeline.config.schema import load_params
from pipeline.report import report
from pipeline.reporting import (
    curves,
    ensemble,
    errors,
    galleries,
    items,
    leaderboard,
    reliability,
    suspects,
    tuning,
    uploads,
)
from pipeline.reporting import page as page_of_tasks
from pipeline.reporting.charts import chart
from pipeline.reporting.page import SECTIONS, task_part
from pipeline.reporting.section import Finding
from pipeline.reporting.task_run import TaskRun
from pipeline.storage import paths
from pipeline.storage.files import BadInput, load_json, save_json
from pipeline.tuning.results import trials
from tests.finished_run import HOSTILE, save_entry, write_run, write_uploads, wrong_rows
from tests.projects import write_params

OWN = {"metric": "accuracy", "out_of_fold": "0.9", "low": "0.88", "high": "0.92"}  # an upload's score
IDS = ["<img src=x onerror=alert(1)>", 'a"onload="alert(1)', "../../猫\x07.png"]


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run with hostile names, and its page."""
    folder = tmp_path_factory.mktemp("run")
    with contextlib.chdir(folder):
        params = write_run(classes=HOSTILE, ids=IDS)
        write_uploads({**OWN, "public": "0.9", "members": HOSTILE[0], "message": IDS[1], "commit": "<b>", "ref": "<i>"})
        report(params)
        return folder, read_page()


def read_page() -> Page:
    return Page(paths.PAGE.read_text(encoding="utf-8"))


def run_of(params, task="shoes") -> TaskRun:
    return TaskRun(task, tuple(params.members))


def sections(page: Page) -> list[str]:
    return [attributes["class"] for tag, attributes in page.tags if tag == "section" and "id" in attributes]


def test_a_finished_run_has_all_sections(finished):
    folder, page = finished
    assert sections(page) == [
        "leaderboard",
        "curves",
        "errors",
        "galleries",
        "suspects",
        "ensemble",
        "uploads",
        "data",
        "architecture",
    ]
    assert {path.name for path in (folder / "report").iterdir()} >= {"index.html", "summary.md", "suspects"}


def test_nothing_on_the_page_is_loaded_from_elsewhere(finished):
    folder, page = finished
    html = (folder / paths.PAGE).read_text()
    links = [attributes[name] for _, attributes in page.tags for name in ("src", "href") if name in attributes]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert not re.findall(r"url\((?!#|\"data:)", html) and "@import" not in html


def test_each_id_is_unique_and_each_reference_leads_somewhere(finished):
    folder, page = finished
    html = (folder / paths.PAGE).read_text()
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for _, attributes in page.tags for name, value in attributes.items() if name == "href"}
    targets |= set(re.findall(r"url\(#([^)]+)\)", html))
    assert targets - {"ata:,"} <= set(ids)


def test_hostile_names_are_only_text(finished):
    folder, page = finished
    assert [tag for tag, _ in page.tags].count("script") == 1 and "img" not in {tag for tag, _ in page.tags}
    assert not {name for _, attributes in page.tags for name in attributes if name.startswith("on")}
    for text in (HOSTILE[0], "{{ 7 * 7 }}", "Größe 猫 \\u202e $\\frac{$", "\\x1b[0m", IDS[0]):
        assert text in page.text
    assert "\x07" not in (folder / paths.PAGE).read_text()


@pytest.mark.slow
def test_label_sets_have_the_same_sections_in_their_terms(here):
    report(write_run(classes=["<b>", *HOSTILE], label_sets=True, shape=(32, 32, 3)))
    page = read_page()
    assert "errors" in sections(page) and "Each label, lowest F1 first" in page.text
    assert "Confusion matrix" not in page.text and "ROC" in page.text
    assert {"script", "img"} & {tag for tag, _ in page.tags} == {"script"} and "</svg><b>" in page.text


def test_without_training_it_shows_the_data_alone(here):
    params = write_run()
    for folder in ("members", "predictions", "ensemble"):
        (Path("artifacts/shoes") / folder).rename(folder)
    sentence = report(params)
    assert sections(read_page()) == ["data"] and "not yet with shoes-fast, shoes-slow" in sentence
    assert not paths.SUMMARY.exists()


def test_without_any_data_there_is_nothing_to_show(here):
    write_params(Path(), {}, {})
    with pytest.raises(BadInput, match="no task has data yet"):
        report(load_params(paths.PARAMS))


def test_predictions_for_other_rows_are_left_out_with_a_reason(here):
    params = write_run()
    path = paths.images("shoes") / "train_ids.npy"
    ids = np.load(path)
    ids[5] = "new.png"
    np.save(path, ids)
    table = pd.read_csv(paths.folds("shoes")).assign(id=ids)
    table.to_csv(paths.folds("shoes"), index=False)
    part = task_part(run_of(params))
    assert "suspects" not in part.contents and "curves" in part.contents
    assert "oof.npz" in part.notices[0]


def test_the_page_names_the_best_member_and_whether_that_is_certain(here):
    run = run_of(write_run(rows=600))
    content = leaderboard.load(run)
    scores = {name: metrics["score"] for name, metrics in run.metrics.items()}
    assert content.entries[-1].name == "shoes-fast" and scores["shoes-slow"] > scores["shoes-fast"]
    assert "Best member: shoes-slow" in content.findings[0].text and "certainly better" in content.findings[0].text
    fast = content.entries[-1]
    assert fast.behind["high"] < 0 and fast.behind["gain"] == pytest.approx(scores["shoes-fast"] - scores["shoes-slow"])
    assert fast.operations == 3 * 20_784 * 3 * 4 * 400  # passes, FLOPs, folds, epochs, training rows
    assert fast.seconds == pytest.approx(3 * 4 * 0.5)


def test_a_member_that_costs_more_for_less_is_named(here):
    params = write_run()
    path = paths.models("shoes", "shoes-fast") / "run.json"
    save_json(path, load_json(path) | {"flops": 10 * 20_784})
    verdicts = {entry.name: entry.verdict for entry in leaderboard.load(run_of(params)).entries}
    assert verdicts["shoes-fast"] == "no: shoes-slow is better for less"


@pytest.mark.parametrize(("low", "doubt"), [(0.02, ""), (-0.01, ", not certain")])
def test_a_gain_of_the_ensemble_is_certain_if_its_interval_is_above_zero(here, low, doubt):
    params = write_run()
    path = paths.ensemble("shoes") / "ensemble.json"
    save_json(
        path, load_json(path) | {"honest_score": 0.99, "gain_over_best_member": {"gain": 0.05, "low": low, "high": 0.1}}
    )
    best, second, _ = leaderboard.load(run_of(params)).entries
    assert (best.name, second.name) == ("ensemble", "shoes-slow")
    assert best.verdict.endswith(f"for 2 times the cost of shoes-slow{doubt}")


def test_the_page_remarks_where_training_and_validation_part(here):
    first, second = curves.load(run_of(write_run())).members
    # 0.98 * progress - 0.3 * progress for progress 0.25, 0.5, 0.75, 1: the gap is 0.075 in the first epoch already
    assert "part from epoch 1 on" in first.remarks[0].text and "0.98 on training rows and 0.68" in first.remarks[0].text
    assert not any("part from" in remark.text for remark in second.remarks)
    assert "loss still falls in the last epoch, from 0.65 to 0.2" in second.remarks[0].text


def test_a_perfect_member_needs_no_more_epochs(here):
    params = write_run()
    for path in paths.models("shoes", "shoes-slow").glob("fold-*.csv"):
        history = pd.read_csv(path)
        history.loc[history["epoch"] == 4, ["accuracy", "val_accuracy"]] = 1.0
        history.to_csv(path, index=False)
    assert curves.load(run_of(params)).members[1].remarks == ()


def test_the_page_names_folds_whose_validation_loss_is_not_a_number(here):
    run = run_of(write_run())
    for fold, epochs in ((0, [1, 2, 3, 4]), (2, [3])):
        path = paths.models("shoes", "shoes-fast") / f"fold-{fold}.csv"
        history = pd.read_csv(path)
        history.loc[history["epoch"].isin(epochs), "val_loss"] = np.nan
        history.to_csv(path, index=False)
    first, second = curves.load(run).members
    assert "not a number in fold-0 (4 of 4 epochs), fold-2 (1 of 4 epochs)" in first.remarks[0].text
    assert not any("not a number" in remark.text for remark in second.remarks)


def test_confusion_and_figures_of_classes_are_those_of_a_hand_count():
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 1, 0])
    matrix = errors._confusion(["a", "b", "c"], labels, predicted)
    assert [[cell.count for cell in row] for row in matrix.cells] == [[1, 2, 0], [0, 2, 0], [1, 0, 0]]
    one_hot = np.eye(3, dtype=bool)
    worst, *_, best = errors._class_figures(["a", "b", "c"], one_hot[labels], one_hot[predicted])
    assert (worst.name, worst.f1, worst.misses) == ("c", 0, 1)
    assert (best.name, best.precision, best.recall) == ("b", 0.5, 1.0) and best.f1 == pytest.approx(2 / 3)


def test_reliability_has_the_calibration_error_of_a_hand_count():
    bins = reliability._bins(np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, False, True, True]))
    assert reliability._calibration_error(bins) == pytest.approx((2 * 0.45 + 2 * 0.45) / 4)


def test_wrong_labels_are_at_the_top_of_the_list(here):
    content = suspects.load(run_of(write_run(members=("fast", "slow", "best"))))
    wrong = {f"img_{row}.png" for row in range(wrong_rows())}
    assert len(wrong & {suspect.id for suspect in content.listed[: len(wrong)]}) >= 0.8 * len(wrong)


def test_label_sets_are_shown_by_what_is_wrong_in_them(here):
    run = run_of(write_run(classes=["cat", "dog", "owl"], label_sets=True, members=("fast", "slow", "best")))
    wrong = {f"img_{row}.png" for row in range(wrong_rows())}  # the first label of these rows is the other one
    listed = [suspect for suspect in suspects.load(run).listed if suspect.id in wrong]
    assert len(listed) > len(wrong) / 2
    assert {s.question == ("not cat?" if "cat" in s.label else "also cat?") for s in listed} == {True}
    pictures = {picture.id: picture for picture in galleries.load(run).wrong}
    captions = [pictures[s.id].caption for s in listed if s.id in pictures]
    assert captions and all(caption.startswith(("misses cat", "adds cat")) for caption in captions)
    assert errors.load(run).findings[0].text.startswith("Weakest label: cat with F1")
    unsure = ensemble.load(run).unsure[0]
    first, second = (float(share) for share in unsure.shares.removesuffix(" %").split(", "))
    assert unsure.guesses.count("?") == 2 and abs(first - 50) <= abs(second - 50)


def test_confident_learning_counts_as_by_hand():
    # thresholds: class 0 mean(.9, .8, .1) = .6, class 1 mean(.7, .9) = .8; so row 2 is of class 1, row 3 is not of 0
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.1, 0.9]])
    quality = label_quality(probabilities, np.array([0, 0, 0, 1, 1]))
    assert quality.is_suspect.tolist() == [False, False, True, False, False]
    assert quality.order[0] == 2 and quality.column[2] == 1 and quality.score[2] == 0.1


def test_the_page_names_the_choice_when_the_ensemble_is_no_better(here):
    run = run_of(write_run())
    summary = load_json(paths.ensemble("shoes") / "ensemble.json")
    summary["gain_over_best_member"] = {"gain": -0.0082, "low": -0.02, "high": 0.001}
    save_json(paths.ensemble("shoes") / "ensemble.json", summary)
    verdict = ensemble.load(run).verdict
    assert "not better than shoes-slow alone: -0.0082" in verdict.text and "best_member" in verdict.action
    assert "auto" in verdict.action
    save_json(paths.ensemble("shoes") / "ensemble.json", summary | {"methods": {"mean": {}, "greedy": {}}})  # of auto
    assert "auto" not in ensemble.load(run_of(load_params(paths.PARAMS))).verdict.action


def test_an_ensemble_of_one_member_is_called_that_and_needs_no_choice(here):
    run = run_of(write_run())
    summary = load_json(paths.ensemble("shoes") / "ensemble.json")
    summary |= {"method": "greedy", "weights": {"shoes-fast": 0.0, "shoes-slow": 1.0}}
    save_json(paths.ensemble("shoes") / "ensemble.json", summary)
    verdict = ensemble.load(run).verdict
    assert verdict == Finding("The ensemble is shoes-slow alone: greedy gives the others no weight.")


def test_each_member_s_part_is_how_much_worse_the_others_are(here):
    parts = {part.name: part for part in ensemble.load(run_of(write_run(rows=600))).parts}
    assert parts["shoes-slow"].adds["gain"] > parts["shoes-fast"].adds["gain"]
    assert parts["shoes-slow"].adds["low"] > 0


def test_a_public_score_agrees_if_its_interval_overlaps_that_of_the_out_of_fold_score(here):
    params = write_run()
    assert uploads.load(run_of(params)) is None
    # 30 % of 20 test rows are public. Wilson's interval for 6 rows ends at 0.870 for 0.60, at 0.885 for 0.63.
    write_uploads(*({**OWN, "public": public} for public in ("0.63", "", "0.99", "0.60")))
    write_uploads({**OWN, "public": "0.1", "metric": "log_loss"}, {**OWN, "public": "0.1"}, key="others")
    content = uploads.load(run_of(params))
    assert [upload.verdict for upload in content.uploads] == ["agrees", "", "agrees", "worse"]
    assert content.uploads[3].difference == pytest.approx(-0.3) and "correlation" in content.agreement
    assert "upload 4, 0.6000, is worse than out of fold, 0.9000 (0.8800 to 0.9200)" in content.findings[0].text
    assert "python -m pipeline adversarial shoes" in content.findings[0].action
    save_entry(paths.score("shoes"), {"public": {"rows": 90, "score": 0.9}})  # known rows: as wide as out of fold
    verdicts = [upload.verdict for upload in uploads.load(run_of(params)).uploads]
    assert verdicts == ["worse", "", "better", "worse"]


def test_a_lower_public_loss_is_better_and_an_upload_by_another_metric_is_not_judged(here):
    params = write_run(metric="log_loss")
    loss = {"metric": "log_loss", "out_of_fold": "0.50", "low": "0.49", "high": "0.51"}
    write_uploads({**OWN, "public": "0.9"}, *({**loss, "public": public} for public in ("0.450", "0.452", "0.55")))
    # 90 rows out of fold, 6 public ones: the interval is sqrt(90 / 6) times as wide, 0.0387 on each side.
    verdicts = [upload.verdict for upload in uploads.load(run_of(params)).uploads]
    assert verdicts == ["", "better", "agrees", "worse"]


@pytest.mark.slow
def test_tuning_has_optuna_s_plots(here, monkeypatch):
    monkeypatch.setattr(page_of_tasks, "SECTIONS", (tuning,))
    params = write_run()
    study = optuna.create_study(direction="maximize")
    study.optimize(lambda trial: trial.suggest_float("training.rate", 0, 1) + trial.suggest_int("n<b>", 1, 3), 4)
    folder = paths.study("shoes", "shoes-fast")
    save_entry(folder / "trials.json", trials(study))
    best = {"number": 1, "validation_score": 0.9, "options": {"training.rate": 0.5, "n<b>": 2}}
    summary = {"metric": "accuracy", "trials": {"complete": 4}, "best": best, "defaults": None, "reasons": {}}
    save_json(folder / "study.json", summary)
    report(params)
    page = read_page()
    assert "tuning" in sections(page)
    for text in ("Optimization History Plot", "Parallel Coordinate Plot", "Hyperparameter Importances", "n<b>"):
        assert text in page.text


def test_items_are_drawn_with_their_prices(here, monkeypatch):
    monkeypatch.setattr(page_of_tasks, "SECTIONS", (items,))
    params = write_run()
    located = [
        {"box": [0, 0, 6, 12], "price": 3, "probability": 0.9},
        {"box": [6, 0, 12, 6], "price": 5, "probability": 1},
    ]
    example = {"id": "img_3.png", "sum": 8, "label": 7, "probability": 0.7, "items": located}
    save_json(paths.predictions("shoes", "shoes-slow") / "items.json", [example])
    report(params)
    assert "items" in sections(read_page()) and "3 + 5 = 8, label 7" in read_page().text
    assert "height:50.0%;width:100.0%" in paths.PAGE.read_text()


def test_a_chart_follows_the_page_s_colours_and_names(here):
    def draw(figure):
        axes = figure.subplots()
        axes.plot([0, 1], [1, 0], label="</text><script>")
        axes.legend()

    svg = str(chart("one", 'a "title"', draw))
    page = Page(svg)
    assert "script" not in {tag for tag, _ in page.tags} and "</text><script>" in page.text
    assert all(attributes["id"].startswith("one-") for _, attributes in page.tags if "id" in attributes)
    assert "var(--series-0)" in svg and "var(--ink)" in svg and "font-family" not in svg
    assert svg == chart("one", 'a "title"', draw)


def test_a_section_is_a_module_with_a_title_and_a_template():
    for section in SECTIONS:
        name = section.__name__.rpartition(".")[2]
        assert section.TITLE and (Path(errors.__file__).parent / f"templates/{name}.html").exists()
