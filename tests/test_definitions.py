"""Definitions: what a tier of a policy version means is kept with it, in the words and numbers of the policy."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from companies import ENGINES, Warehouses, columns_of, fresh, query, shipped_policies, warehouses

from sql.connect import Database, connected, kept_open
from sql.definitions import keep_definitions
from transforms.policy import Policy, parse_policy
from transforms.policy_text import PolicyText

POLICIES = shipped_policies()

Row = Mapping[str, Any]


def keep(database: Database, *policies: Policy) -> None:
    with connected(database, "tiering_warehouse") as connection:
        for policy in policies:
            keep_definitions(connection, policy)


def definitions_of(database: Database) -> dict[tuple[str, str], Row]:
    """Return the rows of tier_definition by policy and tier."""
    names = columns_of(database, "tiering", "tier_definition")
    rows = [dict(zip(names, row, strict=True)) for row in query(database, "SELECT * FROM tiering.tier_definition")]
    return {(row["policy_id"], row["tier"]): row for row in rows}


@pytest.fixture(scope="module", params=ENGINES)
def kept(request: pytest.FixtureRequest, warehouses: Warehouses) -> Iterator[dict[tuple[str, str], Row]]:
    """What is kept of every shipped policy."""
    database = warehouses.empty(request.param)
    with kept_open(database):
        keep(database, *POLICIES.values())
        yield definitions_of(database)
    warehouses.drop(database)


def told(policy: Policy) -> dict[str, Any]:
    """Return what the text of a policy says, read without the model of the language."""
    return PolicyText(policy.text, policy.id).data


def equal(found: Any, said: Any) -> bool:
    """Whether a value of JSON is what the text says; a number with a point stands as text, so that no digit is lost."""
    if isinstance(said, dict):
        return set(found) == set(said) and all(equal(found[name], said[name]) for name in said)
    if isinstance(said, Decimal | int):
        return isinstance(found, str | int) and Decimal(found) == said
    return bool(found == said)


def same(text: str | None, said: dict[str, Any]) -> bool:
    """Whether JSON says what the text of the policy says: nothing where that says nothing."""
    return equal(json.loads(text), said) if text else not said


@pytest.mark.parametrize("policy_id", POLICIES)
def test_a_definition_says_what_the_text_of_the_policy_says(policy_id: str, kept: dict[tuple[str, str], Row]) -> None:
    policy, text = POLICIES[policy_id], told(POLICIES[policy_id])
    for rank, tier in enumerate(policy.tiers, 1):
        row = kept[policy_id, tier]
        service = dict(text.get("service", {}).get(tier, {}))
        titles = text.get("tier_titles", {}).get(tier, {})
        assert (row["policy_version"], row["tier_rank"]) == (policy.version, rank)
        assert (row["title_en"], row["title_zh"]) == (titles.get("en"), titles.get("zh"))
        assert row["rule"] == policy.rule_of(tier)
        assert (row["owner_level"], row["coverage"]) == (service.pop("owner", None), service.pop("coverage", None))
        assert row["span_of_control"] == service.pop("span", None)
        if "replied" in service:
            service["replied"] = {"share": 1, **service["replied"]}
        assert same(row["service_levels"], service), row["service_levels"]
        assert same(row["terms"], text.get("terms", {}).get(tier, {})), row["terms"]
        assert same(row["actions"], text.get("actions", {}).get(tier, {})), row["actions"]
        assert row["follow_up_days"] == text.get("follow_up", {}).get("every_days", {}).get(tier)


def test_every_shipped_policy_and_nothing_else_is_kept(kept: dict[tuple[str, str], Row]) -> None:
    assert set(kept) == {(policy.id, tier) for policy in POLICIES.values() for tier in policy.tiers}
    for column in ("terms", "service_levels", "owner_level", "coverage", "span_of_control", "follow_up_days"):
        assert len([row for row in kept.values() if row[column] is not None]) > 5, column


# What the catalogue prints, by row: policy, tier, column and what it holds.
PRINTED = [
    ("S47", "collection_classes", "A", "terms", {"grace_days": 15, "credit_limit": "largest_order"}),
    ("S47", "collection_classes", "D", "terms", {"payment": "cash_on_delivery"}),
    ("S26", "tier_and_type", "high", "terms", {"payment": "open_account", "delivery_days": 3, "discount_rate": "0.08"}),
    ("S26", "tier_and_type", "ordinary", "terms", {"payment": "cash_on_delivery", "days": 0}),
    (
        "S24",
        "call_service",
        "vip",
        "service_levels",
        {"answered": {"seconds": 20, "share": "0.9"}, "queue_priority": 1},
    ),
    ("S24", "call_service", "mid", "service_levels", {"answered": {"seconds": 20, "share": "0.85"}}),
    ("S24", "call_service", "ordinary", "service_levels", {"answered": {"seconds": 20, "share": "0.85"}}),
    ("S65", "call_service", "ordinary", "service_levels", {"replied": {"days": 1, "share": "1"}}),
    ("S36", "aftersales_service", "vip", "service_levels", {"replied": {"days": 1, "share": "1"}, "queue_priority": 1}),
]


@pytest.mark.parametrize(("ref", "policy_id", "tier", "column", "part"), PRINTED)
def test_the_catalogue_is_kept_as_it_is_printed(
    ref: str, policy_id: str, tier: str, column: str, part: dict[str, Any], kept: dict[tuple[str, str], Row]
) -> None:
    assert ref in POLICIES[policy_id].ref
    assert part.items() <= json.loads(kept[policy_id, tier][column]).items()


@pytest.mark.parametrize(
    ("policy_id", "tier", "owner", "coverage"),
    [
        ("aftersales_service", "vip", "dedicated service team", "dedicated"),  # S36
        ("tier_and_type", "high", "account manager", "dedicated"),  # S25: a dedicated manager, a desk for the many
        ("tier_and_type", "ordinary", "sales desk", "inside_sales"),
        (
            "retail_bank_abc",
            "A",
            "relationship manager",
            "dedicated",
        ),  # S52: a team of their own for the most important
        ("pyramid", "platinum", "sales_director", "dedicated"),  # S11: the best are led by the manager
    ],
)
def test_the_best_have_an_owner_of_their_own(
    policy_id: str, tier: str, owner: str, coverage: str, kept: dict[tuple[str, str], Row]
) -> None:
    row = kept[policy_id, tier]
    assert (row["owner_level"], row["coverage"]) == (owner, coverage)


def test_the_pipeline_keeps_its_five_cadences(kept: dict[tuple[str, str], Row]) -> None:
    """S46: A daily, B weekly, C half-monthly, D monthly, E yearly."""
    found = {tier: kept["pipeline_stage", tier]["follow_up_days"] for tier in "ABCDE"}
    assert found == {"A": 1, "B": 7, "C": 15, "D": 30, "E": 365}


def test_channels_are_kept_per_tier(kept: dict[tuple[str, str], Row]) -> None:
    """S53: the first by manager and event, the middle by phone and mail, the last by message."""
    channels = [
        json.loads(kept["pyramid", tier]["service_levels"])["channels"] for tier in ("platinum", "iron", "lead")
    ]
    assert channels == [["visit", "event", "phone"], ["visit", "phone", "mail"], ["sms", "wechat", "mail"]]


def test_a_version_is_kept_once_and_another_one_beside_it(fresh: Database) -> None:
    policy = POLICIES["tier_and_type"]
    changed = parse_policy(policy.text.replace("delivery_days: 3", "delivery_days: 2"), "tier_and_type.yaml")
    respelled = parse_policy(f"# a remark\n{policy.text}", "tier_and_type.yaml")
    keep(fresh, policy, policy, respelled)
    first = query(fresh, "SELECT * FROM tiering.tier_definition ORDER BY tier_rank")
    classes = query(fresh, "SELECT COUNT(*) FROM tiering.class_definition")
    assert len(first) == 3
    assert classes == [(3 * 4,)]
    keep(fresh, changed)
    assert set(first) < set(query(fresh, "SELECT * FROM tiering.tier_definition"))
    days = query(fresh, "SELECT policy_version, terms FROM tiering.tier_definition WHERE tier = 'high'")
    assert {version: json.loads(terms)["delivery_days"] for version, terms in days} == {
        policy.version: 3,
        changed.version: 2,
    }
    texts = dict(query(fresh, "SELECT policy_version, policy_text FROM tiering.policy_version"))
    assert texts == {policy.version: policy.text, changed.version: changed.text}
