"""The attached workbook: what the mail says, in typed cells, whatever the names hold."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

import reports.workbook
from reports.digest import Digest, Driver, Mover, Notice, PolicySection, QuarantineCount, TierCount
from reports.render import render_digest
from reports.text import clean_text
from reports.workbook import write_workbook
from transforms.pace import Keep

DAY = date(2026, 3, 31)
HEADINGS = {
    "en": {
        "Movers": "Policy, As of, Customer number, Name, From tier, To tier, Direction, Cause, Drivers, "
        "Value at stake (CNY)",
        "Tiers": "Policy, As of, Tier, Title, Customers, Before, Change",
        "Rows set aside": "Data, Rule, Rows",
    },
    "zh": {
        "等级变动客户": "分级办法, 截至日期, 客户编号, 客户名称, 原等级, 现等级, 变动方向, 变动原因, 变动指标, "
        "涉及金额（CNY）",
        "等级构成": "分级办法, 截至日期, 等级, 等级名称, 客户数, 上期客户数, 变化",
        "被隔离的数据行": "数据, 规则, 行数",
    },
}
HOSTILE = {
    "command": "=cmd|' /C calc'!A0",
    "link": '=HYPERLINK("http://evil.example","x")',
    "function": "@SUM(1)",
    "sum": "+1+1",
    "difference": "-2-3",
    "full width": "＝1＋1",
    "array": "{=1+1}",
    "tab": "\t=1+1",
    "line break": "\r\n=1+1",
    "address": "http://evil.example/x",
    "mail address": "mailto:x@evil.example",
    "file": "internal:Sheet2!A1",
    "number": "0012",
    "exponent": "1E5",
    "day": "2026-03-31",
    "error": "#REF!",
    "truth": "TRUE",
    "apostrophe": "'=1+1",
    "markup": "<t>&amp;</t>]]><script>",
    "escape": "_x0041__x000D_",
    "override": "ACME \u202egnp.exe\u202c",
    "control": "AC\x00ME\x07\x1b\x7f\x9b",
    "not in XML": "AC\ufffeM\uffffE\ud800",
    "emoji": "👩‍👩‍👧 Toys 🎈",
    "long": "W" * 10_000,
    "long formula": "=" + "1+" * 5_000,
    "empty": "",
    "blank": " \t\r\n",
}


def a_mover(**changes: Any) -> Mover:
    drivers = (
        Driver("collection_rate", {"en": "Collection rate", "zh": "回款率"}, "ratio", Decimal("1.04"), Decimal("0.81")),
        Driver("recency_days", {"en": "Days since", "zh": "距今"}, "days", Decimal(12), Decimal(45)),
    )
    mover = Mover("C-1", "Harbour Foods", "B", "D", "down", "measures", drivers, Decimal("1284500.25"))
    return replace(mover, **changes)


def a_digest(*movers: Mover, **changes: Any) -> Digest:
    tiers = (
        TierCount("D", 4, {"en": "Exit review", "zh": "退出评审"}, 9, 6),
        TierCount("A", 1, {"en": "Key accounts", "zh": "重点客户"}, 3400, 3402),
        TierCount("5", 2, {}, 52, None),
    )
    title = {"en": "Collection-rate classes", "zh": "回款率分级"}
    section = PolicySection("collection_classes", title, DAY, tiers, movers, {})
    digest = Digest("m1", "Wang Fang", "wang.fang@corp.example", "en", "CNY", (section,), ())
    return replace(digest, **changes)


def a_full_digest(**changes: Any) -> Digest:
    unexplained = partial(a_mover, drivers=())
    movers = (
        a_mover(),
        unexplained(customer_id="C-2", customer_name="Blue Lake", to_tier="A", direction="up", cause="override"),
        unexplained(customer_id="C-3", customer_name="Old Mill", to_tier=None, direction="left", value=None),
        unexplained(customer_id="004", customer_name="Fresh Start", from_tier=None, direction="new"),
        a_mover(customer_id="C-5", customer_name="Small Shop", value=Decimal("-7.5")),
    )
    quarantined = (QuarantineCount("sales", "currency_known", 1200), QuarantineCount("plan", "never", 0))
    return a_digest(*movers, quarantined=quarantined, **changes)


def read(digest: Digest) -> Workbook:
    return load_workbook(BytesIO(write_workbook(digest, "Customer tiers").content))


def rows(sheet: Worksheet) -> list[tuple[Any, ...]]:
    return list(sheet.iter_rows(min_row=2, values_only=True))


def parts(digest: Digest) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(BytesIO(write_workbook(digest, "x").content)) as archive:
        for name in archive.namelist():
            yield name, archive.read(name).decode("utf-8")


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_sheets_and_headings_are_in_the_language_of_the_recipient(locale: str) -> None:
    book = read(a_full_digest(locale=locale))
    assert {sheet.title: ", ".join(cell.value for cell in sheet[1]) for sheet in book} == HEADINGS[locale]
    assert book.sheetnames == list(HEADINGS[locale])


def test_movers_are_in_the_order_of_the_mail_with_their_reasons() -> None:
    source = ("Collection-rate classes", datetime(2026, 3, 31))
    drivers = "Collection rate fell from 104.0% to 81.0%; Days since rose from 12 to 45 days"
    assert rows(read(a_full_digest())["Movers"]) == [
        (*source, "C-1", "Harbour Foods", "B", "D", "Down", "The figures changed", drivers, 1284500.25),
        (*source, "C-5", "Small Shop", "B", "D", "Down", "The figures changed", drivers, -7.5),
        (*source, "C-2", "Blue Lake", "B", "A", "Up", "Set by hand (override)", None, 1284500.25),
        (*source, "004", "Fresh Start", None, "D", "New", None, None, 1284500.25),
        (*source, "C-3", "Old Mill", "B", None, "Left", None, None, None),
    ]


def test_chinese_says_direction_cause_and_drivers_in_chinese() -> None:
    found = rows(read(a_full_digest(locale="zh")).worksheets[0])
    assert [row[6] for row in found] == ["降级", "降级", "升级", "新增", "退出"]
    assert [row[7] for row in found] == ["指标变化", "指标变化", "人工指定", None, None]
    assert found[0][8] == "回款率由 104.0% 降至 81.0%；距今由 12 升至 45 天"
    assert found[0][0] == "回款率分级"


def test_tiers_are_best_first_with_what_they_had_before() -> None:
    source = ("Collection-rate classes", datetime(2026, 3, 31))
    assert rows(read(a_full_digest())["Tiers"]) == [
        (*source, "A", "Key accounts", 3400, 3402, -2),
        (*source, "5", "5", 52, None, None),
        (*source, "D", "Exit review", 9, 6, 3),
    ]


def test_rules_that_refused_rows_are_listed_and_without_any_there_is_no_such_sheet() -> None:
    assert rows(read(a_full_digest())["Rows set aside"]) == [("Sales", "currency_known", 1200)]
    assert read(a_digest(a_mover())).sheetnames == ["Movers", "Tiers"]


@pytest.mark.parametrize(
    ("locale", "name", "headings", "words"),
    [
        (
            "en",
            "Will go down",
            "Policy, Customer number, Name, Tier, To tier, On, Found lower since, What keeps the tier",
            "Grace: ends on April 15, 2026; Steps: at most 1 down in one move",
        ),
        (
            "zh",
            "即将降级的客户",
            "分级办法, 客户编号, 客户名称, 等级, 现等级, 日期, 评低起始日, 为何维持等级",
            "宽限期：至2026年4月15日止；降级幅度：每次最多降1级",
        ),
    ],
)
def test_who_will_go_down_is_listed_with_the_day_and_what_keeps_the_tier(
    locale: str, name: str, headings: str, words: str
) -> None:
    kept = (Keep("grace", until=date(2026, 4, 15)), Keep("steps", count=1))
    title = {"en": "Classes", "zh": "分级"}
    first = Notice("classes", title, "009", "=Grey", "A", "B", date(2026, 4, 30), date(2026, 2, 28), kept)
    last = replace(first, customer_id="001", falls_on=date(2026, 5, 31), found_since=None, kept_by=())
    sheet = read(a_digest(locale=locale, notices=(last, first)))[name]
    assert ", ".join(cell.value for cell in sheet[1]) == headings
    days = datetime(2026, 4, 30), datetime(2026, 2, 28)
    assert rows(sheet) == [
        (title[locale], "009", "=Grey", "A", "B", *days, words),
        (title[locale], "001", "=Grey", "A", "B", datetime(2026, 5, 31), None, None),
    ]


def test_every_cell_has_the_type_and_the_format_of_its_column() -> None:
    book = read(a_full_digest())
    movers, tiers = [[(cell.data_type, cell.number_format) for cell in book[name][2]] for name in ("Movers", "Tiers")]
    text, day, count = ("s", "@"), ("d", "yyyy-mm-dd"), ("n", "#,##0")
    assert movers == [text, day, text, text, text, text, text, text, ("s", "General"), ("n", "#,##0.00")]
    assert tiers == [text, day, text, text, count, count, ("n", "+#,##0;−#,##0;0")]
    assert book["Movers"]["I2"].alignment.wrap_text
    assert book["Movers"]["I2"].quotePrefix  # an edited sentence stays a sentence


def test_headings_stay_in_sight_and_every_column_has_a_filter_and_a_width() -> None:
    book = read(a_full_digest())
    assert [sheet.freeze_panes for sheet in book] == ["A2"] * 3
    assert [sheet.auto_filter.ref for sheet in book] == ["A1:J6", "A1:G4", "A1:C2"]
    for sheet in book:
        assert sheet.print_title_rows == "$1:$1"
        assert all(cell.font.bold for cell in sheet[1])
        assert all(10 <= sheet.column_dimensions[cell.column_letter].width <= 70 for cell in sheet[1])


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_the_workbook_names_the_movers_of_the_text_twin_and_says_the_same_of_them(locale: str) -> None:
    digest = a_full_digest(locale=locale)
    rendered = render_digest(digest)
    assert rendered.workbook is not None
    found = rows(load_workbook(BytesIO(rendered.workbook.content)).worksheets[0])
    shown = re.findall(r"^\* (.+) \((.+)\) \|", rendered.text, re.MULTILINE)
    assert [(row[3], row[2]) for row in found] == shown
    for row in found:
        for driver in (row[8] or "").split({"en": "; ", "zh": "；"}[locale]):
            assert driver in rendered.text


def test_movers_that_the_mail_only_counts_are_in_the_workbook() -> None:
    movers = [a_mover(customer_id=f"C-{n:03}", value=Decimal(n)) for n in range(57)]
    rendered = render_digest(a_digest(*movers))
    assert "Not listed here: 7 more, see the attached workbook" in rendered.text
    assert rendered.workbook is not None
    found = rows(load_workbook(BytesIO(rendered.workbook.content))["Movers"])
    assert [row[2] for row in found] == [f"C-{n:03}" for n in reversed(range(57))]


def test_of_too_many_movers_those_with_the_most_money_are_listed_and_the_rest_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reports.workbook, "MAX_ROWS", 4)
    movers = [
        a_mover(customer_id=f"C-{n}", value=Decimal(n), direction=direction)
        for n, direction in enumerate(["up", "down", "new", "up", "down", "left", "up"])
    ]
    sheet = read(a_digest(*movers))["Movers"]
    assert [cell.value for cell in sheet["C"][1:]] == ["C-4", "C-6", "C-3", "C-5", None, None]
    assert sheet["A7"].value == "Not listed here: 3 more"
    assert sheet.auto_filter.ref == "A1:J5"


def test_no_workbook_outgrows_a_sheet() -> None:
    assert reports.workbook.MAX_ROWS + 3 < 1_048_576


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_text_wherever_it_stands(name: str) -> None:
    driver = Driver(name, {"en": name}, "text", name, name + "!")
    mover = a_mover(customer_id=name, customer_name=name, from_tier=name, to_tier=name, drivers=(driver,))
    digest = a_digest(mover, quarantined=(QuarantineCount(name, name, 1),), currency=name)
    section = replace(digest.sections[0], title={"en": name}, tiers=(TierCount(name, 1, {"en": name}, 1, 1),))
    digest = replace(digest, sections=(section,))
    book = read(digest)
    for sheet in book:
        assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d"}
        assert not any(cell.hyperlink for row in sheet.iter_rows() for cell in row)
    for part, content in parts(digest):
        assert "<f>" not in content
        assert "<hyperlink" not in content
        assert "evil" not in content or part == "xl/sharedStrings.xml"
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]", content)
    shown = clean_text(name).translate(dict.fromkeys((0xFFFE, 0xFFFF)))
    assert book["Movers"]["D2"].value == (shown or None)
    assert len(shown) <= 80


def test_what_looks_like_a_formula_is_shown_as_it_is() -> None:
    names = ["=cmd|' /C calc'!A0", "@SUM(1)", "+1+1", "-2-3", "＝1＋1", "_x0041_", "0012", "TRUE"]
    movers = [a_mover(customer_id=f"C-{n}", customer_name=name) for n, name in enumerate(names)]
    sheet = read(a_digest(*movers))["Movers"]
    assert [cell.value for cell in sheet["D"][1:]] == names
    assert {(cell.data_type, cell.number_format) for cell in sheet["D"][1:]} == {("s", "@")}


@settings(max_examples=60, deadline=None)
@given(name=st.text(st.characters(), max_size=60) | st.text("=+-@\t\r\n'\"_x0D<>&{}|!", max_size=30))
def test_any_name_reads_back_as_the_mail_shows_it(name: str) -> None:
    sheet = read(a_digest(a_mover(customer_name=name, customer_id="")))["Movers"]
    assert sheet["D2"].data_type in {"s", "n"}  # an empty cell counts as a number
    assert (sheet["D2"].value or "") == clean_text(name).translate(dict.fromkeys((0xFFFE, 0xFFFF)))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (Decimal("0.1"), 0.1),
        (Decimal("-12345678901.23"), -12345678901.23),
        (Decimal(0), 0),
        (None, None),
        (Decimal("NaN"), None),
        (Decimal("Infinity"), None),
        (Decimal("1e400"), "1E+400"),
    ],
)
def test_money_is_a_number_and_no_value_is_an_empty_cell(value: Decimal | None, cell: object) -> None:
    assert read(a_digest(a_mover(value=value)))["Movers"]["J2"].value == cell


def test_many_drivers_are_cut_to_what_a_cell_holds() -> None:
    drivers = tuple(Driver(f"x{n}", {"en": f"{n}" * 80}, "count", Decimal(1), Decimal(2)) for n in range(900))
    assert len(read(a_digest(a_mover(drivers=drivers)))["Movers"]["I2"].value) == 32_767


def test_the_same_digest_gives_the_same_bytes_in_any_order_of_movers_and_tiers() -> None:
    first = write_workbook(a_full_digest(), "x")
    section = a_full_digest().sections[0]
    turned = replace(section, movers=section.movers[::-1], tiers=section.tiers[::-1])
    assert write_workbook(a_full_digest(), "x") == first
    assert write_workbook(replace(a_full_digest(), sections=(turned,)), "x") == first
    with zipfile.ZipFile(BytesIO(first.content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_file_is_named_and_dated_by_the_latest_day() -> None:
    section = a_full_digest().sections[0]
    later = replace(section, as_of=date(2026, 4, 30))
    file = write_workbook(a_digest(sections=(later, section)), "Customer tiers 2026-04-30")
    properties = load_workbook(BytesIO(file.content)).properties
    assert file.name == "customer-tiers-2026-04-30.xlsx"
    assert properties.title == "Customer tiers 2026-04-30"
    assert properties.created == properties.modified == datetime(2026, 4, 30)


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_a_digest_without_sections_has_headings_only(locale: str) -> None:
    file = write_workbook(a_digest(sections=(), locale=locale), "x")
    book = load_workbook(BytesIO(file.content))
    assert file.name == "customer-tiers.xlsx"
    assert book.sheetnames == list(HEADINGS[locale])[:2]
    assert [sheet.max_row for sheet in book] == [1, 1]
    assert book.properties.created == datetime(2000, 1, 1)
    assert [rows(sheet) for sheet in read(a_digest())] == [[], rows(read(a_full_digest())["Tiers"])]


def test_a_workbook_holds_nothing_of_another_manager() -> None:
    other = a_digest(a_mover(customer_id="CANARY-1", customer_name="Canary Ltd"), manager_name="Canary Manager")
    write_workbook(other, "x")
    content = "".join(text for _, text in parts(a_full_digest()))
    assert "canary" not in content.casefold()
    assert "Wang Fang" not in content
    assert "wang.fang" not in content
