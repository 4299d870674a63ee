"""Failures of a database: told without any value of a row, and run again as a whole where they may pass."""

from __future__ import annotations

import functools
import logging
import random
import re
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import sqlglot
from adbc_driver_manager import dbapi
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlglot import exp

from sql.errors import DatabaseFailed

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


@functools.cache
def database_errors() -> tuple[type[Exception], ...]:
    """Return what a database raises; no driver is imported before something was raised."""
    import duckdb
    import psycopg

    return SQLAlchemyError, psycopg.Error, dbapi.Error, duckdb.Error


LOCK_NOT_AVAILABLE = "55P03"

TRIES = 5
"""How often a unit of work is run at most."""
WAIT_SECONDS = 0.5
"""The wait before the second try; each further one waits twice as long, up to `LONGEST_WAIT_SECONDS`."""
LONGEST_WAIT_SECONDS = 15.0
PATIENCE_SECONDS = 60.0
"""How long after its first failure a unit is still run again."""

_SERIALISATION, _DEADLOCK = "40001", "40P01"
_LOST = ("57P01", "57P02", "57P03", "53300")
"""Shut down by an administrator, crashed, starting up, no connection left."""

_CLASSES = {
    "22": "a value does not fit",
    "23": "a constraint does not hold",
    "28": "the user is not let in",
    "53": "the server is out of a resource",
    "XX": "the server has an internal error",
}
_DUCKDB_WITH_VALUES = ("Conversion", "Constraint", "Invalid Input", "Out of Range", "TypeMismatch")


def plain_failure(place: str, error: BaseException) -> DatabaseFailed:
    """Return what a database raised as one line without any value of a row.

    The server's DETAIL, HINT and CONTEXT hold rows and are left out; of errors that are about a value, so does the
    message: quoted words in it are left out too.
    """
    cause: BaseException = error.orig or error if isinstance(error, DBAPIError) else error
    sqlstate = _sqlstate_of(cause)
    if _is_lost(error, cause, sqlstate):
        return DatabaseFailed(
            f"{place}: the connection was lost ({sqlstate or type(cause).__name__}); "
            "what the transaction did is undone unless it was just being committed; run the step again",
            sqlstate=sqlstate,
            may_pass=True,
        )
    said = without_values(cause, sqlstate)
    code = f"{sqlstate}, {_CLASSES[sqlstate[:2]]}" if sqlstate and sqlstate[:2] in _CLASSES else sqlstate
    named = [
        f"{kind} {name}"
        for kind in ("constraint", "column", "table")
        if (name := getattr(getattr(cause, "diag", None), f"{kind}_name", None)) and name not in said
    ]
    return DatabaseFailed(
        f"{place}: {said}" + (f" ({', '.join([*([code] if code else []), *named])})" if code or named else ""),
        sqlstate=sqlstate,
        may_pass=sqlstate in (_SERIALISATION, _DEADLOCK),
    )


def without_values(error: BaseException, sqlstate: str | None = None) -> str:
    """Return the first line of what a driver says, without the values that it quotes.

    Names of tables and columns stay: only errors about a value quote one.
    """
    import duckdb

    sqlstate = sqlstate or _sqlstate_of(error)
    diag = getattr(error, "diag", None)
    lines = (getattr(diag, "message_primary", None) or str(error)).strip().splitlines()
    line = lines[0] if lines else type(error).__name__
    is_about_a_value = (sqlstate or "").startswith(("22", "P0"))
    if isinstance(error, duckdb.Error):
        is_about_a_value = line.startswith(_DUCKDB_WITH_VALUES)
    return re.sub(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|(?<=[Vv]alue )\S+", "…", line) if is_about_a_value else line


def _sqlstate_of(error: BaseException) -> str | None:
    code = getattr(error, "sqlstate", None)
    return code if isinstance(code, str) and re.fullmatch(r"[0-9A-Z]{5}", code) and code != "00000" else None


def _is_lost(error: BaseException, cause: BaseException, sqlstate: str | None) -> bool:
    import duckdb
    import psycopg

    if sqlstate is not None:
        return sqlstate.startswith("08") or sqlstate in _LOST
    if isinstance(cause, duckdb.Error):
        return False
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    # A server that answers sends its code; without one, nobody answered.
    return isinstance(cause, psycopg.OperationalError | dbapi.OperationalError)


_BLOCKERS = """
SELECT DISTINCT activity.pid, activity.application_name, activity.usename, activity.state
FROM pg_locks AS held
JOIN pg_stat_activity AS activity ON activity.pid = held.pid
WHERE held.granted AND held.pid <> pg_backend_pid()
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (
    (held.locktype = 'relation' AND held.relation = ANY (CAST(:tables AS REGCLASS[]))
      AND held.mode NOT IN ('AccessShareLock', 'RowShareLock'))
    OR (held.locktype = 'advisory' AND ((held.classid::BIGINT << 32) | held.objid::BIGINT) = :key)
  )
ORDER BY activity.pid
LIMIT 3
"""
"""PostgreSQL's catalogue alone: no statement of the warehouse."""


def name_blockers(failure: DatabaseFailed, error: BaseException, engine: Engine) -> DatabaseFailed:
    """Return a lock time-out with the sessions that hold a lock on what the statement was about, where they show.

    The server does not say whom it waited for; a second session looks it up right after.
    """
    statement = getattr(error, "statement", None) or ""
    parameters = getattr(error, "params", None)
    name = parameters.get("name") if isinstance(parameters, dict) and "pg_advisory" in statement else None
    tables = _tables_of(statement)
    found: list[Any] = []
    try:
        with engine.connect() as connection:
            key = None
            if name is not None:
                key = connection.execute(text("SELECT hashtextextended(:name, 0)"), {"name": name}).scalar_one()
            found = list(connection.execute(text(_BLOCKERS), {"tables": tables, "key": key}))
    except SQLAlchemyError:
        log.debug("who holds the lock cannot be looked up")
    what = name or ", ".join(tables)
    who = [
        f"pid {row.pid} ({row.application_name or 'no application name'}, {row.state or 'state hidden'})"
        for row in found
    ]
    held = f"a lock{f' on {what}' if what else ''} is held by {', '.join(who) or 'a session that is gone or hidden'}"
    return DatabaseFailed(f"{failure}; {held}; wait for it or end it", sqlstate=failure.sqlstate)


def _tables_of(statement: str) -> list[str]:
    """Return the tables of schema.name form in a statement as PostgreSQL was given it."""
    copied = re.match(r"COPY (\w+\.\w+) ", statement)
    if copied:
        return [copied[1]]
    try:
        tree = sqlglot.parse_one(re.sub(r"%\(\w+\)s", "NULL", statement), read="postgres")
    except sqlglot.errors.SqlglotError:
        return []
    return sorted({f"{table.db}.{table.name}" for table in tree.find_all(exp.Table) if table.db})


_running: ContextVar[bool] = ContextVar("_running", default=False)


def run_unit(unit: Callable[[], T], what: str) -> T:
    """Run a unit of work, and run it again as a whole after a failure that may pass; return what it returns.

    May be wrapped: what opens its own transactions, keeps nothing in memory between two tries, and leaves the same
    rows when it runs twice, so that it does not matter whether a COMMIT whose answer was lost took effect. Publishing
    qualifies because it reads the ledger first. Sending mails does not.
    Run again, at most `TRIES` times and within `PATIENCE_SECONDS`: serialisation failures, deadlocks, lost and
    refused connections. Never: constraints, permissions, a full disk, time-outs, and whatever is no database's.
    A unit inside a unit is run once: the outer one repeats.
    """
    if _running.get():
        return unit()
    token = _running.set(True)
    try:
        wait, first = WAIT_SECONDS, None
        for attempt in range(1, TRIES + 1):
            try:
                return unit()
            except DatabaseFailed as failure:
                now = time.monotonic()
                first = first or now
                pause = wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the tries, hides nothing
                if not failure.may_pass or attempt == TRIES or now + pause > first + PATIENCE_SECONDS:
                    raise
                log.warning("%s: try %d of %d failed, again in %.1f s: %s", what, attempt, TRIES, pause, failure)
            time.sleep(pause)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)
        raise AssertionError("unreachable")  # pragma: no cover - the last try returns or raises
    finally:
        _running.reset(token)


def repeated(function: Callable[P, T]) -> Callable[P, T]:
    """Make every call of a function a unit of work (see `run_unit`)."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_unit(lambda: function(*args, **kwargs), function.__name__)

    return wrapped
