"""The DAGs: what is there, how light they are, and what runs of them do."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import airflow_case
import pytest
from aiosmtpd.controller import Controller
from conftest import ROOT, create_database, free_port

from sql.connect import Database, connected, kept_open

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

SHIPPED = ("call_service", "collection_classes", "pyramid", "relationship_abcd", "rfm_555")
SCHEDULED = (*SHIPPED, "regulars")
"""The policies of this module's installation: some that ship, and one that publishes while it asks."""
REGULARS = """
id: regulars
title: {en: Regular customers}
ref: tests
grain: customer
schedule: "0 6 2 * *"
as_of: previous_month_end
tiers: [A, B, C]
indicators:
  orders: {measure: order_count, window: 12 months, unit: count, better: high}
decide:
  bands: {of: orders, tiers: [{tier: A, at_least: 12}, {tier: B, at_least: 6}, {tier: C}]}
review:
  approve: {tiers: [A], by: [region], asks: entering, within: 3 days, unanswered: approved, meanwhile: pending}
"""
OTHERS = {
    "credit",
    "customer_facts",
    "customer_notices",
    "evaluation",
    "follow_ups",
    "people",
    "retention",
    "review_pack",
    "tier_reports",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A demo company and an empty warehouse behind the connections, for the whole module."""
    from tiering.demo import make_company

    folder = tmp_path_factory.mktemp("dags")
    make_company(folder / "company.duckdb", 120, 7)
    company, warehouse = (Database("duckdb", path=str(folder / f"{name}.duckdb")) for name in ("company", "warehouse"))
    with pytest.MonkeyPatch.context() as patch:
        airflow_case.set_connections(patch, SOURCE=company, WAREHOUSE=warehouse)
        patch.setenv("TIERING_POLICIES", airflow_case.some_policies(folder, *SHIPPED))
        (folder / "policies" / "regulars.yaml").write_text(REGULARS, encoding="utf-8")
        (folder / "handed_in").mkdir()
        patch.setenv("TIERING_HANDED_IN", str(folder / "handed_in"))
        patch.setenv("TIERING_MAIL_DIR", str(folder / "mail"))
        patch.setenv("TIERING_EXPORT_DIR", str(folder / "export"))
        patch.setenv("TIERING_DATA_DOCS_DIR", str(folder / "data_docs"))
        patch.setenv("TIERING_FALLBACK_MANAGER", "desk@tiering.example")
        airflow_case.bag.cache_clear()  # another module of this process may have parsed with other settings
        airflow_case.bag()
        yield folder
        airflow_case.bag.cache_clear()


@pytest.fixture(scope="module")
def facts(folder: Path) -> Iterator[Any]:
    """Facts through 2026-01-31, loaded by the DAG; kept open, as opening the file takes longer than most statements."""
    with kept_open(Database("duckdb", path=str(folder / "warehouse.duckdb"))) as warehouse:
        run = airflow_case.run_dag("customer_facts", batch_start="2023-07-01", batch_end="2026-02-01")
        assert airflow_case.states(run) == {"extract": "success", "validate": "success", "load": "success"}
        yield warehouse


def rows(warehouse: Any, sql: str) -> list[tuple]:
    from sqlalchemy import text

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
            assert task.retries == (6 if task.task_id == "send" else 2)
            assert task.retry_exponential_backoff == 2, "each pause is twice the one before; True would be once"


def test_importing_a_dag_file_is_light() -> None:
    code = (
        "import runpy, sys, time, airflow.sdk, airflow.providers.standard.operators.hitl\n"
        "from airflow.sdk import dag, task, Asset, Param, CronTriggerTimetable\n"
        "import airflow.serialization.serialized_objects, airflow.models\n"
        "for path in sys.argv[1:]:\n"
        "    start = time.process_time()\n"
        "    runpy.run_path(path)\n"
        "    seconds = time.process_time() - start\n"
        "    heavy = [m for m in ('pandas', 'great_expectations', 'duckdb', 'pyarrow', 'numpy') if m in sys.modules]\n"
        "    print('RESULT', path, seconds, heavy)\n"
    )
    files = sorted(f"dags/{path.name}" for path in (ROOT / "dags").glob("*.py"))
    environment = {**os.environ, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
    environment = {key: value for key, value in environment.items() if not key.startswith("TIERING_")}
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *files],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    results = [line.split(maxsplit=3)[1:] for line in found.stdout.splitlines() if line.startswith("RESULT")]
    assert [path for path, _, _ in results] == files
    assert {heavy for _, _, heavy in results} == {"[]"}
    assert max(float(seconds) for _, seconds, _ in results) < 0.5


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


class Answering(threading.Thread):
    """Answers the requests of a DAG, one after the other, as people would in the page; dag.test() waits for each.

    `answers`: by task `Approve`, `Reject`, or None where nobody answers and Airflow's own sweep ends the waiting; with
    what else the form holds. A request that the test did not expect is refused, so that the run ends. `asked` holds
    the tasks that waited, and when.
    """

    def __init__(self, dag_id: str, **answers: tuple[str | None, dict[str, str]]) -> None:
        super().__init__(daemon=True)
        self.dag_id, self.answers = dag_id, answers
        self.asked: list[str] = []
        self.has_ended = threading.Event()
        self.start()

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *_: object) -> None:
        self.has_ended.set()
        self.join(10)

    def run(self) -> None:
        while not self.has_ended.wait(0.1):
            self._answer_one()

    def _answer_one(self) -> None:
        from airflow.models.hitl import HITLDetail
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.trigger import handle_event_submit
        from airflow.sdk import timezone
        from airflow.triggers.base import TriggerEvent
        from airflow.utils.session import create_session
        from airflow.utils.state import TaskInstanceState
        from sqlalchemy import select

        with create_session(scoped=False) as session:
            waiting = session.scalar(
                select(TaskInstance).where(
                    TaskInstance.dag_id == self.dag_id, TaskInstance.state == TaskInstanceState.AWAITING_INPUT
                )
            )
            if waiting is None:
                return
            if self.asked[-1:] != [waiting.task_id]:  # an answer that dag.test() wrote over is given again
                self.asked.append(waiting.task_id)
            option, form = self.answers.get(waiting.task_id, ("Reject", {"comment": "not expected"}))
            if option is None:
                waiting.trigger_timeout = timezone.utcnow() - timedelta(seconds=1)
            else:
                detail = session.scalar(select(HITLDetail).where(HITLDetail.ti_id == waiting.id))
                role = waiting.task_id.removeprefix("approve_")
                detail.responded_by = {"id": role, "name": role}
                detail.responded_at = timezone.utcnow()
                detail.chosen_options = [option]
                detail.params_input = form
                event = TriggerEvent(detail.as_resume_event_payload())
                handle_event_submit(event, task_instance=waiting, session=session)
        if option is None:
            self._sweep()

    def _sweep(self) -> None:
        """Do what the scheduler does every few seconds to requests whose deadline has passed."""
        import logging

        from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

        runner: Any = SimpleNamespace(log=logging.getLogger("sweep"))
        SchedulerJobRunner.check_awaiting_input_timeouts(runner)


def run_answered(dag_id: str, answers: dict[str, tuple[str | None, dict[str, str]]], **params: Any) -> Any:
    """Run a DAG whose requests are answered; return the states of its tasks and who was asked."""
    with Answering(dag_id, **answers) as answering:
        run = airflow_case.run_dag(dag_id, **params)
    return airflow_case.states(run), answering.asked


CLASSES = "tier__collection_classes"
DIRECTOR, MANAGER = "approve_sales_director", "approve_general_manager"


def ledger(warehouse: Any, policy_id: str) -> list[tuple]:
    return rows(
        warehouse, f"SELECT as_of, status, reason FROM tiering.run WHERE policy_id = '{policy_id}' ORDER BY as_of"
    )


def said(warehouse: Any, policy_id: str, as_of: str) -> list[tuple]:
    """Return the requests of a day, in their order: step, role, by whom it was answered, answer, comment."""
    return rows(
        warehouse,
        "SELECT step, asked_of, answered_by, answer, comment FROM tiering.approval "
        f"WHERE policy_id = '{policy_id}' AND as_of = DATE '{as_of}' ORDER BY asked_at, step",
    )


def in_force(warehouse: Any, policy_id: str) -> list[tuple]:
    return rows(warehouse, f"SELECT * FROM tiering.customer_tier WHERE policy_id = '{policy_id}' ORDER BY ALL")


def test_a_tier_dag_asks_its_roles_one_after_the_other_for_as_long_as_its_policy_says(folder: Path) -> None:
    dags = airflow_case.bag().dags
    classes, regulars = dags[CLASSES], dags["tier__regulars"]
    assert [task.task_id for task in classes.topological_sort()] == [
        "wait",
        "measure",
        "decide",
        "release",
        DIRECTOR,
        MANAGER,
        "publish",
    ]
    order = [task.task_id for task in regulars.topological_sort()]
    assert order == ["wait", "measure", "decide", "release", "publish", "approve_region", "settle"]
    waiting = [
        (task.task_id, task.defaults, task.response_timeout, task.execution_timeout)
        for dag in (classes, regulars)
        for task in dag.tasks
        if hasattr(task, "response_timeout")
    ]
    always = timedelta(hours=3)
    assert sorted(waiting) == [
        (MANAGER, ["Reject"], timedelta(days=1), always),
        ("approve_region", ["Approve"], timedelta(days=3), always),
        (DIRECTOR, ["Reject"], timedelta(days=1), always),
        ("release", ["Reject"], timedelta(days=1), always),
        ("release", ["Reject"], timedelta(days=1), always),
    ]


def test_after_a_refusal_nobody_else_is_asked_and_nothing_is_published(facts: Any) -> None:
    states, asked = run_answered(CLASSES, {DIRECTOR: ("Reject", {"comment": "not yet"})}, as_of="2024-12-31")
    assert asked == [DIRECTOR]
    assert states["publish"] == "skipped"
    assert ledger(facts, "collection_classes") == [(date(2024, 12, 31), "rejected", "refused by sales_director")]
    assert in_force(facts, "collection_classes") == []


def test_a_refused_day_that_is_run_again_asks_again_and_both_must_agree(facts: Any) -> None:
    answers = {DIRECTOR: ("Approve", {"comment": "now it is right"}), MANAGER: ("Approve", {})}
    states, asked = run_answered(CLASSES, answers, as_of="2024-12-31")
    assert asked == [DIRECTOR, MANAGER]
    assert states["publish"] == "success"
    assert ledger(facts, "collection_classes") == [(date(2024, 12, 31), "published", None)]
    assert said(facts, "collection_classes", "2024-12-31")[2:] == [
        (1, "sales_director", "sales_director", "approved", "now it is right"),
        (2, "general_manager", "general_manager", "approved", None),
    ]


def test_what_the_first_approves_and_the_second_refuses_leaves_the_publication_before(facts: Any) -> None:
    before = in_force(facts, "collection_classes")
    answers = {
        "release": ("Approve", {"comment": "a hard year"}),
        DIRECTOR: ("Approve", {}),
        MANAGER: ("Reject", {"comment": "too many"}),
    }
    states, asked = run_answered(CLASSES, answers, as_of="2025-12-31")
    assert asked == ["release", DIRECTOR, MANAGER]
    assert states["publish"] == "skipped"
    assert ledger(facts, "collection_classes")[-1] == (date(2025, 12, 31), "rejected", "refused by general_manager")
    assert said(facts, "collection_classes", "2025-12-31") == [
        (1, "policy_owner", "release", "approved", "a hard year"),
        (2, "sales_director", "sales_director", "approved", None),
        (3, "general_manager", "general_manager", "rejected", "too many"),
    ]
    assert in_force(facts, "collection_classes") == before != []


def test_nobody_in_time_is_a_no_where_the_policy_says_so(facts: Any) -> None:
    before = in_force(facts, "collection_classes")
    answers = {"release": ("Approve", {}), DIRECTOR: (None, {}), MANAGER: ("Approve", {})}
    states, asked = run_answered(CLASSES, answers, as_of="2025-12-31")
    assert asked == ["release", DIRECTOR]
    assert states["publish"] == "skipped"
    assert ledger(facts, "collection_classes")[-1] == (date(2025, 12, 31), "rejected", "refused by nobody in time")
    assert in_force(facts, "collection_classes") == before


def waiting(warehouse: Any, policy_id: str, as_of: str) -> dict[str, str | None]:
    """Return the tier before of everybody whom the last run of a day asks about, by number."""
    found = rows(
        warehouse,
        "SELECT customer_id, tier_before FROM tiering.approval_customer "
        f"WHERE policy_id = '{policy_id}' AND as_of = DATE '{as_of}' ORDER BY customer_id",
    )
    return dict(found)


def test_a_customer_that_is_excepted_keeps_the_tier_before_while_the_others_get_theirs(facts: Any) -> None:
    asked_about = waiting(facts, "collection_classes", "2025-12-31")
    kept = next(number for number, before in asked_about.items() if before in ("B", "C"))
    new = next(number for number, before in asked_about.items() if before is None)
    answers = {
        "release": ("Approve", {}),
        DIRECTOR: ("Approve", {"but_not": f"{kept}, {new}"}),
        MANAGER: ("Approve", {"comment": "agreed"}),
    }
    states, _ = run_answered(CLASSES, answers, as_of="2025-12-31")
    assert states["publish"] == "success"
    current = {
        number: tuple(rest)
        for number, *rest in rows(
            facts,
            "SELECT customer_id, tier, computed_tier, status FROM tiering.customer_tier "
            "WHERE policy_id = 'collection_classes'",
        )
    }
    assert current[kept] == (asked_about[kept], "A", "held")
    assert current[new] == ("B", "A", "held")
    assert {current[number] for number in set(asked_about) - {kept, new}} == {("A", "A", "final")}
    cause = f"SELECT cause FROM tiering.tier_change WHERE customer_id = '{new}' AND policy_id = 'collection_classes'"
    assert rows(facts, cause) == [("review",)]


def test_excepting_somebody_whom_nobody_asked_about_settles_nothing_and_says_so(facts: Any, folder: Path) -> None:
    answers = {"approve_region": ("Approve", {"but_not": "nobody-1"})}
    states, _ = run_answered("tier__regulars", answers, as_of="2025-11-30")
    assert (states["publish"], states["settle"]) == ("success", "failed")
    assert "nobody was asked about customer nobody-1" in last_alert(folder)
    assert set(waiting_status(facts)) == {"pending"}


def waiting_status(warehouse: Any) -> list[str]:
    """Return the status of everybody of the policy regulars whom the latest run asks about."""
    found = rows(
        warehouse,
        "SELECT tier.status FROM tiering.customer_tier AS tier JOIN tiering.approval_customer AS asked "
        "ON asked.policy_id = tier.policy_id AND asked.customer_id = tier.customer_id "
        "AND asked.as_of = (SELECT MAX(as_of) FROM tiering.approval_customer WHERE policy_id = 'regulars') "
        "WHERE tier.policy_id = 'regulars'",
    )
    assert found
    return [status for (status,) in found]


def last_spells(warehouse: Any, policy_id: str, customers: Any) -> dict[str, list[tuple]]:
    """Return the last two spells of some customers, by number: tier, computed tier, status, first day."""
    found: dict[str, list[tuple]] = {number: [] for number in customers}
    for number, *spell in rows(
        warehouse,
        "SELECT customer_id, tier, computed_tier, status, valid_from FROM tiering.customer_tier_history "
        f"WHERE policy_id = '{policy_id}' ORDER BY customer_id, valid_from",
    ):
        if number in found:
            found[number] = [*found[number][-1:], tuple(spell)]
    return found


def test_where_a_policy_publishes_meanwhile_who_waits_keeps_the_tier_and_a_refusal_counts_from_its_own_day(
    facts: Any,
) -> None:
    from tiering import runtime

    answers = {"approve_region": ("Reject", {"comment": "let us wait"})}
    states, _ = run_answered("tier__regulars", answers, as_of="2025-12-31")
    assert (states["publish"], states["settle"]) == ("success", "success")
    today = datetime.now(runtime.settings().zone).date()
    refused = waiting(facts, "regulars", "2025-12-31")
    assert len(refused) > 1
    for number, (pending, held) in last_spells(facts, "regulars", refused).items():
        kept = refused[number] or "B"
        assert pending[:3] == (kept, "A", "pending")
        assert pending[3] <= date(2025, 12, 31)
        assert held == (kept, "A", "held", today)


def test_nobody_in_time_is_a_yes_where_the_policy_says_so_and_in_force_from_that_day_on(facts: Any) -> None:
    from tiering import runtime

    states, _ = run_answered("tier__regulars", {"approve_region": (None, {})}, as_of="2026-01-31")
    assert (states["publish"], states["settle"]) == ("success", "success")
    today = datetime.now(runtime.settings().zone).date()
    ((published_at, answered_at, *answer),) = rows(
        facts,
        "SELECT run.published_at, approval.answered_at, answered_by, answer FROM tiering.run AS run "
        "JOIN tiering.approval AS approval ON approval.run_id = run.run_id "
        "WHERE run.policy_id = 'regulars' AND run.as_of = DATE '2026-01-31'",
    )
    assert answer == ["nobody in time", "approved"]
    assert published_at < answered_at
    approved = waiting(facts, "regulars", "2026-01-31")
    for number, (pending, final) in last_spells(facts, "regulars", approved).items():
        assert pending[:3] == (approved[number] or "B", "A", "pending")
        assert final == ("A", "A", "final", today)
    effect = f"policy_id = 'regulars' AND as_of = DATE '{today}'"
    assert rows(facts, f"SELECT revision, status FROM tiering.run WHERE {effect}") == [(0, "published")]
    changes = rows(
        facts, f"SELECT customer_id, to_tier, cause, revision FROM tiering.tier_change WHERE {effect} ORDER BY 1"
    )
    assert changes == [(number, "A", "review", 0) for number in sorted(approved)]


def test_an_override_that_is_handed_in_holds_on_its_days_and_ends_by_itself(facts: Any, folder: Path) -> None:
    """Handed in as a file: one good line and one without a reason."""
    airflow_case.run_dag("tier__rfm_555", as_of="2026-01-31")
    key = "policy_id = 'rfm_555'"
    ((number, found),) = rows(
        facts, f"SELECT customer_id, tier FROM tiering.customer_tier WHERE {key} AND tier <> 'vip' ORDER BY 1 LIMIT 1"
    )
    ((other,),) = rows(facts, f"SELECT MAX(tier) FROM tiering.tier_definition WHERE {key} AND tier <> '{found}'")
    (folder / "handed_in" / "overrides-february.csv").write_text(
        "policy_id,customer_id,tier,reason,requested_by,approved_by,valid_from,valid_to\n"
        f"rfm_555,{number},{other},sells to three others,Li Wei,Sun Guoqiang,2026-02-05,2026-02-20\n"
        f"rfm_555,{number},{other},,Li Wei,Sun Guoqiang,2026-03-05,2026-03-20\n",
        encoding="utf-8",
    )
    current = f"SELECT tier, status, as_of FROM tiering.customer_tier WHERE {key} AND customer_id = '{number}'"
    story = (
        f"SELECT tier, status, valid_from FROM tiering.customer_tier_history WHERE {key} AND customer_id = '{number}'"
    )
    states = []
    for day in (4, 10, 25):
        run = airflow_case.run_dag("people", logical_date=datetime(2026, 2, day, tzinfo=UTC))
        assert airflow_case.states(run) == {"load": "success", "publish": "success"}
        states.append(rows(facts, current))
    assert states == [
        [(found, "final", date(2026, 1, 31))],
        [(other, "overridden", date(2026, 2, 5))],
        [(found, "final", date(2026, 2, 20))],
    ]
    assert rows(facts, f"{story} ORDER BY valid_from")[-3:] == [
        (found, "final", date(2026, 1, 31)),
        (other, "overridden", date(2026, 2, 5)),
        (found, "final", date(2026, 2, 20)),
    ]
    assert rows(facts, f"SELECT cause FROM tiering.tier_change WHERE {key} AND as_of > DATE '2026-01-31'") == [
        ("override",),
        ("override",),
    ]
    refused = rows(facts, "SELECT file, line, reason FROM tiering.refused_line")
    assert [(file, line) for file, line, _ in refused] == [("overrides-february.csv", 3)]
    assert "reason" in refused[0][2]


def test_without_a_mail_server_the_mails_are_files_and_a_second_report_writes_none(facts: Any, folder: Path) -> None:
    airflow_case.run_dag("tier__rfm_555", as_of="2026-01-31")
    assert airflow_case.run_dag("tier_reports").state == "success"
    mails = sorted((folder / "mail").glob("2*.eml"))
    assert mails
    assert {path.with_suffix(".html").exists() for path in mails} == {True}
    assert airflow_case.run_dag("tier_reports").state == "success"
    assert sorted((folder / "mail").glob("2*.eml")) == mails


def test_an_earlier_day_is_mailed_as_a_correction_when_the_run_says_so_and_else_not(facts: Any, folder: Path) -> None:
    airflow_case.run_dag("tier__rfm_555", as_of="2026-01-31")
    airflow_case.run_dag("tier_reports")
    news = set((folder / "mail").glob("2*.eml"))
    airflow_case.run_dag("tier__rfm_555", as_of="2025-11-30")
    airflow_case.run_dag("tier__rfm_555", as_of="2025-12-31")
    airflow_case.run_dag("tier__rfm_555", as_of="2025-12-31", tell=True)
    told = "SELECT as_of, digest_id, is_correction FROM tiering.run WHERE policy_id = 'rfm_555' ORDER BY as_of"
    assert rows(facts, told)[:2] == [(date(2025, 11, 30), "none", False), (date(2025, 12, 31), None, True)]
    airflow_case.run_dag("tier_reports")
    corrections = set((folder / "mail").glob("2*.eml")) - news
    assert corrections
    assert all(path.name.startswith("2025-12-31-") for path in corrections)
    assert all(b"X-Tiering-Run" in path.read_bytes() for path in corrections)
    assert rows(facts, "SELECT COUNT(*) FROM tiering.run WHERE digest_id IS NULL") == [(0,)]


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
    assert airflow_case.states(run) == dict.fromkeys(("wait", "list", "export"), "success")
    assert lists(facts) == [(date(2026, 1, 20), date(2026, 1, 20), True)]


def test_a_list_without_a_day_is_of_the_latest_one_the_facts_cover(facts: Any) -> None:
    run = airflow_case.run_dag("follow_ups")
    assert (run.state, run.logical_date) == ("success", None)
    assert lists(facts) == [(date(2026, 1, 31), date(2026, 1, 31), True)]
    (listing,) = [instance for instance in run.get_task_instances() if instance.task_id == "list"]
    tables = (
        "follow_up",
        "provisional_grade",
        "visit_plan WHERE as_of = DATE '2026-01-31'",
        "service_level",
        "queue_priority",
    )
    written = [rows(facts, f"SELECT COUNT(*) FROM tiering.{table}")[0][0] for table in tables]
    assert list(listing.xcom_pull(task_ids="list").values()) == written
    assert written[-1] > 50


def test_the_call_centre_finds_the_order_of_callers_in_a_file(facts: Any, folder: Path) -> None:
    (path,) = (folder / "export").iterdir()
    assert path.name == "queue-priority-call_service-2025-12-31.csv"
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    assert head == "customer_id,tier,queue_priority,blacklisted"
    order = rows(
        facts,
        "SELECT customer_id || ',' || COALESCE(tier, '') || ',' || COALESCE(CAST(queue_priority AS TEXT), '') "
        "|| ',' || CAST(is_blacklisted AS TEXT) FROM tiering.queue_priority ORDER BY queue_position, customer_id",
    )
    assert lines == [line for (line,) in order]


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


def test_the_year_is_evaluated_for_every_policy_that_was_published_before_it(
    facts: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert airflow_case.run_dag("tier__call_service", as_of="2024-12-31").state == "success"
    before = [name for (name,) in rows(facts, "SELECT DISTINCT policy_id FROM tiering.run WHERE status = 'published' "
              "AND revision > 0 AND as_of < DATE '2025-01-01' ORDER BY 1")]  # fmt: skip
    published = rows(facts, "SELECT COUNT(DISTINCT policy_id) FROM tiering.run WHERE status = 'published'")[0][0]
    assert "call_service" in before
    assert len(before) < published
    with caplog.at_level("INFO"):
        run = airflow_case.run_dag("evaluation", year=2025)
    assert airflow_case.states(run) == {"wait": "success", "evaluate": "success"}
    assert rows(facts, "SELECT DISTINCT policy_id, year FROM tiering.policy_evaluation ORDER BY 1") == [
        (name, 2025) for name in before
    ]
    assert rows(facts, "SELECT DISTINCT as_of FROM tiering.tier_effect") == [(date(2024, 12, 31),)]
    assert "policy rfm_555: it published no tiers before 2025, and is not evaluated" in caplog.text
    written = rows(facts, "SELECT * FROM tiering.policy_evaluation ORDER BY ALL")
    assert airflow_case.run_dag("evaluation", year=2025).state == "success"
    assert rows(facts, "SELECT * FROM tiering.policy_evaluation ORDER BY ALL") == written


def test_the_evaluation_that_is_scheduled_is_of_the_year_before(facts: Any) -> None:
    """05:15 on 15 January in Shanghai is 21:15 UTC on the 14th."""
    rows(facts, "DELETE FROM tiering.policy_evaluation RETURNING year")
    assert airflow_case.run_dag("evaluation", logical_date=datetime(2026, 1, 14, 21, 15, tzinfo=UTC)).state == "success"
    assert rows(facts, "SELECT DISTINCT year FROM tiering.policy_evaluation") == [(2025,)]


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


@pytest.mark.long
@pytest.mark.postgres
def test_the_whole_job_runs_within_one_postgresql_database(folder: Path, postgres_server: Any) -> None:
    from demo import generate_company, load_company
    from sql.connect import open_engine

    database = create_database(postgres_server, "whole_job")
    engine = open_engine(database)
    load_company(engine, generate_company(customers=120, seed=7))
    engine.dispose()
    value = airflow_case.connection_to(database)
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
