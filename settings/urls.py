"""URLs of the service."""

from django.contrib import admin
from django.urls import include, path

from service.admin_login import login
from service.health import livez, readyz

urlpatterns = [
    path("api/v1/", include("service.api.urls")),
    path("admin/", include([path("login/", login)])),
    path("admin/", admin.site.urls),
    path("livez", livez),
    path("readyz", readyz),
]
