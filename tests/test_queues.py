"""Queues: callers stand as the policy says, who is blacklisted behind everybody; the file says what the table says."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from companies import ROOT, empty, fresh, policies_for, publish_rows, query, tell, warehouses

from sql.connect import Database, connected
from sql.queues import COLUMNS, drop_other_queues, export_queues, write_queue
from tests.indicator_frames import CASES
from transforms.policy import Policy, parse_policy

CALLS = policies_for("call_service")["call_service"]
BEFORE, DAY, LATER = date(2025, 12, 31), date(2026, 1, 20), date(2026, 3, 1)
SALES = {"vip": 600_000, "mid": 200_000, "ordinary": 10}


def know(database: Database, number: str, *, blocked: bool | None = None, **more: Any) -> None:
    customer = {"customer_id": number, "name": number, "account_manager_id": "M1", "holds_from": BEFORE}
    tell(database, "customers", [{**customer, "is_blocked": blocked, **more}])


def publish(database: Database, policy: Policy, tiers: Mapping[str, str], day: date = BEFORE) -> None:
    rows = [{"account_id": number, "net_sales": Decimal(SALES[tier])} for number, tier in tiers.items()]
    assert publish_rows(database, policy, day, rows).status == "published"


def queue(database: Database, policy: Policy = CALLS, day: date = DAY) -> list[tuple[Any, ...]]:
    """Write the order of a day and return it, who is served first to the front."""
    with connected(database, "tiering_warehouse") as connection:
        rows = write_queue(connection, policy, day)
        drop_other_queues(connection, day)
    found = query(
        database,
        "SELECT customer_id, tier, queue_priority, is_blacklisted, queue_position FROM tiering.queue_priority "
        "WHERE policy_id = :id AND as_of = :day ORDER BY queue_position, customer_id",
        id=policy.id,
        day=day,
    )
    assert len(found) == rows
    return found


def test_callers_stand_by_priority_and_the_blacklist_behind_everybody(empty: Database) -> None:
    for number, blocked in (("V1", None), ("V2", True), ("M1", False), ("O1", None), ("B1", True), ("N1", False)):
        know(empty, number, blocked=blocked)
    publish(empty, CALLS, {"V1": "vip", "V2": "vip", "M1": "mid", "O1": "ordinary"})
    assert queue(empty) == [
        ("V1", "vip", 1, False, 1),
        ("M1", "mid", 2, False, 2),
        ("O1", "ordinary", 3, False, 3),
        ("B1", None, None, True, 5),
        ("V2", "vip", 1, True, 5),
    ]
    assert query(empty, "SELECT DISTINCT as_of, published_on FROM tiering.queue_priority") == [(DAY, BEFORE)]


def test_the_blacklist_is_that_of_the_day_and_moves_no_tier(empty: Database) -> None:
    know(empty, "V1", blocked=False)
    know(empty, "V1", blocked=True, holds_from=LATER)
    publish(empty, CALLS, {"V1": "vip"})
    assert queue(empty, day=LATER.replace(day=2)) == [("V1", "vip", 1, True, 5)]
    assert queue(empty) == [("V1", "vip", 1, False, 1)]
    assert query(empty, "SELECT tier FROM tiering.customer_tier") == [("vip",)]


def test_who_is_gone_or_erased_is_not_listed_and_a_merged_number_is_served_like_its_successor(empty: Database) -> None:
    for number, blocked in (("V1", None), ("G1", True), ("E1", True), ("O2", None), ("X1", True)):
        know(empty, number, blocked=blocked)
    publish(empty, CALLS, {"V1": "vip"})
    query(
        empty,
        "INSERT INTO tiering.missing_customer (customer_id, missing_since, missing_in, extracts, gone_on, gone_in) "
        "VALUES ('G1', DATE '2026-01-01', 0, 3, DATE '2026-01-03', 0)",
    )
    at = "TIMESTAMPTZ '2026-01-05 00:00:00+00'"
    query(empty, f"INSERT INTO tiering.erasure VALUES ('E1', DATE '2026-01-02', 'x', 'x', '{{}}', 0, {at})")
    for number in ("O2", "X1"):
        merge = f"(:id, 'V1', DATE '2026-01-05', 'x', 'x', 'y', NULL, 0, {at})"
        query(empty, f"INSERT INTO tiering.customer_merge VALUES {merge}", id=number)
    assert queue(empty) == [("O2", "vip", 1, False, 1), ("V1", "vip", 1, False, 1), ("X1", "vip", 1, True, 5)]


def test_a_tier_without_a_priority_stands_behind_those_with_one(empty: Database) -> None:
    text = CALLS.text.replace("queue_priority: 2, ", "").replace("queue_priority: 3, ", "")
    few = parse_policy(text, "call_service.yaml")
    for number in ("V1", "M1", "B1"):
        know(empty, number, blocked=number == "B1")
    publish(empty, few, {"V1": "vip", "M1": "mid"})
    assert queue(empty, few) == [
        ("V1", "vip", 1, False, 1),
        ("M1", "mid", None, False, 2),
        ("B1", None, None, True, 3),
    ]


def test_priorities_are_those_that_were_published(empty: Database) -> None:
    know(empty, "V1")
    publish(empty, CALLS, {"V1": "vip"})
    edited = parse_policy(CALLS.text.replace("queue_priority: 1", "queue_priority: 3"), "call_service.yaml")
    assert queue(empty, edited) == [("V1", "vip", 1, False, 1)]
    none = parse_policy(CALLS.text.replace("queue_priority", "span"), "call_service.yaml")
    publish(empty, none, {"V1": "vip"}, day=date(2026, 1, 31))
    assert queue(empty, none, day=LATER) == []
    assert query(empty, "SELECT COUNT(*) FROM tiering.queue_priority") == [(0,)]


def test_before_anything_is_published_there_is_no_order(empty: Database) -> None:
    know(empty, "B1", blocked=True)
    assert queue(empty) == []
    publish(empty, CALLS, {"B1": "vip"}, day=LATER)
    assert queue(empty) == [], "published later"


def test_a_payer_and_those_it_pays_for_are_served_alike(empty: Database) -> None:
    payers = parse_policy(CALLS.text.replace("grain: customer", "grain: bill_to"), "call_service.yaml")
    know(empty, "P1")
    know(empty, "S1", bill_to_id="P1")
    know(empty, "S2", bill_to_id="P1", blocked=True)
    publish(empty, payers, {"P1": "mid"})
    assert queue(empty, payers) == [("P1", "mid", 2, False, 2), ("S1", "mid", 2, False, 2), ("S2", "mid", 2, True, 5)]


# The file.


def read(folder: Path) -> tuple[str, list[list[str]]]:
    (path,) = folder.iterdir()
    return path.name, list(csv.reader(StringIO(path.read_bytes().decode("utf-8"), newline="")))


def test_the_file_says_what_the_table_says(empty: Database, tmp_path: Path) -> None:
    for number, blocked in (("00123", None), ("V2", True), ("B1", True), ("=1+1", None), ("-7", None)):
        know(empty, number, blocked=blocked)
    publish(empty, CALLS, {"00123": "vip", "V2": "vip", "=1+1": "mid", "-7": "ordinary"})
    rows = queue(empty)
    folder = tmp_path / "export"
    assert export_queues(empty, folder) == {"queue-priority-call_service-2025-12-31.csv": 5}
    name, lines = read(folder)
    assert name == "queue-priority-call_service-2025-12-31.csv"
    assert tuple(lines[0]) == COLUMNS == ("customer_id", "tier", "queue_priority", "blacklisted")
    assert [(line[0].removeprefix("'"), line[1] or None, int(line[2]) if line[2] else None, line[3] == "true")
            for line in lines[1:]] == [row[:4] for row in rows]  # fmt: skip
    assert [line[0] for line in lines[1:]] == ["00123", "'=1+1", "'-7", "B1", "V2"]
    content = (folder / name).read_bytes()
    know(empty, "00123", blocked=True, holds_from=DAY)
    queue(empty)
    export_queues(empty, folder)
    name, lines = read(folder)
    assert name == "queue-priority-call_service-2025-12-31.csv", "the file of the published day is replaced"
    assert lines[-3:] == [["00123", "vip", "1", "true"], ["B1", "", "", "true"], ["V2", "vip", "1", "true"]]
    assert (folder / name).read_bytes() != content


KILLED = """
import os, signal, sys
from pathlib import Path
from sql.connect import Database
from sql.queues import export_queues

write = Path.write_bytes
def write_half(path, content):
    write(path, content[:20])
    os.kill(os.getpid(), signal.SIGKILL)
Path.write_bytes = write_half
export_queues(Database("duckdb", path=sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("engine_name", ["duckdb"])
def test_a_killed_export_leaves_the_file_before_and_the_next_one_is_whole(fresh: Database, tmp_path: Path) -> None:
    know(fresh, "V1")
    publish(fresh, CALLS, {"V1": "vip"})
    queue(fresh)
    export_queues(fresh, tmp_path)
    _, before = read(tmp_path)
    know(fresh, "V1", blocked=True, holds_from=DAY)
    queue(fresh)
    killed = subprocess.run([sys.executable, "-c", KILLED, fresh.path, str(tmp_path)], cwd=ROOT, check=False)  # noqa: S603
    assert killed.returncode == -signal.SIGKILL
    (path,) = tmp_path.glob("queue*.csv")
    assert list(csv.reader(StringIO(path.read_text(encoding="utf-8")))) == before
    export_queues(fresh, tmp_path)
    _, after = read(tmp_path)
    assert [line[3] for line in after[1:]] == ["true"] != [line[3] for line in before[1:]]
