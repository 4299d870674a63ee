"""Handing over: the facts as Parquet files, whole and once per state, the same from either engine."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from companies import Warehouses, loaded, policies_for, query, warehouses
from sqlalchemy import Connection, text

import sql.handover
from sql.connect import Database, connected
from sql.errors import TieringError
from sql.handover import (
    HELD,
    KEPT_STATES,
    hand_over_facts,
    hand_over_held,
    remove_states,
    run_folder,
    state_folder,
)
from sql.held import read_held_accounts

DAY = date(2025, 12, 31)


def handed_over(database: Database, folder: Path) -> Path:
    with connected(database, "tests") as connection:
        return state_folder(folder, hand_over_facts(connection, folder))


def tables_in(state: Path) -> dict[str, pa.Table]:
    return {path.relative_to(state).as_posix(): pq.read_table(path) for path in sorted(state.glob("*/*.parquet"))}


def test_both_engines_hand_over_the_same_rows_of_the_same_types(warehouses: Warehouses, tmp_path: Path) -> None:
    found = []
    for engine in ("duckdb", "postgresql"):
        database = warehouses.loaded(engine)
        found.append(tables_in(handed_over(database, tmp_path / engine)))
        warehouses.drop(database)
    assert found[0].keys() == found[1].keys()
    for name, table in found[0].items():
        assert table.schema.equals(found[1][name].schema), name
        ordered = [
            each.sort_by([(column, "ascending") for column in each.column_names]) for each in (table, found[1][name])
        ]
        assert ordered[0].equals(ordered[1]), name
    assert found[0]["facts/sales.parquet"].num_rows > 1000
    assert found[0]["facts/sales.parquet"].schema.field("net_amount_reporting").type == pa.decimal128(20, 4)


def test_names_and_remarks_stay_in_the_warehouse(loaded: Database, tmp_path: Path) -> None:
    names = {row[0] for row in query(loaded, "SELECT name FROM facts.customers WHERE name IS NOT NULL")}
    assert len(names) > 50
    handed = tables_in(handed_over(loaded, tmp_path))
    words = {
        value
        for table in handed.values()
        for column in table.columns
        if pa.types.is_string(column.type)
        for value in column.unique().to_pylist()
    }
    assert not names & words
    columns = {name for table in handed.values() for name in table.column_names}
    assert not columns & {"name", "evidence", "outcome", "assessed_by", "email"}


def test_a_state_is_written_once_and_the_next_load_is_another_one(loaded: Database, tmp_path: Path) -> None:
    first = handed_over(loaded, tmp_path)
    rows = pq.read_metadata(first / "facts" / "events.parquet").num_rows
    written = (first / "facts" / "sales.parquet").stat().st_mtime_ns
    assert handed_over(loaded, tmp_path) == first
    assert (first / "facts" / "sales.parquet").stat().st_mtime_ns == written

    later = int(first.name) + 1
    query(
        loaded,
        f"UPDATE facts.events SET superseded_in = {later} "
        "WHERE happened_on = (SELECT MAX(happened_on) FROM facts.events)",
    )
    query(
        loaded,
        "INSERT INTO tiering.customer_merge (customer_id, merged_into, merged_on, batch_no, reason, requested_by, "
        f"approved_by, recorded_at) VALUES ('A', 'B', DATE '2026-01-01', {later}, 'r', 'a', 'b', "
        "TIMESTAMPTZ '2026-01-01 00:00:00+00')",
    )
    second = handed_over(loaded, tmp_path)
    assert second.name == str(later)
    assert pq.read_metadata(second / "facts" / "events.parquet").num_rows < rows
    assert pq.read_table(second / "tiering" / "customer_merge.parquet").to_pylist() == [
        {"customer_id": "A", "merged_into": "B", "merged_on": date(2026, 1, 1), "batch_no": later}
    ]


def test_old_states_go_and_an_erasure_removes_them_all(loaded: Database, tmp_path: Path) -> None:
    newest = handed_over(loaded, tmp_path)
    for number in range(int(newest.name)):
        (tmp_path / str(number)).mkdir()
    handed_over(loaded, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(int(newest.name) - 1), newest.name]
    assert KEPT_STATES == 2
    assert remove_states(tmp_path) == 2
    assert list(tmp_path.iterdir()) == []
    assert remove_states(tmp_path / "never") == 0


def test_a_state_that_could_not_be_finished_is_not_there(loaded: Database, tmp_path: Path) -> None:
    query(loaded, "DROP TABLE facts.surveys")
    with pytest.raises(Exception, match="surveys"):
        handed_over(loaded, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_state_of_the_same_number_from_elsewhere_is_written_anew(loaded: Database, tmp_path: Path) -> None:
    state = handed_over(loaded, tmp_path)
    (state / "runs").mkdir()
    assert (handed_over(loaded, tmp_path) / "runs").is_dir(), "the same state stays as it is"
    query(loaded, "UPDATE tiering.batch SET loaded_at = loaded_at + INTERVAL '1 second'")  # as after a backup
    assert handed_over(loaded, tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == [state.name]
    assert not (state / "runs").exists()


def test_what_a_killed_task_left_goes_with_an_erasure(loaded: Database, tmp_path: Path) -> None:
    (tmp_path / ".unfinished-killed" / "facts").mkdir(parents=True)
    (tmp_path / ".unfinished-killed" / "facts" / "customer_attributes.parquet").write_text("Ann", encoding="utf-8")
    handed_over(loaded, tmp_path)
    assert remove_states(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_state_from_before_an_erasure_does_not_stay(
    loaded: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = sql.handover._write

    def erased_meanwhile(connection: Connection, target: Path, batch_no: int) -> None:
        write(connection, target, batch_no)
        connection.execute(
            text(
                "INSERT INTO tiering.erasure "
                "(customer_id, erased_on, requested_by, reason, replaced, batch_no, recorded_at) "
                f"VALUES ('000001', DATE '2026-01-01', 'a', 'b', '{{}}', {batch_no + 1}, now())"
            )
        )

    with monkeypatch.context() as patched:
        patched.setattr(sql.handover, "_write", erased_meanwhile)
        with connected(loaded, "tests") as connection:
            with pytest.raises(TieringError, match="a customer was erased while the facts were written"):
                hand_over_facts(connection, tmp_path)
            connection.rollback()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(sql.handover, "_write", lambda *_: remove_states(tmp_path))
    with pytest.raises(TieringError, match="was removed while it was written; run the task again"):
        handed_over(loaded, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_held_lies_with_the_run_of_one_text_of_a_policy(loaded: Database, tmp_path: Path) -> None:
    policy = policies_for("pyramid")["pyramid"]
    with connected(loaded, "tests") as connection:
        batch_no = hand_over_facts(connection, tmp_path)
        hand_over_held(connection, tmp_path, batch_no, policy, DAY)
        wanted = read_held_accounts(connection, policy, DAY, batch_no)
    folder = run_folder(tmp_path, batch_no, policy, DAY)
    assert policy.version[:16] in folder.name
    assert pq.read_table(folder / HELD).equals(wanted)
    assert [path.name for path in folder.iterdir()] == [HELD]
