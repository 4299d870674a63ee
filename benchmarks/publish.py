"""Publishing a run in which 5 % of the customers move on PostgreSQL, against COPY of the rows it writes, in one run.

The server is made for the run. What is copied goes into tables of the same definition, their keys and indexes included.

Run: .venv/bin/python benchmarks/publish.py [--customers 1000000] [--rounds 2]
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
from decide import ROOT, make_indicators, seconds
from workload import FOLDER, SERVER

from sql.connect import Database, connected
from sql.measure import Measurement, read_library
from sql.publish import publish_run
from sql.review import Review, review_run
from sql.runs import Run, stage_decisions
from sql.schema import upgrade_schema
from tests.cluster import Cluster, plain_client
from transforms import decide_tiers
from transforms.decide import find_states
from transforms.outlook import find_outlook
from transforms.policy import Policy, read_policies

DAYS = (date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 31))
MOVED = 0.05
WRITTEN = {
    "decision": "run_id = '{run}'",
    "exclusion": "run_id = '{run}'",
    "score_component": "as_of = '{day}'",
    "customer_tier": "TRUE",
    "customer_tier_history": "valid_from = '{day}' OR valid_to = '{day}'",
    "absence": "valid_from = '{day}' OR valid_to = '{day}'",
    "tier_change": "as_of = '{day}'",
    "tier_outlook": "TRUE",
    "task": "TRUE",
}
"""What a publication writes, and which rows of it are those of a day."""


def moved(policy: Policy, frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Return indicators of which a share of the customers have those of a customer in another tier."""
    states = find_states(policy, frame).to_numpy()
    chosen = random.choice(np.flatnonzero(np.isin(states, policy.tiers)), int(len(frame) * MOVED), replace=False)
    donors = np.arange(len(frame))
    open_ = chosen
    while len(open_):
        donors[open_] = random.integers(0, len(frame), len(open_))
        fits = np.isin(states[donors[open_]], policy.tiers) & (states[donors[open_]] != states[open_])
        open_ = open_[~fits]
    return frame.take(donors).reset_index(drop=True).assign(account_id=frame["account_id"])


def stage(server: Database, policy: Policy, frame: pd.DataFrame, day: date) -> tuple[Run, Review]:
    """Decide and stage a day."""
    decided, outlook = decide_tiers(policy, frame), find_outlook(policy, frame, read_library())
    this = stage_decisions(server, policy, Measurement("", "", day, 0, len(frame)), day, decided, outlook)
    return this, review_run(server, policy, this)


def copy_rows(client: psycopg.Connection[tuple[object, ...]], files: dict[str, Path]) -> None:
    """Copy the rows of every file into a new table of the same definition."""
    for table, path in files.items():
        client.execute(f"CREATE TABLE copied.{table} (LIKE tiering.{table} INCLUDING ALL)")
        with path.open("rb") as rows, client.cursor().copy(f"COPY copied.{table} FROM STDIN (FORMAT csv)") as copy:
            while part := rows.read(1 << 20):
                copy.write(part)
    client.commit()


def main() -> None:
    """Print both times and their ratio, the best of some rounds taken in turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--policy", default="rfm_555", help="policy to decide under (default: rfm_555)")
    parser.add_argument("--customers", type=int, default=1_000_000, help="customers (default: 1000000)")
    parser.add_argument("--rounds", type=int, default=2, choices=(1, 2), help="days, the best counts (default: 2)")
    options = parser.parse_args()
    policy, random = read_policies(ROOT / "policies")[options.policy], np.random.default_rng(2)
    frame = make_indicators(policy, options.customers).to_pandas(types_mapper=pd.ArrowDtype)
    FOLDER.mkdir(exist_ok=True)
    cluster = Cluster(*SERVER, auth="trust")
    published, copied, counts, rows = [], [], {}, 0
    try:
        cluster.start()
        server = cluster.database
        with connected(server, "benchmark") as connection:
            upgrade_schema(connection)
        publish_run(server, policy, *stage(server, policy, frame, DAYS[0]))
        for day in DAYS[1 : 1 + options.rounds]:
            frame = moved(policy, frame, random)
            this, review = stage(server, policy, frame, day)
            with plain_client(server, autocommit=True) as client:
                client.execute("VACUUM ANALYZE")
            published.append(seconds(lambda this=this, review=review: publish_run(server, policy, this, review)))
            counts, rows = review.counts, 0
            files = {table: FOLDER / f"copied-{table}.csv" for table in WRITTEN}
            with plain_client(server) as client:
                for table, path in files.items():
                    which = WRITTEN[table].format(run=this.run_id, day=day)
                    query = f"COPY (SELECT * FROM tiering.{table} WHERE {which}) TO STDOUT (FORMAT csv)"
                    with path.open("wb") as file, client.cursor().copy(query) as copy:
                        for part in copy:
                            rows += bytes(part).count(b"\n")
                            file.write(part)
                client.execute("DROP SCHEMA IF EXISTS copied CASCADE")
                client.execute("CREATE SCHEMA copied")
                client.commit()
                copied.append(seconds(lambda client=client, files=files: copy_rows(client, files)))
            for path in files.values():
                path.unlink()
    finally:
        cluster.remove()
    print(
        f"{options.customers} customers under {policy.id} on PostgreSQL, {counts['moved']} moved, {rows} rows written"
    )
    print(f"COPY of these rows   {min(copied):6.2f} s")
    print(f"published            {min(published):6.2f} s")
    print(f"ratio                {min(published) / min(copied):6.2f}   (at most 4.0)")


if __name__ == "__main__":
    main()
