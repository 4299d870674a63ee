"""Probes: the values that stand for all there are, what the conditions tell apart, and who can be undefined."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_lint import GRADE, LIBRARY, ORDERS, RATE, RECENCY, SALES, rules, text_of
from transforms import probes
from transforms.conditions import Condition
from transforms.policy import Policy, parse_policy
from transforms.probes import FINEST, OTHER_TEXT, Domain, Probes, bounds_of, domain_of, make_grid, mixed_comparison

CONTACTS = "contacts: {measure: contact_count, window: 12 months, unit: count}"


def policy_of(*indicators: str, rule: str = "true", gates: str = "", missing: str = "") -> Policy:
    """Return a policy of one rule and a rest."""
    more = [f"gate: {{{gates}}}"] if gates else []
    more += [f"missing: {{{missing}}}"] if missing else []
    decide = f'{{rules: [{{tier: A, when: "{rule}"}}, {{tier: B}}]}}'
    return parse_policy(text_of("A B", list(indicators), decide, *more), "p.yaml")


def probes_of(*indicators: str, rule: str = "true", gates: str = "", missing: str = "") -> Probes:
    return Probes(policy_of(*indicators, rule=rule, gates=gates, missing=missing), LIBRARY)


# ---- values


@pytest.mark.parametrize(
    ("domain", "bounds", "points"),
    [
        (Domain("flag"), [], [False, True]),
        (Domain("text", texts=("a", "b")), [], ["a", "b"]),
        (Domain("number", Decimal(1), Decimal(0)), [], [-0, 1, 2]),
        (Domain("number", Decimal(1), Decimal(0), Decimal(5)), [3], [0, 1, 2, 3, 4, 5]),
        (Domain("number", Decimal(1)), [Decimal("2.5")], [-5, 1, 2, 3, 5]),
        (Domain("number", Decimal(1)), [Decimal("-2.5")], [-5, -3, -2, -1, 5]),
        (Domain("number", Decimal("0.01"), Decimal(0), Decimal(1)), [1], ["0", "0.01", "0.5", "0.99", "1"]),
        (Domain("number", Decimal(1), Decimal(7), Decimal(3)), [5], []),
    ],
)
def test_points_stand_below_at_between_and_above_every_bound(
    domain: Domain, bounds: list[Decimal], points: list[object]
) -> None:
    found = domain.points([Decimal(bound) for bound in bounds])
    assert found == ([Decimal(str(point)) for point in points] if domain.kind == "number" else points)


def test_a_text_that_is_not_listed_has_another_that_nobody_names() -> None:
    assert Domain("text").points([], ["a", "b", "a"]) == ["a", "b", OTHER_TEXT]


@settings(max_examples=200)
@given(
    st.sampled_from([Decimal(1), Decimal("0.0001"), FINEST]),
    st.lists(st.decimals(-1000, 1000, places=2), max_size=4),
    st.none() | st.decimals(-1000, 1000, places=2),
    st.decimals(-1100, 1100, places=4),
)
def test_every_value_has_a_point_on_the_same_side_of_all_bounds(
    step: Decimal, bounds: list[Decimal], low: Decimal | None, value: Decimal
) -> None:
    domain = Domain("number", step, low)
    points = domain.points(bounds)
    assert all(domain.holds(point) for point in points)
    assert points == sorted(set(points))
    if domain.holds(value):
        sides = [(value > bound) - (value < bound) for bound in bounds]
        assert sides in [[(point > bound) - (point < bound) for bound in bounds] for point in points]


def test_the_largest_bounds_stay_within_what_a_decision_can_hold() -> None:
    points = Domain("number").points([Decimal(10) ** 37, Decimal(10) ** 19 - 1, Decimal("1e-20")])
    assert max(points) < Decimal(10) ** 20
    probes.column_of(policy_of(SALES, rule="sales > 1"), "sales", points)


@pytest.mark.parametrize(
    ("indicator", "domain"),
    [
        (SALES, Domain("number", Decimal("0.0001"))),
        (ORDERS, Domain("number", Decimal(1), Decimal(0))),
        (RECENCY, Domain("number", Decimal(1), Decimal(0))),
        (RATE, Domain("number", FINEST)),
        ("close: {measure: days_to_close}", Domain("number", Decimal(1))),
        ("close: {measure: average_close_days}", Domain("number", FINEST, Decimal(0))),
        ("stars: {assessment: stars, unit: count, minimum: 1, maximum: 5}", Domain("number", Decimal(1), Decimal(1),
                                                                                  Decimal(5))),
        ("debt: {attribute: attr_debt, unit: money}", Domain("number", FINEST)),
        ("unknown: {measure: nothing_known, unit: days}", Domain("number", Decimal(1), Decimal(0))),
        (GRADE, Domain("text", texts=("good", "fair", "poor"))),
        ("region: {attribute: region}", Domain("text")),
        ("urgent: {measure: is_urgent, unit: flag}", Domain("flag")),
        ("x: {top: 3, of: sales}", Domain("flag")),
        ("x: {quantile: 4, of: sales, method: rank}", Domain("number", Decimal(1), Decimal(1), Decimal(4))),
        ("x: {rank: sales}", Domain("number", Decimal(1), Decimal(1))),
        ("x: {count: graded}", Domain("number", Decimal(1), Decimal(1))),
        ("x: {percent_rank: sales}", Domain("number", FINEST, Decimal(0), Decimal(1))),
    ],
)  # fmt: skip
def test_the_values_an_indicator_can_have(indicator: str, domain: Domain) -> None:
    also = [] if indicator == SALES else [SALES]
    policy = policy_of(indicator, *also)
    assert domain_of(policy, indicator.partition(":")[0], LIBRARY) == domain


def test_a_share_lies_between_nothing_and_all_where_nobody_has_less_than_nothing() -> None:
    share = "part: {share: sales}"
    assert (probes_of(SALES, share).domains["part"].low, probes_of(SALES, share).domains["part"].high) == (None, None)
    gated = probes_of(SALES, share, gates="some: sales >= 0").domains["part"]
    assert (gated.low, gated.high) == (Decimal(0), Decimal(1))
    narrow = "part: {share: sales, minimum: -1, maximum: 0.5}"
    gated = probes_of(SALES, narrow, gates="some: sales >= 0").domains["part"]
    assert (gated.low, gated.high) == (Decimal(0), Decimal("0.5"))


def test_indicators_that_are_compared_share_their_bounds() -> None:
    found = probes_of(ORDERS, CONTACTS, rule="orders > contacts and contacts >= 10")
    assert found.bounds["orders"] == found.bounds["contacts"] == {Decimal(0), Decimal(10)}
    assert bounds_of(found.policy)[0] == {"orders": set(), "contacts": {Decimal(10)}}
    texts = probes_of(GRADE, "other: {attribute: attr_other}", rule="grade = other and grade <> 'fair'")
    assert texts.values("other") == ["fair", OTHER_TEXT]


# ---- what conditions tell apart


@pytest.mark.parametrize(
    ("rule", "classes"),
    [
        ("orders >= 3", [(0, 2), (3, 6)]),
        ("orders between 2 and 4", [(0, 1), (2, 4), (5, 8)]),
        ("orders in (1, 3)", [(0, 0), (1, 1), (2, 2), (3, 3), (4, 6)]),
        ("not (orders < 2 or orders = 2)", [(0, 1), (2, 2), (3, 4)]),
        ("orders is not missing", [(0, 2)]),
    ],
)
def test_neighbours_that_no_condition_tells_apart_are_one_class(rule: str, classes: list[tuple[int, int]]) -> None:
    found = probes_of(ORDERS, rule=rule).classes("orders")
    assert [(each.low, each.high) for each in found] == classes
    assert all(each.low <= each.value <= each.high for each in found)


def test_a_class_is_stood_for_by_the_value_nearest_to_a_bound() -> None:
    assert [each.value for each in probes_of(SALES, rule="sales > 1000").classes("sales")] == [
        1000,
        Decimal("1000.0001"),
    ]
    assert [each.value for each in probes_of(RECENCY, rule="recency > 5").classes("recency")] == [5, 6, None]


def test_an_indicator_compared_with_another_keeps_all_its_values() -> None:
    found = probes_of(ORDERS, CONTACTS, rule="orders > contacts")
    assert [each.value for each in found.classes("orders")] == found.values("orders")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=3),
    st.lists(
        st.sampled_from(["orders > {}", "not orders <= {}", "orders = {}", "orders in ({}, 4)"]), min_size=3, max_size=3
    ),
)
def test_classes_decide_as_their_values_do(bounds: list[int], forms: list[str]) -> None:
    parts = [form.format(bound) for form, bound in zip(forms, bounds, strict=False)]
    found = probes_of(ORDERS, rule=" or ".join(parts))
    (condition,) = [c for place, c in found.conditions.items() if place == "decide.rules.0"]
    numbers = [probes.Class(value, value, value) for value in range(25)]
    truths = make_grid(found.policy, {"orders": numbers}).holds(condition)
    for each in found.classes("orders"):
        assert set(truths[int(each.low) : int(each.high) + 1]) == {truths[int(each.value)]}


# ---- grids


def test_a_grid_holds_every_combination() -> None:
    found = probes_of(ORDERS, CONTACTS, RATE, rule="orders > 3 and contacts > 4 and rate > 0")
    grid = make_grid(found.policy, {name: found.classes(name) for name in ("orders", "contacts")})
    assert (grid.is_whole, grid.rows) == (True, 4)
    points = [tuple(grid.point(row).values()) for row in range(4)]
    assert points == [(3, 4), (3, 5), (4, 4), (4, 5)]
    assert grid.columns["rate"].null_count == 4
    assert make_grid(found.policy, {}).rows == 1


def test_a_sample_holds_points_where_each_condition_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MAXIMUM_POINTS", 1_000)
    names = [f"m{number}" for number in range(5)]
    declared = [f"{name}: {{assessment: {name}, unit: count}}" for name in names]
    found = probes_of(*declared, rule=" and ".join(f"{name} in (1, 3, 5, 7)" for name in names))
    axes = {name: found.classes(name) for name in names}
    rare = Condition("m0 = 3 and m1 = 5 and m2 = 7")
    grid = make_grid(found.policy, axes, [rare])
    assert not grid.is_whole
    assert grid.rows <= 1_000
    assert grid.holds(rare).sum() >= 200
    again = make_grid(found.policy, axes, [rare])
    assert all(np.array_equal(grid.places[name], again.places[name]) for name in names)
    assert (
        not make_grid(found.policy, axes, [Condition("m0 = 3 and m0 = 5")]).holds(Condition("m0 = 3 and m0 = 5")).any()
    )


# ---- who can be undefined


REGION = "region: {attribute: region}"


@pytest.mark.parametrize(
    ("indicators", "gates", "anybody", "graded"),
    [
        (["x: {measure: net_sales}"], "", False, False),
        (["x: {measure: margin_rate}"], "", True, True),
        (["x: {measure: nothing_known}"], "", True, True),
        (["x: {measure: margin_rate}"], "some: x > 0", True, False),
        (["x: {measure: margin_rate}"], "some: x is not missing", True, False),
        (["x: {measure: margin_rate}"], "some: not (x > 0)", True, False),
        (["x: {measure: margin_rate}", ORDERS], "some: x > 0 or orders > 3", True, True),
        (["x: {measure: margin_rate}", ORDERS], "some: x > 0 or orders > 3, more: orders < 2", True, False),
        ([REGION.replace("region:", "x:")], "", True, True),
        (["x: {assessment: grade, unit: text}"], "some: \"x in ('a', 'b')\"", True, False),
        (["x: {count: graded}"], "", False, False),
        (["x: {count: graded, within: region}", REGION], "", True, True),
        (["x: {count: graded, within: region}", REGION], "some: region is not missing", True, False),
        (["x: {rank: sales}", SALES], "", False, False),
        (["x: {rank: rate}", RATE], "", True, True),
        (["x: {rank: rate}", RATE], "some: rate > 0", True, False),
        (["x: {percent_rank: sales, within: region}", SALES, REGION], "", True, True),
        (["x: {quantile: 3, of: rate, method: ntile}", RATE], "", True, True),
        (["x: {top: 3, of: rate}", RATE], "", False, False),
        (["x: {top: 3, of: sales, within: region}", SALES, REGION], "", True, True),
        (["x: {share: sales}", SALES], "", True, True),
        (["x: {share: sales}", SALES], "some: sales >= 0", True, True),
        (["x: {share: sales}", SALES], "some: sales > 0", True, False),
        (["x: {cumulative_share: orders}", ORDERS], "some: orders >= 1", True, False),
    ],
)
def test_what_can_be_undefined(indicators: list[str], gates: str, anybody: bool, graded: bool) -> None:
    found = probes_of(*indicators, gates=gates)
    assert (found.can_be_missing("x"), found.graded_can_miss("x")) == (anybody, graded)


def test_only_values_that_pass_the_gates_are_graded() -> None:
    assert probes_of(ORDERS, gates="some: orders >= 2").graded_values("orders") == [2, 3, 4]
    assert probes_of(ORDERS).graded_values("orders") == [0, 1, 2]
    either = probes_of(ORDERS, SALES, gates="some: orders >= 2 or sales > 5, more: sales <= 5")
    assert either.graded_values("orders") == [2, 3, 4]
    assert probes_of(ORDERS, gates="some: orders > 4 and orders < 3").graded_values("orders") == []


def test_what_undefined_counts_as() -> None:
    assert probes_of(RATE, missing="rate: {as: 3}").stand_in("rate") == 3
    assert probes_of(RATE, missing="rate: {tier: B}").stand_in("rate") is None
    assert probes_of(RATE, missing="rate: {as: 3}", gates="some: rate > 0").stand_in("rate") is None


@pytest.mark.parametrize(
    ("condition", "mixed"),
    [
        ("sales > 3 and grade = 'good' and urgent", None),
        ("sales is missing or not urgent or urgent = true", None),
        ("sales between 1 and orders", None),
        ("(sales) in (1, 2)", None),
        ("sales = 'x'", "sales = 'x'"),
        ("grade in ('good', 3)", "grade IN ('good', 3)"),
        ("urgent >= 1", "urgent >= 1"),
        ("sales > grade", "sales > grade"),
        ("sales = true", "sales = TRUE"),
        ("not sales", "sales"),
        ("urgent and (grade)", "grade"),
        ("sales between 1 and 'x'", "sales BETWEEN 1 AND 'x'"),
        ("-3 < grade", "-3 < grade"),
    ],
)
def test_a_comparison_that_mixes_kinds_is_found(condition: str, mixed: str | None) -> None:
    policy = policy_of(SALES, ORDERS, GRADE, "urgent: {measure: is_urgent, unit: flag}")
    assert mixed_comparison(policy, Condition(condition)) == mixed


def test_conditions_by_their_place() -> None:
    text = rules("{tier: A, when: sales > 3}, {tier: B}", "gate: {some: orders > 1}", tiers="A B")
    assert list(probes.conditions_of(parse_policy(text, "p"))) == ["gate.some", "decide.rules.0"]
