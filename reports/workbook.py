"""A digest as an Excel workbook: what the mail says, in cells that can be sorted and filtered.

The same digest gives the same bytes: the file is dated by the digest, not by the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from reports.care_sheets import list_care
from reports.digest import (
    Digest,
    Mover,
    PolicySection,
    by_amount_over,
    by_credit_at_stake,
    by_day,
    by_money_at_stake,
)
from reports.digest import Kind as ReaderKind
from reports.sheets import MAX_ROWS, Cell, Column, Sheet, money_column, write_sheets
from reports.text import clean_text
from reports.wording import (
    Language,
    action_in_words,
    change_reason_in_words,
    driver_in_words,
    entity_in_words,
    group_in_words,
    kept_in_words,
    level_in_words,
    mover_cause_in_words,
    status_in_words,
)

_STEMS: Final[dict[ReaderKind, str]] = {
    "manager": "customer-tiers",
    "superior": "customer-tiers-team",
    "general": "customer-tiers-overall",
    "controller": "credit-limits",
}


class WorkbookFile(NamedTuple):
    """The name holds nothing but the day."""

    name: str
    content: bytes


def write_workbook(
    digest: Digest, title: str, overview: Sequence[Sheet] = (), language: Language | None = None
) -> WorkbookFile:
    """The digest as .xlsx in `language`, or that of its locale; `title` becomes the title of the document.

    Superiors and the general manager get the sheets of `overview`, and no list of all movers.
    """
    language = language or Language(digest.locale)
    sheets: list[Sheet] = []
    if digest.kind == "manager" and not digest.is_reminder_alone:
        sheets.append(_list_movers(digest, language))
    if digest.kind in ("manager", "general") and not digest.is_reminder_alone:
        sheets.append(_list_tiers(digest, language))
    sheets += overview
    if any(section.totals for section in digest.credit):
        sheets.append(_list_limit_totals(digest, language))
    if any(section.shares for section in digest.credit):
        sheets.append(_list_shares(digest, language))
    if digest.credit:
        sheets.append(_list_limits(digest, language))
    if digest.over:
        sheets.append(_list_over(digest, language))
    if digest.notices:
        sheets.append(_list_notices(digest, language))
    sheets += list_care(digest, language)
    if any(found.rows for found in digest.quarantined):
        sheets.append(_list_quarantined(digest, language))
    stem = "follow-ups" if digest.is_reminder_alone else _STEMS[digest.kind]
    name = f"{stem}.xlsx" if digest.as_of is None else f"{stem}-{digest.as_of.isoformat()}.xlsx"
    return WorkbookFile(name, write_sheets(sheets, title, digest.as_of))


def _list_movers(digest: Digest, language: Language) -> Sheet:
    """All movers in the order of the mail; of more than MAX_ROWS those with the most money."""
    _ = language
    directions = {"down": _("Down"), "up": _("Up"), "new": _("New"), "left": _("Left")}
    order = list(directions)
    movers = [
        (source, mover)
        for source, section in _named(digest, language)
        for mover in sorted(section.movers, key=lambda m: (order.index(m.direction), by_money_at_stake(m)))
    ]
    rest = len(movers) - MAX_ROWS
    if rest > 0:
        most = sorted(range(len(movers)), key=lambda place: by_money_at_stake(movers[place][1]))[:MAX_ROWS]
        movers = [movers[place] for place in sorted(most)]
    return Sheet(
        name=_("Movers"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("As of"), 12, "date"),
            Column(_("Customer number"), 18, "text"),
            Column(_("Name"), 34, "text"),
            Column(_("From tier"), 12, "text"),
            Column(_("To tier"), 12, "text"),
            Column(_("Direction"), 12, "text"),
            Column(_("Cause"), 24, "text"),
            Column(_("Drivers"), 64, "words"),
            Column(_("Value at stake ({currency})", currency=clean_text(digest.currency, 3)), 18, "money"),
        ),
        rows=[
            (*source, *_mover_cells(mover, directions[mover.direction], digest.currency, language))
            for source, mover in movers
        ],
        rest=_("Not listed here: {count} more", count=_.count(rest)) if rest > 0 else "",
    )


def _mover_cells(mover: Mover, direction: str, currency: str, language: Language) -> tuple[Cell, ...]:
    _ = language
    cause = mover_cause_in_words(mover, language)
    if not cause and mover.direction in {"up", "down"}:
        cause = _("The figures changed")
    return (
        clean_text(mover.customer_id, 40),
        clean_text(mover.customer_name) or clean_text(mover.customer_id),
        clean_text(mover.from_tier, 24) if mover.from_tier else None,
        clean_text(mover.to_tier, 24) if mover.to_tier else None,
        direction,
        _("; ").join(part for part in (cause, status_in_words(mover, language)) if part),
        _("; ").join(driver_in_words(driver, language, currency) for driver in mover.drivers),
        mover.value if mover.value is not None and mover.value.is_finite() else None,
    )


def _list_tiers(digest: Digest, language: Language) -> Sheet:
    _ = language
    return Sheet(
        name=_("Tiers"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("As of"), 12, "date"),
            Column(_("Tier"), 12, "text"),
            Column(_("Title"), 34, "text"),
            Column(_("Customers"), 14, "count"),
            Column(_("Before"), 14, "count"),
            Column(_("Change"), 12, "change"),
        ),
        rows=[
            (
                *source,
                clean_text(tier.tier, 24),
                _.title(tier.title, tier.tier),
                tier.customers,
                tier.before,
                None if tier.before is None else tier.customers - tier.before,
            )
            for source, section in _named(digest, language)
            for tier in sorted(section.tiers, key=lambda tier: tier.rank)
        ],
    )


def _list_notices(digest: Digest, language: Language) -> Sheet:
    _ = language
    rest = len(digest.notices) - MAX_ROWS
    return Sheet(
        name=_("Will go down"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("Customer number"), 18, "text"),
            Column(_("Name"), 34, "text"),
            Column(_("Tier"), 12, "text"),
            Column(_("To tier"), 12, "text"),
            Column(_("On"), 12, "date"),
            Column(_("Found lower since"), 16, "date"),
            Column(_("What keeps the tier"), 64, "words"),
        ),
        rows=[
            (
                _.title(notice.title, notice.policy_id),
                clean_text(notice.customer_id, 40),
                clean_text(notice.customer_name) or clean_text(notice.customer_id),
                clean_text(notice.tier, 24),
                clean_text(notice.to_tier, 24),
                notice.falls_on,
                notice.found_since,
                _("; ").join(kept_in_words(notice, language)),
            )
            for notice in sorted(digest.notices, key=by_day)[:MAX_ROWS]
        ],
        rest=_("Not listed here: {count} more", count=_.count(rest)) if rest > 0 else "",
    )


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


def _named(digest: Digest, language: Language) -> list[tuple[tuple[str, date], PolicySection]]:
    """Each section with its title and its day."""
    return [((language.title(s.title, s.policy_id), s.as_of), s) for s in digest.sections]


def _list_quarantined(digest: Digest, language: Language) -> Sheet:
    _ = language
    return Sheet(
        name=_("Rows set aside"),
        columns=(Column(_("Data"), 26, "text"), Column(_("Rule"), 34, "text"), Column(_("Rows"), 12, "count")),
        rows=[
            (entity_in_words(found.entity, language), clean_text(found.rule), found.rows)
            for found in sorted(digest.quarantined, key=lambda q: (q.entity, q.rule))
            if found.rows
        ],
    )
