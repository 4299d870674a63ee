"""Customers that disappear, come back, are merged or erased: what every day sees of them, and what the loads knew."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from html import unescape
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from companies import (
    ENGINES,
    MANAGERS,
    ON_THE_SERVER,
    Row,
    Said,
    Warehouses,
    batch_of,
    contents,
    customer,
    embedded,
    extract,
    fresh,
    payment,
    publish,
    query,
    receivable,
    refuse,
    said,
    sale,
    tables_of,
    warehouses,
)
from sqlalchemy import Connection, text
from test_invariants import broken_invariants

from reports import Digest, build_message, render_digest
from reports.digest import Mover, PolicySection
from reports.redaction import Redaction
from sql.connect import Database, connected
from sql.erasure import erase_customer, read_erased
from sql.errors import TieringError, ValidationFailed
from sql.extract import Batch
from sql.facts import facts_batch_no, load_batch
from sql.life_cycle import check_shrinkage, find_shrinkage, merge_customers
from sql.measure import measure_statement, read_indicators, take_measures
from sql.outbox import send_outbox
from sql.statements import run_text
from tiering import jobs
from tiering.cli import main
from tiering.settings import Settings, read_settings
from transforms.policy import Policy, parse_policy

DAY = timedelta(days=1)
FIRST = date(2024, 1, 31)


def policy_of(grain: str, measure: str = "measure: net_sales, window: ever", unit: str = "money") -> Policy:
    """A policy of one indicator: what an account ever bought, or another one."""
    condition = "net_sales >= 100" if unit == "money" else "net_sales == 'x'"
    return parse_policy(
        f"""
id: bought_{grain}
title: {{en: Bought, zh: 购买}}
ref: S1
grain: {grain}
as_of: run_day
schedule: "0 6 * * *"
tiers: [A, B]
indicators:
  net_sales: {{{measure}, unit: {unit}, title: {{en: net sales, zh: 销售净额}}}}
decide:
  rules:
    - {{tier: A, when: {condition}}}
    - {{tier: B}}
""",
        f"bought_{grain}",
    )


def seen(database: Database, as_of: date, grain: str = "customer", batch_no: int | None = None) -> dict[str, Any]:
    """Return what every account in scope bought, as of a day and as the load `batch_no` knew it."""
    with connected(database, "tiering_warehouse") as connection:
        known = facts_batch_no(connection) if batch_no is None else batch_no
        statement = measure_statement(grain, ["net_sales__ever"])
        rows = run_text(
            connection, statement, {"as_of": as_of, "facts_batch_no": known, "start_ever": date(1900, 1, 1)}
        )
        return {row.account_id: int(row.net_sales__ever or 0) for row in rows}


def missing(database: Database) -> list[tuple[Any, ...]]:
    return query(
        database,
        "SELECT customer_id, missing_since, extracts, gone_on, returned_on FROM tiering.missing_customer "
        "ORDER BY customer_id, missing_in",
    )


def day_of(number: int) -> date:
    """The day of the n-th daily extract."""
    return FIRST + number * DAY


def take(said: Said, number: int, names: str, absent_extracts: int = 3) -> int | None:
    """Load the batch of the n-th day (0: all of January) of a source that names the customers in `names`."""
    said.put("customers", [customer(f"C{letter}") for letter in names])
    batch = Batch(date(2024, 1, 1), FIRST + DAY) if number == 0 else Batch(day_of(number), day_of(number) + DAY)
    extract(said.database, said.database, batch, said.folder)
    refuse(said.database, batch)
    return load_batch(said.database, batch, absent_extracts=absent_extracts).batch_no


@ON_THE_SERVER
def test_a_customer_that_is_missing_is_carried_forward_until_three_extracts_lack_it(
    said: Said, caplog: pytest.LogCaptureFixture
) -> None:
    database = said.database
    said.put("sales", [sale("S1", customer_id="CA"), sale("S2", customer_id="CB")])
    for name in ("receivables", "payments"):
        said.put(name, [])
    assert take(said, 0, "AB") == 1
    assert missing(database) == []
    with caplog.at_level(logging.WARNING):
        take(said, 1, "A")
    assert "customers: 1 are missing and carried forward, 0 are gone, 0 came back" in caplog.text
    assert missing(database) == [("CB", day_of(1), 1, None, None)]
    assert take(said, 1, "A") is None, "the same extract again changes nothing"
    assert take(said, 1, "AX") == 3, "another extract of the day takes its place"
    assert missing(database) == [("CB", day_of(1), 1, None, None)]
    take(said, 2, "A")
    assert seen(database, day_of(2)) == {"CA": 100, "CB": 100, "CX": 0}
    gone_in = take(said, 3, "A")
    assert missing(database) == [("CB", day_of(1), 3, day_of(3), None), ("CX", day_of(2), 2, None, None)]
    assert seen(database, day_of(2)) == {"CA": 100, "CB": 100, "CX": 0}, "a day before still sees it"
    assert seen(database, day_of(3)) == {"CA": 100, "CX": 0}
    assert gone_in is not None
    assert seen(database, day_of(3), batch_no=gone_in - 1) == {"CA": 100, "CB": 100, "CX": 0}, "as it was known"
    take(said, 4, "A")
    assert missing(database)[0] == ("CB", day_of(1), 3, day_of(3), None), "what is gone is not counted on"
    take(said, 5, "AB")
    assert missing(database)[0] == ("CB", day_of(1), 3, day_of(3), day_of(5))
    assert [("CB" in seen(database, day_of(number))) for number in range(2, 7)] == [True, False, False, True, True]
    again = take(said, 5, "A")
    assert missing(database)[1] == ("CB", day_of(1), 1, day_of(3), None), "it was never back"
    assert "CB" not in seen(database, day_of(5))
    assert again is not None
    assert "CB" in seen(database, day_of(5), batch_no=again - 1)
    take(said, 6, "AB")
    take(said, 7, "A")
    assert missing(database)[2] == ("CB", day_of(7), 1, None, None), "the count starts anew"
    assert "CB" in seen(database, day_of(7))


@ON_THE_SERVER
def test_one_day_read_again_and_again_and_old_days_count_once(said: Said) -> None:
    """A backfill reads the customers of today for each of its days."""
    for name in ("sales", "receivables", "payments"):
        said.put(name, [])
    take(said, 0, "AB")
    for number in (5, 1, 2, 3):
        take(said, number, "A")
    assert missing(said.database) == [("CB", day_of(5), 1, None, None)]
    take(said, 6, "A", absent_extracts=2)
    assert missing(said.database) == [("CB", day_of(5), 2, day_of(6), None)]


def test_a_customer_whose_row_is_refused_is_not_missing(said: Said) -> None:
    for name in ("sales", "receivables", "payments"):
        said.put(name, [])
    take(said, 0, "AB")
    said.put("customers", [customer("CA"), customer("CB", credit_limit="a lot")])
    batch = Batch(day_of(1), day_of(2))
    extract(said.database, said.database, batch, said.folder)
    refuse(said.database, batch)
    load_batch(said.database, batch)
    assert query(said.database, "SELECT customer_id FROM tiering.quarantine") == [("CB",)]
    assert missing(said.database) == []


# Extracts that have shrunk.


def _land(said: Said, batch: Batch) -> None:
    extract(said.database, said.database, batch, said.folder)


def _days(first: int, last: int, per_day: int) -> list[Row]:
    return [
        sale(f"S{day}-{number}", sold_on=str(day_of(day)))
        for day in range(first, last + 1)
        for number in range(per_day)
    ]


@ON_THE_SERVER
def test_an_extract_without_most_customers_is_held_with_its_numbers_and_loaded_when_accepted(said: Said) -> None:
    database, share = said.database, Decimal("0.5")
    take(said, 0, "12345")
    said.put("customers", [customer("C1"), customer("C2")])
    batch = Batch(day_of(1), day_of(2))
    _land(said, batch)
    before = contents(database, "facts", "tiering", without=["shrunken_extract"])
    with pytest.raises(ValidationFailed, match=r"shrunk: customers names 2 of the 5 known; nothing was loaded"):
        check_shrinkage(database, batch, share)
    assert contents(database, "facts", "tiering", without=["shrunken_extract"]) == before
    assert [one.words for one in check_shrinkage(database, batch, share, "the others were sold")] == [
        "customers names 2 of the 5 known"
    ]
    assert query(
        database,
        "SELECT entity, compared_with, found_rows, expected_rows, accepted_reason FROM tiering.shrunken_extract "
        "ORDER BY found_at",
    ) == [("customers", "known", 2, 5, None), ("customers", "known", 2, 5, "the others were sold")]
    assert check_shrinkage(database, batch, Decimal("0.6")) == [], "60 % is not more than 60 %"
    refuse(database, batch)
    load_batch(database, batch, absent_extracts=1)
    _land(said, Batch(day_of(2), day_of(3)))
    assert check_shrinkage(database, Batch(day_of(2), day_of(3)), share) == [], "who is gone is not expected"


def test_an_interval_that_lost_its_rows_is_held_unless_it_selects_on_updates(said: Said) -> None:
    share, batch = Decimal("0.5"), Batch(day_of(1), day_of(4))
    said.put("sales", _days(1, 3, 4))
    said.load(batch)
    said.put("sales", _days(1, 3, 2))
    _land(said, batch)
    assert check_shrinkage(said.database, batch, share) == [], "half is not more than half"
    said.put("sales", _days(1, 1, 4))
    _land(said, batch)
    with pytest.raises(ValidationFailed, match="sales has 4 rows where 12 were loaded for the same days"):
        check_shrinkage(said.database, batch, share)
    select = (said.folder / "sales.sql").read_text(encoding="utf-8")
    said.write("sales", select.replace("SELECT ", "SELECT '2024-01-01' AS updated_at, ", 1))
    _land(said, batch)
    assert check_shrinkage(said.database, batch, share) == []


@pytest.fixture(scope="module")
def ledger(warehouses: Warehouses) -> Iterator[Connection]:
    """A connection to a warehouse whose ledger a test may fill; nothing of it is kept."""
    database = warehouses.empty("duckdb")
    with connected(database, "tests") as connection:
        yield connection
    warehouses.drop(database)


@pytest.mark.parametrize(
    ("per_day", "found", "held"),
    [
        ([12, 10, 11], 4, "sales has 4 rows, and the batches before at least 10"),
        ([12, 10, 11], 5, ""),
        ([12, 0, 11], 0, ""),
        ([12, 9, 11], 0, ""),
        ([12, 11], 0, ""),
        ([9, 12, 10, 11, 12, 13, 14, 15], 0, "sales has 0 rows, and the batches before at least 10"),
    ],
    ids=["shrunken", "half", "a day had no sales", "few anyway", "too early to say", "the last seven count"],
)
def test_a_day_is_held_against_the_smallest_of_the_days_before(
    per_day: Sequence[int], found: int, held: str, ledger: Connection
) -> None:
    for table in ("tiering.batch", "landing.sales"):
        ledger.execute(text(f"DELETE FROM {table}"))
    lengths = [*((number, 1, rows) for number, rows in enumerate(per_day, 1)), (-40, 31, 0)]
    for number, length, rows in lengths:
        ledger.execute(
            text(
                "INSERT INTO tiering.batch SELECT CAST(:no AS BIGINT), 'sales', '-', CAST(:no AS TEXT), "
                "CAST(:start AS DATE), CAST(:end AS DATE), :rows, :rows, 0, 0, 0, 0, 0, 0, NULL, "
                "CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, NULL"
            ),
            {"no": number + 100, "start": day_of(number), "end": day_of(number + length), "rows": rows},
        )
    batch = Batch(day_of(len(per_day) + 1), day_of(len(per_day) + 2))
    for position in range(found):
        ledger.execute(
            text("INSERT INTO landing.sales (batch_id, position) VALUES (:batch, :position)"),
            {"batch": batch.batch_id, "position": position},
        )
    assert "".join(one.words for one in find_shrinkage(ledger, batch, Decimal("0.5"))) == held


# Merges.


def lives(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return the spells and absences of every customer: tier or reason, and the day from which it holds."""
    rows = query(
        database,
        "SELECT customer_id, tier, valid_from FROM tiering.customer_tier_history UNION ALL "
        "SELECT customer_id, reason, valid_from FROM tiering.absence ORDER BY 1, 3",
    )
    found: dict[str, list[tuple[Any, ...]]] = {}
    for customer_id, state, begun in rows:
        found.setdefault(customer_id, []).append((state, (begun - FIRST).days))
    return found


@ON_THE_SERVER
def test_the_history_tells_who_was_missing_gone_back_merged_and_erased(said: Said) -> None:
    database, graded = said.database, policy_of("customer")
    said.put("sales", [sale(f"S{letter}", customer_id=f"C{letter}") for letter in "ABCD"])
    for name in ("receivables", "payments"):
        said.put(name, [])
    for number, names in enumerate(("ABCD", "ACD", "ACD", "ACD", "ACD", "ABCD", "ABCD", "ABCD", "ABCD")):
        take(said, number, names)
        if number == 6:
            merge(said, "CC", "CA", day_of(6))
        if number == 7:
            erase_customer(database, "CD", erased_on=day_of(7), reason="asked to", requested_by="Li")
    for number in (0, 4, 8, 2, 6, 3, 5, 7, 1):  # published in any order, each day sees its own customers
        publish(database, {graded.id: graded}, graded.id, day_of(number))
    assert lives(database) == {
        "CA": [("A", 0)],
        "CB": [("A", 0), ("left", 3), ("A", 5)],
        "CC": [("A", 0), ("left", 6)],
        "CD": [("A", 0), ("erased", 7)],
    }
    assert broken_invariants(database) == set()


SOLD = {"CA": "S1", "CB": "S2", "CC": "S3", "CD": "S4"}


@pytest.fixture
def four(said: Said) -> Said:
    """Four customers with a sale of 100 in January each; D pays through A, and A and C are a group."""
    rows: dict[str, Row] = {"CA": {"group_id": "G"}, "CB": {}, "CC": {"group_id": "G"}, "CD": {"bill_to_id": "CA"}}
    said.put("customers", [customer(number, **changes) for number, changes in rows.items()])
    said.put("sales", [sale(line, customer_id=number) for number, line in SOLD.items()])
    said.put("receivables", [])
    said.put("payments", [])
    said.put("opportunities", [
        {"opportunity_id": f"O{number}", "customer_id": number, "has_explicit_need": "1", "stage": "s"}
        for number in ("CA", "CB")
    ])  # fmt: skip
    said.load(batch_of("2024-01"))
    return said


def merge(said: Said, one: str, into: str, on: date, **changes: str) -> Any:
    people = {"reason": "bought up", "requested_by": "Li", "approved_by": "Wang", **changes}
    return merge_customers(said.database, one, into, on, **people)


MERGED = date(2024, 2, 10)


def test_documents_of_a_merged_customer_count_for_the_other_one_from_that_day_on_at_every_grain(four: Said) -> None:
    database = four.database
    alone = dict.fromkeys(SOLD, 100)
    assert seen(database, MERGED) == alone
    before = facts_batch_no_of(database)
    done = merge(four, "CA", "CB", MERGED)
    assert done.rows == (("CA", "CB", MERGED),)
    assert seen(database, MERGED - DAY) == alone
    assert seen(database, MERGED, batch_no=before) == alone, "as it was known before"
    assert seen(database, MERGED) == {"CB": 200, "CC": 100, "CD": 100}
    assert seen(database, MERGED - DAY, "bill_to") == {"CA": 200, "CB": 100, "CC": 100}
    assert seen(database, MERGED, "bill_to") == {"CB": 300, "CC": 100}, "who paid through it pays through the other"
    assert seen(database, MERGED - DAY, "group") == {"G": 200, "CB": 100, "CD": 100}
    assert seen(database, MERGED, "group") == {"G": 100, "CB": 200, "CD": 100}
    assert seen(database, MERGED - DAY, "opportunity") == {"OCA": 100, "OCB": 100}
    assert seen(database, MERGED, "opportunity") == {"OCA": 200, "OCB": 200}
    assert not merge(four, "CA", "CB", MERGED).is_new
    assert facts_batch_no_of(database) == before + 1, "the same merge again is none"


def facts_batch_no_of(database: Database) -> int:
    with connected(database, "tests") as connection:
        return facts_batch_no(connection)


def test_merges_follow_each_other_in_any_order(four: Said) -> None:
    database, later = four.database, MERGED + 5 * DAY
    merge(four, "CB", "CC", later)
    done = merge(four, "CA", "CB", MERGED)
    assert done.rows == (("CA", "CB", MERGED), ("CA", "CC", later))
    assert seen(database, MERGED) == {"CB": 200, "CC": 100, "CD": 100}
    assert seen(database, later) == {"CC": 300, "CD": 100}
    assert merge(four, "CC", "CD", later + DAY).rows == (
        ("CC", "CD", later + DAY),
        ("CA", "CD", later + DAY),
        ("CB", "CD", later + DAY),
    )
    assert seen(database, later) == {"CC": 300, "CD": 100}
    assert seen(database, later + DAY) == {"CD": 400}


def test_a_merge_that_cannot_be_is_refused_in_one_line(embedded: Database, tmp_path: Any) -> None:
    said = Said(embedded, tmp_path / "said")
    said.put("customers", [customer(f"C{letter}") for letter in "ABCD"])
    for name in ("sales", "receivables", "payments"):
        said.put(name, [])
    said.load(batch_of("2024-01"))
    merge(said, "CA", "CB", MERGED)
    before = contents(embedded, "tiering")
    for one, into, on, changes, words in (
        ("CX", "CB", MERGED, {}, "customer 'CX' is not known"),
        ("CC", "CX", MERGED, {}, "customer 'CX' is not known"),
        ("CC", "CC", MERGED, {}, "that is one customer"),
        ("CB", "CA", MERGED + DAY, {}, "CA was merged into CB on 2024-02-10; that would be a circle"),
        ("CC", "CA", MERGED, {}, "CA was merged into CB on 2024-02-10; merge into CB"),
        ("CA", "CC", MERGED + DAY, {}, "it was merged into CB on 2024-02-10 already"),
        ("CB", "CC", MERGED, {}, "CA was merged into CB on 2024-02-10; take a day after that one"),
        ("CC", "CD", MERGED, {"approved_by": " li"}, "approved by somebody else"),
        ("CC", "CD", MERGED, {"approved_by": " "}, "approved by somebody else"),
        ("CC", "CD", MERGED, {"reason": " "}, "a reason is needed"),
        ("CC", "CD", MERGED, {"requested_by": ""}, "say who asks for it"),
    ):
        with pytest.raises(TieringError, match=words):
            merge(said, one, into, on, **changes)
    assert contents(embedded, "tiering") == before


def test_a_customer_merged_into_one_that_is_not_known_yet_stands_for_itself(four: Said) -> None:
    four.put("customers", [customer("CA"), customer("CB"), customer("CN", opened_on="2024-03-01")])
    four.load(batch_of("2024-02"))
    merge(four, "CA", "CN", MERGED)
    assert "CA" in seen(four.database, date(2024, 2, 29))
    assert seen(four.database, date(2024, 3, 1))["CN"] == 100


# Erasure.

CANARY = "Zanzibar & Sons <Qx7>"
OLDER = "Zanzibar Trading 渡渡鸟"


def texts_of(database: Database) -> Iterator[tuple[str, str]]:
    """Return every text of every table; mails as what they hold."""
    for schema in ("landing", "facts", "work", "tiering"):
        for table in tables_of(database, schema):
            for row in query(database, f"SELECT * FROM {schema}.{table}"):
                for value in row:
                    if isinstance(value, str):
                        yield f"{schema}.{table}", value


def words_of(content: bytes) -> str:
    """Return everything a mail says: its bodies, and the sheets of its workbook."""
    said_here = []
    for part in message_from_bytes(content, policy=policy.SMTP).walk():
        if part.is_multipart():
            continue
        body = part.get_content()
        if isinstance(body, bytes):
            with ZipFile(BytesIO(body)) as book:
                body = " ".join(book.read(name).decode("utf-8", "replace") for name in book.namelist())
        said_here.append(unescape(body))
    return " ".join(said_here)


def file_mails(database: Database, folder: Path) -> None:
    """Write two mails that name the canary, in both languages, and put one of them into the mail folder."""
    mover = Mover("CA", CANARY, "A", "B", "down", "measures", (), Decimal("100.00"))
    other = replace(mover, customer_id="CB", customer_name="Canary CB GmbH")
    old = replace(mover, customer_name=OLDER, direction="left", to_tier=None)
    section = PolicySection("p", {"en": "Pyramid", "zh": "金字塔"}, FIRST, (), (mover, other, old), {})
    for locale, status in (("en", "pending"), ("zh", "sent")):
        digest = Digest("M1", "Ann", "ann@corp.example", locale, "CNY", (section,), ())
        message = build_message(
            render_digest(digest),
            sender="tiering@corp.example",
            recipient="ann@corp.example",
            recipient_name="Ann",
            message_id=f"<{locale}@corp.example>",
            run_note="1",
            date=datetime(2024, 2, 1, tzinfo=UTC),
        )
        query(
            database,
            "INSERT INTO tiering.email_outbox (message_id, digest_id, account_manager_id, recipient, subject, message, "
            "status, attempts, created_at) "
            "VALUES (:id, 'd', 'M1', 'ann@corp.example', 's', :message, :status, 0, CURRENT_TIMESTAMP)",
            id=f"<{locale}@corp.example>",
            message=bytes(message).decode("ascii"),
            status=status,
        )
    send_outbox(database, None, folder)


def test_an_erased_name_is_found_nowhere_and_no_extract_brings_it_back(said: Said, tmp_path: Any) -> None:
    database, folder, packs = said.database, tmp_path / "mails", tmp_path / "packs"
    personal: dict[str, list[Row]] = {
        "assessments": [{
            "customer_id": "CA", "indicator": "credit_level", "value": "B", "assessed_on": "2024-01-05",
            "assessed_by": "R1", "evidence": f"call with {CANARY}",
        }],
        "contacts": [{
            "contact_id": "K1", "customer_id": "CA", "contacted_on": "2024-01-09", "channel": "phone",
            "outcome": f"{CANARY} was not there",
        }],
    }  # fmt: skip
    for entity, rows in personal.items():
        said.put(entity, rows)
    others: list[Row] = [customer("CB"), {**customer("CB"), "customer_id": "", "name": CANARY}]
    old, new = ({"attr_contact": f"{who} 1380000", "attr_credit_rating": who} for who in (OLDER, CANARY))
    for number, one in enumerate((customer("CA", name=OLDER, **old), customer("CA", name=CANARY, **new))):
        said.put("customers", [one, *others])
        said.put("sales", [sale("S1", customer_id="CA"), sale("S2", customer_id="CA", net_amount="much")])
        batch = batch_of(f"2024-0{number + 1}")
        extract(database, database, batch, said.folder)
        refuse(database, batch)
        load_batch(database, batch, ["credit_rating"])
    with connected(database, "tests") as connection:
        take_measures(connection, [policy_of("customer", "attribute: contact", "text")], "customer", MERGED)
    file_mails(database, folder)
    packs.mkdir()
    for book in folder.glob("*.xlsx"):
        book.rename(packs / book.name)
    typed = {
        "INSERT INTO tiering.override (policy_id, customer_id, tier, reason, requested_by, valid_from) "
        "VALUES ('p', :one, 'A', :why, 'Li', DATE '2024-01-31')": "asked by {who}",
        "INSERT INTO tiering.grade (policy_id, as_of, customer_id, stage, tier, graded_by, graded_on, reason) "
        "VALUES ('p', DATE '2024-01-31', :one, 'final', 'A', 'Li', DATE '2024-01-31', :why)": "{who} is strategic",
        "INSERT INTO tiering.given_limit "
        "(policy_id, level, customer_id, entity, is_mandatory, reason, requested_by, valid_from, valid_to) "
        "VALUES ('p', 'account', :one, '', FALSE, :why, 'Li', DATE '2024-01-31', DATE '2024-02-29')": "season at {who}",
        "INSERT INTO tiering.given_limit "
        "(policy_id, level, customer_id, entity, is_mandatory, reason, requested_by, valid_from) "
        "VALUES ('p', 'group', 'G' || :one, '', FALSE, :why, 'Li', DATE '2024-01-31')": "guaranteed by {who}",
        "INSERT INTO tiering.refused_line (file_sha256, file, line, entity, reason, line_text, recorded_at) "
        "VALUES (:one, 'o.csv', 2, 'overrides', 'no such tier', :why, CURRENT_TIMESTAMP)": "p,{one},Z,{who},Li",
    }
    for one, who in (("CA", CANARY), ("CB", "Canary CB GmbH")):
        for statement, why in typed.items():
            query(database, statement, one=one, why=why.format(one=one, who=who))
    assert {place for place, value in texts_of(database) if "Zanzibar" in value} >= {
        "facts.customers", "facts.customer_attributes", "facts.assessments", "facts.contacts", "landing.customers",
        "tiering.quarantine", "tiering.key_field_change", "work.parsed_customers",
        "tiering.override", "tiering.grade", "tiering.given_limit", "tiering.refused_line",
    }  # fmt: skip
    mails = query(database, "SELECT message_id, message FROM tiering.email_outbox ORDER BY 1")
    assert all("Zanzibar" in words_of(message.encode()) for _, message in mails)
    kept = {"tiering.run", "tiering.batch", "facts.sales"}
    before = contents(database, "facts", "tiering")
    sold = seen(database, MERGED)
    known = facts_batch_no_of(database)
    folders = [folder, packs, tmp_path / "none"]
    done = erase_customer(database, "CA", erased_on=MERGED, reason="asked for it", requested_by="Li", folders=folders)
    assert done.is_new
    assert done.replaced["tiering.email_outbox.message"] == 2
    assert done.replaced["files"] == 3
    assert {place for place, value in texts_of(database) if "Zanzibar" in value or "1380000" in value} == set()
    for name, message in query(database, "SELECT message_id, message FROM tiering.email_outbox"):
        words = words_of(message.encode())
        assert "Zanzibar" not in words, name
        assert "(erased)" in words, name
        assert "Canary CB GmbH" in words, name
    given = {level: f"given_limit WHERE level = '{level}'" for level in ("account", "group")}
    for table, column in (
        ("override", "reason"), ("grade", "reason"), (given["account"], "reason"), (given["group"], "reason"),
        ("refused_line", "line_text"),
    ):  # fmt: skip
        told = [text for (text,) in query(database, f"SELECT {column} FROM tiering.{table} ORDER BY 1")]
        assert (told[0], len(told)) == ("(erased)", 2)
        assert "Canary CB GmbH" in told[1], "what is said of others stays"
    assert {path.suffix for path in folder.iterdir()} >= {".eml"}
    assert {path.suffix for path in packs.iterdir()} == {".xlsx"}
    for path in (*folder.iterdir(), *packs.iterdir()):
        content = path.read_bytes()
        if path.suffix == ".xlsx":
            with ZipFile(BytesIO(content)) as book:
                content = b" ".join(book.read(name) for name in book.namelist())
        elif path.suffix == ".eml":
            content = words_of(content).encode()
        assert b"Zanzibar" not in content, path.name
        assert b"(erased)" in content, path.name
    after = contents(database, "facts", "tiering")
    assert {name: len(rows) for name, rows in before.items()} == {
        name: len(rows) - (name == "tiering.erasure") for name, rows in after.items()
    }
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert sold == {"CA": 100, "CB": 0}
    assert seen(database, MERGED) == {"CB": 0}
    assert seen(database, MERGED - DAY) == sold
    assert seen(database, MERGED, batch_no=known) == sold
    with connected(database, "tests") as connection:
        assert read_erased(connection) == {"CA": MERGED}
    again = erase_customer(database, "CA", erased_on=MERGED + DAY, reason="r", requested_by="Li", folders=folders)
    assert (again.is_new, again.erased_on, again.replaced) == (False, MERGED, {})
    assert contents(database, "facts", "tiering") == after
    batch = batch_of("2024-03")
    said.put("customers", [customer("CA", name=CANARY, credit_limit="7", **new), customer("CB")])
    extract(database, database, batch, said.folder)
    assert {place for place, value in texts_of(database) if "Zanzibar" in value} == set()
    refuse(database, batch)
    load_batch(database, batch, ["credit_rating"])
    assert {place for place, value in texts_of(database) if "Zanzibar" in value} == set()
    standing = "SELECT COUNT(*) FROM tiering.key_field_change WHERE superseded_at IS NULL AND field = 'credit_rating'"
    assert query(database, standing) == [(1,)], "the change stays, its values are gone"


@pytest.mark.parametrize(
    ("number", "reason", "by", "words"),
    [
        ("C9", "asked", "Li", "customer 'C9' is not known"),
        ("CA", " ", "Li", "a reason is needed"),
        ("CA", "asked", "", "say who asks for it"),
    ],
)
def test_an_erasure_that_cannot_be_is_refused_in_one_line(
    number: str, reason: str, by: str, words: str, embedded: Database
) -> None:
    query(
        embedded,
        "INSERT INTO facts.customers (customer_id, name, holds_from, batch_no) "
        "VALUES ('CA', 'Ann', DATE '2024-01-31', 1)",
    )
    with pytest.raises(TieringError, match=words):
        erase_customer(embedded, number, erased_on=MERGED, reason=reason, requested_by=by)
    assert query(embedded, "SELECT name FROM facts.customers") == [("Ann",)]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("Li", "<b>Li</b> Lidl <b class='Li'>Li & Co</b>", "<b>(erased)</b> Lidl <b class='Li'>Li & Co</b>"),
        ("Annabel", "<b>Annabel</b> Annabella", "<b>(erased)</b> Annabella"),
        ("A & B", "<p>with A &amp; B here</p>", "<p>with (erased) here</p>"),
        ("李", "<p>客户李经理</p>", "<p>客户(erased)经理</p>"),
    ],
)
def test_a_page_loses_the_name_and_nothing_else(name: str, before: str, after: str) -> None:
    redaction = Redaction("C1", [name], "(erased)")
    assert redaction.markup(before + "<i>") == after + "<i>"


def test_a_short_name_is_replaced_in_plain_text_only_before_its_number() -> None:
    redaction = Redaction("C1", ["A"], "(erased)")
    assert redaction.text("* A (C1) | B → A\n* A (C2)") == "* (erased) (C1) | B → A\n* A (C2)"


# The commands.


@pytest.fixture
def installed(embedded: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An installation whose warehouse knows two customers."""
    for number, name in (("CA", "Ann Canary"), ("CB", "Bo Canary")):
        query(
            embedded,
            "INSERT INTO facts.customers (customer_id, name, holds_from, batch_no) "
            "VALUES (:number, :name, DATE '2024-01-31', 0)",
            number=number,
            name=name,
        )
    monkeypatch.setenv("AIRFLOW_CONN_TIERING_WAREHOUSE", json.dumps({"conn_type": "duckdb", "host": embedded.path}))
    for kind in ("MAIL", "REVIEW"):
        written = tmp_path / kind.lower() / "2024-01-31.txt"
        written.parent.mkdir()
        written.write_text("Ann Canary rises", encoding="utf-8")
        monkeypatch.setenv(f"TIERING_{kind}_DIR", str(written.parent))
    return embedded


def test_people_merge_and_erase_from_the_command_line(
    installed: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    merging = ["merge", "CA", "CB", "--on", "2024-02-10", "--by", "Li", "--reason", "bought up", "--approved-by"]
    assert main([*merging, "Li"]) == 1
    assert "approved by somebody else" in capsys.readouterr().err
    assert main([*merging, "Wang"]) == 0
    assert capsys.readouterr().out == "CA counts for CB from 2024-02-10 on\n"
    assert main([*merging, "Wang"]) == 0
    assert capsys.readouterr().out == "CA counted already for CB from 2024-02-10 on\n"
    erasing = ["erase", "CA", "--by", "Li", "--reason", "asked for it"]
    monkeypatch.setattr("sys.stdin", StringIO(""))
    assert main(erasing) == 1
    assert "say --yes" in capsys.readouterr().err
    assert query(installed, "SELECT COUNT(*) FROM tiering.erasure") == [(0,)]
    assert main([*erasing, "--yes"]) == 0
    shown = capsys.readouterr().out
    assert "facts.customers.name: 1 replaced" in shown
    assert "files: 2 replaced" in shown
    assert "CA erased, on " in shown
    assert "Canary" not in shown
    assert main([*erasing, "--yes"]) == 0
    assert "CA was erased before, on " in capsys.readouterr().out
    assert main(["erase", "C9", "--by", "Li", "--reason", "r", "--yes"]) == 1
    assert "customer 'C9' is not known" in capsys.readouterr().err
    assert query(installed, "SELECT name FROM facts.customers ORDER BY 1") == [("(erased)",), ("Bo Canary",)]


def test_a_shrunken_batch_stops_validation_until_somebody_says_why(embedded: Database, tmp_path: Path) -> None:
    """Great Expectations has a floor of its own for the rows of customers, which must give way too."""
    said, here = Said(embedded, tmp_path / "said"), Settings()
    take(said, 0, "12345")
    said.put("customers", [customer("C1")])
    batch = Batch(day_of(1), day_of(2))
    _land(said, batch)
    with pytest.raises(ValidationFailed, match="customers names 1 of the 5 known"):
        jobs.validate(embedded, here, batch, with_pages=False)
    with pytest.raises(TieringError, match="was not validated"):
        jobs.load(embedded, batch, here)
    jobs.validate(embedded, here, batch, with_pages=False, accept_shrunken="four were sold")
    jobs.load(embedded, batch, here)
    assert [row[0] for row in missing(embedded)] == ["C2", "C3", "C4", "C5"]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TIERING_ABSENT_EXTRACTS", "0", "a whole number from 1"),
        ("TIERING_STALE_AFTER_DAYS", "a week", "a whole number from 1"),
        ("TIERING_MAXIMUM_SHRINK_SHARE", "50%", "a fraction from 0 to 1"),
    ],
)
def test_a_setting_of_the_life_cycle_that_cannot_be_meant_is_refused(variable: str, value: str, words: str) -> None:
    with pytest.raises(TieringError, match=f"{variable}: {words}"):
        read_settings({variable: value})
