"""The flame graph of a request with `?profile` or X-Profile."""

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
# On a busy machine all functions take longer, so the share of `use_cpu` cannot be tested, only its minimum.
LEAST_MS = 0.5 * BUSY_S * 1e3


def use_cpu() -> None:
    """Use CPU time, so that a sampler finds this function."""
    end = time.thread_time() + BUSY_S
    while time.thread_time() < end:
        json.dumps(list(range(100)))


def busy(request: HttpRequest) -> HttpResponse:
    use_cpu()
    return HttpResponse(b"done")


def failing(request: HttpRequest) -> HttpResponse:
    use_cpu()
    raise ZeroDivisionError


@transaction.non_atomic_requests
async def asynchronous(request: HttpRequest) -> HttpResponse:
    use_cpu()
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
    """Return the time in milliseconds in which the function was on the stack."""
    assert samples is not None
    (number,) = (number for number, frame in enumerate(samples["frames"]) if frame[0] == function)
    weights = zip(samples["samples"], samples["weights_ms"], strict=True)
    return float(sum(weight for stack, weight in weights if number in stack))


def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("extra", [{"QUERY_STRING": "profile"}, {"headers": {"X-Profile": "1"}}])
def test_request_with_profile_has_a_flame_graph_of_its_functions(extra: dict[str, Any]) -> None:
    assert time_ms(samples_of(client().get("/busy/", **extra)), "use_cpu") > LEAST_MS


def test_function_of_the_project_has_its_path_and_line() -> None:
    samples = samples_of(client().get("/busy/?profile"))
    assert samples is not None
    place = f"tests/observability/profiler/test_flame_recorder.py:{use_cpu.__code__.co_firstlineno}"
    assert ["use_cpu", place, True] in samples["frames"]


def test_callers_of_the_recorder_are_not_in_the_graph() -> None:
    samples = samples_of(client().get("/busy/?profile"))
    assert samples is not None
    names = {name for name, _, _ in samples["frames"]}
    assert not names & {"ObservationMiddleware.__call__", "pytest_pyfunc_call", "sample"}


def test_request_without_profile_has_no_flame_graph() -> None:
    assert samples_of(client().get("/busy/")) is None


def test_failed_request_has_a_flame_graph_up_to_the_failure() -> None:
    response = client().get("/failing/?profile")
    assert response.status_code == 500
    assert time_ms(samples_of(response), "use_cpu") > LEAST_MS


def get_asynchronously(address: str) -> Any:  # noqa: ANN401 - a response of the client
    return async_to_sync(AsyncClient().get)(address)


def test_synchronous_view_under_asgi_is_sampled() -> None:
    assert time_ms(samples_of(get_asynchronously("/busy/?profile")), "use_cpu") > LEAST_MS


def test_asynchronous_view_has_running_and_waiting_time() -> None:
    samples = samples_of(get_asynchronously("/asynchronous/?profile"))
    assert time_ms(samples, "use_cpu") > LEAST_MS
    assert time_ms(samples, "[await]") > LEAST_MS


@sync_and_async_middleware
def with_other_urlconf(get_response: Any) -> Any:  # noqa: ANN401 - of either kind
    """Serve the URLs of this module instead of those of ROOT_URLCONF."""
    if not iscoroutinefunction(get_response):
        return get_response

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        request.urlconf = __name__
        response: HttpResponseBase = await get_response(request)
        return response

    return middleware


def test_asynchronous_view_of_a_request_with_another_urlconf_is_sampled_as_asynchronous(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.probe.urls"
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], f"{__name__}.with_other_urlconf", *settings.MIDDLEWARE[1:]]
    samples = samples_of(get_asynchronously("/asynchronous/?profile"))
    assert time_ms(samples, "[await]") > LEAST_MS


def test_without_pyinstrument_the_request_continues_with_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyinstrument", None)
    response = client().get("/busy/?profile")
    assert (response.status_code, samples_of(response)) == (200, None)
    profile = client().get(response.headers["X-Profile-URL"], headers={"Accept": "application/json"}).json()
    assert profile["notice"] == NOT_INSTALLED
    assert profile["flame_graph"] is None


def test_running_profiler_is_not_disturbed() -> None:
    async def get() -> Any:  # noqa: ANN401 - a response of the client
        with Profiler(async_mode="enabled"):
            return await AsyncClient().get("/asynchronous/?profile")

    response = async_to_sync(get)()
    assert (response.status_code, samples_of(response)) == (200, None)


def test_pyinstrument_is_not_imported_for_requests_without_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pyinstrument")
    client().get("/busy/")
    assert "pyinstrument" not in sys.modules
