"""Exposure: limits of account, group and selling company; what to do; concentration; why limits moved."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.exposure import UNLIMITED, Given, action_of, change_reasons, concentration, hold_against

OWED = ("account_id", "group_id", "entity", "balance", "overdue", "open_orders", "advance")


def owed(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(OWED)).astype(dict.fromkeys(OWED[3:], np.int64))


def limits(**amounts: int) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": list(amounts), "limit": list(amounts.values()), "kind": "table"})


ONE = owed(("A", "G", "", 4, 1, 2, 0), ("B", "G", "", 5, 0, 0, 0), ("C", None, "", 0, 0, 0, 3))


# The cases that Dynamics 365 prints for a customer's limit and the limit of its credit group


@pytest.mark.parametrize(
    ("own", "mandatory", "group", "binds"),
    [
        (10_000, False, 15_000, 10_000),  # the lower one
        (20_000, False, 15_000, 15_000),
        (0, True, 15_000, 0),  # a mandatory nothing is nothing
        (0, False, 15_000, 15_000),  # else a limit of 0 says nothing, and the group's binds
        (UNLIMITED, False, 15_000, 15_000),  # unlimited by itself, bound by its group
        (UNLIMITED, False, UNLIMITED, UNLIMITED),
        (20_000, False, UNLIMITED, 20_000),
        (0, False, UNLIMITED, UNLIMITED),
    ],
)
def test_the_lower_of_account_and_group_binds(own: int, mandatory: bool, group: int, binds: int) -> None:
    said = [Given("account", "A", own, is_mandatory=mandatory), Given("group", "G", group)]
    found = hold_against(limits(A=UNLIMITED), ONE, said).iloc[0]
    assert found["effective_limit"] == binds
    assert found["kind"] == ("table" if said[0].says_nothing else "temporary")


def test_a_0_that_says_nothing_leaves_the_limit_of_the_policy() -> None:
    found = hold_against(limits(A=5), ONE, [Given("account", "A", 0), Given("group", "G", 0)]).iloc[0]
    assert (found["effective_limit"], found["limited_by"], found["kind"]) == (5, "account", "table")


def test_a_limit_of_0_that_a_policy_decided_binds() -> None:
    found = hold_against(limits(A=0), ONE, [Given("group", "G", 15)]).iloc[0]
    assert (found["effective_limit"], found["headroom"], found["over"], found["limited_by"]) == (0, 0, 6, "account")


def test_headroom_is_that_of_the_level_that_leaves_least_and_never_negative() -> None:
    found = hold_against(limits(A=20, B=20, C=20), ONE, [Given("group", "G", 12)]).set_index("customer_id")
    assert found["exposure"].to_dict() == {"A": 6, "B": 5, "C": 0}  # C has paid in advance
    assert found["group_exposure"].to_dict() == {"A": 11, "B": 11, "C": 0}
    assert found["headroom"].to_dict() == {"A": 1, "B": 1, "C": 20}
    assert found["limited_by"].to_dict() == {"A": "group", "B": "group", "C": "account"}
    over = hold_against(limits(A=4, B=20), ONE, [Given("group", "G", 10)]).set_index("customer_id")
    assert over["headroom"].to_dict() == {"A": 0, "B": 0}
    assert over["over"].to_dict() == {"A": 2, "B": 1}


def test_a_group_owes_what_all_its_accounts_owe_those_without_a_limit_too() -> None:
    found = hold_against(limits(A=20), ONE).iloc[0]
    assert found["group_exposure"] == 11


def test_a_limit_towards_a_selling_company_has_a_row_of_its_own() -> None:
    debts = owed(("A", "G", "north", 3, 0, 0, 0), ("A", "G", "south", 9, 2, 0, 0), ("A", "G", "", 0, 0, 1, 0))
    said = [Given("entity", "A", 10, "south"), Given("entity", "Z", 1, "south"), Given("entity", "A", 7, "east")]
    found = hold_against(limits(A=20), debts, said).set_index(["customer_id", "entity"])
    assert list(found.index) == [("A", ""), ("A", "east"), ("A", "south")]
    assert found["exposure"].tolist() == [13, 0, 9]
    assert found["effective_limit"].tolist() == [20, 7, 10]
    assert found["headroom"].tolist() == [7, 7, 1]
    assert found["limited_by"].tolist() == ["account", "account", "entity"]
    assert found["overdue"].tolist() == [2, 0, 2]


def test_money_paid_in_advance_makes_the_exposure_smaller() -> None:
    found = hold_against(limits(A=20), owed(("A", None, "", 0, 0, 10, 7))).iloc[0]
    assert (found["exposure"], found["headroom"]) == (3, 17)


def test_large_amounts_stay_exact() -> None:
    large = 2**62 - 1
    debts = owed(*((name, "G", "", large, 0, 0, 0) for name in "ABCD"))
    found = hold_against(limits(A=large, B=large), debts, [Given("group", "G", 4 * large + 1)])
    assert found["group_exposure"].tolist() == [4 * large] * 2
    assert found["headroom"].tolist() == [0, 0]


@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.sampled_from(["", "n", "s"]), *[st.integers(0, 30)] * 4), max_size=12
    ),
    st.dictionaries(st.sampled_from("ABCD"), st.integers(0, 40), min_size=1),
    st.lists(
        st.builds(
            Given,
            st.sampled_from(["account", "group", "entity"]),
            st.sampled_from(["A", "B", "G"]),
            st.integers(-1, 40),
            st.sampled_from(["n", "s"]),
            st.booleans(),
        ),
        max_size=6,
        unique_by=lambda each: (each.level, each.holder, each.entity if each.level == "entity" else ""),
    ),
)
def test_every_row_is_what_a_loop_finds(rows: list[tuple[Any, ...]], own: dict[str, int], said: list[Given]) -> None:
    group_of = {"A": "G", "B": "G", "C": None, "D": None}
    debts = owed(*((row[0], group_of[row[0]], *row[1:]) for row in rows))
    found = hold_against(limits(**own), debts, said)

    def exposure(account: Any, *entity: Any) -> int:
        theirs = [row for row in rows if row[0] == account and row[1] in (entity or row[1:2])]
        return max(0, sum(row[2] + row[4] - row[5] for row in theirs))

    by = {
        (each.level, each.holder, each.entity if each.level == "entity" else ""): each.amount
        for each in said
        if not each.says_nothing
    }
    for row in found.itertuples():
        mine: Any = row.customer_id
        levels = [
            (by.get(("account", mine, ""), own[mine]), exposure(mine)),
            (by.get(("entity", mine, row.entity), UNLIMITED), exposure(mine, row.entity)),
        ]
        if any(debt[0] == mine for debt in rows) and group_of[mine]:
            levels.append((by.get(("group", "G", ""), UNLIMITED), exposure("A") + exposure("B")))
        bound = [(limit, limit - amount) for limit, amount in levels if limit != UNLIMITED]
        assert row.effective_limit == min((limit for limit, _ in bound), default=UNLIMITED)
        assert row.headroom == (max(0, min(left for _, left in bound)) if bound else UNLIMITED)
        assert row.over == (max(0, -min(left for _, left in bound)) if bound else 0)


def test_what_is_to_be_done() -> None:
    cases = [(0, 5, 0), (0, 5, 3), (9, 9, 1), (9, 20, 0), (9, 9, 0), (9, 5, 0), (9, UNLIMITED, 0), (UNLIMITED, 5, 0)]
    limit, previous, over = (np.array(column) for column in zip(*cases, strict=True))
    done = ["stop", "stop", "reduce", "keep", "keep", "raise", "keep", "keep"]
    assert action_of(limit, previous, over).tolist() == done


def test_why_a_limit_moved() -> None:
    rows = [
        ("A", 9, 9, "share", None, None, None, "new"),
        ("A", 9, 9, "share", "A", 9, 1, "same"),
        ("A", 9, 9, "share", "B", 5, 9, "tier_up"),
        ("D", 0, 9, "tier", "A", 5, 9, "tier_down"),
        ("B", 6, 9, "cap:largest_order", "A", 5, 9, "cap"),
        ("A", 4, 8, "share", "B", 5, 9, "sales"),
        (None, 0, 9, "no_tier", "A", 5, 9, "tier_down"),
        ("A", 4, 9, "cap:largest_order", "A", 5, 9, "cap"),
        ("A", 9, 9, "share", "A", 5, 8, "sales"),
        ("A", 4, 7, "share", "A", 5, 8, "sales"),
        ("A", 9, 7, "share", "A", 5, 8, "budget"),
        ("A", 9, 8, "share", "A", 5, 8, "budget"),
    ]
    names = ["tier", "limit", "sales", "reason", "previous_tier", "previous_limit", "previous_sales", "why"]
    frame = pd.DataFrame(rows, columns=names, dtype=object)
    assert change_reasons(frame, ["A", "B", "C", "D"]).tolist() == frame["why"].tolist()


def test_who_owes_out_of_proportion() -> None:
    accounts = pd.DataFrame(
        [("a", 50, 10, True), ("b", 30, 0, True), ("c", 20, 30, False), ("d", 0, 30, False), ("e", 0, 30, False)],
        columns=["customer_id", "sales", "receivables", "is_key"],
    )
    found, is_debtor = concentration(accounts, 2)
    assert is_debtor.tolist() == [False, False, True, True, False]  # of equal debts the lower number
    assert {name: (share.accounts, share.sales, share.receivables) for name, share in found.items()} == {
        "all": (5, 100, 100),
        "key": (2, 80, 10),
        "not_key": (3, 20, 90),
        "debtor": (2, 20, 60),
        "key_debtor": (0, 0, 0),
        "other_debtor": (2, 20, 60),
        "key_not_debtor": (2, 80, 10),
    }
    assert (found["key"].sales_share, found["key"].receivables_share) == (Fraction(4, 5), Fraction(1, 10))
    nobody, _ = concentration(accounts.assign(sales=0, receivables=0), 2)
    assert (nobody["debtor"].accounts, nobody["all"].sales_share, nobody["all"].receivables_share) == (0, None, None)
