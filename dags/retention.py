"""
# retention: prune

Every week, what nobody keeps any longer is removed: decisions, score components, measures, landed batches, tries of
runs, bodies of mails and refused rows, each after the days that the settings say. What was removed stands in
`tiering.pruning`. History, changes and runs stay for ever.

| fails | means | hurts | do |
|---|---|---|---|
| `prune` | the warehouse refused, or the user may not remove | nothing is half removed; the warehouse grows | read the line in the log; give `tiering_owner` a connection; clear the task |

Running it again removes nothing. A day whose decisions are gone cannot be published again.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import dag, task

from tiering import runtime


@dag(
    dag_id="retention",
    schedule="0 4 * * 0",
    start_date=pendulum.datetime(2024, 1, 1, tz=runtime.settings().timezone),
    catchup=False,
    max_active_runs=1,
    default_args=runtime.default_args(),
    doc_md=__doc__,
    tags=["customer-tiering", "retention"],
)
def retention():
    @task
    @runtime.one_line_errors
    def prune(**context) -> list[str]:
        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of, owner_of

        here, owner = runtime.settings(), owner_of()
        jobs.prepare_warehouse(database_of(WAREHOUSE), owner)
        pruned = jobs.prune(owner, here, runtime.run_day(context, here.zone), context["dag_run"].run_id)
        return [f"{what}: {rows}" for what, rows in pruned.items()]

    prune()


retention()
