"""The five published reports: systems, recipes and splits as the reports give them, and the command that runs them."""

import csv
import itertools
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from keras import layers
from sklearn.metrics import precision_recall_fscore_support

import models
from features.labels.metrics.shares import accuracy
from models.parts.cost import weighted_layers, without_weights
from pipeline.config.schema import load_params
from published.__main__ import SMALL_ROWS, small
from published.folder import REPORTS, entries
from published.plan import load_figures, plan
from published.tables import beside, write_tables
from tests.projects import ROOT

GREY, WIDE = (28, 28, 1), (64, 128, 1)
SHAPES = {  # of images, and numbers of outputs, of the tasks for which a report prints parameters
    "a": ((28, 28, 1), 10),
    "c": ((64, 128, 1), 9),
    "d": ((28, 28, 1), 5),
}
ROUNDED = {"c-lenet": 0.05, "c-resnet34": 0.05, "c-resnet50": 0.05, "c-resnet152": 0.05}
UNLIKE = ("c-vgg16",)  # published/audit.csv says why


def params_of(report):
    return load_params(ROOT / "published" / report / "params.yaml")


def network(architecture, image_shape, outputs, **options):
    with without_weights():
        return models.build(architecture, image_shape, outputs, options)


def kinds(model):
    """Return the kinds of a model's layers in order: C, P, B, D, F and H for hidden or last dense layers."""
    letters = {
        layers.Conv2D: "C",
        layers.MaxPooling2D: "P",
        layers.AveragePooling2D: "A",
        layers.BatchNormalization: "B",
        layers.Dropout: "D",
        layers.Flatten: "F",
        layers.Dense: "H",
    }
    return "".join(letters.get(type(layer), "") for layer in model.layers)


def parameters(model):
    """Return the parameters of the layers that have some."""
    return [count for layer in model.layers if (count := layer.count_params())]


def test_layers_of_report_a():
    cnn = network("overlap_cnn", GREY, 10)
    assert (kinds(cnn), parameters(cnn)) == ("CPDCPDFHDH", [320, 8224, 6_422_784, 2570])
    dense = [58_991_616, 37_752_832, 16_781_312, 40_970]
    alexnet = network("alexnet", GREY, 10)
    assert kinds(alexnet) == "CPCPCDCCPDFHHHDH"
    assert parameters(alexnet) == [11_712, 614_656, 885_120, 1_327_488, 884_992, *dense]
    deep = network("alexnet", GREY, 10, **params_of("a").members["a-deep-alexnet"].options)
    assert kinds(deep) == "CPCPCCDCCCDCPDFHHHH"
    assert parameters(deep) == [11_712, 614_656, 885_120, 1_327_488, 884_992, *[590_080] * 3, *dense]


def test_variants_of_report_a():
    wider = network("overlap_cnn", GREY, 10, kernel_pixels=4, pooling="average")
    assert (kinds(wider), parameters(wider)[:2]) == ("CADCADFHDH", [64 * 16 + 64, 32 * 64 * 16 + 32])
    smallest = network("overlap_cnn", GREY, 10, units=64)
    assert parameters(smallest)[2:] == [25_088 * 64 + 64, 650]


@pytest.mark.parametrize(("blocks", "expected"), [(4, 15), (10, 27)])
def test_layers_of_report_c_with_both_poolings(blocks, expected):
    assert weighted_layers(network("modified_resnet", WIDE, 9, blocks=blocks)) + 2 == expected


def test_the_convnet_of_report_e_drops_and_normalises_before_it_pools():
    assert kinds(network("convnet", (64, 64, 3), 20, published_order=True)) == "CCDBPCCDBPFHH"
    assert kinds(network("convnet", (64, 64, 3), 20)) == "CCBPDCCBPDFHDH"


def test_parameters_of_report_b():
    counted = {
        name: network(member.architecture, (64, 64, 1), 10, **member.options).count_params()
        for name, member in params_of("b").members.items()
        if member.task == "fashion"
    }
    # The report prints none. Counted by hand from its layers: kernels and biases, for VGG-16 as in its paper.
    widths = [1, *[64] * 2, *[128] * 2, *[256] * 3, *[512] * 6]
    convolutions = sum(9 * old * new + new for old, new in itertools.pairwise(widths))
    dense = (2 * 2 * 512 + 1) * 4096 + 4097 * 4096 + 4097 * 10
    assert counted["b-vgg16-fashion"] == convolutions + dense
    assert counted == {
        "b-alexnet-fashion": 24_744_650,
        "b-vgg16-fashion": 39_928_522,
        "b-resnet34-fashion": 21_300_554,
    }


@pytest.mark.parametrize("report", SHAPES)
def test_parameters_are_the_published_ones(report):
    figures, members = load_figures(report), params_of(report).members
    published = figures[figures["figure"] == "parameters"].set_index("member")["published"].astype(float)
    shape, outputs = SHAPES[report]
    for name in published.index.difference(UNLIKE):
        member = members[name]
        has_ten = member.task == "fashion" or name == "d-inception"
        count = network(member.architecture, shape, 10 if has_ten else outputs, **member.options)
        assert abs(count.count_params() - published[name]) <= ROUNDED.get(name, 0) * published[name], name


def test_vgg16_of_report_c_has_its_parameters_at_another_size():
    options = params_of("c").members["c-vgg16"].options
    assert network("vgg", (224, 224, 1), 9, **options).count_params() == pytest.approx(137e6, rel=0.05)
    assert network("vgg", (64, 128, 1), 9, **options).count_params() == 48_313_033


def test_the_dropouts_and_initial_weights_of_report_d():
    cnn = network("traditional_cnn", GREY, 10)
    assert (kinds(cnn), parameters(cnn)) == ("CPCPCDFHDHH", [832, 18_496, 8320, 6_423_552, 32_800, 330])
    assert [layer.rate for layer in cnn.layers if isinstance(layer, layers.Dropout)] == [0.2, 0.25]
    initial = {type(layer.kernel_initializer).__name__ for layer in cnn.layers if layer.count_params()}
    assert initial == {"GlorotUniform"}


def test_the_network_with_skip_connections_has_the_published_number_of_layers():
    resnet = network("skip_cnn", GREY, 5, **params_of("d").members["d-resnet"].options)
    assert weighted_layers(resnet) == 11 and sum(isinstance(layer, layers.Add) for layer in resnet.layers) == 2


def test_the_recipe_of_report_d():
    for name, member in params_of("d").members.items():
        training = member.training
        assert (training.optimiser, training.learning_rate, training.schedule) == ("adam", 1e-4, "constant")
        assert (training.batch_size, training.epochs, training.kept_epoch) == (1024, 400, "last")
        assert training.train_on_all == name.startswith("d-cnn")


def test_report_e_trains_frozen_and_tuned_members_apart():
    members = params_of("e").members
    baseline = members["e-convnet"].training
    assert (baseline.epochs, baseline.learning_rate, baseline.weight_decay) == (20, 1e-5, 1e-6)
    assert (baseline.schedule, baseline.early_stopping_patience_epochs) == ("constant", 3)
    for name in ("vgg16", "resnet50", "mobilenet"):
        frozen, tuned = members[f"e-{name}-frozen"].training, members[f"e-{name}-tuned"].training
        assert frozen.epochs == frozen.frozen_epochs == 15 and tuned.epochs - tuned.frozen_epochs == 15
        assert tuned.tuned_learning_rate == tuned.learning_rate == 1e-5
    assert all(member.augment.shift_share == 0.1 and not member.augment.shift_pixels for member in members.values())


def test_micro_averages_are_the_accuracy():
    rng = np.random.default_rng(0)
    shares, labels = rng.random((200, 5)), rng.integers(0, 5, 200)
    micro = precision_recall_fscore_support(labels, shares.argmax(axis=1), average="micro")[:3]
    assert micro == pytest.approx([accuracy(shares, labels)] * 3)


@pytest.mark.parametrize(
    ("report", "shares"),
    [("a", [0.3333]), ("b", [0.1] * 3), ("c", [0.3, 0.2]), ("d", [0.1] * 2), ("e", [0.2])],
)
def test_every_report_has_its_own_split(report, shares):
    splits = [task.split for task in params_of(report).tasks.values()]
    assert [split.holdout_share for split in splits] == shares and all(split.count == 1 for split in splits)


@pytest.mark.parametrize("report", REPORTS)
def test_the_entries_are_legal(report, tmp_path):
    params = params_of(report)
    assert params.ablations
    tree = small(entries(report))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    few = load_params(tmp_path / "params.yaml")
    assert few.members.keys() == params.members.keys() and few.ablations.keys() == params.ablations.keys()
    assert all(member.training.epochs == 1 for member in few.members.values())
    assert sum(SMALL_ROWS.values()) == 250
    assert all(replica.model_dump().items() >= SMALL_ROWS.items() for replica in few.replicas.values())


@pytest.mark.parametrize("report", REPORTS)
def test_published_figures_are_complete(report):
    figures, params = load_figures(report), params_of(report)
    for row in figures.itertuples():
        float(row.published)
        if row.ablation:
            assert int(row.variant) < len(params.ablations[row.ablation].variants)
        else:
            assert row.member in params.members
    named = {*figures["member"]}
    assert params.members.keys() - named <= {"c-modified-resnet-27"}  # of which the report gives no figure


@pytest.mark.parametrize("report", REPORTS)
def test_an_entry_opens_with_its_plan(report):
    text = (ROOT / "published" / report / "params.yaml").read_text()
    assert "".join(f"# {line}".rstrip() + "\n" for line in plan(report).splitlines()) in text


def test_measured_figures_are_beside_the_published_ones(tmp_path):
    shutil.copy(ROOT / "published" / "c" / "params.yaml", tmp_path)
    (tmp_path / "report").mkdir()
    row = {"task": "t", "member": "c-lenet", "parameters": 442_197, "validation accuracy": 0.3, "test score": 0.29}
    pd.DataFrame([row]).to_csv(tmp_path / "report" / "comparison.csv", index=False)
    (tmp_path / "ablations").mkdir()
    table = pd.DataFrame({"training.optimiser": ["sgd", "adam"], "validation accuracy, epoch 20": [0.125, np.nan]})
    table.to_csv(tmp_path / "ablations" / "optimiser.csv", index=False)
    assert write_tables("c", tmp_path, is_small=True).endswith("published figures measured (small)")
    rows = beside(load_figures("c"), tmp_path).set_index(["system", "figure"])[["published", "measured"]]
    assert rows.loc[("LeNet", "parameters")].tolist() == ["440,000", "442,197"]
    assert rows.loc[("LeNet", "validation accuracy")].tolist() == ["0.3533", "0.3"]
    assert rows.loc[("modified ResNet, SGD", "validation accuracy, epoch 20")].tolist() == ["0.1252", "0.125"]
    assert rows.loc[("modified ResNet, Adam", "validation accuracy, epoch 20")].tolist() == ["0.9201", "diverged"]
    assert rows.loc[("ResNet-50", "validation accuracy"), "measured"] == ""
    page, text = (tmp_path / "published.html").read_text(), (tmp_path / "published.md").read_text()
    assert "(small)" in text and "## optimiser" in text and "<img src=ablations/optimiser.svg" in page
    assert "0.3533" in text and "No published figure" not in text


def test_no_published_accuracy_is_shown_beside_one_of_other_images(tmp_path):
    shutil.copy(ROOT / "published" / "c" / "params.yaml", tmp_path)
    source = tmp_path / "data" / "replica" / "price_sum" / "source.json"
    source.parent.mkdir(parents=True)
    source.write_text('{"source": "fashion-mnist", "is_original": false}')
    (tmp_path / "report").mkdir()
    row = {"task": "t", "member": "c-lenet", "parameters": 442_197, "validation accuracy": 0.3}
    pd.DataFrame([row]).to_csv(tmp_path / "report" / "comparison.csv", index=False)
    write_tables("c", tmp_path, is_small=False)
    text = (tmp_path / "published.md").read_text()
    assert "0.3533" not in text and "440,000" in text
    assert "No published figure is shown for c-lenet, c-vgg16" in text


@pytest.mark.slow
def test_what_runs_in_the_folder_of_a_report_never_stops_the_project(tmp_path):
    (tmp_path / ".dvcignore").write_text((ROOT / ".dvcignore").read_text())
    (tmp_path / "dvc.yaml").write_text("stages: {own: {cmd: echo}}")
    (tmp_path / ".published" / "a").mkdir(parents=True)
    (tmp_path / ".published" / "a" / "dvc.yaml").write_text("stages: [broken")
    for command in (["init", "--no-scm", "--quiet"], ["repro", "--dry"]):
        process = subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr
    assert "/.published/" in (ROOT / ".gitignore").read_text().splitlines()


AUDIT = list(csv.DictReader((ROOT / "published" / "audit.csv").open(newline="")))
LINES = {"A": 38, "B": 27, "C": 35, "D": 26, "E": 28}  # of the audit, for each report


def test_the_audit_has_all_lines_each_exact_or_with_a_reason():
    assert [row["id"] for row in AUDIT] == [f"{report}{n + 1}" for report, count in LINES.items() for n in range(count)]
    for row in AUDIT:
        assert row["state"] in ("exact", "reason") and row["what"], row["id"]
        assert row["test"] if row["state"] == "exact" else len(row["reason"]) > 20, row["id"]


def test_the_audit_names_files_and_tests_that_exist():
    for row in AUDIT:
        assert not row["where"] or (ROOT / row["where"]).is_file(), row["id"]
        file, _, name = row["test"].partition("::")
        assert not file or (ROOT / file).is_file(), row["id"]
        assert not name or f"def {name}(" in (ROOT / file).read_text(), row["id"]
