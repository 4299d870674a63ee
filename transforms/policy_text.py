"""Strict YAML: what a policy author wrote is what is read, or the line says why not."""

from __future__ import annotations

import pathlib
import re
from decimal import Decimal
from typing import Any

import yaml

from sql.errors import TieringError

MAXIMUM_BYTES = 256 * 1024
MAXIMUM_DEPTH = 20
MAXIMUM_DIGITS = 38

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_AMBIGUOUS = re.compile(
    r"[-+]?0[0-9]+|0[xob][0-9a-fA-F]+|[-+]?[0-9]+(:[0-9]+)+|[-+]?[0-9][0-9_]*_[0-9_.]*"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|[-+]?[0-9.]+[eE][-+]?[0-9]+|\+[0-9.]+|-?\.[0-9]+|[0-9]+\."
)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_IN_FRONT = re.compile(r"\s*(?:[\w.]+\uff1a)?")
_BOOLEAN_WORDS = {"yes", "no", "on", "off", "y", "n"}

_LOOK_ALIKES = {
    "\uff1a": "a colon and a space",
    "\uff0c": "a comma",
    "\u3001": "a comma",
    "\uff5b": "{",
    "\uff5d": "}",
    "\uff3b": "[",
    "\uff3d": "]",
    "\u201c": '"',
    "\u201d": '"',
    "\u2018": "'",
    "\u2019": "'",
    "\u3000": "a plain space",
    "\u00a0": "a plain space",
    "\uff03": "#",
}
"""Characters of Chinese keyboards and word processors, and what YAML wants instead."""

_TROUBLES = {
    "could not find expected ':'": "a key has no colon and space behind it",
    "did not find expected key": "the indentation does not fit the lines above, or a value needs quotes",
    "did not find expected '-' indicator": "the indentation does not fit the list above",
    "did not find expected ',' or '}'": "what opens with { is not closed, or lacks a comma",
    "did not find expected ',' or ']'": "what opens with [ is not closed, or lacks a comma",
    "mapping values are not allowed": "a colon too many, or the indentation does not fit; quote a text with a colon",
    "non-alphabetical character": "a text that begins with this character needs quotes",
    "cannot start any token": "a text that begins with this character needs quotes",
    "unexpected end of stream": "a quote is not closed",
}
"""What the parser says, and what a person would."""

#: The C loader where PyYAML has it: it reads some ten times faster, and DAG files read every policy.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path = tuple[str | int, ...]


class PolicyText:
    """A parsed policy text: `data` as plain Python values, and the line of every key.

    Numbers are int or Decimal, never float; only `true`, `false` and `null` are words with a meaning.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.lines: dict[Path, int] = {}
        if len(text.encode(errors="replace")) > MAXIMUM_BYTES:
            raise TieringError(f"{name}: larger than {MAXIMUM_BYTES} bytes; a policy is a page, not a book")
        stray = yaml.reader.Reader.NON_PRINTABLE.search(text)
        if stray is not None:
            line = text.count("\n", 0, stray.start()) + 1
            raise self.error_at(line, f"the character U+{ord(stray[0]):04X} has no place in a text; remove it")
        try:
            self._check_events(text)  # before anything is composed: the C loader composes on the C stack
            documents = list(yaml.compose_all(text, Loader=_LOADER))
        except yaml.MarkedYAMLError as error:
            raise self._explain(text, error) from None
        except (yaml.YAMLError, UnicodeError, RecursionError):
            raise TieringError(f"{name}: this is no YAML; correct the text") from None
        if not documents:
            raise TieringError(f"{name}:1: the file is empty; docs/policies.md shows a policy to begin with")
        if len(documents) > 1:
            line = documents[1].start_mark.line + 1
            raise TieringError(f"{name}:{line}: a file is one policy; move what follows --- into a file of its own")
        if not isinstance(documents[0], yaml.MappingNode):
            raise TieringError(f"{name}:1: a policy is one mapping of keys to values")
        self.data: dict[str, Any] = self._read(documents[0], ())

    def _check_events(self, text: str) -> None:
        depth = 0
        event: Any
        for event in yaml.parse(text, Loader=_LOADER):
            line = event.start_mark.line + 1
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAXIMUM_DEPTH:
                raise self.error_at(line, "nested too deeply")
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise self.error_at(line, "anchors and aliases are not allowed; write it out")
            if getattr(event, "tag", None):
                raise self.error_at(line, "tags are not allowed")

    def _explain(self, text: str, error: yaml.MarkedYAMLError) -> TieringError:
        """Say what is wrong with a text that is no YAML: a character that looks right and is not, before all else."""
        mark = error.problem_mark or error.context_mark
        if mark is None:
            return TieringError(f"{self.name}: this is no YAML; correct the text")
        begun = error.context_mark.line if error.context_mark is not None else mark.line
        lines = text.splitlines()
        for number in range(min(mark.line, len(lines) - 1), max(mark.line - 3, -1), -1):
            only = None if number == mark.line else _IN_FRONT
            if problem := _look_alike(lines[number], only):
                return self.error_at(number + 1, problem)
        told = str(error.problem or "")
        problem = next((said for key, said in _TROUBLES.items() if key in told), f"{told}; correct the text")
        is_open = problem.startswith("what opens with") or problem.endswith("not closed")
        return self.error_at((begun if is_open else mark.line) + 1, problem)

    def error_at(self, line: int, message: str) -> TieringError:
        """Return the error for a line."""
        return TieringError(f"{self.name}:{line}: {message}")

    def line_of(self, path: Path) -> int:
        """Return the line of the closest key on `path` that the text has."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)

    def _read(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode):
            found: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key_line = key_node.start_mark.line + 1
                if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                    raise self.error_at(key_line, "a key is a plain word (merge keys are not allowed)")
                if not key_node.style and (problem := _look_alike(key_node.value)):
                    raise self.error_at(key_line, problem)
                if key_node.value in found:
                    raise self.error_at(key_line, f"the key {key_node.value} stands here twice")
                self.lines[(*path, key_node.value)] = key_line
                found[key_node.value] = self._read(value_node, (*path, key_node.value))
            return found
        if isinstance(node, yaml.SequenceNode):
            for child in node.value if node.flow_style else ():
                if isinstance(child, yaml.ScalarNode) and not child.style and (problem := _joined(child.value)):
                    raise self.error_at(child.start_mark.line + 1, problem)
            return [self._read(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, line)

    def _scalar(self, node: yaml.Node, line: int) -> Any:
        text = str(node.value)
        if getattr(node, "style", None) in ("'", '"', "|", ">"):
            return text
        if text in ("", "null", "~"):
            return None
        if text in ("true", "false"):
            return text == "true"
        if (_INTEGER.fullmatch(text) or _DECIMAL.fullmatch(text)) and len(text) > MAXIMUM_DIGITS:
            raise self.error_at(line, f"a number has at most {MAXIMUM_DIGITS} digits")
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return Decimal(text)
        if _AMBIGUOUS.fullmatch(text):
            message = f"{text} can be read in more than one way; write a plain number or quote it"
            raise self.error_at(line, message)
        if text.lower() in _BOOLEAN_WORDS | {"true", "false"}:
            message = f"{text} is read as a boolean elsewhere; write true or false, or quote it"
            raise self.error_at(line, message)
        return text


def read_policy_text(path: pathlib.Path, name: str) -> str:
    """Return the text of a policy file; `name` is how an error calls it.

    Raises TieringError when the file cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise TieringError(f"{name}: this is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise TieringError(f"{name}: cannot be read ({error.strerror}); check the file and its permissions") from None


def _look_alike(line: str, only: re.Pattern[str] | None = None) -> str | None:
    """Say which character of a line, or of what `only` finds in it, just looks like one that YAML knows."""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "a tab in the indentation; write spaces"
    unquoted = _QUOTED.sub("", line).partition(" #")[0]
    looked = (only.match(unquoted) or [""])[0] if only else unquoted
    for sign in looked:
        if sign in _LOOK_ALIKES:
            what = f"U+{ord(sign):04X}" if sign.isspace() else sign
            return f"the character {what} is not YAML's own; write {_LOOK_ALIKES[sign]}, or quote the text"
    return None


def _joined(text: str) -> str | None:
    """Say which character joins to one text what was meant as a list."""
    sign = next((sign for sign in text if sign in "\uff0c\u3001"), None)
    return f"the character {sign} does not separate; write a comma, or quote the text" if sign else None
