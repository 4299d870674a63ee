"""The tiers of three policies with pandas: what `benchmarks/tier_run.py` compares the project's own run with.

Reads the columns it needs from the DuckDB file with the facts, measures and grades with pandas in floating point,
compares with the tiers in force, and writes to a DuckDB file what ours keeps too: decisions, indicators, changes and
the history of tiers. Ours does more: which of the indicators moved a tier, the outlook, follow-up tasks, approvals.

Run: .venv/bin/python benchmarks/competitors/pandas_run.py --facts FILE --database FILE --as-of 2025-12-31 pyramid …
"""

from __future__ import annotations

import argparse
from datetime import date

import duckdb
import numpy as np
import pandas as pd

TIERS = {
    "collection_classes": ["A", "B", "C", "D"],
    "pyramid": ["platinum", "gold", "iron", "lead"],
    "rfm_555": ["A", "B", "C", "D"],
}
# The indicators of every policy, and for each the column that holds its level, if it has one.
INDICATORS: dict[str, dict[str, str | None]] = {
    "collection_classes": dict.fromkeys(
        ["net_sales", "gross_sales", "largest_order", "average_order", "is_key", "collection_rate"]
    ),
    "pyramid": {"net_sales": None, "sales_rank": "tier", "customers": None},
    "rfm_555": {
        "recency_days": "recency",
        "order_count": None,
        "net_sales": None,
        "frequency": "frequency",
        "monetary": "monetary",
    },
}


def read_facts(path: str, as_of: date) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the customers known on a day, and the sales and payments up to it."""
    with duckdb.connect(path, read_only=True) as facts:
        customers = facts.execute(
            "SELECT customer_id, bill_to_id, account_manager_id, status, opened_on, holds_from FROM facts.customers "
            "WHERE superseded_in IS NULL"
        ).df()
        sales = facts.execute(
            "SELECT customer_id, document_id, sold_on, document_type, net_amount_reporting AS net_amount, "
            "gross_amount_reporting AS gross_amount FROM facts.sales WHERE superseded_in IS NULL AND sold_on <= ?",
            [as_of],
        ).df()
        payments = facts.execute(
            "SELECT customer_id, paid_on, kind, amount_reporting AS amount FROM facts.payments "
            "WHERE superseded_in IS NULL AND paid_on <= ?",
            [as_of],
        ).df()
    day = pd.Timestamp(as_of)
    # What held on the day; before the first extract, what held first.
    customers["is_later"] = customers["holds_from"] > day
    order = customers["holds_from"].where(customers["is_later"], day - (customers["holds_from"] - day))
    customers = customers.assign(order=order).sort_values(["customer_id", "is_later", "order"])
    customers = customers.drop_duplicates("customer_id")
    customers = customers[customers["opened_on"].isna() | (customers["opened_on"] <= day)]
    customers = customers[customers["status"].isna() | (customers["status"] != "left")]
    is_credit = sales["document_type"] == "credit_note"
    for column in ("net_amount", "gross_amount"):
        sales[column] = sales[column].where(~is_credit, -sales[column].abs())
    sales["is_purchase"] = ~is_credit
    payments["amount"] = payments["amount"].where(payments["kind"] != "refund", -payments["amount"].abs())
    return customers, sales, payments


def measure_customers(customers: pd.DataFrame, sales: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Return sales and orders in 12 months and days since the last purchase, one row per customer."""
    day = pd.Timestamp(as_of)
    recent = sales[sales["sold_on"] > day - pd.DateOffset(months=12)]
    purchases = recent.loc[recent["is_purchase"], ["customer_id", "document_id"]]
    last = sales[sales["is_purchase"]].groupby("customer_id")["sold_on"].max()
    measured = pd.DataFrame(index=pd.Index(customers["customer_id"], name="account_id"))
    # Sums of what has four decimals, rounded back to them: equal sales stay equal.
    measured["net_sales"] = recent.groupby("customer_id")["net_amount"].sum().round(4)
    measured["order_count"] = purchases.drop_duplicates().groupby("customer_id").size()
    measured = measured.fillna({"net_sales": 0, "order_count": 0})
    measured["recency_days"] = (day - last).dt.days
    return measured


def measure_accounts(customers: pd.DataFrame, sales: pd.DataFrame, payments: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Return sales, orders and money received in the calendar year, one row per account that pays."""
    year = pd.Timestamp(as_of.year, 1, 1)
    known = customers["bill_to_id"].isin(customers["customer_id"])
    account = customers["bill_to_id"].where(known, customers["customer_id"])
    account_of = pd.Series(account.to_numpy(), index=customers["customer_id"])
    sales = sales[sales["sold_on"] >= year]
    sales = sales.assign(account_id=sales["customer_id"].map(account_of))
    payments = payments[payments["paid_on"] >= year]
    payments = payments.assign(account_id=payments["customer_id"].map(account_of))
    orders = sales[sales["is_purchase"]].groupby(["account_id", "document_id"])["net_amount"].sum()
    by_account = sales.groupby("account_id")
    measured = pd.DataFrame(index=pd.Index(account_of.unique(), name="account_id"))
    measured["net_sales"] = by_account["net_amount"].sum().round(4)
    measured["gross_sales"] = by_account["gross_amount"].sum().round(4)
    measured["largest_order"] = orders.groupby("account_id").max()
    measured["average_order"] = measured["net_sales"] / orders.groupby("account_id").size()
    measured["received"] = payments.groupby("account_id")["amount"].sum().round(4)
    return measured.fillna({"net_sales": 0, "gross_sales": 0, "received": 0})


def grade_pyramid(measured: pd.DataFrame) -> pd.DataFrame:
    """Return tiers by rank in net sales: the first 1 %, 4 % and 15 %, rounded half up, and the rest."""
    graded = measured.loc[measured["net_sales"] > 0, ["net_sales"]].copy()
    graded["sales_rank"] = graded["net_sales"].rank(method="min", ascending=False)
    cuts = [(len(graded) * percent + 50) // 100 for percent in (1, 5, 20)]
    is_within = [graded["sales_rank"] <= cut for cut in cuts]
    graded["customers"] = len(graded)
    graded["tier"] = np.select(is_within, ["platinum", "gold", "iron"], "lead")
    return graded


def grade_rfm(measured: pd.DataFrame) -> pd.DataFrame:
    """Return tiers by the sum of three digits: recency in bands, frequency and monetary value in quintiles."""
    graded = measured[measured["recency_days"].notna()].copy()
    graded["recency"] = 5 - np.searchsorted([7, 30, 60, 120], graded["recency_days"])
    for name, column in {"frequency": "order_count", "monetary": "net_sales"}.items():
        graded[name] = (1 + 5 * (graded[column].rank(method="min") - 1) // len(graded)).astype(int)
    graded["score"] = graded["recency"] + graded["frequency"] + graded["monetary"]
    graded["tier"] = np.select([graded["score"] >= least for least in (13, 10, 7)], ["A", "B", "C"], "D")
    return graded


def grade_collection(measured: pd.DataFrame) -> pd.DataFrame:
    """Return classes by the share of the year's billing that was collected; the 100 largest accounts are key."""
    graded = measured.reset_index().sort_values(
        ["net_sales", "gross_sales", "account_id"], ascending=[False, False, True]
    )
    graded["is_key"] = (np.arange(len(graded)) < 100) & (graded["net_sales"] > 0)
    graded["collection_rate"] = (graded["received"] / graded["gross_sales"]).where(graded["gross_sales"] > 0)
    rate, is_key = graded["collection_rate"], graded["is_key"]
    rules = [is_key & (rate >= 1), (rate >= 1) | (is_key & (rate >= 0.9)), rate >= 0.8]
    graded["tier"] = np.select(rules, ["A", "B", "C"], "D")
    graded["status"] = np.where(rate.notna(), "final", "provisional")
    return graded.set_index("account_id")


def write_tiers(database: duckdb.DuckDBPyConnection, policy: str, graded: pd.DataFrame, as_of: date) -> int:
    """Replace the table of a policy and carry its history on; return how many spells begin or end."""
    graded = graded.assign(status=graded.get("status", "final")).reset_index()
    database.register("graded", graded)
    database.execute(f"CREATE OR REPLACE TABLE {policy} AS SELECT * FROM graded")
    database.execute(
        "CREATE TABLE IF NOT EXISTS history "
        "(policy_id TEXT, account_id TEXT, tier TEXT, status TEXT, valid_from DATE, valid_to DATE)"
    )
    before = database.execute(
        "SELECT account_id, tier, status FROM history WHERE policy_id = ? AND valid_to IS NULL", [policy]
    ).df()
    now = graded[["account_id", "tier", "status"]]
    both = before.merge(now, on="account_id", how="outer", suffixes=("_before", ""), validate="one_to_one")
    same = (both["tier"] == both["tier_before"]) & (both["status"] == both["status_before"])
    moved = both[~same.fillna(False)]
    ended = moved.loc[moved["tier_before"].notna(), ["account_id"]]
    begun = moved.loc[moved["tier"].notna(), ["account_id", "tier", "status"]]
    database.register("ended", ended)
    database.register("begun", begun)
    database.execute(
        "UPDATE history SET valid_to = ? FROM ended "
        "WHERE history.account_id = ended.account_id AND policy_id = ? AND valid_to IS NULL",
        [as_of, policy],
    )
    database.execute("INSERT INTO history SELECT ?, account_id, tier, status, ?, NULL FROM begun", [policy, as_of])
    return len(ended) + len(begun)


def make_tables(database: duckdb.DuckDBPyConnection) -> None:
    """Create what is kept of every day, where it is not there yet."""
    for table, columns in {
        "decisions": "account_id TEXT, tier TEXT, status TEXT, score DOUBLE, account_manager_id TEXT",
        "evidence": "account_id TEXT, indicator TEXT, value DOUBLE, level TEXT",
        "changes": "account_id TEXT, from_tier TEXT, to_tier TEXT, direction TEXT",
        "drivers": "account_id TEXT, indicator TEXT, before DOUBLE, after DOUBLE",
    }.items():
        database.execute(f"CREATE TABLE IF NOT EXISTS {table} (policy_id TEXT, as_of DATE, {columns})")


def keep(database: duckdb.DuckDBPyConnection, policy: str, as_of: date, table: str, rows: pd.DataFrame) -> None:
    """Add rows of a day to a table."""
    database.register("rows_of_day", rows)
    database.execute(
        f"INSERT INTO {table} BY NAME SELECT CAST(? AS TEXT) AS policy_id, CAST(? AS DATE) AS as_of, * "
        "FROM rows_of_day",
        [policy, as_of],
    )
    database.unregister("rows_of_day")


def keep_day(
    database: duckdb.DuckDBPyConnection,
    policy: str,
    measured: pd.DataFrame,
    graded: pd.DataFrame,
    managers: pd.Series,
    as_of: date,
) -> None:
    """Keep what was decided of everybody and on which indicators, and what moved since the last day that was kept."""
    last = (
        "FROM {} WHERE policy_id = ? AND as_of = (SELECT MAX(as_of) FROM decisions WHERE policy_id = ? AND as_of < ?)"
    )
    key = [policy, policy, as_of]
    before = database.execute(f"SELECT account_id, tier {last.format('decisions')} AND tier IS NOT NULL", key).df()
    known = database.execute(f"SELECT account_id, indicator, value AS before {last.format('evidence')}", key).df()

    everybody = measured.join(graded[graded.columns.difference(measured.columns)])
    everybody["account_manager_id"] = managers.reindex(everybody.index)
    decided = [name for name in ("tier", "status", "score", "account_manager_id") if name in everybody]
    keep(database, policy, as_of, "decisions", everybody[decided].reset_index())
    levels = INDICATORS[policy]
    evidence = everybody[list(levels)].astype(float).melt(ignore_index=False, var_name="indicator").reset_index()
    nothing = pd.Series(None, index=everybody.index, dtype="str")
    evidence["level"] = np.concatenate(
        [nothing if level is None else everybody[level].convert_dtypes().astype("str") for level in levels.values()]
    )
    keep(database, policy, as_of, "evidence", evidence)

    now = everybody.loc[everybody["tier"].notna(), ["tier"]].reset_index()
    moves = before.merge(now, on="account_id", how="outer", suffixes=("_before", ""), validate="one_to_one")
    moves = moves.rename(columns={"tier_before": "from_tier", "tier": "to_tier"})
    moves = moves[moves["from_tier"].fillna("") != moves["to_tier"].fillna("")]
    rank = {tier: place for place, tier in enumerate(TIERS[policy])}
    is_up = moves["to_tier"].map(rank) < moves["from_tier"].map(rank)
    kinds = [moves["from_tier"].isna(), moves["to_tier"].isna(), is_up]
    moves["direction"] = np.select(kinds, ["new", "left", "up"], "down")
    keep(database, policy, as_of, "changes", moves)
    moved = moves.loc[moves["direction"].isin(["up", "down"]), "account_id"]
    both = known[known["account_id"].isin(moved)].merge(
        evidence.loc[evidence["account_id"].isin(moved), ["account_id", "indicator", "value"]],
        on=["account_id", "indicator"],
        validate="one_to_one",
    )
    both = both.rename(columns={"value": "after"})
    differs = (both["before"] != both["after"]) & (both["before"].notna() | both["after"].notna())
    keep(database, policy, as_of, "drivers", both[differs])


def main() -> None:
    """Grade under every policy that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--facts", required=True, help="the DuckDB file with the facts")
    parser.add_argument("--database", required=True, help="the DuckDB file with tiers and history")
    parser.add_argument("--as-of", type=date.fromisoformat, required=True)
    parser.add_argument("policies", nargs="+", choices=["collection_classes", "pyramid", "rfm_555"])
    options = parser.parse_args()
    customers, sales, payments = read_facts(options.facts, options.as_of)
    managers = customers.set_index("customer_id")["account_manager_id"]
    measured: dict[str, pd.DataFrame] = {}
    graded: dict[str, pd.DataFrame] = {}
    if "collection_classes" in options.policies:
        accounts = measure_accounts(customers, sales, payments, options.as_of)
        measured["collection_classes"], graded["collection_classes"] = accounts, grade_collection(accounts)
    if {"pyramid", "rfm_555"} & set(options.policies):
        own = measure_customers(customers, sales, options.as_of)
        measured |= {"pyramid": own, "rfm_555": own}
        graded |= {"pyramid": grade_pyramid(own), "rfm_555": grade_rfm(own)}
    with duckdb.connect(options.database) as database:
        make_tables(database)
        for policy in options.policies:
            keep_day(database, policy, measured[policy], graded[policy], managers, options.as_of)
            moved = write_tiers(database, policy, graded[policy], options.as_of)
            print(f"{policy} as of {options.as_of}: {len(graded[policy])} tiers, {moved} spells begin or end")


if __name__ == "__main__":
    main()
