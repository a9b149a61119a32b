import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all the examples of a property, which write the same file again and again."""
    return tmp_path_factory.mktemp("raw")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test after its parameter and not after bytes, which for gzip hold the time: the processes
    that share the tests collect in different seconds and must agree on every name."""
    return argname if isinstance(val, bytes) else None
