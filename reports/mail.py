"""A rendered digest as a mail, and the mail on its way: one session, one recipient per transaction.

No header ever carries customer data; the guards hold on an interpreter whose `email` package decodes encoded
words into new headers (CVE-2024-6923 and its kin) too.
Nothing here knows a database: the caller keeps the outbox and records each :class:`Outcome` as it is yielded.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import smtplib
import ssl
import tempfile
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from reports.text import clean_text

if TYPE_CHECKING:
    from reports.render import RenderedDigest

REPLY_LENGTH: Final = 200
LOST_IN_A_ROW: Final = 3  # connections lost on so many messages in a row stop the sender
_AUTHENTICATION_REQUIRED: Final = {530, 538}
_PNG: Final = ("image", "png")
_CONTENT_ID: Final = re.compile(r"[a-z0-9-]{1,64}@[a-z0-9-]{1,64}")
_XLSX: Final = ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet")

_UNSAFE_IN_HEADER: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|=\\?")
_LOCAL_PART: Final = r"(?!-)[A-Za-z0-9_+&'~-]+(?:\.[A-Za-z0-9_+&'~-]+)*"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = rf"(?:{_LABEL}\.)+(?=[A-Za-z]){_LABEL}"
_ADDRESS: Final = re.compile(rf"({_LOCAL_PART})@({_DOMAIN})")
_SENDER: Final = re.compile(r"(?:(?P<name>[^<>]*)<(?P<bracketed>[^<>]+)>|(?P<plain>[^<>]+))")


class UnsafeHeaderError(ValueError):
    """A header value could start another header, or be decoded into one."""


class BadRecipientError(ValueError):
    """A recipient is not one plain mail address."""


class MailServerError(RuntimeError):
    """The mail server, or its configuration, fails for every message: nothing more is sent."""


class Outcome(NamedTuple):
    """What became of one message, with the server's reply (cut, printable).

    `sent`: accepted. `retry`: certainly not accepted, may be tried later. `dead`: refused for good.
    `uncertain`: the answer to the whole message was lost, so it may have been accepted.
    """

    status: Literal["sent", "retry", "dead", "uncertain"]
    reply: str


@dataclass(frozen=True)
class SmtpServer:
    """Where mail goes out. `verify=False` accepts any certificate: for a laboratory only."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    security: Literal["none", "starttls", "ssl"] = "starttls"
    timeout: float = 30.0
    verify: bool = True

    def __post_init__(self) -> None:
        if self.security not in {"none", "starttls", "ssl"}:
            raise ValueError(f"the security of a mail server is none, starttls or ssl, not {self.security!r}")


def message_id(*parts: str, domain: str) -> str:
    """The same parts give the same Message-ID, so that a message sent twice is recognisable."""
    if not re.fullmatch(rf"{_LABEL}(?:\.{_LABEL})*", domain) or len(domain) > 253:
        raise ValueError("the domain of a Message-ID must be a plain ASCII host name; check TIERING_DOMAIN")
    digest = hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass"))
    return f"<{digest.hexdigest()[:32]}@{domain.lower()}>"


def safe_header(value: str) -> str:
    """The value, unless it holds a control character, a line separator or the start of an encoded word."""
    found = _UNSAFE_IN_HEADER.search(value)
    if found:
        raise UnsafeHeaderError(f"a header value holds {ascii(found.group())} at position {found.start()}")
    return value


def check_recipient(address: str) -> str:
    """One plain address, its domain in lower case; anything else that a mail standard allows is refused."""
    found = _ADDRESS.fullmatch(address) if len(address) <= 254 else None
    if found is None or len(found[1]) > 64:
        raise BadRecipientError(f"{ascii(address)[:80]} is not one plain ASCII mail address like name@corp.example")
    return f"{found[1]}@{found[2].lower()}"


def interpreter_is_header_safe() -> bool:
    """Whether this interpreter keeps an encoded line break inside its header.

    `safe_header` protects either way; an unsafe interpreter deserves a warning and an update.
    """
    attacks = ("=?UTF-8?Q?x=0D=0AX-Injected:_yes=0D=0A?=", "=?UTF-8?Q?x=0AX-Injected:_yes?= end")
    for attack in attacks:
        probe = EmailMessage(policy=policy.SMTP)
        try:
            probe["Subject"] = attack
            raw = probe.as_bytes()
        except ValueError:
            continue
        if any(line.lower().startswith(b"x-injected") for line in raw.splitlines()):
            return False
    return True


def build_message(
    rendered: RenderedDigest,
    *,
    sender: str,
    recipient: str,
    recipient_name: str,
    message_id: str,
    run_note: str,
    date: datetime,
) -> EmailMessage:
    """The mail of one digest. `bytes()` of it are the same for the same arguments.

    `sender` is `address` or `Name <address>`. A recipient's name that is not safe in a header is left out.
    """
    if date.tzinfo is None:
        raise ValueError("the date of a message needs a time zone")
    sender_name, sender_address = _split_sender(safe_header(sender))
    try:
        name = safe_header(recipient_name)
    except UnsafeHeaderError:
        name = ""
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = _address(sender_name, sender_address)
    message["To"] = _address(name, check_recipient(recipient))
    message["Subject"] = safe_header(rendered.subject)
    message["Date"] = safe_header(format_datetime(date))
    message["Message-ID"] = safe_header(message_id)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Tiering-Run"] = safe_header(run_note)
    message.set_content(rendered.text, cte=_encoding(rendered.text))
    message.add_alternative(rendered.html, subtype="html", cte=_encoding(rendered.html))
    _add_pictures(message, rendered, message_id)
    message.set_boundary(_boundary(message_id, "bodies"))
    if rendered.workbook is not None:
        name, content = rendered.workbook
        message.add_attachment(content, *_XLSX, filename=safe_header(name))
        message.set_boundary(_boundary(message_id, "parts"))
    return message


def _add_pictures(message: EmailMessage, rendered: RenderedDigest, message_id: str) -> None:
    """Put every picture beside the page that shows it by its name, once, as a part that is not an attachment."""
    page = message.get_body(("html",))
    pictures = {picture.name: picture.content for picture in rendered.pictures}
    if not pictures or page is None:
        return
    for name, content in pictures.items():
        if not _CONTENT_ID.fullmatch(name):
            raise UnsafeHeaderError(f"the name of a picture is {ascii(name)}; it must be like tier-mix-0f3a@charts")
        file_name = f"{name.partition('@')[0]}.png"
        page.add_related(content, *_PNG, cid=f"<{name}>", disposition="inline", filename=file_name)
    page.set_boundary(_boundary(message_id, "page"))


def _boundary(message_id: str, level: str) -> str:
    """A boundary that no part can hold: "=_" stands in none of their encodings."""
    return "=_" + hashlib.sha256(f"{level} of {message_id}".encode()).hexdigest()[:40]


def _encoding(body: str) -> str:
    """Both encodings hold lines short and 7-bit; Chinese is shorter in base64."""
    return "quoted-printable" if len(body.encode("ascii", "ignore")) > 0.9 * len(body) else "base64"


def _address(name: str, address: str) -> Address:
    # Some interpreters fold specials in a display name wrongly (CVE-2025-1795); a greeting loses nothing.
    plain = clean_text(re.sub(r'[()<>\[\]:;@\\,"]', " ", name), 40)
    return Address(display_name=plain, addr_spec=address)


def _split_sender(sender: str) -> tuple[str, str]:
    found = _SENDER.fullmatch(sender.strip())
    if found is None:
        raise BadRecipientError(f"the sender {ascii(sender)[:80]} is not an address or Name <address>")
    return (found["name"] or "").strip(), check_recipient((found["bracketed"] or found["plain"]).strip())


def deliver(server: SmtpServer, messages: Iterable[tuple[str, str, str, bytes]]) -> Iterator[tuple[str, Outcome]]:
    """Send (key, sender, recipient, message) one by one and say what became of each key.

    A message is taken only after the outcome of the one before was handed over.
    :class:`MailServerError` means that nothing more can be sent; what was not yielded has not been accepted.
    It is raised before the first message is taken when the server cannot be reached or used at all.
    """
    if isinstance(messages, Sized) and not messages:
        return
    session: smtplib.SMTP | None = _connect(server)
    lost, last = 0, ""
    try:
        for key, sender, recipient, message in messages:
            try:
                to_address = check_recipient(recipient)
            except BadRecipientError:
                yield key, Outcome("dead", "not sent: the recipient is not one plain mail address")
                continue
            if session is not None and last not in ("", "sent") and not _reset(session):
                session = None
            is_used = session is not None and last != ""
            session = session or _connect(server)
            try:
                outcome, is_alive = _send_one(server, session, sender, to_address, message, is_used=is_used)
            except _HungUpError:
                session.close()
                session = None
                session = _connect(server)
                outcome, is_alive = _send_one(server, session, sender, to_address, message)
            last = outcome.status
            if not is_alive:
                session.close()
                session = None
            lost = 0 if is_alive else lost + 1
            yield key, outcome
            if lost >= LOST_IN_A_ROW:
                raise _server_error(
                    server, f"lost the connection on {lost} messages in a row", "look at the server's log"
                )
    finally:
        if session is not None:
            _quit(session)


def _connect(server: SmtpServer) -> smtplib.SMTP:
    """An open, secured and authenticated session, or the one line that says why there is none."""
    session: smtplib.SMTP | None = None
    try:
        if server.security == "ssl":
            context = _tls(server)
            session = smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=context)
        else:
            session = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
        session.ehlo_or_helo_if_needed()
        if server.security == "starttls":
            session.starttls(context=_tls(server))
            session.ehlo_or_helo_if_needed()
        if server.user:
            session.login(server.user, server.password or "")
    except Exception as error:
        if session is not None:
            session.close()
        if not isinstance(error, (OSError, ValueError)):
            raise
        # Without the cause: a login's error and its traceback stay away from logs.
        raise _server_error(server, *_why_no_session(error)) from None
    return session


def _tls(server: SmtpServer) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not server.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _why_no_session(error: OSError | ValueError) -> tuple[str, str]:
    """What happened and what to do. SMTP errors are kinds of OSError, the specific ones first."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return f"refused the login ({error.smtp_code})", "check user and password of the mail connection"
        case smtplib.SMTPNotSupportedError():
            if "STARTTLS" in str(error):
                return "does not offer STARTTLS", "set the security of the mail connection to ssl, or to none"
            return "does not offer a login", "remove the user from the mail connection, or use starttls"
        case smtplib.SMTPResponseException():
            reply = _reply(error.smtp_code, error.smtp_error)
            return f"does not serve us ({reply})", "try again later, or ask the server's operator"
        case smtplib.SMTPServerDisconnected():
            return "closed the connection", "check port and security of the mail connection"
        case smtplib.SMTPException():
            return "offers no kind of login that we know", "ask the server's operator for LOGIN or PLAIN"
        case ssl.SSLCertVerificationError():
            what = f"has a certificate that is not trusted ({_printable(error.verify_message)})"
            return what, "install the authority's certificate, or use the name on the certificate as host"
        case ssl.SSLError():
            return "does not speak TLS here", "check port and security of the mail connection"
        case ConnectionRefusedError():
            return "refused the connection", "check host and port of the mail connection"
        case TimeoutError():
            return "did not answer in time", "check host, port and firewall of the mail connection"
        case OSError():
            what = f"cannot be reached ({_printable(error.strerror or type(error).__name__)})"
            return what, "check host and port of the mail connection"
        case _:
            return "cannot be used as configured", "check host, user and password for odd characters"


def _server_error(server: SmtpServer, what: str, to_do: str) -> MailServerError:
    return MailServerError(f"mail server {server.host}:{server.port} {what}; {to_do}")


class _HungUpError(Exception):
    """The server has ended a session that carried messages before; of the next one it knows nothing yet."""


def _send_one(
    server: SmtpServer, session: smtplib.SMTP, sender: str, recipient: str, message: bytes, *, is_used: bool = False
) -> tuple[Outcome, bool]:
    """One transaction, and whether the session can be used again.

    A server may hang up while nobody speaks, or after so many messages: a session that `is_used` and ends at the first
    word raises _HungUpError, for that is no fault of the message.
    """
    try:
        sender_address = _split_sender(sender)[1]
    except BadRecipientError:
        what = f"was not asked: the sender {ascii(sender)[:80]} is not a mail address"
        raise _server_error(server, what, "check the sender of the mail connection") from None
    try:
        try:
            code, reply = session.docmd(f"MAIL FROM:<{sender_address}>")
        except (OSError, smtplib.SMTPException):
            code, reply = 421, b""
            if not is_used:
                raise
        if code == 421 and is_used:
            raise _HungUpError
        if 500 <= code <= 599:
            what = f"refused the sender {sender_address} ({_reply(code, reply)})"
            raise _server_error(server, what, "check the sender and the login of the mail connection")
        if code == 250:
            code, reply = session.docmd(f"RCPT TO:<{recipient}>")
            if code in _AUTHENTICATION_REQUIRED:
                what = f"wants a login ({_reply(code, reply)})"
                raise _server_error(server, what, "add user and password to the mail connection")
            if code in {250, 251, 252}:
                code, reply = session.docmd("DATA")
                if code == 354:
                    session.send(_dot_stuffed(message))
                    return _answer_to_the_dot(session)
    except (OSError, smtplib.SMTPException) as error:
        return Outcome("retry", f"connection lost: {_printable(str(error))}"), False
    # 421 announces that the server hangs up; a code that is none leaves the dialogue in disorder.
    is_alive = 400 <= code <= 599 and code != 421
    return Outcome("dead" if 500 <= code <= 599 else "retry", _reply(code, reply)), is_alive


def _answer_to_the_dot(session: smtplib.SMTP) -> tuple[Outcome, bool]:
    """From here on the server may have the message, whatever happens to its answer."""
    try:
        code, reply = session.getreply()
    except (OSError, smtplib.SMTPException) as error:
        return Outcome("uncertain", f"no answer to the message: {_printable(str(error))}"), False
    said = _reply(code, reply)
    if 200 <= code <= 299:
        return Outcome("sent", said), True
    if 400 <= code <= 599:
        return Outcome("dead" if code >= 500 else "retry", said), code != 421
    return Outcome("uncertain", said), False


def _dot_stuffed(message: bytes) -> bytes:
    """The message with CRLF line ends only, leading dots doubled, and the final dot."""
    lines = message
    if not lines.count(b"\r\n") == lines.count(b"\r") == lines.count(b"\n"):
        lines = re.sub(rb"\r\n|\r|\n", b"\r\n", lines)
    if not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    return (b"\n" + lines).replace(b"\n.", b"\n..")[1:] + b".\r\n"


def _reset(session: smtplib.SMTP) -> bool:
    """Whether the session can carry another transaction; a server may have hung up while nobody spoke."""
    try:
        if session.rset()[0] == 250:
            return True
    except (OSError, smtplib.SMTPException):
        pass
    session.close()
    return False


def _quit(session: smtplib.SMTP) -> None:
    try:
        session.quit()
    except (OSError, smtplib.SMTPException):
        session.close()


def _reply(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
    return _printable(f"{code} {text}")


def _printable(text: str) -> str:
    shown = "".join(character if character.isprintable() else " " for character in text[: 2 * REPLY_LENGTH])
    return " ".join(shown.split())[:REPLY_LENGTH]


def write_message_files(folder: Path, name: str, message: bytes, *, with_text: bool = False) -> tuple[Path, ...]:
    """Write `<name>.eml`, its page `<name>.html` and, if it has one, its `<name>.xlsx`, each whole or not at all.

    The page holds its pictures, so that it can be opened and passed on by itself. `with_text`: the plain text too, as
    `<name>.txt`.
    """
    read = message_from_bytes(message, policy=policy.default)
    body, text = read.get_body(("html",)), read.get_body(("plain",))
    if body is None:
        raise ValueError("the message has no HTML part")
    page = str(body.get_content())
    for part in read.walk():
        if isinstance(part, EmailMessage) and part.get_content_type() == "/".join(_PNG) and part["Content-ID"]:
            content = base64.b64encode(part.get_content()).decode("ascii")
            page = page.replace(
                f'src="cid:{part["Content-ID"].strip("<> ")}"', f'src="data:image/png;base64,{content}"'
            )
    workbooks = [part for part in read.iter_attachments() if part.get_content_type() == "/".join(_XLSX)]
    folder.mkdir(parents=True, exist_ok=True)
    stem = _file_stem(name)
    texts = [text] if with_text and text is not None else []
    return (
        _write_whole(folder / f"{stem}.eml", message),
        _write_whole(folder / f"{stem}.html", page.encode("utf-8")),
        *(_write_whole(folder / f"{stem}.txt", str(part.get_content()).encode("utf-8")) for part in texts),
        *(_write_whole(folder / f"{stem}.xlsx", part.get_content()) for part in workbooks[:1]),
    )


def _file_stem(name: str) -> str:
    """A file name that stays in its folder; a name that had to change keeps its identity as a hash."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80]
    if stem and stem == name:
        return stem
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{stem}-{digest}" if stem else digest


def _write_whole(path: Path, content: bytes) -> Path:
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return path
