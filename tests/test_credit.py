"""Credit: a budget is an exact amount of the plan, and its parts add up to it to the last minor unit."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sql.errors import TieringError
from transforms.credit import Budget, Credit, allocate

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
        ({"budget": None}, "credit is a `budget` to allocate, or a table of `limits` per tier"),
        ({"limits": {"A": 5}}, "credit is a `budget` to allocate, or a table of `limits` per tier"),
        ({"sales": None}, "a budget is allocated by `sales` (an indicator), with a `multiplier` per tier (0: none)"),
        ({"multiplier": {}}, "a budget is allocated by `sales` (an indicator), with a `multiplier` per tier (0: none)"),
        ({"within": "sales_times_rate"}, "within: sales_times_rate needs `rate`, an indicator, and nothing else does"),
        ({"rate": "collection_rate"}, "within: sales_times_rate needs `rate`, an indicator, and nothing else does"),
        ({"multiplier": {"A": -1}}, "Input should be greater than or equal to 0"),
        ({"budget": "sales * 2"}, "sales is no column of the plan"),
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


# ---- the split


@pytest.mark.parametrize(
    ("total", "weights", "given"),
    [
        (93600, [2000, 1000, 600, 0], [52000, 26000, 15600, 0]),
        (100, [1, 1, 1], [34, 33, 33]),  # a tie: in the order given
        (101, [1, 1, 1], [34, 34, 33]),
        (100, [1, 1, 2], [25, 25, 50]),
        (10, [1, 2, 3], [2, 3, 5]),  # 1.67, 3.33, 5: the largest remainder first
        (1, [1, 5, 5], [0, 1, 0]),
        (2, [3, 3, 1], [1, 1, 0]),
        (5, [0, 1, 0], [0, 5, 0]),
        (0, [1, 2], [0, 0]),
        (7, [0, 0], [0, 0]),
        (7, [], []),
    ],
)
def test_the_largest_remainders_get_what_is_left(total: int, weights: list[int], given: list[int]) -> None:
    assert allocate(total, [Fraction(weight) for weight in weights]) == given


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (1, [1, -1]), (0, [-1, 1])])
def test_a_negative_budget_or_weight_is_refused(total: int, weights: list[int]) -> None:
    with pytest.raises(TieringError, match="an allocation needs a budget and weights that are not negative"):
        allocate(total, [Fraction(weight) for weight in weights])


WEIGHTS = st.lists(
    st.fractions(min_value=0, max_value=10**9, max_denominator=10**6) | st.integers(0, 5).map(Fraction), max_size=60
)


@settings(max_examples=150, deadline=None)
@given(total=st.integers(0, 10**15), weights=WEIGHTS)
def test_the_parts_add_up_and_none_is_a_whole_unit_off(total: int, weights: list[Fraction]) -> None:
    given_out = allocate(total, weights)
    whole = sum(weights, Fraction(0))
    assert len(given_out) == len(weights)
    assert sum(given_out) == (total if whole else 0)
    for amount, weight in zip(given_out, weights, strict=True):
        assert abs(amount - (total * weight / whole if whole else Fraction(0))) < 1
        assert amount == 0 or weight > 0


@settings(max_examples=100, deadline=None)
@given(total=st.integers(0, 10**6), weights=WEIGHTS)
def test_who_weighs_more_does_not_get_less(total: int, weights: list[Fraction]) -> None:
    ordered = sorted(zip(weights, allocate(total, weights), strict=True))
    for (weight, amount), (more, other) in zip(ordered, ordered[1:], strict=False):
        assert amount <= other or (weight == more and amount == other + 1)


@settings(max_examples=60, deadline=None)
@given(total=st.integers(0, 10**6), weights=WEIGHTS, factor=st.integers(1, 1000))
def test_only_the_proportion_of_weights_counts(total: int, weights: list[Fraction], factor: int) -> None:
    assert allocate(total, [weight * factor for weight in weights]) == allocate(total, weights)
