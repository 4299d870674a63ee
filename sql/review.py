"""Review: what publishing a run would move, who must be asked before, and what they answered."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from sql.connect import Database, connected, write_arrow
from sql.errors import TieringError
from sql.history import Day, fold, read_differing
from sql.plan import planned_budget
from sql.runs import Run, closed_through, finish_attempt, write_run
from sql.statements import run
from transforms.fold import ERASED, LEFT, SPELL_COLUMNS
from transforms.history import STATE_COLUMNS
from transforms.overrides import OVERRIDDEN
from transforms.policy import Policy

RELEASE = "release"
"""The task that asks the policy's owner to let a held publication go."""
OWNER = "policy_owner"
_NOBODY = pd.DataFrame(columns=["customer_id", "tier_before", "tier", "asked_tier"], dtype=object)


def asking_task(role: str) -> str:
    """Return the task that asks a role for its word on tiers."""
    return f"approve_{role}"


@dataclass(frozen=True)
class Request:
    """One question to one role, asked by one task; `step` is its place among those of the run."""

    step: int
    task: str
    asked_of: str
    text: str


@dataclass(frozen=True)
class Review:
    """What publishing would move, and why somebody must be asked (no requests: nobody).

    `is_held`: the publication waits for the policy's owner, whatever it is about.
    """

    counts: dict[str, int]
    requests: tuple[Request, ...] = field(default=())
    is_held: bool = False


def review_run(warehouse: Database, policy: Policy, this: Run) -> Review:
    """Count what the run would move and record the requests to people that its policy makes.

    New customers do not count as moved, nor do those set by hand. A request that stands already is not made twice,
    and one that was approved for the same input not at all; after a refusal everybody is asked again.
    """
    with connected(warehouse, "tiering_warehouse") as connection:
        preview, moves = _NOBODY, list[Any]()
        if policy.publishes == "tier":
            customers = read_differing(connection, policy, this)
            if customers is not None:
                moves = list(run(connection, "warehouse/count_moves.sql", {"run_id": this.run_id}))
            preview = _preview(connection, policy, this, customers)
            counts = _counts(preview, moves)
        else:
            counts = _counts_of_classes(connection, this)
        held = [
            *_closed_reason(connection, this),
            *_breaker_reasons(policy, preview, moves, counts),
            *_budget_reasons(connection, policy, this),
        ]
        requests = [Request(1, RELEASE, OWNER, text) for text in held]
        approve = policy.review.approve
        asked = preview[preview["asked_tier"].notna()]
        if approve is not None and len(asked):
            among = set(asked["asked_tier"])
            text = f"{len(asked)} customers in {', '.join(tier for tier in approve.tiers if tier in among)}"
            first = 1 if held else 0
            requests += [
                Request(first + place, asking_task(role), role, text) for place, role in enumerate(approve.by, 1)
            ]
        known = _answers(connection, this)
        said = {request: known.get(_subject_of(this, request)) for request in requests}
        answered = [request for request in requests if said[request] == "approved" and "rejected" not in said.values()]
        if not any(request.task != RELEASE for request in answered):
            _write_asked(connection, policy, this, asked)  # else somebody answered about these customers already
        requests = [request for request in requests if request not in answered]
        held = [request.text for request in requests if request.task == RELEASE]
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
                    "step": request.step,
                    "request": request.text,
                    "asked_of": request.asked_of,
                    "asked_at": datetime.now(UTC),
                },
            )
        if held:
            write_run(connection, this, "held", counts, "; ".join(held))
    return Review(counts, tuple(requests), bool(held))


def _preview(connection: Connection, policy: Policy, this: Run, customers: Collection[str] | None) -> pd.DataFrame:
    """Return how the run alone would move `customers` (None: everybody): one row per account known before or now.

    Columns customer_id, tier_before, status_before, tier, status, reason, asked_tier. `tier` is the one that stands
    once everybody who is asked agrees.
    """
    day = Day(this.as_of, this.revision, this.run_id, this.policy_version)
    done = fold(connection, policy, {this.as_of: day}, this.as_of, staged=this.run_id, customers=customers)
    spells = pd.DataFrame(list(done.spells_before.values()), columns=SPELL_COLUMNS, dtype=object)
    before = spells[np.array([begun < this.as_of for begun in spells["valid_from"]], dtype=bool)]
    now = done.folded.spells[done.folded.spells["valid_to"].isna()]
    states = pd.DataFrame(list(done.states.values()), columns=STATE_COLUMNS, dtype=object)
    asked = states[states["valid_to"].isna() & states["asked_tier"].notna()]
    met = before[["customer_id", "tier", "status"]].merge(
        now[["customer_id", "tier", "status", "reason"]],
        how="outer",
        on="customer_id",
        suffixes=("_before", ""),
        validate="one_to_one",
    )
    met = met.merge(asked[["customer_id", "asked_tier"]], how="left", on="customer_id", validate="one_to_one")
    met = met.astype(object).where(met.notna(), None)
    is_asked = met["asked_tier"].notna() & (met["status"] != OVERRIDDEN)
    return met.assign(tier=met["asked_tier"].where(is_asked, met["tier"]))


def _counts(preview: pd.DataFrame, moves: Iterable[Any]) -> dict[str, int]:
    """Count what would move; `moves`: those that are not in the preview (tier_before, tier, is_excluded, customers)."""
    before, now = preview["tier_before"].notna(), preview["tier"].notna()
    by_hand = (preview["status_before"] == OVERRIDDEN) | (preview["status"] == OVERRIDDEN)
    found = {
        "graded_before": before,
        "graded_now": now,
        "excluded_now": ~now & preview["reason"].notna() & ~preview["reason"].isin([LEFT, ERASED]),
        "moved": before & now & ~by_hand & (preview["tier_before"] != preview["tier"]),
        "appeared": ~before & now,
        "disappeared": before & ~now,
        "need_approval": preview["asked_tier"].notna(),
    }
    counts = {name: int(rows.sum()) for name, rows in found.items()}
    for move in moves:
        was, stands, customers = move.tier_before is not None, move.tier is not None, int(move.customers)
        counts["graded_before"] += was * customers
        counts["graded_now"] += stands * customers
        counts["excluded_now"] += move.is_excluded * customers
        counts["moved"] += (was and stands and move.tier_before != move.tier) * customers
        counts["appeared"] += (stands and not was) * customers
        counts["disappeared"] += (was and not stands) * customers
    return counts


def _counts_of_classes(connection: Connection, this: Run) -> dict[str, int]:
    row = run(connection, "warehouse/count_classes.sql", {"run_id": this.run_id}).one()
    return {
        **dict.fromkeys(("graded_before", "moved", "appeared", "disappeared", "need_approval"), 0),
        "graded_now": int(row.graded),
        "excluded_now": int(row.excluded),
    }


def _closed_reason(connection: Connection, this: Run) -> list[str]:
    """Return why the run needs the owner's word because its day is closed: one reason, or none."""
    closed = closed_through(connection, this.policy_id)
    if closed is None or this.as_of > closed.closed_through:
        return []
    return [
        f"closed period: {closed.closed_by} closed everything through {closed.closed_through}; "
        f"it would change because: {this.reason}"
    ]


def _breaker_reasons(policy: Policy, preview: pd.DataFrame, moves: Sequence[Any], counts: dict[str, int]) -> list[str]:
    """Return why the circuit breaker holds a publication, with the numbers."""
    reasons: list[str] = []
    breaker = policy.review.breaker
    if breaker is None or not counts["graded_before"]:
        return reasons
    share = breaker.moved_share
    if share is not None and counts["moved"] + counts["disappeared"] > share * counts["graded_before"]:
        reasons.append(
            f"circuit breaker: {counts['moved']} of {counts['graded_before']} customers would move and "
            f"{counts['disappeared']} disappear, more than {share * 100:.0f} %"
        )
    if breaker.limit_share is not None:
        limits = policy.stated_limits
        before, now = (
            sum((Decimal(limits.get(tier, 0)) for tier in preview[column].dropna()), Decimal(0))
            + sum(Decimal(limits.get(getattr(move, column) or "", 0)) * move.customers for move in moves)
            for column in ("tier_before", "tier")
        )
        if abs(now - before) > breaker.limit_share * before:
            reasons.append(
                f"circuit breaker: the limits that tiers state would change from {before} to {now} in total, "
                f"more than {breaker.limit_share * 100:.0f} %"
            )
    return reasons


def _budget_reasons(connection: Connection, policy: Policy, this: Run) -> list[str]:
    """Return why the circuit breaker holds a publication whose budget of credit is not what was allocated before."""
    breaker = policy.review.breaker
    planned = planned_budget(connection, policy, this.as_of, this.facts_batch_no).budget
    if breaker is None or breaker.limit_share is None or planned is None:
        return []
    key = {"policy_id": policy.id, "as_of": this.as_of}
    before = run(connection, "warehouse/read_budget_before.sql", key).scalar()
    if before is None or abs(planned - Fraction(before)) <= Fraction(breaker.limit_share) * Fraction(before):
        return []
    return [
        f"circuit breaker: the budget of credit would change from {Decimal(before):.2f} to "
        f"{Decimal(planned.numerator) / planned.denominator:.2f}, "
        f"more than {breaker.limit_share * 100:.0f} %"
    ]


def _write_asked(connection: Connection, policy: Policy, this: Run, asked: pd.DataFrame) -> None:
    run(connection, "warehouse/delete_asked.sql", {"run_id": this.run_id})
    rows = len(asked)
    columns = {name: pa.array(asked[name], pa.string()) for name in ("customer_id", "asked_tier", "tier_before")}
    columns["run_id"] = pa.array([this.run_id] * rows, pa.string())
    columns["policy_id"] = pa.array([policy.id] * rows, pa.string())
    columns["as_of"] = pa.array([this.as_of] * rows, pa.date32())
    write_arrow(connection, "tiering.approval_customer", pa.table(columns))


def _subject_of(this: Run, request: Request) -> str:
    """Return what a request is about: an answer holds for this run on this input, and for nothing else."""
    parts = (this.run_id, this.input_hash, request.asked_of, request.text)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def answer_requests(
    warehouse: Database,
    this: Run,
    answered_by: str,
    *,
    approved: bool,
    comment: str = "",
    of: Collection[Request] | None = None,
    but_not: Sequence[str] = (),
    effective_on: date | None = None,
) -> None:
    """Record the answer to open requests of the run: of `of`, by default of all.

    `but_not`: customers who are refused the tier that is asked for, while the others get it. `effective_on`: the day
    from which the answer counts where the run is published meanwhile; without it, a refusal ends the run, and the
    last publication stays.
    Raises TieringError when nobody was asked about one of `but_not`.
    """
    with connected(warehouse, "tiering_warehouse") as connection:
        answer = {
            "run_id": this.run_id,
            "answered_by": answered_by,
            "answered_at": datetime.now(UTC),
            "answer": "approved" if approved else "rejected",
            "comment": comment or None,
        }
        if of is None or not approved:
            run(connection, "warehouse/answer_approval.sql", answer, of_one=False)
        else:
            for request in of:
                key = {**answer, "subject": f"{_subject_of(this, request)}-%"}
                run(connection, "warehouse/answer_approval.sql", key, of_one=True)
        said = {"run_id": this.run_id, "effective_on": effective_on or this.as_of, "is_approved": False}
        for customer_id in but_not if approved else ():
            one = run(connection, "warehouse/answer_customers.sql", {**said, "customer_id": customer_id}, of_one=True)
            if not one.rowcount:
                raise TieringError(
                    f"policy {this.policy_id} {this.as_of}: nobody was asked about customer {customer_id}; "
                    "name customers of tiering.approval_customer, with commas between them"
                )
        if not approved and effective_on is not None:
            run(connection, "warehouse/answer_customers.sql", said, of_one=False)
        elif not approved:
            write_run(connection, this, "rejected", {}, f"refused by {answered_by}")
            finish_attempt(connection, this, "rejected")


def settle_answers(warehouse: Database, policy: Policy, this: Run, review: Review, effective_on: date) -> None:
    """Give everybody who waits the answer, once all who are asked have approved. Raises TieringError otherwise."""
    with connected(warehouse, "tiering_warehouse") as connection:
        _check(connection, policy, this, review.requests)
        said = {"run_id": this.run_id, "effective_on": effective_on, "is_approved": True}
        run(connection, "warehouse/answer_customers.sql", said, of_one=False)


def check_answers(connection: Connection, policy: Policy, this: Run, review: Review) -> None:
    """Refuse a run with a request that nobody answered, or that was refused; else give who was asked about the answer.

    Where a policy publishes meanwhile, only a held publication needs its answer. Raises TieringError, also when the
    day was closed since the run was decided.
    """
    for reason in _closed_reason(connection, this):
        request = Request(1, RELEASE, OWNER, reason)
        if request not in review.requests and _answers(connection, this).get(_subject_of(this, request)) != "approved":
            raise TieringError(
                f"policy {policy.id} {this.as_of}: {reason.partition('; ')[0]} since it was decided; nothing was "
                "published; decide again, with a reason (parameter restate)"
            )
    approve = policy.review.approve
    if approve is not None and approve.meanwhile == "pending":
        _check(connection, policy, this, [request for request in review.requests if request.task == RELEASE])
        return
    _check(connection, policy, this, review.requests)
    said = {"run_id": this.run_id, "effective_on": this.as_of, "is_approved": True}
    run(connection, "warehouse/answer_customers.sql", said, of_one=False)


def _check(connection: Connection, policy: Policy, this: Run, requests: Iterable[Request]) -> None:
    answers = _answers(connection, this)
    for request in requests:
        answer = answers.get(_subject_of(this, request))
        if answer != "approved":
            state = "refused" if answer == "rejected" else "not answered"
            raise TieringError(
                f"policy {policy.id} {this.as_of}: {state}: {request.text}; "
                "nothing was published, the last publication stays"
            )


def _answers(connection: Connection, this: Run) -> dict[str, str | None]:
    """Return the newest answer by what the request is about."""
    rows = run(connection, "warehouse/read_approvals.sql", {"run_id": this.run_id})
    return {row.approval_id.partition("-")[0]: row.answer for row in rows}
