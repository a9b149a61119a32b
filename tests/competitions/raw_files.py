"""Write the raw files of each competition, tiny, with its real names of files and columns.

Every writer gets an empty folder and returns the answers: the sample submission's table with the true values. The class
of an image is the place and the colour of a bright square, so a small network learns it. Sizes are mixed where the
competition's are.
"""

import io
import json
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

TRAIN_ROWS, TEST_ROWS = 48, 16
SIDE = 32
Writer = Callable[[Path, np.random.Generator], pd.DataFrame]


def pixels(kinds: Iterable[int], rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return an image, uint8 (height, width, 3), with a bright square for each kind, 0 to 15."""
    image = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
    for kind in kinds:
        top, left = (kind // 4) * height // 4, (kind % 4) * width // 4
        image[top : top + height // 4, left : left + width // 4, kind % 3] = 255
    return image


def write_image(
    path: Path, kinds: Iterable[int], rng: np.random.Generator, mixed: bool = True, mode: str = "RGB"
) -> None:
    """Write an image, of a random size if `mixed`, in the format of the path's suffix."""
    height, width = rng.integers(SIDE - 8, SIDE + 24, 2) if mixed else (SIDE, SIDE)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(kinds, rng, int(height), int(width))).convert(mode).save(path)


def cycle(count: int, classes: int) -> list[int]:
    """Return class indices, each class as often as every other."""
    return [row % classes for row in range(count)]


def names(prefix: str, count: int, start: int = 0) -> list[str]:
    """Return unlike ids, as hexadecimal digests look."""
    return [f"{prefix}{(start + row) * 2654435761 % 2**32:08x}" for row in range(count)]


def sample_of(answers: pd.DataFrame, **constant: object) -> pd.DataFrame:
    """Return the sample submission of answers: every value is that of its column in `constant`."""
    return answers.assign(**constant)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table, without its index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


def folders_of(
    folder: Path, rng: np.random.Generator, kinds: list, ids: list, path: str, mixed: bool = True, mode: str = "RGB"
) -> None:
    """Write an image for each id, at `path` with the id in place of {}. A kind is a class index or a list of them."""
    for kind, image_id in zip(kinds, ids, strict=True):
        write_image(folder / path.format(image_id), kind if isinstance(kind, list) else [kind], rng, mixed, mode)


def aerial_cactus(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    train, test = [f"{name}.jpg" for name in names("", TRAIN_ROWS)], [f"{name}.jpg" for name in names("", 16, 100)]
    kinds, truth = [int(k < 3) for k in cycle(TRAIN_ROWS, 4)], [int(k < 3) for k in cycle(TEST_ROWS, 4)]
    folders_of(folder, rng, kinds, train, "train/{}", mixed=False)
    folders_of(folder, rng, truth, test, "test/{}", mixed=False)
    write_csv(pd.DataFrame({"id": train, "has_cactus": kinds}), folder / "train.csv")
    answers = pd.DataFrame({"id": test, "has_cactus": truth})
    write_csv(sample_of(answers, has_cactus=0.5), folder / "sample_submission.csv")
    return answers


def alaska2(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    for kind, name in enumerate(("Cover", "JMiPOD", "JUNIWARD", "UERD")):
        ids = [f"{row + 1:05d}" for row in range(TRAIN_ROWS // 4)]
        folders_of(folder, rng, [kind] * len(ids), ids, f"{name}/{{}}.jpg", mixed=False)
    truth, test = cycle(TEST_ROWS, 4), [f"{row + 1:04d}.jpg" for row in range(TEST_ROWS)]
    folders_of(folder, rng, truth, test, "Test/{}", mixed=False)
    answers = pd.DataFrame({"Id": test, "Label": [int(kind > 0) for kind in truth]})
    write_csv(sample_of(answers, Label=0), folder / "sample_submission.csv")
    return answers


def aptos2019(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    train, test, kinds, truth = names("", TRAIN_ROWS), names("", TEST_ROWS, 99), cycle(TRAIN_ROWS, 5), cycle(16, 5)
    folders_of(folder, rng, kinds, train, "train_images/{}.png")
    folders_of(folder, rng, truth, test, "test_images/{}.png")
    write_csv(pd.DataFrame({"id_code": train, "diagnosis": kinds}), folder / "train.csv")
    write_csv(pd.DataFrame({"id_code": test}), folder / "test.csv")
    answers = pd.DataFrame({"id_code": test, "diagnosis": truth})
    write_csv(sample_of(answers, diagnosis=0), folder / "sample_submission.csv")
    return answers


def cassava(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    train = [f"{1_000_015_157 + 7 * row}.jpg" for row in range(TRAIN_ROWS)]
    test = [f"{2_216_849_948 + 7 * row}.jpg" for row in range(TEST_ROWS)]
    kinds, truth = cycle(TRAIN_ROWS, 5), cycle(TEST_ROWS, 5)
    folders_of(folder, rng, kinds, train, "train_images/{}", mixed=False)
    folders_of(folder, rng, truth, test, "test_images/{}", mixed=False)
    write_csv(pd.DataFrame({"image_id": train, "label": kinds}), folder / "train.csv")
    (folder / "label_num_to_disease_map.json").write_text(
        json.dumps({str(kind): f"disease {kind}" for kind in range(5)})
    )
    answers = pd.DataFrame({"image_id": test, "label": truth})
    write_csv(sample_of(answers, label=4), folder / "sample_submission.csv")
    return answers


def cdiscount(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """BSON: a product is a document with a category and up to four pictures."""
    categories = [1000000237, 1000004141, 1000010653]
    kinds, truth = cycle(TRAIN_ROWS // 2, 3), cycle(TEST_ROWS, 3)
    products = [3 * row for row in range(len(kinds))], [10 + 7 * row for row in range(len(truth))]
    with (folder / "train.bson").open("wb") as train, (folder / "test.bson").open("wb") as test:
        for product, kind in zip(products[0], kinds, strict=True):
            train.write(_bson({"_id": product, "category_id": categories[kind], "imgs": _pictures(kind, rng)}))
        for product, kind in zip(products[1], truth, strict=True):
            test.write(_bson({"_id": product, "imgs": _pictures(kind, rng)}))
    answers = pd.DataFrame({"_id": products[1], "category_id": [categories[kind] for kind in truth]})
    write_csv(sample_of(answers, category_id=categories[0]), folder / "sample_submission.csv")
    return answers


def _pictures(kind: int, rng: np.random.Generator) -> list[dict[str, bytes]]:
    pictures = []
    for _ in range(rng.integers(1, 4)):
        file = io.BytesIO()
        Image.fromarray(pixels([kind], rng, SIDE, SIDE)).save(file, "JPEG")
        pictures.append({"picture": file.getvalue()})
    return pictures


def _bson(document: dict | list) -> bytes:
    """Return a document as BSON (bsonspec.org, version 1.1), with integers, bytes, documents and arrays."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    body = b"".join(_bson_element(str(name), value) for name, value in items)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _bson_element(name: str, value: object) -> bytes:
    key = name.encode() + b"\0"
    if isinstance(value, int):
        return b"\x10" + key + struct.pack("<i", value)
    if isinstance(value, bytes):
        return b"\x05" + key + struct.pack("<i", len(value)) + b"\0" + value
    assert isinstance(value, dict | list)
    return (b"\x03" if isinstance(value, dict) else b"\x04") + key + _bson(value)


def dog_breed(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    breeds = ["affenpinscher", "afghan_hound", "african_hunting_dog", "airedale"]
    train, test, kinds, truth = names("00", TRAIN_ROWS), names("00", TEST_ROWS, 99), cycle(48, 4), cycle(16, 4)
    folders_of(folder, rng, kinds, train, "train/{}.jpg")
    folders_of(folder, rng, truth, test, "test/{}.jpg")
    write_csv(pd.DataFrame({"id": train, "breed": [breeds[kind] for kind in kinds]}), folder / "labels.csv")
    answers = _columns("id", test, truth, breeds)
    write_csv(sample_of(answers, **dict.fromkeys(breeds, 1 / 120)), folder / "sample_submission.csv")
    return answers


def _columns(id_column: str, ids: list, truth: list[int], columns: list[str]) -> pd.DataFrame:
    """Return answers with a 0/1 column for each class."""
    return pd.DataFrame({id_column: ids} | {name: [int(kind == k) for kind in truth] for k, name in enumerate(columns)})


def dogs_vs_cats(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    for kind, name in enumerate(("cat", "dog")):
        folders_of(folder, rng, [kind] * 24, list(range(24)), f"train/{name}.{{}}.jpg")
    truth, test = cycle(TEST_ROWS, 2), list(range(1, TEST_ROWS + 1))
    folders_of(folder, rng, truth, test, "test/{}.jpg")
    answers = pd.DataFrame({"id": test, "label": truth})
    write_csv(sample_of(answers, label=0.5), folder / "sample_submission.csv")
    return answers


def _coco(
    folder: Path, rng: np.random.Generator, kinds: list[int], prefix: str, pictures: str, metadata: str, first_id: int
) -> list[int]:
    """Write images and a COCO-style JSON with names relative to `pictures`; without labels for `test` in the name."""
    ids = [first_id + row for row in range(len(kinds))]
    images = [
        {
            "id": i,
            "file_name": f"{prefix}{i // 100:03d}/{i % 100:02d}/{i}.jpg",
            "width": SIDE,
            "height": SIDE,
            "location": i % 6,
        }
        for i in ids
    ]
    for image, kind in zip(images, kinds, strict=True):
        write_image(folder / pictures / str(image["file_name"]), [kind], rng)
    tree: dict[str, list] = {"images": images}
    if "test" not in metadata:
        categories = sorted(set(kinds))
        tree["annotations"] = [
            {"id": row, "image_id": i, "category_id": 10 + kind}
            for row, (i, kind) in enumerate(zip(ids, kinds, strict=True))
        ]
        tree["categories"] = [{"id": 10 + kind, "name": f"species {kind}"} for kind in categories]
    path = folder / metadata
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree))
    return ids


def _herbarium(
    folder: Path, rng: np.random.Generator, train: tuple[str, str, str], test: tuple[str, str, str]
) -> pd.DataFrame:
    kinds = [*cycle(TRAIN_ROWS, 4), 4]  # the last class has one image
    truth = cycle(TEST_ROWS, 4)
    _coco(folder, rng, kinds, *train, 0)
    ids = _coco(folder, rng, truth, *test, 0)
    answers = pd.DataFrame({"Id": ids, "Predicted": [10 + kind for kind in truth]})
    write_csv(sample_of(answers, Predicted=0), folder / "sample_submission.csv")
    return answers


def herbarium_2020(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    root = "nybg2020/{}"
    files = [("images/", root.format(part), f"{root.format(part)}/metadata.json") for part in ("train", "test")]
    return _herbarium(folder, rng, files[0], files[1])


def herbarium_2021(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    files = [("images/", part, f"{part}/metadata.json") for part in ("train", "test")]
    return _herbarium(folder, rng, files[0], files[1])


def herbarium_2022(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Of 2022, whose test metadata are a list without `images`."""
    answers = _herbarium(
        folder, rng, ("", "train_images", "train_metadata.json"), ("", "test_images", "test_metadata.json")
    )
    path = folder / "test_metadata.json"
    images = json.loads(path.read_text())["images"]
    path.write_text(json.dumps([{"image_id": image["id"], "file_name": image["file_name"]} for image in images]))
    return answers


def histopathologic(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    train, test, kinds, truth = names("f", TRAIN_ROWS), names("0", TEST_ROWS, 99), cycle(TRAIN_ROWS, 2), cycle(16, 2)
    folders_of(folder, rng, kinds, train, "train/{}.tif", mixed=False)
    folders_of(folder, rng, truth, test, "test/{}.tif", mixed=False)
    write_csv(pd.DataFrame({"id": train, "label": kinds}), folder / "train_labels.csv")
    answers = pd.DataFrame({"id": test, "label": truth})
    write_csv(sample_of(answers, label=0), folder / "sample_submission.csv")
    return answers


def hotel_id(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    hotels = [36363, 53586, 18807, 64314, 60181, 3994]
    train, test = [f"{n}.jpg" for n in names("8", TRAIN_ROWS)], [f"{n}.jpg" for n in names("9", TEST_ROWS, 99)]
    kinds, truth = cycle(TRAIN_ROWS, 6), cycle(TEST_ROWS, 6)
    for kind, name in zip(kinds, train, strict=True):
        write_image(folder / "train_images" / str(kind % 3) / name, [kind], rng)
    folders_of(folder, rng, truth, test, "test_images/{}")
    table = {"image": train, "chain": [kind % 3 for kind in kinds], "hotel_id": [hotels[kind] for kind in kinds]}
    write_csv(pd.DataFrame(table).assign(timestamp="2018-04-09 18:35:31"), folder / "train.csv")
    answers = pd.DataFrame({"image": test, "hotel_id": [hotels[kind] for kind in truth]})
    write_csv(sample_of(answers, hotel_id="36363 53586 18807 64314 60181"), folder / "sample_submission.csv")
    return answers


def _sets(count: int, classes: int, rng: np.random.Generator) -> list[list[int]]:
    """Return sets of one to three class indices, each class about as often as every other."""
    return [sorted({row % classes, *rng.integers(0, classes, rng.integers(0, 3)).tolist()}) for row in range(count)]


def imet_2020(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    train, test, kinds, truth = names("1", TRAIN_ROWS), names("2", TEST_ROWS, 99), _sets(48, 5, rng), _sets(16, 5, rng)
    folders_of(folder, rng, kinds, train, "train/{}.png")
    folders_of(folder, rng, truth, test, "test/{}.png")

    def cells(sets: list[list[int]]) -> list[str]:
        return [" ".join(str(448 + kind) for kind in some) for some in sets]

    write_csv(pd.DataFrame({"id": train, "attribute_ids": cells(kinds)}), folder / "train.csv")
    labels = pd.DataFrame({"attribute_id": range(448, 453), "attribute_name": [f"country::{k}" for k in range(5)]})
    write_csv(labels, folder / "labels.csv")
    answers = pd.DataFrame({"id": test, "attribute_ids": cells(truth)})
    write_csv(sample_of(answers, attribute_ids="448 449 450"), folder / "sample_submission.csv")
    return answers


def inaturalist_2019(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    kinds, truth = cycle(TRAIN_ROWS, 4), cycle(TEST_ROWS, 4)
    _coco(folder, rng, kinds, "train_val2019/Plants/", "", "train2019.json", 0)
    ids = _coco(folder, rng, truth, "test2019/", "", "test2019.json", 268_243)
    answers = pd.DataFrame({"id": ids, "predicted": [10 + kind for kind in truth]})
    write_csv(sample_of(answers, predicted=0), folder / "kaggle_sample_submission.csv")
    return answers


def invasive_species(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Of a competition in which training and test images have the same ids."""
    train, test = list(range(1, TRAIN_ROWS + 1)), list(range(1, TEST_ROWS + 1))
    kinds, truth = cycle(TRAIN_ROWS, 2), cycle(TEST_ROWS, 2)
    folders_of(folder, rng, kinds, train, "train/{}.jpg", mixed=False)
    folders_of(folder, rng, truth, test, "test/{}.jpg", mixed=False)
    write_csv(pd.DataFrame({"name": train, "invasive": kinds}), folder / "train_labels.csv")
    answers = pd.DataFrame({"name": test, "invasive": truth})
    write_csv(sample_of(answers, invasive=0.5), folder / "sample_submission.csv")
    return answers


def iwildcam_2019(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Of a competition whose training and test locations differ."""
    categories, kinds, truth = [0, 1, 3, 19], cycle(TRAIN_ROWS, 4), cycle(TEST_ROWS, 4)
    train, test = names("588", TRAIN_ROWS), names("589", TEST_ROWS, 99)
    folders_of(folder, rng, kinds, train, "train_images/{}.jpg")
    folders_of(folder, rng, truth, test, "test_images/{}.jpg")

    def table(ids: list[str], first_location: int) -> pd.DataFrame:
        locations = [first_location + row // 4 % 6 for row in range(len(ids))]
        return pd.DataFrame(
            {
                "date_captured": "2011-05-13 23:43:18",
                "file_name": [f"{i}.jpg" for i in ids],
                "frame_num": 1,
                "id": ids,
                "location": locations,
            }
        )

    train_table = table(train, 20)
    train_table.insert(0, "category_id", [categories[kind] for kind in kinds])
    write_csv(train_table, folder / "train.csv")
    write_csv(table(test, 90), folder / "test.csv")
    answers = pd.DataFrame({"Id": test, "Predicted": [categories[kind] for kind in truth]})
    write_csv(sample_of(answers, Predicted=0), folder / "sample_submission.csv")
    return answers


def iwildcam_2020(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    kinds, truth = cycle(TRAIN_ROWS, 4), cycle(TEST_ROWS, 4)
    _coco(folder, rng, kinds, "", "train", "iwildcam2020_train_annotations.json", 0)
    ids = _coco(folder, rng, truth, "", "test", "iwildcam2020_test_information.json", 700)
    answers = pd.DataFrame({"Id": ids, "Category": [10 + kind for kind in truth]})
    write_csv(sample_of(answers, Category=0), folder / "sample_submission.csv")
    return answers


def leaf(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """One folder has the training and the test images, black on white."""
    species = ["Acer_Capillipes", "Acer_Circinatum", "Alnus_Rubra", "Quercus_Suber"]
    kinds, order = cycle(TRAIN_ROWS + TEST_ROWS, 4), rng.permutation(TRAIN_ROWS + TEST_ROWS).tolist()
    ids = [1 + place for place in order]
    folders_of(folder, rng, kinds, ids, "images/{}.jpg", mode="L")
    train, test = ids[:TRAIN_ROWS], ids[TRAIN_ROWS:]
    table = pd.DataFrame({"id": train, "species": [species[kind] for kind in kinds[:TRAIN_ROWS]]})
    for rows, name in ((table, "train.csv"), (pd.DataFrame({"id": test}), "test.csv")):
        measured = {f"{kind}{n}": rng.random(len(rows)) / 64 for kind in ("margin", "shape", "texture") for n in (1, 2)}
        write_csv(rows.assign(**measured), folder / name)
    answers = _columns("id", test, kinds[TRAIN_ROWS:], species)
    write_csv(sample_of(answers, **dict.fromkeys(species, 1 / 99)), folder / "sample_submission.csv")
    return answers


def paddy(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    labels = ["bacterial_leaf_blight", "blast", "hispa", "normal"]
    train = [f"{100001 + row}.jpg" for row in range(TRAIN_ROWS)]
    test = [f"{200001 + row}.jpg" for row in range(TEST_ROWS)]
    kinds, truth = cycle(TRAIN_ROWS, 4), cycle(TEST_ROWS, 4)
    for kind, name in zip(kinds, train, strict=True):
        write_image(folder / "train_images" / labels[kind] / name, [kind], rng, mixed=False)
    folders_of(folder, rng, truth, test, "test_images/{}", mixed=False)
    table = pd.DataFrame({"image_id": train, "label": [labels[kind] for kind in kinds], "variety": "ADT45", "age": 45})
    write_csv(table, folder / "train.csv")
    answers = pd.DataFrame({"image_id": test, "label": [labels[kind] for kind in truth]})
    write_csv(sample_of(answers, label=""), folder / "sample_submission.csv")
    return answers


def plant_pathology_2020(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    columns, kinds, truth = ["healthy", "multiple_diseases", "rust", "scab"], cycle(TRAIN_ROWS, 4), cycle(TEST_ROWS, 4)
    train, test = [f"Train_{row}" for row in range(TRAIN_ROWS)], [f"Test_{row}" for row in range(TEST_ROWS)]
    folders_of(folder, rng, kinds, train, "images/{}.jpg", mixed=False)
    folders_of(folder, rng, truth, test, "images/{}.jpg", mixed=False)
    write_csv(_columns("image_id", train, kinds, columns), folder / "train.csv")
    write_csv(pd.DataFrame({"image_id": test}), folder / "test.csv")
    answers = _columns("image_id", test, truth, columns)
    write_csv(sample_of(answers, **dict.fromkeys(columns, 0.25)), folder / "sample_submission.csv")
    return answers


def plant_pathology_2021(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    labels = ["complex", "frog_eye_leaf_spot", "healthy", "rust", "scab"]
    train, test = [f"{n}.jpg" for n in names("8", TRAIN_ROWS)], [f"{n}.jpg" for n in names("9", TEST_ROWS, 99)]
    kinds, truth = _sets(TRAIN_ROWS, 5, rng), _sets(TEST_ROWS, 5, rng)
    folders_of(folder, rng, kinds, train, "train_images/{}")
    folders_of(folder, rng, truth, test, "test_images/{}")

    def cells(sets: list[list[int]]) -> list[str]:
        return [" ".join(labels[kind] for kind in some) for some in sets]

    write_csv(pd.DataFrame({"image": train, "labels": cells(kinds)}), folder / "train.csv")
    answers = pd.DataFrame({"image": test, "labels": cells(truth)})
    write_csv(sample_of(answers, labels="healthy"), folder / "sample_submission.csv")
    return answers


def plant_seedlings(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    species, truth = ["Black-grass", "Common Chickweed", "Small-flowered Cranesbill", "Sugar beet"], cycle(TEST_ROWS, 4)
    for kind, name in enumerate(species):
        folders_of(folder, rng, [kind] * 12, names("0", 12, 20 * kind), f"train/{name}/{{}}.png")
    test = [f"{name}.png" for name in names("f", TEST_ROWS, 99)]
    folders_of(folder, rng, truth, test, "test/{}")
    answers = pd.DataFrame({"file": test, "species": [species[kind] for kind in truth]})
    write_csv(sample_of(answers, species="Sugar beet"), folder / "sample_submission.csv")
    return answers


def ranzcr(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    columns = ["ETT - Abnormal", "ETT - Borderline", "ETT - Normal", "NGT - Abnormal", "Swan Ganz Catheter Present"]
    prefix = "1.2.826.0.1.3680043.8.498."
    train = [f"{prefix}{26697628953273228189375557799582420561 + row}" for row in range(TRAIN_ROWS)]
    test = [f"{prefix}{46923145579096002617106567297135160932 + row}" for row in range(TEST_ROWS)]
    kinds, truth = _sets(TRAIN_ROWS, 5, rng), _sets(TEST_ROWS, 5, rng)
    folders_of(folder, rng, kinds, train, "train/{}.jpg", mode="L")
    folders_of(folder, rng, truth, test, "test/{}.jpg", mode="L")

    def table(ids: list[str], sets: list[list[int]]) -> pd.DataFrame:
        truths = {name: [int(kind in some) for some in sets] for kind, name in enumerate(columns)}
        return pd.DataFrame({"StudyInstanceUID": ids} | truths)

    patients = [f"ec89415d{row // 3:02x}" for row in range(TRAIN_ROWS)]
    write_csv(table(train, kinds).assign(PatientID=patients), folder / "train.csv")
    answers = table(test, truth)
    write_csv(sample_of(answers, **dict.fromkeys(columns, 0)), folder / "sample_submission.csv")
    return answers


def _write_dicom(path: Path, kind: int, rng: np.random.Generator, photometric: str = "MONOCHROME2") -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, generate_uid()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    dicom = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    grey = pixels([kind], rng, SIDE, SIDE + int(rng.integers(0, 9))).max(axis=2).astype(np.uint16) * 16
    grey = 4095 - grey if photometric == "MONOCHROME1" else grey
    dicom.Rows, dicom.Columns = grey.shape
    dicom.SamplesPerPixel, dicom.PhotometricInterpretation = 1, photometric
    dicom.BitsAllocated, dicom.BitsStored, dicom.HighBit, dicom.PixelRepresentation = 16, 12, 11, 0
    dicom.PixelData = grey.tobytes()
    dicom.save_as(path, enforce_file_format=True)


def rsna_breast(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Several images of a breast have one answer; one breast in four has cancer here."""
    rows: dict[str, list[dict]] = {"train": [], "test": []}
    for split, patients in (("train", range(10006, 10022)), ("test", range(20000, 20008))):
        for patient in patients:
            for laterality in "LR":
                kind = int((patient + (laterality == "R")) % 4 == 0)
                for view in ("CC", "MLO"):
                    image_id = int(rng.integers(10**8, 2**31 - 1))
                    path = folder / f"{split}_images" / str(patient) / f"{image_id}.dcm"
                    _write_dicom(path, kind, rng, "MONOCHROME1" if patient % 2 else "MONOCHROME2")
                    row = {"site_id": 1, "patient_id": patient, "image_id": image_id, "laterality": laterality}
                    row |= {"view": view, "age": 61, "cancer": kind, "prediction_id": f"{patient}_{laterality}"}
                    rows[split].append(row)
    write_csv(pd.DataFrame(rows["train"]).drop(columns="prediction_id"), folder / "train.csv")
    test = pd.DataFrame(rows["test"])
    write_csv(test.drop(columns="cancer"), folder / "test.csv")
    answers = test.groupby("prediction_id", sort=False, as_index=False)["cancer"].first()
    write_csv(sample_of(answers, cancer=0.021168), folder / "sample_submission.csv")
    return answers


def rsna_miccai(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """A patient is a folder of slices in several series."""
    kinds, truth = cycle(16, 2), cycle(8, 2)
    train, test = [f"{3 * row:05d}" for row in range(16)], [f"{3 * row + 1:05d}" for row in range(8)]
    for split, patients, labels in (("train", train, kinds), ("test", test, truth)):
        for patient, kind in zip(patients, labels, strict=True):
            for series in ("FLAIR", "T1w"):
                for number in (1, 2):
                    _write_dicom(folder / split / patient / series / f"Image-{number}.dcm", kind, rng)
    write_csv(pd.DataFrame({"BraTS21ID": train, "MGMT_value": kinds}), folder / "train_labels.csv")
    answers = pd.DataFrame({"BraTS21ID": test, "MGMT_value": truth})
    write_csv(sample_of(answers, MGMT_value=0.5), folder / "sample_submission.csv")
    return answers


def seti(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Every image is an array of six spectrograms, float16."""
    train, test, kinds, truth = names("", TRAIN_ROWS), names("", TEST_ROWS, 99), cycle(TRAIN_ROWS, 2), cycle(16, 2)
    for split, ids, labels in (("train", train, kinds), ("test", test, truth)):
        for image_id, kind in zip(ids, labels, strict=True):
            path = folder / split / image_id[0] / f"{image_id}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            signal = rng.normal(0, 1, (6, 24, 20))
            signal[::2, 4:8] += 8 * kind
            np.save(path, signal.astype(np.float16))
    write_csv(pd.DataFrame({"id": train, "target": kinds}), folder / "train_labels.csv")
    answers = pd.DataFrame({"id": test, "target": truth})
    write_csv(sample_of(answers, target=0.5), folder / "sample_submission.csv")
    return answers


def siim_isic(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    train, test = ([f"ISIC_{first + 7 * row:07d}" for row in range(n)] for first, n in ((15719, 48), (52060, 16)))
    kinds, truth = [int(k == 3) for k in cycle(TRAIN_ROWS, 4)], [int(k == 3) for k in cycle(TEST_ROWS, 4)]
    folders_of(folder, rng, kinds, train, "jpeg/train/{}.jpg")
    folders_of(folder, rng, truth, test, "jpeg/test/{}.jpg")

    def table(ids: list[str]) -> pd.DataFrame:
        patients = [f"IP_{7279968 + row // 3}" for row in range(len(ids))]
        frame = pd.DataFrame({"image_name": ids, "patient_id": patients})
        known = {name: rng.choice(values, len(ids)) for name, values in described.items()}
        return frame.assign(**known)

    described = {
        "sex": ["male", "female", ""],
        "age_approx": ["45.0", "50.0", ""],
        "anatom_site_general_challenge": ["torso", "head/neck", ""],
    }

    write_csv(
        table(train).assign(benign_malignant=["malignant" if k else "benign" for k in kinds], target=kinds),
        folder / "train.csv",
    )
    write_csv(table(test), folder / "test.csv")
    answers = pd.DataFrame({"image_name": test, "target": truth})
    write_csv(sample_of(answers, target=0), folder / "sample_submission.csv")
    return answers


def statoil(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Two radar bands of 75x75 decibels, below zero, as JSON numbers."""
    kinds, truth, train, test = (
        cycle(TRAIN_ROWS, 2),
        cycle(TEST_ROWS, 2),
        names("d", TRAIN_ROWS),
        names("5", TEST_ROWS, 99),
    )

    def record(image_id: str, kind: int) -> dict:
        bands = rng.normal(-25, 2, (2, 75, 75))
        bands[:, 30:45, 30:45] += 20 * kind + 5
        flat = {f"band_{number}": band.ravel().round(4).tolist() for number, band in enumerate(bands, 1)}
        angle = "na" if rng.random() < 0.1 else round(rng.uniform(30, 45), 4)
        return {"id": image_id, **flat, "inc_angle": angle}

    records = [record(i, kind) | {"is_iceberg": kind} for i, kind in zip(train, kinds, strict=True)]
    (folder / "train.json").write_text(json.dumps(records))
    (folder / "test.json").write_text(json.dumps([record(i, kind) for i, kind in zip(test, truth, strict=True)]))
    answers = pd.DataFrame({"id": test, "is_iceberg": truth})
    write_csv(sample_of(answers, is_iceberg=0.5), folder / "sample_submission.csv")
    return answers


def whale(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """About half of the whales have one image."""
    whales = ["new_whale", "w_1287fbc", "w_98baff9", "w_7554f44", "w_1eafe46", "w_fe49bc4", "w_23a388d"]
    kinds, truth = [*cycle(TRAIN_ROWS - 2, 5), 5, 6], cycle(TEST_ROWS, 5)
    train, test = [f"{n}.jpg" for n in names("0", TRAIN_ROWS)], [f"{n}.jpg" for n in names("1", TEST_ROWS, 99)]
    folders_of(folder, rng, kinds, train, "train/{}")
    folders_of(folder, rng, truth, test, "test/{}")
    write_csv(pd.DataFrame({"Image": train, "Id": [whales[kind] for kind in kinds]}), folder / "train.csv")
    answers = pd.DataFrame({"Image": test, "Id": [whales[kind] for kind in truth]})
    write_csv(sample_of(answers, Id=" ".join(whales[:5])), folder / "sample_submission.csv")
    return answers


WRITERS: dict[str, Writer] = {
    "aerial-cactus-identification": aerial_cactus,
    "alaska2-image-steganalysis": alaska2,
    "aptos2019-blindness-detection": aptos2019,
    "cassava-leaf-disease-classification": cassava,
    "cdiscount-image-classification-challenge": cdiscount,
    "dog-breed-identification": dog_breed,
    "dogs-vs-cats-redux-kernels-edition": dogs_vs_cats,
    "herbarium-2020-fgvc7": herbarium_2020,
    "herbarium-2021-fgvc8": herbarium_2021,
    "herbarium-2022-fgvc9": herbarium_2022,
    "histopathologic-cancer-detection": histopathologic,
    "hotel-id-2021-fgvc8": hotel_id,
    "imet-2020-fgvc7": imet_2020,
    "inaturalist-2019-fgvc6": inaturalist_2019,
    "invasive-species-monitoring": invasive_species,
    "iwildcam-2019-fgvc6": iwildcam_2019,
    "iwildcam-2020-fgvc7": iwildcam_2020,
    "leaf-classification": leaf,
    "paddy-disease-classification": paddy,
    "plant-pathology-2020-fgvc7": plant_pathology_2020,
    "plant-pathology-2021-fgvc8": plant_pathology_2021,
    "plant-seedlings-classification": plant_seedlings,
    "ranzcr-clip-catheter-line-classification": ranzcr,
    "rsna-breast-cancer-detection": rsna_breast,
    "rsna-miccai-brain-tumor-radiogenomic-classification": rsna_miccai,
    "seti-breakthrough-listen": seti,
    "siim-isic-melanoma-classification": siim_isic,
    "statoil-iceberg-classifier-challenge": statoil,
    "whale-categorization-playground": whale,
}


def write(name: str, folder: Path, seed: int = 0) -> pd.DataFrame:
    """Write a competition's raw files and return the answers to its test images."""
    folder.mkdir(parents=True)
    return WRITERS[name](folder, np.random.default_rng(seed))
