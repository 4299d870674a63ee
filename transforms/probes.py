"""Probes: the values an indicator can have, and the representative points on which a policy is proved.

A decision changes only at bounds and at named values, so that points below, at, between and above every bound,
every named value, one other text and "missing" stand for all there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from itertools import pairwise
from math import prod
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import sqlglot
from sqlglot import exp

from transforms.columns import DECIMAL
from transforms.conditions import Condition
from transforms.policy import Indicator, Policy

OTHER_TEXT = "…"
"""Stands for every text that the policy does not name."""

MAXIMUM_POINTS = 50_000
"""More combinations than these are sampled, with a fixed seed."""

_WHOLE = ("count", "days", "months", "rank")
_BELOW_ZERO = ("days_to_close", "months_to_close", "dso_gross", "dso_net")
"""Measures of days and months that can be negative: a day that has passed, a balance in the customer's favour."""

FINEST = Decimal(1).scaleb(-18)
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

    @property
    def digits(self) -> int:
        """How many digits it has after the point."""


@dataclass(frozen=True)
class Domain:
    """The values an indicator can have: `step` is the smallest difference between two numbers."""

    kind: str
    step: Decimal = FINEST
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
        for low, high in pairwise(ordered):
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
        return Domain("number", FINEST, Decimal(0), Decimal(1))
    known = library.get(measure_name(indicator)) if indicator.measure is not None else None
    unit = unit_of(indicator, library)
    step = FINEST if known is None else Decimal(1).scaleb(-known.digits)
    step = Decimal(1) if known is None and unit in _WHOLE else step
    can_fall_below_zero = unit not in ("count", "days", "months") or measure_name(indicator) in _BELOW_ZERO
    low = None if can_fall_below_zero else Decimal(0)
    return Domain("number", step, indicator.minimum if indicator.minimum is not None else low, indicator.maximum)


def unit_of(indicator: Indicator, library: Mapping[str, Known]) -> str | None:
    """Return the unit of an indicator: the library's for a measure, else what the policy says."""
    known = library.get(measure_name(indicator)) if indicator.measure is not None else None
    return known.unit if known is not None else indicator.unit


def measure_name(indicator: Indicator) -> str:
    """Return the library's name of a measure: with its basis, where it has one."""
    return f"{indicator.measure}_{indicator.basis}" if indicator.basis else str(indicator.measure)


def conditions_of(policy: Policy) -> dict[str, Condition]:
    """Return every condition of a policy by its place."""
    rules = policy.decide.rules.of if policy.decide.rules is not None else []
    own = {f"decide.rules.{place}": rule.condition for place, rule in enumerate(rules) if rule.condition is not None}
    return {**policy.conditions, **own}


def bounds_of(policy: Policy) -> tuple[dict[str, set[Decimal]], dict[str, list[Any]]]:
    """Return by indicator every number it is compared with, and every value that is named for it, anywhere."""
    bounds: dict[str, set[Decimal]] = {name: set() for name in policy.indicators}
    names: dict[str, list[Any]] = {name: [] for name in policy.indicators}
    for condition in conditions_of(policy).values():
        for name, found in condition.bounds.items():
            bounds[name] |= found
        for name, texts in condition.texts.items():
            names[name] += texts
    for _, name, lines in scales_of(policy):
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


def mixed_comparison(policy: Policy, condition: Condition) -> str | None:
    """Return the comparison of a condition that mixes numbers, texts and flags; None where there is none."""
    tree = sqlglot.parse_one(condition.sql(), read="duckdb")
    for node in tree.find_all(exp.Predicate):
        sides = [node.this, *node.args.get("expressions", []), *map(node.args.get, ("expression", "low", "high"))]
        kinds = {_kind_of(policy, side.unnest()) for side in sides if side is not None}
        if not isinstance(node, exp.Is) and len(kinds) > 1:
            return node.sql(dialect="duckdb")
    for column in tree.find_all(exp.Column):
        if column.find_ancestor(exp.Predicate) is None and _kind_of(policy, column) != "flag":
            return str(column.name)
    return None


def _kind_of(policy: Policy, node: exp.Expression) -> str:
    if isinstance(node, exp.Column):
        return policy.indicators[node.name].value_type
    if isinstance(node, exp.Boolean):
        return "flag"
    return "text" if isinstance(node, exp.Literal) and node.is_string else "number"


def scales_of(policy: Policy) -> list[tuple[str, str, list[Any]]]:
    """Return every scale that stands on an indicator: (place, indicator, lines)."""
    decide = policy.decide
    found: list[tuple[str, str, list[Any]]] = []
    for kind, bands in (("bands", decide.bands), ("assessed", decide.assessed), ("ratio", decide.ratio)):
        found += [(f"decide.{kind}.tiers", bands.of, bands.tiers)] if bands is not None else []
    for name, points in decide.scorecard.points.items() if decide.scorecard is not None else ():
        place = f"decide.scorecard.points.{name}.scale"
        found += [(place, name, points.scale)] if points.scale is not None else []
    if decide.matrix is not None:
        found.append(("decide.matrix.rows.levels", decide.matrix.rows.of, decide.matrix.rows.levels))
        found.append(("decide.matrix.columns.levels", decide.matrix.columns.of, decide.matrix.columns.levels))
    if decide.lowest is not None:
        found += [(f"decide.lowest.of.{name}", name, lines) for name, lines in decide.lowest.of.items()]
        found += [(f"decide.lowest.auxiliary.{name}", name, lines) for name, lines in decide.lowest.auxiliary.items()]
    for index, digit in enumerate(decide.composite.digits) if decide.composite is not None else ():
        found += [(f"decide.composite.digits.{index}.scale", digit.of, digit.scale)] if digit.scale is not None else []
    return found


@dataclass(frozen=True)
class Class:
    """Neighbouring values of an indicator that no condition tells apart; `value` stands for them all."""

    value: Any
    low: Any
    high: Any


@dataclass(frozen=True)
class Grid:
    """Points over several indicators: every combination, or a sample of them. `columns`: one value per point."""

    axes: dict[str, list[Class]]
    places: dict[str, npt.NDArray[np.int64]]
    columns: dict[str, pa.Array]
    rows: int
    is_whole: bool

    def point(self, row: int) -> dict[str, Any]:
        """Return the values of one point."""
        return {name: classes[self.places[name][row]].value for name, classes in self.axes.items()}

    def holds(self, condition: Condition) -> npt.NDArray[np.bool_]:
        """Return where a condition is true."""
        return _truth(condition, self.columns)


def _truth(condition: Condition, columns: Mapping[str, pa.Array]) -> npt.NDArray[np.bool_]:
    frame = {name: pd.arrays.ArrowExtensionArray(columns[name]) for name in condition.indicators}
    rows = len(next(iter(columns.values())))
    return np.asarray(condition.holds(pd.DataFrame(frame, index=pd.RangeIndex(rows))), dtype=bool)


def column_of(policy: Policy, name: str, values: Sequence[Any]) -> pa.Array:
    """Return values of an indicator as an Arrow column."""
    kind = {"number": DECIMAL, "flag": pa.bool_(), "text": pa.string()}[policy.indicators[name].value_type]
    return pa.array(values, kind)


def make_grid(policy: Policy, axes: dict[str, list[Class]], meant: Sequence[Condition] = ()) -> Grid:
    """Return the combinations of the values on `axes`; every other indicator of the policy is missing.

    Too many combinations are sampled: at random, at the ends, and where each condition in `meant` holds.
    """
    sizes = [len(classes) for classes in axes.values()]
    is_whole = prod(sizes) <= MAXIMUM_POINTS
    if is_whole:
        flat = np.indices(sizes).reshape(len(sizes), -1) if sizes else np.zeros((0, 1), dtype=np.int64)
    else:
        flat = _sample(policy, axes, meant)
    rows = flat.shape[1]
    places = dict(zip(axes, flat, strict=True))
    columns = {}
    for name in policy.indicators:
        if name in axes:
            values = column_of(policy, name, [each.value for each in axes[name]])
            columns[name] = values.take(pa.array(places[name]))
        else:
            columns[name] = column_of(policy, name, [None]).take(pa.array(np.zeros(rows, dtype=np.int64)))
    return Grid(axes, places, columns, rows, is_whole)


def _sample(policy: Policy, axes: dict[str, list[Class]], meant: Sequence[Condition]) -> npt.NDArray[np.int64]:
    """Return places drawn evenly, mostly at the low ends, mostly at the high ends, and where each condition holds."""
    random = np.random.default_rng(20260101)
    part = MAXIMUM_POINTS // (len(meant) + 3)
    drawn = []
    for condition in (None, False, True, *meant):
        flat = {name: random.integers(0, len(classes), part) for name, classes in axes.items()}
        if isinstance(condition, Condition):
            flat |= _sample_where(policy, axes, condition, part, random)
        elif condition is not None:
            for name, classes in axes.items():
                end = max(place for place, each in enumerate(classes) if each.value is not None) if condition else 0
                flat[name] = np.where(random.random(part) < 0.9, end, flat[name])
        drawn.append(np.array(list(flat.values())))
    return np.concatenate(drawn, axis=1)


def _sample_where(
    policy: Policy, axes: dict[str, list[Class]], condition: Condition, rows: int, random: np.random.Generator
) -> dict[str, npt.NDArray[np.int64]]:
    """Return places on the axes that a condition reads, at which it holds; nothing where they are too many to try."""
    own = {name: axes[name] for name in condition.indicators if name in axes}
    if prod(map(len, own.values())) > MAXIMUM_POINTS:
        return {}
    grid = make_grid(policy, own)
    held = np.flatnonzero(grid.holds(condition))
    chosen = random.choice(held, rows) if len(held) else held
    return {name: grid.places[name][chosen] for name in own} if len(held) else {}


class Probes:
    """The representative points of one policy."""

    def __init__(self, policy: Policy, library: Mapping[str, Known]) -> None:
        self.policy = policy
        self.library = library
        self.conditions = conditions_of(policy)
        self.gates = [Condition(entry.when) for entry in policy.gate.values()]
        self.gated = list(dict.fromkeys(name for gate in self.gates for name in gate.indicators))
        self.domains = {name: domain_of(policy, name, library) for name in policy.indicators}
        self.bounds, self.names = bounds_of(policy)
        self._graded: dict[str, tuple[Grid, npt.NDArray[np.bool_]]] = {}
        self._atoms, self._compared = atoms_of(self.conditions.values())
        self._share_bounds()
        self._narrow_shares()

    def _share_bounds(self) -> None:
        """Let indicators that are compared with one another share their bounds: only so can any be the larger."""
        for group in self._compared:
            bounds = {bound for name in group for bound in self.bounds[name]}
            edges = [edge for name in group for edge in (self.domains[name].low, self.domains[name].high)]
            bounds |= {edge for edge in edges if edge is not None}
            names = list(dict.fromkeys(text for name in group for text in self.names[name]))
            for name in group:
                self.bounds[name] = bounds or {Decimal(0)}
                self.names[name] = names

    def _narrow_shares(self) -> None:
        """A share lies between 0 and 1 where nobody who is graded has less than nothing."""
        for name, indicator in self.policy.indicators.items():
            source = indicator.source_indicator
            if source is None or (indicator.share is None and indicator.cumulative_share is None):
                continue
            if any(value < 0 for value in self.graded_values(source)):
                continue
            own = self.domains[name]
            low = Decimal(0) if own.low is None else max(own.low, Decimal(0))
            high = Decimal(1) if own.high is None else min(own.high, Decimal(1))
            self.domains[name] = Domain(own.kind, own.step, low, high)

    def values(self, name: str) -> list[Any]:
        """Return the representative values that an indicator can have, missing left aside."""
        return self.domains[name].points(self.bounds[name], self.names[name])

    def graded_values(self, name: str) -> list[Any]:
        """Return the representative values that somebody who passes the gates can have."""
        values = self.values(name)
        if not self.gates:
            return values
        grid, passes = self.graded(name)
        passing = set(grid.places[name][passes].tolist())
        return [value for place, value in enumerate(values) if place in passing]

    def stand_in(self, name: str) -> Any:
        """Return what an undefined indicator counts as for somebody who is graded; None where that is nothing."""
        entry = self.policy.missing.get(name)
        return entry.as_ if entry is not None and self.graded_can_miss(name) else None

    def classes(self, name: str) -> list[Class]:
        """Return the values of an indicator that the conditions tell apart; missing, where it can be, comes last."""
        values = self.values(name)
        if self.domains[name].kind == "number" and not any(name in group for group in self._compared):
            classes = self._merge(name, values)
        else:
            classes = [Class(value, value, value) for value in values]
        return [*classes, Class(None, None, None)] if self.can_be_missing(name) else classes

    def _merge(self, name: str, values: list[Decimal]) -> list[Class]:
        column = {name: column_of(self.policy, name, values)}
        truths = [_truth(atom, column) for atom in self._atoms.get(name, [])]
        quadrant = self.policy.decide.quadrant
        for side in (quadrant.x, quadrant.y) if quadrant is not None else ():
            truths += [np.array([value in side.bound for value in values])] if side.of == name else []
        told = list(zip(*truths, strict=True)) if truths else [()] * len(values)
        starts = [place for place in range(len(values)) if place == 0 or told[place] != told[place - 1]]
        classes = []
        for start, end in zip(starts, [*starts[1:], len(values)], strict=True):
            run = values[start:end]
            nearest = min(run, key=lambda value: min((abs(value - b) for b in self.bounds[name]), default=Decimal(0)))
            classes.append(Class(nearest, run[0], run[-1]))
        return classes

    def can_be_missing(self, name: str) -> bool:
        """Whether an indicator can be undefined for anybody, graded or not."""
        indicator = self.policy.indicators[name]
        if indicator.measure is not None:
            known = self.library.get(measure_name(indicator))
            return known is None or known.undefined_when != "never"
        if not indicator.is_statistic:
            return True
        if indicator.share is not None or indicator.cumulative_share is not None:
            return True
        return any(self.can_be_missing(other) for other in self._undefined_with(indicator))

    @staticmethod
    def _undefined_with(indicator: Indicator) -> list[str]:
        """Return the indicators without which a statistic is undefined; to be at the top needs no value."""
        source = indicator.source_indicator if indicator.top is None else None
        within = indicator.within if indicator.within != "population" else None
        return [name for name in (source, within) if name is not None]

    def graded(self, name: str) -> tuple[Grid, npt.NDArray[np.bool_]]:
        """Return the points over the gates' indicators and every value of one, and where they pass all gates."""
        if name not in self._graded:
            axes = {other: self.classes(other) for other in self.gated}
            axes[name] = [Class(value, value, value) for value in self.values(name)]
            axes[name] += [Class(None, None, None)] if self.can_be_missing(name) else []
            grid = make_grid(self.policy, axes, self.gates)
            self._graded[name] = grid, self.passes(grid)
        return self._graded[name]

    def passes(self, grid: Grid) -> npt.NDArray[np.bool_]:
        """Return which points pass all gates."""
        passing = np.ones(grid.rows, dtype=bool)
        for gate in self.gates:
            passing &= grid.holds(gate)
        return passing

    def graded_can_miss(self, name: str) -> bool:
        """Whether an indicator can be undefined for somebody who passes the gates."""
        indicator = self.policy.indicators[name]
        if not self.can_be_missing(name):
            return False
        if indicator.is_statistic:
            if any(self.graded_can_miss(other) for other in self._undefined_with(indicator)):
                return True
            source = indicator.source_indicator
            of_a_total = indicator.share is not None or indicator.cumulative_share is not None
            return of_a_total and source is not None and any(value <= 0 for value in self.graded_values(source))
        grid, passes = self.graded(name)
        return bool((passes & (grid.places[name] == len(grid.axes[name]) - 1)).any())


def atoms_of(conditions: Iterable[Condition]) -> tuple[dict[str, list[Condition]], list[set[str]]]:
    """Return by indicator the comparisons that read it alone, and the groups that are compared with one another."""
    atoms: dict[str, list[Condition]] = {}
    groups: list[set[str]] = []
    for condition in conditions:
        tree = sqlglot.parse_one(condition.sql(), read="duckdb")
        for node in tree.find_all(exp.Predicate):
            names = {column.name for column in node.find_all(exp.Column)}
            if len(names) == 1:
                atoms.setdefault(names.pop(), []).append(Condition(node.sql(dialect="duckdb")))
            elif names:
                joined = [group for group in groups if group & names]
                groups = [group for group in groups if not group & names]
                groups.append(names.union(*joined))
    return atoms, groups
