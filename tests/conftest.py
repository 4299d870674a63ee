"""Fixtures: real engines (a DuckDB file, a PostgreSQL cluster of our own) and the demo company behind them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import Engine, event

from sql.connect import Database, connected
from sql.schema import upgrade_schema
from tests.cluster import Cluster, free_port, plain_client
from tests.corpus_files import count_items

# No example fails for being slow: how long one takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

__all__ = ["free_port"]

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")


@event.listens_for(Engine, "connect")
def _use_one_thread(connection: Any, _: object) -> None:
    """Let DuckDB work in one thread: two workers share the cores already, and the statements are about few rows."""
    if type(connection).__module__.startswith("duckdb"):
        connection.execute("SET threads = 1")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Database]:
    """A throw-away cluster on loopback; yields its maintenance database. User tiering has the password p@ss:w/rd%."""
    cluster = Cluster("fsync=off", "full_page_writes=off", auth="md5")  # spares the arithmetic of SCRAM
    cluster.start()
    try:
        yield cluster.database
    finally:
        cluster.remove()


def create_database(server: Database, name: str) -> Database:
    """Create an empty database on the test server, replacing one of that name."""
    with plain_client(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')  # type: ignore[arg-type]
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    return Database("postgresql", "", server.host, server.port, name, server.user, server.password)


@pytest.fixture(params=["duckdb", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine_name(request: pytest.FixtureRequest) -> str:
    """Run the test once per engine."""
    return str(request.param)


@pytest.fixture
def empty_database(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database of the engine under test."""
    if engine_name == "duckdb":
        return Database("duckdb", path=str(tmp_path / "warehouse.duckdb"))
    return create_database(request.getfixturevalue("postgres_server"), f"test_{os.getpid()}")


@pytest.fixture
def warehouse(empty_database: Database) -> Database:
    """An empty warehouse with its schema."""
    with connected(empty_database, "tiering_warehouse") as connection:
        upgrade_schema(connection)
    return empty_database


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow files first, so that two workers end at about the same time; let each test say what it counts as."""
    for item in items:
        item.user_properties += [(mark.args[0], mark.args[1:]) for mark in item.iter_markers("counted")]
    slow = (
        "test_faults",
        "test_approval_rest",
        "test_wwi",
        "test_publish",
        "test_dags",
        "test_life_cycle",
        "test_goldens_dags",
        "test_demo",
        "test_facts",
        "test_history",
        "test_follow_ups",
        "test_outbox",
        "test_history_engines",
    )
    order = {name: place for place, name in enumerate(slow)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults were injected, and how many left anything wrong; and what became of the bad inputs."""
    kinds: Counter[str] = Counter()
    wrong = 0
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if getattr(report, "when", None) == "call":
            for said in (value for name, value in report.user_properties if name == "faults"):
                kinds.update(said["kinds"])
                wrong += said["wrong"]
    if kinds:
        each = ", ".join(f"{kind} {number}" for kind, number in kinds.most_common())
        terminalreporter.write_line(f"faults: {kinds.total()} injected, {wrong} left anything wrong ({each})")
    if line := count_items(report for reports in terminalreporter.stats.values() for report in reports):
        terminalreporter.write_line(line)
