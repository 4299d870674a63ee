"""The steps around people: taking in what they hand in, the review pack, and the notices to customers.

The DAGs `people`, `review_pack` and `customer_notices` call them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from sql.connect import Database
from sql.errors import TieringError
from sql.failures import repeated
from tiering.settings import Settings
from transforms.policy import Policy

log = logging.getLogger(__name__)


@repeated
def load_handed_in(
    warehouse: Database, policies: Mapping[str, Policy], settings: Settings, now: datetime | None = None
) -> dict[str, Any]:
    """Take in the files of overrides, grades and limits that people put into the folder; return counts.

    `first_days` says by policy from which business day on its publication may change (ISO dates).
    Raises TieringError when the folder that the setting names is not there, or a file cannot be read.
    """
    from sql.people import load_handed_in as load_files

    moment = now or datetime.now(UTC)
    if not settings.handed_in.is_dir():
        if settings.handed_in != Settings().handed_in:
            raise TieringError(
                f"TIERING_HANDED_IN: there is no folder {settings.handed_in}; make it, or correct the setting"
            )
        log.info("nobody handed anything in: there is no folder %s", settings.handed_in)
    done = load_files(
        warehouse,
        settings.handed_in,
        policies,
        now=moment,
        today=moment.astimezone(settings.zone).date(),
        maximum_days=settings.override_days,
    )
    if done.refused_lines:
        log.warning("%d lines were refused; they stand in tiering.refused_line", done.refused_lines)
    return {**asdict(done), "first_days": {name: day.isoformat() for name, day in sorted(done.first_days.items())}}


def write_pack(
    warehouse: Database, policy: Policy, as_of: date, settings: Settings, *, language: str, sample_size: int
) -> str:
    """Write the review pack of a policy and a day; return the name of the file.

    Raises TieringError when the policy publishes no tiers or the day was not decided.
    """
    from sql.review_pack import write_review_pack

    path = write_review_pack(
        warehouse,
        policy,
        as_of,
        settings.review_dir,
        language=language,
        currency=settings.reporting_currency,
        sample_size=sample_size,
        today=datetime.now(UTC).astimezone(settings.zone).date(),
    )
    log.info("review pack written: %s", path)
    return path.name


@repeated
def prepare_notices(warehouse: Database, policy: Policy, as_of: date, settings: Settings) -> dict[str, Any]:
    """Write the notices of a published day that were not prepared yet; return the file and how many it tells.

    Raises TieringError when the day is not the latest published one.
    """
    from sql.notices import prepare_notices as prepare

    done = prepare(warehouse, policy, as_of, settings.review_dir, now=datetime.now(UTC))
    log.info("%d notices prepared: %s", done.customers, done.file or "everybody was told already")
    return {"customers": done.customers, "file": done.file.name if done.file else None}
