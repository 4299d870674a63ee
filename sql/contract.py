"""What a source may return: the entities, their columns and their types (design: the contract a user's SELECTs fulfil).

The landing tables hold these columns as text, exactly as the source said them; the fact tables hold them
parsed. `tests/test_contract.py` holds the numbered schema statements against this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

#: The SQL type (DuckDB dialect) a column has once it is parsed.
SQL_TYPES = {
    "id": "TEXT",
    "text": "TEXT",
    "currency": "TEXT",
    "date": "DATE",
    "money": "DECIMAL(20, 4)",  # up to 16 digits before the point: 9007199254740993.55 is exact
    "rate": "DECIMAL(18, 8)",
    "number": "DECIMAL(38, 8)",
    "integer": "BIGINT",
    "flag": "BOOLEAN",
}

SPACES = " \t\r\n\u00a0\u3000"
"""What is cut off both ends of a value; named, because the engines' own TRIM differ: only DuckDB's takes U+3000."""

MINOR_DIGITS = {
    "JPY": 0,
    "KRW": 0,
    "VND": 0,
    "CLP": 0,
    "ISK": 0,
    "BHD": 3,
    "JOD": 3,
    "KWD": 3,
    "OMR": 3,
    "TND": 3,
}
"""Digits after the point of the currencies that do not have two (ISO 4217)."""


CURRENCIES = [
    "AED",
    "AFN",
    "ALL",
    "AMD",
    "AOA",
    "ARS",
    "AUD",
    "AWG",
    "AZN",
    "BAM",
    "BBD",
    "BDT",
    "BGN",
    "BHD",
    "BIF",
    "BMD",
    "BND",
    "BOB",
    "BRL",
    "BSD",
    "BTN",
    "BWP",
    "BYN",
    "BZD",
    "CAD",
    "CDF",
    "CHF",
    "CLP",
    "CNH",
    "CNY",
    "COP",
    "CRC",
    "CUP",
    "CVE",
    "CZK",
    "DJF",
    "DKK",
    "DOP",
    "DZD",
    "EGP",
    "ERN",
    "ETB",
    "EUR",
    "FJD",
    "FKP",
    "GBP",
    "GEL",
    "GHS",
    "GIP",
    "GMD",
    "GNF",
    "GTQ",
    "GYD",
    "HKD",
    "HNL",
    "HTG",
    "HUF",
    "IDR",
    "ILS",
    "INR",
    "IQD",
    "IRR",
    "ISK",
    "JMD",
    "JOD",
    "JPY",
    "KES",
    "KGS",
    "KHR",
    "KMF",
    "KPW",
    "KRW",
    "KWD",
    "KYD",
    "KZT",
    "LAK",
    "LBP",
    "LKR",
    "LRD",
    "LSL",
    "LYD",
    "MAD",
    "MDL",
    "MGA",
    "MKD",
    "MMK",
    "MNT",
    "MOP",
    "MRU",
    "MUR",
    "MVR",
    "MWK",
    "MXN",
    "MYR",
    "MZN",
    "NAD",
    "NGN",
    "NIO",
    "NOK",
    "NPR",
    "NZD",
    "OMR",
    "PAB",
    "PEN",
    "PGK",
    "PHP",
    "PKR",
    "PLN",
    "PYG",
    "QAR",
    "RON",
    "RSD",
    "RUB",
    "RWF",
    "SAR",
    "SBD",
    "SCR",
    "SDG",
    "SEK",
    "SGD",
    "SHP",
    "SLE",
    "SOS",
    "SRD",
    "SSP",
    "STN",
    "SVC",
    "SYP",
    "SZL",
    "THB",
    "TJS",
    "TMT",
    "TND",
    "TOP",
    "TRY",
    "TTD",
    "TWD",
    "TZS",
    "UAH",
    "UGX",
    "USD",
    "UYU",
    "UZS",
    "VES",
    "VND",
    "VUV",
    "WST",
    "XAF",
    "XCD",
    "XOF",
    "XPF",
    "YER",
    "ZAR",
    "ZMW",
    "ZWG",
]
"""Currencies in circulation (ISO 4217)."""


@dataclass(frozen=True)
class Entity:
    """One entity of the contract.

    `key` identifies a row; `dated_by` is the business date that a batch selects on (None: read whole);
    `amount` the column whose totals are reconciled; `keeps_missing` says that a row which a later
    extract no longer holds stays known (a customer that is missing is not a customer that is deleted);
    `versioned` that every extract's attributes are kept with the day they hold from; `translated` the amounts
    that the facts also carry in the reporting currency, as `<column>_reporting`; `lookback_days` how
    much earlier than a batch its rows are read.
    """

    name: str
    required: dict[str, str]
    optional: dict[str, str]
    key: tuple[str, ...]
    dated_by: str | None = None
    amount: str | None = None
    is_required: bool = False
    keeps_missing: bool = False
    versioned: bool = False
    translated: tuple[str, ...] = ()
    lookback_days: int = 0

    @cached_property
    def columns(self) -> dict[str, str]:
        """All columns with their contract types, required ones first."""
        return {**self.required, **self.optional}

    @property
    def refers_to_customer(self) -> bool:
        """Whether a row belongs to a customer of the customers entity."""
        return "customer_id" in self.required and self.name not in ("customers", "customer_attributes")

    @property
    def derived(self) -> dict[str, str]:
        """Columns that the facts have beyond the contract, with their types."""
        own = {"gross_amount": "money"} if self.name == "sales" else {}
        versions = {"holds_from": "date"} if self.versioned else {}
        return {**own, **{f"{column}_reporting": "money" for column in self.translated}, **versions}


_ENTITIES = (
    Entity(
        "account_managers",
        {"account_manager_id": "id", "name": "text", "email": "text"},
        {"reports_to_id": "id", "locale": "text", "region": "text"},
        key=("account_manager_id",),
        is_required=True,
        keeps_missing=True,
    ),
    Entity(
        "customers",
        {"customer_id": "id", "name": "text", "account_manager_id": "id"},
        {
            "bill_to_id": "id",
            "group_id": "id",
            "customer_type": "text",
            "industry": "text",
            "region": "text",
            "opened_on": "date",
            "currency": "currency",
            "credit_limit": "money",
            "terms_days": "integer",
            "status": "text",
            "is_blocked": "flag",
        },
        key=("customer_id",),
        is_required=True,
        keeps_missing=True,
        versioned=True,
    ),
    Entity(
        "customer_attributes",
        {"customer_id": "id", "attribute": "text", "value": "text"},
        {},
        key=("customer_id", "attribute"),
        keeps_missing=True,
        versioned=True,
    ),
    Entity(
        "exchange_rates",
        {"currency": "currency", "valid_on": "date", "rate_to_reporting": "rate"},
        {},
        key=("currency", "valid_on"),
        dated_by="valid_on",
        lookback_days=7,  # a rate holds for the 7 days after its own
    ),
    Entity(
        "plan",
        {"year": "integer", "revenue_budget": "money", "gross_margin_rate": "rate", "vat_rate": "rate"},
        {"credit_budget": "money"},
        key=("year",),
    ),
    Entity(
        "sales",
        {
            "line_id": "id",
            "document_id": "id",
            "customer_id": "id",
            "sold_on": "date",
            "net_amount": "money",
            "currency": "currency",
        },
        {
            "tax_amount": "money",
            "cost_amount": "money",
            "document_type": "text",
            "product_id": "id",
            "quantity": "number",
            "entity": "text",
        },
        key=("line_id",),
        dated_by="sold_on",
        amount="net_amount",
        is_required=True,
        translated=("net_amount", "gross_amount", "cost_amount"),
    ),
    Entity(
        "receivables",
        {
            "document_id": "id",
            "customer_id": "id",
            "issued_on": "date",
            "due_on": "date",
            "gross_amount": "money",
            "currency": "currency",
        },
        {"is_disputed": "flag", "entity": "text"},
        key=("document_id",),
        dated_by="issued_on",
        amount="gross_amount",
        is_required=True,
        translated=("gross_amount",),
    ),
    Entity(
        "payments",
        {
            "payment_id": "id",
            "customer_id": "id",
            "paid_on": "date",
            "amount": "money",
            "currency": "currency",
        },
        {"document_id": "id", "kind": "text"},
        key=("payment_id",),
        dated_by="paid_on",
        amount="amount",
        is_required=True,
        translated=("amount",),
    ),
    Entity(
        "assessments",
        {
            "customer_id": "id",
            "indicator": "text",
            "value": "text",
            "assessed_on": "date",
            "assessed_by": "text",
        },
        {"evidence": "text", "valid_to": "date"},
        key=("customer_id", "indicator", "assessed_on"),
        dated_by="assessed_on",
    ),
    Entity(
        "contacts",
        {"contact_id": "id", "customer_id": "id", "contacted_on": "date", "channel": "text"},
        {"direction": "text", "outcome": "text"},
        key=("contact_id",),
        dated_by="contacted_on",
    ),
    Entity(
        "opportunities",
        {"opportunity_id": "id", "customer_id": "id", "has_explicit_need": "flag", "stage": "text"},
        {"expected_close_on": "date", "amount": "money", "is_refused": "flag"},
        key=("opportunity_id",),
    ),
    Entity(
        "service_events",
        {"event_id": "id", "customer_id": "id", "opened_on": "date", "kind": "text"},
        {
            "answered_seconds": "integer",
            "closed_on": "date",
            "satisfaction": "number",
            "is_urgent": "flag",
            "is_important": "flag",
            "grade": "text",
        },
        key=("event_id",),
        dated_by="opened_on",
    ),
    Entity(
        "balances",
        {"customer_id": "id", "as_of": "date", "kind": "text", "amount": "number"},
        {"currency": "currency"},
        key=("customer_id", "as_of", "kind"),
        dated_by="as_of",
    ),
    Entity(
        "open_orders",
        {
            "document_id": "id",
            "customer_id": "id",
            "ordered_on": "date",
            "amount": "money",
            "currency": "currency",
        },
        {},
        key=("document_id",),
        amount="amount",
        translated=("amount",),
    ),
    Entity(
        "prescriptions",
        {"customer_id": "id", "month": "date", "own_units": "number"},
        {"competitor_units": "number", "hospital_level": "text", "behaviour": "text", "patients": "integer"},
        key=("customer_id", "month"),
        dated_by="month",
    ),
    Entity(
        "surveys",
        {"customer_id": "id", "answered_on": "date", "score": "number"},
        {"question": "text"},
        key=("customer_id", "answered_on", "question"),
        dated_by="answered_on",
    ),
    Entity(
        "events",
        {"customer_id": "id", "happened_on": "date", "kind": "text"},
        {},
        key=("customer_id", "happened_on", "kind"),
        dated_by="happened_on",
    ),
)

ENTITIES: dict[str, Entity] = {entity.name: entity for entity in _ENTITIES}
"""Every entity by name, in the order in which they are validated and loaded (a row's references come before it)."""

DERIVED = {"customer_attributes"}
"""Entities that no source file names: `attr_<name>` columns of customers, turned into rows."""

COVERING = ("sales", "receivables", "payments")
"""The dated entities whose batches say through which day the facts reach."""
