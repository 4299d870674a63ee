"""What an account manager has to do, in the mails: own customers alone, published numbers, reminded once a week."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email import message_from_string, policy
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from companies import (
    ENGINES,
    ON_THE_SERVER,
    Row,
    Said,
    Warehouses,
    batch_of,
    customer,
    demo_policies,
    fresh,
    policies_for,
    publish,
    query,
    said,
    sale,
    tell,
    warehouses,
)
from openpyxl import load_workbook
from test_reports_render import HOSTILE, Html, a_digest, a_mover, luminance

import reports.care_sheets
import sql.digests
from reports.care_page import MAX_DUE, MAX_NEAR
from reports.digest import Care, Digest, FollowUp, NearCustomer, ProvisionalGrade, VisitPlan, digest_is_quiet
from reports.outlook_words import NearLine
from reports.render import RenderedDigest, render_digest
from reports.text import clean_text
from reports.wording import Language
from sql.connect import Database, kept_open
from sql.digests import Written, write_digests
from tiering import jobs
from tiering.settings import read_settings
from transforms.policy import parse_policy

CLUB = parse_policy(
    """
id: club
title: {en: Club, zh: 俱乐部}
ref: test
grain: customer
schedule: "0 6 2 * *"
as_of: previous_month_end
tiers: [A, B, C]
tier_titles: {A: {en: Key accounts, zh: 重点客户}}
indicators:
  net_sales: {measure: net_sales, window: 12 months, unit: money, title: {en: net sales, zh: 销售额}}
  is_known: {attribute: is_known, unit: text, title: {en: register entry, zh: 工商登记}}
decide:
  rules:
    - {tier: A, when: net_sales >= 1000 and is_known = 'yes'}
    - {tier: B, when: net_sales >= 500}
    - {tier: C}
missing: {is_known: {as: 'no', status: provisional}}
value: net_sales
follow_up:
  every_days: {A: 7, B: 15, C: 365}
  tasks:
    ask: {tiers: [C], within_days: 3, title: {en: Ask why, zh: 询问原因}}
""",
    "club",
)
LISTED_ON = date(2026, 3, 1)
DAY = timedelta(days=1)
D = Decimal


# ---- what is read


def a_near(**changes: Any) -> NearCustomer:
    line = NearLine("up", "B", "A", "net_sales", D(950), D(1000), date(2026, 4, 30), False, D("0.01"))
    near = NearCustomer(CLUB, date(2026, 3, 31), "C-1", "Harbour Foods", "B", line, D("0.05"), True, D(950))
    return replace(near, **changes)


def at_risk(**changes: Any) -> NearCustomer:
    line = NearLine("down", "A", "B", "net_sales", D(1040), D("999.99"), date(2026, 4, 30), False, D("0.01"))
    near = a_near(customer_id="C-7", customer_name="Blue Lake", tier="A", line=line, is_to_win=False, value=D(1040))
    return replace(near, **changes)


def kept(**changes: Any) -> NearCustomer:
    line = NearLine("up", "B", "A", "net_sales", D(940), D(1000), date(2026, 4, 30), True, D("0.01"))
    return replace(at_risk(customer_id="C-8", customer_name="Old Mill", line=line, value=D(940)), **changes)


def a_follow_up(**changes: Any) -> FollowUp:
    due = FollowUp("club", CLUB_TITLE, "C-2", "Grey Heron", "A", {"en": "Key accounts", "zh": "重点客户"}, 7, {},
                   date(2026, 2, 17), date(2026, 2, 24), 5)  # fmt: skip
    return replace(due, **changes)


def a_task(**changes: Any) -> FollowUp:
    title = {"en": "Ask why", "zh": "询问原因"}
    due = a_follow_up(customer_id="C-3", tier="C", tier_title={}, every_days=None, task=title, last_contact_on=None,
                      due_on=date(2026, 3, 4), overdue_days=0)  # fmt: skip
    return replace(due, **changes)


def a_grade(**changes: Any) -> ProvisionalGrade:
    grade = ProvisionalGrade("club", CLUB_TITLE, "C-4", "Fresh Start", "B", date(2025, 8, 31), date(2026, 2, 28), 1)
    return replace(grade, **changes)


def a_plan(**changes: Any) -> VisitPlan:
    plan = VisitPlan("club", CLUB_TITLE, "A", 1, {"en": "Key accounts", "zh": "重点客户"}, 7, date(2026, 2, 1),
                     date(2026, 2, 28), 12, 48, 1030, 17)  # fmt: skip
    return replace(plan, **changes)


CLUB_TITLE = {"en": "Club", "zh": "俱乐部"}
LACKING = ({"en": "register entry", "zh": "工商登记"}, {"en": "rating", "zh": "评级"})
FULL = Care(
    near=(a_near(), at_risk(), kept()),
    grades=(a_grade(), a_grade(customer_id="C-5", began_on=None, final_by=date(2026, 3, 31), overdue_days=0,
                               lacking=LACKING)),
    follow_ups=(a_task(), a_follow_up()),
    visits=(a_plan(tier="B", rank=2, tier_title={}, every_days=15, visits=0), a_plan()),
    listed_on=LISTED_ON,
    follow_ups_by=LISTED_ON + 7 * DAY,
    grades_by=LISTED_ON + 31 * DAY,
)  # fmt: skip


def a_reminder(**changes: Any) -> Digest:
    return replace(a_digest(sections=(), care=replace(FULL, near=(), is_reminder=True)), **changes)


def sheets_of(workbook: bytes) -> dict[str, list[tuple[Any, ...]]]:
    book = load_workbook(BytesIO(workbook))
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}


def sheets(rendered: RenderedDigest) -> dict[str, list[tuple[Any, ...]]]:
    assert rendered.workbook is not None
    return sheets_of(rendered.workbook.content)


SAID = {
    "en": [
        "Near a line: 1 to win, 2 to keep", "Follow-ups due: 2, overdue: 1", "Provisional grades due: 2",
        "Near a line", "To win: 1", "To keep: 2", "CN¥950", "B → A", "A → B",
        "A · Key accounts is won with net sales ≥ CN¥1,000 (now CN¥950, +5.3%), in the data by April 30, 2026",
        "Down to B with net sales < CN¥1,000 (now CN¥1,040, −3.8%), in the data by April 30, 2026",
        "A · Key accounts is kept with net sales ≥ CN¥1,000 (now CN¥940, +6.4%), in the data by April 30, 2026",
        "Follow-ups due by March 8, 2026: 2", "As of March 1, 2026", "Overdue among them: 1", "Of these overdue",
        "Club: Tier A · Key accounts: every 7 days", "Club: Ask why", "Who comes first", "overdue by 5 days",
        "February 24, 2026", "Last contact on February 17, 2026", "due", "No contact is known",
        "Provisional grades due by April 1, 2026: 2", "New customer since August 31, 2025", "overdue by 1 day",
        "Not known: register entry, rating", "Contacts planned and made",
        "From February 1, 2026 to February 28, 2026, as the cadence of each tier asks",
        "Club: A · Key accounts", "1,030", "48",
    ],
    "zh": [
        "临近分级线：可升级 1，须保住 2", "应跟进：2，其中逾期：1", "须转正的暂定等级：2", "临近分级线", "可升级：1",
        "须保住：2", "销售额 ≥ ¥1,000时可升为A · 重点客户（目前¥950，+5.3%），以截至2026年4月30日的数据为准",
        "销售额 < ¥1,000时将降为B（目前¥1,040，−3.8%），以截至2026年4月30日的数据为准",
        "销售额 ≥ ¥1,000时可保住A · 重点客户（目前¥940，+6.4%），以截至2026年4月30日的数据为准",
        "2026年3月8日前应跟进：2", "截至 2026年3月1日", "其中逾期：1", "俱乐部：等级 A · 重点客户：每7 天联系一次",
        "俱乐部：询问原因", "优先跟进", "逾期5 天", "上次联系：2026年2月17日", "没有联系记录",
        "2026年4月1日前须转正的暂定等级：2", "新客户，自2025年8月31日起合作", "尚缺：工商登记、评级", "计划与实际联系",
        "2026年2月1日至2026年2月28日，按各等级联系周期", "俱乐部：A · 重点客户", "1,030",
    ],
}  # fmt: skip


@pytest.mark.parametrize("locale", SAID)
def test_a_manager_reads_what_is_to_be_done(locale: str) -> None:
    rendered = render_digest(a_digest(care=FULL, locale=locale))
    shown = [text for text, _, _ in Html(rendered.html).texts]
    for part in SAID[locale]:
        assert any(part in text for text in shown), part
        assert part in rendered.text, part
    if locale == "zh":
        names = r"Harbour Foods|Blue Lake|Old Mill|Grey Heron|Fresh Start|Wang Fang|Growing"
        assert not re.findall(r"[A-Za-z]{3,}", re.sub(names, "", rendered.text))
    nothing = render_digest(a_digest(locale=locale)).text
    assert not any(part in nothing for part in SAID[locale] if len(part) > 3 and part not in ("As of March 1, 2026",))


def test_the_most_money_is_first_then_the_nearest_line_and_the_most_overdue() -> None:
    near = (
        a_near(customer_id="N-3", value=D(5)),
        a_near(customer_id="N-5", value=None),
        a_near(customer_id="N-1", value=D(70)),
        a_near(customer_id="N-2", value=D(5), relative_change=D("0.01")),
        a_near(customer_id="N-4", value=D(5), relative_change=D("0.07")),
    )
    due = tuple(a_follow_up(customer_id=f"F-{n}", due_on=LISTED_ON - n * DAY, overdue_days=n) for n in (3, 4, 1, 2))
    grades = tuple(a_grade(customer_id=f"G-{n}", final_by=LISTED_ON + n * DAY) for n in (3, 1, 2))
    rendered = render_digest(a_digest(care=replace(FULL, near=near, follow_ups=due, grades=grades, visits=())))
    for body in (rendered.text, rendered.html):
        assert re.findall(r"\b([NFG]-\d)\b", body) == [
            *(f"N-{n}" for n in (1, 2, 3, 4, 5)), *(f"F-{n}" for n in (4, 3, 2, 1)), *(f"G-{n}" for n in (1, 2, 3)),
        ]  # fmt: skip


def test_long_lists_are_cut_with_a_count_and_the_rest_is_in_the_workbook() -> None:
    near = tuple(a_near(customer_id=f"N-{n:03}", value=D(n)) for n in range(1, MAX_NEAR + 4))
    risks = tuple(at_risk(customer_id=f"R-{n:03}", value=D(n)) for n in range(1, MAX_NEAR + 5))
    due = tuple(a_follow_up(customer_id=f"F-{n:03}", overdue_days=n, due_on=LISTED_ON - n * DAY)
                for n in range(1, MAX_DUE + 6))  # fmt: skip
    grades = tuple(a_grade(customer_id=f"G-{n:03}") for n in range(1, MAX_DUE + 7))
    plans = tuple(a_plan(tier=f"T-{n:03}", rank=n, tier_title={}) for n in range(1, MAX_DUE + 8))
    tasks = tuple(a_task(customer_id="C-3", task={"en": f"Task {n:03}"}) for n in range(1, MAX_DUE + 9))
    care = replace(FULL, near=(*near, *risks), follow_ups=(*due, *tasks), grades=grades, visits=plans)
    rendered = render_digest(a_digest(care=care))
    rest = {"N": 3, "R": 4, "F": len(due) + len(tasks) - MAX_DUE, "G": 6, "T": 7, "reasons": len(tasks) + 1 - MAX_DUE}
    for body in (rendered.text, rendered.html):
        for kind, listed in (("N", MAX_NEAR), ("R", MAX_NEAR), ("F", MAX_DUE), ("G", MAX_DUE), ("T", MAX_DUE)):
            assert len(re.findall(rf"\b{kind}-\d{{3}}\b", body)) == listed, kind
        for count in rest.values():
            assert f"Not listed here: {count} more, see the attached workbook" in body
        assert "N-003" not in body
        assert "F-005" not in body
    found = sheets(rendered)
    assert [len(found[name]) - 1 for name in ("Near a line", "Follow-ups", "Provisional grades",
            "Contacts planned and made")] == [27, len(due) + len(tasks), 26, 27]  # fmt: skip


def test_the_sheets_have_typed_cells() -> None:
    found = sheets(render_digest(a_digest(care=FULL)))
    assert list(found) == ["Movers", "Tiers", "Near a line", "Follow-ups", "Provisional grades",
                           "Contacts planned and made"]  # fmt: skip
    assert found["Near a line"][0] == (
        "Policy", "As of", "Customer number", "Name", "Tier", "Chance or risk", "Tier beyond the line", "Figure",
        "Now", "Needed", "In the data by", "Value at stake (CNY)", "What would change the tier",
    )  # fmt: skip
    assert found["Near a line"][1] == (
        "Club", datetime(2026, 3, 31), "C-7", "Blue Lake", "A", "to keep", "B", "net sales", 1040, 999.99,
        datetime(2026, 4, 30), 1040,
        "Down to B with net sales < CN¥1,000 (now CN¥1,040, −3.8%), in the data by April 30, 2026",
    )  # fmt: skip
    assert found["Follow-ups"] == [
        ("Policy", "Customer number", "Name", "Tier", "Follow-up", "Every (days)", "Last contact", "Due",
         "Overdue (days)"),
        ("Club", "C-2", "Grey Heron", "A", "Tier A · Key accounts: every 7 days", 7, datetime(2026, 2, 17),
         datetime(2026, 2, 24), 5),
        ("Club", "C-3", "Grey Heron", "C", "Ask why", None, None, datetime(2026, 3, 4), 0),
    ]  # fmt: skip
    assert found["Provisional grades"][1:] == [
        ("Club", "C-4", "Fresh Start", "B", "New customer since August 31, 2025", datetime(2025, 8, 31),
         datetime(2026, 2, 28), 1),
        ("Club", "C-5", "Fresh Start", "B", "Not known: register entry, rating", None, datetime(2026, 3, 31), 0),
    ]  # fmt: skip
    assert found["Contacts planned and made"] == [
        ("Policy", "From", "To", "Tier", "Title", "Every (days)", "Customers", "Planned", "Made", "Visits"),
        ("Club", datetime(2026, 2, 1), datetime(2026, 2, 28), "A", "Key accounts", 7, 12, 48, 1030, 17),
        ("Club", datetime(2026, 2, 1), datetime(2026, 2, 28), "B", "B", 15, 12, 48, 1030, 0),
    ]  # fmt: skip
    chinese = sheets(render_digest(a_digest(care=FULL, locale="zh")))
    assert list(chinese)[2:] == ["临近分级线", "客户跟进", "暂定等级", "计划与实际联系"]
    headings = [str(cell) for rows in list(chinese.values())[2:] for cell in rows[0]]
    assert [heading for heading in headings if re.search(r"[a-z]{3,}", heading)] == []


def test_of_too_many_rows_the_first_are_in_the_workbook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports.care_sheets, "MAX_ROWS", 2)
    due = tuple(a_follow_up(customer_id=f"F-{n}", due_on=LISTED_ON - n * DAY) for n in range(1, 6))
    near = tuple(a_near(customer_id=f"N-{n}", value=D(n)) for n in range(1, 5))
    found = sheets(render_digest(a_digest(care=replace(FULL, follow_ups=due, near=near))))
    assert [row[1] for row in found["Follow-ups"][1:3]] == ["F-5", "F-4"]
    assert found["Follow-ups"][-1][0] == "Not listed here: 3 more"
    assert [row[2] for row in found["Near a line"][1:3]] == ["N-4", "N-3"]
    assert found["Near a line"][-1][0] == "Not listed here: 2 more"


@pytest.mark.parametrize(
    ("locale", "subject", "said"),
    [
        (
            "en",
            "Follow-ups 2026-03-01: 2 due, 1 overdue",
            ["This is the weekly reminder of follow-ups", "As of March 1"],
        ),
        ("zh", "客户跟进 2026-03-01：应跟进 2，逾期 1", ["本邮件为您名下客户的每周跟进提醒"]),
    ],
)
def test_a_reminder_alone_says_so_and_nothing_of_movers(locale: str, subject: str, said: list[str]) -> None:
    rendered = render_digest(a_reminder(locale=locale))
    assert rendered.subject == subject
    for part in said:
        assert part in rendered.text
        assert part in rendered.html
    for other in ("Up: 0", "升级：0", "who moved, why", "Customers with a tier"):
        assert other not in rendered.text
    assert rendered.workbook is not None
    assert rendered.workbook.name == "follow-ups-2026-03-01.xlsx"
    names = {"en": ["Follow-ups", "Provisional grades", "Contacts planned and made"],
             "zh": ["客户跟进", "暂定等级", "计划与实际联系"]}  # fmt: skip
    assert list(sheets(rendered)) == names[locale]


def test_with_other_news_the_subject_counts_what_is_overdue() -> None:
    digest = a_digest(a_mover(), care=replace(FULL, is_reminder=True))
    assert render_digest(digest).subject == "Customer tiers 2026-03-31: 0 up, 1 down; follow-ups overdue: 1"
    assert render_digest(a_digest(a_mover(), care=FULL)).subject == "Customer tiers 2026-03-31: 0 up, 1 down"
    assert "Up: 0" in render_digest(digest).text


def test_what_is_to_be_done_is_no_news_unless_it_is_to_be_reminded_of() -> None:
    assert digest_is_quiet(a_digest(care=FULL))
    assert not digest_is_quiet(a_digest(care=replace(FULL, is_reminder=True)))


def test_limits_in_total_are_a_headline_of_the_latest_run_of_each_policy() -> None:
    from test_credit_mails import SHIPPED, YEAR_END, a_section, a_total

    before = a_section(as_of=date(2014, 12, 31), whole=a_total(limit=D(500), previous=D(500)))
    fall = a_section(policy_id="other", title={"en": "Other"}, whole=a_total(limit=D(5), previous=D(9)))

    def totals(*sections: Any) -> str:
        return render_digest(a_digest(credit=sections)).text.partition("=====")[0]

    assert "Credit limits in total: CN¥936 (+CN¥136)" in totals(a_section())
    assert totals(a_section(), before).count("Credit limits in total") == 1
    assert "Credit limits in total: CN¥936" in totals(a_section(), before)
    assert "Other: Credit limits in total: CN¥5 (−CN¥4)" in totals(a_section(), fall)
    assert "(±CN¥0)" in totals(before)
    assert a_section().policy_id == SHIPPED
    assert a_section().as_of == YEAR_END


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_stays_text(name: str) -> None:
    def digest(said: str) -> Digest:
        titles = {"en": said}
        care = replace(
            FULL,
            near=(a_near(customer_name=said, customer_id=said),),
            follow_ups=(
                a_follow_up(customer_name=said, customer_id=said, tier=said, title=titles, tier_title=titles),
                a_task(customer_name=said, task=titles),
            ),
            grades=(a_grade(customer_name=said, customer_id=said, tier=said, lacking=(titles,), began_on=None),),
            visits=(a_plan(tier=said, title=titles, tier_title=titles),),
        )
        return a_digest(care=care)

    rendered, plain = render_digest(digest(name)), render_digest(digest("Plain"))
    page = Html(rendered.html)
    assert not page.open
    assert not page.comments
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in Html(plain.html).elements]
    assert sum(text == clean_text(name) for text, _, _ in page.texts) >= 3
    assert rendered.subject == plain.subject
    assert len(rendered.text.split("\n")) == len(plain.text.split("\n"))
    cells = {cell for rows in sheets(rendered).values() for row in rows for cell in row}
    assert clean_text(name).translate(dict.fromkeys((0xFFFE, 0xFFFF))) in cells


@pytest.mark.parametrize("digest", [a_digest(care=FULL), a_reminder()], ids=["whole", "reminder"])
def test_every_text_reaches_a_contrast_of_4_5_and_no_element_is_wider_than_a_phone(digest: Digest) -> None:
    page = Html(render_digest(digest).html)
    for text, ink, paper in page.texts:
        if ink:
            light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, text
    assert all((attributes.get("width") or "1%").endswith("%") for _, attributes in page.elements)


# ---- from the source to the mails

MANAGERS: list[Row] = [
    {"account_manager_id": "M1", "name": "Ann", "email": "m1@corp.example", "locale": "en"},
    {"account_manager_id": "M2", "name": "Bo", "email": "m2@corp.example", "locale": "zh"},
    {"account_manager_id": "M3", "name": "Cy", "email": "m3@corp.example", "locale": "en"},
    {"account_manager_id": "M9", "name": "Di", "email": None, "locale": "en"},
]
MONDAY = datetime(2024, 4, 1, 7, tzinfo=UTC)
MARCH = date(2024, 3, 31)


def write(database: Database, now: datetime = MONDAY, **options: Any) -> Written:
    chosen: dict[str, Any] = {"follow_ups_on": 0, "today": now, **options}
    return write_digests(
        database, currency="CNY", domain="corp.example", sender="", fallback_address="desk@corp.example", **chosen
    )


Mails = dict[str, tuple[str, str, dict[str, list[tuple[Any, ...]]]]]


def taken(database: Database) -> Mails:
    """Return subject, text and sheets of every mail by manager, forget the mails; those on teams are left out."""
    found = {}
    rows = query(database, "SELECT account_manager_id, subject, message FROM tiering.email_outbox")
    for manager_id, subject, message in rows:
        mail = message_from_string(message, policy=policy.default)
        if mail["Subject"].startswith(("Tiers of your team", "团队客户分级")):
            continue
        body = mail.get_body(("plain",))
        assert body is not None
        (part,) = mail.iter_attachments()
        content = part.get_content()
        assert isinstance(content, bytes)
        found[manager_id or ""] = subject, str(body.get_content()).replace("\r\n", "\n"), sheets_of(content)
    query(database, "DELETE FROM tiering.email_outbox")
    return found


def canaries(source: Said) -> Database:
    """Customers of three managers, of nobody and of a manager without an address: three of each, met twice.

    The first sold enough for A, and nobody says whether it is registered; the second is B, and near A; the third is C.
    """
    owners = ["M1", "M2", "M3", "M9", None]
    numbers = {f"{owner or 'N0'}-{tier}": owner for owner in owners for tier in "ABC"}
    source.put("account_managers", MANAGERS)
    source.put("customers", [
        customer(number, name=f"Canary {number} Ltd", account_manager_id=owner, opened_on="2023-01-01",
                 attr_is_known=None if number.endswith("A") else "yes")
        for number, owner in numbers.items()
    ])  # fmt: skip
    amounts = {"A": "5000.00", "B": "960.00", "C": "20.00"}
    source.put("sales", [
        sale(f"S-{number}", customer_id=number, sold_on="2024-03-10", net_amount=amounts[number[-1]])
        for number in numbers
    ])  # fmt: skip
    source.put("receivables", [])
    source.put("payments", [])
    source.put("contacts", [
        {"contact_id": f"K-{number}-{day}", "customer_id": number, "contacted_on": day, "channel": channel}
        for number in numbers
        for day, channel in (("2024-02-01", "phone"), ("2024-03-05", "visit"))
    ])  # fmt: skip
    source.load(batch_of("2024-02", 2))
    return source.database


@pytest.fixture
def told(said: Said) -> Mails:
    """The mails of a first publication, written on a Monday after the list of the day before."""
    database = canaries(said)
    publish(database, {CLUB.id: CLUB}, CLUB.id, MARCH)
    jobs.follow_up(database, {CLUB.id: CLUB}, MARCH)
    assert write(database).mails == 4
    return taken(database)


NAMES = {
    "en": ("Near a line", "Follow-ups", "Provisional grades", "Contacts planned and made"),
    "zh": ("临近分级线", "客户跟进", "暂定等级", "计划与实际联系"),
}


def test_a_manager_sees_their_own_customers_alone(told: Mails) -> None:
    """Each list has the canaries of its manager and of nobody else, in the text and in the workbook."""
    assert set(told) == {"M1", "M2", "M3", ""}
    for manager_id, (_, text, found) in told.items():
        own = ("M9", "N0") if manager_id == "" else (manager_id,)
        near, due, grades, visits = (found[name] for name in NAMES["zh" if manager_id == "M2" else "en"])
        assert sorted(row[2] for row in near[1:]) == sorted(f"{name}-B" for name in own)
        assert sorted(row[1] for row in due[1:]) == sorted(f"{name}-{tier}" for name in own for tier in "ABC")
        assert sorted(row[1] for row in grades[1:]) == sorted(f"{name}-A" for name in own)
        assert [row[3] for row in visits[1:]] == ["B", "C"]
        assert [row[6] for row in visits[1:]] == [2 * len(own), len(own)]
        seen = set(re.findall(r"\b(M\d|N0)-[ABC]", text + str(found)))
        assert seen == set(own)


def test_what_was_measured_stands_in_the_text(told: Mails) -> None:
    subject, text, _ = told["M1"]
    assert subject == "Customer tiers 2024-03-31: 0 up, 0 down; follow-ups overdue: 2"
    for part in (
        "Near a line: 1 to win, 0 to keep",
        "Provisional grades due: 1",
        "A · Key accounts is won with net sales ≥ CN¥1,000 (now CN¥960, +4.2%), in the data by April 30, 2024",
        "Club: Tier B: every 15 days | 2 | 2",
        "Club: Ask why | 1 | 0",
        "overdue by 11 days | March 20, 2024",
        "Not known: register entry",
    ):
        assert part in text, part


# ---- every number is a published row


@pytest.fixture(scope="module", params=ENGINES)
def demo(request: pytest.FixtureRequest, warehouses: Warehouses) -> Iterator[tuple[Database, Mails]]:
    """The demo company with the lists of the day after its last publication, and the mails over all of it."""
    database = warehouses.published(str(request.param))
    policies = {**demo_policies(), **policies_for("dealer_points", "pipeline_stage")}
    with kept_open(database):
        publish(database, policies, "dealer_points", date(2025, 11, 30))
        for day in (date(2026, 1, 10), date(2026, 2, 28)):
            publish(database, policies, "pipeline_stage", day)
        jobs.follow_up(database, policies, date(2026, 2, 28))
        assert write(database, datetime(2026, 3, 2, 7, tzinfo=UTC)).mails > 3
        yield database, taken(database)
    warehouses.drop(database)


OWNED = "COALESCE((SELECT account_manager_id FROM facts.account_managers AS manager WHERE superseded_in IS NULL " \
    "AND email IS NOT NULL AND manager.account_manager_id = listed.account_manager_id), '') = :owner"  # fmt: skip


def rows_of(mails: Mails, manager_id: str, database: Database, place: int) -> list[tuple[Any, ...]]:
    """Return the rows of a sheet of a manager's workbook, in the language of the manager."""
    locale = query(
        database,
        "SELECT locale FROM facts.account_managers WHERE superseded_in IS NULL AND account_manager_id = :id",
        id=manager_id,
    )
    name = NAMES[locale[0][0] if locale else "en"][place]
    return [tuple(cell.date() if isinstance(cell, datetime) else cell for cell in row)
            for row in mails[manager_id][2].get(name, [()])[1:]]  # fmt: skip


def as_cells(rows: list[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(float(cell) if isinstance(cell, Decimal) else cell for cell in row) for row in rows)


def test_every_follow_up_of_a_manager_is_a_published_row(demo: tuple[Database, Mails]) -> None:
    database, mails = demo
    seen = 0
    for manager_id, (subject, text, _) in mails.items():
        published = query(
            database,
            "SELECT customer_id, tier, last_contact_on, due_on, overdue_days FROM tiering.follow_up AS listed "
            f"WHERE due_on <= DATE '2026-03-07' AND {OWNED}",
            owner=manager_id,
        )
        found = [(row[1], row[3], *row[6:]) for row in rows_of(mails, manager_id, database, 1)]
        assert as_cells(found) == as_cells(published)
        overdue = sum(row[4] > 0 for row in published)
        counts = [
            f"Follow-ups due: {len(published)}, overdue: {overdue}",
            f"应跟进：{len(published)}，其中逾期：{overdue}",
        ]
        assert not published or any(count in text for count in counts)
        assert (f" {overdue}" if overdue else ": 0") in subject or f"：{overdue}" in subject
        reasons = re.findall(r"^\* .+ \| (\d+) \| (\d+)$", re.split(r"Of these overdue|其中逾期\n", text)[-1]
                             .partition("\n---")[0], re.MULTILINE)  # fmt: skip
        assert [sum(map(int, column)) for column in zip(*reasons, strict=True)] == [len(published), overdue]
        seen += len(published)
    every = query(database, "SELECT COUNT(*) FROM tiering.follow_up WHERE due_on <= DATE '2026-03-07'")
    assert [(seen,)] == every
    assert seen > 50


def test_every_provisional_grade_of_a_manager_is_a_published_row(demo: tuple[Database, Mails]) -> None:
    database, mails = demo
    seen = 0
    for manager_id, (_, text, _) in mails.items():
        published = query(
            database,
            "SELECT customer_id, tier, began_on, final_by, overdue_days FROM tiering.provisional_grade AS listed "
            f"WHERE final_by <= DATE '2026-03-31' AND {OWNED}",
            owner=manager_id,
        )
        found = [(row[1], row[3], *row[5:]) for row in rows_of(mails, manager_id, database, 2)]
        assert as_cells(found) == as_cells(published)
        counts = [f"Provisional grades due: {len(published)}\n", f"须转正的暂定等级：{len(published)}\n"]
        assert any(count in text for count in counts) == bool(published)
        seen += len(published)
    assert seen == query(
        database, "SELECT COUNT(*) FROM tiering.provisional_grade WHERE final_by <= DATE '2026-03-31'"
    )[0][0]  # fmt: skip
    assert seen > 3


def test_every_visit_of_a_manager_is_in_a_published_row(demo: tuple[Database, Mails]) -> None:
    database, mails = demo
    for manager_id in mails:
        published = query(
            database,
            "SELECT period_start, period_end, tier, SUM(customers), SUM(planned), SUM(made), SUM(visits) "
            f"FROM tiering.visit_plan AS listed WHERE {OWNED} GROUP BY policy_id, period_start, period_end, tier",
            owner=manager_id,
        )
        found = [(*row[1:4], *row[6:]) for row in rows_of(mails, manager_id, database, 3)]
        assert as_cells(found) == as_cells([(*row[:3], *map(int, row[3:])) for row in published])
    assert query(database, "SELECT SUM(planned) > 50, SUM(visits) > 10 FROM tiering.visit_plan") == [(True, True)]


def test_every_customer_near_a_line_is_a_published_row(demo: tuple[Database, Mails]) -> None:
    """With the tier in force, and what a mover of the same customer would be worth."""
    database, mails = demo
    known = {**demo_policies(), **policies_for("dealer_points", "pipeline_stage")}
    values = " ".join(f"WHEN '{name}' THEN '{each.value or ''}'" for name, each in known.items())
    seen = 0
    for manager_id, (_, text, _) in mails.items():
        published = query(
            database,
            "SELECT listed.customer_id, held.tier, listed.to_tier, listed.value, listed.needed, listed.by_on, "
            "listed.as_of, component.value, listed.direction, held.tier_rank FROM tiering.tier_outlook AS listed "
            "JOIN tiering.customer_tier AS held ON held.policy_id = listed.policy_id "
            "AND held.customer_id = listed.customer_id "
            "LEFT JOIN tiering.score_component AS component ON component.policy_id = listed.policy_id "
            "AND component.as_of = listed.as_of AND component.customer_id = listed.customer_id "
            f"AND component.indicator = CASE listed.policy_id {values} END WHERE {OWNED}",
            owner=manager_id,
        )
        found = [
            (row[2], row[4], row[6], row[8], row[9], row[10], row[1], row[11])
            for row in rows_of(mails, manager_id, database, 0)
        ]
        rounded = [tuple(round(cell, 6) if isinstance(cell, float | int | Decimal) else cell for cell in row[:8])
                   for row in published]  # fmt: skip
        assert as_cells([tuple(round(c, 6) if isinstance(c, float) else c for c in row) for row in found]) == as_cells(
            rounded
        )
        wins = sum(cell in ("to win", "可升级") for row in rows_of(mails, manager_id, database, 0) for cell in row)
        risks = len(found) - wins
        said = [f"Near a line: {wins} to win, {risks} to keep", f"临近分级线：可升级 {wins}，须保住 {risks}"]
        assert any(part in text for part in said) == bool(found)
        assert wins == sum(row[8] == "up" for row in published), "no rule of movement keeps a tier here"
        seen += len(published)
    assert [(seen,)] == query(database, "SELECT COUNT(*) FROM tiering.tier_outlook")
    assert seen > 80


# ---- once a week


@pytest.fixture
def quiet(said: Said) -> Database:
    """The canaries, of whom everything was told on the Sunday but what is to be done."""
    database = canaries(said)
    publish(database, {CLUB.id: CLUB}, CLUB.id, MARCH)
    assert write(database, MONDAY - DAY, follow_ups_on=None).mails == 4
    taken(database)
    assert write(database, MONDAY - DAY, follow_ups_on=None) == Written(None, 0, 0, 0)
    jobs.follow_up(database, {CLUB.id: CLUB}, MARCH)
    return database


WEEKS = "SELECT DISTINCT week_on FROM tiering.told_follow_up"
NOTHING = Written(None, 0, 0, 0)


def meet(database: Database, customer_id: str, day: date) -> None:
    row = {"contact_id": f"{customer_id} {day}", "customer_id": customer_id, "contacted_on": day, "channel": "phone"}
    tell(database, "contacts", [row])


def test_overdue_follow_ups_are_told_once_a_week(quiet: Database) -> None:
    done = write(quiet)
    assert (done.mails, done.quiet, done.without_address) == (4, 0, 0)
    names = query(quiet, "SELECT message_id FROM tiering.email_outbox ORDER BY 1")
    mails = taken(quiet)
    assert set(mails) == {"M1", "M2", "M3", ""}
    assert mails["M1"][0] == "Follow-ups 2024-03-31: 3 due, 2 overdue"
    assert mails["M2"][0] == "客户跟进 2024-03-31：应跟进 3，逾期 2"
    assert "Canary M1-A Ltd" in mails["M1"][1]
    assert not re.search(r"(M2|M3|M9|N0)-[ABC]", mails["M1"][1] + str(mails["M1"][2]))
    assert list(mails["M1"][2]) == ["Follow-ups", "Provisional grades", "Contacts planned and made"]
    assert query(quiet, WEEKS) == [(date(2024, 4, 1),)]
    told = query(quiet, "SELECT account_manager_id FROM tiering.told_follow_up ORDER BY 1")
    assert sorted(row[0] or "" for row in told) == ["", "M1", "M2", "M3", "M9"]
    for day in range(7):
        assert write(quiet, MONDAY + day * DAY) == NOTHING
    assert write(quiet, MONDAY + 7 * DAY).mails == 4
    assert query(quiet, WEEKS) == [(date(2024, 4, 8),)]
    again = query(quiet, "SELECT message_id FROM tiering.email_outbox ORDER BY 1")
    assert not {row[0] for row in names} & {row[0] for row in again}


def test_a_cut_off_in_between_loses_and_doubles_nothing(quiet: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    for step in ("mark_reminded", "mark_told"):
        with monkeypatch.context() as broken:
            broken.setattr(sql.digests, step, fail)
            with pytest.raises(KeyboardInterrupt):
                write(quiet)
        assert query(quiet, "SELECT COUNT(*) FROM tiering.told_follow_up") == [(0,)]
    assert write(quiet).mails == 4
    names = query(quiet, "SELECT message_id FROM tiering.email_outbox ORDER BY 1")
    query(quiet, "DELETE FROM tiering.told_follow_up")
    assert write(quiet).mails == 4
    assert query(quiet, "SELECT message_id FROM tiering.email_outbox ORDER BY 1") == names, "the same mails"


def test_only_who_has_something_overdue_is_reminded(quiet: Database) -> None:
    for number in ("M2-A", "M2-B"):
        meet(quiet, number, MARCH - DAY)
    jobs.follow_up(quiet, {CLUB.id: CLUB}, MARCH)
    assert write(quiet).mails == 3
    assert set(taken(quiet)) == {"M1", "M3", ""}


def test_a_mail_with_news_tells_it_too_and_nobody_hears_it_twice_in_a_week(quiet: Database) -> None:
    query(quiet, "UPDATE tiering.run SET digest_id = NULL")
    assert write(quiet).mails == 4
    mails = taken(quiet)
    assert mails["M1"][0] == "Customer tiers 2024-03-31: 0 up, 0 down; follow-ups overdue: 2"
    assert "Movers" in mails["M1"][2]
    assert write(quiet) == NOTHING
    query(quiet, "UPDATE tiering.run SET digest_id = NULL")
    assert write(quiet, MONDAY + DAY).mails == 4
    mails = taken(quiet)
    assert mails["M1"][0] == "Customer tiers 2024-03-31: 0 up, 0 down"
    assert "Follow-ups due: 3, overdue: 2" in mails["M1"][1], "it rides along in every mail"


def test_a_manager_without_movers_is_reminded_although_others_have_news(quiet: Database) -> None:
    query(quiet, "UPDATE tiering.run SET digest_id = NULL")
    query(quiet, "DELETE FROM tiering.tier_change WHERE account_manager_id = 'M3'")
    assert write(quiet).mails == 4
    mails = taken(quiet)
    assert mails["M3"][0] == "Follow-ups 2024-03-31: 3 due, 2 overdue"
    assert "Movers" not in mails["M3"][2]
    assert "Customers with a tier" not in mails["M3"][1]
    assert mails["M1"][0].startswith("Customer tiers")


def test_the_day_is_a_weekday_of_the_business_or_none(quiet: Database) -> None:
    sunday_evening = datetime(2024, 3, 31, 20, tzinfo=UTC)
    assert write(quiet, sunday_evening, follow_ups_on=None) == NOTHING
    here = ZoneInfo("Asia/Shanghai")
    assert write(quiet, sunday_evening, timezone=here).mails == 4, "it is Monday in Shanghai"
    assert query(quiet, WEEKS) == [(date(2024, 4, 1),)]
    assert write(quiet, MONDAY + 2 * DAY, follow_ups_on=2, timezone=here).mails == 4, "Wednesdays from now on"
    assert write(quiet, MONDAY + 4 * DAY, follow_ups_on=0, timezone=here) == NOTHING, "and Mondays again"
    assert write(quiet, MONDAY + 7 * DAY, follow_ups_on=0, timezone=here).mails == 4


def test_a_day_that_was_missed_is_caught_up_on_and_what_is_overdue_later_waits(quiet: Database) -> None:
    """The list that the morning of the weekday has is that of the day before."""
    for number in ("M2-A", "M2-B"):
        meet(quiet, number, MARCH - 15 * DAY)  # due on Sunday
    jobs.follow_up(quiet, {CLUB.id: CLUB}, MARCH)
    assert query(
        quiet, "SELECT MAX(overdue_days) FROM tiering.follow_up WHERE account_manager_id = 'M2'"
    ) == [(0,)]  # fmt: skip
    query(quiet, "UPDATE tiering.follow_up SET as_of = as_of + 1, overdue_days = 1 WHERE due_on = DATE '2024-03-31'")
    assert query(quiet, "SELECT COUNT(*) FROM tiering.follow_up WHERE overdue_days = 1") == [(2,)]
    assert write(quiet, MONDAY + DAY).mails == 3
    assert set(taken(quiet)) == {"M1", "M3", ""}
    assert write(quiet, MONDAY + 7 * DAY).mails == 4


def test_the_job_takes_the_weekday_from_the_settings(quiet: Database) -> None:
    never = read_settings({"TIERING_FOLLOW_UPS_ON": "never"})
    assert jobs.write_reports(quiet, never, MONDAY)["mails"] == 0
    assert jobs.write_reports(quiet, read_settings({}), MONDAY)["mails"] == 4
    assert query(quiet, WEEKS) == [(date(2024, 4, 1),)]


def test_no_customer_is_in_a_header_of_a_reminder(quiet: Database) -> None:
    write(quiet)
    for (message,) in query(quiet, "SELECT message FROM tiering.email_outbox"):
        headers = " ".join(value for _, value in message_from_string(message).items())
        assert "Canary" not in headers
        assert not re.search(r"(M\d|N0)-[ABC]", headers)
