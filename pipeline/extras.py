"""Hashes of what a member trains on beside its real images, for DVC and for resuming."""

from pipeline import paths
from pipeline.config import Member
from pipeline.contracts import load_json
from pipeline.predictions import SOURCES, load_sources
from pipeline.resume import digest

DIGESTS = "extras"  # in a member's tuning file


def extra_digests(member: Member) -> dict[str, dict[str, str | None]]:
    """Return a hash of each kind that the member uses, under the name DIGESTS; nothing where it uses none."""
    found = {}
    if member.generated_share:
        found["generated"] = load_json(paths.generated(member.task) / "about.json")["digest"]
    if member.pseudo_labels:
        folder = paths.predictions(member.task, member.pseudo_labels.teacher)
        found["pseudo_labels"] = digest([], [folder / SOURCES, *load_sources(folder)])
    return {DIGESTS: found} if found else {}
