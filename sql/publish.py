"""Publish: stage what a run decided, ask who must be asked, and put everything into force in one transaction."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from sql.connect import Database, connected, read_arrow, write_arrow
from sql.errors import SupersedingInput, TieringError
from sql.facts import analyze, lock, rebuild
from sql.measure import Measurement
from sql.statements import render, run
from transforms.calendar import next_on_calendar
from transforms.changes import direction_of, find_drivers, restore_indicators
from transforms.decide import COMPONENT_COLUMNS, DECISION_COLUMNS, Decided, run_input_hash
from transforms.fold import SPELL_COLUMNS, Folded, fold_history
from transforms.policy import Policy, parse_policy


@dataclass(frozen=True)
class Run:
    """A run of a policy on a day. `is_noop`: the day is published on the same input already."""

    policy_id: str
    as_of: date
    revision: int
    run_id: str
    attempt: int
    policy_version: str
    input_hash: str
    facts_batch_no: int
    facts_through: date
    is_noop: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class Review:
    """What publishing would move, and why somebody must be asked (no requests: nobody)."""

    counts: dict[str, int]
    requests: tuple[str, ...] = ()
    asked_of: tuple[str, ...] = ()
    is_held: bool = False


@dataclass(frozen=True)
class Publication:
    """What a publication did: `published`, or `noop` when the day stood already."""

    run_id: str
    status: str
    counts: dict[str, int] = field(default_factory=dict)


def run_id_of(policy_id: str, as_of: date, revision: int) -> str:
    """Return the id of a run: equal for equal policy, day and revision."""
    return hashlib.sha256(f"{policy_id}\x1f{as_of}\x1f{revision}".encode()).hexdigest()[:32]


def stage_decisions(
    warehouse: Database,
    policy: Policy,
    measurement: Measurement,
    facts_through: date,
    decided: Decided,
    *,
    restate: str | None = None,
) -> Run:
    """Keep what a run decided in schema work, under a new try of its run; nothing is published yet.

    A published day with equal input gives a run that `is_noop`. Raises SupersedingInput when a published day
    would be decided on other input, unless `restate` gives the reason; that is the next revision.
    """
    as_of = measurement.as_of
    input_hash = run_input_hash(policy, decided.decisions)
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, f"policy:{policy.id}")
        known = run(connection, "warehouse/read_run.sql", {"policy_id": policy.id, "as_of": as_of}).all()
        # A restatement that was held or refused stands above the revision in force, which alone counts here.
        last = next((row for row in known if row.status == "published"), None)
        revision, noop = 1, False
        if last is not None:
            revision = int(last.revision)
            noop = last.input_hash == input_hash
            if not noop:
                if not restate:
                    raise SupersedingInput(
                        f"policy {policy.id}: {as_of} is published, and "
                        + ("the policy" if last.policy_version != policy.version else "the facts")
                        + " behind it changed since; to publish it again, give a reason (parameter restate)"
                    )
                revision += 1
        run_id = run_id_of(policy.id, as_of, revision)
        run(
            connection,
            "warehouse/insert_attempt.sql",
            {"run_id": run_id, "started_at": datetime.now(UTC), "host": platform.node()},
        )
        attempt = int(run(connection, "warehouse/read_attempt.sql", {"run_id": run_id}).scalar_one())
        if not noop:
            for table in ("decided", "component"):
                run(connection, "warehouse/delete_decided.sql", {"run_id": run_id}, table=table)
            write_arrow(connection, "work.decided", _with_run(decided.decisions, DECISION_COLUMNS, run_id))
            write_arrow(connection, "work.component", _with_run(decided.components, COMPONENT_COLUMNS, run_id))
            analyze(connection, "work.decided")
            analyze(connection, "work.component")
        this = Run(
            policy.id,
            as_of,
            revision,
            run_id,
            attempt,
            policy.version,
            input_hash,
            measurement.facts_batch_no,
            facts_through,
            noop,
            restate,
        )
        if noop:
            _finish(connection, this, "noop")
    return this


def _with_run(frame: pd.DataFrame, columns: Mapping[str, Any], run_id: str) -> pa.Table:
    table = pa.Table.from_pandas(frame[list(columns)], preserve_index=False)
    return table.append_column("run_id", pa.array([run_id] * len(frame), pa.string()))


def review_run(warehouse: Database, policy: Policy, this: Run) -> Review:
    """Count what the run would move and record the requests to people that its policy makes.

    New customers do not count as moved. A request that stands already is not made twice.
    """
    with connected(warehouse, "tiering_warehouse") as connection:
        rebuild(connection, "approved_tier", {"tier": "TEXT"})
        approve = policy.review.approve
        for tier in approve.tiers if approve else []:
            run(connection, "warehouse/insert_approved_tier.sql", {"tier": tier})
        row = run(
            connection,
            "warehouse/read_review_numbers.sql",
            {"policy_id": policy.id, "as_of": this.as_of, "run_id": this.run_id},
        ).one()
        counts = {name: int(value) for name, value in row._mapping.items()}
        requests: list[str] = []
        asked_of: list[str] = []
        if approve and counts["need_approval"]:
            requests.append(f"{counts['need_approval']} customers in {', '.join(approve.tiers)}")
            asked_of += approve.by
        breaker = policy.review.breaker
        is_held = bool(
            breaker
            and counts["graded_before"]
            and counts["moved"] + counts["disappeared"] > breaker.moved_share * counts["graded_before"]
        )
        if is_held and breaker:
            requests.append(
                f"circuit breaker: {counts['moved']} of {counts['graded_before']} customers would move and "
                f"{counts['disappeared']} disappear, more than {breaker.moved_share * 100:.0f} %"
            )
            asked_of += [role for role in ["policy_owner"] if role not in asked_of]
        for request in requests:
            run(
                connection,
                "warehouse/insert_approval.sql",
                {
                    "approval_id": f"{_subject_of(this, request)}-{this.attempt}",
                    "subject": f"{_subject_of(this, request)}-%",
                    "policy_id": policy.id,
                    "as_of": this.as_of,
                    "revision": this.revision,
                    "run_id": this.run_id,
                    "request": request,
                    "asked_of": ", ".join(asked_of),
                    "asked_at": datetime.now(UTC),
                },
            )
        if is_held:
            _write_run(connection, this, "held", counts, requests[-1])
    return Review(counts, tuple(requests), tuple(asked_of), is_held)


def _subject_of(this: Run, request: str) -> str:
    """Return what a request is about: an answer holds for this run on this input, and for nothing else."""
    return hashlib.sha256(f"{this.run_id}\x1f{this.input_hash}\x1f{request}".encode()).hexdigest()[:32]


def answer_requests(warehouse: Database, this: Run, answered_by: str, *, approved: bool, comment: str = "") -> None:
    """Record the answer to the run's open requests; a refusal ends the run, the last publication stays."""
    with connected(warehouse, "tiering_warehouse") as connection:
        run(
            connection,
            "warehouse/answer_approval.sql",
            {
                "run_id": this.run_id,
                "answered_by": answered_by,
                "answered_at": datetime.now(UTC),
                "answer": "approved" if approved else "rejected",
                "comment": comment or None,
            },
        )
        if not approved:
            _write_run(connection, this, "rejected", {}, f"refused by {answered_by}")
            _finish(connection, this, "rejected")


def _write_run(
    connection: Connection,
    this: Run,
    status: str,
    counts: Mapping[str, int],
    reason: str | None,
    digest: str | None = None,
) -> None:
    run(connection, "warehouse/delete_run.sql", {"run_id": this.run_id})
    run(
        connection,
        "warehouse/insert_run.sql",
        {
            "run_id": this.run_id,
            "policy_id": this.policy_id,
            "as_of": this.as_of,
            "revision": this.revision,
            "status": status,
            "policy_version": this.policy_version,
            "input_hash": this.input_hash,
            "facts_batch_no": this.facts_batch_no,
            "facts_through": this.facts_through,
            "decided_customers": counts.get("graded_now"),
            "excluded_customers": counts.get("excluded_now"),
            "moved_customers": counts.get("moved"),
            "new_customers": counts.get("appeared"),
            "left_customers": counts.get("disappeared"),
            "reason": reason or this.reason,
            "published_at": datetime.now(UTC) if status == "published" else None,
            "digest_id": digest,
        },
    )


def _finish(
    connection: Connection, this: Run, outcome: str, error: str | None = None, timings: str | None = None
) -> None:
    run(
        connection,
        "warehouse/finish_attempt.sql",
        {
            "run_id": this.run_id,
            "attempt": this.attempt,
            "finished_at": datetime.now(UTC),
            "outcome": outcome,
            "error": error,
            "timings": timings,
        },
    )


def fail_attempt(warehouse: Database, this: Run, error: str) -> None:
    """Record that a try of a run failed; `error` holds no customer data."""
    with connected(warehouse, "tiering_warehouse") as connection:
        _finish(connection, this, "failed", error[:500])


def publish_run(warehouse: Database, policy: Policy, this: Run, review: Review) -> Publication:
    """Put a staged run into force: decisions, history, absences, changes and current tiers, in one transaction.

    Running it again changes nothing. Raises TieringError when the run has an unanswered or refused request, or
    a newer try of the run has started (this one is stale).
    """
    started = time.perf_counter()
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, f"policy:{policy.id}")
        newest = int(run(connection, "warehouse/read_attempt.sql", {"run_id": this.run_id}).scalar_one())
        if newest != this.attempt:
            raise TieringError(
                f"policy {policy.id} {this.as_of}: try {this.attempt} is stale, try {newest} has started; "
                "nothing was published"
            )
        known = run(connection, "warehouse/read_run.sql", {"policy_id": policy.id, "as_of": this.as_of})
        if any(row.run_id == this.run_id and row.status == "published" for row in known):
            _finish(connection, this, "noop")
            return Publication(this.run_id, "noop")
        _check_answers(connection, policy, this, review)
        _keep_policy(connection, policy)
        key = {"policy_id": policy.id, "as_of": this.as_of, "revision": this.revision, "run_id": this.run_id}
        for statement in ("insert_decisions", "insert_exclusions", "insert_components"):
            run(connection, f"warehouse/{statement}.sql", key)
        following = run(
            connection, "warehouse/read_published_days.sql", {"policy_id": policy.id, "from_day": this.as_of}
        ).all()
        later = {row.as_of: row for row in following if row.as_of > this.as_of}
        _write_run(connection, this, "published", review.counts, None, "none" if later else None)
        days = {this.as_of: this.run_id, **{day: row.run_id for day, row in later.items()}}
        folded = _fold(connection, policy, this, days)
        _write_changes(connection, policy, this, folded, later)
        _write_current(connection, policy, this, later)
        for table in ("decided", "component"):
            run(connection, "warehouse/delete_decided.sql", {"run_id": this.run_id}, table=table)
        seconds = {"publish": round(time.perf_counter() - started, 3)}
        _finish(connection, this, "published", timings=json.dumps(seconds))
    return Publication(this.run_id, "published", review.counts)


def _check_answers(connection: Connection, policy: Policy, this: Run, review: Review) -> None:
    rows = run(connection, "warehouse/read_approvals.sql", {"run_id": this.run_id})
    answers = {row.approval_id.partition("-")[0]: row for row in rows}
    for request in review.requests:
        answer = answers.get(_subject_of(this, request))
        if answer is None or answer.answer != "approved":
            state = "refused" if answer is not None and answer.answer == "rejected" else "not answered"
            raise TieringError(
                f"policy {policy.id} {this.as_of}: {state}: {request}; "
                "nothing was published, the last publication stays"
            )


def _keep_policy(connection: Connection, policy: Policy) -> None:
    version = {"policy_id": policy.id, "policy_version": policy.version}
    run(
        connection,
        "warehouse/insert_policy_version.sql",
        {
            **version,
            "policy_text": policy.text,
            "effective_from": policy.effective_from,
            "first_used_at": datetime.now(UTC),
        },
    )
    for tier in policy.tiers:
        titles = policy.tier_titles.get(tier, {})
        actions = policy.actions.get(tier)
        run(
            connection,
            "warehouse/insert_tier_definition.sql",
            {
                **version,
                "tier": tier,
                "tier_rank": policy.rank_of(tier),
                "title_en": titles.get("en"),
                "title_zh": titles.get("zh"),
                "rule": policy.rule_of(tier),
                "actions": json.dumps(actions, ensure_ascii=False, sort_keys=True) if actions else None,
            },
        )


def _frame(connection: Connection, name: str, parameters: dict[str, Any]) -> pd.DataFrame:
    frame = read_arrow(connection, render(name), parameters).to_pandas(types_mapper=pd.ArrowDtype).astype(object)
    return frame.where(frame.notna(), None)


def _fold(connection: Connection, policy: Policy, this: Run, days: dict[date, str]) -> Folded:
    """Fold from the run's day on, and write what differs from the history that stands."""
    standing = _frame(connection, "warehouse/read_affected_spells.sql", {"policy_id": policy.id, "as_of": this.as_of})
    found = _frame(connection, "warehouse/read_decided.sql", {"run_id": this.run_id})
    found["as_of"] = this.as_of
    if len(days) > 1:
        later = _frame(connection, "warehouse/read_found.sql", {"policy_id": policy.id, "as_of": this.as_of})
        found = pd.concat([found, later], ignore_index=True)
    found["tier"] = found["computed_tier"]
    before = standing[pd.Series([day < this.as_of for day in standing["valid_from"]], dtype=bool)]
    folded = fold_history(days, before, found)
    new = _rows(folded.spells)
    old = _rows(standing)
    ended = [row for key, row in old.items() if new.get(key) != row]
    begun = [row for key, row in new.items() if old.get(key) != row]
    _replace(connection, policy, ended, begun)
    return folded


_SPELL_TYPES = {
    **dict.fromkeys(["customer_id", "tier", "computed_tier", "status", "reason"], pa.string()),
    **dict.fromkeys(["valid_from", "valid_to"], pa.date32()),
    "run_id": pa.string(),
}


def _rows(spells: pd.DataFrame) -> dict[tuple[str, date], tuple[Any, ...]]:
    rows = {}
    for row in spells[SPELL_COLUMNS].itertuples(index=False, name=None):
        # An absence is no run's: its run does not count when two are compared.
        plain = row if row[1] is not None else (*row[:-1], None)
        rows[plain[0], plain[5]] = plain
    return rows


def _replace(
    connection: Connection, policy: Policy, ended: list[tuple[Any, ...]], begun: list[tuple[Any, ...]]
) -> None:
    rebuild(connection, "ended_spell", {"customer_id": "TEXT", "valid_from": "DATE"})
    write_arrow(
        connection,
        "work.ended_spell",
        pa.table(
            {
                "customer_id": pa.array([row[0] for row in ended], pa.string()),
                "valid_from": pa.array([row[5] for row in ended], pa.date32()),
            }
        ),
    )
    for table in ("customer_tier_history", "absence"):
        run(connection, "warehouse/delete_spells.sql", {"policy_id": policy.id}, table=table)
    columns = dict(zip(SPELL_COLUMNS, zip(*begun, strict=True), strict=True)) if begun else {}
    if not columns:
        return
    table = pa.table({name: pa.array(list(values), _SPELL_TYPES[name]) for name, values in columns.items()})
    table = table.append_column("policy_id", pa.array([policy.id] * table.num_rows, pa.string()))
    is_spell = pc.is_valid(table["tier"])
    spells = table.filter(is_spell).drop_columns(["reason"])
    absences = table.filter(pc.invert(is_spell)).select(
        ["policy_id", "customer_id", "reason", "valid_from", "valid_to"]
    )
    write_arrow(connection, "tiering.customer_tier_history", spells)
    write_arrow(connection, "tiering.absence", absences)


def _write_changes(
    connection: Connection, policy: Policy, this: Run, folded: Folded, later: Mapping[date, Any]
) -> None:
    """Write the change rows from the run's day on; a row that stands unchanged is left alone."""
    standing = {
        (row.customer_id, row.as_of): tuple(row)
        for row in run(connection, "warehouse/read_standing_changes.sql", {"policy_id": policy.id, "as_of": this.as_of})
    }
    new: dict[tuple[str, date], dict[str, Any]] = {}
    for day, moves in folded.moves.groupby("as_of"):
        revision, run_id, version = this.revision, this.run_id, this.policy_version
        if day in later:
            row = later[day]
            revision, run_id, version = row.revision, row.run_id, row.policy_version
        for change in _changes_of_day(connection, policy, day, moves, revision, version):
            new[change["customer_id"], day] = {**change, "as_of": day, "revision": revision, "run_id": run_id}
    names = ("customer_id", "as_of", "from_tier", "to_tier", "direction", "cause", "drivers")
    wanted = {key: tuple(change[name] for name in names) for key, change in new.items()}
    withdrawn = [key for key, row in standing.items() if wanted.get(key) != row]
    fresh = [change for key, change in new.items() if standing.get(key) != wanted[key]]
    now = datetime.now(UTC)
    rebuild(connection, "withdrawn_change", {"customer_id": "TEXT", "as_of": "DATE"})
    write_arrow(
        connection,
        "work.withdrawn_change",
        pa.table(
            {
                "customer_id": pa.array([key[0] for key in withdrawn], pa.string()),
                "as_of": pa.array([key[1] for key in withdrawn], pa.date32()),
            }
        ),
    )
    run(connection, "warehouse/supersede_changes.sql", {"policy_id": policy.id, "recorded_at": now})
    if fresh:
        types = {"as_of": pa.date32(), "revision": pa.int32(), "recorded_at": pa.timestamp("us", tz="UTC")}
        rows = [{**change, "policy_id": policy.id, "recorded_at": now} for change in fresh]
        write_arrow(
            connection,
            "tiering.tier_change",
            pa.table({name: pa.array([row[name] for row in rows], types.get(name, pa.string())) for name in rows[0]}),
        )


def _changes_of_day(
    connection: Connection, current: Policy, day: date, moves: pd.DataFrame, revision: int, version: str
) -> list[dict[str, Any]]:
    policy = current if version == current.version else _policy_as_it_ran(connection, current.id, version)
    rebuild(connection, "moved", {"customer_id": "TEXT"})
    write_arrow(connection, "work.moved", pa.table({"customer_id": pa.array(list(moves["customer_id"]), pa.string())}))
    key = {"policy_id": policy.id, "as_of": day, "revision": revision}
    managers: dict[str, str | None] = {
        row.customer_id: row.account_manager_id for row in run(connection, "warehouse/read_managers.sql", key)
    }
    before_day = run(
        connection, "warehouse/read_published_day_before.sql", {"policy_id": policy.id, "as_of": day}
    ).first()
    now = _moved_indicators(connection, policy, key)
    before = now.iloc[:0]
    if before_day is not None:
        earlier = {"policy_id": policy.id, "as_of": before_day.as_of, "revision": before_day.revision}
        before = _moved_indicators(connection, policy, earlier)
        for row in run(connection, "warehouse/read_managers.sql", earlier):
            managers.setdefault(row.customer_id, row.account_manager_id)
    same = before_day is None or before_day.policy_version == version
    found = find_drivers(policy, moves, now, before, same_policy=same)
    changes = []
    for move in moves.itertuples():
        cause, drivers = found[move.customer_id]
        changes.append(
            {
                "customer_id": move.customer_id,
                "from_tier": move.from_tier,
                "to_tier": move.to_tier,
                "direction": direction_of(policy, move.from_tier, move.to_tier),
                "cause": cause,
                "drivers": json.dumps(drivers, ensure_ascii=False),
                "account_manager_id": managers.get(move.customer_id),
            }
        )
    return changes


def _moved_indicators(connection: Connection, policy: Policy, key: dict[str, Any]) -> pd.DataFrame:
    rows = run(connection, "warehouse/read_components_of_moved.sql", key).all()
    components = pd.DataFrame(rows, columns=["customer_id", "indicator", "value", "value_text"], dtype=object)
    return restore_indicators(policy, components)


def _policy_as_it_ran(connection: Connection, policy_id: str, version: str) -> Policy:
    text = run(
        connection, "warehouse/read_policy_text.sql", {"policy_id": policy_id, "policy_version": version}
    ).scalar_one()
    return parse_policy(text, f"{policy_id} as it ran")


def _write_current(connection: Connection, policy: Policy, this: Run, later: Mapping[date, Any]) -> None:
    run(connection, "warehouse/delete_customer_tier.sql", {"policy_id": policy.id})
    latest = max(later) if later else this.as_of
    row = later.get(latest)
    run(
        connection,
        "warehouse/insert_customer_tier.sql",
        {
            "policy_id": policy.id,
            "as_of": latest,
            "revision": row.revision if row is not None else this.revision,
            "run_id": row.run_id if row is not None else this.run_id,
            "policy_version": row.policy_version if row is not None else this.policy_version,
            "next_review_on": next_on_calendar(policy.as_of, latest),
        },
    )
