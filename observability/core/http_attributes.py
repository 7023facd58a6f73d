"""The HTTP attributes of a request's observation: method, path, client, route, status, user."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class HttpAttributes:
    """The HTTP attributes of a request's observation. None: not known yet, no route matched, or no user.

    `framework_request()` returns Django's request, or None if it has been freed. It is a weak reference, because the
    request refers to its observation.
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
