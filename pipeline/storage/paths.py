"""The path of every artifact, relative to the project's root, which is the working directory of every stage."""

from pathlib import Path
from urllib.parse import quote

PARAMS = Path("params.yaml")
ENTRIES = Path("artifacts/entries")
NAMES = ENTRIES / "names.json"  # of all entries, checked
REPLICA_SOURCE = "source.json"  # in a replica's folder
SUMMARY = Path("report/summary.md")
METRICS = Path("metrics")  # for `dvc metrics`, kept in git
PLOTS = Path("plots")  # for `dvc plots`
TENSORBOARD = Path("tensorboard")  # event files, which may be deleted at any time
PAGE = Path("report/index.html")
ABLATIONS = Path("ablations")
LEDGER = Path("submissions/ledger.csv")
COMPILED = Path(".compiled")  # programs of the JAX backend, which may be deleted at any time


def replica(task: str) -> Path:
    """The synthetic raw files of a competition."""
    return Path("data/replica", task)


def raw(task: str) -> Path:
    """The raw files of a competition, as the user downloaded them."""
    return Path("data/raw", task)


def arrays(task: str) -> Path:
    """Folder: images, labels and ids as read from the raw files."""
    return Path("artifacts", task, "arrays")


def images(task: str) -> Path:
    """Folder: images as the models get them, statistics, audit."""
    return Path("artifacts", task, "images")


def folds(task: str) -> Path:
    """CSV `id,fold`, shared by every member of the task."""
    return Path("artifacts", task, "folds.csv")


def generated(task: str) -> Path:
    """Folder: the images that one GAN for each fold generated, and a description of their training data."""
    return Path("artifacts", task, "generated")


def tuning(task: str, member: str) -> Path:
    """JSON: the options that a member trains with."""
    return Path("artifacts", task, "tuning", f"{member}.json")


def study(task: str, member: str) -> Path:
    """Folder: the report of a tuning study, for people."""
    return Path("artifacts", task, "studies", member)


def journal(task: str, member: str) -> Path:
    """Log of every trial. It is outside the outs, so that more trials continue after the last run."""
    return Path(".studies", task, f"{member}.journal")


def models(task: str, member: str) -> Path:
    """Folder: a model and a history per fold."""
    return Path("artifacts", task, "members", member)


def times(task: str, member: str) -> Path:
    """JSON: how long a member's epochs took. Unlike the models, these times differ from run to run."""
    return Path("artifacts", task, "times", f"{member}.json")


def test_times(task: str, member: str) -> Path:
    """JSON: how long a member took to predict the test rows. It differs from run to run, unlike the predictions."""
    return Path("artifacts", task, "times", "test", f"{member}.json")


def predictions(task: str, member: str) -> Path:
    """Folder: out-of-fold and test probabilities of a member."""
    return Path("artifacts", task, "predictions", member)


def ensemble(task: str) -> Path:
    """Folder: weights, probabilities and score of the ensemble."""
    return Path("artifacts", task, "ensemble")


def decision(task: str, member: str | None = None) -> Path:
    """JSON: how probabilities of the ensemble, or of a member, become what the metric judges."""
    return ensemble(task) / "ensemble.json" if member is None else predictions(task, member) / "metrics.json"


def submission(task: str) -> Path:
    """The CSV that the Kaggle client uploads."""
    return Path("submissions", f"{task}.csv")


def score(task: str) -> Path:
    """JSON: public and private score, where the answers are known."""
    return Path("artifacts", task, "score.json")


def entry(part: str, key: str, block: str = "") -> Path:
    """JSON: an entry of a part of params.yaml, or a task's block, with its defaults filled in."""
    return ENTRIES / part / (f"{key}/{block}.json" if block else f"{key}.json")


def roster(task: str) -> Path:
    """JSON: the names of the members that compete for a place in the task's ensemble."""
    return entry("tasks", task, "members")


def all_rows(task: str) -> Path:
    """JSON: whether a member of the task needs generated images for a model on all rows."""
    return entry("tasks", task, "all_rows")


def near_copies(task: str) -> Path:
    """JSON: whether the stage prepare looks for near-copies; null: if the images are large enough."""
    return entry("tasks", task, "near_copies")


def answer_group(task: str) -> Path:
    """JSON: the block predict.group, which tells the stage ingest which images have one answer."""
    return entry("tasks", task, "answer_group")


def job_inputs(task: str) -> list[Path]:
    """Files and folders that a fold, a GAN, a trial or a prediction of the task may read, without the models."""
    below = [images(task), folds(task), generated(task), predictions(task, ""), tuning(task, "").parent]
    return [path for path in (ENTRIES, *below, vectors(task)) if path.exists()]


def resume(task: str, member: str) -> Path:
    """State of unfinished training: outside the outs, which DVC deletes before a stage runs again."""
    return Path(".resume", task, member)


def vectors(task: str) -> Path:
    """Folder: feature vectors of the task's images, outside the outs. It may be deleted at any time."""
    return Path(".vectors", task)


def lock(stage: str, key: str) -> Path:
    """Empty file that a running stage holds, so that a second run with the same key waits for it."""
    return Path(".resume", "locks", f"{quote(key, safe='')}.{stage}")
