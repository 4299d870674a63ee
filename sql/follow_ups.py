"""Follow-ups: who is to be contacted, how visits were planned and spent, which grades are provisional until when,
whether service levels are kept, and who looks after too many customers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from sql.connect import write_arrow
from sql.facts import facts_batch_no, lock
from sql.statements import run
from transforms.calendar import add_months, month_end, next_looked_at
from transforms.policy import Policy, Service
from transforms.review_lists import months_provisional


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
    for table in ("follow_up", "provisional_grade"):
        run(connection, "warehouse/delete_other_lists.sql", {"as_of": as_of}, table=table)


def write_provisional_grades(connection: Connection, policy: Policy, as_of: date) -> int:
    """Write whose tier in force on a day is provisional, in place of the list before; return the rows.

    The grade of a new customer, where the policy counts months of tenure, is to be final when they have passed (S13c);
    any other when the policy looks again.
    """
    lock(connection, f"policy:{policy.id}")
    run(connection, "warehouse/delete_of_policy.sql", {"policy_id": policy.id}, table="provisional_grade")
    if policy.publishes != "tier":
        return 0
    key = {"policy_id": policy.id, "as_of": as_of}
    found = run(connection, "warehouse/read_provisional.sql", key).all()
    months = months_provisional(policy)
    began: dict[str, date | None] = {}
    if found and months is not None:
        facts = {**key, "facts_batch_no": facts_batch_no(connection)}
        for row in run(connection, "warehouse/read_beginnings.sql", facts, grain=policy.grain):
            began[row.customer_id] = row.began_on
    if not found:
        return 0
    next_look = next_looked_at(policy.schedule, policy.as_of, found[0].published_on)
    columns: dict[str, list[Any]] = defaultdict(list)
    for row in found:
        began_on = began.get(row.customer_id)
        settled_on = add_months(began_on, months) if began_on and months is not None else row.published_on
        is_new = settled_on > row.published_on
        final_by = settled_on if is_new else next_look
        columns["policy_id"].append(policy.id)
        columns["customer_id"].append(row.customer_id)
        columns["tier"].append(row.tier)
        columns["since_on"].append(row.since_on)
        columns["reason"].append("new" if is_new else "review")
        columns["began_on"].append(began_on if is_new else None)
        columns["final_by"].append(final_by)
        columns["overdue_days"].append(max((as_of - final_by).days, 0))
        columns["account_manager_id"].append(row.account_manager_id)
        columns["as_of"].append(as_of)
    kinds = {name: pa.date32() for name in ("since_on", "began_on", "final_by", "as_of")}
    table = {name: pa.array(values, kinds.get(name)) for name, values in columns.items()}
    write_arrow(connection, "tiering.provisional_grade", pa.table(table))
    return len(found)


def write_visit_plan(connection: Connection, policy: Policy, as_of: date) -> int:
    """Count what a policy's cadence asked for in the last whole month up to a day, and what was done (S2).

    Return the rows written. A month that was counted on a later day already is left alone, as are those before it.
    """
    if not policy.follow_up.every_days:
        return 0
    lock(connection, f"policy:{policy.id}")
    end = month_end(as_of) if as_of == month_end(as_of) else as_of.replace(day=1) - timedelta(days=1)
    month = {"policy_id": policy.id, "period_start": end.replace(day=1), "counted_on": as_of}
    run(connection, "warehouse/delete_visit_plan.sql", month)
    done = run(
        connection,
        "warehouse/insert_visit_plan.sql",
        {**month, "as_of": end, "facts_batch_no": facts_batch_no(connection)},
        grain=policy.grain,
        publishes=policy.publishes,
    )
    return max(done.rowcount, 0)


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
