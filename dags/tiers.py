"""
# tier__{policy}: wait → {measuring} → {deciding} → {chain}

Decides the tiers of one policy as of a day and puts them into force in one transaction.
Emits the asset `customer_tiers`.

| fails | means | hurts | do |
|---|---|---|---|
| `wait` | the facts do not reach the day this run looks at | this policy is late; the last tiers stay | look at `customer_facts` |
{failing}
{deciding_failing}
| `publish` | a newer try has started, or the warehouse refused | nothing is half-written | read the line in the log; clear the task |

| waits or is skipped | means | hurts | do |
|---|---|---|---|
| `release` | the circuit breaker holds the publication, or the day lies in a closed period | the last tiers stay | the policy's owner answers under Required Actions |
| `approve_…` | tiers need somebody's word | {hurts} | the role answers under Required Actions; the customers stand in `tiering.approval_customer` |
| `publish`, skipped | a request was refused, or nobody answered in time | the last tiers stay; the run is `rejected` in `tiering.run` | run again when the matter is settled |

By hand: `as_of` must lie on the policy's calendar ({calendar}); without it, the latest day the facts cover.
The same day on the same input again changes nothing.
A restatement, a day before the latest and a backfill are mailed only with `tell`, marked as a correction.
"""

from __future__ import annotations

from datetime import date, timedelta

import pendulum
from airflow.sdk import Asset, CronTriggerTimetable, Param, chain, dag, task

from tiering import runtime
from tiering.approval import APPROVE, REJECT, AskIfNeeded, question
from transforms.calendar import later

CUSTOMER_TIERS = Asset("customer_tiers")


MEASURE = "| `measure` | a policy asks for a measure that does not exist, or the warehouse refused | the last tiers stay | read the line in the log; correct the policy; clear the task |"
DECIDE = "| `decide` | an indicator that decides is undefined, the day is published on other input, or lies in a closed period | the last tiers stay | say under `missing` what undefined means; or run by hand with `restate` and a reason |"
SPREAD = """| `split` | the warehouse refused, or somebody else works on the policy | the last tiers stay | read the line in the log; clear the task |
| `decide` | an indicator that decides is undefined in one range of accounts, or a newer try has begun | the last tiers stay | say under `missing` what undefined means, and clear `split`; clear the one task where the warehouse was away |
| `gather` | the day is published on other input, lies in a closed period, or a range is not staged | the last tiers stay | run by hand with `restate` and a reason; or clear `split` |"""
SPARK = """| `hand_over` | the folder for Spark cannot be written, or the warehouse refused | the last tiers stay | read the line in the log; clear the task |
| `compute` | Spark could not be reached or lacked memory, a policy asks for a measure that does not exist, or an indicator that decides is undefined | the last tiers stay | read the line that begins with `error:` in the log; correct it; clear the task |"""


def run_book(policy, here):
    """Return the run-book of a policy's DAG."""
    on_spark, is_spread = here.engine == "spark", here.decide_tasks > 1
    asks = [f"approve_{role}" for role in policy.asking.by]
    waits = policy.asking.meanwhile == "wait"
    steps = ["release", *asks, "publish"] if waits else ["release", "publish", *asks, "settle"]
    hurts = "the last tiers stay" if waits else "these customers keep their tier, with status pending"
    return __doc__.format(
        policy=policy.id,
        calendar=policy.as_of,
        measuring="hand_over → compute (Spark)" if on_spark else "measure",
        deciding=f"split → decide (up to {here.decide_tasks} tasks) → gather" if is_spread else "decide",
        failing=SPARK if on_spark else MEASURE,
        deciding_failing=SPREAD if is_spread else DECIDE,
        chain=" → ".join(steps),
        hurts=hurts,
    )


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
        doc_md=run_book(policy, here),
        tags=["customer-tiering", "tiers", policy.ref],
        params={
            "as_of": Param(None, type=["null", "string"], format="date", description="Day to look at"),
            "restate": Param(None, type=["null", "string"], description="Reason for publishing a published day again"),
            "tell": Param(
                False,
                type=["null", "boolean"],
                description="Mail a restated, earlier or backfilled day as a correction",
            ),
        },
    )
    def tier():
        @task.sensor(mode="reschedule", poke_interval=60, timeout=here.facts_timeout_hours * 3600)
        @runtime.one_line_errors
        def wait(**context) -> bool:
            runtime.check_shared()
            return runtime.facts_reach(lambda: runtime.as_of_of(context, policy))

        @task
        @runtime.one_line_errors
        def measure(**context):
            from tiering import jobs
            from tiering.connections import WAREHOUSE, database_of

            as_of = runtime.as_of_of(context, policy)
            return jobs.measure(
                database_of(WAREHOUSE),
                runtime.policies(),
                policy.id,
                as_of,
                full_every_days=runtime.settings().full_measures_every_days,
            )

        @task
        @runtime.one_line_errors
        def decide(measurement, **context):
            from tiering import jobs
            from tiering.connections import WAREHOUSE, database_of

            restate = context["params"].get("restate")
            return jobs.decide(database_of(WAREHOUSE), runtime.policies()[policy.id], measurement, restate=restate)

        @task
        @runtime.one_line_errors
        def split(measurement, **context):
            from tiering import jobs
            from tiering.connections import WAREHOUSE, database_of

            warehouse, known = database_of(WAREHOUSE), runtime.policies()[policy.id]
            restate = context["params"].get("restate")
            return jobs.split(warehouse, known, measurement, tasks=here.decide_tasks, restate=restate)

        @task(task_id="decide", max_active_tis_per_dagrun=here.decide_tasks)
        @runtime.one_line_errors
        def decide_range(part):
            from tiering import jobs
            from tiering.connections import WAREHOUSE, database_of

            return jobs.decide_range(database_of(WAREHOUSE), runtime.policies()[policy.id], part)

        @task
        @runtime.one_line_errors
        def gather(parts):
            from tiering import jobs
            from tiering.connections import WAREHOUSE, database_of

            return jobs.gather(database_of(WAREHOUSE), runtime.policies()[policy.id], parts)

        @task(multiple_outputs=True)
        @runtime.one_line_errors
        def hand_over(**context):
            from tiering import jobs
            from tiering.connections import WAREHOUSE, database_of

            as_of = runtime.as_of_of(context, policy)
            return jobs.hand_over(database_of(WAREHOUSE), runtime.policies()[policy.id], as_of, here.spark_dir)

        @task(task_id="decide")
        @runtime.one_line_errors
        def decide_on_spark(handed, **context):
            from tiering import jobs
            from tiering.connections import WAREHOUSE, database_of

            restate, known = context["params"].get("restate"), runtime.policies()[policy.id]
            return jobs.stage_spark(database_of(WAREHOUSE), known, handed, here.spark_dir, restate=restate)

        @task(outlets=[CUSTOMER_TIERS])
        @runtime.one_line_errors
        def publish(staged, answers, **context):
            from airflow.sdk.exceptions import AirflowSkipException

            from tiering import jobs
            from tiering.approval import read_answers
            from tiering.connections import WAREHOUSE, database_of

            warehouse = database_of(WAREHOUSE)
            for said in read_answers(answers, here.zone):
                jobs.answer(
                    warehouse,
                    staged,
                    said.answered_by,
                    approved=said.approved,
                    comment=said.comment,
                    task=said.task,
                    but_not=said.but_not,
                )
                if not said.approved:
                    raise AirflowSkipException(f"refused by {said.answered_by}; the last publication stays")
            return jobs.publish(
                warehouse,
                runtime.policies()[policy.id],
                staged,
                tell=bool(context["params"].get("tell")),
                is_backfill=runtime.is_backfill(context),
            )

        @task(outlets=[CUSTOMER_TIERS])
        @runtime.one_line_errors
        def settle(staged, answers):
            from dataclasses import asdict

            from airflow.sdk.exceptions import AirflowSkipException

            from tiering import jobs
            from tiering.approval import read_answers
            from tiering.connections import WAREHOUSE, database_of

            said = read_answers(answers, here.zone)
            if not said:
                raise AirflowSkipException("nobody was asked")
            day = max(answer.answered_on for answer in said)
            known = runtime.policies()[policy.id]
            return jobs.settle(database_of(WAREHOUSE), known, staged, [asdict(answer) for answer in said], day)

        def ask(task_id, role, unanswered, within, before):
            return AskIfNeeded(
                task_id=task_id,
                staged=staged,
                asked_before=[answer.output for answer in before],
                demo_approver=here.demo_approver,
                subject=f"{policy.id}: the {role.replace('_', ' ')} is asked",
                body=question(policy.id, task_id, role, policy.asking.meanwhile, staged.operator.task_id),
                defaults=APPROVE if unanswered == "approved" else REJECT,
                params={
                    "comment": Param("", type=["null", "string"]),
                    "but_not": Param("", type=["null", "string"], description="Customers who are refused"),
                },
                response_timeout=within,
                assigned_users=here.users_of(role),
            )

        if here.engine == "spark":
            first = handed = hand_over()
            computed = runtime.spark_task("compute", policy.id, handed)
            staged = decide_on_spark(handed)
            computed >> staged
        elif here.decide_tasks > 1:
            first = measured = measure()
            parts = split(measured)
            staged = gather(parts)
            decide_range.expand(part=parts) >> staged
        else:
            first = measured = measure()
            staged = decide(measured)
        wait() >> first
        asking = policy.asking
        released = ask("release", "policy_owner", "rejected", timedelta(days=1), [])
        within = later(date(2001, 1, 1), asking.within) - date(2001, 1, 1)
        approved = []
        for role in asking.by:
            approved.append(ask(f"approve_{role}", role, asking.unanswered, within, [released, *approved]))
        chain(released, *approved)
        answers = {each.task_id: each.output for each in approved}
        if asking.by and asking.meanwhile == "pending":
            published = publish(staged, {"release": released.output})
            chain(published, approved[0])
            settle(staged, answers)
        else:
            publish(staged, {"release": released.output, **answers})

    return tier()


_settings = runtime.settings()
for _policy in runtime.headers():
    build_tier_dag(_policy, _settings)
