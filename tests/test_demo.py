"""`tiering demo`, as a person runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from sql.connect import Database, connected
from sql.statements import run


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("demo") / "left"
    command = [sys.executable, "-m", "tiering.cli", "demo", "--folder", str(folder)]
    return folder, subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)


def rows(folder: Path, name: str) -> list[tuple]:
    with connected(Database("duckdb", path=str(folder / "warehouse.duckdb")), "tiering_warehouse") as connection:
        return [tuple(row) for row in run(connection, f"warehouse/{name}.sql")]


def test_it_ends_well_and_says_where_to_look(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = demo
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Where to look" in done.stdout
    assert re.search(r"Done in \d+\.\d s, of which the job itself took", done.stdout)
    for name in ("warehouse.duckdb", "mail", "data_docs/index.html"):
        assert (folder / name).exists()


def test_four_consecutive_month_ends_and_two_year_ends_have_movers_in_every_policy(demo) -> None:
    folder, _ = demo
    days: dict[str, list] = {}
    moved: dict[str, int] = {}
    for policy_id, as_of, _, _, up, down, _, _ in rows(folder, "read_direction_counts"):
        days.setdefault(policy_id, []).append(str(as_of))
        moved[policy_id] = moved.get(policy_id, 0) + up + down
    months = ["2025-12-31", "2026-01-31", "2026-02-28", "2026-03-31"]
    assert set(months) <= set(days["rfm_555"])
    assert set(months) <= set(days["pyramid"])
    assert days["collection_classes"] == ["2024-12-31", "2025-12-31"]
    assert min(moved.values()) > 0


def test_the_approver_is_recorded_and_new_customers_do_not_trip_the_breaker(demo) -> None:
    folder, _ = demo
    from sqlalchemy import text

    with connected(Database("duckdb", path=str(folder / "warehouse.duckdb")), "tiering_warehouse") as connection:
        found = connection.execute(
            text("SELECT as_of, request, asked_of, answered_by, answer FROM tiering.approval ORDER BY as_of, step")
        ).all()
    assert {row.answered_by for row in found} == {"demo approver"}
    assert {row.answer for row in found} == {"approved"}
    # On the first day everybody is new: the policy asks for its A class, the breaker does not.
    first = [row for row in found if str(row.as_of) == "2024-12-31"]
    assert [row.asked_of for row in first] == ["sales_director", "general_manager"]
    assert not any(row.request.startswith("circuit breaker") for row in first)


def test_every_mail_is_a_file_twice_and_none_names_two_managers(demo) -> None:
    folder, _ = demo
    mails = sorted((folder / "mail").glob("*.eml"))
    assert len(mails) == sum(number for _, number in rows(folder, "read_mail_counts"))
    assert all(path.with_suffix(".html").exists() for path in mails)


def test_data_docs_name_no_customer(demo) -> None:
    folder, _ = demo
    from sqlalchemy import text

    with connected(Database("duckdb", path=str(folder / "warehouse.duckdb")), "tiering_warehouse") as connection:
        names = {row.name.strip() for row in connection.execute(text("SELECT DISTINCT name FROM facts.customers"))}
    pages = "".join(path.read_text(encoding="utf-8") for path in (folder / "data_docs").rglob("*.html"))
    assert pages
    assert [name for name in names if name in pages] == []
