"""The DAGs: what is there, how light they are, and what runs of them do."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import airflow_case
import pytest
from aiosmtpd.controller import Controller
from conftest import ROOT, create_database, free_port

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

SCHEDULED = ("call_service", "collection_classes", "pyramid", "relationship_abcd", "rfm_555")
"""The policies of this module's installation."""
OTHERS = {"customer_facts", "customer_notices", "follow_ups", "people", "retention", "review_pack", "tier_reports"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A demo company and an empty warehouse behind the connections, for the whole module."""
    from tiering.demo import make_company

    folder = tmp_path_factory.mktemp("dags")
    make_company(folder / "company.duckdb", 120, 7)
    airflow_case.prepare_environment()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("TIERING_", "AIRFLOW_CONN_"))]:
            patch.delenv(name)
        for name, path in (("SOURCE", "company"), ("WAREHOUSE", "warehouse")):
            value = airflow_case.connection(conn_type="duckdb", host=str(folder / f"{path}.duckdb"))
            patch.setenv(f"AIRFLOW_CONN_TIERING_{name}", value)
        patch.setenv("TIERING_POLICIES", airflow_case.some_policies(folder, *SCHEDULED))
        patch.setenv("TIERING_MAIL_DIR", str(folder / "mail"))
        patch.setenv("TIERING_DATA_DOCS_DIR", str(folder / "data_docs"))
        patch.setenv("TIERING_FALLBACK_MANAGER", "desk@tiering.example")
        airflow_case.bag.cache_clear()  # another module of this process may have parsed with other settings
        airflow_case.bag()
        yield folder
        airflow_case.bag.cache_clear()


@pytest.fixture(scope="module")
def facts(folder: Path) -> Any:
    """Facts through 2026-01-31, loaded by the DAG."""
    from sql.connect import Database

    run = airflow_case.run_dag("customer_facts", batch_start="2023-07-01", batch_end="2026-02-01")
    assert airflow_case.states(run) == {"extract": "success", "validate": "success", "load": "success"}
    return Database("duckdb", path=str(folder / "warehouse.duckdb"))


def rows(warehouse: Any, sql: str) -> list[tuple]:
    from sqlalchemy import text

    from sql.connect import connected

    with connected(warehouse, "tiering_warehouse") as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def last_alert(folder: Path) -> str:
    from email import message_from_bytes

    newest = max((folder / "mail").glob("alert-*.eml"), key=lambda path: path.stat().st_mtime)
    part = message_from_bytes(newest.read_bytes()).get_payload()[0]
    return part.get_payload(decode=True).decode()


def test_the_bag_holds_exactly_these_dags_and_no_error(folder: Path) -> None:
    bag = airflow_case.parse_bag()
    assert bag.import_errors == {}
    assert set(bag.dags) == OTHERS | {f"tier__{policy_id}" for policy_id in SCHEDULED}


def test_every_policy_that_ships_has_its_dag(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIERING_POLICIES")
    bag = airflow_case.parse_bag()
    assert bag.import_errors == {}
    assert set(bag.dags) == OTHERS | {f"tier__{path.stem}" for path in (ROOT / "policies").glob("*.yaml")}


def test_every_dag_has_its_run_book_and_every_task_alerts(folder: Path) -> None:
    for dag in airflow_case.parse_bag().dags.values():
        assert "| fails | means |" in dag.doc_md
        assert dag.max_active_runs == 1
        assert dag.catchup is False
        for task in dag.tasks:
            assert task.has_on_failure_callback
            assert task.retries == 2


@pytest.mark.parametrize(
    "name", ["customer_facts", "tiers", "tier_reports", "follow_ups", "people", "retention", "review_pack"]
)
def test_importing_a_dag_file_is_light(name: str) -> None:
    code = (
        "import sys, time, airflow.sdk, airflow.providers.standard.operators.hitl\n"
        "from airflow.sdk import dag, task, Asset, Param, CronTriggerTimetable\n"
        "import airflow.serialization.serialized_objects, airflow.models\n"
        "start = time.process_time()\n"
        f"import runpy; runpy.run_path('dags/{name}.py')\n"
        "heavy = [m for m in ('pandas', 'great_expectations', 'duckdb', 'pyarrow', 'numpy') if m in sys.modules]\n"
        "print('RESULT', time.process_time() - start, heavy)\n"
    )
    environment = {**os.environ, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
    environment = {key: value for key, value in environment.items() if not key.startswith("TIERING_")}
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    result = next(line for line in found.stdout.splitlines() if line.startswith("RESULT")).split(maxsplit=2)
    assert result[2] == "[]"
    assert float(result[1]) < 0.5


def test_a_run_before_any_facts_fails_with_one_clear_line_and_an_alert(folder: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        empty = airflow_case.connection(conn_type="duckdb", host=str(tmp_path / "empty.duckdb"))
        patch.setenv("AIRFLOW_CONN_TIERING_WAREHOUSE", empty)
        run = airflow_case.run_dag("tier__pyramid", as_of="2025-12-31")
    assert run.state == "failed"
    assert "Error: as_of 2025-12-31 cannot be measured: no facts were loaded; run customer_facts first" in last_alert(
        folder
    )


@pytest.mark.parametrize(
    ("as_of", "line"),
    [
        ("2999-12-31", "as_of 2999-12-31 lies in the future"),
        ("2026-02-28", "as_of 2026-02-28 lies beyond the facts, which reach 2026-01-31"),
        ("2025-12-30", "as_of 2025-12-30 is not on the policy's calendar previous_month_end"),
    ],
)
def test_a_day_that_cannot_be_measured_is_refused(facts: Any, folder: Path, as_of: str, line: str) -> None:
    before = rows(facts, "SELECT COUNT(*) FROM tiering.run")
    run = airflow_case.run_dag("tier__pyramid", as_of=as_of)
    assert run.state == "failed"
    assert line in last_alert(folder)
    assert rows(facts, "SELECT COUNT(*) FROM tiering.run") == before


def test_a_manual_run_without_a_day_takes_the_latest_one_the_facts_cover(facts: Any) -> None:
    run = airflow_case.run_dag("tier__rfm_555")
    assert run.state == "success"
    assert run.logical_date is None
    assert rows(facts, "SELECT as_of, status FROM tiering.run WHERE policy_id = 'rfm_555'") == [
        (date(2026, 1, 31), "published")
    ]


def test_the_same_day_again_changes_nothing(facts: Any) -> None:
    airflow_case.run_dag("tier__rfm_555", as_of="2026-01-31")
    tables = (
        "decision",
        "customer_tier",
        "customer_tier_history",
        "absence",
        "tier_change",
        "score_component",
        "run",
    )
    before = [rows(facts, f"SELECT * FROM tiering.{table} ORDER BY ALL") for table in tables]
    assert airflow_case.run_dag("tier__rfm_555", as_of="2026-01-31").state == "success"
    assert [rows(facts, f"SELECT * FROM tiering.{table} ORDER BY ALL") for table in tables] == before


def answer_from_a_thread(dag_id: str, option: str, comment: str) -> threading.Thread:
    """Answer the next request of a DAG as a person would in the page; dag.test() waits for it."""

    def answer() -> None:
        from airflow.models.hitl import HITLDetail
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.trigger import handle_event_submit
        from airflow.sdk import timezone
        from airflow.triggers.base import TriggerEvent
        from airflow.utils.session import create_session
        from airflow.utils.state import TaskInstanceState
        from sqlalchemy import select

        for _ in range(200):
            with create_session(scoped=False) as session:
                waiting = session.scalar(
                    select(TaskInstance).where(
                        TaskInstance.dag_id == dag_id, TaskInstance.state == TaskInstanceState.AWAITING_INPUT
                    )
                )
                if waiting is not None:
                    detail = session.scalar(select(HITLDetail).where(HITLDetail.ti_id == waiting.id))
                    detail.responded_by = {"id": "gm", "name": "general manager"}
                    detail.responded_at = timezone.utcnow()
                    detail.chosen_options = [option]
                    detail.params_input = {"comment": comment}
                    event = TriggerEvent(detail.as_resume_event_payload())
                    handle_event_submit(event, task_instance=waiting, session=session)
                    return
            time.sleep(0.3)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    return thread


def test_a_refused_request_publishes_nothing(facts: Any) -> None:
    answer_from_a_thread("tier__collection_classes", "Reject", "not yet")
    run = airflow_case.run_dag("tier__collection_classes", as_of="2024-12-31")
    assert airflow_case.states(run)["publish"] == "skipped"
    assert rows(facts, "SELECT status, reason FROM tiering.run WHERE policy_id = 'collection_classes'") == [
        ("rejected", "refused by general manager")
    ]
    assert rows(facts, "SELECT COUNT(*) FROM tiering.customer_tier WHERE policy_id = 'collection_classes'") == [(0,)]


def test_a_refused_day_that_is_run_again_asks_again(facts: Any) -> None:
    answer_from_a_thread("tier__collection_classes", "Approve", "now it is right")
    run = airflow_case.run_dag("tier__collection_classes", as_of="2024-12-31")
    assert airflow_case.states(run)["publish"] == "success"
    assert rows(facts, "SELECT status FROM tiering.run WHERE policy_id = 'collection_classes'") == [("published",)]


def test_an_approved_request_is_recorded_and_published(facts: Any) -> None:
    answer_from_a_thread("tier__collection_classes", "Approve", "agreed")
    run = airflow_case.run_dag("tier__collection_classes", as_of="2025-12-31")
    assert airflow_case.states(run)["publish"] == "success"
    found = rows(
        facts,
        "SELECT DISTINCT answered_by, answer, comment FROM tiering.approval "
        "WHERE policy_id = 'collection_classes' AND as_of = DATE '2025-12-31'",
    )
    assert found == [("general manager", "approved", "agreed")]


def test_without_a_mail_server_the_mails_are_files_and_a_second_report_writes_none(facts: Any, folder: Path) -> None:
    airflow_case.run_dag("tier__rfm_555", as_of="2026-01-31")
    assert airflow_case.run_dag("tier_reports").state == "success"
    mails = sorted((folder / "mail").glob("2*.eml"))
    assert mails
    assert {path.with_suffix(".html").exists() for path in mails} == {True}
    assert airflow_case.run_dag("tier_reports").state == "success"
    assert sorted((folder / "mail").glob("2*.eml")) == mails


def lists(warehouse: Any) -> list[tuple]:
    """Return the days of the list of follow-ups and of the newest service levels, and whether there are any."""
    return rows(
        warehouse,
        "SELECT (SELECT MAX(as_of) FROM tiering.follow_up), (SELECT MAX(as_of) FROM tiering.service_level), "
        "(SELECT COUNT(*) > 0 FROM tiering.follow_up)",
    )


def test_a_list_by_hand_is_of_the_day_that_was_given(facts: Any) -> None:
    for dag_id, day in (("tier__relationship_abcd", "2025-12-31"), ("tier__call_service", "2025-12-31")):
        assert airflow_case.run_dag(dag_id, as_of=day).state == "success"
    run = airflow_case.run_dag("follow_ups", as_of="2026-01-20")
    assert airflow_case.states(run) == {"wait": "success", "list": "success"}
    assert lists(facts) == [(date(2026, 1, 20), date(2026, 1, 20), True)]


def test_a_list_without_a_day_is_of_the_latest_one_the_facts_cover(facts: Any) -> None:
    run = airflow_case.run_dag("follow_ups")
    assert (run.state, run.logical_date) == ("success", None)
    assert lists(facts) == [(date(2026, 1, 31), date(2026, 1, 31), True)]
    (listing,) = [instance for instance in run.get_task_instances() if instance.task_id == "list"]
    written = rows(facts, "SELECT COUNT(*) FROM tiering.follow_up UNION ALL SELECT COUNT(*) FROM tiering.service_level")
    assert list(listing.xcom_pull(task_ids="list").values()) == [count for (count,) in written]


def test_a_scheduled_list_is_of_the_day_before(facts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """06:30 on 29 January in Shanghai is 22:30 UTC on the 28th."""
    from tiering import runtime

    monkeypatch.setattr(runtime, "is_scheduled", lambda context: True)
    run = airflow_case.run_dag("follow_ups", logical_date=datetime(2026, 1, 28, 22, 30, tzinfo=UTC))
    assert run.state == "success"
    assert lists(facts)[0][0] == date(2026, 1, 28)
    assert lists(facts)[0][1] == date(2026, 1, 31)  # what is known better stays


def test_a_list_of_a_day_that_the_facts_do_not_reach_is_refused_and_the_last_one_stays(
    facts: Any, folder: Path
) -> None:
    before = rows(facts, "SELECT * FROM tiering.follow_up ORDER BY ALL")
    assert before
    run = airflow_case.run_dag("follow_ups", as_of="2026-02-28")
    assert airflow_case.states(run)["list"] == "upstream_failed"
    assert "as_of 2026-02-28 lies beyond the facts, which reach 2026-01-31" in last_alert(folder)
    assert rows(facts, "SELECT * FROM tiering.follow_up ORDER BY ALL") == before


class Inbox:
    """Keeps what a mail server is given."""

    def __init__(self) -> None:
        self.recipients: list[str] = []
        self.messages: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.recipients += envelope.rcpt_tos
        self.messages.append(envelope.content)
        return "250 kept"


def test_with_a_mail_server_every_manager_gets_one_mail_and_a_failed_task_alerts(facts: Any) -> None:
    inbox = Inbox()
    server = Controller(inbox, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            value = airflow_case.connection(
                conn_type="smtp", host="127.0.0.1", port=server.port, extra={"security": "none"}
            )
            patch.setenv("AIRFLOW_CONN_TIERING_SMTP", value)
            patch.setenv("TIERING_ALERT_EMAIL", "engineers@tiering.example")
            airflow_case.run_dag("tier__pyramid", as_of="2025-12-31")
            assert airflow_case.run_dag("tier_reports").state == "success"
            managers = [address for address in inbox.recipients if address != "engineers@tiering.example"]
            assert len(managers) == len(set(managers)) > 1
            airflow_case.run_dag("tier__pyramid", as_of="2025-12-30")
            assert inbox.recipients[-1] == "engineers@tiering.example"
            assert b"tier__pyramid" in inbox.messages[-1]
            sent = len(inbox.messages)
            assert airflow_case.run_dag("tier_reports").state == "success"
            assert len(inbox.messages) == sent
    finally:
        server.stop()


def test_a_mail_server_that_refuses_connections_leaves_the_mails_pending(facts: Any) -> None:
    airflow_case.run_dag("tier__pyramid", as_of="2026-01-31")
    with pytest.MonkeyPatch.context() as patch:
        value = airflow_case.connection(
            conn_type="smtp", host="127.0.0.1", port=free_port(), extra={"security": "none"}
        )
        patch.setenv("AIRFLOW_CONN_TIERING_SMTP", value)
        run = airflow_case.run_dag("tier_reports")
    assert airflow_case.states(run) == {"write": "success", "send": "failed"}
    pending = rows(facts, "SELECT COUNT(*) FROM tiering.email_outbox WHERE status = 'pending'")[0][0]
    assert pending > 0
    assert airflow_case.run_dag("tier_reports").state == "success"
    assert rows(facts, "SELECT COUNT(*) FROM tiering.email_outbox WHERE status = 'pending'") == [(0,)]


def test_no_customer_is_named_in_what_the_tasks_log(
    facts: Any, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = [name for (name,) in rows(facts, "SELECT DISTINCT name FROM facts.customers") if name]
    assert len(names) > 100
    airflow_case.run_dag("customer_facts", batch_start="2026-02-01", batch_end="2026-02-10")
    airflow_case.run_dag("tier__rfm_555", as_of="2025-12-31")
    airflow_case.run_dag("tier_reports")
    logged = "".join(capfd.readouterr())
    assert [name for name in names if name.strip() in logged] == []


@pytest.mark.postgres
def test_the_whole_job_runs_within_one_postgresql_database(folder: Path, postgres_server: Any) -> None:
    from demo import generate_company, load_company
    from sql.connect import open_engine

    database = create_database(postgres_server, "whole_job")
    engine = open_engine(database)
    load_company(engine, generate_company(customers=120, seed=7))
    engine.dispose()
    value = airflow_case.connection(
        conn_type="postgres",
        host=database.host,
        port=database.port,
        schema=database.name,
        login=database.user,
        password=database.password,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_TIERING_SOURCE", value)
        patch.setenv("AIRFLOW_CONN_TIERING_WAREHOUSE", value)
        for dag_id, params in (
            ("customer_facts", {"batch_start": "2023-07-01", "batch_end": "2026-02-01"}),
            ("tier__pyramid", {"as_of": "2025-12-31"}),
            ("tier__pyramid", {}),
            ("tier__rfm_555", {}),
            ("tier_reports", {}),
            ("retention", {}),
        ):
            states = airflow_case.states(airflow_case.run_dag(dag_id, **params))
            assert set(states.values()) == {"success"}, (dag_id, states)
    published = rows(database, "SELECT policy_id, as_of FROM tiering.run WHERE status = 'published' ORDER BY 1, 2")
    assert published == [
        ("pyramid", date(2025, 12, 31)),
        ("pyramid", date(2026, 1, 31)),
        ("rfm_555", date(2026, 1, 31)),
    ]
    assert rows(database, "SELECT DISTINCT status FROM tiering.email_outbox") == [("filed",)]
    assert rows(database, "SELECT DISTINCT pruning_no, outcome FROM tiering.pruning") == [(1, "noop")]


def context(run_type: str, logical_date: datetime | None, **params: Any) -> dict[str, Any]:
    from airflow.utils.types import DagRunType

    dag_run = SimpleNamespace(
        run_type=DagRunType(run_type),
        logical_date=logical_date,
        run_after=datetime(2026, 2, 3, tzinfo=UTC),
        partition_date=None,
    )
    return {"dag_run": dag_run, "params": params}


@pytest.mark.parametrize(
    ("run_type", "logical_date", "as_of"),
    [
        # 22:00 UTC on 1 February is 06:00 on 2 February in Shanghai: the month that ended is January.
        ("scheduled", datetime(2026, 2, 1, 22, tzinfo=UTC), date(2026, 1, 31)),
        ("backfill", datetime(2025, 12, 1, 22, tzinfo=UTC), date(2025, 11, 30)),
        ("manual", None, date(2026, 1, 31)),
        ("asset_triggered", None, date(2026, 1, 31)),
        ("manual", datetime(2025, 6, 1, tzinfo=UTC), date(2026, 1, 31)),
    ],
)
def test_the_day_comes_from_the_run_and_never_from_the_clock(
    facts: Any, run_type: str, logical_date: datetime | None, as_of: date
) -> None:
    from tiering import runtime

    policy = runtime.policies()["pyramid"]
    assert runtime.as_of_of(context(run_type, logical_date), policy) == as_of
