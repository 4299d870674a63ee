"""The review pack of a policy and a day: gathered in one transaction and written as a workbook."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from reports.review_pack import Reconciled, Reviewed, ReviewPack, SampledInput, SupportTask, render_pack
from sql.connect import Database, connected
from sql.errors import TieringError
from sql.facts import facts_batch_no, facts_through
from sql.people import ReviewedRun, find_run_to_review
from sql.statements import run
from transforms.calendar import add_months
from transforms.policy import Policy
from transforms.review_lists import draw_sample, evaluated_from, has_attribute, propose_settlement

_STATED = ("special_policy", "special_settlement")
"""Further attributes of customers that the lists of the pack ask for."""

SAMPLE_SIZE = 20


def write_review_pack(
    warehouse: Database,
    policy: Policy,
    as_of: date,
    folder: Path,
    *,
    language: str = "zh",
    currency: str = "CNY",
    sample_size: int = SAMPLE_SIZE,
    today: date | None = None,
) -> Path:
    """Write the review pack of a policy and a day into `folder`; return the file.

    Of the run that waits for an answer, or else the one in force. The same facts give the same bytes.
    `language`: zh or en; `today` tells whose review is due again (default: `as_of`).
    Raises TieringError when the policy publishes no tiers or the day was not decided.
    """
    with connected(warehouse, "tiering_warehouse") as connection:
        pack = gather_pack(
            connection,
            policy,
            as_of,
            language=language,
            currency=currency,
            sample_size=sample_size,
            today=today or as_of,
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"review-{policy.id}-{as_of.isoformat()}.xlsx"
    write_whole(path, render_pack(pack))
    return path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees a half of it."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def gather_pack(
    connection: Connection,
    policy: Policy,
    as_of: date,
    *,
    language: str,
    currency: str,
    sample_size: int,
    today: date,
) -> ReviewPack:
    """Return what a pack says. Raises TieringError as `write_review_pack` does."""
    if policy.publishes != "tier":
        raise TieringError(f"policy {policy.id} publishes classes; a review pack is about tiers")
    reviewed = find_run_to_review(connection, policy.id, as_of)
    through = facts_through(connection)
    if reviewed is None or through is None:
        raise TieringError(f"policy {policy.id}: {as_of} was not decided; run tier__{policy.id} for that day first")
    customers = _read_customers(connection, policy, as_of, reviewed, today)
    tiers = {customer.customer_id: customer.computed_tier for customer in customers}
    sampled = draw_sample(tiers, policy.id, as_of, sample_size)
    return ReviewPack(
        policy_id=policy.id,
        title=_titles(policy.title),
        as_of=as_of,
        is_published=reviewed.is_published,
        facts_through=through,
        currency=currency,
        tiers=tuple(policy.tiers),
        tier_titles={tier: _titles(policy.tier_titles.get(tier, {})) for tier in policy.tiers},
        customers=tuple(customers),
        tasks=tuple(
            SupportTask(_titles(task.title), as_of + timedelta(days=task.within_days))
            for task in policy.follow_up.tasks.values()
            if task.tiers and policy.tiers[0] in task.tiers
        ),
        sample=tuple(_read_sample(connection, policy, as_of, reviewed, sampled)),
        reconciliation=tuple(reconcile(connection, as_of)),
        locale=language,
    )


def _titles(words: Mapping[Any, str]) -> dict[str, str]:
    return {str(language): text for language, text in words.items()}


def reconcile(connection: Connection, as_of: date) -> list[Reconciled]:
    """Hold sales, receivables and cash against each other as of a day, per bill-to account and currency (S13e).

    Returns one row per account that does not agree to the cent and one per currency for all accounts.
    """
    key = {"as_of": as_of, "facts_batch_no": facts_batch_no(connection)}
    rows = run(connection, "warehouse/read_reconciliation.sql", key, grain="bill_to")
    found = [
        Reconciled(
            account_id=row.account_id,
            currency=row.currency,
            invoiced=Decimal(row.invoiced),
            booked=Decimal(row.booked),
            collected=Decimal(row.collected),
            open_amount=Decimal(row.open_amount),
            on_account=Decimal(row.on_account),
            sales_difference=Decimal(row.sales_difference),
            cash_difference=Decimal(row.cash_difference),
            accounts=int(row.accounts),
            differing=int(row.differs),
        )
        for row in rows
    ]
    return sorted(found, key=lambda row: (row.account_id is not None, row.currency, row.account_id or ""))


def read_review_states(connection: Connection, policy: Policy, as_of: date, today: date) -> dict[str, str]:
    """Return by account how far the review of a business day has come (S15).

    collected, screened, analysed, graded, notified or re_review, from what the tables know on `today`.
    """
    key = {"policy_id": policy.id, "as_of": as_of, "facts_batch_no": facts_batch_no(connection), "today": today}
    rows = run(connection, "warehouse/read_review_states.sql", key, grain=policy.grain)
    return {row.customer_id: row.state for row in rows}


def _read_customers(
    connection: Connection, policy: Policy, as_of: date, reviewed: ReviewedRun, today: date
) -> list[Reviewed]:
    year_start = add_months(as_of, -12)
    key = {
        "as_of": as_of,
        "facts_batch_no": facts_batch_no(connection),
        "year_start": year_start,
        "before_start": add_months(as_of, -24),
        **{f"attribute_{name}": name for name in _STATED},
    }
    rows = run(connection, "warehouse/read_review_accounts.sql", key, grain=policy.grain, further_attributes=_STATED)
    accounts: dict[str, Any] = {row.customer_id: row for row in rows}
    states = read_review_states(connection, policy, as_of, today)
    proposal = run(
        connection,
        "warehouse/read_proposal.sql",
        {"policy_id": policy.id, "as_of": as_of, "run_id": reviewed.run_id},
    )
    found = [_review(policy, row, accounts.get(row.customer_id), states) for row in proposal]
    ranks = {tier: policy.rank_of(tier) for tier in policy.tiers}
    return sorted(
        found,
        key=lambda one: (
            ranks.get(one.computed_tier, len(ranks) + 1),
            -(one.score or Decimal(0)),
            one.customer_id,
        ),
    )


def _review(policy: Policy, row: Any, account: Any, states: Mapping[str, str]) -> Reviewed:
    began_on = account.began_on if account else None
    overdue = Decimal(account.overdue_amount) if account else Decimal(0)
    tier = row.final_grade or row.pre_grade or row.computed_tier
    special = account.special_settlement if account else None
    return Reviewed(
        customer_id=row.customer_id,
        name=(account.name if account else None) or row.customer_id,
        manager=(account.manager if account else None) or "",
        tier_before=row.tier_before,
        computed_tier=row.computed_tier,
        status=row.status,
        score=row.score,
        pre_grade=row.pre_grade,
        pre_graded_by=row.pre_graded_by,
        pre_reason=row.pre_reason,
        final_grade=row.final_grade,
        final_graded_by=row.final_graded_by,
        final_reason=row.final_reason,
        state=states.get(row.customer_id, ""),
        began_on=began_on,
        evaluated_from=evaluated_from(began_on) if began_on else None,
        special_policy=account.special_policy if account and has_attribute(account.special_policy) else None,
        special_settlement=special if has_attribute(special) else None,
        settlement=propose_settlement(
            has_special=has_attribute(special), is_best=tier == policy.tiers[0], overdue_amount=overdue
        ),
        sales_now=Decimal(account.sales_now) if account else Decimal(0),
        sales_before=Decimal(account.sales_before) if account else Decimal(0),
        months_bought=int(account.months_bought) if account else 0,
        balance=Decimal(account.balance) if account else Decimal(0),
        overdue_amount=overdue,
        overdue_days=int(account.overdue_days) if account and account.overdue_days is not None else None,
    )


def _read_sample(
    connection: Connection, policy: Policy, as_of: date, reviewed: ReviewedRun, sampled: list[str]
) -> list[SampledInput]:
    key = {"policy_id": policy.id, "as_of": as_of, "revision": reviewed.revision, "run_id": reviewed.run_id}
    inputs: dict[str, dict[str, Any]] = {customer_id: {} for customer_id in sampled}
    for row in run(connection, "warehouse/read_components_of_run.sql", key):
        if row.customer_id in inputs:
            inputs[row.customer_id][row.indicator] = row
    order = {name: place for place, name in enumerate(policy.indicators)}
    return [
        SampledInput(
            customer_id=customer_id,
            title=policy.title_of(name) if name in policy.indicators else {"en": name},
            value=row.value if row.value is not None else row.value_text,
            level=row.level,
            points=row.points,
            weight=row.weight,
            contribution=row.contribution,
            evidence_on=row.evidence_on,
        )
        for customer_id, found in inputs.items()
        for name, row in sorted(found.items(), key=lambda item: order.get(item[0], len(order)))
    ]
