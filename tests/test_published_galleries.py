"""The galleries of right and wrong test images of a report's systems."""

import numpy as np
from PIL import Image

from pipeline.storage import paths
from pipeline.storage.predictions import Predictions, save_predictions
from pipeline.storage.task_data import TaskData
from published.galleries import rows_of, write_galleries
from tests.projects import member, to_folds, write_blobs


def test_galleries_show_the_surest_right_and_wrong_predictions():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    right, wrong, predicted, confidence = rows_of(probabilities, np.array([0, 1, 0, 1]))
    assert (right.tolist(), wrong.tolist()) == ([0, 1], [2, 3])
    assert (predicted.tolist(), confidence.tolist()) == ([0, 1, 1, 0], [0.9, 0.6, 0.8, 0.7])
    sets = np.array([[1, 1], [1, 0], [0, 1], [0, 1]])  # a part of the set, another label, nothing, the set
    right, wrong, _, confidence = rows_of(np.array([[0.9, 0.1], [0.6, 0.7], [0.4, 0.1], [0.2, 0.95]]), sets)
    assert (right.tolist(), sorted(wrong.tolist())) == ([3, 0], [1, 2])
    assert confidence[1] == 0.6


def test_each_member_has_a_gallery_of_its_test_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    to_folds({"m": member("blobs"), "untrained": member("blobs")})
    data = TaskData("blobs")
    probabilities = np.eye(3, dtype=np.float32)[np.arange(len(data.test_ids)) % 3]
    paths.predictions("blobs", "m").mkdir(parents=True)
    test = Predictions(data.test_ids, probabilities, data.classes)
    save_predictions(paths.predictions("blobs", "m") / "test.npz", test)
    assert write_galleries(tmp_path) == [("m", "galleries/m.png")]
    assert Image.open(tmp_path / "galleries" / "m.png").size[0] == 12 * 80
