"""Changes: why a tier moved: the smallest set of indicators that, put back, puts the tier back."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
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


FOUND = pa.schema([("customer_id", pa.string()), ("cause", pa.string()), ("drivers", pa.string())])
"""Why customers moved: one row each. `drivers` is JSON: a list of indicator, before, after."""


def find_drivers(
    policy: Policy,
    moves: pd.DataFrame,
    now: pd.DataFrame,
    before: pd.DataFrame,
    *,
    same_policy: bool,
    kept_by: Mapping[str, Collection[str]] | None = None,
) -> pa.Table:
    """Return why every customer moved on one day, in the order of `moves`; of schema `FOUND`.

    In: `moves` (one row per customer: customer_id, from_state, to_state), `now` and `before` (indicators of
    the day and of an earlier published day, as `decide_tiers` takes them); `kept_by`: the tiers that, had they been
    found, would have kept a customer where it was; by default the state that it left.
    Cause is `policy` where the old indicators give the new tier under the new policy, else `measures`.
    """
    customers = moves["customer_id"].to_numpy(dtype=object)
    ids = pa.array(customers, pa.string())
    places = [pc.index_in(ids, value_set=array_of(frame["account_id"])) for frame in (before, now)]
    was_in, is_in = (place.is_valid().to_numpy(zero_copy_only=False) for place in places)
    both = np.flatnonzero(was_in & is_in)
    here = pa.array(both)
    old, new = (
        {name: array_of(frame[name]).take(place.take(here)) for name in policy.indicators}
        for frame, place in zip((before, now), places, strict=True)
    )
    left, reached = (moves[name].to_numpy(dtype=object)[both] for name in ("from_state", "to_state"))

    def is_kept(states: Any, rows: Any) -> Any:
        """Return where a state would have kept the customer."""
        if not kept_by:
            return states == left[rows]
        each = zip(states, customers[both[rows]], left[rows], strict=True)
        return np.array([state in kept_by.get(number, (stood,)) for state, number, stood in each], dtype=bool)

    cause = np.full(len(customers), "policy", dtype=object)  # what nothing explains is a change of policy
    drivers = np.full(len(customers), "[]", dtype=object)
    for came in (True, False):
        alone = ~(was_in & is_in) & (is_in == came)
        cause[alone], drivers[alone] = "measures", json.dumps([population_driver(came=came)])
    open_ = np.arange(len(both))
    if len(open_) and not same_policy:
        replayed = states_of(policy, old, len(open_))
        is_policy = replayed == reached
        if kept_by:
            is_policy |= ~is_kept(replayed, open_)
        open_ = open_[~is_policy]
    names = list(policy.indicators)
    for chosen in (each for size in range(1, len(names) + 1) for each in combinations(names, size)):
        if not len(open_):
            break
        rows = pa.array(open_)
        tried = {name: (old if name in chosen else new)[name].take(rows) for name in names}
        is_explained = is_kept(states_of(policy, tried, len(open_)), open_)
        explained, open_ = open_[is_explained], open_[~is_explained]
        cause[both[explained]] = "measures"
        drivers[both[explained]] = _drivers(chosen, pa.array(explained), old, new)
    return pa.table([ids, pa.array(cause, pa.string()), pa.array(drivers, pa.string())], schema=FOUND)


def _drivers(names: Sequence[str], rows: pa.Array, old: Mapping[str, pa.Array], new: Mapping[str, pa.Array]) -> Any:
    """Return per row the indicators as drivers of a move, as JSON."""
    parts: list[Any] = ["["]
    for place, name in enumerate(names):
        before, after = (_quoted(column[name].take(rows)) for column in (old, new))
        parts += [
            ", " * bool(place),
            f'{{"indicator": {json.dumps(name)}, "before": ',
            before,
            ', "after": ',
            after,
            "}",
        ]
    return pc.binary_join_element_wise(*parts, "]", "").to_numpy(zero_copy_only=False)


def _quoted(column: pa.Array) -> pa.Array:
    """Return values as JSON has them: as texts, null where missing."""
    if pa.types.is_string(column.type):
        encoded = column.dictionary_encode()
        spelled = [json.dumps(value, ensure_ascii=False) for value in encoded.dictionary.to_pylist()]
        texts = pa.array(spelled, pa.string()).take(encoded.indices)
    else:
        texts = pc.binary_join_element_wise('"', plain_texts(column), '"', "")
    return pc.fill_null(texts, "null")


def plain_texts(column: pa.Array) -> pa.Array:
    """Return values as texts without superfluous zeros; missing where they are."""
    if not pa.types.is_decimal(column.type):
        return column.cast(pa.string())
    texts = column.cast(pa.string())
    if column.type.scale > 0:
        texts = pc.utf8_rtrim(pc.utf8_rtrim(texts, "0"), ".")
    small = pc.fill_null(pc.match_substring(texts, "E"), False)  # Arrow writes 0.0000001 as 1E-7, and 0 as 0E-18
    if pc.any(small).as_py():
        spelled = pa.array([spell_number(value) for value in column.filter(small).to_pylist()], pa.string())
        texts = pc.replace_with_mask(texts, small, spelled)
    return texts
