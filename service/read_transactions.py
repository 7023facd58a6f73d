"""Reads do not wait for writes on SQLite, which has one write lock.

`settings/database.py` takes the lock at the start of a transaction, so that a request that reads and then writes cannot
fail. A request that only reads would wait for it without a need.
"""

from typing import Any

from django.db import connection as default_connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from service.request_limits import is_atomic

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class ReadTransactionMiddleware(MiddlewareMixin):
    """Do not take the write lock of SQLite in the transaction of a GET, HEAD or OPTIONS request.

    A view that writes in a GET request can fail with "database is locked". It needs `non_atomic_requests`, and its own
    `atomic()` block.
    """

    def process_view(self, request: HttpRequest, view: Any, *_: Any) -> None:
        """Let the transaction of this request begin without the lock."""
        connection: Any = default_connection
        if connection.vendor == "sqlite" and request.method in SAFE_METHODS and is_atomic(view):
            # A new connection reads its transaction mode from the settings.
            connection.ensure_connection()
            if connection.transaction_mode == "IMMEDIATE":
                connection.transaction_mode = "DEFERRED"

    def process_response(self, _request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Restore the transaction mode of the settings."""
        connection: Any = default_connection
        if connection.vendor == "sqlite":
            connection.transaction_mode = connection.settings_dict["OPTIONS"].get("transaction_mode")
        return response
