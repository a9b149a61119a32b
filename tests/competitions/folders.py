"""Competitions whose folders or file names say more than usual: the label, or which images belong to which split."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests.competitions.pictures import cycle, names, write_pictures
from tests.competitions.tables import TEST_ROWS, TRAIN_ROWS, indicators, one_column, with_sample, write_csv


def alaska2(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Each class is a folder with the same file names; the last three are one class."""
    for kind, name in enumerate(("Cover", "JMiPOD", "JUNIWARD", "UERD")):
        ids = [f"{row + 1:05d}" for row in range(TRAIN_ROWS // 4)]
        write_pictures(folder, f"{name}/{{}}.jpg", ids, [kind] * len(ids), rng, mixed=False)
    truth, test = cycle(TEST_ROWS, 4), [f"{row + 1:04d}.jpg" for row in range(TEST_ROWS)]
    write_pictures(folder, "Test/{}", test, truth, rng, mixed=False)
    answers = one_column("Id", "Label", lambda kind: int(kind > 0))(test, truth)
    return with_sample(answers, folder / "sample_submission.csv", 0)


def dogs_vs_cats(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """The label is in the file name."""
    for kind, name in enumerate(("cat", "dog")):
        write_pictures(folder, f"train/{name}.{{}}.jpg", range(24), [kind] * 24, rng)
    truth, test = cycle(TEST_ROWS, 2), list(range(1, TEST_ROWS + 1))
    write_pictures(folder, "test/{}.jpg", test, truth, rng)
    return with_sample(one_column("id", "label")(test, truth), folder / "sample_submission.csv", 0.5)


def iwildcam_2019(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Training and test images come from different places."""
    categories, kinds, truth = (0, 1, 3, 19), cycle(TRAIN_ROWS, 4), cycle(TEST_ROWS, 4)
    train, test = names("588", TRAIN_ROWS), names("589", TEST_ROWS, 99)
    write_pictures(folder, "train_images/{}.jpg", train, kinds, rng)
    write_pictures(folder, "test_images/{}.jpg", test, truth, rng)

    def table(ids: list[str], first_location: int) -> pd.DataFrame:
        locations = [first_location + row // 4 % 6 for row in range(len(ids))]
        files = [f"{image_id}.jpg" for image_id in ids]
        columns = {"file_name": files, "frame_num": 1, "id": ids, "location": locations}
        return pd.DataFrame({"date_captured": "2011-05-13 23:43:18"} | columns)

    train_table = table(train, 20)
    train_table.insert(0, "category_id", [categories[kind] for kind in kinds])
    write_csv(train_table, folder / "train.csv")
    write_csv(table(test, 90), folder / "test.csv")
    answers = one_column("Id", "Predicted", categories.__getitem__)(test, truth)
    return with_sample(answers, folder / "sample_submission.csv", 0)


def leaf(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """One folder has the training and the test images."""
    species = ["Acer_Capillipes", "Acer_Circinatum", "Alnus_Rubra", "Quercus_Suber"]
    kinds, order = cycle(TRAIN_ROWS + TEST_ROWS, 4), rng.permutation(TRAIN_ROWS + TEST_ROWS).tolist()
    ids = [1 + place for place in order]
    write_pictures(folder, "images/{}.jpg", ids, kinds, rng, mode="L")
    measured = {f"{kind}{n}": rng.random(len(ids)) / 64 for kind in ("margin", "shape", "texture") for n in (1, 2)}
    table = one_column("id", "species", species.__getitem__)(ids, kinds).assign(**measured)
    write_csv(table[:TRAIN_ROWS], folder / "train.csv")
    write_csv(table[TRAIN_ROWS:].drop(columns="species"), folder / "test.csv")
    answers = indicators("id", species)(ids[TRAIN_ROWS:], kinds[TRAIN_ROWS:])
    return with_sample(answers, folder / "sample_submission.csv", 1 / 99)


def plant_seedlings(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Each class is a folder."""
    species = ("Black-grass", "Common Chickweed", "Small-flowered Cranesbill", "Sugar beet")
    for kind, name in enumerate(species):
        write_pictures(folder, f"train/{name}/{{}}.png", names("0", 12, 20 * kind), [kind] * 12, rng)
    test, truth = names("f", TEST_ROWS, 99, ".png"), cycle(TEST_ROWS, 4)
    write_pictures(folder, "test/{}", test, truth, rng)
    answers = one_column("file", "species", species.__getitem__)(test, truth)
    return with_sample(answers, folder / "sample_submission.csv", "Sugar beet")


WRITERS = {
    "alaska2-image-steganalysis": alaska2,
    "dogs-vs-cats-redux-kernels-edition": dogs_vs_cats,
    "iwildcam-2019-fgvc6": iwildcam_2019,
    "leaf-classification": leaf,
    "plant-seedlings-classification": plant_seedlings,
}
