"""The routes of the API."""

from typing import Any, cast

from django.urls import path
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.generics import GenericAPIView
from rest_framework.routers import DefaultRouter
from rest_framework.viewsets import ViewSetMixin

from service.api.views import TelemetryFrameView, TruckViewSet


class PlainRouter(DefaultRouter):
    """Routes in the form of `path()`: `trucks/<vin>/`, without a regular expression or a converter.

    The API root lists the URLs of the viewsets.
    """

    include_format_suffixes = False

    def __init__(self) -> None:
        super().__init__(use_regex_path=False)

    def get_lookup_regex(self, viewset: type[ViewSetMixin], lookup_prefix: str = "") -> str:
        """Return the part of the route that identifies one object. It has no converter, so `path()` uses `str`."""
        return f"<{lookup_prefix}{cast('type[GenericAPIView[Any]]', viewset).lookup_field}>"


router = PlainRouter()
router.register("trucks", TruckViewSet)

urlpatterns = [
    path("auth/token/", obtain_auth_token, name="auth-token"),
    path("telemetry/frames/", TelemetryFrameView.as_view(), name="telemetry-frames"),
    *router.urls,
]
