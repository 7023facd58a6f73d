"""Send requests that fail, or that contain secrets, to a real server."""

import json
from contextlib import suppress
from http.client import IncompleteRead
from typing import Any
from uuid import uuid4

from tests.probe.failures import FAILURES, NO_FAILURES
from tests.server import Server

SECRET = "pl4nted-s3cret"
# A view with a streaming body that the server does not support: Django converts it to a list, and warns.
UNSUPPORTED_VIEWS = {"gunicorn": "raised-by-async-body", "uvicorn": "raised-by-body"}


def failing_views_of(server_name: str) -> list[str]:
    """Return the names of the failing views that a server supports."""
    return [name for name in FAILURES if name != UNSUPPORTED_VIEWS[server_name]]


def views_of(server_name: str) -> list[str]:
    """Return the names of the failing views that a server supports, and of the views that do not fail."""
    return [*failing_views_of(server_name), *NO_FAILURES]


def send_request(server: Server, path: str, **sent: str) -> str:
    """Send a request, read the response, even an incomplete one, and return the request id."""
    request_id = f"failing-{uuid4().hex}"
    with suppress(IncompleteRead):
        server.get(path, X_Request_ID=request_id, **sent)
    return request_id


def send_request_with_secrets(server: Server) -> str:
    """Send a failing request with secrets in its URL, headers, cookies and body; return the request id."""
    headers = {"Content_Type": "application/json", "Authorization": f"Bearer {SECRET}", "X_Api_Key": SECRET}
    cookie = f"sessionid={SECRET}; theme={SECRET}"
    path = f"/failures/with-secrets/?token={SECRET}"
    return send_request(server, path, method="POST", body=json.dumps(body_with_secrets()), Cookie=cookie, **headers)


def body_with_secrets() -> dict[str, Any]:
    """Return a body with secrets, and with an ISBN, which is not a secret."""
    account = {"password": SECRET, "list": [{"deep": {"api_key": SECRET}}]}
    return {"account": account, "isbn": "978-0-00-000001-0"}
