"""A policy's DAG with TIERING_ENGINE=spark: spark-submit on a real local Spark, and what is published is the same."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import airflow_case
import pytest
from companies import contents

from sql.connect import Database

pytest.importorskip("pyspark", reason="pyspark is not installed; make spark installs it")

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

DAY = "2025-12-31"
INSTANT = re.compile(r"datetime\.datetime\([^()]*(?:\([^()]*\)|<[^>]*>)*[^()]*\)")
OF_A_TRY = ("run_attempt", "measurement")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A company's facts in one warehouse, and the settings of an installation whose engine is Spark."""
    from tiering.demo import make_company

    folder = tmp_path_factory.mktemp("spark")
    make_company(folder / "company.duckdb", 120, 7)
    company, warehouse = (Database("duckdb", path=str(folder / f"{name}.duckdb")) for name in ("company", "warehouse"))
    with pytest.MonkeyPatch.context() as patch:
        airflow_case.set_connections(patch, SOURCE=company, WAREHOUSE=warehouse)
        patch.setenv("TIERING_POLICIES", airflow_case.some_policies(folder, "pyramid", "rfm_555", "collection_classes"))
        for name in ("mail", "export", "data_docs", "handed_in"):
            patch.setenv(f"TIERING_{name.upper()}{'_DIR' if name != 'handed_in' else ''}", str(folder / name))
        patch.setenv("TIERING_FALLBACK_MANAGER", "desk@tiering.example")
        patch.setenv("TIERING_DEMO_APPROVER", "tests")
        patch.setenv("AIRFLOW_CONN_TIERING_SPARK", airflow_case.connection(conn_type="spark", host="local[2]"))
        patch.setenv("TIERING_ENGINE", "spark")
        patch.setenv("TIERING_SPARK_DIR", str(folder / "states"))
        (folder / "spark-defaults.conf").write_text("spark.sql.shuffle.partitions 2\nspark.ui.enabled false\n")
        patch.setenv("SPARK_CONF_DIR", str(folder))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        airflow_case.bag.cache_clear()
        run = airflow_case.run_dag("customer_facts", batch_start="2023-07-01", batch_end="2026-02-01")
        assert set(airflow_case.states(run).values()) == {"success"}
        shutil.copy(folder / "warehouse.duckdb", folder / "facts.duckdb")
        yield folder
    airflow_case.bag.cache_clear()


def published(path: Path) -> dict[str, list[str]]:
    """Return the rows that consumers read, without what belongs to a try alone, and without the instant of a row."""
    found = contents(Database("duckdb", path=str(path)), "tiering", without=OF_A_TRY)
    return {table: sorted(INSTANT.sub("", row) for row in rows) for table, rows in found.items() if rows}


def run_to_the_end(policy_id: str) -> dict[str, str]:
    return airflow_case.states(airflow_case.run_dag(f"tier__{policy_id}", as_of=DAY))


def test_spark_publishes_what_the_warehouse_alone_publishes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy_id = "collection_classes"
    on_spark, alone = folder / "on_spark.duckdb", folder / "alone.duckdb"
    for path in (on_spark, alone):
        shutil.copy(folder / "facts.duckdb", path)
    set_warehouse(monkeypatch, on_spark)
    airflow_case.bag.cache_clear()
    done = run_to_the_end(policy_id)
    assert {"hand_over", "compute", "decide", "publish"} <= set(done)
    assert "measure" not in done
    assert done["publish"] == "success"

    monkeypatch.setenv("TIERING_ENGINE", "warehouse")
    set_warehouse(monkeypatch, alone)
    airflow_case.bag.cache_clear()
    assert run_to_the_end(policy_id)["publish"] == "success"
    found, wanted = published(on_spark), published(alone)
    assert found.keys() == wanted.keys()
    assert {"tiering.customer_tier", "tiering.decision", "tiering.score_component", "tiering.tier_outlook"} <= set(
        found
    )
    for table in wanted:
        assert found[table] == wanted[table], table


def set_warehouse(patch: pytest.MonkeyPatch, path: Path) -> None:
    """Point the connection of the warehouse at a file."""
    patch.setenv("AIRFLOW_CONN_TIERING_WAREHOUSE", airflow_case.connection_to(Database("duckdb", path=str(path))))
