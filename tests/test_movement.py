"""Movement: every rule told by example, and the days on which a tier will fall."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from transforms.calendar import check_duration, later, latest_begin
from transforms.movement import Finding, Movement, Rules, Standing, falls_on, move_tier, move_tiers, period_end

FOLDER = Path(__file__).parent / "movement"
TIERS = ("A", "B", "C", "D")
COLUMNS = ["as_of", "customer_id", "computed_tier", "status", "reason", "held_because", "is_at_once", "graded_tier"]


def cases(name: str) -> list[Any]:
    found = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["claim"]) for case in found]


def finding(text: str) -> Finding | None:
    parts = re.fullmatch(r"(?P<held>H )?(?P<tier>[A-D])(?P<at_once>!)?(?: \((?P<graded>[A-D])\))?", text)
    if parts is None:
        assert text == "-"
        return None
    held = "sales: sign" if parts["held"] else None
    return Finding(parts["tier"], "final", None, held, bool(parts["at_once"]), parts["graded"])


def stood(case: dict[str, Any]) -> dict[date, str]:
    """Return what stands from each day on: the tier, and the status where it is not final."""
    rules = Rules(
        TIERS, Movement(**case.get("movement", {})), frozenset(case.get("approved", [])), case.get("asks", "all")
    )
    found = [(day, finding(text)) for day, text in case["found"].items()]
    rows = [
        (day, "c", f.computed_tier, f.status, f.reason, f.held_because, f.is_at_once, f.graded_tier)
        for day, f in found
        if f is not None
    ]
    words = [(day, *text.split()) for day, text in case.get("answers", {}).items()]
    answers = [(day, "c", word == "yes", date.fromisoformat(on)) for day, word, on in words]
    moved = move_tiers(
        dict.fromkeys(case["found"], rules),
        {},
        pd.DataFrame(rows, columns=COLUMNS, dtype=object),
        pd.DataFrame(answers, columns=["as_of", "customer_id", "is_approved", "effective_on"], dtype=object),
    )
    return {
        row.as_of: f"{row.tier or row.reason} {row.status if row.status not in (None, 'final') else ''}".strip()
        for row in moved.found.itertuples()
    }


@pytest.mark.parametrize("case", [*cases("rules.yaml"), *cases("answers.yaml")])
def test_a_rule_moves_tiers_as_its_example_says(case: dict[str, Any]) -> None:
    assert stood(case) == case["expect"]


@pytest.mark.parametrize(
    ("period", "begun", "ends"),
    [
        ("calendar_year", date(2025, 1, 1), [date(2025, 12, 31), date(2026, 12, 31)]),
        ("calendar_year", date(2025, 12, 31), [date(2026, 12, 31), date(2027, 12, 31)]),
        (
            "anniversary",
            date(2024, 2, 29),
            [date(2025, 2, 28), date(2026, 2, 28), date(2027, 2, 28)],
        ),
        ("400 days", date(2025, 1, 1), [date(2026, 2, 5), date(2027, 3, 12)]),
        ("1 month", date(2025, 1, 31), [date(2025, 2, 28), date(2025, 3, 31)]),
    ],
)
def test_periods_end(period: str, begun: date, ends: list[date]) -> None:
    assert [period_end(period, begun, number) for number in range(1, len(ends) + 1)] == ends


@pytest.mark.parametrize(
    ("movement", "since", "expected"),
    [
        ({"grace": "30 days"}, date(2025, 1, 1), (date(2025, 1, 31), "C")),
        ({"down": {"after": 3}}, date(2025, 1, 1), (date(2025, 1, 3), "C")),
        ({"grace": "30 days", "max_steps_down": 1}, date(2025, 1, 1), (date(2025, 1, 31), "B")),
        ({"period": "calendar_year"}, date(2025, 1, 1), (date(2025, 12, 31), "C")),
        ({"min_stay": "3 months"}, date(2024, 12, 1), (date(2025, 3, 1), "C")),
    ],
)
def test_it_is_told_when_a_tier_will_fall(movement: dict[str, Any], since: date, expected: tuple[date, str]) -> None:
    rules = Rules(TIERS, Movement(**movement))
    stands = Standing("A", "A", "final", None, "final", date(2024, 12, 1), date(2024, 12, 31))
    below = move_tier(rules, stands, Finding("C", "final"), since)
    coming = [since + timedelta(days=number) for number in range(1, 400)]
    assert falls_on(rules, below, coming) == expected
    assert falls_on(rules, below, coming[: coming.index(expected[0])]) is None
    assert falls_on(rules, stands, coming) is None


@pytest.mark.parametrize("text", ["30", "days", "0 days", "-1 days", "1 year", "ever", "calendar_year", "30 day s"])
def test_a_length_of_time_is_days_or_months(text: str) -> None:
    with pytest.raises(ValueError, match="no length of time; write 30 days or 6 months"):
        check_duration(text)


def test_what_began_by_a_day_has_lasted_long_enough() -> None:
    for duration in ("30 days", "1 month", "6 months", "13 months"):
        for number in range(800):
            day = date(2024, 1, 1) + timedelta(days=number)
            begun = latest_begin(day, duration)
            assert later(begun, duration) <= day < later(begun + timedelta(days=1), duration), (day, duration)
