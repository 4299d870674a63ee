"""Every benchmark, one after the other, with the machine and the versions: what make bench runs.

What they print goes to .bench/results.md as well, for benchmarks/RESULTS.md. One that fails is named at the end.

Run: .venv/bin/python benchmarks/everything.py [--only measure replay]
"""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from workload import FOLDER, ROOT

COMMANDS = {
    "measure": ["measure.py"],
    "measure on PostgreSQL": ["measure.py", "--engine", "postgresql"],
    "replay": ["replay.py"],
    "replay on PostgreSQL": ["replay.py", "--engine", "postgresql"],
    "tier run": ["tier_run.py"],
    "scale": ["scale.py"],
    "publish": ["publish.py"],
    "DAG run": ["dag_run.py"],
    "decide": ["decide.py"],
    "credit": ["credit.py"],
    "outlook": ["outlook.py"],
    "mail": ["mail.py"],
    "render": ["render.py"],
}
"""Scripts of this folder with their arguments. Spark's needs an installation of its own: make spark-bench."""

LIBRARIES = ("duckdb", "sqlalchemy", "pandas", "pyarrow", "sqlglot", "psycopg", "apache-airflow")


def machine() -> list[str]:
    """Return lines that say on what the figures were taken."""
    processors = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", processors, re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(encoding="utf-8"), re.MULTILINE)
    cores = len(re.findall(r"^processor", processors, re.MULTILINE))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)  # noqa: S607
    server = subprocess.run(["psql", "--version"], capture_output=True, text=True)  # noqa: S607
    return [
        f"- machine: {model[1] if model else platform.machine()}, {cores} cores, "
        f"{int(memory[1]) / 2**20 if memory else 0:.0f} GiB, {platform.system()} {platform.release()}",
        f"- date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit.stdout.strip()}",
        f"- Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
        + f", {server.stdout.strip()}",
    ]


def main() -> int:
    """Run them all and keep what they print; 1 where one of them failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=list(COMMANDS), metavar="NAME", help=f"of {', '.join(COMMANDS)}")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    failed = []
    with (FOLDER / "results.md").open("w", encoding="utf-8") as results:
        print("\n".join(machine()), file=results, flush=True)
        for name in options.only or COMMANDS:
            script, *arguments = COMMANDS[name]
            print(f"== {name}: {' '.join([script, *arguments])}", flush=True)
            started = time.perf_counter()
            done = subprocess.run(  # noqa: S603
                [sys.executable, ROOT / "benchmarks" / script, *arguments],
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            took = time.perf_counter() - started
            print(done.stdout, end="", flush=True)
            print(f"\n## {name}\n\n```text\n$ benchmarks/{' '.join([script, *arguments])}", file=results)
            print(f"{done.stdout}```\n\nTook {took:.0f} s.", file=results, flush=True)
            if done.returncode:
                failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
