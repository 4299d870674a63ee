"""A tripwire around everything that leaves a process: it counts what goes out, and does one thing at one of them.

It wraps drivers (psycopg, ADBC, DuckDB below SQLAlchemy, smtplib) in the process under test. The code under test
knows nothing of it.
"""

from __future__ import annotations

import os
import signal
import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import Any

SESSION = (
    "SELECT set_config",
    "select pg_catalog.version",
    "show ",
    "select current_schema",
    "SELECT pg_catalog.set",
    "SELECT typname AS name",
)
"""How statements begin that only set up a session: they change nothing, and are no points of their own."""


@dataclass(frozen=True)
class Fault:
    """What happens at one operation: number `at` (from 1), `when` is before or after it.

    `do`: kill, stop (SIGSTOP), interrupt (KeyboardInterrupt), commit (commit what there is, then kill),
    skip (the operation is left out), twice (it is done twice), lose (one row of what it wrote is lost),
    instead (the statement `say` is run in its place).
    """

    at: int
    do: str
    when: str = "before"
    say: str = ""


class Tripwire:
    """Counts operations; tells the pipe before it stops."""

    def __init__(self, faults: tuple[Fault, ...], pipe: Pipe) -> None:
        self.faults, self.pipe = {(fault.at, fault.when): fault for fault in faults}, pipe
        self.seen: list[str] = []
        self.busy = False
        self.commit: Callable[[], None] = lambda: None

    def _do(self, when: str) -> str:
        fault = self.faults.get((len(self.seen), when))
        if fault is None:
            return ""
        if fault.do == "commit":
            self.busy = True
            self.commit()
        if fault.do in ("kill", "commit"):
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.do == "stop":
            self.pipe.send(("at", len(self.seen)))
            os.kill(os.getpid(), signal.SIGSTOP)
        if fault.do == "interrupt":
            raise KeyboardInterrupt
        return fault.say or fault.do

    @contextmanager
    def operation(self, label: str) -> Iterator[str]:
        """Count one operation, unless it is part of another one; yield what is asked of its wrapper."""
        label = " ".join(label.split())
        if self.busy or label.startswith(SESSION):
            yield ""
            return
        self.seen.append(label[:160])
        asked = self._do("before")
        self.busy = True
        try:
            yield asked
        finally:
            self.busy = False
        self._do("after")


def _wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Replace a function of `owner` by `around`, which is given the real one first."""
    real = getattr(owner, name)
    setattr(owner, name, lambda *words, **options: around(real, *words, **options))


def _text(query: Any) -> str:
    if isinstance(query, bytes):
        return query.decode()
    return query if isinstance(query, str) else query.as_string(None)


def watch_postgresql(wire: Tripwire) -> None:
    """Watch psycopg, through which SQLAlchemy and COPY go, and ADBC."""
    import adbc_driver_manager.dbapi
    import psycopg

    def execute(real: Any, cursor: Any, query: Any, *words: Any, **options: Any) -> Any:
        wire.commit = cursor.connection.commit
        with wire.operation(_text(query)) as asked:
            if asked == "skip":
                return real(cursor, "SELECT 1 WHERE FALSE")
            if asked.startswith("SELECT"):
                return real(cursor, asked)
            result = real(cursor, query, *words, **options)
            if asked == "twice":
                result = real(cursor, query, *words, **options)
            if asked == "lose":
                lose(real, cursor, _text(query))
            return result

    def lose(real: Any, cursor: Any, query: str) -> None:
        """Delete one row that this transaction wrote; what the caller asked is answered already."""
        table = written_table(query)
        with cursor.connection.cursor() as other:
            real(
                other,
                f"DELETE FROM {table} WHERE ctid = (SELECT MAX(ctid) FROM {table} WHERE xmin = "
                "CAST(CAST(pg_current_xact_id() AS TEXT) AS XID))",
            )

    @contextmanager
    def copy(real: Any, cursor: Any, query: Any, *words: Any, **options: Any) -> Iterator[Any]:
        wire.commit = cursor.connection.commit
        with wire.operation(_text(query)) as asked:
            if asked == "skip":
                yield _Nothing()
                return
            with real(cursor, query, *words, **options) as running:
                keeper = _Keeper(running)
                yield keeper
            if asked == "twice":
                with real(cursor, query, *words, **options) as running:
                    for piece in keeper.kept:
                        running.write(piece)
            if asked == "lose":
                lose(type(cursor).execute, cursor, _text(query))

    for kind in (psycopg.Cursor, psycopg.ServerCursor):
        for name in ("execute", "executemany"):
            if name in vars(kind):
                _wrap(kind, name, execute)
    _wrap(psycopg.Cursor, "copy", copy)

    def ends(word: str) -> Callable[..., Any]:
        def end(real: Any, connection: Any) -> Any:
            if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                return real(connection)  # nothing goes out
            with wire.operation(word):
                return real(connection)

        return end

    _wrap(psycopg.Connection, "commit", ends("COMMIT"))
    _wrap(psycopg.Connection, "rollback", ends("ROLLBACK"))

    def read(real: Any, cursor: Any, query: Any, *words: Any, **options: Any) -> Any:
        with wire.operation(f"ADBC {_text(query)}"):
            return real(cursor, query, *words, **options)

    _wrap(adbc_driver_manager.dbapi.Cursor, "execute", read)


class _Nothing:
    def write(self, piece: bytes) -> None:
        """Let the rows go nowhere."""


class _Keeper:
    def __init__(self, running: Any) -> None:
        self.running, self.kept = running, []

    def write(self, piece: bytes) -> None:
        self.kept.append(piece)
        self.running.write(piece)


def written_table(label: str) -> str | None:
    """Return the table that a statement writes to, or None."""
    words = label.split()
    for start in (["INSERT", "INTO"], ["COPY"], ["UPDATE"], ["DELETE", "FROM"]):
        if [word.upper() for word in words[: len(start)]] == start:
            return words[len(start)]
    return None


def watch_duckdb(wire: Tripwire) -> None:
    """Watch SQLAlchemy's statements and transactions on DuckDB, and what goes to the driver beside it."""
    import sql.connect
    from sql.duckdb_buffered import BufferedDialect

    def execute(real: Any, dialect: Any, cursor: Any, statement: str, *words: Any, **options: Any) -> Any:
        with wire.operation(statement) as asked:
            if asked == "skip":
                return cursor.execute("SELECT 1 WHERE FALSE")
            result = real(dialect, cursor, statement, *words, **options)
            return real(dialect, cursor, statement, *words, **options) if asked == "twice" else result

    for name in ("do_execute", "do_execute_no_params", "do_executemany"):
        _wrap(BufferedDialect, name, execute)

    def ends(word: str) -> Callable[..., Any]:
        def end(real: Any, dialect: Any, connection: Any) -> Any:
            with wire.operation(word):
                return real(dialect, connection)

        return end

    _wrap(BufferedDialect, "do_commit", ends("COMMIT"))
    _wrap(BufferedDialect, "do_rollback", ends("ROLLBACK"))

    class Watched:
        def __init__(self, raw: Any) -> None:
            self.raw = raw

        def __getattr__(self, name: str) -> Any:
            return getattr(self.raw, name)

        def execute(self, query: str, *words: Any) -> Any:
            with wire.operation(query) as asked:
                result = self.raw.execute("SELECT 1" if asked == "skip" else query, *words)
                return self.raw.execute(query, *words) if asked == "twice" else result

    _wrap(sql.connect, "_driver", lambda real, connection: Watched(real(connection)))


def watch_mail(wire: Tripwire) -> None:
    """Watch what is said to a mail server, and the files that stand in for one."""
    import reports.mail

    def around(what: Callable[..., str]) -> Callable[..., Any]:
        def say(real: Any, *words: Any, **options: Any) -> Any:
            with wire.operation(what(*words, **options)):
                return real(*words, **options)

        return say

    _wrap(smtplib.SMTP, "connect", around(lambda *_, **__: "SMTP connect"))
    _wrap(smtplib.SMTP, "docmd", around(lambda _, command, *__: f"SMTP {command}"))
    _wrap(smtplib.SMTP, "send", around(lambda *_: "SMTP message and dot"))
    _wrap(smtplib.SMTP, "getreply", around(lambda *_: "SMTP answer"))
    _wrap(reports.mail, "_write_whole", around(lambda path, *_: f"FILE {path.name}"))
