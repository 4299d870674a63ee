"""Text of foreign origin, made safe to show: names come from other systems and other people."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

NAME_LENGTH: Final = 80
_READ_AT_MOST: Final = 20  # characters read per character shown, so that a huge value costs nothing

# Joiners shape Persian and Indic names and emoji; every other format character (bidi overrides, byte order
# marks, tags) can only mislead a reader.
_JOINERS: Final = "\u200c\u200d"

_FORMULA: Final = re.compile(r"^[\s]*[=+\-@＝＋－＠\t\r\n\0]")


def clean_text(value: object, length: int = NAME_LENGTH) -> str:
    """One visible line: no control, bidi or unencodable character, at most `length` characters."""
    text = str(value)[: length * _READ_AT_MOST]
    if text.isprintable():  # nothing to clean; most names are
        return _cut(text, length)
    shown = []
    for character in text:
        category = unicodedata.category(character)
        if category in {"Cc", "Zl", "Zp"}:
            shown.append(" ")
        elif category == "Cs":
            shown.append("\ufffd")
        elif category != "Cf" or character in _JOINERS:
            shown.append(character)
    return _cut("".join(shown), length)


def plain_cell(text: str) -> str:
    """A text of a CSV file that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def _cut(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
