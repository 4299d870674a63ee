"""The demo company: deterministic, readable through its SELECTs alone, and dirty exactly where it says so."""

# ruff: noqa: F401, F811 - fixtures come in by their names

import bisect
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from companies import ENGINES, WHOLE, Warehouses, clean_company, load, query, warehouses
from sqlalchemy import Connection, create_engine, text

from demo import Company, generate_company, load_company
from sql.contract import DERIVED, ENTITIES

SOURCE = Path(__file__).parents[1] / "sql" / "sources" / "demo"
EVERYTHING = {"batch_start": date(2000, 1, 1), "batch_end": date(2100, 1, 1)}
UNDATED = {"customers", "account_managers", "opportunities", "plan", "open_orders"}
BUSINESS_DATE = {
    "sales": "sold_on",
    "receivables": "issued_on",
    "payments": "paid_on",
    "assessments": "assessed_on",
    "contacts": "contacted_on",
    "service_events": "opened_on",
    "balances": "as_of",
    "exchange_rates": "valid_on",
    "prescriptions": "month",
    "surveys": "answered_on",
    "events": "happened_on",
}
COLUMNS = {
    "customers": "customer_id name account_manager_id bill_to_id group_id customer_type industry region "
    "opened_on currency credit_limit terms_days status is_blocked attr_ownership attr_employees "
    "attr_annual_revenue attr_revenue_growth attr_market_share attr_assets attr_debt_ratio attr_nature attr_listed "
    "attr_sex attr_birth_year attr_income_band attr_special_policy attr_special_settlement",
    "account_managers": "account_manager_id name email reports_to_id locale region",
    "sales": "line_id document_id customer_id sold_on net_amount currency tax_amount cost_amount "
    "document_type product_id quantity entity",
    "receivables": "document_id customer_id issued_on due_on gross_amount currency is_disputed entity",
    "payments": "payment_id customer_id paid_on amount currency document_id kind",
    "assessments": "customer_id indicator value assessed_on assessed_by evidence valid_to",
    "contacts": "contact_id customer_id contacted_on channel direction outcome",
    "opportunities": "opportunity_id customer_id has_explicit_need stage expected_close_on amount is_refused",
    "service_events": "event_id customer_id opened_on kind answered_seconds closed_on satisfaction "
    "is_urgent is_important grade",
    "balances": "customer_id as_of kind amount currency",
    "exchange_rates": "currency valid_on rate_to_reporting",
    "plan": "year revenue_budget gross_margin_rate vat_rate",
    "open_orders": "document_id customer_id ordered_on amount currency",
    "prescriptions": "customer_id month own_units competitor_units hospital_level behaviour patients",
    "surveys": "customer_id answered_on score question",
    "events": "customer_id happened_on kind",
}
# One query per planted rule, over the results of the SELECTs; each counts the faulty rows.
KNOWN = "SELECT customer_id FROM found.customers WHERE TRIM(customer_id) <> ''"
FAULTS = {
    ("customers", "missing_key"): "SELECT * FROM found.customers WHERE COALESCE(TRIM(customer_id), '') = ''",
    ("customers", "duplicate"): "SELECT * FROM found.customers WHERE TRIM(customer_id) <> '' "
    "QUALIFY ROW_NUMBER() OVER (PARTITION BY customer_id, account_manager_id, name) > 1",
    (
        "customers",
        "duplicate_conflict",
    ): "SELECT * FROM found.customers WHERE customer_id IN (SELECT customer_id "
    "FROM found.customers GROUP BY customer_id HAVING COUNT(DISTINCT account_manager_id) > 1)",
    ("sales", "missing_customer_id"): "SELECT * FROM found.sales WHERE COALESCE(TRIM(customer_id), '') = ''",
    ("sales", "duplicate"): "SELECT * FROM found.sales "
    "QUALIFY ROW_NUMBER() OVER (PARTITION BY line_id, net_amount) > 1",
    (
        "sales",
        "duplicate_conflict",
    ): "SELECT * FROM found.sales WHERE line_id IN (SELECT line_id FROM found.sales "
    "GROUP BY line_id HAVING COUNT(DISTINCT net_amount) > 1)",
    (
        "sales",
        "orphan",
    ): f"SELECT * FROM found.sales WHERE TRIM(customer_id) <> '' AND customer_id NOT IN ({KNOWN})",
    ("sales", "sign"): "SELECT * FROM found.sales WHERE net_amount < 0 AND document_type <> 'credit_note'",
    ("sales", "currency"): "SELECT * FROM found.sales "
    "WHERE currency IS NULL OR currency NOT IN ('CNY', 'EUR', 'USD', 'JPY', 'GBP', 'KWD')",
    (
        "sales",
        "no_rate",
    ): "SELECT * FROM found.sales AS sale WHERE currency IN ('EUR', 'USD', 'JPY', 'GBP', 'KWD') "
    "AND NOT EXISTS (SELECT 1 FROM found.exchange_rates AS quote WHERE quote.currency = sale.currency "
    "AND quote.valid_on BETWEEN sale.sold_on - 7 AND sale.sold_on)",
    ("receivables", "due_before_issued"): "SELECT * FROM found.receivables WHERE due_on < issued_on",
    ("receivables", "orphan"): f"SELECT * FROM found.receivables WHERE customer_id NOT IN ({KNOWN})",
    ("receivables", "duplicate"): "SELECT * FROM found.receivables "
    "QUALIFY ROW_NUMBER() OVER (PARTITION BY document_id) > 1",
    ("payments", "missing_customer_id"): "SELECT * FROM found.payments WHERE COALESCE(TRIM(customer_id), '') = ''",
    ("payments", "orphan"): "SELECT * FROM found.payments "
    f"WHERE TRIM(customer_id) <> '' AND customer_id NOT IN ({KNOWN})",
    ("payments", "sign"): "SELECT * FROM found.payments WHERE amount < 0 AND kind <> 'refund'",
}


@pytest.fixture(scope="module")
def company() -> Company:
    return generate_company()


@pytest.fixture(scope="module")
def found(company: Company) -> Iterator[Connection]:
    """What every SELECT returns, kept as found.<entity>."""
    engine = create_engine("duckdb:///:memory:")
    load_company(engine, company)
    load_company(engine, company)  # loading again replaces
    with engine.connect() as connection:
        connection.execute(text("CREATE SCHEMA found"))
        for path in SOURCE.glob("*.sql"):
            kept = {} if path.stem in UNDATED else EVERYTHING
            connection.execute(text(f"CREATE TABLE found.{path.stem} AS {path.read_text('utf-8')}"), kept)
        yield connection
    engine.dispose()


def test_equal_arguments_give_equal_tables(company: Company) -> None:
    again = generate_company()
    assert again.dirt == company.dirt
    assert list(again.tables) == list(company.tables)
    assert all(again.tables[name].equals(table) for name, table in company.tables.items())


def test_another_seed_gives_another_company(company: Company) -> None:
    other = generate_company(seed=8).tables
    assert not [name for name in other if other[name].equals(company.tables[name]) and name != "sales_rep"]


def test_a_company_too_small_for_the_dirt_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 100 customers"):
        generate_company(customers=20)


@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_company_has_room_for_all_dirt(seed: int, company: Company) -> None:
    assert generate_company(customers=100, seed=seed).dirt == company.dirt


def test_the_source_has_every_entity_that_a_file_may_name() -> None:
    assert {path.stem for path in SOURCE.glob("*.sql")} == set(COLUMNS) == set(ENTITIES) - DERIVED


@pytest.mark.parametrize("entity", COLUMNS)
def test_a_select_returns_rows_in_the_columns_of_the_contract(found: Connection, entity: str) -> None:
    result = found.execute(text(f"SELECT * FROM found.{entity}"))
    assert list(result.keys()) == COLUMNS[entity].split()
    assert result.fetchone() is not None


@pytest.mark.parametrize(("entity", "column"), BUSINESS_DATE.items())
def test_batches_are_half_open_and_lose_no_row(found: Connection, entity: str, column: str) -> None:
    statement = text((SOURCE / f"{entity}.sql").read_text("utf-8"))
    edge = found.execute(text(f"SELECT MAX({column}) FROM found.{entity}")).scalar_one()
    before = found.execute(statement, {"batch_start": date(2000, 1, 1), "batch_end": edge}).fetchall()
    on_the_day = found.execute(statement, {"batch_start": edge, "batch_end": edge + timedelta(1)}).fetchall()
    position = COLUMNS[entity].split().index(column)
    assert on_the_day
    assert {row[position] for row in on_the_day} == {edge}
    assert all(row[position] < edge for row in before)
    total = found.execute(text(f"SELECT COUNT(*) FROM found.{entity}")).scalar_one()
    assert len(before) + len(on_the_day) == total


def test_every_planted_rule_is_looked_for(company: Company) -> None:
    assert set(company.dirt) == set(FAULTS)


@pytest.mark.parametrize("rule", FAULTS, ids="-".join)
def test_the_planted_dirt_is_found_and_nothing_else(found: Connection, company: Company, rule: tuple[str, str]) -> None:
    assert found.execute(text(f"SELECT COUNT(*) FROM ({FAULTS[rule]})")).scalar_one() == company.dirt[rule] > 0


@pytest.mark.parametrize(
    ("entity", "key"), [("sales", "line_id"), ("receivables", "document_id"), ("payments", "payment_id")]
)
def test_a_dirty_row_breaks_one_rule_only(found: Connection, entity: str, key: str) -> None:
    broken = [
        row[0]
        for (of, _), query in FAULTS.items()
        if of == entity
        for row in found.execute(text(f"SELECT DISTINCT {key} FROM ({query})"))
    ]
    assert len(broken) == len(set(broken))


def test_sales_to_refuse_are_not_receivables_too(found: Connection) -> None:
    refused = " UNION ALL ".join(
        f"SELECT document_id FROM ({query})"
        for (entity, rule), query in FAULTS.items()
        if entity == "sales" and rule != "duplicate"
    )
    statement = f"SELECT COUNT(*) FROM found.receivables WHERE document_id IN ({refused})"
    assert found.execute(text(statement)).scalar_one() == 0


def test_some_orphans_are_customers_without_their_leading_zeros(found: Connection) -> None:
    statement = f"SELECT COUNT(*) FROM ({FAULTS['sales', 'orphan']}) WHERE LPAD(customer_id, 6, '0') IN ({KNOWN})"
    assert found.execute(text(statement)).scalar_one() >= 2


def test_customers_with_two_managers_have_no_documents(found: Connection) -> None:
    torn = f"SELECT customer_id FROM ({FAULTS['customers', 'duplicate_conflict']})"
    for entity in ("sales", "receivables", "payments", "contacts", "open_orders", "balances"):
        statement = f"SELECT COUNT(*) FROM found.{entity} WHERE customer_id IN ({torn})"
        assert found.execute(text(statement)).scalar_one() == 0


def test_dirt_lies_in_each_year(found: Connection) -> None:
    query = " UNION ALL ".join(
        f"SELECT sold_on FROM ({query})" for (entity, _), query in FAULTS.items() if entity == "sales"
    )
    years = found.execute(text(f"SELECT DISTINCT EXTRACT(YEAR FROM sold_on) FROM ({query})")).scalars()
    assert {2024, 2025, 2026} <= set(years)


def test_there_are_oddities_that_are_no_faults(found: Connection) -> None:
    def count(condition: str) -> int:
        return int(found.execute(text(f"SELECT COUNT(*) FROM found.{condition}")).scalar_one())

    assert count("payments WHERE paid_on > DATE '2026-03-31'") > 0
    assert count("payments WHERE document_id IS NULL AND kind = 'prepayment'") > 0
    assert count("sales WHERE net_amount = 0") > 0
    assert count("sales WHERE net_amount < 0 AND document_type = 'credit_note'") > 0
    assert count("customers WHERE account_manager_id IS NULL") > 0
    assert count("customers WHERE name <> TRIM(name)") > 0
    assert count("customers WHERE TRIM(name) LIKE '%  %'") > 0
    assert count("account_managers WHERE email IS NULL") == 1
    assert count("customers WHERE opened_on > DATE '2025-10-31'") >= 5


def test_rates_leave_no_gap_of_more_than_four_days(found: Connection) -> None:
    gaps = (
        "SELECT valid_on - LAG(valid_on) OVER (PARTITION BY currency ORDER BY valid_on) AS days "
        "FROM found.exchange_rates"
    )
    assert 3 <= found.execute(text(f"SELECT MAX(days) FROM ({gaps})")).scalar_one() <= 4


def test_every_collection_class_occurs_and_many_accounts_move(found: Connection) -> None:
    """Receipts of the year over gross sales of the year, per paying account, in its own currency."""
    billed: dict[tuple[str, int], int] = {}
    received: dict[tuple[str, int], int] = {}
    payer = dict(found.execute(text("SELECT customer_id, bill_to_id FROM found.customers")).fetchall())
    for table, amount, day, into in (
        ("sales", "net_amount + tax_amount", "sold_on", billed),
        ("payments", "amount", "paid_on", received),
    ):
        rows = found.execute(text(f"SELECT customer_id, {day}, {amount} FROM found.{table}"))
        for customer, on, value in rows:
            key = payer.get(customer), on.year
            into[key] = into.get(key, 0) + value

    def grade(account: str, year: int) -> str:
        rate = received.get((account, year), 0) / billed[account, year]
        return "A" if rate >= 1 else "B" if rate >= 0.9 else "C" if rate >= 0.8 else "D"

    accounts = {year: {account for account, of in billed if of == year and account} for year in (2024, 2025)}
    for year in (2024, 2025):
        grades = [grade(account, year) for account in accounts[year]]
        assert all(grades.count(name) >= 0.10 * len(grades) for name in "ABCD"), (year, grades)
    both = accounts[2024] & accounts[2025]
    assert sum(grade(account, 2024) != grade(account, 2025) for account in both) > len(both) / 3


def test_the_top_one_percent_and_the_next_four_change_hands(found: Connection) -> None:
    """By net sales of the last twelve months in CNY, at rough rates, at four month ends."""
    statement = text(
        "SELECT customer_id FROM found.sales WHERE sold_on > :start AND sold_on <= :stop "
        "AND currency IN ('CNY', 'EUR', 'USD', 'JPY') GROUP BY customer_id "
        "ORDER BY SUM(net_amount * CASE currency "
        "WHEN 'EUR' THEN 7.8 WHEN 'USD' THEN 7.2 WHEN 'JPY' THEN 0.05 ELSE 1 END) DESC"
    )
    tops, nexts = set(), set()
    for stop in (date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)):
        ranked = found.execute(statement, {"start": stop - timedelta(365), "stop": stop}).scalars().all()
        top, following = round(len(ranked) * 0.01), round(len(ranked) * 0.05)
        tops.add(frozenset(ranked[:top]))
        nexts.add(frozenset(ranked[top:following]))
    assert len(tops) > 1
    assert len(nexts) > 1


def test_money_is_decimal_and_the_yen_is_whole(found: Connection, company: Company) -> None:
    floats = [
        (name, field.name)
        for name, table in company.tables.items()
        for field in table.schema
        if pa.types.is_floating(field.type)
    ]
    assert floats == []
    money = {field.type for field in company.tables["invoice_line"].schema if field.name.endswith("_value")}
    assert money == {pa.decimal128(18, 2)}
    assert company.tables["fx_rate"].schema.field("cny_per_unit").type == pa.decimal128(18, 8)
    statement = (
        "SELECT COUNT(*) FROM found.sales WHERE currency = 'JPY' AND (net_amount % 1 <> 0 OR tax_amount % 1 <> 0)"
    )
    assert found.execute(text(statement)).scalar_one() == 0


def test_invoices_and_their_receivables_agree_to_the_cent(found: Connection) -> None:
    statement = (
        "WITH billed AS (SELECT document_id, SUM(net_amount + tax_amount) AS gross "
        "FROM (SELECT DISTINCT * FROM found.sales) GROUP BY document_id), "
        "owed AS (SELECT DISTINCT document_id, gross_amount FROM found.receivables) "
        "SELECT COUNT(*), COUNT(*) FILTER (WHERE gross <> gross_amount) "
        "FROM billed INNER JOIN owed USING (document_id)"
    )
    pairs, apart = found.execute(text(statement)).one()
    assert pairs > 5000
    assert apart == 0


# What people judged, asked for and prescribed: data for every kind of policy


CRITERIA_IN_NUMBERS = {
    "strategic_importance": (0, 20),
    "management_relation": (0, 20),
    "local_influence": (0, 20),
    "credit_level": (0, 20),
    "strength": (0, 15),
    "growth_potential": (0, 15),
    "profitability": (0, 15),
    "credit_score": (0, 30),
    "cooperation": (0, 10),
    "brand": (0, 10),
    "loyalty": (0, 10),
    "potential": (0, 10),
    "win_probability": (0, 1),
    "purchase_share": (0, 1),
    "next_quantity": (0, 5000),
    "market_demand": (1, 4),
    "risk_tolerance": (1, 5),
    "product_risk": (1, 5),
    "investment_years": (0, 30),
    "default_records": (0, 5),
}
CRITERIA_IN_WORDS = {
    "need_level": "general important major",
    "lifecycle_stage": "1001 1002 1003 1004 1005 1006",
    "dependence": "dependent professional reference",
    "private_interaction": "frequent none some",
    "park_need": "clear unclear urgent",
    "park_funds": "ample short tight",
    "park_price": "accepts refuses worries",
    "park_information": "full partial refuses",
    "meets_entry_conditions": "false true",
    "industry_position": "leader new startup",
    "partnership": "long potential short",
    "market_end": "high low mid",
    "willingness": "high low mid",
    "ability": "mid strong weak",
    "client_quality": "bad good",
    "project_quality": "bad good",
    "prescriber_exception": "false true",
    "purchase_willingness": "A B C D",
    "region_acceptance": "A B C D",
    "product_acceptance": "A B C D",
    "price_tolerance": "A B C D",
    "purchasing_power": "A B C D",
    "close_time": "A B C D",
    "mortgage_concern": "A B C D",
    "contact_depth": "A B C D",
    "credit_rating": "A B C D",
    "relationship_grade": "A B C D",
}
KNOWN_CUSTOMERS = "SELECT DISTINCT customer_id, status, industry FROM found.customers WHERE TRIM(customer_id) <> ''"


def _rows(found: Connection, statement: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in found.execute(text(statement))]


def test_every_criterion_of_every_card_occurs_and_no_other(found: Connection) -> None:
    indicators = _rows(found, "SELECT DISTINCT indicator FROM found.assessments")
    assert {name for (name,) in indicators} == {*CRITERIA_IN_NUMBERS, *CRITERIA_IN_WORDS}


@pytest.mark.parametrize("criterion", CRITERIA_IN_NUMBERS)
def test_numbers_stay_within_their_range_and_use_it(found: Connection, criterion: str) -> None:
    values = [
        Decimal(value)
        for (value,) in _rows(found, f"SELECT value FROM found.assessments WHERE indicator = '{criterion}'")
    ]
    low, high = CRITERIA_IN_NUMBERS[criterion]
    assert all(low <= value <= high for value in values)
    assert min(values) <= low + (high - low) / 10
    assert max(values) >= high - (high - low) / 10


def test_chances_and_shares_have_two_decimals_and_counts_none(found: Connection) -> None:
    def count(condition: str) -> int:
        return int(_rows(found, f"SELECT COUNT(*) FROM found.assessments WHERE {condition}")[0][0])

    fractions = "indicator IN ('win_probability', 'purchase_share')"
    assert count(f"{fractions} AND NOT regexp_full_match(value, '[01][.][0-9]{{2}}')") == 0
    counted = (
        "'next_quantity', 'market_demand', 'risk_tolerance', 'product_risk', 'investment_years', 'default_records'"
    )
    assert count(f"indicator IN ({counted}) AND NOT regexp_full_match(value, '[0-9]+')") == 0


@pytest.mark.parametrize("criterion", CRITERIA_IN_WORDS)
def test_words_are_the_stated_ones_and_all_of_them(found: Connection, criterion: str) -> None:
    words = _rows(found, f"SELECT DISTINCT value FROM found.assessments WHERE indicator = '{criterion}'")
    assert sorted(word for (word,) in words) == CRITERIA_IN_WORDS[criterion].split()


def test_a_good_share_of_the_customers_is_assessed_and_the_others_are_not(found: Connection) -> None:
    customers = len(_rows(found, KNOWN_CUSTOMERS))

    def share(criterion: str) -> float:
        assessed = f"SELECT DISTINCT customer_id FROM found.assessments WHERE indicator = '{criterion}'"
        return len(_rows(found, assessed)) / customers

    assert all(0.4 < share(name) < 0.9 for name in CRITERIA_IN_NUMBERS)
    assert all(0.1 < share(name) < 0.35 for name in CRITERIA_IN_WORDS)
    prospects = f"SELECT customer_id FROM ({KNOWN_CUSTOMERS}) WHERE status = 'prospect'"
    for criterion in ("win_probability", "park_need", "willingness"):
        assessed = f"SELECT customer_id FROM found.assessments WHERE indicator = '{criterion}'"
        assert _rows(found, f"{prospects} INTERSECT {assessed}") != []


def test_new_cards_name_their_evidence_and_some_judgements_expire(found: Connection) -> None:
    old = "'strategic_importance', 'management_relation', 'local_influence', 'credit_level'"
    total, evidence, assessor, expiring, expired = _rows(
        found,
        "SELECT COUNT(*), COUNT(evidence), COUNT(assessed_by), COUNT(valid_to), "
        "COUNT(*) FILTER (WHERE valid_to < DATE '2026-03-31') "
        f"FROM found.assessments WHERE indicator NOT IN ({old})",
    )[0]
    assert total == evidence == assessor
    assert 0 < expired < expiring < total


def test_the_lowest_of_the_buyer_criteria_takes_every_grade(found: Connection) -> None:
    lowest = (
        "SELECT MAX(value) AS grade FROM found.assessments "
        "WHERE indicator IN ('purchase_willingness', 'region_acceptance', 'product_acceptance', 'price_tolerance', "
        "'purchasing_power', 'close_time', 'mortgage_concern') GROUP BY customer_id, assessed_on"
    )
    assert {grade for (grade,) in _rows(found, f"SELECT DISTINCT grade FROM ({lowest})")} == set("ABCD")


@pytest.mark.parametrize("arguments", [{}, {"seed": 8}, {"customers": 2000}], ids=str)
def test_a_key_stands_for_one_row_where_nothing_was_planted(arguments: dict[str, int]) -> None:
    tables = generate_company(**arguments).tables
    for name, key in (
        ("scorecard", ["partner_no", "criterion", "assessed_day"]),
        ("survey_answer", ["partner_no", "answer_day", "question"]),
        ("partner_event", ["partner_no", "event_day", "event_kind"]),
        ("prescription", ["partner_no", "audit_month"]),
        ("service_ticket", ["ticket_no"]),
    ):
        assert tables[name].group_by(key).aggregate([]).num_rows == tables[name].num_rows > 0, name


ATTRIBUTES_IN_WORDS = {
    "special_policy": "exclusive_region price_agreement rebate",
    "special_settlement": "consignment monthly",
    "ownership": "foreign private state_owned",
    "nature": "government joint_stock private state_owned",
    "listed": "False True",
    "sex": "female male",
    "income_band": "high low middle",
}


@pytest.mark.parametrize("attribute", ATTRIBUTES_IN_WORDS)
def test_attributes_are_the_stated_words_and_all_of_them(found: Connection, attribute: str) -> None:
    words = _rows(found, f"SELECT DISTINCT attr_{attribute} FROM found.customers WHERE attr_{attribute} IS NOT NULL")
    assert sorted(str(word) for (word,) in words) == ATTRIBUTES_IN_WORDS[attribute].split()


@pytest.mark.parametrize(
    ("attribute", "low", "high"),
    [
        ("employees", 1, 10_000),
        ("annual_revenue", 0, 10**11),
        ("assets", 0, 10**11),
        ("revenue_growth", Decimal("-0.6"), 1),
        ("market_share", 0, 1),
        ("debt_ratio", 0, 1),
        ("birth_year", 1950, 2000),
    ],
)
def test_attributes_in_numbers_stay_within_reason(
    found: Connection, attribute: str, low: Decimal | int, high: int
) -> None:
    column = f"attr_{attribute}"
    least, most, kinds = _rows(
        found, f"SELECT MIN({column}), MAX({column}), COUNT(DISTINCT {column}) FROM found.customers"
    )[0]
    assert low <= least < most <= high
    assert kinds > 20


def test_growth_may_be_negative_and_every_new_attribute_is_missing_somewhere(found: Connection) -> None:
    assert _rows(found, "SELECT COUNT(*) FROM found.customers WHERE attr_revenue_growth < 0")[0][0] > 20
    for attribute in COLUMNS["customers"].split():
        if attribute.startswith("attr_") and attribute not in ("attr_ownership", "attr_employees"):
            total, known = _rows(found, f"SELECT COUNT(*), COUNT({attribute}) FROM found.customers")[0]
            assert 0 < known < total, attribute


def test_sex_age_and_income_are_of_persons(found: Connection) -> None:
    persons = "SELECT * FROM found.customers WHERE COALESCE(attr_sex, attr_income_band) IS NOT NULL"
    persons += " OR attr_birth_year IS NOT NULL"
    total = _rows(found, f"SELECT COUNT(*) FROM ({persons})")[0][0]
    assert 30 < total < 100
    assert _rows(found, f"SELECT COUNT(*) FROM ({persons}) WHERE group_id IS NOT NULL OR attr_listed") == [(0,)]
    doctors = _rows(found, f"SELECT COUNT(*) FROM ({persons}) WHERE industry = 'instruments'")[0][0]
    assert 0 < doctors < total


def test_doctors_are_the_customers_of_one_trade_and_each_whole_month_is_theirs(found: Connection) -> None:
    doctors = _rows(found, "SELECT DISTINCT customer_id FROM found.prescriptions ORDER BY 1")
    trade = f"SELECT customer_id FROM ({KNOWN_CUSTOMERS}) WHERE industry = 'instruments'"
    assert set(doctors) <= set(_rows(found, trade))
    assert len(doctors) >= 24
    assert _rows(found, "SELECT COUNT(*) FROM found.prescriptions WHERE EXTRACT(DAY FROM month) <> 1") == [(0,)]
    # The books end on 20 April: that month is not whole.
    assert _rows(found, "SELECT MIN(month), MAX(month) FROM found.prescriptions") == [
        (date(2023, 7, 1), date(2026, 3, 1))
    ]
    early = (
        "SELECT COUNT(*) FROM found.prescriptions AS month JOIN found.customers AS doctor USING (customer_id) "
        "WHERE month.month < doctor.opened_on"
    )
    assert _rows(found, early) == [(0,)]
    gaps = (
        "SELECT DISTINCT MONTHS FROM (SELECT DATE_DIFF('month', LAG(month) OVER (PARTITION BY customer_id "
        "ORDER BY month), month) AS months FROM found.prescriptions) WHERE months IS NOT NULL"
    )
    assert _rows(found, gaps) == [(1,)]


def test_prescriptions_take_every_cell_of_the_matrix(found: Connection) -> None:
    cells = _rows(
        found,
        "SELECT DISTINCT hospital_level, behaviour FROM found.prescriptions "
        "WHERE hospital_level IS NOT NULL AND behaviour IS NOT NULL",
    )
    assert set(cells) == {(level, habit) for level in "123" for habit in ("first_choice", "second_choice", "other")}
    worst, missing = _rows(
        found,
        "SELECT MIN(LEAST(own_units, competitor_units, patients)), "
        "COUNT(*) FILTER (WHERE competitor_units IS NULL) FROM found.prescriptions",
    )[0]
    assert worst >= 0
    assert missing > 0
    shares = _rows(
        found,
        "SELECT behaviour, AVG(own_units / (own_units + competitor_units)) FROM found.prescriptions "
        "WHERE behaviour IS NOT NULL GROUP BY behaviour",
    )
    assert [name for name, _ in sorted(shares, key=lambda row: -row[1])] == ["first_choice", "second_choice", "other"]


FITTING = {(True, True): "AB", (True, False): "BC", (False, True): "BCD", (False, False): "BCD"}


def test_requests_have_a_quadrant_and_a_grade_that_does_not_always_fit(found: Connection) -> None:
    requests = _rows(
        found, "SELECT is_urgent, is_important, grade, closed_on FROM found.service_events WHERE kind = 'request'"
    )
    graded = [(urgent, important, grade) for urgent, important, grade, _ in requests if None not in (urgent, important)]
    assert {(urgent, important) for urgent, important, _ in graded} == set(FITTING)
    for quadrant, fitting in FITTING.items():
        stated = [grade for *of, grade in graded if tuple(of) == quadrant and grade not in (None, "E")]
        assert set(fitting) < set(stated)
        assert sum(grade in fitting for grade in stated) > 0.75 * len(stated)
    assert {grade for _, _, grade, _ in requests} == {*"ABCDE", None}
    assert any(urgent is None for urgent, *_ in requests)
    still_open = sum(closed is None for *_, closed in requests)
    assert 20 < still_open < len(requests) / 2


def test_only_requests_have_a_quadrant(found: Connection) -> None:
    others = (
        "SELECT COUNT(*), COUNT(is_urgent), COUNT(is_important), COUNT(grade) FROM found.service_events "
        "WHERE kind <> 'request'"
    )
    total, *said = _rows(found, others)[0]
    assert total > 500
    assert said == [0, 0, 0]


@pytest.mark.parametrize(("customers", "seed"), [(240, 7), *((100, seed) for seed in range(5))])
def test_every_band_of_star_points_has_a_customer(customers: int, seed: int) -> None:
    rows = generate_company(customers=customers, seed=seed).tables["account_balance"].to_pylist()
    points = [
        row["balance_value"]
        for row in rows
        if row["balance_kind"] == "POINTS" and row["balance_day"] == date(2026, 3, 31)
    ]
    stars = [bisect.bisect([50, 500, 2000, 10_000, 80_000], value) for value in points if value > 0]
    assert 0 in points
    assert set(stars) == set(range(6))


def test_life_events_are_of_persons_and_warnings_of_anyone(found: Connection) -> None:
    kinds = {kind for (kind,) in _rows(found, "SELECT DISTINCT kind FROM found.events")}
    companies = {"anniversary", "new_site", "relocation", "lawsuit", "ownership_change", "rating_cut"}
    assert kinds == companies | {"birth", "retirement", "trading_warning"}
    of_groups = (
        "SELECT DISTINCT event.kind FROM found.events AS event JOIN found.customers AS customer USING (customer_id) "
        "WHERE customer.group_id IS NOT NULL"
    )
    assert {kind for (kind,) in _rows(found, of_groups)} == companies | {"trading_warning"}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_facts_are_what_was_judged_asked_for_and_prescribed(engine: str, warehouses: Warehouses) -> None:
    """Loaded from either engine, no row of these entities is refused and every value is the ERP's."""
    source, database, tables = warehouses.source(engine), warehouses.empty(engine), clean_company().tables
    done = load(source, database, WHOLE)
    assert {"assessments", "service_events", "prescriptions", "surveys", "events"} & set(done.quarantined_rows) == set()

    def told(table: str, *columns: str) -> list[tuple[Any, ...]]:
        return sorted(zip(*(tables[table][column].to_pylist() for column in columns), strict=True), key=repr)

    def known(entity: str, columns: str) -> list[tuple[Any, ...]]:
        return sorted(query(database, f"SELECT {columns} FROM facts.{entity}"), key=repr)

    assert known("assessments", "customer_id, indicator, assessed_on, value, evidence, valid_to") == told(
        "scorecard", "partner_no", "criterion", "assessed_day", "points", "evidence_ref", "valid_until"
    )
    assert known("service_events", "event_id, kind, is_urgent, is_important, grade") == told(
        "service_ticket", "ticket_no", "ticket_kind", "urgent", "important", "stated_grade"
    )
    assert known("events", "customer_id, happened_on, kind") == told(
        "partner_event", "partner_no", "event_day", "event_kind"
    )
    assert known(
        "prescriptions", "customer_id, month, CAST(own_units AS BIGINT), CAST(competitor_units AS BIGINT), patients"
    ) == told("prescription", "partner_no", "audit_month", "own_packs", "rival_packs", "patient_count")
    attribute = (
        "SELECT customer_id, value FROM facts.customer_attributes "
        "WHERE attribute = :name AND customer_id IN (SELECT customer_id FROM facts.customers)"
    )
    assert dict(query(database, attribute, name="listed")) == {
        partner: str(value).lower()
        for partner, value in told("business_partner", "partner_no", "listed")
        if value is not None
    }
    growth = query(database, attribute, name="revenue_growth")
    trend = dict(told("business_partner", "partner_no", "revenue_trend"))
    assert {customer: Decimal(value) for customer, value in growth} == {
        customer: value for customer, value in trend.items() if value is not None
    }
    for one in (source, database):
        warehouses.drop(one)


def test_two_thousand_customers_are_generated_in_seconds() -> None:
    started = time.perf_counter()
    company = generate_company(customers=2000)
    assert time.perf_counter() - started < 10
    assert company.tables["invoice_line"].num_rows > 50_000
