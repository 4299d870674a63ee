"""Limits in the warehouse: allocated, held against what is owed, published with the tiers they follow from."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import mm_company
import pytest
from companies import (
    ENGINES,
    Said,
    Warehouses,
    batch_of,
    contents,
    customer,
    payment,
    publish,
    query,
    shipped_policies,
    warehouses,
)

from reports.explanation import explain_account
from reports.wording import Language
from sql.connect import Database, kept_open
from sql.errors import SupersedingInput
from sql.explain import read_accounts
from sql.measure import read_library
from sql.publish import publish_people
from tiering import jobs
from transforms.lint import lint_policy
from transforms.policy import Policy, parse_policy

YEAR_END = date(2015, 12, 31)
UNIT = mm_company.UNIT
SHIPPED = "collection_classes"


@pytest.fixture(params=ENGINES)
def mm(request: pytest.FixtureRequest, warehouses: Warehouses, tmp_path: Any) -> Iterator[Said]:
    database = warehouses.empty(str(request.param))
    with kept_open(database):
        source = Said(database, tmp_path / "said")
        mm_company.tell(source)
        done = source.load(batch_of("2015-01", 24))
        assert not any(done.quarantined_rows.values())
        yield source
    warehouses.drop(database)


def with_equal_classes() -> Policy:
    text = shipped_policies()[SHIPPED].text.replace("{A: 1.2, B: 1, C: 0.6, D: 0}", "{A: 1, B: 1, C: 1, D: 0}")
    return parse_policy(text, "equal.yaml")


def limits_of(database: Database, as_of: date = YEAR_END) -> dict[str, dict[str, Any]]:
    names = ("customer_id", "class", "limit_amount", "reason", "sales_amount", "balance", "exposure", "headroom",
             "over_amount", "action", "payment_terms", "is_key", "is_debtor", "change_reason")  # fmt: skip
    rows = query(database, f"SELECT {', '.join(names)} FROM tiering.credit_limit WHERE as_of = :as_of", as_of=as_of)
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def budget_of(database: Database, as_of: date = YEAR_END) -> dict[str, tuple[Any, ...]]:
    rows = query(
        database,
        "SELECT class, accounts, sales_amount, limit_amount, budget_amount, unallocated_amount "
        "FROM tiering.credit_budget WHERE as_of = :as_of",
        as_of=as_of,
    )
    return {row[0]: row[1:] for row in rows}


def test_the_mm_company_gets_936_to_the_cent(mm: Said) -> None:
    assert publish(mm.database, {SHIPPED: shipped_policies()[SHIPPED]}, SHIPPED, YEAR_END).status == "published"
    limits = limits_of(mm.database)
    assert len(limits) == 450
    assert sum(row["limit_amount"] for row in limits.values()) == Decimal("936.0") * UNIT
    assert budget_of(mm.database)[""] == (450, 4000 * UNIT, 936 * UNIT, 936 * UNIT, 0)
    assert all(row["limit_amount"] == row["limit_amount"].quantize(Decimal("0.01")) for row in limits.values())
    assert {row["limit_amount"] for row in limits.values() if row["class"] == "D"} == {0}
    assert {row["action"] for row in limits.values() if row["class"] == "D"} == {"stop"}
    assert {row["payment_terms"] for row in limits.values() if row["class"] == "D"} == {"cash_on_delivery"}
    for member in mm_company.members():
        row = limits[member.number]
        assert (row["balance"], row["exposure"], row["is_key"]) == (member.owes, member.owes, member.is_key)
        assert row["headroom"] == max(row["limit_amount"] - member.owes, 0)
        assert row["over_amount"] == max(member.owes - row["limit_amount"], 0)
        reduces = row["class"] != "D" and member.owes > row["limit_amount"]
        assert row["action"] == ("stop" if row["class"] == "D" else "reduce" if reduces else "keep")


def test_g29_classes_get_520_260_156_and_nothing(mm: Said) -> None:
    policy = with_equal_classes()
    publish(mm.database, {policy.id: policy}, policy.id, YEAR_END)
    found = budget_of(mm.database)
    assert {name: row[1:3] for name, row in found.items()} == {
        "": (4000 * UNIT, 936 * UNIT),
        "A": (2000 * UNIT, 520 * UNIT),
        "B": (1000 * UNIT, 260 * UNIT),
        "C": (600 * UNIT, 156 * UNIT),
        "D": (400 * UNIT, 0),
    }
    warned = [finding for finding in lint_policy(policy, read_library()) if finding.rule == "degenerate"]
    assert len(warned) == 1


def test_the_mm_company_shows_who_owes_out_of_proportion(mm: Said) -> None:
    publish(mm.database, {SHIPPED: shipped_policies()[SHIPPED]}, SHIPPED, YEAR_END)
    rows = query(
        mm.database,
        "SELECT account_group, accounts, sales_amount, receivable_amount, sales_share, receivable_share, "
        "average_receivable FROM tiering.concentration",
    )
    found = {row[0]: row[1:] for row in rows}
    assert found["all"][:3] == (450, 4000 * UNIT, 1000 * UNIT)
    assert found["key"][:2] == (100, 3320 * UNIT)
    assert found["key"][3] == Decimal("0.83")
    assert found["debtor"][0::2][:2] == (100, 780 * UNIT)
    assert found["debtor"][4] == Decimal("0.78")
    assert found["key_debtor"][0::2][:2] == (76, 320 * UNIT)
    assert found["other_debtor"][0::2][:2] == (24, 460 * UNIT)
    assert found["key_not_debtor"][0] == 24
    assert found["other_debtor"][4] == Decimal("0.46")
    assert found["not_key"][3] == Decimal("0.17")
    assert (found["key_debtor"][5] / UNIT).quantize(Decimal("0.01")) == Decimal("4.21")
    assert (found["other_debtor"][5] / UNIT).quantize(Decimal("0.01")) == Decimal("19.17")
    assert (found["other_debtor"][5] / found["key_debtor"][5]).quantize(Decimal("0.01")) == Decimal("4.55")


def test_money_that_comes_after_the_day_changes_nothing(mm: Said) -> None:
    policies = {SHIPPED: shipped_policies()[SHIPPED]}
    publish(mm.database, policies, SHIPPED, YEAR_END)
    tables = ("credit_limit", "credit_budget", "concentration", "customer_tier", "decision", "credit_exposure",
              "receivable_position")  # fmt: skip
    jobs.watch_credit(mm.database, policies, YEAR_END, "CNY")
    before = {table: sorted(query(mm.database, f"SELECT * FROM tiering.{table}"), key=str) for table in tables}
    mm.put(
        "payments",
        [*mm.rows("payments"), payment("late", customer_id="MM001", paid_on="2016-01-01", amount="12345.67")],
    )
    mm.load(batch_of("2015-01", 24))
    assert publish(mm.database, policies, SHIPPED, YEAR_END).status == "noop"
    jobs.watch_credit(mm.database, policies, YEAR_END, "CNY")
    assert before == {table: sorted(query(mm.database, f"SELECT * FROM tiering.{table}"), key=str) for table in tables}


def test_a_plan_that_changed_is_other_input(mm: Said) -> None:
    policies = {SHIPPED: shipped_policies()[SHIPPED]}
    publish(mm.database, policies, SHIPPED, YEAR_END)
    mm.put("plan", [{"year": "2016", "revenue_budget": "1000", "gross_margin_rate": "0.5", "vat_rate": "0"}])
    mm.load(batch_of("2015-01", 24))
    with pytest.raises(SupersedingInput, match="the facts behind it changed"):
        publish(mm.database, policies, SHIPPED, YEAR_END)
    publish(mm.database, policies, SHIPPED, YEAR_END, restate="the plan was corrected")
    assert budget_of(mm.database)[""][2:] == (500, 500, 0)


def test_without_a_plan_tiers_are_published_and_limits_are_not(mm: Said) -> None:
    policies = {SHIPPED: shipped_policies()[SHIPPED]}
    mm.put("plan", [{"year": "2015", "revenue_budget": "1000", "gross_margin_rate": "0.5", "vat_rate": "0"}])
    mm.load(batch_of("2015-01", 24))
    assert publish(mm.database, policies, SHIPPED, YEAR_END).status == "published"
    assert limits_of(mm.database) == {}
    said = query(mm.database, "SELECT class, limit_amount, reason FROM tiering.credit_budget")
    assert said == [("", 0, "there is no plan of 2016")]


def test_a_plan_that_does_not_say_what_the_budget_names_allocates_nothing(mm: Said) -> None:
    text = shipped_policies()[SHIPPED].text
    policy = parse_policy(
        text.replace("revenue_budget * gross_margin_rate * (1 + vat_rate)", "credit_budget"), "p.yaml"
    )
    publish(mm.database, {policy.id: policy}, policy.id, YEAR_END)
    reason = "plan of 2016: the plan has no credit_budget; add it, or name another budget"
    assert query(mm.database, "SELECT class, reason FROM tiering.credit_budget") == [("", reason)]


# From one run to the next


MONTHLY = """
id: monthly_credit
title: {en: Monthly credit}
ref: S61
grain: bill_to
schedule: "0 6 2 * *"
as_of: previous_month_end
tiers: [A, B, C]
indicators:
  net_sales: {measure: net_sales, window: 6 months, unit: money}
  largest:   {measure: largest_order, window: 6 months, unit: money}
decide:
  bands:
    of: net_sales
    tiers: [{tier: A, at_least: 100000}, {tier: B, at_least: 20000}, {tier: C}]
movement: {down: {after: 2}}
terms:
  C: {payment: cash_on_delivery}
credit:
  budget: 1000000 * 1.17
  sales: net_sales
  multiplier: {A: 2, B: 1, C: 0}
  floor: {B: 500}
  cap: {of: largest, times: 3}
"""
BY_TABLE = MONTHLY.replace("monthly_credit", "monthly_table").partition("credit:\n  budget")[0] + (
    "credit: {limits: {A: 90000, B: 20000, C: 0}, cap: largest}\n"
)
MONTHS = [date(2025, 6, 30), date(2025, 7, 31), date(2025, 8, 31), date(2025, 9, 30)]
TABLES = ("credit_limit", "credit_budget", "concentration")


def state(database: Database) -> dict[str, list[str]]:
    return {table: sorted(map(repr, query(database, f"SELECT * FROM tiering.{table}"))) for table in TABLES}


@pytest.fixture(params=ENGINES)
def demo(request: pytest.FixtureRequest, warehouses: Warehouses) -> Iterator[Database]:
    database = warehouses.loaded(str(request.param))
    with kept_open(database):
        yield database
    warehouses.drop(database)


def test_whatever_day_is_published_last_the_limits_are_the_same(demo: Database) -> None:
    for text in (MONTHLY, BY_TABLE):
        policy = parse_policy(text, "p.yaml")
        states = []
        for order in ((0, 1, 2), (2, 0, 1)):
            for table in (
                *TABLES,
                *(
                    "run",
                    "decision",
                    "exclusion",
                    "score_component",
                    "customer_tier_history",
                    "absence",
                    "tier_change",
                    "customer_tier",
                    "movement_state",
                    "run_attempt",
                ),
            ):
                query(demo, f"DELETE FROM tiering.{table} RETURNING 1")
            for place in order:
                assert publish(demo, {policy.id: policy}, policy.id, MONTHS[place]).status == "published"
            states.append(state(demo))
        assert states[0] == states[1]
        assert len(states[0]["credit_limit"]) > 220


def test_every_class_adds_up_and_follows_from_what_was_before(demo: Database) -> None:
    policy = parse_policy(MONTHLY, "p.yaml")
    for as_of in MONTHS:
        publish(demo, {policy.id: policy}, policy.id, as_of)
    names = ("as_of", "class", "accounts", "limit_amount", "budget_amount", "unallocated_amount", "previous_amount",
             "raised_amount", "reduced_amount", "squeezed_amount")  # fmt: skip
    rows = [dict(zip(names, row, strict=True)) for row in query(
        demo, f"SELECT {', '.join(names)} FROM tiering.credit_budget ORDER BY as_of, class"
    )]  # fmt: skip
    for as_of in MONTHS:
        total, *classes = [row for row in rows if row["as_of"] == as_of]
        assert total["budget_amount"] == Decimal(1170000) == total["limit_amount"] + total["unallocated_amount"]
        for name in ("limit_amount", "previous_amount", "raised_amount", "reduced_amount"):
            assert sum(row[name] for row in classes) <= total[name]  # who has no tier any more is in no class
        for row in (total, *classes):
            assert row["previous_amount"] + row["raised_amount"] - row["reduced_amount"] == row["limit_amount"]
            assert row["squeezed_amount"] <= row["reduced_amount"]
    assert sum(row["squeezed_amount"] for row in rows) > 0
    wrong = query(
        demo,
        "SELECT COUNT(*) FROM tiering.credit_limit AS now LEFT JOIN tiering.credit_limit AS before "
        "ON before.customer_id = now.customer_id AND before.as_of = (SELECT MAX(as_of) FROM tiering.credit_limit "
        "WHERE as_of < now.as_of) WHERE now.previous_limit IS DISTINCT FROM before.limit_amount "
        "OR now.class = 'C' AND now.limit_amount <> 0 OR now.headroom < 0",
    )
    assert wrong == [(0,)]
    reasons = {row[0] for row in query(demo, "SELECT DISTINCT change_reason FROM tiering.credit_limit")}
    assert reasons >= {"new", "same", "tier_up", "tier_down", "sales", "budget"}


# Against what is owed on a day


def watch(database: Database, policy: Policy, as_of: date) -> dict[str, dict[str, Any]]:
    jobs.watch_credit(database, {policy.id: policy}, as_of, "CNY")
    names = ("customer_id", "entity", "class", "kind", "limit_amount", "effective_limit", "limited_by", "exposure",
             "headroom", "over_amount", "over_since", "action", "decided_on", "as_of")  # fmt: skip
    rows = query(database, f"SELECT {', '.join(names)} FROM tiering.credit_exposure ORDER BY customer_id, entity")
    return {f"{row[0]} {row[1]}".strip(): dict(zip(names, row, strict=True)) for row in rows}


def give(database: Database, *rows: tuple[Any, ...]) -> None:
    for level, customer_id, entity, amount, valid_from, valid_to in rows:
        query(
            database,
            "INSERT INTO tiering.given_limit (policy_id, level, customer_id, entity, limit_amount, is_mandatory, "
            "reason, requested_by, approved_by, valid_from, valid_to) VALUES (:policy_id, :level, :customer_id, "
            ":entity, :amount, FALSE, 'season', 'Ann', 'Bob', :valid_from, :valid_to) RETURNING 1",
            policy_id=SHIPPED, level=level, customer_id=customer_id, entity=entity, amount=amount,
            valid_from=valid_from, valid_to=valid_to,
        )  # fmt: skip


def test_a_day_holds_what_is_owed_against_the_limits_in_force(mm: Said) -> None:
    policy = shipped_policies()[SHIPPED]
    publish(mm.database, {SHIPPED: policy}, SHIPPED, YEAR_END)
    decided = limits_of(mm.database)
    found = watch(mm.database, policy, date(2016, 1, 31))
    assert len(found) == 450
    for number, row in found.items():
        assert row["limit_amount"] == row["effective_limit"] == decided[number]["limit_amount"]
        assert (row["exposure"], row["headroom"]) == (decided[number]["exposure"], decided[number]["headroom"])
        assert (row["kind"], row["limited_by"], row["decided_on"]) == ("allocated", "account", YEAR_END)
        assert row["over_since"] == (date(2016, 1, 31) if row["over_amount"] else None)
    over = {number for number, row in found.items() if row["over_amount"]}
    assert over
    again = watch(mm.database, policy, date(2016, 2, 29))
    assert {row["over_since"] for row in again.values() if row["over_amount"]} == {date(2016, 1, 31)}
    before = contents(mm.database, "tiering", without=("receivable_position",))
    jobs.watch_credit(mm.database, {SHIPPED: policy}, date(2016, 1, 15), "CNY")
    assert contents(mm.database, "tiering", without=("receivable_position",)) == before


def test_people_give_limits_for_a_while_for_a_group_and_towards_a_selling_company(mm: Said) -> None:
    policy = shipped_policies()[SHIPPED]
    members = list(mm_company.members())
    numbers = [member.number for member in members]
    mm.put("customers", [customer(number, group_id="G" if number in numbers[:2] else None) for number in numbers])
    debts = mm.rows("receivables")
    mm.put("receivables", [{**row, "entity": "north" if row["customer_id"] == numbers[3] else None} for row in debts])
    mm.load(batch_of("2015-01", 24))
    publish(mm.database, {SHIPPED: policy}, SHIPPED, YEAR_END)
    decided = limits_of(mm.database)
    give(
        mm.database,
        ("account", numbers[2], "", Decimal(7), date(2016, 1, 1), date(2016, 2, 1)),
        ("group", "G", "", Decimal(50000), date(2016, 1, 1), None),
        ("entity", numbers[3], "north", Decimal(10), date(2016, 1, 1), None),
        ("account", numbers[4], "", None, date(2016, 1, 1), date(2017, 1, 1)),
    )
    found = watch(mm.database, policy, date(2016, 1, 31))
    together = members[0].owes + members[1].owes
    for number in numbers[:2]:
        row = found[number]
        assert (row["effective_limit"], row["limited_by"]) == (50000, "group")
        assert (row["headroom"], row["over_amount"], row["action"]) == (0, together - 50000, "reduce")
    assert (found[numbers[2]]["kind"], found[numbers[2]]["limit_amount"]) == ("temporary", 7)
    towards = found[f"{numbers[3]} north"]
    assert (towards["exposure"], towards["limited_by"]) == (members[3].owes, "entity")
    assert towards["over_amount"] == members[3].owes - 10
    assert found[numbers[3]]["limited_by"] == "account"
    unlimited = found[numbers[4]]
    assert (unlimited["limit_amount"], unlimited["effective_limit"], unlimited["headroom"]) == (None, None, None)
    assert (unlimited["over_amount"], unlimited["action"]) == (0, "keep")
    later = watch(mm.database, policy, date(2016, 2, 1))
    assert (later[numbers[2]]["kind"], later[numbers[2]]["limit_amount"]) == (
        "allocated",
        decided[numbers[2]]["limit_amount"],
    )


def test_who_is_set_to_a_tier_without_credit_loses_it_at_once_and_nobody_else_gains(mm: Said) -> None:
    policy = shipped_policies()[SHIPPED]
    publish(mm.database, {SHIPPED: policy}, SHIPPED, YEAR_END)
    decided = limits_of(mm.database)
    query(
        mm.database,
        "INSERT INTO tiering.override (policy_id, customer_id, tier, reason, requested_by, approved_by, valid_from, "
        "valid_to) VALUES (:policy_id, 'MM001', 'D', 'insolvent', 'Ann', 'Bob', :day, :end) RETURNING 1",
        policy_id=SHIPPED, day=date(2016, 1, 10), end=date(2016, 6, 1),
    )  # fmt: skip
    publish_people(mm.database, policy, date(2016, 1, 10))
    assert limits_of(mm.database) == decided
    found = watch(mm.database, policy, date(2016, 1, 31))
    assert (found["MM001"]["class"], found["MM001"]["limit_amount"], found["MM001"]["action"]) == ("D", 0, "stop")
    assert {number: row["limit_amount"] for number, row in found.items() if number != "MM001"} == {
        number: row["limit_amount"] for number, row in decided.items() if number != "MM001"
    }


def test_an_override_of_the_days_of_a_run_decides_its_limits_anew(mm: Said) -> None:
    policy = shipped_policies()[SHIPPED]
    publish(mm.database, {SHIPPED: policy}, SHIPPED, YEAR_END)
    query(
        mm.database,
        "INSERT INTO tiering.override (policy_id, customer_id, tier, reason, requested_by, approved_by, valid_from, "
        "valid_to) VALUES (:policy_id, 'MM001', 'D', 'insolvent', 'Ann', 'Bob', :day, :end) RETURNING 1",
        policy_id=SHIPPED, day=date(2015, 12, 1), end=date(2016, 6, 1),
    )  # fmt: skip
    publish_people(mm.database, policy, date(2016, 1, 10))
    limits = limits_of(mm.database)
    assert (limits["MM001"]["class"], limits["MM001"]["limit_amount"]) == ("D", 0)
    assert sum(row["limit_amount"] for row in limits.values()) == 936 * UNIT


def test_positions_are_kept_of_month_ends_of_days_of_limits_and_of_the_latest_day(mm: Said) -> None:
    policy = shipped_policies()[SHIPPED]
    publish(mm.database, {SHIPPED: policy}, SHIPPED, YEAR_END)
    for as_of in (date(2016, 1, 30), date(2016, 1, 31), date(2016, 2, 1), date(2016, 2, 2)):
        watch(mm.database, policy, as_of)
    kept = [row[0] for row in query(mm.database, "SELECT DISTINCT as_of FROM tiering.receivable_position ORDER BY 1")]
    assert kept == [YEAR_END, date(2016, 1, 31), date(2016, 2, 2)]


# In `tiering explain`


def credit_of(database: Database, number: str, language: str = "en") -> list[tuple[str, ...]]:
    (account,) = read_accounts(database, number, SHIPPED)
    words = Language(language)
    title = words("Credit")
    sections = explain_account(account, words, "CNY").sections
    return [row.cells for section in sections if section.title == title for row in section.rows]


def test_an_explanation_tells_the_limit_and_what_is_owed(mm: Said) -> None:
    policy = shipped_policies()[SHIPPED]
    publish(mm.database, {SHIPPED: policy}, SHIPPED, YEAR_END)
    before = credit_of(mm.database, "MM001")
    assert before == [
        ("Limit", "CN¥99,574"),
        ("Why", "a share of the budget (budget CN¥9,360,000, 450 accounts)"),
        ("Owed then", "CN¥42,105"),
        ("To do then", "Nothing to do"),
    ]
    give(mm.database, ("account", "MM001", "", Decimal(40000), date(2016, 1, 1), date(2016, 2, 1)))
    watch(mm.database, policy, date(2016, 1, 31))
    assert credit_of(mm.database, "MM001")[4:] == [
        ("Owed", "CN¥42,105 on January 31, 2016"),
        ("Limit for a while", "CN¥40,000"),
        ("Lowest limit", "CN¥40,000 (limit of the account)"),
        ("Over", "CN¥2,105 since January 31, 2016"),
        ("To do", "Bring the debt down"),
    ]
    nothing = next(number for number, row in limits_of(mm.database).items() if row["class"] == "D")
    assert ("Why", "nothing: this tier has no credit (budget CN¥9,360,000, 450 accounts)") in credit_of(
        mm.database, nothing
    )
