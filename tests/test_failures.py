"""Failures of a database: no value of a row is said, whoever holds a lock is named, and what may pass runs again."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import itertools
import logging
import os
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import psycopg
import pyarrow as pa
import pytest
from companies import Warehouses, query, warehouses
from conftest import create_database, free_port
from sqlalchemy import Connection, text

import sql.facts
import sql.failures
from sql.connect import Database, Session, connected, open_engine, read_arrow, write_arrow
from sql.contract import ENTITIES
from sql.errors import DatabaseFailed, TieringError
from sql.extract import Batch, Source
from sql.failures import repeated, run_unit
from tiering.jobs import covered_through

CANARY = "Canary Kowalski"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql.failures, "WAIT_SECONDS", 0.01)


@pytest.fixture
def people(empty_database: Database) -> Database:
    """A table whose constraints hold customers' names."""
    query(
        empty_database,
        "CREATE TABLE people (name VARCHAR NOT NULL PRIMARY KEY, age INTEGER CHECK (age >= 0), known DATE)",
    )
    query(empty_database, "INSERT INTO people VALUES (:name, 40, NULL)", name=CANARY)
    return empty_database


BAD_ROWS = {
    "a key twice": "INSERT INTO people VALUES (:name, 41, NULL)",
    "a check": "INSERT INTO people VALUES (:name || ' junior', -1, NULL)",
    "an empty column": "INSERT INTO people VALUES (NULLIF(:name, :name), 41, NULL)",
    "no number": "INSERT INTO people SELECT 'x', CAST(CAST(:name AS VARCHAR) AS INTEGER), NULL",
    "no date": "INSERT INTO people SELECT 'x', 1, CAST(name AS DATE) FROM people WHERE name = :name",
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_an_error_says_no_value_of_a_row(people: Database, case: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DatabaseFailed) as caught:
        query(people, BAD_ROWS[case], name=CANARY)
    logging.getLogger(__name__).exception("as a task logs it", exc_info=caught.value)
    logged = caplog.text + "".join(traceback.format_exception(caught.value)) + str(caught.value)
    assert "Kowalski" not in logged
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"tests: {people.place}: ")
    assert not caught.value.may_pass


def test_an_error_names_what_is_wrong(people: Database) -> None:
    with pytest.raises(DatabaseFailed) as caught:
        query(people, BAD_ROWS["a check"], name=CANARY)
    assert "CHECK constraint" in str(caught.value) or "people_age_check" in str(caught.value)
    with pytest.raises(DatabaseFailed, match="nowhere"):
        query(people, "SELECT * FROM nowhere")


@pytest.mark.postgres
def test_rows_in_bulk_leak_nothing_either(postgres_server: Database) -> None:
    database = create_database(postgres_server, f"bulk_{os.getpid()}")
    query(database, "CREATE TABLE people (name TEXT PRIMARY KEY)")
    rows = pa.table({"name": pa.array([CANARY, CANARY])})
    with (
        pytest.raises(DatabaseFailed, match=r"people_pkey.*23505") as caught,
        connected(database, "tests") as connection,
    ):
        write_arrow(connection, "people", rows)
    assert "Kowalski" not in "".join(traceback.format_exception(caught.value))
    query(database, "INSERT INTO people VALUES (:name)", name=CANARY)
    with pytest.raises(DatabaseFailed) as caught, connected(database, "tests") as connection:
        read_arrow(connection, "SELECT CAST(name AS INTEGER) AS number FROM people")
    assert "Kowalski" not in "".join(traceback.format_exception(caught.value))
    assert not caught.value.may_pass


@pytest.fixture
def locked(postgres_server: Database) -> Iterator[tuple[Database, psycopg.Connection]]:
    """A table work.held, and a foreign session that has begun a transaction and is called nightly-backup."""
    made = create_database(postgres_server, f"locked_{os.getpid()}")
    database = replace(made, session=Session(lock_seconds=1))
    query(database, "CREATE SCHEMA work")
    query(database, "CREATE TABLE work.held (id INTEGER)")
    with psycopg.connect(
        host=made.host, port=made.port, dbname=made.name, user=made.user, password=made.password,
        application_name="nightly-backup",
    ) as foreign:  # fmt: skip
        yield database, foreign


@pytest.mark.postgres
@pytest.mark.parametrize("way", ["statement", "rows in", "rows out", "advisory"])
def test_a_lock_time_out_names_who_holds_the_lock(locked: tuple[Database, psycopg.Connection], way: str) -> None:
    database, foreign = locked
    foreign.execute("LOCK TABLE work.held IN ACCESS EXCLUSIVE MODE")
    foreign.execute("SELECT pg_advisory_xact_lock(hashtextextended('tiering:facts', 0))")
    tries = itertools.count(1)

    def wait() -> None:
        next(tries)
        with connected(database, "tiering_warehouse") as connection:
            if way == "statement":
                connection.execute(text("UPDATE work.held SET id = :id"), {"id": 1})
            elif way == "rows in":
                write_arrow(connection, "work.held", pa.table({"id": pa.array([1], pa.int32())}))
            elif way == "rows out":
                read_arrow(connection, "SELECT id FROM work.held")
            else:
                statement = "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"
                connection.execute(text(statement), {"name": "tiering:facts"})

    with pytest.raises(DatabaseFailed) as caught:
        run_unit(wait, "wait")
    message = str(caught.value)
    what = "tiering:facts" if way == "advisory" else "work.held"
    assert (
        f"a lock on {what} is held by pid {foreign.info.backend_pid} (nightly-backup, idle in transaction)" in message
    )
    assert caught.value.sqlstate == "55P03"
    assert next(tries) == 2, "a time-out is not tried again"


def _pid(connection: object) -> int:
    return int(connection.connection.driver_connection.info.backend_pid)  # type: ignore[attr-defined]


@pytest.mark.postgres
@pytest.mark.parametrize("way", ["statement", "rows in", "rows out", "commit"])
def test_a_session_that_is_ended_is_a_unit_run_again(
    postgres_server: Database, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    database = create_database(postgres_server, f"ended_{os.getpid()}")
    query(database, "CREATE TABLE counted (id INTEGER)")
    tries = itertools.count(1)

    def write() -> int:
        number = next(tries)
        with connected(database, "tiering_warehouse") as connection:
            connection.execute(text("INSERT INTO counted VALUES (:id)"), {"id": number})
            if number <= 2:
                query(postgres_server, "SELECT pg_terminate_backend(:pid, 5000)", pid=_pid(connection))
                if way == "statement":
                    connection.execute(text("SELECT 1"))
                elif way == "rows in":
                    write_arrow(connection, "counted", pa.table({"id": pa.array([0], pa.int32())}))
                elif way == "rows out":
                    query(
                        postgres_server,
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name",
                        name=database.name,
                    )
                    connection.execute(text("SELECT 1"))
        return number

    with caplog.at_level(logging.WARNING):
        assert run_unit(write, "write") == 3
    assert query(database, "SELECT id FROM counted") == [(3,)]
    lines = [record.getMessage() for record in caplog.records if record.name == "sql.failures"]
    assert len(lines) == 2
    assert all(line.startswith("write: try ") and "the connection was lost" in line for line in lines)


@pytest.mark.postgres
def test_of_two_that_block_each_other_the_one_undone_runs_again(postgres_server: Database) -> None:
    database = create_database(postgres_server, f"deadlock_{os.getpid()}")
    query(database, "CREATE TABLE balance (id INTEGER PRIMARY KEY, amount INTEGER)")
    query(database, "INSERT INTO balance VALUES (1, 0), (2, 0)")
    both_began = threading.Barrier(2, timeout=20)
    tries: list[int] = []

    def change(first: int, second: int) -> None:
        def unit() -> None:
            tries.append(first)
            with connected(database, "tiering_warehouse") as connection:
                connection.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
                connection.execute(text("UPDATE balance SET amount = amount + 1 WHERE id = :id"), {"id": first})
                if tries.count(first) == 1:
                    both_began.wait()
                connection.execute(text("UPDATE balance SET amount = amount + 1 WHERE id = :id"), {"id": second})

        run_unit(unit, f"change {first}")

    threads = [threading.Thread(target=change, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert query(database, "SELECT amount FROM balance") == [(2,), (2,)]
    assert len(tries) >= 3


@pytest.mark.postgres
def test_a_failed_serialisation_runs_again(postgres_server: Database) -> None:
    database = create_database(postgres_server, f"serial_{os.getpid()}")
    query(database, "CREATE TABLE balance (amount INTEGER)")
    query(database, "INSERT INTO balance VALUES (0)")
    tries = itertools.count(1)

    def unit() -> None:
        with connected(database, "tiering_warehouse", "REPEATABLE READ") as connection:
            connection.execute(text("SELECT amount FROM balance"))
            if next(tries) == 1:
                query(database, "UPDATE balance SET amount = amount + 10")
            connection.execute(text("UPDATE balance SET amount = amount + 1"))

    run_unit(unit, "add")
    assert query(database, "SELECT amount FROM balance") == [(11,)]


@pytest.mark.postgres
def test_a_server_that_is_away_is_waited_for_and_then_told(postgres_server: Database) -> None:
    away = replace(postgres_server, port=free_port())
    tries = itertools.count(1)

    def unit() -> None:
        next(tries)
        with connected(away, "tiering_warehouse"):
            pass  # pragma: no cover

    with pytest.raises(DatabaseFailed, match="cannot be reached; start the server"):
        run_unit(unit, "look")
    assert next(tries) == sql.failures.TRIES + 1


NEVER_AGAIN = {
    "constraint": ["INSERT INTO once VALUES (1)"],
    "statement time-out": ["SELECT pg_sleep(5)"],
    "privilege": ["SET ROLE pg_monitor", "SELECT * FROM once"],
    "disk full": ["DO $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$"],
    "syntax": ["SELEC"],
}


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("case", "sqlstate"), zip(NEVER_AGAIN, ["23505", "57014", "42501", "53100", "42601"], strict=True), ids=NEVER_AGAIN
)
def test_what_does_not_pass_is_not_tried_again(postgres_server: Database, case: str, sqlstate: str) -> None:
    database = create_database(postgres_server, f"never_{os.getpid()}")
    query(database, "CREATE TABLE once (id INTEGER PRIMARY KEY)")
    query(database, "INSERT INTO once VALUES (1)")
    database = replace(database, session=Session(statement_seconds=1))
    tries = itertools.count(1)

    def unit() -> None:
        next(tries)
        with connected(database, "tiering_warehouse") as connection:
            for statement in NEVER_AGAIN[case]:
                connection.exec_driver_sql(statement)

    with pytest.raises(DatabaseFailed) as caught:
        run_unit(unit, "once")
    assert (caught.value.sqlstate, caught.value.may_pass, next(tries)) == (sqlstate, False, 2)


@pytest.mark.postgres
def test_a_session_that_froze_in_its_transaction_is_ended_by_the_server(postgres_server: Database) -> None:
    database = replace(create_database(postgres_server, f"frozen_{os.getpid()}"), session=Session(idle_seconds=1))
    query(database, "CREATE TABLE balance (amount INTEGER)")
    with pytest.raises(DatabaseFailed, match="connection was lost|idle-in-transaction"):  # noqa: SIM117, PT012
        with connected(database, "tiering_warehouse") as connection:
            connection.execute(text("INSERT INTO balance VALUES (1)"))
            threading.Event().wait(1.6)
            connection.execute(text("SELECT 1"))
    assert query(database, "SELECT * FROM balance") == []


def test_an_error_that_is_no_databases_passes_through_at_once() -> None:
    tries = itertools.count(1)

    @repeated
    def unit() -> None:
        next(tries)
        raise TieringError("policy x: there is no tier Z")

    with pytest.raises(TieringError, match="no tier Z"):
        unit()
    assert next(tries) == 2


def test_the_patience_of_a_unit_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql.failures, "PATIENCE_SECONDS", 0.0)
    tries = itertools.count(1)

    def unit() -> None:
        next(tries)
        raise DatabaseFailed("gone", may_pass=True)

    with pytest.raises(DatabaseFailed, match="gone"):
        run_unit(unit, "unit")
    assert next(tries) == 2


def test_a_unit_inside_a_unit_is_repeated_by_the_outer_one() -> None:
    inner, outer = itertools.count(1), itertools.count(1)

    @repeated
    def ask() -> None:
        next(inner)
        raise DatabaseFailed("gone", may_pass=True)

    @repeated
    def step() -> None:
        next(outer)
        ask()

    with pytest.raises(DatabaseFailed, match="gone"):
        step()
    assert (next(inner), next(outer)) == (sql.failures.TRIES + 1, sql.failures.TRIES + 1)


@pytest.mark.postgres
def test_a_step_of_the_job_outlives_a_session_that_was_ended(
    warehouses: Warehouses, postgres_server: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = warehouses.empty("postgresql")
    real = sql.facts.facts_through
    tries = itertools.count(1)

    def look_and_lose(connection: Connection) -> date | None:
        if next(tries) == 1:
            query(postgres_server, "SELECT pg_terminate_backend(:pid, 5000)", pid=_pid(connection))
        return real(connection)

    monkeypatch.setattr(sql.facts, "facts_through", look_and_lose)
    assert covered_through(database) is None
    assert next(tries) == 3


def test_a_select_of_the_source_that_fails_says_no_value(people: Database) -> None:
    engine = open_engine(people)
    with engine.connect() as connection:
        select = "SELECT CAST(name AS INTEGER) AS customer_id FROM people"
        source = Source(connection, "source erp", {"customers": select}, Batch(date(2024, 1, 1), date(2024, 2, 1)))
        with pytest.raises(TieringError, match=r"source erp: customers\.sql fails: ") as caught:
            source.execute(ENTITIES["customers"], select).all()
    engine.dispose()
    assert "Kowalski" not in "".join(traceback.format_exception(caught.value))
