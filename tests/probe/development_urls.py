"""The addresses of a developer's machine, with those of the probe beside the service's."""

from django.urls import include, path

from settings.development_urls import urlpatterns as development_urlpatterns
from tests.probe.fleet import Fleet

urlpatterns = [*development_urlpatterns, path("probe/", include("tests.probe.urls")), path("fleet/", Fleet.as_view())]
