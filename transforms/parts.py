"""The parts that a policy is made of: exact numbers, texts in two languages, conditions, and scales.

A scale is a list of lines that each hold a part of the values of one indicator and say what it gives: a tier,
points, a level or a digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from transforms.conditions import Condition, spell_number

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


def _check_text(value: str) -> str:
    if not value.strip():
        raise ValueError("nothing stands here; write the text, or remove the language")
    return value


Localized = Annotated[dict[Literal["en", "zh"], Annotated[str, AfterValidator(_check_text)]], Field(min_length=1)]


def _exact(value: Any) -> Any:
    return Decimal(value) if type(value) is int else value


def _spell(value: Any) -> Any:
    return spell_number(value) if isinstance(value, Decimal) else value


Number = Annotated[
    Decimal,
    Field(max_digits=38, decimal_places=18),
    BeforeValidator(_exact),
    PlainSerializer(spell_number, when_used="json"),
]
Scalar = Annotated[str | bool | Decimal, BeforeValidator(_exact), PlainSerializer(_spell, when_used="json")]
Words = Annotated[str, PlainSerializer(lambda text: Condition(text).meaning, when_used="json")]
"""A condition; its spelling does not count when two policies are compared."""


def check_words(value: str | None) -> str | None:
    """Refuse a text that is no condition."""
    if value is not None:
        Condition(value)
    return value


class Part(BaseModel):
    """A part of a policy: every key known, every value of its own type, nothing changed later."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True, populate_by_name=True
    )


# Scales


@dataclass(frozen=True)
class Interval:
    """The numbers between two bounds; a bound that is None is open to that side."""

    low: Decimal | None = None
    holds_low: bool = True
    high: Decimal | None = None
    holds_high: bool = True

    def __contains__(self, value: Decimal) -> bool:
        above = self.low is None or value > self.low or (self.holds_low and value == self.low)
        below = self.high is None or value < self.high or (self.holds_high and value == self.high)
        return above and below

    def __str__(self) -> str:
        low = "(-∞" if self.low is None else f"{'[' if self.holds_low else '('}{spell_number(self.low)}"
        high = "∞)" if self.high is None else f"{spell_number(self.high)}{']' if self.holds_high else ')'}"
        return f"{low}, {high}"


class Line(Part):
    """One line of a scale: the values it holds, by bounds or by name; without either: all that are left."""

    at_least: Number | None = None
    above: Number | None = None
    at_most: Number | None = None
    below: Number | None = None
    is_: Scalar | None = Field(default=None, alias="is")
    in_: list[Scalar] | None = Field(default=None, alias="in", min_length=1)

    @model_validator(mode="after")
    def _is_one_kind(self) -> Line:
        if (self.at_least is not None and self.above is not None) or (
            self.at_most is not None and self.below is not None
        ):
            raise ValueError("say one lower bound (at_least or above) and one upper bound (at_most or below)")
        named = [self.is_ is not None, self.in_ is not None, self.stated != Interval()]
        if sum(named) > 1:
            raise ValueError("a line holds values by bounds, by `is` or by `in`, not by two of them")
        return self

    @property
    def stated(self) -> Interval:
        """The interval between the bounds the line states."""
        low = self.at_least if self.at_least is not None else self.above
        high = self.at_most if self.at_most is not None else self.below
        return Interval(low, self.above is None, high, self.below is None)

    @property
    def names(self) -> list[Any]:
        """The values the line names."""
        return [self.is_] if self.is_ is not None else list(self.in_ or [])

    @property
    def is_rest(self) -> bool:
        """Whether the line takes what is left."""
        return not self.names and self.stated == Interval()

    @property
    def result(self) -> Any:
        """What the line gives: its tier, points, level or digit, the one key that is not the scale's own."""
        return getattr(self, next(name for name in type(self).model_fields if name not in Line.model_fields))

    @property
    def words(self) -> str:
        """The line's condition in plain words; empty for the rest."""
        if self.names:
            return " or ".join(_plain(name) for name in self.names)
        known = {"at_least": ">=", "above": ">", "at_most": "<=", "below": "<"}
        stated = [(sign, getattr(self, name)) for name, sign in known.items() if getattr(self, name) is not None]
        return " and ".join(f"{sign} {spell_number(bound)}" for sign, bound in stated)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return spell_number(value) if isinstance(value, Decimal) else str(value)


class TierLine(Line):
    """Values that give a tier."""

    tier: str


class PointsLine(Line):
    """Values that give points."""

    points: Number


class LevelLine(Line):
    """Values that give a level of an axis."""

    level: str


class DigitLine(Line):
    """Values that give a digit of a code."""

    digit: Annotated[int, Field(ge=0, le=9)]


def check_scale(lines: list[Any]) -> list[Any]:
    """Refuse a scale that is none: no line, a rest that is not the last, names and bounds mixed."""
    if not lines:
        raise ValueError("a scale has at least one line")
    if any(line.is_rest for line in lines[:-1]):
        raise ValueError("only the last line takes what is left: give every other one a bound, `is` or `in`")
    if len({bool(line.names) for line in lines if not line.is_rest}) > 1:
        raise ValueError("a scale goes by bounds or by names, not by both")
    return lines


def intervals_of(lines: list[Any]) -> list[Interval]:
    """Return what every line but the rest holds, for a scale by bounds.

    Bounds that are all lower ones (or all upper ones) cut the numbers into neighbours, whatever their order:
    each line reaches to the next bound. As soon as one line states both sides or sides are mixed, every line
    holds just what it states; a scale can then have gaps and overlaps, which the linter finds.
    """
    stated = [line.stated for line in lines if not line.is_rest]
    if all(interval.high is None for interval in stated):
        return [
            _cut(interval, [o for o in stated if o.low is not None and o is not interval], upwards=True)
            for interval in stated
        ]
    if all(interval.low is None for interval in stated):
        return [
            _cut(interval, [o for o in stated if o.high is not None and o is not interval], upwards=False)
            for interval in stated
        ]
    return stated


def _cut(interval: Interval, others: list[Interval], *, upwards: bool) -> Interval:
    """Return the interval up to (or down to) the next bound among `others`."""
    if upwards:
        start = (interval.low, not interval.holds_low)
        nexts = [(o.low, not o.holds_low) for o in others if (o.low, not o.holds_low) > start]
        if not nexts:
            return interval
        high, is_open = min(nexts)
        return Interval(interval.low, interval.holds_low, high, is_open)
    start = (interval.high, interval.holds_high)
    nexts = [(o.high, o.holds_high) for o in others if (o.high, o.holds_high) < start]
    if not nexts:
        return interval
    low, is_closed = max(nexts)
    return Interval(low, not is_closed, interval.high, interval.holds_high)


def find_line(lines: list[Any], value: Any) -> Any:
    """Return the first line of a scale that holds `value`, or None: the model that decisions are held against."""
    held = lines_holding(lines, value)
    return held[0] if held else (lines[-1] if lines[-1].is_rest else None)


def lines_holding(lines: list[Any], value: Any) -> list[Any]:
    """Return every line of a scale that holds `value`, the rest left aside."""
    stated = [line for line in lines if not line.is_rest]
    if any(line.names for line in stated):
        return [line for line in stated if any(value == name and type(value) is type(name) for name in line.names)]
    return [line for line, interval in zip(stated, intervals_of(stated), strict=True) if value in interval]
