"""The steps of the main job. A DAG's task calls one of them, the demo calls them in a row: nothing else differs.

A step marked `repeated` runs again as a whole after a lost connection, a deadlock or a failed serialisation: it
leaves the same rows when it runs twice (see `sql.failures.run_unit`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sql.connect import Database, connected, kept_open
from sql.errors import DatabaseFailed, TieringError
from sql.extract import Batch
from sql.failures import repeated
from tiering.settings import Settings, read_settings
from transforms.calendar import as_of_for, check_as_of, latest_on_calendar
from transforms.policy import Policy

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyarrow import Table

    from sql.measure import Measurement
    from sql.runs import Run
    from sql.spread import Range
    from transforms.decide import Decided

log = logging.getLogger(__name__)

ACCOUNTS_AT_ONCE = 100_000
"""Accounts that are held in memory while a run is decided; how many there are in all does not matter."""

FIRST_DAY = date(2000, 1, 1)
"""Where the first batch begins when TIERING_FIRST_DAY says nothing."""


@repeated
def prepare_warehouse(warehouse: Database, owner: Database | None = None) -> list[str]:
    """Create or upgrade the schema of the warehouse; return the names of the statements that were applied.

    `owner` is the warehouse as the user who may change its schema, by default the same; nobody asks for that user
    when the schema is up to date.
    """
    from sql.schema import pending_upgrades, upgrade_schema

    with kept_open(warehouse):
        with connected(warehouse, "tiering_warehouse") as connection:
            if not pending_upgrades(connection):
                return []
        with connected(owner or warehouse, "tiering_owner" if owner else "tiering_warehouse") as connection:
            return upgrade_schema(connection)


@repeated
def covered_through(warehouse: Database) -> date | None:
    """Return the last day the facts cover without a gap, or None."""
    from sqlalchemy import inspect

    from sql.facts import facts_through

    with connected(warehouse, "tiering_warehouse") as connection:
        has_ledger = inspect(connection).has_table("batch", schema="tiering")
        return facts_through(connection) if has_ledger else None


def choose_batch(
    settings: Settings,
    through: date | None,
    run_day: date,
    *,
    start: date | None = None,
    end: date | None = None,
    is_backfill: bool = False,
) -> Batch | None:
    """Return the interval to extract: what was asked for, or what is not covered up to the day before the run.

    A backfill extracts the day before its run again. None when everything is covered.
    """
    if start and end:
        return Batch(start, end)
    if start or end:
        raise TieringError("give both batch_start and batch_end (the end is not included), or neither")
    if is_backfill:
        return Batch(run_day - timedelta(days=1), run_day)
    begin = through + timedelta(days=1) if through else settings.first_day or FIRST_DAY
    return Batch(begin, run_day) if begin < run_day else None


@repeated
def extract(source: Database, warehouse: Database, settings: Settings, batch: Batch) -> dict[str, int]:
    """Land one batch of every entity; return rows per entity."""
    from sql.extract import extract_batch
    from sql.facts import record_extraction

    with kept_open(warehouse):
        prepare_warehouse(warehouse)
        extraction = extract_batch(source, warehouse, settings.source, batch)
        with connected(warehouse, "tiering_warehouse") as connection:
            record_extraction(connection, batch, extraction)
        return extraction.rows


@repeated
def validate(
    warehouse: Database,
    settings: Settings,
    batch: Batch,
    *,
    with_pages: bool = True,
    accept_shrunken: str | None = None,
) -> dict[str, int]:
    """Check the landed batch, write its Data Docs unless `with_pages` is false; return refused rows per entity.

    Raises ValidationFailed when the batch must not be loaded: above all when it has shrunk, unless `accept_shrunken`
    says why that is right.
    """
    from expectations import validate as validate_batch
    from sql.life_cycle import check_shrinkage

    with kept_open(warehouse):
        shrunken = check_shrinkage(warehouse, batch, Decimal(settings.maximum_shrink_share), accept_shrunken)
        validation = validate_batch(
            warehouse,
            batch,
            reporting_currency=settings.reporting_currency,
            minimum_rows=settings.minimum_rows,
            maximum_quarantine_share=settings.maximum_quarantine_share,
            is_shrunken=bool(shrunken),
            data_docs=settings.data_docs_dir if with_pages else None,
        )
    for finding in validation.findings:
        log.warning("%s: %s: %s rows: %s", finding.entity, finding.rule, finding.rows, finding.reason)
    log.info("%d expectations evaluated", validation.evaluated)
    return validation.refused


@repeated
def load(warehouse: Database, batch: Batch, settings: Settings | None = None) -> dict[str, int]:
    """Load the validated batch into the facts; return loaded and quarantined rows (0 when nothing changed).

    The settings, by default those of the environment, name the key fields whose changes are recorded, and say after
    how many extracts without it a customer is gone.
    """
    from sql.facts import load_batch

    here = settings or read_settings()
    done = load_batch(warehouse, batch, here.key_field_names, absent_extracts=here.absent_extracts)
    return {
        "batch_no": done.batch_no or 0,
        "loaded_rows": sum(done.loaded_rows.values()),
        "quarantined_rows": sum(done.quarantined_rows.values()),
    }


def choose_as_of(
    calendar: str,
    *,
    given: str | None,
    run_day: date | None,
    is_scheduled: bool,
    through: date | None,
    today: date,
) -> date:
    """Return the day a run looks at, on a calendar of `transforms.calendar`.

    Given by hand it is taken as it is, and must lie on the calendar. A scheduled or backfill run maps
    its own day. Any other run takes the latest day of the calendar that the facts cover.
    Raises TieringError for a day in the future, off the calendar or (given by hand) beyond the facts.
    """
    if given:
        try:
            as_of = date.fromisoformat(given)
        except ValueError:
            raise TieringError(f"as_of {given!r} is no date; write it as 2026-03-31") from None
        check_as_of(calendar, as_of, today, through)
        return as_of
    if is_scheduled and run_day is not None:
        return as_of_for(calendar, run_day)
    if through is None:
        raise TieringError("no facts were loaded yet; run customer_facts first")
    return latest_on_calendar(calendar, min(through, today))


@repeated
def measure(
    warehouse: Database,
    policies: Mapping[str, Policy],
    policy_id: str,
    as_of: date,
    *,
    full_every_days: int = Settings.full_measures_every_days,
) -> dict[str, Any]:
    """Take the measures that this policy and the others of its grain need as of a day; return where they are.

    Raises TieringError where a full computation, which is kept, did not find what replays had led to.
    """
    from sql.measure import take_measures

    grain = policies[policy_id].grain
    with connected(warehouse, "tiering_warehouse") as connection:
        taken = take_measures(connection, policies.values(), grain, as_of, full_every_days=full_every_days)
    if taken.fault:
        raise TieringError(taken.fault)
    return {**asdict(taken), "as_of": as_of.isoformat()}


@repeated
def decide(
    warehouse: Database, policy: Policy, measurement: Mapping[str, Any], *, restate: str | None = None
) -> dict[str, Any]:
    """Decide every account and stage the result; return the run, what it would move, and who is asked."""
    from sql.held import read_held_accounts
    from sql.measure import stream_indicators

    taken = _measurement_of(measurement)
    with kept_open(warehouse):
        with connected(warehouse, "tiering_warehouse") as connection:
            held = read_held_accounts(connection, policy, taken.as_of, taken.facts_batch_no)
        because = dict(zip(held["account_id"].to_pylist(), held["reason"].to_pylist(), strict=True))

        def parts() -> Iterator[tuple[Decided, DataFrame]]:
            with connected(warehouse, "tiering_warehouse") as connection:
                for table in stream_indicators(connection, policy, taken.table, accounts=ACCOUNTS_AT_ONCE):
                    yield _decide_part(policy, table, because)

        return _stage(warehouse, policy, taken, parts(), restate)


def _measurement_of(plain: Mapping[str, Any]) -> Measurement:
    from sql.measure import Measurement

    return Measurement(**{**plain, "as_of": date.fromisoformat(plain["as_of"])})


def _decide_part(policy: Policy, indicators: Table, because: Mapping[str, str]) -> tuple[Decided, DataFrame]:
    """Decide some accounts; return that and the lines near them."""
    import pandas as pd

    from sql.measure import read_library
    from transforms import decide_tiers
    from transforms.outlook import find_outlook

    frame = indicators.to_pandas(types_mapper=pd.ArrowDtype)
    found = find_outlook(policy, frame, read_library())
    return decide_tiers(policy, frame, because), found


def _stage(
    warehouse: Database,
    policy: Policy,
    taken: Measurement,
    parts: Iterable[tuple[Decided, DataFrame]],
    restate: str | None,
) -> dict[str, Any]:
    from sql.runs import stage_parts

    this = stage_parts(warehouse, policy, taken, _facts_through(warehouse), parts, restate=restate)
    return _review(warehouse, policy, this)


def _facts_through(warehouse: Database) -> date:
    through = covered_through(warehouse)
    if through is None:
        raise TieringError("no facts were loaded yet; run customer_facts first")
    return through


def _review(warehouse: Database, policy: Policy, this: Run) -> dict[str, Any]:
    """Return a staged run, what it would move, and who is asked."""
    from sql.review import review_run

    plain = {**asdict(this), "as_of": this.as_of.isoformat(), "facts_through": this.facts_through.isoformat()}
    if this.is_noop:
        return {"run": plain, "review": {"counts": {}, "requests": [], "is_held": False}}
    review = asdict(review_run(warehouse, policy, this))
    return {"run": plain, "review": {**review, "requests": list(review["requests"])}}


@repeated
def split(
    warehouse: Database,
    policy: Policy,
    measurement: Mapping[str, Any],
    *,
    tasks: int,
    restate: str | None = None,
) -> list[dict[str, Any]]:
    """Begin a run that so many tasks decide; return a range of accounts for each (see `sql.spread`)."""
    from sql.spread import split_run

    with kept_open(warehouse):
        ranges = split_run(warehouse, policy, _measurement_of(measurement), tasks, restate)
    return [{**asdict(part), "begun": {**asdict(part.begun), "as_of": part.begun.as_of.isoformat()}} for part in ranges]


@repeated
def decide_range(warehouse: Database, policy: Policy, part: Mapping[str, Any]) -> dict[str, int]:
    """Decide the accounts of one range and stage them; return how many. The ranges may be decided beside each other."""
    from sql.spread import read_range, stage_range

    this = _range_of(part)

    def parts() -> Iterator[tuple[Decided, DataFrame]]:
        with connected(warehouse, "tiering_warehouse") as connection:
            for table in read_range(connection, policy, this, accounts=ACCOUNTS_AT_ONCE):
                held = table.select(["account_id", "held_because"]).to_pydict()
                because = {name: why for name, why in zip(*held.values(), strict=True) if why is not None}
                yield _decide_part(policy, table.drop_columns("held_because"), because)

    with kept_open(warehouse):
        return {"accounts": stage_range(warehouse, policy, this, parts())}


@repeated
def gather(warehouse: Database, policy: Policy, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """End a run all of whose ranges are staged; return what `decide` returns."""
    from sql.runs import fail_attempt
    from sql.spread import gather_run

    this = _range_of(parts[0])
    with kept_open(warehouse):
        try:
            gathered = gather_run(warehouse, policy, this, _facts_through(warehouse))
        except DatabaseFailed:
            raise  # it may pass
        except TieringError as error:
            fail_attempt(warehouse, this.begun, str(error))
            raise
        return _review(warehouse, policy, gathered)


def _range_of(part: Mapping[str, Any]) -> Range:
    from sql.runs import Try
    from sql.spread import Range

    begun = {**part["begun"], "as_of": date.fromisoformat(part["begun"]["as_of"])}
    return Range(**{**part, "begun": Try(**begun)})


@repeated
def hand_over(warehouse: Database, policy: Policy, as_of: date, folder: Path) -> dict[str, str]:
    """Write below `folder` what Spark needs to decide a policy as of a day; return which state of the facts that is.

    What is returned goes to a command line, and is text.
    """
    from sql.handover import hand_over_facts, hand_over_held

    with kept_open(warehouse), connected(warehouse, "tiering_warehouse") as connection:
        batch_no = hand_over_facts(connection, folder)
        hand_over_held(connection, folder, batch_no, policy, as_of)
    return {"as_of": as_of.isoformat(), "facts_batch_no": str(batch_no)}


@repeated
def stage_spark(
    warehouse: Database, policy: Policy, handed: Mapping[str, Any], folder: Path, *, restate: str | None = None
) -> dict[str, Any]:
    """Stage what Spark decided from what was handed over; return the run, what it would move, and who is asked."""
    from sql.handover import run_folder
    from sql.measure import Measurement
    from sql.spark import read_decided

    as_of, batch_no = date.fromisoformat(handed["as_of"]), int(handed["facts_batch_no"])
    parts = read_decided(run_folder(folder, batch_no, policy, as_of), warehouse.session.memory, ACCOUNTS_AT_ONCE)
    with kept_open(warehouse):
        return _stage(warehouse, policy, Measurement("", "", as_of, batch_no, 0), parts, restate)


def _run_of(staged: Mapping[str, Any]) -> Any:
    from sql.runs import Run

    plain = staged["run"]
    return Run(
        **{
            **plain,
            "as_of": date.fromisoformat(plain["as_of"]),
            "facts_through": date.fromisoformat(plain["facts_through"]),
        }
    )


def _review_of(staged: Mapping[str, Any]) -> Any:
    from sql.review import Request, Review

    kept = staged["review"]
    return Review(kept["counts"], tuple(Request(**request) for request in kept["requests"]), kept["is_held"])


def needs_answer(staged: Mapping[str, Any]) -> bool:
    """Whether somebody is asked about this run."""
    return bool(staged["review"]["requests"])


@repeated
def answer(
    warehouse: Database,
    staged: Mapping[str, Any],
    answered_by: str,
    *,
    approved: bool,
    comment: str = "",
    task: str | None = None,
    but_not: Sequence[str] = (),
) -> None:
    """Record the answer to the requests of a run that a task asked, by default to all.

    `but_not`: customers who are refused what the others get.
    """
    from sql.review import answer_requests

    of = None if task is None else [request for request in _review_of(staged).requests if request.task == task]
    answer_requests(warehouse, _run_of(staged), answered_by, approved=approved, comment=comment, of=of, but_not=but_not)


@repeated
def settle(
    warehouse: Database, policy: Policy, staged: Mapping[str, Any], answers: Sequence[Mapping[str, Any]], day: date
) -> dict[str, Any]:
    """Put the answers about customers who waited into force, as of a day; return what that published.

    An answer has task, answered_by, approved, comment and but_not; one that refuses ends the asking.
    """
    from sql.publish import publish_people
    from sql.review import answer_requests, settle_answers

    this, review = _run_of(staged), _review_of(staged)
    for given in answers:
        of = [request for request in review.requests if request.task == given["task"]]
        answer_requests(
            warehouse,
            this,
            given["answered_by"],
            approved=given["approved"],
            comment=given["comment"],
            of=of,
            but_not=given["but_not"],
            effective_on=day,
        )
        if not given["approved"]:
            break
    else:
        settle_answers(warehouse, policy, this, review, day)
    done = publish_people(warehouse, policy, day, read_settings().reporting_currency)
    return {"run_id": done.run_id, "status": done.status, **done.counts}


@repeated
def put_people_into_force(warehouse: Database, policies: Mapping[str, Policy], through: date) -> dict[str, str]:
    """Put overrides that begin or end and grades that were handed in into force up to a day; return what was done."""
    from sql.publish import publish_people

    currency = read_settings().reporting_currency
    with kept_open(warehouse):
        return {
            name: publish_people(warehouse, policy, through, currency).status
            for name, policy in sorted(policies.items())
        }


@repeated
def publish(
    warehouse: Database, policy: Policy, staged: Mapping[str, Any], *, tell: bool = False, is_backfill: bool = False
) -> dict[str, Any]:
    """Put a staged run into force; return its id, status and counts.

    `tell`: whether mails tell a restatement, an earlier day or a backfill, as a correction; else nobody hears of it.
    A day that is published on the same input, and that nobody was told of, is told too.
    """
    from sql.publish import publish_run, tell_published
    from sql.runs import fail_attempt

    this = _run_of(staged)
    if this.is_noop:
        if tell:
            tell_published(warehouse, policy, this.run_id)
        return {"run_id": this.run_id, "status": "noop"}
    try:
        done = publish_run(
            warehouse,
            policy,
            this,
            _review_of(staged),
            read_settings().reporting_currency,
            tell=tell,
            is_backfill=is_backfill,
        )
    except TieringError as error:
        fail_attempt(warehouse, this, str(error))
        raise
    check_spans(warehouse, policy)
    return {"run_id": done.run_id, "status": done.status, **done.counts}


@repeated
def check_spans(warehouse: Database, policy: Policy) -> int:
    """Warn of every account manager with more customers of a tier than one can look after; return how many."""
    from sql.follow_ups import find_overloads

    with connected(warehouse, "tiering_warehouse") as connection:
        overloads = find_overloads(connection, policy)
    for overload in overloads:
        log.warning(
            "policy %s: account manager %s has %d customers of tier %s, more than %d",
            overload.policy_id,
            overload.account_manager_id or "(nobody)",
            overload.customers,
            overload.tier,
            overload.span_of_control,
        )
    return len(overloads)


@repeated
def follow_up(warehouse: Database, policies: Mapping[str, Policy], as_of: date) -> dict[str, int]:
    """Write what the lists of a day say; return the rows of each.

    Who is to be contacted, whose grade is provisional, how the last month's visits were spent, how service levels were
    kept, and who is served first. One transaction over all `policies`; lists of any other policy go. A policy that
    states nothing of the kind writes nothing. Raises TieringError when the facts do not reach the day.
    """
    from sql.follow_ups import (
        drop_other_lists,
        write_follow_ups,
        write_provisional_grades,
        write_service_levels,
        write_visit_plan,
    )
    from sql.queues import drop_other_queues, write_queue

    with kept_open(warehouse):
        _check_reach(warehouse, as_of, "list of")
        with connected(warehouse, "tiering_warehouse") as connection:
            due = sum(write_follow_ups(connection, policy, as_of) for policy in policies.values())
            grades = sum(write_provisional_grades(connection, policy, as_of) for policy in policies.values())
            drop_other_lists(connection, as_of)
            plans = sum(write_visit_plan(connection, policy, as_of) for policy in policies.values())
            levels = sum(write_service_levels(connection, policy, as_of) for policy in policies.values())
            queued = sum(write_queue(connection, policy, as_of) for policy in policies.values())
            drop_other_queues(connection, as_of)
        return {
            "follow_ups": due,
            "provisional_grades": grades,
            "visit_plans": plans,
            "service_levels": levels,
            "queued": queued,
        }


@repeated
def export_queues(warehouse: Database, settings: Settings) -> dict[str, int]:
    """Write the order in which callers are served, as it stands, as CSV files; return the rows by file."""
    from sql.queues import export_queues as export

    return export(warehouse, settings.export_dir)


@repeated
def evaluate(warehouse: Database, policies: Mapping[str, Policy], year: int) -> dict[str, int]:
    """Evaluate a year of every policy that was published before it began; return the rows of each.

    One transaction per policy. Whoever publishes classes, or was published later, is named in the log and left out.
    Raises TieringError when the facts do not reach the end of the year.
    """
    from sql.evaluation import evaluate_policy

    last_day = date(year, 12, 31)
    rows = {"policies": 0, "effects": 0, "figures": 0}
    with kept_open(warehouse):
        _check_reach(warehouse, last_day, "evaluation through")
        for name, policy in sorted(policies.items()):
            if policy.publishes != "tier" or not _is_published_before(warehouse, name, date(year, 1, 1)):
                log.info("policy %s: it published no tiers before %d, and is not evaluated", name, year)
                continue
            done = evaluate_policy(warehouse, name, year=year)
            rows["policies"] += 1
            rows["effects"] += len(done.effects)
            rows["figures"] += len(done.figures)
    return rows


def _is_published_before(warehouse: Database, policy_id: str, day: date) -> bool:
    from sql.statements import run

    with connected(warehouse, "tiering_warehouse") as connection:
        key = {"policy_id": policy_id, "as_of": day}
        return run(connection, "warehouse/read_published_day_before.sql", key).first() is not None


@repeated
def watch_credit(warehouse: Database, policies: Mapping[str, Policy], as_of: date, currency: str) -> dict[str, int]:
    """Write what is owed as of a day, and how accounts stand against the limits in force; return the rows of each.

    One transaction over all `policies`. Raises TieringError when the facts do not reach the day, or documents less
    money are not the balance.
    """
    from sql.credit import drop_other_exposures, write_exposures
    from sql.facts import facts_batch_no
    from sql.receivables import prune_positions, write_positions

    with kept_open(warehouse):
        _check_reach(warehouse, as_of, "credit of")
        with connected(warehouse, "tiering_warehouse") as connection:
            # A policy is locked before the receivables, as a publication does it, so that neither waits for the other.
            watched = [policy for _, policy in sorted(policies.items()) if policy.credit is not None]
            exposures = sum(write_exposures(connection, policy, as_of, currency) for policy in watched)
            drop_other_exposures(connection, as_of)
            positions = write_positions(connection, as_of, facts_batch_no(connection))
            prune_positions(connection)
        return {"positions": positions, "exposures": exposures}


def _check_reach(warehouse: Database, as_of: date, what: str) -> None:
    through = covered_through(warehouse)
    if through is None or through < as_of:
        reach = f"which reach {through}" if through else "and none were loaded"
        raise TieringError(f"the {what} {as_of} needs the facts of that day, {reach}; run customer_facts first")


@repeated
def prune(owner: Database, settings: Settings, day: date, run_id: str = "by hand") -> dict[str, int]:
    """Remove what the settings keep no longer, counted from a business day; return the rows by kind.

    `owner` is the warehouse as the user who owns its tables.
    """
    from sql.retention import prune as prune_warehouse

    with kept_open(owner):
        pruned = prune_warehouse(owner, settings.keep, day, settings.zone, run_id)
    log.info("pruned: %s", ", ".join(f"{what} {rows}" for what, rows in pruned.items()) or "everything is kept")
    return pruned


@repeated
def write_reports(warehouse: Database, settings: Settings, now: datetime | None = None) -> dict[str, int]:
    """Write the digests of everything published since the last ones into the outbox; return counts."""
    from reports.mail import interpreter_is_header_safe
    from sql.digests import write_digests

    if not interpreter_is_header_safe():
        log.warning(
            "this Python lets an encoded word break a mail header (CVE-2024-6923); ours are guarded, update it anyway"
        )
    written = write_digests(
        warehouse,
        currency=settings.reporting_currency,
        domain=settings.domain,
        sender=settings.sender,
        fallback_address=settings.fallback_manager,
        credit_controller=settings.credit_controller,
        credit_controller_locale=settings.credit_controller_locale,
        general_manager=settings.general_manager,
        general_manager_locale=settings.general_manager_locale,
        today=now,
        stale_after_days=settings.stale_after_days,
        follow_ups_on=settings.follow_ups_weekday,
        timezone=settings.zone,
    )
    return {
        "mails": written.mails,
        "quiet": written.quiet,
        "without_address": written.without_address,
        "corrections": written.corrections,
    }


def send_reports(warehouse: Database, settings: Settings, server: Any) -> dict[str, int]:
    """Send the outbox (or write it to the mail folder when there is no server); return mails by status.

    Not repeated: what a server accepted must not go out again because its mark was lost.
    """
    from sql.outbox import Pace, send_outbox

    sent = send_outbox(warehouse, server, settings.mail_dir, Pace(settings.mails_per_minute))
    if sent.counts:
        said = ", ".join(f"{status} {number}" for status, number in sorted(sent.counts.items()))
        log.info("mails: %s; sent again after an answer was lost: %d", said, sent.resent)
    return sent.counts
