"""History in a warehouse: any sequence of runs, reruns, restatements, answers, grades and overrides ends as the model.

Each example is a policy of its own in one warehouse, and each of its customers a sequence of its own.
"""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

import history_model
import pytest
from companies import ENGINES, Warehouses, query, stage_rows, warehouses
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from test_history import CUSTOMERS, EVENTS, FIRST, RULES, TIERS, Kept, day, findings
from test_invariants import broken_invariants

import sql.history
import sql.publish
from sql.connect import Database, connected, kept_open
from sql.publish import publish_people, publish_run
from sql.review import answer_requests, review_run
from sql.runs import run_id_of
from transforms.movement import Finding, Rules
from transforms.policy import Policy, parse_policy

SEQUENCES = 200
"""Asked of each engine at least: an example is one for each customer."""
EXAMPLES = -(-SEQUENCES // len(CUSTOMERS))

_numbers = itertools.count(1)

TEXT = """
id: sequence_{number}
title: {{en: A sequence}}
ref: T
grain: customer
schedule: "0 6 * * *"
as_of: run_day
tiers: [A, B, C, D]
indicators:
  level:   {{measure: net_sales, window: 12 months}}
  refunds: {{measure: net_sales, window: 1 month}}
  bought:  {{measure: net_sales, window: ever}}
  tenure:  {{measure: tenure_months, unit: months}}
gate: {{has_bought: bought > 0}}
decide:
  bands:
    of: level
    tiers: [{{tier: A, at_least: 4}}, {{tier: B, at_least: 3}}, {{tier: C, at_least: 2}}, {{tier: D}}]
provisional: tenure < 6
movement: {movement}
review: {review}
"""


def policy_of(rules: Rules, number: int) -> Policy:
    """Return a policy that says what the rules say; everything is published while people are asked."""
    movement = {**rules.movement.model_dump(exclude_defaults=True), "down_at_once": "refunds > 0"}
    asked = [tier for tier in TIERS if tier in rules.approved]
    approve = {"tiers": asked, "by": ["director"], "asks": rules.asks, "meanwhile": "pending"}
    review = f"{{approve: {_flow(approve)}}}" if asked else "{}"
    return parse_policy(TEXT.format(number=number, movement=_flow(movement), review=review), "a sequence")


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value)


class Warehouse(Kept):
    """The same things, done to a warehouse."""

    def __init__(self, database: Database, ids: dict[str, str], rules: Rules) -> None:
        super().__init__(rules)
        self.database, self.ids, self.policy = database, ids, policy_of(rules, next(_numbers))
        self.people_days: set[date] = set()

    def run(self, when: date, found: dict[str, Finding], run_id: str) -> None:
        """Publish a run; one that repeats what is published changes nothing."""
        rows = [
            {
                "account_id": self.ids[name],
                "level": None if finding.computed_tier is None else 4 - TIERS.index(finding.computed_tier),
                "refunds": int(finding.is_at_once),
                "bought": 0 if finding.computed_tier is None else 1,
                "tenure": 3 if finding.status == "provisional" else 30,
            }
            for name, finding in found.items()
        ]
        rows = [{**row, "level": row["level"] or 0} for row in rows]
        held = {self.ids[name]: finding.held_because for name, finding in found.items() if finding.held_because}
        for is_rerun in (False, True):
            this = stage_rows(self.database, self.policy, when, rows, restate="asked to", held=held)
            if is_rerun:
                assert this.is_noop
            elif not this.is_noop:
                review = review_run(self.database, self.policy, this)
                assert publish_run(self.database, self.policy, this, review).status == "published"
                self.known.runs[when] = found
                self.known.run_ids[when] = self.days[when] = this.run_id
                for asked in [place for place in self.known.answers if place[0] == when]:
                    del self.known.answers[asked]  # what was said of the revision before says nothing of this one

    def happen(self, kind: str, when: date, chance: Random, number: int) -> None:
        """As before; what people say goes into their tables."""
        before = dict(self.grades), list(self.known.overrides), dict(self.known.answers)
        super().happen(kind, when, chance, number)
        if kind in ("run", "people"):
            return
        with connected(self.database, "tests") as connection:
            self._hand_in(connection, *before)
        super().people(through=max([*self.days, when]))
        self.publish_people(max([*self.days, when]))

    def _hand_in(
        self,
        connection: Connection,
        grades: dict[tuple[date, str], str],
        overrides: list[tuple[str, str, date, date | None]],
        answers: dict[tuple[date, str], tuple[bool, date]],
    ) -> None:
        """Write what people said since, beside what is given; an answer that nobody asked for is forgotten."""
        key = {"policy_id": self.policy.id}
        new = [
            {**key, "id": self.ids[customer], "tier": tier, "begin": begin, "end": end or begin + timedelta(days=700)}
            for customer, tier, begin, end in self.known.overrides[len(overrides) :]
        ]
        graded = [
            {**key, "as_of": as_of, "id": self.ids[customer], "tier": tier}
            for (as_of, customer), tier in self.grades.items()
            if grades.get((as_of, customer)) != tier
        ]
        statements = {
            "INSERT INTO tiering.override (policy_id, customer_id, tier, reason, requested_by, approved_by, "
            "valid_from, valid_to) VALUES (:policy_id, :id, :tier, 'image', 'sales', 'director', :begin, :end)": new,
            "DELETE FROM tiering.grade WHERE policy_id = :policy_id AND as_of = :as_of AND customer_id = :id": [
                {name: row[name] for name in ("policy_id", "as_of", "id")} for row in graded
            ],
            "INSERT INTO tiering.grade (policy_id, as_of, customer_id, stage, tier, graded_by, graded_on) "
            "VALUES (:policy_id, :as_of, :id, 'final', :tier, 'committee', :as_of)": graded,
        }
        for statement, rows in statements.items():
            if rows:
                connection.execute(text(statement), rows)
        answer = text(
            "UPDATE tiering.approval_customer SET is_approved = :word, effective_on = :on_day "
            "WHERE run_id = :run_id AND customer_id = :id RETURNING 1"
        )
        for place in [place for place in self.known.answers if place not in answers]:
            word, on = self.known.answers[place]
            said = {"run_id": self.days[place[0]], "id": self.ids[place[1]], "word": word, "on_day": on}
            if connection.execute(answer, said).first() is None:
                del self.known.answers[place]

    def people(self, through: date) -> None:
        """Nothing yet: the tables do not hold what people said."""

    def publish(self, start: date, through: date | None = None, only: set[str] | None = None) -> None:
        """Publishing is the warehouse's."""

    def publish_people(self, through: date) -> None:
        self.through = max(through, getattr(self, "through", through))
        publish_people(self.database, self.policy, through)
        assert publish_people(self.database, self.policy, through).status == "noop"

    def history(self) -> list[tuple[Any, ...]]:
        """Return what stands in the warehouse, with the model's names."""
        names = {number: name for name, number in self.ids.items()}
        days = [FIRST + timedelta(days=number) for number in range(400)]
        people = {run_id_of(self.policy.id, when, 0): when for when in days}
        rows = query(
            self.database,
            "SELECT customer_id, tier, computed_tier, status, NULL, valid_from, valid_to, run_id "
            "FROM tiering.customer_tier_history WHERE policy_id = :policy_id UNION ALL "
            "SELECT customer_id, NULL, NULL, NULL, reason, valid_from, valid_to, NULL "
            "FROM tiering.absence WHERE policy_id = :policy_id",
            policy_id=self.policy.id,
        )
        plain = [
            (
                names[row[0]],
                *row[1:7],
                f"people {people[row[7]]}" if row[7] in people else row[7],
            )
            for row in rows
        ]
        return sorted(plain, key=lambda row: (row[0], row[5]))


class Counted:
    """Whom a run looks at, and how many runs did not look at everybody."""

    def __init__(self, function: Callable[..., set[str] | None]) -> None:
        self.function, self.some = function, 0

    def __call__(self, *arguments: Any) -> set[str] | None:
        found = self.function(*arguments)
        self.some += found is not None and len(found) < len(CUSTOMERS)
        return found


@pytest.fixture(scope="module", params=ENGINES)
def books(request: pytest.FixtureRequest, warehouses: Warehouses) -> Iterator[tuple[Database, dict[str, str]]]:
    """A warehouse whose facts know some customers, and their names here.

    Of a run, only who is not settled is looked at, however many they are; what that leaves out is told at the end.
    """
    database = warehouses.loaded(request.param)
    with kept_open(database), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql.history, "MOST", 1)
        counted = Counted(sql.history.read_differing)
        patch.setattr(sql.publish, "read_differing", counted)
        known = query(database, "SELECT DISTINCT customer_id FROM facts.customers ORDER BY 1")
        yield database, dict(zip(CUSTOMERS, (row[0] for row in known[: len(CUSTOMERS)]), strict=True))
    assert counted.some, "runs that left somebody out"


@settings(  # to shrink an example would take a publication per step: test_history shrinks the same ones in memory
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(rules=RULES, events=EVENTS)
def test_any_sequence_ends_in_the_history_from_scratch(
    books: tuple[Database, dict[str, str]], rules: Rules, events: list[tuple[str, int, int]]
) -> None:
    kept = Warehouse(*books, rules)
    for number, (kind, place, chance) in enumerate(events):
        kept.happen(kind, day(place), Random(chance), number)
    if kept.known.runs:
        kept.publish_people(day(40))
        kept.days[day(40)] = "the last day"
        assert kept.history() == history_model.history(kept.snapshot())


def test_the_warehouse_is_whole_afterwards(books: tuple[Database, dict[str, str]]) -> None:
    database, _ = books
    assert query(database, "SELECT COUNT(*) FROM tiering.run")[0][0] > EXAMPLES
    assert broken_invariants(database) == set()
