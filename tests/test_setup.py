"""Bad set-up: one clear line that names the place, a non-zero exit, nothing written, no secret said."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import airflow_case
import pytest
from conftest import ROOT, create_database, free_port

from sql.connect import Database
from sql.errors import TieringError
from tiering.cli import main
from tiering.settings import read_settings

pytestmark = pytest.mark.airflow

PASSWORD = "s3cret/of:us@all"
POLICIES = ("collection_classes", "pyramid", "rfm_555")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiering.demo import make_company

    path = tmp_path_factory.mktemp("setup") / "company.duckdb"
    make_company(path, 100, 7)
    return path


@pytest.fixture
def installation(company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sound installation: the demo's SELECTs and some policies in folders of its own, and connections."""
    books, warehouse = (Database("duckdb", path=str(path)) for path in (company, tmp_path / "warehouse.duckdb"))
    airflow_case.set_connections(monkeypatch, SOURCE=books, WAREHOUSE=warehouse)
    shutil.copytree(ROOT / "sql" / "sources" / "demo", tmp_path / "erp")
    monkeypatch.setenv("TIERING_SOURCE", str(tmp_path / "erp"))
    monkeypatch.setenv("TIERING_POLICIES", airflow_case.some_policies(tmp_path, *POLICIES, name="rules"))
    monkeypatch.setenv("TIERING_MAIL_DIR", str(tmp_path / "mail"))
    return tmp_path


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """Run `tiering check` and return its exit code and the lines that say what is wrong."""
    capsys.readouterr()
    code = main(["check", *arguments])
    out, err = capsys.readouterr()
    assert PASSWORD not in out + err
    return code, [line for line in (out + err).splitlines() if line.startswith(("wrong", "tiering:"))]


def test_a_sound_installation_passes(installation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ROOT / "policies", installation / "rules", dirs_exist_ok=True)
    assert check(capsys) == (0, [])


def test_an_unknown_source_folder(installation, monkeypatch, capsys) -> None:
    monkeypatch.setenv("TIERING_SOURCE", "dmeo")
    code, lines = check(capsys)
    assert code == 1
    assert len(lines) == 1
    assert "TIERING_SOURCE: there is no folder 'dmeo'" in lines[0]
    assert "did you mean demo?" in lines[0]


def test_an_unknown_setting(installation, monkeypatch, capsys) -> None:
    monkeypatch.setenv("TIERING_TIMZONE", "Asia/Shanghai")
    assert check(capsys)[1] == ["wrong  settings: TIERING_TIMZONE: unknown setting; did you mean TIERING_TIMEZONE?"]


@pytest.mark.parametrize(("value", "drawn"), [("", True), ("true", True), ("false", False)])
def test_charts_are_drawn_unless_it_says_false(value: str, drawn: bool) -> None:
    assert read_settings({"TIERING_CHARTS": value}).charts is drawn


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TIERING_REPORTING_CURRENCY", "yuan"),
        ("TIERING_TIMEZONE", "CET"),
        ("TIERING_TIMEZONE", "Mars/Olympus"),
        ("TIERING_POLICIES", "/no/such/folder"),
        ("TIERING_MAXIMUM_QUARANTINE_SHARE", "101"),
        ("TIERING_MINIMUM_ROWS", "0"),
        ("TIERING_DOMAIN", "not a domain"),
        ("TIERING_FIRST_DAY", "01/02/2024"),
        ("TIERING_FALLBACK_MANAGER", "a@b.example,c@d.example"),
        ("TIERING_CREDIT_CONTROLLER", "nobody"),
        ("TIERING_CREDIT_CONTROLLER_LOCALE", "fr"),
        ("TIERING_GENERAL_MANAGER_LOCALE", "fr"),
        ("TIERING_FOLLOW_UPS_ON", "Monday"),
        ("TIERING_FOLLOW_UPS_ON", "weekly"),
        ("TIERING_ALERT_EMAIL", "nobody"),
        ("TIERING_ENGINE", "sparc"),
        ("TIERING_DECIDE_TASKS", "0"),
        ("TIERING_DECIDE_TASKS", "33"),
        ("TIERING_DECIDE_TASKS", "four"),
    ],
)
def test_a_setting_out_of_range_is_named(installation, monkeypatch, capsys, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    code, lines = check(capsys)
    assert code == 1
    assert len(lines) == 1
    assert variable in lines[0]


def test_an_engine_is_taken_where_it_is_installed_and_else_refused_with_what_to_install() -> None:
    assert read_settings({}).engine == "warehouse"
    try:
        version("pyspark")
    except PackageNotFoundError:
        with pytest.raises(TieringError, match="TIERING_ENGINE: spark needs pyspark; install requirements-spark.lock"):
            read_settings({"TIERING_ENGINE": "spark"})
    else:
        assert read_settings({"TIERING_ENGINE": "spark"}).engine == "spark"


def test_several_tasks_decide_in_a_warehouse_that_has_several_processes_and_not_beside_spark(
    installation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [read_settings({"TIERING_DECIDE_TASKS": said}).decide_tasks for said in ("", "1", "32")] == [1, 1, 32]
    monkeypatch.setenv("TIERING_DECIDE_TASKS", "4")
    code, lines = check(capsys)
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("wrong  warehouse: TIERING_DECIDE_TASKS: 4 tasks cannot share ")
    monkeypatch.setattr("tiering.settings._check_engine", lambda _: None)
    with pytest.raises(TieringError, match="TIERING_DECIDE_TASKS: Spark spreads its work itself"):
        read_settings({"TIERING_DECIDE_TASKS": "4", "TIERING_ENGINE": "spark"})


def test_a_missing_required_entity(installation: Path, capsys) -> None:
    (installation / "erp" / "payments.sql").unlink()
    assert check(capsys) == (
        1,
        ["wrong  source: source erp: the required entity payments is missing; write payments.sql"],
    )


def test_a_missing_required_column_with_the_near_miss(installation: Path, capsys) -> None:
    path = installation / "erp" / "sales.sql"
    path.write_text(path.read_text().replace("net_amount", "nett_amount"))
    code, lines = check(capsys)
    assert code == 1
    assert "sales.sql does not return the required column net_amount" in lines[0]
    assert "it returns nett_amount, rename that AS net_amount" in lines[0]


def test_a_policy_that_does_not_parse_is_named_with_its_line(installation: Path, capsys) -> None:
    path = installation / "rules" / "pyramid.yaml"
    text = path.read_text().replace("percent: 15}", "percent: 15")
    path.write_text(text)
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "percent: 15" in row)
    code, lines = check(capsys)
    assert code == 1
    assert lines[0].startswith("wrong  policies: rules/pyramid.yaml:")
    assert abs(int(lines[0].split(":")[2]) - line) <= 1


def test_a_policy_with_an_unknown_measure(installation: Path, capsys) -> None:
    path = installation / "rules" / "pyramid.yaml"
    path.write_text(path.read_text().replace("measure: net_sales", "measure: net_sale"))
    assert "there is no measure net_sale; did you mean net_sales?" in check(capsys)[1][0]


def test_a_missing_connection(installation, monkeypatch, capsys) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_TIERING_SOURCE")
    airflow_case.bag()
    code, lines = check(capsys)
    assert code == 1
    assert "tiering_source: there is no such Airflow connection" in lines[0]


@pytest.mark.postgres
def test_a_wrong_password_is_never_echoed(installation, monkeypatch, capsys, postgres_server) -> None:
    database = create_database(postgres_server, "setup")
    value = airflow_case.connection(
        conn_type="postgres",
        host=database.host,
        port=database.port,
        schema="setup",
        login="tiering",
        password=PASSWORD,
    )
    monkeypatch.setenv("AIRFLOW_CONN_TIERING_WAREHOUSE", value)
    code, lines = check(capsys)
    assert code == 1
    assert "refuses the password of user tiering; correct the connection tiering_warehouse" in lines[0]


def test_a_source_file_that_does_not_exist_is_not_created(installation, monkeypatch, capsys) -> None:
    path = installation / "mistyped.duckdb"
    monkeypatch.setenv("AIRFLOW_CONN_TIERING_SOURCE", airflow_case.connection(conn_type="duckdb", host=str(path)))
    code, lines = check(capsys)
    assert code == 1
    assert "there is no file" in lines[0]
    assert not path.exists()


def test_a_warehouse_without_tables_has_no_facts(installation, capsys) -> None:
    code, lines = check(capsys, "--as-of", "2025-12-31", "--policy", "pyramid")
    assert code == 1
    assert "no facts were loaded; run customer_facts first" in lines[0]


def test_an_unreachable_database(installation, monkeypatch, capsys) -> None:
    value = airflow_case.connection(
        conn_type="postgres",
        host="127.0.0.1",
        port=free_port(),
        schema="x",
        login="tiering",
        password=PASSWORD,
    )
    monkeypatch.setenv("AIRFLOW_CONN_TIERING_SOURCE", value)
    code, lines = check(capsys)
    assert code == 1
    assert "cannot be reached; start the server or correct the connection tiering_source" in lines[0]


def test_a_mail_server_that_refuses(installation, monkeypatch, capsys) -> None:
    value = airflow_case.connection(
        conn_type="smtp",
        host="127.0.0.1",
        port=free_port(),
        login="u",
        password=PASSWORD,
        extra={"security": "none"},
    )
    monkeypatch.setenv("AIRFLOW_CONN_TIERING_SMTP", value)
    code, lines = check(capsys)
    assert code == 1
    assert "tiering_smtp: 127.0.0.1:" in lines[0]
    assert "cannot be used (ConnectionRefusedError); correct the connection" in lines[0]


@pytest.mark.parametrize(
    ("as_of", "line"),
    [
        ("2999-12-31", "lies in the future"),
        ("2025-12-31", "no facts were loaded; run customer_facts first"),
        ("2025-12-30", "is not on the policy's calendar"),
    ],
)
def test_a_day_that_cannot_be_measured(installation, capsys, as_of: str, line: str) -> None:
    from tiering.jobs import prepare_warehouse

    prepare_warehouse(Database("duckdb", path=str(installation / "warehouse.duckdb")))
    code, lines = check(capsys, "--as-of", as_of, "--policy", "pyramid")
    assert code == 1
    assert len(lines) == 1
    assert line in lines[0]


def test_what_is_wrong_for_several_policies_is_said_once(installation, monkeypatch, capsys) -> None:
    from tiering.jobs import prepare_warehouse

    monkeypatch.delenv("AIRFLOW_CONN_TIERING_WAREHOUSE")
    airflow_case.bag()
    code, lines = check(capsys, "--as-of", "2025-12-31")
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("wrong  warehouse: tiering_warehouse: there is no such Airflow connection")
    path = installation / "warehouse.duckdb"
    monkeypatch.setenv("AIRFLOW_CONN_TIERING_WAREHOUSE", airflow_case.connection(conn_type="duckdb", host=str(path)))
    prepare_warehouse(Database("duckdb", path=str(path)))
    code, lines = check(capsys, "--as-of", "2025-11-30")
    assert code == 1
    assert [line.partition(" as_of 2025-11-30 ")[0] for line in lines] == [
        "wrong  as_of collection_classes:",
        "wrong  as_of pyramid, rfm_555:",
    ]
    assert "is not on the policy's calendar" in lines[0]
    assert "no facts were loaded; run customer_facts first" in lines[1]


@pytest.mark.parametrize("more", [[], ["--as-of", "2025-12-31"]])
@pytest.mark.parametrize(
    ("policy", "hint"), [("pyramyd", "did you mean pyramid?"), ("x", "known: collection_classes, pyramid, rfm_555")]
)
def test_an_unknown_policy_is_said(installation, capsys, policy: str, hint: str, more: list[str]) -> None:
    code, lines = check(capsys, "--policy", policy, *more)
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"wrong  policies: there is no policy {policy}; {hint}")


def test_one_policy_is_proved_when_it_is_named(installation: Path, capsys) -> None:
    path = installation / "rules" / "pyramid.yaml"
    path.write_text(path.read_text().replace("measure: net_sales", "measure: net_sale"))
    assert check(capsys, "--policy", "rfm_555") == (0, [])
    assert check(capsys, "--policy", "pyramid")[0] == 1


def test_a_policy_that_makes_no_dag_is_said(installation: Path, capsys) -> None:
    (installation / "rules" / "pyramid.yaml").rename(installation / "rules" / "pyramid.yml")
    code, lines = check(capsys)
    assert code == 1
    assert lines[0].startswith("wrong  policies: rules/pyramid.yml:1: only a file that ends in .yaml makes a DAG")


@pytest.mark.parametrize("day", ["31.12.2025", "20251231", "2025-W52-3", "2025-02-29", "soon", ""])
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "--as-of"],
        ["lint", "--data", "--as-of"],
        ["explain", "000012", "--as-of"],
        ["evaluate", "--policy", "pyramid", "--as-of"],
        ["company", "company.duckdb", "--last-day"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_day_is_checked_before_anything_is_opened(arguments: list[str], day: str, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, day])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith(f"{day!r} is no day; write the day as 2026-03-31\n")


def test_the_version_is_said(capsys) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"tiering {version}\n"


def test_the_steps_of_the_readme_work_in_their_order(installation: Path, tmp_path: Path) -> None:
    """As written, but for the folder and for the hosts, which are examples."""
    _, _, section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Your own database\n")
    steps = "\n".join(re.findall(r"^ *```sh\n(.*?)```", section.partition("\n## ")[0], re.MULTILINE | re.DOTALL))
    assert [name in steps for name in ("tiering lint", "tiering check", "TIERING_FALLBACK_MANAGER")] == [True] * 3
    there = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_")}
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in there.items())
    steps = re.sub(r"^ *export AIRFLOW_CONN_.*\n(?! *export AIRFLOW_CONN_)", f"{exports}\n", steps, flags=re.MULTILINE)
    steps = steps.replace("/srv/tiering", str(tmp_path / "srv"))
    steps = steps.replace(".venv/bin/tiering", f"{shlex.quote(sys.executable)} -m tiering.cli")
    outside = {name: value for name, value in os.environ.items() if name not in there and "TIERING_" not in name}
    ran = subprocess.run(["bash", "-ec", steps], cwd=ROOT, env=outside, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "2 policies: 0 errors" in ran.stdout
    assert f"{tmp_path}/srv/policies/pyramid.yaml" in ran.stdout
    assert "ok     source" in ran.stdout
    assert "wrong" not in ran.stdout


def test_a_folder_with_other_files_is_not_overwritten_by_the_demo(tmp_path: Path, capsys) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["demo", "--folder", str(tmp_path)]) == 1
    assert "the folder holds other files" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize("arguments", [["demo", "--folder"], ["company"]], ids=lambda arguments: arguments[0])
def test_too_small_a_company_is_refused(arguments: list[str], tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, str(tmp_path / "x"), "--customers", "5"])
    assert stopped.value.code == 2
    assert "the generated company has at least 100 customers" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_settings_have_defaults_that_work() -> None:
    found = read_settings({})
    assert found.reporting_currency == "CNY"
    assert found.source.name == "demo"
