"""What people hand in: overrides, grades and limits as lines of a CSV file, read and checked one by one.

Every fault says what is wrong and what to do, without a customer's number, name or reason in it.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from transforms.calendar import is_on_calendar, latest_on_calendar
from transforms.exposure import LEVELS
from transforms.policy import Policy
from transforms.policy_errors import near_miss

Kind = Literal["overrides", "grades", "limits"]
Stage = Literal["screened", "pre_graded", "final"]

COLUMNS: Final[dict[Kind, tuple[str, ...]]] = {
    "overrides": (
        "policy_id", "customer_id", "tier", "reason", "requested_by", "approved_by", "valid_from", "valid_to",
    ),
    "grades": ("policy_id", "as_of", "customer_id", "stage", "tier", "graded_by", "graded_on", "reason"),
    "limits": (
        "policy_id", "level", "customer_id", "entity", "limit_amount", "is_mandatory", "reason", "requested_by",
        "approved_by", "valid_from", "valid_to",
    ),
}  # fmt: skip
"""The columns of a file by kind; all are needed, in any order."""

STAGES: Final[tuple[Stage, ...]] = ("screened", "pre_graded", "final")
LIMITED_GRAINS: Final = ("customer", "bill_to")
"""The grains of policies under which people give limits."""

MAXIMUM_OVERRIDE_DAYS: Final = 731
MAXIMUM_BYTES: Final = 5_000_000
MAXIMUM_LINES: Final = 10_000
MAXIMUM_LENGTH: Final = {"reason": 1_000}
MAXIMUM_LENGTH_OTHERWISE: Final = 100
SHOWN_LENGTH: Final = 2_000

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT: Final = re.compile(r"[0-9]{1,16}(\.[0-9]{1,4})?")
_UNLIMITED: Final = "unlimited"
_FLAGS: Final = {"yes": True, "no": False, "": False}
_JOINERS: Final = "\u200c\u200d"  # shape Persian and Indic names, and emoji


class FileFault(ValueError):
    """A file that is refused as a whole: what is wrong and what to do."""


class LineFault(ValueError):
    """A line that is refused: everything that is wrong with it and what to do."""


class UnfinishedFile(ValueError):
    """A file that somebody may still be writing: it is left for the next time."""


@dataclass(frozen=True)
class Line:
    """A line of a file: its number (1 = the names of the columns), its text, and its cells by column.

    `fault` says why the line cannot be read; it has no cells then.
    """

    number: int
    text: str
    cells: Mapping[str, str]
    fault: str = ""


@dataclass(frozen=True)
class Override:
    """A tier that people set on the days [valid_from, valid_to). Without an approver it has no effect."""

    policy_id: str
    customer_id: str
    tier: str
    reason: str
    requested_by: str
    approved_by: str | None
    valid_from: date
    valid_to: date | None

    @property
    def key(self) -> tuple[str, ...]:
        """What a later line for the same thing takes the place of."""
        return (self.policy_id, self.customer_id, self.valid_from.isoformat())


@dataclass(frozen=True)
class Grade:
    """A grade that people gave a customer for a business day, at a stage of the review."""

    policy_id: str
    as_of: date
    customer_id: str
    stage: str
    tier: str
    graded_by: str
    graded_on: date
    reason: str | None

    @property
    def key(self) -> tuple[str, ...]:
        """What a later line for the same thing takes the place of."""
        return (self.policy_id, self.as_of.isoformat(), self.customer_id, self.stage)


@dataclass(frozen=True)
class GivenLimit:
    """A credit limit that people gave on the days [valid_from, valid_to). Without an approver it has no effect.

    `level`: `account` (in place of the limit of the policy), `group` (of a whole group, whose id is in customer_id) or
    `entity` (towards one selling company). `limit_amount` is None where nothing bounds; a 0 that is not mandatory
    says nothing.
    """

    policy_id: str
    level: str
    customer_id: str
    entity: str
    limit_amount: Decimal | None
    is_mandatory: bool
    reason: str
    requested_by: str
    approved_by: str | None
    valid_from: date
    valid_to: date | None

    @property
    def key(self) -> tuple[str, ...]:
        """What a later line for the same thing takes the place of."""
        return (self.policy_id, self.level, self.customer_id, self.entity, self.valid_from.isoformat())


def read_lines(content: bytes, kind: Kind) -> list[Line]:
    """Return the lines of a CSV file below the names of its columns; empty lines are left out.

    UTF-8, with or without a byte order mark; commas; columns by name. A line is read for itself, so that a stray
    quotation mark spoils no other one. Raises FileFault when the file cannot be read as such, and UnfinishedFile
    when its last line has no end.
    """
    if len(content) > MAXIMUM_BYTES:
        raise FileFault(f"the file is larger than {MAXIMUM_BYTES:,} bytes; hand it in as several files")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileFault("the file is not UTF-8; save it as CSV UTF-8") from None
    if not text.strip():
        raise FileFault("the file is empty; its first line names the columns")
    if not text.endswith("\n"):
        raise UnfinishedFile("the last line has no end; if nobody is still writing the file, end it with a line break")
    raw = [line.removesuffix("\r") for line in text.split("\n")[:-1]]
    if len(raw) > MAXIMUM_LINES + 1:
        raise FileFault(f"the file has more than {MAXIMUM_LINES:,} lines; hand it in as several files")
    names = _read_header(raw[0], kind)
    return [_read_line(number, line, names) for number, line in enumerate(raw[1:], start=2) if line.strip(" ,\t")]


def _read_header(text: str, kind: Kind) -> list[str]:
    needed = COLUMNS[kind]
    try:
        names = [name.strip().lower() for name in next(csv.reader([text], strict=True), [])]
    except csv.Error:
        names = []
    if len(names) == 1 and ";" in text:
        raise FileFault("the columns are separated by semicolons; save the file with commas")
    unknown = [name for name in names if name not in needed]
    missing = [name for name in needed if name not in names]
    if len(set(names)) != len(names):
        raise FileFault("a column stands there twice; name every column once")
    # What is unknown is not repeated: where the names are missing, it is customer data.
    if missing:
        raise FileFault(f"the column {missing[0]} is missing; the first line names the columns {', '.join(needed)}")
    if unknown:
        raise FileFault(f"column {names.index(unknown[0]) + 1} is unknown; the columns are {', '.join(needed)}")
    return names


def _read_line(number: int, text: str, names: Sequence[str]) -> Line:
    shown = show_line(text)
    if any(_is_control(character) for character in text):
        return Line(number, shown, {}, "a control or invisible character; type the line again")
    try:
        cells = [cell.strip() for cell in next(csv.reader([text], strict=True))]
    except csv.Error:
        return Line(number, shown, {}, 'a quotation mark has no partner; put text with commas in "…" on one line')
    if len(cells) != len(names):
        fault = f'{len(cells)} cells for {len(names)} columns; put text with commas in "…"'
        return Line(number, shown, {}, fault)
    return Line(number, shown, dict(zip(names, cells, strict=True)))


def _is_control(character: str) -> bool:
    if character.isprintable() or character in _JOINERS:
        return False
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def show_line(text: str) -> str:
    """Return a line as it can be kept and shown: control characters escaped, cut to 2,000 characters."""
    safe = (ascii(c)[1:-1] if _is_control(c) else c for c in text[:SHOWN_LENGTH])
    return "".join(safe)[:SHOWN_LENGTH]


def parse_override(cells: Mapping[str, str]) -> Override:
    """Return the override in a line. Raises LineFault with every cell that is empty, too long or no day."""
    faults = list(_find_unfit(cells, COLUMNS["overrides"], may_be_empty={"approved_by"}))
    valid_from = _day(cells, "valid_from", faults)
    valid_to = _day(cells, "valid_to", faults)
    if faults or valid_from is None:
        raise LineFault("; ".join(faults))
    return Override(
        policy_id=cells["policy_id"],
        customer_id=cells["customer_id"],
        tier=cells["tier"],
        reason=cells["reason"],
        requested_by=cells["requested_by"],
        approved_by=cells["approved_by"] or None,
        valid_from=valid_from,
        valid_to=valid_to,
    )


def parse_grade(cells: Mapping[str, str]) -> Grade:
    """Return the grade in a line. Raises LineFault with every cell that is empty, too long or no day."""
    faults = list(_find_unfit(cells, COLUMNS["grades"], may_be_empty={"reason"}))
    as_of = _day(cells, "as_of", faults)
    graded_on = _day(cells, "graded_on", faults)
    if faults or as_of is None or graded_on is None:
        raise LineFault("; ".join(faults))
    return Grade(
        policy_id=cells["policy_id"],
        as_of=as_of,
        customer_id=cells["customer_id"],
        stage=cells["stage"],
        tier=cells["tier"],
        graded_by=cells["graded_by"],
        graded_on=graded_on,
        reason=cells["reason"] or None,
    )


def parse_limit(cells: Mapping[str, str]) -> GivenLimit:
    """Return the limit in a line. Raises LineFault with every cell that is empty, too long, or not what it holds."""
    may_be_empty = {"entity", "is_mandatory", "approved_by", "valid_to"}
    faults = list(_find_unfit(cells, COLUMNS["limits"], may_be_empty))
    limit_amount = _amount(cells, "limit_amount", faults)
    is_mandatory = _flag(cells, "is_mandatory", faults)
    valid_from = _day(cells, "valid_from", faults)
    valid_to = _day(cells, "valid_to", faults)
    if faults or valid_from is None:
        raise LineFault("; ".join(faults))
    return GivenLimit(
        policy_id=cells["policy_id"],
        level=cells["level"],
        customer_id=cells["customer_id"],
        entity=cells["entity"],
        limit_amount=limit_amount,
        is_mandatory=is_mandatory,
        reason=cells["reason"],
        requested_by=cells["requested_by"],
        approved_by=cells["approved_by"] or None,
        valid_from=valid_from,
        valid_to=valid_to,
    )


def _find_unfit(cells: Mapping[str, str], names: Sequence[str], may_be_empty: set[str]) -> Iterator[str]:
    for name in names:
        most = MAXIMUM_LENGTH.get(name, MAXIMUM_LENGTH_OTHERWISE)
        if not cells[name] and name not in may_be_empty:
            yield f"{name} is empty; fill it in"
        elif len(cells[name]) > most:
            yield f"{name} is longer than {most} characters; shorten it"


def _day(cells: Mapping[str, str], name: str, faults: list[str]) -> date | None:
    text = cells[name]
    if not text:
        return None
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    faults.append(f"{name} is no day; write it as 2026-03-31")
    return None


def _amount(cells: Mapping[str, str], name: str, faults: list[str]) -> Decimal | None:
    text = cells[name]
    if not text or text == _UNLIMITED:
        return None
    if _AMOUNT.fullmatch(text):
        return Decimal(text)
    faults.append(f"{name} is no amount; write it as 1234.56, 16 digits and 4 after the point at most, or {_UNLIMITED}")
    return None


def _flag(cells: Mapping[str, str], name: str, faults: list[str]) -> bool:
    if cells[name] not in _FLAGS:
        faults.append(f"{name} is neither yes nor no; write one of them, or nothing for no")
    return _FLAGS.get(cells[name], False)


def find_override_faults(
    override: Override, policies: Mapping[str, Policy], *, is_known: bool, maximum_days: int
) -> list[str]:
    """Return what is wrong with an override: what to do stands behind each fault.

    `is_known`: the facts hold the customer. Nobody approves what they requested; an override ends, at most
    `maximum_days` after its first day (S30).
    """
    faults = list(_find_subject_faults(override.policy_id, override.tier, policies, is_known=is_known))
    faults += _find_approval_faults(override)
    faults += _find_interval_faults(override, maximum_days)
    return faults


def find_limit_faults(
    limit: GivenLimit, policies: Mapping[str, Policy], *, is_known: bool, maximum_days: int
) -> list[str]:
    """Return what is wrong with a limit: what to do stands behind each fault.

    `is_known`: the facts hold the account, or at level group the group. Nobody approves what they requested; a limit
    of an account ends, at most `maximum_days` after its first day.
    """
    faults = list(_find_holder_faults(limit, policies, is_known=is_known))
    if limit.level not in LEVELS:
        faults.append(f"there is no such level{near_miss(limit.level, LEVELS)}")
    elif limit.level == "entity" and not limit.entity:
        faults.append("entity is empty; name the selling company")
    elif limit.level != "entity" and limit.entity:
        faults.append(f"a limit of level {limit.level} has no entity; leave it empty, or write level entity")
    faults += _find_approval_faults(limit)
    faults += _find_interval_faults(limit, maximum_days if limit.level == "account" else None)
    return faults


def _find_holder_faults(limit: GivenLimit, policies: Mapping[str, Policy], *, is_known: bool) -> Iterator[str]:
    policy = policies.get(limit.policy_id)
    if policy is None:
        yield _no_such_policy(limit.policy_id, policies)
    elif policy.credit is None:
        yield f"policy {policy.id} gives no credit; name a policy that does"
    elif policy.grain not in LIMITED_GRAINS:
        yield (
            f"policy {policy.id} is at grain {policy.grain}, where nobody gives limits; "
            f"name a policy at grain {' or '.join(LIMITED_GRAINS)}"
        )
    elif not is_known and limit.level == "group":
        yield "the group is unknown to the facts; use the group_id of its customers as the source has it"
    elif not is_known:
        yield _unknown_customer(policy)


def _find_approval_faults(row: Override | GivenLimit) -> Iterator[str]:
    texts = {"reason": row.reason, "requested_by": row.requested_by}
    yield from (f"{name} is empty; fill it in" for name, text in texts.items() if not text.strip())
    if any(_is_control(character) for text in (*texts.values(), row.approved_by or "") for character in text):
        yield "a control or invisible character; type the text again"
    if row.approved_by is not None and _plain(row.approved_by) == _plain(row.requested_by):
        yield "the approver is the requester; somebody else approves"


def _find_interval_faults(row: Override | GivenLimit, maximum_days: int | None) -> Iterator[str]:
    """Yield what is wrong with the days of a row; None: it may last for ever."""
    if row.valid_to is None:
        if maximum_days is not None:
            yield "valid_to is empty; say when it ends"
    elif row.valid_to <= row.valid_from:
        yield "valid_to is not after valid_from; it is the day after the last day"
    elif maximum_days is not None and (row.valid_to - row.valid_from).days > maximum_days:
        yield f"it holds for more than {maximum_days} days; let it end earlier and ask again then"


def find_grade_faults(
    grade: Grade,
    policies: Mapping[str, Policy],
    *,
    is_known: bool,
    today: date,
    facts_through: date | None,
    computed_tier: str | None = None,
    pre_grade: str | None = None,
) -> list[str]:
    """Return what is wrong with a grade: what to do stands behind each fault.

    `computed_tier` and `pre_grade`: what the rules found and the region gave, where known; a final grade that
    differs from either has a reason (S13b).
    """
    faults = list(_find_subject_faults(grade.policy_id, grade.tier, policies, is_known=is_known))
    policy = policies.get(grade.policy_id)
    if grade.stage not in STAGES:
        faults.append(f"there is no such stage{near_miss(grade.stage, STAGES)}")
    if policy is not None and not is_on_calendar(policy.as_of, grade.as_of):
        nearest = latest_on_calendar(policy.as_of, grade.as_of)
        faults.append(f"as_of is no day of the policy; the one before it is {nearest}")
    if facts_through is None or grade.as_of > facts_through:
        reach = f"which reach {facts_through}" if facts_through else "and none were loaded"
        faults.append(f"as_of lies beyond the facts, {reach}; grade a day that is measured")
    if grade.graded_on > today:
        faults.append(f"graded_on lies in the future (today is {today}); give the day of the grading")
    if grade.graded_on < grade.as_of:
        faults.append("graded_on lies before as_of; give the day of the grading")
    if not grade.graded_by.strip():
        faults.append("graded_by is empty; fill it in")
    differs = [
        f"the {name} {tier}"
        for name, tier in (("computed tier", computed_tier), ("pre-grade", pre_grade))
        if tier is not None and tier != grade.tier
    ]
    if grade.stage == "final" and differs and not (grade.reason or "").strip():
        faults.append(f"the final grade differs from {' and '.join(differs)}; give the reason")
    return faults


def _find_subject_faults(policy_id: str, tier: str, policies: Mapping[str, Policy], *, is_known: bool) -> Iterator[str]:
    policy = policies.get(policy_id)
    if policy is None:
        yield _no_such_policy(policy_id, policies)
    elif policy.publishes != "tier":
        yield f"policy {policy.id} publishes classes, which nobody sets by hand; take the line out"
    elif tier not in policy.tiers:
        yield f"there is no such tier{near_miss(tier, policy.tiers)}"
    if not is_known and policy is not None:
        yield _unknown_customer(policy)


def _no_such_policy(policy_id: str, policies: Mapping[str, Policy]) -> str:
    return f"there is no such policy{near_miss(policy_id, list(policies)) or '; write its id'}"


def _unknown_customer(policy: Policy) -> str:
    return (
        "the customer is unknown to the facts; use the number as the source has it, with leading zeros, "
        f"at grain {policy.grain}"
    )


def _plain(name: str) -> str:
    """A name as it counts when two are compared: no difference by case, width or spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
