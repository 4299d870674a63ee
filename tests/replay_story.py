"""A company made by chance whose facts change from day to day, as loads would change them.

Rows are written into the facts with the number of the load that brought or ended them; nothing else is told.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from sql.contract import ENTITIES

Row = dict[str, Any]
CUSTOMERS = [f"Z{number:02}" for number in range(40)]
FIRST = date(2022, 11, 15)

_KEYED = {"sales": "line_id", "receivables": "document_id", "payments": "payment_id", "contacts": "contact_id",
          "service_events": "event_id", "opportunities": "opportunity_id", "open_orders": "document_id"}  # fmt: skip


class Story:
    """Chooses what is loaded, corrected and withdrawn next, all of it from one generator of random numbers."""

    def __init__(self, connection: Connection, rng: random.Random, today: date) -> None:
        self.connection, self.rng, self.today = connection, rng, today
        self.batch_no, self.numbers = 0, 0
        self.standing: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in ENTITIES}
        self._note_batch()
        for number in CUSTOMERS[:-4]:
            self._put("customers", self._customer(number, FIRST))
        for number in CUSTOMERS[:20]:
            self._put("customer_attributes", self._attribute(number, FIRST))
        for entity, make in self._makers().items():
            for _ in range(90 if entity in ("sales", "receivables", "payments") else 25):
                self._put(entity, make())

    def go_on(self, days: int) -> None:
        """Let so many days pass, and loads come that bring late rows and rows of the future, correct and withdraw."""
        self.today += timedelta(days=days)
        for _ in range(self.rng.choice([0, 1, 1, 1, 2])):
            self._note_batch()
            for _ in range(self.rng.randint(0, 6)):
                self.rng.choices(
                    [self._add, self._correct, self._withdraw, self._change_customer, self._merge, self._lose],
                    [4, 3, 2, 2, 1, 1],
                )[0]()

    # What a load can do.

    def _add(self) -> None:
        entity, make = self.rng.choice(list(self._makers().items()))
        self._put(entity, make())

    def _correct(self) -> None:
        found = self._some_standing()
        if found:
            entity, old = found
            new = {**self._makers()[entity](), **{name: old[name] for name in ENTITIES[entity].key}}
            self._end(entity, old)
            self._put(entity, new)

    def _withdraw(self) -> None:
        found = self._some_standing()
        if found:
            self._end(*found)

    def _change_customer(self) -> None:
        holds_from = max([self.today, *(row["holds_from"] for row in self.standing["customers"].values())])
        number = self.rng.choice(CUSTOMERS)
        for entity, row in (
            ("customers", self._customer(number, holds_from)),
            ("customer_attributes", self._attribute(number, holds_from)),
        ):
            old = self.standing[entity].get(self._key(entity, row))
            if old:
                self._end(entity, old)
            self._put(entity, row)

    def _merge(self) -> None:
        one, other = self.rng.sample(CUSTOMERS, 2)
        self.connection.execute(
            text(
                "INSERT INTO tiering.customer_merge (customer_id, merged_into, merged_on, reason, requested_by, "
                "approved_by, batch_no, recorded_at) SELECT :one, :other, :day, 'tests', 'a', 'b', :batch_no, :now "
                "WHERE NOT EXISTS (SELECT 1 FROM tiering.customer_merge WHERE customer_id = :one AND merged_on = :day)"
            ),
            {"one": one, "other": other, "day": self._day(), "batch_no": self.batch_no, "now": datetime.now(UTC)},
        )

    def _lose(self) -> None:
        number = self.rng.choice(CUSTOMERS)
        changed = self.connection.execute(
            text(
                "UPDATE tiering.missing_customer SET returned_on = :day, returned_in = :batch_no "
                "WHERE customer_id = :number AND returned_in IS NULL AND missing_in < :batch_no"
            ),
            {"number": number, "day": self.today, "batch_no": self.batch_no},
        ).rowcount
        if changed < 1:
            self.connection.execute(
                text(
                    "INSERT INTO tiering.missing_customer (customer_id, missing_since, missing_in, extracts, gone_on, "
                    "gone_in) SELECT :number, :day, :batch_no, 3, :day, :batch_no WHERE NOT EXISTS (SELECT 1 FROM "
                    "tiering.missing_customer WHERE customer_id = :number AND returned_in IS NULL)"
                ),
                {"number": number, "day": self._day(), "batch_no": self.batch_no},
            )

    # Rows by chance.

    def _makers(self) -> Mapping[str, Callable[[], Row]]:
        return {
            "sales": self._sale, "receivables": self._receivable, "payments": self._payment,
            "assessments": self._assessment, "contacts": self._contact, "opportunities": self._opportunity,
            "service_events": self._service_event, "balances": self._balance, "open_orders": self._open_order,
            "prescriptions": self._prescription, "surveys": self._survey, "events": self._event,
        }  # fmt: skip

    def _day(self) -> date:
        back = self.rng.choice([0, 1, 3, 30, 31, 60, 61, 90, 91, 365, 366, 730, self.rng.randint(-60, 900)])
        return self.today - timedelta(days=back - self.rng.randint(-3, 3))

    def _amount(self, high: int = 400) -> Decimal:
        return Decimal(self.rng.randint(1, high * 100)) / 100

    def _some(self, value: Any, share: float = 0.7) -> Any:
        return value if self.rng.random() < share else None

    def _who(self) -> str:
        return self.rng.choice(CUSTOMERS[:-2])

    def _customer(self, number: str, holds_from: date) -> Row:
        return {
            "customer_id": number, "name": number, "account_manager_id": self.rng.choice(["M1", "M2"]),
            "bill_to_id": self._some(self.rng.choice(CUSTOMERS), 0.2),
            "group_id": self._some(f"G{self.rng.randint(1, 6)}", 0.3), "customer_type": self._some("dealer"),
            "opened_on": self._some(self._day(), 0.5), "credit_limit": self._some(self._amount()),
            "status": self._some(self.rng.choice(["left", "active", "active"]), 0.5), "holds_from": holds_from,
        }  # fmt: skip

    def _attribute(self, number: str, holds_from: date) -> Row:
        name = self.rng.choice(["nature", "total_assets", "employees"])
        value = self.rng.choice(["state", "12.5", "7"])
        return {"customer_id": number, "attribute": name, "value": value, "holds_from": holds_from}

    def _sale(self) -> Row:
        kind = self.rng.choice([None, "invoice", "invoice", "credit_note"])
        net, tax, cost = self._amount(), self._amount(50), self._some(self._amount(), 0.9)
        sign, currency = (-1 if kind == "credit_note" else 1), self.rng.choice(["CNY", "EUR"])
        rate = Decimal("7.5") if currency == "EUR" else 1
        return {
            "line_id": self._number("S"), "document_id": f"D{self.rng.randint(1, 60)}", "customer_id": self._who(),
            "sold_on": self._day(), "net_amount": sign * net, "currency": currency, "document_type": kind,
            "product_id": self._some(f"P{self.rng.randint(1, 5)}"), "net_amount_reporting": sign * net * rate,
            "gross_amount_reporting": self._some(sign * (net + tax) * rate, 0.95),
            "cost_amount_reporting": None if cost is None else sign * cost * rate,
        }  # fmt: skip

    def _receivable(self) -> Row:
        issued, gross = self._day(), self._amount() * self.rng.choice([1, 1, 1, -1])
        currency = self.rng.choice(["CNY", "EUR"])
        return {
            "document_id": self._number("R"), "customer_id": self._who(), "issued_on": issued,
            "due_on": issued + timedelta(days=self.rng.choice([0, 14, 30, 60])), "gross_amount": gross,
            "currency": currency, "is_disputed": self._some(self.rng.random() < 0.3, 0.5),
            "gross_amount_reporting": gross * (Decimal("7.5") if currency == "EUR" else 1),
        }  # fmt: skip

    def _payment(self) -> Row:
        documents = list(self.standing["receivables"].values()) or [self._receivable()]
        document = self.rng.choice(documents)
        amount = self.rng.choice([abs(document["gross_amount"]), self._amount()])
        currency = self.rng.choice([document["currency"], "CNY"])
        return {
            "payment_id": self._number("P"), "customer_id": self.rng.choice([document["customer_id"], self._who()]),
            "paid_on": self.rng.choice([self._day(), document["issued_on"] + timedelta(days=self.rng.randint(-5, 90))]),
            "amount": amount, "currency": currency, "document_id": self._some(document["document_id"], 0.5),
            "kind": self.rng.choice(["collection", "prepayment", "refund", None]),
            "amount_reporting": amount * (Decimal("7.5") if currency == "EUR" else 1),
        }  # fmt: skip

    def _assessment(self) -> Row:
        on = self._day()
        return {
            "customer_id": self._who(), "indicator": "relation", "value": str(self.rng.randint(1, 5)),
            "assessed_on": on, "assessed_by": "Li",
            "valid_to": self._some(on + timedelta(days=self.rng.randint(0, 90))),
        }  # fmt: skip

    def _contact(self) -> Row:
        return {
            "contact_id": self._number("C"), "customer_id": self._who(), "contacted_on": self._day(),
            "channel": self.rng.choice(["visit", "phone"]), "direction": self._some("inbound"),
        }  # fmt: skip

    def _opportunity(self) -> Row:
        return {
            "opportunity_id": self._number("O"), "customer_id": self._who(), "has_explicit_need": True,
            "stage": self.rng.choice(["lead", "offer"]), "is_refused": self._some(self.rng.random() < 0.3),
            "expected_close_on": self._some(self.today + timedelta(days=self.rng.randint(-20, 60))),
            "amount": self._some(self._amount()),
        }  # fmt: skip

    def _service_event(self) -> Row:
        on = self._day()
        return {
            "event_id": self._number("E"), "customer_id": self._who(), "opened_on": on,
            "kind": self.rng.choice(["complaint", "request"]),
            "answered_seconds": self._some(self.rng.choice([19, 21])),
            "closed_on": self._some(on + timedelta(days=self.rng.choice([0, 1, 2, 40])), 0.6),
            "satisfaction": self._some(self._amount(5)), "is_urgent": self._some(True), "grade": self._some("A"),
        }  # fmt: skip

    def _balance(self) -> Row:
        return {"customer_id": self._who(), "as_of": self._day(), "kind": "assets", "amount": self._amount()}

    def _open_order(self) -> Row:
        amount = self._amount()
        return {
            "document_id": self._number("N"), "customer_id": self._who(), "ordered_on": self._day(), "amount": amount,
            "currency": "CNY", "amount_reporting": amount,
        }  # fmt: skip

    def _prescription(self) -> Row:
        return {
            "customer_id": self._who(), "month": self._day().replace(day=1), "own_units": self._amount(),
            "competitor_units": self._some(self._amount()), "hospital_level": self._some("3A"),
            "behaviour": self._some("loyal"), "patients": self._some(self.rng.randint(1, 90)),
        }  # fmt: skip

    def _survey(self) -> Row:
        return {"customer_id": self._who(), "answered_on": self._day(), "score": self._amount(9), "question": "q1"}

    def _event(self) -> Row:
        return {"customer_id": self._who(), "happened_on": self._day(), "kind": self.rng.choice(["wedding", "move"])}

    # Writing.

    def _number(self, letter: str) -> str:
        self.numbers += 1
        return f"{letter}{self.numbers}"

    def _some_standing(self) -> tuple[str, Row] | None:
        entity = self.rng.choice(list(self._makers()))
        rows = list(self.standing[entity].values())
        return (entity, self.rng.choice(rows)) if rows else None

    @staticmethod
    def _key(entity: str, row: Row) -> tuple[Any, ...]:
        names = [*ENTITIES[entity].key, *(["holds_from"] if ENTITIES[entity].versioned else [])]
        return tuple(row[name] for name in dict.fromkeys(names))

    def _put(self, entity: str, row: Row) -> None:
        key = self._key(entity, row)
        if key in self.standing[entity]:
            return
        self.standing[entity][key] = row
        names = [*row, "batch_no"]
        self.connection.execute(
            text(f"INSERT INTO facts.{entity} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"),
            {**row, "batch_no": self.batch_no},
        )

    def _end(self, entity: str, row: Row) -> None:
        names = [*ENTITIES[entity].key, *(["holds_from"] if ENTITIES[entity].versioned else [])]
        matches = " AND ".join(f"{name} = :{name}" for name in dict.fromkeys(names))
        self.connection.execute(
            text(f"UPDATE facts.{entity} SET superseded_in = :batch_no WHERE superseded_in IS NULL AND {matches}"),
            {**{name: row[name] for name in names}, "batch_no": self.batch_no},
        )
        del self.standing[entity][self._key(entity, row)]

    def _note_batch(self) -> None:
        self.batch_no += 1
        self.connection.execute(
            text(
                "INSERT INTO tiering.batch (batch_no, entity, currency, batch_id, batch_start, batch_end, "
                "extracted_rows, loaded_rows, quarantined_rows, excluded_rows, extracted_amount, loaded_amount, "
                "quarantined_amount, excluded_amount, extracted_at, loaded_at) "
                "VALUES (:no, 'sales', '-', 'b', :day, :day, 0, 0, 0, 0, 0, 0, 0, 0, :now, :now)"
            ),
            {"no": self.batch_no, "day": self.today, "now": datetime.now(UTC)},
        )
