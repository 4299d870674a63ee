"""Closed periods: what is closed changes only with a reason and somebody's word; the newest closing counts."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from companies import Warehouses, empty, fresh, publish_rows, query, stage_rows, warehouses

from sql.closing import Closing, close_period, read_closings
from sql.connect import Database, connected
from sql.errors import TieringError
from sql.review import review_run
from sql.runs import closed_through
from tiering.cli import main
from transforms.policy import parse_policy

LADDER = parse_policy(
    """
id: ladder
title: {en: Ladder}
ref: test
grain: customer
schedule: "0 6 2 * *"
as_of: previous_month_end
tiers: [A, B]
indicators:
  net_sales: {measure: net_sales, window: 12 months, unit: money}
decide:
  bands: {of: net_sales, tiers: [{tier: A, at_least: 150}, {tier: B}]}
""",
    "ladder",
)
TODAY = date(2026, 4, 20)
NOW = datetime(2026, 4, 20, 8, 30, tzinfo=UTC)
YEAR_END = date(2025, 12, 31)


def close(
    database: Database, policy_id: str | None, through: date, *, minutes: int = 0, by: str = "Li Na", reason: str = "ok"
) -> Closing | None:
    return close_period(
        database,
        policy_id,
        through,
        closed_by=by,
        reason=reason,
        now=NOW + timedelta(minutes=minutes),
        today=TODAY,
        policies=["pyramid", "rfm_555"],
    )


def in_force(database: Database, policy_id: str) -> date | None:
    with connected(database, "tests") as connection:
        found = closed_through(connection, policy_id)
    return None if found is None else found.closed_through


def test_the_newest_closing_counts_and_an_earlier_day_opens_again(empty: Database) -> None:
    assert close(empty, None, YEAR_END) is None
    assert close(empty, "pyramid", date(2026, 1, 31), minutes=1) is None
    assert in_force(empty, "pyramid") == date(2026, 1, 31)
    assert in_force(empty, "rfm_555") == YEAR_END
    before = close(empty, None, date(2024, 12, 31), minutes=2)
    assert before is not None
    assert before.closed_through == YEAR_END
    assert in_force(empty, "rfm_555") == date(2024, 12, 31)
    assert in_force(empty, "pyramid") == date(2026, 1, 31)
    assert [(each.policy_id, each.closed_through) for each in read_closings(empty)] == [
        (None, date(2024, 12, 31)),
        ("pyramid", date(2026, 1, 31)),
    ]
    assert query(empty, "SELECT COUNT(*) FROM tiering.closed_period") == [(3,)]


@pytest.mark.parametrize(
    ("policy_id", "through", "by", "reason", "says"),
    [
        (None, TODAY, "Li Na", "ok", "--through 2026-04-20: that day is not over .*; close 2026-04-19 or before"),
        (None, date(2027, 1, 1), "Li Na", "ok", "that day is not over"),
        ("pyramids", YEAR_END, "Li Na", "ok", "--policy pyramids: there is no such policy; did you mean pyramid"),
        (None, YEAR_END, " ", "ok", "--by is empty; say who closes"),
        (None, YEAR_END, "Li Na", "\t", "--reason is empty; say why"),
    ],
)
def test_what_cannot_be_closed_is_refused_in_one_line(
    policy_id: str | None, through: date, by: str, reason: str, says: str, embedded_empty: Database
) -> None:
    with pytest.raises(TieringError, match=says) as refused:
        close(embedded_empty, policy_id, through, by=by, reason=reason)
    assert "\n" not in str(refused.value)
    assert read_closings(embedded_empty) == []


@pytest.fixture(scope="module")
def embedded_empty(warehouses: Warehouses) -> Database:
    return warehouses.empty("duckdb")


def test_a_second_closing_before_the_first_is_refused(embedded_empty: Database, warehouses: Warehouses) -> None:
    database = warehouses.new("duckdb", embedded_empty)
    close(database, None, YEAR_END)
    with pytest.raises(TieringError, match="the clock is behind: Li Na closed at"):
        close(database, None, date(2024, 12, 31), minutes=-1)
    assert in_force(database, "pyramid") == YEAR_END


def test_a_closed_day_needs_a_reason_and_then_the_owners_word(empty: Database) -> None:
    """The figures of the day changed: without the closing a reason alone would do."""
    policy = LADDER
    before, after = ([{"account_id": "C1", "net_sales": Decimal(sales)}] for sales in (100, 200))
    publish_rows(empty, policy, YEAR_END, before)
    close(empty, "ladder", date(2026, 1, 31))
    assert stage_rows(empty, policy, YEAR_END, before).is_noop
    with pytest.raises(TieringError, match="Li Na closed everything through 2026-01-31, and 2025-11-30 is part of it"):
        stage_rows(empty, policy, date(2025, 11, 30), after)
    with pytest.raises(TieringError, match="give a reason"):
        stage_rows(empty, policy, YEAR_END, after)
    this = stage_rows(empty, policy, YEAR_END, after, restate="credit notes were missing")
    (request,) = review_run(empty, policy, this).requests
    assert request.task == "release"
    assert "closed period: Li Na closed everything through 2026-01-31" in request.text


# The command.


def test_people_close_and_open_from_the_command_line(
    warehouses: Warehouses,
    embedded_empty: Database,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = warehouses.new("duckdb", embedded_empty)
    monkeypatch.setenv("AIRFLOW_CONN_TIERING_WAREHOUSE", json.dumps({"conn_type": "duckdb", "host": database.path}))
    said = ["--by", "Li Na", "--reason", "accounts of 2025"]
    assert main(["close", "--list"]) == 0
    assert capsys.readouterr().out == "nothing is closed\n"
    assert main(["close", "--through", "2025-12-31", *said]) == 0
    today = datetime.now(UTC).astimezone().date()
    out = capsys.readouterr().out
    assert out.startswith("all policies: closed through 2025-12-31, by Li Na on 20")
    assert out.endswith(": accounts of 2025\n")
    assert main(["close", "--through", "2024-12-31", "--policy", "pyramid", *said]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("pyramid: closed through 2024-12-31, by Li Na on")
    assert lines[2] == "for a policy that is named, the later of the two days counts"
    assert main(["close", "--through", "2025-06-30", *said]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "all policies: 2025-07-01 to 2025-12-31 are open again"
    assert lines[1].startswith("all policies: closed through 2025-06-30")
    assert main(["close", "--through", str(today + timedelta(days=400)), *said]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["close", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say --through, --by, --reason too, or --list alone"),
        (["--through", "2025-12-31", "--by", "Li Na"], "say --reason too"),
        (["--list", "--policy", "pyramid"], "--list closes nothing; leave out --policy"),
        (["--through", "31.12.2025", "--by", "Li Na", "--reason", "ok"], "is no day; write the day as 2026-03-31"),
    ],
)
def test_wrong_usage_is_said(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["close", *arguments])
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err
