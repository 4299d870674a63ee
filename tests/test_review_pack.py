"""The review pack: four lists, the proposal, the spot check, the reconciliation; and the notices to customers."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from companies import (
    Said,
    Warehouses,
    batch_of,
    contents,
    customer,
    empty,
    fresh,
    loaded,
    payment,
    policies_for,
    publish,
    query,
    receivable,
    said,
    sale,
    stage,
    warehouses,
)
from openpyxl import load_workbook

from reports.notice import mask_name
from reports.review_pack import Reconciled
from sql.connect import Database, connected
from sql.errors import TieringError
from sql.facts import facts_batch_no
from sql.notices import prepare_notices
from sql.review_pack import read_review_states, reconcile, write_review_pack
from transforms.calendar import add_months
from transforms.review_lists import draw_sample, evaluated_from, has_attribute, propose_settlement

POLICIES = policies_for("dealer_points")
DEALERS = POLICIES["dealer_points"]
AS_OF = date(2026, 2, 28)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


# Pure


@pytest.mark.parametrize(
    ("began_on", "due"),
    [
        (date(2025, 8, 28), date(2026, 2, 28)),
        (date(2025, 8, 29), date(2026, 2, 28)),  # months end: clamped
        (date(2025, 8, 31), date(2026, 2, 28)),
        (date(2025, 9, 1), date(2026, 3, 1)),
        (date(2023, 8, 31), date(2024, 2, 29)),
        (date(2025, 12, 31), date(2026, 6, 30)),
        (date(2025, 6, 30), date(2025, 12, 30)),
    ],
)
def test_a_new_customer_is_evaluated_after_six_full_months(began_on: date, due: date) -> None:
    assert evaluated_from(began_on) == due


def test_the_day_of_the_evaluation_is_the_first_one_with_six_whole_months() -> None:
    def whole_months(start: date, day: date) -> int:
        return max(n for n in range(-1, 9) if add_months(start, n) <= day)

    for shift in range(0, 800, 3):
        start = date(2023, 7, 1) + shift * DAY
        due = evaluated_from(start)
        assert (whole_months(start, due), whole_months(start, due - DAY)) == (6, 5)


@pytest.mark.parametrize(
    ("has_special", "is_best", "overdue", "proposed"),
    [
        (True, False, "0", "verify"),
        (True, True, "0.01", "revoke"),
        (False, True, "0", "add"),
        (False, True, "0.01", None),
        (False, False, "0", None),
    ],
)
def test_a_special_settlement_is_verified_added_or_revoked(
    has_special: bool, is_best: bool, overdue: str, proposed: str | None
) -> None:
    assert propose_settlement(has_special=has_special, is_best=is_best, overdue_amount=Decimal(overdue)) == proposed


def test_an_attribute_that_says_no_is_none() -> None:
    assert [has_attribute(value) for value in (None, "", " ", "No", "false", "0", "none", "monthly", "yes")] == [
        *[False] * 7,
        True,
        True,
    ]


@pytest.mark.parametrize("size", [1, 4, 9, 500])
def test_the_sample_is_the_same_in_any_order_and_has_one_of_every_tier(size: int) -> None:
    tiers = {f"C{number:03}": "ABBCCCCDDDDDDDDD"[number % 16] for number in range(200)}
    drawn = draw_sample(tiers, "p", AS_OF, size)
    shuffled = list(tiers.items())
    random.Random(7).shuffle(shuffled)
    assert draw_sample(dict(shuffled), "p", AS_OF, size) == drawn
    assert len(drawn) == len(set(drawn)) == min(max(size, 4), 200)
    assert {tiers[name] for name in drawn} == set("ABCD")
    assert size == 500 or draw_sample(tiers, "p", AS_OF + DAY, size) != drawn


def test_a_sample_of_nobody_is_empty() -> None:
    assert draw_sample({}, "p", AS_OF, 5) == []


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("上海远达机电有限公司", "上海**公司"),
        ("广州恒启商贸有限公司深圳分公司", "广州**公司"),
        ("远达公司", "远**公司"),
        ("李薇", "李**"),
        ("公司", "公**"),
        ("Aldhaven Machinery Co., Ltd.", "A***"),
        ("élan", "É***"),
        ("=cmd|' /C calc'!A0", "****"),
        ("", "***"),
        ("\u202e", "***"),
    ],
)
def test_a_name_is_masked_and_its_length_too(name: str, masked: str) -> None:
    assert mask_name(name) == masked


# Reconciliation


def totals(database: Database, day: date) -> tuple[list[Reconciled], list[Reconciled]]:
    with connected(database, "tests") as connection:
        found = reconcile(connection, day)
    return [row for row in found if row.account_id is None], [row for row in found if row.account_id is not None]


def test_what_agrees_is_not_listed_and_a_cent_is_found(said: Said) -> None:
    said.put("customers", [customer("C1"), customer("C2"), customer("C3", bill_to_id="C1")])
    said.put("sales", [sale("1"), sale("2", customer_id="C2"), sale("3", customer_id="C3")])
    booked = [receivable("D1"), receivable("D2", customer_id="C2"), receivable("D3")]
    said.put("receivables", booked)
    said.put("payments", [payment("P1", document_id="D1"), payment("P3", document_id="D3", amount="100.00")])
    said.load(batch_of("2024-01"))
    (total,), differing = totals(said.database, date(2024, 1, 31))
    assert differing == []
    assert total == Reconciled(
        None, "CNY", Decimal("339"), Decimal("339"), Decimal("213"), Decimal("126"), Decimal(0), Decimal(0),
        Decimal(0), 2, 0,
    )  # fmt: skip
    booked[1]["gross_amount"] = "112.99"
    said.put("receivables", booked)
    said.load(batch_of("2024-01"))
    (total,), (row,) = totals(said.database, date(2024, 1, 31))
    assert (row.account_id, row.sales_difference, row.cash_difference) == ("C2", Decimal("0.01"), Decimal(0))
    assert (total.sales_difference, total.accounts, total.differing) == (Decimal("0.01"), 2, 1)
    assert totals(said.database, date(2024, 1, 9)) == ([], [])


@pytest.mark.parametrize(
    ("paid", "on_account", "difference"),
    [
        ([payment("P1", document_id="D9")], "0", "-113"),  # a document that nobody knows
        ([payment("P1", amount="150.00")], "37", "0"),  # paid too much, names nothing
        ([payment("P1", amount="150.00", document_id="D1")], "37", "0"),
        ([payment("P1", kind="refund", amount="20.00")], "0", "20"),  # gives back what was never received
        ([payment("P1", customer_id="C2", document_id="D1")], "0", "113"),  # somebody else paid
        ([], "0", "0"),
    ],
)
def test_cash_that_nothing_explains_is_found(said: Said, paid: list[Any], on_account: str, difference: str) -> None:
    said.put("sales", [sale("1")])
    said.put("receivables", [receivable("D1")])
    said.put("payments", paid)
    said.load(batch_of("2024-01"))
    (total,), differing = totals(said.database, date(2024, 1, 31))
    mine = {row.account_id: row.cash_difference for row in differing}
    assert mine.get("C1", Decimal(0)) == Decimal(difference)
    assert mine.get("C2", Decimal(0)) == (Decimal("-113") if any(row["customer_id"] == "C2" for row in paid) else 0)
    assert total.on_account == Decimal(on_account)


@pytest.mark.postgres
def test_both_engines_find_the_same_planted_cents_in_the_company_and_nothing_else(warehouses: Warehouses) -> None:
    found = {}
    for engine in ("duckdb", "postgresql"):
        database = warehouses.loaded(engine)
        clean, differing = totals(database, AS_OF)
        assert (len(clean), differing) == (4, [])  # the company's dirt was set aside whole
        [(document, payer)] = query(
            database,
            "SELECT document_id, customer_id FROM facts.receivables WHERE currency = 'CNY' AND gross_amount > 100 "
            "ORDER BY document_id LIMIT 1",
        )
        query(
            database,
            "UPDATE facts.receivables SET gross_amount = gross_amount + 0.01 WHERE document_id = :one",
            one=document,
        )
        [(paid, giver)] = query(
            database,
            "SELECT payment_id, customer_id FROM facts.payments WHERE currency = 'EUR' AND document_id IS NOT NULL "
            "ORDER BY payment_id LIMIT 1",
        )
        query(database, "UPDATE facts.payments SET document_id = 'unknown' WHERE payment_id = :one", one=paid)
        found[engine] = totals(database, AS_OF)
        warehouses.drop(database)
        planted = {(row.account_id, row.currency): row for row in found[engine][1]}
        assert set(planted) == {(payer, "CNY"), (giver, "EUR")}
        assert planted[payer, "CNY"].sales_difference == Decimal("-0.01")
        assert planted[payer, "CNY"].cash_difference == 0
        assert planted[giver, "EUR"].sales_difference == 0
        assert planted[giver, "EUR"].cash_difference < 0
        for total in found[engine][0]:
            mine = [row for row in found[engine][1] if row.currency == total.currency]
            assert total.differing == len(mine)
            assert total.sales_difference == sum(row.sales_difference for row in mine)
            assert total.cash_difference == sum(row.cash_difference for row in mine)
    assert found["duckdb"] == found["postgresql"]


def test_the_totals_are_the_sums_of_the_facts(loaded: Database) -> None:
    facts = query(
        loaded,
        "SELECT currency, SUM(CASE WHEN document_type = 'credit_note' THEN -ABS(gross_amount) ELSE gross_amount END) "
        "FROM facts.sales WHERE superseded_in IS NULL AND sold_on <= :day GROUP BY currency",
        day=AS_OF,
    )
    assert {row.currency: row.invoiced for row in totals(loaded, AS_OF)[0]} == dict(facts)


# The pack


def sheets(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    book = load_workbook(BytesIO(path.read_bytes()))
    return {page.title: [tuple(row) for row in page.iter_rows(min_row=2, values_only=True)] for page in book}


def test_the_pack_holds_the_lists_before_and_after_publication(loaded: Database, tmp_path: Path) -> None:
    with pytest.raises(TieringError, match="2026-02-28 was not decided; run tier__dealer_points"):
        write_review_pack(loaded, DEALERS, AS_OF, tmp_path)
    best = query(loaded, "SELECT MIN(customer_id) FROM facts.customers WHERE superseded_in IS NULL")[0][0]
    query(loaded, "UPDATE facts.customers SET name = '=1+1' WHERE customer_id = :best", best=best)
    stage(loaded, POLICIES, "dealer_points", AS_OF)
    staged = write_review_pack(loaded, DEALERS, AS_OF, tmp_path / "staged", language="en", sample_size=6)
    assert staged.name == "review-dealer_points-2026-02-28.xlsx"
    before = sheets(staged)
    assert list(before) == [
        "Overview", "A Best tier", "B Special policy", "C Special settlement", "D New customers", "All grades",
        "Spot check", "Reconciliation",
    ]  # fmt: skip
    assert any("proposed, waits for an answer" in str(cell) for row in before["Overview"] for cell in row)
    grades = (
        "INSERT INTO tiering.grade (policy_id, as_of, customer_id, stage, tier, graded_by, graded_on, reason) "
        "VALUES ('dealer_points', :day, :one, :stage, :tier, :who, :day, :why)"
    )
    query(loaded, grades, day=AS_OF, one=best, stage="pre_graded", tier="B", who="East", why=None)
    query(loaded, grades, day=AS_OF, one=best, stage="final", tier="A", who="committee", why="strategic")
    publish(loaded, POLICIES, "dealer_points", AS_OF)
    path = write_review_pack(loaded, DEALERS, AS_OF, tmp_path, language="en", sample_size=6)
    assert write_review_pack(loaded, DEALERS, AS_OF, tmp_path / "again", language="en", sample_size=6).read_bytes() == (
        path.read_bytes()
    )
    pack = sheets(path)

    decided = query(
        loaded,
        "SELECT customer_id, computed_tier, score FROM tiering.decision "
        "WHERE policy_id = 'dealer_points' AND as_of = :day",
        day=AS_OF,
    )
    listed = pack["All grades"]
    assert [row[0] for row in listed] == [row[0] for row in sorted(decided, key=lambda row: (row[1], -row[2], row[0]))]
    (mine,) = [row for row in listed if row[0] == best]
    assert mine[1] == "=1+1"
    assert mine[3] == "A"
    assert mine[7:] == ("B", "East", "A", "committee", "strategic", "graded")
    computed = {row[0]: row[1] for row in decided}
    a_list = {row[0] for row in pack["A Best tier"] if row[0]}
    assert a_list == {name for name, tier in computed.items() if tier == "A"} | {best}
    assert {row[6] for row in pack["A Best tier"]} == {"Class-A list - write the support plan"}
    assert {row[7].date() for row in pack["A Best tier"]} == {AS_OF + 5 * DAY}

    attributes = query(
        loaded, "SELECT attribute, customer_id FROM facts.customer_attributes WHERE attribute LIKE 'special_%'"
    )
    special = {name for attribute, name in attributes if attribute == "special_policy"} & set(computed)
    assert {row[0] for row in pack["B Special policy"]} == special
    assert special
    settlements = {row[0]: row[5] for row in pack["C Special settlement"]}
    having = {name for attribute, name in attributes if attribute == "special_settlement"} & set(computed)
    assert {name for name, what in settlements.items() if what in ("verify", "revoke")} == having
    assert {name for name, what in settlements.items() if what == "add"} <= a_list - having
    for row in pack["C Special settlement"]:
        assert (row[5] == "revoke") == (row[0] in having and row[7] > 0)
    tenure = query(
        loaded,
        "SELECT customer_id FROM tiering.score_component WHERE policy_id = 'dealer_points' AND as_of = :day "
        "AND indicator = 'tenure_months' AND value < 6",
        day=AS_OF,
    )
    assert {row[0] for row in pack["D New customers"]} == {row[0] for row in tenure}
    assert tenure
    assert all(row[6].date() > AS_OF for row in pack["D New customers"])

    sampled = list(dict.fromkeys(row[0] for row in pack["Spot check"]))
    assert sampled == draw_sample(computed, "dealer_points", AS_OF, 6)
    assert len(pack["Spot check"]) == len(sampled) * len(DEALERS.indicators)
    assert [row[:3] for row in before["Spot check"]] == [row[:3] for row in pack["Spot check"]]
    chinese = write_review_pack(loaded, DEALERS, AS_OF, tmp_path / "zh")
    assert "三方对账" in sheets(chinese)

    # notices and states of the same publication
    with connected(loaded, "tests") as connection:
        states = read_review_states(connection, DEALERS, AS_OF, AS_OF)
        assert {states[name] for name in computed} == {"graded"}
        assert {state for name, state in states.items() if name not in computed} <= {"collected"}
    outbox = query(loaded, "SELECT COUNT(*) FROM tiering.email_outbox")
    held = query(loaded, "SELECT customer_id FROM tiering.customer_tier WHERE policy_id = 'dealer_points'")
    query(
        loaded,
        "UPDATE tiering.customer_tier SET status = 'pending' WHERE customer_id = :one",
        one=held[0][0],
    )
    prepared = prepare_notices(loaded, DEALERS, AS_OF, tmp_path, now=NOW)
    assert prepared.customers == len(held) - 1
    assert prepared.file == tmp_path / "notice-dealer_points-2026-02-28.csv"
    text = prepared.file.read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(StringIO(text)))
    assert {row["customer_id"] for row in rows} == {row[0] for row in held[1:]}
    assert {row["language"] for row in rows} == {"zh", "en"}
    next_day = date(2026, 11, 30)  # what the run of 25 December looks at
    assert {row["valid_until"] for row in rows} == {next_day.isoformat()}
    assert not _finds_a_secret(loaded, text)
    assert query(loaded, "SELECT COUNT(*) FROM tiering.email_outbox") == outbox
    with connected(loaded, "tests") as connection:
        told = read_review_states(connection, DEALERS, AS_OF, next_day - DAY)
        later = read_review_states(connection, DEALERS, AS_OF, next_day)
        assert {told[row["customer_id"]] for row in rows} == {"notified"}
        assert {later[row["customer_id"]] for row in rows} == {"re_review"}

    stood = contents(loaded, "tiering")
    assert prepare_notices(loaded, DEALERS, AS_OF, tmp_path, now=NOW + DAY).file is None
    assert contents(loaded, "tiering") == stood
    query(
        loaded,
        "UPDATE tiering.customer_tier SET tier = CASE WHEN tier = 'B' THEN 'C' ELSE 'B' END WHERE customer_id = :one",
        one=held[1][0],
    )
    second = prepare_notices(loaded, DEALERS, AS_OF, tmp_path, now=NOW + DAY)
    assert (second.file, second.customers) == (tmp_path / "notice-dealer_points-2026-02-28-2.csv", 1)
    with pytest.raises(TieringError, match="latest published day is 2026-02-28"):
        prepare_notices(loaded, DEALERS, date(2026, 1, 31), tmp_path, now=NOW)


def _finds_a_secret(warehouse: Database, text: str) -> list[str]:
    """Return names, scores and amounts of customers that a text holds."""
    names = [row[0].strip() for row in query(warehouse, "SELECT DISTINCT name FROM facts.customers")]
    found = [name for name in names if name and name in text]
    found += [name[2:6] for name in names if re.match(r"[\u4e00-\u9fff]{6}", name) and name[2:6] in text]
    return found + re.findall(r"\d+[.,]\d", text)


def test_no_module_of_the_notices_knows_a_mail_server() -> None:
    root = Path(__file__).resolve().parents[1]
    for name in ("reports/notice.py", "sql/notices.py", "sql/review_pack.py", "reports/review_pack.py"):
        assert not re.search(r"smtp|reports\.mail|outbox|deliver\(", (root / name).read_text(encoding="utf-8")), name
    for name in ("reports/mail.py", "sql/digests.py", "sql/news.py", "sql/outbox.py"):
        known = r"customer_notice|reports\.notice|sql\.notices|review_dir"
        assert not re.search(known, (root / name).read_text(encoding="utf-8")), name
