"""People: what they hand in as files goes into tables of overrides, grades and limits, each line checked for itself."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from sqlalchemy import Connection

from reports.text import clean_text
from sql.connect import Database, connected, kept_open, write_arrow
from sql.errors import TieringError
from sql.facts import facts_batch_no, facts_through, lock
from sql.runs import run_id_of
from sql.statements import run
from transforms.people import (
    MAXIMUM_BYTES,
    MAXIMUM_OVERRIDE_DAYS,
    FileFault,
    GivenLimit,
    Grade,
    Kind,
    Line,
    LineFault,
    Override,
    UnfinishedFile,
    find_grade_faults,
    find_limit_faults,
    find_override_faults,
    parse_grade,
    parse_limit,
    parse_override,
    read_lines,
)
from transforms.policy import Policy

log = logging.getLogger(__name__)

KINDS: tuple[Kind, ...] = ("overrides", "grades", "limits")
"""What a file holds, said by how its name begins."""

Approved = TypeVar("Approved", Override, GivenLimit)
"""What people ask for and somebody else approves."""


@dataclass(frozen=True)
class _Place:
    """Where the lines of a kind go: the table, the statement that ends a row, and the columns of its key."""

    table: str
    supersede: str
    key: tuple[str, ...]


_PLACES: dict[Kind, _Place] = {
    "overrides": _Place(
        "tiering.override", "warehouse/supersede_override.sql", ("policy_id", "customer_id", "valid_from")
    ),
    "grades": _Place("tiering.grade", "warehouse/supersede_grade.sql", ("policy_id", "as_of", "customer_id", "stage")),
    "limits": _Place(
        "tiering.given_limit",
        "warehouse/supersede_given_limit.sql",
        ("policy_id", "level", "customer_id", "entity", "valid_from"),
    ),
}


@dataclass(frozen=True)
class HandedIn:
    """What became of the files of a folder.

    `known`: files whose content was taken in before. `left`: files that were not touched: somebody may still be
    writing them, or their name says nothing. `first_days`: by policy the first business day that a stored line
    reaches, from which on its publication may change; a limit changes none.
    """

    files: int = 0
    known: int = 0
    left: int = 0
    stored_lines: int = 0
    refused_lines: int = 0
    first_days: dict[str, date] = field(default_factory=dict)


@dataclass(frozen=True)
class UnusableOverride:
    """An approved override that stands and cannot take effect, and why; the reason holds no customer data."""

    customer_id: str
    tier: str
    valid_from: date
    reason: str


@dataclass
class _Taken:
    """The lines of one file while they are checked."""

    rows: Sequence[Override | Grade | GivenLimit]
    replaced: list[tuple[str, ...]]
    refused: list[tuple[int, str, str]]


def load_handed_in(
    warehouse: Database,
    folder: Path,
    policies: Mapping[str, Policy],
    *,
    now: datetime,
    today: date,
    maximum_days: int = MAXIMUM_OVERRIDE_DAYS,
) -> HandedIn:
    """Take in every CSV file of a folder that was not taken in before, in the order of their names.

    One transaction per file: its good lines are stored, its bad ones kept in `tiering.refused_line`, and its
    content remembered, so that the same content again changes nothing. No file is changed or removed. The log
    names file, line and fault, never a customer.
    Raises TieringError at the end when a file could not be read; the others are taken in.
    """
    done = HandedIn()
    unreadable: list[str] = []
    with kept_open(warehouse):
        for path in sorted(folder.iterdir(), key=lambda path: path.name) if folder.is_dir() else ():
            if path.name.startswith((".", "~$")) or not path.is_file():
                continue
            shown = clean_text(path.name, 120)
            kind = _kind_of(path)
            if kind is None:
                log.warning("%s: left alone; a file is named overrides….csv, grades….csv or limits….csv", shown)
                done = _plus(done, HandedIn(left=1))
                continue
            try:
                content = _read_bytes(path)
            except OSError:
                unreadable.append(shown)
                continue
            with connected(warehouse, "tiering_warehouse") as connection:
                one = _load_file(connection, shown, kind, content, policies, now, today, maximum_days)
            done = _plus(done, one)
    if unreadable:
        raise TieringError(
            f"TIERING_HANDED_IN: {len(unreadable)} files cannot be read, the first is {unreadable[0]}; "
            "check their permissions; the others were taken in"
        )
    return done


def _kind_of(path: Path) -> Kind | None:
    name = path.name.casefold()
    return next((kind for kind in KINDS if name.startswith(kind) and name.endswith(".csv")), None)


def _read_bytes(path: Path) -> bytes:
    """Return the content, of a file that is too large only so much that this shows."""
    with path.open("rb") as file:
        return file.read(MAXIMUM_BYTES + 1)


def _plus(done: HandedIn, more: HandedIn) -> HandedIn:
    first_days = dict(done.first_days)
    for policy_id, day in more.first_days.items():
        first_days[policy_id] = min(day, first_days.get(policy_id, day))
    return HandedIn(
        done.files + more.files,
        done.known + more.known,
        done.left + more.left,
        done.stored_lines + more.stored_lines,
        done.refused_lines + more.refused_lines,
        first_days,
    )


def _load_file(
    connection: Connection,
    name: str,
    kind: Kind,
    content: bytes,
    policies: Mapping[str, Policy],
    now: datetime,
    today: date,
    maximum_days: int,
) -> HandedIn:
    lock(connection, "people")
    sha256 = hashlib.sha256(content).hexdigest()
    if run(connection, "warehouse/read_handed_in_file.sql", {"file_sha256": sha256}).first() is not None:
        return HandedIn(files=1, known=1)
    try:
        lines = read_lines(content, kind)
    except UnfinishedFile as fault:
        log.warning("%s: left for the next time: %s", name, fault)
        return HandedIn(files=1, left=1)
    except FileFault as fault:
        taken = _Taken([], [], [(1, f"the file is refused: {fault}", "")])
    else:
        checker = _Checker(connection, policies, today, maximum_days)
        taken = checker.take(kind, lines)
    _store(connection, kind, taken, sha256, now)
    for number, reason, _ in taken.refused:
        log.warning("%s line %d: refused: %s", name, number, reason)
    log.info("%s: %d lines stored, %d refused", name, len(taken.rows), len(taken.refused))
    _refuse(connection, kind, taken, sha256, name, now)
    run(
        connection,
        "warehouse/insert_handed_in_file.sql",
        {
            "file_sha256": sha256,
            "file": name,
            "entity": kind,
            "stored_lines": len(taken.rows),
            "refused_lines": len(taken.refused),
            "recorded_at": now,
        },
    )
    return HandedIn(1, 0, 0, len(taken.rows), len(taken.refused), _first_days(taken.rows))


def _first_days(rows: Iterable[Override | Grade | GivenLimit]) -> dict[str, date]:
    """Return by policy the first business day whose tiers a row can change; an early grade and a limit change none."""
    days: dict[str, date] = {}
    for row in rows:
        if isinstance(row, GivenLimit) or (isinstance(row, Grade) and row.stage != "final"):
            continue
        day = row.valid_from if isinstance(row, Override) else row.as_of
        days[row.policy_id] = min(day, days.get(row.policy_id, day))
    return days


class _Checker:
    """Holds lines against what the warehouse knows, which is read once per policy and day."""

    def __init__(self, connection: Connection, policies: Mapping[str, Policy], today: date, maximum_days: int) -> None:
        self._connection, self._policies = connection, policies
        self._today, self._maximum_days = today, maximum_days
        self._through = facts_through(connection)
        self._known: dict[tuple[str, str], frozenset[str]] = {}
        self._overrides: dict[str, dict[tuple[str, ...], Override]] = {}
        self._limits: dict[str, dict[tuple[str, ...], GivenLimit]] = {}
        self._grades: dict[tuple[str, date], dict[tuple[str, ...], Grade]] = {}
        self._computed: dict[tuple[str, date], dict[str, str]] = {}

    def take(self, kind: Kind, lines: Sequence[Line]) -> _Taken:
        """Return what becomes of the lines of a file."""
        if kind == "overrides":
            faults_of, same = self._find_override_faults, "customer and first day"
            return self._take_approved(lines, parse_override, faults_of, self._standing_overrides, same)
        if kind == "limits":
            same = "limit and first day"
            return self._take_approved(lines, parse_limit, self._find_limit_faults, self._standing_limits, same)
        return self._take_grades(lines)

    def _take_approved(
        self,
        lines: Sequence[Line],
        parse: Callable[[Mapping[str, str]], Approved],
        find_faults: Callable[[Approved], list[str]],
        standing_of: Callable[[str], dict[tuple[str, ...], Approved]],
        same: str,
    ) -> _Taken:
        """Return what becomes of lines that somebody approves; `same`: what two lines may not both be for."""
        rows: list[Approved] = []
        taken = _Taken(rows, [], [])
        seen: dict[tuple[str, ...], int] = {}
        for line in lines:
            try:
                row = parse(_cells_of(line))
                faults = find_faults(row)
                standing = standing_of(row.policy_id).get(row.key)
                if row.key in seen:
                    faults.append(f"line {seen[row.key]} is for the same {same}; keep one")
                elif row == standing:
                    faults.append("it stands already; take the line out")
                elif standing is not None and standing.approved_by and not row.approved_by:
                    faults.append("it would take the place of an approved one; it needs an approver too")
                if faults:
                    raise LineFault("; ".join(faults))
            except LineFault as fault:
                taken.refused.append((line.number, str(fault), line.text))
                continue
            seen[row.key] = line.number
            if standing is not None:
                taken.replaced.append(row.key)
            rows.append(row)
        return taken

    def _find_override_faults(self, override: Override) -> list[str]:
        known = self._is_known(override.policy_id, override.customer_id)
        return find_override_faults(override, self._policies, is_known=known, maximum_days=self._maximum_days)

    def _find_limit_faults(self, limit: GivenLimit) -> list[str]:
        statement = "read_known_groups" if limit.level == "group" else "read_known_accounts"
        known = self._is_known(limit.policy_id, limit.customer_id, statement)
        return find_limit_faults(limit, self._policies, is_known=known, maximum_days=self._maximum_days)

    def _take_grades(self, lines: Sequence[Line]) -> _Taken:
        """Return what becomes of the lines of a file of grades; a line counts for those below it."""
        rows: list[Grade] = []
        taken = _Taken(rows, [], [])
        seen: dict[tuple[str, ...], int] = {}
        for line in lines:
            try:
                grade = parse_grade(_cells_of(line))
                standing = self._standing_grades(grade.policy_id, grade.as_of)
                faults = self._find_grade_faults(grade, standing)
                if grade.key in seen:
                    faults.append(f"line {seen[grade.key]} is for the same customer, day and stage; keep one")
                elif grade == standing.get(grade.key):
                    faults.append("it stands already; take the line out")
                if faults:
                    raise LineFault("; ".join(faults))
            except LineFault as fault:
                taken.refused.append((line.number, str(fault), line.text))
                continue
            seen[grade.key] = line.number
            if grade.key in standing:
                taken.replaced.append(grade.key)
            standing[grade.key] = grade
            rows.append(grade)
        return taken

    def _find_grade_faults(self, grade: Grade, standing: Mapping[tuple[str, ...], Grade]) -> list[str]:
        computed = self._computed_tiers(grade.policy_id, grade.as_of)
        pre_grade = standing.get((*grade.key[:3], "pre_graded"))
        faults = find_grade_faults(
            grade,
            self._policies,
            is_known=self._is_known(grade.policy_id, grade.customer_id),
            today=self._today,
            facts_through=self._through,
            computed_tier=computed.get(grade.customer_id),
            pre_grade=pre_grade.tier if pre_grade else None,
        )
        if computed and grade.customer_id not in computed and not faults:
            faults.append("the policy gave the customer no tier on that day; a grade has nothing to stand on")
        if grade.stage != "final" and (*grade.key[:3], "final") in standing:
            faults.append("the final grade stands already; hand in another final grade if it is to change")
        return faults

    def _is_known(self, policy_id: str, customer_id: str, statement: str = "read_known_accounts") -> bool:
        policy = self._policies.get(policy_id)
        if policy is None:
            return False
        place = (statement, policy.grain)
        if place not in self._known:
            self._known[place] = _read_known(self._connection, *place, self._through)
        return customer_id in self._known[place]

    def _standing_overrides(self, policy_id: str) -> dict[tuple[str, ...], Override]:
        if policy_id not in self._overrides:
            rows = run(self._connection, "warehouse/read_standing_overrides.sql", {"policy_id": policy_id})
            self._overrides[policy_id] = {row.key: row for row in (Override(**found._mapping) for found in rows)}
        return self._overrides[policy_id]

    def _standing_limits(self, policy_id: str) -> dict[tuple[str, ...], GivenLimit]:
        if policy_id not in self._limits:
            rows = run(self._connection, "warehouse/read_standing_limits.sql", {"policy_id": policy_id})
            self._limits[policy_id] = {row.key: row for row in (GivenLimit(**found._mapping) for found in rows)}
        return self._limits[policy_id]

    def _standing_grades(self, policy_id: str, as_of: date) -> dict[tuple[str, ...], Grade]:
        if (policy_id, as_of) not in self._grades:
            key = {"policy_id": policy_id, "as_of": as_of}
            rows = run(self._connection, "warehouse/read_standing_grades.sql", key)
            self._grades[policy_id, as_of] = {row.key: row for row in (Grade(**found._mapping) for found in rows)}
        return self._grades[policy_id, as_of]

    def _computed_tiers(self, policy_id: str, as_of: date) -> dict[str, str]:
        if (policy_id, as_of) not in self._computed:
            self._computed[policy_id, as_of] = read_computed_tiers(self._connection, policy_id, as_of)
        return self._computed[policy_id, as_of]


def _cells_of(line: Line) -> Mapping[str, str]:
    if line.fault:
        raise LineFault(line.fault)
    return line.cells


def _read_known(connection: Connection, statement: str, grain: str, through: date | None) -> frozenset[str]:
    """Return the accounts, or the groups, that the facts know on their last day."""
    if through is None:
        return frozenset()
    key = {"as_of": through, "facts_batch_no": facts_batch_no(connection)}
    return frozenset(run(connection, f"warehouse/{statement}.sql", key, grain=grain).scalars())


@dataclass(frozen=True)
class ReviewedRun:
    """The run of a day that people look at: one that waits for an answer, or the one in force."""

    run_id: str
    revision: int
    is_published: bool


def find_run_to_review(connection: Connection, policy_id: str, as_of: date) -> ReviewedRun | None:
    """Return the run of a day that people look at.

    The newest one that waits for an answer, or else the one in force; None when the day was not decided.
    """
    known = run(connection, "warehouse/read_run.sql", {"policy_id": policy_id, "as_of": as_of}).all()
    ended = {row.run_id for row in known if row.status != "held"}
    for revision in range(max((row.revision for row in known), default=0) + 1, 0, -1):
        run_id = run_id_of(policy_id, as_of, revision)
        if run_id in ended:
            continue
        if run(connection, "warehouse/count_decided.sql", {"run_id": run_id}).scalar_one():
            return ReviewedRun(run_id, revision, is_published=False)
    in_force = next((row for row in known if row.status == "published"), None)
    return None if in_force is None else ReviewedRun(in_force.run_id, int(in_force.revision), is_published=True)


def read_computed_tiers(connection: Connection, policy_id: str, as_of: date) -> dict[str, str]:
    """Return by account what the rules found on a day, published or waiting; nothing when it was not decided."""
    found = find_run_to_review(connection, policy_id, as_of)
    if found is None:
        return {}
    rows = run(connection, "warehouse/read_computed_tiers.sql", {"run_id": found.run_id})
    return {row.customer_id: row.computed_tier for row in rows}


def check_overrides(
    connection: Connection, policy: Policy, maximum_days: int = MAXIMUM_OVERRIDE_DAYS
) -> list[UnusableOverride]:
    """Return the approved overrides of a policy that stand and fail a check that a file's lines pass.

    Rows that people's tools write into the table meet their checks here.
    """
    standing = run(connection, "warehouse/read_standing_overrides.sql", {"policy_id": policy.id})
    rows = [Override(**found._mapping) for found in standing]
    approved = [row for row in rows if row.approved_by is not None]
    if not approved:
        return []
    known = _read_known(connection, "read_known_accounts", policy.grain, facts_through(connection))
    unusable = []
    for row in approved:
        faults = find_override_faults(
            row, {policy.id: policy}, is_known=row.customer_id in known, maximum_days=maximum_days
        )
        if faults:
            unusable.append(UnusableOverride(row.customer_id, row.tier, row.valid_from, "; ".join(faults)))
    return unusable


def _store(connection: Connection, kind: Kind, taken: _Taken, sha256: str, now: datetime) -> None:
    place = _PLACES[kind]
    if taken.replaced:
        keys = [dict(zip(place.key, key, strict=True)) for key in taken.replaced]
        run(connection, place.supersede, [{**_with_days(key), "recorded_at": now} for key in keys])
    if taken.rows:
        names = list(vars(taken.rows[0]))
        columns = {name: pa.array([getattr(row, name) for row in taken.rows], _type_of(name)) for name in names}
        write_arrow(connection, place.table, pa.table({**columns, **_provenance(len(taken.rows), sha256, now)}))


_DAYS = ("valid_from", "valid_to", "as_of", "graded_on")


def _with_days(key: Mapping[str, str]) -> dict[str, str | date]:
    return {name: date.fromisoformat(text) if name in _DAYS else text for name, text in key.items()}


def _type_of(name: str) -> pa.DataType:
    if name in _DAYS:
        return pa.date32()
    return {"limit_amount": pa.decimal128(20, 4), "is_mandatory": pa.bool_()}.get(name, pa.string())


def _provenance(rows: int, sha256: str, now: datetime) -> dict[str, pa.Array]:
    return {
        "file_sha256": pa.array([sha256] * rows, pa.string()),
        "recorded_at": pa.array([now] * rows, pa.timestamp("us", tz="UTC")),
    }


def _refuse(connection: Connection, kind: Kind, taken: _Taken, sha256: str, name: str, now: datetime) -> None:
    if not taken.refused:
        return
    numbers, reasons, texts = zip(*taken.refused, strict=True)
    columns = {
        "file": pa.array([name] * len(numbers), pa.string()),
        "line": pa.array(numbers, pa.int32()),
        "entity": pa.array([kind] * len(numbers), pa.string()),
        "reason": pa.array(reasons, pa.string()),
        "line_text": pa.array([text or None for text in texts], pa.string()),
    }
    write_arrow(connection, "tiering.refused_line", pa.table({**columns, **_provenance(len(numbers), sha256, now)}))
