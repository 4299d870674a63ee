"""The measures of three policies, against bare scans of the same three tables, on DuckDB or PostgreSQL, in one run.

Run: .venv/bin/python benchmarks/measure.py [--size 1] [--rounds 3] [--engine duckdb]
"""

from __future__ import annotations

import argparse

from decide import ROOT, seconds
from sqlalchemy import text
from workload import LAST_DAY, facts_of

from sql.connect import connected, kept_open
from sql.measure import take_measures
from transforms.policy import read_policies

POLICIES = ("collection_classes", "pyramid", "rfm_555")
SCANNED = {
    "sales": ("net_amount_reporting", "sold_on"),
    "receivables": ("gross_amount_reporting", "due_on"),
    "payments": ("amount_reporting", "paid_on"),
}


def main() -> None:
    """Print both times and their ratio, the best of some rounds taken in turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=float, default=1, help="millions of customers (default: 1)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the best counts (default: 3)")
    parser.add_argument("--engine", choices=("duckdb", "postgresql"), default="duckdb")
    options = parser.parse_args()
    policies = [read_policies(ROOT / "policies")[name] for name in POLICIES]
    with facts_of(options.engine, options.size) as warehouse, kept_open(warehouse):

        def scan() -> None:
            with connected(warehouse, "benchmark") as connection:
                for name, (amount, day) in SCANNED.items():
                    grouped = f"SELECT customer_id, SUM({amount}), COUNT(*), MAX({day}) FROM facts.{name} GROUP BY 1"
                    connection.execute(text(f"DROP TABLE IF EXISTS work.scan_{name}"))
                    connection.execute(text(f"CREATE TABLE work.scan_{name} AS {grouped}"))

        def measure() -> None:
            with connected(warehouse, "benchmark") as connection:
                connection.execute(text("DELETE FROM tiering.measurement"))
                for grain in {policy.grain for policy in policies}:
                    take_measures(connection, policies, grain, LAST_DAY)

        scanned, measured = [], []
        for _ in range(options.rounds):
            scanned.append(seconds(scan))
            measured.append(seconds(measure))
    print(f"{round(options.size * 1_000_000)} customers on {options.engine}, measures for {', '.join(POLICIES)}")
    print(f"bare scans           {min(scanned):6.2f} s")
    print(f"measured             {min(measured):6.2f} s")
    print(f"ratio                {min(measured) / min(scanned):6.2f}   (at most 3.0)")


if __name__ == "__main__":
    main()
