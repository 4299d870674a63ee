"""Publish: put a staged run into force: decisions, history, absences, changes, current tiers, in one transaction."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from sql.connect import Database, connected, read_arrow, write_arrow
from sql.definitions import keep_definitions
from sql.errors import TieringError
from sql.facts import lock, rebuild
from sql.review import Review, check_answers
from sql.runs import STAGED, Run, finish_attempt, write_run
from sql.statements import render, run
from transforms.calendar import next_on_calendar
from transforms.changes import direction_of, find_drivers, restore_indicators
from transforms.fold import SPELL_COLUMNS, Folded, fold_history
from transforms.overrides import OVERRIDDEN, apply_overrides
from transforms.policy import Policy, parse_policy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Publication:
    """What a publication did: `published`, or `noop` when the day stood already."""

    run_id: str
    status: str
    counts: dict[str, int] = field(default_factory=dict)


def publish_run(warehouse: Database, policy: Policy, this: Run, review: Review) -> Publication:
    """Put a staged run into force: decisions, history, absences, changes and current tiers, in one transaction.

    Running it again changes nothing. Raises TieringError when the run has an unanswered or refused request, or
    a newer try of the run has started (this one is stale).
    """
    started = time.perf_counter()
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, f"policy:{policy.id}")
        newest = int(run(connection, "warehouse/read_attempt.sql", {"run_id": this.run_id}).scalar_one())
        if newest != this.attempt:
            raise TieringError(
                f"policy {policy.id} {this.as_of}: try {this.attempt} is stale, try {newest} has started; "
                "nothing was published"
            )
        known = run(connection, "warehouse/read_run.sql", {"policy_id": policy.id, "as_of": this.as_of})
        if any(row.run_id == this.run_id and row.status == "published" for row in known):
            finish_attempt(connection, this, "noop")
            return Publication(this.run_id, "noop")
        check_answers(connection, policy, this, review)
        keep_definitions(connection, policy)
        key = {"policy_id": policy.id, "as_of": this.as_of, "revision": this.revision, "run_id": this.run_id}
        for statement in ("insert_decisions", "insert_exclusions", "insert_components"):
            run(connection, f"warehouse/{statement}.sql", key)
        following = run(
            connection, "warehouse/read_published_days.sql", {"policy_id": policy.id, "from_day": this.as_of}
        ).all()
        later = {row.as_of: row for row in following if row.as_of > this.as_of}
        is_quiet = bool(later) or policy.publishes == "class"
        write_run(connection, this, "published", review.counts, None, "none" if is_quiet else None)
        if policy.publishes == "tier":
            days = {this.as_of: this.run_id, **{day: row.run_id for day, row in later.items()}}
            folded = _fold(connection, policy, this, days)
            _write_changes(connection, policy, this, folded, later)
            _write_current(connection, policy, this, later)
        if not later:
            _write_classes(connection, policy, this)
            _write_tasks(connection, policy, this)
        for table in STAGED:
            run(connection, "warehouse/delete_decided.sql", {"run_id": this.run_id}, table=table)
        seconds = {"publish": round(time.perf_counter() - started, 3)}
        finish_attempt(connection, this, "published", timings=json.dumps(seconds))
    return Publication(this.run_id, "published", review.counts)


def _frame(connection: Connection, name: str, parameters: dict[str, Any]) -> pd.DataFrame:
    frame = read_arrow(connection, render(name), parameters).to_pandas(types_mapper=pd.ArrowDtype).astype(object)
    return frame.where(frame.notna(), None)


def _fold(connection: Connection, policy: Policy, this: Run, days: dict[date, str]) -> Folded:
    """Fold from the run's day on, and write what differs from the history that stands."""
    standing = _frame(connection, "warehouse/read_affected_spells.sql", {"policy_id": policy.id, "as_of": this.as_of})
    found = _frame(connection, "warehouse/read_decided.sql", {"run_id": this.run_id})
    found["as_of"] = this.as_of
    if len(days) > 1:
        later = _frame(connection, "warehouse/read_found.sql", {"policy_id": policy.id, "as_of": this.as_of})
        found = pd.concat([found, later], ignore_index=True)
    found["tier"] = found["computed_tier"]
    overrides = _frame(connection, "warehouse/read_overrides.sql", {"policy_id": policy.id, "as_of": this.as_of})
    unknown = ~overrides["tier"].isin(policy.tiers)
    if unknown.any():
        log.warning("policy %s: %d overrides name no tier of it and have no effect", policy.id, int(unknown.sum()))
    found = apply_overrides(found, overrides[~unknown])
    before = standing[pd.Series([day < this.as_of for day in standing["valid_from"]], dtype=bool)]
    folded = fold_history(days, before, found)
    new = _rows(folded.spells)
    old = _rows(standing)
    ended = [row for key, row in old.items() if new.get(key) != row]
    begun = [row for key, row in new.items() if old.get(key) != row]
    _replace(connection, policy, ended, begun)
    return folded


_SPELL_TYPES = {
    **dict.fromkeys(["customer_id", "tier", "computed_tier", "status", "reason"], pa.string()),
    **dict.fromkeys(["valid_from", "valid_to"], pa.date32()),
    "run_id": pa.string(),
}


def _rows(spells: pd.DataFrame) -> dict[tuple[str, date], tuple[Any, ...]]:
    rows = {}
    for row in spells[SPELL_COLUMNS].itertuples(index=False, name=None):
        # An absence is no run's: its run does not count when two are compared.
        plain = row if row[1] is not None else (*row[:-1], None)
        rows[plain[0], plain[5]] = plain
    return rows


def _replace(
    connection: Connection, policy: Policy, ended: list[tuple[Any, ...]], begun: list[tuple[Any, ...]]
) -> None:
    rebuild(connection, "ended_spell", {"customer_id": "TEXT", "valid_from": "DATE"})
    write_arrow(
        connection,
        "work.ended_spell",
        pa.table(
            {
                "customer_id": pa.array([row[0] for row in ended], pa.string()),
                "valid_from": pa.array([row[5] for row in ended], pa.date32()),
            }
        ),
    )
    for table in ("customer_tier_history", "absence"):
        run(connection, "warehouse/delete_spells.sql", {"policy_id": policy.id}, table=table)
    columns = dict(zip(SPELL_COLUMNS, zip(*begun, strict=True), strict=True)) if begun else {}
    if not columns:
        return
    table = pa.table({name: pa.array(list(values), _SPELL_TYPES[name]) for name, values in columns.items()})
    table = table.append_column("policy_id", pa.array([policy.id] * table.num_rows, pa.string()))
    is_spell = pc.is_valid(table["tier"])
    spells = table.filter(is_spell).drop_columns(["reason"])
    absences = table.filter(pc.invert(is_spell)).select(
        ["policy_id", "customer_id", "reason", "valid_from", "valid_to"]
    )
    write_arrow(connection, "tiering.customer_tier_history", spells)
    write_arrow(connection, "tiering.absence", absences)


def _write_changes(
    connection: Connection, policy: Policy, this: Run, folded: Folded, later: Mapping[date, Any]
) -> None:
    """Write the change rows from the run's day on; a row that stands unchanged is left alone."""
    standing = {
        (row.customer_id, row.as_of): tuple(row)
        for row in run(connection, "warehouse/read_standing_changes.sql", {"policy_id": policy.id, "as_of": this.as_of})
    }
    new: dict[tuple[str, date], dict[str, Any]] = {}
    for day, moves in folded.moves.groupby("as_of"):
        revision, run_id, version = this.revision, this.run_id, this.policy_version
        if day in later:
            row = later[day]
            revision, run_id, version = row.revision, row.run_id, row.policy_version
        by_hand = {
            row.customer_id
            for row in folded.spells.itertuples()
            if row.status == OVERRIDDEN and day in (row.valid_from, row.valid_to)
        }
        for change in _changes_of_day(connection, policy, day, moves, by_hand, revision, version):
            new[change["customer_id"], day] = {**change, "as_of": day, "revision": revision, "run_id": run_id}
    names = ("customer_id", "as_of", "from_tier", "to_tier", "direction", "cause", "drivers")
    wanted = {key: tuple(change[name] for name in names) for key, change in new.items()}
    withdrawn = [key for key, row in standing.items() if wanted.get(key) != row]
    fresh = [change for key, change in new.items() if standing.get(key) != wanted[key]]
    now = datetime.now(UTC)
    rebuild(connection, "withdrawn_change", {"customer_id": "TEXT", "as_of": "DATE"})
    write_arrow(
        connection,
        "work.withdrawn_change",
        pa.table(
            {
                "customer_id": pa.array([key[0] for key in withdrawn], pa.string()),
                "as_of": pa.array([key[1] for key in withdrawn], pa.date32()),
            }
        ),
    )
    run(connection, "warehouse/supersede_changes.sql", {"policy_id": policy.id, "recorded_at": now})
    if fresh:
        types = {"as_of": pa.date32(), "revision": pa.int32(), "recorded_at": pa.timestamp("us", tz="UTC")}
        rows = [{**change, "policy_id": policy.id, "recorded_at": now} for change in fresh]
        write_arrow(
            connection,
            "tiering.tier_change",
            pa.table({name: pa.array([row[name] for row in rows], types.get(name, pa.string())) for name in rows[0]}),
        )


def _changes_of_day(
    connection: Connection,
    current: Policy,
    day: date,
    moves: pd.DataFrame,
    by_hand: set[str],
    revision: int,
    version: str,
) -> list[dict[str, Any]]:
    policy = current if version == current.version else _policy_as_it_ran(connection, current.id, version)
    rebuild(connection, "moved", {"customer_id": "TEXT"})
    write_arrow(connection, "work.moved", pa.table({"customer_id": pa.array(list(moves["customer_id"]), pa.string())}))
    key = {"policy_id": policy.id, "as_of": day, "revision": revision}
    managers: dict[str, str | None] = {
        row.customer_id: row.account_manager_id for row in run(connection, "warehouse/read_managers.sql", key)
    }
    before_day = run(
        connection, "warehouse/read_published_day_before.sql", {"policy_id": policy.id, "as_of": day}
    ).first()
    now = _moved_indicators(connection, policy, key)
    before = now.iloc[:0]
    if before_day is not None:
        earlier = {"policy_id": policy.id, "as_of": before_day.as_of, "revision": before_day.revision}
        before = _moved_indicators(connection, policy, earlier)
        for row in run(connection, "warehouse/read_managers.sql", earlier):
            managers.setdefault(row.customer_id, row.account_manager_id)
    same = before_day is None or before_day.policy_version == version
    is_by_hand = moves["customer_id"].isin(list(by_hand))
    found = find_drivers(policy, moves[~is_by_hand], now, before, same_policy=same)
    found |= {customer_id: ("override", []) for customer_id in moves["customer_id"][is_by_hand]}
    changes = []
    for move in moves.itertuples():
        cause, drivers = found[move.customer_id]
        changes.append(
            {
                "customer_id": move.customer_id,
                "from_tier": move.from_tier,
                "to_tier": move.to_tier,
                "direction": direction_of(policy, move.from_tier, move.to_tier),
                "cause": cause,
                "drivers": json.dumps(drivers, ensure_ascii=False),
                "account_manager_id": managers.get(move.customer_id),
            }
        )
    return changes


def _moved_indicators(connection: Connection, policy: Policy, key: dict[str, Any]) -> pd.DataFrame:
    rows = run(connection, "warehouse/read_components_of_moved.sql", key).all()
    components = pd.DataFrame(rows, columns=["customer_id", "indicator", "value", "value_text"], dtype=object)
    return restore_indicators(policy, components)


def _policy_as_it_ran(connection: Connection, policy_id: str, version: str) -> Policy:
    text = run(
        connection, "warehouse/read_policy_text.sql", {"policy_id": policy_id, "policy_version": version}
    ).scalar_one()
    return parse_policy(text, f"{policy_id} as it ran")


def _latest(this: Run, later: Mapping[date, Any]) -> dict[str, Any]:
    """Return the latest published day: as_of, revision, run_id and policy_version."""
    if not later:
        return {
            "as_of": this.as_of,
            "revision": this.revision,
            "run_id": this.run_id,
            "policy_version": this.policy_version,
        }
    day = max(later)
    return {"as_of": day, **{name: getattr(later[day], name) for name in ("revision", "run_id", "policy_version")}}


def _write_current(connection: Connection, policy: Policy, this: Run, later: Mapping[date, Any]) -> None:
    run(connection, "warehouse/delete_of_policy.sql", {"policy_id": policy.id}, table="customer_tier")
    latest = _latest(this, later)
    run(
        connection,
        "warehouse/insert_customer_tier.sql",
        {**latest, "policy_id": policy.id, "next_review_on": next_on_calendar(policy.as_of, latest["as_of"])},
    )


def _write_classes(connection: Connection, policy: Policy, this: Run) -> None:
    """Write the current class of every account: decided, or seen beside the tier. It has no history of its own."""
    run(connection, "warehouse/delete_of_policy.sql", {"policy_id": policy.id}, table="customer_class")
    key = {
        "policy_id": policy.id,
        "as_of": this.as_of,
        "revision": this.revision,
        "policy_version": this.policy_version,
    }
    if policy.publishes == "class":
        run(connection, "warehouse/insert_decided_class.sql", key)
    elif policy.class_ is not None:
        run(connection, "warehouse/insert_customer_class.sql", {**key, "class_indicator": policy.class_.of})


def _write_tasks(connection: Connection, policy: Policy, this: Run) -> None:
    """Write the tasks that the latest run found; one that stood already keeps the day it was opened.

    A task that is done by a contact stays until there was one, whether the run finds it or not.
    """
    for name, task in policy.follow_up.tasks.items():
        key = {
            "policy_id": policy.id,
            "run_id": this.run_id,
            "task": name,
            "as_of": this.as_of,
            "title_en": task.title.get("en"),
            "title_zh": task.title.get("zh"),
        }
        found = {"due_on": this.as_of + timedelta(days=task.within_days), "done_by_contact": task.done_by == "contact"}
        run(connection, "warehouse/insert_tasks.sql", {**key, **found})
        if task.done_by == "contact":
            batch = {"facts_batch_no": this.facts_batch_no}
            run(connection, "warehouse/insert_owed_tasks.sql", {**key, **batch}, grain=policy.grain)
    run(connection, "warehouse/delete_older_tasks.sql", {"policy_id": policy.id, "run_id": this.run_id})
