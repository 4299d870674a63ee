"""Measure: one SELECT per grain and day gives every measure that any policy asks for, and is kept."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any

import pyarrow as pa
import sqlglot
from sqlalchemy import Connection, Row, inspect
from sqlglot import exp

from sql.connect import read_arrow, stream_arrow
from sql.contract import ENTITIES
from sql.errors import TieringError
from sql.facts import analyze, facts_batch_no, joined_by_hash, lock, rebuild
from sql.replay import AGAIN, KEPT, MEMBERS, Part, Replay, add_carried, find_replay, read_members, take_kept, take_part
from sql.statements import render, run, run_text
from transforms.calendar import EVER, add_months, parse_window, window_name, window_start
from transforms.conditions import Condition
from transforms.policy import STATISTICS, Indicator, Policy

log = logging.getLogger(__name__)

GRAINS = ("customer", "bill_to", "group", "opportunity", "request")
"""What an account can be: a customer, who pays for it, its group, one of its opportunities or of its open requests."""

LONGEST_NAME = 63
"""Characters that PostgreSQL keeps of a column's name."""

METHODS = {
    "rank": (
        "1 + N × (place − 1) ÷ accounts, cut off; the place counts from the worst end. "
        "Equal values share the lowest place of the tie, so they stay together, in its lower quantile"
    ),
    "ntile": (
        "N parts as equal as can be, the first ones one larger (SQL's NTILE). "
        "Equal values all get the lowest part that any of them falls in, where SQL would split them at random"
    ),
    "pandas": (
        "1 + how many inner cut points are below the value; cut points are quantiles of type 7, a part is open at its "
        "lower end (pandas.qcut). Equal values cannot be split; where cut points are equal, parts stay empty"
    ),
    "r_rfm": (
        "1 + how many inner cut points are not above the value; cut points are quantiles of type 7 plus 1, a part is "
        "closed at its lower end (R package rfm). Equal values cannot be split; meant for days, counts and money"
    ),
}
"""The methods of a quantile: how the parts are made, and what becomes of equal values."""

_DIGITS = {"money": 4, "ratio": 18, "points": 18, "number": 18}
_COLUMN = re.compile(r"^, (.*?) AS (\w+)(?:\s+/\* (.*?) \*/)?$", re.MULTILINE | re.DOTALL)
_FURTHER = re.compile(r"\battributes\.value_(\w+)")


@dataclass(frozen=True)
class Measure:
    """One measure of the library, as the comment behind it in sql/measures/library.jinja documents it.

    `windowed`: takes a window; `kinds`: takes kinds, and `needs_kind`: must; `grains`: where it is defined;
    `entity`: the entities and optional columns it reads, such as `sales.cost_amount`; `digits` after the point.
    """

    name: str
    unit: str
    meaning: str
    undefined_when: str
    source: str
    windowed: bool
    kinds: bool
    needs_kind: bool
    grains: tuple[str, ...]
    entity: tuple[str, ...]
    digits: int

    @property
    def value_type(self) -> str:
        """What the values are: number, flag or text."""
        return self.unit if self.unit in ("flag", "text") else "number"

    @property
    def sql_type(self) -> str:
        """The type of its column (DuckDB's dialect)."""
        if self.value_type != "number":
            return {"flag": "BOOLEAN", "text": "TEXT"}[self.unit]
        return f"DECIMAL(38, {self.digits})" if self.digits else "BIGINT"


@dataclass(frozen=True)
class Measurement:
    """Measures that were taken: the table in schema work, and the state of the facts they were taken on.

    `fault` says that a full computation did not find what the replays before it had led to; its measures stand.
    """

    measurement_id: str
    table: str
    as_of: date
    facts_batch_no: int
    rows: int
    fault: str = ""


@dataclass(frozen=True, order=True)
class Kind:
    """Kinds that a measure is taken of together: the words, and how they end the names of columns."""

    words: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """`__visit_phone` for visit and phone; nothing for all kinds."""
        return f"__{'_'.join(self.words)}" if self.words else ""


@dataclass(frozen=True)
class Stated:
    """A column that states what the source or a person said: `type` is text, flag or number, or `on` for the day."""

    column: str
    name: str
    type: str

    @property
    def is_own(self) -> bool:
        """Whether an attribute is a column of the customers contract and not a further one."""
        return self.name in ENTITIES["customers"].columns

    @property
    def sql_type(self) -> str:
        """The type of the column (DuckDB's dialect)."""
        return {"text": "TEXT", "flag": "BOOLEAN", "number": "DECIMAL(38, 18)", "on": "DATE"}[self.type]


@dataclass(frozen=True)
class Statistic:
    """A statistic as the statement takes it: of which indicator, within which segment, in which order."""

    name: str
    kind: str
    of: str
    number: int
    method: str | None
    within: str | None
    ties: tuple[str, ...]
    is_high_best: bool
    counts_own: bool
    digits: int


class _Kinds:
    """The kinds every measure is asked of, by the measure's name; an unasked measure has none."""

    def __init__(self, asked: Mapping[str, list[Kind]], others: list[Kind] | None = None) -> None:
        self._asked, self._others = asked, others or []

    def __getitem__(self, measure: str) -> list[Kind]:
        return self._asked.get(measure, self._others)


@cache
def read_library() -> dict[str, Measure]:
    """Return every measure that sql/measures/library.jinja defines, by name (with its basis)."""
    library: dict[str, Measure] = {}
    for grain in GRAINS:
        kinds = _Kinds({}, [Kind(), Kind(("kind",))])
        names = {"grain": grain, "windows": ["window"], "kinds": kinds, "attributes": [], "assessed": []}
        for _, alias, comment in _COLUMN.findall(render("measures/library.jinja", **names)):
            name, *suffixes = alias.split("__")
            known = library.get(name)
            if known is None:
                unit, meaning, undefined_when, source, reads = (part.strip() for part in comment.split("|"))
                unit, _, digits = unit.partition(" ")
                known = Measure(
                    name, unit, meaning, undefined_when, source,
                    windowed="window" in suffixes, kinds=False, needs_kind=True, grains=(),
                    entity=tuple(reads.split(", ")), digits=int(digits.strip("()") or _DIGITS.get(unit, 0)),
                )  # fmt: skip
            takes = "kind" in suffixes
            library[name] = replace(
                known,
                kinds=known.kinds or takes,
                needs_kind=known.needs_kind and takes,
                grains=tuple(dict.fromkeys((*known.grains, grain))),
            )
    return library


def column_of(indicator: Indicator) -> str:
    """Return the column of the measures table that holds an indicator that is no statistic."""
    if indicator.attribute is not None:
        return f"attribute__{indicator.attribute}__{indicator.value_type}"
    if indicator.assessment is not None:
        return f"assessment__{indicator.assessment}__{indicator.value_type}"
    window = f"__{window_name(indicator.window)}" if indicator.window else ""
    return f"{_measure_of(indicator)}{_kind_of(indicator).suffix}{window}"


def _measure_of(indicator: Indicator) -> str:
    return f"{indicator.measure}_{indicator.basis}" if indicator.basis else str(indicator.measure)


def _kind_of(indicator: Indicator) -> Kind:
    return Kind(tuple(sorted(set(indicator.kinds))))


def _evidence_of(indicator: Indicator) -> str:
    return f"assessment__{indicator.assessment}__on"


def columns_for(policies: Iterable[Policy]) -> list[str]:
    """Return the columns that `policies` need, in order.

    Raises TieringError naming policy and indicator when the library has no such measure, or takes it otherwise.
    """
    return sorted(_kinds_by_column(policies))


def _kinds_by_column(policies: Iterable[Policy]) -> dict[str, Kind]:
    """Return the columns that `policies` need, with the kinds each is taken of."""
    needed: dict[str, Kind] = {}
    for policy in policies:
        _statistics_of(policy)
        for name, indicator in policy.indicators.items():
            if indicator.is_statistic:
                continue
            if indicator.measure is not None:
                fault = _fault_of(policy, indicator)
                if fault:
                    raise TieringError(f"policy {policy.id}, indicator {name}: {fault}")
            columns = [column_of(indicator)] + ([_evidence_of(indicator)] if indicator.assessment else [])
            kept = [*columns, f"{name}__evidence_on"] if indicator.assessment else columns
            longest = max(kept, key=len)
            if len(longest) > LONGEST_NAME:
                raise TieringError(
                    f"policy {policy.id}, indicator {name}: the column {longest} has {len(longest)} characters, "
                    f"and a database keeps {LONGEST_NAME}; shorten the name, or ask for fewer kinds at once"
                )
            kind = _kind_of(indicator)
            if needed.setdefault(columns[0], kind) != kind:
                others = " and ".join(needed[columns[0]].words)
                raise TieringError(
                    f"policy {policy.id}, indicator {name}: kinds {' and '.join(kind.words)} and another indicator's "
                    f"{others} would share the column {columns[0]}; rename a kind in the source"
                )
            needed.update(dict.fromkeys(columns[1:], Kind()))
    return needed


def _fault_of(policy: Policy, indicator: Indicator) -> str | None:
    """Return what is wrong with a measured indicator, and what to do."""
    library, name = read_library(), _measure_of(indicator)
    measure = library.get(name)
    if measure is None:
        bases = [known.rpartition("_")[2] for known in library if known.rpartition("_")[0] == indicator.measure]
        near = get_close_matches(name, list(library), n=1)
        if indicator.basis and indicator.measure in library:
            return f"{indicator.measure} takes no basis; leave it out"
        if bases and not indicator.basis and set(bases) <= {"gross", "net"}:
            hint = f"name its basis: {' or '.join(sorted(bases))}"
        else:
            hint = f"did you mean {near[0]}?" if near else "see docs/measures.md"
        return f"there is no measure {name}; {hint}"
    if policy.grain not in measure.grains:
        return f"{name} is measured at grain {' or '.join(measure.grains)}, and the policy's grain is {policy.grain}"
    if measure.windowed and indicator.window is None:
        return f"{name} needs a window, such as 12 months or calendar_year"
    if indicator.window is not None and not measure.windowed:
        return f"{name} takes no window; leave it out"
    if name == "sales_growth" and indicator.window == "ever":
        return "sales_growth has nothing to compare with before `ever`; give a window such as 12 months"
    if measure.needs_kind and not indicator.kinds:
        return f"{name} needs a kind: which {_KINDS_OF.get(name, 'kinds')}"
    if indicator.kinds and not measure.kinds:
        return f"{name} takes no kind; leave it out"
    if indicator.value_type != measure.value_type:
        return f"{name} is a {measure.value_type}; say unit: {measure.unit}"
    return None


_KINDS_OF = {"balance": "balance, such as assets", "event_count": "events, such as life_event"}


def read_entities(indicator: Indicator) -> tuple[str, ...]:
    """Return the entities that an indicator reads; none for a statistic, which reads other indicators."""
    if indicator.measure is not None:
        return tuple(dict.fromkeys(need.partition(".")[0] for need in read_library()[_measure_of(indicator)].entity))
    if indicator.assessment is not None:
        return ("assessments",)
    if indicator.attribute is not None:
        return ("customers" if indicator.attribute in ENTITIES["customers"].columns else "customer_attributes",)
    return ()


def first_day_seen(policy: Policy, indicator: Indicator, as_of: date) -> date:
    """Return the day before the first one whose rows an indicator looks at, as of a day; `EVER` for no window."""
    if indicator.measure is None:
        return EVER
    column = column_of(indicator)
    statement = _statement(policy.grain, (column,), ((column, _kind_of(indicator)),))
    starts = [name for name in statement.parameters if name.startswith(("start_", "previous_start_"))]
    return min(_parameters(starts, as_of, 0)[name] for name in starts) if starts else EVER


def measure_statement(grain: str, columns: Iterable[str], kinds: Mapping[str, Kind] | None = None) -> str:
    """Return the SELECT (DuckDB's dialect) that takes `columns`, and nothing that they do not need.

    `kinds` says of which kinds a column is taken; a column it does not know ends in one kind.
    """
    return _statement(grain, tuple(sorted(set(columns))), tuple(sorted((kinds or {}).items()))).text


def measure_names(grain: str, columns: Iterable[str], kinds: Mapping[str, Kind] | None = None) -> dict[str, Any]:
    """Return the names that measures/measures.sql and its pieces are rendered with to take `columns`."""
    library = read_library()
    windows = {"ever"}
    attributes: list[Stated] = []
    assessed: list[Stated] = []
    asked: dict[str, list[Kind]] = {}
    wanted = sorted(set(columns))
    for column in wanted:
        name, _, rest = column.partition("__")
        if name in ("attribute", "assessment"):
            stated = Stated(column, *rest.rsplit("__", 1))
            (attributes if name == "attribute" else assessed).append(stated)
            continue
        measure = library[name]
        parts = rest.split("__") if rest else []
        if measure.windowed:
            windows.add(parts.pop())
        if measure.kinds:
            kind = (kinds or {}).get(column) or Kind(("__".join(parts),) if parts else ())
            asked[name] = list(dict.fromkeys([*asked.get(name, []), kind]))
    names: dict[str, Any] = {
        "grain": grain,
        "windows": sorted(windows),
        "kinds": _Kinds(asked),
        "attributes": attributes,
        "assessed": assessed,
        "assessments": sorted({column.name for column in assessed}),
    }
    found = _COLUMN.findall(render("measures/library.jinja", **names))
    defined = {alias: f"{value} AS {alias}" for value, alias, _ in found}
    chosen = [defined[column] for column in wanted]
    further = {name for text in chosen for name in _FURTHER.findall(text)}
    return names | {"columns": chosen, "further_attributes": sorted(further)}


@dataclass(frozen=True)
class _Statement:
    """The SELECT of measures, its columns in order, and the parameters it names."""

    text: str
    columns: tuple[str, ...]
    parameters: frozenset[str]


@lru_cache(maxsize=200)
def _statement(grain: str, columns: tuple[str, ...], kinds: tuple[tuple[str, Kind], ...]) -> _Statement:
    text = render("measures/measures.sql", **measure_names(grain, columns, dict(kinds)))
    tree = _parse(text)
    _prune(tree)
    return _Statement(
        tree.sql(dialect="duckdb", comments=False),
        tuple(part.alias_or_name for part in tree.expressions),
        frozenset(node.name for node in tree.find_all(exp.Placeholder)),
    )


def _prune(tree: exp.Select) -> None:
    """Leave of the CTEs of a SELECT only what its columns read, directly or not.

    A LEFT JOIN that no column needs is dropped: in these statements it adds columns, never rows.
    """
    with_ = tree.args["with_"]
    names = {cte.alias for cte in with_.expressions}
    read: dict[str, set[str]] = {}
    _keep(tree, {part.alias_or_name for part in tree.expressions})
    _note_reads(tree, names, read)
    kept = []
    for cte in reversed(with_.expressions):
        if cte.alias in read:
            _keep(cte.this, read[cte.alias])
            _note_reads(cte.this, names, read)
            kept.append(cte)
    with_.set("expressions", kept[::-1])


def _keep(select: exp.Select, wanted: set[str]) -> None:
    """Drop the columns of one SELECT that nobody wants, then the joins that no longer serve any."""
    parts = [part for part in select.expressions if part.alias_or_name in wanted]
    select.set("expressions", parts or select.expressions[:1])
    serves: dict[str, list[exp.Expression | None]] = {}
    for column in _columns_in(select):
        serves.setdefault(column.table, []).append(column.find_ancestor(exp.Join))
    joins = list(select.args.get("joins") or [])
    for join in reversed(joins):
        if join.side == "LEFT" and all(user is join for user in serves.get(join.alias_or_name, [])):
            joins.remove(join)
            serves = {table: [user for user in users if user is not join] for table, users in serves.items()}
    select.set("joins", joins)
    from_ = select.args.get("from_")
    for source in [from_.this] if from_ else []:
        inner = source.this if isinstance(source, exp.Subquery) else None
        if isinstance(inner, exp.Select) and not inner.args.get("distinct"):
            outside = select.walk(prune=lambda part: part is source)  # noqa: B023 - walked at once
            _keep(inner, {node.name for node in outside if isinstance(node, exp.Column)})


def _narrow(tree: exp.Select) -> None:
    """Let readers of rows of many days look at their windows alone, and a piece have only what one looks at."""
    pieces = {cte.alias: cte.this for cte in tree.args["with_"].expressions}
    for name, (day, readers) in _WINDOWED.items():
        users = {alias: each for alias, each in (*pieces.items(), ("", tree)) if _reads(each, name)}
        if name not in pieces or not set(users) <= readers:
            continue
        starts = {alias: _starts_in(each) for alias, each in users.items()}
        every = {start for each in starts.values() for start in each} if all(starts.values()) else set()
        _begin(pieces[name], exp.column(*reversed(day.split("."))), every)
        for alias, each in users.items():
            if starts[alias] != every:
                inner = next(node for node in each.find_all(exp.Table) if node.name == name).find_ancestor(exp.Select)
                _begin(inner, exp.column(day.rpartition(".")[2], name), starts[alias])


def _starts_in(reader: exp.Select) -> set[str]:
    """Return the parameters after which the windows of a piece begin; none where one of them has no beginning."""
    named = {node.name for node in reader.find_all(exp.Placeholder)}
    starts = {each for each in named if each.startswith(("start_", "previous_start_"))}
    return set() if any(each.endswith("_ever") for each in starts) else starts


def _begin(select: exp.Select, day: exp.Column, starts: set[str]) -> None:
    if starts:
        later = [day.copy() > exp.Placeholder(this=start) for start in sorted(starts)]
        select.where(exp.or_(*later), copy=False)


_WINDOWED = {
    "sales_line": ("fact.sold_on", {"sales", "orders"}),
    "payment": ("paid_on", {"payments"}),
}
"""Pieces with rows of many days: the day of a row, and the readers that look at nothing outside their windows."""


def _reads(select: exp.Select, name: str) -> bool:
    with_ = select.args.get("with_")
    nodes = select.walk(prune=lambda part: part is with_)
    return any(isinstance(node, exp.Table) and node.name == name and not node.db for node in nodes)


def _columns_in(select: exp.Select) -> Iterator[exp.Column]:
    """Return the columns that a SELECT mentions, those of its CTEs aside."""
    with_ = select.args.get("with_")
    for node in select.walk(prune=lambda part: part is with_):
        if isinstance(node, exp.Column):
            yield node


def _note_reads(select: exp.Select, names: set[str], read: dict[str, set[str]]) -> None:
    """Add to `read` which columns of which CTEs (`names`) a SELECT and those within it read."""
    with_ = select.args.get("with_")
    if with_ is not None and select.parent is not None:
        for cte in with_.expressions:
            _note_reads(cte.this, names, read)
    tables: dict[int, tuple[dict[str, str], str | None]] = {}
    for column in _columns_in(select):
        owner = column.find_ancestor(exp.Select)
        if owner is None:
            continue
        if id(owner) not in tables:
            joins = [join.this for join in owner.args.get("joins") or []]
            from_ = owner.args.get("from_")
            sources = [from_.this, *joins] if from_ else joins
            known = {
                source.alias_or_name: source.name
                for source in sources
                if isinstance(source, exp.Table) and not source.db and source.name in names
            }
            for table in known.values():
                read.setdefault(table, set())
            tables[id(owner)] = known, next(iter(known.values())) if len(sources) == 1 and known else None
        known, alone = tables[id(owner)]
        source = known.get(column.table) if column.table else alone
        if source:
            read[source].add(column.name)


def _type_of(column: str) -> str:
    name, _, rest = column.partition("__")
    if name in ("attribute", "assessment"):
        return Stated(column, *rest.rsplit("__", 1)).sql_type
    return read_library()[name].sql_type


def _window_of(name: str) -> str:
    return name.replace("_", " ") if re.match(r"[0-9]", name) else name


def _parameters(names: Iterable[str], as_of: date, batch_no: int) -> dict[str, Any]:
    """Return the values of the parameters that a statement of measures names."""
    values: dict[str, Any] = {"as_of": as_of, "facts_batch_no": batch_no}
    for name in names:
        subject, _, word = name.partition("_")
        if subject in ("kind", "attribute", "assessment"):  # such a parameter is named for its value
            values[name] = word
        elif name not in values:
            prefix = next(known for known in _OF_WINDOW if name.startswith(f"{known}_"))
            values[name] = _OF_WINDOW[prefix](_window_of(name.removeprefix(f"{prefix}_")), as_of)
    return values


def _previous_start(window: str, as_of: date) -> date:
    """Return the day before the first day of the equally long window before a window."""
    unit, number = parse_window(window)
    if unit == "days":
        return window_start(f"{2 * number} days", as_of) if 2 * number <= 36_600 else EVER
    if unit == "months":
        return add_months(as_of, -2 * number)
    return EVER if unit == "ever" else date(as_of.year - 2, 12, 31)


def _previous_end(window: str, as_of: date) -> date:
    """Return the last day of the equally long window before a window; to_date: of the same days a year before."""
    return add_months(as_of, -12) if window == "to_date" else window_start(window, as_of)


def _months(window: str, as_of: date) -> int:
    """Return the months of a window that is made of months."""
    unit, number = parse_window(window)
    return {"months": number, "calendar_year": 12, "to_date": as_of.month}[unit]


def _days(window: str, as_of: date) -> int:
    """Return the days of a window."""
    return (as_of - window_start(window, as_of)).days


_OF_WINDOW: dict[str, Callable[[str, date], Any]] = {
    "previous_start": _previous_start,
    "previous_end": _previous_end,
    "start": window_start,
    "aged": window_start,
    "months": _months,
    "days": _days,
}
"""What a parameter that is named for a window says of it."""


MEMBER_COLUMNS = {
    "account_id": "TEXT",
    "customer_id": "TEXT",
    "account_manager_id": "TEXT",
    "first_opened_on": "DATE",
    "is_head": "BOOLEAN",
}

MOST_AGAIN = 0.3
"""The largest share of customers whose accounts are measured again: beyond it, measuring everybody is not dearer."""


@dataclass(frozen=True)
class _Taking:
    """The statements that take measures into a table: of all accounts; a part of some again; and from kept rows."""

    columns: tuple[str, ...]
    types: Mapping[str, str]
    parameters: frozenset[str]
    full: str
    again: tuple[str, ...]
    kept: str
    replay: Replay | None
    sha256: str

    def types_of(self, part: Part) -> dict[str, str]:
        """The columns of what is measured again of a part."""
        names = ("account_id", *part.columns, *(one.name for one in part.carried))
        return {name: self.types[name] for name in names}


@lru_cache(maxsize=200)
def _taking(grain: str, columns: tuple[str, ...], kinds: tuple[tuple[str, Kind], ...]) -> _Taking:
    statement = _statement(grain, columns, kinds)
    tree = _parse(statement.text)
    replay = find_replay(tree)
    parts = replay.parts if replay else ()
    full, kept, again = tree.copy(), tree.copy(), [tree.copy() for _ in parts]
    read_members(full)
    read_members(kept)
    if replay:
        add_carried(full, replay)
        take_kept(kept, replay)
    for part, variant in zip(parts, again, strict=True):
        read_members(variant, restrict=True)
        take_part(variant, part)
    for variant in (full, kept, *again):
        _prune(variant)
    for variant in (full, *again):
        _narrow(variant)
    carried = {one.name: one.type for one in replay.carried} if replay else {}
    types = {"account_id": "TEXT", "account_manager_id": "TEXT", **{name: _type_of(name) for name in columns}}
    texts = [variant.sql(dialect="duckdb", comments=False) for variant in (full, kept, *again)]
    return _Taking(
        columns=tuple(part.alias_or_name for part in full.expressions),
        types=types | carried,
        parameters=statement.parameters,
        full=texts[0],
        kept=texts[1],
        again=tuple(texts[2:]),
        replay=replay,
        sha256=hashlib.sha256("\n".join(texts).encode()).hexdigest(),
    )


def _parse(text: str) -> exp.Select:
    tree = sqlglot.parse_one(text, read="duckdb")
    if not isinstance(tree, exp.Select):
        raise TypeError("measures/measures.sql is one SELECT")
    return tree


@dataclass(frozen=True)
class Plan:
    """Measures that are to be taken: the SELECT (DuckDB's dialect), its parameters, and its columns with their types.

    `types`: of every column in order, account_id and account_manager_id first. `measurement_id` is equal for equal
    measures of an equal state of the facts.
    """

    measurement_id: str
    statement: str
    parameters: dict[str, Any]
    types: dict[str, str]
    key: tuple[str, tuple[str, ...], tuple[tuple[str, Kind], ...]]


def plan_measures(policies: Iterable[Policy], grain: str, as_of: date, batch_no: int) -> Plan:
    """Return how every account of `grain` is measured as of a day, for all `policies` of that grain together.

    Raises TieringError for an unknown measure.
    """
    shared = [
        policy
        for policy in policies
        if policy.grain == grain and not (_has_calendar_year(policy) and (as_of.month, as_of.day) != (12, 31))
    ]
    kinds = _kinds_by_column(shared)
    key = grain, tuple(sorted(kinds)), tuple(sorted(kinds.items()))
    statement = _statement(*key)
    text = json.dumps([as_of.isoformat(), grain, batch_no, statement.text])
    types = {column: "TEXT" if place < 2 else _type_of(column) for place, column in enumerate(statement.columns)}
    return Plan(
        hashlib.sha256(text.encode()).hexdigest()[:32],
        statement.text,
        _parameters(statement.parameters, as_of, batch_no),
        types,
        key,
    )


def take_measures(
    connection: Connection, policies: Iterable[Policy], grain: str, as_of: date, *, full_every_days: int = 0
) -> Measurement:
    """Measure every account of `grain` as of a day, for all `policies` of that grain; keep the result.

    The second policy of the day finds the measures there. Returns where they are: one row per account in
    scope, columns `<measure>__<kinds>__<window>`. Raises TieringError for an unknown measure.
    `full_every_days`: so long a later day takes over the kept rows of an earlier one, but for the accounts that a
    change touches; then everybody is measured again, and held against what the kept rows give. 0: always everybody.
    """
    lock(connection, f"measures:{grain}:{as_of}")
    batch_no = facts_batch_no(connection)
    plan = plan_measures(policies, grain, as_of, batch_no)
    short = _short(plan.measurement_id)
    table = f"measures_{short}"
    kept = run(connection, "warehouse/read_measurement.sql", {"measurement_id": plan.measurement_id}).first()
    if kept is not None:
        return Measurement(plan.measurement_id, f"work.{table}", as_of, batch_no, int(kept.measured_rows))
    day = _Day(connection, _taking(*plan.key), short, plan.parameters)
    day.note_members(grain)
    before = _find_before(day, grain, as_of) if full_every_days else None
    is_due = before is not None and (as_of - before.full_on).days >= full_every_days
    fault = ""
    if before is None or (is_due and before.as_of == before.full_on):
        before = None
        day.measure(table)
    elif is_due:
        day.replay(f"replayed_{short}", before, 1)
        day.measure(table)
        fault = day.compare(table, f"replayed_{short}", before)
        if fault:
            log.error("%s", fault)  # told even where the task ends before it can fail
        before = None
    elif not day.replay(table, before, MOST_AGAIN):
        before = None
        day.measure(table)
    rows = int(run(connection, "warehouse/count_work_rows.sql", table=table).scalar_one())
    run(
        connection,
        "warehouse/insert_measurement.sql",
        {
            "measurement_id": plan.measurement_id,
            "as_of": as_of,
            "grain": grain,
            "facts_batch_no": batch_no,
            "table_name": table,
            "columns": json.dumps(list(plan.types)[2:]),
            "measured_rows": rows,
            "measured_at": datetime.now(UTC),
            "method": "replay" if before else "full",
            "replayed_from": before.measurement_id if before else None,
            "full_on": before.full_on if before else as_of,
            "statement_sha256": day.taking.sha256,
        },
    )
    return Measurement(plan.measurement_id, f"work.{table}", as_of, batch_no, rows, fault)


@dataclass(frozen=True)
class _Day:
    """A day that is measured: how, on which parameters, and the end of the names of its tables in schema work."""

    connection: Connection
    taking: _Taking
    short: str
    parameters: Mapping[str, Any]

    @property
    def members(self) -> str:
        """The table of who is seen at every account."""
        return f"members_{self.short}"

    def note_members(self, grain: str) -> None:
        """Keep who is seen at every account."""
        rebuild(self.connection, self.members, MEMBER_COLUMNS)
        run(self.connection, "warehouse/insert_members.sql", self.parameters, members=self.members, grain=grain)
        analyze(self.connection, f"work.{self.members}")

    def measure(self, table: str) -> None:
        """Measure every account."""
        with joined_by_hash(self.connection):
            self._make(table, self.taking.types, self.taking.full.replace(MEMBERS, self.members))

    def replay(self, table: str, before: Row[Any], at_most: float) -> bool:
        """Measure the accounts again that a change touched, let the others take their kept row; return whether it paid.

        Nothing is done where more than a share of `at_most` would be measured again.
        """
        replay = self.taking.replay
        if replay is None:
            return False
        moved = f"moved_{self.short}"
        rebuild(self.connection, moved, {"account_id": "TEXT"})
        run(
            self.connection,
            "warehouse/insert_moved.sql",
            moved=moved,
            members=self.members,
            members_before=members_of(before.measurement_id),
        )
        made = [moved]
        customers = self._count(self.members)
        is_cheaper, kept = True, self.taking.kept.replace(MEMBERS, self.members).replace(KEPT, before.table_name)
        for number, part in enumerate(replay.parts):
            affected, again = f"affected_{number}_{self.short}", f"again_{number}_{self.short}"
            made += [affected, again]
            self._note_affected(affected, moved, part, before)
            touched = self._count(affected)
            is_cheaper = is_cheaper and touched <= at_most * customers
            log.info(
                "measures of %s as of %s, going on from %s: %s of %s customers are at accounts that a change touched",
                " and ".join(part.tables), self.parameters["as_of"], before.as_of, touched, customers,
            )  # fmt: skip
            if is_cheaper and touched:
                self._make(again, self.taking.types_of(part), self.taking.again[number].replace(MEMBERS, affected))
            else:
                rebuild(self.connection, again, self.taking.types_of(part))
            kept = kept.replace(AGAIN.format(number), again)
        if is_cheaper:
            self._make(table, self.taking.types, kept)
        for name in made:
            run(self.connection, "warehouse/drop_work_table.sql", table=name)
        return is_cheaper

    def _note_affected(self, affected: str, moved: str, part: Part, before: Row[Any]) -> None:
        """Keep who is seen at the accounts whose measures of a part can differ from the kept ones."""
        known = _parameters(self.taking.parameters, before.as_of, before.facts_batch_no)
        rebuild(self.connection, affected, MEMBER_COLUMNS)
        run(
            self.connection,
            "warehouse/insert_affected.sql",
            {**self.parameters, **{f"known_{name}": value for name, value in known.items()}},
            affected=affected,
            members=self.members,
            moved=moved,
            changes=part.changes(known, self.parameters),
            names_documents="receivables" in part.tables,
        )
        analyze(self.connection, f"work.{affected}")

    def _count(self, table: str) -> int:
        return int(run(self.connection, "warehouse/count_work_rows.sql", table=table).scalar_one())

    def compare(self, table: str, replayed: str, before: Row[Any]) -> str:
        """Return what is wrong with what the replays led to, held against the full computation; nothing mostly."""
        found = run(
            self.connection,
            "warehouse/count_differing_measures.sql",
            columns=self.taking.columns,
            one=table,
            other=replayed,
        ).scalar_one()
        run(self.connection, "warehouse/drop_work_table.sql", table=replayed)
        if not found:
            return ""
        return (
            f"measures as of {self.parameters['as_of']}: {found} accounts are not what the replays since "
            f"{before.full_on} led to; everybody was measured again and that stands, so run the task again, and "
            f"restate the days in between"
        )

    def _make(self, table: str, types: Mapping[str, str], statement: str) -> None:
        """Make a table of a statement's rows: in one go, since PostgreSQL reads with several processes only then."""
        columns = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in types.items())
        run(self.connection, "warehouse/drop_work_table.sql", table=table)
        text = f"CREATE TABLE work.{table} AS SELECT {columns} FROM ({statement}) AS measured"  # noqa: S608
        run_text(self.connection, text, self.parameters)
        analyze(self.connection, f"work.{table}")


def _short(measurement_id: str) -> str:
    return measurement_id[:16]


def members_of(measurement_id: str) -> str:
    """Return the table in schema work of who was seen at every account when measures were taken."""
    return f"members_{_short(measurement_id)}"


def _find_before(day: _Day, grain: str, as_of: date) -> Row[Any] | None:
    """Return the measures that a replay can go on from, as the ledger has them; None where there are none."""
    if day.taking.replay is None:
        return None
    key = {
        "grain": grain,
        "statement_sha256": day.taking.sha256,
        "as_of": as_of,
        "facts_batch_no": day.parameters["facts_batch_no"],
    }
    found = run(day.connection, "warehouse/read_measurement_before.sql", key).first()
    if found is None:
        return None
    there = set(inspect(day.connection).get_table_names(schema="work"))
    return found if {found.table_name, members_of(found.measurement_id)} <= there else None


def _has_calendar_year(policy: Policy) -> bool:
    return any(i.window and parse_window(i.window)[0] == "calendar_year" for i in policy.indicators.values())


def _statistics_of(policy: Policy) -> list[Statistic]:
    """Return the statistics of a policy as the statement takes them.

    Raises TieringError where equal values could not be told apart in the way the policy says.
    """
    found = []
    for name, indicator in policy.indicators.items():
        if not indicator.is_statistic:
            continue
        ties = tuple(indicator.ties.by) if indicator.ties else ()
        place = f"policy {policy.id}, indicator {name}"
        by_statistic = [tie for tie in ties if tie != "customer_id" and policy.indicators[tie].is_statistic]
        if by_statistic:
            raise TieringError(f"{place}: ties by {by_statistic[0]}, which is a statistic itself; take a measure")
        if ties and indicator.method in ("pandas", "r_rfm"):
            raise TieringError(f"{place}: cut points cannot split equal values; leave ties out, or take method: ntile")
        kind = next(kind for kind in STATISTICS if getattr(indicator, kind) is not None)
        source = policy.indicators.get(indicator.source_indicator or "")
        found.append(
            Statistic(
                name,
                kind,
                indicator.source_indicator or "",
                indicator.top or indicator.quantile or 0,
                indicator.method,
                None if indicator.within == "population" else indicator.within,
                ties,
                indicator.best == "high",
                indicator.counts != "others",
                _digits_of(source) if source else 0,
            )
        )
    return found


def _digits_of(indicator: Indicator) -> int:
    """Return how many digits after the point the values of an indicator can have."""
    measure = read_library().get(_measure_of(indicator)) if indicator.measure else None
    return measure.digits if measure else 18


def indicator_names(policy: Policy, table: str) -> dict[str, Any]:
    """Return the names that measures/indicators.sql is rendered with for a policy and a table of measures."""
    columns = {name: column_of(i) for name, i in policy.indicators.items() if not i.is_statistic}
    gates = [Condition(gate.when).sql(columns) for gate in policy.gate.values()]
    evidence = {f"{name}__evidence_on": _evidence_of(i) for name, i in policy.indicators.items() if i.assessment}
    return {
        "table": table,
        "columns": columns | evidence,
        "statistics": _statistics_of(policy),
        "gate": " AND ".join(gates) if gates else "TRUE",
    }


def read_indicators(connection: Connection, policy: Policy, table: str) -> pa.Table:
    """Return the indicators of `policy` from a measures table: one row per account in scope, ordered by account_id.

    Columns: account_id, account_manager_id, every indicator (statistics over the graded accounts), beside an
    assessment `<indicator>__evidence_on`, is_graded.
    """
    return read_arrow(connection, render("measures/indicators.sql", **indicator_names(policy, table)))


def stream_indicators(connection: Connection, policy: Policy, table: str, *, accounts: int) -> Iterator[pa.Table]:
    """Yield what `read_indicators` returns, so many accounts at a time, from measures that are committed."""
    yield from stream_arrow(
        connection, render("measures/indicators.sql", **indicator_names(policy, table)), rows=accounts
    )
