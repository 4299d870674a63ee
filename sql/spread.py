"""Spread: one run that several tasks decide together, on whatever machines; what it stages is what one task stages.

The statistics of a policy are over everybody. They are computed once, when the run is split: the indicators are kept
in a table of schema work, numbered in the order of the accounts, and every task reads a range of these places. On
PostgreSQL, keeping those of a policy with two quantiles costs little more than computing them for one task; a statement
that is restricted to a quarter of the accounts still computes the quantiles over all, for three quarters of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, inspect

from sql.connect import Database, connected, stream_arrow, write_arrow
from sql.errors import SupersedingInput, TieringError
from sql.facts import analyze, lock, lock_shared, rebuild
from sql.held import read_held_accounts
from sql.measure import Measurement, indicator_names
from sql.runs import OUTLOOK, STAGED, Run, Try, begin_try, end_try, read_noop, write_hashes, write_part
from sql.statements import render, run
from transforms.decide import Decided, InputHash
from transforms.policy import Policy

KEPT = "indicators_"
"""How the names of the tables begin that keep the indicators of a run while it is decided."""

HASHES_AT_ONCE = 100_000


@dataclass(frozen=True)
class Range:
    """The accounts from one place to another, of `accounts` in all, that one task decides; an empty run has 1 to 0."""

    begun: Try
    accounts: int
    first: int
    last: int

    @property
    def kept(self) -> str:
        """The table of schema work with the indicators of the run."""
        return _kept(self.begun.run_id)

    @property
    def staged_as(self) -> str:
        """Under which id decisions are staged; where they are only compared, under one that belongs to no run."""
        return f"again-{self.begun.run_id}" if self.begun.is_published else self.begun.run_id


def _kept(run_id: str) -> str:
    return f"{KEPT}{run_id[:16]}"


def split_run(
    warehouse: Database, policy: Policy, measurement: Measurement, tasks: int, restate: str | None = None
) -> list[Range]:
    """Begin a try of a run and keep what it is decided on; return so many ranges of accounts, or as many as there are.

    One transaction. What an older try of the run staged is gone, and no older try may stage or publish any more.
    """
    with connected(warehouse, "tiering_warehouse") as connection:
        begun = begin_try(connection, policy, measurement, restate)
        whole = Range(begun, 0, 1, 0)
        run(connection, "warehouse/delete_decided.sql", {"run_id": whole.staged_as}, table="decided")
        held = f"held_{begun.run_id[:16]}"
        rebuild(connection, held, {"account_id": "TEXT", "reason": "TEXT"})
        accounts = read_held_accounts(connection, policy, begun.as_of, begun.facts_batch_no)
        write_arrow(connection, f"work.{held}", accounts.select(["account_id", "reason"]))
        run(connection, "warehouse/drop_work_table.sql", table=whole.kept)
        names = indicator_names(policy, measurement.table)
        run(connection, "warehouse/keep_indicators.sql", target=whole.kept, held=held, **names)
        run(connection, "warehouse/drop_work_table.sql", table=held)
        analyze(connection, f"work.{whole.kept}")
        rows = int(run(connection, "warehouse/count_work_rows.sql", table=whole.kept).scalar_one())
    number = max(1, min(tasks, rows))
    bounds = [rows * place // number for place in range(number + 1)]
    return [Range(begun, rows, above + 1, last) for above, last in pairwise(bounds)]


def read_range(connection: Connection, policy: Policy, part: Range, *, accounts: int) -> Iterator[pa.Table]:
    """Yield the indicators of a range as `sql.measure.stream_indicators` does, and behind them `held_because`."""
    statement = render("warehouse/read_kept_indicators.sql", **indicator_names(policy, f"work.{part.kept}"))
    key = {"first": part.first, "last": part.last}
    for table in stream_arrow(connection, statement, key, rows=accounts):
        yield table.rename_columns([*table.column_names[:-1], "held_because"])


def stage_range(
    warehouse: Database, policy: Policy, part: Range, decided: Iterable[tuple[Decided, pd.DataFrame | None]]
) -> int:
    """Stage the decisions of a range, in place of what an earlier turn of its task staged; return how many accounts.

    One transaction; the ranges of a run are staged beside each other. `decided` is asked for its parts once nobody can
    begin another try before this one is staged. Raises TieringError when a newer try has begun.
    """
    rows = 0
    with connected(warehouse, "tiering_warehouse") as connection:
        lock_shared(connection, f"policy:{policy.id}")
        _check_policy(policy, part.begun)
        if _outcome(connection, part.begun) is not None or not inspect(connection).has_table(part.kept, schema="work"):
            raise TieringError(
                f"policy {policy.id} {part.begun.as_of}: this try has ended, and what it was decided on is gone; "
                "clear split, which begins another one"
            )
        lock(connection, f"range:{part.staged_as}:{part.first}")  # a task that was taken for dead may be at it still
        _forget_range(connection, part)
        for each, outlook in decided:
            rows += len(each.decisions)
            if part.begun.is_published:
                write_hashes(connection, part.staged_as, each)
            else:
                write_part(connection, part.staged_as, each, outlook)
    return rows


def _forget_range(connection: Connection, part: Range) -> None:
    key = {"run_id": part.staged_as, "first": part.first, "last": part.last}
    for table in (*STAGED, OUTLOOK):
        gone = run(connection, "warehouse/delete_decided_range.sql", key, table=table, kept=part.kept).rowcount
        if gone == 0 and table == STAGED[0]:
            return  # every account has one row there: none of the range was staged


def gather_run(warehouse: Database, policy: Policy, part: Range, facts_through: date) -> Run:
    """End the try of which `part` is any range, once all are staged; see `sql.runs.end_try`.

    A try that ended in force or as a noop gives the noop that running the day again would be. Raises TieringError when
    a newer try has begun, or an account was not decided.
    """
    begun = part.begun
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, f"policy:{policy.id}")
        _check_policy(policy, begun)
        if _outcome(connection, begun) in ("noop", "published"):
            return read_noop(connection, begun, facts_through)
        input_hash, rows = InputHash(policy), 0
        statement = render("warehouse/read_input_hashes.sql")
        for hashes in stream_arrow(connection, statement, {"run_id": part.staged_as}, rows=HASHES_AT_ONCE):
            rows += hashes.num_rows
            input_hash.add(hashes.to_pandas(types_mapper=pd.ArrowDtype))
        if rows != part.accounts:
            raise TieringError(
                f"policy {policy.id} {begun.as_of}: {rows} of {part.accounts} accounts are staged; clear split"
            )
        try:
            this: Run | SupersedingInput = end_try(connection, policy, begun, input_hash, facts_through)
        except SupersedingInput as refusal:
            this = refusal
        if begun.is_published:
            run(connection, "warehouse/delete_decided.sql", {"run_id": part.staged_as}, table="decided")
        run(connection, "warehouse/drop_work_table.sql", table=part.kept)
    if isinstance(this, SupersedingInput):
        raise this  # once what was staged to be compared is gone
    return this


def drop_kept(connection: Connection) -> int:
    """Remove the indicators that runs keep while they are decided; return how many tables."""
    found = [name for name in inspect(connection).get_table_names(schema="work") if name.startswith(KEPT)]
    for name in found:
        run(connection, "warehouse/drop_work_table.sql", table=name)
    return len(found)


def _check_policy(policy: Policy, begun: Try) -> None:
    if policy.version != begun.policy_version:
        raise TieringError(f"policy {policy.id}: it was changed while the run was decided; clear split")


def _outcome(connection: Connection, begun: Try) -> str | None:
    """Return how a try ended, if it has. Raises TieringError when it is not the newest one of its run."""
    newest = int(run(connection, "warehouse/read_attempt.sql", {"run_id": begun.run_id}).scalar_one())
    if newest != begun.attempt:
        raise TieringError(
            f"policy {begun.policy_id} {begun.as_of}: try {begun.attempt} is stale, try {newest} has started; "
            "nothing was staged"
        )
    key = {"run_id": begun.run_id, "attempt": begun.attempt}
    found: str | None = run(connection, "warehouse/read_outcome.sql", key).scalar_one()
    return found
