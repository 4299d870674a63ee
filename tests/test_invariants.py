"""The invariants of the published tables: queries that return no rows, and proof that each can fail."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

from pathlib import Path

import pytest
from companies import ENGINES, Warehouses, query, warehouses

from sql.connect import Database, connected, kept_open
from sql.statements import run_text

QUERIES = {
    path.stem: path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("invariants/*.sql"))
}


def broken_invariants(database: Database) -> set[str]:
    """Return the names of the invariants that do not hold."""
    with connected(database, "tiering_warehouse") as connection:
        return {name for name, statement in QUERIES.items() if run_text(connection, statement).first() is not None}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", QUERIES)
def test_no_row_breaks_an_invariant(name: str, engine: str, warehouses: Warehouses) -> None:
    database = warehouses.published_once(engine)
    with connected(database, "tiering_warehouse") as connection:
        assert run_text(connection, QUERIES[name]).all() == []


@pytest.mark.parametrize("engine", ENGINES)
def test_there_is_something_to_hold_the_invariants_against(engine: str, warehouses: Warehouses) -> None:
    database = warehouses.published_once(engine)
    for table, least in {
        "customer_tier": 200, "customer_tier_history": 400, "absence": 20, "tier_change": 300,
        "decision": 500,
        "batch": 20, "quarantine": 40,
    }.items():  # fmt: skip
        assert query(database, f"SELECT COUNT(*) FROM tiering.{table}")[0][0] > least, table
    directions = query(database, "SELECT DISTINCT direction FROM tiering.tier_change WHERE superseded_at IS NULL")
    assert {row[0] for row in directions} == {"new", "up", "down", "left"}


SOMEBODY = "(SELECT MIN(customer_id) FROM tiering.customer_tier WHERE policy_id = 'pyramid')"
MOVED = (
    "(SELECT MIN(customer_id) FROM tiering.customer_tier_history WHERE policy_id = 'pyramid' AND valid_to IS NOT NULL)"
)
FIRST_SPELL = (
    f"policy_id = 'pyramid' AND customer_id = {MOVED} AND valid_to = (SELECT MIN(valid_to) FROM "
    f"tiering.customer_tier_history WHERE policy_id = 'pyramid' AND customer_id = {MOVED})"
)

# What is done to sound tables, and an invariant that must notice.
DAMAGE: dict[str, tuple[list[str], str]] = {
    "a state of movement with another tier": (
        ["UPDATE tiering.movement_state SET tier = 'B', computed_tier = 'B' WHERE tier = 'A'"],
        "movement_states_lead_the_history",
    ),
    "a doubled state of movement": (
        ["INSERT INTO tiering.movement_state SELECT * FROM tiering.movement_state WHERE tier IS NULL"],
        "movement_states_lead_the_history",
    ),
    "a lost current row": (
        [f"DELETE FROM tiering.customer_tier WHERE policy_id = 'pyramid' AND customer_id = {SOMEBODY}"],
        "current_is_the_open_spell",
    ),
    "a doubled current row": (
        [
            "INSERT INTO tiering.customer_tier SELECT * FROM tiering.customer_tier WHERE "
            f"policy_id = 'pyramid' AND customer_id = {SOMEBODY}"
        ],
        "current_is_unique",
    ),
    "another tier than the open spell": (
        ["UPDATE tiering.customer_tier SET tier = 'iron', tier_rank = 3 WHERE policy_id = 'pyramid' AND tier = 'lead'"],
        "current_is_the_open_spell",
    ),
    "a wrong rank": (
        ["UPDATE tiering.customer_tier SET tier_rank = 1 WHERE tier = 'lead'"],
        "current_rank_and_run",
    ),
    "a current row of an older day": (
        ["UPDATE tiering.customer_tier SET as_of = DATE '2025-11-30' WHERE policy_id = 'rfm_555'"],
        "current_rank_and_run",
    ),
    "a lost open spell": (
        [
            "DELETE FROM tiering.customer_tier_history WHERE valid_to IS NULL AND policy_id = "
            f"'pyramid' AND customer_id = {SOMEBODY}"
        ],
        "current_is_the_open_spell",
    ),
    "a lost closed spell": (
        [f"DELETE FROM tiering.customer_tier_history WHERE {FIRST_SPELL}"],
        "everybody_in_scope_is_somewhere",
    ),
    "a lost absence": (["DELETE FROM tiering.absence"], "everybody_in_scope_is_somewhere"),
    "an overlapping spell": (
        [f"UPDATE tiering.customer_tier_history SET valid_to = valid_to + 1 WHERE {FIRST_SPELL}"],
        "history_has_no_overlap_or_gap",
    ),
    "a gap": (
        [f"UPDATE tiering.customer_tier_history SET valid_to = valid_to - 1 WHERE {FIRST_SPELL}"],
        "history_has_no_overlap_or_gap",
    ),
    "a spell that ends and nothing follows": (
        [
            "UPDATE tiering.customer_tier_history SET valid_to = DATE '2026-03-31' WHERE "
            "policy_id = 'pyramid' AND valid_to IS NULL"
        ],
        "history_has_no_overlap_or_gap",
    ),
    "a day nobody published": (
        ["UPDATE tiering.absence SET valid_from = valid_from + 1"],
        "history_bounds_are_published_days",
    ),
    "a spell cut in two": (
        [
            "INSERT INTO tiering.customer_tier_history (policy_id, customer_id, tier, "
            "computed_tier, status, valid_from, "
            "valid_to, run_id) SELECT policy_id, customer_id, tier, computed_tier, status, DATE "
            "'2026-01-31', NULL, run_id "
            "FROM tiering.customer_tier_history WHERE policy_id = 'pyramid' AND valid_to IS NULL "
            "AND valid_from = DATE '2025-11-30'",
            "UPDATE tiering.customer_tier_history SET valid_to = DATE '2026-01-31' "
            "WHERE policy_id = 'pyramid' AND valid_to IS NULL AND valid_from = DATE '2025-11-30'",
        ],
        "history_has_no_equal_neighbours",
    ),
    "a customer in history and absence": (
        [
            "INSERT INTO tiering.absence (policy_id, customer_id, reason, valid_from) SELECT "
            "policy_id, customer_id, 'left', "
            "valid_from FROM tiering.customer_tier_history WHERE policy_id = 'pyramid' AND valid_to IS NULL"
        ],
        "everybody_in_scope_is_somewhere",
    ),
    "rows nobody can account for": (
        ["UPDATE tiering.quarantine SET batch_no = 7"],
        "ledger_of_quarantine_adds_up",
    ),
    "a fact that stands twice": (
        ["INSERT INTO facts.customers SELECT * FROM facts.customers"],
        "facts_stand_once",
    ),
    "a class of a policy without classes": (
        [
            "INSERT INTO tiering.customer_class (policy_id, customer_id, class, as_of, policy_version, run_id) "
            "SELECT policy_id, customer_id, tier, as_of, policy_version, run_id FROM tiering.customer_tier "
            f"WHERE policy_id = 'pyramid' AND customer_id = {SOMEBODY}"
        ],
        "classes_are_of_the_latest_day",
    ),
    "an outlook of an older run": (
        [
            "UPDATE tiering.tier_outlook SET run_id = (SELECT MIN(run_id) FROM tiering.run WHERE "
            "policy_id = 'rfm_555' AND as_of < DATE '2026-01-31') WHERE policy_id = 'rfm_555'"
        ],
        "outlooks_are_of_the_latest_run",
    ),
    "an outlook of somebody without a tier": (
        [
            "DELETE FROM tiering.customer_tier WHERE policy_id = 'rfm_555' AND customer_id IN "
            "(SELECT customer_id FROM tiering.tier_outlook WHERE policy_id = 'rfm_555')"
        ],
        "outlooks_are_of_the_latest_run",
    ),
    "a task of an older run": (
        [
            "INSERT INTO tiering.task (policy_id, customer_id, task, opened_on, due_on, done_by_contact, run_id) "
            "SELECT policy_id, customer_id, 'call', as_of, as_of, FALSE, run_id FROM tiering.decision "
            f"WHERE policy_id = 'pyramid' AND as_of = DATE '2026-01-31' AND customer_id = {SOMEBODY}"
        ],
        "tasks_are_of_the_latest_run",
    ),
    "a follow-up that nobody owes": (
        [
            "INSERT INTO tiering.follow_up (policy_id, customer_id, reason, due_on, overdue_days, as_of) "
            "SELECT policy_id, customer_id, 'call', as_of, 0, as_of FROM tiering.customer_tier "
            f"WHERE policy_id = 'pyramid' AND customer_id = {SOMEBODY}"
        ],
        "follow_ups_stand_once",
    ),
    "a grade that is provisional no more": (
        [
            "INSERT INTO tiering.provisional_grade (policy_id, customer_id, tier, since_on, reason, final_by, "
            "overdue_days, as_of) SELECT policy_id, customer_id, tier, since_on, 'review', next_review_on, 0, as_of "
            f"FROM tiering.customer_tier WHERE policy_id = 'pyramid' AND customer_id = {SOMEBODY}"
        ],
        "grades_are_of_provisional_tiers",
    ),
    "more visits than contacts": (
        [
            "INSERT INTO tiering.visit_plan VALUES ('pyramid', 'gold', 'M1', DATE '2026-01-01', DATE '2026-01-31', "
            "3, 2, 1, 2, DATE '2026-02-01')"
        ],
        "visit_plans_add_up",
    ),
    "a blacklisted caller before others": (
        [
            "INSERT INTO tiering.queue_priority (policy_id, customer_id, tier, queue_priority, is_blacklisted, "
            "queue_position, as_of, published_on) SELECT policy_id, customer_id, tier, 1, customer_id = "
            f"{SOMEBODY}, 1, as_of, as_of FROM tiering.customer_tier WHERE policy_id = 'pyramid'"
        ],
        "callers_stand_once",
    ),
    "equal inputs, different tiers": (
        ["UPDATE tiering.decision SET input_hash = 'x' WHERE policy_id = 'pyramid'"],
        "equal_inputs_get_equal_tiers",
    ),
    "a move without a change row": (
        ["DELETE FROM tiering.tier_change WHERE direction = 'up'"],
        "moves_have_change_rows",
    ),
    "a change row withdrawn by mistake": (
        ["UPDATE tiering.tier_change SET superseded_at = recorded_at WHERE direction = 'left'"],
        "moves_have_change_rows",
    ),
    "a change without a driver": (["UPDATE tiering.tier_change SET drivers = '[]'"], "change_rows_are_moves"),
    "a change that did not happen": (
        ["UPDATE tiering.tier_change SET to_tier = 'gold' WHERE policy_id = 'pyramid' AND to_tier = 'lead'"],
        "change_rows_are_moves",
    ),
    "a stale try that published": (
        [
            "INSERT INTO tiering.run_attempt (run_id, attempt, started_at) "
            "SELECT run_id, attempt + 1, started_at FROM tiering.run_attempt WHERE outcome = 'published'"
        ],
        "stale_tries_publish_nothing",
    ),
    "a cent of credit that was lost": (
        [
            "UPDATE tiering.credit_limit SET limit_amount = limit_amount - 0.01 "
            "WHERE customer_id = (SELECT MAX(customer_id) FROM tiering.credit_limit WHERE limit_amount > 0)"
        ],
        "limits_add_up_to_the_budget",
    ),
    "a limit of another tier": (
        ["UPDATE tiering.credit_limit SET class = 'A' WHERE class = 'D'"],
        "limits_are_of_the_tiers_in_force",
    ),
    "a tier without a limit": (
        [
            "DELETE FROM tiering.credit_limit "
            "WHERE customer_id = (SELECT MAX(customer_id) FROM tiering.credit_limit WHERE limit_amount = 0)"
        ],
        "limits_are_of_the_tiers_in_force",
    ),
    "a balance without a document": (
        ["UPDATE tiering.receivable_position SET balance = balance + 0.01"],
        "positions_add_up",
    ),
    "a change of another day": (
        ["UPDATE tiering.tier_change SET as_of = as_of - 1 WHERE policy_id = 'rfm_555'"],
        "change_rows_are_moves",
    ),
}

# What both engines' CHECKs refuse; PostgreSQL lets a test drop them.
UNCHECKED = {
    "a zero-length spell": (
        [f"UPDATE tiering.customer_tier_history SET valid_to = valid_from WHERE {FIRST_SPELL}"],
        "history_has_no_overlap_or_gap",
    ),
    "a ledger that does not add up": (
        ["UPDATE tiering.batch SET loaded_rows = loaded_rows + 1"],
        "ledger_adds_up",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_noticed(damage: str, warehouses: Warehouses) -> None:
    with kept_open(warehouses.published("duckdb")) as database:
        for statement in DAMAGE[damage][0]:
            query(database, statement)
        assert DAMAGE[damage][1] in broken_invariants(database)
    warehouses.drop(database)


@pytest.mark.postgres
@pytest.mark.parametrize("damage", UNCHECKED)
def test_damage_that_a_constraint_prevents_is_noticed_without_it(damage: str, warehouses: Warehouses) -> None:
    database = warehouses.published("postgresql")
    statements, invariant = UNCHECKED[damage]
    for statement in statements:
        with pytest.raises(Exception, match="violates check constraint"):
            query(database, statement)
    checks = query(
        database,
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c' AND "
        "connamespace = 'tiering'::regnamespace",
    )
    for table, name in checks:
        query(database, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for statement in statements:
        query(database, statement)
    assert invariant in broken_invariants(database)
    warehouses.drop(database)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "table", ["customer_tier", "customer_tier_history", "absence", "decision", "exclusion", "score_component"]
)
def test_postgresql_refuses_a_row_that_stands_already(table: str, warehouses: Warehouses) -> None:
    database = warehouses.published_once("postgresql")
    with pytest.raises(Exception, match="duplicate key value"):
        query(database, f"INSERT INTO tiering.{table} SELECT * FROM tiering.{table}")


def test_every_invariant_has_damage_that_it_notices() -> None:
    assert {invariant for _, invariant in [*DAMAGE.values(), *UNCHECKED.values()]} == set(QUERIES)
