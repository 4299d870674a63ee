"""Evaluation: numbers worked out by hand, a plain Python model of the demo company, and no influence of later days."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from functools import cache
from pathlib import Path
from typing import Any

import airflow_case
import pytest
from companies import (
    ENGINES,
    WHOLE,
    Row,
    Said,
    Warehouses,
    batch_of,
    clean_company,
    contents,
    customer,
    demo_policies,
    fresh,
    load,
    publish,
    query,
    rate,
    sale,
    stage,
    warehouses,
)

from sql.connect import Database, connected, kept_open
from sql.errors import TieringError
from sql.evaluation import Evaluation, evaluate_policy, latest_day
from sql.review import answer_requests, review_run
from tiering.evaluate import FIGURES, MEASURES, show_value
from transforms.policy import parse_policy

DIGITS = Decimal(1).scaleb(-18)
DAY = date(2024, 12, 31)
QUARTERS = (date(2025, 3, 31), date(2025, 6, 30), date(2025, 9, 30), date(2025, 12, 31))
BATCHES = (batch_of("2023-01", 24), batch_of("2025-01", 9), batch_of("2025-10", 3), batch_of("2026-01"))

LADDER = """
id: ladder
title: {en: Ladder, zh: 阶梯}
ref: S17
grain: customer
schedule: "0 6 2 * *"
as_of: run_day
tiers: [A, B, C]
indicators:
  net_sales: {measure: net_sales, window: 1 months, unit: money}
  grade: {attribute: grade, unit: text}
decide:
  rules:
    - {tier: A, when: grade = 'x' and net_sales >= 100}
    - {tier: B, when: grade = 'x' and net_sales >= 10}
    - {tier: C}
missing: {grade: {tier: C, status: provisional}}
review: {approve: {tiers: [A], by: [policy_owner]}}
"""
POLICIES = {"ladder": parse_policy(LADDER, "ladder.yaml")}

STEPS = {"P": "AAAAA", "Q": "ABAAA", "R": "ABCAA", "S": "BABAA", "T": "CBAAA", "U": "  BBB", "L": "ACC  "}
"""The tier that the sales of the month give a customer on the day and at the four quarter ends after it."""


def cut(above: Any, below: Any) -> Decimal:
    """Divide and cut off after 18 digits."""
    return (Decimal(above) / Decimal(below)).quantize(DIGITS, ROUND_DOWN)


def sales() -> list[Row]:
    """What was sold: what the steps need, and what must or must not count in the two years around the day."""
    rows = [
        sale(f"{number}{place}", customer_id=number, sold_on=str(day), net_amount={"A": "100.00", "B": "10.00"}[step])
        for number, steps in STEPS.items()
        for place, (day, step) in enumerate(zip((DAY, *QUARTERS), steps, strict=True))
        if step in "AB"
    ]
    other: dict[str, Row] = {
        "a day too early": {"customer_id": "P", "sold_on": "2023-12-31", "net_amount": "999"},
        "the first day": {"customer_id": "P", "sold_on": "2024-01-01", "net_amount": "50"},
        "a credit note": {
            "customer_id": "P",
            "sold_on": "2024-05-01",
            "net_amount": "20",
            "document_type": "credit_note",
        },
        "dollars": {
            "customer_id": "P",
            "sold_on": "2025-06-10",
            "net_amount": "50",
            "currency": "USD",
            "document_id": "X",
        },
        "more dollars": {
            "customer_id": "P",
            "sold_on": "2025-06-10",
            "net_amount": "50",
            "currency": "USD",
            "document_id": "X",
        },
        "a day too late": {"customer_id": "P", "sold_on": "2026-01-01", "net_amount": "777"},
        "before it left": {"customer_id": "L", "sold_on": "2025-02-10", "net_amount": "300"},
        "little": {"customer_id": "W", "sold_on": "2024-06-10", "net_amount": "5"},
        "taken back": {
            "customer_id": "W",
            "sold_on": "2025-04-10",
            "net_amount": "8",
            "document_type": "credit_note",
        },
        "refused in 2024": {"customer_id": "nobody", "sold_on": "2024-04-10"},
        "refused in 2024 too": {"customer_id": "nobody", "sold_on": "2024-04-11"},
        "refused in 2025": {"customer_id": "nobody", "sold_on": "2025-03-03"},
        "refused in 2026": {"customer_id": "nobody", "sold_on": "2026-01-03"},
    }
    return rows + [sale(f"X{place}", **{"tax_amount": None, **row}) for place, row in enumerate(other.values())]


def event(number: str, who: str, day: str, kind: str, mark: str | None = None, closed: str | None = None) -> Row:
    return {
        "event_id": number,
        "customer_id": who,
        "opened_on": day,
        "kind": kind,
        "satisfaction": mark,
        "closed_on": closed,
    }


EVENTS = [
    event("E1", "P", "2024-03-01", "complaint", "4", "2024-03-02"),
    event("E2", "P", "2024-12-31", "complaint", "5"),
    event("E3", "Q", "2024-06-01", "call"),
    event("E4", "P", "2025-01-01", "complaint"),
    event("E5", "Q", "2025-05-01", "repair", "3", "2025-05-02"),
    event("E6", "R", "2025-12-30", "repair", "1", "2026-01-05"),
    event("E7", "P", "2026-01-01", "complaint", "1", "2026-01-02"),
    event("E8", "P", "2023-12-31", "complaint", "1", "2023-12-31"),
]
SURVEYS: list[Row] = [
    {"customer_id": who, "answered_on": day, "score": score, "question": None}
    for who, day, score in (
        ("P", "2025-02-01", "8"),
        ("Q", "2025-02-02", "9"),
        ("R", "2025-12-31", "9"),
        ("W", "2024-07-01", "7"),
        ("P", "2026-01-01", "1"),
    )
]


def tell(said: Said) -> None:
    """Load the books through 2025 and publish the day and four quarter ends, one of them after a refusal."""
    said.put("sales", sales())
    said.put("exchange_rates", [rate("USD", "2025-06-09", "7.1")])
    said.put("service_events", EVENTS)
    said.put("surveys", SURVEYS)
    for name in ("receivables", "payments"):
        said.put(name, [])
    for batch in BATCHES[:3]:
        gone = "left" if batch is not BATCHES[0] else "active"
        numbers = [*"PQRSTVWL", *("U" if batch is not BATCHES[0] else "")]
        said.put(
            "customers",
            [
                customer(
                    number,
                    attr_grade="x" if number != "W" else None,
                    opened_on="2025-06-01" if number == "U" else "2020-01-01",
                    status=gone if number in "VL" else "active",
                )
                for number in numbers
            ]
            + [customer(" ")],
        )
        said.load(batch)
    for day in (QUARTERS[3], DAY, *QUARTERS[:3]):
        if day == QUARTERS[0]:
            this = stage(said.database, POLICIES, "ladder", day)
            assert review_run(said.database, POLICIES["ladder"], this).requests
            answer_requests(said.database, this, "owner", approved=False)
        publish(said.database, POLICIES, "ladder", day)


@dataclass
class Told:
    """A warehouse with the ladder's story, and what its evaluation said."""

    database: Database
    said: Said
    evaluation: Evaluation
    written: dict[str, list[str]]


def kept(database: Database) -> dict[str, list[str]]:
    return {name: contents(database, "tiering")[f"tiering.{name}"] for name in ("tier_effect", "policy_evaluation")}


@pytest.fixture(scope="module", params=ENGINES)
def told(request: pytest.FixtureRequest, warehouses: Warehouses, tmp_path_factory: pytest.TempPathFactory) -> Any:
    database = warehouses.empty(request.param)
    with kept_open(database):
        said = Said(database, tmp_path_factory.mktemp("said"))
        tell(said)
        evaluation = evaluate_policy(database, "ladder", DAY)
        yield Told(database, said, evaluation, kept(database))
    warehouses.drop(database)


# By hand: (customers, before, after) of every tier and measure.
BY_HAND: dict[str, dict[str, tuple[Any, Any]]] = {
    "A": {  # P, Q, R, L
        "net_sales": (130 + 100 + 100 + 100, 400 + 710 + 310 + 210 + 300),
        "sales_share": (cut(430, 445), cut(1930, 2542)),
        "order_count": (5, 5 + 4 + 3 + 1),
        "buying_customers": (4, 4),
        "complaint_count": (2, 1),
        "average_satisfaction": (Decimal("4.5"), 3),
        "average_survey_score": (None, Decimal("8.666666666666666666")),
        "left_customers": (0, 1),
    },
    "B": {  # S
        "net_sales": (10, 310),
        "sales_share": (cut(10, 445), cut(310, 2542)),
        "order_count": (1, 4),
        "buying_customers": (1, 1),
        "complaint_count": (0, 0),
        "average_satisfaction": (None, None),
        "average_survey_score": (None, None),
        "left_customers": (0, 0),
    },
    "C": {  # T, V, W
        "net_sales": (5, 310 - 8),
        "sales_share": (cut(5, 445), cut(302, 2542)),
        "order_count": (1, 4),
        "buying_customers": (1, 1),
        "complaint_count": (0, 0),
        "average_satisfaction": (None, None),
        "average_survey_score": (7, None),
        "left_customers": (0, 1),
    },
}
CUSTOMERS = {"A": 4, "B": 1, "C": 3}


@pytest.mark.parametrize("tier", BY_HAND)
def test_the_effect_of_a_tier_is_what_was_worked_out_by_hand(told: Told, tier: str) -> None:
    found = {effect.measure: effect for effect in told.evaluation.effects if effect.tier == tier}
    assert set(found) == set(MEASURES)
    for measure, (before, after) in BY_HAND[tier].items():
        effect = found[measure]
        assert (effect.customers, effect.before, effect.after) == (CUSTOMERS[tier], before, after), measure
        assert effect.change == (None if before is None or after is None else after - before)
        rated = effect.change is not None and before > 0
        assert effect.change_rate == (cut(effect.change, effect.before) if rated else None), measure


FIGURES_BY_HAND = {
    ("customers_at_start", "A"): 4,
    ("customers_at_start", "B"): 1,
    ("customers_at_start", "C"): 3,
    ("customers_at_start", "-"): 8,
    ("customers_at_end", "A"): 5,  # P Q R S T
    ("customers_at_end", "B"): 1,  # U
    ("customers_at_end", "C"): 1,  # W
    ("customers_at_end", "-"): 7,
    ("customers_in_year", "-"): 9,
    ("moved_up", "-"): 6,
    ("moved_down", "-"): 5,
    ("new", "-"): 1,
    ("left", "-"): 2,
    ("flip_flops", "-"): 4,  # Q once, R once over two steps, S twice
    ("flip_flops_per_100", "-"): cut(400, 9),
    ("overridden_customers", "-"): 0,
    ("provisional_share", "-"): cut(4, 31),  # W on each of the four days
    ("average_completeness", "-"): cut(29, 31),
    ("approvals_asked", "-"): 5,
    ("approvals_refused", "-"): 1,
    ("quarantined_rows", "-"): 2,  # one sale, and the customer without a number once
    ("published_days", "-"): 4,
}


def test_the_figures_of_the_year_are_what_was_worked_out_by_hand(told: Told) -> None:
    assert told.evaluation.year == 2025
    assert told.evaluation.figures == FIGURES_BY_HAND
    assert {figure for figure, tier in FIGURES_BY_HAND if tier == "-"} - set(FIGURES) == {
        "customers_at_start",
        "customers_at_end",
    }


def test_tiers_stand_in_the_order_of_the_policy_and_both_tables_hold_what_was_said(told: Told) -> None:
    assert list(dict.fromkeys(effect.tier for effect in told.evaluation.effects)) == ["A", "B", "C"]
    assert len(told.written["tier_effect"]) == 3 * len(MEASURES)
    assert len(told.written["policy_evaluation"]) == len(FIGURES_BY_HAND)


def test_the_year_and_the_latest_day_with_a_year_after_it_are_the_same_evaluation(told: Told) -> None:
    assert evaluate_policy(told.database, "ladder", year=2025) == told.evaluation
    assert evaluate_policy(told.database, "ladder") == told.evaluation
    assert kept(told.database) == told.written


@pytest.mark.parametrize(
    ("policy_id", "as_of", "year", "message"),
    [
        ("lader", DAY, None, "policy lader: it is not published; did you mean ladder?"),
        ("zzz", DAY, None, "policy zzz: it is not published; published are ladder"),
        (
            "ladder",
            date(2024, 12, 30),
            None,
            "nothing was published on or before 2024-12-30; the first published day is 2024-12-31",
        ),
        ("ladder", None, 2024, "nothing was published on or before 2023-12-31"),
        (
            "ladder",
            date(2025, 1, 1),
            None,
            "2025-01-01 needs facts through 2026-01-01, which reach 2025-12-31; "
            "the latest day that can be evaluated is 2024-12-31",
        ),
        ("ladder", None, 2026, "2025-12-31 needs facts through 2026-12-31"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_in_one_line(
    told: Told, policy_id: str, as_of: date | None, year: int | None, message: str
) -> None:
    before = kept(told.database)
    with pytest.raises(TieringError) as caught:
        evaluate_policy(told.database, policy_id, as_of, year)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert kept(told.database) == before


# The demo company against plain Python


@cache
def _tables() -> Any:
    return clean_company().tables


def _rows(table: str) -> list[dict[str, Any]]:
    return list(_tables()[table].to_pylist())


def _model(tiers: dict[str, str], start: date, end: date, known_on: date) -> dict[tuple[str, str], Decimal | None]:
    """Sum what the accounts of every tier did in (start, end], their customers being those of a day."""
    partners = [row for row in _rows("business_partner") if row["opened_day"] <= known_on]
    known = {row["partner_no"] for row in partners}
    tier_of = {}
    for row in partners:
        account = row["payer_no"] if row["payer_no"] in known else row["partner_no"]
        if account in tiers:
            tier_of[row["partner_no"]] = (tiers[account], account)
    rates = {(row["currency_code"], row["quote_day"]): row["cny_per_unit"] for row in _rows("fx_rate")}

    def in_cny(amount: Decimal, currency: str, day: date) -> Decimal:
        if currency == "CNY":
            return amount
        quoted = next(day - timedelta(days=age) for age in range(8) if (currency, day - timedelta(days=age)) in rates)
        return (amount * rates[currency, quoted]).quantize(Decimal("0.01"), "ROUND_HALF_UP")

    net: dict[str, Decimal] = defaultdict(Decimal)
    orders: dict[str, set[tuple[str, str]]] = defaultdict(set)
    heads = {row["invoice_no"]: row for row in _rows("invoice")}
    for line in _rows("invoice_line"):
        head = heads[line["invoice_no"]]
        if head["sold_to_no"] not in tier_of or not start < head["posting_day"] <= end:
            continue
        tier, account = tier_of[head["sold_to_no"]]
        amount = in_cny(line["net_value"], head["currency_code"], head["posting_day"])
        net[tier] += -abs(amount) if head["document_kind"] == "GS" else amount
        if head["document_kind"] == "RE":
            orders[tier].add((account, head["invoice_no"]))
    found: dict[tuple[str, str], Decimal | None] = {}
    marks: dict[str, list[Decimal]] = defaultdict(list)
    complaints: dict[str, int] = defaultdict(int)
    for ticket in _rows("service_ticket"):
        if ticket["partner_no"] not in tier_of or not start < ticket["opened_day"] <= end:
            continue
        tier, _ = tier_of[ticket["partner_no"]]
        complaints[tier] += ticket["ticket_kind"] == "complaint"
        if ticket["satisfaction_mark"] is not None and (ticket["closed_day"] is None or ticket["closed_day"] <= end):
            marks[tier].append(Decimal(ticket["satisfaction_mark"]))
    scores: dict[str, list[Decimal]] = defaultdict(list)
    for answer in _rows("survey_answer"):
        if answer["partner_no"] in tier_of and start < answer["answer_day"] <= end:
            scores[tier_of[answer["partner_no"]][0]].append(Decimal(str(answer["mark"])))
    for tier in "ABCD":
        found[tier, "net_sales"] = net[tier]
        found[tier, "sales_share"] = cut(net[tier], sum(net.values()))
        found[tier, "order_count"] = Decimal(len(orders[tier]))
        found[tier, "buying_customers"] = Decimal(len({account for account, _ in orders[tier]}))
        found[tier, "complaint_count"] = Decimal(complaints[tier])
        found[tier, "average_satisfaction"] = cut(sum(marks[tier]), len(marks[tier])) if marks[tier] else None
        found[tier, "average_survey_score"] = cut(sum(scores[tier]), len(scores[tier])) if scores[tier] else None
        found[tier, "left_customers"] = Decimal(0)  # the demo's ERP knows no partner that left
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_the_demo_company_is_what_plain_python_makes_of_it(engine: str, warehouses: Warehouses) -> None:
    source, database = warehouses.source(engine), warehouses.empty(engine)
    policies = {name: policy for name, policy in demo_policies().items() if name == "collection_classes"}
    with kept_open(database):
        load(source, database, WHOLE)
        for day in (DAY, date(2025, 12, 31)):
            publish(database, policies, "collection_classes", day)
        evaluation = evaluate_policy(database, "collection_classes", year=2025)
        spells = query(
            database,
            "SELECT customer_id, tier, valid_from, valid_to FROM tiering.customer_tier_history "
            "WHERE policy_id = 'collection_classes'",
        )
        found = query(database, "SELECT status, completeness FROM tiering.decision WHERE as_of = DATE '2025-12-31'")
    start, end = (
        {number: tier for number, tier, begin, stop in spells if begin <= day and (stop is None or stop > day)}
        for day in (DAY, date(2025, 12, 31))
    )
    models = [
        _model(start, begin, stop, DAY)
        for begin, stop in ((date(2023, 12, 31), DAY), (DAY, date(2025, 12, 31)))
    ]  # fmt: skip
    assert evaluation.as_of == DAY
    assert len(evaluation.effects) == 4 * len(MEASURES)
    for effect in evaluation.effects:
        key = effect.tier, effect.measure
        assert (effect.before, effect.after) == (models[0][key], models[1][key]), key
        assert effect.customers == sum(tier == effect.tier for tier in start.values())
    assert all(models[1][tier, "net_sales"] for tier in "ABCD")
    figures = evaluation.figures
    moves = [("ABCD".index(start[number]) - "ABCD".index(end[number])) for number in start if number in end]
    assert figures["moved_up", "-"] == sum(step > 0 for step in moves) > 0
    assert figures["moved_down", "-"] == sum(step < 0 for step in moves) > 0
    assert figures["new", "-"] == len(set(end) - set(start)) > 0
    assert figures["left", "-"] == len(set(start) - set(end))
    assert figures["flip_flops", "-"] == 0
    assert figures["customers_in_year", "-"] == len(set(start) | set(end))
    for tier in "ABCD":
        assert figures["customers_at_start", tier] == sum(held == tier for held in start.values())
        assert figures["customers_at_end", tier] == sum(held == tier for held in end.values())
    assert figures["provisional_share", "-"] == cut(sum(status == "provisional" for status, _ in found), len(found))
    assert figures["average_completeness", "-"] == cut(sum(part for _, part in found), len(found))
    assert figures["quarantined_rows", "-"] == 0  # the one load reaches into 2026
    for used in (source, database):
        warehouses.drop(used)


# Edges


@pytest.mark.parametrize(
    ("through", "day"),
    [
        (date(2025, 12, 31), date(2024, 12, 31)),
        (date(2025, 2, 28), date(2024, 2, 29)),
        (date(2024, 2, 29), date(2023, 2, 28)),
        (date(2024, 2, 28), date(2023, 2, 28)),
    ],
)
def test_the_latest_day_has_a_year_after_it(through: date, day: date) -> None:
    assert latest_day(through) == day


def test_before_anything_is_published_the_line_says_so(fresh: Database) -> None:
    with pytest.raises(TieringError, match="no policy is published yet"):
        evaluate_policy(fresh, "ladder")


@pytest.mark.parametrize(
    ("name", "value", "sign", "shown"),
    [
        ("net_sales", Decimal("1234567.895"), "", "1,234,567.90"),
        ("net_sales", Decimal(0), "+", "+0.00"),
        ("sales_share", Decimal("0.3046"), "", "30.5 %"),
        ("sales_share", Decimal("0.05"), "+", "+5.0 pp"),
        ("average_satisfaction", Decimal("4.8"), "", "4.80"),
        ("complaint_count", Decimal(-40), "+", "-40"),
        ("moved_up", None, "", "–"),
    ],
)
def test_a_value_is_shown_as_a_person_reads_it(name: str, value: Decimal | None, sign: str, shown: str) -> None:
    assert show_value(name, value, "CNY", sign) == shown


@pytest.mark.airflow
def test_the_command_keeps_and_prints_the_evaluation(
    told: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tiering.cli import main

    airflow_case.set_connections(monkeypatch, WAREHOUSE=told.database)
    query(told.database, "DELETE FROM tiering.tier_effect")
    capsys.readouterr()
    assert main(["evaluate", "--policy", "ladder", "--as-of", "2024-12-31"]) == 0
    assert len(query(told.database, "SELECT 1 FROM tiering.tier_effect")) == 3 * len(MEASURES)
    out = " ".join(capsys.readouterr().out.split())
    assert "ladder Ladder" in out
    for line in (
        "A │ net sales (CNY) │ 430.00 │ 1,930.00 │ +1,500.00 │ +348.8",
        "4 customers │ share of net sales │ 96.6 % │ 75.9 % │ -20.7 pp │ -21.4",
        "complaints │ 2 │ 1 │ -1 │ -50.0",
        "survey score │ – │ 8.67 │ – │ –",
        "all │ 8 │ 7",
        "the same per 100 customers │ 44.44",
        "share of provisional decisions │ 12.9 %",
    ):
        assert line in out, line
    assert main(["evaluate", "--policy", "ladder", "--year", "2026"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit):
        main(["evaluate", "--policy", "ladder", "--year", "2025", "--as-of", "2024-12-31"])
    with pytest.raises(SystemExit):
        main(["evaluate", "--policy", "ladder", "--year", "25"])


def test_later_days_have_no_influence_and_corrected_ones_do(told: Told) -> None:
    """Runs last: it changes the story."""
    said, database = told.said, told.database
    said.put("sales", [*sales(), sale("Z1", customer_id="L", sold_on="2026-01-05", net_amount="5000")])
    said.load(BATCHES[3])
    publish(database, POLICIES, "ladder", date(2026, 1, 31))
    assert evaluate_policy(database, "ladder", DAY) == told.evaluation
    assert kept(database) == told.written
    said.put("sales", [*sales(), sale("Z2", customer_id="T", sold_on="2025-12-31", net_amount="5000")])
    said.load(BATCHES[2])
    again = evaluate_policy(database, "ladder", DAY)
    now = {(effect.tier, effect.measure): effect.after for effect in again.effects}
    assert now["C", "net_sales"] == BY_HAND["C"]["net_sales"][1] + 5000
    assert again.figures == told.evaluation.figures
    assert len(kept(database)["tier_effect"]) == len(told.written["tier_effect"])
