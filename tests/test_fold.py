"""History: whatever the order of runs and restatements, it is the one that a model from scratch gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import permutations, product
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from transforms.fold import CONTENT, MOVE_COLUMNS, SPELL_COLUMNS, fold_history

FIRST_DAY = date(2026, 1, 31)
FOUND_COLUMNS = ["as_of", "customer_id", *CONTENT]
Content = tuple[str | None, str | None, str | None, str | None]

A: Content = ("A", "A", "final", None)
B: Content = ("B", "B", "final", None)
PROVISIONAL: Content = ("B", "B", "provisional", None)
GATED: Content = (None, None, None, "gate:has_bought")
OTHER_GATE: Content = (None, None, None, "gate:is_active")
LEFT: Content = (None, None, None, "left")
CONTENTS = [A, B, PROVISIONAL, GATED, OTHER_GATE]

Found = Mapping[str, Content]
"""What a run found: content by customer; who is not in it is not in scope."""


def day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


class Published:
    """What a policy published so far, kept as the warehouse keeps it: spells, moves, findings."""

    def __init__(self) -> None:
        self.runs: dict[date, tuple[str, Found]] = {}
        self.spells: dict[tuple[str, date], tuple[Any, ...]] = {}
        self.moves: list[tuple[Any, ...]] = []

    def publish(self, as_of: date, run_id: str, found: Found) -> None:
        """Fold from the earliest changed day on and replace what stands there."""
        self.runs[as_of] = (run_id, found)
        later = {when: run for when, run in self.runs.items() if when >= as_of}
        standing = [row for row in self.spells.values() if row[6] is None or row[6] >= as_of]
        before = pd.DataFrame([row for row in standing if row[5] < as_of], columns=SPELL_COLUMNS, dtype=object)
        found_rows = [
            (when, customer, *content) for when, (_, rows) in later.items() for customer, content in rows.items()
        ]
        folded = fold_history(
            {when: run for when, (run, _) in later.items()},
            before,
            pd.DataFrame(found_rows, columns=FOUND_COLUMNS, dtype=object),
        )
        for row in standing:
            del self.spells[row[0], row[5]]
        for row in folded.spells.itertuples(index=False, name=None):
            plain = row if row[1] is not None else (*row[:-1], None)  # an absence is no run's
            assert (plain[0], plain[5]) not in self.spells
            self.spells[plain[0], plain[5]] = plain
        self.moves = [move for move in self.moves if move[1] < as_of]
        self.moves += list(folded.moves.itertuples(index=False, name=None))

    def history(self) -> list[tuple[Any, ...]]:
        return sorted(self.spells.values(), key=lambda row: (row[0], row[5]))


def naive_history(runs: Mapping[date, tuple[str, Found]]) -> list[tuple[Any, ...]]:
    """Recompute the state of every customer on every day from scratch, and join equal neighbours."""
    if not runs:
        return []
    first, last = min(runs), max(runs)
    calendar = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    rows: list[tuple[Any, ...]] = []
    for customer in sorted({name for _, found in runs.values() for name in found}):
        spells: list[list[Any]] = []
        for today in calendar:
            published = max(when for when in runs if when <= today)
            if not any(customer in runs[when][1] for when in runs if when <= today):
                continue
            run_id, found = runs[published]
            content = found.get(customer, LEFT)
            if not spells or tuple(spells[-1][1:5]) != content:
                if spells:
                    spells[-1][6] = today
                spells.append([customer, *content, today, None, run_id if content[0] else None])
        rows += [tuple(spell) for spell in spells]
    return rows


def naive_moves(history: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return a change for every boundary between two spells at which the tier differs."""
    moves = []
    before: tuple[Any, ...] | None = None
    for row in history:
        old = before if before is not None and before[0] == row[0] else (row[0], *[None] * 7)
        if old[1] != row[1]:
            moves.append((row[0], row[5], old[1] or old[4], row[1] or row[4], old[1], row[1], old[2], row[2]))
        before = row
    return sorted(moves, key=lambda move: (move[0], move[1]))


def check_invariants(history: list[tuple[Any, ...]]) -> None:
    """No overlap, no zero length, no equal neighbours, no gap, exactly one open spell."""
    by_customer: dict[str, list[tuple[Any, ...]]] = {}
    for row in history:
        by_customer.setdefault(row[0], []).append(row)
    for spells in by_customer.values():
        for spell, following in zip(spells, spells[1:], strict=False):
            assert spell[5] < spell[6] == following[5]
            assert spell[1:5] != following[1:5]
        assert spells[-1][6] is None
        assert all((spell[1] is None) != (spell[4] is None) for spell in spells)


def check(published: Published) -> None:
    history = published.history()
    check_invariants(history)
    assert history == naive_history(published.runs)
    assert sorted(published.moves, key=lambda move: (move[0], move[1])) == naive_moves(history)


# ---- every order


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=lambda order: "".join(map(str, order)))
def test_any_order_of_four_days_gives_the_same_history_for_every_sequence(order: tuple[int, ...]) -> None:
    """Every sequence of absent, A, B provisional and gated over four days: 256 customers, 24 orders."""
    sequences = list(product([None, A, PROVISIONAL, GATED], repeat=4))
    found: list[Found] = [
        {f"{number:03}": sequence[place] for number, sequence in enumerate(sequences) if sequence[place]}
        for place in range(4)
    ]
    published = Published()
    for place in order:
        published.publish(day(place), f"run {place}", found[place])
    check(published)
    assert len({row[0] for row in published.history()}) == 255  # one customer is never in scope


FINDINGS = st.dictionaries(st.sampled_from([f"c{number:02}" for number in range(40)]), st.sampled_from(CONTENTS))


@settings(max_examples=25, deadline=None)
@given(runs=st.lists(st.tuples(st.integers(0, 9), FINDINGS), min_size=1, max_size=7))
def test_backfills_and_restatements_end_in_the_history_from_scratch(runs: list[tuple[int, Found]]) -> None:
    """A day that comes twice is a restatement; up to forty customers, each a sequence of its own."""
    published = Published()
    for number, (place, found) in enumerate(runs):
        published.publish(day(place), f"run {number}", found)
    check(published)


@settings(max_examples=10, deadline=None)
@given(runs=st.lists(st.tuples(st.integers(0, 5), FINDINGS), min_size=1, max_size=4))
def test_every_state_on_the_way_is_whole(runs: list[tuple[int, Found]]) -> None:
    published = Published()
    for number, (place, found) in enumerate(runs):
        published.publish(day(place), f"run {number}", found)
        check(published)


@settings(max_examples=10, deadline=None)
@given(found=st.dictionaries(st.integers(0, 5), FINDINGS, min_size=1, max_size=4), data=st.data())
def test_publishing_a_day_again_changes_nothing(found: dict[int, Found], data: st.DataObject) -> None:
    published = Published()
    for place, rows in found.items():
        published.publish(day(place), f"run {place}", rows)
    history, moves = published.history(), sorted(published.moves, key=str)
    again = data.draw(st.sampled_from(sorted(found)))
    published.publish(day(again), f"run {again}", found[again])
    assert (published.history(), sorted(published.moves, key=str)) == (history, moves)


# ---- told by example


def history_of(*runs: tuple[int, Found]) -> list[tuple[Any, ...]]:
    """Return (tier or reason, from, to, run) of the only customer."""
    published = Published()
    for number, (place, found) in enumerate(runs):
        published.publish(day(place), f"r{number}", found)
    check(published)
    return [
        (row[1] or row[4], (row[5] - FIRST_DAY).days, row[6] and (row[6] - FIRST_DAY).days, row[7])
        for row in published.history()
    ]


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        pytest.param([(0, {"c": A})], [("A", 0, None, "r0")], id="one day"),
        pytest.param([(0, {"c": A}), (1, {"c": A})], [("A", 0, None, "r0")], id="equal neighbours join"),
        pytest.param([(1, {"c": A}), (0, {"c": A})], [("A", 0, None, "r1")], id="backfill joins to the left"),
        pytest.param(
            [(0, {"c": A}), (2, {"c": A}), (1, {"c": B})],
            [("A", 0, 1, "r0"), ("B", 1, 2, "r2"), ("A", 2, None, "r1")],
            id="a backfill splits a spell",
        ),
        pytest.param(
            [(0, {"c": A}), (1, {"c": B}), (2, {"c": A}), (1, {"c": A})],
            [("A", 0, None, "r0")],
            id="a restatement heals a split",
        ),
        pytest.param(
            [(0, {"c": A}), (1, {}), (2, {"c": A})],
            [("A", 0, 1, "r0"), ("left", 1, 2, None), ("A", 2, None, "r2")],
            id="left and back",
        ),
        pytest.param(
            [(0, {"c": A}), (1, {"c": GATED}), (2, {}), (3, {"c": GATED})],
            [
                ("A", 0, 1, "r0"),
                ("gate:has_bought", 1, 2, None),
                ("left", 2, 3, None),
                ("gate:has_bought", 3, None, None),
            ],
            id="a gate and having left are different absences",
        ),
        pytest.param(
            [(0, {"c": B}), (1, {"c": PROVISIONAL})],
            [("B", 0, 1, "r0"), ("B", 1, None, "r1")],
            id="another status is another spell",
        ),
        pytest.param(
            [(0, {}), (1, {"c": A}), (2, {})], [("A", 1, 2, "r1"), ("left", 2, None, None)], id="came late"
        ),
        pytest.param(
            [(1, {"c": A}), (2, {"c": A}), (1, {})],
            [("A", 2, None, "r1")],
            id="restated: it was not there yet",
        ),
        pytest.param([(0, {"c": A}), (0, {})], [], id="restated away"),
        pytest.param(
            [(0, {"c": A}), (0, {"c": A})], [("A", 0, None, "r1")], id="restated alike: the new run's"
        ),
    ],
)  # fmt: skip
def test_a_history_told_by_example(runs: list[tuple[int, Found]], expected: list[tuple[Any, ...]]) -> None:
    assert history_of(*runs) == expected


def test_a_change_of_status_or_reason_alone_is_no_move() -> None:
    published = Published()
    for place, content in enumerate([B, PROVISIONAL, GATED, OTHER_GATE, A]):
        published.publish(day(place), f"r{place}", {"c": content})
    assert published.moves == [
        ("c", day(0), None, "B", None, "B", None, "B"),
        ("c", day(2), "B", "gate:has_bought", "B", None, "B", None),
        ("c", day(4), "gate:is_active", "A", None, "A", None, "A"),
    ]


# ---- frames


def frame(rows: list[tuple[Any, ...]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns, dtype=object)


def test_the_empty_fold_is_empty() -> None:
    folded = fold_history({}, frame([], SPELL_COLUMNS), frame([], FOUND_COLUMNS))
    assert_frame_equal(folded.spells, frame([], SPELL_COLUMNS))
    assert_frame_equal(folded.moves, frame([], MOVE_COLUMNS))


def test_a_day_on_which_nobody_was_found_is_empty_when_nobody_was_known() -> None:
    folded = fold_history({day(0): "r"}, frame([], SPELL_COLUMNS), frame([], FOUND_COLUMNS))
    assert_frame_equal(folded.spells, frame([], SPELL_COLUMNS))
    assert_frame_equal(folded.moves, frame([], MOVE_COLUMNS))


def test_without_days_the_state_before_stays() -> None:
    before = frame([("c", *A, day(0), None, "r0")], SPELL_COLUMNS)
    folded = fold_history({}, before, frame([], FOUND_COLUMNS))
    assert_frame_equal(folded.spells, before)
    assert_frame_equal(folded.moves, frame([], MOVE_COLUMNS))


def test_the_order_of_rows_does_not_matter_and_the_arguments_are_left_alone() -> None:
    before = frame([("a", *A, day(0), None, "r0"), ("b", *GATED, day(0), None, None)], SPELL_COLUMNS)
    rows = [(day(n), c, *content) for n, c, content in [(1, "b", B), (1, "c", A), (2, "a", B), (2, "c", GATED)]]
    found = frame(rows, FOUND_COLUMNS)
    copies = before.copy(deep=True), found.copy(deep=True)
    folded = fold_history({day(1): "r1", day(2): "r2"}, before, found)
    turned = fold_history({day(2): "r2", day(1): "r1"}, before[::-1], found[::-1])
    assert_frame_equal(folded.spells, turned.spells)
    assert_frame_equal(folded.moves, turned.moves)
    assert_frame_equal(before, copies[0])
    assert_frame_equal(found, copies[1])
    expected = [
        ("a", *A, day(0), day(1), "r0"),
        ("a", *LEFT, day(1), day(2), "r1"),
        ("a", *B, day(2), None, "r2"),
        ("b", *GATED, day(0), day(1), None),
        ("b", *B, day(1), day(2), "r1"),
        ("b", *LEFT, day(2), None, "r2"),
        ("c", *A, day(1), day(2), "r1"),
        ("c", *GATED, day(2), None, "r2"),
    ]
    assert_frame_equal(folded.spells, frame(expected, SPELL_COLUMNS))


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT], ids=str)
def test_what_is_missing_is_missing_however_a_library_says_it(missing: object) -> None:
    texts = ["customer_id", *CONTENT, "valid_from", "valid_to", "run_id"]
    before = pd.DataFrame([("C1", "A", "A", "final", missing, day(0), missing, "run 1")], columns=texts, dtype=object)
    rows = [(day(1), "C1", missing, missing, missing, "gate:has_bought"), (day(1), "C2", "A", "A", "final", missing)]
    folded = fold_history({day(1): "run 2"}, before, pd.DataFrame(rows, columns=FOUND_COLUMNS, dtype=object))
    assert sorted(folded.spells.itertuples(index=False, name=None), key=lambda row: (row[0], row[5])) == [
        ("C1", "A", "A", "final", None, day(0), day(1), "run 1"),
        ("C1", None, None, None, "gate:has_bought", day(1), None, "run 2"),
        ("C2", "A", "A", "final", None, day(1), None, "run 2"),
    ]
