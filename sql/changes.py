"""Changes: the moves of published tiers, each with its cause and the indicators that drove it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from sql.connect import read_inside, write_arrow
from sql.facts import analyze, fill, joined_by_hash, rebuild
from sql.history import Day, policies_as_they_ran
from sql.statements import render, run
from transforms.changes import STORED, direction_of, find_drivers, population_driver, restore_indicators
from transforms.history import History
from transforms.overrides import OVERRIDDEN
from transforms.policy import Policy

Found = dict[str, tuple[str, list[dict[str, str | None]]]]
"""Cause and drivers by customer."""

MOVES_AT_ONCE = 50_000
"""Moves that are explained at a time; how many there are in all does not matter."""

_PLAIN_MOVE = {
    "number": "BIGINT",
    **dict.fromkeys(["customer_id", "from_state", "to_state", "from_tier", "to_tier", "from_found"], "TEXT"),
    **dict.fromkeys(["is_in", "was_in"], "BOOLEAN"),
    "account_manager_id": "TEXT",
}

_COMPARED = ("customer_id", "as_of", "from_tier", "to_tier", "direction", "cause", "drivers")


def write_changes(
    connection: Connection,
    policy: Policy,
    done: History,
    days: Mapping[date, Day],
    customers: Collection[str] | None = None,
) -> None:
    """Write the change rows from the first of `days` on; a row that stands unchanged is left alone.

    `customers`: who was folded; by default everybody.
    """
    start = min(days)
    standing = {
        (row.customer_id, row.as_of): tuple(row)
        for row in run(connection, "warehouse/read_standing_changes.sql", {"policy_id": policy.id, "as_of": start})
        if customers is None or row.customer_id in customers
    }
    by_hand: dict[date, set[str]] = defaultdict(set)
    for spell in done.folded.spells[done.folded.spells["status"] == OVERRIDDEN].itertuples():
        by_hand[spell.valid_from].add(spell.customer_id)
        by_hand[spell.valid_to].add(spell.customer_id)
    new: dict[tuple[str, date], dict[str, Any]] = {}
    as_it_ran = policies_as_they_ran(connection, policy)
    last_run: Day | None = None
    moves_of = dict(list(done.folded.moves.groupby("as_of")))
    for day in sorted(days):
        last_run = days[day] if days[day].is_run else last_run
        if day not in moves_of or last_run is None:
            continue
        moves = moves_of[day]
        found: Found = {number: ("override", []) for number in moves["customer_id"] if number in by_hand[day]}
        found |= {
            number: ("review", [])
            for number in moves["customer_id"]
            if number not in found and (not days[day].is_run or (number, day) in done.by_people)
        }
        in_force = as_it_ran(days[day].policy_version)
        rest = moves[~moves["customer_id"].isin(list(found))]
        _fill_moved(connection, list(moves["customer_id"]))
        managers = _managers(connection, policy.id, last_run)
        earlier = _run_before(connection, policy.id, day)
        if earlier is not None:
            managers = {**_managers(connection, policy.id, earlier), **managers}
        found |= _found_by_rules(connection, in_force, days[day], earlier, rest)
        for change in _changes(in_force, days[day], moves, found, managers):
            new[change["customer_id"], day] = change
    wanted = {key: tuple(change[name] for name in _COMPARED) for key, change in new.items()}
    _withdraw(connection, policy.id, [key for key, row in standing.items() if wanted.get(key) != row])
    _add(connection, policy.id, [change for key, change in new.items() if standing.get(key) != wanted[key]])


def write_plain_changes(connection: Connection, policy: Policy, day: Day) -> None:
    """Write the change rows of the accounts that plainly take what the day's run found (`work.differing`)."""
    earlier = _run_before(connection, policy.id, day.as_of)
    rebuild(connection, "plain_move", _PLAIN_MOVE)
    key = {"policy_id": policy.id, "run_id": day.run_id}
    then = {
        "earlier_on": earlier.as_of if earlier else None,
        "earlier_revision": earlier.revision if earlier else None,
    }
    with joined_by_hash(connection):
        run(connection, "warehouse/insert_plain_moves.sql", {**key, **then})
    analyze(connection, "work.plain_move")
    came, went = (json.dumps([population_driver(came=came)]) for came in (True, False))
    texts = {"came": came, "went": went, "recorded_at": datetime.now(UTC)}
    written = {**key, **texts, "as_of": day.as_of, "revision": day.revision}
    run(connection, "warehouse/insert_population_changes.sql", written)
    moves = int(run(connection, "warehouse/count_work_rows.sql", table="plain_move").scalar_one())
    for after in range(0, moves, MOVES_AT_ONCE):
        rows = run(connection, "warehouse/read_plain_moves.sql", {"after": after, "through": after + MOVES_AT_ONCE})
        part = pd.DataFrame([tuple(row) for row in rows], columns=list(rows.keys()), dtype=object)
        if len(part):
            found = _found_by_rules(connection, policy, day, earlier, part)
            managers = dict(zip(part["customer_id"], part["account_manager_id"], strict=True))
            _add(connection, policy.id, list(_changes(policy, day, part, found, managers)))


def _changes(
    policy: Policy, day: Day, moves: pd.DataFrame, found: Found, managers: Mapping[str, str | None]
) -> Iterator[dict[str, Any]]:
    """Yield the change rows of a day's moves."""
    columns = (moves[name] for name in ("customer_id", "from_tier", "to_tier"))
    for customer_id, from_tier, to_tier in zip(*columns, strict=True):
        cause, drivers = found[customer_id]
        yield {
            "customer_id": customer_id,
            "as_of": day.as_of,
            "revision": day.revision,
            "run_id": day.run_id,
            "from_tier": from_tier,
            "to_tier": to_tier,
            "direction": direction_of(policy, from_tier, to_tier),
            "cause": cause,
            "drivers": json.dumps(drivers, ensure_ascii=False),
            "account_manager_id": managers.get(customer_id),
        }


def _withdraw(connection: Connection, policy_id: str, places: list[tuple[str, date]]) -> None:
    if not places:
        return
    fill(connection, "withdrawn_change", {"customer_id": "TEXT", "as_of": "DATE"}, places)
    key = {"policy_id": policy_id, "recorded_at": datetime.now(UTC)}
    run(connection, "warehouse/supersede_changes.sql", key)


def _add(connection: Connection, policy_id: str, changes: list[dict[str, Any]]) -> None:
    if not changes:
        return
    types = {"as_of": pa.date32(), "revision": pa.int32(), "recorded_at": pa.timestamp("us", tz="UTC")}
    now = datetime.now(UTC)
    rows = [{**change, "policy_id": policy_id, "recorded_at": now} for change in changes]
    columns = {name: pa.array([row[name] for row in rows], types.get(name, pa.string())) for name in rows[0]}
    write_arrow(connection, "tiering.tier_change", pa.table(columns))


def _fill_moved(connection: Connection, customers: list[str]) -> None:
    fill(connection, "moved", {"customer_id": "TEXT"}, [(customer_id,) for customer_id in customers])
    analyze(connection, "work.moved")


def _managers(connection: Connection, policy_id: str, day: Day) -> dict[str, str | None]:
    key = {"policy_id": policy_id, "as_of": day.as_of, "revision": day.revision}
    rows = run(connection, "warehouse/read_managers.sql", key)
    return {row.customer_id: row.account_manager_id for row in rows}


def _run_before(connection: Connection, policy_id: str, as_of: date) -> Day | None:
    key = {"policy_id": policy_id, "as_of": as_of}
    row = run(connection, "warehouse/read_published_day_before.sql", key).first()
    return None if row is None else Day(row.as_of, row.revision, row.run_id, row.policy_version)


def _found_by_rules(
    connection: Connection, policy: Policy, day: Day, earlier: Day | None, moves: pd.DataFrame
) -> Found:
    """Return why tiers moved that the rules moved: by what was found on the day, or by movement some days later."""
    if moves.empty:
        return {}
    is_plain = (
        moves["from_tier"].isna()
        | moves["to_tier"].isna()
        | ((moves["from_tier"] == moves["from_found"]) & (moves["to_tier"] == moves["to_found"]))
    )
    now = _indicators(connection, policy, day, list(moves["customer_id"]))
    plain = moves[is_plain]
    found = _drivers(connection, policy, day, earlier, plain, now)
    late = moves[~is_plain]
    kept_by = {move.customer_id: _kept_by(policy, move.from_tier, move.to_tier) for move in late.itertuples()}
    by_day: dict[Day, list[str]] = defaultdict(list)
    for customer_id, until in _agreed_until(connection, policy.id, day.as_of, kept_by).items():
        agreed = _run_before(connection, policy.id, until)
        if agreed is not None:
            by_day[agreed].append(customer_id)
    for agreed, customers in by_day.items():
        theirs = late[late["customer_id"].isin(customers)]
        for customer_id, (cause, drivers) in _drivers(connection, policy, day, agreed, theirs, now, kept_by).items():
            found[customer_id] = ("policy" if cause == "policy" else "movement", drivers)
    return {customer_id: found.get(customer_id, ("movement", [])) for customer_id in moves["customer_id"]}


def _kept_by(policy: Policy, from_tier: str, to_tier: str) -> set[str]:
    """Return the tiers that, had they been found, would not have led from one tier to the other."""
    if from_tier not in policy.tiers or to_tier not in policy.tiers:
        return {from_tier}
    place = policy.tiers.index(from_tier)
    goes_down = policy.tiers.index(to_tier) > place
    return set(policy.tiers[: place + 1] if goes_down else policy.tiers[place:])


def _agreed_until(
    connection: Connection, policy_id: str, as_of: date, kept_by: Mapping[str, set[str]]
) -> dict[str, date]:
    if not kept_by:
        return {}
    pairs = [(customer_id, tier) for customer_id, tiers in kept_by.items() for tier in sorted(tiers)]
    fill(connection, "kept_by", {"customer_id": "TEXT", "tier": "TEXT"}, pairs)
    rows = run(connection, "warehouse/read_agreeing_days.sql", {"policy_id": policy_id, "as_of": as_of})
    return {row.customer_id: row.until for row in rows}


def _drivers(
    connection: Connection,
    policy: Policy,
    day: Day,
    earlier: Day | None,
    moves: pd.DataFrame,
    now: pd.DataFrame,
    kept_by: Mapping[str, set[str]] | None = None,
) -> Found:
    if moves.empty:
        return {}
    customers = list(moves["customer_id"])
    before = now.iloc[:0] if earlier is None else _indicators(connection, policy, earlier, customers)
    same = earlier is None or earlier.policy_version == day.policy_version
    theirs = {customer_id: kept_by[customer_id] for customer_id in customers} if kept_by else None
    return find_drivers(policy, moves, now, before, same_policy=same, kept_by=theirs)


def _indicators(connection: Connection, policy: Policy, day: Day, customers: list[str]) -> pd.DataFrame:
    _fill_moved(connection, customers)
    key = {"policy_id": policy.id, "as_of": day.as_of, "revision": day.revision}
    components = read_inside(connection, render("warehouse/read_components_of_moved.sql"), key)
    return restore_indicators(policy, components.cast(STORED))
