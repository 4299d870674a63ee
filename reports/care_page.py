"""What an account manager has to do, as blocks of a mail: customers near a line, follow-ups, grades, and visits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from reports.blocks import Block, Group, Line, Page, Table, Tone
from reports.digest import (
    Care,
    Digest,
    FollowUp,
    NearCustomer,
    ProvisionalGrade,
    Titles,
    VisitPlan,
    by_delay,
    by_final_day,
    by_nearness,
    by_plan,
)
from reports.outlook_words import line_in_words
from reports.policy_words import PolicyWords
from reports.text import clean_text
from reports.tier_page import key_of, name_of
from reports.wording import NO_VALUE, TEXT_LENGTH, Language, rest_in_words, tier_in_words

MAX_NEAR: Final = 10  # to win, and at risk or to be kept; the rest is a count
MAX_DUE: Final = 20  # follow-ups, and grades


def lay_out_near(digest: Digest, language: Language) -> tuple[Block, ...]:
    """Customers near a line, the most money first: whose better tier is near, and whose own is at risk."""
    _ = language
    near = sorted(digest.care.near, key=by_nearness)
    if not near:
        return ()
    lists: tuple[tuple[str, Tone, list[NearCustomer]], ...] = (
        (_("To win"), "up", [each for each in near if each.is_to_win]),
        (_("To keep"), "down", [each for each in near if not each.is_to_win]),
    )
    said = _("What one figure would have to be, all others staying as they are, when the policy looks next.")
    days = sorted({each.as_of for each in near})
    return (
        Block(title=_("Near a line"), day=_("; ").join(_.date(day) for day in days), lead=(said,)),
        *(_list_near(label, tone, found, digest.currency, language) for label, tone, found in lists if found),
    )


def _list_near(label: str, tone: Tone, near: Sequence[NearCustomer], currency: str, language: Language) -> Block:
    _ = language
    words = near_words(near, currency, language)
    lines = tuple(_near_line(each, words[each.policy.id], currency, language) for each in near[:MAX_NEAR])
    return Block(
        title=_("{label}: {count}", label=label, count=_.count(len(near))),
        tone=tone,
        is_part=True,
        groups=(Group(lines),),
        rest=rest_in_words(len(near) - MAX_NEAR, language),
    )


def near_words(near: Sequence[NearCustomer], currency: str, language: Language) -> dict[str, PolicyWords]:
    """Return what says each policy's figures."""
    return {
        policy.id: PolicyWords(policy, language, currency)
        for policy in {each.policy.id: each.policy for each in near}.values()
    }


def _near_line(near: NearCustomer, words: PolicyWords, currency: str, language: Language) -> Line:
    _ = language
    value = near.value if near.value is not None and near.value.is_finite() else None
    moves = near.tier == near.line.tier and not near.line.keeps
    tiers = (near.tier, near.line.to_tier) if moves else (near.tier,)
    return Line(
        name=name_of(near.customer_name, near.customer_id),
        key=key_of(near.customer_id),
        reasons=(line_in_words(near.line, words, near.tier), _.title(_titles(near), near.policy.id)),
        figure=" → ".join(clean_text(tier, 24) for tier in tiers),
        detail="" if value is None else _.money(value, currency),
    )


def _titles(near: NearCustomer) -> Titles:
    return {str(code): text for code, text in near.policy.title.items()}


def lay_out_follow_ups(digest: Digest, language: Language) -> tuple[Block, ...]:
    """Who is to be contacted and what is to be done: how many by cadence and task, and the most overdue first."""
    _ = language
    care = digest.care
    if not care.follow_ups or care.listed_on is None or care.follow_ups_by is None:
        return ()
    due = sorted(care.follow_ups, key=by_delay)
    reasons = tuple(
        (why, _.count(len(found)), _.count(sum(each.overdue_days > 0 for each in found)))
        for why, found in _by_reason(due, language).items()
    )
    return (
        Block(
            title=_("Follow-ups due by {date}: {count}", date=_.date(care.follow_ups_by), count=_.count(len(due))),
            day=_.date(care.listed_on),
            lead=(_("Overdue among them: {count}", count=_.count(care.overdue)),),
            table=Table((_("Follow-up"), _("Due"), _("Of these overdue")), reasons[:MAX_DUE], (64, 18, 18)),
            rest=rest_in_words(len(reasons) - MAX_DUE, language),
        ),
        Block(
            title=_("Who comes first"),
            is_part=True,
            groups=(Group(tuple(_follow_up_line(each, language) for each in due[:MAX_DUE])),),
            rest=rest_in_words(len(due) - MAX_DUE, language),
        ),
    )


def _by_reason(due: Sequence[FollowUp], language: Language) -> dict[str, list[FollowUp]]:
    """Follow-ups by policy and reason: cadences first, the shortest first, then tasks."""
    found: dict[tuple[str, bool, int, str], list[FollowUp]] = defaultdict(list)
    for each in due:
        found[each.policy_id, bool(each.task), each.every_days or 0, why_in_words(each, language)].append(each)
    said: dict[str, list[FollowUp]] = defaultdict(list)
    for (policy_id, *_others, why), rows in sorted(found.items(), key=lambda item: item[0]):
        title = language.title(rows[0].title, policy_id)
        said[language("{policy}: {reason}", policy=title, reason=why)] += rows
    return said


def why_in_words(due: FollowUp, language: Language) -> str:
    """Why somebody is to be contacted: the cadence of a tier, or the title of a task."""
    _ = language
    if due.task:
        return _.title(due.task, due.policy_id, TEXT_LENGTH)
    tier = tier_in_words(due.tier or NO_VALUE, due.tier_title, language)
    if due.every_days is None:
        return _("Tier {tier}: regular contact", tier=tier)
    return _("Tier {tier}: every {days}", tier=tier, days=_.days(_.count(due.every_days)))


def _follow_up_line(due: FollowUp, language: Language) -> Line:
    _ = language
    last = (
        _("Last contact on {date}", date=_.date(due.last_contact_on))
        if due.last_contact_on
        else _("No contact is known")
    )
    return Line(
        name=name_of(due.customer_name, due.customer_id),
        key=key_of(due.customer_id),
        reasons=(
            _("{policy}: {reason}", policy=_.title(due.title, due.policy_id), reason=why_in_words(due, language)),
            last,
        ),
        figure=late_in_words(due.overdue_days, language),
        detail=_.date(due.due_on),
        figure_tone="down" if due.overdue_days else "",
    )


def late_in_words(days: int, language: Language) -> str:
    """By how long something is overdue, or that it is due."""
    _ = language
    return _("overdue by {days}", days=_.days(_.count(days))) if days else _("due")


def lay_out_grades(digest: Digest, language: Language) -> tuple[Block, ...]:
    """Provisional grades that are to be made final soon, or should have been, the first day first."""
    _ = language
    care = digest.care
    if not care.grades or care.listed_on is None or care.grades_by is None:
        return ()
    grades = sorted(care.grades, key=by_final_day)
    count = _.count(len(grades))
    return (
        Block(
            title=_("Provisional grades due by {date}: {count}", date=_.date(care.grades_by), count=count),
            day=_.date(care.listed_on),
            lead=(_("Each is to be made final by its day; what is known by then decides."),),
            groups=(Group(tuple(_grade_line(grade, language) for grade in grades[:MAX_DUE])),),
            rest=rest_in_words(len(grades) - MAX_DUE, language),
        ),
    )


def _grade_line(grade: ProvisionalGrade, language: Language) -> Line:
    _ = language
    late = (late_in_words(grade.overdue_days, language),) if grade.overdue_days else ()
    return Line(
        name=name_of(grade.customer_name, grade.customer_id),
        key=key_of(grade.customer_id),
        reasons=(_.title(grade.title, grade.policy_id), grade_in_words(grade, language), *late),
        figure=clean_text(grade.tier, 24),
        detail=_.date(grade.final_by),
    )


def grade_in_words(grade: ProvisionalGrade, language: Language) -> str:
    """Why a grade is provisional."""
    _ = language
    if grade.began_on is not None:
        return _("New customer since {date}", date=_.date(grade.began_on))
    if grade.lacking:
        names = _(", ").join(_.title(title, "") for title in grade.lacking)
        return _("Not known: {figures}", figures=names)
    return _("The policy looks again on that day")


def lay_out_visits(digest: Digest, language: Language) -> tuple[Block, ...]:
    """Contacts planned and made in the last whole month, and the visits among them, by policy and tier."""
    _ = language
    plans = sorted(digest.care.visits, key=by_plan)
    if not plans:
        return ()
    start, end = _.date(plans[0].period_start), _.date(plans[0].period_end)
    return (
        Block(
            title=_("Contacts planned and made"),
            lead=(_("From {start} to {end}, as the cadence of each tier asks", start=start, end=end),),
            table=Table(
                (_("Tier"), _("Customers"), _("Planned"), _("Made"), _("Visits")),
                tuple(_visit_row(plan, language) for plan in plans[:MAX_DUE]),
                (40, 15, 15, 15, 15),
            ),
            rest=rest_in_words(len(plans) - MAX_DUE, language),
        ),
    )


def _visit_row(plan: VisitPlan, language: Language) -> tuple[str, ...]:
    _ = language
    tier = tier_in_words(plan.tier, plan.tier_title, language)
    figures = (plan.customers, plan.planned, plan.made, plan.visits)
    label = _("{policy}: {reason}", policy=_.title(plan.title, plan.policy_id), reason=tier)
    return (label, *(_.count(figure) for figure in figures))


def care_totals(digest: Digest, language: Language) -> tuple[str, ...]:
    """One line each: limits in total, customers near a line, follow-ups and grades that are due."""
    _ = language
    care: Care = digest.care
    lines = []
    latest = {section.policy_id: section for section in sorted(digest.credit, key=lambda section: section.as_of)}
    for section in latest.values():
        change = section.whole.limit - section.whole.previous
        now, moved = (_.money(amount, digest.currency) for amount in (section.whole.limit, abs(change)))
        sign = "+" if change > 0 else "−" if change < 0 else "±"
        label = _("Credit limits in total")
        if len(latest) > 1:
            label = _("{policy}: {reason}", policy=_.title(section.title, section.policy_id), reason=label)
        lines.append(_("{label}: {now} ({change})", label=label, now=now, change=sign + moved))
    if care.near:
        wins = sum(near.is_to_win for near in care.near)
        lines.append(
            _("Near a line: {count} to win, {risk} to keep", count=_.count(wins), risk=_.count(len(care.near) - wins))
        )
    if care.follow_ups:
        lines.append(
            _("Follow-ups due: {count}, overdue: {overdue}", count=_.count(len(care.follow_ups)),
              overdue=_.count(care.overdue))
        )  # fmt: skip
    if care.grades:
        lines.append(_("Provisional grades due: {count}", count=_.count(len(care.grades))))
    return tuple(lines)


def as_reminder(digest: Digest, page: Page, language: Language) -> Page:
    """The page of a mail that only reminds of overdue follow-ups, or, with other news, that says so in its subject."""
    _ = language
    care = digest.care
    if not care.is_reminder:
        return page
    overdue = _.count(care.overdue)
    if not digest.is_reminder_alone:
        return replace(page, subject=_("{subject}; follow-ups overdue: {count}", subject=page.subject, count=overdue))
    day = care.listed_on.isoformat() if care.listed_on else ""
    due = _.count(len(care.follow_ups))
    return replace(
        page,
        subject=_("Follow-ups {date}: {count} due, {overdue} overdue", date=day, count=due, overdue=overdue),
        title=_("Follow-ups"),
        purpose=_(
            "This is the weekly reminder of follow-ups for your accounts; no tier has moved since the last mail."
        ),
        preheader=_("{count} due, {overdue} overdue", count=due, overdue=overdue),
        figures=(),
        as_of_days=_.date(care.listed_on) if care.listed_on else "",
    )
