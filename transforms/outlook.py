"""Outlook: the smallest change of one indicator that would give a customer another tier, while all others stand still.

A tier changes only at lines, so that values between two lines are one class, and customers whose indicators are of
the same classes are decided together. Lines that depend on the customer (indicators that are compared with one
another, points that are the value itself) are solved per distinct combination of exact values.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from transforms.columns import DECIMAL, add_decimals, array_of, decimals_of, pick
from transforms.conditions import Condition
from transforms.decide import NUMBER, TEXT, Found, find, weigh
from transforms.parts import find_line, intervals_of
from transforms.policy import Policy
from transforms.probes import Domain, Known, atoms_of, column_of, domain_of, scales_of, unit_of

OUTLOOK_COLUMNS = {
    "customer_id": TEXT,
    "direction": TEXT,
    "tier": TEXT,
    "to_tier": TEXT,
    "indicator": TEXT,
    "value": NUMBER,
    "needed": NUMBER,
    "change": NUMBER,
    "relative_change": pd.ArrowDtype(pa.decimal128(18, 8)),
}

UP, DOWN = "up", "down"
WHOLE_UNITS = ("count", "days", "months", "rank", "points")
"""Units that people count in whole numbers: a change by one is near, however small the number is."""

_CHUNK = 250_000
_ONE = 10**18
"""Numbers are counted in the smallest difference that a column can hold."""
_LIMIT = 10**38
_WEIGHT = 10**8
_RELATIVE = 10**8
_DENSE = 1 << 22
_HEAD = 4000
_EXACT = Context(prec=80)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Exact = npt.NDArray[Any]
"""Whole numbers of any size, as Python's."""


def find_outlook(policy: Policy, indicators: pd.DataFrame, library: Mapping[str, Known]) -> pd.DataFrame:
    """Return the smallest change of one number that crosses a line near every graded account, upwards and downwards.

    In: as `decide_tiers`; `library` knows the measures. Out: at most two rows per account, columns
    `OUTLOOK_COLUMNS`, in the order of the rows, `up` before `down`: the tier that the rules find, the one that they
    would find with `indicator` at `needed` and all others as they are, and change = needed − value. `up` leads to
    any better tier, `down` to any worse one; what leads out of a gate, out of the declared range or into a gap is no
    candidate, nor is a missing value, a flag, a text, or how many accounts are graded.

    A candidate is near when |change| is at most the policy's `near` of the larger of |value| and |needed|, or at
    most 1 where people count in whole numbers. Of the near candidates, the one with the smallest relative_change
    (cut off after eight digits; 1 where the sign changes) counts; of equal ones the first indicator of the policy,
    then the rise. `needed` is a value that the indicator can have, and the first one behind the line.
    Empty where the policy has `outlook: false` or publishes classes.
    """
    rows = len(indicators)
    near = policy.outlook.near if policy.outlook is not None else None
    if near is None or policy.publishes == "class" or not rows:
        return _frame([])
    values = {name: array_of(indicators[name]) for name in policy.indicators}
    lines = _Lines(policy, library, Fraction(near), values)
    if not lines.axes:
        return _frame([])
    customer_id = array_of(indicators["account_id"])
    parts = []
    for start in range(0, rows, _CHUNK):
        chunk = {name: column.slice(start, _CHUNK) for name, column in values.items()}
        parts.append(_Chunk(lines, chunk, customer_id.slice(start, _CHUNK)).outlook())
    return _frame(parts)


def has_outlook(policy: Policy) -> bool:
    """Whether any indicator that decides is a number which an account can change."""
    return any(_can_change(policy, name) for name in policy.decide.indicators)


def _can_change(policy: Policy, name: str) -> bool:
    indicator = policy.indicators[name]
    return indicator.value_type == "number" and indicator.count is None


def _frame(parts: list[dict[str, pa.Array]]) -> pd.DataFrame:
    columns = {}
    for name, kind in OUTLOOK_COLUMNS.items():
        chunked = pa.chunked_array([part[name] for part in parts], kind.pyarrow_dtype)
        columns[name] = pd.arrays.ArrowExtensionArray(chunked.combine_chunks())
    return pd.DataFrame(columns)


# Lines


def _count(number: Decimal) -> int:
    """Return a number in units of the smallest difference."""
    return int(number.scaleb(18, _EXACT))


def _number(units: int) -> Decimal:
    return Decimal(units).scaleb(-18, _EXACT)


def _ceiling(number: Any, step: Any) -> Any:
    """Return the first multiple of a step that is not below a number."""
    return -(-number // step) * step


def _edges(lines: list[Any]) -> set[int]:
    """Return where the lines of a scale begin and end: at and above an edge another line may hold."""
    stated = [line for line in lines if not line.is_rest]
    found = set()
    for name in (name for line in stated for name in line.names if isinstance(name, Decimal)):
        found |= {_count(name), _count(name) + 1}
    for interval in intervals_of([line for line in stated if not line.names]):
        if interval.low is not None:
            found.add(_count(interval.low) + (not interval.holds_low))
        if interval.high is not None:
            found.add(_count(interval.high) + interval.holds_high)
    return found


@dataclass(frozen=True)
class _Axis:
    """One indicator that can cross a line: its edges, its grid, and what is near.

    `compared`: the indicators that it is held against. `weight`: of the points that are its own value, in 1e-8.
    """

    name: str
    place: int
    domain: Domain
    edges: list[int]
    near: Fraction
    is_whole: bool
    step: int
    compared: tuple[str, ...] = ()
    weight: int | None = None

    def is_in_range(self, target: int) -> bool:
        """Whether the indicator can have a value."""
        low, high = self.domain.low, self.domain.high
        inside = (low is None or target >= _count(low)) and (high is None or target <= _count(high))
        return inside and abs(target) < _LIMIT

    def rise(self, edge: int) -> int:
        """Return the first value on the grid at or above an edge."""
        return int(_ceiling(edge, self.step))

    def nearest_below(self, target: int) -> int:
        """Return the least value from which a rise to `target` is near."""
        left = 1 - self.near
        lowest = target
        if target > 0:
            lowest = -int(-target * left // 1)
        elif target < 0:
            lowest = -int(-target / left // 1)
        return min(lowest, target - _ONE) if self.is_whole else lowest

    def nearest_above(self, target: int) -> int:
        """Return the greatest value from which a fall to `target` is near."""
        return -self.nearest_below(-target)

    def is_near(self, value: Exact, target: Exact) -> Flags:
        """Return where a change is near, and its target in range."""
        change, base = abs(target - value), np.maximum(abs(value), abs(target))
        near = change * self.near.denominator <= base * self.near.numerator
        near |= change <= (_ONE if self.is_whole else 0)
        low, high = self.domain.low, self.domain.high
        near &= abs(target) < _LIMIT
        near &= target >= (-_LIMIT if low is None else _count(low))
        near &= target <= (_LIMIT if high is None else _count(high))
        return np.asarray(near, dtype=bool)


class _Lines:
    """The lines of one policy, by indicator."""

    def __init__(
        self, policy: Policy, library: Mapping[str, Known], near: Fraction, values: Mapping[str, pa.Array]
    ) -> None:
        self.policy = policy
        rules = policy.decide.rules.of if policy.decide.rules is not None else []
        self.conditions = [Condition(entry.when) for entry in policy.gate.values()]
        self.conditions += [rule.condition for rule in rules if rule.condition is not None]
        self.atoms, self.groups = atoms_of(self.conditions)
        ranged = [
            name
            for name, indicator in policy.indicators.items()
            if indicator.minimum is not None or indicator.maximum is not None or indicator.values is not None
        ]
        gated = [name for entry in policy.gate.values() for name in Condition(entry.when).indicators]
        self.relevant = list(dict.fromkeys([*policy.decide.indicators, *gated, *policy.missing, *ranged]))
        scorecard, share = policy.decide.scorecard, policy.decide.top_share
        self.as_is = [name for name, points in scorecard.points.items() if points.as_is] if scorecard else []
        self.exact = {*self.as_is, *(name for group in self.groups for name in group), *([share.of] if share else [])}
        self.edges = {name: self._edges_of(name, values) for name in self.relevant}
        self.axes = [
            self._axis(name, place, near, library)
            for place, name in enumerate(policy.indicators)
            if name in policy.decide.indicators and _can_change(policy, name)
        ]

    def _axis(self, name: str, place: int, near: Fraction, library: Mapping[str, Known]) -> _Axis:
        policy = self.policy
        domain = domain_of(policy, name, library)
        unit = unit_of(policy.indicators[name], library)
        composite, scorecard = policy.decide.composite, policy.decide.scorecard
        is_digit = composite is not None and any(each.of == name and each.scale is None for each in composite.digits)
        step = max(domain.step, Decimal(1)) if is_digit else domain.step
        return _Axis(
            name,
            place,
            domain,
            self.edges[name],
            near,
            step == 1 or unit in WHOLE_UNITS,
            _count(step),
            tuple(sorted({other for group in self.groups if name in group for other in group} - {name})),
            int(scorecard.points[name].weight * _WEIGHT) if scorecard is not None and name in self.as_is else None,
        )

    def _edges_of(self, name: str, values: Mapping[str, pa.Array]) -> list[int]:
        """Return the fixed edges of an indicator in rising order; none for a text or a flag."""
        indicator, decide = self.policy.indicators[name], self.policy.decide
        if indicator.value_type != "number":
            return []
        found = {edge for _, of, lines in scales_of(self.policy) if of == name for edge in _edges(lines)}
        found |= self._edges_of_conditions(name)
        found |= {_count(indicator.minimum)} if indicator.minimum is not None else set()
        found |= {_count(indicator.maximum) + 1} if indicator.maximum is not None else set()
        if decide.ratio is not None and decide.ratio.of == name:
            found.add(_count(decide.ratio.red_line))
        for side in (decide.quadrant.x, decide.quadrant.y) if decide.quadrant is not None else ():
            if side.of == name and side.bound.low is not None:
                found.add(_count(side.bound.low) + (not side.bound.holds_low))
        if decide.composite is not None and any(each.of == name and not each.scale for each in decide.composite.digits):
            found |= {digit * _ONE for digit in range(11)}
        if decide.top_n is not None and decide.top_n.rank == name:
            found |= {part.first * _ONE + 1 for part in decide.top_n.tiers if part.first is not None}
        if decide.top_share is not None and decide.top_share.rank == name:
            counts = pc.unique(values[decide.top_share.of].cast(pa.int64())).drop_null().to_pylist()
            found |= {cut * _ONE + 1 for count in counts for cut in decide.top_share.cuts(count)}
        return sorted(found)

    def _edges_of_conditions(self, name: str) -> set[int]:
        """Return where the truth of a comparison with a number changes."""
        bounds = {_count(bound) for condition in self.conditions for bound in condition.bounds.get(name, ())}
        points = sorted({bound + step for bound in bounds for step in (-1, 0, 1)})
        if not points:
            return set()
        if any(name in group for group in self.groups):
            return {bound + step for bound in bounds for step in (0, 1)}
        column = pd.arrays.ArrowExtensionArray(column_of(self.policy, name, [_number(point) for point in points]))
        frame = pd.DataFrame({name: column})
        told = list(zip(*(atom.holds(frame) for atom in self.atoms[name]), strict=True))
        return {point for point, this, last in zip(points[1:], told[1:], told, strict=False) if this != last}

    @cached_property
    def score_edges(self) -> list[int]:
        """The edges of the scale on the sum of a scorecard, of the sum before it is rounded."""
        scorecard = self.policy.decide.scorecard
        if scorecard is None:
            return []
        edges = _edges(scorecard.tiers)
        if scorecard.round is not None:
            half = 10 ** (18 - scorecard.round) // 2
            edges = {_ceiling(edge, 2 * half) - half for edge in edges}
            edges = {edge if edge > 0 else edge + 1 for edge in edges}  # a half is rounded away from zero
        return sorted(edges)


# One chunk of accounts


class _Candidates:
    """What is tried: an indicator of the accounts with one key is set to a target.

    Of every candidate: its key, the place of its indicator, whether it is a rise, and the place of its target in
    `numbers`. `rows` and `places`: the rows that have it near, and the candidate of each.
    """

    def __init__(self, key: Ints, keys: int) -> None:
        self.key, self.size = key, keys
        self.keys: list[Ints] = []
        self.axes: list[Ints] = []
        self.rises: list[Ints] = []
        self.targets: list[Ints] = []
        self.rows: list[Ints] = []
        self.places: list[Ints] = []
        self.numbers: list[int] = []
        self.number = 0

    def add(self, axis: int, rows: Ints, target: int, *, is_rise: bool) -> None:
        """Try one target for some rows."""
        tried, place = _compress(self.key[rows], self.size)
        self._add(axis, tried, np.full(len(tried), len(self.numbers), dtype=np.int64), rows, place, is_rise)
        self.numbers.append(target)

    def add_own(self, axis: int, keys: Ints, targets: Exact, *, is_rise: bool) -> None:
        """Try for the rows of some keys a target of each key's own."""
        kinds, kind = np.unique(targets, return_inverse=True)
        candidate = np.full(self.size, -1, dtype=np.int64)
        candidate[keys] = np.arange(len(keys))
        rows = np.flatnonzero(candidate[self.key] >= 0)
        self._add(axis, keys, kind + len(self.numbers), rows, candidate[self.key[rows]], is_rise)
        self.numbers += kinds.tolist()

    def _add(self, axis: int, keys: Ints, targets: Ints, rows: Ints, places: Ints, is_rise: bool) -> None:
        self.keys.append(keys)
        self.axes.append(np.full(len(keys), axis, dtype=np.int64))
        self.rises.append(np.full(len(keys), is_rise, dtype=bool))
        self.targets.append(targets)
        self.rows.append(rows)
        self.places.append(places + self.number)
        self.number += len(keys)


def _compress(codes: Ints, size: int) -> tuple[Ints, Ints]:
    """Return the different codes in rising order, and which of them every row has; codes lie in 0 … size − 1."""
    if size > max(_DENSE, 4 * len(codes)):
        kinds, place = np.unique(codes, return_inverse=True)
        return kinds.astype(np.int64), place.astype(np.int64)
    seen = np.zeros(size, dtype=bool)
    seen[codes] = True
    number = np.cumsum(seen) - 1
    return np.flatnonzero(seen), number[codes]


class _Chunk:
    """Accounts that are looked at together."""

    def __init__(self, lines: _Lines, values: dict[str, pa.Array], customer_id: pa.Array) -> None:
        self.lines, self.policy, self.values, self.customer_id = lines, lines.policy, values, customer_id
        self.rows = len(customer_id)
        self.places: dict[str, Ints] = {}
        self.criticals: dict[str, list[int]] = {}
        self._parts: dict[str, Floats] = {}
        for axis in lines.axes:
            self._place(axis)
        self.key, self.first = self._keys()
        self.columns = self._columns_of(self.first)
        self.found: Found = find(self.policy, self.columns, len(self.first))
        self.tier = np.where(self.found.is_graded, self.found.tier, -1).astype(np.int64)

    def _place(self, axis: _Axis) -> None:
        """Find per row how many of the values that matter for an indicator are not above its own; -1: missing."""
        targets = [axis.rise(edge) for edge in axis.edges]
        matter = {*axis.edges, *(axis.nearest_below(target) for target in targets)}
        matter |= {axis.nearest_above(target - axis.step) + 1 for target in targets}
        self.criticals[axis.name] = sorted(matter)
        self.places[axis.name] = self._count_reached(axis.name, self.criticals[axis.name])

    def _count_reached(self, name: str, thresholds: list[int]) -> Ints:
        """Return per row how many of the rising thresholds are at most its value; -1: missing."""
        column = decimals_of(self.values[name])
        high, low = _words(column)
        value = _floats(column)
        rough = np.array([_rough(threshold >> 64, threshold % (1 << 64)) for threshold in thresholds], dtype=np.float64)
        place = np.searchsorted(rough, value, side="left").astype(np.int64)
        for number in np.unique(rough):
            rows = np.flatnonzero(value == number)
            for threshold in thresholds if len(rows) else ():
                if _rough(threshold >> 64, threshold % (1 << 64)) == number:
                    above, below = threshold >> 64, np.uint64(threshold % (1 << 64))
                    place[rows] += (high[rows] > above) | ((high[rows] == above) & (low[rows] >= below))
        place[np.isnan(value)] = -1
        return place

    def _keys(self) -> tuple[Ints, Ints]:
        """Return per row the number of its combination of classes, and a row of each combination."""
        if self._is_spread():
            return np.arange(self.rows), np.arange(self.rows)
        key, size = np.zeros(self.rows, dtype=np.int64), 1
        for name in self.lines.relevant:
            code, kinds = self._code(name)
            if kinds > 1:
                key, size = key * kinds + code, size * kinds
            if size > _DENSE:
                there, key = _compress(key, size)
                size = len(there)
        there, key = _compress(key, size)
        first = np.empty(len(there), dtype=np.int64)
        first[key[::-1]] = np.arange(self.rows - 1, -1, -1)
        return key, first

    def _is_spread(self) -> bool:
        """Whether so many values of an indicator that counts exactly differ that hardly two accounts are alike."""
        heads = (self.values[name].slice(0, _HEAD) for name in self.lines.exact)
        return any(pc.count_distinct(head).as_py() > _HEAD // 2 for head in heads)

    def _code(self, name: str) -> tuple[Ints, int]:
        """Return per row the class of an indicator, and how many classes there are."""
        column = self.values[name]
        if name in self.places and name not in self.lines.exact:
            edges = self.lines.edges[name]
            reached = [bisect_right(edges, critical) for critical in self.criticals[name]]
            return np.array([0, *reached, len(edges) + 1])[self.places[name]], len(edges) + 2
        if self.policy.indicators[name].value_type == "number" and name not in self.lines.exact:
            edges = self.lines.edges[name]
            place = self._count_reached(name, edges)
            return np.where(place < 0, len(edges) + 1, place), len(edges) + 2
        encoded = column.dictionary_encode()
        indices = pc.fill_null(encoded.indices.cast(pa.int64()), len(encoded.dictionary))
        return indices.to_numpy(zero_copy_only=False), len(encoded.dictionary) + 1

    def _columns_of(self, rows: Ints) -> dict[str, pa.Array]:
        """Return the indicators of some rows, numbers in one type; those that decide nothing are missing."""
        taken, found = pa.array(rows), {}
        for name in self.policy.indicators:
            kind = {"number": DECIMAL, "flag": pa.bool_(), "text": pa.string()}[self.policy.indicators[name].value_type]
            if name in self.lines.relevant:
                column = self.values[name].take(taken)
                found[name] = decimals_of(column) if kind == DECIMAL else column.cast(kind)
            else:
                found[name] = pa.nulls(len(rows), kind)
        return found

    def outlook(self) -> dict[str, pa.Array]:
        """Return the rows of `OUTLOOK_COLUMNS`."""
        tried = _Candidates(self.key, len(self.first))
        for place, axis in enumerate(self.lines.axes):
            self._try_fixed(tried, place, axis)
            for edges in self._own_edges(axis):
                self._try_own(tried, place, axis, edges)
        return self._chosen(tried)

    # ---- what is tried

    def _try_fixed(self, tried: _Candidates, place: int, axis: _Axis) -> None:
        """Try the edges that are the same for everybody."""
        criticals, reached = np.array(self.criticals[axis.name], dtype=object), self.places[axis.name]
        for edge in axis.edges:
            for target, is_rise in ((axis.rise(edge), True), (axis.rise(edge) - axis.step, False)):
                if not axis.is_in_range(target):
                    continue
                if is_rise:
                    near = (criticals >= axis.nearest_below(target)) & (criticals < edge)
                else:
                    near = (criticals >= edge) & (criticals <= axis.nearest_above(target))
                flags = np.array([False, *near, False], dtype=bool)  # below all; from each on; missing
                rows = np.flatnonzero(flags[reached])
                rows = rows[self._may_move(axis, target, self.key[rows])]
                if len(rows):
                    tried.add(place, rows, target, is_rise=is_rise)

    def _may_move(self, axis: _Axis, target: int, keys: Ints) -> Flags:
        """Return where an indicator at a target may give another tier; most sums stay between the same two lines."""
        graded = np.asarray(self.tier[keys] >= 0, dtype=bool)
        scorecard = self.policy.decide.scorecard
        points = scorecard.points[axis.name] if scorecard is not None else None
        if points is None or points.scale is None or not len(keys):
            return graded
        line = find_line(points.scale, _number(target))
        if line is None:
            return np.zeros(len(keys), dtype=bool)
        before = self._score[keys]
        after = before + float(weigh(line.points, points.weight)) - self._part(axis.name)[keys]
        edges = np.array([float(_number(edge)) for edge in self.lines.score_edges])
        room = 1e-6 * (1 + abs(before) + abs(after))  # far more than a sum of floats can be wrong
        low, high = np.minimum(before, after) - room, np.maximum(before, after) + room
        return np.asarray(graded & (np.searchsorted(edges, low) != np.searchsorted(edges, high)), dtype=bool)

    def _part(self, name: str) -> Floats:
        """Return roughly what an indicator contributes to the score; NaN where that is missing."""
        if name not in self._parts:
            contribution = self.found.shaped.pieces[name].contribution
            self._parts[name] = _floats(contribution) if contribution is not None else np.zeros(len(self.first))
        return self._parts[name]

    @cached_property
    def _score(self) -> Floats:
        """Roughly the sum of the points, before it is rounded; NaN where one is missing."""
        return np.asarray(np.sum([self._part(name) for name in self.found.shaped.pieces], axis=0), dtype=np.float64)

    def _own_edges(self, axis: _Axis) -> Iterator[_Own]:
        """Return the edges of an indicator that depend on the account."""
        for name in axis.compared:
            other = self.columns[name]
            yield _Own(_floats(other), partial(_units, other))
            yield _Own(_floats(other), lambda keys, other=other: _units(other, keys) + 1)  # type: ignore[misc]
        if axis.weight is None:
            return
        pieces = self.found.shaped.pieces
        others = [pieces[name].contribution for name in pieces if name != axis.name]
        rest = self._score - self._part(axis.name)
        for edge in self.lines.score_edges:

            def exact(keys: Ints, edge: int = edge, weight: int = axis.weight or 1) -> Exact:
                lacking = np.full(len(keys), edge, dtype=object)
                for part in others:
                    lacking -= _units(part, keys)
                # points are cut off after 18 digits, towards zero
                wanted = np.where(lacking > 0, lacking * _WEIGHT, (lacking - 1) * _WEIGHT + 1)
                return np.asarray(-(-wanted // weight), dtype=object)

            yield _Own((edge / _ONE - rest) * (_WEIGHT / axis.weight), exact)

    def _try_own(self, tried: _Candidates, place: int, axis: _Axis, own: _Own) -> None:
        """Try an edge that depends on the account: a guess leaves few keys, which are solved exactly."""
        column = self.columns[axis.name]
        rough = _floats(column)
        size = np.maximum(abs(rough), abs(own.guess))
        room = float(axis.near) * size + axis.is_whole + 2 * axis.step / _ONE
        with np.errstate(invalid="ignore"):
            maybe = abs(rough - own.guess) <= room * 1.001 + 1e-6 * (size + 1)  # nothing is near what is missing
        keys = np.flatnonzero(maybe & (self.tier >= 0))
        if not len(keys):
            return
        edge, value = own.exact(keys), _units(column, keys)
        is_rise = np.asarray(value < edge, dtype=bool)
        target = _ceiling(edge, axis.step) - np.where(is_rise, 0, axis.step)
        near = axis.is_near(value, target)
        for side in (True, False):
            of = near & (is_rise == side)
            if of.any():
                tried.add_own(place, keys[of], target[of], is_rise=side)

    # ---- what counts

    def _decide(self, key: Ints, axis: Ints, target: pa.Array) -> Ints:
        """Return the tier of every candidate; -1: none."""
        columns = {name: column.take(pa.array(key)) for name, column in self.columns.items()}
        for place, each in enumerate(self.lines.axes):
            is_set = axis == place
            if is_set.any():
                columns[each.name] = pc.if_else(pa.array(is_set), target, columns[each.name])
        found = find(self.policy, columns, len(key))
        return np.where(found.is_graded, found.tier, -1).astype(np.int64)

    def _chosen(self, tried: _Candidates) -> dict[str, pa.Array]:
        """Return of every account and direction the candidate that counts."""
        if not tried.number:
            return {name: pa.array([], kind.pyarrow_dtype) for name, kind in OUTLOOK_COLUMNS.items()}
        numbers = np.array(tried.numbers, dtype=object)
        decimals = _decimals(numbers >> 64, numbers & ((1 << 64) - 1), DECIMAL)
        axis, target = np.concatenate(tried.axes), np.concatenate(tried.targets)
        tier = self._decide(np.concatenate(tried.keys), axis, decimals.take(pa.array(target)))
        rows, place = np.concatenate(tried.rows), np.concatenate(tried.places)
        before = self.tier[self.key[rows]]
        moves = (tier[place] >= 0) & (tier[place] != before)
        rows, place, before = rows[moves], place[moves], before[moves]
        group = rows * 2 + (tier[place] > before)
        is_fall = ~np.concatenate(tried.rises)[place]
        relative = np.zeros(len(rows), dtype=np.int64)
        for number, each in enumerate(self.lines.axes):
            of = np.flatnonzero(axis[place] == number)
            if len(of):
                relative[of] = self._relative(each, rows[of], target[place[of]], numbers)
        rank = (group << 27 | relative) << 11 | axis[place] << 1 | is_fall
        order = _ordered(rank, numbers[target[place]], is_fall)
        best = order[np.flatnonzero(np.diff(group[order], prepend=-1))]
        rows, place = rows[best], place[best]
        needed, value = decimals.take(pa.array(target[place])), self._values_of(rows, axis[place])
        return {
            "customer_id": self.customer_id.take(pa.array(rows)).cast(pa.string()),
            "direction": pick([UP, DOWN], group[best] % 2),
            "tier": pick(self.policy.tiers, before[best]),
            "to_tier": pick(self.policy.tiers, tier[place]),
            "indicator": pick([each.name for each in self.lines.axes], axis[place]),
            "value": value,
            "needed": needed,
            "change": add_decimals([needed, pc.negate(value)]),
            "relative_change": _decimals(np.zeros(len(best), dtype=np.int64), relative[best], pa.decimal128(18, 8)),
        }

    def _values_of(self, rows: Ints, axis: Ints) -> pa.Array:
        found = pa.nulls(len(rows), DECIMAL)
        for number, each in enumerate(self.lines.axes):
            own = decimals_of(self.values[each.name].take(pa.array(rows[axis == number])))
            found = pc.replace_with_mask(found, pa.array(axis == number), own)
        return found

    def _relative(self, axis: _Axis, rows: Ints, target: Ints, numbers: Exact) -> Ints:
        """Return |change| in parts of the larger of both values, in 1e-8, cut off; 1 where the sign changes."""
        column = decimals_of(self.values[axis.name].take(pa.array(rows)))
        digits = next(digits for digits in range(19) if axis.step % 10 ** (18 - digits) == 0)
        try:
            value, unit = _plain(column.cast(pa.decimal128(38, digits))), 10 ** (18 - digits)
        except pa.ArrowInvalid:  # a value beside the grid
            value, unit = _units(column), 1
        kinds, kind = _compress(target, len(numbers))
        wanted = numbers[kinds] // unit
        is_small = value.dtype == np.int64 and max(abs(wanted)) < 1 << 62
        other = (wanted.astype(np.int64) if is_small else wanted)[kind]
        change, base = abs(other - value), np.maximum(abs(value), abs(other))
        base = np.maximum(base, change)
        if change.dtype == np.int64 and change.max() >= (1 << 63) // _RELATIVE:
            change, base = change.astype(object), base.astype(object)
        return np.asarray(change * _RELATIVE // base, dtype=np.int64)


def _ordered(rank: Ints, target: Exact, is_fall: Flags) -> Ints:
    """Return the order by rank; among equal ones, which are of one indicator and side, the nearer target first."""
    order = np.argsort(rank, kind="stable")
    same = np.flatnonzero(np.diff(rank[order]) == 0)
    if not len(same):
        return order
    tied = order[np.union1d(same, same + 1)]
    _, place = np.unique(target[tied], return_inverse=True)
    distance = np.zeros(len(rank), dtype=np.int64)
    distance[tied] = np.where(is_fall[tied], -place, place)
    return np.lexsort((distance, rank))


@dataclass(frozen=True)
class _Own:
    """An edge per key: a guess, NaN where there is none, and exactly for some keys."""

    guess: Floats
    exact: Callable[[Ints], Exact]


def _words(column: pa.Array) -> tuple[Ints, npt.NDArray[np.uint64]]:
    """Return the high and the low half of the whole numbers that decimals are kept as; missing ones as 0."""
    plain = pc.fill_null(column, Decimal(0)) if column.null_count else column
    words = np.frombuffer(plain.buffers()[1], dtype="<u8").reshape(-1, 2)[plain.offset : plain.offset + len(plain)]
    return words[:, 1].astype("<i8"), np.ascontiguousarray(words[:, 0])


def _rough(high: Any, low: Any) -> Any:
    """Return halves as a float; two numbers are never in the wrong order, but may be equal."""
    return (np.asarray(high, dtype=np.float64) * 2.0**64 + np.asarray(low, dtype=np.float64)) / _ONE


def _floats(column: pa.Array) -> Floats:
    """Return roughly the values of decimals with 18 digits; NaN where missing."""
    found = np.asarray(_rough(*_words(column)), dtype=np.float64)
    if column.null_count:
        found[np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=bool)] = np.nan
    return found


def _plain(column: pa.Array) -> Exact:
    """Return decimals in units of their last digit, as 64 bit numbers where all are."""
    high, low = _words(column)
    short = low.astype(np.int64)
    if (short >> 63 == high).all():
        return short
    return np.asarray(high.astype(object) * (1 << 64) + low.astype(object))


def _units(column: pa.Array, rows: Ints | None = None) -> Exact:
    """Return decimals in units of the smallest difference, as Python's whole numbers; missing ones as 0."""
    return _plain(column if rows is None else column.take(pa.array(rows))).astype(object)


def _decimals(high: Exact, low: Exact, kind: pa.DataType) -> pa.Array:
    """Return decimals from the halves of their whole numbers."""
    words = np.column_stack([low.astype("<u8"), high.astype("<i8").view("<u8")])
    return pa.Array.from_buffers(kind, len(words), [None, pa.py_buffer(words.tobytes())])
