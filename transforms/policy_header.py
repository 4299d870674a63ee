"""The head of a policy: what a scheduler must know of it. Light, because DAG files read every policy again and again.

The whole text is proved by `tiering lint` and read by the tasks; here a mistake elsewhere in it is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from sql.errors import TieringError
from transforms.calendar import CALENDARS, check_schedule, later
from transforms.policy_text import read_policy_text

MAXIMUM_REF = 100
"""The longest tag that Airflow takes."""

KEYS = ("id", "title", "ref", "schedule", "as_of")
_HEAD = re.compile(rf"^(?:{'|'.join(KEYS)}):.*$", re.MULTILINE)
_REVIEW = re.compile(r"^review:.*(?:\n(?![^\s#]).*)*", re.MULTILINE)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Asking:
    """Whom a policy asks about tiers, one after the other; how long it waits, and what no answer means."""

    by: tuple[str, ...] = ()
    within: str = "1 day"
    unanswered: str = "rejected"
    meanwhile: str = "wait"


@dataclass(frozen=True)
class Header:
    """Id, English title, reference, schedule (cron) and calendar of a policy, and whom it asks."""

    id: str
    title: str
    ref: str
    schedule: str
    as_of: str
    asking: Asking = Asking()


def read_headers(folder: Path) -> list[Header]:
    """Return the heads of all policies in a folder, in the order of their names.

    Raises TieringError naming the file whose head cannot be read.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise TieringError(f"TIERING_POLICIES: {folder.name}/ holds no .yaml file; add a policy")
    return [_read(path, f"{folder.name}/{path.name}") for path in files]


def _is_schedule(text: str) -> bool:
    try:
        return check_schedule(text) == text
    except ValueError:
        return False


_SOUND: dict[str, Callable[[Any], bool]] = {
    "as_of": CALENDARS.__contains__,
    "schedule": _is_schedule,
    "ref": lambda ref: 0 < len(ref) <= MAXIMUM_REF,
}
"""What Airflow would refuse together with every other policy."""


def _read(path: Path, name: str) -> Header:
    text = read_policy_text(path, name)
    try:
        data = yaml.load("\n".join(_HEAD.findall(text)), Loader=_LOADER)  # noqa: S506 - a safe loader
        if not isinstance(data, dict) or any(data.get(key) is None for key in KEYS):  # a key spans several lines
            data = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader
    except yaml.YAMLError:
        raise TieringError(f"{name}: this is no YAML; run tiering lint, which names the line") from None
    found = data if isinstance(data, dict) else {}
    title = found.get("title")
    head = {key: found.get(key) for key in KEYS if key != "title"}
    head["title"] = title.get("en", found.get("id")) if isinstance(title, dict) else None
    wrong = [key for key, value in head.items() if not isinstance(value, str)]
    wrong = wrong or [key for key, is_sound in _SOUND.items() if not is_sound(head[key])]
    if wrong or head["id"] != path.stem:
        raise TieringError(f"{name}: {[*wrong, 'id'][0]} is missing or wrong; run tiering lint, which says how")
    return Header(**head, asking=_read_asking(text, name))  # type: ignore[arg-type]


def _read_asking(text: str, name: str) -> Asking:
    block = _REVIEW.search(text)
    if block is None:
        return Asking()
    try:
        review = yaml.load(block[0], Loader=_LOADER)["review"]  # noqa: S506 - a safe loader
        approve = (review or {}).get("approve") or {}
        given = {key: approve[key] for key in ("within", "unanswered", "meanwhile") if key in approve}
        asking = Asking(by=tuple(approve.get("by", ())), **given)
        later(date.min, asking.within)
    except (yaml.YAMLError, AttributeError, TypeError, ValueError):
        raise TieringError(f"{name}: review is wrong; run tiering lint, which says how") from None
    if not all(isinstance(role, str) and re.fullmatch(r"[A-Za-z0-9_]+", role) for role in asking.by):
        raise TieringError(f"{name}: review.approve.by is wrong; run tiering lint, which says how")
    return asking
