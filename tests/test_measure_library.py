"""The library: every measure on every engine against cases made by hand and against the model in plain Python."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import ast
import json
import random
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
import yaml
from companies import (
    ENGINES,
    ROOT,
    Row,
    Said,
    Warehouses,
    batch_of,
    customer,
    payment,
    rate,
    receivable,
    sale,
    warehouses,
)
from measure_model import Company, cut, measure

from sql.connect import Database, connected, kept_open
from sql.measure import Measure, read_indicators, read_library, take_measures
from transforms.policy import Policy, parse_policy

CASES = ROOT / "tests" / "measures"
GOLDENS = ROOT / "tests" / "goldens"
PLACES = [*sorted(CASES.glob("*.yaml")), GOLDENS / "measures.yaml"]
FILES = {f"{path.parent.name}/{path.stem}": yaml.safe_load(path.read_text(encoding="utf-8")) for path in PLACES}
SIX = yaml.safe_load((GOLDENS / "transactions_6_customers.yaml").read_text(encoding="utf-8"))
WINDOWS = ("12 months", "ever", "90 days")
KINDS: dict[str, tuple[str, ...]] = {
    "contact_count": ("phone", "visit"),
    "days_since_contact": ("visit",),
    "service_count": ("complaint", "repair"),
    "average_survey_score": ("q1",),
    "balance": ("assets",),
    "event_count": ("life_event",),
    "days_since_event": ("abnormal_event", "life_event"),
}
DEFAULTS: dict[str, Row] = {
    "sales": sale("-"),
    "receivables": receivable("-"),
    "payments": payment("-"),
    "customers": customer("-"),
    "opportunities": {"has_explicit_need": "true", "stage": "open"},
    "assessments": {"assessed_by": "Ann Canary"},
    "open_orders": {"currency": "CNY"},
}
KEYS = {"sales": "line_id", "receivables": "document_id", "payments": "payment_id", "contacts": "contact_id",
        "service_events": "event_id", "opportunities": "opportunity_id", "open_orders": "document_id"}  # fmt: skip


def policy_of(grain: str, indicators: Mapping[str, Mapping[str, Any]], as_of: str = "run_day") -> Policy:
    """Return a policy that only asks for indicators."""
    first = next(name for name, spec in indicators.items() if spec.get("unit") not in ("text", "flag"))
    text = json.dumps({
        "id": "p",
        "title": {"en": "P"},
        "ref": "S0",
        "grain": grain,
        "schedule": "0 6 2 * *",
        "as_of": as_of,
        "tiers": ["a", "b"],
        "indicators": {name: dict(spec) for name, spec in indicators.items()},
        "decide": {"rules": [{"tier": "a", "when": f"{first} > 0"}, {"tier": "b"}]},
    })  # fmt: skip
    return parse_policy(text, "p.yaml")


def indicators_of(
    database: Database, grain: str, as_of: date, indicators: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return every indicator of every account as the engine takes it."""
    policy = policy_of(grain, indicators, "previous_year_end" if (as_of.month, as_of.day) == (12, 31) else "run_day")
    with connected(database, "tiering_warehouse") as connection:
        taken = take_measures(connection, [policy], grain, as_of)
    with connected(database, "tiering_warehouse") as connection:
        table = read_indicators(connection, policy, taken.table)
    return {row["account_id"]: row for row in table.to_pylist()}


def _row(entity: str, row: Mapping[str, Any], place: str) -> Row:
    told = {name: None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in row.items()}  # fmt: skip
    key = {KEYS[entity]: place} if entity in KEYS else {}
    return DEFAULTS.get(entity, {}) | key | ({"document_id": f"D{place}"} if entity == "sales" else {}) | told


def _said_by_hand() -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {}
    for stem, cases in FILES.items():
        for number, case in enumerate(cases):
            for entity, found in case["rows"].items():
                for nth, row in enumerate(found):
                    rows.setdefault(entity, []).append(_row(entity, row, f"{stem}-{number}-{nth}"))
    return rows


def _some_company() -> dict[str, list[Row]]:
    """Rows of all entities by chance: many on month ends and on one day, some unstated, some of the future."""
    rng = random.Random(5)
    days = [date(2022, 1, 31) + timedelta(days=n) for n in range(1000)]
    ends = [day for day in days if (day + timedelta(days=1)).day == 1]

    def day(low: int = 0) -> str:
        return str(rng.choice(ends if rng.random() < 0.3 else days[low:]))

    def some(value: str, share: float = 0.8) -> str | None:
        return value if rng.random() < share else None

    def amount(high: int) -> str:
        return f"{rng.randint(1, high)}.{rng.randint(0, 99):02}"

    numbers = [f"Z{n:02}" for n in range(36)]
    rows: dict[str, list[Row]] = {"exchange_rates": [
        rate("EUR", str(days[0] + timedelta(days=7 * n)), f"7.{rng.randint(1000, 9999)}") for n in range(150)
    ]}  # fmt: skip
    rows["customers"] = [
        customer(
            number,
            bill_to_id=some(rng.choice(numbers), 0.3),
            group_id=some(f"G{rng.randint(1, 4)}", 0.4),
            opened_on=some(day()),
            customer_type=some("dealer"),
            credit_limit=some(amount(9000)),
            terms_days=some(str(rng.choice([0, 14, 30]))),
            status=some("left" if rng.random() < 0.1 else "active", 0.6),
            attr_nature=some(rng.choice(["state", "private"]), 0.5),
            attr_total_assets=some(rng.choice(["1000000", "12.5", "much"]), 0.7),
            attr_annual_revenue=some(amount(90000)),
            attr_revenue_growth=some("-0.125"),
        )
        for number in numbers
    ]
    rows["sales"] = [
        sale(
            f"ZS{n}",
            document_id=f"ZD{n // 2}",
            customer_id=rng.choice(numbers[:30]),
            sold_on=day(),
            net_amount=f"-{amount(50)}" if kind == "credit_note" else amount(400),
            tax_amount=f"-{amount(9)}" if kind == "credit_note" else amount(50),
            cost_amount=some(f"-{amount(9)}" if kind == "credit_note" else amount(300), 0.95),
            currency=rng.choice(["CNY", "CNY", "EUR"]),
            document_type=kind,
            product_id=some(f"P{rng.randint(1, 5)}"),
        )
        for n, kind in enumerate(rng.choices([None, "invoice", "credit_note"], [2, 2, 1], k=260))
    ]
    rows["receivables"] = []
    for n in range(110):
        issued = date.fromisoformat(day())
        rows["receivables"].append(
            receivable(
                f"ZR{n}",
                customer_id=rng.choice(numbers[:25]),
                issued_on=str(issued),
                due_on=str(issued + timedelta(days=rng.choice([0, 14, 30, 60]))),
                gross_amount=f"{'-' if rng.random() < 0.1 else ''}{amount(300)}",
                currency=rng.choice(["CNY", "CNY", "EUR"]),
                is_disputed=some(rng.choice(["true", "false"]), 0.4),
            )
        )
    rows["payments"] = []
    for n in range(150):
        document = rng.choice(rows["receivables"])
        named = rng.random() < 0.5
        kind = rng.choices(["collection", "prepayment", "cash_sale", "refund", None], [5, 1, 1, 1, 2])[0]
        rows["payments"].append(
            payment(
                f"ZP{n}",
                customer_id=document["customer_id"] if rng.random() < 0.9 else rng.choice(numbers),
                paid_on=str(date.fromisoformat(str(document["issued_on"])) + timedelta(days=rng.randint(-5, 90))),
                amount=str(document["gross_amount"]).lstrip("-") if rng.random() < 0.5 else amount(200),
                currency=document["currency"] if rng.random() < 0.9 else "CNY",
                document_id=(document["document_id"] if rng.random() < 0.9 else "unknown") if named else None,
                kind=kind,
            )
        )
    rows["contacts"] = [
        {"contact_id": f"ZC{n}", "customer_id": rng.choice(numbers[:28]), "contacted_on": day(),
         "channel": rng.choice(["visit", "phone", "mail"]), "direction": some(rng.choice(["inbound", "outbound"]))}
        for n in range(150)
    ]  # fmt: skip
    rows["service_events"] = []
    for n in range(160):
        opened = date.fromisoformat(day())
        rows["service_events"].append({
            "event_id": f"ZE{n}", "customer_id": rng.choice(numbers[:28]), "opened_on": str(opened),
            "kind": rng.choice(["complaint", "repair", "request", "request"]),
            "answered_seconds": some(str(rng.choice([0, 19, 20, 21, 300]))),
            "closed_on": some(str(opened + timedelta(days=rng.choice([0, 1, 2, 40, 400]))), 0.7),
            "satisfaction": some(f"{rng.randint(1, 10)}.{rng.randint(0, 9)}", 0.5),
            "is_urgent": some(rng.choice(["true", "false"])), "is_important": some(rng.choice(["true", "false"])),
            "grade": some(rng.choice("ABCDE")),
        })  # fmt: skip
    rows["surveys"] = list({
        (found["customer_id"], found["answered_on"], found["question"]): found
        for found in (
            {"customer_id": rng.choice(numbers[:20]), "answered_on": day(), "score": f"{rng.randint(1, 10)}.25",
             "question": rng.choice(["q1", "q2", None])} for _ in range(90)
        )
    }.values())  # fmt: skip
    rows["balances"] = list({
        (found["customer_id"], found["as_of"], found["kind"]): found
        for found in (
            {"customer_id": rng.choice(numbers[:20]), "as_of": day(), "kind": rng.choice(["assets", "star_points"]),
             "amount": f"{amount(90000)}123456"} for _ in range(90)
        )
    }.values())  # fmt: skip
    rows["opportunities"] = [
        {"opportunity_id": f"ZO{n}", "customer_id": rng.choice(numbers[:20]),
         "has_explicit_need": rng.choice(["true", "false"]), "stage": rng.choice(["open", "offer"]),
         "expected_close_on": some(day(500)), "amount": some(amount(9000)),
         "is_refused": some(rng.choice(["true", "false"]), 0.6)}
        for n in range(40)
    ]  # fmt: skip
    rows["prescriptions"] = [
        {"customer_id": number, "month": str(day.replace(day=1)), "own_units": amount(900),
         "competitor_units": some(amount(900), 0.97), "hospital_level": some(rng.choice("123"), 0.5),
         "behaviour": some(rng.choice(["first", "second", "other"]), 0.5),
         "patients": some(str(rng.randint(1, 90)), 0.5)}
        for number in numbers[:12]
        for day in ends
        if rng.random() < 0.4
    ]  # fmt: skip
    rows["events"] = list({
        (found["customer_id"], found["happened_on"], found["kind"]): found
        for found in (
            {"customer_id": rng.choice(numbers[:20]), "happened_on": day(),
             "kind": rng.choice(["life_event", "abnormal_event", "other"])} for _ in range(90)
        )
    }.values())  # fmt: skip
    rows["open_orders"] = [
        {"document_id": f"ZN{n}", "customer_id": rng.choice(numbers[:25]), "ordered_on": day(), "amount": amount(500),
         "currency": rng.choice(["CNY", "CNY", "EUR"])}
        for n in range(40)
    ]  # fmt: skip
    return rows


def _six_customers() -> dict[str, list[Row]]:
    """The published transactions of six customers; one more customer twice, its rows in two orders."""
    told = [(f"six{number}", day, amount) for number, day, amount in SIX["transactions"]]
    for order, found in SIX["row_order_must_not_matter"]["transactions"].items():
        told += [(f"six-{order}", day, amount) for day, amount in found]
    return {
        "customers": [customer(number) for number in dict.fromkeys(number for number, _, _ in told)],
        "sales": [
            sale(f"six-{n}", customer_id=number, sold_on=str(day), net_amount=str(amount))
            for n, (number, day, amount) in enumerate(told)
        ],
    }


BY_HAND, BY_CHANCE, SIX_CUSTOMERS = _said_by_hand(), _some_company(), _six_customers()


@pytest.fixture(scope="module", params=ENGINES)
def told(
    request: pytest.FixtureRequest, warehouses: Warehouses, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A warehouse that was told every row of the cases and of the company made by chance, in no order."""
    database = warehouses.empty(str(request.param))
    with kept_open(database):
        source = Said(database, tmp_path_factory.mktemp("told") / "said")
        rng = random.Random(9)
        for entity in {**BY_HAND, **BY_CHANCE}:
            rows = [row for rows in (BY_HAND, BY_CHANCE, SIX_CUSTOMERS) for row in rows.get(entity, [])]
            source.put(entity, rng.sample(rows, len(rows)))
        done = source.load(batch_of("2014-01", 144))
        assert not any(done.quarantined_rows.values()), done.quarantined_rows
        yield database
    warehouses.drop(database)


# By hand


def _asked(grain: str, as_of: date) -> list[tuple[str, int, dict[str, Any]]]:
    return [
        (stem, number, ask)
        for stem, cases in FILES.items()
        for number, case in enumerate(cases)
        for ask in case["asks"]
        if (ask.get("grain", "customer"), ask["as_of"]) == (grain, as_of)
    ]


DAYS = sorted(
    {(ask.get("grain", "customer"), ask["as_of"]) for cases in FILES.values() for case in cases for ask in case["asks"]}
)


def _spec(name: str, ask: Mapping[str, Any]) -> dict[str, Any]:
    """Return the indicator a case asks for: as it says itself, or with as much of its `take` as the measure takes."""
    told = ask.get("as", {}).get(name)
    if told is not None:
        return dict(told)
    taken, library = ask.get("take", {}), read_library()
    known = library.get(name) or library[f"{name}_{taken['basis']}"]
    spec: dict[str, Any] = {"measure": name}
    if known.name != name:
        spec["basis"] = taken["basis"]
    if known.windowed:
        spec["window"] = taken["window"]
    if known.kinds and "kind" in taken:
        spec["kind"] = taken["kind"]
    return spec | ({"unit": known.value_type} if known.value_type != "number" else {})


def _value(told: Any, got: Any) -> Any:
    """Return what a case expects: a number is exact, and 46/110 is cut off after 18 digits."""
    if told is None or isinstance(told, bool | date) or isinstance(got, str):
        return told
    return cut(_fraction(str(told)))


def _fraction(text: str) -> Fraction:
    found = ast.parse(text, mode="eval").body

    def of(node: ast.expr) -> Fraction:
        if isinstance(node, ast.UnaryOp):
            return -of(node.operand)
        if isinstance(node, ast.BinOp):
            left, right = of(node.left), of(node.right)
            if isinstance(node.op, ast.Add | ast.Sub):
                return left + right if isinstance(node.op, ast.Add) else left - right
            return left * right if isinstance(node.op, ast.Mult) else left / right
        return Fraction(ast.get_source_segment(text, node) or "")

    return of(found)


@pytest.mark.parametrize(("grain", "as_of"), DAYS, ids=str)
def test_a_measure_is_what_was_counted_by_hand(told: Database, grain: str, as_of: date) -> None:
    specs: dict[str, dict[str, Any]] = {}
    wanted, printed = [], {}
    for stem, number, ask in _asked(grain, as_of):
        for account, values in ask["expect"].items():
            for name, value in values.items():
                spec = _spec(name.removesuffix("__evidence_on"), ask)
                key = next((known for known, other in specs.items() if other == spec), f"i{len(specs)}")
                specs[key] = spec
                place = f"{stem}[{number}] {account}.{name}"
                printed[account, key] = ask.get("printed", {}).get(account, {}).get(name)
                wanted.append((place, account, key + name[len(name.removesuffix("__evidence_on")) :], value))
    specs.setdefault("some", {"measure": "tenure_days"})
    found = indicators_of(told, grain, as_of, specs)
    for place, account, key, value in wanted:
        got = found[account][key]
        assert got == _value(value, got), f"{place}: {got!r} is not {value!r}"
        shown = printed.get((account, key))
        if shown is not None:
            assert str(got.quantize(Decimal(shown), ROUND_HALF_UP)) == shown, place


@pytest.mark.parametrize("case", SIX["cases"], ids=lambda case: case["name"])
def test_six_customers_are_measured_as_two_libraries_print_it(told: Database, case: dict[str, Any]) -> None:
    found: dict[tuple[str, str, date], Any] = {}
    for day in {day for spec in case["columns"].values() for day in (spec["as_of"], spec.get("less")) if day}:
        specs = {
            name: {"measure": spec["measure"], "window": spec.get("window", "ever")}
            for name, spec in case["columns"].items()
            if day in (spec["as_of"], spec.get("less"))
        }
        for account, row in indicators_of(told, "customer", day, specs).items():
            found |= {(account, name, day): row[name] for name in specs}
    for number, *values in case["expected"]:
        for (name, spec), value in zip(case["columns"].items(), values, strict=True):
            got = found[f"six{number}", name, spec["as_of"]]
            if "less" in spec:
                got -= found[f"six{number}", name, spec["less"]]
            assert got == cut(Fraction(str(value))), f"customer {number}, {name}"


def test_the_order_of_transactions_changes_nothing(told: Database) -> None:
    spec = {"x": {"measure": "average_repeat_sales", "window": "ever"}}
    found = indicators_of(told, "customer", date(2015, 2, 7), spec)
    expected = Decimal(str(SIX["row_order_must_not_matter"]["expected_monetary_repeat_mean"]))
    assert (found["six-a"]["x"], found["six-b"]["x"]) == (expected, expected)


def test_who_has_left_is_at_no_grain_in_scope(told: Database) -> None:
    assert "O3-gone" not in indicators_of(told, "opportunity", date(2024, 2, 29), {"x": {"measure": "days_to_close"}})


# By chance


OF_EACH = {
    "net_sales", "largest_order", "average_repeat_sales", "received", "receivable_balance", "overdue_days",
    "days_to_pay", "open_order_amount", "contact_count", "visits_without_effect", "service_count", "survey_count",
    "balance", "potential_need", "own_units", "hospital_level", "patients", "event_count", "tenure_months",
    "credit_limit", "nature",
}  # fmt: skip
"""Measures from every table of facts: what differs between grains is which rows an account sees."""


def _specs(grain: str, windows: tuple[str, ...]) -> dict[str, tuple[dict[str, Any], tuple[str, str, tuple[str, ...]]]]:
    found = {}
    for known in read_library().values():
        if grain not in known.grains or (
            grain != "customer" and known.grains != (grain,) and known.name not in OF_EACH
        ):
            continue
        for window in windows if known.windowed else windows[:1]:
            if known.name == "sales_growth" and window == "ever":
                continue
            for kinds in _kinds_of(known):
                name, basis = known.name, {}
                if known.name.rpartition("_")[0] in ("collection_rate", "collection_rate_capped", "dso"):
                    name, _, base = known.name.rpartition("_")
                    basis = {"basis": base}
                spec = {"measure": name, **basis, **({"window": window} if known.windowed else {})}
                spec |= {"kind": list(kinds)} if kinds else {}
                spec |= {"unit": known.value_type} if known.value_type != "number" else {}
                key = f"i{len(found)}"
                found[key] = spec, (known.name, window if known.windowed else "ever", kinds)
    return found


def _kinds_of(known: Measure) -> list[tuple[str, ...]]:
    if not known.kinds:
        return [()]
    return [KINDS[known.name]] if known.needs_kind else [(), KINDS[known.name]]


ASKED = [
    ("customer", date(2024, 2, 29), WINDOWS),
    ("customer", date(2023, 12, 31), ("calendar_year",)),
    ("bill_to", date(2024, 3, 31), ("to_date",)),
    ("group", date(2024, 2, 29), ("3 months",)),
    ("opportunity", date(2024, 1, 31), ("12 months",)),
    ("request", date(2024, 2, 29), ("180 days",)),
]


@pytest.mark.parametrize(("grain", "as_of", "windows"), ASKED, ids=str)
def test_a_measure_is_what_the_model_counts_row_by_row(
    told: Database, grain: str, as_of: date, windows: tuple[str, ...]
) -> None:
    specs = _specs(grain, windows)
    company = Company(BY_CHANCE, grain, as_of)
    found = indicators_of(told, grain, as_of, {key: spec for key, (spec, _) in specs.items()})
    found = {account: row for account, row in found.items() if account.startswith(("Z", "G"))}
    assert list(found) == company.accounts
    known: dict[str, set[Any]] = {}
    for account, row in found.items():
        for key, (_, (name, window, kinds)) in specs.items():
            wanted = measure(company, account, name, window, kinds)
            assert row[key] == wanted, f"{account}.{name} {window} {kinds}: {row[key]!r} is not {wanted!r}"
            known.setdefault(name, set()).add(wanted)
    telling = {name for name in known if windows == WINDOWS or read_library()[name].grains == (grain,)}
    dull = {name for name in telling if len(known[name]) < 2}
    assert not dull, f"the company made by chance tells nothing of {dull}"


def test_the_cases_name_every_measure_of_the_library() -> None:
    asks = [ask for cases in FILES.values() for case in cases for ask in case["asks"]]
    named = {name for ask in asks for values in ask["expect"].values() for name in values}
    library = {name.removesuffix("_gross").removesuffix("_net") for name in read_library()}
    assert library - named == set()
