"""The rooms of `pipeline/` stay few, in layers, and without circles."""

import pytest

from tests.import_graph import ROOT, imported_modules, layers, rooms

PACKAGES = {"features", "models", "submissions", "pipeline"}


def test_rooms_are_few_and_lie_in_layers():
    graph = rooms()
    assert len(graph) <= 26
    assert sum(map(len, graph.values())) <= 80
    assert max(layers(graph).values()) <= 6


def test_a_circle_is_an_error():
    with pytest.raises(ValueError, match="cycle"):
        layers({"one": {"other"}, "other": {"one"}})


def test_no_stage_imports_a_stage():
    graph = rooms()
    stages = {path.stem for path in (ROOT / "pipeline").glob("*.py") if not path.stem.startswith("__")}
    assert {name: others & stages for name, others in graph.items() if others & stages} == {}


def test_storage_knows_nothing_of_training():
    assert not rooms()["storage"] & {"training", "tuning"}


@pytest.mark.parametrize("folder", ["features", "models", "submissions/rules"])
def test_what_lies_below_the_pipeline_imports_nothing_of_it(folder):
    for path in (ROOT / folder).rglob("*.py"):
        packages = {name.partition(".")[0] for name in imported_modules(path)} & PACKAGES
        assert packages <= {folder.partition("/")[0], "features"}, path
