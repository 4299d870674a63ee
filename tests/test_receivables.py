"""Receivables as of a day: every account and currency on every engine against the model in plain Python."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from companies import ENGINES, Warehouses, query, warehouses
from measure_model import Company
from sqlalchemy import text
from test_measure_library import BY_CHANCE, BY_HAND, told

from sql.connect import Database, connected, kept_open
from sql.errors import TieringError
from sql.facts import facts_batch_no
from sql.receivables import write_positions
from sql.statements import run

DAYS = [date(2022, 3, 31), date(2023, 6, 30), date(2024, 2, 29), date(2024, 3, 10), date(2024, 12, 31)]
COLUMNS = (
    "billed_amount", "paid_amount", "balance", "open_amount", "disputed_amount", "overdue_amount", "overdue_days",
    "ageing_current", "ageing_1_30", "ageing_31_60", "ageing_61_90", "ageing_over_90", "unmatched_amount",
    "average_days", "on_time_rate", "dso",
)  # fmt: skip
ROWS = {
    entity: [*BY_HAND.get(entity, []), *BY_CHANCE.get(entity, [])]
    for entity in ("customers", "receivables", "payments", "exchange_rates")
}


MONTH_ENDS = [date(2024, 12, 31), date(2025, 6, 30), date(2025, 12, 31), date(2026, 3, 31)]
SAID = {
    "customers": "customer_id, bill_to_id, group_id, opened_on, status",
    "receivables": "document_id, customer_id, issued_on, due_on, gross_amount, currency, is_disputed, entity",
    "payments": "payment_id, customer_id, paid_on, amount, currency, document_id, kind",
    "exchange_rates": "currency, valid_on, rate_to_reporting",
}
"""What the facts hold of a company that was loaded at once: one version of every row."""


def positions_of(database: Database, as_of: date) -> dict[tuple[str, str], dict[str, Any]]:
    rows = query(
        database,
        f"SELECT customer_id, currency, {', '.join(COLUMNS)} FROM tiering.receivable_position WHERE as_of = :as_of",
        as_of=as_of,
    )
    return {(row[0], row[1]): dict(zip(COLUMNS, row[2:], strict=True)) for row in rows}


def write(database: Database, as_of: date) -> int:
    with connected(database, "tiering_warehouse") as connection:
        return write_positions(connection, as_of, facts_batch_no(connection))


def check(found: dict[tuple[str, str], dict[str, Any]], expected: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert found.keys() == expected.keys()
    for place, row in expected.items():
        for name in COLUMNS:
            assert found[place][name] == row[name], f"{place} {name}: {found[place][name]} is not {row[name]}"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_demo_company_owes_what_plain_python_counts_at_four_month_ends(warehouses: Warehouses, engine: str) -> None:
    database = warehouses.loaded(engine)
    with kept_open(database):
        rows = {}
        for entity, names in SAID.items():
            told = query(database, f"SELECT {names} FROM facts.{entity} WHERE superseded_in IS NULL")
            rows[entity] = [dict(zip(names.split(", "), row, strict=True)) for row in told]
        for as_of in MONTH_ENDS:
            assert write(database, as_of) > 0
            found = positions_of(database, as_of)
            check(found, Company(rows, "bill_to", as_of).positions())
            assert sum(row["overdue_amount"] > 0 for row in found.values()) > 5
    warehouses.drop(database)


@pytest.mark.parametrize("as_of", DAYS, ids=str)
def test_a_position_is_what_is_counted_document_by_document(told: Database, as_of: date) -> None:
    assert write(told, as_of) > 0
    check(positions_of(told, as_of), Company(ROWS, "bill_to", as_of).positions())


@pytest.mark.parametrize("as_of", DAYS, ids=str)
def test_buckets_and_disputes_add_up_to_what_is_open_and_documents_less_money_to_the_balance(
    told: Database, as_of: date
) -> None:
    write(told, as_of)
    for row in positions_of(told, as_of).values():
        ages = sum(row[name] for name in COLUMNS if name.startswith("ageing"))
        assert ages + row["disputed_amount"] == row["open_amount"]
        assert row["billed_amount"] - row["paid_amount"] == row["balance"]
        assert row["overdue_amount"] == ages - row["ageing_current"]


@pytest.mark.parametrize("column", ["billed_amount", "paid_amount", "unmatched_amount"])
def test_a_position_that_lost_a_cent_is_found_by_the_control_totals(told: Database, column: str) -> None:
    write(told, DAYS[2])
    with connected(told, "tiering_warehouse") as connection:
        key = {"as_of": DAYS[2], "facts_batch_no": facts_batch_no(connection)}
        assert run(connection, "warehouse/read_position_faults.sql", key).all() == []
        change = f"UPDATE tiering.receivable_position SET {column} = {column} - 0.01 WHERE customer_id = :customer_id"
        place = next(place for place in positions_of(told, DAYS[2]) if place[1] == "EUR")
        connection.execute(text(f"{change} AND currency = 'EUR'"), {"customer_id": place[0]})
        faults = run(connection, "warehouse/read_position_faults.sql", key).all()
        expected = (Decimal("0.01"), 0) if column == "billed_amount" else (0, Decimal("0.01"))
        assert [tuple(fault) for fault in faults] == [("EUR", *expected)]
        connection.rollback()


def test_written_again_it_is_the_same(told: Database) -> None:
    write(told, DAYS[1])
    before = positions_of(told, DAYS[1])
    write(told, DAYS[1])
    assert positions_of(told, DAYS[1]) == before
