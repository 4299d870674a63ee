"""The policy language: names are checked, the line is given, and the version is the hash of the meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sql.errors import TieringError
from tests.indicator_frames import POLICIES, SHIPPED
from transforms.policy import parse_policy, read_policies
from transforms.policy_errors import PolicyError
from transforms.policy_text import PolicyText

FOLDER = Path(__file__).parents[1] / "policies"
RFM, PYRAMID, CLASSES = "rfm_555", "pyramid", "collection_classes"

# Texts of three policies that stay as they are, whatever becomes of the shipped ones: what an author changes in them
# is refused, is the same, or is another meaning.
WRITTEN = Path(__file__).parent / "policies" / "texts"
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(WRITTEN.glob("*.yaml"))}
VERSIONS = {policy_id: policy.version for policy_id, policy in read_policies(WRITTEN).items()}


@dataclass(frozen=True)
class Edit:
    """A written policy with one thing changed, and the line on which it was."""

    policy_id: str
    before: str
    after: str

    @property
    def text(self) -> str:
        assert self.before in TEXTS[self.policy_id]
        return TEXTS[self.policy_id].replace(self.before, self.after, 1)

    @property
    def line(self) -> int:
        return TEXTS[self.policy_id].partition(self.before)[0].count("\n") + 1

    def version(self) -> str:
        return parse_policy(self.text, "p.yaml").version


def refusal(text: str) -> str:
    with pytest.raises(TieringError) as refused:
        parse_policy(text, "p.yaml")
    return str(refused.value)


# ---- the shipped ones


def test_the_shipped_policies_are_these() -> None:
    refs = {policy_id: policy.ref.split(", ")[0] for policy_id, policy in POLICIES.items()}
    assert refs == {
        "aftersales_service": "S36", "b2b_multifactor": "S14", "bank_stars": "S56", "behaviour_abc": "S44",
        "call_service": "S24", "churn_watch": "S54", "client_project_quadrant": "S69", "collection_classes": "S60",
        "consumer_segments": "S58", "cumulative_abc": "S57", "dealer_points": "S13", "dealership_lifecycle": "S35",
        "enterprise_profile": "S42", "info_stars": "S43", "intent_matrix": "S49", "lifecycle_split": "S27",
        "lowest_indicator": "S39", "market_share_abcd": "S32", "membership": "S12", "mvc_mgc_bzc": "S28",
        "park_visitor": "S38", "pipeline_stage": "S4", "prescriber_matrix": "S1", "prescriber_potential": "S2",
        "property_services_card": "S23", "pyramid": "S20", "relationship_abcd": "S8", "request_priority": "S50",
        "retail_bank_abc": "S33", "rfm_544": "S64", "rfm_555": "S10", "satisfaction_survey": "S41",
        "securities_abcd": "S59", "share_quantity_quadrant": "S29", "suitability": "S7", "tier_and_type": "S26",
        "upgrade_potential": "S9", "value_layers": "S5",
    }  # fmt: skip
    assert {shape for policy in POLICIES.values() for shape in policy.decide.shapes} >= {
        "bands", "scorecard", "matrix", "top_share", "lowest", "rules", "quadrant", "composite", "assessed",
    }  # fmt: skip


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_everything_shown_to_people_is_in_both_languages(policy_id: str) -> None:
    policy = POLICIES[policy_id]
    assert set(policy.tier_titles) == set(policy.actions) == set(policy.tiers)
    shown = [policy.title, *policy.tier_titles.values(), *policy.actions.values()]
    languages = [{str(language) for language in titles} for titles in shown]
    languages += [set(policy.title_of(name)) for name in policy.indicators]
    assert all(each == {"en", "zh"} for each in languages)


def test_ranks_rules_and_titles() -> None:
    classes, pyramid, rfm = (parse_policy(TEXTS[name], "p.yaml") for name in (CLASSES, PYRAMID, RFM))
    assert [classes.rank_of(tier) for tier in classes.tiers] == [1, 2, 3, 4]
    assert [classes.rule_of(tier) for tier in classes.tiers] == [
        "is_key and collection_rate >= 1.00",
        "collection_rate >= 1.00 or (is_key and collection_rate >= 0.90)",
        "collection_rate >= 0.80",
        "everybody else",
    ]
    assert [pyramid.rule_of(tier) for tier in pyramid.tiers] == [
        f"the next {share} % by sales_rank" for share in (1, 4, 15, 80)
    ]
    assert [rfm.rule_of(tier) for tier in rfm.tiers] == [
        "score >= 13",
        "score >= 10",
        "score >= 7",
        "everybody else",
    ]
    untitled = Edit("pyramid", ", title: {en: rank by net sales, zh: 销售额排名}", "")
    assert parse_policy(untitled.text, "p.yaml").title_of("sales_rank") == {"en": "sales rank"}


def test_numbers_are_exact_and_the_text_is_kept() -> None:
    edit = Edit(RFM, "at_most: 7,", "at_most: 9007199254740993.55,")
    policy = parse_policy(edit.text.replace("at_most: 30,", "at_most: 9007199254740993.56,"), "p.yaml")
    assert policy.decide.composite is not None
    lines = policy.decide.composite.digits[0].scale or []
    assert [line.at_most for line in lines][:2] == [Decimal("9007199254740993.55"), Decimal("9007199254740993.56")]
    assert policy.text.startswith("# S10")


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        POLICIES["pyramid"].id = "other"


# ---- refusals


def read_mistakes(policy_id: str) -> list[tuple[Edit, str]]:
    path = Path(__file__).parent / "policies" / "mistakes" / f"{policy_id}.yaml"
    mistakes = PolicyText(path.read_text(encoding="utf-8"), path.name).data["mistakes"]
    return [(Edit(policy_id, mistake["before"], mistake["after"]), mistake["says"]) for mistake in mistakes]


REFUSED = [mistake for policy_id in (CLASSES, PYRAMID, RFM) for mistake in read_mistakes(policy_id)]


@pytest.mark.parametrize(("edit", "message"), REFUSED, ids=lambda value: str(getattr(value, "after", "")))
def test_a_mistake_is_refused_with_the_place_and_a_hint(edit: Edit, message: str) -> None:
    place, _, said = refusal(edit.text).partition(": ")
    assert said == message
    assert 1 < int(place.removeprefix("p.yaml:")) <= edit.text.count("\n")


@pytest.mark.parametrize(
    "edit",
    [
        edit
        for edit, message in REFUSED
        if re.search("this key is unknown|this must|needed here|not known here", message)
    ],
    ids=lambda edit: edit.after,
)
def test_the_line_of_a_wrong_key_or_value_is_its_own(edit: Edit) -> None:
    assert refusal(edit.text).startswith(f"p.yaml:{edit.line}: ")


@pytest.mark.parametrize("key", ["id", "title", "ref", "grain", "schedule", "as_of", "tiers", "indicators", "decide"])
def test_a_key_that_every_policy_has_is_missed(key: str) -> None:
    kept: list[str] = []
    inside = False
    for line in TEXTS[PYRAMID].splitlines(keepends=True):
        inside = line.startswith(f"{key}:") or (inside and line.startswith(" "))
        kept += [] if inside else [line]
    assert refusal("".join(kept)).endswith(f": {key}: this key is needed")


# ---- every section

WHOLE = """id: whole
title: {en: Whole}
ref: none
grain: customer
schedule: "0 6 * * *"
as_of: run_day
tiers: [A, B]
indicators:
  sales: {measure: net_sales, window: 12 months, unit: money, minimum: 0}
  growth: {measure: sales_growth, window: 12 months, unit: ratio}
  distance: {attribute: attr_distance, unit: number, better: low}
  region: {attribute: region}
  kind: {attribute: attr_kind, unit: text, values: [dealer, maker]}
  trust: {assessment: trust, unit: points, maximum: 10}
  place: {rank: sales, within: region, ties: {by: [growth, customer_id]}}
  part: {cumulative_share: sales, counts: others, better: high}
gate: {active: {when: sales > 0, title: {en: Active}}, known: region is not missing}
decide:
  rules: [{tier: A, when: place <= 5 or part <= 0.5, because: {en: big}}, {tier: B}]
missing: {growth: {as: 0, status: final}}
provisional: trust is missing
value: sales
class: {of: kind, classes: {dealer: {title: {en: Dealer}}, maker: {actions: {en: Visit}}}}
actions: {A: {en: Visit}}
service: {A: {owner: director, coverage: dedicated, span: 30, answered: {seconds: 20, share: 0.8}, replied: {days: 1}}}
terms: {A: {payment: open_account, days: 60, discount_rate: 0.05, credit_limit: largest_order}, B: {credit_limit: 0}}
follow_up:
  every_days: {A: 30}
  tasks: {call: {tiers: [B], when: growth < 0, within_days: 7, done_by: contact, title: {en: Call}}}
credit: {budget: credit_budget * (1 + vat_rate), sales: sales, multiplier: {A: 2, B: 1}, cap: sales}
"""


def test_a_policy_may_have_every_section() -> None:
    policy = parse_policy(WHOLE, "p.yaml")
    assert policy.terms["B"].credit_limit == 0
    assert policy.terms["A"].credit_limit == "largest_order"
    assert policy.gate["known"].when == "region is not missing"
    assert list(policy.conditions) == ["gate.active", "gate.known", "follow_up.tasks.call", "provisional"]
    assert policy.used == {"sales", "growth", "region", "kind", "trust", "place", "part"}
    assert [policy.indicators[name].value_type for name in ("sales", "region", "kind", "trust", "place")] == [
        "number", "text", "text", "number", "number",
    ]  # fmt: skip
    assert policy.indicators["place"].source_indicator == policy.indicators["part"].source_indicator == "sales"


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("{of: kind,", "{of: kinds,", "class.of: the indicator kinds is not declared; did you mean kind?"),
        ("{of: kind,", "{of: sales,", "class.of: sales is no text"),
        ("actions: {A:", "actions: {C:", "actions: the tier C is not declared; there are A, B"),
        ("service: {A:", "service: {C:", "service: the tier C is not declared; there are A, B"),
        ("terms: {A:", "terms: {C:", "terms: the tier C is not declared; there are A, B"),
        ("every_days: {A:", "every_days: {C:", "follow_up.every_days: the tier C is not declared; there are A, B"),
        ("call: {tiers: [B]", "call: {tiers: [C]", "follow_up.tasks: the tier C is not declared; there are A, B"),
        ("when: growth < 0", "when: grow < 0",
         "follow_up.tasks.call: the indicator grow is not declared; did you mean growth?"),
        ("tiers: [B], when: growth < 0, ", "",
         "follow_up.tasks.call: a task says for whom it is: `tiers`, `when`, or both"),
        ("tiers: [B], when", "scope: everybody, tiers: [B], when",
         "follow_up.tasks.call: only who is graded has a tier: a task for everybody has no `tiers`"),
        ("within_days: 7", "within_days: -1",
         "follow_up.tasks.call.within_days: this must be greater than or equal to 0"),
        ("{A: 30}", "{A: 0}", "follow_up.every_days.A: this must be greater than 0"),
        ("multiplier: {A: 2", "multiplier: {C: 2", "credit: the tier C is not declared; there are A, B"),
        ("cap: sales", "cap: sale", "credit: the indicator sale is not declared; did you mean sales?"),
        ("credit_budget *", "budget *", "credit.budget: budget is no column of the plan: revenue_budget, "
         "gross_margin_rate, vat_rate, credit_budget"),
        ("provisional: trust", "provisional: trusts",
         "provisional: the indicator trusts is not declared; did you mean trust?"),
        ("provisional: trust is missing", "provisional: trust >", "provisional: 'trust >' is no condition; "
         "write for example: rate >= 0.80 and is_key"),
        ("within: region", "within: regions", "within: the indicator regions is not declared; did you mean region?"),
        ("within: region", "within: trust", "indicators.place: within trust, which is no text of the account"),
        ("by: [growth,", "by: [growths,", "ties: the indicator growths is not declared; did you mean growth?"),
        ("{rank: sales,", "{rank: region,", "indicators.place: region is no number; a statistic orders numbers"),
        ("{cumulative_share: sales,", "{cumulative_share: place,",
         "indicators.part: place is a statistic itself; take it of a measure"),
        ("counts: others", "counts: all", "indicators.part.counts: all is not known here; there are own, others"),
        ("active: {when: sales > 0", "active: {when: place > 0",
         "gate.active: place is taken over those who pass the gates; gate on a measure"),
        ("{attribute: region}", "{attribute: region, window: ever}",
         "indicators.region: window, basis and kind belong to a measure"),
        ("{attribute: region}", "{attribute: region, maximum: 5}",
         "indicators.region: only a number has a minimum or a maximum"),
        ("{growth: {as: 0,", "{growth: {as: 0, tier: B,",
         "missing.growth: an undefined indicator gives a `tier`, or counts `as` a value"),
        ("{growth: {as: 0, status: final}}", "{growth: {status: final}}",
         "missing.growth: an undefined indicator gives a `tier`, or counts `as` a value"),
        ("discount_rate: 0.05", "discount_rate: 1", "terms.A.discount_rate: this must be less than 1"),
        ("share: 0.8", "share: 0", "service.A.answered.share: this must be greater than 0"),
        ("minimum: 0}", "minimum: 500,000}", "indicators.sales.000: a number has no separators: write 500000"),
        ("minimum: 0}", "minimum: 5%}", "indicators.sales.minimum: a number is needed here, without quotes, % or "
         "separators"),
        ("title: {en: Whole}", "title: Whole", "title: a mapping is needed here; a text is written {en: …, zh: …}"),
        ("tiers: [A, B]\n", "tiers: A\n", "tiers: a list is needed here, such as [A, B]"),
        ("tiers: [A, B]\n", "tiers:\n", "tiers: nothing stands here; write a value, or remove the key"),
        ("credit_limit: largest_order", "credit_limit: largest", "terms.A.credit_limit: a number is needed here, "
         "without quotes, % or separators, or largest is not known here; did you mean largest_order? (of "
         "largest_order, average_order)"),
        ("ref: none", "ref: " + "S" * 101, "ref: this must have at most 100 characters"),
        ("sales > 0", 'region = "north"', "gate.active.when: a text stands in single quotes: 'north'"),
        ("{rank: sales,", "{rank: distance,", "indicators.place: distance is best low, and this takes the high end for "
         "the best; say better: low here, or better: high if that is meant"),
        ("value: sales\n", "value: sales\npublishes: class\n",
         "publishes: a class policy has no class of its own, no movement, review, credit or outlook"),
    ],
)  # fmt: skip
def test_a_mistake_in_any_section_is_named(before: str, after: str, says: str) -> None:
    assert WHOLE.count(before) == 1
    assert refusal(WHOLE.replace(before, after)).partition(": ")[2] == says


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("minimum: 0}", "minimum: 1}"),
        ("counts: others, ", ""),
        ("within: region, ", ""),
        ("because: {en: big}", "because: {en: large}"),
        ("as: 0,", "as: 0.1,"),
        ("provisional: trust is missing\n", ""),
        ("dealer: {title: {en: Dealer}}", "dealer: {}"),
        ("span: 30", "span: 31"),
        ("days: 60", "days: 61"),
        ("{A: 30}", "{A: 31}"),
        ("growth < 0", "growth <= 0"),
        ("multiplier: {A: 2", "multiplier: {A: 2.1"),
        ("credit_budget * (1 + vat_rate)", "credit_budget"),
    ],
)
def test_every_section_is_meaning(before: str, after: str) -> None:
    assert WHOLE.count(before) == 1
    changed = parse_policy(WHOLE.replace(before, after), "p.yaml")
    assert changed.version != parse_policy(WHOLE, "p.yaml").version


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{when: sales > 0, title: {en: Active}}", "{title: {en: Active}, when: sales  >  0.0}"),
        ("known: region is not missing", "known: {when: region IS NOT missing}"),
        ("growth < 0", "growth<0.00"),
        ("A: 2, B: 1", "B: 1.0, A: 2.0"),
        ("trust is missing", "trust  is  missing"),
        ("  rules: [{tier: A, when: place <= 5 or part <= 0.5, because: {en: big}}, {tier: B}]",
         "  rules: {of: [{tier: A, when: place <= 5 or part <= 0.50, because: {en: big}}, {tier: B}]}"),
    ],
)  # fmt: skip
def test_a_short_form_is_the_same_meaning(before: str, after: str) -> None:
    assert WHOLE.count(before) == 1
    changed = parse_policy(WHOLE.replace(before, after), "p.yaml")
    assert changed.version == parse_policy(WHOLE, "p.yaml").version


@pytest.mark.parametrize(
    ("before", "after", "on"),
    [
        ("{tier: A, when", "{tier: C, when", "  rules:"),
        ("part <= 0.5", "prt <= 0.5", "  rules:"),
        ("{rank: sales,", "{rank: sale,", "  place:"),
        ("by: [growth,", "by: [grow,", "  place:"),
        ("sales > 0", "sale > 0", "gate:"),
        ("{A: 30}", "{C: 30}", "  every_days:"),
        ("tiers: [B], when", "tiers: [C], when", "  tasks:"),
        ("sales, multiplier: {A", "sales, multiplier: {C", "credit:"),
    ],
)
def test_a_name_that_is_not_declared_is_told_on_its_own_line(before: str, after: str, on: str) -> None:
    assert WHOLE.count(before) == 1
    line = next(number for number, line in enumerate(WHOLE.splitlines(), 1) if line.startswith(on))
    assert refusal(WHOLE.replace(before, after)).startswith(f"p.yaml:{line}: ")


def test_every_key_that_is_unknown_is_told_at_once() -> None:
    text = WHOLE.replace("grain:", "grian:").replace("minimum: 0", "mininum: 0").replace("span: 30", "spam: 30")
    with pytest.raises(PolicyError) as refused:
        parse_policy(text, "p.yaml")
    assert sorted(refused.value.problems) == [
        (4, "grian: this key is unknown; did you mean grain?"),
        (9, "indicators.sales.mininum: this key is unknown; did you mean minimum?"),
        (25, "service.A.spam: this key is unknown; did you mean span?"),
    ]


@pytest.mark.parametrize(
    "schedule",
    ["0 25 3 * *", "0 6 3 *", "0 6 3 * * *", "“0 6 3 * *”", "@daily", "", "0 6 31 2 *", "at six", "0 6 3 * MOO"],
)
def test_a_schedule_that_airflow_would_not_run_is_refused(schedule: str) -> None:
    said = refusal(WHOLE.replace('"0 6 * * *"', f'"{schedule}"'))
    expected = f"schedule: {schedule!r} is no schedule; write five fields of cron, such as 0 6 3 * *"
    assert said == f"p.yaml:5: {expected}"


@pytest.mark.parametrize("schedule", ["30 6 2 1,4,7,10 *", "*/15 8-18 * * MON-FRI", "0 0 29 2 *"])
def test_a_schedule_that_airflow_runs_is_taken(schedule: str) -> None:
    assert parse_policy(WHOLE.replace('"0 6 * * *"', f'"{schedule}"'), "p.yaml").schedule == schedule


def test_a_statistic_may_take_the_other_end_for_the_best_where_it_says_so() -> None:
    for better in ("low", "high"):
        other = WHOLE.replace("{rank: sales,", f"{{rank: distance, better: {better},")
        assert parse_policy(other, "p.yaml").indicators["place"].best == better


PIECES = ["：", "，", "{", "}", "[", "]", "\t", "\u3000", ": ", "'", '"', "#", "\n", "  ", "- ", "null", "-1", "%", "A"]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(TEXTS)),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 20),
    st.sampled_from(["", *PIECES]),
)
def test_a_policy_cut_or_added_to_anywhere_is_read_or_refused_in_one_line(
    policy_id: str, where: float, cut: int, piece: str
) -> None:
    text = TEXTS[policy_id]
    place = int(where * len(text))
    try:
        parse_policy(text[:place] + piece + text[place + cut :], "p.yaml")
    except TieringError as refused:
        said = str(refused)
        assert re.match(r"p\.yaml:\d+: \S", said)
        assert "\n" not in said
        assert not re.search("Input should|Field required|valid_|instance of", said), "in the words of a person"


# ---- the version


@pytest.mark.parametrize(
    "edit",
    [
        Edit(CLASSES, "# S60", "# another comment\n\n# S60"),
        Edit(CLASSES, "ref: S60\ngrain: bill_to\n", "grain: bill_to\nref: S60\n"),
        Edit(CLASSES, "{tier: D, status: provisional}", "{status: provisional, tier: D}"),
        Edit(CLASSES, "{tier: D, status: provisional}", "{tier: D}"),
        Edit(CLASSES, "{en: Collection-rate classes, zh: ", "{'en': Collection-rate classes, zh: "),
        Edit(PYRAMID, "{en: Iron, zh: 铁}", "\n    zh: 铁\n    en: Iron"),
        Edit(CLASSES, "moved_share: 0.20", "moved_share: 0.2"),
        Edit(RFM, "at_most: 7,", "at_most: 7.0,"),
        Edit(RFM, "at_least: 13", "at_least: 13.00"),
        Edit(PYRAMID, "percent: 15", "percent: 15.000"),
        Edit(CLASSES, "collection_rate >= 0.80", "collection_rate >= 0.8"),
        Edit(CLASSES, "is_key and collection_rate >= 1.00}", "is_key AND  collection_rate>=1}"),
        Edit(PYRAMID, "net_sales > 0", '"net_sales > 0.00"'),
        Edit(CLASSES, "{down: {after: 1}, up: {after: 1}, max_steps_down: null, min_stay: null}", "{}"),
        Edit(PYRAMID, "review:\n  breaker: {moved_share: 0.30}", "review: {breaker: {moved_share: 0.30}}"),
        Edit(PYRAMID, "grain: customer", "grain: 'customer'"),
    ],
    ids=lambda edit: edit.after[:40],
)  # fmt: skip
def test_spelling_does_not_change_the_version(edit: Edit) -> None:
    assert edit.version() == VERSIONS[edit.policy_id]


@pytest.mark.parametrize("policy_id", SHIPPED)
def test_the_order_of_the_indicators_does_not_change_the_version(policy_id: str) -> None:
    head, _, rest = POLICIES[policy_id].text.partition("\nindicators:\n")
    section = re.match(r"(?:  .*\n|\n| *#.*\n)*", rest)
    assert section
    entries = re.split(r"(?m)^(?=  [a-z])", section[0])
    turned = "".join([head, "\nindicators:\n", *entries[::-1], rest[section.end() :]])
    policy = parse_policy(turned, "p.yaml")
    assert list(policy.indicators) == list(POLICIES[policy_id].indicators)[::-1]
    assert policy.version == POLICIES[policy_id].version


@pytest.mark.parametrize(
    "edit",
    [
        Edit(CLASSES, "collection_rate >= 0.80", "collection_rate >= 0.81"),
        Edit(CLASSES, "collection_rate >= 0.80", "collection_rate > 0.80"),
        Edit(CLASSES, "top: 100", "top: 99"),
        Edit(CLASSES, "basis: gross", "basis: net"),
        Edit(CLASSES, "ties: {by: [gross_sales, customer_id]}, ", ""),
        Edit(CLASSES, "ties: {by: [gross_sales, customer_id]}", "ties: {by: [customer_id, gross_sales]}"),
        Edit(CLASSES, "status: provisional", "status: final"),
        Edit(CLASSES, "moved_share: 0.20", "moved_share: 0.21"),
        Edit(CLASSES, "by: [sales_director, general_manager]", "by: [sales_director]"),
        Edit(RFM, "at_most: 7,", "at_most: 8,"),
        Edit(RFM, "at_most: 7,", "below: 7,"),
        Edit(RFM, "digit: 5}", "digit: 6}"),
        Edit(RFM, "at_least: 13", "at_least: 14"),
        Edit(RFM, "- {of: frequency}\n      - {of: monetary}", "- {of: monetary}"),
        Edit(RFM, "window: ever", "window: 24 months"),
        Edit(PYRAMID, "15}\n      - {tier: lead, percent: 80}", "16}\n      - {tier: lead, percent: 79}"),
        Edit(PYRAMID, "net_sales > 0", "net_sales > 1"),
        Edit(PYRAMID, "current_business: net_sales > 0", "business: net_sales > 0"),
        Edit(PYRAMID, "value: net_sales\n", "value: net_sales\neffective_from: 2026-01-01\n"),
        Edit(PYRAMID, "tiers: [platinum, gold, iron, lead]", "tiers: [gold, platinum, iron, lead]"),
    ],
    ids=lambda edit: edit.after[:40],
)  # fmt: skip
def test_another_meaning_is_another_version(edit: Edit) -> None:
    assert edit.version() != VERSIONS[edit.policy_id]


@pytest.mark.parametrize(
    ("section", "one", "other"),
    [
        ("gate", "  a: net_sales > 0\n", "  b: net_sales is not missing\n"),
        ("missing", "  net_sales: {tier: lead}\n", "  sales_rank: {tier: iron}\n"),
    ],
)
def test_the_order_of_gates_and_missing_entries_is_meaning(section: str, one: str, other: str) -> None:
    text = TEXTS[PYRAMID].replace("gate:\n  current_business: net_sales > 0\n", "")
    versions = {parse_policy(f"{text}{section}:\n{pair}", "p.yaml").version for pair in (one + other, other + one)}
    assert len(versions) == 2


def test_a_version_is_a_hash_and_none_is_shared() -> None:
    versions = {policy.version for policy in POLICIES.values()}
    assert len(versions) == len(SHIPPED)
    assert all(len(bytes.fromhex(version)) == 32 for version in versions)


def test_a_day_may_be_given_from_which_the_text_is_in_force() -> None:
    policy = parse_policy(TEXTS[PYRAMID] + "effective_from: 2026-01-01\n", "p.yaml")
    assert policy.effective_from == date(2026, 1, 1)
    assert parse_policy(TEXTS[PYRAMID], "p.yaml").effective_from is None


# ---- folders


def test_a_folder_gives_its_policies_by_id(tmp_path: Path) -> None:
    for policy_id in (RFM, CLASSES):
        (tmp_path / f"{policy_id}.yaml").write_text(TEXTS[policy_id], encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no policy")
    found = read_policies(tmp_path)
    assert {name: policy.version for name, policy in found.items()} == {name: VERSIONS[name] for name in (CLASSES, RFM)}


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TieringError, match=r"^TIERING_POLICIES: .*/ holds no .yaml file; add a policy$"):
        read_policies(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("other.yaml", TEXTS[PYRAMID].encode(), "other.yaml: the id pyramid is not the name of the file"),
        (
            "pyramid.yaml",
            TEXTS[PYRAMID].encode("gb18030"),
            "pyramid.yaml: this is not UTF-8; save the file as UTF-8",
        ),
        ("pyramid.yaml", b"a: 1\na: 2\n", "pyramid.yaml:2: the key a stands here twice"),
    ],
)
def test_a_file_that_is_no_policy_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TieringError) as refused:
        read_policies(tmp_path)
    assert str(refused.value) == f"{tmp_path.name}/{message}"
