"""
# people: load

Every day, before tiers are decided: overrides and grades that people put as CSV files into the folder
`TIERING_HANDED_IN` go into `tiering.override` and `tiering.grade`. Every line is checked for itself; the same file
again changes nothing. How a file looks stands in `docs/people.md`.

| fails | means | hurts | do |
|---|---|---|---|
| `load` | the folder is not there, a file cannot be read, or the warehouse refused | what people handed in waits; the files before it are in (one transaction each) | read the line in the log; correct the setting or the permissions; clear the task |

A line that a check refuses does not fail the task: the log counts and explains it without a customer, and
`tiering.refused_line` keeps it with file, line, what is wrong and what to do. Who handed it in corrects it and hands it in
again, in a new file. A whole file that is refused stands there as its line 1.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import dag, task

from tiering import runtime


@dag(
    dag_id="people",
    schedule="30 5 * * *",
    start_date=pendulum.datetime(2024, 1, 1, tz=runtime.settings().timezone),
    catchup=False,
    max_active_runs=1,
    default_args=runtime.default_args(),
    doc_md=__doc__,
    tags=["customer-tiering", "people"],
)
def people():
    @task(multiple_outputs=False)
    @runtime.one_line_errors
    def load() -> dict:
        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of
        from tiering.people import load_handed_in

        warehouse = database_of(WAREHOUSE)
        jobs.prepare_warehouse(warehouse)
        return load_handed_in(warehouse, runtime.policies(), runtime.settings())

    # What a line changes is published by the policy's next run; `first_days` of this task says from which day on.
    load()


people()
