"""Outbox: digests of what was published become mails in one transaction; sending them is a task of its own."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from reports import (
    Digest,
    build_message,
    check_recipient,
    deliver,
    digest_is_quiet,
    message_id,
    render_digest,
)
from reports.digest import (
    Driver,
    KeyFieldChange,
    Mover,
    Notice,
    PolicySection,
    QuarantineCount,
    SourceDay,
    TierCount,
)
from reports.mail import SmtpServer, write_message_files
from sql.connect import Database, connected
from sql.facts import facts_batch_no, lock
from sql.key_fields import read_freshness
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

#: After so many refusals or lost connections a mail is dead, and listed.
MAXIMUM_ATTEMPTS = 10


@dataclass(frozen=True)
class Written:
    """What became of the digests: mails written, managers with nothing to say, mails without an address."""

    digest_id: str | None
    mails: int
    quiet: int
    without_address: int


@dataclass(frozen=True)
class Sent:
    """What became of the outbox: mails by status."""

    counts: dict[str, int]


def write_digests(
    warehouse: Database,
    *,
    currency: str,
    domain: str,
    sender: str,
    fallback_address: str,
    today: datetime | None = None,
    stale_after_days: int = STALE_AFTER_DAYS,
) -> Written:
    """Write one mail per account manager over all policies published and key fields changed since the last digest.

    Tiers that will go down are told with it, once, and again when the tier or the day to come has changed.
    One transaction: the runs, changes and notices are marked as told together with the mails. Nothing published or
    changed, nothing written. A change of owner is told to both. Customers whose manager is missing or has no address
    go to the fallback and are counted; a manager sees only customers of their own.
    """
    now = today or datetime.now(UTC)
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, "digests")
        runs = run(connection, "warehouse/read_unreported_runs.sql").all()
        changes = _read_key_fields(connection)
        run(connection, "warehouse/delete_told_notices.sql")
        notices = run(connection, "warehouse/read_untold_notices.sql").all()
        if not runs and not changes and not notices:
            return Written(None, 0, 0, 0)
        told = [f"{row.customer_id} {row.entity} {row.field} {row.changed_on} {row.recorded_at}" for row in changes]
        told += [f"{row.policy_id} {row.customer_id} {row.to_tier} {row.falls_on} {row.as_of}" for row in notices]
        content = "\x1f".join([*sorted(row.run_id for row in runs), *sorted(told)])
        digest_id = hashlib.sha256(content.encode()).hexdigest()[:32]
        sources = tuple(
            SourceDay(name, fresh.through_on, fresh.days_old > stale_after_days)
            for name, fresh in read_freshness(connection, now.date()).items()
        )
        digests = list(_gather(connection, runs, changes, notices, sources, currency, fallback_address))
        quiet = without_address = mails = 0
        for digest in digests:
            if digest_is_quiet(digest):
                quiet += 1
                continue
            mails += 1
            without_address += not digest.recipient
            _write_mail(connection, digest, digest_id, domain, sender or f"tiering@{domain}", now)
        for row in runs:
            run(connection, "warehouse/mark_run_reported.sql", {"run_id": row.run_id, "digest_id": digest_id})
        if changes:
            run(
                connection,
                "warehouse/mark_key_field_told.sql",
                [
                    {
                        "digest_id": digest_id,
                        "customer_id": row.customer_id,
                        "entity": row.entity,
                        "field": row.field,
                        "changed_on": row.changed_on,
                    }
                    for row in changes
                ],
            )
        if notices:
            names = ("policy_id", "customer_id", "account_manager_id", "tier", "to_tier", "falls_on")
            rows = [{**{name: getattr(row, name) for name in names}, "digest_id": digest_id} for row in notices]
            run(connection, "warehouse/insert_told_notice.sql", rows)
        return Written(digest_id, mails, quiet, without_address)


def _write_mail(
    connection: Connection, digest: Digest, digest_id: str, domain: str, sender: str, now: datetime
) -> None:
    identity = message_id(digest_id, digest.manager_id, "digest", domain=domain)
    rendered = render_digest(digest)
    message = build_message(
        rendered,
        sender=sender,
        recipient=digest.recipient or f"nobody@{domain}",
        recipient_name=digest.manager_name,
        message_id=identity,
        run_note=digest_id,
        date=now,
    )
    run(
        connection,
        "warehouse/insert_outbox.sql",
        {
            "message_id": identity,
            "digest_id": digest_id,
            "account_manager_id": digest.manager_id or None,
            "as_of": max((section.as_of for section in digest.sections), default=None),
            "recipient": digest.recipient,
            "subject": rendered.subject,
            "message": bytes(message).decode("ascii"),
            "status": "pending" if digest.recipient else "dead",
            "error": None if digest.recipient else "no address; set TIERING_FALLBACK_MANAGER",
            "created_at": now,
        },
    )


def _read_key_fields(connection: Connection) -> list[Any]:
    """Return the changes of key fields that are to be told; mark those that came too late."""
    last_day = run(connection, "warehouse/read_last_day_loaded.sql").scalar_one()
    if last_day is None:
        return []
    recent = {"told_after": last_day - timedelta(days=KEY_FIELDS_TOLD_DAYS)}
    run(connection, "warehouse/mark_old_key_fields.sql", recent)
    return list(run(connection, "warehouse/read_untold_key_fields.sql", recent))


def _key_fields_by_manager(changes: list[Any], owner: Any) -> dict[str, list[KeyFieldChange]]:
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
                title=_titles(policy.title),
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


def _gather(
    connection: Connection,
    runs: Any,
    changes: list[Any],
    notices: Sequence[Any],
    sources: tuple[SourceDay, ...],
    currency: str,
    fallback_address: str,
) -> Iterator[Digest]:
    managers = {row.account_manager_id: row for row in run(connection, "warehouse/read_managers_of_mail.sql")}
    addresses = {name: _address(row.email) for name, row in managers.items()}

    def owner(account_manager_id: str | None) -> str:
        return account_manager_id if account_manager_id and addresses.get(account_manager_id) else FALLBACK

    sections: dict[str, list[PolicySection]] = defaultdict(list)
    customers: dict[str, set[str]] = defaultdict(set)
    has_run = any(row.revision > 0 for row in runs)
    for row in runs:
        policy = parse_policy(row.policy_text, f"{row.policy_id} as it ran")
        measured = _measured_by(connection, row)
        for manager_id, section in _sections_of_run(connection, policy, row, measured, owner).items():
            sections[manager_id].append(section)
        for owned in run(connection, "warehouse/read_owned_customers.sql", {"run_id": measured["measured_run_id"]}):
            customers[owner(owned.account_manager_id)].add(owned.customer_id)
    quarantined: dict[str, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    newest = {"newest_batch_no": facts_batch_no(connection)}
    for row in run(connection, "warehouse/read_quarantined_by_manager.sql", newest):
        quarantined[owner(row.account_manager_id)][row.entity, row.rule] += int(row.refused_rows)
    key_fields = _key_fields_by_manager(changes, owner)
    coming = _notices_by_manager(notices, owner)
    for manager_id in sorted({*sections, *quarantined, *key_fields, *coming}):
        manager = managers.get(manager_id)
        yield Digest(
            manager_id=manager_id,
            manager_name=manager.name if manager else "",
            recipient=addresses.get(manager_id) or fallback_address if manager_id else fallback_address,
            locale=(manager.locale if manager else None) or "en",
            currency=currency,
            sections=tuple(sections[manager_id]),
            quarantined=tuple(
                QuarantineCount(entity, rule, rows) for (entity, rule), rows in sorted(quarantined[manager_id].items())
            ),
            unassigned_customers=len(customers[FALLBACK]) if manager_id == FALLBACK and has_run else 0,
            customers=len(customers[manager_id]) if runs else None,
            key_fields=tuple(key_fields.get(manager_id, ())),
            sources=sources,
            notices=tuple(coming.get(manager_id, ())),
        )


def _address(email: str | None) -> str | None:
    try:
        return check_recipient(email or "")
    except ValueError:
        return None


def _sections_of_run(
    connection: Connection, policy: Policy, row: Any, measured: Mapping[str, Any], owner: Any
) -> dict[str, PolicySection]:
    key = {"measured_run_id": measured["measured_run_id"], "policy_id": row.policy_id, "as_of": row.as_of}
    mix: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for count in run(connection, "warehouse/read_tier_mix.sql", key):
        entry = mix[owner(count.account_manager_id)][count.tier]
        entry[0] += int(count.customers)
        entry[1] += int(count.customers_before)
    movers: dict[str, list[Mover]] = defaultdict(list)
    value = {
        "run_id": row.run_id,
        "measured_on": measured["measured_on"],
        "revision": measured["revision"],
        "value": policy.value or "",
    }
    for moved in run(connection, "warehouse/read_movers.sql", value):
        movers[owner(moved.account_manager_id)].append(_mover(policy, moved))
    is_first = not any(before for tiers in mix.values() for _, before in tiers.values())
    sections = {}
    for manager_id in {*mix, *movers}:
        tiers = mix[manager_id]
        sections[manager_id] = PolicySection(
            policy_id=policy.id,
            title=_titles(policy.title),
            as_of=row.as_of,
            tiers=tuple(
                TierCount(
                    tier,
                    policy.rank_of(tier),
                    _titles(policy.tier_titles.get(tier, {})),
                    tiers[tier][0],
                    None if is_first else tiers[tier][1],
                )
                for tier in policy.tiers
            ),
            movers=tuple(movers[manager_id]),
            actions={tier: _titles(text) for tier, text in policy.actions.items()},
        )
    return sections


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


def _titles(localized: Mapping[Any, str]) -> dict[str, str]:
    return {str(language): text for language, text in localized.items()}


def send_outbox(warehouse: Database, server: SmtpServer | None, folder: Path) -> Sent:
    """Send every pending mail, or write it to `folder` when there is no mail server.

    A mail is locked from before it goes out until its outcome is committed, which is before the next one goes out:
    two senders at once share the mails. A mail is delivered at least once, and twice only when a sender ended, or
    the answer of the server was lost, between the two. Raises MailServerError when the server as a whole cannot be
    used; what was not sent stays pending.
    """
    with connected(warehouse, "tiering_warehouse") as connection:
        waiting = [row.message_id for row in run(connection, "warehouse/read_pending_mails.sql")]
    counts: dict[str, int] = defaultdict(int)
    if not waiting:
        return Sent({})
    with _Claim(warehouse) as claim:
        if server is None:
            for row in claim.each(waiting):
                name = f"{row.as_of or 'undated'}-{row.account_manager_id or 'fallback'}-{row.message_id[1:9]}"
                write_message_files(folder, name, row.message.encode("ascii"))
                claim.record("filed", None)
                counts["filed"] += 1
            return Sent(dict(counts))
        mails = (
            (row.message_id, _sender_of(row.message), row.recipient, row.message.encode("ascii"))
            for row in claim.each(waiting)
        )
        for _, outcome in deliver(server, mails):
            status: str = outcome.status
            if status == "retry" or status == "uncertain":
                given_up = int(claim.row.attempts) + 1 >= MAXIMUM_ATTEMPTS
                status = "dead" if given_up else ("pending" if status == "retry" else "uncertain")
            claim.record(status, outcome.reply)
            counts[status] += 1
    return Sent(dict(counts))


class _Claim:
    """The one mail that this sender is at: locked in a transaction of its own, which `record` commits."""

    def __init__(self, warehouse: Database) -> None:
        self.warehouse, self.transaction = warehouse, ExitStack()
        self.row: Any = None

    def __enter__(self) -> _Claim:
        return self

    def __exit__(self, *error: Any) -> None:
        self.transaction.__exit__(*error)

    def each(self, message_ids: Sequence[str]) -> Iterator[Any]:
        """Claim the mails one after the other, but for those that another sender has seen to since."""
        for identity in message_ids:
            self.connection = self.transaction.enter_context(connected(self.warehouse, "tiering_warehouse"))
            lock(self.connection, f"mail:{identity}")
            self.row = run(self.connection, "warehouse/read_pending_mail.sql", {"message_id": identity}).first()
            if self.row is None:
                self.transaction.close()
            else:
                yield self.row

    def record(self, status: str, reply: str | None) -> None:
        """Write what became of the mail, and let go of it."""
        is_out = status in ("sent", "filed")
        run(
            self.connection,
            "warehouse/update_mail.sql",
            {
                "message_id": self.row.message_id,
                "status": status,
                "error": None if is_out else reply,
                "sent_at": datetime.now(UTC) if is_out else None,
            },
        )
        self.transaction.close()


def _sender_of(message: str) -> str:
    from email import message_from_string
    from email.utils import parseaddr

    return parseaddr(message_from_string(message)["From"])[1]
