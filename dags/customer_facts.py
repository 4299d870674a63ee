"""
# customer_facts: extract → validate → load

Every day, the days that are not covered yet are read from `tiering_source` in one snapshot, checked, and
loaded into `facts`. Emits the asset `customer_facts`.

| fails | means | hurts | do |
|---|---|---|---|
| `extract` | the source cannot be reached, or a SELECT does not fulfil the contract | nothing is landed; tiers wait | read the one line in the log; correct the connection or the SELECT; clear the task |
| `validate` | a critical expectation does not hold, or could not be evaluated | nothing is loaded; tiers wait; yesterday's tiers stay | open the Data Docs; look at `work.refused`; correct the source; clear `extract` and all after it |
| `validate` | "the extract has shrunk": much less came than was known | nothing is loaded; tiers wait; nobody leaves | look at the source; if it is right, run the DAG by hand for these days with `accept_shrunken` and a reason |
| `load` | the warehouse refused | nothing is loaded (one transaction) | clear the task |

Rows that a rule refuses do not stop the run: they are in `tiering.quarantine` with rule and reason.

By hand: give `batch_start` and `batch_end` (half-open) to extract an interval again; it replaces that interval.
`accept_shrunken` takes the reason why an extract that has shrunk is right; it is kept in `tiering.shrunken_extract`.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import Asset, Param, dag, task

from tiering import runtime

CUSTOMER_FACTS = Asset("customer_facts")


@dag(
    dag_id="customer_facts",
    schedule="0 2 * * *",
    start_date=pendulum.datetime(2024, 1, 1, tz=runtime.settings().timezone),
    catchup=False,
    max_active_runs=1,
    default_args=runtime.default_args(),
    doc_md=__doc__,
    tags=["customer-tiering", "facts"],
    params={
        "batch_start": Param(None, type=["null", "string"], format="date", description="First day to extract again"),
        "batch_end": Param(None, type=["null", "string"], format="date", description="Day after the last day"),
        "accept_shrunken": Param(
            None, type=["null", "string"], maxLength=500, description="Why an extract that has shrunk is right"
        ),
    },
)
def customer_facts():
    @task
    @runtime.one_line_errors
    def extract(**context) -> list[str] | None:
        from datetime import date

        from airflow.sdk.exceptions import AirflowSkipException

        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of, owner_of, source_of
        from tiering.roles import look_at_users

        here, warehouse = runtime.settings(), database_of(WAREHOUSE)
        jobs.prepare_warehouse(warehouse, owner_of())
        look_at_users(warehouse, source_of(), here)
        days = [context["params"].get(name) for name in ("batch_start", "batch_end")]
        start, end = (date.fromisoformat(day) if day else None for day in days)
        batch = jobs.choose_batch(
            here,
            jobs.covered_through(warehouse),
            runtime.run_day(context, here.zone),
            start=start,
            end=end,
            is_backfill=runtime.is_backfill(context),
        )
        if batch is None:
            raise AirflowSkipException("everything up to yesterday is covered")
        jobs.extract(source_of(), warehouse, here, batch)
        return [batch.start.isoformat(), batch.end.isoformat()]

    @task
    @runtime.one_line_errors
    def validate(days: list[str], **context) -> list[str]:
        from datetime import date

        from sql.extract import Batch
        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of

        jobs.validate(
            database_of(WAREHOUSE),
            runtime.settings(),
            Batch(*map(date.fromisoformat, days)),
            accept_shrunken=(context["params"].get("accept_shrunken") or "").strip() or None,
        )
        return days

    @task(outlets=[CUSTOMER_FACTS])
    @runtime.one_line_errors
    def load(days: list[str]) -> list[int]:
        from datetime import date

        from sql.extract import Batch
        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of

        return list(jobs.load(database_of(WAREHOUSE), Batch(*map(date.fromisoformat, days))).values())

    load(validate(extract()))


customer_facts()
