"""A run that is decided in parts is the run that is decided at once, on both engines, however large the parts are."""

# ruff: noqa: F811 - fixtures come in by their names

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pandas as pd
import pytest
from companies import ENGINES, Warehouses, demo_policies, query, warehouses  # noqa: F401

from sql.connect import Database, connected, kept_open, stream_arrow
from sql.errors import TieringError
from tests.indicator_frames import POLICIES, indicator_frame, pool_of
from tiering import jobs
from transforms.decide import InputHash, decide_tiers, run_input_hash

DAY = date(2025, 12, 31)
STAGED = (
    "decided",
    "component",
    "task",
    "outlook",
)


@pytest.fixture(scope="module", params=ENGINES)
def loaded(request: pytest.FixtureRequest, warehouses: Warehouses) -> Iterator[Database]:
    database = warehouses.loaded(str(request.param))
    with kept_open(database):
        yield database


def staged_by(database: Database, policy_id: str, accounts: int, patch: pytest.MonkeyPatch) -> dict[str, object]:
    """Decide so many accounts at a time; return the hash of the run's input and every staged row."""
    policies = demo_policies()
    patch.setattr(jobs, "ACCOUNTS_AT_ONCE", accounts)
    staged = jobs.decide(database, policies[policy_id], jobs.measure(database, policies, policy_id, DAY))
    run_id = staged["run"]["run_id"]
    found: dict[str, object] = {"input_hash": staged["run"]["input_hash"]}
    for table in STAGED:
        rows = query(database, f"SELECT * FROM work.{table} WHERE run_id = :run_id", run_id=run_id)
        found[table] = sorted(map(repr, rows))
    return found


@pytest.mark.parametrize("policy_id", ["pyramid", "rfm_555", "collection_classes"])
def test_parts_of_any_size_give_the_run_that_is_decided_at_once(
    loaded: Database, policy_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = staged_by(loaded, policy_id, 10**6, monkeypatch)
    assert len(whole["decided"]) > 50  # type: ignore[arg-type]
    assert len(whole["component"]) > len(whole["decided"])  # type: ignore[arg-type]
    for accounts in (1_000, 7, 50):
        assert staged_by(loaded, policy_id, accounts, monkeypatch) == whole, accounts


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_a_stream_has_every_row_once_in_tables_of_the_size_that_is_asked_for(loaded: Database, rows: int) -> None:
    sql = "SELECT customer_id, CAST(1.5 AS DECIMAL(20, 4)) AS n FROM facts.customers WHERE holds_from > :day " \
          "ORDER BY customer_id COLLATE \"C\", holds_from, batch_no"  # fmt: skip
    everybody = [row[0] for row in query(loaded, "SELECT customer_id FROM facts.customers ORDER BY 1")]
    with connected(loaded, "tests") as connection:
        parts = list(stream_arrow(connection, sql, {"day": date(1900, 1, 1)}, rows=rows))
        none = list(stream_arrow(connection, sql, {"day": date(2900, 1, 1)}, rows=rows))
    assert sorted(name for part in parts for name in part["customer_id"].to_pylist()) == sorted(everybody)
    assert {part.num_rows for part in parts[:-1]} <= {rows}
    assert {str(part["n"].type) for part in parts} == {"decimal128(38, 18)"}
    assert [part.num_rows for part in none] == [0]


def test_accounts_out_of_order_or_twice_are_refused() -> None:
    policy = POLICIES["pyramid"]
    rows = [{**row, "account_id": f"c{number}"} for number, row in enumerate(pool_of(policy)[:3])]
    frames = [decide_tiers(policy, indicator_frame(policy, [row])).decisions for row in rows]
    for first, second in ((1, 0), (1, 1)):
        hashed = InputHash(policy)
        hashed.add(frames[first])
        with pytest.raises(TieringError, match="out of order, or twice"):
            hashed.add(frames[second])
    hashed = InputHash(policy)
    for frame in frames:
        hashed.add(frame)
    assert hashed.hexdigest() == run_input_hash(policy, pd.concat(frames[::-1]))
