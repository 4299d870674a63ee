"""Tiers in the mails: movers, tiers over time and to come, changed key facts, refused rows, per account manager."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from reports.digest import Driver, KeyFieldChange, Mover, Notice, PolicySection, QuarantineCount, TierCount, TierMix
from sql.credit_report import localized
from sql.facts import facts_batch_no
from sql.recipients import Owner
from sql.statements import run
from transforms.changes import POPULATION
from transforms.history import standing_of
from transforms.pace import kept_by
from transforms.policy import Policy, parse_policy

MIX_DAYS = 12
"""Published days over which tiers are shown, the latest included."""


@dataclass(frozen=True)
class PublishedDay:
    """A published day as its policy ran, and the run that measured it: on a day of people's decisions, the one before.

    `measured` names that run, its day and its revision as statements ask for them.
    """

    policy: Policy
    row: Any
    measured: Mapping[str, Any]

    @property
    def as_of(self) -> date:
        """The day."""
        return self.row.as_of  # type: ignore[no-any-return]

    @property
    def key(self) -> dict[str, Any]:
        """The policy and the day as statements ask for them."""
        return {"policy_id": self.row.policy_id, "as_of": self.row.as_of}


@dataclass(frozen=True)
class Moved:
    """A mover with the account manager and the region that the tables say, whoever is told of it."""

    account_manager_id: str | None
    region: str | None
    mover: Mover


@dataclass(frozen=True)
class Mixes:
    """Customers per tier on the last published days: told to each owner, and over all customers."""

    by_owner: Mapping[str, tuple[TierMix, ...]]
    overall: tuple[TierMix, ...]


def read_day(connection: Connection, row: Any) -> PublishedDay:
    """Return the published day of a run."""
    policy = parse_policy(row.policy_text, f"{row.policy_id} as it ran")
    by = row
    if row.revision == 0:
        key = {"policy_id": row.policy_id, "as_of": row.as_of}
        by = run(connection, "warehouse/read_published_day_before.sql", key).one()
    measured = {"measured_run_id": by.run_id, "measured_on": by.as_of, "revision": by.revision}
    return PublishedDay(policy, row, measured)


def read_moved(connection: Connection, day: PublishedDay, *, is_whole: bool) -> list[Moved]:
    """Return the movers of a day that no mail has told, or all `is_whole`."""
    measured_run = {name: day.measured[name] for name in ("measured_on", "revision")}
    key = {**day.key, **measured_run, "is_whole": is_whole, "value": day.policy.value or ""}
    return [
        Moved(row.account_manager_id, row.region, _mover(day.policy, row))
        for row in run(connection, "warehouse/read_movers.sql", key)
    ]


def read_tier_sections(
    connection: Connection, day: PublishedDay, owner: Owner, moved: Sequence[Moved], mixes: Mixes
) -> dict[str, PolicySection]:
    """Return what a day says of every manager's customers."""
    policy = day.policy
    key = {**day.key, "measured_run_id": day.measured["measured_run_id"]}
    mix: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for count in run(connection, "warehouse/read_tier_mix.sql", key):
        entry = mix[owner(count.account_manager_id)][count.tier]
        entry[0] += int(count.customers)
        entry[1] += int(count.customers_before)
    movers: dict[str, list[Mover]] = defaultdict(list)
    for each in moved:
        movers[owner(each.account_manager_id)].append(each.mover)
    is_first = not any(before for tiers in mix.values() for _, before in tiers.values())
    sections = {}
    for manager_id in {*mix, *movers}:
        tiers = mix[manager_id]
        sections[manager_id] = PolicySection(
            policy_id=policy.id,
            title=localized(policy.title),
            as_of=day.as_of,
            tiers=tuple(
                TierCount(
                    tier,
                    policy.rank_of(tier),
                    localized(policy.tier_titles.get(tier, {})),
                    tiers[tier][0],
                    None if is_first else tiers[tier][1],
                )
                for tier in policy.tiers
            ),
            movers=tuple(movers[manager_id]),
            actions={tier: localized(text) for tier, text in policy.actions.items()},
            mixes=mixes.by_owner.get(manager_id, ()),
        )
    return sections


def key_fields_by_manager(changes: Sequence[Any], owner: Owner) -> dict[str, list[KeyFieldChange]]:
    """Return changed key facts of every manager's customers; a change of owner is told to both."""
    found: dict[str, list[KeyFieldChange]] = defaultdict(list)
    for row in changes:
        change = KeyFieldChange(
            customer_id=row.customer_id,
            customer_name=row.customer_name or row.customer_id,
            field=row.field,
            before=row.before,
            after=row.after,
            changed_on=row.changed_on,
            entity=row.entity,
            batch=row.batch_id,
            extracted_on=row.extracted_at.date() if row.extracted_at else None,
            assessed_by=row.assessed_by,
        )
        told = {owner(row.account_manager_id)}
        if row.field == "account_manager_id":
            told |= {owner(name) for name in (row.before, row.after) if name}
        for manager_id in told:
            found[manager_id].append(change)
    return found


def notices_by_manager(rows: Sequence[Any], owner: Owner) -> dict[str, list[Notice]]:
    """Return the tiers to come of every manager's customers."""
    found: dict[str, list[Notice]] = defaultdict(list)
    policies: dict[tuple[str, str], Policy] = {}
    for row in rows:
        version = row.policy_id, row.policy_version
        if version not in policies:
            policies[version] = parse_policy(row.policy_text, f"{row.policy_id} as it ran")
        policy, standing = policies[version], standing_of(row._mapping)
        found[owner(row.account_manager_id)].append(
            Notice(
                policy_id=policy.id,
                title=localized(policy.title),
                customer_id=row.customer_id,
                customer_name=row.customer_name or row.customer_id,
                tier=row.tier,
                to_tier=row.to_tier,
                falls_on=row.falls_on,
                found_since=row.found_since,
                kept_by=tuple(kept_by(policy, standing, row.as_of)),
            )
        )
    return found


def _mover(policy: Policy, row: Any) -> Mover:
    drivers = []
    for driver in json.loads(row.drivers):
        name = driver["indicator"]
        if name == POPULATION:
            continue  # new and left customers are listed as such
        unit = policy.indicators[name].unit or "text"
        drivers.append(Driver.from_texts(name, policy.title_of(name), unit, driver["before"], driver["after"]))
    return Mover(
        customer_id=row.customer_id,
        customer_name=row.customer_name or row.customer_id,
        from_tier=row.from_tier,
        to_tier=row.to_tier,
        direction=row.direction,
        cause=row.cause,
        drivers=tuple(drivers),
        value=row.value,
        status=row.status,
        computed_tier=row.computed_tier,
    )


def read_mixes(connection: Connection, day: PublishedDay, owner: Owner) -> Mixes:
    """Return the tiers over the last published days up to one, the owners of that day on every day."""
    policy = day.policy
    key = {**day.key, "measured_run_id": day.measured["measured_run_id"], "days": MIX_DAYS}
    overall: dict[date, Counter[str]] = defaultdict(Counter)
    by_owner: dict[str, dict[date, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for row in run(connection, "warehouse/read_tier_mixes.sql", key):
        overall[row.as_of][row.tier] += int(row.customers)
        if row.is_owned:
            by_owner[owner(row.account_manager_id)][row.as_of][row.tier] += int(row.customers)
    days = sorted(overall)
    return Mixes(
        {name: tuple(_mix(policy, each, found[each]) for each in days) for name, found in by_owner.items()},
        tuple(_mix(policy, each, overall[each]) for each in days),
    )


def _mix(policy: Policy, day: date, customers: Counter[str]) -> TierMix:
    return TierMix(day, tuple((tier, customers[tier]) for tier in tiers_of(policy, customers)))


def tiers_of(policy: Policy, known: Iterable[str]) -> tuple[str, ...]:
    """Return the tiers of a policy from the best, then those that an earlier version had."""
    return (*policy.tiers, *sorted(set(known) - set(policy.tiers)))


def quarantined_by_manager(
    connection: Connection, since: datetime | None, owner: Owner
) -> dict[str, Counter[tuple[str, str]]]:
    """Return the rows of every manager's customers, by entity and rule, that were refused since the last digest.

    `since`: since the last digest before that instant.
    """
    found: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    key = {"newest_batch_no": facts_batch_no(connection), "published_before": since}
    for row in run(connection, "warehouse/read_quarantined_by_manager.sql", key):
        found[owner(row.account_manager_id)][row.entity, row.rule] += int(row.refused_rows)
    return found


def as_counts(refused: Mapping[tuple[str, str], int]) -> tuple[QuarantineCount, ...]:
    """Return refused rows as a digest has them."""
    return tuple(QuarantineCount(entity, rule, rows) for (entity, rule), rows in sorted(refused.items()))
