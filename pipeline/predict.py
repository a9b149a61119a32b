"""`python -m pipeline.predict MEMBER`: predict out-of-fold and test probabilities, averaged over views."""

from pathlib import Path
from typing import Any

import numpy as np

from features.labels.answers import combine
from features.labels.intervals import with_bounds
from features.labels.metrics.metric import Metric
from features.labels.metrics.report import report
from features.labels.parts import scoring_parts
from features.labels.uncertainty import score_with_interval
from pipeline.config.schema import Member, Params, Predict
from pipeline.running.jobs import run_jobs
from pipeline.running.stage import member_of, run, task_of
from pipeline.storage import paths
from pipeline.storage.answers import answers_of_test, out_of_fold_answers
from pipeline.storage.files import save_json, writing
from pipeline.storage.folds import check_folds
from pipeline.storage.predictions import SOURCES, Predictions, fold_test, repeat_oof, save_predictions
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric
from pipeline.storage.tuned_options import load_tuned
from pipeline.training.fold_jobs import ALL_ROWS
from pipeline.training.fold_predictions import PredictionJob, predict_fold
from pipeline.training.item_prices import has_items, item_prices
from pipeline.training.network import load_model

EXAMINED_ROWS, ITEM_EXAMPLES = 500, 12  # of the first fold; wrong images that are kept, and as many right ones


def predict(params: Params, key: str) -> str:
    """Write `oof.npz`, `test.npz`, `metrics.json`, each fold's test probabilities and, if the folds have repeats, the
    out-of-fold probabilities of each. `oof.npz` has their mean.

    It also writes the seconds that the test rows took, with all models and views. With `predict.group`, a row is an
    answer to several images.
    """
    data = TaskData(member_of(params, key).task)
    member, options = load_tuned(data.task, key), task_of(params, data.task).predict
    check_folds(data.task, key)
    rows, oof, tests, seconds = _probabilities(data, member, key, options)
    answers, test = out_of_fold_answers(data, rows), answers_of_test(data)
    if options.group is not None:
        oof = combine(oof, answers.answer_of_row, options.group.by, data.has_label_sets)
        tests = combine(tests, test.answer_of_row, options.group.by, data.has_label_sets)
        rows = rows[answers.firsts]
    mean, folds = oof.mean(axis=0), data.repeated_folds[rows].T
    metrics = {"rows": len(rows), **_scores(load_metric(data), mean, data.labels[rows], folds[0])}
    with writing(paths.predictions(data.task, key)) as part:
        part.mkdir()
        save_predictions(part / "oof.npz", Predictions(answers.ids, mean, data.classes, folds[0]))
        for repeat in range(len(oof)) if len(oof) > 1 else ():
            of_repeat = Predictions(answers.ids, oof[repeat], data.classes, folds[repeat])
            save_predictions(part / repeat_oof(repeat), of_repeat)
        _save_tests(part, data, member, test.ids, tests)
        save_json(part / "metrics.json", metrics)
        if has_items(member):
            save_json(part / "items.json", _item_examples(data, member, key))
    with writing(paths.test_times(data.task, key)) as part:
        save_json(part, {"seconds_to_test": round(seconds, 3)})
    score = with_bounds(metrics["score"], metrics["low"], metrics["high"])
    return f"{len(rows)} out-of-fold rows with {metrics['metric']} {score}, {tests.shape[1]} test rows"


def _scores(metric: Metric, oof: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> dict[str, Any]:
    """Return a member's score, for which decisions are fitted on other folds, its decision, and other figures."""
    predictions = metric.honest(oof, labels, scoring_parts(folds))
    return {
        "metric": metric.name,
        **score_with_interval(metric, predictions, labels),
        "decision": metric.fit(oof, labels).as_json(),
        **report(oof, labels),
    }


def _item_examples(data: TaskData, member: Member, key: str) -> list[dict[str, Any]]:
    """Return validation images of the first fold with their items and prices: the first wrong sums, then right ones."""
    rows = np.flatnonzero(data.folds == 0)[:EXAMINED_ROWS]
    items, chances = item_prices(member, data, load_model(paths.models(data.task, key) / "fold-0.keras"), rows)
    sums = chances.argmax(axis=1)
    wrong = sums != data.labels[rows]
    places = [*np.flatnonzero(wrong)[:ITEM_EXAMPLES], *np.flatnonzero(~wrong)[:ITEM_EXAMPLES]]
    return [
        {
            "id": data.train_ids[rows[place]].item(),
            "sum": data.classes[sums[place]],
            "label": data.classes[data.labels[rows[place]]],
            "probability": round(float(chances[place].max()), 4),
            "items": [
                {"box": item.box, "price": item.price, "probability": round(item.probability, 4)}
                for item in items[place]
            ],
        }
        for place in places
    ]


def _save_tests(part: Path, data: TaskData, member: Member, ids: np.ndarray, tests: np.ndarray) -> None:
    """Write the mean of the test probabilities, float32 (models, n, classes), and without `train_on_all` each fold's.

    SOURCES maps each file to the training rows of the student's model that may learn from it. For a fold's file these
    are the fold's training rows. For the mean these are all rows, because that model has no validation.
    """
    sets = {"test.npz": (tests.mean(axis=0), np.arange(len(data.labels)))}
    if not member.training.train_on_all:
        sets |= {fold_test(fold): (test, data.training_rows(fold)) for fold, test in enumerate(tests)}
    for name, (probabilities, _) in sets.items():
        save_predictions(part / name, Predictions(ids, probabilities, data.classes))
    save_json(part / SOURCES, {name: data.source(rows) for name, (_, rows) in sets.items()})


def _probabilities(
    data: TaskData, member: Member, key: str, options: Predict
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the validation rows (m,), their probabilities (repeats, m, classes) and those of test rows (models, n,
    classes).

    Test rows are predicted by each fold's model or, with `train_on_all`, only by the model on all rows. The last value
    is the seconds that this took.
    """
    models, repeats, on_all = paths.models(data.task, key), data.repeated_folds.shape[1], member.training.train_on_all
    jobs = [
        PredictionJob(member, options, models / f"fold-{fold}.keras", data.validation_rows(fold), not on_all)
        for fold in range(data.fold_count)
    ]
    if on_all:
        jobs.append(PredictionJob(member, options, models / f"{ALL_ROWS}.keras", np.array([], int), True))
    predictions = run_jobs(predict_fold, jobs, [*paths.job_inputs(data.task), models])
    oof = np.zeros((repeats, len(data.labels), len(data.classes)), np.float32)
    for fold in range(data.fold_count):
        oof[fold * repeats // data.fold_count, jobs[fold].validation_rows] = predictions[fold].validation
    tests = [of_model.test for job, of_model in zip(jobs, predictions, strict=True) if job.includes_test]
    rows = np.flatnonzero(data.folds >= 0)
    return rows, oof[:, rows], np.stack(tests), sum(of_model.seconds for of_model in predictions)


if __name__ == "__main__":
    run("predict", predict)
