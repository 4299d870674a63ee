"""Follow-ups: who is to be contacted, whether service levels are kept, and who looks after too many customers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy import Connection

from sql.facts import facts_batch_no, lock
from sql.statements import run
from transforms.calendar import add_months, month_end
from transforms.policy import Policy, Service


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

    A contact is due so many days after the last one (or after the tier began, where none is known). A task
    stands until a contact after its opening does it where it is done by a contact, else until a run no
    longer finds it.
    """
    lock(connection, f"policy:{policy.id}")
    run(connection, "warehouse/delete_of_policy.sql", {"policy_id": policy.id}, table="follow_up")
    if not policy.follow_up.every_days and not policy.follow_up.tasks:
        return 0
    done = run(
        connection,
        "warehouse/insert_follow_ups.sql",
        {"policy_id": policy.id, "as_of": as_of, "facts_batch_no": facts_batch_no(connection)},
        grain=policy.grain,
        publishes=policy.publishes,
    )
    return max(done.rowcount, 0)


def drop_other_lists(connection: Connection, as_of: date) -> None:
    """Remove the lists of every other day, which belong to policies that are no longer there."""
    run(connection, "warehouse/delete_other_follow_ups.sql", {"as_of": as_of})


def write_service_levels(connection: Connection, policy: Policy, as_of: date) -> int:
    """Count how a policy's service levels were kept in the month of a day, up to it; return the rows written.

    Months before it whose replies were still due in it are counted again, and at least the last one. A month
    that was counted on a later day already is left alone.
    """
    targets = [(tier, *target) for tier, service in policy.service.items() for target in _targets_of(service)]
    if not targets:
        return 0
    lock(connection, f"policy:{policy.id}")
    longest = max((within for _, target, within, _ in targets if target == "replied"), default=0)
    batch_no = facts_batch_no(connection)
    rows = 0
    for start in _months(as_of, longest):
        month = {"policy_id": policy.id, "period_start": start, "as_of": as_of}
        run(connection, "warehouse/delete_service_levels.sql", month)
        for tier, target, within, share in targets:
            done = run(
                connection,
                "warehouse/insert_service_level.sql",
                {
                    **month,
                    "period_end": min(month_end(start), as_of),
                    "facts_batch_no": batch_no,
                    "tier": tier,
                    "target": target,
                    "within": within,
                    "target_share": share,
                },
                grain=policy.grain,
                target=target,
            )
            rows += max(done.rowcount, 0)
    return rows


def _targets_of(service: Service) -> Iterator[tuple[str, int, Decimal]]:
    """Yield every target of a tier's service with its seconds or days, and the share promised."""
    if service.answered:
        yield "answered", service.answered.seconds, service.answered.share
    if service.replied:
        yield "replied", service.replied.days, service.replied.share


def _months(as_of: date, days: int) -> Iterator[date]:
    """Yield the first days of the months from so many days before the month of `as_of` (at least one) on."""
    last = as_of.replace(day=1)
    start = (last - timedelta(days=max(1, days))).replace(day=1)
    while start <= last:
        yield start
        start = add_months(start, 1)


def find_overloads(connection: Connection, policy: Policy) -> list[Overload]:
    """Return who looks after more customers of a tier than its span of control allows, under the tiers in force."""
    rows = run(connection, "warehouse/read_spans.sql", {"policy_id": policy.id})
    return [
        Overload(policy.id, row.tier, row.account_manager_id, int(row.customers), int(row.span_of_control))
        for row in rows
    ]
