"""The first stage: every entry with its defaults, and no command from a name that was not checked."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml

from pipeline import roster
from pipeline.config.schema import load_params
from pipeline.storage import paths
from tests.projects import ROOT, environment, member, task, write_params

HOSTILE = ("a;touch PWNED", "$(touch PWNED)", "../../x", "/tmp/x", "a/b", "-t", "plant.2020", "cats vs dogs", "a@b")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose dvc.yaml is ours."""
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, name)
    for name in ("pipeline", "features", "models", "submissions"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text(
        "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
    )
    return tmp_path


def dvc(*arguments):
    process = subprocess.run(["dvc", *arguments], capture_output=True, text=True, env=environment())
    return process.returncode, process.stdout + process.stderr


def test_entries_have_their_defaults_and_an_edit_changes_its_own_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bare = {"ingest": task("raw")["ingest"]}
    members = {"m": {"task": "blobs", "architecture": "fast"}, "n": member("blobs")}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"tasks": {"blobs": bare}, "members": members}))
    roster.roster(load_params(paths.PARAMS))
    before = {path: path.read_text() for path in paths.ENTRIES.rglob("*.json")}
    assert json.loads(before[paths.entry("tasks", "blobs", "split")])["count"] == 5
    assert json.loads(before[paths.entry("members", "m")])["training"]["epochs"] == 10
    assert json.loads(before[paths.roster("blobs")]) == ["m", "n"]
    members["m"]["training"] = {"epochs": 3}
    write_params(tmp_path, {"blobs": bare}, members)
    roster.roster(load_params(paths.PARAMS))
    changed = {path for path, text in before.items() if path.read_text() != text}
    assert changed == {paths.entry("members", "m")}


def test_a_params_yaml_without_optional_blocks_goes_through_dvc(project):
    tree = {
        "tasks": {"blobs": {"ingest": task("raw")["ingest"]}},
        "members": {"m": {"task": "blobs", "architecture": "fast"}},
    }
    (project / "params.yaml").write_text(yaml.safe_dump(tree))
    code, output = dvc("repro", "roster")
    assert code == 0, output
    assert paths.entry("tasks", "blobs", "predict").exists()


@pytest.mark.parametrize("name", [HOSTILE[0], *(pytest.param(n, marks=pytest.mark.slow) for n in HOSTILE[1:4])])
@pytest.mark.parametrize("single", [[], pytest.param(["-s"], marks=pytest.mark.nightly)])
def test_dvc_builds_no_command_from_a_bad_name(project, name, single):
    write_params(project, {name: task("raw")}, {"m": member(name)})
    (project / "raw").mkdir()
    code, output = dvc("repro", *single, f"ingest@{name}")
    assert code != 0 and "pipeline.ingest" not in output
    assert not list(project.rglob("PWNED")) and not (project.parent.parent / "x").exists()


@pytest.mark.slow
def test_a_bad_name_that_leads_to_an_entry_of_before_builds_no_command(project):
    write_params(project, {"t": task("raw")}, {"m": member("t")})
    (project / "raw").mkdir()
    assert dvc("repro", "roster")[0] == 0
    name = "$(touch PWNED)/../t"
    write_params(project, {name: task("raw")}, {"m": member(name)})
    code, output = dvc("repro", "-s", f"ingest@{name}")
    assert code != 0 and "names.json" in output
    assert not list(project.rglob("PWNED"))


@pytest.mark.parametrize("name", [HOSTILE[0], *(pytest.param(n, marks=pytest.mark.slow) for n in HOSTILE[1:])])
def test_a_stage_refuses_bad_names_in_one_sentence(project, name):
    write_params(project, {"t": task("raw"), name: task("raw")}, {"m": member("t")})
    process = subprocess.run(
        [sys.executable, "-m", "pipeline.ingest", "t"], capture_output=True, text=True, env=environment()
    )
    assert process.returncode == 1 and process.stderr.count("\n") == 1
    assert "expected a name that starts with a letter or a digit" in process.stderr
