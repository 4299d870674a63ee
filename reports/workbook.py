"""A digest as an Excel workbook: what the mail says, in cells that can be sorted and filtered.

Every text is written as text whatever it begins with, so that no name becomes a formula; cells of text keep that
when they are edited.
The same digest gives the same bytes: the file is dated by the digest, not by the clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any, Final, Literal, NamedTuple

import xlsxwriter

from reports.digest import Digest, Mover, PolicySection, by_day, by_money_at_stake
from reports.text import clean_text
from reports.wording import (
    Language,
    driver_in_words,
    entity_in_words,
    kept_in_words,
    mover_cause_in_words,
    status_in_words,
)

MAX_ROWS: Final = 50_000  # movers listed; far below Excel's 1,048,576, so that mail servers still take the file
UNDATED: Final = datetime(2000, 1, 1)

Kind = Literal["text", "words", "date", "count", "change", "money", "number", "percent"]
Cell = str | int | Decimal | date | None

_CELL_STYLE: Final = {"valign": "top"}
_STYLES: Final[dict[Kind, dict[str, Any]]] = {
    "text": {"num_format": "@"},
    "words": {"text_wrap": True, "quote_prefix": True},
    "date": {"num_format": "yyyy-mm-dd", "align": "left"},
    "count": {"num_format": "#,##0"},
    "change": {"num_format": "+#,##0;\u2212#,##0;0"},
    "money": {"num_format": "#,##0.00"},
    "number": {"num_format": "#,##0.####"},
    "percent": {"num_format": "0.0%"},
}
_HEADING_STYLE: Final = {"bold": True, "text_wrap": True, "valign": "vcenter", "bg_color": "#E4E7EB", "bottom": 1}

# Cleaned text can still hold these two, which XML cannot.
_NOT_IN_XML: Final = dict.fromkeys((0xFFFE, 0xFFFF))


class WorkbookFile(NamedTuple):
    """The name holds nothing but the day."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Column:
    heading: str
    width: int
    kind: Kind


@dataclass(frozen=True)
class Sheet:
    """`rest` is a line below the rows: what is not among them."""

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Cell, ...]]
    rest: str = ""


def write_workbook(digest: Digest, title: str) -> WorkbookFile:
    """The digest as .xlsx in its locale; `title` becomes the title of the document."""
    language = Language(digest.locale)
    sheets = [_list_movers(digest, language), _list_tiers(digest, language)]
    if digest.notices:
        sheets.append(_list_notices(digest, language))
    if any(found.rows for found in digest.quarantined):
        sheets.append(_list_quarantined(digest, language))
    as_of = max((section.as_of for section in digest.sections), default=None)
    content = write_sheets(sheets, title, as_of)
    name = "customer-tiers.xlsx" if as_of is None else f"customer-tiers-{as_of.isoformat()}.xlsx"
    return WorkbookFile(name, content)


def write_sheets(sheets: Sequence[Sheet], title: str, day: date | None) -> bytes:
    """Sheets as the bytes of an .xlsx file, dated by `day`: the same sheets give the same bytes."""
    content = BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(content, options) as workbook:
        created = UNDATED if day is None else datetime(day.year, day.month, day.day)
        workbook.set_properties({"title": title, "created": created})
        for sheet in sheets:
            _write_sheet(workbook, sheet)
    return content.getvalue()


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


def _write_sheet(workbook: Any, sheet: Sheet) -> None:
    page = workbook.add_worksheet(sheet.name)
    heading = workbook.add_format(_HEADING_STYLE)
    last_row, last_column = len(sheet.rows), len(sheet.columns) - 1
    formats = [workbook.add_format(_CELL_STYLE | _STYLES[column.kind]) for column in sheet.columns]
    for place, column in enumerate(sheet.columns):
        page.set_column(place, place, column.width)
        page.write_string(0, place, column.heading, heading)
    for row, cells in enumerate(sheet.rows, start=1):
        for place, (cell, style) in enumerate(zip(cells, formats, strict=True)):
            _write_cell(page, row, place, cell, style)
    page.freeze_panes(1, 0)
    page.autofilter(0, 0, last_row, last_column)
    if sheet.rest:
        page.write_string(last_row + 2, 0, sheet.rest)
    # Customer numbers and tiers such as "5" are text on purpose; Excel need not mark each one.
    page.ignore_errors({"number_stored_as_text": f"A1:{chr(ord('A') + last_column)}{last_row + 1}"})
    page.set_landscape()
    page.set_paper(9)  # A4
    page.fit_to_pages(1, 0)
    page.repeat_rows(0)


def _write_cell(page: Any, row: int, place: int, cell: Cell, style: Any) -> None:
    """Text as text (cut to the 32,767 characters of a cell), numbers as numbers, dates as dates."""
    if cell is None or cell == "":
        return
    if isinstance(cell, str):
        page.write_string(row, place, cell.translate(_NOT_IN_XML), style)
    elif isinstance(cell, date):
        page.write_datetime(row, place, cell, style)
    elif math.isfinite(float(cell)):
        page.write_number(row, place, float(cell), style)
    else:  # more than a cell can count to
        page.write_string(row, place, str(cell), style)
