"""Accounts that plainly take what a run found end as they would if each was folded, with the same change rows."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from companies import loaded, policies_for, publish, query, stage, warehouses

import sql.history
from sql.connect import Database
from sql.review import review_run
from transforms.policy import Policy

DAYS = {
    "pyramid": (date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 31)),
    "rfm_555": (date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 31)),
    "tier_and_type": (date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 31)),
    "membership": (date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 31)),
    "collection_classes": (date(2024, 12, 31), date(2025, 12, 31)),
}
"""Policies without and with movement, with periods, and one that asks for its best tier."""

WRITTEN = {
    "customer_tier": "customer_id, tier, computed_tier, status, since_on, as_of, run_id",
    "customer_tier_history": "customer_id, tier, computed_tier, status, valid_from, valid_to, run_id",
    "absence": "customer_id, reason, valid_from, valid_to",
    "movement_state": "customer_id, valid_from, valid_to, tier, computed_tier, status, reason, found_status, since_on, "
    "period_from, periods, found, found_since, asked_tier",
    "tier_change": "as_of, revision, customer_id, from_tier, to_tier, direction, cause, drivers, account_manager_id, "
    "run_id, superseded_at IS NULL",
    "run": "as_of, revision, status, decided_customers, excluded_customers, "
    "moved_customers, new_customers, left_customers",
}  # fmt: skip


def shaken(frame: pd.DataFrame) -> pd.DataFrame:
    """Return indicators of which every third account has those of another one, and every seventh is out of scope."""
    numbers = pd.Series(range(len(frame)))
    taken = numbers.where(numbers % 3 != 0, numbers.iloc[::-1].to_numpy())
    mixed = frame.iloc[taken.to_numpy()].reset_index(drop=True)
    mixed["account_id"] = frame["account_id"].to_numpy()
    mixed["account_id"] = mixed["account_id"].astype(frame["account_id"].dtype)
    return mixed[numbers % 7 != 0].reset_index(drop=True)


def published(
    database: Database, policies: dict[str, Policy], policy_id: str
) -> tuple[dict[str, list[str]], list[int]]:
    """Run a policy on its days, one of them shaken and restated; return what was written, and who was folded."""
    folded = []
    first, *rest = DAYS[policy_id]
    publish(database, policies, policy_id, first)
    for day in rest:
        publish(database, policies, policy_id, day, change=shaken)
        folded.append(query(database, "SELECT COUNT(*) FROM work.differing WHERE is_plain")[0][0])
        publish(database, policies, policy_id, day, restate="the other accounts were meant")
    rows = {
        table: sorted(map(repr, query(database, f"SELECT {columns} FROM tiering.{table} WHERE policy_id = :policy_id",
                                      policy_id=policy_id)))
        for table, columns in WRITTEN.items()
    }  # fmt: skip
    query(database, "DELETE FROM tiering.approval WHERE policy_id = :policy_id", policy_id=policy_id)
    for table in ("approval_customer", "decision", "exclusion", "score_component", "tier_outlook", *WRITTEN):
        query(database, f"DELETE FROM tiering.{table} WHERE policy_id = :policy_id", policy_id=policy_id)
    return rows, folded


@pytest.mark.parametrize("policy_id", list(DAYS))
def test_who_is_not_folded_ends_as_if_folded(loaded: Database, policy_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policies = policies_for(*DAYS)
    monkeypatch.setattr(sql.history, "MOST", 1)
    some, plain = published(loaded, policies, policy_id)
    monkeypatch.setattr(sql.history, "MOST", -1)
    everybody, none = published(loaded, policies, policy_id)
    assert (all(plain), any(none)) == (True, False)
    for table in WRITTEN:
        assert some[table] == everybody[table], table
    assert len(some["tier_change"]) > len(some["customer_tier"])


def test_the_counts_are_those_of_everybody(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    policies = policies_for("rfm_555")
    first, second, _ = DAYS["rfm_555"]
    publish(loaded, policies, "rfm_555", first)
    this = stage(loaded, policies, "rfm_555", second, change=shaken)
    told = review_run(loaded, policies["rfm_555"], this)
    monkeypatch.setattr(sql.history, "MOST", -1)
    assert review_run(loaded, policies["rfm_555"], this) == told
    assert min(told.counts[name] for name in ("moved", "disappeared", "graded_before", "graded_now")) > 0
