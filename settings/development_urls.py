"""URLs of the service and of the development tools."""

from debug_toolbar.toolbar import debug_toolbar_urls
from django.apps import apps
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

from settings.urls import urlpatterns as service_urlpatterns

urlpatterns = [
    path("__debug__/requests/", include("observability.profiler.urls")),
    *debug_toolbar_urls(),
    *staticfiles_urlpatterns(),
    *service_urlpatterns,
]

if apps.is_installed("silk"):
    urlpatterns += [path("silk/", include("silk.urls", namespace="silk"))]
