"""Overviews: what superiors and the general manager read is what is below them, all of it, once, and nothing else."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from email import message_from_string, policy
from functools import cache
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from companies import ENGINES, Warehouses, empty, fresh, publish_rows, query, tell, warehouses
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from reports.digest import Digest, Migration, ServiceLevel, Tally, digest_is_quiet
from reports.overview_page import lay_out_service_levels
from reports.render import RenderedDigest, render_digest
from reports.wording import Language
from sql.connect import Database, connected, kept_open
from sql.digests import Written, write_digests
from sql.news import Terms
from sql.overview_report import faults_of, find_below
from sql.preview import read_preview
from sql.tier_report import MIX_DAYS
from tiering import jobs
from tiering.settings import read_settings
from tools.browser import Browser, find_browser
from transforms.policy import Policy, parse_policy

D = Decimal
GENERAL = "boss@corp.example"
TERMS = Terms("CNY", "desk@corp.example", general_manager=GENERAL)
NOW = datetime(2026, 4, 1, 7, tzinfo=UTC)
DECEMBER, JANUARY, FEBRUARY, MARCH = date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)


def a_policy(policy_id: str, title: str, indicator: str, tiers: str = "ABCD") -> Policy:
    """Bands of 100 each, the best tier first."""
    bounds = [f"{{tier: {tier}, at_least: {100 * (len(tiers) - place)}}}" for place, tier in enumerate(tiers[:-1])]
    return parse_policy(
        f"""
id: {policy_id}
title: {{en: {title}, zh: {title}等级}}
ref: test
grain: customer
schedule: "0 6 2 * *"
as_of: previous_month_end
tiers: [{", ".join(tiers)}]
tier_titles:
  A: {{en: Best, zh: 最好}}
indicators:
  {indicator}: {{measure: {indicator}, window: 12 months, unit: money}}
decide:
  bands: {{of: {indicator}, tiers: [{", ".join(bounds)}, {{tier: {tiers[-1]}}}]}}
value: {indicator}
service:
  A: {{queue_priority: 1, answered: {{seconds: 20, share: 0.90}}}}
""",
        policy_id,
    )


CLUB, GUILD = a_policy("club", "Club", "net_sales"), a_policy("guild", "Guild", "cash_received", "ABC")

MANAGERS: dict[str, dict[str, Any]] = {
    "D1": {"name": "Dora Director", "email": "dora@corp.example", "region": "HQ"},
    "L1": {"name": "Leo Lead", "email": "leo@corp.example", "reports_to_id": "D1", "region": "North"},
    "L2": {"name": "Lia Lead", "email": None, "reports_to_id": "D1", "region": None},
    "R1": {"name": "Rosa One", "email": "rosa@corp.example", "reports_to_id": "L1", "region": "North"},
    "R2": {"name": "Rolf Two", "email": "rolf@corp.example", "reports_to_id": "L1", "region": "South"},
    "R3": {"name": "Rita Three", "email": "rita@corp.example", "reports_to_id": "L2", "region": None},
    "R4": {"name": "No Address", "email": "nowhere", "reports_to_id": "L2", "region": None},
    "X1": {"name": "Xena", "email": "xena@corp.example", "reports_to_id": "X2", "region": "West"},
    "X2": {"name": "Xaver", "email": "xaver@corp.example", "reports_to_id": "X1", "region": "West"},
    "Y1": {"name": "Yan", "email": "yan@corp.example", "reports_to_id": "X1", "region": "West"},
    "S1": {"name": "Sole", "email": "sole@corp.example", "reports_to_id": "S1", "region": "East"},
    "U1": {"name": "Una", "email": "una@corp.example", "reports_to_id": "GONE", "region": "East"},
}
BELOW = {
    "D1": {"L1", "L2", "R1", "R2", "R3", "R4"},
    "L1": {"R1", "R2"},
    "L2": {"R3", "R4"},
    "X1": {"X2", "Y1"},
    "X2": {"X1", "Y1"},
}
OWNERS: list[str | None] = [*MANAGERS, None, "GHOST"]
PER_OWNER = 7


def owner_of(customer_id: str) -> str | None:
    return OWNERS[int(customer_id[1:]) // PER_OWNER]


def numbers() -> list[str]:
    return [f"C{number:03}" for number in range(PER_OWNER * len(OWNERS))]


@cache
def amounts(indicator: str, day: date) -> dict[str, Decimal | None]:
    """What every customer's indicator is on a day; who is missing has no tier then. R2's customers never move."""
    dice = random.Random(f"{indicator} {day}")
    found: dict[str, Decimal | None] = {}
    for number in numbers():
        if owner_of(number) == "R2":
            found[number] = D(250)
        elif dice.random() < 0.9:
            found[number] = D(dice.randrange(0, 50000)) / 100
    return found


def publish(database: Database, policy: Policy, day: date, values: Mapping[str, Decimal | None] | None = None) -> None:
    (indicator,) = policy.indicators
    rows = [
        {"account_id": number, "account_manager_id": owner_of(number), indicator: value}
        for number, value in (values or amounts(indicator, day)).items()
    ]
    assert publish_rows(database, policy, day, rows).status == "published"


def build(database: Database) -> None:
    """Customers of a hierarchy of three levels, a circle, and people without a superior; four published days."""
    tell(
        database,
        "account_managers",
        [
            {"account_manager_id": name, "reports_to_id": None, "locale": "zh" if name == "L1" else "en", **said}
            for name, said in MANAGERS.items()
        ],
    )
    regions = ("North", "Coast", None)
    tell(
        database,
        "customers",
        [
            {
                "customer_id": number,
                "name": f"Canary {number} GmbH",
                "account_manager_id": owner_of(number),
                "region": regions[place % 3],
                "holds_from": DECEMBER,
            }
            for place, number in enumerate(numbers())
        ],
    )
    for day in (DECEMBER, JANUARY, FEBRUARY, MARCH):
        publish(database, CLUB, day)
    for day in (FEBRUARY, MARCH):
        publish(database, GUILD, day)
    query(database, "UPDATE tiering.run SET digest_id = 'before' WHERE as_of < DATE '2026-03-31'")


@pytest.fixture(scope="module")
def templates() -> dict[str, Database]:
    return {}


@pytest.fixture
def corp(engine_name: str, warehouses: Warehouses, templates: dict[str, Database]) -> Iterator[Database]:
    """The company, of whose last day no mail has told, on the engine under test."""
    if engine_name not in templates:
        made = templates[engine_name] = warehouses.empty(engine_name)
        with kept_open(made):
            build(made)
    database = warehouses.new(engine_name, templates[engine_name])
    with kept_open(database):
        yield database
    warehouses.drop(database)


def write(database: Database, **changes: Any) -> Written:
    arguments = {
        "currency": "CNY",
        "domain": "corp.example",
        "sender": "",
        "fallback_address": "desk@corp.example",
        "general_manager": GENERAL,
        "today": NOW,
        **changes,
    }
    return write_digests(database, **arguments)


def taken(database: Database) -> dict[tuple[str, str], tuple[str, dict[str, Any], Any]]:
    """Take every mail from the outbox: text, sheets and message by (account manager, first words of the subject)."""
    found = {}
    for manager_id, message in query(database, "SELECT account_manager_id, message FROM tiering.email_outbox"):
        mail = message_from_string(message, policy=policy.default)
        body = mail.get_body(("plain",))
        assert body is not None
        (part,) = mail.iter_attachments()
        book = load_workbook(BytesIO(part.get_content()))
        sheets = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}
        kind = re.split(r" \d{4}|:", str(mail["Subject"]))[0]
        found[manager_id or "", kind] = str(body.get_content()).replace("\r\n", "\n"), sheets, mail
    query(database, "DELETE FROM tiering.email_outbox")
    return found


def digests(database: Database, day: date = MARCH, terms: Terms = TERMS) -> dict[tuple[str, str], Digest]:
    found = read_preview(database, terms, NOW.date(), as_of=day).digests
    assert len({(digest.manager_id, digest.kind) for digest in found}) == len(found)
    return {(digest.manager_id, digest.kind): digest for digest in found}


# ---- who is below whom


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.none() | st.sampled_from("abcdefghz"), max_size=8))
def test_below_is_everybody_who_reaches_the_superior(reports_to: dict[str, str | None]) -> None:
    expected: dict[str, set[str]] = defaultdict(set)
    for name in reports_to:
        here: str | None = name
        for _ in reports_to:  # no chain without a circle is longer
            here = reports_to.get(here) if here is not None else None
            if here in reports_to and here is not None and here != name:
                expected[here].add(name)
            if here == reports_to.get(here or ""):
                break
    found = {name: set(below) for name, below in find_below(reports_to).items() if below}
    assert found == dict(expected)


class Row:
    def __init__(self, reports_to_id: str | None, name: str | None = None) -> None:
        self.reports_to_id, self.name = reports_to_id, name


def test_circles_and_unknown_superiors_are_named() -> None:
    rows = {"a": Row("b", "Ann"), "b": Row("c"), "c": Row("a"), "d": Row("a"), "e": Row("gone"), "f": Row("f"),
            "g": Row(None), "h": Row("g")}  # fmt: skip
    lines = faults_of(rows)
    assert (lines.circular, lines.unknown) == (("Ann", "b", "c"), ("e",))


def test_a_chain_of_thousands_is_walked() -> None:
    chain = {str(place): str(place + 1) for place in range(3000)}
    assert len(find_below({**chain, "3000": None})["3000"]) == 3000


# ---- roll-ups


def counted(database: Database, policy_id: str, day: date = MARCH) -> dict[str, dict[str, Any]]:
    """Count with SQL of this test's own: customers, moves and money by account manager."""
    found: dict[str, dict[str, Any]] = defaultdict(Counter)
    for manager_id, customers in query(
        database,
        "SELECT d.account_manager_id, COUNT(*) FROM tiering.customer_tier_history h JOIN tiering.decision d "
        "ON d.policy_id = h.policy_id AND d.customer_id = h.customer_id AND d.as_of = :day "
        "WHERE h.policy_id = :id AND h.valid_from <= :day AND (h.valid_to IS NULL OR h.valid_to > :day) GROUP BY 1",
        id=policy_id,
        day=day,
    ):
        found[manager_id or ""]["customers"] = customers
    for manager_id, direction, moves, value in query(
        database,
        "SELECT c.account_manager_id, c.direction, COUNT(*), SUM(s.value) FROM tiering.tier_change c "
        "LEFT JOIN tiering.score_component s ON s.policy_id = c.policy_id AND s.as_of = c.as_of "
        "AND s.customer_id = c.customer_id WHERE c.policy_id = :id AND c.as_of = :day GROUP BY 1, 2",
        id=policy_id,
        day=day,
    ):
        found[manager_id or ""][direction] = moves
        if value is not None:
            found[manager_id or ""]["at_stake"] = found[manager_id or ""].get("at_stake", D(0)) + D(value)
    return found


FIELDS = ("customers", "up", "down", "new", "left")


def as_counted(tally: Tally) -> dict[str, Any]:
    values = {field: getattr(tally, field) for field in FIELDS}
    return {**values, "at_stake": tally.at_stake}


def summed(counts: Mapping[str, Mapping[str, Any]], members: set[str]) -> dict[str, Any]:
    whole = {field: sum(counts[name].get(field, 0) for name in members if name in counts) for field in FIELDS}
    money = [counts[name]["at_stake"] for name in members if counts.get(name, {}).get("at_stake") is not None]
    return {**whole, "at_stake": sum(money, D(0)) if money else None}


def test_a_roll_up_is_the_sum_of_everybody_below_and_of_nobody_else(corp: Database) -> None:
    found = digests(corp)
    told = {name for name, kind in found if kind == "superior"}
    assert told == {"D1", "L1", "X1", "X2"}, "L2 has no address, S1 nobody below"
    for superior in told:
        digest = found[superior, "superior"]
        assert digest.recipient == MANAGERS[superior]["email"]
        assert [roll_up.policy_id for roll_up in digest.roll_ups] == ["club", "guild"]
        for roll_up in digest.roll_ups:
            counts = counted(corp, roll_up.policy_id)
            assert [tally.key for tally in roll_up.managers] == list(
                dict.fromkeys(tally.key for tally in roll_up.managers)
            )
            assert {tally.key for tally in roll_up.managers} == BELOW[superior]
            for tally in roll_up.managers:
                assert as_counted(tally) == summed(counts, {tally.key}), (superior, tally)
                assert tally.name == MANAGERS[tally.key]["name"]
            assert as_counted(roll_up.whole) == summed(counts, BELOW[superior])
            parts = [as_counted(tally) for tally in roll_up.regions]
            assert summed(dict(enumerate(parts)), set(range(len(parts)))) == as_counted(roll_up.whole)  # type: ignore[arg-type]


def test_a_roll_up_is_the_sum_of_the_digests_of_those_below(corp: Database) -> None:
    found = digests(corp)
    for superior, below in (("L1", BELOW["L1"]), ("X1", BELOW["X1"])):
        for roll_up in found[superior, "superior"].roll_ups:
            of_policy = [
                section
                for name in below
                for section in (found[name, "manager"].sections if (name, "manager") in found else ())
                if section.policy_id == roll_up.policy_id
            ]
            moves = Counter(mover.direction for section in of_policy for mover in section.movers)
            for direction in ("up", "down", "new", "left"):
                assert getattr(roll_up.whole, direction) == moves[direction]
            assert roll_up.whole.at_stake == sum(
                (mover.value for section in of_policy for mover in section.movers if mover.value is not None), D(0)
            )
            told = {name for name in below if (name, "manager") in found}
            assert sum(tally.customers for tally in roll_up.managers if tally.key in told) == sum(
                tier.customers for section in of_policy for tier in section.tiers
            )


def test_a_region_is_the_managers_or_else_the_customers_own(corp: Database) -> None:
    (club, _) = digests(corp)["general_manager", "general"].roll_ups
    expected: Counter[str] = Counter()
    standing = query(
        corp,
        "SELECT h.customer_id, c.region FROM tiering.customer_tier h JOIN facts.customers c "
        "ON c.customer_id = h.customer_id WHERE policy_id = 'club'",
    )
    for number, region in standing:
        manager = MANAGERS.get(owner_of(number) or "", {})
        expected[manager.get("region") or region or ""] += 1
    assert {tally.key: tally.customers for tally in club.regions if tally.customers} == expected
    assert {"", "HQ", "North", "South", "Coast", "West", "East"} == set(expected)


def test_follow_ups_overdue_and_accounts_over_are_counted_once(corp: Database) -> None:
    columns = "policy_id, customer_id, reason, due_on, overdue_days, account_manager_id, as_of"
    query(
        corp,
        f"INSERT INTO tiering.follow_up ({columns}) SELECT policy_id, customer_id, 'cadence', DATE '2026-03-01', 30, "
        "account_manager_id, as_of FROM tiering.decision "
        "WHERE as_of = DATE '2026-03-31' AND account_manager_id IN ('R1', 'R3') AND policy_id = 'club'",
    )
    query(
        corp,
        f"INSERT INTO tiering.follow_up ({columns}) "
        "VALUES ('club', 'C021', 'call', DATE '2026-03-31', 0, 'R1', DATE '2026-03-31')",
    )
    for entity, limited_by in (("", "account"), ("CN01", "entity"), ("CN02", "account")):
        query(
            corp,
            "INSERT INTO tiering.credit_exposure (policy_id, customer_id, entity, as_of, kind, limited_by, currency, "
            "balance, overdue_amount, open_order_amount, exposure, group_exposure, over_amount, over_since, action, "
            "decided_on, account_manager_id) VALUES ('club', 'C021', :entity, DATE '2026-03-31', 'table', :limited_by, "
            "'CNY', 5, 0, 0, 5, 0, 2, DATE '2026-03-30', 'reduce', DATE '2026-03-31', 'R1')",
            entity=entity,
            limited_by=limited_by,
        )
    found = digests(corp)
    club, guild = found["D1", "superior"].roll_ups
    ((overdue,),) = query(corp, "SELECT COUNT(*) FROM tiering.follow_up WHERE overdue_days > 0")
    assert (club.whole.overdue, club.whole.over) == (overdue, 1)
    assert (guild.whole.overdue, guild.whole.over) == (0, 0)
    assert sum(tally.overdue for tally in club.regions) == overdue > 6
    text = render_digest(found["D1", "superior"]).text
    assert f"Follow-ups overdue: {overdue}; Over the limit: 1" in text


def test_the_largest_moves_down_are_named_and_no_customer_from_elsewhere(corp: Database) -> None:
    write(corp)
    mails = taken(corp)
    for superior, kind in (("D1", "Tiers of your team"), ("L1", "团队客户分级"), ("X1", "Tiers of your team")):
        text, sheets, mail = mails[superior, kind]
        page = mail.get_body(("html",)).get_content()
        said = text + page + repr(sheets)
        shown = set(re.findall(r"C\d{3}", said))
        assert all(owner_of(number) in BELOW[superior] for number in shown)
        fallen = query(
            corp,
            "SELECT c.policy_id, c.customer_id, c.account_manager_id FROM tiering.tier_change c "
            "JOIN tiering.score_component s ON s.policy_id = c.policy_id AND s.as_of = c.as_of "
            "AND s.customer_id = c.customer_id WHERE c.as_of = DATE '2026-03-31' AND c.direction = 'down' "
            "ORDER BY s.value DESC, c.customer_id, c.policy_id",
        )
        expected = [(policy_id, number) for policy_id, number, name in fallen if name in BELOW[superior]][:10]
        sheet = next(rows for name, rows in sheets.items() if name in ("Largest moves down", "金额最大的降级客户"))
        assert [row[2] for row in sheet[1:]] == [number for _, number in expected]
        assert shown == {number for _, number in expected}, "ten names, and no others"
    general = mails["general_manager", "Customer tiers overall"]
    assert not re.findall(r"Canary|C\d{3}", general[0] + repr(general[1]))


def test_who_has_nobody_that_moved_below_gets_no_mail(corp: Database) -> None:
    write(corp)
    taken(corp)
    april = date(2026, 4, 30)
    same = dict(amounts("net_sales", MARCH))
    moved = next(number for number in same if owner_of(number) == "U1")
    same[moved] = D(450) if same[moved] != D(450) and (same[moved] or D(0)) < 400 else D(50)
    publish(corp, CLUB, april, same)
    done = write(corp)
    mails = taken(corp)
    fallback = ("", "Customer tiers")  # who has no account manager is counted in every mail to the fallback
    assert set(mails) == {("U1", "Customer tiers"), ("general_manager", "Customer tiers overall"), fallback}
    assert done.quiet >= 4
    publish(corp, CLUB, date(2026, 5, 31), same)
    write(corp)
    assert set(taken(corp)) == {fallback}


def test_each_superior_has_a_mail_beside_the_own_one_and_a_second_write_has_none(corp: Database) -> None:
    written = write(corp)
    mails = taken(corp)
    assert written.mails == len(mails)
    assert {name for name, kind in mails if kind in ("Tiers of your team", "团队客户分级")} == {"D1", "L1", "X1", "X2"}
    assert ("D1", "Customer tiers") in mails
    assert len({str(mail["Message-ID"]) for _, _, mail in mails.values()}) == len(mails)
    assert write(corp) == Written(None, 0, 0, 0)


def test_a_correction_goes_to_those_above_whom_it_concerns(corp: Database) -> None:
    write(corp)
    taken(corp)
    corrected = dict(amounts("net_sales", MARCH))
    number = next(number for number in corrected if owner_of(number) == "R1")
    corrected[number] = D(450) if (corrected[number] or D(0)) < 400 else D(50)
    rows = [{"account_id": name, "account_manager_id": owner_of(name), "net_sales": value}
            for name, value in corrected.items()]  # fmt: skip
    publish_rows(corp, CLUB, MARCH, rows, restate="a sale was missing")
    query(corp, "UPDATE tiering.run SET digest_id = NULL, is_correction = TRUE WHERE revision = 2")
    write(corp)
    mails = taken(corp)
    above = {name for name, kind in mails if "team" in kind or "团队" in kind}
    assert above == {"D1", "L1"}
    assert ("general_manager", "Customer tiers overall") in mails
    assert all("correction" in str(mail["Subject"]) or "更正" in str(mail["Subject"]) for _, _, mail in mails.values())


# ---- the general manager


def test_without_the_setting_there_is_no_such_mail(corp: Database) -> None:
    write(corp, general_manager="")
    assert not [name for name, _ in taken(corp) if name == "general_manager"]


def test_the_address_and_the_language_come_from_the_settings(corp: Database) -> None:
    settings = read_settings({"TIERING_GENERAL_MANAGER": "Boss@Corp.Example", "TIERING_GENERAL_MANAGER_LOCALE": "zh"})
    jobs.write_reports(corp, settings, NOW)
    ((recipient, subject),) = query(corp, "SELECT recipient, subject FROM tiering.email_outbox "
                                    "WHERE account_manager_id = 'general_manager'")  # fmt: skip
    assert recipient == "Boss@corp.example"
    assert subject.startswith("客户分级总览 2026-03-31：升 ")


def test_the_matrix_is_the_change_rows_and_its_margins_are_the_tiers(corp: Database) -> None:
    general = digests(corp)["general_manager", "general"]
    assert [migration.policy_id for migration in general.migrations] == ["club", "guild"]
    for migration, section in zip(general.migrations, general.sections, strict=True):
        assert (migration.before_on, migration.as_of) == (FEBRUARY, MARCH)
        moves = query(
            corp,
            "SELECT from_tier, to_tier, COUNT(*) FROM tiering.tier_change WHERE policy_id = :id AND as_of = :day "
            "AND superseded_at IS NULL GROUP BY 1, 2",
            id=migration.policy_id,
            day=MARCH,
        )
        assert {pair: n for pair, n in migration.customers.items() if pair[0] != pair[1]} == {
            (start, end): n for start, end, n in moves
        }
        for tier in section.tiers:
            for day, margin, told in (
                (FEBRUARY, sum(n for (start, _), n in migration.customers.items() if start == tier.tier), tier.before),
                (MARCH, sum(n for (_, end), n in migration.customers.items() if end == tier.tier), tier.customers),
            ):
                ((held,),) = query(
                    corp,
                    "SELECT COUNT(*) FROM tiering.customer_tier_history WHERE policy_id = :id AND tier = :tier "
                    "AND valid_from <= :day AND (valid_to IS NULL OR valid_to > :day)",
                    id=migration.policy_id,
                    tier=tier.tier,
                    day=day,
                )
                assert held == margin == told
        assert None in {start for start, _ in migration.customers}
        assert None in {end for _, end in migration.customers}
        (roll_up,) = [each for each in general.roll_ups if each.policy_id == migration.policy_id]
        assert roll_up.whole.customers == sum(tier.customers for tier in section.tiers)


def test_over_all_nobody_is_missing(corp: Database) -> None:
    general = digests(corp)["general_manager", "general"]
    for roll_up in general.roll_ups:
        counts = counted(corp, roll_up.policy_id)
        assert {tally.key: as_counted(tally) for tally in roll_up.managers} == {
            name: summed(counts, {name}) for name in counts
        }
        assert {"", "GHOST", "R4", "X1"} <= {tally.key for tally in roll_up.managers}
    nobody = query(corp, "SELECT COUNT(DISTINCT customer_id) FROM tiering.decision WHERE as_of = DATE '2026-03-31' "
                   "AND (account_manager_id IS NULL OR account_manager_id = 'GHOST')")  # fmt: skip
    assert [(general.unassigned_customers,)] == nobody
    assert general.reporting_lines.circular == ("Xena", "Xaver")
    assert general.reporting_lines.unknown == ("Una",)
    text = render_digest(general).text
    assert f"Customers without an account manager: {general.unassigned_customers}" in text
    assert "in a circle: Xena, Xaver" in text
    assert "They are reported to you" not in text


def test_the_first_publication_has_no_matrix_and_no_change(corp: Database) -> None:
    general = digests(corp, DECEMBER)["general_manager", "general"]
    assert general.migrations == ()
    assert [tier.before for tier in general.sections[0].tiers] == [None] * 4
    assert "From tier to tier" not in render_digest(general).text


def test_tiers_over_time_are_those_of_the_days_under_the_owner_of_the_present(corp: Database) -> None:
    found = digests(corp)
    for (manager_id, kind), digest in found.items():
        if kind not in ("manager", "general"):
            continue
        owners = {manager_id} if manager_id in MANAGERS else {None, "GHOST", "L2", "R4"}
        for section in digest.sections:
            days = (DECEMBER, JANUARY, FEBRUARY, MARCH) if section.policy_id == "club" else (FEBRUARY, MARCH)
            assert [mix.as_of for mix in section.mixes] == list(days)
            for mix in section.mixes:
                held = Counter[str]()
                for number, tier in query(
                    corp,
                    "SELECT h.customer_id, h.tier FROM tiering.customer_tier_history h WHERE h.policy_id = :id AND "
                    "valid_from <= :day AND (valid_to IS NULL OR valid_to > :day)",
                    id=section.policy_id,
                    day=mix.as_of,
                ):
                    looked_at = number in amounts(
                        "net_sales" if section.policy_id == "club" else "cash_received", MARCH
                    )
                    if kind == "general" or (looked_at and owner_of(number) in owners):
                        held[tier] += 1
                assert dict(mix.customers) == {tier.tier: held[tier.tier] for tier in section.tiers}, (manager_id, mix)
                assert [tier for tier, _ in mix.customers] == [tier.tier for tier in section.tiers]


def test_twelve_days_are_shown_at_most(empty: Database) -> None:
    tell(empty, "account_managers", [{"account_manager_id": "M1", "name": "Ann", "email": "ann@corp.example"}])
    days = [date(2025, month, 28) for month in range(1, 13)] + [date(2026, 1, 28), date(2026, 2, 28)]
    for place, day in enumerate(days):
        rows = [{"account_id": "C1", "net_sales": D(100 * (place % 5))}]
        publish_rows(empty, CLUB, day, rows)
    found = digests(empty, days[-1])
    for key in (("M1", "manager"), ("general_manager", "general")):
        assert [mix.as_of for mix in found[key].sections[0].mixes] == days[-MIX_DAYS:]


def position(database: Database, customer_id: str, day: date, currency: str, *amounts: int) -> None:
    names = ("ageing_current", "ageing_1_30", "ageing_31_60", "ageing_61_90", "ageing_over_90", "disputed_amount")
    values = dict(zip(names, amounts, strict=True))
    zero = (
        "billed_amount",
        "paid_amount",
        "balance",
        "open_amount",
        "overdue_amount",
        "overdue_days",
        "unmatched_amount",
    )
    columns = {"customer_id": customer_id, "currency": currency, "as_of": day, **values, **dict.fromkeys(zero, 0)}
    places = ", ".join(f":{name}" for name in columns)
    query(database, f"INSERT INTO tiering.receivable_position ({', '.join(columns)}) VALUES ({places})", **columns)


def test_what_is_open_by_age_is_summed_for_each_reader(corp: Database) -> None:
    of = {name: [number for number in numbers() if owner_of(number) == name] for name in OWNERS}
    position(corp, of["R1"][0], MARCH, "CNY", 1, 2, 3, 4, 5, 6)
    position(corp, of["R1"][1], MARCH, "CNY", 10, 0, 0, 0, 0, 0)
    position(corp, of["R1"][0], MARCH, "EUR", 7, 0, 0, 0, 0, 0)
    position(corp, of["S1"][0], MARCH, "CNY", 100, 0, 0, 0, 0, 0)
    position(corp, of["S1"][0], MARCH, "USD", 0, 0, 0, 0, 0, 0)
    position(corp, of[None][0], MARCH, "CNY", 0, 0, 0, 0, 1000, 0)
    position(corp, of["R1"][0], FEBRUARY, "CNY", 9, 9, 9, 9, 9, 9)
    query(corp, "UPDATE facts.customers SET account_manager_id = 'R2' WHERE customer_id = :id", id=of["R1"][1])
    found = digests(corp, terms=replace(TERMS, credit_controller="credit@corp.example"))

    def ages(digest: Digest) -> list[tuple[str, list[int], int]]:
        assert {ageing.as_of for ageing in digest.ageing} <= {MARCH}
        return [
            (each.currency, [int(amount) for _, amount in each.buckets], int(each.disputed)) for each in digest.ageing
        ]

    assert ages(found["R1", "manager"]) == [("CNY", [1, 2, 3, 4, 5], 6), ("EUR", [7, 0, 0, 0, 0], 0)]
    assert ages(found["S1", "manager"]) == [("CNY", [100, 0, 0, 0, 0], 0)]
    assert ages(found["", "manager"]) == [("CNY", [0, 0, 0, 0, 1000], 0)]
    assert ages(found["general_manager", "general"]) == [("CNY", [111, 2, 3, 4, 1005], 6), ("EUR", [7, 0, 0, 0, 0], 0)]
    assert found["D1", "superior"].ageing == ()


# ---- service levels


def level(
    database: Database, tier: str, target: str, start: date, end: date, attained: str | None, events: int
) -> None:
    query(
        database,
        "INSERT INTO tiering.service_level VALUES ('club', :tier, :target, :start, :end, 20, 0.9, :attained, :events, "
        "DATE '2026-04-10')",
        tier=tier,
        target=target,
        start=start,
        end=end,
        attained=None if attained is None else D(attained),
        events=events,
    )


def test_service_levels_are_the_table_of_the_last_whole_month_and_the_running_one(corp: Database) -> None:
    april, whole = date(2026, 4, 1), (date(2026, 3, 1), MARCH)
    level(corp, "B", "answered", *whole, "0.9500", 100)
    level(corp, "A", "answered", *whole, "0.8999", 1200)
    level(corp, "A", "answered", april, date(2026, 4, 9), "1", 3)
    level(corp, "A", "replied", *whole, None, 0)
    level(corp, "A", "answered", date(2026, 2, 1), FEBRUARY, "0.1", 9)
    general = digests(corp)["general_manager", "general"]
    rows = query(corp, "SELECT tier, target, period_start, period_end, target_share, attained_share, events "
                 "FROM tiering.service_level WHERE period_start > DATE '2026-02-01' ORDER BY 1, 2, 3")  # fmt: skip
    assert [
        (each.tier, each.target, each.period_start, each.period_end, each.promised, each.attained, each.events)
        for each in general.service_levels
    ] == rows
    text, sheets, _ = mail_of(general)
    assert "* A · Best | 89.99% | promised 90.00%" in text, "what was missed never looks kept"
    assert "    Answered within 20 seconds\n    March 2026: 89.99% of 1,200 events\n" in text
    assert "    April 2026 up to April 9, 2026: 100.0% of 3 events" in text
    assert "March 2026: no events" in text
    assert [row[6:9] for row in sheets["Service levels"][1:]] == [
        (float(row[4]), None if row[5] is None else float(row[5]), row[6]) for row in rows
    ]
    assert "2026年3月：1,200 件中达标 89.99%" in mail_of(replace(general, locale="zh"))[0]


def mail_of(digest: Digest) -> tuple[str, dict[str, Any], RenderedDigest]:
    rendered = render_digest(digest)
    assert rendered.workbook is not None
    book = load_workbook(BytesIO(rendered.workbook.content))
    return rendered.text, {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}, rendered


def test_a_missed_level_is_marked_and_a_kept_one_is_not() -> None:
    one = ServiceLevel("p", {}, "A", {}, "answered", 20, D("0.9"), D("0.8999"), 9, date(2026, 3, 1), MARCH)
    for each, tone in ((one, "down"), (replace(one, attained=D("0.9")), ""), (replace(one, attained=None), "")):
        (block,) = lay_out_service_levels((each,), Language("en"))
        assert block.groups[0].lines[0].figure_tone == tone


# ---- the year


def evaluated(database: Database, policy_id: str = "club", year: int = 2025) -> None:
    """Let the tables hold an evaluation, as `tiering evaluate` writes it."""
    query(
        database,
        "INSERT INTO tiering.tier_effect VALUES (:id, :day, 'A', 'net_sales', 3, 1000, 1300, 300, 0.3), "
        "(:id, :day, 'A', 'complaint_count', 3, 5, 3, -2, -0.4), "
        "(:id, :day, 'A', 'average_satisfaction', 3, NULL, 4.8, NULL, NULL), "
        "(:id, :day, 'B', 'net_sales', 2, 0, 10, 10, NULL)",
        id=policy_id,
        day=date(year - 1, 12, 31),
    )
    query(
        database,
        "INSERT INTO tiering.policy_evaluation VALUES (:id, :year, 'moved_up', '-', 6), "
        "(:id, :year, 'flip_flops_per_100', '-', 44.4444), "
        "(:id, :year, 'provisional_share', '-', 0.129), (:id, :year, 'customers_at_start', '-', 5), "
        "(:id, :year, 'customers_at_start', 'A', 3), (:id, :year, 'customers_at_end', 'A', 4)",
        id=policy_id,
        year=year,
    )


def test_an_evaluation_is_told_once_to_the_general_manager_alone(corp: Database) -> None:
    write(corp)
    taken(corp)
    evaluated(corp)
    assert write(corp).mails == 1
    ((key, (text, sheets, mail)),) = taken(corp).items()
    assert key == ("general_manager", "Evaluation of")
    assert str(mail["Subject"]) == "Evaluation of 2025"
    for said in (
        "Evaluation of 2025: Club",
        "* Moves up | 6",
        "* The same per 100 customers | 44.44",
        "* Share of provisional decisions | 12.9%",
        "* A · Best | +30.0% | Net sales",
        "    Customers: 3 at the start of the year, 4 at its end\n",
        "    Net sales: CN¥1,000 → CN¥1,300\n",
        "    Complaints: 5 → 3\n",
        "    Satisfaction: – → 4.8\n",
        "The 12 months after December 31, 2024 against",
    ):
        assert said in text, said
    assert ("B", "Net sales", 0, 10) in [(row[3], row[6], row[7], row[8]) for row in sheets["Effect of the tiers"][1:]]
    assert len(sheets["Evaluation"]) == 7
    assert query(corp, "SELECT policy_id, year FROM tiering.told_evaluation") == [("club", 2025)]
    assert write(corp) == Written(None, 0, 0, 0)
    query(corp, "UPDATE tiering.policy_evaluation SET value = 7")
    assert write(corp) == Written(None, 0, 0, 0), "evaluated again, it is not told again"
    evaluated(corp, "guild")
    assert write(corp).mails == 1
    assert "Guild" in next(iter(taken(corp).values()))[0]


def test_an_evaluation_rides_along_with_what_moved_and_has_the_same_message_id_again(corp: Database) -> None:
    evaluated(corp)
    write(corp)
    names = query(corp, "SELECT message_id FROM tiering.email_outbox ORDER BY 1")
    text, _, mail = taken(corp)["general_manager", "Customer tiers overall"]
    assert "Evaluation of 2025: Club" in text
    query(corp, "UPDATE tiering.run SET digest_id = NULL WHERE as_of = DATE '2026-03-31'")
    query(corp, "DELETE FROM tiering.told_evaluation")
    write(corp)
    assert query(corp, "SELECT message_id FROM tiering.email_outbox ORDER BY 1") == names
    assert "Evaluation of 2025: Club" in taken(corp)["general_manager", "Customer tiers overall"][0]


def test_what_was_evaluated_while_there_was_nobody_to_tell_is_not_told_later(corp: Database) -> None:
    write(corp)
    taken(corp)
    evaluated(corp)
    assert write(corp, general_manager="") == Written(None, 0, 0, 0)
    assert write(corp) == Written(None, 0, 0, 0)
    assert taken(corp) == {}


# ---- how it looks


@pytest.mark.parametrize("locale", ["en", "zh"])
@pytest.mark.parametrize("engine_name", ["duckdb"])
def test_numbers_of_the_page_are_those_of_the_workbook(corp: Database, locale: str) -> None:
    _ = Language(locale)
    for key in (("D1", "superior"), ("general_manager", "general")):
        digest = replace(digests(corp)[key], locale=locale)
        text, sheets, rendered = mail_of(digest)
        managers, regions = sheets[_("Account managers")], sheets[_("Regions")]
        for rows, roll_ups in ((managers, "managers"), (regions, "regions")):
            told = [row[-8:-2] for row in rows[1:]]
            assert told == [
                (
                    *(getattr(tally, field) for field in FIELDS),
                    None if tally.at_stake is None else float(tally.at_stake),
                )
                for roll_up in digest.roll_ups
                for tally in getattr(roll_up, roll_ups)
            ]
        counts = {name: getattr(digest.roll_ups[0].whole, name) for name in ("up", "down", "new", "left")}
        moves = _("{up} up, {down} down, {new} new, {left} left", **counts)
        assert _("Customers: {count}; {moves}", count=digest.roll_ups[0].whole.customers, moves=moves) in text
        assert _("By region") in rendered.html
        assert "Canary" not in rendered.subject
        if key[1] == "general":
            matrix = [line for line in text.splitlines() if line.startswith("* A | ")]
            cells = [digest.migrations[0].customers.get(("A", end), 0) for end in (*"ABCD", None)]
            assert matrix[0] == "* A | " + " | ".join(str(cell) if cell else "–" for cell in cells)


def test_a_matrix_that_no_phone_can_show_is_a_list() -> None:
    tiers = tuple(f"tier_{place}" for place in range(9))
    moves: dict[tuple[str | None, str | None], int] = {
        (start, end): place + other + 1 for place, start in enumerate(tiers) for other, end in enumerate(tiers)
    }
    migration = Migration(
        "p", {"en": "P"}, FEBRUARY, MARCH, tiers, {**moves, (None, "tier_0"): 99, ("tier_8", None): 98}
    )
    section = digest_with(migration)
    text, sheets, _ = mail_of(section)
    assert "* New | tier_0 | 99\n* tier_8 | Left | 98\n" in text
    assert "Not listed here: 54 more, see the attached workbook" in text
    assert len(sheets["From tier to tier"]) == 1 + 83


def digest_with(*migrations: Migration) -> Digest:
    from reports.digest import PolicySection

    sections = tuple(PolicySection(each.policy_id, each.title, each.as_of, (), (), {}) for each in migrations)
    return Digest("general_manager", "", GENERAL, "en", "CNY", sections, (), kind="general", migrations=migrations)


def test_nothing_moved_is_quiet_for_those_above() -> None:
    quiet = digest_with()
    assert digest_is_quiet(quiet)
    assert digest_is_quiet(replace(quiet, unassigned_customers=3, kind="superior"))
    assert render_digest(quiet).subject == "Customer tiers overall"


def test_hostile_names_stay_text(corp: Database) -> None:
    query(corp, "UPDATE facts.customers SET name = '<script>alert(1)</script>', region = '=cmd|x'")
    query(
        corp,
        "UPDATE facts.account_managers SET name = '<b>\"Rosa\"', region = '<i>North' WHERE account_manager_id = 'R1'",
    )
    for key in (("D1", "superior"), ("general_manager", "general")):
        text, sheets, rendered = mail_of(digests(corp)[key])
        assert "<script" not in rendered.html
        assert '<b>"Rosa' not in rendered.html
        assert "<i>" not in rendered.html
        assert '<b>"Rosa"' in text or key[1] == "general"
        assert "Rosa" not in rendered.subject
        assert any(row[3] == '<b>"Rosa"' for row in sheets["Account managers"])


INSPECTION = (Path(__file__).parent / "inspect_page.js").read_text(encoding="utf-8")


@pytest.mark.skipif(find_browser() is None, reason="Chromium is not installed; tools/chromium.sh does it")
@pytest.mark.parametrize("engine_name", ["duckdb"])
def test_pages_hold_on_a_phone_and_in_the_dark(corp: Database, tmp_path: Path) -> None:
    evaluated(corp)
    level(corp, "A", "answered", date(2026, 3, 1), MARCH, "0.8999", 12_345_678)
    long_name = "Vereinigte-Hochdruckdampfkesselrohrleitungsarmaturenwerke"
    query(corp, "UPDATE facts.account_managers SET name = :name WHERE account_manager_id = 'R1'", name=long_name)
    query(corp, "UPDATE facts.customers SET region = :name, name = :name", name="W" * 60)
    position(corp, "C000", MARCH, "CNY", 10**12, 2, 3, 4, 5, 6)
    found = digests(corp)
    with Browser() as browser:
        for key, locale in product((("D1", "superior"), ("general_manager", "general")), ("en", "zh")):
            page = tmp_path / f"{key[0]}-{locale}.html"
            page.write_text(render_digest(replace(found[key], locale=locale)).html, encoding="utf-8")
            for width, scheme in product((360, 1200), ("light", "dark")):
                browser.open(page, width, scheme)  # type: ignore[arg-type]
                seen = browser.evaluate(INSPECTION)
                assert (seen["scrollWidth"], seen["beyond"], seen["spilt"]) == (width, [], []), (page, width)
                assert seen["faint"] == []
                assert seen["texts"] > 60
