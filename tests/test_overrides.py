"""Overrides (S30): a tier set by people holds for its days, with reason and approver, and ends by itself."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pandas as pd
import pytest
from companies import Warehouses, demo_policies, loaded, publish, query, warehouses
from pandas.testing import assert_frame_equal

from sql.connect import Database
from tests.test_invariants import broken_invariants
from transforms.overrides import apply_overrides

POLICIES = demo_policies()
DAYS = (date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28))
FOUND = ["as_of", "customer_id", "tier", "computed_tier", "status", "reason"]
OVERRIDES = ["customer_id", "tier", "valid_from", "valid_to"]


def found(*rows: tuple[date, str, str | None]) -> pd.DataFrame:
    plain = [
        (day, number, tier, tier, "final" if tier else None, None if tier else "gate:x") for day, number, tier in rows
    ]
    return pd.DataFrame(plain, columns=FOUND, dtype=object)


def overrides(*rows: tuple[str, str, date, date | None]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=OVERRIDES, dtype=object)


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "days"),
    [
        (DAYS[1], None, DAYS[1:]),
        (DAYS[1], DAYS[2], DAYS[1:2]),  # the end is not included
        (date(2025, 12, 1), date(2026, 2, 1), DAYS[1:3]),
        (date(2026, 3, 1), None, ()),
        (date(2025, 1, 1), DAYS[0], ()),
    ],
)
def test_an_override_holds_on_its_days_and_the_rules_stay_visible(
    valid_from: date, valid_to: date | None, days: tuple[date, ...]
) -> None:
    rows = found(*((day, "C1", "B") for day in DAYS), *((day, "C2", "B") for day in DAYS))
    applied = apply_overrides(rows, overrides(("C1", "A", valid_from, valid_to)))
    mine = applied[applied["customer_id"] == "C1"]
    assert [day for day, tier in zip(mine["as_of"], mine["tier"], strict=True) if tier == "A"] == list(days)
    assert set(mine["status"][mine["tier"] == "A"]) <= {"overridden"}
    assert set(mine["computed_tier"]) == {"B"}
    assert_frame_equal(applied[applied["customer_id"] == "C2"], rows[rows["customer_id"] == "C2"])


def test_of_two_overrides_the_later_one_counts_in_any_order() -> None:
    both = overrides(("C1", "A", DAYS[0], None), ("C1", "D", DAYS[1], DAYS[3]))
    rows = found(*((day, "C1", "B") for day in DAYS))
    for order in (both, both.iloc[::-1]):
        assert list(apply_overrides(rows, order)["tier"]) == ["A", "D", "D", "A"]


def test_who_is_not_graded_gets_no_tier_by_hand_and_nothing_is_changed_in_place() -> None:
    rows = found((DAYS[0], "C1", None), (DAYS[0], "C2", "B"))
    kept = rows.copy(deep=True)
    applied = apply_overrides(rows, overrides(("C1", "A", DAYS[0], None), ("C2", "A", DAYS[0], None)))
    assert list(applied["tier"]) == [None, "A"]
    assert_frame_equal(rows, kept)
    empty = found()
    assert_frame_equal(apply_overrides(empty, overrides(("C1", "A", DAYS[0], None))), empty)
    assert_frame_equal(apply_overrides(rows, overrides()), rows)


def put(database: Database, **row: Any) -> None:
    names = ["policy_id", "customer_id", "tier", "reason", "requested_by", "approved_by", "valid_from", "valid_to"]
    values = {"reason": "popularity", "requested_by": "sales", "approved_by": "director", "valid_to": None, **row}
    query(
        database,
        f"INSERT INTO tiering.override ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})",
        **{name: values[name] for name in names},
    )


def test_an_override_goes_through_publication_and_ends_by_itself(loaded: Database) -> None:
    publish(loaded, POLICIES, "pyramid", DAYS[0])
    [(customer,)] = query(
        loaded,
        "SELECT MIN(customer_id) FROM tiering.customer_tier WHERE policy_id = 'pyramid' AND tier = 'lead'",
    )
    [(other,)] = query(
        loaded,
        "SELECT MAX(customer_id) FROM tiering.customer_tier WHERE policy_id = 'pyramid' AND tier = 'lead'",
    )
    put(loaded, policy_id="pyramid", customer_id=customer, tier="gold", valid_from=DAYS[1], valid_to=DAYS[3])
    put(loaded, policy_id="pyramid", customer_id=other, tier="gold", valid_from=DAYS[1], approved_by=None)
    put(loaded, policy_id="pyramid", customer_id=other, tier="diamond", valid_from=DAYS[1])
    for day in (DAYS[1], DAYS[3], DAYS[2]):  # the middle day comes last
        publish(loaded, POLICIES, "pyramid", day)
    spells = query(
        loaded,
        "SELECT tier, status, valid_from, valid_to FROM tiering.customer_tier_history "
        "WHERE policy_id = 'pyramid' AND customer_id = :number ORDER BY valid_from",
        number=customer,
    )
    assert [row[:3] for row in spells if row[1] == "overridden"] == [("gold", "overridden", DAYS[1])]
    assert [row[3] for row in spells if row[1] == "overridden"] == [DAYS[3]]
    changes = query(
        loaded,
        "SELECT as_of, to_tier, cause, drivers FROM tiering.tier_change "
        "WHERE policy_id = 'pyramid' AND customer_id = :number AND superseded_at IS NULL AND direction <> 'new' "
        "ORDER BY as_of",
        number=customer,
    )
    assert [(row[0], row[2], json.loads(row[3])) for row in changes] == [
        (DAYS[1], "override", []),
        (DAYS[3], "override", []),
    ]
    assert changes[0][1] == "gold"
    found_others = query(
        loaded,
        "SELECT COUNT(*) FROM tiering.customer_tier_history WHERE customer_id = :number AND status = 'overridden'",
        number=other,
    )
    assert found_others == [(0,)]
    assert broken_invariants(loaded) == set()
