"""The answers of a command to `--help` and `--version`, from the docstring of its module.

The first line of that docstring is "`python -m pipeline.STAGE KEY`: what it does." The rest is printed unchanged.
"""

import argparse
import sys
from importlib.metadata import version

KEYS = {  # the meaning of a word in the first line, and an example from the default params.yaml
    "REPLICA": ("an entry under `replicas` in params.yaml", "fashion"),
    "TASK": ("an entry under `tasks` in params.yaml", "fashion"),
    "MEMBER": ("an entry under `members` or `students` in params.yaml", "fashion-fast"),
}


def answer() -> None:
    """Print the help or the version and end the process, if this is a command of `pipeline/` with such an option."""
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
    """Return the two parts of a docstring's first line: the command line, and its description as a sentence."""
    line = doc.partition("\n")[0]
    usage, _, sentence = line.removeprefix("`").partition("`: ")
    return usage, sentence[:1].upper() + sentence[1:]


def help_text(doc: str) -> str:
    """Return the help of a command: its usage, description, keys and an example."""
    usage, sentence = usage_of(doc)
    paragraphs = [f"usage: {usage}", sentence, doc.partition("\n")[2].strip(), *_keys(usage), _example(doc)]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def version_text() -> str:
    """Return the project's name and version."""
    return f"podium {version('podium')}"


def _keys(usage: str) -> list[str]:
    return [f"{word} is {KEYS[word][0]}." for word in usage.split() if word in KEYS]


def _example(doc: str) -> str:
    """Return an example of a command, or an empty text if the docstring has its own."""
    words = usage_of(doc)[0].split()
    return "" if "\nExample: " in doc else "Example: " + " ".join(KEYS[w][1] if w in KEYS else w for w in words)
