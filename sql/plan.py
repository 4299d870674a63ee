"""Plan: the budget of credit that the plan of a year gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from sqlalchemy import Connection

from sql.errors import TieringError
from sql.statements import run
from transforms.credit import Budget
from transforms.policy import Policy


@dataclass(frozen=True)
class Planned:
    """The budget that the plan of a year gives, or what it lacks; neither where the policy needs no plan."""

    budget: Fraction | None = None
    lacks: str | None = None


def planned_budget(connection: Connection, policy: Policy, as_of: date, facts_batch_no: int) -> Planned:
    """Return the budget of a policy's credit for the year that begins after a day, by the plan as it was known."""
    if policy.credit is None or policy.credit.budget is None:
        return Planned()
    year = (as_of + timedelta(days=1)).year
    key = {"year": year, "facts_batch_no": facts_batch_no}
    plan = run(connection, "warehouse/read_plan.sql", key).mappings().first()
    if plan is None and Budget(policy.credit.budget).columns:
        return Planned(lacks=f"there is no plan of {year}")
    try:
        budget = Budget(policy.credit.budget).amount(dict(plan or {}))
    except TieringError as error:
        return Planned(lacks=f"plan of {year}: {error}")
    return Planned(budget) if budget >= 0 else Planned(lacks=f"plan of {year}: the budget is negative")
