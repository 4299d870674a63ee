"""Receivables: what every account owes as of a day, published with control totals."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection

from sql.errors import TieringError
from sql.facts import lock
from sql.statements import run
from transforms.calendar import add_months


def write_positions(connection: Connection, as_of: date, facts_batch_no: int) -> int:
    """Write the receivables of every bill-to account and currency as of a day, in place of those that stand.

    What is dated after the day is not seen. Returns the rows. Raises TieringError when documents less money are not
    the balance, to the last digit and in every currency; nothing is written then.
    """
    lock(connection, "receivables")
    key = {"as_of": as_of, "facts_batch_no": facts_batch_no}
    run(connection, "warehouse/delete_positions.sql", {"as_of": as_of})
    year = {"year_begin": add_months(as_of, -12)}
    written = run(connection, "warehouse/insert_receivable_position.sql", key | year, grain="bill_to", debtors="debtor")
    faults = run(connection, "warehouse/read_position_faults.sql", key).all()
    if faults:
        raise TieringError(
            f"receivables of {as_of}: documents less money is not the balance in {faults[0].currency}: off by "
            f"{faults[0].documents} and {faults[0].money}; nothing was written; please report it"
        )
    return max(written.rowcount, 0)


def prune_positions(connection: Connection) -> None:
    """Remove positions of days that are neither the latest, nor a month's end, nor of a run that decided limits."""
    run(connection, "warehouse/delete_old_positions.sql")
