"""Allocating a budget to a million accounts, against measuring them, in one run.

Run: .venv/bin/python benchmarks/credit.py [--accounts 1000000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import date
from fractions import Fraction
from pathlib import Path

import pandas as pd
from decide import ROOT, seconds
from sqlalchemy import text

from sql.connect import Database, connected, kept_open
from sql.measure import read_indicators, take_measures
from sql.schema import upgrade_schema
from transforms import decide_tiers
from transforms.credit import limits_of
from transforms.policy import read_policies

AS_OF = date(2025, 12, 31)
FACTS = (
    """
    INSERT INTO facts.customers (customer_id, name, account_manager_id, opened_on, holds_from, batch_no)
    SELECT 'C' || LPAD(CAST(n AS TEXT), 7, '0'), 'Customer', 'M' || CAST(n % 200 AS TEXT), DATE '2020-01-01',
      DATE '2020-01-01', 0
    FROM range(:accounts) AS t(n)
    """,
    """
    INSERT INTO facts.sales (line_id, document_id, customer_id, sold_on, net_amount, currency, tax_amount,
      gross_amount, net_amount_reporting, gross_amount_reporting, batch_no)
    SELECT 'S' || n || '-' || k, 'S' || n || '-' || k, 'C' || LPAD(CAST(n AS TEXT), 7, '0'),
      DATE '2025-01-01' + CAST(hash(n, k) % 365 AS INTEGER), a, 'CNY', a * 0.13, a * 1.13, a, a * 1.13, 0
    FROM (
      SELECT n, k, CAST(CAST(hash(k, n) % 10000000 AS DECIMAL(18, 2)) / 100 AS DECIMAL(18, 2)) AS a
      FROM range(:accounts) AS t(n), range(4) AS u(k)
    ) AS line
    """,
    """
    INSERT INTO facts.payments (payment_id, customer_id, paid_on, amount, currency, kind, amount_reporting, batch_no)
    SELECT 'P' || line_id, customer_id, sold_on + 5, a, 'CNY', 'collection', a, 0
    FROM (
      SELECT line_id, customer_id, sold_on,
        CAST(gross_amount * (60 + CAST(hash(customer_id) % 50 AS INTEGER)) / 100 AS DECIMAL(18, 2)) AS a
      FROM facts.sales
    ) AS line
    """,
)
"""Four invoices per account, 60 to 109 % of each paid."""


def main() -> None:
    """Print both times and their ratio, the best of some rounds taken in turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=1_000_000, help="accounts (default: 1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the best counts (default: 3)")
    options = parser.parse_args()
    policy = read_policies(ROOT / "policies")["collection_classes"]
    assert policy.credit is not None
    credit = policy.credit
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Database("duckdb", path=str(Path(folder) / "warehouse.duckdb"))
        with kept_open(warehouse):
            with connected(warehouse, "benchmark") as connection:
                upgrade_schema(connection)
                for statement in FACTS:
                    connection.execute(text(statement), {"accounts": options.accounts})

            def measure() -> None:
                with connected(warehouse, "benchmark") as connection:
                    connection.execute(text("DELETE FROM tiering.measurement"))
                    take_measures(connection, [policy], policy.grain, AS_OF)

            measured = [seconds(measure) for _ in range(options.rounds)]
            with connected(warehouse, "benchmark") as connection:
                taken = take_measures(connection, [policy], policy.grain, AS_OF)
                indicators = read_indicators(connection, policy, taken.table)
        frame = indicators.to_pandas(types_mapper=pd.ArrowDtype)
        tiers = decide_tiers(policy, frame).decisions[["customer_id", "computed_tier"]]
        accounts = frame.rename(columns={"account_id": "customer_id"}).merge(
            tiers.rename(columns={"computed_tier": "tier"}), on="customer_id", validate="one_to_one"
        )
        some = sum(accounts["net_sales"].head(1000).to_list())
        budget = Fraction(some) * options.accounts / 1000 / 5  # about a fifth of all sales

        def allocate() -> None:
            limits_of(credit, accounts, policy.tiers, digits=2, budget=budget)

        allocated = [seconds(allocate) for _ in range(options.rounds)]
    print(f"{options.accounts} accounts under {policy.id}")
    print(f"measured             {min(measured):6.2f} s")
    print(f"budget allocated     {min(allocated):6.2f} s")
    print(f"ratio                {min(allocated) / min(measured):6.3f}   (below 0.1)")


if __name__ == "__main__":
    main()
