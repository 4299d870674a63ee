"""Indicators as the measures give them: Arrow types, money with four decimals, ratios with eighteen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from transforms.policy import Policy, read_policies

POLICIES = read_policies(Path(__file__).parents[1] / "policies")
SHIPPED = sorted(POLICIES)

_MEASURED = {
    "money": pa.decimal128(38, 4),
    "ratio": pa.decimal128(38, 18),
    "count": pa.int64(),
    "days": pa.int64(),
    "flag": pa.bool_(),
    "text": pa.string(),
    None: pa.decimal128(38, 18),
}


def arrow_type(policy: Policy, name: str) -> pa.DataType:
    """Return the type in which the measures give an indicator."""
    indicator = policy.indicators[name]
    if indicator.is_statistic:
        return pa.bool_() if indicator.top else pa.int64()
    return _MEASURED[indicator.unit]


def indicator_frame(policy: Policy, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per account, as `decide_tiers` takes them; an indicator that a row lacks is missing."""
    ids = [row.get("account_id", f"c{number:04}") for number, row in enumerate(rows)]
    columns: dict[str, Any] = {
        "account_id": pd.array(ids, dtype=pd.ArrowDtype(pa.string())),
        "account_manager_id": pd.array(["m1"] * len(rows), dtype=pd.ArrowDtype(pa.string())),
    }
    for name in policy.indicators:
        values = pa.array([row.get(name) for row in rows], arrow_type(policy, name))
        columns[name] = pd.Series(pd.arrays.ArrowExtensionArray(values))
    return pd.DataFrame(columns)


_money = st.sampled_from([Decimal(text) for text in ("-5", "0", "0.0001", "99.99", "100", "250000.5")])
_rates = st.sampled_from([Decimal(text) for text in ("0", "0.799999999999999999", "0.8", "0.9", "0.95", "1", "1.2")])
_STRATEGIES = {
    "rfm_555": st.one_of(
        st.fixed_dictionaries(
            {
                "recency_days": st.sampled_from([0, 7, 8, 30, 31, 60, 61, 120, 121, 900]),
                "order_count": st.integers(0, 9),
                "net_sales": _money,
                "frequency": st.integers(1, 5),
                "monetary": st.integers(1, 5),
            }
        ),
        st.fixed_dictionaries({"order_count": st.just(0), "net_sales": _money}),
    ),
    "pyramid": st.one_of(
        st.fixed_dictionaries(
            {
                "net_sales": _money.filter(lambda amount: amount > 0),
                "sales_rank": st.integers(1, 120),
                "customers": st.sampled_from([49, 50, 100, 120]),
            }
        ),
        st.fixed_dictionaries({"net_sales": _money.filter(lambda amount: amount <= 0)}),
    ),
    "collection_classes": st.fixed_dictionaries(
        {
            "net_sales": _money,
            "gross_sales": st.none() | _money,
            "is_key": st.booleans(),
            "collection_rate": st.none() | _rates,
        }
    ),
}


def indicator_rows(policy: Policy, **size: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return rows that the measures can give for a shipped policy, many of them at its bounds."""
    return st.lists(_STRATEGIES[policy.id], **size)
