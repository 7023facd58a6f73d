"""The app that adds `manage.py logs` and the system check of log retention."""

from django.apps import AppConfig


class LogAnalysisConfig(AppConfig):
    name = "observability.log_analysis"
    label = "observability_log_analysis"

    def ready(self) -> None:
        from observability.log_analysis import checks  # noqa: F401, PLC0415 - registers the check
