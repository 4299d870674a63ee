"""Allocation: every split is the exact one between floors and caps, to the last minor unit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sql.errors import TieringError
from transforms.allocation import UNCAPPED, split

Claim = tuple[int, int, int]
"""The weight, the floor and the cap of one."""


@pytest.mark.parametrize(
    ("total", "weights", "given"),
    [
        (93600, [2000, 1000, 600, 0], [52000, 26000, 15600, 0]),
        (100, [1, 1, 1], [34, 33, 33]),  # a tie: in the order given
        (101, [1, 1, 1], [34, 34, 33]),
        (100, [1, 1, 2], [25, 25, 50]),
        (10, [1, 2, 3], [2, 3, 5]),  # 1.67, 3.33, 5: the largest remainder first
        (1, [1, 5, 5], [0, 1, 0]),
        (2, [3, 3, 1], [1, 1, 0]),
        (5, [0, 1, 0], [0, 5, 0]),
        (0, [1, 2], [0, 0]),
    ],
)
def test_the_largest_remainders_get_what_is_left(total: int, weights: list[int], given: list[int]) -> None:
    amounts, rest = split(total, weights)
    assert (list(amounts), rest) == (given, 0)


@pytest.mark.parametrize("weights", [[], [0, 0]])
def test_what_nobody_has_a_claim_to_is_left(weights: list[int]) -> None:
    amounts, rest = split(7, weights, floors=[3] * len(weights))
    assert (list(amounts), rest) == ([0] * len(weights), 7)


@pytest.mark.parametrize(
    ("total", "weights", "floors", "caps", "given", "rest"),
    [
        (100, [1, 1, 2], None, [10, UNCAPPED, UNCAPPED], [10, 30, 60], 0),  # what the first leaves goes 1 : 2
        (100, [1, 1, 2], None, [10, 20, 30], [10, 20, 30], 40),
        (100, [1, 1, 2], [40, 0, 0], None, [40, 20, 40], 0),  # what the first takes comes from the others, 1 : 2
        (100, [1, 1, 2], [40, 30, 30], None, [40, 30, 30], 0),
        (100, [1, 1, 2], [40, 0, 0], [40, 50, 10], [40, 50, 10], 0),
        (
            100,
            [1, 1, 8],
            [20, 0, 0],
            [UNCAPPED, UNCAPPED, 50],
            [25, 25, 50],
            0,
        ),
        (100, [4, 1, 1], [0, 20, 0], [50, UNCAPPED, UNCAPPED], [50, 25, 25], 0),
        (10, [1, 1], None, [0, UNCAPPED], [0, 10], 0),
    ],
)
def test_floors_and_caps_hold_and_the_others_share_what_they_give_or_take(
    total: int, weights: list[int], floors: list[int] | None, caps: list[int] | None, given: list[int], rest: int
) -> None:
    amounts, left = split(total, weights, floors, caps)
    assert (list(amounts), left) == (given, rest)


@pytest.mark.parametrize(
    ("total", "weights", "floors", "caps", "message"),
    [
        (-1, [1], None, None, "an allocation needs a budget, weights and floors that are not negative"),
        (1, [1, -1], None, None, "an allocation needs a budget, weights and floors that are not negative"),
        (1, [1, 1], [0, -1], None, "an allocation needs a budget, weights and floors that are not negative"),
        (9, [1, 1], [3, 0], [2, 9], "a floor lies above its cap"),
        (9, [1, 1], [5, 5], None, "the floors sum up to 10, more than the 9 there are; lower them"),
    ],
)
def test_what_cannot_be_split_is_refused(
    total: int, weights: list[int], floors: list[int] | None, caps: list[int] | None, message: str
) -> None:
    with pytest.raises(TieringError, match=message):
        split(total, weights, floors, caps)


def shares(total: int, claims: list[Claim]) -> list[Fraction]:
    """The exact shares from scratch: the least multiple of the weights at which nothing is left, if there is one."""

    def at(multiple: Fraction) -> list[Fraction]:
        wanted = [max(multiple * weight, Fraction(floor)) if weight else Fraction(0) for weight, floor, _ in claims]
        return [
            want if cap == UNCAPPED else min(want, Fraction(cap))
            for want, (_, _, cap) in zip(wanted, claims, strict=True)
        ]

    turns = {Fraction(bound, weight) for weight, *bounds in claims if weight for bound in bounds if bound != UNCAPPED}
    before = Fraction(0)
    for turn in sorted(turns):
        if sum(at(turn)) >= total:
            rise = sum(at(turn)) - sum(at(before))
            return at(before + (turn - before) * (total - sum(at(before))) / rise) if rise else at(turn)
        before = turn
    rise = sum(at(before + 1)) - sum(at(before))
    return at(before + (total - sum(at(before))) / rise) if rise else at(before)


@st.composite
def claims_of(draw: st.DrawFn) -> list[Claim]:
    size = draw(st.sampled_from([3, 60, 10**9, 10**21]))
    some = st.integers(0, 4) | st.integers(0, size)
    claims = []
    for _ in range(draw(st.integers(0, 25))):
        floor = draw(st.just(0) | some)
        room = draw(st.none() | st.just(0) | some)
        claims.append((draw(some), floor, UNCAPPED if room is None else floor + room))
    return claims


@settings(max_examples=400, deadline=None)
@given(claims=claims_of(), more=st.integers(0, 100) | st.integers(0, 10**21), as_arrays=st.booleans())
def test_every_split_is_the_exact_one(claims: list[Claim], more: int, as_arrays: bool) -> None:
    total = sum(floor for weight, floor, _ in claims if weight) + more
    columns: list[object] = [[claim[place] for claim in claims] for place in range(3)]
    if as_arrays:
        columns = [np.array(column, dtype=object) for column in columns]
    amounts, rest = split(total, *columns)  # type: ignore[arg-type]
    assert sum(amounts) + rest == total
    assert rest >= 0
    exact = shares(total, claims)
    for amount, share, (weight, floor, cap) in zip(amounts, exact, claims, strict=True):
        assert abs(amount - share) < 1
        assert amount == 0 if weight == 0 else amount >= floor
        assert amount <= cap or cap == UNCAPPED or weight == 0
    if rest:
        assert all(amount == cap for amount, (weight, _, cap) in zip(amounts, claims, strict=True) if weight)


@settings(max_examples=200, deadline=None)
@given(
    weights=st.lists(st.integers(1, 10**20), min_size=2, max_size=8),
    total=st.integers(10**18, 10**22),
    offsets=st.lists(st.integers(-2, 2), min_size=8, max_size=8),
    is_floor=st.booleans(),
)
def test_bounds_hair_by_hair_of_large_shares_are_told_apart(
    weights: list[int], total: int, offsets: list[int], is_floor: bool
) -> None:
    """Where floats of twenty digits no longer see a difference."""
    exact = [total * weight // sum(weights) for weight in weights]
    bounds = [max(0, share + offset) for share, offset in zip(exact, offsets, strict=False)]
    some = [bounds[0], *([0] * (len(weights) - 1))] if is_floor else [bounds[0], *([UNCAPPED] * (len(weights) - 1))]
    amounts, rest = split(total, weights, *([some] if is_floor else [None, some]))
    claims = [
        (weight, bound, UNCAPPED) if is_floor else (weight, 0, bound)
        for weight, bound in zip(weights, some, strict=True)
    ]
    assert (sum(amounts), rest) == (total, 0)
    for amount, share in zip(amounts, shares(total, claims), strict=True):
        assert abs(amount - share) < 1


@settings(max_examples=100, deadline=None)
@given(claims=claims_of(), more=st.integers(0, 10**6))
def test_who_weighs_more_does_not_get_less_between_equal_bounds(claims: list[Claim], more: int) -> None:
    weights = [weight for weight, _, _ in claims]
    floor, cap = (claims[0][1], claims[0][2]) if claims else (0, UNCAPPED)
    amounts, _ = split(floor * len(weights) + more, weights, [floor] * len(weights), [cap] * len(weights))
    ordered = sorted(zip(weights, amounts, strict=True))
    for (weight, amount), (heavier, other) in zip(ordered, ordered[1:], strict=False):
        assert amount <= other or (weight == heavier and amount == other + 1)


@settings(max_examples=60, deadline=None)
@given(claims=claims_of(), more=st.integers(0, 10**6), factor=st.integers(1, 1000))
def test_only_the_proportion_of_weights_counts(claims: list[Claim], more: int, factor: int) -> None:
    weights, floors, caps = ([claim[place] for claim in claims] for place in range(3))
    total = sum(floor for weight, floor, _ in claims if weight) + more
    first, second = (split(total, [weight * times for weight in weights], floors, caps) for times in (1, factor))
    assert (list(first[0]), first[1]) == (list(second[0]), second[1])


@settings(max_examples=60, deadline=None)
@given(claims=claims_of(), more=st.integers(0, 10**6), seed=st.integers(0, 99))
def test_the_order_moves_single_units_between_equal_remainders_alone(claims: list[Claim], more: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(claims))
    total = sum(floor for weight, floor, _ in claims if weight) + more
    columns = [[claim[place] for claim in claims] for place in range(3)]
    amounts, rest = split(total, *columns)
    mixed, left = split(total, *([column[place] for place in order] for column in columns))
    assert left == rest
    assert all(abs(one - other) <= 1 for one, other in zip(amounts[order], mixed, strict=True))
