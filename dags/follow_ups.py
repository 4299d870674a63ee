"""
# follow_ups: wait → list

Every day, for every policy: who is to be contacted (by the cadence of the tier, and by the policy's tasks), into
`tiering.follow_up`; and how service levels were kept in the month so far and the one before, into
`tiering.service_level`.

| fails | means | hurts | do |
|---|---|---|---|
| `wait` | the facts do not reach the day of the list | the list of the day before stays | look at `customer_facts` |
| `list` | a policy does not parse, or the warehouse refused | the list of the day before stays | read the line in the log; clear the task |

By hand: `as_of` is the day of the list; without it, the day before the run, or the latest day the facts cover.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import Param, dag, task

from tiering import runtime


@dag(
    dag_id="follow_ups",
    schedule="30 6 * * *",
    start_date=pendulum.datetime(2024, 1, 1, tz=runtime.settings().timezone),
    catchup=False,
    max_active_runs=1,
    default_args=runtime.default_args(),
    doc_md=__doc__,
    tags=["customer-tiering", "follow-ups"],
    params={"as_of": Param(None, type=["null", "string"], format="date", description="Day of the list")},
)
def follow_ups():
    @task.sensor(mode="reschedule", poke_interval=60, timeout=runtime.settings().facts_timeout_hours * 3600)
    @runtime.one_line_errors
    def wait(**context) -> bool:
        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of, owner_of

        warehouse = database_of(WAREHOUSE)
        jobs.prepare_warehouse(warehouse, owner_of())
        through = jobs.covered_through(warehouse)
        return through is not None and through >= runtime.day_of(context, "previous_day")

    @task(task_id="list")
    @runtime.one_line_errors
    def list_(**context):
        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of

        day = runtime.day_of(context, "previous_day")
        return jobs.follow_up(database_of(WAREHOUSE), runtime.policies(), day)

    wait() >> list_()


follow_ups()
