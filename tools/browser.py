"""A headless Chromium that tests and screenshots look at pages with: one process, spoken to over a pipe.

It speaks the DevTools protocol, https://chromedevtools.github.io/devtools-protocol/. The browser has no network and
forgets everything.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Literal, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_SECONDS = 60.0
_OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # a sandbox is not to be had in most containers; the pages are our own, and nothing leaves
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--no-first-run",
)


class BrowserError(RuntimeError):
    """The browser is not there, does not answer, or refuses a command."""


def find_browser() -> str | None:
    """Return the path of a Chromium, None without one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One browser with one page. `open` shows a file, `evaluate` asks the page, `screenshot` takes its picture."""

    def __init__(self) -> None:
        program = find_browser()
        if program is None:
            raise BrowserError("chromium is not installed; run tools/chromium.sh (Debian: apt-get install chromium)")
        self._profile = tempfile.mkdtemp(prefix="tiering-browser-")
        commands, self._commands = _pipe()
        self._answers, answers = _pipe()

        def connect() -> None:  # the browser reads commands from 3 and writes answers to 4
            os.dup2(commands, 3)
            os.dup2(answers, 4)

        self._process = subprocess.Popen(  # noqa: S603 - a browser from PATH with options of ours
            [program, *_OPTIONS, f"--user-data-dir={self._profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=connect,
            close_fds=False,
            start_new_session=True,
        )
        _close(commands, answers)
        self._number, self._read = 0, b""
        self._events: list[dict[str, Any]] = []
        self._session: str | None = None
        targets = self._call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self._call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        self._call("Page.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and remove what it left."""
        self._session = None
        try:
            self._call("Browser.close")
            self._process.wait(10)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        _close(self._commands, self._answers)
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(
        self, page: Path, width: int, scheme: Literal["light", "dark"] = "light", *, height: int = 800, scale: float = 1
    ) -> None:
        """Show a file in a window of `width` × `height` pixels under a colour scheme, and wait until it has loaded."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                   mobile=False)  # fmt: skip
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._events.clear()
        self._call("Page.navigate", url=page.resolve().as_uri())
        self._wait_for("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page; promises are awaited."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"].get("exception", answer["exceptionDetails"])))
        return answer["result"].get("value")

    def screenshot(self, height: int | None = None) -> bytes:
        """Return the window as PNG; with `height` the page from its top, that many pixels of it."""
        clip: dict[str, Any] = {}
        if height is not None:
            width = self.evaluate("innerWidth")
            clip = {"clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}}
        answer = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True, **clip)
        return base64.b64decode(answer["data"])

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            command["sessionId"] = self._session
        rest = memoryview(json.dumps(command).encode() + b"\0")
        while rest:
            rest = rest[os.write(self._commands, rest) :]
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            message = self._next(deadline)
            if message.get("id") != self._number:
                self._events.append(message)
            elif "error" in message:
                raise BrowserError(f"{method}: {message['error'].get('message')}")
            else:
                return dict(message["result"])

    def _wait_for(self, event: str) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not any(message.get("method") == event for message in self._events):
            self._events.append(self._next(deadline))

    def _next(self, deadline: float) -> dict[str, Any]:
        """Return the next message, each ended by a null byte."""
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._answers], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                raise BrowserError(f"chromium said nothing for {TIMEOUT_SECONDS:.0f} seconds")
            chunk = os.read(self._answers, 1 << 16)
            if not chunk:
                raise BrowserError(f"chromium ended with code {self._process.wait()}")
            self._read += chunk
        message, _, self._read = self._read.partition(b"\0")
        return dict(json.loads(message))


def _pipe() -> tuple[int, int]:
    """Return the ends of a pipe, clear of the numbers that the browser has its own at."""
    ends = os.pipe()
    reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    _close(*ends)
    return reading, writing


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
