"""A digest as a subject, an HTML page, its plain-text twin and a workbook.

Both bodies are rendered from one :class:`~reports.blocks.Page`, so they cannot disagree. What a page says is laid out
by the modules `*_page`, as blocks; how it looks is `templates/`.
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

from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.blocks import Figure, Page, Picture
from reports.care_page import (
    as_reminder,
    care_totals,
    lay_out_follow_ups,
    lay_out_grades,
    lay_out_near,
    lay_out_visits,
)
from reports.credit_page import lay_out_ageing, lay_out_credit, lay_out_over
from reports.digest import Digest, Direction, Mover, SourceDay
from reports.overview_page import overview_page
from reports.text import clean_text
from reports.tier_page import going, lay_out_key_fields, lay_out_notices, lay_out_quarantined, lay_out_tiers
from reports.wording import Language, entity_in_words
from reports.workbook import WorkbookFile, write_workbook

TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class RenderedDigest:
    """`pictures` are shown within `html`; `workbook` is attached to the mail when there is one."""

    subject: str
    html: str
    text: str
    workbook: WorkbookFile | None = None
    pictures: tuple[Picture, ...] = ()


def render_digest(digest: Digest, *, has_charts: bool = True) -> RenderedDigest:
    """Render one manager's digest in the digest's locale. The same digest gives the same text and the same charts."""
    language = Language(digest.locale)
    with decimal.localcontext() as context:
        context.prec = 60  # a sum of money must not meet the default of 28 digits
        page = _lay_out(digest, language, has_charts)
        workbook = write_workbook(digest, page.subject, language)
    html = _environment().get_template("digest.html.j2").render(page=page, _=language)
    text = _environment().get_template("digest.txt.j2").render(page=page, _=language)
    # The text is escaped like everything else and unescaped once, whole: no template can forget to escape.
    plain = Markup(text).unescape()  # noqa: S704
    return RenderedDigest(page.subject, _inliner().inline(html), plain, workbook, page.pictures)


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


@lru_cache(maxsize=1)
def _inliner() -> CSSInliner:
    """Many mail clients read inline styles only; what others get on top, and the dark scheme, stays in the head."""
    return CSSInliner(
        extra_css=(TEMPLATES / "styles.css").read_text(encoding="utf-8"),
        minify_css=True,
        load_remote_stylesheets=False,
    )


def _lay_out(digest: Digest, language: Language, has_charts: bool) -> Page:
    _ = language
    movers = [mover for section in digest.sections for mover in section.movers]
    counts = {d: _.count(len(going(movers, d))) for d in ("up", "down", "new", "left")}
    days = sorted({section.as_of for section in digest.sections})
    unassigned = digest.unassigned_customers
    labels: tuple[tuple[Direction, str], ...] = (
        ("up", _("Up")),
        ("down", _("Down")),
        ("new", _("New")),
        ("left", _("Left")),
    )
    page = Page(
        subject=_subject(digest, counts, days, language),
        title=_("Customer tiers"),
        purpose=_("This is the customer tier digest for your accounts: who moved, why, and what follows."),
        preheader=_("{up} up, {down} down, {new} new, {left} left", **counts),
        greeting=_("Dear {name},", name=clean_text(digest.manager_name)),
        is_correction=digest.is_correction,
        figures=tuple(
            Figure(label, counts[d], _.short_money(_money_at_stake(going(movers, d)), digest.currency), d)
            for d, label in labels
        ),
        totals=(*_totals(digest, movers, language), *care_totals(digest, language)),
        unassigned=_("Customers without an account manager: {count}", count=_.count(unassigned)) if unassigned else "",
        blocks=()
        if digest.kind in ("superior", "general")
        else (
            *lay_out_tiers(digest, language, has_charts=has_charts),
            *lay_out_notices(digest, language),
            *lay_out_near(digest, language),
            *lay_out_follow_ups(digest, language),
            *lay_out_grades(digest, language),
            *lay_out_credit(digest, language),
            *lay_out_over(digest, language),
            *lay_out_ageing(digest, language, has_charts=has_charts),
            *lay_out_visits(digest, language),
            *lay_out_key_fields(digest, language),
            *lay_out_quarantined(digest, language),
        ),
        as_of_days=_("; ").join(_.date(day) for day in days),
        sources=_sources(digest.sources, language),
        stale=_sources((source for source in digest.sources if source.is_stale), language),
    )
    if digest.kind in ("superior", "general"):
        return overview_page(digest, page, language, has_charts=has_charts)
    page = as_reminder(digest, page, language)
    return _for_controller(digest, page, language) if digest.kind == "controller" else page


def _for_controller(digest: Digest, page: Page, language: Language) -> Page:
    """The page over all accounts, which speaks of credit alone."""
    _ = language
    day = digest.as_of.isoformat() if digest.as_of else ""
    over = _.count(len(digest.over))
    return replace(
        page,
        subject=_("Credit limits {date}; over the limit: {count}", date=day, count=over),
        title=_("Credit limits"),
        purpose=_("This is the credit digest over all accounts: what was allocated, and who is over a limit."),
        preheader=_("Over the limit: {count}", count=over),
        greeting="",
        figures=(),
        totals=(),
        as_of_days=_.date(digest.as_of) if digest.as_of else "",
    )


def _sources(sources: Iterable[SourceDay], language: Language) -> str:
    """Through which day every entity was loaded; entities of the same day together, the oldest first."""
    _ = language
    by_day: dict[date, list[str]] = {}
    for source in sorted(sources, key=lambda s: s.through_on):
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
    if digest.over:
        subject = _("{subject}; over the limit: {count}", subject=subject, count=_.count(len(digest.over)))
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


def _money_at_stake(movers: Iterable[Mover]) -> Decimal | None:
    """Sum over customers; one that moved under several policies counts once, with its largest value."""
    values: dict[str, Decimal] = {}
    for mover in movers:
        if mover.value is not None and mover.value.is_finite():
            values[mover.customer_id] = max(mover.value, values.get(mover.customer_id, mover.value))
    return sum(values.values(), Decimal(0)) if values else None
