"""Publish: put a staged run, or what people decided, into force: everything consumers read, in one transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from sql.changes import write_changes, write_plain_changes
from sql.connect import Database, connected, write_arrow
from sql.credit import write_limits
from sql.definitions import keep_definitions
from sql.errors import TieringError
from sql.facts import joined_by_hash, lock
from sql.history import Day, fold, policies_as_they_ran, read_days, read_differing, write, write_plain
from sql.receivables import write_positions
from sql.retention import kept_from
from sql.review import Review, check_answers
from sql.runs import STAGED, Run, finish_attempt, run_id_of, write_run
from sql.statements import run
from transforms.calendar import later, latest_begin, next_looked_at
from transforms.history import History, first_moved, standing_of
from transforms.movement import falls_on
from transforms.policy import Policy

CURRENCY = "CNY"
"""The reporting currency of an installation that says nothing else."""


@dataclass(frozen=True)
class Publication:
    """What a publication did: `published`, or `noop` when it stood already."""

    run_id: str
    status: str
    counts: dict[str, int] = field(default_factory=dict)


def publish_run(
    warehouse: Database,
    policy: Policy,
    this: Run,
    review: Review,
    currency: str = CURRENCY,
    *,
    tell: bool = False,
    is_backfill: bool = False,
) -> Publication:
    """Put a staged run into force: decisions, history, absences, changes, current tiers and limits, in one transaction.

    `currency`: the reporting currency, of the limits. `tell`: whether mails tell, as a correction, what is told to
    nobody otherwise: a restatement, a day before the latest, a run that `is_backfill`. The same again changes nothing.
    Raises TieringError when the run has an unanswered or refused request, a newer try of the run has started (this one
    is stale), or the policy's floors of credit sum up to more than its budget.
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
        known = run(connection, "warehouse/read_run.sql", {"policy_id": policy.id, "as_of": this.as_of}).all()
        if any(row.run_id == this.run_id and row.status == "published" for row in known):
            finish_attempt(connection, this, "noop")
            return Publication(this.run_id, "noop")
        check_answers(connection, policy, this, review)
        keep_definitions(connection, policy)
        key = {"policy_id": policy.id, "as_of": this.as_of, "revision": this.revision, "run_id": this.run_id}
        for statement in ("insert_decisions", "insert_exclusions", "insert_components"):
            run(connection, f"warehouse/{statement}.sql", key)
        days = {day: each for day, each in read_days(connection, policy.id, this.as_of).items() if day > this.as_of}
        is_latest = not any(each.is_run for each in days.values())
        is_news = is_latest and this.revision == 1 and not is_backfill
        digest, is_correction = _how_told(policy, known, is_news=is_news, tell=tell)
        days[this.as_of] = Day(this.as_of, this.revision, this.run_id, this.policy_version)
        write_run(connection, this, "published", review.counts, None, digest, is_correction=is_correction)
        if policy.publishes == "tier":
            customers = read_differing(connection, policy, this) if set(days) == {this.as_of} else None
            if customers is not None:
                write_plain(connection, policy, this)
                write_plain_changes(connection, policy, days[this.as_of])
            done = fold(connection, policy, days, max(days), staged=this.run_id, customers=customers)
            _put_into_force(connection, policy, done, days, customers)
            notices = "keep_back_notices" if digest == "none" else "release_notices"
            run(connection, f"warehouse/{notices}.sql", {"policy_id": policy.id})
            write_limits(connection, policy, days, currency)
            if policy.credit is not None:
                write_positions(connection, this.as_of, this.facts_batch_no)
        if is_latest:
            with joined_by_hash(connection):
                _write_classes(connection, policy, this)
                _write_tasks(connection, policy, this)
        for table in STAGED:
            run(connection, "warehouse/delete_decided.sql", {"run_id": this.run_id}, table=table)
        seconds = {"publish": round(time.perf_counter() - started, 3)}
        finish_attempt(connection, this, "published", timings=json.dumps(seconds))
    return Publication(this.run_id, "published", review.counts)


def _how_told(policy: Policy, known: Sequence[Any], *, is_news: bool, tell: bool) -> tuple[str | None, bool]:
    """Return what the ledger says of a publication's digest (empty: the next one), and whether it is a correction.

    A day that is still to be told is told as it stands by then, in the way it was to be told before.
    """
    if policy.publishes == "class":
        return "none", False
    waiting = [row for row in known if row.status == "published" and row.revision > 0 and row.digest_id is None]
    if waiting:
        return None, all(row.is_correction for row in waiting)
    if is_news:
        return None, False
    return (None, True) if tell else ("none", False)


def tell_published(warehouse: Database, policy: Policy, run_id: str) -> None:
    """Let mails tell, as a correction, a run that is in force and that nobody was to be told of."""
    if policy.publishes == "tier":
        with connected(warehouse, "tiering_warehouse") as connection:
            lock(connection, f"policy:{policy.id}")
            run(connection, "warehouse/tell_run.sql", {"run_id": run_id})
            run(connection, "warehouse/release_notices.sql", {"policy_id": policy.id})


def publish_people(warehouse: Database, policy: Policy, through: date, currency: str = CURRENCY) -> Publication:
    """Put into force what people decided and what takes effect on days up to `through`, in one transaction.

    Overrides that begin or end, answers, and final grades for days that are published. Nothing is measured; who is
    concerned is folded again from the last run before the first of these days. Limits are decided anew from the first
    run on that gave anybody another tier; `currency` is theirs. Running it again changes nothing.
    """
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, f"policy:{policy.id}")
        key = {"policy_id": policy.id}
        concerned = run(connection, "warehouse/read_concerned.sql", key).all()
        days = read_days(connection, policy.id, date.min)
        runs = [day for day, each in days.items() if each.is_run]
        if not runs or not concerned or policy.publishes == "class":
            return Publication("", "noop")
        first = max(min(row.first_on for row in concerned), kept_from(connection, policy.id) or date.min)
        start = max((day for day in runs if day <= first), default=runs[0])
        days = {day: each for day, each in days.items() if day >= start}
        customers = {row.customer_id for row in concerned}
        done = fold(
            connection,
            policy,
            days,
            max(through, max(days)),
            customers=customers,
        )
        if not done.differs:
            return Publication("", "noop")
        run_id = _put_into_force(connection, policy, done, days, customers)
        moved = first_moved(done, [day for day, each in days.items() if each.is_run])
        if moved is not None:
            write_limits(connection, policy, {day: each for day, each in days.items() if day >= moved}, currency)
        return Publication(run_id, "published", {"customers": len(customers)})


def _put_into_force(
    connection: Connection, policy: Policy, done: History, days: Mapping[date, Day], customers: set[str] | None = None
) -> str:
    """Write what a fold says over what stands; return the run of the latest day."""
    days = {**days, **_record_effects(connection, policy, done, days)}
    write(connection, policy.id, done)
    write_changes(connection, policy, done, days, of_some=customers is not None)
    latest, latest_run = days[max(days)], days[max(day for day, each in days.items() if each.is_run)]
    run(connection, "warehouse/delete_of_policy.sql", {"policy_id": policy.id}, table="customer_tier")
    in_force = policies_as_they_ran(connection, policy)(latest.policy_version)
    standing = {
        "policy_id": policy.id,
        "as_of": latest.as_of,
        "run_id": latest.run_id,
        "policy_version": latest.policy_version,
        "decided_on": latest_run.as_of,
        "revision": latest_run.revision,
        "next_review_on": next_looked_at(in_force.schedule, in_force.as_of, latest.as_of),
    }
    with joined_by_hash(connection):
        run(connection, "warehouse/insert_customer_tier.sql", standing)
        _write_notices(connection, in_force, latest, latest_run)
        _write_outlook(connection, in_force, latest_run)
    return latest.run_id


def _record_effects(connection: Connection, policy: Policy, done: History, days: Mapping[date, Day]) -> dict[date, Day]:
    """Write a ledger row of revision 0 for every day without a run on which a spell begins; return these days."""
    begun = set(done.folded.spells["valid_from"])
    latest_run = max(day for day, each in days.items() if each.is_run)
    found = {}
    for as_of in sorted(done.effects & begun - set(days)):
        run_before = days[max(day for day, each in days.items() if each.is_run and day < as_of)]
        found[as_of] = Day(as_of, 0, run_id_of(policy.id, as_of, 0), run_before.policy_version)
        run(
            connection,
            "warehouse/insert_day_of_people.sql",
            {
                "run_id": found[as_of].run_id,
                "policy_id": policy.id,
                "as_of": as_of,
                "policy_version": run_before.policy_version,
                "published_at": datetime.now(UTC),
                "digest_id": None if as_of > latest_run else "none",
            },
        )
    return found


def _write_notices(connection: Connection, policy: Policy, latest: Day, latest_run: Day) -> None:
    """Write who will go down within the policy's notice, should the findings stay as they are."""
    run(connection, "warehouse/delete_of_policy.sql", {"policy_id": policy.id}, table="tier_notice")
    rules, notice = policy.rules_of_movement, policy.movement.notice
    if notice is None or policy.movement.is_immediate:
        return
    last = later(latest.as_of, notice)
    coming = []
    day = latest.as_of
    while (day := next_looked_at(policy.schedule, policy.as_of, day)) <= last:
        coming.append(day)
    rows = []
    key = {"policy_id": policy.id, "as_of": latest_run.as_of, "revision": latest_run.revision}
    for row in run(connection, "warehouse/read_lower_found.sql", key).mappings():
        falls = falls_on(rules, standing_of(dict(row)), coming)
        if falls is not None:
            rows.append(
                {**row, "falls_on": falls[0], "to_tier": falls[1], "as_of": latest.as_of, "run_id": latest.run_id}
            )
    names = ("customer_id", "tier", "to_tier", "falls_on", "found_since", "account_manager_id", "as_of", "run_id")
    days = ("falls_on", "found_since", "as_of")
    columns = {name: pa.array([row[name] for row in rows], pa.date32() if name in days else None) for name in names}
    columns["policy_id"] = pa.array([policy.id] * len(rows), pa.string())
    write_arrow(connection, "tiering.tier_notice", pa.table(columns))


def _write_outlook(connection: Connection, policy: Policy, latest_run: Day) -> None:
    """Write what would win or cost a tier: the lines that the latest run found, by the tiers in force now."""
    run(connection, "warehouse/delete_of_policy.sql", {"policy_id": policy.id}, table="tier_outlook")
    key = {"policy_id": policy.id, "run_id": latest_run.run_id}
    run(connection, "warehouse/delete_older_outlook.sql", key)
    run(
        connection,
        "warehouse/insert_tier_outlook.sql",
        {
            **key,
            "as_of": latest_run.as_of,
            "revision": latest_run.revision,
            "policy_version": latest_run.policy_version,
            "by_on": next_looked_at(policy.schedule, policy.as_of, latest_run.as_of),
        },
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
        if task.held_for is not None:
            held_from = latest_begin(this.as_of, task.held_for)
            held = {"policy_id": policy.id, "run_id": this.run_id, "task": name, "held_from": held_from}
            run(connection, "warehouse/delete_tasks_held_shorter.sql", held)
        found = {"due_on": this.as_of + timedelta(days=task.within_days), "done_by_contact": task.done_by == "contact"}
        run(connection, "warehouse/insert_tasks.sql", {**key, **found})
        if task.done_by == "contact":
            batch = {"facts_batch_no": this.facts_batch_no}
            run(connection, "warehouse/insert_owed_tasks.sql", {**key, **batch}, grain=policy.grain)
    run(connection, "warehouse/delete_older_tasks.sql", {"policy_id": policy.id, "run_id": this.run_id})
