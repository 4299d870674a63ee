"""Blocks: what a page is made of, in words that are ready to be shown.

Every text of foreign origin is already cleaned and cut. The templates know these and nothing else, so that a page and
its plain-text twin cannot disagree, and new content needs no new template.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["", "up", "down", "new", "left"]


@dataclass(frozen=True)
class Line:
    """One entry of a list: on the left who and why, on the right what; `key` is the number of the customer."""

    name: str
    key: str = ""
    reasons: tuple[str, ...] = ()
    figure: str = ""
    detail: str = ""
    figure_tone: Tone = ""
    detail_tone: Tone = ""


@dataclass(frozen=True)
class Group:
    """Entries that have something in common, said above them."""

    lines: tuple[Line, ...]
    label: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of equal length; `widths` in percent; the first `texts` columns are texts, the others figures."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]
    texts: int = 1


@dataclass(frozen=True)
class Picture:
    """A chart as PNG, `width` and `height` in pixels of the page; `text` says in words what is to be seen.

    `name` is that of the part of the mail; the same content has the same name. `key` is what the drawing stands for,
    where it cannot say so itself.
    """

    name: str
    content: bytes
    text: str
    width: int
    height: int
    title: str = ""
    key: str = ""


@dataclass(frozen=True)
class Block:
    """A headed part of a page, shown in the order of the fields; `is_part` sets it below the one before.

    `day`: the day that its figures are of. `notes` stand out. `rest` says what is left out of the groups.
    """

    title: str
    day: str = ""
    tone: Tone = ""
    is_part: bool = False
    lead: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    table: Table | None = None
    picture: Picture | None = None
    groups: tuple[Group, ...] = ()
    rest: str = ""


@dataclass(frozen=True)
class Figure:
    """One headline number with the money behind it."""

    label: str
    count: str
    value: str
    tone: Tone


@dataclass(frozen=True)
class Page:
    """Everything that is shown, ready to be shown."""

    subject: str
    title: str
    purpose: str
    preheader: str
    greeting: str = ""
    is_correction: bool = False
    figures: tuple[Figure, ...] = ()
    totals: tuple[str, ...] = ()
    unassigned: str = ""
    blocks: tuple[Block, ...] = ()
    as_of_days: str = ""
    sources: str = ""
    stale: str = ""

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The charts of all blocks."""
        return tuple(block.picture for block in self.blocks if block.picture is not None)
