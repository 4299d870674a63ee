"""A digest as an Excel workbook: what the mail says, in cells that can be sorted and filtered.

The same digest gives the same bytes: the file is dated by the digest, not by the clock.
"""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

from reports.care_sheets import list_care
from reports.credit_sheets import list_credit
from reports.digest import (
    Digest,
    Mover,
    PolicySection,
    by_day,
    by_money_at_stake,
)
from reports.digest import Kind as ReaderKind
from reports.overview_sheets import list_overview
from reports.sheets import MAX_ROWS, Cell, Column, Sheet, write_sheets
from reports.text import clean_text
from reports.wording import (
    Language,
    driver_in_words,
    entity_in_words,
    kept_in_words,
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


def write_workbook(digest: Digest, title: str, language: Language | None = None) -> WorkbookFile:
    """The digest as .xlsx in `language`, or that of its locale; `title` becomes the title of the document.

    Superiors and the general manager get overviews, and no list of all movers.
    """
    language = language or Language(digest.locale)
    sheets: list[Sheet] = []
    if digest.kind == "manager" and not digest.is_reminder_alone:
        sheets.append(_list_movers(digest, language))
    if digest.kind in ("manager", "general") and not digest.is_reminder_alone:
        sheets.append(_list_tiers(digest, language))
    if digest.kind in ("superior", "general"):
        sheets += list_overview(digest, language)
    sheets += list_credit(digest, language)
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
