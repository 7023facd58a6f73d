"""The body of an answer, read as far as a page shows it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpResponse, StreamingHttpResponse

from observability.profiler.codings import CodingError, Decoder

MAX_SHOWN_BYTES = 1024 * 1024
# How long a page waits for a body that is made while it is read.
MAX_WAIT_S = 2.0

Answer = HttpResponse | StreamingHttpResponse


@dataclass(frozen=True)
class Body:
    """The beginning of a body, decompressed; where it `is_cut`, there may be more.

    `is_late` says that it was cut because it took too long, and `problem` why it could not be decompressed further.
    """

    data: bytes
    is_cut: bool = False
    is_late: bool = False
    problem: str = ""


def read(answer: Answer) -> Body | None:
    """The body as far as it is shown: its first MiB, or what of it comes within about 2 seconds.

    Of a stream no more is asked for than that, and its body is closed then; one chunk that takes longer is waited for,
    since nothing can interrupt it. None where there is nothing to show: the coding is not known here, or the body
    failed. The answer then is as it was; one that failed gives the same chunks and raises the same exception again.
    """
    reading = _reading(answer)
    if reading is None:
        return None
    if isinstance(answer, HttpResponse):
        return reading.body()
    if answer.is_async:
        return async_to_sync(_read_async_stream)(answer, reading)
    return _read_stream(answer, reading)


async def read_async(answer: Answer) -> Body | None:
    """As `read`; what is asynchronous is interrupted after 2 seconds."""
    reading = _reading(answer)
    if reading is None:
        return None
    if isinstance(answer, HttpResponse):
        return reading.body()
    if answer.is_async:
        return await _read_async_stream(answer, reading)
    return await sync_to_async(_read_stream)(answer, reading)


class _Reading:
    """What was read of one body so far. `read` makes it, adds the chunks until it `is_over`, and takes the `body`."""

    def __init__(self, content_encoding: str) -> None:
        self.chunks: list[bytes] = []
        self.is_late = False
        self._decoder = Decoder(content_encoding)
        self._data = bytearray()
        self._problem = ""
        self._deadline_s = time.monotonic() + MAX_WAIT_S

    @property
    def is_over(self) -> bool:
        return self.is_late or bool(self._problem) or len(self._data) > MAX_SHOWN_BYTES

    def add(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        try:
            for piece in self._decoder.pieces(chunk):
                self._data += piece
                self._look_at_the_clock()
                if self.is_over:
                    return
        except CodingError as error:
            self._problem = str(error)
            if not self._data:
                # Most likely it was not compressed at all.
                self._data += b"".join(self.chunks)
        self._look_at_the_clock()

    def _look_at_the_clock(self) -> None:
        self.is_late = time.monotonic() >= self._deadline_s

    def body(self) -> Body:
        is_cut = self.is_over and not self._problem
        return Body(bytes(self._data[:MAX_SHOWN_BYTES]), is_cut, self.is_late, self._problem)


def _reading(answer: Answer) -> _Reading | None:
    try:
        reading = _Reading(answer.headers.get("Content-Encoding", ""))
    except LookupError:
        return None
    if isinstance(answer, HttpResponse):
        reading.add(answer.content)
    return reading


def _read_stream(stream: StreamingHttpResponse, reading: _Reading) -> Body | None:
    try:
        try:
            for chunk in cast("Iterator[bytes]", stream.streaming_content):
                reading.add(chunk)
                if reading.is_over:
                    break
        finally:
            _close_body(stream)
    except Exception as error:  # noqa: BLE001 - whatever the body raises
        stream.streaming_content = _again(reading.chunks, error)
        return None
    return reading.body()


async def _read_async_stream(stream: StreamingHttpResponse, reading: _Reading) -> Body | None:
    try:
        try:
            async with asyncio.timeout(MAX_WAIT_S) as limit:
                async for chunk in cast("AsyncIterator[bytes]", stream.streaming_content):
                    reading.add(chunk)
                    if reading.is_over:
                        break
        except TimeoutError:
            # The body may raise one of its own.
            if not limit.expired():
                raise
            reading.is_late = True
        finally:
            await _close_async_body(stream)
    except Exception as error:  # noqa: BLE001 - whatever the body raises
        stream.streaming_content = _again_async(reading.chunks, error)
        return None
    return reading.body()


def _close_body(stream: StreamingHttpResponse) -> None:
    """End the generator where it stands, with its blocks and transactions, so that what it did is known to the page.

    Django does so at the end of the request, with all else that `close()` does; a second time it finds none.
    """
    closers: list[Any] = stream._resource_closers  # type: ignore[attr-defined] # noqa: SLF001 - Django has no other way
    while closers:
        with suppress(Exception):  # as Django does
            closers.pop(0)()


async def _close_async_body(stream: StreamingHttpResponse) -> None:
    iterator = stream._iterator  # type: ignore[attr-defined] # noqa: SLF001 - Django has no other way
    if hasattr(iterator, "aclose"):
        with suppress(Exception):
            await iterator.aclose()
    # A generator within that one ends when nobody refers to it.
    del iterator
    stream.streaming_content = ()


def _again(chunks: list[bytes], error: Exception) -> Iterator[bytes]:
    yield from chunks
    raise error


async def _again_async(chunks: list[bytes], error: Exception) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    raise error
