"""What caused a query: lines, fields, relations; in views of every kind."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from observability.causes.cause import Cause
from service.ingest import ingest_frames
from service.models import Truck, User
from tests.service.fleet import decoded, make_trucks, realtime, vin

pytestmark = pytest.mark.django_db

Recorder = Callable[[], Any]


@pytest.fixture
def client() -> APIClient:
    """A client of the API that is logged in."""
    client = APIClient()
    token = Token.objects.create(user=User.objects.create_user("driver"))
    client.credentials(HTTP_AUTHORIZATION=f"Token {token.key}")
    return client


def causes(recording: Any, text: str) -> list[Cause]:  # noqa: ANN401
    return [query.cause for query in recording.queries if text in query.short]


def test_method_of_a_serializer_is_named_with_the_lines_behind_it(
    client: APIClient, django_query_recorder: Recorder
) -> None:
    ingest_frames(frames=decoded(realtime()))
    with django_query_recorder() as recording:
        client.get(f"/api/v1/trucks/{vin()}/")
    (cause,) = causes(recording, "FROM service_telemetryframe")
    assert str(cause.field) == "service.api.serializers.TruckDetail.latest_frame"
    assert [site.function for site in cause.sites] == [
        "TelemetryFrameQuerySet.newest_of",
        "TruckDetail.get_latest_frame",
    ]
    assert cause.view == "service.api.views.Trucks.retrieve"


def test_field_that_validates_is_named(client: APIClient, django_query_recorder: Recorder) -> None:
    model = make_trucks(1)[0].truck_model_id
    with django_query_recorder() as recording:
        client.post("/api/v1/trucks/", {"vin": vin(2), "truck_model": model})
    (unique,) = causes(recording, "SELECT 1 FROM service_truck")
    (related,) = causes(recording, "FROM service_truckmodel")
    named = [str(unique.field), str(related.field)]
    assert named == [f"service.api.serializers.TruckSummary.{name}" for name in ("vin", "truck_model")]


def test_relation_that_is_followed_is_named(django_query_recorder: Recorder) -> None:
    make_trucks(1)
    truck = Truck.objects.get()
    with django_query_recorder() as recording:
        assert truck.truck_model is not None
    (cause,) = causes(recording, "FROM service_truckmodel")
    assert (cause.relation, cause.is_raw) == ("truck_model", False)


@pytest.mark.urls("tests.probe.urls")
@pytest.mark.parametrize("path", ["/async/2/", "/ordinary/2/"])
def test_line_of_a_view_is_found_under_asgi(path: str, django_query_recorder: Recorder) -> None:
    async def ask() -> None:
        await AsyncClient().get(path)

    with django_query_recorder() as recording:
        # What the view binds stays there: asgiref hands it back to its caller.
        contextvars.copy_context().run(async_to_sync(ask))
    assert {cause.sites[0].path for cause in causes(recording, "")} == {"tests/probe/views.py"}


async def iterated() -> None:
    [truck async for truck in Truck.objects.all()]


async def gathered() -> None:
    await asyncio.gather(Truck.objects.acount(), asyncio.sleep(0))


@pytest.mark.parametrize("ask", [iterated, gathered])
def test_line_that_awaits_a_query_is_found(ask: Callable[[], Awaitable[None]], django_query_recorder: Recorder) -> None:
    async def asked() -> None:
        await ask()

    with django_query_recorder() as recording:
        async_to_sync(asked)()
    (cause,) = causes(recording, "FROM service_truck")
    assert cause.is_raw is False
    # A coroutine that was gathered is a task of its own: nothing of the project is on its stack.
    assert any("iterated" in site.function for site in cause.sites) == (ask is iterated)
