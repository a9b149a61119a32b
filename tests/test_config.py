"""The entries of params.yaml: what is legal, what is filled in, and what is refused."""

import copy
import json
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models import ARCHITECTURES
from pipeline.config.__main__ import SCHEMA, json_schema
from pipeline.config.parsing import parse
from pipeline.config.presets import PRESETS
from pipeline.config.schema import Augment, Member, Training, load_params
from pipeline.storage.files import BadInput
from tests.projects import ROOT

GOOD = {
    "tasks": {
        "shoes": {
            "ingest": {
                "folder": "data/raw/shoes",
                "train": {"images": "train.csv"},
                "test": {"images": "test.csv"},
                "sample_submission": "sample.csv",
                "classes": "5..7",
            },
            "prepare": {},
            "split": {"count": 3},
            "predict": {},
            "ensemble": {},
        }
    },
    "members": {"shoes-cnn": {"task": "shoes", "architecture": "fast", "training": {"learning_rate": "1e-3"}}},
}


def load(tmp_path, tree):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(tree))
    return load_params(path)


def test_a_good_file_gives_frozen_entries_with_defaults(tmp_path):
    params = load(tmp_path, GOOD)
    assert params.tasks["shoes"].ingest.classes == (5, 6, 7)
    assert params.members["shoes-cnn"].training == Training(learning_rate=0.001)
    with pytest.raises(ValidationError, match="frozen"):
        params.members["shoes-cnn"].task = "other"


@pytest.mark.parametrize(
    ("where", "value", "sentence"),
    [
        ("members.shoes-cnn.epochs", 3, r"members\.shoes-cnn\.epochs: unknown key; legal are task, architecture"),
        ("members.shoes-cnn.architecture", "cnm", r"architecture: 'cnm' is not one of alexnet, convnet, "),
        ("members.shoes-cnn.task", "shoe", r"'shoe' is not a task; known are shoes"),
        ("members.shoes-cnn.training.optimiser", "lion", r"optimiser: 'lion' is not one of sgd, adam, adamw, rmsprop"),
        ("members.shoes-cnn.training.epochs", "ten", r"training\.epochs: 'ten' is not a whole number"),
        ("members.shoes-cnn.augment", {"shift_pixels": -2}, r"augment\.shift_pixels: -2, expected at least 0"),
        ("members.shoes-cnn.augment", {"hue_share": 0.6}, r"augment\.hue_share: 0\.6, expected at most 0\.5"),
        ("members.shoes-cnn.augment", {"area_crop_share": 1}, r"augment\.area_crop_share: 1, expected less than 1"),
        (
            "members.shoes-cnn",
            {"task": "shoes", "architecture": "features", "training": {"imbalance": "focal"}},
            r"training\.imbalance: expected none with architecture 'features'",
        ),
        ("members.shoes-cnn.training", {"tuned_layers": [4, 9]}, r"several numbers, which needs frozen_epochs"),
        ("members.shoes-cnn.training", {"tuned_layers": [4, 2]}, r"\[4, 2\] is not a rising list"),
        ("members.shoes-cnn.training", {"first_layer_rate_share": 0.1}, r"rate_share: needs architecture 'pretrained'"),
        (
            "members.shoes-cnn.training",
            {"gradient_accumulation_steps": 2, "precision": "mixed_float16"},
            r"gradient_accumulation_steps needs another precision than mixed_float16",
        ),
        (
            "members.shoes-cnn.training",
            {"progressive_pixels": [[8, 8]], "schedule": "plateau"},
            r"progressive_pixels, but early stopping and schedule 'plateau' need images of one size",
        ),
        (
            "members.shoes-cnn.training",
            {"progressive_pixels": [[8, 8], [9, 9]], "epochs": 2},
            r"progressive_pixels has 2 sizes, expected more epochs",
        ),
        (
            "members.shoes-cnn.training",
            {"imbalance": "class_weights", "loss": "binary_cross_entropy"},
            r"imbalance 'class_weights' needs loss cross_entropy, not binary_cross_entropy",
        ),
        ("members.shoes-cnn.training.learning_rate", "fast", r"learning_rate: 'fast' is not a number"),
        ("members.shoes-cnn.training.epochs", 0, r"training\.epochs: 0, expected at least 1"),
        (
            "members.shoes-cnn.training",
            {"monitor": "none", "schedule": "plateau"},
            r"training: monitor 'none', but early stopping and schedule 'plateau' watch",
        ),
        (
            "members.shoes-cnn.training",
            {"monitor": "none", "early_stopping_patience_epochs": 2},
            r"training: monitor 'none', but early stopping and schedule 'plateau' watch",
        ),
        ("members.shoes-cnn.input", "items", r"'items' needs tasks\.shoes\.prepare\.items"),
        ("members.shoes-cnn.head", "grid", r"'grid' needs tasks\.shoes\.prepare\.items, which is missing"),
        ("tasks.shoes.split.count", 0, r"tasks\.shoes\.split\.count: 0, expected at least 1"),
        ("tasks.shoes.split", None, r"tasks\.shoes\.split: None is not a mapping"),
        ("tasks.shoes.ingest.classes", "5-7", r"classes: '5-7' is not a list"),
        ("tasks.shoes.ingest.classes", "a..b", r"classes: 'a\.\.b' is not a range like 5\.\.13"),
        ("tasks.shoes.prepare.resize_pixels", [64], r"resize_pixels: \[64\] is not \[height, width\]"),
        (
            "members.shoes-cnn.preset",
            "report-z",
            r"members\.shoes-cnn\.preset: 'report-z' is unknown; known are report-a",
        ),
        ("tasks.shoes.split.preset", "report-z", r"tasks\.shoes\.split\.preset: 'report-z' is unknown; known are"),
        ("tasks.shoes.competition", 7, r"tasks\.shoes\.competition: 7 is not a text"),
        ("tasks.ledger", GOOD["tasks"]["shoes"], r"tasks\.ledger: another name is expected"),
        ("taskz", {}, r"taskz: unknown key; legal are tasks, members, replicas"),
    ],
)
def test_a_bad_entry_is_one_sentence(tmp_path, where, value, sentence):
    tree = copy.deepcopy(GOOD)
    *parents, last = where.split(".")
    node = tree
    for key in parents:
        node = node[key]
    node[last] = value
    with pytest.raises(BadInput, match=sentence) as error:
        load(tmp_path, tree)
    assert str(error.value).startswith(str(tmp_path / "params.yaml"))


def test_a_preset_fills_in_what_an_entry_leaves_out(tmp_path):
    tree = copy.deepcopy(GOOD)
    tree["members"]["shoes-cnn"] |= {"preset": "report-c", "training": {"learning_rate": "1e-2"}}
    tree["tasks"]["shoes"]["split"] = {"preset": "report-c", "seed": 3}
    params = load(tmp_path, tree)
    member, split = params.members["shoes-cnn"], params.tasks["shoes"].split
    assert (member.training.optimiser, member.training.batch_size, member.training.learning_rate) == (
        "rmsprop",
        64,
        0.01,
    )
    assert (split.count, split.holdout_share, split.seed) == (1, 0.2, 3)


@pytest.mark.parametrize("name", yaml.safe_load(PRESETS.read_text()))
def test_every_preset_is_a_legal_recipe(tmp_path, name):
    tree = copy.deepcopy(GOOD)
    is_report = name.startswith("report-")
    architecture = "fast" if is_report else {"photos-fast": "features", "photos-strong": "pretrained"}[name]
    tree["members"]["shoes-cnn"] = {"task": "shoes", "architecture": architecture, "preset": name}
    tree["tasks"]["shoes"]["split"] = {"preset": name}
    params = load(tmp_path, tree)
    assert params.members["shoes-cnn"].training.optimiser in (("adam", "rmsprop") if is_report else ("adamw",))
    assert params.tasks["shoes"].split.count == (1 if is_report else 5)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"input": "items"}, r"members\.shoes-cnn\.input: 'items' needs tasks\.shoes\.prepare\.items\.size_pixels"),
        ({"input": "items", "head": "grid"}, r"members\.shoes-cnn\.head: 'grid' needs input 'images', not 'items'"),
        ({"head": "grid"}, None),
    ],
)
def test_items_that_cannot_be_located_are_for_the_grid_alone(tmp_path, changes, sentence):
    tree = copy.deepcopy(GOOD)
    size = {"size_pixels": [28, 28]} if len(changes) == 2 else {}
    tree["tasks"]["shoes"]["prepare"] = {"items": {"count": 3, "prices": [1, 2], **size}}
    tree["members"]["shoes-cnn"] |= changes
    if sentence is None:
        assert load(tmp_path, tree).members["shoes-cnn"].head == "grid"
        return
    with pytest.raises(BadInput, match=sentence):
        load(tmp_path, tree)


def test_a_missing_key_without_a_default_is_named(tmp_path):
    tree = copy.deepcopy(GOOD)
    del tree["tasks"]["shoes"]["ingest"]["sample_submission"]
    with pytest.raises(BadInput, match=r"line 2: tasks\.shoes\.ingest\.sample_submission: missing key|line \d+: tasks"):
        load(tmp_path, tree)


def test_blocks_with_defaults_may_be_left_out(tmp_path):
    ingest = GOOD["tasks"]["shoes"]["ingest"]
    tree = {"tasks": {"shoes": {"ingest": ingest}}, "members": {"m": {"task": "shoes", "architecture": "fast"}}}
    task = load(tmp_path, tree).tasks["shoes"]
    assert (task.split.count, task.predict.flip, task.ensemble.method, task.prepare.items) == (5, False, "greedy", None)


def test_what_is_not_yaml_is_named(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("tasks: [")
    with pytest.raises(BadInput, match="not readable as YAML"):
        load_params(path)


@given(
    st.builds(
        Member,
        task=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True),
        architecture=st.sampled_from(ARCHITECTURES),
        options=st.dictionaries(st.text(min_size=1), st.integers() | st.lists(st.integers())),
        augment=st.builds(Augment, flip=st.booleans(), shift_pixels=st.integers(0, 9)),
        training=st.builds(Training, epochs=st.integers(1, 99), learning_rate=st.floats(1e-9, 1)),
    )
)
def test_a_member_survives_being_written_and_read(member):
    assert parse(Member, json.loads(json.dumps(member.model_dump()))) == member


@pytest.mark.parametrize(
    "name",
    [
        "params.yaml",
        "benchmarks/params.yaml",
        "benchmarks/ensemble.yaml",
        "benchmarks/gpu_session.yaml",
    ],
)
def test_the_configurations_that_come_along_are_legal(name):
    assert load_params(ROOT / name).members


def test_the_schema_for_editors_is_in_step():
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(json_schema())), "run python -m pipeline.config"
    first, *_ = (ROOT / "params.yaml").read_text().splitlines()
    assert (ROOT / first.partition("$schema=")[2]) == SCHEMA


def test_reading_a_configuration_imports_no_keras():
    code = "import sys; from pathlib import Path; from pipeline.config.schema import load_params\n"
    code += (
        "load_params(Path('params.yaml')); print([m for m in ('keras', 'tensorflow', 'optuna') if m in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"
