"""The job survives anything: a fault at any moment leaves the old or the new state, and one more run ends it right.

Faults are injected from outside, on a real PostgreSQL, a real mail server and DuckDB: `tests/faults` has the harness.
Here is a part of them that is chosen without chance; `make faults` injects all.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sql.connect import Database, Session
from tests.cluster import plain_client
from tests.faults.mailbox import Mailbox
from tests.faults.oracle import State, broken_invariants, differences, read_schema, read_state, torn
from tests.faults.proxy import Proxy
from tests.faults.steps import BUILD, LOAD, PREPARE, ROOT, STEPS
from tests.faults.suite import DURABLE, FAST, Suite
from tests.faults.tripwire import Fault, written_table
from tests.faults.workers import Order, Outcome, Process

WHOLE = os.environ.get("FAULTS") == "all"
pytestmark = [pytest.mark.postgres, pytest.mark.timeout(7200 if WHOLE else 300)]

KILLS = {
    "extract": 1,
    "validate": 1,
    "load": 2,
    "put people into force": 1,
    "measure": 1,
    "decide": 1,
    "publish": 6,
    "publish the past": 1,
    "watch credit": 1,
    "follow up": 1,
    "write reports": 1,
    "send reports": 3,
    "prune": 1,
}
"""How many kills of each step the bounded part has, beside those around the last COMMIT."""

PART = tuple(step for step in STEPS if not step.endswith((" again", " the year", " by many")))
"""The steps of the bounded part: what restates a day, what asks people and what many decide is in the whole alone."""

QUICK = Session(lock_seconds=20, idle_seconds=2)
"""A session whose server soon ends a transaction that nobody goes on with."""


class Tally:
    """Counts the faults of a test, and keeps what each left wrong."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self.kinds: dict[str, int] = {}
        self.wrong: list[str] = []
        self.said = {"kinds": self.kinds, "wrong": 0}
        record("faults", self.said)

    def add(self, kind: str, where: str, complaints: list[str]) -> None:
        """Count one fault of a kind; `complaints` is empty when nothing is wrong."""
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if complaints:
            self.said["wrong"] = int(str(self.said["wrong"])) + 1
            self.wrong += [f"{kind}, {where}: {complaint}" for complaint in complaints]

    def close(self) -> None:
        """Fail with every complaint."""
        assert not self.wrong, f"{self.said['wrong']} faults left something wrong:\n" + "\n".join(self.wrong[:40])


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    return Tally(record_property)


@pytest.fixture(scope="module")
def suite() -> Iterator[Suite]:
    made = Suite(steps=tuple(STEPS) if WHOLE else PART)
    yield made
    made.close()


def spread(number: int, most: int) -> list[int]:
    """At most `most` numbers from 1 to `number`, the first and the last among them, evenly spread."""
    if most >= number:
        return list(range(1, number + 1))
    if most == 1:
        return [number // 2 + 1]
    return sorted({1 + round(place * (number - 1) / (most - 1)) for place in range(most)})


def last(suite: Suite, step: str, pattern: str) -> int:
    """The number of the last operation of a step that matches."""
    return max(point.at for point in suite.points[step] if re.search(pattern, point.label, re.IGNORECASE))


def first(suite: Suite, step: str, pattern: str) -> int:
    """The number of the first operation of a step that matches."""
    return min(point.at for point in suite.points[step] if re.search(pattern, point.label, re.IGNORECASE))


def kills_of(suite: Suite, step: str) -> list[tuple[int, str]]:
    """Where a step is killed: before every operation, after each COMMIT and the last one; or a part of these.

    Between two operations nothing reaches the server: after one is before the next.
    """
    number = len(suite.points[step])
    if WHOLE:
        ends = {number, *(point.at for point in suite.points[step] if point.label.startswith("COMMIT"))}
        return sorted([(at, "before") for at in range(1, number + 1)] + [(at, "after") for at in ends])
    chosen = [(at, "before" if place % 2 else "after") for place, at in enumerate(spread(number, KILLS.get(step, 0)))]
    if step in ("load", "publish"):
        commit = last(suite, step, "^COMMIT")
        chosen += [(commit, "before"), (commit, "after")]
    return sorted(set(chosen))


@pytest.mark.parametrize("step", [step for step in STEPS if WHOLE or step in KILLS])
def test_kill_9_before_and_after_a_statement(step: str, suite: Suite, tally: Tally) -> None:
    for place, (at, when) in enumerate(kills_of(suite, step)):
        point = suite.points[step][at - 1]
        complaints = suite.inject(
            step,
            (Fault(at, "kill", when),),
            further=place % 4 == 0,
            to_the_end=WHOLE and place % 25 == 12,
        )
        tally.add("kill -9 at a statement", f"{step}, {when} operation {at}, {point.label}", complaints)
    tally.close()


def test_kill_9_while_the_schema_is_made(suite: Suite, tally: Tally) -> None:
    with suite.empty() as database:
        seen = suite.must(Order(PREPARE, suite.world(database))).seen
        wanted = read_schema(database)
    commit = max(at for at, label in enumerate(seen, 1) if label == "COMMIT")
    chosen = [(at, "before") for at in spread(len(seen), 30)] if WHOLE else []
    for at, when in [*chosen, (commit, "before"), (commit, "after")]:
        with suite.empty() as database:
            suite.workers.run(Order(PREPARE, suite.world(database), (Fault(at, "kill", when),)))
            found = read_schema(database)
            complaints = [] if not found or found == wanted else differences({"schema": wanted}, {"schema": found})
            for _ in range(2):
                suite.must(Order(PREPARE, suite.world(database)))
                complaints += differences({"schema": wanted}, {"schema": read_schema(database)})
        tally.add("kill -9 at a statement", f"{PREPARE}, {when} operation {at}, {seen[at - 1]}", complaints)
    tally.close()


@pytest.mark.skipif(not WHOLE, reason="Great Expectations takes seconds for each: make faults")
def test_kill_9_while_great_expectations_evaluates(suite: Suite, tally: Tally) -> None:
    with suite.at("validate") as database:
        seen = suite.must(Order("validate", suite.world(database))).seen
    for at in spread(len(seen), 40):
        complaints = suite.inject("validate", (Fault(at, "kill"),), evaluate=True)
        tally.add("kill -9 at a statement", f"validate, operation {at}, {seen[at - 1]}", complaints)
    tally.close()


@pytest.mark.parametrize("step", list(STEPS) if WHOLE else ["publish"])
def test_an_interrupt_undoes_the_transaction(step: str, suite: Suite, tally: Tally) -> None:
    number = len(suite.points[step])
    for at in range(1, number + 1, 5) if WHOLE else [number * 2 // 3]:
        complaints = suite.inject(step, (Fault(at, "interrupt"),), further=False)
        tally.add("SIGINT", f"{step}, operation {at}, {suite.points[step][at - 1].label}", complaints)
    tally.close()


# The connection and the server.


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("step", list(STEPS) if WHOLE else ["publish"])
def test_a_connection_lost_around_a_commit(step: str, cut: str, suite: Suite, tally: Tally) -> None:
    commits = sum(point.label == "COMMIT" for point in suite.points[step])
    for turn in range(1, commits + 1):
        suite.mailbox.empty()
        with suite.at(step) as database, cut_wire(suite, cut, turn) as wire:
            through = replace(database, port=wire.port)
            done = suite.workers.run(Order(step, suite.world(through), evaluate=False))
            if not wire.has_cut.is_set():  # the rest is said to the source
                assert turn > 1, f"{step}: no COMMIT came"
                break
            complaints = ends_by_itself(step, done) + suite.check_now(step, database)
            complaints += suite.check_again(step, database, further=True, to_the_end=False)
        tally.add(f"connection lost {cut} a COMMIT", f"{step}, COMMIT {turn}", complaints)
    tally.close()


def ends_by_itself(step: str, done: Outcome) -> list[str]:
    """Steps run again by themselves after what passes; a sender does not."""
    by_itself = step != "send reports"
    return [f"it {done.how}: {done.value}"] if by_itself and done.how != "done" else []


@contextmanager
def cut_wire(suite: Suite, cut: str, turn: int) -> Iterator[Proxy]:
    assert suite.cluster is not None
    wire = Proxy(suite.cluster.port, cut, turn)
    try:
        yield wire
    finally:
        wire.close()


def test_a_peer_that_vanished_keeps_its_lock_no_longer_than_the_bound(suite: Suite, tally: Tally) -> None:
    with suite.bounded(QUICK), suite.at("publish") as database, cut_wire(suite, "silent", 1) as wire:
        lost = suite.workers.start(Order("publish", suite.world(replace(database, port=wire.port))))
        assert wire.has_cut.wait(30)
        complaints = suite.check_now("publish", database)
        complaints += suite.check_again("publish", database, further=True, to_the_end=False)
        lost.kill()
        lost.wait()
    tally.add("half-open connection", "publish, silent at its COMMIT", complaints)
    tally.close()


CRASHES: dict[str, Callable[[Any], None]] = {
    "kill -9 of the server": lambda cluster: cluster.kill(),
    "restart -m immediate": lambda cluster: cluster.stop("immediate"),
    "restart -m fast": lambda cluster: cluster.stop("fast"),
}


@pytest.mark.parametrize("step", list(STEPS) if WHOLE else ["publish"])
def test_the_server_ends_in_the_middle_of_a_transaction(step: str, suite: Suite, tally: Tally) -> None:
    cluster = suite.cluster
    assert cluster is not None

    def fall(crash: str) -> Callable[[Database, Process], None]:
        def now(_: Database, __: Process) -> None:
            CRASHES[crash](cluster)
            cluster.start()

        return now

    cluster.stop("fast")
    cluster.options = DURABLE
    cluster.start()
    try:
        chosen = spread(len(suite.points[step]), 6) if WHOLE else [last(suite, step, "^COMMIT")]
        for at, crash in itertools.product(chosen, CRASHES):
            complaints = suite.meet(step, at, fall(crash))
            tally.add(crash, f"{step}, operation {at}, {suite.points[step][at - 1].label}", complaints)
    finally:
        cluster.stop("fast")
        cluster.options = FAST
        cluster.start()
    tally.close()


def terminate(database: Database, _: Process) -> None:
    """End every session in a database."""
    with plain_client(replace(database, name="postgres"), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database.name,))


@pytest.mark.parametrize("step", list(STEPS) if WHOLE else ["publish"])
def test_a_session_is_terminated(step: str, suite: Suite, tally: Tally) -> None:
    number = len(suite.points[step])
    for at in range(1, number + 1, 3) if WHOLE else [number * 3 // 4]:
        complaints = suite.meet(step, at, terminate)
        tally.add("pg_terminate_backend", f"{step}, operation {at}, {suite.points[step][at - 1].label}", complaints)
    tally.close()


# Locks.


def statement_that_waits(database: Database, *, but: int) -> int:
    """Wait until a session of a database waits for a lock; return its process id."""
    deadline = time.monotonic() + 20
    with plain_client(database, autocommit=True) as other:
        while time.monotonic() < deadline:
            row = other.execute(
                "SELECT locks.pid FROM pg_locks AS locks JOIN pg_stat_activity AS activity USING (pid) "
                "WHERE NOT locks.granted AND activity.datname = %s AND locks.pid <> %s",
                (database.name, but),
            ).fetchone()
            if row:
                return int(str(row[0]))
            time.sleep(0.01)
    raise TimeoutError("nobody waits for a lock")


def written_by(suite: Suite, step: str) -> list[str]:
    """The standing tables that a step writes, in the order of its first write, but for the list of tries."""
    tables = [written_table(point.label) or "" for point in suite.points[step]]
    named = [table for table in tables if table.startswith(("tiering.", "facts.")) and "attempt" not in table]
    return list(dict.fromkeys(named))


def hold(database: Database, table: str, mode: str) -> psycopg.Connection[Any]:
    """Lock a table as a foreign session until its connection is closed."""
    foreign = plain_client(database)
    foreign.execute("SET deadlock_timeout = '100s'")
    foreign.execute(f"LOCK TABLE {table} IN {mode} MODE")  # type: ignore[arg-type]
    return foreign


@pytest.mark.parametrize("step", ["publish", "publish the past", "load"] if WHOLE else ["publish"])
def test_a_deadlock_with_a_foreign_session_is_run_again(step: str, suite: Suite, tally: Tally) -> None:
    early, *_, late = written_by(suite, step)
    at = last(suite, step, rf"^(INSERT INTO|COPY|UPDATE|DELETE FROM) {early}\b")
    # What it wrote it holds; what it will write is held by the other; the other wants what it holds.
    with suite.at(step) as database:
        order = Order(step, suite.world(database), (Fault(at, "stop", "after"),), evaluate=False)
        process = suite.workers.start(order)
        assert process.wait_for_stop()
        foreign = hold(database, late, "SHARE ROW EXCLUSIVE")
        pid = foreign.info.backend_pid
        script = f"LOCK TABLE {early} IN SHARE ROW EXCLUSIVE MODE"
        other = threading.Thread(target=lambda: (foreign.execute(script), foreign.rollback()))  # type: ignore[arg-type]
        other.start()
        process.go_on()
        done = process.wait()
        other.join(30)
        assert not other.is_alive()
        foreign.close()
        complaints = ends_by_itself(step, done) + suite.check_now(step, database)
        deadlocks = deadlocks_of(database)
        complaints += [] if deadlocks else [f"there was no deadlock with process {pid} between {early} and {late}"]
        complaints += suite.check_again(step, database, further=True, to_the_end=False)
    tally.add("deadlock", step, complaints)
    tally.close()


def deadlocks_of(database: Database) -> int:
    """The deadlocks that the server counted in a database; it says so up to a second later."""
    deadline = time.monotonic() + 5
    with plain_client(database, autocommit=True) as other:
        while True:
            row = other.execute(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = %s", (database.name,)
            ).fetchone()
            if (row and row[0]) or time.monotonic() > deadline:
                return int(str(row[0])) if row else 0
            time.sleep(0.1)


@pytest.mark.parametrize("step", ["publish", "publish the past", "load", "write reports"] if WHOLE else ["publish"])
def test_a_lock_time_out_names_who_holds_the_lock(step: str, suite: Suite, tally: Tally) -> None:
    for table in written_by(suite, step) if WHOLE else written_by(suite, step)[-1:]:
        with suite.bounded(Session(lock_seconds=1)), suite.at(step) as database:
            with hold(database, table, "ACCESS EXCLUSIVE") as foreign:
                done = suite.workers.run(Order(step, suite.world(database), evaluate=False))
                pid = foreign.info.backend_pid
            complaints = [] if done.how == "failed" else [f"it {done.how} though {table} is locked"]
            said = str(done.value).partition("\n")[0]
            complaints += [] if str(pid) in said else [f"it does not name process {pid}: {said}"]
            complaints += suite.check_now(step, database)
            complaints += suite.check_again(step, database, further=True, to_the_end=False)
        tally.add("lock time-out", f"{step}, {table}", complaints)
    tally.close()


def test_a_statement_that_is_cancelled(suite: Suite, tally: Tally) -> None:
    tables = written_by(suite, "publish")
    for table in tables if WHOLE else tables[-1:]:
        with suite.at("publish") as database:
            foreign = hold(database, table, "ACCESS EXCLUSIVE")
            process = suite.workers.start(Order("publish", suite.world(database)))
            waiting = statement_that_waits(database, but=foreign.info.backend_pid)
            with plain_client(database, autocommit=True) as other:
                other.execute("SELECT pg_cancel_backend(%s)", (waiting,))
            foreign.close()
            done = process.wait()
            complaints = [] if done.how == "failed" else [f"it {done.how} though it was cancelled"]
            complaints += suite.check_now("publish", database)
            complaints += suite.check_again("publish", database, further=True, to_the_end=False)
        tally.add("pg_cancel_backend", f"publish, {table}", complaints)
    tally.close()


# Tries that overtake each other.


def test_a_try_frozen_in_its_transaction_is_overtaken_and_writes_nothing(suite: Suite, tally: Tally) -> None:
    number = len(suite.points["publish"])
    for at in spread(number, 12) if WHOLE else [number * 2 // 3]:
        for decides_anew in (False, True) if WHOLE else (True,):
            with suite.bounded(QUICK), suite.at("publish") as database:
                frozen = suite.workers.start(Order("publish", suite.world(database), (Fault(at, "stop"),)))
                assert frozen.wait_for_stop()
                said = {}
                if decides_anew:
                    said["decide"] = suite.must(Order("decide", suite.world(database))).value
                retry = suite.workers.run(Order("publish", suite.world(database, **said)))
                complaints = [] if retry.how == "done" else [f"the retry {retry.how}: {retry.value}"]
                after_retry = read_state(database).tables
                frozen.go_on()
                frozen.wait()
                after_frozen = read_state(database).tables
                if decides_anew:  # a try with another number has nothing to say at all
                    complaints += [f"the frozen try wrote: {line}" for line in differences(after_retry, after_frozen)]
                complaints += suite.check_now("publish", database)
                complaints += suite.check_again("publish", database, further=True, to_the_end=False, **said)
                complaints += published_once(database)
            tally.add("frozen try in its transaction", f"publish, operation {at}, anew {decides_anew}", complaints)
    tally.close()


def published_once(database: Database) -> list[str]:
    """One line per run that two tries have published."""
    with plain_client(database) as connection:
        rows = connection.execute(
            "SELECT run_id, COUNT(*) FROM tiering.run_attempt WHERE outcome = 'published' "
            "GROUP BY run_id HAVING COUNT(*) > 1"
        ).fetchall()
    return [f"run {run_id} was published by {tries} tries" for run_id, tries in rows]


def test_a_try_frozen_between_transactions_is_refused_by_the_fence(suite: Suite, tally: Tally) -> None:
    with suite.at("publish") as database:
        frozen = suite.workers.start(Order("publish", suite.world(database), (Fault(1, "stop"),)))
        assert frozen.wait_for_stop()
        newer = suite.must(Order("decide", suite.world(database))).value
        frozen.go_on()
        stale = frozen.wait()
        complaints = [] if stale.how == "failed" and "stale" in stale.value else [f"the old try {stale.how}"]
        complaints += [f"the old try wrote: {line}" for line in is_old(suite, "publish", database)]
        suite.must(Order("publish", suite.world(database, decide=newer)))
        complaints += suite.check_now("publish", database) + is_new(suite, "publish", database)
    tally.add("frozen try between transactions", "publish, a newer try has decided", complaints)
    with suite.at("publish") as database:
        frozen = suite.workers.start(Order("publish", suite.world(database), (Fault(1, "stop"),)))
        assert frozen.wait_for_stop()
        newer = suite.must(Order("decide", suite.world(database))).value
        suite.must(Order("publish", suite.world(database, decide=newer)))
        frozen.go_on()
        stale = frozen.wait()
        complaints = [] if stale.how == "failed" or stale.value["status"] == "noop" else ["the old try published"]
        complaints += suite.check_now("publish", database) + is_new(suite, "publish", database)
    tally.add("frozen try between transactions", "publish, a newer try has published", complaints)
    tally.close()


def is_old(suite: Suite, step: str, database: Database) -> list[str]:
    """What differs from the state before a step."""
    return differences(suite.states[step].standing(), read_state(database).standing())


def is_new(suite: Suite, step: str, database: Database) -> list[str]:
    """What differs from the state after a step."""
    return differences(suite.states[suite.after(step)].standing(), read_state(database).standing())


def test_two_runs_of_one_key_at_once(suite: Suite, tally: Tally) -> None:
    for at in spread(len(suite.points["publish"]), 12 if WHOLE else 1):
        with suite.at("publish") as database:
            one = suite.workers.start(Order("publish", suite.world(database), (Fault(at, "stop"),)))
            assert one.wait_for_stop()
            other = suite.workers.start(Order("publish", suite.world(database)))
            other.is_over_within(0.2)
            one.go_on()
            ends = [one.wait(), other.wait()]
            complaints = [f"one {end.how}: {end.value}" for end in ends if end.how != "done"]
            statuses = sorted(end.value["status"] for end in ends if end.how == "done")
            complaints += [] if statuses == ["noop", "published"] else [f"they ended {statuses}"]
            complaints += suite.check_now("publish", database) + is_new(suite, "publish", database)
        tally.add("two runs of one key", f"publish, one at operation {at}", complaints)
    for _ in range(10 if WHOLE else 1):
        with suite.at("decide") as database:
            deciders = [suite.workers.start(Order("decide", suite.world(database))) for _ in range(2)]
            said = [decider.wait() for decider in deciders]
            complaints = [f"decide {end.how}: {end.value}" for end in said if end.how != "done"]
            if not complaints:
                worlds = [suite.world(database, decide=end.value) for end in said]
                publishers = [suite.workers.start(Order("publish", world)) for world in worlds]
                ends = [publisher.wait() for publisher in publishers]
                published = [end for end in ends if end.how == "done" and end.value["status"] == "published"]
                complaints += [] if len(published) == 1 else [f"{len(published)} tries published"]
                complaints += is_new(suite, "publish", database) + broken_invariants(database)
        tally.add("two runs of one key", "decide and publish, both at once", complaints)
    tally.close()


def test_two_days_at_once_end_as_one_after_the_other(suite: Suite, tally: Tally) -> None:
    names = ("", " the past")

    def decided(database: Database) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for name in names:
            said[f"measure{name}"] = suite.must(Order(f"measure{name}", suite.world(database, **said))).value
            said[f"decide{name}"] = suite.must(Order(f"decide{name}", suite.world(database, **said))).value
        return said

    with suite.at("measure") as staged:
        said = decided(staged)
        wanted: State | None = None
        for place, at in enumerate([0, *spread(len(suite.points["publish"]), 12 if WHOLE else 1)]):
            database = suite._new(f"days_{place}", staged)
            if wanted is None:  # one after the other
                for name in names:
                    suite.must(Order(f"publish{name}", suite.world(database, **said)))
                wanted = read_state(database)
            else:
                one = suite.workers.start(Order("publish", suite.world(database, **said), (Fault(at, "stop"),)))
                assert one.wait_for_stop()
                other = suite.workers.start(Order("publish the past", suite.world(database, **said)))
                other.is_over_within(0.2)
                one.go_on()
                ends = [one.wait(), other.wait()]
                complaints = [f"one {end.how}: {end.value}" for end in ends if end.how != "done"]
                complaints += differences(wanted.standing(), read_state(database).standing())
                complaints += broken_invariants(database)
                tally.add("two days at once", f"the newest at operation {at}", complaints)
            suite._drop(database)
    tally.close()


# The disk.


SPACES: dict[str, Sequence[int]] = (
    {"load": range(0, 800, 50), "publish": range(0, 800, 50), "decide": range(0, 200, 50)}
    if WHOLE
    else {"load": [100], "publish": [40]}
)
"""How many kilobytes a disk has left while a step runs."""


@contextmanager
def small_disk(suite: Suite) -> Iterator[Path]:
    """A tablespace named tiny on a disk of 96 MB; yields the disk, which the test may fill."""
    cluster = suite.cluster
    assert cluster is not None
    disk = cluster.folder / "tiny"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk: mount is refused ({mounted.stderr.decode().strip()})")
    try:
        (disk / "space").mkdir(mode=0o700)
        shutil.chown(disk / "space", "postgres")
        cluster.execute(f"CREATE TABLESPACE tiny LOCATION '{disk / 'space'}'")
        try:
            yield disk
        finally:
            cluster.execute("DROP TABLESPACE tiny")
    finally:
        # A process of the server may still hold a file of the dropped tablespace: the disk goes when it lets go.
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
        disk.rmdir()


@pytest.mark.parametrize(("step", "spaces"), SPACES.items())
def test_a_full_disk(step: str, spaces: Sequence[int], suite: Suite, tally: Tally) -> None:
    cluster = suite.cluster
    assert cluster is not None
    with small_disk(suite) as disk:
        for space in spaces:
            database = cluster.named(f"copy_{next(suite.numbers)}")
            cluster.execute(f"CREATE DATABASE {database.name} TEMPLATE {suite.before[step].name} TABLESPACE tiny")
            plain_client(database).close()  # the first session of a database writes a file of its own
            cluster.execute("CHECKPOINT")
            free = os.statvfs(disk)
            try:
                (disk / "ballast").write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - space * 1024)))
                done = suite.workers.run(Order(step, suite.world(database), evaluate=False))
            finally:
                (disk / "ballast").unlink()
            complaints = [] if done.how == "done" or "53100" in done.value else [f"it failed: {done.value}"]
            complaints += suite.check_now(step, database)
            complaints += suite.check_again(step, database, further=False, to_the_end=False)
            suite._drop(database)
            if done.how == "failed" or complaints:  # elsewhere the space was enough
                tally.add("full disk", f"{step}, {space} kB left", complaints)
    tally.close()
    assert tally.kinds.get("full disk"), "no disk was full"


# Mails.


def recipients(suite: Suite) -> list[str]:
    """Who is written to, in the order of sending."""
    with plain_client(suite.before["send reports"]) as connection:
        rows = connection.execute(
            "SELECT recipient FROM tiering.email_outbox WHERE status = 'pending' ORDER BY created_at, message_id"
        ).fetchall()
    return [str(row[0]) for row in rows]


# What the server says in turn; how often a mail may arrive; what status that mail ends with; runs that are needed.
SERVERS: dict[str, tuple[Callable[[list[str]], dict[str, list[str]]], int, str, int]] = {
    "one recipient refused among others": (lambda who: {f"RCPT {who[1]}": ["550 no such user"]}, 1, "dead", 1),
    "message refused as too big": (lambda who: {"DATA": ["552 too big"]}, 1, "dead", 1),
    "451 for a recipient, then 250": (lambda who: {f"RCPT {who[0]}": ["451 come back"]}, 1, "sent", 2),
    "451 for a message twice, then 250": (lambda who: {"DATA": ["451 busy"] * (len(who) + 1)}, 1, "sent", 3),
    "server drops after the dot": (lambda who: {"DATA": ["250 kept", "drop"]}, 1, "sent", 2),
    "server keeps the message and drops": (lambda who: {"DATA": ["250 kept", "keep and drop"]}, 2, "sent", 2),
    "sender refused": (lambda who: {"MAIL": ["550 not you"]}, 1, "sent", 2),
    "421 in the middle": (lambda who: {"MAIL": ["250 fine", "421 going down"]}, 1, "sent", 2),
}


@pytest.mark.parametrize("fault", SERVERS)
def test_what_a_mail_server_says(fault: str, suite: Suite, tally: Tally) -> None:
    answers, copies, status, runs = SERVERS[fault]
    suite.mailbox.empty()
    suite.mailbox.answers = answers(recipients(suite))
    with suite.at("send reports") as database:
        for _ in range(runs):
            suite.workers.run(Order("send reports", suite.world(database)))
        with plain_client(database) as connection:
            found = connection.execute(
                "SELECT status, COUNT(*) FROM tiering.email_outbox WHERE status <> 'filed' GROUP BY status"
            ).fetchall()
        counted = dict(found)
        number = len(recipients(suite))
        wanted = {"dead": 1, "sent": number - 1} if status == "dead" else {"sent": number}
        complaints = [] if counted == wanted else [f"the outbox has {counted} instead of {wanted}"]
        complaints += suite.check_mails(database, copies=copies)
        doubled = sum(len(contents) - 1 for contents in suite.mailbox.accepted.values())
        complaints += [] if doubled <= copies - 1 else [f"{doubled} mails came twice"]
        if status == "sent":
            complaints += suite.check_no_op("send reports", database)
    tally.add("mail server", fault, complaints)
    tally.close()


def test_a_login_that_is_refused_is_tried_once_and_leaves_every_mail_waiting(suite: Suite, tally: Tally) -> None:
    suite.mailbox.empty()
    strict = Mailbox(accepts_login=False)
    try:
        with suite.at("send reports") as database:
            done = suite.workers.run(Order("send reports", replace(suite.world(database), mail=strict.server)))
            complaints = (
                [] if done.how == "failed" and "refused the login" in done.value else [f"it {done.how}: {done.value}"]
            )
            complaints += [] if strict.logins == 1 else [f"{strict.logins} logins were tried"]
            complaints += is_old(suite, "send reports", database)
            complaints += suite.check_again("send reports", database, further=True, to_the_end=False)
    finally:
        strict.close()
    tally.add("mail server", "AUTH refused", complaints)
    tally.close()


def test_two_senders_at_once_send_every_mail_once(suite: Suite, tally: Tally) -> None:
    number = len(suite.points["send reports"])
    for at in spread(number, 20 if WHOLE else 3):
        suite.mailbox.empty()
        with suite.at("send reports") as database:
            one = suite.workers.start(Order("send reports", suite.world(database), (Fault(at, "stop"),)))
            assert one.wait_for_stop()
            other = suite.workers.start(Order("send reports", suite.world(database)))
            other.is_over_within(0.2)
            one.go_on()
            ends = [one.wait(), other.wait()]
            complaints = [f"one {end.how}: {end.value}" for end in ends if end.how != "done"]
            complaints += suite.check_mails(database, copies=1) + is_new(suite, "send reports", database)
        tally.add("two senders", f"one at operation {at}, {suite.points['send reports'][at - 1].label}", complaints)
    tally.close()


# DuckDB, as far as one writer gives the same.


@pytest.fixture(scope="module")
def embedded() -> Iterator[Suite]:
    past = ("measure the past", "decide the past", "publish the past")
    whole = ("extract", "validate", "load", "measure", "decide", "publish")
    made = Suite("duckdb", whole, begin=BUILD) if WHOLE else Suite("duckdb", past, begin=LOAD)
    yield made
    made.close()


@pytest.mark.parametrize("step", ["load", "publish"] if WHOLE else ["publish the past"])
def test_kill_9_leaves_a_duckdb_file_that_opens(step: str, embedded: Suite, tally: Tally) -> None:
    number = len(embedded.points[step])
    commit = last(embedded, step, "^COMMIT")
    chosen = [(commit, "before"), (commit, "after")]
    chosen += [(at, "before") for at in (range(1, number + 1) if WHOLE else [number * 2 // 3])]
    for at, when in sorted(set(chosen)):
        complaints = embedded.inject(step, (Fault(at, "kill", when),), further=WHOLE)
        tally.add("kill -9 on DuckDB", f"{step}, {when} {at}, {embedded.points[step][at - 1].label}", complaints)
    tally.close()


# The suite itself can fail: each of these publishers is broken in one thing.


def run_broken(suite: Suite, database: Database, fault: Fault) -> Outcome:
    """Let a publisher that is broken in one thing publish."""
    return suite.workers.run(Order("publish", suite.world(database), (fault,)))


@pytest.mark.parametrize(
    ("table", "invariant"),
    [
        ("tiering.customer_tier", "current_is_the_open_spell"),
        ("tiering.customer_tier_history", "everybody_in_scope_is_somewhere"),
        ("tiering.tier_change", "moves_have_change_rows"),
        ("tiering.decision", "current_is_the_open_spell"),
    ],
)
def test_a_publisher_that_loses_a_row_is_noticed(table: str, invariant: str, suite: Suite) -> None:
    at = last(suite, "publish", rf"^(INSERT INTO|COPY) {table}\b")
    with suite.at("publish") as database:
        assert run_broken(suite, database, Fault(at, "lose")).how == "done"
        noticed = suite.check_now("publish", database)
    assert any(table in line for line in noticed), "the comparison with the old and the new state"
    assert any(f"invariant {invariant}" in line for line in noticed), [line for line in noticed if "invariant" in line]


def test_a_publisher_that_writes_the_current_tiers_twice_is_refused_and_noticed_without_the_keys(suite: Suite) -> None:
    at = last(suite, "publish", r"^(INSERT INTO|COPY) tiering.customer_tier\b")
    with suite.at("publish") as database:
        done = run_broken(suite, database, Fault(at, "twice"))
        assert done.how == "failed"
        assert "23505" in done.value
        assert suite.check_now("publish", database) == []
        with plain_client(database) as connection:
            keys = connection.execute(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid IN "
                "('tiering.customer_tier'::regclass, 'tiering.tier_outlook'::regclass)"
            ).fetchall()
            for (key,) in keys:
                connection.execute(f"DROP INDEX {key}")  # type: ignore[arg-type]
        again = run_broken(suite, database, Fault(at, "twice"))
        assert again.how == "done", again.value
        assert any("invariant current_is_unique" in line for line in suite.check_now("publish", database))


def test_a_publisher_that_commits_between_two_tables_and_dies_is_noticed(suite: Suite) -> None:
    written = [
        point.at
        for point in suite.points["publish"]
        if (written_table(point.label) or "").startswith("tiering.") and "attempt" not in point.label
    ]
    unnoticed = []
    for at in written[1:] if WHOLE else written[1:-1:4]:
        with suite.at("publish") as database:
            assert run_broken(suite, database, Fault(at, "commit")).how == "killed"
            state = read_state(database)
            seen = torn(suite.states["publish"], suite.states["measure the past"], state)
            if not seen and is_old(suite, "publish", database) and is_new(suite, "publish", database):
                unnoticed.append(suite.points["publish"][at - 1].label)
    assert not unnoticed
    between = first(suite, "publish", r"^(INSERT INTO|COPY) tiering.customer_tier\b")
    with suite.at("publish") as database:
        run_broken(suite, database, Fault(between, "commit"))
        assert any("invariant current_is_the_open_spell" in line for line in suite.check_now("publish", database))


def test_a_stale_publisher_without_its_fence_is_noticed(suite: Suite) -> None:
    fence = first(suite, "publish", r"MAX\(attempt\)")
    with suite.at("publish") as database:
        suite.must(Order("decide", suite.world(database)))  # a newer try, which has staged its own decisions
        assert run_broken(suite, database, Fault(10**6, "kill")).how == "failed", "with its fence it is refused"
        old = Fault(fence, "instead", say="SELECT 1 AS attempt")
        assert run_broken(suite, database, old).how == "done"
        assert any("invariant stale_tries_publish_nothing" in line for line in suite.check_now("publish", database))


def test_the_comparison_sees_a_lost_a_doubled_and_a_changed_row() -> None:
    old, new = State({"tiering.a": Counter("xy")}), State({"tiering.a": Counter("xyz"), "tiering.b": Counter("q")})
    assert torn(old, new, old) == torn(old, new, new) == []
    for broken in ({"tiering.a": Counter("xyz")}, {"tiering.a": Counter("xyzz"), "tiering.b": Counter("q")}, {}):
        assert torn(old, new, State(broken))
    before, after = State({"tiering.m": Counter(["(1,p)", "(2,p)"])}), State({"tiering.m": Counter(["(1,s)", "(2,s)"])})
    half = State({"tiering.m": Counter(["(1,s)", "(2,p)"])})
    assert torn(before, after, half)
    assert torn(before, after, half, ("tiering.m",)) == []
    for rows in (["(1,s)"], ["(1,s)", "(1,p)"], ["(1,s)", "(2,x)"], ["(1,s)", "(2,p)", "(2,p)"]):
        assert torn(before, after, State({"tiering.m": Counter(rows)}), ("tiering.m",)), rows


NO_STEPS = {
    "covered_through": "reads",
    "settle": "answers, and publishes people",
    "choose_batch": "reads nothing",
    "choose_as_of": "reads nothing",
    "needs_answer": "reads nothing",
    "export_queues": "reads, and writes files whole: tests/test_queues.py kills it",
    "hand_over": "reads, and writes files whole: tests/test_handover.py ends it half-way",
    "stage_spark": "stages as decide does, from files",
    "evaluate": "needs a policy that was published two years ago; one transaction per policy, as tiering evaluate",
}
"""What tasks call beside their steps."""


def test_every_step_that_a_task_calls_is_under_test() -> None:
    called = {
        name
        for path in [*ROOT.glob("dags/*.py"), *ROOT.glob("tiering/approval.py")]
        for name in re.findall(r"\bjobs\.(\w+)\(", path.read_text(encoding="utf-8"))
    }
    tested = set(re.findall(r"\bjobs\.(\w+)\(", (ROOT / "tests/faults/steps.py").read_text(encoding="utf-8")))
    assert called - tested - set(NO_STEPS) == set(), "add a line to STEPS in tests/faults/steps.py"
