"""History: any sequence of runs, absences, restatements, answers and overrides ends as from all that is known."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any

import history_model
import pandas as pd
from history_model import Snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.fold import SPELL_COLUMNS
from transforms.history import STATE_COLUMNS, History, Known, fold_decisions
from transforms.movement import Finding, Movement, Rules

FIRST = date(2025, 10, 20)
TIERS = ("A", "B", "C", "D")
SEQUENCES = int(os.environ.get("TIERING_TEST_SEQUENCES", "10000"))


def day(number: int) -> date:
    """Return a day of a grid of five days, so that what happens often falls on one day, or on the edge of a rule."""
    return FIRST + timedelta(days=5 * number)


# ---- what a policy says, and what happens


MOVEMENTS = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {},
        optional={
            "up": st.integers(1, 3).map(lambda number: {"after": number}),
            "down": st.integers(1, 3).map(lambda number: {"after": number}),
            "max_steps_down": st.integers(1, 2),
            "min_stay": st.sampled_from(["10 days", "20 days", "1 month"]),
            "grace": st.sampled_from(["5 days", "10 days", "1 month"]),
        },
    ),
    st.fixed_dictionaries(
        {"period": st.sampled_from(["calendar_year", "anniversary", "10 days", "25 days", "1 month"])},
        optional={"max_steps_down": st.just(1), "up": st.just({"after": 2})},
    ),
)
RULES = st.builds(
    lambda movement, approved, asks: Rules(TIERS, Movement(**movement), frozenset(approved), asks),
    MOVEMENTS,
    st.sampled_from([(), (), ("A",), ("A", "B"), ("B",)]),
    st.sampled_from(["all", "entering"]),
)
CUSTOMERS = tuple(f"c{number:02}" for number in range(64))
KINDS = ("run", "run", "run", "run", "answer", "override", "grade")
EVENTS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 16), st.integers(0, 2**32)), min_size=3, max_size=11)
"""What happens, on which day, and the seed of the rest: each customer has a sequence of its own."""


def findings(chance: Random) -> dict[str, Finding]:
    """Return what a run finds: one in eight is not in scope, one in eight not graded."""
    found = {}
    for customer in CUSTOMERS:
        kind = chance.randrange(8)
        if kind == 0:
            continue
        if kind == 1:
            found[customer] = Finding(None, None, "gate:has_bought")
            continue
        held = "sales: quarantined" if chance.randrange(8) == 0 else None
        status = "provisional" if chance.randrange(5) == 0 else "final"
        found[customer] = Finding(chance.choice(TIERS), status, None, held, chance.randrange(8) == 0)
    return found


class Kept:
    """What a warehouse keeps of one policy, written by increments: decisions, spells, states of movement."""

    def __init__(self, rules: Rules, fold: Callable[..., History] = fold_decisions) -> None:
        self.rules, self.fold = rules, fold
        self.known = Snapshot(rules)
        self.grades: dict[tuple[date, str], str] = {}
        self.days: dict[date, str] = {}
        self.spells: dict[tuple[str, date], tuple[Any, ...]] = {}
        self.states: dict[tuple[str, date], tuple[Any, ...]] = {}

    def happen(self, kind: str, when: date, chance: Random, number: int) -> None:
        """Let one thing happen, as the scheduled tasks would: publish from the day it concerns."""
        if kind == "run":
            self.run(when, findings(chance), f"run {number}")
            return
        some = [customer for customer in CUSTOMERS if chance.randrange(4) == 0]
        if kind == "override":
            ends = [when + timedelta(days=5 * chance.randrange(1, 10)) if chance.randrange(3) else None for _ in some]
            new = [(customer, chance.choice(TIERS), when, end) for customer, end in zip(some, ends, strict=True)]
            self.known.overrides = [*self.known.overrides, *new]
        elif kind == "grade":
            self.grades |= {(when, customer): chance.choice(TIERS) for customer in some}
        elif runs := [run for run in self.known.runs if run <= when]:
            for customer in some:
                answer = chance.randrange(2) == 0, max(runs) + timedelta(days=5 * chance.randrange(8))
                self.known.answers.setdefault((max(runs), customer), answer)
        self.people(through=max([*self.days, when]))

    def run(self, when: date, found: dict[str, Finding], run_id: str) -> None:
        """Publish a run, which may be a restatement."""
        self.known.runs[when] = found
        self.known.run_ids[when] = self.days[when] = run_id
        self.publish(when)

    def people(self, through: date) -> None:
        """Put what people decided into force, for whom it concerns, from the last run before it."""
        runs = sorted(self.known.runs)
        concerned = [(customer, begun) for customer, _, begun, _ in self.known.overrides]
        concerned += [(customer, when) for when, customer in self.grades]
        concerned += [(customer, run) for run, customer in self.known.answers]
        if not runs or not concerned:
            return
        first = min(when for _, when in concerned)
        start = max((run for run in runs if run <= first), default=runs[0])
        self.publish(start, through, {customer for customer, _ in concerned})

    def publish(self, start: date, through: date | None = None, only: set[str] | None = None) -> None:
        def mine(rows: Any) -> list[Any]:
            return [row for row in rows if only is None or row[0] in only]

        runs = [run for run in self.known.runs if run >= start]
        found = [
            (run, name, f.computed_tier, f.status, f.reason, f.held_because, f.is_at_once)
            for run in runs
            for name, f in self.known.runs[run].items()
            if only is None or name in only
        ]
        spells = mine(row for row in self.spells.values() if row[6] is None or row[6] >= start)
        states = mine(row for row in self.states.values() if row[2] is None or row[2] >= start)
        answers = [(run, name, *word) for (run, name), word in self.known.answers.items() if run >= start]
        answers = [row for row in answers if only is None or row[1] in only]
        known = Known(
            dict.fromkeys(runs, self.rules),
            {when: run_id for when, run_id in self.days.items() if when >= start},
            _frame(found, "as_of", "customer_id", "computed_tier", "status", "reason", "held_because", "is_at_once"),
            _frame([(*place, tier) for place, tier in self.grades.items()], "as_of", "customer_id", "graded_tier"),
            _frame(answers, "as_of", "customer_id", "is_approved", "effective_on"),
            _frame(mine(self.known.overrides), "customer_id", "tier", "valid_from", "valid_to"),
            _frame(spells, *SPELL_COLUMNS),
            _frame(states, *STATE_COLUMNS),
            self._since(start),
        )
        done = self.fold(known, through or max(self.days), lambda when: f"people {when}")
        for row in spells:
            del self.spells[row[0], row[5]]
        for row in states:
            del self.states[row[0], row[1]]
        assert not set(done.spells) & set(self.spells)
        self.spells |= done.spells
        self.states |= done.states
        self.days |= {when: f"people {when}" for when in done.effects - set(self.days)}

    def _since(self, start: date) -> Callable[[], dict[str, date]]:
        def since() -> dict[str, date]:
            held: dict[str, date] = {}
            last: dict[str, tuple[Any, ...]] = {}
            for row in sorted(self.spells.values(), key=lambda row: (row[0], row[5])):
                if row[5] < start:
                    before = last.get(row[0])
                    stays = before is not None and before[1] == row[1] and before[6] == row[5]
                    held[row[0]] = held[row[0]] if stays else row[5]
                    last[row[0]] = row
            return held

        return since

    def snapshot(self) -> Snapshot:
        """Return what is known, grades laid into the findings."""
        runs = {
            run: {
                name: finding._replace(graded_tier=self.grades.get((run, name)) if finding.computed_tier else None)
                for name, finding in found.items()
            }
            for run, found in self.known.runs.items()
        }
        return replace(self.known, runs=runs, through=max(self.days, default=FIRST))

    def history(self) -> list[tuple[Any, ...]]:
        return sorted(self.spells.values(), key=lambda row: (row[0], row[5]))


def _frame(rows: list[tuple[Any, ...]], *columns: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns), dtype=object)


def check(kept: Kept) -> None:
    """The history is that of the model, and whole: no overlap, no gap, no equal neighbours, one open spell each."""
    history = kept.history()
    for before, after in zip(history, history[1:], strict=False):
        if before[0] == after[0]:
            assert before[5] < before[6] == after[5]
            assert before[1:5] != after[1:5]
        else:
            assert before[6] is None
    assert history == history_model.history(kept.snapshot())


@settings(max_examples=-(-SEQUENCES // len(CUSTOMERS)), deadline=None)
@given(rules=RULES, events=EVENTS)
def test_any_sequence_ends_in_the_history_from_scratch(rules: Rules, events: list[tuple[str, int, int]]) -> None:
    kept = Kept(rules)
    for number, (kind, place, seed) in enumerate(events):
        kept.happen(kind, day(place), Random(seed), number)
    if kept.known.runs:
        kept.people(through=day(40))
        check(kept)


def test_the_states_are_kept_as_text() -> None:
    kept = Kept(Rules(TIERS, Movement(down={"after": 3})))
    for place, tier in enumerate("ABB"):
        kept.run(day(place), {"c1": Finding(tier, "final")}, f"run {place}")
    assert [json.loads(row[11]) for row in kept.states.values()] == [[], ["B"], ["B", "B"]]
