"""Raw files of every form, wild ones included, come back as the images, ids and labels that were written."""

import gzip
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from pipeline.config import Split
from pipeline.contracts import BadInput
from pipeline.readers.csv_labels import read_labels, read_sample_ids
from pipeline.readers.formats import read_split
from pipeline.readers.pickles import read_pickle
from pipeline.readers.raw import tidy

QUICK = settings(max_examples=100, deadline=None)
# What Python 2 and its numpy wrote for array([[1, 2], [3, 200]], uint8).
PYTHON2_PROTOCOL0 = (
    b"cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\nRp5\n"
    b"(I1\n(I2\nI2\ntp6\ncnumpy\ndtype\np7\n(S'u1'\np8\nI0\nI1\ntp9\nRp10\n"
    b"(I3\nS'|'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\nS'\\x01\\x02\\x03\\xc8'\np13\ntp14\nb."
)
PYTHON2_PROTOCOL2 = (
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01K\x02K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
    b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x04\x00\x00\x00\x01\x02\x03\xc8tb."
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("raw")


def read(path, image=None, scale=1.0, labelled=False, **columns):
    return read_split(Path(path), Split(str(path), **columns), image, scale, labelled)


def write(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def zipped(data, name="data"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


PACKINGS = {"plain": bytes, "gzip": gzip.compress, "zip": zipped}


# CSV


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
    table = np.concatenate([parts[each] for each in layout.split()], axis=1)
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


@pytest.mark.parametrize("data", [b"", gzip.compress(b""), zipped(b""), b"\n\n", b"Id,Label,p0\n"])
def test_a_csv_without_rows_is_an_error(tmp_path, data):
    with pytest.raises(BadInput, match=r"e\.csv: (the file is empty|no rows|.*not a square|.*not readable)"):
        read(write(tmp_path / "e.csv", data), labelled=True)


@QUICK
@given(data=st.binary(min_size=1, max_size=200), suffix=st.sampled_from([".csv", ".pkl", ".npz"]))
def test_any_bytes_are_read_or_refused_in_one_sentence(folder, data, suffix):
    path = write(folder / f"wild{suffix}", data)
    try:
        raw = read(path, labelled=True)
    except BadInput as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
    else:
        assert raw.images.dtype == np.uint8 and raw.images.ndim == 4


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
    found_ids, found_labels = read_labels(write(tmp_path / "labels.csv", text), Split(""))
    assert (None if found_ids is None else found_ids.tolist()) == ids
    assert found_labels.tolist() == labels


def test_label_csv_that_leaves_the_label_open_asks(tmp_path):
    path = write(tmp_path / "labels.csv", "id,shape,colour\n0,square,red\n1,round,red\n")
    with pytest.raises(BadInput, match=r"labels\.csv.*declare label_column"):
        read_labels(path, Split(""))
    assert read_labels(path, Split("", label_column="colour"))[1].tolist() == ["red", "red"]
    with pytest.raises(BadInput, match=r"labels\.csv.*'size'.*id, shape, colour"):
        read_labels(path, Split("", label_column="size"))


def test_an_empty_label_is_an_error(tmp_path):
    with pytest.raises(BadInput, match=r"labels\.csv: the label of row 1 .*empty"):
        read_labels(write(tmp_path / "labels.csv", "id,class\n0,5\n1,\n"), Split(""))


def test_sample_submission_ids(tmp_path):
    path = write(tmp_path / "sample.csv", gzip.compress(b"ImageId,Label\n007,0\n010,0\n"))
    assert read_sample_ids(path).tolist() == ["007", "010"]
    with pytest.raises(BadInput, match=r"twice\.csv: id 3 stands twice"):
        read_sample_ids(write(tmp_path / "twice.csv", "id,class\n3,0\n3,0\n"))


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1))
def test_whole_numbers_stay_whole_however_they_come(numbers):
    for values in (np.array(numbers), np.array(numbers, float), np.array([str(each) for each in numbers])):
        tidied = tidy(values)
        assert tidied.dtype == np.int64 and tidied.tolist() == numbers


# Pickles, npy, npz

ARRAYS = hnp.arrays(
    st.sampled_from([np.uint8, np.dtype(">u2"), np.int64, np.float32, bool]),
    hnp.array_shapes(min_dims=3, max_dims=4, max_side=5),
)


@QUICK
@given(array=ARRAYS, protocol=st.integers(0, 5), fortran=st.booleans(), packing=st.sampled_from(sorted(PACKINGS)))
def test_pickles_of_every_protocol_come_back(folder, array, protocol, fortran, packing):
    array = np.asfortranarray(array) if fortran else array
    found = read_pickle(write(folder / "any.pkl", PACKINGS[packing](pickle.dumps(array, protocol))))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("data", [PYTHON2_PROTOCOL0, PYTHON2_PROTOCOL2])
def test_pickles_of_python_2_come_back(tmp_path, data):
    raw = read(write(tmp_path / "Train.pkl", data), image=(2, 1))
    np.testing.assert_array_equal(raw.images, np.array([[[[1]], [[2]]], [[[3]], [[200]]]], np.uint8))


class Malicious:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_run_a_command_does_not(tmp_path, protocol):
    trace = tmp_path / "it-ran"
    path = write(tmp_path / "evil.pkl", pickle.dumps(Malicious(f"touch {trace}"), protocol))
    with pytest.raises(BadInput, match=r"evil\.pkl: the pickle holds (posix|nt)\.system, expected a numpy array"):
        read(path)
    assert not trace.exists()
    with path.open("rb") as file:  # the same bytes are live to the ordinary unpickler
        pickle.load(file)
    assert trace.exists()


@pytest.mark.parametrize(
    ("thing", "found"),
    [
        ({"images": 1}, "a dict"),
        ([np.zeros((2, 2))], "a list"),
        (pd.DataFrame({"a": [1]}), "pandas"),
        (np.array([{}, []], object), "dtype 'O8'"),
        (np.array(["a", "b"]), "dtype 'U1'"),
        (np.float64(3), "scalar"),
        (np.ma.masked_array([1]), "numpy.ma"),
        ("touch", "a str"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_a_pickle_of_anything_else_is_named(tmp_path, thing, found, protocol):
    with pytest.raises(BadInput, match=rf"other\.pkl: the pickle holds .*{found}"):
        read(write(tmp_path / "other.pkl", pickle.dumps(thing, protocol)))


def test_only_latin_1_may_be_encoded(tmp_path):
    path = write(tmp_path / "rot.pkl", b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.")
    with pytest.raises(BadInput, match=r"rot\.pkl: .*'rot13'"):
        read(path)


@pytest.mark.parametrize("protocol", range(6))
def test_a_truncated_pickle_is_an_error_wherever_it_ends(tmp_path, protocol):
    whole = pickle.dumps(np.arange(48, dtype=np.uint8).reshape(3, 4, 4), protocol)
    for end in range(1, len(whole)):
        with pytest.raises(BadInput, match=r"cut\.pkl"):
            read(write(tmp_path / "cut.pkl", whole[:end]))


@QUICK
@given(protocol=st.integers(0, 5), place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_pickle_with_a_wrong_byte_is_read_or_refused(folder, protocol, place, value):
    data = bytearray(pickle.dumps(np.arange(48, dtype=np.uint8).reshape(3, 4, 4), protocol))
    data[int(place * len(data))] = value
    path = write(folder / "wrong.pkl", bytes(data))
    try:
        found = read_pickle(path)
    except BadInput as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
    else:
        assert found.dtype.kind in "biuf"


def test_a_pickle_that_lies_about_its_shape_is_an_error(tmp_path):
    data = PYTHON2_PROTOCOL2.replace(b"K\x02K\x02\x86", b"K\x02" + b"J" + struct.pack("<i", 10**6) + b"\x86")
    with pytest.raises(BadInput, match=r"lie\.pkl: truncated or corrupt pickle"):
        read(write(tmp_path / "lie.pkl", data))


def saved(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("packing", sorted(PACKINGS))
def test_npy(tmp_path, packing):
    images = np.arange(12, dtype=np.int32).reshape(3, 2, 2)
    packed = zipped(saved(images), "x.npy") if packing == "zip" else PACKINGS[packing](saved(images))
    np.testing.assert_array_equal(read(write(tmp_path / "x", packed)).images[..., 0], images)


def test_npz_keys_are_found_or_declared(tmp_path):
    images, labels = np.zeros((3, 2, 2), np.uint8), np.array([5, 6, 5])
    np.savez(tmp_path / "a.npz", x=images, y=labels, ids=[7, 8, 9])
    raw = read(tmp_path / "a.npz")
    assert raw.labels.tolist() == [5, 6, 5] and raw.ids.tolist() == [7, 8, 9]
    np.savez_compressed(tmp_path / "b.npz", x=images, z=images + 1, kinds=labels)
    with pytest.raises(BadInput, match=r"b\.npz: 2 arrays .*declare images_key"):
        read(tmp_path / "b.npz")
    raw = read(tmp_path / "b.npz", images_key="z")
    assert raw.images.max() == 1 and raw.labels.tolist() == [5, 6, 5]
    with pytest.raises(BadInput, match=r"b\.npz: images_key 'w'.*x \(3, 2, 2\)"):
        read(tmp_path / "b.npz", images_key="w")


def test_npz_and_npy_never_unpickle(tmp_path):
    objects = np.array([Malicious("true"), None], object)
    np.savez(tmp_path / "o.npz", x=objects.reshape(2, 1))
    np.save(tmp_path / "o.npy", objects)
    for name in ("o.npz", "o.npy"):
        with pytest.raises(BadInput, match=rf"{name}.*[Oo]bject"):
            read(tmp_path / name)


def whole_files():
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4)).astype(np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=images, y=np.arange(20))
    csv = pd.DataFrame(images.reshape(20, 16)).add_prefix("p").to_csv().encode()
    return {
        "a.npz": buffer.getvalue(),
        "a.npy": saved(images),
        "a.csv.gz": gzip.compress(csv),
        "a.csv.zip": zipped(csv, "a.csv"),
        "a.pkl.gz": gzip.compress(pickle.dumps(images)),
    }


@pytest.mark.parametrize("name", sorted(whole_files()))
def test_a_truncated_file_is_an_error(tmp_path, name):
    whole = whole_files()[name]
    assert read(write(tmp_path / name, whole)).images.shape == (20, 4, 4, 1)
    for share in (0.3, 0.6, 0.95):
        with pytest.raises(BadInput, match=name):
            read(write(tmp_path / name, whole[: int(share * len(whole))]))


@pytest.mark.parametrize("name", ["a.npz", "a.csv.zip", "a.csv.gz"])
def test_a_file_with_a_flipped_byte_is_an_error(tmp_path, name):
    data = bytearray(whole_files()[name])
    data[len(data) // 3] ^= 0xFF
    with pytest.raises(BadInput, match=name):
        read(write(tmp_path / name, bytes(data)))


def test_a_zip_of_two_files_is_an_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "label,p0\n")
        archive.writestr("b.csv", "label,p0\n")
    with pytest.raises(BadInput, match=r"two\.zip: the zip holds 2 files"):
        read(tmp_path / "two.zip")


@pytest.mark.parametrize(
    ("shape", "image", "complaint"),
    [
        ((3, 4, 5), (4, 4), "4x5x1, expected 4x4"),
        ((3, 4, 4, 2), None, "1 or 3 channels"),
        ((3,), None, r"shape \(3,\)"),
        ((0, 4, 4), None, r"shape \(0, 4, 4\)"),
        ((3, 10), None, "10 pixels a row .*declare image"),
    ],
)
def test_a_wrong_shape_is_an_error(tmp_path, shape, image, complaint):
    path = write(tmp_path / "shape.pkl", pickle.dumps(np.zeros(shape, np.uint8)))
    with pytest.raises(BadInput, match=rf"shape\.pkl.*{complaint}"):
        read(path, image=image)


# Folders of images


def picture(path, value=9, mode="L", size=(3, 2)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value,) * 3 if isinstance(value, int) else value).convert(mode).save(path)


def test_a_flat_folder_is_sorted_by_number(tmp_path):
    for number in (10, 9, 1):
        picture(tmp_path / f"img{number}.png", number)
    picture(tmp_path / ".hidden.png")
    write(tmp_path / "notes.txt", "not an image")
    raw = read(tmp_path)
    assert raw.files == ("img1.png", "img9.png", "img10.png") and raw.labels is None
    assert raw.images.shape == (3, 2, 3, 1) and raw.images[:, 0, 0, 0].tolist() == [1, 9, 10]


def test_subfolders_are_labels(tmp_path):
    for name in ("dog/1.png", "cat/1.jpg", "cat/2.BMP"):
        picture(tmp_path / name)
    raw = read(tmp_path)
    assert raw.files == ("cat/1.jpg", "cat/2.BMP", "dog/1.png")
    assert raw.labels.tolist() == ["cat", "cat", "dog"]
    picture(tmp_path / "stray.png")
    with pytest.raises(BadInput, match=r"stray\.png"):
        read(tmp_path)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_modes(tmp_path, mode):
    picture(tmp_path / "a.png", (255, 0, 0), mode)
    assert read(tmp_path).images[0, 0, 0].tolist() == [255, 0, 0]
    assert read(tmp_path, image=(2, 3, 1)).images.shape == (1, 2, 3, 1)


def test_a_grey_palette_is_grey(tmp_path):
    picture(tmp_path / "a.png", 51, "P")
    assert read(tmp_path).images.tolist() == [[[[51]] * 3] * 2]


def test_colour_after_grey_is_an_error(tmp_path):
    picture(tmp_path / "1.png")
    picture(tmp_path / "2.png", (255, 0, 0), "RGB")
    with pytest.raises(BadInput, match=r"2\.png: a colour image.*declare image"):
        read(tmp_path)
    assert read(tmp_path, image=(2, 3, 3)).images.shape == (2, 2, 3, 3)


def test_an_image_of_another_size_is_named(tmp_path):
    picture(tmp_path / "1.png")
    picture(tmp_path / "2.png", size=(4, 4))
    with pytest.raises(BadInput, match=r"2\.png: the image is 4x4, expected 2x3"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp"])
def test_a_corrupt_image_is_named(tmp_path, name):
    picture(tmp_path / name, size=(40, 40))
    whole = (tmp_path / name).read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"nonsense"):
        with pytest.raises(BadInput, match=name):
            read(write(tmp_path / name, data).parent)


def test_deep_pixels_are_refused(tmp_path):
    Image.fromarray(np.full((2, 3), 60000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(BadInput, match=r"deep\.png.*8 bits"):
        read(tmp_path)


def test_a_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(BadInput, match=f"{tmp_path}: no images"):
        read(tmp_path)
