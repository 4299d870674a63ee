"""Connections: errors in one clear line without the password, and rows that come back as they went in."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from companies import query
from conftest import free_port
from sqlalchemy import Connection, create_engine, text

from sql.connect import Database, Session, connected, open_engine, read_arrow, write_arrow
from sql.errors import TieringError

PASSWORD = "p@ss:w/rd%"


def _refused(database: Database, role: str = "tiering_warehouse") -> TieringError:
    with pytest.raises(TieringError) as caught, connected(database, role):
        pass  # pragma: no cover
    return caught.value


def _everything_said(error: BaseException) -> str:
    chain = "".join(traceback.format_exception(error))
    link: BaseException | None = error
    while link is not None:
        chain += str(link) + repr(link)
        link = link.__cause__ or link.__context__
    return chain


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"password": "wrong" + PASSWORD},
            "refuses the password of user tiering; correct the connection tiering_source",
        ),
        (
            {"name": "nowhere"},
            "there is no such database; create it or correct the connection tiering_source",
        ),
        ({"user": "nobody"}, "refuses the password of user nobody"),
        ({"host": "no-such-host.invalid"}, "the host name is unknown; correct the connection tiering_source"),
        ({"port": 0}, "cannot be reached; start the server or correct the connection tiering_source"),
    ],
    ids=["password", "database", "user", "host", "port"],
)
def test_an_unreachable_server_is_one_line_without_the_password(
    postgres_server: Database, change: dict[str, object], says: str
) -> None:
    if change.get("port") == 0:
        change = {"port": free_port()}
    database = replace(postgres_server, **change)  # type: ignore[arg-type]
    error = _refused(database, "tiering_source")
    message = str(error)
    assert message.startswith(f"tiering_source: {database.host}:{database.port}/{database.name}")
    assert says in message
    assert "\n" not in message
    everything = _everything_said(error)
    for secret in (PASSWORD, "p%40ss", "w/rd%"):
        assert secret not in everything


def test_the_password_is_not_in_what_a_database_prints() -> None:
    database = Database("postgresql", host="h", port=1, name="n", user="u", password=PASSWORD)
    assert PASSWORD not in repr(database) + str(database) + str(database.url) + database.place
    assert database.url.password == PASSWORD
    assert "p%40ss" not in str(database.url)


@pytest.mark.postgres
def test_a_password_with_signs_of_a_url_opens_the_door(postgres_server: Database) -> None:
    assert postgres_server.password == PASSWORD
    with connected(postgres_server, "tiering_source") as connection:
        assert read_arrow(connection, "SELECT 1 AS one").to_pylist() == [{"one": 1}]  # through the other driver, too


@pytest.mark.postgres
def test_an_error_in_a_statement_holds_no_password(postgres_server: Database) -> None:
    with (
        pytest.raises(Exception, match="nowhere") as caught,
        connected(postgres_server, "tiering_source") as connection,
    ):
        connection.execute(text("SELECT * FROM nowhere"), {"secret": PASSWORD})
    assert PASSWORD not in _everything_said(caught.value)


def _a_folder(folder: Path) -> Path:
    return folder


def _no_folder(folder: Path) -> Path:
    return folder / "missing" / "w.duckdb"


def _no_duckdb_file(folder: Path) -> Path:
    path = folder / "text.duckdb"
    path.write_text("this is no database, but long enough to be looked at" * 100)
    return path


@pytest.mark.parametrize("place", [_a_folder, _no_folder, _no_duckdb_file])
def test_an_unreadable_duckdb_path_is_one_line(tmp_path: Path, place: object) -> None:
    path = place(tmp_path)  # type: ignore[operator]
    message = str(_refused(Database("duckdb", path=str(path), password=PASSWORD)))
    assert message == (
        f"tiering_warehouse: {path} cannot be opened as a DuckDB file; correct the path in the "
        "connection tiering_warehouse"
    )


def test_a_duckdb_file_of_another_process_is_named(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = tmp_path / "busy.duckdb"
    script = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        message = str(_refused(Database("duckdb", path=str(path))))
        other.communicate("\n", timeout=20)
    assert "is open in another process" in message


def test_one_database_is_recognised_whatever_its_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = Database("duckdb", path=str(tmp_path / "w.duckdb"))
    assert file.is_same_as(Database("duckdb", path="w.duckdb"))
    assert not file.is_same_as(Database("duckdb", path=str(tmp_path / "v.duckdb")))
    server = Database("postgresql", host="h", name="n", user="reader", password="a")
    assert server.is_same_as(Database("postgresql", host="h", port=5432, name="n", user="writer", password="b"))
    for other in ({"host": "g"}, {"port": 5433}, {"name": "m"}, {"kind": "mysql"}):
        assert not server.is_same_as(replace(server, **other))
    assert not server.is_same_as(file)


BOUNDS = {
    "statement_timeout": "1h",
    "lock_timeout": "2min",
    "idle_in_transaction_session_timeout": "5min",
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "TimeZone": "UTC",
    "application_name": "customer-tiering",
}


def _shown(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    return {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in names}


@pytest.mark.postgres
def test_a_session_that_writes_is_bounded(postgres_server: Database) -> None:
    with connected(postgres_server, "tiering_warehouse") as connection:
        shown = _shown(connection, [*BOUNDS, "default_transaction_read_only"])
        client = connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
    assert shown == {**BOUNDS, "default_transaction_read_only": "off"}
    assert {name: value for name, value in client.items() if name.startswith(("keepalives", "connect_timeout"))} == {
        "keepalives": "1",
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        "connect_timeout": "15",
    }


@pytest.mark.postgres
def test_a_session_that_reads_in_bulk_is_bounded_and_reads_only(postgres_server: Database) -> None:
    names = [*BOUNDS, "default_transaction_read_only", "transaction_read_only"]
    with connected(postgres_server, "tiering_warehouse") as connection:
        columns = ", ".join(f"current_setting('{name}') AS {name.lower()}" for name in names)
        row = read_arrow(connection, f"SELECT {columns}").to_pylist()[0]
    wanted = {**BOUNDS, "default_transaction_read_only": "on", "transaction_read_only": "on"}
    assert row == {name.lower(): value for name, value in wanted.items()}


@pytest.mark.postgres
def test_a_session_of_the_source_is_bounded_and_reads_only(postgres_server: Database) -> None:
    engine = create_engine(postgres_server.url_unbuffered, hide_parameters=True)
    with engine.connect() as connection:
        assert _shown(connection, [*BOUNDS, "default_transaction_read_only"]) == {
            **BOUNDS,
            "default_transaction_read_only": "on",
        }
        with pytest.raises(Exception, match="read-only transaction"):
            connection.execute(text("CREATE TABLE written (id INT)"))
    engine.dispose()


@pytest.mark.postgres
def test_the_bounds_of_a_session_are_those_that_were_set(postgres_server: Database) -> None:
    session = Session(statement_seconds=7, lock_seconds=3, idle_seconds=4, application="tiering 表 " + "x" * 80)
    database = replace(postgres_server, session=session)
    with connected(database, "tiering_warehouse") as connection:
        shown = _shown(connection, BOUNDS)
    assert [shown[name] for name in list(BOUNDS)[:3]] == ["7s", "3s", "4s"]
    assert shown["application_name"] == ("tiering ? " + "x" * 80)[:63]


@pytest.fixture
def table(empty_database: Database) -> Database:
    """A table of every type that rows travel in."""
    query(empty_database, "CREATE SCHEMA work")
    query(
        empty_database,
        "CREATE TABLE work.travelled (id BIGINT, said TEXT, amount DECIMAL(20, 4), score "
        "DECIMAL(38, 18), day DATE, "
        "is_new BOOLEAN, recorded_at TIMESTAMP WITH TIME ZONE)",
    )
    return empty_database


SAID = [
    None, "", " ", "NULL", "null", "\\N", "a,b", 'say "x"', "'; DROP TABLE work.travelled;--", "two\nlines",
    "cr\r\nlf",
    "back\\slash", "tab\there", "远达机电有限公司", "e\u0301 é", "😀", "\u202eabc", "%(x)s :name {{7*7}} $1",
    "=1+1", "-", "x" * 10_000,
]  # fmt: skip
AMOUNTS = ["9007199254740993.5500", "0.0001", "-0.0100", "1234567890123456.7891", None]


def _rows() -> pa.Table:
    count = len(SAID)
    amounts = [Decimal(AMOUNTS[i % 5]) if AMOUNTS[i % 5] else None for i in range(count)]
    return pa.table(
        {
            "id": pa.array(range(count), pa.int64()),
            "said": pa.array(SAID, pa.string()),
            "amount": pa.array(amounts, pa.decimal128(20, 4)),
            "score": pa.array([Decimal("0.123456789012345678")] * count, pa.decimal128(38, 18)),
            "day": pa.array([date(2024, 2, 29), None, date(1901, 1, 1)] * (count // 3), pa.date32()),
            "is_new": pa.array([True, False, None] * (count // 3), pa.bool_()),
        }
    )


def test_rows_come_back_exactly_as_they_went_in(table: Database) -> None:
    rows = _rows()
    with connected(table, "tiering_warehouse") as connection:
        write_arrow(connection, "work.travelled", rows)
        write_arrow(connection, "work.travelled", rows.slice(0, 0))
    with connected(table, "tiering_warehouse") as connection:
        statement = (
            "SELECT id, said, amount, score, day, is_new FROM work.travelled WHERE id >= :low "
            "AND id <= :high "
            "AND :low <= id ORDER BY id"
        )
        back = read_arrow(connection, statement, {"high": len(SAID), "low": 0})
    assert back["said"].to_pylist() == SAID
    for name in ("id", "amount", "score", "day", "is_new"):
        assert back[name].to_pylist() == rows[name].to_pylist(), name
    assert [str(back.schema.field(name).type) for name in ("amount", "score")] == ["decimal128(38, 18)"] * 2
    assert query(table, "SELECT COUNT(*) FROM work.travelled WHERE said IS NULL") == [(1,)]


def test_columns_are_matched_by_name_not_by_place(table: Database) -> None:
    rows = _rows().select(["day", "said", "id"]).slice(0, 1)
    with connected(table, "tiering_warehouse") as connection:
        write_arrow(connection, "work.travelled", rows)
    assert query(table, "SELECT id, said, day, amount FROM work.travelled") == [(0, None, date(2024, 2, 29), None)]


def test_a_column_that_the_table_lacks_is_not_dropped_in_silence(table: Database) -> None:
    rows = _rows().append_column("stray", pa.repeat(1, len(SAID)))

    def write() -> None:
        with connected(table, "tiering_warehouse") as connection:
            write_arrow(connection, "work.travelled", rows)

    with pytest.raises((ValueError, TieringError), match="stray|42703"):
        write()
    assert query(table, "SELECT COUNT(*) FROM work.travelled") == [(0,)]


def test_an_empty_result_keeps_its_columns(table: Database) -> None:
    with connected(table, "tiering_warehouse") as connection:
        back = read_arrow(connection, "SELECT id, amount, day FROM work.travelled WHERE day = :day", {"day": date.min})
    assert back.num_rows == 0
    assert back.column_names == ["id", "amount", "day"]


def test_rows_are_gone_after_an_error(table: Database) -> None:
    def write_and_fail() -> None:
        with connected(table, "tiering_warehouse") as connection:
            write_arrow(connection, "work.travelled", _rows())
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_and_fail()
    assert query(table, "SELECT COUNT(*) FROM work.travelled") == [(0,)]


def test_results_survive_the_end_of_their_connection(table: Database) -> None:
    """Great Expectations fetches after it closed the connection."""
    with connected(table, "tiering_warehouse") as connection:
        write_arrow(connection, "work.travelled", _rows())
    engine = open_engine(table)
    with engine.connect() as connection:
        result = connection.execute(text("SELECT id FROM work.travelled ORDER BY id"))
    if table.kind == "duckdb":
        assert [row.id for row in result] == list(range(len(SAID)))
    engine.dispose()
