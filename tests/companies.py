"""Warehouses with a company in them, made once per engine and copied, and small sources made of rows."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
from sqlalchemy import text

import expectations
from demo import Company, generate_company, load_company
from expectations import Validation, validate
from sql.connect import Database, connected, kept_open, open_engine
from sql.contract import ENTITIES
from sql.extract import Batch, Extraction, extract_batch
from sql.facts import Load, facts_batch_no, facts_through, load_batch, record_extraction
from sql.measure import Measurement, read_indicators, read_library, take_measures
from sql.publish import Publication, publish_run
from sql.review import answer_requests, review_run
from sql.runs import Run, stage_decisions
from sql.schema import upgrade_schema
from tests.cluster import plain_client
from tests.indicator_frames import indicator_frame
from tiering.jobs import follow_up
from transforms.calendar import latest_on_calendar
from transforms.decide import decide_tiers
from transforms.outlook import find_outlook
from transforms.policy import Policy, read_policies

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "sql" / "sources" / "demo"
ENGINES = ["duckdb", pytest.param("postgresql", marks=pytest.mark.postgres)]
WHOLE = Batch(date(2024, 1, 1), date(2026, 3, 1))
"""The days that the small company's books cover, as one batch."""

_numbers = itertools.count(1)


def small_company() -> Company:
    """A company small enough to be loaded in every run, whose only faults are the planted ones."""
    return generate_company(customers=100, seed=3, first_day=WHOLE.start, last_day=WHOLE.last_day)


def clean_company() -> Company:
    """The same company before any fault was planted: what the warehouse must have measured."""
    with mock.patch("demo.company.plant_dirt", lambda clean, *_: (clean, {})):
        return small_company()


def query(database: Database, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own; return its rows, if it has any."""
    with connected(database, "tests") as connection:
        result = connection.execute(text(statement), parameters)
        return [tuple(row) for row in result] if result.returns_rows else []


def tables_of(database: Database, schema: str) -> list[str]:
    """Return the names of the tables of a schema."""
    rows = query(
        database,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = :schema ORDER BY 1",
        schema=schema,
    )
    return [row[0] for row in rows]


def columns_of(database: Database, schema: str, table: str) -> list[str]:
    """Return the columns of a table in order."""
    rows = query(
        database,
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = :schema AND table_name = :table ORDER BY ordinal_position",
        schema=schema,
        table=table,
    )
    return [row[0] for row in rows]


def contents(database: Database, *schemas: str, without: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return every row of every table of `schemas` as sorted text, to be compared as a multiset."""
    names = [f"{schema}.{table}" for schema in schemas for table in tables_of(database, schema) if table not in without]
    with connected(database, "tests") as connection:
        return {
            name: sorted(repr(tuple(row)) for row in connection.execute(text(f"SELECT * FROM {name}")))
            for name in names
        }


# The chain, step by step, as a scheduled run goes through it.


def extract(source: Database, warehouse: Database, batch: Batch, folder: Path = DEMO) -> Extraction:
    """Extract a batch and record what the source counted."""
    extraction = extract_batch(source, warehouse, folder, batch)
    with connected(warehouse, "tiering_warehouse") as connection:
        record_extraction(connection, batch, extraction)
    return extraction


def refuse(warehouse: Database, batch: Batch) -> Validation:
    """Validate the rows of a batch without Great Expectations, which costs seconds and has its own tests."""
    with mock.patch.object(expectations, "_evaluate", return_value=([], 0)):
        return validate(warehouse, batch, reporting_currency="CNY")


def load(source: Database, warehouse: Database, batch: Batch, folder: Path = DEMO) -> Load:
    """Extract, refuse bad rows and load."""
    extract(source, warehouse, batch, folder)
    refuse(warehouse, batch)
    return load_batch(warehouse, batch)


@cache
def _policies() -> dict[str, Policy]:
    return read_policies(ROOT / "policies")


def shipped_policies() -> dict[str, Policy]:
    """Every policy of the repository by id."""
    return dict(_policies())


def policies_for(*ids: str) -> dict[str, Policy]:
    """Some policies of the repository by id: what is measured for all of them takes long."""
    return {policy_id: _policies()[policy_id] for policy_id in ids}


def demo_policies() -> dict[str, Policy]:
    """The policies that the published warehouses hold, by id."""
    return policies_for(*PUBLISHED)


def read_frame(warehouse: Database, policies: Mapping[str, Policy], policy_id: str, as_of: date) -> Any:
    """Measure a day and return (measurement, indicators as Arrow)."""
    policy = policies[policy_id]
    with connected(warehouse, "tiering_warehouse") as connection:
        measurement = take_measures(connection, policies.values(), policy.grain, as_of)
    with connected(warehouse, "tiering_warehouse") as connection:
        return measurement, read_indicators(connection, policy, measurement.table)


def stage(
    warehouse: Database,
    policies: Mapping[str, Policy],
    policy_id: str,
    as_of: date,
    *,
    restate: str | None = None,
    change: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame,
) -> Run:
    """Measure, decide and stage one day; `change` alters the indicators before the decision."""
    measurement, indicators = read_frame(warehouse, policies, policy_id, as_of)
    policy, frame = policies[policy_id], change(indicators.to_pandas(types_mapper=pd.ArrowDtype))
    decided, outlook = decide_tiers(policy, frame), find_outlook(policy, frame, read_library())
    with connected(warehouse, "tiering_warehouse") as connection:
        through = facts_through(connection)
    assert through is not None
    return stage_decisions(warehouse, policy, measurement, through, decided, outlook, restate=restate)


def publish(
    warehouse: Database, policies: Mapping[str, Policy], policy_id: str, as_of: date, **options: Any
) -> Publication:
    """Run a policy on a day to its end; every request is approved."""
    this = stage(warehouse, policies, policy_id, as_of, **options)
    if this.is_noop:
        return Publication(this.run_id, "noop")
    review = review_run(warehouse, policies[policy_id], this)
    if review.requests:
        answer_requests(warehouse, this, "tests", approved=True)
    return publish_run(warehouse, policies[policy_id], this, review)


def stage_rows(
    warehouse: Database,
    policy: Policy,
    as_of: date,
    rows: Sequence[Mapping[str, Any]],
    *,
    restate: str | None = None,
    held: Mapping[str, str] | None = None,
) -> Run:
    """Decide and stage rows of indicators that nobody measured: account_id, account_manager_id (M1), indicators.

    `held`: why an input of an account is not to be trusted.
    """
    frame = indicator_frame(policy, rows)
    managers = [row.get("account_manager_id", "M1") for row in rows]
    frame["account_manager_id"] = pd.array(managers, dtype=frame["account_manager_id"].dtype)
    with connected(warehouse, "tiering_warehouse") as connection:
        batch_no = facts_batch_no(connection)
    measured = Measurement("by hand", "work.by_hand", as_of, batch_no, len(rows))
    decided, outlook = decide_tiers(policy, frame, held), find_outlook(policy, frame, read_library())
    return stage_decisions(warehouse, policy, measured, as_of, decided, outlook, restate=restate)


def publish_rows(
    warehouse: Database,
    policy: Policy,
    as_of: date,
    rows: Sequence[Mapping[str, Any]],
    *,
    restate: str | None = None,
    **telling: bool,
) -> Publication:
    """Publish such rows; every request is approved. `telling`: tell and is_backfill of `publish_run`."""
    this = stage_rows(warehouse, policy, as_of, rows, restate=restate)
    if this.is_noop:
        return Publication(this.run_id, "noop")
    review = review_run(warehouse, policy, this)
    if review.requests:
        answer_requests(warehouse, this, "tests", approved=True)
    return publish_run(warehouse, policy, this, review, **telling)


def tell(warehouse: Database, entity: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Let the facts hold rows of an entity besides those that were loaded."""
    with connected(warehouse, "tests") as connection:
        for row in rows:
            columns = [*row, "batch_no"]
            places = ", ".join(f":{column}" for column in columns)
            connection.execute(
                text(f"INSERT INTO facts.{entity} ({', '.join(columns)}) VALUES ({places})"), {**row, "batch_no": 0}
            )


@dataclass
class Evaluated:
    """What Great Expectations showed: its validation, the pages and the log lines; and the faults that were planted."""

    validation: Validation
    docs: Path
    logged: str
    dirt: dict[tuple[str, str], int]


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.getMessage()} {record.exc_text or ''}")


class Warehouses:
    """Makes each kind of database once per engine and hands out copies, which a test may spoil."""

    #: Shared by every test module of the run, which each have a fixture of their own.
    _made: dict[tuple[str, str], Database] = {}
    _evaluated: dict[str, Evaluated] = {}

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        self.request, self.folder = request, folder

    def new(self, engine: str, template: Database | None = None) -> Database:
        """Create a database, empty or as a copy of `template`."""
        name = f"copy_{os.getpid()}_{next(_numbers)}"
        if engine == "duckdb":
            path = self.folder / f"{name}.duckdb"
            if template:
                shutil.copy(template.path, path)
            return Database("duckdb", path=str(path))
        server: Database = self.request.getfixturevalue("postgres_server")
        with plain_client(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template.name}" if template else ""))  # type: ignore[arg-type]
        return Database("postgresql", "", server.host, server.port, name, server.user, server.password)

    def drop(self, database: Database) -> None:
        """Remove a database that nobody needs any more."""
        if database.kind == "duckdb":
            Path(database.path).unlink(missing_ok=True)
            return
        server: Database = self.request.getfixturevalue("postgres_server")
        with plain_client(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")  # type: ignore[arg-type]

    def _template(self, engine: str, kind: str, make: Callable[[], Database]) -> Database:
        if (engine, kind) not in self._made:
            self._made[engine, kind] = make()
        return self._made[engine, kind]

    def _make_empty(self, engine: str) -> Database:
        database = self.new(engine)
        with connected(database, "tiering_warehouse") as connection:
            upgrade_schema(connection)
        return database

    def _make_source(self, engine: str) -> Database:
        database = self.new(engine)
        handle = open_engine(database)
        load_company(handle, small_company())
        handle.dispose()
        return database

    def _make_loaded(self, engine: str) -> Database:
        database = self.empty(engine)
        load(self._template(engine, "source", lambda: self._make_source(engine)), database, WHOLE)
        return database

    def _make_evaluated(self, engine: str) -> Database:
        source, database = self.source(engine), self.empty(engine)
        handler, root = _Lines(), logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            extract(source, database, WHOLE)
            docs = self.folder / f"docs_{engine}"
            validation = validate(database, WHOLE, reporting_currency="CNY", data_docs=docs)
            load_batch(database, WHOLE)
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
        self._evaluated[engine] = Evaluated(validation, docs, "\n".join(handler.lines), small_company().dirt)
        return database

    def _make_published(self, engine: str) -> Database:
        database = self.loaded(engine)
        with kept_open(database):
            for policy_id, days in PUBLISHED.items():
                for day in days:
                    publish(database, demo_policies(), policy_id, day)
        return database

    def _make_everything(self, engine: str) -> Database:
        database = self.loaded(engine)
        policies = shipped_policies()
        with kept_open(database):
            for policy in policies.values():
                publish(database, policies, policy.id, latest_on_calendar(policy.as_of, WHOLE.last_day))
            follow_up(database, policies, WHOLE.last_day)
        return database

    def changed(self, engine: str, kind: str, change: Callable[[Database], object]) -> Database:
        """A warehouse with the small company's facts and what `change` does to it, which is done once per engine."""

        def make() -> Database:
            database = self.loaded(engine)
            with kept_open(database):
                change(database)
            return database

        return self.new(engine, self._template(engine, kind, make))

    def empty(self, engine: str) -> Database:
        """A warehouse with its schema and no rows."""
        return self.new(engine, self._template(engine, "empty", lambda: self._make_empty(engine)))

    def source(self, engine: str) -> Database:
        """The small company's ERP."""
        return self.new(engine, self._template(engine, "source", lambda: self._make_source(engine)))

    def loaded(self, engine: str) -> Database:
        """A warehouse with the small company's facts."""
        return self.new(engine, self._template(engine, "loaded", lambda: self._make_loaded(engine)))

    def evaluated_once(self, engine: str) -> tuple[Evaluated, Database]:
        """What Great Expectations found in the small company's batch, and the warehouse that was loaded then."""
        database = self._template(engine, "evaluated", lambda: self._make_evaluated(engine))
        return self._evaluated[engine], database

    def published(self, engine: str) -> Database:
        """A warehouse in which the policies of PUBLISHED are published on several days, in no particular order."""
        return self.new(engine, self._template(engine, "published", lambda: self._make_published(engine)))

    def published_once(self, engine: str) -> Database:
        """The same, shared by tests that only read it."""
        return self._template(engine, "published", lambda: self._make_published(engine))

    def everything_once(self, engine: str) -> Database:
        """A warehouse in which every shipped policy is published on its latest day, shared by tests that read it."""
        return self._template(engine, "everything", lambda: self._make_everything(engine))


PUBLISHED = {
    "pyramid": (date(2025, 12, 31), date(2026, 2, 28), date(2025, 11, 30), date(2026, 1, 31)),
    "rfm_555": (date(2026, 1, 31), date(2025, 11, 30), date(2025, 12, 31)),
    "collection_classes": (date(2024, 12, 31), date(2025, 12, 31)),
}


@pytest.fixture(scope="session")
def warehouses(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Warehouses:
    """The maker of databases."""
    return Warehouses(request, tmp_path_factory.mktemp("databases"))


@pytest.fixture
def embedded(warehouses: Warehouses) -> Iterator[Database]:
    """An empty warehouse of the embedded engine, kept open, for what other tests prove on both engines."""
    database = warehouses.empty("duckdb")
    with kept_open(database):
        yield database
    warehouses.drop(database)


@pytest.fixture
def empty(fresh: Database) -> Iterator[Database]:
    """An empty warehouse of the engine under test, kept open."""
    with kept_open(fresh):
        yield fresh


@pytest.fixture
def fresh(engine_name: str, warehouses: Warehouses) -> Iterator[Database]:
    """An empty warehouse of the engine under test, with its schema."""
    database = warehouses.empty(engine_name)
    yield database
    warehouses.drop(database)


@pytest.fixture
def loaded(engine_name: str, warehouses: Warehouses) -> Iterator[Database]:
    """A warehouse of the engine under test with the small company's facts, to be changed freely."""
    database = warehouses.loaded(engine_name)
    with kept_open(database):
        yield database
    warehouses.drop(database)


@pytest.fixture
def published(engine_name: str, warehouses: Warehouses) -> Iterator[Database]:
    """A warehouse of the engine under test in which the policies of PUBLISHED are, to be changed freely."""
    database = warehouses.published(engine_name)
    with kept_open(database):
        yield database
    warehouses.drop(database)


@pytest.fixture
def source(engine_name: str, warehouses: Warehouses) -> Iterator[Database]:
    """The small company's ERP on the engine under test, to be changed freely."""
    database = warehouses.source(engine_name)
    yield database
    warehouses.drop(database)


Row = dict[str, str | None]

MANAGERS: list[Row] = [{"account_manager_id": "M1", "name": "Ann Canary", "email": "ann.canary@corp.example"}]


def customer(number: str, **changes: str | None) -> Row:
    """A sound customer."""
    return {"customer_id": number, "name": f"Canary {number} GmbH", "account_manager_id": "M1", **changes}


def sale(number: str, **changes: str | None) -> Row:
    """A sound sale of 100.00 CNY in January 2024."""
    return {
        "line_id": number,
        "document_id": f"D{number}",
        "customer_id": "C1",
        "sold_on": "2024-01-10",
        "net_amount": "100.00",
        "currency": "CNY",
        "tax_amount": "13.00",
        "document_type": None,
        **changes,
    }


def receivable(number: str, **changes: str | None) -> Row:
    """A sound receivable of 113.00 CNY in January 2024."""
    return {
        "document_id": number,
        "customer_id": "C1",
        "issued_on": "2024-01-10",
        "due_on": "2024-02-09",
        "gross_amount": "113.00",
        "currency": "CNY",
        **changes,
    }


def payment(number: str, **changes: str | None) -> Row:
    """A sound payment of 113.00 CNY in January 2024."""
    return {
        "payment_id": number,
        "customer_id": "C1",
        "paid_on": "2024-01-20",
        "amount": "113.00",
        "currency": "CNY",
        "kind": "collection",
        **changes,
    }


def rate(currency: str, day: str, value: str) -> Row:
    """An exchange rate."""
    return {"currency": currency, "valid_on": day, "rate_to_reporting": value}


class Said:
    """A source made of rows: tables in schema said, all text, beside the warehouse's own; SELECTs on them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        folder.mkdir(exist_ok=True)
        query(database, "CREATE SCHEMA IF NOT EXISTS said")
        self.put("account_managers", MANAGERS)
        self.put("customers", [customer("C1"), customer("C2")])
        self.put("sales", [sale("S1")])
        self.put("receivables", [receivable("R1")])
        self.put("payments", [payment("P1")])

    def put(self, name: str, rows: Sequence[Row], select: str | None = None) -> None:
        """Let the source say exactly `rows` for an entity."""
        entity = ENTITIES[name]
        names = list(dict.fromkeys([*entity.required, *(column for row in rows for column in row)]))
        with connected(self.database, "tests") as connection:
            connection.execute(text(f"DROP TABLE IF EXISTS said.{name}"))
            connection.execute(text(f"CREATE TABLE said.{name} ({', '.join(f'{column} TEXT' for column in names)})"))
            if rows:
                places = ", ".join(f":{column}" for column in names)
                connection.execute(
                    text(f"INSERT INTO said.{name} ({', '.join(names)}) VALUES ({places})"),
                    [{column: row.get(column) for column in names} for row in rows],
                )
        where = ""
        if entity.dated_by:
            day = f"COALESCE({entity.dated_by}, CAST(:batch_start AS TEXT))"
            where = f" WHERE {day} >= CAST(:batch_start AS TEXT) AND {day} < CAST(:batch_end AS TEXT)"
        self.write(name, select or f"SELECT {', '.join(names)} FROM said.{name}{where}")

    def rows(self, name: str) -> list[Row]:
        """Return what the source says of an entity."""
        with connected(self.database, "tests") as connection:
            return [dict(row) for row in connection.execute(text(f"SELECT * FROM said.{name}")).mappings()]

    def write(self, name: str, select: str) -> None:
        """Write the SELECT of an entity."""
        (self.folder / f"{name}.sql").write_text(select, encoding="utf-8")

    def load(self, batch: Batch) -> Load:
        """Extract, refuse and load within the one database."""
        return load(self.database, self.database, batch, self.folder)


@pytest.fixture
def said(fresh: Database, tmp_path: Path) -> Iterator[Said]:
    """A warehouse whose source stands in the same database and says what the test puts there."""
    with kept_open(fresh):
        yield Said(fresh, tmp_path / "said")


ON_THE_SERVER = pytest.mark.parametrize(
    "engine_name", [pytest.param("postgresql", marks=pytest.mark.postgres)], ids=["postgresql"]
)
"""For a long story whose statements other tests run on both engines."""


def batch_of(month: str, months: int = 1) -> Batch:
    """The batch of a month such as 2024-01 (and of those that follow it)."""
    year, number = map(int, month.split("-"))
    index = year * 12 + number - 1 + months
    return Batch(date(year, number, 1), date(index // 12, index % 12 + 1, 1))
