"""Credit as blocks of the page of a mail: limits that a run decided, and who is over one."""

from __future__ import annotations

from typing import Final

from reports.blocks import Block, Group, Line
from reports.charts import ageing_in_words, open_in_words, picture_of_ageing
from reports.digest import CreditChange, CreditSection, CreditTotal, Digest, Over, by_amount_over, by_credit_at_stake
from reports.text import clean_text
from reports.tier_page import key_of, name_of
from reports.wording import (
    TEXT_LENGTH,
    Language,
    action_in_words,
    change_reason_in_words,
    limit_in_words,
    over_in_words,
    rest_in_words,
    shares_in_words,
    tier_in_words,
)

MAX_LIMITS: Final = 20  # limits per run; the rest is a count
MAX_OVER: Final = 50


def lay_out_credit(digest: Digest, language: Language) -> tuple[Block, ...]:
    """Lay out every run that decided credit; the controller reads totals, an account manager single limits."""
    lay_out = _of_manager if digest.kind == "manager" else _overall
    return tuple(lay_out(section, digest.currency, language) for section in digest.credit)


def _of_manager(section: CreditSection, currency: str, language: Language) -> Block:
    limits = sorted(section.changes, key=by_credit_at_stake)
    lines = tuple(_credit_line(change, currency, language) for change in limits[:MAX_LIMITS])
    return Block(
        title=_heading(section, language),
        day=language.date(section.as_of),
        lead=(_total(section.whole, currency, language), *_moved(section.whole, currency, language)),
        groups=(Group(lines),) if lines else (),
        rest=rest_in_words(len(limits) - MAX_LIMITS, language),
    )


def _overall(section: CreditSection, currency: str, language: Language) -> Block:
    _ = language
    if section.lacks:
        lines = [
            _("Nothing was allocated: {reason}", reason=clean_text(section.lacks, TEXT_LENGTH)),
            _("The limits before stay in force."),
        ]
    else:
        lines = _budget(section, currency, language)
    tiers = tuple(
        Line(
            name=tier_in_words(total.tier or "", total.title, language),
            reasons=(_("Accounts: {count}", count=_.count(total.accounts)), *_moved(total, currency, language)),
            figure=_.money(total.limit, currency),
            detail=_("before {amount}", amount=_.money(total.previous, currency)),
        )
        for total in section.totals
    )
    return Block(
        title=_heading(section, language),
        day=_.date(section.as_of),
        lead=tuple(lines),
        notes=tuple(shares_in_words(section.shares, language)),
        groups=(Group(tiers),) if tiers else (),
        rest=_("Limits that moved, and accounts to be stopped or reduced: {count}, in the attached workbook",
               count=_.count(len(section.changes))) if section.changes else "",
    )  # fmt: skip


def _heading(section: CreditSection, language: Language) -> str:
    _ = language
    return _("{label}: {count}", label=_("Credit limits"), count=_.title(section.title, section.policy_id))


def _budget(section: CreditSection, currency: str, language: Language) -> list[str]:
    _ = language
    lines = []
    if section.budget is not None:
        amounts = (section.budget, section.whole.limit, section.unallocated)
        budget, allocated, left = (_.money(amount, currency) for amount in amounts)
        lines.append(_("Budget {budget}: {allocated} allocated, {left} left over", budget=budget, allocated=allocated,
                       left=left))  # fmt: skip
    lines += [_total(section.whole, currency, language), *_moved(section.whole, currency, language)]
    if section.actions:
        lines.append(
            _("; ").join(
                _("{label}: {count}", label=action_in_words(action, language), count=_.count(accounts))
                for action, accounts in section.actions
            )
        )
    return lines


def _total(total: CreditTotal, currency: str, language: Language) -> str:
    _ = language
    now, before = (_.money(amount, currency) for amount in (total.limit, total.previous))
    return _("Accounts: {count}; limits in total {now}, before {before}", count=_.count(total.accounts), now=now,
             before=before)  # fmt: skip


def _moved(total: CreditTotal, currency: str, language: Language) -> list[str]:
    """By how much limits went up and down; nothing where none moved."""
    _ = language
    parts = []
    if total.raised:
        parts.append(_("Raised: {amount}", amount=_.money(total.raised, currency)))
    if total.reduced:
        parts.append(_("Reduced: {amount}", amount=_.money(total.reduced, currency)))
    if total.squeezed:
        amount = _.money(total.squeezed, currency)
        parts.append(_("Taken from accounts whose tier went down: {amount}", amount=amount))
    return [_("; ").join(parts)] if parts else []


def _credit_line(change: CreditChange, currency: str, language: Language) -> Line:
    _ = language
    why = change_reason_in_words(change.change_reason, language)
    tier = clean_text(change.tier, 24) if change.tier else ""
    return Line(
        name=name_of(change.customer_name, change.customer_id),
        key=key_of(change.customer_id),
        reasons=(_("Tier {tier}; {why}", tier=tier, why=why) if tier else _("No tier; {why}", why=why),),
        figure=limit_in_words(change, language, currency),
        detail=action_in_words(change.action, language) if change.action in {"stop", "reduce"} else "",
        detail_tone="down",
    )


def lay_out_over(digest: Digest, language: Language) -> tuple[Block, ...]:
    """Lay out who is over a limit: whom no mail has told yet, or everybody for the controller."""
    _ = language
    if not digest.over:
        return ()
    seen_on = _.date(max(over.as_of for over in digest.over))
    if digest.kind == "controller":
        count, new = len(digest.over), sum(over.is_new for over in digest.over)
        note = _("As of {date}; accounts: {count}, new among them: {new}", date=seen_on, count=_.count(count),
                 new=_.count(new))  # fmt: skip
    else:
        note = _("As of {date}; each is told once, and again when it is over after a break.", date=seen_on)
    found = sorted(digest.over, key=by_amount_over)
    lines = tuple(_over_line(over, digest.currency, language) for over in found[:MAX_OVER])
    rest = rest_in_words(len(found) - MAX_OVER, language)
    return (Block(title=_("Over the limit"), lead=(note,), groups=(Group(lines),), rest=rest),)


def lay_out_ageing(digest: Digest, language: Language, *, has_charts: bool = True) -> tuple[Block, ...]:
    """Lay out what is open by how long it is overdue, the reporting currency first; nothing where nothing is."""
    _ = language
    found = [each for each in digest.ageing if any(amount > 0 for _name, amount in each.buckets) or each.disputed > 0]
    if not found:
        return ()
    first, *others = sorted(found, key=lambda each: (each.currency != digest.currency, each.currency))
    lines = tuple(
        Line(name=each.currency, reasons=(*open_in_words(each, language), ageing_in_words(each, language)))
        for each in others
    )
    return (
        Block(
            title=_("Receivables by age"),
            day=_.date(first.as_of),
            lead=tuple(open_in_words(first, language)),
            picture=picture_of_ageing(first, language) if has_charts else None,
            groups=(Group(lines, _("In other currencies")),) if lines else (),
        ),
    )


def _over_line(over: Over, currency: str, language: Language) -> Line:
    return Line(
        name=name_of(over.customer_name, over.customer_id),
        key=key_of(over.customer_id),
        reasons=(language.title(over.title, over.policy_id), *over_in_words(over, language, currency)),
        figure=language.money(over.over, currency),
        figure_tone="down",
    )
