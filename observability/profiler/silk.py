"""django-silk, asleep: it records the requests that ask for it, and leaves all others alone.

The one module that imports silk; the settings name it where silk is installed. What silk does with its own database is
not counted as the request's.
"""

import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import parse_qs

import silk.middleware
import silk.sql
from asgiref.sync import async_to_sync, sync_to_async
from django.db import DatabaseError
from django.db.models.sql.compiler import SQLCompiler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from silk.collector import DataCollector
from silk.model_factory import RequestModelFactory, ResponseModelFactory

from observability.core.context import activate
from observability.profiler.audience import wants_silk
from observability.profiler.middleware import GetResponse, GetResponseAsync, Middleware
from observability.redaction import REDACTED, redact

MAX_QUERIES = 500
MAX_TRACEBACK_LENGTH = 4_000

log = logging.getLogger(__name__)

# A parameter that may be a token, the key of a session or the hash of a password: 20 characters or more, no space.
_long_word = re.compile(r"\S{20,}")


class SilkMiddleware(Middleware):
    """Hands a request that asks for it (`?silk` or the header X-Silk) to silk; it is shown nothing of the others.

    It stands after the JSON page's middleware, so that silk records the JSON and not the page. The header X-Silk-URL of
    the response names the page of the record.
    """

    def __init__(self, get_response: GetResponse | GetResponseAsync) -> None:
        super().__init__(get_response)
        recorder = Recorder(async_to_sync(self.get_response) if self.is_async else get_response)
        self.recorder: Any = sync_to_async(recorder) if self.is_async else recorder

    def call(self, request: HttpRequest) -> HttpResponseBase:
        answer: GetResponse = self.recorder if wants_silk(request) else self.get_response
        return answer(request)

    async def call_async(self, request: HttpRequest) -> HttpResponseBase:
        answer: GetResponseAsync = self.recorder if wants_silk(request) else self.get_response
        return await answer(request)


class Recorder(silk.middleware.SilkyMiddleware):  # type: ignore[misc] # silk has no types
    """silk's middleware for one request: without EXPLAIN, bounded, without secrets, and outside of the Observation."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with awake():
            try:
                return cast("HttpResponseBase", super().__call__(request))
            finally:
                # The next request of this thread finds nothing of this one.
                DataCollector().clear()

    def process_request(self, request: HttpRequest) -> None:
        """Begin the record. Where silk's database is not there, or not migrated, the request goes on without one."""
        try:
            with activate(None):
                super().process_request(request)
        except DatabaseError as error:
            request.silk_is_intercepted = False  # type: ignore[attr-defined]
            DataCollector().clear()
            log.warning("silk_without_database", extra={"problem": str(error), "hint": "run manage.py prepare"})

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Write the record."""
        collector = DataCollector()
        with activate(None):
            for query in collector.queries.values():
                query["traceback"] = query["traceback"][:MAX_TRACEBACK_LENGTH]
            super().process_response(request, response)
        if collector.request is not None:
            response.headers["X-Silk-URL"] = reverse("silk:request_detail", args=[collector.request.pk])
        return response


class RedactedRequest(RequestModelFactory):  # type: ignore[misc] # silk has no types
    """What silk keeps of a request: headers, query and a JSON or form body, each after `redact()`."""

    def encoded_headers(self) -> str:
        return json.dumps(redact(dict(self.request.headers)))

    def query_params(self) -> str:
        return json.dumps(redact(self.request.GET.dict())) if self.request.GET else ""

    def body(self) -> tuple[str, str]:
        _, raw_body = super().body()
        body = _redacted_body(raw_body, self.content_type()[0])
        return body, body

    def _mask_credentials(self, body: str) -> str:
        return body


class RedactedResponse(ResponseModelFactory):  # type: ignore[misc] # silk has no types
    """What silk keeps of a response: status, headers, and a JSON body after `redact()`."""

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__(_Kept(response))

    def body(self) -> tuple[str, str]:
        _, content = super().body()
        body = _redacted_body(content, self.response.content_type.partition(";")[0])
        return body, body


class _Kept:
    """The part of a response that silk reads, with redacted headers."""

    def __init__(self, response: HttpResponseBase) -> None:
        self.status_code = response.status_code
        self.content_type = response.headers.get("Content-Type", "")
        # As pairs: silk takes a value of two characters ("42") for a pair.
        self.headers = {name: (name, value) for name, value in redact(dict(response.headers)).items()}
        is_plain = not response.streaming and not response.has_header("Content-Encoding")
        self.content = getattr(response, "content", b"") if is_plain else b""

    def get(self, _name: str, _default: str = "") -> str:
        """The one header that silk asks for by name."""
        return self.content_type


def _redacted_body(body: str | bytes | None, media_type: str) -> str:
    """The body without secrets; empty where it is neither JSON nor a form, of which nobody knows what is secret."""
    if not body:
        return ""
    try:
        text = body if isinstance(body, str) else body.decode()
        if media_type == "application/x-www-form-urlencoded":
            return json.dumps(redact(parse_qs(text)), indent=4)
        return json.dumps(redact(json.loads(text)), indent=4)
    except (ValueError, RecursionError):
        return ""


def _masked(parameter: object) -> str:
    """How a parameter of a statement is written into silk's record of it."""
    text = str(parameter)
    return REDACTED if _long_word.search(text) else text


_wants_query = silk.sql._should_wrap  # noqa: SLF001 - silk has no public way


def _wants_another_query(sql: str) -> bool:
    # The first question is whether this thread has a request at all; without one there is no collection to count.
    return bool(_wants_query(sql)) and len(DataCollector().queries) < MAX_QUERIES


def tame() -> None:
    """Replace what silk has no setting for.

    Its EXPLAIN of each query triples their number whatever SILKY_ANALYZE_QUERIES says, and within a transaction of
    PostgreSQL it fails where the query failed, which makes a handled error (409) a 500.
    """
    silk.sql._explain_query = lambda *_: None  # noqa: SLF001 - silk has no public way
    silk.sql._should_wrap = _wants_another_query  # noqa: SLF001
    silk.sql.force_str = _masked
    silk.middleware.RequestModelFactory = RedactedRequest
    silk.middleware.ResponseModelFactory = RedactedResponse


class _Hook:
    """silk's function in the place of Django's `SQLCompiler.execute_sql`, while requests are recorded.

    silk puts it there at the first record and leaves it. It counts the records of this process, in any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._record_count = 0

    def count(self, change: int) -> None:
        with self._lock:
            self._record_count += change
            compiler = cast("Any", SQLCompiler)
            if not hasattr(compiler, "_execute_sql"):
                # silk's function calls this one, and looks for it to see whether it is installed.
                compiler._execute_sql = compiler.execute_sql  # noqa: SLF001
            compiler.execute_sql = silk.sql.execute_sql if self._record_count else compiler._execute_sql  # noqa: SLF001


_hook = _Hook()


@contextmanager
def awake() -> Iterator[None]:
    """Let silk see the queries of this process for the length of a block; it keeps those of its own requests."""
    _hook.count(+1)
    try:
        yield
    finally:
        _hook.count(-1)


tame()
