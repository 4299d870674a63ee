"""`tiering evaluate`: what the tiers of a policy achieved, and how the policy did in a year."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sql.contract import MINOR_DIGITS
from sql.errors import TieringError
from sql.evaluation import MONTHS, Effect, Evaluation, evaluate_policy
from tiering.connections import WAREHOUSE, database_of
from tiering.settings import read_settings
from transforms.calendar import add_months

MEASURES = {
    "net_sales": "net sales",
    "sales_share": "share of net sales",
    "order_count": "orders",
    "buying_customers": "customers that bought",
    "complaint_count": "complaints",
    "average_satisfaction": "satisfaction",
    "average_survey_score": "survey score",
    "left_customers": "customers that left",
}
"""What the measures are called, in the order in which they are shown."""

FIGURES = {
    "published_days": "days published",
    "customers_in_year": "customers with a tier in the year",
    "moved_up": "moves up",
    "moved_down": "moves down",
    "new": "new",
    "left": "left",
    "flip_flops": "moved and moved back",
    "flip_flops_per_100": "the same per 100 customers",
    "overridden_customers": "customers with an overridden tier",
    "provisional_share": "share of provisional decisions",
    "average_completeness": "average completeness",
    "approvals_asked": "approvals asked",
    "approvals_refused": "approvals refused",
    "quarantined_rows": "rows in quarantine",
}
"""What the figures of the whole policy are called, in the order in which they are shown."""

_SHARES = {"sales_share", "provisional_share", "average_completeness"}
_AVERAGES = {"average_satisfaction", "average_survey_score", "flip_flops_per_100"}


def run_evaluate(console: Console, policy_id: str, as_of: date | None, year: int | None) -> int:
    """Evaluate a policy, keep the result in the warehouse and print it; return 0.

    Raises TieringError in one line when there is nothing to evaluate.
    """
    warehouse = database_of(WAREHOUSE)
    if warehouse.kind == "duckdb" and not Path(warehouse.path).is_file():
        raise TieringError(f"{WAREHOUSE}: there is no file {warehouse.path}; correct the host of the connection")
    currency = read_settings().reporting_currency
    print_evaluation(console, evaluate_policy(warehouse, policy_id, as_of, year), currency)
    return 0


def print_evaluation(console: Console, evaluation: Evaluation, currency: str) -> None:
    """Print what the tiers achieved, who stood where, and the figures of the year."""
    policy, day = evaluation.policy, evaluation.as_of
    console.print(f"[bold]{escape(policy.id)}[/]  {escape(policy.title.get('en', ''))}")
    console.print(_effects(evaluation, currency))
    console.print(
        f"Before: {MONTHS} months up to {day}; after: up to {add_months(day, MONTHS)}, of those who had the tier on "
        "that day, whether they stayed or left. Kept in tiering.tier_effect."
    )
    console.print()
    console.print(_standing(evaluation))
    console.print(_figures(evaluation))
    console.print("Kept in tiering.policy_evaluation.")


def _effects(evaluation: Evaluation, currency: str) -> Table:
    table = Table(title=f"What the tiers of {evaluation.as_of} achieved", title_justify="left")
    for name in ("tier", "measure"):
        table.add_column(name)
    for name in ("before", "after", "change", "%"):
        table.add_column(name, justify="right")
    for tier, group in groupby(evaluation.effects, lambda effect: effect.tier):
        effects = {effect.measure: effect for effect in group}
        for place, (measure, title) in enumerate(MEASURES.items()):
            effect = effects[measure]
            head = (tier, f"{effect.customers:,} customers")[place] if place < 2 else ""
            unit = f" ({currency})" if measure == "net_sales" else ""
            table.add_row(
                escape(head), title + unit, *_cells(effect, currency), end_section=measure == "left_customers"
            )
    return table


def _cells(effect: Effect, currency: str) -> list[str]:
    rate = "–" if effect.change_rate is None else f"{effect.change_rate * 100:+,.1f}"
    shown = [show_value(effect.measure, value, currency) for value in (effect.before, effect.after)]
    change = show_value(effect.measure, effect.change, currency, sign="+")
    return [*shown, change, rate]


def _standing(evaluation: Evaluation) -> Table:
    table = Table(title=f"Customers per tier, {evaluation.year}", title_justify="left")
    table.add_column("tier")
    for name in ("at its start", "at its end"):
        table.add_column(name, justify="right")
    tiers = [tier for figure, tier in evaluation.figures if figure == "customers_at_start"]
    for tier in [*(name for name in tiers if name != "-"), "-"]:
        cells = [evaluation.figures[f"customers_at_{when}", tier] for when in ("start", "end")]
        table.add_row("all" if tier == "-" else escape(tier), *(show_value("", cell) for cell in cells))
    return table


def _figures(evaluation: Evaluation) -> Table:
    table = Table(title=f"The policy in {evaluation.year}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for figure, title in FIGURES.items():
        table.add_row(title, show_value(figure, evaluation.figures[figure, "-"]))
    return table


def show_value(name: str, value: Decimal | None, currency: str = "", sign: str = "") -> str:
    """Return a value as a person reads it: money in its minor unit, shares in percent, their changes in points."""
    if value is None:
        return "–"
    if name in _SHARES:
        return f"{value * 100:{sign},.1f} {'pp' if sign else '%'}"
    if name in _AVERAGES:
        return f"{value:{sign},.2f}"
    return f"{value:{sign},.{MINOR_DIGITS.get(currency, 2) if name == 'net_sales' else 0}f}"
