"""Restatements, earlier days and backfills: told to nobody unless asked, then apart and marked as a correction."""

# ruff: noqa: F811 - fixtures come in by their names

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from email import message_from_string, policy

import pytest
from companies import embedded, empty, fresh, publish_rows, query, tell, warehouses  # noqa: F401

from sql.connect import Database
from sql.digests import Written, write_digests
from sql.publish import Publication, publish_people, tell_published
from sql.runs import run_id_of
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
""",
    "club",
)
SLOW = parse_policy(
    CLUB.text.replace("id: club", "id: slow") + "movement: {down: {after: 3}, notice: 92 days}\n", "slow"
)
JANUARY, FEBRUARY, MARCH, APRIL = date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)
NOTHING = Written(None, 0, 0, 0)
SALES = {"A": 2000, "B": 600, "C": 300, "D": 100}
OWNERS = {"C1": "M1", "C2": "M1", "C3": "M2", "C4": "M3"}


@dataclass(frozen=True)
class Mail:
    """What a manager reads: the subject, and who moved as `C1 A → B`."""

    subject: str
    moves: list[str]
    text: str


def put(database: Database, day: date, tiers: Mapping[str, str], which=CLUB, **options) -> Publication:  # type: ignore[no-untyped-def]
    """Publish a day on which customers C1 to C4 were found in tiers."""
    rows = [
        {"account_id": number, "net_sales": Decimal(SALES[tier]), "account_manager_id": OWNERS[number]}
        for number, tier in tiers.items()
    ]
    return publish_rows(database, which, day, rows, **options)


def write(database: Database) -> Written:
    query(database, "DELETE FROM tiering.email_outbox")
    return write_digests(database, currency="CNY", domain="tiering.example", sender="", fallback_address="d@x.example")


def told(database: Database) -> dict[str, list[Mail]]:
    """Write the digests; return the mails of every manager, the news before the correction."""
    write(database)
    found: dict[str, list[Mail]] = {}
    for manager_id, message in query(
        database, "SELECT account_manager_id, message FROM tiering.email_outbox ORDER BY account_manager_id, subject"
    ):
        mail = message_from_string(message, policy=policy.default)
        body = mail.get_body(("plain",))
        assert body is not None
        text = str(body.get_content()).replace("\r\n", "\n")
        told_of = re.split(r"Will go down|Near a line", text)[0]
        moves = [
            " ".join(move) for move in re.findall(r"^\* .+ \((C\d)\) \| ([^|\n]+?)(?: \| .*)?$", told_of, re.MULTILINE)
        ]
        assert ("Correction: this message replaces" in text) == mail["Subject"].endswith("(correction)")
        found.setdefault(manager_id, []).append(Mail(mail["Subject"], sorted(moves), text))
    return found


def moves(mails: dict[str, list[Mail]]) -> dict[str, list[list[str]]]:
    return {name: [mail.moves for mail in of_manager] for name, of_manager in mails.items()}


def corrections(mails: dict[str, list[Mail]]) -> set[str]:
    return {name for name, of_manager in mails.items() for mail in of_manager if mail.subject.endswith("(correction)")}


def begin(database: Database) -> Database:
    """January found B for all four; February moved C1, C2 and C3 down, and everybody was told."""
    tell(database, "customers", [
        {"customer_id": number, "name": f"Canary {number}", "holds_from": JANUARY, "account_manager_id": owner}
        for number, owner in OWNERS.items()
    ])  # fmt: skip
    tell(database, "account_managers", [
        {"account_manager_id": name, "name": f"Ann {name}", "email": f"{name}@corp.example", "locale": "en"}
        for name in ("M1", "M2", "M3")
    ])  # fmt: skip
    put(database, JANUARY, dict.fromkeys(OWNERS, "B"))
    put(database, FEBRUARY, {"C1": "C", "C2": "C", "C3": "C", "C4": "B"})
    return database


@pytest.fixture
def club(empty: Database) -> Database:
    """Two days on the engine under test, which everybody was told of."""
    write(begin(empty))
    return empty


@pytest.fixture
def small_club(embedded: Database) -> Database:
    """The same on the embedded engine, for what is read as on the other."""
    write(begin(embedded))
    return embedded


OTHERS = {"C1": "C", "C2": "D", "C3": "B", "C4": "B"}
"""February as it should have been: C2 lower, C3 not lower, C1 and C4 as they were told."""


def test_a_restatement_is_told_to_nobody_and_a_later_day_moves_from_what_is_published(club: Database) -> None:
    assert put(club, FEBRUARY, OTHERS, restate="late invoices").status == "published"
    assert told(club) == {}
    put(club, MARCH, {"C1": "C", "C2": "C", "C3": "A", "C4": "B"})
    mails = told(club)
    assert moves(mails) == {"M1": [["C2 D → C"]], "M2": [["C3 B → A"]]}
    assert corrections(mails) == set()


def test_a_restatement_that_is_told_is_a_correction_of_the_whole_day_to_whom_it_concerns(club: Database) -> None:
    put(club, FEBRUARY, OTHERS, restate="late invoices", tell=True)
    mails = told(club)
    assert moves(mails) == {"M1": [["C1 B → C", "C2 B → D"]], "M2": [[]]}, "M2 was told of C3, which did not move"
    assert corrections(mails) == {"M1", "M2"}
    assert "Customer tiers 2026-02-28: 0 up, 2 down (correction)" in {mail.subject for mail in mails["M1"]}
    assert write(club) == NOTHING, "told once"


def test_a_correction_is_a_mail_of_its_own_beside_the_news(club: Database) -> None:
    put(club, FEBRUARY, OTHERS, restate="late invoices", tell=True)
    put(club, MARCH, {"C1": "C", "C2": "C", "C3": "A", "C4": "B"})
    written = write(club)
    assert (written.mails, written.corrections) == (4, 2)
    query(club, "UPDATE tiering.run SET digest_id = NULL WHERE revision = 2 OR as_of = DATE '2026-03-31'")
    mails = told(club)
    assert {name: [mail.subject.partition(" (")[2] for mail in each] for name, each in mails.items()} == {
        "M1": ["correction)", ""],
        "M2": ["correction)", ""],
    }
    assert [mail.moves for mail in mails["M2"]] == [[], ["C3 B → A"]]
    assert [mail.moves for mail in mails["M1"]] == [["C1 B → C", "C2 B → D"], ["C2 D → C"]]
    identities = {row[0] for row in query(club, "SELECT message_id FROM tiering.email_outbox")}
    digests = {row[0] for row in query(club, "SELECT digest_id FROM tiering.email_outbox")}
    assert (len(identities), len(digests)) == (4, 2)


@pytest.mark.parametrize("tells", [False, True])
def test_a_restatement_of_a_day_that_nobody_was_told_of_is_news(tells: bool, empty: Database) -> None:
    begin(empty)
    put(empty, FEBRUARY, OTHERS, restate="late invoices", tell=tells)
    mails = told(empty)
    assert corrections(mails) == set()
    assert moves(mails)["M1"] == [["C1 B", "C1 B → C", "C2 B", "C2 B → D"]], "January, and February as restated"
    assert mails["M1"][0].text.count("As of February 28, 2026") == 1, "one section, not one per revision"
    assert query(empty, "SELECT COUNT(*) FROM tiering.run WHERE digest_id IS NULL OR digest_id = 'none'") == [(0,)]
    assert write(empty) == NOTHING


def test_an_earlier_day_is_told_only_when_asked_and_the_latest_stays_news(club: Database) -> None:
    put(club, APRIL, {"C1": "D", "C2": "C", "C3": "C", "C4": "B"})
    put(club, MARCH, {"C1": "D", "C2": "C", "C3": "C", "C4": "A"})
    mails = told(club)
    assert moves(mails) == {"M3": [["C4 A → B"]]}, "C1 fell in March, of which nobody is told"
    assert corrections(mails) == set()
    put(club, MARCH, {"C1": "C", "C2": "C", "C3": "C", "C4": "A"}, restate="once more", tell=True)
    mails = told(club)
    assert moves(mails) == {"M3": [["C4 B → A"]]}, "what nobody was told of March is told as a correction"
    assert corrections(mails) == {"M3"}


def test_what_was_published_in_silence_can_be_told_later(small_club: Database) -> None:
    put(small_club, FEBRUARY, OTHERS, restate="late invoices")
    assert told(small_club) == {}
    same = run_id_of("club", FEBRUARY, 2)
    tell_published(small_club, CLUB, same)
    assert corrections(told(small_club)) == {"M1", "M2"}
    tell_published(small_club, CLUB, same)
    tell_published(small_club, CLUB, run_id_of("club", FEBRUARY, 1))
    assert told(small_club) == {}, "what was told is not told again"


@pytest.mark.parametrize(("tells", "corrected"), [(False, set()), (True, {"M1"})])
def test_a_backfill_of_the_latest_day_is_told_only_when_asked(
    tells: bool, corrected: set[str], small_club: Database
) -> None:
    put(small_club, MARCH, {"C1": "A", "C2": "C", "C3": "C", "C4": "B"}, is_backfill=True, tell=tells)
    assert corrections(told(small_club)) == corrected


def test_a_correction_that_waits_stays_one_when_the_day_is_restated_once_more(small_club: Database) -> None:
    put(small_club, FEBRUARY, OTHERS, restate="late invoices", tell=True)
    put(small_club, FEBRUARY, {"C1": "C", "C2": "C", "C3": "D", "C4": "B"}, restate="and again")
    mails = told(small_club)
    assert moves(mails)["M2"] == [["C3 B → D"]]
    assert corrections(mails) == set(mails)
    assert write(small_club) == NOTHING


def test_what_a_silent_run_finds_of_tiers_to_come_is_told_with_the_next_one(small_club: Database) -> None:
    put(small_club, JANUARY, dict.fromkeys(OWNERS, "B"), SLOW)
    put(small_club, FEBRUARY, dict.fromkeys(OWNERS, "B"), SLOW)
    write(small_club)
    put(small_club, FEBRUARY, {**dict.fromkeys(OWNERS, "B"), "C1": "D"}, SLOW, restate="late credit note")
    assert query(small_club, "SELECT customer_id FROM tiering.tier_notice WHERE policy_id = 'slow'") == [("C1",)]
    assert told(small_club) == {}
    put(small_club, JANUARY, {**dict.fromkeys(OWNERS, "B"), "C3": "A"}, SLOW, restate="and before")
    assert told(small_club) == {}
    publish_people(small_club, SLOW, date(2026, 3, 5))
    assert told(small_club) == {}
    put(small_club, MARCH, {**dict.fromkeys(OWNERS, "B"), "C1": "D"}, SLOW)
    mails = told(small_club)
    assert "* Canary C1 (C1) | B → D | April 30, 2026" in mails["M1"][0].text
    assert told(small_club) == {}


def test_notices_that_wait_are_not_kept_back_by_a_day_of_the_past(small_club: Database) -> None:
    put(small_club, JANUARY, dict.fromkeys(OWNERS, "B"), SLOW)
    put(small_club, FEBRUARY, {**dict.fromkeys(OWNERS, "B"), "C1": "D"}, SLOW)
    put(small_club, date(2025, 12, 31), dict.fromkeys(OWNERS, "B"), SLOW)
    assert "Will go down" in told(small_club)["M1"][0].text


def test_a_correction_does_not_use_up_the_rows_that_were_refused(small_club: Database) -> None:
    put(small_club, FEBRUARY, OTHERS, restate="late invoices", tell=True)
    query(small_club, "UPDATE tiering.run SET facts_batch_no = 7 WHERE revision = 2")
    query(
        small_club,
        "INSERT INTO tiering.quarantine (entity, batch_no, batch_id, position, rule, reason, row_json, customer_id) "
        "VALUES ('sales', 7, 'b', 1, 'orphan', 'x', '{}', 'C4')",
    )
    counts = ", ".join(["0"] * 8)
    query(
        small_club,
        f"INSERT INTO tiering.batch SELECT 7, 'sales', '-', 'b', DATE '2026-01-01', DATE '2026-04-01', "
        f"{counts}, NULL, TIMESTAMPTZ '2026-04-01 00:00:00+00', TIMESTAMPTZ '2026-04-01 00:00:00+00', NULL",
    )
    mails = told(small_club)
    assert set(mails) == {"M1", "M2"}
    assert not any("orphan" in mail.text for each in mails.values() for mail in each)
    put(small_club, MARCH, {**OTHERS, "C1": "A"})
    assert "orphan" in told(small_club)["M3"][0].text
