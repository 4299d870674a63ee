"""Fixtures: real engines (a DuckDB file, a PostgreSQL cluster of our own) and the demo company behind them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sql.connect import Database, connected
from sql.schema import upgrade_schema
from tests.corpus_files import count_items

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) + [
        Path(path) for path in [shutil.which("initdb")] if path
    ]
    if not found:
        pytest.fail("PostgreSQL is not installed; `make test` installs it (Debian: apt-get install postgresql)")
    return found[-1].parent


def _as_server_user(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root: then Debian's user postgres runs it."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Database]:
    """A throw-away cluster on loopback; yields its maintenance database. User tiering has the password p@ss:w/rd%."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="tiering-pg-"))
    folder.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data, password_file = folder / "data", folder / "password"
    password_file.write_text("p@ss:w/rd%")
    password_file.chmod(0o644)
    port = free_port()
    initdb = [
        str(binaries / "initdb"),
        "-D",
        str(data),
        "-U",
        "tiering",
        "-A",
        "scram-sha-256",
        "--pwfile",
        str(password_file),
    ]
    subprocess.run(
        _as_server_user([*initdb, "-E", "UTF8", "--locale", "C.UTF-8"]),
        check=True,
        capture_output=True,
        cwd="/",
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off -c full_page_writes=off"
    control = [str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    start = [*control, "-o", options, "-l", str(folder / "log"), "start"]
    subprocess.run(_as_server_user(start), check=True, capture_output=True, cwd="/")
    try:
        yield Database(
            "postgresql", host="127.0.0.1", port=port, name="postgres", user="tiering", password="p@ss:w/rd%"
        )
    finally:
        subprocess.run(
            _as_server_user([*control, "-m", "immediate", "stop"]), check=False, capture_output=True, cwd="/"
        )
        shutil.rmtree(folder, ignore_errors=True)


def create_database(server: Database, name: str) -> Database:
    """Create an empty database on the test server, replacing one of that name."""
    import psycopg

    with psycopg.connect(
        host=server.host,
        port=server.port,
        dbname=server.name,
        user=server.user,
        password=server.password,
        autocommit=True,
    ) as connection:
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
    slow = ("test_wwi", "test_publish", "test_dags", "test_demo", "test_outbox", "test_facts", "test_measure")
    order = {name: place for place, name in enumerate(slow)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many bad inputs there are, and how many have the outcome that is stated for them."""
    if line := count_items(report for reports in terminalreporter.stats.values() for report in reports):
        terminalreporter.write_line(line)
