"""The room of the browser."""

from django.apps import AppConfig


class BrowserConfig(AppConfig):
    name = "observability.browser"
    label = "observability_browser"

    def ready(self) -> None:
        from observability.browser import checks  # noqa: F401, PLC0415 - registers the checks
