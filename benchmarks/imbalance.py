"""What does each `training.imbalance` bring at 1:50? A small network tells cars from trucks of CIFAR-10.

    nice python -m benchmarks.imbalance cifar-10-jpeg.tar.xz RESULTS.jsonl

Trains on 2 000 cars and 40 trucks, and judges 1 000 other cars and 1 000 other trucks, which count as one fiftieth in
the log-loss. The decision for balanced accuracy is the class with the largest ratio of probability to share. A run
takes a quarter of a minute on one core. Runs that RESULTS.jsonl contains are skipped.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
import models
from benchmarks import results, runs
from benchmarks.leaks import read_pictures
from features.augmentation.augment import Augment
from features.labels.metrics.f_scores import balanced_accuracy
from features.labels.metrics.rankings import roc_auc
from features.labels.targets import one_hot, probabilities
from models.parts import batch_norm, wrap
from pipeline.config.schema import Training
from pipeline.training.batches import TrainingBatches
from pipeline.training.callbacks import SeedEpoch, sample_of
from pipeline.training.class_shares import SHIFTED, prior_logits
from pipeline.training.epoch import fit
from pipeline.training.network import predict_logits
from pipeline.training.phases import compile_trainer, phases
from pipeline.training.variables import set_variables

CLASSES, SEEDS, JUDGED, FREQUENT, RARE = ("automobile", "truck"), 3, 1_000, 2_000, 40
METHODS = ("none", "class_weights", "balanced_sampling", "focal", "logit_adjustment")
AUGMENT = Augment(flip=True, shift_pixels=2)
FIGURES = ("roc_auc", "balanced_accuracy", "log_loss", "argmax_balanced_accuracy", "uncorrected_log_loss")


def main(archive: Path, path: Path) -> None:
    """Train the missing runs, and write the rows."""
    pictures = list(read_pictures(archive, CLASSES, FREQUENT + JUDGED))
    images = np.stack([np.asarray(image) for _, image in pictures])
    labels = np.array([CLASSES.index(label) for label, _ in pictures])
    rows = runs.run_all(path, METHODS, SEEDS, lambda name, seed: _figures(images, labels, name, seed))
    results.write("imbalance", [_row(name, seeds) for name, seeds in rows.groupby("variant", sort=False)])


def _row(name: str, seeds: pd.DataFrame) -> dict:
    """Return the means over the seeds, with the standard errors of the first two."""
    errors = {f"{figure}_error": seeds[figure].std() / len(seeds) ** 0.5 for figure in FIGURES[:2]}
    shared = {"task": "cars and trucks, 50:1", "member": name, "rows": "held out", "seeds": len(seeds)}
    return {**shared, **{figure: seeds[figure].mean() for figure in FIGURES}, **errors}


def _figures(images: np.ndarray, labels: np.ndarray, method: str, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    cars, trucks = (rng.permutation(np.flatnonzero(labels == index)) for index in (0, 1))
    test_rows = np.concatenate([cars[:JUDGED], trucks[:JUDGED]])
    rows = np.sort(np.concatenate([cars[JUDGED:][:FREQUENT], trucks[JUDGED:][:RARE]]))
    training = Training(
        epochs=12, batch_size=64, optimiser="muon", learning_rate=1e-2, weight_decay=0.02, imbalance=method
    )
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    targets = one_hot(labels, len(CLASSES))
    prior = prior_logits(targets[rows], has_label_sets=False)
    network = models.build("fast", images.shape[1:], len(CLASSES), {"width": 0.5})
    statistics = [images[rows].mean(axis=(0, 1, 2)), images[rows].std(axis=(0, 1, 2))]
    model = wrap.on_images(network, images.shape[1:], *wrap.affine("standardise", *statistics, np.zeros(1)))
    if method in SHIFTED:
        model = wrap.with_prior(model, prior)
    balanced = method == "balanced_sampling"
    batches = TrainingBatches(images, targets, rows, 64, AUGMENT, (seed, 0), balanced=balanced)
    trainer = compile_trainer(model, training, phases(training, training.epochs)[0], len(batches), False, prior)
    fit(trainer, batches, [SeedEpoch(batches)], epochs=training.epochs)
    sample = images[sample_of(rows, rng)]
    set_variables(batch_norm.statistics(model), batch_norm.estimator(model)(sample))
    logits = predict_logits(model, images, test_rows)
    return _judge(logits, labels[test_rows], prior, method in SHIFTED)


def _judge(logits: np.ndarray, labels: np.ndarray, prior: np.ndarray, is_shifted: bool) -> dict[str, float]:
    """Return FIGURES. The uncorrected ones are those of a network that does not add the prior to its logits."""
    predicted = probabilities(logits, multi_label=False)
    uncorrected = probabilities(logits - prior if is_shifted else logits, multi_label=False)
    weights = np.where(labels == 1, RARE / FREQUENT, 1)
    own = {"": predicted, "uncorrected_": uncorrected}
    losses = {
        f"{name}log_loss": float(np.average(-np.log(values[np.arange(len(labels)), labels]), weights=weights))
        for name, values in own.items()
    }
    return {
        "roc_auc": roc_auc(predicted, labels),
        "balanced_accuracy": balanced_accuracy((logits - prior).argmax(axis=1), labels),
        "argmax_balanced_accuracy": balanced_accuracy(predicted.argmax(axis=1), labels),
        **losses,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
