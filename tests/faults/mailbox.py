"""A mail server that answers as it is told to, and keeps what it accepted."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from email import message_from_bytes
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from reports.mail import SmtpServer
from tests.cluster import free_port


class _Server(SMTP):
    """A server that may hang up while a message is on its way to it."""

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if await self.event_handler.begin_data():
            await super().smtp_DATA(arg)
        else:
            await self.push("354 go on")
            await self._reader.readline()
            self.transport.abort()


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Server(self.handler, **self.SMTP_kwargs)


class Mailbox:
    """A mail server on loopback.

    `answers`: by phase (MAIL, RCPT and an address as in `RCPT a@b`, BODY, DATA), what is said in turn; `drop` hangs up
    without a word, as BODY in the middle of the message, as DATA after its final dot; `keep and drop` accepts the
    message before, `keep and sleep` too, and answers later than anybody waits. Anything else is accepted.
    `options` are those of the server.
    """

    def __init__(self, *, accepts_login: bool | None = None, patience: float = 10, **options: Any) -> None:
        self.answers: dict[str, list[str]] = {}
        self.accepted: dict[str, list[bytes]] = defaultdict(list)
        self.logins = 0
        user, password = None, None
        self.patience = patience
        if accepts_login is not None:
            options = {"authenticator": self._login, "auth_require_tls": False, "auth_required": True, **options}
            options["auth_exclude_mechanism"] = ["LOGIN"]  # a client tries one after the other
            self.accepts_login = accepts_login
            user, password = "tiering", "secret"
        self.controller = _Controller(self, hostname="127.0.0.1", port=free_port(), **options)
        self.controller.start()
        self.server = SmtpServer("127.0.0.1", self.controller.port, user, password, security="none", timeout=patience)

    def _login(self, *_: Any) -> AuthResult:
        self.logins += 1
        return AuthResult(success=self.accepts_login, handled=False)

    def _answer(self, session: Any, phase: str) -> str:
        answers = self.answers.get(phase)
        return answers.pop(0) if answers else "250 fine"

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        answer = self._answer(session, "MAIL")
        if answer.startswith("250"):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        answer = self._answer(session, f"RCPT {address}")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def begin_data(self) -> bool:
        """Whether a message may come whole."""
        answers = self.answers.get("BODY")
        return not answers or answers.pop(0) != "drop"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self._answer(session, "DATA")
        if answer.startswith(("250", "keep")):
            self.accepted[str(message_from_bytes(envelope.content)["Message-ID"])].append(envelope.content)
        if "sleep" in answer:
            await asyncio.sleep(2 * self.patience)
            return "250 kept"
        if "drop" in answer:
            server.transport.abort()
        return answer

    def empty(self) -> None:
        """Forget what was accepted and what was to be answered."""
        self.accepted.clear()
        self.answers.clear()

    def close(self) -> None:
        """Stop the server."""
        self.controller.stop()
