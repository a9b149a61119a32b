"""Print the packages of pyproject.toml that this Python lacks, tests' ones too, in one line."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
lacking = []
for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
    name = re.match(r"[\w.-]+", requirement)[0]
    try:
        distribution(name)
    except PackageNotFoundError:
        lacking.append(name)
print(", ".join(lacking))
