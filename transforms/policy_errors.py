"""What is wrong with a policy: one line per mistake, where it stands, what to write instead, and a near miss."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from sql.errors import TieringError
from transforms.policy_text import Path, PolicyText

_NEEDED = {
    "dict_type": "a mapping of keys to values is needed here",
    "model_type": "a mapping of keys to values is needed here",
    "list_type": "a list is needed here, such as [A, B]",
    "string_type": "a text is needed here; put it in quotes",
    "bool_type": "true or false is needed here",
    "int_type": "a whole number is needed here",
    "is_instance_of": "a number is needed here, without quotes, % or separators",
    "too_short": "at least one entry is needed here",
    "string_pattern_mismatch": "a name is lower-case letters, digits and _, 63 at most, and begins with a letter",
}
"""What the errors of pydantic say, in the words of an author."""

_UNDECLARED = re.compile(r"(?P<place>[\w.]+): the (?:tier|indicator) (?P<name>.+?) is not declared", re.DOTALL)


_NO_DAY = re.compile("Invalid isoformat string|(?:day|month|year) .*(?:out of range|must be in|for month)")
"""What Python says of a text that is no day."""


class PolicyError(TieringError):
    """A policy that cannot be read. `problems`: (line, message) of every mistake that was found."""

    def __init__(self, name: str, problems: Sequence[tuple[int, str]]) -> None:
        line, message = problems[0]
        super().__init__(f"{name}:{line}: {message}")
        self.problems = tuple(problems)


def near_miss(name: str, known: Sequence[str]) -> str:
    """Return `; did you mean …?`, or else, of a few, which there are."""
    same = [each for each in known if each.casefold() == name.casefold()]
    near = same or get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are {', '.join(known)}" if 0 < len(known) <= 12 else ""


def explain(error: ValidationError, parsed: PolicyText, model: type[BaseModel]) -> PolicyError:
    """Return what is wrong with a parsed text; keys that are unknown go first, as one may be the key that is missed."""
    errors = error.errors()
    errors = [found for found in errors if found["type"] == "extra_forbidden"] or errors
    by_place: dict[Path, list[str]] = {}
    for found in errors:
        path = _written(tuple(part for part in found["loc"] if part != "[key]"), parsed, found["type"])
        by_place.setdefault(path, []).append(_say(found, path, model))
    problems: dict[int, str] = {}
    for path, said in by_place.items():
        line, message = _place(path, ", or ".join(dict.fromkeys(said)), parsed)
        problems.setdefault(line, message)
    return PolicyError(parsed.name, list(problems.items()))


def _written(path: Path, parsed: PolicyText, kind: str) -> Path:
    """Return a place of the model as the text has it: short forms have no key, and a choice of kinds no place."""
    if path[:3] == ("decide", "rules", "of") and isinstance(parsed.data["decide"]["rules"], list):
        path = (*path[:2], *path[3:])  # the short form: nobody wrote `of`
    if kind != "missing":
        while path and path not in parsed.lines:
            path = path[:-1]
    return path


def _place(path: Path, message: str, parsed: PolicyText) -> tuple[int, str]:
    if path:
        return parsed.line_of(path), f"{'.'.join(map(str, path))}: {message}"
    undeclared = _UNDECLARED.match(message)  # the check of the whole policy names the place itself
    if undeclared is not None:
        place = tuple(undeclared["place"].split("."))
        return min(_mentions(undeclared["name"], place, parsed), default=parsed.line_of(place)), message
    return parsed.line_of(tuple(message.partition(":")[0].split("."))), message


def _mentions(name: str, place: Path, parsed: PolicyText) -> Iterator[int]:
    """Return the lines below a place on which a name stands: as a value, as a key, or in a condition."""
    inside = [path for path in parsed.lines if path[: len(place)] == place]
    for path in inside or [path for path in parsed.lines if path[:1] == ("indicators",)]:
        value: Any = parsed.data
        for part in path:
            value = value[part]
        in_text = isinstance(value, str) and re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", value)
        if in_text or (inside and path[len(place) :] and path[-1] == name):
            yield parsed.lines[path]


def _say(found: Any, path: Path, model: type[BaseModel]) -> str:
    kind, given = found["type"], found["input"]
    if kind == "missing":
        return "this key is needed"
    if kind == "extra_forbidden":
        name = str(path[-1])
        if name.isdecimal():
            return "a number has no separators: write 500000"
        return "this key is unknown" + near_miss(name, _keys_at(path[:-1], model))
    if given is None and kind in _NEEDED:
        return "nothing stands here; write a value, or remove the key"
    if kind == "dict_type" and isinstance(given, str):
        return "a mapping is needed here; a text is written {en: …, zh: …}"
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", found["ctx"]["expected"])
        if not isinstance(given, str) or not known:
            return f"this must be {found['ctx']['expected']}"
        near = near_miss(given[:60], known)
        return f"{given[:60]} is not known here{near}" + ("" if "there are" in near else f" (of {', '.join(known)})")
    if kind in _NEEDED:
        return _NEEDED[kind]
    message = str(found["msg"]).removeprefix("Value error, ")
    if _NO_DAY.match(message):
        return "this is no day; write it as 2026-01-31"
    return re.sub(r"^(?:Decimal input|Input|String) should ", "this must ", message)


def _keys_at(path: tuple[Any, ...], model: Any) -> list[str]:
    """Return the keys the language knows at `path`, for a hint."""
    for part in path:
        field = getattr(model, "model_fields", {}).get(part)
        candidates = _models_in(field.annotation) if field else []
        if candidates:
            model = candidates[0]
    fields = getattr(model, "model_fields", {})
    return [field.alias or name for name, field in fields.items() if not field.exclude]


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
