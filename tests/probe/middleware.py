"""Middleware that fails on request, and middleware for CORS."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class FailingMiddleware(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> None:
        if "X-Fail" in request.headers:
            message = "the middleware failed"
            raise RuntimeError(message)


class CorsMiddleware(MiddlewareMixin):
    """Allow requests from scripts of any origin, like a CORS package."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        return HttpResponse() if is_preflight else None

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if "Origin" in request.headers:
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Access-Control-Allow-Headers"] = "*"
        return response
