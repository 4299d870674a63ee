"""The corpus of bad inputs: how its files (tests/corpus/*.yaml) are read. Each says in its head what an item is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from transforms.policy_text import PolicyText

FOLDER = Path(__file__).parent / "corpus"
KINDS = ("data", "policy", "configuration", "overrides", "limits", "recipients")
KEYS = {"id", "what", "outcome", "why"}
"""What an item of any kind may have; each kind has keys of its own beside them."""

Item = dict[str, Any]


def plain(value: Any) -> Any:
    """Return a value with every {text: x, times: n} written out."""
    if isinstance(value, dict):
        if set(value) == {"text", "times"}:
            return value["text"] * value["times"]
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def read_items(kind: str, keys: set[str], folder: Path = FOLDER) -> list[Item]:
    """Return the items of a file of the corpus, in its order; `keys` are those an item of this kind may have.

    Raises ValueError where an item does not say what it is and what becomes of it, or is there twice.
    """
    path = folder / f"{kind}.yaml"
    items: list[Item] = plain(PolicyText(path.read_text(encoding="utf-8"), path.name).data["items"])
    ids = [str(item.get("id", "?")) for item in items]
    for item, name in zip(items, ids, strict=True):
        if not {"id", "what", "outcome"} <= set(item) or not item["outcome"] or ids.count(name) > 1:
            raise ValueError(f"{path.name}: {name} needs an id of its own, `what` and an `outcome`")
        if set(item) - KEYS - keys:
            raise ValueError(f"{path.name}: {name} has unknown keys: {sorted(set(item) - KEYS - keys)}")
    return items


def each(kind: str, items: list[Item]) -> Any:
    """Run a test once per item, and count the item in the last lines of the run."""
    cases = [pytest.param(item, id=item["id"], marks=pytest.mark.counted("corpus", kind, item["id"])) for item in items]
    return pytest.mark.parametrize("item", cases)


def count_items(reports: Iterable[Any]) -> str | None:
    """Return the line that says how many items there are and how many have their outcome; None without any.

    An item that several tests look at counts once, and has its outcome when all of them passed.
    """
    is_sound: dict[tuple[str, str], bool] = {}
    for report in reports:
        if not hasattr(report, "user_properties"):  # a test that was not asked for, a file that was not read
            continue
        for name, item in report.user_properties:
            if name == "corpus":
                kind, item_id = item
                passed = report.passed or report.when != "call"
                is_sound[kind, item_id] = is_sound.get((kind, item_id), True) and passed and not report.failed
    if not is_sound:
        return None
    each_kind = ", ".join(f"{kind} {sum(1 for k, _ in is_sound if k == kind)}" for kind in KINDS)
    return f"corpus: {len(is_sound)} bad inputs, {sum(is_sound.values())} with the outcome stated ({each_kind})"
