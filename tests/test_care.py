"""Visits planned and spent, and provisional grades with the day they are due: by hand, and against a plain model."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from companies import (
    ENGINES,
    WHOLE,
    Warehouses,
    contents,
    embedded,
    empty,
    fresh,
    policies_for,
    publish,
    publish_rows,
    query,
    tell,
    warehouses,
)
from dateutil.relativedelta import relativedelta
from measure_model import Company
from test_follow_ups import held_by, rows_by_tier
from test_invariants import broken_invariants

from sql.connect import Database, connected, kept_open
from sql.follow_ups import write_provisional_grades, write_visit_plan
from tests.indicator_frames import CASES
from tiering import jobs
from transforms.policy import Policy, parse_policy
from transforms.review_lists import months_provisional

POLICIES = policies_for("relationship_abcd", "dealership_lifecycle", "dealer_points", "rfm_555", "lifecycle_split")
RELATIONS, DEALERS, LIFE = (POLICIES[name] for name in ("relationship_abcd", "dealer_points", "lifecycle_split"))
SMALL = rows_by_tier(LIFE)["small"]
BEGIN, FEBRUARY = date(2025, 12, 31), date(2026, 2, 28)
DAY = timedelta(days=1)


def know(database: Database, *customers: str, manager: str | None = "M1", **others: Any) -> None:
    row = {"account_manager_id": manager, "holds_from": BEGIN, **others}
    tell(database, "customers", [{"customer_id": name, "name": name, **row} for name in customers])


def meet(database: Database, customer_id: str, *days: date, channel: str = "phone") -> None:
    rows = [{"contact_id": f"{customer_id} {day} {channel}", "contacted_on": day, "channel": channel} for day in days]
    tell(database, "contacts", [{**row, "customer_id": customer_id} for row in rows])


PLANS = (
    "SELECT tier, account_manager_id, customers, planned, made, visits FROM tiering.visit_plan "
    "WHERE policy_id = :id AND period_start = :start ORDER BY tier, account_manager_id"
)


def planned(database: Database, policy: Policy, counted_on: date, start: date = date(2026, 2, 1)) -> list[Any]:
    """Count a month and return its rows."""
    with connected(database, "tiering_warehouse") as connection:
        write_visit_plan(connection, policy, counted_on)
    return query(database, PLANS, id=policy.id, start=start)


# Visits


def test_a_cadence_asks_for_so_many_contacts_a_month(empty: Database) -> None:
    """A every 30 days, C every 180 and D every 365; February has 28 days, and the tiers began on December 31."""
    assert RELATIONS.follow_up.every_days == {"A": 30, "B": 60, "C": 180, "D": 365}
    know(empty, "C1", "C2", "C3", "C4")
    know(empty, "C5", manager=None)
    know(empty, "C6", manager="M2")
    tiers = {"C1": "A", "C2": "A", "C3": "D", "C4": "A", "C5": "A", "C6": "C"}
    publish_rows(empty, RELATIONS, BEGIN, held_by(RELATIONS, tiers))
    meet(empty, "C1", date(2026, 1, 20), date(2026, 2, 10), channel="visit")  # due on February 19
    meet(empty, "C1", date(2026, 2, 10), date(2026, 3, 1))
    meet(empty, "C2", date(2026, 1, 31))  # due on March 2
    meet(empty, "C3", date(2026, 2, 3))  # nothing is due this year
    assert planned(empty, RELATIONS, FEBRUARY) == [
        ("A", "M1", 3, 2, 2, 1),  # C1, and C4, who was due in January and is due at once
        ("A", None, 1, 1, 0, 0),
        ("C", "M2", 1, 0, 0, 0),
        ("D", "M1", 1, 0, 1, 0),
    ]
    assert broken_invariants(empty) == set()


def test_what_was_due_before_is_due_once_and_then_the_cadence_goes_on(embedded: Database) -> None:
    know(embedded, "C1")
    publish_rows(embedded, RELATIONS, date(2025, 3, 31), held_by(RELATIONS, {"C1": "A"}))
    meet(embedded, "C1", date(2025, 4, 1))
    january, march = date(2026, 1, 31), date(2026, 3, 31)
    assert planned(embedded, RELATIONS, january, date(2026, 1, 1)) == [("A", "M1", 1, 2, 0, 0)]  # on the 1st and 31st
    assert planned(embedded, RELATIONS, FEBRUARY) == [("A", "M1", 1, 1, 0, 0)]
    assert planned(embedded, RELATIONS, march, date(2026, 3, 1)) == [("A", "M1", 1, 2, 0, 0)]


def test_one_who_moves_counts_under_both_tiers_each_for_its_days(empty: Database) -> None:
    know(empty, "C1", "C2")
    tiers = [("D", date(2026, 1, 31)), ("A", date(2026, 2, 10)), ("D", date(2026, 2, 20))]
    for tier, day in tiers:
        publish_rows(empty, RELATIONS, day, held_by(RELATIONS, {"C1": tier, "C2": "B"}))
    meet(empty, "C1", date(2025, 12, 1), date(2026, 2, 9), date(2026, 2, 10), date(2026, 2, 19), date(2026, 2, 20))
    assert planned(empty, RELATIONS, FEBRUARY) == [
        ("A", "M1", 1, 0, 2, 0),
        ("B", "M1", 1, 0, 0, 0),
        ("D", "M1", 1, 0, 2, 0),
    ]
    query(empty, "DELETE FROM facts.contacts WHERE contacted_on > DATE '2026-01-01'")
    assert planned(empty, RELATIONS, FEBRUARY)[0] == ("A", "M1", 1, 1, 0, 0)  # thirty days after December 1 are over


def test_another_status_of_the_same_tier_is_one_stay(embedded: Database) -> None:
    know(embedded, "C1")
    rows = [{**SMALL, "account_id": "C1"}]
    publish_rows(embedded, LIFE, BEGIN, rows)
    query(embedded, "UPDATE tiering.customer_tier_history SET status = 'provisional'")
    publish_rows(embedded, LIFE, date(2026, 1, 31), rows)
    assert len(query(embedded, "SELECT 1 FROM tiering.customer_tier_history")) == 2
    assert planned(embedded, LIFE, FEBRUARY) == [("small", "M1", 1, 0, 0, 0)]
    assert planned(embedded, LIFE, date(2026, 6, 30), date(2026, 6, 1)) == [("small", "M1", 1, 1, 0, 0)]


def test_only_who_is_in_scope_at_the_end_of_the_month_counts(embedded: Database) -> None:
    know(embedded, "C1")
    know(embedded, "C2", status="left")
    publish_rows(embedded, RELATIONS, BEGIN, held_by(RELATIONS, {"C1": "A", "C2": "A"}))
    assert planned(embedded, RELATIONS, FEBRUARY) == [("A", "M1", 1, 1, 0, 0)]


def test_the_month_is_the_last_whole_one_and_one_counted_later_stays(empty: Database) -> None:
    know(empty, "C1")
    publish_rows(empty, RELATIONS, BEGIN, held_by(RELATIONS, {"C1": "A"}))
    assert planned(empty, RELATIONS, FEBRUARY - DAY) == []
    assert len(planned(empty, RELATIONS, FEBRUARY - DAY, date(2026, 1, 1))) == 1
    assert planned(empty, RELATIONS, FEBRUARY) == [("A", "M1", 1, 1, 0, 0)]
    meet(empty, "C1", date(2026, 2, 2))  # came late
    assert planned(empty, RELATIONS, FEBRUARY + 9 * DAY) == [("A", "M1", 1, 1, 1, 0)]
    query(empty, "DELETE FROM facts.contacts")
    before = contents(empty, "tiering")
    assert planned(empty, RELATIONS, FEBRUARY) == [("A", "M1", 1, 1, 1, 0)]
    assert contents(empty, "tiering") == before
    days = "SELECT DISTINCT period_start, period_end, as_of FROM tiering.visit_plan ORDER BY 1"
    assert query(empty, days) == [
        (date(2026, 1, 1), date(2026, 1, 31), FEBRUARY - DAY),
        (date(2026, 2, 1), FEBRUARY, FEBRUARY + 9 * DAY),
    ]


def test_classes_have_a_plan_and_a_policy_without_a_cadence_or_a_run_has_none(empty: Database) -> None:
    policy = POLICIES["dealership_lifecycle"]
    know(empty, "C1", "C2")
    publish_rows(empty, policy, BEGIN, held_by(policy, {"C1": "B1", "C2": "A1"}))
    meet(empty, "C1", date(2026, 2, 3), channel="visit")
    every = policy.follow_up.every_days
    assert (every["A1"], every["B1"]) == (90, 30)
    assert planned(empty, policy, FEBRUARY) == [("A1", "M1", 1, 0, 0, 0), ("B1", "M1", 1, 1, 1, 1)]
    assert planned(empty, RELATIONS, FEBRUARY) == []
    publish_rows(empty, RELATIONS, FEBRUARY + DAY, held_by(RELATIONS, {"C1": "A"}))
    assert planned(empty, RELATIONS, FEBRUARY) == [], "the tier came later"
    assert planned(empty, POLICIES["rfm_555"], FEBRUARY) == []


# Grades

GRADES = (
    "SELECT customer_id, tier, since_on, reason, began_on, final_by, overdue_days, account_manager_id "
    "FROM tiering.provisional_grade WHERE policy_id = :id AND as_of = :day ORDER BY customer_id"
)
NEW = next(case["given"] for case in CASES["dealer_points"] if case["expect"].get("status") == "provisional"
           and (case["given"].get("tenure_months") or 9) < 6)  # fmt: skip


def graded(database: Database, policy: Policy, day: date) -> list[Any]:
    with connected(database, "tiering_warehouse") as connection:
        count = write_provisional_grades(connection, policy, day)
    found = query(database, GRADES, id=policy.id, day=day)
    assert len(found) == count == query(database, "SELECT COUNT(*) FROM tiering.provisional_grade")[0][0]
    return found


def test_the_grade_of_a_new_customer_is_due_when_six_full_months_have_passed(empty: Database) -> None:
    """S13c, from the day it was opened, or else from the first sale; who is no longer new waits for the next look."""
    know(empty, "C1", opened_on=date(2025, 8, 31))
    know(empty, "C2", manager="M2")
    know(empty, "C3", opened_on=date(2025, 6, 30))
    know(empty, "C4", opened_on=date(2024, 6, 30))
    tell(
        empty,
        "sales",
        [
            {"line_id": f"L{place}", "document_id": f"L{place}", "customer_id": "C2", "sold_on": day, "currency": "CNY",
             "net_amount": 100, "net_amount_reporting": 100, "document_type": kind}
            for place, (day, kind) in enumerate([(date(2025, 9, 1), "credit_note"), (date(2025, 9, 15), None)])
        ],
    )  # fmt: skip
    rows = [{**NEW, "account_id": name, "account_manager_id": f"M{2 - (name != 'C2')}"} for name in
            ("C1", "C2", "C3", "C4")]  # fmt: skip
    publish_rows(empty, DEALERS, BEGIN, rows)
    assert query(empty, "SELECT DISTINCT status FROM tiering.customer_tier") == [("provisional",)]
    ((tier,),) = query(empty, "SELECT DISTINCT tier FROM tiering.customer_tier")
    next_look = date(2026, 11, 30)
    assert query(empty, "SELECT DISTINCT next_review_on FROM tiering.customer_tier") == [(next_look,)]
    assert graded(empty, DEALERS, date(2026, 3, 15)) == [
        ("C1", tier, BEGIN, "new", date(2025, 8, 31), FEBRUARY, 15, "M1"),
        ("C2", tier, BEGIN, "new", date(2025, 9, 15), date(2026, 3, 15), 0, "M2"),
        ("C3", tier, BEGIN, "review", None, next_look, 0, "M1"),  # its six months were over on the day
        ("C4", tier, BEGIN, "review", None, next_look, 0, "M1"),
    ]
    assert broken_invariants(empty) == set()
    assert [row[0] for row in graded(empty, DEALERS, date(2026, 12, 1)) if row[6]] == ["C1", "C2", "C3", "C4"]


def test_who_is_final_or_gone_or_of_a_class_is_on_no_list(empty: Database) -> None:
    know(empty, "C1", "C2")
    unknown = {"account_id": "C1", "orders_ever": 0, "net_sales": 0, "win_probability": None}
    publish_rows(empty, LIFE, BEGIN, [unknown, {**SMALL, "account_id": "C2"}])
    assert [row[:4] for row in graded(empty, LIFE, FEBRUARY)] == [("C1", "D", BEGIN, "review")]
    publish_rows(empty, LIFE, FEBRUARY, [{**SMALL, "account_id": "C1"}])
    assert graded(empty, LIFE, FEBRUARY) == []
    assert [row[0] for row in graded(empty, LIFE, FEBRUARY - DAY)] == ["C1"], "a list of an earlier day"
    assert graded(empty, LIFE, BEGIN - DAY) == []
    policy = POLICIES["dealership_lifecycle"]
    publish_rows(empty, policy, BEGIN, held_by(policy, {"C1": "B1"}))
    assert graded(empty, policy, FEBRUARY) == []


@pytest.mark.parametrize(
    ("condition", "months"),
    [
        ("tenure_months < 6", 6),
        ("tenure_months <= 5", 6),
        ("6 > tenure_months", 6),
        ("tenure_months < 5.5", 6),
        ("tenure_months between 0 and 5", 6),
        ("credit_level is missing or (tenure_months < 3 and net_sales < 12)", 3),
        ("tenure_months < 3 or tenure_months < 9", 9),
        ("tenure_months >= 6", None),
        ("net_sales < 6", None),
        ("6 < tenure_months", None),
    ],
)
def test_how_long_a_policy_keeps_the_grades_of_new_customers_provisional(condition: str, months: int | None) -> None:
    text = DEALERS.text.replace("provisional: tenure_months < 6", f"provisional: {condition}")
    assert condition in text
    assert months_provisional(parse_policy(text, "dealers")) == months


def test_a_policy_without_such_a_condition_keeps_none_provisional_for_months() -> None:
    assert months_provisional(RELATIONS) is None


# The demo company, against plain loops


class Model:
    """A demo company's facts and spells, walked through day by day."""

    def __init__(self, database: Database, policy: Policy, day: date) -> None:
        self.policy, self.day = policy, day
        self.spells: dict[str, list[Any]] = defaultdict(list)
        for row in query(
            database,
            "SELECT customer_id, tier, status, valid_from, valid_to FROM tiering.customer_tier_history "
            "WHERE policy_id = :id ORDER BY valid_from",
            id=policy.id,
        ):
            self.spells[row[0]].append(row[1:])
        columns = {
            "customers": "customer_id, account_manager_id, bill_to_id, group_id, status, opened_on",
            "opportunities": "opportunity_id, customer_id",
            "contacts": "customer_id, contacted_on, channel",
            "sales": "customer_id, sold_on, document_type",
            "service_events": "event_id, customer_id, kind, opened_on, closed_on",
        }
        rows = {}
        for entity, names in columns.items():
            found = query(database, f"SELECT {names} FROM facts.{entity} WHERE superseded_in IS NULL")
            rows[entity] = [dict(zip(names.split(", "), row, strict=True)) for row in found]
        self.company = Company(rows, policy.grain, day)

    def spell(self, account: str, day: date) -> Any:
        return next((s for s in self.spells[account] if s[2] <= day and (s[3] is None or day < s[3])), None)

    def since(self, account: str, day: date) -> date:
        """Return the first of the days without a break on which the account has the tier of a day."""
        tier, first = self.spell(account, day)[0], day
        while (before := self.spell(account, first - DAY)) is not None and before[0] == tier:
            first -= DAY
        return first

    def manager(self, account: str) -> str | None:
        return self.company.customers[self.company.heads[account]]["account_manager_id"]

    def plans(self) -> dict[tuple[str, str | None], tuple[int, int, int, int]]:
        """Return customers, planned, made and visits of the month that ends on the day, by tier and manager."""
        counts: dict[tuple[str, str | None], list[Any]] = defaultdict(lambda: [set(), 0, 0, 0])
        days = [self.day.replace(day=number) for number in range(1, self.day.day + 1)]
        for account in self.company.accounts:
            contacts = self.company.of(account, "contacts", "contacted_on")
            stay: list[date] = []
            for day in days:
                held = self.spell(account, day)
                stay.append(day) if held else None
                following = self.spell(account, day + DAY) if day < self.day else None
                if held and (following is None or following[0] != held[0]):
                    self._count(counts, account, held[0], stay, contacts)
                    stay = []
        return {key: (len(found[0]), *found[1:]) for key, found in counts.items()}

    def _count(self, counts: Any, account: str, tier: str, stay: list[date], contacts: list[Any]) -> None:
        every = self.policy.follow_up.every_days.get(tier)
        if every is None:
            return
        entry = counts[tier, self.manager(account)]
        entry[0].add(account)
        before = [contact["contacted_on"] for contact in contacts if contact["contacted_on"] < stay[0]]
        last = max(before) if before else self.since(account, stay[0])
        for day in stay:
            if day >= last + every * DAY:
                entry[1] += 1
                last = day
        on = [contact for contact in contacts if stay[0] <= contact["contacted_on"] <= stay[-1]]
        entry[2] += len(on)
        entry[3] += sum(contact["channel"] == "visit" for contact in on)

    def new_until(self, account: str, months: int) -> tuple[date | None, date | None]:
        """Return the first day of the relationship, and the day on which so many months of it have passed."""
        opened = [self.company.customers[member]["opened_on"] for member in self.company.members[account]]
        known = [day for day in opened if day is not None]
        sold = [
            row["sold_on"]
            for row in self.company.of(account, "sales", "sold_on")
            if row["document_type"] in (None, "invoice")
        ]
        began = min(known) if known else min(sold, default=None)
        return began, began and began + relativedelta(months=months)


PLANNED = {
    "pyramid": (),
    "relationship_abcd": (date(2025, 12, 31),),
    "upgrade_potential": (date(2025, 12, 31), date(2026, 1, 31)),
    "pipeline_stage": (date(2025, 12, 20), date(2026, 1, 12), date(2026, 1, 20), date(2026, 2, 3)),
    "dealer_points": (date(2025, 11, 30),),
}
"""The policies that are counted, and days on which they are published besides those of the published warehouse."""


@pytest.fixture(scope="module", params=ENGINES)
def counted(request: pytest.FixtureRequest, warehouses: Warehouses) -> Iterator[Database]:
    """The demo company with these policies, and the lists of February 20, which count January."""
    database = warehouses.published(request.param)
    policies = policies_for(*PLANNED)
    with kept_open(database):
        for policy_id, days in PLANNED.items():
            for day in days:
                publish(database, policies, policy_id, day)
        jobs.follow_up(database, policies, date(2026, 2, 20))
        yield database
    warehouses.drop(database)


@pytest.mark.parametrize("policy_id", PLANNED)
def test_the_visit_plan_of_the_demo_company_is_that_of_a_plain_count(counted: Database, policy_id: str) -> None:
    rows = query(
        counted,
        "SELECT tier, account_manager_id, customers, planned, made, visits FROM tiering.visit_plan "
        "WHERE policy_id = :id AND period_start = :start AND period_end = :end",
        id=policy_id,
        start=date(2026, 1, 1),
        end=date(2026, 1, 31),
    )
    found = {row[:2]: row[2:] for row in rows}
    assert len(found) == len(rows)
    assert found == Model(counted, policies_for(policy_id)[policy_id], date(2026, 1, 31)).plans()
    assert broken_invariants(counted) == set()


def test_there_is_something_to_count(counted: Database) -> None:
    ((planned, made, visits),) = query(counted, "SELECT SUM(planned), SUM(made), SUM(visits) FROM tiering.visit_plan")
    assert planned > 100
    assert made > visits > 30
    assert query(counted, "SELECT COUNT(*) FROM tiering.visit_plan WHERE planned <> made")[0][0] > 20
    reasons = query(counted, "SELECT reason, COUNT(*) FROM tiering.provisional_grade GROUP BY reason ORDER BY 1")
    assert [reason for reason, _ in reasons] == ["new", "review"]
    assert min(count for _, count in reasons) > 5


@pytest.mark.parametrize("policy_id", PLANNED)
def test_the_provisional_grades_of_the_demo_company_are_those_of_a_plain_count(
    counted: Database, policy_id: str
) -> None:
    policy, day = policies_for(policy_id)[policy_id], date(2026, 2, 20)
    model = Model(counted, policy, day)
    held = query(
        counted,
        "SELECT customer_id, tier, as_of, next_review_on FROM tiering.customer_tier WHERE policy_id = :id",
        id=policy_id,
    )
    published = query(
        counted,
        "SELECT MAX(as_of) FROM tiering.run WHERE policy_id = :id AND status = 'published' AND as_of <= :day",
        id=policy_id,
        day=day,
    )[0][0]
    expected = []
    for account in sorted(model.spells):
        spell = model.spell(account, day)
        if spell is None or spell[1] != "provisional":
            continue
        began, until = model.new_until(account, 6) if policy_id == "dealer_points" else (None, None)
        is_new = until is not None and until > published
        if not is_new:
            began, until = None, next(row[3] for row in held if row[0] == account)
        assert until is not None
        late = max((day - until).days, 0)
        expected.append(
            (account, spell[0], model.since(account, day), "new" if is_new else "review", began, until, late)
        )
    found = query(counted, GRADES, id=policy_id, day=day)
    if published == (held[0][2] if held else None):  # else the list is of a day before the latest published one
        assert [row[:7] for row in found] == expected
    else:
        assert [row[:4] for row in found] == [row[:4] for row in expected]
    managers = dict(
        query(
            counted,
            "SELECT decision.customer_id, decision.account_manager_id FROM tiering.decision AS decision "
            "WHERE decision.policy_id = :id AND decision.as_of = :day",
            id=policy_id,
            day=published,
        )
    )
    assert [row[7] for row in found] == [managers.get(row[0]) for row in found]
