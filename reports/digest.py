"""What a digest says, as plain values: the contract between the warehouse and the rendering.

Whoever builds a :class:`Digest` has already restricted every row to its manager.
Titles are ``{"en": …, "zh": …}``; a missing language falls back to English, then to the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Literal, get_args

from transforms.pace import Keep

Unit = Literal["money", "ratio", "count", "days", "months", "points", "rank", "number", "flag", "text"]
Direction = Literal["new", "up", "down", "left"]
Cause = Literal["measures", "policy", "override", "review", "correction", "movement"]
Titles = dict[str, str]


def _check(what: str, value: str, kind: object) -> None:
    allowed = get_args(kind)
    if value not in allowed:
        raise ValueError(f"{what} is {value!r}; it must be one of {', '.join(allowed)}")


@dataclass(frozen=True)
class Driver:
    """One indicator that moved a customer, with its value before and after; None is "no value"."""

    indicator: str
    title: Titles
    unit: Unit
    before: Decimal | str | None
    after: Decimal | str | None

    def __post_init__(self) -> None:
        _check("the unit of a driver", self.unit, Unit)

    @classmethod
    def from_texts(cls, indicator: str, title: Titles, unit: Unit, before: str | None, after: str | None) -> Driver:
        """A driver as a change keeps it: its values are texts, and become numbers where the unit is one."""

        def plain(text: str | None) -> Decimal | str | None:
            if text is None or unit in ("flag", "text"):
                return text
            try:
                return Decimal(text)
            except InvalidOperation:
                return text

        return cls(indicator, title, unit, plain(before), plain(after))


@dataclass(frozen=True)
class Mover:
    """One customer whose published tier moved; `value` is the money at stake in the reporting currency.

    `status` and `computed_tier` are those of the tier it moved to: held or pending, and what the rules alone found.
    """

    customer_id: str
    customer_name: str
    from_tier: str | None
    to_tier: str | None
    direction: Direction
    cause: Cause
    drivers: tuple[Driver, ...]
    value: Decimal | None
    status: str | None = None
    computed_tier: str | None = None

    def __post_init__(self) -> None:
        _check("the direction of a mover", self.direction, Direction)
        _check("the cause of a move", self.cause, Cause)


def by_money_at_stake(mover: Mover) -> tuple[bool, Decimal, str]:
    """Sorts the most money first, movers of unknown value last."""
    if mover.value is None or not mover.value.is_finite():
        return True, Decimal(0), mover.customer_id
    return False, -mover.value, mover.customer_id


@dataclass(frozen=True)
class TierCount:
    """How many customers a tier has (rank 1 is best), and had at the previous publication (None: no such)."""

    tier: str
    rank: int
    title: Titles
    customers: int
    before: int | None


@dataclass(frozen=True)
class PolicySection:
    """What one policy says of this manager's customers; `actions` is what follows from each tier."""

    policy_id: str
    title: Titles
    as_of: date
    tiers: tuple[TierCount, ...]
    movers: tuple[Mover, ...]
    actions: dict[str, Titles]


@dataclass(frozen=True)
class QuarantineCount:
    """How many source rows one rule refused."""

    entity: str
    rule: str
    rows: int


@dataclass(frozen=True)
class KeyFieldChange:
    """A key fact of a customer that changed: what, since when, and which extract of which entity says so.

    `field` is a column of customers, an attribute or an assessed indicator; None is "no value".
    """

    customer_id: str
    customer_name: str
    field: str
    before: str | None
    after: str | None
    changed_on: date
    entity: str
    batch: str
    extracted_on: date | None
    assessed_by: str | None = None


@dataclass(frozen=True)
class Notice:
    """A tier that will go down on a day, should it be found as now; since when it is found lower, and what keeps it."""

    policy_id: str
    title: Titles
    customer_id: str
    customer_name: str
    tier: str
    to_tier: str
    falls_on: date
    found_since: date | None
    kept_by: tuple[Keep, ...]


def by_day(notice: Notice) -> tuple[date, str, str]:
    """Sorts what comes first to the front."""
    return notice.falls_on, notice.policy_id, notice.customer_id


@dataclass(frozen=True)
class SourceDay:
    """Through which day an entity was loaded, and whether that is longer ago than it should be."""

    entity: str
    through_on: date
    is_stale: bool = False


@dataclass(frozen=True)
class Digest:
    """Everything one account manager is told.

    `unassigned_customers` is above 0 only for the fallback manager.
    `customers` counts distinct customers over all sections; None shows a total only when one section has it.
    """

    manager_id: str
    manager_name: str
    recipient: str
    locale: str
    currency: str
    sections: tuple[PolicySection, ...]
    quarantined: tuple[QuarantineCount, ...]
    unassigned_customers: int = 0
    is_correction: bool = False
    customers: int | None = None
    key_fields: tuple[KeyFieldChange, ...] = ()
    sources: tuple[SourceDay, ...] = ()
    notices: tuple[Notice, ...] = ()


def digest_is_quiet(digest: Digest) -> bool:
    """True when nothing moved or will go down, no key fact changed, no row was refused, no customer lacks a manager."""
    return not (
        any(section.movers for section in digest.sections)
        or digest.key_fields
        or digest.notices
        or any(count.rows for count in digest.quarantined)
        or digest.unassigned_customers
    )
