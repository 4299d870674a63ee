"""A proxy in front of PostgreSQL that watches the wire, and cuts it before or after a COMMIT, or goes silent."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from tests.cluster import free_port

COMMIT = b"COMMIT\x00"


class Proxy:
    """Forwards loopback connections to a port. Cuts one connection, at its turn; what comes later passes.

    `cut`: before (the COMMIT never reaches the server), after (the server has committed, its answer is lost) or
    silent (nothing passes any more, and nobody is told). `turn`: at which COMMIT, counted over all connections.
    """

    def __init__(self, server_port: int, cut: str, turn: int) -> None:
        self.server_port, self.cut, self.turn, self.commits = server_port, cut, turn, 0
        self.has_cut = threading.Event()
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.server_port))
                self.open += [client, server]
                pair = _Pair(self, client, server)
                threading.Thread(target=pair.ask, daemon=True).start()
                threading.Thread(target=pair.answer, daemon=True).start()

    def close(self) -> None:
        """End every connection."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        for one in (self.listener, *self.open):
            _hang_up(one)
            one.close()


class _Pair:
    """One connection: both of its ways."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.loses_answer = self.is_silent = False

    def ask(self) -> None:
        """Carry what the client says."""
        proxy = self.proxy
        with suppress(OSError):
            while said := self.client.recv(65536):
                if COMMIT in said:
                    proxy.commits += 1
                    if proxy.commits == proxy.turn:
                        if proxy.cut == "before":
                            proxy.has_cut.set()
                            break
                        self.loses_answer, self.is_silent = proxy.cut == "after", proxy.cut == "silent"
                if self.is_silent:
                    proxy.has_cut.set()
                    continue
                self.server.sendall(said)
        self._end()

    def answer(self) -> None:
        """Carry what the server says."""
        with suppress(OSError):
            while said := self.server.recv(65536):
                if self.loses_answer and COMMIT in said:
                    self.proxy.has_cut.set()
                    break
                if not self.is_silent:
                    self.client.sendall(said)
        if not self.is_silent:
            self._end()

    def _end(self) -> None:
        _hang_up(self.client)
        _hang_up(self.server)


def _hang_up(one: socket.socket) -> None:
    """Say so to the other side: closing a socket that another thread reads sends nothing."""
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
