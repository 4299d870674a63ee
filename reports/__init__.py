"""Reports: a manager's digest as a mail, and the mail on its way.

`digest` is what is said, `render` how it reads, `mail` how it is sent. Babel and Jinja2 load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports.digest import Digest, digest_is_quiet
from reports.mail import build_message, check_recipient, deliver, message_id, write_message_files

if TYPE_CHECKING:
    from reports.render import RenderedDigest, render_digest

__all__ = [
    "Digest",
    "RenderedDigest",
    "build_message",
    "check_recipient",
    "deliver",
    "digest_is_quiet",
    "message_id",
    "render_digest",
    "write_message_files",
]


def __getattr__(name: str) -> Any:
    if name in {"RenderedDigest", "render_digest"}:
        from reports import render

        return getattr(render, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
