"""The name under which Airflow keeps where a task ran: two workers on one machine would have the same."""

from __future__ import annotations

import os
import socket


def worker_name() -> str:
    """Return the name that the process was given, or the machine's."""
    return os.environ.get("WORKER_NAME") or socket.getfqdn()
