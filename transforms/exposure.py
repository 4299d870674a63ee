"""Exposure: what accounts owe against their limits, what to do, and who owes out of proportion to sales (S63)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.allocation import UNCAPPED

Amounts = NDArray[Any]
"""Whole units of money: int64 where they fit, else Python's own in an array of objects."""

UNLIMITED = UNCAPPED
"""In place of a limit: nothing bounds it."""

LEVELS = ("account", "entity", "group")
"""What a limit is for: an account, what it owes one selling company, or its group; of equal ones the first counts."""


@dataclass(frozen=True)
class Given:
    """A limit that people gave: of a level, for an account or a group (`holder`), towards a selling company or all.

    `amount`: minor units, or `UNLIMITED`. An amount of 0 that is not mandatory says nothing.
    """

    level: str
    holder: str
    amount: int
    entity: str = ""
    is_mandatory: bool = False

    @property
    def says_nothing(self) -> bool:
        """Whether it is as good as not given."""
        return self.amount == 0 and not self.is_mandatory


def hold_against(limits: pd.DataFrame, owed: pd.DataFrame, given: Sequence[Given] = ()) -> pd.DataFrame:
    """Return how every account stands against the lowest of its own limit, its group's and that of a selling company.

    `limits`: customer_id, limit, kind. `owed`: one row per account and selling company (`entity`, "" for none):
    account_id, group_id, entity, balance, overdue, open_orders, advance; an account that is not in it owes nothing.
    Money paid in advance makes the exposure smaller, and never negative. A given limit of an account takes the place
    of its own one: its kind is `temporary`.

    One row per account (`entity` ""), and one per account and selling company that has a limit towards it: customer_id,
    entity, kind, limit, effective_limit, limited_by, balance, overdue, open_orders, exposure, group_id,
    group_exposure, headroom (never negative), over (what is owed beyond the limit that binds most). All amounts in the
    same minor units; `UNLIMITED` in limit, effective_limit and headroom: nothing bounds it.
    """
    bounds: dict[str, dict[Any, int]] = {level: {} for level in LEVELS}
    for each in given:
        if not each.says_nothing:
            bounds[each.level][(each.holder, each.entity) if each.level == "entity" else each.holder] = each.amount
    owed = _roomy(owed)
    whole = _exposures(owed.groupby("account_id"))
    group_of = owed.drop_duplicates("account_id").set_index("account_id")["group_id"]
    accounts = limits[["customer_id", "limit", "kind"]].assign(entity="")
    is_given = accounts["customer_id"].isin(list(bounds["account"])).to_numpy()
    accounts["limit"] = np.where(is_given, _bound(accounts["customer_id"], bounds["account"]), accounts["limit"])
    accounts["kind"] = np.where(is_given, "temporary", accounts["kind"])
    towards = pd.DataFrame(list(bounds["entity"]), columns=["customer_id", "entity"], dtype=object)
    towards = accounts.drop(columns="entity").merge(towards, on="customer_id").sort_values(["customer_id", "entity"])
    held = pd.concat([accounts, towards], ignore_index=True)
    is_whole = (held["entity"] == "").to_numpy()
    pairs = pd.MultiIndex.from_frame(held[["customer_id", "entity"]])
    parts = _exposures(owed.groupby(["account_id", "entity"])) if len(towards) else whole
    for name in whole.columns:
        of_account = _at(whole[name], held["customer_id"])
        held[name] = np.where(is_whole, of_account, _at(parts[name], pairs)) if len(towards) else of_account
    held["group_id"] = _at(group_of, held["customer_id"], None)
    in_group = whole["exposure"].groupby(_at(group_of, whole.index, None)).sum()
    held["group_exposure"] = _at(in_group, held["group_id"])
    levels = (
        (held["limit"].to_numpy(), _at(whole["exposure"], held["customer_id"])),
        (_bound(pairs, bounds["entity"]), held["exposure"].to_numpy()),
        (_bound(held["group_id"], bounds["group"]), held["group_exposure"].to_numpy()),
    )
    effective = room = np.full(len(held), UNLIMITED, dtype=object if _is_large(held) else np.int64)
    by = np.full(len(held), -1)
    for level, (bound, exposure) in enumerate(levels):
        binds = bound != UNLIMITED
        effective = np.where(binds & ((effective == UNLIMITED) | (bound < effective)), bound, effective)
        closer = binds & ((by == -1) | (bound - exposure < room))
        room, by = np.where(closer, bound - exposure, room), np.where(closer, level, by)
    is_bound = by != -1
    held["effective_limit"], held["limited_by"] = effective, np.array([*LEVELS, None], dtype=object)[by]
    held["headroom"] = np.where(is_bound, np.where(room > 0, room, 0), UNLIMITED)
    held["over"] = np.where(is_bound & (room < 0), -room, 0)
    return held


def action_of(limit: Amounts, previous: Amounts, over: Amounts) -> NDArray[Any]:
    """Return what is to be done: `stop` at a limit of 0, `reduce` what is owed beyond it, `raise`, or `keep`.

    `limit`: the one that binds most; `previous`: the account's limit before, `UNLIMITED` where there was none.
    """
    is_raised = (limit != UNLIMITED) & (previous != UNLIMITED) & (limit > previous)
    return np.select([limit == 0, over > 0, is_raised], ["stop", "reduce", "raise"], "keep").astype(object)


_MONEY = ["balance", "overdue", "open_orders", "advance"]


def _roomy(owed: pd.DataFrame) -> pd.DataFrame:
    """Return amounts whose sums fit: as Python's own integers where int64 might be too small."""
    large = any(owed[name].dtype != object and owed[name].astype(float).abs().sum() > 2.0**60 for name in _MONEY)
    return owed.astype(dict.fromkeys(_MONEY, object)) if large else owed


def _is_large(held: pd.DataFrame) -> bool:
    return any(held[name].dtype == object for name in ("limit", "exposure", "group_exposure"))


def _exposures(accounts: Any) -> pd.DataFrame:
    """Return what is owed in sums, and the exposure."""
    sums = accounts[_MONEY].sum()
    exposure = sums["balance"] + sums["open_orders"] - sums["advance"]
    return sums.drop(columns="advance").assign(exposure=exposure.where(exposure > 0, 0))


def _at(values: pd.Series, index: Any, otherwise: Any = 0) -> NDArray[Any]:
    """Return the values at places of their index, `otherwise` where there is none; integers stay exact."""
    places = values.index.get_indexer(pd.Index(index))
    known = values.to_numpy()
    if otherwise is None:
        known = known.astype(object)
    found: NDArray[Any] = np.append(known, np.array([otherwise], dtype=known.dtype))[places]
    return found


def _bound(keys: Any, bounds: Mapping[Any, int]) -> Amounts:
    """Return the bound of every key, `UNLIMITED` where it has none."""
    if not bounds:
        return np.full(len(keys), UNLIMITED, dtype=np.int64)
    names = list(bounds)
    index = pd.MultiIndex.from_tuples(names) if isinstance(names[0], tuple) else pd.Index(names, dtype=object)
    kind = np.int64 if max(bounds.values()) < 2**62 else object
    return _at(pd.Series(list(bounds.values()), index=index, dtype=kind), keys, UNLIMITED)


# From one decision to the next


def change_reasons(now: pd.DataFrame, tiers: Sequence[str]) -> NDArray[Any]:
    """Return why every limit is not what it was: one code per row of `now`.

    `now`: tier, limit, sales, reason, and previous_tier, previous_limit, previous_sales of the decision before
    (previous_limit missing: there was none). `new`; `same`; `tier_up` and `tier_down` where it moved the way the tier
    did, gone being the lowest; `cap` where a cap or floor binds; `sales` where the account's own sales moved the same
    way; else `budget`: the budget or the part of others moved.
    """
    places = {tier: place for place, tier in enumerate(tiers)}
    place = now["tier"].map(places).fillna(len(tiers)).to_numpy()
    before = now["previous_tier"].map(places).fillna(len(tiers)).to_numpy()
    is_new = now["previous_limit"].isna().to_numpy()
    limit = now["limit"].to_numpy()
    previous = np.where(is_new, 0, now["previous_limit"].to_numpy(dtype=object, na_value=0))
    rose, fell = (limit > previous).astype(bool), (limit < previous).astype(bool)
    grew = now["sales"].to_numpy() > np.where(is_new, 0, now["previous_sales"].to_numpy(dtype=object, na_value=0))
    shrank = now["sales"].to_numpy() < np.where(is_new, 0, now["previous_sales"].to_numpy(dtype=object, na_value=0))
    is_held = now["reason"].str.startswith(("cap:", "floor", "missing:")).to_numpy(dtype=bool)
    return np.select(
        [
            is_new,
            (limit == previous).astype(bool),
            (place < before) & rose,
            (place > before) & fell,
            is_held,
            (rose & grew) | (fell & shrank),
        ],
        ["new", "same", "tier_up", "tier_down", "cap", "sales"],
        "budget",
    ).astype(object)


@dataclass(frozen=True)
class Share:
    """What a group of accounts buys and owes, in minor units, and its shares of the whole; None: that is nothing."""

    accounts: int
    sales: int
    receivables: int
    sales_share: Fraction | None
    receivables_share: Fraction | None


def concentration(accounts: pd.DataFrame, debtors: int) -> tuple[dict[str, Share], NDArray[np.bool_]]:
    """Return who holds receivables out of proportion to sales, and which accounts are among the largest debtors (S63).

    `accounts`: customer_id, sales, receivables (both whole units), is_key. The `debtors` accounts that owe most are the
    largest debtors; of equal debts the lower customer_id counts first, and who owes nothing is none.
    Groups: all, key, not_key, debtor, key_debtor (the overlap), other_debtor (not key), key_not_debtor.
    """
    owes = accounts[accounts["receivables"] > 0]
    largest = owes.sort_values(["receivables", "customer_id"], ascending=[False, True], kind="stable").index[:debtors]
    is_debtor = accounts.index.isin(largest)
    is_key = accounts["is_key"].to_numpy(dtype=bool)
    everybody = np.ones(len(accounts), dtype=bool)
    groups = {
        "all": everybody,
        "key": is_key,
        "not_key": ~is_key,
        "debtor": is_debtor,
        "key_debtor": is_key & is_debtor,
        "other_debtor": ~is_key & is_debtor,
        "key_not_debtor": is_key & ~is_debtor,
    }
    total_sales, total_receivables = (sum(accounts[name].tolist()) for name in ("sales", "receivables"))
    found = {}
    for name, members in groups.items():
        sales, receivables = (sum(accounts[column][members].tolist()) for column in ("sales", "receivables"))
        found[name] = Share(
            int(members.sum()),
            sales,
            receivables,
            Fraction(sales, total_sales) if total_sales > 0 else None,
            Fraction(receivables, total_receivables) if total_receivables > 0 else None,
        )
    return found, is_debtor
