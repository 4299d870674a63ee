"""Every bound of every shipped policy decides as Python's Decimal would, whichever database the numbers come from."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cache
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sql.connect import Database, connected, read_arrow, write_arrow
from sql.statements import run_text
from tests.indicator_frames import POLICIES, Row, arrow_type, bounds_of, drawn_rows, indicator_frame, pool_of
from tests.tier_model import state_of
from transforms.decide import find_states
from transforms.policy import Policy

# Every policy's indicators lie in the columns of their type, one after the other: money_0, money_1, ratio_0, …
KINDS = {
    "money": (pa.decimal128(38, 4), "DECIMAL(38, 4)"),
    "ratio": (pa.decimal128(38, 18), "DECIMAL(38, 18)"),
    "whole": (pa.int64(), "BIGINT"),
    "flag": (pa.bool_(), "BOOLEAN"),
    "text": (pa.string(), "TEXT"),
}
MINIMUM_ROWS = 5_000


def slots_of(policy: Policy) -> dict[str, str]:
    """Return by indicator the column that holds it."""
    used = dict.fromkeys(KINDS, 0)
    slots = {}
    for name in policy.indicators:
        kind = next(kind for kind, (arrow, _) in KINDS.items() if arrow == arrow_type(policy, name))
        slots[name] = f"{kind}_{used[kind]}"
        used[kind] += 1
    return slots


def at_every_bound(policy: Policy) -> Iterator[Row]:
    """Yield rows with a value just below, at and just above each bound, the other values those of a few rows."""
    states = find_states(policy, indicator_frame(policy, pool_of(policy)))
    by_state = {state: row for row, state in zip(pool_of(policy), states, strict=True)}
    for name in policy.indicators:
        kind = arrow_type(policy, name)
        if pa.types.is_boolean(kind) or pa.types.is_string(kind):
            continue
        step = Decimal(1) if pa.types.is_integer(kind) else Decimal(1).scaleb(-kind.scale)
        for bound in sorted(bounds_of(policy, name)):
            ends = {bound.quantize(step, rounding) for rounding in (ROUND_FLOOR, ROUND_CEILING)}
            for value in sorted({end + part * step for end in ends for part in (-1, 0, 1)}):
                exact = int(value) if pa.types.is_integer(kind) else value
                yield from ({**row, name: exact} for row in by_state.values())


@cache
def rows_and_states(policy_id: str) -> tuple[list[Row], list[str | None]]:
    """Return the rows that a policy is tried on, and what the plain model decides."""
    policy = POLICIES[policy_id]
    rows = [*at_every_bound(policy), *drawn_rows(policy)]
    return rows, [state_of(policy, row) for row in rows]


def test_every_bound_decides_as_pythons_decimal_on_every_engine(empty_database: Database) -> None:
    rows = {policy_id: rows_and_states(policy_id)[0] for policy_id in POLICIES}
    assert sum(map(len, rows.values())) > MINIMUM_ROWS
    frames = []
    for policy_id, policy in POLICIES.items():
        frame = indicator_frame(policy, rows[policy_id])[list(policy.indicators)].rename(columns=slots_of(policy))
        named = {"policy_id": [policy_id] * len(frame), "row_no": range(len(frame))}
        frames.append(pa.table({**named, **{name: pa.array(frame[name]) for name in frame}}))
    table = pa.concat_tables(frames, promote_options="default")
    types = {name: KINDS[name.partition("_")[0]][1] for name in table.column_names[2:]}
    columns = ", ".join(["policy_id TEXT", "row_no BIGINT", *(f"{name} {kind}" for name, kind in types.items())])
    with connected(empty_database, "tiering_warehouse") as connection:
        run_text(connection, f"CREATE TABLE bounds ({columns})")
        write_arrow(connection, "bounds", table)
    with connected(empty_database, "tiering_warehouse") as connection:
        back = read_arrow(connection, f"SELECT {', '.join(table.column_names)} FROM bounds ORDER BY policy_id, row_no")
    assert back.num_rows == table.num_rows
    for policy_id, policy in POLICIES.items():
        part = back.filter(pc.equal(back["policy_id"], policy_id))
        given: dict[str, Any] = {"account_id": [str(number) for number in part["row_no"].to_pylist()]}
        given |= {name: pd.arrays.ArrowExtensionArray(part[slot]) for name, slot in slots_of(policy).items()}
        found = list(find_states(policy, pd.DataFrame(given)))
        both = zip(*rows_and_states(policy_id), found, strict=True)
        assert [(row, one, other) for row, one, other in both if one != other][:3] == [], policy_id
