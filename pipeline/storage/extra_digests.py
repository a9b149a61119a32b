"""Hashes of the generated images and pseudo-labels that a member trains on, for DVC and for resuming."""

from pipeline.config.schema import Member
from pipeline.storage import paths
from pipeline.storage.checkpoint import digest
from pipeline.storage.files import load_json
from pipeline.storage.predictions import SOURCES, load_sources

DIGESTS = "extras"  # in a member's tuning file


def extra_digests(member: Member) -> dict[str, dict[str, str | None]]:
    """Return a hash of each kind that the member uses, under the name DIGESTS, or an empty dict if it uses none."""
    digests = {}
    if member.generated_share:
        digests["generated"] = load_json(paths.generated(member.task) / "about.json", {"digest": object})["digest"]
    if member.pseudo_labels:
        folder = paths.predictions(member.task, member.pseudo_labels.teacher)
        digests["pseudo_labels"] = digest([], [folder / SOURCES, *load_sources(folder)])
    return {DIGESTS: digests} if digests else {}
