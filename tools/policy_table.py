"""Writes the table of shipped policies into docs/policies.md, between its two markers.

Run: .venv/bin/python tools/policy_table.py
"""

from __future__ import annotations

from pathlib import Path

from transforms.policy import Policy, read_policies

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "policies.md"
BEGIN = "<!-- shipped policies: made by tools/policy_table.py -->\n"
END = "<!-- end of shipped policies -->\n"

DAYS = {
    "run_day": "the day itself",
    "previous_day": "the day before",
    "previous_month_end": "month end",
    "previous_quarter_end": "quarter end",
    "previous_year_end": "year end",
}


def render_table() -> str:
    """Return one Markdown row per shipped policy: file, title, catalogue ids, shape, grain, day, tiers, best first."""
    lines = ["| file | title | ref | shape | grain | as of | tiers |", "|---|---|---|---|---|---|---|"]
    lines += [_row(policy) for policy in read_policies(ROOT / "policies").values()]
    return "\n".join(lines) + "\n"


def _row(policy: Policy) -> str:
    shape = policy.decide.shapes[0]
    beside = (
        " (class)"
        if policy.publishes == "class"
        else " + class"
        if policy.class_
        else " + credit"
        if policy.credit
        else ""
    )
    cells = [
        f"[{policy.id}.yaml](../policies/{policy.id}.yaml)",
        f"{policy.title['en']} · {policy.title['zh']}",
        policy.ref,
        f"`{shape}`{beside}",
        policy.grain,
        DAYS[policy.as_of],
        ", ".join(policy.tiers),
    ]
    return f"| {' | '.join(cells)} |"


def with_table(page: str) -> str:
    """Return the page with the table between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{render_table()}{END}{after}"


if __name__ == "__main__":
    TARGET.write_text(with_table(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
