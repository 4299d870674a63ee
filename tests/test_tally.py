"""The tally: every account is counted once on every scale, and where a run would stop, the number says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from tests.indicator_frames import POLICIES, SHIPPED, indicator_frame, pool_of
from tests.test_lint import GRADE, GRADED, ORDERS, POINTS, RATE, SALES, bands, card, rules, text_of
from transforms.decide import find_states
from transforms.policy import parse_policy
from transforms.probes import scales_of
from transforms.tally import Count, tally


def counted(text: str, rows: Sequence[Mapping[str, Any]]) -> list[Count]:
    policy = parse_policy(text, "p.yaml")
    return tally(policy, indicator_frame(policy, rows))


def lines(counts: list[Count], kind: str) -> dict[str, int]:
    return {count.words: count.accounts for count in counts if count.kind == kind}


THREE = "{tier: A, at_least: 10}, {tier: B, at_least: 5}, {tier: C}"


def sales(*values: str | None) -> list[dict[str, Any]]:
    return [{"sales": None if value is None else Decimal(value)} for value in values]


# ---- one count after the other


def test_accounts_on_lines_and_exactly_on_bounds() -> None:
    counts = counted(bands(THREE), sales("12", "10", "9.9999", "5", "5", "-3"))
    assert counts == [
        Count("population", "", "accounts that pass the gates", 6),
        Count("tier", "tiers", "A", 2),
        Count("tier", "tiers", "B", 3),
        Count("tier", "tiers", "C", 1),
        Count("line", "decide.bands.tiers.0", "sales >= 10 → A", 2),
        Count("line", "decide.bands.tiers.1", "sales >= 5 → B", 3),
        Count("line", "decide.bands.tiers.2", "else → C", 1),
        Count("bound", "indicators.sales", "sales = 5", 2),
        Count("bound", "indicators.sales", "sales = 10", 1),
        Count("gap", "decide", "in no line", 0),
    ]


def test_nobody_is_counted_without_error() -> None:
    assert {count.accounts for count in counted(bands(THREE), [])} == {0}


def test_the_first_gate_that_stops_an_account_counts() -> None:
    text = bands(THREE, "gate: {some: sales > 0, enough: sales > 6}")
    counts = counted(text, sales("-1", "0", "6", "7", "20"))
    assert lines(counts, "gate") == {"do not pass some": 2, "do not pass enough": 1}
    assert lines(counts, "population") == {"accounts that pass the gates": 2}
    assert sum(lines(counts, "line").values()) == 2
    assert lines(counts, "bound") == {"sales = 0": 0, "sales = 5": 0, "sales = 6": 0, "sales = 10": 0}


def test_undefined_with_a_tier_of_its_own_is_on_no_line() -> None:
    text = bands("{tier: A, at_least: 0.5}, {tier: B}", "missing: {rate: {tier: B}}", of=RATE, tiers="A B")
    counts = counted(text, [{"rate": Decimal("0.5")}, {"rate": None}, {"rate": Decimal("0.1")}])
    assert lines(counts, "missing") == {"rate is undefined": 1}
    assert lines(counts, "tier") == {"A": 1, "B": 2}
    assert list(lines(counts, "line").values()) == [1, 1]


def test_rules_hold_whom_they_decide_and_no_more() -> None:
    text = rules("{tier: A, when: rate >= 0.5}, {tier: B, when: orders > 3}, {tier: C}", "missing: {rate: {tier: C}}",
                 of=(RATE, ORDERS))  # fmt: skip
    rows = [{"rate": Decimal(1), "orders": 9}, {"rate": None, "orders": 9}, {"rate": Decimal(0), "orders": 9},
            {"rate": Decimal(0), "orders": 1}]  # fmt: skip
    counts = counted(text, rows)
    assert lines(counts, "line") == {"rate >= 0.5 → A": 1, "orders > 3 → B": 1, "everybody else → C": 1}
    assert lines(counts, "missing") == {"rate is undefined": 1}
    assert lines(counts, "tier") == {"A": 1, "B": 1, "C": 2}


def test_undefined_counts_as_its_value_in_rules() -> None:
    text = rules("{tier: A, when: rate >= 0.5}, {tier: B}", "missing: {rate: {as: 1}}", of=(RATE,), tiers="A B")
    counts = counted(text, [{"rate": None}, {"rate": Decimal(0)}])
    assert lines(counts, "line") == {"rate >= 0.5 → A": 1, "everybody else → B": 1}
    assert lines(counts, "tier") == {"A": 1, "B": 1}


def test_whom_a_run_would_refuse_is_on_no_rule() -> None:
    text = rules("{tier: A, when: points >= 5}, {tier: A, when: rate > 0}, {tier: B}", "missing: {points: {as: 0}}",
                 of=(POINTS, RATE), tiers="A B")  # fmt: skip
    rows = [{"points": Decimal(11), "rate": Decimal(1)}, {"points": Decimal(9), "rate": None},
            {"points": Decimal(9), "rate": Decimal(1)}]  # fmt: skip
    counts = counted(text, rows)
    assert lines(counts, "line") == {"points >= 5 → A": 1, "rate > 0 → A": 0, "everybody else → B": 0}
    assert (sum(lines(counts, "outside").values()), sum(lines(counts, "undefined").values())) == (1, 1)


def test_a_gap_is_counted() -> None:
    counts = counted(bands("{tier: A, above: 5}, {tier: B, below: 5}", tiers="A B"), sales("5", "5", "6"))
    assert lines(counts, "gap") == {"in no line": 2}
    assert lines(counts, "tier") == {"A": 1, "B": 0}


def test_what_would_stop_a_run_is_counted() -> None:
    text = text_of(
        "A B", [RATE, POINTS], "{lowest: {of: {rate: [{tier: A, above: 0}, {tier: B}], "
        "points: [{tier: A, at_least: 5}, {tier: B}]}}}", "missing: {points: {as: 0}}",
    )  # fmt: skip
    rows = [{"rate": None, "points": Decimal(1)}, {"rate": Decimal(1), "points": Decimal(11)},
            {"rate": Decimal(1), "points": Decimal(10)}]  # fmt: skip
    counts = counted(text, rows)
    assert lines(counts, "undefined") == {"rate decides and is undefined": 1}
    assert lines(counts, "outside") == {"points lies outside its range": 1}
    assert lines(counts, "missing") == {"points is undefined": 0, "rate is undefined": 1}
    assert lines(counts, "tier") == {"A": 1, "B": 0}


def test_scores_are_counted_of_whom_the_card_decides() -> None:
    text = card(
        "tiers: [{tier: A, at_least: 30}, {tier: B}]",
        "sales: {scale: [{at_least: 10, points: 30}, {points: 10}]}",
        "missing: {rate: {tier: B}}", of=(SALES, RATE),
    )  # fmt: skip
    counts = counted(text, [{"sales": Decimal(10), "rate": Decimal(1)}, {"sales": Decimal(10), "rate": None}])
    scores = {c.words: c.accounts for c in counts if c.place.startswith("decide.scorecard.tiers")}
    assert scores == {"score >= 30 → A": 1, "else → B": 0}
    assert lines(counts, "tier") == {"A": 1, "B": 1}
    points = [c.accounts for c in counts if c.place.startswith("decide.scorecard.points.sales")]
    assert points == [2, 0]


def test_who_is_below_the_red_line_is_on_no_line_above() -> None:
    ratio = "{ratio: {of: sales, red_line: 5, below: C, tiers: [{tier: A, at_least: 9}, {tier: B}]}}"
    text = text_of("A B C", [SALES], ratio)
    counts = counted(text, sales("10", "5", "4.99", "0"))
    assert lines(counts, "line") == {"sales < 5 → C": 2, "sales >= 9 → A": 1, "else → B": 1}
    assert lines(counts, "tier") == {"A": 1, "B": 1, "C": 2}


def test_names_are_counted_like_bounds() -> None:
    text = bands("{tier: A, is: good}, {tier: B, in: [fair, poor]}", GRADED, of=GRADE, tiers="A B")
    counts = counted(text, [{"grade": "good"}, {"grade": "poor"}, {"grade": None}])
    assert lines(counts, "line") == {"grade good → A": 1, "grade fair or poor → B": 1}
    assert lines(counts, "missing") == {"grade is undefined": 1}
    assert lines(counts, "tier") == {"A": 1, "B": 2}


# ---- counts add up


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_of_every_shipped_policy_the_counts_add_up(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    rows = pool_of(policy)[:500]
    frame = indicator_frame(policy, rows)
    states = find_states(policy, frame)
    counts = tally(policy, frame)
    by_kind = {kind: sum(c.accounts for c in counts if c.kind == kind) for kind in {c.kind for c in counts}}
    assert by_kind["population"] + by_kind.get("gate", 0) == len(rows)
    assert by_kind["population"] == by_kind["tier"] == int(states.isin(policy.tiers).sum())
    assert lines(counts, "tier") == {tier: int((states == tier).sum()) for tier in policy.tiers}
    assert (by_kind["gap"], by_kind.get("outside", 0), by_kind.get("undefined", 0)) == (0, 0, 0)
    missing = {c.place.removeprefix("missing."): c.accounts for c in counts if c.kind == "missing"}
    for place, name, _ in scales_of(policy):
        held = [c for c in counts if c.kind == "line" and c.place.startswith((f"{place}.", "decide.ratio.below"))]
        assert sum(c.accounts for c in held) + missing.get(name, 0) == by_kind["population"]
    if policy.decide.rules is not None:
        held = [c for c in counts if c.place.startswith("decide.rules.")]
        given = sum(missing[name] for name, entry in policy.missing.items() if entry.tier is not None)
        decided = sum(c.accounts for c in held)
        assert by_kind["population"] - given <= decided <= by_kind["population"]
        assert decided + given == by_kind["population"] or len(policy.missing) > 1
