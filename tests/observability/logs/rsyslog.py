"""A real syslog server for the tests: the installed rsyslogd with a configuration for the test."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.server import DEADLINE_S, free_port, wait_for

INPUTS = {
    "udp": 'module(load="imudp") input(type="imudp" address="127.0.0.1" port="{port}")',
    "tcp": 'module(load="imtcp") input(type="imtcp" address="127.0.0.1" port="{port}")',
    "unix": 'module(load="imuxsock" SysSock.Use="off") input(type="imuxsock" Socket="{socket}")',
}
# One line per message, with the parts that rsyslog parsed.
RULES = """
template(name="parts" type="string" string="%syslogfacility-text%.%syslogseverity-text% %app-name%[%procid%] %msg%\\n")
*.* action(type="omfile" file="{received}" template="parts")
"""


def find_rsyslogd() -> str | None:
    """Return the path of `rsyslogd`, also outside of the PATH of an ordinary user; None if it is not installed."""
    return shutil.which("rsyslogd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True, slots=True)
class Message:
    """A message that rsyslog has parsed: `user.info`, `vitrine`, and the keys of its JSON line."""

    priority: str
    program: str
    fields: dict[str, Any]


class SyslogServer:
    """A server that listens on UDP, TCP or a Unix socket (`unix`) while it runs. It can be stopped and started again.

    `before_all` is configuration that handles the messages first.
    """

    def __init__(self, directory: Path, scheme: str, *, before_all: str = "") -> None:
        self._directory = directory
        self._received = directory / "received"
        port, socket = free_port(), directory / "socket"
        self.address = f"unix:{socket}" if scheme == "unix" else f"{scheme}://127.0.0.1:{port}"
        parts = [
            f'global(workDirectory="{directory}")',
            INPUTS[scheme].format(port=port, socket=socket),
            before_all,
            RULES.format(received=self._received),
        ]
        (directory / "rsyslog.conf").write_text("\n".join(parts))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the server during the block, and kill it at the end."""
        program = find_rsyslogd()
        assert program is not None
        pid_file = self._directory / "pid"
        pid_file.unlink(missing_ok=True)
        arguments = ["-n", "-f", str(self._directory / "rsyslog.conf"), "-i", str(pid_file)]
        with (self._directory / "output").open("ab") as output:
            process = subprocess.Popen([program, *arguments], stdout=output, stderr=output)
        try:
            wait_for(lambda: pid_file.exists() or process.poll() is not None, "rsyslogd")
            assert process.poll() is None, (self._directory / "output").read_text()
            yield
        finally:
            process.kill()
            process.wait(DEADLINE_S)

    def messages(self, event: str | None = None) -> list[Message]:
        """Return the received messages, or only those with an event. Each message must be JSON."""
        text = self._received.read_text() if self._received.exists() else ""
        found = []
        for line in text[: text.rfind("\n") + 1].splitlines():
            priority, program, message = line.split(maxsplit=2)
            found.append(Message(priority, program.partition("[")[0], json.loads(message)))
        return [message for message in found if event is None or message.fields["event"] == event]
