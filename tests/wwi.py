"""Wide World Importers: data nobody here wrote goes through the whole job by the DAGs. Run it: `make wwi`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from calendar import monthrange
from collections.abc import Collection
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import airflow_case
import pytest

from sql.connect import Database, kept_open

ROOT = Path(__file__).resolve().parents[1]
SLICE = ROOT.parent / "shared" / "data" / "wwi_slice"

MONTH_ENDS = [
    date(year, month, monthrange(year, month)[1])
    for year, months in ((2015, range(1, 13)), (2016, range(1, 6)))
    for month in months
]
YEAR_ENDS = [date(2014, 12, 31), date(2015, 12, 31)]
BATCHES = [(date(2014, 6, 1), date(2016, 1, 1)), (date(2016, 1, 1), date(2016, 6, 1))]

TABLES = {
    "customers": (
        "customers.csv",
        "customer_id INTEGER, customer_name VARCHAR, bill_to_customer_id INTEGER, customer_category_id INTEGER, "
        "credit_limit DECIMAL(18, 2), account_opened_date DATE, standard_discount DECIMAL(18, 3), "
        "is_on_credit_hold BOOLEAN, payment_days INTEGER",
    ),
    "customer_transactions": (
        "customer_transactions.csv",
        "transaction_id INTEGER, customer_id INTEGER, transaction_type_id INTEGER, invoice_id INTEGER, "
        "payment_method_id INTEGER, transaction_date DATE, amount_excluding_tax DECIMAL(18, 2), "
        "tax_amount DECIMAL(18, 2), transaction_amount DECIMAL(18, 2), outstanding_balance DECIMAL(18, 2), "
        "finalization_date DATE, is_finalized BOOLEAN",
    ),
    "orders": (
        "orders.csv",
        "order_id INTEGER, customer_id INTEGER, salesperson_id INTEGER, order_date DATE",
    ),
    "salespeople": ("salespeople.csv", "person_id INTEGER, full_name VARCHAR"),
}


def load_source(path: Path) -> None:
    """Load the slice into a DuckDB file, as a database of its own with schema wwi."""
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA wwi")
        for table, (file, columns) in TABLES.items():
            connection.execute(f"CREATE TABLE wwi.{table} ({columns})")
            connection.execute(f"COPY wwi.{table} FROM '{SLICE / file}' (HEADER, DELIMITER ',')")


def prepare(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Load the source and point settings and connections at it and at an empty warehouse in `folder`."""
    airflow_case.bag.cache_clear()
    load_source(folder / "source.duckdb")
    source, warehouse = (Database("duckdb", path=str(folder / f"{name}.duckdb")) for name in ("source", "warehouse"))
    airflow_case.set_connections(patch, SOURCE=source, WAREHOUSE=warehouse)
    for name, value in {
        "SOURCE": str(ROOT / "tests" / "sources" / "wwi"),
        "POLICIES": airflow_case.some_policies(folder, "collection_classes", "pyramid", "rfm_555"),
        "REPORTING_CURRENCY": "USD",
        "TIMEZONE": "America/Los_Angeles",
        "MAIL_DIR": str(folder / "mail"),
        "DATA_DOCS_DIR": str(folder / "data_docs"),
        "FALLBACK_MANAGER": "sales.desk@wwi.example",
        "DEMO_APPROVER": "WWI approver",
    }.items():
        patch.setenv(f"TIERING_{name}", value)


def run_job(batch: tuple[date, date], month_ends: Collection[date] = MONTH_ENDS) -> list[str]:
    """Load one batch and decide every policy on its days, through the DAGs; return the states of the DAG runs.

    All tasks run in this process, where the warehouse stays open: some 400 openings of the file take half a minute.
    """
    start, end = batch
    days = [
        *[("tier__collection_classes", day) for day in YEAR_ENDS if start <= day < end],
        *[(dag, day) for day in month_ends if start <= day < end for dag in ("tier__rfm_555", "tier__pyramid")],
    ]
    warehouse = json.loads(os.environ["AIRFLOW_CONN_TIERING_WAREHOUSE"])["host"]
    with kept_open(Database("duckdb", path=warehouse)):
        runs = [airflow_case.run_dag("customer_facts", batch_start=start.isoformat(), batch_end=end.isoformat())]
        runs += [airflow_case.run_dag(dag, as_of=day.isoformat()) for dag, day in days]
        runs.append(airflow_case.run_dag("credit", as_of=(end - timedelta(days=1)).isoformat()))
        runs.append(airflow_case.run_dag("tier_reports"))
    return [str(run.state) for run in runs]


def independent_balance(as_of: date) -> tuple[Decimal, Decimal]:
    """Return (invoices, payments) up to a day, summed from the file in plain Python."""
    import csv

    invoices = payments = Decimal(0)
    with (SLICE / "customer_transactions.csv").open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            if date.fromisoformat(row["TransactionDate"]) <= as_of:
                amount = Decimal(row["TransactionAmount"])
                if row["TransactionTypeID"] == "1":
                    invoices += amount
                else:
                    payments -= amount
    return invoices, payments


def independent_positions(as_of: date) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what every account owes, counted document by document from the files in plain Python."""
    import csv

    from measure_model import Company

    def read(name: str) -> list[dict[str, str]]:
        with (SLICE / name).open(encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))

    days_to_pay = {}
    rows: dict[str, list[dict[str, Any]]] = {"customers": [], "receivables": [], "payments": []}
    for row in read("customers.csv"):
        number = row["CustomerID"]
        days_to_pay[number] = timedelta(days=int(row["PaymentDays"]))
        opened = row["AccountOpenedDate"]
        rows["customers"].append({"customer_id": number, "bill_to_id": row["BillToCustomerID"], "opened_on": opened})
    for row in read("customer_transactions.csv"):
        number, day = row["CustomerID"], date.fromisoformat(row["TransactionDate"])
        said = {"customer_id": number, "currency": "USD"}
        amount = Decimal(row["TransactionAmount"])
        if row["TransactionTypeID"] == "1":
            due = day + days_to_pay[number]
            said |= {"document_id": row["InvoiceID"], "issued_on": str(day), "due_on": str(due)}
            rows["receivables"].append({**said, "gross_amount": amount})
        elif row["TransactionTypeID"] == "3":
            rows["payments"].append({**said, "paid_on": str(day), "amount": -amount, "kind": "collection"})
    return Company(rows, "bill_to", as_of, "USD").positions()


def main() -> int:
    """Print rows, totals and tiers for 2015-12-31 and 2016-05-31."""
    if not SLICE.is_dir():
        print("wwi: skipped, ../shared/data/wwi_slice is not there")
        return 0
    from rich.console import Console

    console = Console(highlight=False, width=110)
    start = time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="tiering-wwi-"))
    prepare(folder, pytest.MonkeyPatch())
    airflow_case.bag()
    from tiering.summary import balance_on, print_loads, print_tiers
    from transforms.policy import read_policies

    warehouse = Database("duckdb", path=str(folder / "warehouse.duckdb"))
    policies = read_policies(ROOT / "policies")
    for batch in BATCHES:
        began = time.perf_counter()
        console.print(f"wwi: {batch[0]} up to {batch[1]}: loading and deciding through the DAGs …")
        states = run_job(batch)
        as_of = date.fromordinal(batch[1].toordinal() - 1)
        receivables, payments, balance = balance_on(warehouse, as_of)
        console.print(
            f"\n[bold]{as_of}[/]: {len(states)} DAG runs, {states.count('success')} succeeded, "
            f"{time.perf_counter() - began:.1f} s"
        )
        print_loads(console, warehouse)
        console.print(f"receivables {receivables:,.2f} − payments {payments:,.2f} = balance {balance:,.2f} USD")
        print_tiers(console, warehouse, policies, {as_of, *[day for day in YEAR_ENDS if day <= as_of]})
        if set(states) != {"success"}:
            return 1
    console.print(
        f"Done in {time.perf_counter() - start:.1f} s; everything is in {folder.name} below the temporary folder."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
