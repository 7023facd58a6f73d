"""The toolbar of the development server, for requests of browsers and programs."""

import html
import json
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.observability.profiler.conftest import LIST, NAVIGATION, PANELS, log_in
from tests.server import Answer, Server, developing, wait_for

pytestmark = pytest.mark.slow

FETCH = {"Sec_Fetch_Mode": "cors", "Accept": "*/*"}
SECRET = "correct horse battery staple"


def panel(server: Server, answer: Answer, name: str) -> str:
    """Return the HTML of a panel for an earlier response. The toolbar's script loads it in the same way."""
    query = urlencode({"request_id": answer.headers["djdt-request-id"], "panel_id": name})
    loaded = server.get(f"/__debug__/render_panel/?{query}", **FETCH)
    assert loaded.status == 200
    return html.unescape(json.loads(loaded.body)["content"])


def test_page_has_the_toolbar(server: Server) -> None:
    answer = server.get(LIST, **NAVIGATION)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b'id="djDebug"' in answer.body
    assert answer.body.index(b'id="json"') < answer.body.index(b'id="djDebug"')


def test_error_page_has_the_toolbar_and_keeps_its_status(server: Server) -> None:
    answer = server.get("/api/v1/books/nope/", **NAVIGATION)
    assert answer.status == 404
    assert b'id="djDebug"' in answer.body


def test_request_of_a_program_has_panels_and_gets_json(server: Server) -> None:
    answer = server.get(LIST)
    assert len(json.loads(answer.body)["results"]) == 2
    assert "FROM" in panel(server, answer, "SQLPanel")


@pytest.mark.parametrize(("query", "headers"), [("&toolbar=off", {}), ("", {"X_Toolbar": "off"})])
def test_request_with_toolbar_off_has_no_toolbar(server: Server, query: str, headers: dict[str, str]) -> None:
    answer = server.get(LIST + query, **headers)
    assert "djdt-request-id" not in answer.headers
    assert "Panel" not in answer.headers["Server-Timing"]
    assert "X-Profile-URL" in answer.headers


@pytest.mark.server
def test_requests_are_profiled_without_the_toolbar_if_its_variable_is_off(tmp_path: Path) -> None:
    with developing(tmp_path, TOOLBAR="false") as server:
        answer = server.get(LIST, **NAVIGATION)
        assert b'id="djDebug"' not in answer.body
        profile = server.get(answer.headers["X-Profile-URL"].removeprefix(server.origin))
        assert json.loads(profile.body)["query_count"] == 2


def test_fetch_gets_json_and_is_in_the_history(server: Server) -> None:
    answer = server.get(LIST, **FETCH)
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.body) == json.loads(server.get(LIST).body)
    assert LIST in panel(server, answer, "HistoryPanel")


def test_server_timing_has_the_values_of_the_application_first(server: Server) -> None:
    timing = server.get(LIST, **NAVIGATION).headers["Server-Timing"]
    assert re.match(r'total;dur=[\d.]+, db;dur=[\d.]+;desc="2 queries", TimerPanel_', timing)


def test_sql_panel_and_access_log_have_the_same_query_count(server: Server) -> None:
    answer = server.get(LIST, **NAVIGATION)
    line = server.access_line(answer.headers["X-Request-ID"])
    assert f"({line['db.query_count']} queries" in panel(server, answer, "SQLPanel")
    assert "BEGIN" not in panel(server, answer, "SQLPanel")


def test_queries_of_the_toolbar_are_not_counted(server: Server) -> None:
    """The toolbar reads the session for its panel, even if the request did not."""
    answer = server.get("/livez", Cookie=log_in(server), **NAVIGATION)
    assert 'desc="0 queries"' in answer.headers["Server-Timing"]
    assert "_auth_user_id" in panel(server, answer, "RequestPanel")


@pytest.mark.parametrize("name", ["HistoryPanel", "RequestPanel", "HeadersPanel"])
def test_secrets_of_a_client_are_not_stored(server: Server, name: str) -> None:
    answer = server.get(
        f"/api/v1/auth/token/?{urlencode({'api_token': SECRET, 'page': '7'})}&access%5Ftoken=correct-horse",
        method="POST",
        body=json.dumps({"username": "admin", "nested": {"password": SECRET}, "password": SECRET}),
        Content_Type="application/json",
        Authorization=f"Token {SECRET}",
        Cookie=f"sessionid={SECRET}",
        **FETCH,
    )
    shown = panel(server, answer, name)
    assert "[redacted]" in shown
    assert "correct" not in shown


@pytest.mark.parametrize("name", ["HistoryPanel", "RequestPanel"])
def test_json_that_is_sent_as_a_form_is_stored_without_secrets(server: Server, name: str) -> None:
    """The JSON is the name of a field of the form."""
    form = {"Content_Type": "application/x-www-form-urlencoded", **FETCH}
    body = json.dumps({"username": "admin", "password": SECRET})
    answer = server.get("/api/v1/auth/token/", method="POST", body=body, **form)
    shown = panel(server, answer, name)
    assert "admin" in shown
    assert "correct" not in shown


@pytest.mark.parametrize(("query", "is_browsable"), [("format=api", True), ("format=json", False), ("", False)])
def test_browsable_api_is_used_only_if_it_is_named(server: Server, query: str, is_browsable: bool) -> None:
    answer = server.get(f"/api/v1/books/?page_size=2&{query}", **NAVIGATION)
    assert (b"Django REST framework" in answer.body) is is_browsable
    assert (b'id="json"' in answer.body) is not is_browsable


def test_panels_on_a_request_page_are_in_the_order_of_the_settings(server: Server) -> None:
    answer = server.get(LIST)
    server.access_line(answer.headers["X-Request-ID"])
    path = answer.headers["X-Profile-URL"].removeprefix(server.origin)

    def panels() -> list[str]:
        return re.findall(r'id="djdt-(\w+Panel)"', server.get(path, **NAVIGATION).body.decode())

    shown = wait_for(panels, "the toolbar of a closed request")
    assert shown == PANELS


def test_toolbar_panels_are_not_in_the_access_log(server: Server) -> None:
    answer = server.get(LIST, **NAVIGATION)
    panel(server, answer, "SQLPanel")
    server.access_line(server.get(LIST).headers["X-Request-ID"])
    lines = (server.log_dir / "service.jsonl").read_text().splitlines()
    assert not [line for line in lines if "render_panel" in json.loads(line).get("url.path", "")]


def test_page_and_toolbar_under_asgi_have_the_same_count(asgi_server: Server) -> None:
    answer = asgi_server.get(LIST, **NAVIGATION)
    line = asgi_server.access_line(answer.headers["X-Request-ID"])
    assert line["db.query_count"] == 2
    assert b'id="djDebug"' in answer.body
    assert b'<dd id="query-count">2</dd>' in answer.body
    assert "(2 queries" in panel(asgi_server, answer, "SQLPanel")
    assert asgi_server.get("/static/observability/profiler/theme.css").status == 200


def test_budget_panel_counts_only_queries_of_the_application(server: Server) -> None:
    answer = server.get(LIST, **NAVIGATION)
    content = panel(server, answer, "QueryBudgetPanel")
    assert "2 application queries, budget 2; 0 framework queries" in content
    assert "SELECT COUNT(*) FROM probe_book" in content


def test_cached_values_and_session_keys_are_not_shown(server: Server) -> None:
    shown = panel(server, server.get("/caching/?value=hunter2&session=0123456789abcdef"), "CachePanel")
    assert "one-time" in shown
    assert "sessions.cache[redacted]" in shown
    assert "hunter2" not in shown
    assert "0123456789abcdef" not in shown


def test_health_check_of_a_program_has_neither_toolbar_nor_profile(server: Server) -> None:
    headers = server.get("/livez").headers
    assert ("djdt-request-id" in headers, "X-Profile-URL" in headers) == (False, False)
