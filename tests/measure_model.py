"""The library of measures once more, in plain Python over the rows a source says: what the statements are held against.

Loops instead of aggregates, fractions instead of scaled numbers, dateutil instead of month numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

from dateutil.relativedelta import relativedelta

Row = dict[str, Any]
ZERO = Decimal(0)
DAYS = {"holds_from", "opened_on", "sold_on", "issued_on", "due_on", "paid_on", "contacted_on", "closed_on",
        "answered_on", "as_of", "expected_close_on", "month", "happened_on", "assessed_on", "valid_to",
        "valid_on", "ordered_on"}  # fmt: skip
AMOUNTS = {"net_amount", "tax_amount", "cost_amount", "gross_amount", "amount", "credit_limit", "score", "satisfaction",
           "own_units", "competitor_units", "rate_to_reporting"}  # fmt: skip
WHOLE = {"terms_days", "answered_seconds", "patients"}
AGES = {"ageing_over_90": 91, "ageing_61_90": 61, "ageing_31_60": 31, "ageing_1_30": 1, "ageing_current": -99999}
"""The buckets, and how many days past due each begins."""
FLAGS = {"is_disputed", "has_explicit_need", "is_refused", "is_urgent", "is_important"}


def cut(value: Fraction | int, digits: int = 18) -> Decimal:
    """Return a fraction cut off after so many digits, towards zero."""
    value = Fraction(value)
    whole = abs(value.numerator) * 10**digits // value.denominator
    return Decimal(f"{'-' if value < 0 else ''}{whole}E-{digits}")


def divide(above: Any, below: Any) -> Decimal | None:
    """Return above ÷ below cut off, where both are known and below is greater than zero."""
    if above is None or below is None or below <= 0:
        return None
    return cut(Fraction(above) / Fraction(below))


def parse(row: Row) -> Row:
    """Return a row the source says with its values as what they are."""
    found: Row = {}
    for name, value in row.items():
        if value is None or value == "":
            found[name] = None
        elif name in DAYS:
            found[name] = date.fromisoformat(str(value))
        elif name in AMOUNTS:
            found[name] = Decimal(str(value))
        elif name in WHOLE:
            found[name] = int(value)
        elif name in FLAGS:
            found[name] = str(value).lower() == "true"
        else:
            found[name] = str(value)
    return found


def least(condition: Callable[[int], bool]) -> int:
    """Return the smallest whole number from 0 on for which a condition holds."""
    number = 0
    while not condition(number):
        number += 1
    return number


def monday(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


class Company:
    """What a source says, as far as it can be seen on a day at a grain."""

    def __init__(self, rows: dict[str, list[Row]], grain: str, as_of: date, reporting: str = "CNY") -> None:
        self.reporting = reporting
        self.rows = {name: [parse(row) for row in found] for name, found in rows.items()}
        self.grain, self.as_of = grain, as_of
        known = [row for row in self.rows["customers"] if row.get("opened_on") is None or row["opened_on"] <= as_of]
        self.customers = {row["customer_id"]: row for row in known}
        self.members: dict[str, list[str]] = defaultdict(list)
        for row in known:
            for account in self._accounts_of(row):
                self.members[account].append(row["customer_id"])
        self.heads = {
            account: account if account in members else min(members) for account, members in self.members.items()
        }

    def _accounts_of(self, row: Row) -> Iterable[str]:
        number = row["customer_id"]
        if self.grain == "customer":
            return [number]
        if self.grain == "bill_to":
            return [row["bill_to_id"] if row.get("bill_to_id") in self.customers else number]
        if self.grain == "group":
            return [row.get("group_id") or number]
        if self.grain == "opportunity":
            return [o["opportunity_id"] for o in self.rows.get("opportunities", []) if o["customer_id"] == number]
        return [e["event_id"] for e in self.events if e["customer_id"] == number and e["kind"] == "request"
                and (e.get("closed_on") is None or e["closed_on"] > self.as_of)]  # fmt: skip

    @property
    def accounts(self) -> list[str]:
        """The accounts in scope, in order."""
        return sorted(a for a, head in self.heads.items() if self.customers[head].get("status") != "left")

    def in_reporting(self, amount: Decimal | None, currency: str, day: date) -> Decimal | None:
        """Return an amount at the rate of its day or the last one within 7 days."""
        if amount is None or currency == self.reporting:
            return amount
        rates = [r for r in self.rows.get("exchange_rates", []) if r["currency"] == currency and r["valid_on"] <= day]
        rate = max(rates, key=lambda r: r["valid_on"])["rate_to_reporting"]
        return (amount * rate).quantize(Decimal("0.01"), ROUND_HALF_UP)

    @cached_property
    def events(self) -> list[Row]:
        """Service events as they are known on the day."""
        return [e for e in self.rows.get("service_events", []) if e["opened_on"] <= self.as_of]

    def of(self, account: str, entity: str, day: str) -> list[Row]:
        """Return the rows of an account's customers up to the day."""
        numbers = self.members[account]
        return [r for r in self.rows.get(entity, []) if r["customer_id"] in numbers and r[day] <= self.as_of]

    def window(self, text: str) -> tuple[date, date]:
        """Return (start, end] of a window."""
        number, _, unit = text.partition(" ")
        if unit.startswith("day"):
            return self.as_of - timedelta(days=int(number)), self.as_of
        if unit.startswith("month"):
            return self.as_of - relativedelta(months=int(number)), self.as_of
        return (date.min if text == "ever" else date(self.as_of.year - 1, 12, 31)), self.as_of

    def window_before(self, text: str) -> tuple[date, date]:
        """Return (start, end] of the window that a window is compared with."""
        number, _, unit = text.partition(" ")
        start, _ = self.window(text)
        if unit.startswith("day"):
            return self.as_of - timedelta(days=2 * int(number)), start
        if unit.startswith("month"):
            return self.as_of - relativedelta(months=2 * int(number)), start
        end = self.as_of - relativedelta(months=12) if text == "to_date" else start
        return date(self.as_of.year - 2, 12, 31), end

    # Open items

    @cached_property
    def payments(self) -> list[Row]:
        """Payments up to the day, refunds negative."""
        found = []
        for row in self.rows.get("payments", []):
            if row["paid_on"] <= self.as_of:
                amount = -abs(row["amount"]) if row.get("kind") == "refund" else row["amount"]
                found.append(
                    row | {"amount": amount, "reporting": self.in_reporting(amount, row["currency"], row["paid_on"])}
                )
        return found

    @cached_property
    def documents(self) -> dict[str, Row]:
        """Receivables issued up to the day, by number."""
        return {
            row["document_id"]: row
            | {"reporting": self.in_reporting(row["gross_amount"], row["currency"], row["issued_on"])}
            for row in self.rows.get("receivables", [])
            if row["issued_on"] <= self.as_of
        }

    @staticmethod
    def in_currency_of(document: Row, payment: Row) -> Decimal:
        """Return what a payment that names a document pays of it."""
        if payment["currency"] == document["currency"]:
            amount: Decimal = payment["amount"]
            return amount
        own, reporting = Fraction(document["gross_amount"]), Fraction(document["reporting"])
        return cut(Fraction(payment["reporting"]) * own / reporting, 4)

    def open_items(self, account: str) -> list[Row]:
        """Return every invoice of an account with what is open of it."""
        members = self.members[account]
        mine = [row for row in self.documents.values() if row["customer_id"] in members]
        left = {row["document_id"]: row["gross_amount"] for row in mine}
        pool: dict[str, Decimal] = defaultdict(Decimal)
        for payment in self.payments:
            named = payment.get("document_id")
            if named in left:
                left[named] -= self.in_currency_of(self.documents[named], payment)
            elif named is None and payment["customer_id"] in members:
                pool[payment["currency"]] += payment["amount"]
        for row in mine:
            if left[row["document_id"]] < 0:
                pool[row["currency"]] -= left[row["document_id"]]
                left[row["document_id"]] = ZERO
        invoices = [row for row in mine if row["gross_amount"] > 0]
        for row in sorted(invoices, key=lambda r: (r["due_on"], r["issued_on"], r["document_id"])):
            number = row["document_id"]
            used = min(left[number], max(pool[row["currency"]], ZERO))
            left[number] -= used
            pool[row["currency"]] -= used
        return [
            row | {
                "open": left[row["document_id"]],
                "open_reporting": cut(Fraction(left[row["document_id"]]) * Fraction(row["reporting"])
                                      / Fraction(row["gross_amount"]), 4),
            }
            for row in invoices
        ]  # fmt: skip

    # Positions

    def positions(self) -> dict[tuple[str, str], Row]:
        """Return the receivables of every account and currency, document by document and payment by payment.

        A customer who is not known yet is an account.
        """
        account_of = {number: account for account, members in self.members.items() for number in members}
        strangers = {row["customer_id"] for row in [*self.documents.values(), *self.payments]} - set(account_of)
        for stranger in strangers:
            self.members[stranger] = [stranger]
            account_of[stranger] = stranger
        found: dict[tuple[str, str], Row] = defaultdict(lambda: defaultdict(Decimal))
        for document in self.documents.values():
            found[account_of[document["customer_id"]], document["currency"]]["billed_amount"] += document[
                "gross_amount"
            ]
        begin = self.as_of - relativedelta(months=12)
        named: dict[tuple[str, str], list[tuple[Decimal, int, bool]]] = defaultdict(list)
        for payment in self.payments:
            paid = self.documents.get(payment.get("document_id"))
            place = account_of[payment["customer_id"]], payment["currency"]
            if payment.get("document_id") is None:
                found[place]["paid_amount"] += payment["amount"]
            elif paid is None or paid["reporting"] == 0:
                found[place]["unmatched_amount"] += payment["amount"]
            else:
                place = account_of[paid["customer_id"]], paid["currency"]
                found[place]["paid_amount"] += self.in_currency_of(paid, payment)
                if paid["gross_amount"] > 0 and payment["paid_on"] > begin:
                    days = (payment["paid_on"] - paid["issued_on"]).days
                    named[place].append((payment["reporting"], days, payment["paid_on"] <= paid["due_on"]))
        for place, row in found.items():
            self._add_ages(row, [item for item in self.open_items(place[0]) if item["currency"] == place[1]])
            row["balance"] = row["billed_amount"] - row["paid_amount"]
            amount = sum((amount for amount, _, _ in named[place]), ZERO)
            row["average_days"] = divide(sum((amount * days for amount, days, _ in named[place]), ZERO), amount)
            row["on_time_rate"] = divide(sum((amount for amount, _, in_time in named[place] if in_time), ZERO), amount)
            billed = [
                document["gross_amount"]
                for document in self.documents.values()
                if (account_of[document["customer_id"]], document["currency"]) == place
                and document["issued_on"] > begin
            ]
            row["dso"] = divide(row["open_amount"] * (self.as_of - begin).days, sum(billed, ZERO))
        return {place: dict(row) for place, row in found.items()}

    def _add_ages(self, row: Row, items: list[Row]) -> None:
        row["overdue_days"] = 0
        for name in ("open_amount", "disputed_amount", "overdue_amount", "unmatched_amount", *AGES):
            row[name] += ZERO
        for item in items:
            row["open_amount"] += item["open"]
            late = (self.as_of - item["due_on"]).days
            if item.get("is_disputed"):
                row["disputed_amount"] += item["open"]
                continue
            row[next(name for name, least in AGES.items() if late >= least)] += item["open"]
            if late > 0 and item["open"] > 0:
                row["overdue_amount"] += item["open"]
                row["overdue_days"] = max(row["overdue_days"], late)


def measure(company: Company, account: str, name: str, window: str = "ever", kinds: tuple[str, ...] = ()) -> Any:
    """Return one measure of one account, with its basis in its name."""
    return _Account(company, account, window, kinds).value(name)


class _Account:
    """One account seen through one window and one choice of kinds."""

    def __init__(self, company: Company, account: str, window: str, kinds: tuple[str, ...]) -> None:
        self.company, self.account, self.window, self.kinds = company, account, window, kinds
        self.as_of = company.as_of
        self.start, _ = company.window(window)

    def value(self, name: str) -> Any:
        return getattr(self, name)()

    def of(self, entity: str, day: str) -> list[Row]:
        """Rows of the window."""
        return [row for row in self.company.of(self.account, entity, day) if row[day] > self.start]

    def is_asked(self, word: Any) -> bool:
        return not self.kinds or word in self.kinds

    # Sales

    def _lines(self, start: date | None = None, end: date | None = None) -> list[Row]:
        found = []
        for row in self.company.of(self.account, "sales", "sold_on"):
            if not (start or self.start) < row["sold_on"] <= (end or self.as_of):
                continue
            sign = -1 if row.get("document_type") == "credit_note" else 1
            gross = None if row.get("tax_amount") is None else row["net_amount"] + row["tax_amount"]
            amounts = {"net": row["net_amount"], "cost": row.get("cost_amount"), "gross": gross}
            for key, amount in amounts.items():
                told = self.company.in_reporting(amount, row["currency"], row["sold_on"])
                amounts[key] = told if told is None or sign == 1 else -abs(told)
            found.append(row | amounts | {"is_invoice": sign == 1})
        return found

    def _sum(self, key: str) -> Any:
        values = [row[key] for row in self._lines()]
        return None if None in values else sum(values, ZERO)

    def _invoices(self) -> list[Row]:
        return [row for row in self._lines() if row["is_invoice"]]

    def _days(self) -> list[date]:
        return sorted({row["sold_on"] for row in self._invoices()})

    def _weeks(self) -> list[date]:
        return sorted({monday(day) for day in self._days()})

    def net_sales(self) -> Any:
        return self._sum("net")

    def gross_sales(self) -> Any:
        return self._sum("gross")

    def cost(self) -> Any:
        return self._sum("cost")

    def margin(self) -> Any:
        return None if self.cost() is None else self.net_sales() - self.cost()

    def margin_rate(self) -> Any:
        return divide(self.margin(), self.net_sales())

    def cost_ratio(self) -> Any:
        return divide(self.cost(), self.net_sales())

    def order_count(self) -> Any:
        return len({row["document_id"] for row in self._invoices()})

    def product_count(self) -> Any:
        return len({row["product_id"] for row in self._invoices() if row.get("product_id")})

    def purchase_days(self) -> Any:
        return len(self._days())

    def purchase_weeks(self) -> Any:
        return len(self._weeks())

    def recency_days(self) -> Any:
        return (self.as_of - self._days()[-1]).days if self._days() else None

    def recency_months(self) -> Any:
        if not self._days():
            return None
        last = self._days()[-1]
        return least(lambda n: last >= self.as_of - relativedelta(months=n))

    def largest_order(self) -> Any:
        orders: dict[str, Decimal] = defaultdict(Decimal)
        for row in self._invoices():
            orders[row["document_id"]] += row["net"]
        return max(orders.values(), default=None)

    def average_order(self) -> Any:
        return divide(self.net_sales(), self.order_count())

    def sales_growth(self) -> Any:
        start, end = self.company.window_before(self.window)
        before = sum((row["net"] for row in self._lines(start, end)), ZERO)
        return divide(self.net_sales() - before, before)

    def _average_sales(self, months: int) -> Any:
        number, _, unit = self.window.partition(" ")
        first = min((row["sold_on"] for row in self._invoices()), default=None)
        if self.window == "ever":
            if first is None:
                return None
            length = Fraction(self.as_of.year * 12 + self.as_of.month - first.year * 12 - first.month + 1)
        elif unit.startswith("day"):
            length = Fraction(12 * int(number), 365)
        else:
            length = Fraction({"calendar_year": 12, "to_date": self.as_of.month}.get(self.window) or int(number))
        return cut(Fraction(self.net_sales()) * months / length)

    def average_monthly_sales(self) -> Any:
        return self._average_sales(1)

    def average_quarterly_sales(self) -> Any:
        return self._average_sales(3)

    def average_yearly_sales(self) -> Any:
        return self._average_sales(12)

    def cumulative_sales(self) -> Any:
        return self.net_sales()

    def repeat_purchases(self) -> Any:
        return max(len(self._days()) - 1, 0)

    def repeat_purchase_weeks(self) -> Any:
        return max(len(self._weeks()) - 1, 0)

    def repeat_span_days(self) -> Any:
        return (self._days()[-1] - self._days()[0]).days if self._days() else None

    def repeat_span_weeks(self) -> Any:
        return (self._weeks()[-1] - self._weeks()[0]).days // 7 if self._days() else None

    def purchase_age_days(self) -> Any:
        return (self.as_of - self._days()[0]).days if self._days() else None

    def purchase_age_weeks(self) -> Any:
        return (monday(self.as_of) - self._weeks()[0]).days // 7 if self._days() else None

    def average_repeat_sales(self) -> Any:
        days = self._days()
        if len(days) < 2:
            return ZERO
        first = sum((row["net"] for row in self._lines() if row["sold_on"] == days[0]), ZERO)
        return divide(self.net_sales() - first, len(days) - 1)

    def average_purchase_sales(self) -> Any:
        return divide(self.net_sales(), len(self._days()))

    def average_interval_days(self) -> Any:
        return divide(self.repeat_span_days(), len(self._days()) - 1)

    def interval_ratio(self) -> Any:
        if len(self._days()) < 2:
            return None
        return cut(Fraction(self.recency_days()) / Fraction(self.repeat_span_days(), len(self._days()) - 1))

    # Relationship

    def _began(self) -> date | None:
        members = [self.company.customers[number] for number in self.company.members[self.account]]
        opened = [row["opened_on"] for row in members if row.get("opened_on")]
        return min(opened or self._days(), default=None)

    def _whole_months(self, start: date | None) -> int | None:
        if start is None:
            return None
        return least(lambda n: start + relativedelta(months=n + 1) > self.as_of)

    def _head(self, name: str) -> Any:
        return self.company.customers[self.company.heads[self.account]].get(name)

    def _attribute(self, name: str) -> Decimal | None:
        said = self._head(f"attr_{name}")
        return None if said is None or not said.replace(".", "", 1).lstrip("-").isdecimal() else Decimal(said)

    def tenure_days(self) -> Any:
        return (self.as_of - self._began()).days if self._began() else None

    def tenure_months(self) -> Any:
        return self._whole_months(self._began())

    def tenure_years(self) -> Any:
        return None if self._began() is None else self.tenure_months() // 12

    def credit_limit(self) -> Any:
        return self._head("credit_limit")

    def terms_days(self) -> Any:
        return self._head("terms_days")

    def nature(self) -> Any:
        return self._head("attr_nature") or self._head("customer_type")

    def total_assets(self) -> Any:
        return self._attribute("total_assets")

    def turnover(self) -> Any:
        return self._attribute("annual_revenue")

    def turnover_growth(self) -> Any:
        return self._attribute("revenue_growth")

    # Payments and receivables

    def received(self) -> Any:
        members = self.company.members[self.account]
        return sum(
            (
                p["reporting"]
                for p in self.company.payments
                if p["customer_id"] in members and p["paid_on"] > self.start
            ),
            ZERO,
        )

    def collection_rate_gross(self) -> Any:
        return divide(self.received(), self.gross_sales())

    def collection_rate_net(self) -> Any:
        return divide(self.received(), self.net_sales())

    def collection_rate_capped_gross(self) -> Any:
        return None if self.collection_rate_gross() is None else min(self.collection_rate_gross(), Decimal(1))

    def collection_rate_capped_net(self) -> Any:
        return None if self.collection_rate_net() is None else min(self.collection_rate_net(), Decimal(1))

    def _dso(self, sales: Any) -> Any:
        if sales is None or sales <= 0:
            return None
        if self.window == "ever":
            if not self._days():
                return None
            days = (self.as_of - self._days()[0]).days + 1
        else:
            days = (self.as_of - self.start).days
        return divide(self.receivable_balance() * days, sales)

    def dso_gross(self) -> Any:
        return self._dso(self.gross_sales())

    def dso_net(self) -> Any:
        return self._dso(self.net_sales())

    def _due(self) -> list[Row]:
        items = self.company.open_items(self.account)
        return [item for item in items if self.start < item["due_on"] <= self.as_of]

    def settled_rate(self) -> Any:
        due = sum((item["reporting"] for item in self._due()), ZERO)
        return divide(due - sum((item["open_reporting"] for item in self._due()), ZERO), due)

    def _settlements(self) -> list[tuple[Decimal, int, bool]]:
        found = []
        for payment in self.company.payments:
            document = self.company.documents.get(payment.get("document_id") or "")
            if document is None or document["customer_id"] not in self.company.members[self.account]:
                continue
            if document["gross_amount"] > 0 and payment["paid_on"] > self.start:
                days = (payment["paid_on"] - document["issued_on"]).days
                found.append((payment["reporting"], days, payment["paid_on"] <= document["due_on"]))
        return found

    def on_time_rate(self) -> Any:
        on_time = sum((amount for amount, _, in_time in self._settlements() if in_time), ZERO)
        return divide(on_time, sum((amount for amount, _, _ in self._settlements()), ZERO))

    def days_to_pay(self) -> Any:
        weighted = sum((amount * days for amount, days, _ in self._settlements()), ZERO)
        return divide(weighted, sum((amount for amount, _, _ in self._settlements()), ZERO))

    def _open(self, condition: Callable[[Row, int], bool]) -> Decimal:
        items = self.company.open_items(self.account)
        chosen = [i["open_reporting"] for i in items if condition(i, (self.as_of - i["due_on"]).days)]
        return sum(chosen, ZERO)

    def _undisputed(self, condition: Callable[[int], bool]) -> Decimal:
        return self._open(lambda item, late: condition(late) and not item.get("is_disputed"))

    def receivable_balance(self) -> Any:
        return self._open(lambda item, late: True)

    def overdue_amount(self) -> Any:
        return self._undisputed(lambda late: late > 0)

    def disputed_amount(self) -> Any:
        return self._open(lambda item, late: bool(item.get("is_disputed")))

    def overdue_days(self) -> Any:
        items = self.company.open_items(self.account)
        late = [(self.as_of - i["due_on"]).days for i in items if i["open"] > 0 and not i.get("is_disputed")]
        return max([*late, 0])

    def overdue_share(self) -> Any:
        return divide(self.overdue_amount(), self.receivable_balance())

    def ageing_current(self) -> Any:
        return self._undisputed(lambda late: late <= 0)

    def ageing_1_30(self) -> Any:
        return self._undisputed(lambda late: 1 <= late <= 30)

    def ageing_31_60(self) -> Any:
        return self._undisputed(lambda late: 31 <= late <= 60)

    def ageing_61_90(self) -> Any:
        return self._undisputed(lambda late: 61 <= late <= 90)

    def ageing_over_90(self) -> Any:
        return self._undisputed(lambda late: late > 90)

    # Open orders

    def open_order_amount(self) -> Any:
        rows = self.of("open_orders", "ordered_on")
        return sum((self.company.in_reporting(r["amount"], r["currency"], r["ordered_on"]) for r in rows), ZERO)

    # Contacts

    def _last(self, entity: str, day: str, key: str) -> Any:
        days = [row[day] for row in self.company.of(self.account, entity, day) if self.is_asked(row.get(key))]
        return (self.as_of - max(days)).days if days else None

    def contact_count(self) -> Any:
        return sum(self.is_asked(row["channel"]) for row in self.of("contacts", "contacted_on"))

    def inbound_count(self) -> Any:
        return sum(row.get("direction") == "inbound" for row in self.of("contacts", "contacted_on"))

    def visits_without_effect(self) -> Any:
        last = max(_Account(self.company, self.account, "ever", ())._days(), default=date.min)
        return sum(
            row["channel"] == "visit" and row["contacted_on"] > last for row in self.of("contacts", "contacted_on")
        )

    def days_since_contact(self) -> Any:
        return self._last("contacts", "contacted_on", "channel")

    def contact_months(self) -> Any:
        days = [row["contacted_on"] for row in self.company.of(self.account, "contacts", "contacted_on")]
        return self._whole_months(min(days, default=None))

    # Service

    def _service(self) -> list[Row]:
        found = []
        for row in self.of("service_events", "opened_on"):
            if row.get("closed_on") and row["closed_on"] > self.as_of:
                row = row | {"closed_on": None, "satisfaction": None}
            found.append(row)
        return found

    def service_count(self) -> Any:
        return sum(self.is_asked(row["kind"]) for row in self._service())

    def complaint_count(self) -> Any:
        return sum(row["kind"] == "complaint" for row in self._service())

    def _mean(self, values: Iterable[Any]) -> Any:
        known = [Fraction(value) for value in values if value is not None]
        return cut(sum(known, Fraction(0)) / len(known)) if known else None

    def average_satisfaction(self) -> Any:
        return self._mean(row.get("satisfaction") for row in self._service())

    def average_answer_seconds(self) -> Any:
        return self._mean(row.get("answered_seconds") for row in self._service())

    def answered_within_20s(self) -> Any:
        seconds = [row["answered_seconds"] for row in self._service() if row.get("answered_seconds") is not None]
        return self._mean(int(value <= 20) for value in seconds)

    def replied_within_24h(self) -> Any:
        verdicts = []
        for row in self._service():
            closed = row.get("closed_on")
            if closed is not None or self.as_of - row["opened_on"] >= timedelta(days=1):
                verdicts.append(int(closed is not None and (closed - row["opened_on"]).days <= 1))
        return self._mean(verdicts)

    def average_close_days(self) -> Any:
        return self._mean((row["closed_on"] - row["opened_on"]).days for row in self._service() if row.get("closed_on"))

    # Surveys, balances, opportunities, prescriptions, events, requests

    def survey_count(self) -> Any:
        return len(self.of("surveys", "answered_on"))

    def average_survey_score(self) -> Any:
        return self._mean(
            row["score"] for row in self.of("surveys", "answered_on") if self.is_asked(row.get("question"))
        )

    def balance(self) -> Any:
        latest: dict[tuple[str, str], Row] = {}
        for row in sorted(self.company.of(self.account, "balances", "as_of"), key=lambda row: row["as_of"]):
            if row["kind"] in self.kinds:
                latest[row["customer_id"], row["kind"]] = row
        return sum((row["amount"] for row in latest.values()), ZERO) if latest else None

    def _opportunities(self) -> list[Row]:
        members = self.company.members[self.account]
        rows = self.company.rows.get("opportunities", [])
        return [row for row in rows if row["customer_id"] in members and not row.get("is_refused")]

    def open_opportunities(self) -> Any:
        return len(self._opportunities())

    def potential_need(self) -> Any:
        amounts = [row["amount"] for row in self._opportunities() if row.get("amount") is not None]
        return sum(amounts, ZERO) if amounts else None

    def next_close_days(self) -> Any:
        days = [row["expected_close_on"] for row in self._opportunities() if row.get("expected_close_on")]
        return min(((day - self.as_of).days for day in days if day >= self.as_of), default=None)

    def _one(self, entity: str, key: str) -> Row:
        return next(row for row in self.company.rows[entity] if row[key] == self.account)

    def has_explicit_need(self) -> Any:
        return self._one("opportunities", "opportunity_id")["has_explicit_need"]

    def is_refused(self) -> Any:
        return bool(self._one("opportunities", "opportunity_id").get("is_refused"))

    def stage(self) -> Any:
        return self._one("opportunities", "opportunity_id")["stage"]

    def opportunity_amount(self) -> Any:
        return self._one("opportunities", "opportunity_id").get("amount")

    def days_to_close(self) -> Any:
        day = self._one("opportunities", "opportunity_id").get("expected_close_on")
        return (day - self.as_of).days if day else None

    def months_to_close(self) -> Any:
        day = self._one("opportunities", "opportunity_id").get("expected_close_on")
        return least(lambda n: day <= self.as_of + relativedelta(months=n)) if day else None

    def own_units(self) -> Any:
        return sum((row["own_units"] for row in self.of("prescriptions", "month")), ZERO)

    def competitor_units(self) -> Any:
        units = [row.get("competitor_units") for row in self.of("prescriptions", "month")]
        return None if None in units else sum(units, ZERO)

    def share_of_wallet(self) -> Any:
        others = self.competitor_units()
        return None if others is None else divide(self.own_units(), self.own_units() + others)

    def _latest_month(self, name: str) -> Any:
        rows = [row for row in self.company.of(self.account, "prescriptions", "month") if row.get(name) is not None]
        return min(rows, key=lambda row: (-row["month"].toordinal(), row["customer_id"]))[name] if rows else None

    def hospital_level(self) -> Any:
        return self._latest_month("hospital_level")

    def prescribing_behaviour(self) -> Any:
        return self._latest_month("behaviour")

    def patients(self) -> Any:
        rows = sorted(self.company.of(self.account, "prescriptions", "month"), key=lambda row: row["month"])
        latest = {row["customer_id"]: row["patients"] for row in rows if row.get("patients") is not None}
        return sum(latest.values()) if latest else None

    def event_count(self) -> Any:
        return sum(row["kind"] in self.kinds for row in self.of("events", "happened_on"))

    def days_since_event(self) -> Any:
        return self._last("events", "happened_on", "kind")

    def is_urgent(self) -> Any:
        return self._one("service_events", "event_id").get("is_urgent")

    def is_important(self) -> Any:
        return self._one("service_events", "event_id").get("is_important")

    def requested_grade(self) -> Any:
        return self._one("service_events", "event_id").get("grade")

    def request_age_days(self) -> Any:
        return (self.as_of - self._one("service_events", "event_id")["opened_on"]).days
