"""Capture a request and its response while the view reads and writes them."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.multipartparser import MultiPartParserError
from django.test import AsyncRequestFactory, RequestFactory

from observability.profiler.profile import MAX_BODY_BYTES, CapturedBody, RequestCapture

# When a response is closed, Django checks its database connections.
closes_a_response = pytest.mark.django_db

BODY = b'{"isbn": "LSV0000000000001",\n"speed": 12}\n'


def capture_body(request: HttpRequest) -> CapturedBody:
    """Capture the body of a request while it is read."""
    capture = RequestCapture()
    capture.capture_request(request)
    return capture.request_body


def posted(body: bytes = BODY, content_type: str = "application/json") -> HttpRequest:
    return RequestFactory().post("/books/?page=2", body, content_type=content_type)


def posted_async() -> HttpRequest:
    return AsyncRequestFactory().post("/books/", BODY, content_type="application/json")


@pytest.mark.parametrize(
    "read",
    [
        lambda request: request.body,
        lambda request: request.read(),
        lambda request: [request.read(10) for _ in range(10)],
        lambda request: [request.readline() for _ in range(3)],
        list,
        lambda request: [request.readline(), request.read(5), request.read()],
    ],
    ids=["body", "read", "read in parts", "lines", "iterated", "mixed"],
)
@pytest.mark.parametrize("post", [posted, posted_async])
def test_body_is_captured_with_each_way_to_read_it(
    post: Callable[[], HttpRequest], read: Callable[[HttpRequest], object]
) -> None:
    request = post()
    captured = capture_body(request)
    read(request)
    assert (captured.data, captured.size) == (BODY, len(BODY))


@pytest.mark.parametrize("post", [posted, posted_async])
def test_view_reads_the_original_body(post: Callable[[], HttpRequest]) -> None:
    request = post()
    capture_body(request)
    assert request.readline() + request.read(7) + request.read() == BODY


def test_body_that_is_read_twice_is_captured_once() -> None:
    request = posted()
    captured = capture_body(request)
    assert request.body == request.body == request.read()
    assert captured.size == len(BODY)


def test_partly_read_body_is_captured_in_part() -> None:
    request = posted()
    captured = capture_body(request)
    request.read(7)
    assert (captured.data, captured.size) == (BODY[:7], 7)


def test_unread_body_is_not_captured() -> None:
    captured = capture_body(posted())
    assert (captured.data, captured.size) == (b"", 0)


def test_form_is_captured_and_the_view_has_it() -> None:
    request = posted(b"name=Fuwa&page=2", "application/x-www-form-urlencoded")
    captured = capture_body(request)
    assert request.POST["name"] == "Fuwa"
    assert captured.data == b"name=Fuwa&page=2"


def test_form_with_files_is_captured_and_the_view_has_it() -> None:
    with Path(__file__).open("rb") as file:
        request = RequestFactory().post("/", {"name": "Fuwa", "file": file})
    captured = capture_body(request)
    assert (request.POST["name"], list(request.FILES)) == ("Fuwa", ["file"])
    assert captured.size == int(request.headers["Content-Length"])
    request.close()


def test_form_that_django_rejects_is_still_rejected() -> None:
    request = posted(b"x", "multipart/form-data; boundary=")
    capture_body(request)
    with pytest.raises(MultiPartParserError):
        request.POST  # noqa: B018 - reading it is what fails


def test_first_part_of_a_large_body_is_captured_and_its_whole_size_is_counted() -> None:
    body = bytes(range(256)) * 300
    request = posted(body)
    captured = capture_body(request)
    while request.read(1000):
        pass
    assert (captured.data, captured.size) == (body[:MAX_BODY_BYTES], len(body))


def test_request_has_its_url_and_its_headers() -> None:
    capture = RequestCapture()
    capture.capture_request(posted())
    assert capture.url == "/books/?page=2"
    assert capture.request_headers["Content-Type"] == "application/json"


def test_body_of_a_request_without_a_stream_is_captured() -> None:
    capture = RequestCapture()
    capture.capture_request(HttpRequest())
    assert capture.request_body.size == 0


# The response


def test_response_is_captured_with_its_headers() -> None:
    capture = RequestCapture()
    capture.capture_response(HttpResponse(b"{}", "application/json", 201, headers={"X-Own": "1"}))
    assert capture.response_body is not None
    assert capture.response_body.data == b"{}"
    assert capture.response_headers["X-Own"] == "1"


def test_header_names_of_a_response_ignore_case() -> None:
    capture = RequestCapture()
    capture.capture_response(HttpResponse(b"{}", headers={"content-type": "application/json"}))
    assert capture.response_headers.get("Content-Type") == "application/json"


def test_headers_that_a_response_gets_later_are_not_captured() -> None:
    capture, response = RequestCapture(), HttpResponse(b"{}")
    capture.capture_response(response)
    response.headers["X-Later"] = "1"
    assert "X-Later" not in capture.response_headers


def test_first_part_of_a_large_response_is_captured_and_its_whole_size_is_counted() -> None:
    capture = RequestCapture()
    capture.capture_response(HttpResponse(b"x" * 100_000))
    assert capture.response_body is not None
    assert (len(capture.response_body.data), capture.response_body.size) == (MAX_BODY_BYTES, 100_000)


@closes_a_response
def test_streaming_body_is_captured_while_it_is_sent() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one "
        yield b"two"

    capture, response = RequestCapture(), StreamingHttpResponse(chunks())
    capture.capture_response(response)
    captured = capture.response_body
    assert captured is not None
    assert captured.data == b""
    sent = iter(response)
    assert (next(sent), captured.data) == (b"one ", b"one ")
    assert (next(sent), captured.data, captured.size) == (b"two", b"one two", 7)
    response.close()


def test_streaming_body_of_text_is_captured_as_bytes() -> None:
    capture, response = RequestCapture(), StreamingHttpResponse(["ä"])
    capture.capture_response(response)
    assert response.getvalue() == "ä".encode()
    assert capture.response_body is not None
    assert capture.response_body.data == "ä".encode()


def test_asynchronous_streaming_body_is_captured_and_sent() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async def sent(response: StreamingHttpResponse) -> list[bytes]:
        return [chunk async for chunk in response]

    capture, response = RequestCapture(), StreamingHttpResponse(chunks())
    capture.capture_response(response)
    assert async_to_sync(sent)(response) == [b"one ", b"two"]
    assert capture.response_body is not None
    assert (capture.response_body.data, capture.response_body.size) == (b"one two", 7)


def test_failed_streaming_body_is_captured_up_to_the_failure() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one "
        raise ZeroDivisionError

    capture, response = RequestCapture(), StreamingHttpResponse(chunks())
    capture.capture_response(response)
    with pytest.raises(ZeroDivisionError):
        list(response)
    assert capture.response_body is not None
    assert capture.response_body.data == b"one "


@closes_a_response
def test_source_of_a_streaming_body_is_closed_with_the_response() -> None:
    is_closed = []

    def chunks() -> Iterator[bytes]:
        try:
            yield b"one "
            yield b"two"
        finally:
            is_closed.append(True)

    capture, response = RequestCapture(), StreamingHttpResponse(chunks())
    capture.capture_response(response)
    next(iter(response))
    response.close()
    assert is_closed == [True]


@closes_a_response
def test_file_response_is_unchanged() -> None:
    file = Path(__file__).open("rb")  # noqa: SIM115 - the response closes it
    capture, response = RequestCapture(), FileResponse(file)
    chunks = response.streaming_content
    capture.capture_response(response)
    assert capture.response_body is None
    # A server needs this attribute for sendfile.
    assert response.file_to_stream is not None
    assert type(response.streaming_content) is type(chunks)
    response.close()


def test_request_without_a_response_has_an_empty_body() -> None:
    body = RequestCapture().response_body
    assert body is not None
    assert body.size == 0
