"""The handler of a syslog server: the lines of the log files as the messages of syslog."""

import logging
import os
import re
import socket
import threading
import time
from datetime import UTC, datetime
from logging.handlers import SysLogHandler

from observability.logs.encoding import shorten
from observability.logs.losses import Losses, lost_record
from observability.logs.sender import Sender, Told
from observability.logs.syslog_address import SyslogAddress

# What rsyslog takes by itself; a datagram of more would be cut into too many packets.
MAX_MESSAGE_BYTES = 8_192
MIN_MESSAGE_BYTES = 4_096
MAX_WAITING = 10_000
FLUSH_S = 2.0

_not_printable = re.compile(r"[^!-~]")


class SyslogHandler(SysLogHandler):
    """A SysLogHandler that nobody waits for.

    `address` is `udp://host:514`, `tcp://host:601` or `unix:/dev/log`; `ident` is the name of the program. Over the
    network a message is that of RFC 5424, to a socket of this machine that of syslog(3). A line that would make it
    longer than `maxMessageBytes` is cut at its longest values, which its key `truncated` names.

    A record is formatted by the thread that logs it, and sent by another one, which each process starts with its first
    record: a handler may be made before a fork. While the server is away, 10,000 records wait; those that come then are
    counted, told on stderr once a second, and by a record when it is back (`log_records_lost`). At the end of the
    process what waits has two seconds to leave.

    Syslog has no receipts: UDP tells nobody what it loses, and by TCP what the server had not read when it died is lost
    without a sign.
    """

    _sender: Sender | None

    def __init__(
        self,
        address: str,
        facility: str = "user",
        ident: str = "python",
        maxMessageBytes: int = MAX_MESSAGE_BYTES,  # noqa: N803 - as the options of the standard library
    ) -> None:
        if facility not in self.facility_names:
            raise ValueError(f"facility is {facility!r}: allowed is one of {', '.join(self.facility_names)}")
        if maxMessageBytes < MIN_MESSAGE_BYTES:
            raise ValueError(f"maxMessageBytes is {maxMessageBytes}: allowed is a number from {MIN_MESSAGE_BYTES}")
        self._server = SyslogAddress.parsed(address)
        super().__init__(facility=self.facility_names[facility])
        self.maxMessageBytes = maxMessageBytes
        self._program = _not_printable.sub("_", ident)[:48] or "-"
        self._machine = _not_printable.sub("_", socket.gethostname())[:255] or "-"
        self._address = address
        self._begin()

    def createSocket(self) -> None:  # noqa: N802 - the standard library's name
        """Nothing: the sender connects, and not who makes the handler."""

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record, and give it to the sender."""
        try:
            if self._process != os.getpid():
                self._begin()
            if self._sender is None:
                self._sender = Sender(self._server, Told(self._complain, self._lose, self._tell_losses))
            message = self._message(record)
            if self._sender.waiting_count < MAX_WAITING:
                self._sender.put(message)
            else:
                self._lose(f"{MAX_WAITING:,} records wait for it")
        except Exception as error:  # noqa: BLE001 - logging must not break the work
            self._lose(error)

    def close(self) -> None:
        """Let what waits leave, for two seconds; a record that still comes starts another sender."""
        if self._process == os.getpid():
            sender, self._sender = self._sender, None
            left = sender.end(FLUSH_S) if sender is not None else 0
            with self._counting:
                if left:
                    self._losses.add("this process ends", left)
                self._losses.give_up()
        super().close()

    def _begin(self) -> None:
        """Begin in this process: what waits in its parent is sent and counted there."""
        self._process = os.getpid()
        self._losses = Losses(f"the syslog server {self._address}")
        # The sender cannot take the lock of the base class: at the end of a process it is held during close().
        self._counting = threading.RLock()
        self._sender = None

    def _message(self, record: logging.LogRecord) -> bytes:
        priority = self.encodePriority(self.facility, self.mapPriority(record.levelname))
        if self._server.scheme == "unix":
            # Month, day and time of this place, in English whatever the locale.
            local = time.ctime(record.created)[4:19]
            head = f"<{priority}>{local} {self._program}[{record.process or 0}]: "
        else:
            at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            head = f"<{priority}>1 {at} {self._machine} {self._program} {record.process or '-'} - - "
        line = f"{self.format(record)}\n".encode(errors="backslashreplace")
        room = self.maxMessageBytes - len(head)
        return head.encode() + (line if len(line) <= room else shorten(line, room)).removesuffix(b"\n")

    def _complain(self, error: OSError) -> None:
        with self._counting:
            self._losses.complain(f"cannot be reached: {error}")

    def _lose(self, reason: object) -> None:
        with self._counting:
            self._losses.add(reason)

    def _tell_losses(self) -> None:
        sender = self._sender
        if sender is None or not self._losses.count:
            # Without a sender the handler is being closed, which tells what is lost.
            return
        with self._counting:
            count = self._losses.settle()
        try:
            # Beyond those that may wait: it stands for many, and its count would be lost with it.
            sender.put(self._message(lost_record(count)))
        except Exception as error:  # noqa: BLE001 - the count is told later
            with self._counting:
                self._losses.add(error, count)
