"""The lists of a review: special settlements, new customers with their day, and who is spot-checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from transforms.calendar import add_months
from transforms.conditions import Condition
from transforms.policy import Policy

NEW_FOR_MONTHS: Final = 6
_NOTHING: Final = {"", "0", "false", "no", "none", "n"}


def has_attribute(value: str | None) -> bool:
    """Whether an attribute says that the customer has the thing: any word but no, none, false and 0."""
    return value is not None and value.strip().casefold() not in _NOTHING


def evaluated_from(began_on: date) -> date:
    """Return the first day on which six full calendar months of cooperation have passed (S13c)."""
    return add_months(began_on, NEW_FOR_MONTHS)


def months_provisional(policy: Policy) -> int | None:
    """Return for how many months of tenure a policy keeps grades provisional (S13c); None: it does not count them."""
    if policy.provisional is None:
        return None
    condition = Condition(policy.provisional)
    tenures = (name for name in condition.indicators if policy.indicators[name].measure == "tenure_months")
    return max((months for name in tenures if (months := condition.ends_at(name)) is not None), default=None)


def propose_settlement(
    *, has_special: bool, is_best: bool, overdue_amount: Decimal
) -> Literal["verify", "revoke", "add"] | None:
    """Return what to do about a special settlement (S13b); the rule is ours.

    Who has one and owes something overdue: revoke; who has one: verify; who has none, is of the best tier and
    owes nothing overdue: add; anybody else is not listed.
    """
    if has_special:
        return "revoke" if overdue_amount > 0 else "verify"
    return "add" if is_best and overdue_amount <= 0 else None


def draw_sample(tiers: Mapping[str, str], policy_id: str, as_of: date, size: int) -> list[str]:
    """Return who is spot-checked (S13e): customers in the order of a hash, one of every tier at least.

    In: tier by customer. Everybody who asks draws the same sample, in whatever order the customers come; it says
    nothing about them beforehand. More tiers than `size` give one of every tier.
    """

    def place(customer_id: str) -> str:
        return hashlib.sha256(f"{policy_id}\x1f{as_of}\x1f{customer_id}".encode()).hexdigest()

    order = sorted(tiers, key=place)
    first = {tier: customer_id for customer_id in reversed(order) for tier in [tiers[customer_id]]}
    chosen = set(first.values())
    others = [customer_id for customer_id in order if customer_id not in chosen]
    chosen |= set(others[: max(0, size - len(chosen))])
    return [customer_id for customer_id in order if customer_id in chosen]
