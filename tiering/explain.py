"""`tiering explain`: how the tier of one customer came about, for whoever is asked about it."""

from __future__ import annotations

import re
import sys
from datetime import date
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reports.decision_words import Row
from reports.explanation import Explanation, explain_account
from reports.wording import Language
from sql.errors import TieringError
from sql.explain import read_accounts
from tiering.connections import WAREHOUSE, database_of
from tiering.settings import read_settings

WIDTH = 100
_SIGNS = {"held": ("✓", "green"), "failed": ("✗", "red")}
_FIGURE = re.compile(r"[−-]?[\d.,]+")


def run_explain(console: Console, customer_id: str, *, policy_id: str | None, as_of: date | None, language: str) -> int:
    """Print how the tier of an account came about, policy by policy; return 0, or 1 when one cannot be told.

    Raises TieringError when there is nothing to tell.
    """
    warehouse = database_of(WAREHOUSE)
    if warehouse.kind == "duckdb" and not Path(warehouse.path).is_file():
        raise TieringError(f"{WAREHOUSE}: there is no file {warehouse.path}; correct the host of the connection")
    currency = read_settings().reporting_currency
    words, code = Language(language), 0
    for account in read_accounts(warehouse, customer_id, policy_id, as_of):
        try:
            print_explanation(console, explain_account(account, words, currency))
        except TieringError as error:
            print(f"tiering: {error}", file=sys.stderr)
            code = 1
    return code


def print_explanation(console: Console, explanation: Explanation) -> None:
    """Print an explanation in at most 100 columns; colours only on a terminal."""
    width = min(console.width, WIDTH)
    with console.capture() as captured:
        console.print(Text(explanation.account, "bold"), Text(explanation.policy), sep="\n", width=width)
        if explanation.note:
            console.print(Text(explanation.note, "yellow"), width=width)
        for section in explanation.sections:
            console.print(f"\n[bold]{escape(section.title)}[/]", width=width)
            for _cells, rows in groupby(section.rows, lambda row: len(row.cells)):
                block = _block(list(rows))
                console.print(Padding(block, (0, 0, 0, 2)), width=width)
        console.print()
    # A table fills its last column with spaces, which are of no use in a file.
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _sign(row: Row) -> Text:
    return Text(*_SIGNS.get(row.mark, ("", "")))


def _block(rows: list[Row]) -> Table:
    """Rows of equally many cells, as a table without lines."""
    grid = Table.grid(padding=(0, 2))
    is_marked = any(row.mark in _SIGNS for row in rows)
    if is_marked:
        grid.add_column(width=1)
    for column in zip(*(row.cells for row in rows if row.mark != "head"), strict=True):
        are_figures = any(column) and all(_FIGURE.fullmatch(cell) for cell in column if cell)
        grid.add_column(justify="right" if are_figures else "left")
    for row in rows:
        style = {"head": "dim", "held": "bold"}.get(row.mark, "")
        grid.add_row(*([_sign(row)] if is_marked else []), *(Text(cell, style) for cell in row.cells))
    return grid
