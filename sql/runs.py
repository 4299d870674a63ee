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
from sqlalchemy import Connection

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
    """
    as_of = measurement.as_of
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, f"policy:{policy.id}")
        planned = planned_budget(connection, policy, as_of, measurement.facts_batch_no)
        known = run(connection, "warehouse/read_run.sql", {"policy_id": policy.id, "as_of": as_of}).all()
        # A restatement that was held or refused stands above the revision in force, which alone counts here.
        last = next((row for row in known if row.status == "published" and row.revision > 0), None)
        revision = 1 if last is None else int(last.revision) + bool(restate)
        run_id = run_id_of(policy.id, as_of, revision)
        may_write = last is None or bool(restate)  # else the input is as it was, or the run is refused
        if may_write:
            for table in (*STAGED, OUTLOOK):
                run(connection, "warehouse/delete_decided.sql", {"run_id": run_id}, table=table)
        input_hash = InputHash(policy)
        for decided, outlook in parts:
            input_hash.add(decided.decisions)
            if may_write:
                _write_part(connection, run_id, decided, outlook)
        hashed = input_hash.hexdigest()
        if planned.budget is not None:
            hashed = hashlib.sha256(f"{hashed} {planned.budget}".encode()).hexdigest()
        noop = last is not None and last.input_hash == hashed
        if noop:
            revision = int(last.revision)  # type: ignore[union-attr]
            for table in (*STAGED, OUTLOOK) if may_write else ():
                run(connection, "warehouse/delete_decided.sql", {"run_id": run_id}, table=table)
            run_id = run_id_of(policy.id, as_of, revision)
        elif not may_write and last is not None:
            raise SupersedingInput(
                f"policy {policy.id}: {as_of} is published, and "
                + ("the policy" if last.policy_version != policy.version else "the facts")
                + " behind it changed since; to publish it again, give a reason (parameter restate)"
            )
        else:
            _check_closed(connection, policy.id, as_of, restate)
            _check_kept(connection, policy.id, as_of)
            for table in (*STAGED, OUTLOOK):
                analyze(connection, f"work.{table}")
        run(
            connection,
            "warehouse/insert_attempt.sql",
            {"run_id": run_id, "started_at": datetime.now(UTC), "host": platform.node()},
        )
        attempt = int(run(connection, "warehouse/read_attempt.sql", {"run_id": run_id}).scalar_one())
        this = Run(
            policy.id,
            as_of,
            revision,
            run_id,
            attempt,
            policy.version,
            hashed,
            measurement.facts_batch_no,
            facts_through,
            noop,
            restate,
        )
        if noop:
            finish_attempt(connection, this, "noop")
    return this


def _write_part(connection: Connection, run_id: str, decided: Decided, outlook: pd.DataFrame | None) -> None:
    staged = {
        "decided": _with_run(decided.decisions, DECISION_COLUMNS, run_id),
        "component": _with_run(decided.components, COMPONENT_COLUMNS, run_id),
        "task": _with_run(decided.tasks, TASK_COLUMNS, run_id),
    }
    for table in STAGED:
        write_arrow(connection, f"work.{table}", staged[table])
    if outlook is not None:
        write_arrow(connection, f"work.{OUTLOOK}", _with_run(outlook, OUTLOOK_COLUMNS, run_id))


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
    return table.append_column("run_id", pa.array([run_id] * len(frame), pa.string()))


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
    connection: Connection, this: Run, outcome: str, error: str | None = None, timings: str | None = None
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


def fail_attempt(warehouse: Database, this: Run, error: str) -> None:
    """Record that a try of a run failed; `error` holds no customer data."""
    with connected(warehouse, "tiering_warehouse") as connection:
        finish_attempt(connection, this, "failed", error[:500])
