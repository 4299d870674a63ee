"""Changes: why a tier moved: the smallest set of indicators that, put back, puts the tier back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from itertools import combinations
from typing import Any

import pandas as pd
import pyarrow as pa

from transforms.conditions import spell_number
from transforms.decide import DECISION_COLUMNS, find_states
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


def restore_indicators(policy: Policy, components: pd.DataFrame) -> pd.DataFrame:
    """Return the indicators that were decided on, from their stored components.

    In: one row per customer and indicator, columns customer_id, indicator, value, value_text.
    Out: one row per customer, the frame `decide_tiers` takes, without managers; an indicator without rows is
    missing.
    """
    numbers = components.pivot(index="customer_id", columns="indicator", values="value")
    texts = components.pivot(index="customer_id", columns="indicator", values="value_text")
    frame = pd.DataFrame(index=numbers.index)
    for name, indicator in policy.indicators.items():
        source = texts if indicator.value_type == "text" else numbers
        values = source[name] if name in source else pd.Series(None, index=frame.index, dtype=object)
        plain = [None if value is None or value is pd.NA or value != value else value for value in values]
        kind = {"text": pa.string(), "flag": pa.bool_(), "number": pa.decimal128(38, 18)}[indicator.value_type]
        if indicator.value_type == "flag":
            plain = [None if value is None else bool(value) for value in plain]
        frame[name] = pd.array(plain, dtype=pd.ArrowDtype(kind))
    frame = frame.rename_axis("account_id").reset_index()
    frame["account_id"] = frame["account_id"].astype(DECISION_COLUMNS["customer_id"])
    frame["account_manager_id"] = pd.array([None] * len(frame), dtype=pd.ArrowDtype(pa.string()))
    return frame


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
    kept = {row.customer_id: {row.from_state} for row in moves.itertuples()}
    kept |= {customer_id: set(states) for customer_id, states in (kept_by or {}).items()}
    result: dict[str, tuple[str, list[dict[str, str | None]]]] = {}
    now = now.set_index(now["account_id"].astype(object), drop=False)
    before = before.set_index(before["account_id"].astype(object), drop=False)
    open_moves = {row.customer_id: row for row in moves.itertuples()}
    for customer_id in list(open_moves):
        if customer_id not in now.index or customer_id not in before.index:
            result[customer_id] = ("measures", [population_driver(came=customer_id in now.index)])
            del open_moves[customer_id]
    if open_moves and not same_policy:
        replayed = find_states(policy, before.loc[list(open_moves)])
        for customer_id, move in list(open_moves.items()):
            if replayed[customer_id] == move.to_state or (kept_by and replayed[customer_id] not in kept[customer_id]):
                result[customer_id] = ("policy", [])
                del open_moves[customer_id]
    names = list(policy.indicators)
    for size in range(1, len(names) + 1):
        for chosen in combinations(names, size):
            if not open_moves:
                return result
            ids = list(open_moves)
            tried = now.loc[ids].copy()
            for name in chosen:
                tried[name] = before.loc[ids, name]
            states = dict(find_states(policy, tried).items())
            explained = [customer_id for customer_id in ids if states[customer_id] in kept[customer_id]]
            drivers = [_drivers(name, explained, before, now) for name in chosen]
            for customer_id, *found in zip(explained, *drivers, strict=True):
                result[customer_id] = "measures", found
                del open_moves[customer_id]
    for customer_id in open_moves:  # only a change of policy remains
        result[customer_id] = ("policy", [])
    return result


def _drivers(name: str, customers: list[str], before: pd.DataFrame, now: pd.DataFrame) -> list[dict[str, str | None]]:
    """Return an indicator of customers as a driver of their moves, in their order."""
    values = [[plain_value(value) for value in frame.loc[customers, name]] for frame in (before, now)]
    return [{"indicator": name, "before": old, "after": new} for old, new in zip(*values, strict=True)]


def plain_value(value: Any) -> str | None:
    """Return a value as text without superfluous zeros; None when it is missing."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return spell_number(value)
    return str(value)
