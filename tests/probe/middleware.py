"""A middleware that fails when it is asked to."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase


class FailingMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "X-Fail" in request.headers:
            message = "the middleware failed"
            raise RuntimeError(message)
        return self.get_response(request)
