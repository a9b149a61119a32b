import copy
import json
import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models import ARCHITECTURES
from pipeline.config.__main__ import SCHEMA, json_schema
from pipeline.config.parsing import parse
from pipeline.config.presets import PRESETS
from pipeline.config.schema import Augment, Member, Params, Training, load_params
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
    tree["members"]["shoes-cnn"] = {"task": "shoes", "architecture": "fast", "preset": name}
    tree["tasks"]["shoes"]["split"] = {"preset": name}
    params = load(tmp_path, tree)
    assert params.members["shoes-cnn"].training.optimiser in ("adam", "rmsprop")
    assert params.tasks["shoes"].split.count == 1


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
        "benchmarks/published.yaml",
        "benchmarks/ensemble.yaml",
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
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def changed(old, new):
    """Return the project's params.yaml with a change."""
    text = (ROOT / "params.yaml").read_text()
    assert old in text
    return text.replace(old, new, 1)


def lines_of(text, *, containing):
    return next(number for number, line in enumerate(text.splitlines(), 1) if containing in line)


def refusal(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    with pytest.raises(BadInput) as error:
        load_params(path)
    sentence = str(error.value).removeprefix(str(path))
    assert len(sentence) <= 290 and sentence.isprintable()
    return sentence


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("epochs: 10\n", "epochs: 10\n      epochs: 3\n", "'epochs' is a key twice, first in line"),
        (
            "{stem_filters: 16,",
            "{stem_filter: 16,",
            "options.stem_filter: unknown key; legal are stem_filters, filters, ",
        ),
        ("{stem_filters: 16,", "{stem_filters: wide,", "options.stem_filters: 'wide' is not a whole number"),
        ("{stem_filters: 16,", "{activation: rleu,", "options.activation: 'rleu' is not one of relu, "),
        ("{stem_filters: 16,", "{dropout: 1.0,", "options.dropout: 1.0, expected less than 1"),
        ("{shift_pixels: 2}", "{shift_pixel: 2}", "augment.shift_pixel: unknown key; legal are shift_pixels, "),
        ("label_smoothing: 0.1", "label_smoothing: 3", "label_smoothing: 3, expected less than 1"),
        ("label_smoothing: 0.1", "momentum: 7", "momentum: 7, expected less than 1"),
        ("learning_rate: 1e-2", "learning_rate: .inf", "learning_rate: inf is not a finite number"),
        ("learning_rate: 1e-2", "learning_rate: 1e999", "learning_rate: inf is not a finite number"),
        (
            "method: greedy",
            "method: rank",
            "'rank' needs one of the metrics roc_auc, weighted_roc",
        ),
        ("method: greedy", "bags: 1000000000", "bags: 1000000000, expected at most 1000"),
        ("epochs: 10\n", "epochs: 1000000000\n", "epochs: 1000000000, expected at most 100000"),
        ("prepare: {}", "prepare: {resize_pixels: [0, 0]}", "resize_pixels[0]: 0, expected at least 1"),
        ("split: {count: 3}", "split: {seed: 4294967296}", "seed: 4294967296, expected at most 4294967295"),
        ("    task: fashion", "    preset: []\n    task: fashion", "preset: [] is not a text"),
        ("folder: data/replica/fashion", r'folder: "a\0b"', "folder: 'a\\x00b', expected a text without control char"),
        ("classes: 5..13", "classes: 0..99999999999", "classes: '0..99999999999', expected a range of 1 to 100000"),
        (
            "    task: fashion",
            "    tune: {space: {training: {epoch: [1]}}}\n    task: fashion",
            "space.training.epoch: unk",
        ),
        (
            "    task: fashion",
            "    tune: {space: {model: {}}}\n    task: fashion",
            "space.model: unknown key; legal are op",
        ),
        (
            "    task: fashion",
            "    tune: {space: {options: {width: [-1]}}}\n    task: fashion",
            "space.options.width: -1, expected more than 0",
        ),
        (
            "    task: fashion",
            "    tune: {space: {training: {momentum: {low: 0.5, high: 2}}}}\n    task: fashion",
            "space.training.momentum: 2, expected less than 1",
        ),
    ],
)
def test_what_is_refused_has_its_line(tmp_path, old, new, sentence):
    text = changed(old, new)
    line = lines_of(
        text, containing=new.rstrip("\n").rpartition("\n")[2] if "twice" in sentence else new.split("\n")[0]
    )
    assert refusal(tmp_path, text).startswith(f", line {line}: ")
    assert sentence in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "name", ["a;touch PWNED", "$(touch X)", "../../x", "/abs", "a/b", "plant.2020", "a b", "a@b", "-t", ""]
)
@pytest.mark.parametrize("part", ["replicas", "tasks", "members", "students"])
def test_a_name_is_a_word(tmp_path, part, name):
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    entry = tree["members"]["fashion-fast"] | {"pseudo_labels": {"teacher": "fashion-resnet"}}
    tree.setdefault(part, {})[name] = entry if part == "students" else next(iter(tree[part].values()))
    assert "expected a name that starts with a letter or a digit" in refusal(tmp_path, yaml.safe_dump(tree))


@pytest.mark.parametrize("part", ["replicas", "tasks", "members"])
def test_two_names_differ_in_more_than_case(tmp_path, part):
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    first = next(iter(tree[part]))
    tree[part][first.upper()] = tree[part][first]
    assert f"{part}.{first}: another name is expected" in refusal(tmp_path, yaml.safe_dump(tree))


BOMB = "\n".join(
    [*("a: &a0 {k: v}", "b: &b0 [v]"), *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20))]
)
MERGES = "\n".join(["a: &a0 {k: v}", *(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 20))])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"\n\xff\xfe", "line 2: byte 0xff is no UTF-8 text"),
        ("[" * 100_000, "nest deeper than 32 levels"),
        ("- " * 100_000, "nest deeper than 32 levels"),
        ("tasks: &a [*a]", "contains itself"),
        ("tasks: &a {x: *a}", "contains itself"),
        (BOMB, "expected at most 20000 values, with aliases written out"),
        (MERGES, "expected at most 20000 values, with aliases written out"),
        ("k: 1:" + "1:" * 200_000 + "1", "is not a whole number"),
        ("k: " + "9" * 5000, "is not a whole number"),
        ("x" * (1 << 21), "expected at most 1048576 bytes"),
        ("k: !!python/object/apply:os.system [x]", "apply:os.system' is unknown"),
        ("k: 2020-01-01", "'2020-01-01' is a date; write it in quotes"),
        ("tasks: {yes: 1}", "the key 'yes' is expected in quotes"),
        ("tasks: {007: 1}", "the key '007' is expected in quotes"),
        ("? [a]\n: 1", "a key is expected to be a text"),
        ("\0", "not readable as YAML"),
        ("", "None is not a mapping"),
    ],
)
def test_what_is_no_configuration_is_one_sentence(tmp_path, text, sentence):
    assert sentence in refusal(tmp_path, text)


def test_merged_aliases_are_taken_over_with_their_lines(tmp_path):
    text = changed("  fashion-resnet:\n", "  fashion-resnet: &it\n")
    text += "  again:\n    <<: *it\n    augment: {flip: 3}\n"
    assert refusal(tmp_path, text).startswith(
        f", line {len(text.splitlines())}: members.again.augment.flip: 3 is not true"
    )


KEYS = [*Params.model_fields, *Member.model_fields, *Training.model_fields, "<<", "low", "images", "x", "1", "a;b"]
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(KEYS) | st.dates()
)
TREES = st.recursive(
    LEAVES | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.integers(), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=80)
@given(
    TREES, st.sampled_from([(), ("tasks",), ("members",), ("members", "fashion-fast"), ("tasks", "fashion", "ingest")])
)
def test_any_yaml_is_taken_or_refused_in_one_sentence(folder, tree, place):
    whole = yaml.safe_load((ROOT / "params.yaml").read_text())
    node = whole
    for key in place[:-1]:
        node = node[key]
    if place:
        node[place[-1]] = tree
    path = folder / "params.yaml"
    path.write_text(yaml.dump(whole if place else tree), encoding="utf-8")
    try:
        load_params(path)
    except BadInput as error:
        assert str(error).removeprefix(str(path)).isprintable()


@settings(max_examples=80)
@given(st.text() | st.binary(), st.integers(0, 2000))
def test_any_bytes_in_a_file_are_taken_or_refused_in_one_sentence(folder, noise, place):
    data = (ROOT / "params.yaml").read_bytes()
    noise = noise if isinstance(noise, bytes) else noise.encode("utf-8", "surrogatepass")
    path = folder / "params.yaml"
    path.write_bytes(data[:place] + noise + data[place:])
    try:
        load_params(path)
    except BadInput as error:
        assert str(error).removeprefix(str(path)).isprintable()
