"""Airflow in one process: an own metadata database, the project's DAGs, and runs of them."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from sql.connect import Database

ROOT = Path(__file__).resolve().parents[1]


def prepare_environment() -> None:
    """Set what Airflow reads when it is imported; call it before the first import."""
    if "AIRFLOW_HOME" in os.environ and os.environ.get("TESTS_AIRFLOW_READY") == "1":
        return
    home = tempfile.mkdtemp(prefix="tiering-airflow-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ.update(
        {
            "TESTS_AIRFLOW_READY": "1",
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            "GX_ANALYTICS_ENABLED": "false",
        }
    )


def some_policies(folder: Path, *ids: str, name: str = "policies") -> str:
    """Copy some policies into a folder of their own, as an installation has them; return its path.

    A policy's run measures for every policy of the folder: with all that ship, each run takes seconds more.
    """
    target = folder / name
    target.mkdir()
    for policy_id in ids:
        shutil.copy(ROOT / "policies" / f"{policy_id}.yaml", target)
    return str(target)


def connection(**fields: Any) -> str:
    """Return an Airflow connection as JSON."""
    return json.dumps(fields)


def connection_to(database: Database) -> str:
    """Return the Airflow connection to a database."""
    if database.kind == "duckdb":
        return connection(conn_type="duckdb", host=database.path)
    return connection(
        conn_type="postgres",
        host=database.host,
        port=database.port,
        schema=database.name,
        login=database.user,
        password=database.password,
    )


def drop_settings(patch: pytest.MonkeyPatch) -> None:
    """Take every setting of the machine out of the environment."""
    for name in [name for name in os.environ if name.startswith(("TIERING_", "AIRFLOW_CONN_"))]:
        patch.delenv(name)


def set_connections(patch: pytest.MonkeyPatch, **databases: Database) -> None:
    """Make the connections TIERING_<NAME> of the environment those to `databases`, and drop every other setting."""
    prepare_environment()
    drop_settings(patch)
    for name, database in databases.items():
        patch.setenv(f"AIRFLOW_CONN_TIERING_{name}", connection_to(database))


@cache
def bag() -> Any:
    """Return the project's DAGs, parsed once."""
    prepare_environment()
    from airflow.utils.db import initdb

    initdb()
    return parse_bag()


def parse_bag() -> Any:
    """Return the project's DAGs, parsed now, with the settings of the moment."""
    from airflow.dag_processing.dagbag import BundleDagBag

    return BundleDagBag(dag_folder=str(ROOT / "dags"), bundle_path=ROOT / "dags", bundle_name="dags-folder")


def run_dag(dag_id: str, *, logical_date: datetime | None = None, **params: Any) -> Any:
    """Run one DAG to its end in this process, without retries, and return the DAG run."""
    dag = bag().dags[dag_id]
    for task in dag.tasks:
        task.retries = 0
    # Within one process Airflow keeps the last run's values in the DAG's own parameters: say the defaults again.
    conf = {**dict.fromkeys(dag.params), **params}
    with _parsed_and_stored_once():
        return dag.test(logical_date=logical_date, run_conf=conf or None)


_stored: list[Any] = []


@contextmanager
def _parsed_and_stored_once() -> Iterator[None]:
    """Spare a run the DAGs of the whole folder, which `dag.test` parses and stores anew each time it is called."""
    from airflow.dag_processing import dagbag

    known, store = bag(), dagbag.sync_bag_to_db

    def store_once(*args: Any) -> None:
        if not any(known is each for each in _stored):
            store(*args)
            _stored[:] = [known]

    with mock.patch.multiple(dagbag, BundleDagBag=lambda **_: known, sync_bag_to_db=store_once):
        yield


def states(run: Any) -> dict[str, str]:
    """Return the state of every task of a run."""
    return {instance.task_id: str(instance.state) for instance in run.get_task_instances()}
