"""Overviews: what superiors and the general manager read over the customers of all account managers below them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from reports.digest import (
    Ageing,
    CreditSection,
    Digest,
    Evaluation,
    Fall,
    Migration,
    Mover,
    PolicySection,
    ReportingLines,
    RollUp,
    ServiceLevel,
    Tally,
    TierCount,
    TierEffect,
    TierMix,
    Titles,
    by_money_at_stake,
    by_tally,
)
from sql.credit_report import localized
from sql.recipients import Owner, Recipients
from sql.statements import run
from sql.tier_report import Moved, PublishedDay, tiers_of
from transforms.policy import Policy, parse_policy

GENERAL = "general_manager"
"""Stands for the general manager where a mail names its account manager."""

NOBODY = ""
"""Stands for the account manager of customers who have none, and for the region of those who are in none."""

LARGEST_FALLS = 10
BUCKETS = ("current", "1_30", "31_60", "61_90", "over_90")


@dataclass(frozen=True)
class DayBelow:
    """What overviews need of one published day: its movers, and its tallies by account manager and region."""

    policy: Policy
    as_of: date
    moved: Mapping[str, Sequence[Moved]]
    tallies: Mapping[str, Mapping[str, Tally]]
    mixes: tuple[TierMix, ...]
    migration: Migration


def find_below(reports_to: Mapping[str, str | None]) -> dict[str, frozenset[str]]:
    """Return everybody who reports to each superior, directly or through others; superiors alone are named.

    In a circle everybody is below everybody else. A superior who is unknown, or oneself, is none.
    """
    direct: dict[str, list[str]] = defaultdict(list)
    for name, superior in reports_to.items():
        if superior is not None and superior in reports_to and superior != name:
            direct[superior].append(name)
    found = {}
    for superior in direct:
        below: set[str] = set()
        waiting = list(direct[superior])
        while waiting:
            name = waiting.pop()
            if name not in below:
                below.add(name)
                waiting += direct.get(name, ())
        found[superior] = frozenset(below - {superior})
    return found


def faults_of(managers: Mapping[str, Any]) -> ReportingLines:
    """Return who reports in a circle, and who to somebody that is no account manager, by name or else by id."""
    above: dict[str, str | None] = {
        name: row.reports_to_id if row.reports_to_id in managers and row.reports_to_id != name else None
        for name, row in managers.items()
    }
    circular = set()
    for name in above:
        passed: list[str] = []
        here: str | None = name
        while here is not None and here not in passed and here not in circular:
            passed.append(here)
            here = above[here]
        if here in passed:
            circular |= set(passed[passed.index(here) :])
    unknown = [name for name, row in managers.items() if row.reports_to_id and row.reports_to_id not in managers]
    return ReportingLines(*(tuple(managers[each].name or each for each in sorted(ids)) for ids in (circular, unknown)))


def read_below(
    connection: Connection,
    day: PublishedDay,
    moved: Sequence[Moved],
    mixes: tuple[TierMix, ...],
    managers: Mapping[str, Any],
    owed: Sequence[Any],
) -> DayBelow:
    """Return what overviews need of a published day; `owed`: the rows of overdue follow-ups and accounts over."""
    policy, key = day.policy, day.key
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    money: dict[tuple[str, str], Decimal] = {}
    by_manager: dict[str, list[Moved]] = defaultdict(list)

    def place(row: Any) -> tuple[str, str]:
        """Whose it is, and in which region: the manager's, else the customer's own."""
        manager = managers.get(row.account_manager_id)
        return row.account_manager_id or NOBODY, (manager and manager.region) or row.region or NOBODY

    measured_run = {"measured_run_id": day.measured["measured_run_id"]}
    for row in run(connection, "warehouse/read_roll_up.sql", {**key, **measured_run}):
        counts[place(row)]["customers"] += int(row.customers)
    for each in moved:
        where, value = place(each), each.mover.value
        by_manager[where[0]].append(each)
        counts[where][each.mover.direction] += 1
        if value is not None and value.is_finite():
            money[where] = money.get(where, Decimal(0)) + value
    for row in owed:
        if row.policy_id == policy.id:
            counts[place(row)]["overdue"] += int(row.overdue)
            counts[place(row)]["over"] += int(row.over_limit)
    tallies: dict[str, dict[str, Tally]] = defaultdict(dict)
    for (manager_id, region), found in counts.items():
        tallies[manager_id][region] = Tally(
            manager_id,
            manager_id,
            **dict(found),
            at_stake=money.get((manager_id, region)),
            reports_to="",
        )
    pairs = {
        (row.from_tier, row.to_tier): int(row.customers) for row in run(connection, "warehouse/read_migration.sql", key)
    }
    before = run(connection, "warehouse/read_published_day_before.sql", key).first()
    migration = Migration(
        policy_id=policy.id,
        title=localized(policy.title),
        before_on=before.as_of if before else day.as_of,
        as_of=day.as_of,
        tiers=tiers_of(policy, {tier for pair in pairs for tier in pair if tier}),
        customers=pairs,
    )
    return DayBelow(policy, day.as_of, by_manager, tallies, mixes, migration)


def _total(tallies: Iterable[Tally], key: str, name: str, reports_to: str = "") -> Tally:
    """Add up; the value at stake is None where it is None of all."""
    found = list(tallies)
    money = [tally.at_stake for tally in found if tally.at_stake is not None]
    counted = ("customers", "up", "down", "new", "left", "overdue", "over")
    counts = {field: sum(getattr(tally, field) for tally in found) for field in counted}
    return Tally(key, name, **counts, at_stake=sum(money, Decimal(0)) if money else None, reports_to=reports_to)


def _roll_up(day: DayBelow, members: Collection[str], managers: Mapping[str, Any]) -> RollUp:
    of_managers, by_region = [], defaultdict(list)
    for manager_id in members:
        found = day.tallies.get(manager_id, {})
        if found:
            name, superior = _name(managers, manager_id), getattr(managers.get(manager_id), "reports_to_id", None)
            of_managers.append(_total(found.values(), manager_id, name, _name(managers, superior or NOBODY)))
        for region, tally in found.items():
            by_region[region].append(tally)
    return RollUp(
        policy_id=day.policy.id,
        title=localized(day.policy.title),
        as_of=day.as_of,
        managers=tuple(sorted(of_managers, key=by_tally)),
        regions=tuple(sorted((_total(found, name, name) for name, found in by_region.items()), key=by_tally)),
        whole=_total(of_managers, NOBODY, NOBODY),
    )


def _name(managers: Mapping[str, Any], manager_id: str) -> str:
    manager = managers.get(manager_id)
    return (manager.name if manager else None) or manager_id


def superior_digests(
    days: Sequence[DayBelow], recipients: Recipients, currency: str, only: Collection[str | None] | None = None
) -> Iterator[Digest]:
    """Yield what every superior with an address is told of the customers of those below, and of no others.

    `only`: the account managers of whom one must be below.
    """
    managers = recipients.managers
    below = find_below({name: row.reports_to_id for name, row in managers.items()})
    for superior in sorted(below):
        recipient = recipients.addresses.get(superior)
        if not recipient or (only is not None and not below[superior].intersection(only)):
            continue
        members = sorted(below[superior])
        falls = [
            Fall(day.policy.id, localized(day.policy.title), _name(managers, manager_id), each.mover)
            for day in days
            for manager_id in members
            for each in day.moved.get(manager_id, ())
            if each.mover.direction == "down"
        ]
        falls.sort(key=lambda fall: (*by_money_at_stake(fall.mover), fall.policy_id))
        roll_ups = [_roll_up(day, members, managers) for day in days]
        if not any(roll_up.managers for roll_up in roll_ups):
            continue
        yield Digest(
            manager_id=superior,
            manager_name=managers[superior].name or "",
            recipient=recipient,
            locale=managers[superior].locale or "en",
            currency=currency,
            sections=tuple(
                PolicySection(day.policy.id, localized(day.policy.title), day.as_of, (), _movers(day, members), {})
                for day, roll_up in zip(days, roll_ups, strict=True)
                if roll_up.managers
            ),
            quarantined=(),
            kind="superior",
            roll_ups=tuple(roll_up for roll_up in roll_ups if roll_up.managers),
            falls=tuple(falls[:LARGEST_FALLS]),
        )


def _movers(day: DayBelow, members: Iterable[str]) -> tuple[Mover, ...]:
    return tuple(each.mover for manager_id in members for each in day.moved.get(manager_id, ()))


def general_digest(
    connection: Connection,
    days: Sequence[DayBelow],
    managers: Mapping[str, Any],
    evaluations: Sequence[Any],
    *,
    address: str,
    locale: str,
    currency: str,
) -> Digest:
    """Return what the general manager is told over all customers; `evaluations` are the rows of those to be told.

    Credit, receivables, refused rows and customers without a manager are left to be filled in.
    """
    policies = {
        row.policy_id: (row.policy_version, parse_policy(row.policy_text, f"{row.policy_id} as it ran"))
        for row in run(connection, "warehouse/read_policies_in_force.sql")
    }
    return Digest(
        manager_id=GENERAL,
        manager_name="",
        recipient=address,
        locale=locale,
        currency=currency,
        sections=tuple(_overall(day) for day in days),
        quarantined=(),
        kind="general",
        migrations=tuple(day.migration for day in days if _has_before(day)),
        roll_ups=tuple(_roll_up(day, sorted(day.tallies), managers) for day in days),
        service_levels=tuple(_service_levels(connection, {name: policy for name, (_, policy) in policies.items()})),
        evaluations=tuple(
            _evaluation(connection, row, *policies[row.policy_id]) for row in evaluations if row.policy_id in policies
        ),
        reporting_lines=faults_of(managers),
    )


def without_names(section: CreditSection) -> CreditSection:
    """Return what a run decided of credit without single accounts."""
    return replace(section, changes=())


def _has_before(day: DayBelow) -> bool:
    return any(before for before, _ in day.migration.customers)


def _overall(day: DayBelow) -> PolicySection:
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for (from_tier, to_tier), customers in day.migration.customers.items():
        if from_tier:
            before[from_tier] += customers
        if to_tier:
            after[to_tier] += customers
    policy = day.policy
    return PolicySection(
        policy_id=policy.id,
        title=localized(policy.title),
        as_of=day.as_of,
        tiers=tuple(
            TierCount(
                tier,
                policy.rank_of(tier),
                _title_of(policy, tier),
                after[tier],
                before[tier] if _has_before(day) else None,
            )
            for tier in policy.tiers
        ),
        movers=_movers(day, sorted(day.moved)),
        actions={},
        mixes=day.mixes,
    )


def _title_of(policy: Policy, tier: str) -> Titles:
    return localized(policy.tier_titles.get(tier, {}))


def _service_levels(connection: Connection, policies: Mapping[str, Policy]) -> Iterator[ServiceLevel]:
    """Yield the levels of the two latest months, tiers from the best; those of a policy that is not published go."""
    rows = [row for row in run(connection, "warehouse/read_latest_service_levels.sql") if row.policy_id in policies]

    def rank(row: Any) -> int:
        tiers = policies[row.policy_id].tiers
        return tiers.index(row.tier) if row.tier in tiers else len(tiers)

    for row in sorted(rows, key=lambda row: (row.policy_id, rank(row), row.tier, row.target, row.period_start)):
        policy = policies[row.policy_id]
        yield ServiceLevel(
            policy_id=row.policy_id,
            title=localized(policy.title),
            tier=row.tier,
            tier_title=_title_of(policy, row.tier),
            target=row.target,
            within=int(row.within),
            promised=row.target_share,
            attained=row.attained_share,
            events=int(row.events),
            period_start=row.period_start,
            period_end=row.period_end,
        )


def _evaluation(connection: Connection, row: Any, version: str, policy: Policy) -> Evaluation:
    key = {"policy_id": row.policy_id, "policy_version": version}
    effects = run(connection, "warehouse/read_tier_effect.sql", {**key, "as_of": row.as_of}) if row.as_of else ()
    figures = run(connection, "warehouse/read_policy_evaluation.sql", {**key, "year": row.year})
    return Evaluation(
        policy_id=row.policy_id,
        title=localized(policy.title),
        year=int(row.year),
        as_of=row.as_of,
        effects=tuple(
            TierEffect(
                tier=effect.tier,
                title=_title_of(policy, effect.tier),
                measure=effect.measure,
                customers=int(effect.customers),
                before=effect.before,
                after=effect.after,
                change_rate=effect.change_rate,
            )
            for effect in effects
        ),
        figures=tuple((found.figure, found.tier, found.value) for found in figures),
    )


def read_ageing(connection: Connection, owner: Owner) -> tuple[dict[str, tuple[Ageing, ...]], tuple[Ageing, ...]]:
    """Return what is open on the latest day by age: told to each owner, and over all accounts; by currency."""
    rows = run(connection, "warehouse/read_ageing.sql").all()
    by_owner: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_owner[owner(row.account_manager_id)].append(row)
    return {name: _ageing(found) for name, found in by_owner.items()}, _ageing(rows)


def _ageing(rows: Sequence[Any]) -> tuple[Ageing, ...]:
    by_currency: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_currency[row.currency].append(row)
    found = []
    for currency in sorted(by_currency):
        of_currency = by_currency[currency]
        buckets = tuple(
            (name, sum((getattr(row, f"ageing_{name}") for row in of_currency), Decimal(0))) for name in BUCKETS
        )
        disputed = sum((row.disputed_amount for row in of_currency), Decimal(0))
        if disputed or any(amount for _, amount in buckets):
            found.append(Ageing(of_currency[0].as_of, currency, buckets, disputed))
    return tuple(found)
