"""The room of the log files."""

from types import ModuleType

from django.apps import AppConfig

from observability.logs.pipeline import configure_structlog


class LogsConfig(AppConfig):
    name = "observability.logs"
    label = "observability_logs"

    def __init__(self, app_name: str, app_module: ModuleType) -> None:
        super().__init__(app_name, app_module)
        # Before the models are imported, whose modules make their loggers.
        configure_structlog()

    def ready(self) -> None:
        from observability.logs import checks  # noqa: F401, PLC0415 - registers the checks
