"""Many requests to a server at once, and what its log files say of them."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.server import DEADLINE_S

CONNECTIONS = 20


def small_files(max_bytes: int) -> str:
    """Return overrides of logging.yaml: files so small that they are moved away all the time, none of them deleted."""
    options = f"{{maxBytes: {max_bytes}, backupCount: 100}}"
    return f"handlers: {{service: {options}, errors: {options}}}\n"


SMALL_FILES = small_files(200_000)


def send(port: int, path: str, count: int = 2_000) -> list[str]:
    """Send requests on 20 connections at once, and return the ids that they had, each of which was answered."""
    ids = [f"load-{number:06d}" for number in range(count)]

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
