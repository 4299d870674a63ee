"""
# review_pack: write · customer_notices: prepare

Both are run by hand, with a policy and a day. Neither publishes or sends anything.

`review_pack` writes an Excel workbook for those who review: the four yearly lists (best tier, special policy, special
settlement, new customers), the proposal with pre-grades and final grades, the spot check, and the reconciliation of sales,
receivables and cash. It looks at the run that waits for an answer, or else at the one in force.

`customer_notices` writes a CSV file with a row per customer whose published tier was not told yet: masked name, level,
services, until when. A clerk sends it; `tiering.customer_notice` keeps who was told what.

Both write into `TIERING_REVIEW_DIR`. The workbook holds names and amounts: give it to those who review, and to nobody else.

| fails | means | hurts | do |
|---|---|---|---|
| `write` | the day was not decided, the policy publishes classes, or the folder cannot be written | the committee waits | read the line in the log; run `tier__<policy>` for the day; clear the task |
| `prepare` | the day is not the latest published one, or the folder cannot be written | customers are told later | publish first, or take the latest day; clear the task |
"""

from __future__ import annotations

import pendulum
from airflow.sdk import Param, dag, task

from tiering import runtime

_POLICIES = sorted(policy.id for policy in runtime.headers())
_PARAMS = {
    "policy": Param(_POLICIES[0], type="string", enum=_POLICIES, description="Policy"),
    "as_of": Param(None, type=["null", "string"], format="date", description="Day; else the latest one"),
}
_DAG = {
    "start_date": pendulum.datetime(2024, 1, 1, tz=runtime.settings().timezone),
    "catchup": False,
    "max_active_runs": 1,
    "default_args": runtime.default_args(),
    "doc_md": __doc__,
    "tags": ["customer-tiering", "people"],
}


def _policy_and_day(context):
    policy = runtime.policies()[context["params"]["policy"]]
    return policy, runtime.as_of_of(context, policy)


@dag(
    dag_id="review_pack",
    schedule=None,
    params={
        **_PARAMS,
        "language": Param("zh", type="string", enum=["zh", "en"], description="Language of the workbook"),
        "sample_size": Param(20, type="integer", minimum=1, maximum=1000, description="Customers to spot-check"),
    },
    **_DAG,
)
def review_pack():
    @task
    @runtime.one_line_errors
    def write(**context) -> str:
        from tiering.connections import WAREHOUSE, database_of
        from tiering.people import write_pack

        policy, as_of = _policy_and_day(context)
        chosen = context["params"]
        return write_pack(
            database_of(WAREHOUSE),
            policy,
            as_of,
            runtime.settings(),
            language=chosen.get("language") or "zh",
            sample_size=int(chosen.get("sample_size") or 20),
        )

    write()


@dag(dag_id="customer_notices", schedule=None, params=_PARAMS, **_DAG)
def customer_notices():
    @task(multiple_outputs=False)
    @runtime.one_line_errors
    def prepare(**context) -> dict:
        from tiering.connections import WAREHOUSE, database_of
        from tiering.people import prepare_notices

        policy, as_of = _policy_and_day(context)
        return prepare_notices(database_of(WAREHOUSE), policy, as_of, runtime.settings())

    prepare()


review_pack()
customer_notices()
