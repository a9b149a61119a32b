"""Where do temperatures belong: before or after the folds' models are averaged, and are logits averaged? On digits.

    nice python -m benchmarks.calibration [--seeds 4]

Holds rows out from scikit-learn's training digits, trains a small network on each of three folds of other rows, and
judges the mean of the three on the rows held out, which none of them saw. Temperatures and thresholds are fitted on
out-of-fold rows. One variant, which shows how much is left to gain, fits its temperature on half of the held-out rows
and is judged on the other half. With one label an image and with label sets, with label smoothing and without.

Writes the rows of benchmarks/results/calibration.csv after each seed: means over the seeds, and the gains over the
first variant with their standard errors, paired by seed. Five minutes on two cores.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
import models
from benchmarks import results
from features.augmentation.augment import Augment
from features.calibration import calibrate, calibrate_models, calibrate_rows, fit_temperature, fit_temperatures
from features.ensembling import mean_of_logits
from features.items.composing import compose, paint
from features.labels.metrics.losses import log_loss
from features.labels.metrics.report import report, set_scores
from features.labels.targets import as_binary, from_binary, one_hot, probabilities
from features.labels.thresholds import choose, fit_thresholds
from models.parts import wrap
from pipeline.config.schema import Training
from pipeline.readers.image_sets import load_source
from pipeline.training.batches import TrainingBatches
from pipeline.training.callbacks import BatchNormStatistics, SeedEpoch
from pipeline.training.epoch import fit
from pipeline.training.network import predict_logits
from pipeline.training.phases import Phase, compile_trainer

FOLDS, FOLD_ROWS, HELD_OUT_ROWS = 3, 200, 600
KINDS, ITEMS, CANVAS_PIXELS = 5, 3, (32, 96)  # of label sets: the digits 1 to 5, three an image
EPOCHS = {"digits": 8, "kinds": 12}
SMOOTHINGS = (0.0, 0.1)
BATCH, LEARNING_RATE, AUGMENT = 32, 1e-2, Augment(shift_pixels=2)


@dataclass(frozen=True)
class Outputs:
    """What the folds' models say, and the truth: label sets are one row of two classes for each label of each image."""

    out_of_fold: np.ndarray  # probabilities (rows, classes)
    folds: np.ndarray  # (rows,)
    labels: np.ndarray  # class indices (rows,)
    held_out: np.ndarray  # probabilities (folds, held-out rows, classes)
    truth: np.ndarray  # class indices (held-out rows,)
    rows_an_image: int


def main() -> None:
    """Train seed by seed, then write and print the table so far."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=4)
    rows = []
    for seed in range(parser.parse_args().seeds):
        for task in EPOCHS:
            for smoothing in SMOOTHINGS:
                shared = {"task": task, "setting": f"label smoothing {smoothing}", "seed": seed}
                rows += [shared | scores for scores in _scores(_outputs(task, smoothing, seed))]
        table = _table(pd.DataFrame(rows))
        print(pd.DataFrame(table).round(4).to_string(), flush=True)
        results.write("calibration", table)


def _table(scores: pd.DataFrame) -> list[dict]:
    """Return a row for each variant, from a row for each variant and seed."""
    rows = []
    for (task, setting), group in scores.groupby(["task", "setting"], sort=False):
        by_variant = dict(list(group.set_index("seed").groupby("variant", sort=False)))
        first = next(iter(by_variant.values()))
        for variant, variant_scores in by_variant.items():
            row = {"task": task, "member": variant, "setting": setting, "rows": "held out"}
            row |= (
                results.mean_and_error(variant_scores["accuracy"])
                | variant_scores[["log_loss", "macro_f1"]].mean().to_dict()
            )
            for score, sign in {"accuracy": 1, "log_loss": -1}.items():
                gain = results.mean_and_error(sign * (variant_scores[score] - first[score]))
                row |= {f"{score}_gain": gain["accuracy"], f"{score}_gain_error": gain["standard_error"]}
            rows.append(row)
    return rows


def _outputs(task: str, smoothing: float, seed: int) -> Outputs:
    """Return what a network trained on each of the folds says of the rows that it did not learn from."""
    rng = np.random.default_rng(seed)
    images, labels = DRAW[task](rng)
    order = rng.permutation(len(labels))
    rows, held_out_rows = order[:FOLD_ROWS], order[FOLD_ROWS:]
    folds = np.arange(FOLD_ROWS) % FOLDS
    models = np.stack(
        [_probabilities(task, images, labels, rows[folds != fold], smoothing, (seed, fold)) for fold in range(FOLDS)]
    )
    out_of_fold, held_out = models[folds, rows], models[:, held_out_rows]
    if labels.ndim == 1:
        return Outputs(out_of_fold, folds, labels[rows], held_out, labels[held_out_rows], 1)
    count, label_rows = labels.shape[1], labels.astype(int)
    return Outputs(
        as_binary(out_of_fold),
        np.repeat(folds, count),
        label_rows[rows].reshape(-1),
        as_binary(held_out),
        label_rows[held_out_rows].reshape(-1),
        count,
    )


def _digits(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 (n, height, width, 1) and class indices (n,) of the digits' training rows."""
    train = load_source("digits").train
    order = rng.permutation(len(train.labels))[: FOLD_ROWS + HELD_OUT_ROWS]
    return train.pixels[order, ..., None], train.labels[order]


def _kinds(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 (n, height, width, 1) of several training digits each, and the label sets (n, labels)."""
    train = load_source("digits").train
    has_label = (train.labels >= 1) & (train.labels <= KINDS)
    pixels, digits = train.pixels[has_label], train.labels[has_label]
    sums = tuple(range(ITEMS + 2, ITEMS * KINDS - 1))
    n = FOLD_ROWS + HELD_OUT_ROWS
    composition = compose(rng, n, digits, sums, ITEMS, pixels.shape[1:], CANVAS_PIXELS)
    label_sets = (digits[composition.items][..., None] == np.arange(1, KINDS + 1)).any(axis=1)
    return paint(composition, pixels, CANVAS_PIXELS)[..., None], label_sets.astype(np.uint8)


DRAW = {"digits": _digits, "kinds": _kinds}


def _probabilities(
    task: str, images: np.ndarray, labels: np.ndarray, rows: np.ndarray, smoothing: float, seeds: tuple[int, int]
) -> np.ndarray:
    """Return the probabilities (n, classes) of all images by a network that is trained on some rows."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seeds[0] * FOLDS + seeds[1])
    training = Training(optimiser="muon", learning_rate=LEARNING_RATE, label_smoothing=smoothing)
    targets, label_sets = one_hot(labels, labels.max() + 1), labels.ndim == 2
    network = models.build("fast", images.shape[1:], targets.shape[1], {"width": 0.5})
    mean, deviation = images[rows].mean(), images[rows].std()
    model = wrap.on_images(network, images.shape[1:], np.float32(1 / deviation), np.float32(-mean / deviation))
    batches = TrainingBatches(images, targets, rows, BATCH, AUGMENT, seeds)
    trainer = compile_trainer(model, training, Phase(0, EPOCHS[task], LEARNING_RATE, None), len(batches), label_sets)
    fit(trainer, batches, [SeedEpoch(batches)], epochs=EPOCHS[task])
    BatchNormStatistics(trainer, batches).assign_values()
    return probabilities(predict_logits(trainer, images, np.arange(len(images))), label_sets)


def _means(outputs: Outputs) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield each variant with the temperatures (folds,) for out-of-fold rows and the mean for held-out rows."""
    out_of_fold, labels, held_out = outputs.out_of_fold, outputs.labels, outputs.held_out
    one = np.repeat(fit_temperature(out_of_fold, labels), FOLDS)
    fold_temperatures = fit_temperatures(out_of_fold[None], labels, outputs.folds)[0]
    yield "one temperature after the mean", one, calibrate(held_out.mean(axis=0), one[0])
    for name, temperatures in {"no": np.ones(FOLDS), "one": one, "each fold's": fold_temperatures}.items():
        calibrated = calibrate_models(held_out, temperatures)
        yield f"{name} temperature, mean of probabilities", temperatures, calibrated.mean(axis=0)
        yield f"{name} temperature, mean of logits", temperatures, mean_of_logits(calibrated)[0]
    for name, mean in {"probabilities": held_out.mean(axis=0), "logits": mean_of_logits(held_out)[0]}.items():
        yield (
            f"temperature of the mean of {name}, on other held-out rows",
            fold_temperatures,
            _cross_fit(mean, outputs),
        )


def _cross_fit(mean: np.ndarray, outputs: Outputs) -> np.ndarray:
    """Return held-out probabilities, each half of the images calibrated by what fits the other half."""
    half = np.arange(len(mean)) // outputs.rows_an_image % 2 == 0
    calibrated = np.empty_like(mean)
    for rows in (half, ~half):
        calibrated[rows] = calibrate(mean[rows], fit_temperature(mean[~rows], outputs.truth[~rows]))
    return calibrated


def _scores(outputs: Outputs) -> Iterator[dict]:
    """Yield the held-out scores of each variant."""
    for variant, temperatures, mean in _means(outputs):
        if outputs.rows_an_image == 1:
            scores = report(mean, outputs.truth)
            accuracy, macro_f1 = scores["accuracy"], scores["f1"]
        else:
            scores = _set_scores(outputs, temperatures, mean)
            accuracy, macro_f1 = scores["accuracy"], scores["macro_f1"]
        loss = log_loss(mean, outputs.truth)
        yield {"variant": variant, "accuracy": accuracy, "macro_f1": macro_f1, "log_loss": loss}


def _set_scores(outputs: Outputs, temperatures: np.ndarray, mean: np.ndarray) -> dict[str, float]:
    """Return the scores of label sets by thresholds that are fitted on out-of-fold rows."""
    count = outputs.rows_an_image
    rows = calibrate_rows(outputs.out_of_fold[None], temperatures[None], outputs.folds)[0]
    thresholds = fit_thresholds(from_binary(rows, count), outputs.labels.reshape(-1, count))
    label_sets = choose(from_binary(mean, count), thresholds, at_least_one=True)
    return set_scores(label_sets, outputs.truth.reshape(-1, count))


if __name__ == "__main__":
    main()
