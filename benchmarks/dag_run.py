"""A run of the DAG tier__pyramid on the demo's company, against the same functions called without Airflow, in one run.

Every time is that of a whole process. What `airflow dags test` takes for a DAG of one task that does nothing, in the
same folder of DAGs, is Airflow's start-up and is taken off the run's.

Run: .venv/bin/python benchmarks/dag_run.py [--customers 400] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from decide import ROOT, seconds
from workload import FOLDER

from sql.connect import Database, kept_open
from sql.extract import Batch
from tiering import jobs
from tiering.demo import FIRST_DAY, demo_settings, make_company
from transforms.policy import read_policies

POLICY = "pyramid"
BEFORE, DAY = date(2026, 2, 28), date(2026, 3, 31)
IDLE = """
from airflow.sdk import dag, task


@dag(schedule=None)
def idle():
    @task
    def nothing():
        return None

    nothing()


idle()
"""


def publish(path: Path, as_of: date) -> None:
    """Take the steps of the DAG, one after the other."""
    warehouse, policies = Database("duckdb", path=str(path)), read_policies(ROOT / "policies")
    measured = jobs.measure(warehouse, policies, POLICY, as_of)
    staged = jobs.decide(warehouse, policies[POLICY], measured)
    if jobs.needs_answer(staged):
        jobs.answer(warehouse, staged, "benchmark", approved=True)
    print(jobs.publish(warehouse, policies[POLICY], staged)["status"])


def load_company(folder: Path, customers: int) -> Path:
    """Return a warehouse with the demo's company in it, and the month before published."""
    source, warehouse = folder / "company.duckdb", folder / "before.duckdb"
    make_company(source, customers, 7, DAY)
    there, here = (Database("duckdb", path=str(path)) for path in (source, warehouse))
    settings = replace(demo_settings(folder), data_docs_dir=folder / "data_docs")
    batch = Batch(FIRST_DAY, DAY + timedelta(days=1))
    with kept_open(there), kept_open(here):
        jobs.extract(there, here, settings, batch)
        jobs.validate(here, settings, batch, with_pages=False)
        jobs.load(here, batch, settings)
        publish(warehouse, BEFORE)
    return warehouse


def make_airflow(folder: Path, warehouse: Path) -> dict[str, str]:
    """Return the environment of an Airflow with the project's DAGs and one that does nothing."""
    shutil.copytree(ROOT / "dags", folder / "dags")
    (folder / "dags" / "idle.py").write_text(IDLE, encoding="utf-8")
    known = {name: value for name, value in os.environ.items() if not name.startswith(("TIERING_", "AIRFLOW"))}
    environment = {
        **known,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW_CONN_TIERING_WAREHOUSE": json.dumps({"conn_type": "duckdb", "host": str(warehouse)}),
        "TIERING_DEMO_APPROVER": "benchmark",
        "PYTHONPATH": str(ROOT),
    }
    run([ROOT / ".venv" / "bin" / "airflow", "db", "migrate"], environment)
    return environment


def run(command: Sequence[str | Path], environment: dict[str, str]) -> str:
    """Run a process to its end and return what it printed; ends with its error."""
    words = [str(word) for word in command]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout + done.stderr


def main() -> None:
    """Print the times and their ratio, the best of some rounds taken in turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--customers", type=int, default=400, help="customers (default: 400)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the best counts (default: 3)")
    parser.add_argument("--publish", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        publish(options.publish, DAY)
        return
    folder = FOLDER / "dag-run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    airflow = [ROOT / ".venv" / "bin" / "airflow", "dags", "test"]
    try:
        before, warehouse = load_company(folder, options.customers), folder / "warehouse.duckdb"
        environment = make_airflow(folder, warehouse)
        commands: dict[str, Sequence[str | Path]] = {
            "functions": [sys.executable, Path(__file__), "--publish", warehouse],
            "idle": [*airflow, "idle"],
            "dag": [*airflow, f"tier__{POLICY}", "--conf", json.dumps({"as_of": DAY.isoformat()})],
        }
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                shutil.copy(before, warehouse)
                took[name].append(seconds(lambda command=command: run(command, environment)))
                if name == "dag":
                    check_published(warehouse)
    finally:
        shutil.rmtree(folder)
    best = {name: min(times) for name, times in took.items()}
    print(f"{options.customers} customers of the demo, tier__{POLICY} as of {DAY}, whole processes")
    print(f"functions            {best['functions']:6.2f} s")
    print(f"Airflow, doing nothing {best['idle']:4.2f} s")
    print(f"DAG run              {best['dag']:6.2f} s")
    print(f"ratio                {(best['dag'] - best['idle']) / best['functions']:6.2f}   (at most 2.0)")


def check_published(warehouse: Path) -> None:
    """End with an error where the DAG run published nothing: a fast failure is no fast run."""
    import duckdb

    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.execute("SELECT status FROM tiering.run WHERE as_of = ?", [DAY]).fetchall()
    if found != [("published",)]:
        raise SystemExit(f"the DAG run left {found}")


if __name__ == "__main__":
    main()
