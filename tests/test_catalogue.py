"""Every grading system of the catalogue has a policy with cases, a feature with a test, or a reason for neither."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.indicator_frames import POLICIES
from transforms.policy_text import PolicyText

ROOT = Path(__file__).resolve().parents[1]
SYSTEMS: dict[str, dict[str, Any]] = PolicyText(
    (ROOT / "tests" / "catalogue.yaml").read_text(encoding="utf-8"), "catalogue.yaml"
).data
REFERRED = {name: re.findall(r"S\d+", policy.ref) for name, policy in POLICIES.items()}


def test_the_list_is_whole() -> None:
    assert list(SYSTEMS) == [f"S{number}" for number in range(1, 71)]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_is_there(system: str) -> None:
    entry = SYSTEMS[system]
    assert set(entry) in ({"policies"}, {"policies", "feature", "test"}, {"feature", "test"}, {"content_only"})
    for name in entry.get("policies", []):
        assert system in REFERRED[name], f"policies/{name}.yaml does not name {system} in its ref"
        assert (ROOT / "tests" / "policies" / f"{name}.yaml").is_file()
    if "test" in entry:
        file, _, name = entry["test"].partition("::")
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", text, re.MULTILINE), f"{entry['test']} does not exist"


def test_no_policy_refers_to_what_is_not_listed() -> None:
    for name, systems in REFERRED.items():
        assert systems, f"policies/{name}.yaml names no system"
        for system in systems:
            assert name in SYSTEMS[system].get("policies", []), f"tests/catalogue.yaml: {system} does not name {name}"
