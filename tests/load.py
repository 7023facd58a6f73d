"""Many requests to a server at once, and what its log files say of them."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.server import DEADLINE_S

REQUESTS = 2_000
CONNECTIONS = 20
# Over the layers in use: files so small that they are moved away all the time, and none of them deleted.
SMALL_FILES = (
    "handlers: {service: {maxBytes: 200_000, backupCount: 100}, errors: {maxBytes: 200_000, backupCount: 100}}\n"
)


def send(port: int, path: str) -> list[str]:
    """Send 2,000 requests on 20 connections at once; the ids that they had, each of which was answered."""
    ids = [f"load-{number:06d}" for number in range(REQUESTS)]

    def send_some(first: int) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
            for request_id in ids[first::CONNECTIONS]:
                connection.request("GET", path, headers={"X-Request-ID": request_id})
                response = connection.getresponse()
                response.read()
                assert response.headers["X-Request-ID"] == request_id

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(send_some, range(CONNECTIONS)))
    return ids


def logged_ids(log_dir: Path) -> list[str]:
    """The ids of all access lines so far, sorted; every line of every file has to be JSON."""
    found: list[dict[str, Any]] = []
    for file in log_dir.glob("service.jsonl*"):
        found += map(json.loads, file.read_text().splitlines())
    return sorted(line["request_id"] for line in found if line["logger"] == "observability.access")
