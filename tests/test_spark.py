"""Spark: a real local Spark measures and decides as DuckDB does, row by row."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
import wwi
from companies import Warehouses, read_frame, shipped_policies, warehouses

from sql import spark
from sql.connect import Database, connected, kept_open
from sql.errors import TieringError
from sql.extract import Batch
from sql.handover import DECIDED, hand_over_facts, run_folder, state_folder
from sql.measure import read_library, take_measures
from tiering import jobs
from tiering.settings import read_settings
from tiering.spark_application import main
from transforms.decide import decide_tiers
from transforms.outlook import find_outlook
from transforms.policy import Policy, read_policies

pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed; make spark installs it")

YEAR_END = date(2025, 12, 31)
POLICIES = shipped_policies()
NAMES = ("source", "warehouse")


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
    return handed_over(session, company, tmp_path_factory.mktemp("states"))


def handed_over(session: Any, warehouse: Database, folder: Path) -> Path:
    """Hand the facts of a warehouse over, and let the session read them."""
    with connected(warehouse, "tests") as connection:
        found = state_folder(folder, hand_over_facts(connection, folder))
    spark.read_state(session, found)
    return found


@pytest.mark.parametrize("policy_id", POLICIES)
def test_every_shipped_policy_measures_and_decides_as_on_duckdb(
    policy_id: str, session: Any, state: Path, company: Database, tmp_path: Path
) -> None:
    compare(session, state, company, POLICIES, policy_id, YEAR_END, tmp_path)


@pytest.mark.skipif(not wwi.SLICE.is_dir(), reason="../shared/data/wwi_slice is not there")
def test_wide_world_importers_are_decided_as_on_duckdb(session: Any, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        wwi.prepare(tmp_path, patch)
        source, warehouse = (
            Database("duckdb", path=str(tmp_path / f"{name}.duckdb")) for name in ("source", "warehouse")
        )
        batch, settings = Batch(wwi.BATCHES[0][0], wwi.BATCHES[-1][1]), read_settings()
        jobs.extract(source, warehouse, settings, batch)
        jobs.validate(warehouse, settings, batch, with_pages=False)
        jobs.load(warehouse, batch, settings)
        policies = read_policies(settings.policies)
    mine = session.newSession()
    with kept_open(warehouse):
        state = handed_over(mine, warehouse, tmp_path / "states")
        for policy_id, day in (
            ("collection_classes", date(2015, 12, 31)),
            ("pyramid", date(2016, 5, 31)),
            ("rfm_555", date(2016, 5, 31)),
        ):
            assert compare(mine, state, warehouse, policies, policy_id, day, tmp_path / policy_id) > 20


def compare(
    session: Any,
    state: Path,
    warehouse: Database,
    policies: dict[str, Policy],
    policy_id: str,
    day: date,
    folder: Path,
) -> int:
    """Assert that Spark finds what the warehouse does, every indicator and every part; return how many are decided."""
    policy = policies[policy_id]
    _, wanted = read_frame(warehouse, policies, policy_id, day)
    _, measures = spark.take_measures(session, state, policies.values(), policy.grain, day)
    indicators = spark.read_indicators(session, policy, measures)
    found = indicators.toArrow().sort_by("account_id")
    assert found.column_names == wanted.column_names
    assert found.cast(wanted.schema).equals(wanted)

    held = pa.table({"account_id": wanted["account_id"][::7], "reason": ["sales: a reason"] * len(wanted[::7])})
    spark.decide(session, policy, indicators, held, folder / DECIDED)
    ((decided, outlook),) = spark.read_decided(folder, "1GB")
    frame = wanted.to_pandas(types_mapper=pd.ArrowDtype)
    because = dict(zip(held["account_id"].to_pylist(), held["reason"].to_pylist(), strict=True))
    expected = decide_tiers(policy, frame, because)
    assert_equal("decisions", decided.decisions, expected.decisions)
    assert_equal("components", decided.components, expected.components)
    assert_equal("tasks", decided.tasks, expected.tasks)
    assert_equal("outlook", outlook, find_outlook(policy, frame, read_library()))
    parts = list(spark.read_decided(folder, "1GB", 50))
    assert [len(part.decisions) for part, _ in parts[:-1]] == [50] * ((len(decided.decisions) - 1) // 50)
    for name, columns in (("decisions", decided.decisions), ("components", decided.components)):
        assert pd.concat([getattr(part, name) for part, _ in parts], ignore_index=True).equals(columns)
    return len(decided.decisions)


def assert_equal(part: str, found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Compare whole frames, types included; the rows of the wanted one are put in order first."""
    ordered = pa.Table.from_pandas(wanted, preserve_index=False).sort_by(
        [(name, "ascending") for name in spark.KEYS[part]]
    )
    pd.testing.assert_frame_equal(found, ordered.to_pandas(types_mapper=pd.ArrowDtype))


DIVISIONS = [
    ("7 // 2", 3),
    ("-7 // 2", -3),
    ("CAST(-1 AS BIGINT) // 3", 0),
    ("CAST(99999999999999999999 AS HUGEINT) // 1", 99999999999999999999),
    ("(CAST(2 AS HUGEINT) * 1000000000000000000) // CAST(3 AS HUGEINT)", 666666666666666666),
    ("(CAST(-2 AS HUGEINT) * 1000000000000000000) // CAST(3 AS HUGEINT)", -666666666666666666),
    ("((17 // 5) * 10) // 4", 7),
]


@pytest.mark.parametrize(("term", "value"), DIVISIONS)
def test_whole_numbers_divide_exactly(term: str, value: int, session: Any, state: Path) -> None:
    statement = f"SELECT {term} AS quotient"
    assert duckdb.sql(statement).fetchall() == [(value,)]
    (row,) = session.sql(spark.spark_statement(statement)).collect()
    assert row.quotient == value


@pytest.mark.parametrize(
    "term",
    [
        "CAST(99999999999999999999999 AS DECIMAL(38, 0)) // 1",
        "CAST(12345678901234567890 AS DECIMAL(38, 0)) * 12345678901234567890",
    ],
)
def test_what_is_too_long_is_refused_and_not_cut_off(term: str, session: Any, state: Path) -> None:
    with pytest.raises(pyspark.errors.ArithmeticException):
        session.sql(spark.spark_statement(f"SELECT {term} AS quotient")).collect()


def test_measures_are_taken_once_and_nothing_unfinished_is_left(session: Any, state: Path, company: Database) -> None:
    policies = {"request_priority": POLICIES["request_priority"]}
    day = date(2025, 11, 30)
    first, measures = spark.take_measures(session, state, policies.values(), "request", day)
    folder = state / "measures" / first
    written = sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())
    again, _ = spark.take_measures(session, state, policies.values(), "request", day)
    assert again == first
    assert sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir()) == written
    assert not list((state / "measures").glob(".*"))
    with connected(company, "tests") as connection:
        wanted = take_measures(connection, policies.values(), "request", day)
    assert (wanted.measurement_id, wanted.rows) == (first, measures.count())


def test_a_run_that_nobody_prepared_or_that_spark_did_not_finish_says_what_to_do(session: Any, tmp_path: Path) -> None:
    policy = POLICIES["pyramid"]
    with pytest.raises(TieringError, match="nothing was handed over for policy pyramid as it is now; clear hand_over"):
        spark.run_policy(session, tmp_path, 1, POLICIES.values(), policy, YEAR_END)
    with pytest.raises(TieringError, match="Spark decided nothing there; clear hand_over and what follows"):
        spark.read_decided(run_folder(tmp_path, 1, policy, YEAR_END), "1GB")


def test_an_account_that_was_decided_twice_is_not_staged(session: Any, state: Path, tmp_path: Path) -> None:
    policy = POLICIES["pyramid"]
    _, measures = spark.take_measures(session, state, POLICIES.values(), policy.grain, YEAR_END)
    held = pa.table({"account_id": pa.array([], pa.string()), "reason": pa.array([], pa.string())})
    spark.decide(session, policy, spark.read_indicators(session, policy, measures), held, tmp_path / DECIDED)
    ((found, _),) = spark.read_decided(tmp_path, "1GB")
    for path in list((tmp_path / DECIDED).glob("*.parquet")):
        shutil.copy(path, path.with_name(f"again-{path.name}"))
    with pytest.raises(TieringError, match=f"{len(found.decisions)} accounts were decided twice; clear the task that"):
        next(spark.read_decided(tmp_path, "1GB"))


def test_the_application_says_in_one_line_what_is_wrong(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("TIERING_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TIERING_SPARK_DIR", str(tmp_path))
    call = ["--as-of", "2025-12-31", "--facts", "1", "--policy"]
    assert main([*call, "pyramids"]) == 1
    assert capsys.readouterr().err.startswith("error: there is no policy pyramids in ")
    assert main([*call, "pyramid"]) == 1
    assert "nothing was handed over for policy pyramid as it is now; clear hand_over\n" in capsys.readouterr().err


def test_a_process_without_a_main_file_survives_that_pyspark_is_imported() -> None:
    """Great Expectations imports it in every task; where parts of Connect are missing, pyspark ends such a process."""
    code = "from pyspark.sql.connect.utils import check_dependencies; check_dependencies(); print('alive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n")
