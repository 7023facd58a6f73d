"""Requests that fail on a real server, or carry secrets."""

import json
from contextlib import suppress
from http.client import IncompleteRead
from typing import Any
from uuid import uuid4

from tests.probe.failures import FAILURES, NO_FAILURES
from tests.server import Server

SECRET = "pl4nted-s3cret"
# A body of the kind that this server does not serve: Django makes a list of it first, and warns.
OTHER_KIND = {"gunicorn": "raised-by-async-body", "uvicorn": "raised-by-body"}


def failures_of(server_name: str) -> list[str]:
    """Return the names of the failing views that a server of COMMANDS can serve."""
    return [name for name in FAILURES if name != OTHER_KIND[server_name]]


def names_of(server_name: str) -> list[str]:
    """Return the same with the views whose answers are not failures."""
    return [*failures_of(server_name), *NO_FAILURES]


def ask(server: Server, path: str, **sent: str) -> str:
    """Send a request and read its answer, as far as it goes; return the request id."""
    request_id = f"failing-{uuid4().hex}"
    with suppress(IncompleteRead):
        server.get(path, X_Request_ID=request_id, **sent)
    return request_id


def ask_with_secrets(server: Server) -> str:
    """Send a request that fails with a secret in each place; return the request id."""
    headers = {"Content_Type": "application/json", "Authorization": f"Bearer {SECRET}", "X_Api_Key": SECRET}
    cookie = f"sessionid={SECRET}; theme={SECRET}"
    path = f"/failures/with-secrets/?token={SECRET}"
    return ask(server, path, method="POST", body=json.dumps(body_with_secrets()), Cookie=cookie, **headers)


def body_with_secrets() -> dict[str, Any]:
    """Return a body with secrets and an ISBN, which is not secret."""
    account = {"password": SECRET, "list": [{"deep": {"api_key": SECRET}}]}
    return {"account": account, "isbn": "978-0-00-000001-0"}
