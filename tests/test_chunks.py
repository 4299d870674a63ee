"""A run that is decided in parts is the run that is decided at once, on both engines, however large the parts are.

The same holds for a run that several tasks decide, in whatever order and however often each of them runs.
"""

# ruff: noqa: F811 - fixtures come in by their names

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier
from typing import Any

import pandas as pd
import pytest
from companies import ENGINES, ROOT, Warehouses, contents, demo_policies, query, tables_of, warehouses  # noqa: F401
from sqlalchemy import text

from sql.connect import Database, connected, kept_open, stream_arrow
from sql.erasure import erase_customer
from sql.errors import TieringError
from sql.facts import rebuild
from sql.spread import KEPT
from tests.indicator_frames import POLICIES, indicator_frame, pool_of
from tiering import jobs
from transforms.decide import InputHash, decide_tiers, run_input_hash
from transforms.policy import parse_policy

DAY = date(2025, 12, 31)
STAGED = (
    "decided",
    "component",
    "task",
    "outlook",
)


@pytest.fixture(scope="module", params=ENGINES)
def loaded(request: pytest.FixtureRequest, warehouses: Warehouses) -> Iterator[Database]:
    database = warehouses.loaded(str(request.param))
    with kept_open(database):
        yield database


def staged_by(database: Database, policy_id: str, accounts: int, patch: pytest.MonkeyPatch) -> dict[str, object]:
    """Decide so many accounts at a time; return the hash of the run's input and every staged row."""
    patch.setattr(jobs, "ACCOUNTS_AT_ONCE", accounts)
    return found_by(database, jobs.decide(database, demo_policies()[policy_id], measured(database, policy_id)))


def measured(database: Database, policy_id: str) -> dict[str, Any]:
    return jobs.measure(database, demo_policies(), policy_id, DAY)


def found_by(database: Database, staged: dict[str, Any]) -> dict[str, object]:
    """Return the hash of a run's input and every staged row."""
    run_id = staged["run"]["run_id"]
    found: dict[str, object] = {"input_hash": staged["run"]["input_hash"]}
    for table in STAGED:
        rows = query(database, f"SELECT * FROM work.{table} WHERE run_id = :run_id", run_id=run_id)
        found[table] = sorted(map(repr, rows))
    return found


@pytest.mark.parametrize("policy_id", ["pyramid", "rfm_555", "collection_classes"])
def test_parts_of_any_size_give_the_run_that_is_decided_at_once(
    loaded: Database, policy_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = staged_by(loaded, policy_id, 10**6, monkeypatch)
    assert len(whole["decided"]) > 50  # type: ignore[arg-type]
    assert len(whole["component"]) > len(whole["decided"])  # type: ignore[arg-type]
    for accounts in (1_000, 7, 50):
        assert staged_by(loaded, policy_id, accounts, monkeypatch) == whole, accounts


def split(database: Database, policy_id: str, tasks: int, restate: str | None = None) -> list[dict[str, Any]]:
    policy = demo_policies()[policy_id]
    return jobs.split(database, policy, measured(database, policy_id), tasks=tasks, restate=restate)


def decide(database: Database, policy_id: str, part: dict[str, Any]) -> int:
    return jobs.decide_range(database, demo_policies()[policy_id], part)["accounts"]


def spread(database: Database, policy_id: str, tasks: int, restate: str | None = None) -> dict[str, Any]:
    """Let so many tasks decide a run, one after the other; return what the last step says."""
    parts = split(database, policy_id, tasks, restate)
    for part in parts:
        decide(database, policy_id, part)
    return jobs.gather(database, demo_policies()[policy_id], parts)


@pytest.mark.parametrize("policy_id", ["pyramid", "rfm_555", "collection_classes"])
def test_several_tasks_stage_what_one_task_stages(
    loaded: Database, policy_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = staged_by(loaded, policy_id, 10**6, monkeypatch)
    before = tables_of(loaded, "work")
    monkeypatch.setattr(jobs, "ACCOUNTS_AT_ONCE", 20)  # parts within a range
    for tasks in (1, 4):
        parts = split(loaded, policy_id, tasks)
        bounds = [(part["first"], part["last"]) for part in parts]
        assert [first for first, _ in bounds] == [1, *(last + 1 for _, last in bounds[:-1])]
        sizes = [last - first + 1 for first, last in bounds]
        assert len(sizes) == tasks
        assert max(sizes) - min(sizes) <= 1
        assert sum(sizes) == parts[0]["accounts"] == len(whole["decided"])  # type: ignore[arg-type]
        done = [decide(loaded, policy_id, part) for part in reversed(parts)]
        done[0] = decide(loaded, policy_id, parts[-1])  # Airflow runs a task again that it takes for dead
        assert done == sizes[::-1]
        gathered = jobs.gather(loaded, demo_policies()[policy_id], parts)
        assert found_by(loaded, gathered) == whole, tasks
        assert jobs.gather(loaded, demo_policies()[policy_id], parts) == gathered, "run again, it stays"
    assert tables_of(loaded, "work") == before, "what is kept meanwhile is gone"


def test_there_are_no_more_tasks_than_accounts_and_one_for_none(loaded: Database) -> None:
    policy = demo_policies()["pyramid"]
    taken = measured(loaded, "pyramid")
    for rows in (3, 0):
        table = f"work.measures_of_{rows}"
        query(loaded, f"DROP TABLE IF EXISTS {table}")
        query(loaded, f"CREATE TABLE {table} AS SELECT * FROM {taken['table']} ORDER BY account_id LIMIT {rows}")
        parts = jobs.split(loaded, policy, {**taken, "table": table}, tasks=8)
        assert len(parts) == max(rows, 1)
        assert sum(decide(loaded, "pyramid", part) for part in parts) == rows
        spread_hash = jobs.gather(loaded, policy, parts)["run"]["input_hash"]
        assert spread_hash == jobs.decide(loaded, policy, {**taken, "table": table})["run"]["input_hash"]
        query(loaded, f"DROP TABLE {table}")


def test_tasks_at_once_stage_every_row_once(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = staged_by(loaded, "rfm_555", 10**6, monkeypatch)
    parts = split(loaded, "rfm_555", 3)
    with ThreadPoolExecutor(4 if loaded.kind == "postgresql" else 1) as pool:
        done = list(pool.map(lambda part: decide(loaded, "rfm_555", part), [*parts, parts[0], parts[2]]))
    assert done[:3] == [part["last"] - part["first"] + 1 for part in parts]
    assert found_by(loaded, jobs.gather(loaded, demo_policies()["rfm_555"], parts)) == whole


@pytest.fixture(params=ENGINES)
def fresh_copy(request: pytest.FixtureRequest, warehouses: Warehouses) -> Iterator[Database]:
    database = warehouses.loaded(str(request.param))
    with kept_open(database):
        yield database
    warehouses.drop(database)


def test_a_published_day_that_several_tasks_decide_again_is_a_noop_and_leaves_nothing(fresh_copy: Database) -> None:
    policy = demo_policies()["pyramid"]
    staged = spread(fresh_copy, "pyramid", 3)
    assert jobs.publish(fresh_copy, policy, staged)["status"] == "published"
    before = contents(fresh_copy, "tiering", "work", without=["run_attempt"])
    for restate in (None, "nothing has changed"):
        parts = split(fresh_copy, "pyramid", 3, restate)
        for part in parts:
            decide(fresh_copy, "pyramid", part)
        for _ in range(2):
            again = jobs.gather(fresh_copy, policy, parts)
            assert again["run"]["is_noop"]
            assert again["run"]["run_id"] == staged["run"]["run_id"]
        assert jobs.publish(fresh_copy, policy, again)["status"] == "noop"
        assert contents(fresh_copy, "tiering", "work", without=["run_attempt"]) == before
        with pytest.raises(TieringError, match="this try has ended.*clear split|is stale"):
            decide(fresh_copy, "pyramid", parts[0])


def test_a_published_day_on_other_input_is_refused_until_there_is_a_reason(fresh_copy: Database) -> None:
    policy = demo_policies()["pyramid"]
    jobs.publish(fresh_copy, policy, spread(fresh_copy, "pyramid", 2))
    taken = measured(fresh_copy, "pyramid")
    (column,) = {name for name in columns_of(fresh_copy, taken["table"]) if name.startswith("net_sales")}
    query(fresh_copy, f"UPDATE {taken['table']} SET {column} = {column} + 1")
    with pytest.raises(TieringError, match="is published, and the facts behind it changed since"):
        spread(fresh_copy, "pyramid", 2)
    assert query(fresh_copy, "SELECT outcome FROM tiering.run_attempt ORDER BY attempt") == [
        ("published",),
        ("failed",),
    ]
    restated = spread(fresh_copy, "pyramid", 2, "a credit note was missing")
    assert jobs.publish(fresh_copy, policy, restated)["status"] == "published"
    assert restated["run"]["revision"] == 2
    assert query(fresh_copy, "SELECT COUNT(*) FROM work.decided") == [(0,)]


def columns_of(database: Database, table: str) -> list[str]:
    with connected(database, "tests") as connection:
        return list(connection.execute(text(f"SELECT * FROM {table} LIMIT 0")).keys())


def test_an_older_try_neither_stages_nor_gathers_nor_publishes_once_a_newer_one_has_begun(
    fresh_copy: Database,
) -> None:
    policy = demo_policies()["pyramid"]
    staged = spread(fresh_copy, "pyramid", 2)
    older = split(fresh_copy, "pyramid", 2)
    with pytest.raises(TieringError, match="try 1 is stale, try 2 has started"):
        jobs.publish(fresh_copy, policy, staged)
    decide(fresh_copy, "pyramid", older[0])
    newer = split(fresh_copy, "pyramid", 3)
    assert query(fresh_copy, "SELECT COUNT(*) FROM work.decided") == [(0,)]
    with pytest.raises(TieringError, match="try 2 is stale, try 3 has started; nothing was staged"):
        decide(fresh_copy, "pyramid", older[1])
    with pytest.raises(TieringError, match="try 2 is stale, try 3 has started"):
        jobs.gather(fresh_copy, policy, older)
    for part in newer[:2]:
        decide(fresh_copy, "pyramid", part)
    with pytest.raises(TieringError, match=r"\d+ of \d+ accounts are staged; clear split"):
        jobs.gather(fresh_copy, policy, newer)
    whole = jobs.decide(fresh_copy, policy, measured(fresh_copy, "pyramid"))
    with pytest.raises(TieringError, match="try 3 is stale, try 4 has started"):
        decide(fresh_copy, "pyramid", newer[2])
    assert jobs.publish(fresh_copy, policy, whole)["status"] == "published"


@pytest.mark.postgres
def test_policies_that_are_decided_at_once_in_a_new_warehouse_wait_for_each_others_tables(
    warehouses: Warehouses,
) -> None:
    database = warehouses.loaded("postgresql")
    assert "differing" not in tables_of(database, "work")
    both = Barrier(2)

    def review(turn: int) -> None:
        with connected(database, "tests") as connection:
            both.wait(20)
            rebuild(connection, "differing", {"customer_id": "TEXT"})
            time.sleep(0.3)
            connection.execute(text("INSERT INTO work.differing VALUES (:turn)"), {"turn": str(turn)})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(review, (1, 2)))
    assert len(query(database, "SELECT customer_id FROM work.differing")) == 1
    warehouses.drop(database)


def test_what_is_kept_while_a_run_is_decided_goes_when_somebody_is_erased(fresh_copy: Database) -> None:
    parts = split(fresh_copy, "pyramid", 2)
    (customer,) = query(fresh_copy, "SELECT MIN(customer_id) FROM facts.customers")[0]
    erased = erase_customer(fresh_copy, customer, erased_on=DAY, reason="asked", requested_by="the office")
    assert erased.replaced["work.indicators"] == 1
    assert not [name for name in tables_of(fresh_copy, "work") if name.startswith(KEPT)]
    with pytest.raises(TieringError, match="what it was decided on is gone; clear split"):
        decide(fresh_copy, "pyramid", parts[0])


def test_a_policy_that_is_changed_meanwhile_is_split_again(fresh_copy: Database) -> None:
    parts = split(fresh_copy, "pyramid", 2)
    said = (ROOT / "policies" / "pyramid.yaml").read_text(encoding="utf-8")
    changed = parse_policy(said.replace("ref: S20", "ref: S21"), "pyramid")
    with pytest.raises(TieringError, match="it was changed while the run was decided; clear split"):
        jobs.decide_range(fresh_copy, changed, parts[0])
    with pytest.raises(TieringError, match="it was changed while the run was decided; clear split"):
        jobs.gather(fresh_copy, changed, parts)


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_a_stream_has_every_row_once_in_tables_of_the_size_that_is_asked_for(loaded: Database, rows: int) -> None:
    sql = "SELECT customer_id, CAST(1.5 AS DECIMAL(20, 4)) AS n FROM facts.customers WHERE holds_from > :day " \
          "ORDER BY customer_id COLLATE \"C\", holds_from, batch_no"  # fmt: skip
    everybody = [row[0] for row in query(loaded, "SELECT customer_id FROM facts.customers ORDER BY 1")]
    with connected(loaded, "tests") as connection:
        parts = list(stream_arrow(connection, sql, {"day": date(1900, 1, 1)}, rows=rows))
        none = list(stream_arrow(connection, sql, {"day": date(2900, 1, 1)}, rows=rows))
    assert sorted(name for part in parts for name in part["customer_id"].to_pylist()) == sorted(everybody)
    assert {part.num_rows for part in parts[:-1]} <= {rows}
    assert {str(part["n"].type) for part in parts} == {"decimal128(38, 18)"}
    assert [part.num_rows for part in none] == [0]


def test_accounts_out_of_order_or_twice_are_refused() -> None:
    policy = POLICIES["pyramid"]
    rows = [{**row, "account_id": f"c{number}"} for number, row in enumerate(pool_of(policy)[:3])]
    frames = [decide_tiers(policy, indicator_frame(policy, [row])).decisions for row in rows]
    for first, second in ((1, 0), (1, 1)):
        hashed = InputHash(policy)
        hashed.add(frames[first])
        with pytest.raises(TieringError, match="out of order, or twice"):
            hashed.add(frames[second])
    hashed = InputHash(policy)
    for frame in frames:
        hashed.add(frame)
    assert hashed.hexdigest() == run_input_hash(policy, pd.concat(frames[::-1]))
