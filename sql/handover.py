"""Handing over: a state of the facts as Parquet files, for an engine that is not the warehouse.

A state is a folder named for the newest load that it knows. It is complete once it has its name, and never changes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection

from sql.connect import stream_arrow
from sql.contract import ENTITIES, SQL_TYPES
from sql.facts import facts_batch_no
from sql.held import read_held_accounts
from sql.statements import render
from transforms.policy import Policy

HELD = "held.parquet"
DECIDED = "decided"
"""What the folder of a run holds: what Spark is told, and what it found."""

KEPT_STATES = 2
"""A run that began before the newest load still reads the state before it."""

UNUSED = {
    "customers": ("name",),
    "sales": ("line_id", "net_amount", "tax_amount", "cost_amount", "quantity", "gross_amount", "currency", "entity"),
    "payments": ("payment_id",),
    "assessments": ("assessed_by", "evidence"),
    "contacts": ("contact_id", "outcome"),
}
"""Columns that no measure reads: names and remarks of people above all."""

LIFE_CYCLE = {
    "missing_customer": {
        "customer_id": "id",
        "gone_on": "date",
        "gone_in": "integer",
        "returned_on": "date",
        "returned_in": "integer",
    },
    "erasure": {"customer_id": "id", "erased_on": "date", "batch_no": "integer"},
    "customer_merge": {"customer_id": "id", "merged_into": "id", "merged_on": "date", "batch_no": "integer"},
}
"""The tables of schema tiering that measures read, with the types of their columns as in the contract."""

_ARROW = {
    "TEXT": pa.string(),
    "DATE": pa.date32(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "DECIMAL(20, 4)": pa.decimal128(20, 4),
    "DECIMAL(18, 8)": pa.decimal128(18, 8),
    "DECIMAL(38, 8)": pa.decimal128(38, 8),
}
_ROW_GROUP = 500_000


def _entities() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the entities that measures read, which are those of customers, with the columns they may read."""
    for entity in ENTITIES.values():
        if "customer_id" in entity.columns:
            unused = UNUSED.get(entity.name, ())
            columns = {**entity.columns, **entity.derived}
            yield entity.name, {name: kind for name, kind in columns.items() if name not in unused}


def _schema_of(columns: dict[str, str]) -> pa.Schema:
    return pa.schema([(name, _ARROW[SQL_TYPES[kind]]) for name, kind in columns.items()])


def state_folder(folder: Path, batch_no: int) -> Path:
    """Return the folder of a state of the facts."""
    return folder / str(batch_no)


def run_folder(folder: Path, batch_no: int, policy: Policy, as_of: date) -> Path:
    """Return the folder of what one text of a policy needs and decides on a day: `held.parquet` and `decided/`."""
    return state_folder(folder, batch_no) / "runs" / f"{policy.id}-{as_of}-{policy.version[:16]}"


def hand_over_held(connection: Connection, folder: Path, batch_no: int, policy: Policy, as_of: date) -> None:
    """Write the accounts of a policy whose inputs are not to be trusted as of a day, with the reason."""
    target = run_folder(folder, batch_no, policy, as_of)
    target.mkdir(parents=True, exist_ok=True)
    unfinished = target / ".unfinished-held"
    pq.write_table(read_held_accounts(connection, policy, as_of), unfinished)
    os.replace(unfinished, target / HELD)


def remove_states(folder: Path) -> int:
    """Remove every state, because a customer was erased; return how many there were. Runs write them anew."""
    states = [path for path in folder.glob("*") if path.name.isdecimal()]
    for path in states:
        shutil.rmtree(path)
    return len(states)


def hand_over_facts(connection: Connection, folder: Path) -> int:
    """Write the facts as they are now below `folder`, unless they are there; return the number of the newest load.

    Files: `<folder>/<load>/facts/<entity>.parquet` and `…/tiering/<table>.parquet`. States older than the one before
    are removed.
    """
    batch_no = facts_batch_no(connection)
    state = state_folder(folder, batch_no)
    if not state.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with _unfinished(folder) as unfinished:
            _write(connection, unfinished, batch_no)
            _name(unfinished, state)
    _remove_older(folder, batch_no)
    return batch_no


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    path.chmod(0o750)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _name(unfinished: Path, state: Path) -> None:
    try:
        os.rename(unfinished, state)
    except OSError:
        if not state.is_dir():  # somebody else was first, with the same rows
            raise


def _write(connection: Connection, target: Path, batch_no: int) -> None:
    for name, columns in _entities():
        statement = render("warehouse/read_facts.sql", table=name, columns=columns)
        schema = _schema_of({**columns, "batch_no": "integer"})
        batches = _batches(connection, statement, schema, {"facts_batch_no": batch_no})
        # What was superseded later stands in this state, as the statements of measures are told.
        schema = schema.append(pa.field("superseded_in", pa.int64()))
        whole = (
            pa.RecordBatch.from_arrays([*batch.columns, pa.nulls(len(batch), pa.int64())], schema=schema)
            for batch in batches
        )
        _write_file(target / "facts" / f"{name}.parquet", schema, whole)
    for name, columns in LIFE_CYCLE.items():
        statement = render("warehouse/read_life_cycle.sql", table=name, columns=columns)
        schema = _schema_of(columns)
        _write_file(target / "tiering" / f"{name}.parquet", schema, _batches(connection, statement, schema))


def _batches(
    connection: Connection, sql: str, schema: pa.Schema, parameters: dict[str, Any] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one SELECT in the types that `schema` says."""
    for table in stream_arrow(connection, sql, parameters, rows=_ROW_GROUP):
        yield from table.cast(schema).to_batches()


def _write_file(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """Write batches as row groups of a size that several readers can share."""
    path.parent.mkdir(exist_ok=True)
    with pq.ParquetWriter(path, schema) as writer:
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            waiting.append(batch)
            if sum(map(len, waiting)) >= _ROW_GROUP:
                writer.write_table(pa.Table.from_batches(waiting, schema), row_group_size=_ROW_GROUP)
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, schema))


def _remove_older(folder: Path, batch_no: int) -> None:
    states = sorted((path for path in folder.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))
    known = [path for path in states if int(path.name) <= batch_no]
    for path in known[:-KEPT_STATES]:
        shutil.rmtree(path, ignore_errors=True)
