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

from sql.contract import ENTITIES
from sql.measure import columns_for
from tiering.settings import Settings, read_settings
from transforms.credit import Credit
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
            assert cell == f"`{value}`", field.name
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


def _field_of(key: str) -> str:
    return next(name for name, field in Policy.model_fields.items() if key in (name, field.alias))


def test_every_block_of_yaml_in_the_policy_page_parses() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", read("policies.md"), re.DOTALL)
    parsed = [next(iter(PolicyText(block, "docs/policies.md").data)) for block in blocks]

    for first, block in zip(parsed, blocks, strict=True):
        if first == "id":
            columns_for([parse_policy(block, "docs/policies.md")])
        else:
            for key, value in PolicyText(block, "docs/policies.md").data.items():
                TypeAdapter(Policy.model_fields[_field_of(key)].annotation).validate_python(value)
    shapes = [
        PolicyText(block, "docs").data["decide"]
        for first, block in zip(parsed, blocks, strict=True)
        if first == "decide"
    ]
    assert {name for shape in shapes for name in shape} == set(Decide.model_fields)


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


def test_the_readme_lists_every_package_and_no_folder_that_is_not_there() -> None:
    listed = {name.rstrip("/") for name in table_rows(PAGES[0].read_text(encoding="utf-8"), "folder")}
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]

    assert set(build["targets"]["wheel"]["packages"]) <= listed
    assert all((ROOT / name).is_dir() for name in listed)


def test_pictures_are_small() -> None:
    for path in (DOCS / "images").iterdir():
        assert path.stat().st_size < 300_000, path.name
