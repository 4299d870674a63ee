"""Connections: what a connection says, engines for it, and bulk rows in and out as Arrow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from adbc_driver_manager import dbapi
from pyarrow import csv
from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.dialects import registry
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from sql import failures
from sql.errors import DatabaseFailed, TieringError
from sql.statements import dialect_of, transpile

registry.register("duckdb.buffered", "sql.duckdb_buffered", "BufferedDialect")


@dataclass(frozen=True)
class Session:
    """How long a session on a server may take, in seconds, and the name under which people see it there.

    A session that hangs must not keep its locks: without these a frozen attempt later commits stale rows.
    `memory`: how much DuckDB may hold of a file; it goes on in files of its own beyond that.
    """

    statement_seconds: int = 3600
    lock_seconds: int = 120
    idle_seconds: int = 300
    memory: str = "2200MB"
    application: str = "customer-tiering"

    def query(self, *, is_read_only: bool) -> dict[str, str]:
        """Return what libpq is told in the URL: it holds from the first statement on, whatever driver reads it."""
        bounds = {
            "lock_timeout": f"{self.lock_seconds}s",
            "statement_timeout": f"{self.statement_seconds}s",
            "idle_in_transaction_session_timeout": f"{self.idle_seconds}s",
            "client_connection_check_interval": "1s",
            # A peer that vanished is noticed within a minute, on either side.
            "tcp_keepalives_idle": "30",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "3",
            "TimeZone": "UTC",
            **({"default_transaction_read_only": "on"} if is_read_only else {}),
        }
        return {
            "application_name": self.application.encode("ascii", "replace")[:63].decode(),
            "connect_timeout": "15",
            "keepalives": "1",
            "keepalives_idle": "30",
            "keepalives_interval": "10",
            "keepalives_count": "3",
            "options": " ".join(f"-c {name}={value}" for name, value in bounds.items()),
        }


@dataclass(frozen=True)
class Database:
    """Where a database is. `kind` is duckdb (with `path`) or a SQLAlchemy dialect name such as postgresql."""

    kind: str
    path: str = ""
    host: str = ""
    port: int | None = None
    name: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    session: Session = Session()

    @property
    def url(self) -> URL:
        """The SQLAlchemy URL, with the bounds of a session that writes; its text form hides the password."""
        if self.kind == "duckdb":
            return URL.create("duckdb+buffered", database=self.path)
        return self._server_url(is_read_only=False)

    @property
    def url_unbuffered(self) -> URL:
        """The URL for reading a source: rows stream and are never held as a whole, and nothing can be written."""
        if self.kind == "duckdb":
            return URL.create("duckdb", database=self.path)
        return self._server_url(is_read_only=True)

    def _server_url(self, *, is_read_only: bool) -> URL:
        is_postgres = self.kind == "postgresql"
        return URL.create(
            "postgresql+psycopg" if is_postgres else self.kind,
            self.user or None,
            self.password or None,
            self.host or None,
            self.port,
            self.name or None,
            self.session.query(is_read_only=is_read_only) if is_postgres else {},
        )

    @property
    def place(self) -> str:
        """Where it is, in words for a message: never with a password."""
        return self.path if self.kind == "duckdb" else f"{self.host}:{self.port or 5432}/{self.name}"

    def is_same_as(self, other: Database) -> bool:
        """Whether both are one database, so that rows need not leave it."""
        if self.kind == "duckdb" == other.kind:
            return Path(self.path).resolve() == Path(other.path).resolve()
        return (self.kind, self.host, self.port or 5432, self.name) == (
            other.kind,
            other.host,
            other.port or 5432,
            other.name,
        )


@lru_cache(maxsize=32)
def open_engine(database: Database) -> Engine:
    """Return the engine for `database`, whose connections close when they are released.

    A DuckDB file has one process at a time, readers included: nothing keeps it open between two uses. What an engine
    learns of its server with its first connection is asked once per process.
    """
    engine = create_engine(database.url, poolclass=NullPool, hide_parameters=True)
    if database.kind == "duckdb":
        listen(engine, "connect", lambda connection, _: _begin(connection, database.session))
    return engine


def _begin(connection: Any, session: Session) -> None:
    """Bound a session on a DuckDB file, and let it write fast: rows that nobody asked for in an order need none.

    A run commits often, and a checkpoint after each commit writes much of the file again.
    """
    connection.execute(f"SET memory_limit = '{session.memory}'")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET checkpoint_threshold = '256MB'")


@contextmanager
def unreachable(role: str, database: Database) -> Iterator[None]:
    """Turn whatever a driver raises while connecting into one clear line that never holds the password."""
    try:
        yield
    except Exception as error:  # drivers raise their own errors, inside the DBAPI hierarchy and outside it
        raise _why_unreachable(role, database, error) from None


@contextmanager
def connected(database: Database, role: str, isolation: IsolationLevel | None = None) -> Iterator[Connection]:
    """Yield a connection in one transaction: committed at the end, rolled back on an error.

    Raises TieringError in one line when the database named `role` (tiering_source, …) cannot be reached, and
    DatabaseFailed when it refuses a statement or is lost: whether a COMMIT that was lost took effect is unknown.
    """
    with opened(database, role) as connection:
        if isolation and database.kind == "postgresql":
            connection = connection.execution_options(isolation_level=isolation)
        with connection.begin():
            yield connection


@contextmanager
def opened(database: Database, role: str) -> Iterator[Connection]:
    """Yield a connection without a transaction, for who commits more than once; errors are told as by `connected`."""
    with unreachable(role, database):
        connection = open_engine(database).connect()
    with told_plainly(role, database), connection:
        try:
            yield connection
        finally:
            if bulk := connection.info.pop(_BULK, None):
                bulk.close()


@contextmanager
def told_plainly(role: str, database: Database) -> Iterator[None]:
    """Turn what a database raises into DatabaseFailed: one line without any value of a row, and no chain that has one.

    Errors that are not the database's pass through.
    """
    try:
        yield
    except failures.database_errors() as error:
        failure = failures.plain_failure(f"{role}: {database.place}", error)
        if failure.sqlstate == failures.LOCK_NOT_AVAILABLE:
            failure = failures.name_blockers(failure, error, open_engine(database))
        raise failure from None


@contextmanager
def kept_open(database: Database) -> Iterator[Database]:
    """Keep a DuckDB file open until the end, and yield it, so that the steps inside do not each open and close it.

    Opening reads the catalogue and closing writes a checkpoint, which takes longer than most statements. No
    transaction is begun. Meanwhile no other process has the file; on a server this does nothing.
    """
    if database.kind != "duckdb":
        yield database
        return
    with unreachable("tiering_warehouse", database):
        connection = open_engine(database).connect()
    with connection:
        yield database


def _why_unreachable(role: str, database: Database, error: Exception) -> TieringError:
    text = str(getattr(error, "orig", error) or error)
    place = f"{role}: {database.place}"
    if "password authentication failed" in text or "no password supplied" in text:
        return TieringError(f"{place} refuses the password of user {database.user}; correct the connection {role}")
    if 'database "' in text and "does not exist" in text:
        return TieringError(f"{place}: there is no such database; create it or correct the connection {role}")
    if 'role "' in text and "does not exist" in text:
        return TieringError(f"{place}: there is no user {database.user}; create it or correct the connection {role}")
    if "permission denied for database" in text:
        return TieringError(f"{place} does not let user {database.user} in; grant CONNECT on the database")
    if "lock on file" in text:
        return TieringError(
            f"{place} is open in another process; a DuckDB file has one process at a time, wait or close it"
        )
    if database.kind == "duckdb":
        return TieringError(f"{place} cannot be opened as a DuckDB file; correct the path in the connection {role}")
    if re.search(r"could not translate|resolve|Name or service", text):
        return TieringError(f"{place}: the host name is unknown; correct the connection {role}")
    return DatabaseFailed(
        f"{place} cannot be reached; start the server or correct the connection {role}", may_pass=True
    )


_NUMBER = pa.decimal128(38, 18)


def read_arrow(connection: Connection, sql: str, parameters: dict[str, Any] | None = None) -> pa.Table:
    """Return the rows of one SELECT (DuckDB's dialect, `:name` parameters) as an Arrow table.

    Decimals of any scale come as decimal128(38, 18) on every engine. On DuckDB the SELECT runs in the
    transaction of `connection`; on PostgreSQL it runs through ADBC and sees what is committed.
    """
    if connection.dialect.name == "duckdb":
        found = _driver(connection).execute(*_numbered(connection, sql, parameters or {}))
        return _with_numbers(found.to_arrow_table())
    with _bulk_cursor(connection, sql, parameters) as cursor:
        return _with_numbers(cursor.fetch_arrow_table())


def stream_arrow(
    connection: Connection, sql: str, parameters: dict[str, Any] | None = None, *, rows: int
) -> Iterator[pa.Table]:
    """Yield the rows of one SELECT as `read_arrow` has them, so many at a time; one table at least, even if empty.

    `connection` does nothing else until the end.
    """
    if connection.dialect.name == "duckdb":
        found = _driver(connection).execute(*_numbered(connection, sql, parameters or {}))
        yield from _in_parts(found.to_arrow_reader(rows), rows)
    else:
        with _bulk_cursor(connection, sql, parameters) as cursor:
            yield from _in_parts(cursor.fetch_record_batch(), rows)


def _in_parts(reader: pa.RecordBatchReader, rows: int) -> Iterator[pa.Table]:
    """Yield tables of so many rows, the last one of fewer."""
    waiting: list[pa.RecordBatch] = []
    count, has_yielded = 0, False
    for batch in reader:
        waiting.append(batch)
        count += batch.num_rows
        while count >= rows:
            whole = pa.Table.from_batches(waiting)
            yield _with_numbers(whole.slice(0, rows))
            has_yielded = True
            waiting, count = whole.slice(rows).to_batches(), count - rows
    if count or not has_yielded:
        yield _with_numbers(pa.Table.from_batches(waiting, reader.schema))


@contextmanager
def _bulk_cursor(connection: Connection, sql: str, parameters: dict[str, Any] | None) -> Iterator[Any]:
    """Yield the cursor of ADBC's own session that has executed a SELECT."""
    numbered, values = _numbered(connection, sql, parameters or {})
    try:
        with _bulk_connection(connection).cursor() as cursor:
            cursor.execute(numbered, values or None)
            yield cursor
    except dbapi.Error as error:
        raise DBAPIError(numbered, None, error, hide_parameters=True) from None


def _with_numbers(table: pa.Table) -> pa.Table:
    """Return a table whose decimals are decimal128(38, 18)."""
    columns = []
    for field_ in table.schema:
        column = table.column(field_.name)
        if isinstance(column.type, pa.OpaqueType):  # ADBC's NUMERIC
            column = column.cast(pa.string())
            column = column.cast(_NUMBER)
        elif pa.types.is_decimal(column.type):
            column = column.cast(_NUMBER)
        columns.append(column)
    return pa.table(dict(zip(table.schema.names, columns, strict=True)))


def _numbered(connection: Connection, sql: str, parameters: dict[str, Any]) -> tuple[str, list[Any]]:
    """Return a SELECT with its parameters by number, as the driver below the connection takes it, and their values."""
    statement = text(transpile(sql, dialect_of(connection))).bindparams(**parameters)
    compiled = statement.compile(dialect=connection.dialect)
    if connection.dialect.name == "duckdb":
        return str(compiled), [compiled.params[name] for name in compiled.positiontup or ()]
    order: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in order:
            order.append(match[1])
        return f"${order.index(match[1]) + 1}"

    named = re.sub(r"%\((\w+)\)s(?:::\w+)?", ":\\1", str(compiled))
    numbered = re.sub(r"(?<!:):(\w+)", number, named).replace("%%", "%")
    return numbered, [parameters[name] for name in order]


def read_inside(connection: Connection, sql: str, parameters: dict[str, Any]) -> pa.Table:
    """Return the rows of one SELECT as `read_arrow` does, those that this transaction has written among them.

    On PostgreSQL a column without any value has no type.
    """
    if connection.dialect.name == "duckdb":
        return read_arrow(connection, sql, parameters)
    found = connection.execute(text(transpile(sql, dialect_of(connection))), parameters)
    names = list(found.keys())
    rows = found.all()
    columns = [pa.array(list(values)) for values in zip(*rows, strict=True)] if rows else [pa.nulls(0)] * len(names)
    is_decimal = [pa.types.is_decimal(column.type) for column in columns]
    return pa.table(
        [column.cast(_NUMBER) if decimal else column for column, decimal in zip(columns, is_decimal, strict=True)],
        names=names,
    )


def write_arrow(connection: Connection, table: str, rows: pa.Table) -> None:
    """Append `rows` to `table` (schema.name, same column names) in the transaction of `connection`.

    Columns that `rows` lacks stay empty. Raises ValueError (DuckDB) or DBAPIError for one that the table lacks.
    """
    if not rows.num_rows:
        return
    if connection.dialect.name == "duckdb":
        # A relation, as DuckDB holds what is registered under a name until the transaction ends, even what is dropped.
        raw = _driver(connection)
        known = raw.table(table).columns
        unknown = [name for name in rows.column_names if name not in known]
        if unknown:
            raise ValueError(f"{table} has no column {', '.join(unknown)}")
        values = [name if name in rows.column_names else "NULL" for name in known]
        raw.from_arrow(rows).project(", ".join(values)).insert_into(table)
        return
    columns = ", ".join(rows.column_names)
    from psycopg import Error

    raw = _driver(connection)
    statement = f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)"
    try:
        with raw.cursor() as cursor, cursor.copy(statement) as copy:
            options = csv.WriteOptions(include_header=False)
            for batch in rows.to_batches(max_chunksize=50_000):
                sink = pa.BufferOutputStream()
                csv.write_csv(batch, sink, options)
                copy.write(sink.getvalue().to_pybytes())
    except Error as error:
        raise DBAPIError(statement, None, error, hide_parameters=True) from None


def _driver(connection: Connection) -> Any:
    """Return the driver's own connection below SQLAlchemy's: the same transaction, but rows in bulk."""
    return connection.connection.driver_connection


_BULK = "tiering_bulk"


def _bulk_connection(connection: Connection) -> Any:
    """Return ADBC's own session beside a connection: opened once, closed with it."""
    from adbc_driver_postgresql import dbapi as postgres

    if _BULK not in connection.info:
        url = connection.engine.url.set(drivername="postgresql")
        bounds = f"{url.query.get('options', '')} -c default_transaction_read_only=on"
        address, _, query = (
            url.update_query_dict({"options": bounds}).render_as_string(hide_password=False).partition("?")
        )
        # libpq reads a plus sign as one; autocommit, so that each statement sees what is committed by then
        connection.info[_BULK] = postgres.connect(f"{address}?{query.replace('+', '%20')}", autocommit=True)
    return connection.info[_BULK]
