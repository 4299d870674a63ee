"""Redaction: take a customer's names out of mails that were written, their pages and their workbooks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape as xml_escape
from zipfile import ZIP_DEFLATED, ZipFile

import markupsafe

from reports.text import clean_text

_SHORT: Final = 4
"""An ASCII name with fewer characters may be part of any word: it is replaced only where it stands alone."""

_SEGMENT: Final = re.compile(r"(>)([^<>]+)(<)")


class Redaction:
    """Replaces `names` of one customer by `tombstone`, as they are shown: whole, cleaned, cut and escaped."""

    def __init__(self, customer_id: str, names: Sequence[str], tombstone: str) -> None:
        shown = {text for name in names for text in (name, name.strip(), clean_text(name)) if text.strip()}
        self._names = sorted(shown - {tombstone, customer_id}, key=lambda name: (-len(name), name))
        self._customer_id, self._tombstone = customer_id, tombstone

    def is_named(self, row: Mapping[str, object]) -> bool:
        """Whether a source row has a value that is one of the names."""
        return any(isinstance(value, str) and value.strip() in self._names for value in row.values())

    def is_in(self, text: str) -> bool:
        """Whether a text holds the customer's number or one of the names as a word."""
        return any(re.search(_bounded(word), text) for word in (self._customer_id, *self._names))

    def text(self, text: str) -> str:
        """Plain text: a short name only before the customer's number."""
        for name in self._names:
            behind = rf"(?=\s*\({re.escape(self._customer_id)}\))" if _is_short(name) else ""
            text = re.sub(_bounded(name) + behind, lambda _: self._tombstone, text)
        return text

    def markup(self, text: str) -> str:
        """HTML or XML: only what stands between tags, a short name only where it stands alone."""

        def replaced(match: re.Match[str]) -> str:
            words = match[2]
            for name in self._names:
                for escaped in {str(markupsafe.escape(name)), xml_escape(name)}:
                    if words.strip() == escaped:
                        words = self._tombstone
                    elif not _is_short(name):
                        words = re.sub(_bounded(escaped), lambda _: self._tombstone, words)
            return f"{match[1]}{words}{match[3]}"

        return _SEGMENT.sub(replaced, text)

    def workbook(self, content: bytes) -> bytes:
        """An .xlsx file; the same bytes where it holds no name."""
        with ZipFile(BytesIO(content)) as book:
            members = [(info, book.read(info)) for info in book.infolist()]
        target, changed = BytesIO(), False
        with ZipFile(target, "w", ZIP_DEFLATED) as book:
            for info, data in members:
                new = self.markup(data.decode("utf-8")).encode("utf-8") if info.filename.endswith(".xml") else data
                changed |= new != data
                book.writestr(info, new)
        return target.getvalue() if changed else content

    def mail(self, content: bytes) -> bytes:
        """A whole message; the same bytes where it holds no name."""
        message = message_from_bytes(content, policy=policy.SMTP)
        changed = False
        for part in message.walk():
            if part.is_multipart() or not isinstance(part, EmailMessage):
                continue
            changed |= self._part(part)
        return bytes(message) if changed else content

    def _part(self, part: EmailMessage) -> bool:
        content = part.get_content()
        if isinstance(content, str):
            new = self.markup(content) if part.get_content_subtype() == "html" else self.text(content)
            if new == content:
                return False
            part.set_content(new, subtype=part.get_content_subtype(), cte=str(part["Content-Transfer-Encoding"]))
            return True
        if part.get_content_subtype().endswith("spreadsheetml.sheet"):
            book = self.workbook(content)
            if book == content:
                return False
            name = part.get_filename()
            part.set_content(book, *part.get_content_type().split("/", 1), filename=name, disposition="attachment")
            return True
        return False

    def folder(self, folder: Path) -> int:
        """Redact every mail, page and workbook below a folder, each whole or not at all; return how many changed."""
        kinds: dict[str, Callable[[bytes], bytes]] = {
            ".eml": self.mail,
            ".html": lambda content: self.markup(content.decode("utf-8")).encode("utf-8"),
            ".txt": lambda content: self.text(content.decode("utf-8")).encode("utf-8"),
            ".xlsx": self.workbook,
        }
        changed = 0
        for path in sorted(folder.rglob("*")):
            if path.suffix not in kinds or not path.is_file():
                continue
            content = path.read_bytes()
            new = kinds[path.suffix](content)
            if new != content:
                draft = path.with_name(f".draft-{path.name}")
                draft.write_bytes(new)
                os.replace(draft, path)
                changed += 1
        return changed


def _is_short(name: str) -> bool:
    return name.isascii() and len(name) < _SHORT


def _bounded(name: str) -> str:
    """The name, not within a longer word; scripts without spaces have no such bounds."""
    before = r"(?<![A-Za-z0-9])" if name[0].isascii() and name[0].isalnum() else ""
    behind = r"(?![A-Za-z0-9])" if name[-1].isascii() and name[-1].isalnum() else ""
    return f"{before}{re.escape(name)}{behind}"
