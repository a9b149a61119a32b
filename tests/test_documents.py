"""What the documents show is what Podium takes: each example of an entry builds, and links lead somewhere."""

import re
import textwrap

import pytest
import yaml

import models
from models.parts.cost import without_weights
from pipeline.config.schema import load_params
from pipeline.storage.checkpoint import PRETRAINED
from tests.projects import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = {
    f"{page.name}-{number}": text
    for page in PAGES
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
}


def placed(example):
    """Return an example, which may be a part of an entry, under the keys of params.yaml that it belongs to."""
    if set(example) <= {"replicas", "tasks", "members", "students", "ablations"}:
        return example
    if "ingest" in example:
        return {"tasks": {"fashion": example}}
    if {"training", "augment"} & set(example):
        return {"members": {"fashion-fast": example}}
    kind = "tasks" if all("ingest" in entry for entry in example.values()) else "members"
    return {kind: example}


def laid_over(tree, changes):
    """Return `tree` with `changes`, key by key."""
    if not isinstance(tree, dict) or not isinstance(changes, dict):
        return changes
    return tree | {key: laid_over(tree.get(key), value) for key, value in changes.items()}


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_loads_and_builds(block, tmp_path):
    example = yaml.safe_load(textwrap.dedent(BLOCKS[block]).replace("ingest: ...", ""))
    tree = laid_over(yaml.safe_load((ROOT / "params.yaml").read_text()), placed(example))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    for member in load_params(tmp_path / "params.yaml").members.values():
        options = member.options | ({"weights": None} if member.architecture in PRETRAINED else {})
        with without_weights():
            models.build(member.architecture, (28, 28, 1), 10, options)


def test_documents_have_examples():
    assert len(BLOCKS) > 5


def headings(page):
    """Return the anchors of a page's headings, as GitHub forms them."""
    texts = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in texts}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"])
def test_links_lead_to_files_and_headings(page):
    targets = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    for target in targets:
        if not target.startswith(("http:", "https:")):
            path, _, anchor = target.partition("#")
            file = page.parent / path if path else page
            assert file.exists(), target
            assert not anchor or anchor in headings(file), target
