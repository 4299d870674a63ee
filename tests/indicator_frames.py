"""Indicators as the measures give them: Arrow types, money with four decimals, ratios with eighteen.

Rows for a property test are drawn from a pool that every policy fills from its own bounds: values below, at and
above every number it names, every text it names and one it does not, missing values; and the rows of its cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from transforms.conditions import Condition
from transforms.decide import find_states
from transforms.parts import Line
from transforms.policy import Policy, read_policies
from transforms.policy_text import PolicyText

POLICIES = read_policies(Path(__file__).parents[1] / "policies")
SHIPPED = sorted(POLICIES)
CASE_FOLDER = Path(__file__).parent / "policies"

Row = dict[str, Any]

_NUMBERS = {"money": pa.decimal128(38, 4), "count": pa.int64(), "days": pa.int64(), "months": pa.int64()}


def arrow_type(policy: Policy, name: str) -> pa.DataType:
    """Return the type in which the measures give an indicator."""
    indicator = policy.indicators[name]
    if indicator.value_type != "number":
        return pa.bool_() if indicator.value_type == "flag" else pa.string()
    if indicator.rank or indicator.count or indicator.quantile:
        return pa.int64()
    return _NUMBERS.get(indicator.unit or "", pa.decimal128(38, 18))


def indicator_frame(policy: Policy, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per account, as `decide_tiers` takes them; an indicator that a row lacks is missing."""
    ids = [row.get("account_id", f"c{number:04}") for number, row in enumerate(rows)]
    columns: dict[str, Any] = {
        "account_id": pd.array(ids, dtype=pd.ArrowDtype(pa.string())),
        "account_manager_id": pd.array(["m1"] * len(rows), dtype=pd.ArrowDtype(pa.string())),
    }
    for name in policy.indicators:
        values = pa.array([row.get(name) for row in rows], arrow_type(policy, name))
        columns[name] = pd.Series(pd.arrays.ArrowExtensionArray(values))
    return pd.DataFrame(columns)


def read_cases(path: Path) -> list[dict[str, Any]]:
    """Return the cases of a file: claim, given, expect, with the file's defaults filled in."""
    data = PolicyText(path.read_text(encoding="utf-8"), path.name).data
    return [
        {
            "claim": case["claim"],
            "given": data["defaults"]["given"] | case["given"],
            "expect": data["defaults"]["expect"] | case["expect"],
        }
        for case in data["cases"]
    ]


CASES = {path.stem: read_cases(path) for path in sorted(CASE_FOLDER.glob("*.yaml"))}


# What a policy names


def scales_of(policy: Policy) -> Iterator[tuple[str, Sequence[Line]]]:
    """Return every scale of the decision with the indicator that it is a scale of; a scale on a sum is left out."""
    decide = policy.decide
    for bands in (decide.bands, decide.assessed, decide.ratio):
        if bands:
            yield bands.of, bands.tiers
    if decide.scorecard:
        yield from ((name, points.scale) for name, points in decide.scorecard.points.items() if points.scale)
    if decide.matrix:
        yield from ((axis.of, axis.levels) for axis in (decide.matrix.rows, decide.matrix.columns))
    if decide.lowest:
        yield from decide.lowest.of.items()
        yield from decide.lowest.auxiliary.items()
    if decide.composite:
        yield from ((digit.of, digit.scale) for digit in decide.composite.digits if digit.scale)


def conditions_of(policy: Policy) -> list[Condition]:
    """Return every condition of a policy."""
    rules = policy.decide.rules.of if policy.decide.rules else []
    return [*policy.conditions.values(), *(rule.condition for rule in rules if rule.condition)]


def bounds_of(policy: Policy, name: str) -> set[Decimal]:
    """Return every number that the policy holds an indicator against."""
    found: set[Decimal] = set()
    for of, lines in scales_of(policy):
        if of == name:
            found |= {bound for line in lines for bound in (line.stated.low, line.stated.high) if bound is not None}
            found |= {value for line in lines for value in line.names if isinstance(value, Decimal)}
    for condition in conditions_of(policy):
        found |= condition.bounds.get(name, set())
    decide, indicator = policy.decide, policy.indicators[name]
    found |= {bound for bound in (indicator.minimum, indicator.maximum) if bound is not None}
    if decide.ratio and decide.ratio.of == name:
        found.add(decide.ratio.red_line)
    if decide.quadrant:
        halves = [half for half in (decide.quadrant.x, decide.quadrant.y) if half.of == name]
        found |= {half.bound.low for half in halves if half.bound.low is not None}
    if decide.scorecard and name in decide.scorecard.points and decide.scorecard.points[name].as_is:
        stated = [line.stated for line in decide.scorecard.tiers]
        found |= {bound for interval in stated for bound in (interval.low, interval.high) if bound is not None}
    if decide.top_n and decide.top_n.rank == name:
        found |= {Decimal(part.first) for part in decide.top_n.tiers if part.first is not None}
    if decide.top_share and decide.top_share.rank == name:
        found |= {Decimal(cut) for count in COUNTS for cut in decide.top_share.cuts(count)}
    entry = policy.missing.get(name)
    if entry and isinstance(entry.as_, Decimal):
        found.add(entry.as_)
    return found


def texts_of(policy: Policy, name: str) -> list[str]:
    """Return every text that the policy holds an indicator against."""
    found = [str(value) for of, lines in scales_of(policy) if of == name for line in lines for value in line.names]
    for condition in conditions_of(policy):
        found += condition.texts.get(name, [])
    if policy.class_ and policy.class_.of == name:
        found += list(policy.class_.classes)
    return list(dict.fromkeys([*found, *(policy.indicators[name].values or [])]))


COUNTS = (1, 3, 49, 50, 120, 450)
"""How many accounts are graded, in rows that are drawn."""


def values_of(policy: Policy, name: str) -> list[Any]:
    """Return the values of an indicator that are worth a try: at and beside every bound, and some far from all."""
    indicator, kind = policy.indicators[name], arrow_type(policy, name)
    if indicator.value_type == "flag":
        return [True, False]
    if indicator.value_type == "text":
        return [*texts_of(policy, name), *([] if indicator.values else ["another text"])]
    if indicator.count:
        return list(COUNTS)
    if indicator.quantile:
        return list(range(1, indicator.quantile + 1))
    step = Decimal(1) if pa.types.is_integer(kind) else Decimal(1).scaleb(-kind.scale)
    known = {bound.quantize(step, ROUND_FLOOR) for bound in bounds_of(policy, name)}
    values = {bound + part * step for bound in known for part in (-1, 0, 1)} | {Decimal(0), Decimal(1)}
    if not indicator.is_statistic:
        values |= {min(known, default=Decimal(0)) - 5, max(known, default=Decimal(0)) + 250_000}
    elif indicator.rank:
        values = {value for value in values if value >= 1} | {Decimal(count) for count in COUNTS}
    else:
        values = {value for value in values if 0 <= value <= 1} | {Decimal("0.5")}
    if indicator.minimum is not None:
        values = {value for value in values if value >= indicator.minimum}
    if indicator.maximum is not None:
        values = {value for value in values if value <= indicator.maximum}
    plain = sorted(values)
    return [int(value) for value in plain] if pa.types.is_integer(kind) else plain


# Rows


def decidable(policy: Policy, rows: Sequence[Row]) -> list[Row]:
    """Return the rows that `decide_tiers` does not refuse."""
    states = find_states(policy, indicator_frame(policy, rows))
    return [row for row, state in zip(rows, states, strict=True) if state is not None]


_DRAWN: dict[str, list[Row]] = {}
_POOLS: dict[str, list[Row]] = {}


def drawn_rows(policy: Policy) -> list[Row]:
    """Return some hundred rows with the values of a policy, those of its cases among them; some cannot be decided.

    A position is one among the accounts that are counted.
    """
    if policy.version not in _DRAWN:
        _DRAWN[policy.version] = _draw(policy, Random(policy.id))  # the same rows on every run
    return _DRAWN[policy.version]


def _draw(policy: Policy, random: Random) -> list[Row]:
    values = {name: values_of(policy, name) for name in policy.indicators}
    wanted = [(name, value) for name, options in values.items() for value in [*options, None]]
    drawn: list[Row] = [dict(case["given"]) for case in CASES.get(policy.id, [])]
    for name, value in wanted * max(3, 400 // len(wanted)):
        row = {each: None if random.random() < 0.06 else random.choice(values[each]) for each in values}
        drawn.append({**row, name: value})
    counts = [name for name, indicator in policy.indicators.items() if indicator.count]
    ranks = [name for name, indicator in policy.indicators.items() if indicator.rank]
    for row in drawn:
        for rank in ranks:
            if counts and row.get(rank) is not None and row.get(counts[0]) is not None:
                row[rank] = min(row[rank], row[counts[0]])
    return drawn


def pool_of(policy: Policy) -> list[Row]:
    """Return the drawn rows that the measures can give: who does not pass the gates has no statistics."""
    if policy.version not in _POOLS:
        drawn = drawn_rows(policy)
        statistics = [name for name, indicator in policy.indicators.items() if indicator.is_statistic]
        pool = _POOLS[policy.version] = []
        for row, state in zip(drawn, find_states(policy, indicator_frame(policy, drawn)), strict=True):
            if state is not None:
                out = dict.fromkeys(statistics) if state.startswith("gate:") else {}
                pool.append({name: value for name, value in {**row, **out}.items() if value is not None})
    return _POOLS[policy.version]


def indicator_rows(policy: Policy, min_size: int, max_size: int) -> st.SearchStrategy[list[Row]]:
    """Return rows that the measures can give for a policy, many of them at its bounds."""
    return st.lists(st.sampled_from(pool_of(policy)), min_size=min_size, max_size=max_size)
