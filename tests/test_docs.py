"""Documents say what the code does: names in them are held against the code, links against the files."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from demo import generate_company
from sql.contract import ENTITIES
from sql.errors import TieringError
from sql.measure import columns_for
from tiering.cli import build_parser
from tiering.demo import POLICIES
from tiering.lint import lint_file
from tiering.settings import Settings, read_settings
from transforms.credit import PLAN, Credit
from transforms.lint import Finding
from transforms.parts import Line
from transforms.policy import (
    ClassAxis,
    FollowUp,
    Indicator,
    Missing,
    Policy,
    Review,
    Service,
    Task,
    Terms,
    parse_policy,
)
from transforms.policy_text import PolicyText
from transforms.shapes import Decide

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def table_rows(text: str, first_column: str) -> dict[str, list[str]]:
    """Return the rows of the table whose first header is `first_column`, by their first cell."""
    block = re.search(rf"^\| {first_column} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert block, f"there is no table that starts with the column {first_column}"
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block[1].splitlines()]
    return {row[0].strip("` |"): row for row in rows}


def names_in(cell: str) -> set[str]:
    return set(re.findall(r"`([a-z_]+)`", cell))


def anchors_of(text: str) -> set[str]:
    """Return the anchors that a code host gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_data_dictionary_is_what_the_generator_makes() -> None:
    generator = runpy.run_path(str(ROOT / "tools" / "data_dictionary.py"))

    assert read("data-dictionary.md") == generator["render_dictionary"](), (
        "run: .venv/bin/python tools/data_dictionary.py"
    )


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    documented = set(table_rows(read("operate.md"), "variable"))

    assert documented == {f"TIERING_{field.name.upper()}" for field in fields(Settings)}


def test_documented_defaults_are_the_defaults() -> None:
    rows = table_rows(read("operate.md"), "variable")
    defaults = read_settings({})

    for field in fields(Settings):
        cell = rows[f"TIERING_{field.name.upper()}"][1]
        value = getattr(defaults, field.name)
        if value and not isinstance(value, Path):
            assert cell == f"`{str(value).lower() if value is True else value}`", field.name
        elif isinstance(value, Path):
            assert cell == f"`{value.name}`", field.name


def test_every_setting_that_any_page_names_exists() -> None:
    known = {f"TIERING_{field.name.upper()}" for field in fields(Settings)}
    for page in PAGES:
        named = set(re.findall(r"(?<!CONN_)\bTIERING_[A-Z_]+", page.read_text(encoding="utf-8")))
        assert named <= known, page.name


def test_the_contract_table_is_the_contract() -> None:
    rows = table_rows(read("connect-your-erp.md"), "entity")

    assert set(rows) == set(ENTITIES)
    for name, entity in ENTITIES.items():
        _, needed, read_by, key, required, optional = rows[name]
        assert (needed == "required") == entity.is_required, name
        assert names_in(key) == set(entity.key), name
        assert names_in(read_by) == ({entity.dated_by} if entity.dated_by else set()), name
        for cell, columns in ((required, entity.required), (optional.strip(" |"), entity.optional)):
            written = dict(part.split(" ") for part in cell.replace("`", "").split(", ") if part != "–")
            written.pop("attr_<name>", None)
            assert written == columns, name


def test_every_rule_that_refuses_a_row_is_documented() -> None:
    text = read("connect-your-erp.md")
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE)) - set(ENTITIES)
    rules, notes = set(), set()
    for path in (ROOT / "expectations").glob("*.json"):
        for expectation in json.loads(path.read_text(encoding="utf-8"))["expectations"]:
            refuses = expectation["meta"].get("quarantine") or expectation["severity"] == "critical"
            (rules if refuses else notes).add(expectation["meta"]["rule"])

    assert documented == rules
    assert notes <= names_in(text)


def test_the_table_of_shipped_policies_is_what_the_generator_makes() -> None:
    generator = runpy.run_path(str(ROOT / "tools" / "policy_table.py"))

    assert read("policies.md") == generator["with_table"](read("policies.md")), (
        "run: .venv/bin/python tools/policy_table.py"
    )


def test_every_key_of_the_policy_language_is_documented() -> None:
    text = read("policies.md")

    assert set(table_rows(text, "key")) == {field.alias or key for key, field in Policy.model_fields.items()} - {"text"}
    for model in (Decide, Indicator, Review, Missing, Service, Terms, FollowUp, Task, ClassAxis, Credit, Line):
        for key, field in model.model_fields.items():
            name = field.alias or key
            assert re.search(rf"(`{name}[`:,]|[{{\s]{name}:)", text), f"{model.__name__}.{name}"
    for rule in re.findall(
        r'self\.add\(\s*"(?:error|warning)",\s*"(\w+)"', (ROOT / "transforms" / "lint.py").read_text()
    ):
        assert f"`{rule}`" in text, rule


HEAD = """\
id: example
title: {en: Example, zh: 示例}
ref: example
grain: customer
schedule: "0 6 2 * *"
as_of: previous_month_end
"""

BLOCKS = re.findall(r"```yaml\n(.*?)```", read("policies.md"), re.DOTALL)


def parts_of(text: str) -> dict[str, str]:
    """Return the text of a policy by its keys."""
    return {part.partition(":")[0]: part for part in re.split(r"^(?=\w)", text, flags=re.MULTILINE) if part}


def whole_policy(block: str) -> str:
    """Return the policy that an example is part of: its own with `decide`, else the first one of the page."""
    own, first = parts_of(block), parts_of(BLOCKS[0])
    if "id" in own:
        return block
    if "decide" not in own:
        if "indicators" in own:
            own["indicators"] = first["indicators"] + own["indicators"].partition("\n")[2]
        return "".join({**first, **own}.values())
    decide = TypeAdapter(Decide).validate_python(PolicyText(own["decide"], "decide").data["decide"])
    actions = ", ".join(f"{tier}: {{en: Visit, zh: 拜访}}" for tier in decide.tiers)
    around = {"tiers": f"tiers: [{', '.join(decide.tiers)}]\n", "actions": f"actions: {{{actions}}}\n"}
    return "".join({**parts_of(HEAD), **around, **own}.values())


def proved(text: str, folder: Path) -> tuple[Policy | None, list[Finding]]:
    """Prove a policy as `tiering lint` does, but for what few accounts bring and what falls to the rest."""
    path = folder / f"{PolicyText(text, 'docs/policies.md').data['id']}.yaml"
    path.write_text(text, encoding="utf-8")
    policy, findings = lint_file(path, None)
    return policy, [finding for finding in findings if finding.rule not in ("small", "rest")]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.findall(r"^(\w+):", block, re.MULTILINE)[-1])
def test_every_example_of_the_policy_page_is_proved(block: str, tmp_path: Path) -> None:
    policy, findings = proved(whole_policy(block), tmp_path)

    assert findings == []
    assert policy is not None
    columns_for([policy])


@pytest.mark.parametrize(
    ("example", "without", "rule", "says"),
    [
        ("willingness: {assessment: willingness", r", values: \[\w+, \w+\]", "gap", "any other text"),
        ("growth:    {measure: sales_growth", r"missing:\n.*\n", "undefined", "growth can be undefined"),
        ("collection_rate: {tier: C, status", r"missing:\n.*\n.*\n", "undefined", "overdue_share can be undefined"),
        ("monetary:     {quantile", r"method: rank, better: low", "language", "say better: low here"),
        ("multiplier: {A: 1.2", r", C: 0\}", "gap", "tier C has no multiplier"),
    ],
)
def test_what_an_example_says_is_needed_is_needed(
    example: str, without: str, rule: str, says: str, tmp_path: Path
) -> None:
    (block,) = [block for block in BLOCKS if example in block]
    left = {r"method: rank, better: low": "method: rank", r", C: 0\}": "}"}.get(without, "")
    findings = proved(whole_policy(re.sub(without, left, block)), tmp_path)[1]

    assert [finding.rule for finding in findings if says in finding.message][:1] == [rule]


def test_the_examples_of_the_policy_page_have_every_shape_and_what_is_asked_for() -> None:
    policies = [parse_policy(whole_policy(block), "docs/policies.md") for block in BLOCKS]
    indicators = [indicator for policy in policies for indicator in policy.indicators.values()]

    assert {policy.decide.shapes[0] for policy in policies} == set(Decide.model_fields)
    assert {"class", "tier"} == {policy.publishes for policy in policies}
    assert {True, False} == {policy.credit.budget is None for policy in policies if policy.credit}
    assert any(policy.decide.matrix.tiers for policy in policies if policy.decide.matrix)
    assert any(indicator.within != "population" and indicator.ties for indicator in indicators)
    assert any(indicator.quantile and indicator.better == "low" for indicator in indicators)
    assert any(policy.gate and any(each.measure == "sales_growth" for each in policy.indicators.values())
               for policy in policies)  # fmt: skip


def test_every_value_that_the_table_of_keys_spells_out_can_be_written(tmp_path: Path) -> None:
    rows = table_rows(read("policies.md"), "key")
    values = {key: re.findall(r"`(\{[^`…]*\})`", cells[2]) for key, cells in rows.items()}

    assert {"gate", "movement"} <= {key for key, found in values.items() if found}
    for key, found in values.items():
        for value in found:
            text = "".join({**parts_of(BLOCKS[0]), key: f"{key}: {value}\n"}.values())
            assert proved(text, tmp_path)[1] == []


def test_what_the_policy_page_calls_ambiguous_is_refused() -> None:
    words, numbers = re.findall(r"^- (?:words|numbers) .*: (`.*)$", read("policies.md"), re.MULTILINE)
    refused = re.findall(r"`([^`]+)`", words.partition(";")[0] + numbers)

    assert {"y", "n", "on", "off", "yes", "no", "012", "1e3"} <= set(refused)
    for word in refused:
        with pytest.raises(TieringError, match="or quote it"):
            PolicyText(f"key: {word}", "docs")
        assert PolicyText(f"key: '{word}'", "docs").data == {"key": word}


def test_the_plan_that_a_budget_may_name_is_documented() -> None:
    (sentence,) = re.findall(
        r"^\*\*A budget\*\* is an amount of columns of the plan \((.*?)\)", read("policies.md"), re.MULTILINE
    )

    assert names_in(sentence) == set(PLAN) <= set(ENTITIES["plan"].columns)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_points_to_a_file(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), target
        if anchor:
            assert anchor in anchors_of(file.read_text(encoding="utf-8")), target


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", PAGES[0].read_text(encoding="utf-8"), re.MULTILINE))

    assert {"demo", "test"} <= named
    assert named <= targets


@pytest.mark.parametrize("page", ["README.md", "docs/policies.md"])
def test_what_a_page_shows_on_the_demo_names_its_warehouse_and_one_of_its_customers(page: str) -> None:
    """The demo's folder, size and seed are the defaults of its command line."""
    text = (ROOT / page).read_text(encoding="utf-8")
    demo = build_parser().parse_args(["demo"])
    (value,) = set(re.findall(r"export AIRFLOW_CONN_TIERING_WAREHOUSE='(.*duckdb.*)'", text))
    asked = set(re.findall(r"tiering explain ([0-9]\S*) --policy (\w+)", text))
    partners = generate_company(customers=demo.customers, seed=demo.seed).tables["business_partner"]

    assert json.loads(value) == {"conn_type": "duckdb", "host": str(demo.folder / "warehouse.duckdb")}
    assert asked
    assert {customer for customer, _ in asked} <= set(partners["partner_no"].to_pylist())
    assert {policy for _, policy in asked} <= set(POLICIES)


def test_the_readme_lists_every_package_and_no_folder_that_is_not_there() -> None:
    listed = {name.rstrip("/") for name in table_rows(PAGES[0].read_text(encoding="utf-8"), "folder")}
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]

    assert set(build["targets"]["wheel"]["packages"]) <= listed
    assert all((ROOT / name).is_dir() for name in listed)


def test_pictures_are_small() -> None:
    for path in (DOCS / "images").iterdir():
        assert path.stat().st_size < 300_000, path.name
