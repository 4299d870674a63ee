"""Statistics: place, share and quantile of every account, against what plain Python counts; ties as they are said."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import yaml
from companies import ENGINES, ROOT, Warehouses, warehouses
from conftest import SHARED
from measure_model import cut
from sqlalchemy import Connection

from sql.connect import Database, connected, kept_open, write_arrow
from sql.errors import TieringError
from sql.facts import rebuild
from sql.measure import METHODS, columns_for, read_indicators, take_measures
from sql.statements import run_text
from transforms.policy import Policy, parse_policy

Row = dict[str, Any]
BASE: dict[str, dict[str, Any]] = {
    "sales": {"measure": "net_sales", "window": "ever"},
    "orders": {"measure": "order_count", "window": "ever"},
    "recency": {"measure": "recency_days", "window": "ever"},
    "margin_rate": {"measure": "margin_rate", "window": "ever"},
    "segment": {"attribute": "industry"},
    "judged": {"assessment": "potential"},
}
COLUMNS = {
    "sales": ("net_sales__ever", "DECIMAL(38, 4)"),
    "orders": ("order_count__ever", "BIGINT"),
    "recency": ("recency_days__ever", "BIGINT"),
    "margin_rate": ("margin_rate__ever", "DECIMAL(38, 18)"),
    "segment": ("attribute__industry__text", "TEXT"),
    "judged": ("assessment__potential__number", "DECIMAL(38, 18)"),
    "judged__evidence_on": ("assessment__potential__on", "DATE"),
}
GATE = "recency is not missing"


def policy_of(statistics: dict[str, dict[str, Any]], gate: str | None = GATE) -> Policy:
    """Return a policy that only asks for statistics of the base indicators."""
    return parse_policy(json.dumps({
        "id": "p", "title": {"en": "P"}, "ref": "S0", "grain": "customer", "schedule": "0 6 2 * *",
        "as_of": "run_day", "tiers": ["a", "b"], "indicators": BASE | statistics,
        **({"gate": {"known": gate}} if gate else {}),
        "decide": {"rules": [{"tier": "a", "when": "sales > 0"}, {"tier": "b"}]},
    }), "p.yaml")  # fmt: skip


def statistics_of(database: Database, rows: Sequence[Row], policy: Policy) -> dict[str, Row]:
    """Return the indicators of accounts whose measures are `rows`."""
    with connected(database, "tiering_warehouse") as connection:
        types = {"account_id": "TEXT", "account_manager_id": "TEXT", **dict(COLUMNS.values())}
        rebuild(connection, "measured_by_hand", types)
        names = ", ".join(types)
        places = ", ".join(f"CAST(:v{n} AS {kind})" for n, kind in enumerate(types.values()))
        values = [[row["account_id"], "M1", *(row.get(name) for name in COLUMNS)] for row in rows]
        if rows:
            run_text(connection, f"INSERT INTO work.measured_by_hand ({names}) VALUES ({places})",
                     [{f"v{n}": value for n, value in enumerate(line)} for line in values])  # fmt: skip
    with connected(database, "tiering_warehouse") as connection:
        table = read_indicators(connection, policy, "work.measured_by_hand")
    assert table["account_id"].to_pylist() == sorted(row["account_id"] for row in rows)
    return {row["account_id"]: row for row in table.to_pylist()}


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, warehouses: Warehouses) -> Iterator[Database]:
    """An empty warehouse to put measures into."""
    made = warehouses.empty(str(request.param))
    with kept_open(made):
        yield made
    warehouses.drop(made)


# The model: lists, sorting and fractions.


def best_first(row: Row, of: str, better: str, ties: Sequence[str] = ()) -> tuple[Any, ...]:
    """Return what orders accounts from the best to the worst."""
    sign = -1 if better == "high" else 1
    key: list[Any] = [sign * row[of]]
    for tie in ties:
        key.append(row["account_id"] if tie == "customer_id" else (row[tie] is None, -(row[tie] or 0)))
    return tuple(key)


def quantile_7(values: Sequence[Any], part: Fraction) -> Fraction:
    """Return the quantile of type 7: R's and pandas' own."""
    ordered = sorted(Fraction(value) for value in values)
    place = part * (len(ordered) - 1)
    low = int(place)
    return ordered[low] + (place - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def quantile(
    method: str, number: int, row: Row, peers: Sequence[Row], of: str, better: str, ties: Sequence[str]
) -> int:
    """Return the quantile of an account by a method, N = best."""
    value, values = row[of], [peer[of] for peer in peers]
    if method in ("pandas", "r_rfm"):
        cuts = [quantile_7(values, Fraction(i, number)) for i in range(1, number)]
        passed = sum(c < value if method == "pandas" else c + 1 <= value for c in cuts)
        return 1 + passed if better == "high" else number - passed
    ordered = sorted(peers, key=lambda peer: best_first(peer, of, better, ties), reverse=True)
    keys = [best_first(peer, of, better, ties) for peer in ordered]
    place = keys.index(best_first(row, of, better, ties))
    if method == "rank":
        return 1 + number * place // len(peers)
    parts, rest = divmod(len(peers), number)
    buckets = [bucket + 1 for bucket in range(number) for _ in range(parts + (bucket < rest))]
    return buckets[place]


def model(name: str, spec: dict[str, Any], row: Row, rows: Sequence[Row]) -> Any:
    """Return a statistic of one account."""
    within = spec.get("within")
    graded = [peer for peer in rows if peer["recency"] is not None]
    if row not in graded or (within and row[within] is None):
        return None
    peers = [peer for peer in graded if not within or peer[within] == row[within]]
    kind = next(
        kind
        for kind in ("top", "rank", "percent_rank", "share", "cumulative_share", "quantile", "count")
        if kind in spec
    )
    if kind == "count":
        return len(peers)
    of = spec.get("of") or spec[kind]
    better, ties = spec.get("better", "high"), spec.get("ties", {}).get("by", ())
    known = [peer for peer in peers if peer[of] is not None]
    if row[of] is None:
        return False if kind == "top" else None
    key = best_first(row, of, better, ties)
    place = 1 + sum(best_first(peer, of, better, ties) < key for peer in known)
    total = sum(Fraction(peer[of]) for peer in known)
    if kind == "top":
        return place <= spec["top"] and (better == "low" or row[of] > 0)
    if kind == "rank":
        return place
    if kind == "percent_rank":
        return cut(Fraction(place - 1, len(known) - 1)) if len(known) > 1 else Decimal(0)
    if kind == "share":
        return cut(Fraction(row[of]) / total) if total > 0 else None
    if kind == "cumulative_share":
        keys = {peer["account_id"]: best_first(peer, of, better, ties) for peer in known}
        own = spec.get("counts", "own") == "own"
        above = [p for p in known if keys[p["account_id"]] < key or (own and keys[p["account_id"]] == key)]
        return cut(sum((Fraction(peer[of]) for peer in above), Fraction(0)) / total) if total > 0 else None
    return quantile(spec["method"], spec["quantile"], row, known, of, better, ties)


def accounts_by_chance(seed: int, number: int) -> list[Row]:
    """Return accounts with many ties, some unknown values, some out of the gate, in no order."""
    rng = random.Random(seed)
    rows: list[Row] = []
    for n in range(number):
        sales = rng.choice([Decimal(rng.randint(-3, 12)), Decimal(rng.randint(0, 99_999)) / 100, Decimal(7), None])
        rows.append({
            "account_id": f"{rng.choice('aBzZ0')}{n}",
            "sales": sales,
            "orders": rng.choice([None, 0, 1, 1, 2, 2, 3, 5, 8, 30]),
            "recency": rng.choice([None, 0, 1, 2, 3, 30, 31, 365, rng.randint(0, 700)]),
            "margin_rate": rng.choice([None, cut(Fraction(rng.randint(1, 9), 7)), cut(Fraction(2, 3))]),
            "segment": rng.choice([None, "north", "south", "Süd"]),
            "judged": rng.choice([None, Decimal("7.5"), Decimal(rng.randint(0, 20))]),
            "judged__evidence_on": None,
        })  # fmt: skip
    rng.shuffle(rows)
    return rows


def every_statistic() -> dict[str, dict[str, Any]]:
    """Return statistics of every kind: over all and within a segment, either end best, ties together and split."""
    found: dict[str, dict[str, Any]] = {"graded": {"count": "graded"}}
    found["graded_within"] = {"count": "graded", "within": "segment"}
    split = {"by": ["orders", "customer_id"]}
    sides = {"sales": "high low", "orders": "high low", "recency": "low", "margin_rate": "high", "judged": "high"}
    for n, (of, better, within) in enumerate(
        (of, better, within)
        for of, sides_of in sides.items()
        for better in sides_of.split()
        for within in (False, True)
    ):
        segment = {"within": "segment"} if within else {}
        shape = {"better": better, **segment}
        place = f"{of}_{better}_{'within' if within else 'all'}"
        found |= {
            f"top_{place}": {"top": 5 + n, "of": of, **shape},
            f"rank_{place}": {"rank": of, **shape},
            f"percent_rank_{place}": {"percent_rank": of, **shape},
            f"share_{place}": {"share": of, **segment},
            f"cumulated_{place}": {"cumulative_share": of, **shape},
            f"before_{place}": {"cumulative_share": of, "counts": "others", **shape},
        }
        for method in METHODS:
            found[f"q_{method}_{place}"] = {"quantile": 2 + n % 6, "of": of, "method": method, **shape}
    for kind, spec in {
        "top": {"top": 7, "of": "sales"}, "rank": {"rank": "sales"}, "percent": {"percent_rank": "sales"},
        "cumulated": {"cumulative_share": "sales"}, "before": {"cumulative_share": "sales", "counts": "others"},
        "q_rank": {"quantile": 4, "of": "sales", "method": "rank"},
        "q_ntile": {"quantile": 4, "of": "sales", "method": "ntile"},
    }.items():  # fmt: skip
        found[f"split_{kind}"] = spec | {"ties": split}
        found[f"split_low_{kind}"] = spec | {"ties": split, "better": "low", "within": "segment"}
        found[f"half_split_{kind}"] = spec | {"ties": {"by": ["orders"]}}
    return found


EVERY = every_statistic()
POLICY = policy_of(EVERY)


@pytest.mark.parametrize("number", [0, 1, 2, 7, 50])
def test_a_statistic_is_what_plain_python_counts(database: Database, number: int) -> None:
    rows, statistics = accounts_by_chance(number, number), EVERY
    found = statistics_of(database, rows, POLICY)
    assert len(found) == number
    for row in rows:
        told = found[row["account_id"]]
        for name, spec in statistics.items():
            wanted = model(name, spec, row, rows)
            assert told[name] == wanted, f"{row['account_id']}.{name}: {told[name]!r} is not {wanted!r}"


def test_the_order_of_rows_changes_nothing(database: Database) -> None:
    rows, policy = accounts_by_chance(3, 40), POLICY
    first = statistics_of(database, rows, policy)
    assert statistics_of(database, sorted(rows, key=lambda row: str(row["sales"])), policy) == first


def test_both_engines_give_the_same_types(database: Database) -> None:
    statistics_of(database, accounts_by_chance(1, 3), POLICY)
    with connected(database, "tiering_warehouse") as connection:
        schema = read_indicators(connection, POLICY, "work.measured_by_hand").schema
    kinds = {"top": "bool"} | dict.fromkeys(("rank", "q", "graded"), "int64")
    kinds |= dict.fromkeys(("share", "percent", "cumulated", "before"), "decimal128(38, 18)")
    for field in schema:
        words = field.name.removeprefix("half_").removeprefix("split_").removeprefix("low_")
        kind = next((kind for prefix, kind in kinds.items() if words.startswith(prefix)), None)
        assert kind is None or str(field.type) == kind, field


def _of_sales(*values: Any) -> list[Row]:
    return [{"account_id": f"C{n:03}", "sales": Decimal(str(v)), "orders": 1, "recency": 1, "segment": "s"}
            for n, v in enumerate(values)]  # fmt: skip


def _told(database: Database, rows: list[Row], **spec: Any) -> list[Any]:
    found = statistics_of(database, rows, policy_of({"x": spec}))
    return [found[row["account_id"]]["x"] for row in rows]


@pytest.mark.parametrize("number", [2, 4, 5, 7])
def test_the_method_pandas_is_pandas(database: Database, number: int) -> None:
    rng = random.Random(number)
    values = [rng.randint(0, 10_000) for _ in range(83)]
    theirs = pd.qcut(pd.Series(values), number, labels=range(1, number + 1)).astype(int).to_list()
    assert _told(database, _of_sales(*values), quantile=number, of="sales", method="pandas") == theirs
    low = pd.qcut(pd.Series(values), number, labels=range(number, 0, -1)).astype(int).to_list()
    assert _told(database, _of_sales(*values), quantile=number, of="sales", method="pandas", better="low") == low


@pytest.mark.parametrize("method", METHODS)
def test_equal_accounts_get_equal_scores(database: Database, method: str) -> None:
    # An NTILE that splits ties gave two customers with frequency 2 the scores 0 and 1.
    scores = _told(database, _of_sales(1, 2, 2, 3), quantile=2, of="sales", method=method)
    assert scores[1] == scores[2]
    assert len(set(_told(database, _of_sales(*[5] * 9), quantile=5, of="sales", method=method))) == 1


def test_ntile_gives_equal_values_its_lowest_part_unless_it_is_said_how_they_are_split(database: Database) -> None:
    rows = _of_sales(1, 2, 2, 2, 3)
    assert _told(database, rows, quantile=3, of="sales", method="ntile") == [1, 1, 1, 1, 3]
    split = {"by": ["customer_id"]}  # 1 2 | 2 2 | 3 from the worst; among equals the first number is the best
    assert _told(database, rows, quantile=3, of="sales", method="ntile", ties=split) == [1, 2, 2, 1, 3]


def test_shares_are_exact_beyond_what_a_float_holds(database: Database) -> None:
    rows = _of_sales("9007199254740993.5500", "0.0001", "3002399751580331.1833")
    total = sum(Fraction(row["sales"]) for row in rows)
    assert _told(database, rows, share="sales") == [cut(Fraction(row["sales"]) / total) for row in rows]
    cumulated = _told(database, rows, cumulative_share="sales")
    assert (max(cumulated), cumulated[1]) == (Decimal(1), Decimal(1))


def test_nobody_graded_and_a_total_of_nothing_are_undefined(database: Database) -> None:
    rows = _of_sales(0, 0)
    assert _told(database, rows, share="sales") == [None, None]
    assert _told(database, rows, cumulative_share="sales") == [None, None]
    assert _told(database, rows, top=1, of="sales") == [False, False]
    for row in rows:
        row["recency"] = None
    assert _told(database, rows, rank="sales") == [None, None]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (
            {"quantile": 5, "of": "sales", "method": "pandas", "ties": {"by": ["customer_id"]}},
            "cut points cannot split",
        ),
        ({"quantile": 5, "of": "sales", "method": "r_rfm", "ties": {"by": ["orders"]}}, "take method: ntile"),
        ({"rank": "sales", "ties": {"by": ["other"]}}, "ties by other, which is a statistic itself"),
    ],
)
def test_ties_that_cannot_be_told_apart_are_refused(spec: dict[str, Any], says: str) -> None:
    policy = policy_of({"other": {"rank": "orders"}, "x": spec})
    with pytest.raises(TieringError) as caught:
        columns_for([policy])
    assert "policy p, indicator x: " in str(caught.value)
    assert says in str(caught.value)


# Published results

GOLDENS = ROOT / "tests" / "goldens"
PUBLISHED = yaml.safe_load((GOLDENS / "statistics.yaml").read_text(encoding="utf-8"))
RFM = yaml.safe_load((GOLDENS / "rfm_r.yaml").read_text(encoding="utf-8"))
ORDERS = SHARED / "goldens" / "rfm_r" / "rfm_data_orders.csv"


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case["name"])
def test_a_published_statistic_comes_out_as_published(database: Database, case: dict[str, Any]) -> None:
    told = _told(database, _of_sales(*case.get("values", range(case.get("count", 0)))), **case["statistic"])
    if "sizes" in case:
        assert Counter(told) == case["sizes"]
        return
    assert told == [Decimal(str(share)) for share in case["shares"]]
    is_closed = case["bound_belongs_to"] == "the band below"
    bounds = {name: Decimal(str(bound)) for name, bound in case["bands"].items()}
    classes = [
        next(name for name, bound in bounds.items() if share < bound or (is_closed and share == bound))
        for share in told
    ]
    assert classes == case["classes"]


def _put(connection: Connection, entity: str, lines: list[Row], columns: dict[str, str], more: Row) -> None:
    """Put lines of a file straight into the facts, each row once."""
    rows = dict.fromkeys(tuple(line[name] for name in columns.values()) for line in lines)
    kinds = {"sold_on": pa.date32(), "net_amount_reporting": pa.decimal128(20, 4)}
    table = pa.table({
        **{name: pa.array([row[n] for row in rows], pa.string()).cast(kinds.get(name, pa.string()))
           for n, name in enumerate(columns)},
        **{name: pa.array([value] * len(rows)) for name, value in ({"batch_no": 0} | more).items()},
    })  # fmt: skip
    write_arrow(connection, f"facts.{entity}", table)


@pytest.fixture(scope="module", params=ENGINES)
def orders(request: pytest.FixtureRequest, warehouses: Warehouses) -> Iterator[dict[str, Row]]:
    """The customers of the R package's example with their days, orders and revenue, scored by its method."""
    if not ORDERS.exists():
        pytest.skip("the example data of the R package rfm is not beside the repository: shared/goldens/rfm_r")
    with ORDERS.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    policy = parse_policy(json.dumps({
        "id": "p", "title": {"en": "P"}, "ref": "S10", "grain": "customer", "schedule": "0 6 2 * *",
        "as_of": "previous_year_end", "tiers": ["a", "b"],
        "indicators": {
            **{name: {"measure": name, "window": "ever"} for name in RFM["cut_points"]},
            "recency": {"quantile": 5, "of": "recency_days", "method": "r_rfm", "better": "low"},
            "frequency": {"quantile": 5, "of": "order_count", "method": "r_rfm"},
            "monetary": {"quantile": 5, "of": "net_sales", "method": "r_rfm"},
        },
        "decide": {"rules": [{"tier": "a", "when": "net_sales > 0"}, {"tier": "b"}]},
    }), "p.yaml")  # fmt: skip
    made = warehouses.empty(str(request.param))
    with kept_open(made):
        with connected(made, "tiering_warehouse") as connection:
            _put(connection, "customers", lines, {"customer_id": "customer_id"}, {"holds_from": RFM["as_of"]})
            sold = {"customer_id": "customer_id", "sold_on": "order_date", "net_amount_reporting": "revenue"}
            _put(connection, "sales", [line | {"n": str(n)} for n, line in enumerate(lines)],
                 sold | {"line_id": "n", "document_id": "n"}, {})  # fmt: skip
        with connected(made, "tiering_warehouse") as connection:
            taken = take_measures(connection, [policy], "customer", RFM["as_of"])
        with connected(made, "tiering_warehouse") as connection:
            table = read_indicators(connection, policy, taken.table)
    yield {row["account_id"]: row for row in table.to_pylist()}
    warehouses.drop(made)


def test_the_r_package_finds_the_same_customers_orders_and_revenue(orders: dict[str, Row]) -> None:
    assert len(orders) == RFM["customers"]
    assert sum(row["order_count"] for row in orders.values()) == RFM["orders"]
    assert sum(row["net_sales"] for row in orders.values()) == RFM["revenue"]
    assert Counter(row["order_count"] for row in orders.values()) == RFM["customers_by_orders"]


def test_the_r_package_cuts_where_we_do(orders: dict[str, Row]) -> None:
    scores = {"recency_days": "recency", "order_count": "frequency", "net_sales": "monetary"}
    for name, printed in RFM["cut_points"].items():
        values = [row[name] for row in orders.values()]
        cuts = [quantile_7(values, Fraction(n, 5)) + 1 for n in range(1, 5)]
        assert cuts == [Fraction(str(point)) for point in printed], name
        for row in orders.values():
            passed = sum(point <= row[name] for point in cuts)
            assert row[scores[name]] == (5 - passed if name == "recency_days" else 1 + passed), row["account_id"]


def test_the_r_package_scores_five_customers_as_we_do(orders: dict[str, Row]) -> None:
    for number, expected in RFM["scores"].items():
        row = orders[number]
        names = ("recency_days", "order_count", "net_sales", "recency", "frequency", "monetary")
        assert [row[name] for name in names] == expected, number
