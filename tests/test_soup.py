"""Soups: the mean of the weights of several epochs."""

import numpy as np
import pytest

from pipeline import predict, train, tune
from pipeline.storage import paths
from pipeline.storage.predictions import load_predictions
from pipeline.training import callbacks
from pipeline.training.monitor import Monitor, best_epoch, best_epochs
from pipeline.training.soup import greedy_soup, mean_weights
from tests.killed_training import train_with_kills
from tests.projects import member, to_folds, write_blobs

LOSS, ACCURACY = Monitor("val_loss", False), Monitor("val_accuracy", True)


def test_a_mean_is_of_weights_and_not_of_counters():
    first, second = [np.float32([1, 2]), np.uint32([7])], [np.float32([3, 6]), np.uint32([9])]
    mean = mean_weights([first, second])
    assert mean[0].tolist() == [2, 4] and mean[0].dtype == np.float32 and mean[1].tolist() == [7]


def test_an_ingredient_is_added_if_the_score_does_not_fall():
    """The best weight is 5. From 4, 9 leads to 6.5 and is left out, 6 to 5, and 5 keeps it there."""
    ingredients = [[np.float32([value])] for value in (4, 9, 6, 5, 1)]
    assert greedy_soup(ingredients, lambda weights: -abs(float(weights[0][0]) - 5)) == [0, 2, 3]


@pytest.mark.parametrize(
    ("monitor", "values", "best"),
    [
        (ACCURACY, [0.5, 0.9, 0.7, 0.9], [1, 3, 2]),
        (LOSS, [0.5, np.nan, 0.1, 0.5], [2, 0, 3]),
        (Monitor("none", False), [0.1, 0.2, 0.3, 0.4], [3, 2, 1]),
    ],
)
def test_the_best_epochs_come_first(monitor, values, best):
    history = [{ACCURACY.column: value, LOSS.column: value} for value in values]
    assert best_epochs(history, monitor, 3) == best and best_epoch(history, monitor) == best[0]
    assert best_epochs(history[:1], monitor, 3) == [0]


def test_the_weights_of_the_best_epochs_are_kept_and_restored():
    class Network:
        weights = ()

    history = []
    best = callbacks.BestWeights(ACCURACY, history, {}, 2)
    best.set_model(Network())
    for epoch, accuracy in enumerate([0.5, 0.3, 0.9, 0.6]):
        Network.weights = [np.array([epoch])]
        row = {"epoch": epoch + 1, "learning_rate": 1.0, "loss": 1.0, "accuracy": 1.0, "seconds": 1.0}
        best.on_epoch_end(epoch, row | {"val_accuracy": accuracy})
        best = callbacks.BestWeights(ACCURACY, history, best.groups, 2)
        best.set_model(Network())
    assert list(best.weights) == [2, 3] and [group[0].item() for group in best.weights.values()] == [2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("monitor", ["val_loss", pytest.param("none", marks=pytest.mark.nightly)])
def test_a_fold_ends_with_the_soup_even_if_it_was_killed(tmp_path, monkeypatch, capsys, monitor):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    training = {"epochs": 3, "soup_epochs": 2, "monitor": monitor, "schedule": "constant"}
    params = to_folds({"m": member("blobs", training=training)}, split={"count": 1})
    tune.tune(params, "m")
    train.train(params, "m")
    assert "m  fold 1/1  weights of epoch" in capsys.readouterr().out
    predict.predict(params, "m")
    whole = load_predictions(paths.predictions("blobs", "m") / "test.npz").probabilities
    train_with_kills(params, monkeypatch, 2)
    predict.predict(params, "m")
    assert np.allclose(load_predictions(paths.predictions("blobs", "m") / "test.npz").probabilities, whole, atol=1e-5)
