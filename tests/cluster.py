"""A PostgreSQL cluster of the tests' own on loopback: made, started, stopped, killed and removed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from sql.connect import Database

PASSWORD = "p@ss:w/rd%"


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) + [
        Path(path) for path in [shutil.which("initdb")] if path
    ]
    if not found:
        pytest.fail("PostgreSQL is not installed; `make test` installs it (Debian: apt-get install postgresql)")
    return found[-1].parent


def as_server_user(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root: then Debian's user postgres runs it."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A throw-away cluster; user tiering is its superuser and has the password p@ss:w/rd%.

    `options` are server settings such as fsync=off, which spares a disk that no test pulls the plug of.
    `auth` is how users prove who they are; trust spares the arithmetic of passwords.
    """

    def __init__(self, *options: str, auth: str = "scram-sha-256") -> None:
        self.binaries, self.options, self.port = _binaries(), options, free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="tiering-pg-"))
        self.data = self.folder / "data"
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        password_file = self.folder / "password"
        password_file.write_text(PASSWORD)
        password_file.chmod(0o644)
        initdb = [str(self.binaries / "initdb"), "-D", str(self.data), "-U", "tiering", "-A", auth]
        self._run([*initdb, "--pwfile", str(password_file), "-E", "UTF8", "--locale", "C.UTF-8"])

    @property
    def database(self) -> Database:
        """The maintenance database."""
        return self.named("postgres")

    def named(self, name: str) -> Database:
        """A database of the cluster."""
        return Database("postgresql", host="127.0.0.1", port=self.port, name=name, user="tiering", password=PASSWORD)

    def start(self) -> None:
        """Start the server and wait until it answers. After a kill the first try may find the lock file still there."""
        settings = " ".join(f"-c {option}" for option in self.options)
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} {settings}"
        for tried in range(5):
            try:
                self._control("-o", options, "-l", str(self.folder / "log"), "start")
                return
            except subprocess.CalledProcessError:
                if tried == 4:
                    raise
                time.sleep(0.3)

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: fast, or immediate, which is a crash that all its processes notice."""
        self._control("-m", mode, "stop")

    def kill(self) -> None:
        """End the server and all its processes by kill -9."""
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for process in (postmaster, *map(int, children)):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{process}/stat").exists() for process in (postmaster, *children)):
            if time.monotonic() > deadline:
                raise TimeoutError("the killed server is still there after 10 s")
            time.sleep(0.02)

    def remove(self) -> None:
        """Stop the server and remove its files."""
        with suppress(subprocess.CalledProcessError):  # it is down already
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction in the maintenance database."""
        with plain_client(self.database, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]

    def _control(self, *words: str) -> None:
        self._run([str(self.binaries / "pg_ctl"), "-D", str(self.data), "-w", *words])

    @staticmethod
    def _run(command: list[str]) -> None:
        subprocess.run(as_server_user(command), check=True, capture_output=True, cwd="/")


def plain_client(database: Database, *, autocommit: bool = False) -> psycopg.Connection[tuple[object, ...]]:
    """Connect as any client would, with nothing of ours in between."""
    return psycopg.connect(
        host=database.host,
        port=database.port,
        dbname=database.name,
        user=database.user,
        password=database.password,
        autocommit=autocommit,
    )
