"""Conditions: exact at every bound, never true on a missing value, the same in pandas and in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transforms.conditions import Condition, ConditionError, spell_number

TYPES = {
    "rate": pa.decimal128(38, 18),
    "amount": pa.decimal128(38, 4),
    "orders": pa.int64(),
    "is_key": pa.bool_(),
    "region": pa.string(),
}


def a_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows of the types that measures have; what a row lacks is missing."""
    columns = {name: pa.array([row.get(name) for row in rows], kind) for name, kind in TYPES.items()}
    return pa.table({"row": pa.array(range(len(rows)), pa.int64()), **columns})


def a_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return a_table(rows).to_pandas(types_mapper=pd.ArrowDtype)


def holds(text: str, *rows: dict[str, Any]) -> list[bool]:
    return [bool(truth) for truth in Condition(text).holds(a_frame(list(rows)))]


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


BELOW, EXACTLY, ABOVE = Decimal("0.799999999999999999"), Decimal("0.8"), Decimal("0.800000000000000001")


@pytest.mark.parametrize(
    ("text", "below", "exactly", "above"),
    [
        ("rate >= 0.80", False, True, True),
        ("rate > 0.80", False, False, True),
        ("rate <= 0.80", True, True, False),
        ("rate < 0.80", True, False, False),
        ("rate = 0.80", False, True, False),
        ("rate == 0.8", False, True, False),
        ("rate <> 0.80", True, False, True),
        ("rate != 0.80", True, False, True),
        ("0.80 <= rate", False, True, True),
        ("rate between 0.80 and 1", False, True, True),
        ("rate between 0 and 0.80", True, True, False),
        ("rate between 0.80 and 0.80", False, True, False),
        ("rate not between 0.80 and 1", True, False, False),
        ("rate in (0.80, 3)", False, True, False),
        ("rate not in (0.80, 3)", True, False, True),
        ("not rate >= 0.80", True, False, False),
        ("rate > 0.799999999999999999", False, True, True),
    ],
)
def test_a_value_at_a_bound_is_on_the_stated_side(text: str, below: bool, exactly: bool, above: bool) -> None:
    rows = [{"rate": value} for value in (BELOW, EXACTLY, ABOVE)]
    assert holds(text, *rows) == [below, exactly, above]


@pytest.mark.parametrize(
    "text",
    [
        "rate >= 0.8", "rate < 0.8", "rate = 0.8", "rate <> 0.8", "0.8 > rate",
        "rate between 0 and 1", "rate not between 0 and 1", "rate in (0, 1)", "rate not in (0, 1)",
        "not rate >= 0.8", "not (rate >= 0.8)", "not not rate >= 0.8", "not rate = 0.8",
        "is_key", "not is_key", "is_key = true", "is_key <> true", "region = 'north'", "region <> 'north'",
        "rate >= amount", "rate >= 0.8 or is_key", "rate >= 0.8 or rate < 0.8", "rate >= 0.8 and true",
        "not (rate >= 0.8 and is_key)",
    ],
)  # fmt: skip
def test_a_comparison_with_a_missing_value_is_never_true_nor_is_its_negation(text: str) -> None:
    assert holds(text, {}) == [False]


def test_truth_is_three_valued() -> None:
    rows = [
        {"is_key": left, "region": "x" if right else "y"} for left in (True, False, None) for right in (True, False)
    ]
    rows = [*rows, {"is_key": True}, {"is_key": False}, {}]
    assert holds("is_key and region = 'x'", *rows) == [True, *[False] * 8]
    assert holds("is_key or region = 'x'", *rows) == [
        True,
        True,
        True,
        False,
        True,
        False,
        True,
        False,
        False,
    ]
    assert holds("not (is_key and region = 'x')", *rows) == [
        False,
        True,
        True,
        True,
        False,
        True,
        False,
        True,
        False,
    ]
    assert holds("not (is_key or region = 'x')", *rows) == [*[False] * 3, True, *[False] * 5]


@pytest.mark.parametrize(
    ("text", "known", "missing"),
    [
        ("rate is missing", False, True),
        ("rate is not missing", True, False),
        ("not rate is missing", True, False),
        ("not (rate is not missing)", False, True),
        ("RATE IS MISSING".replace("RATE", "rate"), False, True),
        ("rate  is   not  missing", True, False),
        ("rate is missing or rate >= 1", False, True),
        ("rate is not missing and rate < 1", True, False),
    ],
)
def test_missing_can_be_asked_for(text: str, known: bool, missing: bool) -> None:
    assert holds(text, {"rate": Decimal("0.5")}, {}) == [known, missing]


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("is_key", {"is_key": True}, True),
        ("is_key", {"is_key": False}, False),
        ("not is_key", {"is_key": False}, True),
        ("is_key = false", {"is_key": False}, True),
        ("true", {}, True),
        ("false", {}, False),
        ("orders >= 2", {"orders": 2}, True),
        ("orders > 1.5", {"orders": 2}, True),
        ("orders < -1", {"orders": -2}, True),
        ("rate > -10000000000.000000000000000001", {"rate": Decimal("-10000000000")}, True),
        ("rate > amount", {"rate": Decimal("0.1"), "amount": Decimal("0.0999")}, True),
        ("orders >= amount", {"orders": 2, "amount": Decimal("2.0001")}, False),
        ("rate between orders and amount", {"rate": Decimal(1), "orders": 1, "amount": Decimal(1)}, True),
        ("amount > 9007199254740993.54", {"amount": Decimal("9007199254740993.55")}, True),
        ("amount > 9007199254740993.55", {"amount": Decimal("9007199254740993.55")}, False),
        ("amount >= 0.000000000000000001", {"amount": Decimal("0.0001")}, True),
        ("amount < 99999999999999999999", {"amount": Decimal("99999999999999999998")}, True),
        ("region in ('north', 'it''s')", {"region": "it's"}, True),
        ("region = 'is missing'", {"region": "is missing"}, True),
        ("region = 'a == b -- c'", {"region": "a == b -- c"}, True),
        ("region = '北方'", {"region": "北方"}, True),
        ("is_key or orders >= 2 and rate >= 1", {"is_key": True}, True),
        ("(is_key or orders >= 2) and rate >= 1", {"is_key": True, "rate": Decimal("0.5")}, False),
        ("IS_KEY AND orders > 1".replace("IS_KEY", "is_key"), {"is_key": True, "orders": 2}, True),
    ],
)
def test_flags_numbers_and_texts(text: str, row: dict[str, Any], expected: bool) -> None:
    assert holds(text, row) == [expected]


def test_the_empty_frame_gives_an_empty_answer() -> None:
    for text in (
        "rate >= 0.8 and is_key",
        "rate between 0 and 1",
        "region in ('x')",
        "rate is missing",
        "true",
    ):
        assert Condition(text).holds(a_frame([])).tolist() == []
        assert Condition(text).holds(a_frame([])).dtype == bool


# ---- what is refused


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')", "__import__('os').system('id')", "exec('1')", "abs(rate) > 1",
        "lower(region) = 'x'", "count(*) > 1", "now() > 1", "coalesce(rate, 1) > 0",
        "rate.real > 1", "rate.__class__ = 1", "a.b.c > 1", "rate[1] > 1", "region->'x' = 1", "*", "rate.*",
        "exists (select 1)", "rate > (select 1)", "rate in (select 1)", "(select 1)", "select 1",
        "rate > any(select 1)", "rate > 1 union select 1",
        "rate + 1 > 2", "rate * 2 > 1", "rate > 1 + 1", "-rate > 1", "rate % 2 = 1", "rate || 'x' = 'y'",
        "rate ^ 2 > 1", "rate & 1 = 1", "~rate > 1", "@rate > 1",
        "rate > 1; drop table x", "rate > 1;", "; rate > 1", "rate > 1 -- or true", "rate > 1 /* or true */",
        "rate like 'x'", "region ~ 'x'", "region similar to 'x'", "rate::int > 1", "cast(rate as int) > 1",
        "case when is_key then true end", "if(is_key, true, false)", "is_key ? true : false", "lambda: 1",
        "rate is true", "is_key is not false", "rate is 5", "rate = null", "rate in (null)", "null",
        "rate between null and 1", "rate between symmetric 2 and 1", "rate is distinct from 1", "rate <=> 1",
        "rate in ()", "rate in amount", "rate in [1]", "(rate, 1) = (1, 1)",
        "0 < rate < 1", "rate = amount = 1", "1 = 1", "'a' = 'a'", "1 between 0 and 2", "5 is missing",
        "5", "'x'", "-5", "rate is missing is missing",
        "rate > 1e3", "rate > 5.", "rate > 0x1F", "rate > 1_000", "rate > 0.1234567890123456789",
        "rate > 123456789012345678901", "rate > nan()", "rate > $x", "rate > :x", "rate > ?", "rate > {x}",
        "", " ", "rate", "rate >", "> 1", "rate > 1 or", "and", "not", "is missing", "rate is", "(rate > 1",
        "rate > 1)", "rate > 1 rate < 2", "rate >= 'unclosed", "rate >> 1", "rate => 1", "x := 1", "\x00",
        "é(", "🙂", "率 > 1",
    ],
)  # fmt: skip
def test_what_is_not_in_the_language_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        Condition(text).holds(a_frame([{"rate": Decimal(1), "amount": Decimal(1)}]))
    if text != "rate":  # a number that stands as a flag is found out by its values
        with pytest.raises(ConditionError):
            Condition(text)


@pytest.mark.parametrize(
    "text",
    [
        "rate > 1" + " or rate > 1" * 200,
        "(" * 150 + "is_key" + ")" * 150,
        "(" * 900 + "is_key" + ")" * 900,
        "not " * 400 + "is_key",
        "is_key" + " and is_key" * 150,
        "rate in (" + ", ".join(["1"] * 900) + ")",
        "r" * 2001,
    ],
)
def test_what_is_very_long_or_deep_is_refused(text: str) -> None:
    with pytest.raises(ConditionError, match="split it into several rules"):
        Condition(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "lower(region) = 'x'",
            "'LOWER(region)' is not allowed in a comparison; a condition has only",
        ),
        ("rate >", "'rate >' is no condition; write for example: rate >= 0.80 and is_key"),
        ("a.b > 1", "'a.b': an indicator is one word"),
        ("rate > 1e3", "1e3 is no plain number of at most 20 digits and 18 decimals"),
        ("rate > 1 -- x", "a condition holds no comment; write it behind a # in the file"),
        ("1 = 1", "'1 = 1' compares no indicator"),
        ("5", "'5' is neither true nor false"),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ConditionError) as refused:
        Condition(text)
    assert message in str(refused.value)


@pytest.mark.parametrize("text", ["rate and is_key", "region > 5", "rate > 'x'", "is_key or region"])
def test_kinds_that_cannot_be_compared_are_refused_with_the_condition(text: str) -> None:
    with pytest.raises(ConditionError, match="mixes kinds"):
        Condition(text).holds(a_frame([{"rate": Decimal(1), "region": "x", "is_key": False}]))


@settings(max_examples=300)
@example("->")
@example("rate ->")
@given(st.text(max_size=40) | st.text("ratek_is()<>=0.1'\"-;, andornotbetweenmissing*/", max_size=40))
def test_any_text_is_either_a_condition_or_refused(text: str) -> None:
    try:
        condition = Condition(text)
    except ConditionError:
        return
    assert Condition(condition.meaning).meaning == condition.meaning


# ---- what it reads


def test_indicators_missing_and_bounds_are_listed() -> None:
    condition = Condition(
        "is_key and (rate >= 0.90 or rate < -0.5) and orders in (1, 2) and 5 < amount and other is missing"
    )
    assert set(condition.indicators) == {"is_key", "rate", "orders", "amount", "other"}
    assert condition.missing == {"other"}
    assert condition.bounds == {
        "is_key": set(),
        "rate": {Decimal("0.9"), Decimal("-0.5")},
        "orders": {Decimal(1), Decimal(2)},
        "amount": {Decimal(5)},
        "other": set(),
    }
    assert Condition("rate between 0.1 and 0.2").bounds == {"rate": {Decimal("0.1"), Decimal("0.2")}}


def test_the_texts_an_indicator_is_compared_with_are_listed() -> None:
    condition = Condition("region in ('north', 'it''s') and not (status = 'x' or 'y' <> status) and rate > 1")
    assert condition.texts == {"region": ["north", "it's"], "status": ["x", "y"], "rate": []}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rate >= 1.00", "rate>=1"),
        ("is_key  AND  rate >= 0.50", "is_key and rate >= 0.5"),
        ("rate == 1", "rate = 1.0"),
        ("rate != 1", "rate <> 1"),
        ("rate is not missing", "not rate is missing"),
        ("rate not in (1, 2.0)", "NOT rate IN (1,2)"),
        ("region = 'x'", "region='x'"),
    ],
)
def test_spelling_is_not_meaning(one: str, other: str) -> None:
    assert Condition(one).meaning == Condition(other).meaning


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rate >= 1", "rate > 1"),
        ("rate >= 1", "rate >= 1.01"),
        ("rate >= 1", "rate >= -1"),
        ("rate = 1", "region = '1'"),
        ("region = 'x'", "region = 'X'"),
        ("region = 'x '", "region = 'x'"),
        ("is_key and rate > 1 or orders > 1", "is_key and (rate > 1 or orders > 1)"),
        ("rate between 0 and 1", "rate between 1 and 0"),
        ("rate in (1, 2)", "rate in (1, 3)"),
        ("is_key", "not is_key"),
        ("rate is missing", "rate is not missing"),
        ("is_key = true", "is_key = false"),
        ("rate > 1", "amount > 1"),
        ("region in ('a', 'b')", "region in ('a'', ''b')"),
    ],
)
def test_another_condition_has_another_meaning(one: str, other: str) -> None:
    assert Condition(one).meaning != Condition(other).meaning


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1.00", "1"), ("0.80", "0.8"), ("100", "100"), ("-0.50", "-0.5"), ("-0.00", "0"), ("0", "0"),
        ("1E+2", "100"), ("0E-18", "0"),
        ("1234567890123456789012345678901.567", "1234567890123456789012345678901.567"),
    ],
)  # fmt: skip
def test_a_number_is_spelled_without_superfluous_zeros(number: str, text: str) -> None:
    assert spell_number(Decimal(number)) == text


# ---- the same as Python's decimals, and as SQL

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {">=": ge, ">": gt, "<=": le, "<": lt, "=": eq, "<>": ne}
NEAR = [Decimal(text) for text in ("0.8", "1", "0", "-1", "0.799999999999999999", "0.800000000000000001")]
RATES = st.sampled_from(NEAR) | st.decimals(-(10**15), 10**15, places=18)
AMOUNTS = st.sampled_from([Decimal("0.8"), Decimal(1)]) | st.decimals(-(10**15), 10**15, places=4)


@settings(max_examples=150)
@given(values=st.lists(RATES, min_size=1, max_size=30), bound=RATES, symbol=st.sampled_from(sorted(OPERATORS)))
def test_a_comparison_is_that_of_pythons_decimals(values: list[Decimal], bound: Decimal, symbol: str) -> None:
    values = [*values, bound]
    expected = [OPERATORS[symbol](value, bound) for value in values]
    assert holds(f"rate {symbol} {bound:f}", *({"rate": value} for value in values)) == expected


@settings(max_examples=100)
@given(values=st.lists(RATES, min_size=1, max_size=30), low=RATES, high=RATES)
def test_between_includes_both_ends(values: list[Decimal], low: Decimal, high: Decimal) -> None:
    values = [*values, low, high]
    rows = [{"rate": value} for value in values]
    assert holds(f"rate between {low:f} and {high:f}", *rows) == [low <= value <= high for value in values]
    assert holds(f"rate in ({low:f}, {high:f})", *rows) == [value in (low, high) for value in values]


def _numbers(values: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    return values.map(lambda value: f"{value:f}" if isinstance(value, Decimal) else str(value))


WITHIN, AMONG = st.sampled_from(["between", "not between"]), st.sampled_from(["in", "not in"])


def _comparisons(name: str, numbers: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    symbols = st.sampled_from([*OPERATORS, "==", "!="])
    return st.one_of(
        st.builds(lambda symbol, number: f"{name} {symbol} {number}", symbols, numbers),
        st.builds(lambda symbol, number: f"{number} {symbol} {name}", symbols, numbers),
        st.builds(lambda word, low, high: f"{name} {word} {low} and {high}", WITHIN, numbers, numbers),
        st.builds(
            lambda word, some: f"{name} {word} ({', '.join(some)})",
            AMONG,
            st.lists(numbers, min_size=1, max_size=3),
        ),
        st.sampled_from([f"{name} is missing", f"{name} is not missing"]),
    )  # fmt: skip


LEAVES = st.one_of(
    _comparisons("rate", _numbers(RATES)),
    _comparisons("amount", _numbers(AMOUNTS | RATES)),
    _comparisons("orders", _numbers(st.integers(-3, 3))),
    _comparisons("region", st.sampled_from(["'north'", "'it''s'", "''", "'is missing'"])),
    st.sampled_from(["is_key", "is_key = true", "is_key <> false", "is_key is missing", "true", "false"]),
    st.sampled_from(["rate >= amount", "orders < rate", "amount between orders and rate", "rate in (orders, 1)"]),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.builds(lambda one, word, other: f"({one}) {word} {other}", inner, st.sampled_from(["and", "or"]), inner),
    ),
    max_leaves=6,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "rate": st.none() | RATES,
            "amount": st.none() | AMOUNTS,
            "orders": st.none() | st.integers(-3, 3),
            "is_key": st.sampled_from([True, False, None]),
            "region": st.sampled_from(["north", "it's", "", "is missing", "NORTH", None]),
        }
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=100, deadline=None)
@given(text=CONDITIONS, rows=ROWS)
def test_sql_and_pandas_agree(database: duckdb.DuckDBPyConnection, text: str, rows: list[dict[str, Any]]) -> None:
    condition = Condition(text)
    database.register("rows", a_table(rows).rename_columns(["row", *(f"{name}__ever" for name in TYPES)]))
    written = condition.sql({name: f"{name}__ever" for name in TYPES})
    found = [truth for (truth,) in database.execute(f'SELECT {written} FROM "rows" ORDER BY "row"').fetchall()]
    assert found == [bool(truth) for truth in condition.holds(a_frame(rows))]
    assert holds(condition.meaning, *rows) == found


def test_sql_renames_a_bare_flag_and_leaves_the_condition_alone() -> None:
    condition = Condition("is_key")
    assert condition.sql({"is_key": "is_key__ever"}) == "COALESCE(is_key__ever, FALSE)"
    assert condition.sql() == "COALESCE(is_key, FALSE)"
