"""Decisions once more, in plain Python, one row at a time: what whole columns are held against.

Decimals and fractions instead of Arrow, a walk over a condition's tree instead of pandas.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from functools import cache
from math import floor
from operator import eq, ge, gt, le, lt, ne
from typing import Any

import sqlglot
from sqlglot import exp

from transforms.conditions import Condition
from transforms.parts import find_line
from transforms.policy import Policy
from transforms.shapes import Composite, Matrix, Scorecard

_COMPARED: dict[Any, Any] = {exp.EQ: eq, exp.NEQ: ne, exp.GT: gt, exp.GTE: ge, exp.LT: lt, exp.LTE: le}

Row = Mapping[str, Any]


def state_of(policy: Policy, row: Row) -> str | None:
    """Return the tier of a row, or the gate that it does not pass; None where the policy does not decide it."""
    known = {name: _exact(row.get(name)) for name in policy.indicators}
    for name, gate in policy.gate.items():
        if not holds(gate.when, known):
            return f"gate:{name}"
    tier, counted = None, dict(known)
    for name, entry in policy.missing.items():
        if known[name] is None:
            tier = tier or entry.tier
            counted[name] = _exact(entry.as_)
    if any(_is_outside(policy, name, value) for name, value in known.items() if value is not None):
        return None
    if tier is not None:
        return tier
    rules = policy.decide.rules
    asked = {name for rule in rules.of if rule.condition for name in rule.condition.missing} if rules else set()
    if any(counted[name] is None for name in policy.decide.indicators if name not in asked):
        return None
    with localcontext(prec=100):
        return _tier_of(policy, counted)


def _exact(value: Any) -> Any:
    return Decimal(value) if type(value) is int else value


def _is_outside(policy: Policy, name: str, value: Any) -> bool:
    indicator = policy.indicators[name]
    if indicator.values is not None:
        return value not in indicator.values
    low, high = indicator.minimum, indicator.maximum
    return (low is not None and value < low) or (high is not None and value > high)


def _line(lines: Any, value: Any, what: str = "tier") -> Any:
    line = find_line(lines, value)
    return getattr(line, what) if line else None


def _tier_of(policy: Policy, row: dict[str, Any]) -> str | None:
    decide = policy.decide
    tier: str | None = None
    for bands in (decide.bands, decide.assessed):
        if bands:
            tier = _line(bands.tiers, row[bands.of])
    if decide.scorecard:
        score = _score(decide.scorecard, row)
        tier = None if score is None else _line(decide.scorecard.tiers, score)
    if decide.matrix:
        tier = _cell(decide.matrix, row)
    if decide.top_share:
        place, count = int(row[decide.top_share.rank]), int(row[decide.top_share.of])
        cumulated = Fraction(0)
        for share in decide.top_share.shares:
            cumulated += Fraction(share.percent) / 100
            if place <= floor(cumulated * count + Fraction(1, 2)):
                return share.tier
        tier = decide.top_share.shares[-1].tier
    if decide.top_n:
        parts = sorted(decide.top_n.tiers, key=lambda part: part.first or float("inf"))
        tier = next((p.tier for p in parts if p.first is None or row[decide.top_n.rank] <= p.first), None)
    if decide.ratio:
        value = row[decide.ratio.of]
        tier = decide.ratio.below if value < decide.ratio.red_line else _line(decide.ratio.tiers, value)
    if decide.lowest:
        given = [_line(lines, row[name]) for name, lines in decide.lowest.of.items()]
        tier = None if None in given else max(given, key=policy.tiers.index)
    if decide.rules:
        tier = next((rule.tier for rule in decide.rules.of if rule.when is None or holds(rule.when, row)), None)
    if decide.quadrant:
        sides = ["high" if row[half.of] in half.bound else "low" for half in (decide.quadrant.x, decide.quadrant.y)]
        tier = getattr(decide.quadrant.tiers, "_".join(sides))
    if decide.composite:
        code = _code(decide.composite, row)
        tier = None if code is None else decide.composite.tier_of(code)
    return tier


def _score(card: Scorecard, row: Row) -> Decimal | None:
    parts = []
    for name, points in card.points.items():
        given = Decimal(row[name]) if points.scale is None else _line(points.scale, row[name], "points")
        if given is None:
            return None
        parts.append(given * points.weight)
    score = sum(parts, Decimal(0))
    return score if card.round is None else score.quantize(Decimal(1).scaleb(-card.round), ROUND_HALF_UP)


def _cell(matrix: Matrix, row: Row) -> str | None:
    levels = [_line(axis.levels, row[axis.of], "level") for axis in (matrix.rows, matrix.columns)]
    return None if None in levels else matrix.tier_at(levels[0], levels[1])


def _code(composite: Composite, row: Row) -> str | None:
    digits = [
        row[digit.of] if digit.scale is None else _line(digit.scale, row[digit.of], "digit")
        for digit in composite.digits
    ]
    if any(digit is None or not 0 <= digit <= 9 for digit in digits):
        return None
    return "".join(str(int(digit)) for digit in digits)


# Conditions


def holds(text: str, row: Row) -> bool:
    """Whether a condition is true for a row; missing is not."""
    return _truth(_tree_of(text), row) is True


@cache
def _tree_of(text: str) -> Any:
    tree: Any = sqlglot.parse_one(Condition(text).sql(), read="duckdb")
    return tree.this


def _truth(node: Any, row: Row) -> bool | None:
    if isinstance(node, exp.Paren):
        return _truth(node.this, row)
    if isinstance(node, exp.Not):
        inner = _truth(node.this, row)
        return None if inner is None else not inner
    if isinstance(node, exp.And | exp.Or):
        decisive = isinstance(node, exp.Or)
        both = [_truth(node.this, row), _truth(node.expression, row)]
        return decisive if decisive in both else None if None in both else not decisive
    if isinstance(node, exp.Is):
        return _value(node.this, row) is None
    if isinstance(node, exp.Between):
        value, low, high = (_value(part, row) for part in (node.this, node.args["low"], node.args["high"]))
        return None if value is None else bool(low <= value <= high)
    if isinstance(node, exp.In):
        value = _value(node.this, row)
        return None if value is None else value in [_value(option, row) for option in node.expressions]
    if type(node) in _COMPARED:
        left, right = _value(node.this, row), _value(node.expression, row)
        return None if left is None or right is None else bool(_COMPARED[type(node)](left, right))
    return _value(node, row)  # type: ignore[no-any-return]


def _value(node: Any, row: Row) -> Any:
    if isinstance(node, exp.Paren):
        return _value(node.this, row)
    if isinstance(node, exp.Column):
        return row[node.name]
    if isinstance(node, exp.Neg):
        return _value(node.this, row).copy_negate()
    if isinstance(node, exp.Literal):
        return node.name if node.is_string else Decimal(node.name)
    return bool(node.this)
