"""
# people: load → publish

Every day, before tiers are decided: overrides, grades and limits that people put as CSV files into the folder
`TIERING_HANDED_IN` go into `tiering.override`, `tiering.grade` and `tiering.given_limit`. Every line is checked for
itself; the same file again changes nothing. How a file looks stands in `docs/people.md`.

| fails | means | hurts | do |
|---|---|---|---|
| `load` | the folder is not there, a file cannot be read, or the warehouse refused | what people handed in waits; the files before it are in (one transaction each) | read the line in the log; correct the setting or the permissions; clear the task |
| `publish` | the warehouse refused | overrides that begin or end today wait; nothing is half-written | clear the task |

`publish` puts into force what takes effect up to the day of the run: overrides that begin or end, on their own days, and
final grades of days that are published. A policy for which nothing changes is left alone. Emits the asset
`customer_tiers`. Limits change no tier: the DAG `credit` looks at them every day.

A line that a check refuses does not fail the task: the log counts and explains it without a customer, and
`tiering.refused_line` keeps it with file, line, what is wrong and what to do. Who handed it in corrects it and hands it in
again, in a new file. A whole file that is refused stands there as its line 1.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import Asset, dag, task

from tiering import runtime

CUSTOMER_TIERS = Asset("customer_tiers")


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
        from tiering.connections import WAREHOUSE, database_of, owner_of
        from tiering.people import load_handed_in

        warehouse = database_of(WAREHOUSE)
        jobs.prepare_warehouse(warehouse, owner_of())
        return load_handed_in(warehouse, runtime.policies(), runtime.settings())

    @task(outlets=[CUSTOMER_TIERS], multiple_outputs=False)
    @runtime.one_line_errors
    def publish(**context) -> dict:
        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of

        through = runtime.run_day(context, runtime.settings().zone)
        return jobs.put_people_into_force(database_of(WAREHOUSE), runtime.policies(), through)

    load() >> publish()


people()
