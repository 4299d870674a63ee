"""Measures: every value against a computation of its own from the source's rows, nothing after as_of."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import re
import runpy
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from companies import (
    ENGINES,
    ROOT,
    Said,
    Warehouses,
    batch_of,
    clean_company,
    customer,
    demo_policies,
    fresh,
    loaded,
    query,
    read_frame,
    said,
    sale,
    tables_of,
    warehouses,
)
from test_statements import every_column

from sql.connect import Database, connected
from sql.contract import ENTITIES
from sql.errors import TieringError
from sql.measure import GRAINS, columns_for, measure_statement, read_library, take_measures
from transforms.policy import parse_policy

POLICIES = demo_policies()
MONTH_END, YEAR_END = date(2026, 1, 31), date(2025, 12, 31)
CENT = Decimal("0.01")


# The model: plain Python over the ERP's rows as they were before any fault was planted.


def _rows(table: str) -> list[dict[str, Any]]:
    return list(clean_company().tables[table].to_pylist())


@cache
def _rates() -> dict[tuple[str, date], Decimal]:
    return {(row["currency_code"], row["quote_day"]): row["cny_per_unit"] for row in _rows("fx_rate")}


def _in_cny(amount: Decimal, currency: str, day: date) -> Decimal:
    if currency == "CNY":
        return amount
    for age in range(8):
        known = _rates().get((currency, day - timedelta(days=age)))
        if known is not None:
            return (amount * known).quantize(CENT, ROUND_HALF_UP)
    raise AssertionError(f"no rate for {currency} on {day}")


@dataclass
class Account:
    """What the model knows of an account."""

    sales: list[tuple[date, str, bool, Decimal, Decimal]] = field(default_factory=list)
    received: list[tuple[date, Decimal]] = field(default_factory=list)


def _accounts(as_of: date, *, by_payer: bool) -> dict[str, Account]:
    partners = [row for row in _rows("business_partner") if row["opened_day"] <= as_of]
    known = {row["partner_no"] for row in partners}
    account_of = {
        row["partner_no"]: row["payer_no"] if by_payer and row["payer_no"] in known else row["partner_no"]
        for row in partners
    }
    accounts: dict[str, Account] = defaultdict(Account)
    for account in account_of.values():
        accounts[account]
    invoices = {row["invoice_no"]: row for row in _rows("invoice")}
    for line in _rows("invoice_line"):
        head = invoices[line["invoice_no"]]
        if head["posting_day"] > as_of or head["sold_to_no"] not in account_of:
            continue
        net = _in_cny(line["net_value"], head["currency_code"], head["posting_day"])
        gross = _in_cny(line["net_value"] + line["vat_value"], head["currency_code"], head["posting_day"])
        is_credit = head["document_kind"] == "GS"
        if is_credit:
            net, gross = -abs(net), -abs(gross)
        entry = (head["posting_day"], head["invoice_no"], is_credit, net, gross)
        accounts[account_of[head["sold_to_no"]]].sales.append(entry)
    for receipt in _rows("cash_receipt"):
        if receipt["value_day"] > as_of or receipt["debtor_no"] not in account_of:
            continue
        amount = _in_cny(receipt["receipt_amount"], receipt["currency_code"], receipt["value_day"])
        if receipt["receipt_kind"] == "REFD":
            amount = -abs(amount)
        accounts[account_of[receipt["debtor_no"]]].received.append((receipt["value_day"], amount))
    return dict(accounts)


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1)


def _model_of_trade(as_of: date) -> dict[str, dict[str, Any]]:
    start = _year_before(as_of)
    found = {}
    for number, account in _accounts(as_of, by_payer=False).items():
        inside = [entry for entry in account.sales if entry[0] > start]
        bought = [entry[0] for entry in account.sales if not entry[2]]
        found[number] = {
            "net_sales": sum((entry[3] for entry in inside), Decimal(0)),
            "order_count": len({entry[1] for entry in inside if not entry[2]}),
            "recency_days": (as_of - max(bought)).days if bought else None,
        }
    return found


def _quintiles(values: dict[str, Any]) -> dict[str, int]:
    ordered = sorted(values.values())
    return {number: 1 + 5 * ordered.index(value) // len(values) for number, value in values.items()}


def _model_of_rfm(as_of: date) -> dict[str, dict[str, Any]]:
    found = _model_of_trade(as_of)
    graded = {number: row for number, row in found.items() if row["recency_days"] is not None}
    frequency = _quintiles({number: row["order_count"] for number, row in graded.items()})
    monetary = _quintiles({number: row["net_sales"] for number, row in graded.items()})
    for number, row in found.items():
        row |= {
            "frequency": frequency.get(number),
            "monetary": monetary.get(number),
            "is_graded": number in graded,
        }
    return found


def _model_of_pyramid(as_of: date) -> dict[str, dict[str, Any]]:
    found = _model_of_trade(as_of)
    graded = sorted((row["net_sales"] for row in found.values() if row["net_sales"] > 0), reverse=True)
    for row in found.values():
        is_graded = row["net_sales"] > 0
        row["sales_rank"] = graded.index(row["net_sales"]) + 1 if is_graded else None
        row["customers"] = len(graded) if is_graded else None
        row["is_graded"] = is_graded
        del row["order_count"], row["recency_days"]
    return found


def _cut_off(over: Decimal, under: Decimal) -> Decimal:
    """Divide amounts, cut off after 18 digits towards zero."""
    units = int(over * 10_000) * 10**18
    return Decimal(abs(units) // int(under * 10_000)).scaleb(-18) * (1 if units >= 0 else -1)


def _model_of_collection(as_of: date) -> dict[str, dict[str, Any]]:
    start = date(as_of.year - 1, 12, 31)
    found = {}
    for number, account in _accounts(as_of, by_payer=True).items():
        inside = [entry for entry in account.sales if entry[0] > start]
        net, gross = (sum((entry[i] for entry in inside), Decimal(0)) for i in (3, 4))
        received = sum((amount for day, amount in account.received if day > start), Decimal(0))
        orders: dict[str, Decimal] = defaultdict(Decimal)
        for _, document, is_credit, line, _ in inside:
            if not is_credit:
                orders[document] += line
        found[number] = {
            "net_sales": net,
            "gross_sales": gross,
            "collection_rate": _cut_off(received, gross) if gross > 0 else None,
            "largest_order": max(orders.values(), default=None),
            "average_order": _cut_off(net, Decimal(len(orders))) if orders else None,
        }
    best = sorted(found, key=lambda number: (-found[number]["net_sales"], -found[number]["gross_sales"], number))
    for number, row in found.items():
        row["is_key"] = row["net_sales"] > 0 and number in best[:100]
        row["is_graded"] = True
    return found


MODELS = {
    "rfm_555": (_model_of_rfm, MONTH_END),
    "pyramid": (_model_of_pyramid, MONTH_END),
    "collection_classes": (_model_of_collection, YEAR_END),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("policy_id", MODELS)
def test_every_indicator_of_every_account_is_what_the_source_rows_give(
    policy_id: str,
    engine: str,
    warehouses: Warehouses,
) -> None:
    model, as_of = MODELS[policy_id]
    database = warehouses.loaded(engine)
    _, table = read_frame(database, POLICIES, policy_id, as_of)
    wanted = model(as_of)
    found = {row.pop("account_id"): row for row in table.to_pylist()}
    assert list(found) == sorted(wanted)
    for number, row in found.items():
        row.pop("account_manager_id")
        assert row == wanted[number], number
    assert sum(row["is_graded"] for row in found.values()) > 60
    warehouses.drop(database)


def test_the_model_sees_what_matters() -> None:
    rfm, collection = _model_of_rfm(MONTH_END), _model_of_collection(YEAR_END)
    assert {row["monetary"] for row in rfm.values()} == {1, 2, 3, 4, 5, None}
    shares = [row["collection_rate"] for row in collection.values() if row["collection_rate"] is not None]
    assert min(shares) < Decimal("0.8") < Decimal(1) < max(shares)
    assert any(row["collection_rate"] is None for row in collection.values())
    assert len(_model_of_collection(YEAR_END)) < len(_model_of_trade(YEAR_END))
    assert any(entry[2] for account in _accounts(MONTH_END, by_payer=False).values() for entry in account.sales)
    assert {row["currency_code"] for row in _rows("invoice")} >= {"CNY", "EUR", "USD"}


@pytest.mark.parametrize("policy_id", MODELS)
def test_both_engines_give_equal_tables(policy_id: str, warehouses: Warehouses) -> None:
    tables = []
    for engine in ("duckdb", "postgresql"):
        database = warehouses.loaded(engine)
        tables.append(read_frame(database, POLICIES, policy_id, MODELS[policy_id][1])[1])
        warehouses.drop(database)
    assert tables[0].schema.equals(tables[1].schema)
    assert tables[0].equals(tables[1])


def test_nothing_after_the_day_has_any_influence(loaded: Database) -> None:
    before = {policy_id: read_frame(loaded, POLICIES, policy_id, YEAR_END)[1] for policy_id in MODELS}
    day_after = "DATE '2026-01-01'"
    for table, key, day, amount in (
        ("sales", "line_id", "sold_on", "net_amount_reporting"),
        ("payments", "payment_id", "paid_on", "amount_reporting"),
    ):
        columns = [
            name
            for name, _ in query(
                loaded,
                "SELECT column_name, 1 FROM information_schema.columns WHERE table_schema = "
                f"'facts' AND table_name = '{table}'",
            )
        ]
        replaced = {key: f"{key} || '-later'", day: day_after, amount: f"{amount} * 1000"}
        values = ", ".join(replaced.get(name, name) for name in columns)
        query(
            loaded,
            f"INSERT INTO facts.{table} ({', '.join(columns)}) SELECT {values} FROM facts.{table} "
            f"WHERE {day} <= {day_after}",
        )
    query(loaded, "INSERT INTO facts.customers (customer_id, name, opened_on, holds_from, batch_no) "
                  f"VALUES ('LATER', 'Later', {day_after}, DATE '2026-02-28', 1)")  # fmt: skip
    query(loaded, "INSERT INTO facts.customers (customer_id, name, bill_to_id, status, holds_from, batch_no) "
                  "SELECT customer_id, name, 'X', 'left', DATE '2026-03-31', 1 FROM "
                  "facts.customers")  # fmt: skip
    query(loaded, "DELETE FROM tiering.measurement")
    for policy_id in MODELS:
        assert read_frame(loaded, POLICIES, policy_id, YEAR_END)[1].equals(before[policy_id]), policy_id
    later = read_frame(loaded, POLICIES, "pyramid", MONTH_END)[1]
    assert "LATER" in later["account_id"].to_pylist()


def test_windows_are_open_at_the_start_and_closed_at_the_end(said: Said) -> None:
    days = ["2023-02-28", "2023-03-01", "2024-02-28", "2024-02-29", "2024-03-01"]
    said.put("sales", [sale(f"S{i}", sold_on=day, net_amount=f"{10**i}.00") for i, day in enumerate(days)])
    said.load(batch_of("2023-01", 15))
    _, table = read_frame(said.database, POLICIES, "pyramid", date(2024, 2, 29))
    row = table.to_pylist()[0]
    assert (row["account_id"], row["net_sales"]) == (
        "C1",
        Decimal(1110),
    )  # 12 months back from 29 Feb is 28 Feb
    _, table = read_frame(said.database, POLICIES, "rfm_555", date(2024, 2, 29))
    assert table.to_pylist()[0]["recency_days"] == 0


def test_who_has_left_is_out_of_scope_and_versions_hold_from_their_day(said: Said) -> None:
    said.put("customers", [customer("C1"), customer("C2", status="active")])
    said.load(batch_of("2024-01"))
    said.put("customers", [customer("C1", account_manager_id="M2"), customer("C2", status="left")])
    said.load(batch_of("2024-03"))
    managers = {}
    for day in (date(2023, 12, 31), date(2024, 2, 29), date(2024, 3, 31)):
        _, table = read_frame(said.database, POLICIES, "pyramid", day)
        managers[day.month] = dict(
            zip(table["account_id"].to_pylist(), table["account_manager_id"].to_pylist(), strict=True)
        )
    assert managers == {12: {"C1": "M1", "C2": "M1"}, 2: {"C1": "M1", "C2": "M1"}, 3: {"C1": "M2"}}


def test_measures_are_kept_until_the_facts_change(loaded: Database) -> None:
    def kept() -> int:
        return len([name for name in tables_of(loaded, "work") if name.startswith("measures_")])

    first, _ = read_frame(loaded, POLICIES, "pyramid", MONTH_END)
    second, _ = read_frame(loaded, POLICIES, "rfm_555", MONTH_END)  # the other policy of the grain finds them there
    assert (first, kept()) == (second, 1)
    assert read_frame(loaded, POLICIES, "pyramid", YEAR_END)[0].table != first.table
    assert kept() == 2
    query(loaded, "UPDATE tiering.batch SET batch_no = batch_no + 1")
    query(
        loaded,
        "UPDATE facts.sales SET batch_no = batch_no + 1 WHERE line_id = (SELECT MIN(line_id) FROM facts.sales)",
    )
    third, _ = read_frame(loaded, POLICIES, "pyramid", MONTH_END)
    assert third.measurement_id != first.measurement_id
    assert (third.facts_batch_no, kept()) == (2, 3)
    assert query(loaded, "SELECT COUNT(*) FROM tiering.measurement") == [(3,)]


def test_an_empty_warehouse_measures_nobody(fresh: Database) -> None:
    for policy_id, (_, as_of) in MODELS.items():
        measurement, table = read_frame(fresh, POLICIES, policy_id, as_of)
        assert (measurement.rows, table.num_rows) == (0, 0)
        assert set(POLICIES[policy_id].indicators) < set(table.column_names)


TEXT = """
id: p
title: {{en: P}}
ref: S0
grain: {grain}
schedule: "0 6 2 * *"
as_of: previous_month_end
tiers: [a, b]
indicators: {{x: {indicator}, y: {{measure: net_sales, window: ever}}}}
decide: {{rules: [{{tier: a, when: y > 0}}, {{tier: b}}]}}
"""

REFUSED = {
    "{measure: nett_sales, window: ever}": (
        "policy p, indicator x: there is no measure nett_sales; did you mean net_sales?"
    ),
    "{measure: collection_rate, window: ever}": "there is no measure collection_rate; name its basis: gross or net",
    "{measure: dso, window: 12 months}": "there is no measure dso; name its basis: gross or net",
    "{measure: weather, window: ever}": "there is no measure weather; see docs/measures.md",
    "{measure: net_sales, window: ever, basis: net}": "net_sales takes no basis; leave it out",
    "{measure: net_sales}": "net_sales needs a window, such as 12 months or calendar_year",
    "{measure: overdue_amount, window: ever}": "overdue_amount takes no window; leave it out",
    "{measure: sales_growth, window: ever}": "sales_growth has nothing to compare with before `ever`",
    "{measure: balance}": "balance needs a kind: which balance, such as assets",
    "{measure: event_count, window: ever}": "event_count needs a kind: which events, such as life_event",
    "{measure: net_sales, window: ever, kind: visit}": "net_sales takes no kind; leave it out",
    "{measure: months_to_close}": "is measured at grain opportunity, and the policy's grain is customer",
    "{measure: nature}": "nature is a text; say unit: text",
    f"{{measure: contact_count, window: ever, kind: [{', '.join(f'channel_{n}' for n in range(7))}]}}": (
        "characters, and a database keeps 63; shorten the name, or ask for fewer kinds at once"
    ),
    f"{{attribute: {'a' * 60}}}": "has 77 characters, and a database keeps 63",
}


@pytest.mark.parametrize("indicator", REFUSED)
def test_what_the_library_does_not_take_is_refused_with_what_to_do(indicator: str) -> None:
    policy = parse_policy(TEXT.format(indicator=indicator, grain="customer"), "p.yaml")
    with pytest.raises(TieringError) as caught:
        columns_for([policy])
    assert str(caught.value).startswith("policy p, indicator x: ")
    assert REFUSED[indicator] in str(caught.value)


def test_nothing_is_measured_for_a_policy_that_is_refused(warehouses: Warehouses) -> None:
    policy = parse_policy(TEXT.format(indicator="{measure: weather, window: ever}", grain="customer"), "p.yaml")
    database = warehouses.empty("duckdb")
    with connected(database, "tiering_warehouse") as connection, pytest.raises(TieringError):
        take_measures(connection, [policy], "customer", MONTH_END)
    warehouses.drop(database)


def test_kinds_that_would_share_a_column_are_refused() -> None:
    policies = [
        parse_policy(TEXT.format(indicator=f"{{measure: balance, kind: {kind}}}", grain="customer"), "p.yaml")
        for kind in ("[a, b_c]", "[a_b, c]")
    ]
    for policy in policies:
        assert columns_for([policy])[0] == "balance__a_b_c"
    with pytest.raises(TieringError, match="kinds a_b and c and another indicator's a and b_c would share the column"):
        columns_for(policies)


COLUMNS = {
    "{measure: collection_rate, basis: gross, window: 12 months}": ["collection_rate_gross__12_months"],
    "{measure: receivable_balance}": ["receivable_balance"],
    "{measure: contact_count, window: 90 days, kind: [visit, phone, visit]}": ["contact_count__phone_visit__90_days"],
    "{measure: contact_count, window: 90 days}": ["contact_count__90_days"],
    "{measure: days_since_contact, kind: visit}": ["days_since_contact__visit"],
    "{attribute: industry}": ["attribute__industry__text"],
    "{attribute: is_blocked, unit: flag}": ["attribute__is_blocked__flag"],
    "{attribute: employees, unit: count}": ["attribute__employees__number"],
    "{assessment: relation}": ["assessment__relation__number", "assessment__relation__on"],
    "{assessment: relation, unit: text}": ["assessment__relation__on", "assessment__relation__text"],
}


@pytest.mark.parametrize("indicator", COLUMNS)
def test_a_column_is_named_for_what_it_holds(indicator: str) -> None:
    policy = parse_policy(TEXT.format(indicator=indicator, grain="customer"), "p.yaml")
    assert columns_for([policy]) == sorted([*COLUMNS[indicator], "net_sales__ever"])


def test_only_what_is_asked_for_is_computed() -> None:
    statement = measure_statement("customer", ["received__90_days"])
    assert "facts.payments" in statement
    assert "facts.sales" not in statement
    assert "start_90_days" in statement
    statement = measure_statement("customer", ["order_count__ever"])
    assert "facts.payments" not in statement
    assert "gross_sales__" not in statement
    statement = measure_statement("customer", ["receivable_balance"])
    assert "facts.receivables" in statement
    assert "facts.sales" not in statement


@pytest.mark.parametrize("grain", GRAINS)
def test_every_table_of_facts_is_read_once(grain: str) -> None:
    statement = measure_statement(grain, every_column(grain))
    tables = re.findall(r"\bfacts\.(\w+)", statement)
    assert sorted(tables) == sorted(set(tables))
    assert set(tables) == set(ENTITIES) - {"account_managers", "exchange_rates", "plan"}


@pytest.mark.parametrize("grain", GRAINS)
def test_no_column_at_all_is_still_a_statement(grain: str, fresh: Database) -> None:
    with connected(fresh, "tiering_warehouse") as connection:
        assert take_measures(connection, [], grain, MONTH_END).rows == 0


def test_the_table_of_measures_is_what_the_generator_makes() -> None:
    generator = runpy.run_path(str(ROOT / "tools" / "measure_table.py"))
    page = (ROOT / "docs" / "measures.md").read_text(encoding="utf-8")
    assert page == generator["render_measures"](), "run: .venv/bin/python tools/measure_table.py"


def test_every_measure_is_documented() -> None:
    library = read_library()
    assert len(library) > 80
    for measure in library.values():
        assert measure.unit in (
            "money", "ratio", "count", "days", "months", "points", "number", "flag", "text",
        )  # fmt: skip
        assert len(measure.meaning) > 10
        assert measure.undefined_when
        assert re.fullmatch(r"S[0-9]+[a-e]?", measure.source), measure.name
        assert set(measure.grains) <= set(GRAINS)


def test_a_measure_names_entities_and_optional_columns_that_the_contract_has() -> None:
    for measure in read_library().values():
        for read in measure.entity:
            entity, _, column = read.partition(".")
            assert entity in ENTITIES, measure.name
            assert not column or column in ENTITIES[entity].optional or column.startswith("attr_"), measure.name


def test_amounts_stay_exact_beyond_what_a_float_holds(said: Said) -> None:
    amounts = ["9007199254740993.55", "0.01", "0.01"]
    said.put("sales", [sale(f"S{i}", net_amount=amount, tax_amount="0.00") for i, amount in enumerate(amounts)])
    said.load(batch_of("2024-01"))
    _, table = read_frame(said.database, POLICIES, "pyramid", date(2024, 1, 31))
    assert table["net_sales"].to_pylist()[0] == Decimal("9007199254740993.57")
    assert table.schema.field("net_sales").type == pa.decimal128(38, 18)
