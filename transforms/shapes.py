"""The shapes a decision can have, as a policy writes them: models only, the decision itself is `transforms.decide`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from transforms.conditions import Condition, spell_number
from transforms.parts import (
    DigitLine,
    Interval,
    LevelLine,
    Localized,
    Name,
    Number,
    Part,
    PointsLine,
    Scalar,
    TierLine,
    Words,
    check_scale,
    check_words,
    find_line,
)


def _tiers(lines: list[Any]) -> list[str]:
    return list(dict.fromkeys(line.tier for line in lines))


def _rule(subject: str, lines: list[Any], tier: str) -> str:
    parts = []
    for line in lines:
        if line.tier == tier:
            joint = " = " if line.names else " "
            parts.append("everybody else" if line.is_rest else f"{subject}{joint}{line.words}")
    return " or ".join(parts)


class Scaled(Part, ABC):
    """A scale gives the tier."""

    tiers: list[TierLine]

    _scale = field_validator("tiers")(check_scale)

    @property
    @abstractmethod
    def scaled(self) -> str:
        """What the scale is on, as its rules say it."""

    @property
    def tiers_given(self) -> list[str]:
        """The tiers it can give."""
        return _tiers(self.tiers)

    def rule_of(self, tier: str) -> str:
        """When it gives a tier."""
        return _rule(self.scaled, self.tiers, tier)


class Bands(Scaled):
    """A scale on one indicator gives the tier (S56)."""

    of: Name

    @property
    def scaled(self) -> str:
        """The indicator."""
        return self.of

    @property
    def indicators(self) -> list[str]:
        """The indicator."""
        return [self.of]


class Points(Part):
    """What an indicator contributes: points by a scale, or its own value as points; times a weight."""

    scale: list[PointsLine] | None = None
    as_is: Literal[True] | None = None
    weight: Annotated[Number, Field(gt=0, decimal_places=8)] = Decimal(1)

    @model_validator(mode="after")
    def _is_one_kind(self) -> Points:
        if (self.scale is None) == (self.as_is is None):
            raise ValueError("points come from a scale, or the value is taken as it is (as_is: true)")
        if self.scale is not None:
            check_scale(self.scale)
        return self


class Scorecard(Scaled):
    """Points are added up; a scale on the sum gives the tier (S13, S23)."""

    points: Annotated[dict[Name, Points], Field(min_length=1)]
    round: Annotated[int, Field(ge=0, le=4)] | None = None

    @property
    def scaled(self) -> str:
        """The sum."""
        return "score"

    @property
    def indicators(self) -> list[str]:
        """The indicators that give points."""
        return list(self.points)


class Axis(Part):
    """One side of a matrix: an indicator and its levels, best first."""

    of: Name
    levels: list[LevelLine]

    _scale = field_validator("levels")(check_scale)

    @property
    def names(self) -> list[str]:
        """The levels, each once."""
        return list(dict.fromkeys(line.level for line in self.levels))


class Matrix(Part):
    """Two axes meet in a cell, which is a tier, or a score that a scale turns into one (S1, S2, S49)."""

    rows: Axis
    columns: Axis
    cells: dict[str, list[Scalar]]
    tiers: list[TierLine] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Matrix:
        if list(self.cells) != self.rows.names:
            raise ValueError(f"cells: one list per level of the rows, in their order: {', '.join(self.rows.names)}")
        for level, cells in self.cells.items():
            if len(cells) != len(self.columns.names):
                raise ValueError(f"cells.{level}: one cell per level of the columns: {', '.join(self.columns.names)}")
            if any(isinstance(cell, Decimal) != (self.tiers is not None) for cell in cells):
                raise ValueError(f"cells.{level}: cells are tiers, or all numbers with `tiers` to turn them into tiers")
        if self.tiers is not None:
            check_scale(self.tiers)
        return self

    def code_at(self, row: str, column: str) -> str:
        """Return the code of a cell: A1 where all levels are single signs, else high/strong."""
        is_short = all(len(name) == 1 for name in [*self.rows.names, *self.columns.names])
        return f"{row}{column}" if is_short else f"{row}/{column}"

    def tier_at(self, row: str, column: str) -> str | None:
        """Return the tier of a cell; None where no line of the scale holds its score."""
        cell = self.cells[row][self.columns.names.index(column)]
        if self.tiers is None:
            return str(cell)
        line = find_line(self.tiers, cell)
        return line.tier if line else None

    @property
    def tiers_given(self) -> list[str]:
        """The tiers it can give."""
        found = [self.tier_at(row, column) for row in self.rows.names for column in self.columns.names]
        named = _tiers(self.tiers) if self.tiers else []
        return list(dict.fromkeys([*named, *(tier for tier in found if tier is not None)]))

    @property
    def indicators(self) -> list[str]:
        """The two axes."""
        return [self.rows.of, self.columns.of]

    def rule_of(self, tier: str) -> str:
        """When it gives a tier."""
        cells = [
            f"{self.rows.of} {row} with {self.columns.of} {column}"
            for row in self.rows.names
            for column in self.columns.names
            if self.tier_at(row, column) == tier
        ]
        return " or ".join(cells)


class Share(Part):
    """A tier and its part of the accounts, in percent."""

    tier: str
    percent: Annotated[Number, Field(gt=0)]


class TopShare(Part):
    """Tiers by position: the first so many percent of the graded accounts, cumulated and rounded half up (S20)."""

    rank: Name
    of: Name
    shares: list[Share]

    @model_validator(mode="after")
    def _is_whole(self) -> TopShare:
        if sum(share.percent for share in self.shares) != 100:
            raise ValueError("shares: the percentages must add up to 100")
        return self

    @property
    def tiers_given(self) -> list[str]:
        """The tiers it can give."""
        return _tiers(self.shares)

    @property
    def indicators(self) -> list[str]:
        """Position and count."""
        return [self.rank, self.of]

    def cuts(self, count: int) -> list[int]:
        """Return the last position of every tier among `count` accounts."""
        cuts, cumulated = [], Decimal(0)
        for share in self.shares:
            cumulated += share.percent
            numerator, denominator = (cumulated / 100).as_integer_ratio()
            cuts.append((2 * numerator * count + denominator) // (2 * denominator))
        return cuts

    def rule_of(self, tier: str) -> str:
        """When it gives a tier."""
        return " and ".join(
            f"the next {spell_number(part.percent)} % by {self.rank}" for part in self.shares if part.tier == tier
        )


class First(Part):
    """A tier and its last position; without it: everybody who is left."""

    tier: str
    first: Annotated[int, Field(gt=0)] | None = None


class TopN(Part):
    """Tiers by position: the first so many accounts (S60's key customers)."""

    rank: Name
    tiers: list[First]

    @model_validator(mode="after")
    def _rises(self) -> TopN:
        if not self.tiers or any(part.first is None for part in self.tiers[:-1]):
            raise ValueError("tiers: every tier but the last says `first`, its last position")
        return self

    @property
    def tiers_given(self) -> list[str]:
        """The tiers it can give."""
        return _tiers(self.tiers)

    @property
    def indicators(self) -> list[str]:
        """The position."""
        return [self.rank]

    def rule_of(self, tier: str) -> str:
        """When it gives a tier."""
        return " or ".join(
            "everybody else" if part.first is None else f"{self.rank} <= {part.first}"
            for part in self.tiers
            if part.tier == tier
        )


class Ratio(Bands):
    """A ratio with a red line: below it one tier, at and above it a scale."""

    red_line: Number
    below: str

    @property
    def tiers_given(self) -> list[str]:
        """The tiers it can give."""
        return list(dict.fromkeys([*super().tiers_given, self.below]))

    def rule_of(self, tier: str) -> str:
        """When it gives a tier."""
        line = spell_number(self.red_line)
        parts = [super().rule_of(tier).replace("everybody else", f"{self.of} >= {line}")]
        return " or ".join(part for part in [*parts, f"{self.of} < {line}" if tier == self.below else ""] if part)


class Lowest(Part):
    """Every indicator gives a tier; the worst of them counts. Auxiliary ones are shown and do not count (S39)."""

    of: Annotated[dict[Name, list[TierLine]], Field(min_length=1)]
    auxiliary: dict[Name, list[TierLine]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _are_scales(self) -> Lowest:
        for lines in [*self.of.values(), *self.auxiliary.values()]:
            check_scale(lines)
        return self

    @property
    def tiers_given(self) -> list[str]:
        """The tiers it can give."""
        return list(dict.fromkeys(tier for lines in self.of.values() for tier in _tiers(lines)))

    @property
    def indicators(self) -> list[str]:
        """The indicators that count."""
        return list(self.of)

    def rule_of(self, tier: str) -> str:
        """When it gives a tier."""
        return f"the lowest of {', '.join(self.of)} is {tier}"


class Rule(Part):
    """A tier and the condition under which it is given; without a condition: everybody who is left."""

    tier: str
    when: Words | None = None
    because: Localized | None = None

    _parses = field_validator("when")(check_words)

    @cached_property
    def condition(self) -> Condition | None:
        """The parsed condition."""
        return Condition(self.when) if self.when is not None else None


class Rules(Part):
    """A list of rules; the first that holds counts. `exclusive`: they must exclude one another (S8, S38)."""

    of: list[Rule]
    exclusive: bool = False

    @field_validator("of")
    @classmethod
    def _only_the_last_takes_the_rest(cls, rules: list[Rule]) -> list[Rule]:
        if not rules or any(rule.when is None for rule in rules[:-1]):
            raise ValueError("only the last rule may have no condition; it takes everybody who is left")
        return rules

    @property
    def tiers_given(self) -> list[str]:
        """The tiers it can give."""
        return _tiers(self.of)

    @property
    def indicators(self) -> list[str]:
        """The indicators that the conditions read."""
        names = [name for rule in self.of if rule.condition for name in rule.condition.indicators]
        return list(dict.fromkeys(names))

    @property
    def asked_missing(self) -> set[str]:
        """The indicators of which a rule asks whether they are missing."""
        return {name for rule in self.of if rule.condition for name in rule.condition.missing}

    def rule_of(self, tier: str) -> str:
        """When it gives a tier."""
        return " or ".join(rule.when or "everybody else" for rule in self.of if rule.tier == tier)


class Half(Part):
    """One side of a quadrant: high from a bound on."""

    of: Name
    at_least: Number | None = None
    above: Number | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Half:
        if (self.at_least is None) == (self.above is None):
            raise ValueError("say where high begins: at_least or above")
        return self

    @property
    def bound(self) -> Interval:
        """The high half."""
        return Interval(self.at_least if self.at_least is not None else self.above, self.above is None)


class Quarters(Part):
    """The tier of each quarter; the first word is the side x, the second y."""

    high_high: str
    high_low: str
    low_high: str
    low_low: str


class Quadrant(Part):
    """Two indicators, each high or low (S29, S69)."""

    x: Half
    y: Half
    tiers: Quarters

    @property
    def tiers_given(self) -> list[str]:
        """The tiers it can give."""
        return list(dict.fromkeys(self.tiers.model_dump().values()))

    @property
    def indicators(self) -> list[str]:
        """The two sides."""
        return [self.x.of, self.y.of]

    def rule_of(self, tier: str) -> str:
        """When it gives a tier."""
        quarters = [name.split("_") for name, given in self.tiers.model_dump().items() if given == tier]
        return " or ".join(f"{x} {self.x.of} with {y} {self.y.of}" for x, y in quarters)


class Digit(Part):
    """One digit of a composite code: a scale on an indicator, or the indicator's own value."""

    of: Name
    scale: list[DigitLine] | None = None

    @field_validator("scale")
    @classmethod
    def _is_scale(cls, lines: list[DigitLine] | None) -> list[DigitLine] | None:
        return check_scale(lines) if lines is not None else None


class DigitRange(Part):
    """The digits from … to, both included."""

    from_: Annotated[int, Field(ge=0, le=9, alias="from")]
    to: Annotated[int, Field(ge=0, le=9)]


class Segment(Part):
    """A tier for codes: listed, or by a range per digit; without either: all codes that are left."""

    tier: str
    codes: list[str] | None = None
    digits: dict[Name, DigitRange] | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Segment:
        if self.codes is not None and self.digits is not None:
            raise ValueError("a segment lists codes or gives ranges of digits, not both")
        return self

    @property
    def is_rest(self) -> bool:
        """Whether the segment takes what is left."""
        return self.codes is None and self.digits is None

    def holds(self, names: list[str], code: str) -> bool:
        """Whether the segment holds a code whose digits belong to `names`."""
        if self.codes is not None:
            return code in self.codes
        ranges = self.digits or {}
        return all(
            ranges[name].from_ <= int(digit) <= ranges[name].to
            for name, digit in zip(names, code, strict=True)
            if name in ranges
        )


class Composite(Part):
    """Digits joined to a code such as 555; the tier comes from their sum, or from segments of codes (S10, S64)."""

    digits: Annotated[list[Digit], Field(min_length=1)]
    tiers: list[TierLine] | None = None
    segments: list[Segment] | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Composite:
        if (self.tiers is None) == (self.segments is None):
            raise ValueError("tiers come from the sum of the digits (`tiers`) or from the code (`segments`)")
        if self.tiers is not None:
            check_scale(self.tiers)
        if self.segments is not None:
            if any(segment.is_rest for segment in self.segments[:-1]):
                raise ValueError("segments: only the last one takes the codes that are left")
            for segment in self.segments:
                unknown = set(segment.digits or {}) - set(self.indicators)
                if unknown:
                    raise ValueError(f"segments: {', '.join(sorted(unknown))} is no digit of the code")
        return self

    @property
    def tiers_given(self) -> list[str]:
        """The tiers it can give."""
        return _tiers(self.tiers if self.tiers is not None else self.segments or [])

    @property
    def indicators(self) -> list[str]:
        """The digits."""
        return [digit.of for digit in self.digits]

    def tier_of(self, code: str) -> str | None:
        """Return the tier of a code; None where nothing holds it."""
        if self.tiers is not None:
            line = find_line(self.tiers, Decimal(sum(map(int, code))))
            return line.tier if line else None
        held = (segment.tier for segment in self.segments or [] if segment.holds(self.indicators, code))
        return next(held, None)

    def rule_of(self, tier: str) -> str:
        """When it gives a tier."""
        if self.tiers is not None:
            return _rule("score", self.tiers, tier)
        parts = []
        for segment in self.segments or []:
            if segment.tier != tier:
                continue
            if segment.codes is not None:
                parts.append(f"code in {', '.join(segment.codes)}")
            elif segment.digits is not None:
                parts.append(" and ".join(f"{n} {r.from_} to {r.to}" for n, r in segment.digits.items()))
            else:
                parts.append("everybody else")
        return " or ".join(parts)


class Assessed(Bands):
    """People grade, with evidence; each grade is a tier (S35)."""


class Decide(Part):
    """How tiers are decided: exactly one shape."""

    bands: Bands | None = None
    scorecard: Scorecard | None = None
    matrix: Matrix | None = None
    top_share: TopShare | None = None
    top_n: TopN | None = None
    ratio: Ratio | None = None
    lowest: Lowest | None = None
    rules: Rules | None = None
    quadrant: Quadrant | None = None
    composite: Composite | None = None
    assessed: Assessed | None = None

    @field_validator("rules", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"of": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _is_one_shape(self) -> Decide:
        if len(self.shapes) != 1:
            raise ValueError("decide has exactly one of: " + ", ".join(type(self).model_fields))
        return self

    @property
    def shapes(self) -> list[str]:
        """The shapes that are given."""
        return [name for name in type(self).model_fields if getattr(self, name) is not None]

    @property
    def shape(self) -> Any:
        """The shape."""
        return getattr(self, self.shapes[0])

    @property
    def tiers(self) -> list[str]:
        """The tiers the shape can give."""
        return list(self.shape.tiers_given)

    @property
    def indicators(self) -> list[str]:
        """The indicators that decide."""
        return list(dict.fromkeys(self.shape.indicators))
