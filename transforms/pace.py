"""Pace: what the rules of movement and the lengths of time in a policy come to: on its schedule, and for one tier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from itertools import pairwise
from typing import Literal

from croniter import croniter

from transforms.calendar import as_of_for, later
from transforms.movement import YEAR_END, Movement, Standing, period_end
from transforms.policy import Policy

_FIRST, _YEARS, _RUNS = datetime(2023, 12, 31, 23, 59), 5, 1500
_LATE_DAYS = 31
"""A period that meets no run for longer than this after its end is told."""

Fault = tuple[str, str]
"""Place in the policy, and what is wrong there."""


@cache
def _runs(schedule: str) -> tuple[date, ...]:
    """Return the days of some years on which a schedule runs: at least three of them."""
    times, found = croniter(schedule, _FIRST), list[date]()
    for _ in range(_RUNS):
        day = times.get_next(datetime).date()
        if day.year >= _FIRST.year + 1 + _YEARS and len(found) >= 3:
            break
        found.append(day)
    return tuple(dict.fromkeys(found))


@cache
def _looked_at(schedule: str, calendar: str) -> tuple[date, ...]:
    """Return the days that the runs of a schedule look at."""
    return tuple(dict.fromkeys(as_of_for(calendar, day) for day in _runs(schedule)))


def _shortest(days: tuple[date, ...], runs: int) -> int:
    return min((later_on - day).days for day, later_on in zip(days, days[runs:], strict=False))


def _is_over(duration: str, days: tuple[date, ...], runs: int) -> bool:
    """Whether a length of time has always passed so many runs later."""
    return all(later(day, duration) <= later_on for day, later_on in zip(days, days[runs:], strict=False))


def movement_faults(policy: Policy) -> Iterator[Fault]:
    """Return the rules of movement that have no effect, or another one than they seem to have, on the schedule."""
    movement, days = policy.movement, _looked_at(policy.schedule, policy.as_of)
    if movement == Movement():
        return
    if movement.max_steps_down is not None and movement.max_steps_down >= len(policy.tiers) - 1:
        yield (
            "movement.max_steps_down",
            f"nobody can go down by more than {len(policy.tiers) - 1} of {len(policy.tiers)} tiers; "
            f"max_steps_down: {movement.max_steps_down} has no effect",
        )
    for name, step in (("up", movement.up), ("down", movement.down)):
        if 1 < step.after < len(days) and (least := _shortest(days, step.after - 1)) >= 365:
            yield (
                f"movement.{name}",
                f"from the first to the last of {step.after} findings in a row it is {_months(least)} on this schedule"
                f"; a tier moves {name} that late",
            )
    yield from _grace_and_stay(policy, days)
    yield from _period(movement, days)
    keeps = not movement.model_copy(update={"up": Movement().up}).is_immediate
    if movement.down_at_once is not None and not keeps:
        yield (
            "movement.down_at_once",
            "tiers go down at once anyway: there is no down.after, grace, min_stay, period or max_steps_down for "
            "down_at_once to overrule",
        )
    if movement.notice is not None and not keeps:
        yield (
            "movement.notice",
            "nothing keeps a tier from going down at once, so that nothing is known ahead; remove notice, or say "
            "down.after, grace, min_stay, period or max_steps_down",
        )
    elif movement.notice is not None:
        missed = [pair for pair in pairwise(days) if later(pair[0], movement.notice) < pair[1]]
        if missed:
            day, following = max(missed, key=lambda pair: pair[1] - pair[0])
            whom = "nobody is told ahead" if len(missed) == len(days) - 1 else "who goes down then is not told ahead"
            yield (
                "movement.notice",
                f"{movement.notice} from {day} do not reach the next run, which looks at {following}: {whom}; "
                f"write {(following - day).days} days or more",
            )


def _months(days: int) -> str:
    months = round(days / 30.44)
    return f"{months // 12} {'year' if months == 12 else 'years'}" if months % 12 == 0 else f"{months} months"


def _grace_and_stay(policy: Policy, days: tuple[date, ...]) -> Iterator[Fault]:
    movement, after = policy.movement, policy.movement.down.after
    grace, stay = movement.grace, movement.min_stay
    if grace is not None and _is_over(grace, days, max(after - 1, 1)):
        if after > 1:
            message = f"{grace} of grace are over before {after} lower findings in a row are there; grace has no effect"
        else:
            message = (
                f"{grace} of grace are over at the next run, {_shortest(days, 1)} days later at the soonest: a tier "
                "goes down on the second lower finding, which is what down: {after: 2} says"
            )
        yield "movement.grace", message
    approve = policy.review.approve
    is_on_runs = approve is None or approve.meanwhile == "wait"  # else a tier begins on the day of the answer
    if stay is not None and is_on_runs and _is_over(stay, days, after):
        runs = "the next run" if after == 1 else f"{after} lower findings in a row are there"
        yield (
            "movement.min_stay",
            f"{stay} are over before {runs}, {_shortest(days, after)} days later at the soonest; "
            "min_stay has no effect",
        )


def _period(movement: Movement, days: tuple[date, ...]) -> Iterator[Fault]:
    period = movement.period
    if period is None:
        return
    if all(period_end(period, day, 1) <= following for day, following in pairwise(days)):
        yield (
            "movement.period",
            f"a period of {period} ends before every run, which are {_shortest(days, 1)} days apart at the least; "
            "it keeps no tier",
        )
        return
    late = []
    for day in days:
        end = period_end(period, day, 1)
        met = next((each for each in days if each >= end), None)
        if met is not None:
            late.append(((met - end).days, end, met))
    if late and min(late)[0] > _LATE_DAYS:
        wait, end, met = min(late)
        which = f"{end} is the end of a year" if period == YEAR_END else f"a period ends on {end}"
        yield (
            "movement.period",
            f"{which}, and the next run looks at {met}: tiers go down {wait} days after the end of their period at "
            "the soonest",
        )


def review_faults(policy: Policy) -> Iterator[Fault]:
    """Return what a policy says of people's answers and of the circuit breaker that cannot work as it reads."""
    approve, breaker = policy.review.approve, policy.review.breaker
    if approve is not None:
        for day, following in pairwise(_runs(policy.schedule)):
            last = day
            for _ in approve.by:
                last = later(last, approve.within)
            if last > following:
                between = "day" if (following - day).days == 1 else f"{(following - day).days} days"
                yield (
                    "review.approve",
                    f"{len(approve.by)} x {approve.within} to answer may last longer than the {between} between two "
                    "runs; the next run waits for the answers",
                )
                break
    has_limits = bool(policy.stated_limits) or (policy.credit is not None and policy.credit.budget is not None)
    if breaker is not None and breaker.limit_share is not None and not has_limits:
        yield (
            "review.breaker",
            "no tier states a credit_limit as an amount under terms, and no credit is given, so that their total never "
            "changes; "
            "limit_share holds nothing",
        )
    if breaker is not None and breaker.moved_share == 1:
        yield "review.breaker", "more than all customers never move; moved_share: 1 holds nothing"


def task_faults(policy: Policy) -> Iterator[Fault]:
    """Return the tasks that can never be owed."""
    for name, task in policy.follow_up.tasks.items():
        if task.held_for is not None and policy.publishes == "class":
            yield (
                f"follow_up.tasks.{name}",
                "a policy that publishes classes keeps no history, so that nobody has held one; leave out held_for",
            )


@dataclass(frozen=True)
class Keep:
    """A rule that keeps a tier from being the one found: which, and `until` a day or by a `count`."""

    rule: Literal["confirmation", "grace", "min_stay", "period", "steps"]
    until: date | None = None
    count: int | None = None


def kept_by(policy: Policy, standing: Standing, day: date) -> list[Keep]:
    """Return the rules that keep the tier of a standing on a day; none where it is the one found."""
    tier, found, movement = standing.tier, standing.computed_tier, policy.movement
    if tier not in policy.tiers or found not in policy.tiers or tier == found:
        return []
    steps = policy.tiers.index(found) - policy.tiers.index(tier)
    after = movement.up.after if steps < 0 else movement.down.after
    kept = [Keep("confirmation", count=after)] if after > 1 else []
    if steps < 0:
        return kept
    if movement.grace is not None and standing.found_since is not None:
        kept.append(Keep("grace", later(standing.found_since, movement.grace)))
    if movement.min_stay is not None and standing.since_on is not None:
        kept.append(Keep("min_stay", later(standing.since_on, movement.min_stay)))
    if movement.period is not None and standing.period_from is not None:
        kept.append(Keep("period", period_end(movement.period, standing.period_from, standing.periods + 1)))
    if movement.max_steps_down is not None and steps > movement.max_steps_down:
        kept.append(Keep("steps", count=movement.max_steps_down))
    return [keep for keep in kept if keep.until is None or keep.until > day]
