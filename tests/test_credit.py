"""Credit: a budget is an exact amount of the plan; what a policy says of credit is meant or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import hypothesis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sql.errors import TieringError
from transforms.credit import Budget, Credit, Limits, limits_of
from transforms.policy import parse_policy

PLAN = {
    "revenue_budget": Decimal(4000),
    "gross_margin_rate": Decimal("0.20"),
    "vat_rate": Decimal("0.17"),
    "credit_budget": Decimal("0.10"),
}


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("revenue_budget * gross_margin_rate * (1 + vat_rate)", Fraction(936)),
        ("revenue_budget*gross_margin_rate*(1+vat_rate)", Fraction(936)),
        ("credit_budget", Fraction(1, 10)),
        ("credit_budget + 0.2", Fraction(3, 10)),
        ("credit_budget + credit_budget + credit_budget", Fraction(3, 10)),
        ("revenue_budget / 3", Fraction(4000, 3)),
        ("revenue_budget / 3 * 3", Fraction(4000)),
        ("1 - vat_rate", Fraction(83, 100)),
        ("-revenue_budget", Fraction(-4000)),
        ("-(1 - vat_rate)", Fraction(-83, 100)),
        ("10 - 4 - 3", Fraction(3)),
        ("10 - (4 - 3)", Fraction(9)),
        ("2 + 3 * 4", Fraction(14)),
        ("100 / 10 / 2", Fraction(5)),
        ("9007199254740993.55 + 0.01", Fraction(900719925474099356, 100)),
    ],
)
def test_an_amount_is_exact(text: str, amount: Fraction) -> None:
    assert Budget(text).amount(PLAN) == amount


def test_a_budget_names_the_columns_of_the_plan_it_reads() -> None:
    text = "revenue_budget * gross_margin_rate * (1 + vat_rate) + revenue_budget"
    assert Budget(text).columns == ["revenue_budget", "gross_margin_rate", "vat_rate"]
    assert Budget("936").columns == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("revenue", "revenue is no column of the plan: revenue_budget, gross_margin_rate, vat_rate, credit_budget"),
        ("plan.revenue_budget", "plan.revenue_budget is no column of the plan"),
        ("revenue_budget * ", "is no amount; write for example: revenue_budget * gross_margin_rate"),
        ("", "is no amount"),
        ("revenue_budget +* 2", "is no amount"),
        ("->", "is no amount"),
        ("'936'", "'936' is no number"),
        ("revenue_budget * '2'", "'2' is no number"),
        ("round(revenue_budget)", "is not allowed in a budget; use + - * / and columns of the plan"),
        ("least(revenue_budget, 1)", "is not allowed in a budget"),
        ("__import__('os')", "is not allowed in a budget"),
        ("revenue_budget ** 2", "is not allowed in a budget"),
        ("revenue_budget % 2", "is not allowed in a budget"),
        ("revenue_budget // 2", "is not allowed in a budget"),
        ("revenue_budget > 1", "is not allowed in a budget"),
        ("revenue_budget::int", "is not allowed in a budget"),
        ("(select 1)", "is not allowed in a budget"),
        ("case when true then 1 end", "is not allowed in a budget"),
        ("null", "is not allowed in a budget"),
        ("true", "is not allowed in a budget"),
        ("*", "is not allowed in a budget"),
    ],
)
def test_what_is_no_amount_of_the_plan_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=".") as refused:
        Budget(text)
    assert message in str(refused.value)


@pytest.mark.parametrize("text", ["revenue_budget / 0", "1 / (vat_rate - 0.17)"])
def test_a_budget_that_divides_by_zero_is_refused(text: str) -> None:
    with pytest.raises(TieringError, match="divides by zero"):
        Budget(text).amount(PLAN)


@pytest.mark.parametrize("plan", [{}, {"revenue_budget": None}])
def test_a_plan_that_lacks_a_column_is_refused(plan: dict[str, Decimal | None]) -> None:
    with pytest.raises(TieringError, match="the plan has no revenue_budget; add it, or name another budget"):
        Budget("revenue_budget * 2").amount(plan)


# ---- the model


def credit(**said: Any) -> Credit:
    return Credit.model_validate(
        {"budget": "credit_budget", "sales": "net_sales", "multiplier": {"A": 1, "B": 1, "D": 0}} | said
    )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"budget": None}, "credit is a `budget` to allocate, a table of `limits` per tier, or `by` an indicator"),
        ({"limits": {"A": 5}}, "credit is a `budget` to allocate, a table of `limits` per tier, or `by` an indicator"),
        ({"sales": None}, "a budget is allocated by `sales` (an indicator), with a `multiplier` per tier (0: none)"),
        ({"multiplier": {}}, "a budget is allocated by `sales` (an indicator), with a `multiplier` per tier (0: none)"),
        ({"within": "sales_times_rate"}, "within: sales_times_rate needs `rate`, an indicator, and nothing else does"),
        ({"rate": "collection_rate"}, "within: sales_times_rate needs `rate`, an indicator, and nothing else does"),
        ({"multiplier": {"A": -1}}, "Input should be greater than or equal to 0"),
        ({"budget": "sales * 2"}, "sales is no column of the plan"),
        ({"floor": {"D": 5}}, "floor: D has no multiplier above 0, so nobody in it gets credit"),
        ({"floor": {"E": 5}}, "floor: E has no multiplier above 0, so nobody in it gets credit"),
        ({"floor": {"A": -5}}, "Input should be greater than or equal to 0"),
        ({"none_for": ["D"]}, "none_for belongs to limits `by` an indicator"),
        ({"cap": {"of": "net_sales", "times": 0}}, "Input should be greater than 0"),
        ({"cap": [{"times": 1}]}, "Field required"),
        ({"by": {"of": "years", "steps": [{"at_least": 5, "limit": 1}]}}, "credit is a `budget` to allocate"),
    ],
)
def test_credit_that_cannot_be_allocated_is_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        credit(**said)
    assert message in str(refused.value)


def test_credit_says_what_it_reads() -> None:
    rated = credit(within="sales_times_rate", rate="collection_rate", cap="largest_order")
    assert rated.indicators == ["net_sales", "collection_rate", "largest_order"]
    assert rated.tiers == ["A", "B", "D"]
    table = Credit.model_validate({"limits": {"A": 200000, "B": Decimal("99.5")}})
    assert (table.tiers, table.indicators) == (["A", "B"], [])
    steps = {"of": "years", "steps": [{"at_least": 5, "limit": 1}]}
    by = Credit.model_validate({"by": steps, "none_for": ["D"], "cap": [{"of": "net_sales", "times": Decimal("0.25")}]})
    assert (by.tiers, by.indicators) == (["D"], ["net_sales", "years"])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"limits": {"A": 1}, "sales": "net_sales"}, "sales, within, multiplier and floor belong to a `budget`"),
        ({"limits": {"A": 1}, "floor": {"A": 1}}, "sales, within, multiplier and floor belong to a `budget`"),
        ({"limits": {"A": 1}, "none_for": ["D"]}, "none_for belongs to limits `by` an indicator"),
        ({"limits": {"A": 1}, "concentration": {"key": "is_key", "debtors": 9}}, "concentration needs `sales`"),
        ({"by": {"of": "years", "steps": []}}, "List should have at least 1 item"),
        (
            {"by": {"of": "years", "steps": [{"at_least": 5, "limit": 1}, {"at_least": Decimal("5.0"), "limit": 2}]}},
            "two steps have the same `at_least`; keep one",
        ),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Credit.model_validate(said)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("said", "degenerate"),
    [
        ({}, True),
        ({"multiplier": {"A": 2, "B": 2, "C": Decimal("2.0")}}, True),
        ({"multiplier": {"A": 1, "D": 0}}, True),
        ({"multiplier": {"A": Decimal("1.2"), "B": 1, "D": 0}}, False),
        ({"within": "equal"}, False),
        ({"within": "sales_times_rate", "rate": "collection_rate"}, False),
    ],
)
def test_equal_multipliers_and_sales_on_both_levels_are_one_flat_rate(said: dict[str, Any], degenerate: bool) -> None:
    assert credit(**said).is_degenerate is degenerate


def test_a_table_of_limits_is_not_degenerate() -> None:
    assert Credit.model_validate({"limits": {"A": 5, "B": 5}}).is_degenerate is False


POLICY = """
id: p
title: {{en: P}}
ref: S61
grain: {grain}
schedule: "0 6 2 * *"
as_of: run_day
tiers: [A, B]
indicators:
  tenure: {{measure: tenure_months, unit: months}}
  region: {{attribute: region, unit: text}}
  is_key: {{top: 10, of: tenure, unit: flag}}
decide:
  bands: {{of: tenure, tiers: [{{tier: A, at_least: 12}}, {{tier: B}}]}}
credit: {credit}
"""


@pytest.mark.parametrize(
    ("grain", "credit", "message"),
    [
        ("customer", "{limits: {A: 1, B: 0}, cap: region}", "region is a text; a number is needed here"),
        ("customer", "{limits: {A: 1, B: 0}, cap: is_key}", "is_key is a flag; a number is needed here"),
        (
            "customer",
            "{limits: {A: 1, B: 0}, concentration: {key: tenure, debtors: 5, sales: tenure}}",
            "tenure is a number; a flag is needed here",
        ),
        ("customer", "{limits: {A: 1, B: 0}, cap: {of: tenure, tiers: [C]}}", "the tier C is not declared"),
        ("customer", "{limits: {A: 1, B: 0}, cap: turnover}", "the indicator turnover is not declared"),
        (
            "request",
            "{limits: {A: 1, B: 0}}",
            "request is no account; limits need the grain customer, bill_to or group",
        ),
    ],
)
def test_credit_that_a_policy_cannot_mean_is_refused(grain: str, credit: str, message: str) -> None:
    with pytest.raises(TieringError) as refused:
        parse_policy(POLICY.format(grain=grain, credit=credit), "p.yaml")
    assert message in str(refused.value)


# ---- limits of accounts

TIERS = ("A", "B", "C", "D")
DECIMALS = pd.ArrowDtype(pa.decimal128(38, 18))


def accounts_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame of accounts as a run has it: decimals and texts of Arrow; `customer_id` and `tier` are texts."""
    names = list(dict.fromkeys(["customer_id", "tier", *(name for row in rows for name in row)]))
    texts = pd.ArrowDtype(pa.string())
    return pd.DataFrame(
        {
            name: pd.array(
                [row.get(name) for row in rows], dtype=texts if name in ("customer_id", "tier") else DECIMALS
            )
            for name in names
        }
    )


def given(limits: Limits) -> dict[str, tuple[int, str]]:
    return {row.customer_id: (int(row.limit), row.reason) for row in limits.accounts.itertuples(index=False)}


ROWS = [
    {"customer_id": "a1", "tier": "A", "net_sales": Decimal(1500), "rate": Decimal("1.2"), "order": Decimal(100)},
    {"customer_id": "a2", "tier": "A", "net_sales": Decimal(500), "rate": Decimal("1.0"), "order": Decimal(400)},
    {"customer_id": "b1", "tier": "B", "net_sales": Decimal(1000), "rate": Decimal("0.9"), "order": None},
    {"customer_id": "c1", "tier": "C", "net_sales": Decimal(600), "rate": None, "order": Decimal(-5)},
    {"customer_id": "c2", "tier": "C", "net_sales": Decimal(0), "rate": Decimal(1), "order": Decimal(50)},
    {"customer_id": "c3", "tier": "C", "net_sales": Decimal(-10), "rate": Decimal(1), "order": Decimal(50)},
    {"customer_id": "d1", "tier": "D", "net_sales": Decimal(400), "rate": Decimal("0.5"), "order": Decimal(70)},
    {"customer_id": "n1", "tier": None, "net_sales": Decimal(400), "rate": Decimal("0.5"), "order": Decimal(70)},
]
NOBODY = {"c2": (0, "no_sales"), "c3": (0, "no_sales"), "d1": (0, "tier"), "n1": (0, "no_tier")}
EQUAL = {"multiplier": {"A": 1, "B": 1, "C": 1, "D": 0}}


@pytest.mark.parametrize(
    ("said", "limits", "unallocated"),
    [
        ({}, {"a1": (390_00, "share"), "a2": (130_00, "share"), "b1": (260_00, "share"), "c1": (156_00, "share")}, 0),
        (  # 2000 x 1.2 : 1000 : 600 x 0.6 of 936.00
            {"multiplier": {"A": Decimal("1.2"), "B": 1, "C": Decimal("0.6"), "D": 0}},
            {"a1": (448_09, "share"), "a2": (149_36, "share"), "b1": (248_93, "share"), "c1": (89_62, "share")},
            0,
        ),
        (  # within A 1500 x 1.2 : 500 x 1.0; c1 has no rate, so C has no sales that count
            {"within": "sales_times_rate", "rate": "rate"},
            {"a1": (488_35, "share"), "a2": (135_65, "share"), "b1": (312_00, "share"), "c1": (0, "no_rate")},
            0,
        ),
        (
            {"within": "equal"},
            {"a1": (260_00, "share"), "a2": (260_00, "share"), "b1": (260_00, "share"), "c1": (156_00, "share")},
            0,
        ),
        (  # what a1 leaves goes to a2 as far as that may go; b1 and c1 have no cap above nothing
            {"cap": "order"},
            {"a1": (100_00, "cap:order"), "a2": (400_00, "cap:order"), "b1": (0, "missing:order"),
             "c1": (0, "cap:order")},
            436_00,
        ),
        (
            {"cap": {"of": "net_sales", "times": Decimal("0.2")}},
            {f"{one}": (amount, "cap:net_sales") for one, amount in
             (("a1", 300_00), ("a2", 100_00), ("b1", 200_00), ("c1", 120_00))},
            216_00,
        ),
        (
            {"floor": {"C": 200}},
            {"a1": (368_00, "share"), "a2": (122_67, "share"), "b1": (245_33, "share"), "c1": (200_00, "floor")},
            0,
        ),
        (  # the lower of two caps; a cap is stronger than a floor
            {"cap": ["order", {"of": "net_sales", "times": Decimal("0.2")}], "floor": {"A": 200}},
            {"a1": (100_00, "cap:order"), "a2": (100_00, "cap:net_sales"), "b1": (0, "missing:order"),
             "c1": (0, "cap:order")},
            736_00,
        ),
    ],
)  # fmt: skip
def test_a_budget_is_shared_by_tiers_and_then_by_accounts(
    said: dict[str, Any], limits: dict[str, tuple[int, str]], unallocated: int
) -> None:
    found = limits_of(credit(**(EQUAL | said)), accounts_of(ROWS), TIERS, digits=2, budget=Fraction(936))
    assert given(found) == limits | NOBODY
    assert (found.budget, found.unallocated) == (936_00, unallocated)
    assert sum(amount for amount, _ in limits.values()) + unallocated == 936_00


@pytest.mark.parametrize(("digits", "total"), [(0, 936), (2, 936_66), (3, 936_666)])
def test_a_budget_is_cut_down_to_the_minor_unit(digits: int, total: int) -> None:
    found = limits_of(credit(**EQUAL), accounts_of(ROWS), TIERS, digits=digits, budget=Fraction(2810, 3))
    assert found.budget == total == found.accounts["limit"].sum()


def test_nobody_to_give_to_leaves_the_budget() -> None:
    found = limits_of(credit(**EQUAL), accounts_of(ROWS[4:]), TIERS, digits=2, budget=Fraction(936))
    assert (given(found), found.unallocated) == (NOBODY, 936_00)
    empty = limits_of(credit(**EQUAL), accounts_of(ROWS)[:0], TIERS, digits=2, budget=Fraction(936))
    assert (len(empty.accounts), empty.unallocated) == (0, 936_00)


@pytest.mark.parametrize(
    ("said", "budget", "message"),
    [
        ({}, Fraction(-1), "credit: the budget is negative; correct the plan of the year"),
        ({"floor": {"A": 500}}, Fraction(999), "credit: the floors sum up to 1000, more than the budget of 999; lower"),
    ],
)
def test_a_budget_that_cannot_be_shared_is_refused(said: dict[str, Any], budget: Fraction, message: str) -> None:
    with pytest.raises(TieringError, match=message):
        limits_of(credit(**(EQUAL | said)), accounts_of(ROWS), TIERS, digits=2, budget=budget)


def test_a_table_gives_by_tier_and_no_more_than_the_cap() -> None:
    table = Credit.model_validate({"limits": {"A": 200, "B": Decimal("99.999"), "C": 10, "D": 0}, "cap": "order"})
    found = limits_of(table, accounts_of(ROWS), TIERS, digits=2)
    assert given(found) == {
        "a1": (100_00, "cap:order"), "a2": (200_00, "table"), "b1": (0, "missing:order"), "c1": (0, "cap:order"),
        "c2": (10_00, "table"), "c3": (10_00, "table"), "d1": (0, "tier"), "n1": (0, "no_tier"),
    }  # fmt: skip
    assert (found.budget, found.unallocated) == (None, None)


@pytest.mark.parametrize("steps", [(5, 10), (10, 5)], ids=["low first", "high first"])
def test_years_in_business_give_the_limit_of_the_highest_bound_whatever_the_order(steps: tuple[int, int]) -> None:
    """G15."""
    limits = {5: 100_000, 10: 200_000}
    by = Credit.model_validate(
        {"by": {"of": "years", "steps": [{"at_least": bound, "limit": limits[bound]} for bound in steps]},
         "none_for": ["D"]}
    )  # fmt: skip
    values = {"c4": "4.99", "c5": "5", "c9": "9.99", "d": "10", "e": "12", "f": None}
    rows = [
        {"customer_id": one, "tier": "A", "years": None if value is None else Decimal(value)}
        for one, value in values.items()
    ]
    found = limits_of(
        by, accounts_of([*rows, {"customer_id": "x", "tier": "D", "years": Decimal(12)}]), TIERS, digits=0
    )
    assert given(found) == {
        "c4": (0, "below"), "c5": (100_000, "step"), "c9": (100_000, "step"), "d": (200_000, "step"),
        "e": (200_000, "step"), "f": (0, "missing:years"), "x": (0, "tier"),
    }  # fmt: skip


MONEY = st.integers(-(10**6), 10**11).map(lambda units: Decimal(units) / 10**4)


@st.composite
def companies(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "tier": st.sampled_from([*TIERS, None]),
                    "net_sales": MONEY | st.none() | st.sampled_from([Decimal(1), Decimal(2)]),
                    "rate": st.none() | st.integers(-1, 40).map(lambda part: Decimal(part) / 16),
                    "order": st.none() | MONEY,
                }
            ),
            max_size=30,
        )
    )
    made = [{"customer_id": f"c{number:02}", **row} for number, row in enumerate(rows)]
    return accounts_of([*made, {**ROWS[0], "customer_id": "last"}])[: len(made)]


CREDITS = st.fixed_dictionaries(
    {
        "multiplier": st.fixed_dictionaries(
            {tier: st.integers(0, 30).map(lambda part: Decimal(part) / 10) for tier in TIERS}
        )
    },
    optional={
        "cap": st.sampled_from(["order", {"of": "net_sales", "times": Decimal("0.3")}]),
        "within": st.sampled_from(["sales", "equal"]),
        "floor": st.just({}),
    },
).map(lambda said: said | ({"floor": {"A": 3}} if "floor" in said and said["multiplier"]["A"] else {"floor": {}}))


@settings(max_examples=150, deadline=None)
@hypothesis.given(
    company=companies(),
    said=CREDITS,
    digits=st.sampled_from([0, 2, 3]),
    more=st.integers(0, 10**8),
    seed=st.integers(0, 9),
)
def test_limits_add_up_to_the_budget_in_any_order_and_who_sells_more_gets_no_less(
    company: pd.DataFrame, said: dict[str, Any], digits: int, more: int, seed: int
) -> None:
    policy = credit(**said)
    budget = Fraction(more, 7) + 3 * len(company)
    found = limits_of(policy, company, TIERS, digits=digits, budget=budget)
    assert found.budget == int(budget * 10**digits) == found.accounts["limit"].sum() + (found.unallocated or 0)
    assert (found.accounts["limit"] >= 0).all()
    mixed = limits_of(policy, company.sample(frac=1, random_state=seed), TIERS, digits=digits, budget=budget)
    assert given(mixed) == given(found)
    assert mixed.unallocated == found.unallocated
    if "cap" in said and said["cap"] == "order":
        return
    merged = found.accounts.merge(company[["customer_id", "net_sales"]], on="customer_id")
    for _, members in merged.dropna(subset=["tier"]).groupby("tier"):
        ordered = members.sort_values(["net_sales", "limit"], na_position="first")
        limits = list(zip(ordered["net_sales"], ordered["limit"], strict=True))
        for (sales, limit), (others, other) in zip(limits, limits[1:], strict=False):
            assert limit <= other, (sales, others)


def test_a_cap_of_some_tiers_binds_these_alone() -> None:
    said = {"limits": {"A": 150, "B": 150, "C": 150, "D": 0}, "cap": {"of": "order", "tiers": ["A", "C"]}}
    found = given(limits_of(Credit.model_validate(said), accounts_of(ROWS), TIERS, digits=0))
    assert found == {
        "a1": (100, "cap:order"),
        "a2": (150, "table"),
        "b1": (150, "table"),
        "c1": (0, "cap:order"),
        "c2": (50, "cap:order"),
        "c3": (50, "cap:order"),
        "d1": (0, "tier"),
        "n1": (0, "no_tier"),
    }
