"""Runs: what a policy decided on a day, staged under a try, and the ledger that says how each ended."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, Row

from sql.connect import Database, connected, write_arrow
from sql.errors import SupersedingInput, TieringError
from sql.facts import analyze, lock
from sql.measure import Measurement
from sql.plan import planned_budget
from sql.retention import kept_from
from sql.statements import run
from transforms.decide import COMPONENT_COLUMNS, DECISION_COLUMNS, TASK_COLUMNS, Decided, InputHash
from transforms.outlook import OUTLOOK_COLUMNS
from transforms.policy import Policy

STAGED = ("decided", "component", "task")
"""The tables of schema work that hold what a run decided until it is published."""

OUTLOOK = "outlook"
"""The table of schema work that holds the lines of a run until a later one is published."""


@dataclass(frozen=True)
class Run:
    """A run of a policy on a day. `is_noop`: the day is published on the same input already."""

    policy_id: str
    as_of: date
    revision: int
    run_id: str
    attempt: int
    policy_version: str
    input_hash: str
    facts_batch_no: int
    facts_through: date
    is_noop: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class Try:
    """A try of a run that has begun, which is revision `revision` unless its input is that of the one in force.

    `is_published`: that revision is in force already, so that nothing is staged and the input alone is looked at.
    """

    policy_id: str
    as_of: date
    revision: int
    run_id: str
    attempt: int
    policy_version: str
    facts_batch_no: int
    is_published: bool
    restate: str | None = None


def run_id_of(policy_id: str, as_of: date, revision: int) -> str:
    """Return the id of a run: equal for equal policy, day and revision."""
    return hashlib.sha256(f"{policy_id}\x1f{as_of}\x1f{revision}".encode()).hexdigest()[:32]


def stage_decisions(
    warehouse: Database,
    policy: Policy,
    measurement: Measurement,
    facts_through: date,
    decided: Decided,
    outlook: pd.DataFrame | None = None,
    *,
    restate: str | None = None,
) -> Run:
    """Keep what a run decided in schema work, all of it in one part: see `stage_parts`."""
    parts = [(decided, outlook)]
    return stage_parts(warehouse, policy, measurement, facts_through, parts, restate=restate)


def stage_parts(
    warehouse: Database,
    policy: Policy,
    measurement: Measurement,
    facts_through: date,
    parts: Iterable[tuple[Decided, pd.DataFrame | None]],
    *,
    restate: str | None = None,
) -> Run:
    """Keep what a run decided in schema work, under a new try of its run; nothing is published yet.

    `parts`: decisions with the lines near their customers (columns `OUTLOOK_COLUMNS`; None: the run has none), of
    some accounts each; only one part is held at a time. Accounts are in the order of their ids over all parts, or
    there is one part.

    A published day with equal input gives a run that `is_noop`. Raises SupersedingInput when a published day
    would be decided on other input, unless `restate` gives the reason; that is the next revision.
    `sql.spread` does the same in several transactions.
    """
    with connected(warehouse, "tiering_warehouse") as connection:
        begun = begin_try(connection, policy, measurement, restate)
        input_hash = InputHash(policy)
        for decided, outlook in parts:
            input_hash.add(decided.decisions)
            if not begun.is_published:
                write_part(connection, begun.run_id, decided, outlook)
        return end_try(connection, policy, begun, input_hash, facts_through)


def begin_try(connection: Connection, policy: Policy, measurement: Measurement, restate: str | None = None) -> Try:
    """Begin a try of a policy's run on a day; whatever an older try of the run staged is gone.

    Until the transaction ends nobody else works on the policy; from then on no older try of the run may publish.
    """
    as_of = measurement.as_of
    lock(connection, f"policy:{policy.id}")
    last = _read_published(connection, policy.id, as_of)
    revision = 1 if last is None else int(last.revision) + bool(restate)
    run_id = run_id_of(policy.id, as_of, revision)
    is_published = last is not None and not restate
    if not is_published:
        forget_staged(connection, run_id)
    return Try(
        policy.id,
        as_of,
        revision,
        run_id,
        _open_attempt(connection, run_id),
        policy.version,
        measurement.facts_batch_no,
        is_published,
        restate,
    )


def end_try(connection: Connection, policy: Policy, begun: Try, input_hash: InputHash, facts_through: date) -> Run:
    """Return the run that a try has decided, known by the hash of what everybody was decided on; see `stage_parts`."""
    as_of = begun.as_of
    planned = planned_budget(connection, policy, as_of, begun.facts_batch_no)
    hashed = input_hash.hexdigest()
    if planned.budget is not None:
        hashed = hashlib.sha256(f"{hashed} {planned.budget}".encode()).hexdigest()
    last = _read_published(connection, policy.id, as_of)
    if last is not None and last.input_hash == hashed:
        return _end_as_noop(connection, begun, last, facts_through)
    if begun.is_published and last is not None:
        raise SupersedingInput(
            f"policy {policy.id}: {as_of} is published, and "
            + ("the policy" if last.policy_version != policy.version else "the facts")
            + " behind it changed since; to publish it again, give a reason (parameter restate)"
        )
    _check_closed(connection, policy.id, as_of, begun.restate)
    _check_kept(connection, policy.id, as_of)
    for table in (*STAGED, OUTLOOK):
        analyze(connection, f"work.{table}")
    return _run_of(begun, begun.revision, begun.attempt, hashed, facts_through)


def _end_as_noop(connection: Connection, begun: Try, last: Row[Any], facts_through: date) -> Run:
    """End a try whose input is that of the revision in force; what it staged for another one is gone."""
    attempt, run_id = begun.attempt, str(last.run_id)
    if run_id != begun.run_id:
        forget_staged(connection, begun.run_id)
        finish_attempt(connection, begun, "noop")
        attempt = _open_attempt(connection, run_id)
    this = _run_of(begun, int(last.revision), attempt, str(last.input_hash), facts_through, is_noop=True)
    finish_attempt(connection, this, "noop")
    return this


def read_noop(connection: Connection, begun: Try, facts_through: date) -> Run:
    """Return the run in force on the day of a try that has ended: published, or as a noop."""
    last = _read_published(connection, begun.policy_id, begun.as_of)
    if last is None:
        raise TieringError(f"policy {begun.policy_id}: {begun.as_of} is no longer published; run it again")
    attempt = int(run(connection, "warehouse/read_attempt.sql", {"run_id": last.run_id}).scalar_one())
    return _run_of(begun, int(last.revision), attempt, str(last.input_hash), facts_through, is_noop=True)


def _read_published(connection: Connection, policy_id: str, as_of: date) -> Row[Any] | None:
    """Return the revision in force; a restatement that was held or refused stands above it, and does not count."""
    known = run(connection, "warehouse/read_run.sql", {"policy_id": policy_id, "as_of": as_of}).all()
    return next((row for row in known if row.status == "published" and row.revision > 0), None)


def _open_attempt(connection: Connection, run_id: str) -> int:
    key = {"run_id": run_id, "started_at": datetime.now(UTC), "host": platform.node()}
    run(connection, "warehouse/insert_attempt.sql", key)
    return int(run(connection, "warehouse/read_attempt.sql", {"run_id": run_id}).scalar_one())


def _run_of(
    begun: Try, revision: int, attempt: int, input_hash: str, facts_through: date, *, is_noop: bool = False
) -> Run:
    return Run(
        begun.policy_id,
        begun.as_of,
        revision,
        run_id_of(begun.policy_id, begun.as_of, revision),
        attempt,
        begun.policy_version,
        input_hash,
        begun.facts_batch_no,
        facts_through,
        is_noop,
        begun.restate,
    )


def forget_staged(connection: Connection, run_id: str) -> None:
    """Forget what was staged for a run."""
    for table in (*STAGED, OUTLOOK):
        run(connection, "warehouse/delete_decided.sql", {"run_id": run_id}, table=table)


def write_part(connection: Connection, run_id: str, decided: Decided, outlook: pd.DataFrame | None) -> None:
    """Stage the decisions of some accounts for a run."""
    staged = {
        "decided": _with_run(decided.decisions, DECISION_COLUMNS, run_id),
        "component": _with_run(decided.components, COMPONENT_COLUMNS, run_id),
        "task": _with_run(decided.tasks, TASK_COLUMNS, run_id),
    }
    for table in STAGED:
        write_arrow(connection, f"work.{table}", staged[table])
    if outlook is not None:
        write_arrow(connection, f"work.{OUTLOOK}", _with_run(outlook, OUTLOOK_COLUMNS, run_id))


def write_hashes(connection: Connection, staged_as: str, decided: Decided) -> None:
    """Stage of the decisions of some accounts what tells their input, under an id that belongs to no run."""
    write_arrow(connection, "work.decided", _with_run(decided.decisions, DECISION_COLUMNS, staged_as))


def _check_closed(connection: Connection, policy_id: str, as_of: date, restate: str | None) -> None:
    closed = closed_through(connection, policy_id)
    if closed is not None and as_of <= closed.closed_through and not restate:
        raise TieringError(
            f"policy {policy_id}: {closed.closed_by} closed everything through {closed.closed_through}, and {as_of} "
            "is part of it; to change it, give a reason (parameter restate), which the policy's owner approves"
        )


def _check_kept(connection: Connection, policy_id: str, as_of: date) -> None:
    first = kept_from(connection, policy_id)
    if first is not None and as_of < first:
        raise TieringError(
            f"policy {policy_id}: decisions before {first} are no longer kept (TIERING_KEEP_DECISIONS_DAYS), so that "
            f"the history before it is final; choose {first} or a later day"
        )


def closed_through(connection: Connection, policy_id: str) -> Any:
    """Return the closing in force for a policy: closed_through, closed_by, reason; None when nothing is closed."""
    return run(connection, "warehouse/read_closed_period.sql", {"policy_id": policy_id}).first()


def _with_run(frame: pd.DataFrame, columns: Mapping[str, Any], run_id: str) -> pa.Table:
    table = pa.Table.from_pandas(frame[list(columns)], preserve_index=False)
    return table.append_column("run_id", pa.repeat(run_id, len(frame)))


def write_run(
    connection: Connection,
    this: Run,
    status: str,
    counts: Mapping[str, int],
    reason: str | None,
    digest: str | None = None,
    *,
    is_correction: bool = False,
) -> None:
    """Write how a run ended into the ledger."""
    run(connection, "warehouse/delete_run.sql", {"run_id": this.run_id})
    run(
        connection,
        "warehouse/insert_run.sql",
        {
            "run_id": this.run_id,
            "policy_id": this.policy_id,
            "as_of": this.as_of,
            "revision": this.revision,
            "status": status,
            "policy_version": this.policy_version,
            "input_hash": this.input_hash,
            "facts_batch_no": this.facts_batch_no,
            "facts_through": this.facts_through,
            "decided_customers": counts.get("graded_now"),
            "excluded_customers": counts.get("excluded_now"),
            "moved_customers": counts.get("moved"),
            "new_customers": counts.get("appeared"),
            "left_customers": counts.get("disappeared"),
            "reason": reason or this.reason,
            "published_at": datetime.now(UTC) if status == "published" else None,
            "digest_id": digest,
            "is_correction": is_correction,
        },
    )


def finish_attempt(
    connection: Connection, this: Run | Try, outcome: str, error: str | None = None, timings: str | None = None
) -> None:
    """Write how a try of a run ended."""
    run(
        connection,
        "warehouse/finish_attempt.sql",
        {
            "run_id": this.run_id,
            "attempt": this.attempt,
            "finished_at": datetime.now(UTC),
            "outcome": outcome,
            "error": error,
            "timings": timings,
        },
    )


def fail_attempt(warehouse: Database, this: Run | Try, error: str) -> None:
    """Record that a try of a run failed; `error` holds no customer data."""
    with connected(warehouse, "tiering_warehouse") as connection:
        finish_attempt(connection, this, "failed", error[:500])
