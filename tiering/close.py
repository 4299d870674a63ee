"""`tiering close`: days are closed once their figures are final, and said which are."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from rich.console import Console
from rich.markup import escape

from sql.closing import close_period, read_closings
from sql.connect import Database, kept_open
from tiering import jobs
from tiering.connections import WAREHOUSE, database_of, owner_of
from tiering.settings import read_settings


def run_close(console: Console, policy_id: str | None, through: date, *, closed_by: str, reason: str) -> int:
    """Close the days of a policy, or of all, up to one; say what that means and what is closed now; return 0.

    Raises TieringError in one line.
    """
    from transforms.policy import read_policies

    here, now = read_settings(), datetime.now(UTC)
    known = read_policies(here.policies)
    with kept_open(owner_of()) as owner:
        jobs.prepare_warehouse(owner)
        before = close_period(
            owner,
            policy_id,
            through,
            closed_by=closed_by,
            reason=reason,
            now=now,
            today=now.astimezone(here.zone).date(),
            policies=known,
        )
        scope = policy_id or "all policies"
        if before is not None and before.closed_through > through:
            since = through + timedelta(days=1)
            console.print(escape(f"{scope}: {since} to {before.closed_through} are open again"))
        _print_closings(console, owner)
    return 0


def run_list(console: Console) -> int:
    """Say what is closed; return 0."""
    with kept_open(database_of(WAREHOUSE)) as warehouse:
        jobs.prepare_warehouse(warehouse, owner_of())
        _print_closings(console, warehouse)
    return 0


def _print_closings(console: Console, warehouse: Database) -> None:
    closings = read_closings(warehouse)
    zone = read_settings().zone
    for each in closings:
        on = each.closed_at.astimezone(zone).date()
        what = f"{each.policy_id or 'all policies'}: closed through {each.closed_through}"
        console.print(escape(f"{what}, by {each.closed_by} on {on}: {each.reason}"), soft_wrap=True)
    if not closings:
        console.print("nothing is closed")
    elif closings[0].policy_id is None and len(closings) > 1:
        console.print("for a policy that is named, the later of the two days counts")
