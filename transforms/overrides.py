"""Overrides: tiers that people set, with an approver and an expiry, put over what the rules found (S30)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import numpy as np
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


def override_days(overrides: pd.DataFrame, first: date, through: date) -> dict[date, set[str]]:
    """Return the days from `first` to `through` on which an override begins or ends, and whose."""
    days: dict[date, set[str]] = {}
    for customer_id, begins, ends in zip(
        overrides["customer_id"], overrides["valid_from"], overrides["valid_to"], strict=True
    ):
        for day in (begins, ends):
            if day is not None and first <= day <= through:
                days.setdefault(day, set()).add(customer_id)
    return days


def find_on_override_days(found: pd.DataFrame, runs: Collection[date], customers: dict[date, set[str]]) -> pd.DataFrame:
    """Return what was found with a row more for each customer whose override begins or ends between two runs.

    In: `found` as for `apply_overrides`; the days of the runs; the customers of each further day. The row says what
    stood since the run before that day; who was not in scope then gets none.
    """
    further = []
    in_order = sorted(runs)
    for day in sorted(customers):
        last_run = max((run for run in in_order if run <= day), default=None)
        if last_run is None or last_run == day:
            continue
        theirs = found[found["customer_id"].isin(list(customers[day]))]
        theirs = theirs[np.array([last_run <= as_of <= day for as_of in theirs["as_of"]], dtype=bool)]
        latest = theirs.sort_values("as_of", kind="stable").drop_duplicates("customer_id", keep="last")
        further.append(latest[latest["as_of"] != day].assign(as_of=day))
    return pd.concat([found, *further], ignore_index=True) if further else found
