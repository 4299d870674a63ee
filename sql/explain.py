"""Explain: what policies keep of one account on a day, read from what is published; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from difflib import SequenceMatcher, get_close_matches
from os.path import commonprefix
from typing import Any

from sqlalchemy import Connection

from reports.explanation import (
    Account,
    Asked,
    Component,
    Decision,
    Exposure,
    Grade,
    Limit,
    Move,
    Override,
    Spell,
    Word,
)
from reports.outlook_words import NearLine
from sql.connect import Database
from sql.errors import TieringError
from sql.measure import read_library
from sql.schema import reading
from sql.statements import run
from transforms.history import standing_of
from transforms.movement import Standing
from transforms.policy import Policy, parse_policy
from transforms.probes import domain_of

_CUSTOMER_OF = {
    "group": "read_head_of_group",
    "opportunity": "read_customer_of_opportunity",
    "request": "read_customer_of_request",
}
"""How the customer behind an account is found, where the account is no customer itself."""


def read_accounts(
    warehouse: Database, customer_id: str, policy_id: str | None = None, asked_on: date | None = None
) -> list[Account]:
    """Return what is kept of an account on a day, by policy: of one policy, or of all that know the account.

    Without a day, the latest published day of each policy. The published day in force and its revision in
    force count, and the policy is read as it ran then.
    Raises TieringError, saying what is known, when the warehouse has no schema, the policy or the account is
    unknown, or nothing was published up to that day.
    """
    with reading(warehouse) as connection:
        spans = {row.policy_id: row for row in run(connection, "warehouse/read_published_span.sql")}
        if not spans:
            raise TieringError("no policy is published yet; run one first (DAG tier__<policy>)")
        if policy_id is not None and policy_id not in spans:
            hint = did_you_mean(policy_id, list(spans)) or f"; published are {', '.join(spans)}"
            raise TieringError(f"policy {policy_id}: it is not published{hint}")
        asked = [policy_id] if policy_id is not None else list(spans)
        found, early = [], []
        for name in asked:
            day = asked_on or spans[name].last_on
            in_force = _run_in_force(connection, name, day)
            if in_force is None:
                early.append(name)
            elif account := _read_account(connection, name, customer_id, day, in_force, day >= spans[name].last_on):
                found.append(account)
        if found:
            return found
        known_later = [name for name in early if _spells(connection, name, customer_id)]
        if early and (known_later or len(early) == len(asked)):
            first = ", ".join(f"{name} {spans[name].first_on}" for name in known_later or early)
            raise TieringError(f"nothing was published on or before {asked_on}; the first days are: {first}")
        raise TieringError(_unknown(connection, customer_id, policy_id, asked_on))


def _run_in_force(connection: Connection, policy_id: str, day: date) -> Any:
    """Return the latest published run up to a day: as_of, revision, policy_version; None where there is none."""
    key = {"policy_id": policy_id, "as_of": day + timedelta(days=1)}
    return run(connection, "warehouse/read_published_day_before.sql", key).first()


def _spells(connection: Connection, policy_id: str, customer_id: str) -> list[Any]:
    key = {"policy_id": policy_id, "customer_id": customer_id}
    return list(run(connection, "warehouse/read_spells.sql", key))


def _read_account(
    connection: Connection, policy_id: str, customer_id: str, asked_on: date, in_force: Any, is_latest: bool
) -> Account | None:
    """Return what a policy keeps of an account on a day; None where it never saw the account."""
    key = {
        "policy_id": policy_id,
        "as_of": in_force.as_of,
        "revision": in_force.revision,
        "customer_id": customer_id,
    }
    decided = run(connection, "warehouse/read_decision.sql", key).first()
    spells = _spells(connection, policy_id, customer_id)
    if decided is None and not spells:
        return None
    version = {"policy_id": policy_id, "policy_version": in_force.policy_version}
    text = run(connection, "warehouse/read_policy_text.sql", version).scalar_one()
    policy = parse_policy(text, f"{policy_id} as it ran")
    limit = run(connection, "warehouse/read_limit_of_account.sql", key).mappings().first()
    exposures = run(connection, "warehouse/read_exposure_of_account.sql", key).mappings().all()
    outlook = run(connection, "warehouse/read_outlook_of_account.sql", key).mappings().all() if is_latest else ()
    return Account(
        policy=policy,
        customer_id=customer_id,
        name=_name_of(connection, policy, customer_id, asked_on),
        asked_on=asked_on,
        as_of=in_force.as_of,
        revision=int(in_force.revision),
        decision=decided and Decision(**decided._mapping),
        spell=_spell_on(spells, asked_on),
        components=tuple(
            Component(row.indicator, row.value, row.value_text, row.evidence_on)
            for row in run(connection, "warehouse/read_components.sql", key)
        ),
        move=_move(run(connection, "warehouse/read_change.sql", key).first()),
        override=_override(run(connection, "warehouse/read_override.sql", {**key, "as_of": asked_on}).first()),
        first_on=spells[0].valid_from if spells else None,
        is_latest=is_latest,
        standing=_standing(connection, policy_id, customer_id, asked_on),
        grades=tuple(Grade(**row) for row in run(connection, "warehouse/read_grades_of_account.sql", key).mappings()),
        asked=_asked(run(connection, "warehouse/read_asked_of_account.sql", key).all()),
        later={
            row.as_of: _move_of(row)
            for row in run(connection, "warehouse/read_later_changes.sql", {**key, "asked_on": asked_on})
        },
        people_on=run(
            connection,
            "warehouse/read_day_of_people.sql",
            {"policy_id": policy_id, "as_of": in_force.as_of, "asked_on": asked_on},
        ).scalar_one(),
        limit=None if limit is None else Limit(**limit),
        exposures=tuple(Exposure(**row) for row in exposures) if is_latest else (),
        outlook=tuple(NearLine(**row, step=_step_of(policy, row["indicator"])) for row in outlook),
    )


def _step_of(policy: Policy, indicator: str) -> Decimal:
    return domain_of(policy, indicator, read_library()).step


def _spell_on(spells: list[Any], day: date) -> Spell | None:
    """Return the spell that covers a day, since the day on which its tier, or its reason, began to stand."""
    found: Spell | None = None
    ended: date | None = None
    for row in spells:
        if row.valid_from > day:
            break
        stands = found is not None and ended == row.valid_from and (found.tier, found.reason) == (row.tier, row.reason)
        since = found.since_on if found is not None and stands else row.valid_from
        found, ended = Spell(row.tier, row.computed_tier, row.status, row.reason, since), row.valid_to
    return found if ended is None or ended > day else None


def _standing(connection: Connection, policy_id: str, customer_id: str, day: date) -> Standing | None:
    key = {"policy_id": policy_id, "customer_id": customer_id, "day": day}
    row = run(connection, "warehouse/read_standing_of_account.sql", key).mappings().first()
    return None if row is None else standing_of(dict(row))


def _asked(rows: Sequence[Any]) -> Asked | None:
    if not rows:
        return None
    words = tuple(Word(row.asked_of, row.answer, row.answered_by, row.comment) for row in rows)
    return Asked(rows[0].asked_tier, rows[0].is_approved, rows[0].effective_on, words)


def _move(row: Any) -> Move | None:
    return None if row is None else _move_of(row)


def _move_of(row: Any) -> Move:
    return Move(row.from_tier, row.to_tier, row.direction, row.cause, tuple(json.loads(row.drivers)))


def _override(row: Any) -> Override | None:
    return None if row is None else Override(row.reason, row.approved_by, row.valid_to)


def _name_of(connection: Connection, policy: Policy, account_id: str, day: date) -> str | None:
    """Return the name of the customer behind an account on a day: of the account itself, or of its head."""
    customer_id: str | None = account_id
    if policy.grain in _CUSTOMER_OF:
        statement = f"warehouse/{_CUSTOMER_OF[policy.grain]}.sql"
        head = run(connection, statement, {"account_id": account_id}).scalar()
        customer_id = head or (account_id if policy.grain == "group" else None)
    key = {"customer_id": customer_id, "as_of": day}
    name: str | None = run(connection, "warehouse/read_customer_name.sql", key).scalar()
    return name


def did_you_mean(word: str, known: list[str]) -> str:
    """Return a hint at the nearest known words, at most three; those that begin alike stand first."""
    lowered = {each.lower(): each for each in known}
    near = get_close_matches(word.lower(), list(lowered), n=20)
    best = max((_likeness(word.lower(), each) for each in near), default=0)
    alike = [each for each in near if _likeness(word.lower(), each) == best]
    nearest = sorted(alike, key=lambda each: (-len(commonprefix([word.lower(), each])), each))
    return f"; did you mean {' or '.join(lowered[each] for each in nearest[:3])}?" if near else ""


def _likeness(word: str, other: str) -> float:
    return SequenceMatcher(None, other, word).ratio()


def _unknown(connection: Connection, customer_id: str, policy_id: str | None, asked_on: date | None) -> str:
    half = (len(customer_id) + 1) // 2
    halves = {"beginning": f"{customer_id[:half].lower()}%", "ending": f"%{customer_id[-half:].lower()}"}
    similar = [row.customer_id for row in run(connection, "warehouse/read_similar_accounts.sql", halves)]
    who = f"policy {policy_id} does not know" if policy_id else "no policy knows"
    if customer_id in similar:
        return f"{who} the customer {customer_id}" + (f" on {asked_on}" if asked_on else "; name another policy")
    some = ", ".join(row.customer_id for row in run(connection, "warehouse/read_some_accounts.sql"))
    hint = did_you_mean(customer_id, similar) or (f"; known are customers such as {some}" if some else "")
    return f"{who} the customer {customer_id}{hint}"
