"""The rules of the house, held by reading and importing the code."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dependencies import loaded_by, stages, unnamed
from tests.import_graph import imported_modules
from tests.projects import ROOT

PACKAGES = ("features", "models", "submissions", "pipeline")
TRAINING = ("train", "predict")
COMMANDS = (
    "build",
    "command",
    "download",
    "ledger",
    "provenance",
    "score",
    "upload",
)  # of submissions/, and what they share
LOADED_BY_TUNE = ("tuning.search", "tuning.results", "training.pseudo_labels")
BEFORE_TRAINING = ("replica", "ingest", "prepare", "split", "roster", "generate", "tune")
KERAS_FREE = (*BEFORE_TRAINING, "ensemble", "submission", "score", "report")

# Each takes names of modules, imports one after the other in one process, and prints what is wrong.
KERAS_AFTER_BACKEND = """
import importlib, sys

class NoKeras:
    def find_spec(self, name, path=None, target=None):
        if name == "keras":
            raise ImportError("after" if "pipeline.running.backend" in sys.modules else "before the backend")

sys.meta_path.insert(0, NoKeras())
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        print(name, "never imports keras")
    except ImportError as error:
        if str(error) != "after":
            print(name, "imports keras", error)
    for loaded in [m for m in sys.modules if m.partition(".")[0] in ("benchmarks", "features", "models", "pipeline")]:
        del sys.modules[loaded]
"""
NEVER_KERAS = """
import importlib, sys

for name in sys.argv[1:]:
    importlib.import_module(name)
    loaded = [m for m in ("keras", "tensorflow", "kaggle") if m in sys.modules]
    if loaded:
        sys.exit(f"{name} imports {loaded}")
"""


def complaints(code, names):
    process = subprocess.run([sys.executable, "-c", code, *names], cwd=ROOT, capture_output=True, text=True)
    return process.stdout + process.stderr


def modules(package):
    return sorted((ROOT / package).rglob("*.py"))


def programs():
    """Return the files that are run by name, so that nothing imports the backend before them, and use it."""
    paths = [*modules("pipeline"), *modules("submissions"), *modules("benchmarks")]
    return [path for path in paths if "__main__" in path.read_text() and imports_backend(path)]


def imports_backend(path):
    """Return whether a file imports the backend at its top."""
    imports = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)]
    return any(node.module == "pipeline.running.backend" for node in imports)


def imported(path):
    """Return the top-level names of all packages that a file imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", ["features", "models", "submissions"])
def test_imports_go_one_way(package):
    others = set(PACKAGES) - {package} - ({"features"} if package == "submissions" else set())
    for path in modules(package):
        if package != "submissions" or path.parent.name == "rules":
            assert not imported(path) & others, path


def test_the_pipeline_imports_no_command():
    for path in modules("pipeline"):
        ours = {name for name in imported_modules(path) if name.partition(".")[0] == "submissions"}
        assert all(name.startswith("submissions.rules") for name in ours), path
    assert {path.stem for path in modules("submissions")} > set(COMMANDS)


def test_no_backend_is_imported_by_name_but_where_one_makes_its_own_batches():
    for package in PACKAGES:
        for path in modules(package):
            own = {path.stem.rpartition("_")[2]} & {"tensorflow", "jax"}  # as in epoch_jax.py
            assert imported(path) & {"tensorflow", "torch", "jax"} == own, path


def test_features_know_neither_files_nor_keras():
    for path in modules("features"):
        assert not imported(path) & {"pathlib", "os", "keras"}, path


def test_what_does_not_train_never_imports_keras_nor_the_kaggle_client():
    stages = [f"pipeline.{name}" for name in (*KERAS_FREE, *LOADED_BY_TUNE)]
    assert complaints(NEVER_KERAS, [*stages, *(f"submissions.{name}" for name in COMMANDS)]) == ""


@pytest.mark.slow
def test_programs_import_the_backend_before_keras():
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in programs()]
    assert names and complaints(KERAS_AFTER_BACKEND, names) == ""


def test_every_stage_is_a_module_and_is_covered_here():
    import yaml

    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert stages.keys() == {*KERAS_FREE, *TRAINING, *(f"{stage}-student" for stage in ("tune", *TRAINING))}
    assert all((ROOT / "pipeline" / f"{stage.removesuffix('-student')}.py").exists() for stage in stages)


def test_students_are_trained_and_predict_as_members_do():
    import yaml

    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for stage in TRAINING:
        assert stages[f"{stage}-student"] == stages[stage] | {"foreach": "${students}"}
    assert stages["tune-student"]["do"]["outs"] == stages["tune"]["do"]["outs"]


@pytest.mark.parametrize("stage", stages())
def test_a_stage_depends_on_all_code_that_it_can_load(stage):
    assert unnamed(stage) == set()


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["ingest", "ensemble", "tune"])
def test_what_a_stage_loads_is_among_what_it_can_load(stage):
    code = (
        f"import sys, pipeline.{stage}; print(*(getattr(m, '__file__', None) for m in sys.modules.values()), sep='\\n')"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    files = {
        Path(line) for line in process.stdout.splitlines() if line.startswith(f"{ROOT}/") and "/.venv/" not in line
    }
    code_files = {path for path in files if len(ast.parse(path.read_text()).body) > 1}
    assert code_files and code_files <= loaded_by(ROOT / "pipeline" / f"{stage}.py")


def test_a_message_or_a_new_architecture_is_no_reason_to_train_again():
    from pipeline.storage.checkpoint import training_files

    files = {path.relative_to(ROOT) for path in training_files("fast", "t") if path.is_absolute()}
    assert {path.parts[:2] for path in files} == {
        *(("features", room) for room in ("augmentation", "labels")),
        *(("models", name) for name in ("fast.py", "parts")),
        ("pipeline", "training"),
    }
    for stage in ("tune", "train"):
        code = [name for name in stages()[stage]["deps"] if name.startswith("models/")]
        rooms = {"models/backbones", "models/parts", "models/registry"}
        assert set(code) == {"models/__init__.py", "models/${item.architecture}.py", *rooms}


def test_an_architecture_is_a_file(tmp_path):
    shutil.copytree(ROOT / "models", tmp_path / "models")
    shutil.copy(tmp_path / "models/fast.py", tmp_path / "models/faster.py")
    code = "import models; from models.registry.signatures import options_of\n"
    code += "print(*options_of('faster'), *models.ARCHITECTURES)"
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert process.stdout.split()[:2] == ["width", "activation"] and "faster" in process.stdout.split()
    assert "gan" not in process.stdout.split()


def test_files_hold_one_idea():
    for package in PACKAGES:
        for path in modules(package):
            assert len(path.read_text().splitlines()) <= 300, path
            assert ast.get_docstring(ast.parse(path.read_text())) or not path.read_text(), path


def test_the_readme_names_commands_that_exist():
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in ("repro", "test", "download"):
        assert f"make {target}" in readme
        assert f"\n{target}:" in makefile
    for name in ("params.yaml", "benchmarks/params.yaml", "benchmarks/README.md", "docs/kaggle.md"):
        assert name in readme
        assert Path(ROOT, name).exists()
    for command in ("upload", "ledger", "score"):
        assert f"python -m submissions.{command}" in readme
