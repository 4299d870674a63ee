"""A decision in the reader's words: what each figure was given, and how the rules of a policy led to the tier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from reports.policy_words import SCORE, PolicyWords, Value, reach_of
from reports.text import clean_text
from transforms.changes import STORED, restore_indicators
from transforms.columns import array_of
from transforms.conditions import Condition
from transforms.decide import Found, find
from transforms.parts import Interval, find_line
from transforms.policy import Policy
from transforms.shapes import Axis, Bands, Composite, Lowest, Matrix, Quadrant, Ratio, Rules, Scorecard, TopN, TopShare

Mark = Literal["", "held", "failed", "head"]


@dataclass(frozen=True)
class Row:
    """Cells side by side, or one sentence. `held` and `failed` mark conditions, `head` names the columns below."""

    cells: tuple[str, ...]
    mark: Mark = ""


@dataclass(frozen=True)
class Replay:
    """A decision on one account, taken again.

    `values`: by indicator, None where it is missing. `counted`: the same, with what the policy counts instead
    of a missing one. `missing_tier`: the indicator whose missing value gives the tier.
    """

    policy: Policy
    values: Mapping[str, Value]
    counted: Mapping[str, Value]
    missing_tier: str | None
    found: Found

    @property
    def failed_gate(self) -> int | None:
        """The place of the gate that the account does not pass."""
        gate = int(self.found.gate[0])
        return gate if gate >= 0 else None

    @property
    def state(self) -> str | None:
        """The tier, or the reason why there is none; None where the policy cannot decide."""
        if self.failed_gate is not None:
            return f"gate:{list(self.policy.gate)[self.failed_gate]}"
        tier = int(self.found.tier[0])
        return self.policy.tiers[tier] if tier >= 0 else None

    @property
    def score(self) -> Decimal | None:
        """The score of an account that is graded, where the policy has one."""
        score: Decimal | None = _first(self.found.shaped.score)
        return score if self.failed_gate is None else None

    def fills(self, name: str) -> bool:
        """Whether an indicator is missing and the policy says what that means."""
        return self.values[name] is None and (name == self.missing_tier or self.counted[name] is not None)

    def holds(self, condition: Condition) -> bool:
        """Whether a condition holds on the values."""
        return bool(condition.holds(self._frame)[0])

    def holds_counted(self, condition: Condition) -> bool:
        """Whether a condition holds on what is counted."""
        return bool(condition.holds(self._counted_frame)[0])

    @cached_property
    def _frame(self) -> pd.DataFrame:
        return _frame_of(self.policy, self.values)

    @cached_property
    def _counted_frame(self) -> pd.DataFrame:
        return _frame_of(self.policy, self.counted)


def decide_again(policy: Policy, kept: Mapping[str, Decimal | str | None]) -> Replay:
    """Return the decision of a policy on the values that are kept of one account; flags are kept as 0 and 1."""
    frame = _frame_of(policy, kept)
    arrays = {name: array_of(frame[name]) for name in policy.indicators}
    found = find(policy, arrays, 1)
    values: dict[str, Value] = {name: array[0].as_py() for name, array in arrays.items()}
    counted, missing_tier = dict(values), None
    for name, entry in policy.missing.items():
        if values[name] is None and missing_tier is None and found.gate[0] < 0:
            if entry.tier is not None:
                missing_tier = name
            else:
                counted[name] = entry.as_
    return Replay(policy, values, counted, missing_tier, found)


def _frame_of(policy: Policy, values: Mapping[str, Value]) -> pd.DataFrame:
    rows = []
    for name in policy.indicators:
        value = values.get(name)
        is_text = isinstance(value, str)
        number = None if is_text or value is None else Decimal(value)
        rows.append({"customer_id": "", "indicator": name, "value": number, "value_text": value if is_text else None})
    return restore_indicators(policy, pa.Table.from_pylist(rows, STORED))


def _first(array: Any) -> Any:
    return None if array is None else array[0].as_py()


def _line_of(lines: Sequence[Any] | None, value: Value) -> Any:
    return find_line(list(lines), value) if lines and value is not None else None


class DecisionWords:
    """Says one decision in one language."""

    def __init__(self, replay: Replay, words: PolicyWords) -> None:
        self.replay, self.words, self.language, self.policy = replay, words, words.language, replay.policy
        self.counted, self.shaped = replay.counted, replay.found.shaped

    def columns(self) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
        """The names of columns, and by indicator its cells: the line of its scale that held, and what that gave."""
        names, cells = self._columns(self.policy.decide.shape)
        if any(ranges for ranges, *_rest in cells.values()):
            return names, cells
        return names[1:], {name: each[1:] for name, each in cells.items()}

    def _columns(self, shape: Any) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
        _ = self.language
        cells: dict[str, tuple[str, ...]] = {}
        if isinstance(shape, Scorecard):
            weighted = any(points.weight != 1 for points in shape.points.values())
            cells = {name: self._points(shape, name, weighted=weighted) for name in shape.points}
            return (_("Range"), _("Points"), *((_("Weight"), _("Weighted")) if weighted else ())), cells
        if isinstance(shape, Matrix):
            cells = {axis.of: self._on_scale(axis.of, axis.levels, "level") for axis in (shape.rows, shape.columns)}
            return (_("Range"), _("Level")), cells
        if isinstance(shape, Composite):
            cells = {digit.of: self._digit(digit.of, digit.scale) for digit in shape.digits}
            return (_("Range"), _("Digit")), cells
        if isinstance(shape, Quadrant):
            cells = {side.of: self._side(side.of, side.bound) for side in (shape.x, shape.y)}
            return (_("Range"), _("Level")), cells
        if isinstance(shape, Lowest):
            scales = {**shape.of, **shape.auxiliary}
            cells = {name: self._on_scale(name, lines, "tier") for name, lines in scales.items()}
            return (_("Range"), _("Tier")), cells
        return (), cells

    def _on_scale(self, name: str, lines: Sequence[Any], gives: str) -> tuple[str, str]:
        line = _line_of(lines, self.counted[name])
        if line is None:
            return "", ""
        held = "" if line.names else self.words.line(name, lines, line)
        given = getattr(line, gives)
        return held, self.words.short_tier(given) if gives == "tier" else clean_text(given)

    def _points(self, shape: Scorecard, name: str, *, weighted: bool) -> tuple[str, ...]:
        points, piece = shape.points[name], self.shaped.pieces[name]
        own, contribution = _first(piece.points), _first(piece.contribution)
        if own is None:
            return ("",) * (4 if weighted else 2)
        line = _line_of(points.scale, self.counted[name])
        held = self.words.line(name, points.scale or [], line) if line and not line.names else ""
        numbers = (own, points.weight, contribution) if weighted else (contribution,)
        return (held, *(self.words.measured(SCORE, number) for number in numbers))

    def _digit(self, name: str, scale: Sequence[Any] | None) -> tuple[str, str]:
        line = _line_of(scale, self.counted[name])
        held = self.words.line(name, scale or [], line) if line and not line.names else ""
        return held, _first(self.shaped.pieces[name].level) or ""

    def _side(self, name: str, high: Interval) -> tuple[str, str]:
        _, value = self.language, self.counted[name]
        if not isinstance(value, Decimal):
            return "", ""
        low = Interval(high=high.low, holds_high=not high.holds_low)
        is_high = value in high
        return self.words.interval(name, high if is_high else low), _("high") if is_high else _("low")

    def gates(self) -> list[Row]:
        """The gates in their order, up to the one that the account does not pass."""
        rows, failed = [], self.replay.failed_gate
        for place, entry in enumerate(self.policy.gate.values()):
            if failed is None or place <= failed:
                cells = (self.words.localized(entry.title), self.words.spelled(Condition(entry.when)))
                rows.append(Row(tuple(cell for cell in cells if cell), "failed" if place == failed else "held"))
        return rows

    def steps(self) -> list[Row]:
        """How the shape of the policy led from the figures to the tier; for an account that is graded."""
        _ = self.language
        if self.replay.missing_tier is not None:
            title = self.words.titles[self.replay.missing_tier]
            return [Row((_("{title} has no value; the policy says what that gives.", title=title),))]
        return self._shaped(self.policy.decide.shape)

    def _shaped(self, shape: Any) -> list[Row]:
        tell: dict[str, Callable[[Any], list[Row]]] = {
            "bands": self._bands,
            "assessed": self._bands,
            "scorecard": self._scorecard,
            "matrix": self._matrix,
            "top_share": self._top_share,
            "top_n": self._top_n,
            "ratio": self._ratio,
            "lowest": self._lowest,
            "rules": self._rules,
            "quadrant": self._quadrant,
            "composite": self._composite,
        }
        return tell[self.policy.decide.shapes[0]](shape)

    def _scale(self, name: str, lines: Sequence[Any], value: Value) -> list[Row]:
        held = _line_of(lines, value)
        return [
            Row((self.words.tier(line.tier), self.words.line(name, lines, line)), "held" if line is held else "")
            for line in lines
        ]

    def _value_of(self, name: str) -> Row:
        _, said = self.language, self.words.measured(name, self.counted[name])
        return Row((_("{title}: {value}", title=self.words.titles[name], value=said),))

    def _bands(self, shape: Bands) -> list[Row]:
        return [self._value_of(shape.of), *self._scale(shape.of, shape.tiers, self.counted[shape.of])]

    def _ratio(self, shape: Ratio) -> list[Row]:
        _, value, red_line = self.language, self.counted[shape.of], shape.red_line
        is_below = isinstance(value, Decimal) and value < red_line
        words = _("below the red line of {value}", value=self.words.value(shape.of, red_line))
        rows = [Row((self.words.tier(shape.below), words), "held" if is_below else "")]
        held = None if is_below else _line_of(shape.tiers, value)
        for line in shape.tiers:
            reach, words = reach_of(shape.tiers, line), self.words.line(shape.of, shape.tiers, line)
            if reach is not None and (reach.low is None or reach.low < red_line):
                words = self.words.interval(shape.of, Interval(red_line, True, reach.high, reach.holds_high))
            rows.append(Row((self.words.tier(line.tier), words), "held" if line is held else ""))
        return [self._value_of(shape.of), *rows]

    def _scorecard(self, shape: Scorecard) -> list[Row]:
        _, score = self.language, _first(self.shaped.score)
        if score is None:
            return []
        parts = [_first(piece.contribution) for piece in self.shaped.pieces.values()]
        total = score if shape.round is None else sum(parts, Decimal(0))
        rows = [Row((_("Sum of the points: {sum}", sum=self.words.measured(SCORE, total)),))]
        if total != score:
            rows.append(Row((_("Rounded: {score}", score=self.words.measured(SCORE, score)),)))
        return rows + self._scale(SCORE, shape.tiers, score)

    def _grid(self, axes: tuple[str, str], names: tuple[list[str], list[str]], cells: Any, held: Any) -> list[Row]:
        """A table, with the cell that holds marked; `cells` says what stands where a row meets a column."""
        _ = self.language
        rows = [Row((_("Down: {rows}; across: {columns}", rows=axes[0], columns=axes[1]),))]
        rows.append(Row(("", *(self._level(name) for name in names[1])), "head"))
        for row in names[0]:
            shown = [f"✓ {cells(row, name)}" if (row, name) == held else cells(row, name) for name in names[1]]
            rows.append(Row((self._level(row), *shown)))
        return rows

    def _level(self, name: str) -> str:
        _ = self.language
        is_side = isinstance(self.policy.decide.shape, Quadrant)
        return {"high": _("high"), "low": _("low")}[name] if is_side else clean_text(name)

    def _matrix(self, shape: Matrix) -> list[Row]:
        def level(axis: Axis) -> str | None:
            line = _line_of(axis.levels, self.counted[axis.of])
            return line.level if line else None

        def cell(row: str, column: str) -> str:
            score = shape.cells[row][shape.columns.names.index(column)]
            return self.words.value(SCORE, score) if isinstance(score, Decimal) else self.words.short_tier(str(score))

        _, held = self.language, (level(shape.rows), level(shape.columns))
        axes = self.words.titles[shape.rows.of], self.words.titles[shape.columns.of]
        rows = self._grid(axes, (shape.rows.names, shape.columns.names), cell, held)
        if shape.tiers is not None and held[0] is not None and held[1] is not None:
            score = _first(self.shaped.score)
            rows.append(Row((_("Score: {score}", score=self.words.measured(SCORE, score)),)))
            rows += self._scale(SCORE, shape.tiers, score)
        return rows

    def _quadrant(self, shape: Quadrant) -> list[Row]:
        tiers = shape.tiers.model_dump()

        def level(name: str, high: Interval) -> str | None:
            value = self.counted[name]
            return ("high" if value in high else "low") if isinstance(value, Decimal) else None

        def cell(row: str, column: str) -> str:
            return self.words.tier(tiers[f"{row}_{column}"])

        axes = self.words.titles[shape.x.of], self.words.titles[shape.y.of]
        held = level(shape.x.of, shape.x.bound), level(shape.y.of, shape.y.bound)
        return self._grid(axes, (["high", "low"], ["high", "low"]), cell, held)

    def _top_share(self, shape: TopShare) -> list[Row]:
        _, position, count = self.language, self.counted[shape.rank], self.counted[shape.of]
        rows = [self._position(position, count)]
        cuts = shape.cuts(int(count)) if isinstance(count, Decimal) else [0] * len(shape.shares)
        place = next((n for n, cut in enumerate(cuts[:-1]) if isinstance(position, Decimal) and position <= cut), -1)
        first = 1
        for share, cut in zip(shape.shares, cuts, strict=True):
            (percent,) = _.figures("ratio", [share.percent / 100], self.words.currency)
            held = share is shape.shares[place]
            cells = (self.words.tier(share.tier), percent, self._positions(first, cut))
            rows.append(Row(cells, "held" if held else ""))
            first = max(first, cut + 1)
        return rows

    def _position(self, position: Value, count: Value = None) -> Row:
        _ = self.language
        if not isinstance(position, Decimal):
            return Row((_("No position"),))
        place = _.count(int(position))
        if isinstance(count, Decimal):
            return Row((_("Position {place} of {count}", place=place, count=_.count(int(count))),))
        return Row((_("Position {place}", place=place),))

    def _positions(self, first: int, last: int) -> str:
        _ = self.language
        if last < first:
            return _("nobody")
        if last == first:
            return _("position {place}", place=_.count(first))
        return _("positions {first} to {last}", first=_.count(first), last=_.count(last))

    def _top_n(self, shape: TopN) -> list[Row]:
        _, position = self.language, self.counted[shape.rank]
        parts = sorted(shape.tiers, key=lambda part: (part.first is None, part.first or 0))
        held = next(
            part for part in parts if part.first is None or (isinstance(position, Decimal) and position <= part.first)
        )
        rows, first = [self._position(position)], 1
        for part in parts:
            said = _("everybody else")
            if part.first is not None:
                said, first = self._positions(first, part.first), part.first + 1
            rows.append(Row((self.words.tier(part.tier), said), "held" if part is held else ""))
        return rows

    def _lowest(self, shape: Lowest) -> list[Row]:
        _, tiers = self.language, self.policy.tiers
        given = {
            name: line.tier
            for name, lines in {**shape.of, **shape.auxiliary}.items()
            if (line := _line_of(lines, self.counted[name])) is not None
        }
        counting = sorted((name for name in given if name in shape.of), key=lambda n: -tiers.index(given[n]))
        rows = [Row((_("The worst of these counts:"),))]
        for name in [*counting, *(name for name in given if name in shape.auxiliary)]:
            counts = name in shape.of
            held = counts and given[name] == given[counting[0]]
            cells = (
                self.words.tier(given[name]),
                self.words.titles[name],
                "" if counts else _("shown only; does not count"),
            )
            rows.append(Row(cells, "held" if held else ""))
        return rows

    def _rules(self, shape: Rules) -> list[Row]:
        _ = self.language
        rows = [Row((_("The first rule that holds counts:"),))]
        for rule in shape.of:
            holds = rule.condition is None or self.replay.holds_counted(rule.condition)
            said = self.words.spelled(rule.condition) if rule.condition else _("everybody else")
            because = self.words.localized(rule.because)
            said = _("{because}: {condition}", because=because, condition=said) if because else said
            rows.append(Row((self.words.tier(rule.tier), said), "held" if holds else "failed"))
            if holds:
                break
        return rows

    def _composite(self, shape: Composite) -> list[Row]:
        _, code = self.language, _first(self.shaped.code)
        if code is None:
            return []
        rows = [Row((_("Code: {code}", code=code),))]
        if shape.tiers is not None:
            total = Decimal(sum(map(int, code)))
            rows.append(Row((_("Sum of the digits: {sum}", sum=self.words.measured(SCORE, total)),)))
            return rows + self._scale(SCORE, shape.tiers, total)
        for segment in shape.segments or []:
            holds = segment.holds(shape.indicators, code)
            rows.append(
                Row((self.words.tier(segment.tier), self.words.segment(segment)), "held" if holds else "failed")
            )
            if holds:
                break
        return rows
