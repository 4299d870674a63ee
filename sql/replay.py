"""Replay: which accounts a later day has to measure again, and how the others take their kept row.

A measure is an expression over pieces (CTEs), each of which sees an account's own rows of the facts. A piece says
something else on another day only where a row was loaded, replaced or withdrawn, or where a comparison of a row's day
with a day of the run comes out differently. What this module can read of a statement in that way can be replayed;
a statement with anything else in it is measured in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.optimizer.scope import Scope, build_scope

MEMBERS = "members_of_day"
"""Stands in the statements for the table of who is seen at every account, or at those to be measured again."""

KEPT = "measures_before"
"""Stands in the statements for the table of an earlier day."""

AGAIN = "measured_again_{}_"
"""Stands in the statements for the table of what was measured again of a part."""

CARRIED = {
    "sales.net_sales": "DECIMAL(38, 4)",
    "sales.gross_sales": "DECIMAL(38, 4)",
    "sales.purchase_days": "BIGINT",
    "sales.first_sold_on": "DATE",
    "sales.last_sold_on": "DATE",
    "payments.received": "DECIMAL(38, 4)",
    "receivables.balance": "DECIMAL(38, 4)",
    "receivables.oldest_due_on": "DATE",
    "contacts.first_contacted_on": "DATE",
    "contacts.contacted_on": "DATE",
    "opportunities.next_close_on": "DATE",
    "events.happened_on": "DATE",
}
"""What is kept beside the measures, with its type: columns of pieces from which a measure is worked out anew every day.

Such a measure moves with the day for everybody, looks at the account itself as well, or at more than one part. One that
needs a column that does not stand here cannot be replayed. A count is kept as 0 where its piece has no row: whether it
has one depends on what else the piece is read for.
"""

FRESH = ("population", "head", "attributes", "opportunity", "service_event")
"""What is read anew for everybody: who the accounts are, and what the source states of them."""

SEEN_BY_CUSTOMER = frozenset({
    "sales", "receivables", "payments", "open_orders", "contacts", "service_events", "surveys", "balances",
    "opportunities", "prescriptions", "assessments", "events",
})  # fmt: skip
"""Tables of facts whose rows are seen at the accounts of their customer; money that names a document also there."""

_COMPARISONS: dict[type[exp.Expr], bool] = {exp.LT: False, exp.GTE: False, exp.LTE: True, exp.GT: True}
"""Comparisons of a row's day (on the left) with a day of the run, and whether that day itself is no later for them."""

_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {exp.LT: exp.GT, exp.GT: exp.LT, exp.LTE: exp.GTE, exp.GTE: exp.LTE}


@dataclass(frozen=True)
class Carried:
    """A column of a piece that is kept beside the measures."""

    name: str
    piece: str
    column: str
    type: str


@dataclass(frozen=True, order=True)
class Boundary:
    """A comparison of a column of facts with a day of the run, which is `parameter`.

    When that day moves from one to another, it comes out differently for the rows between them; of the two days
    themselves for the later one, or (`is_early`) for the earlier one.
    """

    table: str
    column: str
    parameter: str
    is_early: bool


@dataclass(frozen=True)
class Part:
    """The measures whose pieces read the same tables of facts: who is touched by a change there is measured again.

    `columns`: the measures that are copied; `boundaries`: what tells whom a new day touches.
    """

    tables: tuple[str, ...]
    boundaries: tuple[Boundary, ...]
    columns: tuple[str, ...]
    carried: tuple[Carried, ...]

    def changes(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
        """Return which rows of the facts changed between two days and states of the facts.

        `known_` begins the parameters of the earlier one.
        """
        found = []
        if before["facts_batch_no"] != now["facts_batch_no"]:
            bounds = ">", "known_facts_batch_no", "<=", "facts_batch_no"
            found += [Change(table, name, *bounds) for table in self.tables for name in ("batch_no", "superseded_in")]
        seen: set[tuple[str, str, date, date, bool]] = set()
        for one in self.boundaries:
            key = (one.table, one.column, before[one.parameter], now[one.parameter], one.is_early)
            if key[2] != key[3] and key not in seen:
                seen.add(key)
                after, until = (">=", "<") if one.is_early else (">", "<=")
                found.append(Change(one.table, one.column, after, f"known_{one.parameter}", until, one.parameter))
        return found


@dataclass(frozen=True)
class Change:
    """Rows of a table of facts that changed: those whose column lies between two parameters."""

    table: str
    column: str
    after: str
    low: str
    until: str
    high: str


@dataclass(frozen=True)
class Replay:
    """How a statement of measures is replayed."""

    parts: tuple[Part, ...]

    @property
    def carried(self) -> tuple[Carried, ...]:
        """What is kept beside the measures."""
        return tuple(one for part in self.parts for one in part.carried)


def is_a_day(parameter: str) -> bool:
    """Whether a parameter of a statement of measures says what the day is (and not which kind is asked for)."""
    return not parameter.startswith(("kind_", "attribute_", "assessment_"))


def find_replay(tree: exp.Select) -> Replay | None:
    """Return how a statement of measures (pruned) can be replayed; None where it has to be measured in full."""
    scope = build_scope(tree)
    if scope is None:
        return None
    tables: dict[str, tuple[str, ...]] = {}
    boundaries: dict[tuple[str, ...], set[Boundary]] = {}
    for piece in _pieces(tree):
        read = _reads(scope, piece)
        if read is None:
            return None
        tables[piece] = tuple(sorted(read[0]))
        boundaries.setdefault(tables[piece], set()).update(read[1])
    columns: dict[tuple[str, ...], list[str]] = {part: [] for part in boundaries}
    carried: dict[tuple[str, str], Carried] = {}
    for expression in tree.expressions:
        parts = {tables[column.table] for column in expression.find_all(exp.Column) if column.table in tables}
        if not _is_worked_out_anew(expression, len(parts)):
            columns[parts.pop()].append(expression.alias_or_name)
            continue
        for column in expression.find_all(exp.Column):
            if column.table in tables:
                kind = CARRIED.get(f"{column.table}.{column.name.partition('__')[0]}")
                if kind is None:
                    return None
                key = column.table, column.name
                carried.setdefault(key, Carried(f"carried_{len(carried) + 1}", *key, kind))
    return Replay(
        tuple(
            Part(
                part,
                tuple(sorted(boundaries[part])),
                tuple(columns[part]),
                tuple(one for one in carried.values() if tables[one.piece] == part),
            )
            for part in sorted(boundaries)
        )
    )


def _pieces(tree: exp.Select) -> list[str]:
    return [join.alias_or_name for join in tree.args.get("joins") or [] if join.alias_or_name not in FRESH]


def _is_worked_out_anew(expression: exp.Expr, parts: int) -> bool:
    """Whether a column moves with the day, looks at the account itself, or at the pieces of more than one part."""
    return (
        parts != 1
        or any(is_a_day(node.name) for node in expression.find_all(exp.Placeholder))
        or any(column.table in FRESH for column in expression.find_all(exp.Column))
    )


def _reads(scope: Scope, piece: str) -> tuple[set[str], set[Boundary]] | None:
    """Return the tables of facts that a piece reads, and where it compares their days; None where it does more."""
    tables: set[str] = set()
    boundaries: set[Boundary] = set()
    for part in _parts(scope, piece):
        for _, source in part.selected_sources.values():
            if isinstance(source, exp.Table):
                if source.db != "facts" or source.name not in SEEN_BY_CUSTOMER:
                    return None
                tables.add(source.name)
        found = _boundaries_of(part)
        if found is None:
            return None
        boundaries |= found
    return tables, boundaries


def _parts(scope: Scope, name: str) -> Iterator[Scope]:
    """Return every scope that a piece of a statement is made of, but who the accounts are."""
    left: list[Any] = [scope.sources[name]]
    seen: set[int] = set()
    while left:
        part = left.pop()
        if not isinstance(part, Scope) or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        left += [source for node, source in part.selected_sources.values() if node.name != "account"]
        left += [*part.subquery_scopes, *part.set_operation_scopes]


def _boundaries_of(scope: Scope) -> set[Boundary] | None:
    """Return where one SELECT compares a day of the facts with a day of the run; None where it uses one otherwise."""
    found: set[Boundary] = set()
    for node in scope.find_all(exp.Placeholder):
        if not is_a_day(node.name):
            continue
        side: exp.Expr = node
        while isinstance(side.parent, exp.Cast | exp.Paren):
            side = side.parent
        comparison = side.parent
        if not isinstance(comparison, exp.Binary) or type(comparison) not in _COMPARISONS:
            return None
        kind: type[exp.Expr] = type(comparison)
        other = comparison.left
        if other is side:
            kind, other = _MIRRORED[kind], comparison.right
        columns = _columns_of_facts(scope, other)
        if columns is None:
            return None
        for table, column in columns:
            if node.name == "facts_batch_no" and column in ("batch_no", "superseded_in"):
                continue
            found.add(Boundary(table, column, node.name, not _COMPARISONS[kind]))
    return found


def _columns_of_facts(scope: Scope, value: exp.Expr) -> set[tuple[str, str]] | None:
    """Return the columns of facts that a column is, whatever it is called on the way; None where it is more."""
    if not isinstance(value, exp.Column):
        return None
    sources = {alias: source for alias, (_, source) in scope.selected_sources.items()}
    source: Any = sources.get(value.table) if value.table else next(iter(sources.values()), None)
    if not value.table and len(sources) != 1:
        return None
    if isinstance(source, exp.Table):
        return {(source.name, value.name)} if source.db == "facts" else None
    if not isinstance(source, Scope):
        return None
    found: set[tuple[str, str]] = set()
    for part in source.set_operation_scopes or [source]:
        query = part.expression
        selects = query.selects if isinstance(query, exp.Query) else []
        selected = next((one for one in selects if one.alias_or_name == value.name), None)
        columns = _columns_of_facts(part, selected.unalias()) if selected is not None else None
        if columns is None:
            return None
        found |= columns
    return found


def read_members(tree: exp.Select, *, restrict: bool = False) -> None:
    """Let a statement of measures read who is seen at the accounts from a table; `restrict`: these are some of all.

    PostgreSQL knows nothing of what a CTE holds that it keeps, and sorts or loops where it should hash: it is told to
    look through to the accounts themselves, of which it has statistics.
    """
    _put(tree, "account", f"SELECT customer_id, account_id FROM work.{MEMBERS}")  # noqa: S608
    _put(
        tree,
        "population",
        f"SELECT account_id, account_manager_id, customer_id, first_opened_on FROM work.{MEMBERS} WHERE is_head",  # noqa: S608
    )
    for cte in tree.args["with_"].expressions:
        if cte.alias == "account":
            cte.set("materialized", False)
        if restrict and cte.alias == "receivable":  # named_money looks at documents before it is known whose they are
            cte.this.where("customer_id IN (SELECT customer_id FROM account)", copy=False, dialect="duckdb")


def add_carried(tree: exp.Select, replay: Replay) -> None:
    """Let a statement of measures also return what is carried to a later day."""
    for one in replay.carried:
        value: exp.Expr = exp.column(one.column, one.piece)
        if one.type == "BIGINT":
            value = exp.func("COALESCE", value, exp.Literal.number(0))
        tree.select(exp.alias_(value, one.name), copy=False)


def take_part(tree: exp.Select, part: Part) -> None:
    """Let a statement of measures return only what belongs to a part."""
    columns = [one for one in tree.expressions if one.alias_or_name in ("account_id", *part.columns)]
    tree.set("expressions", columns)
    add_carried(tree, Replay((part,)))


def take_kept(tree: exp.Select, replay: Replay) -> None:
    """Turn a statement of measures into one that takes what was measured again, and all else from an earlier day."""
    value: dict[str | tuple[str, str], exp.Expr] = {}
    for number, part in enumerate(replay.parts):
        again = AGAIN.format(number)
        tree.join(
            f"work.{again} AS again_{number}",
            on=f"again_{number}.account_id = population.account_id",
            join_type="left",
            copy=False,
            dialect="duckdb",
        )
        for column in part.columns:
            value[column] = _again_or_kept(number, column)
        for one in part.carried:
            value[one.piece, one.column] = _again_or_kept(number, one.name)
    for expression in tree.expressions:
        name = expression.alias_or_name
        if name in value:
            expression.replace(exp.alias_(value[name].copy(), name))
            continue
        for read in list(expression.find_all(exp.Column)):
            if (read.table, read.name) in value:
                read.replace(exp.paren(value[read.table, read.name]))
    for one in replay.carried:
        tree.select(exp.alias_(value[one.piece, one.column].copy(), one.name), copy=False)
    tree.join(
        f"work.{KEPT} AS kept",
        on="kept.account_id = population.account_id",
        join_type="left",
        copy=False,
        dialect="duckdb",
    )


def _again_or_kept(number: int, name: str) -> exp.Expr:
    again = f"again_{number}"
    return parse_one(f"CASE WHEN {again}.account_id IS NULL THEN kept.{name} ELSE {again}.{name} END", read="duckdb")


def _put(tree: exp.Select, name: str, statement: str) -> None:
    piece = next(cte for cte in tree.args["with_"].expressions if cte.alias == name)
    piece.set("this", parse_one(statement, read="duckdb"))
