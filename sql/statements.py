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
    if dialect in ("duckdb", "spark") and isinstance(node, exp.Collate):
        unsaid: exp.Expression = node.this  # both compare text by bytes already, which is what "C" asks of PostgreSQL
        return unsaid
    if dialect == "postgres":
        if isinstance(node, exp.JSONObject):
            pairs = [part for pair in node.expressions for part in (pair.this, pair.expression)]
            return exp.Anonymous(this="JSON_BUILD_OBJECT", expressions=pairs)
        if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.INT128:
            return exp.DataType.build("NUMERIC(38, 0)", dialect="postgres")
    if dialect == "spark" and isinstance(node, exp.DataType) and node.this == exp.DataType.Type.INT128:
        return _WIDE.copy()
    return node


_WIDE = exp.DataType.build("DECIMAL(38, 0)", dialect="spark")
_ONE = "1000000000000000000"
_QUOTIENT = sqlglot.parse_one("CAST((above - above % below) / below AS DECIMAL(38, 0))", read="spark")
_DIGITS_18 = sqlglot.parse_one(
    f"CAST((above - above % below) / below AS DECIMAL(38, 0)) * {_ONE} + "
    f"CAST(((above % below) * {_ONE} - ((above % below) * {_ONE}) % below) / below AS DECIMAL(38, 0))",
    read="spark",
)


def _divide_exactly(tree: exp.Expression) -> None:
    """Spell `//` for Spark, whose DIV gives 64 bits and cuts off what is above them without a word.

    A quotient has at most 20 digits; where 18 of them stand behind the point, it is taken in two steps. Spark refuses
    what is longer, with spark.sql.ansi.enabled and without spark.sql.decimalOperations.allowPrecisionLoss.
    """
    for node in reversed(list(tree.find_all(exp.IntDiv))):
        above, form = node.this.unnest(), _QUOTIENT
        if isinstance(above, exp.Mul) and above.expression.is_number and above.expression.name == _ONE:
            above, form = above.this, _DIGITS_18
        parts = {"above": exp.cast(above.copy(), _WIDE), "below": exp.cast(node.expression.unnest().copy(), _WIDE)}
        spelled = form.transform(lambda part, of=parts: of[part.name].copy() if isinstance(part, exp.Column) else part)
        node.replace(exp.paren(spelled, copy=False))


@lru_cache(maxsize=2000)
def transpile(sql: str, dialect: str) -> str:
    """Return one statement written in DuckDB's dialect in the words of `dialect` (duckdb, postgres, spark, …).

    Raises ValueError when `sql` is not exactly one statement.
    """
    trees = sqlglot.parse(sql, read="duckdb")
    if len(trees) != 1 or trees[0] is None:
        raise ValueError(f"one statement expected, {len(trees)} found")
    tree = trees[0].transform(_adapt, dialect, copy=False)
    if dialect == "spark":
        _divide_exactly(tree)
        for node in list(tree.find_all(exp.DateDiff)):
            if node.text("unit").upper() in ("", "DAY"):  # with the unit, Spark goes by way of times and their zone
                node.replace(exp.Anonymous(this="DATEDIFF", expressions=[node.this, node.expression]))
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
