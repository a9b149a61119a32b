"""The options that `tune` chose for a member."""

from pipeline.config.parsing import parse
from pipeline.config.schema import Member
from pipeline.storage import paths
from pipeline.storage.extra_digests import DIGESTS
from pipeline.storage.files import blame, load_json


def load_tuned(task: str, key: str) -> Member:
    """Return the member with the options that `tune` chose."""
    path = paths.tuning(task, key)
    with blame(path):
        entry = load_json(path, dict)
        entry.pop(DIGESTS, None)  # only for DVC, which retrains a member when this file changes
        return parse(Member, entry)
