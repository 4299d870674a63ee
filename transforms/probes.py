"""Probes: the values an indicator can have, and the representative points on which a policy is proved.

A decision changes only at bounds and at named values, so that points below, at, between and above every bound,
every named value, one other text and "missing" stand for all there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from transforms.columns import DECIMAL
from transforms.conditions import Condition
from transforms.decide import find
from transforms.policy import Indicator, Policy
from transforms.shapes import Line

OTHER_TEXT = "…"
"""Stands for every text that the policy does not name."""

MAXIMUM_POINTS = 300_000
"""More combinations than these are sampled, with a fixed seed."""

_SMALLEST = {"money": Decimal("0.0001"), "count": Decimal(1), "days": Decimal(1), "months": Decimal(1),
             "rank": Decimal(1)}  # fmt: skip
_FINEST = Decimal(1).scaleb(-18)
_FURTHEST = Decimal(10) ** 19
_EXACT = Context(prec=60)


class Known(Protocol):
    """What the library knows of a measure."""

    @property
    def unit(self) -> str:
        """Its unit."""

    @property
    def undefined_when(self) -> str:
        """When it is undefined; `never` if it cannot be."""


@dataclass(frozen=True)
class Domain:
    """The values an indicator can have: `step` is the smallest difference between two numbers."""

    kind: str
    step: Decimal = _FINEST
    low: Decimal | None = None
    high: Decimal | None = None
    texts: tuple[str, ...] | None = None

    def points(self, bounds: Iterable[Decimal], names: Iterable[Any] = ()) -> list[Any]:
        """Return representative values, in rising order for numbers."""
        if self.kind == "flag":
            return [False, True]
        if self.kind == "text":
            return list(self.texts) if self.texts is not None else [*dict.fromkeys(names), OTHER_TEXT]
        near: set[Decimal] = {number for number in names if isinstance(number, Decimal)}
        # A bound between two possible values is stood for by its neighbours.
        ordered = sorted(set(bounds) | near | {edge for edge in (self.low, self.high) if edge is not None})
        for bound in ordered or [Decimal(0)]:
            floor = _EXACT.multiply(_EXACT.divide_int(bound, self.step), self.step)
            near |= {_EXACT.add(floor, _EXACT.multiply(self.step, Decimal(times))) for times in (-1, 0, 1)}
            near |= {bound} if _EXACT.remainder(bound, self.step) == 0 else set()
        for low, high in zip(ordered, ordered[1:], strict=False):
            middle = _EXACT.divide_int(_EXACT.divide(_EXACT.add(low, high), Decimal(2)), self.step)
            near.add(_EXACT.multiply(middle, self.step))
        far = max([abs(bound) for bound in ordered] + [Decimal(1)]) * 2
        near |= {-far, far} if far < _FURTHEST else set()
        return sorted(point for point in near if self.holds(point))

    def holds(self, point: Decimal) -> bool:
        """Whether a number can occur."""
        inside = (self.low is None or point >= self.low) and (self.high is None or point <= self.high)
        return inside and abs(point) < _FURTHEST * 10 and _EXACT.remainder(point, self.step) == 0


def domain_of(policy: Policy, name: str, library: Mapping[str, Known]) -> Domain:
    """Return the values that an indicator of a policy can have."""
    indicator = policy.indicators[name]
    if indicator.value_type != "number":
        return Domain(indicator.value_type, texts=tuple(indicator.values) if indicator.values else None)
    if indicator.quantile is not None:
        return Domain("number", Decimal(1), Decimal(1), Decimal(indicator.quantile))
    if indicator.rank is not None or indicator.count is not None:
        return Domain("number", Decimal(1), Decimal(1))
    if indicator.percent_rank is not None:
        return Domain("number", _FINEST, Decimal(0), Decimal(1))
    unit = unit_of(indicator, library)
    step = _SMALLEST.get(unit or "", _FINEST)
    natural = Decimal(0) if unit in ("count", "days", "months") else None
    return Domain(
        "number", step, indicator.minimum if indicator.minimum is not None else natural, indicator.maximum
    )  # fmt: skip


def unit_of(indicator: Indicator, library: Mapping[str, Known]) -> str | None:
    """Return the unit of an indicator: the library's for a measure, else what the policy says."""
    known = library.get(measure_name(indicator)) if indicator.measure is not None else None
    return known.unit if known is not None else indicator.unit


def measure_name(indicator: Indicator) -> str:
    """Return the library's name of a measure: with its basis, where it has one."""
    return f"{indicator.measure}_{indicator.basis}" if indicator.basis else str(indicator.measure)


def bounds_of(policy: Policy) -> tuple[dict[str, set[Decimal]], dict[str, list[Any]]]:
    """Return by indicator every number it is compared with, and every value that is named for it, anywhere."""
    bounds: dict[str, set[Decimal]] = {name: set() for name in policy.indicators}
    names: dict[str, list[Any]] = {name: [] for name in policy.indicators}
    conditions = list(policy.conditions.values())
    if policy.decide.rules is not None:
        conditions += [rule.condition for rule in policy.decide.rules.of if rule.condition is not None]
    for condition in conditions:
        for name, found in condition.bounds.items():
            bounds[name] |= found
        for name, texts in condition.texts.items():
            names[name] += texts
    for name, lines in scales_of(policy):
        for line in lines:
            bounds[name] |= {bound for bound in (line.stated.low, line.stated.high) if bound is not None}
            names[name] += line.names
    decide = policy.decide
    if decide.ratio is not None:
        bounds[decide.ratio.of].add(decide.ratio.red_line)
    if decide.quadrant is not None:
        for side in (decide.quadrant.x, decide.quadrant.y):
            bounds[side.of] |= {bound for bound in (side.at_least, side.above) if bound is not None}
    if decide.top_n is not None:
        bounds[decide.top_n.rank] |= {Decimal(part.first) for part in decide.top_n.tiers if part.first is not None}
    for name, entry in policy.missing.items():
        names[name] += [entry.as_] if entry.as_ is not None else []
    return bounds, {name: list(dict.fromkeys(found)) for name, found in names.items()}


def scales_of(policy: Policy) -> list[tuple[str, list[Line]]]:
    """Return every scale that stands on an indicator: (indicator, lines)."""
    decide = policy.decide
    found: list[tuple[str, list[Any]]] = []
    for bands in (decide.bands, decide.assessed, decide.ratio):
        found += [(bands.of, bands.tiers)] if bands is not None else []
    if decide.scorecard is not None:
        found += [(name, points.scale) for name, points in decide.scorecard.points.items() if points.scale is not None]
    if decide.matrix is not None:
        found += [(axis.of, axis.levels) for axis in (decide.matrix.rows, decide.matrix.columns)]
    if decide.lowest is not None:
        found += [*decide.lowest.of.items(), *decide.lowest.auxiliary.items()]
    if decide.composite is not None:
        found += [(digit.of, digit.scale) for digit in decide.composite.digits if digit.scale is not None]
    return found


@dataclass(frozen=True)
class Grid:
    """Points over several indicators: every combination, or a sample of them. `columns`: one value per point."""

    axes: dict[str, list[Any]]
    places: dict[str, Any]
    columns: dict[str, pa.Array]
    rows: int
    is_whole: bool

    def point(self, row: int) -> dict[str, Any]:
        """Return the values of one point."""
        return {name: values[self.places[name][row]] for name, values in self.axes.items()}


def make_grid(policy: Policy, axes: dict[str, list[Any]]) -> Grid:
    """Return the combinations of the values on `axes`; every other indicator of the policy is missing."""
    sizes = [len(values) for values in axes.values()]
    total = int(np.prod(sizes, dtype=object)) if sizes else 1
    is_whole = total <= MAXIMUM_POINTS
    if is_whole:
        flat = np.indices(sizes).reshape(len(sizes), -1) if sizes else np.zeros((0, 1), dtype=int)
    else:
        random = np.random.default_rng(20260101)
        flat = np.array([random.integers(0, size, MAXIMUM_POINTS) for size in sizes])
    rows = flat.shape[1]
    places = dict(zip(axes, flat, strict=True))
    columns = {}
    for name, indicator in policy.indicators.items():
        kind = {"number": DECIMAL, "flag": pa.bool_(), "text": pa.string()}[indicator.value_type]
        if name in axes:
            columns[name] = pa.array(axes[name], kind).take(pa.array(places[name]))
        else:
            columns[name] = pa.nulls(rows, kind)
    return Grid(axes, places, columns, rows, is_whole)


class Probes:
    """The representative points of one policy."""

    def __init__(self, policy: Policy, library: Mapping[str, Known]) -> None:
        self.policy = policy
        self.library = library
        self.bounds, self.names = bounds_of(policy)
        self.domains = {name: domain_of(policy, name, library) for name in policy.indicators}
        self.gated = list(
            dict.fromkeys(name for entry in policy.gate.values() for name in Condition(entry.when).indicators)
        )

    def values(self, name: str, *, with_missing: bool = False) -> list[Any]:
        """Return the representative values of an indicator; `None` stands for missing, and comes last."""
        found = self.domains[name].points(self.bounds[name], self.names[name])
        return [*found, None] if with_missing and self.can_be_missing(name) else found

    def can_be_missing(self, name: str) -> bool:
        """Whether an indicator can be undefined for anybody, graded or not."""
        indicator = self.policy.indicators[name]
        if indicator.measure is not None:
            known = self.library.get(measure_name(indicator))
            return known is None or known.undefined_when != "never"
        if indicator.count is not None:
            return False
        if indicator.source_indicator is not None:
            of_a_total = indicator.share is not None or indicator.cumulative_share is not None
            return of_a_total or self.can_be_missing(indicator.source_indicator)
        return True

    def graded(self, extra: Sequence[str] = ()) -> tuple[Grid, Any]:
        """Return the points over the gates' indicators and `extra`, and where they pass all gates."""
        names = list(dict.fromkeys([*self.gated, *extra]))
        grid = make_grid(self.policy, {name: self.values(name, with_missing=True) for name in names})
        return grid, find(self.policy, grid.columns, grid.rows).is_graded

    def graded_can_miss(self, name: str) -> bool:
        """Whether an indicator can be undefined for somebody who passes the gates."""
        indicator = self.policy.indicators[name]
        if not self.can_be_missing(name):
            return False
        source = indicator.source_indicator
        if source is not None:
            if self.graded_can_miss(source):
                return True
            if indicator.share is None and indicator.cumulative_share is None:
                return False
            grid, passes = self.graded([source])
            axis = grid.axes[source]
            low = np.array([value is not None and value <= 0 for value in axis])
            return bool((passes & low[grid.places[source]]).any())
        grid, passes = self.graded([name])
        axis = grid.axes[name]
        return bool((passes & (grid.places[name] == len(axis) - 1)).any()) if axis and axis[-1] is None else False
