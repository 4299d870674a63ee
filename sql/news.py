"""News: what mails say, gathered per account manager over any published days; nothing is written here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from reports.digest import Care, CreditSection, Digest, NearCustomer, PolicySection, SourceDay
from sql.care_report import as_reminder, read_care, read_near
from sql.credit_report import controller_digest, over_by_manager, read_sections
from sql.key_fields import read_freshness
from sql.overview_report import DayBelow, general_digest, read_ageing, read_below, superior_digests, without_names
from sql.recipients import FALLBACK, Recipients, read_recipients
from sql.statements import run
from sql.tier_report import (
    PublishedDay,
    as_counts,
    key_fields_by_manager,
    notices_by_manager,
    quarantined_by_manager,
    read_day,
    read_mixes,
    read_moved,
    read_tier_sections,
)

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
    credit_controller_locale: str = "en"
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
    recipients = read_recipients(connection)
    said = _read_days(connection, news, terms, recipients)
    sources = tuple(
        SourceDay(name, fresh.through_on, fresh.days_old > terms.stale_after_days)
        for name, fresh in read_freshness(connection, today).items()
    )
    refused = {} if news.is_correction else quarantined_by_manager(connection, news.since, recipients.owner)
    corrected = {name for row in news.runs for name in _corrected(connection, row)} if news.is_correction else None
    ageing, all_ageing = read_ageing(connection, recipients.owner)

    is_newly_over = any(news.is_whole or not row.is_known for row in news.over) and not news.is_correction
    if terms.credit_controller and (said.decided or is_newly_over):
        digest = controller_digest(
            connection,
            said.decided,
            news.over,
            address=terms.credit_controller,
            locale=terms.credit_controller_locale,
            currency=terms.currency,
        )
        yield replace(digest, is_correction=news.is_correction, ageing=all_ageing)
    for digest in _manager_digests(connection, news, terms, recipients, said, refused, corrected):
        yield replace(digest, sources=sources, ageing=ageing.get(digest.manager_id, ()))
    for digest in superior_digests(said.below, recipients, terms.currency, corrected):
        yield replace(digest, is_correction=news.is_correction)
    if terms.general_manager and (corrected is None or corrected or said.decided):
        digest = general_digest(
            connection,
            said.below,
            recipients.managers,
            news.evaluations,
            address=terms.general_manager,
            locale=terms.general_manager_locale,
            currency=terms.currency,
        )
        yield replace(
            digest,
            quarantined=as_counts(sum(refused.values(), Counter())),
            unassigned_customers=len(said.of_nobody),
            is_correction=news.is_correction,
            customers=len(set().union(*said.customers.values())) if news.runs else None,
            sources=sources,
            credit=tuple(without_names(section) for section in said.decided),
            ageing=all_ageing,
        )


@dataclass(frozen=True)
class _Said:
    """What published days say: by manager told, over all accounts (`decided`), and for overviews (`below`)."""

    sections: dict[str, list[PolicySection]] = field(default_factory=lambda: defaultdict(list))
    credit: dict[str, list[CreditSection]] = field(default_factory=lambda: defaultdict(list))
    near: dict[str, list[NearCustomer]] = field(default_factory=lambda: defaultdict(list))
    customers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    of_nobody: set[str] = field(default_factory=set)
    decided: list[CreditSection] = field(default_factory=list)
    below: list[DayBelow] = field(default_factory=list)


def _read_days(connection: Connection, news: News, terms: Terms, recipients: Recipients) -> _Said:
    said = _Said()
    managers = recipients.managers
    is_read_above = bool(terms.general_manager) or any(row.reports_to_id for row in managers.values())
    owed = run(connection, "warehouse/read_overdue_and_over.sql").all() if news.runs and is_read_above else []
    for row in news.runs:
        day = read_day(connection, row)
        _add_day(connection, said, day, news, recipients)
        moved = read_moved(connection, day, is_whole=news.is_whole or news.is_correction)
        mixes = read_mixes(connection, day, recipients.owner)
        for manager_id, section in read_tier_sections(connection, day, recipients.owner, moved, mixes).items():
            said.sections[manager_id].append(section)
        if is_read_above:
            said.below.append(read_below(connection, day, moved, mixes.overall, managers, owed))
    return said


def _add_day(connection: Connection, said: _Said, day: PublishedDay, news: News, recipients: Recipients) -> None:
    """Add what a day says besides tiers: limits, customers near a line, and whose customers it has."""
    owner = recipients.owner
    if day.policy.credit is not None:
        overall, of_managers = read_sections(connection, day.policy, day.row, owner)
        said.decided.extend([overall] if overall else [])
        for manager_id, section in of_managers.items():
            said.credit[manager_id].append(section)
    if not news.is_correction:
        for manager_id, lines in read_near(connection, day, owner).items():
            said.near[manager_id] += lines
    measured_run = {"run_id": day.measured["measured_run_id"]}
    for owned in run(connection, "warehouse/read_owned_customers.sql", measured_run):
        said.customers[owner(owned.account_manager_id)].add(owned.customer_id)
        if owned.account_manager_id not in recipients.managers:
            said.of_nobody.add(owned.customer_id)


def _manager_digests(
    connection: Connection,
    news: News,
    terms: Terms,
    recipients: Recipients,
    said: _Said,
    refused: Mapping[str, Mapping[tuple[str, str], int]],
    corrected: set[str | None] | None,
) -> Iterator[Digest]:
    """Yield what every account manager is told who is concerned; of a correction: whom it corrects."""
    owner = recipients.owner
    key_fields = key_fields_by_manager(news.changes, owner)
    coming = notices_by_manager(news.notices, owner)
    care = {} if news.is_correction else read_care(connection, owner)
    over = {} if news.is_correction else over_by_manager(connection, news.over, owner, with_told=news.is_whole)
    reminded = {owner(name) for name in news.reminded}
    concerned = {*said.sections, *refused, *key_fields, *coming, *said.credit, *reminded, *over}
    if corrected is not None:
        with_limits = {name for name, found in said.credit.items() if any(section.is_news for section in found)}
        concerned = {owner(name) for name in corrected} | with_limits
    has_run = any(row.revision > 0 for row in news.runs)
    for manager_id in sorted(concerned):
        manager = recipients.managers.get(manager_id)
        to_do = care.get(manager_id, Care())
        digest = Digest(
            manager_id=manager_id,
            manager_name=manager.name if manager else "",
            recipient=recipients.addresses.get(manager_id) or terms.fallback_address,
            locale=(manager.locale if manager else None) or "en",
            currency=terms.currency,
            sections=tuple(said.sections[manager_id]),
            quarantined=as_counts(refused.get(manager_id, {})),
            unassigned_customers=len(said.customers[FALLBACK]) if manager_id == FALLBACK and has_run else 0,
            is_correction=news.is_correction,
            customers=len(said.customers[manager_id]) if news.runs else None,
            key_fields=tuple(key_fields.get(manager_id, ())),
            notices=tuple(coming.get(manager_id, ())),
            credit=tuple(said.credit.get(manager_id, ())),
            over=tuple(over.get(manager_id, ())),
            care=replace(to_do, near=tuple(said.near[manager_id]), is_reminder=manager_id in reminded),
        )
        yield as_reminder(digest) if digest.is_reminder_alone else digest


def _corrected(connection: Connection, row: Any) -> list[str | None]:
    key = {"policy_id": row.policy_id, "as_of": row.as_of}
    return list(run(connection, "warehouse/read_corrected_managers.sql", key).scalars())
