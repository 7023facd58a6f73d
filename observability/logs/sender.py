"""A thread that sends messages to a syslog server that may be slow or away."""

import errno
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from observability.logs.syslog_address import TIMEOUT_S, SyslogAddress

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a sender tells, in its own thread: of trouble, of a message that can never be sent, of one that was."""

    trouble: Callable[[OSError], None]
    lost: Callable[[OSError], None]
    sent: Callable[[], None]


class Sender:
    """Sends in order, in one process: made with its first message, and ended with the process.

    A message that could not be sent is tried again after a pause, from 0.1 s to 5 s, on a new connection.
    """

    def __init__(self, address: SyslogAddress, told: Told) -> None:
        self.process = os.getpid()
        self._address = address
        self._told = told
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._socket: socket.socket | None = None
        self._in_hand = 0
        self._is_ending = threading.Event()
        self._is_given_up = False
        self._thread = threading.Thread(target=self._run, name="syslog", daemon=True)
        self._thread.start()

    @property
    def waiting_count(self) -> int:
        return self._waiting.qsize()

    def put(self, message: bytes) -> None:
        """Let a message wait for its turn."""
        self._waiting.put(message)

    def end(self, seconds: float) -> int:
        """Send what waits for at most so many seconds, and stop; how many messages are left."""
        self._is_ending.set()
        self._waiting.put(None)
        self._thread.join(seconds)
        self._is_given_up = True
        left = self._in_hand
        with suppress(Empty):
            while True:
                left += self._waiting.get_nowait() is not None
        return left

    def _run(self) -> None:
        try:
            while (message := self._waiting.get()) is not None:
                self._in_hand = 1
                if not self._is_done(message):
                    return
                self._in_hand = 0
        finally:
            self._hang_up()

    def _is_done(self, message: bytes) -> bool:
        """Send a message until it is sent; False where the end came before."""
        pause_s = FIRST_PAUSE_S
        while not self._is_given_up:
            try:
                self._send(message)
            except OSError as error:
                self._hang_up()
                if error.errno == errno.EMSGSIZE:
                    self._told.lost(error)
                    return True
                self._told.trouble(error)
                if self._is_ending.is_set():
                    return False
                self._is_ending.wait(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                self._told.sent()
                return True
        return False

    def _send(self, message: bytes) -> None:
        if self._socket is None or self._is_hung_up(self._socket):
            self._hang_up()
            self._socket = self._address.connected()
        if self._address.scheme == "tcp":
            # With its length before it, as RFC 6587 has it: a message may hold any character.
            self._socket.sendall(b"%d %b" % (len(message), message))
        elif self._address.scheme == "unix":
            self._socket.send(message)
        else:
            self._send_datagram(self._socket, message)

    def _send_datagram(self, connected: socket.socket, message: bytes) -> None:
        try:
            connected.send(message)
        except ConnectionRefusedError as error:
            # Nobody took the one before this, which was not sent now.
            self._told.trouble(error)
            with suppress(ConnectionRefusedError):
                connected.send(message)

    def _is_hung_up(self, connected: socket.socket) -> bool:
        """Whether the server closed the connection: what is written to it then is lost in silence."""
        if self._address.scheme != "tcp":
            return False
        connected.settimeout(0)
        try:
            return not connected.recv(1)
        except BlockingIOError:
            return False
        finally:
            connected.settimeout(TIMEOUT_S)

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
