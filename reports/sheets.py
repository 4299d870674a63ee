"""Sheets of an Excel workbook: typed cells under a frozen, filtered heading, as the bytes of a file.

Every text is written as text whatever it begins with, so that no name becomes a formula; cells of text keep that
when they are edited.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any, Final, Literal

import xlsxwriter

from reports.digest import Digest
from reports.text import clean_text
from reports.wording import Language

MAX_ROWS: Final = 50_000  # movers listed; far below Excel's 1,048,576, so that mail servers still take the file
UNDATED: Final = datetime(2000, 1, 1)

Kind = Literal["text", "words", "date", "count", "change", "money", "number", "percent", "exact percent"]
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
    "exact percent": {"num_format": "0.00%"},
}
_HEADING_STYLE: Final = {"bold": True, "text_wrap": True, "valign": "vcenter", "bg_color": "#E4E7EB", "bottom": 1}

# Cleaned text can still hold these two, which XML cannot.
_NOT_IN_XML: Final = dict.fromkeys((0xFFFE, 0xFFFF))


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


def money_column(title: str, digest: Digest, language: Language) -> Column:
    """A column of amounts in the digest's currency."""
    _ = language
    return Column(_("{title} ({currency})", title=title, currency=clean_text(digest.currency, 3)), 18, "money")


def rest_of(rows: int, language: Language) -> str:
    """How many rows are not in a sheet; empty for none."""
    _ = language
    return _("Not listed here: {count} more", count=_.count(rows)) if rows > 0 else ""


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
        if "\ufffe" in cell or "\uffff" in cell:
            cell = cell.translate(_NOT_IN_XML)
        page.write_string(row, place, cell, style)
    elif isinstance(cell, date):
        page.write_datetime(row, place, cell, style)
    elif math.isfinite(float(cell)):
        page.write_number(row, place, float(cell), style)
    else:  # more than a cell can count to
        page.write_string(row, place, str(cell), style)
