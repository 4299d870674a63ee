"""The review pack: what a committee looks at for one policy and one day, as an Excel workbook.

Names and amounts are in it: it is for those who review, and is never mailed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from reports.digest import Titles
from reports.sheets import Cell, Column, Sheet, write_sheets
from reports.text import clean_text
from reports.wording import Language


@dataclass(frozen=True)
class Reviewed:
    """One graded customer: what the rules found, what people gave, and the facts that the lists show."""

    customer_id: str
    name: str
    manager: str
    tier_before: str | None
    computed_tier: str
    status: str
    score: Decimal | None
    pre_grade: str | None
    pre_graded_by: str | None
    pre_reason: str | None
    final_grade: str | None
    final_graded_by: str | None
    final_reason: str | None
    state: str
    began_on: date | None
    evaluated_from: date | None
    special_policy: str | None
    special_settlement: str | None
    settlement: str | None
    sales_now: Decimal
    sales_before: Decimal
    months_bought: int
    balance: Decimal
    overdue_amount: Decimal
    overdue_days: int | None

    @property
    def tier(self) -> str:
        """The tier that stands to be published: the final grade, or else the pre-grade, or else what was computed."""
        return self.final_grade or self.pre_grade or self.computed_tier

    @property
    def growth(self) -> Decimal | None:
        """Sales of the last twelve months against the twelve before; None where there were none."""
        return self.sales_now / self.sales_before - 1 if self.sales_before > 0 else None


@dataclass(frozen=True)
class SupportTask:
    """A task that the policy gives the customers of its best tier."""

    title: Titles
    due_on: date


@dataclass(frozen=True)
class SampledInput:
    """One indicator behind a decision that is spot-checked."""

    customer_id: str
    title: Titles
    value: Decimal | str | None
    level: str | None
    points: Decimal | None
    weight: Decimal | None
    contribution: Decimal | None
    evidence_on: date | None


@dataclass(frozen=True)
class Reconciled:
    """Sales, receivables and cash of one account and currency, or of all accounts (`account_id` None)."""

    account_id: str | None
    currency: str
    invoiced: Decimal
    booked: Decimal
    collected: Decimal
    open_amount: Decimal
    on_account: Decimal
    sales_difference: Decimal
    cash_difference: Decimal
    accounts: int
    differing: int


@dataclass(frozen=True)
class ReviewPack:
    """Everything that a pack says, customers in the order of the proposal."""

    policy_id: str
    title: Titles
    as_of: date
    is_published: bool
    facts_through: date
    currency: str
    tiers: tuple[str, ...]
    tier_titles: Mapping[str, Titles]
    customers: tuple[Reviewed, ...]
    tasks: tuple[SupportTask, ...]
    sample: tuple[SampledInput, ...]
    reconciliation: tuple[Reconciled, ...]
    locale: str


def render_pack(pack: ReviewPack) -> bytes:
    """Return the pack as the bytes of an .xlsx file; the same pack gives the same bytes."""
    language = Language(pack.locale)
    sheets = [
        _summarize(pack, language),
        _list_best(pack, language),
        _list_special_policies(pack, language),
        _list_settlements(pack, language),
        _list_new(pack, language),
        _list_proposal(pack, language),
        _list_sample(pack, language),
        _list_reconciliation(pack, language),
    ]
    return write_sheets(sheets, language.title(pack.title, pack.policy_id), pack.as_of)


def _customer_columns(_: Language) -> tuple[Column, ...]:
    return (
        Column(_("Customer number"), 18, "text"),
        Column(_("Name"), 34, "text"),
        Column(_("Account manager"), 18, "text"),
        Column(_("Tier"), 10, "text"),
    )


def _customer_cells(customer: Reviewed) -> tuple[Cell, ...]:
    return (
        clean_text(customer.customer_id, 40),
        clean_text(customer.name),
        clean_text(customer.manager),
        clean_text(customer.tier, 24),
    )


def _money(title: str, pack: ReviewPack) -> Column:
    return Column(f"{title} ({clean_text(pack.currency, 3)})", 18, "money")


def _summarize(pack: ReviewPack, language: Language) -> Sheet:
    _ = language
    found = Counter(customer.computed_tier for customer in pack.customers)
    given = Counter(customer.tier for customer in pack.customers)
    before = Counter(customer.tier_before for customer in pack.customers)
    state = _("published") if pack.is_published else _("proposed, waits for an answer")
    return Sheet(
        name=_("Overview"),
        columns=(
            Column(_("Tier"), 12, "text"),
            Column(_("Title"), 34, "text"),
            Column(_("Before"), 14, "count"),
            Column(_("Computed"), 14, "count"),
            Column(_("As it stands"), 14, "count"),
        ),
        rows=[
            (tier, _.title(pack.tier_titles.get(tier, {}), tier), before[tier], found[tier], given[tier])
            for tier in pack.tiers
        ],
        rest=_(
            "{title}, {day}: {state}. Facts through {through}.",
            title=_.title(pack.title, pack.policy_id),
            day=pack.as_of.isoformat(),
            state=state,
            through=pack.facts_through.isoformat(),
        ),
    )


def _list_best(pack: ReviewPack, language: Language) -> Sheet:
    """List A: the customers of the best tier, each with the tasks of its support plan."""
    _ = language
    tasks: Sequence[SupportTask | None] = pack.tasks or (None,)
    return Sheet(
        name=_("A Best tier"),
        columns=(
            *_customer_columns(_),
            Column(_("Before"), 10, "text"),
            Column(_("Score"), 10, "number"),
            Column(_("Task"), 44, "words"),
            Column(_("Due on"), 12, "date"),
            Column(_("Support plan"), 40, "words"),
            Column(_("Responsible"), 18, "text"),
        ),
        rows=[
            (
                *_customer_cells(customer),
                customer.tier_before,
                customer.score,
                _.title(task.title, "", 120) if task else None,
                task.due_on if task else None,
                None,
                None,
            )
            for customer in pack.customers
            if customer.tier == pack.tiers[0]
            for task in tasks
        ],
    )


def _list_special_policies(pack: ReviewPack, language: Language) -> Sheet:
    """List B: customers under a special policy, how stable they are, and room for the proposal."""
    _ = language
    return Sheet(
        name=_("B Special policy"),
        columns=(
            *_customer_columns(_),
            Column(_("Special policy"), 24, "text"),
            _money(_("Sales of 12 months"), pack),
            _money(_("Sales of the 12 months before"), pack),
            Column(_("Growth"), 12, "percent"),
            Column(_("Months with purchases"), 12, "count"),
            Column(_("Proposal"), 40, "words"),
        ),
        rows=[
            (
                *_customer_cells(customer),
                clean_text(customer.special_policy or ""),
                customer.sales_now,
                customer.sales_before,
                customer.growth,
                customer.months_bought,
                None,
            )
            for customer in pack.customers
            if customer.special_policy
        ],
    )


def _list_settlements(pack: ReviewPack, language: Language) -> Sheet:
    """List C: special settlements to verify, add or revoke, with what is overdue."""
    _ = language
    words = {"revoke": _("revoke"), "verify": _("verify"), "add": _("add")}
    order = list(words)
    listed = sorted(
        (customer for customer in pack.customers if customer.settlement),
        key=lambda customer: order.index(str(customer.settlement)),
    )
    return Sheet(
        name=_("C Special settlement"),
        columns=(
            *_customer_columns(_),
            Column(_("Special settlement"), 24, "text"),
            Column(_("What to do"), 14, "text"),
            _money(_("Balance"), pack),
            _money(_("Overdue"), pack),
            Column(_("Days overdue"), 12, "count"),
            Column(_("Decision"), 40, "words"),
        ),
        rows=[
            (
                *_customer_cells(customer),
                clean_text(customer.special_settlement or ""),
                words[str(customer.settlement)],
                customer.balance,
                customer.overdue_amount,
                customer.overdue_days,
                None,
            )
            for customer in listed
        ],
    )


def _list_new(pack: ReviewPack, language: Language) -> Sheet:
    """List D: customers of less than six full months, and when each is evaluated."""
    _ = language
    new = [customer for customer in pack.customers if customer.evaluated_from and customer.evaluated_from > pack.as_of]
    return Sheet(
        name=_("D New customers"),
        columns=(
            *_customer_columns(_),
            Column(_("Status"), 14, "text"),
            Column(_("Cooperation began on"), 14, "date"),
            Column(_("Evaluate from"), 14, "date"),
            _money(_("Sales of 12 months"), pack),
        ),
        rows=[
            (
                *_customer_cells(customer),
                _("provisional"),
                customer.began_on,
                customer.evaluated_from,
                customer.sales_now,
            )
            for customer in sorted(
                new, key=lambda customer: (customer.evaluated_from or date.max, customer.customer_id)
            )
        ],
    )


def _list_proposal(pack: ReviewPack, language: Language) -> Sheet:
    """Everybody: computed tier, pre-grade, final grade, and the reason of a difference."""
    _ = language
    states = {
        "collected": _("collected"),
        "screened": _("screened"),
        "analysed": _("analysed"),
        "graded": _("graded"),
        "notified": _("notified"),
        "re_review": _("due for review"),
    }
    return Sheet(
        name=_("All grades"),
        columns=(
            *_customer_columns(_),
            Column(_("Before"), 10, "text"),
            Column(_("Computed"), 12, "text"),
            Column(_("Score"), 10, "number"),
            Column(_("Pre-grade"), 12, "text"),
            Column(_("Pre-graded by"), 18, "text"),
            Column(_("Final grade"), 12, "text"),
            Column(_("Graded by"), 18, "text"),
            Column(_("Reason of the difference"), 50, "words"),
            Column(_("State"), 14, "text"),
        ),
        rows=[
            (
                *_customer_cells(customer),
                customer.tier_before,
                customer.computed_tier,
                customer.score,
                customer.pre_grade,
                clean_text(customer.pre_graded_by or ""),
                customer.final_grade,
                clean_text(customer.final_graded_by or ""),
                clean_text(customer.final_reason or customer.pre_reason or "", 1000),
                states.get(customer.state, ""),
            )
            for customer in pack.customers
        ],
    )


def _list_sample(pack: ReviewPack, language: Language) -> Sheet:
    """The customers that the director checks, with every input of their decision."""
    _ = language
    by_customer = {customer.customer_id: customer for customer in pack.customers}
    return Sheet(
        name=_("Spot check"),
        columns=(
            *_customer_columns(_),
            Column(_("Computed"), 12, "text"),
            Column(_("Score"), 10, "number"),
            Column(_("Indicator"), 34, "text"),
            Column(_("Value"), 18, "number"),
            Column(_("Level"), 12, "text"),
            Column(_("Points"), 12, "number"),
            Column(_("Weight"), 10, "number"),
            Column(_("Contribution"), 12, "number"),
            Column(_("Evidence of"), 12, "date"),
            Column(_("Checked, by whom"), 30, "words"),
        ),
        rows=[
            (
                *_customer_cells(by_customer[line.customer_id]),
                by_customer[line.customer_id].computed_tier,
                by_customer[line.customer_id].score,
                _.title(line.title, ""),
                clean_text(line.value) if isinstance(line.value, str) else line.value,
                line.level,
                line.points,
                line.weight,
                line.contribution,
                line.evidence_on,
                None,
            )
            for line in pack.sample
        ],
    )


def _list_reconciliation(pack: ReviewPack, language: Language) -> Sheet:
    """Totals per currency, then the accounts whose sales, receivables and cash do not agree to the cent."""
    _ = language
    order = sorted(
        pack.reconciliation, key=lambda row: (row.account_id is not None, row.currency, row.account_id or "")
    )
    agreeing = sum(row.accounts - row.differing for row in pack.reconciliation if row.account_id is None)
    return Sheet(
        name=_("Reconciliation"),
        columns=(
            Column(_("Account"), 18, "text"),
            Column(_("Currency"), 10, "text"),
            Column(_("Invoiced"), 18, "money"),
            Column(_("Booked as receivable"), 18, "money"),
            Column(_("Not booked"), 18, "money"),
            Column(_("Collected"), 18, "money"),
            Column(_("Open"), 18, "money"),
            Column(_("Money on account"), 18, "money"),
            Column(_("Not explained"), 18, "money"),
            Column(_("Accounts that differ"), 12, "count"),
            Column(_("Explanation"), 40, "words"),
        ),
        rows=[
            (
                _("All accounts") if row.account_id is None else clean_text(row.account_id, 40),
                clean_text(row.currency, 3),
                row.invoiced,
                row.booked,
                row.sales_difference,
                row.collected,
                row.open_amount,
                row.on_account,
                row.cash_difference,
                row.differing if row.account_id is None else None,
                None,
            )
            for row in order
        ],
        rest=_("Agree to the cent: {count} accounts", count=_.count(agreeing)),
    )
