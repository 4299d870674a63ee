"""Review: who is asked before a run is published, step by step; what holds it; what the answers do."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from companies import contents, empty, fresh, query, stage_rows, tell, warehouses
from test_invariants import broken_invariants

from sql.connect import Database
from sql.errors import TieringError
from sql.publish import publish_people, publish_run
from sql.review import Review, answer_requests, review_run, settle_answers
from sql.runs import Run, run_id_of
from transforms.policy import Policy, parse_policy

DAYS = (date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28))

TEXT = """
id: asked
title: {en: Asked}
ref: T
grain: customer
schedule: "0 6 3 * *"
as_of: previous_month_end
tiers: [A, B, C, D]
indicators:
  level: {measure: net_sales, window: 12 months, title: {en: level}}
  refunds: {measure: net_sales, window: 1 month}
decide:
  bands:
    of: level
    tiers: [{tier: A, at_least: 4}, {tier: B, at_least: 3}, {tier: C, at_least: 2}, {tier: D}]
"""


def policy_with(**parts: str) -> Policy:
    return parse_policy(TEXT + "\n".join(f"{name}: {part}" for name, part in parts.items()), "asked.yaml")


ASKS = "{approve: {tiers: [A], by: [sales_director, general_manager]}}"
MEANWHILE = "{approve: {tiers: [A], by: [sales_director], meanwhile: pending}}"


def decide(
    database: Database, policy: Policy, day: date, tiers: Mapping[str, str], **options: Any
) -> tuple[Run, Review]:
    """Decide a day, tiers by customer; `!` after a tier: there was a refund."""
    rows = [
        {"account_id": name, "level": 4 - "ABCD".index(tier[0]), "refunds": int(tier.endswith("!"))}
        for name, tier in tiers.items()
    ]
    this = stage_rows(database, policy, day, rows, **options)
    return this, review_run(database, policy, this)


def publish(database: Database, policy: Policy, day: date, tiers: Mapping[str, str], **options: Any) -> None:
    this, review = decide(database, policy, day, tiers, **options)
    if review.requests:
        answer_requests(database, this, "tests", approved=True)
    assert publish_run(database, policy, this, review).status == "published"


def stands(database: Database) -> dict[str, str]:
    rows = query(database, "SELECT customer_id, tier, status FROM tiering.customer_tier ORDER BY 1")
    return {name: tier if status == "final" else f"{tier} {status}" for name, tier, status in rows}


def changes(database: Database, day: date) -> list[tuple[Any, ...]]:
    return query(
        database,
        "SELECT customer_id, from_tier, to_tier, cause, drivers FROM tiering.tier_change "
        "WHERE as_of = :day AND superseded_at IS NULL ORDER BY 1",
        day=day,
    )


def test_two_steps_both_must_agree(empty: Database) -> None:
    policy = policy_with(review=ASKS)
    publish(empty, policy, DAYS[0], {"c1": "B", "c2": "C"})
    this, review = decide(empty, policy, DAYS[1], {"c1": "A", "c2": "A"})
    first, second = review.requests
    assert [(one.step, one.task, one.asked_of) for one in (first, second)] == [
        (1, "approve_sales_director", "sales_director"),
        (2, "approve_general_manager", "general_manager"),
    ]
    answer_requests(empty, this, "ana", approved=True, of=[first])
    with pytest.raises(TieringError, match="not answered: 2 customers in A; nothing was published"):
        publish_run(empty, policy, this, review)
    answer_requests(empty, this, "bo", approved=True, of=[second], comment="fine")
    assert publish_run(empty, policy, this, review).status == "published"
    assert stands(empty) == {"c1": "A", "c2": "A"}
    assert query(empty, "SELECT step, answered_by, answer FROM tiering.approval ORDER BY step") == [
        (1, "ana", "approved"),
        (2, "bo", "approved"),
    ]
    assert broken_invariants(empty) == set()


def test_who_approved_is_not_asked_again_when_the_run_is_tried_again(empty: Database) -> None:
    policy = policy_with(review=ASKS)
    this, review = decide(empty, policy, DAYS[0], {"c1": "A", "c2": "A"})
    answer_requests(empty, this, "ana", approved=True, of=review.requests[:1], but_not=["c2"])
    again, review = decide(empty, policy, DAYS[0], {"c1": "A", "c2": "A"})
    assert (again.attempt, [request.asked_of for request in review.requests]) == (2, ["general_manager"])
    answer_requests(empty, again, "bo", approved=True, of=review.requests)
    assert publish_run(empty, policy, again, review).status == "published"
    assert stands(empty) == {"c1": "A", "c2": "B held"}
    other, review = decide(empty, policy, DAYS[0], {"c1": "A", "c2": "A", "c3": "A"}, restate="one more")
    assert [request.asked_of for request in review.requests] == ["sales_director", "general_manager"]
    answer_requests(empty, other, "ana", approved=True, of=review.requests[:1])
    answer_requests(empty, other, "bo", approved=False)
    other, review = decide(empty, policy, DAYS[0], {"c1": "A", "c2": "A", "c3": "A"}, restate="one more")
    assert [request.asked_of for request in review.requests] == ["sales_director", "general_manager"]


def test_a_customer_who_is_excepted_keeps_the_tier_before(empty: Database) -> None:
    policy = policy_with(review=ASKS)
    publish(empty, policy, DAYS[0], {"c1": "B", "c2": "C"})
    this, review = decide(empty, policy, DAYS[1], {"c1": "A", "c2": "A", "c3": "A"})
    with pytest.raises(TieringError, match="nobody was asked about customer c9; name customers of"):
        answer_requests(empty, this, "ana", approved=True, of=review.requests[:1], but_not=["c1", "c9"])
    answer_requests(empty, this, "ana", approved=True, of=review.requests[:1], but_not=["c1", "c3"])
    answer_requests(empty, this, "bo", approved=True, of=review.requests[1:])
    publish_run(empty, policy, this, review)
    assert stands(empty) == {"c1": "B held", "c2": "A", "c3": "B held"}
    moved = {row[0]: row[1:4] for row in changes(empty, DAYS[1])}
    assert moved == {"c2": ("C", "A", "measures"), "c3": (None, "B", "review")}
    asked = query(empty, "SELECT customer_id, tier_before, is_approved FROM tiering.approval_customer ORDER BY 1")
    assert asked == [("c1", "B", False), ("c2", "C", True), ("c3", None, False)]
    assert broken_invariants(empty) == set()


def test_a_policy_that_publishes_meanwhile_keeps_the_tier_before_until_the_answer(empty: Database) -> None:
    policy = policy_with(review=MEANWHILE)
    for day, tiers in ((DAYS[0], {"c1": "C", "c2": "D"}), (DAYS[1], {"c1": "A", "c2": "C"})):
        this, review = decide(empty, policy, day, tiers)
        assert publish_run(empty, policy, this, review).status == "published"
    assert stands(empty) == {"c1": "C pending", "c2": "C"}
    answered = date(2026, 1, 8)
    with pytest.raises(TieringError, match="not answered"):
        settle_answers(empty, policy, this, review, answered)
    answer_requests(empty, this, "ana", approved=True, of=review.requests, effective_on=answered)
    settle_answers(empty, policy, this, review, answered)
    before = contents(empty, "tiering")
    assert publish_people(empty, policy, answered).status == "published"
    assert stands(empty) == {"c1": "A", "c2": "C"}
    assert changes(empty, answered) == [("c1", "C", "A", "review", "[]")]
    assert query(empty, "SELECT revision, run_id FROM tiering.run WHERE as_of = :day", day=answered) == [
        (0, run_id_of("asked", answered, 0))
    ]
    assert contents(empty, "tiering") != before
    after = contents(empty, "tiering")
    assert publish_people(empty, policy, answered).status == "noop"
    assert contents(empty, "tiering") == after
    assert broken_invariants(empty) == set()


def test_a_refusal_meanwhile_leaves_everybody_where_they_are(empty: Database) -> None:
    policy = policy_with(review=MEANWHILE)
    publish(empty, policy, DAYS[0], {"c1": "C"})
    this, review = decide(empty, policy, DAYS[1], {"c1": "A"})
    publish_run(empty, policy, this, review)
    answer_requests(empty, this, "ana", approved=False, effective_on=DAYS[1])
    publish_people(empty, policy, DAYS[2])
    assert stands(empty) == {"c1": "C held"}
    assert query(empty, "SELECT status FROM tiering.run WHERE revision > 0") == [("published",)] * 2


def test_the_total_of_limits_holds_a_publication_with_its_numbers(empty: Database) -> None:
    policy = policy_with(
        review="{breaker: {limit_share: 0.25}}",
        terms="{A: {credit_limit: 1000000}, B: {credit_limit: 500000}, C: {credit_limit: 0}}",
    )
    publish(empty, policy, DAYS[0], {f"c{number}": "B" for number in range(4)})
    _, review = decide(empty, policy, DAYS[1], {"c0": "A", "c1": "B", "c2": "B", "c3": "B"})
    assert review.requests == ()  # exactly a quarter more
    _, review = decide(empty, policy, DAYS[1], {"c0": "A", "c1": "A", "c2": "B", "c3": "B"})
    assert [(one.task, one.asked_of, one.text) for one in review.requests] == [
        (
            "release",
            "policy_owner",
            "circuit breaker: the limits that tiers state would change from 2000000 to 3000000 in total, "
            "more than 25 %",
        )
    ]
    assert query(empty, "SELECT status FROM tiering.run WHERE as_of = :day", day=DAYS[1]) == [("held",)]


def test_a_budget_that_changes_more_than_a_share_holds_a_publication(empty: Database) -> None:
    policy = policy_with(
        review="{breaker: {limit_share: 0.25}}",
        credit="{budget: credit_budget, sales: level, multiplier: {A: 1, B: 1, C: 0, D: 0}}",
    )
    years = {2025: Decimal(1000), 2026: Decimal("1250.01")}
    plan = {"revenue_budget": Decimal(1), "gross_margin_rate": Decimal(1), "vat_rate": Decimal(0)}
    tell(empty, "plan", [{"year": year, **plan, "credit_budget": amount} for year, amount in years.items()])
    publish(empty, policy, DAYS[0], {"c1": "B"})
    _, review = decide(empty, policy, DAYS[1], {"c1": "B"})
    assert [one.text for one in review.requests] == [
        "circuit breaker: the budget of credit would change from 1000.00 to 1250.01, more than 25 %"
    ]
    query(empty, "UPDATE facts.plan SET credit_budget = 1250 WHERE year = 2026 RETURNING 1")
    _, review = decide(empty, policy, DAYS[1], {"c1": "B"})
    assert review.requests == ()


def close(database: Database, through: date, policy_id: str | None = None) -> None:
    query(
        database,
        "INSERT INTO tiering.closed_period (policy_id, closed_through, closed_by, reason, closed_at) "
        "VALUES (:policy_id, :through, 'controller', 'year end', :now)",
        policy_id=policy_id, through=through, now=datetime.now(UTC),
    )  # fmt: skip


def test_a_closed_period_changes_only_for_a_reason_that_the_owner_approves(empty: Database) -> None:
    policy = policy_with()
    publish(empty, policy, DAYS[1], {"c1": "B"})
    close(empty, DAYS[1])
    with pytest.raises(TieringError, match="controller closed everything through 2025-12-31, and 2025-11-30 is part"):
        decide(empty, policy, DAYS[0], {"c1": "A"})
    with pytest.raises(TieringError, match="is published, and the facts behind it changed since"):
        decide(empty, policy, DAYS[1], {"c1": "A"})
    assert stage_rows(empty, policy, DAYS[1], [{"account_id": "c1", "level": 3, "refunds": 0}]).is_noop
    this, review = decide(empty, policy, DAYS[1], {"c1": "A"}, restate="late invoice")
    assert [(one.task, one.text) for one in review.requests] == [
        (
            "release",
            "closed period: controller closed everything through 2025-12-31; it would change because: late invoice",
        )
    ]
    with pytest.raises(TieringError, match="not answered: closed period"):
        publish_run(empty, policy, this, review)
    answer_requests(empty, this, "owner", approved=True)
    publish_run(empty, policy, this, review)
    publish(empty, policy, DAYS[2], {"c1": "A"})  # after it, nobody is asked
    close(empty, DAYS[0], "other")
    close(empty, date(2025, 10, 31))  # a newer closing opens the days after it again
    this, review = decide(empty, policy, DAYS[0], {"c1": "A"})
    assert review.requests == ()
    assert broken_invariants(empty) == set()


def test_a_day_that_is_closed_before_its_run_is_published_stays_closed(empty: Database) -> None:
    policy = policy_with()
    this, review = decide(empty, policy, DAYS[0], {"c1": "A"})
    close(empty, DAYS[0], "asked")
    with pytest.raises(TieringError, match="closed everything through 2025-11-30 since it was decided; nothing was"):
        publish_run(empty, policy, this, review)
    assert stands(empty) == {}


def test_a_class_in_a_closed_period_is_published_for_a_reason_too(empty: Database) -> None:
    policy = policy_with(publishes="class")
    close(empty, DAYS[0])
    with pytest.raises(TieringError, match="controller closed everything through 2025-11-30"):
        decide(empty, policy, DAYS[0], {"c1": "A"})
    this, review = decide(empty, policy, DAYS[0], {"c1": "A"}, restate="late")
    assert [request.task for request in review.requests] == ["release"]
    answer_requests(empty, this, "owner", approved=True)
    again, review = decide(empty, policy, DAYS[0], {"c1": "A"}, restate="late")
    assert review.requests == ()  # the owner's word stands
    assert publish_run(empty, policy, again, review).status == "published"


def test_a_move_that_came_late_names_what_had_changed_when_it_was_last_kept(empty: Database) -> None:
    policy = policy_with(movement="{down: {after: 2}, down_at_once: refunds > 0}")
    for day, tiers in zip(
        DAYS, ({"c1": "A", "c2": "A"}, {"c1": "C", "c2": "A"}, {"c1": "C", "c2": "B!"}, {"c1": "C", "c2": "B"}),
        strict=True,
    ):  # fmt: skip
        publish(empty, policy, day, tiers)
    assert changes(empty, DAYS[1]) == []
    c1, c2 = changes(empty, DAYS[2])
    assert c1[:4] == ("c1", "A", "C", "movement")
    assert json.loads(c1[4]) == [{"indicator": "level", "before": "4", "after": "2"}]
    assert c2[:4] == ("c2", "A", "B", "measures")
    assert json.loads(c2[4]) == [{"indicator": "level", "before": "4", "after": "3"}]
    assert broken_invariants(empty) == set()


def test_who_will_go_down_is_told_ahead(empty: Database) -> None:
    policy = policy_with(movement="{grace: 2 months, notice: 45 days}")
    publish(empty, policy, DAYS[0], {"c1": "A", "c2": "A"})
    publish(empty, policy, DAYS[1], {"c1": "C", "c2": "A"})
    notices = "SELECT customer_id, tier, to_tier, falls_on, found_since, as_of FROM tiering.tier_notice"
    assert query(empty, notices) == []  # 59 days ahead
    publish(empty, policy, DAYS[2], {"c1": "D", "c2": "A"})
    assert query(empty, notices) == [("c1", "A", "D", DAYS[3], DAYS[1], DAYS[2])]
    publish(empty, policy, DAYS[3], {"c1": "D", "c2": "A"})
    assert (query(empty, notices), stands(empty)) == ([], {"c1": "D", "c2": "A"})
    assert broken_invariants(empty) == set()


def test_a_task_for_who_held_a_tier_long_enough(empty: Database) -> None:
    task = "{tasks: {exit: {tiers: [D], held_for: 2 months, within_days: 30, title: {en: Exit review}}}}"
    policy = policy_with(follow_up=task)
    for day, tiers in zip(DAYS, ({"c1": "D", "c2": "C"}, *[{"c1": "D", "c2": "D"}] * 3), strict=True):
        publish(empty, policy, day, tiers)
        owed = query(empty, "SELECT customer_id, opened_on FROM tiering.task ORDER BY 1")
        assert owed == (
            [] if day < DAYS[2] else [("c1", DAYS[2])] if day < DAYS[3] else [("c1", DAYS[2]), ("c2", DAYS[3])]
        )
    assert stands(empty) == {"c1": "D", "c2": "D"}  # nobody leaves by itself
