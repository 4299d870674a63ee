"""From the source to the mail server: every customer in the mail of its manager alone, and no name does any harm."""

# ruff: noqa: F811 - fixtures come in by their names

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from dataclasses import dataclass
from datetime import date
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from companies import Row, Said, batch_of, customer, fresh, publish, query, said, sale, warehouses  # noqa: F401
from openpyxl import load_workbook

from sql.digests import write_digests
from sql.outbox import send_outbox
from tests.faults.mailbox import Mailbox
from transforms.policy import parse_policy

CLUB = parse_policy(
    """
id: club
title: {en: Club, zh: 俱乐部}
ref: test
grain: customer
schedule: "0 6 2 * *"
as_of: previous_month_end
tiers: [A, B]
indicators:
  net_sales: {measure: net_sales, window: 12 months, unit: money, title: {en: net sales, zh: 销售额}}
decide:
  bands:
    of: net_sales
    tiers: [{tier: A, at_least: 1000}, {tier: B}]
actions:
  A: {en: Visit, zh: 拜访}
""",
    "club",
)

MANAGERS: dict[str, str | None] = {
    "M1": "m1@corp.example",
    "M2": "m2@corp.example",
    "M3": "m3@corp.example",
    "M9": None,
}
FALLBACK = "desk@corp.example"

HOSTILE = {
    "page": "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">",
    "attribute": "\"' onmouseover='document.title=1' x=\"</td></table>-->]]>",
    "formula": "=cmd|' /C calc'!A0",
    "sum": "+SUM(1,1)",
    "at": "@SUM(1,1)",
    "minus": "-2+3+cmd|' /C calc'!A0",
    "header": "=?UTF-8?Q?Zq7=0D=0AReply-To:_x@evil.example=0D=0AContent-Type:_text/html=0D=0A=0D=0A?=",
    "line": "Zq7\r\nBcc: x@evil.example\r\n\r\n.\r\nMAIL FROM:<x@evil.example>",
    "override": "Zq7\u202egnp.exe\u2066\u200b Ltd",
    "template": "{{ 7 * 7 }}{% for x in y %}{# z #}%(name)s {name}",
    "huge": "Zq7" + "汉" * 9_997,
    "address": 'Zq7, <x@evil.example>; (comment) \\ "quoted"',
}


@dataclass(frozen=True)
class Arrived:
    """A mail as the server got it."""

    raw: bytes
    read: EmailMessage
    text: str
    html: str
    workbook: bytes

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """Every row of every sheet, as openpyxl reads them: cells."""
        return [row for sheet in load_workbook(BytesIO(self.workbook)).worksheets for row in sheet.iter_rows()]


def arrived(content: bytes) -> Arrived:
    read = message_from_bytes(content, policy=policy.default)
    plain, html = read.get_body(("plain",)), read.get_body(("html",))
    assert plain is not None
    assert html is not None
    (part,) = read.iter_attachments()
    return Arrived(content, read, plain.get_content(), html.get_content(), part.get_content())  # type: ignore[arg-type]


def customers() -> list[Row]:
    """Three canaries of every manager, of nobody and of a manager without an address; a hostile name of every kind."""
    rows = [
        customer(f"{owner or 'N0'}-{number}", name=f"Canary-{owner or 'N0'}-{number}-Ltd", account_manager_id=owner)
        for owner in (*MANAGERS, None)
        for number in range(3)
    ]
    return rows + [customer(f"H-{kind}", name=name, account_manager_id="M2") for kind, name in HOSTILE.items()]


@pytest.fixture
def mails(said: Said) -> dict[str, Arrived]:
    """The mails that a server got of two months, by recipient: everybody sold little, and much in the second."""
    said.put("account_managers", [
        {"account_manager_id": number, "name": f"Ann {number}", "email": address, "locale": locale}
        for (number, address), locale in zip(MANAGERS.items(), ("en", "en", "zh", "en"), strict=True)
    ])  # fmt: skip
    rows = customers()
    said.put("customers", rows)
    numbers = [str(row["customer_id"]) for row in rows]
    said.put("sales", [sale(f"1-{number}", customer_id=number) for number in numbers])
    said.put("receivables", [])
    said.put("payments", [])
    said.load(batch_of("2024-01"))
    said.put("sales", [
        sale(f"2-{number}", customer_id=number, sold_on="2024-02-10", net_amount="5000.00") for number in numbers
    ])  # fmt: skip
    said.load(batch_of("2024-02"))
    assert query(said.database, "SELECT COUNT(*) FROM facts.customers WHERE superseded_in IS NULL") == [(len(rows),)]
    box = Mailbox()
    try:
        for day in (date(2024, 1, 31), date(2024, 2, 29)):
            publish(said.database, {CLUB.id: CLUB}, CLUB.id, day)
            write_digests(said.database, currency="CNY", domain="corp.example", sender="", fallback_address=FALLBACK)
        sent = send_outbox(said.database, box.server, Path("/nonexistent")).counts
        assert sent == {"sent": 2 * 4}
        newest = [arrived(contents[-1]) for contents in box.accepted.values()]
    finally:
        box.close()
    return {str(mail.read["To"].addresses[0].addr_spec): mail for mail in newest if "2024-02" in mail.read["Subject"]}


class Elements(HTMLParser):
    """The elements of a page with the names of their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: set[tuple[str, str]] = set()
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {(tag, name) for name, _ in attrs} | {(tag, "")}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_every_canary_is_in_exactly_one_mail_and_no_name_does_harm(mails: dict[str, Arrived], tmp_path: Path) -> None:
    assert set(mails) == {"m1@corp.example", "m2@corp.example", "m3@corp.example", FALLBACK}
    check_canaries(mails)
    check_headers(mails)
    check_pages(mails)
    check_texts(mails)
    check_workbooks(mails)
    check_in_a_browser(mails["m2@corp.example"], tmp_path)


def check_canaries(mails: dict[str, Arrived]) -> None:
    said = {
        address: (mail.text, " ".join(Elements(mail.html).words), "\n".join(str(c.value) for r in mail.rows for c in r))
        for address, mail in mails.items()
    }
    for owner in (*MANAGERS, None):
        to = MANAGERS.get(owner or "") or FALLBACK
        for number in range(3):
            for sign in (f"{owner or 'N0'}-{number}", f"Canary-{owner or 'N0'}-{number}-Ltd"):
                for body in range(3):
                    found = [address for address, bodies in said.items() if sign in bodies[body]]
                    assert found == [to], (sign, body)
    assert "Customers without an account manager: 6" in mails[FALLBACK].text


def check_headers(mails: dict[str, Arrived]) -> None:
    top = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "X-Tiering-Run",
        "MIME-Version",
        "Content-Type",
    ]
    for mail in mails.values():
        names = [name for name in mail.read if name not in ("X-Peer", "X-MailFrom", "X-RcptTo")]
        assert sorted(names) == sorted(top)
        raw = mail.raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
        begun = [line.partition(b":")[0].decode() for line in raw if not line.startswith((b" ", b"\t"))]
        assert sorted(set(begun) - {"X-Peer", "X-MailFrom", "X-RcptTo"}) == sorted(top)
        for part in mail.read.walk():
            for name, value in part.items():
                assert not re.search(r"Zq7|Canary|evil|cmd|script|=\?", str(value)), name
            assert not part.defects
        assert mail.raw.isascii()
        assert max(map(len, mail.raw.split(b"\r\n"))) < 998


def check_pages(mails: dict[str, Arrived]) -> None:
    harmless = Elements(mails["m1@corp.example"].html).found
    hostile = Elements(mails["m2@corp.example"].html)
    assert hostile.found == harmless, "the same elements and attributes as where every name is plain"
    assert not any(tag in ("script", "iframe", "object", "form") for tag, _ in hostile.found)
    assert not any(name.startswith("on") for _, name in hostile.found)
    sources = re.findall(r'<img\b[^>]*?\bsrc="([^"]*)"', mails["m2@corp.example"].html)
    assert len(sources) == sum(1 for tag, name in hostile.found if (tag, name) == ("img", "src")) > 0
    assert all(source.startswith("cid:") for source in sources), "pictures come with the mail, none from elsewhere"
    text = " ".join(hostile.words)
    assert HOSTILE["page"][:60] in text
    assert HOSTILE["template"][:40] in text
    check_characters(text)


def check_texts(mails: dict[str, Arrived]) -> None:
    text = mails["m2@corp.example"].text
    check_characters(text)
    assert HOSTILE["formula"] in text
    assert not re.search(r"^(Bcc|Reply-To|Content-Type|MAIL FROM)", text, re.M)
    assert text.count("汉") < 200, "a huge name is cut"
    assert "…" in text


def check_characters(text: str) -> None:
    odd = {
        character for character in text.replace("\r\n", "\n") if unicodedata.category(character) in ("Cc", "Cf", "Cs")
    } - {"\n"}
    assert not odd


def check_workbooks(mails: dict[str, Arrived]) -> None:
    cells = [cell for row in mails["m2@corp.example"].rows for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d", "b", "inlineStr"}
    texts = [cell for cell in cells if isinstance(cell.value, str)]
    assert all(cell.data_type in ("s", "inlineStr") for cell in texts)
    assert sum(cell.value == HOSTILE["formula"] for cell in texts) == 1
    with ZipFile(BytesIO(mails["m2@corp.example"].workbook)) as book:
        sheets = [book.read(name).decode() for name in book.namelist() if name.startswith("xl/worksheets/sheet")]
        assert not [name for name in book.namelist() if "external" in name.lower() or "vba" in name.lower()]
    assert not [sheet for sheet in sheets if re.search(r"<f[ >]|<hyperlink", sheet)]


def check_in_a_browser(mail: Arrived, folder: Path) -> None:
    """In Chromium, scripts on: the title stays, and the document that it makes of the page has no script."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    page = folder / "mail.html"
    page.write_text(mail.html, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    made = subprocess.run(
        [
            browser,
            *options,
            f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=2000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    dom = Elements(made)
    assert ("script", "") not in dom.found
    assert set(re.findall(r'<img\b[^>]*?\bsrc="([^"]{4})', made)) == {"cid:"}
    assert "pwned" in " ".join(dom.words), "the name is there, as text"
    title = re.search(r"<title>(.*?)</title>", made)
    assert title is not None
    assert "pwned" not in title[1]
