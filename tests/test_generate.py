"""Generated images: each fold's from its own training rows, resumed after a kill, and used by who asks for them."""

import contextlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pipeline import generate, tune
from pipeline import train as training_stage
from pipeline.config.schema import load_params
from pipeline.storage import checkpoint as resume
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.storage.task_data import TaskData
from pipeline.storage.tuned_options import load_tuned
from pipeline.training import fold_data
from pipeline.training.fold_jobs import key_of
from tests.killed_training import Killed
from tests.projects import ROOT, member, task, to_folds, write_blobs, write_params

SMALL = {"epochs": 2, "batch_size": 16, "latent_units": 4, "filters": 4, "images_per_class": 12}


FOLDS = 2


def to_two_folds(members, **changes):
    return to_folds(members, **({"split": {"count": FOLDS}} | changes))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes members of the task `blobs` and brings it to its folds."""
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    return to_two_folds


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A folder in which two small GANs were trained."""
    folder = tmp_path_factory.mktemp("generated")
    write_blobs(folder / "raw")
    with contextlib.chdir(folder):
        generate.generate(to_two_folds({"m": using()}, generate=SMALL), "blobs")
    return folder


@pytest.fixture
def seen(monkeypatch):
    """Let GANs learn nothing, in no time, and return the batches of images that each would have seen."""
    from pipeline.training import gan_fold as generator

    batches = {}

    def note(gan, images, labels, noise):
        batches.setdefault(gan, []).append(images)
        weights = gan.generator.trainable_variables  # a step of no length, from which their average follows
        gan.generator_step.optimizer.apply([np.zeros(weight.shape, np.float32) for weight in weights], weights)
        return 0.0, 0.0

    monkeypatch.setattr(generator, "train_on", note)
    return batches


def using(share=0.5, **changes):
    return member("blobs", training={"epochs": 1} | changes.pop("training", {}), generated_share=share, **changes)


def generated_files():
    return {path.name: path.read_bytes() for path in sorted(paths.generated("blobs").iterdir())}


@pytest.mark.slow
def test_every_fold_gets_images_labels_and_a_place_in_the_record(finished):
    sets = [f"fold-{k}_{kind}.npy" for k in range(FOLDS) for kind in ("images", "labels")]
    assert set(generated_files()) == {"about.json", "samples.png", *sets}
    images, labels = (np.load(paths.generated("blobs") / f"fold-1_{kind}.npy") for kind in ("images", "labels"))
    assert images.dtype == np.uint8
    assert images.shape == (36, 12, 12, 1)
    assert np.ptp(images) > 0
    assert labels.tolist() == [0] * 12 + [1] * 12 + [2] * 12
    about = json.loads(generated_files()["about.json"])
    assert [(generated_set["images"], generated_set["epochs"]) for generated_set in about["sets"].values()] == [
        (36, 2)
    ] * FOLDS
    picture = Image.open(paths.generated("blobs") / "samples.png")
    assert picture.width > 10 * 12
    assert picture.height > 3 * 12


@pytest.mark.slow
def test_a_model_on_all_rows_has_a_gan_on_all_rows(project, seen):
    params = project({"m": using(training={"train_on_all": True})}, split={"count": 1}, generate=SMALL)
    generate.generate(params, "blobs")
    assert set(json.loads(generated_files()["about.json"])["sets"]) == {"fold-0", "all"}
    tune.tune(params, "m")
    assert "2 model(s)" in training_stage.train(params, "m")


@pytest.mark.slow
def test_a_killed_run_ends_as_if_nothing_had_happened(finished, monkeypatch):
    from pipeline.training import gan_fold as generator

    whole = arrays()
    shutil.rmtree(paths.resume("blobs", "generate"))
    shutil.rmtree(paths.generated("blobs"))
    saved = []

    def dying(*arguments):
        resume.save_state(*arguments)
        saved.append(arguments[0].parent.name)
        if len(saved) == 3:
            raise Killed

    monkeypatch.setattr(generator, "save_state", dying)
    with pytest.raises(Killed):
        generate.generate(finished, "blobs")
    assert not paths.generated("blobs").exists()
    generate.generate(finished, "blobs")
    assert saved == ["fold-0", "fold-0", "fold-1", "fold-1"]  # no epoch twice
    for name, array in arrays().items():
        assert np.abs(array.astype(int) - whole[name]).max() <= 1, name  # of 255


def arrays():
    return {path.name: np.load(path).astype(int) for path in paths.generated("blobs").glob("*.npy")}


@pytest.mark.slow
def test_a_finished_result_is_published_again_without_keras(finished, tmp_path):
    before = generated_files()
    to_two_folds({"m": using()}, generate=SMALL, ensemble={"method": "mean"})
    shutil.rmtree(paths.generated("blobs"))  # as DVC does before it runs the stage again
    assert keras_after_generating(tmp_path) == "[]"
    assert generated_files() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["images.npy", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("labels.npy", "run.json"))]
)
def test_a_finished_gan_with_a_damaged_file_is_trained_again(finished, seen, capsys, name):
    (fold,) = paths.resume("blobs", "generate").glob("*/fold-1")
    content = (fold / name).read_bytes()
    (fold / name).write_bytes(content[: len(content) * 2 // 3])
    generate.generate(finished, "blobs")
    output, errors = capsys.readouterr()
    assert errors == f"{fold / 'images.npy'}: a damaged checkpoint, now deleted; training starts again\n"
    assert output.count("finished before, kept") == FOLDS - 1
    assert (fold / name).read_bytes()[:20] == content[:20]


@pytest.mark.slow
def test_another_key_takes_the_place_of_the_finished_result(finished, seen):
    first = generated_files()
    generate.generate(to_two_folds({"m": using()}, generate=SMALL | {"seed": 1}), "blobs")
    assert len(list(paths.resume("blobs", "generate").iterdir())) == 1
    assert json.loads(generated_files()["about.json"])["digest"] != json.loads(first["about.json"])["digest"]


def test_without_a_block_there_is_a_record_and_no_keras(project, tmp_path):
    project({"m": member("blobs")})
    assert keras_after_generating(tmp_path) == "[]"
    assert set(generated_files()) == {"about.json"}
    assert json.loads(generated_files()["about.json"]) == {"digest": None, "sets": {}}


def keras_after_generating(folder):
    code = (
        "import sys; from pipeline.generate import generate; from pipeline.config.schema import load_params;"
        "from pipeline.storage.paths import PARAMS; generate(load_params(PARAMS), 'blobs');"
        "print([m for m in ('keras', 'tensorflow') if m in sys.modules])"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return process.stdout.strip()


@pytest.mark.slow
def test_no_gan_reads_a_row_that_its_models_are_validated_on(project, seen):
    params = project({"m": using()}, generate=SMALL | {"epochs": 3}, split={"count": 3})
    folds = TaskData("blobs").folds
    images = np.load(paths.images("blobs") / "train_images.npy")
    images[:, 0, 0, 0] = np.arange(len(images))  # every image tells its row
    np.save(paths.images("blobs") / "train_images.npy", images)
    generate.generate(params, "blobs")
    assert len(seen) == 3
    for fold, batches in enumerate(seen.values()):
        rows = np.concatenate(batches)[:, 0, 0, 0]
        own_rows = np.flatnonzero(folds != fold).tolist()
        assert len(own_rows) == 40
        for epoch in np.split(rows, 3):
            assert len(epoch) == 3 * 16  # a few twice, which fill the last batch
            assert set(epoch.tolist()) == set(own_rows)


@pytest.mark.slow
def test_a_model_takes_the_images_made_from_its_own_rows_and_no_others(finished, monkeypatch):
    tune.tune(finished, "m")
    for fold in range(FOLDS):  # every image tells the fold that it is for
        path = paths.generated("blobs") / f"fold-{fold}_images.npy"
        np.save(path, np.full_like(np.load(path), 252 + fold))
    seen, batches = {}, fold_data.TrainingBatches

    class Noted(batches):
        def __getitem__(self, index):
            result = super().__getitem__(index)
            seen.setdefault(self.seeds[1], []).append(result[0])
            return result

    monkeypatch.setattr(fold_data, "TrainingBatches", Noted)
    training_stage.train(finished, "m")
    assert set(seen) == set(range(FOLDS))
    for fold, parts in seen.items():
        images = np.concatenate(parts)
        painted = images[(images >= 252).all(axis=(1, 2, 3))]
        assert (painted == 252 + fold).all()
        assert 0.2 < len(painted) / len(images) < 0.8


@pytest.mark.slow
def test_images_from_other_rows_are_refused_by_name(finished):
    params = to_two_folds({"m": using()}, generate=SMALL, split={"count": FOLDS, "seed": 1})
    tune.tune(params, "m")
    with pytest.raises(BadInput, match=r"generated/about\.json: no set comes from just the 30 training rows"):
        training_stage.train(params, "m")


@pytest.mark.slow
def test_only_who_uses_generated_images_follows_them(project, seen):
    members, tuned, keys = {"m": using(), "n": member("blobs")}, [], []
    for seed in (0, 1):
        params = project(members, generate=SMALL | {"seed": seed})
        generate.generate(params, "blobs")
        for name in members:
            tune.tune(params, name)
        tuned.append({name: paths.tuning("blobs", name).read_bytes() for name in members})
        keys.append({name: key_of(load_tuned("blobs", name), "blobs") for name in members})
    assert b'"generated"' in tuned[0]["m"]
    assert b'"generated"' not in tuned[0]["n"]
    for result in (tuned, keys):
        assert result[0]["n"] == result[1]["n"]
        assert result[0]["m"] != result[1]["m"]


def test_label_sets_are_refused(project):
    params = project({"m": member("blobs")}, generate=SMALL)
    path = paths.images("blobs") / "train_labels.npy"
    np.save(path, np.eye(3, dtype=np.uint8)[np.load(path)])
    with pytest.raises(BadInput, match=r"params\.yaml: tasks\.blobs\.generate: expected one label an image"):
        generate.generate(params, "blobs")


@pytest.mark.parametrize(
    ("entry", "changes", "sentence"),
    [
        ({"generated_share": 0.3}, {}, r"members\.m\.generated_share: needs tasks\.blobs\.generate, which is missing"),
        ({"generated_share": 1}, {"generate": {}}, r"members\.m\.generated_share: 1, expected less than 1"),
        ({}, {"generate": {"epochs": 0}}, r"tasks\.blobs\.generate\.epochs: 0, expected at least 1"),
        ({}, {"generate": {"epoch": 1}}, r"tasks\.blobs\.generate\.epoch: unknown key; legal are epochs, batch_size"),
    ],
)
def test_a_bad_entry_is_one_sentence(tmp_path, entry, changes, sentence):
    write_params(tmp_path, {"blobs": task("raw", **changes)}, {"m": member("blobs") | entry})
    with pytest.raises(BadInput, match=sentence):
        load_params(tmp_path / "params.yaml")


def test_items_take_no_generated_images(tmp_path):
    items = {"items": {"count": 1, "size_pixels": [12, 12], "prices": [0, 1, 2]}}
    write_params(tmp_path, {"blobs": task("raw", prepare=items, generate={})}, {"m": using(input="items")})
    with pytest.raises(BadInput, match=r"members\.m\.generated_share: needs input 'images', not 'items'"):
        load_params(tmp_path / "params.yaml")


def test_the_stage_keeps_its_place_from_a_member_of_its_name(tmp_path):
    write_params(tmp_path, {"blobs": task("raw")}, {"generate": member("blobs")})
    with pytest.raises(BadInput, match=r"members\.generate: another name is expected"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.slow
def test_a_gan_that_does_not_fit_into_memory_ends_with_a_batch_size_that_does(project, monkeypatch):
    from pipeline.training import gan_fold

    train_for_real = gan_fold.train_on

    def train_with_little_memory(gan, images, labels, noise):
        if len(images) > 3:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return train_for_real(gan, images, labels, noise)

    monkeypatch.setattr(gan_fold, "train_on", train_with_little_memory)
    params = project({"m": using()}, generate={**SMALL, "batch_size": 8})
    with pytest.raises(BadInput, match=r"tasks\.blobs\.generate\.batch_size: 8 images do not fit into .*, 2 do$"):
        generate.generate(params, "blobs")
