"""Notices of key fields: told once, to the managers they concern, with source and freshness, in both languages."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_string, policy
from typing import Any

import pytest
from companies import MANAGERS, Row, Said, batch_of, customer, fresh, payment, query, said, sale, warehouses

from reports.digest import Digest, KeyFieldChange, SourceDay, digest_is_quiet
from reports.render import render_digest
from reports.tier_page import MAX_LISTED
from sql.connect import Database
from sql.digests import Written, write_digests

NOW = datetime(2024, 3, 4, 7, tzinfo=UTC)


def write(database: Database, now: datetime = NOW) -> Written:
    return write_digests(
        database,
        currency="CNY",
        domain="tiering.example",
        sender="",
        fallback_address="fallback@corp.example",
        today=now,
        stale_after_days=3,
    )


def mails(database: Database) -> dict[str, str]:
    """Return the plain text of every mail by the manager it went to; empty for the fallback."""
    found = {}
    for manager_id, message in query(database, "SELECT account_manager_id, message FROM tiering.email_outbox"):
        body = message_from_string(message, policy=policy.default).get_body(("plain",))
        assert body is not None
        found[manager_id or ""] = str(body.get_content())
    return found


def test_a_change_is_told_once_to_the_old_and_the_new_manager_with_its_source(said: Said) -> None:
    database = said.database
    managers: list[Row] = [{"account_manager_id": "M2", "name": "Bo", "email": "bo@corp.example", "locale": "zh"}]
    said.put("account_managers", [*MANAGERS, *managers, {**managers[0], "account_manager_id": "M3"}])
    said.put(
        "customers", [customer("C1", credit_limit="1000"), customer("C2"), customer("C3", account_manager_id="M3")]
    )
    said.load(batch_of("2024-01"))
    assert write(database) == Written(None, 0, 0, 0), "nothing to say, nothing sent"
    said.put("customers", [
        customer("C1", credit_limit="1500.5"),
        customer("C2", account_manager_id="M2"),
        customer("C3", account_manager_id="M9", is_blocked="1"),
    ])  # fmt: skip
    said.load(batch_of("2024-02"))
    done = write(database)
    assert (done.mails, done.quiet) == (4, 0)
    told = mails(database)
    assert set(told) == {"M1", "M2", "M3", ""}
    assert "* Canary C1 GmbH (C1) | 1,000 → 1,500.5 | Credit limit" in told["M1"]
    assert "* Canary C2 GmbH (C2) | M1 → M2 | Account manager" in told["M1"]
    assert "since February 29, 2024; Customer records, batch 2024-02-01/2024-03-01, extracted on" in told["M1"]
    assert "C3" not in told["M1"]
    assert "* Canary C2 GmbH (C2) | M1 → M2 | 客户经理" in told["M2"]
    assert "自2024年2月29日起；客户资料，批次 2024-02-01/2024-03-01，抽取于" in told["M2"]
    assert "C1" not in told["M2"]
    assert "| M3 → M9 | 客户经理" in told["M3"]
    assert "| 是否冻结" not in told["M3"], "it is no customer of theirs any more"
    assert "* Canary C3 GmbH (C3) | no → yes | Blocked" in told[""]
    assert "Data as of: " in told["M1"]
    assert "Older than it should be" in told["M1"], "the facts end four days before"
    assert write(database) == Written(None, 0, 0, 0), "told once"
    assert query(database, "SELECT DISTINCT digest_id FROM tiering.key_field_change") == [(done.digest_id,)]
    said.put("customers", [customer("C1", credit_limit="1600"), customer("C2", account_manager_id="M2")])
    said.load(batch_of("2024-02"))
    again = write(database)
    assert again.mails == 1, "a correction is another change, and what stands is not told again"
    (text,) = [row[0] for row in query(
        database, "SELECT message FROM tiering.email_outbox WHERE digest_id = :id", id=again.digest_id
    )]  # fmt: skip
    assert "1,600" in text
    assert "(C2)" not in text


def test_old_news_is_told_to_nobody(said: Said) -> None:
    said.put("customers", [customer("C1", credit_limit="1")])
    said.load(batch_of("2024-01"))
    said.put("customers", [customer("C1", credit_limit="2")])
    said.load(batch_of("2024-02"))
    said.load(batch_of("2024-03"))
    said.load(batch_of("2024-04"))
    assert write(said.database).mails == 0
    assert query(said.database, "SELECT digest_id FROM tiering.key_field_change") == [("none",)]


CHANGE = KeyFieldChange(
    "C1", "<b>Ann</b>", "credit_rating", "A", None, date(2024, 2, 29), "assessments", "b", date(2024, 3, 1), "R01"
)
QUIET = Digest("M1", "Ann", "ann@corp.example", "en", "CNY", (), ())


@pytest.mark.parametrize(("locale", "field", "words"), [
    (
        "en",
        "Credit rating",
        "since February 29, 2024; Assessments, batch b, extracted on March 1, 2024, assessed by R01",
    ),
    ("zh", "信用评级", "自2024年2月29日起；人工评分，批次 b，抽取于2024年3月1日，评估人 R01"),
])  # fmt: skip
def test_a_change_alone_is_something_to_say_and_says_its_source(locale: str, field: str, words: str) -> None:
    assert digest_is_quiet(QUIET)
    digest = replace(QUIET, locale=locale, key_fields=(CHANGE,))
    assert not digest_is_quiet(digest)
    shown = render_digest(digest)
    assert f"* <b>Ann</b> (C1) | A → – | {field}" in shown.text
    assert "&lt;b&gt;Ann&lt;/b&gt;" in shown.html
    for body in (shown.text, shown.html):
        assert words in body
    assert "Ann" not in shown.subject


def test_a_long_list_is_cut_and_counted() -> None:
    shown = render_digest(replace(QUIET, key_fields=(CHANGE,) * (MAX_LISTED + 3)))
    assert shown.text.count("(C1)") == MAX_LISTED
    assert "Not listed here: 3 more" in shown.text


@pytest.mark.parametrize(("locale", "fresh_words", "stale_words"), [
    (
        "en",
        "Data as of: Payments: February 20, 2024; Sales, Contacts: March 3, 2024.",
        "Older than it should be: Payments",
    ),
    ("zh", "数据截至：", "数据未及时更新：回款"),
])  # fmt: skip
def test_the_foot_says_how_fresh_each_source_is_and_which_is_too_old(
    locale: str, fresh_words: str, stale_words: str
) -> None:
    sources = (
        SourceDay("sales", date(2024, 3, 3)),
        SourceDay("payments", date(2024, 2, 20), is_stale=True),
        SourceDay("contacts", date(2024, 3, 3)),
    )
    shown = render_digest(replace(QUIET, locale=locale, sources=sources))
    assert fresh_words in shown.text
    for body in (shown.text, shown.html):
        assert stale_words in body
    assert digest_is_quiet(replace(QUIET, sources=sources)), "how fresh data is, is no news by itself"
    fine = render_digest(replace(QUIET, locale=locale, sources=sources[:1])).text
    assert stale_words[:5] not in fine
