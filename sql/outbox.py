"""Outbox: the mails that wait, sent one at a time, each outcome committed before the next one goes out."""

from __future__ import annotations

import logging
import re
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.parser import HeaderParser
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from reports import deliver
from reports.mail import Outcome, SmtpServer, write_message_files
from sql.connect import Database, connected, opened
from sql.errors import TieringError
from sql.facts import lock
from sql.statements import run

log = logging.getLogger(__name__)

MAXIMUM_ATTEMPTS = 10
"""After so many refusals or lost connections a mail is dead, and listed."""


@dataclass(frozen=True)
class Sent:
    """What became of the outbox: mails by status, and how many were sent again that the server may have had."""

    counts: dict[str, int]
    resent: int = 0


@dataclass
class Pace:
    """At most `per_minute` mails within any 60 seconds (None: as many as the server takes)."""

    per_minute: int | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _ends: deque[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._ends = deque(maxlen=self.per_minute or 0)

    def pause(self) -> float:
        """Return the seconds until the next mail may begin, 0 or less when it may now."""
        if self.per_minute is None or len(self._ends) < self.per_minute:
            return 0
        return self._ends[0] + 60 - self.clock()

    def note(self) -> None:
        """Count a mail that is over."""
        self._ends.append(self.clock())


def send_outbox(warehouse: Database, server: SmtpServer | None, folder: Path, pace: Pace | None = None) -> Sent:
    """Send every pending mail, or write it to `folder` when there is no mail server.

    A mail is locked from before it goes out until its outcome is committed, which is before the next one goes out:
    two senders at once share the mails. A mail is delivered at least once, and twice only when a sender ended, or
    the answer of the server was lost, between the two. The warehouse is let go of while `pace` lets the sender wait.
    Raises MailServerError when the server as a whole cannot be used; what was not sent stays pending.
    """
    with connected(warehouse, "tiering_warehouse") as connection:
        waiting = [row.message_id for row in run(connection, "warehouse/read_pending_mails.sql")]
    counts: dict[str, int] = defaultdict(int)
    resent = 0
    if not waiting:
        return Sent({})
    with _Claim(warehouse) as claim:
        if server is None:
            for row in claim.each(waiting, Pace()):
                name = f"{row.as_of or 'undated'}-{row.account_manager_id or 'fallback'}-{row.message_id[1:9]}"
                write_message_files(folder, name, row.message.encode("ascii"))
                claim.record("filed", None)
                counts["filed"] += 1
            return Sent(dict(counts))
        pace = pace or Pace()
        mails = (
            (row.message_id, _sender_of(row.message), row.recipient, row.message.encode("ascii"))
            for row in claim.each(waiting, pace)
        )
        for identity, outcome in deliver(server, mails):
            pace.note()
            status = _status_after(claim.row, outcome)
            is_resent = claim.row.status == "uncertain" and outcome.status in ("sent", "uncertain")
            try:
                claim.record(status, outcome.reply, is_resent=is_resent)
            except Exception:
                log.warning("mail %s was %s, and that could not be written: it goes out again", identity, status)
                raise
            counts[status] += 1
            if is_resent:
                resent += 1
                log.warning("mail %s was sent again, its answer had been lost: it may have come twice", identity)
    return Sent(dict(counts), resent)


def _status_after(row: Any, outcome: Outcome) -> str:
    """Return the status of a mail after a try; what may have been delivered stays uncertain until it is sent."""
    if outcome.status in ("sent", "dead"):
        return outcome.status
    if int(row.attempts) + 1 >= MAXIMUM_ATTEMPTS:
        return "dead"
    return "uncertain" if "uncertain" in (row.status, outcome.status) else "pending"


class _Claim:
    """The one mail that this sender is at: locked in a transaction of its own, which `record` commits."""

    def __init__(self, warehouse: Database) -> None:
        self.warehouse, self.session = warehouse, ExitStack()
        self.connection: Connection | None = None
        self.row: Any = None

    def __enter__(self) -> _Claim:
        return self

    def __exit__(self, *error: Any) -> None:
        self.session.__exit__(*error)

    def each(self, message_ids: Sequence[str], pace: Pace) -> Iterator[Any]:
        """Claim the mails one after the other, but for those that another sender has seen to since."""
        for identity in message_ids:
            while (seconds := pace.pause()) > 0:
                self._let_go()
                pace.sleep(seconds)
            if self.connection is None:
                self.connection = self.session.enter_context(opened(self.warehouse, "tiering_warehouse"))
            transaction = self.connection.begin()
            lock(self.connection, f"mail:{identity}")
            self.row = run(self.connection, "warehouse/read_pending_mail.sql", {"message_id": identity}).first()
            if self.row is None:
                transaction.rollback()
            else:
                yield self.row

    def _let_go(self) -> None:
        self.connection = None
        self.session.close()

    def record(self, status: str, reply: str | None, *, is_resent: bool = False) -> None:
        """Write what became of the mail, and let go of it."""
        assert self.connection is not None
        is_out = status in ("sent", "filed")
        run(
            self.connection,
            "warehouse/update_mail.sql",
            {
                "message_id": self.row.message_id,
                "status": status,
                "error": None if is_out else reply,
                "sent_at": datetime.now(UTC) if is_out else None,
                "is_resent": is_resent,
            },
        )
        self.connection.commit()


def _sender_of(message: str) -> str:
    headers = re.split(r"\r?\n\r?\n", message, maxsplit=1)[0]  # the parser would read the whole message
    return parseaddr(HeaderParser().parsestr(headers)["From"])[1]


@dataclass(frozen=True)
class Unsent:
    """A mail that nobody has got for certain, with the last answer to it; `resent` times it may have come before."""

    message_id: str
    status: str
    attempts: int
    resent: int
    recipient: str
    as_of: date | None
    created_at: datetime
    error: str | None


def read_unsent(warehouse: Database) -> list[Unsent]:
    """Return the mails that are pending, uncertain or dead, in the order they were written."""
    with connected(warehouse, "tiering_warehouse") as connection:
        return [Unsent(**row) for row in run(connection, "warehouse/read_unsent_mails.sql").mappings()]


def retry_mails(warehouse: Database, message_ids: Sequence[str]) -> int:
    """Let the next sending try dead mails again, as if for the first time; return how many, all of them or none.

    Raises TieringError for one that is not there, is not dead, has no address, or whose body was removed.
    """
    with connected(warehouse, "tiering_warehouse") as connection:
        for message_id in sorted(set(message_ids)):
            key = {"message_id": message_id}
            lock(connection, f"mail:{message_id}")
            row = run(connection, "warehouse/read_mail_status.sql", key).first()
            if row is None:
                raise TieringError(f"there is no mail {message_id}; tiering mails lists those that were not sent")
            if row.status != "dead":
                raise TieringError(f"mail {message_id} is {row.status}, and only a dead one is put back")
            if not row.recipient:
                raise TieringError(f"mail {message_id} has no address; set TIERING_FALLBACK_MANAGER for the next ones")
            if not row.has_body:
                raise TieringError(f"the body of mail {message_id} was removed by the retention; it cannot be sent")
            run(connection, "warehouse/put_back_mail.sql", key)
    return len(set(message_ids))
