"""Retention: remove what nobody keeps any longer, record what was removed, and say from which day on all is there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, inspect

from sql.connect import Database, connected
from sql.contract import ENTITIES
from sql.facts import lock
from sql.measure import members_of
from sql.statements import run

ROLE = "tiering_owner"


@dataclass(frozen=True)
class Keep:
    """How many days each kind of row is kept; None keeps it for ever.

    Decisions (with exclusions) and components count from the newest published day of their policy, the others from
    the day of the run.
    """

    decisions: int | None = None
    components: int | None = None
    landing: int | None = None
    attempts: int | None = None
    mails: int | None = None
    quarantine: int | None = None
    measures: int | None = None


@dataclass(frozen=True)
class _Pruning:
    """A run of `prune`: its number, the day it counts from, who runs it."""

    number: int
    day: date
    zone: ZoneInfo
    run_id: str

    def first_day(self, days: int) -> date:
        """The first day that is kept."""
        return self.day - timedelta(days=days)

    def instant(self, days: int) -> datetime:
        """The instant at which the first day that is kept begins."""
        return datetime.combine(self.first_day(days), time(), self.zone)


def kept_from(connection: Connection, policy_id: str) -> date | None:
    """Return the first day of a policy whose decisions and components are whole; None where nothing was removed.

    It is a published day: the state after it is in the decisions, so that any later day can be folded. A day before
    it cannot be folded any more, and a run for one must be refused.
    """
    found: date | None = run(connection, "warehouse/read_kept_from.sql", {"policy_id": policy_id}).scalar_one()
    return found


def prune(warehouse: Database, keep: Keep, day: date, zone: ZoneInfo, run_id: str = "by hand") -> dict[str, int]:
    """Remove what is not kept any longer, counted from a business day; return the rows by kind.

    Each kind (of decisions and components: each policy) is removed and recorded in tiering.pruning in a transaction
    of its own: killed in between, none is half removed, and the next run does the rest. Running it again removes
    nothing, and records that. Never touched: history, absences, changes, runs and policy versions. Kept whatever
    the days say: the latest published day of a policy, the newest one before the days that are kept, what is not
    reported yet, mails that are still to be sent, batches that are being loaded, the newest try of every run, and the
    newest measures of every grain.
    """
    with connected(warehouse, ROLE) as connection:
        number = int(run(connection, "warehouse/read_next_pruning_no.sql").scalar_one())
    this = _Pruning(number, day, zone, run_id)
    pruned: dict[str, int] = {}
    for field in fields(Keep):
        days = getattr(keep, field.name)
        if days is None:
            continue
        if field.name in ("decisions", "components"):
            pruned[field.name] = _prune_policies(warehouse, this, field.name, days)
        else:
            with connected(warehouse, ROLE) as connection:
                rows = _PRUNERS[field.name](connection, this, days)
                _record(connection, this, field.name, "-", days, this.first_day(days), rows)
            pruned[field.name] = rows
    return pruned


def _record(
    connection: Connection, this: _Pruning, what: str, policy_id: str, days: int, up_to: date, rows: int
) -> None:
    run(
        connection,
        "warehouse/record_pruning.sql",
        {
            "pruning_no": this.number,
            "what": what,
            "policy_id": policy_id,
            "outcome": "pruned" if rows else "noop",
            "kept_days": days,
            "up_to": up_to,
            "pruned_rows": rows,
            "pruned_on": this.day,
            "run_id": this.run_id,
            "recorded_at": datetime.now(UTC),
        },
    )


def _prune_policies(warehouse: Database, this: _Pruning, what: str, days: int) -> int:
    tables = ("decision", "exclusion") if what == "decisions" else ("score_component",)
    with connected(warehouse, ROLE) as connection:
        policies = [
            row.policy_id for row in run(connection, "warehouse/read_retention_bounds.sql", {"kept_days": days})
        ]
    total = 0
    for policy_id in policies:
        with connected(warehouse, ROLE) as connection:
            lock(connection, f"policy:{policy_id}")  # nobody folds meanwhile; and what was published since counts
            bounds = run(connection, "warehouse/read_retention_bounds.sql", {"kept_days": days}).all()
            up_to = next(row.up_to for row in bounds if row.policy_id == policy_id)
            key = {"policy_id": policy_id, "up_to": up_to}
            rows = 0
            for table in tables:
                rows += _remove(connection, "prune_days", key, table=table)
            _record(connection, this, what, policy_id, days, up_to, rows)
        total += rows
    return total


def _remove(connection: Connection, statement: str, parameters: dict[str, object], **names: object) -> int:
    """Count what a statement removes, and remove it; return the rows."""
    name = f"warehouse/{statement}.sql"
    rows = int(run(connection, name, parameters, counts=True, **names).scalar_one())
    if rows:
        run(connection, name, parameters, counts=False, **names)
    return rows


def _prune_landing(connection: Connection, this: _Pruning, days: int) -> int:
    lock(connection, "facts")
    has_extraction = inspect(connection).has_table("extraction", schema="work")
    key = {"up_to": this.first_day(days).isoformat(), "instant": this.instant(days)}
    return sum(
        _remove(connection, "prune_landing", dict(key), entity=entity, has_extraction=has_extraction)
        for entity in ENTITIES
    )


def _prune_attempts(connection: Connection, this: _Pruning, days: int) -> int:
    return _remove(connection, "prune_attempts", {"instant": this.instant(days)})


def _prune_mails(connection: Connection, this: _Pruning, days: int) -> int:
    lock(connection, "outbox")
    rows = 0
    while old := run(connection, "warehouse/read_old_mails.sql", {"instant": this.instant(days)}).all():
        for mail in old:
            digest = hashlib.sha256(mail.message.encode()).hexdigest()
            run(connection, "warehouse/prune_mail.sql", {"message_id": mail.message_id, "sha256": digest})
        rows += len(old)
    return rows


def _prune_quarantine(connection: Connection, this: _Pruning, days: int) -> int:
    lock(connection, "facts")
    key = {"instant": this.instant(days)}
    rows = int(run(connection, "warehouse/count_old_quarantine.sql", key).scalar_one())
    if rows:
        run(connection, "warehouse/prune_quarantine.sql", key)
    return rows


def _prune_measures(connection: Connection, this: _Pruning, days: int) -> int:
    rows = 0
    for old in run(connection, "warehouse/read_old_measurements.sql", {"instant": this.instant(days)}).all():
        lock(connection, f"measures:{old.grain}:{old.as_of}")
        for table in (old.table_name, members_of(old.measurement_id)):
            run(connection, "warehouse/drop_work_table.sql", table=table)
        run(connection, "warehouse/prune_measurement.sql", {"measurement_id": old.measurement_id})
        rows += int(old.measured_rows)
    return rows


_PRUNERS: dict[str, Callable[[Connection, _Pruning, int], int]] = {
    "landing": _prune_landing,
    "attempts": _prune_attempts,
    "mails": _prune_mails,
    "quarantine": _prune_quarantine,
    "measures": _prune_measures,
}
