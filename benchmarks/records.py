"""Measure a single model's accuracy on a replica's test images: a member trained on all training rows, three seeds.

    cp benchmarks/records.yaml params.yaml
    FASHION_MNIST_DIR=<folder> dvc repro split@TASK
    python -m benchmarks.records MEMBER [SEEDS]

Prints the accuracy in one view, with flips, and in the task's own views of test-time augmentation. It also prints the
arithmetic of training: three times the forward pass of convolutions and dense layers, for every image of every epoch.
Muon needs about two percent more at width 1, which is not included. A killed run resumes. Choose settings by held-out
training rows, never by these figures.
"""

import sys

import numpy as np
import pandas as pd

from benchmarks import results
from features.augmentation.views import views
from pipeline.config.schema import Member, Params, Predict, load_params
from pipeline.reporting.tables import markdown
from pipeline.running.backend import keras  # before what imports Keras itself
from pipeline.score import solution_path
from pipeline.storage import paths
from pipeline.storage.files import align, load_array
from pipeline.storage.task_data import TaskData
from pipeline.training.batches import batch_size_for, steps_per_epoch
from pipeline.training.fold import FoldJob, train_fold
from pipeline.training.fold_jobs import key_of
from pipeline.training.network import averaged_probabilities, size_of


def main() -> None:
    """Train each seed, then print the table."""
    key, seeds = sys.argv[1], int(sys.argv[2]) if sys.argv[2:] else 3
    params = load_params(paths.PARAMS)
    member = params.members[key]
    right = right_classes(params, member.task)
    options = params.tasks[member.task].predict
    rows = [{"seed": seed, **_figures(key, _with_seed(member, seed), right, options)} for seed in range(seeds)]
    table = pd.DataFrame(rows).set_index("seed")
    texts = table.map("{:.2f}".format).reset_index()
    means = {name: f"{mean:.2f}" for name, mean in table.mean().items()}
    print(markdown(pd.concat([texts, pd.DataFrame([{"seed": "mean", **means}])])))
    results.write("single_network", _rows(key, member.task, table, options))


def _rows(key: str, task: str, table: pd.DataFrame, options: Predict) -> list[dict]:
    """Return the rows of results of all seeds, one for each number of views."""
    cost = {"pflop": table["PFLOP"].mean(), "seconds": 60 * table["minutes"].mean()}
    shared = {"task": task, "member": key, "rows": "test", "epoch_selection": "last epoch", **cost}
    counts = {"one view": 1, "flips": 2, "task's views": len(views(options.flip, options.shift_pixels))}
    return [{**shared, "views": count, **results.mean_and_error(table[name] / 100)} for name, count in counts.items()]


def _with_seed(member: Member, seed: int) -> Member:
    return member.model_copy(update={"training": member.training.model_copy(update={"seed": seed})})


def right_classes(params: Params, task: str) -> np.ndarray:
    """Return the class index of every test row."""
    solution = pd.read_csv(solution_path(params, task))
    ids, classes = (
        TaskData(task).test_ids,
        TaskData(task).classes,
    )
    labels = solution.iloc[:, 1].to_numpy()[align(ids, solution.iloc[:, 0].to_numpy())]
    return np.array([classes.index(label) for label in labels.tolist()])


def train_model(member: Member, name: str, rows: np.ndarray) -> keras.Model:
    """Return the member's model after training on `rows`, without validation. Checkpoints are saved under `name`."""
    folder = paths.resume(member.task, name) / key_of(member, member.task)
    job = FoldJob(
        member=member,
        training_rows=rows,
        validation_rows=np.array([], dtype=int),
        fold=0,
        epochs=member.training.epochs,
        title=f"{name}  seed {member.training.seed}",
        folder=folder,
    )
    train_fold(job)
    return keras.saving.load_model(folder / "model.keras")


def _figures(key: str, member: Member, right: np.ndarray, options: Predict) -> dict[str, float]:
    images, training = paths.images(member.task), member.training
    rows = np.arange(len(load_array(images / "train_labels.npy")))
    model = train_model(member, f"{key}-record", rows)
    test = load_array(images / f"test_{member.input}.npy")
    all_rows, scores = np.arange(len(test)), {}
    for name, way in {"one view": Predict(), "flips": Predict(flip=True), "task's views": options}.items():
        probabilities = averaged_probabilities(model, test, all_rows, way, multi_label=False)
        scores[name] = 100 * float((probabilities.argmax(axis=1) == right).mean())
    batch_size = batch_size_for(len(rows), training.batch_size)
    images_seen = training.epochs * steps_per_epoch(len(rows), batch_size) * batch_size
    petaflops = 3 * size_of(member)["flops"] * images_seen / 1e15
    folder = paths.resume(member.task, f"{key}-record") / key_of(member, member.task)
    seconds = pd.read_csv(folder / "history.csv")["seconds"].sum()
    return {**scores, "minutes": seconds / 60, "PFLOP": petaflops}


if __name__ == "__main__":
    main()
