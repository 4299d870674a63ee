"""RFM segments of pymc-marketing: what `benchmarks/tier_run.py` compares measuring and deciding rfm_555 with.

Reads the sales from the DuckDB file with the facts; writes one row per customer as Parquet.

Run: .bench/pymc/bin/python benchmarks/competitors/pymc_rfm.py --facts FILE --as-of 2025-12-31 --out FILE
"""

from __future__ import annotations

import argparse
import time
from datetime import date

import duckdb
from pymc_marketing.clv import rfm_segments


def main() -> None:
    """Write the segments, and say how long reading and the library's function took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--facts", required=True, help="the DuckDB file with the facts")
    parser.add_argument("--as-of", type=date.fromisoformat, required=True)
    parser.add_argument("--out", required=True, help="the Parquet file to write")
    options = parser.parse_args()
    started = time.perf_counter()
    with duckdb.connect(options.facts, read_only=True) as facts:
        sales = facts.execute(
            "SELECT customer_id, sold_on, net_amount_reporting AS net_amount FROM facts.sales "
            "WHERE superseded_in IS NULL AND sold_on <= ? AND COALESCE(document_type, 'invoice') = 'invoice'",
            [options.as_of],
        ).df()
    read = time.perf_counter()
    segments = rfm_segments(
        sales,
        customer_id_col="customer_id",
        datetime_col="sold_on",
        monetary_value_col="net_amount",
        observation_period_end=options.as_of.isoformat(),
    )
    print(f"function {time.perf_counter() - read:.2f} s, after reading {len(sales)} lines in {read - started:.2f} s")
    segments.to_parquet(options.out)


if __name__ == "__main__":
    main()
