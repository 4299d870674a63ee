"""Tiers as blocks of the page of a mail: who moved, who will, whose key facts changed, and what was set aside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reports.blocks import Block, Group, Line, Table
from reports.charts import moved_in_words, picture_of_migration, picture_of_mixes
from reports.digest import (
    Digest,
    Direction,
    KeyFieldChange,
    Migration,
    Mover,
    Notice,
    PolicySection,
    by_day,
    by_money_at_stake,
)
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
    rest_in_words,
    status_in_words,
    tier_in_words,
    value_in_words,
)

MAX_LISTED: Final = 50  # movers per policy and direction; the rest is a count


def lay_out_tiers(digest: Digest, language: Language, *, has_charts: bool = True) -> tuple[Block, ...]:
    """Every policy's tiers with who moved, the most money first, and from which tier to which."""
    found: list[Block] = []
    for section in digest.sections:
        found += _lay_out_section(section, digest.currency, language, has_charts)
        found += lay_out_migrations(
            [m for m in digest.migrations if m.policy_id == section.policy_id], language, has_charts=has_charts
        )
    return tuple(found)


def lay_out_migrations(
    migrations: Iterable[Migration], language: Language, *, has_charts: bool = True
) -> tuple[Block, ...]:
    """How many customers went from which tier to which, as a chart and in words; none where nobody moved."""
    _ = language
    return tuple(
        Block(
            title=_("From tier to tier"),
            is_part=True,
            lead=(moved_in_words(migration, language),),
            picture=picture_of_migration(migration, language) if has_charts else None,
        )
        for migration in migrations
        if moved_in_words(migration, language)
    )


def going(movers: Iterable[Mover], direction: str) -> list[Mover]:
    """The movers of one direction."""
    return [mover for mover in movers if mover.direction == direction]


def name_of(name: str, customer_id: str) -> str:
    """What a customer is called: the name, or the number where there is none that can be shown."""
    return clean_text(name) or clean_text(customer_id)


def key_of(customer_id: str) -> str:
    """The number of a customer as shown."""
    return clean_text(customer_id, 40)


def _lay_out_section(section: PolicySection, currency: str, language: Language, has_charts: bool) -> list[Block]:
    _ = language
    headings: tuple[tuple[Direction, str], ...] = (
        ("down", _("Moved down")),
        ("up", _("Moved up")),
        ("new", _("New customers")),
        ("left", _("No longer graded")),
    )
    lists = [_list_movers(section, direction, heading, currency, language) for direction, heading in headings]
    found = [block for block in lists if block is not None]
    tiers = tuple(
        (
            _tier_label(section, tier.tier, language),
            _.count(tier.customers),
            _.change(None if tier.before is None else tier.customers - tier.before),
        )
        for tier in sorted(section.tiers, key=lambda tier: tier.rank)
    )
    whole = Block(
        title=_.title(section.title, section.policy_id),
        day=_.date(section.as_of),
        lead=() if found else (_("No customer moved."),),
        table=Table((_("Tier"), _("Customers"), _("Change")), tiers, (48, 29, 23)) if tiers else None,
        picture=picture_of_mixes(section, language) if has_charts else None,
    )
    return [whole, *found]


def _list_movers(
    section: PolicySection, direction: Direction, heading: str, currency: str, language: Language
) -> Block | None:
    """The movers of one direction, most money first, cut at MAX_LISTED and then grouped by new tier.

    Groups start with the news that matters: the worst tier when down, the best tier otherwise.
    """
    _ = language
    movers = sorted(going(section.movers, direction), key=by_money_at_stake)
    if not movers:
        return None
    ranks = {tier.tier: tier.rank for tier in section.tiers}
    by_tier: dict[str | None, list[Mover]] = {}
    for mover in movers[:MAX_LISTED]:
        by_tier.setdefault(mover.to_tier if direction in {"up", "down"} else None, []).append(mover)
    sign = -1 if direction == "down" else 1
    groups = sorted(by_tier.items(), key=lambda item: (sign * ranks.get(item[0] or "", 0), item[0] or ""))
    return Block(
        title=_("{label}: {count}", label=heading, count=_.count(len(movers))),
        tone=direction,
        is_part=True,
        groups=tuple(
            Group(
                lines=tuple(_mover_line(mover, currency, language) for mover in members),
                label=_("Now {tier}", tier=_tier_label(section, tier, language)) if tier else "",
                note=_action(section, tier, language),
            )
            for tier, members in groups
        ),
        rest=rest_in_words(len(movers) - MAX_LISTED, language),
    )


def _action(section: PolicySection, tier: str | None, language: Language) -> str:
    _ = language
    action = _.title(section.actions.get(tier or "", {}), "", TEXT_LENGTH)
    return _("What follows: {action}", action=action) if action else ""


def _mover_line(mover: Mover, currency: str, language: Language) -> Line:
    _ = language
    why = (mover_cause_in_words(mover, language), status_in_words(mover, language))
    drivers = tuple(driver_in_words(driver, language, currency) for driver in mover.drivers)
    before, after = (clean_text(tier, 24) if tier else NO_VALUE for tier in (mover.from_tier, mover.to_tier))
    moves = {"new": after, "left": _("was {tier}", tier=before)}
    value = mover.value if mover.value is not None and mover.value.is_finite() else None
    return Line(
        name=name_of(mover.customer_name, mover.customer_id),
        key=key_of(mover.customer_id),
        reasons=tuple(part for part in why if part) + drivers,
        figure=moves.get(mover.direction, f"{before} → {after}"),
        detail="" if value is None else _.money(value, currency),
    )


def _tier_label(section: PolicySection, tier: str, language: Language) -> str:
    return tier_in_words(tier, next((t.title for t in section.tiers if t.tier == tier), {}), language)


def lay_out_notices(digest: Digest, language: Language) -> tuple[Block, ...]:
    """Tiers that will go down, the next day first."""
    _ = language
    if not digest.notices:
        return ()
    said = _("Should the findings stay as they are; each is told once, and again when the day or the tier changes.")
    found = sorted(digest.notices, key=by_day)[:MAX_LISTED]
    return (
        Block(
            title=_("Will go down"),
            lead=(said,),
            groups=(Group(tuple(_notice_line(notice, language) for notice in found)),),
            rest=rest_in_words(len(digest.notices) - MAX_LISTED, language),
        ),
    )


def _notice_line(notice: Notice, language: Language) -> Line:
    _ = language
    reasons = [_.title(notice.title, notice.policy_id)]
    if notice.found_since is not None:
        reasons.append(_("Found lower since {date}", date=_.date(notice.found_since)))
    return Line(
        name=name_of(notice.customer_name, notice.customer_id),
        key=key_of(notice.customer_id),
        reasons=(*reasons, *kept_in_words(notice, language)),
        figure=f"{clean_text(notice.tier, 24)} → {clean_text(notice.to_tier, 24)}",
        detail=_.date(notice.falls_on),
    )


def lay_out_key_fields(digest: Digest, language: Language) -> tuple[Block, ...]:
    """Key facts that changed, in the order of the digest."""
    _ = language
    rest = len(digest.key_fields) - MAX_LISTED
    if not digest.key_fields:
        return ()
    return (
        Block(
            title=_("Key facts changed"),
            groups=(Group(tuple(_key_field_line(change, language) for change in digest.key_fields[:MAX_LISTED])),),
            rest=_("Not listed here: {count} more, see tiering.key_field_change", count=_.count(rest))
            if rest > 0
            else "",
        ),
    )


def _key_field_line(change: KeyFieldChange, language: Language) -> Line:
    _ = language
    before, after = (value_in_words(change.field, value, language) for value in (change.before, change.after))
    source = _("since {date}; {entity}, batch {batch}", date=_.date(change.changed_on),
               entity=entity_in_words(change.entity, language), batch=clean_text(change.batch, 40))  # fmt: skip
    if change.extracted_on is not None:
        source = _("{source}, extracted on {date}", source=source, date=_.date(change.extracted_on))
    if change.assessed_by:
        source = _("{source}, assessed by {who}", source=source, who=clean_text(change.assessed_by))
    return Line(
        name=name_of(change.customer_name, change.customer_id),
        key=key_of(change.customer_id),
        reasons=(source,),
        figure=f"{before} → {after}",
        detail=field_in_words(change.field, language),
    )


def lay_out_quarantined(digest: Digest, language: Language) -> tuple[Block, ...]:
    """Source rows that were set aside, by entity and rule."""
    _ = language
    rows = tuple(
        (entity_in_words(found.entity, language), clean_text(found.rule), _.count(found.rows))
        for found in sorted(digest.quarantined, key=lambda q: (q.entity, q.rule))
        if found.rows
    )
    if not rows:
        return ()
    said = _("These source rows broke a rule and were not counted. They do not lower a tier.")
    head = (_("Data"), _("Rule"), _("Rows"))
    return (Block(title=_("Rows set aside"), lead=(said,), table=Table(head, rows, (34, 46, 20), texts=2)),)
