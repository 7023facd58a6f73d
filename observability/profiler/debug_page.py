"""Django's page for an exception in development, without secrets and without the environment of the process.

`DEFAULT_EXCEPTION_REPORTER` and `DEFAULT_EXCEPTION_REPORTER_FILTER` in the settings name the two classes. With
runserver, `request.META` has all environment variables, so Django's own page shows DATABASE_URL with its password.
"""

import os
from collections.abc import ItemsView, Iterable, Mapping
from contextlib import ExitStack
from pprint import pformat
from types import FrameType, SimpleNamespace
from typing import Any

from django.core.exceptions import DisallowedHost
from django.db import connections
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from observability.core.context import activate
from observability.profiler.links import redact_url
from observability.profiler.visibility import is_from_developer
from observability.redaction import is_secret, redact, redact_text

# Keys of request.META that describe the request. Headers are added; environment variables are not.
REQUEST_KEYS = frozenset({
    "CONTENT_LENGTH", "CONTENT_TYPE", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT",
    "REQUEST_METHOD", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL",
})  # fmt: skip
FOR_DEVELOPERS = "The details are only for developers: see INTERNAL_IPS and DEVELOPER_HOSTS in the settings."
PAGE = """<!doctype html>
<html lang="en">
<head><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body>
</html>
"""


class DebugPageFilter(SafeExceptionReporterFilter):
    """Redact everything that the page shows, also in development."""

    def is_active(self, request: HttpRequest | None) -> bool:  # noqa: ARG002 - the signature of Django
        """Return True, so that `sensitive_variables` and `sensitive_post_parameters` have their effect."""
        return True

    def get_safe_settings(self) -> dict[str, Any]:
        return {key: redact(value, key) for key, value in super().get_safe_settings().items()}

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        """Return the headers and the other keys of the request. Keys of the environment are left out."""
        meta = {
            key: value
            for key, value in _without_environment(super().get_safe_request_meta(request)).items()
            if key in REQUEST_KEYS or key.startswith("HTTP_")
        }
        if "QUERY_STRING" in meta:
            meta["QUERY_STRING"] = redact_url(f"?{meta['QUERY_STRING']}").removeprefix("?")
        return {key: redact(value, key) for key, value in meta.items()}

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        """Return the names of the cookies; every value is redacted."""
        return {name: redact(value, "cookie") for name, value in super().get_safe_cookies(request).items()}

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return _redact_items(super().get_post_parameters(request).items())

    def get_traceback_frame_variables(self, request: HttpRequest, tb_frame: FrameType) -> ItemsView[str, Any]:
        """Return the name and the shown value of each local variable."""
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return {redact_text(str(name)): ShownValue(str(name), value) for name, value in variables}.items()


class QueryRefusedError(Exception):
    """A value would run a query to be shown."""


class ShownValue:
    """A value whose `repr` has no secrets and runs no query. The page prints it."""

    def __init__(self, name: str, value: object) -> None:
        self._name, self._value = name, value

    def __repr__(self) -> str:
        """Return the text. Raise `QueryRefusedError` if it needs a query; Django shows the exception instead."""
        if isinstance(self._value, QuerySet) and self._value._result_cache is None:  # noqa: SLF001 - it has no other name
            return f"<{type(self._value).__name__} of {self._value.model.__name__}, not evaluated>"
        with ExitStack() as stack:
            # The recorder must not count a refused query.
            stack.enter_context(activate(None))
            for connection in connections.all(initialized_only=True):
                stack.enter_context(connection.execute_wrapper(_refuse_query))
            return self._format()

    def _format(self) -> str:
        value = self._value
        if is_secret(self._name):
            return repr(redact("", self._name))
        if isinstance(value, HttpRequest):
            return f"<{type(value).__name__}: {value.method} {redact_text(redact_url(value.get_full_path()))}>"
        if isinstance(value, Mapping):
            return pformat(redact(_without_environment(value), self._name))
        if isinstance(value, list | tuple | str | bytes):
            return pformat(redact(value, self._name))
        return redact_text(pformat(value))


def _refuse_query(*_: object) -> None:
    raise QueryRefusedError("it is not evaluated, because that would run a query")


class DebugPageReporter(ExceptionReporter):
    """Render the page for developers. Other clients, and requests with a wrong Host, get a page without details."""

    def get_traceback_html(self) -> SafeString:
        refusal = self._refusal()
        return format_html(PAGE, title=refusal[0], text=refusal[1]) if refusal else super().get_traceback_html()

    def get_traceback_text(self) -> SafeString:
        refusal = self._refusal()
        return SafeString("\n".join([*refusal, ""])) if refusal else super().get_traceback_text()

    def _refusal(self) -> tuple[str, str] | None:
        """Return the title and the text of a page without details, if the client must not see more."""
        is_bad_host = self.exc_type is not None and issubclass(self.exc_type, DisallowedHost)
        if is_bad_host:
            return "Bad Request (400)", redact_text(str(self.exc_value))
        if self.request is None or self.is_email or is_from_developer(self.request):
            return None
        return "Server Error (500)", FOR_DEVELOPERS

    def get_traceback_data(self) -> dict[str, Any]:
        """Return the data of the templates, redacted."""
        data = super().get_traceback_data()
        for key in ("exception_value", "exception_notes", "unicode_hint"):
            if key in data:
                data[key] = redact_text(str(data[key]))
        for frame in data["frames"]:
            for key in ("pre_context", "post_context"):
                frame[key] = [redact_text(str(line)) for line in frame.get(key) or ()]
            frame["context_line"] = redact_text(str(frame.get("context_line") or ""))
        request = self.request
        if request is not None:
            data["request_GET_items"] = _redact_items(request.GET.items()).items()
            data["request_insecure_uri"] = redact_url(data["request_insecure_uri"])
            data["request"] = SimpleNamespace(
                path_info=redact_text(request.path_info), META={"REQUEST_METHOD": request.META.get("REQUEST_METHOD")},
                GET=request.GET, FILES=request.FILES, COOKIES=request.COOKIES,
            )  # fmt: skip
        return data


def _without_environment(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy without the variables of the environment, which runserver adds to those of a request."""
    if "PATH" not in values:
        return dict(values)
    return {key: value for key, value in values.items() if os.environ.get(str(key)) != value}


def _redact_items(items: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    return {redact_text(str(key)): redact(value, str(key)) for key, value in items}
