"""Tally: how many of today's accounts each line of a policy holds, stand exactly on a bound, or fall in a gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from transforms.columns import array_of, compare, is_true
from transforms.decide import find, line_of
from transforms.policy import Policy
from transforms.probes import bounds_of, scales_of

SMALL = 100
"""Below this many customers grading is not worth while (S11)."""


@dataclass(frozen=True)
class Count:
    """How many accounts: `kind` is population, gate, missing, tier, line, bound or gap."""

    kind: str
    place: str
    words: str
    accounts: int


def tally(policy: Policy, indicators: pd.DataFrame) -> list[Count]:
    """Count the accounts of a frame, one row per account as `decide_tiers` takes it, on every line of the policy."""
    values = {name: array_of(indicators[name]) for name in policy.indicators}
    found = find(policy, values, len(indicators))
    graded = found.is_graded
    counts = [Count("population", "", "accounts that pass the gates", int(graded.sum()))]
    counts += [
        Count("gate", f"gate.{name}", f"do not pass {name}", int((found.gate == place).sum()))
        for place, name in enumerate(policy.gate)
    ]
    for name in policy.missing:
        missing = np.asarray(values[name].is_null().to_numpy(zero_copy_only=False), dtype=bool)
        counts.append(Count("missing", f"missing.{name}", f"{name} is undefined", int((missing & graded).sum())))
    counts += [
        Count("tier", "tiers", tier, int((graded & (found.tier == code)).sum()))
        for code, tier in enumerate(policy.tiers)
    ]
    for name, lines in scales_of(policy):
        counts += _of_scale(f"{name}", lines, values[name], graded)
    tiers = getattr(policy.decide.shape, "tiers", None)
    if found.shaped.score is not None and isinstance(tiers, list):
        counts += _of_scale("score", tiers, found.shaped.score, graded)
    if policy.decide.rules is not None:
        counts += _of_rules(policy, values, graded)
    for name, bounds in bounds_of(policy)[0].items():
        for bound in sorted(bounds):
            on_it = is_true(compare("=", values[name], bound)) & graded
            counts.append(Count("bound", f"indicators.{name}", f"{name} = {bound}", int(on_it.sum())))
    counts.append(Count("gap", "decide", "in no line", int(found.gap.sum())))
    return counts


def _of_scale(subject: str, lines: list[Any], column: pa.Array, graded: Any) -> list[Count]:
    held = line_of(lines, column)
    return [
        Count("line", subject, f"{line.words or 'else'} → {line.result}", int((graded & (held == place)).sum()))
        for place, line in enumerate(lines)
    ]


def _of_rules(policy: Policy, values: Mapping[str, pa.Array], graded: Any) -> list[Count]:
    rules = policy.decide.rules
    counts = []
    open_ = graded.copy()
    frame = pd.DataFrame({name: pd.arrays.ArrowExtensionArray(column) for name, column in values.items()})
    for place, rule in enumerate(rules.of if rules else []):
        held = open_ if rule.condition is None else open_ & rule.condition.holds(frame)
        words = f"{rule.when or 'everybody else'} → {rule.tier}"
        counts.append(Count("line", f"decide.rules.{place}", words, int(held.sum())))
        open_ = open_ & ~held
    return counts
