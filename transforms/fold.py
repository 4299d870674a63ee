"""Fold: decisions of all published days in, spells without gap or overlap out, in whatever order they ran."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

LEFT = "left"
CONTENT = ["tier", "computed_tier", "status", "reason"]
SPELL_COLUMNS = ["customer_id", *CONTENT, "valid_from", "valid_to", "run_id"]
MOVE_COLUMNS = ["customer_id", "as_of", "from_state", "to_state", "from_tier", "to_tier", "from_found", "to_found"]


@dataclass(frozen=True)
class Folded:
    """What a fold gives.

    `spells`: one row per customer and spell, columns `SPELL_COLUMNS`; a row with a reason and no tier
    is an absence. Half-open, valid_to missing when open.
    `moves`: one row per customer and day on which the tier moved, columns `MOVE_COLUMNS`; a state is the
    tier, or the reason of the absence, or missing where the customer was unknown. `from_found` and `to_found` are the
    computed tiers.
    """

    spells: pd.DataFrame
    moves: pd.DataFrame


def fold_history(
    days: Mapping[date, str], before: pd.DataFrame, found: pd.DataFrame, runs: Collection[date] | None = None
) -> Folded:
    """Fold what was found on published days onto the state before the first of them.

    `days`: the published days and their runs. `runs`: those of them on which everybody was looked at, by default all;
    on another day, who is not found stands as before. `before`: one row per customer, columns customer_id, tier,
    computed_tier, status, reason, valid_from, run_id: the spell or absence that covers the day before.
    `found`: one row per published day and customer in scope, columns as_of,
    customer_id, tier, computed_tier, status, reason; one of tier and reason is set.
    A customer that was known and is not found on the day of a run has left. Equal neighbours are one spell.
    Independent of the order of rows; the days are folded in their own order.
    """
    state = _plain(before, [*CONTENT, "valid_from", "run_id"])
    closed: list[pd.DataFrame] = []
    moves: list[pd.DataFrame] = []
    by_day = dict(list(found.groupby(found["as_of"].astype(object))))
    for day in sorted(days):
        now = _plain(by_day.get(day, found.iloc[:0]), CONTENT)
        if runs is not None and day not in runs:
            carried = state[~state.index.isin(now.index)]
            now = pd.concat([now, carried[CONTENT]])
        everybody = state.index.union(now.index)
        old = state.reindex(everybody)
        new = now.reindex(everybody)
        gone = ~everybody.isin(now.index)
        if gone.any():
            new.loc[gone, "reason"] = LEFT
        known = everybody.isin(state.index)
        same = known & _equal(old, new)
        ended = known & ~same
        if ended.any():
            spell = old[ended].copy()
            spell["valid_to"] = day
            closed.append(spell)
        moves.append(_moves_of(old, new, ~same, day))
        new["valid_from"] = day
        new["run_id"] = days[day]
        state = pd.concat([old[same], new[~same]]).sort_index()
    open_spells = state.copy()
    open_spells["valid_to"] = None
    spells = pd.concat([*closed, open_spells]).rename_axis("customer_id").reset_index()
    spells = spells[SPELL_COLUMNS].sort_values(["customer_id", "valid_from"], ignore_index=True)
    moved = pd.concat(moves, ignore_index=True)[MOVE_COLUMNS] if moves else pd.DataFrame(columns=MOVE_COLUMNS)
    return Folded(_without_nan(spells), _without_nan(moved))


def _without_nan(frame: pd.DataFrame) -> pd.DataFrame:
    plain = frame.astype(object)
    return plain.where(plain.notna(), None)


def _plain(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return the columns as Python objects by customer, missing values as None."""
    plain = frame[columns].set_axis(frame["customer_id"].astype(object), axis="index")
    return _without_nan(plain)


def _equal(old: pd.DataFrame, new: pd.DataFrame) -> pd.Series:
    equal = pd.Series(True, index=old.index)
    for column in CONTENT:
        left, right = old[column], new[column]
        equal &= (left == right) | (left.isna() & right.isna())
    return equal


def _moves_of(old: pd.DataFrame, new: pd.DataFrame, changed: pd.Series, day: date) -> pd.DataFrame:
    moved = changed & ~((old["tier"] == new["tier"]) | (old["tier"].isna() & new["tier"].isna()))
    old, new = old[moved], new[moved]
    states = {
        "from_state": old["tier"].where(old["tier"].notna(), old["reason"]),
        "to_state": new["tier"].where(new["tier"].notna(), new["reason"]),
    }
    tiers = {"from_tier": old["tier"], "to_tier": new["tier"]}
    found = {"from_found": old["computed_tier"], "to_found": new["computed_tier"]}
    frame = pd.DataFrame({**states, **tiers, **found, "as_of": day})
    return frame.rename_axis("customer_id").reset_index()
