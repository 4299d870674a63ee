"""Plant a small, counted number of faults on clean tables, each row breaking exactly one rule."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

Row = dict[str, Any]


def plant_dirt(
    clean: dict[str, pa.Table], first_day: date, last_day: date
) -> tuple[dict[str, pa.Table], dict[tuple[str, str], int]]:
    """The tables with faulty rows appended, and how many per (entity, rule).

    The clean rows stay as they are.
    Customers that exist twice with two managers have no documents, and a sale to refuse is in no other table.
    """
    added: dict[str, list[Row]] = {}
    dirt: dict[tuple[str, str], int] = {}
    span = (last_day - first_day).days

    def spread(count: int, shift: int) -> list[date]:
        """Days far apart from the second fifth of the time on; the shift moves them, round its end."""
        start, step = span // 5, (span - span // 5 - 40) // (count - 1)
        return [first_day + timedelta(days=start + (i * step + shift) % (span - start)) for i in range(count)]

    def plant(entity: str, rule: str, table: str, rows: list[Row]) -> None:
        added.setdefault(table, []).extend(rows)
        dirt[entity, rule] = len(rows)

    partners = clean["business_partner"]
    width = len(partners["partner_no"][0].as_py())
    # Accounts that pay for themselves in CNY and are known since before the first day.
    is_plain = pc.and_(
        pc.and_(pc.equal(partners["payer_no"], partners["partner_no"]), pc.equal(partners["currency_code"], "CNY")),
        pc.and_(pc.less(partners["opened_day"], first_day), pc.equal(partners["lifecycle"], "A")),
    )
    plain = partners.filter(is_plain).slice(0, 60).to_pylist()
    accounts = [partner["partner_no"] for partner in plain]
    unknown = [str(10**width - 1 - i) for i in range(20)]

    def found(i: int, number: str | None) -> Row:
        return {**plain[i], "partner_no": number, "payer_no": number, "concern_no": None}

    plant(
        "customers",
        "missing_key",
        "business_partner",
        [found(i, key) for i, key in enumerate([None, "", "  "])],
    )
    plant("customers", "duplicate", "business_partner", plain[3:6])
    plant(
        "customers",
        "duplicate_conflict",
        "business_partner",
        [
            found(6 + i, f"{len(partners) + 1 + i:0{width}d}") | {"rep_no": rep}
            for i in range(2)
            for rep in ("R01", "R05")
        ],
    )

    sales = 0

    def sell(days: list[date], rule: str, *changes: Row, lines: tuple[Row, ...] = ({},)) -> None:
        """One new invoice per day, otherwise sound, with these changes to its header or its lines."""
        nonlocal sales
        line_rows: list[Row] = []
        for i, day in enumerate(days):
            sales += 1
            number = f"RV{len(clean['invoice']) + sales:09d}"
            net = Decimal(1200 + 35 * sales).quantize(Decimal("0.01"))
            header = {
                "invoice_no": number,
                "document_kind": "RE",
                "sold_to_no": accounts[10 + sales % 40 % (len(accounts) - 10)],
                "posting_day": day,
                "currency_code": "CNY",
                "company_code": "1000",
            }
            line = {
                "line_key": f"{number}-1",
                "invoice_no": number,
                "item_no": f"M{1 + sales % 60:04d}",
                "quantity": 3,
                "net_value": net,
                "vat_value": (net * Decimal("0.13")).quantize(Decimal("0.01")),
                "cost_value": (net * Decimal("0.80")).quantize(Decimal("0.01")),
            }
            change = changes[i] if changes else {}
            added.setdefault("invoice", []).append(header | {k: v for k, v in change.items() if k in header})
            line_rows += [line | {k: v for k, v in (change | more).items() if k in line} for more in lines]
        plant("sales", rule, "invoice_line", line_rows)

    sell(spread(4, 55), "missing_customer_id", *({"sold_to_no": key} for key in (None, "", None, " ")))
    sell(spread(2, 120), "duplicate_conflict", lines=({}, {"net_value": Decimal("999.00")}))
    shortened = [str(int(number)) for number in accounts[7:10]]
    sell(spread(5, 90), "orphan", *({"sold_to_no": number} for number in [*unknown[:2], *shortened]))
    negative = [{"net_value": Decimal(-100 * i), "vat_value": Decimal(-13 * i)} for i in (1, 3, 7, 10)]
    sell(spread(4, 145), "sign", *negative)
    sell(spread(4, 200), "currency", *({"currency_code": code} for code in ("XXX", "", None, "RMB")))
    # The dinar is never quoted; the pound is no longer when the last two are posted.
    sell(spread(4, 0), "no_rate", *({"currency_code": code} for code in ("KWD", "KWD", "GBP", "GBP")))
    picked = [len(clean["invoice"]) * i // 10 for i in (3, 6, 9)]
    doubled = [clean["invoice"]["invoice_no"][i].as_py() for i in picked]
    line_keys = pa.array([f"{number}-1" for number in doubled])
    lines = clean["invoice_line"]
    plant(
        "sales",
        "duplicate",
        "invoice_line",
        lines.filter(pc.is_in(lines["line_key"], value_set=line_keys)).to_pylist(),
    )

    items = clean["debtor_item"]

    def item(i: int, day: date, due: date, debtor: str) -> Row:
        return {
            "document_no": f"DM{i:09d}",
            "debtor_no": debtor,
            "document_day": day,
            "net_due_day": due,
            "item_amount": Decimal(500 + 10 * i).quantize(Decimal("0.01")),
            "currency_code": "CNY",
            "dispute_flag": "",
            "company_code": "1000",
        }

    plant(
        "receivables",
        "due_before_issued",
        "debtor_item",
        [item(i, day, day - timedelta(days=15), accounts[11 + i]) for i, day in enumerate(spread(3, 30))],
    )
    plant(
        "receivables",
        "orphan",
        "debtor_item",
        [item(10 + i, day, day + timedelta(days=30), unknown[2 + i]) for i, day in enumerate(spread(3, 170))],
    )
    plant("receivables", "duplicate", "debtor_item", items.take(pa.array([i + 1 for i in picked])).to_pylist())

    receipts = 0

    def receive(rule: str, days: list[date], *changes: Row) -> None:
        nonlocal receipts
        rows: list[Row] = []
        for i, day in enumerate(days):
            receipts += 1
            rows.append(
                {
                    "receipt_no": f"ZE{len(clean['cash_receipt']) + receipts:09d}",
                    "debtor_no": accounts[10 + receipts],
                    "value_day": day,
                    "receipt_amount": Decimal(300 + 20 * receipts).quantize(Decimal("0.01")),
                    "currency_code": "CNY",
                    "cleared_document_no": None,
                    "receipt_kind": "COLL",
                }
                | changes[i]
            )
        plant("payments", rule, "cash_receipt", rows)

    receive("missing_customer_id", spread(3, 75), *({"debtor_no": key} for key in (None, "", None)))
    receive("orphan", spread(3, 210), *({"debtor_no": number} for number in unknown[5:8]))
    receive("sign", spread(3, 330), *({"receipt_amount": Decimal(-amount)} for amount in (150, 400, 90)))

    tables = {
        name: pa.concat_tables([table, pa.Table.from_pylist(added[name], schema=table.schema)])
        if name in added
        else table
        for name, table in clean.items()
    }
    return tables, dirt
