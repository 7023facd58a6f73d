"""A middleware that fails when it is asked to."""

from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin


class FailingMiddleware(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> None:
        if "X-Fail" in request.headers:
            message = "the middleware failed"
            raise RuntimeError(message)
