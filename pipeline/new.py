"""`python -m pipeline.new NAME FOLDER`: write an entry of params.yaml for a new competition.

NAME is the name of the new task. FOLDER contains the raw files that Kaggle offers, unpacked. The entry has a quick and
a strong member that suit the number and the size of the images. What the files do not show, such as the metric, is a
comment in the entry. If params.yaml has only the competitions that come with Podium, the new entry replaces them, and
the old file is kept as params.demo.yaml.

Example: python -m pipeline.new cactus data/raw/cactus
"""

import re
from pathlib import Path

from pipeline.config.errors import BadInput, quote
from pipeline.config.fields import NAME, NAME_RULE
from pipeline.config.schema import load_params
from pipeline.readers.new_entry import NAMES, entry, needs
from pipeline.readers.survey import measure, survey
from pipeline.running.stage import one_sentence
from pipeline.running.usage import parser_of
from pipeline.storage import paths
from pipeline.storage.files import writing

DEMO_FOLDER = "data/replica/"
DEMO_COPY = Path("params.demo.yaml")
HEADER = """# yaml-language-server: $schema=docs/params.schema.json
# Keys that are left out have the defaults of pipeline/config/schema.py. docs/ explains them.
"""


def new(name: str, folder: Path) -> list[str]:
    """Write the entry of the task `name` to `params.yaml`, and return sentences about what to do next.

    Raises:
        BadInput: the name is not legal or is taken, or the folder has no sample submission or no images.
        FileNotFoundError: there is no such folder.
    """
    if re.match(NAME, name) is None:
        raise BadInput(f"{quote(name)} is no name of a task, expected one that {NAME_RULE}")
    files = survey(folder)
    if files.train is None or files.test is None:
        kinds = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in files.others.items())
        raise BadInput(f"{folder}: no images in it ({kinds or 'no other files'}); unpack archives first")
    pictures = measure(files)
    is_demo_replaced = write(name, entry(name, files, pictures))
    demo_note = f"; the demo's entries are kept in {DEMO_COPY}" if is_demo_replaced else ""
    return [
        f"{paths.PARAMS}: wrote tasks.{name}, members {name}-quick and {name}-strong{demo_note}",
        *needs(files, pictures),
        f"next: read the comments in the entry, set the metric, and run: python -m pipeline repro ingest@{name}",
    ]


def write(name: str, blocks: dict[str, str]) -> bool:
    """Add the blocks to `params.yaml`, or replace it if it has only the demo's tasks, and return whether it did.

    Raises:
        BadInput: a task or a member has such a name already, or the file cannot be read.
    """
    old = paths.PARAMS.read_text(encoding="utf-8") if paths.PARAMS.exists() else ""
    params = load_params(paths.PARAMS) if old else None
    is_demo = params is not None and all(task.ingest.folder.startswith(DEMO_FOLDER) for task in params.tasks.values())
    if params is not None and not is_demo:
        names = {*params.tasks, *params.members}
        taken = [key for key in (name, *(f"{name}-{member}" for member in NAMES)) if key in names]
        if taken:
            raise BadInput(f"{paths.PARAMS}: {taken[0]} is there already, expected another name")
    text = _with_blocks(HEADER if is_demo or not old else old, blocks)
    with writing(paths.PARAMS) as part:
        part.write_text(text, encoding="utf-8")
        load_params(part)
        if is_demo:
            DEMO_COPY.write_text(old, encoding="utf-8")
    return is_demo


def _with_blocks(text: str, blocks: dict[str, str]) -> str:
    """Return YAML with text added at the end of some top-level blocks, which are created where they are missing."""
    for heading, addition in blocks.items():
        block = re.search(rf"^{heading}:[^\n]*(\n[ #][^\n]*|\n(?=\n* ))*", text, re.MULTILINE)
        if block is None:
            text = f"{text.rstrip()}\n\n{heading}:\n{addition}"
        else:
            text = f"{text[: block.end()]}\n{addition.rstrip()}{text[block.end() :]}"
    return text


def main() -> None:
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("name", metavar="NAME", help="of the new task")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="with the raw files")
    options = parser.parse_args()
    with one_sentence("new"):
        for sentence in new(options.name, options.folder):
            print(sentence)


if __name__ == "__main__":
    main()
