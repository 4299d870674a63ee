"""Ratios are cut off after 18 digits, exactly, on every engine: also small amounts, divided as 64-bit numbers."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

from decimal import Decimal, localcontext
from random import Random

import jinja2
import pyarrow as pa
import pytest
from companies import ROOT, fresh, warehouses

from sql.connect import Database, connected, read_arrow, write_arrow
from sql.facts import rebuild

LIMIT = Decimal(900_000_000)
"""Below it amounts are divided as 64-bit numbers."""
LAST = Decimal("0.0001")


def pairs() -> list[tuple[Decimal, Decimal]]:
    """Return numerators of either sign and denominators above zero: round the limits, of any length, and by chance."""
    edges = [LAST, Decimal(1), LIMIT - LAST, LIMIT, LIMIT + LAST, Decimal("9999999999999999.9999")]
    tops = [Decimal(0), *edges, *(-edge for edge in edges)]
    random = Random(7)

    def drawn() -> Decimal:
        return Decimal(random.randrange(1, 10 ** random.randrange(1, 20))).scaleb(-4)

    chance = [(random.choice((1, -1)) * drawn(), drawn()) for _ in range(2000)]
    return [(top, below) for top in tops for below in edges] + chance


def cut_off(above: Decimal, below: Decimal) -> Decimal:
    with localcontext() as context:
        context.prec = 100
        return (above / below).quantize(Decimal(1).scaleb(-18), rounding="ROUND_DOWN")


@pytest.mark.parametrize("macro", ["ratio", "long_ratio"])
def test_a_ratio_is_cut_off_after_18_digits(macro: str, fresh: Database) -> None:
    given = pairs()
    macros = (
        jinja2.Environment(loader=jinja2.FileSystemLoader(ROOT / "sql")).get_template("measures/exact.jinja").module
    )
    term = getattr(macros, macro)("above", "below")
    with connected(fresh, "tests") as connection:
        rebuild(connection, "pair", {"place": "BIGINT", "above": "DECIMAL(38, 4)", "below": "DECIMAL(38, 4)"})
        rows = pa.table(
            {
                "place": list(range(len(given))),
                **{
                    name: pa.array([pair[side] for pair in given], pa.decimal128(38, 4))
                    for side, name in enumerate(("above", "below"))
                },
            }
        )
        write_arrow(connection, "work.pair", rows)
    with connected(fresh, "tests") as connection:
        found = read_arrow(connection, f"SELECT {term} AS quotient FROM work.pair ORDER BY place")
    for (above, below), quotient in zip(given, found["quotient"].to_pylist(), strict=True):
        assert quotient == cut_off(above, below), (above, below)
