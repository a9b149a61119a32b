"""`train_on_all`: one more model, on all rows, trained as the folds were."""

import json

import pandas as pd
import pytest

from pipeline import ensemble, predict, report, score, submission
from pipeline import train as training_stage
from pipeline.storage import paths
from pipeline.storage.predictions import load_predictions
from pipeline.training import fold as fit
from pipeline.training.batches import batch_size_for
from pipeline.training.fold_jobs import fold_jobs, job_on_all_rows
from tests.projects import member, models_of

pytestmark = pytest.mark.slow

HISTORIES = {  # of two folds: learning rates, and validation losses, of which the third and the fifth are the best
    0: ([1e-2, 1e-2, 1e-3, 1e-4], [0.5, 0.4, 0.3, 0.6]),
    1: ([4e-2, 1e-2, 1e-2, 1e-2, 1e-3, 1e-4], [0.5, 0.4, 0.5, 0.4, 0.1, 0.6]),
}


@pytest.mark.parametrize(
    ("schedule", "epochs", "rates"),
    [
        ("plateau", 4, [2e-2, 1e-2, 10**-2.5, 1e-3]),  # geometric means over the folds that reached the epoch
        ("constant", 4, []),
        ("inverse_time", 4, []),
        ("one_cycle", 9, []),
        ("cosine", 9, []),
    ],
)
def test_the_model_on_all_rows_repeats_what_the_folds_did(tuned_project, tmp_path, schedule, epochs, rates):
    training = {"epochs": 9, "schedule": schedule, "train_on_all": True, "batch_size": None, "monitor": "val_loss"}
    params = tuned_project({"m": member("blobs", training=training)})
    jobs = fold_jobs(params.members["m"], "m", tmp_path)
    for job, (learning_rates, losses) in zip(jobs, HISTORIES.values(), strict=True):
        job.folder.mkdir()
        table = {"epoch": range(1, len(losses) + 1), "learning_rate": learning_rates, "val_loss": losses}
        pd.DataFrame(table).assign(loss=0.5, seconds=1.0).to_csv(job.folder / "history.csv", index=False)
    job = job_on_all_rows(params.members["m"], "m", tmp_path, jobs)
    assert job.epochs == epochs
    assert list(job.learning_rates) == pytest.approx(rates)
    assert len(job.training_rows) == 60
    assert job.member.training.batch_size == batch_size_for(len(jobs[0].training_rows))
    if rates:
        fit.train_fold(job)
        history = pd.read_csv(job.folder / "history.csv")
        assert history["learning_rate"].tolist() == pytest.approx(rates)


def test_one_fold_and_train_on_all_reach_a_submission(tuned_project):
    members = {
        "m": member("blobs", training={"epochs": 20, "train_on_all": True}),
        "r": member("blobs", "resnet", training={"epochs": 12, "optimiser": "rmsprop", "schedule": "cosine"}),
    }
    changes = {"split": {"count": 1, "holdout_share": 0.25}, "predict": {"shift_pixels": 1}}
    params = tuned_project(members, **changes)
    for name in members:
        training_stage.train(params, name)
        predict.predict(params, name)
        if name == "m":  # the table of what there is so far
            assert "not yet with r" in report.report(params)
            assert len(pd.read_csv(paths.SUMMARY.with_name("comparison.csv"))) == 1
    assert set(models_of()) == {"layers.json", "run.json", "fold-0.keras", "fold-0.csv", "all.keras", "all.csv"}
    assert len(load_predictions(paths.predictions("blobs", "m") / "oof.npz").ids) == 15
    for run in (ensemble.ensemble, submission.submission, score.score):
        run(params, "blobs")
    ensemble_json = json.loads((paths.ensemble("blobs") / "ensemble.json").read_text())
    assert ensemble_json["best_member"]["name"] in members
    assert ensemble_json["gain_over_best_member"]["low"] <= ensemble_json["gain_over_best_member"]["high"]
    assert set(ensemble_json["error_correlation"]) == set(members)
    audit = paths.images("blobs") / "audit.json"
    audit.write_text(json.dumps(json.loads(audit.read_text()) | {"warnings": ["half of them are black"]}))
    report.report(params)
    assert json.loads(paths.score("blobs").read_text())["all"]["score"] > 0.8
    summary = paths.SUMMARY.read_text()
    assert summary.endswith("About the images:\n\n* blobs: half of them are black\n")
    assert all(word in summary for word in ("| blobs | m ", "ensemble (greedy)", "out-of-fold score"))
