"""Time per sales line and memory of a whole run on DuckDB, as the company grows; each size in a process of its own.

Of every size, three policies are measured, decided and published for the first time. Four times as many customers must
not take four times the memory, and a line must not cost more among 80 million than among 5 million.

Run: .venv/bin/python benchmarks/scale.py [--sizes 0.25 1 4]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tier_run import DAY, FOLDER, POLICIES, ROOT, run

PEAK_AT_ONE = 3e9


@dataclass(frozen=True)
class Size:
    """What a size took: lines of sales, seconds of measuring and of the whole process, and its most memory in bytes."""

    millions: float
    lines: int
    measured: float
    seconds: float
    peak: int

    @property
    def nanoseconds(self) -> float:
        """The time per line."""
        return self.measured / self.lines * 1e9


def measure(millions: float) -> Size:
    """Run a size once."""
    made = run([sys.executable, ROOT / "benchmarks" / "workload.py", f"--size={millions:g}"], dict(os.environ))[0]
    lines = int(re.search(r"facts\.sales +([\d,]+) rows", made)[1].replace(",", ""))  # type: ignore[index]
    copy = FOLDER / f"scale-{millions:g}.duckdb"
    try:
        shutil.copy(FOLDER / f"workload-{millions:g}.duckdb", copy)
        os.sync()
        days = [f"{name}={DAY}" for name in POLICIES]
        started = time.perf_counter()
        command: list[str | Path] = [sys.executable, ROOT / "benchmarks" / "own_run.py", "--warehouse", copy, *days]
        said, peak = run(command, dict(os.environ))
        took = time.perf_counter() - started
    finally:
        copy.unlink()
    measured = sum(float(each) for each in re.findall(r"measured in ([\d.]+) s", said))
    return Size(millions, lines, measured, took, peak)


def main() -> None:
    """Print what every size took, and the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=float, nargs="+", default=[0.25, 1, 4], help="millions of customers, upwards")
    options = parser.parse_args()
    sizes = []
    for millions in options.sizes:
        size = measure(millions)
        sizes.append(size)
        print(
            f"{size.lines:>11,} lines     measured {size.measured:6.2f} s, {size.nanoseconds:4.0f} ns a line; "
            f"whole run {size.seconds:6.1f} s, peak {size.peak / 1e9:5.2f} GB",
            flush=True,
        )
    small, large = sizes[0], sizes[-1]
    print(f"ratio of a line      {large.nanoseconds / small.nanoseconds:6.2f}   (at most 1.1)")
    one = next((size for size in sizes if size.millions == 1), small)
    print(f"ratio of the peaks   {large.peak / one.peak:6.2f}   (at most 1.3)")
    if one.millions == 1:
        print(f"peak at 1,000,000    {one.peak / 1e9:6.2f} GB (at most {PEAK_AT_ONE / 1e9:g})")


if __name__ == "__main__":
    main()
