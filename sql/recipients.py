"""Recipients: account managers with their addresses, and who of them is told of whose customers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from reports.mail import check_recipient
from sql.statements import run

FALLBACK = ""
"""Stands for the fallback manager where an account manager is missing, unknown or without an address."""

Owner = Callable[[str | None], str]
"""Gives the manager who is told of a customer."""


@dataclass(frozen=True)
class Recipients:
    """Account managers by id, and their addresses: None where nobody can write to them."""

    managers: Mapping[str, Any]
    addresses: Mapping[str, str | None]

    def owner(self, account_manager_id: str | None) -> str:
        """Return who is told of an account manager's customers: that manager, or the fallback."""
        return account_manager_id if account_manager_id and self.addresses.get(account_manager_id) else FALLBACK


def read_recipients(connection: Connection) -> Recipients:
    """Return the account managers as they are now."""
    managers = {row.account_manager_id: row for row in run(connection, "warehouse/read_managers_of_mail.sql")}
    return Recipients(managers, {name: _address(row.email) for name, row in managers.items()})


def _address(email: str | None) -> str | None:
    try:
        return check_recipient(email or "")
    except ValueError:
        return None
