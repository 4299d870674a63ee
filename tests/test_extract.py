"""Extract: a source beside the contract is refused in one line; what is landed is what was said."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from companies import (
    DEMO,
    ENGINES,
    WHOLE,
    Said,
    Warehouses,
    batch_of,
    contents,
    customer,
    fresh,
    query,
    said,
    sale,
    source,
    warehouses,
)

import sql.extract
from sql.connect import Database, kept_open
from sql.contract import ENTITIES
from sql.errors import TieringError
from sql.extract import Batch, _as_text, check_columns, extract_batch, read_source

JANUARY = batch_of("2024-01")


def _land(said: Said, batch: Batch = JANUARY) -> sql.extract.Extraction:
    return extract_batch(said.database, said.database, said.folder, batch)


def _drop(name: str) -> Callable[[Said], None]:
    return lambda said: (said.folder / f"{name}.sql").unlink()


def _write(name: str, select: str) -> Callable[[Said], None]:
    return lambda said: said.write(name, select)


DATED = "sold_on >= CAST(:batch_start AS TEXT) AND sold_on < CAST(:batch_end AS TEXT)"
FAULTS: dict[str, tuple[Callable[[Said], None], str]] = {
    "missing entity": (
        _drop("payments"),
        "source said: the required entity payments is missing; write payments.sql",
    ),
    "near miss of a file": (
        _write("customer", "SELECT 1"),
        "source said: customer.sql is no entity; did you mean customers.sql?",
    ),
    "unknown file": (
        _write("weather", "SELECT 1"),
        "source said: weather.sql is no entity; entities: account_managers",
    ),
    "derived entity": (_write("customer_attributes", "SELECT 1"), "customer_attributes.sql is no entity"),
    "missing column": (
        _write(
            "sales",
            "SELECT line_id, document_id, customer_id, sold_on, net_amount AS nett_amount, currency "
            f"FROM said.sales WHERE {DATED}",
        ),
        "source said: sales.sql does not return the required column net_amount; "
        "it returns nett_amount, rename that AS net_amount",
    ),
    "column not there at all": (
        _write("account_managers", "SELECT account_manager_id, name FROM said.account_managers"),
        "account_managers.sql does not return the required column email; add it",
    ),
    "not on the batch": (
        _write("sales", "SELECT line_id, document_id, customer_id, sold_on, net_amount, currency FROM said.sales"),
        "sales.sql does not use :batch_start; select sold_on >= :batch_start AND sold_on < :batch_end",
    ),
    "open at the end": (
        _write("payments", "SELECT * FROM said.payments WHERE paid_on >= CAST(:batch_start AS TEXT)"),
        "payments.sql does not use :batch_end",
    ),
    "failing": (
        _write("customers", "SELECT customer_id, name, account_manager_id FROM said.clients"),
        "source said: customers.sql fails: ",
    ),
    "not sql": (_write("customers", "SELEKT 1"), "source said: customers.sql fails: "),
    "empty": (_write("customers", "-- nothing yet\n"), "source said: customers.sql "),
    "unknown parameter": (
        _write(
            "customers",
            "SELECT customer_id, name, account_manager_id FROM said.customers WHERE name > :as_of",
        ),
        "source said: customers.sql fails: ",
    ),
    "column twice": (
        _write(
            "customers",
            "SELECT customer_id, name, account_manager_id, name AS customer_id FROM said.customers",
        ),
        "source said: customers.sql returns customer_id twice; name each column once",
    ),
}


@pytest.fixture(scope="module", params=ENGINES)
def landed(
    request: pytest.FixtureRequest, warehouses: Warehouses, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Said, dict[str, list[str]]]]:
    """A source that was landed once and has more to say since; and what landing held then."""
    with kept_open(warehouses.empty(request.param)) as database:
        said = Said(database, tmp_path_factory.mktemp("landed") / "said")
        _land(said)
        said.put("sales", [sale("S1"), sale("S2")])
        yield said, contents(database, "landing")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_source_beside_the_contract_is_one_line_and_lands_nothing(
    landed: tuple[Said, dict[str, list[str]]], fault: str, tmp_path: Path
) -> None:
    sound, before = landed
    assert len(before["landing.sales"]) == 1
    spoil, says = FAULTS[fault]
    shutil.copytree(sound.folder, tmp_path / "said")
    said = copy.copy(sound)
    said.folder = tmp_path / "said"
    spoil(said)
    with pytest.raises(TieringError) as caught:
        _land(said)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert contents(said.database, "landing") == before


@pytest.mark.parametrize(("start", "end"), [("2024-01-02", "2024-01-02"), ("2024-01-02", "2024-01-01")])
def test_a_batch_ends_after_it_starts(start: str, end: str) -> None:
    with pytest.raises(TieringError, match=f"batch {start}/{end}: the end must lie after the start"):
        Batch(date.fromisoformat(start), date.fromisoformat(end))


def test_a_batch_is_half_open() -> None:
    batch = Batch(date(2024, 2, 1), date(2024, 3, 1))
    assert (batch.batch_id, batch.last_day) == ("2024-02-01/2024-03-01", date(2024, 2, 29))


def test_the_demo_source_fulfils_the_contract() -> None:
    assert set(read_source(DEMO)) == set(ENTITIES) - {"customer_attributes"}


def test_the_contract_keeps_its_own_order_of_columns() -> None:
    entity = ENTITIES["contacts"]
    returned = ["outcome", "channel", "contacted_on", "customer_id", "contact_id", "colour"]
    assert check_columns("s", entity, returned) == [*entity.required, "outcome"]


VALUES = [
    (None, None),
    ("", ""),
    (" a ", " a "),
    ("00123", "00123"),
    (True, "true"),
    (False, "false"),
    (Decimal("12.50"), "12.50"),
    (Decimal("1E+3"), "1000"),
    (Decimal("0E-8"), "0.00000000"),
    (Decimal("9007199254740993.55"), "9007199254740993.55"),
    (Decimal("NaN"), "NaN"),
    (0.1, "0.1"),
    (7, "7"),
    (date(2024, 2, 29), "2024-02-29"),
    (datetime(2024, 2, 29), "2024-02-29"),
    (datetime(2024, 2, 29, 23, 30), "2024-02-29 23:30:00"),
    (datetime(2024, 2, 29, tzinfo=UTC), "2024-02-29 00:00:00+00:00"),
    (b"\xe8\xbf\x9c", "远"),
    (b"M\xfcller", "M\ufffdller"),
    ("a\x00b", "a\ufffdb"),
]


@pytest.mark.parametrize(("value", "said_as"), VALUES)
def test_a_value_of_a_driver_becomes_text_without_loss(value: object, said_as: str | None) -> None:
    assert _as_text(value) == said_as


TYPED = """
SELECT
  '00042' AS customer_id, '  Canary  ' AS name, CAST(NULL AS TEXT) AS account_manager_id,
  CAST('2024-02-29' AS DATE) AS opened_on, CAST('100.50' AS DECIMAL(18, 2)) AS credit_limit,
  CAST(30 AS BIGINT) AS terms_days, CAST(1 AS BIGINT) = 1 AS is_blocked, '' AS region,
  'a''b' || CHR(10) || '远达' AS industry
-- a remark at the end; with a semicolon
"""


@pytest.mark.parametrize("same", [True, False], ids=["within", "between"])
def test_landed_is_exactly_what_was_said(said: Said, warehouses: Warehouses, same: bool) -> None:
    said.write("customers", TYPED)
    target = said.database if same else warehouses.empty(said.database.kind)
    extract_batch(said.database, target, said.folder, JANUARY)
    rows = query(
        target,
        "SELECT batch_id, position, customer_id, name, account_manager_id, opened_on, "
        "credit_limit, terms_days, "
        "is_blocked, region, industry, status FROM landing.customers",
    )
    assert rows == [
        ("2024-01-01/2024-02-01", 1, "00042", "  Canary  ", None, "2024-02-29", "100.50", "30", "true", "",
         "a'b\n远达", None)
    ]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_within_one_database_and_between_two_the_same_rows_land(
    engine: str,
    warehouses: Warehouses,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from companies import small_company

    from demo import load_company
    from sql.connect import open_engine

    monkeypatch.setattr(sql.extract, "CHUNK_ROWS", 7)
    batch = Batch(date(2025, 12, 1), date(2025, 12, 20))
    source, together, apart = warehouses.source(engine), warehouses.empty(engine), warehouses.empty(engine)
    handle = open_engine(together)
    load_company(handle, small_company())
    handle.dispose()
    between = extract_batch(source, apart, DEMO, batch)
    within = extract_batch(together, together, DEMO, batch)
    assert between.rows == within.rows
    assert sum(between.rows.values()) > 400
    assert sorted(map(str, between.totals)) == sorted(map(str, within.totals))
    assert _without_positions(apart) == _without_positions(together)
    for database in (source, together, apart):
        warehouses.drop(database)


def _without_positions(database: Database) -> dict[str, list[str]]:
    found = {}
    for name in ENTITIES:
        columns = ", ".join(ENTITIES[name].columns)
        rows = query(database, f"SELECT batch_id, {columns} FROM landing.{name}")
        positions = query(database, f"SELECT position FROM landing.{name} ORDER BY position")
        assert [row[0] for row in positions] == list(range(1, len(rows) + 1)), name
        found[name] = sorted(map(repr, rows))
    return found


def test_rows_stream_in_chunks(said: Said, warehouses: Warehouses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql.extract, "CHUNK_ROWS", 7)
    said.put("sales", [sale(f"S{i}") for i in range(20)])
    target = warehouses.empty(said.database.kind)
    sizes: list[int] = []
    real = sql.extract.write_arrow

    def write(connection: object, table: str, rows: object) -> None:
        if table == "landing.sales":
            sizes.append(rows.num_rows)  # type: ignore[attr-defined]
        real(connection, table, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(sql.extract, "write_arrow", write)
    extract_batch(said.database, target, said.folder, JANUARY)
    assert sizes == [7, 7, 6]
    assert query(target, "SELECT MAX(position) FROM landing.sales") == [(20,)]


def test_all_entities_come_from_one_snapshot(
    said: Said,
    warehouses: Warehouses,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sale that another session commits while the extract runs belongs to the next extract."""
    target = warehouses.empty(said.database.kind)
    done: list[str] = []
    real = sql.extract._land_streamed

    def land(source: object, target: object, entity: object, columns: object) -> int:
        if not done:
            columns_of_sale = "line_id, document_id, customer_id, sold_on, net_amount, currency"
            query(
                said.database,
                f"INSERT INTO said.sales ({columns_of_sale}) VALUES ('LATE', 'D', 'C1', '2024-01-11', '1.00', 'CNY')",
            )
        done.append(entity.name)  # type: ignore[attr-defined]
        return real(source, target, entity, columns)  # type: ignore[arg-type]

    monkeypatch.setattr(sql.extract, "_land_streamed", land)
    extraction = extract_batch(said.database, target, said.folder, JANUARY)
    assert done[0] != "sales"
    assert query(said.database, "SELECT COUNT(*) FROM said.sales") == [(2,)]
    assert query(target, "SELECT line_id FROM landing.sales") == [("S1",)]
    assert extraction.rows["sales"] == 1
    assert extraction.snapshot


def test_a_source_is_read_in_a_transaction_that_cannot_write(said: Said, warehouses: Warehouses) -> None:
    if said.database.kind == "duckdb":
        pytest.skip("a DuckDB connection has no read-only transaction")
    target = warehouses.empty(said.database.kind)
    query(said.database, "CREATE SEQUENCE said.counter")
    said.write(
        "customers",
        "SELECT nextval('said.counter') AS customer_id, name, account_manager_id FROM said.customers",
    )
    with pytest.raises(TieringError, match="read-only transaction"):
        extract_batch(said.database, target, said.folder, JANUARY)


def test_only_the_days_of_the_batch_land_and_replace_its_partition(said: Said) -> None:
    days = ["2023-12-31", "2024-01-01", "2024-01-31", "2024-02-01"]
    said.put("sales", [sale(f"S{day}", sold_on=day) for day in days])
    _land(said)
    _land(said, batch_of("2024-02"))
    said.put("sales", [sale(f"T{day}", sold_on=day) for day in days])
    _land(said)
    assert query(said.database, "SELECT batch_id, line_id FROM landing.sales ORDER BY 1, 2") == [
        ("2024-01-01/2024-02-01", "T2024-01-01"),
        ("2024-01-01/2024-02-01", "T2024-01-31"),
        ("2024-02-01/2024-03-01", "S2024-02-01"),
    ]


def test_an_entity_that_the_source_no_longer_has_leaves_no_rows_behind(said: Said) -> None:
    said.put("plan", [{"year": "2024", "revenue_budget": "1", "gross_margin_rate": "0.2", "vat_rate": "0.13"}])
    _land(said)
    (said.folder / "plan.sql").unlink()
    _land(said)
    assert query(said.database, "SELECT COUNT(*) FROM landing.plan") == [(0,)]


@pytest.mark.parametrize("same", [True, False], ids=["within", "between"])
def test_further_attributes_become_rows(said: Said, warehouses: Warehouses, same: bool) -> None:
    said.write(
        "customers",
        "SELECT customer_id, name, account_manager_id, customer_id = 'C1' AS attr_is_vip, "
        "CASE WHEN customer_id = 'C1' THEN 250 END AS attr_employees FROM said.customers",
    )
    target = said.database if same else warehouses.empty(said.database.kind)
    extraction = extract_batch(said.database, target, said.folder, JANUARY)
    rows = query(target, "SELECT customer_id, attribute, value FROM landing.customer_attributes ORDER BY 1, 2")
    assert rows == [("C1", "employees", "250"), ("C1", "is_vip", "true"), ("C2", "is_vip", "false")]
    assert extraction.rows["customer_attributes"] == 3


def test_a_customer_number_that_stands_twice_says_nothing_about_its_attributes(said: Said) -> None:
    said.put(
        "customers",
        [customer("C1", attr_size="S"), customer("C2", attr_size="L"), customer("C2", attr_size="M")],
    )
    _land(said)
    assert query(said.database, "SELECT customer_id, value FROM landing.customer_attributes") == [("C1", "S")]


def test_the_source_counts_in_its_own_arithmetic(said: Said) -> None:
    said.write(
        "sales",
        "SELECT line_id, document_id, customer_id, sold_on, CAST(net_amount AS DECIMAL(20, 2)) "
        "AS net_amount, currency "
        f"FROM said.sales WHERE {DATED}",
    )
    amounts = [
        ("9007199254740993.55", "CNY"),
        ("0.10", " cny"),
        ("0.20", "\u3000EUR"),
        ("0.30", None),
        ("-0.05", ""),
    ]
    said.put("sales", [sale(f"S{i}", net_amount=a, currency=c) for i, (a, c) in enumerate(amounts)])
    said.write(
        "sales",
        "SELECT line_id, document_id, customer_id, sold_on, CAST(net_amount AS DECIMAL(20, 2)) "
        "AS net_amount, currency "
        f"FROM said.sales WHERE {DATED}",
    )
    totals = {total.currency: (total.rows, total.amount) for total in _land(said).totals if total.entity == "sales"}
    assert totals == {
        "CNY": (2, Decimal("9007199254740993.65")),
        "EUR": (1, Decimal("0.20")),
        "?": (2, Decimal("0.25")),
    }


def test_an_extract_knows_which_entities_are_read_by_their_update(said: Said) -> None:
    said.write("payments", "SELECT *, paid_on AS updated_at FROM said.payments WHERE paid_on BETWEEN "
               "CAST(:batch_start AS TEXT) AND CAST(:batch_end AS TEXT)")  # fmt: skip
    assert _land(said).by_update == {"payments"}


def test_parts_of_a_source_can_be_extracted_alone(source: Database, fresh: Database) -> None:
    extraction = extract_batch(source, fresh, DEMO, WHOLE, only=["plan", "account_managers"])
    assert extraction.rows == {"account_managers": 8, "plan": 2}


def test_an_unknown_folder_has_no_entities(tmp_path: Path) -> None:
    with pytest.raises(TieringError, match="required entity account_managers is missing"):
        read_source(tmp_path)
