"""What an account manager has to do, in the mails: customers near a line, grades and follow-ups due, visits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from reports.digest import Care, Digest, FollowUp, NearCustomer, ProvisionalGrade, VisitPlan
from reports.outlook_words import NearLine
from sql.credit_report import localized
from sql.measure import read_library
from sql.recipients import Owner
from sql.statements import run
from sql.tier_report import PublishedDay
from transforms.policy import Policy, parse_policy
from transforms.probes import domain_of

FOLLOW_UPS_AHEAD = 7
"""Days after the day of the list within which a follow-up is told."""

GRADES_AHEAD = 31
"""Days after the day of the list within which a provisional grade is told that is to be made final."""


def begin_of_week(weekday: int | None, today: date) -> date | None:
    """Return the latest such weekday (0: Monday) up to `today`; None without one."""
    return None if weekday is None else today - timedelta(days=(today.weekday() - weekday) % 7)


def read_overdue_managers(connection: Connection, week_on: date | None) -> list[str | None]:
    """Return the account managers who are to be told this week, None for nobody's: with follow-ups that the list of
    the day before the week names overdue, and not told in it."""
    if week_on is None:
        return []
    key = {"week_on": week_on, "listed_on": week_on - timedelta(days=1)}
    return list(run(connection, "warehouse/read_overdue_managers.sql", key).scalars())


def mark_reminded(
    connection: Connection, account_managers: Sequence[str | None], week_on: date | None, digest_id: str
) -> None:
    """Note which account managers a digest has told of a week's overdue follow-ups; forget the weeks before."""
    if week_on is None or not account_managers:
        return
    run(connection, "warehouse/delete_told_follow_ups.sql", {"week_on": week_on})
    told = [{"account_manager_id": name, "week_on": week_on, "digest_id": digest_id} for name in account_managers]
    run(connection, "warehouse/insert_told_follow_up.sql", told)


def read_care(connection: Connection, owner: Owner) -> dict[str, Care]:
    """Return what every manager has to do, as the lists stand; customers near a line come with their run."""
    policies = _Policies(connection)
    days = run(connection, "warehouse/read_day_of_lists.sql").one()
    follow_ups: dict[str, list[FollowUp]] = defaultdict(list)
    for row in run(connection, "warehouse/read_due_follow_ups.sql", {"days_ahead": FOLLOW_UPS_AHEAD}):
        follow_ups[owner(row.account_manager_id)].append(_follow_up(policies, row))
    lacking: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in run(connection, "warehouse/read_lacking_figures.sql", {"days_ahead": GRADES_AHEAD}):
        lacking[row.policy_id, row.customer_id].append(row.indicator)
    grades: dict[str, list[ProvisionalGrade]] = defaultdict(list)
    for row in run(connection, "warehouse/read_due_grades.sql", {"days_ahead": GRADES_AHEAD}):
        found = lacking.get((row.policy_id, row.customer_id), [])
        grades[owner(row.account_manager_id)].append(_grade(policies, row, found))
    visits: dict[str, dict[tuple[str, str], VisitPlan]] = defaultdict(dict)
    for row in run(connection, "warehouse/read_visit_plan.sql"):
        of_manager = visits[owner(row.account_manager_id)]
        plan, key = _visit_plan(policies, row), (row.policy_id, row.tier)
        of_manager[key] = _add(of_manager[key], plan) if key in of_manager else plan
    listed_on = days.listed_on
    return {
        manager_id: Care(
            grades=tuple(grades[manager_id]),
            follow_ups=tuple(follow_ups[manager_id]),
            visits=tuple(sorted(visits[manager_id].values(), key=lambda plan: (plan.policy_id, plan.rank))),
            listed_on=listed_on,
            follow_ups_by=listed_on and listed_on + timedelta(days=FOLLOW_UPS_AHEAD),
            grades_by=listed_on and listed_on + timedelta(days=GRADES_AHEAD),
        )
        for manager_id in {*follow_ups, *grades, *visits}
    }


def read_near(connection: Connection, day: PublishedDay, owner: Owner) -> dict[str, list[NearCustomer]]:
    """Return whom a run finds near a line, of every manager; only the latest run of a policy still knows."""
    policy = day.policy
    found: dict[str, list[NearCustomer]] = defaultdict(list)
    key = {"policy_id": policy.id, "value": policy.value or "", **day.measured}
    steps: dict[str, Decimal] = {}
    for row in run(connection, "warehouse/read_near_lines.sql", key):
        if row.indicator not in steps:
            steps[row.indicator] = domain_of(policy, row.indicator, read_library()).step
        found[owner(row.account_manager_id)].append(_near(policy, row, steps[row.indicator]))
    return found


def as_reminder(digest: Digest) -> Digest:
    """Return a digest that has no news but overdue follow-ups, of these alone."""
    return replace(digest, sections=(), credit=(), customers=None, care=replace(digest.care, near=()))


class _Policies:
    """The policies as they were published last, each parsed when it is asked for."""

    def __init__(self, connection: Connection) -> None:
        self._texts = {
            row.policy_id: row.policy_text for row in run(connection, "warehouse/read_policies_in_force.sql")
        }
        self._known: dict[str, Policy | None] = {}

    def __call__(self, policy_id: str) -> Policy | None:
        if policy_id not in self._known:
            text = self._texts.get(policy_id)
            self._known[policy_id] = parse_policy(text, f"{policy_id} as it ran") if text else None
        return self._known[policy_id]

    def title(self, policy_id: str) -> dict[str, str]:
        policy = self(policy_id)
        return localized(policy.title) if policy else {}

    def tier_title(self, policy_id: str, tier: str | None) -> dict[str, str]:
        policy = self(policy_id)
        return localized(policy.tier_titles.get(tier or "", {})) if policy else {}

    def every_days(self, policy_id: str, tier: str | None) -> int | None:
        policy = self(policy_id)
        return policy.follow_up.every_days.get(tier or "") if policy else None


def _follow_up(policies: _Policies, row: Any) -> FollowUp:
    is_cadence = row.reason == "cadence"
    titles = {"en": row.title_en, "zh": row.title_zh}
    task = {language: text for language, text in titles.items() if text} or {"en": row.reason}
    return FollowUp(
        policy_id=row.policy_id,
        title=policies.title(row.policy_id),
        customer_id=row.customer_id,
        customer_name=row.customer_name or row.customer_id,
        tier=row.tier,
        tier_title=policies.tier_title(row.policy_id, row.tier),
        every_days=policies.every_days(row.policy_id, row.tier) if is_cadence else None,
        task={} if is_cadence else task,
        last_contact_on=row.last_contact_on,
        due_on=row.due_on,
        overdue_days=int(row.overdue_days),
    )


def _grade(policies: _Policies, row: Any, lacking: Sequence[str]) -> ProvisionalGrade:
    """Name the figures without which the policy gives provisional grades, in its order."""
    policy = policies(row.policy_id)
    entries = policy.missing if policy and row.reason == "review" else {}
    named = [name for name, entry in entries.items() if entry.status == "provisional" and name in lacking]
    return ProvisionalGrade(
        policy_id=row.policy_id,
        title=policies.title(row.policy_id),
        customer_id=row.customer_id,
        customer_name=row.customer_name or row.customer_id,
        tier=row.tier,
        began_on=row.began_on,
        final_by=row.final_by,
        overdue_days=int(row.overdue_days),
        lacking=tuple(policy.title_of(name) for name in named) if policy else (),
    )


def _visit_plan(policies: _Policies, row: Any) -> VisitPlan:
    policy = policies(row.policy_id)
    is_known = policy is not None and row.tier in policy.tiers
    return VisitPlan(
        policy_id=row.policy_id,
        title=policies.title(row.policy_id),
        tier=row.tier,
        rank=policy.rank_of(row.tier) if policy and is_known else 0,
        tier_title=policies.tier_title(row.policy_id, row.tier),
        every_days=policies.every_days(row.policy_id, row.tier),
        period_start=row.period_start,
        period_end=row.period_end,
        customers=int(row.customers),
        planned=int(row.planned),
        made=int(row.made),
        visits=int(row.visits),
    )


def _add(one: VisitPlan, other: VisitPlan) -> VisitPlan:
    """Add two plans of a tier: of several account managers whom nobody can write to."""
    names = ("customers", "planned", "made", "visits")
    return replace(one, **{name: getattr(one, name) + getattr(other, name) for name in names})


def _near(policy: Policy, row: Any, step: Decimal) -> NearCustomer:
    rank = policy.rank_of(row.tier_in_force)
    return NearCustomer(
        policy=policy,
        as_of=row.as_of,
        customer_id=row.customer_id,
        customer_name=row.customer_name or row.customer_id,
        tier=row.tier_in_force,
        line=NearLine(
            direction=row.direction,
            tier=row.tier,
            to_tier=row.to_tier,
            indicator=row.indicator,
            value=row.value,
            needed=row.needed,
            by_on=row.by_on,
            keeps=row.keeps,
            step=step,
        ),
        relative_change=row.relative_change,
        is_to_win=row.direction == "up" and policy.rank_of(row.to_tier) < rank,
        value=row.at_stake,
    )
