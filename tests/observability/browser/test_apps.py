"""What the room does as soon as it is installed."""

from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient
from django.urls import include, path
from pytest_django import Settings

from service.models import Manufacturer


@transaction.non_atomic_requests
async def counting(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"count": await Manufacturer.objects.acount()})


urlpatterns = [
    path("counting/", counting),
    path("__debug__/requests/", include("observability.browser.pages.urls")),
]


@pytest.fixture
def _installed(settings: Settings, recording: None) -> Iterator[None]:
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "observability.browser"]
    yield
    apps.get_app_config("observability_browser").process.close()  # type: ignore[attr-defined] # the room's own


@pytest.mark.django_db
@pytest.mark.urls(__name__)
@pytest.mark.usefixtures("_installed")
def test_query_of_asynchronous_code_has_the_line_that_waited_for_it() -> None:
    response = async_to_sync(AsyncClient().get)("/counting/")
    call = async_to_sync(AsyncClient().get)(response.headers["X-Profile-URL"]).json()
    (statement,) = call["statements"]
    assert [line.rpartition(" ")[2] for line in statement["cause"]["lines"]] == ["counting"]
