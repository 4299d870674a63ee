"""Conditions: comparisons over declared indicators, parsed by SQLGlot, decided in pandas or written as SQL.

Allowed are comparison, `and`, `or`, `not`, `in`, `between`, `is missing`, `is not missing`, indicators,
numbers, texts in single quotes and `true`/`false`. A comparison with a missing value is never true.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

_COMPARISONS: dict[type[exp.Expression], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
}
_MISSING = re.compile(r"\bis\s+(not\s+)?missing\b", re.IGNORECASE)
_ALLOWED = (
    *_COMPARISONS, exp.And, exp.Or, exp.Not, exp.In, exp.Between, exp.Is, exp.Null,
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Paren, exp.Neg,
)  # fmt: skip


class ConditionError(ValueError):
    """A condition that is not in the language; the message says what is wrong."""


class Condition:
    """One parsed condition."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > 2000:
            raise ConditionError("longer than 2000 characters; split it into several rules")
        try:
            tree = sqlglot.parse_one(
                _MISSING.sub(lambda match: f"IS {match[1] or ''}NULL", text.replace("==", "=")), read="duckdb"
            )
        except SqlglotError:
            raise ConditionError(f"{text!r} is no condition; write for example: rate >= 0.80 and is_key") from None
        for node in tree.walk():
            if not isinstance(node, _ALLOWED):
                raise ConditionError(f"{node.sql()!r} is not allowed in a condition (only comparisons, and, or, not, in, between, is missing)")
            if isinstance(node, exp.Column) and node.table:
                raise ConditionError(f"{node.sql()!r}: an indicator is one word")
            if isinstance(node, exp.Literal) and not node.is_string:
                _number(node)
        self._tree = tree

    @property
    def indicators(self) -> tuple[str, ...]:
        """The indicators the condition reads, in order of first mention."""
        return tuple(dict.fromkeys(column.name for column in self._tree.find_all(exp.Column)))

    @property
    def bounds(self) -> dict[str, set[Decimal]]:
        """The numbers each indicator is compared with."""
        found: dict[str, set[Decimal]] = {name: set() for name in self.indicators}
        for node in self._tree.find_all(*_COMPARISONS, exp.Between, exp.In):
            column = node.find(exp.Column)
            numbers = [_number(literal) for literal in node.find_all(exp.Literal) if not literal.is_string]
            if column is not None:
                found[column.name].update(numbers)
        return found

    def sql(self, rename: dict[str, str] | None = None) -> str:
        """Return the condition in DuckDB's dialect, indicators renamed to columns; never NULL."""
        tree = self._tree.copy()
        for column in tree.find_all(exp.Column):
            column.replace(exp.column((rename or {}).get(column.name, column.name)))
        return f"COALESCE({tree.sql(dialect='duckdb')}, FALSE)"

    def holds(self, frame: Any) -> Any:
        """Return for every row of `frame` (one column per indicator) whether the condition is true: a bool array."""
        return _truth(self._tree, frame).fillna(False).astype(bool).to_numpy()


def _number(literal: exp.Expression) -> Decimal:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", literal.name):
        raise ConditionError(f"{literal.name} is no plain number")
    return Decimal(literal.name)


def _value(node: exp.Expression, frame: Any) -> Any:
    if isinstance(node, exp.Paren):
        return _value(node.this, frame)
    if isinstance(node, exp.Column):
        return frame[node.name]
    if isinstance(node, exp.Neg):
        return -_value(node.this, frame)
    if isinstance(node, exp.Literal):
        return node.name if node.is_string else _number(node)
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    raise ConditionError(f"{node.sql()!r} cannot stand in a comparison")


def _truth(node: exp.Expression, frame: Any) -> Any:
    """Return the three-valued truth of `node` per row: true, false, or missing."""
    import pandas as pd

    boolean = pd.BooleanDtype()
    if isinstance(node, exp.Paren):
        return _truth(node.this, frame)
    if isinstance(node, exp.And):
        return _truth(node.this, frame) & _truth(node.expression, frame)
    if isinstance(node, exp.Or):
        return _truth(node.this, frame) | _truth(node.expression, frame)
    if isinstance(node, exp.Not):
        return ~_truth(node.this, frame)
    if isinstance(node, exp.Column):
        return _boolean(frame[node.name])
    if isinstance(node, exp.Boolean):
        return pd.Series(bool(node.this), index=frame.index, dtype=boolean)
    if isinstance(node, exp.Is):
        return _boolean(_value(node.this, frame).isna())
    if isinstance(node, exp.Between):
        value = _value(node.this, frame)
        low, high = _value(node.args["low"], frame), _value(node.args["high"], frame)
        return _boolean(value >= low) & _boolean(value <= high)
    if isinstance(node, exp.In):
        value = _value(node.this, frame)
        found = pd.Series(False, index=frame.index, dtype=boolean)
        for option in node.expressions:
            found = found | _boolean(value == _value(option, frame))
        return found
    left, right = _value(node.this, frame), _value(node.expression, frame)
    compare = {
        exp.EQ: lambda: left == right, exp.NEQ: lambda: left != right, exp.GT: lambda: left > right,
        exp.GTE: lambda: left >= right, exp.LT: lambda: left < right, exp.LTE: lambda: left <= right,
    }[type(node)]  # fmt: skip
    return _boolean(compare())


def _boolean(series: Any) -> Any:
    import pandas as pd

    return series.astype(pd.BooleanDtype())
