"""django-silk, which records only requests that ask for it.

No other module imports silk. Settings reference this module only if silk is installed. The queries of silk in its
database do not count as queries of the request.
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
from observability.profiler.middleware import GetResponse, GetResponseAsync, SyncAndAsyncMiddleware
from observability.profiler.visibility import wants_silk
from observability.redaction import REDACTED, redact

MAX_QUERIES = 500
MAX_TRACEBACK_LENGTH = 4_000

log = logging.getLogger(__name__)

# A parameter of 20 or more characters without a space may be a token, a session key or a password hash.
_long_word = re.compile(r"\S{20,}")


class SilkMiddleware(SyncAndAsyncMiddleware):
    """Let silk record a request with `?silk` or the header X-Silk. Silk does not see other requests.

    In MIDDLEWARE it must come after ProfileMiddleware, so that silk records the JSON instead of a page. The response
    header X-Silk-URL has the link to the record.
    """

    def __init__(self, get_response: GetResponse | GetResponseAsync) -> None:
        super().__init__(get_response)
        if self.is_async:
            self.recorder = sync_to_async(SilkRecorder(async_to_sync(cast("Any", get_response))))
        else:
            self.recorder = SilkRecorder(get_response)

    def handle(self, request: HttpRequest, get_response: GetResponse) -> HttpResponseBase:
        return cast("GetResponse", self.recorder)(request) if wants_silk(request) else get_response(request)

    async def handle_async(self, request: HttpRequest, get_response: GetResponseAsync) -> HttpResponseBase:
        respond = cast("GetResponseAsync", self.recorder) if wants_silk(request) else get_response
        return await respond(request)


class SilkRecorder(silk.middleware.SilkyMiddleware):  # type: ignore[misc] # silk has no types
    """Silk's middleware for a request: without EXPLAIN, with limits, without secrets, outside of the observation."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with silk_enabled():
            try:
                return cast("HttpResponseBase", super().__call__(request))
            finally:
                # The next request of this thread must not see data of this request.
                DataCollector().clear()

    def process_request(self, request: HttpRequest) -> None:
        """Start the record. If silk's database is missing or not migrated, the request continues without a record."""
        try:
            with activate(None):
                super().process_request(request)
        except DatabaseError as error:
            request.silk_is_intercepted = False  # type: ignore[attr-defined]
            DataCollector().clear()
            log.warning(
                "silk_without_database", extra={"problem": str(error), "hint": "run manage.py migrate --database silk"}
            )

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


class RedactedRequestFactory(RequestModelFactory):  # type: ignore[misc] # silk has no types
    """The parts of a request that silk stores, with redacted secrets: headers, query, JSON or form body."""

    def encoded_headers(self) -> str:
        return json.dumps(redact(dict(self.request.headers)))

    def query_params(self) -> str:
        return json.dumps(redact(self.request.GET.dict())) if self.request.GET else ""

    def body(self) -> tuple[str, str]:
        _, raw_body = super().body()
        body = _redact_body(raw_body, self.content_type()[0])
        return body, body

    def _mask_credentials(self, body: str) -> str:
        return body


class RedactedResponseFactory(ResponseModelFactory):  # type: ignore[misc] # silk has no types
    """The parts of a response that silk stores, with redacted secrets: status, headers, JSON body."""

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__(_RedactedResponse(response))

    def body(self) -> tuple[str, str]:
        _, content = super().body()
        body = _redact_body(content, self.response.content_type.partition(";")[0])
        return body, body


class _RedactedResponse:
    """The attributes of a response that silk reads, with redacted headers."""

    def __init__(self, response: HttpResponseBase) -> None:
        self.status_code = response.status_code
        self.content_type = response.headers.get("Content-Type", "")
        # The values are pairs, because silk takes a value of two characters ("42") for a pair.
        self.headers = {name: (name, value) for name, value in redact(dict(response.headers)).items()}
        is_plain = not response.streaming and not response.has_header("Content-Encoding")
        self.content = getattr(response, "content", b"") if is_plain else b""

    def get(self, _name: str, _default: str = "") -> str:
        """Return the Content-Type, the only header that silk reads by name."""
        return self.content_type


def _redact_body(body: str | bytes | None, media_type: str) -> str:
    """Return the body without secrets; empty if it is not JSON or a form, because its secrets cannot be found."""
    if not body:
        return ""
    try:
        text = body if isinstance(body, str) else body.decode()
        if media_type == "application/x-www-form-urlencoded":
            return json.dumps(redact(parse_qs(text)), indent=4)
        return json.dumps(redact(json.loads(text)), indent=4)
    except (ValueError, RecursionError):
        return ""


def _redact_parameter(parameter: object) -> str:
    """Return a parameter of a statement for the record, redacted if it may be secret."""
    text = str(parameter)
    return REDACTED if _long_word.search(text) else text


_silk_wants_query = silk.sql._should_wrap  # noqa: SLF001 - silk has no public way


def _wants_query(sql: str) -> bool:
    # Call silk's function first: if this thread has no recorded request, there are no queries to count.
    return bool(_silk_wants_query(sql)) and len(DataCollector().queries) < MAX_QUERIES


def patch_silk() -> None:
    """Replace functions for which silk has no setting.

    Silk runs EXPLAIN for each query even if SILKY_ANALYZE_QUERIES is off, which triples the number of queries. In a
    PostgreSQL transaction, EXPLAIN also fails after a failed query, so a handled error (409) becomes a 500.
    """
    silk.sql._explain_query = lambda *_: None  # noqa: SLF001 - silk has no public way
    silk.sql._should_wrap = _wants_query  # noqa: SLF001
    silk.sql.force_str = _redact_parameter
    silk.middleware.RequestModelFactory = RedactedRequestFactory
    silk.middleware.ResponseModelFactory = RedactedResponseFactory


class _SqlHook:
    """Replace Django's `SQLCompiler.execute_sql` with silk's function only while this process records requests.

    Silk itself replaces it at the first record and never restores it. This class counts the running records of all
    threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._record_count = 0

    def count(self, change: int) -> None:
        with self._lock:
            self._record_count += change
            compiler = cast("Any", SQLCompiler)
            if not hasattr(compiler, "_execute_sql"):
                # Silk's function calls this attribute. Silk also uses it to check whether its function is installed.
                compiler._execute_sql = compiler.execute_sql  # noqa: SLF001
            compiler.execute_sql = silk.sql.execute_sql if self._record_count else compiler._execute_sql  # noqa: SLF001


_sql_hook = _SqlHook()


@contextmanager
def silk_enabled() -> Iterator[None]:
    """Let silk see all queries of this process during the block. It records only those of recorded requests."""
    _sql_hook.count(+1)
    try:
        yield
    finally:
        _sql_hook.count(-1)


patch_silk()
