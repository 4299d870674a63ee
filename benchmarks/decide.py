"""Deciding a million customers, against reading the same frame from Parquet and writing it back, in one run.

Run: .venv/bin/python benchmarks/decide.py [--policy dealer_points] [--customers 1000000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sql.measure import read_library
from transforms import decide_tiers
from transforms.columns import DECIMAL
from transforms.policy import Policy, read_policies
from transforms.probes import Probes

ROOT = Path(__file__).resolve().parents[1]
SCALE = 10_000
"""Random numbers have four decimals, as money has."""


def make_indicators(policy: Policy, customers: int) -> pa.Table:
    """Return one row per customer: every indicator spread between and beyond the policy's own bounds, 3 % missing."""
    random = np.random.default_rng(1)
    probes = Probes(policy, read_library())
    columns: dict[str, pa.Array] = {
        "account_id": pa.array([f"C{number:07}" for number in range(customers)]),
        "account_manager_id": pa.array([f"M{number:03}" for number in random.integers(0, 200, customers)]),
    }
    for name in policy.indicators:
        values = probes.values(name)
        domain = probes.domains[name]
        if domain.kind == "number":
            low, high = float(min(values)), float(max(values))
            step = max(float(domain.step), 1 / SCALE)
            units = np.round(random.uniform(low, high, customers) / step) * step
            ints = np.round(np.clip(units, low, high) * SCALE).astype("<i8")
            words = np.column_stack([ints, ints >> 63])
            drawn = pa.Array.from_buffers(pa.decimal128(38, 4), customers, [None, pa.py_buffer(words.tobytes())])
            column = drawn.cast(DECIMAL)
        else:
            kind = pa.bool_() if domain.kind == "flag" else pa.string()
            column = pa.array(values, kind).take(pa.array(random.integers(0, len(values), customers)))
        if name in policy.missing:
            column = pa.array(column.to_numpy(zero_copy_only=False), column.type, mask=random.random(customers) < 0.03)
        columns[name] = column
    return pa.table(columns)


def seconds(work: Callable[[], Any]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print both times and their ratio, the best of some rounds taken in turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--policy", default="dealer_points", help="policy to decide under (default: dealer_points)")
    parser.add_argument("--customers", type=int, default=1_000_000, help="rows (default: 1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the best counts (default: 3)")
    options = parser.parse_args()
    policy = read_policies(ROOT / "policies")[options.policy]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.parquet", Path(folder) / "out.parquet"
        pq.write_table(make_indicators(policy, options.customers), source)

        def read() -> pd.DataFrame:
            return pq.read_table(source).to_pandas(types_mapper=pd.ArrowDtype)

        def copy() -> None:
            pq.write_table(pa.Table.from_pandas(read(), preserve_index=False), target)

        frame = read()
        copied, decided = [], []
        for _ in range(options.rounds):
            copied.append(seconds(copy))
            decided.append(seconds(lambda: decide_tiers(policy, frame)))
    print(f"{options.customers} customers under {policy.id}, {len(policy.indicators)} indicators")
    print(f"read from Parquet and written back  {min(copied):6.2f} s")
    print(f"decided, with components and hashes {min(decided):6.2f} s")
    print(f"ratio                               {min(decided) / min(copied):6.2f}   (at most 3)")


if __name__ == "__main__":
    main()
