"""Sending a full outbox, against a bare smtplib loop with the same bytes and the same server, in one run.

Run: .venv/bin/python benchmarks/mail.py [--mails 1000] [--kilobytes 60] [--rounds 3]
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import smtplib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from decide import ROOT, seconds
from sqlalchemy import text

sys.path.insert(0, str(ROOT))  # the cluster of the tests

from reports.mail import SmtpServer, build_message, message_id
from reports.render import RenderedDigest
from reports.workbook import WorkbookFile
from sql.connect import Database, connected
from sql.outbox import send_outbox
from sql.schema import upgrade_schema
from tests.cluster import Cluster, free_port

SENDER, RECIPIENT = "tiering@corp.example", "manager@corp.example"
NOW = datetime(2026, 4, 1, 6, tzinfo=UTC)


class Sink:
    """Takes every mail and forgets it."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Accept a mail."""
        return "250 taken"


def listen(port: int, ready: Event, over: Event) -> None:
    """Serve until `over`, in a process of its own, so that sender and server do not share an interpreter."""
    controller = Controller(Sink(), hostname="127.0.0.1", port=port)
    controller.start()
    ready.set()
    over.wait()
    controller.stop()


@contextmanager
def sink() -> Iterator[int]:
    """A mail server on loopback; yields its port."""
    context = multiprocessing.get_context("spawn")
    ready, over, port = context.Event(), context.Event(), free_port()
    process = context.Process(target=listen, args=(port, ready, over))
    process.start()
    try:
        if not ready.wait(60):
            raise TimeoutError("the mail server did not start within a minute")
        yield port
    finally:
        over.set()
        process.join()


def make_mails(number: int, kilobytes: int) -> dict[str, str]:
    """Return mails of a size by Message-ID: a page, its text and a workbook that does not compress, as in a report."""
    draw = random.Random(1)  # noqa: S311 - filling
    lines = "".join(f"<p>Customer {place}: B to C, 1,234,567.89</p>\n" for place in range(kilobytes * 5))
    book = WorkbookFile("customer-tiers-2026-03-31.xlsx", draw.randbytes(kilobytes * 1024 * 45 // 100))
    found = {}
    for place in range(number):
        identity = message_id("benchmark", str(place), domain="corp.example")
        message = build_message(
            RenderedDigest("Customer tiers 2026-03-31: 1 up, 2 down", lines, lines[: kilobytes * 100], book),
            sender=SENDER,
            recipient=RECIPIENT,
            recipient_name="Manager",
            message_id=identity,
            run_note="benchmark",
            date=NOW,
        )
        found[identity] = bytes(message).decode("ascii")
    return found


def fill(warehouse: Database, mails: dict[str, str]) -> None:
    """Let these mails wait in the outbox, and no other."""
    with connected(warehouse, "benchmark") as connection:
        connection.execute(text("DELETE FROM tiering.email_outbox"))
        connection.execute(
            text(
                "INSERT INTO tiering.email_outbox (message_id, digest_id, account_manager_id, recipient, subject, "
                "message, status, attempts, created_at) VALUES (:message_id, 'd', 'M1', :recipient, 's', :message, "
                "'pending', 0, :now)"
            ),
            [
                {"message_id": identity, "recipient": RECIPIENT, "message": message, "now": NOW}
                for identity, message in mails.items()
            ],
        )


def main() -> None:
    """Print both rates and their ratio, the best of some rounds taken in turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mails", type=int, default=1000, help="mails (default: 1000)")
    parser.add_argument("--kilobytes", type=int, default=60, help="size of a mail, about (default: 60)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the best counts (default: 3)")
    options = parser.parse_args()
    mails = make_mails(options.mails, options.kilobytes)
    size = sum(map(len, mails.values())) / len(mails) / 1024
    cluster = Cluster()
    try:
        cluster.start()
        warehouse = cluster.database
        with connected(warehouse, "benchmark") as connection:
            upgrade_schema(connection)
        with sink() as port:
            server = SmtpServer("127.0.0.1", port, security="none")

            def loop() -> None:
                with smtplib.SMTP("127.0.0.1", port) as session:
                    for message in mails.values():
                        session.sendmail(SENDER, RECIPIENT, message.encode("ascii"))

            def send() -> None:
                sent = send_outbox(warehouse, server, Path("/nonexistent"))
                assert sent.counts == {"sent": len(mails)}

            bare, outbox = [], []
            for _ in range(options.rounds):
                bare.append(seconds(loop))
                fill(warehouse, mails)
                outbox.append(seconds(send))
    finally:
        cluster.remove()
    rates = [len(mails) / min(taken) for taken in (bare, outbox)]
    print(f"{len(mails)} mails of {size:.0f} kB, one committed after the other")
    print(f"bare smtplib loop    {rates[0]:6.0f} mails a second")
    print(f"outbox sent          {rates[1]:6.0f} mails a second")
    print(f"ratio                {rates[1] / rates[0]:6.2f}   (at least 0.5)")


if __name__ == "__main__":
    main()
