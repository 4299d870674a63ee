"""Replay: a later day taken from kept rows is, row for row, what measuring everybody gives."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from companies import ENGINES, Warehouses, query, warehouses
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
    key = {"measurement_id": taken.measurement_id}
    row = run_text(connection, "SELECT method FROM tiering.measurement WHERE measurement_id = :measurement_id", key)
    checked.methods[row.scalar_one()] += 1


@pytest.fixture
def always_cheaper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replays however many accounts a change touches: companies of tests are small."""
    monkeypatch.setattr(sql.measure, "MOST_AGAIN", 1)


def _tell_story(warehouses: Warehouses, engine: str, grain: str, window: str, seed: int, days: list[int]) -> Checked:
    database, checked, policy = warehouses.empty(engine), Checked(), POLICIES[grain, window]
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
