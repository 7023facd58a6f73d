"""What the middleware of the room has in common: it serves synchronous and asynchronous servers."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

GetResponse = Callable[[HttpRequest], HttpResponseBase]
GetResponseAsync = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class Middleware:
    """A middleware that Django has not to adapt; subclasses say what each call does, in both ways.

    Django makes one when a server starts, and calls it for each request. `get_response` is a `GetResponse` where
    `is_async` is false, and else a `GetResponseAsync`.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse | GetResponseAsync) -> None:
        self.get_response: Any = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.call_async(request) if self.is_async else self.call(request)

    def call(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request of a synchronous server."""
        raise NotImplementedError

    async def call_async(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request of an asynchronous server."""
        raise NotImplementedError
