"""The demo: a generated company goes through the main job, month by month, on an embedded warehouse."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console

from sql.connect import Database, kept_open, open_engine
from sql.errors import TieringError
from sql.extract import Batch
from tiering import jobs
from tiering.settings import Settings, source_folder
from transforms.policy import Policy, read_policies

APPROVER = "demo approver"

FIRST_DAY = date(2023, 7, 1)
POLICIES = ("collection_classes", "pyramid", "rfm_555")
"""The policies that the demo runs, monthly and yearly; `make airflow` has a DAG for every one that ships."""

MONTHS = (date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31))
"""Month ends at which the demo loads, decides and reports; the first load brings everything before it."""

YEARS = (date(2024, 12, 31), date(2025, 12, 31))
EARLIER = date(2025, 11, 30)
"""A month end before the first load, so that there are movers from the first report on."""


class _Progress:
    """Prints what is being done and keeps how long it took, per kind of work."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}
        self.start = time.perf_counter()

    @contextmanager
    def step(self, kind: str, text: str) -> Iterator[None]:
        """Print `text`, and add the time it took to `kind`."""
        started = time.perf_counter()
        yield
        took = time.perf_counter() - started
        self.seconds[kind] = self.seconds.get(kind, 0) + took
        self.console.print(f"  [dim]{time.perf_counter() - self.start:5.1f} s[/]  {text}  [dim]({took:.1f} s)[/]")


def demo_settings(folder: Path) -> Settings:
    """Return the settings of the demo: its source, its fallback address, everything else below `folder`."""
    return replace(
        Settings(),
        source=source_folder("demo"),
        fallback_manager="sales.desk@tiering.example",
        credit_controller="credit.control@tiering.example",
        general_manager="general.manager@tiering.example",
        mail_dir=folder / "mail",
        data_docs_dir=folder / "data_docs",
        export_dir=folder / "export",
        first_day=FIRST_DAY,
        demo_approver=APPROVER,
    )


def make_company(path: Path, customers: int, seed: int, last_day: date | None = None) -> None:
    """Generate the demo company into a DuckDB file: the ERP that the demo extracts from."""
    from demo import generate_company, load_company

    company = generate_company(customers=customers, seed=seed, **({"last_day": last_day} if last_day else {}))
    engine = open_engine(Database("duckdb", path=str(path)))
    try:
        load_company(engine, company)
    finally:
        engine.dispose()


def run_demo(folder: Path, customers: int, seed: int, console: Console) -> None:
    """Run the main job on a generated company and leave warehouse, mails and Data Docs in `folder`.

    Raises TieringError when the folder holds something that no demo made.
    """
    marker = folder / "warehouse.duckdb"
    if folder.exists() and any(folder.iterdir()) and not marker.exists():
        raise TieringError(f"{folder}: the folder holds other files; name an empty one with --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    logging.getLogger("tiering").setLevel(logging.ERROR)
    progress = _Progress(console)
    with progress.step("start-up", "libraries imported (Great Expectations is most of it)"):
        logging.getLogger("great_expectations").setLevel(logging.ERROR)
        import great_expectations  # noqa: F401
    source, warehouse = (Database("duckdb", path=str(folder / name)) for name in ("company.duckdb", "warehouse.duckdb"))
    here = demo_settings(folder)
    known = read_policies(here.policies)
    policies = {policy_id: known[policy_id] for policy_id in POLICIES}
    with progress.step("company", f"a company of {customers} customers generated: company.duckdb"):
        make_company(folder / "company.duckdb", customers, seed)
    with kept_open(warehouse):
        with progress.step("job", "the warehouse created: warehouse.duckdb"):
            jobs.prepare_warehouse(warehouse)
        _run_months(source, warehouse, here, policies, progress)
        _print_end(console, folder, warehouse, progress, policies)


def _run_months(
    source: Database, warehouse: Database, here: Settings, policies: dict[str, Policy], progress: _Progress
) -> None:
    start = FIRST_DAY
    for month in MONTHS:
        batch = Batch(start, month + timedelta(days=1))
        with progress.step("job", f"facts {batch.start} to {month}: extracted, validated, loaded"):
            jobs.extract(source, warehouse, here, batch)
            # Each validation replaces the pages of the one before.
            jobs.validate(warehouse, here, batch, with_pages=month == MONTHS[-1])
            jobs.load(warehouse, batch, here)
        days = [(name, month) for name in sorted(policies) if policies[name].as_of == "previous_month_end"]
        if month == MONTHS[0]:
            days = [(name, EARLIER) for name, _ in days] + days
            days += [
                (name, year)
                for name in sorted(policies)
                if policies[name].as_of == "previous_year_end"
                for year in YEARS
            ]
        for policy_id, as_of in days:
            with progress.step("job", f"{policy_id} as of {as_of}: measured, decided, published"):
                staged = jobs.decide(
                    warehouse, policies[policy_id], jobs.measure(warehouse, policies, policy_id, as_of)
                )
                if jobs.needs_answer(staged):
                    jobs.answer(warehouse, staged, APPROVER, approved=True, comment="demo")
                jobs.publish(warehouse, policies[policy_id], staged)
        with progress.step("job", f"what is owed on {month} held against the limits"):
            jobs.watch_credit(warehouse, policies, month, here.reporting_currency)
        with progress.step("job", f"who is to be contacted by {month}, and how visits were spent"):
            jobs.follow_up(warehouse, policies, month)
        with progress.step("job", f"mails about {month} written"):
            jobs.write_reports(warehouse, here)
            jobs.send_reports(warehouse, here, None)
        start = batch.end


def _print_end(
    console: Console, folder: Path, warehouse: Database, progress: _Progress, policies: dict[str, Policy]
) -> None:
    from tiering.summary import mails_by_status, print_quarantine, print_tiers

    console.print()
    print_tiers(console, warehouse, policies)
    print_quarantine(console, warehouse)
    whole = time.perf_counter() - progress.start
    job = progress.seconds["job"]
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    console.print(f"[bold]Done in {whole:.1f} s[/], of which the job itself took {job:.1f} s ({job / whole:.0%}).")
    console.print("Where to look:")
    console.print(f"  {shown}/warehouse.duckdb   the tables (schema tiering; every column has a comment)")
    console.print(
        f"  {shown}/mail/              {sum(mails_by_status(warehouse).values())} mails: open an .html in a browser"
    )
    console.print(f"  {shown}/data_docs/index.html   what Great Expectations found")
    console.print("Approvals that the policies ask for were answered by the recorded demo approver (tiering.approval).")
