"""Closing: the days whose history no run may change without a reason and the word of the policy's owner."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from sql.connect import Database, connected
from sql.errors import TieringError
from sql.facts import lock
from sql.statements import run
from transforms.policy_errors import near_miss


@dataclass(frozen=True)
class Closing:
    """The closing in force of a policy, or (`policy_id` None) of all policies: through which day, who, why, when."""

    policy_id: str | None
    closed_through: date
    closed_by: str
    reason: str
    closed_at: datetime


def read_closings(warehouse: Database) -> list[Closing]:
    """Return the closings in force, that of all policies first."""
    with connected(warehouse, "tiering_warehouse") as connection:
        return _read(connection)


def _read(connection: Connection) -> list[Closing]:
    rows = run(connection, "warehouse/read_closed_periods.sql").mappings()
    return [Closing(**row) for row in rows]


def close_period(
    owner: Database,
    policy_id: str | None,
    through: date,
    *,
    closed_by: str,
    reason: str,
    now: datetime,
    today: date,
    policies: Collection[str],
) -> Closing | None:
    """Close the days of a policy (None: of all) up to `through`; return the closing that stood before.

    Nothing is overwritten: the newest closing counts, so that an earlier day opens the days after it again.
    `owner` is the warehouse as the user who owns its tables; `policies` are those that may be named beside the
    published ones. Raises TieringError for a day that is not over, an unknown policy, no name or no reason.
    """
    for what, said in (("by", closed_by), ("reason", reason)):
        if not said.strip():
            raise TieringError(f"--{what} is empty; say {'who closes' if what == 'by' else 'why'}")
    if through >= today:
        raise TieringError(
            f"--through {through}: that day is not over (today is {today}); close {today - timedelta(days=1)} or before"
        )
    with connected(owner, "tiering_owner") as connection:
        lock(connection, "closings")
        published = {row.policy_id for row in run(connection, "warehouse/read_published_span.sql")}
        known = sorted({*policies, *published})
        if policy_id is not None and policy_id not in known:
            raise TieringError(f"--policy {policy_id}: there is no such policy{near_miss(policy_id, known)}")
        before = next((each for each in _read(connection) if each.policy_id == policy_id), None)
        if before is not None and before.closed_at >= now:
            raise TieringError(
                f"the clock is behind: {before.closed_by} closed at {before.closed_at}, and it is {now}; correct it"
            )
        closing = {
            "policy_id": policy_id,
            "closed_through": through,
            "closed_by": closed_by.strip(),
            "reason": reason.strip(),
            "closed_at": now,
        }
        run(connection, "warehouse/insert_closed_period.sql", closing)
    return before
