"""The notice that tells a customer its level and services, with what is confidential masked (S15).

A row per customer for a clerk's mail merge; nothing here knows a mail server.
"""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from io import StringIO
from typing import Any, Final

from reports.digest import Titles
from reports.text import clean_text, plain_cell
from reports.wording import Language

COLUMNS: Final = ("customer_id", "name", "language", "level", "services", "valid_until", "text")
_FORMS: Final = ("有限责任公司", "股份有限公司", "有限公司", "集团", "分公司", "公司", "厂", "店")


@dataclass(frozen=True)
class Notice:
    """What one customer is told. `terms`, `service_levels`: as the policy's tier defines them."""

    customer_id: str
    name: str
    tier: str
    title: Titles
    is_provisional: bool
    terms: dict[str, Any]
    service_levels: dict[str, Any]
    coverage: str | None
    valid_until: date
    locale: str


def mask_name(name: str) -> str:
    """Return a name of which only its beginning and its legal form are left: 上海**公司, A***.

    As many stars whatever was there. A short name keeps one character.
    """
    text = clean_text(name)
    if not text:
        return "***"
    if any("\u2e80" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7a3" for character in text[:2]):
        form = next((form for form in _FORMS if text.endswith(form) and len(text) > len(form)), "")
        stem = text.removesuffix(form)
        shown = "公司" if form.endswith("公司") else form
        return f"{stem[: 2 if len(stem) >= 4 else 1]}**{shown}"
    return f"{text[0].upper() if unicodedata.category(text[0]).startswith('L') else '*'}***"


def render_notices(notices: Iterable[Notice]) -> bytes:
    """Return the notices as a CSV file that spreadsheets open: UTF-8 with a byte order mark, one row per customer."""
    sink = StringIO()
    writer = csv.writer(sink, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for notice in notices:
        writer.writerow([plain_cell(cell) for cell in _cells(notice)])
    return sink.getvalue().encode("utf-8-sig")


def _cells(notice: Notice) -> tuple[str, ...]:
    _ = Language(notice.locale)
    level = _.title(notice.title, notice.tier)
    if notice.is_provisional:
        level = _("{level} (provisional)", level=level)
    services = _("; ").join(_services(notice, _))
    until = notice.valid_until.isoformat()
    text = _("Dear {name}, your level with us is {level}, until {until}.", name=mask_name(notice.name), level=level,
             until=until)  # fmt: skip
    promise = _("What you can count on: {services}.", services=services)
    if services:
        text = f"{text} {promise}"
    return (
        clean_text(notice.customer_id, 40),
        mask_name(notice.name),
        _.code,
        level,
        services,
        until,
        text,
    )


def _services(notice: Notice, language: Language) -> Iterable[str]:
    """What the tier promises the customer; what the policy orders its own people to do is left out."""
    _ = language
    if notice.coverage == "dedicated":
        yield _("a contact of your own")
    replied = notice.service_levels.get("replied") or {}
    if "days" in replied:
        yield _("a reply within {days}", days=_.days(str(replied["days"])))
    answered = notice.service_levels.get("answered") or {}
    if "seconds" in answered:
        yield _("calls answered within {seconds} seconds", seconds=answered["seconds"])
    if "delivery_days" in notice.terms:
        yield _("delivery within {days}", days=_.days(str(notice.terms["delivery_days"])))
    payment = notice.terms.get("payment")
    if payment == "open_account" and "days" in notice.terms:
        yield _("payment within {days} of the invoice", days=_.days(str(notice.terms["days"])))
    elif payment == "prepayment":
        yield _("payment in advance")
    elif payment == "cash_on_delivery":
        yield _("payment on delivery")


def read_json(text: str | None) -> dict[str, Any]:
    """Return an object that a table keeps as JSON; empty where there is none."""
    found = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {}
