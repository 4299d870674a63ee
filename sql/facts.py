"""Facts: parse a landed batch, set aside the rows that a rule refuses, load the rest and reconcile the load."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, inspect

from sql.connect import Database, connected, write_arrow
from sql.contract import COVERING, ENTITIES, MINOR_DIGITS, SQL_TYPES, Entity
from sql.errors import TieringError
from sql.extract import Batch, Extraction, interval_of
from sql.statements import dialect_of, run

log = logging.getLogger(__name__)

_REFUSED = {
    "entity": "TEXT",
    "position": "BIGINT",
    "rule": "TEXT",
    "reason": "TEXT",
    "row_key": "TEXT",
    "customer_id": "TEXT",
}
_EXTRACTION = {
    "batch_id": "TEXT",
    "entity": "TEXT",
    "currency": "TEXT",
    "source_rows": "BIGINT",
    "source_amount": "DECIMAL(38, 4)",
    "is_by_update": "BOOLEAN",
    "snapshot": "TEXT",
    "extracted_at": "TIMESTAMPTZ",
}

ABSENT_EXTRACTS = 3
"""So many complete extracts in a row that do not name a customer let it be gone."""


@dataclass(frozen=True)
class RowRule:
    """A rule of a suite that sends rows to quarantine: its query returns the `position` of every bad row."""

    rule: str
    reason: str
    query: str
    names_column: bool = False


@dataclass(frozen=True)
class Load:
    """What a load did. `batch_no` is None when the facts held everything already (nothing was written)."""

    batch_no: int | None
    loaded_rows: dict[str, int]
    quarantined_rows: dict[str, int]


def rebuild(connection: Connection, table: str, columns: Mapping[str, str]) -> None:
    """Make `work.<table>` anew and empty, with `columns` (name → type in DuckDB's dialect).

    Whoever else makes it anew waits until this transaction ends: PostgreSQL does not let two of them create what is
    not there yet.
    """
    lock(connection, f"work.{table}")
    run(connection, "warehouse/drop_work_table.sql", table=table)
    run(connection, "warehouse/create_work_table.sql", table=table, columns=columns)


def fill(connection: Connection, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
    """Make `work.<table>` anew with `rows`, whose `columns` are of type TEXT, DATE or INTEGER."""
    rebuild(connection, table, columns)
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    types = {"TEXT": pa.string(), "DATE": pa.date32(), "INTEGER": pa.int32()}
    arrays = {name: pa.array(value, types[kind]) for (name, kind), value in zip(columns.items(), values, strict=True)}
    write_arrow(connection, f"work.{table}", pa.table(arrays))


def analyze(connection: Connection, table: str) -> None:
    """Tell PostgreSQL's planner how large `table` has become; without it, it loops over rows it takes for few."""
    if dialect_of(connection) == "postgres":
        run(connection, "warehouse/analyze.sql", table=table)


@contextmanager
def joined_by_hash(connection: Connection) -> Iterator[None]:
    """Keep PostgreSQL from looping over whole populations: of rows of the same transaction it has no statistics.

    It takes a million new rows for one, and only who owns a table may have it analysed.
    """
    if dialect_of(connection) != "postgres":
        yield
        return
    run(connection, "warehouse/allow_loops.sql", {"allowed": "off"})
    yield
    run(connection, "warehouse/allow_loops.sql", {"allowed": "on"})


def lock(connection: Connection, name: str) -> None:
    """Let nobody else work under `name` until this transaction ends (a DuckDB file has one writer anyway)."""
    if dialect_of(connection) == "postgres":
        run(connection, "warehouse/lock.sql", {"name": f"tiering:{name}"})


def lock_shared(connection: Connection, name: str) -> None:
    """Let nobody work under `name` alone until this transaction ends; whoever shares it goes on."""
    if dialect_of(connection) == "postgres":
        run(connection, "warehouse/lock_shared.sql", {"name": f"tiering:{name}"})


def record_extraction(connection: Connection, batch: Batch, extraction: Extraction) -> None:
    """Keep what the source itself counted, for the reconciliation after validation."""
    rebuild(connection, "extraction", _EXTRACTION)
    rebuild(connection, "validated", {"batch_id": "TEXT"})
    now = datetime.now(UTC)
    totals = {(total.entity, total.currency): total for total in extraction.totals}
    for entity in extraction.entities:
        if not any(name == entity for name, _ in totals):
            totals[entity, "-"] = None  # type: ignore[assignment]
    run(
        connection,
        "warehouse/insert_extraction.sql",
        [
            {
                "batch_id": batch.batch_id,
                "entity": entity,
                "currency": currency,
                "source_rows": total.rows if total else 0,
                "source_amount": total.amount if total else None,
                "is_by_update": entity in extraction.by_update,
                "snapshot": extraction.snapshot,
                "extracted_at": now,
            }
            for (entity, currency), total in totals.items()
        ],
    )


def read_extraction(connection: Connection, batch: Batch) -> list[Any]:
    """Return what was extracted for a batch, one row per entity and currency; nothing when it was not."""
    if not inspect(connection).has_table("extraction", schema="work"):
        return []
    return list(run(connection, "warehouse/read_extraction.sql", {"batch_id": batch.batch_id}))


def start_validation(connection: Connection) -> None:
    """Make the work tables that every validation starts from."""
    rebuild(connection, "validated", {"batch_id": "TEXT"})
    rebuild(connection, "refused", _REFUSED)
    rebuild(connection, "known_customer", {"customer_id": "TEXT"})
    rebuild(connection, "daily_rate", {"currency": "TEXT", "day": "DATE", "rate": SQL_TYPES["rate"]})
    rebuild(connection, "vat", {"year": "BIGINT", "vat_rate": SQL_TYPES["rate"]})


def parse_entity(connection: Connection, entity: Entity, batch: Batch, reporting_currency: str) -> int:
    """Parse one landed partition into `work.parsed_<entity>` (and its amounts into `work.translated_<entity>`).

    Returns the number of landed rows.
    """
    landed = run(connection, "warehouse/count_landing.sql", {"batch_id": batch.batch_id}, entity=entity.name)
    rows = int(landed.scalar_one())
    types = {name: SQL_TYPES[kind] for name, kind in entity.columns.items()}
    rebuild(
        connection,
        f"parsed_{entity.name}",
        {"position": "BIGINT", "row_key": "TEXT", "content": "TEXT", "unreadable": "TEXT", **types},
    )
    if rows:
        run(connection, "warehouse/parse_batch.sql", {"batch_id": batch.batch_id}, entity=entity)
        analyze(connection, f"work.parsed_{entity.name}")
    if entity.translated:
        derived = {name: SQL_TYPES[kind] for name, kind in entity.derived.items()}
        rebuild(
            connection,
            f"translated_{entity.name}",
            {"position": "BIGINT", "rate": SQL_TYPES["rate"], **derived},
        )
        run(
            connection,
            "warehouse/translate_batch.sql",
            {
                "reporting_currency": reporting_currency,
                **({} if entity.dated_by else {"last_day": batch.last_day}),  # an open order: at most today's rate
            },
            entity=entity,
            minor_digits=MINOR_DIGITS.get(reporting_currency, 2),
        )
        analyze(connection, f"work.translated_{entity.name}")
    return rows


def refuse_rows(connection: Connection, entity: Entity, rules: Iterable[RowRule]) -> int:
    """Note every row of the parsed batch that one of `rules` refuses; return how many rows that are."""
    for rule in rules:
        run(
            connection,
            "warehouse/insert_refused.sql",
            {"entity": entity.name, "rule": rule.rule, "reason": rule.reason},
            entity_name=entity.name,
            query=rule.query.replace("{batch}", f"work.parsed_{entity.name}"),
            has_customer="customer_id" in entity.columns,
            names_column=rule.names_column,
        )
    return int(run(connection, "warehouse/count_refused.sql", {"entity": entity.name}).scalar_one())


def build_references(connection: Connection, entity: Entity, reporting_currency: str) -> None:
    """After `entity` was checked, build what the rows of later entities are held against."""
    if entity.name == "customers":
        run(connection, "warehouse/insert_known_customers.sql")
    if entity.name == "exchange_rates":
        run(connection, "warehouse/insert_daily_rates.sql", {"reporting_currency": reporting_currency})
    if entity.name == "plan":
        run(connection, "warehouse/insert_vat_rates.sql")


def record_validation(connection: Connection, batch: Batch) -> None:
    """Keep that the batch whose rows were parsed passed: only then it may be loaded."""
    run(connection, "warehouse/insert_validated.sql", {"batch_id": batch.batch_id})


def reconcile_source(connection: Connection, batch: Batch) -> None:
    """Hold what was landed against what the source itself counted and summed, per entity and currency.

    Raises TieringError when they differ: rows were lost or changed on the way.
    """
    extracted = {row.entity for row in read_extraction(connection, batch)}
    for entity in (ENTITIES[name] for name in ENTITIES if name in extracted):
        row = run(
            connection, "warehouse/compare_source_totals.sql", {"batch_id": batch.batch_id}, entity=entity
        ).first()
        if row is not None:
            raise TieringError(
                f"{entity.name} {batch.batch_id} {row.currency}: the source counted {row.source_rows} rows"
                f"{'' if row.source_amount is None else f' and {row.source_amount}'}, landed are {row.landed_rows}"
                f"{'' if row.source_amount is None else f' and {row.landed_amount}'}; extract the batch again"
            )


def load_batch(
    warehouse: Database, batch: Batch, key_fields: Sequence[str] = (), *, absent_extracts: int = ABSENT_EXTRACTS
) -> Load:
    """Load the rows that no rule refused into the facts, the refused ones into quarantine, and reconcile.

    One transaction; loading the same batch again changes nothing. A version that a row replaces is ended,
    not overwritten. Changes of key fields are recorded with it, `key_fields` being those beside columns of customers;
    and so are the customers that the extract does not name, who are gone after `absent_extracts` extracts in a row.
    Raises TieringError when the batch did not pass validation, or another one was validated since.
    """
    from sql.key_fields import record_key_field_changes  # which builds on this module
    from sql.life_cycle import note_missing_customers

    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, "facts")
        extracted = read_extraction(connection, batch)
        if (
            not extracted
            or not run(connection, "warehouse/count_validated.sql", {"batch_id": batch.batch_id}).scalar_one()
        ):
            raise TieringError(f"batch {batch.batch_id} was not validated; run extract and validate for it again")
        batch_no = int(run(connection, "warehouse/read_next_batch_no.sql").scalar_one())
        newest = run(connection, "warehouse/read_newest_holds_from.sql").scalar_one()
        holds_from = max(batch.last_day, newest) if newest else batch.last_day
        by_update = {row.entity for row in extracted if row.is_by_update}
        present = [entity for entity in ENTITIES.values() if entity.name in {row.entity for row in extracted}]
        changed = 0
        for entity in present:
            changed += _load_entity(connection, entity, batch, batch_no, holds_from, by_update)
        if any(entity.name == "customers" for entity in present):
            changed += note_missing_customers(connection, batch_no, holds_from, absent_extracts).changed
        known = run(connection, "warehouse/count_batch.sql", {"batch_id": batch.batch_id}).scalar_one()
        whole = [entity.name for entity in present if entity.dated_by is None]
        key = {"batch_id": batch.batch_id}
        refusals = run(connection, "warehouse/count_refused_changes.sql", key, whole=whole).scalar_one()
        if not changed and not refusals and known:
            return Load(None, {}, {})
        _record_load(connection, present, batch, batch_no, holds_from, extracted)
        record_key_field_changes(connection, batch_no, key_fields)
        rows = run(connection, "warehouse/read_batch_rows.sql", {"batch_no": batch_no}).all()
        return Load(
            batch_no,
            {row.entity: int(row.loaded_rows) for row in rows},
            {row.entity: int(row.quarantined_rows) for row in rows if row.quarantined_rows},
        )


def _load_entity(
    connection: Connection, entity: Entity, batch: Batch, batch_no: int, holds_from: date, by_update: set[str]
) -> int:
    run(connection, "warehouse/delete_refused_rows.sql", {"entity": entity.name}, entity=entity.name)
    derived = [name for name in entity.derived if name != "holds_from"]
    values = [name for name in (*entity.columns, *derived) if name not in entity.key]
    withdraws = not entity.keeps_missing and entity.name not in by_update
    parameters: dict[str, object] = {"batch_no": batch_no}
    if entity.versioned:
        parameters["holds_from"] = holds_from
    bounds = interval_of(entity, batch) if withdraws else {}
    run(
        connection,
        "warehouse/supersede_facts.sql",
        {**parameters, **bounds},
        entity=entity,
        values=values,
        withdraws=withdraws,
    )
    run(connection, "warehouse/insert_facts.sql", parameters, entity=entity, values=values)
    analyze(connection, f"facts.{entity.name}")
    count = run(connection, "warehouse/count_facts_changes.sql", {"batch_no": batch_no}, entity=entity.name)
    return int(count.scalar_one())


def _record_load(
    connection: Connection,
    present: list[Entity],
    batch: Batch,
    batch_no: int,
    holds_from: date,
    extracted: list[object],
) -> None:
    whole = [entity.name for entity in present if entity.dated_by is None]
    key = {"batch_no": batch_no, "batch_id": batch.batch_id}
    run(connection, "warehouse/supersede_quarantine.sql", key, whole=whole)
    first = extracted[0]
    for entity in present:
        run(
            connection,
            "warehouse/insert_quarantine.sql",
            {"batch_no": batch_no, "batch_id": batch.batch_id, "entity": entity.name},
            entity=entity,
        )
        run(
            connection,
            "warehouse/insert_batch.sql",
            {
                "batch_no": batch_no,
                "batch_id": batch.batch_id,
                "entity": entity.name,
                "batch_start": batch.start,
                "batch_end": batch.end,
                "snapshot": first.snapshot,  # type: ignore[attr-defined]
                "extracted_at": first.extracted_at,  # type: ignore[attr-defined]
                "loaded_at": datetime.now(UTC),
                "holds_from": holds_from if entity.versioned else None,
            },
            entity=entity,
        )


def facts_through(connection: Connection) -> date | None:
    """Return the last day up to which every required dated entity is covered without a gap; None before any load."""
    reached: dict[str, date] = {}
    for row in run(connection, "warehouse/read_coverage.sql"):
        if row.entity not in reached or row.batch_start <= reached[row.entity]:
            reached[row.entity] = max(row.batch_end, reached.get(row.entity, row.batch_end))
    if set(reached) != set(COVERING):
        return None
    return min(reached.values()) - timedelta(days=1)


def facts_batch_no(connection: Connection) -> int:
    """Return the number of the newest load, which names the state of the facts; 0 before any load."""
    return int(run(connection, "warehouse/read_next_batch_no.sql").scalar_one()) - 1
