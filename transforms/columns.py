"""Columns: exact operations on whole Arrow columns that decisions are made of; no float, no loop over rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

DECIMAL = pa.decimal128(38, 18)
_WIDE = Context(prec=100)


def array_of(column: pd.Series) -> pa.Array:
    """Return a pandas column of an Arrow type as one Arrow array."""
    array = pa.array(column)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def is_true(flags: pa.Array) -> npt.NDArray[np.bool_]:
    """Return where a flag is true; missing is not."""
    return np.asarray(pc.fill_null(flags, False).to_numpy(zero_copy_only=False), dtype=bool)


_COMPARE = {"=": pc.equal, "<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal}


def compare(sign: str, column: pa.Array, bound: Any) -> pa.Array:
    """Return per row whether the value stands to `bound` as `sign` says, as Python's Decimal would; missing stays.

    A bound with more digits than the column can hold is moved to the neighbour that decides the same.
    Raises TypeError where a number is compared with a text or a flag.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.bool_())
    is_number = pa.types.is_decimal(kind) or pa.types.is_integer(kind)
    if is_number != (isinstance(bound, Decimal)) or pa.types.is_boolean(kind) != isinstance(bound, bool):
        raise TypeError(f"{bound!r} is compared with a column of {kind}")
    if not is_number:
        return _COMPARE[sign](column, pa.scalar(bound, kind))
    scale = kind.scale if pa.types.is_decimal(kind) else 0
    rounding = ROUND_CEILING if sign in (">=", "<") else ROUND_FLOOR
    near = bound.quantize(Decimal(1).scaleb(-scale), rounding, _WIDE)
    limit = Decimal(10) ** (kind.precision - scale) if pa.types.is_decimal(kind) else Decimal(2) ** 63
    fits = -limit < near < limit or (pa.types.is_integer(kind) and near == -limit)
    if (sign == "=" and near != bound) or not fits:
        beyond = {"=": False, "<": bound > 0, "<=": bound > 0, ">": bound < 0, ">=": bound < 0}[sign]
        return pc.if_else(column.is_valid(), pa.scalar(beyond), pa.scalar(None, pa.bool_()))
    return _COMPARE[sign](column, pa.scalar(near if pa.types.is_decimal(kind) else int(near), kind))


def decimals_of(column: pa.Array) -> pa.Array:
    """Return numbers or flags (0 and 1) as decimals with 18 digits after the point."""
    plain = column.cast(pa.int64()) if pa.types.is_boolean(column.type) else column
    return plain.cast(DECIMAL)


def pick(names: Sequence[Any], places: npt.NDArray[Any]) -> pa.Array:
    """Return the name (a text, a Decimal or None) at every place; missing where the place is negative."""
    kind = DECIMAL if any(isinstance(name, Decimal) for name in names) else pa.string()
    return pa.array(list(names), kind).take(pa.array(places, mask=places < 0))


def add_decimals(columns: Sequence[pa.Array]) -> pa.Array:
    """Return the sum per row, missing where one is. Raises pyarrow.ArrowInvalid beyond 20 digits before the point."""
    wide = pa.decimal256(60, 18)
    total = columns[0].cast(wide)
    for column in columns[1:]:
        total = pc.add(total, column.cast(wide)).cast(wide)
    return total.cast(DECIMAL)


def combine_codes(columns: Sequence[npt.NDArray[Any]]) -> tuple[list[tuple[int, ...]], npt.NDArray[np.int64]]:
    """Return the different combinations of small numbers (-1 … 9), and which of them every row has."""
    joined = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        joined = joined * 11 + (column + 1)
    kinds, place = np.unique(joined, return_inverse=True)
    split = []
    for kind in kinds.tolist():
        digits = []
        for _ in columns:
            kind, digit = divmod(kind, 11)
            digits.append(digit - 1)
        split.append(tuple(reversed(digits)))
    return split, place


# Multipliers of MurmurHash3's finalizer (public domain, Austin Appleby); numpy's integers wrap as it needs.
_MIX_1, _MIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)
_MISSING = np.uint64(0x9E3779B97F4A7C15)


def hash_rows(seed: str, columns: Mapping[str, pa.Array], rows: int) -> pa.Array:
    """Return a hash per row (16 hexadecimal digits): equal for equal values on every engine, in any chunk.

    It tells a change of input; it does not withstand somebody who looks for two equal ones.
    """
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "little")
    mixed = np.full(rows, start, dtype=np.uint64)
    for column in columns.values():
        for lane in _lanes_of(column):
            mixed = mixed ^ lane
            mixed = (mixed ^ (mixed >> _SHIFT)) * _MIX_1
            mixed = (mixed ^ (mixed >> _SHIFT)) * _MIX_2
            mixed = mixed ^ (mixed >> _SHIFT)
    digits = np.frombuffer(mixed.astype(">u8").tobytes().hex().encode(), dtype="S16")
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * 16)
    return pa.StringArray.from_buffers(rows, offsets.buffers()[1], pa.py_buffer(digits.tobytes()))


def _lanes_of(column: pa.Array) -> list[npt.NDArray[np.uint64]]:
    """Return the values as 64 bit numbers: two for a number (its decimal with 18 digits), one for a text or flag."""
    missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=bool)
    if pa.types.is_string(column.type):
        encoded = column.dictionary_encode()
        hashes = [hashlib.sha256(text.encode()).digest()[:8] for text in encoded.dictionary.to_pylist()]
        known = np.array([int.from_bytes(digest, "little") for digest in hashes] or [0], dtype=np.uint64)
        lane = known[pc.fill_null(encoded.indices, 0).to_numpy(zero_copy_only=False)]
        return [np.where(missing, _MISSING, lane)]
    if pa.types.is_boolean(column.type):
        flags = pc.fill_null(column, False).to_numpy(zero_copy_only=False).astype(np.uint64)
        return [np.where(missing, _MISSING, flags)]
    if pa.types.is_null(column.type):
        return [np.full(len(column), _MISSING, dtype=np.uint64)]
    plain = pc.fill_null(decimals_of(column), Decimal(0))
    words = np.frombuffer(plain.buffers()[1], dtype="<u8").reshape(-1, 2)[plain.offset : plain.offset + len(plain)]
    return [np.where(missing, _MISSING, words[:, 0]), np.where(missing, _MISSING, words[:, 1])]
