"""What movement and people hold back is told: by `tiering explain` and in the mails, why and until when."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import email.policy
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from email import message_from_string

import pytest
from companies import Warehouses, embedded, empty, fresh, query, stage_rows, tell, warehouses

from reports.explanation import explain_account
from reports.wording import Language
from sql.connect import Database
from sql.digests import write_digests
from sql.explain import read_accounts
from sql.publish import publish_people, publish_run
from sql.review import Review, answer_requests, review_run
from sql.runs import Run
from transforms.movement import Standing
from transforms.pace import Keep, kept_by
from transforms.policy import parse_policy

CLUB = parse_policy(
    """
id: club
title: {en: Club, zh: 俱乐部}
ref: test
grain: customer
schedule: "0 6 2 * *"
as_of: previous_month_end
tiers: [A, B, C, D]
indicators:
  net_sales: {measure: net_sales, window: 12 months, unit: money, title: {en: net sales, zh: 销售额}}
decide:
  bands:
    of: net_sales
    tiers: [{tier: A, at_least: 1000}, {tier: B, at_least: 500}, {tier: C, at_least: 200}, {tier: D}]
movement: {down: {after: 2}, max_steps_down: 1, notice: 62 days}
review:
  approve: {tiers: [A], by: [sales_director, general_manager], asks: entering, within: 3 days, meanwhile: pending}
actions:
  A: {en: Visit, zh: 拜访}
""",
    "club",
)
JANUARY, FEBRUARY, MARCH = date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)


def publish(
    database: Database, day: date, sales: Mapping[str, int], held: Mapping[str, str] | None = None
) -> tuple[Run, Review]:
    """Publish a day; nobody answers."""
    rows = [{"account_id": number, "net_sales": Decimal(amount)} for number, amount in sales.items()]
    this = stage_rows(database, CLUB, day, rows, held=held)
    review = review_run(database, CLUB, this)
    publish_run(database, CLUB, this, review)
    return this, review


def told(database: Database, customer: str, language: str = "en", asked_on: date | None = None) -> dict[str, list[str]]:
    """Return the sections of an explanation, rows as words."""
    (account,) = read_accounts(database, customer, "club", asked_on)
    explanation = explain_account(account, Language(language), "CNY")
    found = {section.title: [" | ".join(row.cells) for row in section.rows] for section in explanation.sections}
    return {"note": [explanation.note], **found}


def begin(empty: Database) -> Database:
    """January found B for everybody; February D, A and, on bad input, D."""
    day = {"holds_from": JANUARY, "account_manager_id": "M1"}
    tell(empty, "customers", [{"customer_id": f"C{place}", "name": f"Canary {place}", **day} for place in range(1, 5)])
    manager = {"name": "Ann Canary", "email": "ann.canary@corp.example", "locale": "en"}
    tell(empty, "account_managers", [{"account_manager_id": "M1", **manager}])
    for place, entity in enumerate(("sales", "receivables", "payments"), 1):
        counts = ", ".join(["0"] * 8)
        query(
            empty,
            f"INSERT INTO tiering.batch SELECT {place}, '{entity}', '-', 'b', DATE '2026-01-01', DATE '2026-04-01', "
            f"{counts}, NULL, TIMESTAMPTZ '2026-04-01 00:00:00+00', TIMESTAMPTZ '2026-04-01 00:00:00+00', NULL",
        )
    publish(empty, JANUARY, dict.fromkeys(("C1", "C2", "C3", "C4"), 600))
    publish(empty, FEBRUARY, {"C1": 100, "C2": 2000, "C3": 100, "C4": 600}, held={"C3": "sales: orphan"})
    return empty


@pytest.fixture
def club(empty: Database) -> Database:
    """Two published days on the engine under test."""
    return begin(empty)


@pytest.fixture
def small_club(embedded: Database) -> Database:
    """The same on the embedded engine, for what is read as on the other."""
    return begin(embedded)


def test_why_a_tier_stays_or_waits_is_explained(club: Database) -> None:
    kept = told(club, "C1")
    assert kept["In force"] == [
        "Tier | B",
        "Since | January 31, 2026",
        "By the rules alone | D",
        "Status | held at the tier before",
    ]
    assert kept["What keeps the tier"] == [
        "Lower tiers found since | February 28, 2026",
        "Confirmation | 2 findings in a row are needed",
        "Steps | at most 1 down in one move",
        "Goes down | to C on March 31, 2026, should it be found as now",
    ]
    assert told(club, "C1", "zh")["为何维持等级"][-1] == "即将降级 | 若评定结果不变，2026年3月31日降为C"
    assert told(club, "C3")["What keeps the tier"][0] == (
        "Input | not to be trusted (Sales: orphan); this finding does not count"
    )
    assert told(club, "C2")["What people decided"] == [
        "Needs a word | A: waits for an answer",
        "sales director | no answer yet",
        "general manager | no answer yet",
    ]
    assert "What keeps the tier" not in told(club, "C4")
    notices = query(club, "SELECT customer_id, tier, to_tier, falls_on FROM tiering.tier_notice")
    assert ("C1", "B", "C", MARCH) in notices


def test_who_answered_what_is_explained(small_club: Database) -> None:
    this, review = publish(small_club, MARCH, {"C1": 600, "C2": 2000, "C3": 600, "C4": 600})
    said = {"approved": True, "comment": "pays in time", "of": review.requests[:1], "effective_on": date(2026, 4, 3)}
    answer_requests(small_club, this, "Ana", **said)  # type: ignore[arg-type]
    assert told(small_club, "C2")["What people decided"][1:] == [
        "sales director | yes, by Ana: pays in time",
        "general manager | no answer yet",
    ]
    answer_requests(small_club, this, "Bo", approved=False, effective_on=date(2026, 4, 4))
    publish_people(small_club, CLUB, date(2026, 4, 4))
    assert told(small_club, "C2")["What people decided"] == [
        "Needs a word | A: refused, from April 4, 2026 on",
        "sales director | yes, by Ana: pays in time",
        "general manager | no, by Bo",
    ]


def test_answers_grades_and_overrides_are_told_on_their_own_days(small_club: Database) -> None:
    query(
        small_club,
        "INSERT INTO tiering.override (policy_id, customer_id, tier, reason, requested_by, approved_by, "
        "valid_from, valid_to) VALUES ('club', 'C4', 'A', 'sells to others', 'Li', 'Sun', "
        "DATE '2026-03-10', DATE '2026-06-01')",
    )
    query(
        small_club,
        "INSERT INTO tiering.grade (policy_id, as_of, customer_id, stage, tier, graded_by, graded_on, reason) VALUES "
        "('club', DATE '2026-02-28', 'C1', 'pre_graded', 'C', 'North', DATE '2026-03-02', NULL), "
        "('club', DATE '2026-02-28', 'C1', 'final', 'D', 'Committee', DATE '2026-03-05', 'owes for a year')",
    )
    publish_people(small_club, CLUB, date(2026, 3, 12))
    assert told(small_club, "C1")["What people decided"] == [
        "Pre-grade by the region | C, by North on March 2, 2026",
        "Final grade by the committee | D, by Committee on March 5, 2026: owes for a year",
    ]
    overridden = told(small_club, "C4")
    assert overridden["note"] == [
        "February 28, 2026 is the latest run; on March 10, 2026 decisions of people took effect."
    ]
    assert overridden["In force"][3:] == [
        "Status | set by hand",
        "Reason | sells to others",
        "Approved by | Sun",
        "Last day | May 31, 2026",
    ]
    assert overridden["What happened on March 10, 2026"] == ["Up: B → A", "Set by hand (override)"]
    before = told(small_club, "C4", asked_on=date(2026, 3, 9))
    assert before["In force"][:2] == ["Tier | B", "Since | January 31, 2026"]
    assert "What happened on March 10, 2026" not in before


@pytest.mark.parametrize(
    ("movement", "found", "kept"),
    [
        ("{down: {after: 3}}", "C", [Keep("confirmation", count=3)]),
        ("{down: {after: 3}}", "A", []),
        ("{up: {after: 2}, grace: 60 days}", "A", [Keep("confirmation", count=2)]),
        ("{grace: 60 days}", "C", [Keep("grace", date(2026, 4, 1))]),
        ("{grace: 28 days}", "C", []),  # is over on the day
        ("{min_stay: 6 months}", "C", [Keep("min_stay", date(2026, 5, 30))]),
        ("{period: calendar_year}", "C", [Keep("period", date(2026, 12, 31))]),
        ("{period: anniversary}", "C", [Keep("period", date(2026, 11, 30))]),
        ("{max_steps_down: 1}", "D", [Keep("steps", count=1)]),
        ("{max_steps_down: 1}", "C", []),
        ("{grace: 60 days, max_steps_down: 1}", "B", []),
    ],
)
def test_the_rules_that_keep_a_tier_are_named_with_their_end(movement: str, found: str, kept: list[Keep]) -> None:
    text = re.sub(r"movement: .*", f"movement: {movement}", CLUB.text)
    since = date(2026, 1, 31)
    reached = date(2025, 11, 30)
    standing = Standing(
        "B",
        found,
        "held",
        since_on=reached,
        period_from=reached,
        periods=int("calendar" in movement),
        found_since=since,
    )
    assert kept_by(parse_policy(text, "club"), standing, FEBRUARY) == kept


# ---- mails


def mail(database: Database) -> str | None:
    """Write the digests; return the text of the one mail of M1, or None."""
    query(database, "DELETE FROM tiering.email_outbox")
    write_digests(database, currency="CNY", domain="tiering.example", sender="", fallback_address="desk@corp.example")
    rows = query(database, "SELECT message FROM tiering.email_outbox WHERE account_manager_id = 'M1'")
    if not rows:
        return None
    ((message,),) = rows
    body = message_from_string(message, policy=email.policy.default).get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def coming(text: str | None) -> list[str]:
    """Return the block of a mail about tiers that will go down, a line per customer."""
    block = (text or "").partition("Will go down\n")[2].partition("\n====")[0].partition("\n----")[0]
    return [line for line in block.splitlines() if line.startswith("* ")]


C1_FALLS = "* Canary 1 (C1) | B → C | March 31, 2026"


def test_a_tier_that_will_go_down_is_told_once_and_again_when_it_changes(club: Database) -> None:
    text = mail(club)
    assert text is not None
    assert C1_FALLS in coming(text)
    assert "    Found lower since February 28, 2026\n    Confirmation: 2 findings in a row are needed\n" in text
    told_before = query(club, "SELECT COUNT(*) FROM tiering.told_notice")
    assert told_before != [(0,)]
    assert mail(club) is None
    publish(club, MARCH, {"C1": 100, "C2": 600, "C3": 600, "C4": 600})  # C1 goes down to C, and on
    text = mail(club)
    assert text is not None
    assert "| B → C" in text.partition("Will go down")[0]
    assert "Held here by a rule or for want of data; the rules found D" in text
    assert coming(text) == ["* Canary 1 (C1) | C → D | May 31, 2026"]
    publish(club, date(2026, 4, 30), {"C1": 100, "C2": 600, "C3": 600, "C4": 300})
    text = mail(club)
    assert coming(text) == ["* Canary 4 (C4) | B → C | May 31, 2026"]  # C1 still falls on that day, as was told
    publish(club, date(2026, 5, 31), {"C1": 200, "C2": 600, "C3": 600, "C4": 600})
    assert coming(mail(club)) == []
    assert query(club, "SELECT COUNT(*) FROM tiering.told_notice") == [(0,)]


def test_a_day_of_people_is_mailed_with_the_tiers_of_the_run_before(small_club: Database) -> None:
    mail(small_club)
    query(
        small_club,
        "INSERT INTO tiering.override (policy_id, customer_id, tier, reason, requested_by, approved_by, "
        "valid_from, valid_to) VALUES ('club', 'C4', 'A', 'sells to others', 'Li', 'Sun', "
        "DATE '2026-03-10', DATE '2026-03-20')",
    )
    publish_people(small_club, CLUB, date(2026, 3, 12))
    text = mail(small_club)
    assert text is not None
    assert "As of March 10, 2026" in text
    assert "* A | 1 | +1\n* B | 3 | −1" in text
    assert "* Canary 4 (C4) | B → A" in text
    assert "Set by hand (override)" in text
    assert "Customers with a tier: 4" in text
    assert coming(text) == []
    publish_people(small_club, CLUB, date(2026, 3, 25))
    text = mail(small_club)
    assert text is not None
    assert "* Canary 4 (C4) | A → B" in text
    assert "An override ended" in text
