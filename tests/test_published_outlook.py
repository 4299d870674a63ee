"""The published outlook: of the latest run alone, by what is in force, whatever is restated or decided by people."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from companies import Warehouses, contents, empty, fresh, loaded, query, stage_rows, warehouses
from test_invariants import broken_invariants
from test_overrides import put

from sql.connect import Database
from sql.explain import read_accounts
from sql.publish import publish_people, publish_run
from sql.review import answer_requests, review_run
from transforms.policy import Policy, parse_policy

DAYS = (date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28))

TEXT = """
id: near
title: {en: Near}
ref: T
grain: customer
schedule: "0 6 3 * *"
as_of: previous_month_end
tiers: [A, B, C]
indicators:
  sales: {measure: net_sales, window: 12 months, unit: money, title: {en: net sales, zh: 销售净额}}
decide:
  bands:
    of: sales
    tiers: [{tier: A, at_least: 1000}, {tier: B, at_least: 500}, {tier: C}]
"""


def policy_with(**parts: str) -> Policy:
    return parse_policy(TEXT + "\n".join(f"{name}: {part}" for name, part in parts.items()), "near.yaml")


PLAIN = policy_with()
STICKY = policy_with(movement="{down: {after: 2}}")


def publish(
    database: Database, policy: Policy, day: date, sales: Mapping[str, int], *, approved: bool = True, **options: Any
) -> None:
    rows = [{"account_id": name, "sales": Decimal(amount)} for name, amount in sales.items()]
    this = stage_rows(database, policy, day, rows, **options)
    review = review_run(database, policy, this)
    if review.requests and approved:
        answer_requests(database, this, "tests", approved=True)
    assert publish_run(database, policy, this, review).status == "published"
    assert broken_invariants(database) == set()


def outlook(database: Database) -> list[tuple[Any, ...]]:
    """Return who, direction, tier, to_tier and keeps, by customer and direction."""
    return query(
        database,
        "SELECT customer_id, direction, tier, to_tier, keeps FROM tiering.tier_outlook ORDER BY 1, 2",
    )


def people(database: Database, day: date, policy: Policy = PLAIN) -> None:
    publish_people(database, policy, day)
    assert broken_invariants(database) == set()


def test_a_row_says_what_is_needed_by_when(empty: Database) -> None:
    publish(empty, PLAIN, DAYS[2], {"c1": 950, "c2": 520, "c3": 700})
    rows = query(
        empty,
        "SELECT policy_id, customer_id, direction, tier, to_tier, indicator, value, needed, change, relative_change, "
        "by_on, keeps, account_manager_id, as_of FROM tiering.tier_outlook ORDER BY 2",
    )
    assert rows == [
        ("near", "c1", "up", "B", "A", "sales", Decimal(950), Decimal(1000), Decimal(50), Decimal("0.05"),
         DAYS[3], False, "M1", DAYS[2]),
        ("near", "c2", "down", "B", "C", "sales", Decimal(520), Decimal("499.9999"), Decimal("-20.0001"),
         Decimal("0.03846173"), DAYS[3], False, "M1", DAYS[2]),
    ]  # fmt: skip


def test_only_the_latest_run_counts_in_any_order(empty: Database) -> None:
    publish(empty, PLAIN, DAYS[1], {"c1": 950, "c2": 520})
    publish(empty, PLAIN, DAYS[2], {"c1": 960, "c2": 800, "c3": 480})
    latest = contents(empty, "tiering")["tiering.tier_outlook"]
    assert outlook(empty) == [("c1", "up", "B", "A", False), ("c3", "up", "C", "B", False)]
    publish(empty, PLAIN, DAYS[0], {"c1": 400, "c2": 970})
    publish(empty, PLAIN, DAYS[1], {"c1": 1010, "c2": 520}, restate="corrected")
    assert contents(empty, "tiering")["tiering.tier_outlook"] == latest
    publish(empty, PLAIN, DAYS[2], {"c1": 700, "c2": 800, "c3": 490}, restate="corrected")
    assert outlook(empty) == [("c3", "up", "C", "B", False)]
    [(kept,)] = query(empty, "SELECT COUNT(DISTINCT run_id) FROM work.outlook")
    assert kept == 1


def test_what_keeps_a_tier_is_told_from_what_wins_one(empty: Database) -> None:
    publish(empty, STICKY, DAYS[0], {"c1": 1000, "c2": 1000, "c3": 600, "c4": 480})
    publish(empty, STICKY, DAYS[1], {"c1": 950, "c2": 480, "c3": 950, "c4": 480})
    assert outlook(empty) == [
        ("c1", "up", "B", "A", True),
        ("c2", "up", "C", "B", False),  # A is held, and B is below it
        ("c3", "up", "B", "A", False),
        ("c4", "up", "C", "B", False),
    ]


def test_a_restated_past_changes_who_is_held_and_so_what_keeps(empty: Database) -> None:
    publish(empty, STICKY, DAYS[0], {"c1": 1000})
    publish(empty, STICKY, DAYS[1], {"c1": 950})
    assert outlook(empty) == [("c1", "up", "B", "A", True)]
    publish(empty, STICKY, DAYS[0], {"c1": 700}, restate="corrected")
    assert outlook(empty) == [("c1", "up", "B", "A", False)]


def test_a_tier_that_people_set_has_none_as_long_as_they_say(loaded: Database) -> None:
    [(one, two)] = query(loaded, "SELECT MIN(customer_id), MAX(customer_id) FROM facts.customers")
    publish(loaded, PLAIN, DAYS[1], {one: 950, two: 950})
    put(loaded, policy_id="near", customer_id=one, tier="A", valid_from=date(2026, 1, 10), valid_to=date(2026, 1, 20))
    people(loaded, date(2026, 1, 10))
    assert outlook(loaded) == [(two, "up", "B", "A", False)]
    people(loaded, date(2026, 1, 20))
    assert outlook(loaded) == [(one, "up", "B", "A", False), (two, "up", "B", "A", False)]
    assert query(loaded, "SELECT DISTINCT as_of, by_on FROM tiering.tier_outlook") == [(DAYS[1], DAYS[2])]


def test_a_final_grade_of_people_has_none(empty: Database) -> None:
    publish(empty, PLAIN, DAYS[1], {"c1": 950, "c2": 950})
    for customer_id, tier in (("c1", "A"), ("c2", "B")):
        query(
            empty,
            "INSERT INTO tiering.grade (policy_id, as_of, customer_id, stage, tier, graded_by, graded_on, reason) "
            "VALUES ('near', :day, :one, 'final', :tier, 'board', :day, 'known')",
            day=DAYS[1],
            one=customer_id,
            tier=tier,
        )
    people(empty, DAYS[1])
    assert outlook(empty) == [("c2", "up", "B", "A", False)]


def test_a_finding_on_inputs_that_are_held_has_none(empty: Database) -> None:
    publish(empty, PLAIN, DAYS[1], {"c1": 950, "c2": 950}, held={"c1": "sales: orphan"})
    assert outlook(empty) == [("c2", "up", "B", "A", False)]


def test_who_waits_for_a_word_has_that_of_the_tier_that_was_found(empty: Database) -> None:
    policy = policy_with(review="{approve: {tiers: [A], by: [sales_director], meanwhile: pending}}")
    publish(empty, policy, DAYS[0], {"c1": 700, "c2": 1050}, approved=False)
    assert query(empty, "SELECT customer_id, tier, status FROM tiering.customer_tier ORDER BY 1") == [
        ("c1", "B", "final"),
        ("c2", "B", "pending"),
    ]
    assert outlook(empty) == [("c2", "down", "A", "B", False)]


def test_a_policy_without_an_outlook_publishes_none_and_takes_the_rows_back(empty: Database) -> None:
    publish(empty, PLAIN, DAYS[1], {"c1": 950})
    assert outlook(empty)
    publish(empty, policy_with(outlook="false"), DAYS[2], {"c1": 950})
    assert outlook(empty) == []


def test_a_refused_run_leaves_the_outlook_alone(empty: Database) -> None:
    policy = policy_with(review="{approve: {tiers: [A], by: [sales_director]}}")
    publish(empty, policy, DAYS[0], {"c1": 950})
    before = outlook(empty)
    this = stage_rows(empty, policy, DAYS[1], [{"account_id": "c1", "sales": Decimal(1010)}])
    assert review_run(empty, policy, this).requests
    answer_requests(empty, this, "director", approved=False)
    assert outlook(empty) == before == [("c1", "up", "B", "A", False)]
    publish(empty, policy, DAYS[2], {"c1": 980})
    assert outlook(empty) == before


def test_only_the_latest_day_is_explained_with_it(empty: Database) -> None:
    publish(empty, PLAIN, DAYS[1], {"c1": 950})
    publish(empty, PLAIN, DAYS[2], {"c1": 960})
    [latest], [earlier] = read_accounts(empty, "c1"), read_accounts(empty, "c1", asked_on=DAYS[1])
    assert [(line.to_tier, line.needed, line.value, line.step) for line in latest.outlook] == [
        ("A", Decimal(1000), Decimal(960), Decimal("0.0001"))
    ]
    assert earlier.outlook == ()


@pytest.mark.postgres
def test_both_engines_publish_the_same_outlook_for_the_demo(warehouses: Warehouses) -> None:
    columns = (
        "policy_id, customer_id, direction, tier, to_tier, indicator, value, needed, change, relative_change, by_on, "
        "keeps, account_manager_id, as_of, run_id"
    )
    first, second = (
        query(warehouses.everything_once(engine), f"SELECT {columns} FROM tiering.tier_outlook ORDER BY 1, 2, 3")
        for engine in ("duckdb", "postgresql")
    )
    assert first == second
    assert len({row[0] for row in first}) > 15
    assert {row[2] for row in first} == {"up", "down"}
