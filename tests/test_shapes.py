"""Shapes: every bound on its stated side, every shape by example and against the plain model, gaps refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import permutations
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sql.errors import TieringError
from tests.indicator_frames import indicator_frame
from transforms import decide_tiers
from transforms.decide import EVIDENCE, find_states
from transforms.parts import Interval, TierLine, find_line, intervals_of, lines_holding
from transforms.policy import Policy, parse_policy

INDICATORS = {
    "amount": "{measure: net_sales, window: ever, unit: money}",
    "rate": "{measure: collection_rate, window: ever, basis: net, unit: ratio}",
    "orders": "{measure: order_count, window: ever, unit: count}",
    "is_key": "{measure: is_key, unit: flag}",
    "region": "{attribute: region}",
    "grade": "{assessment: fit, unit: text}",
    "mark": "{assessment: trust, unit: number}",
    "position": "{rank: amount}",
    "graded": "{count: graded}",
    "first": "{quantile: 9, of: amount, method: rank}",
    "second": "{quantile: 9, of: orders, method: rank}",
}


def policy_text(decide: str, more: str = "", tiers: str = "A, B, C", **indicators: str) -> str:
    """Return the text of a policy that decides as `decide` says, over indicators of every kind."""
    lines = [f"  {name}: {text}" for name, text in (INDICATORS | indicators).items()]
    return "\n".join(
        [
            "id: small",
            "title: {en: Small}",
            "ref: none",
            "grain: customer",
            'schedule: "0 6 * * *"',
            "as_of: run_day",
            f"tiers: [{tiers}]",
            "indicators:",
            *lines,
            f"decide: {{{decide}}}",
            more,
            "",
        ]
    )


def small(decide: str, more: str = "", tiers: str = "A, B, C", **indicators: str) -> Policy:
    return parse_policy(policy_text(decide, more, tiers, **indicators), "small.yaml")


def refusal(decide: str, more: str = "", tiers: str = "A, B, C", **indicators: str) -> str:
    with pytest.raises(TieringError) as refused:
        small(decide, more, tiers, **indicators)
    return str(refused.value).partition(": ")[2]


def number(text: str | None) -> Any:
    return None if text is None else Decimal(text)


def decisions_of(policy: Policy, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the decisions as Python values, None where missing."""
    decisions = decide_tiers(policy, indicator_frame(policy, rows)).decisions.astype(object)
    return decisions.where(decisions.notna(), None)


def tiers_of(policy: Policy, rows: list[dict[str, Any]]) -> list[str]:
    return list(decisions_of(policy, rows)["computed_tier"])


def tiers_by(policy: Policy, name: str, values: list[Any]) -> list[str]:
    return tiers_of(policy, [{name: value} for value in values])


def components_of(policy: Policy, row: dict[str, Any], *columns: str) -> dict[str, tuple[Any, ...]]:
    """Return by indicator what one row's components say, None where missing."""
    components = decide_tiers(policy, indicator_frame(policy, [row])).components.astype(object)
    components = components.where(components.notna(), None).set_index("indicator")
    return {str(name): tuple(found) for name, *found in components[list(columns)].itertuples()}


# ---- scales

BELOW, AT, ABOVE = Decimal("99.9999"), Decimal("100.0000"), Decimal("100.0001")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("at_least: 100", "BAA"),
        ("above: 100", "BBA"),
        ("at_most: 100", "AAB"),
        ("below: 100", "ABB"),
        ("is: 100", "BAB"),
        ("in: [100, 100.0001]", "BAA"),
        ("at_least: 100, at_most: 100", "BAB"),
        ("above: 99.9999, below: 100.0001", "BAB"),
        ("at_least: 99.9999, below: 100", "ABB"),
        ("above: 99.9999, at_most: 100.0001", "BAA"),
        ("at_least: 99.99991", "BAA"),  # finer than the column
        ("at_most: 99.99999", "ABB"),
        ("is: 100.00001", "BBB"),
    ],
)
def test_a_value_at_a_bound_is_on_the_stated_side(line: str, expected: str) -> None:
    policy = small(f"bands: {{of: amount, tiers: [{{tier: A, {line}}}, {{tier: B}}]}}", tiers="A, B")
    assert tiers_by(policy, "amount", [BELOW, AT, ABOVE]) == list(expected)


LIMITS = ["{tier: hundred, at_least: 5}", "{tier: two_hundred, at_least: 10}", "{tier: none_}"]


@pytest.mark.parametrize("lines", [[*some, LIMITS[2]] for some in permutations(LIMITS[:2])])
def test_one_sided_bounds_hold_in_any_order(lines: list[str]) -> None:
    policy = small(f"bands: {{of: orders, tiers: [{', '.join(lines)}]}}", tiers="two_hundred, hundred, none_")
    expected = ["none_", "none_", "hundred", "hundred", "two_hundred", "two_hundred"]
    assert tiers_by(policy, "orders", [-1, 4, 5, 9, 10, 12]) == expected


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_upper_bounds_hold_in_any_order_and_both_sides_of_one_number_too(order: tuple[int, ...]) -> None:
    upper = ["{tier: A, at_most: 7}", "{tier: B, at_most: 30}", "{tier: C, below: 7}"]
    policy = small(f"bands: {{of: orders, tiers: [{', '.join(upper[place] for place in order)}, {{tier: D}}]}}",
                   tiers="A, B, C, D")  # fmt: skip
    assert tiers_by(policy, "orders", [6, 7, 8, 30, 31]) == list("CABBD")


def test_bounds_on_both_sides_hold_just_what_they_state() -> None:
    lines = "{tier: A, at_least: 10, below: 20}, {tier: B, at_least: 20, at_most: 30}, {tier: C, above: 40}"
    policy = small(f"bands: {{of: amount, tiers: [{lines}]}}")
    assert tiers_by(policy, "amount", [number(n) for n in ("10", "19.9999", "20", "30", "40.0001")]) == list("AABBC")
    gaps = [{"amount": number(text)} for text in ("9.9999", "30.0001", "40")]
    assert find_states(policy, indicator_frame(policy, gaps)).tolist() == [None, None, None]
    rest = small(f"bands: {{of: amount, tiers: [{lines}, {{tier: D}}]}}", tiers="A, B, C, D")
    assert tiers_of(rest, gaps) == list("DDD")


def test_where_lines_overlap_the_first_one_counts() -> None:
    lines = "{tier: A, at_least: 10, at_most: 20}, {tier: B, at_least: 15, at_most: 30}, {tier: C}"
    policy = small(f"bands: {{of: orders, tiers: [{lines}]}}")
    assert tiers_by(policy, "orders", [14, 15, 20, 21, 31]) == list("AAABC")


def test_a_scale_by_names_takes_texts_flags_and_numbers_as_they_are() -> None:
    policy = small("bands: {of: region, tiers: [{tier: A, in: [north, 北方]}, {tier: B, is: 'North '}, {tier: C}]}")
    assert tiers_by(policy, "region", ["north", "北方", "North ", "North", "south", ""]) == list("AABCCC")
    flags = small("bands: {of: is_key, tiers: [{tier: A, is: true}, {tier: B, is: false}]}", tiers="A, B")
    assert tiers_by(flags, "is_key", [True, False]) == ["A", "B"]
    numbers = small("bands: {of: amount, tiers: [{tier: A, in: [1, 2.50]}, {tier: B}]}", tiers="A, B")
    assert tiers_by(numbers, "amount", [Decimal(1), Decimal("2.5"), Decimal("2.5001"), Decimal(0)]) == list("AABB")


def test_a_name_that_no_line_has_is_a_gap() -> None:
    policy = small("bands: {of: region, tiers: [{tier: A, is: north}, {tier: B, is: south}]}", tiers="A, B")
    with pytest.raises(TieringError, match="1 accounts fall in a gap of decide.bands, such as c0001"):
        tiers_by(policy, "region", ["north", "east"])


def test_the_rest_does_not_take_what_is_undefined() -> None:
    policy = small("bands: {of: amount, tiers: [{tier: A, at_least: 1}, {tier: B}]}", tiers="A, B")
    with pytest.raises(TieringError, match="the indicator amount is undefined for 1 accounts and decides"):
        tiers_by(policy, "amount", [Decimal(0), None])


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (Interval(), "(-∞, ∞)"),
        (Interval(Decimal("0.50")), "[0.5, ∞)"),
        (Interval(Decimal(1), False, Decimal(2)), "(1, 2]"),
        (Interval(None, True, Decimal("-3"), False), "(-∞, -3)"),
    ],
)
def test_an_interval_is_written_as_in_a_school_book(interval: Interval, words: str) -> None:
    assert str(interval) == words


def test_a_band_says_its_rule_in_plain_words() -> None:
    policy = small("bands: {of: amount, tiers: [{tier: A, above: 1.50, below: 2}, {tier: B, at_most: 1}, {tier: A}]}",
                   tiers="A, B")  # fmt: skip
    assert (policy.rule_of("A"), policy.rule_of("B")) == ("amount > 1.5 and < 2 or everybody else", "amount <= 1")


# ---- scorecard

CARD = """scorecard: {
  points: {
    orders: {scale: [{at_least: 10, points: 50}, {at_least: 1, points: 20.5}, {points: -5}], weight: 2},
    is_key: {scale: [{is: true, points: 30}, {points: 0}]},
    mark: {as_is: true, weight: 0.5}},
  tiers: [{tier: A, at_least: 100}, {tier: B, at_least: 40}, {tier: C}]}"""


@pytest.mark.parametrize(
    ("orders", "is_key", "mark", "score", "tier"),
    [
        (10, False, "0", "100", "A"),
        (10, False, "-0.000000000000000002", "99.999999999999999999", "B"),
        (9, True, "57.98", "99.99", "B"),
        (9, True, "58", "100", "A"),
        (1, False, "-2", "40", "B"),
        (0, False, "0.25", "-9.875", "C"),
        (0, True, "40", "40", "B"),
    ],
)
def test_a_score_is_the_exact_sum_of_weighted_points(
    orders: int, is_key: bool, mark: str, score: str, tier: str
) -> None:
    row = {"orders": orders, "is_key": is_key, "mark": Decimal(mark)}
    (found,) = decisions_of(small(CARD), [row]).itertuples()
    assert (found.score, found.computed_tier, found.code) == (Decimal(score), tier, None)


def test_a_scorecard_keeps_level_points_weight_and_contribution() -> None:
    row = {"orders": 3, "is_key": True, "mark": Decimal("58")}
    found = components_of(small(CARD), row, "level", "points", "weight", "contribution")
    assert found["orders"] == (">= 1", Decimal("20.5"), Decimal(2), Decimal(41))
    assert found["is_key"] == ("true", Decimal(30), Decimal(1), Decimal(30))
    assert found["mark"] == (None, Decimal(58), Decimal("0.5"), Decimal(29))
    assert found["amount"] == (None, None, None, None)
    rest = components_of(small(CARD), {**row, "orders": 0}, "level", "points")
    assert rest["orders"] == ("else", Decimal(-5))


@pytest.mark.parametrize(
    ("digits", "mark", "score"),
    [
        (0, "70.5", "71"),  # half up, as Oracle scores: Python's round gives 70
        (0, "70.4", "70"),
        (0, "70.499999999999999999", "70"),
        (0, "71.5", "72"),
        (0, "-70.5", "-71"),
        (1, "70.45", "70.5"),
        (1, "70.449", "70.4"),
        (2, "0.005", "0.01"),
        (4, "0.00005", "0.0001"),
    ],
)
def test_a_score_is_rounded_half_up_before_it_is_compared(digits: int, mark: str, score: str) -> None:
    tiers = f"tiers: [{{tier: A, at_least: {score}}}, {{tier: B}}]"
    policy = small(f"scorecard: {{points: {{mark: {{as_is: true}}}}, round: {digits}, {tiers}}}", tiers="A, B")
    (found,) = decisions_of(policy, [{"mark": Decimal(mark)}]).itertuples()
    assert (found.score, found.computed_tier) == (Decimal(score), "A")


def test_without_rounding_a_score_stays_as_it_is() -> None:
    policy = small("scorecard: {points: {mark: {as_is: true}}, tiers: [{tier: A, at_least: 71}, {tier: B}]}",
                   tiers="A, B")  # fmt: skip
    (found,) = decisions_of(policy, [{"mark": Decimal("70.9")}]).itertuples()
    assert (found.score, found.computed_tier) == (Decimal("70.9"), "B")


def test_points_as_is_take_flags_and_counts() -> None:
    policy = small("scorecard: {points: {is_key: {as_is: true, weight: 10}, orders: {as_is: true}}, "
                   "tiers: [{tier: A, at_least: 12}, {tier: B}]}", tiers="A, B")  # fmt: skip
    rows = [{"is_key": True, "orders": 2}, {"is_key": False, "orders": 11}]
    assert list(decisions_of(policy, rows)["score"]) == [12, 11]
    assert tiers_of(policy, rows) == ["A", "B"]


@pytest.mark.parametrize("lacking", ["orders", "is_key", "mark"])
def test_a_part_of_a_score_that_is_undefined_is_refused(lacking: str) -> None:
    row = {"orders": 1, "is_key": True, "mark": Decimal(1), lacking: None}
    with pytest.raises(TieringError, match=f"the indicator {lacking} is undefined for 1 accounts"):
        decisions_of(small(CARD), [row])


# ---- matrix

MATRIX = """matrix: {
  rows: {of: amount, levels: [{level: a, at_least: 100}, {level: b}]},
  columns: {of: region, levels: [{level: p, is: north}, {level: q, in: [south, east]}, {level: p, is: centre}]},
  cells: {a: [A, B], b: [B, C]}}"""
AREAS = [(Decimal(100), "north"), (Decimal(100), "east"), (Decimal("99.99"), "centre"), (Decimal(0), "south")]


def test_a_cell_gives_the_tier_and_the_code_of_its_levels() -> None:
    policy = small(MATRIX)
    rows = [{"amount": amount, "region": region} for amount, region in AREAS]
    found = decisions_of(policy, rows)
    assert list(found["computed_tier"]) == list("ABBC")
    assert list(found["code"]) == ["ap", "aq", "bp", "bq"]
    assert list(found["score"]) == [None] * 4
    levels = components_of(policy, rows[2], "level")
    assert (levels["amount"], levels["region"]) == (("b",), ("p",))
    assert policy.rule_of("B") == "amount a with region q or amount b with region p"


def test_the_scores_of_cells_go_through_a_scale() -> None:
    tiers = "tiers: [{tier: A, at_least: 80}, {tier: B, at_least: 60}, {tier: C}]"
    policy = small(MATRIX.replace("cells: {a: [A, B], b: [B, C]}", f"cells: {{a: [80, 79.9], b: [60, 0]}}, {tiers}"))
    found = decisions_of(policy, [{"amount": amount, "region": region} for amount, region in AREAS])
    assert list(found["computed_tier"]) == list("ABBC")
    assert list(found["score"]) == [80, Decimal("79.9"), 60, 0]


def test_a_matrix_without_a_level_for_a_value_has_a_gap() -> None:
    with pytest.raises(TieringError, match="1 accounts fall in a gap of decide.matrix, such as c0001"):
        decisions_of(small(MATRIX), [{"amount": Decimal(1), "region": region} for region in ("north", "west")])


# ---- positions

PYRAMID = """top_share: {rank: position, of: graded, shares: [
  {tier: A, percent: 1}, {tier: B, percent: 4}, {tier: C, percent: 15}, {tier: D, percent: 80}]}"""


@pytest.mark.parametrize(
    ("graded", "cuts"),
    [
        (450, [5, 23, 90, 450]),
        (50, [1, 3, 10, 50]),
        (49, [0, 2, 10, 49]),
        (3, [0, 0, 1, 3]),
        (1, [0, 0, 0, 1]),
        (100, [1, 5, 20, 100]),
        (0, [0, 0, 0, 0]),
    ],
)
def test_a_share_ends_at_the_cumulated_share_rounded_half_up(graded: int, cuts: list[int]) -> None:
    policy = small(PYRAMID, tiers="A, B, C, D")
    assert policy.decide.top_share is not None
    assert policy.decide.top_share.cuts(graded) == cuts
    rows = [{"position": place, "graded": graded} for place in range(1, graded + 1)]
    expected = [tier for tier, low, high in zip("ABCD", [0, *cuts], cuts, strict=False) for _ in range(low, high)]
    assert tiers_of(policy, rows) == expected


def test_shares_of_450_hold_the_published_numbers() -> None:
    policy = small(PYRAMID, tiers="A, B, C, D")
    found = tiers_of(policy, [{"position": place, "graded": 450} for place in range(1, 451)])
    assert [found.count(tier) for tier in "ABCD"] == [5, 18, 67, 360]


def test_shares_may_stand_in_any_order_of_tiers_and_parts_of_a_percent() -> None:
    shares = "[{tier: B, percent: 0.5}, {tier: A, percent: 33.3}, {tier: B, percent: 66.2}]"
    policy = small(f"top_share: {{rank: position, of: graded, shares: {shares}}}", tiers="A, B")
    found = tiers_of(policy, [{"position": place, "graded": 1000} for place in (1, 5, 6, 338, 339, 1000)])
    assert found == list("BBAABB")


def test_who_shares_a_position_shares_the_tier() -> None:
    policy = small(PYRAMID, tiers="A, B, C, D")
    assert tiers_of(policy, [{"position": 1, "graded": 100}] * 30) == ["A"] * 30


@pytest.mark.parametrize(
    "lines", ["{tier: A, first: 2}, {tier: B, first: 5}", "{tier: B, first: 5}, {tier: A, first: 2}"]
)
def test_the_first_so_many_hold_in_any_order(lines: str) -> None:
    policy = small(f"top_n: {{rank: position, tiers: [{lines}, {{tier: C}}]}}")
    assert tiers_by(policy, "position", [1, 2, 3, 5, 6, 10**9]) == list("AABBCC")


def test_beyond_the_last_position_is_a_gap_unless_a_tier_takes_the_rest() -> None:
    policy = small("top_n: {rank: position, tiers: [{tier: A, first: 2}, {tier: B, first: 5}]}", tiers="A, B")
    assert tiers_by(policy, "position", [2, 5]) == ["A", "B"]
    with pytest.raises(TieringError, match="1 accounts fall in a gap of decide.top_n"):
        tiers_by(policy, "position", [5, 6])


# ---- ratio, lowest


def test_below_the_red_line_no_scale_helps() -> None:
    scale = "[{tier: A, at_least: 1}, {tier: B, at_least: 0.5}, {tier: C}]"
    policy = small(f"ratio: {{of: rate, red_line: 0.80, below: D, tiers: {scale}}}", tiers="A, B, C, D")
    values = ["1", "0.999999999999999999", "0.8", "0.799999999999999999", "0.5", "-1"]
    assert tiers_by(policy, "rate", [Decimal(value) for value in values]) == list("ABBDDD")
    assert policy.rule_of("C") == "rate >= 0.8"
    assert policy.rule_of("D") == "rate < 0.8"


LOWEST = """lowest: {
  of: {
    orders: [{tier: A, at_least: 10}, {tier: B, at_least: 5}, {tier: C}],
    rate: [{tier: A, at_least: 0.9}, {tier: B, at_least: 0.8}, {tier: C, at_least: 0}]},
  auxiliary: {mark: [{tier: A, at_least: 3}, {tier: C}]}}"""


@pytest.mark.parametrize(
    ("orders", "rate", "tier"),
    [(10, "0.9", "A"), (10, "0.89", "B"), (9, "1", "B"), (4, "1", "C"), (10, "0", "C"), (5, "0.8", "B")],
)
@pytest.mark.parametrize("mark", ["5", "0", None])
def test_the_lowest_indicator_counts_and_an_auxiliary_one_never(
    orders: int, rate: str, tier: str, mark: str | None
) -> None:
    policy = small(LOWEST)
    row = {"orders": orders, "rate": Decimal(rate), "mark": number(mark)}
    assert tiers_of(policy, [row]) == [tier]
    assert components_of(policy, row, "level")["mark"] == ({"5": "A", "0": "C", None: None}[mark],)


def test_a_gap_of_one_indicator_is_a_gap_even_where_another_is_worse() -> None:
    rows = [{"orders": 1, "rate": Decimal("-0.1")}, {"orders": 10, "rate": Decimal(1)}]
    with pytest.raises(TieringError, match="1 accounts fall in a gap of decide.lowest, such as c0000"):
        tiers_of(small(LOWEST), rows)


# ---- rules, quadrant


def test_the_first_rule_that_holds_counts() -> None:
    rules = "[{tier: B, when: orders >= 5}, {tier: A, when: orders >= 3 or is_key}, {tier: C}]"
    policy = small(f"rules: {rules}")
    rows = [{"orders": n, "is_key": key} for n, key in ((5, True), (3, False), (0, True), (2, False))]
    assert tiers_of(policy, rows) == list("BAAC")
    long = small(f"rules: {{of: {rules}}}")
    assert (long.version, tiers_of(long, rows)) == (policy.version, list("BAAC"))


def test_rules_without_a_rest_can_leave_a_gap() -> None:
    policy = small("rules: {exclusive: true, of: [{tier: A, when: orders > 5}, {tier: B, when: orders < 5}]}",
                   tiers="A, B")  # fmt: skip
    assert tiers_by(policy, "orders", [6, 4]) == ["A", "B"]
    with pytest.raises(TieringError) as refused:
        tiers_by(policy, "orders", [5] * 7)
    assert str(refused.value) == (
        "policy small: 7 accounts fall in a gap of decide.rules, such as c0000, c0001, c0002, c0003, c0004; "
        "run tiering lint, which names the gap"
    )


QUADRANT = """quadrant: {x: {of: amount, at_least: 100}, y: {of: rate, above: 0.5},
  tiers: {high_high: A, high_low: B, low_high: C, low_low: D}}"""


def test_a_quadrant_has_four_sides_with_bounds_of_their_own() -> None:
    policy = small(QUADRANT, tiers="A, B, C, D")
    values = [("100", "0.500000000000000001"), ("100", "0.5"), ("99.9999", "1"), ("99.9999", "0.5")]
    rows = [{"amount": Decimal(x), "rate": Decimal(y)} for x, y in values]
    assert tiers_of(policy, rows) == list("ABCD")
    assert policy.rule_of("B") == "high amount with low rate"
    found = components_of(policy, rows[1], "level")
    assert (found["amount"], found["rate"]) == (("high",), ("low",))


# ---- composite

RECENCY = "{of: orders, scale: [{at_most: 7, digit: 5}, {at_most: 30, digit: 4}, {digit: 1}]}"
SUMS = f"""composite: {{digits: [{RECENCY}, {{of: first}}, {{of: second}}],
  tiers: [{{tier: A, at_least: 13}}, {{tier: B, at_least: 8}}, {{tier: C}}]}}"""


def test_digits_make_a_code_and_their_sum_a_tier() -> None:
    rows = [
        {"orders": 7, "first": 3, "second": 5},
        {"orders": 8, "first": 3, "second": 5},
        {"orders": 31, "first": 1, "second": 1},
    ]
    found = decisions_of(small(SUMS), rows)
    assert list(found["code"]) == ["535", "435", "111"]
    assert list(found["score"]) == [13, 12, 3]
    assert list(found["computed_tier"]) == list("ABC")
    assert components_of(small(SUMS), rows[1], "level", "points", "contribution")["orders"] == ("4", 4, 4)


def segments(text: str, tiers: str) -> Policy:
    return small(f"composite: {{digits: [{RECENCY}, {{of: first}}, {{of: second}}], segments: [{text}]}}", tiers=tiers)


def test_segments_list_codes_or_give_ranges_and_the_first_counts() -> None:
    policy = segments(
        "{tier: champion, codes: ['555', '545']}, {tier: loyal, digits: {first: {from: 4, to: 5}}}, "
        "{tier: lost, digits: {orders: {from: 1, to: 1}, second: {from: 1, to: 2}}}, {tier: other}",
        "champion, loyal, other, lost",
    )
    codes = {"555": "champion", "554": "loyal", "145": "loyal", "141": "loyal", "132": "lost", "133": "other"}
    days = {"5": 7, "4": 30, "1": 31}
    rows = [{"orders": days[code[0]], "first": int(code[1]), "second": int(code[2])} for code in codes]
    found = decisions_of(policy, rows)
    assert dict(zip(found["code"], found["computed_tier"], strict=True)) == codes
    assert [policy.rule_of(tier) for tier in policy.tiers] == [
        "code in 555, 545", "first 4 to 5", "everybody else", "orders 1 to 1 and second 1 to 2",
    ]  # fmt: skip


def test_a_code_that_no_segment_holds_is_a_gap() -> None:
    policy = segments("{tier: A, codes: ['555']}, {tier: B, digits: {first: {from: 1, to: 4}}}", "A, B")
    rows = [{"orders": 1, "first": first, "second": 5} for first in (5, 4, 9)]
    with pytest.raises(TieringError, match="1 accounts fall in a gap of decide.composite, such as c0002"):
        tiers_of(policy, rows)


def test_a_digit_beyond_nine_is_a_gap_and_not_another_code() -> None:
    policy = small(SUMS, first="{quantile: 20, of: amount, method: rank}")
    with pytest.raises(TieringError, match="1 accounts fall in a gap of decide.composite, such as c0001"):
        tiers_of(policy, [{"orders": 1, "first": first, "second": 1} for first in (9, 10)])


# ---- assessed


def test_people_grade_and_the_day_of_their_word_is_kept() -> None:
    policy = small("assessed: {of: grade, tiers: [{tier: A, is: good}, {tier: B, is: fair}]}", tiers="A, B")
    indicators = indicator_frame(policy, [{"grade": "good"}, {"grade": "fair"}])
    days = pa.array([date(2026, 1, 31), None], pa.date32())
    decided = decide_tiers(policy, indicators.assign(**{"grade" + EVIDENCE: pd.arrays.ArrowExtensionArray(days)}))
    assert list(decided.decisions["computed_tier"]) == ["A", "B"]
    evidence = decided.components.set_index(["indicator", "customer_id"])["evidence_on"]
    assert evidence.loc[("grade", "c0000")] == date(2026, 1, 31)
    assert evidence.isna().sum() == len(evidence) - 1


# ---- what is missing, provisional, outside

BANDS = "bands: {of: amount, tiers: [{tier: A, at_least: 100}, {tier: B, at_least: 0}, {tier: C}]}"


@pytest.mark.parametrize(
    ("entry", "tier", "status"),
    [
        ("{tier: C}", "C", "provisional"),
        ("{tier: A, status: final}", "A", "final"),
        ("{as: 100}", "A", "provisional"),
        ("{as: 99.99, status: final}", "B", "final"),
        ("{as: -1}", "C", "provisional"),
    ],
)
def test_what_is_undefined_gives_a_tier_or_counts_as_a_value(entry: str, tier: str, status: str) -> None:
    policy = small(BANDS, f"missing: {{amount: {entry}}}")
    found = decisions_of(policy, [{}, {"amount": Decimal(5)}])
    assert list(found["computed_tier"]) == [tier, "B"]
    assert list(found["status"]) == [status, "final"]
    components = components_of(policy, {}, "value", "is_missing")
    assert components["amount"] == (None, True)


@pytest.mark.parametrize(("name", "as_", "expected"), [("is_key", "true", "A"), ("is_key", "false", "B")])
def test_a_flag_may_count_as_true_or_false(name: str, as_: str, expected: str) -> None:
    policy = small(f"bands: {{of: {name}, tiers: [{{tier: A, is: true}}, {{tier: B, is: false}}]}}",
                   f"missing: {{{name}: {{as: {as_}}}}}", tiers="A, B")  # fmt: skip
    assert tiers_of(policy, [{}]) == [expected]


def test_a_text_may_count_as_a_text() -> None:
    policy = small("bands: {of: region, tiers: [{tier: A, is: north}, {tier: B}]}",
                   "missing: {region: {as: north, status: final}}", tiers="A, B")  # fmt: skip
    assert list(decisions_of(policy, [{}, {"region": "south"}])["status"]) == ["final", "final"]
    assert tiers_of(policy, [{}, {"region": "south"}]) == ["A", "B"]


def test_a_gate_sees_what_is_missing_before_it_counts_as_anything() -> None:
    policy = small(BANDS, "gate: {known: amount is not missing}\nmissing: {amount: {as: 100}}")
    assert list(decisions_of(policy, [{}])["reason"]) == ["gate:known"]


def test_a_tier_is_provisional_where_the_policy_says_so() -> None:
    policy = small(BANDS, "gate: {bought: orders > 0}\nprovisional: orders < 3 or rate is missing")
    rows = [
        {"amount": Decimal(1), "orders": orders, "rate": rate}
        for orders, rate in ((2, Decimal(1)), (3, Decimal(1)), (3, None), (0, None))
    ]
    found = decisions_of(policy, rows)
    assert list(found["status"]) == ["provisional", "final", "provisional", None]
    assert list(found["computed_tier"]) == ["B", "B", "B", None]


@pytest.mark.parametrize(
    ("declared", "name", "inside", "outside", "said"),
    [
        ("minimum: 0", "amount", "0", "-0.0001", "at least 0"),
        ("maximum: 100.5", "amount", "100.5", "100.5001", "at most 100.5"),
        ("minimum: 1, maximum: 2", "amount", "1", "2.0001", "at least 1 and at most 2"),
        ("values: [good, fair]", "grade", "fair", "bad", "one of good, fair"),
    ],
)
def test_a_value_outside_the_declared_range_is_refused_with_the_accounts(
    declared: str, name: str, inside: str, outside: str, said: str
) -> None:
    declaration = INDICATORS[name].replace("}", f", {declared}}}")
    scale = {"amount": "[{tier: A, at_least: 50}, {tier: B}]", "grade": "[{tier: A, is: good}, {tier: B}]"}[name]
    policy = small(f"bands: {{of: {name}, tiers: {scale}}}", f"missing: {{{name}: {{tier: B}}}}", "A, B",
                   **{name: declaration})  # fmt: skip
    kind: Callable[[str], Any] = str if name == "grade" else Decimal
    rows = [{name: kind(inside)}, {name: kind(outside)}, {}, {name: kind(outside)}]
    with pytest.raises(TieringError) as refused:
        decisions_of(policy, rows)
    assert str(refused.value) == (
        f"policy small: the indicator {name} is {said}, and is not for 2 accounts, such as c0001, c0003; "
        "correct the source"
    )
    states = find_states(policy, indicator_frame(policy, rows))
    assert list(states.isna()) == [False, True, False, True]


def test_a_value_outside_the_range_is_refused_even_where_it_does_not_decide_but_not_behind_a_gate() -> None:
    policy = small(BANDS, "gate: {bought: orders > 0}", rate=INDICATORS["rate"].replace("}", ", maximum: 1}"))
    out = {"amount": Decimal(1), "rate": Decimal(2)}
    assert list(decisions_of(policy, [{**out, "orders": 0}])["reason"]) == ["gate:bought"]
    with pytest.raises(TieringError, match="rate is at most 1, and is not for 1 accounts, such as c0001;"):
        decisions_of(policy, [{**out, "orders": 0}, {**out, "orders": 1}])


# ---- what a shape refuses when it is read


@pytest.mark.parametrize(
    ("decide", "message"),
    [
        ("bands: {of: amount, tiers: []}", "decide.bands.tiers: a scale has at least one line"),
        (
            "bands: {of: amount, tiers: [{tier: A}, {tier: B, at_least: 1}]}",
            "decide.bands.tiers: only the last line takes what is left: give every other one a bound, `is` or `in`",
        ),
        (
            "scorecard: {points: {amount: {weight: 2}}, tiers: [{tier: A}]}",
            "decide.scorecard.points.amount: points come from a scale, or the value is taken as it is (as_is: true)",
        ),
        (
            "scorecard: {points: {amount: {as_is: true, weight: 0}}, tiers: [{tier: A}]}",
            "decide.scorecard.points.amount.weight: this must be greater than 0",
        ),
        (
            "scorecard: {points: {amount: {as_is: true}}, round: 5, tiers: [{tier: A}]}",
            "decide.scorecard.round: this must be less than or equal to 4",
        ),
        (
            MATRIX.replace("a: [A, B], b: [B, C]", "b: [A, B], a: [B, C]"),
            "decide.matrix: cells: one list per level of the rows, in their order: a, b",
        ),
        (
            MATRIX.replace("b: [B, C]", "b: [B]"),
            "decide.matrix: cells.b: one cell per level of the columns: p, q",
        ),
        (
            MATRIX.replace("b: [B, C]", "b: [B, 3]"),
            "decide.matrix: cells.b: cells are tiers, or all numbers with `tiers` to turn them into tiers",
        ),
        (
            PYRAMID.replace("80", "79"),
            "decide.top_share: shares: the percentages must add up to 100",
        ),
        (
            PYRAMID.replace("of: graded", "of: orders"),
            "decide.top_share.of: orders is no count; declare one: {count: graded}",
        ),
        (
            "top_n: {rank: orders, tiers: [{tier: A, first: 1}, {tier: B}]}",
            "decide.top_n.rank: orders is no rank; declare one: {rank: …}",
        ),
        (
            "top_n: {rank: position, tiers: [{tier: A}, {tier: B, first: 1}]}",
            "decide.top_n: tiers: every tier but the last says `first`, its last position",
        ),
        (
            "rules: []",
            "decide.rules: only the last rule may have no condition; it takes everybody who is left",
        ),
        (
            QUADRANT.replace("at_least: 100", "at_least: 100, above: 99"),
            "decide.quadrant.x: say where high begins: at_least or above",
        ),
        (
            "composite: {digits: [{of: first}]}",
            "decide.composite: tiers come from the sum of the digits (`tiers`) or from the code (`segments`)",
        ),
        (
            "composite: {digits: [{of: first}], segments: [{tier: A}, {tier: B, codes: ['1']}]}",
            "decide.composite: segments: only the last one takes the codes that are left",
        ),
        (
            "composite: {digits: [{of: first}], segments: [{tier: A, digits: {second: {from: 1, to: 2}}}]}",
            "decide.composite: segments: second is no digit of the code",
        ),
        (
            "composite: {digits: [{of: first}], segments: [{tier: A, codes: ['1'], digits: {}}]}",
            "decide.composite.segments.0: a segment lists codes or gives ranges of digits, not both",
        ),
        (
            "assessed: {of: region, tiers: [{tier: A, is: x}, {tier: B}]}",
            "decide.assessed.of: region is no assessment; declare one: {assessment: …}",
        ),
        (
            "lowest: {of: {}}",
            "decide.lowest.of: at least one entry is needed here",
        ),
        (
            "lowest: {of: {orders: [{tier: A}]}, auxiliary: {marks: [{tier: A}]}}",
            "decide: the indicator marks is not declared; did you mean mark?",
        ),
    ],
)
def test_a_shape_that_is_none_is_refused(decide: str, message: str) -> None:
    tiers = "A, B, C, D" if "D" in decide else "A, B, C" if "C" in decide else "A, B" if "tier: B" in decide else "A"
    assert refusal(decide, tiers=tiers) == message


def test_a_policy_has_exactly_one_shape() -> None:
    assert refusal("").startswith("decide: decide has exactly one of: bands, scorecard, matrix, ")
    assert refusal(f"{BANDS}, {QUADRANT}").startswith("decide: decide has exactly one of: ")


# ---- the plain model

STEPS = st.integers(-6, 6).map(lambda number: Decimal(number) / 2)
LINES = st.one_of(
    st.fixed_dictionaries({"at_least": STEPS}),
    st.fixed_dictionaries({"above": STEPS}),
    st.fixed_dictionaries({"at_most": STEPS}),
    st.fixed_dictionaries({"below": STEPS}),
)
LOW = st.lists(st.one_of(st.fixed_dictionaries({"at_least": STEPS}), st.fixed_dictionaries({"above": STEPS})),
               min_size=1, max_size=5)  # fmt: skip
HIGH = st.lists(st.one_of(st.fixed_dictionaries({"at_most": STEPS}), st.fixed_dictionaries({"below": STEPS})),
                min_size=1, max_size=5)  # fmt: skip
BOTH = st.lists(st.builds(lambda low, high: low | high, LOW.map(lambda some: some[0]), HIGH.map(lambda some: some[0])),
                min_size=1, max_size=5)  # fmt: skip
NAMED = st.lists(st.fixed_dictionaries({"is": STEPS}) | st.fixed_dictionaries({"in": st.lists(STEPS, min_size=1)}),
                 min_size=1, max_size=5)  # fmt: skip
SCALES = st.tuples(LOW | HIGH | BOTH | NAMED | st.lists(LINES, min_size=1, max_size=5), st.booleans()).map(
    lambda drawn: [*drawn[0], {}] if drawn[1] else drawn[0]
)
VALUES = st.lists(
    STEPS | STEPS.map(lambda value: value + Decimal("1E-18")) | STEPS.map(lambda value: value - Decimal("1E-18")),
    min_size=15,
    max_size=30,
)  # fmt: skip


def built(decide: dict[str, Any], tiers: list[str]) -> Policy:
    """Return a policy made of data instead of a text, over two numbers."""
    return Policy.model_validate(
        {
            "id": "built",
            "title": {"en": "Built"},
            "ref": "none",
            "grain": "customer",
            "schedule": "0 6 * * *",
            "as_of": "run_day",
            "tiers": tiers,
            "indicators": {name: {"measure": name, "unit": "ratio"} for name in ("x", "y", "z")},
            "decide": decide,
        }
    )


def states_by(policy: Policy, rows: list[dict[str, Any]]) -> list[str | None]:
    return list(find_states(policy, indicator_frame(policy, rows)))


@settings(max_examples=60, deadline=None)
@given(scale=SCALES, values=VALUES)
def test_bands_decide_as_the_plain_model(scale: list[dict[str, Any]], values: list[Decimal]) -> None:
    tiers = [f"t{place}" for place in range(len(scale))]
    policy = built({"bands": {"of": "x", "tiers": [{"tier": t, **line} for t, line in zip(tiers, scale, strict=True)]}},
                   tiers)  # fmt: skip
    assert policy.decide.bands is not None
    held = [find_line(policy.decide.bands.tiers, value) for value in values]
    assert states_by(policy, [{"x": value} for value in values]) == [line.tier if line else None for line in held]


@settings(max_examples=60, deadline=None)
@given(lines=LOW | HIGH, values=VALUES)
def test_one_sided_lines_are_neighbours_and_each_reaches_to_the_next(
    lines: list[dict[str, Any]], values: list[Decimal]
) -> None:
    scale = [TierLine(tier="t", **line) for line in lines]
    bounds = intervals_of(scale)
    for value in values:
        assert len(set(map(str, (bound for bound in bounds if value in bound)))) <= 1
        satisfied = [line for line in scale if value in line.stated]
        assert bool(lines_holding(scale, value)) == bool(satisfied)
        for line in lines_holding(scale, value):  # the tightest of the bounds that hold
            assert all(value in other.stated for other in scale if other in satisfied)
            tightest = max if "at_least" in lines[0] or "above" in lines[0] else min
            assert (line.stated.low or line.stated.high or 0) == tightest(
                (each.stated.low or each.stated.high or 0) for each in satisfied
            )


@settings(max_examples=40, deadline=None)
@given(
    scales=st.lists(LOW.map(lambda some: [*some, {}]), min_size=2, max_size=2),
    points=st.lists(st.decimals(-50, 50, places=2), min_size=12, max_size=12),
    weights=st.lists(st.decimals("0.01", 9, places=2), min_size=3, max_size=3),
    digits=st.sampled_from([None, 0, 1, 2]),
    bound=st.decimals(-200, 200, places=1),
    rows=st.lists(st.tuples(STEPS, STEPS, st.decimals(-100, 100, places=5)), min_size=15, max_size=30),
)
def test_scorecards_add_up_as_decimals(
    scales: list[list[dict[str, Any]]],
    points: list[Decimal],
    weights: list[Decimal],
    digits: int | None,
    bound: Decimal,
    rows: list[tuple[Decimal, ...]],
) -> None:
    given_points = iter(points)
    card: dict[str, Any] = {
        name: {"scale": [{**line, "points": next(given_points)} for line in scale], "weight": weight}
        for name, scale, weight in zip("xy", scales, weights, strict=False)
    }
    card["z"] = {"as_is": True, "weight": weights[2]}
    tiers = [{"tier": "A", "at_least": bound}, {"tier": "B"}]
    policy = built({"scorecard": {"points": card, "tiers": tiers, "round": digits}}, ["A", "B"])
    assert policy.decide.scorecard is not None
    expected = []
    for x, y, z in rows:
        with localcontext(prec=60):
            score = z * weights[2]
            for name, value in (("x", x), ("y", y)):
                part = policy.decide.scorecard.points[name]
                score += find_line(part.scale or [], value).points * part.weight
            if digits is not None:
                score = score.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
        expected.append((score, "A" if score >= bound else "B"))
    found = decisions_of(policy, [dict(zip("xyz", row, strict=True)) for row in rows])
    assert list(zip(found["score"], found["computed_tier"], strict=True)) == expected


@settings(max_examples=40, deadline=None)
@given(
    rows_scale=SCALES,
    columns_scale=SCALES,
    cells=st.lists(st.sampled_from("ABC"), min_size=36, max_size=36),
    points=st.lists(STEPS, min_size=15, max_size=30),
    data=st.data(),
)
def test_matrices_decide_as_the_plain_model(
    rows_scale: list[dict[str, Any]],
    columns_scale: list[dict[str, Any]],
    cells: list[str],
    points: list[Decimal],
    data: st.DataObject,
) -> None:
    names = [f"r{place}" for place in range(len(rows_scale))], [f"c{place}" for place in range(len(columns_scale))]
    table = {row: cells[place * 6 : place * 6 + len(names[1])] for place, row in enumerate(names[0])}
    axes = [
        {"of": of, "levels": [{"level": level, **line} for level, line in zip(levels, scale, strict=True)]}
        for of, levels, scale in zip("xy", names, (rows_scale, columns_scale), strict=True)
    ]
    used = sorted({cell for row in table.values() for cell in row})
    policy = built({"matrix": {"rows": axes[0], "columns": axes[1], "cells": table}}, used)
    assert policy.decide.matrix is not None
    others = data.draw(st.permutations(points))
    expected: list[str | None] = []
    for x, y in zip(points, others, strict=True):
        row, column = find_line(policy.decide.matrix.rows.levels, x), find_line(policy.decide.matrix.columns.levels, y)
        expected.append(table[row.level][names[1].index(column.level)] if row and column else None)
    assert states_by(policy, [{"x": x, "y": y} for x, y in zip(points, others, strict=True)]) == expected


# ---- what a run refuses


BY_RATE = "bands: {of: rate, tiers: [{tier: A, at_least: 1}, {tier: B, at_least: 0}, {tier: C}]}"


def test_who_stands_outside_a_range_has_no_state_whatever_missing_says() -> None:
    policy = small(
        BY_RATE,
        more="missing: {rate: {tier: B}}",
        orders="{measure: order_count, window: ever, unit: count, minimum: 0}",
    )
    frame = indicator_frame(policy, [{"orders": -1}, {"orders": 0}])
    assert list(find_states(policy, frame)) == [None, "B"]
    with pytest.raises(TieringError, match="orders is at least 0"):
        decide_tiers(policy, frame)


def test_missing_may_count_as_a_finer_value_than_its_column_holds() -> None:
    policy = small(
        "bands: {of: orders, tiers: [{tier: A, at_least: 1}, {tier: B, above: 0}, {tier: C}]}",
        more="missing: {orders: {as: 0.5, status: final}}",
    )
    assert tiers_of(policy, [{}, {"orders": 0}, {"orders": 1}]) == ["B", "C", "A"]


@pytest.mark.parametrize(
    "decide",
    [
        "bands: {of: is_key, tiers: [{tier: A, at_least: 1}, {tier: B, at_least: 0}, {tier: C}]}",
        "bands: {of: amount, tiers: [{tier: A, is: big}, {tier: B, is: small}, {tier: C}]}",
        "composite: {digits: [{of: rate}], tiers: [{tier: A, at_least: 2}, {tier: B, at_least: 1}, {tier: C}]}",
    ],
)
def test_values_of_different_kinds_are_refused_in_one_line(decide: str) -> None:
    policy = small(decide)
    with pytest.raises(TieringError, match="policy small: values of different kinds meet .*; run tiering lint"):
        decide_tiers(policy, indicator_frame(policy, [{"is_key": True, "amount": Decimal(1), "rate": Decimal("0.5")}]))


def test_points_and_weights_with_many_digits_are_exact_or_refused() -> None:
    points = "scorecard: {points: {amount: {scale: [{points: 12345678901.123456789}], weight: 1.00000001}}, "
    policy = small(points + "tiers: [{tier: A, at_least: 2}, {tier: B, at_least: 1}, {tier: C}]}")
    score = decisions_of(policy, [{"amount": Decimal(1)}])["score"][0]
    assert score == Decimal("12345679024.58024580023456789")
    for weight in ("0.000000001", "1.1234567890123456789"):
        with pytest.raises(TieringError, match="decimal places"):
            small(points.replace("1.00000001", weight) + "tiers: [{tier: A, at_least: 2}, {tier: B}]}", tiers="A, B")


def test_a_fault_in_the_short_form_of_rules_has_its_own_line() -> None:
    text = policy_text("rules: [{tier: A, when: rate > 1},\n  {tier: B, when: rate >},\n  {tier: C}]")
    with pytest.raises(TieringError) as refused:
        parse_policy(text, "small.yaml")
    line = 1 + text[: text.index("rate >}")].count("\n")
    assert str(refused.value).startswith(f"small.yaml:{line}: decide.rules.1.when: ")
