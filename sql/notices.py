"""Notices to customers: prepared as a file per policy and day, recorded, and never sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa

from reports.notice import Notice, read_json, render_notices
from sql.connect import Database, connected, write_arrow
from sql.errors import TieringError
from sql.facts import lock
from sql.review_pack import write_whole
from sql.statements import run
from transforms.policy import Policy


@dataclass(frozen=True)
class Prepared:
    """The file that was written, None when everybody was told already, and how many customers it tells."""

    file: Path | None
    customers: int


def prepare_notices(warehouse: Database, policy: Policy, as_of: date, folder: Path, *, now: datetime) -> Prepared:
    """Write a CSV file with a row per customer whose tier of a published day is in force and was not told yet.

    A second call writes nothing; after a change of the same day a further file tells whose tier changed. The file
    is whole before the table says so, so that a try that dies is repeated into the same file.
    Raises TieringError when the day is not the latest published one of the policy, or it publishes classes.
    """
    if policy.publishes != "tier":
        raise TieringError(f"policy {policy.id} publishes classes; a notice tells a tier")
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, f"policy:{policy.id}")
        key = {"policy_id": policy.id, "as_of": as_of}
        latest = run(connection, "warehouse/read_latest_published.sql", {"policy_id": policy.id}).scalar_one()
        if latest != as_of:
            what = f"its latest published day is {latest}" if latest else "it is not published yet"
            raise TieringError(f"policy {policy.id}: no notices of {as_of}: {what}; only a tier in force is told")
        rows = run(connection, "warehouse/read_notices_due.sql", key).all()
        if not rows:
            return Prepared(None, 0)
        number = int(run(connection, "warehouse/count_notice_files.sql", key).scalar_one()) + 1
        name = f"notice-{policy.id}-{as_of.isoformat()}{f'-{number}' if number > 1 else ''}.csv"
        notices = [
            Notice(
                customer_id=row.customer_id,
                name=row.name or "",
                tier=row.tier,
                title={lang: text for lang, text in (("en", row.title_en), ("zh", row.title_zh)) if text},
                is_provisional=row.status == "provisional",
                terms=read_json(row.terms),
                service_levels=read_json(row.service_levels),
                coverage=row.coverage,
                valid_until=row.next_review_on,
                locale=row.locale or "en",
            )
            for row in rows
        ]
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, render_notices(notices))
        count = len(rows)
        columns = {
            "policy_id": pa.array([policy.id] * count, pa.string()),
            "customer_id": pa.array([row.customer_id for row in rows], pa.string()),
            "as_of": pa.array([as_of] * count, pa.date32()),
            "tier": pa.array([row.tier for row in rows], pa.string()),
            "valid_until": pa.array([row.next_review_on for row in rows], pa.date32()),
            "prepared_at": pa.array([now] * count, pa.timestamp("us", tz="UTC")),
            "file": pa.array([name] * count, pa.string()),
        }
        write_arrow(connection, "tiering.customer_notice", pa.table(columns))
        return Prepared(folder / name, count)
