"""`python -m pipeline.config`: write the JSON schema, with which editors complete and check `params.yaml`."""

import json
from pathlib import Path
from typing import Any

from models import ARCHITECTURES
from pipeline.config.options import options_model
from pipeline.config.schema import Params

SCHEMA = Path(__file__).parent.parent.parent / "docs" / "params.schema.json"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of `params.yaml`. The options of a member depend on its architecture."""
    schema = Params.model_json_schema()
    schema["$defs"]["Member"]["allOf"] = [
        {
            "if": {"properties": {"architecture": {"const": name}}},
            "then": {"properties": {"options": options_model(name).model_json_schema()}},
        }
        for name in ARCHITECTURES
    ]
    return schema


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")
    print(f"{SCHEMA.name}: written")
