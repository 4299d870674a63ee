"""The policy language: one YAML file says who is graded, by what, how it is decided, and what follows."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from sql.errors import TieringError
from transforms.calendar import check_duration, check_schedule, parse_window
from transforms.conditions import Condition
from transforms.credit import Credit
from transforms.movement import Movement, Rules
from transforms.parts import Localized, Name, Number, Part, Words, check_words
from transforms.policy_errors import explain, near_miss
from transforms.policy_header import MAXIMUM_REF
from transforms.policy_text import PolicyText, read_policy_text
from transforms.shapes import Decide

STATISTICS = ("top", "rank", "percent_rank", "share", "cumulative_share", "quantile", "count")
KINDS = ("measure", "attribute", "assessment", *STATISTICS)


class Ties(Part):
    """How equal values are told apart: by these indicators, and `customer_id` at last."""

    by: list[str]


class Indicator(Part):
    """One thing a policy looks at: exactly one of the kinds below.

    Of the account alone:
    - `measure`: a measure of the library, over a `window`, on a `basis` or of a `kind` where it has them
    - `attribute`: what the source says of the customer: customer_type, industry, region, … or `attr_<name>`
    - `assessment`: what people judged last, with evidence and expiry

    Statistics over the accounts that pass the gates, `within` the whole population or a segment:
    - `top`: whether the account is among the first N by `of`; only values above zero can be
    - `rank`: the position, 1 = best; equal values share the best position of the tie
    - `percent_rank`: (position − 1) ÷ (accounts − 1), 0 = best
    - `share`: value ÷ total
    - `cumulative_share`: the share of all who are at least as good; `counts: others` leaves the account out
    - `quantile`: 1 … N by `of`, N = best, by a `method`: rank, ntile, pandas or r_rfm
    - `count`: how many accounts are graded

    `minimum`, `maximum` and `values` say what can occur; anything else stops the run, with the accounts named.
    `better` says which end is best: it orders statistics, which say it themselves where low is best, and the linter
    holds the decision against it.
    """

    measure: Name | None = None
    window: str | None = None
    basis: Literal["gross", "net"] | None = None
    kind: Annotated[Name | list[Name], Field()] | None = None
    attribute: Name | None = None
    assessment: Name | None = None
    top: Annotated[int, Field(gt=0)] | None = None
    rank: Name | None = None
    percent_rank: Name | None = None
    share: Name | None = None
    cumulative_share: Name | None = None
    counts: Literal["own", "others"] | None = None
    quantile: Annotated[int, Field(ge=2, le=100)] | None = None
    method: Literal["rank", "ntile", "pandas", "r_rfm"] | None = None
    count: Literal["graded"] | None = None
    of: Name | None = None
    within: Name = "population"
    ties: Ties | None = None
    better: Literal["high", "low"] | None = None
    minimum: Number | None = None
    maximum: Number | None = None
    values: Annotated[list[str], Field(min_length=1)] | None = None
    title: Localized | None = None
    dimension: Literal["value", "need", "loyalty", "behaviour", "credit", "size", "growth"] | None = None
    unit: Literal["money", "ratio", "count", "days", "months", "points", "rank", "number", "flag", "text"] | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Indicator:
        kinds = [name for name in KINDS if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(f"an indicator says one of {', '.join(KINDS[:-1])} or {KINDS[-1]}")
        if self.measure is None and (self.window or self.basis or self.kind):
            raise ValueError("window, basis and kind belong to a measure")
        if (self.top is not None or self.quantile is not None) != (self.of is not None):
            raise ValueError("`of` names the indicator that orders the accounts; top and quantile need it")
        if (self.quantile is not None) != (self.method is not None):
            raise ValueError("a quantile says its method: rank, ntile, pandas or r_rfm")
        if self.counts is not None and self.cumulative_share is None:
            raise ValueError("`counts` belongs to a cumulative_share")
        if not self.is_statistic and (self.ties or self.within != "population"):
            raise ValueError("`within` and `ties` belong to a statistic: top, rank, share, quantile, …")
        if self.values is not None and self.value_type != "text":
            raise ValueError("`values` lists the texts there are; numbers have a minimum and a maximum")
        if self.value_type != "number" and (self.minimum is not None or self.maximum is not None):
            raise ValueError("only a number has a minimum or a maximum")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is above maximum")
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
        return any(getattr(self, name) is not None for name in STATISTICS)

    @property
    def is_ordered(self) -> bool:
        """Whether it is a statistic that puts accounts in an order, from the best."""
        return self.is_statistic and self.share is None and self.count is None

    @property
    def source_indicator(self) -> str | None:
        """The indicator a statistic is taken of."""
        return self.of or self.rank or self.percent_rank or self.share or self.cumulative_share

    @property
    def best(self) -> Literal["high", "low"]:
        """Which end of the source indicator is the best, for a statistic."""
        return self.better or "high"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds a measure is taken of."""
        return () if self.kind is None else (self.kind,) if isinstance(self.kind, str) else tuple(self.kind)

    @property
    def value_type(self) -> Literal["number", "flag", "text"]:
        """What the values are."""
        if self.top is not None or self.unit == "flag":
            return "flag"
        if self.unit == "text" or (self.unit is None and self.attribute is not None):
            return "text"
        return "number"


class Gate(Part):
    """A condition that an account passes before it is graded."""

    when: Words
    title: Localized | None = None

    _parses = field_validator("when")(check_words)


def _gate(value: Any) -> Any:
    return {"when": value} if isinstance(value, str) else value


class Missing(Part):
    """What an undefined indicator means: a tier, or a value that it counts as; with a status."""

    tier: str | None = None
    as_: Annotated[
        str | bool | Decimal | None,
        BeforeValidator(lambda value: Decimal(value) if type(value) is int else value),
        Field(alias="as"),
    ] = None
    status: Literal["provisional", "final"] = "provisional"

    @model_validator(mode="after")
    def _is_one_kind(self) -> Missing:
        if (self.tier is None) == (self.as_ is None):
            raise ValueError("an undefined indicator gives a `tier`, or counts `as` a value")
        return self


class Approve(Part):
    """Which tiers nobody gets without these people's word.

    - `by`: the roles that are asked, one after the other; each must agree
    - `asks`: all who would hold such a tier, on every run; or only who is entering it
    - `within`: so long a request waits for its answer; then it counts as `unanswered` says
    - `meanwhile`: nothing is published until the answer is there (wait), or everything is, and who waits keeps the
      tier before (pending)
    """

    tiers: Annotated[list[str], Field(min_length=1)]
    by: Annotated[list[Name], Field(min_length=1, max_length=5)]
    asks: Literal["all", "entering"] = "all"
    within: str = "1 day"
    unanswered: Literal["rejected", "approved"] = "rejected"
    meanwhile: Literal["wait", "pending"] = "wait"

    _lasts = field_validator("within")(check_duration)

    @field_validator("by")
    @classmethod
    def _are_different(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("a role is asked once; name different ones")
        return value


class Breaker(Part):
    """When a publication is held and the policy's owner asked.

    - `moved_share`: more than this share of the customers graded before would move or disappear
    - `limit_share`: the total of the limits that the tiers state, or that the plan gives for credit, would change by
      more than this share
    """

    moved_share: Annotated[Number, Field(ge=0, le=1)] | None = None
    limit_share: Annotated[Number, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Breaker:
        if self.moved_share is None and self.limit_share is None:
            raise ValueError("a breaker says a moved_share, a limit_share or both")
        return self


class Review(Part):
    """Who is asked before anything is published."""

    approve: Approve | None = None
    breaker: Breaker | None = None


class Answered(Part):
    """Requests are answered within so many seconds, in at least this share of cases."""

    seconds: Annotated[int, Field(gt=0)]
    share: Annotated[Number, Field(gt=0, le=1)]


class Replied(Part):
    """Requests are closed within so many days, in at least this share of cases."""

    days: Annotated[int, Field(gt=0)]
    share: Annotated[Number, Field(gt=0, le=1)] = Decimal(1)


class Service(Part):
    """How customers of a tier are looked after: by whom, how many each, how fast."""

    owner: str | None = None
    coverage: Literal["dedicated", "shared", "inside_sales", "agent", "self_service"] | None = None
    span: Annotated[int, Field(gt=0)] | None = None
    channels: list[str] | None = None
    queue_priority: Annotated[int, Field(ge=1)] | None = None
    answered: Answered | None = None
    replied: Replied | None = None


class Terms(Part):
    """Commercial terms that follow from a tier."""

    payment: Literal["cash_on_delivery", "prepayment", "open_account"] | None = None
    days: Annotated[int, Field(ge=0)] | None = None
    grace_days: Annotated[int, Field(ge=0)] | None = None
    delivery_days: Annotated[int, Field(ge=0)] | None = None
    discount_rate: Annotated[Number, Field(ge=0, lt=1)] | None = None
    credit_limit: Annotated[Number, Field(ge=0)] | Literal["largest_order", "average_order"] | None = None


class Class(Part):
    """One class of a class axis."""

    title: Localized | None = None
    actions: Localized | None = None


class ClassAxis(Part):
    """A second axis that stands beside the tier and never moves it: an indicator and what follows from its values."""

    of: Name
    classes: Annotated[dict[str, Class], Field(min_length=1)]


class Task(Part):
    """A follow-up that somebody owes a customer: who it is for, within how many days, and what ends it.

    `held_for`: only for customers who have held their tier that long.
    """

    when: Words | None = None
    tiers: list[str] | None = None
    held_for: str | None = None
    within_days: Annotated[int, Field(ge=0)]
    done_by: Literal["contact", "next_run"] = "next_run"
    scope: Literal["graded", "everybody"] = "graded"
    title: Localized

    _parses = field_validator("when")(check_words)
    _lasts = field_validator("held_for")(check_duration)

    @model_validator(mode="after")
    def _is_for_somebody(self) -> Task:
        if self.when is None and self.tiers is None:
            raise ValueError("a task says for whom it is: `tiers`, `when`, or both")
        if self.scope == "everybody" and self.tiers is not None:
            raise ValueError("only who is graded has a tier: a task for everybody has no `tiers`")
        if self.held_for is not None and self.tiers is None:
            raise ValueError("`held_for` says how long a tier was held; name the `tiers`")
        return self


class FollowUp(Part):
    """When customers are contacted again: every so many days by tier, and tasks by condition."""

    every_days: dict[str, Annotated[int, Field(gt=0)]] = Field(default_factory=dict)
    tasks: dict[Name, Task] = Field(default_factory=dict)


class Outlook(Part):
    """What would win or cost a tier is published for customers near a line.

    - `near`: a change of at most this share of the larger of the value and the one that is needed; a change by one
      of what people count in whole numbers is always near
    """

    near: Annotated[Number, Field(gt=0, lt=1)] = Decimal("0.1")


def _outlook(value: Any) -> Any:
    if value is None:
        raise ValueError("nothing stands here; write {near: 0.10}, or false for no outlook")
    return None if value is False else value


class Policy(Part):
    """One policy. Every name in it is checked against what it declares."""

    id: Name
    title: Localized
    ref: Annotated[str, Field(min_length=1, max_length=MAXIMUM_REF)]
    grain: Literal["customer", "bill_to", "group", "opportunity", "request"]
    schedule: str
    as_of: Literal["run_day", "previous_day", "previous_month_end", "previous_quarter_end", "previous_year_end"]
    publishes: Literal["tier", "class"] = "tier"
    tiers: Annotated[list[str], Field(min_length=1)]
    tier_titles: dict[str, Localized] = Field(default_factory=dict)
    indicators: dict[Name, Indicator]
    gate: dict[Name, Annotated[Gate, BeforeValidator(_gate)]] = Field(default_factory=dict)
    decide: Decide
    missing: dict[Name, Missing] = Field(default_factory=dict)
    provisional: Words | None = None
    value: Name | None = None
    movement: Movement = Movement()
    review: Review = Review()
    class_: Annotated[ClassAxis | None, Field(alias="class")] = None
    actions: dict[str, Localized] = Field(default_factory=dict)
    service: dict[str, Service] = Field(default_factory=dict)
    terms: dict[str, Terms] = Field(default_factory=dict)
    follow_up: FollowUp = FollowUp()
    credit: Credit | None = None
    outlook: Annotated[Outlook | None, BeforeValidator(_outlook)] = Outlook()
    effective_from: date | None = None
    text: str = Field(default="", exclude=True, repr=False)

    _parses = field_validator("provisional")(check_words)
    _runs = field_validator("schedule")(check_schedule)

    @field_validator("effective_from", mode="before")
    @classmethod
    def _is_day(cls, value: Any) -> Any:
        if not isinstance(value, str | date | None):
            raise ValueError("a day is written as 2026-01-31")
        return date.fromisoformat(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _names_are_declared(self) -> Policy:
        if len({tier.casefold() for tier in self.tiers}) != len(self.tiers):
            raise ValueError("tiers: two tiers have one name")
        indicators = {**self._mentioned_indicators(), "missing": list(self.missing)}
        for known, places in ((self.tiers, self._mentioned_tiers()), (list(self.indicators), indicators)):
            for place, names in places.items():
                for name in names:
                    if name not in known:
                        what = "tier" if known is self.tiers else "indicator"
                        raise ValueError(f"{place}: the {what} {name} is not declared{near_miss(name, known)}")
        if set(self.decide.tiers) != set(self.tiers):
            never = [tier for tier in self.tiers if tier not in self.decide.tiers]
            raise ValueError(f"decide: no rule ever gives {', '.join(never)}")
        self._check_kinds()
        if self.review.approve and self.tiers[-1] in self.review.approve.tiers:
            raise ValueError(
                f"review.approve: {self.tiers[-1]} is the lowest tier; there is none below it that needs no word"
            )
        if self.as_of != "previous_year_end":
            for name, indicator in self.indicators.items():
                if indicator.window == "calendar_year":
                    raise ValueError(f"indicators.{name}: a calendar_year needs as_of: previous_year_end")
        has_more = self.class_ or self.movement != Movement() or self.credit or self.review != Review()
        if self.publishes == "class" and (has_more or (self.outlook and "outlook" in self.model_fields_set)):
            raise ValueError(
                "publishes: a class policy has no class of its own, no movement, review, credit or outlook"
            )
        if self.credit and self.grain not in ("customer", "bill_to", "group"):
            raise ValueError(f"credit: {self.grain} is no account; limits need the grain customer, bill_to or group")
        return self

    def _check_kinds(self) -> None:
        for gate, entry in self.gate.items():
            for name in Condition(entry.when).indicators:
                if self.indicators[name].is_statistic:
                    raise ValueError(f"gate.{gate}: {name} is taken over those who pass the gates; gate on a measure")
        for name, indicator in self.indicators.items():
            source = indicator.source_indicator
            if source and self.indicators[source].is_statistic:
                raise ValueError(f"indicators.{name}: {source} is a statistic itself; take it of a measure")
            if source and self.indicators[source].value_type != "number":
                raise ValueError(f"indicators.{name}: {source} is no number; a statistic orders numbers")
            if source and indicator.better is None and indicator.is_ordered and self.indicators[source].better == "low":
                raise ValueError(
                    f"indicators.{name}: {source} is best low, and this takes the high end for the best; "
                    "say better: low here, or better: high if that is meant"
                )
            if indicator.within != "population":
                segment = self.indicators[indicator.within]
                if segment.is_statistic or segment.value_type != "text":
                    raise ValueError(f"indicators.{name}: within {indicator.within}, which is no text of the account")
        for kind, shape in (("rank", self.decide.top_share), ("rank", self.decide.top_n)):
            if shape is not None and self.indicators[shape.rank].rank is None:
                place = f"decide.{self.decide.shapes[0]}.rank"
                raise ValueError(f"{place}: {shape.rank} is no rank; declare one: {{{kind}: …}}")
        share = self.decide.top_share
        if share and self.indicators[share.of].count is None:
            raise ValueError(f"decide.top_share.of: {share.of} is no count; declare one: {{count: graded}}")
        assessed = self.decide.assessed
        if assessed and self.indicators[assessed.of].assessment is None:
            raise ValueError(f"decide.assessed.of: {assessed.of} is no assessment; declare one: {{assessment: …}}")
        if self.class_ and self.indicators[self.class_.of].value_type != "text":
            raise ValueError(f"class.of: {self.class_.of} is no text")
        key = self.credit.concentration.key if self.credit and self.credit.concentration else None
        for name in self.credit.indicators if self.credit else []:
            kind = "flag" if name == key else "number"
            if self.indicators[name].value_type != kind:
                raise ValueError(f"credit: {name} is a {self.indicators[name].value_type}; a {kind} is needed here")

    @property
    def conditions(self) -> dict[str, Condition]:
        """Every condition outside the shape, by its place."""
        found = {f"gate.{name}": entry.when for name, entry in self.gate.items()}
        found |= {f"follow_up.tasks.{name}": task.when for name, task in self.follow_up.tasks.items() if task.when}
        found |= {"provisional": self.provisional} if self.provisional else {}
        found |= {"movement.down_at_once": self.movement.down_at_once} if self.movement.down_at_once else {}
        return {place: Condition(text) for place, text in found.items()}

    def _mentioned_indicators(self) -> dict[str, list[str]]:
        """Return by place the indicators that are named there, `missing` left aside."""
        ties = [name for i in self.indicators.values() if i.ties for name in i.ties.by if name != "customer_id"]
        auxiliary = self.decide.lowest.auxiliary if self.decide.lowest else {}
        return {
            "decide": [*self.decide.indicators, *auxiliary],
            **{place: list(condition.indicators) for place, condition in self.conditions.items()},
            "indicators": [i.source_indicator for i in self.indicators.values() if i.source_indicator],
            "within": [i.within for i in self.indicators.values() if i.within != "population"],
            "ties": ties,
            "value": [self.value] if self.value else [],
            "class.of": [self.class_.of] if self.class_ else [],
            "credit": self.credit.indicators if self.credit else [],
        }

    def _mentioned_tiers(self) -> dict[str, list[str]]:
        return {
            "decide": self.decide.tiers,
            "missing": [entry.tier for entry in self.missing.values() if entry.tier is not None],
            "credit": self.credit.tiers if self.credit else [],
            "actions": list(self.actions),
            "service": list(self.service),
            "terms": list(self.terms),
            "follow_up.every_days": list(self.follow_up.every_days),
            "follow_up.tasks": [tier for task in self.follow_up.tasks.values() for tier in task.tiers or []],
            "tier_titles": list(self.tier_titles),
            "review.approve": list(self.review.approve.tiers) if self.review.approve else [],
        }

    @cached_property
    def used(self) -> set[str]:
        """The indicators that anything reads: a decision, a gate, a statistic, a class, credit, a task, the mails."""
        return {name for names in self._mentioned_indicators().values() for name in names}

    @cached_property
    def version(self) -> str:
        """SHA-256 of the meaning: comments, key order, spelling of numbers and conditions do not count.

        The order under `gate` and under `missing` is meaning: the first entry that applies counts.
        """
        meaning = self.model_dump(mode="json", exclude={"text"}, exclude_defaults=True)
        meaning |= {name: list(meaning[name].items()) for name in ("gate", "missing") if name in meaning}
        return hashlib.sha256(json.dumps(meaning, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @cached_property
    def rules_of_movement(self) -> Rules:
        """How a tier follows from what was found before and now."""
        approve = self.review.approve
        if approve is None:
            return Rules(tuple(self.tiers), self.movement)
        return Rules(tuple(self.tiers), self.movement, frozenset(approve.tiers), approve.asks)

    @property
    def stated_limits(self) -> dict[str, Decimal]:
        """The credit limits that tiers state as an amount, by tier: under `credit`, else under `terms`."""
        if self.credit and self.credit.limits:
            return dict(self.credit.limits)
        limits = {tier: terms.credit_limit for tier, terms in self.terms.items()}
        return {tier: limit for tier, limit in limits.items() if isinstance(limit, Decimal | int)}

    def rank_of(self, tier: str) -> int:
        """Return the rank of a tier, 1 = best."""
        return self.tiers.index(tier) + 1

    def rule_of(self, tier: str) -> str:
        """Return in plain words when the policy gives a tier."""
        return str(self.decide.shape.rule_of(tier))

    def title_of(self, indicator: str) -> dict[str, str]:
        """Return the titles of an indicator; its own name where the policy gives none."""
        titles = {str(language): text for language, text in (self.indicators[indicator].title or {}).items()}
        return titles or {"en": indicator.replace("_", " ")}


def parse_policy(text: str, name: str) -> Policy:
    """Return the policy in `text`.

    Raises TieringError naming file (`name`), line, what is wrong and a near miss; `PolicyError` with every mistake
    where the text is YAML.
    """
    parsed = PolicyText(text, name)
    if "text" in parsed.data:
        raise parsed.error_at(parsed.line_of(("text",)), "text: this key is unknown")
    try:
        return Policy.model_validate({**parsed.data, "text": text})
    except ValidationError as error:
        raise explain(error, parsed, Policy) from None


def read_policies(folder: Path) -> dict[str, Policy]:
    """Return every policy of a folder by id.

    Raises TieringError when the folder holds none, a file does not parse, or two files share an id.
    """
    policies: dict[str, Policy] = {}
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise TieringError(f"TIERING_POLICIES: {folder.name}/ holds no .yaml file; add a policy")
    for path in files:
        text = read_policy_text(path, f"{folder.name}/{path.name}")
        policy = parse_policy(text, f"{folder.name}/{path.name}")
        if policy.id != path.stem:
            raise TieringError(f"{folder.name}/{path.name}: the id {policy.id} is not the name of the file")
        policies[policy.id] = policy
    return policies
