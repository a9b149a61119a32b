"""`python -m pipeline adversarial TASK`: measure whether a small model can tell training from test images.

If it can, the out-of-fold score may not hold on the test images: they come from other cameras, patients or times. Then
use groups or time for the folds (docs/leaks.md). The command needs the images of the stage `prepare`, prints its result
and writes nothing. No other stage uses what it sees of the test images.
"""

import numpy as np

from features.images.shift import Separation, describe, separation
from pipeline.running.stage import Params, run, task_of
from pipeline.storage.files import blame, chunk_rows
from pipeline.storage.task_data import TaskData

MOST_ROWS = 5_000  # of each split
EXAMPLES = 3


def adversarial(params: Params, key: str) -> str:
    """Return a sentence on how well training and test images can be told apart."""
    task_of(params, key)
    data = TaskData(key)
    train, test = data.images("train"), data.images("test")
    rows = np.sort(np.random.default_rng(0).permutation(len(train))[:MOST_ROWS])
    test_rows = np.sort(np.random.default_rng(1).permutation(len(test))[:MOST_ROWS])
    with blame(data.folder):
        result = separation(_features(train, rows), _features(test, test_rows), data.groups[rows])
    return _sentence(result, data.train_ids[rows])


def _features(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    size = chunk_rows(images[:1].nbytes)
    return describe(images[rows[start : start + size]] for start in range(0, len(rows), size))


def _sentence(result: Separation, ids: np.ndarray) -> str:
    area = f"ROC AUC {result.auc:.3f} ({result.low:.3f} to {result.high:.3f})"
    if result.is_by_chance:
        return f"{area}: a small model cannot tell training from test images"
    alike = ", ".join(map(str, ids[np.argsort(-result.test_likeness)[:EXAMPLES]]))
    return (
        f"{area}: a small model can tell training from test images, so the out-of-fold score may not hold there; "
        f"the training images most like test images are {alike}"
    )


if __name__ == "__main__":
    run("adversarial", adversarial)
