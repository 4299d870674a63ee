"""Words and figures in the reader's language: the catalogue, Babel's formats, and sentences about drivers.

English is the message id.
Translations are read from ``locale/<language>/LC_MESSAGES/reports.po`` at run time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_date
from babel.messages.pofile import read_po
from babel.numbers import format_compact_currency, format_currency, format_decimal, format_percent

from reports.digest import Cause, Driver, Mover, Notice, Titles, Unit
from reports.text import NAME_LENGTH, clean_text
from transforms.pace import Keep

LOCALES: Final = {"en": "en", "zh": "zh_CN"}
CATALOGUES: Final = Path(__file__).parent / "locale"
TEXT_LENGTH: Final = 400
NO_VALUE: Final = "–"

_DECIMALS: Final[dict[str, tuple[int, ...]]] = {"money": (0, 2, 4), "ratio": (1, 2, 3, 4, 6)}
_DECIMALS_OTHERWISE: Final = (2, 4, 6)


@cache
def read_catalogue(language: str) -> dict[str, str]:
    """Message id to translation; empty for English, which needs none."""
    if language == "en":
        return {}
    with (CATALOGUES / language / "LC_MESSAGES" / "reports.po").open("rb") as file:
        catalogue = read_po(file, locale=LOCALES[language])
    return {str(message.id): str(message.string) for message in catalogue if message.id and message.string}


class Language:
    """Says a message and formats a figure in one language. An unknown locale reads English."""

    def __init__(self, locale: str) -> None:
        prefix = re.split(r"[-_.]", locale.lower(), maxsplit=1)[0]
        self.code = prefix if prefix in LOCALES else "en"
        self.tag = LOCALES[self.code].replace("_", "-")
        # Parsed once: Babel searches its files for "zh_CN" at every figure otherwise.
        self.locale = Locale.parse(LOCALES[self.code])
        self._catalogue = read_catalogue(self.code)

    def __call__(self, message: str, **values: object) -> str:
        return self._catalogue.get(message, message).format_map(values)

    def title(self, titles: Titles, key: str, length: int = NAME_LENGTH) -> str:
        return clean_text(titles.get(self.code) or titles.get("en") or key, length)

    def date(self, day: date) -> str:
        return format_date(day, "long", locale=self.locale)

    def count(self, number: int) -> str:
        return format_decimal(number, format="#,##0", locale=self.locale)

    def change(self, number: int | None) -> str:
        if number is None:
            return NO_VALUE
        return format_decimal(number, format="+#,##0;−#,##0" if number else "0", locale=self.locale)

    def money(self, amount: Decimal | None, currency: str) -> str:
        return NO_VALUE if amount is None else self.figures("money", [amount], currency)[0]

    def short_money(self, amount: Decimal | None, currency: str) -> str:
        if amount is None:
            return NO_VALUE
        return format_compact_currency(amount, clean_text(currency, 3), locale=self.locale, fraction_digits=1)

    def figures(self, unit: Unit, values: Sequence[Decimal], currency: str) -> list[str]:
        """The values with the fewest decimals at which different values look different."""
        choices = _DECIMALS.get(unit, _DECIMALS_OTHERWISE)
        if unit == "money" and any(abs(value) < 1000 and value % 1 for value in values):
            choices = choices[1:]
        for decimals in choices:
            shown = [self._figure(unit, value, decimals, currency) for value in values]
            if len(set(shown)) == len(set(values)):
                break
        return shown

    def _figure(self, unit: Unit, value: Decimal, decimals: int, currency: str) -> str:
        zeros = "." + "0" * decimals if decimals else ""
        if unit == "money":
            code = clean_text(currency, 3)
            pattern = f"¤#,##0{zeros}"
            return format_currency(value, code, format=pattern, currency_digits=False, locale=self.locale)
        if unit == "ratio":
            return format_percent(value, format=f"#,##0{zeros}%", locale=self.locale)
        return format_decimal(value, format="#,##0" + zeros.replace("0", "#"), locale=self.locale)

    def days(self, number: str) -> str:
        _ = self
        return _("1 day") if number == "1" else _("{number} days", number=number)


def _number(value: Decimal | str | None) -> Decimal | None:
    if isinstance(value, str) or value is None:
        return None
    number = Decimal(str(value))
    return number if number.is_finite() else None


def _is_missing(value: Decimal | str | None) -> bool:
    return value is None or (not isinstance(value, str) and _number(value) is None)


def driver_in_words(driver: Driver, language: Language, currency: str) -> str:
    """One sentence without a full stop: "Collection rate fell from 104.0% to 81.0%"."""
    _ = language
    title = language.title(driver.title, driver.indicator)
    before, after = _figures_before_and_after(driver, language, currency)
    if before is None and after is None:
        return _("{title} has no value", title=title)
    if before is None:
        return _("{title} is now {after}; there was no value before", title=title, after=after)
    if after is None:
        return _("{title} has no value any more; it was {before}", title=title, before=before)
    was, now = _number(driver.before), _number(driver.after)
    if driver.unit in {"flag", "text"} or was is None or now is None:
        return _("{title} changed from {before} to {after}", title=title, before=before, after=after)
    if was == now:
        return _("{title} stays at {after}", title=title, after=after)
    if driver.unit == "rank":
        return _("{title} went from {before} to {after}", title=title, before=before, after=after)
    if was < now:
        return _("{title} rose from {before} to {after}", title=title, before=before, after=after)
    return _("{title} fell from {before} to {after}", title=title, before=before, after=after)


def _figures_before_and_after(driver: Driver, language: Language, currency: str) -> tuple[str | None, str | None]:
    """Both values as shown; the unit of days stands once when both are there."""
    _ = language
    was, now = _number(driver.before), _number(driver.after)
    if driver.unit == "flag":
        before, after = (
            None if _is_missing(value) else _("yes") if _is_true(value) else _("no")
            for value in (driver.before, driver.after)
        )
        return before, after
    numbers = [value for value in (was, now) if value is not None]
    figures = iter(language.figures(driver.unit, numbers, currency) if numbers else [])
    before, after = (
        next(figures) if number is not None else None if _is_missing(value) else clean_text(value)
        for number, value in ((was, driver.before), (now, driver.after))
    )
    if driver.unit == "days":
        if now is not None and after is not None:
            after = language.days(after)
        elif was is not None and before is not None:
            before = language.days(before)
    return before, after


def _is_true(value: Decimal | str | None) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in {"true", "1", "yes", "t", "y"}
    return bool(value)


def cause_in_words(cause: Cause, language: Language) -> str:
    """Why the tier moved, apart from its drivers; empty for measures, whose drivers say it."""
    _ = language
    return {
        "measures": "",
        "policy": _("The policy changed"),
        "override": _("Set by hand (override)"),
        "review": _("Decided in a review"),
        "correction": _("Earlier data were corrected"),
        "movement": _("A movement rule of the policy took effect"),
    }[cause]


def mover_cause_in_words(mover: Mover, language: Language) -> str:
    """Why a customer moved; empty for measures. An override that ended is not one that was set."""
    _ = language
    if mover.cause == "override" and mover.status not in (None, "overridden"):
        return _("An override ended")
    return cause_in_words(mover.cause, language)


def status_in_words(mover: Mover, language: Language) -> str:
    """What the tier that a customer moved to waits for, or what keeps it from being the one found; else empty."""
    _ = language
    found = clean_text(mover.computed_tier or NO_VALUE, 24)
    if mover.status == "pending":
        return _("Waits for approval; the rules found {tier}", tier=found)
    if mover.status == "held":
        return _("Held here by a rule or for want of data; the rules found {tier}", tier=found)
    return ""


def keep_in_words(keep: Keep, language: Language) -> tuple[str, str]:
    """A rule that keeps a tier: its name, and how long or how far it does."""
    _ = language
    name = {
        "confirmation": _("Confirmation"),
        "grace": _("Grace"),
        "min_stay": _("Minimum stay"),
        "period": _("Period"),
        "steps": _("Steps"),
    }[keep.rule]
    if keep.until is not None:
        return name, _("ends on {date}", date=_.date(keep.until))
    count = _.count(keep.count or 0)
    if keep.rule == "steps":
        return name, _("at most {count} down in one move", count=count)
    return name, _("{count} findings in a row are needed", count=count)


def kept_in_words(notice: Notice, language: Language) -> list[str]:
    """The rules that keep a tier until it goes down, one text each."""
    _ = language
    kept = [keep_in_words(keep, language) for keep in notice.kept_by]
    return [_("{label}: {count}", label=name, count=said) for name, said in kept]


def field_in_words(field: str, language: Language) -> str:
    """The plain name of a key field; an attribute or an indicator is shown as it is called."""
    _ = language
    known = {
        "account_manager_id": _("Account manager"),
        "bill_to_id": _("Who pays"),
        "group_id": _("Group"),
        "credit_limit": _("Credit limit"),
        "terms_days": _("Payment terms in days"),
        "status": _("Status"),
        "is_blocked": _("Blocked"),
        "customer_type": _("Type of customer"),
        "credit_rating": _("Credit rating"),
        "credit_level": _("Credit level"),
        "debt_ratio": _("Debt ratio"),
        "annual_revenue": _("Annual revenue"),
    }
    return known.get(field) or clean_text(field)


def value_in_words(field: str, value: str | None, language: Language) -> str:
    """A value of a key field: a flag as yes or no, an amount without needless zeros, nothing as a dash."""
    _ = language
    if value is None:
        return NO_VALUE
    if field == "is_blocked":
        return _("yes") if _is_true(value) else _("no")
    if field == "credit_limit":
        try:
            return language.figures("number", [Decimal(value)], "")[0]
        except InvalidOperation:
            pass
    return clean_text(value)


def entity_in_words(entity: str, language: Language) -> str:
    """The plain name of a source entity; one that is not known is shown as it is."""
    _ = language
    known = {
        "customers": _("Customer records"),
        "customer_attributes": _("Customer attributes"),
        "account_managers": _("Account managers"),
        "sales": _("Sales"),
        "receivables": _("Receivables"),
        "payments": _("Payments"),
        "assessments": _("Assessments"),
        "contacts": _("Contacts"),
        "opportunities": _("Opportunities"),
        "service_events": _("Service events"),
        "balances": _("Balances"),
        "exchange_rates": _("Exchange rates"),
        "plan": _("Plan"),
        "open_orders": _("Open orders"),
        "prescriptions": _("Prescriptions"),
        "surveys": _("Surveys"),
        "events": _("Events"),
    }
    return known.get(entity) or clean_text(entity)
