"""What the tests of the spool share: quick patience, envelopes, and processes that report failures."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sentry_sdk.envelope import Envelope

from observability.sentry.delivery.patience import Patience
from tests.server import ROOT

# Nothing listens on this port.
AWAY = "http://key@127.0.0.1:9/1"
QUICK = Patience(first_pause_s=0.02, longest_pause_s=0.1, look_s=0.1, gather_s=0.0, start_pause_s=0.0)


def envelope(text: str = "failure", *, kind: str = "event") -> Envelope:
    """An envelope as the SDK makes it."""
    made = Envelope(headers={"event_id": uuid.uuid4().hex, "sent_at": "2000-01-01T00:00:00Z"})
    facts = {"event_id": made.headers["event_id"], "message": text}
    if kind == "event":
        made.add_event({"event_id": facts["event_id"], "message": text})
    else:
        made.add_transaction({"event_id": facts["event_id"], "transaction": text, "type": "transaction"})
    return made


def letter(text: str = "failure") -> bytes:
    """Its bytes."""
    return envelope(text).serialize()


class Writer:
    """A process of `writer.py`; it has made its failures when `wait()` returns."""

    def __init__(self, dsn: str, root: Path, mode: str, count: int) -> None:
        told = json.dumps({"dsn": dsn, "root": str(root), "mode": mode, "count": count})
        command = [sys.executable, "-m", "tests.observability.sentry.delivery.writer", told]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait(self) -> None:
        """Until it has made all its failures."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "made\n"

    def kill(self) -> str:
        """End it by force; what it wrote."""
        self.process.kill()
        return self.process.communicate()[0]

    def end(self) -> None:
        """Let it end by itself."""
        self.process.communicate()
        assert self.process.returncode == 0


@contextmanager
def writing(dsn: str, root: Path, *, mode: str = "stay", count: int = 0, processes: int = 1) -> Iterator[list[Writer]]:
    """Processes that report so many failures each; killed when the block ends, if they still run."""
    writers = [Writer(dsn, root, mode, count) for _ in range(processes)]
    try:
        yield writers
    finally:
        for each in writers:
            each.kill()
