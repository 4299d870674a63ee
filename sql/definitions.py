"""Definitions: what a version of a policy means, kept for whoever reads its tiers and classes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from sql.statements import run
from transforms.policy import Policy


def keep_definitions(connection: Connection, policy: Policy) -> None:
    """Keep the text of a policy version, its tiers and its classes, the first time it is published."""
    version = {"policy_id": policy.id, "policy_version": policy.version}
    run(
        connection,
        "warehouse/insert_policy_version.sql",
        {
            **version,
            "policy_text": policy.text,
            "effective_from": policy.effective_from,
            "first_used_at": datetime.now(UTC),
        },
    )
    for tier in policy.tiers:
        titles = policy.tier_titles.get(tier, {})
        service = policy.service.get(tier)
        terms = policy.terms.get(tier)
        run(
            connection,
            "warehouse/insert_tier_definition.sql",
            {
                **version,
                "tier": tier,
                "tier_rank": policy.rank_of(tier),
                "title_en": titles.get("en"),
                "title_zh": titles.get("zh"),
                "rule": policy.rule_of(tier),
                "actions": _as_json(policy.actions.get(tier)),
                "terms": _as_json(terms.model_dump(mode="json", exclude_none=True)) if terms else None,
                "service_levels": _as_json(
                    service.model_dump(
                        mode="json", exclude_none=True, include={"answered", "replied", "queue_priority", "channels"}
                    )
                )
                if service
                else None,
                "owner_level": service.owner if service else None,
                "coverage": service.coverage if service else None,
                "span_of_control": service.span if service else None,
                "follow_up_days": policy.follow_up.every_days.get(tier),
            },
        )
    for name, class_ in policy.class_.classes.items() if policy.class_ else ():
        titles = class_.title or {}
        for tier in policy.tiers:
            merged = merge_actions(policy, tier, name)
            run(
                connection,
                "warehouse/insert_class_definition.sql",
                {
                    **version,
                    "class": name,
                    "tier": tier,
                    "title_en": titles.get("en"),
                    "title_zh": titles.get("zh"),
                    "actions": _as_json(merged),
                },
            )


def merge_actions(policy: Policy, tier: str, class_: str) -> dict[str, list[str]]:
    """Return what follows from a tier and a class together: by language the tier's action, then the class's (S68)."""
    both = [policy.actions.get(tier) or {}]
    if policy.class_ is not None and class_ in policy.class_.classes:
        both.append(policy.class_.classes[class_].actions or {})
    texts = {language: [part[language] for part in both if language in part] for language in ("en", "zh")}
    return {language: found for language, found in texts.items() if found}


def _as_json(value: Any) -> str | None:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else None
