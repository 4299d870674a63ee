"""The console script `tiering`."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Sequence
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from sql.errors import TieringError


class _Version(argparse.Action):
    """Print the version that is installed; looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"tiering {metadata.version('customer-tiering')}")
        parser.exit()


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def _customers(text: str) -> int:
    if _positive(text) < 100:
        raise argparse.ArgumentTypeError(f"{text}: the generated company has at least 100 customers")
    return int(text)


def _day(text: str) -> date:
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):  # fromisoformat alone takes 20260331 and 2026-W14 too
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write the day as 2026-03-31") from None


def _user(text: str) -> tuple[str, str]:
    role, _, name = text.partition("=")
    if role not in ("owner", "writer", "mailer", "consumer", "reader") or not name:
        known = "owner, writer, mailer, consumer, reader"
        raise argparse.ArgumentTypeError(f"{text!r}: write the user as writer=name; roles: {known}")
    return role, name


def _year(text: str) -> int:
    if not text.isdecimal() or not 1900 < int(text) < 2100:
        raise argparse.ArgumentTypeError(f"{text!r} is no year such as 2025")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="tiering", description="Customer tiering (客户分级管理). Scheduled work is Airflow's."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    demo = verbs.add_parser("demo", help="run the whole job on a generated company and print what it found")
    demo.add_argument("--folder", type=Path, default=Path(".demo"), help="where everything is left (default: .demo)")
    demo.add_argument("--customers", type=_customers, default=240, help="size of the company, from 100 (default: 240)")
    demo.add_argument("--seed", type=_positive, default=7, help="another company for another number (default: 7)")
    company = verbs.add_parser(
        "company", help="generate the demo company into a DuckDB file, as a source to extract from"
    )
    company.add_argument("file", type=Path, help="file to write")
    company.add_argument(
        "--customers", type=_customers, default=240, help="size of the company, from 100 (default: 240)"
    )
    company.add_argument("--seed", type=_positive, default=7, help="another company for another number (default: 7)")
    company.add_argument("--last-day", type=_day, help="last day with documents (default: 2026-04-20)")
    check = verbs.add_parser("check", help="check settings, policies, source and connections; one line each")
    check.add_argument("--as-of", type=_day, help="also ask whether this day can be measured (2026-03-31)")
    check.add_argument("--policy", help="the policy to prove and to hold --as-of against (default: every policy)")
    roles = verbs.add_parser(
        "roles", help="print the SQL that makes least-privilege roles on PostgreSQL; an administrator runs it"
    )
    roles.add_argument("--database", default="warehouse", help="database of the warehouse (default: warehouse)")
    roles.add_argument(
        "--user",
        action="append",
        type=_user,
        default=[],
        metavar="ROLE=NAME",
        help="make a user of a role: owner, writer, mailer, consumer or reader (may be given again)",
    )
    roles.add_argument("--source-database", help="database of the source, when it is on the same server")
    roles.add_argument("--source", metavar="SCHEMA", help="print the rights of the reader in a schema of the source")
    verbs.add_parser("upgrade", help="make or upgrade the schema of the warehouse and give the roles their rights")
    lint = verbs.add_parser(
        "lint",
        help="prove policies: no gap, no overlap, every tier reachable; "
        "exit code 1 when one has an error, 2 when they cannot be proved",
    )
    lint.add_argument(
        "paths", nargs="*", type=Path, help="policy files or folders of them (default: the folder in TIERING_POLICIES)"
    )
    lint.add_argument("--format", choices=["human", "json"], default="human", help="json for CI (default: human)")
    lint.add_argument("--source", help="folder of SELECTs that must provide the measures (default: TIERING_SOURCE)")
    lint.add_argument("--data", action="store_true", help="count the warehouse's accounts on each line and in each gap")
    lint.add_argument(
        "--as-of", type=_day, help="with --data: the day to count on (default: the latest that the facts cover)"
    )
    lint.set_defaults(refuse=lint.error)
    explain = verbs.add_parser("explain", help="tell how the tier of one customer came about, in plain words")
    explain.add_argument("customer", help="number of the customer (or of the account, group, opportunity, request)")
    explain.add_argument("--policy", help="the policy to explain (default: every policy that knows the customer)")
    explain.add_argument("--as-of", type=_day, help="the day to explain (default: the latest published day)")
    explain.add_argument("--language", choices=["en", "zh"], default="en", help="language to tell it in (default: en)")
    report = verbs.add_parser(
        "report",
        help="write what the mails over a published day say to a folder, without sending anything; "
        "exit code 2 when there is no such day, policy or manager",
    )
    report.add_argument("--as-of", type=_day, help="the published day (default: the latest)")
    report.add_argument(
        "--manager", help="number of the account manager, or fallback, or credit_controller (default: everybody)"
    )
    report.add_argument("--policy", help="the policy to tell (default: all that are published as of the day)")
    report.add_argument("--folder", type=Path, default=Path("report"), help="where the files go (default: report)")
    report.add_argument("--open", action="store_true", help="open the page, or the folder of several, in the browser")
    report.add_argument("--language", choices=["en", "zh"], help="language to tell it in (default: the manager's)")
    mails = verbs.add_parser(
        "mails", help="list the mails that were not sent, with the server's last answer; put dead ones back"
    )
    mails.add_argument(
        "--retry",
        action="append",
        default=[],
        metavar="MESSAGE_ID",
        help="let the next run of tier_reports try a dead mail again (may be given again)",
    )
    evaluate = verbs.add_parser(
        "evaluate", help="tell what the tiers of a policy achieved and how it did in a year; kept in the warehouse"
    )
    evaluate.add_argument("--policy", required=True, help="the policy to evaluate")
    when = evaluate.add_mutually_exclusive_group()
    when.add_argument(
        "--as-of",
        type=_day,
        help="the day whose tiers are looked at, 12 months before it and after (default: the latest published one)",
    )
    when.add_argument("--year", type=_year, help="look at a calendar year, and at the tiers on the day before it")
    merge = verbs.add_parser("merge", help="let a customer count for another one from a day on; both histories stay")
    merge.add_argument("customer", help="number of the customer that is merged")
    merge.add_argument("into", help="number of the customer that it counts for")
    merge.add_argument("--on", type=_day, required=True, help="first day on which it holds (2026-03-31)")
    merge.add_argument("--approved-by", required=True, help="who approved it, somebody else than the one who asks")
    erase = verbs.add_parser("erase", help="replace the personal data of a customer for good; its figures stay")
    erase.add_argument("customer", help="number of the customer")
    erase.add_argument("--yes", action="store_true", help="do not ask again")
    for verb in (merge, erase):
        verb.add_argument("--by", required=True, help="who asks for it")
        verb.add_argument("--reason", required=True, help="why, in your own words")
    close = verbs.add_parser(
        "close",
        help="close the days up to one: a run changes them only with a reason and the owner's word; "
        "an earlier day opens the later ones again",
    )
    close.add_argument("--through", type=_day, help="last day that is closed (2025-12-31)")
    close.add_argument("--policy", help="the policy whose days are closed (default: all policies)")
    close.add_argument("--by", help="who closes them")
    close.add_argument("--reason", help="why, such as the accounts of the year")
    close.add_argument("--list", action="store_true", help="say what is closed, and close nothing")
    close.set_defaults(refuse=close.error)
    return parser


def _check_close(options: argparse.Namespace) -> None:
    said = [f"--{name}" for name in ("through", "policy", "by", "reason") if getattr(options, name) is not None]
    lacking = [f"--{name}" for name in ("through", "by", "reason") if getattr(options, name) is None]
    if options.list and said:
        options.refuse(f"--list closes nothing; leave out {', '.join(said)}")
    if not options.list and lacking:
        options.refuse(f"say {', '.join(lacking)} too, or --list alone")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0 well, 1 something to correct, 2 wrong usage.

    Of `lint`, 1 is an error in a policy, and 2 whatever keeps it from proving them, such as a path that is not there.
    Of `report`, 2 is whatever keeps it from telling, such as a day that is not published.
    """
    options = build_parser().parse_args(arguments)
    if options.verb == "lint" and options.as_of and not options.data:
        options.refuse("--as-of is the day to count on; say --data too")
    if options.verb == "close":
        _check_close(options)
    before = logging.root.manager.disable
    if options.verb in (
        "check",
        "lint",
        "explain",
        "evaluate",
        "merge",
        "erase",
        "close",
        "upgrade",
        "report",
        "mails",
    ):
        logging.disable(logging.WARNING)  # Airflow, which holds the connections, reports its configuration at length
    try:
        return _run(options)
    finally:
        logging.disable(before)


def _run(options: argparse.Namespace) -> int:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    try:
        if options.verb == "demo":
            from tiering.demo import run_demo

            run_demo(options.folder.resolve(), options.customers, options.seed, console)
        elif options.verb == "company":
            from tiering.demo import make_company

            make_company(options.file.resolve(), options.customers, options.seed, options.last_day)
            console.print(f"{options.file}: a company of {options.customers} customers")
        elif options.verb == "lint":
            from tiering.lint import run_lint, shown_path
            from tiering.settings import read_settings, source_folder

            here = read_settings()
            return run_lint(
                console,
                options.paths or [shown_path(here.policies)],
                source=source_folder(options.source) if options.source else here.source,
                as_json=options.format == "json",
                with_data=options.data,
                as_of=options.as_of,
            )
        elif options.verb == "explain":
            from tiering.explain import run_explain

            return run_explain(
                console,
                options.customer,
                policy_id=options.policy,
                as_of=options.as_of,
                language=options.language,
            )
        elif options.verb == "roles":
            from tiering.roles import print_roles

            print_roles(options.database, options.user, options.source_database, options.source)
        elif options.verb == "upgrade":
            from tiering.roles import run_upgrade

            run_upgrade(console)
        elif options.verb == "report":
            from tiering.report import run_report

            return run_report(
                console,
                as_of=options.as_of,
                manager_id=options.manager,
                policy_id=options.policy,
                folder=options.folder,
                language=options.language,
                opens=options.open,
            )
        elif options.verb == "mails":
            from tiering.mails import run_mails

            return run_mails(console, options.retry)
        elif options.verb == "evaluate":
            from tiering.evaluate import run_evaluate

            return run_evaluate(console, options.policy, options.as_of, options.year)
        elif options.verb == "merge":
            from tiering.customers import run_merge

            return run_merge(
                console,
                options.customer,
                options.into,
                options.on,
                reason=options.reason,
                requested_by=options.by,
                approved_by=options.approved_by,
            )
        elif options.verb == "close":
            from tiering.close import run_close, run_list

            if options.list:
                return run_list(console)
            return run_close(console, options.policy, options.through, closed_by=options.by, reason=options.reason)
        elif options.verb == "erase":
            from tiering.customers import run_erase

            return run_erase(
                console, options.customer, reason=options.reason, requested_by=options.by, is_sure=options.yes
            )
        else:
            from tiering.check import check_installation

            return check_installation(console, options.as_of, options.policy)
    except TieringError as error:
        print(f"tiering: {error}", file=sys.stderr)
        return 2 if options.verb in ("lint", "report") else 1
    except KeyboardInterrupt:
        print("tiering: interrupted; run it again, nothing is half-written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
