"""Words and figures in the reader's language: the catalogue, Babel's formats, and sentences about drivers.

English is the message id.
Translations are read from ``locale/<language>/LC_MESSAGES/reports.po`` at run time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.messages.pofile import read_po
from babel.numbers import (
    format_compact_currency,
    format_currency,
    format_decimal,
    format_percent,
    get_decimal_symbol,
    get_group_symbol,
    get_minus_sign_symbol,
)

from reports.digest import (
    Cause,
    ChangeReason,
    CreditAction,
    CreditChange,
    Driver,
    LimitLevel,
    Mover,
    Notice,
    Over,
    Share,
    ShareGroup,
    Titles,
    Unit,
)
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


@lru_cache(maxsize=256)
def _around(unit: Unit, currency: str, code: str) -> tuple[str, str]:
    """What stands before and behind a figure. Asked of Babel once: it takes its pattern apart at every figure."""
    if unit == "money":
        shown = format_currency(1, clean_text(currency, 3), "¤#,##0", LOCALES[code], currency_digits=False)
    elif unit == "ratio":
        shown = format_percent(Decimal("0.01"), "#,##0%", LOCALES[code])
    else:
        return "", ""
    before, _, behind = shown.rpartition("1")
    return before, behind


@lru_cache(maxsize=4096)
def _long_date(day: date, locale: Locale) -> str:
    return format_date(day, "long", locale=locale)


class Language:
    """Says a message and formats a figure in one language. An unknown locale reads English."""

    def __init__(self, locale: str) -> None:
        prefix = re.split(r"[-_.]", locale.lower(), maxsplit=1)[0]
        self.code = prefix if prefix in LOCALES else "en"
        self.tag = LOCALES[self.code].replace("_", "-")
        # Parsed once: Babel searches its files for "zh_CN" at every figure otherwise.
        self.locale = Locale.parse(LOCALES[self.code])
        self._catalogue = read_catalogue(self.code)
        marks = (get_group_symbol(self.locale), get_decimal_symbol(self.locale))
        self._marks = None if marks == (",", ".") else str.maketrans(",.", "".join(marks))
        self._minus = get_minus_sign_symbol(self.locale)
        # Sentences by driver; the driver is kept, so that no other one has its id.
        self.said: dict[tuple[int, str], tuple[Driver, str]] = {}

    def __call__(self, message: str, **values: object) -> str:
        return self._catalogue.get(message, message).format_map(values)

    def title(self, titles: Titles, key: str, length: int = NAME_LENGTH) -> str:
        return clean_text(titles.get(self.code) or titles.get("en") or key, length)

    def date(self, day: date) -> str:
        return _long_date(day, self.locale)

    def count(self, number: int) -> str:
        return ("" if number >= 0 else self._minus) + self._marked(f"{abs(number):,}")

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
        before, behind = _around(unit, currency, self.code)
        digits = f"{(value.scaleb(2) if unit == 'ratio' else value).copy_abs():,.{decimals}f}"
        if unit not in ("money", "ratio") and decimals:
            digits = digits.rstrip("0").rstrip(".")
        sign = self._minus if value.is_signed() else ""
        return f"{sign}{before}{self._marked(digits)}{behind}"

    def _marked(self, digits: str) -> str:
        """Digits with the marks of the language; English and Chinese have those of Python."""
        return digits.translate(self._marks) if self._marks else digits

    def days(self, number: str) -> str:
        _ = self
        return _("1 day") if number == "1" else _("{number} days", number=number)


def _number(value: Decimal | str | None) -> Decimal | None:
    if isinstance(value, str) or value is None:
        return None
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    return number if number.is_finite() else None


def _is_missing(value: Decimal | str | None) -> bool:
    return value is None or (not isinstance(value, str) and _number(value) is None)


def driver_in_words(driver: Driver, language: Language, currency: str) -> str:
    """One sentence without a full stop: "Collection rate fell from 104.0% to 81.0%"."""
    known = language.said.get((id(driver), currency))  # the page, its twin and the workbook say it alike
    if known is None:
        known = language.said[id(driver), currency] = driver, _driver_in_words(driver, language, currency)
    return known[1]


def _driver_in_words(driver: Driver, language: Language, currency: str) -> str:
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


def short_dates(days: Sequence[date], language: Language) -> list[str]:
    """Days where there is little room: "Mar 31" or 3月31日, with the year where they are of several."""
    skeleton = "MMMd" if len({day.year for day in days}) == 1 else "yMMMd"
    return [str(format_skeleton(skeleton, day, locale=language.locale)) for day in days]


def bucket_in_words(bucket: str, language: Language) -> str:
    """A bucket of what is open: `ageing_current`, `ageing_1_30`, `ageing_over_90` (with or without `ageing_`)."""
    _ = language
    days = bucket.removeprefix("ageing_")
    if days == "current":
        return _("Not due")
    if days == "disputed":
        return _("Disputed")
    if found := re.fullmatch(r"(\d+)_(\d+)", days):
        return _("{first} to {last} days", first=found[1], last=found[2])
    if found := re.fullmatch(r"over_(\d+)", days):
        return _("over {days} days", days=found[1])
    return clean_text(bucket, 24)


def tier_in_words(tier: str, title: Titles, language: Language) -> str:
    """A tier's key and, where it says more, its title: "D · Watch list"."""
    key, said = clean_text(tier, 24), language.title(title, tier)
    return said if said.casefold() == key.casefold() else f"{key} · {said}"


def rest_in_words(rest: int, language: Language) -> str:
    """How many rows stand in the workbook alone; empty for none."""
    _ = language
    return _("Not listed here: {count} more, see the attached workbook", count=_.count(rest)) if rest > 0 else ""


def action_in_words(action: CreditAction, language: Language) -> str:
    """What is to be done about an account's credit."""
    _ = language
    return {
        "stop": _("No credit"),
        "reduce": _("Bring the debt down"),
        "raise": _("May buy more"),
        "keep": _("Nothing to do"),
    }[action]


def change_reason_in_words(reason: ChangeReason, language: Language) -> str:
    """Why a limit is not what it was."""
    _ = language
    return {
        "new": _("First limit"),
        "same": _("Limit as before"),
        "tier_up": _("The tier went up"),
        "tier_down": _("The tier went down"),
        "cap": _("A cap or floor binds"),
        "sales": _("Its own sales moved"),
        "budget": _("The budget or the part of others moved"),
    }[reason]


def level_in_words(level: LimitLevel, entity: str, language: Language) -> str:
    """The limit that binds."""
    _ = language
    return {
        "account": _("limit of the account"),
        "group": _("limit of the group"),
        "entity": _("limit towards {entity}", entity=clean_text(entity, 40)),
    }[level]


def limit_in_words(change: CreditChange, language: Language, currency: str) -> str:
    """A limit before and now, with the same number of decimals."""
    amounts = [amount for amount in (change.previous, change.limit) if amount is not None]
    return " → ".join(([NO_VALUE] if change.previous is None else []) + language.figures("money", amounts, currency))


def over_in_words(over: Over, language: Language, currency: str) -> list[str]:
    """What is owed against which limit, what of it is overdue, and since when it is too much."""
    _ = language
    limit = _("{label}: {count}", label=level_in_words(over.limited_by, over.entity, language),
              count=_.money(over.limit, currency))  # fmt: skip
    owed = _("Owed: {owed}; {limit}", owed=_.money(over.owed, currency), limit=limit)
    overdue = [_("Overdue: {amount}", amount=_.money(over.overdue, currency))] if over.overdue else []
    return [owed, *overdue, _("Over since {date}", date=_.date(over.over_since))]


def group_in_words(group: ShareGroup, language: Language) -> str:
    """A group of accounts of the concentration of receivables."""
    _ = language
    return {
        "all": _("All accounts"),
        "key": _("Key accounts"),
        "not_key": _("Not key accounts"),
        "debtor": _("Largest debtors"),
        "key_debtor": _("Largest debtors that are key accounts"),
        "other_debtor": _("Largest debtors that are not key accounts"),
        "key_not_debtor": _("Key accounts that are not among the largest debtors"),
    }[group]


def shares_in_words(shares: Sequence[Share], language: Language) -> list[str]:
    """Who holds receivables out of proportion to sales, in a few sentences without a full stop; none without shares."""
    _ = language
    found = {share.group: share for share in shares}
    debtors, others = found.get("debtor"), found.get("other_debtor")
    if debtors is None or others is None:
        return []
    if not debtors.accounts:
        return [_("Nobody owes anything")]
    held = {
        "count": _.count(others.accounts),
        "debtors": _.count(debtors.accounts),
        "receivables": _share(others.receivables_share, language),
        "sales": _share(others.sales_share, language),
    }
    if not others.accounts:
        return [_("All of the {debtors} largest debtors are key accounts", **held)]
    if others.accounts == 1:
        said = _(
            "1 of the {debtors} largest debtors is not a key account and holds {receivables} of receivables on {sales} "
            "of sales",
            **held,
        )
    else:
        said = _(
            "{count} of the {debtors} largest debtors are not key accounts and hold {receivables} of receivables on "
            "{sales} of sales",
            **held,
        )
    keys = found.get("key_debtor")
    if keys is not None and keys.average and others.average is not None:
        ratio = format_decimal(others.average / keys.average, format="#,##0.00", locale=language.locale)
        return [_("{said}; {ratio} times as much each as key debtors", said=said, ratio=ratio)]
    return [said]


def _share(share: Decimal | None, language: Language) -> str:
    return NO_VALUE if share is None else language.figures("ratio", [share], "")[0]
