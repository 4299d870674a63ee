"""The demo company: deterministic, readable through its SELECTs alone, and dirty exactly where it says so."""

import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import Connection, create_engine, text

from demo import Company, generate_company, load_company

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
    "surveys": "answered_on",
    "events": "happened_on",
}
COLUMNS = {
    "customers": "customer_id name account_manager_id bill_to_id group_id customer_type industry region "
    "opened_on currency credit_limit terms_days status is_blocked attr_ownership attr_employees",
    "account_managers": "account_manager_id name email reports_to_id locale region",
    "sales": "line_id document_id customer_id sold_on net_amount currency tax_amount cost_amount "
    "document_type product_id quantity entity",
    "receivables": "document_id customer_id issued_on due_on gross_amount currency is_disputed entity",
    "payments": "payment_id customer_id paid_on amount currency document_id kind",
    "assessments": "customer_id indicator value assessed_on assessed_by evidence valid_to",
    "contacts": "contact_id customer_id contacted_on channel direction outcome",
    "opportunities": "opportunity_id customer_id has_explicit_need stage expected_close_on amount is_refused",
    "service_events": "event_id customer_id opened_on kind answered_seconds closed_on satisfaction",
    "balances": "customer_id as_of kind amount currency",
    "exchange_rates": "currency valid_on rate_to_reporting",
    "plan": "year revenue_budget gross_margin_rate vat_rate",
    "open_orders": "document_id customer_id ordered_on amount currency",
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


def test_the_source_has_every_entity_but_prescriptions() -> None:
    assert {path.stem for path in SOURCE.glob("*.sql")} == set(COLUMNS)


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


def test_two_thousand_customers_are_generated_in_seconds() -> None:
    started = time.perf_counter()
    company = generate_company(customers=2000)
    assert time.perf_counter() - started < 10
    assert company.tables["invoice_line"].num_rows > 50_000
