"""`python -m pipeline`: list the commands of this package, with the stages in the order of `dvc repro`."""

import ast
import sys
from pathlib import Path

import yaml

from pipeline.running.usage import usage_of

HERE = Path(__file__).parent


def overview() -> str:
    """Return a line for each stage of `dvc.yaml`, and one for each other command."""
    stages = yaml.safe_load((HERE.parent / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    modules = {path.stem: path for path in sorted(HERE.glob("[!_]*.py"))}
    ordered = [stage for stage in stages if stage in modules]
    others = [name for name in modules if name not in stages]
    groups = (("The stages, in the order of `dvc repro`:", ordered), ("Other commands:", others))
    blocks = ["\n".join([title, *(_line(modules[name]) for name in names)]) for title, names in groups]
    return "\n\n".join([*blocks, "Each has --help."])


def _line(path: Path) -> str:
    usage, sentence = usage_of(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
    return f"  {usage}\n      {sentence}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["repro"]:
        from pipeline.repro import repro  # here, because it imports DVC, which is slow

        sys.exit(repro(sys.argv[2:]))
    print(overview())
