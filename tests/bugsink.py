"""A real server with Sentry's protocol for the tests: the Bugsink of `bin/sentry`, with separate data.

It uses the virtual environment of `bin/sentry`; `why_not_installed()` creates it if it does not exist.
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
from urllib.parse import urljoin
from urllib.request import Request, urlopen
from uuid import uuid4

from tests.server import DEADLINE_S, ROOT, free_port, is_listening, wait_for

VAR = ROOT / "var" / "bugsink"
REQUIREMENTS = ROOT / "bin" / "requirements-bugsink.txt"
SERVER = ROOT / "bin" / "sentry_server.py"
PYTHON = VAR / "venv" / "bin" / "python"

NOT_INSTALLED = "could not install Bugsink ({reason})"


@dataclass
class Bugsink:
    """A Bugsink server on one port. `bugsink()` starts and stops it; a test may stop and start it too."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @cached_property
    def access(self) -> dict[str, str]:
        """Return the credentials: `login` and `password`, `token` of the API, `key` of the first project."""
        access: dict[str, str] = json.loads((self.directory / "access.json").read_text())
        return access

    def start(self) -> None:
        """Start it on the same port with its existing data."""
        (self.directory / "port").write_text(str(self.port))
        with (self.directory / "output").open("ab") as output:
            self.process = process = subprocess.Popen(command(self.directory), stdout=output, stderr=output)
        wait_for(lambda: is_listening(self.port) or process.poll() is not None, f"Bugsink on port {self.port}")
        assert process.poll() is None, (self.directory / "output").read_text()

    def stop(self) -> None:
        """Stop it with SIGINT, like Ctrl-C."""
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(DEADLINE_S)
            self.process = None

    def new_project(self) -> "Project":
        """Create a new team with a project that has no events; return the project."""
        name = uuid4().hex
        team = self.call("teams/", {"name": name})
        self.call("projects/", {"name": name, "team": team["id"]})
        (created,) = self.call(f"projects/?team={team['id']}")["results"]
        return Project(self, str(created["id"]), created["dsn"])

    def call(self, address: str, data: dict[str, Any] | None = None) -> Any:
        """Send a GET to the API, or a POST if there is data; return the JSON of the response."""
        url = urljoin(f"{self.origin}/api/canonical/0/", address)
        headers = {"Authorization": f"Bearer {self.access['token']}", "Content-Type": "application/json"}
        body = None if data is None else json.dumps(data).encode()
        with urlopen(Request(url, body, headers), timeout=DEADLINE_S) as response:
            return json.load(response)


@dataclass
class Project:
    """A project of a Bugsink server, with the DSN for reports to it."""

    server: Bugsink
    id: str
    dsn: str
    details: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def issues(self) -> list[dict[str, Any]]:
        """Return its issues, oldest first, with the keys of the API: `id`, `digested_event_count` …"""
        return self._pages(f"issues/?project={self.id}")

    def events(self) -> list[dict[str, Any]]:
        """Return all its events by issue: `id`, `issue`, `event_id`, and `data`, which is the event as it was sent."""
        listed = [event for issue in self.issues() for event in self._pages(f"events/?order=asc&issue={issue['id']}")]
        for event in listed:
            if event["id"] not in self.details:
                self.details[event["id"]] = self.server.call(f"events/{event['id']}/")
        return [self.details[event["id"]] for event in listed]

    def events_of(self, request_id: str) -> list[dict[str, Any]]:
        """Return the received events with the tag of this request."""
        return [event for event in self.events() if tags_of(event).get("request_id") == request_id]

    def _pages(self, address: str) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        while address:
            page = self.server.call(address)
            results += page["results"]
            address = page["next"]
        return results


def tags_of(event: dict[str, Any]) -> dict[str, str]:
    """Return the tags of an event; empty if it has no tags."""
    return dict(event["data"].get("tags") or {})


@contextmanager
def bugsink(directory: Path) -> Iterator[Bugsink]:
    """Run an empty Bugsink with its data in this directory until the block ends. Bugsink must be installed."""
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
    """Install Bugsink if necessary. Return the reason in one line if that fails, otherwise an empty string."""
    installation = [sys.executable, "bin/environment.py", "--directory", str(PYTHON.parents[1]), str(REQUIREMENTS)]
    result = subprocess.run(installation, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return ""
    written = result.stderr.splitlines()
    return NOT_INSTALLED.format(reason=next((line for line in written if line.startswith("ERROR")), written[-1]))


def empty_bugsink() -> Path:
    """Return the data directory of a Bugsink without events; create it once per version, because it takes seconds."""
    directory = VAR / f"empty-{hashlib.sha256(REQUIREMENTS.read_bytes() + SERVER.read_bytes()).hexdigest()[:12]}"
    with (VAR / "empty.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "access.json").exists():
            for older in VAR.glob("empty-*"):
                shutil.rmtree(older)
            subprocess.run(command(directory, "--only-prepare"), check=True)
    return directory
