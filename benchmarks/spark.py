"""Three policies measured and decided on Spark with two cores, against the same with one; each in its own process.

What is timed begins when the session is up: reading the files that were handed over, the measures, and the decisions
written as Parquet. With --check the decisions are compared with those on DuckDB and on PostgreSQL, account
by account.

Run: .venv/bin/python benchmarks/spark.py [--size 1] [--memory 8g] [--check]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from decide import ROOT, seconds
from workload import LAST_DAY, facts_of, workload

from sql.connect import Database, connected, kept_open
from sql.handover import hand_over_facts, hand_over_held, run_folder
from sql.measure import read_indicators, take_measures
from transforms.decide import decide_tiers
from transforms.policy import Policy, read_policies

POLICIES = ("collection_classes", "pyramid", "rfm_555")


def main() -> int:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=float, default=1, help="millions of customers (default: 1)")
    parser.add_argument("--memory", default="8g", help="memory of Spark's process (default: 8g)")
    parser.add_argument("--check", action="store_true", help="compare the decisions with DuckDB and PostgreSQL")
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    known = read_policies(ROOT / "policies")
    policies = {name: known[name] for name in POLICIES}
    if options.cores:
        print(f"seconds {run_on_spark(policies, options.folder, options.cores, options.memory):.2f}")
        return 0
    warehouse, wrong = workload(options.size), 0
    with tempfile.TemporaryDirectory(prefix="tiering-spark-", dir=ROOT / ".bench") as folder:
        with connected(warehouse, "benchmark") as connection:
            for policy in policies.values():
                hand_over_held(connection, Path(folder), hand_over_facts(connection, Path(folder)), policy, LAST_DAY)
        two, one = (time_of(options, folder, cores) for cores in (2, 1))
        if options.check:
            for engine in ("duckdb", "postgresql"):
                with facts_of(engine, options.size) as facts:
                    wrong += compare(facts, policies, Path(folder))
    print(f"{round(options.size * 1_000_000)} customers, measures and decisions of {', '.join(POLICIES)}")
    print(f"local[1]             {one:6.2f} s")
    print(f"local[2]             {two:6.2f} s")
    print(f"ratio                {two / one:6.2f}   (at most 0.7)")
    return 1 if wrong else 0


def time_of(options: argparse.Namespace, folder: str, cores: int) -> float:
    """Return the seconds that a Spark of so many cores needs, in a process of its own."""
    command = [sys.executable, __file__, f"--cores={cores}", f"--folder={folder}", f"--memory={options.memory}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"^seconds (\S+)$", done.stdout, re.MULTILINE)
    if not found:
        raise SystemExit(done.stderr[-4000:])
    return float(found[1])


def run_on_spark(policies: dict[str, Policy], folder: Path, cores: int, memory: str) -> float:
    """Measure and decide all policies on a local Spark; return the seconds."""
    from pyspark.sql import SparkSession

    from sql.spark import run_policy

    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    builder = SparkSession.builder.master(f"local[{cores}]").config("spark.driver.memory", memory)
    builder = builder.config("spark.ui.enabled", "false").config("spark.local.dir", str(folder / "scratch"))
    session = builder.config("spark.sql.shuffle.partitions", "8").getOrCreate()
    session.range(1000).count()
    state = max(path for path in folder.iterdir() if path.name.isdecimal())
    shutil.rmtree(state / "measures", ignore_errors=True)

    def run() -> None:
        for policy in policies.values():
            run_policy(session, folder, int(state.name), policies.values(), policy, LAST_DAY)

    took = seconds(run)
    session.stop()
    return took


def compare(warehouse: Database, policies: dict[str, Policy], folder: Path) -> int:
    """Return how many policies Spark did not decide as a warehouse with the same facts does."""
    from sql.spark import KEYS, read_decided

    wrong = 0
    with kept_open(warehouse):
        for policy in policies.values():
            with connected(warehouse, "benchmark") as connection:
                measured = take_measures(connection, policies.values(), policy.grain, LAST_DAY)
            with connected(warehouse, "benchmark") as connection:
                frame = read_indicators(connection, policy, measured.table).to_pandas(types_mapper=pd.ArrowDtype)
            wanted = decide_tiers(policy, frame)
            ((found, _),) = read_decided(run_folder(folder, measured.facts_batch_no, policy, LAST_DAY), "2GB")
            is_equal = all(
                getattr(found, part).equals(getattr(wanted, part).sort_values(list(KEYS[part])).reset_index(drop=True))
                for part in ("decisions", "components", "tasks")
            )
            wrong += not is_equal
            same = "equal" if is_equal else "DIFFERENT"
            print(f"{warehouse.kind}: {policy.id}: {len(found.decisions)} decisions {same}", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
