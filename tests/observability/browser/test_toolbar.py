"""The toolbar of the development server, asked as a browser and as a program ask."""

import html
import json
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.observability.browser.conftest import NAVIGATION
from tests.server import Answer, Server, developing, running

LIST = "/api/v1/books/?page_size=2"
FETCH = {"Sec_Fetch_Mode": "cors", "Accept": "*/*"}
SECRET = "correct horse battery staple"


def panel(service: Server, answer: Answer, name: str) -> str:
    """The HTML of a panel for an earlier answer, as the toolbar's script loads it."""
    query = urlencode({"request_id": answer.headers["djdt-request-id"], "panel_id": name})
    loaded = service.get(f"/__debug__/render_panel/?{query}", **FETCH)
    assert loaded.status == 200
    return html.unescape(json.loads(loaded.body)["content"])


def logged_in(service: Server) -> str:
    """The cookie of a session of the login that `prepare` made."""
    form = service.get("/admin/login/")
    csrf = re.search(r"csrftoken=(\w+)", form.headers["Set-Cookie"])
    assert csrf is not None
    fields = {"username": "admin", "password": "admin", "csrfmiddlewaretoken": csrf[1]}
    headers = {"Cookie": f"csrftoken={csrf[1]}", "Content_Type": "application/x-www-form-urlencoded"}
    answer = service.get("/admin/login/?next=/livez", method="POST", body=urlencode(fields), **headers)
    assert answer.status == 302
    return "; ".join(value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie", []))


def test_page_carries_the_toolbar(service: Server) -> None:
    answer = service.get(LIST, **NAVIGATION)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b'id="djDebug"' in answer.body
    assert answer.body.index(b'id="json"') < answer.body.index(b'id="djDebug"')


def test_error_carries_the_toolbar_and_keeps_its_status(service: Server) -> None:
    answer = service.get("/api/v1/books/nope/", **NAVIGATION)
    assert answer.status == 404
    assert b'id="djDebug"' in answer.body


def test_call_of_a_program_has_panels_and_stays_json(service: Server) -> None:
    answer = service.get(LIST)
    assert len(json.loads(answer.body)["results"]) == 2
    assert "FROM" in panel(service, answer, "SQLPanel")


@pytest.mark.parametrize(("query", "headers"), [("&toolbar=off", {}), ("", {"X_Toolbar": "off"})])
def test_request_that_asks_for_it_goes_without_the_toolbar(
    service: Server, query: str, headers: dict[str, str]
) -> None:
    answer = service.get(LIST + query, **headers)
    assert "djdt-request-id" not in answer.headers
    assert "Panel" not in answer.headers["Server-Timing"]
    assert "X-Profile-URL" in answer.headers


def test_without_the_variable_there_is_no_toolbar_and_calls_are_recorded(tmp_path: Path) -> None:
    with developing(tmp_path, TOOLBAR="false") as server:
        answer = server.get(LIST, **NAVIGATION)
        assert b'id="djDebug"' not in answer.body
        call = server.get(answer.headers["X-Profile-URL"].removeprefix(server.origin))
        assert json.loads(call.body)["query_count"] == 2


def test_fetch_of_a_page_is_in_the_history_and_gets_json(service: Server) -> None:
    answer = service.get(LIST, **FETCH)
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.body) == json.loads(service.get(LIST).body)
    assert LIST in panel(service, answer, "HistoryPanel")


def test_server_timing_has_our_values_before_those_of_the_toolbar(service: Server) -> None:
    timing = service.get(LIST, **NAVIGATION).headers["Server-Timing"]
    assert re.match(r'total;dur=[\d.]+, db;dur=[\d.]+;desc="2 queries", TimerPanel_', timing)


def test_panel_counts_what_the_access_line_counts(service: Server) -> None:
    answer = service.get(LIST, **NAVIGATION)
    line = service.access_line(answer.headers["X-Request-ID"])
    assert f"({line['db.query_count']} queries" in panel(service, answer, "SQLPanel")
    assert "BEGIN" not in panel(service, answer, "SQLPanel")


def test_queries_of_the_toolbar_are_not_those_of_the_request(service: Server) -> None:
    """It reads the session for its panel, also where the request did not."""
    answer = service.get("/livez", Cookie=logged_in(service), **NAVIGATION)
    assert 'desc="0 queries"' in answer.headers["Server-Timing"]
    assert "_auth_user_id" in panel(service, answer, "RequestPanel")


@pytest.mark.parametrize("name", ["HistoryPanel", "RequestPanel", "HeadersPanel"])
def test_secrets_of_a_client_are_not_kept(service: Server, name: str) -> None:
    answer = service.get(
        "/api/v1/auth/token/?" + urlencode({"api_token": SECRET, "page": "7"}),
        method="POST",
        body=json.dumps({"username": "admin", "nested": {"password": SECRET}, "password": SECRET}),
        Content_Type="application/json",
        Authorization=f"Token {SECRET}",
        Cookie=f"sessionid={SECRET}",
        **FETCH,
    )
    shown = panel(service, answer, name)
    assert "[redacted]" in shown
    assert "correct" not in shown


@pytest.mark.parametrize(("query", "is_browsable"), [("format=api", True), ("format=json", False), ("", False)])
def test_browsable_api_appears_by_its_name_alone(service: Server, query: str, is_browsable: bool) -> None:
    answer = service.get(f"/api/v1/books/?page_size=2&{query}", **NAVIGATION)
    assert (b"Django REST framework" in answer.body) is is_browsable
    assert (b'id="json"' in answer.body) is not is_browsable


def test_panels_of_the_toolbar_leave_no_access_line(service: Server) -> None:
    answer = service.get(LIST, **NAVIGATION)
    panel(service, answer, "SQLPanel")
    service.access_line(service.get(LIST).headers["X-Request-ID"])
    lines = (service.log_dir / "service.jsonl").read_text().splitlines()
    assert not [line for line in lines if "render_panel" in json.loads(line).get("url.path", "")]


def test_asgi_shows_page_and_toolbar_with_the_same_count(tmp_path: Path) -> None:
    with running("uvicorn", tmp_path, DJANGO_SETTINGS_MODULE="tests.probe.settings.development") as server:
        answer = server.get(LIST, **NAVIGATION)
        line = server.access_line(answer.headers["X-Request-ID"])
        assert b'id="djDebug"' in answer.body
        assert f'<dd id="query-count">{line["db.query_count"]}</dd>'.encode() in answer.body
        assert f"({line['db.query_count']} quer" in panel(server, answer, "SQLPanel")
        assert server.get("/static/observability/browser/theme.css").status == 200


def test_panel_of_the_budget_counts_the_application_s_queries_alone(service: Server) -> None:
    answer = service.get(LIST, **NAVIGATION)
    content = panel(service, answer, "QueryBudgetPanel")
    assert "2 queries of the application, a budget of 2; 0 of the framework" in content
    assert "SELECT COUNT(*) FROM probe_book" in content


def test_what_is_kept_in_the_cache_and_the_key_of_a_session_are_not_shown(probe: Server) -> None:
    shown = panel(probe, probe.get("/probe/caching/?value=hunter2&session=0123456789abcdef"), "CachePanel")
    assert "one-time" in shown
    assert "sessions.cache[redacted]" in shown
    assert "hunter2" not in shown
    assert "0123456789abcdef" not in shown


def test_health_check_of_a_program_has_neither_toolbar_nor_profile(service: Server) -> None:
    headers = service.get("/livez").headers
    assert ("djdt-request-id" in headers, "X-Profile-URL" in headers) == (False, False)
