"""Held accounts: whose inputs are refused or were skipped, as of a day, until they are extracted again."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from companies import (
    ON_THE_SERVER,
    Row,
    Said,
    batch_of,
    contents,
    customer,
    fresh,
    query,
    said,
    sale,
    warehouses,
)

from sql.connect import Database, connected
from sql.contract import ENTITIES
from sql.extract import Batch
from sql.facts import facts_batch_no
from sql.held import Input, inputs_of, read_held_accounts
from tiering import jobs
from transforms.calendar import EVER
from transforms.policy import Policy, parse_policy

JANUARY, FEBRUARY, MARCH = (batch_of(f"2024-{number:02}") for number in (1, 2, 3))


def policy_of(grain: str, *indicators: str, condition: str = "i0 >= 1") -> Policy:
    """A policy with these indicators, named i0, i1, ….

    >>> policy_of("customer", "measure: net_sales, window: ever, unit: money").grain
    'customer'
    """
    lines = "".join(f"  i{number}: {{{text}, title: {{en: i, zh: 指}}}}\n" for number, text in enumerate(indicators))
    return parse_policy(
        "id: held\ntitle: {en: Held, zh: 暂}\nref: S1\nschedule: '0 6 * * *'\nas_of: run_day\ntiers: [A, B]\n"
        f"grain: {grain}\nindicators:\n{lines}"
        f"decide:\n  rules:\n    - {{tier: A, when: {condition}}}\n    - {{tier: B}}\n",
        "held",
    )


SALES = "measure: net_sales, window: 12 months, unit: money"
WEEK = "measure: net_sales, window: 7 days, unit: money"
RECEIVED = "measure: received, window: 12 months, unit: money"


def held(database: Database, policy: Policy, as_of: date) -> dict[str, str]:
    with connected(database, "tiering_warehouse") as connection:
        rows = read_held_accounts(connection, policy, as_of, facts_batch_no(connection)).to_pylist()
    return {row["account_id"]: row["reason"] for row in rows}


def january(said: Said, sales: list[Row]) -> None:
    said.put("customers", [customer("CA"), customer("CB"), customer("CC", bill_to_id="CB")])
    said.put("sales", [sale("S1", customer_id="CA"), *sales])
    for name in ("receivables", "payments"):
        said.put(name, [])


BAD = sale("S2", customer_id="CA", net_amount="much", sold_on="2024-01-10")


def test_a_refused_row_holds_its_account_while_its_day_is_seen_and_it_stands(said: Said) -> None:
    database = said.database
    policies = {grain: policy_of(grain, SALES) for grain in ("customer", "bill_to")}
    january(said, [BAD, sale("S3", customer_id="CC", net_amount="more"), sale("S4", customer_id="CX")])
    said.load(JANUARY)
    assert {row[0] for row in query(database, "SELECT customer_id FROM tiering.quarantine")} == {"CA", "CC", "CX"}
    last = JANUARY.last_day
    reason = "sales: unreadable"
    assert held(database, policies["customer"], last) == {"CA": reason, "CC": reason}
    assert held(database, policies["bill_to"], last) == {"CA": reason, "CB": reason}
    assert held(database, policies["customer"], date(2024, 1, 9)) == {}, "a row dated after the day is not seen"
    assert "CA" in held(database, policies["customer"], date(2024, 1, 10))
    assert held(database, policy_of("customer", WEEK), last) == {}, "nor one before the window"
    assert "CA" in held(database, policy_of("customer", WEEK, SALES), last), "the longest window counts"
    assert held(database, policy_of("customer", RECEIVED), last) == {}, "nor one that the policy does not read"
    said.put("sales", [sale("S1", customer_id="CA"), sale("S3", customer_id="CC"), {**BAD, "sold_on": "2024-01-32"}])
    said.load(JANUARY)
    assert held(database, policies["customer"], date(2024, 1, 2)) == {"CA": reason}, "a day that is none counts always"
    said.put("sales", [sale("S1", customer_id="CA"), sale("S2", customer_id="CA"), BAD | {"line_id": "S5"}])
    wider = Batch(date(2023, 12, 1), FEBRUARY.end)
    said.load(wider)
    assert held(database, policies["customer"], last) == {"CA": reason}, "a wider interval refuses another row"
    said.put("sales", [sale("S1", customer_id="CA"), sale("S5", customer_id="CA")])
    said.load(JANUARY)
    assert held(database, policies["customer"], last) == {}, "its own days were extracted again"
    assert query(database, "SELECT COUNT(*) FROM tiering.quarantine WHERE superseded_in IS NULL") != [(0,)]


@ON_THE_SERVER
def test_a_row_that_came_again_under_another_interval_holds_nobody(said: Said) -> None:
    january(said, [BAD])
    said.load(JANUARY)
    said.put("sales", [sale("S2", customer_id="CA", sold_on="2024-02-03")])
    said.load(FEBRUARY)
    assert held(said.database, policy_of("customer", SALES), FEBRUARY.last_day) == {}


def test_a_refused_customer_is_held_from_the_day_of_that_extract(said: Said) -> None:
    january(said, [])
    said.load(JANUARY)
    said.put("customers", [customer("CA", credit_limit="a lot"), customer("CB")])
    said.load(FEBRUARY)
    policy = policy_of("customer", RECEIVED)
    assert held(said.database, policy, FEBRUARY.last_day) == {"CA": "customers: unreadable"}
    assert held(said.database, policy, date(2024, 2, 28)) == {}
    said.put("customers", [customer("CA", credit_limit="9"), customer("CB")])
    said.load(MARCH)
    assert held(said.database, policy, MARCH.last_day) == {}


@ON_THE_SERVER
def test_days_that_were_skipped_hold_everybody_and_days_before_the_first_nobody(said: Said) -> None:
    january(said, [])
    said.load(JANUARY)
    said.load(MARCH)
    policy = policy_of("customer", SALES)
    everybody = dict.fromkeys(("CA", "CB", "CC"), "sales: 2024-02-01 was not extracted")
    assert held(said.database, policy, JANUARY.last_day) == {}
    assert held(said.database, policy, FEBRUARY.start) == everybody
    assert held(said.database, policy, MARCH.last_day) == everybody
    assert held(said.database, policy_of("customer", WEEK), MARCH.last_day) == {}, "the window is whole"
    assert set(held(said.database, policy, MARCH.end).values()) == {"sales: 2024-02-01 was not extracted"}
    contact = policy_of("customer", "measure: contact_count, window: 7 days, unit: count")
    assert set(held(said.database, contact, JANUARY.last_day).values()) == {"contacts: nothing was extracted"}
    said.load(FEBRUARY)
    assert held(said.database, policy, MARCH.last_day) == {}
    assert set(held(said.database, policy, MARCH.end).values()) == {"sales: 2024-04-01 was not extracted"}


@pytest.mark.parametrize("tasks", [1, 2])
def test_a_load_after_the_measures_frees_nobody(said: Said, tasks: int) -> None:
    database, policy = said.database, policy_of("customer", SALES, condition="i0 >= 150")
    january(said, [BAD])
    said.load(JANUARY)
    measured = jobs.measure(database, {policy.id: policy}, policy.id, JANUARY.last_day)
    said.put("sales", [sale("S1", customer_id="CA"), sale("S2", customer_id="CA")])
    said.load(JANUARY)
    if tasks == 1:
        jobs.decide(database, policy, measured)
    else:
        for part in (parts := jobs.split(database, policy, measured, tasks=tasks)):
            jobs.decide_range(database, policy, part)
        jobs.gather(database, policy, parts)
    found = query(database, "SELECT computed_tier, held_because FROM work.decided WHERE customer_id = 'CA'")
    assert found == [("B", "sales: unreadable")], "the row that came later is not in what was measured"


def test_the_inputs_of_a_policy_are_the_entities_of_its_measures_with_the_longest_window() -> None:
    as_of = date(2024, 3, 31)
    policy = policy_of(
        "customer",
        SALES,
        WEEK,
        "measure: sales_growth, window: 1 months, unit: ratio",
        "attribute: credit_rating, unit: text",
        "assessment: credit_level, unit: text",
    )
    assert inputs_of(policy, as_of) == [
        Input("customers", EVER, False),
        Input("customer_attributes", EVER, False),
        Input("sales", date(2023, 3, 31), False),
        Input("assessments", EVER, False),
    ]
    growth = policy_of("customer", "measure: sales_growth, window: 9 months, unit: ratio")
    assert inputs_of(growth, as_of)[1] == Input("sales", date(2022, 9, 30), False), "and of the window before"
    assert inputs_of(policy_of("request", "measure: is_urgent, unit: flag", condition="i0"), as_of)[1] == Input(
        "service_events", EVER, True
    )


@ON_THE_SERVER
@pytest.mark.parametrize("grain", ["opportunity", "request"])
def test_a_refused_account_of_such_a_grain_holds_itself_alone(grain: str, said: Said) -> None:
    january(said, [])
    entity, key = {"opportunity": ("opportunities", "opportunity_id"), "request": ("service_events", "event_id")}[grain]
    rows: list[Row] = [
        {key: number, "customer_id": "CA", "has_explicit_need": "1", "stage": "s", "opened_on": "2024-01-09",
         "kind": "request"}
        for number in ("X1", "X2")
    ]  # fmt: skip
    rows = [{name: row[name] for name in row if name in ENTITIES[entity].columns} for row in rows]
    said.put(entity, rows)
    said.load(JANUARY)
    column = "has_explicit_need" if grain == "opportunity" else "closed_on"
    said.put(entity, [rows[0], {**rows[1], column: "2024-01-9x"}])
    said.load(FEBRUARY if grain == "opportunity" else Batch(date(2024, 1, 8), date(2024, 1, 10)))
    measure = {"opportunity": "measure: has_explicit_need, unit: flag", "request": "measure: is_urgent, unit: flag"}
    found = held(said.database, policy_of(grain, measure[grain], condition="i0"), JANUARY.last_day)
    assert found == {"X2": f"{entity}: unreadable"}
