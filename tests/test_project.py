"""What a newcomer meets beside the code: make's targets, the workflow, the lock file, what tests need."""

import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.version import Version

from tests.needs import need_module, need_program
from tests.projects import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ("3.11", "3.12", "3.13")


def make(*arguments, cwd=ROOT):
    command = ["make", "--no-print-directory", "--file", ROOT / "Makefile", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout


def targets():
    return dict(re.findall(r"^  make (\S+) +(.+)$", make("help"), re.MULTILINE))


def test_make_help_lists_the_targets():
    names = ["repro", "published-%", "download", "quick", "test", "test-all", "lint", "lock", "clean", "help"]
    assert targets().keys() == {*names}


@pytest.mark.parametrize(("scale", "option"), [([], ""), (["SCALE=small"], " --small"), (["SCALE=smal1"], " --smal1")])
def test_a_misspelt_scale_never_starts_the_full_run(scale, option):
    assert make("--dry-run", "published-c", *scale).splitlines()[-1].rstrip() == f"python -m published c{option}"


def test_make_clean_keeps_and_sizes_what_took_time(tmp_path):
    for name in (".compiled/a", ".resume/m", ".studies/m", ".dvc/cache/files", "src/__pycache__"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / ".resume/m/state.npz").write_bytes(bytes(3 << 20))
    output = make("clean", cwd=tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_dir()}
    assert left == {".resume", ".resume/m", ".studies", ".studies/m", ".dvc", ".dvc/cache", ".dvc/cache/files", "src"}
    assert re.search(r"\.resume +3\.\d+M .*rm -r \.resume", output)
    assert re.search(r"artifacts +none ", output)


def test_the_workflow_runs_targets_of_make_on_every_python():
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]
    steps = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert steps == {"quick": ["make lint", "make quick"], "everything": ["make test-all"]}
    assert all(tuple(job["strategy"]["matrix"]["python"]) == PYTHONS for job in jobs.values())
    assert PROJECT["requires-python"] == f">={PYTHONS[0]},<3.14"


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_file_has_one_version_within_the_bounds_of_each_dependency(python):
    environment = default_environment() | {"python_version": python, "python_full_version": f"{python}.0"}
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = [Requirement(line) for line in lines if line and not line.startswith("#")]
    here = {lock.name.lower(): lock for lock in locked if not lock.marker or lock.marker.evaluate(environment)}
    packages = PROJECT["dependencies"] + [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    for requirement in map(Requirement, packages):
        (exact,) = here[requirement.name.lower()].specifier
        assert exact.operator == "=="
        assert Version(exact.version) in requirement.specifier, requirement


def test_a_missing_program_is_skipped_and_in_ci_a_failure(monkeypatch):
    assert need_program("make", "apt install make").endswith("make")
    assert need_module("yaml", "pip install pyyaml") is yaml
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="nonsuch is missing: apt install nonsuch"):
        need_program("nonsuch", "apt install nonsuch")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="nonsuch is missing: pip install nonsuch"):
        need_module("nonsuch", "pip install nonsuch")


def test_the_gpu_machine_has_or_gets_every_package():
    image = (
        "filelock joblib jinja2 markupsafe matplotlib numpy pandas pillow psutil pyyaml scikit-learn scipy tensorboard"
    )
    on_the_machine = {*f"{image} threadpoolctl tqdm".split()}
    not_needed_there = {"kaggle", "tensorflow"}
    carried = {*(ROOT / "benchmarks/gpu_packages.txt").read_text().splitlines()[1:]}
    needed = {Requirement(line).name.lower() for line in PROJECT["dependencies"]}
    assert needed - on_the_machine - not_needed_there <= carried
