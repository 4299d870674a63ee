"""Follow-ups: who is to be contacted, whether service levels are kept, and who looks after too many customers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from sql.facts import facts_batch_no, lock
from sql.statements import run
from transforms.policy import Policy


@dataclass(frozen=True)
class Overload:
    """An account manager with more customers of a tier than one can look after."""

    policy_id: str
    tier: str
    account_manager_id: str | None
    customers: int
    span_of_control: int


def write_follow_ups(connection: Connection, policy: Policy, as_of: date) -> int:
    """Write who is to be contacted on a day under a policy, in place of the list before; return the rows.

    A contact is due so many days after the last one (or after the tier began, where none is known); a task
    stands until a contact does it, or a run no longer finds it.
    """
    lock(connection, f"policy:{policy.id}")
    run(connection, "warehouse/delete_of_policy.sql", {"policy_id": policy.id}, table="follow_up")
    done = run(
        connection,
        "warehouse/insert_follow_ups.sql",
        {"policy_id": policy.id, "as_of": as_of, "facts_batch_no": facts_batch_no(connection)},
        grain=policy.grain,
    )
    return max(done.rowcount, 0)


def write_service_levels(connection: Connection, policy: Policy, as_of: date) -> int:
    """Count how a policy's service levels were kept in the month of a day, up to it; return how many there are.

    The tier is the one that the customer had when the event was opened.
    """
    lock(connection, f"policy:{policy.id}")
    month = {"policy_id": policy.id, "period_start": as_of.replace(day=1)}
    run(connection, "warehouse/delete_service_levels.sql", month)
    levels = 0
    for tier, service in policy.service.items():
        targets = {
            "answered": (service.answered.seconds, service.answered.share) if service.answered else None,
            "replied": (service.replied.days, service.replied.share) if service.replied else None,
        }
        for target, promised in targets.items():
            if promised is None:
                continue
            run(
                connection,
                "warehouse/insert_service_level.sql",
                {
                    **month,
                    "as_of": as_of,
                    "facts_batch_no": facts_batch_no(connection),
                    "tier": tier,
                    "target": target,
                    "within": promised[0],
                    "target_share": promised[1],
                },
                grain=policy.grain,
                target=target,
            )
            levels += 1
    return levels


def find_overloads(connection: Connection, policy: Policy) -> list[Overload]:
    """Return who looks after more customers of a tier than its span of control allows, under the tiers in force."""
    rows = run(connection, "warehouse/read_spans.sql", {"policy_id": policy.id})
    return [
        Overload(policy.id, row.tier, row.account_manager_id, int(row.customers), int(row.span_of_control))
        for row in rows
    ]
