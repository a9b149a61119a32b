"""DICOM files look as their window says, and each product of a BSON file is shown by its first picture."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.storage.files import BadInput
from tests.competitions import products, radiology
from tests.needs import need_module
from tests.raw_files import read, write

VALUES = np.arange(0, 4096, 128, dtype=np.uint16).reshape(4, 8)


def dicom(path, **attributes):
    need_module("pydicom", "pip install '.[dicom]'")
    from pydicom import dcmread

    radiology.write_dicom(path, 0, np.random.default_rng(0))
    data = dcmread(path)
    data.Rows, data.Columns = VALUES.shape
    data.PixelData = VALUES.tobytes()
    for name, value in attributes.items():
        setattr(data, name, value)
    data.save_as(path)
    return read(path.parent).images[0, ..., 0]


def test_without_a_window_all_values_are_shown(tmp_path):
    expected = np.rint(VALUES / VALUES.max() * 255)
    np.testing.assert_array_equal(dicom(tmp_path / "1.dcm"), expected)
    inverted = dicom(tmp_path / "1.dcm", PhotometricInterpretation="MONOCHROME1")
    assert np.abs(inverted - (255 - expected)).max() <= 1


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_a_window_shows_what_lies_in_it(tmp_path, kind):
    pixels = dicom(
        tmp_path / "1.dcm",
        **{"WindowCenter": 0, "WindowWidth": 1000, "RescaleSlope": 1, "RescaleIntercept": -1024},
        PhotometricInterpretation=kind,
    )
    hounsfield = VALUES.astype(float) - 1024
    expected = ((hounsfield + 0.5) / 999 + 0.5).clip(0, 1) * 255  # DICOM PS3.3, C.11.2.1.2
    assert np.abs(pixels - (255 - expected if kind == "MONOCHROME1" else expected)).max() <= 1


def test_a_damaged_dicom_file_is_named(tmp_path):
    need_module("pydicom", "pip install '.[dicom]'")
    write(tmp_path / "1.dcm", b"no dicom")
    with pytest.raises(BadInput, match=r"1\.dcm: not readable as an image"):
        read(tmp_path)


def picture(colour):
    file = io.BytesIO()
    Image.new("RGB", (6, 4), colour).save(file, "PNG")
    return {"picture": file.getvalue()}


def bson(*documents):
    return b"".join(map(products.bson, documents))


def test_products_with_pictures(tmp_path):
    products = [
        {"_id": 7, "category_id": 1000000237, "imgs": [picture("red"), picture("blue")]},
        {"_id": 3, "category_id": 1000004141, "imgs": [picture("lime")]},
    ]
    path = write(tmp_path / "train.bson", bson(*products))
    raw = read(path, labelled=True)
    assert raw.ids.tolist() == [7, 3] and raw.labels.tolist() == [1000000237, 1000004141]
    assert raw.images[:, 0, 0].tolist() == [[255, 0, 0], [0, 255, 0]]
    assert raw.remark == "; the first picture of each product, without 1 others of train.bson"
    assert read(path, image=(2, 3), fit="stretch").images.shape == (2, 2, 3, 3)
    assert read(path).labels is None


def test_all_pictures_of_products_are_rows_with_a_column(tmp_path):
    products = [
        {"_id": 7, "category_id": 1, "imgs": [picture("red"), picture("blue")]},
        {"_id": 9, "category_id": 2, "imgs": [picture("blue")]},
    ]
    path = write(tmp_path / "train.bson", bson(*products))
    raw = read(path, labelled=True, all_pictures=True)
    assert raw.ids.tolist() == ["7_0", "7_1", "9_0"] and raw.labels.tolist() == [1, 1, 2]
    assert raw.columns["_id"].tolist() == ["7", "7", "9"] and len(raw.images) == 3


@pytest.mark.parametrize("end", [3, 40, -1])
def test_a_truncated_bson_file_is_named(tmp_path, end):
    data = bson({"_id": 7, "category_id": 1, "imgs": [picture("red")]})
    with pytest.raises(BadInput, match=r"train\.bson: truncated or damaged BSON at byte 0"):
        read(write(tmp_path / "train.bson", data[:end]), labelled=True)
