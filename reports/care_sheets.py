"""What an account manager has to do, as sheets of the workbook: every row of the lists that the mail cuts."""

from __future__ import annotations

from collections.abc import Sequence

from reports.care_page import grade_in_words, near_words, why_in_words
from reports.digest import Digest, by_delay, by_final_day, by_nearness, by_plan
from reports.outlook_words import line_in_words
from reports.sheets import MAX_ROWS, Cell, Column, Sheet, rest_of
from reports.text import clean_text
from reports.wording import Language


def list_care(digest: Digest, language: Language) -> list[Sheet]:
    """A sheet per list that has rows."""
    care = digest.care
    lists = (
        (care.near, _list_near),
        (care.follow_ups, _list_follow_ups),
        (care.grades, _list_grades),
        (care.visits, _list_visits),
    )
    return [make(digest, language) for rows, make in lists if rows]


def _customer(customer_id: str, name: str) -> tuple[Cell, Cell]:
    return clean_text(customer_id, 40), clean_text(name) or clean_text(customer_id)


def _sheet(
    name: str, columns: Sequence[Column], rows: Sequence[tuple[Cell, ...]], found: int, language: Language
) -> Sheet:
    return Sheet(name=name, columns=tuple(columns), rows=rows, rest=rest_of(found - MAX_ROWS, language))


def _list_near(digest: Digest, language: Language) -> Sheet:
    """Of more than MAX_ROWS those with the most money."""
    _ = language
    near = sorted(digest.care.near, key=by_nearness)[:MAX_ROWS]
    words = near_words(near, digest.currency, language)
    columns = (
        Column(_("Policy"), 26, "text"),
        Column(_("As of"), 12, "date"),
        Column(_("Customer number"), 18, "text"),
        Column(_("Name"), 34, "text"),
        Column(_("Tier"), 12, "text"),
        Column(_("Chance or risk"), 14, "text"),
        Column(_("Tier beyond the line"), 14, "text"),
        Column(_("Figure"), 26, "text"),
        Column(_("Now"), 16, "number"),
        Column(_("Needed"), 16, "number"),
        Column(_("In the data by"), 14, "date"),
        Column(_("Value at stake ({currency})", currency=clean_text(digest.currency, 3)), 18, "money"),
        Column(_("What would change the tier"), 64, "words"),
    )
    rows = [
        (
            _.title({str(code): text for code, text in each.policy.title.items()}, each.policy.id),
            each.as_of,
            *_customer(each.customer_id, each.customer_name),
            clean_text(each.tier, 24),
            _("to win") if each.is_to_win else _("to keep"),
            clean_text(each.line.to_tier, 24),
            words[each.policy.id].titles[each.line.indicator],
            each.line.value,
            each.line.needed,
            each.line.by_on,
            each.value if each.value is not None and each.value.is_finite() else None,
            line_in_words(each.line, words[each.policy.id], each.tier),
        )
        for each in near
    ]
    return _sheet(_("Near a line"), columns, rows, len(digest.care.near), language)


def _list_follow_ups(digest: Digest, language: Language) -> Sheet:
    """Of more than MAX_ROWS the most overdue."""
    _ = language
    columns = (
        Column(_("Policy"), 26, "text"),
        Column(_("Customer number"), 18, "text"),
        Column(_("Name"), 34, "text"),
        Column(_("Tier"), 12, "text"),
        Column(_("Follow-up"), 44, "text"),
        Column(_("Every (days)"), 12, "count"),
        Column(_("Last contact"), 14, "date"),
        Column(_("Due"), 12, "date"),
        Column(_("Overdue (days)"), 14, "count"),
    )
    rows = [
        (
            _.title(due.title, due.policy_id),
            *_customer(due.customer_id, due.customer_name),
            clean_text(due.tier, 24) if due.tier else None,
            why_in_words(due, language),
            due.every_days,
            due.last_contact_on,
            due.due_on,
            due.overdue_days,
        )
        for due in sorted(digest.care.follow_ups, key=by_delay)[:MAX_ROWS]
    ]
    return _sheet(_("Follow-ups"), columns, rows, len(digest.care.follow_ups), language)


def _list_grades(digest: Digest, language: Language) -> Sheet:
    _ = language
    grades = sorted(digest.care.grades, key=by_final_day)
    columns = (
        Column(_("Policy"), 26, "text"),
        Column(_("Customer number"), 18, "text"),
        Column(_("Name"), 34, "text"),
        Column(_("Tier"), 12, "text"),
        Column(_("Why provisional"), 44, "text"),
        Column(_("Customer since"), 14, "date"),
        Column(_("Final by"), 12, "date"),
        Column(_("Overdue (days)"), 14, "count"),
    )
    rows = [
        (
            _.title(grade.title, grade.policy_id),
            *_customer(grade.customer_id, grade.customer_name),
            clean_text(grade.tier, 24),
            grade_in_words(grade, language),
            grade.began_on,
            grade.final_by,
            grade.overdue_days,
        )
        for grade in grades[:MAX_ROWS]
    ]
    return _sheet(_("Provisional grades"), columns, rows, len(grades), language)


def _list_visits(digest: Digest, language: Language) -> Sheet:
    _ = language
    columns = (
        Column(_("Policy"), 26, "text"),
        Column(_("From"), 12, "date"),
        Column(_("To"), 12, "date"),
        Column(_("Tier"), 12, "text"),
        Column(_("Title"), 34, "text"),
        Column(_("Every (days)"), 12, "count"),
        Column(_("Customers"), 12, "count"),
        Column(_("Planned"), 12, "count"),
        Column(_("Made"), 12, "count"),
        Column(_("Visits"), 12, "count"),
    )
    rows = [
        (
            _.title(plan.title, plan.policy_id),
            plan.period_start,
            plan.period_end,
            clean_text(plan.tier, 24),
            _.title(plan.tier_title, plan.tier),
            plan.every_days,
            plan.customers,
            plan.planned,
            plan.made,
            plan.visits,
        )
        for plan in sorted(digest.care.visits, key=by_plan)[:MAX_ROWS]
    ]
    return _sheet(_("Contacts planned and made"), columns, rows, len(digest.care.visits), language)
