"""The room of the log files."""

from django.apps import AppConfig

from observability.logs.pipeline import configure_structlog


class LogsConfig(AppConfig):
    name = "observability.logs"
    label = "observability_logs"

    def ready(self) -> None:
        configure_structlog()
