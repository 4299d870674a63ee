"""Rights: roles with the least that each part of the job needs, as SQL for an administrator and after every upgrade."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

import yaml
from sqlalchemy import Connection, text

from sql.errors import TieringError
from sql.statements import ROOT, render

OWNER, WRITER, MAILER, CONSUMER, READER = (
    "tiering_owner",
    "tiering_writer",
    "tiering_mailer",
    "tiering_consumer",
    "tiering_reader",
)
ROLES = (OWNER, WRITER, MAILER, CONSUMER, READER)
"""The roles; nobody logs in as one, users are granted them. Roles belong to a whole server, not to a database."""

_GRANTED = (WRITER, MAILER, CONSUMER)


@cache
def read_rights() -> dict[str, dict[str, list[str]]]:
    """Return what sql/roles/rights.yaml grants: by table (or schema), by role, the rights as written there."""
    said: dict[str, dict[str, list[str]]] = yaml.safe_load((ROOT / "roles" / "rights.yaml").read_text(encoding="utf-8"))
    return {table: {f"tiering_{role}": rights for role, rights in roles.items()} for table, roles in said.items()}


def rights_on(table: str) -> dict[str, list[str]] | None:
    """Return the rights on a table (schema.name) by role; None where rights.yaml does not know it."""
    rights = read_rights()
    return rights.get(table, rights.get(table.partition(".")[0]))


def quoted(name: str) -> str:
    """Return a name of a database, schema or user as an identifier."""
    if not name or "\x00" in name:
        raise TieringError(f"{name!r} is no name of a database, schema or user")
    return '"' + name.replace('"', '""') + '"'


def administrator_script(
    database: str, *, source: tuple[str, str] | None = None, logins: Mapping[str, Iterable[str]] | None = None
) -> Iterator[str]:
    """Yield the statements, one text each, that an administrator runs once: roles, users, rights on databases.

    `source` is database and schema of the source; `logins` names users by role (owner, writer, …). Running them
    again does no harm. Rights on tables follow by `table_grants`, after every schema upgrade.
    """
    here = quoted(database)
    for role in ROLES:
        yield render("roles/create_role.sql", role=role)
    yield render("roles/revoke_database.sql", database=here)
    yield render("roles/grant_connect.sql", database=here, roles=ROLES[:4])
    yield render("roles/grant_create.sql", database=here, role=OWNER)
    yield render("roles/grant_role.sql", role=WRITER, member=OWNER)
    yield render("roles/revoke_public.sql")
    for name, users in (logins or {}).items():
        role = f"tiering_{name}"
        if role not in ROLES:
            raise TieringError(
                f"there is no role {name}; roles: {', '.join(r.removeprefix('tiering_') for r in ROLES)}"
            )
        for login in map(quoted, users):
            yield render("roles/create_login.sql", login=login)
            yield render("roles/grant_role.sql", role=role, member=login)
            if role in (OWNER, WRITER):
                yield render("roles/set_role.sql", login=login, database=here, role=role)
            if role != READER:
                yield render("roles/set_search_path.sql", login=login, database=here)
            elif source:
                yield render("roles/set_read_only.sql", login=login, database=quoted(source[0]))


def source_script(database: str, schema: str) -> Iterator[str]:
    """Yield the statements that are run in the source's database, so that the reader reads there and does no more."""
    yield render("roles/revoke_temporary.sql", database=quoted(database))
    yield render("roles/grant_connect.sql", database=quoted(database), roles=[READER])
    yield render("roles/grant_source_schema.sql", schema=quoted(schema), role=READER)
    yield render("roles/grant_source_tables.sql", schema=quoted(schema), role=READER)


def table_grants(tables: Iterable[str]) -> Iterator[str]:
    """Yield the statements that give every role its rights on `tables` (schema.name), and take back any other."""
    for schema in ("landing", "facts", "work", "tiering"):
        rights = ["USAGE", "CREATE"] if schema == "work" else ["USAGE"]
        yield render("roles/grant_schema.sql", schema=schema, role=WRITER, rights=rights)
    for role in (MAILER, CONSUMER):
        yield render("roles/grant_schema.sql", schema="tiering", role=role, rights=["USAGE"])
    for table in tables:
        by_role = rights_on(table) or {}
        if by_role.get(WRITER) == ["own"]:
            yield render("roles/own_table.sql", table=table, role=WRITER)
            continue
        yield render("roles/revoke_table.sql", table=table, roles=_GRANTED)
        for role, rights in by_role.items():
            spelled = [re.sub(r"^\w+", lambda word: word[0].upper(), right) for right in rights]
            yield render("roles/grant_table.sql", table=table, role=role, rights=spelled)


def is_owner(connection: Connection) -> bool:
    """Whether the session works as tiering_owner, who alone hands out rights."""
    return connection.dialect.name == "postgresql" and (
        connection.execute(text("SELECT CURRENT_USER")).scalar_one() == OWNER
    )


def grant_rights(connection: Connection) -> int:
    """Give every role its rights on the tables that stand, as their owner; return how many tables.

    PostgreSQL only. Does nothing, and returns 0, on a server without the roles.
    """
    known = connection.execute(text(render("roles/read_known_roles.sql")), {"roles": list(_GRANTED)}).all()
    if len(known) < len(_GRANTED):
        return 0
    tables = [row.name for row in connection.execute(text(render("roles/read_own_tables.sql")))]
    for statement in table_grants(tables):
        connection.execute(text(statement))
    return len(tables)


def excess_of(connection: Connection, *, is_source: bool) -> str | None:
    """Say what the user of a session could do and should not; None when nothing is found.

    The user of the source must only read; the user of the warehouse must be no superuser and not own the tables.
    PostgreSQL only: a DuckDB file has no users.
    """
    if connection.dialect.name != "postgresql":
        return None
    row = connection.execute(text(render("roles/read_excess.sql"))).one()
    if row.rolsuper or row.rolbypassrls or row.rolcreaterole:
        what = "a superuser" if row.rolsuper else "above row security" if row.rolbypassrls else "a maker of roles"
        return f"user {row.rolname} is {what}; give the connection a user of its own (tiering roles)"
    if is_source and (row.writable_tables or row.may_create):
        what = f"can write {row.writable_tables} tables" if row.writable_tables else "can make schemas"
        return f"user {row.rolname} {what} of the source; give the connection a user who only reads (tiering roles)"
    if not is_source and row.owned_tables:
        return f"user {row.rolname} owns the {row.owned_tables} tables; give the connection a writer (tiering roles)"
    return None
