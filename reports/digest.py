"""What a digest says, as plain values: the contract between the warehouse and the rendering.

Whoever builds a :class:`Digest` has already restricted every row to its manager.
Titles are ``{"en": …, "zh": …}``; a missing language falls back to English, then to the key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal, get_args

from transforms.pace import Keep

if TYPE_CHECKING:
    from reports.outlook_words import NearLine
    from transforms.policy import Policy

Unit = Literal["money", "ratio", "count", "days", "months", "points", "rank", "number", "flag", "text"]
Direction = Literal["new", "up", "down", "left"]
Cause = Literal["measures", "policy", "override", "review", "correction", "movement"]
CreditAction = Literal["stop", "reduce", "raise", "keep"]
ChangeReason = Literal["new", "same", "tier_up", "tier_down", "cap", "sales", "budget"]
LimitLevel = Literal["account", "group", "entity"]
Target = Literal["answered", "replied"]
ShareGroup = Literal["all", "key", "not_key", "debtor", "key_debtor", "other_debtor", "key_not_debtor"]
Kind = Literal["manager", "superior", "general", "controller"]
Titles = dict[str, str]


def _check(what: str, value: str, kind: object) -> None:
    allowed = get_args(kind)
    if value not in allowed:
        raise ValueError(f"{what} is {value!r}; it must be one of {', '.join(allowed)}")


@dataclass(frozen=True)
class Driver:
    """One indicator that moved a customer, with its value before and after; None is "no value"."""

    indicator: str
    title: Titles
    unit: Unit
    before: Decimal | str | None
    after: Decimal | str | None

    def __post_init__(self) -> None:
        _check("the unit of a driver", self.unit, Unit)

    @classmethod
    def from_texts(cls, indicator: str, title: Titles, unit: Unit, before: str | None, after: str | None) -> Driver:
        """A driver as a change keeps it: its values are texts, and become numbers where the unit is one."""

        def plain(text: str | None) -> Decimal | str | None:
            if text is None or unit in ("flag", "text"):
                return text
            try:
                return Decimal(text)
            except InvalidOperation:
                return text

        return cls(indicator, title, unit, plain(before), plain(after))


@dataclass(frozen=True)
class Mover:
    """One customer whose published tier moved; `value` is the money at stake in the reporting currency.

    `status` and `computed_tier` are those of the tier it moved to: held or pending, and what the rules alone found.
    """

    customer_id: str
    customer_name: str
    from_tier: str | None
    to_tier: str | None
    direction: Direction
    cause: Cause
    drivers: tuple[Driver, ...]
    value: Decimal | None
    status: str | None = None
    computed_tier: str | None = None

    def __post_init__(self) -> None:
        _check("the direction of a mover", self.direction, Direction)
        _check("the cause of a move", self.cause, Cause)


def by_money_at_stake(mover: Mover) -> tuple[bool, Decimal, str]:
    """Sorts the most money first, movers of unknown value last."""
    if mover.value is None or not mover.value.is_finite():
        return True, Decimal(0), mover.customer_id
    return False, -mover.value, mover.customer_id


@dataclass(frozen=True)
class TierCount:
    """How many customers a tier has (rank 1 is best), and had at the previous publication (None: no such)."""

    tier: str
    rank: int
    title: Titles
    customers: int
    before: int | None


@dataclass(frozen=True)
class TierMix:
    """How many customers every tier had on a published day, best tier first."""

    as_of: date
    customers: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class PolicySection:
    """What one policy says of this manager's customers.

    `actions` is what follows from each tier; `mixes` the tiers over time, the oldest day first.
    """

    policy_id: str
    title: Titles
    as_of: date
    tiers: tuple[TierCount, ...]
    movers: tuple[Mover, ...]
    actions: dict[str, Titles]
    mixes: tuple[TierMix, ...] = ()


@dataclass(frozen=True)
class Migration:
    """How customers went from tier to tier between two days: (from, to) → customers; None is no tier."""

    policy_id: str
    title: Titles
    before_on: date
    as_of: date
    tiers: tuple[str, ...]
    customers: dict[tuple[str | None, str | None], int]


@dataclass(frozen=True)
class Ageing:
    """What is open on a day by how long it is overdue: (bucket, amount), not due first; disputes stand apart."""

    as_of: date
    currency: str
    buckets: tuple[tuple[str, Decimal], ...]
    disputed: Decimal


@dataclass(frozen=True)
class QuarantineCount:
    """How many source rows one rule refused."""

    entity: str
    rule: str
    rows: int


@dataclass(frozen=True)
class KeyFieldChange:
    """A key fact of a customer that changed: what, since when, and which extract of which entity says so.

    `field` is a column of customers, an attribute or an assessed indicator; None is "no value".
    """

    customer_id: str
    customer_name: str
    field: str
    before: str | None
    after: str | None
    changed_on: date
    entity: str
    batch: str
    extracted_on: date | None
    assessed_by: str | None = None


@dataclass(frozen=True)
class Notice:
    """A tier that will go down on a day, should it be found as now; since when it is found lower, and what keeps it."""

    policy_id: str
    title: Titles
    customer_id: str
    customer_name: str
    tier: str
    to_tier: str
    falls_on: date
    found_since: date | None
    kept_by: tuple[Keep, ...]


def by_day(notice: Notice) -> tuple[date, str, str]:
    """Sorts what comes first to the front."""
    return notice.falls_on, notice.policy_id, notice.customer_id


@dataclass(frozen=True)
class SourceDay:
    """Through which day an entity was loaded, and whether that is longer ago than it should be."""

    entity: str
    through_on: date
    is_stale: bool = False


@dataclass(frozen=True)
class CreditChange:
    """A credit limit as a run decided it, why it is not what it was (None: there was none), and what is to be done."""

    customer_id: str
    customer_name: str
    tier: str | None
    limit: Decimal
    previous: Decimal | None
    change_reason: ChangeReason
    action: CreditAction
    over: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        _check("the reason of a limit", self.change_reason, ChangeReason)
        _check("the action on a limit", self.action, CreditAction)

    @property
    def is_moved(self) -> bool:
        """Whether the limit is not what it was."""
        return self.limit != self.previous


def by_credit_at_stake(change: CreditChange) -> tuple[Decimal, str]:
    """Sorts the most money first: by how much a limit moved, or what is owed beyond it."""
    return -max(abs(change.limit - (change.previous or 0)), change.over), change.customer_id


@dataclass(frozen=True)
class CreditTotal:
    """Limits in total, now and before, of the accounts of a tier, or of all (None).

    `squeezed` is the part of `reduced` that was taken from accounts whose tier went down.
    """

    tier: str | None
    title: Titles
    accounts: int
    limit: Decimal
    previous: Decimal
    raised: Decimal
    reduced: Decimal
    squeezed: Decimal


@dataclass(frozen=True)
class Share:
    """What a group of accounts buys and owes; its shares of the whole and the average debt are None without a whole."""

    group: ShareGroup
    accounts: int
    sales: Decimal
    receivables: Decimal
    sales_share: Decimal | None
    receivables_share: Decimal | None
    average: Decimal | None

    def __post_init__(self) -> None:
        _check("the group of a share", self.group, ShareGroup)


@dataclass(frozen=True)
class CreditSection:
    """What one run decided of credit: of a manager's accounts, or of all of them for the credit controller.

    Of all accounts only: `budget` and what caps left of it, `totals` per tier, accounts per action, the concentration
    of receivables, and `lacks`: why nothing was allocated.
    """

    policy_id: str
    title: Titles
    as_of: date
    whole: CreditTotal
    changes: tuple[CreditChange, ...] = ()
    totals: tuple[CreditTotal, ...] = ()
    actions: tuple[tuple[CreditAction, int], ...] = ()
    budget: Decimal | None = None
    unallocated: Decimal | None = None
    lacks: str | None = None
    shares: tuple[Share, ...] = ()

    @property
    def is_news(self) -> bool:
        """Whether a limit moved, or none could be allocated."""
        return bool(self.lacks) or any(change.is_moved for change in self.changes)


@dataclass(frozen=True)
class Over:
    """An account that owes more than a limit allows: of its own, of its group, or towards a selling company.

    `limit` is the one that binds and `owed` what is owed under it: by the whole group where that is the group's.
    """

    policy_id: str
    title: Titles
    customer_id: str
    customer_name: str
    entity: str
    limited_by: LimitLevel
    limit: Decimal
    owed: Decimal
    over: Decimal
    overdue: Decimal
    over_since: date
    as_of: date
    is_new: bool = True

    def __post_init__(self) -> None:
        _check("the level of a limit", self.limited_by, LimitLevel)


def by_amount_over(over: Over) -> tuple[Decimal, str, str, str]:
    """Sorts the most money first."""
    return -over.over, over.customer_id, over.policy_id, over.entity


@dataclass(frozen=True)
class Tally:
    """What moved among the customers of an account manager or a region, under one policy; `key` empty: of none.

    `at_stake` is the value of the movers, None where no mover has one; `overdue` counts follow-ups, `over` accounts
    over a limit. `reports_to` names the superior of an account manager.
    """

    key: str
    name: str
    customers: int = 0
    up: int = 0
    down: int = 0
    new: int = 0
    left: int = 0
    at_stake: Decimal | None = None
    overdue: int = 0
    over: int = 0
    reports_to: str = ""


def by_tally(tally: Tally) -> tuple[Decimal, int, str]:
    """Sorts the most money at stake first, then the most customers that moved down."""
    return -(tally.at_stake or Decimal(0)), -tally.down, tally.key


@dataclass(frozen=True)
class RollUp:
    """What one policy says of the customers of several account managers: of each, of each region, and of all."""

    policy_id: str
    title: Titles
    as_of: date
    managers: tuple[Tally, ...]
    regions: tuple[Tally, ...]
    whole: Tally


@dataclass(frozen=True)
class Fall:
    """A customer whose tier went down: under which policy, and whose customer it is (empty: nobody's)."""

    policy_id: str
    title: Titles
    manager_name: str
    mover: Mover


@dataclass(frozen=True)
class ServiceLevel:
    """How a service level of a tier was kept in a month, up to `period_end`; `attained` is None without events.

    `within` is in seconds for `answered`, in days for `replied`. Shares are 0 to 1.
    """

    policy_id: str
    title: Titles
    tier: str
    tier_title: Titles
    target: Target
    within: int
    promised: Decimal
    attained: Decimal | None
    events: int
    period_start: date
    period_end: date

    def __post_init__(self) -> None:
        _check("the target of a service level", self.target, Target)

    @property
    def is_missed(self) -> bool:
        """Whether less was attained than promised."""
        return self.attained is not None and self.attained < self.promised


@dataclass(frozen=True)
class TierEffect:
    """A measure of the customers of a tier in the 12 months before and after a day; None is undefined."""

    tier: str
    title: Titles
    measure: str
    customers: int
    before: Decimal | None
    after: Decimal | None
    change_rate: Decimal | None


@dataclass(frozen=True)
class Evaluation:
    """How a policy did in a year, and what the tiers of `as_of` achieved (None: that was not looked at).

    `figures` are (figure, tier, value) as tiering.policy_evaluation holds them; the tier "-" is the policy as a whole.
    """

    policy_id: str
    title: Titles
    year: int
    as_of: date | None
    effects: tuple[TierEffect, ...]
    figures: tuple[tuple[str, str, Decimal | None], ...]


@dataclass(frozen=True)
class ReportingLines:
    """Account managers of whom somebody must say to whom they report: in a circle, or to somebody unknown."""

    circular: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class NearCustomer:
    """A customer near a line: `tier` is in force, and `line` says what would change the tier that the rules find.

    `is_to_win`: a better tier than the one in force is near; else one can be lost, or has to be kept.
    `value` is what the customer is worth, as that of a mover.
    """

    policy: Policy
    as_of: date
    customer_id: str
    customer_name: str
    tier: str
    line: NearLine
    relative_change: Decimal
    is_to_win: bool
    value: Decimal | None = None


def by_nearness(near: NearCustomer) -> tuple[bool, Decimal, Decimal, str, str]:
    """Sorts the most money first, customers of unknown value last, of equals those nearest to the line first."""
    is_unknown = near.value is None or not near.value.is_finite()
    money = Decimal(0) if near.value is None or is_unknown else -near.value
    return is_unknown, money, near.relative_change, near.customer_id, near.policy.id


@dataclass(frozen=True)
class ProvisionalGrade:
    """A tier that is provisional, and the day by which it is to be made final.

    `began_on`: a new customer's first day, whose grade stays provisional for some months; else `lacking` are the titles
    of the figures that were not known.
    """

    policy_id: str
    title: Titles
    customer_id: str
    customer_name: str
    tier: str
    began_on: date | None
    final_by: date
    overdue_days: int
    lacking: tuple[Titles, ...] = ()


def by_final_day(grade: ProvisionalGrade) -> tuple[date, str, str]:
    """Sorts what comes first to the front."""
    return grade.final_by, grade.policy_id, grade.customer_id


@dataclass(frozen=True)
class FollowUp:
    """A customer to be contacted, every so many days by its tier, or a task to be done (`task` is its title)."""

    policy_id: str
    title: Titles
    customer_id: str
    customer_name: str
    tier: str | None
    tier_title: Titles
    every_days: int | None
    task: Titles
    last_contact_on: date | None
    due_on: date
    overdue_days: int


def by_delay(due: FollowUp) -> tuple[date, str, str, str]:
    """Sorts the most overdue first."""
    return due.due_on, due.customer_id, due.policy_id, due.task.get("en", "")


@dataclass(frozen=True)
class VisitPlan:
    """Contacts that the cadence of a tier asked for in a month, those that were made, and the visits among them."""

    policy_id: str
    title: Titles
    tier: str
    rank: int
    tier_title: Titles
    every_days: int | None
    period_start: date
    period_end: date
    customers: int
    planned: int
    made: int
    visits: int


def by_plan(plan: VisitPlan) -> tuple[str, int, str]:
    """Sorts by policy, the best tier first."""
    return plan.policy_id, plan.rank, plan.tier


@dataclass(frozen=True)
class Care:
    """What an account manager has to do: follow-ups and grades due, visits of the last month, customers near a line.

    `listed_on` is the day of the lists, `follow_ups_by` and `grades_by` the days up to which they look ahead.
    `is_reminder`: this mail tells the follow-ups that were overdue when the week began.
    """

    near: tuple[NearCustomer, ...] = ()
    grades: tuple[ProvisionalGrade, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    visits: tuple[VisitPlan, ...] = ()
    listed_on: date | None = None
    follow_ups_by: date | None = None
    grades_by: date | None = None
    is_reminder: bool = False

    @property
    def overdue(self) -> int:
        """How many follow-ups are overdue."""
        return sum(due.overdue_days > 0 for due in self.follow_ups)


@dataclass(frozen=True)
class Digest:
    """Everything one account manager is told; or a superior, the general manager or the credit controller, by `kind`.

    `unassigned_customers` is above 0 only for the fallback and the general manager.
    `customers` counts distinct customers over all sections; None shows a total only when one section has it.
    """

    manager_id: str
    manager_name: str
    recipient: str
    locale: str
    currency: str
    sections: tuple[PolicySection, ...]
    quarantined: tuple[QuarantineCount, ...]
    unassigned_customers: int = 0
    is_correction: bool = False
    customers: int | None = None
    key_fields: tuple[KeyFieldChange, ...] = ()
    sources: tuple[SourceDay, ...] = ()
    notices: tuple[Notice, ...] = ()
    credit: tuple[CreditSection, ...] = ()
    over: tuple[Over, ...] = ()
    kind: Kind = "manager"
    migrations: tuple[Migration, ...] = ()
    ageing: tuple[Ageing, ...] = ()
    roll_ups: tuple[RollUp, ...] = ()
    falls: tuple[Fall, ...] = ()
    service_levels: tuple[ServiceLevel, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    reporting_lines: ReportingLines = ReportingLines()
    care: Care = Care()

    def __post_init__(self) -> None:
        _check("the kind of a digest", self.kind, Kind)

    @property
    def as_of(self) -> date | None:
        """The latest day that the digest is about; None when only what is to come or key facts are told."""
        decided = [*(section.as_of for section in self.sections), *(section.as_of for section in self.credit)]
        listed_on = self.care.listed_on if self.is_reminder_alone else None
        return max(decided or [over.as_of for over in self.over], default=listed_on)

    @property
    def is_reminder_alone(self) -> bool:
        """Whether overdue follow-ups are all that is told."""
        return self.care.is_reminder and digest_is_quiet(replace(self, care=Care()))


def digest_is_quiet(digest: Digest) -> bool:
    """True when there is nothing to say.

    Nothing moved or will go down, no limit changed, nobody is newly over one, no key fact changed, no row was refused,
    no customer lacks a manager, no follow-up is to be reminded of. To superiors and the general manager the standing
    state alone is no news.
    """
    if digest.kind == "controller":
        return not (digest.credit or any(over.is_new for over in digest.over))
    if digest.kind in ("superior", "general"):
        return not (
            any(section.movers for section in digest.sections)
            or any(section.lacks or section.whole.raised or section.whole.reduced for section in digest.credit)
            or digest.evaluations
        )
    return not (
        any(section.movers for section in digest.sections)
        or any(section.is_news for section in digest.credit)
        or digest.over
        or digest.key_fields
        or digest.notices
        or any(count.rows for count in digest.quarantined)
        or digest.unassigned_customers
        or digest.care.is_reminder
    )
