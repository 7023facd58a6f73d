"""The app of `manage.py logs`."""

from django.apps import AppConfig


class LogAnalysisConfig(AppConfig):
    name = "observability.log_analysis"
    label = "observability_log_analysis"
