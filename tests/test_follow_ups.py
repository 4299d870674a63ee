"""Follow-ups: who is due on which day, which tasks stand, whether service levels are kept, who has too many."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest
from companies import (
    ENGINES,
    Said,
    Warehouses,
    batch_of,
    contents,
    customer,
    embedded,
    empty,
    fresh,
    policies_for,
    publish,
    publish_rows,
    query,
    said,
    sale,
    stage_rows,
    tell,
    warehouses,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from test_invariants import broken_invariants

from sql.connect import Database, connected, kept_open
from sql.errors import TieringError
from sql.follow_ups import Overload, find_overloads, write_follow_ups, write_service_levels
from sql.review import review_run
from tests.indicator_frames import CASES, indicator_frame
from tiering import jobs
from transforms.decide import TASK_COLUMNS, decide_tiers
from transforms.policy import Policy, parse_policy

NAMES = (
    "aftersales_service", "call_service", "dealership_lifecycle", "pipeline_stage", "pyramid",
    "relationship_abcd", "suitability",
)  # fmt: skip
POLICIES = policies_for(*NAMES)
PIPELINE = POLICIES["pipeline_stage"]
# Its exit review without the months that D must have been held, so that a task comes with its first run.
RELATIONS = parse_policy(re.sub(r" +held_for: .*\n", "", POLICIES["relationship_abcd"].text), "relationship_abcd.yaml")
SUITABILITY, CALLS = POLICIES["suitability"], POLICIES["call_service"]
BEGIN = date(2025, 12, 31)
DAY = timedelta(days=1)


def rows_by_tier(policy: Policy) -> dict[str, dict[str, Any]]:
    """Return for every tier (or reason) indicators that give it: the first such case of the policy."""
    rows: dict[str, dict[str, Any]] = {}
    for case in CASES[policy.id]:
        rows.setdefault(case["expect"].get("tier") or case["expect"]["reason"], case["given"])
    return rows


ROWS = {policy.id: rows_by_tier(policy) for policy in POLICIES.values()}


def held_by(policy: Policy, tiers: Mapping[str, str], **managers: str) -> list[dict[str, Any]]:
    """Return a row per account that gives it the tier."""
    return [
        {**ROWS[policy.id][tier], "account_id": account, "account_manager_id": managers.get(account, "M1")}
        for account, tier in tiers.items()
    ]


def know(database: Database, *customers: str) -> None:
    tell(
        database,
        "customers",
        [{"customer_id": name, "name": name, "account_manager_id": "M1", "holds_from": BEGIN} for name in customers],
    )


def meet(database: Database, customer_id: str, *days: date) -> None:
    tell(
        database,
        "contacts",
        [
            {"contact_id": f"{customer_id} {day}", "customer_id": customer_id, "contacted_on": day, "channel": "phone"}
            for day in days
        ],
    )


def listed(database: Database, policy: Policy, day: date, columns: str = "customer_id, due_on, overdue_days") -> Any:
    """Write the list of a day and return it."""
    with connected(database, "tiering_warehouse") as connection:
        rows = write_follow_ups(connection, policy, day)
    found = query(
        database,
        f"SELECT {columns} FROM tiering.follow_up WHERE policy_id = :id AND as_of = :day ORDER BY customer_id, reason",
        id=policy.id,
        day=day,
    )
    assert len(found) == rows == query(database, "SELECT COUNT(*) FROM tiering.follow_up")[0][0]
    return found


# Cadence


def test_the_pipeline_is_contacted_as_the_journals_say() -> None:
    """S46: A daily, B weekly, C every 15 days, D every 30, E once a year."""
    assert PIPELINE.follow_up.every_days == {"A": 1, "B": 7, "C": 15, "D": 30, "E": 365}
    assert set(PIPELINE.tiers) == set(ROWS["pipeline_stage"]) == set("ABCDE")


@pytest.mark.parametrize("policy", [PIPELINE, RELATIONS], ids=lambda policy: policy.grain)
def test_a_contact_is_due_so_many_days_after_the_last_one(policy: Policy, empty: Database) -> None:
    """Not the day before, on the day with nothing overdue, a day later overdue by one; later contacts are unseen."""
    last = date(2026, 2, 28)
    days = policy.follow_up.every_days
    owners = {tier: f"C{tier}" for tier in days}
    accounts = {tier: f"O{tier}" if policy is PIPELINE else owners[tier] for tier in days}
    know(empty, *owners.values())
    if policy is PIPELINE:
        tell(
            empty,
            "opportunities",
            [{"opportunity_id": accounts[tier], "customer_id": owners[tier], "stage": "lead"} for tier in days],
        )
    publish_rows(empty, policy, BEGIN, held_by(policy, {accounts[tier]: tier for tier in days}))
    for tier, every in days.items():
        due = last + every * DAY
        meet(empty, owners[tier], last - 3 * DAY, last, due + 2 * DAY)
        reason = "reason = 'cadence'"
        for late in (-1, 0, 1):
            listed(empty, policy, due + late * DAY)
            found = query(
                empty,
                f"SELECT reason, tier, last_contact_on, due_on, overdue_days, account_manager_id "
                f"FROM tiering.follow_up WHERE customer_id = :id AND {reason}",
                id=accounts[tier],
            )
            assert found == ([("cadence", tier, last, due, late, "M1")] if late >= 0 else []), (tier, late)
        listed(empty, policy, due + 2 * DAY)
        again = query(empty, f"SELECT 1 FROM tiering.follow_up WHERE customer_id = :id AND {reason}", id=accounts[tier])
        assert again == []
    assert broken_invariants(empty) == set()


def test_without_a_known_contact_the_days_count_from_the_beginning_of_the_tier(embedded: Database) -> None:
    """Another status of the same tier does not begin it again; another tier does."""
    know(embedded, "C1")
    tell(embedded, "opportunities", [{"opportunity_id": "O1", "customer_id": "C1", "stage": "lead"}])
    unasked = {"account_id": "O1", "is_refused": False, "has_explicit_need": None}
    publish_rows(embedded, PIPELINE, BEGIN, [unasked])
    publish_rows(embedded, PIPELINE, BEGIN + 10 * DAY, [{**unasked, "has_explicit_need": False}])
    spells = query(embedded, "SELECT tier, status FROM tiering.customer_tier_history ORDER BY valid_from")
    assert spells == [("D", "provisional"), ("D", "final")]
    assert listed(embedded, PIPELINE, BEGIN + 29 * DAY) == []
    assert listed(embedded, PIPELINE, BEGIN + 30 * DAY) == [("O1", BEGIN + 30 * DAY, 0)]
    publish_rows(embedded, PIPELINE, BEGIN + 40 * DAY, held_by(PIPELINE, {"O1": "B"}))
    assert listed(embedded, PIPELINE, BEGIN + 46 * DAY) == []
    assert listed(embedded, PIPELINE, BEGIN + 48 * DAY) == [("O1", BEGIN + 47 * DAY, 1)]
    meet(embedded, "C1", BEGIN + 1 * DAY)  # an older contact than the tier counts all the same
    assert listed(embedded, PIPELINE, BEGIN + 40 * DAY) == [("O1", BEGIN + 8 * DAY, 32)]


def test_a_list_of_an_earlier_day_holds_the_tiers_of_that_day(embedded: Database) -> None:
    know(embedded, "C1", "C2")
    for day, tiers in ((BEGIN, {"C1": "D"}), (BEGIN + 90 * DAY, {"C1": "A", "C2": "A"})):
        publish_rows(embedded, RELATIONS, day, held_by(RELATIONS, tiers))
    listed(embedded, RELATIONS, BEGIN + 365 * DAY)
    assert query(embedded, "SELECT DISTINCT tier FROM tiering.follow_up") == [("A",)]
    listed(embedded, RELATIONS, BEGIN + 89 * DAY)
    assert query(embedded, "SELECT customer_id, tier FROM tiering.follow_up") == []
    meet(embedded, "C1", BEGIN - 300 * DAY)
    assert listed(embedded, RELATIONS, BEGIN + 89 * DAY, "customer_id, tier, due_on") == [("C1", "D", BEGIN + 65 * DAY)]
    assert listed(embedded, RELATIONS, BEGIN - DAY) == []


def test_who_has_left_is_on_no_list(embedded: Database) -> None:
    know(embedded, "C1", "C2")
    publish_rows(embedded, RELATIONS, BEGIN, held_by(RELATIONS, {"C1": "A", "C2": "A"}))
    publish_rows(embedded, RELATIONS, BEGIN + 90 * DAY, held_by(RELATIONS, {"C1": "A", "C2": "gate:has_bought"}))
    assert listed(embedded, RELATIONS, BEGIN + 91 * DAY) == [("C1", BEGIN + 30 * DAY, 61)]


def test_a_class_policy_has_its_cadence_too(empty: Database) -> None:
    policy = POLICIES["dealership_lifecycle"]
    know(empty, "C1", "C2")
    publish_rows(empty, policy, BEGIN, held_by(policy, {"C1": "B1", "C2": "A1"}))
    publish_rows(empty, policy, BEGIN + 31 * DAY, held_by(policy, {"C1": "B1", "C2": "A1"}))
    every = policy.follow_up.every_days
    columns = "customer_id, tier, last_contact_on, due_on"
    listed(empty, policy, BEGIN + every["B1"] * DAY)
    cadence = f"SELECT {columns} FROM tiering.follow_up WHERE reason = 'cadence'"
    assert query(empty, cadence) == [("C1", "B1", None, BEGIN + every["B1"] * DAY)]
    meet(empty, "C2", BEGIN - 60 * DAY)
    listed(empty, policy, BEGIN + every["B1"] * DAY)
    assert query(empty, f"{cadence} AND customer_id = 'C2'") == [
        ("C2", "A1", BEGIN - 60 * DAY, BEGIN + (every["A1"] - 60) * DAY)
    ]


def test_a_group_is_contacted_when_any_of_its_members_is(empty: Database) -> None:
    text = RELATIONS.text.replace("grain: customer", "grain: group").replace("id: relationship_abcd", "id: groups")
    policy = parse_policy(text, "groups.yaml")
    rows = [{**row, "account_id": "G1"} for row in held_by(RELATIONS, {"G1": "A"})]
    row = {"name": "x", "account_manager_id": "M1", "holds_from": BEGIN, "group_id": "G1"}
    tell(empty, "customers", [{"customer_id": "C1", **row}, {"customer_id": "C2", **row}])
    publish_rows(empty, policy, BEGIN, rows)
    meet(empty, "C1", BEGIN + 5 * DAY)
    meet(empty, "C2", BEGIN + 9 * DAY)
    assert listed(empty, policy, BEGIN + 40 * DAY) == [("G1", BEGIN + 39 * DAY, 1)]


# Against a plain model

HORIZON = 40
CUSTOMERS = ("C1", "C2", "C3")
TIERS = st.sampled_from([*"ABCDE", None])
PUBLICATIONS = st.lists(st.integers(0, HORIZON), min_size=1, max_size=3, unique=True).flatmap(
    lambda days: st.fixed_dictionaries({day: st.tuples(*[TIERS] * len(CUSTOMERS)) for day in days})
)


def model_list(
    published: Mapping[int, Sequence[str | None]], contacts: Sequence[tuple[int, int]], day: int
) -> list[tuple[str, date, int]]:
    """Return who is due on a day, looked up day by day."""
    due = []
    for place, name in enumerate(CUSTOMERS):
        states = [published[on][place] for on in sorted(published) if on <= day]
        begun = [on for on in sorted(published) if on <= day]
        if not states or states[-1] is None:
            continue
        number = len(states) - 1
        while number > 0 and states[number - 1] == states[-1]:
            number -= 1
        seen = [on for who, on in contacts if who == place and on <= day]
        on = (max(seen) if seen else begun[number]) + PIPELINE.follow_up.every_days[str(states[-1])]
        if on <= day:
            due.append((f"O{name}", BEGIN + on * DAY, day - on))
    return due


@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    published=PUBLICATIONS,
    order=st.randoms(use_true_random=False),
    contacts=st.lists(st.tuples(st.integers(0, 2), st.integers(-20, HORIZON + 20)), max_size=6, unique=True),
    days=st.lists(st.integers(0, HORIZON + 20), min_size=3, max_size=3, unique=True),
)
def test_the_list_is_that_of_a_plain_model(
    warehouses: Warehouses,
    published: Mapping[int, Sequence[str | None]],
    order: Any,
    contacts: list[tuple[int, int]],
    days: list[int],
) -> None:
    database = warehouses.empty("duckdb")
    plain = parse_policy(PIPELINE.text[: PIPELINE.text.index("  tasks:")], "pipeline_stage.yaml")
    with kept_open(database):
        know(database, *CUSTOMERS)
        tell(
            database,
            "opportunities",
            [{"opportunity_id": f"O{name}", "customer_id": name, "stage": "lead"} for name in CUSTOMERS],
        )
        runs = list(published)
        order.shuffle(runs)
        for on in runs:
            tiers = {f"O{name}": tier for name, tier in zip(CUSTOMERS, published[on], strict=True) if tier}
            publish_rows(database, plain, BEGIN + on * DAY, held_by(plain, tiers))
        for who, on in contacts:
            meet(database, CUSTOMERS[who], BEGIN + on * DAY)
        for day in days:
            assert listed(database, plain, BEGIN + day * DAY) == model_list(published, contacts, day)
    warehouses.drop(database)


# Tasks

TASKS = "SELECT customer_id, task, opened_on, due_on, done_by_contact FROM tiering.task ORDER BY customer_id, task"


def event(number: str, *, abnormal: int = 0, life: int = 0, **row: Any) -> dict[str, Any]:
    known = {"assets": 60_000, "risk_tolerance": 3, "product_risk": 3, "dependence": None}
    return {"account_id": number, **known, "abnormal_events": abnormal, "life_events": life, **row}


def tasks_of(policy: Policy, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    tasks = decide_tiers(policy, indicator_frame(policy, rows)).tasks
    assert list(tasks.columns) == list(TASK_COLUMNS)
    return sorted(tasks.itertuples(index=False, name=None))


def test_a_compliance_contact_is_owed_whether_graded_or_not() -> None:
    """S7: an abnormal event is contacted, also where a gate keeps the customer from being graded."""
    rows = [
        event("graded", abnormal=1),
        event("risky", abnormal=1, product_risk=5),
        event("unknown", abnormal=2, life=1, risk_tolerance=None),
        event("quiet", product_risk=5),
        event("key", assets=200_000),
        event("risky and rich", assets=200_000, product_risk=5),
    ]
    assert tasks_of(SUITABILITY, rows) == [
        ("graded", "compliance_contact"),
        ("key", "account_diagnosis"),
        ("risky", "compliance_contact"),
        ("unknown", "compliance_contact"),
        ("unknown", "life_event_contact"),
    ]
    assert tasks_of(SUITABILITY, []) == []


def test_a_missing_count_of_events_owes_nothing() -> None:
    assert tasks_of(SUITABILITY, [{**event("C1"), "abnormal_events": None, "life_events": None}]) == []


def test_an_exit_review_is_a_task_and_moves_nobody(embedded: Database) -> None:
    """S8: D is evaluated, and stopped by people; nothing happens by itself."""
    know(embedded, "C1", "C2")
    rows = held_by(RELATIONS, {"C1": "D", "C2": "C"})
    without = parse_policy(RELATIONS.text[: RELATIONS.text.index("  tasks:")], "relationship_abcd.yaml")
    decisions = [decide_tiers(policy, indicator_frame(policy, rows)).decisions for policy in (RELATIONS, without)]
    assert decisions[0]["computed_tier"].equals(decisions[1]["computed_tier"])
    publish_rows(embedded, RELATIONS, BEGIN, rows)
    assert query(embedded, TASKS) == [("C1", "exit_review", BEGIN, BEGIN + 30 * DAY, False)]
    assert query(embedded, "SELECT customer_id, tier FROM tiering.customer_tier ORDER BY 1") == [
        ("C1", "D"),
        ("C2", "C"),
    ]
    columns = "customer_id, reason, title_en, title_zh, tier, due_on, overdue_days"
    title = ("Exit review - keep or stop; decided by people", "退出评估——保留或停止，由人工决定")
    review = ("C1", "exit_review", *title, "D", BEGIN + 30 * DAY)
    assert listed(embedded, RELATIONS, BEGIN, columns) == [(*review, 0)]  # it stands from the day it was opened
    assert listed(embedded, RELATIONS, BEGIN + 30 * DAY, columns) == [(*review, 0)]
    meet(embedded, "C1", BEGIN + 30 * DAY)  # a contact does not do it
    assert listed(embedded, RELATIONS, BEGIN + 31 * DAY, columns) == [(*review, 1)]
    publish_rows(embedded, RELATIONS, BEGIN + 90 * DAY, rows)
    assert query(embedded, TASKS) == [("C1", "exit_review", BEGIN, BEGIN + 30 * DAY, False)]
    publish_rows(embedded, RELATIONS, BEGIN + 181 * DAY, held_by(RELATIONS, {"C1": "C", "C2": "C"}))
    assert query(embedded, TASKS) == []
    assert [row for row in listed(embedded, RELATIONS, BEGIN + 181 * DAY, columns) if row[1] == "exit_review"] == []
    assert query(embedded, "SELECT customer_id, tier FROM tiering.customer_tier ORDER BY 1") == [
        ("C1", "C"),
        ("C2", "C"),
    ]


def test_the_shipped_exit_review_waits_for_two_quarters(embedded: Database) -> None:
    """S8 names no time; six months are ours."""
    shipped = POLICIES["relationship_abcd"]
    know(embedded, "C1")
    found = []
    for day in (BEGIN, date(2026, 3, 31), date(2026, 6, 30)):
        publish_rows(embedded, shipped, day, held_by(shipped, {"C1": "D"}))
        found.append(query(embedded, TASKS))
    assert found == [[], [], [("C1", "exit_review", date(2026, 6, 30), date(2026, 7, 30), False)]]


def test_a_task_that_comes_back_is_opened_again(embedded: Database) -> None:
    know(embedded, "C1")
    for months, tier in enumerate("DCD"):
        publish_rows(embedded, RELATIONS, BEGIN + months * 90 * DAY, held_by(RELATIONS, {"C1": tier}))
    assert query(embedded, TASKS) == [("C1", "exit_review", BEGIN + 180 * DAY, BEGIN + 210 * DAY, False)]


def test_an_earlier_day_out_of_order_leaves_the_tasks_alone(embedded: Database) -> None:
    know(embedded, "C1", "C2")
    publish_rows(embedded, RELATIONS, BEGIN, held_by(RELATIONS, {"C1": "D", "C2": "A"}))
    before = query(embedded, TASKS)
    publish_rows(embedded, RELATIONS, BEGIN - 92 * DAY, held_by(RELATIONS, {"C1": "A", "C2": "D"}))
    assert query(embedded, TASKS) == before
    assert query(embedded, "SELECT COUNT(*) FROM work.task") == [(0,)]
    assert broken_invariants(embedded) == set()


def test_a_restatement_of_the_latest_day_opens_and_closes_tasks(embedded: Database) -> None:
    know(embedded, "C1", "C2")
    publish_rows(embedded, RELATIONS, BEGIN, held_by(RELATIONS, {"C1": "D", "C2": "A"}))
    publish_rows(embedded, RELATIONS, BEGIN, held_by(RELATIONS, {"C1": "A", "C2": "D"}), restate="mixed up")
    assert query(embedded, TASKS) == [("C2", "exit_review", BEGIN, BEGIN + 30 * DAY, False)]


def test_only_a_contact_after_its_opening_ends_a_task_that_is_done_by_contact(empty: Database) -> None:
    know(empty, "C1", "C2")
    columns = "customer_id, reason, tier, last_contact_on, due_on, overdue_days"
    where = "WHERE reason = 'compliance_contact' ORDER BY customer_id"

    def contacts_owed(day: date) -> list[tuple[Any, ...]]:
        listed(empty, SUITABILITY, day)
        return query(empty, f"SELECT {columns} FROM tiering.follow_up {where}")

    def run_day(day: date, abnormal: int) -> None:
        publish_rows(
            empty, SUITABILITY, day, [event("C1", abnormal=abnormal), event("C2", abnormal=abnormal, product_risk=5)]
        )

    meet(empty, "C1", BEGIN)  # on the very day, which may have been before the event
    run_day(BEGIN, 1)
    due = BEGIN + DAY
    assert contacts_owed(BEGIN) == [
        ("C1", "compliance_contact", "standard", BEGIN, due, 0),
        ("C2", "compliance_contact", None, None, due, 0),  # not graded, and owed all the same
    ]
    run_day(BEGIN + 5 * DAY, 1)
    meet(empty, "C1", BEGIN + 6 * DAY)
    assert [row[:1] + row[5:] for row in contacts_owed(BEGIN + 5 * DAY)] == [("C1", 4), ("C2", 4)]
    assert [row[0] for row in contacts_owed(BEGIN + 6 * DAY)] == ["C2"]
    run_day(BEGIN + 7 * DAY, 1)  # the same event is still seen: the contact has been made
    assert [row[0] for row in contacts_owed(BEGIN + 7 * DAY)] == ["C2"]
    run_day(BEGIN + 31 * DAY, 0)  # the event is out of sight, and C2 was never contacted
    assert query(empty, TASKS) == [("C2", "compliance_contact", BEGIN, due, True)]
    assert contacts_owed(BEGIN + 31 * DAY) == [("C2", "compliance_contact", None, None, due, 30)]
    meet(empty, "C2", BEGIN + 32 * DAY)
    assert contacts_owed(BEGIN + 32 * DAY) == []
    run_day(BEGIN + 32 * DAY, 0)
    assert query(empty, TASKS) == []
    run_day(BEGIN + 60 * DAY, 1)  # another event, another task
    assert query(empty, TASKS) == [
        (name, "compliance_contact", BEGIN + 60 * DAY, BEGIN + 61 * DAY, True) for name in ("C1", "C2")
    ]
    assert broken_invariants(empty) == set()


def test_a_task_of_somebody_out_of_scope_goes_and_one_opened_by_mistake_too(embedded: Database) -> None:
    know(embedded, "C1", "C2")
    publish_rows(embedded, SUITABILITY, BEGIN, [event("C1", abnormal=1), event("C2", abnormal=1)])
    publish_rows(embedded, SUITABILITY, BEGIN, [event("C1", abnormal=1), event("C2")], restate="not C2's")
    assert [row[0] for row in query(embedded, TASKS)] == ["C1"]
    publish_rows(embedded, SUITABILITY, BEGIN + DAY, [event("C2")])
    assert query(embedded, TASKS) == []


def test_a_task_that_the_policy_no_longer_has_goes(embedded: Database) -> None:
    know(embedded, "C1")
    publish_rows(embedded, SUITABILITY, BEGIN, [event("C1", abnormal=1)])
    without = parse_policy(SUITABILITY.text[: SUITABILITY.text.index("  tasks:")], "suitability.yaml")
    publish_rows(embedded, without, BEGIN + DAY, [event("C1", abnormal=1)])
    assert query(embedded, TASKS) == []


@pytest.mark.postgres
def test_both_engines_list_the_same(warehouses: Warehouses) -> None:
    found = []
    for engine in ("duckdb", "postgresql"):
        database = warehouses.empty(engine)
        with kept_open(database):
            know(database, *(f"C{number}" for number in range(9)))
            tiers = {f"C{number}": "ABCD"[number % 4] for number in range(9)}
            publish_rows(database, RELATIONS, BEGIN, held_by(RELATIONS, tiers))
            publish_rows(
                database, SUITABILITY, BEGIN, [event(f"C{number}", abnormal=number % 2) for number in range(9)]
            )
            for number in range(0, 9, 2):
                meet(database, f"C{number}", BEGIN + number * DAY)
            with connected(database, "tiering_warehouse") as connection:
                for policy in (RELATIONS, SUITABILITY):
                    assert write_follow_ups(connection, policy, BEGIN + 65 * DAY) >= 4
            tables = contents(database, "tiering")
        found.append({name: tables[f"tiering.{name}"] for name in ("follow_up", "task")})
        warehouses.drop(database)
    assert found[0] == found[1]


# The job


def test_the_list_waits_for_its_facts_and_holds_no_other_day(said: Said) -> None:
    with pytest.raises(TieringError, match="the list of 2024-01-31 needs the facts of that day, and none were loaded"):
        jobs.follow_up(said.database, POLICIES, date(2024, 1, 31))
    said.load(batch_of("2024-01"))
    with pytest.raises(
        TieringError, match="the list of 2024-02-01 needs .* which reach 2024-01-31; run customer_facts"
    ):
        jobs.follow_up(said.database, POLICIES, date(2024, 2, 1))
    publish_rows(said.database, RELATIONS, date(2023, 12, 31), held_by(RELATIONS, {"C1": "A"}))
    day = date(2024, 1, 30)
    found = jobs.follow_up(said.database, {RELATIONS.id: RELATIONS}, day)
    assert found == {"follow_ups": 1, "provisional_grades": 0, "visit_plans": 1, "service_levels": 0, "queued": 0}
    without = parse_policy(RELATIONS.text[: RELATIONS.text.index("follow_up:")], "relationship_abcd.yaml")
    assert jobs.follow_up(said.database, {RELATIONS.id: without}, day) == dict.fromkeys(found, 0)
    assert query(said.database, "SELECT COUNT(*) FROM tiering.follow_up") == [(0,)]
    jobs.follow_up(said.database, {RELATIONS.id: RELATIONS}, day)
    jobs.follow_up(said.database, {CALLS.id: CALLS}, date(2024, 1, 31))  # the other policy is no longer there
    assert query(said.database, "SELECT COUNT(*) FROM tiering.follow_up") == [(0,)]


# Span of control


def test_a_manager_with_one_customer_more_than_the_span_is_found(
    empty: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """S11, S25: exactly the span is as many as one can look after; the warning names nobody else than the manager."""
    text = POLICIES["pyramid"].text
    for before, after in (("span: 10", "span: 3"), ("span: 30", "span: 2"), ("span: 80", "span: 1")):
        assert before in text
        text = text.replace(before, after)
    policy = parse_policy(text.replace("id: pyramid", "id: small_pyramid"), "small_pyramid.yaml")
    best, second = ROWS["pyramid"]["platinum"], ROWS["pyramid"]["gold"]
    numbers = iter(range(1, 100))

    def looked_after(manager: str | None, row: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
        return [
            {**row, "account_id": f"Canary {next(numbers)} GmbH", "account_manager_id": manager} for _ in range(count)
        ]

    rows = [
        *looked_after("M-exact", best, 3),
        *looked_after("M-over", best, 4),
        *looked_after("M-over", second, 3),
        *looked_after("M-both", best, 3),
        *looked_after("M-both", second, 2),
        *looked_after(None, best, 5),
    ]
    this = stage_rows(empty, policy, BEGIN, rows)
    review = review_run(empty, policy, this)
    plain = {**asdict(this), "as_of": this.as_of.isoformat(), "facts_through": this.facts_through.isoformat()}
    staged = {"run": plain, "review": asdict(review)}
    with caplog.at_level(logging.WARNING, logger="tiering"):
        assert jobs.publish(empty, policy, staged)["status"] == "published"
    lines = [record.getMessage() for record in caplog.records if record.name == "tiering.jobs"]
    assert lines == [
        "policy small_pyramid: account manager M-over has 4 customers of tier platinum, more than 3",
        "policy small_pyramid: account manager (nobody) has 5 customers of tier platinum, more than 3",
        "policy small_pyramid: account manager M-over has 3 customers of tier gold, more than 2",
    ]
    assert "Canary" not in caplog.text
    with connected(empty, "tiering_warehouse") as connection:
        overloads = find_overloads(connection, policy)
    assert overloads[0] == Overload("small_pyramid", "platinum", "M-over", 4, 3)
    assert jobs.check_spans(empty, policy) == 3


# Service levels

JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
LEVELS = (
    "SELECT attained_share, events FROM tiering.service_level "
    "WHERE policy_id = :id AND tier = :tier AND target = :target AND period_start = :start"
)


def ask(database: Database, customer_id: str, *events: Mapping[str, Any]) -> None:
    number = query(database, "SELECT COUNT(*) FROM facts.service_events")[0][0]
    tell(
        database,
        "service_events",
        [
            {"event_id": f"E{place}", "customer_id": customer_id, "kind": "call", **row}
            for place, row in enumerate(events, number)
        ],
    )


def count_levels(database: Database, policy: Policy, day: date) -> int:
    with connected(database, "tiering_warehouse") as connection:
        return write_service_levels(connection, policy, day)


def level(database: Database, policy: Policy, tier: str, target: str, start: date) -> tuple[Decimal | None, int]:
    ((share, events),) = query(database, LEVELS, id=policy.id, tier=tier, target=target, start=start)
    return share, events


def opened(day: date, seconds: int | None = None, kind: str = "call", closed: date | None = None) -> dict[str, Any]:
    return {"opened_on": day, "answered_seconds": seconds, "kind": kind, "closed_on": closed}


def open_centre(database: Database) -> Database:
    """C1 is a VIP, C2 mid, C3 ordinary, from 2025-12-31 on; C4 has no tier."""
    know(database, "C1", "C2", "C3", "C4")
    publish_rows(database, CALLS, BEGIN, held_by(CALLS, {"C1": "vip", "C2": "mid", "C3": "ordinary"}))
    return database


@pytest.fixture(scope="module", params=ENGINES)
def open_once(request: pytest.FixtureRequest, warehouses: Warehouses) -> Iterator[Database]:
    database = warehouses.empty(request.param)
    with kept_open(database):
        yield open_centre(database)
    warehouses.drop(database)


@pytest.fixture
def centre(open_once: Database) -> Database:
    """Tiers that stand for the whole module, without any event."""
    for table in ("facts.service_events", "tiering.service_level"):
        query(open_once, f"DELETE FROM {table}")
    return open_once


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ([20] * 9 + [21], (Decimal("0.9"), 10)),  # exactly the VIPs' target
        ([20] * 17 + [21] * 3, (Decimal("0.85"), 20)),  # exactly the others'
        ([0] * 2 + [21], (Decimal("0.6666"), 3)),  # cut off, so that no target is attained by rounding
        ([20], (Decimal(1), 1)),
        ([21], (Decimal(0), 1)),
        ([5, None], (Decimal("0.5"), 2)),  # nobody answered
        ([], (None, 0)),
    ],
    ids=str,
)
def test_the_share_answered_in_time(calls: list[int | None], found: Any, centre: Database) -> None:
    """S24: within 20 seconds, 90 % for VIPs and 85 % for all others."""
    ask(centre, "C1", *(opened(JANUARY, seconds) for seconds in calls))
    ask(centre, "C2", opened(JANUARY, 3))
    count_levels(centre, CALLS, date(2026, 1, 31))
    assert level(centre, CALLS, "vip", "answered", JANUARY) == found
    assert level(centre, CALLS, "ordinary", "answered", JANUARY) == (None, 0)
    rows = query(
        centre,
        "SELECT tier, target, within, target_share, period_start, period_end, as_of FROM tiering.service_level "
        "WHERE period_start = :start ORDER BY tier, target",
        start=JANUARY,
    )
    end = date(2026, 1, 31)
    targets = [("answered", 20, Decimal("0.85")), ("replied", 1, Decimal(1))]
    assert rows == [
        *[("mid", *target, JANUARY, end, end) for target in targets],
        *[("ordinary", *target, JANUARY, end, end) for target in targets],
        *[("vip", *target, JANUARY, end, end) for target in (("answered", 20, Decimal("0.9")), targets[1])],
    ]


def test_what_counts_as_answered_and_what_as_replied(centre: Database) -> None:
    """Whatever says seconds is answered; a call that nobody answered is missed, and is to be called back (S24)."""
    soon, late = JANUARY + DAY, JANUARY + 2 * DAY
    ask(
        centre,
        "C1",
        opened(JANUARY, 10),  # an answered call needs no reply
        opened(JANUARY, None, closed=soon),  # called back on the next day
        opened(JANUARY, None, closed=late),  # called back too late
        opened(JANUARY, None, kind="complaint", closed=JANUARY),
        opened(JANUARY, 15, kind="chat", closed=soon),
        opened(JANUARY, 30, kind="chat", closed=None),
    )
    count_levels(centre, CALLS, date(2026, 1, 31))
    assert level(centre, CALLS, "vip", "answered", JANUARY) == (Decimal("0.4"), 5)  # two of five; not the complaint
    assert level(centre, CALLS, "vip", "replied", JANUARY) == (Decimal("0.6"), 5)  # three of five; not the first call


def test_a_source_that_never_says_seconds_has_missed_no_call(centre: Database) -> None:
    ask(centre, "C1", opened(JANUARY), opened(JANUARY, closed=JANUARY), opened(JANUARY, kind="repair"))
    count_levels(centre, CALLS, date(2026, 1, 31))
    assert level(centre, CALLS, "vip", "answered", JANUARY) == (None, 0)
    assert level(centre, CALLS, "vip", "replied", JANUARY) == (Decimal(0), 1)


@pytest.mark.parametrize(
    ("closed", "as_of", "found"),
    [
        (None, 10, (None, 0)),  # open, and there is still time
        (None, 11, (Decimal(0), 1)),  # the next day is over
        (10, 10, (Decimal(1), 1)),
        (11, 11, (Decimal(1), 1)),
        (11, 10, (None, 0)),  # closed later: open on the day
        (12, 11, (Decimal(0), 1)),
        (12, 31, (Decimal(0), 1)),
    ],
)
def test_a_reply_is_due_by_the_end_of_the_next_day(
    closed: int | None, as_of: int, found: Any, centre: Database
) -> None:
    """S36, S65: within 24 hours; facts know days, so on the day itself or the next one."""
    day = closed and date(2026, 1, closed)
    ask(centre, "C3", opened(date(2026, 1, 10), kind="complaint", closed=day))
    count_levels(centre, CALLS, date(2026, 1, as_of))
    assert level(centre, CALLS, "ordinary", "replied", JANUARY) == found


def test_each_tier_has_days_of_its_own(embedded: Database) -> None:
    """S36: the first level within 24 hours; ours: two days and five."""
    policy = POLICIES["aftersales_service"]
    know(embedded, "C1", "C2", "C3")
    publish_rows(embedded, policy, BEGIN, held_by(policy, {"C1": "vip", "C2": "senior", "C3": "standard"}))
    for name, days in (("C1", 1), ("C2", 2), ("C3", 5)):
        ask(embedded, name, *(opened(JANUARY, kind="repair", closed=JANUARY + late * DAY) for late in (days, days + 1)))
    count_levels(embedded, policy, date(2026, 1, 31))
    for tier in policy.tiers:
        assert level(embedded, policy, tier, "replied", JANUARY) == (Decimal("0.5"), 2)


def test_an_event_counts_in_its_month_and_for_the_tier_of_its_day(empty: Database) -> None:
    centre = open_centre(empty)
    ask(
        centre,
        "C1",
        opened(date(2025, 12, 30), 5),  # before the tier
        opened(date(2025, 12, 31), 5),
        opened(date(2026, 1, 31), 5),
        opened(date(2026, 2, 1), 5),
        opened(date(2026, 2, 15), 50),  # ordinary from here on
        opened(date(2026, 2, 16), 50),
        opened(date(2026, 2, 17), 5),  # after the day that is looked at
    )
    ask(centre, "C4", opened(date(2026, 2, 1), 5))  # has no tier
    tiers = {"C1": "ordinary", "C2": "mid", "C3": "ordinary"}
    publish_rows(centre, CALLS, date(2026, 2, 15), held_by(CALLS, tiers))
    count_levels(centre, CALLS, date(2026, 1, 31))
    assert level(centre, CALLS, "vip", "answered", date(2025, 12, 1)) == (Decimal(1), 1)
    assert level(centre, CALLS, "vip", "answered", JANUARY) == (Decimal(1), 1)
    count_levels(centre, CALLS, date(2026, 2, 16))
    assert level(centre, CALLS, "vip", "answered", FEBRUARY) == (Decimal(1), 1)
    assert level(centre, CALLS, "ordinary", "answered", FEBRUARY) == (Decimal(0), 2)
    ends = query(centre, "SELECT DISTINCT period_start, period_end, as_of FROM tiering.service_level ORDER BY 1")
    assert ends == [
        (date(2025, 12, 1), date(2025, 12, 31), date(2026, 1, 31)),
        (JANUARY, date(2026, 1, 31), date(2026, 2, 16)),
        (FEBRUARY, date(2026, 2, 16), date(2026, 2, 16)),
    ]


def test_what_was_still_due_at_the_end_of_a_month_counts_in_it_later(centre: Database) -> None:
    last = date(2026, 1, 31)
    ask(centre, "C2", opened(last, kind="complaint"), opened(last, kind="complaint", closed=FEBRUARY))
    count_levels(centre, CALLS, last)
    assert level(centre, CALLS, "mid", "replied", JANUARY) == (None, 0)
    count_levels(centre, CALLS, FEBRUARY)
    assert level(centre, CALLS, "mid", "replied", JANUARY) == (Decimal("0.5"), 2)
    assert level(centre, CALLS, "mid", "replied", FEBRUARY) == (None, 0)
    count_levels(centre, CALLS, last)  # an earlier day by hand: what is known better stays
    assert level(centre, CALLS, "mid", "replied", JANUARY) == (Decimal("0.5"), 2)
    count_levels(centre, CALLS, date(2026, 2, 28))
    count_levels(centre, CALLS, date(2026, 4, 30))
    starts = "SELECT DISTINCT period_start FROM tiering.service_level ORDER BY 1"
    assert [row[0].month for row in query(centre, starts)] == [12, 1, 2, 3, 4]


def test_counting_again_changes_nothing_and_a_policy_without_levels_counts_nothing(centre: Database) -> None:
    ask(centre, "C1", opened(JANUARY, 5), opened(JANUARY, 50))
    assert count_levels(centre, CALLS, date(2026, 1, 31)) == 12
    before = contents(centre, "tiering")
    assert count_levels(centre, CALLS, date(2026, 1, 31)) == 12
    assert contents(centre, "tiering") == before
    assert count_levels(centre, RELATIONS, date(2026, 1, 31)) == 0


def test_a_call_centre_from_its_rows_to_its_levels(said: Said) -> None:
    """S24, S65 end to end: sales make the tiers, calls and complaints the levels, a blocked caller a task."""
    database = said.database
    said.put("customers", [customer("C1"), customer("C2"), customer("C3", is_blocked="true")])
    said.put("sales", [sale("S1", net_amount="500000.00"), sale("S2", customer_id="C2", net_amount="100000.00")])
    call = {"customer_id": "C1", "kind": "call", "closed_on": None, "answered_seconds": None}
    said.put(
        "service_events",
        [
            *[{**call, "event_id": f"E{n}", "opened_on": "2024-02-10", "answered_seconds": "20"} for n in range(9)],
            {**call, "event_id": "E9", "opened_on": "2024-02-29", "answered_seconds": "21", "closed_on": "2024-02-29"},
            {**call, "event_id": "F1", "opened_on": "2024-02-01", "customer_id": "C2", "answered_seconds": "7"},
            {**call, "event_id": "F2", "opened_on": "2024-02-28", "customer_id": "C2", "closed_on": "2024-02-29"},
            {**call, "event_id": "G1", "opened_on": "2024-02-27", "customer_id": "C3", "kind": "complaint"},
        ],
    )
    said.load(batch_of("2024-01", 2))
    policies = {CALLS.id: CALLS}
    staged = jobs.decide(database, CALLS, jobs.measure(database, policies, CALLS.id, date(2024, 1, 31)))
    assert jobs.publish(database, CALLS, staged)["status"] == "published"
    tiers = query(database, "SELECT customer_id, tier FROM tiering.customer_tier ORDER BY 1")
    assert tiers == [("C1", "vip"), ("C2", "mid"), ("C3", "ordinary")]
    done = jobs.follow_up(database, policies, date(2024, 2, 29))
    assert done == {"follow_ups": 1, "provisional_grades": 0, "visit_plans": 0, "service_levels": 12, "queued": 3}
    assert query(database, "SELECT customer_id, reason, tier, due_on FROM tiering.follow_up") == [
        ("C3", "blacklist", "ordinary", date(2024, 3, 1))
    ]
    levels = query(
        database,
        "SELECT tier, target, attained_share, events FROM tiering.service_level WHERE period_start = :start "
        "ORDER BY target, tier",
        start=date(2024, 2, 1),
    )
    assert levels == [
        ("mid", "answered", Decimal("0.5"), 2),
        ("ordinary", "answered", None, 0),
        ("vip", "answered", Decimal("0.9"), 10),
        ("mid", "replied", Decimal(1), 1),
        ("ordinary", "replied", Decimal(0), 1),
        ("vip", "replied", None, 0),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_levels_of_the_demo_company_are_those_of_a_plain_count(engine: str, warehouses: Warehouses) -> None:
    database = warehouses.loaded(engine)
    policies = {CALLS.id: CALLS}
    as_of = date(2026, 2, 20)
    with kept_open(database):
        for day in (date(2026, 1, 31), date(2025, 12, 31)):
            publish(database, policies, CALLS.id, day)
        count_levels(database, CALLS, as_of)
        spells = query(database, "SELECT customer_id, tier, valid_from, valid_to FROM tiering.customer_tier_history")
        events = query(
            database,
            "SELECT event_id, customer_id, opened_on, kind, answered_seconds, closed_on FROM facts.service_events "
            "WHERE superseded_in IS NULL",
        )
        rows = query(
            database,
            "SELECT tier, target, period_start, attained_share, events FROM tiering.service_level",
        )
    warehouses.drop(database)
    found = {(tier, target, start): (share, count) for tier, target, start, share, count in rows}
    assert len(found) == len(rows) == 12
    for (tier, target, start), attained in found.items():
        kept = []
        for _, customer_id, on, kind, seconds, closed in events:
            end = min(as_of, date(start.year, start.month + 1, 1) - DAY)
            had = any(
                who == customer_id and begin <= on and (until is None or on < until) and held_tier == tier
                for who, held_tier, begin, until in spells
            )
            if not had or not start <= on <= end:
                continue
            closed = closed if closed and closed <= as_of else None
            if target == "answered" and (seconds is not None or kind == "call"):
                kept.append(seconds is not None and seconds <= 20)
            if target == "replied" and (kind != "call" or seconds is None) and (closed or on + DAY <= as_of):
                kept.append(closed is not None and closed <= on + DAY)
        share = Decimal(sum(kept)) / len(kept) if kept else None
        assert attained == (share and share.quantize(Decimal("0.0001"), ROUND_DOWN), len(kept)), (tier, target, start)
    assert sum(count for _, count in found.values()) > 20
