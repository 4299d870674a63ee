"""Strict YAML: what a policy author wrote is what is read, or the line says why not."""

from __future__ import annotations

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
_BOOLEAN_WORDS = {"yes", "no", "on", "off", "y", "n"}

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
        try:
            self._check_events(text)  # before anything is composed: the C loader composes on the C stack
            documents = list(yaml.compose_all(text, Loader=_LOADER))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f"{name}:{mark.line + 1}" if mark else name
            raise TieringError(f"{place}: {error.problem or 'this is no YAML'}; correct the text") from None
        except (yaml.YAMLError, UnicodeError, RecursionError):
            raise TieringError(f"{name}: this is no YAML; correct the text") from None
        if len(documents) != 1 or not isinstance(documents[0], yaml.MappingNode):
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
                if key_node.value in found:
                    raise self.error_at(key_line, f"the key {key_node.value} stands here twice")
                self.lines[(*path, key_node.value)] = key_line
                found[key_node.value] = self._read(value_node, (*path, key_node.value))
            return found
        if isinstance(node, yaml.SequenceNode):
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
