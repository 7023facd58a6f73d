"""The room of the log files."""

import logging
from types import ModuleType

from django.apps import AppConfig

from observability.conf import shared_file
from observability.logs.level_file import LEVELS_FILE
from observability.logs.levels import levels
from observability.logs.pipeline import configure_structlog


class LogsConfig(AppConfig):
    name = "observability.logs"
    label = "observability_logs"

    def __init__(self, app_name: str, app_module: ModuleType) -> None:
        super().__init__(app_name, app_module)
        # Before the models are imported, whose modules make their loggers.
        configure_structlog()
        # Django has configured logging by now; a warning that is captured earlier has no handler to go to.
        logging.captureWarnings(capture=True)

    def ready(self) -> None:
        from observability.logs import checks  # noqa: F401, PLC0415 - registers the checks

        path = shared_file(LEVELS_FILE)
        if path is not None:
            levels.start(path)
