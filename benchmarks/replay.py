"""The next day's measures by replay, against measuring everybody, on DuckDB or PostgreSQL, in one run.

The day before is measured first; then a load comes with the rows of the day and some that correct earlier ones. The
server of PostgreSQL is made for the run, with the workload's rows in it.

Run: .venv/bin/python benchmarks/replay.py [--size 1] [--rounds 3] [--engine duckdb]
"""

from __future__ import annotations

import argparse
from datetime import timedelta

from decide import ROOT, seconds
from sqlalchemy import text
from workload import LAST_DAY, facts_of

from sql.connect import Database, connected, kept_open
from sql.measure import Measurement, take_measures
from sql.schema import upgrade_schema
from transforms.policy import read_policies

POLICIES = ("churn_watch", "retail_bank_abc", "rfm_555")
"""Windows of 12 and 24 months and ever, growth, recency, what is overdue: all three tables of facts."""

DAYS = {"sales": "sold_on", "receivables": "issued_on", "payments": "paid_on"}
DAY_BEFORE = LAST_DAY - timedelta(days=2)
DAY = LAST_DAY - timedelta(days=1)
AT_MOST = {"duckdb": 0.35, "postgresql": 0.15}


def load_next_day(warehouse: Database) -> int:
    """Let the rows of the day, and one correction for each ten of them, be what load 2 brought; return how many."""
    changed = 0
    with connected(warehouse, "benchmark") as connection:
        for table, day in DAYS.items():
            run = connection.execute
            rows = run(text(f"UPDATE facts.{table} SET batch_no = 2 WHERE {day} = :day"), {"day": DAY}).rowcount  # noqa: S608
            ended = {"day": DAY - timedelta(days=100), "rows": rows // 10}
            key = {"sales": "line_id", "receivables": "document_id", "payments": "payment_id"}[table]
            found = f"SELECT {key} FROM facts.{table} WHERE {day} = :day ORDER BY {key} LIMIT :rows"  # noqa: S608
            changed += (
                rows
                + run(
                    text(f"UPDATE facts.{table} SET superseded_in = 2 WHERE {key} IN ({found})"),  # noqa: S608
                    ended,
                ).rowcount
            )
        connection.execute(
            text("UPDATE tiering.batch SET batch_no = 2 WHERE entity = 'payments'"),
        )
    return changed


def main() -> None:
    """Print both times and their ratio, the best of some rounds taken in turns, and whether the rows are equal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=float, default=1, help="millions of customers (default: 1)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the best counts (default: 3)")
    parser.add_argument("--engine", choices=list(AT_MOST), default="duckdb")
    options = parser.parse_args()
    policies = [read_policies(ROOT / "policies")[name] for name in POLICIES]
    with facts_of(options.engine, options.size) as warehouse, kept_open(warehouse):

        def measure(every: int, day: object = DAY) -> Measurement:
            with connected(warehouse, "benchmark") as connection:
                connection.execute(text("DELETE FROM tiering.measurement WHERE as_of = :day"), {"day": day})
                return take_measures(connection, policies, "customer", day, full_every_days=every)  # type: ignore[arg-type]

        with connected(warehouse, "benchmark") as connection:
            upgrade_schema(connection)
        measure(0, DAY_BEFORE)
        changed = load_next_day(warehouse)
        replayed, full = [], []
        for _ in range(options.rounds):
            replayed.append(seconds(lambda: measure(7)))
            table = measure(7).table
            with connected(warehouse, "benchmark") as connection:
                connection.execute(text("DROP TABLE IF EXISTS work.kept_to_compare"))
                connection.execute(text(f"CREATE TABLE work.kept_to_compare AS SELECT * FROM {table}"))  # noqa: S608
            full.append(seconds(lambda: measure(0)))
        with connected(warehouse, "benchmark") as connection:
            other = "SELECT * FROM work.kept_to_compare"
            this = f"SELECT * FROM {table}"  # noqa: S608
            both = f"({this} EXCEPT ALL {other}) UNION ALL ({other} EXCEPT ALL {this})"
            differing = connection.execute(text(f"SELECT COUNT(*) FROM ({both}) AS differing")).scalar_one()  # noqa: S608
    print(f"{round(options.size * 1_000_000)} customers on {options.engine}, {changed} rows loaded or ended")
    print(f"measures for {', '.join(POLICIES)} as of {DAY}")
    print(f"everybody            {min(full):6.2f} s")
    print(f"by replay            {min(replayed):6.2f} s   ({differing} rows differ)")
    print(f"ratio                {min(replayed) / min(full):6.2f}   (at most {AT_MOST[options.engine]})")


if __name__ == "__main__":
    main()
