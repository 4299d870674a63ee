"""News: what mails say, gathered per account manager over any published days; nothing is written here."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from reports.digest import (
    Care,
    CreditSection,
    Digest,
    Driver,
    KeyFieldChange,
    Mover,
    NearCustomer,
    Notice,
    PolicySection,
    QuarantineCount,
    SourceDay,
    TierCount,
)
from reports.mail import check_recipient
from sql.care_report import as_reminder, read_care, read_near
from sql.credit_report import controller_digest, localized, over_by_manager, read_sections
from sql.facts import facts_batch_no
from sql.key_fields import read_freshness
from sql.overview_report import (
    DayBelow,
    Mixes,
    Moved,
    general_digest,
    read_ageing,
    read_below,
    read_mixes,
    superior_digests,
    without_names,
)
from sql.statements import run
from transforms.changes import POPULATION
from transforms.history import standing_of
from transforms.pace import kept_by
from transforms.policy import Policy, parse_policy

FALLBACK = ""
"""Stands for the fallback manager where an account manager is missing, unknown or without an address."""

KEY_FIELDS_TOLD_DAYS = 31
"""A change of a key field that was found later than this after its day is old news, and told to nobody."""

STALE_AFTER_DAYS = 7
"""An entity that was loaded through a day longer ago is named in the mail."""


@dataclass(frozen=True)
class Terms:
    """What an installation decides of mails.

    `fallback_address` is told of customers without a manager; `credit_controller` of credit over all accounts, and
    `general_manager` of everything on one page; empty: nobody is. Sources older than `stale_after_days` are named.
    """

    currency: str
    fallback_address: str = ""
    credit_controller: str = ""
    stale_after_days: int = STALE_AFTER_DAYS
    general_manager: str = ""
    general_manager_locale: str = "en"


@dataclass(frozen=True)
class News:
    """What is to be said: rows of published days, changed key fields, tiers to come, accounts over, evaluations.

    Accounts over a limit that are `is_told` are left out, unless `is_whole`: then a day says all that it has to say,
    whether it was told or not. `since`: refused rows are counted that came after the last digest before this instant.
    `reminded`: the account managers (None: nobody's) who are to be told of overdue follow-ups, news or not.
    """

    runs: Sequence[Any] = ()
    changes: Sequence[Any] = ()
    notices: Sequence[Any] = ()
    over: Sequence[Any] = ()
    evaluations: Sequence[Any] = ()
    reminded: Sequence[str | None] = ()
    is_correction: bool = False
    is_whole: bool = False
    since: datetime | None = None


def read_key_fields(connection: Connection, *, with_told: bool) -> Sequence[Any]:
    """Return the changes of key fields that are recent enough to be told, those that were told only `with_told`."""
    recent = told_after(connection)
    if recent is None:
        return ()
    key = {"told_after": recent, "with_told": with_told}
    return run(connection, "warehouse/read_changed_key_fields.sql", key).all()


def told_after(connection: Connection) -> date | None:
    """Return the last day whose changes of key fields are old news; None before the first load."""
    last_day = run(connection, "warehouse/read_last_day_loaded.sql").scalar_one()
    return None if last_day is None else last_day - timedelta(days=KEY_FIELDS_TOLD_DAYS)


def gather(connection: Connection, news: News, terms: Terms, today: date) -> Iterator[Digest]:
    """Return one digest per account manager who is concerned, the credit controller's first, those without news too.

    A manager is told of customers of their own; a change of owner is told to both. What a manager has to do comes with
    the news; who is reminded and has no news is told of that alone. Then come those of superiors, over the customers
    of those below, and the general manager's, over all. A correction goes to the managers whose customers it moves or
    no longer moves, to those above them, and to managers with credit limits that moved.
    """
    sources = tuple(
        SourceDay(name, fresh.through_on, fresh.days_old > terms.stale_after_days)
        for name, fresh in read_freshness(connection, today).items()
    )
    managers = {row.account_manager_id: row for row in run(connection, "warehouse/read_managers_of_mail.sql")}
    addresses = {name: _address(row.email) for name, row in managers.items()}

    def owner(account_manager_id: str | None) -> str:
        return account_manager_id if account_manager_id and addresses.get(account_manager_id) else FALLBACK

    sections: dict[str, list[PolicySection]] = defaultdict(list)
    credit: dict[str, list[CreditSection]] = defaultdict(list)
    decided: list[CreditSection] = []
    customers: dict[str, set[str]] = defaultdict(set)
    near: dict[str, list[NearCustomer]] = defaultdict(list)
    of_nobody: set[str] = set()
    has_run = any(row.revision > 0 for row in news.runs)
    is_read_above = bool(terms.general_manager) or any(row.reports_to_id for row in managers.values())
    owed = run(connection, "warehouse/read_overdue_and_over.sql").all() if news.runs and is_read_above else []
    below: list[DayBelow] = []
    for row in news.runs:
        policy = parse_policy(row.policy_text, f"{row.policy_id} as it ran")
        measured = _measured_by(connection, row)
        is_whole = news.is_whole or news.is_correction
        moved = _read_moved(connection, policy, row, measured, is_whole)
        mixes = read_mixes(connection, policy, measured, row.as_of, owner)
        for manager_id, section in _sections_of_run(connection, policy, row, measured, owner, moved, mixes).items():
            sections[manager_id].append(section)
        if is_read_above:
            below.append(read_below(connection, policy, measured, row.as_of, moved, mixes, managers, owed))
        if policy.credit is not None:
            overall, of_managers = read_sections(connection, policy, row, owner)
            decided += [overall] if overall else []
            for manager_id, said in of_managers.items():
                credit[manager_id].append(said)
        if not news.is_correction:
            for manager_id, lines in read_near(connection, policy, measured, owner).items():
                near[manager_id] += lines
        for owned in run(connection, "warehouse/read_owned_customers.sql", {"run_id": measured["measured_run_id"]}):
            customers[owner(owned.account_manager_id)].add(owned.customer_id)
            if owned.account_manager_id not in managers:
                of_nobody.add(owned.customer_id)
    quarantined = {} if news.is_correction else _quarantined_by_manager(connection, news, owner)
    key_fields = _key_fields_by_manager(news.changes, owner)
    coming = _notices_by_manager(news.notices, owner)
    ageing, all_ageing = read_ageing(connection, owner)
    corrected = {name for row in news.runs for name in _corrected(connection, row)} if news.is_correction else None
    care = {} if news.is_correction else read_care(connection, owner)
    reminded = {owner(name) for name in news.reminded}
    concerned = {*sections, *quarantined, *key_fields, *coming, *credit, *reminded}
    over = {} if news.is_correction else over_by_manager(connection, news.over, owner, with_told=news.is_whole)
    if corrected is not None:
        concerned = {owner(name) for name in corrected}
        concerned |= {name for name, said in credit.items() if any(section.is_news for section in said)}
    is_newly_over = any(news.is_whole or not row.is_known for row in news.over) and not news.is_correction
    if terms.credit_controller and (decided or is_newly_over):
        controllers = controller_digest(connection, decided, news.over, terms.credit_controller, terms.currency)
        yield replace(controllers, is_correction=news.is_correction, ageing=all_ageing)
    for manager_id in sorted({*concerned, *over}):
        manager = managers.get(manager_id)
        to_do = care.get(manager_id, Care())
        digest = Digest(
            manager_id=manager_id,
            manager_name=manager.name if manager else "",
            recipient=addresses.get(manager_id) or terms.fallback_address if manager_id else terms.fallback_address,
            locale=(manager.locale if manager else None) or "en",
            currency=terms.currency,
            sections=tuple(sections[manager_id]),
            quarantined=tuple(
                QuarantineCount(entity, rule, rows)
                for (entity, rule), rows in sorted(quarantined.get(manager_id, {}).items())
            ),
            unassigned_customers=len(customers[FALLBACK]) if manager_id == FALLBACK and has_run else 0,
            is_correction=news.is_correction,
            customers=len(customers[manager_id]) if news.runs else None,
            key_fields=tuple(key_fields.get(manager_id, ())),
            sources=sources,
            notices=tuple(coming.get(manager_id, ())),
            credit=tuple(credit.get(manager_id, ())),
            over=tuple(over.get(manager_id, ())),
            ageing=ageing.get(manager_id, ()),
            care=replace(to_do, near=tuple(near[manager_id]), is_reminder=manager_id in reminded),
        )
        yield as_reminder(digest) if digest.is_reminder_alone else digest
    for of_superior in superior_digests(below, managers, addresses, terms.currency, corrected):
        yield replace(of_superior, is_correction=news.is_correction)
    if terms.general_manager and (corrected is None or corrected or decided):
        refused = Counter[tuple[str, str]]()
        for found in quarantined.values():
            refused.update(found)
        yield replace(
            general_digest(
                connection,
                below,
                managers,
                news.evaluations,
                address=terms.general_manager,
                locale=terms.general_manager_locale,
                currency=terms.currency,
            ),
            quarantined=tuple(QuarantineCount(*rule, rows) for rule, rows in sorted(refused.items())),
            unassigned_customers=len(of_nobody),
            is_correction=news.is_correction,
            customers=len(set().union(*customers.values())) if news.runs else None,
            sources=sources,
            credit=tuple(without_names(section) for section in decided),
            ageing=all_ageing,
        )


def _corrected(connection: Connection, row: Any) -> list[str | None]:
    key = {"policy_id": row.policy_id, "as_of": row.as_of}
    return list(run(connection, "warehouse/read_corrected_managers.sql", key).scalars())


def _quarantined_by_manager(connection: Connection, news: News, owner: Any) -> dict[str, dict[tuple[str, str], int]]:
    found: dict[str, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    key = {"newest_batch_no": facts_batch_no(connection), "published_before": news.since}
    for row in run(connection, "warehouse/read_quarantined_by_manager.sql", key):
        found[owner(row.account_manager_id)][row.entity, row.rule] += int(row.refused_rows)
    return found


def _address(email: str | None) -> str | None:
    try:
        return check_recipient(email or "")
    except ValueError:
        return None


def _read_moved(
    connection: Connection, policy: Policy, row: Any, measured: Mapping[str, Any], is_whole: bool
) -> list[Moved]:
    value = {
        "policy_id": row.policy_id,
        "as_of": row.as_of,
        "is_whole": is_whole,
        "measured_on": measured["measured_on"],
        "revision": measured["revision"],
        "value": policy.value or "",
    }
    return [
        Moved(moved.account_manager_id, moved.region, _mover(policy, moved))
        for moved in run(connection, "warehouse/read_movers.sql", value)
    ]


def _sections_of_run(
    connection: Connection,
    policy: Policy,
    row: Any,
    measured: Mapping[str, Any],
    owner: Any,
    moved: Sequence[Moved],
    mixes: Mixes,
) -> dict[str, PolicySection]:
    key = {"measured_run_id": measured["measured_run_id"], "policy_id": row.policy_id, "as_of": row.as_of}
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
            as_of=row.as_of,
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


def _key_fields_by_manager(changes: Sequence[Any], owner: Any) -> dict[str, list[KeyFieldChange]]:
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


def _notices_by_manager(rows: Sequence[Any], owner: Any) -> dict[str, list[Notice]]:
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


def _measured_by(connection: Connection, row: Any) -> dict[str, Any]:
    """Return the run that measured what a published day tells: on a day of people's decisions, the run before."""
    if row.revision == 0:
        key = {"policy_id": row.policy_id, "as_of": row.as_of}
        row = run(connection, "warehouse/read_published_day_before.sql", key).one()
    return {"measured_run_id": row.run_id, "measured_on": row.as_of, "revision": row.revision}


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
