"""The JSON Schema of the language: it is current, takes every shipped policy, and refuses what the language refuses."""

from __future__ import annotations

import json
import runpy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, validators

from tests.indicator_frames import SHIPPED
from transforms.policy import Policy
from transforms.policy_text import PolicyText
from transforms.shapes import Decide

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = json.loads((ROOT / "policies" / "policy.schema.json").read_text(encoding="utf-8"))

# Policies are read with exact numbers, which the library knows as any other number.
_NUMBERS = Draft202012Validator.TYPE_CHECKER.redefine(
    "number", lambda checker, value: isinstance(value, int | Decimal) and not isinstance(value, bool)
)
Validator: Any = validators.extend(Draft202012Validator, type_checker=_NUMBERS)


def faults_of(data: Any) -> list[str]:
    """Return where a policy is not as the schema says."""
    return [".".join(map(str, error.absolute_path)) for error in Validator(SCHEMA).iter_errors(data)]


def data_of(policy_id: str) -> dict[str, Any]:
    path = ROOT / "policies" / f"{policy_id}.yaml"
    return PolicyText(path.read_text(encoding="utf-8"), path.name).data


def test_the_schema_is_what_the_generator_makes() -> None:
    generator = runpy.run_path(str(ROOT / "tools" / "policy_schema.py"))
    assert (ROOT / "policies" / "policy.schema.json").read_text(encoding="utf-8") == generator["schema_text"](), (
        "run: .venv/bin/python tools/policy_schema.py"
    )


def test_the_schema_is_one_and_knows_every_key_but_the_text() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == {
        field.alias or name for name, field in Policy.model_fields.items() if name != "text"
    }
    assert set(SCHEMA["$defs"]["Decide"]["properties"]) == set(Decide.model_fields)


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_a_shipped_policy_is_as_the_schema_says(policy_id: str) -> None:
    assert faults_of(data_of(policy_id)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["grain"], "client"),
        (["tiers"], []),
        (["tiers", 0], 1),
        (["titel"], {"en": "x"}),
        (["title"], {"de": "x"}),
        (["indicators", "net_sales", "windo"], "ever"),
        (["indicators", "Net Sales"], {"measure": "net_sales"}),
        (["indicators", "frequency", "quantile"], 1),
        (["gate", "has_bought"], {"wen": "x"}),
        (["gate", "has_bought"], 5),
        (["decide", "bands"], {"of": "net_sales", "tiers": []}),
        (["decide", "composite", "digits", 0, "scale", 0, "digit"], 10),
        (["decide", "composite", "digits", 0, "scale", 0, "at_most"], "7"),
        (["decide", "composite", "digits", 0, "scale", 0, "at_most"], True),
        (["missing"], {"net_sales": {"as": [1]}}),
        (["review", "breaker", "moved_share"], Decimal("1.01")),
        (["effective_from"], 20260101),
        (["text"], "x"),
    ],
)
def test_what_the_language_refuses_the_schema_refuses(path: list[Any], value: Any) -> None:
    data = data_of("rfm_555")
    place: Any = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert faults_of(data)


@pytest.mark.parametrize("key", ["id", "title", "ref", "grain", "schedule", "as_of", "tiers", "indicators", "decide"])
def test_a_key_that_every_policy_has_is_missed(key: str) -> None:
    data = data_of("pyramid")
    del data[key]
    assert faults_of(data) == [""]
