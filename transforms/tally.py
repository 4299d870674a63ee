"""Tally: how many of today's accounts each line of a policy holds, stand exactly on a bound, or fall in a gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from transforms.columns import array_of, compare, is_true
from transforms.conditions import spell_number
from transforms.decide import find, line_of
from transforms.policy import Policy
from transforms.probes import bounds_of, scales_of

SMALL = 100
"""Below this many customers grading is not worth while (S11)."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Count:
    """How many accounts: `kind` is population, gate, missing, tier, line, bound, outside, undefined or gap."""

    kind: str
    place: str
    words: str
    accounts: int


def tally(policy: Policy, indicators: pd.DataFrame) -> list[Count]:
    """Count the accounts of a frame, one row per account as `decide_tiers` takes it, on every line of the policy.

    Of every scale the lines, with those whose indicator is missing and those no line holds, add up to the population.
    The lines of rules hold whom the rules decide: neither missing (with a tier of its own) nor outside nor undefined.
    """
    values = {name: array_of(indicators[name]) for name in policy.indicators}
    found = find(policy, values, len(indicators))
    graded = found.is_graded
    scales = scales_of(policy)
    counts = [_count("population", "", "accounts that pass the gates", graded)]
    for place, name in enumerate(policy.gate):
        counts.append(_count("gate", f"gate.{name}", f"do not pass {name}", found.gate == place))
    for name in dict.fromkeys([*policy.missing, *policy.decide.indicators, *(name for _, name, _ in scales)]):
        missing = graded & _is_null(values[name])
        if name in policy.missing or missing.any():
            counts.append(_count("missing", f"missing.{name}", f"{name} is undefined", missing))
    for code, tier in enumerate(policy.tiers):
        counts.append(_count("tier", "tiers", tier, graded & (found.tier == code)))
    for scale, name, lines in scales:
        counts += _of_scale(policy, scale, name, lines, values[name], graded)
    open_ = graded & ~_given_by_missing(policy, values)
    for rows in [*found.outside.values(), *found.undefined.values()]:
        open_ &= ~rows
    tiers = getattr(policy.decide.shape, "tiers", None)
    if found.shaped.score is not None and isinstance(tiers, list):
        counts += _of_scale(
            policy, f"decide.{policy.decide.shapes[0]}.tiers", "score", tiers, found.shaped.score, open_
        )
    counts += _of_rules(policy, values, open_)
    for name, bounds in bounds_of(policy)[0].items():
        for bound in sorted(bounds):
            on_it = is_true(compare("=", values[name], bound)) & graded
            counts.append(_count("bound", f"indicators.{name}", f"{name} = {spell_number(bound)}", on_it))
    for name, rows in found.outside.items():
        counts.append(_count("outside", f"indicators.{name}", f"{name} lies outside its range", rows))
    for name, rows in found.undefined.items():
        if rows.any():
            counts.append(_count("undefined", f"indicators.{name}", f"{name} decides and is undefined", rows))
    counts.append(_count("gap", "decide", "in no line", found.gap))
    return counts


def _count(kind: str, place: str, words: str, rows: Flags) -> Count:
    return Count(kind, place, words, int(rows.sum()))


def _is_null(column: pa.Array) -> Flags:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=bool)


def _given_by_missing(policy: Policy, values: Mapping[str, pa.Array]) -> Flags:
    """Return who gets a tier because an indicator is undefined."""
    given = np.zeros(len(next(iter(values.values()))), dtype=bool)
    for name, entry in policy.missing.items():
        given |= _is_null(values[name]) if entry.tier is not None else False
    return given


def _of_scale(policy: Policy, place: str, subject: str, lines: list[Any], column: pa.Array, rows: Flags) -> list[Count]:
    ratio, counts = policy.decide.ratio, []
    if ratio is not None:
        below = rows & is_true(compare("<", column, ratio.red_line))
        rows = rows & ~below
        words = f"{subject} < {spell_number(ratio.red_line)} → {ratio.below}"
        counts.append(_count("line", "decide.ratio.below", words, below))
    held = line_of(lines, column)
    for index, line in enumerate(lines):
        words = f"{subject} {line.words} → {line.result}" if line.words else f"else → {line.result}"
        counts.append(_count("line", f"{place}.{index}", words, rows & (held == index)))
    return counts


def _of_rules(policy: Policy, values: Mapping[str, pa.Array], rows: Flags) -> list[Count]:
    rules = policy.decide.rules
    counts = []
    stand_ins = {name: entry.as_ for name, entry in policy.missing.items() if entry.as_ is not None}
    counted = {
        name: pc.fill_null(column, pa.scalar(stand_ins[name]).cast(column.type)) if name in stand_ins else column
        for name, column in values.items()
    }
    frame = pd.DataFrame({name: pd.arrays.ArrowExtensionArray(column) for name, column in counted.items()})
    for index, rule in enumerate(rules.of if rules else []):
        held = rows if rule.condition is None else rows & rule.condition.holds(frame)
        words = f"{rule.when or 'everybody else'} → {rule.tier}"
        counts.append(_count("line", f"decide.rules.{index}", words, held))
        rows = rows & ~held
    return counts
