"""The measured figures of the five reports: what is trained, which rows come of it, and the pages that compare them."""

import json

import pandas as pd
import pytest
import yaml
from PIL import Image

from benchmarks import results
from pipeline.config.schema import load_params
from pipeline.storage import paths
from published import measure, pages
from published.folder import COMMIT, REPORTS, entries
from published.measure import QUEUE, Item, queue, tree_of
from published.plan import image_seconds, judged_rows

ITEMS = queue(QUEUE)


def write_run(folder, item, figures, histories=None):
    """Write what a finished run leaves in its folder."""
    tree = tree_of(item)
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))
    (task,) = load_params(folder / "params.yaml").tasks.values()
    (folder / task.ingest.folder).mkdir(parents=True)
    (folder / task.ingest.folder / paths.REPLICA_SOURCE).write_text(json.dumps({"is_original": True}))
    (folder / COMMIT).write_text("abc1234\n")
    name = folder / ("ablations" if item.ablation else "report") / f"{item.ablation or 'comparison'}.csv"
    name.parent.mkdir()
    pd.DataFrame(figures).to_csv(name, index=False)


def test_every_system_and_ablation_of_the_reports_is_in_the_queue_or_needs_weights():
    expected = set()
    for report in REPORTS:
        tree = entries(report)
        expected |= {name for name, member in tree["members"].items() if member["architecture"] != "pretrained"}
        expected |= {
            f"{report}.{name}"
            for name, ablation in tree["ablations"].items()
            if tree["members"][ablation["member"]]["architecture"] != "pretrained"
        }
    assert {item.name for item in ITEMS} == expected


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_an_item_is_a_legal_configuration_of_its_size_with_the_split_of_the_report(item, tmp_path):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree_of(item)))
    params = load_params(tmp_path / "params.yaml")
    (member,), (task,), (replica,) = params.members.values(), params.tasks.items(), params.replicas.values()
    assert (member.training.epochs, replica.train_rows) == (item.epochs, item.train_rows)
    assert task[1].split == load_params(pages.HERE / item.report / "params.yaml").tasks[task[0]].split
    assert all("training.epochs" not in v for ablation in params.ablations.values() for v in ablation.variants)


def test_a_system_has_a_row_for_training_validation_and_test_images(tmp_path):
    item = Item("d-dense", epochs=3, train_rows=1000, test_rows=400)
    row = {"member": "d-dense", "parameters": 7, "epochs": 3, "training accuracy": 0.9, "training loss": 0.2}
    row |= {"validation accuracy": 0.8, "validation loss": 0.5, "test score": 0.75, "test loss": 0.6}
    write_run(tmp_path, item, [row])
    training, validation, test = measure.system_rows(item, tmp_path)
    assert [training["accuracy"], validation["accuracy"], test["accuracy"]] == [0.9, 0.8, 0.75]
    assert [training["log_loss"], validation["log_loss"], test["log_loss"]] == [0.2, 0.5, 0.6]
    assert training["standard_error"] is None
    assert validation["standard_error"] == pytest.approx((0.8 * 0.2 / 100) ** 0.5)  # a tenth validates
    assert test["standard_error"] == pytest.approx((0.75 * 0.25 / 400) ** 0.5)
    assert (test["setting"], test["images"], test["commit"]) == ("1000 images, 3 epochs", 1000, "abc1234")


def test_a_variant_has_the_standard_error_of_its_seeds_and_a_diverged_one_no_accuracy(tmp_path):
    item = Item("d.optimiser", epochs=3, train_rows=1000, test_rows=400, seeds=3)
    accuracy, epochs = "validation accuracy, last epoch", [3, 3, None]
    ends = {f"{accuracy} low": [0.7, 0.4, None], f"{accuracy} high": [0.9, 0.6, None]}
    write_run(tmp_path, item, {"epochs": epochs, "training accuracy": 0.99, accuracy: [0.8, 0.5, None], **ends})
    rows = [row for row in measure.ablation_rows(item, tmp_path) if row["rows"] == "out of fold"]
    assert [row["variant"] for row in rows] == [0, 1, 2]
    assert rows[0]["accuracy"] == 0.8 and rows[0]["standard_error"] == pytest.approx(0.1 / 4.303, rel=1e-3)
    assert pd.isna(rows[2]["accuracy"]) and rows[0]["epoch_selection"] == "last epoch"


def test_the_hours_of_an_item_count_all_trainings():
    seconds = image_seconds()["d-cnn"]
    assert seconds == pytest.approx(62 / 48_000)  # as measured
    hours = 3 * 3 * 40 * 5000 * seconds / 3600  # variants, seeds, epochs, images
    item = Item("d.optimiser", epochs=40, train_rows=5000, test_rows=400, seeds=3)
    assert measure.hours(item) == f"9 trainings, about {hours:.1f} hours of one core"
    assert measure.hours(Item("d-resnet", 3, 1000, 400)).endswith("hours not known")


def test_what_has_rows_of_its_size_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    row = {"member": "d-dense", "ablation": "", "setting": "1000 images, 3 epochs", "rows": "test"}
    results.write(measure.QUESTION, [row, row | {"member": "d-cnn", "ablation": "d.optimiser"}])
    assert measure.is_measured(Item("d-dense", 3, 1000, 400)) and measure.is_measured(Item("d.optimiser", 3, 1000, 400))
    assert not measure.is_measured(Item("d-dense", 4, 1000, 400)) and not measure.is_measured(
        Item("d-cnn", 3, 1000, 400)
    )


def test_published_figures_are_judged_on_as_many_rows_as_the_report_says():
    of_a, of_b = (load_params(pages.HERE / report / "params.yaml") for report in "ab")
    assert judged_rows(of_a, "a-cnn", "test score") == 10_000
    assert judged_rows(of_a, "a-cnn", "validation accuracy") == pytest.approx(20_000, rel=1e-3)
    assert judged_rows(of_b, "b-vgg16-cifar10", "validation accuracy") == pytest.approx(5_000)


def test_a_figure_is_reached_if_it_is_at_most_two_standard_errors_away():
    states = ["not measured", "not reached", "reached", "reached", "higher"]
    assert [pages.state(value) for value in (float("nan"), -2.1, -1.9, 1.9, 2.1)] == states


def test_the_training_that_saw_most_images_counts_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    row = {"member": "d-dense", "rows": "test", "ablation": ""}
    few = {"setting": "few", "images": 5000, "epochs": 3, "accuracy": 0.9, "log_loss": 0.4}
    results.write(
        measure.QUESTION, [row | {"setting": "many", "images": 5000, "epochs": 4, "accuracy": 0.8}, row | few]
    )
    pages._rows.cache_clear()
    counted = pages.measured_systems().loc[("d-dense", "test")]
    pages._rows.cache_clear()
    assert counted["accuracy"] == 0.8 and pd.isna(counted["log_loss"])


def test_every_difference_of_more_than_two_standard_errors_has_its_reason():
    reasons = pages.differences()
    assert reasons.keys() <= {item.name for item in ITEMS}
    for report in REPORTS:
        table = pages.compared(report)
        far = table[(table["difference"].abs() > pages.ERRORS) & (table["release"] != pages.OTHER_IMAGES)]
        for name in far["member"].unique():
            assert reasons.get(name), f"{name}: measure.yaml has no sentence under differences"
        for ablation in entries(report)["ablations"]:
            table = pages.compared_variants(report, ablation)
            far = (table["measured"] - table["published"]).abs() > pages.ERRORS * table["error"]
            assert reasons.get(f"{report}.{ablation}") or not far.any(), f"{report}.{ablation}: no sentence"


def test_the_picture_has_a_panel_for_each_measured_system(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    row = {"setting": "1000 images, 3 epochs", "rows": "out of fold", "accuracy": 0.5}
    names = ["a-cnn", "b-vgg16-mnist", "c-lenet", "d-cnn", "e-convnet"]
    results.write(measure.CURVES, [row | {"member": name, "epochs": epoch} for name in names for epoch in (1, 2, 3)])
    pages.write_picture(tmp_path / "picture.png")
    width, height = Image.open(tmp_path / "picture.png").size
    assert width == 4 * pages.PANEL_PIXELS[0] and height == 2 * pages.PANEL_PIXELS[1]


def test_the_pages_show_the_rows():
    for path, text in pages.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run python -m published.pages"
