"""Hashes of what a member trains on beside its real images, for DVC and for resuming."""

from pipeline import paths
from pipeline.config import Member
from pipeline.contracts import load_json

DIGESTS = "extras"  # in a member's tuning file


def extra_digests(member: Member) -> dict[str, dict[str, str | None]]:
    """Return a hash of each kind that the member uses, under the name DIGESTS; nothing where it uses none."""
    found = {}
    if member.generated_share:
        found["generated"] = load_json(paths.generated(member.task) / "about.json")["digest"]
    return {DIGESTS: found} if found else {}
