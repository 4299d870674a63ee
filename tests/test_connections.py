"""Airflow connections as databases: what each says, which users are optional, and under which bounds they work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sql.connect import Session
from sql.errors import DatabaseFailed, TieringError
from tiering.connections import WAREHOUSE, database_of, mailer_of, owner_of
from tiering.runtime import one_line_errors
from tiering.settings import read_settings

pytestmark = pytest.mark.airflow


@pytest.fixture
def warehouse(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A connection tiering_warehouse on a server that nobody asks."""
    monkeypatch.setenv("AIRFLOW_CONN_TIERING_WAREHOUSE", _connection("writer"))
    return monkeypatch


def _connection(login: str, host: str = "dwh.example") -> str:
    return json.dumps({"conn_type": "postgres", "host": host, "schema": "warehouse", "login": login, "password": "p"})


def test_without_users_of_their_own_the_warehouse_user_owns_and_mails(warehouse: pytest.MonkeyPatch) -> None:
    assert owner_of() == mailer_of() == database_of(WAREHOUSE)


def test_the_schema_and_the_mails_have_users_of_their_own(warehouse: pytest.MonkeyPatch) -> None:
    warehouse.setenv("AIRFLOW_CONN_TIERING_OWNER", _connection("owner"))
    warehouse.setenv("AIRFLOW_CONN_TIERING_MAILER", _connection("mailer"))
    assert [database.user for database in (owner_of(), mailer_of(), database_of(WAREHOUSE))] == [
        "owner",
        "mailer",
        "writer",
    ]


def test_the_owner_of_another_database_is_refused(warehouse: pytest.MonkeyPatch) -> None:
    warehouse.setenv("AIRFLOW_CONN_TIERING_OWNER", _connection("owner", host="elsewhere.example"))
    with pytest.raises(TieringError, match=r"tiering_owner: elsewhere.*is not the warehouse dwh\.example"):
        owner_of()


def test_sessions_are_bounded_by_the_settings_and_named_by_the_task(warehouse: pytest.MonkeyPatch) -> None:
    warehouse.setenv("TIERING_STATEMENT_TIMEOUT_SECONDS", "60")
    warehouse.setenv("TIERING_LOCK_TIMEOUT_SECONDS", "5")
    warehouse.setenv("TIERING_IDLE_TIMEOUT_SECONDS", "7")
    warehouse.setenv("TIERING_DUCKDB_MEMORY", "3GB")
    warehouse.setenv("AIRFLOW_CTX_DAG_ID", "tier__pyramid")
    warehouse.setenv("AIRFLOW_CTX_TASK_ID", "publish")
    assert database_of(WAREHOUSE).session == Session(60, 5, 7, "3GB", "customer-tiering tier__pyramid.publish")


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "1h", "1000000", "٣"])
@pytest.mark.parametrize("name", ["STATEMENT", "LOCK", "IDLE"])
def test_a_bound_is_a_number_of_seconds(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(TieringError, match=f"TIERING_{name}_TIMEOUT_SECONDS: a whole number of seconds"):
        read_settings({f"TIERING_{name}_TIMEOUT_SECONDS": value})


@pytest.mark.parametrize("value", ["2", "2 GB", "0GB", "2gb", "1TB", "'; --"])
def test_a_bound_of_memory_is_a_number_and_a_unit(value: str) -> None:
    with pytest.raises(TieringError, match="TIERING_DUCKDB_MEMORY: write a number and MB or GB"):
        read_settings({"TIERING_DUCKDB_MEMORY": value})


def test_airflow_tries_again_what_a_database_raised_and_nothing_that_a_person_set_up() -> None:
    from airflow.sdk.exceptions import AirflowFailException

    def fail(error: TieringError) -> None:
        raise error

    for error in (DatabaseFailed("w: lost", may_pass=True), DatabaseFailed("w: lock time-out", sqlstate="55P03")):
        with pytest.raises(DatabaseFailed):
            one_line_errors(fail)(error)
    with pytest.raises(AirflowFailException, match="no tier Z"):
        one_line_errors(fail)(TieringError("no tier Z"))
