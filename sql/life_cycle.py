"""Life cycle: customers that the source stops naming, that come back or are merged; extracts too small to believe."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlalchemy import Connection

from sql.connect import Database, connected
from sql.contract import COVERING, ENTITIES
from sql.errors import TieringError, ValidationFailed
from sql.extract import Batch, interval_of
from sql.facts import lock, read_extraction
from sql.statements import run

log = logging.getLogger(__name__)

FEWEST_USUAL_ROWS = 10
"""What usually has fewer rows says nothing when it has none."""

FEWEST_USUAL_BATCHES = 3
"""So many batches of the same length must lie before one that is held against them."""


@dataclass(frozen=True)
class Missing:
    """Customers that an extract did not name: carried forward, gone with it, returned with it; rows that changed."""

    carried: int
    gone: int
    returned: int
    changed: int


@dataclass(frozen=True)
class Shrinkage:
    """An extract that holds much less than was known, stood for its days, or is usual (`compared_with`)."""

    entity: str
    compared_with: str
    found_rows: int
    expected_rows: int

    @property
    def words(self) -> str:
        """The numbers in words."""
        against = {
            "known": f"names {self.found_rows} of the {self.expected_rows} known",
            "last": f"has {self.found_rows} rows, and the last extract {self.expected_rows}",
            "interval": f"has {self.found_rows} rows where {self.expected_rows} were loaded for the same days",
            "usual": f"has {self.found_rows} rows, and the batches before at least {self.expected_rows}",
        }
        return f"{self.entity} {against[self.compared_with]}"


def note_missing_customers(connection: Connection, batch_no: int, extracted_on: date, absent_extracts: int) -> Missing:
    """Note which known customers the parsed extract does not name, which it names again, and which are gone by it.

    A customer is gone when `absent_extracts` complete extracts in a row, on different days, did not name it. Until
    then it is carried forward with its last attributes. An extract read again on the same day takes the place of
    the earlier one.
    """
    load = {"batch_no": batch_no}
    here = {**load, "extracted_on": extracted_on}
    run(connection, "warehouse/end_missing_customers.sql", here)
    run(connection, "warehouse/insert_missing_customers.sql", here)
    run(connection, "warehouse/count_missing_extracts.sql", {"extracted_on": extracted_on})
    run(connection, "warehouse/end_gone_customers.sql", {**here, "absent_extracts": absent_extracts})
    found = run(connection, "warehouse/count_missing_customers.sql", load).one()
    missing = Missing(int(found.carried), int(found.gone), int(found.returned), int(found.changed))
    if missing.carried or missing.changed:
        log.warning(
            "customers: %d are missing and carried forward, %d are gone, %d came back",
            missing.carried,
            missing.gone,
            missing.returned,
        )
    return missing


def find_shrinkage(connection: Connection, batch: Batch, maximum_share: Decimal) -> list[Shrinkage]:
    """Return in which required entities the landed batch lost more than `maximum_share` of what was to be expected.

    Customers: those known so far, but for those that are gone. Account managers: the last extract. Sales,
    receivables and payments: the rows that stand for the same days (unless the source selects on updated_at), and
    the smallest of the seven batches before that are about as long, where each of them had rows.
    """
    extracted = read_extraction(connection, batch)
    by_update = {row.entity for row in extracted if row.is_by_update}
    key = {"batch_id": batch.batch_id}
    found = []
    row = run(connection, "warehouse/compare_known_customers.sql", key).one()
    found.append(Shrinkage("customers", "known", int(row.found_rows), int(row.expected_rows)))
    row = run(connection, "warehouse/compare_last_extract.sql", key, entity="account_managers").one()
    found.append(Shrinkage("account_managers", "last", int(row.found_rows), int(row.expected_rows)))
    days = (batch.end - batch.start).days
    for name in COVERING:
        entity = ENTITIES[name]
        row = run(
            connection, "warehouse/compare_interval.sql", {**key, **interval_of(entity, batch)}, entity=entity
        ).one()
        if name not in by_update and row.expected_rows >= FEWEST_USUAL_ROWS:
            found.append(Shrinkage(name, "interval", int(row.found_rows), int(row.expected_rows)))
        usual = [
            int(before.extracted_rows)
            for before in run(
                connection,
                "warehouse/read_usual_rows.sql",
                {
                    "entity": name,
                    "batch_start": batch.start,
                    "shortest": days - days // 10,
                    "longest": days + days // 10,
                },
            )
        ]
        if len(usual) >= FEWEST_USUAL_BATCHES and min(usual) >= FEWEST_USUAL_ROWS:
            found.append(Shrinkage(name, "usual", int(row.found_rows), min(usual)))
    return [one for one in found if one.expected_rows - one.found_rows > maximum_share * one.expected_rows]


def check_shrinkage(
    warehouse: Database, batch: Batch, maximum_share: Decimal, accepted_reason: str | None = None
) -> list[Shrinkage]:
    """Hold a landed batch that has shrunk, or keep why somebody accepted it; return in what it had.

    Raises ValidationFailed with the numbers when it is held: nothing is loaded then.
    """
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, "facts")
        shrunken = find_shrinkage(connection, batch, maximum_share)
        now = datetime.now(UTC)
        for one in shrunken:
            run(
                connection,
                "warehouse/insert_shrunken_extract.sql",
                {
                    "batch_id": batch.batch_id,
                    "entity": one.entity,
                    "compared_with": one.compared_with,
                    "found_rows": one.found_rows,
                    "expected_rows": one.expected_rows,
                    "found_at": now,
                    "accepted_reason": accepted_reason,
                },
            )
    numbers = "; ".join(one.words for one in shrunken)
    if shrunken and not accepted_reason:
        raise ValidationFailed(
            f"{batch.batch_id}: the extract has shrunk: {numbers}; nothing was loaded, the last publication stays. "
            "Look at the source; if it is right, run customer_facts for these days with accept_shrunken and a reason"
        )
    if shrunken:
        log.warning("%s: a shrunken extract was accepted: %s", batch.batch_id, numbers)
    return shrunken


@dataclass(frozen=True)
class Merge:
    """A merge that was recorded: its rows (customer, into, from which day on), and published days it comes after.

    `rows` has the merge itself first, then the customers that were merged into it before and go along.
    `is_new` is false when the same merge stood already.
    """

    rows: tuple[tuple[str, str, date], ...]
    published: dict[str, int]
    is_new: bool = True


def merge_customers(
    warehouse: Database,
    customer_id: str,
    merged_into: str,
    merged_on: date,
    *,
    reason: str,
    requested_by: str,
    approved_by: str,
) -> Merge:
    """Let a customer count for another one from a day on; the histories of both stay. One transaction.

    From that day on every document of the first, old ones too, is measured at the second, and the first has left.
    Who was merged into the first before goes along, so that the latest row of a customer always names its end.
    The same merge again changes nothing. Raises TieringError where it cannot be.
    """
    check_people(reason, requested_by)
    if not approved_by.strip() or approved_by.strip().casefold() == requested_by.strip().casefold():
        raise TieringError("a merge is approved by somebody else than the one who asks for it; name both")
    place = f"merge of {customer_id} into {merged_into}"
    if customer_id == merged_into:
        raise TieringError(f"{place}: that is one customer; name the other one")
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, "facts")
        for number in (customer_id, merged_into):
            check_known(connection, number)
        merges = _merges_of(connection, customer_id)
        own = {day: into for day, (into, _) in merges.get(customer_id, {}).items()}
        published = {
            row.policy_id: int(row.days)
            for row in run(connection, "warehouse/read_published_since.sql", {"from_day": merged_on})
        }
        if own.get(merged_on) == merged_into:
            return Merge(((customer_id, merged_into, merged_on),), published, is_new=False)
        if own:
            day, into = max(own.items())
            raise TieringError(f"{place}: it was merged into {into} on {day} already; merge {into} if that is meant")
        onward = _merges_of(connection, merged_into).get(merged_into, {})
        for day, (into, _) in onward.items():
            if into == customer_id:
                raise TieringError(
                    f"{place}: {merged_into} was merged into {customer_id} on {day}; that would be a circle"
                )
            if day <= merged_on:
                raise TieringError(f"{place}: {merged_into} was merged into {into} on {day}; merge into {into}")
        before = {number: days for number, days in merges.items() if number != customer_id}
        for number, days in before.items():
            first = min(days)
            if first >= merged_on:
                raise TieringError(
                    f"{place}: {number} was merged into {customer_id} on {first}; take a day after that one"
                )
        rows: list[tuple[str, str, date, str | None]] = [(customer_id, merged_into, merged_on, None)]
        rows += [(customer_id, into, day, merged_into) for day, (into, _) in onward.items()]
        rows += [(number, into, day, customer_id) for number in before for _, into, day, _ in rows[: 1 + len(onward)]]
        recorded = {
            "reason": reason.strip(),
            "requested_by": requested_by.strip(),
            "approved_by": approved_by.strip(),
            "batch_no": int(run(connection, "warehouse/read_next_batch_no.sql").scalar_one()),
            "recorded_at": datetime.now(UTC),
        }
        run(
            connection,
            "warehouse/insert_customer_merge.sql",
            [
                {"customer_id": number, "merged_into": into, "merged_on": day, "follows": follows, **recorded}
                for number, into, day, follows in rows
            ],
        )
    return Merge(tuple((number, into, day) for number, into, day, _ in rows), published)


def _merges_of(connection: Connection, customer_id: str) -> dict[str, dict[date, tuple[str, str | None]]]:
    """Return the merges of a customer and into it: by customer and day, into whom and whom it follows."""
    merges: dict[str, dict[date, tuple[str, str | None]]] = {}
    for row in run(connection, "warehouse/read_merges_of.sql", {"customer_id": customer_id}):
        merges.setdefault(row.customer_id, {})[row.merged_on] = (row.merged_into, row.follows)
    return merges


def check_known(connection: Connection, customer_id: str) -> None:
    """Raise TieringError when the facts never held a customer of this number."""
    found = run(connection, "warehouse/read_customer_exists.sql", {"customer_id": customer_id}).scalar_one()
    if not found:
        raise TieringError(f"customer {customer_id!r} is not known; write its number as the source does, zeros too")


def check_people(reason: str, requested_by: str) -> None:
    """Raise TieringError unless somebody asks, and says why."""
    if not reason.strip():
        raise TieringError("a reason is needed, in your own words")
    if not requested_by.strip():
        raise TieringError("say who asks for it")
