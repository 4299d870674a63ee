"""Evaluation: what the tiers of a day achieved in the year after it, and how a policy did in a year (S17, S18).

Both are computed from the facts and the history as they are known now; nothing after the day and its 12 months counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Connection, inspect

from sql.connect import Database, connected
from sql.contract import ENTITIES
from sql.errors import TieringError
from sql.facts import analyze, facts_batch_no, facts_through, lock, rebuild
from sql.statements import run
from transforms.calendar import add_months
from transforms.policy import Policy, parse_policy

MONTHS = 12
"""How long before and after the day is looked at."""

_MEMBER = {"account_id": "TEXT", "tier": "TEXT", "customer_id": "TEXT", "is_head": "BOOLEAN"}
_VALUE = {"side": "TEXT", "tier": "TEXT", "measure": "TEXT", "value": "DECIMAL(38, 18)"}


@dataclass(frozen=True)
class Effect:
    """A measure of the customers who had a tier on the day; None where it is undefined."""

    tier: str
    measure: str
    customers: int
    before: Decimal | None
    after: Decimal | None
    change: Decimal | None
    change_rate: Decimal | None


@dataclass(frozen=True)
class Evaluation:
    """What was written: the effects of the tiers of `as_of`, and the figures of `year` by (figure, tier)."""

    policy: Policy
    as_of: date
    year: int
    effects: tuple[Effect, ...]
    figures: dict[tuple[str, str], Decimal | None]


def evaluate_policy(
    warehouse: Database, policy_id: str, as_of: date | None = None, year: int | None = None
) -> Evaluation:
    """Compare the 12 months after a day with the 12 months up to it, by tier, and count what the policy did in a year.

    The year is the one that the day after `as_of` lies in; a `year` is looked at from the day before it. Without
    either, the latest published day that has 12 months of facts after it. Both tables are written in one
    transaction; the same day again gives the same rows. Raises TieringError for a policy that publishes no tiers,
    a day before its first publication, or one without 12 months of facts after it.
    """
    with connected(warehouse, "tiering_warehouse") as connection:
        if not inspect(connection).has_table("policy_evaluation", schema="tiering"):
            raise TieringError(
                f"tiering_warehouse: {warehouse.place} has no tables of this version; run the DAG customer_facts, "
                "which makes them"
            )
        _check_policy(connection, policy_id)
        lock(connection, f"policy:{policy_id}")
        day = date(year, 1, 1) - timedelta(days=1) if year else as_of
        day = _check_day(connection, policy_id, day)
        start = _in_force(connection, policy_id, day)
        policy = _policy_as_it_ran(connection, policy_id, start.policy_version)
        if policy.publishes != "tier":
            raise TieringError(f"policy {policy_id}: it publishes classes, which have no history to evaluate")
        effects = _write_effects(connection, policy, start.policy_version, day)
        evaluated = (day + timedelta(days=1)).year
        return Evaluation(policy, day, evaluated, effects, _write_figures(connection, policy_id, evaluated))


def latest_day(through: date) -> date:
    """Return the latest day that has 12 months of facts after it."""
    day = add_months(through, -MONTHS)
    while add_months(day + timedelta(days=1), MONTHS) <= through:  # a leap day and the day before it
        day += timedelta(days=1)
    return day


def _check_policy(connection: Connection, policy_id: str) -> None:
    known = [row.policy_id for row in run(connection, "warehouse/read_published_span.sql")]
    if policy_id in known:
        return
    if not known:
        raise TieringError("no policy is published yet; run one first (DAG tier__<policy>)")
    near = get_close_matches(policy_id, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; published are {', '.join(known)}"
    raise TieringError(f"policy {policy_id}: it is not published{hint}")


def _check_day(connection: Connection, policy_id: str, day: date | None) -> date:
    """Return the day to look at: the one asked for, or the latest published one that has a year of facts after it."""
    span = {row.policy_id: row for row in run(connection, "warehouse/read_published_span.sql")}[policy_id]
    through = facts_through(connection)
    if through is None:
        raise TieringError("no facts were loaded yet; run customer_facts first")
    latest = latest_day(through)
    if day is None:
        found = _in_force(connection, policy_id, latest)
        day = span.first_on if found is None else found.as_of
    if add_months(day, MONTHS) > through:
        raise TieringError(
            f"policy {policy_id}: {day} needs facts through {add_months(day, MONTHS)}, which reach {through}; "
            + (f"the latest day that can be evaluated is {latest}" if latest >= span.first_on else "wait for them")
        )
    if day < span.first_on:
        raise TieringError(
            f"policy {policy_id}: nothing was published on or before {day}; the first published day is {span.first_on}"
        )
    return day


def _in_force(connection: Connection, policy_id: str, day: date) -> Any:
    """Return the latest published run up to a day; None where there is none."""
    key = {"policy_id": policy_id, "as_of": day + timedelta(days=1)}
    return run(connection, "warehouse/read_published_day_before.sql", key).first()


def _policy_as_it_ran(connection: Connection, policy_id: str, version: str) -> Policy:
    key = {"policy_id": policy_id, "policy_version": version}
    text = run(connection, "warehouse/read_policy_text.sql", key).scalar_one()
    return parse_policy(text, f"{policy_id} as it ran")


def _write_effects(connection: Connection, policy: Policy, version: str, day: date) -> tuple[Effect, ...]:
    key = {"policy_id": policy.id, "as_of": day}
    seen = {"facts_batch_no": facts_batch_no(connection)}
    rebuild(connection, "tier_member", _MEMBER)
    run(connection, "warehouse/insert_tier_effect_members.sql", {**key, **seen}, grain=policy.grain)
    analyze(connection, "work.tier_member")
    rebuild(connection, "tier_value", _VALUE)
    for side, start, end in (
        ("before", add_months(day, -MONTHS), day),
        ("after", day, add_months(day, MONTHS)),
    ):
        window = {"side": side, "after_day": start, "as_of": end, "policy_id": policy.id, "policy_version": version}
        run(connection, "warehouse/insert_tier_effect_values.sql", {**window, **seen})
    run(connection, "warehouse/delete_tier_effect.sql", key)
    run(connection, "warehouse/insert_tier_effect.sql", key)
    rows = run(connection, "warehouse/read_tier_effect.sql", {**key, "policy_version": version})
    return tuple(Effect(**row._mapping) for row in rows)


def _write_figures(connection: Connection, policy_id: str, year: int) -> dict[tuple[str, str], Decimal | None]:
    first, last = date(year, 1, 1), date(year, 12, 31)
    key: dict[str, Any] = {"policy_id": policy_id, "year": year}
    version = {"policy_version": _in_force(connection, policy_id, last).policy_version}
    read_whole = [entity.name for entity in ENTITIES.values() if entity.dated_by is None]
    run(connection, "warehouse/delete_policy_evaluation.sql", key)
    run(
        connection,
        "warehouse/insert_policy_evaluation.sql",
        {
            **key,
            **version,
            "day_before": first - timedelta(days=1),
            "last_day": last,
            "read_whole": f",{','.join(read_whole)},",
        },
    )
    rows = run(connection, "warehouse/read_policy_evaluation.sql", {**key, **version})
    return {(row.figure, row.tier): row.value for row in rows}
