"""Every statement of the product: one per file, documented, transpiled, used."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from companies import DEMO, ROOT, fresh, shipped_policies, warehouses
from sqlglot import exp

from sql.connect import Database, connected
from sql.contract import ENTITIES, SPACES
from sql.held import inputs_of
from sql.measure import GRAINS, indicator_names, measure_names, measure_statement, read_library
from sql.replay import Change
from sql.statements import render, run_text, transpile

SQL = ROOT / "sql"
FILES = sorted(path for folder in ("warehouse", "measures") for path in (SQL / folder).rglob("*.sql"))
SOURCES = sorted(DEMO.glob("*.sql"))
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("sql", "expectations", "transforms", "reports", "tiering", "dags")
    for path in sorted((ROOT / folder).rglob("*.py"))
)
PIECES = sorted((SQL / "measures").glob("*.jinja"))
INPUTS = inputs_of(shipped_policies()["rfm_555"], date(2025, 12, 31))
TEMPLATES = "\n".join(path.read_text(encoding="utf-8") for path in (*FILES, *PIECES))


def _name(path: Path) -> str:
    return path.relative_to(SQL).as_posix()


def _names(path: Path) -> list[dict[str, Any]]:
    """Return the names that a file is rendered with: more than one set where it takes several shapes."""
    text = path.read_text(encoding="utf-8")
    if _name(path) == "measures/indicators.sql":
        return [indicator_names(policy, "work.measures") for policy in shipped_policies().values()]
    if _name(path) in ("warehouse/keep_indicators.sql", "warehouse/read_kept_indicators.sql"):
        tables = {"target": "kept", "held": "held"}
        return [{**tables, **indicator_names(policy, "work.measures")} for policy in shipped_policies().values()]
    if _name(path) in ("measures/exposures.sql", "warehouse/insert_receivable_position.sql"):
        return [{"grain": grain, "debtors": "debtor"} for grain in GRAINS]
    if "for indicator in indicators" in text:
        return [{"indicators": ["net_sales", "is_key"]}, {"indicators": []}]
    if path.parent.name == "measures":
        return [measure_names(grain, every_column(grain)) for grain in GRAINS]
    if "measures/accounts_of_day.jinja" in text:
        return [
            {
                "grain": grain,
                "publishes": publishes,
                "target": target,
                "members": "members",
                "inputs": INPUTS,
                "further_attributes": ["special_policy", "special_settlement"],
            }
            for grain in GRAINS
            for publishes, target in (("tier", "answered"), ("class", "replied"))
        ]
    if "erase" in path.stem or "personal" in path.stem:
        place = {"table": "facts.customers", "entity": "customers", "key": "customer_id", "column": "name"}
        return [{**place, "only": "TRUE", "has_content": True}, {**place, "only": "", "has_content": False}]
    if _name(path) == "warehouse/insert_affected.sql":
        bounds = ">", "known_as_of", "<=", "as_of"
        changes = [Change("payments", "paid_on", *bounds), Change("receivables", "due_on", *bounds)]
        tables = {"affected": "affected", "members": "members", "moved": "moved"}
        return [{**tables, "changes": found, "names_documents": True} for found in (changes, [])]
    if "entity." not in text and "{% from" not in text:
        known = {
            "kept": "kept",
            "members": "members",
            "members_before": "members_before",
            "moved": "moved",
            "one": "measures",
            "other": "replayed",
            "entity": "customers",
            "entity_name": "sales",
            "table": "refused",
            "columns": {"a": "TEXT", "b": "DECIMAL(20, 4)"},
            "whole": ["customers", "plan"],
            "query": "SELECT position FROM work.parsed_sales",
            "has_customer": True,
            "names_column": True,
            "counts": True,
            "has_extraction": True,
            "of_one": True,
            "of_some": True,
            "has_memory": True,
            "has_period": True,
            "is_immediate": False,
        }
        return [
            known,
            {
                **known,
                "entity": "account_managers",
                "has_customer": False,
                "names_column": False,
                "whole": [],
                "counts": False,
                "has_extraction": False,
                "of_one": False,
                "of_some": False,
                "has_memory": False,
                "has_period": False,
                "is_immediate": True,
            },
        ]
    shapes = []
    for entity in ENTITIES.values():
        if _name(path) == "warehouse/translate_batch.sql" and not entity.translated:
            continue
        values = [name for name in (*entity.columns, *entity.derived) if name not in (*entity.key, "holds_from")]
        for withdraws in (True, False):
            shapes.append({"entity": entity, "values": values, "withdraws": withdraws, "minor_digits": 2})
    return shapes


def every_column(grain: str) -> list[str]:
    """Return a column of every measure of a grain, and of everything that a source or a person states."""
    stated = [f"attribute__{name}" for name in ("industry__text", "is_blocked__flag", "employees__number")]
    judged = [f"assessment__relation__{kind}" for kind in ("text", "flag", "number", "on")]
    measured = [
        measure.name + "__visit" * measure.kinds + "__12_months" * measure.windowed
        for measure in read_library().values()
        if grain in measure.grains
    ]
    return [*measured, *stated, *judged]


@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_file_is_exactly_one_statement_on_every_engine(path: Path, dialect: str) -> None:
    if path.name in ("allow_loops.sql", "lock.sql", "lock_shared.sql") and dialect == "duckdb":
        pytest.skip("PostgreSQL's alone: a DuckDB file has one writer, and its planner knows its tables")
    for names in _names(path):
        statement = render(_name(path), **names)
        if path.parent.name == "schema":
            from sql.schema import without_comments

            statement = without_comments(statement)
        told = transpile(statement, dialect)
        assert len(sqlglot.parse(told, read=dialect)) == 1
        assert "{{" not in told


@pytest.mark.parametrize("path", [*FILES, *SOURCES], ids=lambda path: path.relative_to(SQL).as_posix())
def test_a_file_says_what_it_returns_and_lists_its_columns(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert first.startswith("-- ")
    assert len(first) > 12
    assert not re.search(r"\bSELECT\s+(\w+\.)?\*", text, re.IGNORECASE)
    assert not re.search(r"'\d{4}-\d{2}-\d{2}", text), "a day comes as a bound parameter"
    assert not re.search(r"\b(now\(\)|current_date|today\(\))", text, re.IGNORECASE), "the clock decides nothing"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_the_demo_source_is_plain_sql_on_both_engines(path: Path, dialect: str) -> None:
    assert len(sqlglot.parse(path.read_text(encoding="utf-8"), read=dialect)) == 1


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "warehouse"], ids=_name)
def test_no_file_is_dead(path: Path) -> None:
    assert re.search(rf'["/]{path.stem}(\.sql)?"', CODE), f"{_name(path)} is used by no module; remove it"


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "measures"], ids=_name)
def test_no_part_of_the_measures_is_dead(path: Path) -> None:
    assert _name(path) in CODE + TEMPLATES


def test_every_file_that_the_code_names_exists() -> None:
    named = set(re.findall(r'"((?:warehouse|measures)/\w+\.sql)"', CODE))
    assert len(named) > 40
    assert [name for name in sorted(named) if not (SQL / name).exists()] == []


def test_the_pieces_of_the_measures_are_one_statement() -> None:
    for grain in GRAINS:
        statement = measure_statement(grain, ["net_sales__12_months", "collection_rate_gross__calendar_year"])
        assert transpile(statement, "postgres").count("$") == 0
        assert ":as_of" in transpile(statement, "postgres")


@pytest.mark.parametrize("text", ["SELECT 1; SELECT 2", "", "-- only a remark"])
def test_two_statements_or_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="one statement expected"):
        transpile(text, "postgres")


def test_a_name_that_was_forgotten_is_an_error() -> None:
    with pytest.raises(Exception, match="'entity' is undefined"):
        render("warehouse/count_landing.sql")


CASES = {
    "date_difference": ("SELECT date_diff('day', DATE '2024-02-28', DATE '2024-03-01')", 2),
    "date_and_days": ("SELECT CAST(DATE '2024-02-28' + 2 AS TEXT)", "2024-03-01"),
    "cut_off_division": ("SELECT CAST(7 AS HUGEINT) // 2", 3),
    "distinct_from_null": ("SELECT CAST(NULL AS TEXT) IS DISTINCT FROM ''", True),
    "text_not_json": ("SELECT CAST(JSON_OBJECT('a', CAST(NULL AS TEXT), 'b', 'x') AS TEXT)", None),
    "half_up": ("SELECT CAST(ROUND(CAST(2.675 AS DECIMAL(20, 4)), 2) AS TEXT)", "2.68"),
    "half_away_from_zero": ("SELECT CAST(ROUND(CAST(-2.675 AS DECIMAL(20, 4)), 2) AS TEXT)", "-2.68"),
    "bytes_order": ("SELECT 'Z' COLLATE \"C\" < 'a' COLLATE \"C\"", True),
    "empty_is_not_null": ("SELECT '' IS NULL", False),
}


@pytest.mark.parametrize("case", CASES)
def test_a_spelling_means_the_same_on_both_engines(fresh: Database, case: str) -> None:
    statement, value = CASES[case]
    with connected(fresh, "tiering_warehouse") as connection:
        found = run_text(connection, statement).scalar_one()
    if case == "text_not_json":
        assert re.sub(r"\s", "", found) == '{"a":null,"b":"x"}'
    else:
        assert found == value
        assert type(found) is type(value) or case == "cut_off_division"


PARSED = [
    ("money", "12.50", "12.5000"),
    ("money", " 12.50 ", "12.5000"),
    ("money", "\u300012.50\u00a0", "12.5000"),
    ("money", "9007199254740993.55", "9007199254740993.5500"),
    ("money", "-0", "0.0000"),
    ("money", ".5", "0.5000"),
    ("money", "12.3400000", "12.3400"),
    ("money", "1234567890123456.7891", "1234567890123456.7891"),
    *[
        ("money", text, None)
        for text in (
            "", " ", "1,234.56", "1.234,56", "12,5", "1e5", "1E400", "0x1F", "1_000", "١٢٣",
            "１２", "5 CNY", "$5",
            "5\u00a0000", "(100)", "100-", "+5", "NaN", "nan", "Infinity", "-inf", "12.34567",
            "12345678901234567",
            "--5", ".", "-", "null", "12.5\n0",
        )
    ],
    ("date", "2024-02-29", "2024-02-29"),
    ("date", "2024-02-29 00:00:00", "2024-02-29"),
    ("date", "2024-02-29 00:00:00.000", "2024-02-29"),
    ("date", "2000-02-29", "2000-02-29"),
    ("date", "\t2024-12-31\n", "2024-12-31"),
    *[
        ("date", text, None)
        for text in (
            "2023-02-29", "1900-02-29", "2024-02-30", "2024-04-31", "2024-13-01", "2024-00-10", "2024-1-1",
            "01/02/2024", "now", "today", "yesterday", "epoch", "infinity", "J2461000", "0000-01-01",
            "10000-01-01",
            "2024-02-29 12:00:00", "2024-02-29T00:00:00", "20240229", "1899-12-31", "2100-01-01", "",
        )
    ],
    ("flag", "TRUE", "true"),
    ("flag", "f", "false"),
    ("flag", "Y", "true"),
    ("flag", "0", "false"),
    ("flag", "X", None),
    ("integer", "007", "7"),
    ("integer", "-3", "-3"),
    ("integer", "3.0", None),
    ("integer", "1234567890123456789", None),
    ("rate", "7.12345678", "7.12345678"),
    ("rate", "7.123456789", None),
    ("currency", " cny ", "CNY"),
    ("id", " 00123 ", "00123"),
    ("id", "\u3000C1\t", "C1"),
    ("id", "  ", None),
    ("text", "a\u3000b", "a\u3000b"),
]  # fmt: skip


def test_text_becomes_the_same_value_on_both_engines(fresh: Database) -> None:
    """Numbers, days and flags are read by their own rules, not by what an engine happens to accept."""
    template = "{% from 'warehouse/parse.jinja' import parsed %}SELECT said, {{ parsed('said', kind) }} FROM said"
    from sql.statements import _templates

    found = []
    with connected(fresh, "tiering_warehouse") as connection:
        run_text(connection, "CREATE TABLE work.said (position BIGINT, said TEXT)")
        for position, (_, said, _) in enumerate(PARSED):
            run_text(
                connection,
                "INSERT INTO work.said VALUES (:position, :said)",
                {"position": position, "said": said},
            )
        for kind in ("money", "date", "flag", "integer", "rate", "currency", "id", "text"):
            statement = _templates.from_string(template.replace("FROM said", "FROM work.said")).render(kind=kind)
            statement = statement.replace("SELECT said,", "SELECT position,")
            by_position = dict(row._tuple() for row in run_text(connection, statement))
            found += [(position, by_position[position]) for position, case in enumerate(PARSED) if case[0] == kind]
    plain = {
        position: None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        for position, value in found
    }
    assert [(*case[:2], plain[position]) for position, case in enumerate(PARSED)] == PARSED


def test_spaces_are_those_that_python_would_strip_too() -> None:
    assert SPACES.strip() == ""
    assert "'" not in SPACES


def test_sources_are_parsed_without_a_word_of_the_engine() -> None:
    for path in SOURCES:
        tree = sqlglot.parse_one(path.read_text(encoding="utf-8"))
        assert isinstance(tree, exp.Select)
        assert tree.find(exp.Placeholder) is not None or ENTITIES[path.stem].dated_by is None
