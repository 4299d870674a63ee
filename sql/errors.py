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
