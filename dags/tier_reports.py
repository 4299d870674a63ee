"""
# tier_reports: write → send

One mail per account manager about everything that was published since the last one; on the weekday of
`TIERING_FOLLOW_UPS_ON` also to those who have overdue follow-ups and no news. `write` puts the mails into
`tiering.email_outbox` in one transaction, `send` delivers them by the connection `tiering_smtp`; without that
connection they land as `.eml`, `.html` and `.xlsx` files in the mail folder.

| fails | means | hurts | do |
|---|---|---|---|
| `write` | the warehouse refused | no mail is lost or written twice | clear the task |
| `send` | the mail server cannot be used, or some mails wait for another try | managers are informed late; tiers are in force | correct the connection; clear the task: what was sent is not sent again |

Mails that the server refuses for now, or whose answer was lost, are tried again by `send` itself: after 5 minutes, then
after twice as long each time, 2 hours at most, 6 times. A server that cannot be used at all is given up after the third
try. A mail that a server refuses for good is `dead`: `tiering mails` lists it with the server's answer.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import dag, task

from tiering import runtime

SERVER_TRIES = 3
"""After so many tries of the task, a mail server that cannot be used at all is a matter for people."""


@dag(
    dag_id="tier_reports",
    schedule="0 7 * * *",
    start_date=pendulum.datetime(2024, 1, 1, tz=runtime.settings().timezone),
    catchup=False,
    max_active_runs=1,
    default_args=runtime.default_args(),
    doc_md=__doc__,
    tags=["customer-tiering", "reports"],
)
def tier_reports():
    @task
    @runtime.one_line_errors
    def write() -> list[int]:
        from tiering import jobs
        from tiering.connections import WAREHOUSE, database_of, owner_of

        warehouse = database_of(WAREHOUSE)
        jobs.prepare_warehouse(warehouse, owner_of())
        return list(jobs.write_reports(warehouse, runtime.settings()).values())

    @task(retries=6, max_retry_delay=timedelta(hours=2), execution_timeout=timedelta(hours=12))
    @runtime.one_line_errors
    def send(**context) -> list[str]:
        from reports.mail import MailServerError
        from sql.errors import TieringError
        from tiering import jobs
        from tiering.connections import mail_server_of, mailer_of

        try:
            counts = jobs.send_reports(mailer_of(), runtime.settings(), mail_server_of())
        except MailServerError as error:
            if context["task_instance"].try_number < SERVER_TRIES:
                raise
            raise TieringError(str(error)) from None
        waiting = counts.get("pending", 0) + counts.get("uncertain", 0)
        if waiting:
            raise RuntimeError(f"{waiting} mails wait for another try")
        if counts.get("dead"):
            raise TieringError(f"{counts['dead']} mails were refused for good; tiering mails lists them")
        return [f"{status}: {number}" for status, number in sorted(counts.items())]

    write() >> send()


tier_reports()
