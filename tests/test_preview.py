"""`tiering report` and `tiering mails`: what mails say, again and again, and those that were not sent."""

# ruff: noqa: F811 - fixtures come in by their names

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from email import message_from_bytes, message_from_string, policy
from io import BytesIO
from pathlib import Path

import airflow_case
import pytest
from companies import Warehouses, contents, demo_policies, publish, query, warehouses  # noqa: F401
from openpyxl import load_workbook

from sql.connect import Database, kept_open
from sql.digests import write_digests
from sql.errors import TieringError
from tests.faults.mailbox import Mailbox
from tiering import jobs
from tiering.cli import main
from tiering.settings import read_settings

FIRST, SECOND = date(2025, 12, 31), date(2026, 1, 31)
FALLBACK = "desk@tiering.example"

Report = Callable[..., tuple[int, str, str]]


def write(database: Database, now: datetime | None = None) -> None:
    write_digests(database, currency="CNY", domain="tiering.example", sender="", fallback_address=FALLBACK, today=now)


def begin(database: Database) -> None:
    """rfm_555 on two days, the first told; then a key fact that changed, a row that was refused, and the pyramid."""
    publish(database, demo_policies(), "rfm_555", FIRST)
    write(database)
    query(database, "DELETE FROM tiering.email_outbox")
    counts = ", ".join(["0"] * 8)
    query(
        database,
        f"INSERT INTO tiering.batch SELECT 7, 'sales', '-', '2026-02-01/2026-03-01', DATE '2026-02-01', "
        f"DATE '2026-03-01', {counts}, NULL, TIMESTAMPTZ '2026-03-01 00:00:00+00', "
        "TIMESTAMPTZ '2026-03-01 00:00:00+00', NULL",
    )
    query(
        database,
        "INSERT INTO tiering.quarantine (entity, batch_no, batch_id, position, rule, reason, row_json, customer_id) "
        "SELECT 'sales', 7, '2026-02-01/2026-03-01', 1, 'rate_jump', 'x', '{}', MIN(customer_id) FROM facts.customers",
    )
    query(
        database,
        "INSERT INTO tiering.key_field_change (customer_id, entity, field, before, after, changed_on, batch_no, "
        "batch_id, recorded_at) SELECT MIN(customer_id), 'customers', 'is_blocked', 'false', 'true', "
        "DATE '2026-02-28', 7, '2026-02-01/2026-03-01', TIMESTAMPTZ '2026-03-01 00:00:00+00' FROM facts.customers",
    )
    publish(database, demo_policies(), "rfm_555", SECOND)
    publish(database, demo_policies(), "pyramid", SECOND)


@pytest.fixture
def shown(engine_name: str, warehouses: Warehouses, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """That warehouse on the engine under test, and the connection to it."""
    database = warehouses.changed(engine_name, "shown", begin)
    airflow_case.set_connections(monkeypatch, WAREHOUSE=database)
    monkeypatch.setenv("TIERING_FALLBACK_MANAGER", FALLBACK)
    with kept_open(database):
        yield database
    warehouses.drop(database)


@pytest.fixture
def report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Report:
    """Run `tiering report` into a folder of its own; return its exit code and what it printed."""

    def run(*arguments: str, folder: str = "out") -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["report", "--folder", str(tmp_path / folder), *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def without_pictures(page: str) -> str:
    """A page whose pictures are parts of a mail, or stand in the page where it is a file."""
    return re.sub(r'src="[^"]*"', 'src=""', page)


def bodies(database: Database) -> dict[str, tuple[str, str]]:
    """The text and the page of every mail in the outbox by its manager."""
    found = {}
    for manager_id, message in query(database, "SELECT account_manager_id, message FROM tiering.email_outbox"):
        mail = message_from_string(message, policy=policy.default)
        team = "-team" if re.match(r"Tiers of your team|团队客户分级", mail["Subject"]) else ""
        plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert plain is not None
        assert html is not None
        found[(manager_id or "fallback") + team] = plain.get_content(), without_pictures(html.get_content())
    return found


def files(folder: Path) -> dict[str, tuple[str, str]]:
    """The same of the files of a preview."""
    return {
        path.stem.partition("-")[2].partition("-")[2].partition("-")[2]: (
            path.read_bytes().decode(),
            without_pictures(path.with_suffix(".html").read_bytes().decode()),
        )
        for path in folder.glob("*.txt")
    }


def test_the_preview_is_what_the_mails_say_before_they_are_written_and_after(
    shown: Database, report: Report, tmp_path: Path
) -> None:
    before = contents(shown, "tiering", "facts", "work")
    code, out, err = report()
    assert (code, err) == (0, "")
    assert contents(shown, "tiering", "facts", "work") == before, "nothing is written"
    previewed = files(tmp_path / "out")
    write(shown)
    told = bodies(shown)
    assert len(told) > 3
    assert sum("rate_jump" in text for text, _ in told.values()) == 1
    assert sum("2026-02-01/2026-03-01" in text for text, _ in told.values()) == 1, "a key fact, with its batch"
    assert previewed.keys() == told.keys()
    for name, mail in told.items():
        assert previewed[name] == mail, name
    assert f"{SECOND}: {len(told)} mails in {tmp_path / 'out'}" in out
    after = contents(shown, "tiering")
    assert report(folder="again")[0] == 0
    assert files(tmp_path / "again") == told, "told already, and shown all the same"
    assert contents(shown, "tiering") == after
    assert query(shown, "SELECT DISTINCT status FROM tiering.email_outbox") == [("pending",)]


def test_a_manager_s_mail_is_four_files_in_the_language_that_is_asked_for(
    shown: Database, report: Report, tmp_path: Path
) -> None:
    write(shown)
    manager = next(name for name in sorted(bodies(shown)) if name.startswith("R"))
    code, out, err = report("--manager", manager, "--as-of", str(SECOND), "--language", "zh")
    assert (code, err) == (0, "")
    made = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in made] == [f"{SECOND}-{manager}.{kind}" for kind in ("eml", "html", "txt", "xlsx")]
    assert out.splitlines() == [str(made[1])]
    mail = message_from_bytes(made[0].read_bytes(), policy=policy.default)
    assert "客户" in mail["Subject"]
    assert "客户" in made[2].read_text(encoding="utf-8")
    assert load_workbook(BytesIO(made[3].read_bytes())).sheetnames[0] == "等级变动客户"
    assert report("--manager", manager, "--language", "en", folder="en")[0] == 0
    assert "客户等级" not in (tmp_path / "en" / f"{SECOND}-{manager}.txt").read_text(encoding="utf-8")


def test_one_policy_or_another_day_can_be_told(shown: Database, report: Report, tmp_path: Path) -> None:
    titles = {name: str(each.title["en"]) for name, each in demo_policies().items()}
    assert report("--policy", "pyramid", "--language", "en", folder="one")[0] == 0
    one = "".join(text for text, _ in files(tmp_path / "one").values())
    assert titles["pyramid"] in one
    assert titles["rfm_555"] not in one
    code, out, _ = report("--as-of", str(FIRST), "--language", "en", folder="first")
    assert code == 0
    first = files(tmp_path / "first")
    assert all("December 31, 2025" in text for text, _ in first.values())
    assert f"{FIRST}: {len(first)} mails" in out
    assert report("--manager", "fallback", folder="nobody")[0] == 0
    assert set(files(tmp_path / "nobody")) == {"fallback"}


def test_what_cannot_be_told_is_one_line_and_exit_code_2(shown: Database, report: Report, tmp_path: Path) -> None:
    (manager,) = query(shown, "SELECT MIN(account_manager_id) FROM facts.account_managers")[0]
    for arguments, says in {
        ("--manager", f"{manager}x"): f"there is no account manager {manager}x; did you mean {manager}",
        ("--manager", "@@@"): "there is no account manager @@@; known are account managers such as ",
        ("--as-of", "2026-01-15"): (
            "mails: no tiers are published as of 2026-01-15; the nearest published days are 2025-12-31 and 2026-01-31"
        ),
        ("--as-of", "2026-01-30", "--policy", "pyramid"): (
            "policy pyramid: no tiers are published as of 2026-01-30; the nearest published days are 2026-01-31"
        ),
        ("--policy", "pyramids"): "policy pyramids: it is not published; did you mean pyramid?",
    }.items():
        code, out, err = report(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith(f"tiering: {says}")
        assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").write_text("mine")
    code, _, err = report()
    assert (code, err) == (2, f"tiering: --folder: {tmp_path / 'out'} is a file; name a folder\n")


def test_a_warehouse_without_tables_or_publications_says_so(
    warehouses: Warehouses, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    for made, says in ((warehouses.new("duckdb"), "there is no file"), (warehouses.empty("duckdb"), "no policy is")):
        airflow_case.set_connections(monkeypatch, WAREHOUSE=made)
        code, out, err = report()
        assert (code, out) == (2, "")
        assert says in err
        warehouses.drop(made)


def test_a_manager_with_nothing_to_hear_has_no_mail(shown: Database, report: Report, tmp_path: Path) -> None:
    query(shown, "INSERT INTO facts.account_managers (account_manager_id, name, email, batch_no) "
          "VALUES ('IDLE', 'Idle', 'idle@corp.example', 0)")  # fmt: skip
    assert report("--manager", "IDLE") == (0, f"IDLE has no mail over {SECOND}\n", "")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("asked", [["--manager", "fallback"], []])
def test_the_page_or_the_folder_opens_in_the_browser(asked: list[str], warehouses: Warehouses, tmp_path: Path) -> None:
    database = warehouses.changed("duckdb", "shown", begin)
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    script.chmod(0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TIERING_")},
        "BROWSER": f"{script} %s",
        "AIRFLOW_CONN_TIERING_WAREHOUSE": airflow_case.connection_to(database),
    }
    command = [sys.executable, "-m", "tiering.cli", "report", *asked, "--open"]
    where = {"cwd": tmp_path, "env": {**environment, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **where)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    opened = (tmp_path / "opened").read_text().strip()
    page = tmp_path / "report" / f"{SECOND}-fallback.html"
    assert page.is_file()
    assert opened == (page if asked else page.parent).as_uri()
    warehouses.drop(database)


# ---- the mails that were not sent


def mails(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["mails", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_mails_that_were_not_sent_are_listed_and_dead_ones_put_back(
    shown: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(shown, datetime(2026, 2, 2, 7, tzinfo=UTC))
    identities = [row[0] for row in query(shown, "SELECT message_id FROM tiering.email_outbox ORDER BY 1")]
    dead, sent, nowhere, pruned = identities[:4]
    query(shown, "UPDATE tiering.email_outbox SET status = 'dead', attempts = 10, resent = 2, error = '550 [no] user' "
          "WHERE message_id = :id", id=dead)  # fmt: skip
    query(shown, "UPDATE tiering.email_outbox SET status = 'sent' WHERE message_id = :id", id=sent)
    query(shown, "UPDATE tiering.email_outbox SET status = 'dead', recipient = '' WHERE message_id = :id", id=nowhere)
    query(shown, "UPDATE tiering.email_outbox SET status = 'dead', message = '' WHERE message_id = :id", id=pruned)
    ((address,),) = query(shown, "SELECT recipient FROM tiering.email_outbox WHERE message_id = :id", id=dead)
    code, out, err = mails(capsys)
    assert (code, err) == (0, "")
    assert f"{dead.strip('<>')}: dead, tries 10, sent again 2 times\n  to {address}, written 2026-02-02 15:00" in out
    assert "  550 [no] user\n" in out
    assert "  to (no address)" in out
    assert sent.strip("<>") not in out
    assert out.endswith(f"pending {len(identities) - 4}, dead 3\n")
    for wrong, says in {
        "nothing@x": "there is no mail <nothing@x>; tiering mails lists those that were not sent",
        sent: f"mail {sent} is sent, and only a dead one is put back",
        nowhere: f"mail {nowhere} has no address; set TIERING_FALLBACK_MANAGER for the next ones",
        pruned: f"the body of mail {pruned} was removed by the retention; it cannot be sent",
    }.items():
        assert mails(capsys, "--retry", dead, "--retry", wrong) == (1, "", f"tiering: {says}\n")
    assert query(shown, "SELECT status FROM tiering.email_outbox WHERE message_id = :id", id=dead) == [("dead",)]
    code, out, _ = mails(capsys, "--retry", dead.strip("<>"))
    assert code == 0
    assert out.startswith("put back: 1; the next run of tier_reports sends them\n")
    row = "SELECT status, attempts, resent FROM tiering.email_outbox WHERE message_id = :id"
    assert query(shown, row, id=dead) == [("uncertain", 0, 2)], "it may have come before"
    settings = read_settings({"TIERING_MAIL_DIR": str(tmp_path / "mail")})
    assert jobs.send_reports(shown, settings, None) == {"filed": len(identities) - 3}
    query(shown, "UPDATE tiering.email_outbox SET status = 'filed'")
    assert mails(capsys) == (0, "every mail is sent\n", "")


# ---- the limit of the sender


def test_the_rate_of_sending_is_a_whole_number_or_none() -> None:
    assert read_settings({}).mails_per_minute is None
    assert read_settings({"TIERING_MAILS_PER_MINUTE": ""}).mails_per_minute is None
    assert read_settings({"TIERING_MAILS_PER_MINUTE": "90"}).mails_per_minute == 90
    for wrong in ("0", "-1", "1.5", "many"):
        with pytest.raises(TieringError, match="TIERING_MAILS_PER_MINUTE: a whole number from 1"):
            read_settings({"TIERING_MAILS_PER_MINUTE": wrong})


def test_the_job_sends_at_the_rate_of_the_settings(
    warehouses: Warehouses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("sql.outbox.Pace.pause", lambda pace: asked.append(pace.per_minute) or 0)
    database = warehouses.changed("duckdb", "shown", begin)
    write(database)
    box = Mailbox()
    try:
        jobs.send_reports(database, read_settings({"TIERING_MAILS_PER_MINUTE": "90"}), box.server)
    finally:
        box.close()
        warehouses.drop(database)
    assert set(asked) == {90}
