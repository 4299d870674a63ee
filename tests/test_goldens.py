"""Published results: what others print as the outcome of their rules comes out of ours, from data alone."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from sql.connect import Database, connected
from sql.errors import TieringError
from sql.measure import column_of, read_indicators
from tests.indicator_frames import POLICIES, arrow_type, indicator_frame
from transforms import decide_tiers
from transforms.allocation import split
from transforms.credit import Budget, Credit
from transforms.policy import Policy
from transforms.policy_text import PolicyText

FOLDER = Path(__file__).parent / "goldens"


def read_goldens(name: str) -> dict[str, Any]:
    return PolicyText((FOLDER / name).read_text(encoding="utf-8"), name).data


DECISIONS = read_goldens("decisions.yaml")["goldens"]
ALLOCATION = read_goldens("allocation.yaml")


def name_of(golden: Any) -> str:
    return f"{golden['id']}: {golden['claim']}"


def policies_of(golden: dict[str, Any]) -> list[Policy]:
    """Return the policy of a golden, and its other spellings."""
    if "policy" in golden:
        return [POLICIES[golden["policy"]]]
    head = {
        "id": "golden",
        "title": {"en": golden["claim"]},
        "ref": golden["id"],
        "grain": "customer",
        "schedule": "0 6 * * *",
        "as_of": "run_day",
        **{name: golden[name] for name in ("tiers", "indicators")},
        **({"credit": {"limits": golden["limits"]}} if "limits" in golden else {}),
    }
    return [Policy.model_validate({**head, "decide": decide}) for decide in [golden["decide"], *golden.get("also", [])]]


def measured(policy: Policy, rows: list[dict[str, Any]], path: Path) -> pd.DataFrame:
    """Return the indicators of a population, its statistics taken by the statement that takes them in a run."""
    columns = {column_of(i): name for name, i in policy.indicators.items() if not i.is_statistic}
    plain = indicator_frame(policy, rows)
    table = pa.table(
        {
            "account_id": pa.array(plain["account_id"]),
            "account_manager_id": pa.array(plain["account_manager_id"]),
            **{column: pa.array(plain[name], arrow_type(policy, name)) for column, name in columns.items()},
        }
    )
    with connected(Database("duckdb", path=str(path)), "tiering_warehouse") as connection:
        driver: Any = connection.connection.driver_connection
        driver.register("incoming", table)
        driver.execute("CREATE TABLE measures AS SELECT * FROM incoming")
        return read_indicators(connection, policy, "measures").to_pandas(types_mapper=pd.ArrowDtype)


@pytest.mark.parametrize("golden", DECISIONS, ids=name_of)
def test_a_published_decision_comes_out(golden: dict[str, Any], tmp_path: Path) -> None:
    rows = [row for row in golden["rows"] if "refused" not in row]
    given = [row["given"] for row in rows]
    for policy in policies_of(golden):
        indicators = (
            measured(policy, given, tmp_path / "golden.duckdb")
            if golden.get("measured")
            else indicator_frame(policy, given)
        )
        decisions = decide_tiers(policy, indicators).decisions
        found = decisions.rename(columns={"computed_tier": "tier"}).astype(object)
        for row, (_, decision) in zip(rows, found.iterrows(), strict=True):
            expected = {"tier": None, "reason": None} | {
                name: row[name] for name in row if name not in ("given", "limit")
            }
            assert {name: None if pd.isna(decision[name]) else decision[name] for name in expected} == expected
            if "limit" in row:
                assert policy.credit is not None
                assert policy.credit.limits[decision["tier"]] == row["limit"]


@pytest.mark.parametrize(
    ("golden", "row"),
    [(golden, row) for golden in DECISIONS for row in golden["rows"] if "refused" in row],
    ids=lambda value: value.get("claim", str(value.get("given"))),
)
def test_what_a_printed_rule_does_not_decide_is_refused(golden: dict[str, Any], row: dict[str, Any]) -> None:
    (policy,) = policies_of(golden)
    with pytest.raises(TieringError, match=row["refused"]):
        decide_tiers(policy, indicator_frame(policy, [row["given"]]))


@pytest.mark.parametrize(
    ("golden", "count", "sizes"),
    [(golden, int(n), sizes) for golden in DECISIONS for n, sizes in golden.get("sizes", {}).items()],
)
def test_a_population_splits_into_the_published_numbers(golden: dict[str, Any], count: int, sizes: list[int]) -> None:
    (policy,) = policies_of(golden)
    rows = [{"net_sales": Decimal(1), "sales_rank": place, "customers": count} for place in range(1, count + 1)]
    found = Counter(decide_tiers(policy, indicator_frame(policy, rows)).decisions["computed_tier"])
    assert [found[tier] for tier in policy.tiers] == sizes


@pytest.mark.parametrize("golden", [golden for golden in DECISIONS if "codes" in golden], ids=name_of)
def test_a_table_of_segments_leaves_as_many_codes_over_as_published(golden: dict[str, Any]) -> None:
    (policy,) = policies_of(golden)
    codes = golden["codes"]
    assert policy.decide.composite is not None
    digits = [str(digit) for digit in range(codes["from"], codes["to"] + 1)]
    tiers = [policy.decide.composite.tier_of("".join(code)) for code in product(digits, repeat=codes["digits"])]
    assert tiers.count(codes["tier"]) == codes["count"]


@pytest.mark.parametrize("golden", ALLOCATION["budgets"], ids=name_of)
def test_a_published_budget_comes_out_exactly(golden: dict[str, Any]) -> None:
    plan = {name: Decimal(value) for name, value in golden["plan"].items()}
    assert Budget(golden["budget"]).amount(plan) == golden["amount"]


@pytest.mark.parametrize("golden", ALLOCATION["allocations"], ids=name_of)
def test_a_published_allocation_comes_out_to_the_cent(golden: dict[str, Any]) -> None:
    credit = Credit.model_validate(
        {"budget": "credit_budget", "sales": "net_sales", "multiplier": golden["multiplier"]}
    )
    weights = [int(golden["sales"][tier] * credit.multiplier[tier] * 100) for tier in golden["sales"]]
    cents, _ = split(int(Decimal(golden["total"]) * 100), weights)
    assert [Decimal(int(amount)) / 100 for amount in cents] == list(golden["limits"].values())
    assert sum(cents) == golden["total"] * 100
    assert credit.is_degenerate is golden["is_degenerate"]
