"""`tiering roles` and `tiering upgrade`: who may do what in the warehouse, and whether somebody may do too much."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator

from rich.console import Console
from sqlalchemy import create_engine

from sql.connect import Database, connected, told_plainly, unreachable
from sql.errors import TieringError
from sql.rights import administrator_script, excess_of, grant_rights, is_owner, source_script
from tiering.settings import Settings

log = logging.getLogger(__name__)


def print_roles(
    database: str, users: Iterable[tuple[str, str]], source_database: str | None, source_schema: str | None
) -> None:
    """Print the statements for an administrator of the warehouse's server, or with a schema those for the source's."""
    if source_schema is not None:
        for line in _script(source_script(source_database or database, source_schema)):
            print(line)
        return
    logins: dict[str, list[str]] = defaultdict(list)
    for role, name in users:
        logins[role].append(name)
    source = (source_database, "") if source_database else None
    for line in _script(administrator_script(database, source=source, logins=logins)):
        print(line)


def _script(statements: Iterable[str]) -> Iterator[str]:
    """Yield a script for psql: each statement ended, a comment said once for those that follow it."""
    said = ""
    for statement in statements:
        comment, _, rest = statement.strip().partition("\n")
        if comment != said:
            yield comment
        said = comment
        yield f"{rest};"


def run_upgrade(console: Console) -> None:
    """Make or upgrade the schema as the owner, and give every role its rights again; say what was done."""
    from sql.schema import upgrade_schema
    from tiering.connections import owner_of

    owner = owner_of()
    with connected(owner, "tiering_owner") as connection:
        done = upgrade_schema(connection)
        granted = grant_rights(connection) if is_owner(connection) else 0
    console.print(f"{owner.place}: {len(done)} statements applied" if done else f"{owner.place}: up to date")
    if granted:
        console.print(f"rights given on {granted} tables")
    elif owner.kind == "postgresql":
        console.print("no rights given: the user does not work as tiering_owner (tiering roles)", soft_wrap=True)


def excess_of_users(warehouse: Database, source: Database | None) -> dict[str, str]:
    """Return by connection what its user could do and should not; nothing where all is well or on DuckDB.

    Where source and warehouse are one database, only the warehouse's user is looked at: it reads the source.
    Raises TieringError when a database cannot be reached.
    """
    found: dict[str, str] = {}
    with connected(warehouse, "tiering_warehouse") as connection:
        excess = excess_of(connection, is_source=False)
    if excess:
        found["tiering_warehouse"] = excess
    if source is not None and source.kind == "postgresql" and not source.is_same_as(warehouse):
        engine = create_engine(source.url_unbuffered, hide_parameters=True)
        try:
            with unreachable("tiering_source", source):
                reader = engine.connect()
            with told_plainly("tiering_source", source), reader:
                excess = excess_of(reader, is_source=True)
        finally:
            engine.dispose()
        if excess:
            found["tiering_source"] = excess
    return found


def look_at_users(warehouse: Database, source: Database, settings: Settings) -> None:
    """Warn of users who could do too much before anything is read; refuse them where TIERING_STRICT_ROLES says so."""
    for connection, excess in excess_of_users(warehouse, source).items():
        if settings.strict_roles:
            raise TieringError(f"{connection}: {excess}")
        log.warning("%s: %s", connection, excess)
