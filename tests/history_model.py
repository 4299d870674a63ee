"""History once more, in plain Python: the state of one customer on every day, each from everything that is known.

Nothing is carried from day to day but the tier itself; streaks, stays and periods are looked up anew in the past.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from dateutil.relativedelta import relativedelta

from transforms.movement import Finding, Rules

Content = tuple[str | None, str | None, str | None, str | None]
"""tier, computed_tier, status, reason."""


@dataclass
class Snapshot:
    """All that is known: findings by day of a run and customer, answers, overrides; `through` is the last day."""

    rules: Rules
    runs: dict[date, dict[str, Finding]] = field(default_factory=dict)
    run_ids: dict[date, str] = field(default_factory=dict)
    answers: dict[tuple[date, str], tuple[bool, date]] = field(default_factory=dict)
    overrides: Sequence[tuple[str, str, date, date | None]] = ()
    through: date = date.max


@dataclass
class _Life:
    """What happened to one customer so far, day by day."""

    log: list[tuple[date, Finding, str]] = field(default_factory=list)  # run's day, finding, tier held before it
    tier: str | None = None
    reached: date | None = None
    anchor: date | None = None
    looked: date | None = None  # the last day on which the findings counted
    asked: str | None = None
    content: Content = (None, None, None, None)


def customers_of(known: Snapshot) -> list[str]:
    return sorted({name for found in known.runs.values() for name in found})


def base_days(known: Snapshot, customer: str) -> dict[date, Content]:
    """Return what stands from each day on, overrides left aside: days of runs and of answers."""
    life: _Life | None = None
    stands: dict[date, Content] = {}
    days = sorted(known.runs)
    for place, day in enumerate(days):
        finding = known.runs[day].get(customer)
        if finding is None and life is None:
            continue
        if finding is None or finding.computed_tier is None:
            life = _Life(content=(None, None, None, finding.reason if finding else "left"))
            stands[day] = life.content
            continue
        word, word_on = known.answers.get((day, customer), (None, None))
        life = _step(known.rules, life if life and life.tier else None, finding, day, word if word_on == day else None)
        stands[day] = life.content
        next_run = days[place + 1] if place + 1 < len(days) else date.max
        if word_on is not None and day < word_on < next_run and word_on <= known.through and life.asked:
            _answer(known.rules, life, finding, bool(word), word_on)
            stands[word_on] = life.content
    return stands


def _step(rules: Rules, life: _Life | None, finding: Finding, day: date, word: bool | None) -> _Life:
    tiers, found = list(rules.tiers), finding.computed_tier
    assert found is not None
    new = life is None
    life = life or _Life(reached=day, anchor=day, looked=day)
    held = life.tier
    if new:
        wanted = finding.graded_tier or found
    elif finding.held_because and not finding.graded_tier:
        life.log.append((day, finding, str(held)))
        life.asked = None
        life.content = (held, found, "held", None)
        return life
    else:
        wanted = _wanted(rules, life, finding, day)
    life.log.append((day, finding, str(held)))
    life.looked = day
    unreliable = new and finding.held_because and not finding.graded_tier
    status = "held" if unreliable or (wanted not in (found, finding.graded_tier)) else finding.status
    is_asked = wanted in rules.approved and not (rules.asks == "entering" and wanted == held)
    life.asked = None
    if is_asked and word is not True:
        fallback = held if held is not None and not (word is False and wanted == held) else _free_below(rules, wanted)
        if word is None:
            life.asked, status = wanted, "pending"
        else:
            status = finding.status if fallback == found else "held"
            life.log.clear()
        _hold(rules, life, fallback, day, fresh=fallback != held)
        life.content = (fallback, found, status, None)
        return life
    went_up = held is not None and tiers.index(wanted) < tiers.index(held)
    moved = wanted != held
    if moved and not new:
        life.log.clear()
    life.tier = wanted
    if moved:
        life.reached = day
        if not rules.movement.period or went_up or new:
            life.anchor = day
    life.content = (wanted, found, status, None)
    return life


def _hold(rules: Rules, life: _Life, tier: str, day: date, *, fresh: bool) -> None:
    life.tier = tier
    if fresh:
        life.reached = life.anchor = life.looked = day


def _free_below(rules: Rules, tier: str) -> str:
    place = rules.tiers.index(tier)
    return [other for other in rules.tiers[place + 1 :] if other not in rules.approved][0]


def _answer(rules: Rules, life: _Life, finding: Finding, word: bool, day: date) -> None:
    asked, held = life.asked, life.tier
    assert asked
    assert held
    tier = asked if word else (held if held != asked else _free_below(rules, asked))
    life.asked = None
    life.log.clear()
    if tier != held:
        life.tier, life.reached, life.anchor, life.looked = tier, day, day, day
    status = finding.status if tier == finding.computed_tier else "held"
    life.content = (tier, finding.computed_tier, status, None)


def _after(day: date, duration: str) -> date:
    number, unit = duration.split()
    return day + (timedelta(days=int(number)) if unit.startswith("day") else relativedelta(months=int(number)))


def _ends(period: str, anchor: date, until: date) -> list[date]:
    """Return the ends of all periods up to a day."""
    found, number = [], 1
    while True:
        if period == "calendar_year":
            end = date(anchor.year + number - (0 if (anchor.month, anchor.day) == (12, 31) else 1), 12, 31)
        elif period == "anniversary":
            end = anchor + relativedelta(years=number)
        else:
            count, unit = period.split()
            step = int(count) * number
            end = anchor + (timedelta(days=step) if unit.startswith("day") else relativedelta(months=step))
        if end > until:
            return found
        found.append(end)
        number += 1


def _wanted(rules: Rules, life: _Life, finding: Finding, day: date) -> str:
    """Return the tier that movement allows, from the whole past since the tier was reached."""
    movement, rank = rules.movement, list(rules.tiers).index
    held, found = life.tier, finding.computed_tier
    assert held
    assert found
    assert life.reached
    assert life.anchor
    assert life.looked
    if finding.graded_tier:
        return finding.graded_tier
    if found == held:
        return held
    up = rank(found) < rank(held)
    streak = [(day, found)]
    for past, old, held_then in reversed(life.log):
        if old.held_because and not old.graded_tier and held_then != "None":
            continue
        tier = str(old.computed_tier)
        if held_then != held or old.graded_tier or tier == held or (rank(tier) < rank(held)) != up:
            break
        streak.insert(0, (past, tier))
    needed = movement.up.after if up else movement.down.after
    last = [tier for _, tier in streak][-needed:]
    if up:
        return max(last, key=rank) if len(last) == needed else held
    if finding.is_at_once:
        return found
    if len(last) < needed:
        return held
    if movement.grace and day < _after(streak[0][0], movement.grace):
        return held
    if movement.min_stay and day < _after(life.reached, movement.min_stay):
        return held
    if movement.period:
        ends = _ends(movement.period, life.anchor, day)
        if all(end <= life.looked for end in ends):
            return held
    target = min(last, key=rank)
    if movement.max_steps_down is not None:
        target = rules.tiers[min(rank(target), rank(held) + movement.max_steps_down)]
    return target


def contents(known: Snapshot, customer: str) -> dict[date, tuple[Content, str]]:
    """Return what stands from each day on, with overrides, and the run that made it so."""
    stands = base_days(known, customer)
    runs = sorted(known.runs)
    mine = [override for override in known.overrides if override[0] == customer]
    further = {day for override in mine for day in override[2:] if day is not None and day <= known.through}
    result = {}
    for day in sorted({*stands, *further}):
        earlier = [other for other in stands if other <= day]
        if not earlier or not runs or day < runs[0]:
            continue
        tier, computed, status, reason = stands[max(earlier)]
        holding = [o for o in mine if o[2] <= day and (o[3] is None or day < o[3])]
        if holding and computed is not None:
            tier, status = max(holding, key=lambda o: (o[2], o[1]))[1], "overridden"
        result[day] = (tier, computed, status, reason), known.run_ids.get(day, f"people {day}")
    return result


def history(known: Snapshot) -> list[tuple[Any, ...]]:
    """Return the spells of everybody: equal neighbours joined."""
    rows: list[tuple[Any, ...]] = []
    for customer in customers_of(known):
        spells: list[list[Any]] = []
        for day, (content, run_id) in contents(known, customer).items():
            if spells and tuple(spells[-1][1:5]) == content:
                continue
            if spells:
                spells[-1][6] = day
            spells.append([customer, *content, day, None, run_id if content[0] else None])
        rows += [tuple(spell) for spell in spells]
    return rows
