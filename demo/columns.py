"""Arrow columns made from numpy arrays, without a Python loop over rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Days = npt.NDArray[np.datetime64]


def make_decimals(units: Ints, precision: int, scale: int, missing: Bools | None = None) -> pa.Array:
    """Decimals from whole minor units; exact, because no float is involved."""
    low = np.ascontiguousarray(units, dtype="<i8")
    words = np.column_stack([low, low >> 63])  # 128 bit two's complement: the value and its sign
    column = pa.Array.from_buffers(pa.decimal128(precision, scale), len(low), [None, pa.py_buffer(words.tobytes())])
    return column if missing is None else blank_where(column, missing)


def make_money(cents: Ints, missing: Bools | None = None) -> pa.Array:
    return make_decimals(cents, 18, 2, missing)


def make_days(days: Days, missing: Bools | None = None) -> pa.Array:
    return pa.array(days.astype("datetime64[D]"), mask=missing)


def make_numbers(prefix: str, numbers: Ints, width: int) -> pa.Array:
    """Document numbers: a prefix and the number padded with zeros."""
    padded = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(pa.scalar(prefix), padded, "") if prefix else padded


def pick(words: Sequence[Any] | pa.Array, positions: Ints, missing: Bools | None = None) -> pa.Array:
    """The words at these positions."""
    values = words if isinstance(words, pa.Array) else pa.array(words)
    return values.take(pa.array(positions, mask=missing))


def blank_where(column: pa.Array, missing: Bools) -> pa.Array:
    return pc.if_else(pa.array(missing), pa.scalar(None, column.type), column)
