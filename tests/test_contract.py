"""The contract, the schema that the numbered statements make of it, and the names that are promised."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import json

import pytest
from companies import (
    DEMO,
    ENGINES,
    Said,
    Warehouses,
    batch_of,
    columns_of,
    fresh,
    query,
    said,
    tables_of,
    warehouses,
)

from sql.connect import Database
from sql.contract import COVERING, CURRENCIES, DERIVED, ENTITIES, MINOR_DIGITS, SQL_TYPES, Entity

LOADED_BY = ["batch_no", "superseded_in"]

# Key columns of what consumers get, as far as it exists.
PROMISED = {
    "customer_tier": "policy_id customer_id tier tier_rank computed_tier status score since_on as_of "
    "next_review_on "
    "completeness policy_version run_id",
    "customer_tier_history": "policy_id customer_id tier computed_tier status valid_from valid_to run_id",
    "decision": "policy_id as_of revision customer_id computed_tier score code input_hash",
    "absence": "policy_id customer_id reason valid_from valid_to",
    "tier_change": "policy_id customer_id as_of revision from_tier to_tier direction cause drivers "
    "account_manager_id run_id recorded_at superseded_at",
    "score_component": "policy_id as_of revision customer_id indicator value level points weight "
    "contribution is_missing evidence_on",
    "tier_definition": "policy_id policy_version tier tier_rank title_en title_zh rule actions terms service_levels "
    "owner_level coverage span_of_control follow_up_days",
    "class_definition": "policy_id policy_version class tier title_en title_zh actions",
    "customer_class": "policy_id customer_id class as_of policy_version run_id",
    "task": "policy_id customer_id task opened_on due_on done_by_contact title_en title_zh account_manager_id run_id",
    "follow_up": "policy_id customer_id reason title_en title_zh tier last_contact_on due_on overdue_days "
    "account_manager_id as_of",
    "provisional_grade": "policy_id customer_id tier since_on reason began_on final_by overdue_days account_manager_id "
    "as_of",
    "visit_plan": "policy_id tier account_manager_id period_start period_end customers planned made visits as_of",
    "service_level": "policy_id tier target period_start period_end within target_share attained_share events as_of",
    "policy_version": "policy_id policy_version policy_text effective_from first_used_at",
    "run": "policy_id as_of revision run_id status facts_through reason",
    "run_attempt": "run_id attempt started_at finished_at host timings error",
    "batch": "entity batch_id currency extracted_rows loaded_rows quarantined_rows excluded_rows "
    "extracted_amount "
    "loaded_amount quarantined_amount excluded_amount source_snapshot extracted_at",
    "quarantine": "entity batch_id rule reason row_json",
    "approval": "approval_id request asked_of asked_at answered_by answered_at answer comment",
    "email_outbox": "message_id recipient status attempts error",
    "key_field_change": "customer_id entity field before after changed_on batch_no batch_id source_snapshot "
    "assessed_by evidence recorded_at superseded_at",
    "tier_effect": "policy_id as_of tier measure customers before after change change_rate",
    "tier_outlook": "policy_id customer_id direction tier to_tier indicator value needed change relative_change by_on "
    "keeps account_manager_id as_of run_id",
    "policy_evaluation": "policy_id year figure tier value",
}


@pytest.fixture(scope="module", params=ENGINES)
def warehouse(request: pytest.FixtureRequest, warehouses: Warehouses) -> Database:
    return warehouses.empty(request.param)


@pytest.mark.parametrize("name", ENTITIES)
def test_landing_holds_the_columns_of_the_contract_as_text(warehouse: Database, name: str) -> None:
    assert columns_of(warehouse, "landing", name) == ["batch_id", "position", *ENTITIES[name].columns]
    types = query(
        warehouse,
        "SELECT DISTINCT data_type FROM information_schema.columns WHERE table_schema = 'landing' "
        "AND table_name = :name AND column_name <> 'position'",
        name=name,
    )
    assert types in ([("text",)], [("VARCHAR",)])


@pytest.mark.parametrize("name", ENTITIES)
def test_facts_hold_the_columns_of_the_contract_and_the_derived_ones(warehouse: Database, name: str) -> None:
    """In any order: a column that a later version adds stands last."""
    entity = ENTITIES[name]
    assert sorted(columns_of(warehouse, "facts", name)) == sorted([*entity.columns, *entity.derived, *LOADED_BY])


FAMILIES = {
    "TEXT": "text",
    "VARCHAR": "text",
    "BIGINT": "integer",
    "DATE": "date",
    "BOOLEAN": "flag",
    "NUMERIC": "number",
    "DECIMAL": "number",
}


def test_facts_have_the_types_of_the_contract(warehouse: Database) -> None:
    rows = query(
        warehouse,
        "SELECT table_name, column_name, data_type, numeric_precision, numeric_scale "
        "FROM information_schema.columns WHERE table_schema = 'facts'",
    )
    made = {}
    for table, column, kind, precision, scale in rows:
        family = FAMILIES[kind.split("(")[0].upper()]
        made[table, column] = f"{family}({precision}, {scale})" if family == "number" else family
    wanted = {}
    for entity in ENTITIES.values():
        for column, kind in {**entity.columns, **entity.derived}.items():
            name, _, digits = SQL_TYPES[kind].partition("(")
            wanted[entity.name, column] = FAMILIES[name] + (f"({digits}" if digits else "")
    assert {key: made[key] for key in wanted} == wanted


def test_there_is_a_table_per_entity_and_no_other(warehouse: Database) -> None:
    assert set(tables_of(warehouse, "landing")) == set(tables_of(warehouse, "facts")) == set(ENTITIES)


def _comments(warehouse: Database) -> list[tuple[str, str, str | None, str | None]]:
    """Return (schema, table, column or None for the table itself, comment)."""
    if warehouse.kind == "duckdb":
        statement = (
            "SELECT schema_name, table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal "
            "UNION ALL SELECT schema_name, table_name, NULL, comment FROM duckdb_tables() WHERE NOT internal"
        )
    else:
        statement = (
            "SELECT space.nspname, made.relname, part.attname, described.description "
            "FROM pg_class AS made JOIN pg_namespace AS space ON space.oid = made.relnamespace "
            "JOIN (SELECT attrelid, attnum, attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped "
            "UNION ALL SELECT oid, 0, NULL FROM pg_class) AS part ON part.attrelid = made.oid "
            "LEFT JOIN pg_description AS described ON described.objoid = made.oid "
            "AND described.objsubid = part.attnum AND described.classoid = 'pg_class'::regclass "
            "WHERE made.relkind IN ('r', 'p', 'v')"
        )
    return [row for row in query(warehouse, statement) if row[0] in ("landing", "facts", "tiering")]  # type: ignore[misc]


def test_every_table_and_every_column_says_what_it_holds(warehouse: Database) -> None:
    comments = _comments(warehouse)
    assert len(comments) > 300
    assert [row[:3] for row in comments if not (row[3] or "").strip()] == []


def test_the_comment_of_a_table_states_its_grain(warehouse: Database) -> None:
    tables = {(row[0], row[1]): row[3] for row in _comments(warehouse) if row[2] is None}
    assert [name for name, comment in tables.items() if "One row per " not in (comment or "")] == []


@pytest.mark.parametrize("table", PROMISED)
def test_consumers_find_the_promised_names(warehouse: Database, table: str) -> None:
    assert set(PROMISED[table].split()) <= set(columns_of(warehouse, "tiering", table))


def test_a_request_keeps_its_quadrant_and_its_grade_and_an_unreadable_flag_is_refused(said: Said) -> None:
    request = {"customer_id": "C1", "opened_on": "2024-01-10", "kind": "request"}
    said.put(
        "service_events",
        [
            {**request, "event_id": "E1", "is_urgent": " Y ", "is_important": "0", "grade": " B "},
            {**request, "event_id": "E2", "is_urgent": None, "is_important": "TRUE", "grade": None},
            {**request, "event_id": "E3", "is_urgent": "perhaps", "is_important": "1", "grade": "A"},
        ],
    )
    said.load(batch_of("2024-01"))
    facts = "SELECT event_id, is_urgent, is_important, grade FROM facts.service_events ORDER BY event_id"
    assert query(said.database, facts) == [("E1", True, False, "B"), ("E2", None, True, None)]
    ((rule, reason, row),) = query(said.database, "SELECT rule, reason, row_json FROM tiering.quarantine")
    assert rule == "unreadable"
    assert "is_urgent" in reason
    assert json.loads(row)["is_urgent"] == "perhaps"


def test_one_entity_is_derived_and_every_other_may_have_a_file() -> None:
    assert {"customer_attributes"} == DERIVED
    assert {path.stem for path in DEMO.glob("*.sql")} <= set(ENTITIES) - DERIVED


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_an_entity_is_consistent(entity: Entity) -> None:
    assert set(entity.key) <= set(entity.columns)
    assert set(entity.columns.values()) | set(entity.derived.values()) <= set(SQL_TYPES)
    assert entity.dated_by is None or entity.required[entity.dated_by] == "date"
    assert entity.amount is None or entity.required[entity.amount] == "money"
    assert entity.amount is None or entity.required["currency"] == "currency"
    assert set(entity.translated) <= {*entity.columns, "gross_amount"}
    assert not set(entity.required) & set(entity.optional)


def test_the_required_entities_are_the_five_of_the_contract() -> None:
    required = {name for name, entity in ENTITIES.items() if entity.is_required}
    assert required == {"customers", "account_managers", "sales", "receivables", "payments"}
    assert all(ENTITIES[name].is_required and ENTITIES[name].dated_by for name in COVERING)


def test_references_come_before_the_rows_that_refer_to_them() -> None:
    order = list(ENTITIES)
    assert all(
        order.index("customers") < order.index(name) for name, entity in ENTITIES.items() if entity.refers_to_customer
    )
    assert all(
        order.index("exchange_rates") < order.index(name) for name, entity in ENTITIES.items() if entity.translated
    )
    assert order.index("plan") < order.index("sales")


def test_currencies_are_codes_without_doubles() -> None:
    assert len(CURRENCIES) == len(set(CURRENCIES)) > 140
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)
    assert set(MINOR_DIGITS) <= set(CURRENCIES)
    assert not {"XXX", "XTS", "RMB"} & set(CURRENCIES)
