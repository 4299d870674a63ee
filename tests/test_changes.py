"""Drivers: put back they put the tier back, no smaller set does, and every change has a cause."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from tests.indicator_frames import POLICIES, SHIPPED, indicator_frame, indicator_rows, pool_of
from transforms import decide_tiers
from transforms.changes import FOUND, STORED, direction_of, find_drivers, plain_texts, restore_indicators
from transforms.columns import array_of
from transforms.conditions import spell_number
from transforms.decide import find_states
from transforms.policy import Policy, parse_policy

Row = Mapping[str, Any]

SHIPPED_FOLDER = Path(__file__).parents[1] / "policies"


def states_of(policy: Policy, rows: list[Row]) -> list[str]:
    """Return tier or reason of every row."""
    decisions = decide_tiers(policy, indicator_frame(policy, rows)).decisions
    return [
        tier or reason
        for tier, reason in zip(
            *(decisions[c].astype(object).where(decisions[c].notna(), None) for c in ("computed_tier", "reason")),
            strict=True,
        )
    ]


def moves_between(policy: Policy, before: list[Row], now: list[Row]) -> pd.DataFrame:
    """Return the customers whose tier differs, as a fold reports them."""
    pairs = zip(states_of(policy, before), states_of(policy, now), strict=True)
    rows = [
        (f"c{number:04}", old, new)
        for number, (old, new) in enumerate(pairs)
        if old != new and not (old not in policy.tiers and new not in policy.tiers)
    ]
    return pd.DataFrame(rows, columns=["customer_id", "from_state", "to_state"], dtype=object)


def drivers_of(*arguments: Any, **options: Any) -> dict[str, tuple[str, list[dict[str, str | None]]]]:
    """Return what `find_drivers` says, by customer."""
    found = find_drivers(*arguments, **options)
    assert found.schema == FOUND
    return {row["customer_id"]: (row["cause"], json.loads(row["drivers"])) for row in found.to_pylist()}


def plain_value(value: Any) -> str | None:
    """Return a value as a driver tells it, spelled one by one."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return spell_number(value) if isinstance(value, Decimal) else str(value)


def drivers_between(policy: Policy, before: list[Row], now: list[Row], *, same_policy: bool = True) -> Any:
    return drivers_of(
        policy,
        moves_between(policy, before, now),
        indicator_frame(policy, now),
        indicator_frame(policy, before),
        same_policy=same_policy,
    )


def put_back(now: Row, before: Row, names: tuple[str, ...]) -> Row:
    return {**now, **{name: before.get(name) for name in names}}


def two_days(policy: Policy) -> st.SearchStrategy[tuple[list[Row], list[Row]]]:
    """Return the rows of two days that can be decided; a customer differs in a few indicators."""
    pool, names = pool_of(policy), list(policy.indicators)
    few = st.sets(st.sampled_from(names), max_size=4 if len(names) <= 6 else 2)
    customers = st.lists(st.tuples(st.sampled_from(pool), st.sampled_from(pool), few), min_size=30, max_size=30)
    return customers.map(lambda drawn: _decidable_days(policy, drawn))


def _decidable_days(policy: Policy, drawn: Sequence[tuple[Row, Row, set[str]]]) -> tuple[list[Row], list[Row]]:
    before = [row for row, _, _ in drawn]
    now = [put_back(row, other, tuple(names)) for row, other, names in drawn]
    states = find_states(policy, indicator_frame(policy, now))
    return before, [row if state else old for old, row, state in zip(before, now, states, strict=True)]


@pytest.mark.parametrize("policy_id", SHIPPED)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_drivers_put_back_give_the_old_tier_and_no_smaller_set_does(policy_id: str, data: st.DataObject) -> None:
    policy = POLICIES[policy_id]
    before, now = data.draw(two_days(policy))
    moves = moves_between(policy, before, now)
    found = drivers_between(policy, before, now)
    assert set(found) == set(moves["customer_id"])
    tried: list[tuple[Row, str, bool]] = []
    for move in moves.itertuples():
        number = int(move.customer_id[1:])
        cause, drivers = found[move.customer_id]
        names = tuple(driver["indicator"] for driver in drivers)
        assert cause == "measures"
        assert names
        for driver in drivers:
            name = driver["indicator"]
            assert driver["before"] == plain_value(before[number].get(name))
            assert driver["after"] == plain_value(now[number].get(name))
            assert driver["before"] != driver["after"]
        tried.append((put_back(now[number], before[number], names), move.from_state, True))
        for size in range(len(names)):
            for fewer in combinations(policy.indicators, size):
                tried.append((put_back(now[number], before[number], fewer), move.from_state, False))
    states = find_states(policy, indicator_frame(policy, [row for row, *_ in tried]))  # a mixture may be undecidable
    for (_, from_state, expected), state in zip(tried, states, strict=True):
        assert (state == from_state) is expected


def test_one_customer_that_cannot_be_mixed_does_not_hide_the_driver_of_another() -> None:
    policy = POLICIES["rfm_555"]
    bought = {"recency_days": 5, "order_count": 3, "net_sales": Decimal(9), "frequency": 5, "monetary": 5}
    never = {"order_count": 0, "net_sales": Decimal(0)}
    found = drivers_between(policy, [bought, bought], [never, {**bought, "recency_days": 200}])
    assert found["c0001"] == ("measures", [{"indicator": "recency_days", "before": "5", "after": "200"}])
    assert [driver["indicator"] for driver in found["c0000"][1]] == ["recency_days", "frequency", "monetary"]


@pytest.mark.parametrize(
    ("policy_id", "before", "now", "drivers"),
    [
        (
            "collection_classes",
            {"net_sales": Decimal(9), "is_key": True, "collection_rate": Decimal("1.0400")},
            {"net_sales": Decimal(5), "is_key": True, "collection_rate": Decimal("0.81")},
            [("collection_rate", "1.04", "0.81")],
        ),
        (
            "collection_classes",
            {"is_key": True, "collection_rate": Decimal(1)},
            {"is_key": False, "collection_rate": Decimal(1)},
            [("is_key", "true", "false")],
        ),
        (
            "collection_classes",
            {"is_key": True, "collection_rate": Decimal(1)},
            {"is_key": False, "collection_rate": Decimal("0.5")},
            [("is_key", "true", "false"), ("collection_rate", "1", "0.5")],
        ),
        (
            "collection_classes",
            {"is_key": False, "collection_rate": Decimal(1)},
            {"is_key": False},
            [("collection_rate", "1", None)],
        ),
        (
            "pyramid",
            {"net_sales": Decimal(900), "sales_rank": 1, "customers": 100},
            {"net_sales": Decimal(800), "sales_rank": 2, "customers": 100},
            [("sales_rank", "1", "2")],
        ),
        (
            "pyramid",
            {"net_sales": Decimal(900), "sales_rank": 1, "customers": 50},
            {"net_sales": Decimal(900), "sales_rank": 1, "customers": 49},
            [("customers", "50", "49")],
        ),
        (
            "pyramid",
            {"net_sales": Decimal(0)},
            {"net_sales": Decimal(900), "sales_rank": 1, "customers": 50},
            [("net_sales", "0", "900")],
        ),
        (
            "pyramid",
            {"net_sales": Decimal("12.50"), "sales_rank": 1, "customers": 50},
            {"net_sales": Decimal("-3")},
            [("net_sales", "12.5", "-3"), ("sales_rank", "1", None), ("customers", "50", None)],
        ),
    ],
)  # fmt: skip
def test_drivers_told_by_example(policy_id: str, before: Row, now: Row, drivers: list[tuple[str, ...]]) -> None:
    expected = [dict(zip(("indicator", "before", "after"), driver, strict=True)) for driver in drivers]
    assert drivers_between(POLICIES[policy_id], [before], [now]) == {"c0000": ("measures", expected)}


@pytest.mark.parametrize(
    ("there_before", "there_now", "from_state", "to_state", "driver"),
    [
        (False, True, None, "A", {"indicator": "population", "before": "out", "after": "in"}),
        (True, False, "A", "left", {"indicator": "population", "before": "in", "after": "out"}),
        (False, True, "left", "A", {"indicator": "population", "before": "out", "after": "in"}),
    ],
)
@pytest.mark.parametrize("same_policy", [True, False])
def test_who_comes_or_leaves_is_driven_by_the_population(
    there_before: bool,
    there_now: bool,
    from_state: str | None,
    to_state: str,
    driver: dict[str, str],
    same_policy: bool,
) -> None:
    policy = POLICIES["collection_classes"]
    row = {"is_key": True, "collection_rate": Decimal(1)}
    moves = pd.DataFrame(
        [("c0000", from_state, to_state)], columns=["customer_id", "from_state", "to_state"], dtype=object
    )
    now, before = (indicator_frame(policy, [row][:there]) for there in (there_now, there_before))
    assert drivers_of(policy, moves, now, before, same_policy=same_policy) == {"c0000": ("measures", [driver])}


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_without_moves_there_are_no_drivers(policy_id: str) -> None:
    assert drivers_between(POLICIES[policy_id], [], []) == {}


# ---- another policy

RULES = (Path(__file__).parent / "policies" / "texts" / "collection_classes.yaml").read_text(encoding="utf-8")
STRICTER = parse_policy(RULES.replace("collection_rate >= 0.80", "collection_rate >= 0.85"), "stricter.yaml")


def drivers_under_stricter(before: Row, now: Row, from_state: str, to_state: str) -> tuple[str, list[Any]]:
    moves = pd.DataFrame(
        [("c0000", from_state, to_state)], columns=["customer_id", "from_state", "to_state"], dtype=object
    )
    frames = (indicator_frame(STRICTER, [row]) for row in (now, before))
    return drivers_of(STRICTER, moves, *frames, same_policy=False)["c0000"]


def test_a_tier_that_the_old_indicators_lose_under_the_new_policy_is_the_policys_doing() -> None:
    before = {"is_key": False, "collection_rate": Decimal("0.82")}
    now = {"is_key": False, "collection_rate": Decimal("0.81")}
    assert drivers_under_stricter(before, now, "C", "D") == ("policy", [])


def test_the_policy_is_the_cause_even_where_a_mixture_of_both_days_gives_the_old_tier() -> None:
    policy = parse_policy(RULES.replace("collection_rate >= 0.90", "collection_rate >= 0.95"), "stricter.yaml")
    before = indicator_frame(policy, [{"is_key": True, "collection_rate": Decimal("0.90")}])
    now = indicator_frame(policy, [{"is_key": False, "collection_rate": Decimal("0.96")}])
    moves = pd.DataFrame([("c0000", "B", "C")], columns=["customer_id", "from_state", "to_state"], dtype=object)
    assert drivers_of(policy, moves, now, before, same_policy=False) == {"c0000": ("policy", [])}


def test_a_tier_that_the_old_indicators_keep_under_the_new_policy_is_the_measures_doing() -> None:
    before = {"is_key": False, "collection_rate": Decimal("0.90")}
    now = {"is_key": False, "collection_rate": Decimal("0.50")}
    driver = {"indicator": "collection_rate", "before": "0.9", "after": "0.5"}
    assert drivers_under_stricter(before, now, "C", "D") == ("measures", [driver])


def test_where_nothing_put_back_gives_the_old_tier_the_policy_is_the_cause() -> None:
    before = {"is_key": False, "collection_rate": Decimal("0.82")}
    now = {"is_key": False, "collection_rate": Decimal("1.00")}
    assert drivers_under_stricter(before, now, "C", "B") == ("policy", [])


def test_a_new_policy_may_look_at_what_was_not_measured_before() -> None:
    policy = POLICIES["rfm_555"]
    now = {"recency_days": 5, "order_count": 3, "net_sales": Decimal(9), "frequency": 5, "monetary": 5}
    moves = pd.DataFrame([("c0000", "D", "A")], columns=["customer_id", "from_state", "to_state"], dtype=object)
    before = indicator_frame(policy, [{"recency_days": 5}])
    found = drivers_of(policy, moves, indicator_frame(policy, [now]), before, same_policy=False)
    assert found == {"c0000": ("policy", [])}


# ---- words and values


@pytest.mark.parametrize(
    ("from_tier", "to_tier", "direction"),
    [
        (None, "A", "new"),
        (None, "D", "new"),
        ("A", None, "left"),
        ("B", "A", "up"),
        ("A", "B", "down"),
        ("D", "A", "up"),
        ("A", "D", "down"),
        ("abolished", "D", "up"),
    ],
)
def test_the_direction_of_a_change(from_tier: str | None, to_tier: str | None, direction: str) -> None:
    assert direction_of(POLICIES["collection_classes"], from_tier, to_tier) == direction


NUMBERS = st.decimals(min_value=-(10**20) + 1, max_value=10**20 - 1, places=18)


@given(
    st.one_of(
        st.lists(st.none() | NUMBERS | NUMBERS.map(lambda number: round(number, 2))).map(
            lambda numbers: pa.array(numbers, pa.decimal128(38, 18))
        ),
        st.lists(st.none() | st.integers(-(10**12), 10**12)).map(lambda numbers: pa.array(numbers, pa.int64())),
        st.lists(st.none() | st.integers(-(10**12), 10**12).map(Decimal)).map(
            lambda numbers: pa.array(numbers, pa.decimal128(38, 0))
        ),
        st.lists(st.none() | st.booleans()).map(lambda flags: pa.array(flags, pa.bool_())),
        st.lists(st.none() | st.text()).map(lambda texts: pa.array(texts, pa.string())),
    )
)
@example(
    pa.array([Decimal("0E-18"), Decimal("1E-18"), Decimal("-1E-7"), Decimal("0.0000010"), None], pa.decimal128(38, 18))
)
@example(
    pa.array(
        [Decimal("0.80"), Decimal("1200"), Decimal("-3.50"), Decimal("9007199254740993.55")], pa.decimal128(38, 18)
    )
)
@example(pa.array(["1.00", "north", "", None]))
@example(pa.nulls(2))
def test_values_are_plain(column: pa.Array) -> None:
    assert plain_texts(column).to_pylist() == [plain_value(value) for value in column.to_pylist()]


def test_a_driver_may_hold_any_text() -> None:
    text = (SHIPPED_FOLDER / "dealership_lifecycle.yaml").read_text(encoding="utf-8")
    before, now = 'a "quoted"\\ 客户', "b"
    policy = parse_policy(text.replace("1001", 'a \\"quoted\\"\\\\ 客户').replace("1002", now), "texts.yaml")
    days = ([{"lifecycle_stage": stage}] for stage in (before, now))
    driver = {"indicator": "lifecycle_stage", "before": before, "after": now}
    assert drivers_between(policy, *days) == {"c0000": ("measures", [driver])}


# ---- indicators from their components


@pytest.mark.parametrize("policy_id", SHIPPED)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_restored_indicators_decide_as_the_measured_ones_did(policy_id: str, data: st.DataObject) -> None:
    policy = POLICIES[policy_id]
    rows = data.draw(indicator_rows(policy, min_size=20, max_size=30))
    decided = decide_tiers(policy, indicator_frame(policy, rows))
    stored = decided.components[["customer_id", "indicator", "value", "value_text"]].astype(object)
    stored = stored.where(stored.notna(), None).sample(frac=1, random_state=1)
    restored = restore_indicators(policy, pa.Table.from_pandas(stored, STORED, preserve_index=False))
    again = decide_tiers(policy, restored).decisions
    what = ["customer_id", "computed_tier", "reason", "status", "score", "code", "completeness"]
    assert_frame_equal(again[what], decided.decisions[what])
    for name in policy.indicators:
        measured = [plain_value(row.get(name)) for row in rows]
        assert plain_texts(array_of(restored[name])).to_pylist() == measured


def test_an_indicator_without_components_is_missing() -> None:
    policy = POLICIES["pyramid"]
    stored = pd.DataFrame(
        [("c", "net_sales", Decimal(0), None)],
        columns=["customer_id", "indicator", "value", "value_text"],
        dtype=object,
    )
    restored = restore_indicators(policy, pa.Table.from_pandas(stored, STORED, preserve_index=False))
    assert list(restored.columns) == [
        "account_id",
        "net_sales",
        "sales_rank",
        "customers",
        "account_manager_id",
    ]
    assert restored.loc[0, ["sales_rank", "customers"]].isna().all()
    assert states_of(policy, [{"net_sales": Decimal(0)}]) == list(decide_tiers(policy, restored).decisions["reason"])
