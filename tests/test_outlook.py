"""The outlook: the stated change gives the promised tier, a smaller one does not, and nothing nearer is missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from functools import cache
from random import Random
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from sql.errors import TieringError
from sql.measure import read_library
from tests.indicator_frames import (
    POLICIES,
    SHIPPED,
    Row,
    arrow_type,
    bounds_of,
    indicator_frame,
    pool_of,
)
from transforms import outlook
from transforms.columns import DECIMAL
from transforms.decide import find_states
from transforms.outlook import OUTLOOK_COLUMNS, find_outlook
from transforms.policy import Policy, parse_policy
from transforms.probes import domain_of

LIBRARY = read_library()
GRADED = [name for name in SHIPPED if POLICIES[name].publishes == "tier"]
CUSTOMERS = 10_000
EACH = -(-CUSTOMERS // len(GRADED))
PEOPLE_COUNT = {"count", "days", "months", "rank", "points"}


def changeable(policy: Policy, row: Mapping[str, Any]) -> list[str]:
    """Return the numbers of a row that a change can be of."""
    return [
        name
        for name, indicator in policy.indicators.items()
        if indicator.value_type == "number" and indicator.count is None and row.get(name) is not None
    ]


def step_of(policy: Policy, name: str) -> Decimal:
    return domain_of(policy, name, LIBRARY).step


def can_be(policy: Policy, name: str, value: Decimal) -> bool:
    domain = domain_of(policy, name, LIBRARY)
    return (domain.low is None or value >= domain.low) and (domain.high is None or value <= domain.high)


def unit_of(policy: Policy, name: str) -> str | None:
    indicator = policy.indicators[name]
    known = LIBRARY.get(f"{indicator.measure}_{indicator.basis}" if indicator.basis else str(indicator.measure))
    return known.unit if indicator.measure is not None and known is not None else indicator.unit


def is_near(policy: Policy, name: str, value: Decimal, needed: Decimal) -> bool:
    assert policy.outlook is not None
    change = abs(Fraction(needed) - Fraction(value))
    if change <= 1 and (unit_of(policy, name) in PEOPLE_COUNT or step_of(policy, name) == 1):
        return True
    return change <= Fraction(policy.outlook.near) * max(abs(Fraction(value)), abs(Fraction(needed)))


def relative(value: Decimal, needed: Decimal) -> Decimal:
    """Return the relative change, cut off after eight digits; 1 at most."""
    part = min(abs(Fraction(needed) - Fraction(value)) / max(abs(Fraction(value)), abs(Fraction(needed))), Fraction(1))
    return Decimal(int(part * 10**8)).scaleb(-8)


def fitted(policy: Policy, name: str, value: Decimal) -> Any:
    """Return a value as an indicator can have it."""
    step, domain = step_of(policy, name), domain_of(policy, name, LIBRARY)
    units = (Fraction(value) / Fraction(step)).__floor__()
    found = Decimal(units) * step
    found = found if domain.low is None else max(found, domain.low)
    found = found if domain.high is None else min(found, domain.high)
    return int(found) if step == 1 and found == found.to_integral_value(ROUND_FLOOR) else found


@cache
def customers_of(policy_id: str, count: int) -> list[Row]:
    """Return customers near the bounds of a policy and anywhere, the same ones on every run."""
    policy = POLICIES[policy_id]
    random = Random(policy.id)
    pool, found = pool_of(policy), list[Row]()
    edges = {name: sorted(bounds_of(policy, name)) for name in policy.indicators}
    while len(found) < count:
        drawn = []
        for _ in range(2 * count):
            row = dict(random.choice(pool))
            for name in changeable(policy, row):
                known, kind = edges[name], random.random()
                if known and kind < 0.6:
                    bound = random.choice(known)
                    row[name] = fitted(policy, name, bound * Decimal(random.randint(8500, 11800)) / 10_000)
                elif known and kind < 0.8:
                    row[name] = fitted(policy, name, known[0] + (known[-1] - known[0]) * random.randint(-3, 13) / 10)
            drawn.append(row)
        states = states_of(policy, drawn)
        found += [row for row, state in zip(drawn, states, strict=True) if state is not None]
    return [{**row, "account_id": f"c{number:05}"} for number, row in enumerate(found[:count])]


def changed(rows: Sequence[Row], changes: Iterable[tuple[int, str, Any]]) -> list[Row]:
    """Return rows (by place) with one value set; each is an account of its own."""
    return [
        {**rows[place], name: value, "account_id": f"t{number:07}"}
        for number, (place, name, value) in enumerate(changes)
    ]


def as_given(policy: Policy, name: str, value: Decimal) -> Any:
    return int(value) if step_of(policy, name) == 1 else value


def frame_of(policy: Policy, rows: Sequence[Row]) -> pd.DataFrame:
    """Return the rows as `read_indicators` gives them: decimals with 18 digits."""
    numbers = [name for name, indicator in policy.indicators.items() if indicator.value_type == "number"]
    plain = [{name: value for name, value in row.items() if name not in numbers} for row in rows]
    frame = indicator_frame(policy, plain)
    for name in numbers:
        kind = arrow_type(policy, name)
        values = [row.get(name) for row in rows]
        frame[name] = pd.array(values, pd.ArrowDtype(kind if pa.types.is_integer(kind) else DECIMAL))
    return frame


def states_of(policy: Policy, rows: Sequence[Row]) -> list[Any]:
    return list(find_states(policy, frame_of(policy, rows))) if rows else []


def found_of(policy: Policy, rows: Sequence[Row]) -> list[dict[str, Any]]:
    return find_outlook(policy, frame_of(policy, rows), LIBRARY).astype(object).to_dict("records")


def is_on_the_way(policy: Policy, state: Any, tier: str, direction: str) -> bool:
    """Whether a state is a better (for down: a worse) tier."""
    if state not in policy.tiers:
        return False
    ranks = policy.rank_of(state), policy.rank_of(tier)
    return ranks[0] < ranks[1] if direction == "up" else ranks[0] > ranks[1]


def check_promises(policy: Policy, rows: Sequence[Row], random: Random) -> int:
    """Hold every row of an outlook to its word; return how many there are."""
    found = found_of(policy, rows)
    place = {row["account_id"]: number for number, row in enumerate(rows)}
    tiers = states_of(policy, rows)
    stated = [(place[one["customer_id"]], one["indicator"], one["needed"]) for one in found]
    reached = states_of(policy, changed(rows, [(at, name, as_given(policy, name, to)) for at, name, to in stated]))
    smaller: list[tuple[int, str, Any]] = []
    of: list[int] = []
    for number, (one, state) in enumerate(zip(found, reached, strict=True)):
        at, name, value, needed = *stated[number][:2], one["value"], one["needed"]
        step = step_of(policy, name)
        assert one["tier"] == tiers[at]
        assert state == one["to_tier"], (rows[at], one)
        assert is_on_the_way(policy, state, one["tier"], one["direction"]), one
        assert Fraction(value) == Fraction(rows[at][name])
        assert Fraction(one["change"]) == Fraction(needed) - Fraction(value) != 0
        assert one["relative_change"] == relative(value, needed)
        assert is_near(policy, name, value, needed)
        assert can_be(policy, name, needed)
        steps = int(abs(Fraction(one["change"]) / Fraction(step)))
        sign = 1 if one["change"] > 0 else -1
        for less in {1, *(random.randint(1, steps) for _ in range(3))} if steps > 1 else ():
            smaller.append((at, name, as_given(policy, name, needed - sign * less * step)))
            of.append(number)
    for number, state in zip(of, states_of(policy, changed(rows, smaller)), strict=True):
        one = found[number]
        assert not is_on_the_way(policy, state, one["tier"], one["direction"]), one
    return len(found)


@pytest.mark.parametrize("policy_id", GRADED)
def test_the_stated_change_gives_the_promised_tier_and_a_smaller_one_does_not(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    rows = customers_of(policy_id, EACH)
    check_promises(policy, rows, Random(policy_id))


def test_many_of_the_customers_are_near_a_line() -> None:
    rows = {name: customers_of(name, EACH) for name in GRADED}
    assert sum(map(len, rows.values())) >= CUSTOMERS
    found = {name: len(found_of(POLICIES[name], rows[name])) for name in GRADED}
    assert sum(found.values()) > CUSTOMERS / 3
    without = {name for name, count in found.items() if count == 0}
    assert without == {name for name in GRADED if not outlook.has_outlook(POLICIES[name])}


# Against brute force


def tried_values(policy: Policy, row: Row, name: str) -> list[Decimal]:
    """Return values on the indicator's grid: at and beside all that the policy or the row names, and many between."""
    value, step = Decimal(row[name]), step_of(policy, name)
    others = {Decimal(row[other]) for other in changeable(policy, row)}
    named = bounds_of(policy, name)
    low, high = sorted((value * Decimal("0.88"), value * Decimal("1.14")))
    between = {low + (high - low) * part / 12 for part in range(13)} | {value + part for part in (-1, 1)}
    assert policy.outlook is not None
    between |= {value * (1 - policy.outlook.near), value / (1 - policy.outlook.near)}  # as far as near goes
    found = set()
    for near in named | others | between:
        floor = Decimal((Fraction(near) / Fraction(step)).__floor__()) * step
        found |= {floor + part * step for part in (-1, 0, 1, 2)}
    return sorted(each for each in found if can_be(policy, name, each) and is_near(policy, name, value, each))


def nearest_by_brute_force(policy: Policy, rows: Sequence[Row]) -> dict[tuple[str, str], tuple[str, Decimal]]:
    """Return by account and direction the indicator and value that count, from trying values one by one."""
    tiers = states_of(policy, rows)
    points = {
        (at, name): dict.fromkeys([*tried_values(policy, row, name), Decimal(row[name])])
        for at, row in enumerate(rows)
        for name in changeable(policy, row)
        if tiers[at] in policy.tiers
    }
    is_whole = {name: step_of(policy, name) for name in policy.indicators}
    scorecard = policy.decide.scorecard
    solved = [name for name, each in scorecard.points.items() if each.as_is] if scorecard else []
    _evaluate(policy, rows, points, [(key, value) for key, values in points.items() for value in values])
    for _ in range(70):  # where two neighbours differ, halve what lies between them
        middles = []
        for key, values in points.items():
            if key[1] not in solved:
                continue
            ordered = sorted(values)
            step = is_whole[key[1]]
            for low, high in zip(ordered, ordered[1:], strict=False):
                if values[low] != values[high] and high - low > step:
                    middles.append((key, low + Decimal(int((high - low) / step) // 2) * step))
        if not middles:
            break
        _evaluate(policy, rows, points, middles)
    names = list(policy.indicators)
    best: dict[tuple[str, str], tuple[Any, str, Decimal]] = {}
    for (at, name), values in points.items():
        value = Decimal(rows[at][name])
        for needed, state in values.items():
            for direction in ("up", "down"):
                if needed != value and is_on_the_way(policy, state, tiers[at], direction):
                    rank = (relative(value, needed), names.index(name), needed < value, abs(needed - value))
                    key = (rows[at]["account_id"], direction)
                    if key not in best or rank < best[key][0]:
                        best[key] = rank, name, needed
    return {key: (name, needed) for key, (_, name, needed) in best.items()}


def _evaluate(policy: Policy, rows: Sequence[Row], points: dict[Any, Any], wanted: list[tuple[Any, Decimal]]) -> None:
    tried = changed(rows, [(at, name, as_given(policy, name, value)) for (at, name), value in wanted])
    for (key, value), state in zip(wanted, states_of(policy, tried), strict=True):
        points[key][value] = state


def check_against_brute_force(policy: Policy, rows: Sequence[Row]) -> None:
    found = {
        (one["customer_id"], one["direction"]): (one["indicator"], one["needed"]) for one in found_of(policy, rows)
    }
    assert found == nearest_by_brute_force(policy, rows)


@pytest.mark.parametrize("policy_id", GRADED)
def test_nothing_nearer_is_missed_and_who_has_no_row_has_no_line_near(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    check_against_brute_force(policy, customers_of(policy_id, EACH)[-30:])


# Policies whose lines depend on the account


def policy_of(indicators: str, decide: str, tiers: str = "[A, B, C]", more: str = "") -> Policy:
    """Return a policy made of its own parts; `more` holds further keys."""
    text = f"""
id: small
title: {{en: Small}}
ref: S1
grain: customer
schedule: "0 6 3 * *"
as_of: previous_month_end
tiers: {tiers}
indicators: {indicators}
decide: {decide}
{more}
"""
    return parse_policy(text, "small.yaml")


NUMBERS = """
  a: {assessment: a, unit: number, better: high}
  b: {assessment: b, unit: points, better: high}
  c: {measure: order_count, window: 12 months, unit: count}
"""


@st.composite
def scorecards(draw: st.DrawFn) -> Policy:
    """Draw a scorecard whose points are values of the account, weighted and perhaps rounded."""
    weights = [draw(st.sampled_from(["0.3", "1", "2.5", "0.07", "3"])) for _ in range(2)]
    rounded = draw(st.sampled_from(["", "round: 0, ", "round: 1, ", "round: 2, "]))
    line = draw(st.sampled_from(["at_least", "above"]))
    low = Decimal(draw(st.integers(-2000, 6000))) / 100
    high = low + Decimal(draw(st.integers(1, 3000))) / 100
    return policy_of(
        NUMBERS,
        "{scorecard: {points: {"
        f"a: {{as_is: true, weight: {weights[0]}}}, b: {{as_is: true, weight: {weights[1]}}}, "
        "c: {scale: [{at_least: 5, points: 7.5}, {at_least: 2, points: 3}, {points: -1}]}}, "
        f"{rounded}tiers: [{{tier: A, {line}: {high}}}, {{tier: B, {line}: {low}}}, {{tier: C}}]}}}}",
    )


COMPARED = policy_of(
    """
  a: {assessment: a, unit: number}
  b: {assessment: b, unit: number}
  c: {assessment: c, unit: points, minimum: -20, maximum: 20}
""",
    """
  rules:
    - {tier: A, when: a > b and c >= 3}
    - {tier: B, when: a between c and b or b = 10}
    - {tier: A, when: 'c in (a, 7)'}
    - {tier: C}
""",
    more="gate: {is_open: a <> 8 and c < b}",
)

_drawn = st.decimals(Decimal(-30), Decimal(30), places=3)
_rows = st.lists(
    st.fixed_dictionaries(
        {"a": _drawn | st.integers(-3, 12).map(Decimal), "b": _drawn | st.integers(-3, 12).map(Decimal)},
    ),
    min_size=15,
    max_size=30,
)


def check_all(policy: Policy, rows: Sequence[Row], seed: int) -> None:
    numbered = [{**row, "account_id": f"c{number}"} for number, row in enumerate(rows)]
    states = states_of(policy, numbered)
    decided = [row for row, state in zip(numbered, states, strict=True) if state is not None]
    check_promises(policy, decided, Random(seed))
    check_against_brute_force(policy, decided)


@settings(max_examples=12, deadline=None)
@given(policy=scorecards(), rows=_rows, counts=st.lists(st.integers(0, 7), min_size=30, max_size=30))
def test_points_that_are_the_value_itself_are_solved_exactly(
    policy: Policy, rows: list[Row], counts: list[int]
) -> None:
    check_all(policy, [{**row, "c": count} for row, count in zip(rows, counts, strict=False)], 1)


@settings(max_examples=12, deadline=None)
@given(
    rows=_rows, others=st.lists(st.integers(-3, 12).map(Decimal) | _drawn.filter(lambda c: abs(c) <= 20), min_size=30)
)
def test_indicators_that_are_held_against_one_another_are_solved_exactly(
    rows: list[Row], others: list[Decimal]
) -> None:
    check_all(COMPARED, [{**row, "c": other} for row, other in zip(rows, others, strict=False)], 2)


# By hand

SALES = "{net_sales: {measure: net_sales, window: 12 months, unit: money}}"
BANDS = "{bands: {of: net_sales, tiers: [{tier: A, at_least: 100000}, {tier: B, above: 50000}, {tier: C}]}}"
TWO = """
  sales: {measure: net_sales, window: 12 months, unit: money}
  orders: {measure: order_count, window: 12 months, unit: count}
"""
RATE = "{rate: {assessment: rate, unit: ratio, minimum: 0, maximum: 2}}"
RANKED = """
  sales: {measure: net_sales, window: 12 months, unit: money}
  place: {rank: sales}
  number: {count: graded}
"""
QUINTILES = """
  sales: {measure: net_sales, window: 12 months, unit: money}
  orders: {measure: order_count, window: 12 months, unit: count}
  frequency: {quantile: 5, of: orders, method: rank, unit: points}
  monetary: {quantile: 5, of: sales, method: rank, unit: points}
"""
BY_PLACE = "{top_n: {rank: place, tiers: [{tier: A, first: 3}, {tier: B, first: 40}, {tier: C}]}}"
BY_SHARE = (
    "{top_share: {rank: place, of: number, shares: [{tier: A, percent: 10}, {tier: B, percent: 40}, "
    "{tier: C, percent: 50}]}}"
)
POINTS = (
    "{scorecard: {points: {sales: {scale: [{at_least: 1000, points: 10}, {at_least: 500, points: 4}, {points: 0}]}, "
    "orders: {scale: [{at_least: 10, points: 5}, {at_least: 6, points: 3}, {points: 0}], weight: 2}}, "
    "tiers: [{tier: A, at_least: 16}, {tier: B, at_least: 10}, {tier: C}]}}"
)
LOWEST = (
    "{lowest: {of: {sales: [{tier: A, at_least: 1000}, {tier: B, at_least: 500}, {tier: C}], "
    "orders: [{tier: A, at_least: 10}, {tier: B, at_least: 6}, {tier: C}]}}}"
)
MATRIX = (
    "{matrix: {rows: {of: sales, levels: [{level: high, at_least: 1000}, {level: low}]}, "
    "columns: {of: orders, levels: [{level: many, above: 9}, {level: few}]}, cells: {high: [A, B], low: [B, C]}}}"
)
QUADRANT = (
    "{quadrant: {x: {of: sales, at_least: 1000}, y: {of: orders, above: 9}, "
    "tiers: {high_high: A, high_low: B, low_high: C, low_low: D}}}"
)
COMPOSITE = (
    "{composite: {digits: [{of: frequency}, {of: monetary}], "
    "tiers: [{tier: A, at_least: 9}, {tier: B, at_least: 5}, {tier: C}]}}"
)
RATIO = "{ratio: {of: rate, red_line: 0.80, below: C, tiers: [{tier: A, at_least: 0.95}, {tier: B}]}}"
HEAD = "{rules: [{tier: A, when: sales > goal and sales >= 100}, {tier: B, when: sales >= 80}, {tier: C}]}"
MIDDLE = "{rules: [{tier: A, when: x between 40 and 50}, {tier: B, when: x < 60}, {tier: C}]}"
GOAL = """
  sales: {measure: net_sales, window: 12 months, unit: money}
  goal: {attribute: goal, unit: money}
"""
X = "{x: {assessment: x, unit: number}}"
SCORED = """
  a: {assessment: a, unit: points}
  b: {assessment: b, unit: points}
"""
AS_IS = (
    "{scorecard: {points: {a: {as_is: true, weight: 2}, b: {as_is: true}}, ROUND"
    "tiers: [{tier: A, at_least: 11.5}, {tier: B, at_least: 3}, {tier: C}]}}"
)

Line = tuple[str, str, str, str]
"""Direction, the tier it leads to, the indicator, and the value that is needed."""

BY_HAND: dict[str, tuple[Policy, Row, list[Line]]] = {
    "bands: at least is reached at the bound": (
        policy_of(SALES, BANDS), {"net_sales": "95000"}, [("up", "A", "net_sales", "100000")],
    ),
    "bands: above is reached one step behind the bound": (
        policy_of(SALES, BANDS), {"net_sales": "50000"}, [("up", "B", "net_sales", "50000.0001")],
    ),
    "bands: at least is lost one step before the bound": (
        policy_of(SALES, BANDS), {"net_sales": "101000"}, [("down", "B", "net_sales", "99999.9999")],
    ),
    "bands: above is lost at the bound": (
        policy_of(SALES, BANDS), {"net_sales": "50000.0001"}, [("down", "C", "net_sales", "50000")],
    ),
    "bands: a tenth of the larger value is near": (
        policy_of(SALES, BANDS), {"net_sales": "90000"}, [("up", "A", "net_sales", "100000")],
    ),
    "bands: more than a tenth is not": (policy_of(SALES, BANDS), {"net_sales": "89999.9999"}, []),
    "bands: what is near is the policy's own word": (
        policy_of(SALES, BANDS, more="outlook: {near: 0.5}"), {"net_sales": "89999.9999"},
        [("up", "A", "net_sales", "100000"), ("down", "C", "net_sales", "50000")],
    ),
    "bands: no outlook is asked for": (
        policy_of(SALES, BANDS, more="outlook: false"), {"net_sales": "95000"}, [],
    ),
    "bands: below zero": (
        policy_of(SALES, BANDS.replace("100000", "-100").replace("50000", "-200")),
        {"net_sales": "-105"}, [("up", "A", "net_sales", "-100")],
    ),
    "a gate cuts a hole: the first value behind it counts": (
        policy_of(SALES, BANDS, more="gate: {no_hole: net_sales < 100000 or net_sales > 101000}"),
        {"net_sales": "95000"}, [("up", "A", "net_sales", "101000.0001")],
    ),
    "what leads out of a gate is none": (
        policy_of(SALES, BANDS, more="gate: {has_sales: net_sales >= 51000}"), {"net_sales": "52000"}, [],
    ),
    "what leads out of the range is none": (
        policy_of("{x: {assessment: x, unit: points, minimum: 1, maximum: 5}}",
                  "{bands: {of: x, tiers: [{tier: A, above: 5}, {tier: B, at_least: 4.5}, {tier: C}]}}"),
        {"x": "5"}, [("down", "C", "x", "4.499999999999999999")],
    ),
    "a scorecard: the points of a scale, the nearer of two": (
        policy_of(TWO, POINTS), {"sales": "990", "orders": "9"},
        [("up", "A", "sales", "1000")],
    ),
    "a scorecard: one order more and one order less": (
        policy_of(TWO, POINTS), {"sales": "800", "orders": "6"},
        [("down", "C", "orders", "5")],
    ),
    "a scorecard of values: what the weight makes of the distance": (
        policy_of(SCORED, AS_IS.replace("ROUND", "")), {"a": "3", "b": "4.9"},
        [("up", "A", "a", "3.3")],
    ),
    "a scorecard of values: rounded, half away from zero": (
        policy_of(SCORED, AS_IS.replace("ROUND", "round: 0, ")), {"a": "3", "b": "4.9"},
        [("up", "A", "a", "3.3")],
    ),
    "a scorecard of values: only whole points": (
        policy_of(SCORED, AS_IS.replace("ROUND", "round: 0, ").replace("11.5", "12")), {"a": "3", "b": "5.1"},
        [("up", "A", "a", "3.2")],
    ),
    "a matrix: the nearer side": (
        policy_of(TWO, MATRIX), {"sales": "1050", "orders": "9"},
        [("up", "A", "orders", "10"), ("down", "C", "sales", "999.9999")],
    ),
    "a quadrant": (
        policy_of(TWO, QUADRANT, "[A, B, C, D]"), {"sales": "950", "orders": "10"},
        [("up", "A", "sales", "1000"), ("down", "D", "orders", "9")],
    ),
    "the lowest: only the one that holds back wins": (
        policy_of(TWO, LOWEST), {"sales": "960", "orders": "12"},
        [("up", "A", "sales", "1000")],
    ),
    "the lowest: either loses, the nearer one first": (
        policy_of(TWO, LOWEST), {"sales": "1001", "orders": "10"},
        [("down", "B", "sales", "999.9999")],
    ),
    "a ratio: between the red line and the bound": (
        policy_of(RATE, RATIO), {"rate": "0.87"},
        [("up", "A", "rate", "0.95"), ("down", "C", "rate", "0.799999999999999999")],
    ),
    "a ratio: at the red line": (
        policy_of(RATE, RATIO), {"rate": "0.8"}, [("down", "C", "rate", "0.799999999999999999")],
    ),
    "a ratio: below the red line": (
        policy_of(RATE, RATIO), {"rate": "0.75"}, [("up", "B", "rate", "0.8")],
    ),
    "the first so many: one place": (
        policy_of(RANKED, BY_PLACE), {"sales": "5", "place": 4, "number": 50}, [("up", "A", "place", "3")],
    ),
    "the first so many: the last of them": (
        policy_of(RANKED, BY_PLACE), {"sales": "5", "place": 3, "number": 50}, [("down", "B", "place", "4")],
    ),
    "the first so many: a tenth of the places": (
        policy_of(RANKED, BY_PLACE), {"sales": "5", "place": 44, "number": 50}, [("up", "B", "place", "40")],
    ),
    "a share: of 50, five are the first tenth": (
        policy_of(RANKED, BY_SHARE), {"sales": "5", "place": 6, "number": 50}, [("up", "A", "place", "5")],
    ),
    "a share: of 25, three are": (
        policy_of(RANKED, BY_SHARE), {"sales": "5", "place": 3, "number": 25}, [("down", "B", "place", "4")],
    ),
    "a code: the first digit of two that are equal": (
        policy_of(QUINTILES, COMPOSITE), {"sales": "5", "orders": 5, "frequency": 4, "monetary": 4},
        [("up", "A", "frequency", "5")],
    ),
    "a code: two digits more are not near, and a sixth there is not": (
        policy_of(QUINTILES, COMPOSITE), {"sales": "5", "orders": 5, "frequency": 5, "monetary": 2},
        [],
    ),
    "rules: the other indicator is the line": (
        policy_of(GOAL, HEAD), {"sales": "110", "goal": "115"},
        [("up", "A", "goal", "109.999999999999999999")],
    ),
    "rules: of two indicators that are equal, the one with the finer grid": (
        policy_of(GOAL, HEAD), {"sales": "110", "goal": "110"},
        [("up", "A", "goal", "109.999999999999999999")],
    ),
    "rules: a goal that is met may still be too little": (
        policy_of(GOAL, HEAD), {"sales": "95", "goal": "90"}, [("up", "A", "sales", "100")],
    ),
    "rules: from above into a better piece": (
        policy_of(X, MIDDLE), {"x": "51"}, [("up", "A", "x", "50")],
    ),
    "rules: from below into it, and out of it on the nearer side": (
        policy_of(X, MIDDLE), {"x": "42"}, [("down", "B", "x", "39.999999999999999999")],
    ),
    "equal changes: the first indicator of the policy": (
        policy_of("{m: {measure: order_count, window: 12 months, unit: count}, n: {measure: order_count, window: ever, "
                  "unit: count}}", "{rules: [{tier: A, when: m >= 6 or n >= 6}, {tier: B}]}", "[A, B]"),
        {"m": 5, "n": 5}, [("up", "A", "m", "6")],
    ),
    "equal changes of one indicator: the rise": (
        policy_of("{x: {measure: days_to_close, unit: days}}", "{rules: [{tier: A, when: x <> 0}, {tier: B}]}",
                  "[A, B]"),
        {"x": 0}, [("up", "A", "x", "1")],
    ),
    "a missing value cannot change, what counts for it decides": (
        policy_of(TWO, LOWEST, more="missing: {orders: {as: 12}}"), {"sales": "960", "orders": None},
        [("up", "A", "sales", "1000")],
    ),
    "a missing value that gives the tier leaves nothing to win": (
        policy_of(TWO, LOWEST, more="missing: {orders: {tier: C}}"), {"sales": "960", "orders": None}, [],
    ),
    "who is not graded has none": (
        policy_of(SALES, BANDS, more="gate: {has_sales: net_sales > 96000}"), {"net_sales": "95000"}, [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("claim", BY_HAND)
def test_a_line_is_where_it_is_by_hand(claim: str) -> None:
    policy, row, lines = BY_HAND[claim]
    numbers = {
        name: Decimal(value) if isinstance(value, str) else value for name, value in row.items() if value is not None
    }
    found = found_of(policy, [numbers])
    assert [(one["direction"], one["to_tier"], one["indicator"], one["needed"]) for one in found] == [
        (direction, tier, name, Decimal(needed)) for direction, tier, name, needed in lines
    ]


def test_the_columns_of_a_row_say_all_of_it() -> None:
    frame = find_outlook(
        policy_of(SALES, BANDS), frame_of(policy_of(SALES, BANDS), [{"net_sales": Decimal(92000)}]), LIBRARY
    )
    assert dict(frame.dtypes) == OUTLOOK_COLUMNS
    assert frame.astype(object).to_dict("records") == [
        {
            "customer_id": "c0000",
            "direction": "up",
            "tier": "B",
            "to_tier": "A",
            "indicator": "net_sales",
            "value": Decimal(92000),
            "needed": Decimal(100_000),
            "change": Decimal(8000),
            "relative_change": Decimal("0.08"),
        }
    ]


@pytest.mark.parametrize("policy_id", ["dealer_points", "suitability", "pyramid", "value_layers"])
def test_neither_the_order_of_rows_nor_chunks_change_an_outlook(
    policy_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = POLICIES[policy_id]
    frame = frame_of(policy, customers_of(policy_id, EACH))
    whole = find_outlook(policy, frame, LIBRARY)
    order = ["customer_id", "direction"]
    shuffled = find_outlook(policy, frame.sample(frac=1, random_state=1), LIBRARY)
    assert_frame_equal(shuffled.sort_values(order, ignore_index=True), whole.sort_values(order, ignore_index=True))
    monkeypatch.setattr(outlook, "_CHUNK", 37)
    assert_frame_equal(find_outlook(policy, frame, LIBRARY), whole)
    assert len(whole) > 5


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_the_empty_frame_and_a_class_policy_have_no_outlook(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    none = pd.DataFrame({}, columns=list(OUTLOOK_COLUMNS)).astype(OUTLOOK_COLUMNS)
    assert_frame_equal(find_outlook(policy, frame_of(policy, []), LIBRARY), none)
    if policy.publishes == "class":
        assert_frame_equal(find_outlook(policy, frame_of(policy, pool_of(policy)), LIBRARY), none)


def test_the_frame_is_not_changed() -> None:
    policy = POLICIES["rfm_555"]
    frame = frame_of(policy, customers_of("rfm_555", EACH))
    before = frame.copy(deep=True)
    find_outlook(policy, frame, LIBRARY)
    assert_frame_equal(frame, before)


# The key of the policy


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("outlook: {near: 0}", "outlook.near: this must be greater than 0"),
        ("outlook: {near: 1}", "outlook.near: this must be less than 1"),
        ("outlook: {near: 10 %}", "outlook.near: a number is needed here, without quotes, % or separators"),
        ("outlook: true", "outlook: a mapping of keys to values is needed here"),
        ("outlook:", "outlook: nothing stands here; write {near: 0.10}, or false for no outlook"),
        ("outlook: {neer: 0.1}", "outlook.neer: this key is unknown; did you mean near?"),
        ("publishes: class\noutlook: {near: 0.1}", "no movement, review, credit or outlook"),
    ],
)
def test_a_key_that_cannot_be_meant_is_refused(written: str, says: str) -> None:
    with pytest.raises(TieringError, match="small.yaml:") as refused:
        policy_of(SALES, BANDS, more=written)
    assert says in str(refused.value)


def test_the_default_is_no_part_of_the_version_and_another_share_is() -> None:
    versions = [policy_of(SALES, BANDS, more=more).version for more in ("", "outlook: {}", "outlook: {near: 0.10}")]
    assert len(set(versions)) == 1
    others = [policy_of(SALES, BANDS, more=f"outlook: {said}").version for said in ("{near: 0.2}", "false")]
    assert len({*versions, *others}) == 3
