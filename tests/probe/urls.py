"""URLs of the probe."""

from django.contrib import admin
from django.urls import include, path

from tests.probe import api, failures, views
from tests.probe.shelves import Shelves

urlpatterns = [
    path("ordinary/<int:count>/", views.ordinary),
    path("async/<int:count>/", views.asynchronous),
    path("counting-async/", views.counting_async),
    path("streaming/<int:count>/", views.streaming),
    path("streaming-async/<int:count>/", views.streaming_async),
    path("binding-body/", views.binding_body),
    path("endless/", views.endless),
    path("endless-async/", views.endless_async),
    path("file/", views.file),
    path("with-headers/", views.with_headers),
    path("detailed/<int:status>/", views.detailed),
    path("level/<str:logger>/", views.level),
    path("failing/", views.failing),
    path("failing-async/", views.failing_async),
    path("failing-body/", views.failing_body),
    path("failing-body-async/", views.failing_body_async),
    path("failing-by-api/", views.FailingByApi.as_view()),
    path("not-found-by-api/", views.NotFoundByApi.as_view()),
    path("sending/<int:count>/", views.sending),
    path("sleeping/", views.sleeping),
    path("sleeping-async/", views.sleeping_async),
    path("slow-query/", views.slow_query),
    path("write/<str:name>/", views.write),
    path("write-then-raise/<str:name>/", views.write_then_raise),
    path("write-then-invalid/<str:name>/", views.WriteThenInvalid.as_view()),
    path("write-then-400/<str:name>/", views.write_then_400),
    path("write-half/<str:name>/", views.write_half),
    path("write-then-catch/<str:name>/", views.write_then_catch),
    path("write-orphan/<str:name>/", views.write_orphan),
    path("write-then-close/<str:name>/", views.write_then_close),
    path("write-many/<str:name>/", views.write_many),
    path("write-then-iterate/<str:name>/", views.write_then_iterate),
    path("write-outside/<str:name>/", views.write_outside),
    path("read-then-write/<str:name>/", views.read_then_write),
    path("caching/", views.caching),
    path("who/", views.who),
    path("async-user/", views.async_user),
    path("leaving/", views.leaving),
    path("warning/", views.warning),
    path("api/v1/", include(api.urlpatterns)),
    path("shelves/", Shelves.as_view()),
    path("admin/", admin.site.urls),
    path("livez", api.livez),
    *failures.urlpatterns,
]
