"""History: reads what runs found and people decided, and writes what differs from the spells that stand."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from sql.connect import read_arrow, write_arrow
from sql.erasure import read_erased
from sql.facts import analyze, fill, joined_by_hash, rebuild
from sql.people import check_overrides
from sql.runs import Run, run_id_of
from sql.statements import render, run
from transforms.calendar import LONGEST
from transforms.fold import SPELL_COLUMNS
from transforms.history import STATE_COLUMNS, History, Known, Row, difference, fold_decisions
from transforms.policy import Policy, parse_policy

log = logging.getLogger(__name__)

_FOLDED = "folded_customer"
_DIFFERING = "differing"
_DIFFERING_COLUMNS = {
    "customer_id": "TEXT",
    "is_plain": "BOOLEAN",
    "is_new": "BOOLEAN",
    **dict.fromkeys(["tier_before", "found_before", "reason_before", "tier", "status", "reason"], "TEXT"),
    **dict.fromkeys(["since_on", "period_from"], "DATE"),
}
"""Accounts of a run that do not stay as they stand: see `warehouse/insert_differing.sql`."""

MOST = Fraction(1, 2)
"""Share of accounts from which on everybody is folded."""


@dataclass(frozen=True)
class Day:
    """A published day: the run in force on it. Revision 0: nothing was measured, people's decisions took effect."""

    as_of: date
    revision: int
    run_id: str
    policy_version: str

    @property
    def is_run(self) -> bool:
        """Whether a run looked at everybody on that day."""
        return self.revision > 0


def read_days(connection: Connection, policy_id: str, from_day: date) -> dict[date, Day]:
    """Return the published days of a policy from a day on, in order."""
    rows = run(connection, "warehouse/read_published_days.sql", {"policy_id": policy_id, "from_day": from_day})
    return {row.as_of: Day(row.as_of, row.revision, row.run_id, row.policy_version) for row in rows}


def policies_as_they_ran(connection: Connection, policy: Policy) -> Callable[[str], Policy]:
    """Return a function that gives the policy in a version that ran."""
    known = {policy.version: policy}

    def as_it_ran(version: str) -> Policy:
        if version not in known:
            text = run(
                connection, "warehouse/read_policy_text.sql", {"policy_id": policy.id, "policy_version": version}
            ).scalar_one()
            known[version] = parse_policy(text, f"{policy.id} as it ran")
        return known[version]

    return as_it_ran


def read_differing(connection: Connection, policy: Policy, this: Run) -> set[str] | None:
    """Return the accounts of a staged run that have to be folded one by one; None: everybody.

    Others stay as they stand (as `transforms.movement.move_tier` has it: found where it stands, and nothing is under
    way), or plainly take what the run found: `work.differing` has these too. Where most accounts have to be folded,
    folding everybody costs less than telling them apart.
    """
    rules = policy.rules_of_movement
    rebuild(connection, _DIFFERING, _DIFFERING_COLUMNS)
    key = {"policy_id": policy.id, "as_of": this.as_of, "run_id": this.run_id}
    fill(connection, "approved_tier", {"tier": "TEXT"}, [(tier,) for tier in sorted(rules.approved)])
    kinds = {
        "has_memory": rules.has_memory,
        "has_period": rules.movement.period is not None,
        "is_immediate": rules.movement.is_immediate,
    }
    with joined_by_hash(connection):
        run(connection, "warehouse/insert_differing.sql", key, **kinds)
    analyze(connection, f"work.{_DIFFERING}")
    customers = set(run(connection, "warehouse/read_differing_customers.sql").scalars())
    decided = int(run(connection, "warehouse/count_decided.sql", {"run_id": this.run_id}).scalar_one())
    if len(customers) <= MOST * decided:
        return customers
    rebuild(connection, _DIFFERING, _DIFFERING_COLUMNS)
    return None


def write_plain(connection: Connection, policy: Policy, this: Run) -> None:
    """Write the spells, absences and states of the accounts that plainly take what the run found, on its day."""
    key = {"policy_id": policy.id, "as_of": this.as_of, "run_id": this.run_id}
    begun = {"customer_tier_history": "insert_plain_spells", "absence": "insert_plain_absences"}
    if policy.rules_of_movement.has_memory:
        begun["movement_state"] = "insert_plain_states"
    with joined_by_hash(connection):
        for table, statement in begun.items():
            run(connection, "warehouse/end_plain.sql", key, table=table)
            run(connection, f"warehouse/{statement}.sql", key)


def fold(
    connection: Connection,
    policy: Policy,
    days: Mapping[date, Day],
    through: date,
    *,
    staged: str | None = None,
    customers: Collection[str] | None = None,
) -> History:
    """Fold what runs found from the first of `days` on, which is a run's, with movement, answers and overrides.

    `staged`: the run of the first day whose findings are not published yet. `customers`: whom to fold; by default
    everybody. Overrides and answers take effect on days up to `through`.
    """
    start = min(days)
    read = _reader(connection, customers)
    key = {"policy_id": policy.id, "from_day": start}
    if staged is None:
        found = read("read_found", key)
    else:
        found = read("read_decided", {"run_id": staged}).assign(as_of=start)
        if any(day > start for day in days):
            following = read("read_found", {**key, "from_day": start + timedelta(days=1)})
            found = pd.concat([found, following], ignore_index=True)
    overrides, answers, grades = (
        _small(connection, name, key) for name in ("read_overrides", "read_answers", "read_final_grades")
    )
    if customers is not None:
        overrides, answers = (frame[frame["customer_id"].isin(list(customers))] for frame in (overrides, answers))
    as_it_ran = policies_as_they_ran(connection, policy)
    known = Known(
        {day: as_it_ran(each.policy_version).rules_of_movement for day, each in days.items() if each.is_run},
        {day: each.run_id for day, each in days.items()},
        found,
        grades,
        answers,
        _usable(connection, policy, overrides),
        read("read_affected_spells", key),
        read("read_movement_states", key),
        lambda: _read_since(connection, policy.id, start - timedelta(days=1)),
        read_erased(connection),
    )
    return fold_decisions(known, through, lambda day: run_id_of(policy.id, day, 0))


def _read_since(connection: Connection, policy_id: str, day: date) -> dict[str, date]:
    rows = run(connection, "warehouse/read_since.sql", {"policy_id": policy_id, "as_of": day})
    return {row.customer_id: row.since_on for row in rows}


def _reader(connection: Connection, customers: Collection[str] | None) -> Callable[..., pd.DataFrame]:
    """Return a function that reads a statement's rows, of everybody in bulk or of some customers."""
    if customers is None:
        return lambda name, key: _bulk(connection, name, key)
    fill(connection, _FOLDED, {"customer_id": "TEXT"}, [(customer_id,) for customer_id in sorted(customers)])
    return lambda name, key: _small(connection, name, key, of_some=True)


def _bulk(connection: Connection, name: str, key: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows as Python objects. On PostgreSQL they are what was committed before this transaction."""
    sql = render(f"warehouse/{name}.sql", of_some=False)
    table = read_arrow(connection, sql, dict(key))
    return pd.DataFrame({name: pd.Series(table[name].to_pylist(), dtype=object) for name in table.column_names})


def _small(connection: Connection, name: str, key: Mapping[str, Any], **names: Any) -> pd.DataFrame:
    result = run(connection, f"warehouse/{name}.sql", dict(key), **names)
    return pd.DataFrame([tuple(row) for row in result], columns=list(result.keys()), dtype=object)


def _usable(connection: Connection, policy: Policy, overrides: pd.DataFrame) -> pd.DataFrame:
    """Return the overrides that pass the checks of a line that is handed in; tools may have written the others."""
    if overrides.empty:
        return overrides
    faulty = check_overrides(connection, policy, LONGEST["days"])
    unusable = {(row.customer_id, row.tier, row.valid_from) for row in faulty}
    places = zip(overrides["customer_id"], overrides["tier"], overrides["valid_from"], strict=True)
    is_usable = np.array([place not in unusable for place in places], dtype=bool)
    if not is_usable.all():
        log.warning(
            "policy %s: %d overrides in tiering.override fail a check of docs/people.md and have no effect",
            policy.id,
            int((~is_usable).sum()),
        )
    return overrides[is_usable]


def write(connection: Connection, policy_id: str, done: History) -> None:
    """Write the spells, absences and states of a fold that differ from those that stand."""
    begun, ended = difference(done.spells, done.spells_before)
    spells = _table(policy_id, SPELL_COLUMNS, _SPELL_TYPES, begun)
    is_spell = pc.is_valid(spells["tier"])
    absences = ["policy_id", "customer_id", "reason", "valid_from", "valid_to"]
    history = {
        "customer_tier_history": spells.filter(is_spell).drop_columns(["reason"]),
        "absence": spells.filter(pc.invert(is_spell)).select(absences),
    }
    _replace(connection, policy_id, ended, history)
    begun, ended = difference(done.states, done.states_before)
    _replace(connection, policy_id, ended, {"movement_state": _table(policy_id, STATE_COLUMNS, _STATE_TYPES, begun)})


_SPELL_TYPES = {
    **dict.fromkeys(["customer_id", "tier", "computed_tier", "status", "reason"], pa.string()),
    **dict.fromkeys(["valid_from", "valid_to"], pa.date32()),
    "run_id": pa.string(),
}
_STATE_TYPES = {
    **dict.fromkeys(STATE_COLUMNS, pa.string()),
    **dict.fromkeys(["valid_from", "valid_to", "since_on", "period_from", "found_since"], pa.date32()),
    "periods": pa.int32(),
}


def _table(policy_id: str, names: list[str], types: Mapping[str, pa.DataType], rows: list[Row]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    table = pa.table({name: pa.array(list(values), types[name]) for name, values in zip(names, columns, strict=True)})
    return table.append_column("policy_id", pa.array([policy_id] * table.num_rows, pa.string()))


def _replace(
    connection: Connection, policy_id: str, ended: list[tuple[str, date]], begun: Mapping[str, pa.Table]
) -> None:
    if ended:
        fill(connection, "ended_interval", {"customer_id": "TEXT", "valid_from": "DATE"}, ended)
        for table in begun:
            run(connection, "warehouse/delete_intervals.sql", {"policy_id": policy_id}, table=table)
    for table, rows in begun.items():
        write_arrow(connection, f"tiering.{table}", rows)
