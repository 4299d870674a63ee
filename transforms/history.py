"""History: findings of runs, movement, answers, grades and overrides in; spells and the state of movement out."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from transforms.fold import SPELL_COLUMNS, Folded, fold_history, rows_of
from transforms.movement import FOUND_COLUMNS, HELD, PENDING, STANDING_COLUMNS, Rules, Standing, move_tiers
from transforms.overrides import OVERRIDDEN, apply_overrides, find_on_override_days, override_days

STATE_COLUMNS = ["customer_id", "valid_from", "valid_to", *STANDING_COLUMNS]

Row = tuple[Any, ...]
Rows = dict[tuple[str, date], Row]
"""Rows by customer and first day."""


@dataclass(frozen=True)
class Known:
    """What is known of a policy from the day of a run on; `overrides` and `answers` also from before, if they reach it.

    `runs`: the rules in force on the days of the runs, the first of which is the first day. `days`: all published
    days and their runs, those on which only people's decisions took effect included.
    `found`: columns as_of, customer_id, computed_tier, status, reason, held_because, is_at_once, one row per run's day
    and customer in scope. `grades`: as_of, customer_id, graded_tier. `answers`: as_of, customer_id, is_approved,
    effective_on. `overrides`: customer_id, tier, valid_from, valid_to.
    `spells` (`SPELL_COLUMNS`) and `states` (`STATE_COLUMNS`, `found` as JSON): what stands and reaches the first day,
    or begins after it. `since`: since when tiers are held, by customer, on the day before. `erased`: who was erased,
    and when.
    """

    runs: Mapping[date, Rules]
    days: Mapping[date, str]
    found: pd.DataFrame
    grades: pd.DataFrame
    answers: pd.DataFrame
    overrides: pd.DataFrame
    spells: pd.DataFrame
    states: pd.DataFrame
    since: Callable[[], Mapping[str, date]]
    erased: Mapping[str, date] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """What a fold gives, and what stood until then.

    `spells` and `states`: rows of the history (absences have a reason and no tier) and of the movement states.
    `effects`: the days without a run on which an override or an answer takes effect. `by_people`: the customers and
    days whose tier people gave or withheld, overrides left aside.
    """

    folded: Folded
    spells: Rows
    spells_before: Rows
    states: Rows
    states_before: Rows
    effects: frozenset[date]
    by_people: frozenset[tuple[str, date]]

    @property
    def differs(self) -> bool:
        """Whether anything of it does not stand already."""
        return self.spells != self.spells_before or self.states != self.states_before


def difference(new: Rows, old: Rows) -> tuple[list[Row], list[tuple[str, date]]]:
    """Return the rows that begin to stand, and the places of those that end."""
    begun = [row for place, row in new.items() if old.get(place) != row]
    return begun, [place for place, row in old.items() if new.get(place) != row]


def first_moved(done: History, days: Iterable[date]) -> date | None:
    """Return the first of some days on which anybody's tier is another one than stood; None: there is no such day."""
    begun, ended = difference(done.spells, done.spells_before)
    now, before = _tiers_by_customer(begun), _tiers_by_customer([done.spells_before[place] for place in ended])
    customers = {*now, *before}
    moved = (
        day
        for day in sorted(days)
        if any(_tier_on(now[each], day) != _tier_on(before[each], day) for each in customers)
    )
    return next(moved, None)


def _tiers_by_customer(rows: Iterable[Row]) -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found


def _tier_on(rows: Iterable[Row], day: date) -> str | None:
    covering = (row for row in rows if row[5] <= day and (row[6] is None or day < row[6]))
    return next((row[1] for row in covering), None)


def fold_decisions(known: Known, through: date, run_id_of_effect: Callable[[date], str]) -> History:
    """Fold what runs found and people decided, from the first run of `known` on.

    Overrides and answers take effect on their own days, up to `through`. Independent of the order of rows, and of
    where it begins: with what stands before the first day, it gives what a fold from the very beginning gives.
    """
    runs, start = list(known.runs), min(known.runs)
    states = _state_rows(known.states)
    found = _with_grades(known.found, known.grades)
    before = known.spells[np.array([day < start for day in known.spells["valid_from"]], dtype=bool)]
    moving = _who_moves(known.runs, found, states)
    is_moving = found["customer_id"].isin(moving) if moving is not None else pd.Series(True, index=found.index)
    state = _state_before(start, before, states, moving, known.since)
    moved = move_tiers(known.runs, state, found[is_moving], known.answers, through, known.erased)
    plain = found[~is_moving]
    plain = plain.assign(tier=plain["graded_tier"].where(plain["graded_tier"].notna(), plain["computed_tier"]))
    answered = frozenset(moved.found["as_of"]) - frozenset(runs)
    by_people = _by_people(found, moved.found, known.answers, answered)
    found = pd.concat([plain[FOUND_COLUMNS], moved.found], ignore_index=True)
    overridden_on = override_days(known.overrides, start, through)
    overridden_on = {day: whose for day, whose in overridden_on.items() if day not in known.runs}
    found = apply_overrides(find_on_override_days(found, runs, overridden_on), known.overrides)
    effects = (answered | frozenset(overridden_on)) & frozenset(found["as_of"])
    days = {**{day: run_id_of_effect(day) for day in effects}, **known.days}
    folded = fold_history(days, before, found, runs, known.erased)
    return History(
        folded,
        _spell_rows(folded.spells),
        _spell_rows(known.spells),
        _state_rows(moved.standings, only_held=moving is not None),
        states,
        effects,
        by_people,
    )


def _who_moves(rules: Mapping[date, Rules], found: pd.DataFrame, states: Rows) -> set[str] | None:
    """Return whose tier depends on more than the day's finding; None: everybody's."""
    if any(each.has_memory for each in rules.values()):
        return None
    return {*found["customer_id"][found["held_because"].notna()], *(customer_id for customer_id, _ in states)}


def _with_grades(found: pd.DataFrame, grades: pd.DataFrame) -> pd.DataFrame:
    """Return what was found with what the committee decided beside it, for who was decided."""
    if grades.empty:
        return found.assign(graded_tier=None)
    met = found.merge(grades, how="left", on=["as_of", "customer_id"], validate="one_to_one")
    graded = met["graded_tier"].where(met["graded_tier"].notna() & met["computed_tier"].notna(), None)
    return met.assign(graded_tier=graded)


def _by_people(
    found: pd.DataFrame, moved: pd.DataFrame, answers: pd.DataFrame, answered: Collection[date]
) -> frozenset[tuple[str, date]]:
    graded = found[found["graded_tier"].notna()]
    waiting = moved[(moved["status"] == PENDING) | moved["as_of"].isin(list(answered))]
    refused = answers[np.array([not is_approved for is_approved in answers["is_approved"]], dtype=bool)]
    return frozenset(
        pair for frame in (graded, waiting, refused) for pair in zip(frame["customer_id"], frame["as_of"], strict=True)
    )


def _state_before(
    start: date,
    spells: pd.DataFrame,
    states: Rows,
    moving: set[str] | None,
    since: Callable[[], Mapping[str, date]],
) -> dict[str, tuple[date, Standing]]:
    """Return where who moves stood before a day: as it was kept, else as the history tells it."""
    kept = {
        row[0]: (row[1], Standing._make((*row[3:_FOUND], _tiers_of(row[_FOUND]), *row[_FOUND + 1 :])))
        for row in states.values()
        if row[1] < start
    }
    is_other = [number not in kept and (moving is None or number in moving) for number in spells["customer_id"]]
    others = spells[np.array(is_other, dtype=bool)]
    if others.empty:
        return kept
    held_since = since()
    for row in others.itertuples(index=False):
        if row.tier is None:
            kept[row.customer_id] = row.valid_from, Standing(None, None, None, row.reason)
            continue
        by_hand = row.status == OVERRIDDEN
        tier, status = (row.computed_tier, "final") if by_hand else (row.tier, row.status)
        begun = held_since.get(row.customer_id, row.valid_from)
        kept[row.customer_id] = row.valid_from, Standing(tier, row.computed_tier, status, None, status, begun, begun)
    return kept


_FOUND = STATE_COLUMNS.index("found")
_STATUS = STATE_COLUMNS.index("status")


def _tiers_of(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(json.loads(text))


def standing_of(row: Mapping[str, Any]) -> Standing:
    """Return where a customer stands, from a row of the movement states."""
    return Standing(**{**{name: row[name] for name in STANDING_COLUMNS}, "found": _tiers_of(row["found"])})


def _state_rows(frame: pd.DataFrame, *, only_held: bool = False) -> Rows:
    rows = {}
    for row in rows_of(frame, STATE_COLUMNS):
        if only_held and row[_STATUS] != HELD:
            continue
        found = row[_FOUND]
        if not isinstance(found, str):
            found = json.dumps(list(found), ensure_ascii=False) if found else "[]"
        rows[row[0], row[1]] = (*row[:_FOUND], found, *row[_FOUND + 1 :])
    return rows


def _spell_rows(spells: pd.DataFrame) -> Rows:
    rows = {}
    for row in rows_of(spells, SPELL_COLUMNS):
        # An absence is no run's: its run does not count when two are compared.
        plain = row if row[1] is not None else (*row[:-1], None)
        rows[plain[0], plain[5]] = plain
    return rows
