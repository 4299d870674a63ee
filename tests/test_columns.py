"""Columns: exact as Python's Decimal at every bound, and a hash per row that never changes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from operator import eq, ge, gt, le, lt
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.columns import DECIMAL, add_decimals, array_of, combine_codes, compare, decimals_of, hash_rows, is_true
from transforms.columns import pick as pick_names

MONEY = pa.decimal128(38, 4)
NARROW = pa.decimal128(9, 2)
SIGNS: dict[str, Callable[[Any, Any], bool]] = {"=": eq, "<": lt, "<=": le, ">": gt, ">=": ge}

# Numbers of up to 38 digits, the point anywhere; many with the same few digits, so that they meet.
NUMBERS = st.one_of(
    st.builds(
        lambda digits, places: Decimal(digits).scaleb(-places),
        st.integers(-12, 12) | st.integers(-(10**28) + 1, 10**28 - 1),
        st.integers(0, 25),
    ),
    st.sampled_from([Decimal(f"{sign}1E{power}") for sign in ("", "-") for power in (17, 18, 19, 20, 33, 34)]),
)


def exact(kind: pa.DataType, number: Decimal) -> Decimal | None:
    """Return a number as a column of the type can hold it; None where it cannot."""
    scale = kind.scale if pa.types.is_decimal(kind) else 0
    with localcontext(prec=100):
        held = number.quantize(Decimal(1).scaleb(-scale))
    limit = Decimal(10) ** (kind.precision - scale) if pa.types.is_decimal(kind) else Decimal(2**63)
    return held if abs(held) < limit else None


@settings(max_examples=120, deadline=None)
@given(
    kind=st.sampled_from([pa.int64(), MONEY, DECIMAL, NARROW]),
    numbers=st.lists(NUMBERS, min_size=1, max_size=20),
    bound=NUMBERS,
)
def test_a_comparison_is_that_of_pythons_decimals(kind: pa.DataType, numbers: list[Decimal], bound: Decimal) -> None:
    values = [exact(kind, number) for number in [*numbers, bound]]
    plain = [int(value) if value is not None and pa.types.is_integer(kind) else value for value in values]
    column = pa.array(plain, kind)
    for sign, compared in SIGNS.items():
        expected = [None if value is None else compared(value, bound) for value in values]
        assert compare(sign, column, bound).to_pylist() == expected


@pytest.mark.parametrize(("sign", "found"), [("=", 0), ("<", 1), ("<=", 1), (">", 0), (">=", 0)])
@pytest.mark.parametrize("kind", [pa.int64(), MONEY, DECIMAL, NARROW])
def test_a_bound_beyond_the_column_is_on_the_right_side_of_every_value(
    kind: pa.DataType, sign: str, found: bool
) -> None:
    column = pa.array([0, 1, None], kind)
    assert compare(sign, column, Decimal("1E+36")).to_pylist() == [bool(found), bool(found), None]
    opposite = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}[sign]
    assert compare(opposite, column, Decimal("-1E+36")).to_pylist() == [bool(found), bool(found), None]


@pytest.mark.parametrize(
    ("sign", "expected"),
    [("=", [False, False]), ("<", [True, False]), ("<=", [True, False]), (">", [False, True]), (">=", [False, True])],
)
def test_a_bound_finer_than_the_column_lies_between_two_values(sign: str, expected: list[bool]) -> None:
    column = pa.array([Decimal("0.8000"), Decimal("0.8001")], MONEY)
    assert compare(sign, column, Decimal("0.80005")).to_pylist() == expected
    assert compare(sign, pa.array([2, 3]), Decimal("2.5")).to_pylist() == expected


def test_texts_and_flags_are_equal_or_not_and_missing_stays() -> None:
    assert compare("=", pa.array(["a", "A", "a ", None]), "a").to_pylist() == [True, False, False, None]
    assert compare("=", pa.array([True, False, None]), True).to_pylist() == [True, False, None]
    assert compare("=", pa.array([True, False, None]), False).to_pylist() == [False, True, None]
    assert compare(">=", pa.nulls(2), Decimal(1)).to_pylist() == [None, None]
    assert compare("=", pa.array([], pa.string()), "a").to_pylist() == []


@pytest.mark.parametrize(
    ("column", "bound"),
    [
        (pa.array(["1"]), Decimal(1)),
        (pa.array([1]), "1"),
        (pa.array([1]), True),
        (pa.array([True]), Decimal(1)),
        (pa.array([True]), "true"),
        (pa.array(["true"]), True),
        (pa.array([0.5]), Decimal("0.5")),
    ],
)
def test_kinds_that_cannot_be_compared_are_refused(column: pa.Array, bound: Any) -> None:
    with pytest.raises(TypeError, match="is compared with a column of"):
        compare("=", column, bound)


def test_missing_is_not_true() -> None:
    assert is_true(pa.array([True, False, None])).tolist() == [True, False, False]
    assert is_true(pa.array([], pa.bool_())).tolist() == []


# ---- sums, names, codes


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.integers(-(10**18), 10**18),
            st.none() | st.decimals(-(10**18), 10**18, places=4),
            st.none() | st.decimals(-(10**18), 10**18, places=18),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_a_sum_is_exact_and_missing_where_a_part_is(rows: list[tuple[Any, ...]]) -> None:
    kinds = (pa.int64(), MONEY, DECIMAL)
    columns = [pa.array([row[place] for row in rows], kind) for place, kind in enumerate(kinds)]
    with localcontext(prec=100):
        expected = [None if None in row else sum(map(Decimal, row), Decimal(0)) for row in rows]
    total = add_decimals(columns)
    assert total.type == DECIMAL
    assert total.to_pylist() == expected
    assert add_decimals(columns[:1]).to_pylist() == [row[0] for row in rows]


def test_a_sum_beyond_twenty_digits_is_refused_and_not_cut() -> None:
    most = pa.array([Decimal("99999999999999999999")], DECIMAL)
    with pytest.raises(pa.ArrowInvalid):
        add_decimals([most, most])


def test_a_flag_is_one_or_zero() -> None:
    assert decimals_of(pa.array([True, False, None])).to_pylist() == [1, 0, None]
    assert decimals_of(pa.array([7])).type == DECIMAL


def test_a_name_is_picked_by_its_place_and_none_by_a_negative_one() -> None:
    places = np.array([1, -1, 0, 1], dtype=np.int16)
    assert pick_names(["a", "b"], places).to_pylist() == ["b", None, "a", "b"]
    points = pick_names([Decimal("0.5"), None], places)
    assert (points.type, points.to_pylist()) == (DECIMAL, [None, None, Decimal("0.5"), None])
    assert pick_names(["a"], places[:0]).to_pylist() == []
    assert pick_names([], np.array([-1], dtype=np.int16)).to_pylist() == [None]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6).flatmap(lambda size: st.lists(st.tuples(*[st.integers(-1, 9)] * size), max_size=60)))
def test_every_row_gets_its_own_combination(rows: list[tuple[int, ...]]) -> None:
    columns = [np.array([row[place] for row in rows], dtype=np.int16) for place in range(len(rows[0]) if rows else 3)]
    kinds, places = combine_codes(columns)
    assert [kinds[place] for place in places.tolist()] == rows
    assert len(set(kinds)) == len(kinds) == len(set(rows))


def test_a_pandas_column_becomes_one_array_whatever_its_chunks() -> None:
    chunked = pa.chunked_array([[1, 2], [3]])
    assert array_of(pd.Series(pd.arrays.ArrowExtensionArray(chunked))).equals(pa.array([1, 2, 3]))


# ---- the hash of a row


def hashes(seed: str = "v", **columns: pa.Array) -> list[str]:
    return [str(each) for each in hash_rows(seed, columns, len(next(iter(columns.values())))).to_pylist()]


def test_a_hash_that_was_stored_never_changes() -> None:
    assert hashes(
        "a policy's version",
        amount=pa.array([Decimal("1200.5000"), Decimal("-0.0001"), None], MONEY),
        orders=pa.array([3, 0, None]),
        is_key=pa.array([True, False, None]),
        region=pa.array(["north", "北方", None]),
        nothing=pa.nulls(3),
    ) == ["3b05a92cd39e46b7", "fbfdb8a4d7987043", "ea4a1ac340a3b2f0"]


@pytest.mark.parametrize("kind", [pa.decimal128(38, 4), pa.decimal128(38, 18), pa.decimal128(20, 0)])
def test_equal_values_have_one_hash_in_any_type(kind: pa.DataType) -> None:
    values = [0, 1, -1, 10**15, None]
    assert hashes(n=pa.array(values, kind)) == hashes(n=pa.array(values, pa.int64()))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.decimals(-(10**9), 10**9, places=4),
            st.sampled_from(["a", "b", "", None]),
            st.sampled_from([True, False, None]),
            st.decimals(0, 1, places=18),
        ),
        min_size=2,
        max_size=40,
    ),
    data=st.data(),
)
def test_neither_chunks_nor_order_change_a_hash(rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    kinds = {"n": MONEY, "t": pa.string(), "f": pa.bool_(), "r": DECIMAL}
    columns = {name: pa.array([row[place] for row in rows], kind) for place, (name, kind) in enumerate(kinds.items())}
    whole = hashes(**columns)
    cut = data.draw(st.integers(1, len(rows) - 1))
    parts = [
        hashes(**{name: column[part] for name, column in columns.items()}) for part in (slice(cut), slice(cut, None))
    ]
    assert parts[0] + parts[1] == whole
    order = data.draw(st.permutations(range(len(rows))))
    assert hashes(**{name: column.take(pa.array(order)) for name, column in columns.items()}) == [
        whole[place] for place in order
    ]
    assert (len(set(whole)) == len(set(rows))) is True


def test_another_value_another_place_or_another_seed_is_another_hash() -> None:
    one, other = Decimal(1), Decimal(0)
    numbers = [(a, b) for a in (None, other, one, -one, Decimal(2**64)) for b in (None, other, one)]
    found = hashes(a=pa.array([a for a, _ in numbers], DECIMAL), b=pa.array([b for _, b in numbers], DECIMAL))
    assert len(set(found)) == len(numbers)
    assert len(set(hashes(t=pa.array(["", "a", "A", "a ", "missing", None])))) == 6
    assert len(set(hashes(f=pa.array([True, False, None])))) == 3
    assert hashes("v", n=pa.array([1])) != hashes("w", n=pa.array([1]))
    assert hashes(a=pa.array([1]), b=pa.array([2])) != hashes(a=pa.array([2]), b=pa.array([1]))
    assert len(set(hashes(n=pa.array(range(20_000))))) == 20_000


def test_a_hash_is_sixteen_hexadecimal_digits() -> None:
    (found,) = hashes(n=pa.array([1]))
    assert len(found) == 16
    assert len(bytes.fromhex(found)) == 8
    assert hashes(n=pa.array([], pa.int64()), t=pa.array([], pa.string())) == []
