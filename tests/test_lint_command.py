"""`tiering lint`: for people and for CI, with exit codes; with a source and with a warehouse."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import airflow_case
import pytest
from conftest import ROOT

from sql.connect import Database
from tests.companies import WHOLE, Warehouses, load, warehouses
from tests.test_lint import ORDERS, RATE, REST, SALES, SOUND, TOP, bands, rules, text_of
from tiering.cli import main
from tiering.lint import policy_files
from transforms.policy import read_policies
from transforms.probes import scales_of

__all__ = ["warehouses"]

ENTITIES = ("customers", "sales", "payments", "receivables")
OVERLAP = bands("{tier: A, at_least: 5}, {tier: B, at_most: 5}", tiers="A B")
GAP = bands("{tier: A, above: 5}, {tier: B, below: 5}", tiers="A B")


@pytest.fixture(autouse=True)
def installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the machine, and a folder to stand in."""
    airflow_case.drop_settings(monkeypatch)
    monkeypatch.chdir(tmp_path)


def write(folder: Path, name: str, text: str) -> Path:
    """Write a policy under a name, which becomes its id."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text.replace("id: p\n", f"id: {name}\n"), encoding="utf-8")
    return path


def lint(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Run the command; return its exit code, what it printed, and what it complained of."""
    capsys.readouterr()
    code = main(["lint", *map(str, arguments)])
    return (code, *capsys.readouterr())


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    code, out, err = lint(capsys, *arguments, "--format", "json")
    assert err == ""
    return code, json.loads(out)


def found(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(f["severity"], f["rule"], f["place"]) for policy in told["policies"] for f in policy["findings"]]


# ---- for people


def test_a_sound_policy_is_one_line_and_exit_code_0(tmp_path: Path, capsys) -> None:
    write(tmp_path, "sound", bands(SOUND))
    assert lint(capsys, "sound.yaml") == (0, "ok       sound.yaml  bands\n1 policies: 0 errors, 0 warnings\n", "")


def test_an_error_is_said_with_file_line_place_rule_and_exit_code_1(tmp_path: Path, capsys) -> None:
    path = write(tmp_path, "faulty", GAP)
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if text.startswith("decide"))
    code, out, err = lint(capsys, path.name)
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        f"error    faulty.yaml:{line}  decide.bands.tiers: no line holds sales = 5; add a line, or let the last take "
        "what is left  (gap)",
        "1 policies: 1 errors, 0 warnings",
    ]


def test_a_degenerate_allocation_is_a_warning_and_exit_code_0(tmp_path: Path, capsys) -> None:
    credit = "credit: {budget: revenue_budget, sales: sales, multiplier: {A: 1, B: 0}}"
    write(tmp_path, "flat", bands(f"{TOP}, {REST}", credit, tiers="A B"))
    code, out, _ = lint(capsys, "flat.yaml")
    assert code == 0
    assert re.match(r"warning  flat\.yaml:\d+  credit: sales on both levels and equal multipliers cancel", out)
    assert out.endswith("1 policies: 0 errors, 1 warnings\n")


def test_brackets_of_a_policy_are_no_colours(tmp_path: Path, capsys) -> None:
    text = rules('{tier: A, when: "sales > 5 and [red]"}, {tier: B}', tiers="A B")
    assert "[red]" in lint(capsys, write(tmp_path, "red", text))[1]


def test_several_files_and_folders_are_proved_one_after_the_other(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "rules"
    write(folder, "b", bands(SOUND))
    write(folder, "a", OVERLAP)
    (folder / "notes.txt").write_text("no policy")
    single = write(tmp_path, "z", GAP)
    code, out, _ = lint(capsys, single, folder)
    assert code == 1
    assert re.findall(r"(\w+)\.yaml", out) == ["z", "a", "b"]
    assert out.endswith("3 policies: 2 errors, 0 warnings\n")
    assert policy_files([single, folder]) == [single, folder / "a.yaml", folder / "b.yaml"]


@pytest.mark.parametrize("absolute", [False, True])
def test_a_file_is_named_by_the_path_that_was_given(absolute: bool, tmp_path: Path, capsys) -> None:
    stand = tmp_path if absolute else Path()
    for folder in ("north", "south"):
        write(tmp_path / folder, "abc", bands(SOUND) if folder == "north" else GAP)
    paths = [stand / "north", stand / "south" / "abc.yaml"]
    code, out, _ = lint(capsys, *paths)
    assert code == 1
    assert out.startswith(f"ok       {stand / 'north' / 'abc.yaml'}  bands\nerror    {stand / 'south' / 'abc.yaml'}:")
    files = [policy["file"] for policy in as_json(capsys, *paths)[1]["policies"]]
    assert files == [str(stand / "north" / "abc.yaml"), str(stand / "south" / "abc.yaml")]


def test_a_long_path_stays_on_one_line(tmp_path: Path, capsys) -> None:
    path = write(tmp_path / ("x" * 120), "sound", bands(SOUND))
    assert lint(capsys, path)[1].splitlines()[0] == f"ok       {path}  bands"


def test_the_policies_of_the_installation_are_the_default(monkeypatch, tmp_path: Path, capsys) -> None:
    write(tmp_path / "rules", "mine", bands(SOUND))
    monkeypatch.setenv("TIERING_POLICIES", str(tmp_path / "rules"))
    assert lint(capsys)[:2] == (0, "ok       rules/mine.yaml  bands\n1 policies: 0 errors, 0 warnings\n")


def test_the_shipped_policies_have_no_error(capsys) -> None:
    code, told = as_json(capsys)
    assert [each for each in found(told) if each[0] == "error"] == []
    assert (code, told["errors"]) == (0, 0)
    assert {policy["file"] for policy in told["policies"]} == {str(path) for path in (ROOT / "policies").glob("*.yaml")}


# ---- for CI


def test_json_has_stable_keys(tmp_path: Path, capsys) -> None:
    write(tmp_path, "faulty", GAP)
    write(tmp_path, "sound", bands(SOUND))
    code, told = as_json(capsys, "faulty.yaml", "sound.yaml")
    assert code == 1
    assert told["errors"] == 1
    assert [policy["file"] for policy in told["policies"]] == ["faulty.yaml", "sound.yaml"]
    (finding,) = told["policies"][0]["findings"]
    assert finding == {
        "policy_id": "faulty",
        "severity": "error",
        "rule": "gap",
        "place": "decide.bands.tiers",
        "line": finding["line"],
        "message": "no line holds sales = 5; add a line, or let the last take what is left",
        "point": "sales = 5",
    }
    assert told["policies"][1] == {"file": "sound.yaml", "findings": []}


def test_errors_stand_before_warnings_and_in_the_order_of_the_text(tmp_path: Path, capsys) -> None:
    text = bands("{tier: A, above: 5}, {tier: B, below: 5}", "missing: {sales: {as: 0}}", tiers="A B", also=(ORDERS,))
    findings = as_json(capsys, write(tmp_path, "many", text))[1]["policies"][0]["findings"]
    assert [f["rule"] for f in findings] == ["unused", "gap", "missing"]
    assert [f["severity"] for f in findings] == ["error", "error", "warning"]


# ---- what cannot be read


@pytest.mark.parametrize("name", ["nowhere.yaml", "nowhere", "sound.yaml/below"])
def test_an_unknown_path_is_wrong_usage(name: str, tmp_path: Path, capsys) -> None:
    write(tmp_path, "sound", bands(SOUND))
    assert lint(capsys, "sound.yaml", name) == (
        2, "", f"tiering: {name}: there is no such file or folder; name policies to prove\n"
    )  # fmt: skip


def test_a_folder_without_policies_is_wrong_usage(tmp_path: Path, capsys) -> None:
    code, out, err = lint(capsys, tmp_path)
    assert (code, out) == (2, "")
    assert "the folder holds no .yaml file; name a folder of policies" in err


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Permissions count: root, to whom they do not apply, is somebody else in the meantime."""
    folder.chmod(0o755)
    me = os.geteuid()
    os.seteuid(me or 65534)
    try:
        yield
    finally:
        os.seteuid(me)


def test_a_file_that_may_not_be_read_is_one_finding_and_hides_no_other(tmp_path: Path, capsys) -> None:
    write(tmp_path, "locked", bands(SOUND)).chmod(0)
    write(tmp_path, "sound", bands(SOUND))
    with as_nobody(tmp_path):
        said = lint(capsys, "locked.yaml", "sound.yaml")
    assert said == (
        1,
        "error    locked.yaml:1  cannot be read (Permission denied); check the file and its permissions  (language)\n"
        "ok       sound.yaml  bands\n"
        "2 policies: 1 errors, 0 warnings\n",
        "",
    )


@pytest.mark.parametrize("path", ["locked", "locked/sound.yaml"])
def test_a_folder_that_may_not_be_read_is_said_and_not_taken_for_empty(path: str, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "locked"
    write(folder, "sound", bands(SOUND))
    folder.chmod(0)
    with as_nobody(tmp_path):
        said = lint(capsys, path)
    folder.chmod(0o755)
    assert said == (2, "", f"tiering: {path}: cannot be read (Permission denied); check its permissions\n")


@pytest.mark.parametrize("name", ["sound.yml", "sound.txt", "sound"])
def test_a_file_that_makes_no_dag_is_a_finding(name: str, tmp_path: Path, capsys) -> None:
    write(tmp_path, "sound", bands(SOUND)).rename(tmp_path / name)
    assert lint(capsys, name)[:2] == (
        1,
        f"error    {name}:1  only a file that ends in .yaml makes a DAG; rename it sound.yaml  (name)\n"
        "1 policies: 1 errors, 0 warnings\n",
    )
    (tmp_path / name).write_text("no policy")
    findings = found(as_json(capsys, name)[1])
    assert findings == [("error", "language", ""), ("error", "name", "")]


def test_a_yml_file_among_the_policies_of_a_folder_is_not_passed_over(tmp_path: Path, capsys) -> None:
    write(tmp_path, "other", bands(SOUND)).rename(tmp_path / "other.yml")
    write(tmp_path, "sound", bands(SOUND))
    code, told = as_json(capsys, tmp_path)
    assert (code, found(told)) == (1, [("error", "name", "")])
    assert [Path(policy["file"]).name for policy in told["policies"]] == ["other.yml", "sound.yaml"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"id: [p\ntitle: x\n", "what opens with [ is not closed, or lacks a comma"),
        (b"", "the file is empty"),
        (b"- a\n", "a policy is one mapping of keys to values"),
        ("id: p\ntitle: {zh: 政策}\n".encode("gb18030"), "this is not UTF-8; save the file as UTF-8"),
        (b"id: p\x00\n", "the character U+0000 has no place in a text; remove it"),
        (b"id: broken\ntitel: {en: x}\n", "titel: this key is unknown; did you mean title?"),
    ],
)
def test_what_is_no_policy_is_one_finding_and_hides_no_other_file(
    content: bytes, says: str, tmp_path: Path, capsys
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_bytes(content)
    code, told = as_json(capsys, broken, write(tmp_path, "faulty", GAP))
    assert code == 1
    assert found(told) == [("error", "language", ""), ("error", "gap", "decide.bands.tiers")]
    (finding,) = told["policies"][0]["findings"]
    assert says in finding["message"]
    assert finding["policy_id"] == "broken"
    assert lint(capsys, broken)[0] == 1


def test_a_mark_at_the_beginning_of_the_file_does_no_harm(tmp_path: Path, capsys) -> None:
    path = write(tmp_path, "marked", bands(SOUND))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert lint(capsys, path)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--format", "xml"], "invalid choice: 'xml'"),
        (["--dta"], "unrecognized arguments: --dta"),
        (["--as-of", "2026-03-31"], "--as-of is the day to count on; say --data too"),
        (["--data", "--as-of", "31.12.2025"], "'31.12.2025' is no day; write the day as 2026-03-31"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], says: str, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["lint", *arguments])
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


def test_a_wrong_setting_is_no_finding(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setenv("TIERING_POLICIES", str(tmp_path / "nowhere"))
    code, out, err = lint(capsys, write(tmp_path, "sound", bands(SOUND)))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "TIERING_POLICIES: folder" in err


def test_the_id_is_the_name_of_the_file(tmp_path: Path, capsys) -> None:
    path = write(tmp_path, "one", bands(SOUND))
    path = path.rename(tmp_path / "two.yaml")
    code, told = as_json(capsys, path)
    assert (code, found(told)) == (1, [("error", "name", "id")])


# ---- measures and the source


def test_every_measure_that_there_is_not_is_named(tmp_path: Path, capsys) -> None:
    wrong = (SALES.replace("net_sales", "net_sale"), ORDERS.replace("window: 12 months, ", ""))
    text = rules("{tier: A, when: sales > 5 and orders > 3}, {tier: B}", tiers="A B", of=wrong)
    code, told = as_json(capsys, write(tmp_path, "unmeasured", text))
    findings = {f["place"]: f["message"] for f in told["policies"][0]["findings"] if f["rule"] == "measure"}
    assert code == 1
    assert findings == {
        "indicators.sales": "there is no measure net_sale; did you mean net_sales?",
        "indicators.orders": "order_count needs a window, such as 12 months or calendar_year",
    }


def test_a_unit_that_the_measure_has_not_is_said_once(tmp_path: Path, capsys) -> None:
    level = "level: {measure: hospital_level}"
    text = bands("{tier: A, at_least: 3}, {tier: B}", "missing: {level: {tier: B}}", of=level, tiers="A B")
    told = as_json(capsys, write(tmp_path, "levels", text))[1]
    assert found(told) == [("error", "unit", "indicators.level")]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source that provides the required entities and nothing optional."""
    folder = tmp_path / "erp"
    folder.mkdir()
    for entity in ENTITIES:
        (folder / f"{entity}.sql").write_text(f"SELECT customer_id, net_amount FROM erp.{entity}")
    return folder


def lacking(capsys: pytest.CaptureFixture[str], source: Path, folder: Path, *indicators: str) -> dict[str, str]:
    """Return by indicator what the source lacks, for a policy that uses all indicators."""
    names = [indicator.partition(":")[0] for indicator in indicators]
    condition = " and ".join(f"{name} is not missing" for name in names)
    text = text_of("A B", list(indicators), f"{{rules: [{{tier: A, when: {condition}}}, {{tier: B}}]}}")
    told = as_json(capsys, write(folder, "asks", text), "--source", source)[1]
    findings = [f for f in told["policies"][0]["findings"] if f["rule"] == "source"]
    return {f["place"].partition(".")[2]: f["message"] for f in findings}


VISITS = "visits: {measure: contact_count, window: 12 months}"
GRADE = "grade: {assessment: grade, unit: text}"
REGION = "region: {attribute: region}"
COLOUR = "colour: {attribute: colour}"


def test_what_the_source_provides_is_silent(source: Path, tmp_path: Path, capsys) -> None:
    assert lacking(capsys, source, tmp_path, SALES) == {}


def test_an_entity_that_the_source_lacks_is_named(source: Path, tmp_path: Path, capsys) -> None:
    assert lacking(capsys, source, tmp_path, SALES, VISITS, GRADE) == {
        "visits": "the source erp provides no contacts; add contacts.sql to it",
        "grade": "the source erp provides no assessments; add assessments.sql to it",
    }


def test_an_optional_column_that_the_source_lacks_is_named(source: Path, tmp_path: Path, capsys) -> None:
    assert lacking(capsys, source, tmp_path, RATE, REGION, COLOUR) == {
        "rate": "the source erp provides no cost_amount in sales; select it there",
        "region": "the source erp provides no region in customers; select it there",
        "colour": "the source erp provides no attr_colour in customers; select it there",
    }
    select = "WITH lines AS (SELECT * FROM erp.lines) SELECT net_amount, cost AS cost_amount FROM lines"
    (source / "sales.sql").write_text(select)
    (source / "customers.sql").write_text('SELECT id AS customer_id, region, c AS "attr_colour" FROM erp.customers')
    other = source.rename(source.with_name("other"))  # what a folder provides is read once
    assert lacking(capsys, other, tmp_path, RATE, REGION, COLOUR) == {}


def test_a_select_of_everything_counts_as_the_whole_contract(source: Path, tmp_path: Path, capsys) -> None:
    (source / "sales.sql").write_text("SELECT * FROM erp.sales")
    (source / "customers.sql").write_text("SELECT customers.* FROM erp.customers AS customers")
    assert lacking(capsys, source, tmp_path, RATE, REGION) == {}


def test_an_unknown_source_is_said(tmp_path: Path, capsys) -> None:
    code, _, err = lint(capsys, write(tmp_path, "sound", bands(SOUND)), "--source", "dmeo")
    assert (code, err.count("\n")) == (2, 1)
    assert "there is no folder 'dmeo' below sql/sources, nor as a path; did you mean demo?" in err


# ---- what it needs


def test_without_data_neither_airflow_nor_a_database_driver_is_imported(tmp_path: Path) -> None:
    write(tmp_path, "sound", bands(SOUND))
    first = "{top_n: {rank: r, tiers: [{tier: A, first: 3}, {tier: B}]}}"
    write(tmp_path, "rank", text_of("A B", [SALES, "r: {rank: sales}"], first))
    script = (
        "import sys\nfrom tiering.cli import main\n"
        f"code = main(['lint', {str(tmp_path)!r}, '--format', 'json'])\n"
        "heavy = ('airflow', 'duckdb', 'psycopg', 'adbc_driver_postgresql', 'great_expectations', 'pyspark')\n"
        "print(code, [name for name in heavy if name in sys.modules], file=sys.stderr)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TIERING_", "AIRFLOW"))}
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stderr.strip() == "0 []"
    assert json.loads(ran.stdout)["errors"] == 0


# ---- with the warehouse's accounts


SHIPPED = ("pyramid", "rfm_555", "collection_classes")


@pytest.fixture(scope="module")
def facts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A warehouse with a small company's facts, on DuckDB."""
    makes = Warehouses(request, tmp_path_factory.mktemp("facts"))
    warehouse = makes.empty("duckdb")
    load(makes.source("duckdb"), warehouse, WHOLE)
    return warehouse


@pytest.fixture
def connected(facts: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The facts behind the connection that the command asks for."""
    airflow_case.prepare_environment()
    monkeypatch.setenv("AIRFLOW_CONN_TIERING_WAREHOUSE", airflow_case.connection_to(facts))
    return facts


def some_shipped(folder: Path) -> Path:
    folder.mkdir()
    for name in SHIPPED:
        shutil.copy(ROOT / "policies" / f"{name}.yaml", folder)
    return folder


@pytest.mark.airflow
def test_with_data_every_account_is_counted_once_per_scale(connected: Database, tmp_path: Path, capsys) -> None:
    folder = some_shipped(tmp_path / "rules")
    code, told = as_json(capsys, folder, "--data")
    assert code == 0
    policies = read_policies(folder)
    days = {"collection_classes": "2025-12-31", "pyramid": "2026-02-28", "rfm_555": "2026-02-28"}
    assert {Path(p["file"]).stem: p["as_of"] for p in told["policies"]} == days
    for told_of in told["policies"]:
        policy = policies[Path(told_of["file"]).stem]
        counts = told_of["counts"]
        assert all(set(count) == {"kind", "place", "words", "accounts"} for count in counts)
        (population,) = [count["accounts"] for count in counts if count["kind"] == "population"]
        assert population > 0
        assert sum(count["accounts"] for count in counts if count["kind"] == "tier") == population
        missing = {count["place"]: count["accounts"] for count in counts if count["kind"] == "missing"}
        for place, name, _ in scales_of(policy):
            held = sum(count["accounts"] for count in counts if count["place"].startswith(f"{place}."))
            assert held + missing.get(f"missing.{name}", 0) == population
        if policy.decide.rules is not None:
            held = sum(count["accounts"] for count in counts if count["place"].startswith("decide.rules."))
            assert held + missing["missing.collection_rate"] == population
        (gap,) = [count["accounts"] for count in counts if count["kind"] == "gap"]
        assert gap == 0


@pytest.mark.airflow
def test_a_small_population_is_a_warning_and_a_gap_of_today_an_error(
    connected: Database, tmp_path: Path, capsys
) -> None:
    write(tmp_path, "few", bands("{tier: A, at_least: 100000}, {tier: B, below: 50000}", "gate: {buys: sales > 0}",
                                 tiers="A B"))  # fmt: skip
    code, told = as_json(capsys, tmp_path / "few.yaml", "--data", "--as-of", "2025-12-31")
    assert code == 1
    findings = {f["rule"]: (f["severity"], f["message"]) for f in told["policies"][0]["findings"]}
    counts = {(c["kind"], c["place"]): c["accounts"] for c in told["policies"][0]["counts"]}
    population, gap = counts["population", ""], counts["gap", "decide"]
    assert 0 < gap < population < 100
    assert findings["population"] == (
        "warning",
        f"{population} accounts pass the gates on 2025-12-31; below 100 grading is not worth while (S11)",
    )
    rules_of = [(f["rule"], f["message"]) for f in told["policies"][0]["findings"] if f["severity"] == "error"]
    assert ("gap", f"in no line on 2025-12-31: {gap} accounts") in rules_of
    assert counts["line", "decide.bands.tiers.0"] + counts["line", "decide.bands.tiers.1"] + gap == population


@pytest.mark.airflow
def test_what_undefined_would_stop_is_an_error(connected: Database, tmp_path: Path, capsys) -> None:
    recency = "recency: {measure: recency_days, window: 1 months, unit: days}"
    told = as_json(capsys, write(tmp_path, "late", bands("{tier: A, at_most: 9}, {tier: B}", of=recency, tiers="A B")),
                   "--data")[1]  # fmt: skip
    said = [f["message"] for f in told["policies"][0]["findings"] if f["rule"] == "undefined"]
    assert len(said) == 2
    assert any(
        re.fullmatch(r"recency decides and is undefined on 2026-02-28: [1-9]\d* accounts", each) for each in said
    )


@pytest.mark.airflow
def test_a_policy_that_cannot_be_measured_does_not_hide_the_others(connected: Database, tmp_path: Path, capsys) -> None:
    write(tmp_path, "a", bands(SOUND, of=SALES.replace("net_sales", "net_sale")))
    write(tmp_path, "b", bands(SOUND))
    (tmp_path / "c.yaml").write_text("no policy")
    code, out, err = lint(capsys, tmp_path, "--data")
    assert (code, err) == (1, "")
    assert "there is no measure net_sale" in out
    assert "accounts as of 2026-02-28" in out
    assert re.search(r"^population +accounts that pass the gates +\d+$", out, re.MULTILINE)
    assert re.search(r"^line +decide.bands.tiers.2 +else → C +\d+$", out, re.MULTILINE)


@pytest.mark.airflow
@pytest.mark.parametrize(("day", "says"), [("2025-12-30", "calendar"), ("2999-12-31", "future")])
def test_a_day_that_cannot_be_counted_is_said(connected: Database, tmp_path: Path, capsys, day: str, says: str) -> None:
    code, out, err = lint(capsys, write(tmp_path, "sound", bands(SOUND)), "--data", "--as-of", day)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


@pytest.mark.airflow
def test_a_warehouse_without_facts_is_said(warehouses: Warehouses, monkeypatch, tmp_path: Path, capsys) -> None:
    airflow_case.prepare_environment()
    monkeypatch.setenv("AIRFLOW_CONN_TIERING_WAREHOUSE", airflow_case.connection_to(warehouses.empty("duckdb")))
    code, _, err = lint(capsys, write(tmp_path, "sound", bands(SOUND)), "--data")
    assert (code, err) == (2, "tiering: no facts were loaded yet; run customer_facts first\n")
