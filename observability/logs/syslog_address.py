"""Where a syslog server listens."""

import re
import socket
from dataclasses import dataclass
from typing import Any

ALLOWED = "udp://host:514, tcp://host:601 or unix:/dev/log"
TIMEOUT_S = 5.0

_form = re.compile(
    r"(?P<scheme>udp|tcp)://(?P<host>[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?|unix:(?P<path>/.+)"
)
_default_ports = {"udp": 514, "tcp": 601}


@dataclass(frozen=True, slots=True)
class SyslogAddress:
    """A server by UDP or TCP, or the socket of this machine at `path`; scheme is `udp`, `tcp` or `unix`."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parsed(cls, text: str) -> "SyslogAddress":
        """The address that a text names, with the usual port where it names none; ValueError where it is no address."""
        match = _form.fullmatch(text)
        if match is None or int(match["port"] or 1) not in range(1, 65_536):
            raise ValueError(f"the address of the syslog server is {text!r}: allowed is {ALLOWED}")
        if match["path"]:
            return cls("unix", path=match["path"])
        scheme = match["scheme"]
        return cls(scheme, match["host"].strip("[]"), int(match["port"] or _default_ports[scheme]))

    def connected(self) -> socket.socket:
        """A socket that leads there; OSError where none does."""
        if self.scheme == "tcp":
            return socket.create_connection((self.host, self.port), TIMEOUT_S)
        if self.scheme == "unix":
            return _datagrams(socket.AF_UNIX, self.path)
        family, _, _, _, place = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
        return _datagrams(family, place)


def _datagrams(family: int, place: Any) -> socket.socket:  # noqa: ANN401 - a path, or what getaddrinfo gives
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.settimeout(TIMEOUT_S)
        made.connect(place)
    except OSError:
        made.close()
        raise
    return made
