"""Credit as sheets of the workbook: limits that a run decided, their totals and shares, and who is over one."""

from __future__ import annotations

from reports.digest import Digest, by_amount_over, by_credit_at_stake
from reports.sheets import MAX_ROWS, Column, Sheet, money_column
from reports.text import clean_text
from reports.wording import Language, action_in_words, change_reason_in_words, group_in_words, level_in_words


def list_credit(digest: Digest, language: Language) -> list[Sheet]:
    """A sheet per list that has rows; limits also where none moved."""
    lists = (
        (any(section.totals for section in digest.credit), _list_limit_totals),
        (any(section.shares for section in digest.credit), _list_shares),
        (bool(digest.credit), _list_limits),
        (bool(digest.over), _list_over),
    )
    return [make(digest, language) for has_rows, make in lists if has_rows]


def _list_limits(digest: Digest, language: Language) -> Sheet:
    """Limits that moved, and accounts to be stopped or reduced; of more than MAX_ROWS those with the most money."""
    _ = language
    found = sorted(
        ((section, change) for section in digest.credit for change in section.changes),
        key=lambda pair: by_credit_at_stake(pair[1]),
    )
    rest = len(found) - MAX_ROWS
    return Sheet(
        name=_("Credit limits"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("As of"), 12, "date"),
            Column(_("Customer number"), 18, "text"),
            Column(_("Name"), 34, "text"),
            Column(_("Tier"), 12, "text"),
            money_column(_("Limit before"), digest, language),
            money_column(_("Limit"), digest, language),
            Column(_("Why"), 34, "text"),
            Column(_("To do"), 22, "text"),
            money_column(_("Owed beyond it"), digest, language),
        ),
        rows=[
            (
                _.title(section.title, section.policy_id),
                section.as_of,
                clean_text(change.customer_id, 40),
                clean_text(change.customer_name) or clean_text(change.customer_id),
                clean_text(change.tier, 24) if change.tier else None,
                change.previous,
                change.limit,
                change_reason_in_words(change.change_reason, language),
                action_in_words(change.action, language),
                change.over,
            )
            for section, change in found[:MAX_ROWS]
        ],
        rest=_("Not listed here: {count} more", count=_.count(rest)) if rest > 0 else "",
    )


def _list_limit_totals(digest: Digest, language: Language) -> Sheet:
    _ = language
    return Sheet(
        name=_("Limits by tier"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("As of"), 12, "date"),
            Column(_("Tier"), 12, "text"),
            Column(_("Title"), 34, "text"),
            Column(_("Accounts"), 12, "count"),
            money_column(_("Limits before"), digest, language),
            money_column(_("Limits"), digest, language),
            money_column(_("Raised by"), digest, language),
            money_column(_("Reduced by"), digest, language),
            money_column(_("Taken after a lower tier"), digest, language),
        ),
        rows=[
            (
                _.title(section.title, section.policy_id),
                section.as_of,
                clean_text(total.tier, 24) if total.tier else None,
                _.title(total.title, total.tier) if total.tier else _("All accounts"),
                total.accounts,
                total.previous,
                total.limit,
                total.raised,
                total.reduced,
                total.squeezed,
            )
            for section in digest.credit
            for total in (*section.totals, section.whole)
            if section.totals
        ],
    )


def _list_shares(digest: Digest, language: Language) -> Sheet:
    _ = language
    return Sheet(
        name=_("Concentration"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("As of"), 12, "date"),
            Column(_("Group"), 44, "text"),
            Column(_("Accounts"), 12, "count"),
            money_column(_("Sales"), digest, language),
            Column(_("Share of sales"), 14, "percent"),
            money_column(_("Receivables"), digest, language),
            Column(_("Share of receivables"), 14, "percent"),
            money_column(_("Receivables each"), digest, language),
        ),
        rows=[
            (
                _.title(section.title, section.policy_id),
                section.as_of,
                group_in_words(share.group, language),
                share.accounts,
                share.sales,
                share.sales_share,
                share.receivables,
                share.receivables_share,
                share.average,
            )
            for section in digest.credit
            for share in section.shares
        ],
    )


def _list_over(digest: Digest, language: Language) -> Sheet:
    _ = language
    rest = len(digest.over) - MAX_ROWS
    return Sheet(
        name=_("Over the limit"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("As of"), 12, "date"),
            Column(_("Customer number"), 18, "text"),
            Column(_("Name"), 34, "text"),
            Column(_("Limit that binds"), 26, "text"),
            money_column(_("Limit"), digest, language),
            money_column(_("Owed"), digest, language),
            money_column(_("Over by"), digest, language),
            money_column(_("Overdue"), digest, language),
            Column(_("Over since"), 12, "date"),
        ),
        rows=[
            (
                _.title(over.title, over.policy_id),
                over.as_of,
                clean_text(over.customer_id, 40),
                clean_text(over.customer_name) or clean_text(over.customer_id),
                level_in_words(over.limited_by, over.entity, language),
                over.limit,
                over.owed,
                over.over,
                over.overdue,
                over.over_since,
            )
            for over in sorted(digest.over, key=by_amount_over)[:MAX_ROWS]
        ],
        rest=_("Not listed here: {count} more", count=_.count(rest)) if rest > 0 else "",
    )
