"""The profile of a running request: which requests are profiled, and what is captured until the request ends."""

import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, ClassVar, cast
from weakref import WeakValueDictionary

from django.dispatch import receiver
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase, ResponseHeaders
from django.test.signals import setting_changed

from observability.conf import QuietPaths
from observability.core.measurements import to_dict
from observability.core.observation import Observation
from observability.core.timeline import Timeline
from observability.profiler.links import is_tool_path, redact_url
from observability.profiler.visibility import is_from_developer, is_navigation

MAX_BODY_BYTES = 64 * 1024

_undecided = object()


class Profile:
    """The profile of a request, stored in the extensions of its observation.

    `ensure_profile` creates it. The reader writes it to the store when the response starts and when the request ends.

    panels: the serialized panels of the toolbar by id, until the row of the profile is written.
    number: the number of this row.
    documents: the documents that are written when the request ends, by kind.
    repeat_of: the id of the profile that this request repeats with silk.
    notice: a problem of the profile itself, as a sentence for its page.
    """

    # The toolbar uses its own ids for requests.
    by_toolbar_id: ClassVar["WeakValueDictionary[str, Profile]"] = WeakValueDictionary()

    __slots__ = (
        "__weakref__", "capture", "documents", "id", "notice", "number", "observation", "panels", "repeat_of",
        "toolbar_id",
    )  # fmt: skip

    def __init__(self, observation: Observation) -> None:
        # The request id is not used, because clients may send the same id twice.
        self.id = os.urandom(8).hex()
        self.observation = observation
        self.capture = RequestCapture()
        self.toolbar_id: str | None = None
        self.panels: dict[str, str] = {}
        self.documents: dict[str, bytes] = {}
        self.number: int | None = None
        self.repeat_of: str | None = None
        self.notice = ""
        observation.timeline = Timeline()

    def attach_toolbar(self, toolbar_id: str) -> None:
        """Store the toolbar's id of this request, so that its panels are stored with the profile."""
        self.toolbar_id = toolbar_id
        Profile.by_toolbar_id[toolbar_id] = self

    def row_values(self) -> Mapping[str, object]:
        """Return a value for each column of the store."""
        observation, http = self.observation, self.observation.http
        return {
            "id": self.id,
            "request_id": observation.request_id,
            "toolbar_id": self.toolbar_id,
            "is_running": True,
            "process": os.getpid(),
            "started_at": observation.started_at,
            "method": http.method if http else "",
            "path": http.path if http else "",
            "query": redact_url(self.capture.url).partition("?")[2],
            "repeat_of": self.repeat_of,
        } | self.changing_row_values()

    def changing_row_values(self) -> dict[str, object]:
        """Return the values of the row that may change until the request ends."""
        keys = to_dict(self.observation)
        return {
            "route": keys.get("http.route"),
            "status": keys.get("http.response.status_code"),
            "duration_ms": keys["duration_ms"],
            "query_count": keys["db.query_count"],
            "repeated_count": keys["db.repeated_count"],
            "over_budget": keys.get("db.over_budget", False),
            "transaction": keys["db.transaction"],
            "user_id": keys.get("user.id"),
            "failed": self.observation.failed,
            "silk_url": self.capture.response_headers.get("X-Silk-URL"),
        }


def ensure_profile(observation: Observation | None) -> Profile | None:
    """Return the profile of a request, or None. The first call decides whether the request is profiled.

    All requests of a developer are profiled, except requests of the developer tools, and of programs to QUIET_PATHS.
    """
    if observation is None:
        return None
    if observation.extensions.get(Profile, _undecided) is _undecided:
        observation.extensions[Profile] = Profile(observation) if _is_profiled(observation) else None
    return find_profile(observation)


def find_profile(observation: Observation) -> Profile | None:
    """Return the profile of an observation; None if it is not profiled."""
    profile = observation.extensions.get(Profile)
    return profile if isinstance(profile, Profile) else None


def _is_profiled(observation: Observation) -> bool:
    request: HttpRequest | None = observation.request
    if request is None or not is_from_developer(request) or is_tool_path(request.path):
        return False
    return request.path not in _quiet_paths() or is_navigation(request)


@cache
def _quiet_paths() -> QuietPaths:
    return QuietPaths()


@receiver(setting_changed, dispatch_uid="observability.profiler.profile")
def _reset_quiet_paths(*, setting: str, **_: object) -> None:
    """Clear the cache for `override_settings(OBSERVABILITY=…)` in tests."""
    if setting == "OBSERVABILITY":
        _quiet_paths.cache_clear()


class CapturedBody:
    """The first 64 KiB of a body, and the size of the whole body in bytes."""

    __slots__ = ("data", "size")

    def __init__(self) -> None:
        self.data = b""
        self.size = 0

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if len(self.data) < MAX_BODY_BYTES:
            self.data += chunk[: MAX_BODY_BYTES - len(self.data)]


class RequestCapture:
    """A request and its response, copied while the view reads and writes them. Nothing is read only for the profile.

    `ProfileMiddleware` calls `capture_request`, then `capture_response`. `request_body` is the part of the body that
    the view has read. `response_body` is None for a file, which the server sends.
    """

    __slots__ = ("request_body", "request_headers", "response_body", "response_headers", "url")

    def __init__(self) -> None:
        self.url = ""
        self.request_headers: dict[str, str] = {}
        self.request_body = CapturedBody()
        self.response_headers = ResponseHeaders({})
        self.response_body: CapturedBody | None = CapturedBody()

    def capture_request(self, request: HttpRequest) -> None:
        """Copy the URL and the headers now, and the body while it is read."""
        self.url = request.get_full_path()
        self.request_headers = dict(request.headers)
        stream = getattr(request, "_stream", None)
        if stream is not None:
            request._stream = _CapturedStream(stream, self.request_body)  # type: ignore[assignment] # noqa: SLF001 - Django has no public way

    def capture_response(self, response: HttpResponseBase) -> None:
        """Copy the response that a program gets. The chunks of a streaming response are copied when they are sent."""
        self.response_headers = ResponseHeaders(response.headers)
        if response.cookies:
            self.response_headers["Set-Cookie"] = response.cookies.output(header="", sep=",").strip()
        if isinstance(response, FileResponse):
            self.response_body = None
            return
        body = self.response_body = CapturedBody()
        if isinstance(response, StreamingHttpResponse):
            chunks = response.streaming_content
            response.streaming_content = (
                _captured_async(cast("AsyncIterator[bytes]", chunks), body)
                if response.is_async
                else _captured(cast("Iterable[bytes]", chunks), body)
            )
        elif isinstance(response, HttpResponse):
            body.add(response.content)


class _CapturedStream:
    """The stream of a request body, which copies all data that is read."""

    def __init__(self, stream: Any, body: CapturedBody) -> None:  # noqa: ANN401 - each server has its own class
        self._stream = stream
        self._body = body

    def read(self, *size: int) -> bytes:
        return self._captured(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._captured(self._stream.readline(*size))

    def _captured(self, chunk: bytes) -> bytes:
        self._body.add(chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an attribute of the server's class
        return getattr(self._stream, name)


def _captured(chunks: Iterable[bytes], body: CapturedBody) -> Iterator[bytes]:
    for chunk in chunks:
        body.add(chunk)
        yield chunk


async def _captured_async(chunks: AsyncIterator[bytes], body: CapturedBody) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        body.add(chunk)
        yield chunk
