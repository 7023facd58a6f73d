"""A real server of Sentry's protocol for the tests: the Bugsink of `bin/sentry`, with data of its own.

Its environment is that of `bin/sentry`, which `why_not_installed()` makes where there is none.
"""

import fcntl
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.server import DEADLINE_S, ROOT, free_port, is_listening, wait_for

VAR = ROOT / "var" / "bugsink"
REQUIREMENTS = ROOT / "bin" / "requirements-bugsink.txt"
SERVER = ROOT / "bin" / "sentry_server.py"
PYTHON = VAR / "venv" / "bin" / "python"

NOT_RUN = "Bugsink could not be installed ({reason}): that it understands our reports is not tested"


@dataclass
class Bugsink:
    """A Bugsink of one test run, on one port; `bugsink()` starts and ends it, and a test may stop it in between."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    details: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @cached_property
    def access(self) -> dict[str, str]:
        """`login` and `password` of a person, `token` of the API, `key` of the project."""
        access: dict[str, str] = json.loads((self.directory / "access.json").read_text())
        return access

    @property
    def dsn(self) -> str:
        return f"http://{self.access['key']}@127.0.0.1:{self.port}/1"

    def start(self) -> None:
        """Serve, on the same port and with the events that it has."""
        (self.directory / "port").write_text(str(self.port))
        with (self.directory / "output").open("ab") as output:
            self.process = process = subprocess.Popen(command(self.directory), stdout=output, stderr=output)
        wait_for(lambda: is_listening(self.port) or process.poll() is not None, f"Bugsink on port {self.port}")
        assert process.poll() is None, (self.directory / "output").read_text()

    def stop(self) -> None:
        """End it as Ctrl-C does; whoever reports to it now is refused the connection."""
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(DEADLINE_S)
            self.process = None

    def issues(self) -> list[dict[str, Any]]:
        """Its issues, oldest first, as its API describes them: `id`, `digested_event_count`, `calculated_type` …"""
        return self._pages("issues/?project=1")

    def events(self) -> list[dict[str, Any]]:
        """All its events, issue by issue: `id`, `issue`, `event_id`, and `data`, which is what was sent."""
        listed = [event for issue in self.issues() for event in self._pages(f"events/?order=asc&issue={issue['id']}")]
        for event in listed:
            if event["id"] not in self.details:
                self.details[event["id"]] = self._read(f"{self.origin}/api/canonical/0/events/{event['id']}/")
        return [self.details[event["id"]] for event in listed]

    def events_of(self, request_id: str) -> list[dict[str, Any]]:
        """The events with the tag of this request, by now."""
        return [event for event in self.events() if tags_of(event).get("request_id") == request_id]

    def _pages(self, path: str) -> list[dict[str, Any]]:
        results, address = [], f"{self.origin}/api/canonical/0/{path}"
        while address:
            page = self._read(address)
            results += page["results"]
            address = page["next"]
        return results

    def _read(self, address: str) -> dict[str, Any]:
        request = Request(address, headers={"Authorization": f"Bearer {self.access['token']}"})
        with urlopen(request, timeout=DEADLINE_S) as response:
            answer: dict[str, Any] = json.load(response)
            return answer


def tags_of(event: dict[str, Any]) -> dict[str, str]:
    """The tags that an event was sent with; it may have none."""
    return dict(event["data"].get("tags") or {})


@contextmanager
def bugsink(directory: Path) -> Iterator[Bugsink]:
    """Serve an empty Bugsink from this directory until the block ends; it has to be installed."""
    shutil.copytree(empty_bugsink(), directory, dirs_exist_ok=True)
    server = Bugsink(directory, free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()


def command(directory: Path, *arguments: str) -> list[str]:
    return [str(PYTHON), str(SERVER), "--directory", str(directory), *arguments]


@cache
def why_not_installed() -> str:
    """Install Bugsink where it is not; one line that says why that failed, or nothing."""
    installation = [sys.executable, "bin/environment.py", "--directory", str(PYTHON.parents[1]), str(REQUIREMENTS)]
    result = subprocess.run(installation, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return ""
    written = result.stderr.splitlines()
    return NOT_RUN.format(reason=next((line for line in written if line.startswith("ERROR")), written[-1]))


def empty_bugsink() -> Path:
    """The data of a Bugsink that took no event yet, made once for each version: its tables take seconds."""
    directory = VAR / f"empty-{hashlib.sha256(REQUIREMENTS.read_bytes() + SERVER.read_bytes()).hexdigest()[:12]}"
    with (VAR / "empty.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "access.json").exists():
            for older in VAR.glob("empty-*"):
                shutil.rmtree(older)
            subprocess.run(command(directory, "--only-prepare"), check=True)
    return directory
