"""Overrides: tiers that people set, with an approver and an expiry, put over what the rules found (S30)."""

from __future__ import annotations

import pandas as pd

OVERRIDDEN = "overridden"


def apply_overrides(found: pd.DataFrame, overrides: pd.DataFrame) -> pd.DataFrame:
    """Return what was found with the overrides of each day put over it: tier and status, never computed_tier.

    In: `found`, one row per published day and customer, columns as_of, customer_id, tier, computed_tier, status,
    reason; `overrides`, one row per override, columns customer_id, tier, valid_from, valid_to (half-open, missing
    when open). Out: the same rows in the same order. Of two overrides that hold on a day, the one that begins
    later counts, then the greater tier name. Who was not graded stays so.
    """
    result = found.copy()
    if overrides.empty or found.empty:
        return result
    rows = found.reset_index(names="place")[["place", "as_of", "customer_id", "computed_tier"]]
    rows = rows[rows["computed_tier"].notna()]
    met = rows.merge(overrides, on="customer_id", how="inner", validate="many_to_many")
    holds = (met["valid_from"] <= met["as_of"]) & (
        met["valid_to"].isna() | (met["valid_to"].where(met["valid_to"].notna(), met["as_of"]) > met["as_of"])
    )
    last = met[holds].sort_values(["place", "valid_from", "tier"]).drop_duplicates("place", keep="last")
    result.loc[last["place"], "tier"] = last["tier"].to_numpy()
    result.loc[last["place"], "status"] = OVERRIDDEN
    return result
