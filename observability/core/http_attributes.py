"""The method, path and client of an HTTP request, and the status, size and user of its response."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class HttpAttributes:
    """The HTTP side of a request's observation. None means not known (yet): a route that did not match, no user.

    `framework_request()` returns the request of the framework while the work runs, and None once that is freed: the
    request holds the observation already.
    """

    method: str
    path: str
    client_address: str | None = None
    user_agent: str | None = None
    route: str | None = None
    status_code: int | None = None
    response_body_size: int = 0
    user_id: str | None = None
    user_is_staff: bool = False
    framework_request: Callable[[], Any] | None = None
