"""Overviews as sheets of the workbook: account managers, regions, moves, service levels, and the year."""

from __future__ import annotations

from collections.abc import Sequence

from reports.digest import Digest, Tally
from reports.overview_page import figures_in_words, measures_in_words, target_in_words
from reports.sheets import MAX_ROWS, Cell, Column, Sheet, money_column
from reports.text import clean_text
from reports.wording import NO_VALUE, Language


def list_overview(digest: Digest, language: Language) -> list[Sheet]:
    """The sheets of what a superior or the general manager is told; each only where it has rows."""
    sheets = (
        _list_managers(digest, language),
        _list_regions(digest, language),
        _list_falls(digest, language),
        _list_migrations(digest, language),
        _list_service_levels(digest, language),
        _list_effects(digest, language),
        _list_figures(digest, language),
    )
    return [_cut(sheet, language) for sheet in sheets if sheet.rows]


def _cut(sheet: Sheet, language: Language) -> Sheet:
    _ = language
    rest = len(sheet.rows) - MAX_ROWS
    if rest <= 0:
        return sheet
    said = _("Not listed here: {count} more", count=_.count(rest))
    return Sheet(sheet.name, sheet.columns, sheet.rows[:MAX_ROWS], said)


def _counts(digest: Digest, language: Language) -> tuple[Column, ...]:
    _ = language
    return (
        Column(_("Customers"), 14, "count"),
        Column(_("Up"), 10, "count"),
        Column(_("Down"), 10, "count"),
        Column(_("New"), 10, "count"),
        Column(_("Left"), 10, "count"),
        money_column(_("Value at stake"), digest, language),
        Column(_("Follow-ups overdue"), 14, "count"),
        Column(_("Over the limit"), 14, "count"),
    )


def _cells(tally: Tally) -> tuple[Cell, ...]:
    counts = (tally.customers, tally.up, tally.down, tally.new, tally.left)
    return (*counts, tally.at_stake, tally.overdue, tally.over)


def _list_managers(digest: Digest, language: Language) -> Sheet:
    _ = language
    return Sheet(
        name=_("Account managers"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("As of"), 12, "date"),
            Column(_("Account manager"), 18, "text"),
            Column(_("Name"), 26, "text"),
            Column(_("Reports to"), 26, "text"),
            *_counts(digest, language),
        ),
        rows=[
            (
                _.title(roll_up.title, roll_up.policy_id),
                roll_up.as_of,
                clean_text(tally.key, 40),
                clean_text(tally.name) or _("No account manager"),
                clean_text(tally.reports_to) or None,
                *_cells(tally),
            )
            for roll_up in digest.roll_ups
            for tally in roll_up.managers
        ],
    )


def _list_regions(digest: Digest, language: Language) -> Sheet:
    _ = language
    return Sheet(
        name=_("Regions"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("As of"), 12, "date"),
            Column(_("Region"), 26, "text"),
            *_counts(digest, language),
        ),
        rows=[
            (
                _.title(roll_up.title, roll_up.policy_id),
                roll_up.as_of,
                clean_text(tally.name) or _("No region"),
                *_cells(tally),
            )
            for roll_up in digest.roll_ups
            for tally in roll_up.regions
        ],
    )


def _list_falls(digest: Digest, language: Language) -> Sheet:
    _ = language
    return Sheet(
        name=_("Largest moves down"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("Account manager"), 26, "text"),
            Column(_("Customer number"), 18, "text"),
            Column(_("Name"), 34, "text"),
            Column(_("From tier"), 12, "text"),
            Column(_("To tier"), 12, "text"),
            money_column(_("Value at stake"), digest, language),
        ),
        rows=[
            (
                _.title(fall.title, fall.policy_id),
                clean_text(fall.manager_name),
                clean_text(fall.mover.customer_id, 40),
                clean_text(fall.mover.customer_name) or clean_text(fall.mover.customer_id),
                clean_text(fall.mover.from_tier, 24) if fall.mover.from_tier else None,
                clean_text(fall.mover.to_tier, 24) if fall.mover.to_tier else None,
                fall.mover.value if fall.mover.value is not None and fall.mover.value.is_finite() else None,
            )
            for fall in digest.falls
        ],
    )


def _list_migrations(digest: Digest, language: Language) -> Sheet:
    """One row per pair of tiers that any customer has: before and after, those that stayed among them."""
    _ = language
    rows = []
    for migration in digest.migrations:
        places: dict[str | None, int] = {tier: place for place, tier in enumerate(migration.tiers)}
        places[None] = len(places)
        pairs: Sequence[tuple[tuple[str | None, str | None], int]] = sorted(
            migration.customers.items(), key=lambda item: tuple(places[tier] for tier in item[0])
        )
        for (start, end), count in pairs:
            rows.append(
                (
                    _.title(migration.title, migration.policy_id),
                    migration.before_on,
                    migration.as_of,
                    clean_text(start, 24) if start else _("New"),
                    clean_text(end, 24) if end else _("Left"),
                    count,
                )
            )
    return Sheet(
        name=_("From tier to tier"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("Before"), 12, "date"),
            Column(_("As of"), 12, "date"),
            Column(_("From tier"), 14, "text"),
            Column(_("To tier"), 14, "text"),
            Column(_("Customers"), 14, "count"),
        ),
        rows=rows,
    )


def _list_service_levels(digest: Digest, language: Language) -> Sheet:
    _ = language
    return Sheet(
        name=_("Service levels"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("Tier"), 12, "text"),
            Column(_("Title"), 26, "text"),
            Column(_("Service level"), 34, "text"),
            Column(_("From day"), 12, "date"),
            Column(_("To day"), 12, "date"),
            Column(_("Promised"), 12, "exact percent"),
            Column(_("Attained"), 12, "exact percent"),
            Column(_("Events"), 12, "count"),
        ),
        rows=[
            (
                _.title(level.title, level.policy_id),
                clean_text(level.tier, 24),
                _.title(level.tier_title, level.tier),
                target_in_words(level, language),
                level.period_start,
                level.period_end,
                level.promised,
                level.attained,
                level.events,
            )
            for level in digest.service_levels
        ],
    )


def _list_effects(digest: Digest, language: Language) -> Sheet:
    _ = language
    words = measures_in_words(language)
    return Sheet(
        name=_("Effect of the tiers"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("Year"), 10, "text"),
            Column(_("Tiers of"), 12, "date"),
            Column(_("Tier"), 12, "text"),
            Column(_("Title"), 26, "text"),
            Column(_("Customers"), 14, "count"),
            Column(_("Measure"), 26, "text"),
            Column(_("12 months before"), 18, "number"),
            Column(_("12 months after"), 18, "number"),
            Column(_("Change"), 12, "percent"),
        ),
        rows=[
            (
                _.title(evaluation.title, evaluation.policy_id),
                str(evaluation.year),
                evaluation.as_of,
                clean_text(effect.tier, 24),
                _.title(effect.title, effect.tier),
                effect.customers,
                words.get(effect.measure, effect.measure),
                effect.before,
                effect.after,
                effect.change_rate,
            )
            for evaluation in digest.evaluations
            for effect in evaluation.effects
        ],
    )


def _list_figures(digest: Digest, language: Language) -> Sheet:
    _ = language
    words = figures_in_words(language)
    return Sheet(
        name=_("Evaluation"),
        columns=(
            Column(_("Policy"), 26, "text"),
            Column(_("Year"), 10, "text"),
            Column(_("Figure"), 34, "text"),
            Column(_("Tier"), 12, "text"),
            Column(_("Value"), 18, "number"),
        ),
        rows=[
            (
                _.title(evaluation.title, evaluation.policy_id),
                str(evaluation.year),
                words.get(figure, figure),
                NO_VALUE if tier == "-" else clean_text(tier, 24),
                value,
            )
            for evaluation in digest.evaluations
            for figure, tier, value in evaluation.figures
        ],
    )
