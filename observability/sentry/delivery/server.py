"""The server of Sentry's protocol that a DSN names, over the SDK's own pool of connections (proxies, certificates)."""

# Loaded before the first event is sent. The socket module would load it then, in the worker's thread; a child that is
# forked in the middle of that has half of it for ever, and cannot connect: "unknown encoding: idna".
import encodings.idna  # noqa: F401
import gzip
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from http import HTTPStatus

import urllib3
from sentry_sdk.consts import DEFAULT_OPTIONS, EndpointType
from sentry_sdk.transport import HttpTransport
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

from observability.sentry.delivery.limits import limits_of
from observability.text import safe_repr

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
GZIP_LEVEL = 6
# Redirects alone are followed: when to try again is not urllib3's to say.
RETRIES = urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=3, respect_retry_after_header=False)


# A key that was revoked, and a project or a proxy that is not there, are mended by people.
LATER = frozenset({
    HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
})  # fmt: skip


class Outcome(Enum):
    """What became of an envelope that was sent: the server has it, will never take it, or not now."""

    TAKEN = "taken"
    REFUSED = "refused"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said, in words; `limits` are seconds by category, as in `limits.limits_of`."""

    outcome: Outcome
    reason: str
    limits: dict[str, float] = field(default_factory=dict)


class Server(HttpTransport):
    """One process has one, as its connections are its own. The SDK's queue and thread are not used."""

    def __init__(self, dsn: str, *, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        super().__init__({**DEFAULT_OPTIONS, "dsn": dsn})
        self._read_timeout_s = read_timeout_s

    def post(self, envelope: bytes) -> Answer:
        """Send an envelope; a server that cannot be reached is an answer too."""
        try:
            body = gzip.compress(sent_now(envelope), GZIP_LEVEL)
        except ValueError:
            return Answer(Outcome.REFUSED, "no envelope")
        headers = {"Content-Type": "application/x-sentry-envelope", "Content-Encoding": "gzip"}
        self._update_headers(headers)
        try:
            response = self._pool.request(
                "POST",
                self._auth.get_api_url(EndpointType.ENVELOPE),
                body=body,
                headers=headers,
                retries=RETRIES,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=self._read_timeout_s),
            )
        except Exception as error:  # noqa: BLE001 - of the network, of certificates, of what stands between
            return Answer(Outcome.LATER, self._reason(error))
        limits = limits_of(response.status, {name.title(): value for name, value in response.headers.items()})
        return Answer(outcome_of(response.status), _status(response.status), limits)

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, MaxRetryError) and error.reason is not None:
            error = error.reason
        if isinstance(error, ReadTimeoutError):
            return f"no answer within {self._read_timeout_s:g} s"
        if isinstance(error, NameResolutionError):
            return "the name of the host is not known"
        if isinstance(error, NewConnectionError) and isinstance(error.__cause__, OSError):
            return str(error.__cause__.strerror or error.__cause__).lower()
        if isinstance(error, ConnectTimeoutError):
            return f"no connection within {CONNECT_TIMEOUT_S:g} s"
        return safe_repr(error)


def outcome_of(status: int) -> Outcome:
    """What an HTTP status says of an envelope.

    A server that is down, or behind a proxy that is, may take it later; so may one whose key is put right.
    """
    if HTTPStatus(200) <= status < HTTPStatus(300):
        return Outcome.TAKEN
    is_refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in LATER
    return Outcome.REFUSED if is_refused else Outcome.LATER


def sent_now(envelope: bytes) -> bytes:
    """The envelope with the time at which it is sent, by which the server judges the clock of the sender.

    Raises ValueError where it is none: what a power cut leaves of a file, for one.
    """
    header, _, rest = envelope.partition(b"\n")
    facts = json.loads(header)
    if not isinstance(facts, dict) or not rest.strip():
        raise ValueError("no envelope")
    facts["sent_at"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps(facts).encode() + b"\n" + rest


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
