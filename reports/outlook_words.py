"""A line near a customer in the reader's words: what would win, keep or cost a tier, and by when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Literal

from babel.numbers import format_percent

from reports.policy_words import PolicyWords
from transforms.conditions import spell_number

_EXACT = Context(prec=60)
_SHOWN = 6
"""A value with more digits after the point is shown with four of them, moved on so that it still crosses the line."""


@dataclass(frozen=True)
class NearLine:
    """A row of `tiering.tier_outlook`; `step` is the smallest difference between two values of the indicator."""

    direction: Literal["up", "down"]
    tier: str
    to_tier: str
    indicator: str
    value: Decimal
    needed: Decimal
    by_on: date
    keeps: bool
    step: Decimal


def line_in_words(line: NearLine, words: PolicyWords, tier: str | None) -> str:
    """Return one sentence without a full stop, for a customer who holds `tier`.

    "B is won with net sales ≥ CN¥91,300 (now CN¥84,000, +8.7%), in the data by April 30, 2026".
    """
    _ = words.language
    to_tier, condition = words.tier(line.to_tier), _condition(line, words)
    if line.keeps and tier is not None:
        said = _("{tier} is kept with {condition}", tier=words.tier(tier), condition=condition)
    elif tier != line.tier:
        said = _("The rules would find {tier} with {condition}", tier=to_tier, condition=condition)
    elif line.direction == "up":
        said = _("{tier} is won with {condition}", tier=to_tier, condition=condition)
    else:
        said = _("Down to {tier} with {condition}", tier=to_tier, condition=condition)
    now, change = words.measured(line.indicator, line.value), _change(line, words)
    now = _("now {value}, {change}", value=now, change=change) if change else _("now {value}", value=now)
    return _("{line} ({now}), in the data by {date}", line=said, now=now, date=_.date(line.by_on))


def _condition(line: NearLine, words: PolicyWords) -> str:
    """Return the condition by whichever of the values on both sides of the line is the plainer one."""
    is_rise = line.needed > line.value
    last = _EXACT.subtract(line.needed, line.step) if is_rise else _EXACT.add(line.needed, line.step)
    inside, outside = (">=", ">") if is_rise else ("<=", "<")
    sign, shown = inside, line.needed
    if _digits(last) < _digits(line.needed):
        sign, shown = outside, last
    elif _digits(line.needed) > _SHOWN:
        shown = line.needed.quantize(Decimal("0.0001"), ROUND_CEILING if is_rise else ROUND_FLOOR, _EXACT)
    return words.compared(words.titles[line.indicator], sign, words.value(line.indicator, shown))


def _digits(number: Decimal) -> int:
    """Return how many digits a number has after the point."""
    return len(spell_number(number).partition(".")[2])


def _change(line: NearLine, words: PolicyWords) -> str:
    """Return the change: of money as a part of the value now; of a ratio nothing, which would be read as one."""
    _, unit = words.language, words.unit_of(line.indicator)
    change = _EXACT.subtract(line.needed, line.value)
    sign = "+" if change > 0 else "−"
    if unit == "ratio" or (unit == "money" and line.value == 0):
        return ""
    if unit == "money":
        part = _EXACT.divide(abs(change), abs(line.value))
        shown = format_percent(part, format="#,##0.0%", locale=_.locale)
        return sign + shown if part >= Decimal("0.0005") else ""
    if _digits(change) > _SHOWN:
        return ""
    return sign + words.value(line.indicator, abs(change))
