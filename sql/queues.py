"""Queues: in which order callers are served, as a table and as files that a call centre loads (S24)."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

from sqlalchemy import Connection

from reports.text import plain_cell
from sql.connect import Database, connected
from sql.facts import facts_batch_no, fill, lock
from sql.history import policies_as_they_ran
from sql.review_pack import write_whole
from sql.statements import run
from transforms.policy import Policy

COLUMNS = ("customer_id", "tier", "queue_priority", "blacklisted")
"""The columns of a file."""


def write_queue(connection: Connection, policy: Policy, as_of: date) -> int:
    """Write in which order a policy's customers are served on a day, in place of the order before; return the rows.

    The priorities are those of the version that was published last up to the day. Who is blacklisted on the day comes
    behind everybody, with a tier or without. A policy that states no priorities, or is not published, has no order.
    """
    lock(connection, f"policy:{policy.id}")
    run(connection, "warehouse/delete_of_policy.sql", {"policy_id": policy.id}, table="queue_priority")
    key = {"policy_id": policy.id, "as_of": as_of + timedelta(days=1)}
    published = run(connection, "warehouse/read_published_day_before.sql", key).first()
    if published is None:
        return 0
    as_it_ran = policies_as_they_ran(connection, policy)(published.policy_version)
    priorities = {tier: service.queue_priority for tier, service in as_it_ran.service.items()}
    stated = [priority for priority in priorities.values() if priority is not None]
    if not stated:
        return 0
    rows = [(tier, as_it_ran.rank_of(tier), priorities.get(tier)) for tier in as_it_ran.tiers]
    columns = {"tier": "TEXT", "tier_rank": "INTEGER", "queue_priority": "INTEGER"}
    fill(connection, "queue_tier", columns, rows)
    done = run(
        connection,
        "warehouse/insert_queue_priority.sql",
        {
            "policy_id": policy.id,
            "as_of": as_of,
            "facts_batch_no": facts_batch_no(connection),
            "last_priority": max(stated),
        },
        grain=as_it_ran.grain,
        publishes=as_it_ran.publishes,
    )
    return max(done.rowcount, 0)


def drop_other_queues(connection: Connection, as_of: date) -> None:
    """Remove the orders of every other day, which belong to policies that are no longer there."""
    run(connection, "warehouse/delete_other_queues.sql", {"as_of": as_of})


def export_queues(warehouse: Database, folder: Path) -> dict[str, int]:
    """Write `queue-priority-<policy>-<published day>.csv` of every order that stands; return the rows by file.

    UTF-8, one row per customer, who is served first to the front. A file is there whole or not at all; the one of the
    same published day is replaced. No cell can be taken for a formula: one that begins like it begins with `'`.
    """
    written = {}
    with connected(warehouse, "tiering_warehouse") as connection:
        for queue in run(connection, "warehouse/read_queues.sql").all():
            sink = StringIO()
            writer = csv.writer(sink, lineterminator="\r\n")
            writer.writerow(COLUMNS)
            rows = 0
            for row in run(connection, "warehouse/read_queue.sql", {"policy_id": queue.policy_id}):
                priority = "" if row.queue_priority is None else row.queue_priority
                is_blacklisted = "true" if row.is_blacklisted else "false"
                writer.writerow((plain_cell(row.customer_id), plain_cell(row.tier or ""), priority, is_blacklisted))
                rows += 1
            name = f"queue-priority-{queue.policy_id}-{queue.published_on.isoformat()}.csv"
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / name, sink.getvalue().encode("utf-8"))
            written[name] = rows
    return written
