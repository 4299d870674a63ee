"""Days: which day a run looks at, on which days a policy publishes, where a window starts."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, time, timedelta

from croniter import CroniterError, croniter

from sql.errors import TieringError

CALENDARS = ("run_day", "previous_day", "previous_month_end", "previous_quarter_end", "previous_year_end")

EVER = date(1, 1, 1)

LONGEST = {"days": 36_600, "months": 1_200}
"""The longest windows; what reaches further back says `ever`."""


def check_schedule(text: str) -> str:
    """Refuse a schedule that Airflow would not run: five fields of cron, with a day that comes."""
    try:
        if len(text.split()) != 5:
            raise ValueError(text)
        croniter(text, datetime(2024, 1, 1)).get_next()
    except (CroniterError, ValueError, ArithmeticError):
        raise ValueError(f"{text!r} is no schedule; write five fields of cron, such as 0 6 3 * *") from None
    return text


def month_end(day: date) -> date:
    """Return the last day of the month of `day`."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def add_months(day: date, months: int) -> date:
    """Return the day `months` later (earlier when negative); past a month's end, its last day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def as_of_for(calendar: str, run_day: date) -> date:
    """Return the day that a run on `run_day` looks at under a policy's `as_of` calendar."""
    if calendar == "run_day":
        return run_day
    if calendar == "previous_day":
        return run_day - timedelta(days=1)
    if calendar == "previous_month_end":
        return run_day.replace(day=1) - timedelta(days=1)
    if calendar == "previous_quarter_end":
        return run_day.replace(month=(run_day.month - 1) // 3 * 3 + 1, day=1) - timedelta(days=1)
    return date(run_day.year - 1, 12, 31)


def is_on_calendar(calendar: str, as_of: date) -> bool:
    """Whether a policy with this calendar ever looks at `as_of`."""
    if calendar in ("run_day", "previous_day"):
        return True
    return latest_on_calendar(calendar, as_of) == as_of


def latest_on_calendar(calendar: str, day: date) -> date:
    """Return the latest day of the calendar that is not after `day`."""
    if calendar in ("run_day", "previous_day"):
        return day
    return as_of_for(calendar, day + timedelta(days=1))


def next_looked_at(schedule: str, calendar: str, as_of: date) -> date:
    """Return the first day after `as_of` that a scheduled run looks at: cron in five fields, and a calendar."""
    runs = croniter(schedule, datetime.combine(as_of, time(23, 59)))
    while (day := as_of_for(calendar, runs.get_next(datetime).date())) <= as_of:
        pass
    return day


def check_as_of(calendar: str, as_of: date, today: date, facts_through: date | None) -> None:
    """Refuse a day that lies in the future, off the calendar, or beyond the facts.

    Raises TieringError saying which, and what to do.
    """
    if as_of > today:
        raise TieringError(f"as_of {as_of} lies in the future (today is {today}); give a past day")
    if not is_on_calendar(calendar, as_of):
        nearest = latest_on_calendar(calendar, as_of)
        raise TieringError(
            f"as_of {as_of} is not on the policy's calendar {calendar}; the day before it there is {nearest}"
        )
    if facts_through is None:
        raise TieringError(f"as_of {as_of} cannot be measured: no facts were loaded; run customer_facts first")
    if as_of > facts_through:
        raise TieringError(
            f"as_of {as_of} lies beyond the facts, which reach {facts_through}; "
            "run customer_facts through that day first"
        )


def parse_window(text: str) -> tuple[str, int]:
    """Return (unit, number) of a window: days, months, calendar_year, to_date or ever.

    Raises ValueError when it is none.
    """
    words = text.split()
    if len(words) == 2 and words[0].isdecimal() and len(words[0]) <= 5 and int(words[0]) > 0:
        unit = {"day": "days", "days": "days", "month": "months", "months": "months"}.get(words[1])
        if unit and int(words[0]) <= LONGEST[unit]:
            return unit, int(words[0])
    if text in ("calendar_year", "to_date", "ever"):
        return text, 0
    raise ValueError(f"{text!r} is no window; write 90 days, 12 months, calendar_year, to_date or ever")


def window_start(text: str, as_of: date) -> date:
    """Return the day before the first day of the window: the window is (that day, as_of].

    `calendar_year` is the year that as_of ends, `to_date` the year so far, `ever` everything.
    """
    unit, number = parse_window(text)
    if unit == "days":
        return as_of - timedelta(days=number)
    if unit == "months":
        return add_months(as_of, -number)
    if unit == "ever":
        return EVER
    return date(as_of.year - 1, 12, 31)


def window_name(text: str) -> str:
    """Return the window as part of a column name: `12 months` is `12_months`."""
    unit, number = parse_window(text)
    return f"{number}_{unit}" if number else unit


def check_duration(text: str | None) -> str | None:
    """Return a length of time such as 30 days or 6 months. Raises ValueError when it is none."""
    if text is None:
        return None
    try:
        if parse_window(text)[1]:
            return text
    except ValueError:
        pass
    raise ValueError(f"{text!r} is no length of time; write 30 days or 6 months")


def later(day: date, duration: str) -> date:
    """Return the day a duration after `day`; months clamp to the month's end."""
    unit, number = parse_window(duration)
    return day + timedelta(days=number) if unit == "days" else add_months(day, number)


def latest_begin(day: date, duration: str) -> date:
    """Return the last day from which a duration has passed on `day`."""
    unit, number = parse_window(duration)
    if unit == "days":
        return day - timedelta(days=number)
    begun = add_months(day, -number)
    while later(begun + timedelta(days=1), duration) <= day:  # several last days of a month reach one shorter month
        begun += timedelta(days=1)
    return begun
