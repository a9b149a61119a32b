"""The space in which options are searched: the architecture's, as the entry changes it."""

import pytest

from pipeline.config.options import with_values
from tests.searching import MEMBER, space_with


def test_an_entry_narrows_widens_and_takes_out():
    space = space_with(
        {
            "options": {"dropout": [0.0, 0.9], "filters": None, "depth": {"low": 2, "high": 5}},
            "training": {"learning_rate": {"low": "1e-5", "high": "1e-4", "log": True}, "weight_decay": None},
            "augment": {"shift_pixels": [0, 1, 2]},
        }
    )
    assert set(space.own) == {
        *("options.dropout", "options.depth", "augment.shift_pixels"),
        *("training.learning_rate", "training.label_smoothing"),
    }
    assert space.distributions["options.dropout"].choices == (0.0, 0.9)
    assert (space.distributions["options.depth"].low, space.distributions["options.depth"].high) == (2, 5)
    rate = space.distributions["training.learning_rate"]
    assert (rate.low, rate.high, rate.log) == (1e-5, 1e-3, True)  # as wide as the entry's own 1e-3 needs


def test_what_the_entry_says_itself_is_a_choice():
    space = space_with({}, options={"filters": [4, 4]})
    assert space.own["options.filters"] == "[4, 4]"
    assert space.distributions["options.filters"].choices == ("[8, 8]", "[16, 16]", "[4, 4]")
    changed = with_values(MEMBER, {"options.filters": "[16, 16]", "training.learning_rate": 0.1})
    assert (changed.options, changed.training.learning_rate) == ({"filters": [16, 16]}, 0.1)
    assert with_values(changed, space_with({}).own).training == MEMBER.training


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ({"option": {"dropout": [0]}}, r"option: unknown key; legal are options, training, augment"),
        ({"options": {"droput": [0]}}, r"options\.droput: unknown key; legal are filters, dropout, depth"),
        ({"training": {"optimiser": ["lion"]}}, r"training\.optimiser|optimiser: 'lion' is not one of"),
        ({"options": {"dropout": 0.3}}, r"options\.dropout: 0\.3 is not a list of choices or a range of low, high"),
        ({"options": {"dropout": {"low": 0}}}, r"is not a list of choices or a range"),
        ({"options": {"filters": {"low": 0, "high": 1}}}, r"is not a list of choices, which '\[8, 8\]' needs"),
        ({"training": {"weight_decay": {"low": 1e-4, "high": 1, "log": True}}}, r"own 0\.0 lies in no logarithmic"),
        ({"training": {"epochs": {"low": 1, "high": 9, "log": True, "step": 2}}}, r"training\.epochs: .* is no range"),
        ({"augment": {"shift_pixels": [-1, 0]}}, r"augment\.shift_pixels: -1, expected at least 0"),
        (
            {
                "options": {"dropout": None, "filters": None},
                "training": dict.fromkeys(("learning_rate", "weight_decay", "label_smoothing")),
            },
            "nothing is left to tune",
        ),
    ],
)
def test_a_bad_space_is_one_sentence(space, sentence):
    with pytest.raises(ValueError, match=sentence):
        space_with(space)
