"""The MM company of the catalogue (§1.6), built to its printed totals: 450 customers, all amounts in 10,000 CNY."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from companies import Row, Said, customer, payment, receivable, sale

UNIT = 10_000
VAT = Decimal("0.17")
CENT = Decimal("0.01")


class _Part(NamedTuple):
    """So many customers who buy for so much in total and pay such a part of their bills."""

    customers: int
    sales: int
    rate: Decimal
    is_key: bool


PARTS = (
    _Part(60, 2000, Decimal(1), True),  # A
    _Part(24, 720, Decimal("0.95"), True),  # B
    _Part(10, 400, Decimal("0.85"), True),  # C
    _Part(6, 200, Decimal("0.5"), True),  # D
    _Part(150, 280, Decimal(1), False),  # B
    _Part(100, 200, Decimal("0.95"), False),  # C: 90 to 100 % and not key is in no class of the print
    _Part(100, 200, Decimal("0.5"), False),  # D
)
"""Key customers buy for 3320 of 4000; classes A, B, C and D for 2000, 1000, 600 and 400."""


@dataclass(frozen=True)
class Member:
    """One customer; amounts in CNY."""

    number: str
    sales: Decimal
    received: Decimal
    owes: Decimal
    is_key: bool


def split(total: int, parts: int) -> list[Decimal]:
    """Split so many times 10,000 CNY into equal parts; the last one takes what is left over."""
    each = (Decimal(total * UNIT) / parts).quantize(CENT)
    return [each] * (parts - 1) + [total * UNIT - each * (parts - 1)]


def members() -> Iterator[Member]:
    """Yield the customers: the 76 key customers that are among the 100 largest debtors owe 320, 24 others 460."""
    large = {True: iter(split(320, 76)), False: iter(split(460, 24))}
    small = iter(split(220, 350))
    number = 0
    for part in PARTS:
        for sales in split(part.sales, part.customers):
            number += 1
            tax = (sales * VAT).quantize(CENT, ROUND_HALF_UP)
            received = ((sales + tax) * part.rate).quantize(CENT, ROUND_HALF_UP)
            owes = next(large[part.is_key], None) or next(small)
            yield Member(f"MM{number:03}", sales, received, owes, part.is_key)


def tell(source: Said) -> None:
    """Let a source say the company: what was billed is what was received and what is owed."""
    company = list(members())
    day = "2015-06-15"
    source.put("customers", [customer(each.number) for each in company])
    source.put(
        "sales",
        [
            sale(
                f"S{each.number}",
                customer_id=each.number,
                sold_on=day,
                net_amount=str(each.sales),
                tax_amount=str((each.sales * VAT).quantize(CENT, ROUND_HALF_UP)),
            )
            for each in company
        ],
    )
    documents: list[Row] = [
        receivable(
            f"R{each.number}",
            customer_id=each.number,
            issued_on=day,
            due_on="2015-07-15",
            gross_amount=str(each.received + each.owes),
        )
        for each in company
    ]
    source.put("receivables", documents)
    source.put(
        "payments",
        [
            payment(f"P{each.number}", customer_id=each.number, paid_on="2015-08-01", amount=str(each.received))
            for each in company
        ],
    )
    plan = {"year": "2016", "revenue_budget": str(4000 * UNIT), "gross_margin_rate": "0.20", "vat_rate": str(VAT)}
    source.put("plan", [plan])
