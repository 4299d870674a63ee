"""Decide: indicators in, tiers out. A decision looks at one row only, so any chunk may be decided alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Context, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sql.errors import TieringError
from transforms.columns import (
    add_decimals,
    array_of,
    combine_codes,
    compare,
    decimals_of,
    hash_rows,
    is_true,
    pick,
)
from transforms.conditions import Condition, ConditionError
from transforms.parts import Interval, intervals_of
from transforms.policy import Policy
from transforms.shapes import (
    Assessed,
    Bands,
    Composite,
    Lowest,
    Matrix,
    Quadrant,
    Ratio,
    Rules,
    Scorecard,
    TopN,
    TopShare,
)

NUMBER = pd.ArrowDtype(pa.decimal128(38, 18))
TEXT = pd.ArrowDtype(pa.string())

DECISION_COLUMNS = {
    "customer_id": TEXT,
    "computed_tier": TEXT,
    "reason": TEXT,
    "status": TEXT,
    "score": NUMBER,
    "code": TEXT,
    "completeness": pd.ArrowDtype(pa.decimal128(5, 4)),
    "account_manager_id": TEXT,
    "held_because": TEXT,
    "is_at_once": pd.ArrowDtype(pa.bool_()),
    "input_hash": TEXT,
}
COMPONENT_COLUMNS = {
    "customer_id": TEXT,
    "indicator": TEXT,
    "value": NUMBER,
    "value_text": TEXT,
    "level": TEXT,
    "points": NUMBER,
    "weight": pd.ArrowDtype(pa.decimal128(18, 8)),
    "contribution": NUMBER,
    "is_missing": pd.ArrowDtype(pa.bool_()),
    "evidence_on": pd.ArrowDtype(pa.date32()),
}

TASK_COLUMNS = {"customer_id": TEXT, "task": TEXT}

EVIDENCE = "__evidence_on"
"""Ends the name of the column with the day of an indicator's evidence, where the measures give one."""

_WIDE = Context(prec=80)

Codes = npt.NDArray[np.int16]
"""Positions in a list of names, per row; -1: none."""
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Decided:
    """What a decision found.

    `decisions`: one row per account, columns `DECISION_COLUMNS`; one of computed_tier and reason is set.
    `components`: one row per account and indicator, columns `COMPONENT_COLUMNS`. `tasks`: one row per
    account and follow-up task that it is owed, columns `TASK_COLUMNS`.
    """

    decisions: pd.DataFrame
    components: pd.DataFrame
    tasks: pd.DataFrame


@dataclass(frozen=True)
class Piece:
    """What one indicator contributed: level, points and weight; None where the shape has none."""

    level: pa.Array | None = None
    points: pa.Array | None = None
    weight: Decimal | None = None
    contribution: pa.Array | None = None


@dataclass(frozen=True)
class Shaped:
    """What a shape gives per row: the tier (-1: no line holds the row), and what led there."""

    tier: Codes
    code: pa.Array | None = None
    score: pa.Array | None = None
    pieces: dict[str, Piece] = field(default_factory=dict)


def decide_tiers(policy: Policy, indicators: pd.DataFrame, held: Mapping[str, str] | None = None) -> Decided:
    """Give every account its tier under `policy`, or the reason why it has none.

    `held`: why an input of an account is not to be trusted, by account_id.

    In: one row per account, columns account_id, account_manager_id and every indicator of the policy, of
    Arrow types (numbers exact); beside an assessment, `<indicator>__evidence_on`. Out: see `Decided`. Rows
    keep their order.
    Raises TieringError when a column is missing, an account stands twice, a value lies outside the range that
    the policy declares, an indicator that decides is undefined without a `missing` entry, or no line of the
    policy holds an account.
    """
    _check_columns(policy, indicators)
    customer_id = array_of(indicators["account_id"])
    values = {name: array_of(indicators[name]) for name in policy.indicators}
    try:
        found = find(policy, values, len(indicators))
    except (TypeError, ConditionError, pa.ArrowException) as error:
        raise TieringError(
            f"policy {policy.id}: values of different kinds meet ({str(error).splitlines()[0]}); "
            "run tiering lint, which names the place"
        ) from error
    _refuse(policy, found, customer_id)
    is_graded = pa.array(found.is_graded)
    held_because = _held_because(customer_id, held or {})
    at_once = policy.movement.down_at_once
    decisions = {
        "customer_id": customer_id,
        "computed_tier": pick(policy.tiers, found.tier),
        "reason": pick([f"gate:{name}" for name in policy.gate], found.gate),
        "status": pc.if_else(is_graded, pick(["final", "provisional"], found.is_provisional.astype(np.int16)), None),
        "score": _where(is_graded, found.shaped.score, NUMBER),
        "code": _where(is_graded, found.shaped.code, TEXT),
        "completeness": pc.if_else(is_graded, _completeness(values, len(indicators)), None),
        "account_manager_id": array_of(indicators["account_manager_id"]),
        "held_because": held_because,
        "is_at_once": pa.array(Condition(at_once).holds(_Lazy(values))) if at_once else None,
        "input_hash": _input_hash(policy, values, len(indicators), held_because),
    }
    evidence = {
        name: array_of(indicators[name + EVIDENCE]) for name in policy.indicators if name + EVIDENCE in indicators
    }
    return Decided(
        _frame(decisions, DECISION_COLUMNS),
        _components(policy, customer_id, values, found.shaped.pieces, evidence),
        _tasks(policy, customer_id, values, found),
    )


def find_states(policy: Policy, indicators: pd.DataFrame) -> pd.Series:
    """Return by account_id the tier under `policy`, or the reason why there is none; None where undecidable.

    In: as `decide_tiers`. Undecidable is what `decide_tiers` refuses.
    """
    values = {name: array_of(indicators[name]) for name in policy.indicators}
    state = states_of(policy, values, len(indicators))
    return pd.Series(state, index=pd.Index(indicators["account_id"].astype(object)), dtype=object)


def states_of(policy: Policy, values: dict[str, pa.Array], rows: int) -> npt.NDArray[np.object_]:
    """Return per row of indicators what `find_states` says of an account."""
    found = find(policy, values, rows)
    reason = pick([f"gate:{name}" for name in policy.gate], found.gate)
    states: npt.NDArray[np.object_] = pc.coalesce(reason, pick(policy.tiers, found.tier)).to_numpy(zero_copy_only=False)
    return states


def _held_because(customer_id: pa.Array, held: Mapping[str, str]) -> pa.Array:
    if not held:
        return pa.nulls(len(customer_id), pa.string())
    return pa.array([held.get(number) for number in customer_id.to_pylist()], pa.string())


def _input_hash(policy: Policy, values: dict[str, pa.Array], rows: int, held_because: pa.Array) -> pa.Array:
    plain = hash_rows(policy.version, {name: values[name] for name in sorted(values)}, rows)
    if held_because.null_count == rows:
        return plain
    return pc.if_else(held_because.is_null(), plain, hash_rows(policy.version, {"": plain, "held": held_because}, rows))


def _frame(arrays: dict[str, Any], columns: dict[str, pd.ArrowDtype]) -> pd.DataFrame:
    rows = next(len(array) for array in arrays.values() if array is not None)
    cast = {
        name: pa.nulls(rows, kind.pyarrow_dtype) if arrays[name] is None else _as(arrays[name], kind.pyarrow_dtype)
        for name, kind in columns.items()
    }
    return pd.DataFrame({name: pd.arrays.ArrowExtensionArray(array) for name, array in cast.items()})


def _as(array: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    return array if array.type == kind else array.cast(kind)


def _where(rows: pa.Array, array: pa.Array | None, kind: pd.ArrowDtype) -> pa.Array:
    if array is None:
        return pa.nulls(len(rows), kind.pyarrow_dtype)
    return pc.if_else(rows, array, pa.scalar(None, array.type))


# The decision


@dataclass(frozen=True)
class Found:
    """What was found per account.

    `undefined`: by indicator that decides, whom that leaves without a tier. `outside`: by indicator, whose value
    lies outside the declared range. `gap`: whom no line holds.
    """

    gate: Codes
    tier: Codes
    is_provisional: Flags
    shaped: Shaped
    undefined: dict[str, Flags]
    outside: dict[str, Flags]
    gap: Flags

    @property
    def is_graded(self) -> Flags:
        """Who passed the gates."""
        graded: Flags = self.gate < 0
        return graded


def find(policy: Policy, values: dict[str, pa.Array], rows: int) -> Found:
    """Return what a policy finds on columns of values, one per indicator, without refusing anything."""
    frame = _Lazy(values)
    gate = _gate_of(policy, frame, rows)
    graded = gate < 0
    outside = _outside(policy, values, graded)
    decidable = graded.copy()
    for rows_outside in outside.values():
        decidable &= ~rows_outside
    tier = np.full(rows, -1, dtype=np.int16)
    provisional = np.zeros(rows, dtype=bool)
    counted = dict(values)
    for name, entry in policy.missing.items():
        undefined = decidable & (tier < 0) & _is_null(values[name])
        if entry.tier is not None:
            tier[undefined] = policy.tiers.index(entry.tier)
        else:
            counted[name] = _fill(values[name], entry.as_)
        provisional |= undefined & (entry.status == "provisional")
    open_ = decidable & (tier < 0)
    undefined_by = _undefined(policy, counted, open_)
    for rows_undefined in undefined_by.values():
        open_ &= ~rows_undefined
    shaped = _SHAPES[policy.decide.shapes[0]](policy.decide.shape, policy, counted, rows)
    tier[open_] = shaped.tier[open_]
    if policy.provisional is not None:
        provisional |= Condition(policy.provisional).holds(frame)
    return Found(gate, tier, provisional & graded, shaped, undefined_by, outside, open_ & (tier < 0))


class _Lazy(dict[str, pd.Series]):
    """The columns as pandas Series, made when a condition reads them."""

    def __init__(self, values: dict[str, pa.Array]) -> None:
        super().__init__()
        self._values = values
        self.index = pd.RangeIndex(len(next(iter(values.values()))) if values else 0)

    def __missing__(self, name: str) -> pd.Series:
        self[name] = pd.Series(pd.arrays.ArrowExtensionArray(self._values[name]), index=self.index)
        return self[name]


def _is_null(column: pa.Array) -> Flags:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=bool)


def _fill(column: pa.Array, value: Any) -> pa.Array:
    """Return the column with a value for what is missing; a number may be finer than the column's own."""
    if isinstance(value, Decimal):
        column = decimals_of(column)
    return pc.fill_null(column, pa.scalar(value).cast(column.type))


def _check_columns(policy: Policy, indicators: pd.DataFrame) -> None:
    needed = ["account_id", "account_manager_id", *policy.indicators]
    lacking = [name for name in needed if name not in indicators]
    if lacking:
        raise TieringError(f"policy {policy.id}: the measures lack {', '.join(lacking)}; measure them for this policy")
    account_id = array_of(indicators["account_id"])
    if pc.all(pc.less(account_id[:-1], account_id[1:]), skip_nulls=False).as_py():
        return  # in order, as measures come: none stands twice
    twice = indicators["account_id"][indicators["account_id"].duplicated()]
    if len(twice):
        raise TieringError(f"policy {policy.id}: {len(twice)} accounts stand twice, such as {', '.join(twice[:5])}")


def _gate_of(policy: Policy, frame: _Lazy, rows: int) -> Codes:
    """Return the first gate an account does not pass; -1 when it passes all."""
    gate = np.full(rows, -1, dtype=np.int16)
    for place, entry in enumerate(policy.gate.values()):
        gate[~Condition(entry.when).holds(frame) & (gate < 0)] = place
    return gate


def _outside(policy: Policy, values: dict[str, pa.Array], graded: Flags) -> dict[str, Flags]:
    found = {}
    for name, indicator in policy.indicators.items():
        rows = np.zeros(len(graded), dtype=bool)
        if indicator.minimum is not None:
            rows |= is_true(compare("<", values[name], indicator.minimum))
        if indicator.maximum is not None:
            rows |= is_true(compare(">", values[name], indicator.maximum))
        if indicator.values is not None:
            rows |= ~_is_null(values[name]) & ~is_true(pc.is_in(values[name], pa.array(indicator.values, pa.string())))
        if (rows & graded).any():
            found[name] = rows & graded
    return found


def _undefined(policy: Policy, values: dict[str, pa.Array], rows: Flags) -> dict[str, Flags]:
    """Return by deciding indicator where among `rows` it is undefined and no rule asks about that."""
    asked = policy.decide.rules.asked_missing if policy.decide.rules else set()
    names = [name for name in policy.decide.indicators if name not in asked]
    return {name: _is_null(values[name]) & rows for name in names}


def _refuse(policy: Policy, found: Found, customer_id: pa.Array) -> None:
    def such_as(rows: Flags) -> str:
        ids = [str(number) for number in customer_id.take(pa.array(np.flatnonzero(rows)[:5])).to_pylist()]
        return ", ".join(ids)

    for name, rows in found.outside.items():
        indicator = policy.indicators[name]
        bounds = [f"at least {indicator.minimum}"] if indicator.minimum is not None else []
        bounds += [f"at most {indicator.maximum}"] if indicator.maximum is not None else []
        bounds += [f"one of {', '.join(indicator.values)}"] if indicator.values is not None else []
        raise TieringError(
            f"policy {policy.id}: the indicator {name} is {' and '.join(bounds)}, and is not for "
            f"{int(rows.sum())} accounts, such as {such_as(rows)}; correct the source"
        )
    for name, rows in found.undefined.items():
        if rows.any():
            raise TieringError(
                f"policy {policy.id}: the indicator {name} is undefined for {int(rows.sum())} accounts and "
                f"decides; say under missing what that means, or gate on it"
            )
    if found.gap.any():
        raise TieringError(
            f"policy {policy.id}: {int(found.gap.sum())} accounts fall in a gap of decide.{policy.decide.shapes[0]}, "
            f"such as {such_as(found.gap)}; run tiering lint, which names the gap"
        )


# Scales


def line_of(lines: list[Any], column: pa.Array) -> Codes:
    """Return per row the first line of a scale that holds the value; -1: none, or undefined."""
    found = np.full(len(column), -1, dtype=np.int16)
    stated = [line for line in lines if not line.is_rest]
    if any(line.names for line in stated):
        for place, line in enumerate(stated):
            held = np.zeros(len(column), dtype=bool)
            for name in line.names:
                held |= is_true(compare("=", column, name))
            found[held & (found < 0)] = place
    else:
        for place, interval in enumerate(intervals_of(stated)):
            found[_inside(interval, column) & (found < 0)] = place
    if lines[-1].is_rest:
        found[(found < 0) & ~_is_null(column)] = len(lines) - 1
    return found


def _inside(interval: Interval, column: pa.Array) -> Flags:
    inside = ~_is_null(column)
    if interval.low is not None:
        inside &= is_true(compare(">=" if interval.holds_low else ">", column, interval.low))
    if interval.high is not None:
        inside &= is_true(compare("<=" if interval.holds_high else "<", column, interval.high))
    return inside


def _tier_codes(policy: Policy, lines: list[Any], line: Codes) -> Codes:
    """Return the tier of every row's line; -1 stays -1."""
    return np.array([*(policy.tiers.index(each.tier) for each in lines), -1], dtype=np.int16)[line]


# Shapes, each: (shape, policy, values by indicator, rows) → Shaped


def _by_bands(shape: Bands | Assessed, policy: Policy, values: dict[str, pa.Array], rows: int) -> Shaped:
    tier = _tier_codes(policy, shape.tiers, line_of(shape.tiers, values[shape.of]))
    return Shaped(tier, pieces={shape.of: Piece(level=pick(policy.tiers, tier))})


def _by_scorecard(shape: Scorecard, policy: Policy, values: dict[str, pa.Array], rows: int) -> Shaped:
    pieces, parts = {}, []
    for name, points in shape.points.items():
        if points.scale is not None:
            line = line_of(points.scale, values[name])
            level = pick([each.words or "else" for each in points.scale], line)
            given = [each.points for each in points.scale]
            own, weighted = pick(given, line), pick([weigh(each, points.weight) for each in given], line)
        else:
            level, own = None, decimals_of(values[name])
            weighted = own if points.weight == 1 else _times(own, points.weight)
        parts.append(weighted)
        pieces[name] = Piece(level, own, points.weight, weighted)
    score = add_decimals(parts)
    if shape.round is not None:
        score = pc.round(score, ndigits=shape.round, round_mode="half_towards_infinity").cast(NUMBER.pyarrow_dtype)
    return Shaped(_tier_codes(policy, shape.tiers, line_of(shape.tiers, score)), score=score, pieces=pieces)


def weigh(points: Decimal, weight: Decimal) -> Decimal:
    """Return points times weight, cut off after 18 digits."""
    return _WIDE.multiply(points, weight).quantize(Decimal(1).scaleb(-18), ROUND_DOWN, _WIDE)


def _times(column: pa.Array, weight: Decimal) -> pa.Array:
    wide = pc.multiply(column.cast(pa.decimal256(56, 18)), pa.scalar(weight, pa.decimal256(18, 8)))
    return wide.cast(pa.decimal256(56, 18), safe=False).cast(NUMBER.pyarrow_dtype)


def _by_matrix(shape: Matrix, policy: Policy, values: dict[str, pa.Array], rows: int) -> Shaped:
    sides, pieces = [], {}
    for axis in (shape.rows, shape.columns):
        places = [axis.names.index(line.level) for line in axis.levels]
        sides.append(np.array([*places, -1], dtype=np.int16)[line_of(axis.levels, values[axis.of])])
        pieces[axis.of] = Piece(level=pick(axis.names, sides[-1]))
    across = len(shape.columns.names)
    cells = [(row, column) for row in shape.rows.names for column in shape.columns.names]
    tiers = [shape.tier_at(row, column) for row, column in cells]
    cell = np.where((sides[0] < 0) | (sides[1] < 0), -1, sides[0] * across + sides[1])
    codes = np.array([*(-1 if tier is None else policy.tiers.index(tier) for tier in tiers), -1], dtype=np.int16)
    score = None
    if shape.tiers is not None:
        score = pick([shape.cells[row][shape.columns.names.index(column)] for row, column in cells], cell)
    return Shaped(codes[cell], pick([shape.code_at(row, column) for row, column in cells], cell), score, pieces)


def _positions(column: pa.Array) -> npt.NDArray[np.int64]:
    """Return positions as numbers; an undefined one is beyond all others."""
    plain = pc.fill_null(column.cast(pa.int64()), np.iinfo(np.int64).max)
    return np.asarray(plain.to_numpy(zero_copy_only=False), dtype=np.int64)


def _by_top_share(shape: TopShare, policy: Policy, values: dict[str, pa.Array], rows: int) -> Shaped:
    """Compare the position with the cumulated share of the count, rounded half up, in whole numbers."""
    position, count = _positions(values[shape.rank]), _positions(values[shape.of])
    tier = np.full(rows, policy.tiers.index(shape.shares[-1].tier), dtype=np.int16)
    for graded in np.unique(count):
        cuts = shape.cuts(int(graded)) if graded < np.iinfo(np.int64).max else []
        for share, cut in reversed(list(zip(shape.shares[:-1], cuts[:-1], strict=False))):
            tier[(count == graded) & (position <= cut)] = policy.tiers.index(share.tier)
    return Shaped(tier, pieces={shape.rank: Piece(level=pick(policy.tiers, tier))})


def _by_top_n(shape: TopN, policy: Policy, values: dict[str, pa.Array], rows: int) -> Shaped:
    position = _positions(values[shape.rank])
    tier = np.full(rows, -1, dtype=np.int16)
    for part in sorted(shape.tiers, key=lambda part: part.first or np.iinfo(np.int64).max):
        inside = position <= part.first if part.first is not None else np.ones(rows, dtype=bool)
        tier[inside & (tier < 0)] = policy.tiers.index(part.tier)
    return Shaped(tier, pieces={shape.rank: Piece(level=pick(policy.tiers, tier))})


def _by_ratio(shape: Ratio, policy: Policy, values: dict[str, pa.Array], rows: int) -> Shaped:
    tier = _tier_codes(policy, shape.tiers, line_of(shape.tiers, values[shape.of]))
    tier[is_true(compare("<", values[shape.of], shape.red_line))] = policy.tiers.index(shape.below)
    return Shaped(tier, pieces={shape.of: Piece(level=pick(policy.tiers, tier))})


def _by_lowest(shape: Lowest, policy: Policy, values: dict[str, pa.Array], rows: int) -> Shaped:
    worst = np.zeros(rows, dtype=np.int16)
    in_gap = np.zeros(rows, dtype=bool)
    pieces = {}
    for name, lines in {**shape.of, **shape.auxiliary}.items():
        tier = _tier_codes(policy, lines, line_of(lines, values[name]))
        pieces[name] = Piece(level=pick(policy.tiers, tier))
        if name in shape.of:
            worst = np.maximum(worst, tier)
            in_gap |= tier < 0
    worst[in_gap] = -1
    return Shaped(worst, pieces=pieces)


def _by_rules(shape: Rules, policy: Policy, values: dict[str, pa.Array], rows: int) -> Shaped:
    frame = _Lazy(values)
    tier = np.full(rows, -1, dtype=np.int16)
    for rule in shape.of:
        open_ = tier < 0
        held = open_ if rule.condition is None else open_ & rule.condition.holds(frame)
        tier[held] = policy.tiers.index(rule.tier)
    return Shaped(tier)


def _by_quadrant(shape: Quadrant, policy: Policy, values: dict[str, pa.Array], rows: int) -> Shaped:
    sides, pieces = [], {}
    for side in (shape.x, shape.y):
        high = np.where(_is_null(values[side.of]), -1, (~_inside(side.bound, values[side.of])).astype(np.int16))
        sides.append(high)
        pieces[side.of] = Piece(level=pick(["high", "low"], high))
    quarters = [shape.tiers.high_high, shape.tiers.high_low, shape.tiers.low_high, shape.tiers.low_low]
    cell = np.where((sides[0] < 0) | (sides[1] < 0), -1, sides[0] * 2 + sides[1])
    codes = np.array([*(policy.tiers.index(tier) for tier in quarters), -1], dtype=np.int16)
    return Shaped(codes[cell], pieces=pieces)


def _by_composite(shape: Composite, policy: Policy, values: dict[str, pa.Array], rows: int) -> Shaped:
    digits, pieces = [], {}
    for digit in shape.digits:
        if digit.scale is None:
            own = pc.fill_null(values[digit.of].cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        else:
            given = np.array([*(line.digit for line in digit.scale), -1])
            own = given[line_of(digit.scale, values[digit.of])]
        digits.append(np.where((own < 0) | (own > 9), -1, own).astype(np.int16))
        names = [str(number) for number in range(10)]
        points = pick([Decimal(number) for number in range(10)], digits[-1])
        pieces[digit.of] = Piece(pick(names, digits[-1]), points, None, points)
    kinds, place = combine_codes(digits)
    codes = ["".join(map(str, kind)) if min(kind, default=0) >= 0 else None for kind in kinds]
    tiers = [shape.tier_of(code) if code is not None else None for code in codes]
    tier = np.array([-1 if each is None else policy.tiers.index(each) for each in tiers], dtype=np.int16)
    sums = [Decimal(sum(kind)) if code is not None else None for kind, code in zip(kinds, codes, strict=True)]
    return Shaped(tier[place], pick(codes, place), pick(sums, place), pieces)


_SHAPES: dict[str, Callable[[Any, Policy, dict[str, pa.Array], int], Shaped]] = {
    "bands": _by_bands,
    "scorecard": _by_scorecard,
    "matrix": _by_matrix,
    "top_share": _by_top_share,
    "top_n": _by_top_n,
    "ratio": _by_ratio,
    "lowest": _by_lowest,
    "rules": _by_rules,
    "quadrant": _by_quadrant,
    "composite": _by_composite,
    "assessed": _by_bands,
}


# What is kept beside the decision


def _completeness(values: dict[str, pa.Array], rows: int) -> pa.Array:
    """Return the share of the indicators that are known, cut off after four digits."""
    known = np.zeros(rows, dtype=np.int16)
    for column in values.values():
        known += ~_is_null(column)
    shares = [Decimal(count * 10_000 // max(1, len(values))).scaleb(-4) for count in range(len(values) + 1)]
    return pick(shares, known)


def _components(
    policy: Policy,
    customer_id: pa.Array,
    values: dict[str, pa.Array],
    pieces: dict[str, Piece],
    evidence: dict[str, pa.Array],
) -> pd.DataFrame:
    rows = len(customer_id)
    chunks: dict[str, list[pa.Array]] = {name: [] for name in COMPONENT_COLUMNS}
    for name in policy.indicators:
        column, piece = values[name], pieces.get(name, Piece())
        is_text = pa.types.is_string(column.type)
        known = {
            "customer_id": customer_id,
            "indicator": pa.repeat(pa.scalar(name, pa.string()), rows),
            "value": None if is_text else decimals_of(column),
            "value_text": column if is_text else None,
            "level": piece.level,
            "points": piece.points,
            "weight": None if piece.weight is None else pa.repeat(pa.scalar(piece.weight, pa.decimal128(18, 8)), rows),
            "contribution": piece.contribution,
            "is_missing": column.is_null(),
            "evidence_on": evidence.get(name),
        }
        for part, kind in COMPONENT_COLUMNS.items():
            array = known[part]
            plain = kind.pyarrow_dtype
            chunks[part].append(pa.nulls(rows, plain) if array is None else _as(array, plain))
    columns = {name: pa.chunked_array(parts, COMPONENT_COLUMNS[name].pyarrow_dtype) for name, parts in chunks.items()}
    return _frame(columns, COMPONENT_COLUMNS)


def _tasks(policy: Policy, customer_id: pa.Array, values: dict[str, pa.Array], found: Found) -> pd.DataFrame:
    frame = _Lazy(values)
    owed: dict[str, list[pa.Array]] = {name: [] for name in TASK_COLUMNS}
    for name, task in policy.follow_up.tasks.items():
        rows = found.is_graded.copy() if task.scope == "graded" else np.ones(len(found.gate), dtype=bool)
        if task.tiers is not None:
            rows &= np.isin(found.tier, [policy.tiers.index(tier) for tier in task.tiers])
        if task.when is not None:
            rows &= Condition(task.when).holds(frame)
        owed["customer_id"].append(customer_id.filter(pa.array(rows)))
        owed["task"].append(pa.repeat(pa.scalar(name, pa.string()), int(rows.sum())))
    columns = {name: pa.chunked_array(parts, TASK_COLUMNS[name].pyarrow_dtype) for name, parts in owed.items()}
    return _frame(columns, TASK_COLUMNS)


class InputHash:
    """The hash of what a run decided on: policy and every account's input, added part by part.

    The accounts of a part may stand in any order, the parts follow one another in the order of the accounts.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy_id, self._last = policy.id, ""
        self._digest = hashlib.sha256(policy.version.encode())

    def add(self, decisions: pd.DataFrame) -> None:
        """Add the decisions of some accounts. Raises TieringError when they belong before those of an earlier part."""
        if decisions.empty:
            return
        rows = pa.table({name: array_of(decisions[name]) for name in ("customer_id", "input_hash")})
        ordered = rows.sort_by("customer_id")
        first, last = ordered["customer_id"][0].as_py(), ordered["customer_id"][-1].as_py()
        if first.encode() <= self._last.encode():
            raise TieringError(f"policy {self._policy_id}: accounts come out of order, or twice; run the task again")
        self._last = last
        joined = pc.binary_join_element_wise(ordered["customer_id"], ordered["input_hash"], "\x1f")
        for chunk in joined.chunks:
            self._digest.update("\x1e".join(chunk.to_pylist()).encode())
            self._digest.update(b"\x1e")

    def hexdigest(self) -> str:
        """Return the hash of all that was added."""
        return self._digest.hexdigest()


def run_input_hash(policy: Policy, decisions: pd.DataFrame) -> str:
    """Return the hash of what a run decided on: policy and every account's input, in any order."""
    hashed = InputHash(policy)
    hashed.add(decisions)
    return hashed.hexdigest()
