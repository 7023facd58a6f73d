"""The body of the request in a Sentry event. It is shown only if the application read it."""

from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from observability.core.http_attributes import HttpAttributes
from observability.sentry.event import MAX_BODY_LENGTH, request_data


@pytest.fixture
def factory() -> RequestFactory:
    return RequestFactory()


def data_of(request: HttpRequest, error: BaseException | None = None) -> Any:  # noqa: ANN401 - any JSON value
    """Return the body in an event, or `absent`."""
    return request_data(request, HttpAttributes("POST", request.path), error).get("data", "absent")


def failing(request: Request) -> KeyError:
    """Return an exception with a request of Django REST framework in its traceback."""
    try:
        raise KeyError(str(request.data))
    except KeyError as error:
        return error


def request_of_api(request: HttpRequest) -> Request:
    return Request(request, parsers=[JSONParser()])


def test_unread_body_is_not_read(factory: RequestFactory) -> None:
    request = factory.post("/", {"isbn": "1"}, "application/json")
    assert data_of(request) == "absent"
    assert request.read() == b'{"isbn": "1"}'


def test_read_body_is_shown_as_json(factory: RequestFactory) -> None:
    request = factory.post("/", {"isbn": "1", "password": "s3cret"}, "application/json")
    assert request.body
    assert data_of(request) == {"isbn": "1", "password": "[redacted]"}


def test_form_fields_are_shown(factory: RequestFactory) -> None:
    request = factory.post("/", {"isbn": "1", "password": "s3cret"})
    assert request.POST
    assert data_of(request) == {"isbn": "1", "password": "[redacted]"}


@pytest.mark.parametrize(("body", "shown"), [(b"\0\1\2", "[3 bytes]"), (b"", "absent")])
def test_body_that_is_not_json_is_shown_as_its_size(factory: RequestFactory, body: bytes, shown: str) -> None:
    request = factory.post("/", body, "application/octet-stream")
    assert request.body == body
    assert data_of(request) == shown


def test_long_body_is_cut(factory: RequestFactory) -> None:
    text = [["x" * 1_000] * 8, ["x" * 1_000] * 8]
    request = factory.post("/", text, "application/json")
    assert request.body
    shown = data_of(request)
    assert (len(shown), shown[:4], shown[-1]) == (MAX_BODY_LENGTH + 1, '[["x', "…")


def test_parsed_data_of_another_request_is_not_shown(factory: RequestFactory) -> None:
    first, second = (factory.post("/", {"isbn": number}, "application/json") for number in "12")
    error = failing(request_of_api(first))
    assert data_of(first, error) == {"isbn": "1"}
    assert data_of(second, error) == "absent"
