"""Publish: any order of runs ends in the same tables, a rerun or a refusal leaves what stands."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations

import pandas as pd
import pyarrow as pa
import pytest
from companies import (
    ENGINES,
    PUBLISHED,
    Warehouses,
    contents,
    demo_policies,
    loaded,
    publish,
    published,
    query,
    read_frame,
    shipped_policies,
    stage,
    warehouses,
)
from test_invariants import broken_invariants

from sql.connect import Database, connected, kept_open
from sql.errors import SupersedingInput, TieringError
from sql.facts import facts_through
from sql.publish import Publication, publish_run
from sql.review import Review, answer_requests, review_run
from sql.runs import Run, fail_attempt, run_id_of, stage_decisions
from transforms.changes import STORED, restore_indicators
from transforms.decide import Decided, decide_tiers
from transforms.policy import Policy, parse_policy

POLICIES = demo_policies()
DAYS = (date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28))
DAY = DAYS[1]

CONSUMED = {
    "customer_tier": "policy_id, customer_id, tier, tier_rank, computed_tier, status, score, since_on, "
    "as_of, next_review_on, completeness, policy_version, run_id",
    "customer_tier_history": "policy_id, customer_id, tier, computed_tier, status, valid_from, valid_to, run_id",
    "absence": "policy_id, customer_id, reason, valid_from, valid_to",
    "tier_change": "policy_id, as_of, revision, customer_id, from_tier, to_tier, direction, cause, drivers, "
    "account_manager_id, run_id",
    "decision": "policy_id, as_of, revision, customer_id, run_id, computed_tier, status, score, code, "
    "completeness, "
    "account_manager_id, input_hash",
    "exclusion": "policy_id, as_of, revision, customer_id, run_id, reason, account_manager_id, input_hash",
    "score_component": "policy_id, as_of, revision, customer_id, indicator, value, level, points, is_missing",
    "run": "policy_id, as_of, revision, run_id, status, policy_version, input_hash",
}


def consumed(database: Database, *tables: str) -> dict[str, list[str]]:
    """Return what consumers read, row by row, without the instants at which it was recorded."""
    found = {}
    with connected(database, "tests") as connection:
        for table in tables or CONSUMED:
            live = " WHERE superseded_at IS NULL" if table == "tier_change" else ""
            rows = connection.exec_driver_sql(f"SELECT {CONSUMED[table]} FROM tiering.{table}{live}")
            found[table] = sorted(repr(tuple(row)) for row in rows)
    return found


def _review(database: Database, policy_id: str, this: Run) -> Review:
    return review_run(database, POLICIES[policy_id], this)


@pytest.fixture(scope="module")
def decided(warehouses: Warehouses) -> dict[date, tuple[object, date, Decided]]:
    """What the pyramid decides on every day, so that an order of runs costs no measuring."""
    found = {}
    database = warehouses.loaded("duckdb")
    with connected(database, "tests") as connection:
        through = facts_through(connection)
    for day in DAYS:
        measurement, indicators = read_frame(database, POLICIES, "pyramid", day)
        frame = indicators.to_pandas(types_mapper=pd.ArrowDtype)
        found[day] = (measurement, through, decide_tiers(POLICIES["pyramid"], frame))
    warehouses.drop(database)
    return found  # type: ignore[return-value]


def _publish_decided(database: Database, policy: Policy, staged: tuple[object, date, Decided]) -> Publication:
    this = stage_decisions(database, policy, *staged)  # type: ignore[arg-type]
    review = review_run(database, policy, this)
    if review.requests:
        answer_requests(database, this, "tests", approved=True)
    return publish_run(database, policy, this, review)


def test_any_order_of_days_ends_in_the_same_tables(
    warehouses: Warehouses,
    decided: dict[date, tuple[object, date, Decided]],
) -> None:
    """All 24 orders of four days: whichever day comes last, a set of days ends in one state."""
    database = warehouses.empty("duckdb")
    states = {frozenset[date](): (database, consumed(database))}
    for size in range(1, len(DAYS) + 1):
        for days in map(frozenset, combinations(DAYS, size)):
            for last in sorted(days):
                copy = warehouses.new("duckdb", states[days - {last}][0])
                with kept_open(copy):
                    _publish_decided(copy, POLICIES["pyramid"], decided[last])
                    found = consumed(copy)
                    broken = set() if days in states else broken_invariants(copy)
                if days in states:
                    assert found == states[days][1], f"{sorted(days)}, {last} last"
                    warehouses.drop(copy)
                else:
                    assert broken == set()
                    states[days] = copy, found
    assert len(states) == 16
    assert {table for table, rows in found.items() if len(rows) < 10} == {"run"}


@pytest.mark.long
@pytest.mark.postgres
def test_two_orders_of_days_end_in_the_same_tables_on_postgresql(
    warehouses: Warehouses,
    decided: dict[date, tuple[object, date, Decided]],
) -> None:
    ends = []
    for order in (DAYS, (DAYS[2], DAYS[0], DAYS[3], DAYS[1])):
        database = warehouses.empty("postgresql")
        for day in order:
            assert _publish_decided(database, POLICIES["pyramid"], decided[day]).status == "published"
        assert broken_invariants(database) == set()
        ends.append(consumed(database))
        warehouses.drop(database)
    assert ends[0] == ends[1]


def test_both_engines_publish_the_same(warehouses: Warehouses) -> None:
    first, second = (consumed(warehouses.published_once(engine)) for engine in ("duckdb", "postgresql"))
    for table in CONSUMED:
        assert first[table] == second[table], table


def test_a_rerun_of_any_day_changes_no_row(published: Database) -> None:
    before = contents(published, "tiering", without=["run_attempt"])
    for policy_id, days in PUBLISHED.items():
        for day in days:
            this = stage(published, POLICIES, policy_id, day)
            assert this.is_noop
            assert publish_run(published, POLICIES[policy_id], this, Review({})).status == "noop"
    assert contents(published, "tiering", without=["run_attempt"]) == before
    outcomes = query(published, "SELECT outcome, COUNT(*) FROM tiering.run_attempt GROUP BY outcome ORDER BY outcome")
    runs = sum(map(len, PUBLISHED.values()))
    assert outcomes == [("noop", runs), ("published", runs)]
    assert query(published, "SELECT COUNT(*) FROM work.decided") == [(0,)]


def _first_is_best(frame: pd.DataFrame) -> pd.DataFrame:
    """Let the facts say that the last of the graded customers sold most."""
    changed = frame.copy()
    graded = changed.index[changed["is_graded"].fillna(False).astype(bool)]
    changed.loc[graded[-1], "sales_rank"] = 1
    return changed


def test_other_facts_are_refused_unless_the_run_restates(published: Database) -> None:
    before = contents(published, "tiering", without=["run_attempt"])
    with pytest.raises(SupersedingInput) as caught:
        publish(published, POLICIES, "pyramid", DAY, change=_first_is_best)
    assert "policy pyramid: 2025-12-31 is published, and the facts behind it changed since" in str(caught.value)
    assert "restate" in str(caught.value)
    assert contents(published, "tiering", without=["run_attempt"]) == before
    done = publish(published, POLICIES, "pyramid", DAY, change=_first_is_best, restate="late invoices")
    assert (done.status, done.run_id) == ("published", run_id_of("pyramid", DAY, 2))
    rows = query(
        published,
        "SELECT revision, status, reason FROM tiering.run WHERE policy_id = 'pyramid' AND as_of "
        "= DATE '2025-12-31' ORDER BY 1",
    )
    assert rows == [(1, "published", None), (2, "published", "late invoices")]
    kept = (
        "SELECT revision, COUNT(*) FROM tiering.decision WHERE policy_id = 'pyramid' AND as_of = "
        "DATE '2025-12-31' GROUP BY revision ORDER BY revision"
    )
    (_, first), (_, second) = query(published, kept)
    assert first == second
    assert set(before["tiering.decision"]) < set(contents(published, "tiering")["tiering.decision"])
    assert broken_invariants(published) == set()
    again = stage(published, POLICIES, "pyramid", DAY, change=_first_is_best)
    assert (again.is_noop, again.revision) == (True, 2)
    assert publish(published, POLICIES, "pyramid", DAY, restate="undone").run_id == run_id_of("pyramid", DAY, 3)
    after = consumed(published, "customer_tier", "absence")
    for table, rows_ in after.items():
        assert rows_ == sorted(before[f"tiering.{table}"]) or table == "customer_tier"
    tiers = "SELECT policy_id, customer_id, tier, valid_from, valid_to FROM tiering.customer_tier_history"
    assert len(query(published, tiers)) == len(before["tiering.customer_tier_history"])
    assert broken_invariants(published) == set()


def test_another_policy_text_is_named_as_the_cause(published: Database) -> None:
    text = POLICIES["pyramid"].text.replace("percent: 15", "percent: 25").replace("percent: 80", "percent: 70")
    changed = {"pyramid": parse_policy(text, "pyramid.yaml")}
    with pytest.raises(SupersedingInput, match="the policy behind it changed since"):
        publish(published, changed, "pyramid", DAYS[-1])
    publish(published, changed, "pyramid", DAYS[-1], restate="new shares")
    causes = query(
        published,
        "SELECT DISTINCT cause FROM tiering.tier_change WHERE policy_id = 'pyramid' AND revision "
        "= 2 AND superseded_at IS NULL",
    )
    assert ("policy",) in causes
    assert len(query(published, "SELECT 1 FROM tiering.policy_version WHERE policy_id = 'pyramid'")) == 2
    assert broken_invariants(published) == set()


def test_a_restatement_that_was_refused_opens_no_door(published: Database) -> None:
    policy = POLICIES["collection_classes"]
    year_end = PUBLISHED["collection_classes"][1]

    def pay(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(collection_rate=pd.array([1] * len(frame), dtype=pd.ArrowDtype(pa.decimal128(38, 18))))

    this = stage(published, POLICIES, policy.id, year_end, restate="late money", change=pay)
    review = _review(published, policy.id, this)
    assert review.requests
    answer_requests(published, this, "director", approved=False)
    with pytest.raises(SupersedingInput):
        stage(published, POLICIES, policy.id, year_end, change=pay)
    assert stage(published, POLICIES, policy.id, year_end).is_noop
    again = stage(published, POLICIES, policy.id, year_end, restate="late money", change=pay)
    assert again.revision == this.revision == 2


def test_a_refused_request_ends_the_run_and_changes_nothing_else(loaded: Database) -> None:
    policy = POLICIES["collection_classes"]
    this = stage(loaded, POLICIES, policy.id, DAY)
    review = _review(loaded, policy.id, this)
    assert [request.asked_of for request in review.requests] == ["sales_director", "general_manager"]
    assert review.counts["need_approval"] > 0
    assert {request.text for request in review.requests} == {f"{review.counts['need_approval']} customers in A"}
    ledger = ["run", "run_attempt", "approval", "measurement"]
    before = contents(loaded, "tiering", without=ledger)
    with pytest.raises(TieringError, match="not answered: .* customers in A; nothing was published"):
        publish_run(loaded, policy, this, review)
    answer_requests(loaded, this, "director", approved=False, comment="too many")
    with pytest.raises(TieringError, match="refused: .* customers in A; nothing was published"):
        publish_run(loaded, policy, this, review)
    assert contents(loaded, "tiering", without=ledger) == before
    assert query(loaded, "SELECT status, reason FROM tiering.run") == [("rejected", "refused by director")]
    assert query(loaded, "SELECT answer, comment, answered_by FROM tiering.approval ORDER BY step") == [
        ("rejected", "too many", "director"),
        ("rejected", "too many", "director"),
    ]
    assert query(loaded, "SELECT outcome FROM tiering.run_attempt") == [("rejected",)]


def test_a_request_stands_once_and_an_approval_publishes(loaded: Database) -> None:
    policy = POLICIES["collection_classes"]
    for _ in range(2):
        this = stage(loaded, POLICIES, policy.id, DAY)
        review = _review(loaded, policy.id, this)
    asked = query(loaded, "SELECT step, asked_of FROM tiering.approval ORDER BY step")
    assert asked == [(1, "sales_director"), (2, "general_manager")]
    answer_requests(loaded, this, "director", approved=True)
    assert publish_run(loaded, policy, this, review).status == "published"
    timings = query(loaded, "SELECT timings FROM tiering.run_attempt WHERE outcome = 'published'")
    assert [list(json.loads(text)) for (text,) in timings] == [["publish"]]
    assert publish_run(loaded, policy, this, review).status == "noop"
    assert broken_invariants(loaded) == set()


def test_a_stale_try_publishes_nothing(loaded: Database) -> None:
    policy = POLICIES["pyramid"]
    first = stage(loaded, POLICIES, "pyramid", DAY, change=_first_is_best)
    review = _review(loaded, "pyramid", first)
    second = stage(loaded, POLICIES, "pyramid", DAY)
    assert (first.attempt, second.attempt) == (1, 2)
    before = contents(loaded, "tiering")
    with pytest.raises(TieringError, match="try 1 is stale, try 2 has started; nothing was published"):
        publish_run(loaded, policy, first, review)
    assert contents(loaded, "tiering") == before
    assert publish_run(loaded, policy, second, _review(loaded, "pyramid", second)).status == "published"
    fail_attempt(loaded, first, "x" * 900)
    assert query(loaded, "SELECT attempt, outcome, LENGTH(error) FROM tiering.run_attempt ORDER BY attempt") == [
        (1, "failed", 500),
        (2, "published", None),
    ]


def test_the_breaker_holds_what_moves_too_many_and_new_customers_do_not_count(loaded: Database) -> None:
    policy = POLICIES["pyramid"]
    first = stage(loaded, POLICIES, "pyramid", DAYS[0] - timedelta(days=30), change=lambda frame: frame.iloc[::3])
    review = _review(loaded, "pyramid", first)
    assert (review.is_held, review.requests) == (False, ())  # everybody is new
    assert review.counts["appeared"] == review.counts["graded_now"] > 20
    publish_run(loaded, policy, first, review)
    second = stage(loaded, POLICIES, "pyramid", DAYS[0])
    review = _review(loaded, "pyramid", second)
    assert review.counts["appeared"] > review.counts["graded_before"] > 20
    assert review.counts["moved"] < 0.3 * review.counts["graded_before"]
    assert not review.is_held  # most are new
    publish_run(loaded, policy, second, review)

    def turn(frame: pd.DataFrame) -> pd.DataFrame:
        kind = frame["sales_rank"].dtype
        return frame.assign(sales_rank=(frame["customers"] + 1 - frame["sales_rank"]).astype(kind))

    this = stage(loaded, POLICIES, "pyramid", DAYS[1], change=turn)
    review = _review(loaded, "pyramid", this)
    assert review.is_held
    assert [request.asked_of for request in review.requests] == ["policy_owner"]
    assert review.requests[0].text.startswith(
        f"circuit breaker: {review.counts['moved']} of {review.counts['graded_before']} "
    )
    assert review.requests[0].text.endswith("more than 30 %")
    before = consumed(loaded)
    with pytest.raises(TieringError, match="not answered: circuit breaker"):
        publish_run(loaded, policy, this, review)
    assert consumed(loaded) == before
    held = query(loaded, "SELECT status, moved_customers FROM tiering.run WHERE as_of = DATE '2025-12-31'")
    assert held == [("held", review.counts["moved"])]
    answer_requests(loaded, this, "owner", approved=True)
    assert publish_run(loaded, policy, this, review).status == "published"
    assert query(loaded, "SELECT status FROM tiering.run WHERE as_of = DATE '2025-12-31'") == [("published",)]


@pytest.mark.parametrize("engine", ENGINES)
def test_put_back_the_drivers_put_the_tier_back(engine: str, warehouses: Warehouses) -> None:
    """Every live move between two tiers: its drivers alone, put back, give the tier before."""
    database = warehouses.published_once(engine)
    tried = 0
    for policy_id, days in PUBLISHED.items():
        ordered = sorted(days)
        for before, day in zip(ordered, ordered[1:], strict=False):
            moves = query(
                database,
                "SELECT customer_id, from_tier, drivers FROM tiering.tier_change WHERE policy_id "
                "= :policy_id "
                "AND as_of = :day AND superseded_at IS NULL AND direction IN ('up', 'down')",
                policy_id=policy_id,
                day=day,
            )
            now, then = (_indicators(database, policy_id, one) for one in (day, before))
            for customer_id, from_tier, drivers in moves:
                named = [driver["indicator"] for driver in json.loads(drivers)]
                assert named
                restored = now[now["account_id"] == customer_id].copy()
                for name in named:
                    restored[name] = then.loc[then["account_id"] == customer_id, name].to_numpy()
                    restored[name] = restored[name].astype(now[name].dtype)
                assert list(decide_tiers(POLICIES[policy_id], restored).decisions["computed_tier"]) == [from_tier]
                tried += 1
    assert tried > 30


def _indicators(database: Database, policy_id: str, day: date) -> pd.DataFrame:
    rows = query(
        database,
        "SELECT customer_id, indicator, value, value_text FROM tiering.score_component "
        "WHERE policy_id = :policy_id AND as_of = :day",
        policy_id=policy_id,
        day=day,
    )
    components = pd.DataFrame(rows, columns=["customer_id", "indicator", "value", "value_text"], dtype=object)
    return restore_indicators(POLICIES[policy_id], pa.Table.from_pandas(components, STORED, preserve_index=False))


def test_a_failure_inside_the_transaction_leaves_the_last_publication(
    published: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sql.publish

    policy = POLICIES["rfm_555"]
    this = stage(published, POLICIES, "rfm_555", DAYS[3])
    review = _review(published, "rfm_555", this)
    if review.requests:
        answer_requests(published, this, "owner", approved=True)
    before = contents(published, "tiering")
    steps = ("fold", "write", "write_changes", "_write_notices", "_write_outlook", "_write_classes", "_write_tasks")
    for name in ("keep_definitions", *steps, "finish_attempt"):
        real = getattr(sql.publish, name)

        def fail(*args: object, real: object = real, **keywords: object) -> None:
            real(*args, **keywords)  # type: ignore[operator]
            raise RuntimeError("killed")

        with monkeypatch.context() as patch:
            patch.setattr(sql.publish, name, fail)
            with pytest.raises(RuntimeError, match="killed"):
                publish_run(published, policy, this, review)
        assert contents(published, "tiering") == before, name
    assert publish_run(published, policy, this, review).status == "published"
    assert broken_invariants(published) == set()


def test_what_a_tier_means_is_kept_with_the_policy_version(warehouses: Warehouses) -> None:
    database = warehouses.published_once("duckdb")
    for policy in POLICIES.values():
        rows = query(
            database,
            "SELECT tier, tier_rank, title_en, title_zh, actions FROM tiering.tier_definition "
            "WHERE policy_id = :policy_id AND policy_version = :version ORDER BY tier_rank",
            policy_id=policy.id,
            version=policy.version,
        )
        assert [row[:4] for row in rows] == [
            (tier, rank, policy.tier_titles[tier]["en"], policy.tier_titles[tier]["zh"])
            for rank, tier in enumerate(policy.tiers, 1)
        ]
        assert [json.loads(row[4])["zh"] for row in rows] == [policy.actions[tier]["zh"] for tier in policy.tiers]
        text = query(database, "SELECT policy_text FROM tiering.policy_version WHERE policy_id = :id", id=policy.id)
        assert parse_policy(text[0][0], "as it ran").version == policy.version


@pytest.mark.parametrize("engine", ENGINES)
def test_every_shipped_policy_decides_or_excludes_everybody_in_scope(engine: str, warehouses: Warehouses) -> None:
    """All of them, on one company, each on the latest day of its calendar."""
    database = warehouses.everything_once(engine)
    with kept_open(database):
        assert broken_invariants(database) == set()
        runs = query(
            database,
            "SELECT run.policy_id, run.status, run.as_of, COUNT(scope.customer_id), COUNT(DISTINCT scope.customer_id) "
            "FROM tiering.run AS run JOIN (SELECT run_id, customer_id FROM tiering.decision "
            "UNION ALL SELECT run_id, customer_id FROM tiering.exclusion) AS scope ON scope.run_id = run.run_id "
            "GROUP BY run.policy_id, run.status, run.as_of",
        )
        measured = query(database, "SELECT DISTINCT grain, as_of, measured_rows FROM tiering.measurement")
        components = query(
            database,
            "SELECT policy_id, indicator, COUNT(*) FROM tiering.score_component GROUP BY policy_id, indicator",
        )
    accounts = {(grain, as_of): count for grain, as_of, count in measured}
    policies = shipped_policies()
    assert {row[0] for row in runs} == set(policies)
    counted = {}
    for policy_id, status, as_of, rows, customers in runs:
        assert (policy_id, status, rows) == (policy_id, "published", customers)
        assert (policy_id, rows) == (policy_id, accounts[policies[policy_id].grain, as_of])
        counted[policy_id] = rows
    assert {(policy_id, name): count for policy_id, name, count in components} == {
        (policy.id, name): counted[policy.id] for policy in policies.values() for name in policy.indicators
    }


@pytest.mark.postgres
def test_both_engines_publish_the_same_under_every_shipped_policy(warehouses: Warehouses) -> None:
    tables = [*CONSUMED, "customer_class", "task", "follow_up", "service_level", "class_definition", "tier_definition",
              "tier_outlook"]  # fmt: skip
    first, second = (_plain(warehouses.everything_once(engine), tables) for engine in ("duckdb", "postgresql"))
    for table in tables:
        assert first[table] == second[table], table
        assert first[table], table


def _plain(database: Database, tables: Sequence[str]) -> dict[str, list[str]]:
    found = consumed(database)
    others = contents(database, "tiering")
    return {table: found.get(table) or others[f"tiering.{table}"] for table in tables}


def test_a_run_id_names_policy_day_and_revision() -> None:
    ids = {run_id_of(policy, day, revision) for policy in ("a", "b") for day in DAYS for revision in (1, 2)}
    assert len(ids) == 16
    assert run_id_of("a", DAY, 1) == run_id_of("a", DAY, 1)
    this = Run("a", DAY, 1, "r", 1, "v", "h", 1, DAY)
    assert replace(this, is_noop=True) != this


def test_a_try_that_changes_nothing_ends_as_such_and_one_that_published_stays_so(loaded: Database) -> None:
    policy = POLICIES["pyramid"]
    first = stage(loaded, POLICIES, policy.id, DAY)
    review = _review(loaded, policy.id, first)
    assert publish_run(loaded, policy, first, review).status == "published"
    assert publish_run(loaded, policy, first, review).status == "noop"
    assert stage(loaded, POLICIES, policy.id, DAY).is_noop
    tries = query(loaded, "SELECT attempt, outcome, finished_at IS NULL FROM tiering.run_attempt ORDER BY attempt")
    assert tries == [(1, "published", False), (2, "noop", False)]
