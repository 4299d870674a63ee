"""The tasks that ask people, where a run's policy or circuit breaker asks for it, and pass otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator

APPROVE, REJECT = "Approve", "Reject"

QUESTION = """{policy} asks the {role} about {{{{ ti.xcom_pull(task_ids='{staged_by}')['run']['as_of'] }}}}:

{{% for request in ti.xcom_pull(task_ids='{staged_by}')['review']['requests'] if request['task'] == '{task}' %}}
- {{{{ request['text'] }}}}
{{% endfor %}}

{aid}
"""
_AID = {
    "release": "Nothing is published until this is answered; the last publication stays.",
    "wait": "Nothing is published until everybody who is asked agrees. The customers stand in "
    "`tiering.approval_customer`; name under `but_not` those who are refused, with commas between them.",
    "pending": "The run is published; these customers keep their tier until everybody who is asked agrees. They stand "
    "in `tiering.approval_customer`; name under `but_not` those who are refused, with commas between them.",
}


class AskIfNeeded(HITLOperator):
    """A human-in-the-loop task over a staged run: it waits for an answer only when it has a question.

    Returns None when nobody was asked, else chosen_options, params_input, responded_at and responded_by_user.
    `asked_before`: the outputs of the tasks that asked before; after a refusal nobody else is asked. With
    `demo_approver` the answer is yes, under that recorded name.
    """

    template_fields = (*HITLOperator.template_fields, "staged", "asked_before")

    def __init__(
        self, *, staged: Any, asked_before: Sequence[Any] = (), demo_approver: str = "", **arguments: Any
    ) -> None:
        super().__init__(options=[APPROVE, REJECT], **arguments)
        self.staged = staged
        self.asked_before = list(asked_before)
        self.demo_approver = demo_approver

    def execute(self, context: Any) -> Any:
        """Ask, when there is something to ask."""
        is_asked = any(request["task"] == self.task_id for request in self.staged["review"]["requests"])
        refused = any(answer and answer["chosen_options"] != [APPROVE] for answer in self.asked_before)
        if not is_asked or refused:
            return None
        if self.demo_approver:
            return {
                "chosen_options": [APPROVE],
                "params_input": {"comment": "demo"},
                "responded_at": datetime.now(UTC),
                "responded_by_user": {"name": self.demo_approver},
            }
        return super().execute(context)

    def validate_params_input(self, params_input: Mapping[str, Any]) -> None:
        """Take an answer that leaves out a field of the form, as one through the REST API may; refuse unknown ones."""
        if unknown := set(params_input) - set(self.params):
            raise ValueError(f"the form has no {', '.join(sorted(unknown))}; it has {', '.join(self.params)}")


def question(policy: str, task: str, role: str, meanwhile: str = "wait", staged_by: str = "decide") -> str:
    """Return the text of a request about the run that a task staged, to be filled in by Airflow when it is made."""
    aid = _AID["release" if task == "release" else meanwhile]
    return QUESTION.format(policy=policy, task=task, role=role.replace("_", " "), aid=aid, staged_by=staged_by)


@dataclass(frozen=True)
class Answer:
    """What somebody answered: to which task, who, yes or no, who is excepted, and on which business day."""

    task: str
    answered_by: str
    approved: bool
    comment: str
    but_not: tuple[str, ...]
    answered_on: date


def read_answers(outputs: Mapping[str, Any], zone: tzinfo) -> list[Answer]:
    """Return the answers that the asking tasks returned, in their order; who was not asked is left out."""
    return [_read(task, output, zone) for task, output in outputs.items() if output is not None]


def _read(task: str, output: Mapping[str, Any], zone: tzinfo) -> Answer:
    given = output.get("params_input") or {}
    at = output["responded_at"]
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
    return Answer(
        task,
        (output.get("responded_by_user") or {}).get("name") or "nobody in time",
        output["chosen_options"] == [APPROVE],
        given.get("comment") or "",
        tuple(re.findall(r"[^\s,;，；]+", given.get("but_not") or "")),
        moment.astimezone(zone).date(),
    )
