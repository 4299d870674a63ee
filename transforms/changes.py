"""Changes: why a tier moved: the smallest set of indicators that, put back, puts the tier back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from transforms.columns import array_of
from transforms.conditions import spell_number
from transforms.decide import states_of
from transforms.policy import Policy

POPULATION = "population"
"""Stands for the indicator where a customer was not in scope on one of the two days."""


def direction_of(policy: Policy, from_tier: str | None, to_tier: str | None) -> str:
    """Return new, left, up or down. A tier that the policy no longer has counts as the lowest."""
    if from_tier is None:
        return "new"
    if to_tier is None:
        return "left"
    lowest = len(policy.tiers) + 1
    before = policy.rank_of(from_tier) if from_tier in policy.tiers else lowest
    return "up" if policy.rank_of(to_tier) < before else "down"


def population_driver(*, came: bool) -> dict[str, str | None]:
    """Return the driver of a move for which a customer came into scope, or went out of it."""
    return {"indicator": POPULATION, "before": "out" if came else "in", "after": "in" if came else "out"}


def restore_indicators(policy: Policy, components: pa.Table) -> pd.DataFrame:
    """Return the indicators that were decided on, from their stored components.

    In: one row per customer and indicator, of schema `STORED`. Out: one row per customer in the order of their ids, the
    frame `decide_tiers` takes, without managers; an indicator without rows is missing.
    """
    customers = pc.unique(components["customer_id"].combine_chunks())
    customers = customers.take(pc.sort_indices(customers))
    columns = {"account_id": customers}
    for name, indicator in policy.indicators.items():
        rows = components.filter(pc.equal(components["indicator"], name))
        places = pc.index_in(customers, value_set=rows["customer_id"].combine_chunks())
        values = rows["value_text" if indicator.value_type == "text" else "value"].take(places)
        columns[name] = pc.not_equal(values, _NONE) if indicator.value_type == "flag" else values
    columns["account_manager_id"] = pa.nulls(len(customers), pa.string())
    return pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype)


STORED = pa.schema(
    [
        ("customer_id", pa.string()),
        ("indicator", pa.string()),
        ("value", pa.decimal128(38, 18)),
        ("value_text", pa.string()),
    ]
)
"""What is stored of an indicator: a number or a text; a flag is 1 or 0."""
_NONE = pa.scalar(Decimal(0), STORED.field("value").type)


def find_drivers(
    policy: Policy,
    moves: pd.DataFrame,
    now: pd.DataFrame,
    before: pd.DataFrame,
    *,
    same_policy: bool,
    kept_by: Mapping[str, Collection[str]] | None = None,
) -> dict[str, tuple[str, list[dict[str, str | None]]]]:
    """Return for every customer that moved on one day (cause, drivers).

    In: `moves` (one row per customer: customer_id, from_state, to_state), `now` and `before` (indicators of
    the day and of an earlier published day, as `decide_tiers` takes them); `kept_by`: the tiers that, had they been
    found, would have kept a customer where it was; by default the state that it left.
    A driver is indicator, before, after. Cause is `policy` where the old indicators give the new tier under
    the new policy, else `measures`.
    """
    customers = moves["customer_id"].to_numpy(dtype=object)
    ids = pa.array(customers, pa.string())
    places = [pc.index_in(ids, value_set=array_of(frame["account_id"])) for frame in (before, now)]
    is_in = [place.is_valid().to_numpy(zero_copy_only=False) for place in places]
    result: dict[str, tuple[str, list[dict[str, str | None]]]] = {
        customers[row]: ("measures", [population_driver(came=bool(is_in[1][row]))])
        for row in np.flatnonzero(~(is_in[0] & is_in[1]))
    }
    here = pa.array(np.flatnonzero(is_in[0] & is_in[1]))
    old, new = (
        {name: array_of(frame[name]).take(place.take(here)) for name in policy.indicators}
        for frame, place in zip((before, now), places, strict=True)
    )
    customers = customers[here.to_numpy()]
    left, reached = (moves[name].to_numpy(dtype=object)[here.to_numpy()] for name in ("from_state", "to_state"))

    def is_kept(states: Any, rows: Any) -> Any:
        """Return where a state would have kept the customer."""
        if not kept_by:
            return states == left[rows]
        each = zip(states, customers[rows], left[rows], strict=True)
        return np.array([state in kept_by.get(number, (stood,)) for state, number, stood in each], dtype=bool)

    open_ = np.arange(len(customers))
    if len(open_) and not same_policy:
        replayed = states_of(policy, old, len(open_))
        is_policy = replayed == reached
        if kept_by:
            is_policy |= ~is_kept(replayed, open_)
        result |= dict.fromkeys(customers[is_policy], ("policy", []))
        open_ = open_[~is_policy]
    names = list(policy.indicators)
    for chosen in (each for size in range(1, len(names) + 1) for each in combinations(names, size)):
        if not len(open_):
            return result
        rows = pa.array(open_)
        tried = {name: (old if name in chosen else new)[name].take(rows) for name in names}
        is_explained = is_kept(states_of(policy, tried, len(open_)), open_)
        explained, open_ = open_[is_explained], open_[~is_explained]
        drivers = [_drivers(name, pa.array(explained), old[name], new[name]) for name in chosen]
        for customer_id, *found in zip(customers[explained], *drivers, strict=True):
            result[customer_id] = "measures", found
    return result | dict.fromkeys(customers[open_], ("policy", []))  # only a change of policy remains


def _drivers(name: str, rows: pa.Array, old: pa.Array, new: pa.Array) -> list[dict[str, str | None]]:
    """Return an indicator of customers as a driver of their moves, in their order."""
    values = [[plain_value(value) for value in column.take(rows).to_pylist()] for column in (old, new)]
    return [{"indicator": name, "before": before, "after": after} for before, after in zip(*values, strict=True)]


def plain_value(value: Any) -> str | None:
    """Return a value as text without superfluous zeros; None when it is missing."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return spell_number(value)
    return str(value)
