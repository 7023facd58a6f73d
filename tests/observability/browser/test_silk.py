"""silk on the development server."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.observability.browser.conftest import NAVIGATION
from tests.observability.browser.test_toolbar import LIST, logged_in
from tests.server import ROOT, Server, developing, running

SECRET = "correct-horse-battery-staple"

WITHOUT_SILK = """
import sys
sys.modules["silk"] = None
import django; django.setup()
from django.conf import settings
from django.core.management import call_command
from django.test import Client
call_command("check")
print(list(settings.DATABASES), Client(headers={"host": "localhost"}).get("/livez?silk").status_code)
"""


def rows(service: Server, query: str) -> list[tuple[Any, ...]]:
    """What is in silk's database."""
    path = service.environment["SILK_DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def tables(service: Server, variable: str) -> set[str]:
    with closing(sqlite3.connect(service.environment[variable].removeprefix("sqlite:///"))) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in names if not name.startswith("sqlite_")}


def record_of(url: str) -> str:
    """The id in X-Silk-URL."""
    found = re.fullmatch(r"/silk/request/([0-9a-f-]{36})/", url)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("ask", [lambda: ("&silk", {}), lambda: ("", {"X_Silk": "1"})], ids=["query", "header"])
def test_request_that_asks_is_recorded(service: Server, ask: Callable[[], tuple[str, dict[str, str]]]) -> None:
    query, headers = ask()
    answer = service.get(LIST + query, **headers)
    record = record_of(answer.headers["X-Silk-URL"])
    assert rows(service, f"SELECT path, num_sql_queries FROM silk_request WHERE id = '{record}'") == [
        ("/api/v1/books/", 2)
    ]


def test_request_that_does_not_ask_is_not_recorded(service: Server) -> None:
    before = rows(service, "SELECT count(*) FROM silk_request")
    assert "X-Silk-URL" not in service.get(LIST).headers
    assert "X-Silk-URL" not in service.get(LIST, **NAVIGATION).headers
    assert rows(service, "SELECT count(*) FROM silk_request") == before


def test_recorded_request_is_the_same_request(service: Server) -> None:
    """What silk writes is not counted, and it explains no query."""
    plain, recorded = service.get(LIST), service.get(LIST, X_Silk="1")
    assert plain.body == recorded.body
    for answer in (plain, recorded):
        assert service.access_line(answer.headers["X-Request-ID"])["db.query_count"] == 2
    record = record_of(recorded.headers["X-Silk-URL"])
    assert rows(service, f"SELECT analysis FROM silk_sqlquery WHERE request_id = '{record}'") == [(None,)] * 2


def test_recorded_request_has_no_toolbar(service: Server) -> None:
    answer = service.get(f"{LIST}&silk", **NAVIGATION)
    assert b'id="json"' in answer.body
    assert b"djDebug" not in answer.body
    assert "djdt-request-id" not in answer.headers


def test_record_has_the_json_and_not_the_page(service: Server) -> None:
    record = record_of(service.get(f"{LIST}&silk", **NAVIGATION).headers["X-Silk-URL"])
    ((body,),) = rows(service, f"SELECT body FROM silk_response WHERE request_id = '{record}'")
    assert len(json.loads(body)["results"]) == 2


def test_secrets_are_not_recorded(service: Server) -> None:
    token = json.loads(
        service.get(
            f"/api/v1/auth/token/?api_key={SECRET}",
            method="POST",
            body=json.dumps({"username": "admin", "password": "admin", "nested": [{"client_secret": SECRET}]}),
            Content_Type="application/json",
            Cookie=f"sessionid={SECRET}",
            X_Auth_Token=SECRET,
            X_Silk="1",
        ).body
    )["token"]
    answer = service.get("/api/v1/books/status-counts/", Authorization=f"Token {token}", X_Silk="1")
    assert service.access_line(answer.headers["X-Request-ID"])["user.id"] == "1"
    written = str([rows(service, f"SELECT * FROM {table}") for table in sorted(tables(service, "SILK_DATABASE_URL"))])
    assert '"token": "[redacted]"' in written
    assert '"key" = [redacted]' in written
    assert token not in written
    assert SECRET not in written


def test_frame_of_an_unknown_format_is_left_out(service: Server) -> None:
    answer = service.get(
        "/api/v1/loans/", method="POST", body=SECRET, Content_Type="application/octet-stream", X_Silk="1"
    )
    record = record_of(answer.headers["X-Silk-URL"])
    assert rows(service, f"SELECT body, raw_body FROM silk_request WHERE id = '{record}'") == [("", "")]


def test_silk_has_a_database_of_its_own(service: Server) -> None:
    silk = tables(service, "SILK_DATABASE_URL")
    assert {name for name in silk if not name.startswith("silk_")} == {"django_migrations"}
    assert "silk_request" in silk
    assert not {name for name in tables(service, "DATABASE_URL") if name.startswith("silk_")}


def test_interface_is_for_staff(service: Server) -> None:
    stranger = service.get("/silk/")
    assert (stranger.status, stranger.headers["Location"]) == (302, "/admin/login/?next=/silk/")
    answer = service.get("/silk/", Cookie=logged_in(service))
    assert answer.status == 200
    assert b"djDebug" not in service.get("/silk/", Cookie=logged_in(service), **NAVIGATION).body
    record = service.get(LIST, X_Silk="1").headers["X-Silk-URL"]
    assert service.get(record, Cookie=logged_in(service)).status == 200
    assert service.get(f"{record}sql/", Cookie=logged_in(service)).status == 200


def test_handled_error_stays_what_it_is(service: Server) -> None:
    assert service.get("/api/v1/books/nope/", X_Silk="1").status == 404


def test_requests_at_once_share_no_record(service: Server) -> None:
    def ask(number: int) -> tuple[str, str | None]:
        answer = service.get(LIST, **({"X_Silk": "1"} if number % 2 else {}))
        return answer.headers["X-Request-ID"], answer.headers["X-Silk-URL"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(16)))
    for request_id, url in answers:
        assert service.access_line(request_id)["db.query_count"] == 2
        if url is not None:
            query = f"SELECT count(*) FROM silk_sqlquery WHERE request_id = '{record_of(url)}'"
            assert rows(service, query) == [(2,)]
    assert [url is None for _, url in answers] == [True, False] * 8


def test_file_keeps_the_last_hundred_records(tmp_path: Path) -> None:
    with developing(tmp_path) as service:
        for _ in range(105):
            service.get("/livez", X_Silk="1")
        ((count,),) = rows(service, "SELECT count(*) FROM silk_request")
    assert 90 <= count <= 100


def test_without_its_database_the_request_is_served_and_the_service_ready(tmp_path: Path) -> None:
    directory = tmp_path / "silk"
    directory.mkdir()
    with running(
        "gunicorn",
        tmp_path,
        DJANGO_SETTINGS_MODULE="tests.probe.settings.development",
        SILK_DATABASE_URL=f"sqlite:///{directory / 'silk.sqlite3'}",
    ) as server:
        answer = server.get(LIST, X_Silk="1")
        (warning,) = [
            line for line in server.lines(answer.headers["X-Request-ID"]) if line["event"] == "silk_without_database"
        ]
        assert (answer.status, "X-Silk-URL" in answer.headers) == (200, False)
        assert warning["hint"] == "run manage.py prepare"
        assert server.get("/readyz").status == 200


def test_asgi_records_too(tmp_path: Path) -> None:
    with running("uvicorn", tmp_path, DJANGO_SETTINGS_MODULE="tests.probe.settings.development") as server:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--database=silk", "--verbosity=0"],
            cwd=ROOT,
            env=server.environment,
            check=True,
        )
        answer = server.get(LIST, X_Silk="1")
        count = server.access_line(answer.headers["X-Request-ID"])["db.query_count"]
        record = record_of(answer.headers["X-Silk-URL"])
        assert count > 0
        assert rows(server, f"SELECT num_sql_queries FROM silk_request WHERE id = '{record}'") == [(count,)]


def test_service_works_without_the_package(tmp_path: Path) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.probe.settings.development",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "LOG_DIR": str(tmp_path / "log"),
    }
    command = [sys.executable, "-c", WITHOUT_SILK]
    completed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.splitlines()[-1] == "['default'] 200"
