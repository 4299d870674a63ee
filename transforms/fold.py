"""Fold: decisions of all published days in, spells without gap or overlap out, in whatever order they ran."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

LEFT, ERASED = "left", "erased"
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
    days: Mapping[date, str],
    before: pd.DataFrame,
    found: pd.DataFrame,
    runs: Collection[date] | None = None,
    erased: Mapping[str, date] | None = None,
) -> Folded:
    """Fold what was found on published days onto the state before the first of them.

    `days`: the published days and their runs. `runs`: those of them on which everybody was looked at, by default all;
    on another day, who is not found stands as before. `before`: one row per customer, columns customer_id, tier,
    computed_tier, status, reason, valid_from, run_id: the spell or absence that covers the day before.
    `found`: one row per published day and customer in scope, columns as_of,
    customer_id, tier, computed_tier, status, reason; one of tier and reason is set.
    A customer that was known and is not found on the day of a run has left, or was `erased` by that day.
    Equal neighbours are one spell.
    Independent of the order of rows; the days are folded in their own order.
    """
    state: dict[str, tuple[Content, date, str | None]] = {
        row[0]: (row[1:5], row[5], row[6]) for row in rows_of(before, ["customer_id", *CONTENT, "valid_from", "run_id"])
    }
    by_day: dict[date, dict[str, Content]] = {}
    for row in rows_of(found, ["as_of", "customer_id", *CONTENT]):
        by_day.setdefault(row[0], {})[row[1]] = row[2:]
    closed: list[tuple[Any, ...]] = []
    moves: list[tuple[Any, ...]] = []

    def stand(customer_id: str, content: Content, day: date) -> None:
        known = state.get(customer_id)
        if known is not None:
            if known[0] == content:
                return
            closed.append((customer_id, *known[0], known[1], day, known[2]))
        old = known[0] if known is not None else _NOTHING
        if old[0] != content[0]:
            states = (old[0] or old[3], content[0] or content[3])
            moves.append((customer_id, day, *states, old[0], content[0], old[1], content[1]))
        state[customer_id] = content, day, days[day]

    for day in sorted(days):
        now = by_day.get(day, {})
        if runs is None or day in runs:
            for customer_id in [known for known in state if known not in now]:
                stand(customer_id, (None, None, None, reason_of_leaving(customer_id, day, erased or {})), day)
        for customer_id, content in now.items():
            stand(customer_id, content, day)
    spells = closed + [
        (customer_id, *content, begun, None, run) for customer_id, (content, begun, run) in state.items()
    ]
    spells.sort(key=lambda spell: (spell[0], spell[5]))
    moves.sort(key=lambda move: (move[1], move[0]))
    return Folded(
        pd.DataFrame(spells, columns=SPELL_COLUMNS, dtype=object),
        pd.DataFrame(moves, columns=MOVE_COLUMNS, dtype=object),
    )


Content = tuple[Any, ...]
"""tier, computed_tier, status, reason."""
_NOTHING: Content = (None, None, None, None)


def reason_of_leaving(customer_id: str, day: date, erased: Mapping[str, date]) -> str:
    """Return why a customer is in no population any more: erased by that day, or left."""
    erased_on = erased.get(customer_id)
    return ERASED if erased_on is not None and erased_on <= day else LEFT


def rows_of(frame: pd.DataFrame, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """Return the rows as Python objects, missing values as None."""
    plain = [frame[name].to_numpy(dtype=object, copy=True) for name in columns]
    for values in plain:
        values[pd.isna(values)] = None
    return zip(*(values.tolist() for values in plain), strict=True)
