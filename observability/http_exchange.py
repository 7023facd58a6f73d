"""What an HTTP request asked, and what it got. Standard library only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class HttpExchange:
    """What an HTTP request asked and what it got. None is not known (yet): a route that did not match, no user.

    `request()` is the framework's request, for who asks while the work runs; it is None once that is gone.
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
    # A weak reference: the request holds the observation already.
    request: Callable[[], Any] | None = None
