"""The response that a page is sent by, in the place of the JSON's."""

from django.http import HttpResponse, StreamingHttpResponse
from django.utils.cache import patch_vary_headers

from observability.profiler.json_page.body import Answer
from observability.profiler.policy import policy

# They describe the bytes of the JSON, or what may be done with it, and not the page; the page lists all of them.
HEADERS_OF_THE_JSON = (
    "Accept-Ranges",
    "Content-Digest",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Length",
    "Content-Security-Policy-Report-Only",
    "ETag",
    "Expires",
    "Last-Modified",
    "Repr-Digest",
)


def page_response(answer: Answer, page: str) -> HttpResponse:
    """The page with the status, the cookies and the headers of the answer; the page's own policy replaces any other."""
    response = _PageOfStream(answer) if isinstance(answer, StreamingHttpResponse) else answer
    for header in HEADERS_OF_THE_JSON:
        response.headers.pop(header, None)
    # Also for the toolbar, which reads the page in the charset of the response.
    response.charset = "utf-8"
    response.content = page.encode(errors="replace")
    response.headers["Content-Type"] = "text/html; charset=utf-8"
    response.headers["Content-Length"] = str(len(response.content))
    response.headers["Content-Security-Policy"] = policy()
    # A cache must never give the page to a program that asks for the same address.
    response.headers["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["Accept", "Sec-Fetch-Mode"])
    return response


class _PageOfStream(HttpResponse):
    """The page of a stream, which is over when the page is: closing the page closes it, once.

    Closing a response tells Django that its request is over, so only one of the two may do it. That is the stream,
    whose class may have a `close` of its own.
    """

    def __init__(self, stream: StreamingHttpResponse) -> None:
        super().__init__(status=stream.status_code, reason=stream.reason_phrase)
        self._stream = stream
        self.headers = stream.headers
        self.cookies = stream.cookies
        # Django adds to those of the page what it has to close; the stream then closes it.
        self._resource_closers = stream._resource_closers  # type: ignore[attr-defined] # noqa: SLF001

    def close(self) -> None:
        self._stream._handler_class = self._handler_class  # type: ignore[attr-defined] # noqa: SLF001
        self._stream.close()
        self.closed = True
