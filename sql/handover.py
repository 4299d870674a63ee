"""Handing over: a state of the facts as Parquet files, for an engine that is not the warehouse.

A state is a folder named for the newest load that it knows. It is complete once it has its name, and never changes.
It says when that load came: one of the same number in another warehouse, or before a backup was put back, is another.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection

from sql.connect import stream_arrow
from sql.contract import ENTITIES, SQL_TYPES
from sql.errors import TieringError
from sql.facts import facts_batch_no
from sql.held import read_held_accounts
from sql.statements import render, run
from transforms.policy import Policy

HELD = "held.parquet"
DECIDED = "decided"
"""What the folder of a run holds: what Spark is told, and what it found."""

ORIGIN = "origin.txt"
"""What a state says of where it comes from."""

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
_UNFINISHED = ".unfinished-"


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
    pq.write_table(read_held_accounts(connection, policy, as_of, batch_no), unfinished)
    os.replace(unfinished, target / HELD)


def remove_states(folder: Path) -> int:
    """Remove every state, because a customer was erased; return how many there were. Runs write them anew.

    So is what was being written, or left by a task that was killed.
    """
    states = [path for path in folder.glob("*") if path.name.isdecimal()]
    for path in [*states, *folder.glob(f"{_UNFINISHED}*")]:
        shutil.rmtree(path, ignore_errors=not path.name.isdecimal())
    return len(states)


def hand_over_facts(connection: Connection, folder: Path) -> int:
    """Write the facts as they are now below `folder`, unless they are there; return the number of the newest load.

    Files: `<folder>/<load>/facts/<entity>.parquet` and `…/tiering/<table>.parquet`. States older than the one before
    are removed. Raises TieringError when a customer was erased meanwhile.
    """
    batch_no = facts_batch_no(connection)
    state, (origin, _) = state_folder(folder, batch_no), _origin_of(connection, batch_no)
    if not _is_of(state, origin):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with _unfinished(folder) as unfinished:
                _write(connection, unfinished, batch_no)
                (unfinished / ORIGIN).write_text(origin, encoding="utf-8")
                if state.is_dir() and not _is_of(state, origin):
                    _discard(state)
                _name(unfinished, state)
        except FileNotFoundError as error:
            raise TieringError(f"{error.filename} was removed while it was written; run the task again") from None
        if _origin_of(connection, batch_no)[1] > batch_no:
            _discard(state)
            raise TieringError("a customer was erased while the facts were written; run the task again")
    _remove_older(folder, batch_no)
    return batch_no


def _origin_of(connection: Connection, batch_no: int) -> tuple[str, int]:
    """Return where a state of the facts comes from, and the newest state that an erasure made."""
    row = run(connection, "warehouse/read_facts_origin.sql", {"facts_batch_no": batch_no}).one()
    return (row.recorded_at.astimezone(UTC).isoformat() if row.recorded_at else "nothing was loaded"), row.erased_in


def _is_of(state: Path, origin: str) -> bool:
    path = state / ORIGIN
    return path.is_file() and path.read_text(encoding="utf-8") == origin


def _discard(state: Path) -> None:
    """Remove a state, if it is there, in one step for those who look."""
    with _unfinished(state.parent) as place, suppress(FileNotFoundError):
        os.rename(state, place / state.name)


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
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
