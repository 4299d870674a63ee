"""Published worked examples of tiers that rise and fall: dated events through the whole job, by its DAGs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import airflow_case
import pytest
from companies import query

from transforms.policy_text import PolicyText

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

FOLDER = Path(__file__).parent / "goldens" / "journeys"
GOLDENS = PolicyText((FOLDER / "journeys.yaml").read_text(encoding="utf-8"), "journeys.yaml").data["goldens"]
MEMBERS = [(golden, member) for golden in GOLDENS for member in golden["members"]]

Notices = dict[tuple[str, str], list[list[Any]]]
"""Who is told after the run of a policy and a day: member, tier, falls to, on which day."""


def keep_books(path: Path) -> None:
    """Write the members of every golden and what they did into a DuckDB file."""
    import duckdb

    members, events = [], []
    for golden in GOLDENS:
        for number, member in golden["members"].items():
            registered = member.get("registered")
            members.append((number, golden["policy"], registered))
            happened = [(day, kind, Decimal(amount)) for day, kind, amount in member["events"]]
            happened += [(registered, "registration", Decimal(0))] if registered else []
            events += [(f"{number}-{place}", number, *event) for place, event in enumerate(happened, 1)]
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA books")
        connection.execute("CREATE TABLE books.member (member VARCHAR, programme VARCHAR, opened_on DATE)")
        connection.execute(
            "CREATE TABLE books.event "
            "(event_id VARCHAR, member VARCHAR, happened_on DATE, kind VARCHAR, amount DECIMAL(18, 2))"
        )
        connection.executemany("INSERT INTO books.member VALUES (?, ?, ?)", members)
        connection.executemany("INSERT INTO books.event VALUES (?, ?, ?, ?, ?)", events)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Notices]]:
    """The warehouse after every golden ran on its days, through the DAGs; and who was told what after each run."""
    from sql.connect import Database, kept_open

    folder = tmp_path_factory.mktemp("journeys")
    keep_books(folder / "source.duckdb")
    source = Database("duckdb", path=str(folder / "source.duckdb"))
    warehouse = Database("duckdb", path=str(folder / "warehouse.duckdb"))
    told: Notices = {}
    with pytest.MonkeyPatch.context() as patch:
        airflow_case.set_connections(patch, SOURCE=source, WAREHOUSE=warehouse)
        patch.setenv("TIERING_SOURCE", str(FOLDER / "source"))
        patch.setenv("TIERING_POLICIES", str(FOLDER / "policies"))
        patch.setenv("TIERING_DATA_DOCS_DIR", str(folder / "data_docs"))
        patch.setenv("TIERING_MAIL_DIR", str(folder / "mail"))
        airflow_case.bag.cache_clear()
        with kept_open(warehouse):
            run = airflow_case.run_dag("customer_facts", batch_start="2024-01-01", batch_end="2026-06-01")
            assert set(airflow_case.states(run).values()) == {"success"}
            for golden in GOLDENS:
                for each in golden["runs"]:
                    run = airflow_case.run_dag(f"tier__{golden['policy']}", as_of=each["as_of"])
                    assert airflow_case.states(run)["publish"] == "success", (golden["id"], each["as_of"])
                    told[golden["policy"], each["as_of"]] = [
                        [number, tier, to_tier, day.isoformat()]
                        for number, tier, to_tier, day in query(
                            warehouse,
                            "SELECT customer_id, tier, to_tier, falls_on FROM tiering.tier_notice "
                            "WHERE policy_id = :policy ORDER BY customer_id",
                            policy=golden["policy"],
                        )
                    ]
            yield warehouse, told
        airflow_case.bag.cache_clear()


def stories(warehouse: Any, policy: str) -> dict[str, list[list[Any]]]:
    """Return the history of a policy: by member the first days of its spells, tiers, computed tiers, statuses."""
    found: dict[str, list[list[Any]]] = defaultdict(list)
    end: dict[str, date | None] = {}
    for number, valid_from, valid_to, *content in query(
        warehouse,
        "SELECT customer_id, valid_from, valid_to, tier, computed_tier, status FROM tiering.customer_tier_history "
        "WHERE policy_id = :policy ORDER BY customer_id, valid_from",
        policy=policy,
    ):
        assert end.get(number, valid_from) == valid_from, f"{number}: a gap or an overlap at {valid_from}"
        end[number] = valid_to
        found[number].append([valid_from.isoformat(), *content])
    assert set(end.values()) <= {None}, "a spell that nothing follows has ended"
    return dict(found)


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: f"{golden['id']}: {golden['claim']}")
def test_a_published_journey_comes_out_day_by_day(played: tuple[Any, Notices], golden: dict[str, Any]) -> None:
    warehouse, _ = played
    expected = {number: member["spells"] for number, member in golden["members"].items()}
    assert stories(warehouse, golden["policy"]) == expected


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden["id"])
def test_every_move_is_told_once_with_its_cause(played: tuple[Any, Notices], golden: dict[str, Any]) -> None:
    found = query(
        played[0],
        "SELECT customer_id, CAST(as_of AS TEXT), from_tier, to_tier, cause FROM tiering.tier_change "
        "WHERE policy_id = :policy AND superseded_at IS NULL AND from_tier IS NOT NULL AND to_tier IS NOT NULL "
        "ORDER BY customer_id, as_of",
        policy=golden["policy"],
    )
    moves = [(number, *move) for number, member in golden["members"].items() for move in member["moves"]]
    assert found == sorted(moves)


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden["id"])
def test_who_will_fall_is_told_ahead_as_the_policy_says(played: tuple[Any, Notices], golden: dict[str, Any]) -> None:
    _, told = played
    expected = {each["as_of"]: each.get("notices", []) for each in golden["runs"]}
    assert {day: told[golden["policy"], day] for day in expected} == expected
