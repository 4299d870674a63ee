"""`tiering mails`: the mails that nobody has got for certain, and dead ones put back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from sql.connect import kept_open
from sql.outbox import read_unsent, retry_mails
from tiering import jobs
from tiering.connections import WAREHOUSE, database_of, mailer_of, owner_of
from tiering.settings import read_settings


def run_mails(console: Console, message_ids: Sequence[str]) -> int:
    """Put dead mails back, where some are named, and list what is pending, uncertain or dead; return 0.

    Raises TieringError in one line.
    """
    zone = read_settings().zone
    with kept_open(mailer_of()) as warehouse:
        jobs.prepare_warehouse(database_of(WAREHOUSE), owner_of())
        if message_ids:
            number = retry_mails(warehouse, [f"<{name.strip('<>')}>" for name in message_ids])
            console.print(f"put back: {number}; the next run of tier_reports sends them")
        unsent = read_unsent(warehouse)
    for mail in unsent:
        again = f", sent again {mail.resent} times" if mail.resent else ""
        lines = (
            f"{mail.message_id.strip('<>')}: {mail.status}, tries {mail.attempts}{again}",
            f"  to {mail.recipient or '(no address)'}, written {mail.created_at.astimezone(zone):%Y-%m-%d %H:%M}"
            + (f", as of {mail.as_of}" if mail.as_of else ""),
            f"  {mail.error or 'not tried yet'}",
        )
        console.print(escape("\n".join(lines)), soft_wrap=True)
    counts = Counter(mail.status for mail in unsent)
    summary = ", ".join(f"{status} {counts[status]}" for status in ("pending", "uncertain", "dead") if counts[status])
    console.print(summary or "every mail is sent")
    return 0
