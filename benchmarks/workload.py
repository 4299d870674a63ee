"""The workload: a company of a million customers that the demo's generator makes in bulk, as facts of a warehouse.

A size of 1 is 1,000,000 customers with some 20,000,000 sales lines, as many receivables and payments over three years;
a tenth, a quarter and four times of it are made of as many blocks. Equal sizes give equal rows. What was made once is
kept in `.bench/` and used again.

Run: .venv/bin/python benchmarks/workload.py [--size 0.1] [--parquet]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
from decide import ROOT

sys.path.insert(0, str(ROOT))  # the tests' PostgreSQL

from demo.company import generate_trade
from sql.connect import Database, connected, write_arrow
from sql.schema import upgrade_schema
from tests.cluster import Cluster, plain_client

FOLDER = ROOT / ".bench"
FIRST_DAY, LAST_DAY = date(2023, 1, 1), date(2025, 12, 31)
BLOCK = 50_000
"""Customers that are generated at once."""

SERVER = ("fsync=off", "shared_buffers=2GB", "work_mem=256MB", "maintenance_work_mem=1GB", "max_wal_size=8GB")
"""Settings of the server of PostgreSQL that is made for a run."""

TABLES = ("customers", "sales", "receivables", "payments")
RATES = "(VALUES ('CNY', 1.0), ('EUR', 7.75), ('USD', 7.15), ('JPY', 0.0485)) AS rate(currency_code, cny)"
IN_CNY = "CAST(ROUND({amount} * rate.cny, 2) AS DECIMAL(20, 4))"
STAGED = {
    "customers": """
        SELECT partner_no AS customer_id, partner_name AS name, COALESCE(rep_no, '') AS account_manager_id,
          payer_no AS bill_to_id, concern_no AS group_id, sales_district AS region, opened_day AS opened_on,
          currency_code AS currency, payment_days AS terms_days, DATE '2023-01-01' AS holds_from
        FROM business_partner
    """,
    "sales": f"""
        SELECT line_key AS line_id, invoice_no AS document_id, sold_to_no AS customer_id, posting_day AS sold_on,
          net_value AS net_amount, currency_code AS currency, vat_value AS tax_amount, cost_value AS cost_amount,
          CASE document_kind WHEN 'RE' THEN 'invoice' ELSE 'credit_note' END AS document_type, item_no AS product_id,
          quantity, company_code AS entity, net_value + vat_value AS gross_amount,
          {IN_CNY.format(amount="net_value")} AS net_amount_reporting,
          {IN_CNY.format(amount="(net_value + vat_value)")} AS gross_amount_reporting,
          {IN_CNY.format(amount="cost_value")} AS cost_amount_reporting
        FROM invoice JOIN invoice_line USING (invoice_no) JOIN {RATES} USING (currency_code)
    """,
    "receivables": f"""
        SELECT document_no AS document_id, debtor_no AS customer_id, document_day AS issued_on, net_due_day AS due_on,
          item_amount AS gross_amount, currency_code AS currency, dispute_flag = 'X' AS is_disputed,
          company_code AS entity, {IN_CNY.format(amount="item_amount")} AS gross_amount_reporting
        FROM debtor_item JOIN {RATES} USING (currency_code)
    """,
    "payments": f"""
        SELECT receipt_no AS payment_id, debtor_no AS customer_id, value_day AS paid_on, receipt_amount AS amount,
          currency_code AS currency, cleared_document_no AS document_id,
          CASE receipt_kind WHEN 'CASH' THEN 'cash_sale' WHEN 'PREP' THEN 'prepayment' WHEN 'REFD' THEN 'refund'
          ELSE 'collection' END AS kind, {IN_CNY.format(amount="receipt_amount")} AS amount_reporting
        FROM cash_receipt JOIN {RATES} USING (currency_code)
    """,
}
"""What the source's SELECTs and a load make of the generated tables, per block."""

ORDER = {"customers": "customer_id", "sales": "sold_on", "receivables": "issued_on", "payments": "paid_on"}
"""Facts arrive day by day."""


def workload(size: float) -> Database:
    """Return the warehouse of a size, made first where there is none."""
    path = FOLDER / f"workload-{size:g}.duckdb"
    if not path.exists():
        make(path, round(1_000_000 * size))
    return Database("duckdb", path=str(path))


@contextmanager
def facts_of(engine: str, size: float) -> Iterator[Database]:
    """Yield a warehouse of its own with the workload's facts."""
    made = workload(size)
    if engine == "duckdb":
        copy = FOLDER / f"copy-{size:g}.duckdb"
        shutil.copy(made.path, copy)
        try:
            yield Database("duckdb", path=str(copy))
        finally:
            copy.unlink()
        return
    cluster = Cluster(*SERVER, auth="trust")
    try:
        cluster.start()
        fill_server(cluster.database, made)
        yield cluster.database
    finally:
        cluster.remove()


def fill_server(server: Database, made: Database) -> None:
    """Copy the workload's facts into a server."""
    with connected(server, "benchmark") as connection:
        upgrade_schema(connection)
    with duckdb.connect(made.path, read_only=True) as source:
        for table in (*(f"facts.{name}" for name in TABLES), "tiering.batch"):
            names = [row[0] for row in source.execute(f"DESCRIBE {table}").fetchall()]
            rows = source.execute(f"SELECT {', '.join(names)} FROM {table}").to_arrow_reader(1_000_000)  # noqa: S608
            with connected(server, "benchmark") as connection:
                for batch in rows:
                    write_arrow(connection, table, pa.Table.from_batches([batch]))
    with plain_client(server, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def write_parquet(size: float) -> Path:
    """Write the facts of a size as Parquet, one file per table; return their folder."""
    made, folder = workload(size), FOLDER / f"workload-{size:g}"
    folder.mkdir(exist_ok=True)
    with duckdb.connect(made.path, read_only=True) as connection:
        for name in TABLES:
            connection.execute(f"COPY facts.{name} TO '{folder / name}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    return folder


def make(path: Path, customers: int) -> None:
    """Generate the company block by block and load it in the order of days; a half-made file is not left behind."""
    path.parent.mkdir(exist_ok=True)
    started, unfinished = time.perf_counter(), path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with connected(Database("duckdb", path=str(unfinished)), "benchmark") as connection:
        upgrade_schema(connection)
    with duckdb.connect(str(unfinished), config={"memory_limit": "6GB"}) as connection:
        for made, tables in blocks(customers):
            for name, rows in tables.items():
                connection.register(name, rows)
            for name in TABLES:
                verb = "INSERT INTO" if made > BLOCK else "CREATE TABLE"
                connection.execute(f"{verb} staged_{name} {'' if made > BLOCK else 'AS'} {STAGED[name]}")
            print(f"workload: {made:>9,} customers, {time.perf_counter() - started:6.1f} s", file=sys.stderr)
        for name in TABLES:
            columns = [row[0] for row in connection.execute(f"DESCRIBE staged_{name}").fetchall()]
            connection.execute(
                f"INSERT INTO facts.{name} ({', '.join(columns)}, batch_no) "
                f"SELECT {', '.join(columns)}, 1 FROM staged_{name} ORDER BY {ORDER[name]}"
            )
            connection.execute(f"DROP TABLE staged_{name}")
        connection.execute(
            "INSERT INTO tiering.batch (batch_no, entity, currency, batch_id, batch_start, batch_end, extracted_rows, "
            "loaded_rows, quarantined_rows, excluded_rows, extracted_amount, loaded_amount, quarantined_amount, "
            "excluded_amount, extracted_at, loaded_at) "
            "SELECT 1, entity, '-', 'workload', ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, now(), now() "
            "FROM (VALUES ('customers'), ('sales'), ('receivables'), ('payments')) AS loaded(entity)",
            [FIRST_DAY, LAST_DAY + timedelta(days=1)],
        )
        connection.execute("CHECKPOINT")
    unfinished.rename(path)


def blocks(customers: int) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield how many customers are made with a block, and its tables."""
    for number, first in enumerate(range(0, customers, BLOCK)):
        count = min(BLOCK, customers - first)
        tables = generate_trade(count, 7, FIRST_DAY, LAST_DAY, block=f"{number:03}", orders_a_month=0.5)
        yield first + count, dict(tables)


def main() -> None:
    """Make the workload of a size where there is none, and say how many rows it has."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=float, default=1, help="millions of customers (default: 1)")
    parser.add_argument("--parquet", action="store_true", help="write the facts as Parquet files too")
    options = parser.parse_args()
    warehouse = workload(options.size)
    with duckdb.connect(warehouse.path, read_only=True) as connection:
        for name in TABLES:
            (rows,) = connection.execute(f"SELECT COUNT(*) FROM facts.{name}").fetchone() or (0,)
            print(f"facts.{name:<12} {rows:>12,} rows")
    if options.parquet:
        print(write_parquet(options.size).relative_to(ROOT))


if __name__ == "__main__":
    main()
