"""Read the part of a JSON response that its page shows."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpResponse, StreamingHttpResponse

from observability.profiler.body_text import ContentDecoder, DecodingError

MAX_SHOWN_BYTES = 1024 * 1024
# The time that a page waits for a streaming body.
MAX_WAIT_S = 2.0

JsonResponse = HttpResponse | StreamingHttpResponse


@dataclass(frozen=True)
class Body:
    """The first part of a body, decompressed. If `is_cut` is true, the body may be longer.

    `is_late` means that it was cut after `MAX_WAIT_S`. `problem` is the error that stopped the decompression.
    """

    data: bytes
    is_cut: bool = False
    is_late: bool = False
    problem: str = ""


def read_body(response: JsonResponse) -> Body | None:
    """Return the first MiB of the body, or the part that is created within about 2 seconds.

    A stream is read only up to that point and is then closed. A chunk that takes longer cannot be interrupted, so this
    function waits for it. Return None if the Content-Encoding is unknown or the body raised an exception. In this case
    the response is unchanged: the body yields the same chunks and raises the same exception again.
    """
    if isinstance(response, StreamingHttpResponse) and response.is_async:
        return async_to_sync(_read_async_stream)(response)
    return _read(response)


async def read_body_async(response: JsonResponse) -> Body | None:
    """Do the same as `read_body`. An asynchronous body is interrupted after 2 seconds."""
    if not isinstance(response, StreamingHttpResponse):
        return _read(response)
    if response.is_async:
        return await _read_async_stream(response)
    return await sync_to_async(_read)(response)


class _Reading:
    """The part of a body that was read up to now. The owner adds chunks until `is_finished` is true."""

    def __init__(self, content_encoding: str) -> None:
        self.chunks: list[bytes] = []
        self.is_late = False
        self._decoder = ContentDecoder(content_encoding)
        self._data = bytearray()
        self._problem = ""
        self._deadline_s = time.monotonic() + MAX_WAIT_S

    @property
    def is_finished(self) -> bool:
        return self.is_late or bool(self._problem) or len(self._data) > MAX_SHOWN_BYTES

    def add(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        try:
            for piece in self._decoder.pieces(chunk):
                self._data += piece
                self._check_deadline()
                if self.is_finished:
                    return
        except DecodingError as error:
            self._problem = str(error)
            if not self._data:
                # The body is probably not compressed.
                self._data += b"".join(self.chunks)
        self._check_deadline()

    def _check_deadline(self) -> None:
        self.is_late = time.monotonic() >= self._deadline_s

    def body(self) -> Body:
        is_cut = self.is_finished and not self._problem
        return Body(bytes(self._data[:MAX_SHOWN_BYTES]), is_cut, self.is_late, self._problem)


def _start_reading(response: JsonResponse) -> _Reading | None:
    try:
        reading = _Reading(response.headers.get("Content-Encoding", ""))
    except LookupError:
        return None
    if isinstance(response, HttpResponse):
        reading.add(response.content)
    return reading


def _read(response: JsonResponse) -> Body | None:
    reading = _start_reading(response)
    if reading is None:
        return None
    return _read_stream(response, reading) if isinstance(response, StreamingHttpResponse) else reading.body()


def _read_stream(stream: StreamingHttpResponse, reading: _Reading) -> Body | None:
    try:
        try:
            for chunk in cast("Iterator[bytes]", stream.streaming_content):
                reading.add(chunk)
                if reading.is_finished:
                    break
        finally:
            _close_body(stream)
    except Exception as error:  # noqa: BLE001 - the body is code of the application
        stream.streaming_content = _replay(reading.chunks, error)
        return None
    return reading.body()


async def _read_async_stream(stream: StreamingHttpResponse) -> Body | None:
    reading = _start_reading(stream)
    if reading is None:
        return None
    try:
        try:
            async with asyncio.timeout(MAX_WAIT_S) as limit:
                async for chunk in cast("AsyncIterator[bytes]", stream.streaming_content):
                    reading.add(chunk)
                    if reading.is_finished:
                        break
        except TimeoutError:
            # The body itself may raise a TimeoutError.
            if not limit.expired():
                raise
            reading.is_late = True
        finally:
            await _close_async_body(stream)
    except Exception as error:  # noqa: BLE001 - the body is code of the application
        stream.streaming_content = _replay_async(reading.chunks, error)
        return None
    return reading.body()


def _close_body(stream: StreamingHttpResponse) -> None:
    """Close the generator with its blocks and transactions, so that the page includes their queries.

    Django does this at the end of the request as a part of `close()`. It then finds no closers, because they have run.
    """
    closers: list[Callable[[], object]] = stream._resource_closers  # type: ignore[attr-defined] # noqa: SLF001 - Django has no public way
    while closers:
        with suppress(Exception):  # Django does the same
            closers.pop(0)()


async def _close_async_body(stream: StreamingHttpResponse) -> None:
    iterator = stream._iterator  # type: ignore[attr-defined] # noqa: SLF001 - Django has no public way
    if hasattr(iterator, "aclose"):
        with suppress(Exception):
            await iterator.aclose()
    # A nested generator ends when its last reference is deleted.
    del iterator
    stream.streaming_content = ()


def _replay(chunks: list[bytes], error: Exception) -> Iterator[bytes]:
    yield from chunks
    raise error


async def _replay_async(chunks: list[bytes], error: Exception) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    raise error
