"""The app of the log files."""

import logging
from types import ModuleType

from django.apps import AppConfig

from observability.conf import shared_file
from observability.logs.levels import LEVELS_FILE, levels
from observability.logs.structlog_pipeline import configure_structlog


class LogsConfig(AppConfig):
    name = "observability.logs"
    label = "observability_logs"

    def __init__(self, app_name: str, app_module: ModuleType) -> None:
        super().__init__(app_name, app_module)
        # This must run before the models are imported, because their modules create loggers.
        configure_structlog()
        # Django has configured logging at this point. A warning that is captured earlier reaches no handler.
        logging.captureWarnings(capture=True)

    def ready(self) -> None:
        from observability.logs import checks  # noqa: F401, PLC0415 - registers the checks

        path = shared_file(LEVELS_FILE)
        if path is not None:
            levels.start(path)
