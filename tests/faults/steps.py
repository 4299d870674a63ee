"""The steps under test: what the tasks of the DAGs call, in their order. A new task of a DAG is one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import text

from reports.mail import SmtpServer
from sql.connect import Database, connected
from sql.extract import Batch
from tiering import jobs
from tiering.settings import Settings
from transforms.policy import Policy, parse_policy

ROOT = Path(__file__).resolve().parents[2]

BEFORE, NEXT = Batch(date(2025, 9, 1), date(2026, 2, 1)), Batch(date(2026, 2, 1), date(2026, 3, 1))
"""What the warehouse holds before the first step, and the batch that the steps bring."""

RUNS: dict[str, tuple[str, date]] = {
    "": ("rfm_555", date(2026, 2, 28)),
    " the past": ("rfm_555", date(2025, 12, 31)),
    " again": ("rfm_555", date(2026, 1, 31)),
    " the year": ("collection_classes", date(2025, 12, 31)),
    " by many": ("rfm_555", date(2025, 10, 31)),
}
"""Runs of a policy by the end of their steps' names: the newest day, a day before it, a restated day, the first one
of a policy that asks people, and one that several tasks decide."""

PUBLISHED = (
    ("rfm_555", date(2025, 11, 30)),
    ("rfm_555", date(2026, 1, 31)),
)
"""What is published before the first step."""

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
"""When the mails say they were written: their bytes are compared."""


@dataclass(frozen=True)
class World:
    """What a step is given. `said` holds what the steps before it returned, as Airflow keeps it."""

    source: Database
    warehouse: Database
    settings: Settings
    mail: SmtpServer | None = None
    said: dict[str, Any] = field(default_factory=dict)


@cache
def policies() -> dict[str, Policy]:
    """The policies of the runs by id."""
    names = sorted({policy_id for policy_id, _ in RUNS.values()})
    return {name: parse_policy(_text(name), name) for name in names}


def _text(policy_id: str) -> str:
    """A shipped policy; so few customers move together, and where they do nobody is asked."""
    text = (ROOT / "policies" / f"{policy_id}.yaml").read_text(encoding="utf-8")
    return text.replace("moved_share: 0.60", "moved_share: 1")


@cache
def policies_before() -> dict[str, Policy]:
    """The policies before the first step: one has changed since, so that a published day can be restated."""
    text = _text("rfm_555")
    changed = text.replace("{at_most: 30, digit: 4}", "{at_most: 35, digit: 4}")
    assert changed != text
    return {**policies(), "rfm_555": parse_policy(changed, "rfm_555 before")}


def _measure(name: str) -> Callable[[World], Any]:
    policy_id, day = RUNS[name]
    return lambda world: jobs.measure(world.warehouse, policies(), policy_id, day)


def _decide(name: str, restate: str | None = None) -> Callable[[World], Any]:
    policy = RUNS[name][0]
    return lambda world: jobs.decide(world.warehouse, policies()[policy], world.said[f"measure{name}"], restate=restate)


def _split(world: World) -> Any:
    policy = policies()[RUNS[" by many"][0]]
    return jobs.split(world.warehouse, policy, world.said["measure by many"], tasks=3)


def _decide_ranges(world: World) -> Any:
    """Decide every range: each is a task, and a transaction, of its own."""
    policy = policies()[RUNS[" by many"][0]]
    return [jobs.decide_range(world.warehouse, policy, part) for part in world.said["split by many"]]


def _gather(world: World) -> Any:
    return jobs.gather(world.warehouse, policies()[RUNS[" by many"][0]], world.said["split by many"])


def _publish_gathered(world: World) -> Any:
    return jobs.publish(world.warehouse, policies()[RUNS[" by many"][0]], world.said["gather by many"])


def _publish(name: str, *, tell: bool = False) -> Callable[[World], Any]:
    policy = RUNS[name][0]
    return lambda world: jobs.publish(world.warehouse, policies()[policy], world.said[f"decide{name}"], tell=tell)


STEPS: dict[str, Callable[[World], Any]] = {
    "extract": lambda world: jobs.extract(world.source, world.warehouse, world.settings, NEXT),
    "validate": lambda world: jobs.validate(world.warehouse, world.settings, NEXT, with_pages=False),
    "load": lambda world: jobs.load(world.warehouse, NEXT, world.settings),
    "put people into force": lambda world: jobs.put_people_into_force(world.warehouse, policies(), date(2026, 2, 28)),
    "measure": _measure(""),
    "decide": _decide(""),
    "publish": _publish(""),
    "measure the past": _measure(" the past"),
    "decide the past": _decide(" the past"),
    "publish the past": _publish(" the past", tell=True),
    "measure again": _measure(" again"),
    "decide again": _decide(" again", "the bands of recency were corrected"),
    "publish again": _publish(" again"),
    "measure the year": _measure(" the year"),
    "decide the year": _decide(" the year"),
    "answer the year": lambda world: jobs.answer(
        world.warehouse, world.said["decide the year"], "director", approved=True
    ),
    "publish the year": _publish(" the year"),
    "measure by many": _measure(" by many"),
    "split by many": _split,
    "decide by many": _decide_ranges,
    "gather by many": _gather,
    "publish by many": _publish_gathered,
    "watch credit": lambda world: jobs.watch_credit(world.warehouse, policies(), date(2026, 2, 28), "CNY"),
    "follow up": lambda world: jobs.follow_up(world.warehouse, policies(), date(2026, 2, 28)),
    "write reports": lambda world: jobs.write_reports(world.warehouse, world.settings, NOW),
    "send reports": lambda world: jobs.send_reports(world.warehouse, world.settings, world.mail),
    "prune": lambda world: jobs.prune(world.warehouse, world.settings, date(2033, 1, 1)),
}

IN_PARTS = {
    "put people into force": "one policy after the other",
    "prune": "one kind of rows after the other, and of decisions one policy after the other",
}
"""Steps of several transactions about several tables: each row stands as before or as after."""

ROW_BY_ROW = {"send reports": ("tiering.email_outbox",)}
"""Steps that commit row by row, and the tables where each row stands as before or as after."""


def load_before(world: World) -> None:
    """Bring an empty database to the facts before the first step, with nothing published."""
    jobs.extract(world.source, world.warehouse, world.settings, BEFORE)
    jobs.validate(world.warehouse, world.settings, BEFORE, with_pages=False)
    jobs.load(world.warehouse, BEFORE, world.settings)


def build_before(world: World) -> None:
    """Bring an empty database to the state before the first step."""
    load_before(world)
    for policy_id, day in PUBLISHED:
        policy = policies_before()[policy_id]
        measured = jobs.measure(world.warehouse, policies_before(), policy_id, day)
        staged = jobs.decide(world.warehouse, policy, measured)
        jobs.publish(world.warehouse, policy, staged)
    _ask_for_an_override(world.warehouse)
    jobs.write_reports(world.warehouse, world.settings, NOW)
    jobs.send_reports(world.warehouse, replace(world.settings, mail_dir=world.settings.mail_dir / "before"), None)


def _ask_for_an_override(warehouse: Database) -> None:
    """Let people have asked for another tier of one customer, for ten days that no run looks at."""
    with connected(warehouse, "tests") as connection:
        connection.execute(
            text(
                "INSERT INTO tiering.override "
                "(policy_id, customer_id, tier, reason, requested_by, approved_by, valid_from, valid_to) "
                "SELECT policy_id, MIN(customer_id), 'A', 'popularity', 'sales', 'director', DATE '2026-02-10', "
                "DATE '2026-02-20' "
                "FROM tiering.customer_tier WHERE policy_id = 'rfm_555' AND tier = 'D' GROUP BY policy_id"
            )
        )


BUILD, LOAD = "build what was before", "load what was before"

PREPARE = "prepare the warehouse"
"""What every DAG begins with: it makes the schema, so that there is no state before it."""

RUNNABLE = {
    BUILD: build_before,
    LOAD: load_before,
    PREPARE: lambda world: jobs.prepare_warehouse(world.warehouse),
    **STEPS,
}
