"""One run of policies in a process of its own, as a DAG's tasks do it: measured, decided, approved, published.

`benchmarks/tier_run.py` starts it, and takes the time of the whole process.

Run: .venv/bin/python benchmarks/own_run.py --warehouse FILE [--only-decide] pyramid=2025-12-31 …
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sql.connect import Database, kept_open  # noqa: E402
from tiering import jobs  # noqa: E402
from transforms.policy import Policy, parse_policy  # noqa: E402


def read_policy(name: str) -> Policy:
    """Return a shipped policy without its credit limits, which the others do not allocate either."""
    text = (ROOT / "policies" / f"{name}.yaml").read_text(encoding="utf-8")
    return parse_policy(text.partition("\ncredit:")[0] + "\n", name)


def main() -> None:
    """Run every policy as of its day, and say what was published."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--warehouse", required=True, help="the DuckDB file with the facts")
    parser.add_argument("--only-decide", action="store_true", help="measure and decide, and publish nothing")
    parser.add_argument("days", nargs="+", metavar="POLICY=DAY")
    options = parser.parse_args()
    days = {name: date.fromisoformat(day) for name, _, day in (given.partition("=") for given in options.days)}
    policies = {name: read_policy(name) for name in days}
    warehouse = Database("duckdb", path=options.warehouse)
    with kept_open(warehouse):
        jobs.prepare_warehouse(warehouse)
        for name, as_of in days.items():
            started = time.perf_counter()
            measured = jobs.measure(warehouse, policies, name, as_of)
            print(f"{name} as of {as_of}: measured in {time.perf_counter() - started:.3f} s")
            staged = jobs.decide(warehouse, policies[name], measured)
            if options.only_decide:
                print(f"{name} as of {as_of}: decided")
                continue
            if jobs.needs_answer(staged):
                jobs.answer(warehouse, staged, "benchmark", approved=True, comment="benchmark")
            done = jobs.publish(warehouse, policies[name], staged)
            print(f"{name} as of {as_of}: {done}")


if __name__ == "__main__":
    main()
