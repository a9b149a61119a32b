"""Equal inputs give equal files, byte for byte: otherwise DVC reruns every later stage after a repeated one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.projects import environment, member, task, write_blobs, write_params

STAGES = """
from pathlib import Path
from pipeline import replica, ingest, prepare, split, roster, generate, tune, train, predict
from pipeline import ensemble, submission, score, report
from pipeline.config.schema import load_params

if __name__ == "__main__":
    params = load_params(Path("params.yaml"))
    replica.replica(params, "tiny")
    for stage in (ingest.ingest, prepare.prepare, split.split):
        stage(params, "blobs")
    roster.roster(params)
    generate.generate(params, "blobs")
    for member in ("plain", "tuned", "generated", "student"):
        for stage in (tune.tune, train.train, predict.predict):
            stage(params, member)
    for stage in (ensemble.ensemble, submission.submission, score.score):
        stage(params, "blobs")
    report.report(params)
"""
GAN = {"epochs": 1, "batch_size": 16, "filters": 2, "latent_units": 4, "images_per_class": 3}
TUNE = {"trials": 3, "pruner": "none", "space": {"training": {"learning_rate": [0.005, 0.01]}}}


def outputs() -> dict[str, bytes]:
    """Return the content of each file that a stage declares to DVC, by path, without the times and their report."""
    files = [path for name in ("artifacts", "data", "submissions") for path in Path(name).rglob("*.*")]
    return {str(path): path.read_bytes() for path in files if path.is_file() and "times" not in path.parts}


def run_all_stages(seed: str) -> dict[str, bytes]:
    """Run all stages in a process in which `seed` decides the order of sets, and return the outputs."""
    variables = environment() | {"PYTHONHASHSEED": seed}
    process = subprocess.run([sys.executable, "stages.py"], env=variables, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return outputs()


@pytest.mark.nightly
def test_a_repeated_run_of_every_stage_writes_equal_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(Path("raw"), rows=30)
    once = {"training": {"epochs": 1}}
    members = {
        "plain": member("blobs", **once),
        "tuned": member("blobs", tune=TUNE, **once),
        "generated": member("blobs", generated_share=0.3, **once),
    }
    student = member("blobs", pseudo_labels={"teacher": "plain", "least_confidence": 0.1}, **once)
    replicas = {"tiny": {"form": "fashion", "train_rows": 60, "test_rows": 30}}
    tasks = {"blobs": task("raw", split={"count": 2}, generate=GAN)}
    write_params(Path(), tasks, members, students={"student": student}, replicas=replicas)
    Path("stages.py").write_text(STAGES)
    first, published_again = run_all_stages("1"), run_all_stages("2")
    shutil.rmtree(".resume")
    trained_again = run_all_stages("3")
    assert len(first) > 40
    for others in (published_again, trained_again):
        assert set(others) == set(first)
        assert [path for path in first if first[path] != others[path]] == []
