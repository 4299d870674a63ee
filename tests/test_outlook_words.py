"""A line near a customer in words: never a value that would not do, in both languages, in an explanation."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from test_explain import cells_of, small

from reports.explanation import explain_account
from reports.outlook_words import NearLine, line_in_words
from reports.policy_words import PolicyWords
from reports.wording import Language

FINEST = "0.000000000000000001"
BY_ON = date(2026, 2, 28)


def line(indicator: str, value: str, needed: str, step: str, **changes: Any) -> NearLine:
    """Return a line between B and A, or B and C."""
    given = {"direction": "up", "tier": "B", "to_tier": "A", "keeps": False, "by_on": BY_ON, **changes}
    return NearLine(indicator=indicator, value=Decimal(value), needed=Decimal(needed), step=Decimal(step), **given)


def said(near: NearLine, code: str = "en", tier: str | None = "B", shape: str = "rules") -> str:
    return line_in_words(near, PolicyWords(small(shape).policy, Language(code), "CNY"), tier)


DOWN = {"direction": "down", "to_tier": "C"}


@pytest.mark.parametrize(
    ("near", "tier", "en", "zh"),
    [
        (
            line("net_sales", "84000", "91300", "0.0001"), "B",
            "A · Key is won with net sales ≥ CN¥91,300 (now CN¥84,000, +8.7%), in the data by February 28, 2026",
            "销售净额 ≥ ¥91,300时可升为A · 重点客户（目前¥84,000，+8.7%），以截至2026年2月28日的数据为准",
        ),
        (
            line("net_sales", "101000", "99999.9999", "0.0001", **DOWN), "B",
            "Down to C · Small with net sales < CN¥100,000 (now CN¥101,000, −1.0%), in the data by February 28, 2026",
            "销售净额 < ¥100,000时将降为C · 小客户（目前¥101,000，−1.0%），以截至2026年2月28日的数据为准",
        ),
        (
            line("orders", "7", "10", "1", keeps=True, to_tier="A"), "A",
            "A · Key is kept with orders ≥ 10 (now 7, +3), in the data by February 28, 2026",
            "订单数 ≥ 10时可保住A · 重点客户（目前7，+3），以截至2026年2月28日的数据为准",
        ),
        (
            line("orders", "7", "10", "1"), "A",
            "The rules would find A · Key with orders ≥ 10 (now 7, +3), in the data by February 28, 2026",
            "订单数 ≥ 10时按规则评为A · 重点客户（目前7，+3），以截至2026年2月28日的数据为准",
        ),
    ],
)  # fmt: skip
def test_a_line_is_said_in_one_sentence(near: NearLine, tier: str, en: str, zh: str) -> None:
    assert (said(near, "en", tier), said(near, "zh", tier)) == (en, zh)


@pytest.mark.parametrize(
    ("near", "shown"),
    [
        (line("net_sales", "50000", "50000.0001", "0.0001"), "net sales > CN¥50,000 (now CN¥50,000)"),
        (line("net_sales", "0", "100", "0.0001"), "net sales ≥ CN¥100 (now CN¥0)"),
        (line("net_sales", "-105", "-100", "0.0001"), "net sales ≥ -CN¥100 (now -CN¥105, +4.8%)"),
        (line("net_sales", "99", "98.5", "0.0001"), "net sales ≤ CN¥98.50 (now CN¥99, −0.5%)"),
        (line("paid_share", "0.82", "0.799999999999999999", FINEST, **DOWN), "collection rate < 80.0% (now 82.0%)"),
        (line("paid_share", "0.7996", "0.8", FINEST), "collection rate ≥ 80.0% (now 79.96%)"),
        (line("sales_rank", "4", "3", "1"), "rank by net sales ≤ 3 (now 4, −1)"),
        # a third is shown moved on, so that what is shown is enough
        (line("paid_share", "0.3", "0.333333333333333334", FINEST), "collection rate ≥ 33.34% (now 30.0%)"),
        (line("paid_share", "0.7", "0.666666666666666666", FINEST, **DOWN), "collection rate ≤ 66.66% (now 70.0%)"),
    ],
)
def test_what_is_shown_is_on_the_right_side_of_the_line(near: NearLine, shown: str) -> None:
    assert f" with {shown}, in the data by" in said(near)


def test_an_explanation_has_its_lines_where_there_are_some() -> None:
    account = small("rules")
    assert "What would change the tier" not in [
        section.title for section in explain_account(account, Language("en"), "CNY").sections
    ]
    near = replace(account, outlook=(line("net_sales", "125000.5", "200000", "0.0001", tier="C"),))
    explanation = explain_account(near, Language("zh"), "CNY")
    told = {section.title: section.rows for section in explanation.sections}
    assert len(told["什么会改变等级"]) == 1
    assert any("销售净额 ≥ ¥200,000" in cell for cell in cells_of(explanation))
