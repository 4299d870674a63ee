"""Credit: a budget from the plan, allocated to classes and then to customers, exact to the minor unit (S61)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, field_validator, model_validator
from sqlglot import exp

from sql.errors import TieringError
from transforms.allocation import UNCAPPED, split
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


class Cap(Part):
    """What nobody's limit exceeds: so many times an indicator of the account; of `tiers`, by default all."""

    of: Name
    times: Annotated[Number, Field(gt=0)] = Decimal(1)
    tiers: list[str] | None = None


class Concentration(Part):
    """Who holds receivables out of proportion to sales (S63).

    `key`: a flag that says who is a key account; `debtors`: how many of those who owe most are the largest debtors;
    `sales`: the indicator of sales, by default the one by which the budget is shared.
    """

    key: Name
    debtors: Annotated[int, Field(gt=0)]
    sales: Name | None = None


class Step(Part):
    """The limit of accounts whose value reaches a bound."""

    at_least: Number
    limit: Annotated[Number, Field(ge=0)]


class Steps(Part):
    """Limits by an indicator (G15): the highest bound that is reached counts, whatever their order; below all, none."""

    of: Name
    steps: Annotated[list[Step], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_each_bound_once(self) -> Steps:
        bounds = [step.at_least for step in self.steps]
        if len(set(bounds)) != len(bounds):
            raise ValueError("two steps have the same `at_least`; keep one")
        return self


class Credit(Part):
    """Credit that follows from the tiers: a budget that is allocated, or limits by tier or by an indicator.

    - `budget`: an amount of the plan of the year that begins, shared by tiers as `multiplier` x `sales`
    - `within`: how the accounts of a tier share its part: by sales, by sales x `rate`, or equally
    - `floor`: what an account of a tier gets at least, where the tier's multiplier is above 0
    - `limits`: one limit per tier; `by`: limits by an indicator, with none for the tiers in `none_for`
    - `cap`: what nobody's limit exceeds, on budgets and tables alike; of several the lowest counts
    - `concentration`: who is a key account, and how many of those who owe most are held against them
    """

    budget: str | None = None
    sales: Name | None = None
    within: Literal["sales", "sales_times_rate", "equal"] = "sales"
    rate: Name | None = None
    multiplier: dict[str, Annotated[Number, Field(ge=0)]] = Field(default_factory=dict)
    floor: dict[str, Annotated[Number, Field(ge=0)]] = Field(default_factory=dict)
    cap: Annotated[list[Cap], BeforeValidator(lambda said: _each_cap(said))] = Field(default_factory=list)
    limits: dict[str, Annotated[Number, Field(ge=0)]] = Field(default_factory=dict)
    by: Steps | None = None
    none_for: list[str] = Field(default_factory=list)
    concentration: Concentration | None = None

    @field_validator("budget")
    @classmethod
    def _is_amount(cls, value: str | None) -> str | None:
        if value is not None:
            Budget(value)
        return value

    @model_validator(mode="after")
    def _is_one_kind(self) -> Credit:
        if [self.budget is not None, bool(self.limits), self.by is not None].count(True) != 1:
            raise ValueError("credit is a `budget` to allocate, a table of `limits` per tier, or `by` an indicator")
        if self.budget is not None and (self.sales is None or not self.multiplier):
            raise ValueError("a budget is allocated by `sales` (an indicator), with a `multiplier` per tier (0: none)")
        if self.budget is None and (self.sales or self.multiplier or self.floor or self.within != "sales"):
            raise ValueError("sales, within, multiplier and floor belong to a `budget`")
        if (self.within == "sales_times_rate") != (self.rate is not None):
            raise ValueError("within: sales_times_rate needs `rate`, an indicator, and nothing else does")
        if self.none_for and self.by is None:
            raise ValueError(
                "none_for belongs to limits `by` an indicator; elsewhere a multiplier or limit of 0 says it"
            )
        if self.concentration and not self.sales_indicator:
            raise ValueError("concentration needs `sales`, an indicator, where no budget is shared by one")
        without = [tier for tier in self.floor if not self.multiplier.get(tier)]
        if without:
            raise ValueError(f"floor: {without[0]} has no multiplier above 0, so nobody in it gets credit")
        return self

    @property
    def indicators(self) -> list[str]:
        """The indicators that it reads."""
        named = [self.sales, self.rate, *(cap.of for cap in self.cap), self.by.of if self.by else None]
        if self.concentration:
            named += [self.concentration.key, self.sales_indicator]
        return list(dict.fromkeys(name for name in named if name is not None))

    @property
    def sales_indicator(self) -> str | None:
        """The indicator of what an account buys."""
        return (self.concentration and self.concentration.sales) or self.sales

    @property
    def tiers(self) -> list[str]:
        """The tiers it names."""
        capped = [tier for cap in self.cap for tier in cap.tiers or ()]
        return list(dict.fromkeys([*self.multiplier, *self.floor, *self.limits, *self.none_for, *capped]))

    @property
    def is_degenerate(self) -> bool:
        """Whether the classes cancel: sales on both levels and equal multipliers make one flat rate for all."""
        some = {value for value in self.multiplier.values() if value > 0}
        return self.budget is not None and self.within == "sales" and len(some) <= 1


def _each_cap(said: Any) -> Any:
    """Let one cap stand for a list of it, and the name of an indicator for a cap of that."""
    entries = said if isinstance(said, list) else [said]
    return [{"of": entry} if isinstance(entry, str) else entry for entry in entries]


# Limits of accounts


@dataclass(frozen=True)
class Limits:
    """What every account gets, and what is left of the budget, in minor units of the reporting currency.

    `accounts`: one row per account: customer_id, tier, limit (minor units), reason: `share`, `floor`, `table`, `step`,
    `cap:<indicator>`, or why there is none: `tier`, `no_tier`, `no_sales`, `no_rate`, `missing:<indicator>`, `below`.
    `budget` and `unallocated` are None where there is no budget; else limits and `unallocated` add up to `budget`.
    """

    accounts: pd.DataFrame
    budget: int | None = None
    unallocated: int | None = None


def limits_of(
    credit: Credit, accounts: pd.DataFrame, tiers: Sequence[str], *, digits: int, budget: Fraction | None = None
) -> Limits:
    """Return the limits of `accounts` (customer_id, tier and the indicators of `credit`, undefined ones missing).

    `digits`: of the minor unit; a budget and a cap are cut down to it. `tiers`: the policy's, the best first.
    The order of the accounts does not matter: units of equal remainders go to tiers, then customer ids, in order.

    Raises TieringError for a negative budget and for floors that sum up to more than the budget.
    """
    ordered = accounts.sort_values("customer_id", kind="stable", ignore_index=True)
    places = pd.Index(tiers).get_indexer(pd.Index(ordered["tier"].astype(object)))
    caps, capped_by = _caps(credit, ordered, tiers, places, digits)
    if credit.budget is None:
        limit, reason = _table(credit, ordered, tiers, places, digits)
        is_capped = (caps != UNCAPPED) & (caps < limit)
        return Limits(_limited(ordered, np.where(is_capped, caps, limit), np.where(is_capped, capped_by, reason)))
    if budget is None or budget < 0:
        raise TieringError("credit: the budget is negative; correct the plan of the year")
    total = int(budget * 10**digits)
    sales = whole_numbers(ordered[str(credit.sales)], 4)
    weights, reason = _weights(credit, ordered, sales, tiers, places)
    floors = _by_tier([int(credit.floor.get(tier, 0) * 10**digits) for tier in tiers], 0, places)
    floors = np.where((caps != UNCAPPED) & (caps < floors), caps, floors)  # a cap is stronger than a floor
    members = [np.flatnonzero((places == place) & (weights > 0)) for place in range(len(tiers))]
    wanted = sum(int(floors[of_tier].sum()) for of_tier in members)
    if wanted > total:
        raise TieringError(
            f"credit: the floors sum up to {Decimal(wanted) / 10**digits}, more than the budget of "
            f"{Decimal(total) / 10**digits}; lower `floor`"
        )
    shares = [
        Fraction(credit.multiplier.get(tier, 0)) * int(sales[of_tier].sum())
        for tier, of_tier in zip(tiers, members, strict=True)
    ]
    scale = math.lcm(*(share.denominator for share in shares))
    parts, unallocated = split(
        total,
        [int(share * scale) for share in shares],
        [int(floors[of_tier].sum()) for of_tier in members],
        [UNCAPPED if (caps[of_tier] == UNCAPPED).any() else int(caps[of_tier].sum()) for of_tier in members],
    )
    limit = np.zeros(len(ordered), dtype=parts.dtype)
    for part, of_tier in zip(parts, members, strict=True):
        if len(of_tier):
            limit[of_tier], _ = split(int(part), weights[of_tier], floors[of_tier], caps[of_tier])
    is_given = weights > 0
    reason[is_given] = "share"
    reason[is_given & (limit == floors) & (floors > 0)] = "floor"
    is_capped = is_given & (limit == caps)
    reason[is_capped] = capped_by[is_capped]
    return Limits(_limited(ordered, limit, reason), total, unallocated)


def _by_tier(values: Sequence[Any], otherwise: Any, places: NDArray[np.intp]) -> NDArray[Any]:
    """What each account has of its tier; -1 is the place of those without one."""
    return np.array([*values, otherwise])[places]


def _weights(
    credit: Credit, accounts: pd.DataFrame, sales: NDArray[Any], tiers: Sequence[str], places: NDArray[np.intp]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what each account weighs within its tier, 0 for those without credit, and why these have none."""
    gets = _by_tier([bool(credit.multiplier.get(tier)) for tier in tiers], False, places)
    reason = np.full(len(accounts), "no_sales", dtype=object)
    reason[~gets] = "tier"
    reason[places == -1] = "no_tier"
    gets &= sales > 0
    if credit.within == "equal":
        return gets.astype(np.int64), reason
    if credit.rate is None:
        return np.where(gets, sales, 0), reason
    rate = whole_numbers(accounts[credit.rate], 18)
    reason[gets & (rate <= 0)] = "no_rate"
    return np.where(gets & (rate > 0), sales.astype(object) * rate, 0), reason


def _table(
    credit: Credit, accounts: pd.DataFrame, tiers: Sequence[str], places: NDArray[np.intp], digits: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the limits of a table, and what they come from."""
    reason = np.full(len(accounts), "tier", dtype=object)
    if credit.by is None:
        limit = _by_tier([int(credit.limits.get(tier, 0) * 10**digits) for tier in tiers], 0, places)
        reason[limit > 0] = "table"
        reason[places == -1] = "no_tier"
        return limit, reason
    limit = np.zeros(len(accounts), dtype=np.int64)
    value = accounts[credit.by.of]
    reason[:] = "below"
    for step in sorted(credit.by.steps, key=lambda step: step.at_least):
        is_reached = (value >= step.at_least).fillna(False).to_numpy(dtype=bool)
        limit[is_reached], reason[is_reached] = int(step.limit * 10**digits), "step"
    reason[value.isna().to_numpy()] = f"missing:{credit.by.of}"
    is_without = _by_tier([tier in credit.none_for for tier in tiers], False, places)
    limit[is_without], reason[is_without] = 0, "tier"
    return limit, reason


def _caps(
    credit: Credit, accounts: pd.DataFrame, tiers: Sequence[str], places: NDArray[np.intp], digits: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the lowest cap of each account and what it comes from; a missing or negative value caps at nothing."""
    lowest = np.full(len(accounts), UNCAPPED, dtype=np.int64)
    reason = np.full(len(accounts), None, dtype=object)
    for cap in credit.cap:
        values, scale = _exact(accounts[cap.of])
        times = Fraction(cap.times) * Fraction(10**digits, 10**scale)
        if values.dtype != object and int(np.abs(values).max(initial=0)) * times.numerator >= 2**62:
            values = values.astype(object)
        values = values * times.numerator // times.denominator
        values = np.where(values > 0, values, 0)
        is_theirs = _by_tier([cap.tiers is None or tier in cap.tiers for tier in tiers], cap.tiers is None, places)
        is_lower = is_theirs & ((lowest == UNCAPPED) | (values < lowest))
        lowest = np.where(is_lower, values, lowest)
        reason[is_lower] = f"cap:{cap.of}"
        reason[is_lower & accounts[cap.of].isna().to_numpy()] = f"missing:{cap.of}"
    return lowest, reason


def _limited(accounts: pd.DataFrame, limit: NDArray[Any], reason: NDArray[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {"customer_id": accounts["customer_id"], "tier": accounts["tier"], "limit": limit, "reason": reason}
    )


def _exact(values: pd.Series) -> tuple[NDArray[Any], int]:
    """Return decimals as integers and how many digits after the point these have: as few as they are stored with."""
    try:
        return whole_numbers(values, 4), 4
    except TieringError:
        return whole_numbers(values, 18), 18


def whole_numbers(values: pd.Series, digits: int) -> NDArray[Any]:
    """Return decimals times 10^digits as integers, int64 where all fit, missing ones as 0.

    Raises TieringError for a value with more digits after the point.
    """
    decimals = pa.array(values, type=pa.decimal128(38, 18), from_pandas=True)
    if isinstance(decimals, pa.ChunkedArray):
        decimals = decimals.combine_chunks()
    try:
        scaled = pc.fill_null(decimals, 0).cast(pa.decimal128(38, digits))
    except pa.ArrowInvalid as error:
        raise TieringError(f"credit: {values.name} has more than {digits} digits after the point: {error}") from None
    halves = np.frombuffer(scaled.buffers()[1], dtype=np.dtype([("low", "<u8"), ("high", "<i8")]))
    halves = halves[scaled.offset : scaled.offset + len(scaled)]
    low = halves["low"].view(np.int64) if len(halves) else np.zeros(0, dtype=np.int64)
    if (halves["high"] == (low >> 63)).all():
        return low.copy()
    large: NDArray[Any] = halves["high"].astype(object) * 2**64 + halves["low"].astype(object)
    return large
