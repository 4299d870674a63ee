"""What people hand in: every line is checked for itself, good ones are stored, bad ones kept with their reason."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from companies import (
    Warehouses,
    contents,
    demo_policies,
    fresh,
    published,
    query,
    shipped_policies,
    stage,
    tell,
    warehouses,
)

import sql.people
from sql.connect import Database, connected
from sql.errors import TieringError
from sql.people import HandedIn, check_overrides, load_handed_in, read_computed_tiers
from sql.statements import run
from tiering import people
from tiering.settings import Settings, read_settings
from transforms.people import (
    COLUMNS,
    MAXIMUM_BYTES,
    MAXIMUM_LINES,
    MAXIMUM_OVERRIDE_DAYS,
    FileFault,
    GivenLimit,
    Grade,
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

POLICIES = demo_policies()
PYRAMID = POLICIES["pyramid"]
CLASSES = {name: policy for name, policy in shipped_policies().items() if policy.publishes == "class"}
OVERRIDES, GRADES, LIMITS = (",".join(COLUMNS[kind]) for kind in sql.people.KINDS)
NOW = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)
TODAY = NOW.date()
AS_OF = date(2026, 2, 28)
THROUGH = date(2026, 2, 28)


def override(**changes: Any) -> Override:
    values = {
        "policy_id": "pyramid", "customer_id": "C1", "tier": "gold", "reason": "popularity", "requested_by": "Ann",
        "approved_by": "Bob", "valid_from": date(2026, 3, 1), "valid_to": date(2026, 9, 1),
    }  # fmt: skip
    return Override(**{**values, **changes})


def grade(**changes: Any) -> Grade:
    values = {
        "policy_id": "pyramid", "as_of": AS_OF, "customer_id": "C1", "stage": "final", "tier": "gold",
        "graded_by": "committee", "graded_on": TODAY, "reason": None,
    }  # fmt: skip
    return Grade(**{**values, **changes})


def limit(**changes: Any) -> GivenLimit:
    values = {
        "policy_id": "collection_classes", "level": "account", "customer_id": "C1", "entity": "",
        "limit_amount": Decimal("50000.00"), "is_mandatory": False, "reason": "season", "requested_by": "Ann",
        "approved_by": "Bob", "valid_from": date(2026, 3, 1), "valid_to": date(2026, 9, 1),
    }  # fmt: skip
    return GivenLimit(**{**values, **changes})


def cells(row: Override | Grade | GivenLimit) -> str:
    told = {"True": "yes", "False": "no", "None": ""}
    return ",".join(
        "unlimited" if name == "limit_amount" and value is None else told.get(str(value), str(value))
        for name, value in vars(row).items()
    )


# Reading a file


def read_text(text: str) -> list[Line]:
    return read_lines(text.encode(), "overrides")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_columns_are_found_by_name_in_any_order_and_case(mark: bytes, end: str) -> None:
    names = [*reversed(COLUMNS["overrides"])]
    values = dict(zip(COLUMNS["overrides"], cells(override(reason="客户口碑")).split(","), strict=True))
    text = end.join([",".join(name.upper() for name in names), "", ",".join(values[name] for name in names), ",,", ""])
    (line,) = read_lines(mark + text.encode(), "overrides")
    assert (line.number, line.fault) == (3, "")
    assert parse_override(line.cells) == override(reason="客户口碑")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (OVERRIDES.replace(",tier", "").encode() + b"\n", "column tier is missing"),
        (OVERRIDES.replace("tier", "Level").encode() + b"\n", "column tier is missing"),
        (f"{OVERRIDES},phone\n".encode(), "column 9 is unknown"),
        (f"{OVERRIDES},tier\n".encode(), "stands there twice"),
        (OVERRIDES.replace(",", ";").encode() + b"\n", "semicolons"),
        (f"{cells(override())}\n".encode(), "the first line names the columns"),
        (b'"' + OVERRIDES.encode() + b"\n", "is missing"),
        (OVERRIDES.encode() + "\n客户\n".encode("gbk"), "not UTF-8"),
        (f"{OVERRIDES}\n".encode("utf-16"), "not UTF-8"),
        (b"x" * (MAXIMUM_BYTES + 1), "larger than 5,000,000 bytes"),
        (OVERRIDES.encode() + b"\n" + b"x\n" * (MAXIMUM_LINES + 1), "more than 10,000 lines"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole_and_shows_nothing_of_a_customer(content: bytes, says: str) -> None:
    with pytest.raises(FileFault, match=says) as fault:
        read_lines(content, "overrides")
    assert "C1" not in str(fault.value)
    assert "popularity" not in str(fault.value)


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_file_that_somebody_still_writes_is_left(cut: int) -> None:
    with pytest.raises(UnfinishedFile, match="has no end"):
        read_text(f"{OVERRIDES}\n{cells(override())}\n"[:-cut])


def test_a_spoilt_line_spoils_no_other_one() -> None:
    good = cells(override())
    text = "\n".join([OVERRIDES, good, f'"{good}', good + ",more", "short", good.replace("Ann", "A\u202enn"), good, ""])
    lines = read_text(text)
    assert [line.number for line in lines] == [2, 3, 4, 5, 6, 7]
    assert [bool(line.fault) for line in lines] == [False, True, True, True, True, False]
    assert "\u202e" not in lines[4].text
    assert "\\u202e" in lines[4].text


@pytest.mark.parametrize("character", ["\x00", "\x07", "\t", "\x1b", "\x7f", "\x85", "\u200b", "\u2028", "\ufeff"])
def test_control_and_invisible_characters_are_refused_and_kept_escaped(character: str) -> None:
    (line,) = read_text(f"{OVERRIDES}\n{cells(override(reason=f'po{character}p'))}\n")
    assert "control or invisible" in line.fault
    assert character not in line.text


LINES: list[tuple[dict[str, str], str]] = [
    ({"customer_id": ""}, "customer_id is empty"),
    ({"reason": " "}, "reason is empty"),
    ({"requested_by": ""}, "requested_by is empty"),
    ({"valid_to": ""}, "valid_to is empty"),
    ({"reason": "x" * 1001}, "reason is longer than 1000 characters"),
    ({"approved_by": "x" * 101}, "approved_by is longer than 100 characters"),
    *[
        ({"valid_from": day}, "valid_from is no day; write it as 2026-03-31")
        for day in (
            "2026/3/1", "01.03.2026", "20260301", "2026-W09-7", "2026-02-30", "46082", "today", "２０２６-03-01",
            "2026-03-01T00:00:00", "2026-3-1",
        )
    ],
]  # fmt: skip


@pytest.mark.parametrize(("changes", "says"), LINES)
def test_a_cell_that_cannot_be_read_is_named(changes: Mapping[str, str], says: str) -> None:
    found = dict(zip(COLUMNS["overrides"], cells(override()).split(","), strict=True))
    (line,) = read_text(f"{OVERRIDES}\n{','.join({**found, **changes}.values())}\n")
    with pytest.raises(LineFault, match=says):
        parse_override(line.cells)


def test_everything_that_is_wrong_with_a_line_is_said_at_once() -> None:
    empty = dict.fromkeys(COLUMNS["grades"], "")
    with pytest.raises(LineFault) as fault:
        parse_grade({**empty, "as_of": "yesterday"})
    for name in set(COLUMNS["grades"]) - {"reason"}:
        assert name in str(fault.value)


AMOUNTS = {
    "0": "0", "0.00": "0", "7": "7", "1234.5": "1234.5", "1234.5678": "1234.5678", "0012.50": "12.5",
    "9999999999999999.9999": "9999999999999999.9999", "unlimited": None,
}  # fmt: skip


@pytest.mark.parametrize(("said", "amount"), AMOUNTS.items())
def test_an_amount_is_read_to_its_last_digit(said: str, amount: str | None) -> None:
    line = read_lines(f"{LIMITS}\n{cells(limit()).replace('50000.00', said)}\n".encode(), "limits")[0]
    assert parse_limit(line.cells) == limit(limit_amount=None if amount is None else Decimal(amount))


NO_AMOUNT = "limit_amount is no amount; write it as 1234.56, 16 digits and 4 after the point at most, or unlimited"
LIMIT_CELLS: list[tuple[dict[str, str], str]] = [
    *[({name: ""}, f"{name} is empty; fill it in") for name in ("level", "customer_id", "limit_amount", "valid_from")],
    *[({name: " "}, f"{name} is empty; fill it in") for name in ("policy_id", "reason", "requested_by")],
    *[
        ({"limit_amount": text}, NO_AMOUNT)
        for text in (
            "-1", "-0", "+1", "1e5", "1 000", "1_000", "1234.", ".5", "1.23456", "12345678901234567", "５０", "NaN",
            "Unlimited", "none", "1000 CNY", "0x10", "1'000",
        )
    ],
    *[({"is_mandatory": text}, "is_mandatory is neither yes nor no") for text in ("Yes", "true", "1", "maybe")],
    ({"entity": "x" * 101}, "entity is longer than 100 characters"),
    ({"valid_to": "2026-02-30"}, "valid_to is no day; write it as 2026-03-31"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "says"), LIMIT_CELLS)
def test_a_cell_of_a_limit_that_cannot_be_read_is_named(changes: Mapping[str, str], says: str) -> None:
    found = dict(zip(COLUMNS["limits"], cells(limit()).split(","), strict=True))
    (line,) = read_lines(f"{LIMITS}\n{','.join({**found, **changes}.values())}\n".encode(), "limits")
    with pytest.raises(LineFault) as fault:
        parse_limit(line.cells)
    assert str(fault.value).startswith(says)
    assert "C1" not in str(fault.value)


def test_a_flag_and_an_approver_that_are_not_said_are_no_and_nobody() -> None:
    found = dict(zip(COLUMNS["limits"], cells(limit()).split(","), strict=True))
    said = parse_limit({**found, "is_mandatory": "", "approved_by": "", "valid_to": ""})
    assert said == limit(is_mandatory=False, approved_by=None, valid_to=None)
    assert parse_limit({**found, "is_mandatory": "yes"}).is_mandatory


# Checking a line


DAY = timedelta(days=1)
BEGIN = override().valid_from


@pytest.mark.parametrize(
    ("changes", "is_known", "says"),
    [
        ({}, True, None),
        ({"approved_by": None}, True, None),
        ({"valid_to": BEGIN + DAY}, True, None),
        ({"valid_to": BEGIN + MAXIMUM_OVERRIDE_DAYS * DAY}, True, None),
        ({"valid_to": BEGIN + (MAXIMUM_OVERRIDE_DAYS + 1) * DAY}, True, "more than 731 days"),
        ({"valid_to": BEGIN}, True, "not after valid_from"),
        ({"valid_to": BEGIN - DAY}, True, "not after valid_from"),
        ({"valid_to": None}, True, "say when it ends"),
        ({"policy_id": "piramid"}, False, "no such policy; did you mean pyramid"),
        ({"tier": "Gold"}, True, "no such tier; did you mean gold"),
        ({"tier": "diamond"}, True, "no such tier; there are platinum, gold, iron, lead"),
        ({}, False, "leading zeros"),
        ({"approved_by": "Ann"}, True, "the approver is the requester"),
        ({"approved_by": " ANN "}, True, "the approver is the requester"),
        ({"approved_by": "Ａｎｎ"}, True, "the approver is the requester"),
        ({"reason": "  "}, True, "reason is empty"),
        ({"requested_by": " \u3000"}, True, "requested_by is empty"),
        ({"reason": "a\u202eb"}, True, "control or invisible"),
    ],
)  # fmt: skip
def test_an_override_is_checked(changes: Mapping[str, Any], is_known: bool, says: str | None) -> None:
    faults = find_override_faults(override(**changes), POLICIES, is_known=is_known, maximum_days=MAXIMUM_OVERRIDE_DAYS)
    assert len(faults) == (0 if says is None else 1)
    assert says is None or says in faults[0]
    assert "C1" not in "".join(faults)


def test_a_class_is_not_set_by_hand() -> None:
    policy = next(iter(CLASSES.values()))
    found = override(policy_id=policy.id, tier=policy.tiers[0])
    assert "publishes classes" in "".join(find_override_faults(found, CLASSES, is_known=True, maximum_days=9999))


COLLECTION = POLICIES["collection_classes"]
CREDITORS = {
    **POLICIES,
    "by_group": COLLECTION.model_copy(update={"id": "by_group", "grain": "group"}),
    "by_customer": COLLECTION.model_copy(update={"id": "by_customer", "grain": "customer"}),
}


@pytest.mark.parametrize(
    ("changes", "is_known", "says"),
    [
        ({}, True, None),
        ({"policy_id": "by_customer"}, True, None),
        ({"limit_amount": None}, True, None),
        ({"limit_amount": Decimal(0), "is_mandatory": True}, True, None),
        ({"approved_by": None}, True, None),
        ({"level": "group", "valid_to": None}, True, None),
        ({"level": "entity", "entity": "south", "valid_to": None}, True, None),
        ({"level": "group", "valid_to": BEGIN + 4000 * DAY}, True, None),
        ({"valid_to": BEGIN + MAXIMUM_OVERRIDE_DAYS * DAY}, True, None),
        ({"valid_to": BEGIN + (MAXIMUM_OVERRIDE_DAYS + 1) * DAY}, True, "more than 731 days; let it end earlier"),
        ({"valid_to": None}, True, "valid_to is empty; say when it ends"),
        ({"valid_to": BEGIN}, True, "not after valid_from"),
        ({"level": "group", "valid_to": BEGIN - DAY}, True, "not after valid_from"),
        ({"level": "Group"}, True, "no such level; did you mean group?"),
        ({"level": "company"}, True, "no such level; there are account, entity, group"),
        ({"level": "entity"}, True, "entity is empty; name the selling company"),
        ({"entity": "south"}, True, "level account has no entity; leave it empty, or write level entity"),
        ({"level": "group", "entity": "south"}, True, "level group has no entity"),
        ({"policy_id": "collection_class"}, False, "no such policy; did you mean collection_classes?"),
        ({"policy_id": "pyramid"}, False, "policy pyramid gives no credit; name a policy that does"),
        ({"policy_id": "by_group"}, False, "at grain group, where nobody gives limits; name a policy"),
        ({}, False, "the customer is unknown to the facts; use the number as the source has it"),
        ({"level": "entity", "entity": "south"}, False, "leading zeros, at grain bill_to"),
        ({"level": "group"}, False, "the group is unknown to the facts; use the group_id of its customers"),
        ({"approved_by": "Ａｎｎ "}, True, "the approver is the requester; somebody else approves"),
        ({"reason": "  "}, True, "reason is empty"),
        ({"requested_by": "A\u202enn"}, True, "control or invisible"),
    ],
)  # fmt: skip
def test_a_limit_is_checked(changes: Mapping[str, Any], is_known: bool, says: str | None) -> None:
    faults = find_limit_faults(limit(**changes), CREDITORS, is_known=is_known, maximum_days=MAXIMUM_OVERRIDE_DAYS)
    assert len(faults) == (0 if says is None else 1), faults
    assert says is None or says in faults[0]
    assert not [said for said in ("C1", "season", "Ann", "Bob", "south") if said in "".join(faults)]


@pytest.mark.parametrize(
    ("changes", "computed", "pre_grade", "says"),
    [
        ({}, None, None, None),
        ({}, "gold", "gold", None),
        ({}, "iron", "gold", "differs from the computed tier iron; give the reason"),
        ({}, "gold", "iron", "differs from the pre-grade iron; give the reason"),
        ({}, "lead", "iron", "differs from the computed tier lead and the pre-grade iron"),
        ({"reason": " "}, "iron", None, "give the reason"),
        ({"reason": "meeting"}, "lead", "iron", None),
        ({"stage": "pre_graded"}, "iron", None, None),
        ({"stage": "screened"}, "iron", None, None),
        ({"stage": "Final"}, None, None, "no such stage; did you mean final?"),
        ({"stage": "approved"}, None, None, "no such stage; there are screened, pre_graded, final"),
        ({"tier": "5"}, None, None, "no such tier"),
        ({"as_of": AS_OF - DAY}, None, None, "no day of the policy; the one before it is 2026-01-31"),
        ({"as_of": date(2026, 3, 31), "graded_on": date(2026, 4, 1)}, None, None, "beyond the facts, which reach"),
        ({"graded_on": TODAY + DAY}, None, None, "lies in the future (today is 2026-03-02)"),
        ({"graded_on": AS_OF - DAY}, None, None, "before as_of"),
        ({"graded_on": AS_OF}, None, None, None),
        ({"graded_by": " "}, None, None, "graded_by is empty"),
    ],
)
def test_a_grade_is_checked(
    changes: Mapping[str, Any], computed: str | None, pre_grade: str | None, says: str | None
) -> None:
    faults = find_grade_faults(
        grade(**changes),
        POLICIES,
        is_known=True,
        today=date(2026, 4, 1) if changes.get("as_of") == date(2026, 3, 31) else TODAY,
        facts_through=THROUGH,
        computed_tier=computed,
        pre_grade=pre_grade,
    )
    assert len(faults) == (0 if says is None else 1), faults
    assert says is None or says in faults[0]


# Through the warehouse


class Folder:
    """The folder that people put their files into."""

    def __init__(self, warehouse: Database, path: Path) -> None:
        self.warehouse, self.path = warehouse, path
        path.mkdir()

    def put(self, name: str, header: str, *rows: Override | Grade | GivenLimit | str) -> None:
        lines = [row if isinstance(row, str) else cells(row) for row in rows]
        (self.path / name).write_text("\n".join([header, *lines, ""]), encoding="utf-8")

    def load(self, now: datetime = NOW) -> HandedIn:
        return load_handed_in(self.warehouse, self.path, POLICIES, now=now, today=now.date())


@pytest.fixture
def folder(published: Database, tmp_path: Path) -> Folder:
    return Folder(published, tmp_path / "handed_in")


def customers(warehouse: Database, tier: str) -> list[str]:
    rows = query(
        warehouse,
        "SELECT customer_id FROM tiering.customer_tier WHERE policy_id = 'pyramid' AND tier = :tier ORDER BY 1",
        tier=tier,
    )
    return [row[0] for row in rows]


def refused(warehouse: Database) -> list[tuple[Any, ...]]:
    return query(warehouse, "SELECT file, line, reason FROM tiering.refused_line ORDER BY file, line")


def test_good_lines_are_stored_bad_ones_kept_and_the_same_content_is_a_no_op(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    one, two, *_ = customers(folder.warehouse, "lead")
    mine = override(customer_id=one)
    folder.put(
        "overrides-march.csv",
        OVERRIDES,
        mine,
        override(customer_id="no-such-canary"),
        override(customer_id=two, approved_by=None),
        override(customer_id=two, tier="diamond", valid_from=BEGIN + DAY),
        override(customer_id=one, tier="iron"),
        '"',
    )
    folder.put("grades.csv", OVERRIDES)
    folder.put("notes.csv", "anything")
    folder.put(".hidden.csv", "anything")
    with caplog.at_level(logging.INFO):
        done = folder.load()
    assert done == HandedIn(2, 0, 1, 2, 5, {"pyramid": BEGIN})
    stored = query(
        folder.warehouse,
        f"SELECT {OVERRIDES}, superseded_at IS NULL, recorded_at IS NULL FROM tiering.override ORDER BY approved_by",
    )
    assert sorted(stored, key=str) == sorted(
        [
            (*vars(mine).values(), True, False),
            (*vars(override(customer_id=two, approved_by=None)).values(), True, False),
        ],
        key=str,
    )
    reasons = refused(folder.warehouse)
    assert [row[:2] for row in reasons] == [("grades.csv", 1), *(("overrides-march.csv", n) for n in (3, 5, 6, 7))]
    for (_, _, reason), says in zip(
        reasons, ("file is refused: the column as_of", "unknown to the facts", "no such tier", "line 2 is for", "mark"),
        strict=True,
    ):  # fmt: skip
        assert says in reason
    assert "overrides-march.csv line 3: refused: the customer is unknown" in caplog.text
    for secret in (one, two, "no-such-canary", "popularity", "Ann", "Bob"):
        assert secret not in caplog.text
    kept = query(folder.warehouse, "SELECT line_text FROM tiering.refused_line WHERE line = 3")
    assert "no-such-canary" in kept[0][0]

    before = contents(folder.warehouse, "tiering")
    (folder.path / "overrides-march.csv").rename(folder.path / "overrides-again.csv")
    assert folder.load(NOW + DAY) == HandedIn(2, 2, 1, 0, 0, {})
    assert contents(folder.warehouse, "tiering") == before
    assert {path.name for path in folder.path.iterdir()} >= {"overrides-again.csv", "grades.csv"}


def test_an_override_is_ended_early_by_a_later_line_and_nothing_is_lost(folder: Folder) -> None:
    one = customers(folder.warehouse, "lead")[0]
    long, short = override(customer_id=one), override(customer_id=one, valid_to=BEGIN + 30 * DAY)
    folder.put("overrides-1.csv", OVERRIDES, long)
    folder.put("overrides-2.csv", OVERRIDES, short)
    assert folder.load().stored_lines == 2
    rows = query(
        folder.warehouse, "SELECT valid_to, superseded_at IS NULL FROM tiering.override ORDER BY valid_to DESC"
    )
    assert rows == [(long.valid_to, False), (short.valid_to, True)]
    standing = query(folder.warehouse, "SELECT superseded_at FROM tiering.override WHERE superseded_at IS NOT NULL")
    assert [row[0].astimezone(UTC) for row in standing] == [NOW]

    folder.put("overrides-3.csv", OVERRIDES, short, "")
    folder.put("overrides-4.csv", OVERRIDES, override(customer_id=one, valid_to=BEGIN + DAY, approved_by=None))
    assert folder.load().refused_lines == 2
    assert [reason for _, _, reason in refused(folder.warehouse)] == [
        "it stands already; take the line out",
        "it would take the place of an approved one; it needs an approver too",
    ]


def test_a_file_goes_in_whole_or_not_at_all(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, *_ = customers(folder.warehouse, "lead")
    folder.put("overrides-1.csv", OVERRIDES, override(customer_id=one))
    folder.load()
    before = contents(folder.warehouse, "tiering")
    folder.put("overrides-2.csv", OVERRIDES, override(customer_id=one, valid_to=BEGIN + DAY), override(customer_id=two))
    with monkeypatch.context() as patch:
        patch.setattr(sql.people, "_refuse", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            folder.load()
    assert contents(folder.warehouse, "tiering") == before
    assert folder.load().stored_lines == 2


def test_pre_grade_and_final_grade_are_both_kept_and_a_difference_needs_its_reason(folder: Folder) -> None:
    one, two, three, *_ = customers(folder.warehouse, "lead")
    excluded = query(
        folder.warehouse,
        "SELECT MIN(customer_id) FROM tiering.exclusion WHERE policy_id = 'pyramid' AND as_of = :day",
        day=AS_OF,
    )[0][0]
    pre = grade(customer_id=one, stage="pre_graded", tier="iron", graded_by="region")
    folder.put(
        "grades-1.csv",
        GRADES,
        pre,
        grade(customer_id=one, tier="iron"),  # differs from the rules' lead
        grade(customer_id=one, tier="iron", reason="meeting"),
        grade(customer_id=two, stage="pre_graded", tier="iron", reason="growth"),
        grade(customer_id=two, tier="lead"),  # differs from the region's iron
        grade(customer_id=three, tier="lead"),
        grade(customer_id=excluded, tier="lead"),
        grade(customer_id=one, stage="screened", tier="gold"),
    )
    done = folder.load()
    assert (done.stored_lines, done.refused_lines, done.first_days) == (4, 4, {"pyramid": AS_OF})
    assert [(line, reason.partition(";")[0]) for _, line, reason in refused(folder.warehouse)] == [
        (3, "the final grade differs from the computed tier lead"),
        (6, "the final grade differs from the pre-grade iron"),
        (8, "the policy gave the customer no tier on that day"),
        (9, "the final grade stands already"),
    ]
    finals = query(
        folder.warehouse, "SELECT as_of, customer_id, tier, reason FROM tiering.grade WHERE stage = 'final' ORDER BY 2"
    )
    assert finals == [(AS_OF, one, "iron", "meeting"), (AS_OF, three, "lead", None)]

    folder.put("grades-2.csv", GRADES, grade(customer_id=one, tier="gold", reason="second meeting"))
    assert folder.load().stored_lines == 1
    rows = query(
        folder.warehouse,
        "SELECT stage, tier, superseded_at IS NULL FROM tiering.grade WHERE customer_id = :one ORDER BY 1, 2",
        one=one,
    )
    assert rows == [("final", "gold", True), ("final", "iron", False), ("pre_graded", "iron", True)]


def test_a_final_grade_is_held_against_the_run_that_waits_for_it(folder: Folder) -> None:
    day = date(2025, 10, 31)
    stage(folder.warehouse, POLICIES, "pyramid", day)
    with connected(folder.warehouse, "tests") as connection:
        computed = read_computed_tiers(connection, "pyramid", day)
        assert read_computed_tiers(connection, "pyramid", date(2025, 9, 30)) == {}
    assert len(computed) > 20
    one = min(name for name, tier in computed.items() if tier == "lead")
    folder.put("grades.csv", GRADES, grade(as_of=day, customer_id=one, tier="iron"))
    assert folder.load().refused_lines == 1
    assert "differs from the computed tier lead" in refused(folder.warehouse)[0][2]


def test_rows_that_tools_write_into_the_table_meet_the_same_checks(folder: Folder) -> None:
    one, two, three, *_ = customers(folder.warehouse, "lead")
    rows = [
        override(customer_id=one),
        override(customer_id=one, approved_by=None, tier="diamond", valid_from=BEGIN + DAY),  # no effect yet
        override(customer_id=two, tier="diamond"),
        override(customer_id=two, valid_from=BEGIN + DAY, approved_by="ann"),
        override(customer_id=three, valid_to=None),
        override(customer_id="nobody", valid_to=date(2036, 1, 1)),
    ]
    for row in rows:
        names = list(vars(row))
        query(
            folder.warehouse,
            f"INSERT INTO tiering.override ({', '.join(names)}) VALUES ({', '.join(f':{n}' for n in names)})",
            **vars(row),
        )
    with connected(folder.warehouse, "tests") as connection:
        found = {(row.customer_id, row.valid_from): row.reason for row in check_overrides(connection, PYRAMID)}
        assert check_overrides(connection, POLICIES["rfm_555"]) == []
    assert set(found) == {(two, BEGIN), (two, BEGIN + DAY), (three, BEGIN), ("nobody", BEGIN)}
    assert "no such tier" in found[two, BEGIN]
    assert "approver is the requester" in found[two, BEGIN + DAY]
    assert "say when it ends" in found[three, BEGIN]
    assert "more than 731 days" in found["nobody", BEGIN]
    assert "unknown to the facts" in found["nobody", BEGIN]


def accounts(warehouse: Database) -> list[str]:
    rows = query(
        warehouse, "SELECT customer_id FROM tiering.customer_tier WHERE policy_id = 'collection_classes' ORDER BY 1"
    )
    return [row[0] for row in rows]


def in_force(warehouse: Database, day: date) -> list[tuple[Any, ...]]:
    key = {"policy_id": "collection_classes", "as_of": day}
    with connected(warehouse, "tests") as connection:
        return [tuple(row) for row in run(connection, "warehouse/read_given_limits.sql", key)]


def test_good_limits_are_stored_and_bad_ones_kept_with_what_to_do(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    one, two, *_ = accounts(folder.warehouse)
    tell(
        folder.warehouse,
        "customers",
        [{"customer_id": "G-1", "name": "A", "group_id": "G-canary", "holds_from": AS_OF}],
    )
    good = [
        limit(customer_id=one),
        limit(customer_id=one, level="entity", entity="south", limit_amount=Decimal("0.1234"), is_mandatory=True),
        limit(customer_id="G-canary", level="group", limit_amount=None, valid_to=None),
        limit(customer_id=two, approved_by=None, valid_to=BEGIN + DAY, limit_amount=Decimal("9999999999999999.9999")),
    ]
    bad = [
        limit(customer_id="no-such-canary"),
        limit(customer_id="G-canary"),  # a group is no account
        limit(customer_id="G-1", level="group"),  # and an account is no group
        limit(customer_id=one, limit_amount=Decimal(7)),
        cells(limit(customer_id=two)).replace("50000.00", "much"),
        limit(customer_id=two, policy_id="pyramid"),
    ]
    folder.put("Limits-march.csv", LIMITS, *good, *bad)
    folder.put("limits.csv", GRADES)
    with caplog.at_level(logging.INFO):
        assert folder.load() == HandedIn(2, 0, 0, 4, 7, {})
    stored = query(
        folder.warehouse, f"SELECT {LIMITS}, superseded_at IS NULL, recorded_at IS NULL FROM tiering.given_limit"
    )
    assert len(stored) == len(good)
    assert set(stored) == {(*vars(row).values(), True, False) for row in good}
    reasons = refused(folder.warehouse)
    assert [row[:2] for row in reasons] == [*(("Limits-march.csv", line) for line in range(6, 12)), ("limits.csv", 1)]
    for (_, _, reason), says in zip(
        reasons,
        (
            "the customer is unknown", "the customer is unknown", "the group is unknown",
            "line 2 is for the same limit", "limit_amount is no amount", "policy pyramid gives no credit",
            "file is refused: the column level",
        ),
        strict=True,
    ):  # fmt: skip
        assert says in reason
    for secret in (one, two, "no-such-canary", "G-canary", "season", "Ann", "Bob", "south", "much"):
        assert secret not in caplog.text
    kinds = {row[0] for row in query(folder.warehouse, "SELECT entity FROM tiering.refused_line")}
    kinds |= {row[0] for row in query(folder.warehouse, "SELECT entity FROM tiering.handed_in_file")}
    assert kinds == {"limits"}

    before = contents(folder.warehouse, "tiering")
    assert folder.load(NOW + DAY) == HandedIn(2, 2, 0, 0, 0, {})
    assert contents(folder.warehouse, "tiering") == before


def test_a_limit_has_no_effect_until_it_is_approved_and_a_later_line_takes_its_place(folder: Folder) -> None:
    one = accounts(folder.warehouse)[0]
    asked = limit(customer_id=one, approved_by=None)
    folder.put("limits-1.csv", LIMITS, asked)
    folder.load()
    assert in_force(folder.warehouse, BEGIN) == []
    folder.put("limits-2.csv", LIMITS, limit(customer_id=one))
    folder.put("limits-3.csv", LIMITS, limit(customer_id=one), "")
    folder.put("limits-4.csv", LIMITS, asked, "")
    folder.put("limits-5.csv", LIMITS, limit(customer_id=one, limit_amount=Decimal(7), valid_to=BEGIN + 2 * DAY))
    assert (folder.load(NOW + DAY).stored_lines, len(refused(folder.warehouse))) == (2, 2)
    assert [reason for _, _, reason in refused(folder.warehouse)] == [
        "it stands already; take the line out",
        "it would take the place of an approved one; it needs an approver too",
    ]
    found = {BEGIN + days * DAY: in_force(folder.warehouse, BEGIN + days * DAY) for days in (-1, 0, 1, 2)}
    assert [[row[3] for row in rows] for rows in found.values()] == [[], [7], [7], []]
    rows = query(
        folder.warehouse, "SELECT superseded_at FROM tiering.given_limit ORDER BY superseded_at NULLS LAST, valid_to"
    )
    assert [row[0] and row[0].astimezone(UTC) for row in rows] == [NOW + DAY, NOW + DAY, None]


def test_of_several_limits_the_one_that_begins_later_counts_and_each_holder_has_its_own(folder: Folder) -> None:
    one, two, *_ = accounts(folder.warehouse)
    rows = [
        limit(customer_id=one),
        limit(customer_id=one, limit_amount=None, valid_from=BEGIN + DAY, valid_to=BEGIN + 2 * DAY),
        limit(
            customer_id=one, level="entity", entity="south", limit_amount=Decimal(0), is_mandatory=True, valid_to=None
        ),
        limit(customer_id=one, level="entity", entity="east", limit_amount=Decimal("1.5"), valid_to=None),
        limit(customer_id=two, valid_from=BEGIN + 2 * DAY),
    ]
    folder.put("limits.csv", LIMITS, *rows)
    assert folder.load().stored_lines == 5
    whole = Decimal(50000)
    towards = [("entity", one, "east", Decimal("1.5"), False), ("entity", one, "south", Decimal(0), True)]
    assert [in_force(folder.warehouse, BEGIN + days * DAY) for days in (-1, 0, 1, 2)] == [
        [],
        [("account", one, "", whole, False), *towards],
        [("account", one, "", None, False), *towards],
        [("account", one, "", whole, False), ("account", two, "", whole, False), *towards],
    ]


def write_limit(warehouse: Database, row: GivenLimit, recorded_at: datetime | None) -> None:
    """Write a limit into the table itself, as people's tools may."""
    values = {**vars(row), "recorded_at": recorded_at}
    places = ", ".join(f":{name}" for name in values)
    query(warehouse, f"INSERT INTO tiering.given_limit ({', '.join(values)}) VALUES ({places})", **values)


def test_of_two_limits_that_begin_on_one_day_the_one_recorded_later_counts(folder: Folder) -> None:
    for recorded_at, amount in ((NOW, 2), (NOW + DAY, 3), (None, 1), (NOW + DAY, 4)):
        write_limit(folder.warehouse, limit(limit_amount=Decimal(amount)), recorded_at)
    assert [row[3] for row in in_force(folder.warehouse, BEGIN)] == [3], "and of those at one instant, the lower one"


@pytest.mark.parametrize(
    "changes",
    [
        {"level": "company"},
        {"level": "entity"},
        {"entity": "south"},
        {"limit_amount": Decimal(-1)},
        {"valid_to": None},
        {"valid_to": BEGIN},
    ],
)
def test_the_table_itself_refuses_a_limit_that_cannot_be(fresh: Database, changes: Mapping[str, Any]) -> None:
    with pytest.raises(TieringError):
        write_limit(fresh, limit(**changes), None)


def test_a_file_that_cannot_be_read_stops_no_other_one(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    one = customers(folder.warehouse, "lead")[0]
    folder.put("overrides-1.csv", OVERRIDES, override())
    folder.put("overrides-2.csv", OVERRIDES, override(customer_id=one))
    read = sql.people._read_bytes

    def deny(path: Path) -> bytes:
        if path.name.endswith("1.csv"):
            raise PermissionError(path)
        return read(path)

    monkeypatch.setattr(sql.people, "_read_bytes", deny)
    with pytest.raises(TieringError, match=r"1 files cannot be read, the first is overrides-1\.csv; check"):
        folder.load()
    assert query(folder.warehouse, "SELECT customer_id FROM tiering.override") == [(one,)]


def test_a_folder_that_was_named_must_be_there_and_an_unnamed_one_need_not(published: Database, tmp_path: Path) -> None:
    missing = read_settings({"TIERING_HANDED_IN": str(tmp_path / "nowhere")})
    with pytest.raises(TieringError, match="TIERING_HANDED_IN: there is no folder"):
        people.load_handed_in(published, POLICIES, missing)
    found = read_settings({"TIERING_HANDED_IN": str(tmp_path), "TIERING_OVERRIDE_DAYS": "10"})
    one = customers(published, "lead")[0]
    (tmp_path / "overrides.csv").write_text(f"{OVERRIDES}\n{cells(override(customer_id=one))}\n", encoding="utf-8")
    done = people.load_handed_in(published, POLICIES, found, NOW)
    assert (done["stored_lines"], done["refused_lines"], done["first_days"]) == (0, 1, {})
    assert "more than 10 days" in refused(published)[0][2]
