"""The suite: makes the states between the steps once, injects a fault, and says what is wrong afterwards."""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from demo import generate_company, load_company
from sql.connect import Database, Session, open_engine
from tests.cluster import Cluster, plain_client
from tests.faults.mailbox import Mailbox
from tests.faults.oracle import (
    NO_NEWS,
    STANDING,
    State,
    between,
    broken_invariants,
    differences,
    forget,
    read_state,
    torn,
)
from tests.faults.steps import BUILD, IN_PARTS, NEXT, ROOT, ROW_BY_ROW, STEPS, World
from tests.faults.tripwire import Fault
from tests.faults.workers import Order, Outcome, Process, Workers
from tiering.settings import Settings

ENTITIES = ("account_managers", "customers", "exchange_rates", "sales", "receivables", "payments", "contacts")
"""What the source of the suite has: every kind of entity, few of each."""


FAST = ("fsync=off", "full_page_writes=off", "jit=off", "autovacuum=off")
"""The server's settings where only clients are killed: nothing pulls the plug of its disk."""

DURABLE = ("jit=off", "autovacuum=off")
"""The server's settings where it crashes itself."""


@dataclass(frozen=True)
class Point:
    """Where a fault can be injected: an operation of a step by its number, and what it says."""

    at: int
    label: str


class Suite:
    """One engine, a company on it, and the state before and after every one of `steps` in an undisturbed run."""

    def __init__(self, engine: str = "postgresql", steps: tuple[str, ...] = tuple(STEPS), begin: str = BUILD) -> None:
        self.steps, self.begin = steps, begin
        self.engine, self.folder = engine, Path(tempfile.mkdtemp(prefix="tiering-faults-"))
        self.numbers = itertools.count(1)
        self.workers = Workers()
        self.mailbox = Mailbox()
        self.cluster = Cluster(*FAST, auth="trust") if engine == "postgresql" else None
        if self.cluster:
            self.cluster.start()
        source = self.folder / "source"
        source.mkdir()
        for entity in ENTITIES:
            shutil.copy(ROOT / "sql" / "sources" / "demo" / f"{entity}.sql", source)
        self.settings = Settings(
            source=source,
            mail_dir=self.folder / "mail",
            fallback_manager="desk@tiering.example",
            sender="tiers@tiering.example",
        )
        self.source = self._new("source")
        company = generate_company(customers=100, seed=3, first_day=date(2024, 1, 1), last_day=NEXT.last_day)
        handle = open_engine(self.source)
        load_company(handle, company)
        handle.dispose()
        self.session = Session()
        self.said: dict[str, Any] = {}
        self.points: dict[str, list[Point]] = {}
        self.before: dict[str, Database] = {}
        self.states: dict[str, State] = {}
        try:
            self._walk()
        except BaseException:
            self.close()
            raise

    def _new(self, name: str, template: Database | None = None) -> Database:
        if self.cluster is None:
            path = self.folder / f"{name}.duckdb"
            if template:
                shutil.copy(template.path, path)
            return Database("duckdb", path=str(path))
        if template:
            forget(template)
        how = f" TEMPLATE {template.name}" if template else ""
        self.cluster.execute(f"CREATE DATABASE {name}{how}")
        return self.cluster.named(name)

    def _drop(self, database: Database) -> None:
        if self.cluster is None:
            for path in self.folder.glob(f"{Path(database.path).name}*"):
                path.unlink()
        else:
            forget(database)
            self.cluster.execute(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")

    def _walk(self) -> None:
        """Go through all steps undisturbed; keep the state before each, what it said and its operations."""
        database = self._new("walk")
        self.must(Order(self.begin, self.world(database), evaluate=False, teach=True))
        for number, step in enumerate([*self.steps, "end"]):
            self.states[step] = read_state(database)
            self.before[step] = self._new(f"at_{number}", database)
            assert not broken_invariants(database), f"undisturbed before {step}: {broken_invariants(database)}"
            if step == "end":
                break
            exact = read_state(database, exact=True).tables
            done = self.must(Order(step, self.world(database), teach=True, evaluate=False))
            assert read_state(database, exact=True).tables != exact, f"{step} does nothing: no fault can show"
            self.said[step] = done.value
            self.points[step] = [Point(at, label) for at, label in enumerate(done.seen, 1)]
        self._drop(database)

    def world(self, warehouse: Database, **said: Any) -> World:
        """What a step is given: the steps before it said what they said in the undisturbed run, or `said`."""
        bounded = replace(warehouse, session=self.session)
        return World(self.source, bounded, self.settings, self.mailbox.server, {**self.said, **said})

    def must(self, order: Order) -> Outcome:
        """Run a step that nothing disturbs."""
        done = self.workers.run(order)
        if done.how != "done":
            raise AssertionError(f"{order.step} undisturbed {done.how}: {done.value}")
        return done

    def after(self, step: str) -> str:
        """The step after `step`, or end."""
        names = [*self.steps, "end"]
        return names[names.index(step) + 1]

    @contextmanager
    def at(self, step: str) -> Iterator[Database]:
        """A warehouse in the state before a step, to be spoilt."""
        database = self._new(f"copy_{next(self.numbers)}", self.before[step])
        try:
            yield database
        finally:
            self._drop(database)

    @contextmanager
    def empty(self) -> Iterator[Database]:
        """An empty database, to be spoilt."""
        database = self._new(f"empty_{next(self.numbers)}")
        try:
            yield database
        finally:
            self._drop(database)

    def check_now(self, step: str, database: Database) -> list[str]:
        """Right after a fault: the old or the new state, and every invariant."""
        old, new = self.states[step], self.states[self.after(step)]
        found = read_state(database, schemas=STANDING)
        how = between(old, new, found) if step in IN_PARTS else torn(old, new, found, ROW_BY_ROW.get(step, ()))
        return how + broken_invariants(database)

    def check_again(self, step: str, database: Database, *, further: bool, to_the_end: bool, **said: Any) -> list[str]:
        """Run the step once more: as undisturbed. Once more again: nothing changes. And on to the end.

        A mail that was sent in between has come once or twice.

        `said` is what steps before it said otherwise than in the undisturbed run.
        """
        done = self.workers.run(Order(step, self.world(database, **said), evaluate=False))
        if done.how != "done":
            return [f"the next run {done.how}: {done.value}"]
        lines = [f"after the next run: {line}" for line in self._against(self.after(step), database)]
        if step == "send reports":
            lines += self.check_mails(database, copies=2)
        if further:
            done, more = self._run_again(step, database, **said)
            lines += more
        if to_the_end:
            lines += self._check_rest(step, database, done)
        return lines

    def check_no_op(self, step: str, database: Database, **said: Any) -> list[str]:
        """Run a finished step again: no row of the standing tables changes, not even an instant, but for the tries."""
        return self._run_again(step, database, **said)[1]

    def _run_again(self, step: str, database: Database, **said: Any) -> tuple[Outcome, list[str]]:
        before = read_state(database, exact=True, schemas=STANDING).tables
        again = self.workers.run(Order(step, self.world(database, **said), evaluate=False))
        after = read_state(database, exact=True, schemas=STANDING).tables
        for name in NO_NEWS:
            before.pop(name, None), after.pop(name, None)
        lines = [] if again.how == "done" else [f"a further run {again.how}: {again.value}"]
        return again, lines + [f"a further run is no no-op: {line}" for line in differences(before, after)]

    def _check_rest(self, step: str, database: Database, done: Outcome) -> list[str]:
        """Run the steps after `step`, with what they say now: the end is that of the undisturbed run."""
        said = {step: done.value}
        names = list(self.steps)
        for following in names[names.index(step) + 1 :]:
            done = self.workers.run(Order(following, self.world(database, **said), evaluate=False))
            if done.how != "done":
                return [f"{following}, later, {done.how}: {done.value}"]
            said[following] = done.value
        return [f"at the end: {line}" for line in self._against("end", database)]

    def _against(self, step: str, database: Database) -> list[str]:
        return differences(self.states[step].tables, read_state(database).tables)

    def check_mails(self, database: Database, *, copies: int = 1) -> list[str]:
        """Every mail that was to go out is there with its own bytes: once, or up to `copies` times."""
        lines = []
        accepted = {identity: list(contents) for identity, contents in self.mailbox.accepted.items()}
        with plain_client(database) as connection:
            rows = connection.execute("SELECT message_id, message, status FROM tiering.email_outbox").fetchall()
        with plain_client(self.before["send reports"]) as connection:
            waiting = connection.execute(
                "SELECT message_id FROM tiering.email_outbox WHERE status IN ('pending', 'uncertain')"
            ).fetchall()
        for identity, message, status in rows:
            found = accepted.pop(str(identity), [])
            least, most = (1, copies) if (identity,) in waiting and status != "dead" else (0, 0)
            if not least <= len(found) <= most:
                lines.append(f"mail {identity} ({status}) was accepted {len(found)} times")
            wanted = re.sub(r"\r\n|\r|\n", "\r\n", str(message)).encode().rstrip()
            if any(_as_sent(content) != wanted for content in found):
                lines.append(f"mail {identity} was accepted with other bytes than the outbox has")
        return lines + [f"mail {identity} was accepted, and the outbox has none" for identity in accepted]

    def inject(
        self,
        step: str,
        faults: tuple[Fault, ...],
        *,
        further: bool = True,
        to_the_end: bool = False,
        evaluate: bool = False,
    ) -> list[str]:
        """Let a step run into faults of its own process; return what is wrong afterwards."""
        self.mailbox.empty()
        with self.at(step) as database:
            self.workers.run(Order(step, self.world(database), faults, evaluate=evaluate))
            lines = self.check_now(step, database)
            lines += self.check_again(step, database, further=further, to_the_end=to_the_end)
        return lines

    def meet(
        self,
        step: str,
        at: int,
        deed: Callable[[Database, Process], None],
        *,
        when: str = "before",
        session: Session | None = None,
        expect: tuple[str, ...] = ("done", "failed"),
        says: str = "",
    ) -> list[str]:
        """Stop a step at an operation, do something to the world, let it go on; return what is wrong afterwards.

        `expect`: how it may end; `says`: what it says when it fails.
        """
        self.mailbox.empty()
        with self.at(step) as database, self.bounded(session):
            process = self.workers.start(Order(step, self.world(database), (Fault(at, "stop", when),), evaluate=False))
            if not process.wait_for_stop():
                return [f"ended before operation {at}: {process.wait()}"]
            deed(database, process)
            process.go_on()
            done = process.wait()
            lines = [] if done.how in expect else [f"it {done.how}: {done.value}"]
            if says and done.how == "failed" and says not in str(done.value).splitlines()[0]:
                lines.append(f"it does not say {says!r}: {str(done.value).splitlines()[0]}")
            lines += self.check_now(step, database)
            lines += self.check_again(step, database, further=True, to_the_end=False)
        return lines

    @contextmanager
    def bounded(self, session: Session | None) -> Iterator[None]:
        """Let sessions of the steps inside have other bounds."""
        kept = self.session
        self.session = session or kept
        try:
            yield
        finally:
            self.session = kept

    def close(self) -> None:
        """End every process and remove every file."""
        self.workers.close()
        self.mailbox.close()
        if self.cluster:
            self.cluster.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


def _as_sent(content: bytes) -> bytes:
    """A message without the lines that the receiving server puts in front, and without its last line's end."""
    lines = content.split(b"\r\n")
    while lines and lines[0].startswith((b"X-Peer:", b"X-MailFrom:", b"X-RcptTo:")):
        lines.pop(0)
    return b"\r\n".join(lines).rstrip()
