"""
# credit: wait → watch

Every day: what every account owes (`tiering.receivable_position`), and how it stands against the limits in force
(`tiering.credit_exposure`). Limits are decided by the policies that state `credit`, in their own DAGs.

| fails | means | hurts | do |
|---|---|---|---|
| `wait` | the facts do not reach the day | what was seen the day before stays | look at `customer_facts` |
| `watch` | documents less money are not the balance, a policy does not parse, or the warehouse refused | what was seen the day before stays | read the line in the log; clear the task |

By hand: `as_of` is the day to look at; without it, the day before the run, or the latest day the facts cover. A day
before the one that stands writes its receivables and leaves who is over alone.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import Param, dag, task

from tiering import runtime


@dag(
    dag_id="credit",
    schedule="40 6 * * *",
    start_date=pendulum.datetime(2024, 1, 1, tz=runtime.settings().timezone),
    catchup=False,
    max_active_runs=1,
    default_args=runtime.default_args(),
    doc_md=__doc__,
    tags=["customer-tiering", "credit"],
    params={"as_of": Param(None, type=["null", "string"], format="date", description="Day to look at")},
)
def credit():
    @task.sensor(mode="reschedule", poke_interval=60, timeout=runtime.settings().facts_timeout_hours * 3600)
    @runtime.one_line_errors
    def wait(**context) -> bool:
        return runtime.facts_reach(lambda: runtime.day_of(context, "previous_day"))

    @task
    @runtime.one_line_errors
    def watch(**context):
        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of

        day = runtime.day_of(context, "previous_day")
        currency = runtime.settings().reporting_currency
        return jobs.watch_credit(database_of(WAREHOUSE), runtime.policies(), day, currency)

    wait() >> watch()


credit()
