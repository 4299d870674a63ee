"""Credit in the mails: limits and who is over, once, of a manager's own accounts; all of them for the controller."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from email import message_from_string, policy
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import mm_company
import pytest
from companies import (
    ENGINES,
    MANAGERS,
    Row,
    Said,
    Warehouses,
    batch_of,
    contents,
    customer,
    publish,
    query,
    shipped_policies,
    warehouses,
)
from openpyxl import load_workbook
from test_reports_render import HOSTILE, Html, a_digest, luminance

import reports.credit_sheets
from reports.credit_page import MAX_LIMITS, MAX_OVER
from reports.digest import CreditChange, CreditSection, CreditTotal, Digest, Over, Share, digest_is_quiet
from reports.render import RenderedDigest, render_digest
from reports.text import clean_text
from reports.wording import Language, shares_in_words
from sql.connect import Database, connected, kept_open
from sql.credit import write_exposures
from sql.digests import Written, write_digests
from tiering import jobs
from tiering.settings import read_settings

YEAR_END, SEEN_ON = date(2015, 12, 31), date(2016, 1, 2)
SHIPPED = "collection_classes"
TITLE = {"en": "Collection-rate classes", "zh": "回款率分级"}
CONTROLLER = "credit@tiering.example"
D = Decimal


# ---- what is read


def a_change(**changes: Any) -> CreditChange:
    return replace(
        CreditChange("C-1", "Harbour Foods", "B", D(250), D(100), "tier_up", "raise"),
        **changes,
    )


def a_total(tier: str | None = None, **changes: Any) -> CreditTotal:
    return replace(CreditTotal(tier, {}, 3, D(936), D(800), D(200), D(64), D(50)), **changes)


def a_share(group: Any, accounts: int, average: str | None, receivables: str | None = "0.46") -> Share:
    parts = [None if part is None else D(part) for part in ("0.032", receivables, average)]
    return Share(group, accounts, D(128), D(460), *parts)


SHARES = (
    a_share("all", 450, "2.22", "1"),
    a_share("debtor", 100, "7.8", "0.78"),
    a_share("key_debtor", 76, "4.2105", "0.32"),
    a_share("other_debtor", 24, "19.1667"),
)


def a_section(*changes: CreditChange, **others: Any) -> CreditSection:
    return replace(CreditSection(SHIPPED, TITLE, YEAR_END, a_total(), changes), **others)


def an_overall(**others: Any) -> CreditSection:
    tiers = (a_total("A", title={"en": "Key accounts", "zh": "重点客户"}, squeezed=D(0)), a_total("B", accounts=1))
    section = a_section(
        a_change(),
        totals=tiers,
        actions=(("stop", 1), ("raise", 2)),
        budget=D(1000),
        unallocated=D(64),
        shares=SHARES,
    )
    return replace(section, **others)


def an_over(**changes: Any) -> Over:
    over = Over(
        SHIPPED, TITLE, "C-9", "Grey Heron", "", "account", D(100), D(350), D(250), D(40), date(2016, 1, 1), SEEN_ON
    )
    return replace(over, **changes)


def a_report(*sections: CreditSection, over: tuple[Over, ...] = (), locale: str = "en") -> Digest:
    return Digest(
        "credit_controller", "", CONTROLLER, locale, "CNY", (), (), credit=sections, over=over, kind="controller"
    )


def sheets_of(rendered: RenderedDigest) -> dict[str, list[tuple[Any, ...]]]:
    assert rendered.workbook is not None
    book = load_workbook(BytesIO(rendered.workbook.content))
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}


def check_both(rendered: RenderedDigest, *said: str) -> None:
    shown = [text for text, _, _ in Html(rendered.html).texts]
    for part in said:
        assert any(part in text for text in shown), part
        assert part in rendered.text, part


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        (
            "en",
            [
                "Credit limits: Collection-rate classes", "As of December 31, 2015",
                "Accounts: 3; limits in total CN¥936, before CN¥800",
                "Raised: CN¥200; Reduced: CN¥64; Taken from accounts whose tier went down: CN¥50",
                "CN¥100 → CN¥250", "Tier B; The tier went up", "– → CN¥0", "No tier; First limit", "No credit",
            ],
        ),
        (
            "zh",
            [
                "信用额度：回款率分级", "截至 2015年12月31日", "客户数：3；额度合计 ¥936，此前 ¥800",
                "调增：¥200；调减：¥64；其中从降级客户收回：¥50", "¥100 → ¥250", "等级 B；等级上升", "– → ¥0",
                "无等级；首次核定", "停止赊销",
            ],
        ),
    ],
)  # fmt: skip
def test_a_manager_reads_limits_before_and_now_why_and_what_to_do(locale: str, said: list[str]) -> None:
    new = a_change(customer_id="C-2", tier=None, limit=D(0), previous=None, change_reason="new", action="stop")
    rendered = render_digest(a_digest(locale=locale, credit=(a_section(a_change(), new),)))
    check_both(rendered, "Harbour Foods", *said)
    assert said[0] not in render_digest(a_digest(locale=locale)).text


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        (
            "en",
            [
                "Over the limit", "CN¥250", "Owed: CN¥350; limit of the account: CN¥100", "Overdue: CN¥40",
                "Over since January 1, 2016", "As of January 2, 2016; each is told once",
                "limit of the group: CN¥100", "limit towards CN01: CN¥100",
            ],
        ),
        (
            "zh",
            [
                "超过信用额度", "¥250", "占用：¥350；客户额度：¥100", "逾期：¥40", "自2016年1月1日起超限",
                "截至2016年1月2日；每户只通知一次", "集团额度：¥100", "对 CN01 的额度：¥100",
            ],
        ),
    ],
)  # fmt: skip
def test_a_manager_reads_who_is_over_by_what_since_when_and_which_limit_binds(locale: str, said: list[str]) -> None:
    over = (
        an_over(),
        an_over(customer_id="C-8", limited_by="group", overdue=D(0), over=D(900)),
        an_over(customer_id="C-7", limited_by="entity", entity="CN01", overdue=D(0), over=D(1)),
    )
    rendered = render_digest(a_digest(locale=locale, over=over))
    check_both(rendered, "Grey Heron", *said)
    assert [rendered.text.index(f"(C-{place})") for place in (8, 9, 7)] == sorted(
        rendered.text.index(f"(C-{place})") for place in (7, 8, 9)
    )
    assert rendered.text.count({"en": "Overdue", "zh": "逾期："}[locale]) == 1
    assert rendered.subject.endswith({"en": "; over the limit: 3", "zh": "；超限 3"}[locale])


@pytest.mark.parametrize(
    ("locale", "subject", "said"),
    [
        (
            "en",
            "Credit limits 2015-12-31; over the limit: 2",
            [
                "Budget CN¥1,000: CN¥936 allocated, CN¥64 left over",
                "Accounts: 3; limits in total CN¥936, before CN¥800", "No credit: 1; May buy more: 2",
                "24 of the 100 largest debtors are not key accounts and hold 46.0% of receivables on 3.2% of sales; "
                "4.55 times as much each as key debtors",
                "A · Key accounts", "before CN¥800", "Accounts: 1",
                "Limits that moved, and accounts to be stopped or reduced: 1, in the attached workbook",
                "As of January 2, 2016; accounts: 2, new among them: 1",
                "This is the credit digest over all accounts",
            ],
        ),
        (
            "zh",
            "信用额度 2015-12-31；超限 2",
            [
                "额度预算 ¥1,000：已分配 ¥936，未分配 ¥64", "客户数：3；额度合计 ¥936，此前 ¥800",
                "停止赊销：1；可增加赊销：2",
                "前 100 大欠款客户中有 24 户不是重点客户，以 3.2% 的销售额占用 46.0% 的应收账款；"
                "户均为重点欠款客户的 4.55 倍",
                "A · 重点客户", "此前 ¥800", "客户数：1", "额度变动、停止赊销或须压降的客户：1，详见所附工作簿",
                "截至2016年1月2日；客户数：2，其中新增 1", "本邮件为全部客户的信用通报",
            ],
        ),
    ],
)  # fmt: skip
def test_the_controller_reads_the_budget_the_classes_and_who_owes_out_of_proportion(
    locale: str, subject: str, said: list[str]
) -> None:
    over = (an_over(), an_over(customer_id="C-8", is_new=False))
    rendered = render_digest(a_report(an_overall(), over=over, locale=locale))
    assert rendered.subject == subject
    check_both(rendered, *said)
    for tiers in ("Customer tiers", "客户分级", "Dear", "您好", "Moved"):
        assert tiers not in rendered.html + rendered.text
    if locale == "zh":
        shown = re.sub(r"Grey Heron|Harbour Foods", "", rendered.text)
        assert not re.findall(r"[A-Za-z]{3,}", shown)


def test_why_nothing_was_allocated_is_one_line() -> None:
    lacking = a_section(lacks="there is no plan of 2016", whole=a_total(accounts=0, limit=D(0)))
    rendered = render_digest(a_report(lacking))
    check_both(rendered, "Nothing was allocated: there is no plan of 2016", "The limits before stay in force.")
    assert "Accounts:" not in rendered.text


def test_a_table_of_limits_has_no_budget() -> None:
    rendered = render_digest(a_report(an_overall(budget=None, unallocated=None, shares=())))
    assert "Budget" not in rendered.text
    assert "limits in total" in rendered.text


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ((), []),
        ((a_share("debtor", 0, None), a_share("other_debtor", 0, None)), ["Nobody owes anything"]),
        (
            (a_share("debtor", 3, "1"), a_share("other_debtor", 0, None), a_share("key_debtor", 3, "1")),
            ["All of the 3 largest debtors are key accounts"],
        ),
        (
            (a_share("debtor", 3, "1"), a_share("other_debtor", 1, "1"), a_share("key_debtor", 2, "0.5")),
            [
                "1 of the 3 largest debtors is not a key account and holds 46.0% of receivables on 3.2% of sales; "
                "2.00 times as much each as key debtors"
            ],
        ),
        (
            (a_share("debtor", 3, "1"), a_share("other_debtor", 3, "1"), a_share("key_debtor", 0, None)),
            ["3 of the 3 largest debtors are not key accounts and hold 46.0% of receivables on 3.2% of sales"],
        ),
    ],
)
def test_concentration_is_said_whoever_owes(shares: tuple[Share, ...], said: list[str]) -> None:
    assert shares_in_words(shares, Language("en")) == said


def test_lists_keep_the_most_money_and_count_the_rest() -> None:
    limits = [a_change(customer_id=f"L-{n:03}", previous=D(0), limit=D(n)) for n in range(1, MAX_LIMITS + 4)]
    over = tuple(an_over(customer_id=f"O-{n:03}", over=D(n)) for n in range(1, MAX_OVER + 6))
    rendered = render_digest(a_digest(credit=(a_section(*limits),), over=over))
    for body in (rendered.text, rendered.html):
        assert len(re.findall(r"L-\d{3}", body)) == MAX_LIMITS
        assert len(re.findall(r"O-\d{3}", body)) == MAX_OVER
        assert "Not listed here: 3 more, see the attached workbook" in body
        assert "Not listed here: 5 more, see the attached workbook" in body
        assert "L-003" not in body
        assert "O-005" not in body
    sheets = sheets_of(rendered)
    assert len(sheets["Credit limits"]) == 1 + len(limits)
    assert len(sheets["Over the limit"]) == 1 + len(over)


def test_what_is_owed_beyond_a_limit_is_at_stake_too() -> None:
    stopped = a_change(customer_id="C-2", limit=D(0), previous=D(0), change_reason="same", action="stop", over=D(900))
    text = render_digest(a_digest(credit=(a_section(a_change(), stopped),))).text
    assert text.index("C-2") < text.index("(C-1)")


def test_only_news_is_worth_a_mail() -> None:
    standing = a_change(limit=D(0), previous=D(0), change_reason="same", action="stop")
    assert digest_is_quiet(a_digest(credit=(a_section(standing),)))
    assert not digest_is_quiet(a_digest(credit=(a_section(standing, a_change()),)))
    assert not digest_is_quiet(a_digest(credit=(a_section(a_change(limit=D(0), previous=None, action="stop")),)))
    assert not digest_is_quiet(a_digest(over=(an_over(),)))
    assert digest_is_quiet(a_report(over=(an_over(is_new=False),)))
    assert not digest_is_quiet(a_report(over=(an_over(),)))
    assert not digest_is_quiet(a_report(a_section(lacks="there is no plan of 2016")))


@pytest.mark.parametrize(
    ("make", "field"),
    [(a_change, "action"), (a_change, "change_reason"), (an_over, "limited_by")],
)
def test_a_code_that_nobody_knows_is_refused(make: Any, field: str) -> None:
    with pytest.raises(ValueError, match="sideways"):
        make(**{field: "sideways"})


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_stays_text(name: str) -> None:
    def digest(said: str) -> Digest:
        change = a_change(customer_name=said, customer_id=said, tier=said)
        over = an_over(customer_name=said, customer_id=said, entity=said, limited_by="entity", title={"en": said})
        return a_digest(credit=(a_section(change, title={"en": said}),), over=(over,))

    rendered, plain = render_digest(digest(name)), render_digest(digest("Plain"))
    page = Html(rendered.html)
    assert not page.open
    assert not page.comments
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in Html(plain.html).elements]
    assert sum(text == clean_text(name) for text, _, _ in page.texts) >= 2
    assert rendered.subject == plain.subject
    assert len(rendered.text.split("\n")) == len(plain.text.split("\n"))
    cells = {cell for rows in sheets_of(rendered).values() for row in rows for cell in row}
    shown = clean_text(name).translate(dict.fromkeys((0xFFFE, 0xFFFF)))
    assert shown in cells


def test_every_text_reaches_a_contrast_of_4_5_and_no_element_is_wider_than_a_phone() -> None:
    new = a_change(limit=D(0), previous=None, change_reason="new", action="stop")
    for digest in (
        a_digest(credit=(a_section(new),), over=(an_over(),)),
        a_report(an_overall(), over=(an_over(),)),
    ):
        page = Html(render_digest(digest).html)
        for text, ink, paper in page.texts:
            if ink:
                light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, text
        assert all((attributes.get("width") or "1%").endswith("%") for _, attributes in page.elements)


def test_the_workbook_of_the_controller_has_the_limits_the_shares_and_who_is_over() -> None:
    rendered = render_digest(a_report(an_overall(), a_section(lacks="no plan"), over=(an_over(),)))
    assert rendered.workbook is not None
    assert rendered.workbook.name == "credit-limits-2015-12-31.xlsx"
    sheets = sheets_of(rendered)
    source = ("Collection-rate classes", datetime(2015, 12, 31))
    assert list(sheets) == ["Limits by tier", "Concentration", "Credit limits", "Over the limit"]
    assert sheets["Limits by tier"][1:] == [
        (*source, "A", "Key accounts", 3, 800, 936, 200, 64, 0),
        (*source, "B", "B", 1, 800, 936, 200, 64, 50),
        (*source, None, "All accounts", 3, 800, 936, 200, 64, 50),
    ]
    others = (*source, "Largest debtors that are not key accounts", 24, 128, 0.032, 460, 0.46, 19.1667)
    assert sheets["Concentration"][-1] == others
    change = (*source, "C-1", "Harbour Foods", "B", 100, 250, "The tier went up", "May buy more", 0)
    assert sheets["Credit limits"][1:] == [change]
    over = ("C-9", "Grey Heron", "limit of the account", 100, 350, 250, 40, datetime(2016, 1, 1))
    assert sheets["Over the limit"][1:] == [(source[0], datetime(2016, 1, 2), *over)]
    headings = {
        "Credit limits": "Policy, As of, Customer number, Name, Tier, Limit before (CNY), Limit (CNY), Why, To do, "
        "Owed beyond it (CNY)",
        "Over the limit": "Policy, As of, Customer number, Name, Limit that binds, Limit (CNY), Owed (CNY), "
        "Over by (CNY), Overdue (CNY), Over since",
    }
    assert {name: ", ".join(map(str, sheets[name][0])) for name in headings} == headings


def test_the_workbook_of_a_manager_has_them_after_movers_and_tiers_in_chinese() -> None:
    digest = a_digest(credit=(a_section(a_change()),), over=(an_over(),), locale="zh")
    assert list(sheets_of(render_digest(digest))) == ["等级变动客户", "等级构成", "信用额度", "超过信用额度"]


def test_of_too_many_limits_those_with_the_most_money_are_in_the_workbook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports.credit_sheets, "MAX_ROWS", 2)
    limits = [a_change(customer_id=f"C-{n}", previous=D(0), limit=D(n)) for n in range(1, 6)]
    over = tuple(an_over(customer_id=f"C-{n}", over=D(n)) for n in range(1, 6))
    sheets = sheets_of(render_digest(a_digest(credit=(a_section(*limits),), over=over)))
    for name in ("Credit limits", "Over the limit"):
        assert [row[2] for row in sheets[name][1:3]] == ["C-5", "C-4"]
        assert sheets[name][-1][0] == "Not listed here: 3 more"


# ---- who is told, and when


def tell(source: Said) -> None:
    """The MM company with two managers, and customers of nobody: the even ones are M2's, MM450 is nobody's."""
    mm_company.tell(source)
    managers: list[Row] = [{"account_manager_id": "M2", "name": "Bo", "email": "bo@corp.example", "locale": "zh"}]
    source.put("account_managers", [*MANAGERS, *managers])
    numbers = [each.number for each in mm_company.members()]
    source.put(
        "customers",
        [
            customer(number, account_manager_id=None if number == "MM450" else f"M{2 - int(number[2:]) % 2}")
            for number in numbers
        ],
    )
    source.load(batch_of("2015-01", 24))


def make(warehouses: Warehouses, engine: str, folder: Path) -> Database:
    """A warehouse in which the limits of the company were decided, and held against what is owed a day later."""
    database = warehouses.empty(engine)
    with kept_open(database):
        tell(Said(database, folder / f"said_{engine}"))
        publish_shipped(database)
        with connected(database, "tests") as connection:
            write_exposures(connection, shipped_policies()[SHIPPED], SEEN_ON, "CNY")
    return database


@pytest.fixture(scope="module")
def made(warehouses: Warehouses, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Database]:
    """Such a warehouse of an engine, made once."""
    folder = tmp_path_factory.mktemp("credit_mails")
    return cache(lambda engine: make(warehouses, engine, folder))


@pytest.fixture(params=ENGINES)
def mm(request: pytest.FixtureRequest, warehouses: Warehouses, made: Callable[[str], Database]) -> Iterator[Database]:
    """A copy of it, of which nothing was told."""
    database = warehouses.new(str(request.param), made(str(request.param)))
    with kept_open(database):
        yield database
    warehouses.drop(database)


def write(database: Database, controller: str = CONTROLLER) -> Written:
    return write_digests(
        database,
        currency="CNY",
        domain="tiering.example",
        sender="",
        fallback_address="desk@tiering.example",
        credit_controller=controller,
    )


def taken(database: Database) -> dict[str, tuple[str, dict[str, list[tuple[Any, ...]]]]]:
    """Return the text and the sheets of every mail by who gets it, and forget the mails."""
    found = {}
    for manager_id, recipient, message in query(
        database, "SELECT account_manager_id, recipient, message FROM tiering.email_outbox"
    ):
        mail = message_from_string(message, policy=policy.default)
        body = mail.get_body(("plain",))
        assert body is not None
        (part,) = mail.iter_attachments()
        book = load_workbook(BytesIO(part.get_content()))
        sheets = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}
        assert (manager_id == "credit_controller") == (recipient == CONTROLLER)
        found[manager_id or ""] = str(body.get_content()).replace("\r\n", "\n"), sheets
    query(database, "DELETE FROM tiering.email_outbox")
    return found


def publish_shipped(database: Database) -> None:
    assert publish(database, {SHIPPED: shipped_policies()[SHIPPED]}, SHIPPED, YEAR_END).status == "published"


def ids(rows: list[tuple[Any, ...]]) -> list[str]:
    return sorted(row[2] for row in rows[1:])


def owners(database: Database, of: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"M1": [], "M2": [], "": []}
    for customer_id, manager_id in query(database, f"SELECT customer_id, account_manager_id FROM {of} ORDER BY 1"):
        found[manager_id or ""].append(customer_id)
    return found


def test_limits_and_who_is_over_go_to_their_manager_and_all_of_them_to_the_controller(mm: Database) -> None:
    assert write(mm).mails == 4
    mails = taken(mm)
    assert set(mails) == {"M1", "M2", "", "credit_controller"}
    limits = owners(mm, "tiering.credit_limit")
    over = owners(mm, "tiering.credit_exposure WHERE over_amount > 0")
    names = {"M1": ("Credit limits", "Over the limit"), "M2": ("信用额度", "超过信用额度"),
             "": ("Credit limits", "Over the limit")}  # fmt: skip
    for manager_id, (limit_sheet, over_sheet) in names.items():
        text, sheets = mails[manager_id]
        assert ids(sheets[limit_sheet]) == limits[manager_id]
        assert ids(sheets.get(over_sheet, [()])) == over[manager_id]
        others = {number for other in limits if other != manager_id for number in limits[other]}
        assert not others & set(re.findall(r"MM\d{3}", text))
    text, sheets = mails["credit_controller"]
    assert ids(sheets["Credit limits"]) == sorted(sum(limits.values(), []))
    assert ids(sheets["Over the limit"]) == sorted(sum(over.values(), []))
    assert "Budget CN¥9,360,000: CN¥9,360,000 allocated, CN¥0 left over" in text
    assert "24 of the 100 largest debtors are not key accounts and hold 46.0% of receivables on " in text
    assert "; 4.55 times as much each as key debtors" in text
    assert f"accounts: {sum(map(len, over.values()))}, new among them: {sum(map(len, over.values()))}" in text
    assert "* D · No credit | CN¥0 | before CN¥0\n    Accounts: 106\n" in text
    (found,) = query(mm, "SELECT SUM(limit_amount), COUNT(*) FROM tiering.credit_limit "
                     "WHERE account_manager_id = 'M1'")  # fmt: skip
    told = Language("en").money(found[0], "CNY")
    assert f"Accounts: {found[1]}; limits in total {told}, before CN¥0" in mails["M1"][0]
    assert write(mm) == Written(None, 0, 0, 0)
    assert taken(mm) == {}


def test_without_the_setting_there_is_no_mail_to_the_controller(mm: Database) -> None:
    assert write(mm, controller="").mails == 3
    assert set(taken(mm)) == {"M1", "M2", ""}
    assert write(mm) == Written(None, 0, 0, 0), "told is told"


def put(database: Database, customer_id: str, over: int, since: date | None, **others: Any) -> None:
    """Let an account that is watched be over by so much, since a day."""
    columns = {"over_amount": over, "over_since": since, "limited_by": "account", "overdue_amount": 0, **others}
    said = ", ".join(f"{name} = :{name}" for name in columns)
    query(
        database,
        f"UPDATE tiering.credit_exposure SET {said} WHERE customer_id = :customer_id",
        customer_id=customer_id,
        **columns,
    )


@pytest.fixture
def watched(mm: Database) -> Database:
    """The same, of which everything was told, and nobody is over."""
    query(mm, "UPDATE tiering.credit_exposure SET over_amount = 0, over_since = NULL")
    write(mm)
    taken(mm)
    return mm


def test_who_is_over_is_told_once_and_again_after_a_break(watched: Database) -> None:
    assert write(watched) == Written(None, 0, 0, 0)
    put(watched, "MM001", 5, date(2016, 1, 3), exposure=105)
    assert write(watched).mails == 2
    mails = taken(watched)
    assert set(mails) == {"M1", "credit_controller"}
    assert "Owed: CN¥105; limit of the account: CN¥100" in mails["M1"][0]
    assert "Over since January 3, 2016" in mails["M1"][0]
    assert "Customer tiers: 0 up, 0 down" not in mails["M1"][0]
    assert query(watched, "SELECT customer_id, account_manager_id, over_since FROM tiering.told_exposure") == [
        ("MM001", "M1", date(2016, 1, 3))
    ]
    put(watched, "MM001", 7, date(2016, 1, 3))
    assert write(watched) == Written(None, 0, 0, 0), "by more, and still since that day"
    put(watched, "MM001", 0, None)
    assert write(watched) == Written(None, 0, 0, 0)
    assert query(watched, "SELECT COUNT(*) FROM tiering.told_exposure") == [(0,)]
    put(watched, "MM001", 7, date(2016, 1, 9))
    assert write(watched).mails == 2
    assert "Over since January 9, 2016" in taken(watched)["M1"][0]


def test_a_break_between_two_mails_is_a_break(watched: Database) -> None:
    put(watched, "MM001", 5, date(2016, 1, 3))
    write(watched)
    put(watched, "MM001", 5, date(2016, 1, 9))
    assert write(watched).mails == 2


def test_a_new_manager_is_told_of_it_and_the_controller_is_not_told_again(watched: Database) -> None:
    put(watched, "MM001", 5, date(2016, 1, 3))
    write(watched)
    taken(watched)
    put(watched, "MM001", 5, date(2016, 1, 3), account_manager_id="M2")
    assert write(watched).mails == 1
    mails = taken(watched)
    assert set(mails) == {"M2"}
    assert "MM001" in mails["M2"][0]
    assert write(watched) == Written(None, 0, 0, 0)


def test_the_controller_hears_of_everybody_who_is_over_with_the_new_ones_counted(watched: Database) -> None:
    put(watched, "MM001", 5, date(2016, 1, 3))
    write(watched)
    taken(watched)
    put(watched, "MM002", 9, date(2016, 1, 4))
    write(watched)
    mails = taken(watched)
    assert set(mails) == {"M2", "credit_controller"}
    text, sheets = mails["credit_controller"]
    assert "accounts: 2, new among them: 1" in text
    assert [row[2] for row in sheets["Over the limit"][1:]] == ["MM002", "MM001"]
    assert "MM001" not in mails["M2"][0]


def test_an_account_whose_own_limit_binds_is_not_told_a_second_time_for_a_selling_company(watched: Database) -> None:
    columns = [name for (name,) in query(
        watched,
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'tiering' "
        "AND table_name = 'credit_exposure' AND column_name <> 'entity'",
    )]  # fmt: skip
    said = ", ".join(columns)
    query(watched, f"INSERT INTO tiering.credit_exposure ({said}, entity) SELECT {said}, 'CN01' "
          "FROM tiering.credit_exposure WHERE customer_id = 'MM001'")  # fmt: skip
    put(watched, "MM001", 5, date(2016, 1, 3))
    assert write(watched).mails == 2
    assert len(taken(watched)["M1"][1]["Over the limit"]) == 2
    query(watched, "UPDATE tiering.credit_exposure SET limited_by = 'entity' WHERE entity = 'CN01'")
    assert write(watched).mails == 2
    text, sheets = taken(watched)["M1"]
    assert "limit towards CN01" in text
    assert len(sheets["Over the limit"]) == 2


def test_under_the_limit_of_a_group_what_the_group_owes_is_told(watched: Database) -> None:
    put(watched, "MM001", 5, date(2016, 1, 3), limited_by="group", group_exposure=1005, exposure=10)
    write(watched)
    assert "Owed: CN¥1,005; limit of the group: CN¥1,000" in taken(watched)["M1"][0]


def test_a_run_that_allocated_nothing_is_told_to_the_controller_alone(mm: Database) -> None:
    query(mm, "DELETE FROM tiering.credit_exposure")
    for table in ("credit_limit", "concentration", "credit_budget WHERE class <> ''"):
        query(mm, f"DELETE FROM tiering.{table}")
    query(mm, "UPDATE tiering.credit_budget SET reason = 'there is no plan of 2016', budget_amount = NULL")
    write(mm)
    mails = taken(mm)
    assert "Nothing was allocated: there is no plan of 2016" in mails.pop("credit_controller")[0]
    assert set(mails) == {"M1", "M2", ""}
    assert not any("Credit limits" in text or "信用额度" in text for text, _ in mails.values())


def test_a_day_before_those_that_were_told_is_not_told(watched: Database) -> None:
    query(watched, "UPDATE tiering.run SET digest_id = 'none'")
    assert write(watched) == Written(None, 0, 0, 0)


def test_no_customer_and_no_amount_is_in_a_header_or_in_the_log(mm: Database, caplog: pytest.LogCaptureFixture) -> None:
    hostile = "<script>alert(1)</script>"
    query(
        mm,
        "UPDATE facts.customers SET name = :name WHERE customer_id = "
        "(SELECT customer_id FROM tiering.credit_exposure ORDER BY over_amount DESC, customer_id LIMIT 1)",
        name=hostile,
    )
    with caplog.at_level(logging.DEBUG):
        write(mm)
    messages = [message for (message,) in query(mm, "SELECT message FROM tiering.email_outbox")]
    headers = " ".join(value for message in messages for _, value in message_from_string(message).items())
    for said in ("MM0", "Canary MM", "script", "9,360,000", "9360000"):
        assert said not in headers
    assert "MM0" not in caplog.text
    pages = []
    for message in messages:
        body = message_from_string(message, policy=policy.default).get_body(("html",))
        assert body is not None
        pages.append(body.get_content())
    assert not any("<script" in page for page in pages)
    assert sum("&lt;script&gt;" in page for page in pages) == 2


def test_the_same_news_has_the_same_message_id(mm: Database) -> None:
    write(mm)
    names = query(mm, "SELECT message_id FROM tiering.email_outbox ORDER BY 1")
    query(mm, "UPDATE tiering.run SET digest_id = NULL")
    query(mm, "DELETE FROM tiering.told_exposure")
    query(mm, "DELETE FROM tiering.email_outbox")
    write(mm)
    assert query(mm, "SELECT message_id FROM tiering.email_outbox ORDER BY 1") == names


def test_the_job_takes_address_and_language_from_the_settings(mm: Database) -> None:
    given = {"TIERING_CREDIT_CONTROLLER": "Credit@Tiering.Example", "TIERING_CREDIT_CONTROLLER_LOCALE": "zh"}
    jobs.write_reports(mm, read_settings(given))
    ((recipient, subject),) = query(mm, "SELECT recipient, subject FROM tiering.email_outbox "
                                    "WHERE account_manager_id = 'credit_controller'")  # fmt: skip
    assert recipient == "Credit@tiering.example"
    assert subject.startswith("信用额度 20")
