"""Retention: only what the settings no longer keep goes, never what is still needed, and never half of it."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from companies import PUBLISHED, Warehouses, contents, fresh, published, query, warehouses
from test_invariants import broken_invariants

import sql.retention
from sql.connect import Database, connected
from sql.digests import write_digests
from sql.errors import TieringError
from sql.outbox import send_outbox
from sql.retention import Keep, kept_from, prune
from tiering import jobs
from tiering.settings import Settings, read_settings

ZONE = ZoneInfo("Asia/Shanghai")
DAY = date(2026, 3, 15)
NEVER = (
    "tiering.customer_tier",
    "tiering.customer_tier_history",
    "tiering.absence",
    "tiering.tier_change",
    "tiering.run",
    "tiering.policy_version",
    "tiering.tier_definition",
)


def days_of(database: Database, table: str, policy_id: str = "pyramid") -> list[date]:
    """The days of a policy that a table holds rows of."""
    rows = query(
        database, f"SELECT DISTINCT as_of FROM tiering.{table} WHERE policy_id = :policy ORDER BY 1", policy=policy_id
    )
    return [row[0] for row in rows]


def report(database: Database) -> None:
    """Let every run be reported, as the daily mails do."""
    query(database, "UPDATE tiering.run SET digest_id = 'reported' WHERE digest_id IS NULL")


def first_days(database: Database) -> dict[str, date | None]:
    """What kept_from says of the policies."""
    with connected(database, "tests") as connection:
        return {policy_id: kept_from(connection, policy_id) for policy_id in PUBLISHED}


def ledger(database: Database) -> list[tuple[object, ...]]:
    """What tiering.pruning says, without instants."""
    return query(
        database,
        "SELECT pruning_no, what, policy_id, outcome, kept_days, up_to, pruned_on, run_id FROM tiering.pruning "
        "ORDER BY pruning_no, what, policy_id",
    )


def test_decisions_go_but_for_the_day_that_a_fold_begins_on(published: Database) -> None:
    report(published)
    before = contents(published, "tiering")
    # pyramid is published on 30 November, 31 December, 31 January and 28 February: 40 days back is 19 January.
    assert prune(published, Keep(decisions=40), DAY, ZONE)["decisions"] > 0
    assert days_of(published, "decision") == [date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28)]
    assert set(days_of(published, "exclusion")) <= {date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28)}
    assert date(2025, 11, 30) in days_of(published, "score_component"), "components are kept on their own"
    assert days_of(published, "decision", "rfm_555") == sorted(PUBLISHED["rfm_555"]), "22 December is not its day"
    assert days_of(published, "decision", "collection_classes") == [date(2024, 12, 31), date(2025, 12, 31)]
    assert first_days(published) == {
        "pyramid": date(2025, 12, 31),
        "rfm_555": None,
        "collection_classes": None,
    }
    after = contents(published, "tiering")
    assert {name: after[name] for name in NEVER} == {name: before[name] for name in NEVER}
    assert broken_invariants(published) == set()


def test_the_latest_day_stays_however_few_days_are_kept(published: Database) -> None:
    report(published)
    prune(published, Keep(decisions=1, components=1), DAY + timedelta(days=5000), ZONE)
    for policy_id, days in PUBLISHED.items():
        newest_two = sorted(days)[-2:]
        assert days_of(published, "decision", policy_id) == newest_two
        assert days_of(published, "score_component", policy_id) == newest_two


def test_what_no_mail_reported_yet_stays(published: Database) -> None:
    report(published)
    query(
        published,
        "UPDATE tiering.run SET digest_id = NULL WHERE policy_id = 'pyramid' AND as_of = DATE '2025-12-31'",
    )
    prune(published, Keep(decisions=1, components=1), DAY, ZONE)
    everything = sorted(PUBLISHED["pyramid"])
    assert days_of(published, "decision") == everything, "the day before the one to be reported stays, too"
    assert days_of(published, "score_component") == everything


def test_a_second_run_removes_nothing_and_says_so(published: Database) -> None:
    report(published)
    keep = Keep(decisions=40, attempts=1, quarantine=1)
    first = prune(published, keep, DAY, ZONE, "weekly 1")
    before = contents(published, "tiering", "landing", "facts", without=["pruning"])
    second = prune(published, keep, DAY, ZONE, "weekly 2")
    assert contents(published, "tiering", "landing", "facts", without=["pruning"]) == before
    assert first["decisions"] > 0
    assert set(second.values()) == {0}
    rows = ledger(published)
    policies = sorted(PUBLISHED)
    assert [row[:4] for row in rows if row[0] == 2] == [
        (2, "attempts", "-", "noop"),
        *[(2, "decisions", policy_id, "noop") for policy_id in policies],
        (2, "quarantine", "-", "noop"),
    ]
    assert (1, "decisions", "pyramid", "pruned", 40, date(2025, 12, 31), DAY, "weekly 1") in rows
    assert (2, "decisions", "pyramid", "noop", 40, date(2025, 12, 31), DAY, "weekly 2") in rows
    assert (1, "attempts", "-", "noop", 1, DAY - timedelta(days=1), DAY, "weekly 1") in rows
    assert first_days(published)["pyramid"] == date(2025, 12, 31)


def test_what_is_kept_for_ever_is_not_looked_at(published: Database) -> None:
    before = contents(published, "tiering", "landing", "facts")
    assert prune(published, Keep(), DAY, ZONE) == {}
    assert contents(published, "tiering", "landing", "facts") == before


@pytest.mark.parametrize("table", ["exclusion", "score_component"])
def test_killed_in_the_middle_nothing_of_a_policy_is_half_removed(
    published: Database, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(published)
    kept = contents(published, "tiering")
    undisturbed = {"decision", "exclusion", "score_component"}
    real = sql.retention._remove

    def die(connection: object, statement: str, parameters: Mapping[str, object], **names: object) -> int:
        rows = real(connection, statement, parameters, **names)  # type: ignore[arg-type]
        if names.get("table") == table and parameters["policy_id"] == "pyramid":
            raise KeyboardInterrupt
        return rows

    monkeypatch.setattr(sql.retention, "_remove", die)
    keep = Keep(decisions=40, components=40)
    with pytest.raises(KeyboardInterrupt):
        prune(published, keep, DAY, ZONE)
    whole = table == "score_component"  # decisions were done by then
    assert (days_of(published, "decision")[0] == date(2025, 12, 31)) is whole
    assert days_of(published, "score_component")[0] == date(2025, 11, 30)
    assert (first_days(published)["pyramid"] is not None) is whole
    monkeypatch.setattr(sql.retention, "_remove", real)
    prune(published, keep, DAY, ZONE)
    assert days_of(published, "decision") == days_of(published, "score_component") == sorted(PUBLISHED["pyramid"])[1:]
    after = contents(published, "tiering")
    assert all(after[name] == rows for name, rows in kept.items() if name.removeprefix("tiering.") not in
               {*undisturbed, "pruning"})  # fmt: skip


def test_landed_batches_go_when_they_were_loaded_long_ago(published: Database) -> None:
    (batch,) = {row[0] for row in query(published, "SELECT DISTINCT batch_id FROM landing.sales")}
    soon = datetime.now(UTC).date()
    young = f"{soon - timedelta(days=20)}/{soon - timedelta(days=10)}"
    for other in ("2020-01-01/2020-02-01", "2020-02-01/2020-03-01", young):
        query(
            published,
            "INSERT INTO landing.sales (batch_id, position, line_id) VALUES (:batch, 1, 'x')",
            batch=other,
        )
    query(published, "UPDATE work.extraction SET batch_id = '2020-02-01/2020-03-01'")
    assert prune(published, Keep(landing=90), soon, ZONE)["landing"] == 1
    left = {row[0] for row in query(published, "SELECT DISTINCT batch_id FROM landing.sales")}
    assert left == {batch, "2020-02-01/2020-03-01", young}, "one is just loaded, one is in work, one is young"
    later = soon + timedelta(days=100)
    assert prune(published, Keep(landing=90), later, ZONE)["landing"] > 100
    left = {row[0] for row in query(published, "SELECT DISTINCT batch_id FROM landing.sales")}
    assert left == {"2020-02-01/2020-03-01"}
    assert query(published, "SELECT COUNT(*) FROM landing.customers") == [(0,)]
    assert query(published, "SELECT COUNT(*) FROM facts.sales") > [(0,)]


def test_the_newest_try_of_every_run_stays(published: Database) -> None:
    (run_id,) = query(published, "SELECT MIN(run_id) FROM tiering.run_attempt")[0]
    for attempt, started in ((2, "2026-01-01"), (3, "2026-01-02")):
        query(
            published,
            "INSERT INTO tiering.run_attempt (run_id, attempt, started_at) "
            "VALUES (:run, :attempt, CAST(:started AS TIMESTAMPTZ))",
            run=run_id,
            attempt=attempt,
            started=f"{started} 00:00:00+00",
        )
    runs = query(published, "SELECT COUNT(DISTINCT run_id) FROM tiering.run_attempt")
    assert prune(published, Keep(attempts=10), datetime.now(UTC).date() + timedelta(days=30), ZONE) == {"attempts": 2}
    assert query(published, "SELECT attempt FROM tiering.run_attempt WHERE run_id = :run", run=run_id) == [(3,)]
    assert query(published, "SELECT COUNT(DISTINCT run_id) FROM tiering.run_attempt") == runs


def test_measures_go_but_for_the_newest_of_every_grain(published: Database) -> None:
    def kept() -> tuple[set[tuple[object, ...]], set[object]]:
        """Grains and days of the ledger, and the tables of measures."""
        tables = query(
            published,
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'work' "
            "AND (table_name LIKE 'measures%' OR table_name LIKE 'members%')",
        )
        return set(query(published, "SELECT grain, as_of, table_name FROM tiering.measurement")), {
            row[0] for row in tables
        }

    before, tables_before = kept()
    measured = dict(query(published, "SELECT table_name, measured_rows FROM tiering.measurement"))
    newest = {grain: max(day for each, day, _ in before if each == grain) for grain in {row[0] for row in before}}
    assert len(before) > len(newest)
    later = datetime.now(UTC).date() + timedelta(days=40)
    assert prune(published, Keep(measures=41), later, ZONE) == {"measures": 0}
    assert kept() == (before, tables_before)
    removed = sum(measured[table] for grain, day, table in before if day != newest[grain])
    assert prune(published, Keep(measures=35), later, ZONE) == {"measures": removed}
    after, tables_after = kept()
    assert after == {row for row in before if row[1] == newest[row[0]]}
    shorts = {str(table).removeprefix("measures_") for _, _, table in after}
    assert tables_after == {f"{kind}_{short}" for kind in ("measures", "members") for short in shorts}
    assert prune(published, Keep(measures=35), later, ZONE) == {"measures": 0}


def test_bodies_of_mails_go_and_their_hash_stays(fresh: Database) -> None:
    old, new = "2025-01-01 00:00:00+00", "2026-03-01 00:00:00+00"
    mails = {
        "sent": ("sent", old), "filed": ("filed", old), "dead": ("dead", old), "young": ("sent", new),
        "pending": ("pending", old), "uncertain": ("uncertain", old),
        **{f"many{number:03}": ("sent", old) for number in range(105)},
    }  # fmt: skip
    with connected(fresh, "tests") as connection:
        from sqlalchemy import text

        connection.execute(
            text(
                "INSERT INTO tiering.email_outbox "
                "(message_id, digest_id, recipient, subject, message, status, attempts, created_at) VALUES "
                "(:id, 'd', 'a@corp.example', 's', :body, :status, 1, CAST(:at AS TIMESTAMPTZ))"
            ),
            [
                {"id": name, "body": f"Body of {name}", "status": status, "at": at}
                for name, (status, at) in mails.items()
            ],
        )
    assert prune(fresh, Keep(mails=60), DAY, ZONE) == {"mails": 108}
    found = {
        row[0]: row[1:] for row in query(fresh, "SELECT message_id, message, message_sha256 FROM tiering.email_outbox")
    }
    for name in ("sent", "filed", "dead", "many104"):
        assert found[name] == ("", hashlib.sha256(f"Body of {name}".encode()).hexdigest())
    for name in ("young", "pending", "uncertain"):
        assert found[name] == (f"Body of {name}", None)
    assert prune(fresh, Keep(mails=60), DAY, ZONE) == {"mails": 0}


def test_refused_rows_are_emptied_and_still_counted(published: Database) -> None:
    before = query(
        published, "SELECT batch_no, entity, position, rule, customer_id FROM tiering.quarantine ORDER BY 1, 2, 3, 4"
    )
    soon = datetime.now(UTC).date()
    assert prune(published, Keep(quarantine=30), soon, ZONE) == {"quarantine": 0}
    assert prune(published, Keep(quarantine=30), soon + timedelta(days=40), ZONE) == {"quarantine": len(before)}
    assert query(published, "SELECT DISTINCT row_json FROM tiering.quarantine") == [("{}",)]
    after = query(
        published, "SELECT batch_no, entity, position, rule, customer_id FROM tiering.quarantine ORDER BY 1, 2, 3, 4"
    )
    assert after == before
    assert broken_invariants(published) == set()


def test_an_empty_warehouse_is_pruned_of_nothing(fresh: Database) -> None:
    done = jobs.prune(fresh, Settings(), DAY)
    assert done == dict.fromkeys(
        ("decisions", "components", "landing", "attempts", "mails", "quarantine", "measures"), 0
    )
    assert [row[1:4] for row in ledger(fresh)] == [
        (what, "-", "noop") for what in ("attempts", "landing", "mails", "measures", "quarantine")
    ]
    with connected(fresh, "tests") as connection:
        assert kept_from(connection, "pyramid") is None


@pytest.mark.parametrize(("value", "days"), [("30", 30), ("forever", None), ("", None)])
def test_how_long_is_a_setting(value: str, days: int | None) -> None:
    assert read_settings({"TIERING_KEEP_LANDING_DAYS": value}).keep == replace(Settings().keep, landing=days)
    assert Settings().keep == Keep(1830, 1095, 90, 730, 365, 365, 35)


@pytest.mark.parametrize("value", ["0", "-1", "30 days", "1.5", "never", "100000"])
def test_a_number_of_days_is_whole_and_from_one(value: str) -> None:
    with pytest.raises(
        TieringError, match="TIERING_KEEP_MAILS_DAYS: a whole number of days from 1 is needed, or forever"
    ):
        read_settings({"TIERING_KEEP_MAILS_DAYS": value})
