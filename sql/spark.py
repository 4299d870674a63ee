"""Spark: the same statements and the same decision where one machine is outgrown, on facts that were handed over.

Numbers go to the decision as text of their digits: Spark would hand pandas floats where a whole number is missing, and
an object per decimal.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp

from sql.errors import TieringError
from sql.handover import DECIDED, HELD, run_folder, state_folder
from sql.measure import Plan, indicator_names, plan_measures, read_library
from sql.statements import render, transpile
from transforms.columns import array_of
from transforms.decide import COMPONENT_COLUMNS, DECISION_COLUMNS, TASK_COLUMNS, Decided, decide_tiers
from transforms.outlook import OUTLOOK_COLUMNS, find_outlook
from transforms.policy import Policy

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SETTINGS = {
    "spark.sql.ansi.enabled": "true",  # what overflows is refused
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",  # digits behind the point are never given up
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "false",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
}
"""What the statements rely on; everything else is the installation's."""

PARTS = {
    "decisions": DECISION_COLUMNS,
    "components": COMPONENT_COLUMNS,
    "tasks": TASK_COLUMNS,
    "outlook": OUTLOOK_COLUMNS,
}
"""What a decision gives, each with its columns; a row of the result belongs to one part."""

KEYS = {
    "decisions": ("customer_id",),
    "components": ("customer_id", "indicator"),
    "tasks": ("customer_id", "task"),
    "outlook": ("customer_id", "direction"),
}
"""The columns that name a row of a part."""

_BECAUSE = "_held_because"
_SQL = {pa.string(): "STRING", pa.bool_(): "BOOLEAN", pa.date32(): "DATE"}


def open_session(name: str) -> SparkSession:
    """Return the Spark session that spark-submit or the installation configures."""
    from pyspark.sql import SparkSession

    return SparkSession.builder.appName(name).getOrCreate()


def read_state(session: SparkSession, state: Path) -> None:
    """Let a session know every table of a state of the facts (see `sql.handover`), and what statements rely on."""
    for name, value in SETTINGS.items():
        session.conf.set(name, value)
    for path in sorted(state.glob("*/*.parquet")):
        session.read.parquet(str(path)).createOrReplaceTempView(_view(path.parent.name, path.stem))


def _view(schema: str, table: str) -> str:
    return f"{schema}__{table}"


def spark_statement(sql: str) -> str:
    """Return one SELECT (DuckDB's dialect) as Spark's, on the views that a session knows the tables by.

    The order of the rows is left out: only those who look at a result need it.
    """
    tree = sqlglot.parse_one(sql, read="duckdb")
    tree.set("order", None)
    return _spelled(tree)


def _spelled(tree: exp.Expr) -> str:
    for table in tree.find_all(exp.Table):
        if table.db:
            table.replace(exp.to_table(_view(table.db, table.name), alias=table.alias or None))
    return transpile(tree.sql(dialect="duckdb"), "spark")


@contextmanager
def _measured(session: SparkSession, plan: Plan) -> Iterator[DataFrame]:
    """Yield the rows of measures; a CTE that is read more than once is computed once, which Spark alone would not."""
    tree = sqlglot.parse_one(plan.statement, read="duckdb")
    with_ = tree.args["with_"].pop()
    parameters = _literals(plan.parameters)
    kept = []
    for place, cte in enumerate(with_.expressions):
        readers = [tree, *with_.expressions[place + 1 :]]
        uses = sum(table.name == cte.alias and not table.db for part in readers for table in part.find_all(exp.Table))
        found = session.sql(_spelled(cte.this), args=parameters)
        if uses > 1:
            kept.append(found.persist())
        found.createOrReplaceTempView(cte.alias)
    try:
        yield session.sql(_spelled(tree), args=parameters)
    finally:
        for found in kept:
            found.unpersist()


def take_measures(
    session: SparkSession, state: Path, policies: Iterable[Policy], grain: str, as_of: date
) -> tuple[str, DataFrame]:
    """Measure every account of `grain` as of a day, for all `policies` of that grain; keep the result with the state.

    The second policy of the day finds the measures there. Returns the measurement's id and its rows, with the columns
    and types of `sql.measure.take_measures`.
    """
    plan = plan_measures(policies, grain, as_of, int(state.name))
    path = state / "measures" / plan.measurement_id
    if not path.is_dir():
        typed = [
            f"CAST(`{column}` AS {exp.DataType.build(kind, dialect='duckdb').sql(dialect='spark')}) AS `{column}`"
            for column, kind in plan.types.items()
        ]
        with _measured(session, plan) as measured:
            _write(measured.selectExpr(*typed), path)
    return plan.measurement_id, session.read.parquet(str(path))


def _literals(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of parameters as Spark takes them: it reads a date of the year 1 only where it is spelled."""
    from pyspark.sql import functions

    return {
        name: functions.expr(f"DATE'{value.isoformat()}'") if isinstance(value, date) else value
        for name, value in parameters.items()
    }


def read_indicators(session: SparkSession, policy: Policy, measures: DataFrame) -> DataFrame:
    """Return the indicators of `policy`: one row per account in scope, columns as `sql.measure.read_indicators`."""
    measures.createOrReplaceTempView("measures")
    return session.sql(spark_statement(render("measures/indicators.sql", **indicator_names(policy, "measures"))))


def decide(session: SparkSession, policy: Policy, indicators: DataFrame, held: pa.Table, target: Path) -> None:
    """Decide every account with the decision of `transforms`, in chunks, and write all parts as Parquet to `target`.

    `held`: account_id and reason of those whose inputs are not to be trusted.
    """
    from pyspark.sql.types import StringType, StructField, StructType

    reasons = session.createDataFrame(
        [(row["account_id"], row["reason"]) for row in held.to_pylist()],
        StructType([StructField("account_id", StringType()), StructField(_BECAUSE, StringType())]),
    )
    types = {field.name: _arrow_type(field.dataType.simpleString()) for field in indicators.schema}
    plain = indicators.selectExpr(*(f"CAST(`{name}` AS STRING) AS `{name}`" for name in types))
    columns = {name: kind.pyarrow_dtype for part in PARTS.values() for name, kind in part.items()}
    result = (
        plain.join(reasons, "account_id", "left")
        # A statistic gathers all graded accounts in one place; here they part again.
        .repartition(session.sparkContext.defaultParallelism)
        .mapInPandas(
            _decision(policy, types, dict(read_library()), columns),
            ", ".join(["part STRING", *(f"`{name}` {_sql_type(kind)}" for name, kind in columns.items())]),
        )
    )
    shutil.rmtree(target, ignore_errors=True)
    _write(result, target)


def _write(rows: DataFrame, path: Path) -> None:
    """Write rows as Parquet, which get their name once they are whole; equal rows that are there already stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".unfinished-{uuid4().hex}")
    try:
        rows.write.parquet(str(unfinished))
        os.rename(unfinished, path)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _arrow_type(kind: str) -> pa.DataType:
    """Return the type in which `sql.connect.read_arrow` gives a column: numbers are decimals or of 64 bits."""
    if kind.startswith("decimal"):
        return pa.decimal128(38, 18)
    return {"string": pa.string(), "boolean": pa.bool_(), "date": pa.date32()}.get(kind, pa.int64())


def _sql_type(kind: pa.DataType) -> str:
    return f"DECIMAL({kind.precision}, {kind.scale})" if pa.types.is_decimal(kind) else _SQL[kind]


def _decision(
    policy: Policy, types: Mapping[str, pa.DataType], library: Mapping[str, Any], columns: Mapping[str, pa.DataType]
) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Return the decision as `mapInPandas` takes it: frames of text in, frames of all parts out."""

    def decided(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            texts = {name: array_of(frame[name]).cast(pa.string()) for name in (*types, _BECAUSE)}
            indicators = pd.DataFrame(
                {name: pd.arrays.ArrowExtensionArray(texts[name].cast(kind)) for name, kind in types.items()}
            )
            is_held = texts[_BECAUSE].is_valid()
            names, reasons = (texts[name].filter(is_held).to_pylist() for name in ("account_id", _BECAUSE))
            found = decide_tiers(policy, indicators, dict(zip(names, reasons, strict=True)))
            outlook = find_outlook(policy, indicators, library)
            for part, rows in (
                ("decisions", found.decisions),
                ("components", found.components),
                ("tasks", found.tasks),
                ("outlook", outlook),
            ):
                yield _as_rows(part, rows, columns)

    return decided


def _as_rows(part: str, frame: pd.DataFrame, columns: Mapping[str, pa.DataType]) -> pd.DataFrame:
    """Return the rows of one part with the columns of all."""
    arrays = {"part": pa.repeat(pa.scalar(part, pa.string()), len(frame))}
    for name, kind in columns.items():
        arrays[name] = pa.array(frame[name]) if name in frame else pa.nulls(len(frame), kind)
    return pd.DataFrame({name: _OneChunk(array) for name, array in arrays.items()})


class _OneChunk(pd.arrays.ArrowExtensionArray):  # type: ignore[misc]  # pandas has no types
    """A column of an Arrow type that becomes one Arrow array again; Spark cannot take pandas' own, which is chunked."""

    def __arrow_array__(self, type: pa.DataType | None = None) -> pa.Array:
        return pa.chunked_array(super().__arrow_array__(type)).combine_chunks()


def run_policy(
    session: SparkSession, folder: Path, batch_no: int, policies: Iterable[Policy], policy: Policy, as_of: date
) -> None:
    """Measure and decide one policy as of a day on a state of the facts, all from files and into files.

    Raises TieringError when the state, or what is held on the day, was not handed over.
    """
    state, target = state_folder(folder, batch_no), run_folder(folder, batch_no, policy, as_of)
    if not (target / HELD).is_file():
        raise TieringError(f"{target}: nothing was handed over for policy {policy.id} as it is now; clear hand_over")
    read_state(session, state)
    _, measures = take_measures(session, state, policies, policy.grain, as_of)
    indicators = read_indicators(session, policy, measures)
    decide(session, policy, indicators, pq.read_table(target / HELD), target / DECIDED)


def read_decided(folder: Path, memory: str, accounts: int | None = None) -> Iterator[tuple[Decided, pd.DataFrame]]:
    """Yield what Spark found in the folder of a run: decisions and outlook of so many accounts at a time, in order.

    `accounts`: None is all at once. `memory`: how much DuckDB may hold, which sorts the rows on disk. Raises
    TieringError when Spark did not decide there, or an account stands there twice.
    """
    files = sorted(str(path) for path in (folder / DECIDED).glob("*.parquet"))
    if not files:
        raise TieringError(f"{folder}: Spark decided nothing there; clear hand_over and what follows")
    return _in_order(folder, files, memory, accounts)


def _in_order(
    folder: Path, files: list[str], memory: str, accounts: int | None
) -> Iterator[tuple[Decided, pd.DataFrame]]:
    with tempfile.TemporaryDirectory(prefix="tiering-") as place, duckdb.connect(f"{place}/decided.duckdb") as sorted_:
        sorted_.execute(f"SET memory_limit = '{memory}'")
        for part, columns in PARTS.items():
            rows = sorted_.read_parquet(files).filter(f"part = '{part}'").project(", ".join(columns))
            rows.order(", ".join(KEYS[part])).create(part)
        counted = sorted_.execute("SELECT COUNT(*), COUNT(*) - COUNT(DISTINCT customer_id) FROM decisions").fetchone()
        rows_of_all, twice = counted or (0, 0)
        if twice:
            raise TieringError(f"{folder}: {twice} accounts were decided twice; clear the task that decides")
        numbered = "SELECT customer_id, ROW_NUMBER() OVER (ORDER BY customer_id) AS place FROM decisions"
        begin = f"SELECT customer_id FROM ({numbered}) WHERE place > 1 AND (place - 1) % ? = 0 ORDER BY place"  # noqa: S608
        begins = sorted_.execute(begin, [accounts or max(rows_of_all, 1)]).fetchall()
        for low, high in pairwise(["", *(row[0] for row in begins), None]):
            frames = {part: _read_range(sorted_, part, low, high) for part in PARTS}
            yield Decided(frames["decisions"], frames["components"], frames["tasks"]), frames["outlook"]


def _read_range(sorted_: duckdb.DuckDBPyConnection, part: str, low: str | None, high: str | None) -> pd.DataFrame:
    """Return the rows of one part whose accounts are not before `low` and before `high` (None: all), in order."""
    before, bounds = ("", [low]) if high is None else (" AND customer_id < ?", [low, high])
    statement = f"SELECT * FROM {part} WHERE customer_id >= ?{before} ORDER BY {', '.join(KEYS[part])}"  # noqa: S608
    rows = sorted_.execute(statement, bounds).to_arrow_table()
    schema = pa.schema([(name, kind.pyarrow_dtype) for name, kind in PARTS[part].items()])
    return rows.cast(schema).to_pandas(types_mapper=pd.ArrowDtype)
