"""The head of a policy says what the whole policy says, and names the file that has none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sql.errors import TieringError
from tests.indicator_frames import POLICIES
from transforms.policy import parse_policy
from transforms.policy_header import Asking, read_headers

FOLDER = Path(__file__).parents[1] / "policies"
HEAD = 'id: p\ntitle: {en: P}\nref: S0\nschedule: "0 6 2 * *"\nas_of: run_day\n'


def test_the_head_is_what_the_whole_policy_says() -> None:
    for header in read_headers(FOLDER):
        policy = POLICIES[header.id]
        assert (header.title, header.ref, header.schedule, header.as_of) == (
            policy.title["en"],
            policy.ref,
            policy.schedule,
            policy.as_of,
        )
    assert [header.id for header in read_headers(FOLDER)] == sorted(POLICIES)


def test_the_head_asks_whom_the_whole_policy_asks_and_waits_as_long(tmp_path: Path) -> None:
    text = (FOLDER / "dealer_points.yaml").read_text(encoding="utf-8").replace("id: dealer_points", "id: short")
    short = re.sub(r"approve: \{.*\}", "approve: {tiers: [A], by: [one]}", text)
    (tmp_path / "short.yaml").write_text(short, encoding="utf-8")
    pairs = [(POLICIES[header.id], header.asking) for header in read_headers(FOLDER)]
    pairs.append((parse_policy(short, "short"), read_headers(tmp_path)[0].asking))
    approving = [(policy.review.approve, asking) for policy, asking in pairs if policy.review.approve]
    assert len(approving) > 2
    assert [asking for policy, asking in pairs if not policy.review.approve and asking != Asking()] == []
    for approve, asking in approving:
        assert asking == Asking(tuple(approve.by), approve.within, approve.unanswered, approve.meanwhile)


def test_a_head_may_span_lines_and_stand_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("tiers: [A]\n" + HEAD.replace("title: {en: P}", "title:\n  zh: 策略\n  en: P"))
    assert read_headers(tmp_path)[0].title == "P"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id: [", "this is no YAML"),
        ("just words", "id is missing or wrong"),
        (HEAD.replace("id: p", "id: q"), "id is missing or wrong"),
        (HEAD.replace("run_day", "someday"), "as_of is missing or wrong"),
        (HEAD.replace('schedule: "0 6 2 * *"\n', ""), "schedule is missing or wrong"),
        (HEAD.replace("title: {en: P}", "title: P"), "title is missing or wrong"),
        (HEAD.replace("6 2 * *", "25 2 * *"), "schedule is missing or wrong"),
        (HEAD.replace("ref: S0", "ref: " + "S" * 101), "ref is missing or wrong"),
        (HEAD.replace("ref: S0", 'ref: ""'), "ref is missing or wrong"),
    ],
)
def test_a_file_without_a_head_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(TieringError, match=f"{tmp_path.name}/p.yaml: {says}"):
        read_headers(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TieringError, match="holds no .yaml file"):
        read_headers(tmp_path)
