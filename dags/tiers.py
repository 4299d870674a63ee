"""
# tier__{policy}: wait → measure → decide → approve → publish

Decides the tiers of one policy as of a day and puts them into force in one transaction.
Emits the asset `customer_tiers`.

| fails | means | hurts | do |
|---|---|---|---|
| `wait` | the facts do not reach the day this run looks at | this policy is late; the last tiers stay | look at `customer_facts` |
| `measure` | a policy asks for a measure that does not exist, or the warehouse refused | the last tiers stay | read the line in the log; correct the policy; clear the task |
| `decide` | an indicator that decides is undefined, or the day is published on other input | the last tiers stay | say under `missing` what undefined means; or run by hand with `restate` and a reason |
| `approve` | nobody answered in time, which counts as no | the last tiers stay | run again; answer under Required Actions |
| `publish` (skipped) | a request was refused | the last tiers stay | the run is `rejected` in `tiering.run` |
| `publish` | a newer try has started, or the warehouse refused | nothing is half-written | read the line in the log; clear the task |

By hand: `as_of` must lie on the policy's calendar ({calendar}); without it, the latest day the facts cover.
The same day on the same input again changes nothing.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import Asset, CronTriggerTimetable, Param, dag, task

from tiering import runtime
from tiering.approval import AskIfNeeded

CUSTOMER_TIERS = Asset("customer_tiers")

REQUEST = """Policy {policy} asks before it publishes {{{{ ti.xcom_pull(task_ids='decide')['run']['as_of'] }}}}:

{{% for request in ti.xcom_pull(task_ids='decide')['review']['requests'] %}}
- {{{{ request }}}}
{{% endfor %}}
"""


def build_tier_dag(policy, here):
    """Return the DAG of one policy, known by its head."""

    @dag(
        dag_id=f"tier__{policy.id}",
        dag_display_name=policy.title,
        schedule=CronTriggerTimetable(policy.schedule, timezone=here.timezone),
        start_date=pendulum.datetime(2024, 1, 1, tz=here.timezone),
        catchup=False,
        max_active_runs=1,
        default_args=runtime.default_args(),
        doc_md=__doc__.format(policy=policy.id, calendar=policy.as_of),
        tags=["customer-tiering", "tiers", policy.ref],
        params={
            "as_of": Param(None, type=["null", "string"], format="date", description="Day to look at"),
            "restate": Param(None, type=["null", "string"], description="Reason for publishing a published day again"),
        },
    )
    def tier():
        @task.sensor(mode="reschedule", poke_interval=60, timeout=here.facts_timeout_hours * 3600)
        @runtime.one_line_errors
        def wait(**context) -> bool:
            from tiering import jobs
            from tiering.connections import WAREHOUSE, database_of

            warehouse = database_of(WAREHOUSE)
            jobs.prepare_warehouse(warehouse)
            as_of = runtime.as_of_of(context, policy)
            through = jobs.covered_through(warehouse)
            return through is not None and through >= as_of

        @task
        @runtime.one_line_errors
        def measure(**context):
            from tiering import jobs
            from tiering.connections import WAREHOUSE, database_of

            as_of = runtime.as_of_of(context, policy)
            return jobs.measure(database_of(WAREHOUSE), runtime.policies(), policy.id, as_of)

        @task
        @runtime.one_line_errors
        def decide(measurement, **context):
            from tiering import jobs
            from tiering.connections import WAREHOUSE, database_of

            restate = context["params"].get("restate")
            return jobs.decide(database_of(WAREHOUSE), runtime.policies()[policy.id], measurement, restate=restate)

        @task(outlets=[CUSTOMER_TIERS])
        @runtime.one_line_errors
        def publish(staged, answer):
            from airflow.sdk.exceptions import AirflowSkipException

            from tiering import jobs
            from tiering.approval import read_answer
            from tiering.connections import WAREHOUSE, database_of

            warehouse = database_of(WAREHOUSE)
            if answer is not None:
                who, approved, comment = read_answer(answer)
                jobs.answer(warehouse, staged, who, approved=approved, comment=comment)
                if not approved:
                    raise AirflowSkipException(f"refused by {who}; the last publication stays")
            return jobs.publish(warehouse, runtime.policies()[policy.id], staged)

        measured = measure()
        staged = decide(measured)
        wait() >> measured
        approve = AskIfNeeded(
            task_id="approve",
            staged=staged,
            demo_approver=here.demo_approver,
            subject=f"Publish {policy.id}?",
            body=REQUEST.format(policy=policy.id),
            params={"comment": Param("", type=["null", "string"])},
            response_timeout=timedelta(hours=24),
        )
        publish(staged, approve.output)

    return tier()


_settings = runtime.settings()
for _policy in runtime.headers():
    build_tier_dag(_policy, _settings)
