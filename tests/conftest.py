import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all the examples of a property, which write the same file again and again."""
    return tmp_path_factory.mktemp("raw")
