import hypothesis
import pytest

hypothesis.settings.register_profile("any machine", deadline=None)  # a busy one is slow now and then
hypothesis.settings.load_profile("any machine")

LONGEST = ("test_end_to_end.py", "test_train.py", "test_models.py", "test_tune.py", "test_generate.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all the examples of a property, which write the same file again and again."""
    return tmp_path_factory.mktemp("raw")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test after its parameter and not after bytes, which for gzip hold the time: the processes
    that share the tests collect in different seconds and must agree on every name."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that no process waits for one at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
