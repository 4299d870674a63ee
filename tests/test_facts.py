"""Facts: everything extracted is loaded, quarantined or excluded to the cent; no version is overwritten."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest
from companies import (
    ENGINES,
    WHOLE,
    Said,
    Warehouses,
    batch_of,
    clean_company,
    contents,
    customer,
    extract,
    fresh,
    load,
    loaded,
    payment,
    query,
    rate,
    receivable,
    refuse,
    said,
    sale,
    warehouses,
)

import expectations
from sql.connect import Database, connected
from sql.contract import ENTITIES
from sql.errors import TieringError, ValidationFailed
from sql.extract import Batch
from sql.facts import facts_batch_no, facts_through, load_batch, reconcile_source

JANUARY, FEBRUARY, MARCH = batch_of("2024-01"), batch_of("2024-02"), batch_of("2024-03")


def _versions(said: Said, entity: str, *columns: str) -> list[tuple[object, ...]]:
    """Return every version of an entity: the columns, the load that brought it and the load that ended it."""
    names = ", ".join([*columns, "batch_no", "superseded_in"])
    return query(said.database, f"SELECT {names} FROM facts.{entity} ORDER BY {columns[0]}, batch_no, superseded_in")


def _refused(said: Said) -> list[tuple[object, ...]]:
    return query(
        said.database,
        "SELECT entity, rule, position FROM tiering.quarantine WHERE superseded_in IS NULL ORDER BY 1, 2, 3",
    )


def _through(said: Said) -> tuple[date | None, int]:
    with connected(said.database, "tiering_warehouse") as connection:
        return facts_through(connection), facts_batch_no(connection)


# Reconciliation


@pytest.mark.parametrize("engine", ENGINES)
def test_the_ledger_of_the_whole_company_adds_up(engine: str, warehouses: Warehouses) -> None:
    source, database = warehouses.source(engine), warehouses.empty(engine)
    done = load(source, database, WHOLE)
    columns = "extracted_rows, loaded_rows, quarantined_rows, excluded_rows, " + ", ".join(
        f"{kind}_amount" for kind in ("extracted", "loaded", "quarantined", "excluded")
    )
    rows = query(database, f"SELECT entity, currency, {columns} FROM tiering.batch")
    assert {row[0] for row in rows} == set(ENTITIES)
    for entity, currency, *numbers in rows:
        extracted, loaded_, quarantined, excluded = numbers[:4]
        assert extracted == loaded_ + quarantined + excluded, (entity, currency)
        assert numbers[4] == numbers[5] + numbers[6] + numbers[7], (entity, currency)
    by_entity = {entity: sum(row[4] for row in rows if row[0] == entity) for entity, *_ in rows}
    assert {name: count for name, count in by_entity.items() if count} == done.quarantined_rows
    for entity, table, amount in (
        ("sales", "invoice_line", "net_value"),
        ("receivables", "debtor_item", "item_amount"),
        ("payments", "cash_receipt", "receipt_amount"),
    ):
        said_rows, said_amount = query(source, f"SELECT COUNT(*), SUM({amount}) FROM erp.{table}")[0]
        mine = [row for row in rows if row[0] == entity]
        assert sum(row[2] for row in mine) == said_rows
        assert sum(row[6] for row in mine) == said_amount
        standing = query(
            database,
            f"SELECT COUNT(*), SUM({ENTITIES[entity].amount}) FROM facts.{entity} WHERE superseded_in IS NULL",
        )
        assert standing == [(sum(row[3] for row in mine), sum(row[7] for row in mine))]
    warehouses.drop(source)
    warehouses.drop(database)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_facts_are_the_company_before_any_fault(engine: str, warehouses: Warehouses) -> None:
    database, company = warehouses.loaded(engine), clean_company()
    lines = company.tables["invoice_line"]
    wanted = sorted(zip(lines["line_key"].to_pylist(), lines["net_value"].to_pylist(), strict=True))
    assert query(database, 'SELECT line_id, net_amount FROM facts.sales ORDER BY line_id COLLATE "C"') == wanted
    receipts = company.tables["cash_receipt"]
    wanted = sorted(zip(receipts["receipt_no"].to_pylist(), receipts["receipt_amount"].to_pylist(), strict=True))
    assert query(database, 'SELECT payment_id, amount FROM facts.payments ORDER BY payment_id COLLATE "C"') == wanted
    partners = company.tables["business_partner"]
    assert query(database, "SELECT customer_id FROM facts.customers ORDER BY 1") == [
        (number,) for number in sorted(partners["partner_no"].to_pylist())
    ]
    warehouses.drop(database)


ALTERATIONS = {
    "a row lost": "DELETE FROM landing.sales WHERE position = 1",
    "an amount changed": "UPDATE landing.sales SET net_amount = '100.01' WHERE position = 1",
    "a currency changed": "UPDATE landing.sales SET currency = 'EUR' WHERE position = 1",
    "a row added": "INSERT INTO landing.sales (batch_id, position, line_id, net_amount, currency) "
    "VALUES ('2024-01-01/2024-02-01', 9, 'X', '0', 'CNY')",
    "a row of a currency of its own": "INSERT INTO landing.sales (batch_id, position, line_id, net_amount, "
    "currency) VALUES ('2024-01-01/2024-02-01', 9, 'X', '0', 'USD')",
    "a row added where there was none": "INSERT INTO landing.plan (batch_id, position, year) "
    "VALUES ('2024-01-01/2024-02-01', 1, '2024')",
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_landing_that_was_altered_is_found(said: Said, alteration: str) -> None:
    said.put("plan", [])
    said.put("sales", [sale("S1"), sale("S2")])
    said.write(
        "sales",
        "SELECT line_id, document_id, customer_id, sold_on, CAST(net_amount AS DECIMAL(20, 2)) "
        "AS net_amount, currency "
        "FROM said.sales WHERE sold_on >= CAST(:batch_start AS TEXT) AND sold_on < CAST(:batch_end AS TEXT)",
    )
    extract(said.database, said.database, JANUARY, said.folder)
    with connected(said.database, "tiering_warehouse") as connection:
        reconcile_source(connection, JANUARY)
    query(said.database, ALTERATIONS[alteration])
    with connected(said.database, "tiering_warehouse") as connection, pytest.raises(TieringError) as caught:
        reconcile_source(connection, JANUARY)
    assert "2024-01-01/2024-02-01" in str(caught.value)
    assert "the source counted" in str(caught.value)
    assert "extract the batch again" in str(caught.value)


@pytest.mark.parametrize("currency", ["CNY", " cny\u3000", "\tCNY", "eur", None, "", "\u00a0", "人民币"])
def test_odd_currencies_do_not_upset_the_reconciliation(said: Said, currency: str | None) -> None:
    said.put("sales", [sale("S1"), sale("S2", currency=currency)])
    extract(said.database, said.database, JANUARY, said.folder)
    with connected(said.database, "tiering_warehouse") as connection:
        reconcile_source(connection, JANUARY)


# What may be loaded


def test_nothing_is_loaded_that_was_not_validated(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TieringError, match="was not validated"):
        load_batch(said.database, JANUARY)
    with pytest.raises(TieringError, match="was not extracted"):
        refuse(said.database, JANUARY)
    extract(said.database, said.database, JANUARY, said.folder)
    with pytest.raises(TieringError, match="was not validated"):
        load_batch(said.database, JANUARY)
    finding = expectations.Finding("sales", "row_count", "critical", 0, "empty")
    with monkeypatch.context() as patch:
        patch.setattr(expectations, "_evaluate", lambda *_: ([finding], 1))
        with pytest.raises(ValidationFailed):
            expectations.validate(said.database, JANUARY, reporting_currency="CNY")
    with pytest.raises(TieringError, match="was not validated"):
        load_batch(said.database, JANUARY)
    refuse(said.database, JANUARY)
    with pytest.raises(TieringError, match="2024-02-01/2024-03-01 was not validated"):
        load_batch(said.database, FEBRUARY)
    extract(said.database, said.database, FEBRUARY, said.folder)
    with pytest.raises(TieringError, match="was not validated"):
        load_batch(said.database, FEBRUARY)
    assert _through(said) == (None, 0)
    assert query(said.database, "SELECT COUNT(*) FROM facts.sales") == [(0,)]


def test_loading_the_same_batch_again_changes_nothing(said: Said) -> None:
    said.put("customers", [customer("C1", attr_size="S"), customer("C2"), customer(" ")])
    said.put("sales", [sale("S1"), sale("S2", customer_id="C9"), sale("S3", currency="USD")])
    said.put("exchange_rates", [rate("USD", "2024-01-09", "7.1")])
    said.put("surveys", [{"customer_id": "C1", "answered_on": "2024-01-05", "score": "9", "question": None}])
    first = said.load(JANUARY)
    assert first.batch_no == 1
    assert first.quarantined_rows == {"customers": 1, "sales": 1}
    before = contents(said.database, "facts", "tiering")
    assert load_batch(said.database, JANUARY).batch_no is None
    assert said.load(JANUARY).batch_no is None
    assert contents(said.database, "facts", "tiering") == before


# Versions


def test_a_correction_supersedes_and_a_withdrawn_row_ends(said: Said) -> None:
    def say(*january: dict[str, str | None]) -> None:
        said.put("sales", [*january, sale("F1", sold_on="2024-02-01")])

    say(sale("S1"), sale("S2"), sale("S3"), sale("S4"))
    said.load(JANUARY)
    said.load(FEBRUARY)
    say(sale("S1", net_amount="120.00"), sale("S2", tax_amount=None), sale("S4"))
    assert said.load(JANUARY).batch_no == 3
    assert _versions(said, "sales", "line_id", "net_amount", "tax_amount") == [
        ("F1", Decimal(100), Decimal(13), 2, None),
        ("S1", Decimal(100), Decimal(13), 1, 3),
        ("S1", Decimal(120), Decimal(13), 3, None),
        ("S2", Decimal(100), Decimal(13), 1, 3),
        ("S2", Decimal(100), None, 3, None),
        ("S3", Decimal(100), Decimal(13), 1, 3),
        ("S4", Decimal(100), Decimal(13), 1, None),
    ]


def test_a_row_that_moves_to_another_month_stands_once(said: Said) -> None:
    said.load(JANUARY)
    said.put("sales", [sale("S1", sold_on="2024-02-05"), sale("S2")])
    said.load(FEBRUARY)
    said.load(JANUARY)
    assert _versions(said, "sales", "line_id", "sold_on") == [
        ("S1", date(2024, 1, 10), 1, 2),
        ("S1", date(2024, 2, 5), 2, None),
        ("S2", date(2024, 1, 10), 3, None),
    ]


def test_a_key_whose_new_version_is_refused_keeps_its_old_one(said: Said) -> None:
    said.put("sales", [sale("S1"), sale("S2"), sale("S3")])
    said.put("exchange_rates", [rate("USD", "2024-01-09", "7.1")])
    said.load(JANUARY)
    said.put(
        "sales",
        [
            sale("S1", net_amount="n/a"),
            sale(" S2 ", customer_id="C9"),
            sale("S3", net_amount="1.00"),
            sale("S3"),
        ],
    )
    said.put("exchange_rates", [rate(" usd", "2024-01-09 00:00:00", "-7.1")])
    load = said.load(JANUARY)
    assert _versions(said, "sales", "line_id", "net_amount") == [
        (line, Decimal(100), 1, None) for line in ("S1", "S2", "S3")
    ]
    assert _versions(said, "exchange_rates", "currency", "valid_on") == [("USD", date(2024, 1, 9), 1, None)]
    assert load.quarantined_rows == {"exchange_rates": 1, "sales": 4}
    assert _refused(said) == [
        ("exchange_rates", "rate_not_positive", 1),
        ("sales", "duplicate_conflict", 3),
        ("sales", "duplicate_conflict", 4),
        ("sales", "orphan", 2),
        ("sales", "unreadable", 1),
    ]


def test_a_refused_rate_does_not_hide_the_one_that_stands(said: Said) -> None:
    said.put("sales", [sale("S1", currency="USD")])
    said.put("exchange_rates", [rate("USD", "2024-01-09", "7.1")])
    said.load(JANUARY)
    said.put("exchange_rates", [rate("USD", "2024-01-09", "-1")])
    said.load(JANUARY)
    assert _refused(said) == [("exchange_rates", "rate_not_positive", 1)]
    assert _versions(said, "sales", "line_id", "net_amount_reporting") == [("S1", Decimal(710), 1, None)]


def test_one_key_written_in_two_ways_is_one_key(said: Said) -> None:
    said.put("exchange_rates", [rate("USD", "2024-01-09", "7.1"), rate("usd ", "2024-01-09 00:00:00", "7.2")])
    said.put("plan", [{"year": year, "revenue_budget": "1", "gross_margin_rate": "0.2", "vat_rate": "0.13"}
                      for year in ("2024", "02024")])  # fmt: skip
    said.load(JANUARY)
    assert [row[:2] for row in _refused(said)] == [("exchange_rates", "duplicate_conflict")] * 2 + [
        ("plan", "duplicate_conflict")
    ] * 2


def test_what_was_refused_keeps_rule_reason_and_the_row(said: Said) -> None:
    said.put("sales", [sale("S1", net_amount="1.234,56", quantity='say "two"\nlines', product_id=None)])
    said.load(JANUARY)
    row = query(
        said.database,
        "SELECT batch_no, entity, batch_id, position, rule, reason, customer_id, row_json FROM tiering.quarantine",
    )[0]
    assert row[:5] == (1, "sales", "2024-01-01/2024-02-01", 1, "unreadable")
    assert row[5].endswith("amounts as 1234.56): net_amount quantity")
    assert row[6] == "C1"
    told = json.loads(row[7])
    assert (told["net_amount"], told["quantity"], told["product_id"]) == (
        "1.234,56",
        'say "two"\nlines',
        None,
    )
    said.put("sales", [sale("S1")])
    said.load(JANUARY)
    assert _refused(said) == []
    assert query(said.database, "SELECT superseded_in FROM tiering.quarantine") == [(2,)]


def test_amounts_that_cannot_be_read_are_counted_and_not_summed(said: Said) -> None:
    said.put(
        "sales",
        [
            sale("S1"),
            sale("S2", net_amount="1,5"),
            sale("S3", currency=None),
            sale("S4", customer_id=None),
            sale("S1"),
        ],
    )
    said.load(JANUARY)
    numbers = "extracted_rows, loaded_rows, quarantined_rows, extracted_amount, loaded_amount, quarantined_amount"
    rows = query(said.database, f"SELECT currency, {numbers} FROM tiering.batch WHERE entity = 'sales' ORDER BY 1")
    assert rows == [("?", 1, 0, 1, 100, 0, 100), ("CNY", 4, 1, 3, 300, 100, 200)]


def test_what_is_read_whole_ends_when_it_is_missing_but_a_customer_stays(said: Said) -> None:
    order = {"customer_id": "C1", "ordered_on": "2024-01-05", "amount": "5.00", "currency": "CNY"}
    said.put("open_orders", [{"document_id": "O1", **order}, {"document_id": "O2", **order}])
    said.put("customers", [customer("C1"), customer("C2"), customer("")])
    said.load(JANUARY)
    assert _refused(said) == [("customers", "missing_key", 3)]
    said.put("open_orders", [{"document_id": "O1", **order}])
    said.put("customers", [customer("C1")])
    for name in ("receivables", "payments"):
        said.put(name, [])
    said.put("sales", [sale("S9", customer_id="C2", sold_on="2024-02-03")])
    said.load(FEBRUARY)
    assert _versions(said, "customers", "customer_id") == [("C1", 1, None), ("C2", 1, None)]
    assert _versions(said, "sales", "line_id") == [("S1", 1, None), ("S9", 2, None)]
    assert _versions(said, "open_orders", "document_id") == [("O1", 1, None), ("O2", 1, 2)]
    assert _refused(said) == []  # the customer without a number is no longer there
    assert _through(said) == (date(2024, 2, 29), 2)  # days without rows are covered all the same


def test_attributes_hold_from_the_extract_that_said_them(said: Said) -> None:
    def say(region: str, size: str) -> None:
        said.put("customers", [customer("C1", region=region, attr_size=size), customer("C2")])

    say("north", "S")
    said.load(JANUARY)
    say("south", "M")
    said.load(MARCH)
    said.load(FEBRUARY)  # a backfill reads today's customers: it tells nothing about February
    names = ("customer_id", "region", "holds_from")
    assert _versions(said, "customers", *names) == [
        ("C1", "north", date(2024, 1, 31), 1, None),
        ("C1", "south", date(2024, 3, 31), 2, None),
        ("C2", None, date(2024, 1, 31), 1, None),
    ]
    assert _versions(said, "customer_attributes", "value", "holds_from") == [
        ("M", date(2024, 3, 31), 2, None),
        ("S", date(2024, 1, 31), 1, None),
    ]
    say("west", "M")
    said.load(FEBRUARY)
    assert _versions(said, "customers", *names)[:3] == [
        ("C1", "north", date(2024, 1, 31), 1, None),
        ("C1", "south", date(2024, 3, 31), 2, 4),
        ("C1", "west", date(2024, 3, 31), 4, None),
    ]


def test_a_source_read_by_updates_only_adds_and_corrects(said: Said) -> None:
    said.put("payments", [payment("P1"), payment("P2")])
    columns = "payment_id, customer_id, paid_on, amount, currency, kind, '2024-01-20' AS updated_at"
    updated = f"SELECT {columns} FROM said.payments WHERE :batch_start < :batch_end"
    said.write("payments", updated)
    said.load(JANUARY)
    said.put("payments", [payment("P2", amount="99.00"), payment("P3", paid_on="2023-06-30")], updated)
    said.load(JANUARY)
    assert _versions(said, "payments", "payment_id", "amount") == [
        ("P1", Decimal(113), 1, None),
        ("P2", Decimal(113), 1, 2),
        ("P2", Decimal(99), 2, None),
        ("P3", Decimal(113), 2, None),
    ]


# Days


@pytest.mark.parametrize(
    ("months", "through"),
    [
        ([("2024-01", 1)], date(2024, 1, 31)),
        ([("2024-01", 1), ("2024-02", 1)], date(2024, 2, 29)),
        ([("2024-02", 1), ("2024-01", 1)], date(2024, 2, 29)),
        ([("2024-01", 1), ("2024-03", 1)], date(2024, 1, 31)),
        ([("2024-01", 1), ("2024-03", 1), ("2024-02", 1)], date(2024, 3, 31)),
        ([("2024-01", 3), ("2024-02", 1)], date(2024, 3, 31)),
        ([("2024-01", 2), ("2024-02", 2)], date(2024, 3, 31)),
    ],
    ids=["one", "two", "backwards", "gap", "gap filled", "inside", "overlap"],
)
def test_the_facts_reach_as_far_as_batches_follow_without_gap(
    months: list[tuple[str, int]],
    through: date,
    warehouses: Warehouses,
) -> None:
    database = warehouses.empty("duckdb")
    with connected(database, "tiering_warehouse") as connection:
        assert (facts_through(connection), facts_batch_no(connection)) == (None, 0)
    for number, (month, count) in enumerate(months, 1):
        for entity in ("sales", "receivables", "payments", "contacts"):
            _cover(database, number, entity, batch_of(month, count))
    with connected(database, "tiering_warehouse") as connection:
        assert (facts_through(connection), facts_batch_no(connection)) == (through, len(months))
    warehouses.drop(database)


def _cover(database: Database, number: int, entity: str, batch: Batch) -> None:
    query(
        database,
        "INSERT INTO tiering.batch SELECT CAST(:number AS BIGINT), CAST(:entity AS TEXT), '-', "
        "CAST(:batch AS TEXT), "
        "CAST(:start AS DATE), CAST(:end AS DATE), 0, 0, 0, 0, 0, 0, 0, 0, NULL, "
        "CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, NULL",
        number=number, entity=entity, batch=batch.batch_id, start=batch.start, end=batch.end,
    )  # fmt: skip


def test_an_entity_that_lags_holds_the_facts_back(warehouses: Warehouses) -> None:
    database = warehouses.empty("duckdb")
    for entity in ("sales", "receivables"):
        _cover(database, 1, entity, batch_of("2024-01", 2))
    with connected(database, "tiering_warehouse") as connection:
        assert facts_through(connection) is None
    _cover(database, 2, "payments", JANUARY)
    with connected(database, "tiering_warehouse") as connection:
        assert facts_through(connection) == date(2024, 1, 31)
    warehouses.drop(database)


# Rates and tax


def test_a_rate_holds_on_its_day_and_for_seven_more(said: Said) -> None:
    said.put(
        "exchange_rates",
        [
            rate("USD", "2024-01-05", "7.0"),
            rate("USD", "2024-01-08", "7.123456"),
            rate("JPY", "2023-12-25", "0.05"),
        ],
    )
    days = ["2024-01-04", "2024-01-05", "2024-01-07", "2024-01-08", "2024-01-15", "2024-01-16"]
    said.put(
        "sales",
        [sale(day, sold_on=day, currency="USD", net_amount="10.01", tax_amount=None) for day in days]
        + [
            sale("Y1", sold_on="2024-01-01", currency="JPY"),
            sale("Y2", sold_on="2024-01-02", currency="JPY"),
        ],
    )
    said.put("receivables", [receivable("R1", currency="USD", issued_on="2024-01-16", due_on="2024-01-16")])
    said.put("payments", [payment("P1", currency="USD", paid_on="2024-01-15")])
    said.load(JANUARY)
    assert _versions(said, "sales", "line_id", "net_amount_reporting") == [
        ("2024-01-05", Decimal("70.07"), 1, None),
        ("2024-01-07", Decimal("70.07"), 1, None),
        ("2024-01-08", Decimal("71.31"), 1, None),
        ("2024-01-15", Decimal("71.31"), 1, None),
        ("Y1", Decimal("5.00"), 1, None),
    ]
    assert _refused(said) == [
        ("receivables", "no_rate", 1),
        ("sales", "no_rate", 1),
        ("sales", "no_rate", 6),
        ("sales", "no_rate", 8),
    ]
    assert _versions(said, "payments", "payment_id", "amount_reporting") == [("P1", Decimal("804.95"), 1, None)]


def test_a_rate_of_an_earlier_batch_still_holds(said: Said) -> None:
    said.put("exchange_rates", [rate("USD", "2024-01-30", "7.0")])
    said.load(JANUARY)
    said.put("sales", [sale("F1", sold_on="2024-02-06", currency="USD")])
    said.load(FEBRUARY)
    assert _versions(said, "sales", "line_id", "net_amount_reporting")[0] == ("F1", Decimal(700), 2, None)


def test_gross_is_net_plus_tax_else_by_the_rate_of_the_year_else_unknown(said: Said) -> None:
    said.put("plan", [{"year": "2024", "revenue_budget": "1", "gross_margin_rate": "0.2", "vat_rate": "0.13"}])
    said.put(
        "sales",
        [
            sale("S1", tax_amount="6.00"),
            sale("S2", tax_amount=None, net_amount="0.50"),
            sale("S3", tax_amount=None, sold_on="2023-12-31"),
        ],
    )
    said.load(batch_of("2023-12", 2))
    assert _versions(said, "sales", "line_id", "gross_amount") == [
        ("S1", Decimal("106.00"), 1, None),
        ("S2", Decimal("0.57"), 1, None),
        ("S3", None, 1, None),
    ]


def test_both_engines_hold_the_same_facts(warehouses: Warehouses) -> None:
    found = []
    for engine in ("duckdb", "postgresql"):
        database = warehouses.loaded(engine)
        rows = {}
        for name, entity in ENTITIES.items():
            columns = ", ".join([*entity.columns, *entity.derived, "batch_no", "superseded_in"])
            rows[name] = sorted(map(repr, query(database, f"SELECT {columns} FROM facts.{name}")))
        rules = query(database, "SELECT entity, rule, reason, customer_id FROM tiering.quarantine")
        found.append((rows, sorted(map(repr, rules))))
        warehouses.drop(database)
    assert found[0] == found[1]
    assert WHOLE.last_day == date(2026, 2, 28)
