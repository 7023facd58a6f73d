"""Send many concurrent requests to a server, and read their log lines."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.server import DEADLINE_S

CONNECTIONS = 20


def small_files(max_bytes: int) -> str:
    """Return overrides of logging.yaml with small files, so that they rotate often and no backup is deleted."""
    options = f"{{maxBytes: {max_bytes}, backupCount: 100}}"
    return f"handlers: {{service: {options}, errors: {options}}}\n"


SMALL_FILES = small_files(200_000)


def send(port: int, path: str, count: int = 2_000) -> list[str]:
    """Send requests on 20 concurrent connections; return their request ids. Each must have a response with its id."""
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
    """Return the request ids of all access log lines, sorted; fail if a line of a file is not JSON."""
    found: list[dict[str, Any]] = []
    for file in log_dir.glob("service.jsonl*"):
        found += map(json.loads, file.read_text().splitlines())
    return sorted(line["request_id"] for line in found if line["logger"] == "observability.access")
