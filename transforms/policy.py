"""The policy language: one YAML file says who is graded, by what, how it is decided, and what follows."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)

from sql.errors import TieringError
from transforms.calendar import parse_window
from transforms.conditions import Condition, spell_number
from transforms.policy_text import PolicyText

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Localized = dict[Literal["en", "zh"], str]


def _exact(value: Any) -> Any:
    return Decimal(value) if type(value) is int else value


Number = Annotated[Decimal, BeforeValidator(_exact), PlainSerializer(spell_number, when_used="json")]
Words = Annotated[str, PlainSerializer(lambda text: Condition(text).meaning, when_used="json")]
"""A condition; its spelling does not count when two policies are compared."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class Ties(_Part):
    """How equal values are told apart: by these indicators, and `customer_id` at last."""

    by: list[str]


class Indicator(_Part):
    """One thing a policy looks at: exactly one of `measure`, `top`, `rank`, `count` or `quantile`.

    - `measure`: a measure of sql/measures over a `window`, on a `basis` (gross or net) where it has one
    - `top`: whether the account is among the first N by the indicator `of`; only values above zero can be
    - `rank`: position by the indicator named, 1 = highest; equal values share the best position of the tie
    - `count`: how many accounts are graded
    - `quantile`: 1 … N by the indicator `of`; `method: rank` keeps equal values together
    """

    measure: Name | None = None
    window: str | None = None
    basis: Literal["gross", "net"] | None = None
    top: Annotated[int, Field(gt=0)] | None = None
    rank: Name | None = None
    count: Literal["graded"] | None = None
    quantile: Annotated[int, Field(ge=2, le=100)] | None = None
    method: Literal["rank"] | None = None
    of: Name | None = None
    within: Literal["population"] = "population"
    ties: Ties | None = None
    title: Localized = Field(default_factory=dict)
    unit: Literal["money", "ratio", "count", "days", "points", "rank", "flag", "text"] | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Indicator:
        kinds = [name for name in ("measure", "top", "rank", "count", "quantile") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError("an indicator says one of measure, top, rank, count or quantile")
        if self.measure is not None and self.window is None:
            raise ValueError("a measure needs a window, such as 12 months or calendar_year")
        if (self.top is not None or self.quantile is not None) and self.of is None:
            raise ValueError(f"{kinds[0]} needs `of`, the indicator that orders the accounts")
        if self.quantile is not None and self.method is None:
            raise ValueError("quantile needs a method: rank (equal values stay together)")
        return self

    @field_validator("window")
    @classmethod
    def _is_window(cls, value: str | None) -> str | None:
        if value is not None:
            parse_window(value)
        return value

    @property
    def is_statistic(self) -> bool:
        """Whether the value depends on everybody, not on the account alone."""
        return self.measure is None

    @property
    def source_indicator(self) -> str | None:
        """The indicator a statistic is taken of."""
        return self.of or self.rank


class Rule(_Part):
    """A tier and the condition under which it is given; without a condition: everybody who is left."""

    tier: str
    when: Words | None = None

    @field_validator("when")
    @classmethod
    def _parses(cls, value: str | None) -> str | None:
        if value is not None:
            Condition(value)
        return value

    @cached_property
    def condition(self) -> Condition | None:
        """The parsed condition."""
        return Condition(self.when) if self.when is not None else None


class Band(_Part):
    """Values up to and including `to` (without `to`: all that are left) get `score`."""

    to: Number | None = None
    score: int


class Digit(_Part):
    """One digit of a composite code: bands on an indicator, or the indicator's own value."""

    indicator: Name
    bands: list[Band] | None = None

    @model_validator(mode="after")
    def _is_ordered(self) -> Digit:
        limits = [band.to for band in self.bands or []]
        if self.bands is not None and (not limits or limits[-1] is not None or None in limits[:-1]):
            raise ValueError("bands: every band but the last says `to`, the last one takes what is left")
        inner = [limit for limit in limits if limit is not None]
        if any(low >= high for low, high in zip(inner, inner[1:], strict=False)):
            raise ValueError("bands: the bounds must rise; two bands would overlap")
        return self


class ScoreTier(_Part):
    """A tier for scores from `at_least` on; without it: everybody who is left."""

    tier: str
    at_least: Number | None = None


class Composite(_Part):
    """Digits joined to a code such as 555; the tier comes from their sum."""

    digits: list[Digit]
    tiers: list[ScoreTier]

    @model_validator(mode="after")
    def _falls(self) -> Composite:
        bounds = [tier.at_least for tier in self.tiers]
        if not bounds or bounds[-1] is not None or None in bounds[:-1]:
            raise ValueError("tiers: every tier but the last says `at_least`, the last one takes what is left")
        inner = [bound for bound in bounds if bound is not None]
        if any(high <= low for high, low in zip(inner, inner[1:], strict=False)):
            raise ValueError("tiers: the bounds must fall, best tier first")
        return self


class Share(_Part):
    """A tier and its part of the accounts, in percent."""

    tier: str
    percent: Annotated[Number, Field(gt=0)]


class TopShare(_Part):
    """Tiers by position: the first so many percent of the graded accounts, cumulated and rounded half up."""

    rank: Name
    of: Name
    shares: list[Share]

    @model_validator(mode="after")
    def _is_whole(self) -> TopShare:
        if sum(share.percent for share in self.shares) != 100:
            raise ValueError("shares: the percentages must add up to 100")
        return self


class Decide(_Part):
    """How tiers are decided: exactly one shape."""

    rules: list[Rule] | None = None
    composite: Composite | None = None
    top_share: TopShare | None = None

    @model_validator(mode="after")
    def _is_one_shape(self) -> Decide:
        shapes = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(shapes) != 1:
            raise ValueError("decide has exactly one of: " + ", ".join(type(self).model_fields))
        if self.rules is not None and (not self.rules or self.rules[-1].when is not None):
            raise ValueError("rules: the last rule has no condition, so that nobody is left over")
        return self

    @property
    def tiers(self) -> list[str]:
        """The tiers the shape can give."""
        parts: list[Any] = self.rules or (self.composite.tiers if self.composite else self.top_share.shares)  # type: ignore[union-attr]
        return list(dict.fromkeys(part.tier for part in parts))

    @property
    def indicators(self) -> list[str]:
        """The indicators the shape reads."""
        if self.rules:
            names = [name for rule in self.rules if rule.condition for name in rule.condition.indicators]
        elif self.composite:
            names = [digit.indicator for digit in self.composite.digits]
        else:
            names = [self.top_share.rank, self.top_share.of]  # type: ignore[union-attr]
        return list(dict.fromkeys(names))


class Missing(_Part):
    """What an undefined indicator means: this tier, with this status."""

    tier: str
    status: Literal["provisional", "final"] = "provisional"


class Step(_Part):
    """How often a move must be found before it counts."""

    after: Annotated[int, Field(ge=1)] = 1


class Movement(_Part):
    """How tiers may move from one published day to the next."""

    down: Step = Step()
    up: Step = Step()
    max_steps_down: Annotated[int, Field(ge=1)] | None = None
    min_stay: str | None = None

    @model_validator(mode="after")
    def _is_immediate(self) -> Movement:
        if (self.down.after, self.up.after, self.max_steps_down, self.min_stay) != (1, 1, None, None):
            raise ValueError(
                "movement: this version moves tiers at once: after is 1, max_steps_down and min_stay are null"
            )
        return self


class Approve(_Part):
    """Which tiers nobody gets without these people's word."""

    tiers: list[str]
    by: list[str]


class Breaker(_Part):
    """When a publication is held: more than this share of the customers graded before would move."""

    moved_share: Annotated[Number, Field(ge=0, le=1)]


class Review(_Part):
    """Who is asked before anything is published."""

    approve: Approve | None = None
    breaker: Breaker | None = None


class Policy(_Part):
    """One policy. Every name in it is checked against what it declares."""

    id: Name
    title: Localized
    ref: str
    grain: Literal["customer", "bill_to", "group"]
    schedule: str
    as_of: Literal["run_day", "previous_day", "previous_month_end", "previous_quarter_end", "previous_year_end"]
    tiers: list[str]
    tier_titles: dict[str, Localized] = Field(default_factory=dict)
    indicators: dict[Name, Indicator]
    gate: dict[Name, Words] = Field(default_factory=dict)
    decide: Decide
    missing: dict[Name, Missing] = Field(default_factory=dict)
    value: Name | None = None
    movement: Movement = Movement()
    review: Review = Review()
    actions: dict[str, Localized] = Field(default_factory=dict)
    effective_from: date | None = None
    text: str = Field(default="", exclude=True, repr=False)

    @field_validator("effective_from", mode="before")
    @classmethod
    def _is_day(cls, value: Any) -> Any:
        if not isinstance(value, str | date | None):
            raise ValueError("a day is written as 2026-01-31")
        return date.fromisoformat(value) if isinstance(value, str) else value

    @field_validator("gate")
    @classmethod
    def _gates_parse(cls, value: dict[str, str]) -> dict[str, str]:
        for condition in value.values():
            Condition(condition)
        return value

    @model_validator(mode="after")
    def _names_are_declared(self) -> Policy:
        if len({tier.casefold() for tier in self.tiers}) != len(self.tiers):
            raise ValueError("tiers: two tiers have one name")
        for place, names in self._mentioned().items():
            for name in names:
                known = self.tiers if place.endswith("tier") else list(self.indicators)
                if name not in known:
                    near = get_close_matches(name, known, n=1)
                    hint = f"; did you mean {near[0]}?" if near else ""
                    raise ValueError(f"{place}: {name} is not declared{hint}")
        if set(self.decide.tiers) != set(self.tiers):
            never = [tier for tier in self.tiers if tier not in self.decide.tiers]
            raise ValueError(f"decide: no rule ever gives {', '.join(never)}")
        self._check_kinds()
        if self.as_of != "previous_year_end":
            for name, indicator in self.indicators.items():
                if indicator.window == "calendar_year":
                    raise ValueError(f"indicators.{name}: a calendar_year needs as_of: previous_year_end")
        return self

    def _check_kinds(self) -> None:
        for gate, condition in self.gate.items():
            for name in Condition(condition).indicators:
                if self.indicators[name].is_statistic:
                    raise ValueError(f"gate.{gate}: {name} is taken over those who pass the gates; gate on a measure")
        for name, indicator in self.indicators.items():
            source = indicator.source_indicator
            if source and self.indicators[source].is_statistic:
                raise ValueError(f"indicators.{name}: {source} is a statistic itself; take it of a measure")
        share = self.decide.top_share
        if share and self.indicators[share.rank].rank is None:
            raise ValueError(f"decide.top_share.rank: {share.rank} is no rank; declare one: {{rank: …}}")
        if share and self.indicators[share.of].count is None:
            raise ValueError(f"decide.top_share.of: {share.of} is no count; declare one: {{count: graded}}")

    def _mentioned(self) -> dict[str, list[str]]:
        statistics = [i.source_indicator for i in self.indicators.values() if i.source_indicator]
        ties = [name for i in self.indicators.values() if i.ties for name in i.ties.by if name != "customer_id"]
        return {
            "decide.tier": self.decide.tiers,
            "decide": self.decide.indicators,
            "gate": [name for condition in self.gate.values() for name in Condition(condition).indicators],
            "missing": list(self.missing),
            "missing.tier": [entry.tier for entry in self.missing.values()],
            "indicators": statistics,
            "ties": ties,
            "value": [self.value] if self.value else [],
            "actions.tier": list(self.actions),
            "tier_titles.tier": list(self.tier_titles),
            "review.approve.tier": list(self.review.approve.tiers) if self.review.approve else [],
        }

    @cached_property
    def version(self) -> str:
        """SHA-256 of the meaning: comments, key order, spelling of numbers and conditions do not count.

        The order under `gate` and under `missing` is meaning: the first entry that applies counts.
        """
        meaning = self.model_dump(mode="json", exclude={"text"}, exclude_defaults=True)
        meaning |= {name: list(meaning[name].items()) for name in ("gate", "missing") if name in meaning}
        return hashlib.sha256(json.dumps(meaning, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def rank_of(self, tier: str) -> int:
        """Return the rank of a tier, 1 = best."""
        return self.tiers.index(tier) + 1

    def rule_of(self, tier: str) -> str:
        """Return in plain words when the policy gives a tier."""
        decide = self.decide
        if decide.rules is not None:
            return " or ".join(rule.when or "everybody else" for rule in decide.rules if rule.tier == tier)
        if decide.composite is not None:
            bounds = [part.at_least for part in decide.composite.tiers if part.tier == tier]
            return " or ".join("everybody else" if bound is None else f"score >= {bound}" for bound in bounds)
        shares = decide.top_share.shares if decide.top_share else []
        percents = [part.percent for part in shares if part.tier == tier]
        return " and ".join(f"the next {percent} % by {decide.indicators[0]}" for percent in percents)

    def title_of(self, indicator: str) -> dict[str, str]:
        """Return the titles of an indicator; its own name where the policy gives none."""
        titles = {str(language): text for language, text in self.indicators[indicator].title.items()}
        return titles or {"en": indicator.replace("_", " ")}


def parse_policy(text: str, name: str) -> Policy:
    """Return the policy in `text`.

    Raises TieringError naming file (`name`), line, what is wrong and a near miss.
    """
    parsed = PolicyText(text, name)
    if "text" in parsed.data:
        raise parsed.error_at(parsed.line_of(("text",)), "text: this key is unknown")
    try:
        return Policy.model_validate({**parsed.data, "text": text})
    except ValidationError as error:
        errors = error.errors()  # a misspelled key is told before the key that it was meant to be
        first = next((found for found in errors if found["type"] == "extra_forbidden"), errors[0])
        path = tuple(part for part in first["loc"] if part not in ("[key]",))
        place = ".".join(str(part) for part in path)
        message = str(first["msg"]).removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            known = _keys_at(path[:-1])
            near = get_close_matches(str(path[-1]), known, n=1)
            message = "this key is unknown" + (f"; did you mean {near[0]}?" if near else "")
        if not path:  # the check of the whole policy names the place itself, such as decide.tier: …
            path = tuple(message.partition(":")[0].split("."))
        raise parsed.error_at(parsed.line_of(path), f"{place}: {message}" if place else message) from None


def _keys_at(path: tuple[Any, ...]) -> list[str]:
    """Return the keys the language knows at `path`, for a hint."""
    model: Any = Policy
    for part in path:
        field = getattr(model, "model_fields", {}).get(part)
        candidates = _models_in(field.annotation) if field else []
        if candidates:
            model = candidates[0]
    return list(getattr(model, "model_fields", {}))


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def read_policies(folder: Path) -> dict[str, Policy]:
    """Return every policy of a folder by id.

    Raises TieringError when the folder holds none, a file does not parse, or two files share an id.
    """
    policies: dict[str, Policy] = {}
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise TieringError(f"TIERING_POLICIES: {folder.name}/ holds no .yaml file; add a policy")
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise TieringError(f"{folder.name}/{path.name}: this is not UTF-8; save the file as UTF-8") from None
        policy = parse_policy(text, f"{folder.name}/{path.name}")
        if policy.id != path.stem:
            raise TieringError(f"{folder.name}/{path.name}: the id {policy.id} is not the name of the file")
        policies[policy.id] = policy
    return policies
