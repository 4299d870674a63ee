"""Writes policies/policy.schema.json from the policy language, so that an editor completes and checks a policy.

Run: .venv/bin/python tools/policy_schema.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from transforms.policy import Policy

TARGET = Path(__file__).resolve().parents[1] / "policies" / "policy.schema.json"

_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


class _Plain(GenerateJsonSchema):
    """Numbers as YAML writes them, no defaults, and no title that only repeats a name."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> dict[str, Any]:
        return {"type": "number"} | {bound: schema[bound] for bound in _BOUNDS if bound in schema}  # type: ignore[literal-required]

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def policy_schema() -> dict[str, Any]:
    """Return the JSON Schema of a policy file."""
    schema = _tightened(Policy.model_json_schema(by_alias=True, schema_generator=_Plain))
    del schema["properties"]["text"]  # what was read, kept beside the policy; nobody writes it
    decide = schema["$defs"]["Decide"]
    decide |= {"minProperties": 1, "maxProperties": 1}
    # The short forms that a policy may write: a gate is its condition, rules are their list, no outlook is false.
    decide["properties"]["rules"]["anyOf"].insert(0, {"type": "array", "items": {"$ref": "#/$defs/Rule"}})
    (gate,) = schema["properties"]["gate"]["patternProperties"].values()
    gate |= {"anyOf": [{"type": "string"}, {"$ref": gate.pop("$ref")}]}
    schema["properties"]["outlook"]["anyOf"][1] = {"const": False}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "customer tiering policy",
    }


def _tightened(part: Any) -> Any:
    """Return a part of the schema with its bounds in JSON Schema's words, and no name beside those of a pattern."""
    if isinstance(part, list):
        return [_tightened(each) for each in part]
    if not isinstance(part, dict):
        return part
    found = {name: _tightened(value) for name, value in part.items()}
    if found.get("type") == "number":
        found = {_BOUNDS.get(name, name): value for name, value in found.items()}
    return found | ({"additionalProperties": False} if "patternProperties" in found else {})


def schema_text() -> str:
    """Return the schema as it stands in the file."""
    return json.dumps(policy_schema(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    TARGET.write_text(schema_text(), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(TARGET.parents[1])}")
