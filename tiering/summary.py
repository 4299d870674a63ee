"""What a run left behind, as tables for a terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from sql.connect import Database, connected
from sql.statements import run
from transforms.policy import Policy


def print_tiers(
    console: Console, warehouse: Database, policies: Mapping[str, Policy], days: set[date] | None = None
) -> None:
    """Print customers per tier and movers, for every policy and published day (or those `days`)."""
    with connected(warehouse, "tiering_warehouse") as connection:
        moves = run(connection, "warehouse/read_direction_counts.sql").all()
        counted = run(connection, "warehouse/read_tier_counts_over_time.sql").all()
    counts: dict[tuple[str, date], dict[str, int]] = defaultdict(dict)
    for row in counted:
        counts[row.policy_id, row.as_of][row.tier] = int(row.customers)
    for policy_id, policy in sorted(policies.items()):
        table = Table(title=f"{policy_id}  {policy.title.get('en', '')}", title_justify="left")
        table.add_column("as of")
        for name in [*policy.tiers, "no tier", "up", "down", "new", "left"]:
            table.add_column(name, justify="right")
        for row in moves:
            if row.policy_id == policy_id and (days is None or row.as_of in days):
                tiers = counts[policy_id, row.as_of]
                table.add_row(
                    str(row.as_of),
                    *[str(tiers.get(tier, 0)) for tier in policy.tiers],
                    str(row.excluded_customers),
                    *[str(number) for number in (row.up, row.down, row.new, row.gone)],
                )
        console.print(table)


def print_quarantine(console: Console, warehouse: Database) -> None:
    """Print refused rows by entity and rule."""
    with connected(warehouse, "tiering_warehouse") as connection:
        rows = run(connection, "warehouse/read_quarantine_counts.sql").all()
    table = Table(title="Quarantined rows  (tiering.quarantine)", title_justify="left")
    for name in ("entity", "rule"):
        table.add_column(name)
    table.add_column("rows", justify="right")
    for row in rows:
        table.add_row(row.entity, row.rule, str(row.refused_rows))
    console.print(table)


def print_loads(console: Console, warehouse: Database) -> None:
    """Print rows extracted, loaded and quarantined per entity."""
    with connected(warehouse, "tiering_warehouse") as connection:
        rows = run(connection, "warehouse/read_loaded_totals.sql").all()
    table = Table(title="Rows  (tiering.batch)", title_justify="left")
    table.add_column("entity")
    for name in ("extracted", "loaded", "quarantined"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(row.entity, *[f"{int(n):,}" for n in (row.extracted_rows, row.loaded_rows, row.quarantined_rows)])
    console.print(table)


def balance_on(warehouse: Database, as_of: date) -> tuple[Decimal, Decimal, Decimal]:
    """Return (documents, payments, balance) of all accounts up to a day, in the reporting currency."""
    with connected(warehouse, "tiering_warehouse") as connection:
        row = run(connection, "warehouse/read_balance_totals.sql", {"as_of": as_of}).one()
    return row.receivables, row.payments, row.balance


def mails_by_status(warehouse: Database) -> dict[str, int]:
    """Return the number of mails per status of the outbox."""
    with connected(warehouse, "tiering_warehouse") as connection:
        return {row.status: int(row.mails) for row in run(connection, "warehouse/read_mail_counts.sql")}
