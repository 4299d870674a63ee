"""A policy's DAG with TIERING_DECIDE_TASKS: several mapped tasks decide, and what is published is the same."""

# ruff: noqa: F811 - fixtures come in by their names

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from email import message_from_bytes
from pathlib import Path

import airflow_case
import pytest
from companies import Warehouses, contents, query, warehouses  # noqa: F401

from sql.connect import Database
from tiering import jobs
from transforms.policy import read_policies

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAY = "2025-12-31"
OF_A_TRY = ("run_attempt", "measurement")
INSTANT = re.compile(r"datetime\.datetime\([^()]*(?:\([^()]*\)|<[^>]*>)*[^()]*\)")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An installation with one policy, whose runs three tasks decide; its warehouse is still to be named."""
    airflow_case.set_connections(monkeypatch)
    monkeypatch.setenv("TIERING_POLICIES", airflow_case.some_policies(tmp_path, "rfm_555"))
    monkeypatch.setenv("TIERING_MAIL_DIR", str(tmp_path / "mail"))
    monkeypatch.setenv("TIERING_DECIDE_TASKS", "3")
    airflow_case.bag.cache_clear()
    yield monkeypatch
    airflow_case.bag.cache_clear()


def published(database: Database) -> dict[str, list[str]]:
    """Return the rows that consumers read, without what belongs to a try alone, and without the instant of a row."""
    found = contents(database, "tiering", without=OF_A_TRY)
    return {table: sorted(INSTANT.sub("", row) for row in rows) for table, rows in found.items()}


@pytest.mark.postgres
def test_mapped_tasks_publish_what_one_task_publishes(
    warehouses: Warehouses, installed: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spread, alone = warehouses.loaded("postgresql"), warehouses.loaded("postgresql")
    installed.setenv("AIRFLOW_CONN_TIERING_WAREHOUSE", airflow_case.connection_to(spread))
    run = airflow_case.run_dag("tier__rfm_555", as_of=DAY)
    decided = {each.map_index: each.state for each in run.get_task_instances() if each.task_id == "decide"}
    assert decided == {0: "success", 1: "success", 2: "success"}
    assert set(airflow_case.states(run)) == {"wait", "measure", "split", "decide", "gather", "release", "publish"}
    assert run.state == "success"

    policies = read_policies(tmp_path / "policies")
    measured = jobs.measure(alone, policies, "rfm_555", date.fromisoformat(DAY))
    jobs.publish(alone, policies["rfm_555"], jobs.decide(alone, policies["rfm_555"], measured))
    found, wanted = published(spread), published(alone)
    assert len(wanted["tiering.customer_tier"]) > 50
    assert found == wanted

    again = airflow_case.run_dag("tier__rfm_555", as_of=DAY)
    assert again.state == "success"
    assert published(spread) == wanted
    outcomes = "SELECT outcome, COUNT(*) FROM tiering.run_attempt GROUP BY outcome ORDER BY outcome"
    assert query(spread, outcomes) == [("noop", 1), ("published", 1)]
    for database in (spread, alone):
        warehouses.drop(database)


def test_a_duckdb_file_is_refused_with_one_clear_line(
    warehouses: Warehouses, installed: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    database = warehouses.empty("duckdb")
    installed.setenv("AIRFLOW_CONN_TIERING_WAREHOUSE", airflow_case.connection_to(database))
    run = airflow_case.run_dag("tier__rfm_555", as_of=DAY)
    assert run.state == "failed"
    assert airflow_case.states(run)["wait"] == "failed"
    (alert,) = (tmp_path / "mail").glob("alert-*.eml")
    part = message_from_bytes(alert.read_bytes()).get_payload()[0]
    said = part.get_payload(decode=True).decode()
    assert "TIERING_DECIDE_TASKS: 3 tasks cannot share" in said
    assert "leave it out, or take PostgreSQL for the warehouse" in said


def test_the_run_book_names_the_tasks_that_are_there(installed: pytest.MonkeyPatch) -> None:
    for tasks, steps in (("3", "measure → split → decide (up to 3 tasks) → gather →"), ("1", "measure → decide →")):
        installed.setenv("TIERING_DECIDE_TASKS", tasks)
        bag = airflow_case.parse_bag()
        assert bag.import_errors == {}
        (dag,) = (dag for name, dag in bag.dags.items() if name == "tier__rfm_555")
        assert steps in dag.doc_md
        assert {"split", "gather"} <= set(dag.task_ids) if tasks == "3" else "split" not in dag.task_ids
