"""
# evaluation: wait → evaluate

Every January: for every policy, what the tiers of the last day of the year before achieved in the year after it
(`tiering.tier_effect`), and how the policy did in that year (`tiering.policy_evaluation`). It is what
`tiering evaluate --policy … --year …` does, for all of them. The general manager's next mail tells it, once.

| fails | means | hurts | do |
|---|---|---|---|
| `wait` | the facts do not reach the end of the year | nothing is evaluated | look at `customer_facts` |
| `evaluate` | the warehouse refused, or a policy could not be read | policies before it are evaluated, those after it are not | read the line in the log; clear the task |

A policy that publishes classes, or published nothing before the year began, is named in the log and left out.

By hand: `year` is the year to look at; without it, the one before the run. A year again gives the same rows, or
those that follow from facts that were corrected; it is not mailed again.
"""

from __future__ import annotations

from datetime import date

import pendulum
from airflow.sdk import Param, dag, task

from tiering import runtime


def _year_of(context) -> int:
    given = context["params"].get("year")
    return int(given) if given else runtime.run_day(context, runtime.settings().zone).year - 1


@dag(
    dag_id="evaluation",
    schedule="15 5 15 1 *",
    start_date=pendulum.datetime(2024, 1, 1, tz=runtime.settings().timezone),
    catchup=False,
    max_active_runs=1,
    default_args=runtime.default_args(),
    doc_md=__doc__,
    tags=["customer-tiering", "evaluation"],
    params={"year": Param(None, type=["null", "integer"], minimum=2000, maximum=2099, description="Year to look at")},
)
def evaluation():
    @task.sensor(mode="reschedule", poke_interval=60, timeout=runtime.settings().facts_timeout_hours * 3600)
    @runtime.one_line_errors
    def wait(**context) -> bool:
        return runtime.facts_reach(lambda: date(_year_of(context), 12, 31))

    @task(multiple_outputs=False)
    @runtime.one_line_errors
    def evaluate(**context) -> dict[str, int]:
        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of

        return jobs.evaluate(database_of(WAREHOUSE), runtime.policies(), _year_of(context))

    wait() >> evaluate()


evaluation()
