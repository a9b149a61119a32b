"""Stage `tune`: the options that a member trains with; with no trials, those of its entry."""

import dataclasses

from pipeline import paths
from pipeline.config import Member, Params
from pipeline.contracts import BadInput, blame, load_json, save_json, writing
from pipeline.parsing import parse
from pipeline.stage import member_of, run


def tune(params: Params, key: str) -> str:
    """Write the member's entry, complete with its defaults."""
    member = member_of(params, key)
    if member.trials:
        raise BadInput(f"{paths.PARAMS}: members.{key}.trials: {member.trials} is not 0: not built yet")
    with writing(paths.tuning(member.task, key)) as part:
        save_json(part, dataclasses.asdict(member))
    return "the options of its entry"


def load_tuned(task: str, key: str) -> Member:
    """Return the member with the options that `tune` chose."""
    path = paths.tuning(task, key)
    with blame(path):
        return parse(Member, load_json(path), "")


if __name__ == "__main__":
    run("tune", tune)
