"""Load the demo company into a database, as the ERP that the source SELECTs read."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.csv
from sqlalchemy import Connection, Engine, text

from demo.company import Company

_SCHEMA = "erp"
_ROWS_PER_BLOCK = 100_000


def load_company(engine: Engine, company: Company) -> None:
    """Create the schema `erp` and its tables in one transaction, replacing tables of the same names.

    Raises ValueError for an engine that is neither DuckDB nor PostgreSQL through psycopg 3.
    """
    loaders = {("duckdb", "duckdb"): _insert_into_duckdb, ("postgresql", "psycopg"): _copy_into_postgresql}
    dialect = engine.dialect
    kind = dialect.name, "duckdb" if dialect.name == "duckdb" else dialect.driver
    if kind not in loaders:
        raise ValueError(
            f"The demo company loads into DuckDB (duckdb:///…) or PostgreSQL (postgresql+psycopg://…), "
            f"not into {dialect.name}+{dialect.driver}; use one of these URLs."
        )
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}"))
        for name, table in company.tables.items():
            target = f"{_SCHEMA}.{name}"
            columns = ", ".join(f"{field.name} {_column_type(field.type)}" for field in table.schema)
            connection.execute(text(f"DROP TABLE IF EXISTS {target}"))
            connection.execute(text(f"CREATE TABLE {target} ({columns})"))
            loaders[kind](connection, target, table)


def _column_type(arrow_type: pa.DataType) -> str:
    if pa.types.is_decimal(arrow_type):
        return f"NUMERIC({arrow_type.precision}, {arrow_type.scale})"
    return {pa.string(): "TEXT", pa.date32(): "DATE", pa.int64(): "BIGINT", pa.bool_(): "BOOLEAN"}[arrow_type]


def _insert_into_duckdb(connection: Connection, target: str, table: pa.Table) -> None:
    raw: Any = connection.connection.driver_connection
    raw.register("incoming", table)
    try:
        raw.execute(f"INSERT INTO {target} SELECT * FROM incoming")  # noqa: S608 - names are ours
    finally:
        raw.unregister("incoming")


def _copy_into_postgresql(connection: Connection, target: str, table: pa.Table) -> None:
    raw: Any = connection.connection.driver_connection
    options = pa.csv.WriteOptions(include_header=False)
    with raw.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN (FORMAT csv)") as copy:
        for block in table.to_batches(max_chunksize=_ROWS_PER_BLOCK):
            # Text is quoted and null is not, so an empty text and a null stay different.
            buffer = io.BytesIO()
            pa.csv.write_csv(block, buffer, options)
            copy.write(buffer.getvalue())
