"""Overviews as blocks: what superiors read of everybody below them, and the general manager of all customers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import groupby
from typing import Final

from babel.dates import format_skeleton

from reports.blocks import Block, Group, Line, Page, Table
from reports.charts import picture_of_migration
from reports.credit_page import lay_out_ageing, lay_out_credit
from reports.digest import (
    Digest,
    Evaluation,
    Fall,
    Migration,
    PolicySection,
    RollUp,
    ServiceLevel,
    Tally,
    TierEffect,
    Unit,
)
from reports.text import clean_text
from reports.tier_page import key_of, lay_out_tiers, name_of
from reports.wording import NO_VALUE, Language, entity_in_words, rest_in_words, tier_in_words
from transforms.calendar import month_end

MAX_MEMBERS: Final = 20  # account managers, and regions, per policy; the rest is a count
MAX_PAIRS: Final = 20
MAX_NAMED: Final = 20
WIDEST_MATRIX: Final = 5  # tiers whose matrix a phone can show
LONGEST_KEY: Final = 6

_UNITS: Final[dict[str, Unit]] = {
    "net_sales": "money",
    "sales_share": "ratio",
    "average_satisfaction": "number",
    "average_survey_score": "number",
    "flip_flops_per_100": "number",
    "provisional_share": "ratio",
    "average_completeness": "ratio",
}
"""Units of measures and figures that are no counts."""


def overview_page(digest: Digest, page: Page, language: Language, *, has_charts: bool = True) -> Page:
    """The page of a superior or of the general manager, from the one that every digest has."""
    if digest.kind == "superior":
        return _of_superior(digest, page, language)
    return _of_all(digest, page, language, has_charts)


def _of_superior(digest: Digest, page: Page, language: Language) -> Page:
    _ = language
    moved = {figure.tone: figure.count for figure in page.figures}
    days = sorted({section.as_of for section in digest.sections})
    subject = _("Tiers of your team {date}: {up} up, {down} down", date=days[-1].isoformat() if days else "", **moved)
    return replace(
        page,
        subject=_corrected(subject, digest, language),
        title=_("Tiers of your team"),
        purpose=_("This is the digest over the customers of everybody who reports to you, directly or through others."),
        totals=(),
        blocks=(
            *(_lay_out_roll_up(roll_up, digest.currency, language) for roll_up in digest.roll_ups),
            *_lay_out_falls(digest.falls, digest.currency, language),
        ),
    )


def _of_all(digest: Digest, page: Page, language: Language, has_charts: bool) -> Page:
    _ = language
    moved = {figure.tone: figure.count for figure in page.figures}
    days = sorted({section.as_of for section in digest.sections})
    years = sorted({evaluation.year for evaluation in digest.evaluations})
    if days:
        subject = _("Customer tiers overall {date}: {up} up, {down} down", date=days[-1].isoformat(), **moved)
    elif years:
        subject = _("Evaluation of {year}", year=years[-1])
    else:
        subject = _("Customer tiers overall")
    unassigned = digest.unassigned_customers
    nobody = _("Customers without an account manager: {count}", count=_.count(unassigned))
    return replace(
        page,
        subject=_corrected(subject, digest, language),
        title=_("Customer tiers overall"),
        purpose=_("This is the digest over all customers: what moved, what is at stake, and how service was kept."),
        greeting="",
        figures=page.figures if days else (),
        totals=(*(page.totals if days else ()), *([nobody] if unassigned else [])),
        unassigned="",
        blocks=(
            *(block for section in digest.sections for block in _lay_out_policy(digest, section, language, has_charts)),
            *lay_out_credit(digest, language),
            *lay_out_ageing(digest, language, has_charts=has_charts),
            *lay_out_service_levels(digest.service_levels, language),
            *(
                block
                for evaluation in digest.evaluations
                for block in _lay_out_evaluation(evaluation, digest.currency, language)
            ),
            *_lay_out_refused(digest, language),
            *_lay_out_reporting_lines(digest, language),
        ),
    )


def _corrected(subject: str, digest: Digest, language: Language) -> str:
    _ = language
    return _("{subject} (correction)", subject=subject) if digest.is_correction else subject


# ---- roll-ups


def _lay_out_roll_up(roll_up: RollUp, currency: str, language: Language) -> Block:
    _ = language
    rest = sum(max(0, len(part) - MAX_MEMBERS) for part in (roll_up.managers, roll_up.regions))
    return Block(
        title=_.title(roll_up.title, roll_up.policy_id),
        day=_.date(roll_up.as_of),
        lead=_tally_in_words(roll_up.whole, currency, language),
        groups=(
            Group(_member_lines(roll_up.managers, currency, language), _("By account manager")),
            Group(_region_lines(roll_up.regions, currency, language), _("By region")),
        ),
        rest=rest_in_words(rest, language),
    )


def _member_lines(tallies: Iterable[Tally], currency: str, language: Language) -> tuple[Line, ...]:
    _ = language
    return _tally_lines(tallies, _("No account manager"), currency, language)


def _region_lines(tallies: Iterable[Tally], currency: str, language: Language) -> tuple[Line, ...]:
    _ = language
    return _tally_lines(tallies, _("No region"), currency, language)


def _tally_lines(tallies: Iterable[Tally], nobody: str, currency: str, language: Language) -> tuple[Line, ...]:
    return tuple(
        Line(
            name=clean_text(tally.name) or nobody,
            key=key_of(tally.key) if tally.name != tally.key else "",
            reasons=_tally_in_words(tally, "", language),
            figure="" if tally.at_stake is None else language.short_money(tally.at_stake, currency),
        )
        for tally in list(tallies)[:MAX_MEMBERS]
    )


def _tally_in_words(tally: Tally, currency: str, language: Language) -> tuple[str, ...]:
    """Customers and moves, what is overdue or over, and, where a currency is given, what is at stake."""
    _ = language
    counts = {name: _.count(getattr(tally, name)) for name in ("up", "down", "new", "left")}
    moves = _("{up} up, {down} down, {new} new, {left} left", **counts)
    said = [_("Customers: {count}; {moves}", count=_.count(tally.customers), moves=moves)]
    owed = []
    if tally.overdue:
        owed.append(_("Follow-ups overdue: {count}", count=_.count(tally.overdue)))
    if tally.over:
        owed.append(_("Over the limit: {count}", count=_.count(tally.over)))
    if owed:
        said.append(_("; ").join(owed))
    if currency and tally.at_stake is not None:
        said.append(_("Value of all movers: {value}", value=_.money(tally.at_stake, currency)))
    return tuple(said)


def _lay_out_falls(falls: Sequence[Fall], currency: str, language: Language) -> tuple[Block, ...]:
    _ = language
    if not falls:
        return ()
    lines = tuple(
        Line(
            name=name_of(fall.mover.customer_name, fall.mover.customer_id),
            key=key_of(fall.mover.customer_id),
            reasons=(
                _("{label}: {count}", label=_("Account manager"), count=clean_text(fall.manager_name) or NO_VALUE),
                _.title(fall.title, fall.policy_id),
            ),
            figure=" → ".join(
                clean_text(tier, 24) if tier else NO_VALUE for tier in (fall.mover.from_tier, fall.mover.to_tier)
            ),
            detail=_.money(fall.mover.value, currency)
            if fall.mover.value is not None and fall.mover.value.is_finite()
            else "",
        )
        for fall in falls
    )
    said = _("Those with the most money at stake: {count}", count=_.count(len(falls)))
    return (Block(title=_("Largest moves down"), tone="down", lead=(said,), groups=(Group(lines),)),)


# ---- over all customers


def _lay_out_policy(digest: Digest, section: PolicySection, language: Language, has_charts: bool) -> list[Block]:
    """The tiers of a policy with their change, from tier to tier, and by region."""
    _ = language
    alone = replace(digest, sections=(replace(section, movers=()),), migrations=())
    mix, *_others = lay_out_tiers(alone, language, has_charts=has_charts)
    of_policy = section.policy_id, section.as_of
    found = []
    for roll_up in digest.roll_ups:
        if (roll_up.policy_id, roll_up.as_of) == of_policy:
            mix = replace(mix, lead=_tally_in_words(roll_up.whole, digest.currency, language))
            regions = _region_lines(roll_up.regions, digest.currency, language)
            rest = rest_in_words(len(roll_up.regions) - MAX_MEMBERS, language)
            found.append(Block(title=_("By region"), is_part=True, groups=(Group(regions),), rest=rest))
    for migration in digest.migrations:
        if (migration.policy_id, migration.as_of) == of_policy:
            found.insert(0, _lay_out_migration(migration, language, has_charts))
    return [mix, *found]


def _lay_out_migration(migration: Migration, language: Language, has_charts: bool) -> Block:
    """A matrix where a phone can show it, else the pairs with the most customers; and the chart of it."""
    _ = language
    said = _("Between {before} and {after}", before=_.date(migration.before_on), after=_.date(migration.as_of))
    keys = [clean_text(tier, 24) for tier in migration.tiers]
    table: Table | None = None
    rest = ""
    if len(keys) <= WIDEST_MATRIX and max(map(len, keys), default=0) <= LONGEST_KEY:
        table = _matrix(migration, language)
    else:
        pairs = sorted(
            ((pair, count) for pair, count in migration.customers.items() if pair[0] != pair[1]),
            key=lambda item: (-item[1], *(tier or "" for tier in item[0])),
        )
        rows = tuple(
            (clean_text(start or _("New"), 24), clean_text(end or _("Left"), 24), _.count(count))
            for (start, end), count in pairs[:MAX_PAIRS]
        )
        table = Table((_("From tier"), _("To tier"), _("Customers")), rows, (36, 36, 28), texts=2) if rows else None
        rest = rest_in_words(len(pairs) - MAX_PAIRS, language)
    return Block(
        title=_("From tier to tier"),
        is_part=True,
        lead=(said,),
        table=table,
        picture=picture_of_migration(migration, language) if has_charts else None,
        rest=rest,
    )


def _matrix(migration: Migration, language: Language) -> Table:
    """One row per tier before, and one for who was new; one column per tier after, and one for who left."""
    _ = language

    def cell(start: str | None, end: str | None) -> str:
        count = migration.customers.get((start, end), 0)
        return _.count(count) if count else NO_VALUE

    tiers = migration.tiers
    rows = [(clean_text(start, 24), *(cell(start, end) for end in tiers), cell(start, None)) for start in tiers]
    rows.append((_("New"), *(cell(None, end) for end in tiers), NO_VALUE))
    each = 76 // (len(tiers) + 1)
    head = (_("From / to"), *(clean_text(tier, 24) for tier in tiers), _("Left"))
    return Table(head, tuple(rows), (100 - each * (len(tiers) + 1), *[each] * (len(tiers) + 1)))


def lay_out_service_levels(levels: Sequence[ServiceLevel], language: Language) -> tuple[Block, ...]:
    """How service levels were kept in the last whole month and in the one that runs, by tier."""
    _ = language
    if not levels:
        return ()
    groups = [
        Group(
            tuple(_level_line(list(months), language) for _key, months in groupby(of_policy, _tier_and_target)),
            label=_.title(of_policy[0].title, policy_id),
        )
        for policy_id, found in groupby(levels, lambda level: level.policy_id)
        for of_policy in [list(found)]
    ]
    return (Block(title=_("Service levels"), groups=tuple(groups)),)


def _tier_and_target(level: ServiceLevel) -> tuple[str, str]:
    return level.tier, level.target


def _level_line(months: Sequence[ServiceLevel], language: Language) -> Line:
    """The months of one level; the figure is that of the last whole month, or else of the latest."""
    _ = language
    whole = [level for level in months if level.period_end == month_end(level.period_start)]
    shown = (whole or list(months))[-1]
    promised, attained = promised_and_attained(shown, language)
    return Line(
        name=tier_in_words(shown.tier, shown.tier_title, language),
        reasons=(target_in_words(shown, language), *(_month_in_words(level, language) for level in months)),
        figure=attained,
        detail=_("promised {share}", share=promised),
        figure_tone="down" if shown.is_missed else "",
    )


def promised_and_attained(level: ServiceLevel, language: Language) -> tuple[str, str]:
    """Both shares with as many decimals as tell them apart: what was missed never looks kept."""
    if level.attained is None:
        return language.figures("ratio", [level.promised], "")[0], NO_VALUE
    promised, attained = language.figures("ratio", [level.promised, level.attained], "")
    return promised, attained


def target_in_words(level: ServiceLevel, language: Language) -> str:
    """What a service level promises."""
    _ = language
    if level.target == "answered":
        return _("Answered within {seconds} seconds", seconds=_.count(level.within))
    return _("Replied within {days}", days=_.days(str(level.within)))


def _month_in_words(level: ServiceLevel, language: Language) -> str:
    _ = language
    month = str(format_skeleton("yMMMM", level.period_start, locale=language.locale))
    if level.period_end != month_end(level.period_start):
        month = _("{month} up to {date}", month=month, date=_.date(level.period_end))
    if level.attained is None:
        return _("{month}: no events", month=month)
    return _("{month}: {share} of {count} events", month=month, share=promised_and_attained(level, language)[1],
             count=_.count(level.events))  # fmt: skip


# ---- the year


def _lay_out_evaluation(evaluation: Evaluation, currency: str, language: Language) -> list[Block]:
    """How a policy did in a year, then what its tiers achieved."""
    _ = language
    figures = {figure: value for figure, tier, value in evaluation.figures if tier == "-"}
    table = tuple(
        (words, value_in_words(figure, figures[figure], currency, language))
        for figure, words in figures_in_words(language).items()
        if figure in figures
    )
    title = _("{label}: {count}", label=_("Evaluation of {year}", year=evaluation.year),
              count=_.title(evaluation.title, evaluation.policy_id))  # fmt: skip
    found = [Block(title=title, table=Table((_("Figure"), _("Value")), table, (70, 30)) if table else None)]
    if evaluation.as_of is not None and evaluation.effects:
        said = _("The 12 months after {date} against the 12 months up to it, of those who had the tier on that day",
                 date=_.date(evaluation.as_of))  # fmt: skip
        lines = tuple(
            _effect_line(evaluation, list(effects), currency, language)
            for _tier, effects in groupby(evaluation.effects, lambda effect: effect.tier)
        )
        found.append(Block(title=_("Effect of the tiers"), is_part=True, lead=(said,), groups=(Group(lines),)))
    return found


def _effect_line(evaluation: Evaluation, effects: Sequence[TierEffect], currency: str, language: Language) -> Line:
    _ = language
    words = measures_in_words(language)
    standing = {figure: value for figure, tier, value in evaluation.figures if tier == effects[0].tier}
    start, end = (standing.get(f"customers_at_{when}") for when in ("start", "end"))
    reasons = []
    if start is not None and end is not None:
        reasons.append(_("Customers: {start} at the start of the year, {end} at its end", start=_.count(int(start)),
                         end=_.count(int(end))))  # fmt: skip
    by_measure = {effect.measure: effect for effect in effects}
    for measure, word in words.items():
        effect = by_measure.get(measure)
        if effect is not None and (effect.before is not None or effect.after is not None):
            values = (value_in_words(measure, value, currency, language) for value in (effect.before, effect.after))
            reasons.append(_("{label}: {count}", label=word, count=" → ".join(values)))
    sales = by_measure.get("net_sales")
    return Line(
        name=tier_in_words(effects[0].tier, effects[0].title, language),
        reasons=tuple(reasons),
        figure="" if sales is None else rate_in_words(sales.change_rate, language),
        detail=words["net_sales"] if sales is not None and sales.change_rate is not None else "",
    )


def measures_in_words(language: Language) -> dict[str, str]:
    """What the measures of tiering.tier_effect are called, in the order in which they are shown."""
    _ = language
    return {
        "net_sales": _("Net sales"),
        "sales_share": _("Share of net sales"),
        "order_count": _("Orders"),
        "buying_customers": _("Customers that bought"),
        "complaint_count": _("Complaints"),
        "average_satisfaction": _("Satisfaction"),
        "average_survey_score": _("Survey score"),
        "left_customers": _("Customers that left"),
    }


def figures_in_words(language: Language) -> dict[str, str]:
    """What the figures of a policy in tiering.policy_evaluation are called, in the order in which they are shown."""
    _ = language
    return {
        "published_days": _("Days published"),
        "customers_at_start": _("Customers at the start of the year"),
        "customers_at_end": _("Customers at its end"),
        "customers_in_year": _("Customers with a tier in the year"),
        "moved_up": _("Moves up"),
        "moved_down": _("Moves down"),
        "new": _("New customers"),
        "left": _("No longer graded"),
        "flip_flops": _("Moved and moved back"),
        "flip_flops_per_100": _("The same per 100 customers"),
        "overridden_customers": _("Customers with a tier set by hand"),
        "provisional_share": _("Share of provisional decisions"),
        "average_completeness": _("Average completeness"),
        "approvals_asked": _("Approvals asked"),
        "approvals_refused": _("Approvals refused"),
        "quarantined_rows": _("Rows set aside"),
    }


def value_in_words(name: str, value: Decimal | None, currency: str, language: Language) -> str:
    """A value of a measure or a figure with its unit; a dash where it is undefined."""
    if value is None:
        return NO_VALUE
    return language.figures(_UNITS.get(name, "count"), [value], currency)[0]


def rate_in_words(rate: Decimal | None, language: Language) -> str:
    """By which part something changed, with its sign; a dash where that is undefined."""
    if rate is None:
        return NO_VALUE
    sign = "+" if rate > 0 else "−" if rate < 0 else ""
    return sign + language.figures("ratio", [abs(rate)], "")[0]


# ---- data


def _lay_out_refused(digest: Digest, language: Language) -> tuple[Block, ...]:
    _ = language
    rows: dict[str, int] = {}
    for found in digest.quarantined:
        rows[found.entity] = rows.get(found.entity, 0) + found.rows
    table = tuple((entity_in_words(name, language), _.count(count)) for name, count in sorted(rows.items()) if count)
    if not table:
        return ()
    said = _("These source rows broke a rule and were not counted. They do not lower a tier.")
    return (Block(title=_("Rows set aside"), lead=(said,), table=Table((_("Data"), _("Rows")), table, (70, 30))),)


def _lay_out_reporting_lines(digest: Digest, language: Language) -> tuple[Block, ...]:
    _ = language
    lines = digest.reporting_lines
    said = []
    if lines.circular:
        said.append(_("Account managers who report to each other in a circle: {names}",
                      names=_names(lines.circular, language)))  # fmt: skip
    if lines.unknown:
        said.append(_("Account managers who report to somebody that is none: {names}",
                      names=_names(lines.unknown, language)))  # fmt: skip
    return (Block(title=_("Reporting lines"), lead=tuple(said)),) if said else ()


def _names(names: Sequence[str], language: Language) -> str:
    _ = language
    shown = _(", ").join(clean_text(name) for name in names[:MAX_NAMED])
    rest = len(names) - MAX_NAMED
    return _("{names} and {count} more", names=shown, count=_.count(rest)) if rest > 0 else shown
