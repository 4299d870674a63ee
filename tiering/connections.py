"""Airflow connections as what the project needs: a database, a mail server. Secrets stay inside them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Protocol

from sql.connect import Database, Session
from sql.errors import TieringError
from tiering.settings import Settings, read_settings

SOURCE, WAREHOUSE, SMTP = "tiering_source", "tiering_warehouse", "tiering_smtp"
OWNER, MAILER = "tiering_owner", "tiering_mailer"
"""Optional: the user who changes the schema and prunes, and the one who sends mails."""

_POSTGRES = {"postgres", "postgresql", "postgresql+psycopg"}


class AirflowConnection(Protocol):
    """The part of an Airflow connection that is read here."""

    conn_type: str
    host: str | None
    port: int | None
    schema: str | None
    login: str | None
    password: str | None
    extra: str | None


def find_connection(conn_id: str) -> AirflowConnection | None:
    """Return an Airflow connection, or None when there is none of that id."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowRuntimeError

    try:
        found: Any = BaseHook.get_connection(conn_id)
        return found  # type: ignore[no-any-return]
    except AirflowRuntimeError:
        return None
    except Exception as error:
        if type(error).__name__ == "AirflowNotFoundException":
            return None
        raise


def database_of(conn_id: str) -> Database:
    """Return the database of a connection: conn_type duckdb (host = path of the file), postgres, or a SQLAlchemy name.

    Raises TieringError when there is no such connection or it says no place.
    """
    connection = find_connection(conn_id)
    if connection is None:
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        if variable in os.environ:
            raise TieringError(f"{conn_id}: {variable} holds no connection; write it as JSON: conn_type, host, port, …")
        raise TieringError(f"{conn_id}: there is no such Airflow connection; add it (conn_type duckdb or postgres)")
    kind = connection.conn_type
    if kind == "duckdb":
        path = connection.host or connection.schema or ""
        if not path:
            raise TieringError(f"{conn_id}: a duckdb connection needs the path of its file as host")
        if Path(path).stem in ("landing", "facts", "work", "tiering"):
            raise TieringError(
                f"{conn_id}: {Path(path).name} is named as a schema in it; DuckDB cannot tell them apart, rename it"
            )
        return Database("duckdb", path=path, session=session_of(read_settings()))
    if not connection.host:
        raise TieringError(f"{conn_id}: the connection names no host; set it")
    _check_port(conn_id, connection.port)
    if kind not in _POSTGRES:
        _check_dialect(conn_id, kind)
    return Database(
        "postgresql" if kind in _POSTGRES else kind,
        host=connection.host,
        port=connection.port,
        name=connection.schema or "",
        user=connection.login or "",
        password=connection.password or "",
        session=session_of(read_settings()),
    )


def _check_port(conn_id: str, port: int | None) -> None:
    if port is not None and not 0 < port < 65536:
        raise TieringError(f"{conn_id}: there is no port {port}; set one from 1 to 65535")


def _check_dialect(conn_id: str, kind: str | None) -> None:
    from sqlalchemy import URL
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        URL.create(kind or "-").get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError):
        raise TieringError(f"{conn_id}: conn_type {kind} is no database; set it to duckdb or postgres") from None
    except ImportError as error:
        raise TieringError(f"{conn_id}: {kind} needs its driver ({error.name}); install it beside Airflow") from None


def session_of(settings: Settings) -> Session:
    """Return the bounds of every session, on a server under the name of the Airflow task that runs, where one does."""
    task = ".".join(filter(None, (os.environ.get("AIRFLOW_CTX_DAG_ID"), os.environ.get("AIRFLOW_CTX_TASK_ID"))))
    return Session(
        statement_seconds=settings.statement_timeout_seconds,
        lock_seconds=settings.lock_timeout_seconds,
        idle_seconds=settings.idle_timeout_seconds,
        memory=settings.duckdb_memory,
        application=f"customer-tiering {task}".strip(),
    )


def owner_of() -> Database:
    """Return the warehouse as the user who may change its schema: tiering_owner, or tiering_warehouse without one."""
    return _warehouse_as(OWNER)


def mailer_of() -> Database:
    """Return the warehouse as the user who sends mails: tiering_mailer, or tiering_warehouse without one."""
    return _warehouse_as(MAILER)


def _warehouse_as(conn_id: str) -> Database:
    warehouse = database_of(WAREHOUSE)
    if find_connection(conn_id) is None:
        return warehouse
    database = database_of(conn_id)
    if not database.is_same_as(warehouse):
        raise TieringError(
            f"{conn_id}: {database.place} is not the warehouse {warehouse.place}; correct one of the connections"
        )
    return database


def source_of() -> Database:
    """Return the source database. Raises TieringError when its DuckDB file does not exist: reading would create it."""
    database = database_of(SOURCE)
    if database.kind == "duckdb" and not Path(database.path).is_file():
        raise TieringError(f"{SOURCE}: there is no file {database.path}; correct the host of the connection")
    return database


def _extra_of(conn_id: str, connection: AirflowConnection) -> dict[str, Any]:
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise TieringError(f'{conn_id}: the extra is no JSON mapping; write for example {{"security": "starttls"}}')
    return extra


def mail_server_of(conn_id: str = SMTP) -> Any:
    """Return the mail server of a connection (`reports.mail.SmtpServer`), or None when there is no connection.

    The extra field `security` says starttls (default), ssl or none. Raises TieringError for another word.
    """
    connection = find_connection(conn_id)
    if connection is None:
        return None
    from reports.mail import SmtpServer

    if not connection.host:
        raise TieringError(f"{conn_id}: the connection names no host; set it")
    _check_port(conn_id, connection.port)
    extra = _extra_of(conn_id, connection)
    security = extra.get("security", "starttls")
    if security not in ("starttls", "ssl", "none"):
        raise TieringError(f"{conn_id}: security is {security!r}; set it to starttls, ssl or none")
    timeout = str(extra.get("timeout", 30))
    if not re.fullmatch(r"[1-9][0-9]{0,3}(\.[0-9]+)?", timeout):
        raise TieringError(f"{conn_id}: the timeout is {timeout!r}; set it to seconds, such as 30")
    return SmtpServer(
        host=connection.host or "",
        port=connection.port or {"starttls": 587, "ssl": 465, "none": 25}[security],
        user=connection.login or None,
        password=connection.password or None,
        security=security,
        timeout=float(timeout),
    )
