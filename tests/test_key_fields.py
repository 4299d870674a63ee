"""Key fields: every change becomes one row with its source, a correction withdraws it; freshness is said plainly."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import logging
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import airflow_case
import pytest
from companies import (
    ENGINES,
    MANAGERS,
    ROOT,
    Row,
    Said,
    Warehouses,
    batch_of,
    contents,
    customer,
    extract,
    fresh,
    query,
    refuse,
    sale,
    warehouses,
)
from sqlalchemy import Connection, text

import sql.key_fields
from sql.connect import Database, connected, kept_open
from sql.contract import ENTITIES
from sql.errors import TieringError
from sql.extract import Batch
from sql.facts import load_batch
from sql.key_fields import Freshness, read_freshness, record_key_field_changes
from tiering import jobs
from tiering.settings import Settings, read_settings

JANUARY, FEBRUARY, MARCH = (batch_of(f"2024-{number:02}") for number in range(1, 4))
IN_FEBRUARY, IN_MARCH = FEBRUARY.last_day, MARCH.last_day
Change = tuple[Any, ...]


@dataclass
class Case:
    """A customer as the source says it in January, in February and in March, and what is to be recorded."""

    january: Row | None
    february: Row | None
    march: Row | None
    changes: list[Change] = field(default_factory=list)
    """(field, before, after, changed_on) after the three months."""


FULL: Row = {
    "bill_to_id": "C9",
    "group_id": "G1",
    "customer_type": "dealer",
    "credit_limit": "1000",
    "terms_days": "30",
    "status": "active",
    "is_blocked": "0",
}
OTHER: Row = {
    "name": "Another name",
    "industry": "steel",
    "account_manager_id": "M2",
    "bill_to_id": "C8",
    "group_id": None,
    "customer_type": "end user",
    "credit_limit": "1000.5",
    "terms_days": "0",
    "status": "inactive",
    "is_blocked": "1",
}
CASES = {
    "every key column changes, and others do too": Case(
        FULL,
        OTHER,
        OTHER,
        [
            ("account_manager_id", "M1", "M2", IN_FEBRUARY),
            ("bill_to_id", "C9", "C8", IN_FEBRUARY),
            ("credit_limit", "1000.0000", "1000.5000", IN_FEBRUARY),
            ("customer_type", "dealer", "end user", IN_FEBRUARY),
            ("group_id", "G1", None, IN_FEBRUARY),
            ("is_blocked", "false", "true", IN_FEBRUARY),
            ("status", "active", "inactive", IN_FEBRUARY),
            ("terms_days", "30", "0", IN_FEBRUARY),
        ],
    ),
    "written in another way": Case(
        {"credit_limit": "1000", "is_blocked": "0"},
        {"credit_limit": " 1000.00", "is_blocked": "no"},
        {"credit_limit": "1000.000", "is_blocked": "F"},
    ),
    "left empty, or said": Case(
        {"status": None, "is_blocked": None, "bill_to_id": None},
        {"status": "active", "is_blocked": "no", "bill_to_id": "C03"},
        {},
    ),
    "the first version of a new customer": Case(None, {"credit_limit": "5"}, {"credit_limit": "5"}),
    "a customer that the source no longer names": Case({"credit_limit": "5"}, None, None),
    "a value where there was none": Case({}, {"group_id": "G7"}, {"group_id": "G7"}, [
        ("group_id", None, "G7", IN_FEBRUARY),
    ]),
    "a value that comes and goes": Case({}, {"status": "inactive"}, {}, [
        ("status", "active", "inactive", IN_FEBRUARY),
        ("status", "inactive", "active", IN_MARCH),
    ]),
    "an attribute of the setting, and one that is not": Case(
        {"attr_credit_rating": "A", "attr_colour": "red"},
        {"attr_credit_rating": "B", "attr_colour": "blue"},
        {"attr_credit_rating": "B", "attr_colour": "blue"},
        [("credit_rating", "A", "B", IN_FEBRUARY)],
    ),
    "an attribute that the customer did not have": Case(
        {}, {"attr_credit_rating": "C"}, {"attr_credit_rating": "C"}, [("credit_rating", None, "C", IN_FEBRUARY)]
    ),
    "an attribute of a new customer": Case(None, {"attr_credit_rating": "D"}, {"attr_credit_rating": "D"}),
    "an attribute that the source begins to name": Case(
        {}, {"attr_debt_ratio": "0.5"}, {"attr_debt_ratio": "0.6"}, [("debt_ratio", "0.5", "0.6", IN_MARCH)]
    ),
    "an attribute that becomes a key field in March": Case(
        {"attr_size": "S"}, {"attr_size": "M"}, {"attr_size": "M"}, [("size", "S", "M", IN_FEBRUARY)]
    ),
}  # fmt: skip
NUMBERS = {name: f"C{number:02}" for number, name in enumerate(CASES, 1)}
CORRECTED, ASSESSED, LAPSED = "C50", "C60", "C61"
"""Customers of the story beside the cases: one that is corrected, one that is assessed, one whose mark runs out."""


def marked(number: str, day: str, value: str, **changes: str | None) -> Row:
    """An assessment."""
    return {
        "customer_id": number,
        "indicator": "credit_level",
        "value": value,
        "assessed_on": day,
        "assessed_by": "R01",
        **changes,
    }


MARKS = [
    marked(ASSESSED, "2024-01-05", "B"),
    marked(ASSESSED, "2024-01-10", "B", assessed_by="R02"),
    marked(ASSESSED, "2024-01-20", "C", assessed_by="R03", evidence="audit 2023"),
    marked(ASSESSED, "2024-01-25", "A", indicator="management_relation"),
    marked(ASSESSED, "2024-02-03", "B", assessed_by="R04", evidence="paid in full"),
    marked(LAPSED, "2024-01-05", "B"),
    marked(LAPSED, "2024-01-20", "C", valid_to="2024-02-10"),
    marked("C01", "2024-01-20", "A", valid_to=str(IN_FEBRUARY)),
    marked("C01", "2024-01-21", "D", valid_to="2024-01-20"),
]


@dataclass
class Story:
    """One warehouse over its loads: what stood after each, by name."""

    database: Database
    said: Said
    after: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    written: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    log: str = ""

    def say(self, month: str, *, terms: str | None, name: str = "Canary") -> None:
        cases = {NUMBERS[title]: getattr(case, month) for title, case in CASES.items()}
        rows = [customer(number, **said) for number, said in cases.items() if said is not None]
        others = [customer(number) for number in (ASSESSED, LAPSED, "C8", "C9")]
        self.said.put("customers", [*rows, customer(CORRECTED, terms_days=terms, name=name), *others])

    def take(self, batch: Batch) -> None:
        extract(self.database, self.database, batch, self.said.folder)
        refuse(self.database, batch)

    def note(self, name: str) -> None:
        columns = (
            "customer_id, entity, field, before, after, changed_on, batch_no, batch_id, source_snapshot, "
            "assessed_by, evidence, recorded_at, superseded_at"
        )
        with connected(self.database, "tests") as connection:
            rows = connection.exec_driver_sql(f"SELECT {columns} FROM tiering.key_field_change")
            self.after[name] = [dict(row._mapping) for row in rows]
        self.written[name] = contents(self.database, "facts", "tiering")

    def standing(self, name: str, number: str, *further: str) -> list[Change]:
        """Return the changes of a customer that stood after a load: field, before, after, day and `further`."""
        columns = ("field", "before", "after", "changed_on", *further)
        rows = [row for row in self.after[name] if row["customer_id"] == number and row["superseded_at"] is None]
        return sorted((tuple(row[column] for column in columns) for row in rows), key=repr)


def tell(said: Said, patch: pytest.MonkeyPatch) -> Story:
    """Load three months, one of them three times, and then the first one again."""
    story, database = Story(said.database, said), said.database
    patch.setenv("TIERING_KEY_FIELDS", "credit_rating, credit_level ,debt_ratio")
    said.put("account_managers", [*MANAGERS, {"account_manager_id": "M2", "name": "Bo", "email": "bo@corp.example"}])
    said.put("sales", [sale("S1", customer_id="C01"), sale("S2", customer_id="C99", net_amount="x")])
    for name in ("receivables", "payments"):
        said.put(name, [])
    said.put("assessments", MARKS)
    said.put("contacts", [{"contact_id": "K", "customer_id": "C01", "contacted_on": "2024-01-09", "channel": "phone"}])
    story.say("january", terms=None)
    story.take(JANUARY)
    jobs.load(database, JANUARY)
    story.note("january")
    story.say("february", terms="60")
    story.take(FEBRUARY)
    real = sql.key_fields.record_key_field_changes

    def fail(*arguments: Any) -> None:
        real(*arguments)
        raise RuntimeError("killed")

    with pytest.MonkeyPatch.context() as killed:
        killed.setattr(sql.key_fields, "record_key_field_changes", fail)
        with pytest.raises(RuntimeError, match="killed"):
            jobs.load(database, FEBRUARY)
    story.note("killed")
    jobs.load(database, FEBRUARY)
    story.note("february")
    assert jobs.load(database, FEBRUARY)["batch_no"] == 0
    story.note("february again")
    story.say("february", terms="90", name="Renamed")
    story.take(FEBRUARY)
    jobs.load(database, FEBRUARY)
    story.note("corrected")
    story.say("march", terms=None)
    story.take(MARCH)
    jobs.load(database, MARCH, Settings(key_fields="credit_level,debt_ratio,size"))
    story.note("march")
    said.put("assessments", [mark for mark in MARKS if mark["value"] != "C" or mark["customer_id"] != ASSESSED])
    story.take(JANUARY)
    jobs.load(database, JANUARY)
    story.note("past")
    return story


@pytest.fixture(scope="module", params=ENGINES)
def story(request: pytest.FixtureRequest, warehouses: Warehouses, tmp_path_factory: pytest.TempPathFactory) -> Any:
    database = warehouses.empty(request.param)
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with kept_open(database), pytest.MonkeyPatch.context() as patch:
            told = tell(Said(database, tmp_path_factory.mktemp("said")), patch)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    told.log = "\n".join(record.getMessage() for record in records)
    yield told
    warehouses.drop(database)


@pytest.mark.parametrize("title", CASES)
def test_three_months_leave_the_changes_of_key_fields_and_no_others(story: Story, title: str) -> None:
    found = [row for row in story.standing("march", NUMBERS[title]) if row[0] != "credit_level"]
    assert found == sorted(CASES[title].changes, key=repr)


def test_the_first_load_has_no_change_but_between_assessments(story: Story) -> None:
    assert {row["entity"] for row in story.after["january"]} == {"assessments"}


def test_a_field_is_named_with_the_entity_that_says_so(story: Story) -> None:
    named = {(row["entity"], row["field"]) for row in story.after["march"]}
    assert ("customers", "terms_days") in named
    assert ("customer_attributes", "debt_ratio") in named
    assert {entity for entity, _ in named} == {"customers", "customer_attributes", "assessments"}


def test_a_change_names_the_load_the_interval_the_snapshot_and_the_instant(story: Story) -> None:
    snapshots = dict(query(story.database, "SELECT DISTINCT batch_no, source_snapshot FROM tiering.batch"))
    (row,) = [row for row in story.after["march"] if row["field"] == "group_id" and row["after"] == "G7"]
    assert (row["batch_no"], row["batch_id"]) == (2, FEBRUARY.batch_id)
    assert row["source_snapshot"] == snapshots[2]
    assert abs(datetime.now(UTC) - row["recorded_at"]) < timedelta(hours=1)


def test_a_load_that_fails_after_the_facts_leaves_neither_facts_nor_changes(story: Story) -> None:
    assert story.written["killed"] == story.written["january"]


def test_the_same_batch_again_writes_nothing(story: Story) -> None:
    assert story.written["february again"] == story.written["february"]


def test_a_correction_withdraws_the_change_and_records_the_one_that_holds(story: Story) -> None:
    assert story.standing("february", CORRECTED, "batch_no") == [("terms_days", None, "60", IN_FEBRUARY, 2)]
    assert story.standing("corrected", CORRECTED, "batch_no") == [("terms_days", None, "90", IN_FEBRUARY, 3)]
    withdrawn = [row for row in story.after["corrected"] if row["superseded_at"] is not None]
    assert [(row["customer_id"], row["after"]) for row in withdrawn] == [(CORRECTED, "60")]
    assert withdrawn[0]["superseded_at"] >= withdrawn[0]["recorded_at"]


def test_a_load_that_brings_something_else_leaves_the_other_rows_as_they_are(story: Story) -> None:
    def others(name: str) -> list[str]:
        return sorted(repr(row) for row in story.after[name] if row["customer_id"] != CORRECTED)

    assert others("corrected") == others("february")


def test_a_field_that_is_no_key_field_any_more_keeps_its_rows(story: Story) -> None:
    """In March credit_rating is none, and size is one."""
    assert story.standing("march", NUMBERS["an attribute of the setting, and one that is not"])
    assert story.standing("corrected", NUMBERS["an attribute that becomes a key field in March"]) == []


def test_an_assessment_names_who_assessed_and_on_what_and_holds_from_its_own_day(story: Story) -> None:
    assert story.standing("february", ASSESSED, "assessed_by", "evidence", "batch_no") == [
        ("credit_level", "B", "C", date(2024, 1, 20), "R03", "audit 2023", 1),
        ("credit_level", "C", "B", date(2024, 2, 3), "R04", "paid in full", 2),
    ]


def test_an_assessment_that_runs_out_is_a_change_on_the_day_after_once_that_day_is_loaded(story: Story) -> None:
    fell = ("credit_level", "B", "C", date(2024, 1, 20), "R01", 1)
    back = ("credit_level", "C", "B", date(2024, 2, 11), "R01", 2)
    none = ("credit_level", "A", None, date(2024, 3, 1), None, 4)
    further = ("assessed_by", "batch_no")
    assert story.standing("january", LAPSED, *further) == [fell]
    assert story.standing("february", LAPSED, *further) == [fell, back]
    levels = [row for row in story.standing("march", "C01", *further) if row[0] == "credit_level"]
    assert (levels, [row for row in story.standing("corrected", "C01") if row[0] == "credit_level"]) == ([none], [])
    assert story.standing("past", LAPSED, *further) == [fell, back]  # days in the past do not undo later ones
    assert none in story.standing("past", "C01", *further)


def test_an_assessment_that_is_taken_back_withdraws_what_rested_on_it(story: Story) -> None:
    assert len(story.standing("march", ASSESSED)) == 2
    assert story.standing("past", ASSESSED) == []
    withdrawn = [row for row in story.after["past"] if row["customer_id"] == ASSESSED]
    assert all(row["superseded_at"] is not None for row in withdrawn)


def test_the_standing_changes_of_a_field_follow_on_each_other(story: Story) -> None:
    for name, rows in story.after.items():
        last: dict[tuple[str, str, str], str | None] = {}
        live = [row for row in rows if row["superseded_at"] is None]
        for row in sorted(live, key=lambda row: row["changed_on"]):
            key = (row["customer_id"], row["entity"], row["field"])
            assert row["before"] != row["after"]
            assert last.get(key, row["before"]) == row["before"], name
            last[key] = row["after"]


def test_no_log_line_names_a_customer(story: Story) -> None:
    assert "landed customers" in story.log
    assert "Canary" not in story.log
    assert "Another name" not in story.log


Marks = dict[date, tuple[str, date | None]]


def _in_force(marks: Marks, day: date) -> str | None:
    """Return the value that holds on a day: of the latest assessment that is valid on it."""
    return next(
        (marks[on][0] for on in sorted(marks, reverse=True) if on <= day and (marks[on][1] or day) >= day), None
    )


@dataclass
class Known:
    """What the facts hold of one customer, by the day it holds from."""

    managers: dict[date, str | None]
    ratings: dict[date, str]
    marks: Marks

    def changes(self, number: str, last_day: date, first_rated_on: date) -> set[Change]:
        """Find the changes in plain Python: assessments day by day, as the measures see them."""
        found: set[Change] = set()
        for last, day in pairwise(sorted(self.managers)):
            found.add((number, "account_manager_id", self.managers[last], self.managers[day], day))
        for last, day in pairwise(sorted(self.ratings)):
            found.add((number, "credit_rating", self.ratings[last], self.ratings[day], day))
        rated_on = min(self.ratings)
        if rated_on > first_rated_on and rated_on > min(self.managers):
            found.add((number, "credit_rating", None, self.ratings[rated_on], rated_on))
        for age in range(1, (last_day - min(self.marks)).days + 1):
            day = min(self.marks) + timedelta(days=age)
            before = _in_force(self.marks, day - timedelta(days=1))
            found.add((number, "credit_level", before, _in_force(self.marks, day), day))
        return {change for change in found if change[2] != change[3]}


def _draw(rng: random.Random, days: list[date]) -> Known:
    return Known(
        {day: rng.choice([None, "M1", "M2"]) for day in rng.sample(days, 4)},
        {day: rng.choice("AB") for day in rng.sample(days, 3)},
        {
            day: (rng.choice("XY"), rng.choice([None, day, day + timedelta(days=rng.randint(1, 30))]))
            for day in rng.sample(days, 5)
        },
    )


def _keep(connection: Connection, known: dict[str, Known], batch_no: int, last_day: date) -> None:
    """Let the facts hold exactly this, and beside it versions that no longer stand."""
    rows: dict[str, list[dict[str, Any]]] = {"customers": [], "customer_attributes": [], "assessments": []}
    for number, customer_ in known.items():
        for day, manager in customer_.managers.items():
            row = {"customer_id": number, "account_manager_id": manager, "holds_from": day, "superseded_in": None}
            rows["customers"] += [row, {**row, "account_manager_id": "M9", "superseded_in": batch_no}]
        for day, rating in customer_.ratings.items():
            row = {"customer_id": number, "attribute": "credit_rating", "value": rating, "holds_from": day}
            rows["customer_attributes"] += [row, {**row, "attribute": "colour", "value": str(day)}]
        for day, (value, valid_to) in customer_.marks.items():
            row = {"customer_id": number, "indicator": "credit_level", "value": value, "assessed_on": day}
            rows["assessments"].append({**row, "valid_to": valid_to})
    for table, values in rows.items():
        names = [*values[0], "batch_no"]
        connection.execute(text(f"DELETE FROM facts.{table}"))
        connection.execute(
            text(f"INSERT INTO facts.{table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"),
            [{**row, "batch_no": batch_no} for row in values],
        )
    connection.execute(
        text(
            "INSERT INTO tiering.batch SELECT :batch_no, 'customers', '-', 'b', CAST('2024-01-01' AS DATE), "
            "CAST(:last_day AS DATE) + 1, 0, 0, 0, 0, 0, 0, 0, 0, 's', CAST(:now AS TIMESTAMPTZ), "
            "CAST(:now AS TIMESTAMPTZ), CAST(NULL AS DATE)"
        ),
        {"batch_no": batch_no, "last_day": last_day, "now": datetime.now(UTC)},
    )


def test_random_versions_have_the_changes_that_plain_python_finds(fresh: Database) -> None:
    """Whatever stood before, the rows that stand afterwards follow from the versions that stand."""
    rng = random.Random(5)
    days = [date(2024, 1, 1) + timedelta(days=age) for age in range(60)]
    with connected(fresh, "tests") as connection:
        for batch_no, last_day in enumerate((days[20], days[40], days[40], days[59]), 1):
            known = {f"C{n}": _draw(rng, days if batch_no > 1 else days[:20]) for n in range(1, 16)}
            _keep(connection, known, batch_no, last_day)
            first_rated_on = min(day for customer_ in known.values() for day in customer_.ratings)
            wanted: set[Change] = set()
            for number, customer_ in known.items():
                wanted |= customer_.changes(number, last_day, first_rated_on)
            for _ in range(2):
                record_key_field_changes(connection, batch_no, ("credit_rating", "credit_level"))
                rows = connection.exec_driver_sql(
                    "SELECT customer_id, field, before, after, changed_on FROM tiering.key_field_change "
                    "WHERE superseded_at IS NULL"
                ).all()
                assert len(rows) == len(set(rows)) > 60
                assert {tuple(row) for row in rows} == wanted


# The setting


def test_key_fields_are_read_from_the_setting_and_have_a_default() -> None:
    assert read_settings({}).key_field_names == ("credit_rating", "credit_level", "debt_ratio", "annual_revenue")
    assert read_settings({"TIERING_KEY_FIELDS": " a, 信用等级 ,B2"}).key_field_names == ("a", "信用等级", "B2")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("credit rating", "'credit rating' is no name"),
        ("a,,b", "'' is no name"),
        ("a;b", "'a;b' is no name"),
        ("attr_size", "without attr_.*; write size"),
        ("a,b,a", "a stands there twice; name it once"),
    ],
)
def test_a_key_field_that_cannot_be_one_is_refused_by_name(value: str, message: str) -> None:
    with pytest.raises(TieringError, match=f"^TIERING_KEY_FIELDS: .*{message}"):
        read_settings({"TIERING_KEY_FIELDS": value})


# Freshness


def fresh_on(database: Database, today: date) -> dict[str, Freshness]:
    with connected(database, "tiering_warehouse") as connection:
        return read_freshness(connection, today)


def test_before_the_first_load_nothing_is_fresh(fresh: Database) -> None:
    assert fresh_on(fresh, date(2024, 3, 2)) == {}


def test_freshness_is_the_last_interval_of_each_entity_however_the_loads_were_ordered(story: Story) -> None:
    found = fresh_on(story.database, date(2024, 4, 2))
    required = {name for name, entity in ENTITIES.items() if entity.is_required}
    assert set(found) == required | {"customer_attributes", "contacts", "assessments"}
    sales = found["sales"]
    assert (sales.batch_no, sales.batch_id, sales.through_on) == (4, MARCH.batch_id, IN_MARCH)
    assert (sales.rows_through_on, sales.days_old, sales.is_late) == (JANUARY.last_day, 2, True)
    assert sales.quarantined_rows == 1  # two rules refuse the row
    assert not fresh_on(story.database, date(2024, 4, 1))["sales"].is_late
    assert found["contacts"].rows_through_on == JANUARY.last_day
    assert found["payments"].rows_through_on is None
    assert found["customers"].rows_through_on == IN_MARCH


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with SELECTs, one policy and no warehouse yet, in the environment that `tiering check` reads."""
    warehouse = Database("duckdb", path=str(tmp_path / "warehouse.duckdb"))
    airflow_case.set_connections(monkeypatch, SOURCE=warehouse, WAREHOUSE=warehouse)
    (tmp_path / "rules").mkdir()
    shutil.copy(ROOT / "policies" / "pyramid.yaml", tmp_path / "rules")
    monkeypatch.setenv("TIERING_POLICIES", str(tmp_path / "rules"))
    monkeypatch.setenv("TIERING_SOURCE", str(tmp_path / "said"))
    return tmp_path


def freshness_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    from tiering.cli import main

    capsys.readouterr()
    assert main(["check"]) == 0
    return [line for line in capsys.readouterr().out.splitlines() if line[7:].startswith("facts")]


@pytest.mark.airflow
def test_check_says_of_every_entity_how_fresh_it_is(
    installation: Path, warehouses: Warehouses, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(warehouses.empty("duckdb").path, installation / "warehouse.duckdb")
    database = Database("duckdb", path=str(installation / "warehouse.duckdb"))
    said = Said(database, installation / "said")
    said.put("contacts", [])
    said.put("surveys", [])
    assert freshness_lines(capsys) == ["never  facts: nothing was loaded yet; run the DAG customer_facts"]
    yesterday = datetime.now(UTC).astimezone(read_settings().zone).date() - timedelta(days=1)
    ledger = (
        "INSERT INTO tiering.batch SELECT {no}, '{entity}', '-', 'b', '{day}', '{end}', {rows}, {rows}, 0, 0, "
        "0, 0, 0, 0, 's', '2024-02-01 02:00:00+08', '2024-02-01 02:00:00+08', NULL"
    )
    for no, entity, day, rows in (
        (1, "sales", date(2024, 1, 31), 3),
        (2, "sales", yesterday, 0),
        (2, "payments", yesterday, 4),
        (1, "contacts", date(2024, 1, 31), 2),
        (2, "customer_attributes", yesterday, 0),
    ):
        query(database, ledger.format(no=no, entity=entity, day=day, end=day + timedelta(days=1), rows=rows))
    query(
        database,
        "INSERT INTO tiering.quarantine (batch_no, entity, batch_id, position, rule, reason, row_json) "
        "VALUES (1, 'sales', 'b', 7, 'orphan', 'r', '{}'), (1, 'sales', 'b', 7, 'unreadable', 'r', '{}')",
    )
    lines = {line[7:].split(":")[0]: line for line in freshness_lines(capsys)}
    assert list(lines) == [f"facts {name}" for name in ENTITIES]
    of_batch = f"through {yesterday}, 1 day old, batch 2 extracted 2024-02-01 02:00"
    assert lines["facts payments"] == f"ok     facts payments: {of_batch}"
    assert lines["facts sales"] == f"ok     facts sales: {of_batch}, no row since 2024-01-31, 1 row in quarantine"
    assert lines["facts customer_attributes"].startswith("never  facts customer_attributes: ")
    assert lines["facts customer_attributes"].endswith("no row was ever delivered")
    age = (yesterday - date(2024, 1, 31)).days + 1
    assert lines["facts contacts"].startswith(f"late   facts contacts: through 2024-01-31, {age} days old, batch 1")
    assert lines["facts surveys"] == "never  facts surveys: never loaded; run the DAG customer_facts"
    assert lines["facts plan"] == "none   facts plan: the source has no plan.sql"
