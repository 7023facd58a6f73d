"""The request of an event: method, address, headers, and a body that was read; secrets leave it with the event's."""

import json
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpRequest
from django.http.request import RawPostDataException

from observability.core.http_attributes import HttpAttributes
from observability.recorders.middleware import note_user
from observability.redaction import redact

MAX_BODY = 8_192
MAX_PARAMETERS = 100


def request_data(request: HttpRequest, http: HttpAttributes, error: BaseException | None) -> dict[str, Any]:
    """The interface `request` of an event, in the SDK's form; notes the user on the way, since it is known by now.

    Nothing is read for it: neither the body of a request that nobody read, nor a user that nobody asked for.
    """
    note_user(request, http)
    shown: dict[str, Any] = {
        "method": http.method,
        "url": f"{request.scheme}://{request.META.get('HTTP_HOST') or request.META.get('SERVER_NAME', '')}{http.path}",
        "headers": dict(request.headers),
        "query_string": [list(pair) for pair in _parameters(request)],
    }
    body = _body(request, error)
    if body is not None:
        shown["data"] = body
    return shown


def _parameters(request: HttpRequest) -> list[tuple[str, str]]:
    query = request.META.get("QUERY_STRING", "")
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return [("…", f"more than {MAX_PARAMETERS} parameters")]


def _body(request: HttpRequest, error: BaseException | None) -> Any:  # noqa: ANN401 - what JSON has
    """What a view read of the body, without secrets; as text where it is longer than 8,192 characters."""
    data = _read_by_api(request, error)
    if data is None:
        data = _read_by_django(request)
    if data is None:
        return None
    shown = redact(data)
    text = json.dumps(shown, ensure_ascii=False)
    return shown if len(text) <= MAX_BODY else f"{text[:MAX_BODY]}…"


def _read_by_api(request: HttpRequest, error: BaseException | None) -> Any:  # noqa: ANN401 - as above
    """What Django REST framework made of it: that stands on a request of its own, which the stack knows."""
    traceback = error.__traceback__ if error is not None else None
    while traceback is not None:
        candidate = traceback.tb_frame.f_locals.get("request")
        data = getattr(candidate, "__dict__", {}).get("_full_data")
        if isinstance(data, dict | list) and getattr(candidate, "_request", None) is request:
            return dict(data) if isinstance(data, dict) else data
        traceback = traceback.tb_next
    return None


def _read_by_django(request: HttpRequest) -> Any:  # noqa: ANN401 - as above
    if "_post" in vars(request) and request.POST:
        return request.POST.dict()
    if "_body" not in vars(request):
        return None
    with suppress(ValueError, RecursionError, RawPostDataException):
        return json.loads(request.body)
    return f"[{len(request.body)} bytes]" if request.body else None
