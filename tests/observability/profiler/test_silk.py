"""Silk on the development server."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.observability.profiler.conftest import LIST, NAVIGATION, log_in
from tests.server import ROOT, Server, wait_for

pytestmark = pytest.mark.slow

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


# Two requests in a process. Silk records the first one, with at most one query.
ONE_AFTER_THE_OTHER = """
import django; django.setup()
from django.core.management import call_command
from django.db.models.sql.compiler import SQLCompiler
from django.test import Client
from observability.profiler import silk as module
from silk.collector import DataCollector
from silk.models import SQLQuery
for alias in ("default", "silk"):
    call_command("migrate", database=alias, verbosity=0)
usual = SQLCompiler.execute_sql
module.MAX_QUERIES = 1
client = Client(headers={"host": "localhost"})
assert "X-Silk-URL" in client.get("/ordinary/3/", headers={"X-Silk": "1"}).headers
assert SQLQuery.objects.count() == 1, SQLQuery.objects.count()
assert SQLCompiler.execute_sql is usual
assert (DataCollector().request, DataCollector().queries) == (None, {})
assert "X-Silk-URL" not in client.get("/ordinary/3/").headers
assert SQLQuery.objects.count() == 1
"""


def rows(server: Server, query: str) -> list[tuple[Any, ...]]:
    """Return rows from the database of silk."""
    path = server.environment["SILK_DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def tables(server: Server, variable: str) -> set[str]:
    with closing(sqlite3.connect(server.environment[variable].removeprefix("sqlite:///"))) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in names if not name.startswith("sqlite_")}


def record_of(url: str) -> str:
    """Return the id of the record in a X-Silk-URL."""
    found = re.fullmatch(r"/silk/request/([0-9a-f-]{36})/", url)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("ask", [lambda: ("&silk", {}), lambda: ("", {"X_Silk": "1"})], ids=["query", "header"])
def test_request_with_silk_is_recorded(server: Server, ask: Callable[[], tuple[str, dict[str, str]]]) -> None:
    query, headers = ask()
    answer = server.get(LIST + query, **headers)
    record = record_of(answer.headers["X-Silk-URL"])
    assert rows(server, f"SELECT path, num_sql_queries FROM silk_request WHERE id = '{record}'") == [
        ("/api/v1/books/", 2)
    ]


def test_request_without_silk_is_not_recorded(server: Server) -> None:
    before = rows(server, "SELECT count(*) FROM silk_request")
    assert "X-Silk-URL" not in server.get(LIST).headers
    assert "X-Silk-URL" not in server.get(LIST, **NAVIGATION).headers
    assert rows(server, "SELECT count(*) FROM silk_request") == before


def test_record_does_not_change_the_request(server: Server) -> None:
    """The queries of silk are not counted, and silk runs no EXPLAIN."""
    plain, recorded = server.get(LIST), server.get(LIST, X_Silk="1")
    assert plain.body == recorded.body
    for answer in (plain, recorded):
        assert server.access_line(answer.headers["X-Request-ID"])["db.query_count"] == 2
    record = record_of(recorded.headers["X-Silk-URL"])
    assert rows(server, f"SELECT analysis FROM silk_sqlquery WHERE request_id = '{record}'") == [(None,)] * 2


def test_recorded_request_has_no_toolbar(server: Server) -> None:
    answer = server.get(f"{LIST}&silk", **NAVIGATION)
    assert b'id="json"' in answer.body
    assert b"djDebug" not in answer.body
    assert "djdt-request-id" not in answer.headers


def test_record_has_the_json_instead_of_the_page(server: Server) -> None:
    record = record_of(server.get(f"{LIST}&silk", **NAVIGATION).headers["X-Silk-URL"])
    ((body,),) = rows(server, f"SELECT body FROM silk_response WHERE request_id = '{record}'")
    assert len(json.loads(body)["results"]) == 2


def test_secrets_are_not_recorded(server: Server) -> None:
    token = json.loads(
        server.get(
            f"/api/v1/auth/token/?api_key={SECRET}",
            method="POST",
            body=json.dumps({"username": "admin", "password": "admin", "nested": [{"client_secret": SECRET}]}),
            Content_Type="application/json",
            Cookie=f"sessionid={SECRET}",
            X_Auth_Token=SECRET,
            X_Silk="1",
        ).body
    )["token"]
    answer = server.get("/api/v1/books/status-counts/", Authorization=f"Token {token}", X_Silk="1")
    assert server.access_line(answer.headers["X-Request-ID"])["user.id"] == "1"
    written = str([rows(server, f"SELECT * FROM {table}") for table in sorted(tables(server, "SILK_DATABASE_URL"))])
    assert '"token": "[redacted]"' in written
    assert '"key" = [redacted]' in written
    assert token not in written
    assert SECRET not in written


def test_body_of_an_unknown_format_is_left_out(server: Server) -> None:
    answer = server.get(
        "/api/v1/books/", method="POST", body=SECRET, Content_Type="application/octet-stream", X_Silk="1"
    )
    record = record_of(answer.headers["X-Silk-URL"])
    assert rows(server, f"SELECT body, raw_body FROM silk_request WHERE id = '{record}'") == [("", "")]


def test_secret_headers_of_a_response_are_not_recorded(server: Server) -> None:
    answer = server.get(f"/with-headers/?X-Api-Token={SECRET}&X-Other=kept", X_Silk="1")
    record = record_of(answer.headers["X-Silk-URL"])
    ((headers,),) = rows(server, f"SELECT encoded_headers FROM silk_response WHERE request_id = '{record}'")
    known = {name.upper(): value for name, value in json.loads(headers).items()}
    assert (known["X-API-TOKEN"], known["X-OTHER"]) == ("[redacted]", "kept")


def test_compressed_body_is_not_recorded(server: Server) -> None:
    answer = server.get("/with-headers/?Content-Encoding=gzip", X_Silk="1")
    record = record_of(answer.headers["X-Silk-URL"])
    assert rows(server, f"SELECT body, raw_body FROM silk_response WHERE request_id = '{record}'") == [("", "")]


def test_silk_has_a_separate_database(server: Server) -> None:
    silk = tables(server, "SILK_DATABASE_URL")
    assert {name for name in silk if not name.startswith("silk_")} == {"django_migrations"}
    assert "silk_request" in silk
    assert not {name for name in tables(server, "DATABASE_URL") if name.startswith("silk_")}


def test_silk_pages_are_for_staff(server: Server) -> None:
    stranger = server.get("/silk/")
    assert (stranger.status, stranger.headers["Location"]) == (302, "/admin/login/?next=/silk/")
    cookie = log_in(server)
    assert server.get("/silk/", Cookie=cookie).status == 200
    assert b"djDebug" not in server.get("/silk/", Cookie=cookie, **NAVIGATION).body
    record = server.get(LIST, X_Silk="1").headers["X-Silk-URL"]
    assert server.get(record, Cookie=cookie).status == 200
    assert server.get(f"{record}sql/", Cookie=cookie).status == 200


def test_handled_error_is_unchanged(server: Server) -> None:
    assert server.get("/api/v1/books/nope/", X_Silk="1").status == 404


def test_concurrent_requests_have_separate_records(server: Server) -> None:
    def ask(number: int) -> tuple[str, str | None]:
        answer = server.get(LIST, **({"X_Silk": "1"} if number % 2 else {}))
        return answer.headers["X-Request-ID"], answer.headers["X-Silk-URL"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(16)))
    for request_id, url in answers:
        assert server.access_line(request_id)["db.query_count"] == 2
        if url is not None:
            query = f"SELECT count(*) FROM silk_sqlquery WHERE request_id = '{record_of(url)}'"
            assert rows(server, query) == [(2,)]
    assert [url is None for _, url in answers] == [True, False] * 8


def test_file_keeps_the_last_hundred_records(server: Server) -> None:
    for _ in range(105):
        server.get("/livez", X_Silk="1")
    ((count,),) = rows(server, "SELECT count(*) FROM silk_request")
    assert 90 <= count <= 100


@contextmanager
def silk_without_tables(server: Server) -> Iterator[None]:
    """Replace the database of silk with an empty file until the block ends."""
    path = Path(server.environment["SILK_DATABASE_URL"].removeprefix("sqlite:///"))
    kept = path.with_name("kept.sqlite3")
    beside = [path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm")]
    wait_for(lambda: not any(file.exists() for file in beside), "the end of all connections to silk's file")
    path.rename(kept)
    try:
        yield
        wait_for(lambda: not any(file.exists() for file in beside), "the end of all connections to the empty file")
    finally:
        kept.replace(path)


def test_request_is_served_if_silk_has_no_tables(server: Server) -> None:
    with silk_without_tables(server):
        answer = server.get(LIST, X_Silk="1")
        (warning,) = [
            line for line in server.lines(answer.headers["X-Request-ID"]) if line["event"] == "silk_without_database"
        ]
        assert (answer.status, "X-Silk-URL" in answer.headers) == (200, False)
        assert warning["hint"] == "run manage.py migrate --database silk"
        assert server.get(LIST).status == 200
    assert "X-Silk-URL" in server.get(LIST, X_Silk="1").headers


def test_request_under_asgi_is_recorded(asgi_server: Server) -> None:
    answer = asgi_server.get(LIST, X_Silk="1")
    assert asgi_server.access_line(answer.headers["X-Request-ID"])["db.query_count"] == 2
    record = record_of(answer.headers["X-Silk-URL"])
    assert rows(asgi_server, f"SELECT num_sql_queries FROM silk_request WHERE id = '{record}'") == [(2,)]


def run(code: str, directory: Path) -> str:
    """Run code with the development settings and databases in memory, and return its output."""
    variables = {"DJANGO_SETTINGS_MODULE": "tests.probe.settings.development", "LOG_DIR": str(directory / "log")}
    variables |= {"VAR_DIR": str(directory), "DATABASE_URL": "sqlite://:memory:"}
    environment = os.environ | variables
    environment.pop("SILK_DATABASE_URL", None)
    command = [sys.executable, "-c", code]
    completed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def test_request_after_a_recorded_request_is_not_affected_by_silk(tmp_path: Path) -> None:
    run(ONE_AFTER_THE_OTHER, tmp_path)


def test_project_works_without_silk(tmp_path: Path) -> None:
    assert run(WITHOUT_SILK, tmp_path).splitlines()[-1] == "['default'] 200"
