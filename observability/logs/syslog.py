"""The syslog handler: send log lines to a syslog server. The code that logs does not wait for the server."""

import errno
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import SysLogHandler
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from observability.logs.formatters import truncate_line
from observability.logs.handlers import DroppedRecords, dropped_count_record

# The default limit of rsyslog. A longer datagram would be split into too many packets.
MAX_MESSAGE_BYTES = 8_192
MIN_MESSAGE_BYTES = 4_096
MAX_WAITING = 10_000
FLUSH_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 5.0
MIN_RETRY_PAUSE_S = 0.1
MAX_RETRY_PAUSE_S = 5.0
ALLOWED_ADDRESSES = "udp://host:514, tcp://host:601 or unix:/dev/log"

OnError: TypeAlias = Callable[[OSError], None]

_not_printable = re.compile(r"[^!-~]")
_address = re.compile(
    r"(?P<scheme>udp|tcp)://(?P<host>[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?|unix:(?P<path>/.+)"
)
_default_ports = {"udp": 514, "tcp": 601}


class SyslogHandler(SysLogHandler):
    """A SysLogHandler that sends messages in a separate thread.

    `address` is `udp://host:514`, `tcp://host:601` or `unix:/dev/log`. `ident` is the program name. Messages over the
    network have the format of RFC 5424; messages to a local socket have the format of syslog(3). If a message is longer
    than `maxMessageBytes`, the longest values of its line are truncated, and the key `truncated` has their names.

    The thread that logs formats the record. Each process starts its sending thread with its first record, so a handler
    may be created before a fork. If the server is not available, up to 10,000 records wait. More records are dropped
    and counted. stderr gets at most one message per second. When the server is available again, the record
    `log_records_dropped` has the number of dropped records. When the process ends, waiting records are sent for up to
    2 seconds.

    Syslog does not confirm messages: UDP packets, and messages to a TCP server that fails, can be lost unnoticed.
    """

    _sender: "SyslogSender | None"

    def __init__(
        self,
        address: str,
        facility: str = "user",
        ident: str = "python",
        maxMessageBytes: int = MAX_MESSAGE_BYTES,  # noqa: N803 - named like the options of the standard library
    ) -> None:
        if facility not in self.facility_names:
            raise ValueError(f"facility is {facility!r}. Allowed: {', '.join(self.facility_names)}")
        if maxMessageBytes < MIN_MESSAGE_BYTES:
            raise ValueError(
                f"maxMessageBytes is {maxMessageBytes}. Allowed: a number of bytes, {MIN_MESSAGE_BYTES} or more"
            )
        self._server = SyslogAddress.parse(address)
        super().__init__(facility=self.facility_names[facility])
        self.maxMessageBytes = maxMessageBytes
        self._program = _not_printable.sub("_", ident)[:48] or "-"
        self._machine = _not_printable.sub("_", socket.gethostname())[:255] or "-"
        self._address = address
        self._reset()

    def createSocket(self) -> None:  # noqa: N802 - the standard library's name
        """Do nothing, because the sending thread connects."""

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record and queue it for the sending thread."""
        try:
            if self._process != os.getpid():
                self._reset()
            if self._sender is None:
                self._sender = SyslogSender(
                    self._server, on_error=self._warn, on_dropped=self._drop, on_sent=self._log_dropped_count
                )
            message = self._message(record)
            if self._sender.waiting_count < MAX_WAITING:
                self._sender.put(message)
            else:
                self._drop(f"{MAX_WAITING:,} records are already waiting")
        except Exception as error:  # noqa: BLE001 - logging must not break the work
            self._drop(error)

    def close(self) -> None:
        """Send waiting records for up to 2 seconds. A later record starts a new thread."""
        if self._process == os.getpid():
            sender, self._sender = self._sender, None
            unsent_count = sender.stop(FLUSH_TIMEOUT_S) if sender is not None else 0
            with self._counting:
                if unsent_count:
                    self._dropped.add("this process is ending", unsent_count)
                self._dropped.close()
        super().close()

    def _reset(self) -> None:
        """Start without waiting records after a fork: the parent process sends and counts them."""
        self._process = os.getpid()
        self._dropped = DroppedRecords(f"the syslog server {self._address}")
        # This is not the lock of the base class: logging.shutdown() holds that lock while close() waits for the thread.
        self._counting = threading.RLock()
        self._sender = None

    def _message(self, record: logging.LogRecord) -> bytes:
        priority = self.encodePriority(self.facility, self.mapPriority(record.levelname))
        if self._server.scheme == "unix":
            # Month, day and local time; time.ctime() is in English in every locale.
            head = f"<{priority}>{time.ctime(record.created)[4:19]} {self._program}[{record.process or 0}]: "
        else:
            at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            head = f"<{priority}>1 {at} {self._machine} {self._program} {record.process or '-'} - - "
        line = f"{self.format(record)}\n".encode(errors="backslashreplace")
        max_line_bytes = self.maxMessageBytes - len(head)
        if len(line) > max_line_bytes:
            line = truncate_line(line, max_line_bytes)
        return head.encode() + line.removesuffix(b"\n")

    def _warn(self, error: OSError) -> None:
        with self._counting:
            self._dropped.warn(f"cannot be reached: {error}")

    def _drop(self, reason: object) -> None:
        with self._counting:
            self._dropped.add(reason)

    def _log_dropped_count(self) -> None:
        sender = self._sender
        if sender is None or not self._dropped.count:
            # There is no sender while close() runs; close() reports the count.
            return
        with self._counting:
            count = self._dropped.take_count()
        try:
            # Send this even if MAX_WAITING records are waiting, so that the count is not lost.
            sender.put(self._message(dropped_count_record(count)))
        except Exception as error:  # noqa: BLE001 - the count is reported later
            with self._counting:
                self._dropped.add(error, count)


class SyslogSender:
    """A thread that sends messages in order. The handler creates it with the first record of a process.

    If a message cannot be sent, it is sent again after 0.1 s to 5 s on a new connection. The thread calls `on_error`
    after each failure, `on_dropped` if a message can never be sent, and `on_sent` after each success.
    """

    def __init__(
        self, address: "SyslogAddress", *, on_error: OnError, on_dropped: OnError, on_sent: Callable[[], None]
    ) -> None:
        self._address = address
        self._on_error, self._on_dropped, self._on_sent = on_error, on_dropped, on_sent
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._socket: socket.socket | None = None
        self._sending_count = 0
        self._stopping = threading.Event()
        self._gave_up = False
        self._thread = threading.Thread(target=self._run, name="syslog", daemon=True)
        self._thread.start()

    @property
    def waiting_count(self) -> int:
        return self._waiting.qsize()

    def put(self, message: bytes) -> None:
        """Queue a message."""
        self._waiting.put(message)

    def stop(self, timeout_s: float) -> int:
        """Send waiting messages until the timeout, then stop. Return the number of unsent messages."""
        self._stopping.set()
        self._waiting.put(None)
        self._thread.join(timeout_s)
        self._gave_up = True
        unsent_count = self._sending_count
        with suppress(Empty):
            while True:
                unsent_count += self._waiting.get_nowait() is not None
        return unsent_count

    def _run(self) -> None:
        try:
            while (message := self._waiting.get()) is not None:
                self._sending_count = 1
                if not self._deliver(message):
                    return
                self._sending_count = 0
        finally:
            self._disconnect()

    def _deliver(self, message: bytes) -> bool:
        """Try to send a message until that succeeds. Return False if the process ends before that."""
        pause_s = MIN_RETRY_PAUSE_S
        while not self._gave_up:
            try:
                self._send(message)
            except OSError as error:
                self._disconnect()
                if error.errno == errno.EMSGSIZE:
                    self._on_dropped(error)
                    return True
                self._on_error(error)
                if self._stopping.is_set():
                    return False
                self._stopping.wait(pause_s)
                pause_s = min(pause_s * 2, MAX_RETRY_PAUSE_S)
            else:
                self._on_sent()
                return True
        return False

    def _send(self, message: bytes) -> None:
        if self._socket is None or self._is_disconnected(self._socket):
            self._disconnect()
            self._socket = self._address.connect()
        if self._address.scheme == "tcp":
            # RFC 6587, octet counting: the length comes first, because a message may contain any character.
            self._socket.sendall(b"%d %b" % (len(message), message))
        elif self._address.scheme == "unix":
            self._socket.send(message)
        else:
            self._send_datagram(self._socket, message)

    def _send_datagram(self, connected: socket.socket, message: bytes) -> None:
        try:
            connected.send(message)
        except ConnectionRefusedError as error:
            # This error is about the previous message; this message was not sent yet.
            self._on_error(error)
            with suppress(ConnectionRefusedError):
                connected.send(message)

    def _is_disconnected(self, connected: socket.socket) -> bool:
        """Return whether the server has closed the TCP connection. A write would be lost without an error."""
        if self._address.scheme != "tcp":
            return False
        connected.settimeout(0)
        try:
            return not connected.recv(1)
        except BlockingIOError:
            return False
        finally:
            connected.settimeout(CONNECT_TIMEOUT_S)

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass(frozen=True, slots=True)
class SyslogAddress:
    """The address of a syslog server. `scheme` is `udp`, `tcp` or `unix`; `path` is the path of a unix socket."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> "SyslogAddress":
        """Return the address of a text. Without a port, use the default port. Raises `ValueError` for other texts."""
        match = _address.fullmatch(text)
        if match is None or int(match["port"] or 1) not in range(1, 65_536):
            raise ValueError(f"the address of the syslog server is {text!r}. Allowed: {ALLOWED_ADDRESSES}")
        if match["path"]:
            return cls("unix", path=match["path"])
        scheme = match["scheme"]
        return cls(scheme, match["host"].strip("[]"), int(match["port"] or _default_ports[scheme]))

    def connect(self) -> socket.socket:
        """Return a connected socket. Raises `OSError`."""
        if self.scheme == "tcp":
            return socket.create_connection((self.host, self.port), CONNECT_TIMEOUT_S)
        if self.scheme == "unix":
            return _connect_datagram_socket(socket.AF_UNIX, self.path)
        family, _, _, _, place = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
        return _connect_datagram_socket(family, place)


def _connect_datagram_socket(family: int, address: Any) -> socket.socket:  # noqa: ANN401 - as socket.connect has it
    datagram_socket = socket.socket(family, socket.SOCK_DGRAM)
    try:
        datagram_socket.settimeout(CONNECT_TIMEOUT_S)
        datagram_socket.connect(address)
    except OSError:
        datagram_socket.close()
        raise
    return datagram_socket
