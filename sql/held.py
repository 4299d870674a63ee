"""Held: accounts whose inputs are refused or were not extracted, so that their tier must not move on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
from sqlalchemy import Connection

from sql.contract import ENTITIES
from sql.measure import first_day_seen, read_entities
from sql.statements import run
from transforms.calendar import EVER
from transforms.policy import Policy

SCHEMA = pa.schema([("account_id", pa.string()), ("reason", pa.string()), ("refused_rows", pa.int64())])


@dataclass(frozen=True)
class Input:
    """An entity that a policy reads, from the day after `start` on; `is_account`: its rows are the accounts."""

    name: str
    start: date
    is_account: bool

    @property
    def dated_by(self) -> str | None:
        """The column of its business date, if it has one."""
        return ENTITIES[self.name].dated_by

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return ENTITIES[self.name].key

    @property
    def versioned(self) -> bool:
        """Whether it holds from the day of its extract on."""
        return ENTITIES[self.name].versioned


def inputs_of(policy: Policy, as_of: date) -> list[Input]:
    """Return the entities of customers that a policy reads as of a day, each with its longest window.

    Customers are read by every policy. Exchange rates and plans are nobody's, and not among them.
    """
    starts = {"customers": EVER}
    for indicator in policy.indicators.values():
        for entity in read_entities(indicator):
            start = first_day_seen(policy, indicator, as_of)
            starts[entity] = min(starts.get(entity, start), start)
    accounts = {"opportunity": "opportunities", "request": "service_events"}.get(policy.grain)
    if accounts:
        starts[accounts] = EVER
    return [
        Input(name, starts[name], name == accounts)
        for name, entity in ENTITIES.items()
        if name in starts and "customer_id" in entity.columns
    ]


def read_held_accounts(connection: Connection, policy: Policy, as_of: date, batch_no: int) -> pa.Table:
    """Return the accounts of a policy whose inputs are incomplete as of a day: one row per account, ordered.

    `batch_no`: the newest load that the measures know; what came later is not in them, and makes nothing complete.

    Columns: account_id, reason (`<entity>: <rule>` of a refused row, or that days were not extracted), refused_rows.
    A refused row holds its account while it stands, when its day lies in a window that the policy looks at, or
    cannot be read. Days of an entity that were skipped or not reached hold every account.
    """
    key = {"as_of": as_of, "facts_batch_no": batch_no}
    inputs = inputs_of(policy, as_of)
    skipped = _read_skipped(connection, inputs, as_of, batch_no)
    if skipped:
        accounts = run(connection, "warehouse/read_accounts_of_day.sql", key, grain=policy.grain)
        return pa.Table.from_pylist(
            [{"account_id": row.account_id, "reason": skipped, "refused_rows": 0} for row in accounts], SCHEMA
        )
    starts = {f"start_{one.name}": one.start for one in inputs if one.dated_by}
    held = run(connection, "warehouse/read_held_accounts.sql", {**key, **starts}, grain=policy.grain, inputs=inputs)
    return pa.Table.from_pylist([dict(row._mapping) for row in held], SCHEMA)


def _read_skipped(connection: Connection, inputs: list[Input], as_of: date, batch_no: int) -> str | None:
    """Return which entity lacks days up to `as_of`, in words. Days before its first batch were never asked for."""
    stretches: dict[str, list[tuple[date, date]]] = {}
    for row in run(connection, "warehouse/read_loaded_intervals.sql", {"facts_batch_no": batch_no}):
        stretches.setdefault(row.entity, []).append((row.stretch_start, row.stretch_end))
    for one in inputs:
        loaded = stretches.get(one.name)
        if loaded is None and one.name != "customer_attributes":
            return f"{one.name}: nothing was extracted"
        if loaded is None or one.dated_by is None:
            continue  # read whole with every batch; the policy waits for the facts of its day anyway
        for (_, end), (start, _) in zip(loaded, [*loaded[1:], (as_of + timedelta(days=1), None)], strict=True):
            if end < start and end <= as_of and start > one.start + timedelta(days=1):
                return f"{one.name}: {end} was not extracted"
    return None
