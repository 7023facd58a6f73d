"""The flame graph of a request that asks for one."""

import json
import sys
import time
from typing import Any

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client
from django.urls import include, path
from django.utils.decorators import sync_and_async_middleware
from pyinstrument import Profiler
from pytest_django import Settings

from observability.profiler.flame_recorder import NOT_INSTALLED
from observability.profiler.profile_store import FLAME, store

BUSY_S = 0.03
# On a busy machine `toil` takes longer than that, and so does all else: its share of the whole says nothing.
LEAST_MS = 0.5 * BUSY_S * 1e3


def toil() -> None:
    """Take CPU time; a sample each millisecond finds it."""
    end = time.thread_time() + BUSY_S
    while time.thread_time() < end:
        json.dumps(list(range(100)))


def busy(request: HttpRequest) -> HttpResponse:
    toil()
    return HttpResponse(b"done")


def failing(request: HttpRequest) -> HttpResponse:
    toil()
    raise ZeroDivisionError


@transaction.non_atomic_requests
async def asynchronous(request: HttpRequest) -> HttpResponse:
    toil()
    await sync_to_async(time.sleep)(BUSY_S)
    return HttpResponse(b"done")


urlpatterns = [
    path("busy/", busy),
    path("failing/", failing),
    path("asynchronous/", asynchronous),
    path("__debug__/requests/", include("observability.profiler.urls")),
]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__), pytest.mark.usefixtures("recording")]


def samples_of(response: Any) -> dict[str, Any] | None:  # noqa: ANN401 - of either client
    row = store().row(response.headers["X-Profile-URL"].split("/")[-2])
    assert row is not None
    data = store().document(row.number, FLAME)
    return None if data is None else json.loads(data)


def time_ms(samples: dict[str, Any] | None, function: str) -> float:
    """Return the milliseconds in which the function was on the stack."""
    assert samples is not None
    (number,) = (number for number, frame in enumerate(samples["frames"]) if frame[0] == function)
    weights = zip(samples["samples"], samples["weights_ms"], strict=True)
    return float(sum(weight for stack, weight in weights if number in stack))


def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("extra", [{"QUERY_STRING": "profile"}, {"headers": {"X-Profile": "1"}}])
def test_request_with_profile_has_the_functions_that_took_its_time(extra: dict[str, Any]) -> None:
    assert time_ms(samples_of(client().get("/busy/", **extra)), "toil") > LEAST_MS


def test_function_of_the_project_has_its_place() -> None:
    samples = samples_of(client().get("/busy/?profile"))
    assert samples is not None
    place = f"tests/observability/profiler/test_flame_recorder.py:{toil.__code__.co_firstlineno}"
    assert ["toil", place, True] in samples["frames"]


def test_what_stands_around_the_recorder_is_not_in_it() -> None:
    samples = samples_of(client().get("/busy/?profile"))
    assert samples is not None
    names = {name for name, _, _ in samples["frames"]}
    assert not names & {"ObservationMiddleware.__call__", "pytest_pyfunc_call", "sample"}


def test_request_without_profile_has_no_flame_graph() -> None:
    assert samples_of(client().get("/busy/")) is None


def test_request_that_fails_has_what_ran_until_then() -> None:
    response = client().get("/failing/?profile")
    assert response.status_code == 500
    assert time_ms(samples_of(response), "toil") > LEAST_MS


def asked_asynchronously(address: str) -> Any:  # noqa: ANN401 - a response of the client
    return async_to_sync(AsyncClient().get)(address)


def test_synchronous_view_under_asgi_is_sampled_in_its_thread() -> None:
    assert time_ms(samples_of(asked_asynchronously("/busy/?profile")), "toil") > LEAST_MS


def test_asynchronous_view_has_its_own_time_and_that_in_which_it_waits() -> None:
    samples = samples_of(asked_asynchronously("/asynchronous/?profile"))
    assert time_ms(samples, "toil") > LEAST_MS
    assert time_ms(samples, "[await]") > LEAST_MS


@sync_and_async_middleware
def with_own_addresses(get_response: Any) -> Any:  # noqa: ANN401 - of either kind
    """Serve the addresses of this module instead of those of ROOT_URLCONF."""
    if not iscoroutinefunction(get_response):
        return get_response

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        request.urlconf = __name__
        response: HttpResponseBase = await get_response(request)
        return response

    return middleware


def test_asynchronous_view_of_the_request_s_own_urlconf_is_sampled_as_asynchronous(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.probe.urls"
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], f"{__name__}.with_own_addresses", *settings.MIDDLEWARE[1:]]
    samples = samples_of(asked_asynchronously("/asynchronous/?profile"))
    assert time_ms(samples, "[await]") > LEAST_MS


def test_request_without_the_package_continues_and_has_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyinstrument", None)
    response = client().get("/busy/?profile")
    assert (response.status_code, samples_of(response)) == (200, None)
    profile = client().get(response.headers["X-Profile-URL"], headers={"Accept": "application/json"}).json()
    assert profile["notice"] == NOT_INSTALLED
    assert profile["flame_graph"] is None


def test_profiler_that_runs_already_is_left_alone() -> None:
    async def get() -> Any:  # noqa: ANN401 - a response of the client
        with Profiler(async_mode="enabled"):
            return await AsyncClient().get("/asynchronous/?profile")

    response = async_to_sync(get)()
    assert (response.status_code, samples_of(response)) == (200, None)


def test_package_is_not_even_imported_for_requests_without_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pyinstrument")
    client().get("/busy/")
    assert "pyinstrument" not in sys.modules
