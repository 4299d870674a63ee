"""Decide: indicators in, tiers out. A decision looks at one row only, so any chunk may be decided alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sql.errors import TieringError
from transforms.conditions import Condition
from transforms.policy import Composite, Policy, TopShare

NUMBER = pd.ArrowDtype(pa.decimal128(38, 18))
TEXT = pd.ArrowDtype(pa.string())

DECISION_COLUMNS = {
    "customer_id": TEXT,
    "computed_tier": TEXT,
    "reason": TEXT,
    "status": TEXT,
    "score": NUMBER,
    "code": TEXT,
    "completeness": NUMBER,
    "account_manager_id": TEXT,
    "input_hash": TEXT,
}
COMPONENT_COLUMNS = {
    "customer_id": TEXT,
    "indicator": TEXT,
    "value": NUMBER,
    "value_text": TEXT,
    "level": TEXT,
    "points": NUMBER,
    "weight": pd.ArrowDtype(pa.decimal128(18, 8)),
    "contribution": NUMBER,
    "is_missing": pd.ArrowDtype(pa.bool_()),
    "evidence_on": pd.ArrowDtype(pa.date32()),
}


@dataclass(frozen=True)
class Decided:
    """What a decision found.

    `decisions`: one row per account, columns `DECISION_COLUMNS`; one of computed_tier and reason is set.
    `components`: one row per account and indicator, columns `COMPONENT_COLUMNS`.
    """

    decisions: pd.DataFrame
    components: pd.DataFrame


def decide_tiers(policy: Policy, indicators: pd.DataFrame) -> Decided:
    """Give every account its tier under `policy`, or the reason why it has none.

    In: one row per account, columns account_id, account_manager_id and every indicator of the policy, of
    Arrow types (numbers exact). Out: see `Decided`. Rows keep their order.
    Raises TieringError when a column is missing, an account stands twice, or an indicator that decides is
    undefined without a `missing` entry.
    """
    _check_columns(policy, indicators)
    values = indicators[list(policy.indicators)].reset_index(drop=True)
    found = _decide(policy, values)
    _refuse_undefined(policy, found.undefined)
    customer_id = indicators["account_id"].reset_index(drop=True)
    decisions = pd.DataFrame(
        {
            "customer_id": customer_id,
            "computed_tier": found.tier,
            "reason": found.reason,
            "status": found.status,
            "score": found.score,
            "code": found.code,
            "completeness": _completeness(values).where(found.reason.isna(), None),
            "account_manager_id": indicators["account_manager_id"].reset_index(drop=True),
            "input_hash": _input_hash(policy, values),
        }
    ).astype(DECISION_COLUMNS)
    return Decided(decisions, _components(policy, customer_id, values, found.levels))


def find_states(policy: Policy, indicators: pd.DataFrame) -> pd.Series:
    """Return by account_id the tier under `policy`, or the reason why there is none; None where undecidable.

    In: as `decide_tiers`. Undecidable is what `decide_tiers` refuses: something that decides is undefined.
    """
    found = _decide(policy, indicators[list(policy.indicators)].reset_index(drop=True))
    state = np.where(found.reason.notna(), found.reason.astype(object), found.tier)
    return pd.Series(state, index=pd.Index(indicators["account_id"].astype(object)), dtype=object)


@dataclass(frozen=True)
class _Found:
    """What was found per account; `undefined`: by indicator that decides, whom that leaves without a tier."""

    tier: np.ndarray
    status: np.ndarray
    reason: pd.Series
    undefined: dict[str, np.ndarray]
    levels: dict[str, pd.Series]
    code: pd.Series | None = None
    score: pd.Series | None = None


def _is_none(values: np.ndarray) -> np.ndarray:
    return np.asarray(pd.isna(values), dtype=bool)


def _decide(policy: Policy, values: pd.DataFrame) -> _Found:
    reason = _gate_reason(policy, values)
    graded = reason.isna().to_numpy()
    tier, status = _by_missing(policy, values, graded)
    open_ = graded & _is_none(tier)
    undefined = _undefined(policy, values, open_)
    for rows in undefined.values():
        open_ &= ~rows
    if policy.decide.composite is not None:
        levels = _digits(policy.decide.composite, values, open_)
        code, score = _code_and_sum(levels, open_)
        tier[open_] = _by_score(policy.decide.composite, score[open_])
        return _Found(tier, status, reason, undefined, levels, code, score)
    if policy.decide.top_share is not None:
        tier[open_] = _by_share(policy.decide.top_share, values[open_])
    else:
        tier[open_] = _by_rules(policy, values[open_])
    return _Found(tier, status, reason, undefined, {})


def _check_columns(policy: Policy, indicators: pd.DataFrame) -> None:
    needed = ["account_id", "account_manager_id", *policy.indicators]
    lacking = [name for name in needed if name not in indicators]
    if lacking:
        raise TieringError(f"policy {policy.id}: the measures lack {', '.join(lacking)}; measure them for this policy")
    twice = indicators["account_id"][indicators["account_id"].duplicated()]
    if len(twice):
        raise TieringError(f"policy {policy.id}: {len(twice)} accounts stand twice, such as {', '.join(twice[:5])}")


def _gate_reason(policy: Policy, values: pd.DataFrame) -> pd.Series:
    """Return the first gate an account does not pass, as `gate:<name>`; missing when it passes all."""
    reason = pd.Series(pd.NA, index=values.index, dtype=TEXT)
    for name, text in policy.gate.items():
        refused = ~Condition(text).holds(values) & reason.isna().to_numpy()
        reason[refused] = f"gate:{name}"
    return reason


def _by_missing(policy: Policy, values: pd.DataFrame, graded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return tier and status of the first `missing` entry that applies; else no tier, final if graded."""
    tier = np.full(len(values), None, dtype=object)
    status = np.full(len(values), None, dtype=object)
    status[graded] = "final"
    for name, entry in policy.missing.items():
        undefined = graded & _is_none(tier) & values[name].isna().to_numpy()
        tier[undefined], status[undefined] = entry.tier, entry.status
    return tier, status


def _undefined(policy: Policy, values: pd.DataFrame, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return by deciding indicator where among `rows` it is undefined and no rule asks about that."""
    said = {name for rule in policy.decide.rules or [] if rule.condition for name in rule.condition.missing}
    names = [name for name in policy.decide.indicators if name not in said]
    return {name: values[name].isna().to_numpy() & rows for name in names}


def _refuse_undefined(policy: Policy, undefined: dict[str, np.ndarray]) -> None:
    for name, rows in undefined.items():
        if rows.any():
            raise TieringError(
                f"policy {policy.id}: the indicator {name} is undefined for {int(rows.sum())} accounts and "
                f"decides; say under missing what that means, or gate on it"
            )


def _by_rules(policy: Policy, values: pd.DataFrame) -> np.ndarray:
    tier = np.full(len(values), None, dtype=object)
    left = np.ones(len(values), dtype=bool)
    for rule in policy.decide.rules or []:
        matched = left if rule.condition is None else left & rule.condition.holds(values)
        tier[matched] = rule.tier
        left = left & ~matched
    return tier


def _digits(composite: Composite, values: pd.DataFrame, rows: np.ndarray) -> dict[str, pd.Series]:
    """Return the digit of every indicator per account: an integer, missing outside `rows`."""
    found = {}
    for digit in composite.digits:
        value = values[digit.indicator]
        level = pd.Series(pd.NA, index=values.index, dtype="Int64")
        if digit.bands is None:
            level[rows] = value[rows].astype("Int64")
        else:
            left = rows.copy()
            for band in digit.bands:
                inside = left if band.to is None else left & (value <= band.to).fillna(False).astype(bool).to_numpy()
                level[inside] = band.score
                left = left & ~inside
        found[digit.indicator] = level
    return found


def _code_and_sum(levels: dict[str, pd.Series], rows: np.ndarray) -> tuple[pd.Series, pd.Series]:
    digits = list(levels.values())
    code = digits[0].astype("string")
    score = digits[0]
    for digit in digits[1:]:
        code = code + digit.astype("string")
        score = score + digit
    return code.where(pd.Series(rows)), score


def _by_score(composite: Composite, score: pd.Series) -> np.ndarray:
    tier = np.full(len(score), composite.tiers[-1].tier, dtype=object)
    for entry in reversed(composite.tiers[:-1]):
        tier[(score >= entry.at_least).to_numpy(dtype=bool)] = entry.tier
    return tier


def _by_share(shape: TopShare, values: pd.DataFrame) -> np.ndarray:
    """Compare the position with the cumulated share of the count, rounded half up, in whole numbers."""
    position = values[shape.rank].to_numpy(dtype=np.int64)
    count = values[shape.of].to_numpy(dtype=np.int64)
    tier = np.full(len(values), shape.shares[-1].tier, dtype=object)
    cumulated = Fraction(0)
    cuts = []
    for share in shape.shares[:-1]:
        cumulated += Fraction(share.percent) / 100
        cuts.append(
            (
                share.tier,
                (2 * cumulated.numerator * count + cumulated.denominator) // (2 * cumulated.denominator),
            )
        )
    for name, cut in reversed(cuts):
        tier[position <= cut] = name
    return tier


def _completeness(values: pd.DataFrame) -> pd.Series:
    """Return the share of the indicators that are known, cut off after four digits."""
    known = values.notna().sum(axis="columns").to_numpy(dtype=np.int64)
    units = known * 10_000 // max(1, len(values.columns))
    texts = pc.binary_join_element_wise(
        pa.array(units // 10_000).cast(pa.string()),
        pc.utf8_lpad(pa.array(units % 10_000).cast(pa.string()), 4, "0"),
        ".",
    )
    return pd.Series(pd.arrays.ArrowExtensionArray(texts.cast(pa.decimal128(38, 18))))


def _as_text(values: pd.Series) -> pa.Array:
    column = pa.array(values)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return pc.fill_null(column.cast(pa.string()), "\x00")


def _input_hash(policy: Policy, values: pd.DataFrame) -> list[str]:
    """Hash what the decision looks at, row by row: equal input has equal hashes on every engine."""
    joined = pc.binary_join_element_wise(*[_as_text(values[name]) for name in sorted(policy.indicators)], "\x1f")
    prefix = hashlib.sha256(policy.version.encode())
    hashes = []
    for text in joined.to_pylist():
        row = prefix.copy()
        row.update(text.encode())
        hashes.append(row.hexdigest()[:32])
    return hashes


def _array(values: pd.Series, kind: pa.DataType) -> pa.Array:
    column = pa.array(values)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_boolean(column.type) and pa.types.is_decimal(kind):
        column = column.cast(pa.int64())
    return column.cast(kind)


def _components(
    policy: Policy, customer_id: pd.Series, values: pd.DataFrame, levels: dict[str, pd.Series]
) -> pd.DataFrame:
    rows, decimal, text = len(values), NUMBER.pyarrow_dtype, TEXT.pyarrow_dtype
    numbers, texts, points, missing = [], [], [], []
    for name in policy.indicators:
        column = values[name]
        is_text = pa.types.is_string(getattr(column.dtype, "pyarrow_dtype", pa.null()))
        numbers.append(pa.nulls(rows, decimal) if is_text else _array(column, decimal))
        texts.append(_array(column, text) if is_text else pa.nulls(rows, text))
        points.append(_array(levels[name], pa.int64()) if name in levels else pa.nulls(rows, pa.int64()))
        missing.append(pa.array(column.isna().to_numpy(dtype=bool)))
    whole_points = pa.concat_arrays(points)
    known = {
        "customer_id": pa.concat_arrays([_array(customer_id, text)] * len(policy.indicators)),
        "indicator": pa.array(np.repeat(np.array(list(policy.indicators), dtype=object), rows), text),
        "value": pa.concat_arrays(numbers),
        "value_text": pa.concat_arrays(texts),
        "level": whole_points.cast(text),
        "points": whole_points.cast(decimal),
        "contribution": whole_points.cast(decimal),
        "is_missing": pa.concat_arrays(missing),
    }
    height = rows * len(policy.indicators)
    arrays = {name: known.get(name, pa.nulls(height, kind.pyarrow_dtype)) for name, kind in COMPONENT_COLUMNS.items()}
    return pd.DataFrame({name: pd.arrays.ArrowExtensionArray(array) for name, array in arrays.items()})


def run_input_hash(policy: Policy, decisions: pd.DataFrame) -> str:
    """Return the hash of what a run decided on: policy and every account's input, in any order."""
    digest = hashlib.sha256(policy.version.encode())
    ordered = decisions.sort_values("customer_id")
    for customer_id, row_hash in zip(ordered["customer_id"], ordered["input_hash"], strict=True):
        digest.update(f"{customer_id}\x1f{row_hash}\x1e".encode())
    return digest.hexdigest()
