"""`make celery`: the job on two Celery workers leaves what the same steps leave in one process, row by row.

Everything runs on loopback and ends with this script: a PostgreSQL for Airflow and for the warehouses, a Redis, an API
server, a DAG processor, a scheduler and two workers.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from demo import generate_company, load_company
from sql.connect import Database, open_engine
from sql.extract import Batch
from tests.airflow_case import ROOT, connection_to, some_policies
from tests.cluster import Cluster, free_port
from tests.faults.oracle import differences, forget, read_state
from tests.standalone import Standalone
from tiering import jobs
from tiering.settings import read_settings
from transforms.policy import read_policies

CUSTOMERS, SEED = 240, 7
TASKS = 4
WORKERS = ("worker-one", "worker-two")
FACTS = Batch(date(2023, 7, 1), date(2026, 2, 1))
DAYS = {
    "collection_classes": (date(2024, 12, 31), date(2025, 12, 31)),
    "pyramid": (date(2025, 12, 31), date(2026, 1, 31)),
    "rfm_555": (date(2025, 12, 31), date(2026, 1, 31)),
}
"""The days of each policy, one after the other; the policies run beside each other."""

APPROVER = "demo"
NOT_COMPARED = {"tiering.measurement": "which measurement another one goes on from depends on which policy came first"}

COMPONENTS = """
set -e
airflow db migrate
airflow api-server & airflow dag-processor & airflow scheduler --skip-serve-logs &
for name in {workers}; do
  WORKER_NAME=$name airflow celery worker --celery-hostname $name --concurrency 2 --skip-serve-logs &
done
wait -n
kill -TERM 0
"""
"""All of Airflow but the triggerer, for which these runs have no work; when one ends, all do."""


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run a Redis that keeps nothing on disk; yield its address."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("celery: redis-server is not found; make celery installs it (Debian: apt-get install redis-server)")
    port, password = free_port(), secrets.token_hex(16)
    said = f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\ndir {folder}\n'
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen([program, "-"], stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
    try:
        assert process.stdin is not None
        process.stdin.write(said.encode())  # on a command line everybody could read the password
        process.stdin.close()
        yield f"redis://:{password}@127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


def environment(folder: Path, company: Database, warehouse: Database) -> dict[str, str]:
    """Return the settings and connections of the installation."""
    names = {"TIERING_MAIL_DIR": "mail", "TIERING_DATA_DOCS_DIR": "data_docs", "TIERING_HANDED_IN": "handed_in"}
    return {
        "AIRFLOW_CONN_TIERING_SOURCE": connection_to(company),
        "AIRFLOW_CONN_TIERING_WAREHOUSE": connection_to(warehouse),
        "TIERING_POLICIES": str(folder / "policies"),
        "TIERING_DECIDE_TASKS": str(TASKS),
        "TIERING_DEMO_APPROVER": APPROVER,
        **{name: str(folder / value) for name, value in names.items()},
    }


def celery(metadata: Database, broker: str) -> dict[str, str]:
    """Return what makes Airflow hand its tasks to Celery, and tell apart two workers on one machine."""
    login = f"{metadata.user}:{quote(metadata.password, safe='')}"
    bundle = (
        '[{"name": "customer-tiering", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", '
        f'"kwargs": {{"path": "{ROOT}"}}}}]'
    )
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "tests.worker_name.worker_name",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg://{login}@127.0.0.1:{metadata.port}/{metadata.name}",
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(48),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": bundle,
        "PYTHONPATH": str(ROOT),
    }


class Spread:
    """The running installation, and the tasks that its workers ran."""

    def __init__(self, airflow: Standalone) -> None:
        self.airflow = airflow
        self.ran: list[dict[str, Any]] = []
        self.runs: Counter[str] = Counter()

    def start(self, dag_id: str, **conf: str) -> str:
        """Start a run; return its path."""
        body = {"logical_date": None, "conf": conf}
        status, made = self.airflow.ask("admin", "POST", f"/dags/{dag_id}/dagRuns", body)
        assert status == 200, made
        return f"/dags/{dag_id}/dagRuns/{made['dag_run_id']}"

    def wait(self, path: str, seconds: float) -> None:
        """Wait until a run has succeeded, and keep where its tasks ran."""

        def ended() -> str | None:
            self._check_tasks(path)
            state = self.airflow.ask("admin", "GET", path)[1]["state"]
            return state if state in ("success", "failed") else None

        state = self.airflow.wait_for(f"end of {path}", seconds, ended)
        assert state == "success", f"{path}: {state}\n{self.airflow.tail()}"
        self.ran += self._tasks(path)
        self.runs[path.split("/")[2]] += 1

    def _tasks(self, path: str) -> list[dict[str, Any]]:
        found = self.airflow.ask("admin", "GET", f"{path}/taskInstances?limit=100")[1]
        return list(found["task_instances"])

    def _check_tasks(self, path: str) -> None:
        """Fail with what a task logged that has failed, before it is tried again."""
        for each in self._tasks(path):
            if each["state"] in ("failed", "up_for_retry"):
                place = f"dag_id={each['dag_id']}/**/task_id={each['task_id']}/**/attempt=*.log"
                logs = [file.read_text(encoding="utf-8") for file in (self.airflow.home / "logs").glob(place)]
                errors = [line[:3000] for log in logs for line in log.splitlines() if '"level":"error"' in line]
                raise AssertionError("\n".join([f"{path}: {each['task_id']} is {each['state']}", *errors]))

    def run_all(self) -> None:
        """Load the facts, then run every policy's days: policies beside each other, days one after the other."""
        path = self.start("customer_facts", batch_start=str(FACTS.start), batch_end=str(FACTS.end))
        self.wait(path, 400)
        for turn in range(max(map(len, DAYS.values()))):
            paths = [self.start(f"tier__{name}", as_of=str(days[turn])) for name, days in sorted(DAYS.items())]
            for path in paths:
                self.wait(path, 500)


def run_alone(company: Database, warehouse: Database, said: Mapping[str, str]) -> None:
    """Take the same steps in this process, each run decided by one task."""
    here = read_settings({name: value for name, value in said.items() if name.startswith("TIERING_")})
    policies = read_policies(here.policies)
    jobs.extract(company, warehouse, here, FACTS)
    jobs.validate(warehouse, here, FACTS, with_pages=False)
    jobs.load(warehouse, FACTS, here)
    for turn in range(max(map(len, DAYS.values()))):
        for name, days in sorted(DAYS.items()):
            policy = policies[name]
            staged = jobs.decide(warehouse, policy, jobs.measure(warehouse, policies, name, days[turn]))
            for task in dict.fromkeys(request["task"] for request in staged["review"]["requests"]):
                jobs.answer(warehouse, staged, APPROVER, approved=True, comment="demo", task=task)
            jobs.publish(warehouse, policy, staged)


def compare(spread: Database, alone: Database) -> tuple[dict[str, int], int, list[str]]:
    """Return the rows of each table of two warehouses, how many rows only one of them has, and a line per table."""
    found, wanted = (read_state(each, schemas=("facts", "tiering")).tables for each in (spread, alone))
    for each in (spread, alone):
        forget(each)
    for name in NOT_COMPARED:
        found.pop(name, None), wanted.pop(name, None)
    none: Counter[str] = Counter()
    pairs = [(wanted.get(name, none), found.get(name, none)) for name in {*wanted, *found}]
    differing = sum(((one - other) + (other - one)).total() for one, other in pairs)
    return {name: rows.total() for name, rows in sorted(wanted.items())}, differing, differences(wanted, found)


def tell(console: Console, spread: Spread, rows: dict[str, int], differing: int, seconds: float) -> list[str]:
    """Print what ran where and what was compared; return what is wrong with either."""
    table = Table(
        "task",
        *WORKERS,
        "in all",
        title=f"{sum(spread.runs.values())} runs on two Celery workers",
        title_justify="left",
    )
    where = Counter((each["task_id"], each["hostname"]) for each in spread.ran)
    for task in dict.fromkeys(each["task_id"] for each in sorted(spread.ran, key=lambda each: each["start_date"])):
        of = [where[task, worker] for worker in WORKERS]
        table.add_row(task, *map(str, of), str(sum(of)))
    of = [sum(count for (_, ran_on), count in where.items() if ran_on == worker) for worker in WORKERS]
    table.add_row("in all", *map(str, of), str(sum(of)))
    console.print(table)
    shown = ("customer_tier", "customer_tier_history", "tier_change", "decision", "score_component")
    table = Table("table", "rows", title="and the same steps in one process", title_justify="left")
    for name in shown:
        table.add_row(f"tiering.{name}", str(rows.get(f"tiering.{name}", 0)))
    table.add_row(f"all {len(rows)} tables", str(sum(rows.values())))
    table.add_row("rows that differ", str(differing))
    console.print(table)
    console.print(f"The runs took {seconds:.0f} s, Airflow's own work included.")
    wrong = []
    decided = [where["decide", worker] for worker in WORKERS]
    if not all(decided):
        wrong.append(f"a worker decided nothing: {decided}")
    if sum(decided) != TASKS * sum(map(len, DAYS.values())):
        wrong.append(f"{sum(decided)} ranges were decided, and not {TASKS} for each run")
    if elsewhere := {ran_on for _, ran_on in where} - set(WORKERS) - {""}:
        wrong.append(f"tasks ran elsewhere: {sorted(elsewhere)}")
    if not all(rows.get(f"tiering.{name}") for name in shown):
        wrong.append("a table is empty; nothing was compared")
    return wrong


def main() -> int:
    """Run both, compare, and return 0 when nothing differs."""
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started ends on the way out
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="tiering-celery-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        home = folder / "home"
        home.mkdir()
        some_policies(folder, *DAYS)
        cluster = Cluster("fsync=off", "full_page_writes=off")
        stack.callback(cluster.remove)
        cluster.start()
        for name in ("metadata", "company", "spread", "alone"):
            cluster.execute(f"CREATE DATABASE {name}")
        metadata, company, spread, alone = map(cluster.named, ("metadata", "company", "spread", "alone"))
        engine = open_engine(company)
        load_company(engine, generate_company(customers=CUSTOMERS, seed=SEED))
        engine.dispose()
        said = environment(folder, company, spread)
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        logging.getLogger("tiering").setLevel(logging.ERROR)
        console.print("celery: the steps in one process")
        run_alone(company, alone, said)
        broker = stack.enter_context(redis(folder))
        console.print("celery: starting Airflow with two workers (half a minute to a minute)")
        command = ["bash", "-c", COMPONENTS.format(workers=" ".join(WORKERS))]
        airflow = Standalone(home, metadata, {**celery(metadata, broker), **said}, {"admin": "admin"}, command)
        stack.callback(airflow.stop)
        ready = ["customer_facts", *(f"tier__{name}" for name in DAYS)]
        airflow.wait_for("Airflow", 300, lambda: airflow.is_ready(*ready))
        start = time.monotonic()
        running = Spread(airflow)
        running.run_all()
        seconds = time.monotonic() - start
        rows, differing, lines = compare(spread, alone)
        wrong = [*lines, *tell(console, running, rows, differing, seconds)]
    for line in wrong:
        console.print(f"wrong: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
