"""CSVs of every layout come back as the images, ids and labels that were written."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.config.raw_files import Ingest, Split
from pipeline.config.schema import Task
from pipeline.readers.csv_labels import read_labels
from pipeline.readers.raw import tidy
from pipeline.readers.submissions import read_sample
from pipeline.storage.files import BadInput
from tests.raw_files import PACKINGS, QUICK, read, write, zip_bytes


@QUICK
@given(
    pixels=hnp.arrays(np.uint8, st.tuples(st.integers(2, 6), st.integers(2, 4).map(lambda side: side**2))),
    delimiter=st.sampled_from([",", ";", "\t"]),
    ending=st.sampled_from(["\n", "\r\n"]),
    quoted=st.booleans(),
    packing=st.sampled_from(sorted(PACKINGS)),
    id_place=st.sampled_from([None, 0, 3, -1]),
    label_name=st.sampled_from(["Label", "class", "TARGET", "y"]),
    label_place=st.integers(0, 4),
    bom=st.booleans(),
)
def test_csv_with_header_comes_back(
    folder, pixels, delimiter, ending, quoted, packing, id_place, label_name, label_place, bom
):
    rows, count = pixels.shape
    columns = [(f"pixel{index}", pixels[:, index].tolist()) for index in range(count)]
    columns.insert(label_place, (label_name, [f"kind {row % 2}" for row in range(rows)]))
    if id_place is not None:
        columns.insert(id_place, ("Id", [f"00{row}" for row in range(rows)]))
    quote = '"' if quoted else ""
    table = [[name for name, _ in columns], *zip(*(values for _, values in columns), strict=True)]
    text = ending.join(delimiter.join(f"{quote}{cell}{quote}" for cell in line) for line in table) + ending
    path = write(folder / "any.csv", PACKINGS[packing](text.encode("utf-8-sig" if bom else "utf-8")))
    raw = read(path, labelled=True)
    side = int(count**0.5)
    np.testing.assert_array_equal(raw.images, pixels.reshape(rows, side, side, 1))
    assert raw.labels.tolist() == [f"kind {row % 2}" for row in range(rows)]
    assert (None if raw.ids is None else raw.ids.tolist()) == (
        None if id_place is None else [f"00{row}" for row in range(rows)]
    )


def corner_images(rows=40, side=4, seed=0):
    """Images (rows, side * side) with black corners."""
    pixels = np.random.default_rng(seed).integers(0, 256, (rows, side, side))
    pixels[:, [0, 0, -1, -1], [0, -1, 0, -1]] = 0
    return pixels.reshape(rows, -1)


LABELS = np.arange(40) % 3 + 5
IDS = np.arange(40) + 100


@pytest.mark.parametrize("layout", ["l p", "p l", "i l p", "i p l"])
def test_headerless_csv_with_black_corners_needs_no_declaration(tmp_path, layout):
    parts = {"i": IDS[:, None], "l": LABELS[:, None], "p": corner_images()}
    table = np.concatenate([parts[name] for name in layout.split()], axis=1)
    pd.DataFrame(table).to_csv(tmp_path / "train.csv", header=False, index=False)
    raw = read(tmp_path / "train.csv", labelled=True)
    np.testing.assert_array_equal(raw.images.reshape(40, -1), corner_images())
    assert raw.labels.tolist() == LABELS.tolist()
    assert raw.ids is None or raw.ids.tolist() == IDS.tolist()
    assert (raw.ids is not None) == ("i" in layout)


@pytest.mark.parametrize("first", [True, False])
def test_headerless_csv_that_can_be_read_two_ways_asks(tmp_path, first):
    dense = np.random.default_rng(1).integers(0, 256, (40, 16))
    table = np.insert(dense, 0 if first else 16, LABELS, axis=1)
    np.savetxt(tmp_path / "train.csv", table, fmt="%d", delimiter=",")
    with pytest.raises(BadInput, match=r"train\.csv.*declare label_column"):
        read(tmp_path / "train.csv", labelled=True)
    raw = read(tmp_path / "train.csv", labelled=True, label_column=0 if first else -1)
    assert raw.labels.tolist() == LABELS.tolist()
    np.testing.assert_array_equal(raw.images.reshape(40, -1), dense)


def test_a_corner_that_is_seldom_lit_is_not_mistaken_for_a_label(tmp_path):
    pixels = corner_images(400)
    pixels[5, 0], pixels[6, 0] = 16, 3
    np.savetxt(tmp_path / "train.csv", np.insert(pixels, 16, np.arange(400) % 10, axis=1), fmt="%d", delimiter=",")
    assert read(tmp_path / "train.csv", labelled=True).labels[:11].tolist() == [*range(10), 0]


@pytest.mark.parametrize("rare", [1, 7])
@pytest.mark.parametrize("rows", [40, 4000])
def test_a_label_that_is_nearly_always_zero_is_not_mistaken_for_a_corner(tmp_path, rows, rare):
    dense = np.random.default_rng(1).integers(0, 256, (rows, 16))
    table = np.insert(dense, 0, rare * (np.arange(rows) % 40 == 7), axis=1)
    np.savetxt(tmp_path / "train.csv", table, fmt="%d", delimiter=",")
    with pytest.raises(BadInput, match="declare label_column"):
        read(tmp_path / "train.csv", labelled=True)


def test_headerless_test_csv_has_an_id_where_one_column_is_over(tmp_path):
    np.savetxt(tmp_path / "test.csv", np.insert(corner_images(), 0, IDS, axis=1), fmt="%d", delimiter=",")
    assert read(tmp_path / "test.csv").ids.tolist() == IDS.tolist()
    np.savetxt(tmp_path / "bare.csv", corner_images(), fmt="%d", delimiter=",")
    assert read(tmp_path / "bare.csv").ids is None


@pytest.mark.parametrize("name", ["", "index", "Unnamed: 0"])
def test_an_index_column_is_the_id_unless_there_is_an_id(tmp_path, name):
    frame = pd.DataFrame(corner_images()).add_prefix("pixel")
    frame.insert(0, "label", LABELS)
    frame.to_csv(tmp_path / "index.csv", index_label=name or False)
    assert read(tmp_path / "index.csv", labelled=True).ids.tolist() == list(range(40))
    frame.insert(0, "Id", IDS)
    frame.to_csv(tmp_path / "both.csv", index_label=name)
    raw = read(tmp_path / "both.csv", labelled=True)
    assert raw.ids.tolist() == IDS.tolist() and raw.images.shape == (40, 4, 4, 1)


def test_columns_that_pandas_numbered_are_a_header(tmp_path):
    frame = pd.DataFrame(np.arange(64).reshape(4, 16))
    (frame * 3).to_csv(tmp_path / "numbered.csv", index=False)
    np.testing.assert_array_equal(read(tmp_path / "numbered.csv").images.reshape(4, 16), frame * 3)
    frame.to_csv(tmp_path / "headerless.csv", index=False, header=False)
    np.testing.assert_array_equal(read(tmp_path / "headerless.csv").images.reshape(4, 16), frame)


def test_colour_is_found_by_count_or_declared(tmp_path):
    frame = pd.DataFrame(np.arange(24).reshape(2, 12)).add_prefix("p")
    frame.to_csv(tmp_path / "c.csv", index=False)
    assert read(tmp_path / "c.csv").images.shape == (2, 2, 2, 3)
    assert read(tmp_path / "c.csv", image=(4, 1, 3)).images.shape == (2, 4, 1, 3)
    assert read(tmp_path / "c.csv", image=(4, 3)).images.shape == (2, 4, 3, 1)
    with pytest.raises(BadInput, match=r"c\.csv.*5x5"):
        read(tmp_path / "c.csv", image=(5, 5))


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("256", "pixel 256 .*0..255"),
        ("-1", "pixel -1 .*0..255"),
        ("", "not a number"),
        ("nan", "not a"),
        ("x7", "'x7' is not a number"),
        ("0.5", "pixel_scale: 255"),
        ("1e300", "0..255"),
        ("9" * 30, "0..255"),
    ],
)
def test_a_bad_cell_is_named_with_row_and_column(tmp_path, cell, complaint):
    path = write(tmp_path / "bad.csv", f"label,p0,p1,p2,p3\na,1,2,3,4\nb,1,2,{cell},4\n")
    with pytest.raises(BadInput, match=rf"bad\.csv: row 3 of the file, column 'p2': .*{complaint}"):
        read(path, labelled=True)


@pytest.mark.parametrize("line", ["b,1,2,3,4,5", "b,1,2,3"])
def test_a_row_of_another_length_is_an_error(tmp_path, line):
    path = write(tmp_path / "bad.csv", f"label,p0,p1,p2,p3\na,1,2,3,4\n{line}\nc,1,2,3,4\n")
    with pytest.raises(BadInput, match=r"bad\.csv.*(line 3|row 3)"):
        read(path, labelled=True)


def test_fractions_count_only_with_a_scale(tmp_path):
    path = write(tmp_path / "f.csv", "label,p0,p1,p2,p3\na,0,0.5,1,0.2\n")
    with pytest.raises(BadInput, match=r"f\.csv.*declare pixel_scale: 255"):
        read(path, labelled=True)
    assert read(path, labelled=True, scale=255.0).images.ravel().tolist() == [0, 128, 255, 51]


@pytest.mark.parametrize("data", [b"", gzip.compress(b""), zip_bytes(b""), b"\n\n", b"Id,Label,p0\n"])
def test_a_csv_without_rows_is_an_error(tmp_path, data):
    with pytest.raises(BadInput, match=r"e\.csv: (the file is empty|no rows|.*not a square|.*not readable)"):
        read(write(tmp_path / "e.csv", data), labelled=True)


@pytest.mark.parametrize(
    ("text", "ids", "labels"),
    [
        ("id,class\n1,5\n0,6\n", [1, 0], [5, 6]),
        ("class,id\n5,a\n6,b\n", ["a", "b"], [5, 6]),
        ("name,kind\n007,cat\n008,dog\n", ["007", "008"], ["cat", "dog"]),
        ("label\n3\n4\n", None, [3, 4]),
        ("0,5\n1,6\n", [0, 1], [5, 6]),
        (",label\n0,NA\n1,None\n", [0, 1], ["NA", "None"]),
    ],
)
def test_label_csv(tmp_path, text, ids, labels):
    table = read_labels(write(tmp_path / "labels.csv", text), Split(images="-"))
    assert (None if table.ids is None else table.ids.tolist()) == ids
    assert table.labels.tolist() == labels


def test_label_csv_that_leaves_the_label_open_asks(tmp_path):
    path = write(tmp_path / "labels.csv", "id,shape,colour\n0,square,red\n1,round,red\n")
    with pytest.raises(BadInput, match=r"labels\.csv.*declare label_column"):
        read_labels(path, Split(images="-"))
    assert read_labels(path, Split(images="-", label_column="colour")).labels.tolist() == ["red", "red"]
    with pytest.raises(BadInput, match=r"labels\.csv.*'size'.*id, shape, colour"):
        read_labels(path, Split(images="-", label_column="size"))


def test_an_empty_label_is_an_error(tmp_path):
    with pytest.raises(BadInput, match=r"labels\.csv: the label of row 1 .*empty"):
        read_labels(write(tmp_path / "labels.csv", "id,class\n0,5\n1,\n"), Split(images="-"))


def entry(sample):
    split = Split(images="-")
    return Task(ingest=Ingest(folder=str(sample.parent), train=split, test=split, sample_submission=sample.name))


def test_sample_submission_ids(tmp_path):
    path = write(tmp_path / "sample.csv", gzip.compress(b"ImageId,Label\n007,0\n010,0\n"))
    assert read_sample(entry(path)).ids.tolist() == ["007", "010"]
    with pytest.raises(BadInput, match=r"twice\.csv: id 3 occurs twice"):
        read_sample(entry(write(tmp_path / "twice.csv", "id,class\n3,0\n3,0\n")))
    last = write(tmp_path / "last.csv", "dog,cat,image\n0.2,0.1,b\n0.3,0.7,a\n")
    assert read_sample(entry(last)).ids.tolist() == ["b", "a"]


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1))
def test_whole_numbers_stay_whole_however_they_come(numbers):
    for values in (np.array(numbers), np.array(numbers, float), np.array([str(number) for number in numbers])):
        tidied = tidy(values)
        assert tidied.dtype == np.int64 and tidied.tolist() == numbers


@pytest.mark.parametrize("text", ["{cell},label\n1,2\n", "id,label\n{cell},2\n", "id,label\n1,{cell}\n3,\n"])
def test_a_huge_cell_ends_in_one_short_sentence(tmp_path, text):
    path = write(tmp_path / "huge.csv", text.format(cell="x\x1b" * 3_000_000))
    with pytest.raises(BadInput, match=r"huge\.csv: ") as caught:
        read_labels(path, Split(images="-"))
    assert len(str(caught.value)) <= 300 and str(caught.value).isprintable()


def test_a_line_without_end_is_not_read_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.readers.csv_table._LINE_CHARACTERS", 1000)
    with pytest.raises(BadInput, match=r"long\.csv: a line of 1000 characters or more"):
        read_labels(write(tmp_path / "long.csv", "1," * 1000), Split(images="-"))


def test_an_id_of_five_million_characters_is_refused_before_numpy_makes_room_for_it():
    with pytest.raises(
        ValueError, match=r"the id of row 1 \(counted from 0\) has 5000000 characters, expected at most"
    ):
        tidy(np.array(["a", "x" * 5_000_000, "b"], object), "id")
