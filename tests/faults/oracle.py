"""What is right after a fault: the tables as multisets of rows, compared both ways, and the invariants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text

from sql.connect import Database, connected
from sql.statements import transpile
from tests.cluster import plain_client

INVARIANTS = {
    path.stem: path.read_text(encoding="utf-8")
    for path in sorted((Path(__file__).resolve().parents[1] / "invariants").glob("*.sql"))
}

LEFT_OUT = {
    ("tiering", "*", "TIMESTAMPTZ"): "an instant says when something was recorded; only whether it is set is compared",
    ("work", "*", "TIMESTAMPTZ"): "the same",
    ("tiering", "run_attempt", "*"): "the tries themselves: a fault makes another one",
    ("tiering", "schema_upgrade", "*"): "the statements of the schema, which stand before every fault",
    ("tiering", "batch", "source_snapshot"): "the name of the source's snapshot, another one for every extraction",
    ("tiering", "key_field_change", "source_snapshot"): "the same",
    ("work", "extraction", "snapshot"): "the same",
    ("tiering", "approval", "approval_id"): "ends with the number of the try that asked; that end is left out",
    ("tiering", "pruning", "*"): "every prune is recorded, those that remove nothing as well",
    ("tiering", "email_outbox", "attempts"): "how often a mail was tried is what faults change",
    ("tiering", "email_outbox", "error"): "the last answer of a server that had a fault",
    ("tiering", "email_outbox", "resent"): "how often it was sent again after a fault",
}
"""What the comparison with an undisturbed run leaves out, and why: schema, table, column or type."""

NO_NEWS = ("tiering.run_attempt", "tiering.pruning")
"""The tables that say of every run, even of one that does nothing, that it was."""

STANDING = ("facts", "tiering")
"""The schemas whose tables consumers read: old or new at any moment. landing and work are steps on the way."""

EVERYTHING = ("landing", "work", *STANDING)

Rows = Counter[str]


@dataclass(frozen=True)
class State:
    """Every table as a multiset of rows, as a plain client reads it in one snapshot."""

    tables: dict[str, Rows]

    def standing(self) -> dict[str, Rows]:
        """The tables that consumers read."""
        return {name: rows for name, rows in self.tables.items() if name.partition(".")[0] in STANDING}


def _expression(schema: str, table: str, column: str, kind: str) -> str | None:
    if (schema, table, "*") in LEFT_OUT:
        return None
    if (schema, table, column) == ("tiering", "approval", "approval_id"):
        return "split_part(approval_id, '-', 1)"
    if (schema, table, column) in LEFT_OUT:
        return None
    if (schema, "*", kind) in LEFT_OUT:
        return f"({column} IS NULL)"
    return column


_KINDS = {"timestamp with time zone": "TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
_COLUMNS = (
    "SELECT columns.table_schema, columns.table_name, columns.column_name, columns.data_type "
    "FROM information_schema.columns AS columns JOIN information_schema.tables AS tables "
    "ON tables.table_schema = columns.table_schema AND tables.table_name = columns.table_name "
    "WHERE columns.table_schema IN ({}) AND tables.table_type = 'BASE TABLE' "
    "ORDER BY columns.table_schema, columns.table_name, columns.ordinal_position"
)


def _select(found: list[tuple[str, str, str, str]], *, exact: bool) -> str:
    tables: dict[str, list[str]] = {}
    for schema, table, column, kind in found:
        said = column if exact else _expression(schema, table, column, _KINDS.get(kind, kind))
        if said is not None:
            tables.setdefault(f"{schema}.{table}", []).append(said)
    return " UNION ALL ".join(
        f"SELECT '{name}', CAST(ROW({', '.join(columns)}) AS TEXT) FROM {name}" for name, columns in tables.items()
    )


_readers: dict[tuple[int | None, str], psycopg.Connection[Any]] = {}


@contextmanager
def reading(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A plain client's REPEATABLE READ transaction, in a session that is kept: what it knows of a catalogue is dear."""
    key = (database.port, database.name)
    try:
        _readers[key].execute("SELECT 1")
    except (KeyError, psycopg.OperationalError):
        forget(database)
        _readers[key] = plain_client(database)
    connection = _readers[key]
    connection.rollback()
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    yield connection
    connection.rollback()


def forget(database: Database) -> None:
    """Close the session that reads a database."""
    reader = _readers.pop((database.port, database.name), None)
    if reader is not None:
        reader.close()


def read_state(database: Database, *, exact: bool = False, schemas: tuple[str, ...] = EVERYTHING) -> State:
    """Read every table of `schemas` in one REPEATABLE READ transaction; `exact` leaves nothing out."""
    columns = _COLUMNS.format(", ".join(f"'{schema}'" for schema in schemas))
    tables: dict[str, Rows] = {}
    if database.kind == "duckdb":
        with connected(database, "tests") as reader:
            found = [tuple(row) for row in reader.execute(text(columns))]
            for name, row in reader.execute(text(_select(found, exact=exact))):  # type: ignore[arg-type]
                tables.setdefault(name, Counter())[row] += 1
        return State(tables)
    with reading(database) as connection:
        found = connection.execute(columns).fetchall()  # type: ignore[assignment,arg-type]
        if found:
            for name, row in connection.execute(_select(found, exact=exact)):  # type: ignore[arg-type]
                tables.setdefault(name, Counter())[row] += 1  # type: ignore[index,arg-type]
    return State(tables)


def read_schema(database: Database) -> Rows:
    """Read what a PostgreSQL warehouse is made of: columns, indexes, checks, and which statements made them."""
    with plain_client(database) as connection:
        rows = connection.execute(
            "SELECT 'column', table_schema, table_name, column_name FROM information_schema.columns "
            "WHERE table_schema IN ('landing', 'facts', 'work', 'tiering') "
            "UNION ALL SELECT 'index', schemaname, tablename, indexname FROM pg_indexes "
            "WHERE schemaname IN ('landing', 'facts', 'work', 'tiering') "
            "UNION ALL SELECT 'check', connamespace::regnamespace::text, conrelid::regclass::text, conname "
            "FROM pg_constraint WHERE connamespace::regnamespace::text IN ('landing', 'facts', 'work', 'tiering')"
        ).fetchall()
        if rows:
            rows += connection.execute(
                "SELECT 'statement', number, name, sha256 FROM tiering.schema_upgrade"
            ).fetchall()
    return Counter(str(row) for row in rows)


def differences(wanted: dict[str, Rows], found: dict[str, Rows]) -> list[str]:
    """Return one line per table whose rows differ, with the first rows that are missing and that are too many."""
    lines = []
    for name in sorted({*wanted, *found}):
        missing = wanted.get(name, Counter()) - found.get(name, Counter())
        extra = found.get(name, Counter()) - wanted.get(name, Counter())
        if missing or extra:
            rows = [f"missing {row}" for row in sorted(missing)[:3]] + [f"too many {row}" for row in sorted(extra)[:3]]
            lines.append(f"{name}: {missing.total()} rows missing, {extra.total()} too many: {'; '.join(rows)}")
    return lines


def between(old: State, new: State, found: State) -> list[str]:
    """Return the rows that are neither of the old nor of the new state, and those of both that are lost."""
    before, after, now = old.standing(), new.standing(), found.standing()
    names = sorted({*before, *after, *now})
    either = {name: before.get(name, Counter()) | after.get(name, Counter()) for name in names}
    both = {name: before.get(name, Counter()) & after.get(name, Counter()) for name in names}
    none: Rows = Counter()
    return [
        *differences({}, {name: now.get(name, none) - either[name] for name in names}),
        *differences({name: both[name] - now.get(name, none) for name in names}, {}),
    ]


def torn(old: State, new: State, found: State, row_by_row: tuple[str, ...] = ()) -> list[str]:
    """Return what is neither the old nor the new state of the standing tables; nothing when it is one of them.

    In the tables `row_by_row` each row may stand as before or as after, none lost and none twice.
    """
    before, after, now = old.standing(), new.standing(), found.standing()
    lines = []
    for name in row_by_row:
        one, other, rows = (tables.pop(name, Counter()) for tables in (before, after, now))
        for row in sorted(rows - (one | other)):
            lines.append(f"{name}: neither as before nor as after: {row}")
        keys = Counter(row.partition(",")[0] for row in rows.elements())
        if keys != Counter(row.partition(",")[0] for row in one.elements()):
            lines.append(f"{name}: {rows.total()} rows instead of {one.total()}, or other keys")
    from_old, from_new = differences(before, now), differences(after, now)
    if from_old and from_new:
        lines += [f"not as before: {line}" for line in from_old] + [f"not as after: {line}" for line in from_new]
    return lines


def broken_invariants(database: Database) -> list[str]:
    """Return one line per invariant that does not hold."""
    if database.kind == "duckdb":
        with connected(database, "tests") as embedded:
            rows = {name: embedded.execute(text(query)).first() for name, query in _invariants("duckdb").items()}
    else:
        with reading(database) as connection:
            rows = {  # type: ignore[var-annotated]
                name: connection.execute(query).fetchone()  # type: ignore[call-overload]
                for name, query in _invariants("postgres").items()
            }
    return [f"invariant {name}: {tuple(row)}" for name, row in rows.items() if row is not None]


@cache
def _invariants(dialect: str) -> dict[str, str]:
    return {name: transpile(statement, dialect) for name, statement in INVARIANTS.items()}
