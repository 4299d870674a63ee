"""Spark: a real local Spark measures and decides as DuckDB does, row by row."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from companies import Warehouses, read_frame, shipped_policies, warehouses

from sql import spark
from sql.connect import Database, connected, kept_open
from sql.handover import DECIDED, hand_over_facts, state_folder
from sql.measure import read_library
from transforms.decide import decide_tiers
from transforms.outlook import find_outlook

pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed; make spark installs it")

YEAR_END = date(2025, 12, 31)
POLICIES = shipped_policies()


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """A local Spark on loopback, with two cores."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    builder = pyspark.sql.SparkSession.builder.master("local[2]")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.memory": "2g",
    }.items():
        builder = builder.config(name, value)
    found = builder.appName("tests").getOrCreate()
    found.sparkContext.setLogLevel("ERROR")
    yield found
    found.stop()


@pytest.fixture(scope="module")
def company(warehouses: Warehouses) -> Iterator[Database]:
    """A DuckDB warehouse with the small company's facts, which the tests of this file only measure."""
    database = warehouses.loaded("duckdb")
    with kept_open(database):
        yield database
    warehouses.drop(database)


@pytest.fixture(scope="module")
def state(session: Any, company: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company's facts as they were handed over, which the session has read."""
    with connected(company, "tests") as connection:
        folder = tmp_path_factory.mktemp("states")
        found = state_folder(folder, hand_over_facts(connection, folder))
    spark.read_state(session, found)
    return found


@pytest.mark.parametrize("policy_id", POLICIES)
def test_every_shipped_policy_measures_and_decides_as_on_duckdb(
    policy_id: str, session: Any, state: Path, company: Database, tmp_path: Path
) -> None:
    policy = POLICIES[policy_id]
    _, wanted = read_frame(company, POLICIES, policy_id, YEAR_END)
    _, measures = spark.take_measures(session, state, POLICIES.values(), policy.grain, YEAR_END)
    indicators = spark.read_indicators(session, policy, measures)
    found = indicators.toArrow().sort_by("account_id")
    assert found.column_names == wanted.column_names
    assert found.cast(wanted.schema).equals(wanted)

    held = pa.table({"account_id": wanted["account_id"][::7], "reason": ["sales: a reason"] * len(wanted[::7])})
    spark.decide(session, policy, indicators, held, tmp_path / DECIDED)
    decided, outlook = spark.read_decided(tmp_path)
    frame = wanted.to_pandas(types_mapper=pd.ArrowDtype)
    because = dict(zip(held["account_id"].to_pylist(), held["reason"].to_pylist(), strict=True))
    expected = decide_tiers(policy, frame, because)
    assert_equal("decisions", decided.decisions, expected.decisions)
    assert_equal("components", decided.components, expected.components)
    assert_equal("tasks", decided.tasks, expected.tasks)
    assert_equal("outlook", outlook, find_outlook(policy, frame, read_library()))


def assert_equal(part: str, found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Compare whole frames, types included; the rows of the wanted one are put in order first."""
    ordered = pa.Table.from_pandas(wanted, preserve_index=False).sort_by(
        [(name, "ascending") for name in spark.KEYS[part]]
    )
    pd.testing.assert_frame_equal(found, ordered.to_pandas(types_mapper=pd.ArrowDtype))
