"""Movement: how a tier may leave the one before it, and whose word it needs. A pure step per customer and day.

The rules found a tier on every published day; here stands which one the customer holds: it moves only when the
findings are confirmed, the grace is over, the stay or the period has ended, and the people who are asked agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated, Any, Literal, NamedTuple

import pandas as pd
from pydantic import Field, field_validator, model_validator

from transforms.calendar import add_months, check_duration, later, parse_window
from transforms.fold import reason_of_leaving
from transforms.parts import Part, Words, check_words

HELD, PENDING = "held", "pending"

YEAR_END, ANNIVERSARY = "calendar_year", "anniversary"


class Step(Part):
    """How often in a row a move must be found before it counts."""

    after: Annotated[int, Field(ge=1, le=60)] = 1


class Movement(Part):
    """How tiers may move from one published day to the next.

    - `up`, `down`: `after` so many findings in a row; the tier moves as far as all of them agree
    - `grace`: so long after the first finding below, the tier goes down at the earliest
    - `min_stay`: so long after it was reached, a tier is left downwards at the earliest
    - `period`: a tier goes down only when its period ends: with the calendar_year, on the anniversary of the day it
      was reached, or every so many days or months after it
    - `max_steps_down`: so many tiers down in one move; null: down to what was found
    - `down_at_once`: a condition under which none of this keeps a tier, such as a refund
    - `notice`: so long ahead it is told that a tier will go down
    """

    up: Step = Step()
    down: Step = Step()
    max_steps_down: Annotated[int, Field(ge=1)] | None = None
    min_stay: str | None = None
    grace: str | None = None
    period: str | None = None
    down_at_once: Words | None = None
    notice: str | None = None

    _lasts = field_validator("min_stay", "grace", "notice")(check_duration)
    _parses = field_validator("down_at_once")(check_words)

    @field_validator("period")
    @classmethod
    def _is_period(cls, value: str | None) -> str | None:
        if value in (None, YEAR_END, ANNIVERSARY):
            return value
        try:
            return check_duration(value)
        except ValueError:
            raise ValueError(f"{value!r} is no period; write calendar_year, anniversary or 400 days") from None

    @model_validator(mode="after")
    def _fits(self) -> Movement:
        if self.period and (self.grace or self.min_stay or self.down.after > 1):
            raise ValueError("a `period` says alone when a tier goes down: leave out grace, min_stay and down.after")
        return self

    @property
    def is_immediate(self) -> bool:
        """Whether a tier is always the one that was found."""
        rules = (self.up.after, self.down.after, self.max_steps_down, self.min_stay, self.grace, self.period)
        return rules == (1, 1, None, None, None, None)


@dataclass(frozen=True)
class Rules:
    """What a policy says of moves: its tiers (best first), its movement, and the tiers that need somebody's word.

    `asks`: `all` who would hold such a tier, on every run; `entering` only who does not hold it yet.
    """

    tiers: tuple[str, ...]
    movement: Movement = field(default_factory=Movement)
    approved: frozenset[str] = frozenset()
    asks: Literal["all", "entering"] = "all"

    @property
    def has_memory(self) -> bool:
        """Whether a tier depends on more than the day's finding."""
        return bool(self.approved) or not self.movement.is_immediate

    def below(self, tier: str) -> str:
        """Return the best tier below `tier` that needs no word; the lowest tier never does."""
        return next(other for other in self.tiers[self.tiers.index(tier) + 1 :] if other not in self.approved)


class Finding(NamedTuple):
    """What a run found for a customer: a tier and its status, or the reason why there is none.

    `held_because`: an input is quarantined or was not extracted. `is_at_once`: nothing keeps a better tier.
    `graded_tier`: what the committee decided.
    """

    computed_tier: str | None
    status: str | None
    reason: str | None = None
    held_because: str | None = None
    is_at_once: bool = False
    graded_tier: str | None = None


class Standing(NamedTuple):
    """Where a customer stands from a day on, before overrides; with all that the next step must know.

    `periods`: how many periods have ended since `period_from`. `found`: the tiers found in a row on one side of the
    tier held, newest last, as many as a confirmation needs. `found_since`: the day of the first of them.
    `asked_tier`: the tier that waits for an answer.
    """

    tier: str | None
    computed_tier: str | None
    status: str | None
    reason: str | None = None
    found_status: str | None = None
    since_on: date | None = None
    period_from: date | None = None
    periods: int = 0
    found: tuple[str, ...] = ()
    found_since: date | None = None
    asked_tier: str | None = None


_NOTHING_ELSE = (None, None, False, None)
"""The rest of a finding that is a tier and its status."""
_NOTHING_UNDER_WAY = (0, (), None, None)
"""The end of a standing without a period that ended, findings in a row or an open request."""
STANDING_COLUMNS = list(Standing._fields)


def period_end(period: str, begun: date, number: int) -> date:
    """Return the day on which the number-th period ends, the first of which began on a day; the next begins there.

    Counted from the first day, so that a month's 31st does not become its 28th for good.
    """
    if period == YEAR_END:
        return date(begun.year + number - (date(begun.year, 12, 31) > begun), 12, 31)
    unit, length = ("months", 12) if period == ANNIVERSARY else parse_window(period)
    return begun + timedelta(days=length * number) if unit == "days" else add_months(begun, length * number)


def move_tier(
    rules: Rules, before: Standing | None, finding: Finding, day: date, answer: bool | None = None
) -> Standing:
    """Return where a customer stands after a run's finding.

    `before`: where it stood until then; None when it was unknown. `answer`: what was said of the tier that needs a
    word, by this day; None: nothing yet. Who had no tier, or one that the policy no longer has, starts anew.
    """
    found = finding.computed_tier
    if found is None:
        return Standing(None, None, None, finding.reason)
    if before is None or before.tier is None or before.tier not in rules.tiers:
        status = HELD if finding.held_because and not finding.graded_tier else finding.status
        new = Standing(finding.graded_tier or found, found, status, None, finding.status, since_on=day, period_from=day)
        return _ask(rules, None, new, day, answer, (), None, 0)
    if _is_settled(rules, before, finding):
        return before
    if finding.held_because and not finding.graded_tier:
        return before._replace(computed_tier=found, status=HELD, found_status=finding.status, asked_tier=None)
    target, streak, streak_since, periods = _target(rules, before, finding, day)
    status = finding.status if target in (found, finding.graded_tier) else HELD
    moved = before._replace(
        tier=target,
        computed_tier=found,
        status=status,
        found_status=finding.status,
        periods=periods,
        found=streak,
        found_since=streak_since,
        asked_tier=None,
    )
    if target != before.tier:
        moved = moved._replace(since_on=day, found=(), found_since=None)
        if not rules.movement.period or rules.tiers.index(target) < rules.tiers.index(before.tier):
            moved = moved._replace(period_from=day, periods=0)
    return _ask(rules, before, moved, day, answer, streak, streak_since, periods)


def _is_settled(rules: Rules, before: Standing, finding: Finding) -> bool:
    """Whether a customer was found where it stands, with nothing under way: most customers on most days."""
    return (
        before.tier == before.computed_tier == finding.computed_tier
        and before.status == before.found_status == finding.status
        and before[7:] == _NOTHING_UNDER_WAY
        and finding[2:] == _NOTHING_ELSE
        and rules.movement.period is None
        and before.tier not in rules.approved
    )


def _target(
    rules: Rules, before: Standing, finding: Finding, day: date
) -> tuple[str, tuple[str, ...], date | None, int]:
    """Return the tier that movement allows, the findings in a row with this one, since when, and the periods ended."""
    movement = rules.movement
    tier, found = before.tier, finding.computed_tier
    if tier is None or found is None:
        raise ValueError("a customer without a tier does not move")
    renewed = before.periods
    if movement.period is not None and before.period_from is not None:
        while period_end(movement.period, before.period_from, renewed + 1) <= day:
            renewed += 1
    if finding.graded_tier is not None:
        return finding.graded_tier, (), None, renewed
    rank = rules.tiers.index
    if found == tier:
        return tier, (), None, renewed
    is_up = rank(found) < rank(tier)
    same_side = [past for past in before.found if past in rules.tiers and (rank(past) < rank(tier)) == is_up]
    goes_on = bool(before.found) and len(same_side) == len(before.found)
    streak = (*before.found, found) if goes_on else (found,)
    since = before.found_since if goes_on and before.found_since else day
    needed = movement.up.after if is_up else movement.down.after
    last = streak[-needed:]
    kept = streak[-max(needed - 1, 1) :]
    if is_up:
        target = max(last, key=rank) if len(last) == needed else tier
        return target, kept, since, renewed
    if finding.is_at_once:
        return found, kept, since, renewed
    may_go = (
        len(last) == needed
        and (movement.period is None or renewed > before.periods)
        and (movement.grace is None or day >= later(since, movement.grace))
        and (movement.min_stay is None or before.since_on is None or day >= later(before.since_on, movement.min_stay))
    )
    if not may_go:
        return tier, kept, since, before.periods
    target = min(last, key=rank)
    if movement.max_steps_down is not None:
        target = rules.tiers[min(rank(target), rank(tier) + movement.max_steps_down)]
    return target, kept, since, renewed


def _ask(
    rules: Rules,
    before: Standing | None,
    moved: Standing,
    day: date,
    answer: bool | None,
    streak: tuple[str, ...],
    streak_since: date | None,
    periods: int,
) -> Standing:
    """Return the standing once people were asked: the tier before stays while it is open, and when it is refused."""
    if moved.tier is None or moved.tier not in rules.approved or answer is True:
        return moved
    if before is not None and rules.asks == "entering" and moved.tier == before.tier:
        return moved
    is_renewal = before is not None and moved.tier == before.tier
    if before is not None and before.tier in rules.tiers and not (is_renewal and answer is False):
        kept = moved._replace(
            tier=before.tier, since_on=before.since_on, period_from=before.period_from, periods=periods
        )
    else:
        kept = moved._replace(tier=rules.below(moved.tier), since_on=day, period_from=day, periods=0)
    if answer is False:
        status = moved.found_status if kept.tier == kept.computed_tier else HELD
        return kept._replace(status=status, found=(), found_since=None)
    return kept._replace(status=PENDING, asked_tier=moved.tier, found=streak, found_since=streak_since)


def settle(rules: Rules, standing: Standing, answer: bool, day: date) -> Standing:
    """Return where a customer stands once the open request was answered, on the day of the answer."""
    asked = standing.asked_tier
    if asked is None:
        return standing
    done = standing._replace(asked_tier=None, found=(), found_since=None)
    tier = asked if answer else rules.below(asked) if asked == standing.tier else standing.tier
    if tier != standing.tier:
        done = done._replace(tier=tier, since_on=day, period_from=day, periods=0)
    return done._replace(status=standing.found_status if tier == standing.computed_tier else HELD)


def falls_on(rules: Rules, standing: Standing, coming: Iterable[date]) -> tuple[date, str] | None:
    """Return the first of the coming days on which the tier goes down, and to which, should it be found as it was.

    None when it does not go down on any of them.
    """
    if standing.tier is None or standing.computed_tier is None or standing.tier not in rules.tiers:
        return None
    if rules.tiers.index(standing.computed_tier) <= rules.tiers.index(standing.tier):
        return None
    finding = Finding(standing.computed_tier, standing.found_status)
    now = standing
    for next_day in coming:
        now = move_tier(rules, now, finding, next_day, answer=True)
        if now.tier is not None and now.tier != standing.tier:
            return next_day, now.tier
    return None


# Frames


@dataclass(frozen=True)
class Moved:
    """What movement made of the findings.

    `found`: one row per published day and customer that stands somewhere on it, columns as_of, customer_id, tier,
    computed_tier, status, reason; on a day without a run only those whose request was answered.
    `standings`: one row per customer and interval, columns customer_id, valid_from, valid_to (half-open, missing when
    open) and `STANDING_COLUMNS`; `found` in it is a tuple.
    """

    found: pd.DataFrame
    standings: pd.DataFrame


FOUND_COLUMNS = ["as_of", "customer_id", "tier", "computed_tier", "status", "reason"]


def move_tiers(
    rules: Mapping[date, Rules],
    before: Mapping[str, tuple[date, Standing]],
    found: pd.DataFrame,
    answers: pd.DataFrame,
    through: date | None = None,
    erased: Mapping[str, date] | None = None,
) -> Moved:
    """Lead the findings of all runs from a day on through the rules of movement, in the order of their days.

    `rules`: the days of the runs, and the rules in force on each. `before`: where everybody stood before the first of
    them, and since when, by customer_id. `found`: one row per run's day and customer in scope, columns as_of,
    customer_id, computed_tier, status, reason, held_because, is_at_once, graded_tier.
    `answers`: one row per run's day and customer, columns as_of, customer_id, is_approved, effective_on. An answer
    takes effect on its own day, up to `through`, unless the next run came before it.
    Independent of the order of rows.
    """
    by_day = dict(list(found.groupby(found["as_of"].astype(object)))) if len(found) else {}
    said: dict[date, dict[str, tuple[bool, date]]] = {}
    for row in answers.itertuples(index=False):
        said.setdefault(row.as_of, {})[row.customer_id] = bool(row.is_approved), row.effective_on
    state = dict(before)
    closed: list[tuple[Any, ...]] = []
    stood: list[tuple[Any, ...]] = []

    def stand(customer_id: str, new: Standing, day: date) -> None:
        known = state.get(customer_id)
        if known is None or known[1] != new:
            if known is not None:
                closed.append((customer_id, known[0], day, *known[1]))
            state[customer_id] = day, new
        stood.append((day, customer_id, new.tier, new.computed_tier, new.status, new.reason))

    days = sorted(rules)
    for day, next_day in zip(days, [*days[1:], None], strict=True):
        now, words = _findings(by_day[day]) if day in by_day else {}, said.get(day, {})
        for customer_id in [*state, *(new for new in now if new not in state)]:
            if customer_id in now:
                old = state[customer_id][1] if customer_id in state else None
                is_approved, on = words.get(customer_id, (None, None))
                answer = is_approved if on is not None and on <= day else None
                stand(customer_id, move_tier(rules[day], old, now[customer_id], day, answer), day)
            else:
                reason = reason_of_leaving(customer_id, day, erased or {})
                stand(customer_id, Standing(None, None, None, reason), day)
        for customer_id, (is_approved, on) in words.items():
            ends = next_day or (through + timedelta(days=1) if through else date.max)
            if day < on < ends and customer_id in state:
                stand(customer_id, settle(rules[day], state[customer_id][1], is_approved, on), on)
    standings = closed + [(customer_id, since, None, *old) for customer_id, (since, old) in state.items()]
    frame = pd.DataFrame(standings, columns=["customer_id", "valid_from", "valid_to", *STANDING_COLUMNS], dtype=object)
    return Moved(
        pd.DataFrame(stood, columns=FOUND_COLUMNS, dtype=object),
        frame.sort_values(["customer_id", "valid_from"], ignore_index=True),
    )


def _findings(rows: pd.DataFrame) -> dict[str, Finding]:
    columns = ["computed_tier", "status", "reason", "held_because", "is_at_once", "graded_tier"]
    return {
        customer_id: Finding(tier, status, reason, held_because, bool(at_once), graded_tier)
        for customer_id, tier, status, reason, held_because, at_once, graded_tier in zip(
            rows["customer_id"], *(rows[name] for name in columns), strict=True
        )
    }
