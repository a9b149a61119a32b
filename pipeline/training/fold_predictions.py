"""Predictions of one model, as a job: of the validation rows, of the test rows, or of both."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config.schema import Member, Predict
from pipeline.storage.task_data import TaskData
from pipeline.training.inputs import load_inputs, test_time_augmentation
from pipeline.training.network import averaged_probabilities, load_model, table_columns


@dataclass(frozen=True)
class PredictionJob:
    """The input of the predictions of one model, picklable."""

    member: Member
    options: Predict
    model: Path
    validation_rows: np.ndarray  # may be empty
    includes_test: bool


@dataclass(frozen=True)
class ModelPredictions:
    """What a model predicts."""

    validation: np.ndarray  # float32 (len(validation_rows), classes)
    test: np.ndarray  # float32 (n, classes), without rows if they were not asked for
    seconds: float  # that the test rows took


def predict_fold(job: PredictionJob) -> ModelPredictions:
    """Return the model's probabilities, averaged over views."""
    model, data = load_model(job.model), TaskData(job.member.task)
    options = test_time_augmentation(job.member, job.options)

    def predict(split: str, rows: np.ndarray) -> tuple[np.ndarray, float]:
        if not len(rows):
            return np.zeros((0, len(data.classes)), np.float32), 0.0
        images, columns = load_inputs(job.member, split), table_columns(job.member, data, split)
        started = time.monotonic()
        probabilities = averaged_probabilities(model, images, rows, options, data.has_label_sets, columns)
        return probabilities, time.monotonic() - started

    test_rows = np.arange(len(data.test_ids) if job.includes_test else 0)
    return ModelPredictions(predict("train", job.validation_rows)[0], *predict("test", test_rows))
