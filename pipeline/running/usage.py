"""What a command answers to `--help` and `--version`, from the docstring of its module.

The first line of that docstring is "`python -m pipeline.STAGE KEY`: what it does."; the rest is shown as it is.
"""

import argparse
import sys
from importlib.metadata import version

KEYS = {  # what a word of the first line means, and an example from the default params.yaml
    "REPLICA": ("an entry under `replicas` in params.yaml", "fashion"),
    "TASK": ("an entry under `tasks` in params.yaml", "fashion"),
    "MEMBER": ("an entry under `members` or `students` in params.yaml", "fashion-fast"),
}


def answer() -> None:
    """End the process with the help or the version if a command of `pipeline/` was started and asked for it."""
    command = sys.modules["__main__"]
    name = command.__spec__.name if command.__spec__ else ""
    if not name.startswith("pipeline.") or not command.__doc__:
        return
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(help_text(command.__doc__))
        sys.exit()
    if "--version" in sys.argv[1:]:
        print(version_text())
        sys.exit()


def parser_of(doc: str) -> argparse.ArgumentParser:
    """Return a parser of the command with this docstring, which answers `--help` and `--version`."""
    usage, sentence = usage_of(doc)
    _, _, rest = doc.partition("\n")
    parser = argparse.ArgumentParser(
        prog=" ".join(usage.split()[:3]),
        description=f"{sentence}\n{rest}".strip(),
        epilog=_example(doc),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version_text())
    return parser


def usage_of(doc: str) -> tuple[str, str]:
    """Return the command line of a docstring's first line, and what it says of it."""
    line = doc.partition("\n")[0]
    usage, _, sentence = line.removeprefix("`").partition("`: ")
    return usage, sentence[:1].upper() + sentence[1:]


def help_text(doc: str) -> str:
    """Return the help of a command: its usage, what it does, its keys and an example."""
    usage, sentence = usage_of(doc)
    paragraphs = [f"usage: {usage}", sentence, doc.partition("\n")[2].strip(), *_keys(usage), _example(doc)]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def version_text() -> str:
    """Return the project's name and version."""
    return f"podium {version('podium')}"


def _keys(usage: str) -> list[str]:
    return [f"{word} is {KEYS[word][0]}." for word in usage.split() if word in KEYS]


def _example(doc: str) -> str:
    """Return an example of a command, or nothing where the docstring gives its own."""
    words = usage_of(doc)[0].split()
    return "" if "\nExample: " in doc else "Example: " + " ".join(KEYS[w][1] if w in KEYS else w for w in words)
