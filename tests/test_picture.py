"""Members of tasks whose labels are sums, from training to the picture of what they see."""

import numpy as np
import pytest
from PIL import Image

from pipeline import picture, predict, prepare, roster, split, train, tune
from pipeline.config.schema import load_params
from pipeline.storage import paths
from pipeline.storage.files import BadInput, save_array, save_json
from pipeline.storage.predictions import load_predictions
from pipeline.storage.task_data import TaskData
from tests.projects import member, task, write_params

pytestmark = pytest.mark.slow

SIZE, CORNERS = 6, ((1, 2), (5, 14))  # of two squares whose brightness is their price
MEMBERS = {
    "located": member("sums", input="items", training={"epochs": 1}),
    "grid": member("sums", "resnet", head="grid", options={"stem_filters": 4, "filters": [8]}, training={"epochs": 1}),
    "whole": member("sums"),
}


def squares(rng, n):
    images, prices = np.zeros((n, 12, 24, 1), np.uint8), rng.integers(1, 3, (n, 2))
    for (top, left), column in zip(CORNERS, prices.T, strict=True):
        images[:, top : top + SIZE, left : left + SIZE, 0] = 100 * column[:, None, None] + rng.integers(
            -20, 20, (n, SIZE, SIZE)
        )
    return images, prices.sum(axis=1)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a task whose members that see items are trained."""
    root = tmp_path_factory.mktemp("sums")
    items = {"count": 2, "size_pixels": [SIZE, SIZE], "prices": [1, 2]}
    write_params(
        root, {"sums": task("raw", split={"count": 1, "holdout_share": 0.5}, prepare={"items": items})}, MEMBERS
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        folder = paths.arrays("sums")
        folder.mkdir(parents=True)
        images, sums = squares(np.random.default_rng(0), 80)
        save_array(folder / "train_images.npy", images)
        save_array(folder / "test_images.npy", images[:8])
        save_array(folder / "train_labels.npy", sums - 2)
        save_array(folder / "train_ids.npy", np.arange(80))
        save_array(folder / "test_ids.npy", np.arange(8))
        save_json(folder / "about.json", {"classes": [2, 3, 4], "image": [12, 24, 1]})
        params = load_params(paths.PARAMS)
        prepare.prepare(params, "sums")
        split.split(params, "sums")
        roster.roster(params)
        for name in MEMBERS:
            tune.tune(params, name)
        for name in ("located", "grid"):
            train.train(params, name)
    return root


@pytest.fixture(autouse=True)
def inside(project, monkeypatch):
    monkeypatch.chdir(project)


@pytest.mark.parametrize("name", ["located", "grid"])
def test_the_way_from_images_to_probabilities_of_sums(name):
    predict.predict(load_params(paths.PARAMS), name)
    for part in ("oof", "test"):
        member_predictions = load_predictions(paths.predictions("sums", name) / f"{part}.npz")
        assert member_predictions.classes == [2, 3, 4]
        assert np.allclose(member_predictions.probabilities.sum(axis=1), 1, atol=1e-5)


def test_located_items_are_framed_where_they_are():
    examples = picture.validation_predictions(load_params(paths.PARAMS), "located")
    held_out = TaskData("sums").folds == 0
    assert [example.label for example in examples] == (
        np.load("artifacts/sums/arrays/train_labels.npy")[held_out] + 2
    ).tolist()
    for example in examples:
        assert [item.box for item in example.items] == [(t, left, t + SIZE, left + SIZE) for t, left in CORNERS]
        assert all(item.price in (1, 2) and 0.5 <= item.probability <= 1 for item in example.items)
        assert example.predicted_label in (2, 3, 4) and 1 / 3 < example.probability <= 1


def test_the_cells_that_show_something_are_framed():
    examples = picture.validation_predictions(load_params(paths.PARAMS), "grid")
    for example in examples:
        for item in example.items:
            top, left, bottom, right = item.box
            assert 0 <= top < bottom <= 12 and 0 <= left < right <= 24
            assert item.price in (1, 2) and 0.25 < item.probability <= 1


def test_the_command_writes_a_picture(tmp_path, capsys):
    picture.main(["located", str(tmp_path / "seen.png")])
    printed = capsys.readouterr().out
    assert f"picture: {tmp_path / 'seen.png'}" in printed and "of 40 validation images" in printed
    with Image.open(tmp_path / "seen.png") as page:
        assert page.format == "PNG" and len(page.convert("RGB").getcolors(1 << 20)) > 10


def test_a_member_that_sees_no_items_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        picture.main(["whole", str(tmp_path / "seen.png")])
    expected = "picture: error: params.yaml: members.whole predicts no items, expected 'input: items' or 'head: grid'\n"
    assert capsys.readouterr().err == expected
    assert not list(tmp_path.iterdir())


def test_models_of_other_folds_are_refused():
    params = load_params(paths.PARAMS)
    folds_text = paths.folds("sums").read_text()
    try:
        paths.folds("sums").write_text(folds_text.replace(",0", ",9").replace(",-1", ",0").replace(",9", ",-1"))
        with pytest.raises(BadInput, match="trained on other folds"):
            picture.validation_predictions(params, "grid")
    finally:
        paths.folds("sums").write_text(folds_text)
