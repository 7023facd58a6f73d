"""The URLs of the profiler's pages. Projects usually include them at `__debug__/requests/`."""

from django.urls import path

from observability.profiler.pages import views

app_name = "observability_profiler"

urlpatterns = [
    path("", views.requests, name="requests"),
    path("latest/", views.latest, name="latest"),
    path("<str:profile_id>/", views.request, name="request"),
    path("<str:first_id>/compare/<str:second_id>/", views.comparison, name="comparison"),
    path("<str:profile_id>/speedscope.json", views.speedscope_file, name="speedscope"),
]
