"""Conditions: comparisons over declared indicators, parsed by SQLGlot, decided in pandas or written as SQL.

Allowed are comparison, `and`, `or`, `not`, `in`, `between`, `is missing`, `is not missing`, indicators,
numbers, texts in single quotes and `true`/`false`. A comparison with a missing value is never true.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

_COMPARISONS: dict[type[exp.Expression], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
}
_MISSING = re.compile(r"\bis\s+(not\s+)?missing\b", re.IGNORECASE)
_QUOTED = re.compile(r"('(?:[^']|'')*')")
_ELSEWHERE = re.compile(r"[;\[\]]|\b[0-9]+_")
_LANGUAGE = "a condition has only comparisons, and, or, not, in, between, is missing"
MAXIMUM_LENGTH = 2000
MAXIMUM_DEPTH = 100


class ConditionError(ValueError):
    """A condition that is not in the language; the message says what is wrong."""


class ConditionWords(Protocol):
    """How a reader's language says the parts of a condition; a `title` is an indicator's."""

    def both(self, left: str, right: str) -> str:
        """Say that both hold."""

    def either(self, left: str, right: str) -> str:
        """Say that one of them holds."""

    def negated(self, part: str) -> str:
        """Say that it does not hold."""

    def enclosed(self, part: str) -> str:
        """Keep a part together."""

    def missing(self, title: str) -> str:
        """Say that there is no value."""

    def known(self, title: str) -> str:
        """Say that there is a value."""

    def between(self, title: str, low: str, high: str) -> str:
        """Say that a value lies between two others, both included."""

    def one_of(self, title: str, values: list[str]) -> str:
        """Say that a value is one of several."""

    def named(self, title: str, value: str, *, is_it: bool) -> str:
        """Say that a text or a flag has a value, or has not."""

    def compared(self, title: str, sign: str, value: str) -> str:
        """Say how a number stands to another; `sign` is =, <>, >, >=, < or <=."""

    def value(self, indicator: str, value: Decimal | str | bool) -> str:
        """Say a value that an indicator is compared with."""


UNREADABLE = (SqlglotError, TypeError, AttributeError)
"""What SQLGlot raises at a text it cannot read: where an operand is lacking it may find the wrong type first."""


class Condition:
    """One parsed condition."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAXIMUM_LENGTH:
            raise ConditionError(f"longer than {MAXIMUM_LENGTH} characters; split it into several rules")
        try:
            tree: Any = sqlglot.parse_one(_as_sql(text), read="duckdb")
        except UNREADABLE:
            raise ConditionError(f"{text!r} is no condition; write for example: rate >= 0.80 and is_key") from None
        except RecursionError:
            raise ConditionError("nested too deeply; split it into several rules") from None
        quoted = next((node for node in tree.find_all(exp.Identifier) if node.quoted), None)
        if quoted is not None:
            raise ConditionError(f"a text stands in single quotes: '{quoted.name}'")
        _check_truth(tree, 0)
        self._tree = tree

    @property
    def indicators(self) -> tuple[str, ...]:
        """The indicators the condition reads, in order of first mention."""
        return tuple(dict.fromkeys(column.name for column in self._tree.find_all(exp.Column)))

    @property
    def missing(self) -> frozenset[str]:
        """The indicators it asks whether they are missing."""
        return frozenset(node.this.unnest().name for node in self._tree.find_all(exp.Is))

    @property
    def bounds(self) -> dict[str, set[Decimal]]:
        """The numbers each indicator is compared with."""
        found: dict[str, set[Decimal]] = {name: set() for name in self.indicators}
        for node in self._tree.find_all(*_COMPARISONS, exp.Between, exp.In):
            column = node.find(exp.Column)
            if column is not None:
                literals = (literal for literal in node.find_all(exp.Literal) if not literal.is_string)
                found[column.name].update(_signed(literal) for literal in literals)
        return found

    def ends_at(self, indicator: str) -> int | None:
        """Return the whole number from which on no comparison asks for less of an indicator; None: none does."""
        ends = []
        for node in self._tree.find_all(exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between):
            if isinstance(node, exp.Between):
                left, right, sign = node.this.unnest(), node.args["high"].unnest(), "<="
            else:
                left, right, sign = node.this.unnest(), node.expression.unnest(), _COMPARISONS[type(node)]
                if not isinstance(left, exp.Column):
                    left, right, sign = right, left, _TURNED[sign]
            if not (isinstance(left, exp.Column) and left.name == indicator and sign in ("<", "<=")):
                continue
            if isinstance(right, exp.Literal) and not right.is_string:
                bound = _number(right)
                ends.append(math.ceil(bound) if sign == "<" else math.floor(bound) + 1)
        return max(ends, default=None)

    @property
    def texts(self) -> dict[str, list[str]]:
        """The texts each indicator is compared with."""
        found: dict[str, list[str]] = {name: [] for name in self.indicators}
        for node in self._tree.find_all(*_COMPARISONS, exp.In):
            column = node.find(exp.Column)
            if column is not None:
                found[column.name] += [literal.name for literal in node.find_all(exp.Literal) if literal.is_string]
        return found

    def sql(self, rename: dict[str, str] | None = None) -> str:
        """Return the condition in DuckDB's dialect, indicators renamed to columns; never NULL."""
        names = rename or {}

        def renamed(node: Any) -> exp.Expression:
            return exp.column(names.get(node.name, node.name)) if isinstance(node, exp.Column) else node

        return f"COALESCE({self._tree.transform(renamed).sql(dialect='duckdb')}, FALSE)"

    @property
    def meaning(self) -> str:
        """The condition in one spelling: spaces, letter case of words and zeros at the end do not count."""
        return _spell(self._tree)

    def spelled(self, titles: Mapping[str, str], words: ConditionWords) -> str:
        """Return the condition in a reader's words, with titles for the names of indicators."""
        return _say(self._tree, titles, words)

    def holds(self, frame: Any) -> Any:
        """Return for every row of `frame` (one column per indicator) whether the condition is true.

        A bool array. Raises ConditionError where a number is compared with a text, or stands as a flag.
        """
        try:
            return _truth(self._tree, frame).fillna(False).to_numpy(dtype=bool)
        except (TypeError, NotImplementedError):
            raise ConditionError(
                f"{self.text!r} mixes kinds: compare number with number, text with text, flag with flag"
            ) from None


def spell_number(number: Decimal) -> str:
    """Return a number in digits, without superfluous zeros."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0") else text


def _as_sql(text: str) -> str:
    """Return `text` in SQL's spelling; quoted texts stay as they are."""
    parts = _QUOTED.split(text)
    for place in range(0, len(parts), 2):
        if "--" in parts[place] or "/*" in parts[place]:
            raise ConditionError(f"{text!r}: a condition holds no comment; write it behind a # in the file")
        if _ELSEWHERE.search(parts[place]):
            raise ConditionError(f"{text!r}: write numbers as 1000, a list as (1, 2), and nothing behind a ;")
        spelled = parts[place].replace("==", "=")
        parts[place] = _MISSING.sub(lambda match: f"IS {match[1] or ''}NULL", spelled)
    return "".join(parts)


def _spell(node: Any) -> str:
    """Return the condition in the language's own words, in one spelling."""
    if isinstance(node, exp.Paren):
        return f"({_spell(node.this)})"
    if isinstance(node, exp.Not):
        return f"not {_spell(node.this)}"
    if isinstance(node, exp.And | exp.Or):
        word = "and" if isinstance(node, exp.And) else "or"
        return f"{_spell(node.this)} {word} {_spell(node.expression)}"
    if isinstance(node, exp.Is):
        return f"{_spell(node.this)} is missing"
    if isinstance(node, exp.Between):
        return f"{_spell(node.this)} between {_spell(node.args['low'])} and {_spell(node.args['high'])}"
    if isinstance(node, exp.In):
        return f"{_spell(node.this)} in ({', '.join(map(_spell, node.expressions))})"
    if type(node) in _COMPARISONS:
        return f"{_spell(node.this)} {_COMPARISONS[type(node)]} {_spell(node.expression)}"
    if isinstance(node, exp.Neg):
        return f"-{_spell(node.this)}"
    if isinstance(node, exp.Boolean):
        return "true" if node.this else "false"
    if isinstance(node, exp.Literal) and node.is_string:
        return "'" + node.name.replace("'", "''") + "'"
    return spell_number(_number(node)) if isinstance(node, exp.Literal) else node.name


_TURNED = {"=": "=", "<>": "<>", ">": "<", ">=": "<=", "<": ">", "<=": ">="}


def _say(node: Any, titles: Mapping[str, str], words: ConditionWords) -> str:
    """Return what is true or false, in a reader's words."""
    if isinstance(node, exp.Paren):
        return words.enclosed(_say(node.this, titles, words))
    if isinstance(node, exp.And | exp.Or):
        join = words.both if isinstance(node, exp.And) else words.either
        return join(_say(node.this, titles, words), _say(node.expression, titles, words))
    if isinstance(node, exp.Not):
        if isinstance(node.this, exp.Is):
            return words.known(titles[node.this.this.unnest().name])
        inner = _say(node.this, titles, words)
        return words.negated(inner if isinstance(node.this, exp.Paren | exp.Column) else words.enclosed(inner))
    if isinstance(node, exp.Is):
        return words.missing(titles[node.this.unnest().name])
    if isinstance(node, exp.Column):
        return titles[node.name]
    if isinstance(node, exp.Boolean):
        return words.value("", bool(node.this))
    return _say_comparison(node, titles, words)


def _say_comparison(node: Any, titles: Mapping[str, str], words: ConditionWords) -> str:
    indicator = node.find(exp.Column).name

    def said(value: Any) -> str:
        inner = value.unnest()
        return titles[inner.name] if isinstance(inner, exp.Column) else words.value(indicator, _value(inner, None))

    if isinstance(node, exp.Between):
        return words.between(said(node.this), said(node.args["low"]), said(node.args["high"]))
    if isinstance(node, exp.In):
        return words.one_of(said(node.this), [said(option) for option in node.expressions])
    left, right, sign = node.this.unnest(), node.expression.unnest(), _COMPARISONS[type(node)]
    if not isinstance(left, exp.Column):
        left, right, sign = right, left, _TURNED[sign]
    if sign in ("=", "<>") and (isinstance(right, exp.Boolean) or right.is_string):
        return words.named(said(left), said(right), is_it=sign == "=")
    return words.compared(said(left), sign, said(right))


def _check_truth(node: Any, depth: int) -> None:
    """Refuse what is not true or false."""
    if depth > MAXIMUM_DEPTH:
        raise ConditionError("nested too deeply; split it into several rules")
    if isinstance(node, exp.Paren | exp.Not):
        _check_truth(node.this, depth + 1)
    elif isinstance(node, exp.And | exp.Or):
        _check_truth(node.this, depth + 1)
        _check_truth(node.expression, depth + 1)
    elif isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        if not isinstance(node.this.unnest(), exp.Column):
            raise ConditionError(f"{node.this.sql()!r}: only an indicator can be missing")
        _check_value(node.this)
    elif isinstance(node, exp.Between) and not node.args.get("symmetric"):
        _check_compared(node, [node.this, node.args["low"], node.args["high"]])
    elif isinstance(node, exp.In) and node.expressions:
        _check_compared(node, [node.this, *node.expressions])
    elif type(node) in _COMPARISONS:
        _check_compared(node, [node.this, node.expression])
    elif isinstance(node, exp.Column):
        _check_value(node)
    elif not isinstance(node, exp.Boolean):
        shown = "" if node is None else node.sql()
        raise ConditionError(f"{shown!r} is neither true nor false; {_LANGUAGE}")


def _check_compared(node: Any, values: list[exp.Expression]) -> None:
    for value in values:
        _check_value(value)
    if not any(isinstance(value.unnest(), exp.Column) for value in values):
        raise ConditionError(f"{node.sql()!r} compares no indicator")


def _check_value(node: Any) -> None:
    """Refuse what is no indicator, number, text, true or false."""
    inner = node.unnest()
    if isinstance(inner, exp.Column):
        if inner.table or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", inner.name):
            raise ConditionError(f"{inner.sql()!r}: an indicator is one word")
    elif isinstance(inner, exp.Neg) and isinstance(inner.this, exp.Literal) and not inner.this.is_string:
        _number(inner.this)
    elif isinstance(inner, exp.Literal):
        if not inner.is_string:
            _number(inner)
    elif not isinstance(inner, exp.Boolean):
        raise ConditionError(f"{inner.sql()!r} is not allowed in a comparison; {_LANGUAGE}")


def _number(literal: exp.Expression) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,18})?", literal.name):
        raise ConditionError(f"{literal.name[:50]} is no plain number of at most 20 digits and 18 decimals")
    return Decimal(literal.name)


def _signed(literal: exp.Expression) -> Decimal:
    """Return the number with its sign; `-number` would round it to the 28 digits of Python's context."""
    number = _number(literal)
    return number.copy_negate() if isinstance(literal.parent, exp.Neg) else number


def _value(node: Any, frame: Any) -> Any:
    if isinstance(node, exp.Paren):
        return _value(node.this, frame)
    if isinstance(node, exp.Column):
        return frame[node.name]
    if isinstance(node, exp.Neg):
        return _signed(node.this)
    if isinstance(node, exp.Literal):
        return node.name if node.is_string else _number(node)
    return bool(node.this)


def _truth(node: Any, frame: Any) -> Any:
    """Return the three-valued truth of `node` per row: true, false, or missing."""
    import pandas as pd
    import pyarrow as pa

    boolean = pd.ArrowDtype(pa.bool_())
    if isinstance(node, exp.Paren):
        return _truth(node.this, frame)
    if isinstance(node, exp.And):
        return _truth(node.this, frame) & _truth(node.expression, frame)
    if isinstance(node, exp.Or):
        return _truth(node.this, frame) | _truth(node.expression, frame)
    if isinstance(node, exp.Not):
        return ~_truth(node.this, frame)
    if isinstance(node, exp.Column):
        return _boolean(frame[node.name])
    if isinstance(node, exp.Boolean):
        return pd.Series(bool(node.this), index=frame.index, dtype=boolean)
    if isinstance(node, exp.Is):
        return _boolean(_value(node.this, frame).isna())
    if isinstance(node, exp.Between):
        lower, low = _comparable(_value(node.this, frame), _value(node.args["low"], frame))
        upper, high = _comparable(_value(node.this, frame), _value(node.args["high"], frame))
        return _boolean(lower >= low) & _boolean(upper <= high)
    if isinstance(node, exp.In):
        value = _value(node.this, frame)
        found = pd.Series(False, index=frame.index, dtype=boolean)
        for option in node.expressions:
            left, right = _comparable(value, _value(option, frame))
            found = found | _boolean(left == right)
        return found
    left, right = _comparable(_value(node.this, frame), _value(node.expression, frame))
    compare: dict[Any, Any] = {
        exp.EQ: lambda: left == right, exp.NEQ: lambda: left != right, exp.GT: lambda: left > right,
        exp.GTE: lambda: left >= right, exp.LT: lambda: left < right, exp.LTE: lambda: left <= right,
    }  # fmt: skip
    return _boolean(compare[type(node)]())


def _comparable(left: Any, right: Any) -> tuple[Any, Any]:
    """Return two columns of numbers in one type that holds both: Arrow does not widen decimals by itself."""
    import pandas as pd
    import pyarrow as pa

    both = [getattr(getattr(side, "dtype", None), "pyarrow_dtype", None) for side in (left, right)]
    if both[0] == both[1] or not all(kind is not None and _is_number(kind) for kind in both):
        return left, right
    wide = pd.ArrowDtype(pa.decimal256(76, 18))
    return left.astype(wide), right.astype(wide)


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_decimal(kind) or pa.types.is_integer(kind))


def _boolean(series: Any) -> Any:
    """Return truths as Arrow's, in which `&` and `|` know what is missing. Raises TypeError on anything else."""
    import pandas as pd
    import pyarrow as pa

    kind = getattr(series.dtype, "pyarrow_dtype", None)
    if kind is not None and pa.types.is_boolean(kind):
        return series
    if series.dtype == bool or (kind is not None and pa.types.is_null(kind)):
        return series.astype(pd.ArrowDtype(pa.bool_()))
    raise TypeError(f"{series.dtype} is no truth")
