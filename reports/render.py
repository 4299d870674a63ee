"""A digest as a subject, an HTML page, its plain-text twin and a workbook.

Both bodies are rendered from one :class:`Page`, in which every text of foreign origin is already cleaned and
cut, so they cannot disagree. A further block (chart, outlook, roll-up) is a field of the page and a few lines
in each template.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.digest import Digest, KeyFieldChange, Mover, Notice, PolicySection, by_day, by_money_at_stake
from reports.text import clean_text
from reports.wording import (
    NO_VALUE,
    TEXT_LENGTH,
    Language,
    driver_in_words,
    entity_in_words,
    field_in_words,
    kept_in_words,
    mover_cause_in_words,
    status_in_words,
    value_in_words,
)
from reports.workbook import WorkbookFile, write_workbook

MAX_LISTED: Final = 50  # movers per policy and direction; the rest is a count
TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class RenderedDigest:
    """`workbook` is attached to the mail when there is one."""

    subject: str
    html: str
    text: str
    workbook: WorkbookFile | None = None


@dataclass(frozen=True)
class Figure:
    """One headline number with the money behind it."""

    label: str
    count: str
    value: str
    direction: str


@dataclass(frozen=True)
class TierLine:
    label: str
    customers: str
    change: str


@dataclass(frozen=True)
class MoverLine:
    name: str
    customer_id: str
    move: str
    value: str  # empty when not known
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class MoverGroup:
    """The movers of one direction with the same new tier, and what follows from that tier."""

    label: str
    action: str
    movers: tuple[MoverLine, ...]


@dataclass(frozen=True)
class MoverList:
    direction: str
    heading: str
    groups: tuple[MoverGroup, ...]
    rest: str


@dataclass(frozen=True)
class SectionPage:
    title: str
    as_of: str
    tiers: tuple[TierLine, ...]
    lists: tuple[MoverList, ...]


@dataclass(frozen=True)
class KeyFieldLine:
    name: str
    customer_id: str
    field: str
    move: str
    source: str


@dataclass(frozen=True)
class NoticeLine:
    name: str
    customer_id: str
    move: str
    falls_on: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """Everything the templates show, ready to be shown."""

    subject: str
    preheader: str
    greeting: str
    is_correction: bool
    figures: tuple[Figure, ...]
    totals: tuple[str, ...]
    unassigned: str
    sections: tuple[SectionPage, ...]
    notices: tuple[NoticeLine, ...]
    notices_rest: str
    key_fields: tuple[KeyFieldLine, ...]
    key_fields_rest: str
    quarantined: tuple[tuple[str, str, str], ...]
    as_of_days: str
    sources: str
    stale: str


def render_digest(digest: Digest) -> RenderedDigest:
    """Render one manager's digest in the digest's locale. The same digest gives the same text."""
    language = Language(digest.locale)
    with decimal.localcontext() as context:
        context.prec = 60  # a sum of money must not meet the default of 28 digits
        page = _lay_out(digest, language)
        workbook = write_workbook(digest, page.subject)
    html = _environment().get_template("digest.html.j2").render(page=page, _=language)
    text = _environment().get_template("digest.txt.j2").render(page=page, _=language)
    # The text is escaped like everything else and unescaped once, whole: no template can forget to escape.
    plain = Markup(text).unescape()  # noqa: S704
    return RenderedDigest(subject=page.subject, html=html, text=plain, workbook=workbook)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _lay_out(digest: Digest, language: Language) -> Page:
    _ = language
    movers = [mover for section in digest.sections for mover in section.movers]
    counts = {d: _.count(len(_going(movers, d))) for d in ("up", "down", "new", "left")}
    days = sorted({section.as_of for section in digest.sections})
    unassigned = digest.unassigned_customers
    return Page(
        subject=_subject(digest, counts, days, language),
        preheader=_("{up} up, {down} down, {new} new, {left} left", **counts),
        greeting=_("Dear {name},", name=clean_text(digest.manager_name)),
        is_correction=digest.is_correction,
        figures=tuple(
            Figure(label, counts[d], _.short_money(_money_at_stake(_going(movers, d)), digest.currency), d)
            for d, label in (("up", _("Up")), ("down", _("Down")), ("new", _("New")), ("left", _("Left")))
        ),
        totals=_totals(digest, movers, language),
        unassigned=_("Customers without an account manager: {count}", count=_.count(unassigned)) if unassigned else "",
        sections=tuple(_lay_out_section(section, digest.currency, language) for section in digest.sections),
        notices=tuple(_notice_line(notice, language) for notice in sorted(digest.notices, key=by_day)[:MAX_LISTED]),
        notices_rest=_in_workbook(len(digest.notices) - MAX_LISTED, language),
        key_fields=tuple(_key_field_line(change, language) for change in digest.key_fields[:MAX_LISTED]),
        key_fields_rest=_more(len(digest.key_fields) - MAX_LISTED, language),
        quarantined=tuple(
            (entity_in_words(found.entity, language), clean_text(found.rule), _.count(found.rows))
            for found in sorted(digest.quarantined, key=lambda q: (q.entity, q.rule))
            if found.rows
        ),
        as_of_days=_("; ").join(_.date(day) for day in days),
        sources=_sources(digest, language),
        stale=_sources(replace(digest, sources=tuple(s for s in digest.sources if s.is_stale)), language),
    )


def _key_field_line(change: KeyFieldChange, language: Language) -> KeyFieldLine:
    _ = language
    before, after = (value_in_words(change.field, value, language) for value in (change.before, change.after))
    source = _("since {date}; {entity}, batch {batch}", date=_.date(change.changed_on),
               entity=entity_in_words(change.entity, language), batch=clean_text(change.batch, 40))  # fmt: skip
    if change.extracted_on is not None:
        source = _("{source}, extracted on {date}", source=source, date=_.date(change.extracted_on))
    if change.assessed_by:
        source = _("{source}, assessed by {who}", source=source, who=clean_text(change.assessed_by))
    return KeyFieldLine(
        name=clean_text(change.customer_name) or clean_text(change.customer_id),
        customer_id=clean_text(change.customer_id, 40),
        field=field_in_words(change.field, language),
        move=f"{before} → {after}",
        source=source,
    )


def _notice_line(notice: Notice, language: Language) -> NoticeLine:
    _ = language
    reasons = [_.title(notice.title, notice.policy_id)]
    if notice.found_since is not None:
        reasons.append(_("Found lower since {date}", date=_.date(notice.found_since)))
    return NoticeLine(
        name=clean_text(notice.customer_name) or clean_text(notice.customer_id),
        customer_id=clean_text(notice.customer_id, 40),
        move=f"{clean_text(notice.tier, 24)} → {clean_text(notice.to_tier, 24)}",
        falls_on=_.date(notice.falls_on),
        reasons=(*reasons, *kept_in_words(notice, language)),
    )


def _in_workbook(rest: int, language: Language) -> str:
    _ = language
    return _("Not listed here: {count} more, see the attached workbook", count=_.count(rest)) if rest > 0 else ""


def _more(rest: int, language: Language) -> str:
    _ = language
    return _("Not listed here: {count} more, see tiering.key_field_change", count=_.count(rest)) if rest > 0 else ""


def _sources(digest: Digest, language: Language) -> str:
    """Through which day every entity was loaded; entities of the same day together, the oldest first."""
    _ = language
    by_day: dict[date, list[str]] = {}
    for source in sorted(digest.sources, key=lambda s: s.through_on):
        by_day.setdefault(source.through_on, []).append(entity_in_words(source.entity, language))
    return _("; ").join(
        _("{label}: {count}", label=_(", ").join(names), count=_.date(day)) for day, names in by_day.items()
    )


def _subject(digest: Digest, counts: dict[str, str], days: list[date], language: Language) -> str:
    """A fixed sentence with a date and counts: nothing of a customer, ever."""
    _ = language
    if days:
        subject = _("Customer tiers {date}: {up} up, {down} down", date=days[-1].isoformat(), **counts)
    else:
        subject = _("Customer tiers: {up} up, {down} down", **counts)
    return _("{subject} (correction)", subject=subject) if digest.is_correction else subject


def _totals(digest: Digest, movers: list[Mover], language: Language) -> tuple[str, ...]:
    _ = language
    customers = digest.customers
    if customers is None and len(digest.sections) == 1:
        customers = sum(tier.customers for tier in digest.sections[0].tiers)
    lines = []
    if customers is not None:
        lines.append(_("Customers with a tier: {count}", count=_.count(customers)))
    value = _money_at_stake(movers)
    if value is not None:
        lines.append(_("Value of all movers: {value}", value=_.money(value, digest.currency)))
    return tuple(lines)


def _going(movers: Iterable[Mover], direction: str) -> list[Mover]:
    return [mover for mover in movers if mover.direction == direction]


def _money_at_stake(movers: Iterable[Mover]) -> Decimal | None:
    """Sum over customers; one that moved under several policies counts once, with its largest value."""
    values: dict[str, Decimal] = {}
    for mover in movers:
        if mover.value is not None and mover.value.is_finite():
            values[mover.customer_id] = max(mover.value, values.get(mover.customer_id, mover.value))
    return sum(values.values(), Decimal(0)) if values else None


def _lay_out_section(section: PolicySection, currency: str, language: Language) -> SectionPage:
    _ = language
    tiers = sorted(section.tiers, key=lambda tier: tier.rank)
    headings = (
        ("down", _("Moved down")),
        ("up", _("Moved up")),
        ("new", _("New customers")),
        ("left", _("No longer graded")),
    )
    lists = (_list_movers(section, direction, heading, currency, language) for direction, heading in headings)
    return SectionPage(
        title=_.title(section.title, section.policy_id),
        as_of=_.date(section.as_of),
        tiers=tuple(
            TierLine(
                _tier_label(section, tier.tier, language),
                _.count(tier.customers),
                _.change(None if tier.before is None else tier.customers - tier.before),
            )
            for tier in tiers
        ),
        lists=tuple(found for found in lists if found is not None),
    )


def _list_movers(
    section: PolicySection, direction: str, heading: str, currency: str, language: Language
) -> MoverList | None:
    """The movers of one direction, most money first, cut at MAX_LISTED and then grouped by new tier.

    Groups start with the news that matters: the worst tier when down, the best tier otherwise.
    """
    _ = language
    movers = sorted(_going(section.movers, direction), key=by_money_at_stake)
    if not movers:
        return None
    listed, rest = movers[:MAX_LISTED], len(movers) - MAX_LISTED
    ranks = {tier.tier: tier.rank for tier in section.tiers}
    by_tier: dict[str | None, list[Mover]] = {}
    for mover in listed:
        by_tier.setdefault(mover.to_tier if direction in {"up", "down"} else None, []).append(mover)
    sign = -1 if direction == "down" else 1
    groups = sorted(by_tier.items(), key=lambda item: (sign * ranks.get(item[0] or "", 0), item[0] or ""))
    return MoverList(
        direction=direction,
        heading=_("{label}: {count}", label=heading, count=_.count(len(movers))),
        groups=tuple(
            MoverGroup(
                label=_("Now {tier}", tier=_tier_label(section, tier, language)) if tier else "",
                action=_action(section, tier, language),
                movers=tuple(_mover_line(mover, currency, language) for mover in members),
            )
            for tier, members in groups
        ),
        rest=_in_workbook(rest, language),
    )


def _action(section: PolicySection, tier: str | None, language: Language) -> str:
    _ = language
    action = _.title(section.actions.get(tier or "", {}), "", TEXT_LENGTH)
    return _("What follows: {action}", action=action) if action else ""


def _mover_line(mover: Mover, currency: str, language: Language) -> MoverLine:
    _ = language
    why = (mover_cause_in_words(mover, language), status_in_words(mover, language))
    drivers = tuple(driver_in_words(driver, language, currency) for driver in mover.drivers)
    before, after = (clean_text(tier, 24) if tier else NO_VALUE for tier in (mover.from_tier, mover.to_tier))
    moves = {"new": after, "left": _("was {tier}", tier=before)}
    value = mover.value if mover.value is not None and mover.value.is_finite() else None
    return MoverLine(
        name=clean_text(mover.customer_name) or clean_text(mover.customer_id),
        customer_id=clean_text(mover.customer_id, 40),
        move=moves.get(mover.direction, f"{before} → {after}"),
        value="" if value is None else _.money(value, currency),
        reasons=tuple(part for part in why if part) + drivers,
    )


def _tier_label(section: PolicySection, tier: str, language: Language) -> str:
    """The tier's key and, where it says more, its title: "D · Watch list"."""
    key = clean_text(tier, 24)
    title = next((language.title(t.title, tier) for t in section.tiers if t.tier == tier), key)
    return title if title.casefold() == key.casefold() else f"{key} · {title}"
