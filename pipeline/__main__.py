"""`python -m pipeline`: list the commands of this package, with the stages in the order of `dvc repro`.

`python -m pipeline COMMAND ...` runs a command that lies in a room of this package.
"""

import ast
import runpy
import sys
from pathlib import Path

import yaml

from pipeline.running.usage import usage_of

HERE = Path(__file__).parent
IN_ROOMS = {"adversarial": "reporting", "repro": "running", "train_all": "training"}


def overview() -> str:
    """Return a line for each stage of `dvc.yaml`, and one for each other command."""
    stages = yaml.safe_load((HERE.parent / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    modules = {path.stem: path for path in HERE.glob("[!_]*.py")}
    modules |= {name: HERE / room / f"{name}.py" for name, room in IN_ROOMS.items()}
    ordered = [stage for stage in stages if stage in modules]
    others = sorted(modules.keys() - stages.keys())
    groups = (("The stages, in the order of `dvc repro`:", ordered), ("Other commands:", others))
    blocks = ["\n".join([title, *(_line(modules[name]) for name in names)]) for title, names in groups]
    return "\n\n".join([*blocks, "Each has --help."])


def _line(path: Path) -> str:
    usage, sentence = usage_of(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
    return f"  {usage}\n      {sentence}"


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in IN_ROOMS:
        name = sys.argv.pop(1)
        runpy.run_module(f"pipeline.{IN_ROOMS[name]}.{name}", run_name="__main__", alter_sys=True)
    else:
        print(overview())
