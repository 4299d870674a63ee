"""The linter: every fault is found and named, in print as in small; what has no fault passes without a word."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from transforms.lint import Finding, lint_text
from transforms.policy import parse_policy
from transforms.policy_text import PolicyText
from transforms.shapes import find_line, lines_holding

PRINTED = Path(__file__).parent / "policies" / "printed"
EXPECTED: dict[str, list[dict[str, str]]] = PolicyText(
    (PRINTED / "expected.yaml").read_text(encoding="utf-8"), "expected.yaml"
).data


@dataclass(frozen=True)
class Measured:
    """What the linter knows of a measure."""

    unit: str
    undefined_when: str = "never"
    digits: int = 0


LIBRARY = {
    "net_sales": Measured("money", digits=4),
    "order_count": Measured("count"),
    "contact_count": Measured("count"),
    "recency_days": Measured("days", "no invoice in the window"),
    "recency_months": Measured("months", "no invoice in the window"),
    "collection_rate_gross": Measured("ratio", "nothing billed", 18),
    "margin_rate": Measured("ratio", "a line has no cost", 18),
    "cost_ratio": Measured("ratio", "a line has no cost", 18),
    "average_close_days": Measured("days", "none closed", 18),
    "days_to_close": Measured("days"),
    "hospital_level": Measured("text", "no month states it"),
    "prescribing_behaviour": Measured("text", "no month states it"),
    "is_urgent": Measured("flag", "the source states none"),
}

SALES = "sales: {measure: net_sales, window: 12 months, unit: money}"
ORDERS = "orders: {measure: order_count, window: 12 months, unit: count}"
RATE = "rate: {measure: margin_rate, window: 12 months, unit: ratio}"
RECENCY = "recency: {measure: recency_days, window: ever, unit: days}"
GRADE = "grade: {assessment: grade, unit: text, values: [good, fair, poor]}"
POINTS = "points: {assessment: points, unit: count, minimum: 0, maximum: 10}"
GRADED = "missing: {grade: {as: poor}}"


def text_of(tiers: str, indicators: list[str], decide: str, *more: str) -> str:
    """Return a policy of tiers such as `A B C`, with an action for each."""
    names = tiers.split()
    actions = ", ".join(f"{tier}: {{en: Visit, zh: 拜访}}" for tier in names)
    declared = "\n".join(f"  {indicator}" for indicator in indicators)
    return "\n".join([
        "id: p", "title: {en: P, zh: 政策}", "ref: test", "grain: customer", 'schedule: "0 6 2 * *"',
        "as_of: previous_month_end", f"tiers: [{', '.join(names)}]", f"indicators:\n{declared}", f"decide: {decide}",
        *more, *([] if any(part.startswith("actions:") for part in more) else [f"actions: {{{actions}}}"]),
    ])  # fmt: skip


def lint(text: str) -> list[Finding]:
    return lint_text(text, "p.yaml", LIBRARY)[1]


def keys(findings: list[Finding]) -> list[tuple[str, str, str, str | None]]:
    return sorted((f.severity, f.rule, f.place, f.point) for f in findings)


# ---- as printed


def test_every_printed_policy_is_expected_to_fail() -> None:
    assert sorted(EXPECTED) == sorted(path.stem for path in PRINTED.glob("*.yaml") if path.stem != "expected")
    assert all(EXPECTED.values())


@pytest.mark.parametrize("name", EXPECTED)
def test_every_fault_of_print_is_named_and_no_other(name: str) -> None:
    text = (PRINTED / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    found = lint_text(text, f"{name}.yaml", LIBRARY)[1]
    expected = EXPECTED[name]
    assert keys(found) == sorted((e["severity"], e["rule"], e["place"], e.get("point")) for e in expected)
    for each in expected:
        assert any(each["says"] in f.message for f in found if (f.rule, f.place) == (each["rule"], each["place"]))
    assert all(finding.line > 1 for finding in found)


def codes_by_segment(name: str, digits: range) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Return by segment the codes it takes, those in none, those in several, from plain sets."""
    policy = parse_policy((PRINTED / f"{name}.yaml").read_text(encoding="utf-8"), name)
    assert policy.decide.composite is not None
    shape = policy.decide.composite
    taken: dict[str, list[str]] = {segment.tier: [] for segment in shape.segments or []}
    left, twice = [], []
    for code in map("".join, product(map(str, digits), repeat=3)):
        holding = [s.tier for s in shape.segments or [] if not s.is_rest and s.holds(shape.indicators, code)]
        if holding:
            taken[holding[0]].append(code)
        else:
            left.append(code)
        if len(holding) > 1:
            twice.append(code)
    return taken, left, twice


def test_segments_of_others_leave_as_many_out_as_published() -> None:
    taken, left, twice = codes_by_segment("rfm_r_segments", range(1, 6))
    assert [name for name, codes in taken.items() if not codes] == ["New Customers", "Promising", "Can't Lose Them"]
    assert (len(left), len(twice)) == (36, 39)
    taken, left, twice = codes_by_segment("rfm_pymc_segments", range(1, 5))
    assert (len(left), len(twice)) == (18, 0)
    assert [name for name, codes in taken.items() if not codes] == ["Other"]
