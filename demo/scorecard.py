"""What assessors wrote about partners: one card a year, each criterion a number or a word."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from demo.columns import Bools, Days, Floats, Ints, make_days, make_decimals, make_numbers, pick


class _Criterion(NamedTuple):
    """A criterion and what may stand for it: words from best to worst, or numbers `low` to `high` in steps.

    `follows` says that the answer goes with the assessor's general impression of the partner.
    """

    name: str
    words: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    step: str = "1"
    follows: bool = True


_NUMBERS = (
    _Criterion("strength", high=15, step="0.5"),
    _Criterion("growth_potential", high=15, step="0.5"),
    _Criterion("profitability", high=15, step="0.5"),
    _Criterion("credit_score", high=30, step="0.5"),
    _Criterion("cooperation", high=10, step="0.5"),
    _Criterion("brand", high=10, step="0.5"),
    _Criterion("loyalty", high=10, step="0.5"),
    _Criterion("potential", high=10, step="0.5"),
    _Criterion("win_probability", high=1, step="0.01"),
    _Criterion("purchase_share", high=1, step="0.01", follows=False),
    _Criterion("next_quantity", high=5000, follows=False),
    _Criterion("market_demand", low=1, high=4),
    _Criterion("risk_tolerance", low=1, high=5, follows=False),
    _Criterion("product_risk", low=1, high=5, follows=False),
    _Criterion("investment_years", high=30, follows=False),
)
_GRADES = ("A", "B", "C", "D")
_WORDS = (
    _Criterion("need_level", ("major", "important", "general")),
    _Criterion("lifecycle_stage", ("1001", "1002", "1003", "1004", "1005", "1006"), follows=False),
    _Criterion("dependence", ("dependent", "reference", "professional"), follows=False),
    _Criterion("private_interaction", ("frequent", "some", "none")),
    _Criterion("park_need", ("urgent", "clear", "unclear")),
    _Criterion("park_funds", ("ample", "tight", "short")),
    _Criterion("park_price", ("accepts", "worries", "refuses")),
    _Criterion("park_information", ("full", "partial", "refuses")),
    _Criterion("meets_entry_conditions", ("true",) * 6 + ("false",)),
    _Criterion("purchase_willingness", _GRADES),
    _Criterion("region_acceptance", _GRADES),
    _Criterion("product_acceptance", _GRADES),
    _Criterion("price_tolerance", _GRADES),
    _Criterion("purchasing_power", _GRADES),
    _Criterion("close_time", _GRADES),
    _Criterion("mortgage_concern", _GRADES),
    _Criterion("contact_depth", _GRADES),
    _Criterion("industry_position", ("leader", "new", "startup"), follows=False),
    _Criterion("partnership", ("long", "short", "potential")),
    _Criterion("market_end", ("high", "mid", "low"), follows=False),
    _Criterion("credit_rating", _GRADES),
    _Criterion("willingness", ("high", "mid", "low"), follows=False),
    _Criterion("ability", ("strong", "mid", "weak"), follows=False),
    _Criterion("client_quality", ("good", "bad"), follows=False),
    _Criterion("project_quality", ("good", "bad"), follows=False),
    _Criterion("relationship_grade", _GRADES),
)
# Most have none; each stands as often as it is repeated.
_RECORDS = (_Criterion("default_records", ("0",) * 14 + ("1",) * 3 + ("2", "3", "4", "5"), follows=False),)
_EXCEPTION = (_Criterion("prescriber_exception", ("true", "false", "false", "false"), follows=False),)

_WITH_NUMBERS, _WITH_WORDS = 0.6, 0.2  # shares of the partners that have such a card; prospects have both
_LEFT_OUT = 0.1
_ASSESSORS = ["R01", "R02", "R03", "R05", "R06", "D01", "D02"]


def fill_cards(
    rng: np.random.Generator,
    partner_no: pa.Array,
    known_from: Days,
    last: np.datetime64,
    is_prospect: Bools,
    is_doctor: Bools,
) -> pa.Table:
    """The cards of all years: one row per partner, criterion and day, with its evidence.

    Some partners have no card, every card leaves out some criteria, and some judgements expire after a year.
    """
    count = len(partner_no)
    has_numbers = is_prospect | (rng.random(count) < _WITH_NUMBERS)
    has_words = is_prospect | (rng.random(count) < _WITH_WORDS)
    years = int((last - known_from).astype(np.int64).max()) // 365 + 1
    # A year apart or nearly so: a partner has never two cards on one day.
    days = known_from[:, None] + rng.integers(0, 270, count)[:, None] + 365 * np.arange(years)
    days = days + rng.integers(0, 30, (count, years))
    impression = rng.random(count)
    assessor = rng.integers(0, len(_ASSESSORS), (count, years))
    expires = rng.random((count, years)) < 0.6

    found = [
        (np.full(len(partner), name), values, partner, year)
        for criteria, is_covered in (
            (_NUMBERS + _RECORDS, has_numbers),
            (_WORDS, has_words),
            (_EXCEPTION, is_doctor),
        )
        for name, values, partner, year in _answer(rng, criteria, np.flatnonzero(is_covered), years, impression)
    ]
    criterion = np.concatenate([names for names, *_ in found])
    values = pa.concat_arrays([values for _, values, *_ in found])
    partner = np.concatenate([partners for *_, partners, _ in found])
    year = np.concatenate([years_of for *_, years_of in found])
    day = days[partner, year]
    order = np.lexsort((criterion, partner, day))
    order = order[day[order] <= last]
    partner, year, day = partner[order], year[order], day[order]
    evidence = make_numbers("card ", partner * years + year + 1, 6)
    return pa.table(
        {
            "partner_no": pick(partner_no, partner),
            "criterion": pa.array(criterion[order].astype(object), pa.string()),
            "points": values.take(pa.array(order)),
            "assessed_day": make_days(day),
            "assessor_no": pick(_ASSESSORS, assessor[partner, year]),
            "evidence_ref": evidence,
            "valid_until": make_days(day + 365, ~expires[partner, year]),
        }
    )


def _answer(
    rng: np.random.Generator, criteria: tuple[_Criterion, ...], partners: Ints, years: int, impression: Floats
) -> list[tuple[str, pa.Array, Ints, Ints]]:
    """Per criterion: its name, the answers, whose they are and of which year."""
    answers = []
    for criterion in criteria:
        own = rng.random((len(partners), years))
        for year in range(1, years):  # most judgements stay as they were
            own[:, year] = np.where(rng.random(len(partners)) < 0.25, own[:, year], own[:, year - 1])
        weight = 0.85 if criterion.follows else 0.0
        position = weight * impression[partners][:, None] + (1 - weight) * own
        position = np.clip(position + rng.normal(0, 0.03, position.shape), 0, 1)
        kept = rng.random(position.shape) >= _LEFT_OUT
        partner, year_of = np.nonzero(kept)
        answers.append((criterion.name, _word(criterion, position[kept]), partners[partner], year_of))
    return answers


def _word(criterion: _Criterion, position: Floats) -> pa.Array:
    """The answers as text; position 1 is the best word, or the largest number."""
    if criterion.words:
        size = len(criterion.words)
        return pick(list(criterion.words), np.minimum(((1 - position) * size).astype(np.int64), size - 1))
    digits = len(criterion.step.partition(".")[2])
    units = round(float(criterion.step) * 10**digits)
    steps = (criterion.high - criterion.low) * 10**digits // units
    chosen = np.minimum((position * (steps + 1)).astype(np.int64), steps)
    return make_decimals(criterion.low * 10**digits + chosen * units, 9, digits).cast(pa.string())
