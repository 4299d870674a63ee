"""Validation: every planted fault is found, nothing passes unlooked at, nothing personal leaks."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from companies import (
    ENGINES,
    Said,
    Warehouses,
    batch_of,
    contents,
    customer,
    extract,
    fresh,
    query,
    refuse,
    said,
    sale,
    small_company,
    warehouses,
)

import expectations
from expectations import FOLDER, _evaluate, read_suite, row_rules, validate
from sql.connect import connected
from sql.contract import ENTITIES
from sql.errors import TieringError, ValidationFailed
from sql.facts import load_batch
from sql.statements import dialect_of

JANUARY, FEBRUARY = batch_of("2024-01"), batch_of("2024-02")
Suite = dict[str, Any]


# Suites


def test_every_entity_has_a_suite_and_every_suite_an_entity() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(ENTITIES)


@pytest.mark.parametrize("name", ENTITIES)
def test_a_suite_of_the_product_can_fail(name: str) -> None:
    suite = read_suite(name)
    rules = {expectation["meta"]["rule"]: expectation for expectation in suite["expectations"]}
    assert all(expectation["severity"] in ("critical", "warning") for expectation in rules.values())
    assert all(len(expectation["meta"]["reason"]) > 20 for expectation in rules.values())
    assert {"quarantine_share", "missing_key", "duplicate_conflict"} <= set(rules)
    assert rules["quarantine_share"]["severity"] == "critical"
    assert ("row_count" in rules) == ENTITIES[name].is_required
    assert [rule for rule in row_rules(suite) if "{batch}" not in rule.query] == []
    assert [rule for rule in row_rules(suite) if "{currencies" in rule.query] == []
    assert ("orphan" in rules) == ENTITIES[name].refers_to_customer
    assert ("no_rate" in rules) == bool(ENTITIES[name].translated)
    assert "mostly" not in json.dumps(suite)


GOOD = {
    "name": "plan",
    "expectations": [
        {
            "type": "unexpected_rows_expectation",
            "kwargs": {"unexpected_rows_query": "SELECT position FROM {batch} AS batch WHERE year IS NULL"},
            "severity": "critical",
            "meta": {"rule": "a", "reason": "r"},
        },
        {
            "type": "expect_column_values_to_not_be_null",
            "kwargs": {"column": "year"},
            "severity": "warning",
            "meta": {"rule": "b", "reason": "r"},
        },
    ],
}


def _changed(change: Callable[[Suite], None]) -> str:
    suite = json.loads(json.dumps(GOOD))
    change(suite)
    return json.dumps(suite)


BROKEN = {
    "empty file": ("", "plan.json line 1"),
    "broken JSON": ('{"name": "plan",\n "expectations": [}', "plan.json line 2"),
    "empty suite": ('{"name": "plan", "expectations": []}', "every suite declares expectations"),
    "no expectations": ('{"name": "plan"}', "every suite declares expectations"),
    "a rule without a name": (
        _changed(lambda s: s["expectations"][0]["meta"].pop("rule")),
        "each with meta.rule",
    ),
    "without meta": (_changed(lambda s: s["expectations"][0].pop("meta")), "each with meta.rule"),
    "two of one name": (
        _changed(lambda s: s["expectations"][1]["meta"].update(rule="a")),
        "share the name of a rule",
    ),
    "nothing critical": (
        _changed(lambda s: s["expectations"][0].update(severity="warning")),
        "no expectation is critical",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_suite_that_could_pass_without_looking_is_an_error(fault: str, tmp_path: Path) -> None:
    text, says = BROKEN[fault]
    (tmp_path / "plan.json").write_text(text, encoding="utf-8")
    with pytest.raises(TieringError) as caught:
        read_suite("plan", tmp_path)
    assert "expectations/plan.json" in str(caught.value)
    assert says in str(caught.value)


def test_a_missing_suite_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TieringError, match=r"expectations/plan\.json is missing; restore it"):
        read_suite("plan", tmp_path)


def test_a_sound_suite_is_read(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(GOOD), encoding="utf-8")
    assert read_suite("plan", tmp_path) == GOOD


def test_a_missing_suite_stops_the_batch_before_anything_is_looked_at(
    said: Said,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    extract(said.database, said.database, JANUARY, said.folder)
    monkeypatch.setattr(expectations.read_suite, "__defaults__", (tmp_path,))
    with pytest.raises(TieringError, match="is missing"):
        validate(said.database, JANUARY, reporting_currency="CNY")


# The whole company, validated once per engine


@pytest.mark.parametrize("engine", ENGINES)
def test_every_planted_fault_is_refused_by_its_rule_and_no_other(engine: str, warehouses: Warehouses) -> None:
    story, database = warehouses.evaluated_once(engine)
    found = query(database, "SELECT entity, rule, COUNT(*) FROM tiering.quarantine GROUP BY entity, rule")
    assert {(entity, rule): rows for entity, rule, rows in found} == story.dirt
    assert sum(story.dirt.values()) > 50
    reported = {(finding.entity, finding.rule): finding.rows for finding in story.validation.findings}
    assert {key: reported[key] for key in story.dirt} == story.dirt
    assert {rule for _, rule in set(reported) - set(story.dirt)} <= {
        "no_manager",
        "no_email",
        "zero_amount",
        "missing_email",
    }
    assert {finding.severity for finding in story.validation.findings} == {"warning"}


def test_both_engines_find_the_same(warehouses: Warehouses) -> None:
    first, second = (warehouses.evaluated_once(engine)[0].validation for engine in ("duckdb", "postgresql"))
    assert sorted(map(repr, first.findings)) == sorted(map(repr, second.findings))
    assert (first.evaluated, first.refused) == (second.evaluated, second.refused)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_declared_expectation_was_evaluated(engine: str, warehouses: Warehouses) -> None:
    declared = sum(len(read_suite(name)["expectations"]) for name in ENTITIES)
    assert warehouses.evaluated_once(engine)[0].validation.evaluated == declared


@pytest.mark.parametrize("engine", ENGINES)
def test_no_customer_is_named_in_logs_or_pages(engine: str, warehouses: Warehouses) -> None:
    story = warehouses.evaluated_once(engine)[0]
    pages = [path for path in story.docs.rglob("*") if path.is_file()]
    told = story.logged + "".join(path.read_text(encoding="utf-8", errors="replace") for path in pages)
    company = small_company()
    names = {str(name).strip() for name in company.tables["business_partner"]["partner_name"].to_pylist()}
    names |= set(company.tables["sales_rep"]["rep_name"].to_pylist())
    names |= {mail for mail in company.tables["sales_rep"]["mailbox"].to_pylist() if mail}
    assert len(names) > 90
    assert [name for name in sorted(names) if name in told] == []
    assert "p@ss:w/rd%" not in told
    assert "p%40ss" not in told
    assert "landed sales 2024-01-01/2026-03-01: " in story.logged


@pytest.mark.parametrize("engine", ENGINES)
def test_the_pages_are_written(engine: str, warehouses: Warehouses) -> None:
    docs = warehouses.evaluated_once(engine)[0].docs
    assert (docs / "index.html").stat().st_size > 1000
    pages = {path.parts[len(docs.parts) + 1] for path in docs.glob("validations/*/**/*.html")}
    assert {"customers", "sales", "receivables", "payments"} <= pages


# Batches that must not be believed


EMPTY: dict[str, list[dict[str, str | None]]] = {"customers": [], "sales": []}
SHRUNK = {
    "customers": [customer(f"C{i}") for i in range(1, 7)],  # 6 of 13
    "sales": [sale(f"S{i}", net_amount="?" if i < 11 else "1.00") for i in range(100)],  # 11 of 100
}
UNBELIEVABLE = [
    (EMPTY, {"customers row_count", "sales row_count"}),
    (SHRUNK, {"customers row_count", "sales quarantine_share"}),
]


def test_an_unbelievable_batch_stops_and_leaves_everything_as_it_was(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    said.put("customers", [customer(f"C{i}") for i in range(1, 14)])
    said.put("sales", [sale("S1"), sale("S2", customer_id="C99")])
    said.load(JANUARY)
    found: list[expectations.Finding] = []

    def note(*arguments: Any) -> Any:
        findings, evaluated = _evaluate(*arguments)
        found.extend(findings)
        return findings, evaluated

    monkeypatch.setattr(expectations, "_evaluate", note)
    before = contents(said.database, "facts", "tiering")
    for rows, criticals in UNBELIEVABLE:
        for name in rows:
            said.put(name, rows[name])
        extract(said.database, said.database, JANUARY, said.folder)
        found.clear()
        with pytest.raises(ValidationFailed) as caught:
            validate(said.database, JANUARY, reporting_currency="CNY")
        assert {f"{one.entity} {one.rule}" for one in found if one.severity == "critical"} == criticals
        assert str(caught.value).startswith("customers 2024-01-01/2024-02-01: row_count does not hold: the extract")
        assert str(caught.value).endswith("(and 1 more critical); nothing was loaded, the last publication stays")
        with pytest.raises(TieringError, match="was not validated"):
            load_batch(said.database, JANUARY)
        assert contents(said.database, "facts", "tiering") == before


def test_just_believable_is_believed_and_leaves_no_session_behind(said: Said) -> None:
    said.put("customers", [customer(f"C{i}") for i in range(1, 14)])
    said.load(JANUARY)
    said.put("customers", [customer(f"C{i}") for i in range(1, 8)])  # 7 of 13
    said.put("sales", [sale(f"S{i}", net_amount="?" if i < 10 else "1.00") for i in range(60)])
    extract(said.database, said.database, JANUARY, said.folder)
    validation = validate(said.database, JANUARY, reporting_currency="CNY")
    assert validation.refused == {"sales": 10}
    if said.database.kind == "postgresql":
        sessions = (
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert query(said.database, sessions) == [(0,)]


def test_a_single_day_may_be_without_sales_and_a_week_may_not() -> None:
    from datetime import date

    from sql.extract import Batch

    entity = ENTITIES["sales"]
    assert expectations._minimum_rows(entity, Batch(date(2024, 1, 1), date(2024, 1, 7)), 1, 0) == 0
    assert expectations._minimum_rows(entity, Batch(date(2024, 1, 1), date(2024, 1, 8)), 1, 0) == 1
    customers = ENTITIES["customers"]
    assert [expectations._minimum_rows(customers, JANUARY, 1, known) for known in (0, 1, 2, 3, 100)] == [
        1,
        1,
        1,
        2,
        50,
    ]


# A rule that was not evaluated is no pass


@pytest.fixture
def parsed(said: Said) -> Said:
    """A batch whose rows are parsed, so that suites can be evaluated on them."""
    extract(said.database, said.database, JANUARY, said.folder)
    refuse(said.database, JANUARY)
    return said


def _evaluate_plan(said: Said, suite: Suite) -> Any:
    with connected(said.database, "tiering_warehouse") as connection:
        dialect = dialect_of(connection)
    return _evaluate(said.database, dialect, {"plan": suite}, {"plan": {"minimum_rows": 0}}, None)


def test_a_rule_that_errors_is_an_error(parsed: Said) -> None:
    assert _evaluate_plan(parsed, GOOD) == ([], 2)
    for kwargs in ({"column": "no_such_column"}, {"column": "revenue_budget", "row_condition": "broken ("}):
        suite = json.loads(json.dumps(GOOD))
        suite["expectations"][1]["kwargs"] = kwargs
        with pytest.raises((TieringError, ValueError)):
            _evaluate_plan(parsed, suite)
    suite = json.loads(json.dumps(GOOD))
    suite["expectations"][0]["kwargs"]["unexpected_rows_query"] = (
        "SELECT position FROM {batch} AS batch WHERE no_such = 1"
    )
    with pytest.raises(TieringError, match=r"plan\.json: rule a could not be evaluated, which is no pass"):
        _evaluate_plan(parsed, suite)


def test_a_lost_expectation_is_an_error(parsed: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    import great_expectations as gx

    real = gx.ExpectationSuite
    monkeypatch.setattr(
        gx, "ExpectationSuite", lambda name, expectations: real(name=name, expectations=expectations[:1])
    )
    with pytest.raises(TieringError, match="declares 2 expectations, 1 were evaluated; nothing was loaded"):
        _evaluate_plan(parsed, GOOD)


def test_without_great_expectations_nothing_passes(parsed: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "great_expectations", None)
    with pytest.raises(ImportError):
        validate(parsed.database, JANUARY, reporting_currency="CNY")
    with pytest.raises(TieringError, match="was not validated"):
        load_batch(parsed.database, JANUARY)
