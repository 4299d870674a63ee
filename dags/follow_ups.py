"""
# follow_ups: wait → list → export

Every day, for every policy: who is to be contacted (by the cadence of the tier, and by the policy's tasks), into
`tiering.follow_up`; whose tier is provisional and by when it is to be made final, into `tiering.provisional_grade`;
how many contacts the cadence asked for in the last whole month and how many were made, into `tiering.visit_plan`; how
service levels were kept in the month so far and the one before, into `tiering.service_level`; and in which order
callers are served, into `tiering.queue_priority` and as CSV files for the call centre into `TIERING_EXPORT_DIR`:
`queue-priority-<policy>-<published day>.csv`.

| fails | means | hurts | do |
|---|---|---|---|
| `wait` | the facts do not reach the day of the list | the list of the day before stays | look at `customer_facts` |
| `list` | a policy does not parse, or the warehouse refused | the list of the day before stays | read the line in the log; clear the task |
| `export` | the folder cannot be written | the call centre serves callers by the file before; the table is right | make room or correct `TIERING_EXPORT_DIR`; clear the task |

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
        return runtime.facts_reach(lambda: runtime.day_of(context, "previous_day"))

    @task(task_id="list")
    @runtime.one_line_errors
    def list_(**context):
        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of

        day = runtime.day_of(context, "previous_day")
        return jobs.follow_up(database_of(WAREHOUSE), runtime.policies(), day)

    @task(multiple_outputs=False)
    @runtime.one_line_errors
    def export() -> dict[str, int]:
        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of

        return jobs.export_queues(database_of(WAREHOUSE), runtime.settings())

    wait() >> list_() >> export()


follow_ups()
