"""The whole job on Wide World Importers, through the DAGs: two months of each year here, all by `make wwi`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import wwi

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not wwi.SLICE.is_dir(), reason="../shared/data/wwi_slice is not there"),
]


MONTH_ENDS = [*wwi.MONTH_ENDS[10:12], *wwi.MONTH_ENDS[-2:]]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("wwi")
    with pytest.MonkeyPatch.context() as patch:
        wwi.prepare(folder, patch)
        found = [state for batch in wwi.BATCHES for state in wwi.run_job(batch, MONTH_ENDS)]
    return folder, found


@pytest.fixture(scope="module")
def warehouse(states: tuple[Path, list[str]]):
    from sql.connect import Database

    return Database("duckdb", path=str(states[0] / "warehouse.duckdb"))


def rows(warehouse, sql: str) -> list[tuple]:
    from sqlalchemy import text

    from sql.connect import connected

    with connected(warehouse, "tiering_warehouse") as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_every_dag_run_succeeds(states: tuple[Path, list[str]]) -> None:
    assert len(states[1]) == 2 + 2 + 2 * len(MONTH_ENDS) + 2 + 2
    assert set(states[1]) == {"success"}


def test_every_row_of_the_slice_is_loaded_and_none_refused(warehouse) -> None:
    found = dict(
        rows(
            warehouse,
            "SELECT entity, SUM(loaded_rows) FROM tiering.batch WHERE entity IN ('sales', 'payments') GROUP BY entity",
        )
    )
    assert sum(int(number) for number in found.values()) == 3240
    assert rows(warehouse, "SELECT COUNT(*) FROM tiering.quarantine") == [(0,)]


@pytest.mark.parametrize("as_of", [date(2015, 12, 31), date(2016, 5, 31)])
def test_documents_less_payments_is_the_balance_of_the_file(warehouse, as_of: date) -> None:
    from tiering.summary import balance_on

    invoices, payments = wwi.independent_balance(as_of)
    assert balance_on(warehouse, as_of) == (invoices, payments, invoices - payments)


@pytest.mark.parametrize("as_of", [date(2015, 12, 31), date(2016, 5, 31)])
def test_every_account_owes_what_plain_python_counts_from_the_files(warehouse, as_of: date) -> None:
    expected = wwi.independent_positions(as_of)
    names = ("billed_amount", "paid_amount", "balance", "open_amount", "overdue_amount", "overdue_days",
             "ageing_current", "ageing_1_30", "dso")  # fmt: skip
    found = rows(
        warehouse,
        f"SELECT customer_id, currency, {', '.join(names)} FROM tiering.receivable_position WHERE as_of = '{as_of}'",
    )
    assert {row[:2]: row[2:] for row in found} == {
        place: tuple(row[name] for name in names) for place, row in expected.items()
    }
    assert len(found) == 26


def test_the_balance_at_the_end_is_the_published_one(warehouse) -> None:
    from tiering.summary import balance_on

    assert balance_on(warehouse, date(2016, 5, 31))[2] == Decimal("16078.73")


def test_every_policy_publishes_every_day_once(warehouse) -> None:
    found = rows(warehouse, "SELECT policy_id, COUNT(*) FROM tiering.run WHERE status = 'published' GROUP BY policy_id")
    assert dict(found) == {"rfm_555": len(MONTH_ENDS), "pyramid": len(MONTH_ENDS), "collection_classes": 2}


def test_the_pyramid_of_26_accounts_has_no_first_class_and_one_of_the_second(warehouse) -> None:
    found = dict(
        rows(
            warehouse,
            "SELECT tier, COUNT(*) FROM tiering.customer_tier WHERE policy_id = 'pyramid' GROUP BY tier",
        )
    )
    assert found == {"gold": 1, "iron": 4, "lead": 21}


def test_a_day_run_again_changes_nothing_and_sends_nothing(states: tuple[Path, list[str]], warehouse) -> None:
    from sql.statements import run  # noqa: F401 - the fixture has set the environment back
    from tiering import jobs
    from tiering.settings import read_settings
    from transforms.policy import read_policies

    policies = read_policies(wwi.ROOT / "policies")
    before = rows(warehouse, "SELECT * FROM tiering.tier_change ORDER BY ALL")
    for policy_id, as_of in (("rfm_555", date(2015, 12, 31)), ("collection_classes", date(2014, 12, 31))):
        staged = jobs.decide(warehouse, policies[policy_id], jobs.measure(warehouse, policies, policy_id, as_of))
        assert jobs.publish(warehouse, policies[policy_id], staged)["status"] == "noop"
    here = read_settings(
        {"TIERING_FALLBACK_MANAGER": "sales.desk@wwi.example", "TIERING_MAIL_DIR": str(states[0] / "again")}
    )
    assert jobs.write_reports(warehouse, here)["mails"] == 0
    assert rows(warehouse, "SELECT * FROM tiering.tier_change ORDER BY ALL") == before
