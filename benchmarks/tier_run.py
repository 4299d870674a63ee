"""A whole run of three policies, against dbt and pandas doing the same, and the RFM part against pymc-marketing.

Every time is that of a whole process, from its start to its end, on facts of one company. The policies are published
as of the last day, where the day before on their calendar is published already. All sides keep decisions with every
indicator behind them, changes, and the history of tiers, which are compared. Ours also finds which of the indicators
moved a tier, and the outlook, makes follow-up tasks, and asks for approval; the others do not.

What the others need is installed by tools/competitors.sh.

Run: .venv/bin/python benchmarks/tier_run.py [--size 1] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

# What is large is imported after the last process: what this one has resident is the least that any of them counts.

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".bench"
DAY = "2025-12-31"
DAYS_BEFORE = {"collection_classes": "2024-12-31", "pyramid": "2025-11-30", "rfm_555": "2025-11-30"}
POLICIES = tuple(DAYS_BEFORE)
KEYS = {"collection_classes": "account_id", "pyramid": "customer_id", "rfm_555": "customer_id"}
COMPETITORS = ROOT / "benchmarks" / "competitors"

Command = Sequence[str | Path]


@dataclass
class Side:
    """One side: the file it writes, what makes that as of the day before, beginning with `source`, and what is timed.

    `seconds` and `peak_bytes` are filled per round; `said` is what the last process printed.
    """

    name: str
    file: Path
    before: list[Command]
    timed: Command
    source: Path | None = None
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    said: str = ""

    @property
    def kept(self) -> Path:
        """The file as it was after the day before."""
        return self.file.with_suffix(".before")

    def prepare(self, environment: dict[str, str]) -> None:
        """Publish the day before, untimed."""
        if self.source is not None:
            shutil.copy(self.source, self.file)
        for command in self.before:
            run(command, environment)
        if self.file.exists():
            self.file.rename(self.kept)

    def take_time(self, environment: dict[str, str]) -> None:
        """Put the day before back, and run the day as a process that is timed."""
        if self.kept.exists():
            shutil.copy(self.kept, self.file)
        os.sync()  # else what was copied is still being written while the process is timed
        started = time.perf_counter()
        self.said, peak = run(self.timed, environment)
        self.seconds.append(time.perf_counter() - started)
        self.peak_bytes = max(self.peak_bytes, peak)

    def print_time(self) -> None:
        """Print the best time, and the most memory that was resident in any round."""
        print(f"{self.name:<21}{min(self.seconds):6.2f} s   peak {self.peak_bytes / 1e9:5.2f} GB")


def run(command: Command, environment: dict[str, str]) -> tuple[str, int]:
    """Run a process to its end; return what it printed and the most memory it had resident. Ends with its error."""
    process = subprocess.Popen(  # noqa: S603
        [str(word) for word in command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(str(word) for word in command)}\n{said[-4000:]}")
    return said, usage.ru_maxrss * 1024


def make_sides(facts: Path, folder: Path) -> dict[str, Side]:
    """Return the sides with their commands, by what each is called below."""
    own, dbt, pandas, rfm, pymc = (folder / f"{name}.duckdb" for name in ("own", "dbt", "pandas", "rfm", "pymc"))
    run_own = [sys.executable, ROOT / "benchmarks" / "own_run.py", "--warehouse"]
    run_pandas = [sys.executable, COMPETITORS / "pandas_run.py", "--facts", facts, "--database", pandas, "--as-of"]
    dbt_in = [FOLDER / "dbt" / "bin" / "dbt"]

    def build(day: str, *only: str) -> Command:
        return [*dbt_in, "build", "--vars", f"{{as_of: {day}}}", *(["--select", *only] if only else [])]

    days = {day: [name for name in POLICIES if DAYS_BEFORE[name] == day] for day in sorted(set(DAYS_BEFORE.values()))}
    before = [f"{name}={day}" for name, day in DAYS_BEFORE.items()]
    python = FOLDER / "pymc" / "bin" / "python"
    as_of_day = [f"{name}={DAY}" for name in POLICIES]
    return {
        "own": Side("ours", own, [[*run_own, own, *before]], [*run_own, own, *as_of_day], source=facts),
        "dbt": Side(
            "dbt build",
            dbt,
            # A day's command parses the project again, as the day before was another one; that is not timed either.
            [
                *(build(day, *(f"+{name}+" for name in names)) for day, names in days.items()),
                [*dbt_in, "parse", "--vars", f"{{as_of: {DAY}}}"],
            ],
            build(DAY),
        ),
        "pandas": Side(
            "pandas script",
            pandas,
            [[*run_pandas, day, *names] for day, names in days.items()],
            [*run_pandas, DAY, *POLICIES],
        ),
        "rfm": Side(
            "ours, RFM part",
            rfm,
            [],
            [*run_own, rfm, "--only-decide", f"rfm_555={DAY}"],
            source=own.with_suffix(".before"),
        ),
        "pymc": Side(
            "pymc rfm_segments",
            pymc,
            [[python, "-c", "import pymc_marketing.clv"]],
            [python, COMPETITORS / "pymc_rfm.py", "--facts", facts, "--as-of", DAY, "--out", folder / "pymc.parquet"],
        ),
    }


def make_environment(facts: Path, sides: dict[str, Side], folder: Path) -> dict[str, str]:
    """Return what the processes are told: where dbt finds and leaves its files, and that nothing is sent anywhere."""
    return os.environ | {
        "TIER_RUN_DATABASE": str(sides["dbt"].file),
        "TIER_RUN_FACTS": str(facts),
        "DBT_PROJECT_DIR": str(COMPETITORS / "dbt"),
        "DBT_PROFILES_DIR": str(COMPETITORS / "dbt"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "PYTENSOR_FLAGS": f"base_compiledir={folder / 'pytensor'}",
        "MPLCONFIGDIR": str(folder / "matplotlib"),
    }


def history_of(side: str, policy: str) -> str:
    """Return the SELECT of a policy's history on a side: account, tier, first day and the day after the last one."""
    if side == "own":
        return (
            "SELECT customer_id AS account_id, tier, valid_from, valid_to FROM own.tiering.customer_tier_history "
            f"WHERE policy_id = '{policy}'"
        )
    if side == "pandas":
        return f"SELECT account_id, tier, valid_from, valid_to FROM pandas.main.history WHERE policy_id = '{policy}'"
    return (
        f"SELECT {KEYS[policy]} AS account_id, tier, CAST(dbt_valid_from AS DATE) AS valid_from, "
        f"CAST(dbt_valid_to AS DATE) AS valid_to FROM dbt.main.{policy}_history"
    )


def kept_of(side: str, policy: str) -> tuple[str, str]:
    """Return the SELECTs of what a side keeps of the day: indicators (by account and name), and moves (by account)."""
    if side == "own":
        of = f"WHERE policy_id = '{policy}' AND as_of = DATE '{DAY}'"
        return (
            f"SELECT customer_id AS account_id, indicator, CAST(value AS DOUBLE) AS value "
            f"FROM own.tiering.score_component {of}",
            f"SELECT customer_id AS account_id, from_tier, to_tier, direction FROM own.tiering.tier_change {of}",
        )
    if side == "pandas":
        of = f"WHERE policy_id = '{policy}' AND as_of = DATE '{DAY}'"
        evidence, changes = "pandas.main.evidence", "pandas.main.changes"
    else:
        of = f"WHERE as_of = DATE '{DAY}'"
        evidence, changes = f"dbt.main.{policy}_evidence", f"dbt.main.{policy}_changes"
    return (
        f"SELECT account_id, indicator, value FROM {evidence} {of}",
        f"SELECT account_id, from_tier, to_tier, direction FROM {changes} {of}",
    )


def count_differing(sides: dict[str, Side], other: str) -> dict[str, tuple[int, int]]:
    """Return what ours keeps and how many of it another side keeps otherwise, or only one of both: by kind.

    Numbers are equal where they agree to nine digits: the others divide in floating point.
    """
    import duckdb

    found = dict.fromkeys(("tiers", "spells", "indicators", "moves"), (0, 0))

    def compare(kind: str, ours: str, theirs: str, by: str, differs: str) -> None:
        counts = connection.execute(
            f"SELECT COUNT(ours.account_id), "
            f"COUNT(*) FILTER (ours.account_id IS NULL OR theirs.account_id IS NULL OR {differs}) "
            f"FROM ({ours}) AS ours FULL JOIN ({theirs}) AS theirs USING ({by})"
        ).fetchone()
        assert counts is not None
        found[kind] = (found[kind][0] + counts[0], found[kind][1] + counts[1])

    with duckdb.connect() as connection:
        for name in ("own", other):
            connection.execute(f"ATTACH '{sides[name].file}' AS {name} (READ_ONLY)")
        for policy in POLICIES:
            spells = [history_of(side, policy) for side in ("own", other)]
            now = [f"SELECT account_id, tier FROM ({each}) WHERE valid_to IS NULL" for each in spells]
            compare("tiers", *now, "account_id", "ours.tier IS DISTINCT FROM theirs.tier")
            last = "ours.tier <> theirs.tier OR ours.valid_to IS DISTINCT FROM theirs.valid_to"
            compare("spells", *spells, "account_id, valid_from", last)
            (indicators, moves), (their_indicators, their_moves) = kept_of("own", policy), kept_of(other, policy)
            compare(
                "indicators",
                indicators,
                their_indicators,
                "account_id, indicator",
                "(ours.value IS NULL) <> (theirs.value IS NULL) "
                "OR ABS(ours.value - theirs.value) > 1e-9 * GREATEST(1, ABS(ours.value))",
            )
            compare(
                "moves",
                moves,
                their_moves,
                "account_id",
                "(ours.from_tier, ours.to_tier, ours.direction) IS DISTINCT FROM "
                "(theirs.from_tier, theirs.to_tier, theirs.direction)",
            )
    return found


def print_ratio(name: str, ours: Side, theirs: Side, at_most: float) -> None:
    """Print what our best time is of theirs."""
    print(f"{name:<21}{min(ours.seconds) / min(theirs.seconds):6.2f}     (at most {at_most})")


def main() -> int:
    """Print times, memory and ratios, and how much is kept otherwise; 1 where dbt does."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=float, default=1, help="millions of customers (default: 1)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the best counts (default: 3)")
    options = parser.parse_args()
    run([sys.executable, ROOT / "benchmarks" / "workload.py", f"--size={options.size:g}"], dict(os.environ))
    facts = FOLDER / f"workload-{options.size:g}.duckdb"
    folder = FOLDER / "tier-run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        sides = make_sides(facts, folder)
        environment = make_environment(facts, sides, folder)
        for side in sides.values():
            side.prepare(environment)
        for _ in range(options.rounds):
            for side in sides.values():
                side.take_time(environment)
        found = {other: count_differing(sides, other) for other in ("dbt", "pandas")}
    finally:
        shutil.rmtree(folder)
    print(f"{round(options.size * 1_000_000)} customers, tiers of {', '.join(POLICIES)} as of {DAY}, whole processes")
    for side in ("own", "dbt", "pandas"):
        sides[side].print_time()
    for other, kinds in found.items():
        counts = ", ".join(f"{differing} of {kept} {kind}" for kind, (kept, differing) in kinds.items())
        print(f"{sides[other].name} keeps otherwise: {counts}")
    print_ratio("ratio to dbt", sides["own"], sides["dbt"], 0.7)
    print_ratio("ratio to pandas", sides["own"], sides["pandas"], 0.5)
    for side in ("rfm", "pymc"):
        sides[side].print_time()
    inside = re.search(r"^function (.*)$", sides["pymc"].said, re.MULTILINE)
    if inside:
        print(f"  of which the function {inside[1]}")
    print_ratio("ratio of the RFM part", sides["rfm"], sides["pymc"], 0.2)
    return 1 if any(differing for _, differing in found["dbt"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
