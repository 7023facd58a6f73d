"""gunicorn's threaded worker, which gives a thread only to a request that has arrived.

gunicorn's own gthread worker reads a request in a thread, without a limit of time: as many slow clients as threads stop
the process. This worker reads in its main loop, into memory. A thread that serves a request rarely waits for a client.
"""

import errno
import re
import socket
import time
from collections import deque
from functools import partial
from operator import attrgetter
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

# A request, head and body, that does not arrive in this time is closed without an answer.
ARRIVAL_TIMEOUT_S = 20
# A larger request is read by a thread, and it and each write of a response have this time.
LARGE_TIMEOUT_S = 60
MAX_BUFFERED_BYTES = 128 * 1024
# How long a closed connection waits until its client closes it, too.
LINGER_S = 2

_length = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_is_chunked = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_waits = re.compile(rb"\r\nexpect:", re.IGNORECASE)


class ClientSocket:
    """The socket of a client, with a limit of time for everything that a thread waits for."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.deadline = float("inf")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.socket, name)

    def recv(self, size: int) -> bytes:
        """Receive before the deadline."""
        received: bytes = self._within(self.deadline - time.monotonic(), self.socket.recv, size)
        return received

    def sendall(self, data: bytes) -> None:
        """Send all data in LARGE_TIMEOUT_S seconds."""
        self._within(LARGE_TIMEOUT_S, self.socket.sendall, data)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a part of a file in LARGE_TIMEOUT_S seconds."""
        sent: int = self._within(LARGE_TIMEOUT_S, self.socket.sendfile, file, offset, count)
        return sent

    def _within(self, seconds: float, operation: Any, *arguments: Any) -> Any:
        """Run a blocking operation. A client that is too slow counts as one that closed the connection."""
        before = self.socket.gettimeout()
        if before is not None or seconds == float("inf"):
            return operation(*arguments)
        self.socket.settimeout(max(seconds, 0.001))
        try:
            return operation(*arguments)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "the client is too slow") from error
        finally:
            self.socket.settimeout(before)


class ArrivedRequestWorker(ThreadWorker):
    """The worker. `pending_conns` has the connections whose request has not arrived yet.

    A connection has two more attributes: `arrived`, the bytes so far, and `is_large`, whether a thread reads the rest.
    At most half of the threads do that. With TLS in gunicorn, all is as in gthread.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.large_count = 0
        self.waiting_large: deque[Any] = deque()
        self.lingering: deque[Any] = deque()

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection, and wait for its request without a thread."""
        if self.cfg.is_ssl:
            super().accept(listener)
            return
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EMFILE, errno.ENFILE):
                raise
            return
        self.nr_conns += 1
        sock: Any = ClientSocket(accepted)
        conn = TConn(self.cfg, sock, address, listener.getsockname())
        self.await_request(conn, b"")

    def await_request(self, conn: Any, arrived: bytes) -> None:
        """Wait until the whole request has arrived; `arrived` has the bytes that were received before."""
        conn.arrived = bytearray(arrived)
        conn.is_large = False
        conn.timeout = time.monotonic() + ARRIVAL_TIMEOUT_S
        if not self.dispatch_arrived(conn):
            conn.sock.setblocking(False)
            self.pending_conns.append(conn)
            self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: Any, client: Any) -> None:
        """Receive a part of a request."""
        try:
            received = client.recv(MAX_BUFFERED_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received, conn.arrived = b"", bytearray()
        conn.arrived += received
        if received and not is_arrived(conn.arrived) and not is_large(conn.arrived):
            return
        self.poller.unregister(client)
        self.pending_conns.remove(conn)
        if not conn.arrived:
            self.nr_conns -= 1
            conn.close()
        elif not self.dispatch_arrived(conn):
            # The client ended in the middle of its request, so a thread does not wait for the rest.
            self.enqueue_req(conn)

    def dispatch_arrived(self, conn: Any) -> bool:
        """Give the request to a thread if it has arrived, or if it is a large one; return whether it was one of them."""
        if is_arrived(conn.arrived):
            self.enqueue_req(conn)
            return True
        if is_large(conn.arrived):
            conn.is_large = True
            self.waiting_large.append(conn)
            self.dispatch_large()
            return True
        return False

    def dispatch_large(self) -> None:
        """Give large requests to threads, at most to half of them."""
        while self.waiting_large and self.large_count < max(self.cfg.threads // 2, 1):
            self.large_count += 1
            self.enqueue_req(self.waiting_large.popleft())

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        """Wait for the next request of a connection that was kept alive."""
        if self.cfg.is_ssl:
            super().on_client_socket_readable(conn, client)
            return
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self.await_request(conn, b"")

    def handle(self, conn: Any) -> Any:
        """Serve the request in a thread."""
        if arrived := bytes(getattr(conn, "arrived", b"")):
            conn.arrived = bytearray()
            conn.data_ready = True
            conn.sock.deadline = time.monotonic() + LARGE_TIMEOUT_S
            conn.init()
            conn.parser.unreader.unread(arrived)
        return super().handle(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Wait for the next request, or close the connection. It runs in the main loop, so it never waits."""
        if getattr(conn, "is_large", False):
            conn.is_large = False
            self.large_count -= 1
            self.dispatch_large()
        is_kept = not fs.cancelled() and fs.exception() is None and fs.result()
        if self.cfg.is_ssl or (is_kept and not conn.parser.unreader.buf.getvalue()):
            super().finish_request(conn, fs)
        elif is_kept:
            # The client has sent a part of its next request already.
            self.await_request(conn, conn.parser.unreader.take_buffered())
        else:
            self.linger(conn)

    def linger(self, conn: Any) -> None:
        """Close the connection when the client does, so that it can read the whole response, or after LINGER_S."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, EVENT_READ, partial(self.discard, conn))
        except (OSError, ValueError):
            self.nr_conns -= 1
            conn.close()
            return
        conn.timeout = time.monotonic() + LINGER_S
        self.lingering.append(conn)

    def discard(self, conn: Any, client: Any) -> None:
        """Discard what the client still sends; close the connection at its end."""
        try:
            if client.recv(MAX_BUFFERED_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.lingering.remove(conn)
        self.forget(conn)

    def murder_pending(self) -> None:
        """Close the connections whose request did not arrive in time, and those that lingered long enough."""
        super().murder_pending()
        now = time.monotonic()
        while self.lingering and self.lingering[0].timeout <= now:
            self.forget(self.lingering.popleft())
        while self.waiting_large and self.waiting_large[0].timeout <= now:
            self.nr_conns -= 1
            self.waiting_large.popleft().close()

    def forget(self, conn: Any) -> None:
        """Close a connection that the poller has."""
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """Before a stop, also close new connections on which nothing has arrived."""
        super()._cap_keepalive(deadline)  # type: ignore[misc] # types-gunicorn does not have it
        pending: list[Any] = list(self.pending_conns)
        for conn in pending:
            if not getattr(conn, "arrived", b""):
                conn.timeout = min(conn.timeout, deadline)
        self.pending_conns = deque(sorted(pending, key=attrgetter("timeout")))


def is_arrived(request: bytes | bytearray) -> bool:
    """Return whether the head and the body are complete. What is not valid HTTP is complete: gunicorn refuses it."""
    end = request.find(b"\r\n\r\n")
    if end < 0 or _waits.search(request, 0, end + 2):
        return False
    if _is_chunked.search(request, 0, end + 2):
        return request.endswith(b"0\r\n\r\n")
    length = _length.search(request, 0, end + 2)
    return length is None or len(request) >= end + 4 + int(length[1])


def is_large(request: bytes | bytearray) -> bool:
    """Return whether a thread has to read the rest: too much to keep, or the client waits for `100 Continue`."""
    end = request.find(b"\r\n\r\n")
    if len(request) >= MAX_BUFFERED_BYTES:
        return True
    if end < 0:
        return False
    length = _length.search(request, 0, end + 2)
    is_waiting = _waits.search(request, 0, end + 2) is not None
    return is_waiting or (length is not None and end + 4 + int(length[1]) > MAX_BUFFERED_BYTES)
