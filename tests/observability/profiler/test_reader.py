"""The header and the stored row of requests of a developer, with Django's test clients."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path
from pytest_django import Settings

from observability.core.diagnostics import Diagnostics
from observability.core.readers import readers
from observability.profiler import profile_file
from observability.profiler.profile_store import DOCUMENT, ProfileFilter, ProfileRow
from observability.profiler.profile_store import store as current_store
from tests.observability.profiler.conftest import NAVIGATION, document_of
from tests.probe.models import Publisher

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__), pytest.mark.usefixtures("recording")]

PROFILE_URL = "X-Profile-URL"
OURS = "X-Profile-URL, X-Request-ID, Server-Timing"


def ordinary(request: HttpRequest, number: int = 0) -> HttpResponse:
    return JsonResponse({"known": Publisher.objects.count()})


def streaming(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        for _ in range(3):
            yield f"{Publisher.objects.count()}\n".encode()

    return StreamingHttpResponse(body(), content_type="text/plain")


def exposing(request: HttpRequest) -> HttpResponse:
    """Set the headers that the query string names."""
    return JsonResponse({}, headers=dict(request.GET.items()))


def failing(request: HttpRequest) -> HttpResponse:
    Publisher.objects.count()
    message = "the view failed"
    raise RuntimeError(message)


def exiting(request: HttpRequest) -> HttpResponse:
    raise SystemExit


def receiving(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"received": len(request.body)})


@transaction.non_atomic_requests
async def asynchronous(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"known": await Publisher.objects.acount()})


@transaction.non_atomic_requests
async def streaming_async(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield f"{await Publisher.objects.acount()}\n".encode()

    return StreamingHttpResponse(body(), content_type="text/plain")


# The test that cancels the view `waiting` adds an event here.
arrivals: list[asyncio.Event] = []


@transaction.non_atomic_requests
async def waiting(request: HttpRequest) -> HttpResponse:
    arrivals.pop().set()
    await asyncio.Event().wait()
    return JsonResponse({})


urlpatterns = [
    path("ordinary/", ordinary),
    path("ordinary/<int:number>/", ordinary),
    path("streaming/", streaming),
    path("exposing/", exposing),
    path("failing/", failing),
    path("exiting/", exiting),
    path("receiving/", receiving),
    path("asynchronous/", asynchronous),
    path("streaming-async/", streaming_async),
    path("waiting/", waiting),
    path("quiet/", ordinary),
    path("__debug__/requests/", include("observability.profiler.urls")),
]


def row_of(response: Any) -> ProfileRow:  # noqa: ANN401 - the answer of a client
    """Return the row for the header of a response."""
    address = response.headers[PROFILE_URL]
    assert address.startswith("http://testserver/__debug__/requests/")
    row = current_store().row(address.rstrip("/").rpartition("/")[2])
    assert row is not None
    return row


def only_row() -> ProfileRow:
    (row,) = current_store().rows()
    return row


def test_header_has_the_profile_of_its_request(client: Client) -> None:
    row = row_of(client.get("/ordinary/7/"))
    assert (row.method, row.path, row.route, row.status, row.query_count, row.transaction, row.failed) == (
        "GET", "/ordinary/7/", "/ordinary/<int:number>/", 200, 1, "committed", False,
    )  # fmt: skip


def test_url_in_the_header_returns_the_profile(client: Client) -> None:
    response = client.get("/ordinary/?page=2")
    profile = client.get(response.headers[PROFILE_URL], headers={"accept": "application/json"}).json()
    assert (profile["request_id"], profile["state"], profile["request"]["url"]) == (
        response.headers["X-Request-ID"], "closed", "/ordinary/?page=2",
    )  # fmt: skip


def test_header_has_no_host_if_the_host_of_the_request_is_not_allowed(client: Client) -> None:
    response = client.get("/ordinary/", headers={"host": "elsewhere.example.com"})
    assert response.status_code == 400
    assert response.headers[PROFILE_URL] == f"/__debug__/requests/{only_row().id}/"


def test_pages_of_the_profiler_are_not_profiled(client: Client) -> None:
    assert PROFILE_URL not in client.get("/__debug__/requests/").headers
    assert current_store().rows() == []


def test_document_has_the_headers_that_readers_set(client: Client) -> None:
    response = client.get("/ordinary/")
    headers = document_of(row_of(response))["response"]["headers"]
    assert {name: headers[name] for name in OURS.split(", ")} == {
        name: response.headers[name] for name in OURS.split(", ")
    }


def test_body_that_a_view_reads_is_in_the_document_without_secrets(client: Client) -> None:
    sent = {"user": "ada", "password": "correct-horse"}
    response = client.post("/receiving/", json.dumps(sent), content_type="application/json")
    body = document_of(row_of(response))["request"]["body"]
    assert json.loads(body["text"]) == sent | {"password": "[redacted]"}
    assert body["bytes"] == response.json()["received"]


# End of requests


def test_request_is_running_until_its_streaming_body_is_sent(client: Client) -> None:
    response = client.get("/streaming/")
    row = row_of(response)
    assert (row.state, row.status, row.query_count) == ("running", 200, 0)
    assert current_store().document(row.number, DOCUMENT) is None
    assert response.getvalue().count(b"\n") == 3
    row = row_of(response)
    assert (row.state, row.query_count) == ("closed", 3)
    assert document_of(row)["response"]["body"]["bytes"] == 6


def test_request_is_closed_if_its_client_disconnects(client: Client) -> None:
    response = client.get("/streaming/")
    next(iter(response))
    response.close()
    row = row_of(response)
    assert (row.state, row.query_count) == ("closed", 1)
    assert document_of(row)["response"]["body"]["bytes"] == 2


def test_request_of_a_failed_view_is_closed_with_the_exception() -> None:
    response = Client(raise_request_exception=False).get("/failing/")
    row = row_of(response)
    assert (row.state, row.status, row.failed, row.transaction) == ("closed", 500, True, "rolled_back")
    exception = document_of(row)["exception"]
    assert exception is not None
    assert (exception["type"], exception["message"]) == ("RuntimeError", "the view failed")
    assert "in failing" in exception["stack"]


def test_request_without_a_response_is_closed(client: Client) -> None:
    with pytest.raises(SystemExit):
        client.get("/exiting/")
    row = only_row()
    assert (row.state, row.path, row.status) == ("closed", "/exiting/", 500)
    assert document_of(row)["response"]["body"]["text"] == ""


def test_canceled_request_is_closed(async_client: AsyncClient) -> None:
    async def cancel() -> None:
        arrival = asyncio.Event()
        arrivals.append(arrival)
        task = asyncio.create_task(async_client.get("/waiting/"))
        await arrival.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async_to_sync(cancel)()
    row = only_row()
    assert (row.state, row.path, row.status, row.failed) == ("closed", "/waiting/", 499, False)


def test_asynchronous_view_has_a_row(async_client: AsyncClient) -> None:
    row = row_of(async_to_sync(async_client.get)("/asynchronous/"))
    assert (row.state, row.status, row.query_count) == ("closed", 200, 1)


def test_synchronous_view_under_asgi_has_a_row(async_client: AsyncClient) -> None:
    row = row_of(async_to_sync(async_client.get)("/ordinary/"))
    assert (row.state, row.status, row.query_count) == ("closed", 200, 1)


def test_request_is_running_until_its_asynchronous_body_is_sent(async_client: AsyncClient) -> None:
    async def states() -> list[str]:
        response = cast("StreamingHttpResponse", await async_client.get("/streaming-async/"))
        states = [row_of(response).state]
        states += [row_of(response).state async for _ in response]
        response.close()
        return [*states, row_of(response).state]

    assert async_to_sync(states)() == ["running"] * 4 + ["closed"]
    assert only_row().query_count == 3


# Requests with a profile


@pytest.mark.parametrize("address", ["192.0.2.1", "", "::1"])
def test_request_from_another_address_has_no_profile(client: Client, address: str) -> None:
    response = client.get("/ordinary/", REMOTE_ADDR=address)
    assert PROFILE_URL not in response.headers
    assert current_store().rows() == []


def test_request_that_claims_to_be_local_has_no_profile(client: Client) -> None:
    response = client.get("/ordinary/", REMOTE_ADDR="192.0.2.1", headers={"x-forwarded-for": "127.0.0.1"})
    assert PROFILE_URL not in response.headers


def test_requests_are_not_profiled_without_debug(client: Client, settings: Settings) -> None:
    settings.DEBUG = False
    assert PROFILE_URL not in client.get("/ordinary/").headers
    assert current_store().rows() == []


def test_quiet_path_has_no_profile(client: Client) -> None:
    assert PROFILE_URL not in client.get("/quiet/").headers
    assert current_store().rows() == []


def test_quiet_path_in_a_browser_has_a_profile(client: Client) -> None:
    headers = {name.replace("_", "-"): value for name, value in NAVIGATION.items()}
    assert row_of(client.get("/quiet/", headers=headers)).path == "/quiet/"


def test_requests_with_the_same_id_are_two_profiles(client: Client) -> None:
    given = {"x-request-id": "chosen-by-a-client"}
    first, second = (row_of(client.get("/ordinary/", headers=given)) for _ in range(2))
    assert first.id != second.id
    assert current_store().rows(ProfileFilter(request_id="chosen-by-a-client")) == [second, first]


# Scripts of other origins


def exposed(client: Client, **headers: str) -> str | None:
    """Return the names of headers that a script of another origin may read."""
    response = client.get("/exposing/", {name.replace("_", "-"): value for name, value in headers.items()})
    names: str | None = response.headers.get("Access-Control-Expose-Headers")
    return names


def test_headers_are_exposed_if_the_application_allows_another_origin(client: Client) -> None:
    assert exposed(client, Access_Control_Allow_Origin="https://spa.example.com") == OURS


def test_headers_are_not_exposed_if_the_application_allows_no_other_origin(client: Client) -> None:
    assert exposed(client) is None
    assert exposed(client, Access_Control_Expose_Headers="ETag") == "ETag"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ETag", f"ETag, {OURS}"),
        ("ETag, x-request-id", "ETag, x-request-id, X-Profile-URL, Server-Timing"),
        (OURS, OURS),
    ],
)
def test_exposed_headers_are_kept_and_not_repeated(client: Client, written: str, read: str) -> None:
    assert exposed(client, Access_Control_Allow_Origin="*", Access_Control_Expose_Headers=written) == read


def test_star_exposes_all_headers(client: Client) -> None:
    assert exposed(client, Access_Control_Allow_Origin="*", Access_Control_Expose_Headers="*") == "*"


def test_star_exposes_no_headers_if_credentials_are_allowed(client: Client) -> None:
    names = exposed(
        client,
        Access_Control_Allow_Origin="https://spa.example.com",
        Access_Control_Allow_Credentials="true",
        Access_Control_Expose_Headers="*",
    )
    assert names == f"*, {OURS}"


# Unusable files


@pytest.fixture
def ask_without_file(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], str]:
    """Return a function that sends a request, whose response has no profile, and returns the diagnostics."""
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"RAISE_READER_ERRORS": False}
    # New diagnostics have not written a line within the last second.
    monkeypatch.setattr(readers, "_diagnostics", Diagnostics("observability:"))

    def ask() -> str:
        response = client.get("/ordinary/", headers={"x-request-id": "without-a-file"})
        assert (response.status_code, response.headers["X-Request-ID"]) == (200, "without-a-file")
        assert PROFILE_URL not in response.headers
        return capsys.readouterr().err

    return ask


def test_unwritable_file_is_reported_in_one_line(ask_without_file: Callable[[], str], path: Path) -> None:
    path.mkdir()
    (line,) = ask_without_file().splitlines()
    assert line.startswith("observability: ProfileReader.response_started failed: ProfileNotStoredError(")
    assert f"{path} cannot be used: " in line


def test_file_that_is_not_a_database_is_reported_with_a_hint(ask_without_file: Callable[[], str], path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)
    (line,) = ask_without_file().splitlines()
    assert "file is not a database; delete the file, it contains only profiles" in line


def test_locked_file_is_reported_in_one_line(
    ask_without_file: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # This is longer than the second in which at most one line is written.
    monkeypatch.setattr(profile_file, "LOCK_TIMEOUT_S", 1.2)
    other = profile_file.ProfileFile(current_store().file.path)
    with other.writing():
        (line,) = ask_without_file().splitlines()
    assert "database is locked" in line
    assert "delete the file" not in line
    other.close()


def test_file_that_is_unwritable_when_a_request_ends_is_reported(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"RAISE_READER_ERRORS": False}
    monkeypatch.setattr(readers, "_diagnostics", Diagnostics("observability:"))
    response = client.get("/streaming/")
    assert row_of(response).state == "running"
    current_store().file.path.unlink()
    current_store().file.path.mkdir()
    assert response.getvalue().count(b"\n") == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("observability: ProfileReader.closed failed: ProfileNotStoredError(")
