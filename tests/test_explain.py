"""An explanation: every policy and shape in both languages, true to what is kept, for the day that was asked for."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import StringIO
from typing import Any

import pandas as pd
import pytest
from companies import (
    ENGINES,
    Warehouses,
    contents,
    demo_policies,
    publish,
    published,
    query,
    warehouses,
)
from rich.cells import cell_len
from rich.console import Console

from reports.explanation import (
    Account,
    Component,
    Decision,
    Explanation,
    Move,
    Override,
    Spell,
    explain_account,
)
from reports.policy_words import PolicyWords
from reports.text import clean_text
from reports.wording import Language, read_catalogue
from sql.connect import Database
from sql.errors import TieringError
from sql.explain import read_accounts
from tests.indicator_frames import CASES, POLICIES, SHIPPED, indicator_frame, pool_of
from tiering.cli import main
from tiering.explain import print_explanation
from transforms.conditions import Condition
from transforms.decide import decide_tiers
from transforms.policy import Policy, parse_policy
from transforms.shapes import Decide

DAY, SINCE = date(2026, 1, 31), date(2025, 12, 31)


def plain(value: Any) -> Any:
    """Return None for what pandas calls missing."""
    return None if value is None or value is pd.NA or value != value else value


def accounts_of(policy: Policy, rows: list[dict[str, Any]]) -> list[Account]:
    """Decide rows and return each as it would be kept: the tier stands since the month before."""
    decided = decide_tiers(policy, indicator_frame(policy, rows))
    parts: dict[str, list[Component]] = {}
    for row in decided.components.astype(object).itertuples():
        component = Component(row.indicator, plain(row.value), plain(row.value_text), plain(row.evidence_on))
        parts.setdefault(row.customer_id, []).append(component)
    accounts = []
    for row in decided.decisions.astype(object).itertuples():
        decision = Decision(plain(row.computed_tier), plain(row.status), plain(row.score), plain(row.reason))
        spell = Spell(decision.tier, decision.tier, decision.status, decision.reason, SINCE)
        accounts.append(
            Account(
                policy=policy,
                customer_id=row.customer_id,
                name="Harbour Foods",
                asked_on=DAY,
                as_of=DAY,
                revision=1,
                decision=decision,
                spell=None if policy.publishes == "class" else spell,
                components=tuple(parts[row.customer_id]),
                move=None,
            )
        )
    return accounts


def cells_of(explanation: Explanation) -> list[str]:
    return [cell for section in explanation.sections for row in section.rows for cell in row.cells]


def printed(account: Account, language: str) -> str:
    """Return what the command prints, in 100 columns and without colours."""
    file = StringIO()
    console = Console(file=file, width=120, highlight=False)
    print_explanation(console, explain_account(account, Language(language), "CNY"))
    return file.getvalue()


# ---- every shipped policy


def telling_rows(policy: Policy) -> list[dict[str, Any]]:
    """Return a row for each tier and gate, and some that are drawn."""
    rows = [{**case["given"]} for case in CASES.get(policy.id, [])] + pool_of(policy)
    decisions = decide_tiers(policy, indicator_frame(policy, rows)).decisions.astype(object)
    states = decisions["computed_tier"].where(decisions["computed_tier"].notna(), decisions["reason"])
    firsts = dict(zip(reversed(list(states)), reversed(rows), strict=True))
    return [*firsts.values(), *pool_of(policy)[:3]]


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_every_policy_is_told_in_both_languages_with_titles_for_names(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    fragments = {
        part.strip()
        for message in read_catalogue("zh")
        for part in re.split(r"\{\w+\}", message)
        if len(re.findall(r"[A-Za-z]{2,}", part)) > 1
    }
    for account in accounts_of(policy, telling_rows(policy)):
        told = {code: explain_account(account, Language(code), "CNY") for code in ("en", "zh")}
        assert told["en"] != told["zh"]
        said_by_data = {each.value_text for each in account.components}
        for code, explanation in told.items():
            language, cells = Language(code), cells_of(explanation)
            text = "\n".join([explanation.account, explanation.policy, *cells])
            for name in policy.used:
                assert language.title(policy.title_of(name), name) in cells
            names = set(re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", text)) - said_by_data
            assert names & {*policy.indicators, *policy.tiers, *policy.gate, *policy.follow_up.tasks} == set()
            tier = account.decision.tier if account.decision else None
            if tier is not None:
                assert any(language.title(dict(policy.tier_titles.get(tier, {})), tier) in cell for cell in cells)
        chinese = "\n".join(cells_of(told["zh"]))
        for service in policy.service.values():  # who looks after a tier is said in the policy's own words
            chinese = chinese.replace((service.owner or "\0").replace("_", " "), "")
        assert [part for part in fragments if part in chinese] == []


# ---- the eleven shapes, word for word

SMALL = """
id: small
title: {en: Small policy, zh: 小办法}
ref: none
grain: customer
schedule: "0 6 2 * *"
as_of: previous_month_end
tiers: [A, B, C]
tier_titles: {A: {en: Key, zh: 重点客户}, B: {en: Regular, zh: 一般客户}, C: {en: Small, zh: 小客户}}
indicators:
  net_sales:   {measure: net_sales, window: 12 months, unit: money, title: {en: net sales, zh: 销售净额}}
  paid_share:
    {measure: collection_rate, window: 12 months, basis: net, unit: ratio, title: {en: collection rate, zh: 回款率}}
  orders:      {measure: order_count, window: 12 months, unit: count, title: {en: orders, zh: 订单数}}
  is_exporter: {assessment: exporter, unit: flag, title: {en: exporter, zh: 出口企业}}
  judgement:   {assessment: judgement, unit: text, title: {en: judgement, zh: 评语}}
  sales_rank:  {rank: net_sales, unit: rank, title: {en: rank by net sales, zh: 销售额排名}}
  customers:   {count: graded, unit: count, title: {en: customers, zh: 客户数}}
gate:
  has_sales: {when: net_sales > 0, title: {en: Has bought, zh: 有采购}}
@decide@
actions: {A: {en: Visit, zh: 拜访}, B: {en: Call, zh: 电话联系}, C: {en: Write, zh: 邮件联系}}
"""

ROW: dict[str, Any] = {
    "net_sales": Decimal("125000.50"),
    "paid_share": Decimal("0.7996"),
    "orders": 7,
    "is_exporter": True,
    "judgement": "sound",
    "sales_rank": 3,
    "customers": 120,
}

DECIDE = {
    "bands": """
decide:
  bands: {of: net_sales, tiers: [{tier: A, at_least: 500000}, {tier: B, at_least: 100000}, {tier: C}]}
""",
    "scorecard": """
decide:
  scorecard:
    points:
      net_sales: {scale: [{at_least: 100000, points: 40}, {points: 5}]}
      orders: {as_is: true, weight: 2.5}
      judgement: {scale: [{in: [sound, good], points: 10}, {points: 0}]}
    round: 0
    tiers: [{tier: A, at_least: 80}, {tier: B, at_least: 50}, {tier: C}]
""",
    "matrix": """
decide:
  matrix:
    rows: {of: net_sales, levels: [{at_least: 100000, level: large}, {level: small}]}
    columns: {of: judgement, levels: [{is: sound, level: sound}, {in: [doubtful, bad], level: weak}]}
    cells: {large: [9, 5], small: [4, 1]}
    tiers: [{tier: A, at_least: 7}, {tier: B, at_least: 4}, {tier: C}]
""",
    "top_share": """
decide:
  top_share:
    {rank: sales_rank, of: customers, shares: [{tier: A, percent: 1}, {tier: B, percent: 4}, {tier: C, percent: 95}]}
""",
    "top_n": """
decide:
  top_n: {rank: sales_rank, tiers: [{tier: A, first: 1}, {tier: B, first: 20}, {tier: C}]}
""",
    "ratio": """
decide:
  ratio: {of: paid_share, red_line: 0.8, below: C, tiers: [{tier: A, at_least: 1}, {tier: B}]}
""",
    "lowest": """
decide:
  lowest:
    of:
      net_sales: [{tier: A, at_least: 100000}, {tier: B, at_least: 1000}, {tier: C}]
      orders: [{tier: A, at_least: 10}, {tier: B, at_least: 5}, {tier: C}]
    auxiliary:
      judgement: [{tier: A, is: sound}, {tier: C}]
""",
    "rules": """
decide:
  rules:
    - tier: A
      when: >-
        net_sales between 100000 and 200000 and not (orders < 5 or judgement in ('bad', 'doubtful'))
        and paid_share is not missing and paid_share >= 0.8
      because: {en: Buys much and pays, zh: 采购多且按时付款}
    - {tier: B, when: is_exporter and judgement <> 'bad' and (paid_share is missing or paid_share > 0.5)}
    - {tier: C}
""",
    "quadrant": """
decide:
  quadrant:
    x: {of: net_sales, at_least: 100000}
    y: {of: orders, above: 7}
    tiers: {high_high: A, high_low: B, low_high: B, low_low: C}
""",
    "composite": """
decide:
  composite:
    digits:
      - of: orders
        scale: [{at_most: 1, digit: 1}, {at_most: 5, digit: 2}, {digit: 3}]
      - of: net_sales
        scale: [{at_least: 500000, digit: 3}, {at_least: 100000, digit: 2}, {digit: 1}]
    segments:
      - {tier: A, codes: ["33"]}
      - {tier: B, digits: {orders: {from: 2, to: 3}, net_sales: {from: 2, to: 2}}}
      - {tier: C}
""",
    "assessed": """
decide:
  assessed: {of: judgement, tiers: [{tier: A, is: good}, {tier: B, is: sound}, {tier: C, in: [doubtful, bad]}]}
""",
}


def small(shape: str, **changes: Any) -> Account:
    """Return the account of a small policy with one shape, over ROW."""
    policy = parse_policy(SMALL.replace("@decide@", DECIDE[shape]), "small.yaml")
    (account,) = accounts_of(policy, [{**ROW, **changes}])
    return account


TOLD = {
    ("bands", "en", "B"): """\
What was measured
  net sales  CN¥125,000

How the rules led there
  ✓  Has bought  net sales > CN¥0
  net sales: CN¥125,000
     A · Key      ≥ CN¥500,000
  ✓  B · Regular  ≥ CN¥100,000 and < CN¥500,000
     C · Small    < CN¥100,000
  Tier by the rules: B · Regular
""",
    ("scorecard", "en", "B"): """\
What was measured
  Figure     Value       Range         Points  Weight  Weighted
  net sales  CN¥125,000  ≥ CN¥100,000      40       1        40
  orders     7                              7     2.5      17.5
  judgement  sound                         10       1        10

How the rules led there
  ✓  Has bought  net sales > CN¥0
  Sum of the points: 67.5
  Rounded: 68
     A · Key      ≥ 80
  ✓  B · Regular  ≥ 50 and < 80
     C · Small    < 50
  Tier by the rules: B · Regular
""",
    ("matrix", "en", "A"): """\
What was measured
  Figure     Value       Range         Level
  net sales  CN¥125,000  ≥ CN¥100,000  large
  judgement  sound                     sound

How the rules led there
  ✓  Has bought  net sales > CN¥0
  Down: net sales; across: judgement
         sound  weak
  large  ✓ 9       5
  small  4         1
  Score: 9
  ✓  A · Key      ≥ 7
     B · Regular  ≥ 4 and < 7
     C · Small    < 4
  Tier by the rules: A · Key
""",
    ("top_share", "en", "B"): """\
What was measured
  net sales          CN¥125,000
  rank by net sales  3
  customers          120

How the rules led there
  ✓  Has bought  net sales > CN¥0
  Position 3 of 120
     A · Key      1.0%   position 1
  ✓  B · Regular  4.0%   positions 2 to 6
     C · Small    95.0%  positions 7 to 120
  Tier by the rules: B · Regular
""",
    ("top_n", "en", "B"): """\
What was measured
  net sales          CN¥125,000
  rank by net sales  3

How the rules led there
  ✓  Has bought  net sales > CN¥0
  Position 3
     A · Key      position 1
  ✓  B · Regular  positions 2 to 20
     C · Small    everybody else
  Tier by the rules: B · Regular
""",
    ("ratio", "en", "C"): """\
What was measured
  net sales        CN¥125,000
  collection rate  79.96%

How the rules led there
  ✓  Has bought  net sales > CN¥0
  collection rate: 79.96%
  ✓  C · Small    below the red line of 80.0%
     A · Key      ≥ 100.0%
     B · Regular  ≥ 80.0% and < 100.0%
  Tier by the rules: C · Small
""",
    ("lowest", "en", "B"): """\
What was measured
  Figure     Value       Range         Tier
  net sales  CN¥125,000  ≥ CN¥100,000  A
  orders     7           ≥ 5 and < 10  B
  judgement  sound                     A

How the rules led there
  ✓  Has bought  net sales > CN¥0
  The worst of these counts:
  ✓  B · Regular  orders
     A · Key      net sales
     A · Key      judgement  shown only; does not count
  Tier by the rules: B · Regular
""",
    ("rules", "en", "B"): """\
What was measured
  net sales        CN¥125,000
  collection rate  79.96%
  orders           7
  exporter         yes
  judgement        sound

How the rules led there
  ✓  Has bought  net sales > CN¥0
  The first rule that holds counts:
  ✗  A · Key      Buys much and pays: net sales from CN¥100,000 to CN¥200,000 and not (orders < 5 or
                  judgement is one of bad, doubtful) and collection rate is known and collection
                  rate ≥ 80.0%
  ✓  B · Regular  exporter and judgement is not bad and (collection rate has no value or collection
                  rate > 50.0%)
  Tier by the rules: B · Regular
""",
    ("quadrant", "en", "B"): """\
What was measured
  Figure     Value       Range         Level
  net sales  CN¥125,000  ≥ CN¥100,000  high
  orders     7           ≤ 7           low

How the rules led there
  ✓  Has bought  net sales > CN¥0
  Down: net sales; across: orders
        high         low
  high  A · Key      ✓ B · Regular
  low   B · Regular  C · Small
  Tier by the rules: B · Regular
""",
    ("composite", "en", "B"): """\
What was measured
  Figure     Value       Range                          Digit
  net sales  CN¥125,000  ≥ CN¥100,000 and < CN¥500,000      2
  orders     7           > 5                                3

How the rules led there
  ✓  Has bought  net sales > CN¥0
  Code: 32
  ✗  A · Key      33
  ✓  B · Regular  digit of orders from 2 to 3 and digit of net sales = 2
  Tier by the rules: B · Regular
""",
    ("assessed", "en", "B"): """\
What was measured
  net sales  CN¥125,000
  judgement  sound

How the rules led there
  ✓  Has bought  net sales > CN¥0
  judgement: sound
     A · Key      good
  ✓  B · Regular  sound
     C · Small    doubtful, bad
  Tier by the rules: B · Regular
""",
    ("rules", "zh", "B"): """\
依据的数据
  销售净额  ¥125,000
  回款率    79.96%
  订单数    7
  出口企业  是
  评语      sound

定级过程
  ✓  有采购  销售净额 > ¥0
  以第一条符合的规则为准：
  ✗  A · 重点客户  采购多且按时付款：销售净额介于 ¥100,000 至 ¥200,000 且 非（订单数 < 5 或
                   评语为bad、doubtful之一） 且 回款率有数值 且 回款率 ≥ 80.0%
  ✓  B · 一般客户  出口企业 且 评语不为“bad” 且 （回款率没有数值 或 回款率 > 50.0%）
  按规则得出的等级：B · 一般客户
""",
    ("scorecard", "zh", "B"): """\
依据的数据
  指标      数值      区间        得分  权重  加权得分
  销售净额  ¥125,000  ≥ ¥100,000    40     1        40
  订单数    7                        7   2.5      17.5
  评语      sound                   10     1        10

定级过程
  ✓  有采购  销售净额 > ¥0
  得分合计：67.5
  四舍五入后：68
     A · 重点客户  ≥ 80
  ✓  B · 一般客户  ≥ 50 且 < 80
     C · 小客户    < 50
  按规则得出的等级：B · 一般客户
""",
    ("lowest", "zh", "B"): """\
依据的数据
  指标      数值      区间         等级
  销售净额  ¥125,000  ≥ ¥100,000   A
  订单数    7         ≥ 5 且 < 10  B
  评语      sound                  A

定级过程
  ✓  有采购  销售净额 > ¥0
  以其中最低的一项为准：
  ✓  B · 一般客户  订单数
     A · 重点客户  销售净额
     A · 重点客户  评语      仅供参考，不计入
  按规则得出的等级：B · 一般客户
""",
}

AROUND = {
    "en": """\
Customer c0000 · Harbour Foods
Small policy · As of January 31, 2026

In force
  Tier    {tier}
  Since   December 31, 2025
  Status  final

{told}
What happened on January 31, 2026
  No change

What follows
  Action       {action}
  Next review  February 28, 2026

""",
    "zh": """\
客户 c0000 · Harbour Foods
小办法 · 截至 2026年1月31日

现行结果
  等级      {tier}
  起始日期  2025年12月31日
  状态      正式

{told}
2026年1月31日的变动
  没有变动

后续安排
  措施      {action}
  下次评定  2026年2月28日

""",
}


@pytest.mark.parametrize(("shape", "code", "tier"), TOLD)
def test_a_shape_is_told_word_for_word(shape: str, code: str, tier: str) -> None:
    account = small(shape)
    titles = {name: texts[code] for name, texts in account.policy.tier_titles.items()}  # type: ignore[index]
    label, action = f"{tier} · {titles[tier]}", account.policy.actions[tier][code]  # type: ignore[index]
    expected = AROUND[code].format(tier=label, action=action, told=TOLD[shape, code, tier])
    assert printed(account, code) == expected


def test_every_shape_there_is_has_its_text() -> None:
    assert {shape for shape, code, _ in TOLD if code == "en"} == set(Decide.model_fields)


def test_chinese_columns_are_aligned_by_width_not_by_characters() -> None:
    lines = [line for line in printed(small("lowest"), "zh").splitlines() if line.endswith((" A", " B"))]
    assert len(lines) == 3
    assert len({cell_len(line) for line in lines}) == 1
    assert len({len(line) for line in lines}) > 1


def test_nothing_is_wider_than_100_columns_whatever_the_terminal() -> None:
    for policy_id in SHIPPED[::6]:
        for account in accounts_of(POLICIES[policy_id], pool_of(POLICIES[policy_id])[:1]):
            assert max(map(cell_len, printed(account, "zh").splitlines())) <= 100


# ---- what a value looks like


@pytest.mark.parametrize(
    ("rate", "shown", "tier"),
    [
        ("0.8", "80.0%", "A"),
        ("0.800000000000000001", "0.800000000000000001", "A"),
        ("0.79999", "79.999%", "C"),
        ("0.799999999999999999", "0.799999999999999999", "C"),
        ("0.777", "77.7%", "C"),
    ],
)
def test_a_value_beside_a_bound_is_never_shown_as_the_bound(rate: str, shown: str, tier: str) -> None:
    policy = parse_policy(
        SMALL.replace("@decide@", "decide: {bands: {of: paid_share, tiers: [{tier: A, at_least: 0.8}, {tier: C}]}}")
        .replace("tiers: [A, B, C]", "tiers: [A, C]")
        .replace("B: {en: Regular, zh: 一般客户}, ", "")
        .replace("B: {en: Call, zh: 电话联系}, ", ""),
        "small.yaml",
    )
    (account,) = accounts_of(policy, [{**ROW, "paid_share": Decimal(rate)}])
    explanation = explain_account(account, Language("en"), "CNY")
    assert account.decision is not None
    assert account.decision.tier == tier
    assert f"collection rate: {shown}" in cells_of(explanation)
    assert "≥ 80.0%" in cells_of(explanation)


def test_a_bound_is_shown_with_all_its_digits() -> None:
    account = small("ratio")
    account = replace(account, policy=parse_policy(account.policy.text.replace("0.8,", "0.79995,"), "small.yaml"))
    assert "below the red line of 79.995%" in cells_of(explain_account(account, Language("en"), "CNY"))


MISSING = """
missing:
  orders: {as: 0, status: final}
  judgement: {tier: C, status: provisional}
provisional: not is_exporter and paid_share is missing
"""


def with_missing(**changes: Any) -> list[str]:
    policy = parse_policy(SMALL.replace("@decide@", DECIDE["scorecard"] + MISSING), "small.yaml")
    row = {name: value for name, value in {**ROW, **changes}.items() if value is not None}
    (account,) = accounts_of(policy, [row])
    return cells_of(explain_account(account, Language("en"), "CNY"))


def test_what_counted_for_a_missing_value_is_said_beside_it() -> None:
    cells = with_missing(orders=None)
    assert "no value (counted as 0)" in cells
    assert "final" in cells
    cells = with_missing(judgement=None)
    assert "no value (gives C · Small)" in cells
    assert "judgement has no value; the policy says what that gives." in cells
    assert "provisional: judgement has no value" in cells
    assert not any(cell.startswith("Sum of the points") for cell in cells)


def test_the_policys_own_condition_for_provisional_is_said() -> None:
    assert "provisional: not exporter and collection rate has no value" in with_missing(
        paid_share=None, is_exporter=False
    )
    assert "final" in with_missing(paid_share=None)


def test_a_day_of_evidence_stands_beside_what_people_judged() -> None:
    account = small("assessed")
    judged = [
        replace(each, evidence_on=date(2025, 3, 1)) if each.indicator == "judgement" else each
        for each in account.components
    ]
    told = explain_account(replace(account, components=tuple(judged)), Language("en"), "CNY")
    assert "sound (assessed on March 1, 2025)" in cells_of(told)


def test_a_value_from_a_source_stays_text() -> None:
    text = printed(replace(small("rules", judgement="[red]x[/]\x1b[31m{y}"), name="[bold]A[/] {0}\n\x07"), "en")
    assert "· [bold]A[/] {0}\n" in text
    assert "[red]x[/] [31m{y}" in text
    assert "\x1b" not in text


# ---- what stands, what happened, what follows


def test_a_tier_that_people_set_is_told_beside_the_one_by_the_rules() -> None:
    account = small("rules")
    spell = Spell("A", "B", "overridden", None, SINCE)
    override = Override("Regional flagship", "Zhao Min", date(2026, 7, 1))
    rows = explain_account(replace(account, spell=spell, override=override), Language("en"), "CNY").sections[0].rows
    assert [row.cells for row in rows] == [
        ("Tier", "A · Key"),
        ("Since", "December 31, 2025"),
        ("By the rules alone", "B · Regular"),
        ("Status", "set by hand"),
        ("Reason", "Regional flagship"),
        ("Approved by", "Zhao Min"),
        ("Last day", "June 30, 2026"),
    ]


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("left", "No tier: no longer among the customers that this policy looks at."),
        ("not_in_population", "No tier: not among the customers that this policy looks at."),
        ("erased", "No tier: the data were erased on request."),
    ],
)
def test_who_left_is_told_so_with_what_the_last_move_was(reason: str, said: str) -> None:
    out: dict[str, str | None] = {"indicator": "population", "before": "in", "after": "out"}
    account = replace(
        small("rules"),
        decision=None,
        components=(),
        spell=Spell(None, None, None, reason, DAY),
        move=Move("B", None, "left", "measures", (out,)),
    )
    assert cells_of(explain_account(account, Language("en"), "CNY")) == [
        said,
        "Since January 31, 2026",
        "Left: B · Regular",
        "No longer among the customers that this policy looks at",
        "Next review",
        "February 28, 2026",
    ]


def test_who_does_not_pass_a_gate_is_told_which_with_its_condition_and_the_value() -> None:
    explanation = explain_account(small("rules", net_sales=Decimal(0)), Language("en"), "CNY")
    told = {section.title: section.rows for section in explanation.sections}
    assert [row.cells for row in told["In force"]] == [
        ("No tier: a condition for being graded is not met.",),
        ("Not met: Has bought",),
        ("Since December 31, 2025",),
    ]
    assert ("net sales", "CN¥0") in [row.cells for row in told["What was measured"]]
    assert [(row.mark, row.cells) for row in told["How the rules led there"]] == [
        ("failed", ("Has bought", "net sales > CN¥0"))
    ]
    assert "Action" not in cells_of(explanation)


def test_who_was_not_looked_at_yet_is_told_since_when_there_is_a_history() -> None:
    account = replace(small("rules"), decision=None, components=(), spell=None, first_on=date(2026, 3, 31))
    said = "Not looked at yet on this day; the history begins on March 31, 2026."
    assert cells_of(explain_account(account, Language("en"), "CNY")) == [said]


def test_a_move_is_told_with_its_cause_and_drivers() -> None:
    drivers: tuple[dict[str, str | None], ...] = (
        {"indicator": "paid_share", "before": "1.04", "after": "0.77"},
        {"indicator": "is_exporter", "before": "false", "after": "true"},
        {"indicator": "no_longer_there", "before": "1", "after": "2"},
    )
    account = replace(small("rules"), move=Move("A", "B", "down", "policy", drivers))
    told = {section.title: section.rows for section in explain_account(account, Language("en"), "CNY").sections}
    assert [row.cells for row in told["What happened on January 31, 2026"]] == [
        ("Down: A · Key → B · Regular",),
        ("The policy changed",),
        ("collection rate fell from 104.0% to 77.0%",),
        ("exporter changed from no to yes",),
        ("no_longer_there",),
    ]


FOLLOWS = """
class:
  of: judgement
  classes:
    sound: {title: {en: Sound judgement, zh: 稳健}, actions: {en: Keep, zh: 保持}}
service:
  B: {owner: account_manager, coverage: shared, span: 80, channels: [visit, fax_line], queue_priority: 2,
      answered: {seconds: 20, share: 0.9}, replied: {days: 1, share: 0.95}}
terms:
  B: {payment: open_account, days: 30, grace_days: 1, delivery_days: 2, discount_rate: 0.05, credit_limit: 50000}
follow_up:
  every_days: {B: 30}
  tasks:
    call:  {tiers: [B], when: orders > 5, within_days: 14, title: {en: Call about orders, zh: 电话确认订单}}
    other: {tiers: [A], within_days: 1, title: {en: Not for this tier, zh: 不适用}}
    never: {when: orders > 500, within_days: 1, title: {en: Not for these orders, zh: 不适用}}
"""


@pytest.mark.parametrize(
    ("code", "rows"),
    [
        (
            "en",
            [
                ("Action", "Call"),
                ("Class", "Sound judgement"),
                ("Action for the class", "Keep"),
                (
                    "Terms",
                    "on account; payable within 30 days; 1 day of grace; delivery within 2 days; discount 5.0%; "
                    "credit limit CN¥50,000",
                ),
                (
                    "Service",
                    "account manager; shared with other customers; at most 80 customers each; visit, fax line; "
                    "priority 2 in the queue; 90.0% answered within 20 seconds; 95.0% settled within 1 day",
                ),
                ("Contact", "every 30 days"),
                ("To do", "Call about orders (by February 14, 2026)"),
                ("Next review", "February 28, 2026"),
            ],
        ),
        (
            "zh",
            [
                ("措施", "电话联系"),
                ("类别", "稳健"),
                ("按类别的措施", "保持"),
                ("交易条件", "赊销；30 天内付款；宽限 1 天；2 天内交货；折扣 5.0%；信用额度 ¥50,000"),
                (
                    "服务",
                    "客户经理；与其他客户共用；每人最多负责 80 家客户；拜访、fax line；排队优先级 2；"
                    "90.0% 在 20 秒内应答；95.0% 在 1 天内办结",
                ),
                ("联系", "每 30 天"),
                ("待办", "电话确认订单（2026年2月14日前）"),
                ("下次评定", "2026年2月28日"),
            ],
        ),
    ],
)
def test_what_follows_is_said_in_plain_words(code: str, rows: list[tuple[str, str]]) -> None:
    policy = parse_policy(SMALL.replace("@decide@", DECIDE["rules"] + FOLLOWS), "small.yaml")
    (account,) = accounts_of(policy, [ROW])
    assert [row.cells for row in explain_account(account, Language(code), "CNY").sections[-1].rows] == rows


def test_a_policy_of_classes_speaks_of_classes_and_has_no_history() -> None:
    policy = parse_policy(SMALL.replace("@decide@", DECIDE["bands"] + "publishes: class\n"), "small.yaml")
    (account,) = accounts_of(policy, [ROW])
    cells = cells_of(explain_account(account, Language("en"), "CNY"))
    assert cells[:4] == ["Class", "B · Regular", "Status", "final"]
    assert "Class by the rules: B · Regular" in cells
    assert not any(re.search(r"\bTier\b|No change|Since", cell) for cell in cells)


@pytest.mark.parametrize(
    "tampered",
    [
        lambda account: replace(account, decision=replace(account.decision, tier="A")),
        lambda account: replace(account, decision=replace(account.decision, score=Decimal(67))),
        lambda account: replace(account, components=account.components[:-4]),
    ],
    ids=["another tier", "another score", "components gone"],
)
def test_components_that_do_not_give_what_is_kept_are_refused(tampered: Callable[[Account], Account]) -> None:
    account = small("scorecard")
    account = replace(account, components=tuple(sorted(account.components, key=lambda each: each.indicator)))
    with pytest.raises(TieringError, match="the kept components of c0000 do not give the kept tier"):
        explain_account(tampered(account), Language("en"), "CNY")


# ---- conditions in words


@pytest.mark.parametrize(
    ("text", "en", "zh"),
    [
        ("100000 < net_sales", "net sales > CN¥100,000", "销售净额 > ¥100,000"),
        ("0.5 >= paid_share", "collection rate ≤ 50.0%", "回款率 ≤ 50.0%"),
        ("orders = 3 or orders <> 4", "orders = 3 or orders ≠ 4", "订单数 = 3 或 订单数 ≠ 4"),
        ("orders = customers", "orders = customers", "订单数 = 客户数"),
        ("orders > -5", "orders > -5", "订单数 > -5"),
        ("is_exporter = false", "exporter is no", "出口企业为“否”"),
        ("not orders = 3", "not (orders = 3)", "非（订单数 = 3）"),
        ("not is_exporter", "not exporter", "非出口企业"),
        ("judgement in ('a', 'b')", "judgement is one of a, b", "评语为a、b之一"),
        ("(orders) is missing", "orders has no value", "订单数没有数值"),
        ("orders is not missing", "orders is known", "订单数有数值"),
        ("orders between 1 and 5", "orders from 1 to 5", "订单数介于 1 至 5"),
        ("true", "yes", "是"),
    ],
)
def test_a_condition_is_spelled_with_titles_and_figures(text: str, en: str, zh: str) -> None:
    policy = parse_policy(SMALL.replace("@decide@", DECIDE["rules"]), "small.yaml")
    said = [PolicyWords(policy, Language(code), "CNY").spelled(Condition(text)) for code in ("en", "zh")]
    assert said == [en, zh]


# ---- the command, on both engines


@pytest.fixture
def explain(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `tiering explain` against a warehouse and return its exit code and what it printed."""

    def run(warehouse: Database, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("tiering.explain.database_of", lambda _: warehouse)
        capsys.readouterr()
        code = main(["explain", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


Explain = Callable[..., tuple[int, str, str]]


def driven(warehouse: Database) -> tuple[str, date, str]:
    """Return a customer of the pyramid that moved by its rank, the day, and the drivers."""
    return query(  # type: ignore[return-value]
        warehouse,
        "SELECT customer_id, as_of, drivers FROM tiering.tier_change WHERE policy_id = 'pyramid' "
        "AND direction IN ('up', 'down') AND drivers LIKE '%sales_rank%' ORDER BY as_of DESC, customer_id LIMIT 1",
    )[0]


@pytest.mark.parametrize("engine", ENGINES)
def test_by_default_every_policy_is_told_on_its_latest_day(
    engine: str, warehouses: Warehouses, explain: Explain
) -> None:
    warehouse = warehouses.published_once(engine)
    customer, _, _ = driven(warehouse)
    ((name,),) = query(
        warehouse,
        "SELECT name FROM facts.customers WHERE customer_id = :id AND superseded_in IS NULL",
        id=customer,
    )
    name = clean_text(name)
    code, out, err = explain(warehouse, customer)
    assert (code, err) == (0, "")
    heads = re.findall(r"^(?:Customer|Paying account) .*\n.*", out, re.MULTILINE)
    assert heads == [
        f"Paying account {customer} · {name}\nCollection-rate classes · As of December 31, 2025",
        f"Customer {customer} · {name}\nCustomer pyramid 1/4/15/80 · As of February 28, 2026",
        f"Customer {customer} · {name}\nRFM 5×5×5 · As of January 31, 2026",
    ]
    assert "in force on" not in out


@pytest.mark.parametrize("engine", ENGINES)
def test_a_changed_day_is_told_with_its_drivers_in_both_languages(
    engine: str, warehouses: Warehouses, explain: Explain
) -> None:
    warehouse = warehouses.published_once(engine)
    customer, day, drivers = driven(warehouse)
    (driver,) = json.loads(drivers)
    arguments = (customer, "--policy", "pyramid", "--as-of", day.isoformat())
    code, out, _ = explain(warehouse, *arguments)
    assert code == 0
    assert f"rank by net sales went from {driver['before']} to {driver['after']}" in out
    assert re.search(r"(Up|Down): (Iron|Lead|Gold) → (Iron|Lead|Gold)", out)
    code, out, _ = explain(warehouse, *arguments, "--language", "zh")
    assert code == 0
    assert f"销售额排名由第 {driver['before']} 位变为第 {driver['after']} 位" in out
    assert re.search(r"[升降]级：[铁铅黄金]+ → [铁铅黄金]+", out)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("day", "note"),
    [
        ("2026-01-15", "Nothing was published on January 15, 2026; December 31, 2025 is in force on that day."),
        ("2026-05-15", "February 28, 2026 is the latest published day; it is in force on May 15, 2026."),
        ("2026-01-31", ""),
    ],
)
def test_a_day_without_a_publication_is_told_by_the_one_in_force(
    engine: str, day: str, note: str, warehouses: Warehouses, explain: Explain
) -> None:
    warehouse = warehouses.published_once(engine)
    customer, _, _ = driven(warehouse)
    code, out, _ = explain(warehouse, customer, "--policy", "pyramid", "--as-of", day)
    assert code == 0
    assert out.splitlines()[2] == note
    in_force = {"2026-01-15": "December 31, 2025", "2026-05-15": "February 28, 2026"}.get(day, "January 31, 2026")
    assert out.splitlines()[1].endswith(f"As of {in_force}")


@pytest.mark.parametrize("engine", ENGINES)
def test_an_excluded_customer_is_told_the_condition_and_the_value(
    engine: str, warehouses: Warehouses, explain: Explain
) -> None:
    warehouse = warehouses.published_once(engine)
    ((customer, since),) = query(
        warehouse,
        "SELECT customer_id, valid_from FROM tiering.absence WHERE policy_id = 'pyramid' AND reason LIKE 'gate:%' "
        "AND valid_to IS NULL ORDER BY customer_id LIMIT 1",
    )
    code, out, _ = explain(warehouse, customer, "--policy", "pyramid")
    assert code == 0
    assert "No tier: a condition for being graded is not met." in out
    assert f"Since {Language('en').date(since)}" in out
    assert re.search(r"✗ .*net sales in 12 months > CN¥0", out)
    assert re.search(r"net sales in 12 months +-?CN¥", out)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_kept_decision_is_told_and_nothing_is_written(
    engine: str, warehouses: Warehouses, explain: Explain
) -> None:
    warehouse = warehouses.published_once(engine)
    before = contents(warehouse, "tiering", without=["score_component"])
    customers = query(warehouse, "SELECT DISTINCT customer_id FROM tiering.customer_tier ORDER BY 1")
    for (customer,) in customers[::8]:
        for account in read_accounts(warehouse, customer, asked_on=date(2025, 12, 31)):
            assert cells_of(explain_account(account, Language("zh"), "CNY"))
    assert contents(warehouse, "tiering", without=["score_component"]) == before


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["000O12", "--as-of", "2020-01-01"], "nothing was published on or before 2020-01-01; the first days are: "),
        (["000O12"], "no policy knows the customer 000O12; did you mean 000012?"),
        (["C000012", "--policy", "rfm_555"], "policy rfm_555 does not know the customer C000012; did you mean 000012?"),
        (["Harbour Foods"], "no policy knows the customer Harbour Foods; known are customers such as 000001, "),
        (["000012", "--policy", "pyramyd"], "policy pyramyd: it is not published; did you mean pyramid?"),
        (["000012", "--policy", "x"], "policy x: it is not published; published are collection_classes, pyramid, rfm"),
        (
            ["000012", "--as-of", "2020-01-01"],
            "nothing was published on or before 2020-01-01; the first days are: collection_classes 2024-12-31, pyramid",
        ),
        (
            ["000012", "--policy", "pyramid", "--as-of", "2025-11-29"],
            "nothing was published on or before 2025-11-29; the first days are: pyramid 2025-11-30",
        ),
    ],
)
def test_what_is_unknown_is_said_in_one_line_with_what_is_known(
    engine: str, arguments: list[str], message: str, warehouses: Warehouses, explain: Explain
) -> None:
    code, out, err = explain(warehouses.published_once(engine), *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"tiering: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_warehouse_without_schema_or_publication_or_file_is_said(
    engine: str, warehouses: Warehouses, explain: Explain
) -> None:
    bare, empty = warehouses.new(engine), warehouses.empty(engine)
    if bare.kind == "duckdb":
        code, _, err = explain(bare, "000012")
        assert (code, err.count("\n")) == (1, 1)
        assert "there is no file" in err
    query(bare, "SELECT 1")
    for warehouse, message in ((bare, "has no tables of this version"), (empty, "no policy is published yet")):
        code, out, err = explain(warehouse, "000012")
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert message in err
        warehouses.drop(warehouse)


def test_an_old_day_is_told_by_the_rules_of_that_day_and_the_revision_in_force(
    published: Database, explain: Explain
) -> None:
    policies = demo_policies()
    text = policies["pyramid"].text.replace("percent: 15", "percent: 25").replace("percent: 80", "percent: 70")
    changed = {**policies, "pyramid": parse_policy(text, "pyramid.yaml")}
    publish(published, changed, "pyramid", date(2026, 2, 28), restate="new shares")
    customer, _, _ = driven(published)
    code, out, _ = explain(published, customer, "--policy", "pyramid")
    assert code == 0
    assert "As of February 28, 2026 · revision 2" in out
    assert re.search(r"Iron +25\.0%", out)
    code, out, _ = explain(published, customer, "--policy", "pyramid", "--as-of", "2026-02-27")
    assert code == 0
    assert "revision" not in out
    assert re.search(r"Iron +15\.0%", out)


def test_components_that_were_changed_end_with_exit_code_1_and_the_others_are_told(
    published: Database, explain: Explain
) -> None:
    customer, _, _ = driven(published)
    query(
        published,
        "UPDATE tiering.score_component SET value = 1 WHERE policy_id = 'pyramid' AND indicator = 'sales_rank' "
        "AND customer_id = :id",
        id=customer,
    )
    code, out, err = explain(published, customer)
    assert code == 1
    assert f"the kept components of {customer} do not give the kept tier" in err
    assert "RFM 5×5×5" in out
    assert "pyramid" not in out


@pytest.mark.parametrize(("policy_id", "grain"), [("pipeline_stage", "Opportunity"), ("request_priority", "Request")])
def test_an_opportunity_and_a_request_bear_the_name_of_their_customer(
    policy_id: str, grain: str, published: Database, explain: Explain
) -> None:
    publish(published, {policy_id: POLICIES[policy_id]}, policy_id, date(2026, 2, 28))
    table, key = {"Opportunity": ("opportunities", "opportunity_id"), "Request": ("service_events", "event_id")}[grain]
    account, name = query(
        published,
        f"SELECT decision.customer_id, customer.name FROM tiering.decision AS decision "
        f"JOIN facts.{table} AS behind ON behind.{key} = decision.customer_id AND behind.superseded_in IS NULL "
        "JOIN facts.customers AS customer ON customer.customer_id = behind.customer_id "
        "AND customer.superseded_in IS NULL WHERE decision.policy_id = :policy ORDER BY 1 LIMIT 1",
        policy=policy_id,
    )[0]
    code, out, err = explain(published, account)
    assert (code, err) == (0, "")
    assert out.startswith(f"{grain} {account} · {clean_text(name)}\n")


def test_usage_that_is_wrong_is_refused_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["explain"], ["explain", "x", "--language", "fr"], ["explain", "x", "--as-of", "soon"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    capsys.readouterr()
