"""Numbered statements: applied once, in order, keeping the data; never edited afterwards."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from companies import Warehouses, contents, fresh, query, warehouses

import sql.schema
from sql.connect import Database, connected
from sql.errors import TieringError
from sql.schema import comments_of, read_upgrades, upgrade_schema, without_comments


def _upgrade(database: Database) -> list[str]:
    with connected(database, "tiering_warehouse") as connection:
        return upgrade_schema(connection)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the numbered statements that a test may change."""
    copy = tmp_path / "schema"
    shutil.copytree(sql.schema.FOLDER, copy)
    monkeypatch.setattr(sql.schema, "FOLDER", copy)
    return copy


def test_numbers_run_without_gap_or_double() -> None:
    assert [upgrade.number for upgrade in read_upgrades()] == list(range(1, len(read_upgrades()) + 1))


def test_a_second_upgrade_does_nothing(fresh: Database) -> None:
    before = contents(fresh, "tiering")
    assert _upgrade(fresh) == []
    assert contents(fresh, "tiering") == before
    assert len(before["tiering.schema_upgrade"]) > 50


def test_an_upgrade_in_place_keeps_the_data(empty_database: Database, folder: Path) -> None:
    later = [path for path in folder.glob("*.sql") if int(path.name[:4]) > 50]
    kept = {path.name: path.read_text(encoding="utf-8") for path in later}
    for path in later:
        path.unlink()
    done = _upgrade(empty_database)
    assert done[0] == "0001_create_schema_landing"
    assert max(done).startswith("0050_")
    query(
        empty_database,
        "INSERT INTO facts.customers (customer_id, name, holds_from, batch_no) "
        "VALUES ('C1', '远达', DATE '2024-01-31', 1)",
    )
    query(
        empty_database,
        "INSERT INTO facts.service_events (event_id, customer_id, opened_on, kind, batch_no) "
        "VALUES ('E1', 'C1', DATE '2024-01-31', 'request', 1)",
    )
    query(
        empty_database,
        "INSERT INTO tiering.absence (policy_id, customer_id, reason, valid_from) "
        "VALUES ('p', 'C1', 'left', DATE '2024-01-31')",
    )
    before = contents(empty_database, "facts", "tiering", without=["schema_upgrade"])
    for name, statement in kept.items():
        (folder / name).write_text(statement, encoding="utf-8")
    (folder / "9999_add_nickname.sql").write_text(
        "-- A later version adds a column.\n"
        "ALTER TABLE tiering.absence ADD COLUMN nickname TEXT COMMENT 'It''s what people call it'\n",
        encoding="utf-8",
    )
    (folder / "9998_of_another_engine.spark.sql").write_text("SELECT broken FROM nowhere\n", encoding="utf-8")
    done = _upgrade(empty_database)
    assert done[0].startswith("0051_")
    assert done[-1] == "9999_add_nickname"
    assert query(empty_database, "SELECT * FROM tiering.absence") == [
        (
            *query(
                empty_database,
                "SELECT policy_id, customer_id, reason, valid_from, valid_to FROM tiering.absence",
            )[0],
            None,
        )
    ]
    after = contents(empty_database, "facts", "tiering", without=["schema_upgrade"])
    assert after["facts.customers"] == before["facts.customers"]
    assert query(
        empty_database,
        "SELECT event_id, kind, batch_no, is_urgent, is_important, grade FROM facts.service_events",
    ) == [("E1", "request", 1, None, None, None)]
    comment = (
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'absence' AND column_name = 'nickname'"
        if empty_database.kind == "duckdb"
        else "SELECT col_description('tiering.absence'::regclass, 6)"
    )
    assert query(empty_database, comment) == [("It's what people call it",)]
    assert _upgrade(empty_database) == []


def test_an_edited_statement_is_refused_and_nothing_is_applied(fresh: Database, folder: Path) -> None:
    edited = folder / "0050_create_tiering_absence.sql"
    edited.write_text(edited.read_text(encoding="utf-8").replace("reason TEXT", "reason BIGINT"), encoding="utf-8")
    (folder / "9999_more.sql").write_text("CREATE TABLE tiering.more (id TEXT)\n", encoding="utf-8")
    before = contents(fresh, "tiering")
    with pytest.raises(TieringError, match=r"0050_create_tiering_absence\.sql was edited .*next number"):
        _upgrade(fresh)
    assert contents(fresh, "tiering") == before


def test_a_newer_warehouse_is_refused(fresh: Database) -> None:
    query(
        fresh,
        "INSERT INTO tiering.schema_upgrade (number, name, sha256, applied_at) "
        "VALUES (9000, 'from_the_future', 'x', CURRENT_TIMESTAMP)",
    )
    with pytest.raises(TieringError, match=r"9000 \(from_the_future\).*install the version"):
        _upgrade(fresh)


def test_a_failing_statement_leaves_the_schema_as_it_was(fresh: Database, folder: Path) -> None:
    (folder / "9998_good.sql").write_text("CREATE TABLE tiering.good (id TEXT)\n", encoding="utf-8")
    (folder / "9999_bad.sql").write_text("CREATE TABLE nowhere.bad (id TEXT)\n", encoding="utf-8")
    before = contents(fresh, "tiering")
    with pytest.raises(Exception, match="nowhere"):
        _upgrade(fresh)
    assert contents(fresh, "tiering") == before


def test_a_file_without_a_number_is_named(folder: Path) -> None:
    (folder / "add_column.sql").write_text("SELECT 1\n", encoding="utf-8")
    with pytest.raises(TieringError, match=r"add_column\.sql: a schema statement is named"):
        read_upgrades()


def test_comments_are_taken_apart_from_their_statement() -> None:
    statement = "CREATE TABLE a.b (c TEXT NOT NULL COMMENT 'What''s c', d BIGINT) COMMENT 'One row'"
    assert comments_of(statement) == [("TABLE", "a.b", "One row"), ("COLUMN", "a.b.c", "What's c")]
    assert without_comments(statement) == "CREATE TABLE a.b (c TEXT NOT NULL, d BIGINT)"
    assert comments_of("CREATE SCHEMA IF NOT EXISTS a") == []
