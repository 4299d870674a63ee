"""Credit: a budget from the plan, allocated to classes and then to customers, exact to the minor unit (S61)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

import sqlglot
from pydantic import Field, field_validator, model_validator
from sqlglot import exp

from sql.errors import TieringError
from transforms.conditions import UNREADABLE
from transforms.parts import Name, Number, Part

PLAN = ("revenue_budget", "gross_margin_rate", "vat_rate", "credit_budget")
"""The columns of the plan that a budget may name."""

_PLAIN = re.compile(r"[0-9]{1,20}(\.[0-9]{1,18})?|\.[0-9]{1,18}")
"""A number of a budget: an exponent could ask for more digits than there is memory."""

_OPERATORS = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}


class Budget:
    """An amount computed from the plan of a year: columns of the plan, numbers, + − × ÷ and parentheses."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            tree: Any = sqlglot.parse_one(text, read="duckdb")
        except (*UNREADABLE, RecursionError):
            raise ValueError(f"{text!r} is no amount; write for example: revenue_budget * gross_margin_rate") from None
        for node in tree.walk():
            self._check(node)
        self._tree = tree

    @staticmethod
    def _check(node: Any) -> None:
        if isinstance(node, exp.Column):
            if node.table or node.name not in PLAN:
                raise ValueError(f"{node.sql()} is no column of the plan: {', '.join(PLAN)}")
        elif not isinstance(node, exp.Paren | exp.Identifier | exp.Literal | exp.Neg) and type(node) not in _OPERATORS:
            raise ValueError(f"{node.sql()!r} is not allowed in a budget; use + - * / and columns of the plan")
        elif isinstance(node, exp.Literal) and (node.is_string or not _PLAIN.fullmatch(node.name)):
            raise ValueError(f"{node.sql()[:60]} is no number; write one as 1000 or 0.13")

    @property
    def columns(self) -> list[str]:
        """The columns of the plan that it reads."""
        return list(dict.fromkeys(column.name for column in self._tree.find_all(exp.Column)))

    def amount(self, plan: Mapping[str, Decimal | None]) -> Fraction:
        """Return the exact amount for a plan. Raises TieringError when the plan lacks a column."""
        return self._value(self._tree, plan)

    def _value(self, node: Any, plan: Mapping[str, Decimal | None]) -> Fraction:
        if isinstance(node, exp.Paren):
            return self._value(node.this, plan)
        if isinstance(node, exp.Neg):
            return -self._value(node.this, plan)
        if isinstance(node, exp.Literal):
            return Fraction(node.name)
        if isinstance(node, exp.Column):
            known = plan.get(node.name)
            if known is None:
                raise TieringError(f"the plan has no {node.name}; add it, or name another budget")
            return Fraction(known)
        left, right = self._value(node.this, plan), self._value(node.expression, plan)
        if isinstance(node, exp.Add):
            return left + right
        if isinstance(node, exp.Sub):
            return left - right
        if isinstance(node, exp.Mul):
            return left * right
        if right == 0:
            raise TieringError(f"the budget {self.text!r} divides by zero")
        return left / right


class Credit(Part):
    """Credit that follows from the tiers: a budget allocated by sales, or a table of limits per tier."""

    budget: str | None = None
    sales: Name | None = None
    within: Literal["sales", "sales_times_rate", "equal"] = "sales"
    rate: Name | None = None
    multiplier: dict[str, Annotated[Number, Field(ge=0)]] = Field(default_factory=dict)
    cap: Name | None = None
    limits: dict[str, Annotated[Number, Field(ge=0)]] = Field(default_factory=dict)

    @field_validator("budget")
    @classmethod
    def _is_amount(cls, value: str | None) -> str | None:
        if value is not None:
            Budget(value)
        return value

    @model_validator(mode="after")
    def _is_one_kind(self) -> Credit:
        if (self.budget is None) == (not self.limits):
            raise ValueError("credit is a `budget` to allocate, or a table of `limits` per tier")
        if self.budget is not None and (self.sales is None or not self.multiplier):
            raise ValueError("a budget is allocated by `sales` (an indicator), with a `multiplier` per tier (0: none)")
        if (self.within == "sales_times_rate") != (self.rate is not None):
            raise ValueError("within: sales_times_rate needs `rate`, an indicator, and nothing else does")
        return self

    @property
    def indicators(self) -> list[str]:
        """The indicators that it reads."""
        return [name for name in (self.sales, self.rate, self.cap) if name is not None]

    @property
    def tiers(self) -> list[str]:
        """The tiers it names."""
        return [*self.multiplier, *self.limits]

    @property
    def is_degenerate(self) -> bool:
        """Whether the classes cancel: sales on both levels and equal multipliers make one flat rate for all."""
        some = {value for value in self.multiplier.values() if value > 0}
        return self.budget is not None and self.within == "sales" and len(some) <= 1


def allocate(total: int, weights: list[Fraction]) -> list[int]:
    """Split `total` minor units by `weights`, exactly: largest remainders first, ties in the order given.

    Without any weight above zero everybody gets 0. Raises TieringError for a negative total or weight.
    """
    if total < 0 or any(weight < 0 for weight in weights):
        raise TieringError("an allocation needs a budget and weights that are not negative")
    whole = sum(weights, Fraction(0))
    if whole == 0:
        return [0] * len(weights)
    exact = [total * weight / whole for weight in weights]
    given = [share.numerator // share.denominator for share in exact]
    order = sorted(range(len(weights)), key=lambda place: (given[place] - exact[place], place))
    for place in order[: total - sum(given)]:
        given[place] += 1
    return given
