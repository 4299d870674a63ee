"""Personal data: where the contract may hold any, and what stands for it once a customer is erased."""

from __future__ import annotations

from sqlalchemy import Connection

from sql.statements import run

TOMBSTONE = "(erased)"
"""What stands where personal data stood."""

PERSONAL = (
    ("customers", "name"),
    ("customer_attributes", "value"),
    ("assessments", "evidence"),
    ("contacts", "outcome"),
)
"""Columns of the contract that may hold personal data: names, further attributes of any meaning, remarks of people.

The customer's number, what was bought and paid, grades and tiers stay: without a name they are figures.
"""


def erase_landed(connection: Connection, batch_id: str) -> None:
    """Replace what a batch that just landed says of erased customers, in the transaction that lands it."""
    for entity, column in PERSONAL:
        run(
            connection,
            "warehouse/erase_landed.sql",
            {"batch_id": batch_id, "tombstone": TOMBSTONE},
            entity=entity,
            column=column,
        )
