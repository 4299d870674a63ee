"""Preview: what mails over a published day say, told or not, as often as one likes; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from reports.digest import Digest, digest_is_quiet
from sql.connect import Database
from sql.credit_report import CONTROLLER, read_over
from sql.errors import TieringError
from sql.explain import did_you_mean
from sql.news import News, Terms, gather, read_key_fields
from sql.overview_report import GENERAL
from sql.recipients import FALLBACK
from sql.schema import reading
from sql.statements import run
from transforms.policy import parse_policy

NAME_OF_FALLBACK = "fallback"


@dataclass(frozen=True)
class Preview:
    """What mails over a day say; `quiet` counts the managers to whom there is nothing to say, unless one was named."""

    as_of: date
    digests: tuple[Digest, ...]
    quiet: int


def read_preview(
    warehouse: Database,
    terms: Terms,
    today: date,
    *,
    as_of: date | None = None,
    policy_id: str | None = None,
    manager_id: str | None = None,
) -> Preview:
    """Return what mails over a published day say to every account manager, or to one, of all policies or of one.

    Without a day, the latest one. Moves are those of the day; key facts, tiers to come and accounts over a limit stand
    as they stand now. `fallback` names the fallback manager, `credit_controller` the credit controller,
    `general_manager` the general manager, who is told the latest evaluations. A superior has a second mail.
    Raises TieringError when the policy or the manager is unknown, or the day is not published.
    """
    with reading(warehouse) as connection:
        day, news = _news_of_day(connection, as_of, policy_id)
        digests = list(gather(connection, news, terms, today))
        if manager_id is None:
            heard = tuple(digest for digest in digests if not digest_is_quiet(digest))
            return Preview(day, heard, len(digests) - len(heard))
        _check_manager(connection, manager_id, terms)
        asked = FALLBACK if manager_id == NAME_OF_FALLBACK else manager_id
        theirs = (digest for digest in digests if digest.manager_id == asked)
        return Preview(day, tuple(each for each in theirs if each.kind != "superior" or not digest_is_quiet(each)), 0)


def _news_of_day(connection: Connection, as_of: date | None, policy_id: str | None) -> tuple[date, News]:
    spans = {row.policy_id: row for row in run(connection, "warehouse/read_published_span.sql")}
    if not spans:
        raise TieringError("no policy is published yet; run one first (DAG tier__<policy>)")
    if policy_id is not None and policy_id not in spans:
        hint = did_you_mean(policy_id, list(spans)) or f"; published are {', '.join(spans)}"
        raise TieringError(f"policy {policy_id}: it is not published{hint}")
    asked = [policy_id] if policy_id is not None else list(spans)
    latest = sorted({spans[name].last_on for name in asked}, reverse=True)
    for day in latest if as_of is None else [as_of]:
        runs = [
            row
            for row in run(connection, "warehouse/read_runs_of_day.sql", {"as_of": day})
            if row.policy_id in asked
            and parse_policy(row.policy_text, f"{row.policy_id} as it ran").publishes == "tier"
        ]
        if runs:
            with_told = {"with_told": True}
            notices = run(connection, "warehouse/read_notices_to_tell.sql", with_told)
            evaluated = run(connection, "warehouse/read_evaluations_to_tell.sql", with_told).all()
            latest_year = max((row.year for row in evaluated), default=None)
            return day, News(
                runs,
                read_key_fields(connection, with_told=True),
                [row for row in notices if row.policy_id in asked],
                [row for row in read_over(connection) if row.policy_id in asked],
                [row for row in evaluated if row.policy_id in asked and row.year == latest_year],
                is_whole=True,
                since=min(row.published_at for row in runs),
            )
    what = f"policy {policy_id}" if policy_id else "mails"
    if as_of is None:
        raise TieringError(f"{what}: only classes are published, which no mail tells")
    raise TieringError(f"{what}: no tiers are published as of {as_of}; {_nearest(connection, asked, as_of)}")


def _nearest(connection: Connection, policy_ids: Sequence[str], as_of: date) -> str:
    key = [{"policy_id": name, "from_day": date.min} for name in policy_ids]
    days = {row.as_of for each in key for row in run(connection, "warehouse/read_published_days.sql", each)}
    near = [*sorted(day for day in days if day < as_of)[-1:], *sorted(day for day in days if day > as_of)[:1]]
    return f"the nearest published days are {' and '.join(map(str, near))}" if near else "choose another policy"


def _check_manager(connection: Connection, manager_id: str, terms: Terms) -> None:
    """Raise TieringError unless the manager is one that a mail can have."""
    known = [row.account_manager_id for row in run(connection, "warehouse/read_managers_of_mail.sql")]
    known += [NAME_OF_FALLBACK, *([CONTROLLER] if terms.credit_controller else [])]
    known += [GENERAL] if terms.general_manager else []
    if manager_id not in known:
        some = ", ".join(sorted(known)[:3])
        hint = did_you_mean(manager_id, known) or f"; known are account managers such as {some}"
        raise TieringError(f"there is no account manager {manager_id}{hint}")
