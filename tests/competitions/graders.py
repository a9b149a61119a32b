"""Grade a submission of each competition by its own rule. Written without Podium's code and without scikit-learn.

A grader gets the answers and the submission, both with the sample's columns and the ids as text. Rows are joined on id.
"""

from collections.abc import Callable
from itertools import pairwise
from math import fsum, log

import numpy as np
import pandas as pd

Grader = Callable[[pd.DataFrame, pd.DataFrame], float]
LABEL_SETS = {"imet-2020-fgvc7", "plant-pathology-2021-fgvc8"}


def grade(name: str, answers: pd.DataFrame, submission: pd.DataFrame) -> float:
    """Return the score of a submission.

    Raises:
        AssertionError: its columns or ids are not those of the answers.
    """
    id_column = answers.columns[0]
    assert list(submission.columns) == list(answers.columns)
    answers = answers.astype({id_column: str}).set_index(id_column)
    submission = submission.astype({id_column: str}).set_index(id_column)
    assert sorted(submission.index) == sorted(answers.index)
    return GRADERS[name](answers, submission.loc[answers.index])


def accuracy(answers: pd.DataFrame, submission: pd.DataFrame) -> float:
    """Return the share of equal labels."""
    pairs = _pairs(answers, submission)
    return sum(truth == label for truth, label in pairs) / len(pairs)


def macro_f1(answers: pd.DataFrame, submission: pd.DataFrame) -> float:
    """Return the mean F1 over the classes of the answers and of the submission."""
    pairs = _pairs(answers, submission)
    scores = []
    for name in {value for pair in pairs for value in pair}:
        right = sum(truth == label == name for truth, label in pairs)
        scores.append(2 * right / sum((truth == name) + (label == name) for truth, label in pairs))
    return fsum(scores) / len(scores)


def micro_f1_of_sets(answers: pd.DataFrame, submission: pd.DataFrame) -> float:
    """Return F1 over all pairs of a row and a label."""
    sets = [(set(truth.split()), set(labels.split())) for truth, labels in _pairs(answers, submission)]
    right = sum(len(truth & labels) for truth, labels in sets)
    return 2 * right / sum(len(truth) + len(labels) for truth, labels in sets)


def quadratic_kappa(answers: pd.DataFrame, submission: pd.DataFrame) -> float:
    """Return one minus the squared distances of the pairs over those of independent pairs (Cohen, 1968)."""
    pairs = [(int(truth), int(label)) for truth, label in _pairs(answers, submission)]
    observed = sum((truth - label) ** 2 for truth, label in pairs) / len(pairs)
    expected = sum((truth - label) ** 2 for truth, _ in pairs for _, label in pairs) / len(pairs) ** 2
    return 1 - observed / expected


def map_at_5(answers: pd.DataFrame, submission: pd.DataFrame) -> float:
    """Return the mean of one over the place of the true label among five, or of 0."""
    scores = []
    for truth, cell in _pairs(answers, submission):
        labels = cell.split()
        assert len(labels) <= 5
        scores.append(1 / (1 + labels.index(truth)) if truth in labels else 0)
    return fsum(scores) / len(scores)


def roc_auc(answers: pd.DataFrame, submission: pd.DataFrame) -> float:
    """Return the share of pairs of a positive and a negative row in the right order, averaged over the columns."""
    areas = []
    for column in answers.columns:
        truth, scores = answers[column].to_numpy(float) > 0.5, submission[column].to_numpy(float)
        differences = scores[truth][:, None] - scores[~truth][None]
        areas.append(((differences > 0) + 0.5 * (differences == 0)).mean())
    return float(np.mean(areas))


def weighted_auc(answers: pd.DataFrame, submission: pd.DataFrame) -> float:
    """Return the area under the ROC curve, where true positive rates up to 0.4 count twice, over the largest one."""
    truth, scores = answers.iloc[:, 0].to_numpy(int) == 1, submission.iloc[:, 0].to_numpy(float)
    points = [(0.0, 0.0)]
    for threshold in sorted(set(scores), reverse=True):
        taken = scores >= threshold
        points.append((taken[~truth].mean(), taken[truth].mean()))
    area = 0.0
    for (left, low), (right, high) in pairwise(points):
        for place in np.linspace(0, 1, 2001)[:-1] + 1 / 4000:  # of a step of the curve, which is a straight line
            height = low + (high - low) * place
            area += (right - left) / 2000 * (2 * min(height, 0.4) + max(height - 0.4, 0))
    return area / (2 * 0.4 + 0.6)


def log_loss(answers: pd.DataFrame, submission: pd.DataFrame) -> float:
    """Return the mean negative logarithm of the true class's probability. A single column is that of the class 1."""
    truth, values = answers.to_numpy(float), submission.to_numpy(float)
    if truth.shape[1] == 1:
        truth, values = np.hstack([1 - truth, truth]), np.hstack([1 - values, values])
    losses = []
    for row, row_values in zip(truth, values, strict=True):
        losses.append(-log(min(max(row_values[row.argmax()] / row_values.sum(), 1e-15), 1 - 1e-15)))
    return fsum(losses) / len(losses)


def probabilistic_f1(answers: pd.DataFrame, submission: pd.DataFrame) -> float:
    """Return F1 with probabilities in place of predictions (Yacouby and Axman, 2020)."""
    truth, values = answers.iloc[:, 0].to_numpy(float), submission.iloc[:, 0].to_numpy(float)
    right, wrong = (values * truth).sum(), (values * (1 - truth)).sum()
    if right == 0:
        return 0.0
    precision, recall = right / (right + wrong), right / truth.sum()
    return 2 * precision * recall / (precision + recall)


def _pairs(answers: pd.DataFrame, submission: pd.DataFrame) -> list[tuple[str, str]]:
    """Return (true label, submitted label) of each row."""
    return list(zip(answers.iloc[:, 0].astype(str), submission.iloc[:, 0].astype(str), strict=True))


GRADERS: dict[str, Grader] = {
    "aerial-cactus-identification": roc_auc,
    "alaska2-image-steganalysis": weighted_auc,
    "aptos2019-blindness-detection": quadratic_kappa,
    "cassava-leaf-disease-classification": accuracy,
    "cdiscount-image-classification-challenge": accuracy,
    "dog-breed-identification": log_loss,
    "dogs-vs-cats-redux-kernels-edition": log_loss,
    "herbarium-2020-fgvc7": macro_f1,
    "herbarium-2021-fgvc8": macro_f1,
    "herbarium-2022-fgvc9": macro_f1,
    "histopathologic-cancer-detection": roc_auc,
    "hotel-id-2021-fgvc8": map_at_5,
    "imet-2020-fgvc7": micro_f1_of_sets,
    "inaturalist-2019-fgvc6": accuracy,
    "invasive-species-monitoring": roc_auc,
    "iwildcam-2019-fgvc6": macro_f1,
    "iwildcam-2020-fgvc7": accuracy,
    "leaf-classification": log_loss,
    "paddy-disease-classification": accuracy,
    "plant-pathology-2020-fgvc7": roc_auc,
    "plant-pathology-2021-fgvc8": micro_f1_of_sets,
    "plant-seedlings-classification": accuracy,  # the micro-averaged F1 of single labels
    "ranzcr-clip-catheter-line-classification": roc_auc,
    "rsna-breast-cancer-detection": probabilistic_f1,
    "rsna-miccai-brain-tumor-radiogenomic-classification": roc_auc,
    "seti-breakthrough-listen": roc_auc,
    "siim-isic-melanoma-classification": roc_auc,
    "statoil-iceberg-classifier-challenge": log_loss,
    "whale-categorization-playground": map_at_5,
}
