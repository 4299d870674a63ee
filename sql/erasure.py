"""Erasure: replace the personal data of one customer wherever the warehouse and the folders of reports hold them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect

from reports.redaction import Redaction
from sql.connect import Database, connected
from sql.contract import SPACES
from sql.facts import lock
from sql.life_cycle import check_known, check_people
from sql.personal import PERSONAL, TOMBSTONE
from sql.spread import drop_kept
from sql.statements import run


@dataclass(frozen=True)
class Erasure:
    """What an erasure replaced: values by place; `is_new` is false when the customer had been erased before."""

    erased_on: date
    replaced: dict[str, int] = field(default_factory=dict)
    is_new: bool = True


def erase_customer(
    warehouse: Database,
    customer_id: str,
    *,
    erased_on: date,
    reason: str,
    requested_by: str,
    folders: Sequence[Path] = (),
) -> Erasure:
    """Replace the personal data of a customer by a tombstone; its number, history and figures stay.

    The mails and workbooks in `folders` first, then the warehouse in one transaction: whatever fails, the names are
    still known and it can be run again. Done before, it changes nothing. From `erased_on` on the customer is in no
    policy's scope, and what an extract says of it later is replaced where it lands. Raises TieringError for an
    unknown one.
    """
    check_people(reason, requested_by)
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, "facts")
        lock(connection, "outbox")
        check_known(connection, customer_id)
        names = _names_of(connection, customer_id)
        redaction = Redaction(customer_id, names, TOMBSTONE)
        replaced = {}
        replaced["files"] = sum(redaction.folder(folder) for folder in folders if folder.is_dir())
        done = run(connection, "warehouse/read_erasure.sql", {"customer_id": customer_id}).first()
        for place in _places(connection):
            replaced[f"{place.table}.{place.column}"] = _replace(connection, customer_id, place)
        replaced["work.indicators"] = drop_kept(connection)  # a run that is being decided is split anew
        _replace_unnumbered(connection, names)
        replaced["tiering.quarantine.row_json"] = _replace_quarantined(connection, customer_id, redaction)
        replaced["tiering.given_limit.reason"] += _replace_group_reasons(connection, redaction)
        replaced["tiering.refused_line.line_text"] = _replace_refused_lines(connection, redaction)
        replaced["tiering.email_outbox.message"] = _replace_mails(connection, redaction)
        found = {place: count for place, count in replaced.items() if count}
        if done is not None:
            return Erasure(done.erased_on, found, is_new=False)
        run(
            connection,
            "warehouse/insert_erasure.sql",
            {
                "customer_id": customer_id,
                "erased_on": erased_on,
                "requested_by": requested_by.strip(),
                "reason": reason.strip(),
                "replaced": json.dumps(found),
                "batch_no": int(run(connection, "warehouse/read_next_batch_no.sql").scalar_one()),
                "recorded_at": datetime.now(UTC),
            },
        )
    return Erasure(erased_on, found)


def read_erased(connection: Connection) -> dict[str, date]:
    """Return the customers that were erased, and when: from that day on their absence has the reason `erased`."""
    return {row.customer_id: row.erased_on for row in run(connection, "warehouse/read_erased.sql")}


@dataclass(frozen=True)
class _Place:
    """A column that may hold personal data, the column of its customer, and which rows are meant."""

    table: str
    column: str
    key: str = "customer_id"
    only: str = ""


def _places(connection: Connection) -> Iterator[_Place]:
    there = inspect(connection)
    work = set(there.get_table_names(schema="work"))
    for entity, column in PERSONAL:
        yield _Place(f"facts.{entity}", column)
        yield _Place(f"landing.{entity}", column)
        if f"parsed_{entity}" in work:
            yield _Place(f"work.parsed_{entity}", column)
            yield _Place(f"work.parsed_{entity}", "content")
    for table in ["tiering.key_field_change", *(["work.key_field_change"] if "key_field_change" in work else [])]:
        yield _Place(table, "evidence")
        yield from (_Place(table, column, only="entity = 'customer_attributes'") for column in ("before", "after"))
    yield from (_Place(table, "reason") for table in ("tiering.override", "tiering.grade", "tiering.given_limit"))
    for table in sorted(name for name in work if name.startswith("measures_")):
        for found in there.get_columns(table, schema="work"):
            if re.fullmatch(r"attribute__\w+__text", found["name"]):
                yield _Place(f"work.{table}", found["name"], key="account_id")


def _replace(connection: Connection, customer_id: str, place: _Place) -> int:
    key = {"customer_id": customer_id, "tombstone": TOMBSTONE}
    names = asdict(place)
    found = int(run(connection, "warehouse/count_personal.sql", key, **names).scalar_one())
    if found:
        run(connection, "warehouse/erase_personal.sql", key, **names)
    return found


def _replace_unnumbered(connection: Connection, names: list[str]) -> None:
    """Replace the names in rows that nobody can tell by their number."""
    keys = [{"name": name.strip(SPACES), "tombstone": TOMBSTONE} for name in names]
    for table in ("landing.customers", "work.parsed_customers"):
        schema, name = table.split(".")
        if keys and inspect(connection).has_table(name, schema=schema):
            run(connection, "warehouse/erase_unnumbered.sql", keys, table=table, has_content=schema == "work")


def _names_of(connection: Connection, customer_id: str) -> list[str]:
    names = {row.name for row in run(connection, "warehouse/read_names.sql", {"customer_id": customer_id})}
    for row in _quarantined(connection, customer_id):
        if row.customer_id is not None and row.entity == "customers":
            names.add(str(json.loads(row.row_json).get("name") or ""))
    return sorted(names - {"", TOMBSTONE})


def _quarantined(connection: Connection, customer_id: str) -> list[Any]:
    key = {"customer_id": customer_id, "tombstone": json.dumps(TOMBSTONE)}
    return list(run(connection, "warehouse/read_quarantined_of_customer.sql", key))


def _replace_quarantined(connection: Connection, customer_id: str, redaction: Redaction) -> int:
    """Replace the refused rows of a customer, and those without a number that hold its name."""
    rows = [
        row
        for row in _quarantined(connection, customer_id)
        if row.customer_id is not None or redaction.is_named(json.loads(row.row_json))
    ]
    if rows:
        run(
            connection,
            "warehouse/erase_quarantined.sql",
            [
                {
                    "entity": row.entity,
                    "batch_no": row.batch_no,
                    "position": row.position,
                    "rule": row.rule,
                    "tombstone": json.dumps(TOMBSTONE),
                }
                for row in rows
            ],
        )
    return len(rows)


def _replace_refused_lines(connection: Connection, redaction: Redaction) -> int:
    """Replace the refused lines of people that name a customer, by its number as a word or by a name."""
    keys = [
        {"file_sha256": row.file_sha256, "line": row.line, "tombstone": TOMBSTONE}
        for row in run(connection, "warehouse/read_refused_texts.sql", {"tombstone": TOMBSTONE})
        if redaction.is_in(row.line_text)
    ]
    if keys:
        run(connection, "warehouse/erase_refused_text.sql", keys)
    return len(keys)


def _replace_group_reasons(connection: Connection, redaction: Redaction) -> int:
    """Replace the reasons of limits of groups that name a customer; return how many wordings."""
    keys = [
        {"reason": reason, "tombstone": TOMBSTONE}
        for reason in run(connection, "warehouse/read_group_reasons.sql", {"tombstone": TOMBSTONE}).scalars()
        if redaction.is_in(reason)
    ]
    if keys:
        run(connection, "warehouse/erase_group_reason.sql", keys)
    return len(keys)


def _replace_mails(connection: Connection, redaction: Redaction) -> int:
    """Replace the names in every mail of the outbox, one in memory at a time; return how many mails changed."""
    changed = 0
    for row in run(connection, "warehouse/read_mail_ids.sql").all():
        key = {"message_id": row.message_id}
        message = str(run(connection, "warehouse/read_mail.sql", key).scalar_one()).encode("ascii")
        new = redaction.mail(message)
        if new != message:
            run(connection, "warehouse/replace_mail.sql", {**key, "message": new.decode("ascii")})
            changed += 1
    return changed
