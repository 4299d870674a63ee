"""Mail on its way, against real SMTP servers on the loopback: nothing lost, nothing forged, nothing twice."""

from __future__ import annotations

import datetime as dt
import smtplib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from reports.digest import Digest, Mover, PolicySection
from reports.mail import (
    BadRecipientError,
    MailServerError,
    Outcome,
    SmtpServer,
    UnsafeHeaderError,
    build_message,
    check_recipient,
    deliver,
    interpreter_is_header_safe,
    message_id,
    safe_header,
    write_message_files,
)
from reports.render import RenderedDigest, render_digest
from reports.workbook import WorkbookFile
from tests.certificates import server_context, write_certificate

SENDER = "Customer tiering <tiering@corp.example>"
PASSWORD = "s3cret-Pa55"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
INJECTION = "=?UTF-8?Q?ACME=0D=0AReply-To:_x@evil.example=0D=0A?="


def a_message(rendered: RenderedDigest | None = None, **changes: object) -> EmailMessage:
    arguments: dict[str, object] = {
        "sender": SENDER,
        "recipient": "wang.fang@corp.example",
        "recipient_name": "王芳",
        "message_id": message_id("run", "m1", domain="tiering.corp.example"),
        "run_note": "collection_classes 2026-03-31 r1",
        "date": dt.datetime(2026, 4, 1, 6, 0, tzinfo=dt.UTC),
        **changes,
    }
    rendered = rendered or RenderedDigest(
        "客户分级 2026-03-31：升 4，降 7", "<p>长" + "长" * 5000 + "</p>", "长" * 5000
    )
    return build_message(rendered, **arguments)  # type: ignore[arg-type]


def a_digest(customer_name: str) -> Digest:
    mover = Mover("C-1", customer_name, "B", "D", "down", "measures", (), None)
    section = PolicySection("p", {}, dt.date(2026, 3, 31), (), (mover,), {})
    return Digest("m1", "Wang Fang", "wang.fang@corp.example", "en", "CNY", (section,), ())


def outbox(*recipients: str, body: bytes = b"Subject: x\r\n\r\nhello\r\n") -> list[tuple[str, str, str, bytes]]:
    return [(recipient.partition("@")[0], SENDER, recipient, body) for recipient in recipients]


def send(server: SmtpServer, messages: Iterable[tuple[str, str, str, bytes]]) -> dict[str, str]:
    return {key: outcome.status for key, outcome in deliver(server, messages)}


class Script:
    """An aiosmtpd handler that answers as told, and keeps what it accepted.

    `rcpt` and `data` map a recipient to the replies to give, in turn; afterwards it accepts.
    """

    def __init__(
        self,
        rcpt: dict[str, list[str]] | None = None,
        data: dict[str, list[str]] | None = None,
        mail: str = "",
    ) -> None:
        self.rcpt, self.data, self.mail = rcpt or {}, data or {}, mail
        self.accepted: list[tuple[str, bytes]] = []
        self.seen: Counter[str] = Counter()

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # type: ignore[no-untyped-def]
        self.seen["ehlo"] += 1
        session.host_name = hostname
        return responses

    async def handle_RSET(self, *_: object) -> str:
        self.seen["rset"] += 1
        return "250 OK"

    async def handle_MAIL(self, server, session, envelope, address, options):  # type: ignore[no-untyped-def]
        self.seen["mail"] += 1
        if self.mail:
            return self.mail
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # type: ignore[no-untyped-def]
        if self.rcpt.get(address):
            return self.rcpt[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # type: ignore[no-untyped-def]
        recipient = envelope.rcpt_tos[0]
        assert len(envelope.rcpt_tos) == 1
        self.seen["data"] += 1
        reply = self.data[recipient].pop(0) if self.data.get(recipient) else "250 queued"
        if reply == "drop":
            server.transport.abort()
            return "250 never read"
        if reply.startswith("250"):
            self.accepted.append((recipient, envelope.content))
        return reply


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mail_server(script: Script, **options: object) -> Iterator[SmtpServer]:
    controller = Controller(
        script, hostname="127.0.0.1", port=free_port(), server_kwargs={"hostname": "mx.test", **options}
    )
    controller.start()
    try:
        yield SmtpServer("127.0.0.1", controller.port, security="none", timeout=5)
    finally:
        controller.stop()


@contextmanager
def line_server(answer: Callable[[bytes], bytes | None], banner: bytes = b"220 hi\r\n") -> Iterator[SmtpServer]:
    """A server that answers each line as told; None hangs up. After DATA it reads to the final dot."""
    listener = socket.create_server(("127.0.0.1", 0))

    def converse() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, peer.makefile("rb") as lines, suppress(ConnectionError):
                peer.sendall(banner)
                is_data = False
                for line in lines:
                    if is_data and line != b".\r\n":
                        continue
                    reply = answer(line.strip())
                    is_data = bool(reply and reply.startswith(b"354"))
                    if reply is None:
                        break
                    peer.sendall(reply)

    thread = threading.Thread(target=converse, daemon=True)
    thread.start()
    try:
        yield SmtpServer("127.0.0.1", listener.getsockname()[1], security="none", timeout=1)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def scripted(**replies: bytes | None) -> Callable[[bytes], bytes | None]:
    usual = {"DATA": b"354 go\r\n", "DOT": b"250 queued\r\n"}

    def answer(line: bytes) -> bytes | None:
        verb = "DOT" if line == b"." else line.split(b" ")[0].decode().upper()
        return {**usual, **replies}.get(verb, b"250 OK\r\n")

    return answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that no authority signed."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


def with_(server: SmtpServer, **changes: object) -> SmtpServer:
    return SmtpServer(**{**vars(server), **changes})  # type: ignore[arg-type]


# --- identity and headers ---


def test_the_message_id_depends_on_the_parts_and_on_nothing_else() -> None:
    one = message_id("run", "m1", domain="Corp.Example")
    assert one == message_id("run", "m1", domain="corp.example")
    assert len({one, message_id("run", "m2", domain="x.example"), message_id("ru", "nm1", domain="corp.example")}) == 3
    assert one.startswith("<")
    assert one.endswith("@corp.example>")
    assert len(one.split("@")[0]) == 33


@pytest.mark.parametrize("domain", ["", "a b", "corp.example>\r\nBcc: x", "корп.example", "-a.example"])
def test_a_message_id_needs_a_plain_domain(domain: str) -> None:
    with pytest.raises(ValueError, match="TIERING_DOMAIN"):
        message_id("run", domain=domain)


@pytest.mark.parametrize(
    "value", ["a\nb", "a\rb", "a\0", "a\x0b", "\x7f", "\x85", "a\u2028b", "a\u2029b", INJECTION, "\ud800"]
)
def test_a_header_value_that_could_start_another_header_is_refused_without_quoting_it(value: str) -> None:
    with pytest.raises(UnsafeHeaderError) as caught:
        safe_header(value)
    assert "ACME" not in str(caught.value)


def test_an_ordinary_header_value_passes() -> None:
    assert safe_header("客户分级 2026-03-31：升 4 = ok?") == "客户分级 2026-03-31：升 4 = ok?"


def test_the_self_test_sees_what_this_interpreter_does_with_an_encoded_line_break() -> None:
    probe = EmailMessage(policy=policy.SMTP)
    try:
        probe["Subject"] = INJECTION
        is_safe = message_from_bytes(probe.as_bytes(), policy=policy.default)["Reply-To"] is None
    except ValueError:
        is_safe = True
    assert interpreter_is_header_safe() is is_safe


@pytest.mark.parametrize(
    ("address", "normalised"),
    [
        ("wang.fang@corp.example", "wang.fang@corp.example"),
        ("Wang.Fang@CORP.Example", "Wang.Fang@corp.example"),
        ("o'neill+tiers@mail-1.corp.example", "o'neill+tiers@mail-1.corp.example"),
        ("x@xn--fiqs8s.xn--p1ai", "x@xn--fiqs8s.xn--p1ai"),
    ],
)
def test_a_plain_address_is_accepted_with_its_domain_in_lower_case(address: str, normalised: str) -> None:
    assert check_recipient(address) == normalised


@pytest.mark.parametrize(
    "address",
    [
        *("", " ", "x", "@corp.example", "x@", "x@corp", "x@.example", "x@corp..example", "x@-corp.example"),
        *("a@corp.example,b@evil.example", "a@corp.example;b@evil.example", "a@corp.example b@evil.example"),
        *("a@evil.example(@corp.example)", '"a@evil.example"@corp.example', "<a@evil.example>a@corp.example"),
        *(
            "Wang <a@corp.example>",
            "<a@corp.example>",
            "a@corp.example\nBcc: x@evil.example",
            "a@corp.example\n",
        ),
        *("a@corp.ex\u0430mple", "ali\u0441e@corp.example", "x" * 65 + "@corp.example", "a..b@corp.example"),
        *(
            ".a@corp.example",
            "a.@corp.example",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            " a@corp.example",
            "-x@corp.example",
        ),
        *("a@b@corp.example", "=?utf-8?q?a?=@corp.example", "a%b@corp.example", "a@" + "b" * 64 + ".example"),
        *(
            "a@" + "b.cdefg" * 40 + ".example",
            "группа: a@corp.example;",
            "a\0@corp.example",
            "a@corp.example.",
        ),
    ],
)
def test_anything_but_one_plain_address_is_refused(address: str) -> None:
    with pytest.raises(BadRecipientError):
        check_recipient(address)


# --- the message ---


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert bytes(a_message()) == bytes(a_message())
    other = message_id("other", domain="corp.example")
    assert a_message().get_boundary() != a_message(message_id=other).get_boundary()


@pytest.mark.parametrize("domain", ["corp.example", ".".join(["a-rather-long-label"] * 6) + ".example"])
@pytest.mark.parametrize(
    "name",
    [
        "王芳",
        "Łukasz Ó Néill",
        "Wang, Fang <x@evil.example>",
        "王, 芳 <x@evil.example>; " * 4,
        "王" * 200,
        "a" * 200,
        "",
    ],
)
def test_every_header_reads_back_as_it_was_meant(name: str, domain: str) -> None:
    identity = message_id("r", domain=domain)
    raw = bytes(a_message(recipient_name=name, message_id=identity))
    read = message_from_bytes(raw, policy=policy.default)
    assert [(a.username, a.domain) for a in read["To"].addresses] == [("wang.fang", "corp.example")]
    assert [a.addr_spec for a in read["From"].addresses] == ["tiering@corp.example"]
    assert read["From"].addresses[0].display_name == "Customer tiering"
    assert read["To"].addresses[0].display_name[:1] == name[:1]
    assert not set('()<>[]:;@\\,"') & set(read["To"].addresses[0].display_name)
    assert read["Subject"] == "客户分级 2026-03-31：升 4，降 7"
    assert identity.encode() in raw
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["X-Tiering-Run"] == "collection_classes 2026-03-31 r1"
    assert read["Date"].datetime == dt.datetime(2026, 4, 1, 6, 0, tzinfo=dt.UTC)
    assert not read.defects


def test_both_bodies_read_back_whole_in_short_ascii_lines() -> None:
    raw = bytes(a_message())
    read = message_from_bytes(raw, policy=policy.default)
    assert read.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
    plain, html = read.get_body(("plain",)), read.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().strip() == "长" * 5000
    assert html.get_content().strip() == "<p>长" + "长" * 5000 + "</p>"
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 200
    assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize("field", ["sender", "message_id", "run_note"])
@pytest.mark.parametrize("value", ["x\r\nBcc: y@evil.example", INJECTION])
def test_an_unsafe_header_stops_the_message(field: str, value: str) -> None:
    with pytest.raises(UnsafeHeaderError):
        a_message(**{field: value})


@pytest.mark.parametrize("value", ["x\r\nBcc: y@evil.example", INJECTION])
def test_an_unsafe_subject_stops_the_message_and_an_unsafe_name_is_left_out(value: str) -> None:
    with pytest.raises(UnsafeHeaderError):
        a_message(RenderedDigest(value, "<p></p>", ""))
    assert (
        message_from_bytes(bytes(a_message(recipient_name=value)), policy=policy.default)["To"]
        == "wang.fang@corp.example"
    )


@settings(max_examples=40, deadline=None)
@given(name=st.text(st.characters(), max_size=60) | st.sampled_from([INJECTION, "a\r\nBcc: b@evil.example"]))
def test_no_customer_name_is_ever_in_a_header(name: str) -> None:
    marked = f"Zq7{name}7qZ"
    raw = bytes(a_message(render_digest(a_digest(marked))))
    plain = bytes(a_message(render_digest(a_digest("another"))))
    assert raw.split(b"\r\n\r\n")[0] == plain.split(b"\r\n\r\n")[0]
    parts = [part.items() for part in message_from_bytes(raw).walk()]
    assert "Zq7" not in str(parts)
    assert "Reply-To" not in str(parts)


def test_a_digest_is_two_bodies_and_one_workbook_with_a_name_of_its_own() -> None:
    raw = bytes(a_message(render_digest(a_digest("Harbour Foods"))))
    read = message_from_bytes(raw, policy=policy.default)
    assert read.get_content_type() == "multipart/mixed"
    bodies, workbook = read.iter_parts()
    assert bodies.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in bodies.iter_parts()] == ["text/plain", "text/html"]
    assert workbook.get_content_type() == XLSX
    assert workbook.get_content_disposition() == "attachment"
    assert workbook.get_filename() == "customer-tiers-2026-03-31.xlsx"
    assert workbook.get_content().startswith(b"PK")
    assert list(read.iter_attachments()) == [workbook]
    assert bodies.get_boundary() != read.get_boundary()
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 200
    assert not [part.defects for part in read.walk() if part.defects]


def test_the_workbook_changes_neither_a_header_nor_the_message_id() -> None:
    rendered = render_digest(a_digest("Harbour Foods"))
    without = a_message(RenderedDigest(rendered.subject, rendered.html, rendered.text))
    message = a_message(rendered)
    assert [item for item in message.items() if item[0] != "Content-Type"] == [
        item for item in without.items() if item[0] != "Content-Type"
    ]
    assert bytes(message) == bytes(a_message(render_digest(a_digest("Harbour Foods"))))


@pytest.mark.parametrize("name", ["x\r\nBcc: y@evil.example", INJECTION])
def test_an_unsafe_name_of_a_workbook_stops_the_message(name: str) -> None:
    with pytest.raises(UnsafeHeaderError):
        a_message(RenderedDigest("s", "<p></p>", "", WorkbookFile(name, b"PK")))


def test_an_injected_header_in_a_customer_name_does_not_arrive() -> None:
    script = Script()
    message = bytes(a_message(render_digest(a_digest(INJECTION))))
    with mail_server(script) as server:
        assert send(server, outbox("a@corp.example", body=message)) == {"a": "sent"}
    read = message_from_bytes(script.accepted[0][1], policy=policy.default)
    assert read["Reply-To"] is None
    assert read.get_content_type() == "multipart/mixed"


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_the_workbook_arrives_whole_and_opens(locale: str) -> None:
    script = Script()
    digest = replace(a_digest(INJECTION), locale=locale)
    rendered = render_digest(digest)
    with mail_server(script) as server:
        assert send(server, outbox("a@corp.example", body=bytes(a_message(rendered)))) == {"a": "sent"}
    (part,) = message_from_bytes(script.accepted[0][1], policy=policy.default).iter_attachments()
    assert rendered.workbook is not None
    assert part.get_content() == rendered.workbook.content
    book = load_workbook(BytesIO(part.get_content()))
    assert book.sheetnames == {"en": ["Movers", "Tiers"], "zh": ["等级变动客户", "等级构成"]}[locale]
    assert book.worksheets[0]["D2"].value == INJECTION


# --- delivery ---


def test_one_session_carries_all_messages_one_recipient_each() -> None:
    script = Script()
    body = b"Subject: x\n\n.\n..leading dots\n\r.\rend"
    with mail_server(script) as server:
        found = list(deliver(server, outbox("a@corp.example", "b@corp.example", "c@corp.example", body=body)))
    assert found == [(key, Outcome("sent", "250 queued")) for key in "abc"]
    assert [recipient for recipient, _ in script.accepted] == [
        "a@corp.example",
        "b@corp.example",
        "c@corp.example",
    ]
    assert script.accepted[0][1] == b"Subject: x\r\n\r\n.\r\n..leading dots\r\n\r\n.\r\nend\r\n"
    assert script.seen["ehlo"] == 1


def test_a_message_is_taken_only_after_the_outcome_of_the_one_before() -> None:
    taken: list[str] = []

    def messages() -> Iterator[tuple[str, str, str, bytes]]:
        for message in outbox("a@corp.example", "b@corp.example"):
            taken.append(message[0])
            yield message

    with mail_server(Script()) as server:
        for done, (key, _) in enumerate(deliver(server, messages()), start=1):
            assert taken == ["a", "b"][:done]
            assert key == taken[-1]


def test_nothing_to_send_asks_no_server() -> None:
    assert list(deliver(SmtpServer("127.0.0.1", 1), [])) == []


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("550 5.1.1 no such user", "dead"),
        ("552 too big", "dead"),
        ("451 greylisted", "retry"),
        ("450 rate", "retry"),
    ],
)
@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_a_refused_recipient_is_recorded_and_the_others_are_served(stage: str, reply: str, status: str) -> None:
    script = Script(**{stage: {"b@corp.example": [reply]}})
    with mail_server(script) as server:
        found = dict(deliver(server, outbox("a@corp.example", "b@corp.example", "c@corp.example")))
    assert found["b"] == Outcome(status, reply)  # type: ignore[arg-type]
    assert [recipient for recipient, _ in script.accepted] == ["a@corp.example", "c@corp.example"]
    assert script.seen["ehlo"] == 1


def test_a_message_refused_for_now_is_delivered_once_when_tried_again() -> None:
    script = Script(data={"a@corp.example": ["451 later", "451 later"]})
    with mail_server(script) as server:
        statuses = [send(server, outbox("a@corp.example"))["a"] for _ in range(3)]
    assert statuses == ["retry", "retry", "sent"]
    assert len(script.accepted) == 1


def test_a_connection_lost_after_the_final_dot_is_uncertain_and_the_next_message_goes_out() -> None:
    script = Script(data={"a@corp.example": ["drop"]})
    with mail_server(script) as server:
        found = send(server, outbox("a@corp.example", "b@corp.example"))
    assert found == {"a": "uncertain", "b": "sent"}
    assert script.seen["ehlo"] == 2


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("reply", [None, b"garbage\r\n", b"421 closing\r\n", b"x" * 100_000 + b"\r\n"])
def test_a_lost_dialogue_before_the_final_dot_may_be_tried_again(verb: str, reply: bytes | None) -> None:
    with line_server(scripted(**{verb: reply})) as server:
        assert send(server, outbox("a@corp.example")) == {"a": "retry"}


@pytest.mark.parametrize("reply", [None, b"garbage\r\n", b"", b"x" * 100_000 + b"\r\n"])
def test_an_answer_lost_after_the_final_dot_is_uncertain(reply: bytes | None) -> None:
    with line_server(scripted(DOT=reply)) as server:
        assert send(server, outbox("a@corp.example")) == {"a": "uncertain"}


@pytest.mark.parametrize("reply", [None, b"421 no more in this session\r\n"])
@pytest.mark.parametrize(("verb", "first"), [("MAIL", "sent"), ("RSET", "dead")])
def test_a_server_that_ends_a_session_between_two_messages_costs_no_attempt(
    verb: str, first: str, reply: bytes | None
) -> None:
    calls = Counter[str]()

    def answer(line: bytes) -> bytes | None:
        said = line.split(b" ")[0].decode().upper()
        calls[said] += 1
        if said == verb and calls[said] == (2 if verb == "MAIL" else 1):
            return reply
        if said == "RCPT" and calls[said] == 1 and first == "dead":
            return b"550 unknown\r\n"
        return scripted()(line)

    with line_server(answer) as server:
        assert send(server, outbox("a@corp.example", "b@corp.example")) == {"a": first, "b": "sent"}
    assert calls["EHLO"] == 2


def test_a_session_that_ends_twice_on_a_message_leaves_it_for_another_try() -> None:
    calls = Counter[bytes]()

    def answer(line: bytes) -> bytes | None:
        calls[line[:4]] += 1
        return None if line[:4] == b"MAIL" and calls[b"MAIL"] > 1 else scripted()(line)

    with line_server(answer) as server:
        assert send(server, outbox("a@corp.example", "b@corp.example")) == {"a": "sent", "b": "retry"}


@pytest.mark.parametrize(("script", "status"), [({"DOT": None}, "uncertain"), ({"RCPT": b"421 closing\r\n"}, "retry")])
def test_a_server_that_hangs_up_on_every_message_stops_the_sender(script: dict[str, bytes | None], status: str) -> None:
    with line_server(scripted(**script)) as server:
        deliveries = deliver(server, outbox(*(f"{k}@corp.example" for k in "abcdef")))
        assert [next(deliveries)[1].status for _ in range(3)] == [status] * 3
        with pytest.raises(MailServerError, match="3 messages in a row"):
            next(deliveries)


def test_a_reply_is_cut_and_holds_no_control_character() -> None:
    with line_server(scripted(RCPT=b"550 \x1b[31m" + "é".encode() + b"\xff" + b"x" * 900 + b"\r\n")) as server:
        ((_, outcome),) = deliver(server, outbox("a@corp.example"))
    assert outcome.status == "dead"
    assert len(outcome.reply) == 200
    assert outcome.reply.isprintable()


def test_a_bad_recipient_is_dead_and_never_reaches_the_server() -> None:
    script = Script()
    with mail_server(script) as server:
        found = send(
            server,
            [("a", SENDER, "a@corp.example>\r\nRCPT TO:<x@evil.example", b"x"), *outbox("b@corp.example")],
        )
    assert found == {"a": "dead", "b": "sent"}
    assert script.seen["mail"] == 1


# --- a server that cannot be used ---


@contextmanager
def refused_before_anything_is_taken(match: str) -> Iterator[Callable[[SmtpServer], None]]:
    def attempt(server: SmtpServer) -> None:
        taken = []
        messages = (taken.append(message) or message for message in outbox("a@corp.example", "b@corp.example"))
        with pytest.raises(MailServerError, match=match) as caught:
            list(deliver(server, messages))
        said = str(caught.value)
        assert taken == []
        assert f"mail server {server.host}:{server.port} " in said
        assert "\n" not in said
        assert ";" in said
        assert PASSWORD not in said + repr(server)
        assert caught.value.__cause__ is None

    yield attempt


def test_a_refused_sender_stops_the_sender_and_keeps_every_message() -> None:
    script = Script(mail="550 not you")
    with (
        mail_server(script) as server,
        pytest.raises(MailServerError, match=r"refused the sender tiering@corp"),
    ):
        list(deliver(server, outbox("a@corp.example", "b@corp.example")))
    assert script.seen["mail"] == 1


def test_a_server_that_wants_a_login_is_a_matter_of_configuration() -> None:
    script = Script(rcpt={"a@corp.example": ["530 5.7.0 authentication required"]})
    with mail_server(script) as server, pytest.raises(MailServerError, match="add user and password"):
        list(deliver(server, outbox("a@corp.example")))


def test_a_refused_login_is_one_clear_line_after_one_attempt() -> None:
    logins = []

    def refuse(*arguments: object) -> AuthResult:
        logins.append(arguments[3])
        return AuthResult(success=False, handled=False, message=f"535 bad password {PASSWORD}")

    options = {"authenticator": refuse, "auth_require_tls": False}
    with (
        mail_server(Script(), **options) as server,
        refused_before_anything_is_taken(r"refused the login \(535\)") as try_,
    ):
        try_(with_(server, user="tiering", password=PASSWORD))
    assert 1 <= len(logins) <= 2  # smtplib tries PLAIN and LOGIN


def test_a_good_login_over_starttls_delivers(certificate: Path) -> None:
    def accept(server, session, envelope, mechanism, data):  # type: ignore[no-untyped-def]
        return AuthResult(success=data.password == PASSWORD.encode())

    script = Script()
    options = {"authenticator": accept, "tls_context": server_context(certificate), "require_starttls": True}
    with mail_server(script, **options) as server:
        secure = with_(server, security="starttls", verify=False, user="tiering", password=PASSWORD)
        assert send(secure, outbox("a@corp.example")) == {"a": "sent"}


def test_missing_starttls_is_refused_before_a_password_is_sent() -> None:
    with mail_server(Script()) as server, refused_before_anything_is_taken("does not offer STARTTLS") as try_:
        try_(with_(server, security="starttls", user="tiering", password=PASSWORD))


def test_a_certificate_nobody_vouches_for_is_refused(certificate: Path) -> None:
    with (
        mail_server(Script(), tls_context=server_context(certificate)) as server,
        refused_before_anything_is_taken("certificate that is not trusted") as try_,
    ):
        try_(with_(server, security="starttls", user="tiering", password=PASSWORD))


def test_a_server_without_tls_on_an_ssl_port_is_named() -> None:
    with mail_server(Script()) as server, refused_before_anything_is_taken("does not speak TLS") as try_:
        try_(with_(server, security="ssl"))


@pytest.mark.parametrize("banner", [b"421 too busy\r\n", b"554 no service\r\n"])
def test_a_server_that_declines_in_its_banner_is_named_with_its_reply(banner: bytes) -> None:
    said = banner.decode().strip()
    with line_server(scripted(), banner) as server, refused_before_anything_is_taken(said) as try_:
        try_(server)


def test_a_server_that_is_not_there_or_says_nothing_is_named() -> None:
    with refused_before_anything_is_taken("refused the connection") as try_:
        try_(SmtpServer("127.0.0.1", free_port(), security="none", timeout=2))
    with (
        line_server(scripted(), b"") as server,
        refused_before_anything_is_taken("closed the connection") as try_,
    ):
        try_(with_(server, timeout=0.3))


def test_a_server_without_a_login_says_so() -> None:
    with mail_server(Script()) as server, refused_before_anything_is_taken("does not offer a login") as try_:
        try_(with_(server, user="tiering", password=PASSWORD))


def test_an_unknown_kind_of_security_is_refused() -> None:
    with pytest.raises(ValueError, match="none, starttls or ssl"):
        SmtpServer("mx", 25, security="tls")  # type: ignore[arg-type]


def test_the_password_is_not_in_the_representation() -> None:
    assert PASSWORD not in repr(SmtpServer("mx", 25, "u", PASSWORD))


# --- files ---


def test_a_message_is_written_as_eml_and_as_page(tmp_path: Path) -> None:
    raw = bytes(a_message())
    eml, page = write_message_files(tmp_path / "new" / "folder", "2026-03-31.m1", raw)
    assert (eml.name, page.name) == ("2026-03-31.m1.eml", "2026-03-31.m1.html")
    assert eml.read_bytes() == raw
    assert "长" * 5000 in page.read_text(encoding="utf-8")
    assert sorted(eml.parent.iterdir()) == [eml, page]


def test_the_workbook_of_a_message_is_written_beside_its_page(tmp_path: Path) -> None:
    rendered = render_digest(a_digest("Harbour Foods"))
    assert rendered.workbook is not None
    paths = write_message_files(tmp_path, "m", bytes(a_message(rendered)))
    assert [path.name for path in paths] == ["m.eml", "m.html", "m.xlsx"]
    assert paths[2].read_bytes() == rendered.workbook.content
    assert "Harbour Foods" in paths[1].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "..", "", "a/b\\c", "王芳", "x\0y", "n" * 300, ".hidden"])
def test_a_file_name_stays_in_its_folder_and_two_names_stay_two(name: str, tmp_path: Path) -> None:
    raw = bytes(a_message())
    paths = [*write_message_files(tmp_path, name, raw), *write_message_files(tmp_path, name + "!", raw)]
    assert {path.resolve().parent for path in paths} == {tmp_path.resolve()}
    assert len(set(paths)) == 4
    assert all(not path.name.startswith(".") for path in paths)


def test_a_failed_write_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = bytes(a_message())
    eml, _ = write_message_files(tmp_path, "m", raw)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_message_files(tmp_path, "m", bytes(a_message(run_note="another")))
    assert eml.read_bytes() == raw
    assert len(list(tmp_path.iterdir())) == 2


def test_smtp_errors_are_a_kind_of_oserror() -> None:
    assert issubclass(smtplib.SMTPException, OSError)  # the order of the cases in the mailer rests on it
