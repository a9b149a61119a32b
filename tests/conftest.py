import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from pipeline.config.schema import Params, load_params
from pipeline.storage import paths
from tests.ingest_project import TEST_IDS, sample
from tests.kaggle_project import hurry, write_project
from tests.kaggle_server import Kaggle, environment, secrets_in, serve
from tests.projects import to_tuned_members, write_blobs

os.environ["DVC_NO_ANALYTICS"] = "1"  # else each command of DVC starts a process that sends a report
if "PYTEST_XDIST_WORKER" in os.environ:  # each core has a worker already
    os.environ |= dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1")

hypothesis.settings.register_profile("any machine", deadline=None)  # because a busy machine is sometimes slow
hypothesis.settings.load_profile("any machine")

LONGEST = (  # with what they show in `make test` and in `make test-all`
    "test_end_to_end.py",
    "test_tutorial.py",
    "test_train.py",
    "test_train_on_all.py",
    "test_students.py",
    "test_models.py",
    "test_generate.py",
    "test_resume.py",
    "test_tune.py",
    "test_upload_failures.py",
    "test_on_device.py",
    "test_ablate.py",
    "test_monitor.py",
    "test_browser.py",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all examples of a property. Each example overwrites the same file."""
    return tmp_path_factory.mktemp("raw")


@pytest.fixture
def raw_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with the sample submission of the task in `tests/ingest_project.py`."""
    monkeypatch.chdir(tmp_path)
    Path("raw").mkdir()
    sample(TEST_IDS)


@pytest.fixture
def tuned_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Params]:
    """A function that writes members of the task `blobs` into the working folder, with their folds and options."""
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    return to_tuned_members


@pytest.fixture
def finished(once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The params of a copy of `once`, the folder in which a test module trained, as working folder."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return load_params(paths.PARAMS)


@pytest.fixture
def kaggle_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    """The server that imitates Kaggle, with an empty working directory. No credentials may be left in it."""
    kaggle, server = serve()
    for name, value in environment(kaggle.port, str(tmp_path / "home")).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    yield kaggle
    server.shutdown()
    server.server_close()
    _no_credentials_in(project)


@pytest.fixture
def kaggle(kaggle_server: Kaggle, monkeypatch: pytest.MonkeyPatch) -> Kaggle:
    """The server, with a project in the working directory whose submission can be uploaded."""
    hurry(monkeypatch)
    write_project()
    return kaggle_server


def _no_credentials_in(folder: Path) -> None:
    for path in folder.rglob("*"):
        assert not path.is_file() or not secrets_in(path.read_bytes()), path


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test after its parameter instead of its bytes, because those of gzip contain the time.

    All processes that share the tests must agree on every name.
    """
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that no process waits for a long one at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
