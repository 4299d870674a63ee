"""Measure: one SELECT per grain and day gives every measure that any policy asks for, and is kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import cache

import pyarrow as pa
import sqlglot
from sqlalchemy import Connection
from sqlglot import exp

from sql.connect import read_arrow
from sql.errors import TieringError
from sql.facts import analyze, facts_batch_no, lock, rebuild
from sql.statements import render, run, run_text
from transforms.calendar import parse_window, window_name, window_start
from transforms.policy import Indicator, Policy

_TYPES = {"money": "DECIMAL(38, 4)", "ratio": "DECIMAL(38, 18)", "count": "BIGINT", "days": "BIGINT"}


@dataclass(frozen=True)
class Measure:
    """One measure of the library: unit, meaning, when it is undefined, and where it comes from."""

    name: str
    unit: str
    meaning: str
    undefined_when: str
    source: str


@dataclass(frozen=True)
class Measurement:
    """Measures that were taken: the table in schema work, and the state of the facts they were taken on."""

    measurement_id: str
    table: str
    as_of: date
    facts_batch_no: int
    rows: int


@cache
def read_library() -> dict[str, Measure]:
    """Return every measure that sql/measures/measures.sql defines, by name (with its basis)."""
    tree = sqlglot.parse_one(render("measures/measures.sql", grain="customer", windows=["ever"]), read="duckdb")
    library: dict[str, Measure] = {}
    for projection in tree.expressions:
        name = projection.alias_or_name
        if "__" in name:
            comment = " ".join(projection.comments or []) or " ".join(
                text for node in projection.walk() for text in node.comments or []
            )
            unit, meaning, undefined_when, source = (part.strip() for part in comment.split("|"))
            name = name.removesuffix("__ever")
            library[name] = Measure(name, unit, meaning, undefined_when, source)
    return library


def column_of(indicator: Indicator) -> str:
    """Return the column of the measures table that holds a measured indicator."""
    basis = f"_{indicator.basis}" if indicator.basis else ""
    return f"{indicator.measure}{basis}__{window_name(indicator.window or 'ever')}"


def columns_for(policies: Iterable[Policy]) -> list[str]:
    """Return the columns that `policies` need, in order.

    Raises TieringError naming policy and indicator when the library has no such measure.
    """
    library = read_library()
    needed: set[str] = set()
    for policy in policies:
        for name, indicator in policy.indicators.items():
            if indicator.is_statistic:
                continue
            column = column_of(indicator)
            measure = column.partition("__")[0]
            if measure not in library:
                bases = [known.rpartition("_")[2] for known in library if known.rpartition("_")[0] == indicator.measure]
                near = get_close_matches(measure, list(library), n=1)
                hint = (
                    f"name its basis: {' or '.join(sorted(bases))}"
                    if bases
                    else (f"did you mean {near[0]}?" if near else "see sql/measures/measures.sql")
                )
                raise TieringError(f"policy {policy.id}, indicator {name}: there is no measure {measure}; {hint}")
            needed.add(column)
    return sorted(needed)


def measure_statement(grain: str, columns: Iterable[str]) -> str:
    """Return the SELECT (DuckDB's dialect) that takes `columns`, and nothing that they do not need."""
    wanted = set(columns)
    windows = sorted({column.partition("__")[2] for column in wanted})
    tree = sqlglot.parse_one(render("measures/measures.sql", grain=grain, windows=windows), read="duckdb")
    keys = {"account_id", "account_manager_id"}
    tree.set("expressions", [part for part in tree.expressions if part.alias_or_name in wanted | keys])
    read: dict[str, set[str]] = {}
    for projection in tree.expressions:
        for column in projection.find_all(exp.Column):
            read.setdefault(column.table, set()).add(column.name)
    with_ = tree.args["with_"]
    for name in ("sales", "payments"):
        cte = next(cte for cte in with_.expressions if cte.alias == name)
        if name in read:
            kept = [part for part in cte.this.expressions if part.alias_or_name in read[name] | {"account_id"}]
            cte.this.set("expressions", kept)
        else:
            with_.set("expressions", [other for other in with_.expressions if other.alias != name])
            tree.set("joins", [join for join in tree.args["joins"] if join.this.name != name])
    return tree.sql(dialect="duckdb", comments=False)


def _window_of(name: str) -> str:
    return name.replace("_", " ") if re.match(r"[0-9]", name) else name


def take_measures(connection: Connection, policies: Iterable[Policy], grain: str, as_of: date) -> Measurement:
    """Measure every account of `grain` as of a day, for all `policies` of that grain; keep the result.

    The second policy of the day finds the measures there. Returns where they are: one row per account in
    scope, columns `<measure>__<window>`. Raises TieringError for an unknown measure.
    """
    shared = [
        policy
        for policy in policies
        if policy.grain == grain and not (_has_calendar_year(policy) and (as_of.month, as_of.day) != (12, 31))
    ]
    columns = columns_for(shared)
    lock(connection, f"measures:{grain}:{as_of}")
    batch_no = facts_batch_no(connection)
    statement = measure_statement(grain, columns)
    text = json.dumps([as_of.isoformat(), grain, batch_no, statement])
    measurement_id = hashlib.sha256(text.encode()).hexdigest()[:32]
    table = f"measures_{measurement_id[:16]}"
    kept = run(connection, "warehouse/read_measurement.sql", {"measurement_id": measurement_id}).first()
    if kept is not None:
        return Measurement(measurement_id, f"work.{table}", as_of, batch_no, int(kept.measured_rows))
    library = read_library()
    types = {column: _TYPES[library[column.partition("__")[0]].unit] for column in columns}
    rebuild(connection, table, {"account_id": "TEXT", "account_manager_id": "TEXT", **types})
    windows = {column.partition("__")[2] for column in columns}
    starts = {f"start_{name}": window_start(_window_of(name), as_of) for name in windows}
    ordered = [part.alias_or_name for part in sqlglot.parse_one(statement, read="duckdb").expressions]
    run_text(
        connection,
        f"INSERT INTO work.{table} ({', '.join(ordered)}) {statement}",  # noqa: S608
        {
            "as_of": as_of,
            "facts_batch_no": batch_no,
            **{key: value for key, value in starts.items() if f":{key}" in statement or f"${key}" in statement},
        },
    )
    analyze(connection, f"work.{table}")
    rows = int(run(connection, "warehouse/count_work_rows.sql", table=table).scalar_one())
    run(
        connection,
        "warehouse/insert_measurement.sql",
        {
            "measurement_id": measurement_id,
            "as_of": as_of,
            "grain": grain,
            "facts_batch_no": batch_no,
            "table_name": table,
            "columns": json.dumps(columns),
            "measured_rows": rows,
            "measured_at": datetime.now(UTC),
        },
    )
    return Measurement(measurement_id, f"work.{table}", as_of, batch_no, rows)


def _has_calendar_year(policy: Policy) -> bool:
    return any(i.window and parse_window(i.window)[0] == "calendar_year" for i in policy.indicators.values())


def read_indicators(connection: Connection, policy: Policy, table: str) -> pa.Table:
    """Return the indicators of `policy` from a measures table: one row per account in scope, ordered by account_id.

    Columns: account_id, account_manager_id, every indicator (statistics over the graded accounts), is_graded.
    """
    columns = {name: column_of(i) for name, i in policy.indicators.items() if not i.is_statistic}
    from transforms.conditions import Condition

    gates = [Condition(text).sql(columns) for text in policy.gate.values()]
    sql = render(
        "measures/indicators.sql",
        table=table,
        columns=columns,
        statistics={name: i for name, i in policy.indicators.items() if i.is_statistic},
        gate=" AND ".join(gates) if gates else "TRUE",
    )
    return read_arrow(connection, sql)
