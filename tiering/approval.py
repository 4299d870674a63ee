"""The task that asks people, where a run's policy or circuit breaker asks for it, and passes otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator

APPROVE, REJECT = "Approve", "Reject"


class AskIfNeeded(HITLOperator):
    """A human-in-the-loop task over the staged run of `decide`: it waits for an answer only when there are requests.

    Returns None when nobody was asked, else chosen_options, params_input and responded_by_user. With
    `demo_approver` the answer is yes, under that recorded name. Nobody's answer in time is no.
    """

    template_fields = (*HITLOperator.template_fields, "staged")

    def __init__(self, *, staged: Any, demo_approver: str = "", **arguments: Any) -> None:
        super().__init__(options=[APPROVE, REJECT], defaults=REJECT, **arguments)
        self.staged = staged
        self.demo_approver = demo_approver

    def execute(self, context: Any) -> Any:
        """Ask, when there is something to ask."""
        if not self.staged["review"]["requests"]:
            return None
        if self.demo_approver:
            return {
                "chosen_options": [APPROVE],
                "params_input": {"comment": "demo"},
                "responded_by_user": {"name": self.demo_approver},
            }
        return super().execute(context)


def read_answer(answer: Mapping[str, Any]) -> tuple[str, bool, str]:
    """Return (who answered, whether it was yes, the comment) of what the task returned."""
    who = (answer.get("responded_by_user") or {}).get("name") or "nobody in time"
    comment = (answer.get("params_input") or {}).get("comment") or ""
    return who, answer["chosen_options"] == [APPROVE], comment
