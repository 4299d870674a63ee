"""Key fields: what finance and sales must hear of when a customer changes, and how fresh each entity is (S16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Connection, inspect

from sql.facts import analyze, rebuild
from sql.statements import run

LATE_AFTER_DAYS = 1
"""Facts are loaded daily through the day before: what is older than that is late."""

_CHANGE = {
    "customer_id": "TEXT",
    "entity": "TEXT",
    "field": "TEXT",
    "before": "TEXT",
    "after": "TEXT",
    "changed_on": "DATE",
    "batch_no": "BIGINT",
    "assessed_by": "TEXT",
    "evidence": "TEXT",
}


@dataclass(frozen=True)
class Freshness:
    """How fresh an entity is: its last batch, and the last day of the last batch that held any row (None: none did)."""

    entity: str
    batch_no: int
    batch_id: str
    source_snapshot: str | None
    extracted_at: datetime
    through_on: date
    rows_through_on: date | None
    days_old: int
    quarantined_rows: int

    @property
    def is_late(self) -> bool:
        """Whether a daily load was missed."""
        return self.days_old > LATE_AFTER_DAYS


def record_key_field_changes(connection: Connection, batch_no: int, fields: Sequence[str]) -> None:
    """Record every change of a key field that the facts hold after a load, and withdraw those that no longer hold.

    Key fields are columns of customers and, by name in `fields`, further attributes and assessed indicators.
    The rows follow from the versions that stand, not from the loads that brought them: what a correction takes
    back is withdrawn, and a second load of the same batch finds nothing to write. The first version of a
    customer, and the first assessment, is no change.
    """
    named = {"fields": f",{','.join(fields)},"}
    now = {"recorded_at": datetime.now(UTC)}
    rebuild(connection, "key_field_change", _CHANGE)
    run(connection, "warehouse/insert_key_field_of_customers.sql")
    if fields:
        run(connection, "warehouse/insert_key_field_of_attributes.sql", named)
        run(connection, "warehouse/insert_key_field_of_assessments.sql", {**named, "batch_no": batch_no})
    analyze(connection, "work.key_field_change")
    run(connection, "warehouse/supersede_key_field_changes.sql", {**named, **now})
    run(connection, "warehouse/insert_key_field_changes.sql", now)


def read_freshness(connection: Connection, today: date) -> dict[str, Freshness]:
    """Return how fresh every entity is that was ever loaded, by name; nothing before the first load."""
    if not inspect(connection).has_table("batch", schema="tiering"):
        return {}
    rows = run(connection, "warehouse/read_freshness.sql", {"today": today})
    return {row.entity: Freshness(**row._mapping) for row in rows}
