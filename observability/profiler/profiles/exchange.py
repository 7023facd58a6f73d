"""What a call sent and what it was answered, heard while the view reads and writes it; nothing is read for it."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, cast

from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase, ResponseHeaders

MAX_BODY_BYTES = 64 * 1024


class Heard:
    """The beginning of a body, up to 64 KiB, and how many bytes all of it has."""

    __slots__ = ("data", "size")

    def __init__(self) -> None:
        self.data = b""
        self.size = 0

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if len(self.data) < MAX_BODY_BYTES:
            self.data += chunk[: MAX_BODY_BYTES - len(self.data)]


class Exchange:
    """The request and the response of one call. The middleware makes it, and calls `listen` and then `answered`.

    `request_body` is what the view read of the body, `response_body` None where there is none to show: a file, which
    the server sends.
    """

    __slots__ = ("request_body", "request_headers", "response_body", "response_headers", "url")

    def __init__(self) -> None:
        self.url = ""
        self.request_headers: dict[str, str] = {}
        self.request_body = Heard()
        self.response_headers = ResponseHeaders({})
        self.response_body: Heard | None = Heard()

    def listen(self, request: HttpRequest) -> None:
        """Hear what is read of the request's body from now on."""
        self.url = request.get_full_path()
        self.request_headers = dict(request.headers)
        stream = getattr(request, "_stream", None)
        if stream is not None:
            request._stream = _HeardStream(stream, self.request_body)  # type: ignore[assignment] # noqa: SLF001 - it has no other way

    def answered(self, response: HttpResponseBase) -> None:
        """Keep the response as a program gets it; of a streaming one what is sent later, too."""
        self.response_headers = ResponseHeaders(response.headers)
        if response.cookies:
            self.response_headers["Set-Cookie"] = response.cookies.output(header="", sep=",").strip()
        if isinstance(response, FileResponse):
            self.response_body = None
            return
        body = self.response_body = Heard()
        if isinstance(response, StreamingHttpResponse):
            chunks = response.streaming_content
            response.streaming_content = (
                _heard_async(cast("AsyncIterator[bytes]", chunks), body)
                if response.is_async
                else _heard(cast("Iterable[bytes]", chunks), body)
            )
        elif isinstance(response, HttpResponse):
            body.add(response.content)


class _HeardStream:
    """A stream that is read as before."""

    def __init__(self, stream: Any, heard: Heard) -> None:  # noqa: ANN401 - what the server gives
        self._stream = stream
        self._heard = heard

    def read(self, *size: int) -> bytes:
        return self._kept(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._kept(self._stream.readline(*size))

    def _kept(self, chunk: bytes) -> bytes:
        self._heard.add(chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what the stream has
        return getattr(self._stream, name)


def _heard(chunks: Iterable[bytes], body: Heard) -> Iterator[bytes]:
    for chunk in chunks:
        body.add(chunk)
        yield chunk


async def _heard_async(chunks: AsyncIterator[bytes], body: Heard) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        body.add(chunk)
        yield chunk
