"""A running Airflow: people answer through its REST API, and an earlier day is published late by its backfill."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import airflow_case
import pytest
from companies import Said, Warehouses, batch_of, customer, publish, query, sale, warehouses
from standalone import Standalone

from sql.connect import Database, connected
from sql.schema import upgrade_schema
from transforms.policy import read_policies

__all__ = ["warehouses"]

pytestmark = [pytest.mark.airflow, pytest.mark.postgres, pytest.mark.timeout(580)]

HEAD = """
title: {{en: {id}}}
ref: tests
grain: customer
schedule: "0 6 2 * *"
as_of: previous_month_end
tiers: [A, B, C]
indicators:
  net_sales: {{measure: net_sales, window: 1 months, unit: money, better: high}}
decide:
  bands: {{of: net_sales, tiers: [{{tier: A, at_least: 1000}}, {{tier: B, at_least: 100}}, {{tier: C}}]}}
"""
POLICIES = {
    "asking": "review: {approve: {tiers: [A], by: [sales_director, general_manager]}}",
    "sticky": "movement: {down: {after: 2}, max_steps_down: 1}",
}
SALES = {
    "C1": (1000, 10, 10, 1000),
    "C2": (100, 1000, 10, 10),
    "C3": (1000, 1000, 100, 100),
    "C4": (10, 0, 1000, 10),
}
"""Net sales of January to April 2024, by customer."""
DAYS = [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30)]
DIRECTOR, MANAGER = "approve_sales_director", "approve_general_manager"


Rows = dict[str, list[tuple[Any, ...]]]
"""Rows of several tables."""


def standing(warehouse: Database) -> Rows:
    """Return the history of the sticky policy and what follows from it, each table in one order."""
    columns = {
        "customer_tier_history": "customer_id, tier, computed_tier, status, valid_from, valid_to, run_id",
        "absence": "customer_id, reason, valid_from, valid_to",
        "movement_state": "customer_id, valid_from, valid_to, tier, computed_tier, found, found_since, since_on",
        "customer_tier": "customer_id, tier, computed_tier, status, as_of, run_id",
        "tier_change": "customer_id, as_of, from_tier, to_tier, cause, drivers, superseded_at IS NULL",
    }
    found = {
        table: sorted(query(warehouse, f"SELECT {names} FROM tiering.{table} WHERE policy_id = 'sticky'"), key=repr)
        for table, names in columns.items()
    }
    return {**found, "tier_change": [row for row in found["tier_change"] if row[-1]]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rest")
    (folder / "policies").mkdir()
    (folder / "home").mkdir()
    (folder / "dags").mkdir()
    shutil.copy(airflow_case.ROOT / "dags" / "tiers.py", folder / "dags")  # of the DAGs, just those that run
    for policy_id, more in POLICIES.items():
        text = f"id: {policy_id}{HEAD.format(id=policy_id)}{more}\n"
        (folder / "policies" / f"{policy_id}.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def warehouse(warehouses: Warehouses, folder: Path) -> Iterator[Database]:
    """A warehouse with the facts of four months."""
    database = warehouses.new("postgresql")
    with connected(database, "tiering_warehouse") as connection:
        upgrade_schema(connection)
    source = Said(database, folder / "said")
    source.put("customers", [customer(number) for number in SALES])
    source.put(
        "sales",
        [
            sale(f"{number}-{month}", customer_id=number, sold_on=f"2024-{month:02}-10", net_amount=str(amount))
            for number, amounts in SALES.items()
            for month, amount in enumerate(amounts, 1)
            if amount
        ],
    )
    source.load(batch_of("2024-01", 4))
    yield database
    warehouses.drop(database)


@pytest.fixture(scope="module")
def expected(warehouse: Database, warehouses: Warehouses, folder: Path) -> Rows:
    """What stands after the sticky policy was published on all days in their order, in a warehouse of its own.

    In the other one all days but the first are published then.
    """
    other = warehouses.new("postgresql", warehouse)
    policies = read_policies(folder / "policies")
    for day in DAYS:
        publish(other, policies, "sticky", day)
    for day in DAYS[1:]:
        publish(warehouse, policies, "sticky", day)
    found = standing(other)
    warehouses.drop(other)
    return found


@pytest.fixture(scope="module")
def airflow(folder: Path, warehouse: Database, expected: Rows, warehouses: Warehouses) -> Iterator[Standalone]:
    """A running Airflow in front of the warehouse, in which each role has its user."""
    metadata = warehouses.new("postgresql")
    running = Standalone(
        folder / "home",
        metadata,
        {
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW_CONN_TIERING_WAREHOUSE": airflow_case.connection_to(warehouse),
            "TIERING_POLICIES": str(folder / "policies"),
            "TIERING_MAIL_DIR": str(folder / "mail"),
            "TIERING_APPROVERS": "sales_director=ana,general_manager=bo",
        },
        {"admin": "admin", "ana": "user", "bo": "user"},
    )
    try:
        running.wait_for("answer of Airflow", 200, lambda: running.is_ready("tier__asking", "tier__sticky"))
        yield running
    finally:
        running.stop()
        warehouses.drop(metadata)


class Run:
    """A run of the asking policy, started through the REST API."""

    def __init__(self, airflow: Standalone, as_of: date) -> None:
        self.airflow = airflow
        body = {"logical_date": None, "conf": {"as_of": as_of.isoformat()}}
        status, made = airflow.ask("admin", "POST", "/dags/tier__asking/dagRuns", body)
        assert status == 200, made
        self.path = f"/dags/tier__asking/dagRuns/{made['dag_run_id']}"

    def tasks(self) -> dict[str, dict[str, Any]]:
        _, found = self.airflow.ask("admin", "GET", f"{self.path}/taskInstances")
        return {each["task_id"]: each for each in found["task_instances"]}

    def states(self) -> dict[str, str | None]:
        states = {task_id: task["state"] for task_id, task in self.tasks().items()}
        assert not {"failed", "up_for_retry"} & set(states.values()), f"{states}\n{self.airflow.tail()}"
        return states

    def wait_until_asked(self, task_id: str) -> None:
        """Wait for a request, and until nobody works on its task any more.

        An answer that comes before the executor has told the scheduler so counts as a failure of the task.
        """
        self.airflow.wait_for(f"request of {task_id}", 120, lambda: self.states()[task_id] == "awaiting_input")
        instance = self.tasks()[task_id]["id"]
        self.airflow.wait_for("idle worker", 60, lambda: not self.airflow.works_on(instance))
        time.sleep(3)

    def answer(self, user: str, task_id: str, option: str, **form: str) -> int:
        body = {"chosen_options": [option], "params_input": form}
        return self.airflow.ask(user, "PATCH", f"{self.path}/taskInstances/{task_id}/-1/hitlDetails", body)[0]

    def wait_until_ended(self) -> str:
        def ended() -> str | None:
            self.states()
            state = self.airflow.ask("admin", "GET", self.path)[1]["state"]
            return state if state in ("success", "failed") else None

        return str(self.airflow.wait_for(f"end of {self.path}", 120, ended))


def ledger(warehouse: Database, policy: str) -> list[tuple[Any, ...]]:
    return query(
        warehouse, "SELECT as_of, status, reason FROM tiering.run WHERE policy_id = :policy ORDER BY 1", policy=policy
    )


def test_people_answer_through_the_rest_api_while_a_backfill_publishes_an_earlier_day(
    airflow: Standalone, warehouse: Database, expected: Rows
) -> None:
    run = Run(airflow, DAYS[0])
    first = {"from_date": "2024-02-01T00:00:00Z", "to_date": "2024-02-03T00:00:00Z"}
    body = {"dag_id": "tier__sticky", **first, "max_active_runs": 1}
    status, backfill = airflow.ask("admin", "POST", "/backfills", body)
    assert status == 200, backfill

    run.wait_until_asked(DIRECTOR)
    assert ledger(warehouse, "asking") == []
    assert run.answer("bo", DIRECTOR, "Approve") == 403
    assert run.answer("ana", DIRECTOR, "Approve", comment="good payers") == 200
    assert run.answer("ana", DIRECTOR, "Reject") == 409
    run.wait_until_asked(MANAGER)
    assert run.answer("ana", MANAGER, "Approve") == 403
    assert run.answer("bo", MANAGER, "Approve", but_not="C3") == 200
    assert run.wait_until_ended() == "success"
    assert ledger(warehouse, "asking") == [(DAYS[0], "published", None)]
    current = "SELECT customer_id, tier, status FROM tiering.customer_tier WHERE policy_id = 'asking' ORDER BY 1"
    before = query(warehouse, current)
    assert before == [("C1", "A", "final"), ("C2", "B", "final"), ("C3", "B", "held"), ("C4", "C", "final")]
    said = "SELECT asked_of, answered_by, answer, comment FROM tiering.approval WHERE as_of = :day ORDER BY step"
    assert query(warehouse, said, day=DAYS[0]) == [
        ("sales_director", "ana", "approved", "good payers"),
        ("general_manager", "bo", "approved", None),
    ]

    run = Run(airflow, DAYS[1])
    run.wait_until_asked(DIRECTOR)
    assert run.answer("ana", DIRECTOR, "Reject", comment="not this month") == 200
    assert run.wait_until_ended() == "success"
    assert run.states()["publish"] == "skipped"
    assert ledger(warehouse, "asking")[1:] == [(DAYS[1], "rejected", "refused by ana")]
    assert query(warehouse, current) == before

    def is_done() -> bool:
        return bool(airflow.ask("admin", "GET", f"/backfills/{backfill['id']}")[1]["completed_at"])

    airflow.wait_for("end of the backfill", 150, is_done)
    published = (
        "SELECT as_of FROM tiering.run WHERE policy_id = 'sticky' AND status = 'published' ORDER BY published_at"
    )
    assert query(warehouse, published) == [(day,) for day in (*DAYS[1:], DAYS[0])]
    assert standing(warehouse) == expected
