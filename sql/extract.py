"""Extract: run a source's SELECTs for a half-open interval of days and land the rows as the source said them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import StatementError
from sqlalchemy.pool import NullPool

from sql.connect import Database, connected, unreachable, write_arrow
from sql.contract import DERIVED, ENTITIES, SPACES, Entity
from sql.errors import TieringError
from sql.failures import plain_failure, without_values
from sql.personal import erase_landed
from sql.statements import run

log = logging.getLogger(__name__)

CHUNK_ROWS = 50_000
"""Rows in memory at a time when rows are copied from one database to another."""


@dataclass(frozen=True)
class Batch:
    """A half-open interval of days, [start, end)."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise TieringError(f"batch {self.start}/{self.end}: the end must lie after the start (it is not included)")

    @property
    def batch_id(self) -> str:
        """The interval as text, the key of its partition in landing."""
        return f"{self.start}/{self.end}"

    @property
    def last_day(self) -> date:
        """The last day inside the interval."""
        return self.end - timedelta(days=1)


@dataclass(frozen=True)
class SourceTotal:
    """What the source database itself counted and summed, for one entity and currency, in the same snapshot."""

    entity: str
    currency: str
    rows: int
    amount: Decimal | None


@dataclass(frozen=True)
class Extraction:
    """What was landed: entities present, the snapshot that was read, and the source's own totals."""

    entities: tuple[str, ...]
    snapshot: str
    totals: tuple[SourceTotal, ...]
    rows: dict[str, int]
    by_update: frozenset[str]
    """Entities whose batch selects on updated_at: their other rows stand."""


def read_source(folder: Path) -> dict[str, str]:
    """Return the SELECT of every entity that the source folder has.

    Raises TieringError when a required entity is missing, a file is no entity, or a dated entity does not
    select on its batch.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.sql"))}
    place = f"source {folder.name}"
    names = [name for name in ENTITIES if name not in DERIVED]
    for name in files:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            raise TieringError(
                f"{place}: {name}.sql is no entity"
                + (f"; did you mean {near[0]}.sql?" if near else f"; entities: {', '.join(names)}")
            )
    for name in names:
        if ENTITIES[name].is_required and name not in files:
            raise TieringError(f"{place}: the required entity {name} is missing; write {name}.sql")
    selects = {name: files[name].read_text(encoding="utf-8") for name in names if name in files}
    for name, select in selects.items():
        entity = ENTITIES[name]
        if entity.dated_by:
            for parameter in (":batch_start", ":batch_end"):
                if parameter not in select:
                    raise TieringError(
                        f"{place}: {name}.sql does not use {parameter}; select {entity.dated_by} >= :batch_start "
                        f"AND {entity.dated_by} < :batch_end (or on updated_at, and return that column)"
                    )
    return selects


def check_columns(place: str, entity: Entity, returned: Sequence[str]) -> list[str]:
    """Return the contract's columns among those `returned`, in the contract's order.

    Raises TieringError when a required one is missing, with the near miss that was found.
    """
    for column in entity.required:
        if column not in returned:
            others = [name for name in returned if name not in entity.columns]
            near = get_close_matches(column, others, n=1, cutoff=0.5)
            raise TieringError(
                f"{place}: {entity.name}.sql does not return the required column {column}"
                + (f"; it returns {near[0]}, rename that AS {column}" if near else "; add it")
            )
    twice = sorted({name for name in returned if list(returned).count(name) > 1})
    if twice:
        raise TieringError(f"{place}: {entity.name}.sql returns {twice[0]} twice; name each column once")
    return [column for column in entity.columns if column in returned]


_UNSTORABLE = "\x00"
"""The one character that PostgreSQL cannot store; the sign of broken encoding lands in its place."""

_BROKEN = "\ufffd"

_LARGEST_TOTAL = Decimal(10) ** 34
"""What a total of a source can be at most; the amounts behind a larger one are none that could be loaded."""


def _as_text(value: Any) -> str | None:
    """Return a value as the source said it."""
    if value is None:
        return value
    if isinstance(value, bytes):  # text of a database that does not know its own encoding
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, str):
        return value.replace(_UNSTORABLE, _BROKEN)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() and value.tzinfo is None else value.isoformat(" ")
    if isinstance(value, float):
        return repr(value)
    return str(value)


def _sum(one: Decimal | None, other: Decimal) -> Decimal | None:
    """Return the sum of two totals; None when it is not known: a source can hold NaN, infinity and sheer length."""
    if one is None or not other.is_finite() or abs(one + other) >= _LARGEST_TOTAL:
        return None
    return one + other


def interval_of(entity: Entity, batch: Batch) -> dict[str, date]:
    """Return the bound days that `entity` is read for: nothing for an entity that is read whole."""
    if entity.dated_by is None:
        return {}
    return {"batch_start": batch.start - timedelta(days=entity.lookback_days), "batch_end": batch.end}


@dataclass
class Source:
    """A source as it is read: its connection (one snapshot for all entities), its SELECTs, the batch."""

    connection: Connection
    place: str
    selects: dict[str, str]
    batch: Batch

    def parameters(self, entity: Entity) -> dict[str, date]:
        return interval_of(entity, self.batch)

    @contextmanager
    def failing(self, entity: Entity) -> Iterator[None]:
        """Say in one line which SELECT fails: at once, or at a row far down."""
        try:
            yield
        except StatementError as error:
            failure = plain_failure(self.place, error)
            if failure.may_pass:  # the source was lost, which says nothing about the SELECT
                raise failure from None
            first = without_values(error.orig or error)
            raise TieringError(f"{self.place}: {entity.name}.sql fails: {first}") from None

    def execute(self, entity: Entity, sql: str, **options: Any) -> Any:
        with self.failing(entity):
            return self.connection.execution_options(**options).execute(text(sql), self.parameters(entity))

    def chunks(self, entity: Entity, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
        """The rows of an entity, `CHUNK_ROWS` at a time."""
        query = f"SELECT {self.texts(columns)} FROM {self.select(entity)}"  # noqa: S608
        rows = iter(self.execute(entity, query, stream_results=True).partitions(CHUNK_ROWS))
        while True:
            with self.failing(entity):
                chunk = next(rows, None)
            if chunk is None:
                return
            yield chunk

    def select(self, entity: Entity) -> str:
        """The user's SELECT as a subquery: a trailing comment or semicolon must not swallow what follows."""
        return "(\n" + self.selects[entity.name].strip().rstrip(";") + "\n) AS said"

    def columns(self, entity: Entity) -> list[str]:
        if self.connection.dialect.name == "duckdb":  # which renames a column that stands twice in a subquery
            select = self.selects[entity.name].strip().rstrip(";")
            return [str(row[0]) for row in self.execute(entity, f"DESCRIBE {select}")]
        return list(self.execute(entity, f"SELECT * FROM {self.select(entity)} WHERE 1 = 0").keys())  # noqa: S608

    def texts(self, columns: Sequence[str]) -> str:
        """The columns as the source itself writes them: a driver has no value for an infinite day or a broken sign."""
        dialect = self.connection.dialect.name
        if dialect == "duckdb":
            return ", ".join(f"REPLACE(CAST({column} AS TEXT), CHR(0), '{_BROKEN}')" for column in columns)
        if dialect == "postgresql":
            return ", ".join(self.of_postgres(column) for column in columns)
        return ", ".join(columns)

    @cached_property
    def knows_its_encoding(self) -> bool:
        """Whether a text of a PostgreSQL source is one: a database of SQL_ASCII keeps whatever bytes it was given."""
        encoding = self.connection.execute(text("SELECT current_setting('server_encoding')")).scalar_one()
        return str(encoding) != "SQL_ASCII"

    def of_postgres(self, column: str) -> str:
        """A column of a PostgreSQL source as text; as its bytes where the source does not know what they say."""
        written = f"CAST({column} AS TEXT)"
        return written if self.knows_its_encoding else f"CONVERT_TO({written}, 'SQL_ASCII')"

    def totals(self, entity: Entity, columns: Sequence[str]) -> list[SourceTotal]:
        """Count and sum per currency in the source's own arithmetic; amounts only where it holds exact numbers."""
        currency = "currency" if entity.amount and "currency" in columns else None
        exact = False
        if entity.amount:
            query = f"SELECT {entity.amount} FROM {self.select(entity)} WHERE {entity.amount} IS NOT NULL"  # noqa: S608
            first = self.execute(entity, query).first()
            exact = first is not None and isinstance(first[0], int | Decimal)
        amount = f"SUM({entity.amount})" if exact else "NULL"
        group = f" GROUP BY {currency}" if currency else ""
        if currency and self.connection.dialect.name == "postgresql":
            currency = self.of_postgres(currency)
        query = f"SELECT {currency or 'NULL'}, COUNT(*), {amount} FROM {self.select(entity)}{group}"  # noqa: S608
        summed: dict[str, SourceTotal] = {}
        for code, rows, total in self.execute(entity, query):
            name = "-" if entity.amount is None else (_as_text(code) or "").strip(SPACES).upper() or "?"
            old = summed.get(name, SourceTotal(entity.name, name, 0, Decimal(0) if exact else None))
            value = _sum(old.amount, Decimal(total or 0))
            summed[name] = SourceTotal(entity.name, name, old.rows + rows, value)
        return list(summed.values())


def extract_batch(
    source: Database, warehouse: Database, folder: Path, batch: Batch, only: Sequence[str] | None = None
) -> Extraction:
    """Land every entity of the source folder for `batch`, replacing that partition as a whole.

    One snapshot of the source serves all entities. Within one database the rows never leave it
    (INSERT … SELECT); between two they stream in chunks of `CHUNK_ROWS`.
    Raises TieringError on a source that does not fulfil the contract; nothing is landed then.
    """
    selects = read_source(folder)
    if only:
        selects = {name: select for name, select in selects.items() if name in only}
    same = source.is_same_as(warehouse)
    with connected(warehouse, "tiering_warehouse", isolation="REPEATABLE READ" if same else None) as target:
        if same:
            return _land_all(Source(target, f"source {folder.name}", selects, batch), target, same=True)
        as_utf8 = {"client_encoding": "utf8"} if source.kind == "postgresql" else {}
        engine = create_engine(source.url_unbuffered, poolclass=NullPool, hide_parameters=True, connect_args=as_utf8)
        try:
            with unreachable("tiering_source", source):
                reader = engine.connect()
            with reader:
                if reader.dialect.name == "postgresql":
                    reader = reader.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                with reader.begin():
                    return _land_all(Source(reader, f"source {folder.name}", selects, batch), target, same=False)
        finally:
            engine.dispose()


def _land_all(source: Source, target: Connection, *, same: bool) -> Extraction:
    if source.connection.dialect.name == "postgresql":
        source.connection.execute(text("SET LOCAL DateStyle = 'ISO'"))  # a day is written as 2026-03-31, whoever asks
    returned = {name: source.columns(ENTITIES[name]) for name in source.selects}
    columns = {name: check_columns(source.place, ENTITIES[name], found) for name, found in returned.items()}
    by_update = frozenset(name for name, found in returned.items() if "updated_at" in found)
    snapshot = _snapshot(source.connection)
    totals: list[SourceTotal] = []
    rows: dict[str, int] = {}
    for name in ENTITIES:
        run(target, "warehouse/delete_landing.sql", {"batch_id": source.batch.batch_id}, entity=name)
    for name, present in columns.items():
        entity = ENTITIES[name]
        totals += source.totals(entity, present)
        landed = (
            _land_within(source, target, entity, present) if same else _land_streamed(source, target, entity, present)
        )
        rows[name] = landed
        log.info("landed %s %s: %d rows", name, source.batch.batch_id, landed)
    if "customers" in columns:
        rows["customer_attributes"] = _land_attributes(source, target, same=same)
    erase_landed(target, source.batch.batch_id)
    return Extraction(tuple(rows), snapshot, tuple(totals), rows, by_update)


def _snapshot(connection: Connection) -> str:
    if connection.dialect.name == "postgresql":
        return str(connection.execute(text("SELECT pg_current_snapshot()")).scalar_one())
    if connection.dialect.name == "duckdb":
        return f"transaction {connection.execute(text('SELECT txid_current()')).scalar_one()}"
    return "one transaction"


def _land_within(source: Source, target: Connection, entity: Entity, columns: Sequence[str]) -> int:
    names = ", ".join(columns)
    source.execute(
        entity,
        f"INSERT INTO landing.{entity.name} (batch_id, position, {names}) "  # noqa: S608
        f"SELECT '{source.batch.batch_id}', ROW_NUMBER() OVER (), {source.texts(columns)} FROM {source.select(entity)}",
    )
    return _count_landed(target, entity.name, source.batch)


def _tables(chunks: Iterable[Sequence[Any]], columns: Sequence[str], batch_id: str) -> Iterator[pa.Table]:
    position = 0
    for rows in chunks:
        data: dict[str, Any] = {
            "batch_id": pa.array([batch_id] * len(rows), pa.string()),
            "position": pa.array(range(position + 1, position + len(rows) + 1), pa.int64()),
        }
        position += len(rows)
        for index, column in enumerate(columns):
            data[column] = pa.array([_as_text(row[index]) for row in rows], pa.string())
        yield pa.table(data)


def _land_streamed(source: Source, target: Connection, entity: Entity, columns: Sequence[str]) -> int:
    for table in _tables(source.chunks(entity, columns), columns, source.batch.batch_id):
        write_arrow(target, f"landing.{entity.name}", table)
    return _count_landed(target, entity.name, source.batch)


def _land_attributes(source: Source, target: Connection, *, same: bool) -> int:
    """Land every `attr_<name>` column of customers as rows of customer_attributes.

    A customer number that stands for several customers is refused there; here it just says nothing.
    """
    customers, attributes = ENTITIES["customers"], ENTITIES["customer_attributes"]
    found = [name for name in source.columns(customers) if name.startswith("attr_")]
    if not found:
        return 0
    union = " UNION ALL ".join(
        f"SELECT customer_id, '{name.removeprefix('attr_')}' AS attribute, MIN(CAST({name} AS TEXT)) AS value "  # noqa: S608
        f"FROM {source.select(customers)} WHERE {name} IS NOT NULL AND TRIM(customer_id) <> '' "
        f"GROUP BY customer_id HAVING COUNT(DISTINCT {name}) = 1"
        for name in found
        if name.isidentifier()
    )
    derived = Source(source.connection, source.place, {attributes.name: union}, source.batch)
    land = _land_within if same else _land_streamed
    return land(derived, target, attributes, list(attributes.columns))


def _count_landed(target: Connection, entity: str, batch: Batch) -> int:
    count = run(target, "warehouse/count_landing.sql", {"batch_id": batch.batch_id}, entity=entity).scalar_one()
    return int(count)
