"""Statements on engines that are not run here: each transpiles, and what comes out parses there. No more is claimed."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp
from test_statements import FILES, _name, _names, every_column

from sql.measure import GRAINS, measure_names, measure_statement
from sql.schema import without_comments
from sql.statements import render, transpile

DIALECTS = ("snowflake", "bigquery", "trino")

EXCLUDED = {
    "warehouse/lock.sql": "PostgreSQL's advisory lock; sql/facts.py runs it there alone",
    "warehouse/allow_loops.sql": "a setting of PostgreSQL's planner; sql/facts.py runs it there alone",
    "warehouse/lock_shared.sql": "the same, shared",
    "warehouse/analyze.sql": "PostgreSQL's planner statistics; sql/facts.py runs it there alone",
}
"""Statements of one engine alone, beside the `*.postgres.sql` files, which only PostgreSQL is given."""

STATEMENTS = [
    path
    for path in FILES
    if _name(path) not in EXCLUDED
    and not path.name.endswith(".postgres.sql")
    and (path.parent.name != "measures" or path.name == "indicators.sql")  # the others are pieces of measures.sql
]


def parsed_in(dialect: str, statement: str) -> exp.Expression:
    """Return the tree that a dialect's own parser makes of what the statement becomes in it."""
    told = transpile(statement, dialect)
    trees = sqlglot.parse(told, read=dialect)
    assert len(trees) == 1
    tree = trees[0]
    assert tree is not None
    assert not isinstance(tree, exp.Command), "SQLGlot does not know the statement and only passed its text on"
    assert "{{" not in told
    return tree


def test_nothing_is_left_out_but_statements_of_one_engine() -> None:
    assert set(EXCLUDED) <= {_name(path) for path in FILES}
    assert len(STATEMENTS) > 100


@pytest.mark.parametrize("path", STATEMENTS, ids=_name)
def test_a_statement_parses_where_it_is_not_run(path: Path) -> None:
    shapes = _names(path)
    for names in shapes if len(shapes) < 10 else shapes[::11]:  # the entities differ in their columns alone
        statement = render(_name(path), **names)
        if path.parent.name == "schema":
            statement = without_comments(statement)
        kind = type(sqlglot.parse_one(statement, read="duckdb"))
        for dialect in DIALECTS:
            assert type(parsed_in(dialect, statement)) is kind, dialect


@pytest.mark.parametrize("grain", GRAINS)
def test_every_measure_of_a_grain_parses_where_it_is_not_run(grain: str) -> None:
    columns = [*every_column(grain), "average_monthly_sales__ever", "average_yearly_sales__90_days"]
    if grain != "customer":  # a column that is written as at grain customer was parsed there
        known = set(measure_names("customer", [c for c in columns if c in every_column("customer")])["columns"])
        told = dict(zip(sorted(columns), measure_names(grain, columns)["columns"], strict=True))
        columns = [column for column, text in told.items() if text not in known]
        columns += ["net_sales__12_months", "receivable_balance", "visits_without_effect__12_months"]
    for dialect in DIALECTS:
        tree = parsed_in(dialect, measure_statement(grain, columns))
        assert isinstance(tree, exp.Select)
        named = [part.alias_or_name for part in tree.expressions]
        assert named == ["account_id", "account_manager_id", *sorted(columns)], dialect
        assert {table.name for table in tree.find_all(exp.Table)} >= {"sales", "receivables", "contacts", "account"}
