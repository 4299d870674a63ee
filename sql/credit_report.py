"""Credit in the mails: what a run decided of limits, and who is over one, per account manager and over all accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from reports.digest import CreditChange, CreditSection, CreditTotal, Digest, Over, Share
from sql.recipients import Owner
from sql.statements import run
from transforms.policy import Policy, parse_policy

CONTROLLER = "credit_controller"
"""Stands for the credit controller where a mail names its account manager."""

_ACTIONS = ("stop", "reduce", "raise", "keep")
_AMOUNTS = ("limit", "previous", "raised", "reduced", "squeezed")
_TOLD = ("policy_id", "customer_id", "entity", "account_manager_id", "over_since")


def read_sections(
    connection: Connection, policy: Policy, this: Any, owner: Owner
) -> tuple[CreditSection | None, dict[str, CreditSection]]:
    """Return what a run decided of credit: over all accounts (None: nothing), and of every manager's accounts."""
    key = {"policy_id": this.policy_id, "as_of": this.as_of, "run_id": this.run_id}
    by_tier = {row.tier: row for row in run(connection, "warehouse/read_credit_budgets.sql", key)}
    if "" not in by_tier:
        return None, {}
    whole = by_tier[""]
    totals = run(connection, "warehouse/read_credit_totals.sql", key).all()
    changes: dict[str, list[CreditChange]] = defaultdict(list)
    for row in run(connection, "warehouse/read_credit_changes.sql", key):
        changes[owner(row.account_manager_id)].append(_change(row))
    accounts = {action: sum(int(row.accounts) for row in totals if row.action == action) for action in _ACTIONS}
    title = localized(policy.title)
    overall = CreditSection(
        policy_id=policy.id,
        title=title,
        as_of=this.as_of,
        whole=_total([whole]),
        changes=tuple(change for of_manager in changes.values() for change in of_manager),
        totals=tuple(
            _total([by_tier[tier]], tier, policy.tier_titles.get(tier, {})) for tier in policy.tiers if tier in by_tier
        ),
        actions=tuple((action, accounts[action]) for action in _ACTIONS if accounts[action]),  # type: ignore[misc]
        budget=whole.budget_amount,
        unallocated=whole.unallocated_amount,
        lacks=whole.reason,
        shares=tuple(_share(row) for row in run(connection, "warehouse/read_shares.sql", key)),
    )
    of_managers = {
        manager_id: CreditSection(
            policy_id=policy.id,
            title=title,
            as_of=this.as_of,
            whole=_total([row for row in totals if owner(row.account_manager_id) == manager_id]),
            changes=tuple(found),
        )
        for manager_id, found in changes.items()
    }
    return overall, of_managers


def read_over(connection: Connection) -> list[Any]:
    """Return who is over a limit as of the present, and whether a mail has told it."""
    return list(run(connection, "warehouse/read_accounts_over.sql"))


def over_by_manager(
    connection: Connection, rows: Sequence[Any], owner: Owner, *, with_told: bool = False
) -> dict[str, list[Over]]:
    """Return who is over, of every manager: whom no mail has told that manager yet, or everybody `with_told`."""
    titles = _titles_over(connection, rows)
    found: dict[str, list[Over]] = defaultdict(list)
    for row in rows:
        if with_told or not row.is_told:
            found[owner(row.account_manager_id)].append(_over(row, titles))
    return found


def controller_digest(
    connection: Connection,
    sections: Sequence[CreditSection],
    rows: Sequence[Any],
    *,
    address: str,
    locale: str,
    currency: str,
) -> Digest:
    """Return what the credit controller is told: the runs, and everybody who is over a limit."""
    titles = _titles_over(connection, rows)
    return Digest(
        manager_id=CONTROLLER,
        manager_name="",
        recipient=address,
        locale=locale,
        currency=currency,
        sections=(),
        quarantined=(),
        credit=tuple(sections),
        over=tuple(_over(row, titles) for row in rows),
        kind="controller",
    )


def mark_told(connection: Connection, rows: Iterable[Any], digest_id: str) -> None:
    """Note that a digest has told who is over."""
    told = [{**{name: getattr(row, name) for name in _TOLD}, "digest_id": digest_id} for row in rows]
    if told:
        run(connection, "warehouse/insert_told_exposure.sql", told)


def localized(titles: Mapping[Any, str]) -> dict[str, str]:
    """Return a title of a policy as plain values."""
    return {str(language): text for language, text in titles.items()}


def _titles_over(connection: Connection, rows: Sequence[Any]) -> dict[str, dict[str, str]]:
    if not rows:
        return {}
    return {
        row.policy_id: localized(parse_policy(row.policy_text, f"{row.policy_id} as it ran").title)
        for row in run(connection, "warehouse/read_policies_over.sql")
    }


def _total(rows: Sequence[Any], tier: str | None = None, title: Mapping[Any, str] | None = None) -> CreditTotal:
    sums = {name: sum((getattr(row, f"{name}_amount") for row in rows), Decimal(0)) for name in _AMOUNTS}
    return CreditTotal(tier, localized(title or {}), sum(int(row.accounts) for row in rows), **sums)


def _change(row: Any) -> CreditChange:
    return CreditChange(
        customer_id=row.customer_id,
        customer_name=row.customer_name or row.customer_id,
        tier=row.tier,
        limit=row.limit_amount,
        previous=row.previous_limit,
        change_reason=row.change_reason,
        action=row.action,
        over=row.over_amount,
    )


def _share(row: Any) -> Share:
    return Share(
        group=row.account_group,
        accounts=int(row.accounts),
        sales=row.sales_amount,
        receivables=row.receivable_amount,
        sales_share=row.sales_share,
        receivables_share=row.receivable_share,
        average=row.average_receivable,
    )


def _over(row: Any, titles: Mapping[str, dict[str, str]]) -> Over:
    return Over(
        policy_id=row.policy_id,
        title=titles.get(row.policy_id, {}),
        customer_id=row.customer_id,
        customer_name=row.customer_name or row.customer_id,
        entity=row.entity,
        limited_by=row.limited_by,
        limit=row.owed_amount - row.over_amount,
        owed=row.owed_amount,
        over=row.over_amount,
        overdue=row.overdue_amount,
        over_since=row.over_since,
        as_of=row.as_of,
        is_new=not row.is_known,
    )
