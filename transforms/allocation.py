"""Allocation: a whole number of minor units split by weights between floors and caps, exact to the last one (S61)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sql.errors import TieringError

Integers = NDArray[Any]
"""Integers of any size: int64 where they fit, else Python's own in an array of objects."""

UNCAPPED = -1
"""In place of a cap: as much as comes."""

_CLOSE = 1e-9
"""Relative: floats that are further apart than this stand to each other as the exact numbers do."""


def split(
    total: int,
    weights: Sequence[int] | Integers,
    floors: Sequence[int] | Integers | None = None,
    caps: Sequence[int] | Integers | None = None,
) -> tuple[Integers, int]:
    """Split `total` in proportion to `weights`, nobody below its floor or above its cap; return amounts and the rest.

    All shares are one multiple of the weights, but for those that a floor or a cap holds: what these give or take is
    shared by the others. Parts of a minor unit go to the largest remainders, ties in the order given. Who weighs
    nothing gets nothing, not even a floor. The amounts and the rest, which only caps leave over, add up to `total`.

    Raises TieringError for a negative number, a floor above its cap and floors that sum up to more than `total`.
    """
    weigh = _integers(weights)
    low = np.zeros(len(weigh), dtype=np.int64) if floors is None else _integers(floors)
    high = np.full(len(weigh), UNCAPPED, dtype=np.int64) if caps is None else _integers(caps)
    if total < 0 or (weigh < 0).any() or (low < 0).any():
        raise TieringError("an allocation needs a budget, weights and floors that are not negative")
    if ((high != UNCAPPED) & (high < low) & (weigh > 0)).any():
        raise TieringError("a floor lies above its cap; lower the floor")
    amounts = np.zeros(len(weigh), dtype=np.int64 if total < 2**62 else object)
    free = np.flatnonzero(weigh > 0)
    wanted = _sum(low[free])
    if wanted > total:
        raise TieringError(f"the floors sum up to {wanted}, more than the {total} there are; lower them")
    left = total
    while len(free):
        whole = _sum(weigh[free])
        is_low = _compare(left, whole, weigh[free], low[free]) < 0
        has_cap = high[free] != UNCAPPED
        is_high = has_cap.copy()
        is_high[has_cap] = _compare(left, whole, weigh[free][has_cap], high[free][has_cap]) > 0
        if not (is_low.any() or is_high.any()):
            amounts[free] = _by_largest_remainder(left, whole, weigh[free])
            return amounts, 0
        lacking = _sum(low[free][is_low]) - Fraction(left * _sum(weigh[free][is_low]), whole)
        excess = Fraction(left * _sum(weigh[free][is_high]), whole) - _sum(high[free][is_high])
        if lacking >= excess:  # a smaller share of all is to come: these stay below it, those may yet fit
            amounts[free[is_low]] = low[free][is_low]
        if excess >= lacking:
            amounts[free[is_high]] = high[free][is_high]
        is_held = (is_low & (lacking >= excess)) | (is_high & (excess >= lacking))
        left -= _sum(amounts[free[is_held]])
        free = free[~is_held]
    return amounts, left


def _integers(values: Sequence[int] | Integers) -> Integers:
    if isinstance(values, np.ndarray):
        return values
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return np.array(values, dtype=object)


def _sum(values: Integers) -> int:
    """The exact sum: halves of the bits do not overflow where the whole might."""
    if values.dtype == object:
        return int(values.sum()) if len(values) else 0
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def _compare(left: int, whole: int, weights: Integers, bounds: Integers) -> NDArray[np.int8]:
    """The sign of `left × weight ÷ whole − bound` for each, exactly: floats decide where they lie far enough apart."""
    share = weights.astype(np.float64) * (left / whole)
    bound = bounds.astype(np.float64)
    signs = np.sign(share - bound).astype(np.int8)
    for place in np.flatnonzero(np.abs(share - bound) <= _CLOSE * np.maximum(share, bound)):
        exact = left * int(weights[place]) - int(bounds[place]) * whole
        signs[place] = (exact > 0) - (exact < 0)
    return signs


def _by_largest_remainder(total: int, whole: int, weights: Integers) -> Integers:
    amounts, remainders = _divide(total, whole, weights)
    missing = total - _sum(amounts)
    if missing:
        amounts[_largest(remainders, whole, missing)] += 1
    return amounts


def _divide(total: int, whole: int, weights: Integers) -> tuple[Integers, Integers]:
    """The quotients and remainders of `total × weight ÷ whole`.

    In 64 bits a float says the quotient to within a few units; the remainder is exact although the products overflow,
    since what is cut off on both sides is the same, and sets the quotient right.
    """
    if weights.dtype == object or whole >= 2**56 or total >= 2**52:
        products = weights.astype(object) * total
        return products // whole, products % whole
    amounts = np.floor(weights.astype(np.float64) * (total / whole)).astype(np.int64)
    remainders = weights * np.int64(total) - amounts * np.int64(whole)
    off = remainders // whole
    return amounts + off, remainders - off * whole


def _largest(remainders: Integers, whole: int, number: int) -> NDArray[np.intp]:
    """The places of the `number` largest remainders, ties in their order."""
    parts = remainders.astype(np.float64) / float(whole)
    last = np.partition(parts, len(parts) - number)[len(parts) - number]
    sure = np.flatnonzero(parts > last + _CLOSE)
    close = np.flatnonzero(np.abs(parts - last) <= _CLOSE)
    order = sorted(close, key=lambda place: (-remainders[place], place))
    return np.concatenate([sure, np.array(order[: number - len(sure)], dtype=np.intp)])
