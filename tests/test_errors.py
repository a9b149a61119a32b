"""What a sentence quotes from a file can neither break the line nor fill the screen."""

import numpy as np
import pytest

from pipeline.config.errors import BadInput, quote


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("cat", "'cat'"),
        (7, "7"),
        (np.int64(7), "7"),
        (np.str_("cat"), "'cat'"),
        ("\x1b[2J\r\n\u202e", r"'\x1b[2J\r\n\u202e'"),
        (b"\x00a", r"b'\x00a'"),
        ("x" * 5_000_000, "'" + "x" * 35 + " ... " + "x" * 20 + "'"),
    ],
)
def test_a_value_is_quoted_on_one_line_and_cut(value, expected):
    assert quote(value) == expected


@pytest.mark.parametrize("cell", ["\x1b[31m\n\x07", "a" * 5_000_000, "\x00" * 5_000, "\udcff"])
def test_an_error_is_one_printable_line_that_keeps_its_start_and_end(cell):
    sentence = str(BadInput(f"raw/labels.csv: {cell}, expected a class"))
    assert sentence.isprintable() and len(sentence) <= 300
    assert sentence.startswith("raw/labels.csv: ") and sentence.endswith(", expected a class")
