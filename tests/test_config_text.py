"""Any text in params.yaml is read, or refused in one sentence with its line."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.schema import Member, Params, Training, load_params
from pipeline.storage.files import BadInput
from tests.projects import ROOT


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
            "    task: price_sum",
            "    tune: {space: {training: {epoch: [1]}}}\n    task: price_sum",
            "space.training.epoch: unk",
        ),
        (
            "    task: price_sum",
            "    tune: {space: {model: {}}}\n    task: price_sum",
            "space.model: unknown key; legal are op",
        ),
        (
            "    task: price_sum",
            "    tune: {space: {options: {width: [-1]}}}\n    task: price_sum",
            "space.options.width: -1, expected more than 0",
        ),
        (
            "    task: price_sum",
            "    tune: {space: {training: {momentum: {low: 0.5, high: 2}}}}\n    task: price_sum",
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
