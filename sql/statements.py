"""Statements: one per file, written in DuckDB's dialect, rendered by Jinja2 and transpiled where they are loaded.

Jinja2 fills in names and lists only; every value is a bound parameter, written `:name`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import sqlglot
from sqlalchemy import Connection, CursorResult, text
from sqlglot import exp

from sql.contract import SPACES

ROOT = Path(__file__).parent

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(ROOT),
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # noqa: S701 - these are statements, not pages
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals["spaces"] = SPACES


def render(name: str, **names: Any) -> str:
    """Return the statement in the file `name` below sql/, in DuckDB's dialect, with its names filled in."""
    return _templates.get_template(name).render(**names)


def _adapt(node: exp.Expression, dialect: str) -> exp.Expression:
    """Spell for `dialect` what SQLGlot leaves in DuckDB's words."""
    if isinstance(node, exp.Placeholder):
        return exp.Var(this=f":{node.name}")  # SQLAlchemy's spelling on every engine
    if dialect == "duckdb":
        # DuckDB compares text by bytes already, which is what COLLATE "C" asks of PostgreSQL.
        return node.this if isinstance(node, exp.Collate) else node
    if dialect == "postgres":
        if isinstance(node, exp.JSONObject):
            pairs = [part for pair in node.expressions for part in (pair.this, pair.expression)]
            return exp.Anonymous(this="JSON_BUILD_OBJECT", expressions=pairs)
        if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.INT128:
            return exp.DataType.build("NUMERIC(38, 0)", dialect="postgres")
    return node


@lru_cache(maxsize=2000)
def transpile(sql: str, dialect: str) -> str:
    """Return one statement written in DuckDB's dialect in the words of `dialect` (duckdb, postgres, spark, …).

    Raises ValueError when `sql` is not exactly one statement.
    """
    trees = sqlglot.parse(sql, read="duckdb")
    if len(trees) != 1 or trees[0] is None:
        raise ValueError(f"one statement expected, {len(trees)} found")
    tree = trees[0].transform(_adapt, dialect, copy=False)
    return tree.sql(dialect=dialect, comments=False, copy=False)


def dialect_of(connection: Connection) -> str:
    """Return SQLGlot's name for the engine behind `connection`."""
    return {"postgresql": "postgres"}.get(connection.dialect.name, connection.dialect.name)


def run_text(
    connection: Connection,
    sql: str,
    parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
) -> CursorResult[Any]:
    """Execute one statement written in DuckDB's dialect on whatever engine `connection` talks to."""
    return connection.execute(text(transpile(sql, dialect_of(connection))), parameters)


def run(
    connection: Connection,
    name: str,
    parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    **names: Any,
) -> CursorResult[Any]:
    """Execute the statement in the file `name` below sql/ with bound `parameters` and Jinja2 `names`."""
    return run_text(connection, render(name, **names), parameters)
