"""Replay: a later day taken from kept rows is, row for row, what measuring everybody gives."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from companies import ENGINES, Warehouses, query, tables_of, warehouses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replay_story import Story
from sqlalchemy import Connection
from sqlglot import exp, parse_one
from test_measure_library import _specs, policy_of
from test_statements import every_column

import sql.measure
import sql.replay
from sql.connect import Database, connected, kept_open
from sql.errors import TieringError
from sql.facts import rebuild
from sql.measure import GRAINS, columns_for, measure_statement, read_library, take_measures
from sql.replay import find_replay
from sql.statements import run, run_text
from tiering import jobs
from transforms.policy import Policy

EVENINGS = 4
"""Days of a story that are measured after the first one."""


def _policy(grain: str, window: str) -> Policy:
    """A policy that asks for every measure of a grain, over a window and ever, and for what is stated."""
    specs = {key: spec for key, (spec, _) in _specs(grain, (window, "ever")).items()}
    stated = {
        "judged": {"assessment": "relation"},
        "employees": {"attribute": "employees", "unit": "count"},
        "blocked": {"attribute": "is_blocked", "unit": "flag"},
    }
    return policy_of(grain, {**specs, **stated}, "previous_year_end" if window == "calendar_year" else "run_day")


POLICIES = {
    (grain, window): _policy(grain, window)
    for grain, window in (
        ("customer", "12 months"), ("customer", "to_date"), ("customer", "90 days"), ("customer", "calendar_year"),
        ("bill_to", "3 months"), ("group", "12 months"), ("opportunity", "90 days"), ("request", "to_date"),
    )
}  # fmt: skip


def _few(grain: str, window: str, seed: int) -> Policy:
    """A policy that asks for some measures over one window: some pieces are read for others alone."""
    specs = {key: spec for key, (spec, _) in _specs(grain, (window,)).items()}
    numbers = [key for key in sorted(specs) if specs[key].get("unit") not in ("text", "flag")]
    return policy_of(grain, {key: specs[key] for key in random.Random(seed).sample(numbers, 8)}, "run_day")


@dataclass
class Checked:
    """What a story showed: how each day was measured, and how many accounts took their kept row."""

    methods: Counter[str] = field(default_factory=Counter)
    kept: int = 0


def _measure_everybody(connection: Connection, policy: Policy, as_of: date, batch_no: int, table: str) -> list[str]:
    """Measure into work.<table> with the one statement that knows nothing of replays; return its columns."""
    columns, kinds = columns_for([policy]), sql.measure._kinds_by_column([policy])
    statement = sql.measure._statement(policy.grain, tuple(columns), tuple(sorted(kinds.items())))
    types = {name: sql.measure._type_of(name) for name in columns}
    rebuild(connection, table, {"account_id": "TEXT", "account_manager_id": "TEXT", **types})
    run_text(
        connection,
        f"INSERT INTO work.{table} ({', '.join(statement.columns)}) {statement.text}",
        sql.measure._parameters(statement.parameters, as_of, batch_no),
    )
    return list(statement.columns)


def _check_day(connection: Connection, policy: Policy, as_of: date, checked: Checked) -> None:
    taken = take_measures(connection, [policy], policy.grain, as_of, full_every_days=99_999)
    columns = _measure_everybody(connection, policy, as_of, taken.facts_batch_no, "everybody")
    table = taken.table.removeprefix("work.")
    names = {"columns": columns, "one": table, "other": "everybody"}
    differing = run(connection, "warehouse/count_differing_measures.sql", **names).scalar_one()
    assert differing == 0, f"{differing} accounts differ as of {as_of}"
    assert taken.rows == run(connection, "warehouse/count_work_rows.sql", table="everybody").scalar_one()
    plan = sql.measure.plan_measures([policy], policy.grain, as_of, taken.facts_batch_no)
    taking = sql.measure._taking(*plan.key)
    sql.measure._Day(connection, taking, sql.measure._short(taken.measurement_id), plan.parameters).measure("everybody")
    names = {"columns": list(taking.columns), "one": table, "other": "everybody"}  # what is carried to later days too
    assert run(connection, "warehouse/count_differing_measures.sql", **names).scalar_one() == 0
    key = {"measurement_id": taken.measurement_id}
    row = run_text(connection, "SELECT method FROM tiering.measurement WHERE measurement_id = :measurement_id", key)
    checked.methods[row.scalar_one()] += 1


@pytest.fixture
def always_cheaper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replays however many accounts a change touches: companies of tests are small."""
    monkeypatch.setattr(sql.measure, "MOST_AGAIN", 1)


def _tell_story(warehouses: Warehouses, engine: str, grain: str, window: str, seed: int, days: list[int]) -> Checked:
    """Measure the days of a story: every measure, or (where the seed is odd) some; return what that showed."""
    policy = _few(grain, window, seed) if seed % 2 and window != "calendar_year" else POLICIES[grain, window]
    database, checked = warehouses.empty(engine), Checked()
    with kept_open(database), connected(database, "tests") as connection:
        today = date(2023, 12, 31) if window == "calendar_year" else date(2023, 11, 28) + timedelta(days=seed % 100)
        story = Story(connection, random.Random(seed), today)
        _check_day(connection, policy, today, checked)
        for passed in days:
            story.go_on(passed)
            _check_day(connection, policy, story.today, checked)
    warehouses.drop(database)
    return checked


STORIES = given(
    shape=st.sampled_from([key for key in POLICIES if key[1] != "calendar_year"]),
    seed=st.integers(0, 10**6),
    days=st.lists(st.integers(0, 40), min_size=1, max_size=EVENINGS),
)


@pytest.mark.usefixtures("always_cheaper")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_replayed_day_is_what_measuring_everybody_gives(engine: str, warehouses: Warehouses) -> None:
    @settings(max_examples=4, deadline=None, database=None)
    @STORIES
    def every_story(shape: tuple[str, str], seed: int, days: list[int]) -> None:
        checked = _tell_story(warehouses, engine, *shape, seed, days)
        assert checked.methods["replay"] >= len(days) - days.count(0)

    every_story()


# Who is measured again


EVENING, NEXT = date(2024, 3, 31), date(2024, 4, 1)
WRONG = 777_777
SMALL = policy_of("customer", {
    "net_sales": {"measure": "net_sales", "window": "12 months"},
    "recency_days": {"measure": "recency_days", "window": "ever"},
    "balance": {"measure": "receivable_balance"},
    "overdue_days": {"measure": "overdue_days"},
})  # fmt: skip
LOADS = [
    *(f"INSERT INTO facts.customers (customer_id, holds_from, batch_no) VALUES ('C{n}', DATE '2023-01-01', 1)"
      for n in range(1, 6)),
    "INSERT INTO facts.sales (line_id, document_id, customer_id, sold_on, net_amount_reporting, batch_no) VALUES "
    "('S1', 'D1', 'C1', DATE '2024-01-10', 100, 1), ('S2', 'D2', 'C2', DATE '2023-04-01', 100, 1)",
    "INSERT INTO facts.receivables (document_id, customer_id, issued_on, due_on, gross_amount, currency, "
    "gross_amount_reporting, batch_no) VALUES ('R3', 'C3', DATE '2024-03-01', DATE '2024-03-31', 113, 'CNY', 113, 1)",
]  # fmt: skip
BATCH = (
    "INSERT INTO tiering.batch (batch_no, entity, currency, batch_id, batch_start, batch_end, extracted_rows, "
    "loaded_rows, quarantined_rows, excluded_rows, extracted_amount, loaded_amount, quarantined_amount, "
    "excluded_amount, extracted_at, loaded_at) VALUES (:no, 'sales', '-', 'b', :day, :day, 0, 0, 0, 0, 0, 0, 0, 0, "
    ":now, :now)"
)
SOLD = "INSERT INTO facts.sales (line_id, document_id, customer_id, sold_on, net_amount_reporting, batch_no) VALUES "
ENDED = "UPDATE facts.sales SET superseded_in = 2 WHERE line_id = 'S1'"
CHANGES: dict[str, tuple[date, list[str], dict[str, int | None]]] = {
    "a day alone: a sale leaves the window, a document comes of age": (NEXT, [], {"C2": 0, "C3": 0}),
    "a late row": (EVENING, [f"{SOLD} ('S5', 'D5', 'C5', DATE '2024-02-01', 50, 2)"], {"C5": 50}),
    "a row of the future": (EVENING, [f"{SOLD} ('S5', 'D5', 'C5', DATE '2024-05-01', 50, 2)"], {"C5": 0}),
    "a row that is withdrawn": (EVENING, [ENDED], {"C1": 0}),
    "a row that is corrected to another customer": (
        EVENING, [ENDED, f"{SOLD} ('S1', 'D1', 'C4', DATE '2024-01-10', 70, 2)"], {"C1": 0, "C4": 70}),
    "money that names another customer's document": (
        EVENING,
        ["INSERT INTO facts.payments (payment_id, customer_id, paid_on, amount, currency, document_id, "
         "amount_reporting, batch_no) VALUES ('P1', 'C4', DATE '2024-03-30', 13, 'CNY', 'R3', 13, 2)"],
        {"C3": 0, "C4": 0}),
    "a merge": (
        EVENING,
        ["INSERT INTO tiering.customer_merge VALUES ('C1', 'C5', DATE '2024-03-01', 'r', 'a', 'b', NULL, 2, :now)"],
        {"C1": None, "C5": 100}),
    "a customer who is gone": (
        EVENING,
        ["INSERT INTO tiering.missing_customer "
         "VALUES ('C4', DATE '2024-03-01', 2, 3, DATE '2024-03-31', 2, NULL, NULL)"],
        {"C4": None}),
    "a new customer": (
        EVENING,
        ["INSERT INTO facts.customers (customer_id, holds_from, batch_no) VALUES ('C6', DATE '2024-03-31', 2)"],
        {"C6": 0}),
}  # fmt: skip
"""By what changes: the day that is measured, the load that comes, and the net sales (or 0) of who is measured again."""


@pytest.fixture
def kept(engine_name: str, warehouses: Warehouses) -> Iterator[Database]:
    """A warehouse of five customers, measured on an evening."""
    database = warehouses.empty(engine_name)
    with kept_open(database):
        for statement in LOADS:
            query(database, statement)
        query(database, BATCH, no=1, day=EVENING, now=NOW)
        _take(database, EVENING)
        yield database
    warehouses.drop(database)


NOW = datetime(2024, 4, 1, tzinfo=UTC)


def _take(database: Database, day: date, policy: Policy = SMALL, every: int = 7) -> Any:
    with connected(database, "tests") as connection:
        return take_measures(connection, [policy], "customer", day, full_every_days=every)


def _load(database: Database, statements: list[str]) -> None:
    query(database, BATCH, no=2, day=EVENING, now=NOW)
    for statement in statements:
        query(database, statement, **({"now": NOW} if ":now" in statement else {}))


def _spoil(database: Database) -> None:
    """Write into every kept row what nobody measured."""
    (table,) = query(database, "SELECT table_name FROM tiering.measurement")[0]
    query(database, f"UPDATE work.{table} SET net_sales__12_months = {WRONG}, receivable_balance = {WRONG}")


def _methods(database: Database) -> list[str]:
    return [row[0] for row in query(database, "SELECT method FROM tiering.measurement ORDER BY measured_at")]


@pytest.mark.usefixtures("always_cheaper")
@pytest.mark.parametrize("what", CHANGES)
def test_who_is_touched_is_measured_again_and_nobody_else(kept: Database, what: str) -> None:
    day, statements, touched = CHANGES[what]
    if statements:
        _load(kept, statements)
    _spoil(kept)
    taken = _take(kept, day)
    rows = query(kept, f"SELECT account_id, net_sales__12_months, receivable_balance FROM {taken.table}")
    found = {row[0]: 0 if row[1] == WRONG else int(row[1]) for row in rows if row[1:] != (WRONG, WRONG)}
    assert found == {account: net for account, net in touched.items() if net is not None}
    everybody = {"C1", "C2", "C3", "C4", "C5", *touched}
    assert {row[0] for row in rows} == everybody - {account for account, net in touched.items() if net is None}
    assert _methods(kept) == ["full", "replay"]


@pytest.mark.usefixtures("always_cheaper")
def test_what_cannot_go_on_from_kept_rows_is_measured_in_full(kept: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    _take(kept, EVENING - timedelta(days=1))
    _take(kept, NEXT, POLICIES["customer", "12 months"])
    _take(kept, NEXT, every=0)
    assert _methods(kept) == ["full"] * 4
    monkeypatch.setattr(sql.measure, "MOST_AGAIN", 0.1)
    _take(kept, NEXT + timedelta(days=366))
    monkeypatch.setattr(sql.measure, "MOST_AGAIN", 1)
    for table in [name for name in tables_of(kept, "work") if name.startswith("members_")]:
        query(kept, f"DROP TABLE work.{table}")
    _take(kept, NEXT + timedelta(days=367), every=999)
    assert _methods(kept) == ["full"] * 6


@pytest.mark.usefixtures("always_cheaper")
def test_the_check_after_some_days_tells_what_went_wrong_and_the_full_result_stands(kept: Database) -> None:
    policies = {SMALL.id: SMALL}
    jobs.measure(kept, policies, SMALL.id, NEXT, full_every_days=7)
    assert _take(kept, EVENING + timedelta(days=7)).fault == ""  # due, and nothing is wrong
    assert _methods(kept) == ["full", "replay", "full"]
    jobs.measure(kept, policies, SMALL.id, EVENING + timedelta(days=8), full_every_days=7)
    (table,) = query(kept, "SELECT table_name FROM tiering.measurement ORDER BY as_of DESC LIMIT 1")[0]
    query(kept, f"UPDATE work.{table} SET net_sales__12_months = {WRONG} WHERE account_id IN ('C1', 'C5')")
    due = EVENING + timedelta(days=14)
    with pytest.raises(TieringError, match=r"as of 2024-04-14: 2 accounts are not what the replays since 2024-04-07"):
        jobs.measure(kept, policies, SMALL.id, due, full_every_days=7)
    taken = jobs.measure(kept, policies, SMALL.id, due, full_every_days=7)
    assert query(kept, f"SELECT COUNT(*) FROM {taken['table']} WHERE net_sales__12_months = {WRONG}") == [(0,)]
    assert _methods(kept) == ["full", "replay", "full", "replay", "full"]
    assert [
        name for name in tables_of(kept, "work") if name.startswith(("again_", "affected_", "moved_", "replay"))
    ] == []


@pytest.mark.usefixtures("always_cheaper")
def test_the_check_is_made_however_many_a_change_touches(kept: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    _take(kept, NEXT)
    (table,) = query(kept, "SELECT table_name FROM tiering.measurement ORDER BY as_of DESC LIMIT 1")[0]
    query(kept, f"UPDATE work.{table} SET net_sales__12_months = {WRONG} WHERE account_id = 'C1'")
    _load(kept, [f"{SOLD} ('S5', 'D5', 'C5', DATE '2024-02-01', 50, 2)"])
    monkeypatch.setattr(sql.measure, "MOST_AGAIN", 0)
    assert _take(kept, EVENING + timedelta(days=7)).fault.startswith("measures as of 2024-04-07: 1 accounts are not")


@pytest.mark.usefixtures("always_cheaper")
def test_the_check_does_not_mind_what_else_a_piece_is_read_for(kept: Database) -> None:
    visits = {"measure": "visits_without_effect", "window": "12 months"}  # it reads the last sale, however long ago
    policy = policy_of(
        "customer", {"interval_ratio": {"measure": "interval_ratio", "window": "12 months"}, "visits": visits}
    )
    faults = [_take(kept, EVENING + timedelta(days=days), policy).fault for days in (0, 1, 7)]
    assert faults == ["", "", ""]
    assert _methods(kept) == ["full", "full", "replay", "full"]


@pytest.mark.usefixtures("always_cheaper")
def test_a_load_that_comes_while_a_day_is_measured_hides_nobody(
    kept: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _load(kept, CHANGES["money that names another customer's document"][1])
    query(kept, BATCH, no=3, day=EVENING, now=NOW)
    query(kept, "UPDATE facts.receivables SET superseded_in = 3 WHERE document_id = 'R3'")
    monkeypatch.setattr(sql.measure, "facts_batch_no", lambda _: 2)
    table = _take(kept, EVENING).table
    assert query(kept, f"SELECT receivable_balance FROM {table} WHERE account_id = 'C3'") == [(100,)]
    assert _methods(kept) == ["full", "replay"]


# What can be replayed


def _tree(columns: list[str], grain: str = "customer") -> exp.Select:
    tree = parse_one(measure_statement(grain, columns), read="duckdb")
    assert isinstance(tree, exp.Select)
    return tree


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("window", ["12_months", "90_days", "to_date", "calendar_year", "ever"])
def test_every_measure_of_the_library_can_be_replayed(window: str, grain: str) -> None:
    names = [column.replace("12_months", window) for column in every_column(grain)]
    names = [name for name in names if name != "sales_growth__ever"]
    if find_replay(_tree(names, grain)) is None:
        alone = [name for name in names if find_replay(_tree([name], grain)) is None]
        raise AssertionError(f"{', '.join(alone) or 'none alone'}: see CARRIED in sql/replay.py")


def test_a_measure_that_nobody_classified_is_measured_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    recency, opening = _tree(["recency_days__ever"]), _tree(["net_sales__ever"])
    assert find_replay(recency) is not None
    with monkeypatch.context() as changed:
        changed.delitem(sql.replay.CARRIED, "sales.last_sold_on")
        assert find_replay(recency) is None
        assert find_replay(opening) is not None
    with monkeypatch.context() as changed:
        changed.setattr(sql.replay, "SEEN_BY_CUSTOMER", frozenset({"payments"}))
        assert find_replay(opening) is None


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ("fact.sold_on <= $as_of", "DATE_DIFF('day', fact.sold_on, $as_of) >= 0"),
        ("fact.sold_on <= $as_of", "fact.sold_on + 1 <= $as_of"),
        ("fact.sold_on <= $as_of", "fact.sold_on = $as_of"),
        ("facts.sales", "tiering.customer_tier_history"),
    ],
)
def test_a_piece_that_uses_the_day_or_a_table_otherwise_is_measured_in_full(then: str, now: str) -> None:
    text = _tree(["net_sales__ever"]).sql(dialect="duckdb")
    assert then in text
    tree = parse_one(text.replace(then, now), read="duckdb")
    assert isinstance(tree, exp.Select)
    assert find_replay(tree) is None
