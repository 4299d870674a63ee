"""What would win or cost a tier for a million customers under three policies, against deciding them, in one run.

Run: .venv/bin/python benchmarks/outlook.py [--policies dealer_points …] [--customers 1000000] [--rounds 3]
"""

from __future__ import annotations

import argparse

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from decide import ROOT, make_indicators, seconds

from sql.measure import read_library
from transforms import decide_tiers
from transforms.columns import DECIMAL
from transforms.outlook import find_outlook
from transforms.policy import Policy, read_policies

MIX = ("dealer_points", "rfm_544", "upgrade_potential")
"""A scorecard with points that are the value itself, a coded composite, and rules."""


def in_whole_points(policy: Policy, table: pa.Table) -> pa.Table:
    """Return indicators with whole numbers where people give points."""
    for name, indicator in policy.indicators.items():
        if indicator.assessment is not None and indicator.unit == "points":
            whole = pc.floor(table[name]).cast(DECIMAL)
            table = table.set_column(table.column_names.index(name), name, whole)
    return table


def main() -> None:
    """Print both times by policy and their ratio, the best of some rounds taken in turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--policies", nargs="+", default=MIX, help=f"policies (default: {' '.join(MIX)})")
    parser.add_argument("--customers", type=int, default=1_000_000, help="rows (default: 1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the best counts (default: 3)")
    options = parser.parse_args()
    policies, library = read_policies(ROOT / "policies"), read_library()
    print(f"{options.customers} customers")
    decided_all = found_all = 0.0
    for policy in (policies[name] for name in options.policies):
        table = in_whole_points(policy, make_indicators(policy, options.customers))
        frame = table.to_pandas(types_mapper=pd.ArrowDtype)
        decided, found = [], []
        for _ in range(options.rounds):
            decided.append(seconds(lambda: decide_tiers(policy, frame)))  # noqa: B023 - called at once
            found.append(seconds(lambda: find_outlook(policy, frame, library)))  # noqa: B023 - called at once
        rows = len(find_outlook(policy, frame, library))
        print(f"{policy.id:<20} decided {min(decided):6.2f} s   outlook {min(found):6.2f} s   {rows:>8} rows")
        decided_all, found_all = decided_all + min(decided), found_all + min(found)
    print(f"ratio                {found_all / decided_all:6.2f}   (at most 1.0)")


if __name__ == "__main__":
    main()
