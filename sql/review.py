"""Review: who must be asked before a run is published, and what they answered."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from sql.connect import Database, connected
from sql.errors import TieringError
from sql.facts import rebuild
from sql.runs import Run, finish_attempt, write_run
from sql.statements import run
from transforms.policy import Policy


@dataclass(frozen=True)
class Review:
    """What publishing would move, and why somebody must be asked (no requests: nobody)."""

    counts: dict[str, int]
    requests: tuple[str, ...] = ()
    asked_of: tuple[str, ...] = ()
    is_held: bool = False


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
            write_run(connection, this, "held", counts, requests[-1])
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
            write_run(connection, this, "rejected", {}, f"refused by {answered_by}")
            finish_attempt(connection, this, "rejected")


def check_answers(connection: Connection, policy: Policy, this: Run, review: Review) -> None:
    """Refuse a run with a request that nobody answered, or that was refused. Raises TieringError."""
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
