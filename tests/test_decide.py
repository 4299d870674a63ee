"""What a decision is: the shipped policies at every bound, and nothing but the row decides."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import floor
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from sql.errors import TieringError
from tests.indicator_frames import (
    CASE_FOLDER,
    POLICIES,
    SHIPPED,
    Row,
    decidable,
    indicator_frame,
    indicator_rows,
    pool_of,
    values_of,
)
from tests.indicator_frames import CASES as READ_CASES
from transforms import decide_tiers
from transforms.decide import (
    COMPONENT_COLUMNS,
    DECISION_COLUMNS,
    TASK_COLUMNS,
    find_states,
    run_input_hash,
)
from transforms.policy import Policy, parse_policy

COMPARED = ["computed_tier", "reason", "status", "score", "code", "completeness"]


def filled(case: dict[str, Any]) -> dict[str, Any]:
    """Return a case whose expectation names every compared column."""
    named = {{"tier": "computed_tier"}.get(name, name): value for name, value in case["expect"].items()}
    return {**case, "expect": dict.fromkeys(COMPARED) | named}


CASES = {policy_id: [filled(case) for case in READ_CASES.get(policy_id, [])] for policy_id in SHIPPED}
EVERY_CASE = [
    pytest.param(policy_id, number, id=f"{policy_id}: {case['claim']}")
    for policy_id in SHIPPED
    for number, case in enumerate(CASES[policy_id])
]


def expected_decisions(cases: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame([case["expect"] for case in cases], columns=COMPARED, dtype=object)
    return frame.astype({name: DECISION_COLUMNS[name] for name in COMPARED})


def test_every_shipped_policy_has_cases_and_every_case_file_a_policy() -> None:
    assert sorted(path.stem for path in CASE_FOLDER.glob("*.yaml")) == SHIPPED


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_the_cases_reach_every_tier_and_every_gate(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    expected = [case["expect"] for case in CASES[policy_id]]
    assert {row["computed_tier"] for row in expected} - {None} == set(policy.tiers)
    assert {row["reason"] for row in expected} - {None} == {f"gate:{name}" for name in policy.gate}


@cache
def decided_cases(policy_id: str) -> pd.DataFrame:
    """Return what is decided for all cases of a policy together."""
    policy = POLICIES[policy_id]
    return decide_tiers(policy, indicator_frame(policy, [case["given"] for case in CASES[policy_id]])).decisions


@cache
def plain_decisions(policy_id: str) -> list[dict[str, Any]]:
    """Return the same as Python's values, None where missing."""
    decisions = decided_cases(policy_id)[COMPARED].astype(object)
    return [
        {name: None if value is pd.NA else value for name, value in row.items()} for row in decisions.to_dict("records")
    ]


@pytest.mark.parametrize(("policy_id", "number"), EVERY_CASE)
def test_a_case_gets_its_tier(policy_id: str, number: int) -> None:
    assert plain_decisions(policy_id)[number] == CASES[policy_id][number]["expect"]


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_rows_keep_their_order_and_a_row_alone_is_decided_as_among_others(policy_id: str) -> None:
    policy, cases = POLICIES[policy_id], CASES[policy_id]
    decisions = decided_cases(policy_id)
    indicators = indicator_frame(policy, [case["given"] for case in cases])
    assert list(decisions["customer_id"]) == list(indicators["account_id"])
    assert list(decisions["account_manager_id"]) == list(indicators["account_manager_id"])
    assert_frame_equal(decisions[COMPARED], expected_decisions(cases))
    by_state = {str(case["expect"]["computed_tier"] or case["expect"]["reason"]): n for n, case in enumerate(cases)}
    for number in by_state.values():
        alone = decide_tiers(policy, indicators.iloc[[number]])
        assert_frame_equal(alone.decisions, decisions.iloc[[number]].reset_index(drop=True))


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_the_empty_frame_gives_empty_frames_of_the_same_types(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    decided = decide_tiers(policy, indicator_frame(policy, []))
    assert_frame_equal(decided.decisions, pd.DataFrame({}, columns=list(DECISION_COLUMNS)).astype(DECISION_COLUMNS))
    assert_frame_equal(decided.components, pd.DataFrame({}, columns=list(COMPONENT_COLUMNS)).astype(COMPONENT_COLUMNS))
    assert_frame_equal(decided.tasks, pd.DataFrame({}, columns=list(TASK_COLUMNS)).astype(TASK_COLUMNS))
    assert list(find_states(policy, indicator_frame(policy, []))) == []


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_the_rows_that_are_drawn_reach_every_tier_and_gate(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    states = find_states(policy, indicator_frame(policy, pool_of(policy)))
    assert set(states) == {*policy.tiers, *(f"gate:{name}" for name in policy.gate)}


@pytest.mark.parametrize("policy_id", SHIPPED)
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_types_and_exclusivity_hold_for_any_rows(policy_id: str, data: st.DataObject) -> None:
    policy = POLICIES[policy_id]
    decided = decide_tiers(policy, indicator_frame(policy, data.draw(indicator_rows(policy, min_size=40, max_size=60))))
    decisions = decided.decisions
    assert dict(decisions.dtypes) == DECISION_COLUMNS
    assert dict(decided.components.dtypes) == COMPONENT_COLUMNS
    assert (decisions["computed_tier"].isna() ^ decisions["reason"].isna()).all()
    assert (decisions["status"].isna() == decisions["computed_tier"].isna()).all()
    assert set(decisions["computed_tier"].dropna()) <= set(policy.tiers)


@pytest.mark.parametrize("policy_id", SHIPPED)
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_neither_row_order_nor_chunks_change_a_decision(policy_id: str, data: st.DataObject) -> None:
    policy = POLICIES[policy_id]
    indicators = indicator_frame(policy, data.draw(indicator_rows(policy, min_size=40, max_size=60)))
    whole = decide_tiers(policy, indicators)
    order = data.draw(st.permutations(range(len(indicators))))
    size = data.draw(st.integers(1 + len(indicators) // 5, len(indicators)))
    shuffled = indicators.iloc[order]
    chunks = [decide_tiers(policy, shuffled.iloc[start : start + size]) for start in range(0, len(shuffled), size)]
    decisions = pd.concat([chunk.decisions for chunk in chunks])
    components = pd.concat([chunk.components for chunk in chunks])
    assert_frame_equal(decisions.sort_values("customer_id", ignore_index=True), whole.decisions)
    key = ["customer_id", "indicator"]
    assert_frame_equal(
        components.sort_values(key, ignore_index=True),
        whole.components.sort_values(key, ignore_index=True),
    )
    assert run_input_hash(policy, decisions) == run_input_hash(policy, whole.decisions)


@pytest.mark.parametrize("policy_id", SHIPPED)
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_equal_rows_get_equal_decisions(policy_id: str, data: st.DataObject) -> None:
    policy = POLICIES[policy_id]
    rows = data.draw(indicator_rows(policy, min_size=40, max_size=60))
    twins = [{**row, "account_id": f"{half}{number}"} for half in "ab" for number, row in enumerate(rows)]
    decisions = decide_tiers(policy, indicator_frame(policy, twins)).decisions.drop(columns="customer_id")
    assert_frame_equal(decisions[: len(rows)], decisions[len(rows) :].reset_index(drop=True))


def better_rows(policy: Policy, rows: list[Row]) -> list[tuple[Row, Row]]:
    """Return rows, each with itself bettered in one indicator that decides and that no statistic is taken of."""
    sources = {indicator.source_indicator for indicator in policy.indicators.values()}
    pairs = []
    for name in policy.decide.indicators:
        indicator = policy.indicators[name]
        if indicator.better is None or indicator.is_statistic or name in sources or indicator.value_type != "number":
            continue
        for row in rows:
            for value in values_of(policy, name) if row.get(name) is not None else []:
                if value > row[name] if indicator.better == "high" else value < row[name]:
                    pairs.append((row, {**row, name: value}))
    return pairs


MONOTONE = [policy_id for policy_id in SHIPPED if better_rows(POLICIES[policy_id], pool_of(POLICIES[policy_id])[:50])]


def test_most_policies_say_which_end_of_an_indicator_is_better() -> None:
    assert len(MONOTONE) > len(SHIPPED) / 2


@pytest.mark.parametrize("policy_id", MONOTONE)
def test_a_better_value_never_lowers_the_tier(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    pairs = better_rows(policy, pool_of(policy)[:60])
    before, after = (
        list(find_states(policy, indicator_frame(policy, [pair[side] for pair in pairs]))) for side in (0, 1)
    )
    both = [
        (pair, policy.rank_of(one), policy.rank_of(other))
        for pair, one, other in zip(pairs, before, after, strict=True)
        if one in policy.tiers and other in policy.tiers
    ]
    assert [entry for entry in both if entry[2] > entry[1]][:3] == []
    assert any(better < rank for _, rank, better in both)


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_the_argument_is_left_alone(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    indicators = indicator_frame(policy, [case["given"] for case in CASES[policy_id]])
    indicators.index = pd.Index(range(100, 100 + len(indicators)))
    before = indicators.copy(deep=True)
    decided = decide_tiers(policy, indicators)
    decided.decisions["customer_id"] = "somebody else"
    assert_frame_equal(indicators, before)


def test_more_columns_than_the_policy_reads_do_no_harm() -> None:
    policy = POLICIES["pyramid"]
    indicators = indicator_frame(policy, [CASES["pyramid"][0]["given"]])
    plain, more = decide_tiers(policy, indicators), decide_tiers(policy, indicators.assign(is_graded=True))
    assert_frame_equal(plain.decisions, more.decisions)


# ---- refusals


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_a_missing_column_is_named(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    name = list(policy.indicators)[-1]
    indicators = indicator_frame(policy, []).drop(columns=[name, "account_manager_id"])
    with pytest.raises(TieringError, match=f"policy {policy_id}: the measures lack account_manager_id, {name};"):
        decide_tiers(policy, indicators)


def test_an_account_that_stands_twice_is_named_and_only_five_are() -> None:
    policy = POLICIES["pyramid"]
    row = CASES["pyramid"][0]["given"]
    twice = [{**row, "account_id": f"k{number // 2}"} for number in range(14)]
    with pytest.raises(TieringError, match="policy pyramid: 7 accounts stand twice, such as k0, k1, k2, k3, k4$"):
        decide_tiers(policy, indicator_frame(policy, twice))


@pytest.mark.parametrize(
    ("policy_id", "undefined"),
    [
        ("rfm_555", "frequency"),
        ("rfm_555", "monetary"),
        ("pyramid", "sales_rank"),
        ("pyramid", "customers"),
        ("collection_classes", "is_key"),
    ],
)
def test_an_undefined_indicator_that_decides_is_refused_not_lowered(policy_id: str, undefined: str) -> None:
    policy = POLICIES[policy_id]
    good = next(case["given"] for case in CASES[policy_id] if case["expect"]["completeness"] == 1)
    indicators = indicator_frame(policy, [good, {**good, undefined: None}, {**good, undefined: None}])
    with pytest.raises(
        TieringError, match=f"policy {policy_id}: the indicator {undefined} is undefined for 2 accounts"
    ):
        decide_tiers(policy, indicators)
    assert list(find_states(policy, indicators).isna()) == [False, True, True]


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_the_state_of_an_account_is_its_tier_or_the_reason_why_it_has_none(policy_id: str) -> None:
    policy, cases = POLICIES[policy_id], CASES[policy_id]
    states = find_states(policy, indicator_frame(policy, [case["given"] for case in cases]))
    assert list(states) == [case["expect"]["computed_tier"] or case["expect"]["reason"] for case in cases]
    assert list(states.index) == [f"c{number:04}" for number in range(len(cases))]


SMALL = """
id: small
title: {en: Small}
ref: none
grain: customer
schedule: "0 6 * * *"
as_of: run_day
tiers: [A, B, C]
indicators:
  amount: {measure: net_sales, window: ever, unit: money}
  rate:   {measure: collection_rate, window: ever, basis: net, unit: ratio}
gate:
  has_amount: amount is not missing
  is_positive: amount > 0
decide:
  rules:
    - {tier: A, when: rate >= 0.5}
    - {tier: B, when: amount >= 100}
    - {tier: C}
"""


def small(**changed: str) -> Policy:
    text = SMALL
    for before, after in changed.items():
        text = text.replace(before, after)
    return parse_policy(text, "small.yaml")


def test_the_reason_is_the_first_gate_that_is_not_passed() -> None:
    policy = small()
    rows = [{"rate": Decimal("0.1")}, {"amount": Decimal(0), "rate": Decimal("0.1")}]
    decisions = decide_tiers(policy, indicator_frame(policy, rows)).decisions
    assert list(decisions["reason"]) == ["gate:has_amount", "gate:is_positive"]


def test_a_rule_that_asks_for_missing_values_needs_no_missing_entry() -> None:
    amounts = [{"amount": Decimal(1)}, {"amount": Decimal(100)}]
    with pytest.raises(TieringError, match="policy small: the indicator rate is undefined for 2 accounts"):
        decide_tiers(small(), indicator_frame(small(), amounts))
    policy = small(**{"rate >= 0.5": "rate is missing"})
    assert list(decide_tiers(policy, indicator_frame(policy, amounts)).decisions["computed_tier"]) == [
        "A",
        "A",
    ]


def test_the_first_missing_entry_that_applies_decides() -> None:
    entries = "missing:\n  rate: {tier: C}\n  amount: {tier: B, status: final}\n"
    without_gates = SMALL.replace("  has_amount: amount is not missing\n  is_positive: amount > 0\n", "")
    policy = parse_policy(without_gates.replace("gate:\n", "") + entries, "small.yaml")
    rows = [{}, {"rate": Decimal(1)}, {"amount": Decimal(1)}, {"amount": Decimal(1), "rate": Decimal(1)}]
    decisions = decide_tiers(policy, indicator_frame(policy, rows)).decisions
    assert list(decisions["computed_tier"]) == ["C", "B", "C", "A"]
    assert list(decisions["status"]) == ["provisional", "final", "provisional", "final"]
    assert list(decisions["completeness"]) == [Decimal(0), Decimal("0.5"), Decimal("0.5"), Decimal(1)]


def test_completeness_is_cut_off_after_four_digits() -> None:
    third = "  other:  {measure: gross_sales, window: ever, unit: money}\ngate:"
    policy = parse_policy(SMALL.replace("gate:", third), "small.yaml")
    row = {"amount": Decimal(1), "rate": Decimal(1)}
    assert list(decide_tiers(policy, indicator_frame(policy, [row])).decisions["completeness"]) == [Decimal("0.6666")]


# ---- ties and shares


def ranked(amounts: list[int]) -> list[dict[str, Any]]:
    """Return rows ranked as the measures rank them: equal values share the best position."""
    ordered = sorted(amounts, reverse=True)
    return [
        {"net_sales": Decimal(amount), "sales_rank": ordered.index(amount) + 1, "customers": len(amounts)}
        for amount in amounts
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=150))
def test_equal_sales_are_in_one_tier_and_more_sales_in_no_worse_one(amounts: list[int]) -> None:
    policy = POLICIES["pyramid"]
    decisions = decide_tiers(policy, indicator_frame(policy, ranked(amounts))).decisions
    by_amount = sorted(
        {(-amount, policy.rank_of(tier)) for amount, tier in zip(amounts, decisions["computed_tier"], strict=True)}
    )
    assert len(by_amount) == len(set(amounts))
    assert [rank for _, rank in by_amount] == sorted(rank for _, rank in by_amount)


@pytest.mark.parametrize(
    ("customers", "sizes"),
    [
        (1, [0, 0, 0, 1]),
        (2, [0, 0, 0, 2]),
        (3, [0, 0, 1, 2]),
        (49, [0, 2, 8, 39]),
        (50, [1, 2, 7, 40]),
        (100, [1, 4, 15, 80]),
        (450, [5, 18, 67, 360]),
    ],
)
def test_the_pyramid_of_distinct_sales_has_the_published_sizes(customers: int, sizes: list[int]) -> None:
    policy = POLICIES["pyramid"]
    decisions = decide_tiers(policy, indicator_frame(policy, ranked(list(range(1, customers + 1))))).decisions
    counts = decisions["computed_tier"].value_counts()
    assert [int(counts.get(tier, 0)) for tier in policy.tiers] == sizes


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=20, max_size=200))
def test_cuts_are_the_cumulated_shares_rounded_half_up(places: list[tuple[int, int]]) -> None:
    policy = POLICIES["pyramid"]
    rows = [{"net_sales": Decimal(1), "sales_rank": rank, "customers": count} for rank, count in places]
    decisions = decide_tiers(policy, indicator_frame(policy, rows)).decisions
    cuts = [[floor(Fraction(share * count, 100) + Fraction(1, 2)) for share in (1, 5, 20)] for _, count in places]
    ranks = [sum(rank > cut for cut in found) for (rank, _), found in zip(places, cuts, strict=True)]
    assert list(decisions["computed_tier"]) == [policy.tiers[rank] for rank in ranks]


# ---- tasks

TASKS = """follow_up:
  tasks:
    call: {tiers: [B, C], when: rate < 0.2, within_days: 7, title: {en: Call}}
    greet: {when: amount is not missing, scope: everybody, within_days: 3, title: {en: Greet}}
    visit: {tiers: [A], within_days: 30, title: {en: Visit}}
"""


def test_a_task_is_owed_to_its_tiers_where_its_condition_holds() -> None:
    policy = parse_policy(SMALL + TASKS, "small.yaml")
    rows = [
        {"amount": Decimal(200), "rate": Decimal("0.1")},  # B
        {"amount": Decimal(1), "rate": Decimal("0.2")},  # C
        {"amount": Decimal(1), "rate": Decimal(1)},  # A
        {"amount": Decimal(0), "rate": Decimal(0)},  # behind a gate
        {"rate": Decimal(0)},
    ]
    tasks = decide_tiers(policy, indicator_frame(policy, rows)).tasks
    assert dict(tasks.dtypes) == TASK_COLUMNS
    assert set(zip(tasks["customer_id"], tasks["task"], strict=True)) == {
        ("c0000", "call"),
        *((f"c{number:04}", "greet") for number in range(4)),
        ("c0002", "visit"),
    }
    assert len(tasks) == 6


# ---- what a decision leaves behind


def test_components_hold_every_indicator_exactly_as_it_was_read() -> None:
    policy = POLICIES["rfm_555"]
    row = {
        "recency_days": 30,
        "order_count": 3,
        "net_sales": Decimal("9007199254740993.55"),
        "frequency": 5,
        "monetary": 2,
    }
    components = decide_tiers(policy, indicator_frame(policy, [row, {"order_count": 0}])).components
    expected = pd.DataFrame(
        [
            ("c0000", "recency_days", 30, None, "4", 4, None, 4, False, None),
            ("c0001", "recency_days", None, None, None, None, None, None, True, None),
            ("c0000", "order_count", 3, None, None, None, None, None, False, None),
            ("c0001", "order_count", 0, None, None, None, None, None, False, None),
            ("c0000", "net_sales", Decimal("9007199254740993.55"), None, None, None, None, None, False, None),
            ("c0001", "net_sales", None, None, None, None, None, None, True, None),
            ("c0000", "frequency", 5, None, "5", 5, None, 5, False, None),
            ("c0001", "frequency", None, None, None, None, None, None, True, None),
            ("c0000", "monetary", 2, None, "2", 2, None, 2, False, None),
            ("c0001", "monetary", None, None, None, None, None, None, True, None),
        ],
        columns=list(COMPONENT_COLUMNS),
        dtype=object,
    ).astype(COMPONENT_COLUMNS)
    assert_frame_equal(components, expected)


def test_a_flag_is_one_or_zero_and_a_text_stands_in_value_text() -> None:
    text = SMALL.replace("gate:", "  region: {measure: region, window: ever, unit: text}\ngate:").replace(
        "amount >= 100", "region = 'north'"
    )
    policy = parse_policy(text, "small.yaml")
    row = {"amount": Decimal(1), "rate": Decimal(0), "region": "north"}
    decided = decide_tiers(policy, indicator_frame(policy, [row]))
    assert list(decided.decisions["computed_tier"]) == ["B"]
    region = decided.components.set_index("indicator").loc["region"]
    assert (region["value"], region["value_text"]) == (pd.NA, "north")
    classes = POLICIES["collection_classes"]
    key = decide_tiers(classes, indicator_frame(classes, [CASES[classes.id][0]["given"]])).components
    assert key.set_index("indicator").at["is_key", "value"] == 1


def hashes_of(policy: Policy, rows: list[Row]) -> list[str]:
    return list(decide_tiers(policy, indicator_frame(policy, rows)).decisions["input_hash"])


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_the_input_hash_depends_on_every_indicator(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    graded = next(case["given"] for case in CASES[policy_id] if case["expect"]["computed_tier"])
    row = {name: graded.get(name) for name in policy.indicators}
    changed: dict[str, Row] = {}
    for name in policy.indicators:
        others = [{**row, name: value} for value in [*values_of(policy, name), None] if value != row[name]]
        found = decidable(policy, others)
        assert found, f"no other value of {name} can be decided"
        changed[name] = found[0]
    hashes = hashes_of(policy, [row, row, *changed.values()])
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 1 + len(changed)


def test_the_input_hash_tells_missing_from_zero_and_column_from_column() -> None:
    policy = small(**{"rate >= 0.5": "rate is missing", "amount >= 100": "amount is missing or amount >= 100"})
    rows = [{}, {"amount": Decimal(0)}, {"rate": Decimal(0)}, {"amount": Decimal(1)}, {"rate": Decimal(1)}]
    assert len(set(hashes_of(policy, rows))) == len(rows)


def test_the_input_hash_depends_on_the_policy_and_not_on_its_spelling() -> None:
    row = {"amount": Decimal(1), "rate": Decimal("0.7")}
    lines = SMALL.splitlines(keepends=True)
    amount, rate = (next(i for i, line in enumerate(lines) if line.startswith(f"  {n}:")) for n in ("amount", "rate"))
    lines[amount], lines[rate] = lines[rate], lines[amount]
    respelled = "# a comment\n" + "".join(lines).replace("0.5", "0.500").replace("rate >=", "rate   >=")
    plain = hashes_of(small(), [row])
    assert hashes_of(parse_policy(respelled, "small.yaml"), [row]) == plain
    assert hashes_of(small(**{"rate >= 0.5": "rate >= 0.51"}), [row]) != plain


def test_the_runs_hash_depends_on_who_had_which_input() -> None:
    policy = small()
    rows = [{"amount": Decimal(1), "rate": Decimal(1)}, {"amount": Decimal(2), "rate": Decimal(1)}]
    others = [{**row, "account_id": f"d{number}"} for number, row in enumerate(rows)]
    run_hash = [
        run_input_hash(policy, decide_tiers(policy, indicator_frame(policy, some)).decisions)
        for some in (rows, rows[::-1], rows[:1], [], others)  # turned round, each has the other's input
    ]
    assert len(set(run_hash)) == 5
