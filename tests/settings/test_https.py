"""Responses to HTTP and HTTPS requests with the production settings."""

import json
from pathlib import Path

import pytest

from tests.server import production_environment
from tests.serving.warm_python import WarmPython

# Prints, for each path and headers: the status, the target of a redirect, and the Strict-Transport-Security header.
REQUESTS = """
import json, sys
import django; django.setup()
from django.test import Client
responses = [Client().get(path, headers=headers | {"host": "127.0.0.1"}) for path, headers in json.loads(sys.argv[1])]
names = "Location", "Strict-Transport-Security"
print(json.dumps([[each.status_code, *map(each.headers.get, names)] for each in responses]))
"""
API = "/api/v1/"
BY_PROXY = {"x-forwarded-proto": "https"}
Answer = list[int | str | None]


def answers(
    python: WarmPython, directory: Path, *requests: tuple[str, dict[str, str]], **variables: str
) -> list[Answer]:
    environment = production_environment(directory, **variables)
    completed = python.run("-c", REQUESTS, json.dumps(requests), env=environment)
    assert completed.returncode == 0, completed.stderr
    found: list[Answer] = json.loads(completed.stdout)
    return found


def test_http_requests_are_redirected_to_https_except_health_checks(python: WarmPython, tmp_path: Path) -> None:
    requests = [(path, headers) for path in (API, "/livez") for headers in ({}, BY_PROXY)]
    assert answers(python, tmp_path, *requests, INSECURE_HTTP="false") == [
        [301, f"https://127.0.0.1{API}", None],
        [301, f"https://127.0.0.1{API}", None],
        [200, None, None],
        [200, None, None],
    ]


def test_https_header_of_a_trusted_proxy_is_accepted(python: WarmPython, tmp_path: Path) -> None:
    variables = {"INSECURE_HTTP": "false", "TRUSTED_PROXY_COUNT": "1", "HSTS_SECONDS": "60"}
    by_http, by_https = answers(python, tmp_path, (API, {}), (API, BY_PROXY), **variables)
    assert by_http == [301, f"https://127.0.0.1{API}", None]
    assert by_https == [401, None, "max-age=60"]


@pytest.mark.slow
def test_insecure_http_is_not_redirected(python: WarmPython, tmp_path: Path) -> None:
    variables = {"INSECURE_HTTP": "true", "TRUSTED_PROXY_COUNT": "1"}
    assert answers(python, tmp_path, (API, {}), (API, BY_PROXY), **variables) == [[401, None, None]] * 2


def test_hsts_seconds_must_be_positive(python: WarmPython, tmp_path: Path) -> None:
    environment = production_environment(tmp_path, HSTS_SECONDS="0")
    completed = python.run("-c", "import django; django.setup()", env=environment)
    assert completed.returncode == 1
    assert "HSTS_SECONDS is '0'" in completed.stderr
    assert "1 or more" in completed.stderr
