"""The error that a person reads."""

from __future__ import annotations


class TieringError(Exception):
    """One clear line: the place, what is wrong, what to do. Holds no secret and no customer data."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class ValidationFailed(TieringError):
    """A critical expectation failed: nothing is loaded, the previous publication stays."""


class SupersedingInput(TieringError):
    """A published day would be decided on other input; it is refused unless it is a restatement."""


class DatabaseFailed(TieringError):
    """The database refused a statement or was lost. Says what the server said without any value of a row.

    `sqlstate` is the server's code (None where it sent none); `may_pass` says whether the whole unit of work may
    simply run again: a lost connection, a deadlock, a failed serialisation, a server that is starting.
    """

    def __init__(self, message: str, *, sqlstate: str | None = None, may_pass: bool = False) -> None:
        super().__init__(message)
        self.sqlstate, self.may_pass = sqlstate, may_pass
