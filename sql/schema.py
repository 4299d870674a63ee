"""The warehouse's schema: numbered statements, each applied once and recorded, so that an upgrade keeps the data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, inspect
from sqlglot import exp, parse_one

from sql.connect import Database, connected
from sql.errors import TieringError
from sql.facts import lock
from sql.rights import grant_rights, is_owner
from sql.statements import ROOT, dialect_of, render, run, run_text

FOLDER = ROOT / "warehouse" / "schema"


@dataclass(frozen=True)
class Upgrade:
    """One numbered statement of sql/warehouse/schema; `engine` is set where only one engine needs it."""

    number: int
    name: str
    text: str
    engine: str | None

    @property
    def sha256(self) -> str:
        """Hash of the text, so that a statement that was applied cannot be edited silently."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_upgrades() -> list[Upgrade]:
    """Return all numbered statements in order."""
    upgrades = []
    for path in sorted(FOLDER.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_(\w+)(?:\.(\w+))?\.sql", path.name)
        if match is None:
            raise TieringError(f"{path.name}: a schema statement is named 0001_what_it_does.sql")
        upgrades.append(Upgrade(int(match[1]), match[2], path.read_text(encoding="utf-8"), match[3]))
    return upgrades


def comments_of(statement: str) -> list[tuple[str, str, str]]:
    """Return (TABLE or COLUMN, qualified name, text) for every COMMENT in a CREATE TABLE or ADD COLUMN."""
    tree = parse_one(statement, read="duckdb")
    target = tree.find(exp.Table)
    if target is None or not isinstance(tree, exp.Create | exp.Alter):
        return []
    name = f"{target.db}.{target.name}"
    found = [
        ("COLUMN", f"{name}.{column.name}", constraint.kind.this.name)
        for column in tree.find_all(exp.ColumnDef)
        for constraint in column.constraints
        if isinstance(constraint.kind, exp.CommentColumnConstraint)
    ]
    table_comment = tree.find(exp.SchemaCommentProperty)
    return [("TABLE", name, table_comment.this.name), *found] if table_comment else found


def without_comments(statement: str) -> str:
    """Return the statement without its COMMENT clauses, which neither engine knows in that place."""
    tree = parse_one(statement, read="duckdb")
    for node in list(tree.find_all(exp.ColumnConstraint)):
        if isinstance(node.kind, exp.CommentColumnConstraint):
            node.pop()
    for comment in list(tree.find_all(exp.SchemaCommentProperty)):
        comment.pop()
    return tree.sql(dialect="duckdb", comments=False)


def _apply(connection: Connection, statement: str) -> None:
    run_text(connection, without_comments(statement))
    for kind, name, comment in comments_of(statement):
        # A utility statement takes no parameters; the text comes from our own file and is quoted by SQLGlot.
        run_text(connection, f"COMMENT ON {kind} {name} IS {exp.Literal.string(comment).sql()}")


def pending_upgrades(connection: Connection) -> list[Upgrade]:
    """Return the numbered statements that this warehouse does not have yet, in order; it is only read.

    Raises TieringError when a statement that was applied has been edited, or the warehouse is newer than the code.
    """
    engine = dialect_of(connection)
    upgrades = [upgrade for upgrade in read_upgrades() if upgrade.engine in (None, engine)]
    if not inspect(connection).has_table("schema_upgrade", schema="tiering"):
        return upgrades
    applied = {row.number: row for row in run(connection, "warehouse/read_schema_upgrades.sql")}
    known = {upgrade.number for upgrade in upgrades}
    for number, row in applied.items():
        if number not in known:
            raise TieringError(
                f"tiering_warehouse: its schema has statement {number:04d} ({row.name}) which this version does not "
                "know; install the version that made it"
            )
    for upgrade in upgrades:
        if upgrade.number in applied and applied[upgrade.number].sha256 != upgrade.sha256:
            raise TieringError(
                f"sql/warehouse/schema/{upgrade.number:04d}_{upgrade.name}.sql was edited after it was applied; "
                "undo the edit and add a new statement with the next number"
            )
    return [upgrade for upgrade in upgrades if upgrade.number not in applied]


def upgrade_schema(connection: Connection) -> list[str]:
    """Apply the numbered statements that this warehouse does not have yet; return their names.

    A schema that is up to date is only read. On PostgreSQL the roles get their rights on what is new.
    Raises TieringError as `pending_upgrades` does.
    """
    if not pending_upgrades(connection):
        return []
    lock(connection, "schema")
    pending = pending_upgrades(connection)  # again: another process may have been quicker
    if not inspect(connection).has_table("schema_upgrade", schema="tiering"):
        run(connection, "warehouse/create_tiering.sql")
        _apply(connection, render("warehouse/create_schema_upgrade.sql"))
    for upgrade in pending:
        _apply(connection, upgrade.text)
        run(
            connection,
            "warehouse/record_schema_upgrade.sql",
            {"number": upgrade.number, "name": upgrade.name, "sha256": upgrade.sha256},
        )
    if pending and is_owner(connection):
        grant_rights(connection)
    return [f"{upgrade.number:04d}_{upgrade.name}" for upgrade in pending]


@contextmanager
def reading(warehouse: Database) -> Iterator[Connection]:
    """Yield a connection that sees one state of the warehouse and, where the engine can, may write nothing.

    Raises TieringError when the schema is not that of this version.
    """
    with connected(warehouse, "tiering_warehouse", "REPEATABLE READ") as connection:
        if dialect_of(connection) == "postgres":
            run(connection, "warehouse/read_only.sql")
        if pending_upgrades(connection):
            raise TieringError(
                f"tiering_warehouse: {warehouse.place} has no tables of this version; run the DAG customer_facts, "
                "which makes them"
            )
        yield connection
