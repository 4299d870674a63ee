"""What every DAG shares: settings, the day of a run, errors in one line, and the alert to the engineers.

Light on purpose: DAG files import it at parse time. Everything heavy is imported inside the functions.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from sql.errors import DatabaseFailed, TieringError
from tiering.settings import ROOT, Settings, read_settings
from transforms.policy_header import Header, read_headers

if TYPE_CHECKING:
    from transforms.policy import Policy

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

OWNER = "customer-tiering"


def settings() -> Settings:
    """Return the settings of this installation."""
    return read_settings()


def policies() -> dict[str, Policy]:
    """Return the policies of this installation by id."""
    from transforms.policy import read_policies

    return read_policies(settings().policies)


def headers() -> list[Header]:
    """Return what a scheduler must know of every policy of this installation."""
    return read_headers(settings().policies)


def one_line_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Fail a task at once, without retries, with one clear line where the trouble is what a person set up.

    What a database raised keeps the task's retries.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        from airflow.sdk.exceptions import AirflowFailException

        try:
            return function(*args, **kwargs)
        except DatabaseFailed:
            raise  # a server that is away or busy may be back at the next try
        except TieringError as error:
            raise AirflowFailException(str(error)) from None

    return wrapped


def run_type_of(context: Any) -> str:
    """Return the kind of a run as one word: scheduled, backfill, manual, asset_triggered, …"""
    kind = getattr(context["dag_run"], "run_type", "manual")
    return str(getattr(kind, "value", kind))  # a real run carries an enum, whose text is DagRunType.SCHEDULED


def is_scheduled(context: Any) -> bool:
    """Whether the run has a day of its own: scheduled and backfill runs do, manual and asset-triggered ones do not."""
    return run_type_of(context) in ("scheduled", "backfill")


def is_backfill(context: Any) -> bool:
    """Whether the run is part of a backfill."""
    return run_type_of(context) == "backfill"


def run_day(context: Any, zone: Any) -> date:
    """Return the business day on which a run is due: its logical date, or the day it was asked for; never the clock."""
    dag_run = context["dag_run"]
    moment = getattr(dag_run, "partition_date", None) or dag_run.logical_date or dag_run.run_after
    return moment.astimezone(zone).date()  # type: ignore[no-any-return]


def as_of_of(context: Any, policy: Header) -> date:
    """Return the day the run of a policy looks at (see `tiering.jobs.choose_as_of`)."""
    return day_of(context, policy.as_of)


def day_of(context: Any, calendar: str) -> date:
    """Return the day a run looks at, on a calendar (see `tiering.jobs.choose_as_of`)."""
    from tiering.connections import WAREHOUSE, database_of
    from tiering.jobs import choose_as_of, covered_through

    zone = settings().zone
    return choose_as_of(
        calendar,
        given=context["params"].get("as_of"),
        run_day=run_day(context, zone),
        is_scheduled=is_scheduled(context),
        through=covered_through(database_of(WAREHOUSE)),
        today=datetime.now(UTC).astimezone(zone).date(),
    )


def facts_reach(find_day: Callable[[], date]) -> bool:
    """Make the warehouse ready, and say whether facts are loaded through a day.

    `find_day` is asked once it is ready, and refuses a run by hand before there are any facts.
    """
    from tiering import jobs
    from tiering.connections import WAREHOUSE, database_of, owner_of

    warehouse = database_of(WAREHOUSE)
    jobs.prepare_warehouse(warehouse, owner_of())
    day, through = find_day(), jobs.covered_through(warehouse)
    return through is not None and through >= day


def check_shared() -> None:
    """Refuse a warehouse that has one process at a time where TIERING_DECIDE_TASKS asks for several tasks at once."""
    from tiering.connections import WAREHOUSE, database_of

    tasks, warehouse = settings().decide_tasks, database_of(WAREHOUSE)
    if tasks > 1 and warehouse.kind == "duckdb":
        raise TieringError(
            f"TIERING_DECIDE_TASKS: {tasks} tasks cannot share {warehouse.place}, as a DuckDB file has one process at "
            "a time; leave it out, or take PostgreSQL for the warehouse"
        )


def alert_engineers(context: Any) -> None:
    """Tell the engineers that a task failed: by mail where there is a server, else as a file in the mail folder.

    Says which task of which run, the first line of the error and where to look; never customer data.
    """
    from reports.mail import MailServerError, build_message, deliver, message_id, write_message_files
    from reports.render import RenderedDigest
    from tiering.connections import mail_server_of

    here = settings()
    task = context["task_instance"]
    error = str(context.get("exception") or "").splitlines()
    first = (
        error[0][:300]
        if error and isinstance(context.get("exception"), Exception) and _is_ours(context)
        else (f"{type(context.get('exception')).__name__}; see the task's log")
    )
    lines = [
        f"Task {task.task_id} of {task.dag_id} failed.",
        f"Run: {task.run_id}, try {task.try_number}",
        f"Error: {first}",
        "Nothing was published by this run; the last publication stays. The run-book is the DAG's documentation.",
    ]
    address = here.alert_email or f"nobody@{here.domain}"
    identity = message_id("alert", task.dag_id, task.run_id, task.task_id, str(task.try_number), domain=here.domain)
    text = "\n".join(lines)
    from html import escape

    page = "".join(f"<p>{escape(line)}</p>" for line in lines)
    message = build_message(
        RenderedDigest(
            subject=f"Failed: {task.dag_id}.{task.task_id}",
            html=f"<html><body>{page}</body></html>",
            text=text,
        ),
        sender=here.sender or f"tiering@{here.domain}",
        recipient=address,
        recipient_name="",
        message_id=identity,
        run_note=str(task.run_id)[:60],
        date=datetime.now(UTC),
    )
    log.error("%s", " ".join(lines[:3]))
    try:
        server = mail_server_of()
        if server is not None and here.alert_email:
            for _, outcome in deliver(server, [(identity, f"tiering@{here.domain}", address, bytes(message))]):
                log.warning("alert to the engineers: %s %s", outcome.status, outcome.reply)
            return
    except (MailServerError, TieringError) as trouble:
        log.warning("the alert could not be mailed (%s); it is in the mail folder", trouble)
    write_message_files(here.mail_dir, f"alert-{task.dag_id}-{task.task_id}-{identity[1:9]}", bytes(message))


def _is_ours(context: Any) -> bool:
    """Whether the error is one of ours, whose text is known to hold no customer data."""
    return type(context.get("exception")).__name__ in (
        "AirflowFailException",
        "TieringError",
        "ValidationFailed",
        "DatabaseFailed",
    )


def spark_task(task_id: str, policy_id: str, handed: Any) -> Any:
    """Return the task that lets Spark measure and decide a policy on what was handed over (see `sql.handover`).

    Where Spark is, and with what means, is said by the connection `tiering_spark` and Spark's own configuration.
    """
    from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator

    beside = Path(sys.executable).parent / "spark-submit"
    return SparkSubmitOperator(
        task_id=task_id,
        conn_id="tiering_spark",
        application=str(ROOT / "tiering" / "spark_application.py"),
        application_args=["--policy", policy_id, "--as-of", handed["as_of"], "--facts", handed["facts_batch_no"]],
        name=f"tier__{policy_id}",
        # pyspark beside Airflow brings its own; workers need the interpreter that has the project's packages.
        spark_binary=str(beside) if beside.exists() else None,
        env_vars={"PYSPARK_PYTHON": os.environ.get("PYSPARK_PYTHON", sys.executable)},
    )


def default_args() -> dict[str, Any]:
    """Return the arguments every task has: retries for what may pass, an alert when a task fails for good."""
    return {
        "owner": OWNER,
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        "retry_exponential_backoff": 2,
        "execution_timeout": timedelta(hours=3),
        "on_failure_callback": alert_engineers,
        "pool": settings().pool,
    }
