"""A running Airflow on loopback with a home of its own, and its REST API as its users see it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sql.connect import Database
from tests.cluster import free_port


class Standalone:
    """Airflow with all of its components in one process group, which ends with it.

    `metadata`: an empty database on PostgreSQL for what Airflow itself keeps; on SQLite, where it would be by default,
    backfills cannot be made while anything runs. `environment`: DAGs, settings and connections of the installation.
    `users`: names and roles of its users. Only what is asked for runs: the schedules of DAGs are off.
    `command`: what starts the components, by default `airflow standalone`.
    """

    def __init__(
        self,
        home: Path,
        metadata: Database,
        environment: Mapping[str, str],
        users: Mapping[str, str],
        command: Sequence[str] = ("airflow", "standalone"),
    ) -> None:
        self.home, self.log = home, home / "standalone.log"
        self.port = free_port()
        self.tokens: dict[str, str] = {}
        binaries = Path(sys.executable).parent
        login = f"{metadata.user}:{quote(metadata.password, safe='')}"
        address = f"postgresql+psycopg://{login}@{metadata.host}:{metadata.port}/{metadata.name}"
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "TIERING_"))},
            "PATH": f"{binaries}:{os.environ['PATH']}",  # it starts `airflow` by name
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": address,  # by default it wants asyncpg
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in users.items()),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "600",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{self.port}",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "GX_ANALYTICS_ENABLED": "false",
            **environment,
        }
        with self.log.open("wb") as log:
            program = shutil.which(command[0], path=self.environment["PATH"]) or command[0]
            self.process = subprocess.Popen(
                [program, *command[1:]],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """End every process of it: the group, and whatever left the group, which its home gives away."""
        for number, seconds in ((signal.SIGTERM, 3), (signal.SIGKILL, 10)):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            for process in self._left():
                with suppress(ProcessLookupError):
                    os.kill(process, number)
            deadline = time.monotonic() + seconds
            while (left := self._left()) and time.monotonic() < deadline:
                self.process.poll()
                time.sleep(0.2)
        assert not left, f"processes {left} of Airflow are left"
        shutil.rmtree(self.home / "logs", ignore_errors=True)

    def _left(self) -> list[int]:
        mark = f"AIRFLOW_HOME={self.home}".encode()
        found = []
        for process in self._processes():
            with suppress(OSError):
                is_ours = os.getsid(process) == self.process.pid
                if is_ours or mark in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"):
                    found.append(process)
        return found

    @staticmethod
    def _processes() -> list[int]:
        return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if int(folder.name) != os.getpid()]

    def works_on(self, task_instance_id: str) -> bool:
        """Whether a worker has not finished with a task instance; its title names what it works on."""
        for process in self._processes():
            with suppress(OSError):
                title = Path(f"/proc/{process}/cmdline").read_bytes()
                if task_instance_id.encode() in title and os.getsid(process) == self.process.pid:
                    return True
        return False

    def wait_for(self, what: str, seconds: float, found: Callable[[], Any]) -> Any:
        """Return the first true value of `found`; fail with the end of the log when none comes in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"Airflow ended while waiting for {what}:\n{self.tail()}")
            if value := found():
                return value
            time.sleep(0.7)
        raise AssertionError(f"no {what} within {seconds} s:\n{self.tail()}")

    def tail(self) -> str:
        """Return the end of what it has written."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        tasks = sorted((self.home / "logs").rglob("attempt=*.log"), key=lambda path: path.stat().st_mtime)
        for path in tasks[-2:]:
            lines += [f"--- {path.parent.name}", *path.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]]
        return "\n".join(line[:300] for line in lines[-80:])

    def ask(self, user: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and answer of a request to the REST API, made as a user."""
        if user not in self.tokens:
            passwords = json.loads((self.home / "simple_auth_manager_passwords.json.generated").read_text())
            login = {"username": user, "password": passwords[user]}
            self.tokens[user] = self._send("POST", "/auth/token", login, {})[1]["access_token"]
        return self._send(method, f"/api/v2{path}", body, {"Authorization": f"Bearer {self.tokens[user]}"})

    def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"http://127.0.0.1:{self.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", **headers},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def is_ready(self, *dag_ids: str) -> bool:
        """Whether it answers, its scheduler is alive and these DAGs are known."""
        try:
            status, health = self._send("GET", "/api/v2/monitor/health", None, {})
        except (OSError, ValueError):
            return False
        if status != 200 or health["scheduler"]["status"] != "healthy":
            return False
        return all(self.ask("admin", "GET", f"/dags/{dag_id}")[0] == 200 for dag_id in dag_ids)
