"""A policy in the reader's words: its tiers, figures, conditions and scales, and what follows from a tier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from functools import reduce
from typing import Any, Final

from reports.digest import Titles, Unit
from reports.text import clean_text
from reports.wording import TEXT_LENGTH, Language
from transforms.conditions import Condition, spell_number
from transforms.parts import Interval, Line, intervals_of
from transforms.policy import Policy
from transforms.shapes import Bands, Composite, Lowest, Matrix, Quadrant, Ratio, Rules, Scorecard, Segment

Value = Decimal | bool | str | None

SCORE: Final = ""
"""Stands for the name of an indicator where a scale is one of the score."""
_FINEST: Final = 8
"""The digits after the point up to which a bound is shown as it is written."""


def _bounds(policy: Policy) -> dict[str, set[Decimal]]:
    """Return by indicator the numbers that a policy holds its values against; the score's stand under SCORE."""
    shape = policy.decide.shape
    rules = [rule.condition for rule in shape.of if rule.condition] if isinstance(shape, Rules) else []
    found: dict[str, set[Decimal]] = defaultdict(set)
    for condition in [*policy.conditions.values(), *rules]:
        for name, numbers in condition.bounds.items():
            found[name] |= numbers
    for name, lines in _scales(shape):
        for line in lines:
            stated = [line.stated.low, line.stated.high, *line.names]
            found[name] |= {bound for bound in stated if isinstance(bound, Decimal)}
    if isinstance(shape, Ratio):
        found[shape.of].add(shape.red_line)
    if isinstance(shape, Quadrant):
        for side in (shape.x, shape.y):
            found[side.of] |= {bound for bound in (side.at_least, side.above) if bound is not None}
    return found


def _scales(shape: Any) -> Iterator[tuple[str, Sequence[Line]]]:
    if isinstance(shape, Bands):
        yield shape.of, shape.tiers
    elif isinstance(shape, Lowest):
        yield from shape.of.items()
        yield from shape.auxiliary.items()
    elif isinstance(shape, Scorecard | Matrix | Composite):
        yield SCORE, shape.tiers or []
    if isinstance(shape, Scorecard):
        yield from ((name, points.scale) for name, points in shape.points.items() if points.scale)
    elif isinstance(shape, Matrix):
        yield from ((axis.of, axis.levels) for axis in (shape.rows, shape.columns))
    elif isinstance(shape, Composite):
        yield from ((digit.of, digit.scale) for digit in shape.digits if digit.scale)


def _left_by(stated: Sequence[Line]) -> Interval | None:
    """Return what lines leave that all reach up, or all down; None where that is no interval."""
    bounds = [line.stated for line in stated if not line.names]
    lows = [(each.low, not each.holds_low) for each in bounds if each.low is not None and each.high is None]
    highs = [(each.high, each.holds_high) for each in bounds if each.high is not None and each.low is None]
    if stated and len(lows) == len(stated):
        low, is_open = min(lows)
        return Interval(high=low, holds_high=is_open)
    if stated and len(highs) == len(stated):
        high, is_closed = max(highs)
        return Interval(low=high, holds_low=not is_closed)
    return None


def reach_of(lines: Sequence[Line], line: Line) -> Interval | None:
    """Return the numbers that a line of a scale holds; None for names, and where what is left is no interval."""
    stated = [each for each in lines if not each.is_rest]
    if line.names:
        return None
    return _left_by(stated) if line.is_rest else intervals_of(stated)[stated.index(line)]


class PolicyWords:
    """Says one policy in one language; it is the `ConditionWords` of its conditions."""

    def __init__(self, policy: Policy, language: Language, currency: str) -> None:
        self.policy, self.language, self.currency = policy, language, currency
        self.bounds = _bounds(policy)
        self.titles = {name: language.title(policy.title_of(name), name) for name in policy.indicators}

    def unit_of(self, name: str) -> Unit:
        """The unit of an indicator; a score is in points."""
        indicator = self.policy.indicators.get(name)
        if indicator is None:
            return "points"
        return indicator.unit or indicator.value_type

    def value(self, indicator: str, value: Value) -> str:
        """A value that the policy names: shown with all its digits."""
        _ = self.language
        if value is None:
            return _("no value")
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        if isinstance(value, str):
            return self._class_of(indicator, value) or clean_text(value)
        coarser = {value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN) for digits in range(_FINEST)}
        return _.figures(self.unit_of(indicator), [value, *sorted(coarser - {value})], self.currency)[0]

    def measured(self, indicator: str, value: Value) -> str:
        """A value of the account: rounded, but never onto a bound that it does not equal."""
        if not isinstance(value, Decimal):
            return self.value(indicator, value)
        unit, bounds = self.unit_of(indicator), self.bounds[indicator]
        (shown,) = self.language.figures(unit, [value], self.currency)
        near = [bound for bound in bounds if bound != value and self.value(indicator, bound) == shown]
        if near:
            shown, *others = self.language.figures(unit, [value, *near], self.currency)
            if shown in others:
                shown = spell_number(value)
        return shown

    def _class_of(self, indicator: str, value: str) -> str:
        axis = self.policy.class_
        if axis is None or axis.of != indicator or value not in axis.classes:
            return ""
        return self.language.title(_titles(axis.classes[value].title), value)

    def named_list(self, values: Sequence[str]) -> str:
        """Some values, any of which may be meant."""
        _ = self.language
        return _(", ").join(values)

    def both(self, left: str, right: str) -> str:
        """See `ConditionWords`, as for all that follow."""
        _ = self.language
        return _("{left} and {right}", left=left, right=right)

    def either(self, left: str, right: str) -> str:
        _ = self.language
        return _("{left} or {right}", left=left, right=right)

    def negated(self, part: str) -> str:
        _ = self.language
        return _("not {part}", part=part)

    def enclosed(self, part: str) -> str:
        _ = self.language
        return _("({part})", part=part)

    def missing(self, title: str) -> str:
        _ = self.language
        return _("{title} has no value", title=title)

    def known(self, title: str) -> str:
        _ = self.language
        return _("{title} is known", title=title)

    def between(self, title: str, low: str, high: str) -> str:
        _ = self.language
        return _("{title} from {low} to {high}", title=title, low=low, high=high)

    def one_of(self, title: str, values: list[str]) -> str:
        _ = self.language
        return _("{title} is one of {values}", title=title, values=self.named_list(values))

    def named(self, title: str, value: str, *, is_it: bool) -> str:
        _ = self.language
        if is_it:
            return _("{title} is {value}", title=title, value=value)
        return _("{title} is not {value}", title=title, value=value)

    def compared(self, title: str, sign: str, value: str) -> str:
        shown = {"<>": "≠", ">=": "≥", "<=": "≤"}.get(sign, sign)
        return f"{title} {shown} {value}"

    def interval(self, indicator: str, interval: Interval) -> str:
        """The numbers between two bounds."""
        parts = []
        if interval.low is not None:
            parts.append(f"{'≥' if interval.holds_low else '>'} {self.value(indicator, interval.low)}")
        if interval.high is not None:
            parts.append(f"{'≤' if interval.holds_high else '<'} {self.value(indicator, interval.high)}")
        return self.both(*parts) if len(parts) == 2 else "".join(parts)

    def line(self, indicator: str, lines: Sequence[Line], line: Line) -> str:
        """The values that a line of a scale holds."""
        _ = self.language
        if line.names:
            return self.named_list([self.value(indicator, name) for name in line.names])
        reach = reach_of(lines, line)
        return self.interval(indicator, reach) if reach is not None else _("everything else")

    def tier(self, tier: str) -> str:
        """A tier as code and title; a name that is no code gives way to its title."""
        title = self.language.title(_titles(self.policy.tier_titles.get(tier)), tier)
        code = clean_text(tier)
        rest = title[len(code) : len(code) + 1]
        says_code = title.startswith(code) and not (rest.isascii() and rest.isalnum())
        return title if code != code.upper() or says_code else f"{code} · {title}"

    def short_tier(self, tier: str) -> str:
        """A tier where there is little room: its code, or the title of one whose name is no code."""
        return clean_text(tier) if tier == tier.upper() else self.tier(tier)

    def spelled(self, condition: Condition) -> str:
        """A condition, with titles for the names of indicators."""
        return condition.spelled(self.titles, self)

    def localized(self, texts: Mapping[Any, str] | None) -> str:
        """What the policy says in the reader's language, else in English; empty where it says nothing."""
        return self.language.title(_titles(texts), "", TEXT_LENGTH)

    def segment(self, segment: Segment) -> str:
        """The codes that a segment holds."""
        _ = self.language
        if segment.codes is not None:
            return self.named_list(segment.codes)
        if not segment.digits:
            return _("everything else")
        parts = []
        for name, digits in segment.digits.items():
            title, low, high = _("digit of {title}", title=self.titles[name]), str(digits.from_), str(digits.to)
            parts.append(self.compared(title, "=", low) if low == high else self.between(title, low, high))
        return reduce(self.both, parts)

    def cadence(self, tier: str) -> str:
        """How often customers of a tier are contacted; empty where the policy does not say."""
        _, days = self.language, self.policy.follow_up.every_days.get(tier)
        if days is None:
            return ""
        return _("every day") if days == 1 else _("every {days}", days=_.days(str(days)))

    def terms(self, tier: str) -> list[str]:
        """The terms that follow from a tier."""
        _, terms = self.language, self.policy.terms.get(tier)
        if terms is None:
            return []
        payment = {
            "cash_on_delivery": _("cash on delivery"),
            "prepayment": _("payment in advance"),
            "open_account": _("on account"),
        }
        said = [payment[terms.payment]] if terms.payment else []
        if terms.days is not None:
            said.append(_("payable within {days}", days=_.days(str(terms.days))))
        if terms.grace_days is not None:
            said.append(_("{days} of grace", days=_.days(str(terms.grace_days))))
        if terms.delivery_days is not None:
            said.append(_("delivery within {days}", days=_.days(str(terms.delivery_days))))
        if terms.discount_rate is not None:
            said.append(_("discount {rate}", rate=_.figures("ratio", [terms.discount_rate], self.currency)[0]))
        if isinstance(terms.credit_limit, Decimal):
            said.append(_("credit limit {amount}", amount=_.money(terms.credit_limit, self.currency)))
        elif terms.credit_limit is not None:
            limits = {
                "largest_order": _("credit up to the largest order"),
                "average_order": _("credit up to the average order"),
            }
            said.append(limits[terms.credit_limit])
        return said

    def service(self, tier: str) -> list[str]:
        """How customers of a tier are looked after."""
        _, service = self.language, self.policy.service.get(tier)
        if service is None:
            return []
        coverage = {
            "dedicated": _("somebody of their own"),
            "shared": _("shared with other customers"),
            "inside_sales": _("inside sales"),
            "agent": _("through an agent"),
            "self_service": _("self-service"),
        }
        said = [self.role(service.owner)] if service.owner else []
        if service.coverage and coverage[service.coverage] not in said:
            said.append(coverage[service.coverage])
        if service.span is not None:
            said.append(_("at most {count} customers each", count=_.count(service.span)))
        if service.channels:
            said.append(self.named_list([self._channel(channel) for channel in service.channels]))
        if service.queue_priority is not None:
            said.append(_("priority {number} in the queue", number=service.queue_priority))
        if service.answered is not None:
            share = _.figures("ratio", [service.answered.share], self.currency)[0]
            said.append(_("{share} answered within {seconds} seconds", share=share, seconds=service.answered.seconds))
        if service.replied is not None:
            days = _.days(str(service.replied.days))
            share = _.figures("ratio", [service.replied.share], self.currency)[0]
            if service.replied.share == 1:
                said.append(_("settled within {days}", days=days))
            else:
                said.append(_("{share} settled within {days}", share=share, days=days))
        return said

    def role(self, owner: str) -> str:
        """Who looks after a customer, or is asked; a role that is not known is shown as the policy writes it."""
        _ = self.language
        plain = clean_text(owner.replace("_", " "))
        known = {
            "account manager": _("account manager"),
            "key account manager": _("key account manager"),
            "key account director": _("key account director"),
            "relationship manager": _("relationship manager"),
            "regional manager": _("regional manager"),
            "business manager": _("business manager"),
            "sales director": _("sales director"),
            "marketing director": _("marketing director"),
            "finance director": _("finance director"),
            "risk manager": _("risk manager"),
            "general manager": _("general manager"),
            "policy owner": _("policy owner"),
            "sales desk": _("sales desk"),
            "inside sales": _("inside sales"),
            "service team": _("service team"),
            "branch": _("branch"),
            "call centre": _("call centre"),
        }
        return known.get(plain.lower(), plain)

    def _channel(self, channel: str) -> str:
        """How customers are reached; a channel that is not known is shown as the policy writes it."""
        _ = self.language
        known = {
            "visit": _("visit"),
            "phone": _("phone"),
            "mail": _("mail"),
            "wechat": _("WeChat"),
            "sms": _("text message"),
            "event": _("event"),
        }
        return known.get(channel, clean_text(channel.replace("_", " ")))


def _titles(localized: Mapping[Any, str] | None) -> Titles:
    return {str(language): text for language, text in (localized or {}).items()}
