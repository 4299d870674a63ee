"""`tiering merge` and `tiering erase`: what people decide about single customers."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime

from rich.console import Console
from rich.markup import escape

from sql.connect import kept_open
from sql.erasure import erase_customer
from sql.errors import TieringError
from sql.handover import remove_states
from sql.life_cycle import merge_customers
from tiering import jobs
from tiering.connections import WAREHOUSE, database_of, owner_of
from tiering.settings import read_settings


def run_merge(
    console: Console,
    customer_id: str,
    merged_into: str,
    merged_on: date,
    *,
    reason: str,
    requested_by: str,
    approved_by: str,
) -> int:
    """Merge a customer into another one and say what follows; return 0. Raises TieringError in one line."""
    with kept_open(database_of(WAREHOUSE)) as warehouse:
        jobs.prepare_warehouse(warehouse, owner_of())
        merge = merge_customers(
            warehouse,
            customer_id,
            merged_into,
            merged_on,
            reason=reason,
            requested_by=requested_by,
            approved_by=approved_by,
        )
    for number, into, day in merge.rows:
        word = "counts" if merge.is_new else "counted already"
        console.print(escape(f"{number} {word} for {into} from {day} on"))
    if merge.is_new and merge.published:
        days = ", ".join(f"{policy_id} {count}" for policy_id, count in merge.published.items())
        console.print(escape(f"Published days from {merged_on} on stay as they are until they are restated: {days}"))
    return 0


def run_erase(console: Console, customer_id: str, *, reason: str, requested_by: str, is_sure: bool) -> int:
    """Erase a customer's personal data once somebody said yes, and say what was replaced; return 0.

    Raises TieringError in one line; without an answer nothing is done, and the code is 1.
    """
    here = read_settings()
    if not is_sure:
        if not sys.stdin.isatty():
            raise TieringError("nobody is there to be asked; say --yes")
        console.print(escape(f"The name and further attributes of {customer_id} are replaced for good."))
        if input("Erase them? [y/N] ").strip().lower() not in ("y", "yes"):
            console.print("Nothing was erased.")
            return 1
    with kept_open(owner_of()) as warehouse:  # the writer of loads may not change what stands in the facts
        jobs.prepare_warehouse(warehouse)
        erasure = erase_customer(
            warehouse,
            customer_id,
            erased_on=datetime.now(UTC).astimezone(here.zone).date(),
            reason=reason,
            requested_by=requested_by,
            folders=(here.mail_dir, here.review_dir),
        )
    remove_states(here.spark_dir)
    for place, count in erasure.replaced.items():
        console.print(escape(f"{place}: {count} replaced"))
    word = "erased" if erasure.is_new else "was erased before"
    console.print(
        escape(f"{customer_id} {word}, on {erasure.erased_on}; mails already sent and backups are not touched")
    )
    return 0
