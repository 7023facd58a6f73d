"""When a request has arrived."""

import pytest

from settings.gunicorn_worker import MAX_BUFFERED_BYTES, is_arrived, is_large

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        GET + b"\r\n",
        GET + b"\r\n" + GET,
        GET + b"Content-Length: 0\r\n\r\n",
        POST + b"Content-Length: 3\r\n\r\na=1",
        POST + b"CONTENT-LENGTH:3\r\n\r\na=1",
        POST + b"Content-Length: 3\r\n\r\na=1" + GET,
        POST + b"Content-Length: x\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ],
)
def test_complete_request_has_arrived(request_: bytes) -> None:
    assert is_arrived(request_)


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"GET",
        GET,
        GET + b"X-Content: \r",
        POST + b"Content-Length: 3\r\n\r\na=",
        POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n",
        POST + b"X-Body: Content-Length: 0\r\nContent-Length: 3\r\n\r\n",
    ],
)
def test_part_of_a_request_has_not_arrived(request_: bytes) -> None:
    assert not is_arrived(request_)
    assert not is_large(request_)


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: %d\r\n\r\n" % MAX_BUFFERED_BYTES,
        POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n",
        GET + b"X: " + b"a" * MAX_BUFFERED_BYTES,
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"a" * MAX_BUFFERED_BYTES,
    ],
)
def test_thread_reads_a_request_that_is_too_large_to_keep(request_: bytes) -> None:
    assert is_large(request_)
    assert not is_arrived(request_)
