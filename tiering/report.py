"""`tiering report`: what the mails over a published day say, as files in a folder; nothing is sent or written down."""

from __future__ import annotations

import webbrowser
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from reports.digest import Digest
from reports.mail import build_message, message_id, write_message_files
from reports.render import render_digest
from sql.connect import kept_open
from sql.errors import TieringError
from sql.news import Terms
from sql.preview import NAME_OF_FALLBACK, read_preview
from tiering.connections import WAREHOUSE, database_of
from tiering.settings import Settings, read_settings


def run_report(
    console: Console,
    *,
    as_of: date | None,
    manager_id: str | None,
    policy_id: str | None,
    folder: Path,
    language: str | None,
    opens: bool,
) -> int:
    """Write the mails over a published day to a folder and name them; return 0, or 1 when no browser opens.

    Raises TieringError in one line when there is no such day, policy or manager.
    """
    here, now = read_settings(), datetime.now(UTC)
    warehouse = database_of(WAREHOUSE)
    if warehouse.kind == "duckdb" and not Path(warehouse.path).is_file():
        raise TieringError(f"{WAREHOUSE}: there is no file {warehouse.path}; correct the host of the connection")
    if folder.exists() and not folder.is_dir():
        raise TieringError(f"--folder: {folder} is a file; name a folder")
    terms = Terms(
        here.reporting_currency,
        here.fallback_manager,
        here.credit_controller,
        here.credit_controller_locale,
        here.stale_after_days,
        here.general_manager,
        here.general_manager_locale,
    )
    with kept_open(warehouse):
        preview = read_preview(warehouse, terms, now.date(), as_of=as_of, policy_id=policy_id, manager_id=manager_id)
    pages = []
    for digest in preview.digests:
        digest = replace(digest, locale=language or digest.locale)
        try:
            pages.append(_write_files(here, digest, preview.as_of, folder, now))
        except OSError as error:
            raise TieringError(f"--folder: {folder} cannot be written ({error.strerror}); name another one") from None
        console.print(escape(str(pages[-1])), soft_wrap=True)
    if manager_id is not None and not pages:
        console.print(escape(f"{manager_id} has no mail over {preview.as_of}"), soft_wrap=True)
        return 0
    if manager_id is None:
        console.print(
            escape(f"{preview.as_of}: {len(pages)} mails in {folder}; nothing to say to {preview.quiet} managers"),
            soft_wrap=True,
        )
    if opens and pages:
        what = (pages[0] if len(pages) == 1 else folder).resolve()
        if not webbrowser.open(what.as_uri()):
            console.print(escape(f"no browser opens; look at {what}"), soft_wrap=True)
            return 1
    return 0


def _write_files(here: Settings, digest: Digest, as_of: date, folder: Path, now: datetime) -> Path:
    """Write the mail of a digest as .eml, .html, .txt and .xlsx; return the page."""
    team = "-team" if digest.kind == "superior" else ""
    name = f"{as_of}-{digest.manager_id or NAME_OF_FALLBACK}{team}"
    message = build_message(
        render_digest(digest),
        sender=here.sender or f"tiering@{here.domain}",
        recipient=digest.recipient or f"nobody@{here.domain}",
        recipient_name=digest.manager_name,
        message_id=message_id("preview", name, now.isoformat(), domain=here.domain),
        run_note="preview",
        date=now,
    )
    paths = write_message_files(folder, name, bytes(message), with_text=True)
    return next(path for path in paths if path.suffix == ".html")
