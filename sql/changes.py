"""Changes: the moves of published tiers, each with its cause and the indicators that drove it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from sql.connect import read_inside, write_arrow
from sql.facts import analyze, fill, joined_by_hash, rebuild
from sql.history import Day, policies_as_they_ran
from sql.statements import render, run
from transforms.changes import FOUND, STORED, direction_of, find_drivers, population_driver, restore_indicators
from transforms.history import History
from transforms.overrides import OVERRIDDEN
from transforms.policy import Policy

MOVES_AT_ONCE = 100_000
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
    *,
    of_some: bool = False,
) -> None:
    """Write the change rows from the first of `days` on; a row that stands unchanged is left alone.

    `of_some`: only who stands in `work.folded_customer` was folded.
    """
    key = {"policy_id": policy.id, "as_of": min(days)}
    standing = {
        (row.customer_id, row.as_of): tuple(row)
        for row in run(connection, "warehouse/read_standing_changes.sql", key, of_some=of_some)
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
        by_people = {number: "override" for number in moves["customer_id"] if number in by_hand[day]}
        for number in moves["customer_id"]:
            if number not in by_people and (not days[day].is_run or (number, day) in done.by_people):
                by_people[number] = "review"
        in_force = as_it_ran(days[day].policy_version)
        _fill_moved(connection, moves["customer_id"])
        managers = _managers(connection, policy.id, last_run)
        earlier = _run_before(connection, policy.id, day)
        if earlier is not None:
            managers = {**_managers(connection, policy.id, earlier), **managers}
        rest = moves[~moves["customer_id"].isin(list(by_people))]
        decided = pa.table([list(by_people), list(by_people.values()), ["[]"] * len(by_people)], schema=FOUND)
        found = pa.concat_tables([decided, _found_by_rules(connection, in_force, days[day], earlier, rest)])
        changes = _changes(in_force, days[day], moves, found, map(managers.get, moves["customer_id"]))
        new |= {(change["customer_id"], day): change for change in changes.to_pylist()}
    wanted = {key: tuple(change[name] for name in _COMPARED) for key, change in new.items()}
    _withdraw(connection, policy.id, [key for key, row in standing.items() if wanted.get(key) != row])
    added = [change for key, change in new.items() if standing.get(key) != wanted[key]]
    _add(connection, policy.id, pa.Table.from_pylist(added, CHANGE))


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
    moved = render("warehouse/read_plain_moves.sql")
    for after in range(0, moves, MOVES_AT_ONCE):
        part = read_inside(connection, moved, {"after": after, "through": after + MOVES_AT_ONCE}).to_pandas()
        part = part.astype(object).where(part.notna(), None)
        found = _found_by_rules(connection, policy, day, earlier, part)
        _add(connection, policy.id, _changes(policy, day, part, found, part["account_manager_id"]))


CHANGE = pa.schema(
    [
        ("customer_id", pa.string()),
        ("as_of", pa.date32()),
        ("revision", pa.int32()),
        *((name, pa.string()) for name in ("run_id", "from_tier", "to_tier", "direction", "cause", "drivers")),
        ("account_manager_id", pa.string()),
    ]
)


def _changes(
    policy: Policy, day: Day, moves: pd.DataFrame, found: pa.Table, managers: Iterable[str | None]
) -> pa.Table:
    """Return the change rows of a day's moves, in their order; of schema `CHANGE`. `managers`: whose each one is."""
    pairs = list(zip(moves["from_tier"], moves["to_tier"], strict=True))
    directions = {pair: direction_of(policy, *pair) for pair in set(pairs)}
    customers = pa.array(moves["customer_id"], pa.string())
    found = found.take(pc.index_in(customers, value_set=found["customer_id"].combine_chunks()))
    columns = {
        "customer_id": customers,
        "as_of": pa.repeat(pa.scalar(day.as_of), len(moves)),
        "revision": pa.repeat(pa.scalar(day.revision, pa.int32()), len(moves)),
        "run_id": pa.repeat(day.run_id, len(moves)),
        "from_tier": pa.array([pair[0] for pair in pairs], pa.string()),
        "to_tier": pa.array([pair[1] for pair in pairs], pa.string()),
        "direction": pa.array([directions[pair] for pair in pairs], pa.string()),
        "cause": found["cause"],
        "drivers": found["drivers"],
        "account_manager_id": pa.array(list(managers), pa.string()),
    }
    return pa.table(columns, schema=CHANGE)


def _withdraw(connection: Connection, policy_id: str, places: list[tuple[str, date]]) -> None:
    if not places:
        return
    fill(connection, "withdrawn_change", {"customer_id": "TEXT", "as_of": "DATE"}, places)
    key = {"policy_id": policy_id, "recorded_at": datetime.now(UTC)}
    run(connection, "warehouse/supersede_changes.sql", key)


def _add(connection: Connection, policy_id: str, changes: pa.Table) -> None:
    constant = {
        "policy_id": pa.scalar(policy_id),
        "recorded_at": pa.scalar(datetime.now(UTC), pa.timestamp("us", "UTC")),
    }
    for name, value in constant.items():
        changes = changes.append_column(name, pa.repeat(value, len(changes)))
    write_arrow(connection, "tiering.tier_change", changes)


def _fill_moved(connection: Connection, customers: pd.Series) -> None:
    rebuild(connection, "moved", {"customer_id": "TEXT"})
    write_arrow(connection, "work.moved", pa.table({"customer_id": pa.array(customers, pa.string())}))
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
) -> pa.Table:
    """Return why tiers moved that the rules moved: by what was found on the day, or by movement some days later.

    One row per customer, of schema `FOUND`.
    """
    if moves.empty:
        return FOUND.empty_table()
    is_plain = (
        moves["from_tier"].isna()
        | moves["to_tier"].isna()
        | ((moves["from_tier"] == moves["from_found"]) & (moves["to_tier"] == moves["to_found"]))
    )
    now = _indicators(connection, policy, day, moves["customer_id"])
    found = [_drivers(connection, policy, day, earlier, moves[is_plain], now)]
    late = moves[~is_plain]
    kept_by = {move.customer_id: _kept_by(policy, move.from_tier, move.to_tier) for move in late.itertuples()}
    by_day: dict[Day, list[str]] = defaultdict(list)
    for customer_id, until in _agreed_until(connection, policy.id, day.as_of, kept_by).items():
        agreed = _run_before(connection, policy.id, until)
        if agreed is not None:
            by_day[agreed].append(customer_id)
    for agreed, customers in by_day.items():
        theirs = late[late["customer_id"].isin(customers)]
        those = _drivers(connection, policy, day, agreed, theirs, now, kept_by)
        is_policy = pc.equal(those["cause"], "policy")
        found.append(those.set_column(1, "cause", pc.if_else(is_policy, "policy", "movement")))
        late = late[~late["customer_id"].isin(customers)]
    unexplained = pa.table([late["customer_id"], ["movement"] * len(late), ["[]"] * len(late)], schema=FOUND)
    return pa.concat_tables([*found, unexplained])


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
) -> pa.Table:
    if moves.empty:
        return FOUND.empty_table()
    before = now.iloc[:0] if earlier is None else _indicators(connection, policy, earlier, moves["customer_id"])
    same = earlier is None or earlier.policy_version == day.policy_version
    theirs = {customer_id: kept_by[customer_id] for customer_id in moves["customer_id"]} if kept_by else None
    return find_drivers(policy, moves, now, before, same_policy=same, kept_by=theirs)


def _indicators(connection: Connection, policy: Policy, day: Day, customers: pd.Series) -> pd.DataFrame:
    _fill_moved(connection, customers)
    key = {"policy_id": policy.id, "as_of": day.as_of, "revision": day.revision}
    components = read_inside(connection, render("warehouse/read_components_of_moved.sql"), key)
    return restore_indicators(policy, components.cast(STORED))
