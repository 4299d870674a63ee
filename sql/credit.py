"""Credit: limits follow the tiers in force, in the transaction that puts these into force."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection

from sql.connect import read_arrow, read_inside, write_arrow
from sql.contract import MINOR_DIGITS
from sql.facts import facts_batch_no, lock
from sql.history import Day, policies_as_they_ran, read_days
from sql.plan import planned_budget
from sql.statements import render, run
from transforms.credit import Limits, limits_of, whole_numbers
from transforms.exposure import UNLIMITED, Given, Share, action_of, change_reasons, concentration, hold_against
from transforms.policy import Policy

log = logging.getLogger(__name__)

DIGITS = 4
"""Digits after the point of every amount of the warehouse."""

_NUMBER = pa.decimal128(38, 18)
_MONEY = pa.decimal128(20, DIGITS)
_RATIO = Decimal(1).scaleb(-18)
_OWED = ("balance", "overdue", "open_orders", "advance")


def write_limits(connection: Connection, policy: Policy, days: Mapping[date, Day], currency: str) -> None:
    """Decide the limits of every run of `days`, in order, and write those that are not what stands.

    The tiers in force on the day decide, with the indicators of its run, and the plan and what was owed as that run
    knew them. Where the plan gives no budget, the limits before stay.
    Raises TieringError for floors above the budget.
    """
    as_it_ran = policies_as_they_ran(connection, policy)
    runs = {day: as_it_ran(each.policy_version) for day, each in sorted(days.items()) if each.is_run}
    ever = {"policy_id": policy.id, "as_of": date.max}
    has_credit = any(in_force.credit is not None for in_force in runs.values())
    if not has_credit and run(connection, "warehouse/read_day_of_limits_before.sql", ever).scalar() is None:
        return
    for as_of, in_force in runs.items():
        if in_force.credit is None:
            _delete(connection, policy.id, as_of)
        else:
            _write_day(connection, in_force, days[as_of], currency)


def _delete(connection: Connection, policy_id: str, as_of: date) -> None:
    for table in ("credit_limit", "credit_budget", "concentration"):
        run(connection, "warehouse/delete_of_day.sql", {"policy_id": policy_id, "as_of": as_of}, table=table)


def _write_day(connection: Connection, policy: Policy, day: Day, currency: str) -> None:
    assert policy.credit is not None
    key = {"policy_id": policy.id, "as_of": day.as_of}
    runs = run(connection, "warehouse/read_run.sql", key)
    batch_no = next(int(row.facts_batch_no) for row in runs if row.run_id == day.run_id)
    planned = planned_budget(connection, policy, day.as_of, batch_no)
    if planned.lacks:
        _delete(connection, policy.id, day.as_of)
        log.warning("policy %s %s: no limits were allocated: %s", policy.id, day.as_of, planned.lacks)
        _write_unplanned(connection, policy, day, currency, planned.lacks)
        return
    accounts = _read_accounts(connection, policy, day)
    owed = read_owed(connection, policy.grain, day.as_of, batch_no)
    digits = MINOR_DIGITS.get(currency, 2)
    limits = limits_of(policy.credit, accounts, policy.tiers, digits=digits, budget=planned.budget)
    rows = _rows(policy, accounts, limits, owed, 10 ** (DIGITS - digits))
    shares: dict[str, Share] = {}
    rows["is_key"] = rows["is_debtor"] = None
    if policy.credit.concentration is not None:
        by_group = rows.assign(
            receivables=rows["balance"],
            is_key=whole_numbers(accounts[policy.credit.concentration.key], 0) > 0,
        )
        shares, rows["is_debtor"] = concentration(by_group, policy.credit.concentration.debtors)
        rows["is_key"] = by_group["is_key"]
    _delete(connection, policy.id, day.as_of)
    write_arrow(connection, "tiering.credit_limit", _limit_table(policy, day, rows, currency))
    write_arrow(connection, "tiering.credit_budget", _budget_table(policy, day, rows, limits, digits, currency))
    if shares:
        write_arrow(connection, "tiering.concentration", _share_table(policy, day, shares, currency))


def _read_accounts(connection: Connection, policy: Policy, day: Day, tier_on: date | None = None) -> pd.DataFrame:
    """Return whose limits follow from a run, with the tiers of its own day or of `tier_on`.

    Columns customer_id, tier, account_manager_id, previous_tier, previous_limit, previous_sales, decided_limit, and
    every indicator of the credit.
    """
    assert policy.credit is not None
    indicators = policy.credit.indicators
    before = run(connection, "warehouse/read_day_of_limits_before.sql", {"policy_id": policy.id, "as_of": day.as_of})
    values = {
        "policy_id": policy.id,
        "as_of": day.as_of,
        "revision": day.revision,
        "tier_on": tier_on or day.as_of,
        "day_before": before.scalar(),
        **{f"indicator_{place}": name for place, name in enumerate(indicators)},
    }
    # In this transaction, whose tiers nobody else sees yet.
    table = read_inside(connection, render("warehouse/read_credit_accounts.sql", indicators=indicators), values)
    texts = ["customer_id", "tier", "account_manager_id", "previous_tier"]
    names = [*texts, "previous_limit", "previous_sales", "decided_limit", *indicators]
    types = [pa.string() if name in texts else _NUMBER for name in names]
    return (
        table.rename_columns(names)
        .cast(pa.schema(zip(names, types, strict=True)))
        .to_pandas(types_mapper=pd.ArrowDtype)
    )


def read_owed(connection: Connection, grain: str, as_of: date, facts_batch_no: int) -> pd.DataFrame:
    """Return what every account owes as of a day, as `hold_against` takes it, in units of the last digit."""
    sql = render("measures/exposures.sql", grain=grain)
    table = read_arrow(connection, sql, {"as_of": as_of, "facts_batch_no": facts_batch_no})
    owed = table.to_pandas(types_mapper=pd.ArrowDtype)
    texts = {name: owed[name].astype(object) for name in ("account_id", "group_id", "entity")}
    texts["group_id"] = texts["group_id"].where(owed["group_id"].notna(), None)
    return pd.DataFrame({**texts, **{name: whole_numbers(owed[name], DIGITS) for name in _OWED}})


def _rows(policy: Policy, accounts: pd.DataFrame, limits: Limits, owed: pd.DataFrame, units: int) -> pd.DataFrame:
    """Return a row of `tiering.credit_limit` per account, amounts in units of the last digit."""
    assert policy.credit is not None
    found = accounts.sort_values("customer_id", kind="stable", ignore_index=True)
    plain = {name: found[name].astype(object).where(found[name].notna(), None) for name in found}
    sales = policy.credit.sales_indicator
    rows = pd.DataFrame(
        {
            "customer_id": plain["customer_id"],
            "tier": plain["tier"],
            "kind": "allocated" if policy.credit.budget is not None else "table",
            "limit": _times(limits.accounts["limit"].to_numpy(), units),
            "reason": limits.accounts["reason"],
            "sales": whole_numbers(found[sales], DIGITS) if sales else 0,
            "account_manager_id": plain["account_manager_id"],
            "previous_tier": plain["previous_tier"],
            "previous_limit": pd.Series(whole_numbers(found["previous_limit"], DIGITS), dtype=object),
            "previous_sales": pd.Series(whole_numbers(found["previous_sales"], DIGITS), dtype=object),
        }
    )
    is_new = found["previous_limit"].isna().to_numpy()
    rows.loc[is_new, ["previous_limit", "previous_sales"]] = None
    rows["change_reason"] = change_reasons(rows, policy.tiers)
    held = hold_against(rows, owed)
    for name in ("balance", "overdue", "open_orders", "exposure", "headroom", "over"):
        rows[name] = held[name].to_numpy()
    previous = rows["previous_limit"].where(~is_new, UNLIMITED).to_numpy()
    rows["action"] = action_of(rows["limit"].to_numpy(), previous, rows["over"].to_numpy())
    rows["payment_terms"] = pd.Series(_payment_terms(policy, rows["tier"]), dtype=object)
    return rows


def write_exposures(connection: Connection, policy: Policy, as_of: date, currency: str) -> int:
    """Write how every account stands on a day against the limits in force; return the rows.

    In force is what the last run up to the day decided. A tier that has no credit loses it at once, and a table of
    limits follows the tier of the day; a budget is allocated by runs alone. What people gave for a while, for a group
    or towards a selling company is taken in. A day before the one that stands changes nothing.
    """
    lock(connection, f"policy:{policy.id}")
    last = run(connection, "warehouse/read_exposure_day.sql", {"policy_id": policy.id}).scalar()
    if last is not None and last > as_of:
        return 0
    key = {"policy_id": policy.id, "as_of": as_of + timedelta(days=1)}
    decided_on = run(connection, "warehouse/read_day_of_limits_before.sql", key).scalar()
    if decided_on is None:
        run(connection, "warehouse/delete_of_policy.sql", {"policy_id": policy.id}, table="credit_exposure")
        return 0
    day = read_days(connection, policy.id, decided_on)[decided_on]
    in_force = policies_as_they_ran(connection, policy)(day.policy_version)
    assert in_force.credit is not None
    accounts = _read_accounts(connection, in_force, day, as_of)
    limits = _limits_in_force(in_force, accounts, currency)
    owed = read_owed(connection, policy.grain, as_of, facts_batch_no(connection))
    given = [
        Given(
            row.level,
            row.customer_id,
            UNLIMITED if row.limit_amount is None else int(row.limit_amount.scaleb(DIGITS)),
            row.entity,
            row.is_mandatory,
        )
        for row in run(connection, "warehouse/read_given_limits.sql", {"policy_id": policy.id, "as_of": as_of})
    ]
    rows = hold_against(limits, owed, given)
    rows = rows.merge(limits[["customer_id", "tier", "previous", "account_manager_id"]], on="customer_id", how="left")
    since = {
        (row.customer_id, row.entity): row.over_since
        for row in run(connection, "warehouse/read_exposures.sql", {"policy_id": policy.id})
    }
    rows["action"] = action_of(rows["effective_limit"].to_numpy(), rows["previous"].to_numpy(), rows["over"].to_numpy())
    rows["payment_terms"] = _payment_terms(in_force, rows["tier"])
    places = zip(rows["customer_id"], rows["entity"], rows["over"], strict=True)
    over_since = [since.get(place, as_of) if over else None for *place_, over in places for place in [tuple(place_)]]
    run(connection, "warehouse/delete_of_policy.sql", {"policy_id": policy.id}, table="credit_exposure")
    columns = {name: _text_array(rows[of]) for name, of in _EXPOSURE_COLUMNS.items()}
    columns |= {name: amount_array(_unbound(rows[of])) for name, of in _EXPOSURE_AMOUNTS.items()}
    columns["over_since"] = pa.array(over_since, pa.date32())
    said = {"policy_id": policy.id, "currency": currency}
    columns |= {name: pa.array([value] * len(rows), pa.string()) for name, value in said.items()}
    dated = {"as_of": as_of, "decided_on": decided_on}
    columns |= {name: pa.array([value] * len(rows), pa.date32()) for name, value in dated.items()}
    write_arrow(connection, "tiering.credit_exposure", pa.table(columns))
    return len(rows)


def drop_other_exposures(connection: Connection, as_of: date) -> None:
    """Remove what was seen on earlier days, which belongs to policies that are no longer there."""
    run(connection, "warehouse/delete_other_exposures.sql", {"as_of": as_of})


_EXPOSURE_COLUMNS = {
    "customer_id": "customer_id",
    "entity": "entity",
    "class": "tier",
    "kind": "kind",
    "limited_by": "limited_by",
    "group_id": "group_id",
    "action": "action",
    "payment_terms": "payment_terms",
    "account_manager_id": "account_manager_id",
}
_EXPOSURE_AMOUNTS = {
    "limit_amount": "limit",
    "effective_limit": "effective_limit",
    "balance": "balance",
    "overdue_amount": "overdue",
    "open_order_amount": "open_orders",
    "exposure": "exposure",
    "group_exposure": "group_exposure",
    "headroom": "headroom",
    "over_amount": "over",
}


def _text_array(values: pd.Series) -> pa.Array:
    return pa.array(values.to_numpy(dtype=object), pa.string(), from_pandas=True)


def _unbound(amounts: pd.Series) -> NDArray[Any]:
    told: NDArray[Any] = amounts.to_numpy().astype(object)
    told[told == UNLIMITED] = None
    return told


def _limits_in_force(policy: Policy, accounts: pd.DataFrame, currency: str) -> pd.DataFrame:
    """Return customer_id, tier, limit, kind, previous and account_manager_id, amounts in units of the last digit."""
    assert policy.credit is not None
    ordered = accounts.sort_values("customer_id", kind="stable", ignore_index=True)
    tiers = [None if pd.isna(tier) else tier for tier in ordered["tier"]]
    if policy.credit.budget is None:
        digits = MINOR_DIGITS.get(currency, 2)
        found = limits_of(policy.credit, ordered, policy.tiers, digits=digits).accounts["limit"].to_numpy()
        limit = _times(found, 10 ** (DIGITS - digits))
    else:
        gets = np.array([bool(tier and policy.credit.multiplier.get(tier)) for tier in tiers], dtype=bool)
        limit = np.where(gets, whole_numbers(ordered["decided_limit"], DIGITS), 0)
    previous = whole_numbers(ordered["previous_limit"], DIGITS)
    return pd.DataFrame(
        {
            "customer_id": ordered["customer_id"].astype(object),
            "tier": pd.Series(tiers, dtype=object),
            "limit": limit,
            "kind": "allocated" if policy.credit.budget is not None else "table",
            "previous": np.where(ordered["previous_limit"].isna().to_numpy(), UNLIMITED, previous),
            "account_manager_id": ordered["account_manager_id"]
            .astype(object)
            .where(ordered["account_manager_id"].notna(), None),
        }
    )


def _payment_terms(policy: Policy, tiers: pd.Series) -> list[str | None]:
    payment = {tier: terms.payment for tier, terms in policy.terms.items()}
    return [payment.get(tier) for tier in tiers]


def _times(amounts: NDArray[Any], units: int) -> NDArray[Any]:
    if amounts.dtype != object and int(amounts.max(initial=0)) * units >= 2**62:
        amounts = amounts.astype(object)
    return amounts * units


def amount_array(units: Any) -> pa.Array:
    """Return whole units of the last digit as amounts of the warehouse, missing ones empty."""
    told = np.asarray(units, dtype=object if isinstance(units, list) else None)
    is_missing = pd.isna(told)
    try:
        plain = np.where(is_missing, 0, told).astype(np.int64)
    except OverflowError:
        return pa.array([None if unit is None else Decimal(unit).scaleb(-DIGITS) for unit in told], _MONEY)
    halves = np.column_stack([plain, plain >> 63]).astype("<i8")  # as Arrow keeps decimals: low half, high half
    amounts = pa.Array.from_buffers(_MONEY, len(plain), [None, pa.py_buffer(halves.tobytes())])
    return pc.if_else(pa.array(~is_missing), amounts, pa.scalar(None, _MONEY))


_LIMIT_COLUMNS = {
    "customer_id": "customer_id",
    "class": "tier",
    "kind": "kind",
    "reason": "reason",
    "previous_class": "previous_tier",
    "change_reason": "change_reason",
    "action": "action",
    "payment_terms": "payment_terms",
    "account_manager_id": "account_manager_id",
}
_LIMIT_AMOUNTS = {
    "limit_amount": "limit",
    "sales_amount": "sales",
    "previous_limit": "previous_limit",
    "balance": "balance",
    "overdue_amount": "overdue",
    "open_order_amount": "open_orders",
    "exposure": "exposure",
    "headroom": "headroom",
    "over_amount": "over",
}


def _limit_table(policy: Policy, day: Day, rows: pd.DataFrame, currency: str) -> pa.Table:
    columns = {name: _text_array(rows[of]) for name, of in _LIMIT_COLUMNS.items()}
    columns |= {name: amount_array(rows[of].to_numpy()) for name, of in _LIMIT_AMOUNTS.items()}
    columns |= {name: pa.array(rows[name].tolist(), pa.bool_()) for name in ("is_key", "is_debtor")}
    return _of_day(pa.table(columns), policy, day, currency)


def _of_day(table: pa.Table, policy: Policy, day: Day, currency: str) -> pa.Table:
    said = {"policy_id": policy.id, "currency": currency, "run_id": day.run_id}
    for name, value in said.items():
        table = table.append_column(name, pa.array([value] * table.num_rows, pa.string()))
    return table.append_column("as_of", pa.array([day.as_of] * table.num_rows, pa.date32()))


def _budget_table(policy: Policy, day: Day, rows: pd.DataFrame, limits: Limits, digits: int, currency: str) -> pa.Table:
    found = []
    for name in ["", *policy.tiers]:
        of = rows if name == "" else rows[rows["tier"] == name]
        change = (of["limit"].astype(object) - of["previous_limit"].fillna(0)).tolist()
        lost = of["change_reason"] == "tier_down"
        is_all = name == ""
        found.append(
            {
                "class": name,
                "accounts": len(of),
                "sales_amount": sum(of["sales"].tolist()),
                "limit_amount": sum(of["limit"].tolist()),
                "budget_amount": _minor(limits.budget, digits) if is_all else None,
                "unallocated_amount": _minor(limits.unallocated, digits) if is_all else None,
                "previous_amount": sum(of["previous_limit"].fillna(0).tolist()),
                "raised_amount": sum(moved for moved in change if moved > 0),
                "reduced_amount": -sum(moved for moved in change if moved < 0),
                "squeezed_amount": -sum(
                    moved for moved, is_lost in zip(change, lost, strict=True) if is_lost and moved < 0
                ),
            }
        )
    return _summary(policy, day, found, currency)


def _minor(amount: int | None, digits: int) -> int | None:
    return None if amount is None else amount * 10 ** (DIGITS - digits)


def _write_unplanned(connection: Connection, policy: Policy, day: Day, currency: str, reason: str) -> None:
    nothing = ("limit_amount", "previous_amount", "raised_amount", "reduced_amount", "squeezed_amount")
    row = {"class": "", "accounts": 0, "reason": reason, **dict.fromkeys(nothing, 0)}
    write_arrow(connection, "tiering.credit_budget", _summary(policy, day, [row], currency))


def _summary(policy: Policy, day: Day, found: list[dict[str, Any]], currency: str) -> pa.Table:
    amounts = ("sales", "limit", "budget", "unallocated", "previous", "raised", "reduced", "squeezed")
    columns = {f"{name}_amount": amount_array([row.get(f"{name}_amount") for row in found]) for name in amounts}
    columns |= {name: pa.array([row.get(name) for row in found], pa.string()) for name in ("class", "reason")}
    columns["accounts"] = pa.array([row["accounts"] for row in found], pa.int64())
    return _of_day(pa.table(columns), policy, day, currency)


def _share_table(policy: Policy, day: Day, shares: Mapping[str, Share], currency: str) -> pa.Table:
    each = list(shares.values())
    columns = {
        "account_group": pa.array(list(shares), pa.string()),
        "accounts": pa.array([share.accounts for share in each], pa.int64()),
        "sales_amount": amount_array([share.sales for share in each]),
        "receivable_amount": amount_array([share.receivables for share in each]),
        "sales_share": _ratio_array([share.sales_share for share in each]),
        "receivable_share": _ratio_array([share.receivables_share for share in each]),
        "average_receivable": _ratio_array(
            [Fraction(share.receivables, share.accounts * 10**DIGITS) if share.accounts else None for share in each]
        ),
    }
    return _of_day(pa.table(columns), policy, day, currency)


def _ratio_array(ratios: list[Fraction | None]) -> pa.Array:
    cut = [None if each is None else Decimal(each.numerator * 10**18 // each.denominator) * _RATIO for each in ratios]
    return pa.array(cut, _NUMBER)
