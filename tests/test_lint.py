"""The linter: every fault is found and named, in print as in small; what has no fault passes without a word."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from transforms.lint import Finding, lint_text
from transforms.parts import find_line, lines_holding
from transforms.policy import parse_policy
from transforms.policy_text import PolicyText

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
KIND = "kind: {attribute: attr_kind}"
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


def test_what_does_not_parse_is_found_whole() -> None:
    text = text_of(
        "A B", [SALES, "extra: {measure: net_sales, windw: ever}"], "{bands: {of: sales, tiers: [{tier: A}]}}"
    )
    policy, found = lint_text(text.replace("ref:", "reff:"), "p.yaml", LIBRARY)
    assert policy is None
    assert [(finding.line, finding.rule, finding.message) for finding in found] == [
        (3, "language", "reff: this key is unknown; did you mean ref?"),
        (10, "language", "indicators.extra.windw: this key is unknown; did you mean window?"),
    ]


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


# ---- each fault by a policy that has it and one that has not


@dataclass(frozen=True)
class Fault:
    """A fault in small: the policy that has it, the same one mended, and what the linter says of the first."""

    name: str
    faulty: str
    mended: str
    found: list[tuple[str, str, str, str | None]]
    says: str


def bands(lines: str, *more: str, tiers: str = "A B C", of: str = SALES, also: tuple[str, ...] = ()) -> str:
    name = of.partition(":")[0]
    return text_of(tiers, [of, *also], f"{{bands: {{of: {name}, tiers: [{lines}]}}}}", *more)


def rules(
    lines: str, *more: str, tiers: str = "A B C", of: tuple[str, ...] = (SALES, ORDERS), exclusive: bool = False
) -> str:
    decide = f"{{rules: {{of: [{lines}], exclusive: true}}}}" if exclusive else f"{{rules: [{lines}]}}"
    return text_of(tiers, list(of), decide, *more)


def card(tiers: str, points: str, *more: str, of: tuple[str, ...] = (SALES, ORDERS), names: str = "A B") -> str:
    return text_of(names, list(of), f"{{scorecard: {{points: {{{points}}}, {tiers}}}}}", *more)


def better(indicator: str, end: str) -> str:
    return indicator.replace("}", f", better: {end}}}")


TOP, REST = "{tier: A, at_least: 10}", "{tier: B}"
SOUND = "{tier: A, at_least: 10}, {tier: B, at_least: 5}, {tier: C}"
TWO = "tiers: [{tier: A, at_least: 30}, {tier: B}]"
CUTS = "tiers: [{{tier: A, at_least: {}}}, {{tier: B, at_least: {}}}, {{tier: C}}]"
SALES_POINTS = "sales: {scale: [{at_least: 10, points: 20}, {points: 10}]}"
THREE = "sales: {{scale: [{{at_least: 10, points: {}}}, {{at_least: 5, points: 20}}, {{points: 10}}]}}"
ORDER_POINTS = "orders: {scale: [{at_least: 3, points: 20}, {points: 10}]}"
SHARES = "{{top_share: {{rank: place, of: everybody, shares: [{}]}}}}"
PLACE = ["sales: {measure: net_sales, window: 12 months}", "place: {rank: sales}", "everybody: {count: graded}"]
MATRIX = (
    "{{matrix: {{rows: {{of: sales, levels: [{}]}}, "
    "columns: {{of: orders, levels: [{{at_least: 3, level: many}}, {{level: few}}]}}, "
    "cells: {{large: [A, B], small: [{}]}}}}}}"
)
LEVELS = "{at_least: 10, level: large}, {level: small}"
CODE = "{{composite: {{digits: [{{of: q}}, {{of: r}}], segments: [{}]}}}}"
DIGITS = [
    "sales: {measure: net_sales, window: ever}", "q: {quantile: 2, of: sales, method: rank}",
    "r: {quantile: 2, of: sales, method: ntile}",
]  # fmt: skip
DIGIT = "{composite: {digits: [{of: points}], tiers: [{tier: A, at_least: 5}, {tier: B}]}}"
BEST = '{tier: A, codes: ["22", "21"]}'
LOWEST = "{{lowest: {{of: {{sales: [{}], orders: [{{tier: A, at_least: 3}}, {{tier: B}}]}}}}}}"
RATIO = "{{ratio: {{of: {}, red_line: {}, below: {}, tiers: [{{tier: A, at_least: 9}}, {{tier: B}}]}}}}"
FIRST = "{{top_n: {{rank: place, tiers: [{{tier: A, first: 3}}, {}, {{tier: C}}]}}}}"
QUADRANT = (
    "{{quadrant: {{x: {{of: orders, at_least: {}}}, y: {{of: sales, above: 5}}, "
    "tiers: {{high_high: A, high_low: B, low_high: C, low_low: D}}}}}}"
)
CREDIT = "credit: {{budget: revenue_budget, sales: sales, {}}}"

FAULTS = [
    # a gap
    Fault("between bounds", bands("{tier: A, above: 5}, {tier: B, below: 5}", tiers="A B"),
          bands("{tier: A, at_least: 5}, {tier: B, below: 5}", tiers="A B"),
          [("error", "gap", "decide.bands.tiers", "sales = 5")], "no line holds sales = 5;"),
    Fault("between cents", bands("{tier: A, at_least: 10}, {tier: B, at_most: 9.99}", tiers="A B"),
          bands("{tier: A, at_least: 10}, {tier: B, at_most: 9.9999}", tiers="A B"),
          [("error", "gap", "decide.bands.tiers", "sales = 9.9901")], "sales = 9.9901 to 9.9999"),
    Fault("below all", bands("{tier: A, at_least: 10}, {tier: B, at_least: 5}", tiers="A B"),
          bands(f"{TOP}, {{tier: B}}", tiers="A B"),
          [("error", "gap", "decide.bands.tiers", "sales = 4.9999")], "no line holds sales <= 4.9999"),
    Fault("a gate that lets zero pass",
          bands("{tier: A, above: 5}, {tier: B, above: 0, at_most: 5}", "gate: {buys: sales >= 0}", tiers="A B"),
          bands("{tier: A, above: 5}, {tier: B, above: 0, at_most: 5}", "gate: {buys: sales > 0}", tiers="A B"),
          [("error", "gap", "decide.bands.tiers", "sales = 0")], "no line holds sales = 0;"),
    Fault("a text nobody names",
          bands("{tier: A, is: good}, {tier: B, is: fair}", GRADED, of=GRADE, tiers="A B"),
          bands("{tier: A, is: good}, {tier: B, in: [fair, poor]}", GRADED, of=GRADE, tiers="A B"),
          [("error", "gap", "decide.bands.tiers", "grade = 'poor'")], "no line holds grade = 'poor'"),
    Fault("any other text",
          bands("{tier: A, is: x}, {tier: B, is: z}", "missing: {kind: {tier: B}}", of=KIND, tiers="A B"),
          bands("{tier: A, is: x}, {tier: B}", "missing: {kind: {tier: B}}", of=KIND, tiers="A B"),
          [("error", "gap", "decide.bands.tiers", "kind = any other text")], "any other text"),
    Fault("no rule", rules("{tier: A, when: sales >= 10}, {tier: B, when: sales < 10 and orders > 2}", tiers="A B"),
          rules("{tier: A, when: sales >= 10 or orders <= 2}, {tier: B, when: sales < 10 and orders > 2}",
                tiers="A B"),
          [("error", "gap", "decide", "sales = 9.9999, orders = 2")], "where sales <= 9.9999, orders <= 2"),
    Fault("two gaps of rules",
          rules("{tier: A, when: sales > 10}, {tier: B, when: sales < 10 and sales <> 5}", tiers="A B", of=(SALES,)),
          rules("{tier: A, when: sales > 10}, {tier: B, when: sales <= 10}", tiers="A B", of=(SALES,)),
          [("error", "gap", "decide", "sales = 10"), ("error", "gap", "decide", "sales = 5")], "where sales = 10"),
    Fault("a score nobody thought of",
          card("tiers: [{tier: A, at_least: 40}, {tier: B, at_most: 20}]", f"{SALES_POINTS}, {ORDER_POINTS}"),
          card("tiers: [{tier: A, at_least: 30}, {tier: B, at_most: 20}]", f"{SALES_POINTS}, {ORDER_POINTS}"),
          [("error", "gap", "decide.scorecard.tiers", "score = 30")], "no tier holds score = 30"),
    Fault("a score before it is rounded",
          card("tiers: [{tier: A, at_least: 5}, {tier: B, at_most: 4}]",
               "points: {as_is: true, weight: 0.5}", "missing: {points: {as: 0}}", of=(POINTS,)),
          card("round: 0, tiers: [{tier: A, at_least: 5}, {tier: B, at_most: 4}]",
               "points: {as_is: true, weight: 0.5}", "missing: {points: {as: 0}}", of=(POINTS,)),
          [("error", "gap", "decide.scorecard.tiers", "score = 4.5")], "no line holds score = 4.5"),
    Fault("a position beyond the last",
          text_of("A B", PLACE[:2], "{top_n: {rank: place, tiers: [{tier: A, first: 3}, {tier: B, first: 9}]}}"),
          text_of("A B", PLACE[:2], "{top_n: {rank: place, tiers: [{tier: A, first: 3}, {tier: B}]}}"),
          [("error", "gap", "decide.top_n.tiers", "place = 10")], "no tier holds place = 10"),
    Fault("a tier without a multiplier",
          bands(f"{TOP}, {REST}", CREDIT.format("within: equal, multiplier: {A: 1}"), tiers="A B"),
          bands(f"{TOP}, {REST}", CREDIT.format("within: equal, multiplier: {A: 1, B: 0}"), tiers="A B"),
          [("error", "gap", "credit", None)], "tier B has no multiplier"),
    # matches twice
    Fault("a shared bound",
          bands("{tier: A, at_least: 10}, {tier: B, at_least: 5, at_most: 10}, {tier: C}"),
          bands("{tier: A, at_least: 10}, {tier: B, at_least: 5, below: 10}, {tier: C}"),
          [("error", "overlap", "decide.bands.tiers.1", "sales = 10")],
          "lines 1 and 2 (A and B) both hold sales = 10;"),
    Fault("a text named twice",
          bands("{tier: A, in: [good, fair]}, {tier: B, in: [fair, poor]}", GRADED, of=GRADE, tiers="A B"),
          bands("{tier: A, in: [good, fair]}, {tier: B, is: poor}", GRADED, of=GRADE, tiers="A B"),
          [("error", "overlap", "decide.bands.tiers.1", "grade = 'fair'")], "both hold grade = 'fair'"),
    Fault("rules that are to exclude one another",
          rules("{tier: A, when: sales >= 10}, {tier: B, when: sales <= 10}", tiers="A B", of=(SALES,), exclusive=True),
          rules("{tier: A, when: sales >= 10}, {tier: B, when: sales < 10}", tiers="A B", of=(SALES,), exclusive=True),
          [("error", "overlap", "decide.rules.1", "sales = 10")], "rules 1 (A) and 2 (B) both hold at sales = 10"),
    Fault("a code in two segments",
          text_of("A B", DIGITS, CODE.format(f"{BEST}, {{tier: B, digits: {{q: {{from: 1, to: 2}}}}}}")),
          text_of("A B", DIGITS, CODE.format(f"{BEST}, {{tier: B, digits: {{q: {{from: 1, to: 1}}}}}}")),
          [("error", "overlap", "decide.composite.segments", "code = 21")],
          "2 of 4 codes are in more than one segment, such as 21: A and B"),
    # never reached
    Fault("a line below the minimum", bands(SOUND, of=SALES.replace("}", ", minimum: 5}")),
          bands(SOUND, of=SALES.replace("}", ", minimum: 4}")),
          [("error", "unreachable", "decide.bands.tiers.2", None)], "the last line (C) can never be reached"),
    Fault("a line above the maximum", bands(SOUND, of=SALES.replace("}", ", maximum: 9.9999}")),
          bands(SOUND, of=SALES.replace("}", ", maximum: 10}")),
          [("error", "unreachable", "decide.bands.tiers.0", None)], "line 1 (A, >= 10) can never be reached"),
    Fault("a line that the gate excludes", bands(SOUND, "gate: {some: sales >= 5}"),
          bands(SOUND, "gate: {some: sales >= 4}"),
          [("error", "unreachable", "decide.bands.tiers.2", None)], "the last line (C)"),
    Fault("a text that cannot be", bands("{tier: A, is: fine}, {tier: B}", GRADED, of=GRADE, tiers="A B"),
          bands("{tier: A, is: fair}, {tier: B}", GRADED, of=GRADE, tiers="A B"),
          [("error", "unreachable", "decide.bands.tiers.0", None)], "line 1 (A, fine)"),
    Fault("a rule behind one that holds more",
          rules("{tier: A, when: sales > 5}, {tier: B, when: sales > 9 and orders > 2}, {tier: C}"),
          rules("{tier: A, when: sales > 9 and orders > 2}, {tier: B, when: sales > 5}, {tier: C}"),
          [("error", "unreachable", "decide.rules.1", None), ("error", "unreachable", "tiers", None)],
          "rule 2 (B) can never be reached: the rules before it hold everybody"),
    Fault("a rule against itself",
          rules("{tier: A, when: sales > 5}, {tier: A, when: sales > 3 and sales < 3}, {tier: B}", tiers="A B",
                of=(SALES,)),
          rules("{tier: A, when: sales > 5}, {tier: A, when: sales > 3 and sales < 4}, {tier: B}", tiers="A B",
                of=(SALES,)),
          [("error", "unreachable", "decide.rules.1", None)], "rule 2 (A) can never be reached: no point satisfies it"),
    Fault("a rest behind everything", rules(
              "{tier: A, when: sales > 5}, {tier: B, when: sales <= 5}, {tier: C}", of=(SALES,)),
          rules("{tier: A, when: sales > 5}, {tier: B, when: sales < 5}, {tier: C}", of=(SALES,)),
          [("error", "unreachable", "decide.rules.2", None), ("error", "unreachable", "tiers", None)],
          "tier C can never be reached"),
    Fault("a gate that nobody passes", bands(SOUND, "gate: {some: sales > 5, few: sales < 5}"),
          bands(SOUND, "gate: {some: sales > 4, few: sales < 15}"),
          [*(("error", "unreachable", f"decide.bands.tiers.{line}", None) for line in range(3)),
           ("error", "unreachable", "gate.few", None)],
          "nobody can pass the gate few: sales < 5"),
    Fault("a ceiling of the lowest indicator",
          text_of("A B", [SALES, ORDERS], LOWEST.format("{tier: B, at_least: 10}, {tier: B}")),
          text_of("A B", [SALES, ORDERS], LOWEST.format("{tier: A, at_least: 10}, {tier: B}")),
          [("error", "unreachable", "decide.lowest.of.sales", None)], "sales is never better than B"),
    Fault("a red line that nobody is below",
          text_of("A B", [ORDERS], RATIO.format("orders", 0, "B")),
          text_of("A B", [ORDERS], RATIO.format("orders", 1, "B")),
          [("error", "unreachable", "decide.ratio.below", None)], "orders is never less than 0"),
    Fault("a quarter that cannot be",
          text_of("A B C D", [ORDERS, SALES], QUADRANT.format(0)),
          text_of("A B C D", [ORDERS, SALES], QUADRANT.format(1)),
          [("error", "unreachable", "tiers", None)] * 2, "tier C can never be reached"),
    Fault("a place that is taken",
          text_of("A B C", PLACE[:2], FIRST.format("{tier: B, first: 3}")),
          text_of("A B C", PLACE[:2], FIRST.format("{tier: B, first: 4}")),
          [("error", "unreachable", "decide.top_n.tiers.1", None)], "tier B ends at 3, where A has taken everybody"),
    Fault("an empty segment",
          text_of("A B C", DIGITS, CODE.format(f'{BEST}, {{tier: B, codes: ["23"]}}, {{tier: C}}')),
          text_of("A B C", DIGITS, CODE.format(f'{BEST}, {{tier: B, codes: ["11"]}}, {{tier: C, codes: ["12"]}}')),
          [("error", "unreachable", "decide.composite.segments.1", None),
           ("warning", "rest", "decide.composite.segments", "code = 11")], "segment B is always empty: no such code"),
    Fault("a code that cannot occur",
          text_of("A B", DIGITS, CODE.format(f'{BEST}, {{tier: B, codes: ["11", "12", "222"]}}')),
          text_of("A B", DIGITS, CODE.format(f'{BEST}, {{tier: B, codes: ["11", "12"]}}')),
          [("warning", "never", "decide.composite.segments.1", None)], "the code 222 can never occur"),
    # a maximum below the top bound
    Fault("a maximum below the top bound",
          card("tiers: [{tier: A, at_least: 50}, {tier: B}]", f"{SALES_POINTS}, {ORDER_POINTS}"),
          card("tiers: [{tier: A, at_least: 40}, {tier: B}]", f"{SALES_POINTS}, {ORDER_POINTS}"),
          [("error", "maximum", "decide.scorecard.tiers", "score = 40"),
           ("error", "unreachable", "decide.scorecard.tiers.0", None)],
          "the maximum reachable score is 40, below the bound of tier A (50)"),
    Fault("a maximum that no line reaches",
          card(TWO, SALES_POINTS.replace("20", "30"), of=(SALES.replace("}", ", maximum: 9}"),)),
          card(TWO, SALES_POINTS.replace("20", "30"), of=(SALES,)),
          [("error", "maximum", "decide.scorecard.tiers", "score = 10"),
           ("error", "unreachable", "decide.scorecard.points.sales.scale.0", None),
           ("error", "unreachable", "decide.scorecard.tiers.0", None)], "the maximum reachable score is 10"),
    # bands that are not monotone, thresholds out of order
    Fault("points that rise and fall",
          card(TWO, f"{THREE.format(10)}, {ORDER_POINTS}"), card(TWO, f"{THREE.format(20)}, {ORDER_POINTS}"),
          [("warning", "monotone", "decide.scorecard.points.sales.scale", None)],
          "points are not monotone: from the lowest value up they are 10, 20, 10"),
    Fault("points against the better end",
          card(TWO, f"{SALES_POINTS}, {ORDER_POINTS}", of=(better(SALES, "low"), ORDERS)),
          card(TWO, f"{SALES_POINTS}, {ORDER_POINTS}", of=(better(SALES, "high"), ORDERS)),
          [("error", "monotone", "decide.scorecard.points.sales.scale", None)], "points run against better: low"),
    Fault("the indicator itself against its better end",
          card("tiers: [{tier: A, at_least: 5}, {tier: B}]", "points: {as_is: true}", "missing: {points: {as: 0}}",
               of=(better(POINTS, "low"),)),
          card("tiers: [{tier: A, at_least: 5}, {tier: B}]", "points: {as_is: true}", "missing: {points: {as: 0}}",
               of=(better(POINTS, "high"),)),
          [("error", "monotone", "decide.scorecard.points.points", None)], "points itself is the points"),
    Fault("thresholds out of order", bands("{tier: A, at_least: 5}, {tier: B, at_least: 10}, {tier: C}"), bands(SOUND),
          [("error", "order", "decide.bands.tiers", None)], "from the lowest value up they give C, A, B"),
    Fault("thresholds against the better end", bands(SOUND, of=better(SALES, "low")),
          bands(SOUND, of=better(SALES, "high")), [("error", "order", "decide.bands.tiers", None)], "give C, B, A"),
    Fault("thresholds of a score out of order",
          card(CUTS.format(30, 40), f"{SALES_POINTS}, {ORDER_POINTS}", names="A B C"),
          card(CUTS.format(40, 30), f"{SALES_POINTS}, {ORDER_POINTS}", names="A B C"),
          [("error", "order", "decide.scorecard.tiers", None)], "they give C, A, B"),
    Fault("positions out of order",
          text_of("A B", PLACE, SHARES.format("{tier: B, percent: 50}, {tier: A, percent: 50}")),
          text_of("A B", PLACE, SHARES.format("{tier: A, percent: 50}, {tier: B, percent: 50}")),
          [("error", "order", "decide.top_share.shares", None)], "from the first position on stand B, A"),
    Fault("a better tier for further positions",
          text_of("A B C", PLACE[:2], FIRST.format("{tier: B, first: 2}")),
          text_of("A B C", PLACE[:2], FIRST.format("{tier: B, first: 5}")),
          [("error", "order", "decide.top_n.tiers", None)], "from the first position on stand B, A, C"),
    Fault("the best tier for the last",
          text_of("A B", PLACE[:2], "{bands: {of: place, tiers: [{tier: A, above: 10}, {tier: B}]}}"),
          text_of("A B", PLACE[:2], "{bands: {of: place, tiers: [{tier: A, at_most: 10}, {tier: B}]}}"),
          [("error", "order", "decide.bands.tiers", None)], "they give B, A"),
    Fault("a lower tier above the red line than below",
          text_of("A B", [SALES], RATIO.format("sales", 5, "A")),
          text_of("A B", [SALES], RATIO.format("sales", 5, "B")),
          [("error", "order", "decide.ratio.below", None)], "below the red line stands A"),
    Fault("levels against the better end",
          text_of("A B", [better(SALES, "low"), ORDERS], MATRIX.format(LEVELS, "B, B")),
          text_of("A B", [better(SALES, "high"), ORDERS], MATRIX.format(LEVELS, "B, B")),
          [("error", "order", "decide.matrix.rows.levels", None)], "levels stand best first"),
    Fault("a cell that is better than its better neighbour",
          text_of("A B", [SALES, ORDERS], MATRIX.format(LEVELS, "B, A")),
          text_of("A B", [SALES, ORDERS], MATRIX.format(LEVELS, "A, B")),
          [("warning", "monotone", "decide.matrix.cells", None)] * 2, "tiers get better along a row"),
    Fault("rules against the better end",
          rules("{tier: A, when: sales >= 5 and sales < 9}, {tier: B}", tiers="A B", of=(better(SALES, "high"),)),
          rules("{tier: A, when: sales >= 5}, {tier: B}", tiers="A B", of=(better(SALES, "high"),)),
          [("error", "monotone", "indicators.sales", "sales = 8.9999")],
          "sales from 8.9999 to 9 is better and lowers the tier from A to B"),
    Fault("rules against the lower end, for some",
          rules("{tier: A, when: orders > 2 and sales > 5}, {tier: B}", tiers="A B", of=(better(SALES, "low"), ORDERS)),
          rules("{tier: A, when: orders > 2 and sales < 5}, {tier: B}", tiers="A B", of=(better(SALES, "low"), ORDERS)),
          [("error", "monotone", "indicators.sales", "sales = 5.0001, orders = 3")], "from A to B at orders = 3"),
    # declared and never used
    Fault("declared and never used", bands(SOUND, also=(ORDERS,)), bands(SOUND, "value: orders", also=(ORDERS,)),
          [("error", "unused", "indicators.orders", None)], "orders is declared and never used"),
    Fault("an entry for what is never undefined", bands(SOUND, "missing: {sales: {as: 0}}"), bands(SOUND),
          [("warning", "missing", "missing.sales", None)], "sales is never undefined"),
    Fault("an entry for what the gate excludes",
          bands(SOUND, "gate: {known: rate is not missing}", "missing: {rate: {as: 0}}", of=RATE),
          bands(SOUND, "missing: {rate: {as: 0}}", of=RATE),
          [("warning", "missing", "missing.rate", None)], "rate is never undefined for who passes the gates"),
    Fault("an entry for what does not decide",
          bands(SOUND, "value: rate", "missing: {rate: {as: 0}}", also=(RATE,)),
          bands(SOUND, "value: rate", "missing: {rate: {tier: C}}", also=(RATE,)),
          [("warning", "missing", "missing.rate", None)], "rate does not decide"),
    # undefined
    Fault("a measure that can be undefined", bands(SOUND, of=RATE), bands(SOUND, "missing: {rate: {tier: C}}", of=RATE),
          [("error", "undefined", "indicators.rate", "rate = missing")], "rate can be undefined (a line has no cost)"),
    Fault("not excluded by a gate", bands(SOUND, "gate: {known: rate > 3 or sales > 0}", of=RATE, also=(SALES,)),
          bands(SOUND, "gate: {known: rate > 3 and sales > 0}", of=RATE, also=(SALES,)).replace(
              "{tier: B, at_least: 5}, {tier: C}", "{tier: B, at_least: 5}, {tier: C, above: 3}"),
          [("error", "undefined", "indicators.rate", "rate = missing")], "gate on it"),
    Fault("no rule asks", rules("{tier: A, when: rate > 5}, {tier: B}", tiers="A B", of=(RATE,)),
          rules("{tier: B, when: rate is missing}, {tier: A, when: rate > 5}, {tier: B}", tiers="A B", of=(RATE,)),
          [("error", "undefined", "indicators.rate", "rate = missing")], "rate can be undefined"),
    Fault("an assessment", bands("{tier: A, is: good}, {tier: B}", of=GRADE, tiers="A B"),
          bands("{tier: A, is: good}, {tier: B}", GRADED, of=GRADE, tiers="A B"),
          [("error", "undefined", "indicators.grade", "grade = missing")], "grade can be undefined and decides"),
    Fault("an attribute", bands("{tier: A, is: x}, {tier: B}", of=KIND, tiers="A B"),
          bands("{tier: A, is: x}, {tier: B}", "gate: {told: kind is not missing}", of=KIND, tiers="A B"),
          [("error", "undefined", "indicators.kind", "kind = missing")], "kind can be undefined"),
    Fault("a quantile of what can be undefined",
          bands("{tier: A, at_least: 3}, {tier: B}", of="place: {quantile: 4, of: rate, method: rank}", also=(RATE,),
                tiers="A B"),
          bands("{tier: A, at_least: 3}, {tier: B}", of="place: {quantile: 4, of: sales, method: rank}", also=(SALES,),
                tiers="A B"),
          [("error", "undefined", "indicators.place", "place = missing")], "place can be undefined"),
    Fault("a share of a total that can be nothing",
          bands("{tier: A, at_least: 0.1}, {tier: B}", of="part: {share: sales}", also=(SALES,), tiers="A B"),
          bands("{tier: A, at_least: 0.1}, {tier: B}", "gate: {buys: sales > 0}", of="part: {share: sales}",
                also=(SALES,), tiers="A B"),
          [("error", "undefined", "indicators.part", "part = missing")], "part can be undefined"),
    Fault("a rank within a segment that can be undefined",
          bands("{tier: A, at_most: 9}, {tier: B}", of="place: {rank: sales, within: region}",
                also=(SALES, "region: {attribute: region}"), tiers="A B"),
          bands("{tier: A, at_most: 9}, {tier: B}", "gate: {known: region is not missing}",
                of="place: {rank: sales, within: region}", also=(SALES, "region: {attribute: region}"), tiers="A B"),
          [("error", "undefined", "indicators.place", "place = missing")], "place can be undefined"),
    # kinds
    Fault("a number held against a text",
          rules("{tier: A, when: grade > 5}, {tier: B}", GRADED, of=(GRADE,), tiers="A B"),
          rules("{tier: A, when: grade = 'good'}, {tier: B}", GRADED, of=(GRADE,), tiers="A B"),
          [("error", "kind", "decide.rules.0", None)], "grade > 5 mixes kinds"),
    Fault("a number taken for a flag", bands(SOUND, "gate: {some: sales}"), bands(SOUND, "gate: {some: sales <> 0}"),
          [("error", "kind", "gate.some", None)], "sales mixes kinds"),
    Fault("bounds on a text", bands("{tier: A, at_least: 5}, {tier: B}", GRADED, of=GRADE, tiers="A B"),
          bands("{tier: A, is: good}, {tier: B}", GRADED, of=GRADE, tiers="A B"),
          [("error", "kind", "decide.bands.tiers.0", None)], "grade is a text, and >= 5 holds a number"),
    Fault("a text on a number", bands('{tier: A, is: "5"}, {tier: B}', tiers="A B"),
          bands("{tier: A, is: 5}, {tier: B}", tiers="A B", of=ORDERS),
          [("error", "kind", "decide.bands.tiers.0", None)], "sales is a number, and 5 holds a text"),
    Fault("a text as points", card(TWO, "grade: {as_is: true}", GRADED, of=(GRADE,)),
          card(TWO, "grade: {scale: [{is: good, points: 30}, {points: 10}]}", GRADED, of=(GRADE,)),
          [("error", "kind", "decide.scorecard.points.grade", None)], "grade is a text; a number is needed here"),
    Fault("undefined, counted as another kind", bands("{tier: A, is: good}, {tier: B}", "missing: {grade: {as: 0}}",
                                                      of=GRADE, tiers="A B"),
          bands("{tier: A, is: good}, {tier: B}", GRADED, of=GRADE, tiers="A B"),
          [("error", "kind", "missing.grade", None)], "grade is a text and cannot count as a number"),
    Fault("a flag that is taken for a number",
          rules("{tier: A, when: urgent >= 1}, {tier: B}", "missing: {urgent: {tier: B}}", tiers="A B",
                of=("urgent: {measure: is_urgent}",)),
          rules("{tier: A, when: urgent}, {tier: B}", "missing: {urgent: {tier: B}}", tiers="A B",
                of=("urgent: {measure: is_urgent, unit: flag}",)),
          [("error", "unit", "indicators.urgent", None)], "the measure is a flag; say unit: flag"),
    # ranges
    Fault("points without a range",
          card("tiers: [{tier: A, at_least: 5}, {tier: B}]", "sales: {as_is: true}", of=(SALES,)),
          card("tiers: [{tier: A, at_least: 5}, {tier: B}]", "sales: {as_is: true}",
               of=(SALES.replace("}", ", minimum: 0, maximum: 9}"),)),
          [("error", "range", "decide.scorecard.points.sales", None)], "say its minimum and maximum"),
    Fault("a digit above nine", text_of(
              "A B", [ORDERS], "{composite: {digits: [{of: orders}], tiers: [{tier: A, at_least: 5}, {tier: B}]}}"),
          text_of("A B", [ORDERS.replace("}", ", maximum: 9}")],
                  "{composite: {digits: [{of: orders}], tiers: [{tier: A, at_least: 5}, {tier: B}]}}"),
          [("error", "range", "decide.composite.digits.0", None)], "orders goes from 0 to anywhere; a digit is 0 to 9"),
    Fault("a digit that need not be whole",
          text_of("A B", [POINTS.replace("count", "points").replace("10", "9")], DIGIT, "missing: {points: {as: 0}}"),
          text_of("A B", [POINTS.replace("10", "9")], DIGIT, "missing: {points: {as: 0}}"),
          [("error", "range", "decide.composite.digits.0", None)], "points need not be whole, and a digit is"),
    # what else
    Fault("an action for a tier that is not", bands(SOUND, "actions: {A: {en: a, zh: b}, E: {en: a, zh: b}}"),
          bands(SOUND), [("error", "language", "", None)], "actions: the tier E is not declared"),
    Fault("a tier without an action",
          bands(SOUND, "actions: {A: {en: a, zh: b}, B: {en: a, zh: b}}"), bands(SOUND),
          [("warning", "action", "tiers", None)], "tier C has no action"),
    Fault("a text in one language", bands(SOUND).replace("title: {en: P, zh: 政策}", "title: {en: P}"), bands(SOUND),
          [("warning", "language", "title", None)], "there is no text in zh"),
    Fault("an outlook of texts alone",
          bands("{tier: A, is: good}, {tier: B, in: [fair, poor]}", GRADED, "outlook: {near: 0.2}", of=GRADE,
                tiers="A B"),
          bands("{tier: A, is: good}, {tier: B, in: [fair, poor]}", GRADED, "outlook: false", of=GRADE, tiers="A B"),
          [("warning", "outlook", "outlook", None)], "no number that an account can change decides"),
    Fault("an allocation that cancels",
          bands(f"{TOP}, {REST}", CREDIT.format("multiplier: {A: 1, B: 0}"), tiers="A B"),
          bands(f"{TOP}, {REST}", CREDIT.format("multiplier: {A: 1.2, B: 1}"), tiers="A B"),
          [("warning", "degenerate", "credit", None)], "sales on both levels and equal multipliers cancel"),
    Fault("a small share", text_of("A B", PLACE, SHARES.format("{tier: A, percent: 1}, {tier: B, percent: 99}")),
          text_of("A B", PLACE, SHARES.format("{tier: A, percent: 50}, {tier: B, percent: 50}")),
          [("warning", "small", "decide.top_share.shares.0", None)],
          "with fewer than 50 graded accounts tier A is empty"),
]  # fmt: skip


PACE = PolicyText(
    (Path(__file__).parent / "policies" / "mistakes" / "pace.yaml").read_text(encoding="utf-8"), "pace.yaml"
).data


def on_calendar(name: str, part: str) -> str:
    """Return the sound policy on a calendar, with a part."""
    schedule, as_of = PACE["calendars"][name]["schedule"], PACE["calendars"][name]["as_of"]
    text = bands(SOUND, *part.split("\n"))
    return text.replace('"0 6 2 * *"', f'"{schedule}"').replace("previous_month_end", as_of)


FAULTS += [
    Fault(
        f"pace: {each['name']}",
        on_calendar(each["calendar"], each["faulty"]),
        on_calendar(each["calendar"], each["mended"]),
        [(*each["found"], None)],
        each["says"],
    )
    for each in PACE["faults"]
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_named_and_mended_is_silent(fault: Fault) -> None:
    found = lint(fault.faulty)
    assert keys(found) == sorted(fault.found)
    assert any(fault.says in finding.message for finding in found), [finding.message for finding in found]
    assert lint(fault.mended) == []


def test_every_kind_of_finding_has_a_fault_in_small() -> None:
    source = Path(lint_text.__code__.co_filename).read_text(encoding="utf-8")
    rules_there = set(re.findall(r'(?:add|_add_unreachable)\(\s*"(?:error|warning)", "(\w+)"', source)) | {"language"}
    covered = {rule for fault in FAULTS for _, rule, _, _ in fault.found}
    covered |= {each["rule"] for expected in EXPECTED.values() for each in expected}
    assert rules_there - {"sample"} <= covered


# ---- what is no fault


def test_undefined_counts_as_a_value_that_a_line_must_hold() -> None:
    text = bands("{tier: A, at_least: 5, at_most: 8}, {tier: B, at_least: 0, below: 5}", "missing: {points: {as: -1}}",
                 of=POINTS, tiers="A B")  # fmt: skip
    assert [(f.rule, f.message.partition(";")[0]) for f in lint(text)] == [
        ("gap", "no line holds points = -1"),
        ("gap", "no line holds points >= 9"),
    ]


SILENT = {
    "the rest between lines": bands(
        "{tier: A, above: 10}, {tier: C, at_most: 5}, {tier: B}", of=better(SALES, "high")
    ),
    "lines in any order": bands("{tier: C, below: 5}, {tier: A, at_least: 10}, {tier: B, at_least: 5, below: 10}"),
    "days that are whole": bands(
        "{tier: A, at_most: 7}, {tier: B, at_least: 8}", "missing: {recency: {tier: B}}", of=RECENCY, tiers="A B"
    ),
    "a day that has passed": bands(
        "{tier: A, below: 0}, {tier: B}", of="close: {measure: days_to_close, unit: days}", tiers="A B"
    ),
    "undefined, with a line of its own": bands(
        "{tier: A, at_least: 5}, {tier: B, at_least: 0, below: 5}, {tier: C, below: 0}",
        "missing: {points: {as: -1}}", of=POINTS,
    ),
    "undefined, with a text of its own": bands(
        "{tier: A, is: good}, {tier: B, in: [fair, poor]}, {tier: C, is: unknown}",
        "missing: {grade: {as: unknown}}", of=GRADE,
    ),
    "whole points": card(
        "tiers: [{tier: A, at_least: 11, at_most: 20}, {tier: B, at_least: 0, at_most: 10}]",
        "points: {as_is: true, weight: 2}", "missing: {points: {as: 0}}", of=(POINTS,),
    ),
    "a flag as points": card(
        "tiers: [{tier: A, at_least: 1}, {tier: B}]", "urgent: {as_is: true}", "missing: {urgent: {as: false}}",
        of=("urgent: {measure: is_urgent, unit: flag}",),
    ),
    "the best quantile of the fewest days": text_of(
        "A B", [RECENCY, "q: {quantile: 4, of: recency, method: rank, better: low}"],
        "{scorecard: {points: {q: {as_is: true}}, tiers: [{tier: A, at_least: 3}, {tier: B}]}}",
        "missing: {q: {as: 1}}",
    ),
    "one indicator against another": rules(
        "{tier: A, when: contacts > orders and orders >= 10}, {tier: B, when: contacts = orders}, {tier: C}",
        of=(ORDERS, "contacts: {measure: contact_count, window: 12 months, unit: count}"),
    ),
    "a share of what nobody has less than nothing of": bands(
        "{tier: A, at_most: 0.8}, {tier: B, above: 0.8, at_most: 1}", "gate: {buys: sales > 0}",
        of="part: {cumulative_share: sales}", also=(SALES,), tiers="A B",
    ),
    "to be at the top needs no value": rules(
        "{tier: A, when: first}, {tier: B}", of=(RATE, "first: {top: 10, of: rate}"), tiers="A B"
    ),
    "the auxiliary indicator is shown": text_of(
        "A B", [SALES, POINTS],
        "{lowest: {of: {sales: [{tier: A, at_least: 5}, {tier: B}]}, "
        "auxiliary: {points: [{tier: A, at_least: 5}, {tier: B}]}}}", "missing: {points: {as: 0}}",
    ),
    "a class beside the tier needs no order": bands(
        "{tier: A, at_least: 5}, {tier: B, at_least: 10}, {tier: C}", "publishes: class"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SILENT)
def test_what_is_no_fault_is_not_reported(name: str) -> None:
    assert lint(SILENT[name]) == []


# ---- the same as plain Python, on random policies


BOUNDS = [Decimal(number) / 2 for number in range(-1, 13)]


def spelled(line: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in line.items()) + "}"


@st.composite
def scales(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A scale of up to five lines with bounds of every kind, with or without a last line for what is left."""
    sides = draw(st.sampled_from(["lower", "upper", "both", "any"]))
    lines: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 4))):
        low, high = sorted((draw(st.sampled_from(BOUNDS)), draw(st.sampled_from(BOUNDS))))
        side = draw(st.sampled_from(["lower", "upper", "both"])) if sides == "any" else sides
        line: dict[str, Any] = {"tier": f"t{number}"}
        if side in ("lower", "both"):
            line[draw(st.sampled_from(["at_least", "above"]))] = low
        if side in ("upper", "both"):
            line[draw(st.sampled_from(["at_most", "below"]))] = high
        lines.append(line)
    return [*lines, {"tier": "rest"}] if draw(st.booleans()) else lines


@settings(max_examples=100, deadline=None)
@given(scales(), st.booleans(), st.sampled_from(["", ", minimum: 1", ", maximum: 4", ", minimum: 2, maximum: 3.5"]))
def test_a_scale_has_the_faults_that_a_dense_look_at_it_finds(
    lines: list[dict[str, Any]], is_whole: bool, limits: str
) -> None:
    indicator = (ORDERS if is_whole else SALES).replace("}", limits + "}")
    text = bands(", ".join(map(spelled, lines)), tiers=" ".join(line["tier"] for line in lines), of=indicator)
    policy = parse_policy(text, "p.yaml")
    assert policy.decide.bands is not None
    scale = policy.decide.bands.tiers
    (declared,) = policy.indicators.values()
    step, first = (Decimal(1), 0) if is_whole else (Decimal("0.25"), -8)
    dense = [number * step for number in range(first, 40)]
    low = declared.minimum if declared.minimum is not None else dense[0]
    high = declared.maximum if declared.maximum is not None else dense[-1]
    held = [lines_holding(scale, point) for point in dense if low <= point <= high]
    taken = [find_line(scale, point) for point in dense if low <= point <= high]

    found = [finding for finding in lint(text) if finding.place.startswith("decide.bands.tiers")]
    assert any(f.rule == "gap" for f in found) == (None in taken)
    unreached = {index for index, line in enumerate(scale) if not any(line is other for other in taken)}
    assert {int(f.place.rpartition(".")[2]) for f in found if f.rule == "unreachable"} == unreached
    pairs = {
        (one + 1, other + 1)
        for one, line in enumerate(scale)
        for other, following in enumerate(scale[one + 1 :], one + 1)
        if any(any(e is line for e in each) and any(e is following for e in each) for each in held)
    }
    said = [re.match(r"lines (\d+) and (\d+) ", f.message) for f in found if f.rule == "overlap"]
    assert {(int(each[1]), int(each[2])) for each in said if each} == pairs
    for finding in found:  # the point shows the fault
        if finding.rule in ("gap", "overlap"):
            point = Decimal((finding.point or "").partition(" = ")[2])
            assert len(lines_holding(scale, point)) == 0 if finding.rule == "gap" else 2


Pair = tuple[int, int]
Test = tuple[str, Callable[[int, int], bool]]
SIZE = 5


@st.composite
def comparisons(draw: st.DrawFn) -> Test:
    name, place = draw(st.sampled_from([("x", 0), ("y", 1)]))
    number, other = draw(st.integers(-1, SIZE)), draw(st.integers(-1, SIZE))
    return draw(
        st.sampled_from(
            [
                (f"{name} >= {number}", lambda x, y: (x, y)[place] >= number),
                (f"{name} < {number}", lambda x, y: (x, y)[place] < number),
                (f"{name} = {number}", lambda x, y: (x, y)[place] == number),
                (f"{name} <> {number}", lambda x, y: (x, y)[place] != number),
                (f"{name} in ({number}, {other})", lambda x, y: (x, y)[place] in (number, other)),
                (f"{name} between {number} and {other}", lambda x, y: number <= (x, y)[place] <= other),
                ("x > y", lambda x, y: x > y),
                ("x = y", lambda x, y: x == y),
            ]
        )
    )


def joined(parts: st.SearchStrategy[Test]) -> st.SearchStrategy[Test]:
    def both(pair: tuple[Test, Test]) -> Test:
        (left, holds_left), (right, holds_right) = pair
        return f"({left} and {right})", lambda x, y: holds_left(x, y) and holds_right(x, y)

    def either(pair: tuple[Test, Test]) -> Test:
        (left, holds_left), (right, holds_right) = pair
        return f"({left} or {right})", lambda x, y: holds_left(x, y) or holds_right(x, y)

    def negated(part: Test) -> Test:
        return f"not ({part[0]})", lambda x, y: not part[1](x, y)

    return st.tuples(parts, parts).map(both) | st.tuples(parts, parts).map(either) | parts.map(negated)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.recursive(comparisons(), joined, max_leaves=4), min_size=1, max_size=5),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "high", "low"]),
)
def test_rules_have_the_faults_that_trying_every_value_finds(
    tests: list[Test], has_rest: bool, exclusive: bool, end: str
) -> None:
    limits = f", minimum: 0, maximum: {SIZE - 1}}}"
    x = "x: {measure: order_count, window: 12 months, unit: count" + limits
    y = "y: {measure: contact_count, window: 12 months, unit: count" + limits
    read = " ".join(text for text, _ in tests)
    assume("x" in read and "y" in read)
    lines = [f"{{tier: t{number}, when: '{text}'}}" for number, (text, _) in enumerate(tests)]
    names = [f"t{number}" for number in range(len(tests))]
    lines, names = (lines + ["{tier: rest}"], [*names, "rest"]) if has_rest else (lines, names)
    of = (better(x, end) if end else x, y)
    found = lint(rules(", ".join(lines), tiers=" ".join(names), of=of, exclusive=exclusive))

    points = list(product(range(SIZE), repeat=2))
    holds = [{point for point in points if holding(*point)} for _, holding in tests]
    holds += [set(points)] if has_rest else []
    taken = {point: next((n for n, held in enumerate(holds) if point in held), None) for point in points}
    assert any(f.rule == "gap" for f in found) == (None in taken.values())
    unreached = {f"decide.rules.{n}" for n in range(len(holds)) if n not in taken.values()}
    assert {f.place for f in found if f.rule == "unreachable" and f.place != "tiers"} == unreached
    twice = {
        f"rules {n + 1} ({names[n]}) and {m + 1} ({names[m]})"
        for m in range(len(tests))
        for n in range(m)
        if exclusive and holds[n] & holds[m]
    }
    assert {f.message.partition(" both")[0] for f in found if f.rule == "overlap"} == twice
    step = {"": 0, "high": 1, "low": -1}[end]
    worse = [
        (a, b)
        for (a, b), tier in taken.items()
        for after in [taken.get((a + step, b))]
        if tier is not None and after is not None and after > tier
    ]
    assert any(f.rule == "monotone" for f in found) == bool(worse)
    for finding in found:
        if finding.rule in ("gap", "overlap"):
            at = {name: int(value) for name, value in re.findall(r"(\w) = (\d)", finding.point or "")}
            holding = [n for n, held in enumerate(holds[: len(tests)]) if (at["x"], at["y"]) in held]
            assert len(holding) == 0 if finding.rule == "gap" else len(holding) > 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=3, max_size=3),
    st.lists(st.integers(0, 6), min_size=3, max_size=3),
    scales(),
)
def test_a_scorecard_has_the_faults_that_adding_up_every_score_finds(
    first: list[int], second: list[int], lines: list[dict[str, Any]]
) -> None:
    def points(name: str, given: list[int]) -> str:
        return f"{name}: {{scale: [" + ", ".join(
            f"{{at_least: {bound}, points: {each}}}" for bound, each in zip((9, 3), given, strict=False)
        ) + f", {{points: {given[-1]}}}]}}"  # fmt: skip

    names = " ".join(line["tier"] for line in lines)
    tiers = f"tiers: [{', '.join(map(spelled, lines))}]"
    text = card(tiers, f"{points('sales', first)}, {points('orders', second)}", names=names)
    policy = parse_policy(text, "p.yaml")
    assert policy.decide.scorecard is not None
    scale = policy.decide.scorecard.tiers
    scores = sorted({Decimal(one + other) for one in first for other in second})
    taken = [find_line(scale, score) for score in scores]

    found = [finding for finding in lint(text) if finding.place.startswith("decide.scorecard.tiers")]
    gaps = [score for score, line in zip(scores, taken, strict=True) if line is None]
    assert [f.point for f in found if f.rule == "gap"] == [f"score = {score}" for score in gaps[:1]]
    unreached = {n for n, line in enumerate(scale) if not any(line is other for other in taken)}
    assert {int(f.place.rpartition(".")[2]) for f in found if f.rule == "unreachable"} == unreached
    assert any(f.rule == "overlap" for f in found) == any(len(lines_holding(scale, score)) > 1 for score in scores)


# ---- too many combinations


def many_flags(count: int, when: str) -> str:
    flags = [f"f{number}: {{attribute: attr_f{number}, unit: flag}}" for number in range(count)]
    missing = ", ".join(f"f{number}: {{as: false}}" for number in range(count))
    decide = "{rules: [" + ", ".join(
        [f"{{tier: A, when: {when}}}", *(f"{{tier: B, when: f{number}}}" for number in range(count)), "{tier: C}"]
    ) + "]}"  # fmt: skip
    return text_of("A B C", flags, decide, f"missing: {{{missing}}}")


def test_too_many_combinations_are_sampled_where_the_rules_hold_and_no_rule_is_called_unreachable() -> None:
    started = process_time()
    found = lint(many_flags(24, " and ".join(f"f{number}" for number in range(24))))
    assert process_time() - started < 3
    assert [(f.severity, f.rule, f.place) for f in found if f.rule == "sample"] == [("warning", "sample", "decide")]
    assert len(found) == 1
    assert "proved on a sample of" in found[0].message
    contradiction = lint(many_flags(24, "f1 and not f1"))
    assert ("warning", "unreachable", "decide.rules.0") in [(f.severity, f.rule, f.place) for f in contradiction]
    assert all(f.severity == "warning" for f in contradiction)


def test_a_page_of_bounds_is_proved_whole_and_fast() -> None:
    names = [f"m{number}" for number in range(6)]
    declared = [f"{name}: {{assessment: {name}, unit: number, minimum: 0}}" for name in names]
    missing = ", ".join(f"{name}: {{as: 0}}" for name in names)
    lines = [f"{{tier: A, when: {name} >= {bound}}}" for name in names for bound in (90, 70, 50)]
    decide = f"{{rules: [{', '.join(reversed(lines))}, {{tier: B}}]}}"
    started = process_time()
    found = lint(text_of("A B", declared, decide, f"missing: {{{missing}}}"))
    assert process_time() - started < 3
    assert {f.rule for f in found} == {"unreachable"}
    assert len(found) == 12


def test_a_long_code_is_not_counted_out() -> None:
    digits = ", ".join(f"{{of: m{number}}}" for number in range(9))
    declared = [f"m{number}: {{assessment: m{number}, unit: count, minimum: 0, maximum: 9}}" for number in range(9)]
    missing = "missing: {" + ", ".join(f"m{number}: {{as: 0}}" for number in range(9)) + "}"
    started = process_time()
    segments = "segments: [{tier: A, codes: ['999999999']}, {tier: B}]"
    found = lint(text_of("A B", declared, f"{{composite: {{digits: [{digits}], {segments}}}}}", missing))
    assert keys(found) == [("warning", "sample", "decide.composite.segments", None)]
    tiers = "tiers: [{tier: A, at_least: 81}, {tier: B}]"
    assert lint(text_of("A B", declared, f"{{composite: {{digits: [{digits}], {tiers}}}}}", missing)) == []
    assert process_time() - started < 3


# ---- where


def test_the_line_of_a_finding_is_that_of_its_place() -> None:
    text = bands(SOUND, also=(ORDERS,))
    (finding,) = lint(text)
    assert text.splitlines()[finding.line - 1].strip() == ORDERS
    long_form = rules("{tier: A, when: sales > 5}", "{tier: B, when: sales > 9}", tiers="A B")
    assert lint(long_form)[0].rule == "language"
    for form in ("rules:\n    of:\n", "rules:\n"):
        head, _, tail = rules("X", tiers="A B", of=(SALES,)).partition("decide: {rules: [X]}")
        listed = f"decide:\n  {form}      - {{tier: A, when: sales > 5}}\n      - {{tier: A, when: sales > 9}}\n"
        text = f"{head}{listed}      - {{tier: B}}{tail}"
        (finding,) = lint(text)
        assert (finding.place, text.splitlines()[finding.line - 1].strip()) == (
            "decide.rules.1",
            "- {tier: A, when: sales > 9}",
        )


def test_what_does_not_parse_is_one_finding_with_its_line() -> None:
    policy, found = lint_text(bands(SOUND).replace("grain: customer", "grain: [customer"), "broken.yaml", LIBRARY)
    assert policy is None
    assert [(f.policy_id, f.severity, f.rule) for f in found] == [("broken", "error", "language")]
    assert found[0].line > 3
    assert "broken.yaml" not in found[0].message
    (big,) = lint_text("# " + "x" * 300_000, "big.yaml", LIBRARY)[1]
    assert (big.line, big.message) == (1, "larger than 262144 bytes; a policy is a page, not a book")
