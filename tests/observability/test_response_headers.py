"""The response headers X-Request-ID and Server-Timing."""

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from observability.core.context import current
from observability.core.steps import Step


def with_timing(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"Server-Timing": "application;dur=1"})


def reading_user(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user))


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def sending_request(request: HttpRequest) -> HttpResponse:
    observation = current()
    assert observation is not None
    observation.add_step(Step("http_client", "GET a 200", "a", 2.5))
    return HttpResponse()


urlpatterns = [
    path("with-timing/", with_timing),
    path("reading-user/", reading_user),
    path("plain/", plain),
    path("sending-request/", sending_request),
]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def test_server_timing_keeps_the_entries_of_the_application(client: Client) -> None:
    assert client.get("/with-timing/").headers["Server-Timing"].endswith('desc="0 queries", application;dur=1')


def test_server_timing_has_outgoing_requests_if_there_were_any(client: Client) -> None:
    assert "outgoing" not in client.get("/plain/").headers["Server-Timing"]
    assert client.get("/sending-request/").headers["Server-Timing"].endswith(', outgoing;dur=2.5;desc="1 request"')


@pytest.mark.parametrize(("is_staff", "is_shown"), [(True, True), (False, False)])
def test_server_timing_is_for_staff_by_default(
    client: Client, settings: Settings, is_staff: bool, is_shown: bool
) -> None:
    settings.OBSERVABILITY = {key: value for key, value in settings.OBSERVABILITY.items() if key != "SERVER_TIMING"}
    client.force_login(get_user_model().objects.create_user("ada", is_staff=is_staff))
    assert ("Server-Timing" in client.get("/reading-user/").headers) is is_shown


def test_user_is_not_loaded_for_the_header(client: Client) -> None:
    client.force_login(get_user_model().objects.create_user("ada", is_staff=True))
    answer = client.get("/plain/")
    assert 'desc="0 queries"' in answer.headers["Server-Timing"]
    assert "Cookie" not in answer.headers.get("Vary", "")
