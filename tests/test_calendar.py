"""Days: months clamp, windows are half-open, and the calendars agree with each other."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sql.errors import TieringError
from transforms.calendar import (
    CALENDARS,
    EVER,
    add_months,
    as_of_for,
    check_as_of,
    is_on_calendar,
    latest_on_calendar,
    month_end,
    next_looked_at,
    parse_window,
    window_name,
    window_start,
)

DAYS = st.dates(date(1901, 1, 1), date(2199, 12, 31))
ENDS = {
    "previous_month_end": lambda day: (day + timedelta(1)).day == 1,
    "previous_quarter_end": lambda day: (day.month, day.day) in {(3, 31), (6, 30), (9, 30), (12, 31)},
    "previous_year_end": lambda day: (day.month, day.day) == (12, 31),
    "previous_day": lambda day: True,
    "run_day": lambda day: True,
}


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2024-02-29", -12, "2023-02-28"),
        ("2026-03-31", -1, "2026-02-28"),
        ("2026-05-31", -3, "2026-02-28"),
        ("2026-12-31", 2, "2027-02-28"),
        ("2026-01-15", -1, "2025-12-15"),
        ("2026-01-15", -13, "2024-12-15"),
        ("2026-11-30", 1, "2026-12-30"),
        ("1900-01-31", 1, "1900-02-28"),
        ("2000-01-31", 1, "2000-02-29"),
        ("2026-07-15", 0, "2026-07-15"),
    ],
)
def test_months_are_added_and_a_day_the_month_lacks_becomes_its_last(day: str, months: int, expected: str) -> None:
    assert add_months(date.fromisoformat(day), months) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("day", "last"), [("2023-02-01", 28), ("2024-02-29", 29), ("2026-12-05", 31), ("2026-04-30", 30)]
)
def test_the_end_of_a_month(day: str, last: int) -> None:
    assert month_end(date.fromisoformat(day)) == date.fromisoformat(day).replace(day=last)


@pytest.mark.parametrize(
    ("window", "as_of", "start"),
    [
        ("1 day", "2026-01-01", "2025-12-31"),
        ("90 days", "2024-03-31", "2024-01-01"),
        ("90 days", "2023-03-31", "2022-12-31"),
        ("366 days", "2024-12-31", "2023-12-31"),
        ("1 month", "2024-03-31", "2024-02-29"),
        ("12 months", "2024-02-29", "2023-02-28"),
        ("12 months", "2025-02-28", "2024-02-28"),
        ("12 months", "2026-06-30", "2025-06-30"),
        ("calendar_year", "2025-12-31", "2024-12-31"),
        ("to_date", "2026-06-30", "2025-12-31"),
        ("to_date", "2026-01-01", "2025-12-31"),
    ],
)
def test_a_window_starts_on_the_day_after_this_one(window: str, as_of: str, start: str) -> None:
    assert window_start(window, date.fromisoformat(as_of)) == date.fromisoformat(start)


def test_ever_starts_before_every_day() -> None:
    assert window_start("ever", date(2026, 6, 30)) == EVER == date.min


@given(st.integers(1, 36_600), st.dates(date(2002, 1, 1)))
def test_a_window_of_n_days_holds_n_days(number: int, as_of: date) -> None:
    assert (as_of - window_start(f"{number} days", as_of)).days == number


@given(st.integers(1, 400), DAYS)
def test_a_window_of_months_to_a_month_end_starts_in_the_month_that_many_before(number: int, day: date) -> None:
    as_of = month_end(day)
    assert month_end(window_start(f"{number} months", as_of)) == month_end(add_months(day.replace(day=1), -number))


@pytest.mark.parametrize(
    ("text", "parsed", "name"),
    [
        ("1 day", ("days", 1), "1_days"),
        ("90 days", ("days", 90), "90_days"),
        ("36600 days", ("days", 36600), "36600_days"),
        ("12 months", ("months", 12), "12_months"),
        ("1200 months", ("months", 1200), "1200_months"),
        ("calendar_year", ("calendar_year", 0), "calendar_year"),
        ("to_date", ("to_date", 0), "to_date"),
        ("ever", ("ever", 0), "ever"),
    ],
)
def test_a_window_is_read_and_named(text: str, parsed: tuple[str, int], name: str) -> None:
    assert parse_window(text) == parsed
    assert window_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "", "12", "months", "0 days", "-1 days", "1.5 months", "12 weeks", "last year", "12 months ago",
        "12months", "EVER", "calendar_year 2", "36601 days", "1201 months", "9999999999 days", "²3 days",
    ],
)  # fmt: skip
def test_what_is_no_window_is_refused_with_the_ways_to_write_one(text: str) -> None:
    ways = "is no window; write 90 days, 12 months, calendar_year, to_date or ever"
    with pytest.raises(ValueError, match=ways):
        parse_window(text)


@pytest.mark.parametrize(
    ("calendar", "run_day", "as_of"),
    [
        ("run_day", "2026-03-01", "2026-03-01"),
        ("previous_day", "2026-03-01", "2026-02-28"),
        ("previous_day", "2024-03-01", "2024-02-29"),
        ("previous_day", "2026-01-01", "2025-12-31"),
        ("previous_month_end", "2026-03-01", "2026-02-28"),
        ("previous_month_end", "2024-03-31", "2024-02-29"),
        ("previous_month_end", "2026-01-02", "2025-12-31"),
        ("previous_quarter_end", "2026-03-31", "2025-12-31"),
        ("previous_quarter_end", "2026-04-01", "2026-03-31"),
        ("previous_quarter_end", "2026-06-30", "2026-03-31"),
        ("previous_quarter_end", "2026-12-31", "2026-09-30"),
        ("previous_year_end", "2026-01-01", "2025-12-31"),
        ("previous_year_end", "2026-12-31", "2025-12-31"),
    ],
)
def test_the_calendar_maps_the_day_of_the_run(calendar: str, run_day: str, as_of: str) -> None:
    assert as_of_for(calendar, date.fromisoformat(run_day)) == date.fromisoformat(as_of)


def test_every_calendar_is_tested() -> None:
    assert set(ENDS) == set(CALENDARS)


@pytest.mark.parametrize("calendar", CALENDARS)
@given(day=DAYS)
def test_the_calendar_agrees_with_its_definition_and_with_itself(calendar: str, day: date) -> None:
    is_end = ENDS[calendar]
    assert is_on_calendar(calendar, day) == is_end(day)
    assert is_on_calendar(calendar, as_of_for(calendar, day))
    backwards = (day - timedelta(days) for days in range(400))
    forwards = (day + timedelta(days) for days in range(1, 400))
    latest, following = next(filter(is_end, backwards)), next(filter(is_end, forwards))
    assert latest_on_calendar(calendar, day) == latest
    assert next_looked_at("0 6 * * *", calendar, day) == following
    assert next_looked_at("0 6 * * *", calendar, latest) == following
    assert latest_on_calendar(calendar, following - timedelta(1)) == latest


OFF, NEAREST = "is not on the policy's calendar", "the day before it there is"


@pytest.mark.parametrize(
    ("calendar", "as_of", "message"),
    [
        ("run_day", "2026-06-16", "lies in the future (today is 2026-06-15); give a past day"),
        ("previous_month_end", "2026-05-30", f"{OFF} previous_month_end; {NEAREST} 2026-04-30"),
        ("previous_quarter_end", "2026-05-31", f"{OFF} previous_quarter_end; {NEAREST} 2026-03-31"),
        ("previous_year_end", "2026-03-31", f"{OFF} previous_year_end; {NEAREST} 2025-12-31"),
        (
            "run_day",
            "2026-06-02",
            "lies beyond the facts, which reach 2026-06-01; run customer_facts through that day first",
        ),
    ],
)
def test_a_day_that_cannot_be_measured_is_refused_with_what_to_do(calendar: str, as_of: str, message: str) -> None:
    with pytest.raises(TieringError) as refused:
        check_as_of(calendar, date.fromisoformat(as_of), date(2026, 6, 15), date(2026, 6, 1))
    assert str(refused.value) == f"as_of {as_of} {message}"


def test_without_facts_no_day_can_be_measured() -> None:
    with pytest.raises(TieringError) as refused:
        check_as_of("run_day", date(2026, 6, 1), date(2026, 6, 15), None)
    message = "as_of 2026-06-01 cannot be measured: no facts were loaded; run customer_facts first"
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("calendar", "as_of"),
    [("run_day", "2026-06-01"), ("previous_day", "2026-05-31"), ("previous_month_end", "2026-05-31")],
)
def test_a_day_on_the_calendar_within_the_facts_is_taken(calendar: str, as_of: str) -> None:
    check_as_of(calendar, date.fromisoformat(as_of), date(2026, 6, 15), date(2026, 6, 1))
    check_as_of(calendar, date.fromisoformat(as_of), date.fromisoformat(as_of), date.fromisoformat(as_of))


@pytest.mark.parametrize(
    ("schedule", "calendar", "as_of", "expected"),
    [
        ("0 6 3 * *", "previous_month_end", date(2026, 1, 31), date(2026, 2, 28)),
        ("0 6 25 12 *", "previous_month_end", date(2025, 11, 30), date(2026, 11, 30)),  # once a year
        ("0 6 25 12 *", "previous_month_end", date(2025, 6, 30), date(2025, 11, 30)),
        ("0 6 5 1 *", "previous_year_end", date(2024, 12, 31), date(2025, 12, 31)),
        ("0 6 * * *", "run_day", date(2026, 2, 28), date(2026, 3, 1)),
        ("0 6 * * 1", "previous_day", date(2026, 3, 1), date(2026, 3, 8)),  # a Sunday, seen on Mondays
        ("0 6 * * *", "previous_quarter_end", date(2025, 12, 31), date(2026, 3, 31)),
    ],
)
def test_the_next_day_is_one_that_a_scheduled_run_looks_at(
    schedule: str, calendar: str, as_of: date, expected: date
) -> None:
    assert next_looked_at(schedule, calendar, as_of) == expected
