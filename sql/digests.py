"""Digests: news that no mail has told yet, told to every account manager, as mails in the outbox."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from sqlalchemy import Connection

from reports import Digest, build_message, digest_is_quiet, message_id, render_digest
from sql.care_report import begin_of_week, mark_reminded, read_overdue_managers
from sql.connect import Database, connected
from sql.credit_report import mark_told, read_over
from sql.facts import lock
from sql.news import STALE_AFTER_DAYS, News, Terms, gather, read_key_fields, told_after
from sql.statements import run


@dataclass(frozen=True)
class Written:
    """What became of the digests: mails written, managers with nothing to say, mails without an address.

    `corrections` of the mails correct what was told before. `digest_id` is that of the news, or of the corrections.
    """

    digest_id: str | None
    mails: int
    quiet: int
    without_address: int
    corrections: int = 0


@dataclass(frozen=True)
class _Envelope:
    """What the mails of one digest share besides what they say."""

    digest_id: str
    domain: str
    sender: str
    now: datetime
    week_on: date | None


def write_digests(
    warehouse: Database,
    *,
    currency: str,
    domain: str,
    sender: str,
    fallback_address: str,
    credit_controller: str = "",
    credit_controller_locale: str = "en",
    general_manager: str = "",
    general_manager_locale: str = "en",
    today: datetime | None = None,
    stale_after_days: int = STALE_AFTER_DAYS,
    follow_ups_on: int | None = None,
    timezone: tzinfo = UTC,
) -> Written:
    """Write one mail per account manager over all policies published and key fields changed since the last digest.

    Tiers that will go down are told with it, once, and again when the tier or the day to come has changed; so are
    accounts over a credit limit, again when they are over after a break. `credit_controller` is an address that gets
    one mail over all accounts of what runs decided of credit and of who is over; `general_manager` one that gets a
    page over everything, with the evaluations of years that no mail has told. Superiors read one mail over the
    customers of those below.
    Days that are told as a correction have mails of their own. Account managers with overdue follow-ups are told once
    a week, from the weekday `follow_ups_on` (0: Monday, in `timezone`; None: never) on, by a mail of its own where
    there is no news.
    One transaction: the runs, changes, notices and accounts are marked as told together with the mails. Nothing
    published or changed, nothing written. A change of owner is told to both. Customers whose manager is missing or has
    no address go to the fallback and are counted; a manager sees only customers of their own.
    """
    now = today or datetime.now(UTC)
    terms = Terms(
        currency,
        fallback_address,
        credit_controller,
        credit_controller_locale,
        stale_after_days,
        general_manager,
        general_manager_locale,
    )
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, "digests")
        digest_id = None
        quiet = without_address = mails = corrections = 0
        week_on = begin_of_week(follow_ups_on, now.astimezone(timezone).date())
        for news in _read_untold(connection, terms, week_on):
            envelope = _Envelope(_digest_id(news, week_on), domain, sender or f"tiering@{domain}", now, week_on)
            digest_id = digest_id or envelope.digest_id
            for digest in gather(connection, news, terms, now.date()):
                if digest_is_quiet(digest) and not digest.is_correction:
                    quiet += 1
                    continue
                mails += 1
                corrections += digest.is_correction
                without_address += not digest.recipient
                _write_mail(connection, digest, envelope)
            _mark_told(connection, news, envelope)
        return Written(digest_id, mails, quiet, without_address, corrections)


def _read_untold(connection: Connection, terms: Terms, week_on: date | None) -> list[News]:
    """Return what no mail has told yet, news and corrections; forget what is no longer so, and what is too old."""
    runs = run(connection, "warehouse/read_unreported_runs.sql").all()
    old = told_after(connection)
    if old is not None:
        run(connection, "warehouse/mark_old_key_fields.sql", {"told_after": old})
    run(connection, "warehouse/delete_told_notices.sql")
    run(connection, "warehouse/delete_told_exposures.sql")
    changes = read_key_fields(connection, with_told=False)
    notices = run(connection, "warehouse/read_notices_to_tell.sql", {"with_told": False}).all()
    over = read_over(connection)
    evaluations = _read_evaluations(connection, terms)
    reminded = read_overdue_managers(connection, week_on)
    news = News([row for row in runs if not row.is_correction], changes, notices, over, evaluations, reminded)
    correction = News([row for row in runs if row.is_correction], over=over, is_correction=True)
    has_news = news.runs or changes or notices or _newly_over(news) or evaluations or reminded
    return [*([news] if has_news else []), *([correction] if correction.runs else [])]


def _read_evaluations(connection: Connection, terms: Terms) -> Sequence[Any]:
    """Return the evaluations that are to be told; without a general manager none is, now or later."""
    rows = run(connection, "warehouse/read_evaluations_to_tell.sql", {"with_told": False}).all()
    if terms.general_manager:
        return rows
    _mark_evaluations(connection, rows, "none")
    return ()


def _mark_evaluations(connection: Connection, rows: Sequence[Any], digest_id: str) -> None:
    if rows:
        run(connection, "warehouse/insert_told_evaluation.sql", _named(rows, ("policy_id", "year"), digest_id))


def _newly_over(news: News) -> list[Any]:
    return [row for row in news.over if not row.is_told]


def _digest_id(news: News, week_on: date | None) -> str:
    told = [f"{row.customer_id} {row.entity} {row.field} {row.changed_on} {row.recorded_at}" for row in news.changes]
    told += [f"{row.policy_id} {row.customer_id} {row.to_tier} {row.falls_on} {row.as_of}" for row in news.notices]
    told += [
        f"{row.policy_id} {row.customer_id} {row.entity} {row.over_since} {row.account_manager_id}"
        for row in _newly_over(news)
    ]
    told += [f"follow-ups {name} {week_on}" for name in news.reminded]
    told += [f"{row.policy_id} {row.year} evaluation" for row in news.evaluations]
    told = ["correction"] if news.is_correction else told
    content = "\x1f".join([*sorted(row.run_id for row in news.runs), *sorted(told)])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _mark_told(connection: Connection, news: News, envelope: _Envelope) -> None:
    digest_id = envelope.digest_id
    for row in news.runs:
        day = {"policy_id": row.policy_id, "as_of": row.as_of, "is_correction": news.is_correction}
        run(connection, "warehouse/mark_run_reported.sql", {**day, "digest_id": digest_id})
    if news.is_correction:
        return
    if news.changes:
        names: tuple[str, ...] = ("customer_id", "entity", "field", "changed_on")
        run(connection, "warehouse/mark_key_field_told.sql", _named(news.changes, names, digest_id))
    if news.notices:
        names = ("policy_id", "customer_id", "account_manager_id", "tier", "to_tier", "falls_on")
        run(connection, "warehouse/insert_told_notice.sql", _named(news.notices, names, digest_id))
    mark_told(connection, _newly_over(news), digest_id)
    mark_reminded(connection, news.reminded, envelope.week_on, digest_id)
    _mark_evaluations(connection, news.evaluations, digest_id)


def _named(rows: Sequence[Any], names: Sequence[str], digest_id: str) -> list[dict[str, Any]]:
    return [{**{name: getattr(row, name) for name in names}, "digest_id": digest_id} for row in rows]


def _write_mail(connection: Connection, digest: Digest, envelope: _Envelope) -> None:
    identity = message_id(envelope.digest_id, digest.manager_id, digest.kind, domain=envelope.domain)
    rendered = render_digest(digest)
    message = build_message(
        rendered,
        sender=envelope.sender,
        recipient=digest.recipient or f"nobody@{envelope.domain}",
        recipient_name=digest.manager_name,
        message_id=identity,
        run_note=envelope.digest_id,
        date=envelope.now,
    )
    run(
        connection,
        "warehouse/insert_outbox.sql",
        {
            "message_id": identity,
            "digest_id": envelope.digest_id,
            "account_manager_id": digest.manager_id or None,
            "as_of": digest.as_of,
            "recipient": digest.recipient,
            "subject": rendered.subject,
            "message": bytes(message).decode("ascii"),
            "status": "pending" if digest.recipient else "dead",
            "error": None if digest.recipient else "no address; set TIERING_FALLBACK_MANAGER",
            "created_at": envelope.now,
        },
    )
