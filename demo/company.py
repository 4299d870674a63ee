"""Generate a trading company as its own ERP would hold it.

Nothing here knows the product: table and column names are the ERP's, and the SELECTs under
`sql/sources/demo` translate them. Everything follows from the arguments of `generate_company`.
"""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demo.columns import (
    Bools,
    Days,
    Floats,
    Ints,
    blank_where,
    make_days,
    make_decimals,
    make_money,
    make_numbers,
    pick,
)
from demo.dirt import plant_dirt
from demo.scorecard import fill_cards

_CURRENCIES = ["CNY", "EUR", "USD", "JPY"]
_CNY_PER_UNIT = np.array([1.0, 7.75, 7.15, 0.0485])
_SMALLEST_CENTS = np.array([1, 1, 1, 100], dtype=np.int64)  # the yen has no minor unit
_VAT_PERCENT = 13

_REGIONS = ["华东", "华南", "华北", "西南", "华中", "海外"]
_ABROAD = 5
_CITIES = ["上海", "苏州", "杭州", "广州", "深圳", "佛山",
           "北京", "天津", "青岛", "成都", "重庆", "昆明", "武汉", "长沙", "郑州"]  # fmt: skip
_CITIES_PER_REGION = 3
_WORDS = ["远达", "恒启", "瑞禾", "盛川", "博越", "明澜", "铭泽", "安驰", "嘉陆",
          "通源", "汇岭", "卓衡", "锦帆", "晟原", "立拓", "宏屿"]  # fmt: skip
_TRADES = ["机电", "商贸", "汽配", "建材", "电子", "包装", "仪器", "化工"]
_TRADE_CODES = ["machinery", "wholesale", "automotive", "construction", "electronics", "packaging",
                "instruments", "chemicals"]  # fmt: skip
_DOCTORS = "instruments"  # the trade under which the ERP keeps doctors of hospitals
_FOREIGN_WORDS = ["Aldhaven", "Brentmoor", "Corvale", "Dunmere", "Elvstad", "Farrowick", "Grünfels",
                  "Hoshikawa", "Ironbeck", "Jarlund", "Kestrelby", "Lorvaine"]  # fmt: skip
_FOREIGN_TRADES = ["Machinery", "Trading", "Auto Parts", "& Sons", "Electronics", "Packaging", "Instruments",
                   "Chemicals"]  # fmt: skip
_FOREIGN_FORMS = ["Co., Ltd.", "GmbH", "Inc.", "K.K."]  # by currency

# The first six look after customers; the last two are their superiors. R04 has no mailbox yet.
_REPS = {
    "rep_no": ["R01", "R02", "R03", "R04", "R05", "R06", "D01", "D02"],
    "rep_name": ["李薇", "陈浩", "王敏", "赵磊", "周婷", "Martin Keller", "孙国强", "Helen Ward"],
    "mailbox": ["li.wei@demo.example", "chen.hao@demo.example", "wang.min@demo.example", None,
                "zhou.ting@demo.example", "martin.keller@demo.example", "sun.guoqiang@demo.example",
                "helen.ward@demo.example"],
    "superior_no": ["D01", "D01", "D01", "D02", "D02", "D02", None, None],
    "mail_language": ["ZH", "ZH", "ZH", "ZH", "ZH", "EN", "ZH", "EN"],
    "sales_district": [*_REGIONS, None, None],
}  # fmt: skip

# The points that the first members of the bonus scheme have, so that every band of stars has one.
_STAR_POINTS = np.array([0.0, 20.0, 200.0, 1000.0, 5000.0, 30_000.0, 150_000.0])

# Grades that fit a request: by urgent and important, by urgent alone, by important alone, by neither.
_GRADES = ["A", "B", "C", "D", "E"]
_FITTING_GRADES = np.array([[0, 0, 1], [1, 2, 2], [1, 2, 3], [2, 3, 3]])

# How an account pays in a year: prompt, normal, slow, bad.
_DISCIPLINE_ODDS = np.array([0.27, 0.29, 0.25, 0.19])
_PAID_IN_FULL = np.array([1.0, 0.94, 0.85, 0.42])
_RETAINED_FROM = np.array([0.0, 0.01, 0.11, 0.2])
_RETAINED_TO = np.array([0.0, 0.09, 0.19, 0.4])
_SETTLES_OLD_DEBT = np.array([0.8, 0.25, 0.0, 0.0])  # by the discipline of the year after
_DELAY_FROM = np.array([0, 12, 30, 45])
_DELAY_TO = np.array([22, 45, 80, 160])


@dataclass(frozen=True)
class Company:
    """The ERP's tables by name, and how many dirty rows were planted per (entity, rule)."""

    tables: dict[str, pa.Table]
    dirt: dict[tuple[str, str], int]


class _Partners(NamedTuple):
    """One entry per customer; `payer` and `head` are positions in these arrays (head −1: no group)."""

    partner_no: pa.Array
    payer: Ints
    head: Ints
    region: Ints
    currency: Ints
    terms_days: Ints
    buys_from: Days
    buys_until: Days
    is_prospect: Bools
    is_doctor: Bools
    is_person: Bools


class _Documents(NamedTuple):
    """One entry per invoice or credit note, in order of posting; amounts in cents of the currency."""

    document_no: pa.Array
    partner: Ints
    posted: Days
    due: Days
    is_credit: Bools
    gross: Ints


def generate_company(
    customers: int = 240,
    seed: int = 7,
    first_day: date = date(2023, 7, 1),
    last_day: date = date(2026, 4, 20),
) -> Company:
    """The company whose books run from `first_day` to `last_day`, both included.

    Equal arguments give equal tables. Raises ValueError for fewer than 100 customers or less than two years,
    because the planted dirt needs room.
    """
    if customers < 100 or (last_day - first_day).days < 730:
        raise ValueError(
            f"A company of {customers} customers from {first_day} to {last_day} is too small for "
            "the planted dirt; ask for at least 100 customers and two years."
        )
    # One stream per topic, so that a change to one table leaves the others as they were.
    topics = np.random.SeedSequence(seed).spawn(11)
    streams = [np.random.Generator(np.random.PCG64(topic)) for topic in topics]
    first, last = np.datetime64(first_day, "D"), np.datetime64(last_day, "D")

    partners, partner_table = _found_partners(streams[0], customers, first, last)
    documents, invoices, lines = _trade(streams[1], partners, first, last)
    relations = _keep_relations(streams[5], partners, first, last)
    cards = fill_cards(
        streams[7], partners.partner_no, partners.buys_from, last, partners.is_prospect, partners.is_doctor
    )
    requests = _take_requests(streams[9], partners, last, relations["service_ticket"].num_rows)
    clean = {
        "sales_rep": pa.table({name: pa.array(values) for name, values in _REPS.items()}),
        "business_partner": _grant_terms(streams[10], _describe_partners(streams[6], partners, partner_table)),
        "invoice": invoices,
        "invoice_line": lines,
        "debtor_item": _post_debtor_items(streams[2], partners, documents),
        "cash_receipt": _receive_cash(streams[3], partners, documents, first, last),
        "fx_rate": _quote_rates(streams[4], first, last),
        "budget": _set_budget(partners, documents, first, last),
        **relations,
        "scorecard": _append(relations["scorecard"], cards),
        "service_ticket": _append(relations["service_ticket"], requests),
        "partner_event": _append(relations["partner_event"], _note_events(streams[9], partners, last)),
        "prescription": _audit_prescriptions(streams[8], partners, last),
    }
    tables, dirt = plant_dirt(clean, first_day, last_day)
    return Company(tables=tables, dirt=dirt)


def generate_trade(
    customers: int,
    seed: int,
    first_day: date,
    last_day: date,
    *,
    block: str,
    lines_likely: tuple[float, ...] = (1.0,),
    orders_a_month: float = 0.55,
) -> dict[str, pa.Table]:
    """The trade of such a company in bulk: partners, invoices, lines, debtor items and receipts, without dirt.

    `block` begins every number, so that the tables of several blocks fit together. `lines_likely` is how likely an
    order has one line, two, and so on; `orders_a_month` the median of the customers' rates. Equal arguments give
    equal tables.
    """
    streams = [
        np.random.Generator(np.random.PCG64(topic))
        for topic in np.random.SeedSequence((seed, *block.encode())).spawn(4)
    ]
    first, last = np.datetime64(first_day, "D"), np.datetime64(last_day, "D")
    partners, partner_table = _found_partners(streams[0], customers, first, last, block)
    documents, invoices, lines = _trade(streams[1], partners, first, last, block, lines_likely, orders_a_month)
    return {
        "business_partner": partner_table,
        "invoice": invoices,
        "invoice_line": lines,
        "debtor_item": _post_debtor_items(streams[2], partners, documents),
        "cash_receipt": _receive_cash(streams[3], partners, documents, first, last, block),
    }


def _found_partners(
    rng: np.random.Generator, count: int, first: np.datetime64, last: np.datetime64, block: str = ""
) -> tuple[_Partners, pa.Table]:
    position = np.arange(count, dtype=np.int64)
    # Head offices, their branches (the head pays) and sister companies (same group, pay for themselves).
    role = rng.choice(4, size=count, p=[0.80, 0.06, 0.11, 0.03])
    role[:2] = 1, 2
    heads = np.flatnonzero(role == 1)
    own_head = heads[rng.integers(0, len(heads), count)]
    head = np.select([role == 0, role == 1], [np.full(count, -1), position], own_head).astype(np.int64)
    payer = np.where(role == 2, own_head, position).astype(np.int64)
    is_branch = role == 2

    region = rng.choice(6, size=count, p=[0.28, 0.22, 0.18, 0.12, 0.12, 0.08])
    currency = rng.choice(4, size=count, p=[0.88, 0.05, 0.05, 0.02])
    currency = np.where((region == _ABROAD) & (currency == 0), rng.integers(1, 4, count), currency)
    currency, terms_days = currency[payer], np.where(rng.random(count) < 0.6, 30, 60)[payer]

    span = int((last - first).astype(int))
    opened_before = first - rng.integers(30, 2800, count)
    opened_within = first + rng.integers(0, span - 20, count)
    opened = np.where(rng.random(count) < 0.74, opened_before, opened_within)
    newcomers = position[5 :: count // 8]
    opened[newcomers] = last - 20 - rng.integers(0, 140, len(newcomers))
    leaves = (rng.random(count) < 0.10) & (opened < first)
    left = first + rng.integers(int(span * 0.3), int(span * 0.95), count)
    buys_until = np.where(leaves, left, last)
    is_prospect = (role == 0) & (rng.random(count) < 0.03)

    width = max(6, len(str(count + 100)))
    partner_no = make_numbers(block, position + 1, width)
    credit_line = np.rint(rng.lognormal(np.log(40), 0.9, count)).astype(np.int64) * 500_000
    trade = rng.integers(0, len(_TRADES), count)
    partner_table = pa.table(
        {
            "partner_no": partner_no,
            "partner_name": _name_partners(rng, head, role >= 2, region, currency, trade),
            "payer_no": pick(partner_no, payer),
            "concern_no": pick(partner_no, head, head < 0),
            "partner_class": pick(["DLR", "FRA", "OEM"], rng.choice(3, size=count, p=[0.5, 0.3, 0.2])),
            "branch_of_trade": pick(_TRADE_CODES, trade),
            "sales_district": pick(_REGIONS, region),
            "ownership": pick(["state_owned", "private", "foreign"], rng.choice(3, size=count, p=[0.2, 0.65, 0.15])),
            "headcount": pa.array(np.rint(rng.lognormal(np.log(80), 1.1, count)).astype(np.int64)),
            "opened_day": make_days(opened),
            "currency_code": pick(_CURRENCIES, currency),
            "credit_line": make_money(credit_line, is_branch),
            "payment_days": pa.array(terms_days.astype(np.int64)),
            "lifecycle": pick(["A", "I", "P"], np.select([is_prospect, leaves], [2, 1], 0)),
            "delivery_block": pa.array(rng.random(count) < 0.02),
            # Mostly the district's own rep; a few belong to another, a few to nobody.
            "rep_no": pick(
                _REPS["rep_no"],
                np.where(rng.random(count) < 0.9, region, rng.integers(0, 6, count)),
                rng.random(count) < 0.03,
            ),
        }
    )
    is_doctor = trade == _TRADE_CODES.index(_DOCTORS)
    is_shop = pc.and_(
        pc.and_(pc.equal(partner_table["partner_class"], "DLR"), pc.equal(partner_table["ownership"], "private")),
        pc.less_equal(partner_table["headcount"], 60),
    )
    partners = _Partners(
        partner_no=partner_no,
        payer=payer,
        head=head,
        region=region,
        currency=currency,
        terms_days=terms_days,
        buys_from=np.maximum(opened, first),
        buys_until=buys_until,
        is_prospect=is_prospect,
        is_doctor=is_doctor,
        is_person=(role == 0) & (is_doctor | np.asarray(is_shop)),
    )
    return partners, partner_table


def _describe_partners(rng: np.random.Generator, partners: _Partners, partner_table: pa.Table) -> pa.Table:
    """The partners with what a trade register and a bank know of them; sex, age and income of persons alone."""
    count = len(partners.payer)
    ownership = partner_table["ownership"].to_pylist()
    headcount = np.asarray(partner_table["headcount"])
    revenue = np.rint(headcount * rng.lognormal(np.log(60), 0.6, count)).astype(np.int64) * 1_000_000
    assets = np.rint(revenue / 1_000_000 * rng.uniform(0.4, 2.5, count)).astype(np.int64) * 1_000_000
    growth = np.maximum(-6000, np.rint(rng.normal(600, 2000, count))).astype(np.int64)
    share = np.rint(rng.beta(1.2, 8, count) * 10_000).astype(np.int64)
    debt = np.rint(rng.beta(4, 4, count) * 10_000).astype(np.int64)
    # Half of the state's are authorities; half of the others are joint stock companies, a third of them listed.
    is_state = np.array([kind == "state_owned" for kind in ownership])
    is_first = rng.random(count) < 0.5
    nature = np.select([is_state & is_first, is_state, is_first & ~partners.is_person], [0, 1, 2], 3)
    is_listed = (nature == 2) & (rng.random(count) < 0.33)

    def blank(share: float) -> Bools:
        return rng.random(count) < share

    described = {
        "yearly_revenue": make_money(revenue, blank(0.12)),
        "revenue_trend": make_decimals(growth, 9, 4, blank(0.2)),
        "market_part": make_decimals(share, 9, 4, blank(0.2)),
        "total_assets": make_money(assets, blank(0.15)),
        "debt_part": make_decimals(debt, 9, 4, blank(0.15)),
        "legal_nature": pick(["GOV", "SOE", "JSC", "PRV"], nature, blank(0.05)),
        "listed": blank_where(pa.array(is_listed), blank(0.05)),
        "sex": pick(["F", "M"], rng.integers(0, 2, count), ~partners.is_person | blank(0.1)),
        "birth_year": pa.array(rng.integers(1950, 2001, count), mask=~partners.is_person | blank(0.15)),
        "income_class": pick(["1", "2", "3"], rng.integers(0, 3, count), ~partners.is_person | blank(0.2)),
    }
    for name, column in described.items():
        partner_table = partner_table.append_column(name, column)
    return partner_table


def _grant_terms(rng: np.random.Generator, partner_table: pa.Table) -> pa.Table:
    """The partners with the special policies and settlements that a few of them were granted."""
    count = partner_table.num_rows
    policy = pick(["REB", "PRC", "EXC"], rng.integers(0, 3, count), rng.random(count) >= 0.08)
    settlement = pick(["MON", "CON"], rng.integers(0, 2, count), rng.random(count) >= 0.10)
    return partner_table.append_column("special_policy", policy).append_column("special_settlement", settlement)


def _name_partners(
    rng: np.random.Generator, head: Ints, is_member: Bools, region: Ints, currency: Ints, trade: Ints
) -> pa.Array:
    """Company names; a few carry the stray spaces that people type."""
    count = len(head)
    city = rng.integers(0, _CITIES_PER_REGION, count) + _CITIES_PER_REGION * np.minimum(region, 4)
    word = rng.integers(0, len(_WORDS), (2, count))
    foreign_word = rng.integers(0, len(_FOREIGN_WORDS), count)
    is_domestic = pa.array(currency == 0)
    domestic = pc.binary_join_element_wise(
        pick(_CITIES, city), pick(_WORDS, word[0]), pick(_TRADES, trade), "有限公司", ""
    )
    foreign = pc.binary_join_element_wise(
        pick(_FOREIGN_WORDS, foreign_word), pick(_FOREIGN_TRADES, trade), pick(_FOREIGN_FORMS, currency), " "
    )
    names = pc.if_else(is_domestic, domestic, foreign)
    of_head = names.take(pa.array(np.maximum(head, 0)))
    member = pc.if_else(
        is_domestic,
        pc.binary_join_element_wise(of_head, pick(_CITIES, city), "分公司", ""),
        pc.binary_join_element_wise(of_head, pick(_FOREIGN_WORDS, word[1] % len(_FOREIGN_WORDS)), "Branch", " "),
    )
    names = pc.if_else(pa.array(is_member), member, names)
    slip = rng.random(count)
    slip[:3] = 0.005, 0.015, 0.025
    names = pc.if_else(pa.array(slip < 0.01), pc.binary_join_element_wise(" ", names, ""), names)
    names = pc.if_else(pa.array((slip >= 0.01) & (slip < 0.02)), pc.binary_join_element_wise(names, "  ", ""), names)
    start, rest = pc.utf8_slice_codeunits(names, 0, 4), pc.utf8_slice_codeunits(names, 4)
    doubled = pc.binary_join_element_wise(start, rest, "  ")
    return pc.if_else(pa.array((slip >= 0.02) & (slip < 0.03)), doubled, names)


def _trade(
    rng: np.random.Generator,
    partners: _Partners,
    first: np.datetime64,
    last: np.datetime64,
    block: str = "",
    lines_likely: tuple[float, ...] = (0.45, 0.30, 0.15, 0.10),
    orders_a_month: float = 0.55,
) -> tuple[_Documents, pa.Table, pa.Table]:
    """Invoices with one to four lines, and credit notes for some of them."""
    partner, posted = _draw_orders(rng, partners, first, last, orders_a_month)
    ticket = rng.lognormal(np.log(5000), 1.1, len(partners.payer)) * np.where(
        partners.head == np.arange(len(partners.payer)), 2.0, 1.0
    )
    growth = rng.normal(0, 0.35, len(partners.payer))

    lines_each = rng.choice(np.arange(1, len(lines_likely) + 1), size=len(partner), p=lines_likely)
    document = np.repeat(np.arange(len(partner)), lines_each)
    line = np.arange(len(document)) - np.repeat(np.cumsum(lines_each) - lines_each, lines_each)
    level = ticket[partner] * np.exp(growth[partner] * (posted - first).astype(float) / 365)
    in_cny = level[document] * rng.lognormal(0, 0.6, len(document))
    in_cny = _win_project(in_cny, document, partner, posted, last)
    code = partners.currency[partner]
    net = _round_cents(in_cny * 100 / _CNY_PER_UNIT[code][document], code[document])
    net[(line > 0) & (rng.random(len(net)) < 0.015)] = 0  # samples free of charge
    item = rng.integers(1, 61, len(net))
    quantity = rng.integers(1, 41, len(net))
    cost_share = (0.70 + 0.003 * item) * rng.uniform(0.95, 1.05, len(net))

    # A credit note takes back part of an invoice's first line.
    back_day = posted + rng.integers(5, 41, len(partner))
    credited = np.flatnonzero((rng.random(len(partner)) < 0.03) & (back_day <= last))
    first_line = (np.cumsum(lines_each) - lines_each)[credited]
    share = rng.uniform(0.1, 0.5, len(credited))
    credit_net = -_round_cents(net[first_line] * share, code[credited])

    partner = np.concatenate([partner, partner[credited]])
    posted = np.concatenate([posted, back_day[credited]])
    is_credit = np.arange(len(partner)) >= len(lines_each)
    document = np.concatenate([document, np.arange(len(lines_each), len(partner))])
    line = np.concatenate([line, np.zeros(len(credited), dtype=np.int64)])
    net = np.concatenate([net, credit_net])
    item = np.concatenate([item, item[first_line]])
    returned = np.maximum(1, np.rint(quantity[first_line] * share).astype(np.int64))
    quantity = np.concatenate([quantity, -returned])
    cost_share = np.concatenate([cost_share, cost_share[first_line]])
    code = partners.currency[partner]
    cost = _round_cents(net * cost_share, code[document])
    vat = _take_vat(net, code[document])

    starts = np.flatnonzero(line == 0)
    gross = np.add.reduceat(net + vat, starts)
    order = np.argsort(posted, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    document_no = make_numbers(f"RV{block}", np.arange(1, len(order) + 1), 9)
    due = np.where(is_credit, posted, posted + partners.terms_days[partner])
    documents = _Documents(document_no, partner[order], posted[order], due[order], is_credit[order], gross[order])

    invoices = pa.table(
        {
            "invoice_no": document_no,
            "document_kind": pick(["RE", "GS"], documents.is_credit.astype(np.int64)),
            "sold_to_no": pick(partners.partner_no, documents.partner),
            "posting_day": make_days(documents.posted),
            "currency_code": pick(_CURRENCIES, partners.currency[documents.partner]),
            "company_code": _find_company_code(partners, documents.partner),
        }
    )
    line_invoice_no = pick(document_no, rank[document])
    lines = pa.table(
        {
            "line_key": pc.binary_join_element_wise(line_invoice_no, make_numbers("", line + 1, 1), "-"),
            "invoice_no": line_invoice_no,
            "item_no": make_numbers("M", item, 4),
            "quantity": pa.array(quantity),
            "net_value": make_money(net),
            "vat_value": make_money(vat),
            "cost_value": make_money(cost),
        }
    )
    return documents, invoices, lines


def _win_project(in_cny: Floats, document: Ints, partner: Ints, posted: Days, last: np.datetime64) -> Floats:
    """One of the next 4 % wins a project as large as the leader's year, so that the top changes hands."""
    is_recent = posted > last - 475
    sold = np.bincount(partner[document], weights=np.where(is_recent[document], in_cny, 0))
    buyers = np.argsort(-sold, kind="stable")[: np.count_nonzero(sold)]
    runners_up = buyers[len(buyers) // 50 : len(buyers) // 20 + 1]
    is_choice = (posted > last - 80) & (posted <= last - 21) & np.isin(partner, runners_up)
    won = np.flatnonzero(is_choice)[:1]
    is_won = np.isin(document, won)
    scaled: Floats = np.where(is_won, in_cny / max(1.0, in_cny[is_won].sum()) * sold.max() * 1.05, in_cny)
    return scaled


def _draw_orders(
    rng: np.random.Generator, partners: _Partners, first: np.datetime64, last: np.datetime64, orders_a_month: float
) -> tuple[Ints, Days]:
    """Who ordered on which day: a rate per customer, bent by season, breaks and the luck of each month."""
    count = len(partners.payer)
    months = np.arange(first.astype("datetime64[M]"), last.astype("datetime64[M]") + 1)
    month = np.arange(len(months))
    rate = rng.lognormal(np.log(orders_a_month), 0.75, count)
    swing = rng.uniform(0, 0.6, count)
    phase = month[None, :] + rng.integers(0, 12, count)[:, None]
    season = 1 + swing[:, None] * np.sin(2 * np.pi * phase / 12)
    # Some buy in one month out of two to four, and then more.
    every = rng.choice([1, 2, 3, 4], size=count, p=[0.7, 0.12, 0.1, 0.08])
    in_turn = (month[None, :] + rng.integers(0, 12, count)[:, None]) % every[:, None] == 0
    luck = rng.lognormal(-0.18, 0.6, (count, len(months)))
    orders = rng.poisson(rate[:, None] * season * luck * in_turn * every[:, None])
    orders[partners.is_prospect] = 0

    partner = np.repeat(np.repeat(np.arange(count), len(months)), orders.ravel())
    month_of = np.repeat(np.tile(month, count), orders.ravel())
    start = months.astype("datetime64[D]")
    length = ((months + 1).astype("datetime64[D]") - start).astype(np.int64)
    posted = start[month_of] + rng.integers(0, length[month_of])
    kept = (posted >= partners.buys_from[partner]) & (posted <= partners.buys_until[partner])
    return partner[kept], posted[kept]


def _round_cents(cents: Floats, code: Ints) -> Ints:
    smallest = _SMALLEST_CENTS[code]
    rounded: Ints = np.rint(cents / smallest).astype(np.int64) * smallest
    return rounded


def _take_vat(net: Ints, code: Ints) -> Ints:
    """The tax on a net amount, rounded half up to the currency's smallest amount, in whole numbers."""
    smallest = _SMALLEST_CENTS[code]
    tax = (np.abs(net) // smallest * _VAT_PERCENT + 50) // 100 * smallest
    signed: Ints = np.sign(net) * tax
    return signed


def _find_company_code(partners: _Partners, partner: Ints) -> pa.Array:
    return pick(["1000", "2000"], (partners.region[partner] == _ABROAD).astype(np.int64))


def _post_debtor_items(rng: np.random.Generator, partners: _Partners, documents: _Documents) -> pa.Table:
    """The payer's account: every invoice, and every credit note as a negative item due at once."""
    is_disputed = (rng.random(len(documents.partner)) < 0.02) & ~documents.is_credit
    return pa.table(
        {
            "document_no": documents.document_no,
            "debtor_no": pick(partners.partner_no, partners.payer[documents.partner]),
            "document_day": make_days(documents.posted),
            "net_due_day": make_days(documents.due),
            "item_amount": make_money(documents.gross),
            "currency_code": pick(_CURRENCIES, partners.currency[documents.partner]),
            "dispute_flag": pick(["", "X"], is_disputed.astype(np.int64)),
            "company_code": _find_company_code(partners, documents.partner),
        }
    )


def _receive_cash(
    rng: np.random.Generator,
    partners: _Partners,
    documents: _Documents,
    first: np.datetime64,
    last: np.datetime64,
    block: str = "",
) -> pa.Table:
    """What accounts paid: at once, in advance, early, late, in parts or never, by their discipline."""
    count, payer = len(documents.partner), partners.payer[documents.partner]
    code = partners.currency[documents.partner]
    first_year = int(first.astype("datetime64[Y]").astype(int))
    year = documents.posted.astype("datetime64[Y]").astype(int) - first_year
    discipline = _draw_discipline(rng, len(partners.payer), int(year.max()) + 2)
    today = discipline[payer, year]

    gross = documents.gross
    fate = rng.random(count)
    # Half of those who are normal or slow hold back a share of every invoice, the others leave some unpaid.
    retained = rng.uniform(_RETAINED_FROM[discipline], _RETAINED_TO[discipline])[payer, year]
    retains = ((discipline % 3 > 0) & (rng.random(discipline.shape) < 0.5))[payer, year]
    in_full = (fate < _PAID_IN_FULL[today]) & ~retains
    in_part = retains | (~in_full & (rng.random(count) < 0.5))
    part_share: Floats = np.where(retains, 1 - retained, rng.uniform(0.3, 0.8, count))
    part = _round_cents(gross * part_share, code)
    paid = np.select([in_full, in_part], [gross, part], 0)
    on: Days = documents.posted + rng.integers(_DELAY_FROM[today], _DELAY_TO[today])
    # Most accounts that pay at all clear the year's invoices before it ends.
    year_end = (documents.posted.astype("datetime64[Y]") + 1).astype("datetime64[D]") - 1
    clears = (rng.random(len(partners.payer)) < 0.7)[payer] & (today < 3)
    on = np.where(clears, np.minimum(on, year_end), on)

    # Those who pay in full and promptly may pay cash or in advance; an advance names no document.
    manner = rng.random(count)
    is_cash = in_full & (today == 0) & (manner < 0.08)
    advance_day = documents.posted - rng.integers(1, 11, count)
    is_advance = in_full & (today == 0) & (manner >= 0.08) & (manner < 0.14) & (advance_day >= first)
    on = np.where(is_cash, documents.posted, np.where(is_advance, advance_day, on))
    is_split = in_full & ~is_cash & ~is_advance & (rng.random(count) < 0.2)
    opening = np.where(is_split, _round_cents(gross * rng.uniform(0.4, 0.6, count), code), paid)

    # Old debts are mostly settled once the account pays properly again.
    settles = (paid < gross) & (rng.random(count) < _SETTLES_OLD_DEBT[discipline[payer, year + 1]])
    settled_on = np.maximum(year_end, on) + rng.integers(5, 170, count)
    refunded = documents.is_credit & (rng.random(count) < 0.6)

    billed = ~documents.is_credit & (gross > 0)
    first_kind = np.select([is_cash, is_advance], [0, 2], 1)
    movements = [
        (billed & (opening > 0), on, opening, first_kind),
        (billed & is_split, on + rng.integers(8, 40, count), paid - opening, np.full(count, 1)),
        (billed & settles, settled_on, gross - paid, np.full(count, 1)),
        (refunded, documents.posted + rng.integers(10, 45, count), gross, np.full(count, 3)),
    ]
    document = np.concatenate([np.flatnonzero(happens) for happens, *_ in movements])
    day = np.concatenate([days[happens] for happens, days, _, _ in movements])
    amount = np.concatenate([amounts[happens] for happens, _, amounts, _ in movements])
    kind = np.concatenate([kinds[happens] for happens, _, _, kinds in movements])
    unallocated = (kind == 2) | ((kind == 1) & (rng.random(len(document)) < 0.06))

    order = np.argsort(day, kind="stable")
    order = order[(day[order] <= last) & (amount[order] != 0)]
    document = document[order]
    return pa.table(
        {
            "receipt_no": make_numbers(f"ZE{block}", np.arange(1, len(order) + 1), 9),
            "debtor_no": pick(partners.partner_no, payer[document]),
            "value_day": make_days(day[order]),
            "receipt_amount": make_money(amount[order]),
            "currency_code": pick(_CURRENCIES, code[document]),
            "cleared_document_no": pick(documents.document_no, document, unallocated[order]),
            "receipt_kind": pick(["CASH", "COLL", "PREP", "REFD"], kind[order]),
        }
    )


def _draw_discipline(rng: np.random.Generator, accounts: int, years: int) -> Ints:
    """Per account and year: 0 prompt, 1 normal, 2 slow, 3 bad; about half keep last year's."""
    drawn = rng.choice(4, size=(accounts, years), p=_DISCIPLINE_ODDS)
    for year in range(1, years):
        drawn[:, year] = np.where(rng.random(accounts) < 0.45, drawn[:, year - 1], drawn[:, year])
    return drawn


def _quote_rates(rng: np.random.Generator, first: np.datetime64, last: np.datetime64) -> pa.Table:
    """Rates on weekdays, some Mondays without; the pound only in the first two fifths of the time."""
    days = np.arange(first - 10, last + 1)
    weekday = (days.astype(np.int64) + 3) % 7
    days = days[(weekday < 5) & ~((weekday == 0) & (rng.random(len(days)) < 0.1))]
    codes, quotes = ["EUR", "USD", "JPY", "GBP"], np.array([7.75, 7.15, 0.0485, 9.1])
    walk = np.exp(np.cumsum(rng.normal(0, 0.003, (len(codes), len(days))), axis=1))
    rate = np.rint(quotes[:, None] * walk * 1e8).astype(np.int64).ravel()
    code, day = np.repeat(np.arange(len(codes)), len(days)), np.tile(days, len(codes))
    kept = (code != 3) | (day < first + (last - first) * 2 // 5)
    return pa.table(
        {
            "currency_code": pick(codes, code[kept]),
            "quote_day": make_days(day[kept]),
            "cny_per_unit": make_decimals(rate[kept], 18, 8),
        }
    )


def _set_budget(partners: _Partners, documents: _Documents, first: np.datetime64, last: np.datetime64) -> pa.Table:
    """A plan per full year ahead: the year before plus a tenth, in 100 000 CNY."""
    in_cny = documents.gross / 113 * _CNY_PER_UNIT[partners.currency[documents.partner]]
    posted_year = documents.posted.astype("datetime64[Y]").astype(int) + 1970
    sales = np.bincount(posted_year, weights=in_cny)
    start, end = (int(day.astype("datetime64[Y]").astype(int)) + 1970 for day in (first, last))
    years = np.arange(start + 1, end + 1, dtype=np.int64)
    base = sales[years - 1]
    base[0] *= 365 / max(1, int((np.datetime64(f"{start + 1}-01-01") - first).astype(int)))
    units = np.maximum(1, np.rint(base * 1.1 / 100_000).astype(np.int64))
    return pa.table(
        {
            "fiscal_year": pa.array(years),
            "revenue_target": make_money(units * 10_000_000),
            "margin_rate": make_decimals(np.full(len(years), 2000), 9, 4),
            "vat_rate": make_decimals(np.full(len(years), 1300), 9, 4),
        }
    )


def _keep_relations(
    rng: np.random.Generator, partners: _Partners, first: np.datetime64, last: np.datetime64
) -> dict[str, pa.Table]:
    """Everything around trade: assessments, contacts, deals, tickets, balances, orders, surveys, events."""
    count = len(partners.payer)

    def draw(per_year: float) -> tuple[Ints, Days]:
        return _draw_days(rng, partners, per_year, last)

    def choose(words: list[str], size: int, missing: float = 0.0) -> pa.Array:
        return pick(words, rng.integers(0, len(words), size), rng.random(size) < missing)

    def name(partner: Ints) -> pa.Array:
        return pick(partners.partner_no, partner)

    partner, day = draw(2.5)
    size = len(partner)
    scorecard = pa.table(
        {
            "partner_no": name(partner),
            "criterion": choose(
                ["strategic_importance", "management_relation", "local_influence", "credit_level"], size
            ),
            "points": make_decimals(rng.integers(0, 41, size) * 50, 9, 2).cast(pa.string()),
            "assessed_day": make_days(day),
            "assessor_no": choose(["R01", "R02", "R03", "R05", "R06", "D01", "D02"], size),
            "evidence_ref": choose(["visit report", "annual report", "trade register"], size, 0.3),
            "valid_until": make_days(day + 365, rng.random(size) < 0.4),
        }
    )
    partner, day = draw(7)
    size = len(partner)
    contact = pa.table(
        {
            "activity_no": make_numbers("A", np.arange(1, size + 1), 9),
            "partner_no": name(partner),
            "activity_day": make_days(day),
            "medium": choose(["phone", "visit", "mail", "wechat"], size),
            "initiated_by_us": pa.array(rng.random(size) < 0.7),
            "result": choose(["reached", "not_reached", "call_back"], size, 0.1),
        }
    )
    partner = np.flatnonzero(partners.is_prospect | (rng.random(count) < 0.3))
    size = len(partner)
    needs = rng.random(size) < 0.6
    deal = pa.table(
        {
            "deal_no": make_numbers("O", np.arange(1, size + 1), 7),
            "partner_no": name(partner),
            "need_confirmed": pa.array(needs),
            "phase": choose(["lead", "qualified", "proposal", "negotiation"], size),
            "planned_close_day": make_days(last + rng.integers(-40, 330, size), rng.random(size) < 0.15),
            "deal_value": make_money(
                np.rint(rng.lognormal(np.log(60), 0.9, size)).astype(np.int64) * 100_000,
                rng.random(size) < 0.1,
            ),
            "refused": pa.array(~needs & (rng.random(size) < 0.3)),
        }
    )
    partner, day = draw(1.2)
    size = len(partner)
    closed = day + rng.geometric(0.25, size)
    ticket = pa.table(
        {
            "ticket_no": make_numbers("T", np.arange(1, size + 1), 8),
            "partner_no": name(partner),
            "opened_day": make_days(day),
            "ticket_kind": choose(["call", "complaint", "repair", "enquiry"], size),
            "seconds_to_answer": pa.array(
                np.rint(rng.exponential(11, size)).astype(np.int64), mask=rng.random(size) < 0.05
            ),
            "closed_day": make_days(closed, (closed > last) | (rng.random(size) < 0.03)),
            "satisfaction_mark": pa.array(rng.integers(1, 6, size), mask=rng.random(size) < 0.5),
            "urgent": pa.nulls(size, pa.bool_()),
            "important": pa.nulls(size, pa.bool_()),
            "stated_grade": pa.nulls(size, pa.string()),
        }
    )
    # Month-end balances of those who joined the bonus scheme: money on deposit, and points.
    next_months = np.arange(first.astype("datetime64[M]") + 1, last.astype("datetime64[M]") + 1)
    month_ends = next_months.astype("datetime64[D]") - 1
    members = np.flatnonzero(rng.random(count) < 0.2)
    partner, day = np.repeat(members, len(month_ends)), np.tile(month_ends, len(members))
    level = rng.lognormal(np.log(6000), 1.6, len(members))
    starred = len(_STAR_POINTS)
    points_of_level = np.full(len(members), 0.25)
    points_of_level[:starred] = _STAR_POINTS[: len(members)] / level[:starred]
    points_share = np.repeat(points_of_level, len(month_ends))
    amount = np.repeat(level, len(month_ends)) * rng.lognormal(0, 0.15, len(partner))
    known = day >= partners.buys_from[partner]
    partner, day, amount, points_share = partner[known], day[known], amount[known], points_share[known]
    is_points = np.concatenate([np.zeros(len(partner), dtype=bool), np.ones(len(partner), dtype=bool)])
    balance = pa.table(
        {
            "partner_no": name(np.concatenate([partner, partner])),
            "balance_day": make_days(np.concatenate([day, day])),
            "balance_kind": pick(["DEPOSIT", "POINTS"], is_points.astype(np.int64)),
            "balance_value": make_money(
                np.concatenate([np.rint(amount * 1000), np.rint(amount * points_share) * 100]).astype(np.int64)
            ),
            "currency_code": blank_where(pa.repeat("CNY", len(is_points)), is_points),
        }
    )
    still_buys = (partners.buys_until == last) & ~partners.is_prospect
    partner = np.flatnonzero(still_buys & (rng.random(count) < 0.25))
    size = len(partner)
    code = partners.currency[partner]
    order = pa.table(
        {
            "order_no": make_numbers("SO", np.arange(1, size + 1), 8),
            "partner_no": name(partner),
            "order_day": make_days(np.maximum(partners.buys_from[partner], last - rng.integers(0, 45, size))),
            "open_value": make_money(
                _round_cents(rng.lognormal(np.log(8000), 0.9, size) * 100 / _CNY_PER_UNIT[code], code)
            ),
            "currency_code": pick(_CURRENCIES, code),
        }
    )
    partner, day = draw(0.8)
    size = len(partner)
    survey = pa.table(
        {
            "partner_no": name(partner),
            "answer_day": make_days(day),
            "question": choose(["overall", "delivery", "quality"], size),
            "mark": pa.array(np.minimum(10, rng.binomial(10, 0.78, size) + 1)),
        }
    )
    partner, day = draw(0.25)
    event = pa.table(
        {
            "partner_no": name(partner),
            "event_day": make_days(day),
            "event_kind": choose(
                ["anniversary", "new_site", "relocation", "lawsuit", "ownership_change", "rating_cut"],
                len(partner),
            ),
        }
    )
    return {
        "scorecard": _keep_first(scorecard, "partner_no", "criterion", "assessed_day"),
        "crm_contact": contact,
        "crm_deal": deal,
        "service_ticket": ticket,
        "account_balance": balance,
        "sales_order": order,
        "survey_answer": _keep_first(survey, "partner_no", "answer_day", "question"),
        "partner_event": _keep_first(event, "partner_no", "event_day", "event_kind"),
    }


def _keep_first(table: pa.Table, *key: str) -> pa.Table:
    """The table without the rows whose key stands in a row before them."""
    numbered = table.append_column("position", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by(list(key)).aggregate([("position", "min")])["position_min"]
    return table.take(first.take(pc.sort_indices(first)))


def _append(table: pa.Table, more: pa.Table) -> pa.Table:
    """Both tables' rows, in the columns of the first; what the second does not say is empty."""
    columns = [
        more[field.name].cast(field.type) if field.name in more.column_names else pa.nulls(more.num_rows, field.type)
        for field in table.schema
    ]
    return pa.concat_tables([table, pa.table(columns, schema=table.schema)])


def _draw_days(
    rng: np.random.Generator, partners: _Partners, per_year: float | Floats, last: np.datetime64
) -> tuple[Ints, Days]:
    """Customers and days, so many a year on average for as long as each is known."""
    known = (last - partners.buys_from).astype(np.int64)
    partner = np.repeat(np.arange(len(known)), rng.poisson(per_year * (known / 365)))
    return partner, partners.buys_from[partner] + rng.integers(0, known[partner] + 1)


def _take_requests(rng: np.random.Generator, partners: _Partners, last: np.datetime64, tickets: int) -> pa.Table:
    """Tickets that ask for something, numbered after the others; the stated grade does not always fit the request."""
    partner, day = _draw_days(rng, partners, 0.8, last)
    size = len(partner)
    closed = day + rng.geometric(0.03, size)
    is_urgent, is_important = rng.random(size) < 0.4, rng.random(size) < 0.5
    quadrant = 2 * ~is_urgent + 1 * ~is_important
    fitting = _FITTING_GRADES[quadrant, rng.integers(0, 3, size)]
    grade = np.where(rng.random(size) < 0.8, fitting, rng.integers(0, len(_GRADES), size))
    return pa.table(
        {
            "ticket_no": make_numbers("T", np.arange(tickets + 1, tickets + size + 1), 8),
            "partner_no": pick(partners.partner_no, partner),
            "opened_day": make_days(day),
            "ticket_kind": pa.repeat("request", size),
            "closed_day": make_days(closed, (closed > last) | (rng.random(size) < 0.12)),
            "satisfaction_mark": pa.array(rng.integers(1, 6, size), mask=rng.random(size) < 0.7),
            "urgent": pa.array(is_urgent, mask=rng.random(size) < 0.04),
            "important": pa.array(is_important, mask=rng.random(size) < 0.04),
            "stated_grade": pick(_GRADES, grade, rng.random(size) < 0.12),
        }
    )


def _note_events(rng: np.random.Generator, partners: _Partners, last: np.datetime64) -> pa.Table:
    """Life events of persons, and warnings that an exchange gave: other kinds than those of companies."""
    found = [
        (kind, *_draw_days(rng, partners, per_year, last))
        for kind, per_year in (
            ("birth", np.where(partners.is_person, 0.15, 0.0)),
            ("retirement", np.where(partners.is_person, 0.08, 0.0)),
            ("trading_warning", 0.06),
        )
    ]
    events = pa.table(
        {
            "partner_no": pick(partners.partner_no, np.concatenate([partner for _, partner, _ in found])),
            "event_day": make_days(np.concatenate([day for *_, day in found])),
            "event_kind": pa.concat_arrays([pa.repeat(kind, len(day)) for kind, _, day in found]),
        }
    )
    return _keep_first(events, *events.column_names)


def _audit_prescriptions(rng: np.random.Generator, partners: _Partners, last: np.datetime64) -> pa.Table:
    """What doctors prescribed, of the company's and of its rivals': one row per doctor and whole month."""
    doctors = np.flatnonzero(partners.is_doctor)
    months = np.arange(partners.buys_from.min().astype("datetime64[M]"), (last + 1).astype("datetime64[M]"))
    shape = len(doctors), len(months)
    packs = rng.lognormal(np.log(900), 0.6, len(doctors))[:, None] * rng.lognormal(0, 0.12, shape)
    # A doctor's share of the company's products wanders by a few points a month.
    share = rng.uniform(0.02, 0.9, len(doctors))[:, None] + np.cumsum(rng.normal(0, 0.025, shape), axis=1)
    share = np.clip(share, 0, 0.95)
    habit = np.select([share >= 0.5, share >= 0.25], [0, 1], 2)
    patients = packs * rng.uniform(0.1, 0.4, len(doctors))[:, None]
    level = rng.choice(3, size=len(doctors), p=[0.25, 0.35, 0.4])
    is_unranked = rng.random(len(doctors)) < 0.05
    hides_rivals = rng.random(len(doctors)) < 0.08

    known_month = (partners.buys_from[doctors] - 1).astype("datetime64[M]") + 1
    doctor, month = np.nonzero(months[None, :] >= known_month[:, None])
    size, at = len(doctor), (doctor, month)
    own = np.rint(packs * share)[at].astype(np.int64)
    rivals = np.rint(packs * (1 - share))[at].astype(np.int64)
    return pa.table(
        {
            "partner_no": pick(partners.partner_no, doctors[doctor]),
            "audit_month": make_days(months[month].astype("datetime64[D]")),
            "own_packs": pa.array(own),
            "rival_packs": pa.array(rivals, mask=hides_rivals[doctor]),
            "hospital_rank": pick(["I", "II", "III"], level[doctor], is_unranked[doctor]),
            "habit": pick(["FIRST", "SECOND", "OTHER"], habit[at], rng.random(size) < 0.03),
            "patient_count": pa.array(np.rint(patients[at]).astype(np.int64), mask=rng.random(size) < 0.05),
        }
    )
