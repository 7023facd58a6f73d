"""The room of Sentry."""

from django.apps import AppConfig


class SentryConfig(AppConfig):
    name = "observability.sentry"
    label = "observability_sentry"
