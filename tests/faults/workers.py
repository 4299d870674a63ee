"""Processes under test: a server that has imported everything forks one per order, so that each is fresh and quick.

The server has no thread, no connection and no engine of its own: what is forked is only code and caches of text.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = 60.0
"""Seconds after which a process that says nothing is an error of the suite."""


@dataclass(frozen=True)
class Order:
    """Run a step in a process of its own, with faults at its operations. `environment` is set before."""

    step: str
    world: Any
    faults: tuple[Any, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    evaluate: bool = True
    """Whether validation lets Great Expectations evaluate its suites: it takes seconds, and only reads."""
    teach: bool = False
    """Whether the server learns what this process imports and transpiles, for those after it."""


@dataclass(frozen=True)
class Outcome:
    """How a process ended: done (with what the step returned), failed (with the error's text) or killed."""

    how: str
    value: Any = None
    seen: tuple[str, ...] = ()


class Process:
    """A process under test."""

    def __init__(self, pid: int, pipe: Pipe, step: str) -> None:
        self.pid, self.pipe, self.step, self.outcome = pid, pipe, step, None

    def wait_for_stop(self) -> bool:
        """Wait until the process stands at its fault (SIGSTOP); False when it ended before."""
        message = self._next()
        if message and message[0] == "at":
            deadline = time.monotonic() + PATIENCE
            while Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.step}: the process does not stop")
                time.sleep(0.001)
            return True
        self._keep(message)
        return False

    def wait(self) -> Outcome:
        """Wait for the end of the process."""
        while self.outcome is None:
            message = self._next()
            if message is None or message[0] != "at":
                self._keep(message)
        assert self.outcome is not None
        return self.outcome

    def is_over_within(self, seconds: float) -> bool:
        """Whether the process ends, or says something, within so many seconds."""
        return self.outcome is not None or self.pipe.poll(seconds)

    def go_on(self) -> None:
        """Let a stopped process continue (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the process by kill -9, stopped or not."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def _next(self) -> Any:
        if not self.pipe.poll(PATIENCE):
            self.kill()
            raise TimeoutError(f"{self.step}: nothing from the process for {PATIENCE:.0f} s")
        try:
            return self.pipe.recv()
        except EOFError:
            return None

    def _keep(self, message: Any) -> None:
        self.outcome = Outcome(*message) if message else Outcome("killed")
        self.pipe.close()


class Workers:
    """The server of processes, from the side of the tests."""

    def __init__(self) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.workers", str(theirs.fileno())],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "GX_ANALYTICS_ENABLED": "false", "PYTHONPATH": str(ROOT)},
            )

    def start(self, order: Order) -> Process:
        """Start a process."""
        ours, theirs = os.pipe()
        try:
            socket.send_fds(self.channel, [pickle.dumps(order)], [theirs])
        finally:
            os.close(theirs)
        return Process(int(self.channel.recv(64)), Pipe(ours, writable=False), order.step)

    def run(self, order: Order) -> Outcome:
        """Run a step to its end."""
        return self.start(order).wait()

    def close(self) -> None:
        """End the server, and with it every process that is left."""
        self.channel.close()
        self.server.wait(timeout=PATIENCE)


def _serve(channel: socket.socket) -> None:
    texts = _note_texts()
    from tests.faults import steps, tripwire  # noqa: F401 - imported before the first fork

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    warm_from, warm_to = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    warm = Pipe(warm_from.detach())
    steps.policies(), steps.policies_before()
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, 1 << 20, 1)
        if not message:
            return
        order = pickle.loads(message)
        while warm.poll():
            _learn(texts, *warm.recv())
        pid = os.fork()
        if pid == 0:
            channel.close()
            warm.close()
            _run(order, Pipe(descriptors[0], readable=False), texts, Pipe(warm_to.detach()))
        os.close(descriptors[0])
        channel.send(str(pid).encode())


def _learn(
    texts: dict[tuple[str, str], str], modules: list[str], pairs: dict[tuple[str, str], str], templates: list[str]
) -> None:
    """Import, parse and keep what a process had to import, parse and transpile; all of it is text."""
    import sql.measure
    import sql.statements

    for name in modules:
        with suppress(Exception):
            importlib.import_module(name)
    for name in templates:
        sql.statements._templates.get_template(name)
    texts.update(pairs)
    sql.measure.read_library()
    gc.collect()
    gc.freeze()


def _note_texts() -> dict[tuple[str, str], str]:
    """Note what statements are transpiled to: one process does it for all after it."""
    import sql.statements

    real = sql.statements.transpile
    seen: dict[tuple[str, str], str] = {}

    def transpile(text: str, dialect: str) -> str:
        if (text, dialect) not in seen:
            seen[text, dialect] = real(text, dialect)
        return seen[text, dialect]

    sql.statements.transpile = transpile  # type: ignore[assignment]
    return seen


def _run(order: Order, pipe: Pipe, texts: dict[tuple[str, str], str], warm: Pipe) -> None:
    from tests.faults import steps, tripwire

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing outlives the server
    os.environ.update(order.environment)
    before, known = set(sys.modules), set(texts)
    try:
        wire = tripwire.Tripwire(order.faults, pipe)
        is_duckdb = order.world.warehouse.kind == "duckdb"
        (tripwire.watch_duckdb if is_duckdb else tripwire.watch_postgresql)(wire)
        tripwire.watch_mail(wire)
        if not order.evaluate:
            import expectations

            expectations._evaluate = lambda *_: ([], 0)  # type: ignore[assignment]
        value = steps.RUNNABLE[order.step](order.world)
        pipe.send(("done", value, tuple(wire.seen)))
    except BaseException as error:
        pipe.send(("failed", f"{type(error).__name__}: {error}\n{traceback.format_exc()}", tuple(wire.seen)))
    if order.teach:
        with suppress(OSError):  # the suite may be over
            templates = sorted(name for _, name in (sys.modules["sql.statements"]._templates.cache or {}))
            warm.send((sorted(set(sys.modules) - before), {key: texts[key] for key in texts.keys() - known}, templates))
    os._exit(0)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
