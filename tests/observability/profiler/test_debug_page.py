"""Django's page for an exception in development: no secrets, no environment, and only for developers."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject
from django.views.debug import get_default_exception_reporter_filter, technical_500_response
from pytest_django import Settings

from observability import observe
from observability.profiler.debug_page import ShownValue
from tests.probe.models import Book
from tests.server import Server, developing

SECRET = "hunter2hunter2"
URL = f"postgresql://app:{SECRET}@db.example.com/shop"


@pytest.fixture(autouse=True)
def development(settings: Settings) -> Iterator[None]:
    # Django creates the filter once in a process.
    get_default_exception_reporter_filter.cache_clear()  # type: ignore[attr-defined] # the stubs leave it out
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.DEFAULT_EXCEPTION_REPORTER = "observability.profiler.debug_page.DebugPageReporter"
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "observability.profiler.debug_page.DebugPageFilter"
    yield
    get_default_exception_reporter_filter.cache_clear()  # type: ignore[attr-defined] # the stubs leave it out


def fail(password: str, options: dict[str, Any], plain: str) -> None:
    credentials = {"user": "app", "password": password, "nested": [{"api_key": password}]}
    message = f"cannot connect to postgresql://app:{password}@db.example.com: {plain} {len(credentials)} {len(options)}"
    error = ValueError(message)
    error.add_note(f"password={password}")
    raise error


def page_of(request: HttpRequest, options: dict[str, Any]) -> str:
    try:
        fail(SECRET, options, "plain text")
    except ValueError:
        return technical_500_response(request, *sys.exc_info()).content.decode()
    raise AssertionError


@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
def test_page_has_no_secret(settings: Settings, accept: str) -> None:
    settings.SENTRY_DSN = f"https://{SECRET}@sentry.example.com/1"
    settings.PAYMENT = {"API_TOKEN": SECRET, "URL": URL}
    request = RequestFactory().post(
        f"/pay/?token={SECRET}&%70assword={SECRET}&page=2",
        urlencode({"password": SECRET, "amount": "12", "card": f"api_key={SECRET}"}),
        content_type="application/x-www-form-urlencoded",
        headers={"accept": accept, "authorization": f"Bearer {SECRET}", "x-api-key": SECRET, "cookie": f"sid={SECRET}"},
        HTTP_HOST="localhost",
    )
    page = page_of(request, {"headers": {"Authorization": f"Basic {SECRET}"}, "url": URL})
    assert SECRET not in page
    assert "plain text" in page
    assert "page" in page
    assert "12" in page
    assert "sid" in page


def test_page_has_no_variable_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANK_ACCOUNT", "a value of the environment")
    monkeypatch.setenv("HTTP_PROXY", "a proxy of the environment")
    request = RequestFactory().get("/", headers={"accept": "text/html", "x-given": "a given header"}, **os.environ)  # type: ignore[arg-type] # as runserver does
    page = page_of(request, dict(request.META))
    assert "of the environment" not in page
    assert "a given header" in page


@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
@pytest.mark.parametrize("meta", [{"REMOTE_ADDR": "192.0.2.1"}, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}])
def test_others_than_developers_get_no_details(accept: str, meta: dict[str, str]) -> None:
    page = page_of(RequestFactory().get("/pay/", headers={"accept": accept}, **meta), {})  # type: ignore[arg-type] # keys of META
    assert "Server Error (500)" in page
    assert "plain text" not in page
    assert "test_debug_page" not in page


@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
def test_wrong_host_gets_a_plain_400_without_markup_of_the_host(accept: str) -> None:
    request = RequestFactory().get("/", headers={"accept": accept})
    try:
        raise DisallowedHost("Invalid HTTP_HOST header: '<script>'. You may need to add it to ALLOWED_HOSTS.")
    except DisallowedHost as error:
        response = technical_500_response(request, DisallowedHost, error, error.__traceback__, status_code=400)
    page = response.content.decode()
    assert response.status_code == 400
    assert "Bad Request (400)" in page
    assert ("<script>" in page) == (accept == "text/plain")
    assert len(page) < 500


@pytest.fixture(scope="module")
def secretive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A development server with secrets in its environment."""
    variables = {
        "TOOLBAR": "false", "BANK_PASSWORD": SECRET, "OTHER_DATABASE": URL, "HTTP_PROXY": URL,
        "HARMLESS_NAME": "of-the-environment",
    }  # fmt: skip
    with developing(tmp_path_factory.mktemp("secretive"), None, **variables) as started:
        yield started


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(("path", "host", "status"), [("/failing/", "127.0.0.1", 500), ("/livez", "evil.example", 400)])
def test_real_server_shows_no_environment(secretive: Server, path: str, host: str, status: int, accept: str) -> None:
    response = secretive.get(f"{path}?token={SECRET}", Host=host, Accept=accept)
    page = response.body.decode()
    assert response.status == status
    assert SECRET not in page
    assert "of-the-environment" not in page
    assert ("Traceback" in page) == (status == 500)
    # The secrets are in the environment, so their names are missing too.
    assert "BANK_PASSWORD" not in page
    assert Path(secretive.log_dir).exists()


@pytest.mark.django_db
def test_page_runs_no_query() -> None:
    books = Book.objects.filter(isbn__startswith="97")
    shown = {"books": books, "nested": [books], "evaluated": list(books.all()), "author": SimpleLazyObject(books.first)}
    with observe("work") as observation:
        before = observation.query_count
        page = page_of(RequestFactory().get("/", HTTP_HOST="localhost"), shown)
    assert (books._result_cache, observation.query_count) == (None, before)
    texts = [repr(ShownValue(name, value)) for name, value in shown.items() if name in ("books", "evaluated")]
    assert texts == ["<BookQuerySet of Book, not evaluated>", "[]"]
    assert repr(ShownValue("nested", {"books": books})) == "{'books': '<unprintable BookQuerySet>'}"
    assert "ValueError" in page
