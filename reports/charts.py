"""Charts of a digest: the tiers over time, who went from which tier to which, and what is open by age.

A chart holds tiers, days and figures, which stand in its text too. Every number is written beside what shows it, so
that no colour has to be told apart. It is drawn at twice its size on white, in pixels of the page, and the same content
is drawn once. Matplotlib loads when the first one is drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Final

from reports.blocks import Picture
from reports.digest import Ageing, Migration, PolicySection, TierMix
from reports.drawing import (
    PALE,
    PAPER,
    RULE,
    SIZE,
    SMALL,
    WIDTH,
    Colour,
    Drawing,
    Families,
    Sheet,
    between,
    can_draw,
    hex_of,
    ink_on,
    installed_families,
)
from reports.text import clean_text
from reports.wording import NO_VALUE, Language, bucket_in_words, short_dates

MAX_DAYS: Final = 13  # columns of the tiers over time; of more days some are left out, the first and the last never
MAX_WRITTEN: Final = 7  # columns with their numbers; of more only the first and the last have theirs
MAX_DRAWN: Final = 256  # drawings kept, some 10 kB each
MAX_MOVES: Final = 12  # pairs of tiers named in the text of a migration

_MARGIN: Final = 8
_BEST, _WORST = (16, 52, 91), (214, 224, 234)  # tiers from the best to the worst, ever lighter, so in grey too
_UP, _DOWN, _NEITHER = (15, 98, 146), (184, 72, 12), (98, 112, 128)  # blue and orange: told apart by everybody
_NOT_DUE, _FRESH, _OLD = (200, 214, 228), (244, 201, 165), (140, 45, 4)


def picture_of_mixes(section: PolicySection, language: Language) -> Picture | None:
    """How many customers every tier had on each published day; None below two days, or without customers."""
    _ = language
    mixes = _some_days(section.mixes)
    tiers = _tiers_of(mixes)
    if len(mixes) < 2 or not any(count for mix in mixes for _tier, count in mix.customers):
        return None
    counts = [dict(mix.customers) for mix in mixes]
    first, last = mixes[0], mixes[-1]
    each = [
        _("{tier} {before} → {after}", tier=clean_text(tier, 24), before=_.count(counts[0].get(tier, 0)),
          after=_.count(counts[-1].get(tier, 0)))
        for tier in tiers
    ]  # fmt: skip
    text = _("Customers per tier, on {first} → on {last}: {tiers}.", first=_.date(first.as_of),
             last=_.date(last.as_of), tiers=_("; ").join(each))  # fmt: skip
    families = installed_families()
    labels, key = _labels([clean_text(tier, 24) for tier in tiers], 12, families, language)
    days = _day_labels([mix.as_of for mix in mixes], families, language)
    drawing = _draw_mixes(labels, days, tuple(tuple(day.get(tier, 0) for tier in tiers) for day in counts), families,
                          language.code)  # fmt: skip
    return _picture("tier-mix", drawing, text, key, _("Tiers over time"))


def picture_of_migration(migration: Migration, language: Language) -> Picture | None:
    """How many customers went from which tier to which; None when nobody moved."""
    if not moved_in_words(migration, language):
        return None
    _ = language
    text = migration_in_words(migration, language)
    families = installed_families()
    tiers = _known_tiers(migration)
    labels, key = _labels([clean_text(tier, 24) for tier in tiers], 9 if len(tiers) < 6 else 6, families, language)
    counts = _moves(migration)
    has_new, has_left = (any(count for pair, count in counts.items() if pair[end] is None) for end in (0, 1))
    rows = (*tiers, *([None] if has_new else []))
    columns = (*tiers, *([None] if has_left else []))
    days = _day_labels([migration.before_on, migration.as_of], families, language)
    cells = tuple(tuple(counts.get((before, after), 0) for after in columns) for before in rows)
    drawing = _draw_migration(labels, days, cells, families, language.code)
    return _picture("tier-migration", drawing, text, key)


def picture_of_ageing(ageing: Ageing, language: Language) -> Picture | None:
    """What is open by how long it is overdue, and what is disputed; None when nothing is open."""
    _ = language
    amounts = [*ageing.buckets, *([("disputed", ageing.disputed)] if ageing.disputed else [])]
    if not any(amount > 0 for _bucket, amount in amounts):
        return None
    families = installed_families()
    words = [bucket_in_words(bucket, language) for bucket, _amount in amounts]
    labels, key = _labels(words, 18, families, language)
    shown = tuple(_.short_money(amount, ageing.currency) for _bucket, amount in amounts)
    if not all(can_draw(amount, families) for amount in shown):
        shown = tuple(_.count(round(amount)) for _bucket, amount in amounts)
    largest = max(amount for _bucket, amount in amounts)
    # Bars in thousandths of the longest: the same drawing for the same picture, and no money as a float.
    bars = tuple(int(max(amount, Decimal(0)) * 1000 / largest) for _bucket, amount in amounts)
    drawing = _draw_ageing(labels, shown, bars, bool(ageing.disputed), families)
    return _picture("ageing", drawing, ageing_in_words(ageing, language), key)


def moved_in_words(migration: Migration, language: Language) -> str:
    """How many went up, down, came and left between two days; empty when nobody did."""
    _ = language
    rank = {tier: place for place, tier in enumerate(_known_tiers(migration))}
    up = down = new = left = stayed = 0
    for (before, after), count in _moves(migration).items():
        if before is None:
            new += count
        elif after is None:
            left += count
        elif before == after:
            stayed += count
        elif rank[after] < rank[before]:
            up += count
        else:
            down += count
    said = [
        _("{count} up", count=_.count(up)) if up else "",
        _("{count} down", count=_.count(down)) if down else "",
        _("{count} new", count=_.count(new)) if new else "",
        _("{count} left", count=_.count(left)) if left else "",
    ]
    if not any(said):
        return ""
    sums = _(", ").join([*filter(None, said), _("{count} as before", count=_.count(stayed))])
    before_on, as_of = _.date(migration.before_on), _.date(migration.as_of)
    return _("From {before} to {day}: {sums}", before=before_on, day=as_of, sums=sums)


def migration_in_words(migration: Migration, language: Language) -> str:
    """How many customers went between every pair of tiers, the most first."""
    _ = language
    moves = sorted(
        ((pair, count) for pair, count in _moves(migration).items() if pair[0] != pair[1] and count),
        key=lambda move: (-move[1], move[0][0] or "", move[0][1] or ""),
    )
    named = [
        _("{before} → {after}: {count}", before=_tier_or_none(before), after=_tier_or_none(after), count=_.count(count))
        for (before, after), count in moves[:MAX_MOVES]
    ]
    if len(moves) > MAX_MOVES:
        named.append(_("{count} other pairs of tiers", count=_.count(len(moves) - MAX_MOVES)))
    return _("Customers by move: {moves}.", moves=_("; ").join(named))


def open_in_words(ageing: Ageing, language: Language) -> list[str]:
    """What is open in total, what of it is overdue, and what is disputed and stands apart."""
    _ = language
    amounts = [amount for _bucket, amount in ageing.buckets]
    total, overdue = sum(amounts, Decimal(0)), sum(amounts[1:], Decimal(0))
    said = [_("Open: {amount}", amount=_.money(total, ageing.currency))]
    if overdue > 0 and total > 0:
        share = _.figures("ratio", [overdue / total], "")[0]
        said.append(_("Overdue: {amount} ({share})", amount=_.money(overdue, ageing.currency), share=share))
    if ageing.disputed:
        said.append(_("Disputed, and not among these: {amount}", amount=_.money(ageing.disputed, ageing.currency)))
    return said


def ageing_in_words(ageing: Ageing, language: Language) -> str:
    """What is open by age, in full amounts."""
    _ = language
    each = [
        _("{label}: {count}", label=bucket_in_words(bucket, language), count=_.money(amount, ageing.currency))
        for bucket, amount in (*ageing.buckets, *([("disputed", ageing.disputed)] if ageing.disputed else []))
    ]
    return _("What is open by age: {buckets}.", buckets=_("; ").join(each))


def _tier_or_none(tier: str | None) -> str:
    return clean_text(tier, 24) if tier else NO_VALUE


def _picture(kind: str, drawing: Drawing, text: str, key: str, title: str = "") -> Picture:
    identity = hashlib.sha256(drawing.content).hexdigest()[:20]
    return Picture(f"{kind}-{identity}@charts", drawing.content, text, drawing.width, drawing.height, title, key)


def _some_days(mixes: Sequence[TierMix]) -> list[TierMix]:
    """At most MAX_DAYS of the days, evenly taken, the first and the last among them."""
    if len(mixes) <= MAX_DAYS:
        return list(mixes)
    last = len(mixes) - 1
    return [mixes[place * last // (MAX_DAYS - 1)] for place in range(MAX_DAYS)]


def _tiers_of(mixes: Iterable[TierMix]) -> list[str]:
    """The tiers of the latest day, then those that only earlier days have."""
    return list(dict.fromkeys(tier for mix in reversed(list(mixes)) for tier, _count in mix.customers))


def _known_tiers(migration: Migration) -> list[str]:
    """The tiers, best first, then those that customers went from or to and that are no longer among them."""
    found = sorted({tier for pair in migration.customers for tier in pair if tier} - set(migration.tiers))
    return [*migration.tiers, *found]


def _moves(migration: Migration) -> dict[tuple[str | None, str | None], int]:
    return {
        (before or None, after or None): count
        for (before, after), count in migration.customers.items()
        if before or after
    }


def _labels(texts: Sequence[str], longest: int, families: Families, language: Language) -> tuple[tuple[str, ...], str]:
    """Texts as they stand in a chart: themselves, or numbers and the key to them, where they are too long or no font
    has them."""
    _ = language
    if all(_breadth(text) <= longest and can_draw(text, families) for text in texts):
        return tuple(texts), ""
    numbers = tuple(str(number) for number in range(1, len(texts) + 1))
    said = [_("{number} = {label}", number=number, label=text) for number, text in zip(numbers, texts, strict=True)]
    return numbers, _("; ").join(said)


def _breadth(text: str) -> int:
    """How many letters a text takes the room of; a Chinese character takes that of two."""
    return sum(1 + (character >= "\u1100") for character in text)


def _day_labels(days: Sequence[date], families: Families, language: Language) -> tuple[str, ...]:
    shown = short_dates(days, language)
    return tuple(shown if can_draw("".join(shown), families) else (day.isoformat() for day in days))


# ---- drawing


def _number(count: int, code: str) -> str:
    return Language(code).count(count)


@lru_cache(maxsize=MAX_DRAWN)
def _draw_mixes(
    tiers: tuple[str, ...],
    days: tuple[str, ...],
    counts: tuple[tuple[int, ...], ...],
    families: Families,
    code: str,
) -> Drawing:
    """A column per day, a layer per tier, the best on top; the last column says which is which."""
    top, bottom, height = 26, 26, 236
    sheet = Sheet(height, families)
    shades = [between(_BEST, _WORST, place / max(len(tiers) - 1, 1)) for place in range(len(tiers))]
    figures = [_number(count, code) for count in counts[-1]]
    right = max(sheet.width_of(tier) for tier in tiers) + 8 + max(sheet.width_of(f, is_bold=True) for f in figures)
    room = WIDTH - 2 * _MARGIN - right - 22
    step = room / len(days)
    thick = min(step * 0.78, 56)
    tall = height - top - bottom
    largest = max(sum(day) for day in counts)
    middles: list[float] = []
    for place, day in enumerate(counts):
        x = _MARGIN + step * place + (step - thick) / 2
        y = height - bottom - tall * sum(day) / largest
        total = _number(sum(day), code)
        is_written = len(days) <= MAX_WRITTEN or place in (0, len(days) - 1)
        if is_written and sheet.width_of(total, SMALL) < step:
            sheet.text(x + thick / 2, y - 10, total, size=SMALL, colour=PALE, side="center")
        middles = []
        for count, shade in zip(day, shades, strict=True):
            part = tall * count / largest
            if count:
                sheet.box(x, y, thick, max(part - 1, 1), hex_of(shade))
            said = _number(count, code)
            if is_written and part >= 18 and sheet.width_of(said, SMALL) < thick - 4:
                sheet.text(x + thick / 2, y + part / 2, said, size=SMALL, colour=ink_on(shade), side="center")
            middles.append(y + part / 2)
            y += part
    sheet.box(_MARGIN, height - bottom, room, 1, RULE)
    _write_days(sheet, days, step, height - bottom + 14)
    end = _MARGIN + step * (len(days) - 1) + (step + thick) / 2
    places = _spread(middles, min(20, tall / len(tiers)), top - 8, height - bottom)
    for tier, figure, shade, middle, y in zip(tiers, figures, shades, middles, places, strict=True):
        mark = WIDTH - _MARGIN - right - 8
        sheet.line((end + 3, middle), (end + 3 + (mark - end) / 2, middle), (end + 3 + (mark - end) / 2, y), (mark, y))
        sheet.box(mark - 1, y - 5, 5, 10, hex_of(shade))
        sheet.text(WIDTH - _MARGIN - right, y, tier)
        sheet.text(WIDTH - _MARGIN, y, figure, side="right", is_bold=True)
    return sheet.drawing()


def _write_days(sheet: Sheet, days: Sequence[str], step: float, y: float) -> None:
    """As many days as there is room for: the last one, then those before it."""
    free = float(WIDTH)
    for place in reversed(range(len(days))):
        half = sheet.width_of(days[place], SMALL) / 2
        x = max(_MARGIN + step * (place + 0.5), half + _MARGIN)
        if x + half < free:
            sheet.text(x, y, days[place], size=SMALL, colour=PALE, side="center")
            free = x - half - 12


def _spread(middles: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Places for labels near `middles`, in their order, at least `gap` apart and within the sheet."""
    places = list(middles)
    for _round in range(200):
        is_moved = False
        for above, below in pairwise(range(len(places))):
            lacking = gap - (places[below] - places[above])
            if lacking > 0.01:
                places[above] -= lacking / 2
                places[below] += lacking / 2
                is_moved = True
        places = [min(max(place, top), bottom) for place in places]
        if not is_moved:
            break
    return places


@lru_cache(maxsize=MAX_DRAWN)
def _draw_migration(
    tiers: tuple[str, ...],
    days: tuple[str, ...],
    cells: tuple[tuple[int, ...], ...],
    families: Families,
    code: str,
) -> Drawing:
    """A row per tier before, a column per tier after; who went up stands left of the diagonal, who went down right."""
    from_day, to_day = days
    rows, columns = len(cells), len(cells[0])
    head, tall = 50, 36 if rows < 8 else 28
    height = head + rows * tall + 10
    sheet = Sheet(height, families)
    left = max([sheet.width_of(tier, is_bold=True) for tier in tiers] + [sheet.width_of(f"{from_day} ↓", SMALL)]) + 12
    wide = min((WIDTH - 2 * _MARGIN - left) / columns, 104)
    most = max(
        (count for row, counts in enumerate(cells) for column, count in enumerate(counts) if row != column), default=1
    )
    x0 = _MARGIN + left
    sheet.text(_MARGIN, head - 14, f"{from_day} ↓", size=SMALL, colour=PALE)
    sheet.text(x0 + 2, 13, f"→ {to_day}", size=SMALL, colour=PALE)
    for column in range(columns):
        label = tiers[column] if column < len(tiers) else NO_VALUE
        sheet.text(x0 + wide * (column + 0.5), head - 14, label, side="center", is_bold=True)
    for row, counts in enumerate(cells):
        y = head + row * tall
        label = tiers[row] if row < len(tiers) else NO_VALUE
        sheet.text(x0 - 10, y + tall / 2, label, side="right", is_bold=True)
        for column, count in enumerate(counts):
            shade, mark = _cell_of(row, column, len(tiers), count / max(most, 1))
            colour = hex_of(shade) if count else "#f1f4f7"
            sheet.box(x0 + wide * column + 1, y + 1, wide - 2, tall - 2, colour)
            if count:
                said = f"{mark}{_number(count, code)}"
                size = SIZE if sheet.width_of(said, is_bold=row != column) < wide - 6 else 10
                sheet.text(x0 + wide * (column + 0.5), y + tall / 2, said, size=size, side="center",
                           colour=ink_on(shade), is_bold=row != column)  # fmt: skip
    return sheet.drawing()


def _cell_of(row: int, column: int, tiers: int, part: float) -> tuple[Colour, str]:
    """The colour of a cell, the stronger the more moved, and the mark of its direction."""
    light: Colour = (255, 255, 255)
    strength = 0.15 + 0.5 * part
    if row == column:
        return (226, 231, 236), ""
    if row >= tiers or column >= tiers:
        return between(light, _NEITHER, strength), "+ " if row >= tiers else f"{NO_VALUE} "
    return (between(light, _UP, strength), "▲ ") if column < row else (between(light, _DOWN, strength), "▼ ")


@lru_cache(maxsize=MAX_DRAWN)
def _draw_ageing(
    labels: tuple[str, ...], amounts: tuple[str, ...], bars: tuple[int, ...], has_disputed: bool, families: Families
) -> Drawing:
    """A bar per bucket, ever darker the longer it is overdue; what is disputed stands apart, and hollow."""
    tall, gap = 32, 12 if has_disputed else 0
    height = len(labels) * tall + gap + 8
    sheet = Sheet(height, families)
    left = max(sheet.width_of(label) for label in labels) + 12
    right = max(sheet.width_of(amount, is_bold=True) for amount in amounts) + 12
    room = WIDTH - 2 * _MARGIN - left - right
    buckets = len(labels) - has_disputed
    for place, (label, amount, bar) in enumerate(zip(labels, amounts, bars, strict=True)):
        is_disputed = place >= buckets
        y = 4 + place * tall + (gap if is_disputed else 0)
        if is_disputed:
            sheet.box(_MARGIN, y - gap / 2, WIDTH - 2 * _MARGIN, 1, RULE)
        shade = between(_FRESH, _OLD, (place - 1) / max(buckets - 2, 1)) if place else _NOT_DUE
        long = max(room * bar / 1000, 1.5 if bar else 0)
        sheet.text(_MARGIN, y + tall / 2, label)
        if bar:
            colour, edge = (PAPER, PALE) if is_disputed else (hex_of(shade), "none")
            sheet.box(_MARGIN + left, y + 6, long, tall - 12, colour, edge)
        sheet.text(_MARGIN + left + long + 8, y + tall / 2, amount, is_bold=True)
    return sheet.drawing()
