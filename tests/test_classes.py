"""Classes: they stand beside the tier, never move it, and follow the latest published day alone."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from companies import (
    Warehouses,
    contents,
    embedded,
    empty,
    fresh,
    policies_for,
    publish_rows,
    query,
    shipped_policies,
    stage_rows,
    warehouses,
)
from test_invariants import broken_invariants

from sql.connect import Database, kept_open
from sql.definitions import merge_actions
from sql.digests import Written, write_digests
from sql.publish import publish_run
from sql.review import Review
from transforms.policy import Policy, parse_policy

POLICIES = shipped_policies()
BESIDE = {policy_id: policy for policy_id, policy in POLICIES.items() if policy.class_ is not None}
ALONE = {policy_id: policy for policy_id, policy in POLICIES.items() if policy.publishes == "class"}
BANK = POLICIES["tier_and_type"]
SEGMENTS = POLICIES["consumer_segments"]
DAYS = (date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28))

CLASSES = "SELECT customer_id, class, as_of FROM tiering.customer_class WHERE policy_id = :id ORDER BY customer_id"


def company(number: str, net_sales: int, nature: str | None) -> dict[str, Any]:
    return {"account_id": number, "net_sales": net_sales, "assets": 0, "default_records": 0, "nature": nature}


# c → b → a while the nature stays, a nature that changes, and one that is not known.
MONTHS = {
    DAYS[0]: [company("C1", 0, "private"), company("C2", 600_000, "government"), company("C3", 100_000, None)],
    DAYS[1]: [company("C1", 100_000, "private"), company("C2", 600_000, "state_owned"), company("C3", 0, None)],
    DAYS[2]: [company("C1", 500_000, "private"), company("C2", 600_000, "state_owned"), company("C3", 0, "private")],
}


def test_some_policies_classify_beside_their_tiers_and_some_alone() -> None:
    assert {"tier_and_type", "suitability", "aftersales_service"} <= set(BESIDE)
    assert {"consumer_segments", "dealership_lifecycle"} <= set(ALONE)


def test_a_class_stays_while_the_tier_moves_from_the_last_to_the_first(empty: Database) -> None:
    tiers, classes = [], []
    for day in DAYS:
        publish_rows(empty, BANK, day, MONTHS[day])
        tiers += query(empty, "SELECT tier FROM tiering.customer_tier WHERE customer_id = 'C1'")
        classes += query(empty, "SELECT class, as_of FROM tiering.customer_class WHERE customer_id = 'C1'")
    assert tiers == [("ordinary",), ("mid",), ("high",)]
    assert classes == [("private", day) for day in DAYS]
    moves = query(empty, "SELECT direction FROM tiering.tier_change WHERE customer_id = 'C1' ORDER BY as_of")
    assert moves == [("new",), ("up",), ("up",)]


def test_only_a_known_class_of_a_decided_account_is_published(embedded: Database) -> None:
    policy = POLICIES["suitability"]
    known = {"assets": 60_000, "risk_tolerance": 3, "product_risk": 3, "life_events": 0, "abnormal_events": 0}
    publish_rows(
        embedded,
        policy,
        DAYS[0],
        [
            {"account_id": "graded", **known, "dependence": "reference"},
            {"account_id": "of no class", **known, "dependence": None},
            {"account_id": "beyond a gate", **known, "product_risk": 4, "dependence": "reference"},
        ],
    )
    assert query(embedded, CLASSES, id=policy.id) == [("graded", "reference", DAYS[0])]
    assert query(embedded, "SELECT COUNT(*) FROM tiering.decision") == [(2,)]


@pytest.mark.parametrize("order", [(DAYS[1], DAYS[2], DAYS[0]), (DAYS[2], DAYS[0], DAYS[1])], ids=["first", "second"])
def test_whichever_day_comes_last_the_classes_are_those_of_the_latest_day(
    order: tuple[date, ...], warehouses: Warehouses
) -> None:
    """An earlier day that is published out of order changes no class."""
    database = warehouses.empty("duckdb")
    with kept_open(database):
        for place, day in enumerate(order):
            before = query(database, CLASSES, id=BANK.id)
            publish_rows(database, BANK, day, MONTHS[day])
            if day != max(order[: place + 1]):
                assert query(database, CLASSES, id=BANK.id) == before
        expected = [("C1", "private"), ("C2", "state_owned"), ("C3", "private")]
        assert query(database, CLASSES, id=BANK.id) == [(*row, DAYS[2]) for row in expected]
        assert broken_invariants(database) == set()
    warehouses.drop(database)


def test_a_restatement_of_the_latest_day_changes_the_classes_and_of_an_earlier_one_does_not(embedded: Database) -> None:
    for day in DAYS:
        publish_rows(embedded, BANK, day, MONTHS[day])
    before = contents(embedded, "tiering")["tiering.customer_class"]
    others = [company("C1", 0, "government"), company("C9", 0, "government")]
    assert publish_rows(embedded, BANK, DAYS[1], others, restate="late").status == "published"
    assert contents(embedded, "tiering")["tiering.customer_class"] == before
    assert publish_rows(embedded, BANK, DAYS[2], others, restate="late").status == "published"
    assert query(embedded, CLASSES, id=BANK.id) == [("C1", "government", DAYS[2]), ("C9", "government", DAYS[2])]
    assert broken_invariants(embedded) == set()


def test_a_restatement_of_an_earlier_day_under_a_text_without_classes_leaves_them(embedded: Database) -> None:
    for day in DAYS[:2]:
        publish_rows(embedded, BANK, day, MONTHS[day])
    before = contents(embedded, "tiering")["tiering.customer_class"]
    text = BANK.text[: BANK.text.index("\nclass:")] + BANK.text[BANK.text.index("\nactions:") :]
    plain = parse_policy(text, "tier_and_type.yaml")
    assert plain.class_ is None
    publish_rows(embedded, plain, DAYS[0], MONTHS[DAYS[0]], restate="no classes")
    assert contents(embedded, "tiering")["tiering.customer_class"] == before
    publish_rows(embedded, plain, DAYS[2], MONTHS[DAYS[2]])
    assert query(embedded, CLASSES, id=BANK.id) == []


# A policy that publishes classes alone.

PEOPLE = [
    {"account_id": "P1", "region": "海外", "birth_year": 1990, "sex": "male", "income_band": "low"},
    {"account_id": "P2", "region": "华东", "birth_year": 1996, "sex": "male", "income_band": "low"},
    {"account_id": "P3", "region": "华东", "birth_year": 1965, "sex": "female", "income_band": None},
    {"account_id": "company", "region": "华东", "birth_year": None, "sex": None, "income_band": None},
]


def test_a_class_policy_keeps_what_it_found_and_writes_nothing_that_has_an_order(empty: Database) -> None:
    assert publish_rows(empty, SEGMENTS, DAYS[0], PEOPLE).status == "published"
    assert query(empty, CLASSES, id=SEGMENTS.id) == [
        ("P1", "overseas", DAYS[0]),
        ("P2", "youth", DAYS[0]),
        ("P3", "mature", DAYS[0]),
    ]
    rows = {name.partition(".")[2]: len(found) for name, found in contents(empty, "tiering").items()}
    assert rows["decision"] == 3
    assert rows["exclusion"] == 1
    assert rows["score_component"] == 4 * len(SEGMENTS.indicators)
    assert rows["tier_definition"] == len(SEGMENTS.tiers)
    for table in ("customer_tier", "customer_tier_history", "absence", "tier_change", "class_definition"):
        assert rows[table] == 0, table
    assert broken_invariants(empty) == set()


def test_the_mails_pass_over_a_class_policy(embedded: Database) -> None:
    publish_rows(embedded, SEGMENTS, DAYS[0], PEOPLE)
    options = {"currency": "CNY", "domain": "corp.example", "sender": "", "fallback_address": "desk@corp.example"}
    assert write_digests(embedded, **options) == Written(None, 0, 0, 0)
    publish_rows(embedded, BANK, DAYS[0], MONTHS[DAYS[0]])
    publish_rows(embedded, SEGMENTS, DAYS[1], PEOPLE[:2])
    assert write_digests(embedded, **options).mails == 1
    mails = query(embedded, "SELECT message FROM tiering.email_outbox")
    assert "P1" not in mails[0][0]
    assert query(embedded, "SELECT COUNT(*) FROM tiering.run WHERE digest_id IS NULL") == [(0,)]


@pytest.mark.parametrize("policy", [SEGMENTS, BANK], ids=lambda policy: policy.id)
def test_the_same_day_again_changes_no_row(policy: Policy, embedded: Database) -> None:
    rows = PEOPLE if policy is SEGMENTS else MONTHS[DAYS[0]]
    publish_rows(embedded, policy, DAYS[0], rows)
    before = contents(embedded, "tiering", without=["run_attempt"])
    this = stage_rows(embedded, policy, DAYS[0], rows)
    assert this.is_noop
    assert publish_run(embedded, policy, this, Review({})).status == "noop"
    assert contents(embedded, "tiering", without=["run_attempt"]) == before


def test_classes_of_one_policy_leave_those_of_another(embedded: Database) -> None:
    publish_rows(embedded, SEGMENTS, DAYS[0], PEOPLE)
    publish_rows(embedded, BANK, DAYS[0], MONTHS[DAYS[0]])
    publish_rows(embedded, BANK, DAYS[1], MONTHS[DAYS[1]])
    assert len(query(embedded, CLASSES, id=SEGMENTS.id)) == 3
    assert len(query(embedded, CLASSES, id=BANK.id)) == 2


@pytest.mark.postgres
def test_both_engines_publish_the_same_classes(warehouses: Warehouses) -> None:
    found = []
    for engine in ("duckdb", "postgresql"):
        database = warehouses.empty(engine)
        with kept_open(database):
            for day in (DAYS[1], DAYS[0], DAYS[2]):
                publish_rows(database, BANK, day, MONTHS[day])
                publish_rows(database, SEGMENTS, day, PEOPLE)
            tables = contents(database, "tiering")
        found.append({name: tables[f"tiering.{name}"] for name in ("customer_class", "class_definition")})
        warehouses.drop(database)
    assert found[0] == found[1]
    assert len(found[0]["customer_class"]) == 6


# What a class means in a tier.


def test_the_two_action_sets_are_merged_the_tiers_first(embedded: Database) -> None:
    """S68: what follows from the tier and what follows from the type are told together, per language."""
    publish_rows(embedded, BANK, DAYS[0], MONTHS[DAYS[0]])
    rows = query(embedded, "SELECT class, tier, title_en, title_zh, actions FROM tiering.class_definition")
    assert {row[:2] for row in rows} == {(name, tier) for name in BANK.class_.classes for tier in BANK.tiers}  # type: ignore[union-attr]
    told = {row[:2]: row[2:] for row in rows}
    english, chinese, actions = told["government", "high"]
    assert (english, chinese) == ("Government", "政府")
    assert json.loads(actions) == {
        "en": [
            "Own manager; priority delivery; best price; longer terms",
            "Tenders and budget calendar",
        ],
        "zh": ["专属经理；优先交货；最优价格；较长账期", "跟进招标与预算周期"],
    }


@pytest.mark.parametrize("policy_id", BESIDE)
def test_every_tier_and_class_of_a_shipped_policy_has_its_actions_in_both_languages(policy_id: str) -> None:
    policy = BESIDE[policy_id]
    for tier in policy.tiers:
        for name, class_ in policy.class_.classes.items():  # type: ignore[union-attr]
            for language in ("en", "zh"):
                parts = [part[language] for part in (policy.actions.get(tier), class_.actions) if part]
                assert merge_actions(policy, tier, name)[language] == parts
                assert parts


def test_actions_that_one_side_does_not_have_are_those_of_the_other() -> None:
    text = BANK.text.replace("      actions: {en: Tenders and budget calendar, zh: 跟进招标与预算周期}\n", "")
    policy = parse_policy(text, "tier_and_type.yaml")
    assert merge_actions(policy, "mid", "government") == {
        "en": ["Normal terms; offers to move up"],
        "zh": ["正常账期；引导升级"],
    }
    assert merge_actions(policy, "mid", "unknown") == merge_actions(policy, "mid", "government")
