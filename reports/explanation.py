"""How a tier came about, in the reader's words: what was measured, how the rules led to the tier, what follows.

Whoever builds an :class:`Account` has read what one policy keeps of one account; nothing is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from reports.decision_words import DecisionWords, Replay, Row, decide_again
from reports.digest import Cause, ChangeReason, CreditAction, Direction, Driver, LimitLevel
from reports.outlook_words import NearLine, line_in_words
from reports.policy_words import PolicyWords
from reports.text import clean_text
from reports.wording import (
    TEXT_LENGTH,
    Language,
    action_in_words,
    cause_in_words,
    change_reason_in_words,
    driver_in_words,
    entity_in_words,
    keep_in_words,
    level_in_words,
)
from sql.errors import TieringError
from transforms.calendar import latest_begin, next_looked_at
from transforms.changes import POPULATION
from transforms.conditions import Condition
from transforms.movement import PENDING, Standing, falls_on
from transforms.pace import kept_by
from transforms.policy import Policy

LOOK_AHEAD_DAYS = 800
"""How far ahead it is looked when a tier goes down."""


@dataclass(frozen=True)
class Component:
    """One indicator as it is kept: one of value and value_text is set, or none when it is missing."""

    indicator: str
    value: Decimal | None
    value_text: str | None
    evidence_on: date | None


@dataclass(frozen=True)
class Spell:
    """What stands on a day: a tier with its status, or the reason why there is none, and since when."""

    tier: str | None
    computed_tier: str | None
    status: str | None
    reason: str | None
    since_on: date


@dataclass(frozen=True)
class Decision:
    """What the run of a day found: a tier with its status and score, or the reason why there is none.

    `held_because`: why an input could not be trusted.
    """

    tier: str | None
    status: str | None
    score: Decimal | None
    reason: str | None
    held_because: str | None = None


@dataclass(frozen=True)
class Move:
    """The move of the published tier on a day; a driver is indicator, before, after."""

    from_tier: str | None
    to_tier: str | None
    direction: Direction
    cause: Cause
    drivers: tuple[Mapping[str, str | None], ...]


@dataclass(frozen=True)
class Override:
    """Why people set a tier, and the day from which it no longer holds; None: until it is ended."""

    reason: str
    approved_by: str
    valid_to: date | None


@dataclass(frozen=True)
class Grade:
    """A grade that somebody gave: `stage` is screened, pre_graded or final."""

    stage: str
    tier: str
    graded_by: str
    graded_on: date
    reason: str | None


@dataclass(frozen=True)
class Word:
    """What a role that was asked has answered: approved or rejected; None: nothing yet."""

    role: str
    answer: str | None
    answered_by: str | None
    comment: str | None


@dataclass(frozen=True)
class Asked:
    """A tier that needs somebody's word: whether it was given, from which day on, and what each role said."""

    tier: str
    is_approved: bool | None
    effective_on: date | None
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Limit:
    """A credit limit as a run decided it: why, what it was before, and what was owed on that day.

    `reason` and `change_reason` are the codes of `tiering.credit_limit`; `budget_amount`: what `accounts` accounts
    shared, None for a table of limits.
    """

    limit_amount: Decimal
    currency: str
    reason: str
    previous_limit: Decimal | None
    change_reason: ChangeReason
    action: CreditAction
    exposure: Decimal
    headroom: Decimal
    over_amount: Decimal
    budget_amount: Decimal | None
    accounts: int | None


@dataclass(frozen=True)
class Exposure:
    """What is owed on the latest day, by the account or (`entity`) to one selling company; no limit: nothing binds."""

    entity: str
    as_of: date
    kind: str
    limit_amount: Decimal | None
    effective_limit: Decimal | None
    limited_by: LimitLevel | None
    currency: str
    exposure: Decimal
    group_id: str | None
    group_exposure: Decimal
    headroom: Decimal | None
    over_amount: Decimal
    over_since: date | None
    action: CreditAction


@dataclass(frozen=True)
class Account:
    """What one policy, as it ran, keeps of one account: `asked_on` a day, as of the published day in force then.

    `spell` is None for a policy that publishes classes and before the first published day of an account,
    `decision` where the account was not in scope; `first_on` is the day its history begins. `standing` is where it
    stands under movement rules, before overrides; None where no rule remembers anything. `later` holds the moves on
    days after `as_of` on which people's decisions took effect, the last of which, for whomever, is `people_on`.
    """

    policy: Policy
    customer_id: str
    name: str | None
    asked_on: date
    as_of: date
    revision: int
    decision: Decision | None
    spell: Spell | None
    components: tuple[Component, ...]
    move: Move | None
    override: Override | None = None
    first_on: date | None = None
    is_latest: bool = True
    standing: Standing | None = None
    grades: tuple[Grade, ...] = ()
    asked: Asked | None = None
    later: Mapping[date, Move] = field(default_factory=dict)
    people_on: date | None = None
    limit: Limit | None = None
    exposures: tuple[Exposure, ...] = ()
    outlook: tuple[NearLine, ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of an explanation."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Explanation:
    """An explanation: whom and which policy it is about, what is odd about the day, and its sections."""

    account: str
    policy: str
    note: str
    sections: tuple[Section, ...]


def explain_account(account: Account, language: Language, currency: str) -> Explanation:
    """Return how the tier of an account came about, or why it has none.

    The decision is taken again on the kept indicators. Raises TieringError when that does not give what is kept.
    """
    return _Story(account, language, currency).explanation()


class _Story:
    """Tells the sections of one explanation."""

    def __init__(self, account: Account, language: Language, currency: str) -> None:
        self.account, self.policy, self.language, self.currency = account, account.policy, language, currency
        self.words = PolicyWords(account.policy, language, currency)
        self.replay = self._replay() if account.decision is not None and account.components else None
        self.decision = DecisionWords(self.replay, self.words) if self.replay is not None else None

    def _replay(self) -> Replay:
        account, decision = self.account, self.account.decision
        kept = {each.indicator: each.value_text if each.value is None else each.value for each in account.components}
        replay = decide_again(self.policy, kept)
        stands = (decision.tier or decision.reason, decision.score) if decision else (None, None)
        if (replay.state, replay.score) != stands:
            raise TieringError(
                f"policy {self.policy.id} {account.as_of}: the kept components of {account.customer_id} do not give "
                f"the kept tier: {stands[0]} is kept, they give {replay.state or 'none'}; restate the day"
            )
        return replay

    @property
    def _is_class(self) -> bool:
        return self.policy.publishes == "class"

    @property
    def _tier(self) -> str | None:
        """The tier in force on the day that was asked for; for a policy that publishes classes, the class found."""
        stands = self.account.decision if self._is_class else self.account.spell
        return stands.tier if stands is not None else None

    def explanation(self) -> Explanation:
        _, account = self.language, self.account
        grain = {
            "customer": _("Customer"),
            "bill_to": _("Paying account"),
            "group": _("Group"),
            "opportunity": _("Opportunity"),
            "request": _("Request"),
        }[self.policy.grain]
        day = _.date(account.as_of)
        who = [f"{grain} {clean_text(account.customer_id)}", clean_text(account.name or "")]
        policy = [self.words.localized(self.policy.title), _("As of {days}", days=day)]
        if account.revision > 1:
            policy.append(_("revision {number}", number=account.revision))
        moved_later = sorted(account.later.items())
        sections = {
            _("In force"): self._standing(),
            _("What was measured"): self._measured(),
            _("How the rules led there"): self._led(),
            _("What keeps the tier"): self._kept(),
            _("What would change the tier"): self._outlook(),
            _("What people decided"): self._decided(),
            _("What happened on {date}", date=day): self._happened(account.move),
            **{_("What happened on {date}", date=_.date(on)): self._happened(move) for on, move in moved_later},
            _("What follows"): self._follows(),
            _("Credit"): self._credit(),
        }
        return Explanation(
            " · ".join(part for part in who if part),
            " · ".join(policy),
            self._note(),
            tuple(Section(title, tuple(rows)) for title, rows in sections.items() if rows),
        )

    def _note(self) -> str:
        _, account = self.language, self.account
        asked, day = _.date(account.asked_on), _.date(account.as_of)
        if account.asked_on == account.as_of:
            return ""
        if account.people_on is not None:
            people = _.date(account.people_on)
            return _("{day} is the latest run; on {people} decisions of people took effect.", day=day, people=people)
        if account.is_latest:
            return _("{day} is the latest published day; it is in force on {asked}.", day=day, asked=asked)
        return _("Nothing was published on {asked}; {day} is in force on that day.", day=day, asked=asked)

    # ---- what stands

    def _standing(self) -> list[Row]:
        _, spell, decision = self.language, self.account.spell, self.account.decision
        if self._tier is None:
            return [Row((part,)) for part in self._no_tier()]
        rows = [(_("Class") if self._is_class else _("Tier"), self.words.tier(self._tier))]
        if spell is not None:
            rows.append((_("Since"), _.date(spell.since_on)))
        if decision is not None and decision.tier is not None and decision.tier != self._tier:
            rows.append((_("By the rules alone"), self.words.tier(decision.tier)))
        status = spell.status if spell is not None else decision.status if decision is not None else None
        if status is not None:
            rows.append((_("Status"), self._status(status)))
        override = self.account.override
        if status == "overridden" and override is not None:
            rows.append((_("Reason"), clean_text(override.reason, TEXT_LENGTH)))
            rows.append((_("Approved by"), clean_text(override.approved_by)))
            if override.valid_to is not None:
                rows.append((_("Last day"), _.date(override.valid_to - timedelta(days=1))))
        return [Row(cells) for cells in rows]

    def _status(self, status: str) -> str:
        _ = self.language
        said = {
            "final": _("final"),
            "provisional": _("provisional"),
            "overridden": _("set by hand"),
            "pending": _("waits for approval; until then the tier before stands"),
            "held": _("held at the tier before"),
        }.get(status, clean_text(status))
        reasons = self._provisional() if status == "provisional" else []
        return _("{title}: {value}", title=said, value=_("; ").join(reasons)) if reasons else said

    def _provisional(self) -> list[str]:
        """What made the tier provisional: figures without a value, and the policy's own condition."""
        replay, words, policy = self.replay, self.words, self.policy
        if replay is None:
            return []
        filled = [name for name, entry in policy.missing.items() if entry.status == "provisional"]
        reasons = [words.missing(words.titles[name]) for name in filled if replay.fills(name)]
        own = Condition(policy.provisional) if policy.provisional is not None else None
        return [*reasons, words.spelled(own)] if own is not None and replay.holds(own) else reasons

    def _no_tier(self) -> list[str]:
        _, account = self.language, self.account
        stands = account.spell or account.decision
        if stands is None or stands.reason is None:
            first = _.date(account.first_on) if account.first_on is not None else ""
            return [_("Not looked at yet on this day; the history begins on {date}.", date=first)]
        kind, _colon, name = stands.reason.partition(":")
        gate = self.policy.gate.get(name)
        said = {
            "gate": _("No tier: a condition for being graded is not met."),
            "left": _("No tier: no longer among the customers that this policy looks at."),
            "erased": _("No tier: the data were erased on request."),
            "not_in_population": _("No tier: not among the customers that this policy looks at."),
        }.get(kind, clean_text(stands.reason))
        parts = [said]
        if gate is not None:
            condition = self.words.localized(gate.title) or self.words.spelled(Condition(gate.when))
            parts.append(_("Not met: {condition}", condition=condition))
        if account.spell is not None:
            parts.append(_("Since {date}", date=_.date(account.spell.since_on)))
        return parts

    # ---- what was measured, and how the rules led there

    def _measured(self) -> list[Row]:
        _, rows = self.language, []
        if self.replay is None or self.decision is None:
            return []
        names, cells = self.decision.columns() if self.replay.failed_gate is None else ((), {})
        if names:
            rows.append(Row((_("Figure"), _("Value"), *names), "head"))
        evidence = {each.indicator: each.evidence_on for each in self.account.components}
        for name in (name for name in self.policy.indicators if name in self.policy.used):
            said, remark = self.words.measured(name, self.replay.values[name]), self._remark(name, evidence.get(name))
            said = _("{value} ({remark})", value=said, remark=remark) if remark else said
            rows.append(Row((self.words.titles[name], said, *cells.get(name, ("",) * len(names)))))
        return rows

    def _remark(self, name: str, evidence_on: date | None) -> str:
        """What is to be said beside a value: what counted for a missing one, or when people judged."""
        _, replay = self.language, self.replay
        if replay is not None and replay.fills(name):
            if name == replay.missing_tier:
                return _("gives {tier}", tier=self.words.tier(self.policy.missing[name].tier or ""))
            return _("counted as {value}", value=self.words.value(name, replay.counted[name]))
        return _("assessed on {date}", date=_.date(evidence_on)) if evidence_on is not None else ""

    def _led(self) -> list[Row]:
        _ = self.language
        if self.replay is None or self.decision is None:
            return []
        rows = self.decision.gates()
        if self.replay.failed_gate is not None:
            return rows
        tier = self.words.tier(self.replay.state or "")
        by_rules = _("Class by the rules: {tier}", tier=tier)
        if not self._is_class:
            by_rules = _("Tier by the rules: {tier}", tier=tier)
        return [*rows, *self.decision.steps(), Row((by_rules,))]

    # ---- what keeps a tier

    def _kept(self) -> list[Row]:
        """Which rules keep a tier that is not the one found, since when, and how long."""
        _, standing, account = self.language, self.account.standing, self.account
        if standing is None or standing.tier is None or standing.computed_tier in (None, standing.tier):
            return []
        if standing.tier not in self.policy.tiers or standing.computed_tier not in self.policy.tiers:
            return []
        rows: list[tuple[str, str]] = []
        if account.spell is not None and account.spell.status == "overridden":
            rows.append((_("Below the override"), self.words.tier(standing.tier)))
        if account.decision is not None and account.decision.held_because is not None:
            reason = self._input(account.decision.held_because)
            rows.append((_("Input"), _("not to be trusted ({reason}); this finding does not count", reason=reason)))
        if standing.found_since is not None:
            found = _.date(standing.found_since)
            is_up = self._rank(standing.computed_tier) < self._rank(standing.tier)
            rows.append((_("Better tiers found since") if is_up else _("Lower tiers found since"), found))
        if standing.status != PENDING:
            rows += [keep_in_words(keep, _) for keep in kept_by(self.policy, standing, account.as_of)]
            rows += self._falls(standing)
        return [Row(cells) for cells in rows]

    def _rank(self, tier: str) -> int:
        return self.policy.tiers.index(tier)

    def _input(self, held_because: str) -> str:
        _ = self.language
        entity, colon, rule = held_because.partition(": ")
        if not colon:
            return clean_text(held_because, TEXT_LENGTH)
        return _("{title}: {value}", title=entity_in_words(entity, _), value=clean_text(rule, TEXT_LENGTH))

    def _falls(self, standing: Standing) -> list[tuple[str, str]]:
        """When the tier goes down, as far as the policy's calendar is looked ahead; of the latest day alone."""
        _, account = self.language, self.account
        if not account.is_latest or (account.spell is not None and account.spell.status == "overridden"):
            return []
        coming = [next_looked_at(self.policy.schedule, self.policy.as_of, account.as_of)]
        while (coming[-1] - account.as_of).days <= LOOK_AHEAD_DAYS:
            coming.append(next_looked_at(self.policy.schedule, self.policy.as_of, coming[-1]))
        falls = falls_on(self.policy.rules_of_movement, standing, coming)
        if falls is None:
            return []
        said = _(
            "to {tier} on {date}, should it be found as now", tier=self.words.tier(falls[1]), date=_.date(falls[0])
        )
        return [(_("Goes down"), said)]

    def _outlook(self) -> list[Row]:
        """What would win, keep or cost a tier on the next run; of the latest day alone."""
        return [Row((line_in_words(line, self.words, self._tier),)) for line in self.account.outlook]

    # ---- what people decided

    def _decided(self) -> list[Row]:
        """The grades that people gave, and who was asked about the tier."""
        _, account = self.language, self.account
        stages = {
            "screened": _("First look"), "pre_graded": _("Pre-grade by the region"),
            "final": _("Final grade by the committee"),
        }  # fmt: skip
        rows = []
        for grade in account.grades:
            said = _(
                "{tier}, by {who} on {date}",
                tier=self.words.tier(grade.tier),
                who=clean_text(grade.graded_by),
                date=_.date(grade.graded_on),
            )
            reason = clean_text(grade.reason or "", TEXT_LENGTH)
            said = _("{title}: {value}", title=said, value=reason) if reason else said
            rows.append((stages.get(grade.stage, clean_text(grade.stage)), said))
        asked = account.asked
        if asked is not None:
            answer = {None: _("waits for an answer"), True: _("approved"), False: _("refused")}[asked.is_approved]
            if asked.is_approved is not None and asked.effective_on is not None:
                answer = _("{answer}, from {date} on", answer=answer, date=_.date(asked.effective_on))
            said = _("{title}: {value}", title=self.words.tier(asked.tier), value=answer)
            rows.append((_("Needs a word"), said))
            rows += [(self.words.role(word.role), self._word(word)) for word in asked.words]
        return [Row(cells) for cells in rows]

    def _word(self, word: Word) -> str:
        _ = self.language
        if word.answer is None:
            return _("no answer yet")
        who = clean_text(word.answered_by or "")
        said = _("yes, by {who}", who=who) if word.answer == "approved" else _("no, by {who}", who=who)
        comment = clean_text(word.comment or "", TEXT_LENGTH)
        return _("{title}: {value}", title=said, value=comment) if comment else said

    # ---- what happened

    def _happened(self, move: Move | None) -> list[Row]:
        _ = self.language
        if self._is_class or self.account.spell is None:
            return []
        if move is None:
            return [Row((_("No change"),))]
        direction = {"up": _("Up"), "down": _("Down"), "new": _("New"), "left": _("Left")}[move.direction]
        tiers = " → ".join(self.words.tier(tier) for tier in (move.from_tier, move.to_tier) if tier is not None)
        said = [_("{title}: {value}", title=direction, value=tiers), cause_in_words(move.cause, _)]
        return [Row((part,)) for part in [*said, *map(self._driver, move.drivers)] if part]

    def _driver(self, driver: Mapping[str, str | None]) -> str:
        _, name = self.language, driver["indicator"] or ""
        if name == POPULATION:
            if driver["after"] == "in":
                return _("Now among the customers that this policy looks at")
            return _("No longer among the customers that this policy looks at")
        if name not in self.policy.indicators:
            return clean_text(name)
        unit = self.words.unit_of(name)
        moved = Driver.from_texts(name, self.policy.title_of(name), unit, driver["before"], driver["after"])
        return driver_in_words(moved, _, self.currency)

    # ---- what follows

    def _follows(self) -> list[Row]:
        _, policy, tier = self.language, self.policy, self._tier
        rows: list[tuple[str, str]] = []
        if tier is not None:
            rows.append((_("Action"), self.words.localized(policy.actions.get(tier))))
            rows += self._class()
            rows.append((_("Terms"), _("; ").join(self.words.terms(tier))))
            rows.append((_("Service"), _("; ").join(self.words.service(tier))))
            rows.append((_("Contact"), self.words.cadence(tier)))
            rows += [(_("To do"), task) for task in self._tasks()]
        if self.account.spell is not None or self._is_class:
            rows.append((_("Next review"), _.date(next_looked_at(policy.schedule, policy.as_of, self.account.as_of))))
        return [Row(cells) for cells in rows if cells[1]]

    def _class(self) -> list[tuple[str, str]]:
        """The class that stands beside the tier, and what follows from it."""
        _, axis = self.language, self.policy.class_
        value = self.replay.values[axis.of] if self.replay is not None and axis is not None else None
        if axis is None or not isinstance(value, str):
            return []
        known = axis.classes.get(value)
        actions = self.words.localized(known.actions) if known is not None else ""
        return [(_("Class"), self.words.value(axis.of, value)), (_("Action for the class"), actions)]

    def _has_held_for(self, duration: str) -> bool:
        """Whether the tier that was found is the one that has been held for so long."""
        spell, replay, day = self.account.spell, self.replay, self.account.as_of
        if spell is None or replay is None or spell.tier != replay.state:
            return False
        return spell.since_on <= latest_begin(day, duration)

    def _tasks(self) -> list[str]:
        """The follow-ups that the run of the day found, each with the day by which it is to be done."""
        _, replay = self.language, self.replay
        if replay is None:
            return []
        owed = [
            task
            for task in self.policy.follow_up.tasks.values()
            if (task.tiers is None or replay.state in task.tiers)
            and (task.held_for is None or self._has_held_for(task.held_for))
            and (task.when is None or replay.holds(Condition(task.when)))
        ]
        days = [_.date(self.account.as_of + timedelta(days=task.within_days)) for task in owed]
        said = [self.words.localized(task.title) for task in owed]
        return [_("{task} (by {date})", task=task, date=day) for task, day in zip(said, days, strict=True)]

    # ---- credit

    def _credit(self) -> list[Row]:
        """The limit that the run decided, why, and what is owed against the limits in force."""
        _, limit = self.language, self.account.limit
        rows: list[tuple[str, str]] = []
        if limit is not None:
            rows.append((_("Limit"), _.money(limit.limit_amount, limit.currency)))
            rows.append((_("Why"), self._why(limit)))
            if limit.previous_limit is not None:
                because = change_reason_in_words(limit.change_reason, _)
                before = _.money(limit.previous_limit, limit.currency)
                rows.append((_("Before"), _("{value} ({remark})", value=before, remark=because)))
            rows.append((_("Owed then"), _.money(limit.exposure, limit.currency)))
            rows.append((_("To do then"), action_in_words(limit.action, _)))
        for each in self.account.exposures:
            rows += self._owed(each)
        return [Row(cells) for cells in rows]

    def _why(self, limit: Limit) -> str:
        _, (code, _colon, name) = self.language, limit.reason.partition(":")
        title = self.words.titles.get(name, name)
        said = {
            "share": _("a share of the budget"),
            "floor": _("the least that an account of this tier gets"),
            "table": _("the limit of the tier"),
            "step": _("the limit of the step that is reached"),
            "cap": _("no more than: {title}", title=title),
            "missing": _("nothing: {title} has no value", title=title),
            "tier": _("nothing: this tier has no credit"),
            "no_tier": _("nothing: the account has no tier"),
            "no_sales": _("nothing: no sales to share by"),
            "no_rate": _("nothing: the rate to share by is not above 0"),
            "below": _("nothing: below the first step"),
        }.get(code, clean_text(limit.reason))
        if limit.budget_amount is None or limit.accounts is None:
            return said
        budget = _.money(limit.budget_amount, limit.currency)
        shared = _("budget {amount}, {count} accounts", amount=budget, count=_.count(limit.accounts))
        return _("{value} ({remark})", value=said, remark=shared)

    def _owed(self, each: Exposure) -> list[tuple[str, str]]:
        """What is owed on the latest day, and what the limit that binds most leaves."""
        _ = self.language
        owed = _("{amount} on {date}", amount=_.money(each.exposure, each.currency), date=_.date(each.as_of))
        rows = [(_("Owed to {entity}", entity=clean_text(each.entity)) if each.entity else _("Owed"), owed)]
        if each.group_id is not None:
            group = _.money(each.group_exposure, each.currency)
            rows.append((_("Owed by the group"), group))
        if each.kind == "temporary":
            own = _("unlimited") if each.limit_amount is None else _.money(each.limit_amount, each.currency)
            rows.append((_("Limit for a while"), own))
        if each.effective_limit is None or each.limited_by is None or each.headroom is None:
            return [*rows, (_("Room left"), _("no limit binds"))]
        level = level_in_words(each.limited_by, each.entity, _)
        bound = _("{value} ({remark})", value=_.money(each.effective_limit, each.currency), remark=level)
        rows.append((_("Lowest limit"), bound))
        if each.over_amount and each.over_since is not None:
            over = _.money(each.over_amount, each.currency)
            said = _("{amount} since {date}", amount=over, date=_.date(each.over_since))
            return [*rows, (_("Over"), said), (_("To do"), action_in_words(each.action, _))]
        return [
            *rows,
            (_("Room left"), _.money(each.headroom, each.currency)),
            (_("To do"), action_in_words(each.action, _)),
        ]
