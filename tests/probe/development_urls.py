"""URLs for development: those of the probe and of the tools."""

from debug_toolbar.toolbar import debug_toolbar_urls
from django.apps import apps
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

from tests.probe.urls import urlpatterns as probe_urlpatterns

urlpatterns = [
    path("__debug__/requests/", include("observability.profiler.urls")),
    *debug_toolbar_urls(),
    *staticfiles_urlpatterns(),
    *probe_urlpatterns,
]

if apps.is_installed("silk"):
    urlpatterns += [path("silk/", include("silk.urls", namespace="silk"))]
