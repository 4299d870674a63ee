"""The outbox: every manager is told once, about customers of their own, whatever the mail server does."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from email import message_from_string, policy
from email.header import decode_header, make_header
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from companies import (  # noqa: F401 - fixtures
    Warehouses,
    demo_policies,
    publish,
    query,
    warehouses,
)
from conftest import free_port
from openpyxl import load_workbook

from reports.mail import MailServerError, SmtpServer
from sql.connect import Database, kept_open
from sql.digests import Written, write_digests
from sql.outbox import Pace, read_unsent, retry_mails, send_outbox
from tests.certificates import server_context, write_certificate
from tests.faults.mailbox import Mailbox

FALLBACK = "desk@tiering.example"
FIRST, SECOND = date(2025, 12, 31), date(2026, 1, 31)


def write(warehouse: Database, fallback: str = FALLBACK) -> Written:
    return write_digests(warehouse, currency="CNY", domain="tiering.example", sender="", fallback_address=fallback)


def mails(warehouse: Database) -> list[dict[str, Any]]:
    names = (
        "message_id",
        "account_manager_id",
        "recipient",
        "status",
        "attempts",
        "error",
        "subject",
        "message",
        "as_of",
    )
    rows = query(warehouse, f"SELECT {', '.join(names)} FROM tiering.email_outbox ORDER BY message_id")
    return [dict(zip(names, row, strict=True)) for row in rows]


def body_of(mail: dict[str, Any], kind: str) -> str:
    part = message_from_string(mail["message"], policy=policy.default).get_body((kind,))
    assert part is not None
    return str(part.get_content())


def text_of(mail: dict[str, Any]) -> str:
    return body_of(mail, "plain")


def cells_of(mail: dict[str, Any]) -> list[list[tuple[Any, ...]]]:
    """The rows of each sheet of the attached workbook, headings included."""
    (part,) = message_from_string(mail["message"], policy=policy.default).iter_attachments()
    book = load_workbook(BytesIO(part.get_content()))
    return [list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets]


def move(database: Database) -> None:
    """Publish two days of rfm_555, and report the first one."""
    policies = demo_policies()
    publish(database, policies, "rfm_555", FIRST)
    write(database)
    query(database, "DELETE FROM tiering.email_outbox")
    publish(database, policies, "rfm_555", SECOND)


@pytest.fixture
def moved(engine_name: str, warehouses: Warehouses) -> Iterator[Database]:  # noqa: F811
    """Two published days of rfm_555, the first one reported."""
    database = warehouses.changed(engine_name, "moved", move)
    with kept_open(database):
        yield database
    warehouses.drop(database)


def of_managers(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those mails that go to account managers about customers of their own, not to superiors about their teams'."""
    subjects = [str(make_header(decode_header(mail["subject"]))) for mail in found]
    return [
        mail for mail, subject in zip(found, subjects, strict=True) if re.match(r"Customer tiers|客户分级", subject)
    ]


def test_every_mover_is_in_exactly_one_mail_the_one_of_its_manager(moved: Database) -> None:
    write(moved)
    written = mails(moved)
    texts = {mail["account_manager_id"]: text_of(mail) for mail in of_managers(written)}
    assert len(texts) < len(written), "superiors have mails too"
    addresses = dict(
        query(moved, "SELECT account_manager_id, email FROM facts.account_managers WHERE superseded_in IS NULL")
    )
    movers = query(
        moved,
        "SELECT customer_id, account_manager_id FROM tiering.tier_change "
        "WHERE as_of = :day AND direction IN ('up', 'down')",
        day=SECOND,
    )
    assert len(movers) > 20
    for customer_id, manager in movers:
        owner = manager if addresses.get(manager) else None
        assert [name for name, text in texts.items() if customer_id in text] == [owner]


def test_customers_without_a_reachable_manager_go_to_the_fallback_and_are_counted(moved: Database) -> None:
    write(moved)
    fallback = [mail for mail in mails(moved) if mail["account_manager_id"] is None]
    assert [mail["recipient"] for mail in fallback] == [FALLBACK]
    unreachable = query(
        moved,
        "SELECT COUNT(*) FROM tiering.decision AS decision "
        "LEFT JOIN facts.account_managers AS manager ON manager.account_manager_id = decision.account_manager_id "
        "AND manager.superseded_in IS NULL WHERE decision.as_of = :day AND manager.email IS NULL",
        day=SECOND,
    )[0][0]
    assert unreachable > 0
    assert str(unreachable) in text_of(fallback[0])


def test_writing_again_writes_nothing(moved: Database) -> None:
    assert write(moved).mails > 0
    before = mails(moved)
    assert write(moved) == Written(None, 0, 0, 0)
    assert mails(moved) == before


def test_a_day_published_later_for_the_past_sends_nothing(moved: Database) -> None:
    write(moved)
    before = mails(moved)
    publish(moved, demo_policies(), "rfm_555", date(2025, 11, 30))
    assert write(moved).mails == 0
    assert mails(moved) == before


def test_without_a_fallback_the_mail_is_dead_and_says_why(moved: Database) -> None:
    assert write(moved, fallback="").without_address == 1
    dead = [mail for mail in mails(moved) if mail["status"] == "dead"]
    assert len(dead) == 1
    assert "TIERING_FALLBACK_MANAGER" in dead[0]["error"]


def test_no_customer_is_in_any_header(moved: Database) -> None:
    write(moved)
    names = {name for (name,) in query(moved, "SELECT name FROM facts.customers")}
    ids = {customer_id for (customer_id,) in query(moved, "SELECT customer_id FROM facts.customers")}
    for mail in mails(moved):
        headers = " ".join(value for _, value in message_from_string(mail["message"]).items())
        assert not [name for name in names if name in headers]
        assert not [identity for identity in ids if f" {identity} " in headers]


def test_a_hostile_name_is_harmless_in_the_page(moved: Database) -> None:
    hostile = "<script>alert(1)</script>=?UTF-8?Q?=0D=0AReply-To:_x@evil?="
    customer = query(
        moved, "SELECT MIN(customer_id) FROM tiering.tier_change WHERE direction = 'up' AND as_of = :d", d=SECOND
    )
    query(moved, "UPDATE facts.customers SET name = :name WHERE customer_id = :id", name=hostile, id=customer[0][0])
    write(moved)
    pages = [body_of(mail, "html") for mail in mails(moved)]
    assert any("&lt;script&gt;" in page for page in pages)
    assert not any("<script" in page for page in pages)
    assert all("evil" not in str(message_from_string(mail["message"]).items()) for mail in mails(moved))
    names = [cell for mail in mails(moved) for row in cells_of(mail)[0] for cell in row]
    assert names.count(hostile) == 1


def test_the_attached_workbook_lists_the_movers_of_its_manager_and_of_nobody_else(moved: Database) -> None:
    write(moved)
    addresses = dict(
        query(moved, "SELECT account_manager_id, email FROM facts.account_managers WHERE superseded_in IS NULL")
    )
    movers = query(
        moved,
        "SELECT customer_id, account_manager_id FROM tiering.tier_change "
        "WHERE as_of = :day AND superseded_at IS NULL ORDER BY customer_id",
        day=SECOND,
    )
    expected = defaultdict(list)
    for customer_id, manager in movers:
        expected[manager if addresses.get(manager) else None].append(customer_id)
    listed = {
        mail["account_manager_id"]: sorted(row[2] for row in cells_of(mail)[0][1:])
        for mail in of_managers(mails(moved))
    }
    assert len(movers) > 20
    assert {manager: customers for manager, customers in listed.items() if customers} == dict(expected)


@dataclass
class Server:
    """A mail server that answers as scripted per recipient, and keeps what it accepted."""

    answers: dict[str, list[str]] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        self.tried.append(address)
        answers = self.answers.get(address)
        answer = answers.pop(0) if answers else "250 fine"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.accepted += envelope.rcpt_tos
        return "250 kept"


@pytest.fixture
def smtp() -> Iterator[tuple[Server, SmtpServer]]:
    scripted = Server()
    controller = Controller(scripted, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield scripted, SmtpServer("127.0.0.1", controller.port, security="none")
    controller.stop()


def test_one_refused_recipient_is_dead_with_the_answer_and_the_others_are_served(moved, smtp, tmp_path) -> None:
    scripted, server = smtp
    write(moved)
    refused = sorted(mail["recipient"] for mail in mails(moved))[0]
    scripted.answers[refused] = ["550 no such user"]
    counts = send_outbox(moved, server, tmp_path).counts
    assert counts == {"dead": 1, "sent": len(mails(moved)) - 1}
    assert sorted(scripted.accepted) == sorted(m["recipient"] for m in mails(moved) if m["recipient"] != refused)
    dead = next(mail for mail in mails(moved) if mail["status"] == "dead")
    assert (dead["recipient"], dead["attempts"]) == (refused, 1)
    assert "550" in dead["error"]


def test_a_greylisted_mail_is_tried_again_and_nobody_is_told_twice(moved, smtp, tmp_path) -> None:
    scripted, server = smtp
    write(moved)
    later = sorted(mail["recipient"] for mail in mails(moved))[0]
    scripted.answers[later] = ["451 come back"]
    assert send_outbox(moved, server, tmp_path).counts["pending"] == 1
    assert send_outbox(moved, server, tmp_path).counts == {"sent": 1}
    assert send_outbox(moved, server, tmp_path).counts == {}
    assert sorted(scripted.accepted) == sorted(mail["recipient"] for mail in mails(moved))


def test_a_server_that_is_not_there_leaves_everything_pending(moved, tmp_path) -> None:
    write(moved)
    with pytest.raises(MailServerError):
        send_outbox(moved, SmtpServer("127.0.0.1", free_port(), security="none"), tmp_path)
    assert {mail["status"] for mail in mails(moved)} == {"pending"}


def test_without_a_server_each_mail_is_three_files(moved, tmp_path) -> None:
    write(moved)
    assert send_outbox(moved, None, tmp_path).counts == {"filed": len(mails(moved))}
    suffixes = Counter(path.suffix for path in tmp_path.iterdir())
    assert suffixes == dict.fromkeys((".eml", ".html", ".xlsx"), len(mails(moved)))
    assert all(path.name.startswith(SECOND.isoformat()) for path in tmp_path.iterdir())


def test_the_numbers_in_a_mail_are_the_published_ones(moved: Database) -> None:
    write(moved)
    mail = next(mail for mail in of_managers(mails(moved)) if mail["account_manager_id"])
    manager = mail["account_manager_id"]
    counted = dict(
        query(
            moved,
            "SELECT direction, COUNT(*) FROM tiering.tier_change "
            "WHERE as_of = :day AND account_manager_id = :manager AND superseded_at IS NULL GROUP BY direction",
            day=SECOND,
            manager=manager,
        )
    )
    up, down = counted.get("up", 0), counted.get("down", 0)
    subject = str(make_header(decode_header(mail["subject"])))
    assert f"升 {up}" in subject or f"{up} up" in subject
    assert f"降 {down}" in subject or f"{down} down" in subject


def test_the_drivers_in_a_mail_are_those_of_the_change_row(moved: Database) -> None:
    write(moved)
    texts = {mail["account_manager_id"]: text_of(mail) for mail in mails(moved)}
    rows = query(
        moved,
        "SELECT customer_id, account_manager_id, drivers FROM tiering.tier_change "
        "WHERE as_of = :day AND direction = 'down' AND superseded_at IS NULL",
        day=SECOND,
    )
    days = [
        (customer, manager, driver)
        for customer, manager, drivers in rows
        for driver in json.loads(drivers)
        if driver["indicator"] == "recency_days" and manager in texts
    ]
    assert days
    for _, manager, driver in days:
        assert driver["before"] in texts[manager]
        assert driver["after"] in texts[manager]


# ---- mail servers that misbehave


@pytest.fixture
def waiting(engine_name: str, warehouses: Warehouses) -> Iterator[Database]:  # noqa: F811
    """The same with the mails about the second day in the outbox."""

    def told(database: Database) -> None:
        move(database)
        write(database)

    database = warehouses.changed(engine_name, "waiting", told)
    with kept_open(database):
        yield database
    warehouses.drop(database)


@contextmanager
def mailbox(**options: Any) -> Iterator[Mailbox]:
    box = Mailbox(**options)
    try:
        yield box
    finally:
        box.close()


def recipients(warehouse: Database) -> list[str]:
    """Who is written to, in the order of sending."""
    return [row[0] for row in query(
        warehouse, "SELECT recipient FROM tiering.email_outbox ORDER BY created_at, message_id"
    )]  # fmt: skip


def send_until_over(warehouse: Database, server: SmtpServer, tries: int = 6) -> int:
    """Send until nothing waits, as the retries of the task do; return how many mails were counted as sent again."""
    resent = 0
    for _ in range(tries):
        try:
            resent += send_outbox(warehouse, server, Path("/nonexistent")).resent
        except MailServerError:
            continue
        if not query(warehouse, "SELECT 1 FROM tiering.email_outbox WHERE status IN ('pending', 'uncertain')"):
            break
    return resent


def check_arrived(warehouse: Database, box: Mailbox, *, dead: Sequence[str] = (), twice: int = 0, resent: int) -> None:
    """Every mail but the `dead` arrived with its own bytes; `twice` mails came twice, none of them uncounted."""
    rows = query(warehouse, "SELECT message_id, recipient, message, status, resent FROM tiering.email_outbox")
    assert {recipient: status for _, recipient, _, status, _ in rows} == {
        recipient: "dead" if recipient in dead else "sent" for _, recipient, _, _, _ in rows
    }
    copies = {identity: len(box.accepted[identity]) for identity, recipient, *_ in rows if recipient not in dead}
    assert min(copies.values()) == 1
    assert sum(copies.values()) - len(copies) == twice
    assert set(box.accepted) == set(copies)
    assert sum(row[4] or 0 for row in rows) == resent >= twice
    for identity, _, message, _, counted in rows:
        assert len(box.accepted.get(identity, ())) <= 1 + (counted or 0)
        for content in box.accepted.get(identity, ()):
            assert as_sent(content) == message.replace("\r\n", "\n").encode().rstrip()


def as_sent(content: bytes) -> bytes:
    """A message without the lines that the receiving server puts in front."""
    lines = content.replace(b"\r\n", b"\n").split(b"\n")
    while lines[0].startswith((b"X-Peer:", b"X-MailFrom:", b"X-RcptTo:")):
        lines.pop(0)
    return b"\n".join(lines).rstrip()


# What the server says in turn, given who is written to; how many are dead; mails that come twice; counted as such.
ANSWERS: dict[str, tuple[Callable[[list[str]], dict[str, list[str]]], int, int, int]] = {
    "421 in the middle": (lambda who: {"MAIL": ["250 fine", "421 closing"]}, 0, 0, 0),
    "421 after the message": (lambda who: {"DATA": ["421 closing"]}, 0, 0, 0),
    "451 after the message, twice": (lambda who: {"DATA": ["451 busy"] * (len(who) + 2)}, 0, 0, 0),
    "450 for one of several": (lambda who: {f"RCPT {who[1]}": ["450 greylisted"] * 3}, 0, 0, 0),
    "550 for one of several": (lambda who: {f"RCPT {who[1]}": ["550 unknown"]}, 1, 0, 0),
    "552 after the message": (lambda who: {"DATA": ["552 too big"]}, 1, 0, 0),
    "554 after an answer was lost": (lambda who: {"DATA": ["drop", *["250 kept"] * (len(who) - 1), "554 no"]}, 1, 0, 0),
    "drops at the recipient": (lambda who: {f"RCPT {who[0]}": ["drop"]}, 0, 0, 0),
    "drops before the final dot": (lambda who: {"BODY": ["250 go on", "drop"]}, 0, 0, 1),
    "drops after the final dot, without the mail": (lambda who: {"DATA": ["250 kept", "drop"]}, 0, 0, 1),
    "drops after the final dot, with the mail": (lambda who: {"DATA": ["250 kept", "keep and drop"]}, 0, 1, 1),
    "answers too late, with the mail": (lambda who: {"DATA": ["250 kept", "keep and sleep"]}, 0, 1, 1),
    "keeps the mail and drops, greylists, keeps it": (
        lambda who: {"DATA": ["keep and drop", *["250 kept"] * (len(who) - 1), "451 later", "250 kept"]}, 0, 1, 1,
    ),
    "drops whatever comes, for a while": (lambda who: {"MAIL": ["drop"] * 9}, 0, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("fault", ANSWERS)
def test_no_mail_is_lost_and_every_one_that_may_come_twice_is_counted(
    fault: str, waiting: Database, caplog: pytest.LogCaptureFixture
) -> None:
    script, dead, twice, resent = ANSWERS[fault]
    with mailbox(patience=0.5) as box, caplog.at_level("WARNING"):
        who = recipients(waiting)
        box.answers = script(who)
        found = send_until_over(waiting, box.server)
        lost = [row[0] for row in query(waiting, "SELECT recipient FROM tiering.email_outbox WHERE status = 'dead'")]
        assert len(lost) == dead
        if "drops before" in fault:
            assert found in (0, 1), "whether the message was on its way as a whole, nobody can tell"
            resent = found
        assert found == resent
        check_arrived(waiting, box, dead=lost, twice=twice, resent=resent)
    assert caplog.text.count("may have come twice") == resent
    assert not [address for address in who if address in caplog.text]


def test_ten_refusals_for_now_make_a_mail_dead_and_it_can_be_put_back(waiting: Database) -> None:
    with mailbox() as box:
        one = recipients(waiting)[0]
        box.answers = {f"RCPT {one}": ["451 greylisted"] * 10}
        for tried in range(1, 11):
            send_outbox(waiting, box.server, Path("/nonexistent"))
            (left,) = read_unsent(waiting)
            assert (left.recipient, left.attempts, left.error) == (one, tried, "451 greylisted")
            assert left.status == ("dead" if tried == 10 else "pending")
        assert send_outbox(waiting, box.server, Path("/nonexistent")).counts == {}
        assert retry_mails(waiting, [left.message_id]) == 1
        assert read_unsent(waiting)[0].attempts == 0
        assert send_outbox(waiting, box.server, Path("/nonexistent")).counts == {"sent": 1}
        check_arrived(waiting, box, resent=0)


@pytest.mark.parametrize("kind", ["starttls", "ssl"])
@pytest.mark.parametrize(
    ("certificate", "says"),
    [
        ({}, ""),
        ({"days": -1}, "certificate that is not trusted (certificate has expired)"),
        ({"host": "127.0.0.2"}, "certificate that is not trusted"),
        (None, "certificate that is not trusted"),
    ],
    ids=["good", "expired", "of another host", "unknown"],
)
def test_mails_go_out_encrypted_with_a_login_or_not_at_all(
    kind: str,
    certificate: dict[str, Any] | None,
    says: str,
    waiting: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = write_certificate(tmp_path / "server.pem", **(certificate or {}))
    trusted = write_certificate(tmp_path / "other.pem") if certificate is None else own
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    options: dict[str, Any] = {"auth_require_tls": kind == "starttls"}
    if kind == "ssl":
        options["ssl_context"] = server_context(own)
    else:
        options |= {"tls_context": server_context(own), "require_starttls": True}
    with mailbox(accepts_login=True, **options) as box:
        server = replace(box.server, security=kind)  # type: ignore[arg-type]
        if says:
            with pytest.raises(MailServerError, match=re.escape(says)):
                send_outbox(waiting, server, tmp_path)
            assert {mail["status"] for mail in mails(waiting)} == {"pending"}
            assert {mail["attempts"] for mail in mails(waiting)} == {0}
            assert box.logins == 0
            return
        assert send_outbox(waiting, server, tmp_path).counts == {"sent": len(mails(waiting))}
        assert box.logins == 1
        check_arrived(waiting, box, resent=0)


def test_without_starttls_nothing_is_said_in_the_clear(waiting: Database, tmp_path: Path) -> None:
    with mailbox(accepts_login=True) as box:
        with pytest.raises(MailServerError, match="does not offer STARTTLS"):
            send_outbox(waiting, replace(box.server, security="starttls"), tmp_path)
        assert (box.logins, dict(box.accepted)) == (0, {})
    assert {(mail["status"], mail["attempts"]) for mail in mails(waiting)} == {("pending", 0)}


class Clock:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self, seen: Callable[[], None] = lambda: None) -> None:
        self.now, self.seen, self.slept = 0.0, seen, 0

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.seen()
        self.now += seconds
        self.slept += 1


@pytest.mark.parametrize("limit", [1, 2])
def test_no_minute_has_more_mails_than_the_limit_and_nothing_is_locked_meanwhile(
    limit: int, waiting: Database, tmp_path: Path
) -> None:
    def look() -> None:
        if waiting.kind == "postgresql":
            held = (
                "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert query(waiting, held) == [(0,)], "the sender has let go of the warehouse"

    clock = Clock(look)
    times = []
    with mailbox() as box:
        number = len(recipients(waiting))
        pace = Pace(limit, lambda: clock.now, clock.sleep)
        note = pace.note
        pace.note = lambda: (times.append(clock.now), note())[1]  # type: ignore[method-assign]
        assert send_outbox(waiting, box.server, tmp_path, pace).counts == {"sent": number}
        check_arrived(waiting, box, resent=0)
    assert number > 2 * limit
    assert clock.slept == (number - 1) // limit
    assert max(sum(begin <= at < begin + 60 for at in times) for begin in times) == limit
    assert times[-1] == 60 * ((number - 1) // limit), "and not slower than the limit"
