"""The console script `tiering`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sql.errors import TieringError


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="tiering", description="Customer tiering (客户分级管理). Scheduled work is Airflow's.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    demo = verbs.add_parser("demo", help="run the whole job on a generated company and print what it found")
    demo.add_argument("--folder", type=Path, default=Path(".demo"), help="where everything is left (default: .demo)")
    demo.add_argument("--customers", type=_positive, default=240, help="size of the company, from 100 (default: 240)")
    demo.add_argument("--seed", type=_positive, default=7, help="another company for another number (default: 7)")
    check = verbs.add_parser("check", help="check settings, policies, source and connections; one line each")
    check.add_argument("--as-of", help="also ask whether this day can be measured (2026-03-31)")
    check.add_argument("--policy", help="the policy whose calendar --as-of is held against (default: every policy)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0 well, 1 something to correct, 2 wrong usage."""
    options = build_parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        if options.verb == "demo":
            if options.customers < 100:
                raise TieringError("--customers: a company of fewer than 100 customers needs no tiers (and this demo no less)")
            from tiering.demo import run_demo

            run_demo(options.folder.resolve(), options.customers, options.seed, console)
        else:
            from tiering.check import check_installation

            return check_installation(console, options.as_of, options.policy)
    except TieringError as error:
        print(f"tiering: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tiering: interrupted; run it again, nothing is half-written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
